"""k-step functionals: gradients against differences, the sphere's closed form against extremisation, reductions to RS."""

from __future__ import annotations

import pytest
import sympy as sp

import replicas as rp
from replicas.symbolic import symbols as S
from replicas.symbolic.numeric import evaluate
from replicas.symbolic.rs import functional as rs
from replicas.symbolic.rsb import _sphere as sphere
from replicas.symbolic.rsb import conjugates, functional, overlaps, parisi

STEP = 1e-4  # of a central difference: error 1e-8 of the third derivative
DIFFERENCE = 1e-6
QUADRATURE = 1e-11  # of the referee's nested panels
POINT = {
    "q0": 0.3,
    "q1": 0.7,
    "qhat0": 0.8,
    "qhat1": 1.9,
    "m1": 0.6,
    "alpha": 0.9,
    "kappa": 0.2,
    "lambda": 0.4,
    "Q": 1.0,
}


def value(expr, model, **changes):
    f = functional(model)
    return float(evaluate(f.closed_form(expr), POINT | changes, f.leaves))


@pytest.mark.parametrize("weights", ["binary", "spherical", "ternary"])
def test_one_step_gradient(weights):
    """Stein, the heat equation and the Parisi weights give the derivative of the nested averages."""
    model = rp.Perceptron(weights, kappa=0.2)
    f = functional(model)
    for x in f.unknowns:
        up, down = (value(f.expr, model, **{x.name: POINT[x.name] + s * STEP}) for s in (1, -1))
        assert value(f.grad()[x], model) == pytest.approx((up - down) / (2 * STEP), abs=DIFFERENCE), x


@pytest.mark.parametrize("k", [1, 2, 3])
def test_sphere_is_the_extremum_over_the_conjugates(k):
    """Exact rationals: every derivative of the unreduced form vanishes at the eliminated conjugates, and the values agree."""
    q, c, m = overlaps(k), conjugates(k), parisi(k)
    lams = [S.lam]
    for j in range(k, 0, -1):
        lams.insert(0, lams[0] - m[j - 1] * (c[j] - c[j - 1]))
    weights = -sp.log(S.lam) / 2 - sp.Rational(1, 2) + c[0] / (2 * lams[0])
    weights -= sum(sp.log(lams[j - 1] / lams[j]) / (2 * m[j - 1]) for j in range(1, k + 1))
    free = S.lam / 2 - c[k] * (1 - q[k]) / 2 + weights
    free -= sum(m[j - 1] * (c[j] * q[j] - c[j - 1] * q[j - 1]) for j in range(1, k + 1)) / 2
    entropy, eliminated = sphere(k)
    at = {q[j]: sp.Rational(j + 2, k + 5) for j in range(k + 1)} | {m[j]: sp.Rational(j + 1, k + 3) for j in range(k)}
    there = {x: e.subs(at) for x, e in eliminated.items()}
    for x in (*c, S.lam):
        assert free.diff(x).subs(at).subs(there) == 0
    assert abs(sp.N(free.subs(at).subs(there) - entropy.subs(at), 30)) < 1e-28


@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_equal_overlaps_are_replica_symmetric(weights):
    """q1 = q0 (nearly: the level has no width left) is the RS functional whatever m."""
    model = rp.Perceptron(weights, kappa=0.2)
    plain = rs(model)
    env = {"q": 0.3, "qhat": 0.8, "alpha": 0.9, "kappa": 0.2}
    want = float(evaluate(plain.closed_form(), env, plain.leaves))
    for m in (0.3, 0.9):
        assert value(functional(model).expr, model, q1=0.3, qhat1=0.8, m1=m) == pytest.approx(want, abs=QUADRATURE)


def test_one_step_at_m_one_does_not_depend_on_the_inner_overlap_of_the_patterns():
    """m = 1: E exp(f) integrates the inner level away, so that only the outer overlap is left in both towers."""
    model = rp.Perceptron("spherical", kappa=0.2)
    values = [value(functional(model).expr, model, m1=1.0, q1=q1) for q1 in (0.5, 0.8)]
    plain = rs(model)
    want = float(evaluate(plain.closed_form(), {"q": 0.3, "alpha": 0.9, "kappa": 0.2}, plain.leaves))
    assert values == pytest.approx([want, want], abs=QUADRATURE)


def test_no_breaking_on_the_nishimori_line():
    with pytest.raises(ValueError, match="takes rs"):
        functional(rp.Perceptron(task="teacher-student"))
