"""What a question returns: frozen dataclasses of scalars or arrays, with errors, status and branch beside every number.

A result of a scalar question holds Python scalars, of an array question arrays of one common shape; ``result[i]`` is the
scalar result of one point. ``to_dict``/``to_json`` write every computed number as a decimal string with all its digits.
"""

from __future__ import annotations

import dataclasses
import html
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_UP, Context, Decimal
from typing import Any, ClassVar

import numpy as np

from .exact import shown as echoed
from .models import Model, Perceptron

STATUSES = (
    "converged",
    "no-solution",
    "not-converged",
    "not-certified",
    "branch-ended",
    "unphysical",
    "unsupported",
    "diverges",
)
ERROR_DIGITS = 2  # digits of an error bound worth printing
SHORT = 17  # digits of a number that a float could have printed
_DECIMALS = Context(prec=30, Emin=-(10**6), Emax=10**6)


def decimal(value: Any) -> Any:
    """A computed number as a decimal string; None when inapplicable; bool, str and None as they are."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, dict):
        return {k: decimal(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [decimal(v) for v in value]
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if hasattr(value, "_mpf_"):
        return _all_digits(value)
    number = float(value)
    if math.isnan(number):
        return None
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    return repr(number + 0.0)  # no negative zero


def _all_digits(value: Any) -> str | None:
    """A number of any precision, with the digits of its context."""
    ctx = value.context
    if ctx.isnan(value):
        return None
    if ctx.isinf(value):
        return "inf" if value > 0 else "-inf"
    return str(ctx.nstr(value, ctx.dps, strip_zeros=False))


def bound(value: Any) -> Any:
    """An error bound as a short decimal string, rounded up."""
    wide = hasattr(value, "_mpf_") and value.context.isfinite(value) and value
    if wide or (isinstance(value, str) and Decimal(value).is_finite() and Decimal(value)):  # also below the range of floats
        exact = Decimal(value if isinstance(value, str) else value.context.nstr(value, 20))
        unit = Decimal(1).scaleb(exact.adjusted() - ERROR_DIGITS + 1)
        return f"{exact.quantize(unit, ROUND_UP, _DECIMALS):.{ERROR_DIGITS - 1}e}"
    if value is None or not math.isfinite(float(value)):
        return None if value is None or math.isnan(float(value)) else "inf"
    number = float(value)
    if number == 0:
        return "0"
    exponent = math.floor(math.log10(abs(number))) - ERROR_DIGITS + 1
    return f"{math.ceil(number / 10.0**exponent * (1 - 1e-12)) * 10.0**exponent:.{ERROR_DIGITS - 1}e}"


def verdict(answered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Verdicts as they are where every point was answered, else with None on the points without an answer."""
    if np.all(answered):
        return values
    out = np.full(values.shape, None, dtype=object)
    out[answered] = values[answered]
    return out


def _at(value: Any, index: Any) -> Any:
    if isinstance(value, np.ndarray):
        item = value[index]
        return item.item() if isinstance(item, np.generic) else item
    return value


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """Base of every result. ``inputs`` are echoed as given, ``computed`` are decimal strings with errors."""

    quantity: ClassVar[str] = ""
    inputs: ClassVar[tuple[str, ...]] = ()
    computed: ClassVar[tuple[str, ...]] = ()
    labels: ClassVar[tuple[str, ...]] = ("branch", "dominant", "stable")
    headline: ClassVar[str] = "value"

    model: Model
    ansatz: Any = "rs"  # one for all points, or one each where some fell back
    status: Any = "converged"
    message: Any = ""
    error: Any = None
    errors: Mapping[str, Any] = field(default_factory=dict)
    digits: int | None = None
    certified: Any = False
    statement: Any = ""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.status.shape if isinstance(self.status, np.ndarray) else ()

    @property
    def ok(self) -> bool:
        """Whether at least one point was answered (exit code 0 on the command line)."""
        return bool(np.any(np.asarray(self.status) == "converged"))

    def __bool__(self) -> bool:
        return True  # a result is there, whatever its status; its length is that of an array

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("this result is one point")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        if not self.shape:
            raise TypeError("this result is one point")
        values = {f.name: _at(getattr(self, f.name), index) for f in dataclasses.fields(self)}
        for name, value in values.items():
            if isinstance(value, Mapping):
                values[name] = {k: _at(v, index) for k, v in value.items()}
        return type(self)(**values)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def _point(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name in self.inputs:
            value = getattr(self, name)
            out[name] = None if value is None else (value if isinstance(value, (str, list)) else echoed(value))
        for name in self.computed:
            out[name] = decimal(getattr(self, name))
        shown = {*self.computed, *getattr(self, "order_parameters", ())}
        out["error"] = bound(self.error)
        out["errors"] = {
            k: bound(v)
            for k, v in self.errors.items()
            if k in shown and v is not None and getattr(self, k, 0.0) is not None
        }
        for name in self.labels:
            if hasattr(self, name):
                out[name] = decimal(getattr(self, name))
        if self.digits is not None:
            out |= {"digits": self.digits, "certified": bool(self.certified)}
        if self.statement:
            out["statement"] = self.statement
        out["status"] = self.status
        out["message"] = self.message
        return out

    def points(self) -> list[dict[str, Any]]:
        """One plain dictionary per point."""
        if not self.shape:
            return [self._point()]
        return [self[index]._point() for index in np.ndindex(self.shape)]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary: flat for one point, ``points`` for several."""
        head = {"quantity": self.quantity, "model": self.model.to_dict(), "ansatz": self._ansatz()}
        points = self.points()
        return {**head, **points[0]} if not self.shape else {**head, "points": points}

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent)

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and cells of a readable table; a value carries its error, short."""
        points = self.points()
        shown = (
            *self.inputs,
            *self.computed,
            *self.labels,
            *(("digits", "certified") if self.digits else ()),
            *(("statement",) if np.any(np.asarray(self.statement, dtype=object) != "") else ()),
        )
        shown = tuple(dict.fromkeys(shown))
        names = [n for n in shown if any(p.get(n) not in (None, "", {}) for p in points)]
        if not points[0].get("certified"):
            names = [n for n in names if n != "certified"]
        body = [
            [readable(p.get(n), p["errors"].get(n) if n != self.headline else p["error"]) for n in names] + [_status(p)]
            for p in points
        ]
        return [*names, "status"], body

    def _ansatz(self) -> str:
        return ", ".join(sorted(set(np.ravel(self.ansatz))))

    def __str__(self) -> str:
        header, body = self.rows()
        title = f"{self.quantity}: {describe(self.model)} [{self._ansatz()}]"
        if len(body) == 1:
            width = max(map(len, header))
            return "\n".join([title, *(f"  {n:<{width}}  {c}" for n, c in zip(header, body[0]))])
        header, body, notes = _noted(header, body)
        widths = [max(len(r[i]) for r in [header, *body]) for i in range(len(header))]
        table = ["  " + "  ".join(c.rjust(w) for c, w in zip(r, widths)) for r in [header, *body]]
        return "\n".join([title, *table, *(f"  {note}" for note in notes)])

    def _repr_html_(self) -> str:
        header, body = self.rows()
        if len(body) == 1:
            rows = "".join(
                f"<tr><th style='text-align:left'>{html.escape(n)}</th><td>{html.escape(c)}</td></tr>"
                for n, c in zip(header, body[0])
            )
        else:
            header, body, notes = _noted(header, body)
            rows = "<tr>" + "".join(f"<th>{html.escape(n)}</th>" for n in header) + "</tr>"
            rows += "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in r) + "</tr>" for r in body)
            rows += "".join(f"<tr><td colspan={len(header)}>{html.escape(note)}</td></tr>" for note in notes)
        return f"<table><caption>{html.escape(self.quantity)}: {html.escape(describe(self.model))} [{self._ansatz()}]</caption>{rows}</table>"

    def _repr_latex_(self) -> str | None:
        if self.shape or getattr(self, self.headline, None) is None:
            return None
        p = self._point()
        number = re.sub(
            r" ± (.*)e([+-])0*(\d+)", r" \\pm \1\\times 10^{\2\3}", readable(p.get(self.headline), p["error"])
        )
        return rf"$\mathrm{{{self.headline.replace('_', chr(92) + '_')}}} = {number.replace('{+', '{')}$"


def _noted(header: list[str], body: list[list[str]]) -> tuple[list[str], list[list[str]], list[str]]:
    """A table without its column of statements, and the distinct statements below it."""
    if "statement" not in header:
        return header, body, []
    i = header.index("statement")
    notes = list(dict.fromkeys(row[i] for row in body if row[i] not in ("", "-")))
    if len(notes) > 1:
        letters = {note: f"({chr(97 + n % 26)})" for n, note in enumerate(notes)}
        body = [[*row[:i], letters.get(row[i], ""), *row[i + 1 :]] for row in body]
        return [*header[:i], "note", *header[i + 1 :]], body, [f"{letters[n]} {n}" for n in notes]
    return [h for h in header if h != "statement"], [[*row[:i], *row[i + 1 :]] for row in body], notes


def describe(model: Model) -> str:
    """One line naming a model."""
    if not isinstance(model, Perceptron):
        return model.describe()
    parts = [f"{model.weights.name} perceptron", model.task]
    likelihood = model.likelihood if isinstance(model.likelihood, str) else repr(model.likelihood)
    parts.append(likelihood)
    if isinstance(model.likelihood, str) and not model.teacher:
        parts.append("kappa sweep" if isinstance(model.kappa, tuple) else f"kappa={model.kappa:g}")
    if model.beta is not None:
        parts.append("beta sweep" if isinstance(model.beta, tuple) else f"beta={model.beta:g}")
    return ", ".join(parts)


def _status(point: Mapping[str, Any]) -> str:
    return point["status"] if not point["message"] else f"{point['status']}: {point['message']}"


def readable(value: Any, error: str | None = None) -> str:
    """A number shortened to the digits its error supports, with the error."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{k} {readable(v)}" for k, v in value.items())
    if isinstance(value, list):
        ends = [readable(v) for v in (value[0], value[-1])]
        return f"{ends[0]} ... {ends[1]} ({len(value)} values)" if len(value) > 3 else ", ".join(map(readable, value))
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    if isinstance(value, str) and len(value.split("e")[0].lstrip("-0.").replace(".", "")) > SHORT:
        return value if error is None else f"{value} ± {error}"
    if error is None or not math.isfinite(number):
        return f"{number:.10g}"
    err = float(error)
    if err == 0:
        return f"{number:.15g}"
    # down to the first digit of the error: rounded there, the value stays within it
    digits = 1 - math.floor(math.log10(err)) + (math.floor(math.log10(abs(number))) if number else 0)
    return f"{number:.{max(1, min(17, digits))}g} ± {err:.1e}"


@dataclass(frozen=True, eq=False, kw_only=True)
class SaddlePoint(Result):
    """A replica-symmetric saddle point.

    q overlap between replicas, q_hat its conjugate, Q self-overlap, lam its multiplier, free_entropy per weight,
    entropy per weight, energy (errors per weight, finite beta), replicon (eigenvalue, stable if > 0), residual (undamped,
    relative to the magnitude of the terms), condition (of the order parameters), branch, dominant.
    """

    quantity: ClassVar[str] = "solve"
    inputs: ClassVar[tuple[str, ...]] = ("alpha", "kappa", "beta")
    computed: ClassVar[tuple[str, ...]] = (
        "q",
        "q_hat",
        "Q",
        "lam",
        "free_entropy",
        "entropy",
        "energy",
        "replicon",
        "residual",
        "condition",
    )
    headline: ClassVar[str] = "free_entropy"

    alpha: Any
    kappa: Any = None
    beta: Any = None
    q: Any = None
    q_hat: Any = None
    one_minus_q: Any = None
    Q: Any = None
    lam: Any = None
    free_entropy: Any = None
    entropy: Any = None
    energy: Any = None
    replicon: Any = None
    stable: Any = None
    residual: Any = None
    condition: Any = None
    branch: Any = None
    dominant: Any = None

    @property
    def R(self) -> Any:
        """Overlap with the teacher (Bayes-optimal: equal to q); None for storage."""
        return self.q if self.model.teacher else None


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve(SaddlePoint):
    """Saddle points along arrays of parameters: the attributes of `SaddlePoint`, as arrays of one shape."""

    one: ClassVar[type] = SaddlePoint

    def __getitem__(self, index: Any) -> SaddlePoint:
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name, value in values.items():
            values[name] = (
                {k: _at(v, index) for k, v in value.items()} if isinstance(value, Mapping) else _at(value, index)
            )
        scalar = not isinstance(values["status"], np.ndarray)
        return (self.one if scalar else type(self))(**values)

    def plot(self, x: str | None = None, y: str = "entropy", ax: Any = None) -> Any:
        """Draw ``y`` against the swept parameter (or ``x``); points without an answer leave a gap. Returns the axes."""
        from .plotting import curve

        return curve(self, x, y, ax)

    def to_xarray(self) -> Any:
        """The curve as an ``xarray.Dataset`` with its errors, status and branch (extra: xarray)."""
        try:
            import xarray as xr
        except ImportError as error:
            raise ImportError("to_xarray needs the extra 'xarray': pip install replicas[xarray]") from error
        dims = tuple(f"dim_{i}" for i in range(len(self.shape))) if len(self.shape) > 1 else ("point",)
        data: dict[str, Any] = {}
        for name in (*self.computed, "stable", "branch", "dominant", "status"):
            value = getattr(self, name)
            if value is not None:
                data[name] = (dims, np.broadcast_to(np.asarray(value), self.shape))
        data |= {
            f"{k}_error": (dims, np.broadcast_to(np.asarray(v), self.shape))
            for k, v in self.errors.items()
            if v is not None
        }
        coords = {
            n: (dims, np.broadcast_to(np.asarray(getattr(self, n)), self.shape))
            for n in self.inputs
            if getattr(self, n) is not None
        }
        return xr.Dataset(data, coords=coords, attrs={"model": describe(self.model), "ansatz": self.ansatz})


@dataclass(frozen=True, eq=False, kw_only=True)
class BrokenPoint(Result):
    """Saddle point(s) with broken replica symmetry; a point that fell back carries the ansatz ``rs`` and q0 = q1 = q.

    ``order_parameters`` are also attributes and keys: q0, q1, m, q_hat0, q_hat1 of one step; q0..qk, m1..mk of k steps;
    for full breaking q and x, the profile x(q) as arrays, with its ends. free_entropy and entropy per weight, energy (errors
    per weight, finite beta), complexity Sigma = -m^2 d phi/d m (states per weight, one step), replicon (the smallest
    eigenvalue of all levels), stable, residual (undamped, relative), branch.
    """

    quantity: ClassVar[str] = "solve"
    inputs: ClassVar[tuple[str, ...]] = ("alpha", "kappa", "beta")
    after: ClassVar[tuple[str, ...]] = ("free_entropy", "entropy", "energy", "complexity", "replicon", "residual")
    headline: ClassVar[str] = "free_entropy"

    alpha: Any
    kappa: Any = None
    beta: Any = None
    order_parameters: Mapping[str, Any] = field(default_factory=dict)
    free_entropy: Any = None
    entropy: Any = None
    energy: Any = None
    complexity: Any = None
    replicon: Any = None
    stable: Any = None
    residual: Any = None
    branch: Any = None
    saddle: Any = field(default=None, repr=False)

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("order_parameters", {})
        if name in values:
            return values[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join((*values, *self.after))}")

    def overlap_distribution(self) -> tuple[np.ndarray, np.ndarray]:
        """P(q) of one point as atoms: overlaps q_j and their weights m_{j+1} - m_j (m_0 = 0, m_{k+1} = 1).

        Full breaking has the atoms of its grid: dx of x(q), which approach the density between the two end peaks.
        """
        if self.shape:
            raise ValueError("point: got several; takes one saddle point (index an array result first)")
        values = self.order_parameters
        if "x" in values:
            return np.asarray(values["q"]), np.diff([0.0, *values["x"], 1.0])
        if self.ansatz == "rs":
            return np.array([values["q0"]]), np.ones(1)
        q = [v for n, v in values.items() if n[0] == "q" and n[1:].isdigit()]
        m = [v for n, v in values.items() if n == "m" or (n[0] == "m" and n[1:].isdigit())]
        return np.array(q), np.diff([0.0, *m, 1.0])

    @property
    def computed(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.order_parameters, *self.after)

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """A table of several points leaves conjugates and the replicon of each level to `to_dict`."""
        header, body = super().rows()
        if len(body) == 1:
            return header, body
        kept = [i for i, name in enumerate(header) if not re.match(r"q_hat|lam|residual|replicon\d", name)]
        return [header[i] for i in kept], [[row[i] for i in kept] for row in body]

    def _point(self) -> dict[str, Any]:
        return {"ansatz": self.ansatz, **super()._point()}


@dataclass(frozen=True, eq=False, kw_only=True)
class Estimate(Result):
    """A threshold with its error: capacity, AT load, largest margin.

    ``criterion`` says what defines it, ``order_parameters`` where it was found, ``stable`` whether the replica-symmetric
    saddle is stable there, ``statement`` what the number is and is not.
    """

    inputs: ClassVar[tuple[str, ...]] = ("alpha", "kappa", "beta")
    computed: ClassVar[tuple[str, ...]] = ("value",)
    labels: ClassVar[tuple[str, ...]] = (
        "criterion",
        "digits",
        "certified",
        "order_parameters",
        "stable",
        "physical",
        "statement",
    )

    question: str = "capacity"
    value: Any = None
    criterion: Any = None
    order_parameters: Mapping[str, Any] = field(default_factory=dict)
    stable: Any = None
    physical: Any = None
    alpha: Any = None
    kappa: Any = None
    beta: Any = None

    @property
    def quantity(self) -> str:  # type: ignore[override]
        return self.question

    def _point(self) -> dict[str, Any]:
        out = super()._point()
        out = {k: v for k, v in out.items() if not (k in ("alpha", "beta", "physical") and v is None)}
        out["digits"] = self.digits
        out["ansatz"] = self.ansatz
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class FieldDistribution(Result):
    """Density of the local field u = W.xi/sqrt(N) of a typical solution, at the given fields."""

    quantity: ClassVar[str] = "field-distribution"
    inputs: ClassVar[tuple[str, ...]] = ("u",)
    computed: ClassVar[tuple[str, ...]] = ("density",)
    headline: ClassVar[str] = "density"

    u: Any
    density: Any
