"""The results of a sweep on disk: an SQLite file with one row a point, found by a hash of the point, written by one process."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .. import __version__
from .cells import Piece, from_texts

FORMAT = 2
SOURCES = ("models.py", "committees.py", "stochastic.py", "wide.py", "activations.py", "symbolic", "numerics", "theory", "simulation")
SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT)",
    "CREATE TABLE layouts (id INTEGER PRIMARY KEY, layout TEXT UNIQUE)",
    "CREATE TABLE points (key BLOB PRIMARY KEY, layout INTEGER, failed INTEGER, row TEXT) WITHOUT ROWID",
)
DAMAGED = "which is damaged"


class StoreFull(OSError):
    """The store can take no more: what it holds is kept."""


def file_path(name: str, value: Any) -> Path:
    """The path that an argument gives."""
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not path or not isinstance(path, str):
        raise ValueError(f"{name}: got {value!r}; takes the path of a file")
    return Path(path)


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

    path : a file in a folder that exists; it is made where there is none;  task : the question by its name

    Raises
    ------
    ValueError : a store of another task or version, a file that is not a store, that is damaged, in use, or that cannot be written.
    """

    def __init__(self, path: Any, task: str):
        self.path = file_path("store", path)
        self.task = task
        self.layouts: dict[str, int] = {}
        if not self.path.parent.is_dir():
            raise ValueError(f"store: got {self.path}, in {self.path.parent}, which is not a folder; takes a file in a folder that exists")
        try:
            self.file = sqlite3.connect(self.path, isolation_level=None, timeout=0.2)
            self.file.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.file.execute("PRAGMA synchronous = NORMAL")
            self.file.execute("BEGIN EXCLUSIVE")  # held until it is closed: one writer
            self._check()
            self.file.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise self._refused(error) from None

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

    def _refused(self, error: Exception) -> ValueError:
        if hasattr(self, "file"):  # it is ours alone until then
            self.file.close()
        what = _trouble(error)
        takes = "a whole store, or a new file" if what == DAMAGED else "a file that can be written"
        return ValueError(f"store: got {self.path}, {what}; takes {takes}")

    def read(self, keys: Sequence[bytes], retry: bool) -> list[Piece]:
        """What is known of these points; ``retry``: but not of those that failed or did not converge."""
        try:
            return list(self._read({key: i for i, key in enumerate(keys)}, retry))
        except (sqlite3.Error, ArithmeticError, LookupError, TypeError, ValueError) as error:  # of the file, or of a text in it
            raise self._refused(error if isinstance(error, sqlite3.Error) else sqlite3.DatabaseError("malformed")) from None

    def _read(self, position: Mapping[bytes, int], retry: bool) -> Iterator[Piece]:
        rows: dict[tuple[int, int], tuple[list[int], list[str]]] = {}
        for key, layout, failed, row in self.file.execute("SELECT key, layout, failed, row FROM points"):
            i = position.get(key)
            if i is not None and not (retry and (failed or '"not-converged"' in row)):
                where, texts = rows.setdefault((layout, failed), ([], []))
                where.append(i)
                texts.append(row)
        texts_of = {i: layout for layout, i in self.layouts.items()}
        for (layout, failed), (where, texts) in rows.items():
            yield from_texts(texts_of[layout], where, texts, bool(failed))

    def add(self, keys: Sequence[bytes], pieces: Sequence[Piece], texts: Sequence[Sequence[str]]) -> None:
        """Keep what came back of a chunk, whose rows are given as text: all of it, or nothing."""
        known = dict(self.layouts)
        try:
            self.file.execute("BEGIN")
            for piece, rows_of in zip(pieces, texts):
                layout = piece.layout()
                if layout not in known:
                    self.file.execute("INSERT OR IGNORE INTO layouts (layout) VALUES (?)", (layout,))
                    ((known[layout],),) = self.file.execute("SELECT id FROM layouts WHERE layout = ?", (layout,))
                rows = ((keys[at], known[layout], piece.failed, text) for at, text in zip(piece.where.tolist(), rows_of))
                self.file.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)", rows)
            self.file.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise StoreFull(f"store: {self.path}: {_trouble(error)}") from None
        self.layouts = known

    def close(self) -> None:
        self.file.close()


def _trouble(error: Exception) -> str:
    text = str(getattr(error, "strerror", None) or error)
    if "malformed" in text or "decode" in text:
        return DAMAGED
    known = {"locked": "which another sweep is writing", "not a database": "which is not a store of sweeps", "full": "the disk is full"}
    return next((words for part, words in known.items() if part in text), f"which cannot be written ({text})")

