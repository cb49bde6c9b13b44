"""A likelihood and a weight set the package has never seen: ten lines, and every question is answered."""

import numpy as np
import pytest
import sympy as sp
from scipy.special import erfcx

import replicas as rp
from replicas.symbolic.numeric import gauss_panels

VALUE = 1e-10  # an independent SciPy quadrature of the same integrals


def test_ten_lines():
    u = rp.field
    model = rp.Perceptron(
        weights=rp.Discrete([-3, -1, 1, 3]),
        likelihood=rp.Likelihood(sp.Heaviside(u - 0.2) + sp.Heaviside(-u - 2)),
    )
    derivation = rp.derive(model)
    assert all(derivation.check())
    point = rp.solve(model, alpha=1.0)
    assert point.status == "converged" and point.residual < 1e-12
    assert (
        abs(
            derivation.free_entropy(q=point.q, q_hat=point.q_hat, lam=point.lam, Q=point.Q, alpha=1.0)
            - point.free_entropy
        )
        < VALUE
    )
    alpha_c = rp.capacity(model)
    assert alpha_c.status == "converged" and abs(rp.solve(model, alpha_c.value).entropy) < VALUE
    line = rp.at_line(model)
    assert abs(rp.stability(model, line.value).replicon) < 1e-8


@pytest.mark.slow
def test_smooth_likelihood():
    model = rp.Perceptron(weights=rp.Discrete([-2, 0, 1]), likelihood=rp.Likelihood(1 / (1 + sp.exp(-3 * rp.field))))
    derivation = rp.derive(model)
    assert all(derivation.check())
    point = rp.solve(model, alpha=0.7)
    assert point.status == "converged" and point.stable
    # independent route: the four equations of PHYSICS section 1 by brute-force quadrature
    x, w = gauss_panels(np.linspace(-9, 9, 61))
    w = w * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    V = point.Q - point.q
    omega = np.sqrt(point.q) * x
    theta = 1 / (1 + np.exp(-3 * (omega[:, None] + np.sqrt(V) * x)))
    z = theta @ w
    f1 = (theta * x) @ w / z / np.sqrt(V)
    f2 = (theta * (x * x - 1)) @ w / z / V - f1**2
    assert point.q_hat == pytest.approx(0.7 * (w @ f1**2), abs=VALUE)
    assert point.lam == pytest.approx(-0.7 * (w @ f2), abs=VALUE)
    values = np.array([-2.0, 0.0, 1.0])
    tilt = np.exp(np.sqrt(point.q_hat) * x[:, None] * values - point.lam * values**2 / 2)
    mean = tilt @ values / tilt.sum(axis=1)
    assert point.q == pytest.approx(w @ mean**2, abs=VALUE)
    assert point.Q == pytest.approx(w @ (tilt @ values**2 / tilt.sum(axis=1)), abs=VALUE)
    assert rp.at_line(model).status in ("converged", "no-solution")


@pytest.mark.slow
def test_freezing_load_of_a_soft_likelihood():
    """No pattern is forbidden: capacity answers with the load at which the Gibbs measure freezes, and says so."""
    model = rp.Perceptron(weights="binary", likelihood=rp.Likelihood(1 / (1 + sp.exp(-9 * rp.field))))
    freezing = rp.capacity(model)
    assert "not a SAT/UNSAT threshold" in freezing.statement
    assert abs(rp.solve(model, freezing.value).entropy) < VALUE


def test_a_step_seen_through_noise_is_a_step_with_more_variance():
    """Theta = P(u + s nu > 0) has f(omega, V) = log H(-omega/sqrt(V + s^2)): the saddle point solves those equations."""
    s = 0.2
    point = rp.solve(
        rp.Perceptron(
            weights="binary",
            likelihood=rp.Likelihood(sp.erfc(-rp.field / (sp.Rational(1, 5) * sp.sqrt(2))) / 2),
        ),
        0.5,
    )
    assert point.status == "converged"
    x, w = gauss_panels(np.linspace(-9, 9, 121))
    w = w * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    v = np.sqrt(1 - point.q + s * s)
    y = -np.sqrt(point.q) * x / v
    mills = np.sqrt(2 / np.pi) / erfcx(y / np.sqrt(2))
    assert point.q_hat == pytest.approx(0.5 * (w @ mills**2) / v**2, abs=VALUE)
    assert point.q == pytest.approx(w @ np.tanh(np.sqrt(point.q_hat) * x) ** 2, abs=VALUE)


def test_a_likelihood_with_a_zero_inside():
    """Theta = u^2: E Theta(sqrt(V) z) = V, so at q = 0 phi = log 2, f'' = 2 and the instability is at alpha = 1/4."""
    model = rp.Perceptron(weights="binary", likelihood=rp.Likelihood(rp.field**2))
    point = rp.solve(model, 0.1)
    assert point.branch == "q=0" and point.free_entropy == pytest.approx(np.log(2), abs=VALUE)
    assert point.replicon == pytest.approx(1 - 4 * 0.1, abs=1e-8)
    assert rp.at_line(model).value == pytest.approx(0.25, abs=1e-8)


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (lambda u: u, "got -"),
        (lambda u: sp.Symbol("kappa") * sp.Heaviside(u), "free symbols kappa"),
        (lambda u: 0 * u, "vanishes for every field"),
        (lambda u: sp.log(u + 50) - 4, "takes a finite function >= 0"),
        (lambda u: "1/(1+u)", "takes 'threshold', 'window' or a SymPy expression"),
    ],
)
def test_illegal_likelihoods_are_refused(expr, message):
    with pytest.raises(ValueError, match="likelihood: ") as caught:
        rp.Likelihood(expr(rp.field))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
