"""A sweep of the command line through `replicas.sweep`: on several processes, kept in a store and resumed.

The points typed are asked as a grid: the product of the distinct values of each parameter, in the order in which the question has its
flags, so that a store does not depend on the order in which they were typed. Its results are put back as the answers of the direct way.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exact import Exact, shown
from .answers import Answer, NoAnswer, Share
from .arguments import Grid, Unanswered, Values, whole_number
from .model_flags import build_models
from .questions import QUESTIONS, Question

USUAL = {"kappa": 0.0, "beta": 1.0, "q_star": 0.5}  # of a model whose own is swept: one for every sweep, so that they share a store
WINDOW = 1.0  # the same half-width
FAILED = "not-converged"


@dataclass(frozen=True)
class How:
    """Where a sweep is computed and kept."""

    jobs: int | None
    store: str | None
    retry: bool


def settings(options: argparse.Namespace, question: Question, values: Mapping[str, Values]) -> How | None:
    """The flags of the sweep, checked; None where the direct way will do."""
    jobs = whole_number("jobs", options.jobs, "a number of processes >= 1")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs: got {jobs}; takes a number of processes >= 1")
    if options.retry and options.store is None:
        raise ValueError("retry: got --retry without a store; takes it with --store FILE")
    if getattr(options, "branch", None) == "all":
        raise ValueError("branch: got 'all' with --jobs or --store, which keep one branch a point; takes the name of one")
    for name, value in values.items():
        if exact := [number for number in value.numbers if isinstance(number, Exact) and name in question.swept]:
            raise ValueError(f"{name}: got {shown(exact[0])} with --jobs or --store; takes numbers of up to 17 digits there")
    if options.store is None:
        return None if jobs == 1 else How(jobs, None, False)
    return How(None if jobs == 1 else jobs, options.store, options.retry)


def note(asked: Sequence[Share]) -> str:
    """What the answers leave out of those of the direct way."""
    whole = all(getattr(answer.result, "dominant", None) is None for share in asked for answer in share.answers)
    return "" if whole else "of coexisting branches the dominant one of each point; without --jobs and --store all of them"


def fill(name: str, options: argparse.Namespace, values: Mapping[str, Values], grid: Grid, asked: Sequence[Share], how: How) -> None:
    """Sweep, and give every share its answers."""
    import replicas as rp

    question = QUESTIONS[name]
    numbers = question.parameters(grid.parameters)
    given = {n: list(np.atleast_1d(np.asarray(numbers[n], dtype=object))) for n in question.flags if n in numbers}
    axes = {n: list(dict.fromkeys(v)) for n, v in given.items() if n in question.swept}
    fixed = {n: v[0] for n, v in given.items() if n not in question.swept}
    models = _models(options, values, grid)
    units = sorted(models, reverse=True) if len(models) > 1 else list(models)  # as shares are ordered
    try:
        sweep = rp.sweep(
            name,
            {"model": [models[K] for K in units], **axes},
            how.jobs,
            how.store,
            retry=how.retry,
            **question.asked(options),
            **fixed,
        )
    except rp.SweepInterrupted as stop:
        raise KeyboardInterrupt(_kept(stop.partial, how)) from None
    except rp.SweepLost as lost:
        reason = str(lost).rpartition("; ")[0]
        raise Unanswered(f"{reason}; {_kept(lost.partial, how)}") from None
    for share in asked:
        share.answers.extend(_answers(sweep, models[share.K], share, options.ansatz, question))


def _models(options: argparse.Namespace, values: Mapping[str, Values], grid: Grid) -> dict[Any, Any]:
    """The models by their K, the same whatever values of kappa, beta and q_star are swept."""
    usual = {**USUAL, "kappa": WINDOW if options.likelihood == "window" else USUAL["kappa"]}
    own = {n: Values((usual[n],), False) if n in usual and n in grid.swept else value for n, value in values.items()}
    return build_models(options, own)


def _kept(partial: Any, how: How) -> str:
    """What is left of a sweep that ended early."""
    left = int(np.sum(partial["message"] == "not reached")) if "message" in partial.columns else 0
    done = f"{partial.size - left} of {partial.size} points"
    if how.store is None:
        return f"{done} were done, none is kept (--store FILE keeps them)"
    return f"{done} are kept in {how.store}: the same command goes on from there"


def _answers(sweep: Any, model: Any, share: Share, ansatz: str, question: Question) -> Iterator[Answer]:
    """The answers of a share in its order; a point that failed has one of its own."""
    size = share.grid.size
    numbers = question.parameters(share.grid.parameters)
    columns = {n: v if n in share.grid.swept else [v] * size for n, v in numbers.items()}
    groups = dict(zip((g.words for g in sweep.plan.groups), zip(sweep.plan.groups, sweep.results.values(), sweep.parts)))
    outer = [n for n in sweep.plan.outer if n != "model"]  # parameters with a word among their numbers
    words = [(model, *(columns[n][i] for n in outer)) for i in range(size)]
    for word, members in itertools.groupby(range(size), key=words.__getitem__):
        group, result, part = groups[word]
        points = list(members)
        rows = _rows(group, [[columns[n][i] for i in points] for n in group.axes], len(points))
        failed = _failed(group, result, part)
        for broken, run in itertools.groupby(zip(points, rows), key=lambda pair: bool(failed[pair[1]])):
            own = list(run)
            if not broken:
                yield _answer(result, group, [row for _, row in own], share)
                continue
            for i, row in own:
                here = {n: columns[n][i] for n in numbers}
                reason = str(part.columns["message"][row])
                yield Answer(NoAnswer(sweep.quantity, share.model, ansatz, here, FAILED, reason), 1)


def _rows(group: Any, columns: Sequence[Sequence[float]], size: int) -> list[int]:
    """The rows of points in their group."""
    if not columns:
        return [0] * size
    axes = [{value: i for i, value in enumerate(axis.tolist())} for axis in group.axes.values()]
    places = tuple(np.array([axis[value] for value in column]) for axis, column in zip(axes, columns))
    return np.ravel_multi_index(places, group.shape).tolist()  # type: ignore[no-any-return]


def _failed(group: Any, result: Any, part: Any) -> np.ndarray:
    """The points that raised, or took their worker down: nothing of them is known, not even their parameters."""
    if result is None:
        return np.ones(group.size, dtype=bool)
    broken = part.columns["status"] == FAILED if "status" in part.columns else np.zeros(group.size, dtype=bool)
    known = [part.columns[n] for n in group.axes if n in part.columns and part.columns[n].dtype.kind == "f" and n != "y"]
    lost = np.any([np.isnan(column) for column in known], axis=0) if known else np.zeros(group.size, dtype=bool)
    return np.asarray(broken & lost, dtype=bool)


def _answer(result: Any, group: Any, rows: Sequence[int], share: Share) -> Answer:
    """Some rows of a group as the answer of the direct way: arrays for a sweep, else one point."""
    result = dataclasses.replace(result, model=share.model)
    if result.shape:
        at: Any = np.unravel_index(np.array(rows), group.shape) if share.grid.swept else np.unravel_index(rows[0], group.shape)
        result = result[at]
    return Answer(result, len(rows))
