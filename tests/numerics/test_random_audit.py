"""Double precision audited by digits: random models and parameters, every reported error against the true one.

Parameters are drawn as short decimals, which double precision rounds; what that rounding does is part of what its error
has to cover, since a user types decimals.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import sympy as sp

import replicas as rp

DIGITS = 25
FAST, LARGE = 40, 220  # draws
OVERSTATED = 1000  # DESIGN: the median error estimate stays within this factor of the true error ...
ROUNDING = 2e-14  # ... or at rounding level (relative)
NAMES = ("q", "q_hat", "Q", "lam", "free_entropy", "entropy", "energy", "replicon")


def decimal(rng: np.random.Generator, low: float, high: float, places: int = 3) -> float:
    """A short decimal."""
    return round(float(rng.uniform(low, high)), places)


def draw(rng: np.random.Generator) -> tuple[Any, float]:
    """A model and a load at which it is interesting: some close to where its saddle ends."""
    kind = rng.integers(7)
    if kind == 0:
        return rp.Perceptron("binary", decimal(rng, -2, 2)), decimal(rng, 0.01, 0.6)
    if kind == 1:
        kappa = decimal(rng, -2, 2)
        edge = float(rp.capacity(rp.Perceptron("spherical", kappa)).value)
        share = float(rng.choice([0.05, 0.5, 0.9, 0.99, 0.9999]))
        return rp.Perceptron("spherical", kappa), float(f"{share * edge:.6g}")
    if kind == 2:
        weights = "ternary" if rng.random() < 0.5 else "discrete:-2,-1,1,2"
        return rp.Perceptron(weights, decimal(rng, 0.01, 0.8)), decimal(rng, 0.05, 0.8)
    if kind == 3:
        weights = "binary" if rng.random() < 0.5 else "spherical"
        return rp.Perceptron(weights, decimal(rng, -1, 1), beta=decimal(rng, 0.1, 5)), decimal(rng, 0.1, 2)
    if kind == 4:
        return rp.Perceptron("binary", decimal(rng, 0.4, 2), "window"), decimal(rng, 0.05, 1)
    if kind == 5:
        weights = "binary" if rng.random() < 0.5 else "spherical"
        return rp.Perceptron(weights, task="teacher-student"), decimal(rng, 0.05, 1.2)
    low, level = decimal(rng, -1, 1, 2), decimal(rng, 0.05, 0.9, 2)
    step = sp.Heaviside(rp.field - sp.Rational(str(low)))
    likelihood = rp.Likelihood(step + sp.Rational(str(level)) * (1 - step))
    return rp.Perceptron("binary", likelihood=likelihood), decimal(rng, 0.1, 2)


@lru_cache(maxsize=2)
def audited(size: int) -> tuple[list[str], dict[str, list[float]], int]:
    """(violations, ratios of reported to true errors by quantity, numbers looked at)."""
    rng = np.random.default_rng(20261121)
    violations, ratios, count = [], defaultdict(list), 0
    for _ in range(size):
        model, alpha = draw(rng)
        double, exact = rp.solve(model, alpha), rp.solve(model, alpha, digits=DIGITS)
        where = f"{model}, alpha = {alpha}"
        if exact.status != double.status:
            violations.append(f"{exact.status} with digits ({exact.message}), {double.status} without: {where}")
            continue
        if double.status == "no-solution":  # beyond the end of the saddle: an answer, without numbers
            continue
        for name in NAMES:
            value, error = getattr(double, name), double.errors.get(name)
            if value is None or error is None:
                continue
            count += 1
            true = float(abs(getattr(exact, name) - value))
            if not true <= error:
                violations.append(f"{name} = {value!r}: error {true:.2e} above its bound {error:.2e}: {where}")
            at_rounding = error <= ROUNDING * max(1.0, abs(value))
            ratios[name].append(1.0 if at_rounding else error / max(true, 1e-300))
    return violations, ratios, count


@pytest.mark.parametrize("size", [FAST, pytest.param(LARGE, marks=pytest.mark.slow)])
def test_reported_errors_cover_the_true_ones(size):
    violations, _, count = audited(size)
    assert count > 5 * size
    assert not violations, "\n".join(violations)


@pytest.mark.parametrize("size", [FAST, pytest.param(LARGE, marks=pytest.mark.slow)])
def test_reported_errors_are_not_empty_talk(size):
    _, ratios, _ = audited(size)
    assert {k: float(np.median(v)) for k, v in ratios.items() if np.median(v) > OVERSTATED} == {}


@pytest.mark.parametrize("seed", range(6))
def test_thresholds_are_covered(seed):
    """Capacities, AT loads and transitions of random models."""
    rng = np.random.default_rng(seed)
    kappa = decimal(rng, -1, 1.5)
    for double, exact in (
        (rp.capacity(rp.Perceptron("binary", kappa)), rp.capacity(rp.Perceptron("binary", kappa), digits=DIGITS)),
        (rp.capacity(rp.Perceptron("spherical", kappa)), rp.capacity(rp.Perceptron("spherical", kappa), digits=DIGITS)),
        (rp.at_line(rp.Perceptron("binary", kappa)), rp.at_line(rp.Perceptron("binary", kappa), digits=DIGITS)),
    ):
        assert exact.status == double.status == "converged"
        assert abs(exact.value - double.value) <= double.error, (double.question, kappa)
