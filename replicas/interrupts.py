"""Ctrl-C where Python can not raise it: compilation swallows a KeyboardInterrupt, so that the key is remembered."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any

_pressed = threading.Event()


def listen() -> None:
    """From now on remember the key, and say nothing of a KeyboardInterrupt that a callback of the compiler swallows."""
    if threading.current_thread() is not threading.main_thread() or sys.unraisablehook is _unraisable:
        return
    signal.signal(signal.SIGINT, _press)
    sys.unraisablehook = _unraisable


def check() -> None:
    """Raise the KeyboardInterrupt that was swallowed, if any."""
    if _pressed.is_set():
        raise KeyboardInterrupt


def pressed() -> bool:
    """Whether the key was pressed since the last question."""
    return _pressed.is_set()


def forget() -> None:
    """A new question."""
    _pressed.clear()


def _press(signum: int, frame: FrameType | None) -> None:
    _pressed.set()
    raise KeyboardInterrupt


def _unraisable(what: Any) -> None:
    if not (_pressed.is_set() and issubclass(what.exc_type, KeyboardInterrupt)):
        sys.__unraisablehook__(what)
