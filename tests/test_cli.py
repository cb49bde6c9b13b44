"""The command line: the contract of its flags, JSON and exit codes, and its agreement with the library."""

from __future__ import annotations

import functools
import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest

import replicas as rp
from replicas.cli import support
from replicas.cli.arguments import make_grid, parse_values
from replicas.cli.questions import QUESTIONS
from replicas.theory.ansatz import check_ansatz, check_one_field

HEAD = ["quantity", "model", "ansatz"]
SOLVE_KEYS = {
    "alpha", "kappa", "beta", "q", "q_hat", "free_entropy", "entropy", "energy", "replicon", "stable", "residual", "branch", "dominant",
    "error", "errors", "status", "message",
}  # fmt: skip
TEACHER = "--weights binary --task teacher-student"


def shell(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "replicas", *words], capture_output=True, text=True, timeout=300)


# --- values and keys -----------------------------------------------------------------------------------------------


def test_one_point_is_flat_with_every_key_and_the_digits_of_the_library(ask):
    answer = ask("solve --weights binary --alpha 0.6")
    assert list(answer)[:3] == HEAD
    assert set(answer) >= SOLVE_KEYS and "points" not in answer
    point = rp.solve(rp.Perceptron(weights="binary"), alpha=0.6)
    for key in ("q", "q_hat", "free_entropy", "entropy", "replicon"):
        assert isinstance(answer[key], str)
        assert float(answer[key]) == getattr(point, key)
    assert answer["energy"] is None  # inapplicable without a temperature
    assert answer["alpha"] == 0.6 and answer["stable"] is True and answer["status"] == "converged"
    assert 0 < float(answer["error"]) < 1e-12
    assert set(answer["errors"]) >= {"q", "q_hat", "entropy", "replicon"}


def test_capacity_of_the_contract(ask):
    answer = ask("capacity --model perceptron --weights binary --kappa 0")
    keys = {"quantity", "model", "ansatz", "criterion", "value", "error", "digits", "certified", "order_parameters", "errors", "stable",
            "status", "message"}  # fmt: skip
    assert set(answer) >= keys
    assert abs(float(answer["value"]) - 0.8330785997395813) <= float(answer["error"]) + 1e-16
    assert (answer["criterion"], answer["certified"], answer["stable"]) == ("zero-entropy", False, True)
    assert answer["model"]["weights"] == "binary" and answer["quantity"] == "capacity"


def test_the_criterion_is_asked_for_and_labelled(ask):
    answer = ask("capacity --weights binary --criterion q-to-1")
    assert abs(float(answer["value"]) - 4 / np.pi) < 1e-12
    assert answer["criterion"] == "q-to-1" and "not the capacity" in answer["statement"]


def test_transitions_are_objects_with_value_and_error(ask):
    answer = ask(f"transitions {TEACHER}")
    for key, value in (("alpha_it", 1.2446839898506876), ("spinodal", 1.4926318182303504)):
        assert abs(float(answer[key]["value"]) - value) < 1e-13
        assert float(answer[key]["error"]) < 1e-12


def test_learning_curve_of_the_contract(ask):
    answer = ask("generalization --weights spherical --task teacher-student --alpha 0.5 1 2 5")
    assert [point["alpha"] for point in answer["points"]] == [0.5, 1, 2, 5]
    for point in answer["points"]:
        R = float(point["R"])
        assert float(point["eps_gibbs"]) == pytest.approx(np.arccos(R) / np.pi, abs=1e-14)
        assert float(point["eps_bayes"]) == pytest.approx(np.arccos(np.sqrt(R)) / np.pi, abs=1e-14)


@pytest.mark.parametrize(
    "words",
    [
        "generalization --weights binary --task teacher-student --alpha 0.5 1.49 1.5 1.5 2",  # three branches, then one
        "solve --model tree-parity --weights spherical --K 2 --alpha 1 2 --branch all",  # one, then two
    ],
)
def test_no_point_is_lost_where_the_number_of_branches_changes(ask, words):
    """A sweep has the rows of its loads asked one by one."""
    head, loads = words.split("--alpha ")
    loads, tail = (loads.split(" --branch")[0].split(), " --branch all" if "--branch" in loads else "")

    def rows(load):
        whole = ask(f"{head}--alpha {load}{tail}")
        return whole.get("points", [whole])

    swept = ask(words)
    apart = [(float(row["alpha"]), row["branch"], row["dominant"]) for load in loads for row in rows(load)]
    assert [(float(row["alpha"]), row["branch"], row["dominant"]) for row in swept["points"]] == apart


def test_coexisting_branches_are_points_with_one_dominant(ask):
    points = ask(f"generalization {TEACHER} --alpha 1.3")["points"]
    assert {point["branch"] for point in points} >= {"typical", "perfect"}
    assert [point["branch"] for point in points if point["dominant"]] == ["perfect"]
    assert {point["alpha"] for point in points} == {1.3}


@pytest.mark.parametrize(
    "line, key, value",
    [
        ("at-line --weights binary", "value", lambda: rp.at_line(rp.Perceptron()).value),
        ("stability --alpha 0.5", "replicon", lambda: rp.stability(rp.Perceptron(), 0.5).replicon),
        ("ground-state --alpha 1.5", "energy", lambda: rp.ground_state(rp.Perceptron(), 1.5).energy),
        ("max-margin --likelihood window --alpha 1", "value", lambda: rp.max_margin(rp.Perceptron(likelihood="window", kappa=1), 1.0).value),
        ("max-margin --weights spherical --alpha 1", "value", lambda: rp.max_margin(rp.Perceptron("spherical"), 1.0).value),
        ("solve --alpha 1 --beta 2", "energy", lambda: rp.solve(rp.Perceptron(beta=2.0), 1.0).energy),
        ("solve --alpha 0.5 --likelihood window --kappa 1", "entropy", lambda: rp.solve(rp.Perceptron(likelihood="window", kappa=1.0), 0.5).entropy),
        ("field-distribution --alpha 0.5 --u 0.25", "density", lambda: rp.field_distribution(rp.solve(rp.Perceptron(), 0.5), 0.25).density),
        ("generalization --weights spherical --task teacher-student --alpha 2 --rule hebb", "R", lambda: (4 / (4 + np.pi)) ** 0.5),
    ],
)  # fmt: skip
def test_each_question_gives_the_number_of_the_library(ask, line, key, value):
    assert float(ask(line)[key]) == pytest.approx(value(), rel=1e-13)


def test_text_shows_the_number_and_its_error(run):
    code, out, err = run("capacity --weights binary")
    assert code == 0 and err == ""
    assert re.search(r"value +0\.83307859973958\d* ± \d\.\de-1\d", out)


# --- sweeps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, numbers",
    [
        (["0.1:0.8:0.05"], [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8]),
        (["-2:2:0.5"], [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2]),
        (["1:0:-0.5"], [1, 0.5, 0]),
        (["0:1:0.3"], [0, 0.3, 0.6, 0.9]),
        (["0:1:0.3333333333"], [0, 0.3333333333, 0.6666666666, 0.9999999999]),
        (["1e-3", "0.5:0.6:0.1"], [1e-3, 0.5, 0.6]),
        (["0.5:0.5:0.1"], [0.5]),
    ],
)
def test_ranges_include_their_end_and_are_exact_decimals(words, numbers):
    values = parse_values("alpha", words)
    assert list(values.numbers) == numbers
    assert values.swept


def test_one_number_is_not_a_sweep():
    assert not parse_values("alpha", ["0.5"]).swept


@pytest.mark.parametrize(
    "word",
    ["x", "nan", "inf", "1:2", "1:2:3:4", "1:2:0", "1:2:-0.5", "a:b:c", "nan:1:0.1", "0:1e9:1", "__import__('os')", ""],
)
def test_what_is_not_a_number_or_range_is_refused_by_name(word):
    with pytest.raises(ValueError, match=r"^alpha: got .*takes"):
        parse_values("alpha", [word])


@pytest.mark.parametrize("text, value", [("-1e-3", -1e-3), ("-.5", -0.5), ("-1", -1.0), ("-2.5E-1", -0.25)])
def test_negative_numbers_are_values(ask, text, value):
    assert ask(f"capacity --weights spherical --kappa {text}")["kappa"] == value
    assert ask(f"capacity --weights spherical --kappa={text}")["kappa"] == value


def test_a_sweep_has_one_point_for_each_value(ask):
    answer = ask("capacity --weights spherical --kappa -1 0 1")
    assert [point["kappa"] for point in answer["points"]] == [-1, 0, 1]
    assert [point["stable"] for point in answer["points"]] == [False, True, True]
    values = rp.capacity(rp.Perceptron(weights="spherical"), kappa=[-1, 0, 1]).value
    assert [float(point["value"]) for point in answer["points"]] == list(values)


@pytest.mark.parametrize(
    "flags, fastest", [("--alpha 0.1 0.2 --kappa -1:1:1", "kappa"), ("--kappa -1:1:1 --alpha 0.1 0.2", "alpha")]
)
def test_the_product_runs_fastest_over_the_last_flag(ask, flags, fastest):
    points = ask(f"solve --weights binary {flags}")["points"]
    pairs = [(point["alpha"], point["kappa"]) for point in points]
    expected = (
        [(a, k) for a in (0.1, 0.2) for k in (-1, 0, 1)]
        if fastest == "kappa"
        else [(a, k) for k in (-1, 0, 1) for a in (0.1, 0.2)]
    )
    assert pairs == expected
    single = rp.solve(rp.Perceptron(kappa=1.0), alpha=0.2)
    assert float(points[-1]["entropy"]) == pytest.approx(single.entropy, abs=1e-13)


def test_a_swept_temperature_belongs_to_each_point(ask):
    points = ask("solve --alpha 1 --beta 0.5 1 2")["points"]
    assert [point["beta"] for point in points] == [0.5, 1, 2]
    assert float(points[2]["energy"]) == pytest.approx(rp.solve(rp.Perceptron(beta=2.0), 1.0).energy, rel=1e-12)


def test_an_unanswered_point_is_reported_and_the_sweep_goes_on(ask):
    points = ask("solve --weights spherical --alpha 1 2.5")["points"]
    assert [point["status"] for point in points] == ["converged", "no-solution"]
    assert points[1]["entropy"] is None and "capacity" in points[1]["message"]


def test_a_point_that_breaks_the_library_is_isolated(run, monkeypatch):
    solve = rp.solve

    def fragile(model, alpha, **options):
        if np.any(np.asarray(alpha) == 0.3):
            raise ZeroDivisionError("division by zero")
        return solve(model, alpha=alpha, **options)

    monkeypatch.setattr(rp, "solve", fragile)
    code, out, err = run("solve --alpha 0.1:0.5:0.1 --json")
    points = json.loads(out)["points"]
    assert code == 0 and err == ""
    assert [point["alpha"] for point in points] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert [point["status"] for point in points] == [
        "converged",
        "converged",
        "not-converged",
        "converged",
        "converged",
    ]
    assert points[2]["message"] == "ZeroDivisionError: division by zero"
    code, out, err = run("solve --alpha 0.3")
    assert code == 1 and "not-converged: ZeroDivisionError" in out


def test_grid_of_two_swept_parameters():
    grid = make_grid(
        {
            "kappa": parse_values("kappa", ["0", "1"]),
            "alpha": parse_values("alpha", ["2", "3"]),
            "beta": parse_values("beta", ["5"]),
        }
    )
    assert grid.size == 4 and grid.parameters["beta"] == 5
    assert grid.parameters["kappa"].tolist() == [0, 0, 1, 1] and grid.parameters["alpha"].tolist() == [2, 3, 2, 3]


# --- exit codes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, status",
    [
        ("solve --weights spherical --alpha 2", "no-solution"),
        ("solve --weights binary --alpha 0.9", "unphysical"),
        ("capacity --weights binary --task teacher-student", "unsupported"),
        ("transitions --weights spherical --task teacher-student", "no-solution"),
        ("transitions --weights binary", "unsupported"),
        ("field-distribution --weights spherical --alpha 3 --u 0.5", "no-solution"),
    ],
)
def test_no_answer_is_exit_code_one_with_the_reason(run, line, status):
    code, out, _ = run(f"{line} --json")
    answer = json.loads(out)
    assert code == 1
    assert answer["status"] == status and answer["message"]
    assert run(line)[0] == 1


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("solve --alpha -1", r"replicas solve: error: alpha: got -1.*takes a finite load >= 0"),
        ("solve --alpha 0.5 nan", r"alpha: got 'nan'; takes"),
        ("solve --alpha 1 --beta inf", r"beta: got 'inf'; takes"),
        ("solve --alpha 1 --beta -1", r"beta: got -1.*takes a finite inverse temperature >= 0"),
        ("solve --alpha 1 --likelihood window --kappa 0", r"kappa: got .*takes a finite half-width > 0"),
        ("solve --alpha 1 --likelihood sigmoid", r"likelihood: got 'sigmoid'; takes"),
        ("solve --alpha 1 --weights quaternary", r"weights: got 'quaternary'; takes binary, spherical, ternary"),
        ("solve --alpha 1 --weights discrete:1", r"values: got"),
        ("solve --alpha 1 --weights discrete:1,x", r"weights: got 'discrete:1,x'"),
        ("solve --alpha 1 --task regression", r"task: got 'regression'; takes"),
        ("solve --alpha 1 --model commitee", r"model: got 'commitee'; takes perceptron"),
        ("solve --alpha 1 --ansatz 2rsb", r"ansatz: got '2rsb'; takes rs, 1rsb, krsb, frsb"),
        ("at-line --ansatz 1rsb", r"ansatz: got '1rsb', in which this is not answered; takes rs"),
        ("solve --alpha 1 --branch lower", r"branch: got 'lower'; takes"),
        ("solve --alpha 1 --branch perfect", r"branch: got 'perfect'; takes it only for"),
        ("solve --alpha 1 --task teacher-student --kappa 0.5", r"kappa: got 0.5 with a noise-free teacher; takes 0"),
        ("capacity --criterion entropy", r"criterion: got 'entropy'; takes"),
        ("capacity --weights spherical --criterion zero-entropy", r"criterion: got 'zero-entropy' with spherical weights"),
        ("capacity --digits 0", r"digits: got 0; takes a whole number from 1 to 10000"),
        ("solve --alpha 0.5 --digits 10001", r"digits: got 10001; takes a whole number from 1 to 10000"),
        ("constants --digits -3", r"digits: got -3; takes a whole number from 1 to 10000"),
        ("constants nonsense", r"names: got 'nonsense'; takes capacity-spherical, "),
        ("capacity --digits many", r"digits: got 'many'; takes a whole number"),
        ("generalization --weights spherical --alpha 1 --task teacher-student --rule delta", r"rule: got 'delta'; takes"),
        ("generalization --weights binary --alpha 1 --task teacher-student --rule hebb", r"rule: got 'hebb' with binary weights; takes spherical"),
        ("field-distribution --alpha 0.5 0.6 --u 0", r"alpha: got 2 values; takes one value in field-distribution"),
        ("derive --format pdf", r"format: got 'pdf'; takes text, markdown, latex, html"),
        ("derive --kappa 0 1", r"kappa: got 2 values; takes one value in derive"),
        ("figure volcano", r"figure: got 'volcano'; takes capacity-vs-kappa"),
        ("figure field-distribution -o fields.doc", r"output: got 'fields.doc'; takes a file name that ends in"),
        ("solve", r"--alpha"),
        ("solve --alpha", r"--alpha"),
        ("solve --alph 0.5 --alpha 0.5", r"unrecognized arguments: --alph"),
        ("solve --alpha 0.1 --alpha 0.2", r"alpha: given twice"),
        (
            "generalization --weights spherical --alpha 1 --task teacher-student --rule hebb --branch typical",
            r"branch: got 'typical' with rule 'hebb', which has one answer a load; takes it with gibbs-bayes",
        ),
        ("generalization --alpha 1.3 --task teacher-student --branch no", r"branch: got 'no'; takes typical, "),
        ("solve --alpha 0.5 --rule hebb", r"unrecognized arguments: --rule"),
        ("solve --alpha 0:1:0.0000001", r"alpha: got .*at most 1000000"),
        ("solve --alpha 0:1:0.0001 --kappa 0:1:0.0001", r"alpha, kappa: got 100020001 combinations"),
        ("", r"no command"),
        ("voyage", r"command: got 'voyage'; takes capacity, solve, "),
    ],
)  # fmt: skip
def test_a_bad_argument_is_one_clear_line_and_exit_code_two(run, line, complaint):
    code, out, err = run(line)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1 and re.match(r"replicas[ a-z-]*: error: ", err)
    assert re.search(complaint, err)


def test_a_bug_is_one_line_and_not_a_bad_argument(run, monkeypatch):
    def broken(*_, **__):
        raise ValueError("f(a) and f(b) must have different signs")

    monkeypatch.setattr(rp, "capacity", broken)
    code, out, err = run("capacity")
    assert code == 1 and "not-converged: ValueError: f(a) and f(b)" in out and err == ""


def test_interrupt_is_one_line_and_exit_code_130(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(rp, "capacity", interrupted)
    code, out, err = run("capacity --json")
    assert (code, out) == (130, "")
    assert err == "replicas capacity: interrupted\n"


def test_a_reader_that_leaves_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "replicas", "models", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 141


def test_exit_code_and_streams_of_the_process():
    done = shell("solve", "--alpha", "x")
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1
    done = shell("capacity", "--weights", "spherical", "--json")
    assert done.returncode == 0 and done.stderr == "" and float(json.loads(done.stdout)["value"]) == 2


# --- start ---------------------------------------------------------------------------------------------------------


def loaded(code: str) -> set[str]:
    """Which of the heavy modules a piece of code loads in a fresh process."""
    probe = f"{code}\nimport sys\nprint(*(m for m in ('numba', 'sympy', 'scipy', 'matplotlib', 'numpy') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=300, check=True)
    return set(done.stdout.splitlines()[-1].split()) if done.stdout.splitlines()[-1:] else set()


def test_import_and_help_load_nothing_heavy():
    assert loaded("import replicas") == set()
    assert loaded("import replicas.cli; replicas.cli.main(['solve', '--help'])") == set()
    assert loaded("import replicas.cli; replicas.cli.main(['models'])") == set()


def test_a_second_solve_loads_neither_sympy_nor_matplotlib():
    code = "import replicas.cli; replicas.cli.main(['solve', '--weights', 'binary', '--alpha', '0.6', '--json'])"
    loaded(code)  # derives and compiles, if that was never done here
    assert loaded(code).isdisjoint({"sympy", "matplotlib"})


# --- derive --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form, mark", [("text", "Replica"), ("markdown", "# "), ("latex", r"\begin{"), ("html", "<math")]
)
def test_derive_prints_each_form(run, form, mark):
    code, out, err = run(f"derive --weights binary --ansatz rs --format {form}")
    assert code == 0 and err == ""
    assert mark in out


def test_derive_writes_a_file_and_checks_each_step(run, tmp_path):
    path = tmp_path / "new" / "derivation.html"
    code, out, err = run(f"derive --weights binary --format html -o {path} --check")
    steps = rp.derive(rp.Perceptron(weights="binary")).steps
    assert code == 0 and out == ""
    assert "<math" in path.read_text(encoding="utf-8")
    assert len(re.findall(r"^step \d+: .*: agrees \(difference", err, re.MULTILINE)) == len(steps)


def test_derive_with_a_wrong_step_is_exit_code_one(run, monkeypatch):
    derivation = rp.derive(rp.Perceptron(weights="binary"))
    wrong = derivation.with_step(2, derivation[2].expression * 2)
    monkeypatch.setattr(rp, "derive", lambda *_: wrong)
    code, _, err = run("derive --weights binary --check")
    assert code == 1 and re.search(r"^step 3: .*: FAILS", err, re.MULTILINE)


def test_an_output_that_cannot_be_written_is_a_bad_argument(run, tmp_path):
    (tmp_path / "file").touch()
    code, out, err = run(f"derive --format latex -o {tmp_path / 'file' / 'x.tex'}")
    assert (code, out) == (2, "") and "output: cannot write" in err


# --- what is supported ---------------------------------------------------------------------------------------------


def test_models_prints_the_table(run):
    code, out, _ = run("models")
    assert code == 0
    assert all(re.search(rf"^{question} +(rs|-)[ ,]", out, re.MULTILINE) for question in support.QUESTIONS)
    code, out, _ = run("models --json")
    listed = {(cell["model"], cell["question"]) for cell in json.loads(out)["cells"]}
    assert json.loads(out)["models"] == ["perceptron", "tree-committee", "tree-parity", "committee", "stochastic-perceptron"]
    assert listed == {(m, q) for m in support.MODELS for q in (*QUESTIONS, "derive")}


def machine(cell: support.Cell, weights: str, kappa: float) -> rp.models.Model:
    if cell.model == "stochastic-perceptron":
        return rp.StochasticPerceptron(0.5, 1.0)
    if cell.model != "perceptron":
        kind = {"tree-committee": rp.TreeCommittee, "tree-parity": rp.TreeParity, "committee": rp.Committee}[cell.model]
        units = math.inf if cell.K == "inf" else 3 if cell.model == "tree-committee" else 2
        machine = kind(units, weights, task=cell.task)
        assert machine.likelihood == cell.likelihood and cell.constraints == "hard"
        return machine
    return rp.Perceptron(weights, kappa, cell.likelihood, 1.0 if cell.constraints == "beta" else None, cell.task)


PICTURED = {False: ("rs",), True: ("rs", "1rsb", "frsb")}


def pictured(model, kappa):
    """A phase diagram at one abscissa, or along the load."""
    if isinstance(model, rp.Perceptron):
        return rp.phase_diagram(model, kappa=None if model.teacher else kappa)
    return rp.phase_diagram(model, K=getattr(model, "K", 1))


@functools.cache
def outcome(cell: support.Cell) -> str:
    """What the library makes of one cell of the table: its status, or 'refused'."""
    weights = cell.weights.replace("V1,V2,...", "-2,-1,1,2")
    kappa, spherical = 1.0 if cell.likelihood == "window" else 0.0, weights == "spherical"
    questions = {
        "capacity": rp.capacity, "solve": lambda m, a: rp.solve(m, 0.3, a), "at-line": rp.at_line, "stability": lambda m, a: rp.stability(m, 0.3, a),
        "transitions": rp.transitions, "generalization": lambda m, a: check_ansatz(a) and rp.generalization(m, [0.5]),
        "ground-state": lambda m, a: rp.ground_state(m, 8.0, a), "max-margin": lambda m, a: rp.max_margin(m, 0.5, a),
        "field-distribution": lambda m, a: check_one_field(m, "fields") or rp.field_distribution(rp.solve(m, 0.3, a), 0.5), "derive": rp.derive,
        "phase-diagram": lambda m, a: check_ansatz(a, PICTURED[spherical and cell.model == "perceptron" and m.hard]) and pictured(m, kappa),
        "franz-parisi": lambda m, a: check_ansatz(a) and rp.franz_parisi(m, 0.3, 0.2),
        "isolation": lambda m, a: check_ansatz(a) and rp.isolation(m, 0.3),
        "local-entropy": lambda m, a: check_ansatz(a) and rp.local_entropy(m, 0.5, **({"overlap": 0.8} if spherical else {"distance": 0.1}), y=3.0),
        "local-entropy-threshold": lambda m, a: check_ansatz(a) and rp.local_entropy_threshold(m),
        "overlap-gap": lambda m, a: check_ansatz(a) and rp.overlap_gap(m, 2),
    }  # fmt: skip
    try:
        model = machine(cell, weights, kappa)
        answer = questions[cell.question](model, cell.ansatz)
    except ValueError as error:
        assert "takes" in str(error)
        return "refused"
    return "converged" if cell.question == "derive" else str(np.ravel(answer.status)[0])


def holds(cell: support.Cell) -> bool:
    """Whether the library keeps the promise of a cell; 'no-solution' and 'diverges' are answers to a question that has meaning."""
    return outcome(cell) in (("converged", "no-solution", "diverges") if cell.supported else ("refused", "unsupported"))


def test_the_table_of_the_stochastic_perceptron_is_true():
    wrong = [c for c in support.cells() if c.model == "stochastic-perceptron" and not holds(c)]
    assert not wrong


LOCAL = ("franz-parisi", "isolation", "local-entropy", "local-entropy-threshold")  # take seconds in some corners


def quick(cell: support.Cell) -> bool:
    return cell.question not in LOCAL or not cell.supported or (cell.likelihood, cell.constraints, cell.task) == ("threshold", "hard", "storage")


@pytest.mark.slow
def test_the_table_of_binary_weights_is_true():
    wrong = [c for c in support.cells() if (c.model, c.weights) == ("perceptron", "binary") and quick(c) and not holds(c)]
    assert not wrong


def test_what_the_table_of_machines_refuses_is_refused():
    wrong = [c for c in support.cells() if c.model in support.MACHINES and not c.supported and not holds(c)]
    assert not wrong


LONG = ("perceptron", "tree-committee", "tree-parity")  # minutes each


@pytest.mark.slow
@pytest.mark.parametrize("kind", [pytest.param(k, id=name, marks=[pytest.mark.nightly] * (name in LONG)) for name, k in support.KINDS.items()])
def test_the_whole_table_is_true(kind):
    wrong = [cell for cell in support.cells() if (cell.model, cell.K) == (kind.model, kind.K) and not holds(cell)]
    assert not wrong


def test_every_supported_question_answers_somewhere():
    answered = {
        cell.question
        for cell in support.cells()
        if (cell.model, cell.weights) == ("perceptron", "binary") and cell.supported and quick(cell) and outcome(cell) == "converged"
    }
    assert answered == set(support.QUESTIONS)
