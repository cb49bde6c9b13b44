"""What can be asked of which model: one table, printed by ``replicas models`` and tested cell by cell.

A supported cell has an answer, which may be that there is none (spherical weights have no learning transition). An
unsupported one is refused by name, or answered with the status ``unsupported``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

MODELS = ("perceptron", "tree-committee", "tree-parity", "committee")
TREES = {"tree-committee": "majority", "tree-parity": "parity"}  # machines of several sign units, by their likelihood
WEIGHTS = ("binary", "spherical", "ternary", "discrete:V1,V2,...")
MACHINES = (*TREES, "committee")  # of several units
ANSATZES = ("rs", "1rsb", "krsb", "frsb")


@dataclass(frozen=True)
class Problem:
    """A column of the table: a likelihood, its constraints (hard, or errors counted at beta), a task."""

    label: str
    likelihoods: tuple[str, ...]
    constraints: str
    task: str


HARD = Problem("storage", ("threshold", "window"), "hard", "storage")
SOFT = Problem("storage at --beta", ("threshold", "window"), "beta", "storage")
TEACHER = Problem("teacher-student", ("threshold",), "hard", "teacher-student")
PROBLEMS = (HARD, SOFT, TEACHER)

FINITE = tuple(weights for weights in WEIGHTS if weights != "spherical")
EVERYTHING: dict[Problem, tuple[str, ...]] = dict.fromkeys(PROBLEMS, WEIGHTS)
QUESTIONS: dict[str, tuple[dict[Problem, tuple[str, ...]], str]] = {
    "capacity": ({HARD: WEIGHTS, SOFT: FINITE}, "at --beta: where the entropy vanishes, for finite weight sets"),
    "solve": (EVERYTHING, ""),
    "at-line": (EVERYTHING, ""),
    "stability": (EVERYTHING, ""),
    "transitions": ({TEACHER: WEIGHTS}, "none for spherical weights, which learn smoothly"),
    "generalization": ({TEACHER: WEIGHTS}, "rules hebb, pseudo-inverse and max-stability: spherical weights"),
    "ground-state": ({HARD: WEIGHTS}, ""),
    "max-margin": ({HARD: WEIGHTS}, ""),
    "field-distribution": (EVERYTHING, ""),
    "phase-diagram": ({HARD: ("spherical",)}, "spherical weights against the margin, every ansatz at once"),
    "derive": (EVERYTHING, ""),
}
"""Each question with the weights for which it can be asked of each problem, replica symmetric, and a remark."""

STORAGE: dict[Problem, tuple[str, ...]] = {HARD: WEIGHTS, SOFT: WEIGHTS}
SPHERE = ("spherical",)
STEPS = ("1rsb", "krsb")
BROKEN: dict[str, dict[str, dict[Problem, tuple[str, ...]]]] = {
    "capacity": {"1rsb": {HARD: WEIGHTS}, "krsb": {HARD: WEIGHTS}, "frsb": {HARD: SPHERE}},
    "solve": {**dict.fromkeys(STEPS, STORAGE), "frsb": {HARD: SPHERE, SOFT: SPHERE}},
    "ground-state": {"1rsb": {HARD: WEIGHTS}, "krsb": {HARD: WEIGHTS}, "frsb": {HARD: SPHERE}},
    "field-distribution": {**dict.fromkeys(STEPS, STORAGE), "frsb": {HARD: SPHERE, SOFT: SPHERE}},
    "phase-diagram": {"1rsb": {HARD: SPHERE}, "frsb": {HARD: SPHERE}},
    "derive": dict.fromkeys(STEPS, STORAGE),
}
"""The same for questions that are also answered with broken symmetry, by ansatz."""


FIXED = ("binary", "spherical")  # weights of one size
LEARNT: dict[Problem, tuple[str, ...]] = {HARD: FIXED, TEACHER: WEIGHTS}
TREE_QUESTIONS: dict[str, tuple[dict[Problem, tuple[str, ...]], str]] = {
    "capacity": ({HARD: FIXED}, "spherical weights: rs any K, 1rsb up to K = 9; krsb: the committee of K = 3"),
    "solve": (LEARNT, "1rsb: up to K = 7, spherical weights"),
    "at-line": (LEARNT, ""),
    "stability": (LEARNT, ""),
    "transitions": ({TEACHER: WEIGHTS}, QUESTIONS["transitions"][1]),
    "generalization": ({TEACHER: WEIGHTS}, "rule gibbs-bayes"),
    "derive": ({HARD: WEIGHTS, TEACHER: WEIGHTS}, "up to K = 7"),
}
TREE_BROKEN: dict[str, dict[str, dict[Problem, tuple[str, ...]]]] = {
    question: {"1rsb": {HARD: SPHERE}} for question in ("capacity", "solve")
}
TWO_STEPS = ("tree-committee", "capacity", "krsb")  # of three units
"""The same two tables for tree machines of several units; of the other questions none is answered."""


def asked(question: str, problem: Problem, ansatz: str, model: str = "perceptron") -> tuple[str, ...]:
    """Weights for which a question can be asked of a problem in an ansatz."""
    symmetric, broken = (TREE_QUESTIONS, TREE_BROKEN) if model in TREES else (QUESTIONS, BROKEN)
    if (model, question, ansatz) == TWO_STEPS:
        return {HARD: SPHERE}.get(problem, ())
    problems = symmetric.get(question, ({},))[0] if ansatz == "rs" else broken.get(question, {}).get(ansatz, {})
    return problems.get(problem, ())


def problems_of(model: str) -> tuple[Problem, ...]:
    """The columns of a model: sign units of a tree count no errors."""
    return (HARD, TEACHER) if model in TREES else PROBLEMS


NOTES = (
    f"Weights: {', '.join(WEIGHTS)}.",
    "Likelihoods: threshold, and for storage also window; from Python any positive one, rp.Likelihood(expr in rp.field).",
    "Discrete weights of a teacher-student problem are symmetric under w -> -w.",
    "frsb: spherical weights. A point that turns out to be replica symmetric is labelled rs.",
    "--digits: capacity (also 1rsb of spherical weights), solve, at-line, transitions, generalization, for every perceptron here.",
    "--certified: capacity, solve, at-line, transitions, for the hard threshold (and closed forms); else not-certified.",
)
TREE_NOTES = (
    "Sign units, K of them: odd for tree-committee, any number for tree-parity. K = 1 is the perceptron (kappa = 0).",
    "K up to 9 where nothing else is said: an average over K fields. No margin, no temperature, no likelihood of your own.",
    "Storage: spherical weights and values of one size (binary, discrete:-2,2): of others only the derivation.",
    "Not answered: ground-state, max-margin, field-distribution and phase-diagram (a perceptron's), frsb, further krsb,",
    "1rsb of finite weight sets, digits of saddle points and of what rests on them.",
    "--digits, --certified: the rs capacity of spherical weights, any K.",
)


@dataclass(frozen=True)
class Cell:
    """One combination of model (a tree: of several units), weights, likelihood, constraints, task, question and ansatz."""

    model: str
    weights: str
    likelihood: str
    constraints: str
    task: str
    question: str
    ansatz: str
    supported: bool


def cells() -> Iterator[Cell]:
    """Every combination."""
    for model, question in itertools.product(MODELS, QUESTIONS):
        for problem, weights in itertools.product(problems_of(model), WEIGHTS):
            likelihoods = (TREES[model],) if model in TREES else problem.likelihoods
            for likelihood, ansatz in itertools.product(likelihoods, ANSATZES):
                supported = weights in asked(question, problem, ansatz, model)
                yield Cell(model, weights, likelihood, problem.constraints, problem.task, question, ansatz, supported)


def to_dict() -> dict[str, Any]:
    """The table as plain data."""
    return {"models": list(MODELS), "cells": [asdict(cell) for cell in cells()], "notes": [*NOTES, *TREE_NOTES]}


def _part(model: str, remarks: dict[str, str]) -> list[str]:
    """The rows of a model: the ansatz in which a question is answered, or a dash."""
    problems = problems_of(model)
    header = ["question", *(problem.label for problem in problems), "remark"]
    rows = [
        [question, *(", ".join(a for a in ANSATZES if asked(question, p, a, model)) or "-" for p in problems), remark]
        for question, remark in remarks.items()
    ]
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (header, *rows)]


def table() -> str:
    """The table for a reader."""
    layer = _part("perceptron", {question: remark for question, (_, remark) in QUESTIONS.items()})
    trees = _part("tree-committee", {q: TREE_QUESTIONS.get(q, ({}, ""))[1] for q in QUESTIONS})
    return "\n".join(["perceptron", "", *layer, "", *NOTES, "", ", ".join(TREES), "", *trees, "", *TREE_NOTES])
