"""Figures of one layer that stores random patterns: capacity against margin, entropies, overlap, local fields."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import drawing as dr
from .figure import Columns, Figure, Progress, number, numbers, plain_ticks, select, silent, table

LOADS = (0.2, 0.5, 0.8)  # of the field distributions

# --- capacity against margin ---------------------------------------------------------------------------------------


def _capacity_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    kappa = np.linspace(-2, 2, 161)
    spherical, binary = rp.Perceptron(weights="spherical"), rp.Perceptron(weights="binary")
    questions = (
        ("spherical", "capacity", lambda: rp.capacity(spherical, kappa=kappa)),
        ("spherical", "at-line", lambda: rp.at_line(spherical, kappa=np.linspace(-2, 0, 41)[:-1])),
        ("binary", "capacity", lambda: rp.capacity(binary, kappa=kappa)),
    )
    rows = []
    for i, (weights, quantity, ask) in enumerate(questions):
        progress("capacity against margin", i, len(questions))
        rows += [
            {
                "weights": weights,
                "quantity": quantity,
                "kappa": p["kappa"],
                "alpha": number(p["value"]),
                "error": number(p["error"]),
                "stable": p["stable"],
                "physical": p.get("physical"),
                "status": p["status"],
            }
            for p in ask().points()
        ]
    return table(rows)


def _capacity_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, (ax,) = dr.panels(1, narrow, 3.3)
        at = select(columns, quantity="at-line")
        physical = at["physical"].astype(bool)
        dr.line(ax, at["kappa"], np.where(physical, at["alpha"], np.nan), False, dr.BLUE, dashes=dr.DOTTED)
        for weights, color, where in (
            ("spherical", dr.BLUE, {"xytext": (6, 4)}),
            ("binary", dr.VERMILLION, {"xytext": (-6, -10), "ha": "right"}),
        ):
            c = select(columns, weights=weights, quantity="capacity")
            dr.line(ax, c["kappa"], c["alpha"], c["stable"].astype(bool), color)
            dr.name(ax, 0.9, float(np.interp(0.9, c["kappa"], c["alpha"])), weights, color, **where)
        for text, dashes in (("stable", "-"), ("unstable: an upper bound", dr.DASHED), ("AT line", dr.DOTTED)):
            ax.plot([], [], color=dr.BLACK, linestyle=dashes, label=text)
        ax.legend(loc="upper right")
        ax.set_yscale("log")
        ax.set_xlim(-2, 2)
        ax.set_xlabel(dr.LABELS["kappa"])
        ax.set_ylabel(dr.LABELS["value"])
        plain_ticks(ax.yaxis, (0.1, 1, 10, 100))
    return figure


# --- entropy and overlap -------------------------------------------------------------------------------------------


def _overlap_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    model = rp.Perceptron(weights="binary")
    progress("entropy and overlap", 0, 1)
    limit = rp.capacity(model)
    # the capacity itself is a point, so that the line ends where it should
    alpha = np.sort(np.append(np.linspace(0, 1.2, 121), limit.value))
    rows = [
        {"alpha": p["alpha"]}
        | numbers(p, ("entropy", "q"))
        | {"stable": p["stable"], "status": p["status"], "alpha_c": limit.value, "alpha_c_error": limit.error}
        for p in rp.solve(model, alpha=alpha).points()
    ]
    return table(rows)


def _overlap_draw(columns: Columns, narrow: bool = False) -> Any:
    c = {k: np.array(v) for k, v in columns.items()}
    with dr.style():
        figure, axes = dr.panels(2, narrow)
        limit = float(c["alpha_c"][0])
        for ax, column, color, title in zip(axes, ("entropy", "q"), (dr.BLUE, dr.GREEN), ("a  entropy", "b  overlap")):
            dr.line(ax, c["alpha"], c[column], c["alpha"] <= limit, color)
            dr.mark(ax, limit, rf"$\alpha_c={limit:.3f}$")
            ax.set_title(title, loc="left")
            ax.set_xlim(0, 1.2)
            ax.set_xlabel(dr.LABELS["alpha"])
            ax.set_ylabel(dr.LABELS[column])
        axes[0].axhline(0, color=dr.BLACK, linewidth=0.6)
        axes[0].annotate(r"$\ln 2$", (0, np.log(2)), xytext=(8, 3), textcoords="offset points", fontsize=8)
        axes[1].set_ylim(0, 1)
    return figure


# --- entropies -----------------------------------------------------------------------------------------------------

STORED = {  # weights: color, last load drawn
    "discrete:-2,-1,1,2": (dr.PURPLE, 1.6),
    "ternary": (dr.GREEN, 1.5),
    "binary": (dr.VERMILLION, 1.2),
    "spherical": (dr.BLUE, 2.0),
}
STUDENTS = {"ternary": dr.GREEN, "binary": dr.VERMILLION, "spherical": dr.BLUE}
NAMES = {"discrete:-2,-1,1,2": "±1, ±2"}
LEARNT = 3.2  # load up to which students are drawn
BOTTOM = -1.0  # entropy down to which lines are drawn
NEAR = 0.4  # loads below the spinodal over which points are dense: the branch ends there with infinite slope


def _entropies_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    rows: list[dict[str, Any]] = []
    for i, (weights, (_, last)) in enumerate(STORED.items()):
        progress("entropies", i, len(STORED) + len(STUDENTS))
        model = rp.Perceptron(weights)
        limit = rp.capacity(model)
        alpha = np.unique(np.concatenate([np.linspace(0, last, 81)[: -1 if weights == "spherical" else None], [limit.value][: weights != "spherical"]]))
        rows += [_entropy_row("storage", weights, p) for p in rp.solve(model, alpha).points()]
        rows.append(_mark_row("storage", weights, "alpha_c", limit.value, limit.error))
    for i, weights in enumerate(STUDENTS):
        progress("entropies", len(STORED) + i, len(STORED) + len(STUDENTS))
        model = rp.Perceptron(weights, task="teacher-student")
        alpha = np.linspace(0, LEARNT, 81)
        if weights != "spherical":
            marks = rp.transitions(model)
            it, end = marks.alpha_it, marks.spinodal
            bend = end.value - NEAR * np.linspace(0, 1, 15)[1:] ** 2
            alpha = np.unique(np.concatenate([alpha[alpha < end.value], bend, [it.value, end.value - 1e-9]]))
            rows += [_mark_row("teacher-student", weights, name, one.value, one.error) for name, one in (("alpha_it", it), ("spinodal", end))]
        rows += [_entropy_row("teacher-student", weights, p) for p in rp.solve(model, alpha, branch="typical").points()]
    return table(rows)


def _entropy_row(task: str, weights: str, p: dict[str, Any]) -> dict[str, Any]:
    head = {"task": task, "weights": weights, "quantity": "entropy", "alpha": p["alpha"], "alpha_error": 0.0}
    return head | numbers(p, ("entropy", "q")) | {"dominant": p["dominant"], "status": p["status"]}


def _mark_row(task: str, weights: str, quantity: str, alpha: float, error: float) -> dict[str, Any]:
    head = {"task": task, "weights": weights, "quantity": quantity, "alpha": alpha, "alpha_error": error}
    return head | dict.fromkeys(("entropy", "entropy_error", "q", "q_error", "dominant")) | {"status": "converged"}


def _entropies_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, (left, right) = dr.panels(2, narrow, 3.2)
        for weights, (color, _) in STORED.items():
            c = select(columns, task="storage", weights=weights, quantity="entropy")
            dr.line(left, c["alpha"], c["entropy"], c["status"] == "converged", color, NAMES.get(weights, weights))
            if weights != "spherical":
                left.plot(select(columns, task="storage", weights=weights, quantity="alpha_c")["alpha"], [0.0], "o", color=color, markersize=3.5, zorder=3)
        for weights, color in STUDENTS.items():
            c = select(columns, task="teacher-student", weights=weights, quantity="entropy")
            dr.line(right, c["alpha"], c["entropy"], c["dominant"].astype(bool), color)
            for quantity, fill in (("alpha_it", color), ("spinodal", "white")):
                at = select(columns, task="teacher-student", weights=weights, quantity=quantity)["alpha"]
                if at.size:
                    y = 0.0 if quantity == "alpha_it" else c["entropy"][-1]
                    right.plot(at, [y], "o", color=color, markerfacecolor=fill, markersize=3.5, zorder=3)
        left.set_title("a  storage, $\\kappa=0$", loc="left")
        right.set_title("b  students of a teacher", loc="left")
        left.set_xlim(0, 2)
        right.set_xlim(0, LEARNT)
        left.legend(loc="upper right")
        for ax in (left, right):
            ax.axhline(0, color=dr.BLACK, linewidth=0.6)
            ax.set_ylim(BOTTOM, 1.5)
            ax.set_xlabel(dr.LABELS["alpha"])
            ax.set_ylabel(dr.LABELS["entropy"])
    return figure


# --- distribution of local fields ----------------------------------------------------------------------------------


def _fields_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    u = np.linspace(0, 4, 201)
    rows = []
    for i, alpha in enumerate(LOADS):
        progress("local fields", i, len(LOADS))
        for p in rp.field_distribution(rp.solve(rp.Perceptron(weights="binary"), alpha=alpha), u).points():
            rows.append({"alpha": alpha, "u": p["u"], "density": number(p["density"]), "error": number(p["error"]), "status": p["status"]})
    return table(rows)


def _fields_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, (ax,) = dr.panels(1, narrow)
        for alpha, color in zip(dict.fromkeys(columns["alpha"]), (dr.SKY, dr.BLUE, dr.VERMILLION)):
            c = select(columns, alpha=alpha)
            dr.line(ax, c["u"], c["density"], True, color, rf"$\alpha = {alpha:g}$")
        ax.legend(loc="upper right")
        ax.set_xlim(0, 4)
        ax.set_ylim(0, None)
        ax.set_xlabel(dr.LABELS["u"])
        ax.set_ylabel(dr.LABELS["density"])
    return figure


# --- figures -------------------------------------------------------------------------------------------------------

CAPACITY = Figure(
    "Capacity against margin",
    r"""Critical load $\alpha_c(\kappa)$ of the perceptron that stores $P=\alpha N$ random patterns with $W\cdot\xi/\sqrt N\geq\kappa$;
    spherical weights: the load at which the overlap of two solutions $q\to1$; binary weights: at which their entropy $s=0$. Solid where
    the replica-symmetric saddle is stable at $\alpha_c$, dashed where it is not and the value is an upper bound; dotted, the de
    Almeida–Thouless line of the spherical perceptron, $\lambda_R=0$, below $\alpha_c$ for κ < 0. The binary line is stable throughout: its
    instability lies above $\alpha_c$.""",
    _capacity_data,
    _capacity_draw,
    ("spherical", "binary"),
)
OVERLAP = Figure(
    "Entropy and overlap of the binary perceptron",
    r"""Entropy $s=\lim N^{-1}\langle\log\#\{W:\ W\cdot\xi^\mu/\sqrt N\geq0\}\rangle$ of the solutions and overlap $q=W_1\cdot W_2/N$ of two of
    them against the load. The entropy vanishes at $\alpha_c$, the capacity; the dashed continuation has negative entropy and
    describes no solutions.""",
    _overlap_data,
    _overlap_draw,
    ("binary",),
)
ENTROPIES = Figure(
    "Entropies",
    r"""Entropy of the solutions per weight, κ = 0. Discrete weights are counted, $s(0)=\log|\{w\}|$, and a dot marks $s=0$, beyond which
    there are none (dashed); spherical ones are measured on the sphere, $s(0)=0$, and $s\to-\infty$ at $\alpha=2$. On the right students that
    agree with a noise-free teacher: a discrete teacher itself has $s=0$, so that it takes over at the dots, $\alpha_{\mathrm{IT}}$; students that know
    less persist, metastable, up to the spinodal (open circles).""",
    _entropies_data,
    _entropies_draw,
    ("binary", "spherical", "binary-teacher", "spherical-teacher"),
)
FIELDS = Figure(
    "Local fields of typical solutions",
    r"""Density $P(u)=\langle\delta(u-W\cdot\xi/\sqrt N)\rangle$ of the local field of a stored pattern over the solutions of the binary
    perceptron, κ = 0.""",
    _fields_data,
    _fields_draw,
    ("binary",),
)
