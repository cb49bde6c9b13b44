"""Figures of infinitely wide and of fully connected committees: capacity by activation and ansatz, specialisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import drawing as dr
from .figures import Columns, Figure, Progress, number, plain_ticks, select, silent, table

NAMES = ("erf", "tanh", "relu", "quadratic")
ANSATZES = {  # ansatz, steps: name, marker, color, size
    ("rs", 0): ("RS", "o", dr.BLUE, 5.0),
    ("1rsb", 1): ("one step", "D", dr.VERMILLION, 4.6),
    ("krsb", 2): ("two steps", "x", dr.BLACK, 5.0),
    ("frsb", 24): ("full", "_", dr.GREEN, 16.0),
}
STEEPNESS = np.geomspace(0.1, 30.0, 26)  # b of erf(b u)


# --- capacity by activation ----------------------------------------------------------------------------------------


def _capacity_data(progress: Progress = silent) -> Columns:
    import math

    import sympy as sp

    import replicas as rp

    rows: list[dict[str, Any]] = []
    asked: list[tuple[str, float, Any]] = [(name, float("nan"), name) for name in NAMES]
    asked += [("erf(bu)", float(b), sp.erf(sp.Float(b) * rp.models.field)) for b in STEEPNESS]
    for i, (label, b, activation) in enumerate(asked):
        progress("capacity by activation", i, len(asked))
        model = rp.TreeCommittee(math.inf, "spherical", activation)
        for ansatz, steps in ANSATZES:
            if label == "erf(bu)" and steps > 1:
                continue
            found = rp.capacity(model, ansatz, k=steps if steps > 1 else None)
            rows.append(
                {
                    "activation": label,
                    "b": b,
                    "ansatz": ansatz,
                    "steps": steps,
                    "alpha": number(found.value),
                    "error": number(found.error),
                    "status": found.status,
                }
            )
    return table(rows)


def _capacity_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, (left, right) = dr.panels(2, narrow, 3.2)
        for (ansatz, steps), (name, marker, color, size) in ANSATZES.items():
            for x, activation in enumerate(NAMES):
                c = select(columns, activation=activation, ansatz=ansatz, steps=steps)
                hollow = {"markerfacecolor": "none"} if ansatz == "1rsb" else {}
                label = name if x == 0 else None
                left.plot(x, c["alpha"][0], marker, color=color, markersize=size, label=label, **hollow)
            c = select(columns, activation="erf(bu)", ansatz=ansatz, steps=steps)
            if c["b"].size:
                right.plot(c["b"], c["alpha"], color=color, label=name)
        left.set_xticks(range(len(NAMES)), NAMES)
        left.set_xlim(-0.5, len(NAMES) - 0.5)
        left.set_ylim(2.0, 4.2)
        left.legend(loc="upper left")
        left.set_title("a  spherical weights, $K=\\infty$", loc="left")
        right.set_title("b  from linear to sign units", loc="left")
        right.axhline(2, color=dr.BLACK, linewidth=0.6)
        right.annotate("perceptron", (0.1, 2), xytext=(0, -10), textcoords="offset points", fontsize=8)
        right.set_xscale("log")
        right.set_yscale("log")
        right.set_xlabel(r"steepness $b$ of $\mathrm{erf}(bu)$")
        right.set_ylim(1.7, 60)
        plain_ticks(right.xaxis, (0.1, 0.3, 1, 3, 10, 30))
        plain_ticks(right.yaxis, (2, 5, 10, 20, 50))
        right.legend(loc="upper left")
        for ax in (left, right):
            ax.set_ylabel(dr.LABELS["value"])
    return figure


ACTIVATIONS = Figure(
    "Capacity by activation",
    """Critical load of the tree committee of infinitely many units with spherical weights, by activation and by steps of
    replica symmetry breaking; each step lowers it, by less and less. On the right erf(bu): for small b the units are
    linear and the machine is a perceptron, which symmetry describes exactly; towards sign units the capacity grows without
    bound, because K → ∞ is taken before q → 1.""",
    _capacity_data,
    _capacity_draw,
)
