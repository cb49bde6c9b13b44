"""What can be asked of which model: one table, printed by ``replicas models`` and tested cell by cell.

A supported cell has an answer, which may be that there is none (spherical weights have no learning transition). An
unsupported one is refused by name, or answered with the status ``unsupported``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

MODELS = ("perceptron", "tree-committee", "tree-parity", "committee", "stochastic-perceptron")
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
FIXED = ("binary", "spherical")  # weights of one size
BINARY = ("binary",)
EVERYTHING: dict[Problem, tuple[str, ...]] = dict.fromkeys(PROBLEMS, WEIGHTS)
Questions = dict[str, tuple[dict[Problem, tuple[str, ...]], str]]
Broken = dict[str, dict[str, dict[Problem, tuple[str, ...]]]]
QUESTIONS: Questions = {
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
    "franz-parisi": ({HARD: FIXED, SOFT: FIXED}, "references typical, spherical, stochastic (binary weights), own margin"),
    "isolation": ({HARD: BINARY}, ""),
    "local-entropy": (
        {HARD: FIXED, SOFT: BINARY, TEACHER: BINARY},
        "spherical weights: hard, at a mutual --overlap; reference constrained: threshold, storage",
    ),
    "local-entropy-threshold": ({HARD: BINARY}, "threshold likelihood"),
    "overlap-gap": ({HARD: BINARY, TEACHER: BINARY}, "values of one size"),
    "derive": (EVERYTHING, ""),
}
"""Each question with the weights for which it can be asked of each problem, replica symmetric, and a remark."""

THRESHOLD_ONLY = ("local-entropy-threshold",)
"""Questions that a window is not asked."""

STORAGE: dict[Problem, tuple[str, ...]] = {HARD: WEIGHTS, SOFT: WEIGHTS}
SPHERE = ("spherical",)
STEPS = ("1rsb", "krsb")
BROKEN: Broken = {
    "capacity": {"1rsb": {HARD: WEIGHTS}, "krsb": {HARD: WEIGHTS}, "frsb": {HARD: SPHERE}},
    "solve": {**dict.fromkeys(STEPS, STORAGE), "frsb": {HARD: SPHERE, SOFT: SPHERE}},
    "ground-state": {"1rsb": {HARD: WEIGHTS}, "krsb": {HARD: WEIGHTS}, "frsb": {HARD: SPHERE}},
    "field-distribution": {**dict.fromkeys(STEPS, STORAGE), "frsb": {HARD: SPHERE, SOFT: SPHERE}},
    "phase-diagram": {"1rsb": {HARD: SPHERE}, "frsb": {HARD: SPHERE}},
    "derive": dict.fromkeys(STEPS, STORAGE),
}
"""The same for questions that are also answered with broken symmetry, by ansatz."""


LEARNT: dict[Problem, tuple[str, ...]] = {HARD: FIXED, TEACHER: WEIGHTS}
TREE_QUESTIONS: Questions = {
    "capacity": ({HARD: FIXED}, "spherical weights: rs any K, 1rsb up to K = 9; krsb: the committee of K = 3"),
    "solve": (LEARNT, "1rsb: up to K = 7, spherical weights"),
    "at-line": (LEARNT, ""),
    "stability": (LEARNT, ""),
    "transitions": ({TEACHER: WEIGHTS}, QUESTIONS["transitions"][1]),
    "generalization": ({TEACHER: WEIGHTS}, "rule gibbs-bayes"),
    "derive": ({HARD: WEIGHTS, TEACHER: WEIGHTS}, "up to K = 7"),
}
TREE_BROKEN: Broken = {question: {"1rsb": {HARD: SPHERE}} for question in ("capacity", "solve")}
COMMITTEE_BROKEN: Broken = {**TREE_BROKEN, "capacity": {**TREE_BROKEN["capacity"], "krsb": {HARD: SPHERE}}}  # K = 3
WIDE_QUESTIONS: Questions = {
    "capacity": ({HARD: FIXED}, "diverges for spherical weights and units that jump"),
    "solve": (LEARNT, ""),
    "at-line": (LEARNT, ""),
    "stability": (LEARNT, ""),
    "transitions": ({TEACHER: WEIGHTS}, "tree: none for spherical weights; committee: specialisation"),
    "generalization": ({TEACHER: WEIGHTS}, "rule gibbs-bayes"),
    "derive": (LEARNT, ""),
}
STORED: dict[Problem, tuple[str, ...]] = {HARD: FIXED}
WIDE_BROKEN: Broken = {
    "capacity": {"1rsb": STORED, "krsb": STORED, "frsb": {HARD: SPHERE}},
    "solve": {"1rsb": STORED, "krsb": STORED, "frsb": {HARD: SPHERE}},
    "derive": {"1rsb": STORED, "krsb": STORED},
}
SHARED_QUESTIONS: Questions = {
    "solve": ({TEACHER: WEIGHTS}, "up to K = 3; branches permutation-symmetric, specialised, perfect"),
    "stability": ({TEACHER: WEIGHTS}, ""),
    "transitions": ({TEACHER: WEIGHTS}, "specialisation and perfect learning"),
    "generalization": ({TEACHER: WEIGHTS}, "rule gibbs-bayes"),
    "derive": ({TEACHER: WEIGHTS}, "K = 2, 3"),
}

MAGNETIZED = ("magnetizations",)  # means of binary weights, of prescribed mean square
STOCHASTIC_QUESTIONS: Questions = {
    "solve": ({SOFT: MAGNETIZED}, "errors of sign(m), log-likelihood"),
    "stability": ({SOFT: MAGNETIZED}, ""),
    "derive": ({SOFT: MAGNETIZED}, ""),
}


@dataclass(frozen=True)
class Kind:
    """A part of the table: a model, of a finite or an infinite number of units where it has several."""

    model: str
    K: str
    likelihood: str
    questions: Questions
    broken: Broken

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The columns of a model: units count no errors, a stochastic perceptron only has a log-likelihood at beta."""
        if self.model == "stochastic-perceptron":
            return (SOFT,)
        return PROBLEMS if self.model == "perceptron" else (HARD, TEACHER)

    @property
    def weights(self) -> tuple[str, ...]:
        """The weights of its cells."""
        return MAGNETIZED if self.model == "stochastic-perceptron" else WEIGHTS

    def asked(self, question: str, problem: Problem, ansatz: str) -> tuple[str, ...]:
        """Weights for which a question can be asked of a problem in an ansatz."""
        if ansatz == "rs":
            return self.questions.get(question, ({}, ""))[0].get(problem, ())
        return self.broken.get(question, {}).get(ansatz, {}).get(problem, ())


KINDS = {
    "perceptron": Kind("perceptron", "", "", QUESTIONS, BROKEN),
    "tree-committee": Kind("tree-committee", "finite", "majority", TREE_QUESTIONS, COMMITTEE_BROKEN),
    "tree-parity": Kind("tree-parity", "finite", "parity", TREE_QUESTIONS, TREE_BROKEN),
    "tree-committee, K inf": Kind("tree-committee", "inf", "threshold", WIDE_QUESTIONS, WIDE_BROKEN),
    "committee, K inf": Kind("committee", "inf", "threshold", WIDE_QUESTIONS, WIDE_BROKEN),
    "committee": Kind("committee", "finite", "majority", SHARED_QUESTIONS, {}),
    "stochastic-perceptron": Kind("stochastic-perceptron", "", "stochastic", STOCHASTIC_QUESTIONS, {}),
}


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


WIDE_NOTES = (
    "Infinitely many units: K inf of tree-committee (activation sign, relu, erf, tanh, quadratic; from Python any SymPy",
    "expression in rp.field) and of committee (fully connected, sign). K -> infinity is taken first. Storage: spherical",
    "weights and values of one size. The committee that stores patterns beyond its permutation-symmetric phase: its symmetry",
    "is broken, and one step of that is found near the transition only, if at all.",
)
SHARED_NOTES = (
    "Fully connected committees of K = 2, 3 sign units learn from a teacher of the same kind; for K even a tied vote is a third",
    "label. K = 1 is the perceptron. Their storage capacity is open: for large K only its growth is settled.",
)
STOCHASTIC_NOTES = (
    "Means m of binary weights at a prescribed mean square 0 < q_star < 1 (--q-star, needed), whose log-likelihood weighs",
    "with --beta (default 1). No margin, no teacher, no digits; ansatz rs.",
)


@dataclass(frozen=True)
class Cell:
    """One combination of model, number of units (several, or "inf"), weights, likelihood, constraints, task, question, ansatz."""

    model: str
    K: str
    weights: str
    likelihood: str
    constraints: str
    task: str
    question: str
    ansatz: str
    supported: bool


def cells() -> Iterator[Cell]:
    """Every combination."""
    for kind, question in itertools.product(KINDS.values(), QUESTIONS):
        for problem, weights in itertools.product(kind.problems, kind.weights):
            likelihoods = (kind.likelihood,) if kind.likelihood else problem.likelihoods
            for likelihood, ansatz in itertools.product(likelihoods, ANSATZES):
                asked = question not in THRESHOLD_ONLY or likelihood != "window"
                supported = asked and weights in kind.asked(question, problem, ansatz)
                constraints, task = problem.constraints, problem.task
                yield Cell(kind.model, kind.K, weights, likelihood, constraints, task, question, ansatz, supported)


def to_dict() -> dict[str, Any]:
    """The table as plain data."""
    notes = [*NOTES, *TREE_NOTES, *WIDE_NOTES, *SHARED_NOTES, *STOCHASTIC_NOTES]
    return {"models": list(MODELS), "cells": [asdict(cell) for cell in cells()], "notes": notes}


def _part(name: str) -> list[str]:
    """The rows of a kind: the ansatz in which a question is answered, or a dash."""
    kind = KINDS[name]
    header = ["question", *(problem.label for problem in kind.problems), "remark"]
    rows = [
        [
            question,
            *(", ".join(a for a in ANSATZES if kind.asked(question, p, a)) or "-" for p in kind.problems),
            kind.questions.get(question, ({}, ""))[1],
        ]
        for question in QUESTIONS
    ]
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (header, *rows)]


def table() -> str:
    """The table for a reader."""
    parts = [
        ("perceptron", "perceptron", NOTES),
        (", ".join(TREES), "tree-committee", TREE_NOTES),
        ("tree-committee and committee, --K inf", "tree-committee, K inf", WIDE_NOTES),
        ("committee", "committee", SHARED_NOTES),
        ("stochastic-perceptron", "stochastic-perceptron", STOCHASTIC_NOTES),
    ]
    return "\n\n".join("\n".join([title, "", *_part(kind), "", *notes]) for title, kind, notes in parts)
