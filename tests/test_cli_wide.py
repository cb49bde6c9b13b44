"""Infinitely wide and fully connected committees from the command line."""

import json

import pytest


def test_capacity_by_activation(run):
    code, out, err = run("capacity --model tree-committee --K inf --activation relu --weights spherical --ansatz 1rsb --json")
    found = json.loads(out)
    assert (code, err) == (0, "") and abs(float(found["value"]) - 2.6642800566) < 1e-9
    assert found["model"] == {"name": "tree-committee", "K": "inf", "weights": "spherical", "activation": "relu", "task": "storage"}


def test_sweep_over_units_that_ends_at_infinity(run):
    code, out, _ = run("capacity --model tree-committee --K 3 inf --weights spherical --json")
    found = json.loads(out)
    assert code == 0 and [p["K"] for p in found["points"]] == [3, "inf"] == found["model"]["K"]
    assert [p["value"] for p in found["points"]][1] == "inf" and found["points"][1]["status"] == "diverges"


def test_a_capacity_that_diverges_is_no_answer_and_says_why(run):
    code, out, _ = run("capacity --model tree-committee --K inf --weights spherical --json")
    found = json.loads(out)
    assert (code, found["status"], found["value"], found["error"]) == (1, "diverges", "inf", None)
    assert "before q -> 1" in found["message"]


def test_committee_of_two_units(run):
    code, out, _ = run("solve --model committee --weights spherical --task teacher-student --alpha 0.5 1.2 --json")
    points = json.loads(out)["points"]
    assert code == 0 and [p["branch"] for p in points] == ["permutation-symmetric", "specialised"]
    assert float(points[0]["q"]) == float(points[0]["q_cross"])
    code, out, _ = run("transitions --model committee --weights spherical --task teacher-student --json")
    assert abs(2 * float(json.loads(out)["specialisation"]["value"]) - 2.0523824297) < 1e-9


def test_learning_curve_over_few_and_many_units(run):
    code, out, _ = run("generalization --model committee --K 2 inf --weights spherical --task teacher-student --alpha 8 --json")
    points = json.loads(out)["points"]
    assert code == 0 and [p["branch"] for p in points] == ["specialised", "specialised"]
    assert "R_cross" in points[0] and "R_cross" not in points[1]


@pytest.mark.parametrize(
    "words, argument",
    [
        ("capacity --model tree-committee --K inf --activation swish", "activation"),
        ("capacity --model tree-committee --K 3 --activation relu", "activation"),
        ("capacity --activation relu", "activation"),
        ("capacity --model tree-parity --K inf", "K"),
        ("capacity --model committee --K nan", "K"),
        ("capacity --model committee --K 0", "K"),
        ("solve --model committee --K 4 --task teacher-student --alpha 1", "K"),
        ("solve --model tree-committee --K inf --alpha 1 --kappa 1", "kappa"),
        ("solve --model committee --task teacher-student --alpha 1 --branch typical", "branch"),
        ("max-margin --model tree-committee --K inf --alpha 1", "model"),
        ("at-line --model committee --task teacher-student", "model"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_two(run, words, argument):
    code, out, err = run(words)
    assert (code, out) == (2, "") and err.count("\n") == 1 and f"error: {argument}: " in err and "takes" in err


def test_open_questions_are_exit_code_one(run):
    code, out, _ = run("capacity --model committee --K 2 --json")
    assert code == 1 and json.loads(out)["status"] == "unsupported"
