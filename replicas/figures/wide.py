"""Figures of infinitely wide and of fully connected committees: capacity by activation and ansatz, specialisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import drawing as dr
from .figure import Columns, Figure, Progress, number, plain_ticks, select, silent, table

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
        right.annotate("perceptron", (30, 2), xytext=(0, 3), textcoords="offset points", fontsize=8, ha="right")
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
    r"""Critical load $\alpha_c=P/N$ of the tree committee $y=\mathrm{sign}\sum_jc_jg(h_j)$, $c_j=\pm1$, of infinitely many units with spherical weights, by
    activation $g$ and by steps of replica symmetry breaking; each step lowers it, by less and less. On the right $g=\mathrm{erf}(bu)$: for small
    $b$ the units are linear and the machine is a perceptron, which symmetry describes exactly; towards sign units the capacity grows without
    bound, because $K\to\infty$ is taken before $q\to1$.""",
    _capacity_data,
    _capacity_draw,
    ("wide-relu",),
)


# --- specialisation ------------------------------------------------------------------------------------------------

LEARNERS = {2: ("$K=2$", dr.BLUE), float("inf"): (r"$K=\infty$", dr.VERMILLION)}
TOP = 20.0  # load up to which spherical weights are drawn
LAST = 1.25  # the same for two binary units, beyond their spinodal
POINTS = 32  # of a branch
BESIDE = 1e-6  # relative distance from a transition at which another branch dominates
THIN = 0.8  # of the Bayes curves


def _learning_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    rows: list[dict[str, Any]] = []
    for i, (weights, K) in enumerate((w, K) for w in ("spherical", "binary") for K in LEARNERS):
        progress("specialisation", i, 4)
        model = rp.Committee(K, weights, task="teacher-student")
        marks = rp.transitions(model)
        found = {n: getattr(marks, n, None) for n in ("alpha_it", "spinodal", "specialisation")}
        for name, mark in found.items():
            if mark is not None:
                rows.append(_learning_row(K, weights, name, None, mark.value) | {"error": mark.error})
        for branch, loads in _branches(K, weights, {n: m.value for n, m in found.items() if m is not None}):
            curve = rp.generalization(model, loads, branch=branch)
            rows += [
                _learning_row(K, weights, column.removeprefix("eps_"), p["branch"], p["alpha"])
                | {
                    "value": float(p[column]),
                    "error": number(p["errors"][column]),
                    "R": float(p["R"]),
                    "dominant": bool(p["dominant"]),
                    "status": p["status"],
                }
                for p in curve.points()
                for column in ("eps_gibbs", "eps_bayes")
                if p["R"] is not None and p["status"] in ("converged", "unphysical")
            ]
    return table(rows)


def _learning_row(K: float, weights: str, quantity: str, branch: Any, alpha: float) -> dict[str, Any]:
    rest = dict.fromkeys(("value", "error", "R", "dominant"))
    return {"K": K, "weights": weights, "quantity": quantity, "branch": branch, "alpha": alpha, **rest, "status": "converged"}


def _branches(K: float, weights: str, mark: dict[str, float]) -> list[tuple[str, np.ndarray]]:
    """Loads at which each branch is drawn, dense where it begins or ends like a square root."""
    top = TOP if weights == "spherical" else LAST if K == 2 else 2.0
    low = 0.02
    rise = np.linspace(0, 1, POINTS) ** 2
    if weights == "spherical":
        begin = mark["specialisation"] if K == 2 else mark["spinodal"]
        grown = begin + (top - begin) * np.linspace(1e-3 if K == 2 else 3e-4, 1, POINTS) ** 2
        known = [mark[n] * (1 + s) for n in ("alpha_it", "specialisation") if n in mark for s in (0.0, BESIDE)]
        plain = np.unique(np.concatenate([np.geomspace(low, top, POINTS), known]))
        return [("permutation-symmetric", plain), ("specialised", np.unique(np.concatenate([grown, [k for k in known if k > begin]])))]
    known = [x * (1 + s) for x in mark.values() for s in (0.0, BESIDE)]
    plain = np.unique(np.concatenate([low + (top - low) * np.linspace(0, 1, POINTS), known]))
    out = [("permutation-symmetric", plain[plain <= mark.get("specialisation", top)])]
    if K == 2:
        a, b = mark["specialisation"], mark["spinodal"]
        out.append(("specialised", b - (b - a) * (1e-3 + (1 - 2e-3) * rise[::-1])))
    return [*out, ("perfect", np.array([low, mark["alpha_it"] * (1 - BESIDE), mark["alpha_it"], 2.0]))]


def _learning_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, axes = dr.panels(2, narrow, 3.3)
        for ax, weights in zip(axes, ("spherical", "binary")):
            for K, (name, color) in LEARNERS.items():
                for quantity, width in (("gibbs", 1.6), ("bayes", THIN)):
                    for branch in ("permutation-symmetric", "specialised", "perfect"):
                        c = select(columns, K=K, weights=weights, quantity=quantity, branch=branch)
                        if not c["alpha"].size:
                            continue
                        before = len(ax.get_lines())
                        order = np.argsort(c["alpha"])
                        dominant = c["dominant"][order].astype(bool)
                        dr.line(ax, c["alpha"][order], c["value"][order], dominant, color)
                        for drawn in ax.get_lines()[before:]:
                            drawn.set_linewidth(width)
                if weights == "spherical":
                    ax.plot([], [], color=color, label=name)
        for label, style in (
            ("Gibbs", {"linewidth": 1.6}),
            ("Bayes", {"linewidth": THIN}),
            ("not the largest $\\phi$", {"linestyle": dr.DASHED}),
        ):
            axes[0].plot([], [], color=dr.BLACK, label=label, **style)
        for ax, weights in zip(axes, ("spherical", "binary")):
            for K, (_, color) in LEARNERS.items():
                quantity = "specialisation" if (K, weights) == (2, "spherical") else "alpha_it"
                at = float(select(columns, K=K, weights=weights, quantity=quantity)["alpha"][0])
                text = r"$\alpha_{\mathrm{spec}}$" if weights == "spherical" else r"$\alpha_{\mathrm{IT}}$"
                dr.mark(ax, at, text, color, 0.98 if K == 2 else 0.9)
            ax.set_xlabel(r"load $\alpha=P/(NK)$")
            ax.set_ylabel(dr.LABELS["eps_g"])
            ax.set_ylim(-0.012, 0.62)
        left, right = axes
        left.set_xscale("log")
        left.set_xlim(0.02, TOP)
        plain_ticks(left.xaxis, (0.03, 0.1, 0.3, 1, 3, 10))
        right.set_xlim(0, 2.0)
        left.set_title("a  spherical weights", loc="left")
        right.set_title("b  binary weights", loc="left")
        left.legend(loc="lower left")
        dr.name(right, 2.0, 0.0, "perfect learning", dr.BLACK, xytext=(0, 4), ha="right")
    return figure


SPECIALISATION = Figure(
    "Committees specialise",
    r"""Generalization error $\epsilon=\mathrm{Prob}(y\neq y_T)$ of fully connected committees that learn from a teacher of their own kind; thick, a
    typical student (Gibbs), thin, the vote of all (Bayes); two units can tie, a third label. At first every unit resembles all
    units of the teacher alike: the student is on a plateau, which for $K=\infty$ (reached at $P$ of order $N$) is at $\arccos(2/\pi)/\pi$.
    Spherical weights specialise continuously for $K=2$, discontinuously for $K=\infty$; binary ones jump to perfect learning.
    Dashed, states of smaller free entropy.""",
    _learning_data,
    _learning_draw,
    ("committee",),
)
