"""Sweeps of the command line on processes and in stores: the answers of the direct way, resumed, and what is kept when one ends early."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import replicas as rp
from replicas.sweeps import store as stores

TEACHER = "--task teacher-student"
COMMITTEE = "--model tree-committee --weights spherical"
SOME = 40_000  # bytes of a store that holds some points
ROUNDING = 4e-16  # of a number that is printed with an error of zero


@pytest.fixture
def unasked(monkeypatch):
    """Make the library fail where it is asked."""

    def refuse(*names):
        for name in names or ("solve", "capacity", "transitions", "generalization"):
            function = getattr(rp, name)
            monkeypatch.setattr(rp, name, functools.wraps(function)(lambda *_, **__: pytest.fail("asked again")))

    return refuse


def same(direct, kept):
    """Two JSON objects with the same keys in the same order, whose numbers agree within their errors."""
    heads = ({k: v for k, v in answer.items() if k != "points"} for answer in (direct, kept))
    if "points" in direct:
        assert next(heads) == next(heads)
    for a, b in zip(direct.get("points", [direct]), kept.get("points", [kept]), strict=True):
        assert list(a) == list(b)
        for name in a:
            if name in ("error", "errors", "jump"):  # a jump between neighbours is not told by chunks
                assert name != "jump" or b[name] is None
                continue
            try:
                values = float(a[name]), float(b[name])
            except (TypeError, ValueError):
                if not isinstance(a[name], dict):
                    assert a[name] == b[name], name
                continue
            error = sum(float(answer["errors"].get(name) or answer["error"] or 0) for answer in (a, b))
            assert values[0] == values[1] or abs(values[0] - values[1]) <= error + ROUNDING * abs(values[0]), (name, *values)


@pytest.mark.parametrize(
    "line",
    [
        "capacity --weights spherical --kappa -1 0 1",
        "solve --kappa 0 0.5 --alpha 0.9 0.1 0.1",
        "solve --weights spherical --alpha 1 2.5",
        "solve --likelihood window --alpha 0.3 --kappa 1 2",
        "solve --alpha 1 --beta 0.5 1",
        "solve --alpha 0.6 --digits 20",
        f"solve {TEACHER} --alpha 1.3",
        f"transitions {TEACHER}",
        f"generalization {TEACHER} --weights spherical --alpha 1 2 --rule hebb",
        f"capacity {COMMITTEE} --K 3 inf 1 3",
        "solve --model tree-parity --alpha 0.1 0.2 --K 2 1",
        "solve --model stochastic-perceptron --alpha 0.3 --beta 1 2 --q-star 0.6",
        pytest.param("franz-parisi --distance 0.1 0.2 --alpha 0.5 0.55", marks=pytest.mark.slow),
        pytest.param("local-entropy --alpha 0.6 --distance 0.05 0.1 --y 1 star inf", marks=pytest.mark.slow),
        pytest.param("isolation --alpha 0.55", marks=pytest.mark.slow),
        pytest.param("solve --weights spherical --kappa -1 --alpha 9 12 --ansatz 1rsb", marks=pytest.mark.slow),
    ],
)
def test_a_kept_sweep_answers_like_the_direct_one_and_a_second_time_from_the_store(ask, tmp_path, unasked, line):
    store = f"--store {tmp_path / 's.db'}"
    direct, kept = ask(line), ask(f"{line} {store}")
    same(direct, kept)
    unasked()
    assert ask(f"{line} {store}") == kept


def test_two_processes_answer_like_one(ask):
    line = "solve --alpha 0.1:0.8:0.05 --kappa 0 0.5"
    same(ask(line), ask(f"{line} --jobs 2"))


def test_jobs_one_is_the_direct_way(ask):
    assert ask("capacity --kappa 0 0.3 --jobs 1") == ask("capacity --kappa 0 0.3")


def test_the_order_of_the_flags_does_not_matter_to_a_store_but_to_the_answer(ask, tmp_path, unasked):
    store = f"--store {tmp_path / 's.db'}"
    first = ask(f"solve --alpha 0.1 0.2 --kappa 0 0.5 {store}")["points"]
    unasked("solve")
    second = ask(f"solve --kappa 0.5 0 --alpha 0.2 0.1 {store}")["points"]
    assert [(p["alpha"], p["kappa"]) for p in second] == [(0.2, 0.5), (0.1, 0.5), (0.2, 0), (0.1, 0)]
    assert sorted(map(json.dumps, first)) == sorted(map(json.dumps, second))


def test_a_larger_sweep_asks_about_what_is_new_only(ask, tmp_path, monkeypatch):
    store = f"--store {tmp_path / 's.db'}"
    ask(f"solve --alpha 0.1:0.5:0.1 {store}")
    asked = []
    solve = rp.solve
    noting = functools.wraps(solve)(lambda model, alpha, **o: asked.extend(np.ravel(alpha)) or solve(model, alpha=alpha, **o))
    monkeypatch.setattr(rp, "solve", noting)
    points = ask(f"solve --alpha 0.1:0.7:0.1 {store}")["points"]
    assert [p["alpha"] for p in points] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7] and sorted(set(asked)) == [0.6, 0.7]


def test_coexisting_branches_are_kept_as_the_dominant_one(ask, run, tmp_path):
    line = f"generalization {TEACHER} --alpha 0.5 1.3"
    direct, kept = ask(line), ask(f"{line} --store {tmp_path / 's.db'}")
    said = kept.pop("note")
    same({**direct, "points": [p for p in direct["points"] if p["dominant"]]}, kept)
    assert [p["branch"] for p in kept["points"]] == ["typical", "perfect"]
    assert "dominant one of each point" in said and run(f"{line} --jobs 2")[1].endswith(f"\n  {said}\n")
    assert run(f"{line} --jobs 2 --csv")[2] == f"replicas generalization: note: {said}\n"
    assert "note" not in ask(f"generalization {TEACHER} --weights spherical --alpha 0.5 --rule hebb --jobs 2")
    assert "dominant one of each point" in " ".join(run("generalization --help")[1].split())


def test_a_learning_curve_of_one_branch(ask, tmp_path):
    line = f"generalization {TEACHER} --alpha 1.3 1.35 --branch middle"
    direct, kept = ask(line), ask(f"{line} --store {tmp_path / 's.db'}")
    assert "note" not in kept
    same(direct, kept)
    expected = rp.generalization(rp.Perceptron(task="teacher-student"), [1.3, 1.35], branch="middle")
    for point, overlap in zip(kept["points"], expected.R, strict=True):
        assert (point["branch"], point["dominant"], float(point["R"])) == ("middle", False, pytest.approx(overlap, rel=1e-13))


def test_a_point_that_breaks_the_library_is_kept_with_its_reason_and_asked_again(run, tmp_path, monkeypatch):
    solve = rp.solve

    @functools.wraps(solve)
    def fragile(model, alpha, **options):
        if np.any(np.asarray(alpha) == 0.3):
            raise ZeroDivisionError("division by zero")
        return solve(model, alpha=alpha, **options)

    line = f"solve --alpha 0.1:0.5:0.1 --json --store {tmp_path / 's.db'}"
    monkeypatch.setattr(rp, "solve", fragile)
    code, out, err = run(line)
    points = json.loads(out)["points"]
    assert (code, err) == (0, "") and "NaN" not in out
    assert [p["status"] for p in points] == ["converged", "converged", "not-converged", "converged", "converged"]
    assert points[2]["alpha"] == 0.3 and points[2]["message"] == "ZeroDivisionError: division by zero"
    text = run(line.replace("--json ", ""))[1]
    assert re.search(r"^ +0\.3 .*not-converged: ZeroDivisionError: division by zero$", text, re.MULTILINE)
    monkeypatch.setattr(rp, "solve", solve)
    assert json.loads(run(line)[1])["points"][2]["status"] == "not-converged"  # not asked again unless wished
    again = json.loads(run(f"{line} --retry")[1])["points"]
    assert [p["status"] for p in again] == ["converged"] * 5 and again[0] == points[0]


def test_nothing_but_failures_is_no_answer(run, tmp_path, monkeypatch):
    @functools.wraps(rp.capacity)
    def broken(*_, **__):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(rp, "capacity", broken)
    code, out, err = run(f"capacity --store {tmp_path / 's.db'} --json")
    assert (code, err) == (1, "") and json.loads(out)["status"] == "not-converged"
    code, out, err = run(f"capacity --kappa 0 1 --store {tmp_path / 's.db'}")
    assert (code, err) == (1, "") and out.count("not-converged: ZeroDivisionError") == 2


# --- ended early -----------------------------------------------------------------------------------------------------------


def test_an_interrupted_sweep_says_what_is_kept_and_goes_on(run, tmp_path, monkeypatch):
    solve = rp.solve
    path = tmp_path / "s.db"

    @functools.wraps(solve)
    def interrupted(model, alpha, **options):
        if np.any(np.asarray(alpha) > 0.35):
            raise KeyboardInterrupt
        return solve(model, alpha=alpha, **options)

    monkeypatch.setattr(rp, "solve", interrupted)
    code, out, err = run(f"solve --alpha 0.1:0.8:0.1 --store {path}")
    kept = re.fullmatch(rf"replicas solve: interrupted; (\d) of 8 points are kept in {path}: the same command goes on from there\n", err)
    assert (code, out) == (130, "") and kept and 1 <= int(kept[1]) <= 3
    monkeypatch.setattr(rp, "solve", solve)
    code, out, err = run(f"solve --alpha 0.1:0.8:0.1 --store {path} --json")
    assert (code, err) == (0, "") and [p["status"] for p in json.loads(out)["points"]] == ["converged"] * 8
    monkeypatch.setattr(rp, "solve", interrupted)
    code, out, err = run("solve --alpha 0.1:0.8:0.1 --jobs 2")
    assert (code, out) == (130, "") and re.search(r"interrupted; \d of 8 points were done, none is kept \(--store FILE keeps them\)$", err.strip())


@pytest.mark.slow
def test_ctrl_c_and_the_same_command_again(tmp_path):
    """A real signal to a real process with workers."""
    path = tmp_path / "s.db"
    loads = ["--alpha", "9:12:0.05"]
    line = ["solve", "--weights", "spherical", "--kappa", "-1", *loads, "--ansatz", "1rsb", "--jobs", "2", "--json", "--store", str(path)]
    process = subprocess.Popen([sys.executable, "-m", "replicas", *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 120
    while time.time() < deadline and process.poll() is None and not (path.exists() and path.stat().st_size > SOME):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == "", err
    kept = re.fullmatch(r"replicas solve: interrupted; (\d+) of 61 points are kept in .*: the same command goes on from there\n", err)
    assert kept and 0 < int(kept[1]) < 61
    done = subprocess.run([sys.executable, "-m", "replicas", *line], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stderr == ""
    assert [p["status"] for p in json.loads(done.stdout)["points"]] == ["converged"] * 61


def test_a_store_that_can_take_no_more_is_one_line_and_no_answer(run, tmp_path, monkeypatch):
    add = stores.Store.add
    taken = []

    def full(self, keys, pieces, texts):
        if taken:
            raise stores.StoreFull(f"store: {self.path}: the disk is full")
        taken.append(pieces)
        add(self, keys, pieces, texts)

    monkeypatch.setattr(stores.Store, "add", full)
    path = tmp_path / "s.db"
    code, out, err = run(f"solve --alpha 0.1:0.8:0.1 --store {path}")
    assert (code, out) == (1, "") and err.count("\n") == 1
    assert re.search(rf"^replicas solve: store: {path}: the disk is full; \d of 8 points are kept in {path}: the same command goes on", err)


# --- what is refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags, complaint",
    [
        ("--jobs 0", r"jobs: got 0; takes a number of processes >= 1"),
        ("--jobs two", r"jobs: got 'two'; takes a number of processes >= 1"),
        ("--retry", r"retry: got --retry without a store; takes it with --store FILE"),
        ("--retry --jobs 2", r"retry: got --retry without a store"),
        ("--branch all --jobs 2", r"branch: got 'all' with --jobs or --store, which keep one branch a point"),
        ("--alpha 0.2 --store x.db", r"alpha: given twice"),
        ("--store", r"store: got no value; takes one after --store"),
        ("--kappa 0.1 0.12345678901234567890123 --jobs 2", r"kappa: got 0\.12345678901234567890123 with --jobs or --store; takes numbers of up to 17 digits"),
        ("--store {file}/s.db", r"store: got .*/s\.db, in .*/file, which is not a folder; takes a file in a folder that exists"),
        ("--store {folder}/no/s.db", r"store: got .*/s\.db, in .*/no, which is not a folder; takes a file in a folder that exists"),
        ("--store ''", r"store: got ''; takes the path of a file"),
        ("--jobs ''", r"jobs: got ''; takes a number of processes >= 1"),
        ("--store {file}", r"store: got .*, which is not a store of sweeps; takes a file that can be written"),
        ("--store {folder}", r"store: got .*, which cannot be written \(.*\); takes a file that can be written"),
        ("--ansatz 2rsb --jobs 2", r"ansatz: got '2rsb'; takes rs, 1rsb"),
    ],
)
def test_a_bad_argument_is_one_line_before_any_work(run, tmp_path, unasked, flags, complaint):
    file = tmp_path / "file"
    file.write_text("not a store")
    unasked("solve")
    code, out, err = run(f"solve --alpha 0.5 {flags.format(file=file, folder=tmp_path)}")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert re.search(complaint, err), err


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder_is_refused(run, tmp_path):
    tmp_path.chmod(0o500)
    code, out, err = run(f"capacity --store {tmp_path / 's.db'}")
    assert (code, out) == (2, "") and "which cannot be written" in err


def test_a_store_of_another_task_is_refused_by_name(run, ask, tmp_path):
    store = f"--store {tmp_path / 's.db'}"
    ask(f"capacity --kappa 0 {store}")
    code, out, err = run(f"solve --alpha 0.5 {store}")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert re.search(r"store: got .*s\.db, a store of capacity; takes one of solve, or a new file", err)


def test_a_store_holds_whatever_is_asked_of_its_question(ask, tmp_path, unasked):
    store = f"--store {tmp_path / 's.db'}"
    lines = [f"capacity {words} {store}" for words in ("--kappa 0 1", "--criterion q-to-1", "--digits 20")]
    first = list(map(ask, lines))
    unasked()
    assert list(map(ask, lines)) == first
    assert ask(f"capacity --kappa 1 {store}")["value"] == first[0]["points"][1]["value"]  # of the model, or swept


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
def test_a_full_output_is_named(tmp_path):
    with open("/dev/full", "w") as full:
        line = [sys.executable, "-m", "replicas", "models"]
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "replicas models: error: stdout cannot be written: No space left on device\n")


def test_the_library_and_the_command_share_a_store(ask, tmp_path, unasked):
    rp.sweep("solve", {"alpha": [0.1, 0.2, 0.3]}, store=tmp_path / "s.db", model=rp.Perceptron())
    unasked("solve")
    assert len(ask(f"solve --alpha 0.3 0.1 --store {tmp_path / 's.db'}")["points"]) == 2


def test_questions_that_cannot_be_swept_do_not_take_the_flags(run):
    code, _, err = run("phase-diagram --weights spherical --jobs 2")
    assert code == 2 and "unrecognized arguments: --jobs 2" in err


# --- CSV -------------------------------------------------------------------------------------------------------------------


def table(run, line):
    """The CSV of a command line as one dictionary a row."""
    code, out, err = run(f"{line} --csv")
    assert (code, err) == (0, ""), err
    return list(csv.DictReader(io.StringIO(out)))


@pytest.mark.parametrize(
    "line",
    [
        "capacity --kappa 0.2",
        "capacity --kappa 0 0.2 --digits 30",
        "solve --alpha 0.3 0.9",
        f"transitions {TEACHER}",
        f"generalization {TEACHER} --alpha 1.3",
        f"capacity {COMMITTEE} --K 3 5",
        "max-margin --weights spherical --alpha 0.5 1",
        "field-distribution --alpha 0.5 --u 0 1",
        "constants capacity-binary --digits 20",
    ],
)
def test_csv_holds_what_the_json_holds(run, ask, line):
    answer = ask(line)
    points = answer.get("points", [answer])
    rows = table(run, line)
    assert len(rows) == len(points)
    for row, point in zip(rows, points):
        assert row["quantity"] == answer["quantity"]
        if "model" in answer:
            assert row["model"] == answer["model"]["name"] and row["weights"] == answer["model"]["weights"]
        for key, value in point.items():
            if key == "errors":
                assert all(row[f"{name}_error"] == ("" if error is None else error) for name, error in value.items())
            elif isinstance(value, dict) and "value" in value:  # a threshold among several
                assert row[key] == value["value"] and row[f"{key}_error"] == value["error"]
            elif isinstance(value, dict) and key != "model":
                assert all(row[name] == number for name, number in value.items())
            elif key not in ("model", "quantity"):
                assert row[key] == ("" if value is None else str(value))


def test_csv_through_a_store_has_the_same_columns(run, tmp_path):
    line = "solve --alpha 0.3 0.9"
    direct, kept = table(run, line), table(run, f"{line} --store {tmp_path / 's.db'}")
    assert [list(row) for row in direct] == [list(row) for row in kept] and len(kept) == 2


def test_csv_and_json_are_one_or_the_other(run):
    code, out, err = run("capacity --csv --json")
    assert (code, out) == (2, "") and "csv: got --csv with --json; takes one of them" in err
