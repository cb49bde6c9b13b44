"""`replicas simulate`."""

import json
from dataclasses import replace

import numpy as np
import pytest

from replicas.cli.program import main
from replicas.cli.simulate_command import ALGORITHMS, GROUPS


def call(capsys, *words):
    code = main(["simulate", *words])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_the_names_are_those_of_the_library():
    from replicas.simulation import ALGORITHMS as library

    assert set(ALGORITHMS) == set(library)


def test_curves_with_their_verdict(capsys):
    words = ("--algorithm", "perceptron-rule", "--N", "51", "--alpha", "1:2.6:0.4", "--instances", "8", "--budget", "100", "--seed", "3")
    code, out, err = call(capsys, *words, "--compare", "--json")
    found = json.loads(out)
    assert code == 0 and not err and found["quantity"] == "simulate" and len(found["points"]) == 5
    assert float(found["points"][0]["probability"]) == 1 and found["points"][0]["instances"] == 8
    assert found["verdict"]["agrees"] and "capacity 2 (spherical" in found["verdict"]["text"]
    code, text, _ = call(capsys, *words)
    assert code == 0 and "threshold" in text and "theory" not in text
    from replicas.simulation import success_curve

    same = success_curve("perceptron-rule", 51, [1.0, 1.4, 1.8, 2.2, 2.6], 8, 3, budget=100)
    assert float(found["threshold"]["value"]) == same.threshold.value


def test_several_sizes_are_several_curves(capsys):
    code, out, _ = call(capsys, "--algorithm", "enumeration", "--N", "9", "11", "--alpha", "0.3", "0.6", "--instances", "5", "--json", "--compare")
    curves = json.loads(out)["curves"]
    assert code == 0 and [c["N"] for c in curves] == [9, 11] and all("verdict" in c for c in curves)


@pytest.mark.parametrize(
    "words, line",
    [
        (["--algorithm", "sbpi"], "N: missing; takes it as --N"),
        (["--algorithm", "x", "--N", "9", "--alpha", "1"], "algorithm: got 'x'; takes sbpi"),
        (["--algorithm", "perceptron-rule", "--N", "9.5", "--alpha", "1"], "N: got '9.5'; takes a whole number"),
        (["--algorithm", "perceptron-rule", "--N", "9", "--alpha", "-1"], "alphas: got"),
        (["--algorithm", "perceptron-rule", "--N", "9", "--alpha", "1", "--budget", "0"], "budget: got 0"),
        (["--algorithm", "perceptron-rule", "--N", "9", "--alpha", "1", "--K", "3"], "K: got 3 with model perceptron"),
        (["--algorithm", "perceptron-rule", "--N", "9", "--alpha", "1", "--model", "tree-committee"], "problem: got a machine of 3 units"),
        (["--algorithm", "perceptron-rule", "--N", "9", "--alpha", "1", "--likelihood", "window"], "likelihood: got window"),
        (["--algorithm", "hebb", "hebb", "--N", "9", "--alpha", "1"], "algorithm: got one twice in hebb hebb, takes each once"),
        (["--algorithm", "enumeration", "--N", "9", "--alpha", "1", "--budget", "9"], "budget: got 9 with enumeration"),
        (["--algorithm", "hebb", "--N", "100000001", "--alpha", "1"], "N: got 100000001 with 100000001 patterns, takes P x N up to"),
        (["--algorithm", "sbpi", "--N", "9", "--alpha", "1", "--kappa", "0.3", "--task", "teacher-student"], "kappa: got 0.3 with a noise-free teacher"),
        (["--algorithm", "enumeration", "--N", "70", "--alpha", "0.5", "--patterns", "gaussian"], "patterns"),
    ],
)
def test_bad_arguments_are_one_line(capsys, words, line):
    code, out, err = call(capsys, *words)
    assert code == 2 and not out and line in err and err.count("\n") == 1


def test_enumeration_is_judged_with_a_teacher_and_searches_larger_sizes(capsys):
    words = ("--algorithm", "enumeration", "--N", "35", "--alpha", "0.6", "--instances", "3", "--task", "teacher-student")
    code, out, _ = call(capsys, *words, "--compare", "--json")
    found = json.loads(out)
    assert code == 0 and "replica-symmetric" in found["verdict"]["text"] and found["model"]["task"] == "teacher-student"
    assert found["points"][0]["instances"] == 3 and 0.2 < float(found["points"][0]["entropy"]) < 0.45


def test_no_solution_anywhere_is_no_answer(capsys):
    code, out, _ = call(capsys, "--algorithm", "enumeration", "--N", "9", "--alpha", "6", "--instances", "3", "--json")
    assert code == 1 and json.loads(out)["status"] == "no-solution"


def test_the_form_of_the_answer_depends_on_what_was_asked(capsys, monkeypatch):
    """Several curves are several, also where the first was interrupted."""
    from replicas import simulation

    whole = simulation.success_curve
    monkeypatch.setattr(simulation, "success_curve", lambda *a, **k: replace(whole(*a, **k), interrupted=True))
    code, out, err = call(capsys, "--algorithm", "hebb", "sbpi", "--N", "21", "--alpha", "0.1", "0.3", "--instances", "3", "--json")
    found = json.loads(out)
    assert code == 130 and "interrupted" in err and len(found["curves"]) == 1 and found["status"] == "interrupted"


def test_the_help_says_which_weights_an_algorithm_has():
    from replicas.simulation import ALGORITHMS as library

    kinds = {"binary weights": (True, False), "real weights": (False, False), "tree committees of real weights": (False, True)}
    for kind, names in GROUPS.items():
        assert all((library[name].binary, library[name].committees) == kinds[kind] for name in names)


def test_the_title_says_what_was_learnt_and_the_verdict_has_numbers(capsys):
    words = ("--algorithm", "enumeration", "--N", "9", "--alpha", "0.3", "0.6", "--instances", "5", "--compare")
    code, text, _ = call(capsys, *words)
    assert code == 0 and text.startswith("enumeration, N = 9, binary perceptron, storage, seed 0\n")
    verdict = json.loads(call(capsys, *words, "--json")[1])["verdict"]
    for measured, predicted, difference in zip(verdict["measured"], verdict["predicted"], verdict["difference"]):
        assert float(difference) == float(measured) - float(predicted)
    for error in verdict["stderr"]:
        assert f" ± {float(error):.4f} at " in text
    tree = ("--algorithm", "committee-sgd", "--model", "tree-committee", "--N", "9", "--alpha", "0.4", "--instances", "2")
    assert call(capsys, *tree)[1].startswith("committee-sgd, N = 9, spherical tree committee of K = 3, storage, ")


def test_an_interrupted_command_prints_what_was_measured(capsys, monkeypatch):
    from replicas import simulation

    def stopped(*args, **given):
        curve = simulation.SuccessCurve.__new__(simulation.SuccessCurve)
        vars(curve).update(vars(whole(*args, **given)) | {"interrupted": True})
        curve.instances[2] = curve.solved[2] = 0
        curve.seconds[2] = np.nan
        return curve

    whole = simulation.success_curve
    monkeypatch.setattr(simulation, "success_curve", stopped)
    code, text, err = call(capsys, "--algorithm", "hebb", "--N", "21", "--alpha", "0.1", "0.2", "0.3", "--instances", "3")
    shown = [line.split()[0] for line in text.splitlines()[2:]]
    assert code == 130 and "nan" not in text and "interrupted" in err
    assert shown[:2] == ["0.09524", "0.1905"] and "0.2857" not in shown and "no instance completed at alpha = 0.2857" in text
