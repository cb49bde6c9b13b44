"""Figures of broken replica symmetry: phase diagram of the negative margin, profiles x(q) and what they do to the overlaps."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import drawing as dr
from .figure import Columns, Figure, Progress, number, select, silent, table

MARGINS = (
    -3.0,
    -2.8,
    -2.6,
    -2.4,
    -2.2,
    -2.1,
    -2.06,
    -2.0,
    -1.8,
    -1.6,
    -1.4,
    -1.2,
    -1.0,
    -0.8,
    -0.6,
    -0.4,
    -0.2,
    -0.1,
    0.0,
)
INTERVALS = 12  # of x(q): the full-RSB capacity to 1e-3 or better, less than the width of its line
LINES = {
    "capacity_rs": ("capacity, RS", dr.BLACK),
    "capacity_1rsb": ("capacity, 1RSB", dr.ORANGE),
    "capacity_frsb": ("capacity, full RSB", dr.VERMILLION),
    "at_line": ("AT line", dr.BLUE),
    "dynamical": ("states appear (m = 1)", dr.SKY),
    "condensation": ("condensation (m = 1)", dr.GREEN),
}
PROFILE_LOADS = (9.0, 10.5, 12.0)
PROFILE_MARGIN = -1.0


def _phase_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    model = rp.Perceptron(weights="spherical")
    rows = []
    for i, kappa in enumerate(MARGINS):
        progress("phase diagram of the negative margin", i, len(MARGINS))
        (point,) = rp.phase_diagram(model, kappa=kappa, k=INTERVALS).points()
        rows += [
            {
                "kappa": point["kappa"],
                "line": line,
                "alpha": number(point[line]),
                "error": number(point["errors"][line]),
                "physical": bool(point["at_physical"]) if line == "at_line" else True,
                "status": point["status"] if point[line] is not None else "no-solution",
            }
            for line in LINES
        ]
    return table(rows)


def _phase_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, axes = dr.panels(2, narrow, 3.1)
        draw_lines(axes[0], columns, None)
        axes[0].set_yscale("log")
        axes[0].set_ylabel(dr.LABELS["alpha"])
        draw_lines(axes[1], columns, "capacity_rs")
        axes[1].set_ylabel(r"$\alpha/\alpha_c^{RS}(\kappa)$")
        axes[1].set_ylim(0.28, 1.02)
        for ax in axes:
            ax.set_xlabel(dr.LABELS["kappa"])
            ax.set_xlim(min(columns["kappa"]), max(columns["kappa"]))
        axes[0].legend(loc="upper right")
        axes[0].set_title("a", loc="left")
        axes[1].set_title("b  relative to the RS capacity", loc="left")
    return figure


def draw_lines(ax: Any, columns: Columns, relative: str | None) -> None:
    """Every boundary against the margin; dashed where it is not physical."""
    base = select(columns, line=relative) if relative else None
    for line, (label, color) in LINES.items():
        c = select(columns, line=line)
        scale = np.ones(c["alpha"].size) if base is None else base["alpha"]
        dr.line(ax, c["kappa"], c["alpha"] / scale, c["physical"].astype(bool), color, label)


def _profile_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    model = rp.Perceptron(weights="spherical", kappa=PROFILE_MARGIN)
    rows = []
    for i, alpha in enumerate(PROFILE_LOADS):
        progress("profiles x(q)", i, len(PROFILE_LOADS))
        full, one = rp.solve(model, alpha, "frsb"), rp.solve(model, alpha, "1rsb")
        for ansatz, q, x, status in (
            ("frsb", full.q, full.x, full.status),
            ("1rsb", [one.q0, one.q1], [one.m], one.status),
        ):
            edges = [0.0, *q, 1.0]
            values = [0.0, *x, 1.0]
            for j, value in enumerate(values):
                rows.append(
                    {
                        "alpha": alpha,
                        "ansatz": ansatz,
                        "from": edges[j],
                        "to": edges[j + 1],
                        "x": value,
                        "status": status,
                    }
                )
    return table(rows)


def _profile_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, axes = dr.panels(2, narrow, 2.9)
        for alpha, color in zip(PROFILE_LOADS, (dr.SKY, dr.BLUE, dr.VERMILLION)):
            for ansatz, dashes, width in (("frsb", "-", 1.4), ("1rsb", dr.DASHED, 0.8)):
                c = select(columns, alpha=alpha, ansatz=ansatz)
                edges, values = np.append(c["from"], 1.0), c["x"]
                label = rf"$\alpha = {alpha:g}$" if ansatz == "frsb" else None
                axes[0].stairs(
                    values, edges, color=color, linestyle=dashes, linewidth=width, label=label, baseline=None
                )
            c = select(columns, alpha=alpha, ansatz="frsb")
            inside = slice(1, -1)
            low, high, x = c["from"][inside], c["to"][inside], c["x"][inside]
            middle = 0.5 * (low + high)
            axes[1].plot(middle[:-1], np.diff(x) / np.diff(middle), color=color)
        axes[0].legend(loc="upper left")
        axes[0].set_ylim(0, 0.6)
        for ax in axes:
            ax.set_xlim(0.5, 1)
            ax.set_xlabel(dr.LABELS["q"])
        axes[0].set_ylabel("$x(q)$")
        axes[1].set_ylabel(r"$P(q) = dx/dq$, continuous part")
        axes[1].set_yscale("log")
    return figure


NEGATIVE_MARGIN = Figure(
    "Negative margin: where replica symmetry breaks, and where solutions end",
    """Spherical perceptron with κ < 0. Below the de Almeida–Thouless line replica symmetry is exact. The line is physical
    down to κ = −2.043 (solid); beyond, a discontinuous transition comes first: states with a second overlap appear, then
    condense. Capacities by replica symmetry, one step, and full breaking, which is the SAT/UNSAT threshold.""",
    _phase_data,
    _phase_draw,
    ("spherical-1rsb", "spherical", "spherical-2rsb"),
)
PROFILE = Figure(
    "The order parameter of full replica symmetry breaking",
    r"""$x(q)=\int_0^qP(\tilde q)\,d\tilde q$, the probability that two solutions have an overlap below $q$, and its density, spherical perceptron at κ = −1.
    Solid, full breaking on 24 intervals; dashed, one step. Not drawn: the jumps of x(q) at both ends, which are peaks of
    P(q). Solutions exist up to α = 12.28; below 7.87 replica symmetry is exact.""",
    _profile_data,
    _profile_draw,
    ("spherical-1rsb", "spherical-2rsb"),
)
