"""The local entropy around an unconstrained reference: kernels against closed sums, scipy, finite differences and the derivation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import comb, log_ndtr

import replicas as rp
from replicas.numerics.local_reference import Unconstrained
from replicas.numerics.local_system import NoValue, Path, newton
from replicas.numerics.local_weights import weight_side
from replicas.numerics.saddle import make_batch
from replicas.symbolic.local_entropy import functional
from replicas.symbolic.local_entropy_limits import limit

CLOSED = 2e-14  # relative, of trapezoid sums against a closed form
QUAD = 1e-11  # asked of scipy's nested quad
STEP = 1e-5  # of a central difference: error 1e-10 times a third derivative, and rounding 1e-15/STEP of a term
SLOPE = 3e-9  # those together, relative to 1 + |derivative|
REFEREE = 1e-9  # of the derived functional in nested tables
FINER = 1e-12  # effect of finer quadratures, relative to the terms
LIMIT = 3.0  # next-to-leading terms of y -> inf, in units of 1/y
STORAGE, TEACHER = rp.Perceptron(), rp.Perceptron(task="teacher-student")
MODELS = {
    "threshold": STORAGE,
    "margin": rp.Perceptron(kappa=0.4),
    "window": rp.Perceptron(kappa=1.0, likelihood="window"),
    "teacher": TEACHER,
    "temperature": rp.Perceptron(beta=2.0),
}


def system(model, alpha=0.5, infinite=False):
    return Unconstrained(make_batch(model, alpha), infinite)


def binomial(w, y, c):
    """log E [2 cosh(w + sqrt(c) eta)]^y for integer y."""
    terms = [math.log(comb(y, k)) + (y - 2 * k) * w + 0.5 * (y - 2 * k) ** 2 * c for k in range(y + 1)]
    return np.logaddexp.reduce(terms)


def difference(function, x, step=STEP):
    return (function(x + step) - function(x - step)) / (2 * step)


def close(a, b, relative=SLOPE):
    return abs(a - b) <= relative * (1 + abs(b))


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "y, q0_hat, c, p_hat, R_hat",
    [(1, 0.7, 0.3, 0.8, 0.0), (2, 0.5, 1.2, 0.3, 0.0), (7, 0.9, 0.4, 1.1, 0.0), (12, 0.3, 0.5, 0.05, 0.3), (30, 2.0, 0.01, 2.5, 1.0)],
)
def test_weights_at_integer_y(y, q0_hat, c, p_hat, R_hat):
    def outer(z):
        field = R_hat + math.sqrt(q0_hat) * z
        total = np.logaddexp(binomial(field + p_hat, y, c), binomial(field - p_hat, y, c))
        return math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * total

    kink = -R_hat / math.sqrt(q0_hat)
    points = [kink - 2.0 / y, kink, kink + 2.0 / y]
    expected = quad(outer, -12, 12, points=points, epsabs=1e-13, epsrel=1e-13, limit=800)[0]
    assert weight_side(y, q0_hat, c, p_hat, R_hat, 1.0).value == pytest.approx(expected, rel=CLOSED * 10)


def test_weights_without_outer_field_are_a_closed_sum():
    for y, c, p_hat in ((3, 0.8, 0.6), (40, 0.3, 0.2), (9, 2.0, 0.0)):
        expected = math.log(2) + binomial(p_hat, y, c)
        assert weight_side(y, 0.0, c, p_hat, 0.0, 1.0).value == pytest.approx(expected, rel=CLOSED)


@pytest.mark.parametrize("y", [0.3, 1.0, 2.7, 40.0, 300.0])
@pytest.mark.parametrize("R_hat", [0.0, 0.4])
def test_averages_of_weights_are_derivatives(y, R_hat):
    q0_hat, c, p_hat = 0.6, 0.9 / (1 + y), 0.7
    here = weight_side(y, q0_hat, c, p_hat, R_hat, 1.0)
    pairs = here.square + here.spread
    found = {
        "q1_hat": (difference(lambda x: weight_side(y, q0_hat, x, p_hat, R_hat, 1.0).value, c), 0.5 * y * (y - 1) * pairs + 0.5 * y),
        "q0_hat": (
            difference(lambda x: weight_side(y, x, c + q0_hat - x, p_hat, R_hat, 1.0).value, q0_hat),
            -0.5 * y * y * here.square,
        ),
        "p_hat": (difference(lambda x: weight_side(y, q0_hat, c, x, R_hat, 1.0).value, p_hat), y * (1 - here.far)),
        "y": (difference(lambda x: weight_side(x, q0_hat, c, p_hat, R_hat, 1.0).value, y), here.by_y),
        "sum": (here.square + here.spread + here.rest, 1.0),
    }
    if R_hat:
        found["R_hat"] = (difference(lambda x: weight_side(y, q0_hat, c, p_hat, x, 1.0).value, R_hat), y * here.overlap)
    for name, (difference_quotient, average) in found.items():
        assert close(difference_quotient, average, SLOPE * max(1.0, y)), name


@pytest.mark.parametrize("R_hat", [0.0, 0.5])
def test_weights_at_infinite_y(R_hat):
    q0_hat, C, p_hat = 0.6, 0.8, 0.4

    def value(q=q0_hat, c=C, p=p_hat, R=R_hat):
        return weight_side(math.inf, q, c, p, R, 1.0).value

    here = weight_side(math.inf, q0_hat, C, p_hat, R_hat, 1.0)
    assert close(difference(lambda x: value(q=x), q0_hat), 0.5 * (here.rest + here.spread))
    assert close(difference(lambda x: value(c=x), C), 0.5 * here.square)
    assert close(difference(lambda x: value(p=x), p_hat), 1 - here.far)
    if R_hat:
        assert close(difference(lambda x: value(R=x), R_hat), here.overlap)
    y = 400.0
    finite = weight_side(y, q0_hat, C / y, p_hat, R_hat, 1.0)
    assert finite.value / y - here.value == pytest.approx(here.by_y / y, abs=LIMIT / y**2)
    assert finite.spread * y == pytest.approx(here.spread, abs=LIMIT / y)


# --- patterns ---------------------------------------------------------------------------------------------------------


def test_patterns_by_nested_quadrature():
    y, q0, gap, V = 2.5, 0.5, 0.3, 0.2
    kappa = 0.4

    def inner(omega):
        def integrand(z):
            return math.exp(-z * z / 2 + y * log_ndtr((omega + math.sqrt(gap) * z - kappa) / math.sqrt(V))) / math.sqrt(2 * math.pi)

        return math.log(quad(integrand, -12, 12, epsabs=0, epsrel=1e-13, limit=200)[0]) / y

    expected = quad(lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * inner(math.sqrt(q0) * z), -10, 10, epsabs=1e-12, limit=200)[0]
    assert system(MODELS["margin"]).patterns(y, q0, gap, V, 0.0, 1.0).value == pytest.approx(expected, abs=QUAD)


@pytest.mark.parametrize("name", ["threshold", "window", "teacher", "temperature"])
@pytest.mark.parametrize("y", [0.5, 3.0, 20.0])
def test_averages_of_patterns_are_derivatives(name, y):
    S = system(MODELS[name])
    q0, gap, V = 0.5, 0.3, 0.2
    R = 0.55 if S.teacher else 0.0

    def value(q0=q0, q1=q0 + gap, R=R, y=y):
        return y * S.patterns(y, q0, q1 - q0, 1 - q1, R * R / q0, 1.0).value

    here = S.patterns(y, q0, gap, V, R * R / q0, 1.0)
    assert close(difference(lambda x: value(q0=x), q0), -0.5 * y * y * here.square, 10 * SLOPE * y)
    assert close(difference(lambda x: value(q1=x), q0 + gap), 0.5 * y * (y - 1) * (here.square + here.spread), 10 * SLOPE * y)
    assert close(difference(lambda x: value(y=x), y), here.by_y, SLOPE * y)
    if S.teacher:
        assert close(difference(lambda x: value(R=x), R), y * here.overlap, SLOPE * y)


@pytest.mark.parametrize("name", ["threshold", "teacher", "window"])
def test_patterns_at_infinite_y(name):
    S, finite = system(MODELS[name], infinite=True), system(MODELS[name])
    q0, dq = 0.6, 0.3
    R = 0.6 if S.teacher else 0.0

    def value(q0=q0, dq=dq, R=R):
        return S.patterns(math.inf, q0, dq, 1 - q0, R * R / q0, 1.0).value

    here = S.patterns(math.inf, q0, dq, 1 - q0, R * R / q0, 1.0)
    assert close(difference(lambda x: value(q0=x), q0), 0.5 * (here.spread - here.square))
    assert close(difference(lambda x: value(dq=x), dq), 0.5 * here.square)
    if S.teacher:
        assert close(difference(lambda x: value(R=x), R), here.overlap)
    y = 400.0
    near = finite.patterns(y, q0, dq / y, 1 - q0 - dq / y, R * R / q0, 1.0)
    assert near.value - here.value == pytest.approx(here.by_y / y, abs=LIMIT / y**2)
    assert near.spread * y == pytest.approx(here.spread, abs=LIMIT * here.spread / y * 10)


# --- the system -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["threshold", "teacher"])
def test_free_entropy_is_the_derived_one(name):
    """Off the saddle: phi, S_I and S_E at arbitrary overlaps, conjugates being the explicit ones."""
    S = system(MODELS[name], 0.6)
    derived = functional(MODELS[name])
    y, d = 3.5, 0.08
    x = S.pack(0.55, 0.2, 0.25, 0.8, 0.5)
    v = S.evaluate(x, y, d)
    at = {k: v.order_parameters[k] for k in ("q1", "q0", "p_hat", "q1_hat", "q0_hat", *(("R", "R_hat") if S.teacher else ()))}
    at |= {"alpha": 0.6, "y": y, "p": 1 - 2 * d} | ({} if S.teacher else {"kappa": 0.0})
    assert derived(**at) == pytest.approx(v.phi, abs=REFEREE)
    assert derived.value(derived.observables["local_entropy"], **at) == pytest.approx(v.local_entropy, abs=REFEREE)
    assert derived.value(derived.observables["external_entropy"], **at) == pytest.approx(v.external_entropy, abs=REFEREE)
    if S.teacher:
        reference = derived.value(derived.observables["reference_teacher"], **at)
        assert reference == pytest.approx(v.order_parameters["R_reference"], abs=REFEREE)


@pytest.mark.parametrize("name", ["threshold", "teacher"])
def test_limit_is_the_derived_one(name):
    """Off the saddle at y = inf, conjugates being the explicit ones."""
    S = system(MODELS[name], 0.6, infinite=True)
    d, (q0, dq, R) = 0.08, (0.6, 0.3, 0.5)
    x = S.pack(q0, dq, 1 - q0, 0.8, R)
    v = S.evaluate(x, math.inf, d)
    P = S.patterns(math.inf, q0, dq, 1 - q0, R * R / q0 if S.teacher else 0.0, 1.0)
    at = {k: v.order_parameters[k] for k in ("q0", "p_hat", "q0_hat", *(("R", "R_hat") if S.teacher else ()))}
    at |= {"dq": dq, "dq_hat": 0.6 * P.spread, "alpha": 0.6, "p": 1 - 2 * d} | ({} if S.teacher else {"kappa": 0.0})
    assert limit(MODELS[name])(**at) == pytest.approx(v.local_entropy, abs=REFEREE)


@pytest.mark.parametrize("name", ["threshold", "margin", "window", "teacher", "temperature"])
def test_typical_pairs(name):
    """y = 1: phi = S_0 + H2(d), p = tanh p_hat, and a teacher's overlap is that of typical students."""
    alpha, d = 0.3, 0.15
    S = system(MODELS[name], alpha)
    x = S.start(1.0, d)
    v = S.evaluate(x, 1.0, d)
    typical = rp.solve(MODELS[name], alpha=alpha)
    H2 = -d * math.log(d) - (1 - d) * math.log(1 - d)
    assert np.max(np.abs(v.residual)) < FINER
    assert v.phi == pytest.approx(float(typical.free_entropy) + H2, abs=FINER)
    assert v.local_entropy + v.external_entropy == pytest.approx(v.phi, abs=FINER)
    assert v.order_parameters["p_hat"] == pytest.approx(math.atanh(1 - 2 * d), abs=FINER * 10)
    if S.teacher:
        assert v.order_parameters["R"] == pytest.approx(v.order_parameters["q0"], abs=FINER * 10)
        assert v.order_parameters["R_reference"] == pytest.approx((1 - 2 * d) * v.order_parameters["R"], abs=FINER * 10)


@pytest.mark.parametrize("name, y", [("threshold", 0.4), ("threshold", 25.0), ("window", 60.0), ("teacher", 10.0), ("threshold", math.inf)])
def test_saddle_is_stationary_in_every_direction(name, y):
    """d phi/dd at fixed y is 2 y p_hat, d phi/dy is S_I, d phi/dalpha is the patterns' share; so are they along the branch."""
    alpha, d = 0.4, 0.1
    infinite = math.isinf(y)
    S = system(MODELS[name], alpha, infinite)
    x = S.start(y, d)

    def value(d=d, y=y):
        return newton(S, x, y, d).values

    here = value()
    power = 1.0 if infinite else y
    assert close(difference(lambda t: value(d=t).phi, d), power * here.slope, 10 * SLOPE * power)
    if not infinite:
        assert close(difference(lambda t: value(y=t).phi, y), here.local_entropy, SLOPE * power)


@pytest.mark.parametrize("y", [30.0, 300.0])
@pytest.mark.parametrize("d", [0.01, 0.1])
def test_finer_quadratures_change_nothing(y, d):
    S = system(STORAGE, 0.5)
    family = lambda _: S  # noqa: E731
    first = newton(S, S.start(y, 0.1), y, 0.1)
    saddle, reached = Path(family, "d", first).advance(first, d)
    assert reached and saddle.ok
    for quality in (1.5, 3.0):
        finer = S.evaluate(saddle.x, y, d, quality)
        assert finer.phi == pytest.approx(saddle.values.phi, abs=FINER * saddle.values.magnitude)
        assert finer.local_entropy == pytest.approx(saddle.values.local_entropy, abs=FINER * saddle.values.magnitude)


def test_infinite_y_is_the_limit():
    """S_I and S_E at y = inf from y = 100, 200, 400: their differences shrink as 1/y^2 and 1/y."""
    d = 0.08
    S, limit = system(STORAGE, 0.5), system(STORAGE, 0.5, infinite=True)
    end = newton(limit, limit.start(math.inf, d), math.inf, d).values
    finite = [newton(S, S.start(y, d), y, d).values for y in (100.0, 200.0, 400.0)]
    gaps = [end.local_entropy - v.local_entropy for v in finite]
    assert all(3.5 < a / b < 4.5 for a, b in itertools.pairwise(gaps))
    beyond = [v.external_entropy - end.external_entropy for v in finite]
    assert all(1.8 < a / b < 2.2 for a, b in itertools.pairwise(beyond))


def test_no_value_outside_the_cone():
    S = system(STORAGE)
    with pytest.raises(NoValue):
        S.evaluate(np.array([1e4, 0.0, 0.5]), 2.0, 0.1)
    with pytest.raises(NoValue):
        weight_side(2.0, -1.0, 0.1, 0.2, 0.0, 1.0)
    with pytest.raises(ValueError, match="y: got inf"):
        S.evaluate(np.zeros(3), math.inf, 0.1)
