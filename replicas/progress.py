"""What a waiting terminal is shown, and how wide it is."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

PATIENCE = 1.5  # seconds after which a terminal is told why it waits
CLEAR_LINE = "\r\x1b[2K"  # of a bar that stands there
_counting: ContextVar[bool] = ContextVar("counting", default=False)


def one_line(text: object) -> str:
    """``text`` without line breaks."""
    return " ".join(str(text).split())


def progress_bar(total: int, what: str, delay: float = 1.0) -> Any:
    """A bar on stderr that appears after ``delay`` seconds, and only on a terminal; none below a `counter`."""
    return _bar(total=total, desc=what, delay=delay, disable=_counting.get() or None)


@contextmanager
def counter(what: str, things: str) -> Iterator[Any]:
    """A count of things whose number nobody knows, on a terminal from the start; what is asked meanwhile draws no bar of its own."""
    inside = _counting.set(True)
    try:
        with _bar(desc=what, miniters=1, delay=1.0, disable=None, bar_format=f"{{desc}}: {{n_fmt}} {things} [{{elapsed}}]") as bar:
            if not bar.disable and not bar.pos:  # not below another bar, which tells already that there is work
                bar.delay = 0.0
                bar.refresh()
            yield bar
    finally:
        _counting.reset(inside)


def _bar(**options: Any) -> Any:
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0  # no thread that watches it: with one beside it this process could not be forked

    return Bar(file=sys.stderr, leave=False, **options)


@contextmanager
def patience(name: str, why: str = "the first question about a model also derives and compiles it") -> Iterator[None]:
    """Tell a waiting terminal what the first question takes."""

    def tell() -> None:  # past the buffer of stderr, in the middle of which a signal may come
        os.write(sys.stderr.fileno(), f"{CLEAR_LINE}replicas {name}: working; {why}\n".encode())

    if not sys.stderr.isatty():
        yield
        return
    with _after(PATIENCE, tell):
        yield


@contextmanager
def _after(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Act once when this has lasted so long; by a signal where there are any, as a process with a second thread is not forked."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
        return
    before = signal.signal(signal.SIGALRM, lambda *_: act())
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def terminal_width() -> int | None:
    """Characters of a line where stdout is a terminal; None where it is a file or a pipe, which holds lines of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
