"""What a sweep gives: the columns of all its points over the grid, as a table, a file, an xarray.Dataset, or the library's results."""

from __future__ import annotations

import csv
import dataclasses
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

from ..results import Result, describe, readable
from .cells import KIND, Columns, column
from .plan import MODEL, Plan, coordinates, label

SHOWN = 12  # rows of a display before and after which the others are left out
HIDDEN = ("residual", "condition", "one_minus_q", "dominant", "statement", "message", "ansatz", "certified", "question")  # in a table
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
        words = {n: column([v] * self.plan.groups[i].size) for n, v in part.shared.items() if isinstance(v, str) and v and "." not in n}
        flat = words | {path: array for path, array in part.columns.items() if "." not in path and path != "error"}
        for path, array in part.columns.items():
            field, _, name = path.partition(".")
            if name in ("value", "error") and field != "errors":  # of a threshold among several
                flat[field if name == "value" else f"{field}_error"] = array
            elif name and field != "errors" and f"{field}.{KIND}" not in part.shared:
                flat.setdefault(name, array)
        for path, array in part.columns.items():
            field, _, name = path.partition(".")
            if field == "errors" and name in flat:
                flat[f"{name}_error"] = array
        if "error" in part.columns and headline in flat:
            flat.setdefault(f"{headline}_error", part.columns["error"])
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
        return stacked.reshape(*sizes, *group.shape).transpose(self.plan.order())

    def __getitem__(self, name: str) -> np.ndarray:
        if name in self.columns:
            return self.columns[name]
        if name in self.dims:
            axes = [np.arange(n) for n in self.shape]
            at = np.meshgrid(*axes, indexing="ij")[list(self.dims).index(name)]
            return np.array([label(v) for v in self.dims[name]])[at]
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

    def _plain(self) -> dict[str, np.ndarray]:
        """Columns that files can hold: numbers (verdicts, too, where one is missing), bools and words; lists are left out."""
        out = {}
        for name, array in self.columns.items():
            if array.dtype.kind != "O":
                out[name] = array
                continue
            kinds = set(map(type, array.ravel().tolist()))
            if kinds <= {bool, float, int, type(None)}:
                if kinds != {type(None)}:
                    out[name] = np.array([np.nan if v is None else float(v) for v in array.ravel()]).reshape(array.shape)
            elif kinds <= {str, type(None)}:
                out[name] = np.array(["" if v is None else v for v in array.ravel()], dtype=str).reshape(array.shape)
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

        fixed = {n: str(label(v)) for n, v in self.plan.fixed.items()}
        return {"quantity": self.quantity, **fixed, "replicas_version": __version__}

    def to_netcdf(self, path: Any) -> Path:
        """Write the dataset as NetCDF (extra: xarray, with h5netcdf)."""
        path = Path(path)
        try:
            self.to_xarray().to_netcdf(path, engine="h5netcdf")
        except OSError as error:
            raise ValueError(f"path: cannot write {path}: {error.strerror or error}; takes a file that can be written") from None
        return path

    def to_csv(self, path: Any = None) -> Path | str:
        """Write one row a point, or give the text."""
        text = io.StringIO()
        columns = self._plain()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.dims, *columns])
        labels = dict(coordinates(self.dims))
        flat = {n: a.ravel().tolist() for n, a in columns.items()}
        for i, index in enumerate(np.ndindex(self.shape)):
            writer.writerow([*(labels[n][j] for n, j in zip(labels, index)), *("" if a[i] != a[i] else a[i] for a in flat.values())])
        if path is None:
            return text.getvalue()
        path = Path(path)
        try:
            path.write_text(text.getvalue(), encoding="utf-8")
        except OSError as error:
            raise ValueError(f"path: cannot write {path}: {error.strerror}; takes a file that can be written") from None
        return path

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
        where = np.arange(self.size).reshape(*(len(self.dims[n]) for n in self.plan.outer), *self.plan.groups[0].shape)
        return [flat[i] for i in where.transpose(self.plan.order()).ravel()]

    def to_dict(self) -> dict[str, Any]:
        """The sweep as the command line's JSON has it."""
        models = [g.task.model for g in self.plan.groups]
        head: dict[str, Any] = {"quantity": self.quantity}
        if models[0] is not None:
            head["model"] = models[0].to_dict()
        ansatz = sorted({str(v) for v in self.columns["ansatz"].ravel()}) if "ansatz" in self.columns else []
        return head | ({"ansatz": ", ".join(ansatz)} if ansatz else {}) | {"points": self.points()}

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent)

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and cells of a readable table."""
        columns = {n: a.ravel() for n, a in self._plain().items() if n not in HIDDEN and not n.endswith("_error")}
        errors = {n: self.columns[f"{n}_error"].ravel() for n in columns if f"{n}_error" in self.columns}
        labels = dict(coordinates(self.dims))
        names = [n for n in columns if n != "status" and len(set(columns[n].tolist())) > (columns[n].dtype.kind in "US")]
        body = []
        for i, index in enumerate(np.ndindex(self.shape)):
            place = [str(v) if isinstance(v, str) else f"{v:.10g}" for v in (labels[n][j] for n, j in zip(labels, index))]
            body.append([*place, *(_cell(columns[n][i], errors.get(n), i) for n in names), str(columns["status"][i])])
        return [*self.dims, *names, "status"], body

    def _title(self) -> str:
        models = {g.task.model for g in self.plan.groups}
        model = models.pop() if len(models) == 1 else None
        if model is not None:  # what is swept is not that of the model
            own = [n for n in ("kappa", "beta") if n in self.dims and hasattr(model, n)]
            model = dataclasses.replace(model, **{n: self.dims[n] for n in own}) if own else model
        what = f"{self.quantity}: {describe(model)}" if model is not None else self.quantity
        counted = ", ".join(f"{n} {s}" for s, n in self.counts.items())
        return f"{what}: {' x '.join(map(str, self.shape))} points ({counted})" + ("" if self.complete else ", interrupted")

    def __repr__(self) -> str:
        return f"<Sweep of {self._title()}>"

    def __str__(self) -> str:
        header, body = self.rows()
        shown = body if len(body) <= 2 * SHOWN else [*body[:SHOWN], ["..."] * len(header), *body[-SHOWN:]]
        widths = [max(len(r[i]) for r in [header, *shown]) for i in range(len(header))]
        return "\n".join([self._title(), *("  " + "  ".join(c.rjust(w) for c, w in zip(r, widths)) for r in [header, *shown])])

    def _repr_html_(self) -> str:
        header, body = self.rows()
        shown = body if len(body) <= 2 * SHOWN else [*body[:SHOWN], ["…"] * len(header), *body[-SHOWN:]]
        rows = "<tr>" + "".join(f"<th>{html.escape(n)}</th>" for n in header) + "</tr>"
        rows += "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in r) + "</tr>" for r in shown)
        return f"<table><caption>{html.escape(self._title())}</caption>{rows}</table>"

    def plot(self, name: str | None = None, ax: Any = None) -> Any:
        """Draw a column (default: the headline) against one numeric dimension, or over two as a map. Returns the axes."""
        from ..figures.drawing import sweep_axes

        return sweep_axes(self, name or self._headline(0), ax)


def _fields(model: Any, outer: tuple[str, ...], words: tuple[Any, ...]) -> dict[str, Any]:
    spoken = {n: model.to_dict() if n == MODEL else label(w) for n, w in zip(outer, words)}
    return {n: "inf" if w == float("inf") else w for n, w in spoken.items()}


def _spoken(value: Any) -> Any:
    from ..results import decimal

    return decimal(value)


def _cell(value: Any, errors: np.ndarray | None, i: int) -> str:
    if isinstance(value, (str, np.str_)):
        return str(value) or "-"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    number = float(value)
    if number != number:
        return "-"
    error = None if errors is None or errors[i] is None else float(errors[i])
    return readable(number, None if error is None or error != error else f"{error:.1e}")
