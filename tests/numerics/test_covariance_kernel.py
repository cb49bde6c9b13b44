"""Compiled kernels C(q) against closed forms in 80 digits, direct quadrature, and what a covariance must satisfy."""

from __future__ import annotations

import math
from functools import lru_cache

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from replicas.activations import parse_activation
from replicas.numerics import covariance_tables as tables
from replicas.numerics.covariance import _broken, _smooth, kernel_of
from replicas.symbolic.covariance import by_quadrature, closed_form
from replicas.symbolic.symbols import q, u

MACHINES = [("tree", False), ("full", False), ("full", True)]
POINTS = [("q", x) for x in (0.0, 1e-12, 1e-5, 0.1, 0.499, 0.501, 0.7, 0.95)] + [
    ("gap", x) for x in (1e-2, 1e-4, 1e-7, 1e-10, 1e-14)
]
LEAKY = sp.Piecewise((u, u > 0), (u / 10, True))
CLIP = sp.Max(-1, sp.Min(1, u))


@lru_cache
def exact(activation, architecture, teacher, scale=1):
    """mpmath functions C, C', C'', C''' from the closed form."""
    delta = closed_form(activation, scale)[0]
    slope = sp.diff(delta, q).subs(q, 0)
    C = delta - delta.subs(q, 0)
    if architecture == "full":
        C += slope * (1 - q) if teacher else -slope * q
    return [sp.lambdify(q, sp.diff(C, q, k), "mpmath") for k in range(4)]


def worst(kernel, functions, points=POINTS):
    """Largest relative difference of the five values (absolute where the exact value is zero)."""
    out = np.zeros(5)
    with mpmath.workdps(80):
        for kind, x in points:
            at = mpmath.mpf(x) if kind == "q" else 1 - mpmath.mpf(x)
            got = kernel.values(x, 1.0 - x) if kind == "q" else kernel.values(1.0 - x, x)
            want = [functions[0](at), functions[0](mpmath.mpf(1)) - functions[0](at), *(f(at) for f in functions[1:])]
            out = np.maximum(out, [float(abs(g - w) / (abs(w) if abs(w) > 1e-60 else 1)) for g, w in zip(got, want)])
    return out


@pytest.mark.parametrize(("architecture", "teacher"), MACHINES)
@pytest.mark.parametrize("activation", ["sign", "relu", "erf", "quadratic", LEAKY, u**3 - u, sp.sin(2 * u)], ids=str)
def test_five_values_to_full_relative_accuracy(activation, architecture, teacher):
    kernel = kernel_of(activation, architecture, teacher)
    difference = worst(kernel, exact(activation, architecture, teacher))
    assert difference.max() < 1e-13
    assert difference.max() < 3 * kernel.error


@pytest.mark.parametrize("activation", [u * sp.Abs(u), u**2 * sp.Heaviside(u), u**2 * sp.Abs(u)], ids=str)
def test_tables_against_closed_forms(activation):
    kernel = kernel_of(activation)
    assert kernel.method == "tables in theta"
    difference = worst(kernel, exact(activation, "tree", False))
    assert difference.max() < 1e-13
    assert difference.max() <= kernel.error < 1e-12


@pytest.mark.parametrize("name", ["sign", "relu"])
def test_the_table_route_meets_the_closed_one(name):
    a = parse_activation(name)
    assert worst(_broken(tables.Pieces(a.expr, 1.0), a, False, False), exact(name, "tree", False)).max() < 1e-13


def test_the_series_route_meets_the_closed_one():
    a = parse_activation("erf")
    kernel = _smooth(tables.Pieces(a.expr, 1.0), a, False, False)
    assert worst(kernel, exact("erf", "tree", False)).max() < 1e-13
    w = tables.mehler(tables.Pieces(a.expr, 1.0), 20)  # 2/pi asin(2q/3) = 2/pi sum binom(2m,m)/4^m x^(2m+1)/(2m+1)
    for m in range(10):
        want = 2 / math.pi * math.comb(2 * m, m) / 4**m * (2 / 3) ** (2 * m + 1) / (2 * m + 1)
        assert w[2 * m + 1] == pytest.approx(want, rel=1e-13)
        assert w[2 * m] == 0.0
    w = tables.mehler(tables.Pieces(sp.Max(u, 0), 1.0), 9)
    assert w[:9] == pytest.approx([1 / (2 * math.pi), 0.25, *(x / math.pi for x in (1 / 4, 0, 1 / 48, 0, 1 / 160, 0, 5 / 1792))], rel=1e-14)


@pytest.mark.parametrize("activation", ["tanh", pytest.param(sp.tanh(2 * u), marks=pytest.mark.slow), CLIP, sp.Heaviside(u - 1), sp.sin(u) / u], ids=str)
def test_without_closed_form_against_quadrature(activation):
    kernel = kernel_of(activation)
    base, top = by_quadrature(activation, 0.0), by_quadrature(activation, 1.0)
    for at in (0.2, 0.49, 0.6, 0.97):
        value, rest, *_ = kernel.values(at)
        want = by_quadrature(activation, at)
        assert value == pytest.approx(want - base, rel=1e-12)
        assert rest == pytest.approx(top - want, rel=3e-12)
    assert kernel.total == pytest.approx(top - base, rel=1e-13)


def test_step_by_price_at_both_ends():
    # Delta'(q) of Heaviside(u - 1) is the bivariate density exp(-1/(1+q))/(2 pi sqrt(1-q^2))
    kernel = kernel_of(sp.Heaviside(u - 1))
    density = sp.exp(-1 / (1 + q)) / (2 * sp.pi * sp.sqrt(1 - q**2))
    slopes = [sp.lambdify(q, sp.diff(density, q, k), "mpmath") for k in range(3)]
    with mpmath.workdps(30):
        for gap in (0.999999, 0.8, 0.5, 1e-3, 1e-10):
            g = mpmath.mpf(gap)
            # with gap = t^2 the integral of Delta' from q to 1 is regular
            f = lambda t: 2 * mpmath.exp(-1 / (2 - t * t)) / (2 * mpmath.pi * mpmath.sqrt(2 - t * t))  # noqa: E731
            want = [mpmath.quad(f, [0, mpmath.sqrt(g)]), *(s(1 - g) for s in slopes)]
            got = kernel.values(1.0 - gap, gap)[1:]
            assert got == pytest.approx([float(x) for x in want], rel=1e-13)
    assert kernel.slope == math.inf


def test_clip_by_price():
    # Delta'' of clip(u, -1, 1) is 2 [phi2(1,1;q) - phi2(1,-1;q)]; Delta'(1) = P(|u| < 1)
    kernel = kernel_of(CLIP)
    assert kernel.slope == pytest.approx(math.erf(1 / math.sqrt(2)), rel=1e-14)
    for at in (0.0, 0.3, 0.7, 0.99, 1 - 1e-9):
        gap = 1.0 - at
        s2 = gap * (1 + at)
        want = (math.exp(-1 / (1 + at)) - math.exp(-1 / gap)) / (math.pi * math.sqrt(s2))
        assert kernel.values(at)[3] == pytest.approx(want, rel=1e-12)


def test_steep_error_function_is_the_sign():
    steep, sign = kernel_of(sp.erf(10**9 * u)), kernel_of("sign")
    points = np.array([0.1, 0.5, 0.9, 0.999])
    assert steep.values(points) == pytest.approx(sign.values(points), rel=1e-7)  # 1/b over sqrt(1-q)
    assert math.isfinite(steep.slope)


@pytest.mark.parametrize("activation", ["relu", "erf", "tanh", CLIP], ids=str)
def test_scale_is_the_width_of_the_field(activation):
    kernel = kernel_of(activation, scale=0.7)
    want = by_quadrature(activation, 0.6, 0.7) - by_quadrature(activation, 0.0, 0.7)
    assert kernel.values(0.6)[0] == pytest.approx(want, rel=1e-12)


def test_ends():
    assert kernel_of("sign").total == pytest.approx(1.0, rel=1e-15)
    assert kernel_of("sign").slope == math.inf
    assert kernel_of("sign").zero_slope == pytest.approx(2 / math.pi, rel=1e-15)
    assert kernel_of("sign", "full", True).values(0.0)[0] == pytest.approx(2 / math.pi, rel=1e-15)
    assert kernel_of("sign", "full").total == pytest.approx(1 - 2 / math.pi, rel=1e-15)
    assert kernel_of("relu").slope == 0.5
    assert kernel_of("quadratic").zero_slope == 0.0
    assert kernel_of("quadratic").values(np.array([[0.5], [1.0]])).shape == (5, 2, 1)
    assert kernel_of("sign") is kernel_of(2 * sp.Heaviside(u) - 1)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["sign", "relu", "erf", "tanh", "quadratic", CLIP]),
    st.sampled_from(MACHINES),
    st.lists(st.floats(0.0, 1.0 - 1e-9), min_size=2, max_size=8),
)
def test_increasing_and_convex(activation, machine, points):
    if activation in ("erf",) and machine[0] == "full":
        machine = ("tree", False)
    kernel = kernel_of(activation, *machine)
    at = np.sort(points)
    value, rest, *derivatives = kernel.values(at)
    slack = 1e-13 * kernel.total
    assert (np.diff(value) >= -slack).all() and (np.diff(rest) <= slack).all()
    assert all((d >= 0).all() for d in derivatives)  # every weight of the Hermite series is a square
    assert (np.diff(derivatives[0]) >= -1e-13 * derivatives[0][1:]).all()
    assert value + rest == pytest.approx(np.full(at.size, kernel.total), rel=1e-13)
    chord = value[-1] + derivatives[0][-1] * (at[0] - at[-1])
    assert value[0] >= chord - 1e-12 * max(1.0, abs(chord))


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"architecture: got 'ring'; takes 'tree' or 'full'"):
        kernel_of("sign", "ring")
    with pytest.raises(ValueError, match=r"scale: got 0.0; takes a finite number > 0"):
        kernel_of("sign", scale=0)
    with pytest.raises(ValueError, match="q: got"):
        kernel_of("sign").values(1.5)
    for bad in (sp.sqrt(sp.Abs(u - 1)), sp.tanh(50 * u), sp.cos(40 * u)):
        with pytest.raises(ArithmeticError, match=r"^activation: got .*; takes ") as error:
            kernel_of(bad)
        assert "\n" not in str(error.value)
    with pytest.raises(ArithmeticError, match="vanishes"):
        kernel_of(u, "full")


def ratio(kernel):
    """C'(1)/C(1), which no factor or constant of g changes."""
    return kernel.slope / kernel.total


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("same", "plain"),
    [
        (10**200 * u**2, "quadratic"),
        (1e-200 * sp.tanh(u), "tanh"),
        (sp.tanh(u) + 1e10, "tanh"),
        (10**200 * (sp.Max(0, u) + 7), "relu"),
        (sp.Piecewise((u + 10**10, u > 0), (10**10, True)), "relu"),
        (1e-200 * sp.erf(u), "erf"),
        (1e-150 * sp.Max(0, u - 1), sp.Max(0, u - 1)),
    ],
    ids=str,
)
def test_factors_and_constants_do_not_matter(same, plain):
    a, b = kernel_of(same), kernel_of(plain)
    points = np.array([0.1, 0.6, 0.999])
    assert a.values(points) / a.total == pytest.approx(b.values(points) / b.total, rel=1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("g", [sp.tanh(4 * u), sp.tanh(10 * u), sp.atan(5 * u), 1 / (1 + 25 * u**2), sp.exp(-50 * (u - 3) ** 2)], ids=str)
def test_steep_by_one_dimensional_integrals(g):
    # C'(1) = E g'^2 and C(1) = Var g, by mpmath; C' and C'' increase to them
    kernel = kernel_of(g)
    f, df = (sp.lambdify(u, e, "mpmath") for e in (g, sp.diff(g, u)))
    panels = [-12, -4, -2, -1, -0.5, -0.2, -0.1, 0, 0.1, 0.2, 0.5, 1, 2, 2.6, 2.8, 3, 3.2, 3.4, 4, 12]
    mean = mpmath.quad(lambda x: f(x) * mpmath.npdf(x), panels)
    variance = mpmath.quad(lambda x: (f(x) - mean) ** 2 * mpmath.npdf(x), panels)
    slope = mpmath.quad(lambda x: df(x) ** 2 * mpmath.npdf(x), panels)
    assert kernel.error < 1e-10
    assert kernel.total == pytest.approx(float(variance), rel=1e-12)
    assert kernel.slope == pytest.approx(float(slope), rel=max(1e-12, kernel.error))


@pytest.mark.slow
def test_steep_against_double_quadrature():
    kernel, base = kernel_of(sp.tanh(4 * u)), by_quadrature(sp.tanh(4 * u), 0.0)
    for at in (0.3, 0.8):
        assert kernel.values(at)[0] == pytest.approx(by_quadrature(sp.tanh(4 * u), at) - base, rel=1e-11)


@pytest.mark.parametrize("g", [sp.exp(-50 * (u - 3) ** 2), sp.sin(5 * u), sp.sin(20 * u), sp.cos(10 * u)], ids=str)
def test_exponentials_against_their_closed_form(g):
    kernel = kernel_of(g)
    assert worst(kernel, exact(g, "tree", False)).max() < max(1e-12, kernel.error)


@pytest.mark.slow
def test_step_of_tanh_in_the_tail():
    # C'(0) = (E g')^2, C'(1) = E g'^2, where tanh(u - 10) + 1 is 1e-9
    kernel = kernel_of(sp.tanh(u - 10))
    slope = [float(mpmath.quad(lambda x, k=k: mpmath.sech(x - 10) ** (2 * k) * mpmath.npdf(x), [-12, 0, 3, 6, 9, 12, 20])) for k in (1, 2)]
    assert kernel.zero_slope == pytest.approx(slope[0] ** 2, rel=1e-11)
    assert kernel.slope == pytest.approx(slope[1], rel=1e-10)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "g",
    [sp.sqrt(sp.Abs(u)), sp.sign(u) * sp.sqrt(sp.Abs(u)), sp.log(sp.Abs(u)), sp.Abs(u) ** sp.Rational(-1, 3), sp.Abs(u) ** sp.Rational(3, 2)],
    ids=str,
)
def test_power_laws_in_polar_coordinates(g):
    # E g(u1) g(u2) by the angle: u1 = r cos(a), u2 = r cos(a - theta); the radius is a Gamma function
    kernel = kernel_of(g)
    p = float(next(iter(g.atoms(sp.Pow))).exp) if g.has(sp.Pow) else 0.0
    assert kernel.slope == math.inf or p > 0.5
    radius = 2**p * math.gamma(1 + p)
    f = sp.lambdify(u, g, "mpmath")

    def delta(at):
        t = mpmath.acos(at)
        cuts = sorted([-mpmath.pi / 2, t - mpmath.pi / 2, mpmath.pi / 2])
        both = lambda a: f(mpmath.cos(a)) * f(mpmath.cos(a - t))  # noqa: E731
        return radius * mpmath.quad(both, cuts) / mpmath.pi  # half of the circle: g g is even

    for low, high in ((0.2, 0.4), (0.4, 0.7), (0.7, 0.99)) if g.has(sp.Pow) else ():
        got = kernel.values(high)[0] - kernel.values(low)[0]
        assert got == pytest.approx(float(delta(high) - delta(low)), rel=1e-6 if p < 0 else 1e-9)
    for at in (0.3, 0.7, 1 - 1e-6):  # derivatives and complement are those of the value
        h = min(1e-4, (1 - at) / 8)
        v = [kernel.values(at + k * h) for k in (-2, -1, 0, 1, 2)]
        for k in (1, 2, 3):
            row = {1: 0, 2: 2, 3: 3}[k]
            sign = -1 if k == 1 else 1
            row = 1 if k == 1 else row
            difference = sign * (v[0][row] - 8 * v[1][row] + 8 * v[3][row] - v[4][row]) / (12 * h)
            assert v[2][k + 1] == pytest.approx(difference, rel=6e-3 if at > 0.9 else 1e-7)
        assert v[2][0] + v[2][1] == pytest.approx(kernel.total, rel=1e-13)


def test_power_laws_meet_the_elementary_ones():
    from replicas.numerics.covariance import _power_laws

    laws = tables.PowerLaws({sp.Integer(0): (sp.S.Zero, sp.S.One)}, 1.0)
    assert worst(_power_laws(laws, False, False), exact("sign", "tree", False)).max() < 1e-12
    kernel = kernel_of(sp.log(sp.Abs(u)))  # E log|u1| log|u2| = asin(q)^2/2 + const; Var log|u| = pi^2/8
    assert kernel.total == pytest.approx(math.pi**2 / 8, rel=1e-14)
    assert kernel.values(0.4)[0] == pytest.approx(math.asin(0.4) ** 2 / 2, rel=1e-14)
