"""What a worker does: a chunk of points of one group, asked as arrays, a point that fails set apart."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import interrupts
from ..cli.questions import bad_argument
from ..progress import one_line
from .cells import NoPoint, Piece, of_answer, of_failure, of_result


@dataclass(frozen=True)
class Task:
    """A question about a model with its options, or a user's function (then without a model)."""

    ask: str | Callable[..., Any]
    model: Any
    options: tuple[tuple[str, Any], ...]


@dataclass
class Done:
    """A chunk that was worked on: its pieces, their rows as text where a store wants them, and the seconds it took."""

    pieces: list[Piece]
    texts: list[list[str]]
    seconds: float


def run_chunk(task: Task, points: dict[str, np.ndarray], where: np.ndarray, stored: bool) -> Done:
    """Ask about the points; what the library refuses as an argument is raised, whatever else fails is an answer."""
    start = time.perf_counter()
    pieces = list(_asked(task, points, where) if isinstance(task.ask, str) else _called(task, points, where))
    return Done(pieces, [p.texts() for p in pieces] if stored else [], time.perf_counter() - start)


def _asked(task: Task, points: dict[str, np.ndarray], where: np.ndarray) -> Iterator[Piece]:
    """A question of the library: arrays in, arrays out."""
    import replicas

    assert isinstance(task.ask, str)
    try:
        result = getattr(replicas, task.ask)(task.model, **points, **dict(task.options))
        interrupts.check()
        yield of_result(result, where, points)
    except Exception as error:
        interrupts.check()
        if bad_argument(error):
            raise
        if len(where) == 1:
            yield of_failure(_reason(error), where)
            return
        middle = len(where) // 2
        for part in (slice(0, middle), slice(middle, None)):
            yield from _asked(task, {k: v[part] for k, v in points.items()}, where[part])


def _called(task: Task, points: dict[str, np.ndarray], where: np.ndarray) -> Iterator[Piece]:
    """A user's function: one point at a time."""
    assert callable(task.ask)
    fixed = dict(task.options) if task.model is None else {"model": task.model, **dict(task.options)}
    for i, at in enumerate(where):
        here = np.array([at])
        try:
            yield of_answer(task.ask(**{k: v[i].item() for k, v in points.items()}, **fixed), here)
        except NoPoint as error:
            yield of_failure(str(error), here)
        except Exception as error:  # one point; the others are asked all the same
            yield of_failure(_reason(error), here)


def _reason(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}")


def prepare() -> None:
    """Begin as a worker process: Ctrl-C is the parent's, and a worker whose parent is gone goes, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
