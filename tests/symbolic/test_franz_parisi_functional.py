"""The Franz-Parisi functional against textbook quadratures, exact limits and finite differences."""

import numpy as np
import pytest
import sympy as sp
from scipy.special import log_ndtr, ndtr

import replicas as rp
from replicas.symbolic import symbols as S
from replicas.symbolic.franz_parisi import NAMES, REFERENCES, Reference, functional, saddle_point, stochastic
from replicas.symbolic.nodes import Leaf
from replicas.symbolic.numeric import Interval, evaluate, tabulated
from replicas.symbolic.special import H

QUADRATURE = 1e-12  # trapezoid of smooth Gaussian averages against composite Gauss-Legendre panels
STEP = 5e-3
DIFFERENCES = 2e-9  # sixth-order differences with that step
LIMIT = 1e-8  # overlaps that far from the typical point, where b = 0/0

X = np.arange(-9, 9.01, 0.1)
W = 0.1 * np.exp(-X * X / 2) / np.sqrt(2 * np.pi)
POINT = {
    **{"q": 0.6, "q_hat": 1.3, "t": 0.4, "t_hat": 0.7, "p": 0.55, "p_hat": 0.8, "D": 0.3, "d": 0.2, "alpha": 0.5},
    **{"kappa": 0.1, "kappa_ref": 0.2, "q_ref": 0.5, "q_hat_ref": 1.1, "lam_ref": 2.7, "beta_ref": 3.0, "q_star": 0.8},
}
SPHERE = {**POINT, "q_ref": 0.3, "q_hat_ref": 0.3 / 0.49, "lam_ref": 1 / 0.7, "t": 0.3}


def log_2cosh(h):
    return np.logaddexp(h, -h)


def at(f, point):
    return f(**{k: v for k, v in point.items() if sp.Symbol(NAMES.get(k, k)).name in {x.name for x in (*f.unknowns, *f.parameters)}})


def number(f, expr, point):
    return float(evaluate(expr, {NAMES.get(k, k): v for k, v in point.items()}, f.leaves))


def pattern_term(v):
    """PHYSICS 4.1: E_xz H(A)/H(a~) log H(a)."""
    gam = np.sqrt(v["q"] - v["t"] ** 2 / v["q_ref"])
    b = (v["p"] - v["t"]) / gam
    x, z = X[:, None], X[None, :]
    weight = ndtr((np.sqrt(v["q_ref"]) * x + b * z - v["kappa_ref"]) / np.sqrt(1 - v["q_ref"] - b * b))
    weight = weight / ndtr((np.sqrt(v["q_ref"]) * x - v["kappa_ref"]) / np.sqrt(1 - v["q_ref"]))
    logs = log_ndtr((v["t"] / np.sqrt(v["q_ref"]) * x + gam * z - v["kappa"]) / np.sqrt(1 - v["q"]))
    return W @ (weight * logs) @ W


def rest(v):
    return -v["q_hat"] / 2 * (1 - v["q"]) - v["p_hat"] * v["p"] + v["t_hat"] * v["t"] - v["D"] * (1 - 2 * v["d"])


def test_binary_reference_is_the_textbook_formula():
    v = POINT
    x, z, total = X[:, None], X[None, :], 0.0
    for sign in (1, -1):
        weight = 1 / (1 + np.exp(-2 * sign * np.sqrt(v["q_hat_ref"]) * x))
        h = v["t_hat"] / np.sqrt(v["q_hat_ref"]) * x + np.sqrt(v["q_hat"] - v["t_hat"] ** 2 / v["q_hat_ref"]) * z
        total += W @ (weight * log_2cosh(h + (v["p_hat"] - v["t_hat"] + v["D"]) * sign)) @ W
    assert at(functional(rp.Perceptron()), v) == pytest.approx(rest(v) + total + v["alpha"] * pattern_term(v), abs=QUADRATURE)


def test_spherical_reference_by_the_joint_gaussian_of_field_and_weight():
    """At the reference's saddle (h without D, w~) is Gaussian: the sign of w~ given h is a tail, and one integral is left."""
    v = SPHERE
    u = v["p_hat"] - v["t_hat"]
    covariance = v["t_hat"] * (1 - v["q_ref"]) + u
    variance = v["q_hat"] + 2 * u * v["t_hat"] * (1 - v["q_ref"]) + u * u
    h = np.sqrt(variance) * X
    plus = ndtr(covariance * h / variance / np.sqrt(1 - covariance**2 / variance))
    sites = W @ (plus * log_2cosh(h + v["D"]) + (1 - plus) * log_2cosh(h - v["D"]))
    expected = rest(v) + sites + v["alpha"] * pattern_term(v)
    assert at(functional(rp.Perceptron(), "spherical"), v) == pytest.approx(expected, abs=1e-11)


def test_spherical_weights_are_the_kept_conjugates_eliminated():
    """The volume of the sphere around n -> 0 references from determinants of explicit overlap matrices."""
    f, v = functional(rp.Perceptron(weights="spherical")), {**SPHERE, "D": 0.0}

    def log_det(n, s):
        M = np.full((n + s, n + s), v["q"])
        M[:n, :n], M[:n, n:], M[n:, :n] = v["q_ref"], v["t"], v["t"]
        M[0, n:] = M[n:, 0] = v["p"]
        np.fill_diagonal(M, 1.0)
        return np.linalg.slogdet(M)[1] / 2

    # log det = a polynomial part in s plus rational in n: fit the Schur complement, exact for any real n
    def slope(n):
        inverse = (v["p"] ** 2 + (n - 1) * v["t"] ** 2) / (1 - v["q_ref"])
        inverse -= v["q_ref"] * (v["p"] + (n - 1) * v["t"]) ** 2 / (1 - v["q_ref"]) / (1 - v["q_ref"] + n * v["q_ref"])
        return (np.log(1 - v["q"]) + (v["q"] - inverse) / (1 - v["q"])) / 2, inverse

    for n, s in ((1, 1), (2, 2), (3, 1)):
        inverse = slope(n)[1]
        block = (1 - v["q"]) * np.eye(s) + (v["q"] - inverse) * np.ones((s, s))
        assert log_det(n, s) - log_det(n, 0) == pytest.approx(np.linalg.slogdet(block)[1] / 2, abs=1e-12)
    assert at(f, v) == pytest.approx(slope(0)[0] + v["alpha"] * pattern_term(v), abs=QUADRATURE)


def test_stochastic_reference_at_beta_zero_has_uniform_patterns():
    """beta = 0: the reference ignores the patterns, and the energetic term is the typical one of the weights alone."""
    f = functional(rp.Perceptron(), "stochastic")
    x, z = X[:, None], X[None, :]
    v = {**POINT, "beta_ref": 0.0}
    gam = np.sqrt(v["q"] - v["t"] ** 2 / v["q_ref"])
    alone = W @ log_ndtr((v["t"] / np.sqrt(v["q_ref"]) * x + gam * z - v["kappa"]) / np.sqrt(1 - v["q"])) @ W
    assert at(f, {**v, "alpha": 1.0}) - at(f, {**v, "alpha": 0.0}) == pytest.approx(alone, abs=QUADRATURE)


def test_stochastic_sites_by_scipy_quadrature():
    f, v = functional(rp.Perceptron(), "stochastic"), POINT
    nodes, weights = np.polynomial.legendre.leggauss(40)
    m = np.concatenate([(nodes - 1) / 2, (nodes + 1) / 2])
    dm = np.concatenate([weights, weights]) / 2
    x, m3, z = X[:, None, None], m[None, :, None], X[None, None, :]
    p = dm * np.exp(np.sqrt(v["q_hat_ref"]) * X[:, None] * m - v["lam_ref"] * m * m / 2)
    p /= p.sum(axis=1, keepdims=True)
    h = v["t_hat"] / np.sqrt(v["q_hat_ref"]) * x + np.sqrt(v["q_hat"] - v["t_hat"] ** 2 / v["q_hat_ref"]) * z
    h = h + (v["p_hat"] - v["t_hat"]) * m3 + v["D"] * np.sign(m3)
    sites = W @ (p * (log_2cosh(h) @ W)).sum(axis=1)
    assert at(f, {**v, "alpha": 1e-300}) == pytest.approx(rest(v) + sites, abs=1e-11)


def test_typical_point_has_the_entropy_of_the_model():
    s = rp.solve(rp.Perceptron(), alpha=0.5)
    q, q_hat = float(s.q), float(s.q_hat)
    same = {"t": q, "p": q, "q_ref": q, "t_hat": q_hat, "p_hat": q_hat, "q_hat_ref": q_hat, "D": 0.0}
    value = functional(rp.Perceptron())(
        q=q + 1e-9, q_hat=q_hat + 1e-9, d=(1 - q) / 2, alpha=0.5, kappa=0.0, kappa_ref=0.0, **same
    )
    assert value == pytest.approx(float(s.entropy), abs=LIMIT)


def test_even_likelihoods_leave_no_common_field():
    """Symmetric binary perceptron: G_E = E_z log P(|u| < k) weighted; the first moment at q = p^2 from bivariate probabilities."""
    f = functional(rp.Perceptron(likelihood="window", kappa=0.9))
    assert f.unknowns == (S.q, S.q_hat, S.overlap_ref, S.p_hat, S.D)
    v = {**POINT, "kappa": 0.9, "kappa_ref": 0.9, "t": 0.0, "t_hat": 0.0}
    gam, b = np.sqrt(v["q"]), v["p"] / np.sqrt(v["q"])
    scale = np.sqrt(1 - b * b)
    weight = ndtr((0.9 - b * X) / scale) - ndtr((-0.9 - b * X) / scale)
    far = -gam * np.abs(X)  # the tail that does not cancel
    inside = np.log(ndtr((0.9 + far) / np.sqrt(1 - v["q"])) - ndtr((-0.9 + far) / np.sqrt(1 - v["q"])))
    patterns = W @ (weight * inside) / (2 * ndtr(0.9) - 1)
    sites = W @ log_2cosh(np.sqrt(v["q_hat"]) * X + v["p_hat"] + v["D"])
    assert at(f, v) == pytest.approx(rest(v) + sites + v["alpha"] * patterns, abs=QUADRATURE)


def test_any_reference_with_leaves_fits():
    own = Reference("mine", stochastic().likelihood, S.q_star, Interval(-1, 1))
    assert at(functional(rp.Perceptron(), own), POINT) == at(functional(rp.Perceptron(), "stochastic"), POINT)


@pytest.mark.parametrize(
    ("weights", "reference"),
    [("binary", r) if r == "typical" else pytest.param("binary", r, marks=pytest.mark.slow) for r in REFERENCES]
    + [pytest.param("spherical", "typical", marks=pytest.mark.slow)],
)
def test_gradient_is_the_finite_difference(weights, reference):
    f = functional(rp.Perceptron(weights=weights), reference)
    point = SPHERE if "spherical" in (weights, reference) else {**POINT, "p": 0.5}
    for x, slope in f.grad().items():
        name = next(k for k in point if NAMES.get(k, k) == x.name)
        moved = [(c, at(f, {**point, name: point[name] + STEP * m})) for m, c in DIFFERENCE]
        assert number(f, slope, point) == pytest.approx(sum(c * y for c, y in moved) / STEP, abs=DIFFERENCES), name


DIFFERENCE = [(m * s, s * c) for m, c in ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60)) for s in (1, -1)]


def test_equations_have_the_textbook_form():
    f = functional(rp.Perceptron())
    found = {k.name: str(v) for k, v in saddle_point(f).items()}
    x, z, site = "E_omega[", "E_omega[", "; exp(htilde0*wtilde)]"
    assert found == {
        "qhat": f"alpha*{x}{z}f'**2; exp(F)]]",
        "that": f"alpha*{x}F'*{z}f'; exp(F)]]",
        "phat": f"alpha*{x}{z}F'*f'; exp(F)]]",
        "q": f"E_h[E_wtilde[E_h[g'**2]{site}]",
        "t": f"E_h[E_wtilde[wtilde{site}*E_wtilde[E_h[g']{site}]",
        "p": f"E_h[E_wtilde[wtilde*E_h[g']{site}]",
        "d": f"1/2 - E_h[E_wtilde[wtilde*E_h[g']{site}]/2",
    }
    assert "sign(wtilde)*E_h[g']" in str(saddle_point(functional(rp.Perceptron(), "spherical"))[S.distance])


def test_reference_field_in_t_hat_is_that_of_the_reference_alone():
    """<F'> in the tilt by F is F' at the field and variance without z."""
    (factor,) = (
        leaf
        for leaf in saddle_point(functional(rp.Perceptron()))[S.t_hat].atoms(Leaf)
        if leaf.name == "F" and leaf.k == sp.Tuple(1)
    )
    assert factor.V == 1 - S.q_ref and factor.w[0].name == "omegatilde0"


def test_reference_leaf_has_its_own_margin():
    F = functional(rp.Perceptron()).leaves["F"]
    assert sp.simplify(F.closed - sp.log(H((S.kappa_ref - S.omega) / sp.sqrt(S.V)))) == 0


def test_tables_of_the_referee():
    points = np.random.default_rng(0).uniform(-6, 6, 30_000)
    assert np.max(np.abs(tabulated(lambda x: log_ndtr(x / 0.3), points, 0.3) - log_ndtr(points / 0.3))) < 1e-10


def test_interval_nodes_end_at_zero():
    x, w = Interval(-1, 2).nodes()
    assert w @ np.sign(x) == pytest.approx(1, abs=1e-13) and w @ x**2 == pytest.approx(3, abs=1e-13)
