"""Franz-Parisi entropy: points that are known exactly, derivatives along curves, bounds, continuity, errors, statuses, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr

import replicas as rp
from replicas.models import Discrete
from replicas.theory import franz_parisi as module
from replicas.theory.franz_parisi import Curve, franz_parisi, isolation
from replicas.theory.symmetric_bounds import first_moment_bound, jensen_bound

EXACT = 1e-10  # asked of points that are known
SOLVED = 1e-8  # asked of the entropy
SEXTIC = 2e-9  # of a sixth-order difference quotient with the step below, in units of 1/d
STEP = 2e-3  # relative to d
WEIGHT = 1e-11  # |E[weight] - 1| on grids cut at 7 deviations of the reference
HONEST = 1e3  # how much larger than the true error an estimate may be, beside rounding
ROUNDING = 3e-14
DIFFERENCE = [(m * s, s * c) for m, c in ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60)) for s in (1, -1)]

MODEL = rp.Perceptron()
SPHERE = rp.Perceptron(weights="spherical")
WINDOW = rp.Perceptron(kappa=1.0, likelihood="window")
STOCHASTIC = {"reference": "stochastic", "q_star": 0.8, "beta": 20.0}


def H2(d):
    return -d * np.log(d) - (1 - d) * np.log1p(-d)


def deviations(model, alpha, offsets):
    """The curve around typical solutions at distances off the typical one."""
    point = rp.solve(model, alpha=alpha)
    middle = (1 - float(point.q)) / 2
    return point, franz_parisi(model, alpha, middle + np.asarray(offsets))


@pytest.mark.parametrize(
    "model, alpha",
    [
        (MODEL, 0.55),
        (WINDOW, 0.8),
        (SPHERE, 1.0),
        pytest.param(rp.Perceptron(kappa=0.5), 0.2, marks=pytest.mark.slow),
        pytest.param(rp.Perceptron(beta=2.0), 0.7, marks=pytest.mark.slow),
        pytest.param(rp.Perceptron(weights="spherical", kappa=-0.5), 2.0, marks=pytest.mark.slow),
    ],
)
def test_the_maximum_is_the_typical_distance(model, alpha):
    """reference_kappa = kappa: q = t = p = q~, entropy S_0, slope 0; and the quadratic top beside it, down to 1e-7."""
    offsets = np.array([-1e-2, -1e-3, -1e-4, -1e-5, -3e-7, 0.0, 3e-7, 1e-5, 1e-4, 1e-3])
    if model.even:
        offsets = offsets[:6]
    point, curve = deviations(model, alpha, offsets)
    assert set(curve.status) == {"converged"}
    top = 5
    assert curve.entropy[top] == pytest.approx(float(point.free_entropy), abs=EXACT)
    assert curve.slope[top] == 0 and curve.q[top] == curve.t[top] == float(point.q)
    assert curve.p[top] == pytest.approx(float(point.q), abs=1e-15)  # 1 - 2d as it was typed
    assert np.argmax(curve.entropy) == top or curve.entropy.max() - curve.entropy[top] < ROUNDING
    # S = S_0 + c off^2/2 and slope = c off, with one curvature from both sides
    off = offsets[np.abs(offsets) > 1e-6]
    curvature = curve.slope[np.abs(offsets) > 1e-6] / off
    near = curvature[np.abs(off) == 1e-5].mean()
    assert near < 0
    np.testing.assert_allclose(curvature, near, rtol=0.2 if abs(alpha) else 0, atol=0)
    small = np.abs(off) < 2e-4
    np.testing.assert_allclose(curvature[small], near, rtol=2e-3)
    got = curve.entropy[np.abs(offsets) > 1e-6] - curve.entropy[top]
    np.testing.assert_allclose(got[small], near * off[small] ** 2 / 2, atol=1e-3 * abs(near) * 1e-8 + 1e-13)


CURVES = [
    pytest.param(MODEL, 0.55, {}, 0.08, id="typical"),
    pytest.param(MODEL, 0.4, {"reference_kappa": 0.3}, 0.45, id="own margin"),
    pytest.param(MODEL, 0.55, {"reference": "spherical"}, 0.2, id="spherical"),
    pytest.param(MODEL, 0.55, STOCHASTIC, 0.3, id="stochastic", marks=pytest.mark.slow),
    pytest.param(rp.Perceptron(beta=3.0), 0.8, {}, 0.2, id="temperature", marks=pytest.mark.slow),
    pytest.param(WINDOW, 1.0, {"reference_kappa": 0.8}, 0.3, id="window"),
    pytest.param(SPHERE, 1.2, {"reference_kappa": 0.2}, 0.2, id="sphere", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("model, alpha, given, d", CURVES)
def test_the_multiplier_is_the_slope(model, alpha, given, d):
    steps = np.array([m for m, _ in DIFFERENCE])
    curve = franz_parisi(model, alpha, d * np.concatenate([[1.0], 1 + STEP * steps]), **given)
    assert set(curve.status) <= {"converged", "unphysical"}
    quotient = sum(c * s for (_, c), s in zip(DIFFERENCE, curve.entropy[1:])) / (STEP * d)
    assert curve.slope[0] == pytest.approx(quotient, abs=SEXTIC / d)
    assert np.all(curve.weight_error < WEIGHT)
    assert np.all(curve.residual < 1e-10)


def test_without_patterns_every_configuration_counts():
    d = np.array([0.0, 1e-3, 0.2, 0.5, 0.9, 1.0])
    r = franz_parisi(MODEL, 0.0, d)
    np.testing.assert_allclose(r.entropy[1:-1], H2(d[1:-1]), atol=1e-15)
    assert r.entropy[0] == r.entropy[-1] == 0
    np.testing.assert_allclose(r.slope[1:-1], np.log((1 - d[1:-1]) / d[1:-1]), atol=1e-14)
    r = franz_parisi(SPHERE, 0.0, d)
    p = 1 - 2 * d[1:-1]
    np.testing.assert_allclose(r.entropy[1:-1], 0.5 * np.log1p(-p * p), atol=1e-15)
    assert list(r.status) == ["diverges", *["converged"] * 4, "diverges"]


@pytest.mark.parametrize("given", [{}, pytest.param({"reference": "spherical"}, marks=pytest.mark.slow)])
def test_small_load_is_the_first_order_in_alpha(given):
    """S = H2(d) + alpha E log P(u > 0 | s) + O(alpha^2), u = (1-2d) s + noise the field of W, s that of the signs of the reference.

    Typical solutions: s is half-normal. The sphere's own field is half-normal, and s has correlation c = sqrt(2/pi) with it.
    """
    d = 0.3
    slopes = [(franz_parisi(MODEL, a, d, **given).entropy - H2(d)) / a for a in (0.005, 0.01)]
    s = np.linspace(-9, 9, 7201)
    c = math.sqrt(2 / math.pi)
    density = np.exp(-s * s / 2) * (ndtr(c * s / math.sqrt(1 - c * c)) if given else (s > 0) + 0.5 * (s == 0))
    rho = 1 - 2 * d
    want = np.trapezoid(density * log_ndtr(rho * s / math.sqrt(1 - rho * rho)), s) / np.trapezoid(density, s)
    assert 2 * slopes[0] - slopes[1] == pytest.approx(want, abs=2e-4)  # of the extrapolation in alpha
    assert abs(slopes[0] - want) < 0.02


@pytest.mark.slow
def test_a_symmetric_window_sees_both_solutions():
    """W and -W: S(d) = S(1-d), slopes and overlaps opposite; at d = 1/2 the entropy of the model whatever the reference."""
    d = np.array([0.05, 0.2, 0.45])
    for given in ({}, {"reference_kappa": 0.8}, {"reference": "spherical"}):
        left, right = (franz_parisi(WINDOW, 0.9, x, **given) for x in (d, 1 - d))
        np.testing.assert_allclose(left.entropy, right.entropy, atol=1e-13)
        np.testing.assert_allclose(left.slope, -right.slope, atol=1e-11)
        np.testing.assert_allclose(left.p, -right.p, atol=1e-13)
        middle = franz_parisi(WINDOW, 0.9, 0.5, **given)
        assert middle.entropy == pytest.approx(float(rp.solve(WINDOW, alpha=0.9).entropy), abs=EXACT)
        beside = franz_parisi(WINDOW, 0.9, 0.5 - 1e-5, **given)
        assert beside.entropy == pytest.approx(middle.entropy, abs=1e-9) and beside.slope == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("alpha, d", [(0.3, 0.35), (0.9, 0.2), (0.9, 0.05), (1.5, 0.1), (1.7, 0.4)])
def test_bounds_lie_above_the_quenched_entropy(alpha, d):
    quenched = franz_parisi(WINDOW, alpha, d)
    jensen, first = jensen_bound(1.0, alpha, d), first_moment_bound(1.0, alpha, d)
    assert quenched.entropy < jensen.value < first.value
    for average, bound in (("jensen", jensen), ("first-moment", first)):
        found = franz_parisi(WINDOW, alpha, d, average=average)
        assert (found.entropy, found.slope, found.branch) == (bound.value, bound.slope, "upper bound")


@pytest.mark.slow
def test_a_reference_without_constraints_is_any_configuration():
    """reference_kappa -> -inf: W~ is uniform, q~ -> 0, and W at distance d from a fixed W~ is any W with a ferromagnetic field.

    By the gauge symmetry of the patterns that is the entropy of solutions with magnetisation 1 - 2d, an RS problem of its own:
    extr{-q_hat(1-q)/2 - m_hat m + E log 2cosh(sqrt(q_hat) z + m_hat) + alpha E log H(.)}, m = 1 - 2d.
    """
    x = np.linspace(-9, 9, 721)
    w = np.exp(-x * x / 2)
    w /= w.sum()
    alpha, d = 0.4, 0.3

    def magnetisation(q_hat, m_hat):
        return w @ np.tanh(math.sqrt(q_hat) * x + m_hat)

    q = (1 - 2 * d) ** 2
    for _ in range(400):
        u = -math.sqrt(q / (1 - q)) * x
        mills = np.exp(-u * u / 2 - log_ndtr(-u)) / math.sqrt(2 * math.pi)
        q_hat = alpha / (1 - q) * (w @ mills**2)
        m_hat = brentq(lambda h, q_hat=q_hat: magnetisation(q_hat, h) - (1 - 2 * d), 0, 20, xtol=1e-15)
        q = w @ np.tanh(math.sqrt(q_hat) * x + m_hat) ** 2
    h = math.sqrt(q_hat) * x + m_hat
    want = -q_hat * (1 - q) / 2 - m_hat * (1 - 2 * d) + w @ np.logaddexp(h, -h) + alpha * (w @ log_ndtr(math.sqrt(q / (1 - q)) * x))
    near = [franz_parisi(MODEL, alpha, d, reference_kappa=k).entropy for k in (-3.0, -3.5, -4.0)]
    gaps = np.abs(np.array(near) - want)
    assert gaps[2] < 1e-4 and gaps[2] < gaps[1] < gaps[0]


@pytest.mark.slow
def test_high_margins_are_flatter():
    """More solutions nearby the larger the margin of the reference, at small distance; the reverse does not hold far away."""
    d = [0.02, 0.05]
    curves = [franz_parisi(MODEL, 0.4, d, reference_kappa=k).entropy for k in (0.0, 0.15, 0.3)]
    assert np.all(curves[0] < curves[1]) and np.all(curves[1] < curves[2])


@pytest.mark.slow
@pytest.mark.parametrize("given", [{}, {"reference": "spherical"}, STOCHASTIC])
def test_points_do_not_depend_on_what_else_is_asked(given):
    d = np.array([0.12, 0.2, 0.3, 0.45])
    together = franz_parisi(MODEL, 0.5, d, **given)
    for i in (0, 2):
        alone = franz_parisi(MODEL, 0.5, float(d[i]), **given)
        assert alone.entropy == pytest.approx(together.entropy[i], abs=1e-12)
        assert alone.slope == pytest.approx(together.slope[i], abs=1e-9)
        assert isinstance(alone.entropy, float)
    shuffled = franz_parisi(MODEL, 0.5, d[::-1], **given)
    np.testing.assert_allclose(shuffled.entropy[::-1], together.entropy, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("model, alpha, given, d", CURVES)
def test_no_jumps_on_a_fine_grid(model, alpha, given, d):
    """Second differences of S, q and t along the curve are themselves smooth."""
    grid = np.linspace(0.08, 0.46, 41)  # the branch around the sphere's solutions turns steep below
    r = franz_parisi(model, alpha, grid, **given)
    assert set(r.status) <= {"converged", "unphysical"}
    for values in (r.entropy, r.q, r.t):
        bends = np.diff(values, 2)
        assert np.max(np.abs(np.diff(bends, 2))) < 0.3 * np.max(np.abs(bends)) + 1e-10


def test_sweeps_broadcast():
    d, alpha = np.array([0.1, 0.3]), np.array([[0.3], [0.5], [0.0]])
    r = franz_parisi(MODEL, alpha, d)
    assert r.entropy.shape == (3, 2)
    assert r.entropy[1, 1] == pytest.approx(franz_parisi(MODEL, 0.5, 0.3).entropy, abs=1e-12)
    np.testing.assert_allclose(r.entropy[2], H2(d), atol=1e-14)


AUDIT = [
    (MODEL, 0.55, {}, [0.004, 0.03, 0.2, 0.5]),
    (MODEL, 0.8, {}, [0.02, 0.2]),
    (MODEL, 0.3, {"reference": "spherical"}, [0.05, 0.4]),
    (MODEL, 0.55, STOCHASTIC, [0.1, 0.4]),
    (WINDOW, 1.5, {}, [0.02, 0.3]),
    (rp.Perceptron(kappa=-0.5), 1.0, {"reference_kappa": -0.3}, [0.1, 0.4]),
    (SPHERE, 1.8, {}, [0.05, 0.25]),  # its branch ends at 0.2904
]


@pytest.mark.slow
@pytest.mark.parametrize("model, alpha, given, d", AUDIT)
def test_errors_cover_a_finer_evaluation(monkeypatch, model, alpha, given, d):
    """Every number against grids 2.5 times as dense throughout the solution."""
    plain = franz_parisi(model, alpha, d, **given)
    for kind in (module.Binary, module.Sphere):
        original = kind.evaluate
        monkeypatch.setattr(kind, "evaluate", lambda self, x, d, quality=1.0, original=original: original(self, x, d, 2.5 * quality))
    fine = franz_parisi(model, alpha, d, **given)
    assert list(plain.status) == list(fine.status)
    for name in ("entropy", "slope", "q", "t", "p"):
        true = np.abs(getattr(plain, name) - getattr(fine, name))
        claimed = plain.errors[name] + fine.errors[name]
        assert np.all(true <= 1.5 * claimed + 1e-15), name
        assert np.all(plain.errors[name] < HONEST * np.maximum(true, ROUNDING * (1 + np.abs(getattr(plain, name))) * 100)), name
    assert np.all(plain.errors["entropy"] < SOLVED)


def test_where_one_configuration_is_left():
    for reference_kappa, zero in ((None, "converged"), (0.3, "converged"), (-0.3, "no-solution")):
        r = franz_parisi(MODEL, 0.3, [0.0, 1.0], reference_kappa=reference_kappa)
        assert list(r.status) == [zero, "no-solution"]
        assert r.entropy[0] == 0 or zero == "no-solution"
    assert set(franz_parisi(MODEL, 0.3, [0.0, 1.0], reference="spherical").status) == {"no-solution"}
    assert set(franz_parisi(SPHERE, 0.3, [0.0, 1.0]).status) == {"diverges"}


def test_both_copies_of_a_symmetric_reference_are_solutions():
    r = franz_parisi(WINDOW, 0.3, [0.0, 1.0])
    assert list(r.status) == ["converged", "converged"] and list(r.entropy) == [0.0, 0.0] and list(r.p) == [1.0, -1.0]


def test_statuses_are_named():
    r = franz_parisi(MODEL, 0.9, 0.2)
    assert r.status == "no-solution" and f"{rp.capacity(MODEL).value:.10g}" in r.message and "0.9" in r.message and math.isnan(r.entropy)
    r = franz_parisi(MODEL, 0.4, 0.2, reference_kappa=1.0)
    edge = rp.capacity(rp.Perceptron(kappa=1.0)).value
    assert r.status == "no-solution" and f"{edge:.6f}"[:6] in r.message and "margin 1" in r.message
    r = franz_parisi(MODEL, 0.55, [0.005, 0.2])
    assert list(r.status) == ["unphysical", "converged"] and r.entropy[0] < -r.errors["entropy"][0]


@pytest.mark.slow
def test_an_ended_branch_names_the_last_distance():
    """Far from the reference q reaches 1 at a finite distance: the curve exists up to the one named, and not beyond the other."""
    r = franz_parisi(MODEL, 0.55, 0.9)
    assert r.status == "branch-ended" and math.isnan(r.entropy)
    last = float(r.message.split()[-1])
    inside = franz_parisi(MODEL, 0.55, 0.98 * last)
    assert 0.6 < last < 0.9 and inside.status == "unphysical" and inside.q > 0.8


@pytest.mark.parametrize(
    "given, words",
    [
        ({"distance": 1.2}, "distance: got 1.2; takes number(s) in [0, 1]"),
        ({"distance": -0.1}, "distance"),
        ({"distance": math.nan}, "distance"),
        ({"distance": None}, "distance"),
        ({"alpha": -0.1}, "alpha"),
        ({"alpha": [0.1, 0.2, 0.3], "distance": [0.1, 0.2]}, "takes arrays that broadcast"),
        ({"reference": "planted"}, "reference: got 'planted'; takes typical, spherical, stochastic"),
        ({"reference": "stochastic"}, "missing; reference stochastic takes"),
        ({"reference": "stochastic", "q_star": 1.3, "beta": 2.0}, "q_star"),
        ({"reference": "stochastic", "q_star": 0.5, "beta": -2.0}, "beta"),
        ({"reference": "stochastic", "q_star": 0.5, "beta": 2.0, "reference_kappa": 0.1}, "reference_kappa"),
        ({"q_star": 0.5}, "q_star, beta"),
        ({"reference_kappa": math.inf}, "reference_kappa"),
        ({"average": "annealed"}, "average: got 'annealed'; takes quenched, first-moment, jensen"),
        ({"average": "jensen"}, "average"),
        ({"model": rp.Perceptron(task="teacher-student")}, "task: got teacher-student; takes storage"),
        ({"model": rp.Perceptron(weights="ternary")}, "weights: got ternary"),
        ({"model": rp.Perceptron(weights=Discrete([-2, -1, 1, 2]))}, "weights"),
        ({"model": rp.TreeCommittee(K=3)}, "model"),
        ({"model": rp.StochasticPerceptron(q_star=0.5, beta=1.0)}, "model"),
        ({"model": SPHERE, "reference": "stochastic", "q_star": 0.5, "beta": 1.0}, "reference"),
        ({"model": WINDOW, "reference_kappa": -1.0}, "kappa"),
    ],
)
def test_bad_input_is_refused_in_one_line(given, words):
    given = {"model": MODEL, "alpha": 0.4, "distance": 0.2, **given}
    with pytest.raises(ValueError) as error:
        franz_parisi(**given)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.slow
def test_isolation_is_the_zero_of_the_curve():
    found = isolation(MODEL, 0.55)
    assert found.status == "converged"
    independent = brentq(lambda d: franz_parisi(MODEL, 0.55, d).entropy, 0.009, 0.012, xtol=1e-12)
    assert found.value == pytest.approx(independent, abs=2e-12)
    assert found.error < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["typical", "spherical"])
def test_isolation_where_the_curve_is_entered_below_zero(reference):
    found = isolation(MODEL, 0.815, reference)
    assert found.status == "converged"
    at = franz_parisi(MODEL, 0.815, found.value * np.array([0.999, 1.001]), reference)
    assert at.entropy[0] < 0 < at.entropy[1]


def test_no_isolation_distance_without_solutions_or_where_entropies_are_relative():
    assert isolation(MODEL, 0.9).status == "no-solution"
    with pytest.raises(ValueError, match="weights: got spherical"):
        isolation(SPHERE, 0.5)
    with pytest.raises(ValueError, match="alpha"):
        isolation(MODEL, 0.0)


@pytest.mark.slow
def test_a_reference_almost_like_the_constrained_weights():
    """Small loads: where the two measures nearly agree gamma is small and b turns within a narrow range of distances."""
    for alpha in (0.1, 0.02):
        d = np.linspace(0.2, 0.6, 9)
        r = franz_parisi(MODEL, alpha, d, "spherical")
        assert set(r.status) == {"converged"}
        assert np.all(np.diff(r.slope) < 0)
        assert r.entropy.max() < float(rp.solve(MODEL, alpha=alpha).entropy) + SOLVED


@pytest.mark.slow
def test_the_entropy_stays_below_that_of_all_solutions():
    """Solutions at one distance are some of all: S(d) <= S_0, for every reference."""
    whole = float(rp.solve(MODEL, alpha=0.5).entropy)
    for given in ({}, {"reference": "spherical"}, STOCHASTIC, {"reference_kappa": 0.2}):
        r = franz_parisi(MODEL, 0.5, [0.2, 0.25, 0.3, 0.35, 0.4], **given)
        assert np.all(r.entropy <= whole + EXACT)


def test_the_curve_object_says_whether_measures_agree():
    assert Curve(MODEL, 0.3, "typical", None, None, None).same and Curve(MODEL, 0.3, "typical", 0.0, None, None).same
    assert not Curve(MODEL, 0.3, "typical", 0.1, None, None).same and not Curve(MODEL, 0.3, "spherical", None, None, None).same


@pytest.mark.parametrize(
    "given", [{"reference": "spherical"}, pytest.param({"reference": "stochastic", "q_star": 0.8, "beta": 20.0}, marks=pytest.mark.slow)]
)
def test_the_zero_is_found_beside_the_end_of_the_branch(given):
    """Around q* = 0.8 the entropy turns negative between the last stride and the end of the branch."""
    zero = rp.isolation(rp.Perceptron(), 0.55, **given)
    above, below = rp.franz_parisi(rp.Perceptron(), 0.55, zero.value * np.array([1.05, 0.97]), **given).entropy
    assert zero.status == "converged" and below < 0 < above


def test_a_branch_that_ends_with_solutions_says_so():
    found = rp.isolation(rp.Perceptron(), 0.55, reference_kappa=0.1)
    assert found.value is None and found.status == "branch-ended" and "still positive" in found.message


@pytest.mark.slow
def test_counting_errors_the_maximum_is_the_free_entropy():
    model = rp.Perceptron(beta=2.0)
    point = rp.solve(model, alpha=0.5)
    middle = (1 - point.q) / 2
    found = rp.franz_parisi(model, 0.5, middle + np.array([-1e-2, -2e-4, -1e-5, 0.0, 2e-4]))
    assert found.entropy[3] == pytest.approx(point.free_entropy, abs=1e-12)
    assert np.all(np.diff(found.entropy[:4]) > 0) and found.entropy[4] < found.entropy[3]
    assert "free entropy" in found.statement


SLOW = pytest.mark.slow


@pytest.mark.parametrize("alpha", [pytest.param(0.3, marks=SLOW), 0.55, pytest.param(0.7, marks=SLOW)])
def test_every_distance_beside_the_typical_one_is_answered(alpha):
    middle = (1 - rp.solve(MODEL, alpha=alpha).q) / 2
    off = np.array([-1e-3, -3e-4, -1.5e-4, -1e-4, -5e-5, 5e-5, 1e-4, 1.5e-4, 3e-4, 1e-3])
    found = rp.franz_parisi(MODEL, alpha, middle + off)
    assert np.all(found.status == "converged")
    top = rp.solve(MODEL, alpha=alpha).entropy
    bend = (found.entropy - top) / off**2  # a parabola with a cubic term
    assert np.ptp(bend) < 0.05 * abs(bend.mean()) and bend.mean() < 0


def test_bounds_know_whether_the_reference_exists():
    window = rp.Perceptron(likelihood="window", kappa=1.0)
    assert rp.franz_parisi(window, 1.9, 0.1, average="jensen").status == "no-solution"
    assert rp.franz_parisi(window, 1.2, 0.01, average="first-moment").status == "unphysical"


# --- beside references with room to spare ------------------------------------------------------------------------------------


def taken_away(alpha, kappa, margin, d):
    """alpha E log P(the noise violates no pattern), by another sum: the field of a typical solution given its mean, then that mean."""
    q = rp.solve(rp.Perceptron(kappa=margin), alpha=alpha).q
    p, noise = 1 - 2 * d, 2 * math.sqrt(d * (1 - d))
    mean = math.sqrt(q) * np.linspace(-8, 8, 401)
    weight = np.exp(-(mean**2) / (2 * q))
    u = margin + np.geomspace(1e-9, 20, 40001)
    chance = np.exp(-((u - mean[:, None]) ** 2) / (2 * (1 - q))) / math.sqrt(2 * math.pi * (1 - q)) / ndtr((mean - margin) / math.sqrt(1 - q))[:, None]
    return alpha * float(np.trapezoid(weight @ chance / weight.sum() * log_ndtr((p * u - kappa) / noise), u))


@pytest.mark.parametrize("kappa, margin, alpha", [(-0.5, 0.5, 0.3), (0.0, 1.0, 0.1), (0.0, 0.3, 0.55)])
def test_next_to_a_reference_inside_the_solutions_all_is_free(kappa, margin, alpha):
    """The curve goes on to d -> 0, below H2, where the saddle can not be followed, with an error that covers two orders."""
    d = np.array([0.03, 0.01, 0.003, 1e-3, 1e-4]) * (1.0 if margin > 0.4 else 0.1)
    r = franz_parisi(rp.Perceptron(kappa=kappa), alpha, d, reference_kappa=margin)
    assert list(r.status) == ["converged"] * 5 and np.all(r.entropy < H2(d) + r.error)
    assert np.all(np.diff(r.error[np.argsort(d)]) >= -1e-15) and r.error[-1] < EXACT
    for i in range(1, 5):
        assert r.entropy[i] - H2(d[i]) == pytest.approx(taken_away(alpha, kappa, margin, d[i]), abs=r.error[i] + 1e-8)


def test_the_expansion_beside_a_reference_covers_what_the_saddle_gives():
    """From roots farther away it gives, within its errors, roots that are nearer."""
    curve = Curve(rp.Perceptron(kappa=-0.5), 0.3, "typical", 0.5, None, None)
    system = curve.system(curve.reference()[0], 0.3)
    expansion = curve._expansion(system)
    (branch, _), *_ = curve._both_ways(system, curve._enter(system), np.array([0.04, 0.05, 0.06]), module.Span())
    far, middle, near = branch
    for root, target in ((far, middle), (far, near), (middle, near)):
        found, state = expansion.beyond(root, target.distance), target.state
        exact = {"entropy": state.entropy, "slope": 2 * state.multiplier, "q": state.q, "t": state.t}
        assert all(abs(found.number[k] - exact[k]) <= found.error[k] + ROUNDING for k in exact)


def test_no_expansion_around_references_at_the_edge():
    for model, given in ((MODEL, None), (MODEL, -0.3), (SPHERE, 0.3), (rp.Perceptron(beta=2.0), 0.3)):
        curve = Curve(model, 0.3, "typical", given, None, None)
        assert curve._expansion(curve.system(curve.reference()[0], 0.3)) is None
