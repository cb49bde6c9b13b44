"""House style of the figures: palette, axes, labels, lines that change where a solution changes.

Colours are those of Okabe and Ito, told apart by colour-blind readers and in print; a line is solid where the saddle is
stable and the answer physical, dashed elsewhere, and has a gap where there is no answer. Matplotlib is imported inside
the functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PURPLE = (
    "#262626",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
"""Colours of successive lines; yellow is too pale for a line on white."""

LABELS = {
    "alpha": r"load $\alpha$",
    "kappa": r"margin $\kappa$",
    "beta": r"inverse temperature $\beta$",
    "u": "local field $u$",
    "q": r"overlap $q$",
    "q_hat": r"conjugate overlap $\hat q$",
    "Q": r"self-overlap $Q$",
    "one_minus_q": r"$1-q$",
    "free_entropy": r"free entropy per weight $\phi$",
    "entropy": r"entropy per weight $s$",
    "energy": "errors per weight",
    "replicon": "replicon",
    "value": r"critical load $\alpha_c$",
    "density": "density",
    "R": r"overlap with the teacher $R$",
    "eps_g": r"generalization error $\epsilon$",
    "eps_gibbs": r"Gibbs error $\epsilon$",
    "eps_bayes": r"Bayes error $\epsilon$",
}
VALUES = {  # of a question with one number
    "capacity": LABELS["value"],
    "at-line": r"AT load $\alpha_{AT}$",
    "max-margin": r"largest margin $\kappa$",
    "isolation": "distance $d$",
    "local-entropy-threshold": r"load $\alpha_U$",
    "overlap-gap": r"load $\alpha_{OGP}$",
}
STYLE: Any = {
    "font.size": 9.0,
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "stix",
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "text.color": BLACK,
    "axes.labelcolor": BLACK,
    "axes.edgecolor": BLACK,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "svg.fonttype": "path",
    "svg.hashsalt": "replicas",
    "pdf.fonttype": 42,
    "lines.dash_capstyle": "butt",
}
DASHED = (0, (3.5, 1.8))
DOTTED = (0, (1.0, 1.6))
PNG_DPI = 300
SINGLE, DOUBLE = 4.4, 7.2  # inches: one panel (also a narrow screen), two panels side by side


@contextmanager
def style() -> Iterator[None]:
    """The house style, left behind on exit."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def panels(count: int, narrow: bool, height: float = 2.9) -> tuple[Any, list[Any]]:
    """A figure with ``count`` axes: two in a row, or one above the other if ``narrow``; built without pyplot."""
    from matplotlib.figure import Figure

    columns = 1 if narrow or count == 1 else 2
    rows = -(-count // columns)
    figure = Figure(figsize=(SINGLE if columns == 1 else DOUBLE, height * rows))
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    return figure, axes


def write(figure: Any, target: Any, suffix: str, **options: Any) -> None:
    """Save a figure in the house style and without a date: the same data give the same bytes."""
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix, {})
    with style():  # fonts and names inside the file are settled when it is written
        figure.savefig(target, format=suffix[1:], dpi=PNG_DPI, metadata=undated, **options)


def line(ax: Any, x: Any, y: Any, solid: Any, color: str, label: str | None = None, dashes: Any = DASHED) -> None:
    """Draw y(x), solid where ``solid`` and dashed elsewhere; the pieces meet, and NaN leaves a gap."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    solid = np.broadcast_to(np.asarray(solid, dtype=bool), x.shape)
    start = 0
    for stop in range(1, x.size + 1):
        if stop == x.size or solid[stop] != solid[start]:
            end = min(stop + 1, x.size)  # one point more, so that no hole opens between two pieces
            ax.plot(x[start:end], y[start:end], color=color, linestyle="-" if solid[start] else dashes, label=label)
            label, start = None, stop


def mark(ax: Any, x: float, text: str, color: str = BLACK, at: float = 0.98) -> None:
    """A thin vertical line at x with its name beside its upper end (or at the height ``at`` of the axes)."""
    ax.axvline(x, color=color, linewidth=0.7, linestyle=DOTTED)
    ax.annotate(
        text,
        (x, at),
        xycoords=("data", "axes fraction"),
        xytext=(3, 0),
        textcoords="offset points",
        ha="left",
        va="top",
        color=color,
        fontsize=8,
    )


def name(ax: Any, x: float, y: float, text: str, color: str, **where: Any) -> None:
    """A direct label in the colour of its line."""
    ax.annotate(text, (x, y), color=color, fontsize=8, **{"xytext": (0, 0), "textcoords": "offset points", **where})


def curve(result: Any, x: str | None = None, y: str = "entropy", ax: Any = None) -> Any:
    """Draw the column ``y`` of a `replicas.results.Curve` against ``x``; returns the axes.

    Parameters
    ----------
    result : a result of one or more swept parameters; one line for each combination of the others and for each branch.
    x : name of the abscissa; None for the parameter that varies fastest.
    y : name of any column of the result.
    ax : axes to draw into; None makes a new figure.

    Raises
    ------
    ValueError : a single point, or a column that the result does not have.
    """
    if not result.shape:
        raise ValueError("result: got a single point; takes a sweep, such as rp.solve(model, alpha=[0.1, 0.2])")
    inputs = {
        k: np.broadcast_to(np.asarray(v, dtype=float), result.shape)
        for k in result.inputs
        if (v := getattr(result, k)) is not None
    }
    varying = [k for k, v in inputs.items() if np.ptp(v) > 0]
    if x is None:
        along = [k for k in varying if np.ptp(np.take(inputs[k], [0, -1], axis=-1), axis=-1).any()]
        x = (along or varying or list(inputs))[0]
    abscissa, ordinate = (_column(result, axis, column) for axis, column in (("x", x), ("y", y)))
    answered = np.broadcast_to(np.asarray(result.status == "converged"), result.shape).reshape(-1)
    stable = getattr(result, "stable", None)
    solid = answered & np.broadcast_to(
        True if stable is None else np.asarray(stable, dtype=bool), result.shape
    ).reshape(-1)
    keys = _line_keys(result, inputs, [k for k in varying if k != x])
    with style():
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(SINGLE, 2.9)).add_subplot()
        for i, key in enumerate(dict.fromkeys(keys)):
            at = np.array([k == key for k in keys])
            line(ax, abscissa[at], ordinate[at], solid[at], CYCLE[i % len(CYCLE)], key or None)
        if any(keys):
            ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        ax.set_xlabel(LABELS.get(x, x))
        ax.set_ylabel(LABELS.get(y, y))
    return ax


def _column(result: Any, axis: str, column: str) -> np.ndarray:
    value = getattr(result, column, None)
    if value is None or column.startswith("_") or callable(value):
        known = [k for k in (*result.inputs, *result.computed) if getattr(result, k) is not None]
        raise ValueError(f"{axis}: got {column!r}; takes {', '.join(known)}")
    return np.broadcast_to(np.asarray(value, dtype=float), result.shape).reshape(-1)


def _line_keys(result: Any, inputs: dict[str, np.ndarray], others: Sequence[str]) -> list[str]:
    """What tells the lines apart, point by point: the other parameters, and the branch where there are several."""
    symbols = {"alpha": r"$\alpha$", "kappa": r"$\kappa$", "beta": r"$\beta$"}
    branch = getattr(result, "branch", None)
    branches = np.broadcast_to("" if branch is None else np.asarray(branch), result.shape).reshape(-1)
    several = len({b for b in branches if b}) > 1
    columns = {k: inputs[k].reshape(-1) for k in others}
    keys = []
    for i, b in enumerate(branches):
        parts = [f"{symbols.get(k, k)} = {v[i]:g}" for k, v in columns.items()]
        keys.append(", ".join(parts + ([f"branch {b}"] if several and b else [])))
    return keys


def sweep_axes(sweep: Any, name: str, ax: Any = None) -> Any:
    """Draw the column ``name`` of a `replicas.Sweep`: lines over one numeric dimension, a map over two; returns the axes.

    Every other dimension makes a line of its own; points without an answer leave a gap, and those not "converged" are faint.
    """
    values = _sweep_numbers(sweep, name)
    if values is None:
        known = [n for n in sweep.columns if _sweep_numbers(sweep, n) is not None]
        raise ValueError(f"name: got {name!r}; takes a column of numbers: {', '.join(known)}")
    missing = {n: _not_drawn(v) for n, v in sweep.dims.items()}
    numeric = [n for n, why in missing.items() if not why]
    if not numeric:
        got = ", ".join(f"{n} of {why}" for n, why in missing.items()) or "one point"
        raise ValueError(f"sweep: got {got}; takes a dimension of several finite numbers to draw against")
    answered = sweep["status"] == "converged"
    label = _sweep_label(sweep, name)
    with style():
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(SINGLE, 2.9)).add_subplot()
        if len(numeric) == 2 and len(sweep.dims) == 2:
            y, x = numeric
            shown = np.where(answered, values, np.nan)
            mesh = ax.pcolormesh(sweep.dims[x], sweep.dims[y], shown, cmap="cividis", shading="nearest", rasterized=True)
            ax.figure.colorbar(mesh, ax=ax, label=label, pad=0.02)
            ax.set_ylabel(LABELS.get(y, y))
        else:
            x = numeric[-1]
            _sweep_lines(sweep, ax, x, values, answered)
            ax.set_ylabel(label)
        ax.set_xlabel(LABELS.get(x, x))
    return ax


def _sweep_numbers(sweep: Any, name: str) -> Any:
    """A column as numbers, nan where a point has none; None for words and for what there is not."""
    try:
        return np.asarray(sweep[name], dtype=float)
    except (KeyError, TypeError, ValueError):
        return None


def _not_drawn(values: Sequence[Any]) -> str:
    """Why nothing can be drawn against a dimension; "" if it can."""
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        return "words"
    if not np.all(np.isfinite(values)):
        return "numbers with infinity"
    return "" if len(values) > 1 else "one value"


def _sweep_label(sweep: Any, name: str) -> str:
    """What a column is: the one value of a question is another one in each, that of a user's function has its name."""
    asked = isinstance(sweep.plan.function, str)
    if name != "value" or (not asked and not sweep.quantity.isidentifier()):
        return LABELS.get(name, name) if name != "value" else name
    return VALUES.get(sweep.quantity, name) if asked else sweep.quantity


def _sweep_lines(sweep: Any, ax: Any, x: str, values: Any, answered: Any) -> None:
    """One line for each combination of the dimensions other than ``x``."""
    others = [n for n in sweep.dims if n != x]
    last = len(sweep.dims) - 1
    axis = list(sweep.dims).index(x)
    lines, fine = (np.moveaxis(v, axis, last).reshape(-1, len(sweep.dims[x])) for v in (values, answered))
    words = [np.moveaxis(sweep[n], axis, last).reshape(-1, len(sweep.dims[x]))[:, 0] for n in others]
    for i, (values_of, fine_of) in enumerate(zip(lines, fine)):
        text = ", ".join(f"{n} {w[i]:g}" if isinstance(w[i], (int, float)) else str(w[i]) for n, w in zip(others, words))
        line(ax, sweep.dims[x], values_of, fine_of, CYCLE[i % len(CYCLE)], text or None)
    if others:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
