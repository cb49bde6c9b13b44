"""Who works: this process, processes of our own, or a user's executor, in chunks of a fraction of a second.

Every group begins with one point, which compiles what the others need; from then on a chunk is as large as its time allows.
A chunk whose worker died is asked again alone, then in halves, until the point that kills is known.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..cli.questions import bad_argument
from ..progress import one_line
from .cells import of_failure
from .plan import Group
from .worker import Done, prepare, run_chunk

TARGET = 0.4  # seconds of a chunk: long beside its overhead, short beside a lost one
FINEST = 20  # parts of such a chunk, below which the last points are not shared out
GROWTH = 4  # times the size of the chunk before it, at most
AHEAD = 2  # chunks a worker: one it works on, one waiting
LIVES = 2  # times that a point may take its worker down before it is given up
FORK = "fork"
LOOK = 0.2  # seconds between looks at whether Ctrl-C was pressed
ENDING = 0.05  # seconds between two requests that processes end
ENDINGS = 100  # such requests, after which they are left to the interpreter
BREAKDOWNS = 50  # of all workers together, after which the machine is at fault and not the points


class CrewLost(RuntimeError):
    """The executor can do no more."""


@dataclass
class Line:
    """The points of a group that are still to be asked, and how fast they go."""

    group: Group
    left: np.ndarray
    begun: bool = False
    ready: bool = False
    size: int = 1

    def take(self, workers: int) -> np.ndarray:
        """The next chunk."""
        fair = -(-self.left.size // (AHEAD * workers)) if workers > 1 else self.left.size
        size = min(self.size, max(fair, self.size // FINEST, 1))
        where, self.left = self.left[:size], self.left[size:]
        self.begun = True
        return where

    def learn(self, points: int, seconds: float) -> None:
        """The pace of a chunk that came back."""
        self.ready = True
        wished = int(points * TARGET / max(seconds, 1e-9))
        self.size = max(1, min(wished, GROWTH * max(points, self.size)))


@dataclass
class Chunk:
    """Points that are being asked."""

    line: Line
    where: np.ndarray
    deaths: int = 0


class Here(Executor):
    """This process: what is submitted is done at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass
class Crew:
    """An executor, the number of its workers, and whether it is ours to rebuild and to end."""

    executor: Executor
    workers: int
    rebuild: Callable[[], Executor] | None = None
    forks: bool = False
    breakdowns: int = 0

    def renew(self, error: BaseException) -> None:
        """New workers in the place of dead ones."""
        self.breakdowns += 1
        if self.rebuild is None or self.breakdowns > BREAKDOWNS:
            what = "its workers died" if self.rebuild is None else f"workers died {self.breakdowns} times"
            raise CrewLost(f"executor: {what} ({type(error).__name__}: {error})")
        end_now(self.executor)
        self.executor = self.rebuild()

    def dismiss(self, at_once: bool) -> None:
        """End workers of our own; ``at_once`` without their last chunk."""
        if self.rebuild is None:
            return
        if at_once:
            end_now(self.executor)
        else:
            self.executor.shutdown(wait=True, cancel_futures=True)


def end_now(executor: Executor) -> None:
    """End processes of our own, without what they do.

    The thread that manages them waits for all of them, and the interpreter for that thread: one that was born after the others were
    told to end would be waited for, for ever. So they are told again until the thread has ended.
    """
    processes = getattr(executor, "_processes", None)  # both are dropped by shutdown
    manager = getattr(executor, "_executor_manager_thread", None)
    executor.shutdown(wait=False, cancel_futures=True)
    for _ in range(ENDINGS):
        for process in list((processes or {}).values()):
            process.terminate()
        if manager is None or not manager.is_alive():
            return
        manager.join(ENDING)


def make_crew(executor: Any) -> Crew:
    """The crew that ``executor`` names: None, a number of processes, or an executor of the user's."""
    if executor is None:
        return Crew(Here(), 1)
    if isinstance(executor, int) and not isinstance(executor, bool):
        if executor < 1:
            raise ValueError(f"executor: got {executor}; takes a number of processes >= 1, None or an Executor")

        def build() -> Executor:
            return ProcessPoolExecutor(executor, multiprocessing.get_context(_manner()), prepare)

        return Crew(build(), executor, build, _manner() == FORK)
    if isinstance(executor, Executor):
        return Crew(executor, _workers(executor))
    if hasattr(executor, "get_executor"):
        raise ValueError("executor: got a dask Client; takes an Executor: client.get_executor()")
    raise ValueError(f"executor: got {type(executor).__name__}; takes None, a number of processes, or a concurrent.futures.Executor")


def check_sendable(crew: Crew, quantity: str, task: Any) -> None:
    """A question that reaches processes, or a one-line ValueError."""
    if not isinstance(crew.executor, ProcessPoolExecutor):  # a thread needs no copy; a cluster has pickles of its own
        return
    try:
        pickle.dumps(task)
    except Exception as error:
        why = one_line(f"{type(error).__name__}: {error}")
        raise ValueError(f"quantity: got {quantity}, which cannot be sent to processes ({why}); takes a function of a module or script") from None


def _manner() -> str:
    """Fork what is compiled already where that is safe: with no thread beside this one."""
    if sys.platform.startswith("linux"):
        return FORK if threading.active_count() == 1 else "forkserver"
    return "spawn"


def _workers(executor: Any) -> int:
    """Workers of a user's executor: what it says, else those of this machine."""
    own = getattr(executor, "_max_workers", None)
    if isinstance(own, int):
        return max(1, own)
    client = getattr(executor, "_client", None)
    if client is not None and hasattr(client, "nthreads"):
        return max(1, sum(client.nthreads().values()))
    return os.cpu_count() or 1


@contextmanager
def _deferring(elsewhere: bool) -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C back until the check that is given: raised anywhere, it could leave a lock of the executor taken.

    Not where this process itself computes, nor in a thread, which is not asked.
    """
    asked: list[int] = []
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # by a shell that started this in the background
    if ignored or not elsewhere or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def stop_if_asked() -> None:
        if asked:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield stop_if_asked
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass
class Work:
    """The chunks of a sweep on their way.

    keep : called with a line and what came back of it;  stored : whether rows are wanted as text
    """

    lines: list[Line]
    crew: Crew
    keep: Callable[[Line, Done], None]
    stored: bool
    flying: dict[Future[Done], Chunk] = field(default_factory=dict)
    suspects: deque[Chunk] = field(default_factory=deque)

    def run(self) -> None:
        """Until nothing is left."""
        if self.crew.forks and self.lines and isinstance(self.lines[0].group.task.ask, str):
            self._begin_here(self.lines[0])
        with _deferring(not isinstance(self.crew.executor, Here)) as stop_if_asked:
            while True:
                self._send()
                if not self.flying:
                    return
                landed, _ = wait(self.flying, LOOK, return_when=FIRST_COMPLETED)
                for future in landed:
                    if chunk := self.flying.pop(future, None):  # gone with the others where all workers died
                        self._land(future, chunk)
                stop_if_asked()

    def _begin_here(self, line: Line) -> None:
        """One point in this process: workers that are forked from it have what it compiles."""
        chunk = Chunk(line, line.take(1))
        future: Future[Done] = Here().submit(run_chunk, line.group.task, self._points(chunk), chunk.where, self.stored)
        self._land(future, chunk)

    def _points(self, chunk: Chunk) -> dict[str, np.ndarray]:
        return {n: v[chunk.where] for n, v in chunk.line.group.points.items()}

    def _send(self) -> None:
        if self.suspects:  # one at a time, so that it is known who takes the workers down
            if not self.flying:
                self._submit(self.suspects.popleft())
            return
        while len(self.flying) < AHEAD * self.crew.workers:
            line = next((n for n in self.lines if n.left.size and (n.ready or not n.begun)), None)
            if line is None:
                return
            self._submit(Chunk(line, line.take(self.crew.workers)))
            if isinstance(self.crew.executor, Here):
                return

    def _submit(self, chunk: Chunk) -> None:
        for _ in range(2):
            try:
                future = self.crew.executor.submit(run_chunk, chunk.line.group.task, self._points(chunk), chunk.where, self.stored)
                self.flying[future] = chunk
                return
            except BrokenExecutor as error:  # died while idle
                self.crew.renew(error)
            except RuntimeError as error:  # shut down
                raise CrewLost(f"executor: takes no more work ({error})") from None

    def _land(self, future: Future[Done], chunk: Chunk) -> None:
        try:
            done = future.result()
        except CancelledError as error:
            if self.crew.rebuild is None:
                raise CrewLost("executor: it was shut down") from error
            self.suspects.append(chunk)
            return
        except Exception as error:
            if bad_argument(error):
                raise
            self._died(error, chunk)
            return
        chunk.line.learn(len(chunk.where), done.seconds)
        self.keep(chunk.line, done)

    def _died(self, error: Exception, chunk: Chunk) -> None:
        alone = not self.flying
        if isinstance(error, BrokenExecutor):
            together = [chunk, *self.flying.values()]
            alone = len(together) == 1
            self.flying.clear()
            self.crew.renew(error)
        else:
            together = [chunk]
        if not alone:
            self.suspects.extend(together)
            return
        chunk.deaths += 1
        if len(chunk.where) > 1:
            middle = len(chunk.where) // 2
            self.suspects.extend(Chunk(chunk.line, part) for part in (chunk.where[:middle], chunk.where[middle:]))
        elif chunk.deaths < LIVES:
            self.suspects.append(chunk)
        else:
            chunk.line.ready = True
            what = "its worker died" if isinstance(error, BrokenExecutor) else "its worker gave no answer"
            piece = of_failure(one_line(f"{what} ({type(error).__name__}: {error})"), chunk.where)
            self.keep(chunk.line, Done([piece], [piece.texts()] if self.stored else [], 0.0))
