"""What can be asked of which model: one table, printed by ``replicas models`` and tested cell by cell.

A supported cell has an answer, which may be that there is none (spherical weights have no learning transition). An
unsupported one is refused by name, or answered with the status ``unsupported``.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

MODELS = ("perceptron", "tree-committee", "tree-parity", "committee", "stochastic-perceptron")
TREES = {"tree-committee": "majority", "tree-parity": "parity"}  # machines of several sign units, by their likelihood
WEIGHTS = ("binary", "spherical", "ternary", "discrete:V1,V2,...")
MACHINES = (*TREES, "committee")  # of several units
ANSATZES = ("rs", "1rsb", "krsb", "frsb")
GAP, INDENT = 2, 4
REMARK = 30  # characters of a column of remarks
LINE = 118  # the same of a note, where lines are not those of a terminal


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
    "phase-diagram": (
        {HARD: WEIGHTS, SOFT: WEIGHTS, TEACHER: FINITE},
        "every ansatz at once; load against margin or temperature, with a teacher along the load",
    ),
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
    "phase-diagram": ({HARD: FIXED, TEACHER: WEIGHTS}, "load against K"),
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
WIDE_TREE_QUESTIONS: Questions = {**WIDE_QUESTIONS, "phase-diagram": ({HARD: FIXED, TEACHER: WEIGHTS}, "sign units, load against K")}
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
    "tree-committee, K inf": Kind("tree-committee", "inf", "threshold", WIDE_TREE_QUESTIONS, WIDE_BROKEN),
    "committee, K inf": Kind("committee", "inf", "threshold", WIDE_QUESTIONS, WIDE_BROKEN),
    "committee": Kind("committee", "finite", "majority", SHARED_QUESTIONS, {}),
    "stochastic-perceptron": Kind("stochastic-perceptron", "", "stochastic", STOCHASTIC_QUESTIONS, {}),
}


def of_machines(question: str) -> bool:
    """Whether a question can be asked of machines of several units, so that K can be swept."""
    return any(kind.model in MACHINES and question in kind.questions for kind in KINDS.values())


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
    "Not answered either: frsb, further krsb, 1rsb of finite weight sets, digits of saddle points and of what rests on them.",
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


def to_dict(model: str | None = None, question: str | None = None) -> dict[str, Any]:
    """The table as plain data, of one model or one question where asked for."""
    notes = [*NOTES, *TREE_NOTES, *WIDE_NOTES, *SHARED_NOTES, *STOCHASTIC_NOTES]
    chosen = [asdict(cell) for cell in cells() if cell.model == (model or cell.model) and cell.question == (question or cell.question)]
    return {"models": list(MODELS) if model is None else [model], "cells": chosen, "notes": notes}


PARTS = (
    ("perceptron", ("perceptron",), NOTES),
    (", ".join(TREES), tuple(TREES), TREE_NOTES),
    ("tree-committee and committee, --K inf", ("tree-committee, K inf", "committee, K inf"), WIDE_NOTES),
    ("committee", ("committee",), SHARED_NOTES),
    ("stochastic-perceptron", ("stochastic-perceptron",), STOCHASTIC_NOTES),
)
"""The table in parts: a title, the kinds that have it in common (the first stands for them), and what else there is to say."""


def table(model: str | None = None, question: str | None = None, width: int | None = None) -> str:
    """The table for a reader: of everything, of one model, or of one question; the latter two also say for which weights."""
    if question is not None:
        return _of_question(question, model, width)
    parts = [
        (title if model is None else f"{model}{', --K inf' if KINDS[kind].K == 'inf' else ''}", kind, notes)
        for title, kinds, notes in PARTS
        for kind in ([kinds[0]] if model is None else [k for k in kinds if KINDS[k].model == model])
    ]
    hint = "" if model else "\n\nFor which weights: replicas models --model NAME, or --question NAME."
    return "\n\n".join(_of_kind(title, KINDS[kind], notes, model is not None, width) for title, kind, notes in parts) + hint


def _of_kind(title: str, kind: Kind, notes: Sequence[str], weights: bool, width: int | None) -> str:
    """The questions of a model, those first that can be asked of it."""
    rows = [(q, _asked(kind, q, weights), kind.questions[q][1]) for q in QUESTIONS if q in kind.questions]
    missing = [q for q in QUESTIONS if q not in kind.questions]
    said = [*([f"Not answered: {', '.join(missing)}."] if missing else []), *_sentences(notes)]
    return "\n".join([title, "", *_lines("question", kind.problems, rows, width), "", *_wrapped(said, width)])


def _of_question(question: str, model: str | None, width: int | None) -> str:
    """The models of which a question can be asked."""
    kinds = {name: kind for name, kind in KINDS.items() if model in (None, kind.model)}
    rows = []
    for name, kind in kinds.items():
        if question in kind.questions:
            asked = dict(zip(kind.problems, _asked(kind, question, True)))
            rows.append((name, [asked.get(problem, "-") for problem in PROBLEMS], kind.questions[question][1]))
    missing = [name for name, kind in kinds.items() if question not in kind.questions]
    said = [f"Not answered of: {'; '.join(missing)}."] if missing else []
    return "\n".join([question, "", *_lines("model", PROBLEMS, rows, width), *[""] * bool(said and rows), *_wrapped(said, width)])


def _asked(kind: Kind, question: str, weights: bool) -> list[str]:
    """For each problem the ansatzes in which a question is answered, or a dash; with the weights where they are not all."""
    out = []
    for problem in kind.problems:
        asked = {a: kind.asked(question, problem, a) for a in ANSATZES if kind.asked(question, problem, a)}
        if not weights:
            out.append(" ".join(asked) or "-")
            continue
        cells = []
        for names, group in itertools.groupby(asked, key=lambda a: frozenset(asked[a])):
            only = "" if names == set(kind.weights) else f" ({', '.join(w.partition(':')[0] for w in kind.weights if w in names)})"
            cells.append(" ".join(group) + only)
        out.append("; ".join(cells) or "-")
    return out


Row = tuple[str, Sequence[str], str]


def _lines(first: str, problems: Sequence[Problem], rows: Sequence[Row], width: int | None) -> list[str]:
    """A table in lines; a remark for which there is no room beside its row stands below it."""
    cells = [[first, *(problem.label for problem in problems)], *([name, *asked] for name, asked, _ in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    remarks = ["remark" if any(remark for *_, remark in rows) else "", *(remark for *_, remark in rows)]
    taken = sum(widths) + GAP * len(widths)
    beside = width is None or width - taken >= REMARK
    room = None if width is None else width - taken if beside else width - INDENT
    out = []
    for i, (row, remark) in enumerate(zip(cells, remarks)):
        line = (" " * GAP).join(cell.ljust(size) for cell, size in zip(row, widths))
        wrapped = [remark] if room is None else textwrap.wrap(remark, max(room, REMARK), break_on_hyphens=False)
        if beside:
            out.append(f"{line}{' ' * GAP}{wrapped[0] if wrapped else ''}".rstrip())
            out += [" " * taken + rest for rest in wrapped[1:]]
        else:
            out.append(line.rstrip())
            out += [" " * INDENT + rest for rest in wrapped if i]
    return out


def _sentences(notes: Sequence[str]) -> Iterator[str]:
    """Notes put together from lines that break off in the middle of a sentence."""
    begun: list[str] = []
    for line in notes:
        begun.append(line)
        if line.endswith("."):
            yield " ".join(begun)
            begun = []


def _wrapped(texts: Sequence[str], width: int | None) -> list[str]:
    return [line for text in texts for line in textwrap.wrap(text, width or LINE, break_on_hyphens=False)]
