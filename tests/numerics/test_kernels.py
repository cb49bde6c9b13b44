"""Kernels against mpmath: special functions, truncated-normal cumulants, leaves and their derivatives, quadrature rules."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import replicas as rp
from replicas.numerics import kernels as K

RELATIVE = 1e-15  # DESIGN: log H and the inverse Mills ratio to 1e-15
SMALLEST = 1e-323  # two subnormal steps: below 2e-308 a double has no 15 digits
NORMAL_FROM = -37.4  # below it G(x) and H(-x) are subnormal
# cumulants 1-4 of the noise beyond a threshold, relative; 2-4 come from A by A' = A(A-x), which cancels x^2, x^3, x^4
ONE_SIDED = (1e-15, 1e-12, 5e-12, 5e-11)
# ... and the last two, which are averaged beside values of order one, absolutely where they still matter
MATTERS_UP_TO, ABSOLUTE = 45.0, (0.0, 0.0, 1e-13, 1e-12)
# cumulants 1-4 in an interval, in units of the noise: differences of raw moments lose a digit each
TWO_SIDED = (2e-14, 5e-14, 4e-13, 4e-12)
# leaf derivatives 0-4 against the symbolic closed form, relative to max(1, |value|): mixtures of the above
LEAF = (4e-15, 2e-14, 1e-13, 2e-12, 2e-11)
RULE = 3e-15  # a Gaussian rule: rounding of some hundred terms of order one
MOMENTS = 2e-14  # relative, up to z^6 (no integrand grows faster): the mass beyond |z| = 9 holds 8e-15 of it
CHAIN = 1e-14  # discrete leaves: central moments lose nothing but the rounding of their sums


def context(digits: int = 120) -> mpmath.MPContext:
    mp = mpmath.MPContext()
    mp.dps = digits
    return mp


def tail(mp, x):
    return mp.erfc(x / mp.sqrt(2)) / 2


def gauss(mp, x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def log_probability(mp, x):
    return mp.log(tail(mp, x)) if x > -1 else mp.log1p(-tail(mp, -x))


def fields() -> np.ndarray:
    """From -38 to 1e8, dense where the kernels switch method (x = -1 and x = 4)."""
    rng = np.random.default_rng(7)
    near = np.concatenate([c + np.array([-1e-12, 0.0, 1e-12, -1e-3, 1e-3]) for c in (-1.0, 4.0)])
    return np.concatenate(
        [
            rng.uniform(-38, 4, 120),
            rng.uniform(3, 12, 80),
            10 ** rng.uniform(1, 8, 40),
            near,
            [-38.0, 0.0, 1e8],
        ]
    )


@pytest.mark.parametrize("name", ["log_tail", "mills", "density"])
def test_special_functions(name):
    mp = context()
    exact = {
        "log_tail": lambda x: log_probability(mp, x),
        "mills": lambda x: gauss(mp, x) / tail(mp, x),
        "density": lambda x: gauss(mp, x),
    }[name]
    for x in fields():
        if name == "density" and x > 38.5:
            assert K.density(x) == 0.0
            continue
        value, true = getattr(K, name)(x), exact(mp.mpf(x))
        assert abs(mp.mpf(value) - true) <= RELATIVE * abs(true) + SMALLEST, (name, x, value, float(true))


def test_mills_is_right_far_out():
    """Trap: log(1 - Phi) is -inf from 8.3, A (A - x) has the wrong sign at 1e8."""
    out = np.empty(6)
    K.one_sided(1e8, out)
    assert K.mills(1e8) == pytest.approx(1e8, rel=1e-15)
    assert out[2] == pytest.approx(1e-16, rel=1e-12) and out[3] > 0 and out[4] > 0


def test_one_sided_cumulants():
    mp, out = context(150), np.empty(6)
    for x in fields():
        y = mp.mpf(x)
        a = gauss(mp, y) / tail(mp, y)
        b = a * (a - y)  # A'
        c = b * (2 * a - y) - a  # A''
        true = (a, 1 - b, c, -(c * (2 * a - y) + 2 * b * (b - 1)))
        floor = ABSOLUTE if abs(x) < MATTERS_UP_TO else (0.0,) * 4
        K.one_sided(x, out)
        assert abs(out[0] - log_probability(mp, y)) <= RELATIVE * abs(log_probability(mp, y)) + SMALLEST
        for k in range(4):
            assert abs(mp.mpf(out[k + 1]) - true[k]) <= ONE_SIDED[k] * abs(true[k]) + SMALLEST * 1e6 + floor[k], (
                x,
                k,
                out[k + 1],
                float(true[k]),
            )


def truncated(mp, a, b):
    """log P(a < z < b) and cumulants 1-4 from raw moments, at enough digits to forget the cancellation."""
    a, b = mp.mpf(a), mp.mpf(b)
    flip = a + b < 0
    if flip:
        a, b = -b, -a
    p = tail(mp, a) - tail(mp, b)
    ga, gb = gauss(mp, a) / p, gauss(mp, b) / p
    log_p = mp.log(p) if p < 0.9 else mp.log1p(-(tail(mp, -a) + tail(mp, b)))
    m1 = ga - gb
    m2 = 1 + a * ga - b * gb
    m3 = 2 * m1 + a * a * ga - b * b * gb
    m4 = 3 * m2 + a**3 * ga - b**3 * gb
    c = [
        log_p,
        m1,
        m2 - m1 * m1,
        m3 - 3 * m2 * m1 + 2 * m1**3,
        m4 - 4 * m3 * m1 - 3 * m2 * m2 + 12 * m2 * m1 * m1 - 6 * m1**4,
    ]
    return [c[0], -c[1], c[2], -c[3], c[4]] if flip else c


RANGES = {
    "narrow": lambda r: (lambda a: (a, a + 10 ** r.uniform(-8, 0)))(r.uniform(-8, 8)),
    "moderate": lambda r: (lambda a: (a, a + r.uniform(1, 5)))(r.uniform(-6, 4)),
    "wide": lambda r: (lambda a: (a, a + r.uniform(5, 25)))(r.uniform(-15, 4)),
    "far": lambda r: (lambda a: (a, a * (1 + 10 ** r.uniform(-6, 1))))(10 ** r.uniform(1, 4)),
    "far-negative": lambda r: (lambda a: (-a * (1 + 10 ** r.uniform(-6, 1)), -a))(10 ** r.uniform(1, 4)),
    "symmetric": lambda r: (lambda k: (-k, k))(10 ** r.uniform(-6, 1.2)),
    "switches": lambda r: (lambda a, w: (a, a + w))(
        r.choice([-2.0, 0.0, 2.0 - 1e-9, 2.0 + 1e-9]), 2.0 + r.choice([-1e-9, 0.0, 1e-9])
    ),
}


@pytest.mark.parametrize("kind", RANGES)
def test_two_sided_cumulants(kind):
    mp, out, rng = context(), np.empty(6), np.random.default_rng(11)
    for _ in range(60):
        a, b = RANGES[kind](rng)
        K.two_sided(a, b, out)
        true = truncated(mp, a, b)
        assert abs(mp.mpf(out[0]) - true[0]) <= RELATIVE * max(1, abs(true[0])), (a, b, out[0])
        for k in range(1, 5):
            scale = max(1, abs(true[1])) if k == 1 else 1
            assert abs(mp.mpf(out[k]) - true[k]) <= TWO_SIDED[k - 1] * scale, (
                a,
                b,
                k,
                out[k],
                float(true[k]),
            )


def test_interval_with_infinite_ends():
    out, reference = np.empty(6), np.empty(6)
    K.interval(-np.inf, np.inf, out)
    assert list(out[:5]) == [0, 0, 1, 0, 0]
    K.one_sided(0.7, reference)
    K.interval(-np.inf, -0.7, out)
    assert out[:5] == pytest.approx(reference[:5] * [1, -1, 1, -1, 1], rel=RELATIVE)


# --- leaves ------------------------------------------------------------------------------------------------------

MODELS = {
    "threshold": rp.Perceptron(kappa=0.3),
    "window": rp.Perceptron(kappa=0.8, likelihood="window"),
    "threshold-beta": rp.Perceptron(kappa=-0.4, beta=3.0),
    "window-beta": rp.Perceptron(kappa=0.8, likelihood="window", beta=1.5),
}


def closed_forms(model, mp, orders):
    """The package's symbolic closed forms of f and its derivatives, in a private mpmath context."""
    import sympy as sp

    from replicas.symbolic import symbols as S
    from replicas.symbolic.leaves import pattern_leaf
    from replicas.symbolic.special import mpmath_functions

    leaf = pattern_leaf(model)
    arguments = [S.omega, S.V, S.kappa, S.beta]
    field = [sp.lambdify(arguments, leaf.derivative(leaf.node(S.V, k)), [mpmath_functions(mp)]) for k in range(orders)]
    variance = sp.lambdify(arguments, leaf.derivative(leaf.node(S.V).raised(None)), [mpmath_functions(mp)])
    return field, variance


@pytest.mark.parametrize("name", MODELS)
def test_pattern_leaf_is_the_symbolic_closed_form(name):
    """Kernel = closed form at random points, V from 1e-6 (near capacity) to 4; the closed form obeys the heat equation."""
    from replicas.numerics.saddle import make_batch

    model, mp, rng = MODELS[name], context(120), np.random.default_rng(3)
    batch = make_batch(model)
    orders = 3 if model.beta is not None else 5  # SymPy needs half a minute for the fourth derivative of a mixture
    field, variance = closed_forms(model, mp, orders)
    d, acc, part = np.empty(6), np.empty(6), np.empty(6)
    beta = 1.0 if model.beta is None else model.beta
    for _ in range(20):
        V = 10 ** rng.uniform(-6, 0.6)
        # up to 8 deviations beyond an edge: further out the closed form of a window is 1 - 1
        w = model.kappa * rng.uniform(-1, 1) + rng.uniform(-8, 8) * math.sqrt(V)
        K.pieces_leaf(w, V, batch.levels[0], batch.low[0], batch.high[0], d, acc, part)
        arguments = [mp.mpf(w), mp.mpf(V), mp.mpf(model.kappa), mp.mpf(beta)]
        true = [f(*arguments) for f in field]
        for k in range(orders):
            # d[k] V^(k/2) is the k-th derivative in units of the noise
            scale = mp.mpf(V) ** (mp.mpf(k) / 2)
            # the field itself is a double: moving it by an ulp moves the k-th derivative by the next one
            ulp = (
                2e-16 * abs(w - model.kappa) / math.sqrt(V) * abs(true[k + 1]) * mp.mpf(V) ** (mp.mpf(k + 1) / 2)
                if k + 1 < orders
                else 0
            )
            miss = abs(mp.mpf(d[k]) - true[k]) * scale
            assert miss <= LEAF[k] * max(1, abs(true[k]) * scale) + ulp, (name, w, V, k, d[k], float(true[k]))
        heat = (true[2] + true[1] ** 2) / 2
        assert abs(variance(*arguments) - heat) <= mp.mpf(10) ** -40 * max(1, abs(heat))


@pytest.mark.parametrize("name", MODELS)
def test_derivative_chain_by_mpmath_differentiation(name):
    """f', ..., f'''' against numerical differentiation of log sum_k e^level_k P_k at 60 digits (no algebra shared)."""
    from replicas.numerics.saddle import make_batch

    model, mp = MODELS[name], context(80)
    batch = make_batch(model)
    levels, low, high = batch.levels[0], batch.low[0], batch.high[0]
    d, acc, part = np.empty(6), np.empty(6), np.empty(6)
    for w, V in ((0.1, 0.7), (-1.3, 0.2), (2.0, 1.5), (-4.0, 0.5)):

        def f(x, V=V):
            p = mp.zero
            for level, a, b in zip(levels, low, high):
                upper = mp.zero if b == np.inf else tail(mp, (mp.mpf(b) - x) / mp.sqrt(V))
                lower = mp.one if a == -np.inf else tail(mp, (mp.mpf(a) - x) / mp.sqrt(V))
                p += mp.exp(mp.mpf(level)) * (lower - upper)
            return mp.log(p)

        K.pieces_leaf(w, V, levels, low, high, d, acc, part)
        for k in range(5):
            true = mp.diff(f, mp.mpf(w), k) if k else f(mp.mpf(w))
            assert abs(d[k] - true) * V ** (k / 2) <= LEAF[k] * max(1, abs(true) * V ** (k / 2)), (
                name,
                w,
                V,
                k,
            )
        if model.beta is not None:  # <log Theta> = -beta P(violated): derivative of f when Theta is raised to a power
            h = mp.mpf(10) ** -20

            def power(s, w=w, V=V):
                inside = sum(
                    (
                        mp.exp(s * mp.mpf(level))
                        * (
                            (mp.one if a == -np.inf else tail(mp, (mp.mpf(a) - w) / mp.sqrt(V)))
                            - (mp.zero if b == np.inf else tail(mp, (mp.mpf(b) - w) / mp.sqrt(V)))
                        )
                    )
                    for level, a, b in zip(levels, low, high)
                )
                return mp.log(inside)

            assert abs(d[5] - (power(1 + h) - power(1 - h)) / (2 * h)) <= LEAF[1] * model.beta


@pytest.mark.parametrize(
    "values", [(-1.0, 1.0), (-1.0, 0.0, 1.0), (0.0, 1.0), (-2.0, -1.0, 1.0, 2.0), (-0.3, 0.1, 5.0)]
)
def test_discrete_leaf_by_mpmath_differentiation(values):
    mp, rng, d = context(80), np.random.default_rng(5), np.empty(6)
    v, log_measure = np.array(values), np.log(np.arange(1.0, 1 + len(values)) / len(values))
    for _ in range(6):
        h, lam = rng.uniform(-6, 6), rng.uniform(-2, 3)

        def g(x, lam=lam):
            return mp.log(
                mp.fsum(mp.exp(x * w - mp.mpf(lam) * mp.mpf(w) ** 2 / 2 + mp.mpf(m)) for w, m in zip(v, log_measure))
            )

        K.discrete_leaf(h, lam, v, log_measure, d)
        for k in range(5):
            true = mp.diff(g, mp.mpf(h), k) if k else g(mp.mpf(h))
            assert abs(d[k] - true) <= CHAIN * max(1, abs(true), np.abs(v).max() ** k), (values, h, lam, k)


def test_binary_leaf_is_the_discrete_leaf():
    """To an ulp of its scale; deep in the tails the tail form of binary_leaf keeps relative precision."""
    mp, d, e = context(60), np.empty(6), np.empty(6)
    values = np.array([-1.0, 1.0])
    for h in (*np.linspace(-20, 20, 41), 1e-9, -1e-5):
        K.binary_leaf(h, d)
        K.discrete_leaf(h, 0.0, values, np.zeros(2), e)
        assert d == pytest.approx(e, rel=CHAIN, abs=CHAIN)
        true = 1 - mp.tanh(mp.mpf(h)) ** 2
        assert abs(d[2] - true) <= 4 * RELATIVE * true, h


# --- quadrature --------------------------------------------------------------------------------------------------


def rule(pole, kinks=(), level=0, half=False):
    z, w = np.empty(K.MAX_NODES), np.empty(K.MAX_NODES)
    n = K.gaussian_rule(pole, np.array(kinks, dtype=float), level, half, z, w)
    assert 0 < n <= K.MAX_NODES
    return z[:n], w[:n]


@pytest.mark.parametrize("pole", [1e-3, 0.03, 0.4, 0.5, 1.0, 10.0])
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("half", [False, True])
def test_rule_integrates_moments(pole, level, half):
    z, w = rule(pole, [0.0] if half else [0.4], level, half)
    for k in range(0, 7, 2):
        double_factorial = math.prod(range(1, k, 2))
        assert w @ z**k == pytest.approx(double_factorial, rel=MOMENTS)
    if not half:
        assert abs(w @ z) <= RULE and abs(w @ z**3) <= 3 * RULE
        assert w @ np.exp(0.7 * z) == pytest.approx(math.exp(0.245), rel=RULE)


@pytest.mark.parametrize("pole", [1e-3, 0.01, 0.1, 0.45, 0.55, 1.0, 3.0])
@pytest.mark.parametrize("kink", [-5.0, -0.3, 0.0, 1.7])
def test_rule_integrates_poles(pole, kink):
    """E[1/(p^2 + (z-k)^2)] = sqrt(pi/2)/p Re w((k + i p)/sqrt 2), the Faddeeva function."""
    from scipy.special import wofz

    z, w = rule(pole, [kink])
    true = math.sqrt(math.pi / 2) / pole * wofz((kink + 1j * pole) / math.sqrt(2)).real
    scale = max(true, 1.0)
    assert (
        abs(w @ (1 / (pole**2 + (z - kink) ** 2)) - true) <= 10 * RULE * scale
    )  # the pole amplifies the rounding of z - k


@pytest.mark.parametrize("kinks", [(0.6,), (-1.2, 0.3), (-0.5, -0.5, 2.0)])
def test_rule_integrates_kinks(kinks):
    """E|z - k| = k (1 - 2 H(k)) + 2 G(k), for every kink given."""
    z, w = rule(1e-3, sorted(kinks))
    for k in kinks:
        true = k * math.erf(k / math.sqrt(2)) + 2 * math.exp(-k * k / 2) / math.sqrt(2 * math.pi)
        assert w @ np.abs(z - k) == pytest.approx(true, rel=RULE)


def test_rule_levels_refine():
    for pole, kinks in ((0.05, [0.2]), (1.3, [])):
        sizes = [rule(pole, kinks, level)[0].size for level in (0, 1, 2)]
        assert sizes[0] < sizes[1] < sizes[2]


def test_too_coarse_a_rule_is_caught_by_its_refinement():
    """A pole nearer than announced: the next level differs by at least the true error (the estimate is not empty)."""
    from scipy.special import wofz

    near, told = 0.1, 0.9
    true = math.sqrt(math.pi / 2) / near * wofz(1j * near / math.sqrt(2)).real
    value = [w @ (1 / (near**2 + z**2)) for z, w in (rule(told, [], level) for level in (0, 1))]
    assert abs(value[0] - true) > 1e-4 and abs(value[0] - value[1]) >= 0.5 * abs(value[0] - true)


@pytest.mark.parametrize("half", [False, True])
def test_rule_is_continuous_across_its_switch(half):
    """Trapezoid and graded panels agree where one takes over from the other."""
    F = lambda z: 1 / (0.25 + z * z) + np.log(np.cosh(3 * z))  # noqa: E731
    below, above = (rule(K.TRAPEZOID_FROM * (1 + s * 1e-9), [0.0], 0, half) for s in (-1, 1))
    assert below[0].size != above[0].size
    assert below[1] @ F(below[0]) == pytest.approx(above[1] @ F(above[0]), rel=RULE)


def test_rule_refuses_nonsense():
    z, w = np.empty(K.MAX_NODES), np.empty(K.MAX_NODES)
    assert K.gaussian_rule(np.nan, np.empty(0), 0, False, z, w) == 0
