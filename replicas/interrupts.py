"""Ctrl-C where Python can not raise it: callbacks of the compiler swallow a KeyboardInterrupt, which is remembered."""

from __future__ import annotations

import sys
import threading
from typing import Any

_swallowed = threading.Event()


def listen() -> None:
    """From now on remember a KeyboardInterrupt that a callback of the compiler swallows, and say nothing of it."""
    sys.unraisablehook = _unraisable


def check() -> None:
    """Raise the KeyboardInterrupt that was swallowed, if any."""
    if _swallowed.is_set():
        _swallowed.clear()
        raise KeyboardInterrupt


def pressed() -> bool:
    """Whether a KeyboardInterrupt was swallowed since the last question."""
    return _swallowed.is_set()


def forget() -> None:
    """A new question."""
    _swallowed.clear()


def _unraisable(what: Any) -> None:
    # only what was swallowed is remembered: one that was raised has an answer already
    if issubclass(what.exc_type, KeyboardInterrupt):
        _swallowed.set()
    else:
        sys.__unraisablehook__(what)
