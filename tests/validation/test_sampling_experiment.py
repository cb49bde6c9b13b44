"""Sampled solutions against RS: right predictions agree, wrong ones do not; the controls have mean zero and the mean its error."""

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr

from tests.validation.test_experiments import rs_binary
from validation import sampling_experiments as experiment

Z = np.linspace(-9, 9, 4001)
DZ = np.exp(-(Z**2) / 2) / np.sum(np.exp(-(Z**2) / 2))
SPHERES = ((0.5, 0.0),)


def rs_sphere(alpha):
    """Entropy, overlap and field density of the sphere at kappa = 0: plain iteration of q = alpha (1 - q) E A^2 + its fields."""
    q = 0.3
    for _ in range(3000):
        u = -np.sqrt(q / (1 - q)) * Z
        A = np.exp(-(u**2) / 2 - 0.5 * np.log(2 * np.pi) - log_ndtr(-u))
        q = alpha * (1 - q) * (DZ @ A**2)
    S = 0.5 * (np.log(1 - q) + q / (1 - q)) + alpha * DZ @ log_ndtr(-u)
    h, s = np.sqrt(q) * Z, np.sqrt(1 - q)

    def share(low, high):
        """P(low <= u < high): each replica of mean field h conditioned to u >= 0."""
        return float(DZ @ ((ndtr((high - h) / s) - ndtr((low - h) / s)) / ndtr(h / s)))

    step = 1e-4
    mean = float(DZ @ (h + s * np.exp(-((h / s) ** 2) / 2 - 0.5 * np.log(2 * np.pi) - log_ndtr(h / s))))
    edges = experiment.EDGES
    bins = {f"P({low:g} <= u < {high:g})": share(low, high) for low, high in pairwise(edges)}
    numbers = {"entropy": S, "overlap q": q, "variance of the overlap": 0.0, "pressure": alpha * share(0, step) / step, "mean field": mean}
    return numbers | bins


def test_predictions_are_those_of_a_plain_iteration():
    found, plain = experiment.sphere_theory(0.5, 0.0), rs_sphere(0.5)
    assert list(found) == list(plain)
    for name, value in plain.items():
        assert found[name] == pytest.approx(value, abs=2e-4), name  # the step of the pressure
    entropy, q = rs_binary(1 / 3)
    assert experiment.binary_theory(1 / 3) == pytest.approx({"entropy": entropy, "overlap q": q}, abs=1e-9)


SEEN = {}
"""Samples already drawn: right and wrong predictions are confronted with the same ones."""


def run(monkeypatch, factor):
    collect = experiment.collect

    def once(sample_value, samples, what, progress):
        if what not in SEEN:
            SEEN[what] = collect(sample_value, samples, what, progress)
        return SEEN[what]

    monkeypatch.setattr(experiment, "collect", once)
    monkeypatch.setattr(experiment, "SPHERES", {True: SPHERES})
    monkeypatch.setattr(experiment, "SPHERE_PLAN", {True: {20: 60, 30: 40}})
    monkeypatch.setattr(experiment, "STOCHASTIC_PLAN", {True: {15: 60, 27: 40}})
    monkeypatch.setattr(experiment, "BINARY_PLAN", {True: {15: 60, 27: 30}})
    for name in ("sphere_theory", "stochastic_theory", "binary_theory"):
        right = getattr(experiment, name)
        monkeypatch.setattr(experiment, name, lambda *a, right=right: {k: factor * v for k, v in right(*a).items()})
    return experiment.run(quick=True, seed=1)


@pytest.mark.parametrize(("factor", "agrees"), [(1.0, True), (1.1, False)])
def test_right_predictions_agree_and_wrong_ones_do_not(monkeypatch, factor, agrees):
    result = run(monkeypatch, factor)
    assert json.dumps(result.to_dict()) and len(result.rows) == 8 + 3 + 2
    assert result.agrees is agrees, [row.label for row in result.rows if not row.agrees]
    if not agrees:
        wrong = [row.label for row in result.rows if not row.agrees]
        for what in ("sphere, alpha = 0.5: entropy", "sphere, alpha = 0.5: overlap", "binary, alpha = 0.333: entropy"):
            assert any(label.startswith(what) for label in wrong), wrong
        assert any(label.startswith("stochastic") for label in wrong)
    assert all(len(column) == len(result.data["N"]) for column in result.data.values())
    for curve in result.series:
        assert len(curve.x) == len(curve.y) == len(curve.yerr) > 0 and len(curve.theory_x) == len(curve.theory_y) > 0


def test_controls_have_mean_zero_and_are_the_plain_sums():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, 6))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    c = unit @ unit.T
    pairs = sum(np.arcsin(c[a, b]) for a in range(4) for b in range(a)) / 6
    triples = sum(c[a, b] * c[b, d] for a in range(4) for b in range(4) for d in range(4) if len({a, b, d}) == 3) / 6
    assert experiment.controls(x) == pytest.approx([pairs, triples])
    many = np.array([experiment.controls(rng.choice([-1, 1], (5, 9))) for _ in range(4000)])
    assert np.all(np.abs(many.mean(axis=0)) < 4 * many.std(axis=0) / np.sqrt(4000))


def test_the_intercept_has_the_error_it_says():
    rng, pulls = np.random.default_rng(2), []
    for _ in range(600):
        x = rng.standard_normal((15, 2))
        mean, stderr = experiment.intercept(0.7 + x @ [3.0, -2.0] + 0.1 * rng.standard_normal(15), x)
        pulls.append((mean - 0.7) / stderr)
    assert abs(np.mean(pulls)) < 0.15 and abs(np.std(pulls) - 1) < 0.1
    assert stderr < 0.06  # 0.1/sqrt(15) = 0.026: the controls are gone, not part of the scatter
