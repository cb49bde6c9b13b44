"""python -m validation: output, files and exit codes."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from validation import __main__ as command
from validation.result import ExperimentResult, confront, series

ROOT = Path(__file__).parents[2]


CURVE_KEYS = {"label", "xlabel", "ylabel", "x", "y", "yerr", "theory_x", "theory_y"}


def outcome(measured, name="stub"):
    rows = (confront("x", 1.0, measured, 0.1),)
    curve = series("points", ("load", "x"), ([1], [measured], [0.1]), ([0, 1], [1.0, 1.0]))
    data = {"N": [5], "x": [1.5]}
    return ExperimentResult(name, "Is it one?", rows, (curve,), ("a note",), 0, True, 0.5, data)


@pytest.fixture
def experiments(monkeypatch):
    """Replace the experiments by given outcomes; an exception as an outcome is raised."""

    def install(**outcomes):
        def runner(given):
            def run(quick, seed, progress):
                if isinstance(given, BaseException):
                    raise given
                return given

            return run

        monkeypatch.setattr(command, "EXPERIMENTS", {name: runner(given) for name, given in outcomes.items()})

    return install


def test_agreement_and_files(experiments, capsys, tmp_path):
    experiments(stub=outcome(1.05))
    assert command.main(["--json", "--output", str(tmp_path / "new")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "new" / "validation.json").read_text())
    assert printed["agrees"] is True and printed["seed"] == 0 and printed["quick"] is True
    (experiment,) = printed["experiments"]
    (row,) = experiment["rows"]
    assert row["measured"] == "1.05" and row["verdict"] == "agrees (pull 0.5)"
    assert float(row["pull"]) == pytest.approx(0.5)
    assert set(experiment["series"][0]) == CURVE_KEYS
    assert experiment["question"] == "Is it one?" and experiment["seconds"] == "0.5"
    with open(tmp_path / "new" / "stub.csv") as stream:
        assert list(csv.reader(stream)) == [["N", "x"], ["5", "1.5"]]
    with open(tmp_path / "new" / "comparisons.csv") as stream:
        assert list(csv.reader(stream)) == [list(command.COMPARED), ["stub", "x", "1", "1.05", "0.1", "0.5", "", "agrees", "0", "quick"]]


def test_the_recorded_comparisons_are_of_full_runs_and_judged_as_their_numbers_say():
    with open(ROOT / "validation" / "record" / "comparisons.csv", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert tuple(lines[0]) == command.COMPARED and {line["experiment"] for line in lines} <= set(command.EXPERIMENTS)
    for line in lines:
        predicted, measured, stderr, pull = (float(line[name]) for name in ("prediction", "measurement", "stderr", "pull"))
        assert line["extent"] == "full" and pull * (measured - predicted) >= 0
        if line["side"]:
            assert line["verdict"] == "agrees" and (measured > predicted) == (line["side"] == "above")
        else:
            assert line["verdict"] == confront("", 0.0, pull, 1.0).verdict.split(" (")[0]


def test_disagreement_is_said_and_exits_1(experiments, capsys):
    experiments(good=outcome(1.0), bad=outcome(1.5, "bad"))
    assert command.main([]) == 1
    out = capsys.readouterr().out
    assert "disagrees" in out and "disagreement: x" in out


def test_a_failing_experiment_is_reported_and_the_others_go_on(experiments, capsys):
    experiments(broken=RuntimeError("no saddle point"), good=outcome(1.0))
    assert command.main(["--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["failures"] == {"broken": "RuntimeError: no saddle point"}
    assert len(printed["experiments"]) == 1


def test_interruption_reports_what_is_done(experiments, capsys):
    experiments(good=outcome(1.0), slow=KeyboardInterrupt(), never=outcome(1.0))
    assert command.main([]) == 130
    out = capsys.readouterr().out
    assert "stub: Is it one?" in out and "interrupted" in out


def test_what_an_interrupted_experiment_has_is_written(experiments, capsys, tmp_path):
    experiments(good=outcome(1.0), cut=replace(outcome(1.0), interrupted=True), never=outcome(1.0))
    assert command.main(["--output", str(tmp_path)]) == 130
    assert "interrupted" in capsys.readouterr().out
    written = json.loads((tmp_path / "validation.json").read_text())
    assert len(written["experiments"]) == 2 and written["interrupted"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quick", "--full"], "not allowed with"),
        (["--only", "weather"], "invalid choice: 'weather'"),
        (["--seed", "-1"], "--seed: got -1, takes an integer >= 0"),
        (["--seed", "x"], "invalid int value: 'x'"),
        (["--js"], "unrecognized arguments: --js"),
        (["--output", str(ROOT / "pyproject.toml")], "takes a directory"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    printed = capsys.readouterr()
    assert caught.value.code == 2 and printed.out == ""
    assert message in printed.err and printed.err.count("\n") == 1


def test_runs_as_a_module():
    line = [sys.executable, "-m", "validation", "--only", "weather"]
    run = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr.startswith("python -m validation: ") and run.stdout == ""


@pytest.mark.slow
@pytest.mark.nightly  # .ci/run runs the command itself
def test_quick_validation_agrees():
    line = [sys.executable, "-m", "validation", "--quick", "--json"]
    run = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    printed = json.loads(run.stdout)
    assert run.returncode == 0, printed
    assert [e["name"] for e in printed["experiments"]] == list(command.EXPERIMENTS) and len(command.EXPERIMENTS) == 15


def test_list_names_every_experiment_and_runs_none(capsys):
    assert command.main(["--list", "--json"]) == 0
    questions = json.loads(capsys.readouterr().out)
    assert list(questions) == list(command.EXPERIMENTS)
    assert all(text.endswith("?") for text in questions.values())
