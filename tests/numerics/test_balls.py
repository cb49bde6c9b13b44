"""Attacks on the certified numbers: enclosures, tails, Krawczyk's test, brackets, and what is printed of them."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("flint")

import replicas as rp
from replicas.numerics import balls, krawczyk
from replicas.numerics.arithmetic import Mpmath, context
from replicas.numerics.balls import Balls, Bounds, Enclosure, Majorant, NotCertified
from replicas.numerics.krawczyk import Certificate, System
from replicas.numerics.polish import Root
from replicas.numerics.program import Program
from replicas.results import bound, decimal
from replicas.symbolic import symbols as S
from replicas.theory import certificates
from replicas.theory import digits as precise

settings.register_profile("replicas", derandomize=True, deadline=None, max_examples=12, database=None)
settings.load_profile("replicas")

REFERENCE = 48  # decimal digits of the mpmath references
REFERENCE_ERROR = mpmath.mpf(10) ** -40  # of those, relative to max(1, |value|): rounding of thousands of terms
ASKED = 36  # digits of the enclosures compared to them: no reference is much coarser than its enclosure
STRIP = 2.816  # |Im u| of the poles of A(u) nearest to the real line
STRIP_MOST = 14.8  # beyond it a Gaussian grows faster than a trapezoid sum gains
TILT_STRIP = math.pi / 2  # |Im h| of the poles of tanh h
REACH = 15.0  # the normal density there is 5e-50
SAMPLES = 7  # points compared in each random ball, its corners among them
BALLS = 60  # random balls for each function
TIGHT = 3.0  # an enclosure of a narrow ball is not wider than this times the spread of the function over it
SMALL_STEP, SLOPE = mpmath.mpf(10) ** -7, 1e-9  # central difference, h^2 times a third derivative of order 1e2
DIGITS = 15  # of the certificates taken apart

SPHERICAL, BINARY, TERNARY = (rp.Perceptron(w) for w in ("spherical", "binary", "ternary"))
SPHERICAL_TEACHER, BINARY_TEACHER, TERNARY_TEACHER = (
    rp.Perceptron(w, task="teacher-student") for w in ("spherical", "binary", "ternary")
)
MODELS = [SPHERICAL, BINARY, TERNARY, SPHERICAL_TEACHER, BINARY_TEACHER, TERNARY_TEACHER]
names = lambda model: f"{model.weights.name}-{model.task}"  # noqa: E731

mp = mpmath.MPContext()
mp.dps = REFERENCE


def tail(x):
    return mp.erfc(x / mp.sqrt(2)) / 2


def density(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def mills(x):
    return density(x) / tail(x)


def exactly(F: Balls, value) -> object:
    """An mpmath number (real or complex) as an exact ball."""
    if hasattr(value, "_mpc_"):
        return F.acb(F.load(value.real), F.load(value.imag))
    return F.load(value)


def holds(F: Balls, ball, value) -> bool:
    """Whether a ball meets the interval that the reference stands for."""
    radius = F.load(REFERENCE_ERROR) * max(1, int(abs(value)) + 1)
    around = F.flint.arb(0, radius)
    if hasattr(value, "_mpc_"):
        return bool(F.acb(ball).overlaps(exactly(F, value) + F.acb(around, around)))
    return bool(F.flint.arb(ball).overlaps(F.load(value) + around))


# --- special functions of complex balls ------------------------------------------------------------------------------


def random_ball(F: Balls, rng: random.Random, real: bool, far: float):
    """A rectangle and points of it, its corners first."""
    x, y = rng.uniform(-8, far), 0.0 if real else rng.uniform(-6, 6)
    r, s = (10 ** rng.uniform(-14, -0.3) for _ in range(2))
    s = 0.0 if real else s
    ball = F.acb(F.flint.arb(x, r), F.flint.arb(y, s))
    corners = [(a, b) for a in (-1, 1) for b in (-1, 1)]
    inside = [(rng.uniform(-1, 1), rng.uniform(-1, 1)) for _ in range(SAMPLES - 4)]
    return ball, [mp.mpc(mp.mpf(x) + mp.mpf(r) * a, mp.mpf(y) + mp.mpf(s) * b) for a, b in [*corners, *inside]]


def log_tail(u):
    """log H continued from the real line straight up or down to u."""
    out, here = mp.log(tail(u.real)), tail(u.real)
    steps = 1 + int(6 * abs(u.imag) * (1 + abs(u)))  # |d log H| = |A| |du| stays far below pi away from the zeros of H
    for k in range(1, steps + 1):
        there = tail(mp.mpc(u.real, u.imag * k / steps))
        out += mp.log(there / here)
        here = there
    return out


FUNCTIONS = {
    "G": (lambda F: F.G, density),
    "H": (lambda F: F.H, tail),
    "A": (lambda F: F.A, mills),
}


@pytest.mark.parametrize("digits", [16, 40])
@pytest.mark.parametrize("real", [True, False], ids=["real", "complex"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_functions_enclose_their_values_over_a_ball(name, real, digits):
    """Every finite ball of G, H, A holds the values at the corners and inside; narrow real balls give finite ones."""
    made, reference = FUNCTIONS[name]
    rng, F, finite = random.Random(f"{name}{real}{digits}"), Balls(), 0
    with F.at(digits):
        for _ in range(BALLS // 2):
            ball, points = random_ball(F, rng, real, far=12)
            value = F.acb(made(F)(ball))
            assert value.is_finite() or not real or ball.real.rad() > 0.01
            if value.is_finite():
                finite += 1
                for u in points:
                    assert holds(F, value, reference(u)), (u, value)
    assert finite > BALLS // 6


@pytest.mark.parametrize("far", [3.0, 40.0, 3000.0])
def test_scaled_tail_encloses_and_is_not_much_wider_than_it_must_be(far):
    """erfcx over balls in Re x > 0: the bound r |erfcx'(x0)| holds at the corners and is sharp for narrow ones."""
    rng, F = random.Random(far), Balls()

    def scaled(x):
        return mp.exp(x * x) * mp.erfc(x)

    with F.at(40):
        for real in (True, False):
            for _ in range(30):
                x, r = rng.uniform(0.5, far), 10 ** rng.uniform(-12, -1)
                y, s = (0.0, 0.0) if real else (rng.uniform(-4, 4), 10 ** rng.uniform(-12, -1))
                ball = F.acb(F.flint.arb(x, r), F.flint.arb(y, s))
                value = F._scaled(ball)
                spread = mp.zero
                for a, b in [(-1, -1), (-1, 1), (1, -1), (1, 1), (rng.uniform(-1, 1), rng.uniform(-1, 1))]:
                    z = mp.mpc(mp.mpf(x) + mp.mpf(r) * a, mp.mpf(y) + mp.mpf(s) * b)
                    with mp.extradps(20):  # e^{z^2} loses the digits of z^2
                        exact = +scaled(z)
                    assert holds(F, value, exact)
                    spread = max(spread, abs(exact - scaled(mp.mpf(x))))
                if real and r < 1e-3:
                    assert float(value.real.rad()) < TIGHT * spread


def test_log_tail_is_one_branch_over_a_ball_that_meets_the_real_line():
    """With `analytic` set, a finite ball of log H is its continuation from the real line, either side of Re x = 1/2."""
    rng, F = random.Random(5), Balls()
    finite = {True: 0, False: 0}
    with F.at(30):
        F.analytic = True
        for _ in range(BALLS):
            x, r, s = rng.uniform(-5, 5), 10 ** rng.uniform(-3, 0.2), 10 ** rng.uniform(-3, 0.6)
            value = F.acb(F.logH(F.acb(F.flint.arb(x, r), F.flint.arb(0, s))))
            if not value.is_finite():
                continue
            finite[x > 0.8] += 1
            for _ in range(2):
                u = mp.mpc(mp.mpf(x) + r * rng.uniform(-1, 1), s * rng.uniform(-1, 1))
                assert holds(F, value, log_tail(u)), u
    assert min(finite.values()) > BALLS // 10


@pytest.mark.parametrize("name", ["log", "sqrt"])
def test_a_ball_across_a_branch_cut_is_refused_when_the_integrator_asks_for_analytic(name):
    F = Balls()
    with F.at(20):
        across = F.acb(F.flint.arb(-1, 0.1), F.flint.arb(0, 0.1))
        F.analytic = True
        assert not F.acb(getattr(F, name)(across)).is_finite()
        F.analytic = False
        assert F.acb(getattr(F, name)(across)).is_finite()


def test_log_tail_is_refused_as_analytic_where_the_logarithm_is_cut():
    """Balls around points with H(u) < 0 or log argument < 0 must not be finite."""
    F, found = Balls(), 0
    with F.at(30):
        F.analytic = True
        for x in np.linspace(-6, 0.6, 12):
            ys = np.linspace(0.3, 6, 120)
            values = [complex(tail(mp.mpc(x, y))) for y in ys]
            for y, here, there in zip(ys, values, values[1:]):
                if here.real < 0 and there.real < 0 and here.imag * there.imag < 0:
                    found += 1
                    height = F.flint.arb(y + (ys[1] - ys[0]) / 2, (ys[1] - ys[0]))
                    assert not F.acb(F.logH(F.acb(F.flint.arb(x), height))).is_finite()
    assert found > 5


def test_conversions_between_arithmetics_are_exact_at_any_precision():
    """`load`, `store` and the radius of a ball lose nothing, whatever the precision outside."""
    rng, F = random.Random(1), Balls()
    for _ in range(200):
        bits = rng.randrange(2, 900)
        number = mp.make_mpf(
            mpmath.libmp.from_man_exp(rng.choice([-1, 1]) * (rng.getrandbits(bits) | 1), rng.randrange(-1500, 300))
        )
        with F.at(rng.choice([5, 20, 200])):
            ball = F.load(number)
            assert ball.is_exact() and F.store(ball)._mpf_ == number._mpf_
            wide = F.flint.arb(ball, F.flint.arb(2) ** rng.randrange(-1200, 100))
            again = F.flint.arb(F.load(F.store(wide)), F.load(F.store(F.flint.arb(wide.rad()))))
            assert again.contains(wide) and F.load(F.store(wide)) == wide.mid()


def test_integer_powers_of_balls_that_hold_zero_go_through_products():
    """python-flint's ball ** integer is nan there; generated code must stay finite and enclose."""
    from replicas.numerics.program import power

    F = Balls()
    with F.at(20):
        ball = F.flint.arb(0.25, 0.5)
        for n in range(1, 9):
            value = power(ball, n)
            assert value.is_finite()
            assert all(value.contains(F.load(mp.mpf(x) ** n)) for x in (-0.25, -0.1, 0, 0.3, 0.75))


# --- majorants and tails ---------------------------------------------------------------------------------------------


def parameters(model, q, kappa=0, alpha=Fraction(1, 2), q_hat=Fraction(3, 2)):
    """Exact values by symbol name; q is the share of the self-overlap."""
    out = {"q": Fraction(q), "alpha": alpha, "kappa": Fraction(kappa), "qhat": q_hat}
    if model.weights.name == "ternary":
        out["q"] *= Fraction(2, 3)
        if not model.teacher:
            out |= {"lambda": Fraction(1, 3), "Q": Fraction(2, 3)}
    if model.weights.name == "spherical":
        out.pop("qhat")
    return out


def load(F, values):
    return {k: F.ratio(v.numerator, v.denominator) for k, v in values.items()}


def eliminated(f, F, values):
    """Values with the conjugates that are solved in closed form."""
    out = dict(values)
    for symbol, expr in f.eliminated.items():
        if {s.name for s in expr.free_symbols} <= set(values):
            out.setdefault(symbol.name, sp.lambdify(list(map(sp.Symbol, values)), expr.subs({}))(*values.values()))
            out[symbol.name] = out[symbol.name] if out[symbol.name] != 0 else F.ratio(0, 1)
    return out


def everything(model):
    """Free entropy, equations, their derivatives and observables: every average a certificate encloses."""
    f = precise.functional(model)
    rise, fall = f.observables["breaking_rise"], f.observables["breaking_fall"]
    replicon = f.observables["replicon"]
    moved = [f.derivative(replicon, x) for x in f.unknowns]
    return f, [f.expr, *f.grad().values(), *f.hess().values(), replicon, *moved, rise, fall]


POINTS = [(Fraction(1, 10**6), 3), (Fraction(1, 2), -3), (Fraction(999, 1000), Fraction(3, 2))]


@pytest.mark.parametrize(
    "model",
    [pytest.param(m, marks=pytest.mark.slow) if m in (BINARY, BINARY_TEACHER) else m for m in MODELS],
    ids=names,
)
def test_majorants_bound_every_integrand(model):
    """|observable| and |observable e^phi| <= the majorant at fields from 0 to far in the tail."""
    f, expressions = everything(model)
    towers = {t.observables: t for e in expressions for t in Program(f, {"0": e}, separate=True).towers}
    assert len(towers) >= 4
    rng, F, M = random.Random(names(model)), Balls(), Mpmath()
    for q, kappa in POINTS:
        values = parameters(model, q, 0 if model.teacher else kappa)
        with F.at(30), M.at(50):
            loaded = eliminated(f, F, load(F, values))
            numbers = eliminated(f, M, load(M, values))
            bounds = Bounds(F, model, loaded)
            for tower in towers.values():
                observable = bounds.observable(tower.observables[0], tower)
                weighted = bounds.weight(tower)
                integrand = tower.make(M, numbers)
                for reach in (3, 60):
                    t = rng.uniform(-reach, reach)
                    product, weight = integrand(M.ctx.mpf(t))
                    assert abs(weight) <= value_of(F, weighted, t)
                    assert abs(product) <= value_of(F, weighted * observable, t)
                    assert abs(product / weight) <= value_of(F, observable, t)


def value_of(F: Balls, majorant: Majorant, t: float):
    """A majorant at t, from above."""
    size = F.flint.arb(abs(t))
    total = F.flint.arb(0)
    for c in reversed(majorant.coefficients):
        total = total * size + c
    return mp.make_mpf(F.store(F.flint.arb((total * (majorant.rate * size).exp()).upper()))._mpf_)


@pytest.mark.parametrize("rate", [0.0, 0.7, 2.5])
def test_tail_of_a_majorant_is_its_integral_from_above(rate):
    """Each power of |t| e^{b|t|} under the normal density beyond L, against quadrature."""
    F = Balls()
    with F.at(30):
        for power, beyond in ((0, 0.5), (1, 3.0), (2, 3.0), (5, 0.5), (9, 3.0)):
            for L in (rate + beyond,):
                coefficients = [F.flint.arb(0)] * power + [F.flint.arb(1)]
                found = Majorant(coefficients, F.flint.arb(rate)).tail(F, F.flint.arb(L))
                nodes = [L, L + 1, L + 3, L + 7, L + 14, L + 30]
                exact = 2 * mp.quad(lambda t, n=power: t**n * mp.exp(rate * t) * density(t), nodes)
                assert holds(F, found / F.load(exact), mp.one)


def test_algebra_of_majorants_is_above_that_of_their_functions():
    F, rng = Balls(), random.Random(3)
    with F.at(20):
        arb = F.flint.arb
        for _ in range(40):
            one, two = (
                Majorant([arb(rng.uniform(0, 3)) for _ in range(rng.randrange(1, 4))], arb(rng.uniform(0, 2)))
                for _ in range(2)
            )
            t, slack = rng.uniform(0, 5), 1 + 1e-12  # rounding of three products
            a, b = value_of(F, one, t), value_of(F, two, t)
            assert a + b <= value_of(F, one + two, t) * slack
            assert abs(a * b / value_of(F, one * two, t) - 1) < 1e-12
            assert abs(a**3 / value_of(F, one.power(3), t) - 1) < 1e-12


def test_a_range_that_ends_within_the_tilt_is_refused():
    F = Balls()
    with F.at(20), pytest.raises(NotCertified):
        Majorant([F.flint.arb(1)], F.flint.arb(4)).tail(F, F.flint.arb(3))


def test_overlaps_not_proved_below_the_norm_have_no_majorant():
    F = Balls()
    with F.at(20):
        bounds = Bounds(F, SPHERICAL, {"q": F.flint.arb(1, 1e-3), "kappa": F.flint.arb(0)})
        with pytest.raises(NotCertified):
            bounds._pattern(1)


@pytest.mark.parametrize("model", [SPHERICAL, BINARY, TERNARY, BINARY_TEACHER], ids=names)
def test_the_tail_is_part_of_the_enclosure(model, monkeypatch):
    """On a range cut at five deviations the ball grows by the tail and still holds the full average."""
    f, _ = everything(model)
    values = parameters(model, Fraction(1, 2), 0 if model.teacher else 1)
    expressions = [f.expr, *(f.grad()[x] for x in f.unknowns)]
    full = enclosed(f, expressions, values, 25)
    monkeypatch.setattr(balls, "TAIL_DIGITS", 1 - 25)
    cut = enclosed(f, expressions, values, 25)
    for a, b in zip(full, cut):
        assert b.contains(a)
        assert b.rad() > 1e-12  # otherwise the cut was not felt, and this test shows nothing


# --- averages --------------------------------------------------------------------------------------------------------


def enclosed(f, expressions, values, digits):
    F = Balls()
    with F.at(digits + 10):
        return Enclosure(f, expressions)(F, load(F, values), digits, {})


def trapezoid(functions, strip):
    """E of several functions of a normal variable that are analytic for |Im t| < strip: error e^{s^2/2 - 2 pi s/h}."""
    s = float(min(strip, STRIP_MOST))
    h = mp.mpf(2 * math.pi * s / (math.log(10) * REFERENCE + s * s / 2))
    total = None
    for k in range(-int(REACH / h), int(REACH / h) + 1):
        t = k * h
        values = [h * density(t) * v for v in functions(t)]
        total = values if total is None else [a + b for a, b in zip(total, values)]
    return total


@lru_cache
def patterns(q: Fraction, norm: Fraction, kappa: Fraction):
    """E log H(u), E A^2, E A(A-u), E (A(A-u))^2 at u = (kappa - sqrt(q) t)/sqrt(V)."""
    q, V, kappa = (mp.mpf(v.numerator) / v.denominator for v in (q, norm - q, kappa))

    def functions(t):
        u = (kappa - mp.sqrt(q) * t) / mp.sqrt(V)
        H = tail(u)
        A = density(u) / H
        slope = A * (A - u)
        return mp.log(H), A * A, slope, slope * slope

    return V, trapezoid(functions, STRIP * mp.sqrt(V / q))


@lru_cache
def teacher_patterns(q: Fraction, norm: Fraction):
    """2 E H log H, 2 E G^2/H, 2 E H (A(A-u))^2 at u = -sqrt(q/V) t: the weight is twice the probability of a label."""
    q, V = (mp.mpf(v.numerator) / v.denominator for v in (q, norm - q))

    def functions(t):
        u = -mp.sqrt(q / V) * t
        H, G = tail(u), density(u)
        A = G / H
        return 2 * H * mp.log(H), 2 * G * A, 2 * H * (A * (A - u)) ** 2

    return V, trapezoid(functions, STRIP * mp.sqrt(V / q))


@lru_cache
def storage_weights(name: str):
    """E g, E g'^2, E g'', E g''^2 of {-1, 1} or {-1, 0, 1} at q_hat = 3/2, lambda = 1/3."""
    root = mp.sqrt(mp.mpf(3) / 2)
    if name == "binary":

        def functions(z):
            h = root * z
            square = mp.tanh(h) ** 2
            return mp.log(2 * mp.cosh(h)), square, 1 - square, (1 - square) ** 2

        return trapezoid(functions, TILT_STRIP / root)
    c = 2 * mp.exp(-mp.mpf(1) / 6)

    def functions(z):
        h = root * z
        Z = 1 + c * mp.cosh(h)
        mean, square = c * mp.sinh(h) / Z, c * mp.cosh(h) / Z
        return mp.log(Z), mean**2, square - mean**2, (square - mean**2) ** 2

    return trapezoid(functions, TILT_STRIP / root)


@lru_cache
def teacher_weights(name: str):
    """Mean over the teacher's weight of g, w0 <w> and (<w^2> - <w>^2)^2, field sqrt(q_hat) z + q_hat w0."""
    q_hat = mp.mpf(3) / 2
    values = (-1, 1) if name == "binary" else (-1, 0, 1)

    def functions(z):
        out = [mp.zero] * 3
        for teacher in values:
            h = mp.sqrt(q_hat) * z + q_hat * teacher
            terms = [mp.exp(h * w - q_hat * w * w / 2) for w in values]
            Z = sum(terms)
            mean = sum(w * e for w, e in zip(values, terms)) / Z
            square = sum(w * w * e for w, e in zip(values, terms)) / Z
            for i, v in enumerate((mp.log(Z), teacher * mean, (square - mean**2) ** 2)):
                out[i] += v / len(values)
        return out

    return trapezoid(functions, TILT_STRIP / mp.sqrt(q_hat))


def reference(model, values):
    """phi, its derivatives in the unknowns and the replicon, written by hand."""
    alpha, q = (mp.mpf(values[k].numerator) / values[k].denominator for k in ("alpha", "q"))
    norm = values.get("Q", Fraction(2, 3) if model.weights.name == "ternary" else Fraction(1))
    Q, q_hat, lam = mp.mpf(norm.numerator) / norm.denominator, mp.mpf(3) / 2, mp.mpf(1) / 3
    name = model.weights.name
    if model.teacher:
        V, (f, first, second) = teacher_patterns(values["q"], norm)
        if name == "spherical":
            phi = (mp.log(1 - q) + q) / 2 + alpha * f
            return [phi, -q / (1 - q) / 2 + alpha * first / (2 * V), 1 - alpha * second]
        g, mean, squares = teacher_weights(name)
        phi = -q_hat * q / 2 + g + alpha * f
        return [phi, -q_hat / 2 + alpha * first / (2 * V), (mean - q) / 2, 1 - alpha * second * squares / V**2]
    V, (f, first, slope, second) = patterns(values["q"], norm, values["kappa"])
    if name == "spherical":
        phi = (mp.log(1 - q) + q / (1 - q)) / 2 + alpha * f
        return [phi, q / V**2 / 2 - alpha * first / (2 * V), 1 - alpha * second]
    g, mean, variance, squares = storage_weights(name)
    replicon = 1 - alpha * second * squares / V**2
    along_q, along_hat = q_hat / 2 - alpha * first / (2 * V), variance / 2 - (Q - q) / 2
    if name == "binary":
        return [-q_hat * (1 - q) / 2 + g + alpha * f, along_q, along_hat, replicon]
    phi = lam * Q / 2 - q_hat * (Q - q) / 2 + g + alpha * f
    along_lam = Q / 2 - (mean + variance) / 2
    along_Q = lam / 2 - q_hat / 2 + alpha * (first - slope) / (2 * V)
    return [phi, along_q, along_hat, along_lam, along_Q, replicon]


NEAR_ZERO, MIDDLE, NEAR_ONE = Fraction(1, 10**9), Fraction(2, 5), Fraction(99, 100)
LATE = Fraction(999, 1000)
CASES = [(m, q, k) for m in (SPHERICAL, TERNARY) for q, k in [(NEAR_ZERO, -3), (NEAR_ONE, Fraction(-1, 2))]]
CASES += [(BINARY, MIDDLE, 3), (BINARY, NEAR_ONE, Fraction(-1, 2))]
CASES += [(m, q, 0) for m in (SPHERICAL_TEACHER, BINARY_TEACHER, TERNARY_TEACHER) for q in (NEAR_ZERO, MIDDLE)]
SLOW = [(m, q, k) for m in (SPHERICAL, BINARY, TERNARY) for q, k in [(NEAR_ZERO, 3), (MIDDLE, -1), (NEAR_ONE, -3)]]
SLOW += [(m, LATE, k) for m in (SPHERICAL, BINARY, TERNARY) for k in (-3, 0, 3)]
SLOW += [(m, q, 0) for q in (NEAR_ONE, LATE) for m in (SPHERICAL_TEACHER, BINARY_TEACHER, TERNARY_TEACHER)]


@pytest.mark.parametrize(
    "model, q, kappa",
    CASES + [pytest.param(*c, marks=pytest.mark.slow) for c in SLOW],
    ids=lambda v: names(v) if isinstance(v, rp.Perceptron) else str(v),
)
def test_averages_hold_what_mpmath_finds(model, q, kappa):
    """phi, every saddle-point equation and the replicon off the saddle, against formulas and sums made elsewhere."""
    f = precise.functional(model)
    values = parameters(model, q, kappa)
    found = enclosed(f, [f.expr, *(f.grad()[x] for x in f.unknowns), f.observables["replicon"]], values, ASKED)
    F = Balls()
    with F.at(ASKED + 10):
        for ball, exact in zip(found, reference(model, values), strict=True):
            assert holds(F, ball, exact), (ball, exact)
            assert ball.rad() < max(1, abs(float(exact))) * 1e-25  # a useless ball would hold anything


@pytest.mark.parametrize("model", [SPHERICAL, TERNARY, BINARY_TEACHER], ids=names)
def test_enclosures_at_other_precisions_and_over_wider_boxes_overlap(model):
    """A change of precision or of the width of the parameters never loses the value."""
    f = precise.functional(model)
    values = parameters(model, Fraction(3, 5), 0 if model.teacher else Fraction(-1, 2))
    expressions = [f.expr, f.grad()[S.q], f.observables["replicon"]]
    fine = enclosed(f, expressions, values, 30)
    F = Balls()
    coarse = enclosed(f, expressions, values, 9)
    with F.at(25):
        wide = {
            k: F.flint.arb(F.load(mp.mpf(v.numerator) / v.denominator), 1e-3 if v else 0) for k, v in values.items()
        }
    with F.at(12):  # balls made at one precision, used at another
        box = Enclosure(f, expressions)(F, wide, 8, {})
    for a, b, c in zip(fine, coarse, box):
        assert a.rad() < b.rad() < c.rad()
        assert b.contains(a) and c.contains(a)


def test_memory_of_averages_does_not_mix_boxes():
    """Two calls with their own memory at other values give other balls."""
    f = precise.functional(SPHERICAL)
    one, two = (enclosed(f, [f.expr], parameters(SPHERICAL, q), 15)[0] for q in (MIDDLE, NEAR_ONE))
    assert not one.overlaps(two)


def test_an_integral_given_up_early_still_encloses():
    """Out of evaluations the ball is wide or missing, not wrong."""
    f = precise.functional(SPHERICAL)
    values, F = parameters(SPHERICAL, NEAR_ONE, 1), Balls()
    (fine,) = enclosed(f, [f.expr], values, 20)
    refused = 0
    for limit in (20, 200, 300, 400, 500, 600, 1000):
        enclosure = Enclosure(f, [f.expr])
        enclosure.limit = limit
        with F.at(30):
            try:
                (rough,) = enclosure(F, load(F, values), 20, {})
            except NotCertified:
                refused += 1
                continue
        assert rough.overlaps(fine) and (rough.rad() < 1e-15 or rough.contains(fine))
    assert 0 < refused < 7


# --- Krawczyk --------------------------------------------------------------------------------------------------------


@lru_cache
def saddle_system(model, alpha: Fraction, branch: str | None = None):
    """System of a saddle point, its root to 45 digits, and the sizes that the certificate uses."""
    point = rp.solve(model, float(alpha), branch=branch)
    given_at = {S.alpha: alpha, **({} if model.teacher else {S.kappa: Fraction(0)})}
    root = precise.saddle_root(model, point, given_at, 45)
    f = precise.functional(model)
    system = System(f, f.unknowns, [f.grad()[x] for x in f.unknowns], {s.name: v for s, v in given_at.items()})
    return system, [root.values[s.name] for s in f.unknowns], certificates._sizes(root, f.unknowns)


ROOTS = [(SPHERICAL, Fraction(1)), (BINARY, Fraction(2, 5)), (TERNARY, Fraction(3, 5)), (BINARY_TEACHER, Fraction(1))]
roots = pytest.mark.parametrize("model, alpha", ROOTS, ids=lambda v: names(v) if hasattr(v, "task") else "")


@roots
def test_krawczyk_proves_the_root_and_its_ball_holds_it(model, alpha):
    system, x, size = saddle_system(model, alpha)
    proved = system.prove(x, size, DIGITS, bracket=False)
    assert proved.bracket is None
    for (middle, radius), exact, unit in zip(proved.balls, x, size):
        # the root from another rule and other code, 45 digits of it
        assert abs(mp.mpf(middle) - mp.mpf(exact)) <= mp.mpf(radius) + mp.mpf(10) ** -44
        assert 0 < radius < unit * 10.0**-DIGITS


@pytest.mark.parametrize(
    "model, alpha", [ROOTS[0], ROOTS[1], ROOTS[3]], ids=lambda v: names(v) if hasattr(v, "task") else ""
)
def test_krawczyk_refuses_what_is_not_a_root(model, alpha):
    """A root moved by one part in 10^(digits + 2), ten times the box, in any one unknown."""
    system, x, size = saddle_system(model, alpha)
    for i in range(len(x)):
        moved = list(x)
        moved[i] = moved[i] + (-1) ** i * size[i] * mp.mpf(10) ** -(DIGITS + 2)
        with pytest.raises(NotCertified):
            system.prove(moved, size, DIGITS, bracket=False)


def test_krawczyk_accepts_a_centre_within_the_box_and_still_holds_the_root():
    system, x, size = saddle_system(BINARY, Fraction(2, 5))
    moved = [a + b * mp.mpf(10) ** -(DIGITS + krawczyk.BOX + 2) for a, b in zip(x, size)]
    proved = system.prove(moved, size, DIGITS, bracket=False)
    for (middle, radius), exact in zip(proved.balls, x):
        assert abs(mp.mpf(middle) - mp.mpf(exact)) <= mp.mpf(radius) + mp.mpf(10) ** -44


@pytest.mark.parametrize("q", [Fraction(1, 10), Fraction(1, 2), Fraction(9, 10), Fraction(999, 1000)])
def test_krawczyk_refuses_where_there_is_no_root(q):
    """Spherical storage above its capacity has no saddle point."""
    f = precise.functional(SPHERICAL)
    system = System(f, (S.q,), [f.grad()[S.q]], {"alpha": Fraction(5, 2), "kappa": Fraction(0)})
    with pytest.raises(NotCertified):
        system.prove([mp.mpf(q.numerator) / q.denominator], [mp.mpf(1) / 10], 2, bracket=False)


def test_krawczyk_refuses_a_double_root():
    """A singular Jacobian: the square of an equation has the same zero, and no certificate."""
    f = precise.functional(SPHERICAL)
    _, x, size = saddle_system(SPHERICAL, Fraction(1))
    system = System(f, (S.q,), [sp.expand(f.grad()[S.q] ** 2)], {"alpha": Fraction(1), "kappa": Fraction(0)})
    with pytest.raises(NotCertified):
        system.prove(x, size, DIGITS, bracket=False)


def test_krawczyk_operator_on_a_system_known_in_closed_form():
    """x^2 = 2, xy = 1 from a centre off by a fifth of the box: the image is inside and holds (sqrt 2, 1/sqrt 2)."""
    F = Balls()
    with F.at(30):
        arb = F.flint.arb
        exact = arb(2).sqrt(), 1 / arb(2).sqrt()
        centre = [arb((exact[0] + 1e-3).mid()), arb((exact[1] - 1e-3).mid())]
        box = [arb(c, 5e-3) for c in centre]
        value = [centre[0] * centre[0] - 2, centre[0] * centre[1] - 1]
        jacobian = [2 * box[0], arb(0), box[1], box[0]]
        inverse = krawczyk._approximate_inverse(F, jacobian, 2)
        image = krawczyk._krawczyk(F, centre, value, jacobian, inverse, box)
        assert all(krawczyk._interior(k, b) for k, b in zip(image, box))
        assert all(k.contains(e) for k, e in zip(image, exact))
        far = [arb(c + 0.02, 5e-3) for c in centre]
        middle = [b.mid() for b in far]
        value = [middle[0] * middle[0] - 2, middle[0] * middle[1] - 1]
        image = krawczyk._krawczyk(F, middle, value, [2 * far[0], arb(0), far[1], far[0]], inverse, far)
        assert not all(krawczyk._interior(k, b) for k, b in zip(image, far))


def test_interior_is_strict():
    F = Balls()
    with F.at(20):
        arb = F.flint.arb
        assert krawczyk._interior(arb(0, 0.5), arb(0, 1))
        assert not krawczyk._interior(arb(0, 1), arb(0, 1))
        assert not krawczyk._interior(arb(0.75, 0.5), arb(0, 1))
        assert not krawczyk._interior(arb("nan"), arb(0, 1))


# --- brackets --------------------------------------------------------------------------------------------------------


def threshold_system(model, kind):
    problem, _ = precise.threshold_problem(model, kind, zero=False)
    kappa = {} if model.teacher else {"kappa": Fraction(model.kappa)}
    return System(problem.functional, problem.unknowns, problem.equations, kappa)


def point_system(model, alpha):
    f = precise.functional(model)
    known = {"alpha": alpha} | ({} if model.teacher else {"kappa": Fraction(0)})
    return System(f, f.unknowns, [f.grad()[x] for x in f.unknowns], known)


CURVES = {
    "capacity": (lambda: threshold_system(BINARY, "entropy"), 2.6),
    "alpha_it": (lambda: threshold_system(BINARY_TEACHER, "entropy"), 1.5),
    "at-binary": (lambda: threshold_system(BINARY, "replicon"), 4.0),
    "at-spherical": (lambda: threshold_system(rp.Perceptron("spherical", -1), "replicon"), 0.7),
    "solve-binary": (lambda: point_system(BINARY, Fraction(2, 5)), 0.45),
    "solve-teacher": (lambda: point_system(TERNARY_TEACHER, Fraction(1)), 1.5),
    "solve-spherical": (lambda: point_system(SPHERICAL, Fraction(1)), 0.58),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in ("alpha_it", "at-binary") else n for n in CURVES]
)
def test_determinant_is_the_slope_of_the_last_equation_along_the_curve(name, monkeypatch):
    """dM/dx = det F' over the pivots, with sign; and the entries taken to vanish on the curve do."""
    make, at = CURVES[name]
    monkeypatch.setattr(krawczyk, "ROUGH", 30)
    system, F = make(), Balls()
    along = S.q_hat if S.q_hat in system.unknowns else S.q
    n = len(system.unknowns)
    index = system.unknowns.index(along)
    last = n - 1 if S.alpha in system.unknowns else 0  # which equation is left: the condition, or d phi/dq

    def curve(x):
        values = system._curve(F, F.load(x), along)
        return values, system.equations(F, values, 28, {})

    with F.at(45):
        here = mp.mpf(at)
        values, equations = curve(here)
        entries = system.jacobian(F, values, 28, {})
        for k in system.vanishing:
            assert abs(entries[k]) < 1e-20
        for i, e in enumerate(equations):
            assert i == last or abs(e) < 1e-20  # the curve solves all the other equations
        ahead, behind = curve(here * (1 + SMALL_STEP))[1][last], curve(here * (1 - SMALL_STEP))[1][last]
        slope = float((ahead - behind) / (2 * F.load(here * SMALL_STEP)))
        determinant = float(krawczyk._determinant(F, entries, n))
        # Cramer: 1 = slope * cofactor/det, the minor without the row of what is left and the column of the bracket
        kept = [[float(entries[i * n + j]) for j in range(n) if j != index] for i in range(n) if i != last]
        minor = float(np.linalg.det(kept)) if n > 1 else 1.0
        assert abs((-1) ** (index + last) * minor * slope / determinant - 1) < SLOPE
        for k in system.vanishing:
            entries[k] = F.flint.arb(0)
        assert abs(float(krawczyk._determinant(F, entries, n)) / determinant - 1) < SLOPE


def test_what_vanishes_on_the_curve_is_only_the_gradient_of_the_entropy():
    entropy = threshold_system(BINARY, "entropy")
    assert entropy.unknowns == (S.q, S.q_hat, S.alpha) and entropy.vanishing == [6, 7]
    assert threshold_system(BINARY, "replicon").vanishing == []
    assert point_system(BINARY, Fraction(1)).vanishing == []


def test_a_bracket_that_spans_two_solutions_is_refused():
    """Below its spinodal the binary teacher has two saddle points with R < 1 at one load."""
    system = point_system(BINARY_TEACHER, Fraction(13, 10))
    f, F = precise.functional(BINARY_TEACHER), Balls()
    low = rp.solve(BINARY_TEACHER, 1.3, branch="typical").q_hat

    def left(x):
        return float(system.equations(F, system._curve(F, F.flint.arb(x), S.q_hat), 8, {})[f.unknowns.index(S.q)])

    with F.at(20):
        scan = np.linspace(low * 1.05, 12, 12)
        signs = [left(x) > 0 for x in scan]
        assert signs[0] != signs[-1]  # another one does exist
        high = next(x for x, s in zip(scan, signs) if s != signs[0])
        jacobian = system.jacobian(F, system._curve(F, F.flint.arb(low), S.q_hat), 15, {})
        sign = krawczyk._determinant(F, jacobian, 2)
        assert not system._monotone(F, F.flint.arb(0.9 * low), F.flint.arb(high), S.q_hat, sign)
        assert system._monotone(F, F.flint.arb(0.97 * low), F.flint.arb(1.03 * low), S.q_hat, sign)


def test_pieces_cover_the_bracket(monkeypatch):
    """The union of the pieces examined is the whole stretch, neighbours sharing their edges."""
    system, x, _ = saddle_system(SPHERICAL, Fraction(1))
    F, seen = Balls(), []
    original = System._curve
    monkeypatch.setattr(System, "_curve", lambda self, F, v, along: seen.append(v) or original(self, F, v, along))
    with F.at(20):
        low, high = F.load(x[0]) * F.ratio(19, 20), F.load(x[0]) * F.ratio(21, 20)
        values = {"q": F.load(x[0]), **load(F, system.parameters)}
        sign = krawczyk._determinant(F, system.jacobian(F, values, 15, {}), 1)
        assert system._monotone(F, low, high, S.q, sign)
        seen.sort(key=lambda v: float(v.lower()))
        assert seen[0].lower() <= low.lower() and seen[-1].upper() >= high.upper()
        assert all(a.upper() >= b.lower() for a, b in itertools.pairwise(seen))


# --- what is printed -------------------------------------------------------------------------------------------------


def interval(value, error):
    """The interval that two printed strings stand for, exactly."""
    return Fraction(value) - Fraction(error), Fraction(value) + Fraction(error)


def fraction(x) -> Fraction:
    sign, man, exp, _ = x._mpf_
    return (-1 if sign else 1) * Fraction(int(man)) * Fraction(2) ** int(exp)


@settings(max_examples=150)
@given(
    man=st.integers(-(2**300), 2**300),
    exp=st.integers(-420, -180),
    rad=st.integers(0, 2**30 - 1),
    digits=st.integers(1, 60),
    below=st.integers(0, 12),
)
def test_printed_value_and_error_hold_the_ball(man, exp, rad, digits, below):
    """Rounding to digits, to a context and to decimal strings stays inside the printed error."""
    value = mp.make_mpf(mpmath.libmp.from_man_exp(man, exp))
    size = abs(value) * mp.mpf(10) ** -(digits + below)
    unit = int(math.floor(mp.log(size, 2))) - 30 if size else -60
    radius = mp.make_mpf(mpmath.libmp.from_man_exp(rad, unit))
    values, errors = precise.finished(Root({"x": value}, {"x": radius}, mp.zero), digits)
    low, high = interval(decimal(values["x"]), bound(errors["x"]))
    assert low <= fraction(value) - fraction(radius) and fraction(value) + fraction(radius) <= high
    # and the numbers themselves, not only their strings
    assert abs(fraction(values["x"]) - fraction(value)) + fraction(radius) <= fraction(errors["x"])


@settings(max_examples=60)
@given(
    man=st.integers(-(2**200), 2**200),
    rad=st.integers(2**29, 2**30 - 1),
    digits=st.integers(1, 30),
    smaller=st.integers(0, 40),
)
def test_an_error_larger_than_its_value_is_not_rounded_down(man, rad, digits, smaller):
    """A replicon at its zero: nothing but the error is left, and rounding to nearest may shrink it."""
    unit = -30 - math.ceil(digits * math.log2(10))
    value = mp.make_mpf(mpmath.libmp.from_man_exp(man, unit + 30 - 200 - smaller))
    radius = mp.make_mpf(mpmath.libmp.from_man_exp(rad, unit))
    values, errors = precise.finished(Root({"x": value}, {"x": radius}, mp.zero), digits)
    assert abs(fraction(values["x"]) - fraction(value)) + fraction(radius) <= fraction(errors["x"])


FINE = 30
QUESTIONS = {
    "spherical": lambda digits: rp.solve(SPHERICAL, "1.37", kappa="-0.3", digits=digits, certified=True),
    "near capacity": lambda digits: rp.solve(SPHERICAL, "1.99", digits=digits, certified=True),
    "teacher": lambda digits: rp.solve(SPHERICAL_TEACHER, "0.9", digits=digits, certified=True),
    "window": lambda digits: rp.capacity(rp.Perceptron("binary", "0.7", "window"), digits=digits, certified=True),
    "closed form": lambda digits: rp.capacity(SPHERICAL, kappa="-1.3", digits=digits, certified=True),
    "limit": lambda digits: rp.capacity(TERNARY, criterion="q-to-1", digits=digits, certified=True),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in ("near capacity", "limit") else n for n in QUESTIONS]
)
def test_answers_of_few_digits_hold_answers_of_many(name):
    """Every printed number with its error, at few digits and at 30, describes one exact number."""
    few, many = (QUESTIONS[name](d).to_dict() for d in (8, FINE))
    assert few["certified"] and many["certified"]
    compared = 0
    for key, error in few["errors"].items():
        pair = [p[key] if key in p else p["order_parameters"][key] for p in (few, many)]
        (low, high), (finer_low, finer_high) = (interval(v, p["errors"][key]) for v, p in zip(pair, (few, many)))
        assert low <= finer_high and finer_low <= high, key
        assert Fraction(error) <= max(1, abs(Fraction(pair[0]))) * Fraction(1, 10**8)
        compared += 1
    assert compared >= 1


def test_certified_numbers_agree_with_the_uncertified_route():
    """Two quadratures, two arithmetics: the ball holds the number that polish finds."""
    for proved in (QUESTIONS["spherical"](20), QUESTIONS["near capacity"](20)):
        plain = rp.solve(proved.model, proved.alpha, kappa=None if proved.model.teacher else proved.kappa, digits=35)
        for key in ("q", "q_hat", "free_entropy", "entropy", "replicon", "one_minus_q"):
            distance = abs(fraction(getattr(proved, key)) - fraction(getattr(plain, key)))
            assert distance <= fraction(proved.errors[key]), key


@settings(max_examples=60)
@given(
    low=st.fractions(Fraction(1, 1000), Fraction(900)),
    width=st.sampled_from([Fraction(2, 1000), Fraction(2, 100), Fraction(1, 10)]),
)
def test_printed_bracket_lies_inside_the_proved_one(low, width):
    ctx = context(DIGITS)
    bracket = S.q_hat, *(ctx.mpf(v.numerator) / v.denominator for v in (low, low * (1 + width)))
    text = certificates.proof(Certificate((S.q_hat,), ((ctx.one, ctx.zero),), bracket), "it")
    printed = [Fraction(Decimal(v)) for v in text.split(" in [")[1].split("]")[0].split(", ")]
    assert fraction(bracket[1]) <= printed[0] < printed[1] <= fraction(bracket[2])


def test_printed_bracket_of_an_overlap_near_one_stays_below_one():
    ctx = context(DIGITS)
    gap = ctx.mpf(10) ** -8
    bracket = S.q, (1 - gap) * ctx.mpf("0.95"), 1 - gap * ctx.mpf("0.95")
    text = certificates.proof(Certificate((S.q,), ((1 - gap, ctx.zero),), bracket), "it")
    assert Fraction(Decimal(text.split(", ")[-1].split("]")[0])) <= fraction(bracket[2])


# --- certified answers that must be those of the problem that was asked ----------------------------------------------


def test_two_values_of_equal_square_have_the_exact_norm():
    """{-0.1, 0.1} is {-1, 1} in another unit: its norm is 1/100, not the square of a float."""
    assert precise.functional(rp.Perceptron("discrete:-0.1,0.1")).norm == sp.Rational(1, 100)


def test_weights_given_as_fractions_stay_fractions():
    """Ternary weights in units of 1/3: at one load, 9 q is the q of {-1, 0, 1}."""
    thirds = rp.Perceptron(rp.Discrete([Fraction(-1, 3), 0, Fraction(1, 3)]))
    one, two = (rp.solve(m, 0.4, digits=25) for m in (TERNARY, thirds))
    assert abs(one.q - 9 * two.q) <= one.errors["q"] + 9 * two.errors["q"]


@pytest.mark.slow
def test_certified_free_entropy_does_not_depend_on_the_unit_of_the_weights():
    one, two = (rp.solve(m, 0.4, certified=True) for m in (BINARY, rp.Perceptron("discrete:-0.1,0.1")))
    assert abs(one.free_entropy - two.free_entropy) <= one.error + two.error
    assert abs(one.q - 100 * two.q) <= one.errors["q"] + 100 * two.errors["q"]


def test_edges_of_a_likelihood_are_exact():
    """A step at 1/3 written as an expression is the margin 1/3."""
    step = rp.Perceptron("spherical", likelihood=rp.Likelihood(sp.Heaviside(rp.field - sp.Rational(1, 3))))
    one, two = (rp.capacity(m, digits=20, certified=True) for m in (step, rp.Perceptron("spherical", Fraction(1, 3))))
    assert abs(one.value - two.value) <= one.error + two.error


@pytest.mark.parametrize("alpha", [Fraction(1, 3), "7.8735602405251088"])
def test_an_answer_to_many_digits_echoes_the_parameter_it_is_about(alpha):
    """The printed load, read back, asks the same question."""
    printed = rp.solve(SPHERICAL, alpha, kappa=-1, digits=20).to_dict()["alpha"]
    assert Fraction(str(printed)) == Fraction(alpha)


def test_parameters_that_share_a_float_are_refused_together():
    with pytest.raises(ValueError, match=r"^alpha: got values that differ by less than a double can hold; takes"):
        rp.solve(SPHERICAL, [Fraction(1, 3), 0.3333333333333333], digits=20)


def test_no_number_of_double_precision_stands_in_a_certified_answer():
    """Every number beside `certified` is exact or has a proved error, the self-overlap of the ternary teacher too."""
    asked = (TERNARY_TEACHER, 1.0), (SPHERICAL, 1.999)
    for answer in (rp.solve(*question, digits=20, certified=True) for question in asked):
        assert answer.certified
        for name in answer.computed:
            value = getattr(answer, name)
            assert value is None or hasattr(value, "_mpf_"), (name, value)


@lru_cache
def information_theoretic():
    return rp.transitions(BINARY_TEACHER, certified=True, only="alpha_it")


def test_every_certified_order_parameter_has_an_error():
    at = information_theoretic().alpha_it
    assert set(at.order_parameters) <= set(at.errors)


def test_a_transition_that_was_not_certified_does_not_pass_as_one():
    found = information_theoretic()
    assert found.alpha_it.certified and found.spinodal is None  # what was not asked for is not there
    assert found.certified


@pytest.mark.parametrize("beta", [None, 2.0])
def test_the_theorem_of_the_threshold_is_not_claimed_for_the_window(beta):
    statement = rp.solve(rp.Perceptron("spherical", 1.0, "window", beta), 0.5, certified=True).statement
    assert "Proved" in statement and "Shcherbina" not in statement


def test_an_instability_below_the_capacity_is_not_said_to_lie_beyond_it():
    """At kappa = -2.5 the breaking point exceeds 1 at alpha = 329, long before the capacity at 834."""
    model = rp.Perceptron("spherical", -2.5)
    found = rp.at_line(model)
    assert found.value < rp.capacity(model).value
    assert "beyond the capacity" not in certificates._theorem(found, model, "replicon", Fraction(-5, 2))


def test_an_even_likelihood_of_ones_own_is_answered_on_the_sphere():
    even = rp.Perceptron("spherical", likelihood=rp.Likelihood(sp.Heaviside(1 - rp.field**2)))
    answer = rp.solve(even, 0.5, certified=True)
    assert answer.certified and "Shcherbina" not in answer.statement


def test_more_digits_than_a_float_has_exponents():
    assert rp.solve(rp.Perceptron("spherical", 1.0, "window"), 0.5, certified=True, digits=340).certified


def test_a_refusal_keeps_no_number(monkeypatch):
    def never(*_, **__):
        raise NotCertified("no")

    monkeypatch.setattr(System, "prove", never)
    answer = rp.solve(SPHERICAL, 1.0, certified=True)
    assert answer.status == "not-certified" and not answer.certified and answer.message == "no"
    for field in dataclasses.fields(answer):
        assert not hasattr(getattr(answer, field.name), "_mpf_"), field.name
    assert answer.q is None and answer.free_entropy is None


def test_stability_is_claimed_only_where_the_replicon_is_proved_away_from_zero():
    """A verdict beside `certified` follows from the ball, not from its midpoint."""
    answer = rp.solve(SPHERICAL, 1.0, certified=True)
    values = {name: getattr(answer, name) for name in ("q", "free_entropy", "one_minus_q")}
    values["replicon"] = mp.mpf("1e-20")
    wide = Root(values, dict.fromkeys(values, mp.mpf("1e-17")), 0)
    assert precise.filled_saddle(answer, wide, DIGITS).stable is None
