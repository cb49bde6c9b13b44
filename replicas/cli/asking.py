"""Asking a question of the command line: its points in chunks, one that breaks the library isolated, and the answers printed.

Two ways lead to the same answers. Without ``--jobs`` and ``--store`` a sweep is asked as arrays, and every coexisting branch is
answered; with them it goes through `replicas.sweep`, which answers with the dominant branch and cuts the sweep into chunks of its own
(`replicas.cli.asking_sweeps`): the last digits then depend on the chunks, within the errors.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .. import interrupts
from ..progress import asking, one_line, terminal_width
from . import answers as an
from . import tables
from .answers import Answer, NoAnswer, Share
from .arguments import Grid, make_grid
from .model_flags import build_models
from .questions import QUESTIONS, Question, bad_argument, check_words, typed_values

CHUNK = 2000  # points asked together; a longer sweep shows its progress in such steps
FEW = 8  # the same of a machine with several units, whose points take from milliseconds to minutes


def run_question(name: str, options: argparse.Namespace) -> int:
    """Ask, print, and give the exit code."""
    question = QUESTIONS[name]
    if question.run is not None:
        return question.run(options)
    check_words(options, question)
    values = typed_values(options, (*question.swept, "K"), name)
    grid = make_grid(values)
    # a single kappa or beta is part of the model; the others, and every swept one, are parameters of the question
    others = _of_the_reference(options)
    of_model = {"K", "kappa", "beta", "q_star"} - others
    parameters = {k: v for k, v in grid.parameters.items() if k in grid.swept or k not in of_model}
    grid = Grid(parameters, grid.swept)
    own = {k: v for k, v in values.items() if k not in others}
    asked = an.shares(build_models(options, own), grid)
    how, left_out = None, ""
    if question.sweeps and (options.jobs is not None or options.store is not None or options.retry):
        from .asking_sweeps import fill, note, settings

        how = settings(options, question, values)
    if how is not None:
        with asking(grid.size, name):
            fill(name, options, own, grid, asked, how)
        left_out = note(asked) if question.branches and getattr(options, "branch", None) is None else ""
    else:
        with asking(grid.size, name) as bar:
            for share in asked:
                _answer(name, options, share, bar)
    print_answers(options, asked, grid, left_out)
    return 0 if any(answer.result.ok for share in asked for answer in share.answers) else 1


def _of_the_reference(options: argparse.Namespace) -> set[str]:
    """Flags that belong to the reference around which a model is looked at."""
    if not hasattr(options, "reference"):
        return set()
    return {"q_star", "beta"} if options.reference == "stochastic" else {"q_star"}


def print_answers(options: argparse.Namespace, asked: list[Share], grid: Grid, note: str = "") -> None:
    """The answers on stdout, in the form asked for; the note below a table, as a key of JSON, else on stderr."""
    if options.json:
        print(json.dumps(an.merge(asked, grid) | ({"note": note} if note else {})))
    elif options.csv:
        sys.stdout.write(tables.csv_text(tables.flat(an.merge(asked, grid))))
        if note:
            print(f"{options.parser.prog}: note: {note}", file=sys.stderr)
    else:
        print(an.text(asked, grid, terminal_width()) + (f"\n  {note}" if note else ""))


def print_whole(options: argparse.Namespace, result: Any) -> None:
    """A result with forms of its own; its CSV has the ``lines`` it is made of, where there are some."""
    if options.json:
        print(json.dumps(result.to_dict()))
    elif options.csv:
        sys.stdout.write(tables.csv_text(result.lines() if hasattr(result, "lines") else tables.flat(result.to_dict())))
    else:
        print(result)


# --- asked as arrays -------------------------------------------------------------------------------------------------------


def _answer(name: str, options: argparse.Namespace, share: Share, bar: Any) -> None:
    """The answers of one model."""

    def failed(part: Grid, error: Exception) -> NoAnswer:
        reason = one_line(f"{type(error).__name__}: {error}")
        return NoAnswer(name, share.model, options.ansatz, part.parameters, "not-converged", reason)

    def ask(**parameters: Any) -> Any:
        return QUESTIONS[name](share.model, options, **parameters, **reported)

    chunk = CHUNK if share.model.fields == 1 else FEW
    for start in range(0, share.grid.size, chunk):
        stop = min(start + chunk, share.grid.size)
        done = bar.n
        reported = _progress(QUESTIONS[name], bar, stop - start) if share.grid.swept else {}
        share.answers.extend(answers(ask, share.grid.take(start, stop), failed))
        bar.update((stop - start if share.grid.swept else len(share.where)) - (bar.n - done))


def _progress(question: Question, bar: Any, most: int) -> Mapping[str, Any]:
    """What moves the bar from inside a question that tells of its progress."""
    import replicas

    if not isinstance(question.ask, str) or "progress" not in inspect.signature(getattr(replicas, question.ask)).parameters:
        return {}
    last = bar.n + most

    def progress(what: str, done: int, total: int) -> None:
        bar.update(min(1, last - bar.n))

    return {"progress": progress}


def answers(ask: Callable[..., Any], grid: Grid, failed: Callable[[Grid, Exception], NoAnswer]) -> Iterator[Answer]:
    """Answers covering the grid in order; a point that raises is isolated by bisection."""
    try:
        result = ask(**grid.parameters)
        interrupts.check()
        yield an.answer(result, grid)
    except Exception as error:  # the other points of the sweep still count
        interrupts.check()
        if bad_argument(error):  # nothing of the sweep makes sense
            raise
        if grid.size <= 1:
            yield Answer(failed(grid, error), 1)
            return
        middle = grid.size // 2
        yield from answers(ask, grid.take(0, middle), failed)
        yield from answers(ask, grid.take(middle, grid.size), failed)
