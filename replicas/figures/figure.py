"""What figures are made of: the record of a figure, and tables in long form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Columns = dict[str, list[Any]]
Progress = Callable[[str, int, int], None]
"""Called as progress(what, done, total)."""


@dataclass(frozen=True)
class Figure:
    """A figure by name: what it shows, the table behind it, and how the table is drawn.

    caption : what is drawn and how it is defined, formulas between dollars
    data : called as data(progress) where ``experiments`` is empty, else as data(progress, validation=path or None)
    draw : called as draw(columns, narrow=False); ``narrow`` puts panels below each other, for a phone or one column
    derivations : names in `replicas.atlas.contents.DERIVATIONS` of what derives its equations, the first one shown beside it
    experiments : of ``python -m validation``, whose measurements it draws; ("*",) for all
    needs_validation : whether there is nothing to draw without them
    """

    title: str
    caption: str
    data: Callable[..., Columns]
    draw: Callable[..., Any]
    derivations: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    needs_validation: bool = False

    def table(self, progress: Progress | None = None, validation: Path | None = None) -> Columns:
        """The table, with measurements from ``validation`` where the figure draws some."""
        report = progress or silent
        return self.data(report, validation=validation) if self.experiments else self.data(report)


def silent(what: str, done: int, total: int) -> None:
    """No progress."""


def table(rows: Iterable[dict[str, Any]]) -> Columns:
    listed = list(rows)
    return {k: [row[k] for row in listed] for k in listed[0]} if listed else {}


def number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def numbers(point: dict[str, Any], names: Iterable[str]) -> dict[str, float]:
    """Each computed number of a point and its error, as two columns."""
    errors = point.get("errors") or {}
    return {c: v for name in names for c, v in ((name, number(point.get(name))), (f"{name}_error", number(errors.get(name))))}


def select(columns: Columns, **where: Any) -> dict[str, np.ndarray]:
    """The rows in which every named column has the given value, as arrays."""
    size = len(next(iter(columns.values())))
    keep = [i for i in range(size) if all(columns[k][i] == v for k, v in where.items())]
    return {k: np.array([v[i] for i in keep]) for k, v in columns.items()}


def plain_ticks(axis: Any, ticks: Sequence[float]) -> None:
    """Numbers rather than powers of ten on a logarithmic axis."""
    from matplotlib.ticker import NullFormatter

    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_minor_formatter(NullFormatter())
