"""The results of a sweep on disk: an SQLite file with one row a point, found by a hash of the point, written by one process."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .. import __version__
from .cells import Piece, from_texts

FORMAT = 1
SOURCES = ("models.py", "committees.py", "stochastic.py", "wide.py", "activations.py", "symbolic", "numerics", "theory", "simulation")
SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT)",
    "CREATE TABLE layouts (id INTEGER PRIMARY KEY, layout TEXT UNIQUE)",
    "CREATE TABLE points (key BLOB PRIMARY KEY, layout INTEGER, failed INTEGER, row TEXT) WITHOUT ROWID",
)


class StoreFull(OSError):
    """The store can take no more: what it holds is kept."""


@cache
def code() -> str:
    """A hash of what decides the numbers: this package's models, symbols, numerics, theory and simulation."""
    root = Path(__file__).resolve().parent.parent
    files = sorted(p for name in SOURCES for p in ([root / name] if name.endswith(".py") else (root / name).rglob("*.py")))
    digest = hashlib.blake2b(digest_size=8)
    for path in files:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class Store:
    """An open store of one task.

    path : a file; it is made where there is none;  task : the question and its options, in words

    Raises
    ------
    ValueError : a store of another task or version, a file that is not a store, that is in use, or that cannot be written.
    """

    def __init__(self, path: Any, task: str):
        self.path = Path(path)
        self.task = task
        self.layouts: dict[str, int] = {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = sqlite3.connect(self.path, isolation_level=None, timeout=0.2)
            self.file.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.file.execute("PRAGMA synchronous = NORMAL")
            self.file.execute("BEGIN EXCLUSIVE")  # held until it is closed: one writer
            self._check()
            self.file.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise ValueError(f"store: got {self.path}, {_trouble(error)}; takes a file that can be written") from None

    def _check(self) -> None:
        tables = {name for (name,) in self.file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        own = {"format": str(FORMAT), "version": __version__, "code": code(), "task": self.task}
        if not tables:
            for statement in SCHEMA:
                self.file.execute(statement)
            self.file.executemany("INSERT INTO meta VALUES (?, ?)", own.items())
            return
        found = dict(self.file.execute("SELECT name, value FROM meta")) if "meta" in tables else {}
        if found.get("format") != own["format"]:
            what = f"a store of format {found['format']}" if "format" in found else "a database that is not a store of sweeps"
            raise self._other(what, f"one of format {FORMAT}")
        if found["version"] != own["version"]:
            raise self._other(f"a store of replicas {found['version']}", f"one of this version, {__version__}")
        if found["code"] != own["code"]:
            raise self._other(f"a store of replicas {__version__} with other sources", "one of these sources")
        if found["task"] != own["task"]:
            raise self._other(f"a store of {found['task']}", f"one of {self.task}")
        self.layouts = {layout: i for i, layout in self.file.execute("SELECT id, layout FROM layouts")}

    def _other(self, got: str, takes: str) -> ValueError:
        self.file.close()
        return ValueError(f"store: got {self.path}, {got}; takes {takes}, or a new file")

    def read(self, keys: Sequence[bytes], retry: bool) -> list[Piece]:
        """What is known of these points; ``retry``: but not of those that failed or did not converge."""
        position = {key: i for i, key in enumerate(keys)}
        rows: dict[tuple[int, int], tuple[list[int], list[str]]] = {}
        for key, layout, failed, row in self.file.execute("SELECT key, layout, failed, row FROM points"):
            i = position.get(key)
            if i is not None and not (retry and (failed or '"not-converged"' in row)):
                where, texts = rows.setdefault((layout, failed), ([], []))
                where.append(i)
                texts.append(row)
        texts_of = {i: layout for layout, i in self.layouts.items()}
        return [from_texts(texts_of[layout], where, texts, bool(failed)) for (layout, failed), (where, texts) in rows.items()]

    def add(self, keys: Sequence[bytes], piece: Piece, texts: Sequence[str]) -> None:
        """Keep a piece, whose rows are given as text."""
        layout = piece.layout()
        try:
            self.file.execute("BEGIN")
            if layout not in self.layouts:
                self.file.execute("INSERT OR IGNORE INTO layouts (layout) VALUES (?)", (layout,))
                ((i,),) = self.file.execute("SELECT id FROM layouts WHERE layout = ?", (layout,))
            else:
                i = self.layouts[layout]
            rows = ((keys[at], i, piece.failed, text) for at, text in zip(piece.where.tolist(), texts))
            self.file.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)", rows)
            self.file.execute("COMMIT")
            self.layouts[layout] = i
        except (OSError, sqlite3.Error) as error:
            raise StoreFull(f"store: {self.path}: {_trouble(error)}") from None

    def close(self) -> None:
        self.file.close()


def _trouble(error: Exception) -> str:
    text = str(getattr(error, "strerror", None) or error)
    known = {"locked": "which another sweep is writing", "not a database": "which is not a store of sweeps", "full": "the disk is full"}
    return next((words for part, words in known.items() if part in text), f"which cannot be written ({text})")


def key(words: str) -> bytes:
    """Hash of a point given in words."""
    return hashlib.blake2b(words.encode(), digest_size=16).digest()


def task_words(ask: str, options: dict[str, Any]) -> str:
    """A question and its options in words."""
    given = ", ".join(f"{name} {json.dumps(value, default=repr)}" for name, value in sorted(options.items()) if value is not None)
    return f"{ask} ({given})" if given else ask
