"""Parisi recursions written by hand, against the expressions that the derivation gives, direct quadrature and Parisi's equation.

The kernels share nothing with the referees: the derived functional is evaluated from the measures that define its leaves,
innermost averages by adaptive quadrature, Parisi's partial differential equation by finite differences.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp
from scipy.special import log_ndtr

import replicas as rp
from replicas.numerics.full_rsb import Full
from replicas.numerics.leaf_tables import envelope, numeric_stretches, pattern_table, weight_table
from replicas.numerics.parisi import LeafTable, TooNarrow, step_for, tower
from replicas.numerics.parisi_flow import flow
from replicas.numerics.rsb import Finite, GroundState, Jamming, Sphere, sphere_entropy
from replicas.numerics.saddle import fixed_norm, make_batch
from replicas.symbolic import limits
from replicas.symbolic import symbols as S
from replicas.symbolic.functional import split
from replicas.symbolic.numeric import evaluate
from replicas.symbolic.rsb import functional, overlaps, parisi
from replicas.symbolic.towers import tower_value
from replicas.theory.broken import replicons

settings.register_profile("replicas", derandomize=True, deadline=None, max_examples=12, database=None)
settings.load_profile("replicas")

NESTED = 1e-11  # asked of scipy's nested quad, whose outer integrand carries the noise of the inner one
REFEREE = 2e-12  # of tables of the derived expression: quintic splines of 801 points in two or three levels
SECOND = 1e-9  # the same where second derivatives of leaves are squared: V derivatives of the referee are differences
ENVELOPE = 2e-13  # relative to the terms that are subtracted; quad is asked for 1e-14
FLOW = 1e-7  # of a value by the interpolating recursion, at four wide levels: 1e-10 to 6e-8, the worst at finite beta
NARROW_FLOW = 3e-7  # the same where 1 - q_k is small, relative
HONEST = 3.0  # how much larger than the change under a finer grid its error may be
FLOW_SLOPE = 1e-5  # and for its derivatives
EQUATION = 1e-5  # of Parisi's equation: second-order differences with h = 0.01, x(q) on 64 steps (midpoint rule)
DIFFERENCE = 1e-4  # step of a central difference in an unknown: error 1e-8 times its third derivative
SLOPE = 3e-7  # third derivatives of order ten times DIFFERENCE^2, and rounding 1e-15/DIFFERENCE
FLOW_DIFFERENCE = 1e-6  # differences of values known to 1e-9, over 2e-3


def log_H(x):
    return float(log_ndtr(-x))


def gauss(u, c):
    return math.exp(-u * u / (2 * c)) / math.sqrt(2 * math.pi * c)


# --- the recursion against scipy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa, V, c0, c1, m", [(0.2, 0.35, 0.4, 0.25, 0.4), (-1.0, 0.1, 0.6, 0.3, 0.9)])
def test_one_step_against_nested_quad(kappa, V, c0, c1, m):
    """E_z (1/m) log E_u H^m, one adaptive integral in another."""

    def inner(omega):
        def weight(u):
            return gauss(u, c1) * math.exp(m * log_H((kappa - omega - u) / math.sqrt(V)))

        reach = 8 * math.sqrt(c1) + m * c1 * abs(kappa - omega) / (V + m * c1)
        kink = min(max(kappa - omega, -reach), reach)
        total = sum(quad(weight, a, b, epsabs=0, epsrel=1e-13)[0] for a, b in ((-reach, kink), (kink, reach)) if a < b)
        return math.log(total) / m

    want = sum(
        quad(lambda w: gauss(w, c0) * inner(w), a, b, epsabs=1e-12, epsrel=1e-13)[0]
        for a, b in ((-8 * math.sqrt(c0), kappa), (kappa, 8 * math.sqrt(c0)))
    )
    point = make_batch(rp.Perceptron("spherical", kappa=kappa), 1.0)
    got = tower(pattern_table(point, V), np.array([c0, c1]), np.array([0.0, m]))
    assert got.value == pytest.approx(want, abs=NESTED)
    assert abs(got.lost) < 1e-14


# --- the saddle-point equations against the derived functional -------------------------------------------------------

MODELS = {
    "spherical": rp.Perceptron("spherical", kappa=0.2),
    "negative": rp.Perceptron("spherical", kappa=-1.2),
    "binary": rp.Perceptron("binary", kappa=0.2),
    "ternary": rp.Perceptron("ternary", kappa=0.2),
    "hot": rp.Perceptron("spherical", kappa=-0.3, beta=2.5),
    "window": rp.Perceptron("binary", 1.1, "window"),
    "relu": rp.TreeCommittee(math.inf, "spherical", "relu"),
    "many binary": rp.TreeCommittee(math.inf, "binary", "sign"),
}
NEGATIVE = rp.Perceptron("spherical", kappa=-0.8)
CASES = [(name, 1) for name in MODELS] + [("spherical", 2), ("binary", 2), ("hot", 2), ("relu", 2)]


def at_point(name, k):
    """A k-step functional and the numerical kernel's answer at the same order parameters, far from any saddle."""
    model = MODELS[name]
    point = make_batch(model, 0.9)
    c, V = np.array([0.3, 0.25, 0.15])[: k + 1], 0.3
    m = np.array([0.4, 0.8])[:k]
    if isinstance(model.weights, rp.Discrete):
        norm = fixed_norm(model) if model.weights.fixed_norm is not None else None
        if norm:
            V = norm - c.sum()
        system = Finite(point, k, norm=norm)
    else:
        V = 1 - c.sum()
        system = Sphere(point, k)
    at = system.evaluate(system.pack(c, V, m))
    f = functional(model, k)
    env = {"alpha": 0.9, "kappa": model.kappa, "lambda": at.lam, "Q": at.Q}
    env |= {} if model.beta is None else {"beta": model.beta}
    env |= {f"q{j}": q for j, q in enumerate(at.q)} | {f"qhat{j}": q for j, q in enumerate(at.q_hat)}
    env |= {f"m{j + 1}": x for j, x in enumerate(m)}

    def value(expr):
        # the closed form of a window is a difference of tails, 0 in double precision far outside
        plain = expr if model.likelihood == "window" else f.closed_form(expr)
        return float(tower_value(plain, env, f.leaves))

    assert at.c == pytest.approx(c, rel=1e-14) and at.m[1:] == pytest.approx(m, rel=1e-14)
    assert at.V == pytest.approx(V, rel=1e-14)
    return f, at, value


@pytest.mark.parametrize("name, k", [*CASES, ("ternary", 2)])
def test_value_and_gradient_are_those_of_the_derived_functional(name, k):
    """phi, d phi/dm_j and d phi/dq_j: on the sphere (m_{j+1}-m_j)(q_hat_j - alpha E f_j'^2)/2, zero at explicit conjugates."""
    f, at, value = at_point(name, k)
    slopes = {x.name: value(e) for x, e in f.grad().items()}
    steps = np.diff(np.append(at.m, 1.0))
    assert at.phi == pytest.approx(value(f.expr), abs=REFEREE)
    for j in range(1, k + 1):
        assert at.rate[j] == pytest.approx(slopes[f"m{j}"], abs=REFEREE), j
    for j in range(k + 1):
        by_q = 0.5 * steps[j] * (at.q_hat[j] - at.alpha * at.seen.square(at.patterns)[j])
        assert by_q == pytest.approx(slopes[f"q{j}"], abs=REFEREE), j
        if at.weights is not None:
            by_q_hat = 0.5 * steps[j] * (at.q[j] - at.weights.square[j])
            if j == k:  # and half of <w^2> - Q, which is known where w^2 is constant
                by_q_hat += 0.5 * (at.weights.square[k] + at.weights.curvature[k] - at.Q)
            assert abs(by_q) < 1e-15 and by_q_hat == pytest.approx(slopes[f"qhat{j}"], abs=REFEREE), j
    if "lambda" in slopes:  # d phi/d lam = (Q - E <w^2>)/2, and E <w^2> = E_k[g'^2] + E_k[g'']
        by_lam = 0.5 * (at.Q - at.weights.square[-1] - at.weights.curvature[-1])
        assert by_lam == pytest.approx(slopes["lambda"], abs=REFEREE) and abs(slopes["Q"]) < REFEREE


@pytest.mark.parametrize("name, k", CASES)
def test_observables_are_the_derived_ones(name, k):
    f, at, value = at_point(name, k)
    want = {key: value(e) for key, e in f.observables.items()}
    assert replicons(at) == pytest.approx([want[f"replicon{j}"] for j in range(k + 1)], abs=SECOND)
    if not MODELS[name].hard:
        assert at.alpha * at.patterns.extra[0] == pytest.approx(want["loglik"], abs=REFEREE) and want["loglik"] < 0
    if k == 1:
        assert -(at.m[1] ** 2) * at.rate[1] == pytest.approx(want["complexity"], abs=REFEREE)
        f1 = f.closed_form(f.observables["complexity"])
        assert abs(want["complexity"]) > 1e-4 and f1.has(S.alpha)


@pytest.mark.parametrize("name", ["spherical", "binary", "ternary", "relu", "many binary"])
def test_equations_of_a_system_vanish_where_the_derived_gradient_does(name):
    """The residual of every overlap is log(what one side adds at a level/what the other does), that of m_j its derivative, scaled."""
    f, at, value = at_point(name, 1)
    slopes = {x.name: value(e) for x, e in f.grad().items()}
    if at.weights is None:  # d phi/dq_0 ~ c_0/L_0^2 - alpha E f_0'^2
        rise = np.diff(np.append(0.0, at.q_hat))
        squares = rise[0] - 2 * slopes["q0"] / at.m[1]
        total = at.q_hat[1] - 2 * slopes["q1"] / (1 - at.m[1])
        want = np.log(np.array([squares, total - squares]) / rise)
    else:
        squares = at.q[0] - 2 * slopes["qhat0"] / at.m[1]
        surplus = 0.0 if "binary" in name else -2 * slopes["lambda"]
        total = at.q[1] - (2 * slopes["qhat1"] - surplus) / (1 - at.m[1])
        want = np.log(np.array([squares, total - squares]) / at.c)
        rise = np.diff(np.append(0.0, at.q_hat))
    assert at.residual[:2] == pytest.approx(want, abs=10 * REFEREE)
    assert at.residual[2] == pytest.approx(slopes["m1"] / (at.c[1] * rise[1]), abs=10 * REFEREE)
    assert np.all(np.abs(at.residual[:3]) > 1e-3)


# --- a tower by itself ----------------------------------------------------------------------------------------------


def test_increments_are_differences_of_the_squares():
    """E_{j-1} Var_j f_j' without subtraction equals E_j f_j'^2 - E_{j-1} f_{j-1}'^2."""
    point = make_batch(rp.Perceptron("spherical", kappa=-0.7), 1.0)
    c, m = np.array([0.4, 0.2, 0.15, 0.05]), np.array([0.0, 0.2, 0.5, 0.7])
    leaf = pattern_table(point, 0.2)
    T = tower(leaf, c, m)
    assert T.growth == pytest.approx(np.diff(np.append(0.0, T.square)), rel=1e-12)
    # parts under the tilts: <omega_j> - <omega_{j-1}> = m_j c_j E_j f_j', and E_j f_j' is the same for every j
    slope = T.probability[-1] @ leaf.values(T.fields[-1])[1]
    means = np.array([p @ x for p, x in zip(T.probability, T.fields)])
    assert means == pytest.approx(np.cumsum(m * c) * slope, abs=1e-12)
    # once more: E_j f_j'' = E_{j+1} f_{j+1}'' + m_{j+1} E_j Var f_{j+1}'
    assert T.curvature[:-1] == pytest.approx(T.curvature[1:] + (m * T.growth)[1:], rel=1e-12)


@pytest.mark.parametrize("m", [1e-12, 1e-8, 1e-6, 3e-5])
def test_small_powers_lose_no_digits(m):
    """T(m) = E f + (m/2) E Var f + (m^2/6) E kappa_3 + ..., dT/dm -> E Var f/2: quadrature of the cumulants at m = 0."""
    V, c0, c1, kappa = 0.3, 0.4, 0.3, 0.2
    x = np.linspace(-9.0, 9.0, 241)  # a trapezoid rule with poles of f at 2.8 sqrt(V): 1e-15
    w = np.exp(-x * x / 2) / np.exp(-x * x / 2).sum()
    f = log_ndtr(-(kappa - math.sqrt(c0) * x[:, None] - math.sqrt(c1) * x) / math.sqrt(V))
    mean = f @ w
    second, third = ((f - mean[:, None]) ** 2) @ w, ((f - mean[:, None]) ** 3) @ w
    value, slope, bend = w @ mean, w @ second / 2, w @ third / 6
    point = make_batch(rp.Perceptron("spherical", kappa=kappa), 1.0)
    arguments = np.array([c0, c1]), np.array([0.0, m])
    exact = tower(pattern_table(point, V), *arguments)
    graded = flow(pattern_table(point, V), [kappa], *arguments, V)
    assert exact.value == pytest.approx(value + m * slope + m * m * bend, abs=1e-13)
    assert graded.value == pytest.approx(value + m * slope + m * m * bend, abs=FLOW / 10)
    for T in (exact, graded):
        # (<f> - log E e^{mf}/m)/m loses digits until the variance takes over at m sd(f) = 1e-5
        assert T.slope[1] == pytest.approx(slope + 2 * m * bend, rel=2e-15 / 1e-5**2 if m > 1e-6 else 1e-5)


def test_a_level_without_width_changes_nothing():
    point = make_batch(rp.Perceptron("spherical", kappa=0.2), 1.0)
    table = pattern_table(point, 0.3)
    plain = tower(table, np.array([0.4, 0.3]), np.array([0.0, 0.6]))
    for c, m in (([0.4, 0.3, 0.0], [0.0, 0.6, 0.9]), ([0.4, 0.0, 0.3], [0.0, 0.2, 0.6])):
        same = tower(table, np.array(c), np.array(m))
        assert same.value == pytest.approx(plain.value, abs=1e-14)
        assert same.square[-1] == pytest.approx(plain.square[-1], abs=1e-13)
    # one power for two levels is one level
    both = tower(table, np.array([0.4, 0.1, 0.2]), np.array([0.0, 0.6, 0.6]))
    assert both.value == pytest.approx(plain.value, abs=1e-14) and both.slope[1:].sum() == pytest.approx(plain.slope[1])
    assert tower(table, np.array([0.0, 0.7]), np.array([0.0, 0.6])).fields[0].size == 1  # q_0 = 0: one field


def test_power_one_integrates_the_level_away():
    """E exp(f(., V)) over N(0, c) is exp(f(., V + c))."""
    point = make_batch(rp.Perceptron("spherical", kappa=0.2, beta=3.0), 1.0)
    got = tower(pattern_table(point, 0.1), np.array([0.4, 0.5]), np.array([0.0, 1.0]))
    want = tower(pattern_table(point, 0.6), np.array([0.4]), np.array([0.0]))
    assert got.value == pytest.approx(want.value, abs=1e-14)
    assert got.square[0] == pytest.approx(want.square[0], abs=1e-13)
    assert got.curvature_square[0] == pytest.approx(want.curvature_square[0], abs=1e-12)


@pytest.mark.parametrize("kind", ["window", "hot", "binary"])
def test_competing_maxima_are_kept(kind):
    """exp(m f) that is not log-concave: tilted Gaussians with two maxima, against a plain trapezoid sum."""
    if kind == "binary":
        leaf, c, m = weight_table(rp.Perceptron("binary"), 0.0), np.array([1.5, 9.0]), np.array([0.0, 0.9])
        value = lambda h: np.logaddexp(h, -h)  # noqa: E731
    elif kind == "hot":
        leaf = pattern_table(make_batch(rp.Perceptron("spherical", kappa=0.3, beta=12.0), 1.0), 0.05)
        c, m = np.array([0.5, 0.6]), np.array([0.0, 0.8])
        value = lambda h: np.logaddexp(-12.0, np.log1p(-np.exp(-12.0)) + log_ndtr((h - 0.3) / math.sqrt(0.05)))  # noqa: E731
    else:
        stretches = numeric_stretches(make_batch(rp.Perceptron("spherical", 0.8, "window"), 1.0))
        leaf, c, m = envelope(stretches, 0.3, 6.0, 0.2, True), np.array([0.5, 0.8]), np.array([0.0, 5.0])
        value = lambda h: leaf.values(h.ravel())[0].reshape(h.shape)  # noqa: E731
    z = np.linspace(-9, 9, 201)
    wide = np.linspace(-22, 22, 1501)
    rows = value(math.sqrt(c[0]) * z[:, None] + math.sqrt(c[1]) * wide) * m[1] - wide**2 / 2
    top = rows.max(axis=1)
    step = wide[1] - wide[0]
    inner = (top + np.log(np.exp(rows - top[:, None]).sum(axis=1) * step / math.sqrt(2 * math.pi))) / m[1]
    weight = np.exp(-z * z / 2) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    assert tower(leaf, c, m).value == pytest.approx(weight @ inner, abs=1e-12)


def test_levels_that_can_not_be_resolved_are_refused():
    point = make_batch(rp.Perceptron("spherical", kappa=0.2), 1.0)
    for c in ([0.4, 1e-14], [math.nan, 0.1]):
        with pytest.raises(TooNarrow):
            tower(pattern_table(point, 0.3), np.array(c), np.array([0.0, 0.5]))
    assert step_for(0.5, 1.0) < step_for(1.0, 1.0)  # a narrower Gaussian needs a finer lattice
    with pytest.raises(TooNarrow):
        tower(LeafTable(lambda x: np.zeros((3, x.size)), math.nan), np.array([0.4, 0.1]), np.array([0.0, 0.5]))


# --- innermost averages of the limits -------------------------------------------------------------------------------

SHAPES = {
    "threshold": ([(-math.inf, -0.7, -0.7)], (-0.7,)),
    "window": ([(-math.inf, -0.9, -0.9), (0.9, math.inf, 0.9)], (-0.9, 0.9)),
    "hole": ([(-0.5, 0.0, -0.5), (0.0, 0.5, 0.5)], (-0.5, 0.0, 0.5)),  # between two intervals that satisfy
}
FIELDS = (-12.0, -3.0, -0.7, 0.1, 1.4, 25.0)


def averaged(shape, omega, c, w, x, ceiling):
    """phi, phi', phi'', d phi/dw, d phi/dx, P(cost = 1), P(0 < cost < 1) from adaptive integrals over the fields."""
    stretches, edges = SHAPES[shape]

    def distance(u):
        return next((abs(u - edge) for low, high, edge in stretches if low < u < high), 0.0)

    def cost(u):
        d2 = distance(u) ** 2 / (2 * x)
        return min(1.0, d2) if ceiling else d2

    def exponent(u):
        return -w * cost(u) - (u - omega) ** 2 / (2 * c)

    root = math.sqrt(c)
    far = abs(omega) + 12 * root
    breaks = {-far, far, omega, *edges}
    if ceiling:
        breaks |= {e + s * math.sqrt(2 * x) for e in edges for s in (1, -1)}
    breaks |= {e + (omega - e) * x / (x + w * c) for e in edges}  # where the tilted Gaussian sits
    tops = [exponent(b) for b in breaks]
    breaks |= {b + s * r * root for b in list(breaks) for s in (1, -1) for r in (0.3, 1.0, 3.0)}
    breaks = sorted(b for b in breaks if -far <= b <= far)
    top = max(tops)

    def mean(g):
        return sum(
            quad(lambda u: g(u) * math.exp(exponent(u) - top), a, b, epsabs=1e-16, epsrel=1e-14)[0]
            for a, b in itertools.pairwise(breaks)
            if max(exponent(a), exponent(b), exponent((a + b) / 2)) > top - 60
        )

    Z = mean(lambda u: 1.0)
    phi = (top + math.log(Z / math.sqrt(2 * math.pi * c))) / w
    slope = mean(lambda u: u - omega) / Z / c
    spread = mean(lambda u: ((u - omega) / c - slope) ** 2) / Z
    full = ceiling and (lambda u: distance(u) ** 2 >= 2 * x)
    partly = lambda u: distance(u) > 0 and not (full and full(u))  # noqa: E731
    by_w = (-mean(cost) / Z - phi) / w
    by_x = mean(lambda u: distance(u) ** 2 / (2 * x * x) * partly(u)) / Z
    paid = mean(lambda u: float(full(u))) / Z if full else 0.0
    return np.array([phi, slope / w, (spread - 1 / c) / w, by_w, by_x, paid, mean(lambda u: float(partly(u))) / Z])


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ceiling", [False, True])
@pytest.mark.parametrize("c, w, x", [(0.35, 3.0, 1.0), (0.02, 40.0, 0.3)])
def test_innermost_average_is_the_integral_of_its_cost(shape, ceiling, c, w, x):
    stretches = np.array(SHAPES[shape][0])
    leaf = envelope(stretches, c, w, x, ceiling)
    got = leaf.values(np.array(FIELDS))
    for omega, found in zip(FIELDS, got.T):
        want = averaged(shape, omega, c, w, x, ceiling)
        size = np.array([1 + abs(want[0]), 1 + abs(want[1]), 1 / (c * w) + abs(want[2]), 1 + abs(want[0]), 1, 1, 1])
        allowed = 10 * ENVELOPE * size * max(1, abs(omega) / math.sqrt(c))
        assert np.all(np.abs(found - want) < allowed), omega


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
@pytest.mark.parametrize("ceiling", [False, True])
def test_a_hole_between_two_intervals(ceiling):
    """The second derivative has a term of the kink in the middle; two maxima of a tilted Gaussian compete."""
    leaf = envelope(np.array(SHAPES["hole"][0]), 0.35, 3.0, 1.0, ceiling)
    want = averaged("hole", -0.3, 0.35, 3.0, 1.0, ceiling)
    assert leaf.values(np.array([-0.3]))[2, 0] == pytest.approx(want[2], abs=1e-11)
    assert not leaf.concave


@pytest.mark.parametrize("likelihood, kappa", [("threshold", -0.7), ("window", 0.9)])
def test_innermost_average_is_the_derived_one(likelihood, kappa):
    """`limits.innermost` symbolically (x = 1, no ceiling), with its derivatives in the field and in w."""
    model = rp.Perceptron("spherical", kappa, likelihood)
    omega, c, w = sp.symbols("omega c w", positive=True)
    expr = limits.innermost(limits.outside_support(model), omega, c, w)
    env = {"omega": np.array([-2.5, -0.7, 0.4, 1.9]), "c": 0.35, "w": 3.0, "kappa": kappa}
    stretches = numeric_stretches(make_batch(model, 1.0))
    got = envelope(stretches, 0.35, 3.0, 1.0, False).values(env["omega"])
    for row, derivative in enumerate((expr, expr.diff(omega), expr.diff(omega, 2), expr.diff(w))):
        assert got[row] == pytest.approx(evaluate(derivative, env, {}), abs=1e-12)


@given(
    omega=st.floats(-6, 6),
    c=st.floats(0.01, 1.0),
    w=st.floats(0.1, 50.0),
    x=st.floats(0.05, 2.0),
    ceiling=st.booleans(),
    shape=st.sampled_from(sorted(SHAPES)),
)
def test_innermost_averages_obey_the_heat_equation(omega, c, w, x, ceiling, shape):
    """d phi/dc = (phi'' + w phi'^2)/2; -1 <= phi <= 0 with a ceiling; a costlier field is no better."""
    stretches = np.array(SHAPES[shape][0])
    h = 1e-5 * c
    at = envelope(stretches, c, w, x, ceiling).values(np.array([omega]))[:, 0]
    up, down = (envelope(stretches, c + s * h, w, x, ceiling).values(np.array([omega]))[0, 0] for s in (1, -1))
    size = 1 + abs(at[0]) / c + abs(at[2])
    assert (up - down) / (2 * h) == pytest.approx((at[2] + w * at[1] ** 2) / 2, abs=1e-7 * size)
    assert at[0] <= 1e-15 and (not ceiling or at[0] >= -1 - 1e-15)
    assert at[4] >= 0 and at[3] >= -1e-12  # cheaper when softer; -phi is a power mean of the cost, which falls with w
    assert -1e-15 <= at[5] <= 1 + 1e-12 and -1e-15 <= at[6] <= 1 + 1e-12


# --- many levels ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["spherical", "negative", "hot", "limit", "ground"])
def test_graded_grids_agree_with_lattices(name):
    """`flow` interpolates what `tower` sums exactly: value, averages and derivatives of a four-level tower."""
    c, m, V = np.array([0.4, 0.2, 0.15, 0.1]), np.array([0.0, 0.2, 0.5, 0.7]), 0.15
    if name in MODELS:
        point = make_batch(MODELS[name], 1.0)
        leaf, marks = pattern_table(point, V), [MODELS[name].kappa]
    else:
        ceiling, x = name == "ground", 0.3 if name == "ground" else 1.0
        stretches = numeric_stretches(make_batch(rp.Perceptron("spherical", kappa=-0.5), 1.0))
        leaf = envelope(stretches, V, 8.0, x, ceiling)
        marks = [-0.5, -0.5 - math.sqrt(2 * x), -0.5 + math.sqrt(2 * x)] if ceiling else [-0.5]
        m = 8 * m
    want, got = tower(leaf, c, m), flow(leaf, sorted(marks), c, m, V)
    assert got.value == pytest.approx(want.value, abs=FLOW * (1 + want.magnitude))
    for name in ("square", "growth", "curvature", "curvature_square", "slope", "extra"):
        a, b = getattr(got, name), getattr(want, name)
        assert a == pytest.approx(b, abs=FLOW_SLOPE * (1 + np.abs(b).max(initial=0))), name
    finer = flow(leaf, sorted(marks), c, m, V, 1.4)
    assert abs(got.value - want.value) < HONEST * abs(finer.value - got.value) + 1e-11
    best = flow(leaf, sorted(marks), c, m, V, 3.0)
    assert best.value == pytest.approx(want.value, abs=FLOW / 100)


NARROW = 5e-7  # of a value whose last level is three noises wide: 1e-7 with the grids as they are, 5e-6 if three times as wide


@pytest.mark.parametrize(
    "V",
    [5e-3, 5e-4],
)
def test_graded_grids_resolve_a_narrow_leaf(V):
    """A hard constraint of width sqrt(V) under levels that are wider: the last one by sqrt((0.05 - V)/V)."""
    leaf = pattern_table(make_batch(NEGATIVE, 1.0), V)
    c, m = np.array([0.5, 0.3, 0.15, 0.05 - V]), np.array([0.0, 0.05, 0.1, 0.2])
    want, got, finer = tower(leaf, c, m), flow(leaf, [-0.8], c, m, V), flow(leaf, [-0.8], c, m, V, 2.0)
    assert tower(leaf, c, m, 1.5).value == pytest.approx(want.value, abs=1e-13)
    assert got.value == pytest.approx(want.value, abs=NARROW)
    assert finer.value == pytest.approx(want.value, abs=NARROW / 5)


def parisi_equation(leaf, x, q_first, q_last, half=9.0, h=0.01):
    """phi(q_first, .) by integrating d_q phi = -(phi'' + x(q) phi'^2)/2 backwards from the leaf at q_last, and its fields."""
    fields = np.arange(-half, half + h / 2, h)

    def rate(t, phi):  # t = q_last - q grows
        wide = np.empty(phi.size + 2)
        wide[1:-1] = phi
        wide[0] = 3 * phi[0] - 3 * phi[1] + phi[2]  # the asymptotics are quadratic at most
        wide[-1] = 3 * phi[-1] - 3 * phi[-2] + phi[-3]
        bend = (wide[2:] - 2 * wide[1:-1] + wide[:-2]) / h**2
        slope = (wide[2:] - wide[:-2]) / (2 * h)
        return 0.5 * (bend + x(q_last - t) * slope**2)

    found = solve_ivp(
        rate, (0.0, q_last - q_first), leaf(fields), method="LSODA", rtol=1e-9, atol=1e-11, lband=2, uband=2
    )
    return fields, found.y[:, -1]


@pytest.mark.parametrize("name", ["negative", "hot"])
def test_many_steps_solve_the_parisi_equation(name):
    """x(q) = 0.1 + 0.8 q refined to 64 steps against the partial differential equation; the error falls like the square."""
    model = MODELS[name]
    point = make_batch(model, 1.0)
    first, last = 0.3, 0.85
    x = lambda q: 0.1 + 0.8 * q  # noqa: E731
    leaf = pattern_table(point, 1 - last)
    fields, phi = parisi_equation(lambda h: leaf.values(h)[0], x, first, last)
    weight = np.exp(-(fields**2) / (2 * first)) * (fields[1] - fields[0]) / math.sqrt(2 * math.pi * first)
    want, got = weight @ phi, []
    for k in (8, 16, 32, 64):
        q = np.linspace(first, last, k + 1)
        m = np.append(0.0, x(0.5 * (q[1:] + q[:-1])))
        got.append(flow(leaf, [model.kappa], np.append(first, np.diff(q)), m, 1 - last).value)
    assert got[-1] == pytest.approx(want, abs=EQUATION)
    assert np.diff(got)[:-1] / np.diff(got)[1:] == pytest.approx([4, 4], rel=0.05)
    flat = [
        flow(leaf, [model.kappa], np.array([first, last - first]), np.array([0, v]), 1 - last).value for v in (0.3, 0.8)
    ]
    assert min(abs(want - v) for v in flat) > 100 * EQUATION  # another x(q) would be told apart


# --- the sphere's algebra -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 3e-5, 1e-9])
def test_sphere_entropy_is_the_derived_algebra(k, scale):
    """Value, conjugates and m derivatives of exact rationals with 40 digits; ``scale`` makes the Parisi parameters small."""
    q, m = overlaps(k), parisi(k)
    f = functional(rp.Perceptron("spherical"), k)
    algebra, _ = split(f.expr)
    at = {q[j]: sp.Rational(j + 2, k + 4) for j in range(k + 1)}
    at |= {m[j]: sp.Rational(2 * j + 1, 2 * k + 3) * sp.Rational(str(scale)) for j in range(k)}
    names = sorted({*q, *m}, key=lambda x: x.name)
    exact = {n: at[n] for n in names}

    def number(expr):
        return float(expr.subs(exact).evalf(60))

    c = np.diff([0.0, *(float(at[x]) for x in q)])
    V = float(1 - at[q[k]])
    value, q_hat, rise, dm = sphere_entropy(c, np.array([0.0, *(float(at[x]) for x in m)]), V)
    assert value + 0.5 * math.log(V) == pytest.approx(number(algebra), rel=4e-15)
    for j in range(1, k + 1):
        assert dm[j] == pytest.approx(number(algebra.diff(m[j - 1])), rel=1e-10), (
            j
        )  # a series up to u = 1e-4 meets a cancellation in u^2
    hats = [f.eliminated[x] for x in sp.symbols(f"qhat0:{k + 1}", positive=True)]
    assert q_hat == pytest.approx([number(e) for e in hats], rel=4e-15)
    assert rise == pytest.approx(np.diff([0.0, *(number(e) for e in hats)]), rel=1e-13)


# --- gradients of the functionals -----------------------------------------------------------------------------------

WINDOW = rp.Perceptron("spherical", 1.0, "window")
START = {"c": np.array([0.3, 0.25, 0.2]), "V": 0.25, "m": np.array([0.35, 0.7])}
LIMIT = {"c": np.array([0.4, 0.35, 0.25]), "V": 0.0, "m": np.array([6.0, 20.0])}


def system_cases():
    hot = rp.Perceptron("spherical", kappa=-0.3, beta=2.5)
    yield "sphere", Sphere(make_batch(NEGATIVE, 6.0), 2), START, {}
    yield "sphere at given m", Sphere(make_batch(NEGATIVE, 6.0), 2, m=START["m"]), START, {}
    yield "sphere, finite beta", Sphere(make_batch(hot, 3.0), 2), START, {}
    yield "sphere, even", Sphere(make_batch(WINDOW, 3.0), 2, zero=True), START | {"c": np.array([0.0, 0.45, 0.3])}, {}
    yield "jamming", Jamming(make_batch(NEGATIVE, 1.0), 2), LIMIT, {}
    yield "jamming, window", Jamming(make_batch(WINDOW, 1.0), 2), LIMIT, {}
    yield "ground state", GroundState(make_batch(NEGATIVE, 9.0), 2), LIMIT, {"x": 0.4}
    yield "ground state, window", GroundState(make_batch(WINDOW, 9.0), 2), LIMIT, {"x": 0.4}


SYSTEMS = {name: rest for name, *rest in system_cases()}


@pytest.mark.parametrize("name", SYSTEMS)
def test_gradients_of_functionals(name):
    """`gradient` in the logarithmic unknowns against differences of `phi`."""
    system, at, other = SYSTEMS[name]
    y = system.pack(at["c"], at["V"], at["m"], **other)
    point = system.evaluate(y)
    assert point.gradient.shape == y.shape and np.all(np.abs(point.gradient) > 1e-5)
    for i in range(y.size):
        e = DIFFERENCE * np.eye(y.size)[i]
        slope = (system.evaluate(y + e).phi - system.evaluate(y - e).phi) / (2 * DIFFERENCE)
        assert point.gradient[i] == pytest.approx(slope, abs=SLOPE * (1 + abs(point.phi))), i


@pytest.mark.parametrize("name", SYSTEMS)
def test_unknowns_are_packed_and_unpacked(name):
    system, at, other = SYSTEMS[name]
    point = system.evaluate(system.pack(at["c"], at["V"], at["m"], **other))
    assert point.c == pytest.approx(at["c"], abs=1e-15) and point.m[1:] == pytest.approx(at["m"], rel=1e-14)
    assert point.V == pytest.approx(at["V"], rel=1e-14)


@pytest.mark.parametrize("modes", [0, 3])
@pytest.mark.parametrize("kind", ["finite", "jamming"])
def test_gradients_on_given_overlaps(kind, modes):
    """The same of a profile x(q) on a grid, whose ends move it along; by intervals and by smooth modes of log x."""
    system = Full(make_batch(NEGATIVE, 9.0), 6, kind, modes)
    free = np.log(np.linspace(0.1, 0.4, 6) if kind == "finite" else np.geomspace(4.0, 40.0, 6))
    if modes:
        free = np.array([-1.5 if kind == "finite" else 2.5, 0.7, 0.1])
    z = system.pack(free, 0.55, 0.1)
    at = system.evaluate(z)
    h = 1e-3
    for i in range(z.size):
        e = h * np.eye(z.size)[i]
        slope = (system.evaluate(z + e).phi - system.evaluate(z - e).phi) / (2 * h)
        assert at.gradient[i] == pytest.approx(slope, abs=FLOW_DIFFERENCE * (10 + abs(at.phi))), i
    assert np.median(np.abs(at.gradient)) > 100 * FLOW_DIFFERENCE


@pytest.mark.parametrize("kind", ["finite", "jamming"])
def test_a_profile_on_a_grid_is_the_functional_of_as_many_steps(kind):
    """`Full` against `Sphere` and `Jamming` at the same overlaps and Parisi parameters."""
    point = make_batch(NEGATIVE, 9.0)
    full = Full(point, 4, kind)
    m = np.array([0.1, 0.2, 0.35, 0.6]) if kind == "finite" else np.array([4.0, 8.0, 15.0, 40.0])
    at = full.evaluate(full.pack(np.log(m), 0.5, 0.1))
    assert at.x == pytest.approx(m, rel=1e-14) and at.q[0] == pytest.approx(0.5) and np.all(np.diff(at.q) > 0)
    assert 1 - at.q[-1] == pytest.approx(0.1 if kind == "finite" else 0.0, abs=1e-15)
    system = {"finite": Sphere, "jamming": Jamming}[kind](point, 4)
    want = system.evaluate(system.pack(np.diff(np.append(0.0, at.q)), 1 - at.q[-1], m))
    assert at.phi == pytest.approx(want.phi, abs=NARROW_FLOW * (1 + want.magnitude))
    scale = 1.0 if kind == "finite" else -want.patterns.value
    slopes = want.rate[1:] * m / scale
    assert at.gradient[:4] == pytest.approx(slopes, abs=FLOW_SLOPE * (1 + np.abs(slopes).max()))
