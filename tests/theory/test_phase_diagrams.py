"""Phase diagrams: lines against direct computation, their ends and kinks, phases against independent questions, output, interruption."""

from __future__ import annotations

import itertools
import json
import math
import pickle

import numpy as np
import pytest

import replicas as rp
from replicas.theory import phase_planes, phases
from replicas.theory.boundaries import HERE, INFINITE, LOST, NONE, Sample, Tracing, absent
from replicas.theory.phase_planes import PLANES
from replicas.theory.phase_regions import MEANINGS

BINARY, SPHERICAL = rp.Perceptron("binary"), rp.Perceptron("spherical")
STUDENT = rp.Perceptron("binary", task="teacher-student")
COARSE = 1e-2
CLEAR = 3.0  # tolerances away from every line: there a phase is beyond doubt
CHEAP = ("capacity_rs", "at_line", "dynamical", "condensation", "capacity_1rsb")


@pytest.fixture(scope="module")
def binary():
    return rp.phase_diagram(BINARY)


@pytest.fixture(scope="module")
def negative():
    """Spherical weights on both sides of the end of the AT line and of kappa = 0, without full breaking."""
    return rp.phase_diagram(SPHERICAL, between=(-2.4, 0.2), tolerance=2 * COARSE, lines=CHEAP)


@pytest.fixture(scope="module")
def thermal():
    """Weights of two sizes: a continuous instability at high, freezing at low temperature."""
    return rp.phase_diagram(rp.Perceptron(rp.Discrete([-2, -1, 1, 2])), x="T", between=(0.01, 0.12), tolerance=COARSE / 2)


@pytest.fixture(scope="module")
def learning():
    return rp.phase_diagram(STUDENT, tolerance=COARSE)


def clear_points(diagram, count, low, high, seed):
    """Random points, loads spaced in proportion, that are not close to a line or to a place where one begins, ends or changes."""
    rng = np.random.default_rng(seed)
    width = diagram.tolerance * (diagram.between[1] - diagram.between[0])
    out = []
    while len(out) < count:
        x = rng.uniform(*diagram.between)
        y = math.exp(rng.uniform(math.log(low(x)), math.log(high(x))))
        lines = np.array([b.at(x) for b in diagram.boundaries])
        edges = np.concatenate([b.x[[p.start, p.stop - 1]] for b in diagram.boundaries for p in b.pieces()])
        beside = np.abs(np.log(lines[np.isfinite(lines)] / y)).min() < CLEAR * diagram.tolerance
        ends = edges[(edges > diagram.between[0]) & (edges < diagram.between[1])]
        if not beside and not (np.abs(ends - x) < CLEAR * width).any():
            out.append((float(x), float(y)))
    return out


# --- tracing, on lines that are known ------------------------------------------------------------------------------


def traced(line, low=0.0, high=1.0, tolerance=1e-3, most=400, first=9, **options):
    trace = Tracing("line", "a line", "test", lambda xs: (line(float(x)) for x in xs), tolerance, tolerance * (high - low), most, **options)
    trace.run(np.linspace(low, high, first))
    return trace.boundary()


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("curve", [lambda x: math.exp(3 * x), lambda x: 1 / (1 + 25 * (2 * x - 1) ** 2), lambda x: 2 + math.sin(9 * x), lambda x: 0.1 + x**8])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_a_smooth_line_is_interpolated_to_its_tolerance(curve, tolerance, log):
    b = traced(lambda x: Sample(curve(x), 0.0, True), tolerance=tolerance, log=log)
    x = np.random.default_rng(1).uniform(0, 1, 2000)
    want = np.array([curve(v) for v in x])
    miss = np.abs(np.log(b.at(x) / want)) if log else np.abs(b.at(x) - want)
    assert miss.max() < tolerance == b.tolerance
    assert len(b.pieces()) == 1 and not b.message


def test_points_are_put_where_a_line_bends():
    b = traced(lambda x: Sample(math.exp(math.tanh(40 * (x - 0.3))), 0.0, True))
    assert np.median(np.diff(b.x)[(b.x[:-1] > 0.2) & (b.x[:-1] < 0.4)]) < 0.3 * np.median(np.diff(b.x)[b.x[:-1] > 0.6])
    straight = traced(lambda x: Sample(math.exp(x), 0.0, True))
    assert straight.x.size < b.x.size / 2


def test_ends_and_changes_of_kind_are_located():
    end, flip, pole = 1 / math.pi, 1 / math.sqrt(3), 1 / 1.1

    def line(x):
        if x < end:
            return absent()
        return absent(INFINITE, "the pole") if x > pole else Sample(1 + x, 0.0, x > flip)

    b = traced(line)
    ends = [(b.x[p][0], b.x[p][-1], b.status[p][0], bool(b.physical[p][0])) for p in b.pieces()]
    assert [(s, physical) for *_, s, physical in ends] == [(NONE, False), (HERE, False), (HERE, True), (INFINITE, False)]
    for place, (before, after) in zip((end, flip, pole), itertools.pairwise(ends)):
        assert before[1] <= place <= after[0] and after[0] - before[1] <= b.width * 1.001
    assert math.isnan(b.at(0.2)) and b.at(0.95) == math.inf and b.at(0.7) == pytest.approx(1.7, rel=1e-3)
    status, physical, _ = b.about(np.array([0.1, 0.4, 0.7, 0.99]))
    assert list(status) == [NONE, HERE, HERE, INFINITE] and list(physical) == [False, False, True, False]
    rows = b.rows()  # of every point that was asked, with the reason where there is no line
    assert [row["x"] for row in rows] == list(b.x) and [row["status"] for row in rows] == list(b.status)
    assert {row["message"] for row in rows if row["status"] == INFINITE} == {"the pole"}


def test_a_kink_is_found_to_the_width_and_a_jump_is_not_smeared():
    kink = traced(lambda x: Sample(1 + 3 * abs(x - 1 / math.e), 0.0, True))
    near = np.abs(kink.x - 1 / math.e)
    assert near.min() <= kink.width
    x = np.linspace(0, 1, 999)
    away = np.abs(x - 1 / math.e) > kink.width
    assert np.abs(kink.at(x) / (1 + 3 * np.abs(x - 1 / math.e)) - 1)[away].max() < kink.tolerance
    jump = traced(lambda x: Sample(1.0 if x < 1 / math.e else 2.0, 0.0, True))
    away = np.abs(x - 1 / math.e) > jump.width
    assert np.abs(jump.at(x) - np.where(x < 1 / math.e, 1.0, 2.0))[away].max() < 1e-12


def test_where_refinement_stops_the_tolerance_says_so():
    b = traced(lambda x: Sample(2 + math.sin(60 * x), 0.0, True), most=40)
    assert b.x.size <= 40 and "stopped" in b.message
    assert b.tolerance is None or b.tolerance > 1e-3
    x = np.linspace(0, 1, 1001)
    assert np.abs(np.log(b.at(x) / (2 + np.sin(60 * x)))).max() > 1e-3


def test_a_place_without_an_answer_is_not_approached_for_ever():
    asked = []

    def line(x):
        asked.append(x)
        return Sample(1 + x, 0.0, True) if x < 0.6 else absent(LOST, "too hard")

    b = traced(line)
    assert len(asked) < 25 and b.message == "too hard (near 0.625)"
    assert math.isnan(b.at(0.61)) and b.at(0.55) == pytest.approx(1.55, rel=1e-3)


def test_a_line_relative_to_a_companion_needs_fewer_points():
    def steep(x):
        return math.exp(2 * math.sin(12 * x))

    def line(x):
        return Sample(0.9 * steep(x) * math.exp(-0.1 * x * x), 0.0, True)

    companion = traced(lambda x: Sample(steep(x), 0.0, True))
    alone, beside = traced(line, first=5), traced(line, first=5, companion=companion)
    x = np.linspace(0, 1, 777)
    want = np.array([line(v).y for v in x])
    assert np.abs(alone.at(x) / want - 1).max() < 1e-3 and np.abs(beside.at(x) / want - 1).max() < 2e-3  # the companion's, too
    assert beside.x.size < 0.6 * alone.x.size


# --- lines against direct computation ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "direct"),
    [
        ("capacity", lambda x: rp.capacity(BINARY, kappa=x)),
        ("at_line", lambda x: rp.at_line(BINARY, kappa=x)),
        ("q_to_1", lambda x: rp.capacity(BINARY, criterion="q-to-1", kappa=x)),
    ],
)
def test_binary_lines_at_random_margins(binary, line, direct):
    kappa = np.random.default_rng(3).uniform(-1, 1, 40)
    want = direct(kappa).value
    assert np.abs(binary.boundary(line).at(kappa) / want - 1).max() < binary.tolerance
    assert np.all(binary.boundary(line).error < 1e-12 * binary.boundary(line).y)


def test_published_values_of_binary_weights(binary):
    """docs/published.json: the interval of the capacity, 4/pi, the AT load 1.015 of Krauth and Mezard."""
    at = list(binary.kappa).index(0.0)
    assert 0.833078599 < binary.capacity[at] < 0.833078600
    assert binary.q_to_1[at] == pytest.approx(4 / math.pi, rel=1e-13)
    assert binary.at_line[at] == pytest.approx(1.015, abs=5e-4) and not binary.at_physical[at]
    given = rp.phase_diagram(BINARY, kappa=[0.05, 0.1])
    assert given.capacity == pytest.approx([0.7810743, 0.7330167], abs=6e-8)


def test_interpolated_columns_carry_their_error(binary):
    own = np.isin(binary.kappa, binary.boundary("capacity").x)
    assert np.all(binary.errors["capacity"][own] < 1e-12)
    direct = rp.capacity(BINARY, kappa=binary.kappa).value
    assert np.all(np.abs(binary.capacity - direct) <= binary.errors["capacity"])


@pytest.mark.parametrize(
    ("line", "direct", "low", "high"),
    [
        ("capacity_rs", lambda x: rp.capacity(SPHERICAL, kappa=x).value, -2.4, 0.2),
        ("capacity_1rsb", lambda x: rp.capacity(SPHERICAL, "1rsb", kappa=x).value, -2.4, 0.2),
        ("at_line", lambda x: rp.at_line(SPHERICAL, kappa=x).value, -2.4, -0.1),
    ],
)
def test_spherical_lines_at_random_margins(negative, line, direct, low, high):
    kappa = np.random.default_rng(4).uniform(low, high, 12)
    assert np.abs(negative.boundary(line).at(kappa) / direct(kappa) - 1).max() < negative.tolerance


def test_limits_of_spherical_weights(negative):
    """Gardner's capacity, the AT line that ends where its breaking point is 1 and at kappa = 0, both ends located."""
    rs, line = negative.boundary("capacity_rs"), negative.boundary("at_line")
    assert rs.at(0.0) == pytest.approx(2.0, rel=negative.tolerance)
    changes = {(bool(line.physical[p][0]), line.status[p][0]): line.x[p] for p in line.pieces()}
    end = rp.constants(names=["at-ending-spherical"])["at-ending-spherical"].value
    assert changes[False, HERE][-1] <= end <= changes[True, HERE][0]
    assert changes[True, HERE][0] - changes[False, HERE][-1] <= line.width * 1.001
    assert end == pytest.approx(-2.05, abs=0.01)  # Franz et al. 2017
    assert changes[True, HERE][-1] < 0 <= changes[False, NONE][0] <= line.width
    assert np.array_equal(rs.physical, rs.x >= 0)


def test_the_discontinuous_transition_begins_where_the_at_line_ends(negative):
    dynamical, condensation, line = (negative.boundary(n) for n in ("dynamical", "condensation", "at_line"))
    ends = dynamical.x[dynamical.exists][-1], condensation.x[condensation.exists][-1]
    assert ends[0] == ends[1] and ends[0] == pytest.approx(-2.0431, abs=2 * line.width)
    x = np.linspace(-2.4, ends[0], 30)
    assert np.all(dynamical.at(x) <= condensation.at(x)) and np.all(condensation.at(x) <= line.at(x))
    given = rp.phase_diagram(SPHERICAL, kappa=[-2.5], lines="condensation")  # tests/theory/rsb_reference.json
    assert given.condensation[0] == pytest.approx(287.1151986501, rel=1e-12)


def test_an_even_likelihood_has_a_discontinuous_transition_that_no_breaking_point_announces():
    """The AT load of a wide window lies above the one-step capacity: it is no transition."""
    wide = rp.phase_diagram(rp.Perceptron("spherical", 1.0, "window"), kappa=[2.0, 3.0], lines=CHEAP)
    assert list(wide.at_physical) == [True, False] and wide.at_line[1] > wide.capacity_1rsb[1]
    assert wide.dynamical[1] < wide.condensation[1] < wide.capacity_1rsb[1]
    states = rp.solve(rp.Perceptron("spherical", 3.0, "window"), 0.5 * (wide.dynamical[1] + wide.condensation[1]), "1rsb", m=1.0)
    assert states.ansatz == "1rsb" and states.complexity > 0
    assert wide.region(3.0, 0.5 * (wide.dynamical[1] + wide.condensation[1])) == "SAT-clustered"


def test_thermal_lines_and_the_point_where_they_cross(thermal):
    T = np.random.default_rng(5).uniform(0.01, 0.12, 15)
    for line, ask in (("freezing", rp.capacity), ("at_line", rp.at_line)):
        want = [ask(rp.Perceptron(rp.Discrete([-2, -1, 1, 2]), beta=1 / v)).value for v in T]
        assert np.abs(thermal.boundary(line).at(T) / want - 1).max() < thermal.tolerance
    first, last = thermal.boundary("freezing"), thermal.boundary("at_line")
    cross = first.x[first.physical][-1]
    assert last.x[last.physical][0] - cross <= first.width * 1.001
    ratio = first.at(cross + np.array([-1, 1]) * 8 * first.width) / last.at(cross + np.array([-1, 1]) * 8 * first.width)
    assert ratio[0] < 1 < ratio[1]


def test_axes_of_temperature_are_one(binary):
    cold = rp.phase_diagram(BINARY, T=[0.25, 0.5])
    hot = rp.phase_diagram(BINARY, beta=[4.0, 2.0])
    assert (cold.x, hot.x) == ("T", "beta")
    assert cold.freezing == pytest.approx(hot.freezing, rel=1e-13) and cold.at_line == pytest.approx(hot.at_line, rel=1e-13)
    fixed = rp.phase_diagram(rp.Perceptron("binary", beta=2.0), kappa=[0.0])
    assert fixed.freezing == pytest.approx(hot.freezing[1:], rel=1e-13)


def test_the_branches_of_a_student_and_its_thresholds(learning):
    marks = rp.transitions(STUDENT)
    it, end = (learning.boundary(n) for n in ("alpha_it", "spinodal"))
    assert (it.x[0], end.x[0]) == (marks.alpha_it.value, marks.spinodal.value) and it.error[0] == marks.alpha_it.error
    assert it.x[0] == pytest.approx(1.245, abs=5e-4) and end.x[0] == pytest.approx(1.49, abs=5e-3)  # docs/published.json
    alpha = np.sort(np.random.default_rng(6).uniform(0.01, end.x[0], 25))
    curve = rp.generalization(STUDENT, alpha)
    for branch in ("typical", "middle"):
        line = learning.boundary(branch)
        inside = curve.branch == branch
        assert line.x[0] == 0.0
        assert np.abs(line.at(curve.alpha[inside]) - curve.R[inside]).max() < learning.tolerance
        assert line.x[-1] == end.x[0] and line.y[-1] == marks.spinodal.order_parameters["R"]  # they meet in the fold
    typical = learning.boundary("typical")
    assert typical.x[typical.physical][-1] <= it.x[0] <= typical.x[~typical.physical][0]


def test_branches_of_a_student_fill_the_range_and_nothing_else():
    """Also the unstable one, down to no load, where it cannot be told from R = 1; R = 1 itself is exact in every column."""
    end = rp.transitions(STUDENT).spinodal.value
    for between, branches, phases_there in (
        ((0, 3), {"typical": (0, end), "middle": (0, end), "perfect": (0, 3)}, ["impossible", "hard", "easy"]),
        ((1.4, 3), {"typical": (1.4, end), "middle": (1.4, end), "perfect": (1.4, 3)}, ["hard", "easy"]),
        ((2, 3), {"perfect": (2, 3)}, ["easy"]),
    ):
        found = rp.phase_diagram(STUDENT, between=between, tolerance=COARSE)
        assert {b.name: (b.x[b.exists][0], b.x[b.exists][-1]) for b in found.boundaries if b.exists.any()} == branches
        assert all(between[0] <= x <= between[1] for b in found.boundaries for x in b.x)
        assert np.all(found.perfect == 1) and np.all(found.errors["perfect"] == 0) and "1 ±" not in str(found[-1])
        areas = found.regions()
        assert [a["label"] for a in areas] == phases_there == list(found.meanings)
        assert areas[0]["x"][0] == between[0] and areas[-1]["x"][-1] == between[1]
        for name in ("typical", "middle"):
            if name not in branches:
                assert f"the {name} branch ends at alpha = 1.49263" in found.boundary(name).rows()[0]["message"]
    low = rp.phase_diagram(STUDENT, between=(0, 0.5), tolerance=COARSE).boundary("middle")
    near = rp.solve(STUDENT, 0.3, branch="all")
    assert abs(low.at(0.3) - near.q[list(near.branch).index("middle")]) < COARSE
    assert low.y[0] == 1.0 and 0 < low.error[0] < 1.2e-7 and np.all(np.diff(low.y) <= low.error[1:] + low.error[:-1])


def test_thresholds_are_attributes(learning):
    assert learning.alpha_it == learning.boundary("alpha_it").x[0] and learning.spinodal == learning.boundary("spinodal").x[0]
    assert "alpha_it" not in learning.to_dict()
    with pytest.raises(AttributeError, match=r"has alpha, .*alpha_it, spinodal"):
        _ = learning.nothing


def test_a_meaning_is_a_line_of_a_table():
    assert {label: len(meaning) for label, meaning in MEANINGS.items() if len(meaning) > 120} == {}


def test_machines_of_a_minute_are_asked_for():
    make, _ = phases._plane(rp.TreeCommittee(3, task="teacher-student"), None, None, {})
    assert make(rp.TreeCommittee(3, task="teacher-student"), None, True).whole == (1.0, 3.0, math.inf)


def test_weights_with_zero_store_everything_below_a_margin_of_zero():
    found = rp.phase_diagram(rp.Perceptron("ternary"), between=(-0.3, 0.5), tolerance=COARSE)
    line = found.boundary("capacity")
    begins = line.x[line.exists][0]
    assert 0 <= begins <= line.width and line.at(-0.1) == math.inf
    assert found.region(-0.2, 50.0) == "SAT-trivial" and found.region(0.2, 5.0) == "UNSAT"
    assert not found.boundary("at_line").exists[found.boundary("at_line").x < -line.width].any()
    assert set(found.status[found.kappa < -line.width]) == {"diverges"}


# --- phases against independent questions --------------------------------------------------------------------------


def test_phases_of_binary_weights_against_the_entropy_and_isolation(binary):
    points = clear_points(binary, 40, lambda k: 0.3 * rp.capacity(BINARY, kappa=k).value, lambda k: 1.2 * rp.capacity(BINARY, kappa=k).value, 7)
    seen = set()
    for kappa, alpha in points:
        entropy = rp.solve(rp.Perceptron("binary", kappa), alpha).entropy
        label = binary.region(kappa, alpha)
        assert label == ("UNSAT" if entropy < 0 else "SAT-frozen")
        seen.add(label)
    assert seen == {"UNSAT", "SAT-frozen"} == set(binary.meanings)


@pytest.mark.slow
@pytest.mark.parametrize(("kappa", "alpha"), [(0.0, 0.4), (0.6, 0.3), (-0.7, 1.5)])
def test_frozen_solutions_are_isolated(binary, kappa, alpha):
    """By the Franz-Parisi entropy, which no line of the diagram comes from."""
    assert binary.region(kappa, alpha) == "SAT-frozen"
    assert rp.isolation(rp.Perceptron("binary", kappa), alpha).value > 0


def test_phases_of_spherical_weights_against_stability_and_states(negative):
    """Independent of the lines: the replicon, the complexity of states at m = 1, and the largest margin at a load by one step."""
    rs = negative.boundary("capacity_rs")
    points = clear_points(negative, 26, lambda k: 0.1 * rs.at(k), lambda k: 1.2 * rs.at(k), 8)
    # between dynamical and condensation there is little room: points of their own
    for kappa in (-2.38, -2.32):
        points.append((kappa, math.sqrt(negative.boundary("dynamical").at(kappa) * negative.boundary("condensation").at(kappa))))
    seen = set()
    for kappa, alpha in points:
        label = negative.region(kappa, alpha)
        model = rp.Perceptron("spherical", kappa)
        limit = rp.capacity(SPHERICAL, "1rsb", kappa=kappa).value
        if alpha > limit:
            assert label == "UNSAT"
        elif not rp.stability(model, alpha).stable:
            assert label == "SAT-RSB"
        else:
            states = rp.solve(model, alpha, "1rsb", m=1.0)
            clustered = states.ansatz == "1rsb"
            assert label == ("SAT-RS" if not clustered else "SAT-clustered" if states.complexity > 0 else "SAT-RSB")
        seen.add(label)
    assert seen == {"UNSAT", "SAT-RSB", "SAT-RS", "SAT-clustered"}


def test_phases_at_a_temperature_against_entropy_and_stability(thermal):
    seen = set()
    for T, alpha in clear_points(thermal, 24, lambda T: 0.6 * thermal.boundary("freezing").at(T), lambda T: 1.6 * thermal.boundary("freezing").at(T), 9):
        point = rp.solve(rp.Perceptron(rp.Discrete([-2, -1, 1, 2]), beta=1 / T), alpha)
        label = thermal.region(T, alpha)
        if label == "RS":
            assert point.stable and point.entropy > 0
        else:
            assert not point.stable or point.entropy < 0
        first = rp.solve(rp.Perceptron(rp.Discrete([-2, -1, 1, 2]), beta=1 / T), 0.5 * (thermal.boundary("freezing").at(T) + thermal.boundary("at_line").at(T)))
        if label == "RSB":  # between both lines the saddle is unstable and its entropy still positive
            assert not first.stable and first.entropy > 0
        if label == "frozen":
            assert first.stable and first.entropy < 0
        seen.add(label)
    assert seen == {"RS", "RSB", "frozen"}


def test_phases_of_learning_against_the_branches(learning):
    rng = np.random.default_rng(10)
    labels = set()
    for alpha in rng.uniform(0.9, 1.8, 15):
        curve = rp.generalization(STUDENT, np.array([alpha]))
        dominant, branches = curve.branch[curve.dominant][0], set(curve.branch)
        want = "impossible" if dominant == "typical" else "hard" if "typical" in branches else "easy"
        assert learning.region(alpha) == want
        labels.add(want)
    assert labels == {"impossible", "hard", "easy"}
    assert list(learning.region(np.array([1.0, 1.3, 1.6]))) == ["impossible", "hard", "easy"]


@pytest.mark.slow
def test_phases_of_machines_that_store():
    parity = rp.phase_diagram(rp.TreeParity(2, "spherical"), K=[1, 2, 3])
    assert parity.capacity_1rsb[1] == pytest.approx(rp.capacity(rp.TreeParity(2, "spherical"), "1rsb").value, rel=1e-12)
    assert parity.capacity_rs[0] == pytest.approx(2.0, rel=1e-12)
    for alpha in (0.6, 1.1, 1.4, 3.0):
        stable = rp.stability(rp.TreeParity(2, "spherical"), alpha).stable
        assert parity.region(2, alpha) == ("SAT-RS" if stable else "SAT-RSB")
    assert parity.region(2, 4.1) == parity.region(1, 2.1) == "UNSAT" and parity.region(1, 1.9) == "SAT-RS"
    assert parity.region(3, 4.0) == "SAT" and parity.region(3, 5.1) == "UNSAT"  # no instability, but a lower capacity: a jump between
    wide = rp.phase_diagram(rp.TreeCommittee(3, "spherical"), K=[math.inf])
    assert wide.region(math.inf, 2.9) == "SAT-RS" and wide.region(math.inf, 100.0) == "SAT-RSB"
    assert json.loads(wide.to_json())["points"][0]["K"] == "inf"


@pytest.mark.slow
def test_phases_of_machines_that_learn():
    binary = rp.phase_diagram(rp.TreeParity(2, "binary", task="teacher-student"), K=[1, 2, 3])
    one, two = (rp.transitions(m) for m in (STUDENT, rp.TreeParity(2, task="teacher-student")))
    for K, marks in ((1, one), (2, two)):
        it, end = marks.alpha_it.value, marks.spinodal.value
        labels = [binary.region(K, a) for a in (0.99 * it, 1.01 * it, 0.99 * end, 1.01 * end)]
        assert labels == ["impossible", "hard", "hard", "easy"]
    assert binary.region(3, 50.0) == "hard" and math.isnan(binary.spinodal[2])  # R = 0 stays stable
    smooth = rp.phase_diagram(rp.TreeParity(2, "spherical", task="teacher-student"), K=2)
    load = rp.at_line(rp.TreeParity(2, "spherical", task="teacher-student")).value
    assert [smooth.region(2, 0.99 * load), smooth.region(2, 1.01 * load)] == ["impossible", "easy"]


def test_areas_are_the_phases(binary, negative, thermal):
    """The areas handed to figures agree with the phase of a point, and cover the plane once."""
    for diagram in (binary, negative, thermal):
        rng = np.random.default_rng(11)
        for x, y in zip(rng.uniform(*diagram.between, 20), np.exp(rng.uniform(-1, 5, 20))):
            inside = [
                r["label"]
                for r in diagram.regions()
                if r["x"][0] <= x <= r["x"][-1] and np.interp(x, r["x"], r["lower"]) <= y < _upper(x, r)
            ]
            assert diagram.region(x, y) in inside and len(inside) <= 2
        assert {r["label"] for r in diagram.regions()} == set(diagram.meanings) <= set(MEANINGS)


def _upper(x, region):
    finite = np.where(np.isinf(region["upper"]), 1e9, region["upper"])
    return np.interp(x, region["x"], finite)


# --- dense clusters, full breaking: seconds a point ----------------------------------------------------------------


@pytest.mark.slow
def test_dense_clusters_are_a_line_of_their_own():
    found = rp.phase_diagram(BINARY, kappa=[0.0, 0.3], lines=["alpha_u"])
    assert [b.name for b in found.boundaries] == ["capacity", "alpha_u"]  # with the line that it is traced beside
    assert found.alpha_u[0] == pytest.approx(0.77, abs=5e-3)  # the literature's
    assert found.region(0.0, 0.76) == "SAT-frozen, dense clusters" and found.region(0.0, 0.80) == "SAT-frozen"


@pytest.mark.slow
def test_the_whole_diagram_of_spherical_weights():
    found = rp.phase_diagram(SPHERICAL, between=(-1.2, 0.2))
    full, one = found.boundary("capacity_frsb"), found.boundary("capacity_1rsb")
    for kappa in np.random.default_rng(12).uniform(-1.2, -0.1, 4):
        direct = rp.capacity(SPHERICAL, "frsb", kappa=kappa, k=12)
        assert full.at(kappa) == pytest.approx(direct.value, rel=found.tolerance)
        assert full.at(kappa) < one.at(kappa)
        assert found.region(kappa, direct.value * 1.003) == "UNSAT" and found.region(kappa, direct.value * 0.997) == "SAT-RSB"
    assert np.array_equal(found.capacity_frsb[found.kappa >= 0], found.capacity_1rsb[found.kappa >= 0])
    assert found.ok and set(found.status) == {HERE}


# --- at given abscissae: as it has always been ---------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [[0.5, -0.5, 0.0], pytest.param([-0.5, -2.5, 0.5], marks=pytest.mark.slow)])
def test_given_margins_are_answered_in_their_order(kappa):
    steps = CHEAP if kappa[0] > 0 else None  # full breaking takes seconds
    found = rp.phase_diagram(SPHERICAL, kappa=kappa, k=8, lines=steps)
    assert list(found.kappa) == kappa and len(found) == 3 and found.tolerance is None
    for name, ansatz in (("capacity_rs", "rs"), ("capacity_1rsb", "1rsb"), ("capacity_frsb", "frsb"))[: 2 if steps else 3]:
        want = [rp.capacity(SPHERICAL, ansatz, kappa=k, k=8 if ansatz == "frsb" else None) for k in kappa]
        assert getattr(found, name) == pytest.approx([w.value for w in want], rel=4e-16)
        assert found.errors[name] == pytest.approx([w.error for w in want], rel=1e-6)
    line = rp.at_line(SPHERICAL, kappa=found.kappa)
    assert found.at_line == pytest.approx(line.value, rel=1e-14, nan_ok=True)
    assert list(found.at_physical) == list(line.physical) and list(np.isfinite(found.dynamical)) == [k < -2.05 for k in kappa]
    first = found.to_dict()["points"][0]
    assert {"kappa", "at_line", "dynamical", "condensation", "at_physical", "error", "errors", "status", "message"} <= set(first)
    assert {name for name in (*CHEAP, "capacity_frsb") if name in first} == set(CHEAP) | ({"capacity_frsb"} if steps is None else set())
    assert float(first["capacity_1rsb"]) == found.capacity_1rsb[0] and found[0].capacity_1rsb == found.capacity_1rsb[0]
    if steps is None:
        assert first["error"] == first["errors"]["capacity_frsb"]
    assert found.region(-0.5, 4.0) == "SAT-RSB" and found.region(-0.5, 3.9) == "SAT-RS"


# --- output --------------------------------------------------------------------------------------------------------


def test_everything_in_the_output(binary, learning, tmp_path):
    xr = pytest.importorskip("xarray")
    for diagram in (binary, learning, rp.phase_diagram(rp.TreeCommittee(1), K=[1, math.inf])):
        text = diagram.to_json()
        whole = json.loads(text)
        assert "NaN" not in text and "Infinity" not in text
        assert {"x", "y", "tolerance", "boundaries", "regions", "points", "complete"} <= set(whole)
        for b, stored in zip(diagram.boundaries, whole["boundaries"]):
            assert list(map(float, stored["y"])) == list(b.y[b.exists]) and len(stored["x"]) == len(stored["error"]) == len(stored["physical"])
        assert {r["label"] for r in whole["regions"]} == set(diagram.meanings)
        table = diagram.lines()
        assert len(table) == sum(b.x.size for b in diagram.boundaries) + len(diagram.thresholds)
        assert {"status", "message"} <= set(table[0])
        assert sum(row["status"] == HERE for row in table) == sum(b.exists.sum() for b in diagram.boundaries) + len(diagram.thresholds)
        data = diagram.to_xarray()
        assert isinstance(data, xr.Dataset) and np.array_equal(data[diagram.x], diagram.grid)
        for label in diagram.meanings:
            assert label in str(diagram) and label in diagram._repr_html_()
        assert "phase-diagram" in diagram._repr_html_() and " K=" not in str(diagram) and "kappa=" not in str(binary)
        again = pickle.loads(pickle.dumps(diagram))
        x = float(diagram.grid[0])
        assert again.region(x, None if diagram.thresholds else 0.5) == diagram.region(x, None if diagram.thresholds else 0.5)


def test_a_reader_sees_few_rows_and_the_data_have_all(binary):
    assert len(binary.to_dict()["points"]) == len(binary) == binary.kappa.size
    fine = rp.phase_diagram(BINARY, tolerance=1e-6, lines="capacity")
    assert len(fine.rows()[1]) <= 17 < len(fine)


# --- Ctrl-C and lines that fail ------------------------------------------------------------------------------------


def test_an_interrupted_diagram_keeps_what_was_traced(monkeypatch):
    asked = []

    def at_line(*args, **options):
        asked.append(1)
        if len(asked) > 6:
            raise KeyboardInterrupt
        return rp.at_line(*args, **options)

    monkeypatch.setattr(phase_planes, "at_line", at_line)
    with pytest.raises(rp.PhaseDiagramInterrupted, match=r"interrupted; \d+ points are kept") as stopped:
        rp.phase_diagram(BINARY)
    kept = stopped.value.partial
    assert isinstance(stopped.value, KeyboardInterrupt) and not kept.complete
    assert kept.boundary("capacity").tolerance == kept.tolerance and kept.boundary("at_line").x.size == 6
    assert kept.boundary("at_line").tolerance is None and kept.region(0.0, 0.5) == "SAT-frozen"
    assert not json.loads(kept.to_json())["complete"] and str(kept)


def test_an_interruption_before_the_first_point(monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(phase_planes, "capacity", stop)
    with pytest.raises(rp.PhaseDiagramInterrupted) as stopped:
        rp.phase_diagram(BINARY)
    assert stopped.value.partial.boundaries == () and str(stopped.value.partial)


def test_a_line_that_fails_is_told_and_the_others_stay(monkeypatch):
    def capacity(model, *args, kappa, **options):
        if np.ndim(kappa) == 0 and kappa > 0.4:
            raise ArithmeticError("the branch was lost")
        return rp.capacity(model, *args, kappa=kappa, **options)

    monkeypatch.setattr(phase_planes, "capacity", capacity)
    found = rp.phase_diagram(BINARY, kappa=[0.0, 0.5])
    assert list(found.status) == ["converged", "not-converged"] and "capacity: the branch was lost" in found.message[1]
    assert found.region(0.5, 0.1) == "unknown" and found.region(0.0, 0.1) == "SAT-frozen" and found.ok
    assert "unknown" in found.meanings


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "options", "complaint"),
    [
        (BINARY, {"x": "K"}, r"x, y: got x='K', y='alpha' of a perceptron that stores.*takes x='kappa' with y='alpha', x='T'"),
        (BINARY, {"x": "kappa", "y": "q"}, r"x, y: got x='kappa', y='q'.*; takes x='kappa' with y='alpha'"),
        (STUDENT, {"x": "kappa"}, r"x, y: got x='kappa', y='R' .*; takes x='alpha' with y='R'"),
        (STUDENT, {"kappa": 0.0}, r"x, y: got x='kappa'.*takes x='alpha' with y='R'"),
        (rp.Perceptron("spherical", task="teacher-student"), {}, r"model: got spherical perceptron, teacher-student.*; takes a perceptron that stores"),
        (rp.Committee(3, task="teacher-student"), {}, r"model: got binary committee K=3.*; takes a perceptron"),
        (rp.StochasticPerceptron(0.5, 1.0), {}, r"model: got .*; takes a perceptron"),
        (rp.Perceptron(likelihood=rp.Likelihood("exp(-u**2)")) if False else "binary", {}, r"model: got 'binary'; takes a perceptron"),
        (rp.Perceptron(rp.Discrete([-1, 1], [0.4, 0.6])), {}, r"weights: got given probabilities.*takes a set of values"),
        (BINARY, {"kappa": [[0.0]]}, r"kappa: got an array of 2 dimensions; takes one value or a list"),
        (BINARY, {"kappa": [0.5, 0, 0.5]}, r"kappa: got a value twice; takes distinct values"),
        (BINARY, {"T": [[0.1, 0.2]]}, r"T: got an array of 2 dimensions"),
        (rp.TreeCommittee(3), {"K": [3, 1, 3]}, r"K: got a value twice; takes distinct values"),
        (rp.TreeCommittee(3), {"K": [[3]]}, r"K: got an array of 2 dimensions"),
        (rp.TreeCommittee(3), {"K": "many"}, r"K: got 'many'; takes numbers of units, or inf"),
        (rp.TreeCommittee(3), {"K": []}, r"K: got no values; takes at least one"),
        (BINARY, {"kappa": [0.0, math.nan]}, r"kappa: got nan; takes finite margins"),
        (BINARY, {"T": [0.0]}, r"T: got 0\.0; takes finite temperatures > 0"),
        (BINARY, {"kappa": [0.0], "T": [0.5]}, r"T: got \[0\.5\] in the plane of kappa and alpha; takes None"),
        (rp.Perceptron("binary", 1.0, "window"), {"kappa": [-1.0]}, r"kappa: got -1\.0; takes .*> 0"),
        (BINARY, {"between": (1, 0)}, r"between: got \(1, 0\); takes two finite numbers, low < high"),
        (BINARY, {"between": 0.5}, r"between: got 0\.5; takes two finite numbers, low < high"),
        (BINARY, {"between": (0, "b")}, r"between: got \(0, 'b'\); takes two finite numbers, low < high"),
        (BINARY, {"between": "ab"}, r"between: got 'ab'; takes two finite numbers, low < high"),
        (STUDENT, {"between": (-1, 1)}, r"between: got \(-1, 1\); takes two finite numbers, low < high, both >= 0"),
        (BINARY, {"between": (-100, 100)}, r"between: got \(-100, 100\); takes numbers from -5 to 10: beyond, no capacity"),
        (SPHERICAL, {"between": (-6, 100)}, r"between: got \(-6, 100\); takes numbers >= -5: beyond, no capacity"),
        (BINARY, {"x": "T", "between": (0, 1)}, r"between: got \(0, 1\); takes .*both > 0"),
        (BINARY, {"between": (0, 1), "kappa": [0.0]}, r"between: got \(0, 1\) beside values of kappa; takes None"),
        (BINARY, {"lines": 3}, r"lines: got 3; takes capacity, at_line, q_to_1, alpha_u, or all"),
        (BINARY, {"lines": []}, r"lines: got \[\]; takes capacity"),
        (BINARY, {"lines": [["capacity"]]}, r"lines: got \['capacity'\]; takes capacity"),
        (BINARY, {"tolerance": [1e-3]}, r"tolerance: got \[0\.001\]; takes a number from 1e-06 to 0\.1"),
        (BINARY, {"tolerance": 0.5}, r"tolerance: got 0\.5; takes a number from 1e-06 to 0\.1"),
        (BINARY, {"most": 3}, r"most: got 3; takes a whole number of points >= 5"),
        (BINARY, {"lines": ["capacity", "spinodal"]}, r"lines: got 'spinodal'; takes capacity, at_line, q_to_1, alpha_u, or all"),
        (rp.TreeCommittee(3, "spherical"), {"K": [3, 4]}, r"K: got 4; takes an odd number of units"),
        (rp.TreeCommittee(3, "spherical"), {"K": [2.5]}, r"K: got 2\.5; takes"),
        (SPHERICAL, {"k": 4}, r"k: got 4 with ansatz frsb; takes a whole number from 8 to 96"),
    ],
)  # fmt: skip
def test_bad_input_is_named(model, options, complaint):
    with pytest.raises(ValueError, match=complaint) as refused:
        rp.phase_diagram(model, **options)
    assert "\n" not in str(refused.value)


def test_a_point_outside_the_diagram_is_refused(binary, learning):
    with pytest.raises(ValueError, match=r"kappa: got 2; takes -1 to 1"):
        binary.region(2.0, 0.5)
    with pytest.raises(ValueError, match=r"alpha: got -1\.0; takes a finite load >= 0"):
        binary.region(0.0, -1.0)
    with pytest.raises(ValueError, match=r"y: missing; takes the ordinate alpha, a finite load >= 0"):
        binary.region(0.0)
    with pytest.raises(ValueError, match=r"x, y: got arrays of shapes \(2,\) and \(3,\); takes shapes that can be combined"):
        binary.region([0.0, 0.1], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=r"y: got 0\.5 in a diagram along alpha; takes None"):
        learning.region(1.0, 0.5)
    with pytest.raises(ValueError, match=r"K: got 4; takes 1, 3"):
        rp.phase_diagram(rp.TreeCommittee(3), K=[1, 3], lines="capacity").region(4, 0.5)
    with pytest.raises(ValueError, match=r"K: got 'three'; takes numbers of units, or inf"):
        rp.phase_diagram(rp.TreeCommittee(3), K=[1], lines="capacity").region("three", 0.5)
    with pytest.raises(ValueError, match=r"name: got 'nothing'; takes capacity, at_line, q_to_1"):
        binary.boundary("nothing")
    with pytest.raises(AttributeError, match=r"PhaseDiagram has no 'nothing'; it has kappa, capacity"):
        _ = binary.nothing


def test_every_plane_of_the_table_is_in_the_docstring():
    text = phases.phase_diagram.__doc__
    for entry in PLANES:
        for x, y in entry.planes:
            assert f"{x}-{y}" in text
    assert all(label in text for label in ("SAT-RS", "SAT-clustered", "SAT-RSB", "SAT-frozen", "SAT-trivial", "UNSAT", "impossible", "hard", "easy", "frozen"))
