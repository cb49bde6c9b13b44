"""What a sweep gives: the columns of all its points over the grid, as a table, a file, an xarray.Dataset, or the library's results."""

from __future__ import annotations

import csv
import html
import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..models import Model
from ..results import Result, bound, describe, readable
from .cells import KIND, Columns, column
from .plan import MODEL, Plan, coordinates, label
from .store import file_path

SHOWN = 12  # rows of a display before and after which the others are left out
HIDDEN = ("residual", "condition", "one_minus_q", "dominant", "statement", "message", "ansatz", "certified", "question")  # in a table
REASONS = 3  # for which points are lost, below a table
CONVERGED = "converged"


@dataclass(frozen=True, eq=False)
class Sweep:
    """The answers to one question over a grid.

    ``sweep[name]`` is a column as an array of the shape of the grid: an order parameter, a threshold (``value``), ``<name>_error``,
    ``status``, ``branch``, ...; nan (None among words) where a point has none. ``results`` are the library's own results, one for each
    combination of what is not a number. ``computed`` points were computed now, the others were in the store.
    """

    plan: Plan
    parts: tuple[Columns, ...]
    computed: int
    seconds: float
    complete: bool = True

    @property
    def quantity(self) -> str:
        return self.plan.quantity

    @property
    def dims(self) -> Mapping[str, tuple[Any, ...]]:
        """Dimensions of the grid with their values, in order."""
        return self.plan.dims

    @property
    def shape(self) -> tuple[int, ...]:
        return self.plan.shape

    @property
    def size(self) -> int:
        return self.plan.size

    @cached_property
    def results(self) -> dict[Any, Result | None]:
        """The results, by the values of the dimensions that are not numbers (() if there are none, a value if there is one)."""
        keys = (g.words[0] if len(g.words) == 1 else g.words for g in self.plan.groups)
        return {k: part.result(g.task.model, g.shape) for k, g, part in zip(keys, self.plan.groups, self.parts)}

    @property
    def result(self) -> Result | None:
        """The one result of a sweep of one model and one set of options."""
        if len(self.plan.groups) != 1:
            raise ValueError(f"result: got a sweep of {len(self.plan.groups)} results; takes one of `results`")
        return next(iter(self.results.values()))

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """All columns over the grid."""
        found = [self._named(i) for i in range(len(self.parts))]
        names = dict.fromkeys(n for columns in found for n in columns if n not in self.dims)
        return {n: self._over_grid([columns.get(n) for columns in found]) for n in names}

    def _named(self, i: int) -> dict[str, np.ndarray]:
        """The columns of a part, named for a reader."""
        part = self.parts[i]
        headline = self._headline(i)
        every = {path: _where(part.answered, v) for path, v in part.shared.items() if not path.endswith(f".{KIND}") and v not in (None, "")}
        every |= part.columns
        flat = {path: array for path, array in every.items() if "." not in path and path != "error"}
        for path, array in every.items():
            field, _, name = path.partition(".")
            if name in ("value", "error") and field != "errors":  # of a threshold among several
                flat[field if name == "value" else f"{field}_error"] = array
            elif name and field != "errors" and f"{field}.{KIND}" not in part.shared:
                flat.setdefault(name, array)
        for path, array in every.items():
            field, _, name = path.partition(".")
            if field == "errors" and name in flat:
                flat[f"{name}_error"] = array
        if "error" in every and headline in flat:
            flat.setdefault(f"{headline}_error", every["error"])
        return flat

    def _headline(self, i: int) -> str:
        result = list(self.results.values())[i]
        return result.headline if result is not None else "value"

    def _over_grid(self, parts: list[np.ndarray | None]) -> np.ndarray:
        group = self.plan.groups[0]
        sizes = [len(self.dims[n]) for n in self.plan.outer]
        known = [p for p in parts if p is not None]
        numbers = all(p.dtype.kind in "if" for p in known)
        whole = len({p.dtype for p in known}) == 1 and len(known) == len(parts)
        dtype = known[0].dtype if whole else np.dtype(float if numbers else object)
        nothing = np.full(group.size, np.nan if numbers else None, dtype=dtype if dtype.kind in "fO" else object)
        stacked = np.concatenate([(nothing if p is None else p).astype(dtype, copy=False) for p in parts])
        return stacked.reshape((*sizes, *group.shape)).transpose(self.plan.order())

    def __getitem__(self, name: str) -> np.ndarray:
        if name in self.columns:
            return self.columns[name]
        if name in self.dims:
            axes = [np.arange(n) for n in self.shape]
            at = np.meshgrid(*axes, indexing="ij")[list(self.dims).index(name)]
            return column([label(v) for v in self.dims[name]])[at]
        raise KeyError(f"{name!r}: takes {', '.join((*self.dims, *self.columns))}")

    @property
    def counts(self) -> dict[str, int]:
        """How many points have each status."""
        return dict(Counter(self["status"].ravel().tolist()).most_common())

    @property
    def ok(self) -> bool:
        """Whether at least one point was answered."""
        return self.counts.get(CONVERGED, 0) > 0

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Points that were lost to an error or to a worker's death, with the reason."""
        names = list(self.dims)
        out = []
        for group, part in zip(self.plan.groups, self.parts):
            status, message = part.columns["status"], part.columns.get("message")
            for i in np.flatnonzero(status == "not-converged"):
                at = {**dict(zip(self.plan.outer, map(label, group.words))), **{n: v[i].item() for n, v in group.points.items()}}
                out.append({n: at[n] for n in names} | {"message": "" if message is None else message[i]})
        return out

    # --- out of the program ------------------------------------------------------------------------------------------

    def _cells(self) -> dict[str, np.ndarray]:
        """Columns that rows can hold: some value in them, and no lists."""
        kinds = {n: set(map(type, a.ravel().tolist())) if a.dtype.kind == "O" else {float} for n, a in self.columns.items()}
        return {n: a for n, a in self.columns.items() if list not in kinds[n] and kinds[n] != {type(None)}}

    def _plain(self) -> dict[str, np.ndarray]:
        """Columns that arrays of one kind can hold: numbers (verdicts, too, where one is missing), bools, or words (of numbers, too)."""
        out = {}
        for name, array in self._cells().items():
            cells = array.ravel().tolist()
            if array.dtype.kind == "O" and {*map(type, cells)} <= {bool, float, int, type(None)}:
                array = np.array([np.nan if v is None else float(v) for v in cells]).reshape(array.shape)
            elif array.dtype.kind == "O":
                array = np.array([_text(v) for v in cells], dtype=str).reshape(array.shape)
            out[name] = array
        return out

    def to_xarray(self) -> Any:
        """The sweep as an ``xarray.Dataset`` (extra: xarray): coordinates, columns, errors, status and branch."""
        try:
            import xarray as xr
        except ImportError as error:
            raise ImportError("to_xarray needs the extra 'xarray': pip install replicas[xarray]") from error
        dims = tuple(self.dims)
        data = {name: (dims, array) for name, array in self._plain().items()}
        return xr.Dataset(data, coords={n: np.array(v) for n, v in coordinates(self.dims)}, attrs=self._attributes())

    def _attributes(self) -> dict[str, str]:
        from .. import __version__

        fixed = {n: str(label(v)) for n, v in self.plan.fixed.items() if n != MODEL or not isinstance(v, Model)}
        model = {} if self._model is None else {MODEL: describe(self._model)}
        return {"quantity": self.quantity, **model, **fixed, "replicas_version": __version__}

    @property
    def _model(self) -> Model | None:
        """The one model that was asked about, with what is swept of it; None where there are several."""
        models = {id(g.task.model): g.spoken_model for g in self.plan.groups}
        first = next(iter(models.values()))
        return first if isinstance(first, Model) and all(m == first for m in models.values()) else None

    def to_netcdf(self, path: Any) -> Path:
        """Write the dataset as NetCDF (extra: xarray, with h5netcdf); words that are empty everywhere are left out."""
        path = file_path("path", path)
        data = self.to_xarray()
        words = [n for n in data.variables if data[n].dtype.kind == "U"]
        data = data.drop_vars([n for n in words if n not in data.dims and not (data[n] != "").any()])
        # of one length and compressed: the same word at every point takes no room
        small = {n: {"dtype": "S1", "zlib": bool(data[n].ndim)} for n in words if n in data.data_vars}
        try:
            data.to_netcdf(path, engine="h5netcdf", encoding=small)
        except OSError as error:
            raise ValueError(f"path: cannot write {path}: {error.strerror or error}; takes a file that can be written") from None
        return path

    def to_csv(self, path: Any = None) -> Path | str:
        """Write one row a point, or give the text."""
        target = None if path is None else file_path("path", path)
        text = io.StringIO()
        columns = self._cells()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.dims, *columns])
        labels = dict(coordinates(self.dims))
        flat = [a.ravel().tolist() for a in columns.values()]
        for i, index in enumerate(np.ndindex(self.shape)):
            writer.writerow([*(labels[n][j] for n, j in zip(labels, index)), *(_text(a[i]) for a in flat)])
        if target is None:
            return text.getvalue()
        try:
            target.write_text(text.getvalue(), encoding="utf-8")
        except OSError as error:
            raise ValueError(f"path: cannot write {target}: {error.strerror}; takes a file that can be written") from None
        return target

    def points(self) -> list[dict[str, Any]]:
        """One plain dictionary a point, in the order of the grid: its place in the grid and what the question's answer has."""
        flat: list[dict[str, Any]] = []
        for group, part, result in zip(self.plan.groups, self.parts, self.results.values()):
            fields = _fields(group.task.model, self.plan.outer, group.words)
            if result is None:
                names = [n for n in part.columns if n != "error" and "." not in n]
                rows = [{n: _spoken(part.columns[n][i]) for n in names} for i in range(group.size)]
                places = [{n: v[i].item() for n, v in group.points.items()} for i in range(group.size)]
                flat += [fields | place | {"error": None, "errors": {}} | row for place, row in zip(places, rows)]
            else:
                places = [{n: v[i].item() for n, v in group.points.items()} for i in range(group.size)]
                flat += [fields | place | p | place for place, p in zip(places, result.points())]  # a failed point knows no place
        where = np.arange(self.size).reshape((*(len(self.dims[n]) for n in self.plan.outer), *self.plan.groups[0].shape))
        return [flat[i] for i in where.transpose(self.plan.order()).ravel()]

    def to_dict(self) -> dict[str, Any]:
        """The sweep as the command line's JSON has it."""
        head: dict[str, Any] = {"quantity": self.quantity}
        model = self.plan.groups[0].spoken_model
        if isinstance(model, Model) and MODEL not in self.dims:
            own = model.to_dict()
            head[MODEL] = own | {n: [_json(v) for v in values] for n, values in self.dims.items() if n in own}
        ansatz = sorted({str(v) for v in self.columns["ansatz"].ravel()}) if "ansatz" in self.columns else []
        return head | ({"ansatz": ", ".join(ansatz)} if ansatz else {}) | {"points": self.points()}

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent)

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and cells of a readable table; what was given, or is the same word everywhere, is not repeated."""
        columns = {n: a.ravel().tolist() for n, a in self._cells().items() if n not in HIDDEN and not n.endswith("_error")}
        errors = {n: self.columns[f"{n}_error"].ravel() for n in columns if f"{n}_error" in self.columns}
        labels = dict(coordinates(self.dims))
        words = {n for n, cells in columns.items() if {*map(type, cells)} <= {str, type(None)}}
        names = [n for n in columns if n != "status" and len({*columns[n]}) > (n in words or n in self._given)]
        body = []
        for i, index in enumerate(np.ndindex(self.shape)):
            place = [readable(labels[n][j]) for n, j in zip(labels, index)]
            body.append([*place, *(_cell(columns[n][i], errors.get(n), i) for n in names), str(columns["status"][i])])
        return [*self.dims, *names, "status"], body

    @property
    def _given(self) -> set[str]:
        """What is the same at every point because it was fixed."""
        results = [r for r in self.results.values() if r is not None]
        return {*self.plan.fixed, *(n for r in results for n in r.inputs if n not in self.dims), *(["digits"] if "digits" not in self.dims else [])}

    def _reasons(self) -> list[str]:
        """The first reasons for which points are lost, each with its first point."""
        at: dict[str, list[str]] = {}
        for failure in self.failures:
            message = failure.pop("message")
            at.setdefault(message, []).append(", ".join(f"{n}={readable(v)}" for n, v in failure.items()))
        told = [(f"at {p[0]}: " if p[0] else "") + m + (f" (and at {len(p) - 1} more)" if p[1:] else "") for m, p in at.items() if m]
        more = [f"... and {len(told) - REASONS} reasons more: sweep.failures"] if len(told) > REASONS else []
        return [f"not-converged {t}" for t in told[:REASONS]] + more

    def _title(self) -> str:
        what = self.quantity if self._model is None else f"{self.quantity}: {describe(self._model)}"
        counted = ", ".join(f"{n} {s}" for s, n in self.counts.items())
        size = f"{' x '.join(map(str, self.shape))} points" if self.size > 1 else "one point"
        return f"{what}: {size} ({counted})" + ("" if self.complete else ", interrupted")

    def __repr__(self) -> str:
        return f"<Sweep of {self._title()}>"

    def __str__(self) -> str:
        header, body = self.rows()
        shown = body if len(body) <= 2 * SHOWN else [*body[:SHOWN], ["..."] * len(header), *body[-SHOWN:]]
        widths = [max(len(r[i]) for r in [header, *shown]) for i in range(len(header))]
        lines = ["  ".join(c.rjust(w) for c, w in zip(r, widths)) for r in [header, *shown]]
        return "\n  ".join([self._title(), *lines, *self._reasons()])

    def _repr_html_(self) -> str:
        header, body = self.rows()
        shown = body if len(body) <= 2 * SHOWN else [*body[:SHOWN], ["…"] * len(header), *body[-SHOWN:]]
        rows = "<tr>" + "".join(f"<th>{html.escape(n)}</th>" for n in header) + "</tr>"
        rows += "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in r) + "</tr>" for r in shown)
        rows += "".join(f"<tr><td colspan={len(header)}>{html.escape(r)}</td></tr>" for r in self._reasons())
        return f"<table><caption>{html.escape(self._title())}</caption>{rows}</table>"

    def plot(self, name: str | None = None, ax: Any = None) -> Any:
        """Draw a column (default: the headline) against one numeric dimension, or over two as a map. Returns the axes."""
        from ..figures.drawing import sweep_axes

        return sweep_axes(self, name or self._headline(0), ax)


def _fields(model: Any, outer: tuple[str, ...], words: tuple[Any, ...]) -> dict[str, Any]:
    return {n: model.to_dict() if n == MODEL and isinstance(model, Model) else _json(w) for n, w in zip(outer, words)}


def _json(value: Any) -> Any:
    """A value of a dimension as JSON has it."""
    return None if value is None else "inf" if isinstance(value, float) and value == float("inf") else label(value)


def _spoken(value: Any) -> Any:
    from ..results import decimal

    return decimal(value)


def _where(known: np.ndarray, value: Any) -> np.ndarray:
    """What all points share as a column: nothing where a point is not known."""
    return column([value if k else None for k in known])


def _text(value: Any) -> str:
    """A cell of a file: empty where a point has none."""
    return "" if value is None or value != value else str(value)


def _cell(value: Any, errors: np.ndarray | None, i: int) -> str:
    if value is None or value != value or value == "":
        return "-"
    error = None if errors is None or errors[i] is None else bound(errors[i])
    return readable(value, error)
