"""A bad value is one clear line that names the argument, what it got and what it takes, before any work."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

import replicas as rp

u = rp.models.field  # type: ignore[attr-defined]
NAN, INF = math.nan, math.inf
BINARY, SPHERICAL = rp.Perceptron(), rp.Perceptron("spherical")
TEACHER, HOT = rp.Perceptron(task="teacher-student"), rp.Perceptron(beta=1.0)
WINDOW = rp.Perceptron(likelihood="window", kappa=1.0)

CASES = {
    "alpha": [
        *(lambda a=a: rp.solve(BINARY, a) for a in (NAN, INF, -1.0, "a", [], [0.1, -0.2], 1j)),
        lambda: rp.at_line and rp.stability(BINARY, NAN),
        lambda: rp.ground_state(BINARY, -2.0),
        lambda: rp.max_margin(BINARY, 0.0),
        lambda: rp.max_margin(BINARY, INF),
        lambda: rp.generalization(TEACHER, -1.0),
        lambda: rp.solve(BINARY, [0.1, 0.2], kappa=[0.1, 0.2, 0.3]),
    ],
    "kappa": [
        *(lambda k=k: rp.Perceptron(kappa=k) for k in (NAN, INF, "x", [], [[0.1]])),
        lambda: rp.solve(BINARY, 0.5, kappa=INF),
        lambda: rp.capacity(BINARY, kappa=NAN),
        lambda: rp.Perceptron(likelihood="window"),
        lambda: rp.Perceptron(likelihood="window", kappa=-1.0),
        lambda: rp.solve(WINDOW, 0.5, kappa=-1.0),
        lambda: rp.capacity(WINDOW, kappa=[1.0, 0.0]),
        lambda: rp.Perceptron(task="teacher-student", kappa=0.1),
        lambda: rp.solve(TEACHER, 0.5, kappa=0.3),
    ],
    "beta": [
        *(lambda b=b: rp.Perceptron(beta=b) for b in (NAN, INF, -1.0, "x")),
        lambda: rp.solve(HOT, 0.5, beta=INF),
        lambda: rp.solve(BINARY, 0.5, beta=1.0),
    ],
    "weights": [
        lambda: rp.Perceptron("foo"),
        lambda: rp.Perceptron(3),
        lambda: rp.Perceptron("discrete:1,a"),  # type: ignore[arg-type]
        lambda: rp.Perceptron(rp.Discrete([-1, 1], [0.5, 0.5]), task="teacher-student"),
        lambda: rp.Perceptron("discrete:0,1", task="teacher-student"),
        lambda: rp.ground_state(rp.Perceptron(rp.Discrete([-1, 1], [0.4, 0.6])), 2.0),
    ],
    "values": [
        lambda: rp.Discrete([1]),
        lambda: rp.Discrete([1, 1]),
        lambda: rp.Discrete([1, NAN]),
        lambda: rp.Discrete([-1e300, 1e300]),
        lambda: rp.Discrete("1,2"),
    ],
    "probabilities": [
        lambda: rp.Discrete([-1, 1], [0.5, 0.6]),
        lambda: rp.Discrete([-1, 1], [1.0]),
        lambda: rp.Discrete([-1, 1], [1.5, -0.5]),
        lambda: rp.Discrete([-1, 1], [NAN, 1]),
    ],
    "likelihood": [
        lambda: rp.Likelihood(u),
        lambda: rp.Likelihood(0 * u),
        lambda: rp.Likelihood("exp(u)"),
        lambda: rp.Likelihood(sp.Symbol("x") * u**2),
        lambda: rp.Likelihood(1 / u**2),
        lambda: rp.Likelihood(sp.cos(u)),
        lambda: rp.Perceptron(likelihood="foo"),
        lambda: rp.max_margin(rp.Perceptron(likelihood=rp.Likelihood(sp.exp(-(u**2)))), 0.5),
    ],
    "task": [
        lambda: rp.Perceptron(task="foo"),
        lambda: rp.Perceptron(task="teacher-student", beta=0.1),
        lambda: rp.Perceptron(task="teacher-student", likelihood="window", kappa=1.0),
    ],
    "ansatz": [
        lambda: rp.solve(BINARY, 0.5, ansatz="2rsb"),
        lambda: rp.capacity(BINARY, ansatz="x"),
        lambda: rp.at_line(BINARY, ansatz="x"),
        lambda: rp.transitions(TEACHER, ansatz="x"),
    ],
    "branch": [
        lambda: rp.solve(BINARY, 0.5, branch="foo"),
        lambda: rp.solve(BINARY, 0.5, branch="q=0"),
        lambda: rp.solve(BINARY, 0.5, branch="perfect"),
    ],
    "criterion": [
        lambda: rp.capacity(BINARY, criterion="foo"),
        lambda: rp.capacity(SPHERICAL, criterion="zero-entropy"),
        lambda: rp.capacity(SPHERICAL, criterion="first-moment"),
        lambda: rp.capacity(rp.Perceptron(rp.Discrete([-1, 1], [0.5, 0.5]))),
    ],
    "digits": [lambda: rp.capacity(BINARY, digits=0)],
    "rule": [
        lambda: rp.generalization(TEACHER, 0.5, rule="foo"),
        lambda: rp.generalization(TEACHER, 0.5, rule="hebb"),
    ],
    "model": [
        lambda: rp.solve("binary", 0.5),
        lambda: rp.capacity("binary"),
        lambda: rp.at_line(None),
        lambda: rp.stability("x", 1.0),  # type: ignore[arg-type]
        lambda: rp.transitions("x"),
        lambda: rp.generalization("x", 1.0),
        lambda: rp.ground_state("x", 1.0),
        lambda: rp.max_margin("x", 1.0),  # type: ignore[arg-type]
        lambda: rp.generalization(BINARY, 0.5),
        lambda: rp.ground_state(HOT, 2.0),
        lambda: rp.ground_state(TEACHER, 2.0),
    ],
    "point": [
        lambda: rp.field_distribution(rp.solve(BINARY, [0.5, 0.6]), 0.0),
        lambda: rp.field_distribution(rp.solve(SPHERICAL, 3.0), 0.0),  # type: ignore[arg-type]
        lambda: rp.field_distribution(rp.solve(TEACHER, 1.0, branch="perfect"), 0.0),
    ],  # type: ignore[arg-type]
    "u": [
        lambda: rp.field_distribution(rp.solve(BINARY, 0.5), NAN),
        lambda: rp.field_distribution(rp.solve(BINARY, 0.5), "x"),
    ],  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name, number", [(name, i) for name, calls in CASES.items() for i in range(len(calls))])
def test_bad_value_is_named(name, number):
    with pytest.raises(ValueError) as caught:
        CASES[name][number]()
    text = str(caught.value)
    assert "\n" not in text and len(text) < 250
    assert text.split(":")[0].split(",")[0] == name, text
    assert "got" in text and "takes" in text


def test_user_likelihood_takes_no_margin():
    model = rp.Perceptron(likelihood=rp.Likelihood(sp.exp(-(u**2))))
    for call in (
        lambda: rp.solve(model, 0.5, kappa=1.0),
        lambda: rp.Perceptron(likelihood=rp.Likelihood(sp.exp(-(u**2))), kappa=1.0),
    ):
        with pytest.raises(ValueError, match="takes n"):
            call()


def test_nothing_is_returned_as_an_answer_where_there_is_none():
    """Every number of an unanswered point is absent, alone or in a batch, and JSON writes null."""
    for point in (rp.solve(SPHERICAL, 2.0), rp.solve(SPHERICAL, [1.0, 2.0])[1]):
        assert point.status == "no-solution" and point.message
        for name in ("q", "q_hat", "free_entropy", "entropy", "replicon"):
            value = getattr(point, name)
            assert value is None or np.isnan(value)
        plain = point.to_dict()
        assert plain["q"] is None and plain["free_entropy"] is None and plain["status"] == "no-solution"


def test_models_are_values():
    a, b = rp.Perceptron("ternary", 0.3), rp.Perceptron(rp.Discrete([1, 0, -1]), 0.3)
    assert a == b and hash(a) == hash(b) and a != rp.Perceptron("ternary", 0.4)
    with pytest.raises(AttributeError):
        a.kappa = 1.0  # type: ignore[misc]
    assert rp.Likelihood(sp.exp(-(u**2))) == rp.Likelihood(sp.exp(-(u**2)))
