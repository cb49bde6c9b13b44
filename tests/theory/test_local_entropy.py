"""Local entropy: limits that must hold, derivatives along curves, where branches end, and the load at which they break."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.optimize import root
from scipy.special import ndtr

import replicas as rp
from replicas.numerics.local_reference import Unconstrained, replica_symmetric
from replicas.numerics.local_system import Path, newton
from replicas.numerics.saddle import make_batch
from replicas.theory.local_curve import STAR, BinaryCurve
from replicas.theory.local_entropy import local_entropy
from replicas.theory.local_entropy_threshold import local_entropy_threshold

EXACT = 1e-10  # asked of y = 1 and alpha = 0
SOLVED = 1e-8  # asked of local entropies
DIFFERENCE = 1e-4  # of d in a central difference: error 1e-8 times a third derivative, which is of order 1/d^2
SLOPE = 2e-6  # relative, times 1/d
HONEST = 1e3  # how much larger than the true error an estimate may be, beside rounding
FLOOR = 1e-11
MODEL, TEACHER = rp.Perceptron(), rp.Perceptron(task="teacher-student")
WINDOW = rp.Perceptron(kappa=1.0, likelihood="window")


def H2(d):
    return -d * math.log(d) - (1 - d) * math.log(1 - d)


@pytest.mark.parametrize("model", [MODEL, TEACHER, WINDOW, rp.Perceptron(kappa=-0.5)])
def test_y_of_one_is_a_typical_pair(model):
    d = np.array([0.08, 0.2, 0.4, 0.5, 0.7])
    r = local_entropy(model, 0.4, d, y=1)
    typical = float(rp.solve(model, alpha=0.4).free_entropy)
    assert list(r.status) == ["converged"] * d.size
    np.testing.assert_allclose(r.local_entropy + r.external_entropy, [typical + H2(x) for x in d], atol=EXACT, rtol=0)
    assert r[3].local_entropy == pytest.approx(typical, abs=EXACT)


@pytest.mark.parametrize("y", [0.5, 7, "inf", "star"])
def test_without_patterns(y):
    d = np.array([0.0, 0.02, 0.5, 0.9])
    r = local_entropy(MODEL, 0.0, d, y=y)
    np.testing.assert_allclose(r.local_entropy, [0.0 if x == 0 else H2(x) for x in d], atol=EXACT, rtol=0)
    np.testing.assert_allclose(r.external_entropy, math.log(2), atol=EXACT, rtol=0)


def free_entropy_of_a_window(y, d, alpha, order, kappa=1.0):
    """phi(y) at given order parameters on plain grids, of the replicated partition function (PHYSICS, section 4)."""
    X = np.arange(-9, 9.01, 0.1)
    w = np.exp(-X * X / 2)
    w /= w.sum()
    e = np.arange(-20, 20.01, 0.08)
    inside = -e * e / 2 + math.log(0.08 / math.sqrt(2 * math.pi))

    def average(f):
        top = f.max(axis=1, keepdims=True)
        return top[:, 0] + np.log(np.exp(f - top).sum(axis=1))

    q1, q0, p_hat, q1_hat, q0_hat = order
    V, gap, gap_hat = 1 - q1, q1 - q0, q1_hat - q0_hat
    h = math.sqrt(max(q0_hat, 0)) * X[:, None] + math.sqrt(gap_hat) * e
    sites = [average(y * np.logaddexp(h + s * p_hat, -h - s * p_hat) + inside) for s in (1, -1)]
    u = math.sqrt(max(q0, 0)) * X[:, None] + math.sqrt(gap) * e
    leaf = np.log(np.maximum(ndtr((kappa - u) / math.sqrt(V)) - ndtr((-kappa - u) / math.sqrt(V)), 1e-290))
    algebra = -y * p_hat * (1 - 2 * d) - y * (y - 1) / 2 * q1_hat * q1 + y * y / 2 * q0_hat * q0 - y / 2 * q1_hat
    return algebra + w @ np.logaddexp(*sites) + alpha * (w @ average(y * leaf + inside))


@pytest.mark.parametrize("y", [11.0, "star"])
def test_references_of_a_window_gain_an_overlap(y):
    """q0 = 0 is unstable at kappa = 1, alpha = 1.2, d = 0.1 and large y: the answer is the saddle with q0 > 0."""
    r = local_entropy(WINDOW, 1.2, 0.1, y=y)
    assert r.status in ("converged", "unphysical") and r.stable is None and r.q0 > 0.1
    order = [getattr(r, name) for name in ("q1", "q0", "p_hat", "q1_hat", "q0_hat")]
    phi = free_entropy_of_a_window(r.y, 0.1, 1.2, order)
    assert phi == pytest.approx(r.external_entropy + r.y * r.local_entropy, abs=SOLVED)
    for i in range(5):
        step = 1e-4 * order[i]
        up, down = (free_entropy_of_a_window(r.y, 0.1, 1.2, [v + s * (i == j) for j, v in enumerate(order)]) for s in (step, -step))
        assert abs(up - down) / (2e-4) < 1e-5
    plain = Unconstrained(make_batch(WINDOW, 1.2))  # the saddle at q0 = 0, by Newton from there
    symmetric = newton(plain, plain.pack(0.0, r.q1, 1 - r.q1, r.p_hat), r.y, 0.1)
    assert symmetric.ok and symmetric.values.phi > phi and plain.growth(symmetric.x, r.y) > 1
    by_y = [free_entropy_of_a_window(r.y + s, 0.1, 1.2, order) for s in (1e-3, -1e-3)]
    assert (by_y[0] - by_y[1]) / 2e-3 == pytest.approx(r.local_entropy, abs=SOLVED)


def test_references_of_a_window_without_overlap_are_stable_at_small_y():
    r = local_entropy(WINDOW, 1.2, 0.1, y=[2.0, 8.0, 11.0])
    assert list(r.stable) == [True, True, None] and list(r.q0 > 0) == [False, False, True]
    system = Unconstrained(make_batch(WINDOW, 1.2))
    growth = [system.growth(system.pack(0.0, q1, 1 - q1, p_hat), y) for y, q1, p_hat in zip(r.y[:2], r.q1, r.p_hat)]
    assert 0 < growth[0] < growth[1] < 1


@pytest.mark.slow
def test_bounds_at_large_y_come_from_stable_references():
    """Beside d = 1/2 S_E = 0 takes more y than is followed; q0 = 0, unstable there, would give 0.2340715 with an error of 2e-11."""
    found, at = local_entropy(WINDOW, 1.2, 0.45), local_entropy(WINDOW, 1.2, 0.45, y=2000.0)
    assert found.y is None and at.q0 > 0 and at.external_entropy > 0 and at.stable is None
    low, high = at.local_entropy, at.local_entropy + at.external_entropy / at.y  # S_I(y) <= S_I(y*) <= phi(y)/y
    assert low < found.local_entropy + found.error and found.local_entropy - found.error < high < low + 5e-5  # narrow enough to refuse 0.23407
    assert 0 < found.error < 1e-5 and found.local_entropy < float(rp.solve(WINDOW, alpha=1.2).entropy)


def test_a_free_entropy_may_be_negative():
    r = local_entropy(rp.Perceptron(beta=1.0), 3.0, 0.1, y=2)
    assert r.status == "converged" and r.local_entropy < 0 and "free entropy" in r.statement


def test_small_load_approaches_no_load():
    for d in (0.1, 0.3):
        gaps = [H2(d) - local_entropy(MODEL, a, d, y=4).local_entropy for a in (1e-3, 2e-3)]
        assert 0 < gaps[0] < gaps[1] < 2.2 * gaps[0]


@pytest.mark.parametrize("model, alpha", [(MODEL, 0.6), (TEACHER, 0.7), (WINDOW, 0.5)])
def test_curve_without_external_entropy(model, alpha):
    d = np.array([0.015, 0.04, 0.07, 0.1])
    r = local_entropy(model, alpha, d)
    assert list(r.status) == ["converged"] * d.size and not any(r.jump)
    assert np.max(np.abs(r.external_entropy)) < EXACT
    assert np.max(r.error) < SOLVED
    assert np.all(r.local_entropy < [H2(x) for x in d])
    up, down = (local_entropy(model, alpha, d + e).local_entropy for e in (DIFFERENCE, -DIFFERENCE))
    np.testing.assert_allclose((up - down) / (2 * DIFFERENCE), r.slope, rtol=SLOPE / d[0])


@pytest.mark.parametrize("y", [3, "inf"])
def test_slopes_at_given_y(y):
    d = np.array([0.05, 0.12])
    r = local_entropy(MODEL, 0.5, d, y=y)
    up, down = (local_entropy(MODEL, 0.5, d + e, y=y).local_entropy for e in (DIFFERENCE, -DIFFERENCE))
    np.testing.assert_allclose((up - down) / (2 * DIFFERENCE), r.slope, rtol=SLOPE / d[0])


def test_local_entropy_grows_with_y_and_external_falls():
    """d S_E/dy = -y d S_I/dy, so that S_E = 0 lies between its neighbours in y and below y = inf."""
    star = local_entropy(MODEL, 0.6, 0.05)
    r = local_entropy(MODEL, 0.6, 0.05, y=[5, star.y * 0.9, star.y, star.y * 1.1, 100, "inf"])
    assert np.all(np.diff(r.local_entropy) > 0) and np.all(np.diff(r.external_entropy) < 0)
    assert r[2].local_entropy == pytest.approx(star.local_entropy, abs=SOLVED)
    assert list(r.status) == ["converged"] * 3 + ["unphysical"] * 3 or list(r.status[:2]) == ["converged"] * 2
    assert r[5].local_entropy > star.local_entropy
    rise, fall = np.diff(r.local_entropy)[1:3], np.diff(r.external_entropy)[1:3]
    np.testing.assert_allclose(-fall / rise, star.y * np.array([0.95, 1.05]), rtol=5e-3)


@pytest.mark.parametrize("y", [2.5, "star", "inf"])
def test_reference_and_its_mirror_image(y):
    here, there = (local_entropy(TEACHER, 0.6, d, y=y) for d in (0.06, 0.94))
    assert there.local_entropy == pytest.approx(here.local_entropy, abs=FLOOR)
    assert there.slope == pytest.approx(-here.slope, abs=SLOPE)
    assert there.eps_reference == pytest.approx(1 - here.eps_reference, abs=FLOOR)
    assert there.eps_solutions == pytest.approx(here.eps_solutions, abs=FLOOR)


def test_dense_clusters_generalise_better():
    """The centre of a dense cluster against a typical student, and typical references at y = 1."""
    alpha, d = 0.8, 0.1
    typical = math.acos(float(rp.solve(TEACHER, alpha=alpha).R)) / math.pi
    star = local_entropy(TEACHER, alpha, d)
    assert star.eps_reference < star.eps_solutions < typical
    one = local_entropy(TEACHER, alpha, d, y=1)
    assert one.eps_solutions == pytest.approx(typical, abs=EXACT)
    assert math.cos(math.pi * one.eps_reference) == pytest.approx((1 - 2 * d) * math.cos(math.pi * typical), abs=EXACT)
    assert local_entropy(MODEL, alpha, 0.1).eps_reference is None


@pytest.mark.parametrize("y, d", [("star", 0.01), ("star", 0.12), (300, 0.05), ("inf", 0.03)])
def test_errors_are_honest(y, d):
    """Against quadratures three times finer."""
    r = local_entropy(MODEL, 0.5, d, y=y)
    curve = BinaryCurve(make_batch(MODEL, 0.5), {"star": STAR, "inf": math.inf}.get(y, y))
    anchor, _ = curve.anchor(0.1)
    saddle, reached = Path(curve._family, "d", anchor, curve.star).advance(anchor, d)
    fine = Path(curve._family, "d", saddle, curve.star, 3.0)
    best = fine.newton(fine.unknowns(saddle), fine.place(saddle), d)
    assert reached and best.ok
    true = abs(best.values.local_entropy - r.local_entropy)
    assert true <= r.error <= HONEST * true + FLOOR * 10


@pytest.mark.slow
def test_diverging_y_is_bounded_by_its_limit():
    """Where S_E = 0 takes a larger y than is followed, S_I is between a solved neighbour and the limit y -> inf, or H2(d)."""
    r = local_entropy(MODEL, 0.3, [0.01, 0.002])
    assert list(r.status) == ["converged"] * 2 and np.all(np.isnan(r.y)) and "bounds" in r[0].message
    near = local_entropy(MODEL, 0.3, [0.01, 0.002], y=6000)
    assert np.all(near.external_entropy > 0)
    high = [local_entropy(MODEL, 0.3, 0.01, y="inf").local_entropy, H2(0.002)]
    assert np.all(near.local_entropy - SOLVED < r.local_entropy + r.error)
    assert np.all(r.local_entropy - r.error < high) and np.all(r.local_entropy < high) and np.all(r.error < 2e-4)


def test_generalization_where_y_is_only_bounded(monkeypatch):
    """With S_E = 0 followed to a smaller y the errors of bounded answers cover the solved ones."""
    solved = local_entropy(TEACHER, 0.8, [0.1, 0.115])
    monkeypatch.setattr("replicas.numerics.local_system.MOST_Y", 40.0)
    monkeypatch.setattr("replicas.theory.local_curve.MOST_Y", 40.0)
    bounded = local_entropy(TEACHER, 0.8, [0.1, 0.115])
    assert np.all(solved.y > 40) and np.all(np.isnan(bounded.y)) and list(bounded.status) == ["converged"] * 2
    for name in ("local_entropy", "eps_reference", "eps_solutions"):
        true = np.abs(getattr(bounded, name) - getattr(solved, name))
        assert np.all(true <= bounded.errors[name]) and np.all(bounded.errors[name] < 30 * true + 1e-4), name


@pytest.mark.slow
def test_star_beyond_the_anchor():
    """At small loads S_E = 0 takes y beyond what is followed at every d: bounds all along."""
    r = local_entropy(MODEL, 0.03, [0.02, 0.2])
    assert list(r.status) == ["converged"] * 2 and np.all(np.isnan(r.y))
    assert np.all(np.abs(r.local_entropy - [H2(0.02), H2(0.2)]) < 0.03 * 1.5) and np.all(r.error < 2e-4)
    assert local_entropy(MODEL, 0.03, 0.2, y=1000).local_entropy < r[1].local_entropy + r[1].error


def test_beyond_the_sign_of_typical_states():
    """From d* = (1 - E|<w>|)/2 on S_I = S_0; below it y at S_E = 0 diverges and S_I tends to S_0."""
    _, typical = replica_symmetric(make_batch(MODEL, 0.8))
    r = local_entropy(MODEL, 0.8, [typical - 0.01, typical + 0.01])
    assert list(r.status) == ["converged", "no-solution"] and f"{typical:.6g}" in r[1].message
    assert r[1].local_entropy is None or math.isnan(r[1].local_entropy)
    S0 = float(rp.solve(MODEL, alpha=0.8).entropy)
    slope = local_entropy(MODEL, 0.8, typical - 0.01, y="inf").slope
    assert S0 - r[0].local_entropy == pytest.approx(0.5 * 0.01 * slope, rel=0.02)  # the slope vanishes linearly


def test_branch_that_ends_says_where():
    r = local_entropy(MODEL, 0.8, np.array([0.03, 0.06, 0.1]))
    assert list(r.status) == ["branch-ended", "converged", "converged"]
    last = float(r[0].message.split("d = ")[1].split(",")[0])
    assert 0.03 < last < 0.06
    assert local_entropy(MODEL, 0.8, last + 1e-3).status == "converged"
    assert local_entropy(MODEL, 0.8, last - 1e-3).status == "branch-ended"


def test_limits_that_are_not_taken():
    """Without an average field S_E falls by alpha log(2)/2 where y doubles, so that y = inf has none."""
    assert local_entropy(WINDOW, 0.5, 0.1, y="inf").status == "unsupported"
    faint = local_entropy(MODEL, 0.1, 0.003, y="inf")
    assert faint.status == "not-converged" and "H2" in faint.message
    far = local_entropy(WINDOW, 0.5, 0.1, y=[400, 800, 1600])
    np.testing.assert_allclose(np.diff(far.external_entropy), -0.25 * math.log(2), rtol=0.02)


@pytest.mark.slow
def test_constrained_references_at_infinite_y():
    """S_E = -inf, of which the answer says so; S_I bounds those of finite y, and lies below the unconstrained limit."""
    r = local_entropy(MODEL, 0.5, 0.2, y="inf", reference="constrained")
    assert r.status == "unphysical" and r.external_entropy == -math.inf and "-inf" in r.message
    finite = [local_entropy(MODEL, 0.5, 0.2, y=y, reference="constrained").local_entropy for y in (20, 40)]
    assert finite[0] < finite[1] < r.local_entropy
    assert json.loads(r.to_json())["status"] == "unphysical"
    free, unfelt = (local_entropy(MODEL, 0.5, 0.2, y="inf", **k) for k in ({}, {"reference": "constrained", "reference_kappa": -9.0}))
    assert r.local_entropy < unfelt.local_entropy == free.local_entropy and unfelt.external_entropy == free.external_entropy


def test_references_that_do_not_exist():
    """Above the capacity at their margin, or at that of the solutions."""
    r = local_entropy(MODEL, 0.5, 0.1, y=2, reference="constrained", reference_kappa=0.5)
    capacity = float(rp.capacity(rp.Perceptron(kappa=0.5)).value)
    assert r.status == "no-solution" and f"{capacity:.6f}"[:7] in r.message and "0.5" in r.message
    for model, load in ((MODEL, float(rp.capacity(MODEL).value)), (TEACHER, float(rp.transitions(TEACHER).alpha_it.value))):
        beyond = local_entropy(model, load + 0.01, 0.1, y=2)
        assert beyond.status == "no-solution" and f"{load:.6f}"[:7] in beyond.message


def test_high_margin_references_are_flatter():
    """More solutions around references of a larger margin, of which there are fewer."""
    found = [local_entropy(MODEL, 0.3, 0.1, y=1, reference="constrained", reference_kappa=k) for k in (-0.5, 0.0, 0.4)]
    assert [r.status for r in found] == ["converged"] * 3
    inner, outer = ([getattr(r, n) for r in found] for n in ("local_entropy", "external_entropy"))
    assert inner[0] < inner[1] < inner[2] and outer[0] > outer[1] > outer[2]


def test_branches_are_named():
    assert local_entropy(MODEL, 0.4, 0.1).branch == "dense"
    assert list(local_entropy(MODEL, 0.4, 0.1, y=[1, 3, "inf"]).branch) == ["typical", "tilted", "tilted"]
    assert local_entropy(MODEL, 0.4, 0.1, y=1, reference="constrained").branch == "tilted"


def test_spherical_weights():
    sphere = rp.Perceptron("spherical")
    found = local_entropy(sphere, 1.0, overlap=0.8, y=[3, "inf"], kappa=[[0.0], [-0.5]])
    assert found.shape == (2, 2) and set(found.status.ravel()) == {"converged"}
    own = local_entropy(rp.Perceptron("spherical", kappa=-0.5), 1.0, overlap=0.8, y=3)
    assert own.local_entropy == found[1, 0].local_entropy != found[0, 0].local_entropy


@pytest.mark.parametrize(
    "arguments, names",
    [
        ({"y": "star"}, "y: got 'star'"),
        ({"y": [2, "star"]}, "y: got 'star'"),
        ({"y": "3"}, "y: got '3'"),
        ({"overlap": None}, "overlap: got None"),
        ({"distance": 0.1}, "distance: got 0.1"),
        ({"beta": 2.0}, "beta: got 2.0"),
        ({"reference_kappa": 0.3}, "reference_kappa: got 0.3"),
        ({"reference": "constrained"}, "reference: got 'constrained'"),
    ],
)
def test_bad_arguments_of_spherical_weights(arguments, names):
    values = {"model": rp.Perceptron("spherical"), "alpha": 1.0, "overlap": 0.8, "y": 3} | arguments
    with pytest.raises(ValueError, match=names) as error:
        local_entropy(**values)
    assert "\n" not in str(error.value)


def test_broadcasting_and_output():
    r = local_entropy(MODEL, np.array([0.4, 0.5])[:, None], np.array([0.05, 0.1]), y=[2, "star"])
    assert r.shape == (2, 2) and r[1, 1].y > 10
    one = local_entropy(MODEL, 0.5, 0.1)
    assert one.local_entropy == pytest.approx(r[1, 1].local_entropy, abs=EXACT)
    out = json.loads(one.to_json())
    assert out["status"] == "converged" and float(out["local_entropy"]) == one.local_entropy
    margins = local_entropy(MODEL, 0.3, 0.05, kappa=[0.0, 0.5])
    assert margins[0].local_entropy > margins[1].local_entropy
    assert margins[1].local_entropy == pytest.approx(local_entropy(rp.Perceptron(kappa=0.5), 0.3, 0.05).local_entropy, abs=EXACT)


@pytest.mark.parametrize(
    "arguments, names",
    [
        ({"distance": 1.5}, "distance: got 1.5"),
        ({"distance": -0.1}, "distance: got -0.1"),
        ({"distance": math.nan}, "distance: got nan"),
        ({"distance": None}, "distance: missing"),
        ({"distance": "a"}, "distance: got 'a'"),
        ({"y": 0}, "y: got 0"),
        ({"y": -2}, "y: got -2"),
        ({"y": "many"}, "y: got 'many'"),
        ({"y": math.nan}, "y: got nan"),
        ({"alpha": -0.1}, "alpha: got -0.1"),
        ({"overlap": 0.5}, "overlap: got 0.5"),
        ({"reference": "typical"}, "reference: got 'typical'"),
        ({"reference_kappa": 0.5}, "reference_kappa: got 0.5"),
        ({"distance": [0.1, 0.2], "y": [1, 2, 3]}, "takes arrays that broadcast"),
        ({"model": rp.Perceptron(weights="ternary")}, "weights: got ternary"),
        ({"model": rp.TreeCommittee(K=3)}, "model: got"),
        ({"model": TEACHER, "reference": "constrained"}, "reference: got 'constrained'"),
    ],
)
def test_bad_arguments(arguments, names):
    values = {"model": MODEL, "alpha": 0.5, "distance": 0.1} | arguments
    with pytest.raises(ValueError, match=names) as error:
        local_entropy(**values)
    assert "\n" not in str(error.value)


def along_the_branch(model, alpha, start, step=0.1):
    """Distances of the S_E = 0 branch of one load followed by its length, whichever way d turns, until it leaves start/4 .. start."""
    curve = BinaryCurve(make_batch(model, float(rp.capacity(model).value)), STAR)
    saddle, _ = BinaryCurve(curve.point.with_alpha(0.9 * curve.point.alpha), STAR).anchor(start)
    saddle, _ = Path(curve.system, "alpha", saddle, True).advance(saddle, alpha)

    def equations(u):
        at = curve.system(alpha).evaluate(u[:-2], math.exp(u[-2]), 1 / (1 + math.exp(-u[-1])))
        return np.append(at.residual, at.external_entropy)

    def slopes(u):
        return np.array([(equations(u + e) - equations(u - e)) / 2e-5 for e in 1e-5 * np.eye(u.size)]).T

    u = np.append(saddle.x, [math.log(saddle.y), math.log(start / (1 - start))])
    along, distances = -np.eye(u.size)[-1], [start]
    while start / 4 < distances[-1] <= start:
        tangent = np.linalg.svd(slopes(u))[2][-1]
        along = tangent * math.copysign(1.0, tangent @ along)
        solved = root(lambda w, u=u, t=along: np.append(equations(w), t @ (w - u) - step), u + step * along, options={"eps": 1e-10})
        assert np.max(np.abs(solved.fun)) < SOLVED
        u = solved.x
        distances.append(1 / (1 + math.exp(-u[-1])))
    return np.array(distances)


@pytest.mark.slow
def test_the_branch_turns_twice_before_it_breaks():
    """At kappa = 1 the branch is an S in d below alpha_U, still in one piece; above it turns back. Path following by length knows no bisection."""
    model = rp.Perceptron(kappa=1.0)
    r = local_entropy_threshold(model)
    assert r.status == "converged" and r.error < SOLVED
    below, above = (along_the_branch(model, r.value * (1 + e), 1.3 * r.order_parameters["distance"]) for e in (-2e-4, 2e-4))
    assert below[-1] < below[0] / 4 and np.sum(np.diff(np.sign(np.diff(below))) != 0) == 2
    assert above[-1] > above[0] and above.min() > 0.8 * r.order_parameters["distance"]


@pytest.mark.slow
def test_load_at_which_the_branch_breaks():
    """alpha_U lies between a load whose branch passes and one whose branch ends, and is stationary there."""
    r = local_entropy_threshold(MODEL)
    assert r.status == "converged" and r.error < SOLVED
    below, above = (local_entropy(MODEL, r.value + e, 0.02) for e in (-2e-4, 2e-4))
    assert below.status == "converged" and above.status == "branch-ended"
    d = r.order_parameters["distance"]
    last = float(above.message.split("d = ")[1].split(",")[0])
    assert abs(last - d) < 0.2 * d
    assert "in one piece" in r.statement
    system = Unconstrained(make_batch(MODEL, r.value))
    order = r.order_parameters
    x = system.pack(order["q0"], order["q1"] - order["q0"], 1 - order["q1"], order["p_hat"])
    at = system.evaluate(x, order["y"], d)
    assert max(np.max(np.abs(at.residual)), abs(at.external_entropy)) < SOLVED


def test_threshold_takes_an_unconstrained_reference():
    with pytest.raises(ValueError, match="reference: got 'constrained'; takes unconstrained"):
        local_entropy_threshold(MODEL, reference="constrained")


@pytest.mark.parametrize("model", [TEACHER, rp.Perceptron(weights="spherical"), rp.Perceptron(beta=1.0), rp.Perceptron(kappa=(0.0, 0.1))])
def test_threshold_refuses(model):
    with pytest.raises(ValueError, match="takes"):
        local_entropy_threshold(model)


@pytest.mark.parametrize("alpha", [0.6, 0.8])
def test_few_replicas_are_entered_where_their_branch_is(alpha):
    """At y = 1 references are typical and q0 is their overlap; at alpha = 0.8 the branch starts beyond the usual distance."""
    point = rp.solve(rp.Perceptron(), alpha=alpha)
    d = np.array([0.2, 0.4])
    found = local_entropy(rp.Perceptron(), alpha, d, y=1.0)
    assert found.q0 == pytest.approx(np.full(2, point.q), abs=1e-9)
    entropy = -d * np.log(d) - (1 - d) * np.log1p(-d)
    assert found.local_entropy + found.external_entropy == pytest.approx(point.entropy + entropy, abs=1e-10)
    assert np.all(np.isin(local_entropy(rp.Perceptron(), alpha, d, y=2.0).status, ("converged", "unphysical")))


def test_what_is_missing_or_of_another_kind_is_named():
    for model, complaint in ((rp.Perceptron(), "distance: missing"), (rp.Perceptron("ternary"), "weights: got ternary; takes binary or spherical")):
        with pytest.raises(ValueError, match=complaint):
            local_entropy(model, 0.5)
