"""Bad arguments of questions with broken symmetry: one clear line that names the argument, from Python and the command line."""

from __future__ import annotations

import math
import shlex

import numpy as np
import pytest
import sympy as sp

import replicas as rp
from replicas.cli.program import main

BINARY, SPHERICAL = rp.Perceptron(), rp.Perceptron("spherical")
TEACHER, HOT = rp.Perceptron(task="teacher-student"), rp.Perceptron("spherical", beta=2.0)
LEARNING = rp.Perceptron("spherical", task="teacher-student")
u = rp.models.field  # type: ignore[attr-defined]

CASES = {
    "m": [
        *(
            lambda m=m: rp.solve(SPHERICAL, 9.0, "1rsb", kappa=-1.0, m=m)
            for m in (
                0.0,
                -0.1,
                1.0 + 1e-12,
                2,
                math.nan,
                math.inf,
                "a",
                "",
                [],
                [0.5, 1.5],
                [0.5, "x"],
                0.5j,
                None or {},
            )
        ),
        lambda: rp.solve(BINARY, 0.5, "1rsb", m=-1),
        *(lambda a=a: rp.solve(SPHERICAL, 9.0, a, kappa=-1.0, m=0.5) for a in ("rs", "krsb", "frsb")),
        lambda: rp.solve(SPHERICAL, 9.0, m=0.5),
    ],
    "k": [
        *(
            lambda k=k: rp.solve(SPHERICAL, 9.0, "krsb", kappa=-1.0, k=k)
            for k in (0, -1, 9, 1.5, "2", True, math.nan, [1])
        ),
        *(lambda k=k: rp.capacity(SPHERICAL, "krsb", kappa=-1.0, k=k) for k in (0, 9, "a", np.float64(2))),
        *(lambda k=k: rp.ground_state(SPHERICAL, 3.0, "krsb", k=k) for k in (0, 9, 2.0)),
        *(lambda k=k: rp.solve(SPHERICAL, 9.0, "1rsb", kappa=-1.0, k=k) for k in (0, 2, 1.0)),
        lambda: rp.capacity(SPHERICAL, "1rsb", kappa=-1.0, k=2),
        lambda: rp.ground_state(SPHERICAL, 3.0, "1rsb", k=2),
        *(lambda k=k: rp.solve(SPHERICAL, 9.0, "rs", k=k) for k in (0, 1)),
        lambda: rp.capacity(SPHERICAL, k=1),
        lambda: rp.ground_state(SPHERICAL, 3.0, k=2),
        *(lambda k=k: rp.solve(SPHERICAL, 9.0, "frsb", kappa=-1.0, k=k) for k in (7, 97, 24.0, "24")),
        *(lambda k=k: rp.capacity(SPHERICAL, "frsb", kappa=-1.0, k=k) for k in (1, 1000)),
        *(lambda k=k: rp.ground_state(SPHERICAL, 3.0, "frsb", k=k) for k in (1, 9, True)),
    ],
    "ansatz": [
        lambda: rp.solve(BINARY, 0.5, "frsb"),
        lambda: rp.solve(rp.Perceptron("ternary"), 0.5, "frsb"),
        lambda: rp.capacity(BINARY, "frsb"),
        lambda: rp.ground_state(BINARY, 2.0, "frsb"),
        *(lambda a=a: rp.solve(TEACHER, 0.5, a) for a in ("1rsb", "krsb", "frsb")),
        *(lambda a=a: rp.solve(LEARNING, 0.5, a) for a in ("1rsb", "krsb", "frsb")),
        *(lambda a=a: rp.at_line(SPHERICAL, a, kappa=-1.0) for a in ("1rsb", "frsb", "2rsb")),
        *(lambda a=a: rp.stability(SPHERICAL, 1.0, ansatz=a) for a in ("1rsb", "krsb")),
        lambda: rp.transitions(TEACHER, "1rsb"),
        lambda: rp.max_margin(SPHERICAL, 1.0, ansatz="1rsb"),
        *(lambda a=a: rp.solve(SPHERICAL, 1.0, a) for a in ("2rsb", "RS", "", None, 1)),
        *(lambda a=a: rp.capacity(SPHERICAL, a) for a in ("2rsb", None)),
        lambda: rp.ground_state(SPHERICAL, 3.0, "full"),
        lambda: rp.derive(SPHERICAL, "frsb"),
    ],
    "branch": [
        *(lambda b=b: rp.solve(SPHERICAL, 9.0, "1rsb", kappa=-1.0, branch=b) for b in ("typical", "all", "foo")),
        lambda: rp.solve(SPHERICAL, 9.0, "frsb", kappa=-1.0, branch="typical"),
    ],
    "digits": [
        *(lambda a=a: rp.solve(SPHERICAL, 9.0, a, kappa=-1.0, digits=20) for a in ("1rsb", "krsb", "frsb")),
        *(lambda a=a: rp.capacity(SPHERICAL, a, kappa=-1.0, digits=20) for a in ("krsb", "frsb")),
        lambda: rp.capacity(BINARY, "1rsb", digits=20),
        *(lambda d=d: rp.capacity(SPHERICAL, "1rsb", kappa=-1.0, digits=d) for d in (0, 1.5, "a", True)),
    ],
    "certified": [
        *(lambda a=a: rp.capacity(SPHERICAL, a, kappa=-1.0, certified=True) for a in ("1rsb", "krsb", "frsb")),
    ],
    "criterion": [
        *(
            lambda c=c: rp.capacity(SPHERICAL, "1rsb", kappa=-1.0, criterion=c)
            for c in ("zero-entropy", "first-moment", "x")
        ),
    ],
    "alpha": [
        *(lambda a=a: rp.solve(SPHERICAL, a, "1rsb", kappa=-1.0) for a in (-1.0, math.nan, math.inf, "a", [])),
        lambda: rp.ground_state(SPHERICAL, -1.0, "1rsb"),
        lambda: rp.solve(SPHERICAL, math.nan, "frsb", kappa=-1.0),
    ],
    "kappa": [
        *(lambda k=k: rp.solve(SPHERICAL, 9.0, "1rsb", kappa=k) for k in (math.nan, math.inf, "a")),
        lambda: rp.capacity(SPHERICAL, "frsb", kappa=math.nan),
    ],
    "beta": [
        *(lambda b=b: rp.solve(HOT, 3.0, "1rsb", beta=b) for b in (-1.0, math.nan, "a")),
        lambda: rp.solve(SPHERICAL, 3.0, "1rsb", beta=2.0),
    ],
    "model": [
        lambda: rp.capacity("spherical", "1rsb"),
        lambda: rp.ground_state(None, 3.0, "1rsb"),
        lambda: rp.ground_state(HOT, 3.0, "1rsb"),
        lambda: rp.ground_state(LEARNING, 3.0, "1rsb"),
        lambda: rp.ground_state(rp.Perceptron("spherical", likelihood=rp.Likelihood(sp.exp(-(u**2)))), 3.0, "1rsb"),
    ],
}
"""Argument -> calls in which it is bad."""


def check(call, *names):
    with pytest.raises(ValueError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text and len(text) < 250
    assert text.split(":")[0] in names, text
    assert "got" in text and "takes" in text


@pytest.mark.parametrize("name, number", [(name, i) for name, calls in CASES.items() for i in range(len(calls))])
def test_bad_value_is_named(name, number):
    check(CASES[name][number], name)


LINES = {  # argument -> command lines
    "m": [
        *(
            f"solve --weights spherical --kappa -1 --alpha 9 --ansatz 1rsb --m {m}"
            for m in ("0", "-0.2", "1.5", "nan", "x", "0.5 2")
        ),
        *(f"solve --weights spherical --kappa -1 --alpha 9 --ansatz {a} --m 0.5" for a in ("rs", "krsb", "frsb")),
    ],
    "k": [
        *(
            f"solve --weights spherical --kappa -1 --alpha 9 --ansatz krsb --k {k}"
            for k in ("0", "9", "1.5", "x", "-1")
        ),
        "solve --weights spherical --kappa -1 --alpha 9 --ansatz 1rsb --k 2",
        "solve --weights spherical --kappa -1 --alpha 9 --k 1",
        "solve --weights spherical --kappa -1 --alpha 9 --ansatz frsb --k 4",
        "capacity --weights spherical --kappa -1 --ansatz krsb --k 0",
        "capacity --weights spherical --kappa -1 --k 2",
        "ground-state --weights spherical --alpha 3 --ansatz krsb --k 0",
        "ground-state --weights spherical --alpha 3 --ansatz frsb --k 1",
        "derive --weights spherical --ansatz krsb --k 0",
    ],
    "ansatz": [
        "solve --weights binary --alpha 0.5 --ansatz frsb",
        "capacity --weights ternary --ansatz frsb",
        "solve --weights spherical --task teacher-student --alpha 0.5 --ansatz 1rsb",
        "at-line --weights spherical --kappa -1 --ansatz 1rsb",
        "solve --weights spherical --alpha 9 --ansatz 2rsb",
        "capacity --weights spherical --ansatz full",
        "max-margin --weights spherical --alpha 1 --ansatz 1rsb",
    ],
    "branch": ["solve --weights spherical --kappa -1 --alpha 9 --ansatz 1rsb --branch typical"],
    "digits": [
        "solve --weights spherical --kappa -1 --alpha 9 --ansatz 1rsb --digits 20",
        "capacity --weights spherical --kappa -1 --ansatz krsb --k 2 --digits 20",
        "capacity --weights binary --ansatz 1rsb --digits 20",
    ],
    "certified": ["capacity --weights spherical --kappa -1 --ansatz 1rsb --certified"],
    "criterion": ["capacity --weights spherical --kappa -1 --ansatz 1rsb --criterion zero-entropy"],
}


@pytest.mark.parametrize("name, line", [(name, line) for name, lines in LINES.items() for line in lines])
def test_a_bad_command_line_is_one_line(name, line, capsys):
    code = main(shlex.split(line if line.startswith("derive") else f"{line} --json"))
    out, err = capsys.readouterr()
    assert code == 2 and out == ""
    assert err.count("\n") == 1 and len(err) < 300 and "Traceback" not in err
    assert name in err.split("got")[0], err


def test_good_values_at_the_ends_of_their_ranges():
    """The limits named in the messages are inside."""
    point = rp.solve(SPHERICAL, 9.0, "1rsb", kappa=-1.0, m=[1e-3, 1.0])
    assert point.ok if isinstance(point.ok, bool) else np.all(point.ok)
    assert rp.solve(SPHERICAL, 9.0, "1rsb", kappa=-1.0, k=1).ansatz == "1rsb"
    assert rp.solve(SPHERICAL, 9.0, "krsb", kappa=-1.0, k=np.int64(1)).status == "converged"
    assert rp.solve(SPHERICAL, [8.5, 9.0], "1rsb", kappa=-1.0, m=[[0.3], [0.6]]).q1.shape == (2, 2)
    assert rp.solve(SPHERICAL, 0.0, "1rsb", kappa=-1.0).ansatz == "rs"


@pytest.mark.parametrize("model", ["spherical", None])
@pytest.mark.parametrize("ansatz", ["1rsb", "frsb"])
def test_a_model_that_is_none(model, ansatz):
    check(lambda: rp.solve(model, 1.0, ansatz), "model")


def test_shapes_that_do_not_broadcast_are_named():
    check(lambda: rp.solve(SPHERICAL, [8.5, 9.0], "1rsb", kappa=-1.0, m=[0.3, 0.4, 0.5]), "alpha", "m")
