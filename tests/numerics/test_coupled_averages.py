"""Averages over two coupled fields against brute-force grids and differences, and the saddle equations against the derived functional."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr

import replicas as rp
from replicas.numerics import coupled
from replicas.numerics.franz_parisi import Span, follow, jacobian, root
from replicas.numerics.parisi import TooNarrow
from replicas.symbolic.franz_parisi import functional
from replicas.theory import references
from replicas.theory.franz_parisi import Curve

GRID = 2e-11  # the trapezoid sums of this file on kinks of width sqrt(V) >= 0.3, and mass beyond TAIL
SITES = 1e-12  # the same of sites, analytic within pi/2
DERIVED = 1e-9  # kernel against the derived functional, whose referee tabulates leaves at 1e-10
STEP = 2e-3  # of sixth-order differences
INSIDE = 2e-4  # the same where the cone of overlaps is near; tables of the referee are good to 1e-10
SLOPE = 1e-9  # their error, rounding over the step included
QUOTIENT = 2e-5  # of a central quotient with a step of 1e-4 d, a thousandth of the way to where log gamma diverges
DIFFERENCE = [(m * s, s * c) for m, c in ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60)) for s in (1, -1)]

X = np.arange(-10, 10.01, 0.05)
W = 0.05 * np.exp(-X * X / 2) / math.sqrt(2 * math.pi)

STEPLIKE = rp.Perceptron()
MARGIN = rp.Perceptron(kappa=0.2)
WARM = rp.Perceptron(kappa=0.1, beta=2.0)
WINDOW = rp.Perceptron(kappa=0.8, likelihood="window")
SPHERE = rp.Perceptron(weights="spherical")


def gate(model, omega, V):
    """exp f of a model, written out."""
    s = math.sqrt(V)
    if model.likelihood == "window":
        inside = -np.abs(omega)
        return ndtr((model.kappa + inside) / s) - ndtr((-model.kappa + inside) / s)
    inside = ndtr((omega - model.kappa) / s)
    return inside if model.beta is None else inside + math.exp(-model.beta) * ndtr((model.kappa - omega) / s)


def log_gate(model, omega, V):
    if model.likelihood == "threshold" and model.beta is None:
        return log_ndtr((omega - model.kappa) / math.sqrt(V))
    return np.log(gate(model, omega, V))


def slope_gate(model, omega, V):
    """f' by its closed form."""
    s = math.sqrt(V)

    def density(x):
        return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    k = model.kappa
    if model.likelihood == "window":
        return (density((k + omega) / s) - density((k - omega) / s)) / s / gate(model, omega, V)
    if model.beta is None:
        return np.exp(-(((omega - k) / s) ** 2) / 2 - log_ndtr((omega - k) / s)) / math.sqrt(2 * math.pi * V)
    return (1 - math.exp(-model.beta)) * density((omega - k) / s) / s / gate(model, omega, V)


def curve(model, alpha, kind="typical", reference_kappa=None, q_star=None, beta=None):
    made = Curve(model, alpha, kind, reference_kappa, q_star, beta)
    reference, _ = made.reference()
    return made.system(reference, alpha)


def own(model, kind="typical", kappa=None):
    return references.own_model(model, kind, kappa)


def tilted(reference_model, q, tau, gamma, b, rest, v):
    """Grid (x, z) with the weight of the reference."""
    x, z = X[:, None], X[None, :]
    outside = math.sqrt(q)
    weight = W[:, None] * W[None, :] * gate(reference_model, outside * x + b * z, v) / gate(reference_model, outside * x, rest)
    return x, z, weight, tau * x + gamma * z


PAIRS = [
    pytest.param(STEPLIKE, "typical", None, 0.4, id="typical"),
    pytest.param(MARGIN, "typical", 0.5, 0.25, id="own margin"),
    pytest.param(WARM, "typical", None, 0.6, id="temperature"),
    pytest.param(WINDOW, "typical", None, 0.5, id="window"),
    pytest.param(STEPLIKE, "spherical", 0.3, 0.4, id="spherical"),
    pytest.param(SPHERE, "typical", -0.2, 0.8, id="sphere"),
]


@pytest.mark.parametrize("share, b", [(0.6, 0.7), (1e-5, 0.6), *(pytest.param(*far, marks=pytest.mark.slow) for far in ((0.5, -0.5), (0.3, 0.0)))])
@pytest.mark.parametrize("model, kind, kappa, alpha", PAIRS)
def test_patterns_against_a_brute_force_grid(model, kind, kappa, alpha, share, b):
    """Every average; gamma down to where W does not depend on its own reference, b of both signs."""
    system = curve(model, alpha, kind, kappa)
    ref, lead = system.reference, own(model, kind, kappa)
    tau = 0.0 if system.zero else 0.8 * math.sqrt(ref.q)
    gamma, b = math.sqrt(share * (1 - tau * tau)), b * math.sqrt(ref.rest)
    V, v = 1 - tau * tau - gamma * gamma, ref.rest - b * b
    found = coupled.patterns(ref, system.leaf, system.kinks, tau, gamma, b, V, v)
    x, z, weight, w = tilted(lead, ref.q, tau, gamma, b, ref.rest, v)
    slope = slope_gate(model, w, V)
    score = slope_gate(lead, math.sqrt(ref.q) * x + b * z, v)
    base = slope_gate(lead, math.sqrt(ref.q) * x, ref.rest) + 0 * z
    want = {
        "value": np.sum(weight * log_gate(model, w, V)),
        "square": np.sum(weight * slope**2),
        "cross": np.sum(weight * score * slope),
        "other": np.sum(weight * base * slope),
    }
    for name, number in want.items():
        assert getattr(found, name) == pytest.approx(number, rel=GRID, abs=GRID), name
    ratio = want["other"] / np.sum(weight * base**2) if not system.zero else 0.0
    assert found.ratio == pytest.approx(ratio, rel=GRID, abs=GRID)
    assert found.excess == pytest.approx(np.sum(weight * (slope - ratio * base) ** 2), rel=10 * GRID, abs=1e-13)
    assert found.lost < GRID


@pytest.mark.parametrize("model, kind, kappa, alpha", PAIRS)
def test_patterns_are_the_slopes_of_their_value(model, kind, kappa, alpha):
    """At fixed q~ with c = gamma b: d value/d q = -E f'^2/2, /dt at fixed q and b gamma = ..., the heat equations as differences.

    value(t, q, p): dq gives -square/2, dp cross, dt -other: t also sits in b and gamma.
    """
    system = curve(model, alpha, kind, kappa)
    ref = system.reference
    t0 = 0.0 if system.zero else 0.85 * ref.q
    point = {"q": 0.55, "t": t0, "p": t0 + 0.3 * ref.rest}

    def average(q, t, p):
        tau = 0.0 if system.zero else t / math.sqrt(ref.q)
        gamma = math.sqrt(q - tau * tau)
        b = (p - t) / gamma
        return coupled.patterns(ref, system.leaf, system.kinks, tau, gamma, b, 1 - q, ref.rest - b * b)

    at = average(**point)
    for name, want in (("q", -at.square / 2), ("p", at.cross), ("t", -at.other)):
        if name == "t" and system.zero:
            continue
        moved = sum(c * average(**{**point, name: point[name] + STEP * m}).value for m, c in DIFFERENCE) / STEP
        assert moved == pytest.approx(want, abs=SLOPE), name


def test_stochastic_patterns_against_a_brute_force_grid():
    """The reference's gate E H(-u/s)^beta by a dense sum of its own."""
    system = curve(STEPLIKE, 0.5, "stochastic", q_star=0.8, beta=3.0)
    ref = system.reference
    s = math.sqrt(1 - 0.8)

    def smoothed(field, V, step=0.0):
        out = np.zeros_like(field)
        for u, weight in zip(X, W):
            out += weight * np.exp(3.0 * log_ndtr((field + step + math.sqrt(V) * u) / s))
        return out

    tau, gamma, b = 0.7 * math.sqrt(ref.q), 0.55, 0.6 * math.sqrt(ref.rest)
    V, v = 1 - tau * tau - gamma * gamma, ref.rest - b * b
    found = coupled.patterns(ref, system.leaf, system.kinks, tau, gamma, b, V, v)
    coarse = X[::4]
    wc = 4 * W[::4]
    x, z = coarse[:, None], coarse[None, :]
    root_q = math.sqrt(ref.q)
    weight = wc[:, None] * wc[None, :] * smoothed(root_q * x + b * z, v) / smoothed(root_q * x + 0 * z, ref.rest)
    w = tau * x + gamma * z
    slope = slope_gate(STEPLIKE, w, V)
    assert found.value == pytest.approx(np.sum(weight * log_gate(STEPLIKE, w, V)), rel=1e-10)
    assert found.square == pytest.approx(np.sum(weight * slope**2), rel=1e-10)
    d = 1e-3
    for name, field, noise in (("cross", root_q * x + b * z, v), ("other", root_q * x + 0 * z, ref.rest)):
        score = sum(c * np.log(smoothed(field, noise, d * m)) for m, c in DIFFERENCE) / d
        assert getattr(found, name) == pytest.approx(np.sum(weight * score * slope), rel=1e-9), name


@pytest.mark.parametrize("gamma_hat", [0.0, 1e-6, 0.3, 1.7, 2.9, 3.1, 12.0])
@pytest.mark.parametrize("kind", ["typical", "spherical", "stochastic"])
def test_sites_against_a_brute_force_grid(kind, gamma_hat):
    """Both sides of the switch in gamma_hat, two-valued references and tabulated ones."""
    system = curve(STEPLIKE, 0.5, kind, **({"q_star": 0.8, "beta": 5.0} if kind == "stochastic" else {}))
    ref = system.reference
    slope, shift, multiplier, ratio = 0.6, 0.9, -0.35, 0.4
    found = coupled.sites(ref, slope, gamma_hat, shift, multiplier, ratio)
    exponent = ref.logs + math.sqrt(ref.q_hat) * X[:, None] * ref.values
    chance = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    chance /= chance.sum(axis=1, keepdims=True)
    mean = chance @ ref.values
    side = np.sign(ref.values)
    a = slope * X[:, None] + shift * ref.values + multiplier * side
    rows = np.zeros((4, *a.shape))
    z = np.arange(-10, 10.001, min(0.05, 0.1 / max(gamma_hat, 1.0)))
    for u in z:
        h = a + gamma_hat * u
        density = (z[1] - z[0]) * math.exp(-u * u / 2) / math.sqrt(2 * math.pi)
        tanh = np.tanh(h)
        rows += density * np.array([np.logaddexp(h, -h), tanh, tanh**2, (tanh - ratio * mean[:, None]) ** 2])
    value, g1, g2, excess = rows
    want = {
        "value": value,
        "square": g2,
        "own": ref.values * g1,
        "other": mean[:, None] * g1,
        "sign": side * g1,
        "beside": (ref.values - mean[:, None]) * g1,
        "excess": excess,
    }
    for name, inside in want.items():
        assert getattr(found, name) == pytest.approx(float(W @ (chance * inside).sum(axis=1)), rel=SITES, abs=SITES), name


def test_sites_are_the_slopes_of_their_value():
    """d/dD = E sign g', d/dshift = E w~ g', d/d(gamma_hat^2) = E(1 - g'^2)/2 for every kind of reference."""
    for kind in ("typical", "spherical"):
        ref = curve(STEPLIKE, 0.5, kind).reference
        point = {"slope": 0.5, "gamma_hat": 0.8, "shift": 0.7, "multiplier": 0.3}
        at = coupled.sites(ref, **point, ratio=0.2)

        def moved(name, ref=ref, point=point):
            return sum(c * coupled.sites(ref, **{**point, name: point[name] + STEP * m}, ratio=0.2).value for m, c in DIFFERENCE) / STEP

        assert moved("multiplier") == pytest.approx(at.sign, abs=SLOPE)
        assert moved("shift") == pytest.approx(at.own, abs=SLOPE)
        assert moved("gamma_hat") == pytest.approx(0.8 * (1 - at.square), abs=SLOPE)


def test_sites_of_a_large_field_are_linear():
    """gamma_hat -> inf: E log 2cosh = E|h|, E tanh = E sign, up to gamma_hat^-2."""
    ref = curve(STEPLIKE, 0.5).reference
    for gamma_hat in (200.0, 2000.0):
        at = coupled.sites(ref, 0.0, gamma_hat, 0.0, 0.0, 0.0)
        assert at.value == pytest.approx(gamma_hat * math.sqrt(2 / math.pi) + math.pi**2 / 12 / gamma_hat / math.sqrt(2 * math.pi), rel=gamma_hat**-2)
        assert 1 - at.square == pytest.approx(2 / gamma_hat / math.sqrt(2 * math.pi), rel=gamma_hat**-1.5)


def test_too_sharp_is_refused():
    system = curve(STEPLIKE, 0.5)
    ref = system.reference
    with pytest.raises(TooNarrow):
        coupled.patterns(ref, system.leaf, system.kinks, 0.5, 0.866, 0.3, 1e-9, ref.rest - 0.09)


CASES = {
    "typical": (STEPLIKE, 0.5, {}),
    "own margin": (MARGIN, 0.25, {"reference_kappa": 0.4}),
    "temperature": (WARM, 0.6, {}),
    "spherical": (STEPLIKE, 0.4, {"kind": "spherical", "reference_kappa": 0.2}),
    "stochastic": (STEPLIKE, 0.5, {"kind": "stochastic", "q_star": 0.8, "beta": 3.0}),
    "window": (WINDOW, 0.6, {}),
    "sphere": (SPHERE, 0.9, {"reference_kappa": -0.1}),
}
D = 0.2


def derived(name, system):
    """The derived functional as a function of its unknowns."""
    model, alpha, given = CASES[name]
    f = functional(model, given.get("kind", "typical"))
    ref = system.reference
    lam = 1 / ref.rest if given.get("kind") == "spherical" or model is SPHERE else None
    if given.get("kind") == "stochastic":
        w = ref.values  # log weight of the flat measure is -lam w^2/2 plus that of the quadrature
        point = rp.solve(rp.StochasticPerceptron(q_star=0.8, beta=3.0), alpha=alpha)
        lam = float(point.lam)
        assert w.min() > -1 and w.max() < 1
    known = {
        "alpha": alpha,
        "d": D,
        "q_ref": ref.q,
        "q_hat_ref": ref.q_hat,
        "lam_ref": lam,
        "kappa": model.kappa,
        "kappa_ref": given.get("reference_kappa", model.kappa),
        "beta": model.beta,
        "beta_ref": given.get("beta", model.beta),
        "q_star": given.get("q_star"),
    }
    if model.beta is not None:
        known["beta"] = model.beta
    names = {s.name for s in (*f.unknowns, *f.parameters)}
    from replicas.symbolic.franz_parisi import NAMES

    def at(**unknowns):
        values = {k: v for k, v in {**known, **unknowns}.items() if NAMES.get(k, k) in names}
        return f(**values)

    return f, at


def unknowns_of(system, x, d=D):
    """Overlaps and conjugates where the kernel evaluates, by its own averages."""
    f = system.unpack(x)
    at = system.patterns(f, 1.0)
    a = system.alpha
    return {"q": 1 - f.V, "t": f.t, "p": f.p, "D": f.D, "q_hat": a * at.square, "t_hat": a * at.other, "p_hat": a * at.cross}


def start(system, d=D):
    q = system.reference.q
    mu = 1 - 2 * d
    gamma = math.sqrt(mu * mu * (1 - q)) if not system.zero else mu
    if system.reference.norm < 1:
        gamma = 0.6
    return system.pack(0.9 * q * mu, min(gamma, 0.7), 0.8 * math.sqrt(system.reference.rest), 0.25)


SLOW_REFEREE = {"stochastic"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW_REFEREE else n for n in CASES])
def test_the_entropy_is_the_derived_functional_off_the_saddle(name):
    model, alpha, given = CASES[name]
    system = curve(model, alpha, **given)
    x = start(system)
    _, at = derived(name, system)
    values = unknowns_of(system, x)
    if model is SPHERE:
        values = {k: v for k, v in values.items() if k in ("q", "t", "p", "D")} | {"D": 0.0}
        want = at(**values)
    else:
        want = at(**values)
    assert system.evaluate(x, D).entropy == pytest.approx(want, abs=DERIVED)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_the_derived_functional_is_stationary_at_the_root(name):
    """In every unknown, by differences; the multiplier of the distance as well."""
    model, alpha, given = CASES[name]
    made = Curve(model, alpha, given.get("kind", "typical"), given.get("reference_kappa"), given.get("q_star"), given.get("beta"))
    system = made.system(made.reference()[0], alpha)
    first = made._beside(system, (1 - system.reference.q) / 2, -1) if made.same else made._enter(system)
    span = Span(0, (1 - system.reference.q) / 2) if made.same else Span()
    (found,) = follow(system, first, np.array([D]), span)
    values = unknowns_of(system, found.state.x)
    if model is SPHERE:
        values = {k: values[k] for k in ("q", "t", "p")} | {"D": found.state.multiplier}
    if system.zero:
        values = {k: v for k, v in values.items() if k not in ("t", "t_hat")}
    _, at = derived(name, system)
    assert at(**values) == pytest.approx(found.state.entropy, abs=DERIVED)
    for unknown in values:
        moved = sum(c * at(**{**values, unknown: values[unknown] + INSIDE * m}) for m, c in DIFFERENCE) / INSIDE
        assert moved == pytest.approx(0.0, abs=1e-10 / INSIDE), unknown
    assert found.residual < 1e-11


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CASES))
def test_slopes_of_the_unknowns_are_those_of_neighbouring_roots(name):
    """The slopes of the root with the distance, from the central Jacobian, are those of neighbouring roots."""
    model, alpha, given = CASES[name]
    made = Curve(model, alpha, given.get("kind", "typical"), given.get("reference_kappa"), given.get("q_star"), given.get("beta"))
    system = made.system(made.reference()[0], alpha)
    entered = made._beside(system, (1 - system.reference.q) / 2, -1) if made.same else made._enter(system)
    first = root(system, entered.state.x, entered.distance)  # on fine grids
    step = 1e-4 * first.distance
    up, down = (root(system, first.state.x, first.distance + s * step) for s in (1, -1))
    slope = (up.state.x - down.state.x) / (2 * step)
    np.testing.assert_allclose(first.slope, slope, rtol=QUOTIENT, atol=QUOTIENT * np.abs(slope).max())
    assert (up.state.entropy - down.state.entropy) / (2 * step) == pytest.approx(2 * first.state.multiplier, abs=1e-7)
    assert jacobian(system, first.state, first.distance).shape == first.matrix.shape
