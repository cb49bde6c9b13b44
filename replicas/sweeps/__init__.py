"""Sweeps: one question over a grid, on one core, on all, or on a cluster; kept in a store, resumed, never computed twice."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..progress import progress_bar
from .cells import Columns, Piece, column, together
from .crew import CrewLost, Line, Work, check_sendable, make_crew
from .plan import Plan, make_plan
from .result import Sweep
from .store import Store, StoreFull
from .worker import Done

__all__ = ["Sweep", "SweepInterrupted", "SweepLost", "sweep"]


class SweepLost(RuntimeError):
    """A sweep that could not go on; ``partial`` holds what was computed."""

    partial: Sweep


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C during a sweep; ``partial`` holds what was computed."""

    partial: Sweep


def sweep(
    quantity: Any,
    grid: Mapping[str, Any],
    executor: Any = None,
    store: Any = None,
    progress: bool = True,
    *,
    retry: bool = False,
    **options: Any,
) -> Sweep:
    """One question at every point of a grid, the last dimension fastest.

    Parameters
    ----------
    quantity : a question by its name ("capacity", "solve", "local-entropy", ...) or function (``rp.capacity``), or a function of one
        point, called with one keyword for each dimension, which gives a number, a mapping of cells, or a result.
    grid : values by name: parameters of the question, fields of the model ("K", "weights", ...), "model" itself. A single value is fixed.
    executor : None for this process, a number of processes, or a ``concurrent.futures.Executor`` (dask: ``client.get_executor()``).
    store : a file that keeps every point as it is computed; the same call resumes there, and any other of the question uses what it has.
    progress : show a bar on a terminal, after a second.
    retry : ask again about points of the store that failed or did not converge.
    options : what is fixed: model=, ansatz=, digits=, ...

    Returns
    -------
    Sweep : columns over the grid with errors, status and branch; ``to_xarray``, ``to_netcdf``, ``to_csv``, ``plot``.
        A point that raised, or took its worker down, has status "not-converged" and the reason as its message.

    Raises
    ------
    ValueError : what the question refuses, an unknown name, a function that does not take the names of the grid or cannot be sent to the
        processes or told from another by the store, a damaged store, one of another question or version, a raw dask Client.
    SweepLost : the executor died, or the store can take no more;  SweepInterrupted : Ctrl-C. Both carry ``partial``; what a store holds stays.
    """
    start = time.perf_counter()
    for name, value in (("progress", progress), ("retry", retry)):
        if not isinstance(value, bool):
            raise ValueError(f"{name}: got {value!r}; takes True or False")
    plan = make_plan(quantity, grid, options)
    crew = make_crew(executor)
    check_sendable(crew, plan.quantity, plan.groups[0].task)
    keys = [[] if store is None else group.keys() for group in plan.groups]
    kept = None if store is None else Store(store, plan.task)
    found: list[list[Piece]] = [kept.read(own, retry) if kept else [] for own in keys]
    lines = [Line(group, _left(group.size, pieces)) for group, pieces in zip(plan.groups, found)]
    index = {id(line): i for i, line in enumerate(lines)}
    known = plan.size - sum(line.left.size for line in lines)

    def gathered(complete: bool = True) -> Sweep:
        parts = tuple(_columns(pieces, group.size) for pieces, group in zip(found, plan.groups))
        now = sum(len(p.where) for pieces in found for p in pieces) - known
        return Sweep(plan, parts, now, time.perf_counter() - start, complete)

    total = plan.size
    with progress_bar(total, plan.quantity) if progress else _Silent() as bar:
        bar.update(known)

        def keep(line: Line, done: Done) -> None:
            i = index[id(line)]
            found[i].extend(done.pieces)
            if kept:
                kept.add(keys[i], done.pieces, done.texts)
            bar.update(sum(len(piece.where) for piece in done.pieces))

        at_once = True
        try:
            Work([line for line in lines if line.left.size], crew, keep, kept is not None).run()
            at_once = False
        except KeyboardInterrupt:
            stopped = SweepInterrupted(_so_far(plan, found, store))
            stopped.partial = gathered(complete=False)
            raise stopped from None
        except (CrewLost, StoreFull) as error:
            lost = SweepLost(f"{error}; {_so_far(plan, found, store)}")
            lost.partial = gathered(complete=False)
            raise lost from error
        finally:
            crew.dismiss(at_once)
            if kept:
                kept.close()
    return gathered()


class _Silent:
    """A progress bar that shows nothing."""

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def update(self, n: int) -> None:
        pass


def _left(size: int, pieces: list[Piece]) -> np.ndarray:
    missing = np.ones(size, dtype=bool)
    for piece in pieces:
        missing[piece.where] = False
    return np.flatnonzero(missing)


def _columns(pieces: list[Piece], size: int) -> Columns:
    """The pieces of a group, with a status for points that were not reached."""
    missing = _left(size, pieces)
    if missing.size:
        words = {"status": column(["not-converged"] * missing.size), "message": column(["not reached"] * missing.size)}
        pieces = [*pieces, Piece(missing, "", {}, words)]
    return together(pieces, size)


def _so_far(plan: Plan, found: list[list[Piece]], store: Any) -> str:
    done = sum(len(p.where) for pieces in found for p in pieces)
    where = "error.partial has them" if store is None else f"they are kept in {store}, and the same call goes on from there"
    return f"{done} of {plan.size} points are done: {where}"
