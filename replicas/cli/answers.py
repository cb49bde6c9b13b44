"""Answers of the command line: those of the points of a sweep, put in order, as JSON, as CSV and as tables.

Every swept K is a model, asked about its own share of the sweep; a point at which the library breaks down is a `NoAnswer`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from typing import Any

from . import tables
from .arguments import STAR, Grid


@dataclass(frozen=True)
class NoAnswer:
    """A point without an answer; in a sweep it is reported and the others are answered."""

    quantity: str
    model: Any
    ansatz: str
    parameters: Mapping[str, Any]
    status: str
    message: str

    ok = False

    def to_dict(self) -> dict[str, Any]:
        given = {k: _typed(v.item() if hasattr(v, "item") else v) for k, v in self.parameters.items()}
        head = {"quantity": self.quantity, "model": self.model.to_dict(), "ansatz": self.ansatz}
        return {**head, **given, "error": None, "errors": {}, "status": self.status, "message": self.message}

    def _places(self) -> dict[str, str]:
        point = self.to_dict()
        return {k: point[k] if isinstance(point[k], str) else f"{point[k]:g}" for k in self.parameters}

    def __str__(self) -> str:
        where = "".join(f", {k} {v}" for k, v in self._places().items())
        return f"{self.quantity}{where}: {self.status}: {self.message}"

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and cells, as of a result."""
        return [*self.parameters, "status"], [[*self._places().values(), f"{self.status}: {self.message}"]]


def _typed(value: Any) -> Any:
    """A parameter as JSON has it."""
    number = float(value)
    return STAR if math.isnan(number) else spoken(number) if math.isinf(number) else number


@dataclass(frozen=True)
class Answer:
    """The result of ``size`` points of a sweep, in order; ``rows`` of it for each, several where branches coexist (None: one)."""

    result: Any
    size: int
    rows: Sequence[int] | None = None

    def split(self, rows: list[Any]) -> list[list[Any]]:
        """What belongs to each of the points asked for."""
        ends = list(accumulate(self.rows or [1] * self.size))
        assert ends[-1] == len(rows), f"{len(rows)} rows for {self.size} points that take {ends[-1]}"
        return [rows[start:end] for start, end in zip([0, *ends], ends)]


def answer(result: Any, grid: Grid) -> Answer:
    """The result of the points of a grid; loads at which branches coexist have a row for each of these, others have one."""
    rows = math.prod(result.shape) if hasattr(result, "shape") else 1
    if rows == grid.size:
        return Answer(result, grid.size)
    names = [name for name in grid.swept if getattr(getattr(result, name, None), "shape", ()) == result.shape]
    asked, found = (
        [(key, len(list(run))) for key, run in groupby(zip(*(map(float, column) for column in columns)))]
        for columns in ([grid.parameters[n] for n in names], [getattr(result, n).ravel() for n in names])
    ) if names else ([((), grid.size)], [((), rows)])
    assert [key for key, _ in asked] == [key for key, _ in found], f"{result.quantity}: its rows are not in the order of the points"
    return Answer(result, grid.size, [n // points for (_, points), (_, n) in zip(asked, found) for _ in range(points)])


@dataclass(frozen=True)
class Share:
    """The points ``where`` of a sweep that ask about one model."""

    K: Any
    model: Any
    grid: Grid
    where: list[int]
    answers: list[Answer] = field(default_factory=list)

    def each(self, rows: Callable[[Any], list[Any]]) -> list[list[Any]]:
        """For each of the points its rows of every answer; a K given twice is asked once."""
        found = [own for answer in self.answers for own in answer.split(rows(answer.result))]
        return found if self.grid.swept else found * len(self.where)


def shares(models: dict[Any, Any], grid: Grid) -> list[Share]:
    """The sweep by models, those of most units first: a K too large for the question is refused before any work."""
    if "K" not in grid.swept:
        ((K, model),) = models.items()
        return [Share(K, model, grid, list(range(grid.size)))]
    swept = tuple(k for k in grid.swept if k != "K")
    units = grid.parameters["K"].tolist()
    out = []
    for K in sorted(models, reverse=True):
        where = [i for i, n in enumerate(units) if n == K]
        own = {k: v[where] if k in swept else v for k, v in grid.parameters.items() if k != "K"}
        out.append(Share(K, models[K], Grid(own, swept), where))
    return out


def in_order(asked: list[Share], rows: Callable[[Any], list[Any]]) -> list[tuple[Any, Any]]:
    """(K, row) of all shares in the order of the sweep."""
    found = [(i, share.K, own) for share in asked for i, own in zip(share.where, share.each(rows))]
    return [(K, row) for _, K, own in sorted(found, key=lambda f: f[0]) for row in own]


def spoken(K: Any) -> Any:
    """A number of units as JSON has it: a whole number, or "inf"."""
    return ("inf" if K > 0 else "-inf") if math.isinf(K) else int(K)


def merge(asked: list[Share], grid: Grid) -> dict[str, Any]:
    """One JSON object from the answers: flat for one point, ``points`` for several."""
    results = [answer.result for share in asked for answer in share.answers]
    wholes = {id(result): result.to_dict() for result in results}
    head = {"quantity": results[0].quantity, "model": asked[0].model.to_dict(), "ansatz": _ansatz(asked)}
    fixed = {k: v for k, v in grid.parameters.items() if k not in grid.swept}

    def rows(result: Any) -> list[Any]:
        whole = wholes[id(result)]
        own = {"ansatz": whole["ansatz"]} if "K" in grid.swept else {}  # machines fall back to rs one by one
        points = whole.get("points", [{k: v for k, v in whole.items() if k not in head}])
        return [fixed | own | point for point in points]

    points = in_order(asked, rows)
    if "K" in grid.swept:
        units = dict.fromkeys(grid.parameters["K"].tolist())  # in the order in which they were typed
        head["model"] |= {"K": list(map(spoken, units))}
        return head | {"points": [{"K": spoken(K)} | point for K, point in points]}
    several = bool(grid.swept) or any("points" in whole for whole in wholes.values())
    return head | ({"points": [point for _, point in points]} if several else points[0][1])


def _ansatz(asked: list[Share]) -> str:
    found = {str(name) for share in asked for answer in share.answers for name in set(_several(answer.result.ansatz))}
    return ", ".join(sorted(found))


def _several(ansatz: Any) -> list[Any]:
    return ansatz.ravel().tolist() if hasattr(ansatz, "ravel") else [ansatz]


def text(asked: list[Share], grid: Grid, width: int | None) -> str:
    """The answers for a reader: a point line by line, or one row for each point of a sweep."""
    from ..results import _noted, describe

    first = asked[0]
    result = first.answers[0].result
    if isinstance(result, NoAnswer) and not grid.swept:
        return tables.wrapped(str(result), width, 2)
    of_K = "K" in grid.swept

    def rows(result: Any) -> list[Any]:
        header, body = result.rows()
        return [dict(zip(header, row)) for row in body]

    points = in_order(asked, rows)
    columns = list(dict.fromkeys(name for _, row in points for name in row if name != "status"))
    header = [*["K"] * of_K, *columns, "status"]
    body = [[*[str(K)] * of_K, *(row.get(name, "-") for name in columns), row["status"]] for K, row in points]
    model = describe(first.model).replace(f"K={first.K}", "K sweep") if of_K else describe(first.model)
    title = f"{result.quantity}: {model} [{_ansatz(asked)}]"
    if len(body) == 1 and not of_K:
        return tables.record(title, header, body[0], width)
    header, body, notes = _noted(header, body)
    return tables.table(title, header, body, notes, grid.swept, width)
