"""What a waiting terminal is shown, and how wide it is."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

PATIENCE, AGAIN = 1.0, 0.5  # seconds after which a terminal sees that work is done, and between two looks at it
COMPILING = "compiling, which only the first time takes"
ALONE = "{desc}: {elapsed}{postfix}"  # of a question that is one thing: no share of it is known
COUNT = "{{desc}}: {{n_fmt}} {things} [{{elapsed}}{{postfix}}]"
_line: ContextVar[Any] = ContextVar("line", default=None)  # the bar that stands there
_evaluated = 0  # averages since this process began


def evaluated() -> None:
    """One more average over a model's fields: what a bar counts where nobody knows how many there will be."""
    global _evaluated
    _evaluated += 1


def one_line(text: object) -> str:
    """``text`` without line breaks."""
    return " ".join(str(text).split())


def progress_bar(total: int, what: str, delay: float = PATIENCE) -> Any:
    """A bar on stderr that appears after ``delay`` seconds, and only on a terminal; part of the line that stands there, if any."""
    outer = _line.get()
    return _bar(total=total, desc=what, delay=delay, disable=None) if outer is None else _Part(outer, total, what)


@contextmanager
def asking(total: int, what: str, delay: float = PATIENCE) -> Iterator[Any]:
    """The bar of a question: on a terminal after ``delay`` seconds and alive while one long step lasts, with what is under way inside it."""
    with _bar(total=total, desc=what, delay=delay, disable=None) as bar, _standing(bar):
        if bar.disable:
            yield bar
            return
        with _after(delay or AGAIN, bar.look), _compilations(bar):
            yield bar


@contextmanager
def counter(what: str, things: str) -> Iterator[Any]:
    """A count of things whose number nobody knows, on a terminal from the start."""
    form = COUNT.format(things=things)
    if _line.get() is not None:
        with _Part(_line.get(), 0, what, form) as part:
            yield part
        return
    with _bar(desc=what, miniters=1, delay=PATIENCE, disable=None, bar_format=form) as bar, _standing(bar):
        if not bar.disable and not bar.pos:  # not below another bar, which tells already that there is work
            bar.look()
        yield bar


@contextmanager
def _standing(bar: Any) -> Iterator[None]:
    """What is asked meanwhile draws no bar of its own."""
    token = _line.set(None if bar.disable else bar)
    try:
        yield
    finally:
        _line.reset(token)


class _Part:
    """A bar inside another: that one itself where it has nothing to count yet, else a few words at its end."""

    disable = True

    def __init__(self, outer: Any, total: int, what: str, form: str | None = None):
        self.outer, self.total, self.what, self.form, self.n = outer, total, what, form, 0.0
        counts = outer.total == 1 if form else total > 1 and outer.total in (1, total)
        self.leads = counts and not outer.n
        self.before = outer.total, outer.own, outer.desc

    def __enter__(self) -> _Part:
        if self.leads:
            self.outer.total = self.total or None
        if self.leads and self.form:
            self.outer.own, self.outer.desc = self.form, self.what
        return self

    def __exit__(self, *_: object) -> None:
        if self.leads:
            self.outer.total, self.outer.own, self.outer.desc = self.before
            self.outer.n = 0
        self.outer.inside = ""

    def update(self, n: float = 1) -> None:
        """So many more are done."""
        self.n += n
        if self.leads:
            self.outer.update(n)
        elif self.total > 1:
            self.outer.inside = f"{self.what} {self.n:g}/{self.total}"

    def set_description_str(self, what: str, refresh: bool = True) -> None:
        """What is under way."""
        self.what = what
        if self.leads:
            self.outer.set_description_str(what, refresh)
        else:
            self.outer.inside = what


class _Terminal:
    """stderr past its buffer, in the middle of which a signal may come."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return sys.stderr.isatty()

    def fileno(self) -> int:
        return sys.stderr.fileno()

    def write(self, text: str) -> None:
        try:
            os.write(self.fileno(), text.encode(sys.stderr.encoding or "utf-8", "replace"))
        except OSError:  # a stand-in for a terminal, or one that is gone: no reason to lose the answer
            with suppress(OSError):
                sys.stderr.write(text)

    def flush(self) -> None:
        """Nothing waits."""


def _bar(**options: Any) -> Any:
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0  # no thread that watches it: with one beside it this process could not be forked
        inside = ""  # what is under way
        compiling = False

        def __init__(self, **given: Any):
            self.first, self.own = _evaluated, given.get("bar_format")
            super().__init__(**given)

        def look(self) -> None:
            """Draw, whether or not anything was counted."""
            if not self.disable:
                self.delay = 0.0
                self.refresh()

        def display(self, msg: str | None = None, pos: int | None = None) -> Any:
            """As tqdm, with what is under way."""
            made = _evaluated - self.first
            known = f"{made} evaluation{'s' * (made > 1)}" if made and self.total == 1 else None
            self.postfix = COMPILING if self.compiling else self.inside or known
            self.bar_format = self.own or (ALONE if self.total == 1 else None)
            return super().display(msg, pos)

    return Bar(file=_Terminal(), leave=False, **options)


@contextmanager
def _compilations(bar: Any) -> Iterator[None]:
    """Tell on the bar when it is the compiler that takes the time."""
    from numba.core import event

    class Listener(event.Listener):
        depth = 0

        def on_start(self, event: Any) -> None:
            self.depth += 1
            bar.compiling = True

        def on_end(self, event: Any) -> None:
            self.depth -= 1
            bar.compiling = self.depth > 0

    with event.install_listener("numba:compile", Listener()):
        yield


@contextmanager
def _after(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Act after so long, and again while this lasts: by a signal, as a process with a second thread is not forked; elsewhere not at all."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, lambda *_: act())
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def terminal_width() -> int | None:
    """Characters of a line where stdout is a terminal; None where it is a file or a pipe, which holds lines of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
