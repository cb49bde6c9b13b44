"""The stochastic perceptron derived, and its solver held to what was derived."""

import pytest

import replicas as rp
from replicas.symbolic.workshop import difference

QUADRATURE = 1e-10  # of the referee: plain panels
STEP = 1e-3  # relative, of a sixth-order difference quotient


@pytest.mark.parametrize("q_star, beta", [(0.7, 20.0), pytest.param(0.3, 1.0, marks=pytest.mark.slow)])
def test_every_step_is_true(q_star, beta):
    checks = rp.derive(rp.StochasticPerceptron(q_star, beta)).check()
    assert checks, checks.failed
    assert len(checks) == 23


@pytest.mark.parametrize(
    "title, factor", [("Decouple the patterns", 1.01), ("Saddle point: equation for q_star", 1.001), ("Stability", 1.001)]
)
def test_a_wrong_step_is_found(title, factor):
    derivation = rp.derive(rp.StochasticPerceptron(0.6, 2.0))
    (i,) = (i for i, step in enumerate(derivation.steps) if step.title == title)
    assert derivation[i].check()
    wrong = derivation.with_step(i, derivation[i].expression * factor)
    assert not wrong[i].check()


@pytest.mark.parametrize("alpha, beta, q_star", [(0.55, 20.0, 0.7), (1.2, 0.5, 0.3), (0.4, 3.0, 0.85)])
def test_the_solver_solves_what_was_derived(alpha, beta, q_star):
    """The derived functional, integrated from definitions, has the solver's value and is stationary at its saddle point."""
    model = rp.StochasticPerceptron(q_star, beta)
    functional, point = rp.derive(model).functional, rp.solve(model, alpha)
    at = {"q": point.q, "q_hat": point.q_hat, "lam": point.lam, "alpha": alpha, "beta": beta, "q_star": q_star}
    assert functional(**at) == pytest.approx(point.free_entropy, abs=QUADRATURE)
    for name in ("q", "q_hat", "lam"):
        slope = difference(lambda y, name=name: functional(**{**at, name: y}), at[name], STEP * abs(at[name]))
        assert abs(slope * at[name]) < QUADRATURE
        moved = difference(lambda y, name=name: functional(**{**at, name: y}), 0.9 * at[name], STEP * abs(at[name]))
        assert abs(moved * at[name]) > 1e4 * QUADRATURE


def test_a_functional_says_what_it_takes():
    functional = rp.derive(rp.StochasticPerceptron(0.5, 1.0)).functional
    with pytest.raises(ValueError, match="qstar: missing"):
        functional(q=0.1, q_hat=0.2, lam=1.0, alpha=0.3, beta=1.0)
