"""Figures of tree machines: capacity of the committee against its number of units, and what committees learn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import drawing as dr
from .figure import Columns, Figure, Progress, number, plain_ticks, select, silent, table

UNITS = tuple(range(1, 102, 2))
STEPPED = (1, 3, 5, 7)  # units of the one-step capacities: seconds for seven, a minute for nine
TERMS = (1, 2, 3, 4)  # at which the series is cut off
SERIES = dict(zip(TERMS, (dr.SKY, dr.GREEN, dr.ORANGE, dr.PURPLE)))
FIRST_TERMS = {1: r"$\sqrt{72K/\pi}$", 2: r"$\sqrt{72K/\pi}-9$", 3: "three terms", 4: "four terms"}
END = 2.2  # load up to which perfect learning is drawn
UNSTABLE = 7  # points of the branch between the two stable ones
THIN = 0.8  # of the Bayes curves
LEARNERS = {
    "perceptron": ("perceptron, $K=1$", dr.BLACK),
    "committee K=3": ("committee, $K=3$", dr.BLUE),
    "parity K=2": ("parity, $K=2$", dr.VERMILLION),
}


# --- capacity against the number of units -----------------------------------------------------------------------------


def _capacity_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    from ..symbolic.majority_series import K as UNIT_SYMBOL
    from ..symbolic.majority_series import capacity_series

    asked = [("rs", K) for K in UNITS] + [("1rsb", K) for K in STEPPED] + [("krsb", 3)]
    rows = []
    for i, (ansatz, K) in enumerate(asked):
        progress("capacity of committees", i, len(asked))
        found = rp.capacity(rp.TreeCommittee(K, "spherical"), ansatz)
        rows.append(_capacity_row(ansatz, K, number(found.value), number(found.error), found.status))
    for terms in TERMS:
        series = capacity_series(terms).removeO()
        rows += [
            _capacity_row(f"series-{terms}", K, float(series.subs(UNIT_SYMBOL, K)), float("nan"), "asymptotic")
            for K in UNITS
        ]
    return table(rows)


def _capacity_row(quantity: str, K: int, alpha: float, error: float, status: str) -> dict[str, Any]:
    return {"quantity": quantity, "K": K, "alpha": alpha, "error": error, "status": status}


def _capacity_draw(columns: Columns, narrow: bool = False) -> Any:
    exact = select(columns, quantity="rs")
    with dr.style():
        figure, (left, right) = dr.panels(2, narrow, 3.3)
        for terms, color in SERIES.items():
            c = select(columns, quantity=f"series-{terms}")
            positive = np.where(c["alpha"] > 0, c["alpha"], np.nan)
            off = np.abs(c["alpha"] / exact["alpha"] - 1)
            if terms <= 2:
                left.plot(c["K"], positive, color=color, linestyle=dr.DASHED, linewidth=1.1)
            right.plot(c["K"], off, color=color, marker=".", markersize=3, linewidth=1.1)
        for quantity, color, marker, size, label in (
            ("rs", dr.BLUE, "o", 2.6, "RS, an upper bound for $K>1$"),
            ("1rsb", dr.VERMILLION, "D", 5.4, "one step"),
            ("krsb", dr.BLACK, "x", 3.6, "two steps"),
        ):
            c = select(columns, quantity=quantity)
            open_ = {"markerfacecolor": "none"} if quantity == "1rsb" else {}
            left.plot(c["K"], c["alpha"], marker, color=color, markersize=size, label=label, **open_)
        _name_left(left, columns)
        _name_right(right, columns)
        left.legend(loc="upper left")
        left.set_ylabel(dr.LABELS["value"])
        right.set_ylabel("relative error of the series")
        left.set_title("a  tree committee, spherical weights", loc="left")
        right.set_title("b  its RS series cut off", loc="left")
        for ax in (left, right):
            ax.set_xscale("log")
            ax.set_yscale("log")
            ax.set_xlabel("units $K$")
            ax.set_xlim(0.85, 130 if ax is left else 260)  # the names of the series stand at their ends
            plain_ticks(ax.xaxis, (1, 3, 10, 30, 100))
        left.set_ylim(1.4, 70)
        plain_ticks(left.yaxis, (2, 5, 10, 20, 50))
    return figure


def _name_left(ax: Any, columns: Columns) -> None:
    for terms, at, where in ((1, 11, {"xytext": (-4, 5), "ha": "right"}), (2, 21, {"xytext": (4, -10)})):
        c = select(columns, quantity=f"series-{terms}", K=at)
        dr.name(ax, at, float(c["alpha"][0]), FIRST_TERMS[terms], SERIES[terms], **where)


def _name_right(ax: Any, columns: Columns) -> None:
    exact = {int(K): a for K, a in zip(*(select(columns, quantity="rs")[k] for k in ("K", "alpha")))}
    for terms, color in SERIES.items():
        c = select(columns, quantity=f"series-{terms}", K=101)
        text = f"{terms} term" + ("s" if terms > 1 else "")
        dr.name(ax, 101, abs(float(c["alpha"][0]) / exact[101] - 1), text, color, xytext=(5, 0), va="center")
    two = float(select(columns, quantity="series-2", K=3)["alpha"][0])
    ax.axhline(1, color=dr.BLACK, linewidth=0.6)
    ax.annotate(
        rf"two terms give ${two:.2f}$ at $K=3$",
        (3, abs(two / exact[3] - 1)),
        xytext=(8, 8),
        textcoords="offset points",
        color=SERIES[2],
        fontsize=8,
    )


# --- learning ---------------------------------------------------------------------------------------------------------


def _learning_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    task = "teacher-student"
    rows: list[dict[str, Any]] = []
    threshold = math.pi**2 / 8  # of the parity of two units: R = 0 below
    smooth = np.concatenate([np.geomspace(0.1, 1, 8), np.geomspace(1.2, 5, 14), [6.3, 8, 10]])
    above = np.concatenate([threshold * (1 + np.linspace(0.05, 0.8, 12) ** 2), [2.3, 2.8, 3.5, 5, 7, 10]])
    parity = rp.TreeParity(2, "spherical", task=task)
    asked = (
        ("perceptron", rp.Perceptron("spherical", task=task), np.geomspace(0.1, 10, 41)),
        ("committee K=3", rp.TreeCommittee(3, "spherical", task=task), smooth),
        ("parity K=2", parity, np.array([0.1, 0.6, threshold * (1 - 1e-6)])),
        ("parity K=2", parity, above),
    )
    for i, (machine, model, alpha) in enumerate(asked):
        progress("what committees learn", i, 6)
        rows += _error_rows(rp.generalization(model, alpha), machine, "spherical")
    for i, (machine, model) in enumerate(
        (
            ("perceptron", rp.Perceptron("binary", task=task)),
            ("committee K=3", rp.TreeCommittee(3, "binary", task=task)),
        )
    ):
        progress("what committees learn", 4 + i, 6)
        rows += _binary_rows(machine, model)
    return table(rows)


def _error_rows(curve: Any, machine: str, weights: str) -> list[dict[str, Any]]:
    """One row for each kind of error of each point; R and its error stand with both."""
    return [
        _learning_row(machine, weights, column.removeprefix("eps_"), p["branch"], p["alpha"])
        | {
            "value": float(p[column]),
            "error": number(p["errors"][column]),
            "R": float(p["R"]),
            "R_error": number(p["errors"]["R"]),
            "dominant": p["dominant"],
            "status": p["status"],
        }
        for p in curve.points()
        for column in ("eps_gibbs", "eps_bayes")
        if p["R"] is not None
    ]


def _learning_row(machine: str, weights: str, quantity: str, branch: Any, alpha: float) -> dict[str, Any]:
    rest = dict.fromkeys(("value", "error", "R", "R_error", "dominant"))
    return {
        "machine": machine,
        "weights": weights,
        "quantity": quantity,
        "branch": branch,
        "alpha": alpha,
        **rest,
        "status": "converged",
    }


def _binary_rows(machine: str, model: Any) -> list[dict[str, Any]]:
    """The typical branch up to its fold, perfect learning from the transition on, and both thresholds."""
    import replicas as rp

    marks = rp.transitions(model)
    it, fold = marks.alpha_it, marks.spinodal
    # the approach to the fold, where the branch turns back with infinite slope, is dense
    near = fold.value - 0.35 * np.linspace(0, 1, 12)[1:] ** 2
    alpha = np.unique(
        np.concatenate([0.9 * it.value * np.linspace(0.05, 1, 14) ** 2, near, [it.value, fold.value - 1e-7]])
    )
    rows = _error_rows(rp.generalization(model, alpha, branch="typical"), machine, "binary")
    for row in rows:
        row["dominant"] = row["alpha"] <= it.value
    unstable = fold.value - (fold.value - it.value) * np.linspace(0, 1, UNSTABLE)[1:] ** 2
    every = _error_rows(rp.generalization(model, unstable, branch=None), machine, "binary")
    rows += [row for row in every if row["branch"] == "middle"]
    known = {"value": 0.0, "error": 0.0, "R": 1.0, "R_error": 0.0}
    for quantity in ("gibbs", "bayes"):
        for begin, end, dominant in ((0.0, it.value, False), (it.value, END, True)):
            both = known | {"dominant": dominant}
            rows += [_learning_row(machine, "binary", quantity, "perfect", a) | both for a in (begin, end)]
    for quantity, mark in (("alpha_it", it), ("spinodal", fold)):
        rows.append(_learning_row(machine, "binary", quantity, None, mark.value) | {"error": mark.error})
    return rows


def _learning_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, (left, right) = dr.panels(2, narrow, 3.2)
        for machine, (name, color) in LEARNERS.items():
            for quantity, width in (("gibbs", None), ("bayes", THIN)):
                c = select(columns, machine=machine, weights="spherical", quantity=quantity)
                left.plot(c["alpha"], c["value"], color=color, linewidth=width, label=None if width else name)
                c = select(columns, machine=machine, weights="binary", quantity=quantity, branch="typical")
                _pieces(right, c, color, width)
            c = select(columns, machine=machine, weights="binary", quantity="gibbs", branch="middle")
            order = np.argsort(c["alpha"])
            right.plot(c["alpha"][order], c["value"][order], color=color, linestyle=":", linewidth=1.0)
        for label, width in (("Gibbs", None), ("Bayes", THIN)):
            right.plot([], [], color=dr.BLACK, linewidth=width, label=label)
        right.plot([], [], color=dr.BLACK, linestyle=dr.DASHED, label="metastable")
        right.plot([], [], color=dr.BLACK, linestyle=":", linewidth=1.0, label="unstable")
        for machine, width in (("committee K=3", 3.0), ("perceptron", 1.2)):  # one over the other
            c = select(columns, machine=machine, quantity="gibbs", branch="perfect")
            best = c["dominant"].astype(bool)
            for where, linestyle in ((best, "-"), (~best, dr.DASHED)):
                look = {"color": LEARNERS[machine][1], "linewidth": width, "solid_capstyle": "butt"}
                right.plot(c["alpha"][where], c["value"][where], linestyle=linestyle, **look)
        for machine, height in (("committee K=3", 0.98), ("perceptron", 0.86)):
            for quantity, text in (("alpha_it", r"$\alpha_{\mathrm{IT}}$"), ("spinodal", r"$\alpha_{\mathrm{sp}}$")):
                at = float(select(columns, machine=machine, quantity=quantity)["alpha"][0])
                dr.mark(right, at, text, LEARNERS[machine][1], height)
        dr.name(right, END, 0.0, "perfect learning", dr.BLACK, xytext=(0, 4), ha="right")
        left.set_xscale("log")
        left.set_yscale("log")
        left.set_title("a  spherical weights", loc="left")
        right.set_title("b  binary weights", loc="left")
        plain_ticks(left.xaxis, (0.1, 0.3, 1, 3, 10))
        plain_ticks(left.yaxis, (0.05, 0.1, 0.2, 0.5))
        right.set_xlim(0, END)
        right.set_xticks([0, 0.5, 1, 1.5, 2])
        right.set_ylim(-0.012, 0.5)
        left.legend(loc="lower left")
        right.legend(loc="lower left", bbox_to_anchor=(0.0, 0.08))
        for ax in (left, right):
            ax.set_xlabel(dr.LABELS["alpha"])
            ax.set_ylabel(dr.LABELS["eps_g"])
    return figure


def _pieces(ax: Any, c: dict[str, np.ndarray], color: str, width: float | None) -> None:
    """The branch, solid where it is dominant and dashed where it is metastable."""
    if not c["alpha"].size:
        return
    before = len(ax.get_lines())
    dr.line(ax, c["alpha"], c["value"], c["dominant"].astype(bool), color)
    if width is not None:
        for drawn in ax.get_lines()[before:]:
            drawn.set_linewidth(width)


CAPACITY = Figure(
    "Capacity of the committee",
    r"""Critical load $\alpha_c=P/N$ of the tree committee $y=\mathrm{sign}\sum_{j=1}^{K}\mathrm{sign}(h_j)$ of $K$ sign units with spherical weights:
    the load at which solutions shrink to one, $q\to1$. Circles, replica symmetry; diamonds, one step of breaking; cross, two steps at $K=3$. For
    $K=1$ all agree. Dashed, the first and the first two terms of the series of the symmetric value in powers of $1/\sqrt K$; on the right
    its relative error when it is cut off. Two terms are negative at $K=3$, where they err by more than the capacity itself.""",
    _capacity_data,
    _capacity_draw,
    ("tree-committee",),
)
LEARNING = Figure(
    "What committees learn",
    r"""Generalization error $\epsilon=\mathrm{Prob}(y\neq y_T)$ of tree machines that learn from a teacher of their own kind, $\alpha=P/N$;
    thick, a typical student (Gibbs); thin, the vote of all (Bayes). Spherical weights learn smoothly, but the parity of two units learns
    nothing below $\alpha=\pi^2/8$. Binary weights jump to perfect learning at $\alpha_{\mathrm{IT}}$, where the entropy of the students is zero; the poor
    branch survives (dashed) up to its spinodal $\alpha_{\mathrm{sp}}$, where it meets an unstable one (dotted).""",
    _learning_data,
    _learning_draw,
    ("tree-teacher", "spherical-teacher", "binary-teacher"),
)
