"""The tables behind the figures: finite where they say so, and what their captions say of them."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

import replicas as rp
from replicas import plotting
from replicas.figures import drawing
from replicas.figures import finite as figures_finite
from replicas.figures import learning as figures_learning
from replicas.figures import perceptron as figures_perceptron
from replicas.simulation import fit_threshold

SLOW, NIGHTLY = (pytest.mark.slow,), (pytest.mark.slow, pytest.mark.nightly)
MINUTES = (
    *("negative-margin", "committee-capacity", "committee-learning", "activation-capacity", "committee-specialisation"),
    *("franz-parisi-three-references", "local-entropy-vs-distance", "dense-cluster-generalization", "algorithm-success"),
)
SECONDS = ("generalization-curves", "teacher-student-phases", "overlap-profile", "energy-vs-qstar", "entropies")
UNBOUNDED = ("K", "N")  # columns that may be infinite
LEFT_OUT = "order parameters are left out"  # where a local entropy is known between bounds


def rows_of(columns, **where):
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    return [row for row in rows if all(row[k] == v for k, v in where.items())]


def empty(value):
    return value is None or (isinstance(value, float) and math.isnan(value))


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=NIGHTLY if n in MINUTES else SLOW if n in SECONDS else ()) for n in plotting.FIGURES if n != "finite-n"],
)
def test_data_are_finite_where_they_converged(name):
    columns = plotting.FIGURES[name].table()
    assert len({len(column) for column in columns.values()}) == 1 and len(columns["status"]) > 10
    assert all(name.replace("_", "").isalnum() for name in columns), "names without units"
    assert any("error" in name or name == "stderr" for name in columns) or name == "overlap-profile"  # whose levels are its parameters
    kinds = {}  # rows of one kind have the same columns
    for row in rows_of(columns):
        if row["status"] == "converged" and LEFT_OUT not in (row.get("message") or ""):
            kind = tuple((k, v) for k, v in row.items() if isinstance(v, (str, int)) and not isinstance(v, bool) and k != "status")
            kinds.setdefault(tuple(v for _, v in kind), []).append(row)
    assert kinds
    for rows in kinds.values():
        for column in columns:
            values = [row[column] for row in rows if not isinstance(row[column], (str, bool, np.bool_))]
            numbers = [v for v in values if not empty(v)]
            assert column in UNBOUNDED or all(math.isfinite(v) for v in numbers), column
            assert not numbers or len(numbers) == len(rows), f"{column}: a gap among rows that converged"
            assert "error" not in column or all(v >= 0 for v in numbers)


# --- entropies ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def entropies():
    return plotting.FIGURES["entropies"].table()


def test_entropies_begin_with_all_weights_and_end_where_the_capacity_is(entropies):
    count = {"binary": 2, "ternary": 3, "discrete:-2,-1,1,2": 4, "spherical": 1}
    for row in rows_of(entropies, quantity="entropy", alpha=0.0):
        assert row["entropy"] == pytest.approx(math.log(count[row["weights"]]), abs=1e-14)
    for mark in rows_of(entropies, quantity="alpha_c"):
        weights = mark["weights"]
        assert mark["alpha"] == rp.capacity(rp.Perceptron(weights)).value
        if weights != "spherical":
            (row,) = rows_of(entropies, quantity="entropy", task="storage", weights=weights, alpha=mark["alpha"])
            assert abs(row["entropy"]) < 1e-12
    for row in rows_of(entropies, quantity="entropy", task="storage"):
        if row["weights"] != "spherical" and not empty(row["entropy"]):
            assert (row["status"] == "unphysical") == (row["entropy"] < -row["entropy_error"])


def test_students_end_at_the_spinodal(entropies):
    for weights in ("binary", "ternary"):
        it, end = (rows_of(entropies, weights=weights, quantity=q)[0]["alpha"] for q in ("alpha_it", "spinodal"))
        rows = rows_of(entropies, quantity="entropy", task="teacher-student", weights=weights)
        assert max(r["alpha"] for r in rows) == pytest.approx(end, abs=1e-8)
        assert all(r["dominant"] == (r["alpha"] <= it) for r in rows)
        (zero,) = (r for r in rows if r["alpha"] == it)
        assert abs(zero["entropy"]) < 1e-12
    for narrow in (False, True):
        left, right = figures_perceptron.ENTROPIES.draw(entropies, narrow).axes
        assert len(left.get_legend().get_texts()) == 4 and right.get_title(loc="left")


# --- phases ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_phases_of_a_binary_student():
    columns = plotting.FIGURES["teacher-student-phases"].table()
    model = rp.Perceptron(task="teacher-student")
    marks = rp.transitions(model)
    it, end = marks.alpha_it, marks.spinodal
    known = {r["quantity"]: r["alpha"] for r in rows_of(columns, weights="binary") if r["quantity"] in ("alpha_it", "spinodal")}
    assert known == {"alpha_it": it.value, "spinodal": end.value}
    typical = rows_of(columns, quantity="branch", branch="typical")
    assert all(r["dominant"] == (r["alpha"] <= it.value) for r in typical)
    (zero,) = (r for r in typical if r["alpha"] == it.value)
    assert abs(zero["free_entropy"]) < 1e-12 and zero["R"] == pytest.approx(it.order_parameters["R"], abs=1e-12)
    middle = {r["alpha"]: r for r in rows_of(columns, quantity="branch", branch="middle")}
    for r in typical:  # an unstable branch below both, which meets the typical one at the fold
        if r["alpha"] in middle:
            assert r["R"] < middle[r["alpha"]]["R"] < 1 and middle[r["alpha"]]["free_entropy"] < min(0.0, r["free_entropy"])
    last = max(middle)
    assert last == pytest.approx(end.value, abs=1e-8)
    assert middle[last]["R"] - max(r["R"] for r in typical) < 1e-3
    assert all(r["R"] == 1 and r["free_entropy"] == 0 for r in rows_of(columns, quantity="branch", branch="perfect"))
    for label, load in (("alpha_it", it.value), ("1", 1.0), ("spinodal", end.value)):
        rows = rows_of(columns, quantity="landscape", branch=label)
        inside = [r for r in rows if 0.3 < r["R"] < 0.95]
        best = max(inside, key=lambda r: r["free_entropy"])
        point = rp.solve(model, load, branch="typical") if label != "spinodal" else None
        if point is not None:  # the saddle is the maximum over R at its load
            assert best["free_entropy"] <= point.free_entropy + 1e-9 and best["free_entropy"] == pytest.approx(point.free_entropy, abs=1e-3)
            assert best["R"] == pytest.approx(point.q, abs=0.03)
        assert all(r["free_entropy_error"] < 2e-5 for r in rows)
        assert (rows[-1]["R"], rows[-1]["free_entropy"]) == (1.0, 0.0)
    later = [r["free_entropy"] for r in rows_of(columns, quantity="landscape", branch="1.7")]
    assert all(b > a for a, b in itertools.pairwise(later))  # no barrier is left
    for narrow in (False, True):
        figure = figures_learning.PHASE_BRANCHES.draw(columns, narrow)
        words = {text.get_text() for ax in figure.axes for text in ax.texts}
        assert {"impossible", "hard", "easy", "1.245", "1.493"} <= words


# --- algorithms -----------------------------------------------------------------------------------------------------


@pytest.fixture
def success(tmp_path, monkeypatch):
    """Results of a validation with one algorithm at two sizes, and no measurement of the figure's own."""
    names = ("algorithm", "K", "N", "alpha", "solved", "instances", "probability", "stderr", "seconds")
    lines = [("sbpi", 1, N, a, k, 20, k / 20, 0.05, 0.01) for N, counts in ((201, (20, 15, 2)), (401, (20, 12, 0))) for a, k in zip((0.6, 0.7, 0.8), counts)]
    lines += [("perceptron-rule", 1, 201, a, k, 20, k / 20, 0.05, 0.01) for a, k in ((1.6, 20), (1.8, 12), (2.0, 0))]
    data = {name: [str(v) if isinstance(v, float) else v for v in column] for name, column in zip(names, zip(*lines))}
    path = tmp_path / plotting.VALIDATION
    path.write_text(json.dumps({"experiments": [{"name": "success", "series": [], "rows": [], "data": data}]}))
    monkeypatch.setattr(figures_finite, "OWN", {})
    threshold = rp.capacity(rp.Perceptron())  # the true one takes seconds
    monkeypatch.setattr(rp, "local_entropy_threshold", lambda model: threshold, raising=False)
    return path


def test_success_is_that_of_the_validation(success):
    columns = plotting.FIGURES["algorithm-success"].table(None, success)
    shares = rows_of(columns, quantity="share")
    assert {r["source"] for r in shares} == {"validation"} and len(shares) == 9
    fits = {(r["algorithm"], r["N"]): r for r in rows_of(columns, quantity="threshold")}
    own = fit_threshold([0.6, 0.7, 0.8], [20, 12, 0], [20] * 3, 0)
    assert fits["sbpi", 401]["alpha"] == own.value and fits["sbpi", 401]["alpha_error"] == own.error
    ends = {r["weights"]: r["alpha"] for r in rows_of(columns, quantity="capacity")}
    assert ends == {"binary": rp.capacity(rp.Perceptron()).value, "spherical": rp.capacity(rp.Perceptron("spherical")).value}
    assert all(r["alpha"] < ends[r["weights"]] for r in fits.values())


def test_success_draws_curves_and_thresholds_over_the_theory(success):
    columns = plotting.FIGURES["algorithm-success"].table(None, success)
    limit = rp.capacity(rp.Perceptron()).value
    for narrow in (False, True):
        left, right = plotting.FIGURES["algorithm-success"].draw(columns, narrow).axes
        assert any(line.get_xdata()[0] == limit == line.get_xdata()[-1] for line in left.get_lines())
        ((bars, _, _),) = left.containers  # the size that most algorithms were run at, and the larger of two
        assert bars.get_ydata().tolist() == [1.0, 0.6, 0.0]
        assert [tick.get_text() for tick in right.get_yticklabels()] == ["sbpi", "perceptron-rule"]
        at = [container.lines[0].get_xdata()[0] for container in right.containers]
        fits = [r["alpha"] for r in rows_of(columns, quantity="threshold", algorithm="sbpi")]
        assert at[:2] == pytest.approx([fit / limit for fit in fits])


def test_success_without_a_validation_is_measured(tmp_path, monkeypatch, success):
    monkeypatch.setattr(figures_finite, "OWN", {"sbpi": ((0.4, 0.9), None), "hebb": ((0.05, 0.6), None)})
    monkeypatch.setattr(figures_finite, "SIZE", 51)
    monkeypatch.setattr(figures_finite, "INSTANCES", 4)
    first, second = (plotting.FIGURES["algorithm-success"].table(None, tmp_path / "nothing.json") for _ in range(2))
    same = [{k: v for k, v in c.items() if k != "seconds"} for c in (first, second)]
    assert json.dumps(same[0]) == json.dumps(same[1])  # seeded
    shares = rows_of(first, quantity="share", algorithm="sbpi")
    assert [r["N"] for r in shares] == [51, 51] and {r["source"] for r in shares} == {"own"}
    assert shares[0]["probability"] > shares[1]["probability"] and all(r["stderr"] > 0 for r in shares)
    mixed = plotting.FIGURES["algorithm-success"].table(None, success)  # what the file does not have is measured beside it
    assert {(r["algorithm"], r["source"]) for r in rows_of(mixed, quantity="share")} == {
        ("sbpi", "validation"),
        ("perceptron-rule", "validation"),
        ("hebb", "own"),
    }


def test_every_algorithm_of_the_figure_exists():
    from replicas.simulation import ALGORITHMS

    assert set(figures_finite.OWN) <= set(ALGORITHMS)
    assert all(len(loads) >= 5 and list(loads) == sorted(loads) for loads, _ in figures_finite.OWN.values())


@pytest.mark.slow
@pytest.mark.nightly
def test_algorithms_stop_before_solutions_do():
    columns = plotting.FIGURES["algorithm-success"].table()
    ends = {r["weights"]: r["alpha"] for r in rows_of(columns, quantity="capacity")}
    fits = rows_of(columns, quantity="threshold")
    assert {r["algorithm"] for r in fits} == set(figures_finite.OWN)
    assert all(r["status"] == "fitted" and 3 * r["alpha_error"] < ends[r["weights"]] - r["alpha"] for r in fits)
    assert {r["alpha"] for r in rows_of(columns, quantity="dense-clusters")} == {rp.local_entropy_threshold(rp.Perceptron()).value}
    palette = {color.lower() for color in (drawing.BLACK, *drawing.CYCLE)}
    for ax in plotting.FIGURES["algorithm-success"].draw(columns).axes:
        assert {line.get_color().lower() for line in ax.get_lines()} <= palette
