"""Tree machines on the command line: --model, --K and its sweeps, what is refused, and agreement with the library."""

from __future__ import annotations

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

COMMITTEE, PARITY = "--model tree-committee", "--model tree-parity"
SPHERE = "--weights spherical"
STUDENT = "--task teacher-student"


# --- one machine ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags, K", [(COMMITTEE, 3), (PARITY, 2), (f"{COMMITTEE} --K 5 --activation sign", 5)])
def test_one_machine_is_flat_and_named(ask, flags, K):
    answer = ask(f"capacity {SPHERE} {flags}")
    kind = flags.split()[1]
    assert answer["model"] == {"name": kind, "K": K, "weights": "spherical", "activation": "sign", "task": "storage"}
    tree = (rp.TreeCommittee if kind == "tree-committee" else rp.TreeParity)(K, "spherical")
    assert float(answer["value"]) == rp.capacity(tree).value
    assert "points" not in answer and "K" not in answer
    assert (answer["criterion"], answer["ansatz"], answer["stable"]) == ("q-to-1", "rs", False)


def test_digits_and_proofs(ask):
    asked = f"capacity {COMMITTEE} {SPHERE} --digits 30"
    plain, proved = ask(asked), ask(f"{asked} --certified")
    assert plain["value"].startswith("4.0251918806373103701716326066") and proved["value"][:30] == plain["value"][:30]
    assert float(plain["error"]) < 1e-29 and (plain["certified"], proved["certified"]) == (False, True)


@pytest.mark.parametrize(
    "line, key, value",
    [
        (f"solve {COMMITTEE} --alpha 0.3", "entropy", lambda: rp.solve(rp.TreeCommittee(3), 0.3).entropy),
        (f"solve {PARITY} --alpha 0.3", "entropy", lambda: 0.7 * np.log(2)),
        (f"solve {PARITY} --alpha 0.3 --branch q=0", "q", lambda: 0.0),
        (f"stability {COMMITTEE} {SPHERE} --alpha 0.3", "replicon", lambda: rp.stability(rp.TreeCommittee(3, "spherical"), 0.3).replicon),
        (f"generalization {PARITY} {STUDENT} {SPHERE} --alpha 0.5", "eps_gibbs", lambda: 0.5),
        (f"capacity {COMMITTEE} {SPHERE} --ansatz 1rsb", "value", lambda: rp.capacity(rp.TreeCommittee(3, "spherical"), "1rsb").value),
        (f"at-line {COMMITTEE} --K 1 {SPHERE} --ansatz rs", "value", lambda: None),
    ],
)  # fmt: skip
def test_each_question_gives_the_number_of_the_library(run, line, key, value):
    code, out, err = run(f"{line} --json")
    expected = value()
    assert err == "" and code == (0 if expected is not None else 1)
    given = json.loads(out)[key]
    assert given is None if expected is None else float(given) == pytest.approx(expected, rel=1e-13, abs=1e-15)


@pytest.mark.slow
def test_at_line_transitions_and_broken_saddles(ask):
    spherical = rp.TreeCommittee(3, "spherical")
    assert float(ask(f"at-line {COMMITTEE} {SPHERE}")["value"]) == pytest.approx(1.729907291949, abs=1e-10)
    found = ask(f"transitions {COMMITTEE} {STUDENT}")
    assert float(found["alpha_it"]["value"]) == pytest.approx(1.104347159952, abs=1e-10)
    assert float(found["spinodal"]["value"]) == pytest.approx(1.455771523372, abs=1e-10)
    broken = ask(f"solve {COMMITTEE} {SPHERE} --ansatz 1rsb --alpha 2.4")
    assert float(broken["q1"]) == pytest.approx(rp.solve(spherical, 2.4, "1rsb").q1, rel=1e-12)


def test_one_unit_is_the_perceptron(ask):
    tree, layer = ask(f"solve {COMMITTEE} --K 1 --alpha 0.6"), ask("solve --alpha 0.6")
    assert {k: v for k, v in tree.items() if k not in ("model", "kappa")} == {
        k: v for k, v in layer.items() if k not in ("model", "kappa")
    }
    digits = ask(f"solve {PARITY} --K 1 --alpha 0.6 --digits 20")
    assert len(digits["q"]) > 20 and digits["model"]["name"] == "tree-parity"


def test_a_machine_is_derived(run):
    code, out, err = run(f"derive {COMMITTEE} {SPHERE} --K 3")
    assert (code, err) == (0, "") and "tree committee of 3 units" in out


# --- sweeps over K -------------------------------------------------------------------------------------------------


def test_every_swept_K_is_a_model_and_every_point_carries_it(ask):
    answer = ask(f"capacity {COMMITTEE} {SPHERE} --K 1:9:2")
    assert answer["model"]["K"] == [1, 3, 5, 7, 9] == [point["K"] for point in answer["points"]]
    for point in answer["points"]:
        assert float(point["value"]) == rp.capacity(rp.TreeCommittee(point["K"], "spherical")).value
        assert set(point) >= {"K", "value", "error", "errors", "criterion", "order_parameters", "stable", "status"}
    assert [point["stable"] for point in answer["points"]] == [True, False, False, False, False]


def test_points_are_in_the_order_typed_even_where_a_K_is_typed_twice(ask):
    answer = ask(f"capacity {PARITY} {SPHERE} --K 3 1 2 3")
    assert [point["K"] for point in answer["points"]] == [3, 1, 2, 3] and answer["model"]["K"] == [3, 1, 2]
    values = [float(point["value"]) for point in answer["points"]]
    assert values[0] == values[3] == rp.capacity(rp.TreeParity(3, "spherical")).value and values[1] == 2


@pytest.mark.parametrize("flags, fastest", [("--K 1 2 --alpha 0.1:0.3:0.1", "alpha"), ("--alpha 0.1 0.2 --K 2 1", "K")])
def test_the_product_runs_fastest_over_the_last_flag(ask, flags, fastest):
    answer = ask(f"solve {PARITY} {flags}")
    pairs = [(point["alpha"], point["K"]) for point in answer["points"]]
    if fastest == "alpha":
        assert pairs == [(a, K) for K in (1, 2) for a in (0.1, 0.2, 0.3)]
    else:
        assert pairs == [(a, K) for a in (0.1, 0.2) for K in (2, 1)]
    for point in answer["points"]:
        expected = rp.solve(rp.TreeParity(point["K"]), point["alpha"]).entropy
        assert float(point["entropy"]) == pytest.approx(expected, abs=1e-12)


def test_branches_of_a_swept_machine_stay_with_their_point(ask):
    learnt = ask(f"generalization {PARITY} --K 1 {STUDENT} --alpha 1.3 1.4")["points"]
    swept = ask(f"generalization {PARITY} --K 1 1 {STUDENT} --alpha 1.3 1.4")["points"]
    assert [{k: v for k, v in p.items() if k not in ("K", "ansatz")} for p in swept] == learnt * 2


def test_a_single_K_and_a_sweep_share_their_keys(ask):
    flat = ask(f"solve {PARITY} --K 1 --alpha 0.4")
    (point,) = ask(f"solve {PARITY} --K 1:1:1 --alpha 0.4")["points"]
    assert set(point) == set(flat) - {"quantity", "model"} | {"K"}
    assert point["q"] == flat["q"] and point["alpha"] == flat["alpha"] == 0.4


def test_ansatz_of_each_point(ask):
    answer = ask(f"capacity {PARITY} {SPHERE} --K 1 2 3 --ansatz 1rsb")
    assert [point["ansatz"] for point in answer["points"]] == ["rs", "1rsb", "1rsb"] and answer["ansatz"] == "1rsb, rs"
    assert float(answer["points"][1]["value"]) == pytest.approx(4.034236041941, abs=1e-11)


def test_text_of_a_sweep_is_one_table(run):
    code, out, err = run(f"capacity {COMMITTEE} {SPHERE} --K 3 5")
    lines = out.splitlines()
    assert (code, err) == (0, "") and lines[0] == "capacity: spherical tree committee K sweep, storage [rs]"
    assert lines[1].split()[0] == "K" and [line.split()[0] for line in lines[2:4]] == ["3", "5"]
    assert "4.02519188063731" in lines[2] and "Replica-symmetric capacity" in lines[4] and len(lines) == 5


def test_a_machine_that_breaks_the_library_is_isolated(run, monkeypatch):
    capacity = rp.capacity

    def fragile(model, *args, **options):
        if model.K == 3:
            raise ZeroDivisionError("division by zero")
        return capacity(model, *args, **options)

    monkeypatch.setattr(rp, "capacity", fragile)
    line = f"capacity {COMMITTEE} {SPHERE} --K 1 3 5"
    code, out, err = run(f"{line} --json")
    points = json.loads(out)["points"]
    assert (code, err) == (0, "")
    assert [point["status"] for point in points] == ["converged", "not-converged", "converged"]
    assert points[1]["K"] == 3 and points[1]["message"] == "ZeroDivisionError: division by zero"
    code, out, err = run(line)
    assert code == 0 and re.search(r"^ +3 .*not-converged: ZeroDivisionError", out, re.MULTILINE)


# --- what is refused -----------------------------------------------------------------------------------------------

WEIGHTS_1RSB = r"ansatz: got '1rsb' with binary weights of a tree machine; takes rs, or spherical weights"


@pytest.mark.parametrize(
    "line, complaint",
    [
        (f"capacity {COMMITTEE} --K 4", r"K: got 4; takes an odd number of units >= 1"),
        (f"capacity {COMMITTEE} --K 0", r"K: got 0; takes an odd"),
        (f"capacity {COMMITTEE} --K -3", r"K: got -3; takes an odd"),
        (f"capacity {COMMITTEE} --K 2.5", r"K: got 2.5; takes an odd"),
        (f"capacity {COMMITTEE} --K 1:9:1", r"K: got 2; takes an odd"),
        (f"capacity {COMMITTEE} --K three", r"K: got 'three'; takes finite numbers"),
        (f"capacity {COMMITTEE} --K nan", r"K: got 'nan'; takes .* or inf"),
        (f"capacity {COMMITTEE} --K", r"--K"),
        (f"capacity {COMMITTEE} --K 3 --K 5", r"K: given twice"),
        (f"capacity {PARITY} --K 0", r"K: got 0; takes a number of units >= 1"),
        ("capacity --K 3", r"K: got 3 with model perceptron, which is one unit; takes it with tree-committee or tree-parity"),
        ("capacity --activation sign", r"activation: got sign with model perceptron"),
        (f"capacity {COMMITTEE} --kappa 0", r"kappa: got 0 with model tree-committee, .*takes it with perceptron"),
        (f"capacity {COMMITTEE} --kappa -1 1", r"kappa: got -1 1 with model tree-committee"),
        (f"capacity {PARITY} --beta 1", r"beta: got 1 with model tree-parity, .*takes it with perceptron"),
        (f"capacity {PARITY} --likelihood threshold", r"likelihood: got threshold with model tree-parity, .*takes it with perceptron"),
        (f"capacity {COMMITTEE} --activation relu", r"activation: got 'relu'; takes 'sign'"),
        (f"capacity {COMMITTEE} --k 2", r"k: got 2 with ansatz rs; takes it with krsb or frsb"),
        ("capacity --model commitee", r"model: got 'commitee'; takes perceptron, tree-committee, tree-parity, committee"),
        ("capacity --model stochastic-perceptron", r"model: got stochastic-perceptron; takes another model"),
        (f"capacity {COMMITTEE} --ansatz 1rsb", WEIGHTS_1RSB),
        (f"capacity {COMMITTEE} {SPHERE} --ansatz krsb --k 3", r"k: got 3 with spherical tree committee K=3, storage; takes 1 \(and 2 for"),
        (f"capacity {COMMITTEE} {SPHERE} --ansatz krsb --K 5", r"k: got 2 with spherical tree committee K=5, storage; takes 1 \(and 2 for"),
        (f"capacity {COMMITTEE} --certified", r"certified: got True with a tree machine of several units .*; takes False"),
        (f"capacity {COMMITTEE} {SPHERE} --ansatz frsb", r"ansatz: got 'frsb' with a tree machine of several units"),
        (f"capacity {COMMITTEE} {SPHERE} --ansatz 1rsb --K 11", r"K: got 11 with ansatz 1rsb, .*takes up to 9"),
        (f"capacity {COMMITTEE} {SPHERE} --ansatz 1rsb --digits 20", r"digits: got 20 with ansatz 1rsb of a tree machine; takes it with rs"),
        (f"capacity {COMMITTEE} --digits 20", r"digits: got 20 with a tree machine of several units"),
        (f"capacity {COMMITTEE} --K 11", r"K: got 11 for a saddle point, .*takes up to 9"),
        (f"capacity {COMMITTEE} {SPHERE} --criterion zero-entropy", r"criterion: got 'zero-entropy' with spherical weights; takes q-to-1"),
        (f"solve {COMMITTEE} --K 11 --alpha 1", r"K: got 11 for a saddle point, .*takes up to 9"),
        (f"solve {COMMITTEE} --K 3 11 --alpha 1", r"K: got 11 for a saddle point"),
        (f"solve {COMMITTEE} --alpha -1", r"alpha: got -1.*takes a finite load >= 0"),
        (f"solve {COMMITTEE} --alpha 1 --ansatz krsb", r"ansatz: got 'krsb' with a tree machine of several units; takes rs or 1rsb"),
        (f"solve {COMMITTEE} --alpha 1 --digits 20", r"digits: got 20 with a tree machine of several units"),
        (f"solve {COMMITTEE} --alpha 1 --branch perfect", r"branch: got 'perfect'; takes it only for"),
        (f"solve {COMMITTEE} --alpha 1 --m 0.5", r"m: got .* with ansatz rs; takes it with 1rsb only"),
        (f"transitions {COMMITTEE} {STUDENT} --digits 20", r"digits: got 20 with a tree machine"),
        (f"generalization {COMMITTEE} {STUDENT} --alpha 1 --rule hebb", r"rule: got 'hebb' with a tree machine"),
        (f"generalization {COMMITTEE} --alpha 1", r"model: got task storage; takes task teacher-student"),
        (f"generalization {COMMITTEE} {STUDENT} --alpha 1 --ansatz 1rsb", r"ansatz: got '1rsb', in which this is not answered; takes rs"),
        (f"at-line {COMMITTEE} --ansatz 1rsb", r"ansatz: got '1rsb', in which this is not answered; takes rs"),
        (f"ground-state {COMMITTEE} --alpha 3", r"model: got binary tree committee K=3, storage; a ground state takes a perceptron"),
        (f"max-margin {COMMITTEE} --alpha 1", r"model: got .*; the largest margin takes a perceptron"),
        (f"field-distribution {COMMITTEE} --alpha 0.5 --u 0", r"model: got .*; a field distribution takes a perceptron"),
        (f"phase-diagram {COMMITTEE} {SPHERE} --x kappa", r"x, y: got x='kappa', y='alpha' of a tree machine of sign units that stores patterns; takes x='K'"),
        (f"derive {COMMITTEE} --K 3 5", r"K: got 2 values; takes one value in derive"),
        (f"derive {COMMITTEE} --K 9", r"K: got 9 in a derivation; takes 1 to 7"),
        (f"derive {COMMITTEE} --ansatz 1rsb", r"ansatz: got '1rsb' with a tree of 3 units; its derivation takes rs"),
        (f"derive {COMMITTEE} --kappa 0.5", r"kappa: got 0.5 with model tree-committee"),
        (f"solve {COMMITTEE} --alpha 1 --weights ternary", r"weights: got ternary with a tree machine that stores patterns, .*takes spherical"),
        (f"capacity {COMMITTEE} --weights discrete:1", r"values: got"),
        (f"capacity {COMMITTEE} --task regression", r"task: got 'regression'; takes"),
    ],
)  # fmt: skip
def test_a_bad_argument_is_one_clear_line_and_exit_code_two(run, line, complaint):
    code, out, err = run(line)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and re.match(r"replicas [a-z-]+: error: ", err)
    assert re.search(complaint, err), err


@pytest.mark.parametrize(
    "line, status",
    [
        (f"capacity {COMMITTEE} {SPHERE} {STUDENT}", "unsupported"),
        (f"transitions {COMMITTEE}", "unsupported"),
        (f"transitions {COMMITTEE} {SPHERE} {STUDENT}", "no-solution"),
        (f"solve {PARITY} --alpha 1.1", "unphysical"),
    ],
)
def test_no_answer_is_exit_code_one_with_the_reason(run, line, status):
    code, out, _ = run(f"{line} --json")
    answer = json.loads(out)
    assert (code, answer["status"]) == (1, status) and answer["message"]


def test_help_names_the_machines(run):
    out = " ".join(run("capacity --help")[1].split())
    assert "perceptron, tree-committee, tree-parity" in out and "--K X" in out and "odd or inf for tree-committee" in out
    assert "sweep" not in run("derive --help")[1].split("--K", 1)[1].split("--activation")[0]


@pytest.mark.slow
def test_interrupting_the_compiler_ends_the_command(tmp_path):
    """A KeyboardInterrupt in a callback of the compiler is swallowed there."""
    command = [sys.executable, "-m", "replicas", "transitions", "--model", "tree-committee", "--task", "teacher-student"]
    started = subprocess.Popen(
        command, env={**os.environ, "REPLICAS_CACHE": str(tmp_path)}, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    time.sleep(8.0)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=120)
    assert started.returncode == 130 and out == ""
    assert err.splitlines()[-1].endswith("interrupted") and "Traceback" not in err
