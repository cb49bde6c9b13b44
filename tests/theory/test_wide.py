"""Infinitely wide committees, held to the formulas of the literature evaluated by other means."""

import itertools
import math

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erfcx, log_ndtr, ndtr

import replicas as rp
from replicas.numerics.saddle import evaluate, make_batch

INF = math.inf
RELU, ERF, SIGN, QUADRATIC = "relu", "erf", "sign", "quadratic"
QUADRATURE = 1e-10  # what nested adaptive quadratures leave of a value
STATIONARY = 1e-6  # of a gradient by differences of such a value
THRESHOLD = 1e-8  # of loads from an independent root finder


def tree(weights="spherical", activation=SIGN, task="storage"):
    return rp.TreeCommittee(INF, weights, activation, task)


DELTA = {  # Delta(q), written by hand
    RELU: lambda q: (math.sqrt(1 - q * q) + q * (math.pi / 2 + math.asin(q))) / (2 * math.pi),
    ERF: lambda q: 2 / math.pi * math.asin(2 * q / 3),
    SIGN: lambda q: 2 / math.pi * math.asin(q),
    QUADRATIC: lambda q: 1 + 2 * q * q,
}
SLOPE = {
    RELU: lambda q: (math.pi / 2 + math.asin(q)) / (2 * math.pi),
    ERF: lambda q: 2 / math.pi * (2 / 3) / math.sqrt(1 - 4 * q * q / 9),
    SIGN: lambda q: 2 / (math.pi * math.sqrt(1 - q * q)),
    QUADRATIC: lambda q: 4 * q,
}
BEND = {
    RELU: lambda q: 1 / (2 * math.pi * math.sqrt(1 - q * q)),
    ERF: lambda q: 2 / math.pi * (2 / 3) ** 3 * q / (1 - 4 * q * q / 9) ** 1.5,
    SIGN: lambda q: 2 * q / (math.pi * (1 - q * q) ** 1.5),
    QUADRATIC: lambda q: 4.0,
}


def gauss(f, reach=9.0, points=()):
    """E f(t) of a standard normal, adaptively."""
    edges = sorted({-reach, reach, 0.0, *points})
    total = 0.0
    for a, b in itertools.pairwise(edges):
        total += quad(lambda t: f(t) * math.exp(-t * t / 2), a, b, epsabs=1e-14, epsrel=1e-13, limit=400)[0]
    return total / math.sqrt(2 * math.pi)


def mills(x):
    """G(x)/H(x)."""
    return math.sqrt(2 / math.pi) / erfcx(x / math.sqrt(2))


# --- capacity ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", [RELU, ERF, QUADRATIC])
def test_symmetric_capacity_is_twice_the_slope_over_the_variance(activation):
    found = rp.capacity(tree(activation=activation))
    exact = 2 * SLOPE[activation](1.0) / (DELTA[activation](1.0) - DELTA[activation](0.0))
    assert abs(found.value - exact) < max(found.error, 4e-16 * exact) and found.error < 1e-13 * exact
    assert found.stable is False and "K -> infinity" in found.statement


def test_symmetric_capacity_of_tanh_is_a_ratio_of_moments():
    """2 E g'^2/Var g: Price's theorem at q = 1."""
    slope = gauss(lambda u: math.cosh(u) ** -4)
    assert rp.capacity(tree(activation="tanh")).value == pytest.approx(2 * slope / gauss(lambda u: math.tanh(u) ** 2), rel=1e-12)


def one_step(activation, q0, w):
    """Capacity functional of one step, the formula of the literature with the noise of the fields explicit."""
    spread, noise = DELTA[activation](q0) - DELTA[activation](0.0), DELTA[activation](1.0) - DELTA[activation](q0)
    r = w / SLOPE[activation](1.0)
    narrow = 1 + r * noise

    def F(t):
        a = -math.sqrt(spread) * t
        tail = ndtr(a / math.sqrt(noise * narrow))
        return ndtr(-a / math.sqrt(noise)) + math.exp(-r * a * a / (2 * narrow)) / math.sqrt(narrow) * tail

    x = w * (1 - q0)
    return -0.5 * (math.log1p(x) + w * q0 / (1 + x)) / gauss(lambda t: math.log(F(t)))


@pytest.mark.parametrize("activation", [RELU, ERF, QUADRATIC])
def test_one_step_capacity_is_the_minimum_of_its_functional(activation):
    found = rp.capacity(tree(activation=activation), "1rsb")
    q0, w = found.order_parameters["q0"], found.order_parameters["r"]
    assert abs(one_step(activation, q0, w) - found.value) < QUADRATURE and found.error < 1e-11
    for at, h in ((0, 1e-4), (1, 1e-4 * w)):
        shift = (h, 0) if at == 0 else (0, h)
        up, down = (one_step(activation, q0 + s * shift[0], w + s * shift[1]) for s in (1, -1))
        assert abs(up - down) / (2 * h) < STATIONARY and min(up, down) > found.value


def test_published_digits_of_relu():
    assert round(rp.capacity(tree(activation=RELU)).value, 3) == 2.934
    assert round(rp.capacity(tree(activation=RELU), "1rsb").value, 4) == 2.6643


def two_steps(q, mt):
    """Capacity functional of ReLU units with two steps at q_2 -> 1 (section 9 of the conventions), by nested trapezoids."""
    slope, delta = SLOPE[RELU](1.0), DELTA[RELU]
    noise = delta(1.0) - delta(q[1])
    r = mt[1] / slope
    z = np.linspace(-9, 9, 721)
    weight = np.exp(-z * z / 2) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    M0 = math.sqrt(delta(q[0]) - delta(0.0)) * z
    M1 = M0[:, None] + math.sqrt(delta(q[1]) - delta(q[0])) * z
    narrow = 1 + r * noise
    inner = np.logaddexp(
        log_ndtr(M1 / math.sqrt(noise)),
        -r * M1**2 / (2 * narrow) - 0.5 * math.log(narrow) + log_ndtr(-M1 / math.sqrt(noise * narrow)),
    )
    outer = np.log(np.exp(mt[0] / mt[1] * inner) @ weight)
    L1 = 1 + mt[1] * (1 - q[1])
    L0 = L1 + mt[0] * (q[1] - q[0])
    top = math.log(L1) / (2 * mt[1]) + math.log(L0 / L1) / (2 * mt[0]) + q[0] / (2 * L0)
    return top / (-(weight @ outer) / mt[0])


def test_two_step_capacity_is_the_minimum_of_its_functional():
    found = rp.capacity(tree(activation=RELU), "krsb", k=2)
    p = found.order_parameters
    at = [p["q0"], p["q1"], p["r1"], p["r2"]]
    here = two_steps(at[:2], at[2:])
    assert abs(here - found.value) < 1e-9
    for i, h in enumerate((1e-3, 1e-4, 0.05, 0.5)):
        for sign in (1, -1):
            moved = list(at)
            moved[i] += sign * h
            assert two_steps(moved[:2], moved[2:]) > here


@pytest.mark.slow
def test_breaking_lowers_the_capacity_step_by_step_down_to_the_full_one():
    model = tree(activation="tanh")
    values = [rp.capacity(model, "1rsb").value, *(rp.capacity(model, "krsb", k=k).value for k in (2, 3))]
    full = rp.capacity(model, "frsb")
    assert values[0] > values[1] > values[2] > full.value - full.error
    assert values[2] - full.value < (values[1] - values[2])


@pytest.mark.parametrize("ansatz", ["rs", "1rsb", "krsb", "frsb"])
def test_units_that_jump_have_no_finite_capacity(ansatz):
    for model in (tree(), rp.Committee(INF, "spherical"), tree(activation=sp.Heaviside(rp.models.field - 1))):
        found = rp.capacity(model, ansatz)
        assert found.status == "diverges" and "K -> infinity was taken before q -> 1" in found.message


def test_capacity_of_erf_units_grows_without_bound_towards_sign_units():
    u = rp.models.field
    values = [rp.capacity(tree(activation=sp.erf(b * u))).value for b in (1, 3, 10, 30)]
    assert np.all(np.diff(values) > 0)
    exact = [2 * (2 / math.pi) * (x := 2 * b * b / (1 + 2 * b * b)) / math.sqrt(1 - x * x) / (2 / math.pi * math.asin(x)) for b in (1, 3, 10, 30)]
    assert values == pytest.approx(exact, rel=1e-12)


# --- saddle points -------------------------------------------------------------------------------------------------


def moments(activation, q, zero=0.0):
    """E f'^2 and E f''^2 in derivatives by the output field."""
    spread, noise = DELTA[activation](q) - zero, DELTA[activation](1.0) - DELTA[activation](q)
    ratio = math.sqrt(spread / noise)

    def second(t):
        u = -ratio * t
        A = mills(u)
        return (A * (A - u)) ** 2 / noise**2

    return gauss(lambda t: mills(-ratio * t) ** 2) / noise, gauss(second)


@pytest.mark.parametrize(
    "activation, alpha",
    [(RELU, 1.3), (RELU, 2.6), *(pytest.param(*case, marks=pytest.mark.slow) for case in ((SIGN, 4.0), (ERF, 1.9), (QUADRATIC, 2.0)))],
)
def test_saddle_and_stability_of_spherical_weights(activation, alpha):
    point = rp.solve(tree(activation=activation), alpha)
    q = point.q
    first, second = moments(activation, q, DELTA[activation](0.0))
    assert q / (1 - q) ** 2 == pytest.approx(alpha * SLOPE[activation](q) * first, rel=1e-10)
    replicon = 1 - alpha * (1 - q) ** 2 * (first * BEND[activation](q) + second * SLOPE[activation](q) ** 2)
    assert point.replicon == pytest.approx(replicon, abs=1e-9) and point.stable == (replicon > 0)
    ratio = math.sqrt((DELTA[activation](q) - DELTA[activation](0.0)) / (DELTA[activation](1.0) - DELTA[activation](q)))
    phi = 0.5 * (math.log(1 - q) + q / (1 - q)) + alpha * gauss(lambda t: float(log_ndtr(ratio * t)))
    assert point.free_entropy == pytest.approx(phi, abs=1e-11)


def test_instability_is_where_the_replicon_vanishes():
    found = rp.at_line(tree(activation=RELU))
    before, after = (rp.solve(tree(activation=RELU), found.value * (1 + s)).replicon for s in (-1e-6, 1e-6))
    assert before > 0 > after and found.physical


@pytest.mark.parametrize("activation, load", [pytest.param(RELU, 0.9039863, marks=pytest.mark.slow), pytest.param(SIGN, 0.9469524, marks=pytest.mark.slow)])
def test_binary_weights_store_up_to_the_zero_of_the_entropy(activation, load):
    found = rp.capacity(tree("binary", activation))
    q, q_hat = found.order_parameters["q"], found.order_parameters["q_hat"]
    first, _ = moments(activation, q, DELTA[activation](0.0))
    assert q_hat == pytest.approx(found.value * SLOPE[activation](q) * first, rel=1e-10)
    assert q == pytest.approx(gauss(lambda z: math.tanh(math.sqrt(q_hat) * z) ** 2), rel=1e-10)
    ratio = math.sqrt((DELTA[activation](q) - DELTA[activation](0.0)) / (DELTA[activation](1.0) - DELTA[activation](q)))
    entropy = -q_hat * (1 - q) / 2 + gauss(lambda z: math.log(2 * math.cosh(math.sqrt(q_hat) * z)))
    assert abs(entropy + found.value * gauss(lambda t: float(log_ndtr(ratio * t)))) < 1e-11
    assert found.value == pytest.approx(load, abs=1e-6) and found.stable


@pytest.mark.slow
def test_large_trees_of_sign_units_approach_infinitely_many():
    """The free entropy of finite trees at one overlap: a parabola in 1/K meets that of infinitely many units."""
    K = np.array([3, 5, 7])
    zero = np.zeros((1, 1))  # logit of q = 1/2
    phi = [float(evaluate(make_batch(rp.TreeCommittee(int(k), "spherical")), zero, 0).phi[0]) for k in K]
    limit = float(evaluate(make_batch(tree()), zero).phi[0])
    meets = np.polyval(np.polyfit(1 / K, phi, 2), 0.0)
    assert abs(phi[2] - limit) < abs(phi[1] - limit) < abs(phi[0] - limit)
    assert abs(meets - limit) < 0.02 * abs(phi[2] - limit)


@pytest.mark.slow
def test_steep_erf_units_are_sign_units():
    u = rp.models.field
    limit = rp.solve(tree(), 2.0).free_entropy
    gaps = [rp.solve(tree(activation=sp.erf(b * u)), 2.0).free_entropy - limit for b in (30, 90)]
    assert gaps[0] / gaps[1] == pytest.approx(3.0, rel=0.05)  # the width 1/b of the step
    assert abs(1.5 * gaps[1] - 0.5 * gaps[0]) < 0.05 * abs(gaps[1])  # what is left is of order 1/b^2


@pytest.mark.slow
def test_linear_units_are_a_perceptron():
    u = rp.models.field
    linear = rp.solve(tree(activation=u), 1.2)
    plain = rp.solve(rp.Perceptron("spherical"), 1.2)
    assert (linear.q, linear.free_entropy) == pytest.approx((plain.q, plain.free_entropy), abs=1e-12)
    assert rp.capacity(tree(activation=u)).value == pytest.approx(2.0, abs=1e-13)


def test_an_even_activation_has_a_solution_without_overlap_and_says_so():
    model = tree(activation=QUADRATIC)
    low = rp.solve(model, 0.5)
    assert (low.branch, low.q, low.stable) == ("q=0", 0.0, True)
    assert low.free_entropy == pytest.approx(-0.5 * math.log(2), abs=1e-15)
    line = rp.at_line(model)
    assert line.value == pytest.approx(math.pi / 4, rel=1e-12)  # (C(1) pi/2)/C''(0)
    high = rp.solve(model, 2.0, branch="all")
    assert list(high.branch) == ["q=0", "typical"] and list(high.dominant) == [False, True]
    assert "q = 0" in rp.capacity(model).statement


# --- learning ------------------------------------------------------------------------------------------------------


def of_teacher(weights):
    return rp.Committee(INF, weights, task="teacher-student")


def shared(q):
    """Correlation of the outputs of student and teacher that see the same inputs, once the sum of units is learnt."""
    return 2 / math.pi * (1 - q + math.asin(q))


def learning(rho):
    """2 E H log H and its derivative by rho."""
    ratio = math.sqrt(rho / (1 - rho))
    value = 2 * gauss(lambda t: float(ndtr(-ratio * t)) * float(log_ndtr(-ratio * t)))
    density = lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    slope = gauss(lambda t: density(ratio * t) * mills(ratio * t), points=(-1, 1)) / (1 - rho)
    return value, slope


def load_of(R):
    """Load at which R is a saddle of spherical weights: R/(1-R) = 2 alpha C'(R) E G^2/H / (1 - C)."""
    return R / (1 - R) / (2 * 2 / math.pi * (1 / math.sqrt(1 - R * R) - 1) * learning(shared(R))[1])


@pytest.mark.slow
def test_specialisation_of_infinitely_many_units_by_another_root_finder():
    found = rp.transitions(of_teacher("spherical"))
    h = 1e-5
    fold = brentq(lambda R: (load_of(R + h) - load_of(R - h)) / (2 * h), 0.7, 0.9, xtol=1e-9)
    assert found.spinodal.value == pytest.approx(load_of(fold), abs=THRESHOLD)

    def gain(R):
        alpha = load_of(R)
        return 0.5 * (math.log(1 - R) + R) + alpha * (learning(shared(R))[0] - learning(shared(0.0))[0])

    equal = brentq(gain, 0.85, 0.99, xtol=1e-13)
    assert found.alpha_it.value == pytest.approx(load_of(equal), abs=THRESHOLD)
    assert found.spinodal.value == pytest.approx(7.1692393036, abs=1e-9)
    assert found.alpha_it.value == pytest.approx(7.6802212702, abs=1e-9)  # 7.65 is quoted elsewhere


def test_before_it_specialises_the_student_is_on_a_plateau():
    curve = rp.generalization(of_teacher("spherical"), [1.0, 7.0, 7.5, 8.0, 20.0])
    assert list(curve.branch) == ["permutation-symmetric"] * 3 + ["specialised"] * 2
    assert curve.eps_gibbs[:3] == pytest.approx(math.acos(2 / math.pi) / math.pi, abs=1e-14)
    assert curve.eps_bayes[:3] == pytest.approx(math.acos(math.sqrt(2 / math.pi)) / math.pi, abs=1e-14)
    R = curve.R[3]
    assert curve.eps_gibbs[3] == pytest.approx(math.acos(shared(R)) / math.pi, abs=1e-12)
    assert load_of(R) == pytest.approx(8.0, rel=1e-9) and np.all(np.diff(curve.eps_gibbs[2:]) < 0)


def test_one_step_that_overtakes_a_stable_symmetric_state_is_said():
    """Shared inputs, storage: q = 0 stays stable to alpha = 11 or so, and one step takes over at 4.907, discontinuously."""
    machine = rp.Committee(math.inf, "spherical")
    curve = rp.solve(machine, [2.0, 4.90, 4.91, 8.0])
    assert list(curve.stable) == [True] * 4 and list(curve.dominant) == [True, True, False, False]
    assert [bool(text) for text in curve.message] == [False, False, True, True]
    for load, taken_over in ((4.90, False), (4.91, True)):  # the free entropies themselves
        broken, symmetric = rp.solve(machine, load, ansatz="1rsb"), rp.solve(machine, load)
        assert (broken.free_entropy < symmetric.free_entropy - broken.error) == taken_over
        assert symmetric.dominant != taken_over


@pytest.mark.slow
def test_binary_units_learn_perfectly_from_the_plateau():
    """Zero entropy of the permutation-symmetric state: log 2 + alpha 2 E H log H at rho = 2/pi."""
    found = rp.transitions(of_teacher("binary"))
    assert found.alpha_it.value == pytest.approx(-math.log(2) / learning(2 / math.pi)[0], abs=THRESHOLD)


@pytest.mark.slow
def test_binary_tree_learns_perfectly_at_its_transition_and_without_a_barrier_at_its_spinodal():
    model = tree("binary", task="teacher-student")
    found = rp.transitions(model)
    q, q_hat = (found.alpha_it.order_parameters[k] for k in ("R", "q_hat"))
    rho = 2 / math.pi * math.asin(q)
    value, slope = learning(rho)
    alpha = found.alpha_it.value
    assert q_hat == pytest.approx(2 * alpha * SLOPE[SIGN](q) * slope, rel=1e-9)
    assert q == pytest.approx(gauss(lambda z: math.tanh(q_hat + math.sqrt(q_hat) * z)), rel=1e-9)
    weights = -q_hat / 2 * (1 + q) + gauss(lambda z: math.log(2 * math.cosh(q_hat + math.sqrt(q_hat) * z)))
    assert abs(weights + alpha * value) < 1e-10
    assert found.alpha_it.value < found.spinodal.value
    before, after = (rp.solve(model, found.spinodal.value * (1 + s)) for s in (-1e-3, 1e-3))
    assert rp.generalization(model, found.spinodal.value * 1.01, branch="typical").status != "converged"
    assert (before.branch, after.branch) == ("perfect", "perfect")


@pytest.mark.slow
def test_tree_learning_errors_are_angles_between_outputs():
    curve = rp.generalization(tree(task="teacher-student"), [0.5, 4.0])
    for R, gibbs, bayes in zip(curve.R, curve.eps_gibbs, curve.eps_bayes):
        rho = 2 / math.pi * math.asin(R)
        assert (gibbs, bayes) == pytest.approx((math.acos(rho) / math.pi, math.acos(math.sqrt(rho)) / math.pi), abs=1e-12)


def test_units_that_jump_learn_at_half_the_rate_of_finite_ones():
    """alpha eps at K -> infinity first is twice the constant that the perceptron shares with every finite tree."""
    alpha = 1e5
    many, one = (rp.generalization(m, alpha) for m in (tree(task="teacher-student"), rp.Perceptron("spherical", task="teacher-student")))
    assert (many.eps_gibbs / one.eps_gibbs, many.eps_bayes / one.eps_bayes) == pytest.approx((2.0, 2.0), rel=1e-4)
    assert "before alpha -> infinity" in many.statement and "twice" in many.statement and not one.statement


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ask, name",
    [
        (lambda: tree(activation="swish"), "activation"),
        (lambda: tree(activation=sp.exp(rp.models.field**2)), "activation"),
        (lambda: tree(activation=sp.Integer(3)), "activation"),
        (lambda: rp.TreeCommittee(3, activation="relu"), "activation"),
        (lambda: rp.Committee(INF, activation="relu"), "activation"),
        (lambda: tree("ternary"), "weights"),
        (lambda: rp.solve(tree(), 1.0, kappa=0.3), "kappa"),
        (lambda: rp.solve(tree(), 1.0, digits=30), "digits"),
        (lambda: rp.capacity(tree(), certified=True), "certified"),
        (lambda: rp.max_margin(tree(), 1.0), "model"),
        (lambda: rp.ground_state(tree(), 1.0), "model"),
        (lambda: rp.TreeParity(INF), "K"),
        (lambda: rp.TreeCommittee(-INF), "K"),
        (lambda: rp.Committee(math.nan), "K"),
    ],
)
def test_bad_input_is_one_line_that_names_the_argument(ask, name):
    with pytest.raises(ValueError, match=rf"^{name}: .*takes") as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_one_model_has_one_dictionary_and_one_line():
    model = tree("binary", RELU)
    assert model.to_dict() == {"name": "tree-committee", "K": "inf", "weights": "binary", "activation": "relu", "task": "storage"}
    assert model.describe() == "binary tree committee K=inf, relu, storage"
    assert r"K\to\infty" in model.latex() and math.isinf(model.K)
    assert rp.TreeCommittee(INF) == rp.TreeCommittee(INF)


# --- solutions without overlap that others overtake -------------------------------------------------------------------


def learner(weights, activation):
    return tree(weights, activation, "teacher-student")


def zero_of_student(weights, kernel, R, q_hat, alpha):
    """Entropy of a student, by quadrature: kernel(q) is C(q)/C(1)."""
    w = np.array(weights, dtype=float)

    def site(z, teacher):
        h = math.sqrt(q_hat) * z + q_hat * teacher
        return math.log(sum(math.exp(h * v - q_hat * v * v / 2) for v in w))

    sites = sum(gauss(lambda z, t=t: site(z, t)) for t in w) / len(w)
    norm = float(np.mean(w**2))
    return -q_hat * R * norm / 2 + sites + alpha * learning(kernel(R))[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "weights, activation, load",
    [
        ("binary", QUADRATIC, 1.00295458716),
        pytest.param("ternary", QUADRATIC, 1.73762179175, marks=pytest.mark.slow),
    ],
)
def test_perfect_learning_starts_where_the_best_student_runs_out_of_entropy(weights, activation, load):
    """Not where R = 0 does: a student with R > 0 left it before."""
    found = rp.transitions(learner(weights, activation))
    at = found.alpha_it
    assert at.value == pytest.approx(load, abs=1e-10) and "R > 0" in at.criterion
    values = (-1, 1) if weights == "binary" else (-1, 0, 1)
    R, q_hat = at.order_parameters["R"], at.order_parameters["q_hat"]
    if weights == "binary":
        assert abs(zero_of_student(values, lambda q: q * q, R, q_hat, at.value)) < 1e-9
    point = rp.solve(learner(weights, activation), 0.9 if weights == "binary" else 1.2)
    every = rp.solve(learner(weights, activation), point.alpha, branch="all")
    assert point.branch == "typical" and point.free_entropy == pytest.approx(max(every.free_entropy), abs=1e-13)


@pytest.mark.slow
def test_a_student_may_overtake_before_knowing_nothing_becomes_unstable():
    """cos(3u): from the equations alpha(R) and the equality of free entropies, C(q) by its Mehler series."""
    found = rp.transitions(learner("spherical", sp.cos(3 * rp.models.field)))

    def rho(q):
        return (math.cosh(9 * q) - 1) / (math.cosh(9) - 1)

    def load(R):
        slope = 9 * math.sinh(9 * R) / (math.cosh(9) - 1)
        return R / (1 - R) / (2 * slope * learning(rho(R))[1])

    def gain(R):
        return 0.5 * (math.log(1 - R) + R) + load(R) * (learning(rho(R))[0] + math.log(2))

    equal = brentq(gain, 0.95, 0.999, xtol=1e-13)
    assert found.alpha_it.value == pytest.approx(load(equal), abs=THRESHOLD)
    h = 1e-5
    fold = brentq(lambda R: (load(R + h) - load(R - h)) / (2 * h), 0.85, 0.96, xtol=1e-9)
    assert found.spinodal.value == pytest.approx(load(fold), abs=THRESHOLD)


def test_states_that_share_nothing_break_first():
    """u^3 - 3u: C = q^3, q_0 = 0; alpha = min_r (1/2) log(1+r)/-log[(1 + (1+r/3)^-1/2)/2]."""
    u = rp.models.field
    found = rp.capacity(tree(activation=u**3 - 3 * u), "1rsb")
    r = found.order_parameters["r"]

    def alpha(r):
        return 0.5 * math.log1p(r) / -math.log(0.5 * (1 + (1 + r / 3) ** -0.5))

    assert found.value == pytest.approx(alpha(r), rel=1e-12) and found.value == pytest.approx(3.950706278, abs=1e-8)
    assert alpha(0.99 * r) > found.value < alpha(1.01 * r) and found.order_parameters["q0"] == 0
    assert "and stable." in rp.capacity(tree(activation=u**3 - 3 * u)).statement


def test_breaking_that_hardly_lowers_a_capacity_widens_its_error():
    model = tree(activation=sp.erf(rp.models.field / 10))
    symmetric, broken = rp.capacity(model), rp.capacity(model, "1rsb")
    assert broken.ansatz == "rs" and broken.value == symmetric.value and 1e-9 < broken.error < 1e-8


def test_whether_overlap_vanishes_depends_on_the_variance_of_the_units():
    u = rp.models.field
    three, two = (learner("ternary", u**3 - c * u) for c in (3, 2))  # u^3 - 2u is a Hermite polynomial at variance 2/3
    assert (three.even, two.even) == (False, True) and learner("binary", u**3 - 3 * u).even


@pytest.mark.slow
def test_an_instability_after_a_discontinuous_transition_is_not_physical():
    found = rp.at_line(tree(activation=sp.sin(2 * rp.models.field)))
    assert found.physical is False and "discontinuous" in found.message and rp.at_line(tree(activation=RELU)).physical


def test_error_of_infinitely_many_units_in_closed_form():
    R = sp.Symbol("R", real=True)
    for model, value in ((tree(task="teacher-student"), 0.5), (of_teacher("spherical"), 0.0)):
        rho = float(sp.cos(sp.pi * rp.generalization_error(model).subs(R, value)))
        assert rho == pytest.approx(2 / math.pi * math.asin(0.5) if value else 2 / math.pi, abs=1e-14)
    assert rp.generalization(of_teacher("spherical"), 0.0).eps_gibbs == pytest.approx(0.5, abs=1e-15)
