"""`replicas simulate`."""

import json

import pytest

from replicas.cli import main
from replicas.simulate_command import ALGORITHMS


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
        (["--algorithm", "x", "--N", "9", "--alpha", "1"], "algorithm: got 'x'; takes perceptron-rule"),
        (["--algorithm", "perceptron-rule", "--N", "9.5", "--alpha", "1"], "N: got '9.5'; takes a whole number"),
        (["--algorithm", "perceptron-rule", "--N", "9", "--alpha", "-1"], "alphas: got"),
        (["--algorithm", "perceptron-rule", "--N", "9", "--alpha", "1", "--budget", "0"], "budget: got 0"),
        (["--algorithm", "perceptron-rule", "--N", "9", "--alpha", "1", "--K", "3"], "K: got 3 with model perceptron"),
        (["--algorithm", "perceptron-rule", "--N", "9", "--alpha", "1", "--model", "tree-committee"], "problem: got a machine of 3 units"),
        (["--algorithm", "perceptron-rule", "--N", "9", "--alpha", "1", "--likelihood", "window"], "likelihood: got window"),
        (["--algorithm", "enumeration", "--N", "70", "--alpha", "0.5", "--patterns", "gaussian"], "patterns"),
    ],
)
def test_bad_arguments_are_one_line(capsys, words, line):
    code, out, err = call(capsys, *words)
    assert code == 2 and not out and line in err and err.count("\n") == 1
