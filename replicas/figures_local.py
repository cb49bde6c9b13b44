"""Figures of the geometry of solutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import drawing as dr
from .figures import Columns, Figure, Progress, number, silent, table

# --- the stochastic perceptron -------------------------------------------------------------------------------------

LOAD, BETA = 0.55, 20.0
NORMS = np.round(np.concatenate([np.geomspace(0.01, 0.09, 9), np.linspace(0.1, 0.8, 29), np.linspace(0.81, 0.99, 19), [0.995, 0.998, 0.999]]), 3)
SMALLEST = 1e-9  # error fraction that is drawn


def _energy_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    progress("errors against q*", 0, 1)
    found = rp.solve(rp.StochasticPerceptron(NORMS, BETA), alpha=LOAD)
    rows = [
        {
            "alpha": p["alpha"],
            "beta": p["beta"],
            "q_star": p["q_star"],
            **{
                column: value
                for name in ("energy_binarised", "log_likelihood", "q", "replicon")
                for column, value in ((name, number(p[name])), (f"{name}_error", number(p["errors"].get(name))))
            },
            "stable": p["stable"],
            "status": p["status"],
        }
        for p in found.points()
    ]
    return table(rows)


def _energy_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, axes = dr.panels(2, narrow, 3.0)
        q_star, energy = (np.array(columns[k]) for k in ("q_star", "energy_binarised"))
        answered = np.array(columns["status"]) == "converged"
        energy = np.where(answered, energy, np.nan)
        solid = answered & np.array([s is True for s in columns["stable"]])
        for ax in axes:
            dr.line(ax, q_star, energy, solid, dr.BLUE)
            ax.set_xlim(0, 1)
            ax.set_xlabel(r"mean square magnetization $q_\ast$")
            ax.set_ylabel(r"error fraction of $\mathrm{sign}(m)$, $E$")
        left, right = axes
        left.set_ylim(0, None)
        right.set_yscale("log")
        right.set_ylim(SMALLEST, 0.5)
        left.set_title(f"a  $\\alpha={LOAD:g}$, $\\beta={BETA:g}$", loc="left")
        right.set_title("b  the same, logarithmic", loc="left")
    return figure


ENERGY = Figure(
    "Errors of binarised magnetizations",
    """Share of the patterns that sign(m) gets wrong, m the magnetizations of the stochastic perceptron at mean square q*,
    typical at inverse temperature β. Towards q* = 1 the magnetizations become binary and their errors vanish: a
    stochastic perceptron that is slowly made deterministic is led to solutions. The replica-symmetric saddle is stable
    throughout.""",
    _energy_data,
    _energy_draw,
)
