"""Drawing of phase diagrams: lines by colour and dashes, phases shaded and named inside, the legend outside the data.

A line is drawn in its own dashes where it separates phases and dotted where it does not: an unphysical continuation, or a bound. A phase
whose name does not fit inside it is named in the legend. Where abscissae were given nothing is known between them: each has a narrow
column of its own, and lines are points.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import drawing as dr
from .placing import FONT, spot

Dashes = Any
LONG, SHORT, DASHDOT, DASHDOTDOT = (0, (6, 1.8)), (0, (2.6, 1.4)), (0, (6, 1.6, 1.4, 1.6)), (0, (6, 1.5, 1.4, 1.5, 1.4, 1.5))
NEARLY_SOLID = (0, (12, 1.6))
DENSE_DOTS, DOTS, SPARSE_DOTS = (0, (1.0, 1.2)), (0, (1.0, 2.0)), (0, (1.0, 3.4))
LINES: dict[str, tuple[str, Dashes, Dashes]] = {  # colour, dashes, and dots where the line is not between phases
    "capacity_rs": (dr.BLACK, NEARLY_SOLID, DOTS),
    "capacity_1rsb": (dr.ORANGE, SHORT, SPARSE_DOTS),
    "capacity_frsb": (dr.VERMILLION, "-", DOTS),
    "capacity": (dr.BLACK, "-", DOTS),
    "at_line": (dr.BLUE, LONG, DENSE_DOTS),
    "dynamical": (dr.PURPLE, DASHDOTDOT, DOTS),
    "condensation": (dr.GREEN, DASHDOT, DOTS),
    "q_to_1": (dr.ORANGE, SHORT, SPARSE_DOTS),
    "alpha_u": (dr.PURPLE, DASHDOT, DOTS),
    "freezing": (dr.BLACK, "-", DOTS),
    "alpha_it": (dr.BLACK, DASHDOT, DOTS),
    "spinodal": (dr.VERMILLION, LONG, DOTS),
    "onset": (dr.SKY, SHORT, DOTS),
    "typical": (dr.BLUE, "-", DENSE_DOTS),
    "middle": (dr.PURPLE, SHORT, SPARSE_DOTS),
    "perfect": (dr.GREEN, NEARLY_SOLID, DOTS),
}
MARKERS = {
    "capacity_rs": "s",
    "capacity_1rsb": "o",
    "capacity_frsb": "P",
    "capacity": "o",
    "at_line": "^",
    "dynamical": "v",
    "condensation": "D",
    "q_to_1": "s",
    "alpha_u": "D",
    "freezing": "o",
    "alpha_it": "o",
    "spinodal": "D",
    "onset": "v",
}
SHADES: dict[str, tuple[str, float]] = {
    "SAT-RS": (dr.SKY, 0.22),
    "RS": (dr.SKY, 0.22),
    "SAT": (dr.SKY, 0.12),
    "SAT-clustered": (dr.GREEN, 0.30),
    "clustered": (dr.GREEN, 0.30),
    "SAT-RSB": (dr.ORANGE, 0.20),
    "RSB": (dr.ORANGE, 0.20),
    "SAT-frozen": (dr.GREEN, 0.16),
    "SAT-frozen, dense clusters": (dr.PURPLE, 0.22),
    "SAT-frozen, dense clusters?": (dr.BLUE, 0.12),
    "SAT-trivial": (dr.YELLOW, 0.28),
    "frozen": (dr.PURPLE, 0.20),
    "UNSAT": (dr.BLACK, 0.09),
    "impossible": (dr.BLACK, 0.09),
    "hard": (dr.VERMILLION, 0.18),
    "easy": (dr.GREEN, 0.16),
}
AXES = {
    "kappa": r"margin $\kappa$",
    "alpha": r"load $\alpha$",
    "beta": r"inverse temperature $\beta$",
    "T": r"temperature $T$",
    "K": r"hidden units $K$",
    "R": r"overlap with the teacher $R$",
}
SIZE = (6.3, 3.5)  # inches, a third of it for the legend
PAIR = (9.2, 3.5)  # the same of two panels
AREA = (0.60, 0.80)  # share of it that the axes take, to know whether a name fits
LOG_RATIO = 20.0  # between the largest and the smallest load, from which the axis of loads is logarithmic
TWO_PANELS = 100.0  # and from which a second panel shows them relative to a line
HEAD, LOG_HEAD = 1.12, 2.0  # room above the highest line, of a linear and of a logarithmic axis
ABOVE = 2.5  # times the highest load of a phase, up to which lines that are not between phases are shown
UNITS_GAP = 0.4  # between the largest number of units and infinity, in columns
COLUMN, WIDEST = 0.5, 0.05  # width of the column of a given abscissa, in units of the smallest spacing; at most this share of the axis
Edges = tuple[np.ndarray, np.ndarray, np.ndarray]
"""x, lower and upper edge of a phase in the frame."""


@dataclass(frozen=True)
class Frame:
    """Where a diagram is drawn: limits, the scale of loads, the place of an abscissa, what loads are divided by.

    columns : edges of the column that stands for a place, where abscissae are apart
    size : of the axes, in points;  marks : points of the drawn lines as shares of the frame, which names keep clear of
    """

    left: float
    right: float
    bottom: float
    top: float
    log: bool
    place: Callable[[Any], Any]
    unit: Callable[[Any], Any]
    columns: dict[float, tuple[float, float]]
    size: tuple[float, float]
    marks: np.ndarray

    def across(self, x: Any) -> Any:
        """Share of the width, 0 to 1."""
        return (np.asarray(x) - self.left) / (self.right - self.left)

    def share(self, y: Any) -> Any:
        """Share of the height, 0 to 1."""
        clipped = np.clip(y, self.bottom, self.top)
        if self.log:
            return np.log(clipped / self.bottom) / math.log(self.top / self.bottom)
        return (clipped - self.bottom) / (self.top - self.bottom)


def phase_axes(diagram: Any, ax: Any = None, relative: str | None = None, legend: bool = True) -> Any:
    """Draw a `PhaseDiagram`; returns the axes.

    ax : axes to draw into, or a ValueError; None makes a new figure
    relative : name of a line, loads are then divided by it
    """
    from matplotlib.axes import Axes

    if ax is not None and not isinstance(ax, Axes):
        raise ValueError(f"ax: got {ax!r}; takes the axes of matplotlib, or None")
    with dr.style():
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=SIZE).add_subplot()
        frame = _frame(diagram, ax, relative)
        ax.set_xlim(frame.left, frame.right)
        if frame.log:
            ax.set_yscale("log")
        ax.set_ylim(frame.bottom, frame.top)
        drawn = [_line(ax, b, frame, diagram) for b in diagram.boundaries]
        for b in diagram.thresholds:
            if not frame.left <= b.x[0] <= frame.right:
                continue
            color, dashes, _ = LINES[b.name]
            ax.axvline(float(b.x[0]), color=color, linestyle=dashes, linewidth=1.2, label=f"{_words(b.label)} = {b.x[0]:.4f}")
        unnamed = _shade(ax, diagram, frame)
        if legend:
            _legend(ax, diagram, any(drawn), unnamed)
        _axes(ax, diagram, frame, relative)
    return ax


def phase_figure(diagram: Any) -> Any:
    """The figure of a diagram: one panel, or two where loads span decades, the second relative to the symmetric capacity."""
    from matplotlib.figure import Figure

    names = [b.name for b in diagram.boundaries]
    loads = np.concatenate([b.y[b.exists] for b in diagram.boundaries] or [np.ones(1)])
    with dr.style():
        if diagram.apart or "capacity_rs" not in names or loads.max(initial=0.0) < TWO_PANELS * loads.min(initial=np.inf):
            figure = Figure(figsize=SIZE)
            phase_axes(diagram, figure.add_subplot())
            return figure
        figure = Figure(figsize=PAIR)
        left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
        phase_axes(diagram, left, legend=False)
        phase_axes(diagram, right, relative="capacity_rs")
        left.set_title("a", loc="left")
        right.set_title("b", loc="left")
    return figure


def _axes(ax: Any, diagram: Any, frame: Frame, relative: str | None) -> None:
    """Names and ticks of both axes."""
    ax.set_xlabel(r"half-width $\kappa$" if _window(diagram) else AXES.get(diagram.x, diagram.x))
    ax.set_ylabel(AXES.get(diagram.y, diagram.y) if relative is None else r"load relative to the RS capacity, $\alpha/\alpha_c^{RS}(\kappa)$")
    if diagram.whole:
        units = np.asarray(diagram.grid)
        ax.set_xticks(frame.place(units), [r"$\infty$" if math.isinf(K) else f"{K:g}" for K in units])
        ax.tick_params(axis="x", length=0)
    if frame.log:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        decades = math.log10(frame.top / frame.bottom)
        ax.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0,) if decades > 2.5 else (1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())


def _window(diagram: Any) -> bool:
    return diagram.x == "kappa" and getattr(diagram.model, "likelihood", "") == "window"


def _frame(diagram: Any, ax: Any, relative: str | None) -> Frame:
    """Limits that show every line between phases, and others next to them."""
    width, height = ax.figure.get_size_inches()
    share = AREA[0] if len(ax.figure.axes) == 1 else 0.36
    size = (72 * width * share, 72 * height * AREA[1])
    if diagram.whole:
        order = {float(K): i + (UNITS_GAP if math.isinf(K) and i else 0.0) for i, K in enumerate(np.atleast_1d(diagram.grid))}

        def place(K: Any) -> Any:
            return np.array([order[float(v)] for v in np.atleast_1d(K)])

    else:

        def place(K: Any) -> Any:
            return np.asarray(K)

    left, right = diagram.between
    columns: dict[float, tuple[float, float]] = {}
    if diagram.apart and np.size(diagram.grid):
        places = place(np.atleast_1d(diagram.grid))
        least = 0.0 if diagram.x in ("beta", "T") or _window(diagram) else -math.inf
        left, right, columns = _units(places) if diagram.whole else _columns(places, least)
    base = None if relative is None else diagram.boundary(relative)

    def unit(x: Any) -> Any:
        return np.ones(np.shape(x)) if base is None else base.at(x)

    values = [(place(b.x[b.exists]), b.y[b.exists] / unit(b.x[b.exists]), b.physical[b.exists]) for b in diagram.boundaries]
    every = np.concatenate([v for _, v, _ in values] or [np.ones(1)])
    between = np.concatenate([v[p] for _, v, p in values] or [np.ones(1)])
    between = between if between.size else every if every.size else np.ones(1)
    high, low = min(float(every.max(initial=1e-300)), ABOVE * float(between.max())), float(between.min())
    log = diagram.y != "R" and high > LOG_RATIO * low
    bottom, top = (low / LOG_HEAD, high * LOG_HEAD) if log else (0.0, high * (1.04 if diagram.y == "R" or relative else HEAD))
    frame = Frame(left, right, bottom, top, log, place, unit, columns, size, np.empty((0, 2)))
    marks = [_track(b, frame, diagram) for b in diagram.boundaries]
    marks += [np.column_stack([np.full(50, frame.across(float(b.x[0]))), np.linspace(0, 1, 50)]) for b in diagram.thresholds]
    return dataclasses.replace(frame, marks=np.concatenate([m for m in marks if m.size] or [np.empty((0, 2))]))


Columns = tuple[float, float, dict[float, tuple[float, float]]]
"""Left and right end of the axis, and the column of each abscissa."""


def _units(places: np.ndarray) -> Columns:
    """A column of width 1 for each number of units."""
    columns = {float(p): (p - 0.5, p + 0.5) for p in places}
    return float(places.min()) - 0.5, float(places.max()) + 0.5, columns


def _columns(places: np.ndarray, least: float) -> Columns:
    """A narrow column for each given abscissa, nothing between them; ``least``: of the values that there are."""
    margin = WIDEST * float(np.ptp(places)) if places.size > 1 else 0.5
    left, right = max(float(places.min()) - margin, least), float(places.max()) + margin
    width = min(COLUMN * np.diff(np.sort(places)).min(initial=math.inf), WIDEST * (right - left))
    return left, right, {float(p): (max(p - 0.5 * width, least), p + 0.5 * width) for p in places}


def _track(b: Any, frame: Frame, diagram: Any) -> np.ndarray:
    """A line as points, shares of the frame."""
    if diagram.apart and not diagram.whole:
        x, y = b.x, b.y
    elif diagram.apart:
        here = np.flatnonzero(b.exists & np.isfinite(b.x))
        if not here.size:
            return np.empty((0, 2))
        at = frame.place(b.x[here])
        x = np.linspace(at[0], at[-1], 200)
        y = np.interp(x, at, b.y[here])
    else:
        x = np.linspace(frame.left, frame.right, 400)
        y = b.at(x) / frame.unit(x)
    inside = np.isfinite(y) & (y >= frame.bottom) & (y <= frame.top)
    return np.column_stack([frame.across(x), frame.share(np.where(inside, y, frame.bottom))])[inside]


# --- phases --------------------------------------------------------------------------------------------------------


def _shade(ax: Any, diagram: Any, frame: Frame) -> list[str]:
    """Shade the phases and name them; those that are too small for their names are returned."""
    unnamed = []
    areas: dict[str, list[Edges]] = {}
    for region in diagram.regions():
        edges = _outline(region, frame, diagram)
        color, alpha = SHADES.get(region["label"], (dr.BLACK, 0.0))
        ax.fill_between(*edges, color=color, alpha=alpha, linewidth=0, zorder=0)
        areas.setdefault(region["label"], []).append(edges)
    for label, parts in areas.items():
        runs = _runs(parts) if diagram.apart else parts
        spots = [found for run in runs if (found := _spot(label, run, frame)) is not None]
        if not spots:
            unnamed.append(label)
            continue
        for _, x, y, angle in spots if diagram.apart else [max(spots)]:
            ax.text(x, y, label, ha="center", va="center", rotation=angle, fontsize=FONT, color=dr.BLACK, zorder=5, transform=ax.transAxes)
    return unnamed


def _outline(region: dict[str, Any], frame: Frame, diagram: Any) -> Edges:
    """A phase in the frame; an abscissa that stands alone has a column of its own."""
    x = np.asarray(region["x"], dtype=float)
    if region["lower"] is None:
        return x, np.full(x.size, frame.bottom), np.full(x.size, frame.top)
    lower, upper = (np.clip(region[k] / frame.unit(x), frame.bottom, frame.top) for k in ("lower", "upper"))
    if diagram.apart:
        at = float(np.ravel(frame.place(x))[0])
        return np.array(frame.columns[at]), np.repeat(lower, 2), np.repeat(upper, 2)
    return x, lower, upper


def _spot(label: str, area: Edges, frame: Frame) -> tuple[float, float, float, float] | None:
    x = np.clip(frame.across(area[0]), 0, 1)
    return spot(label, (x, frame.share(area[1]), frame.share(area[2])), frame.size, frame.marks)


def _runs(parts: list[Edges]) -> list[Edges]:
    """Columns that touch, together."""
    runs: list[list[Edges]] = []
    for part in parts:
        if runs and abs(runs[-1][-1][0][-1] - part[0][0]) < 1e-9:
            runs[-1].append(part)
        else:
            runs.append([part])
    return [(np.concatenate([p[0] for p in run]), np.concatenate([p[1] for p in run]), np.concatenate([p[2] for p in run])) for run in runs]


# --- lines ---------------------------------------------------------------------------------------------------------


def _line(ax: Any, b: Any, frame: Frame, diagram: Any) -> bool:
    """Draw a line; whether any of it is not between phases."""
    color, dashes, dots = LINES.get(b.name, (dr.BLACK, "-", DOTS))
    if diagram.apart:
        return _points(ax, b, frame, color, dashes if diagram.whole else "none")
    pieces = [(p, bool(b.physical[p][0])) for p in b.pieces() if b.exists[p].all() and not _same(b)[p][0]]
    for piece, physical in pieces:
        x = np.unique(np.concatenate([b.x[piece], np.linspace(b.x[piece][0], b.x[piece][-1], 201)]))
        style = {"linestyle": dashes, "linewidth": 1.6} if physical else {"linestyle": dots, "linewidth": 1.2}
        ax.plot(x, b.at(x) / frame.unit(x), color=color, zorder=3, **style)
    if pieces:
        solid = any(physical for _, physical in pieces)
        ax.plot([], [], color=color, linestyle=dashes if solid else dots, linewidth=1.6 if solid else 1.2, label=_words(b.label))
    return any(not physical for _, physical in pieces)


def _same(b: Any) -> np.ndarray:
    """Where this line coincides with the replica-symmetric one."""
    return (b.ansatz == "rs") & (b.name in ("capacity_1rsb", "capacity_frsb"))


def _points(ax: Any, b: Any, frame: Frame, color: str, dashes: Dashes) -> bool:
    """A value for each abscissa, those of units joined to guide the eye (not to infinity); open where it is not between phases."""
    here = np.flatnonzero(b.exists & ~_same(b))
    if not here.size:
        return False
    finite = here[np.isfinite(b.x[here])]
    marker = MARKERS.get(b.name, "o")
    look: dict[str, Any] = {"color": color, "marker": marker, "markersize": 5.0, "zorder": 4}
    if finite.size and dashes != "none":
        ax.plot(frame.place(b.x[finite]), b.y[finite], color=color, linestyle=dashes, linewidth=0.9, zorder=3)
    for i in here:
        ax.plot(frame.place(b.x[i]), b.y[i : i + 1], linestyle="none", markerfacecolor=color if b.physical[i] else "white", **look)
    solid = bool(b.physical[here].any())
    ax.plot([], [], linestyle=dashes, linewidth=0.9, markerfacecolor=color if solid else "white", label=_words(b.label), **look)
    return bool((~b.physical[here]).any())


TEX = {
    "q → 1": r"$q\to1$",
    "d → 0": r"$d\to0$",
    "R > 0": r"$R>0$",
    "R < 1": r"$R<1$",
    "R = 1": r"$R=1$",
    "alpha_IT": r"$\alpha_{\mathrm{IT}}$",
}


def _words(label: str) -> str:
    for plain, tex in TEX.items():
        label = label.replace(plain, tex)
    return label


def _legend(ax: Any, diagram: Any, other: bool, unnamed: list[str]) -> None:
    """Outside, on the right: lines, what dots mean, and phases without room for their names."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles, _ = ax.get_legend_handles_labels()
    if other and diagram.apart:
        open_: dict[str, Any] = {"color": dr.BLACK, "linestyle": "none", "marker": "o", "markersize": 5.0, "markerfacecolor": "white"}
        handles.append(Line2D([], [], label="open: not a phase boundary", **open_))
    elif other:
        meaning = "dotted: metastable or unstable" if diagram.thresholds else "dotted: not a phase boundary"
        handles.append(Line2D([], [], color=dr.BLACK, linestyle=DOTS, linewidth=1.2, label=meaning))
    for label in unnamed:
        color, alpha = SHADES.get(label, (dr.BLACK, 0.0))
        handles.append(Patch(facecolor=(color, alpha), edgecolor=dr.BLACK if not alpha else "none", linewidth=0.5, label=label))
    if handles:
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, handlelength=2.6)


# --- files ---------------------------------------------------------------------------------------------------------


def writable(path: Any) -> Path:
    """The path of a figure, or a one-line ValueError: before any work."""
    from ..plotting import SUFFIXES

    if not isinstance(path, (str, os.PathLike)) or Path(path).suffix not in SUFFIXES:
        raise ValueError(f"output: got {str(path)!r}; takes a file name that ends in {', '.join(SUFFIXES)}")
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"output: got {str(path)!r}, and {path.parent} is no folder; takes a file in a folder that is there")
    return path


def save(diagram: Any, path: str | Path) -> tuple[Path, Path]:
    """Write the figure (svg, pdf or png by the suffix) and, beside it, the traced lines as CSV.

    Raises ValueError for an unknown suffix, a folder that is not there, or a file that can not be written.
    """
    from ..plotting import write_csv
    from .figure import table

    path = writable(path)
    figure = phase_figure(diagram)
    try:
        dr.write(figure, path, path.suffix)
        return path, write_csv(table(diagram.lines()), path.with_suffix(".csv"))
    except OSError as error:
        raise ValueError(f"output: cannot write {path}: {error.strerror}; takes a file that can be written") from None
