"""Results as columns of cells, one cell a point: what travels from a worker, what a store holds, and back again.

A cell is a float, a whole number, a bool, a string, None or a list of these; a number of arbitrary precision is a decimal string.
The fields of a result that are one for all its points are its constants.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..results import Result, decimal

LEFT_OUT = ("model", "saddle", "jump", "minimum")  # known; not a cell; and what compares a point with those of its chunk
KIND = "kind"  # constant of a result inside a result, as "field.kind"
VALUE = "value"  # column of a function that returns a number


class NoPoint(TypeError):
    """What a user's function gave is not the answer of one point."""


@dataclass
class Piece:
    """Answers at the points ``where`` of a group.

    kind : class of the result as "module:name", or "" of what is not one;  constants : fields that all its points share
    columns : cells by field, of a mapping as "field.key";  failed : there is no answer, the message says why
    """

    where: np.ndarray
    kind: str
    constants: dict[str, Any]
    columns: dict[str, Any]
    failed: bool = False

    def layout(self) -> str:
        """What the rows of this piece have in common, as text."""
        return json.dumps([self.kind, self.constants, list(self.columns)])

    def texts(self) -> list[str]:
        """Each row as text."""
        lists = [v.tolist() if isinstance(v, np.ndarray) else v for v in self.columns.values()]
        return [json.dumps(row, separators=(",", ":")) for row in zip(*lists)] if lists else ["[]"] * len(self.where)


def from_texts(layout: str, where: Sequence[int], texts: Sequence[str], failed: bool) -> Piece:
    """The piece that was stored as these texts."""
    kind, constants, names = json.loads(layout)
    rows = json.loads(f"[{','.join(texts)}]")
    columns = {name: column(list(cells)) for name, cells in zip(names, zip(*rows))}
    return Piece(np.asarray(where), kind, constants, columns, failed)


def cell(value: Any) -> Any:
    """One cell."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return float(value) if isinstance(value, float) else value  # a float that knows its exact value is a float here
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple, np.ndarray)):
        return [cell(v) for v in value]
    if hasattr(value, "_mpf_"):
        return decimal(value)
    raise TypeError(f"quantity: got a {type(value).__name__} among its answers; takes numbers, bools, strings and lists of them")


def column(cells: Sequence[Any]) -> np.ndarray:
    """Cells as an array: of numbers with nan for none, of bools, or of objects."""
    kinds = set(map(type, cells))
    if kinds <= {float, int, type(None)} and float in kinds:
        return np.array([np.nan if c is None else c for c in cells] if type(None) in kinds else cells, dtype=float)
    if kinds in ({bool}, {int}):
        return np.array(cells)
    out = np.empty(len(cells), dtype=object)
    for i, value in enumerate(cells):  # one by one: lists of one length are no matrix
        out[i] = value
    return out


def of_result(result: Result, where: np.ndarray, points: Mapping[str, np.ndarray] | None = None) -> Piece:
    """The piece of a result about ``points``; of coexisting branches that of the largest free entropy."""
    size = len(where)
    if result.shape and result.shape != (size,):
        result = result[_dominant(result, points or {}, size)]
    constants: dict[str, Any] = {}
    columns: dict[str, Any] = {}

    def put(name: str, value: Any) -> None:
        if value is None:
            return
        if isinstance(value, Result):
            constants[f"{name}.{KIND}"] = _kind(value)
            value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.name not in LEFT_OUT}
        if isinstance(value, Mapping):
            for key, part in value.items():
                put(f"{name}.{key}", part)
        elif isinstance(value, np.ndarray) and value.shape == (size,) and result.shape:
            columns[name] = value if value.dtype.kind != "O" else column([cell(v) for v in value])
        elif not result.shape:
            columns[name] = column([cell(value)])
        else:
            constants[name] = cell(value)

    for field in dataclasses.fields(result):
        if field.name not in LEFT_OUT:
            put(field.name, getattr(result, field.name))
    return Piece(where, _kind(result), constants, columns)


def _dominant(result: Any, points: Mapping[str, np.ndarray], size: int) -> np.ndarray:
    """For each point its row among those of all branches, which stand together: the dominant one, else the first."""
    given = [np.asarray(getattr(result, n)) for n in points if hasattr(result, n)]
    asked = [v for n, v in points.items() if hasattr(result, n)]
    dominant = np.broadcast_to(np.asarray(result.dominant, dtype=object), result.shape)
    rows, row = np.zeros(size, dtype=int), 0
    for i in range(size):
        own = [row]
        while own[-1] + 1 < result.shape[0] and all(g[own[-1] + 1] == a[i] for g, a in zip(given, asked)):
            own.append(own[-1] + 1)
        rows[i] = next((r for r in own if dominant[r]), own[0])
        row = own[-1] + 1
    return rows


def _kind(result: Result) -> str:
    return f"{type(result).__module__}:{type(result).__name__}"


def of_answer(answer: Any, where: np.ndarray) -> Piece:
    """The piece of one answer of a user's function: a result, a mapping of cells, or a number."""
    if isinstance(answer, Result):
        if answer.shape not in ((), (1,)) and not _branches(answer):
            raise NoPoint(f"gave a result of {answer.status.size} points ({type(answer).__name__}); takes a result of one point")
        return of_result(answer, where)
    if not isinstance(answer, Mapping):
        if isinstance(answer, (list, tuple)) or np.ndim(answer):
            raise NoPoint(f"gave a {type(answer).__name__}; takes a number, a mapping of names to cells, or a result")
        answer = cell(answer)
        if answer is None or answer != answer:
            raise NoPoint(f"gave {'None' if answer is None else 'nan'}; takes a number")
        answer = {VALUE: answer}
    cells = {str(name): column([cell(value)]) for name, value in answer.items()}
    cells.setdefault("status", column(["converged"]))
    return Piece(where, "", {}, cells)


def _branches(result: Any) -> bool:
    """Whether the rows of a result are the branches of one point, one of them dominant."""
    given = (np.asarray(getattr(result, n)) for n in result.inputs)
    return int(np.sum(getattr(result, "dominant", None) == np.True_)) == 1 and all((g == g.flat[0]).all() for g in given)


def of_failure(reason: str, where: np.ndarray) -> Piece:
    """The piece of points without an answer."""
    size = len(where)
    return Piece(where, "", {}, {"status": column(["not-converged"] * size), "message": column([reason] * size)}, failed=True)


@dataclass
class Columns:
    """The pieces of a group put together: one array a column, over all points of the group, and what all ``answered`` ones share."""

    kind: str
    columns: dict[str, np.ndarray]
    shared: dict[str, Any]
    answered: np.ndarray

    def result(self, model: Any, shape: tuple[int, ...]) -> Result | None:
        """The pieces as the result that one question about all points would have given."""
        if not self.kind:
            return None
        values: dict[str, Any] = {KIND: self.kind}
        for path, value in self.shared.items():
            _put(values, path, value)
        for path, array in self.columns.items():
            _put(values, path, array.reshape(shape) if shape else (array[0].item() if isinstance(array[0], np.generic) else array[0]))
        return _build(values, model)  # type: ignore[no-any-return]


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for name in above:
        values = values.setdefault(name, {})
    values[last] = value


def _build(values: Any, model: Any) -> Any:
    """Nested cells with the results among them built."""
    if not isinstance(values, dict):
        return values
    inside = {name: _build(value, model) for name, value in values.items()}
    kind = inside.pop(KIND, None)
    if kind is None:
        return inside
    module, name = kind.split(":")
    cls: type[Result] = getattr(importlib.import_module(module), name)
    known = {f.name for f in dataclasses.fields(cls)}
    return cls(model=model, **{k: v for k, v in inside.items() if k in known})


def together(pieces: Sequence[Piece], size: int) -> Columns:
    """All pieces of a group; a cell that a piece lacks is nan among numbers, else None."""
    kind = next((p.kind for p in pieces if p.kind), "")
    names = dict.fromkeys(name for p in pieces for name in (*p.columns, *p.constants))
    answered = [p for p in pieces if p.kind]
    shared = {
        name: value
        for name, value in (answered[0].constants if answered else {}).items()
        if all(name not in p.columns and p.constants.get(name) == value for p in answered)
    }
    out: dict[str, np.ndarray] = {}
    for name in names:
        if name in shared:
            continue
        parts = [(p.where, p.columns[name] if name in p.columns else _repeated(p.constants.get(name), len(p.where))) for p in pieces]
        dtypes = {array.dtype for _, array in parts}
        if len(dtypes) == 1 and parts[0][1].dtype.kind != "O":
            whole = np.empty(size, dtype=dtypes.pop())
        elif all(_numeric(array) for _, array in parts):
            whole = np.full(size, np.nan)
        else:
            whole = np.empty(size, dtype=object)
        for where, array in parts:
            if whole.dtype.kind == "f" and array.dtype.kind == "O":
                array = np.full(len(where), np.nan)
            whole[where] = array
        out[name] = whole
    known = np.zeros(size, dtype=bool)
    for p in answered:
        known[p.where] = True
    return Columns(kind, out, shared, known)


def _repeated(value: Any, size: int) -> np.ndarray:
    return column([value] * size)


def _numeric(array: np.ndarray) -> bool:
    return array.dtype.kind in "if" or (array.dtype.kind == "O" and all(c is None for c in array))
