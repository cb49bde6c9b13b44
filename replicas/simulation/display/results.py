"""What every result of a simulation can do: show itself, as text and in HTML, give itself as plain data, draw itself.

A result names what was asked for (`inputs`) and what was found (`computed`); a `Series` is a curve over a parameter and names its
columns besides. Arrays of single weights or records are attributes, and in `to_xarray`, not in `to_dict`.
"""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...results import decimal, readable

Rows = tuple[list[str], list[list[str]]]
Columns = dict[str, NDArray[Any]]
Arrays = dict[str, tuple[tuple[str, ...], NDArray[Any]]]
FEW = 8
"""Rows of a long series in a table."""
WIDE = 46
"""Letters in a line of the title of axes."""
MANY = 60
"""Points of a line that are no longer marked one by one."""


class Shown:
    """Base of the results: a frozen dataclass that names what `to_dict` holds.

    quantity : what it is;  inputs : attributes that were asked for, echoed;  computed : those that were found, decimal strings
    """

    quantity: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]] = ()
    computed: ClassVar[tuple[str, ...]] = ()

    @property
    def title(self) -> str:
        """What it is, in a line."""
        return self.quantity

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines below the table."""
        return ()

    def rows(self) -> Rows:
        """Header and cells of a readable table; without a header every row is a name and its value."""
        return [], [[name.replace("_", " "), readable(plain(getattr(self, name)))] for name in self.computed]

    def __str__(self) -> str:
        return text_table(self.title, *self.rows(), self.notes)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.title}>"

    def _repr_html_(self) -> str:
        return html_table(self.title, *self.rows(), self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: floating-point numbers that were computed as decimal strings, null where there is none."""
        return {"quantity": self.quantity, **self._plain()}

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent)

    def _plain(self) -> dict[str, Any]:
        interrupted = getattr(self, "interrupted", False)
        status = getattr(self, "status", "interrupted" if interrupted else "converged")
        found = {name: plain(getattr(self, name)) for name in self.computed}
        given = {name: _echoed(getattr(self, name)) for name in self.inputs}
        return given | found | {"status": status if isinstance(status, str) else overall(status)}


class Series(Shown):
    """A result that is a curve over a parameter: ``points`` in `to_dict`, `plot` and `to_xarray`.

    axes : the labels of abscissa and ordinate;  drawn : the columns of the ordinate and of its standard error
    """

    axes: ClassVar[tuple[str, str]]
    drawn: ClassVar[tuple[str, str | None]]

    @property
    def caption(self) -> str:
        """The title of axes, shorter than that of a table where there is much to tell."""
        return self.title

    @property
    def label(self) -> str:
        """The name of the curve in a legend; none if empty."""
        return ""

    def columns(self) -> Columns:
        """Arrays of one length by name: the parameter first, then what was found."""
        raise NotImplementedError

    def arrays(self) -> Arrays:
        """Arrays with dimensions of their own, and these: for `to_xarray` alone."""
        return {}

    def points(self) -> list[dict[str, Any]]:
        """One plain dictionary per value of the parameter."""
        (name, x), *others = self.columns().items()
        return [{name: _echoed(x[i])} | {key: plain(column[i]) for key, column in others} for i in range(len(x))]

    def _plain(self) -> dict[str, Any]:
        plainly = super()._plain()
        status = plainly.pop("status")
        return {**plainly, "points": self.points(), "status": status}

    def to_xarray(self) -> Any:
        """The columns and arrays as an ``xarray.Dataset``, with the rest of `to_dict` as its attributes (extra: xarray)."""
        try:
            import xarray as xr
        except ImportError as error:
            raise ImportError("to_xarray needs the extra 'xarray': pip install replicas[xarray]") from error
        (along, x), *others = self.columns().items()
        data = {name: ((along,), np.asarray(column)) for name, column in others} | self.arrays()
        told = {"quantity": self.quantity, **Shown._plain(self)}
        return xr.Dataset(data, coords={along: np.asarray(x)}, attrs={name: self._attribute(name, value) for name, value in told.items() if value is not None})

    def _attribute(self, name: str, told: Any) -> Any:
        """What a file can keep: words, numbers, and JSON for all else."""
        value = getattr(self, name, told)
        if isinstance(value, (str, int, float, np.number)) and not isinstance(value, bool):
            return value
        return told if isinstance(told, str) else json.dumps(told)

    def plot(self, ax: Any = None, theory: tuple[ArrayLike, ArrayLike] | None = None, **style: Any) -> Any:
        """Draw the curve; returns the axes.

        ax : axes to draw into, whose title and legend are left to you; new ones, with both, if absent
        theory : (x, y) of a line to set beside it;  style : of the symbols, as matplotlib takes it (``label``, ``color``, ...)
        """
        from ...figures.drawing import BLACK, CYCLE, SINGLE
        from ...figures.drawing import style as house_style

        with house_style():
            own = ax is None
            if own:
                import matplotlib.pyplot as plt

                ax = plt.figure(figsize=(SINGLE, 2.9)).add_subplot()
                ax.set_prop_cycle(color=CYCLE)
            named = {"label": self.label or "measured"} if self.label or theory is not None else {}
            self._draw(ax, **{**named, **style})
            if theory is not None:
                ax.plot(*(np.asarray(values, dtype=float) for values in theory), color=BLACK, lw=1.1, label="theory")
            for set_label, text in zip((ax.set_xlabel, ax.set_ylabel), self.axes):
                if text:
                    set_label(text)
            if own:
                ax.set_title(textwrap.fill(self.caption, WIDE, break_on_hyphens=False), loc="center")
                if ax.get_legend_handles_labels()[1]:
                    ax.legend()
        return ax

    def _draw(self, ax: Any, **style: Any) -> None:
        """Symbols with their errors, or a line where there are none."""
        from matplotlib.ticker import MaxNLocator

        columns = self.columns()
        along = next(iter(columns))
        order = np.argsort(columns[along], kind="stable")
        x, y, *error = (columns[name][order] for name in (along, *self.drawn) if name is not None)
        if error:
            ax.errorbar(x, y, *error, **{"fmt": "o-", "ms": 3.5, "lw": 1.0, **style})
        else:
            ax.plot(x, y, **{"marker": "." if len(x) <= MANY else "", "ms": 5, **style})
        for axis, values in ((ax.xaxis, x), (ax.yaxis, y)):
            ticks = axis.get_major_locator()
            if isinstance(ticks, MaxNLocator) and np.all(np.equal(values, np.rint(values))):  # numbers of steps or patterns have no halves
                ticks.set_params(integer=True)


def overall(statuses: Sequence[str]) -> str:
    """That of all: interrupted where one is, else converged where one is, else the first."""
    found = [word for word in ("interrupted", "converged") if word in statuses]
    return [*found, *statuses][0]


def plain(value: Any) -> Any:
    """Plain data: a float as a decimal string, null where it is nan; whole numbers and words as they are."""
    if isinstance(value, Shown):
        return value._plain()
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(part) for part in value]
    if isinstance(value, (int, np.integer)):  # bool is one
        return value if isinstance(value, int) else int(value)
    return decimal(value)


def _echoed(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def known(value: float, form: str) -> str:
    """A number in that format, a dash where it is nan."""
    return "-" if np.isnan(value) else format(value, form)


def thinned(length: int, most: int = FEW) -> list[int]:
    """Places of a long series to show: the first, the last and some between, at growing distances."""
    steps = np.geomspace(1, max(length, 1), most) - 1
    return sorted({round(step) for step in steps if step < length})


def text_table(title: str, header: Sequence[str], body: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """The title, the rows in columns aligned on the right (names at the beginning: on the left), and the notes."""
    table = [row for row in (header, *body) if row] if body else []
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))] if table else []
    named = not header or header[0] == ""
    lines = ["  ".join(c.ljust(w) if named and i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) for row in table]
    return "\n".join([title, *(f"  {line}".rstrip() for line in [*lines, *notes])])


def html_table(title: str, header: Sequence[str], body: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """The same as an HTML table."""
    named = not header or header[0] == ""
    wide = max(map(len, [header, *body]), default=1)
    rows = "<tr>" + "".join(f"<th>{html.escape(name)}</th>" for name in header) + "</tr>" if header and body else ""
    for row in body:
        cells = [html.escape(cell) for cell in row]
        first = [f"<th style='text-align:left'>{cells.pop(0)}</th>"] if named else []
        rows += "<tr>" + "".join([*first, *(f"<td>{cell}</td>" for cell in cells)]) + "</tr>"
    rows += "".join(f"<tr><td colspan='{wide}'>{html.escape(note)}</td></tr>" for note in notes)
    return f"<table><caption>{html.escape(title)}</caption>{rows}</table>"
