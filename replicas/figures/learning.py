"""Figures of one layer that learns from a noise-free teacher: overlap and errors by rule, and the phases of discrete weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import drawing as dr
from .figure import Columns, Figure, Progress, number, numbers, plain_ticks, select, silent, table
from .phases import SHADES

TOP_ERROR = 0.5  # a student that has learnt nothing
NEAR = 0.4  # loads below the spinodal over which points are dense: branches meet there with infinite slope
BESIDE = 1e-9  # distance from the spinodal of the last point of the branches

# --- overlap and generalization error ------------------------------------------------------------------------------

RULES = {
    "gibbs": ("Gibbs", dr.BLUE),
    "bayes": ("Bayes", dr.GREEN),
    "hebb": ("Hebb", dr.ORANGE),
    "pseudo-inverse": ("pseudo-inverse", dr.PURPLE),
    "max-stability": ("maximum stability", dr.VERMILLION),
}


def _curves_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    rows: list[dict[str, Any]] = []
    spherical = rp.Perceptron(weights="spherical", task="teacher-student")
    # the pseudo-inverse rule has a cusp at alpha = 1
    alpha = np.unique(np.concatenate([np.geomspace(0.1, 20, 61), 1 + 0.3 * np.linspace(-1, 1, 21) ** 3]))
    for i, rule in enumerate(("gibbs-bayes", "hebb", "pseudo-inverse", "max-stability")):
        progress("generalization curves", i, 5)
        rows += _error_rows(rp.generalization(spherical, alpha, rule=rule), "spherical")
    progress("generalization curves", 4, 5)
    binary = rp.Perceptron(weights="binary", task="teacher-student")
    marks = rp.transitions(binary)
    begin = np.linspace(0, 0.1, 6) ** 2 * 10
    rows += _error_rows(rp.generalization(binary, loads(marks, np.concatenate([begin, np.linspace(0.15, 2.2, 42)]))), "binary")
    for quantity, mark in (("alpha_it", marks.alpha_it), ("spinodal", marks.spinodal)):
        head = {"weights": "binary", "quantity": quantity, "alpha": mark.value, "alpha_error": mark.error, "status": "converged"}
        rows.append(dict.fromkeys(rows[0]) | head)
    return table(rows)


def loads(marks: Any, grid: np.ndarray) -> np.ndarray:
    """A grid of loads with both thresholds, dense where the branches meet."""
    bend = marks.spinodal.value - NEAR * np.linspace(0, 1, 15)[1:] ** 2
    return np.unique(np.concatenate([grid, bend, [marks.alpha_it.value, marks.spinodal.value - BESIDE]]))


def _error_rows(result: Any, weights: str) -> list[dict[str, Any]]:
    """One row for each kind of generalization error of each point; R is that of the typical student, or of the rule."""
    rows = []
    for p in result.points():
        for column in ("eps_gibbs", "eps_bayes", "eps_g"):
            if p.get(column) is not None:
                quantity = p["rule"] if column == "eps_g" else column.removeprefix("eps_")
                head = {"weights": weights, "quantity": quantity, "branch": p["branch"], "alpha": p["alpha"], "alpha_error": 0.0}
                values = {"value": float(p[column]), "error": number(p["errors"][column]), **numbers(p, ("R",))}
                rows.append(head | values | {"dominant": p["dominant"], "status": p["status"]})
    return rows


def _curves_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, axes = dr.panels(4, narrow, 2.9)
        overlap, overlap_binary, error, error_binary = axes
        for rule, (label, color) in RULES.items():
            c = select(columns, weights="spherical", quantity=rule)
            dr.line(error, c["alpha"], c["value"], True, color, label)
            if rule != "bayes":
                dr.line(overlap, c["alpha"], c["R"], True, color, "typical student" if rule == "gibbs" else label)
        for rule in ("gibbs", "bayes"):
            label, color = RULES[rule]
            for branch, dashes in (("typical", dr.DASHED), ("middle", dr.DOTTED)):
                c = select(columns, weights="binary", quantity=rule, branch=branch)
                dominant = c["dominant"].astype(bool)
                dr.line(error_binary, c["alpha"], c["value"], dominant, color, dashes=dashes)
                if rule == "gibbs":
                    dr.line(overlap_binary, c["alpha"], c["R"], dominant, color, dashes=dashes)
                if branch == "typical":
                    dr.name(error_binary, 0.5, float(np.interp(0.5, c["alpha"], c["value"])), label, color, xytext=(4, 4))
        perfect = select(columns, weights="binary", quantity="gibbs", branch="perfect", dominant=True)
        for ax, column, where in ((overlap_binary, "R", {"xytext": (0, -4), "va": "top"}), (error_binary, "value", {"xytext": (0, 4)})):
            ax.plot(perfect["alpha"], perfect[column], color=dr.BLACK)
            dr.name(ax, 2.2, perfect[column][-1], "perfect learning", dr.BLACK, ha="right", **where)
            for quantity, text in (("alpha_it", r"$\alpha_{\mathrm{IT}}$"), ("spinodal", "spinodal")):
                dr.mark(ax, float(select(columns, quantity=quantity)["alpha"][0]), text, at=0.5 if column == "R" else 0.98)
            ax.set_xlim(0, 2.2)
        error.set_yscale("log")
        error.legend(loc="lower left")
        overlap.legend(loc="lower right")
        plain_ticks(error.yaxis, (0.02, 0.05, 0.1, 0.2, 0.5))
        error_binary.set_ylim(-0.012, TOP_ERROR)
        for ax in (overlap, error):
            ax.set_xscale("log")
            plain_ticks(ax.xaxis, (0.1, 1, 10))
        for ax, title in zip(axes, ("a  spherical student", "b  binary student", "c  spherical student", "d  binary student")):
            ax.set_title(title, loc="left")
            ax.set_xlabel(dr.LABELS["alpha"])
            ax.set_ylabel(dr.LABELS["R" if ax in (overlap, overlap_binary) else "eps_g"])
        for ax in (overlap, overlap_binary):
            ax.set_ylim(0, 1.02)
    return figure


# --- phases of discrete weights ------------------------------------------------------------------------------------

WEIGHTS = {"binary": "±1", "ternary": "0, ±1", "discrete:-2,-1,1,2": "±1, ±2"}
SEEN = 2.0  # load up to which the branches of binary weights are drawn
FREE = (0.95, 1.6)  # loads over which their free entropies are drawn
SLICES = {"1": 1.0, "alpha_it": None, "1.35": 1.35, "spinodal": None, "1.7": 1.7}  # loads of phi(R): one in every phase, and both thresholds
LAST_R = 0.9985  # overlap up to which phi(R) is averaged by the rule of the derivation to better than a line's width
PHASES = ("impossible", "hard", "easy")
DEEPER = 2.0  # times as strong the shades of the bars


def _phases_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    rows: list[dict[str, Any]] = []
    for i, weights in enumerate(WEIGHTS):
        progress("phases of discrete students", i, len(WEIGHTS) + 2)
        found = rp.transitions(rp.Perceptron(weights, task="teacher-student"))
        for quantity, mark in (("alpha_it", found.alpha_it), ("spinodal", found.spinodal)):
            rows.append(_phase_row(weights, quantity, "", mark.value, mark.error, "converged") | {"R": mark.order_parameters["R"]})
    model = rp.Perceptron("binary", task="teacher-student")
    marks = rp.transitions(model)
    progress("phases of discrete students", len(WEIGHTS), len(WEIGHTS) + 2)
    grid = np.concatenate([np.linspace(0, 0.1, 6) ** 2 * 10, np.linspace(0.15, SEEN, 38)])
    saddles = rp.solve(model, loads(marks, grid), branch="all").points()
    for p in saddles:
        one = {"q": p["q"], "free_entropy": p["free_entropy"], "replicon": p["replicon"], "errors": p["errors"]}
        values = numbers(one, ("q", "free_entropy", "replicon"))
        values = {k.replace("q", "R"): v for k, v in values.items()}  # Bayes-optimal and |W|^2 = N: q = R
        rows.append(_phase_row("binary", "branch", p["branch"], p["alpha"], 0.0, p["status"]) | values | {"dominant": p["dominant"], "stable": p["stable"]})
    progress("phases of discrete students", len(WEIGHTS) + 1, len(WEIGHTS) + 2)
    return table(rows + _landscape_rows(model, marks, saddles))


def _phase_row(weights: str, quantity: str, branch: str, alpha: float, error: float, status: str) -> dict[str, Any]:
    head = {"weights": weights, "quantity": quantity, "branch": branch, "alpha": alpha, "alpha_error": error}
    rest = dict.fromkeys(("R", "R_error", "free_entropy", "free_entropy_error", "replicon", "replicon_error", "dominant", "stable"))
    return {**head, **rest, "status": status}


def _landscape_rows(model: Any, marks: Any, saddles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """phi(R) at fixed loads, extremised over R_hat.

    R_hat depends on R alone, and every R is that of a saddle at a load of its own: the derived functional is evaluated there with
    the load changed. How far it is from the solver's free entropy at the saddle's own load is the error.
    """
    import replicas as rp

    functional = rp.derive(model).free_entropy
    known = sorted((p for p in saddles if p["branch"] in ("typical", "middle") and 0 < float(p["q"]) <= LAST_R), key=lambda p: float(p["q"]))
    rows = []
    for label, load in SLICES.items():
        alpha = load or float(getattr(marks, label).value)
        for p in known:
            at = {"q": float(p["q"]), "q_hat": float(p["q_hat"])}
            own = abs(functional(**at, alpha=p["alpha"]) - float(p["free_entropy"])) + number(p["errors"]["free_entropy"])
            values = {"R": at["q"], "R_error": 0.0, "free_entropy": functional(**at, alpha=alpha), "free_entropy_error": own}
            rows.append(_phase_row("binary", "landscape", label, alpha, 0.0, "converged") | values)
        ends = {"R": 1.0, "R_error": 0.0, "free_entropy": 0.0, "free_entropy_error": 0.0}
        rows.append(_phase_row("binary", "landscape", label, alpha, 0.0, "converged") | ends)
    return rows


def _phases_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, (left, middle, slices, bars) = dr.panels(4, narrow, 2.9)
        it, end = (float(select(columns, weights="binary", quantity=name)["alpha"][0]) for name in ("alpha_it", "spinodal"))
        _branches(left, columns, "R")
        _branches(middle, columns, "free_entropy")
        for ax, last in ((left, SEEN), (middle, FREE[1])):
            for phase, (low, high) in zip(PHASES, ((0, it), (it, end), (end, last))):
                color, alpha = SHADES[phase]
                ax.axvspan(low, high, color=color, alpha=alpha, linewidth=0)
            ax.set_xlabel(dr.LABELS["alpha"])
        left.set_xlim(0, SEEN)
        left.set_ylim(0, 1.03)
        left.set_ylabel(dr.LABELS["R"])
        left.set_title("a  overlap on every branch", loc="left")
        middle.set_xlim(*FREE)
        middle.set_ylim(-0.11, 0.14)
        middle.axhline(0, color=dr.BLACK, linewidth=0.4)
        middle.set_ylabel(dr.LABELS["free_entropy"])
        middle.set_title("b  their free entropies", loc="left")
        for x, phase in ((0.5 * it, "impossible"), (0.5 * (it + end), "hard"), (0.5 * (end + SEEN), "easy")):
            left.text(x, 0.04, phase, ha="center", fontsize=8)
        for x, phase in ((0.5 * (FREE[0] + it), "impossible"), (0.5 * (it + end), "hard"), (0.5 * (end + FREE[1]), "easy")):
            middle.text(x, -0.102, phase, ha="center", fontsize=8)
        dr.mark(left, it, r"$\alpha_{\mathrm{IT}}$", at=0.6)
        dr.mark(left, end, "spinodal", at=0.6)
        _slices(slices, columns)
        _bars(bars, columns)
    return figure


def _branches(ax: Any, columns: Columns, column: str) -> None:
    """Every branch: solid where it dominates, dashed where metastable, dotted where unstable."""
    for branch, color, dashes in (("typical", dr.BLUE, dr.DASHED), ("middle", dr.VERMILLION, dr.DOTTED), ("perfect", dr.BLACK, dr.DASHED)):
        c = select(columns, quantity="branch", branch=branch)
        order = np.argsort(c["alpha"], kind="stable")
        known = c[column][order].astype(float)
        dr.line(ax, c["alpha"][order], known, c["dominant"][order].astype(bool), color, dashes=dashes)
    if column == "free_entropy":
        looks: tuple[tuple[str, str, Any], ...] = (
            ("typical student", dr.BLUE, "-"),
            ("unstable", dr.VERMILLION, dr.DOTTED),
            ("the teacher, $R=1$", dr.BLACK, "-"),
        )
        for text, color, style in looks:
            ax.plot([], [], color=color, linestyle=style, label=text)
        ax.legend(loc="upper right")


def _slices(ax: Any, columns: Columns) -> None:
    """phi(R) at one load a line."""
    names = {"alpha_it": r"$\alpha_{\mathrm{IT}}$", "spinodal": "spinodal"}
    for label, color, at in zip(SLICES, (dr.SKY, dr.BLUE, dr.PURPLE, dr.ORANGE, dr.GREEN), (0.56, 0.62, 0.66, 0.7, 0.72)):
        c = select(columns, quantity="landscape", branch=label)
        ax.plot(c["R"], c["free_entropy"], color=color)
        y = float(np.interp(at, c["R"], c["free_entropy"]))
        dr.name(ax, at, y, names.get(label, rf"$\alpha={label}$"), color, xytext=(-2, 4), ha="right")
    ax.plot([1], [0], "o", color=dr.BLACK, markersize=3.5, clip_on=False, zorder=4)
    ax.axhline(0, color=dr.BLACK, linewidth=0.4)
    ax.set_xlim(0.4, 1)
    ax.set_ylim(-0.25, 0.13)
    ax.set_xlabel(dr.LABELS["R"])
    ax.set_ylabel(r"$\phi(R)$ at fixed load")
    ax.set_title("c  free entropy at overlap $R$", loc="left")


def _bars(ax: Any, columns: Columns) -> None:
    """Phases by weights."""
    last = 6.0
    for y, weights in enumerate(WEIGHTS):
        it, end = (float(select(columns, weights=weights, quantity=name)["alpha"][0]) for name in ("alpha_it", "spinodal"))
        for phase, (low, high) in zip(PHASES, ((0, it), (it, end), (end, last))):
            color, alpha = SHADES[phase]
            ax.barh(y, high - low, left=low, height=0.62, color=color, alpha=DEEPER * alpha, linewidth=0)
            if y == len(WEIGHTS) - 1:  # the colours say it on the others
                ax.text(0.5 * (low + high), y, phase, ha="center", va="center", fontsize=8 if high - low > 1 else 7)
        for x, ha in ((it, "right"), (end, "left")):
            ax.text(x, y + 0.35, f"{x:.3f}", ha=ha, va="bottom", fontsize=7)
    ax.set_yticks(range(len(WEIGHTS)), WEIGHTS.values())
    ax.set_ylim(-0.5, len(WEIGHTS) - 0.3)
    ax.set_xlim(0, last)
    ax.set_xlabel(dr.LABELS["alpha"])
    ax.set_ylabel("weights")
    ax.set_title("d  phases by weights", loc="left")


# --- figures -------------------------------------------------------------------------------------------------------

CURVES = Figure(
    "Learning from a teacher",
    r"""Overlap $R=W\cdot T/(|W||T|)$ of a student with its teacher and generalization error $\epsilon$, the probability of a wrong label, after
    $P=\alpha N$ noise-free examples. A typical student (Gibbs) has $\epsilon=\arccos(R)/\pi$, like any rule; the vote of all students (Bayes)
    $\arccos(\sqrt R)/\pi$. Solid, the dominant branch: binary weights jump to perfect learning at $\alpha_{\mathrm{IT}}$, and the poor branch survives (dashed)
    up to its spinodal, where it meets an unstable one (dotted).""",
    _curves_data,
    _curves_draw,
    ("spherical-teacher", "binary-teacher"),
)
PHASE_BRANCHES = Figure(
    "Phases of a discrete student",
    r"""Binary student of a binary teacher. Saddles of the free entropy $\phi$: a typical student with $R<1$, the teacher itself
    ($R=1$, $\phi=0$), and an unstable one between them. Up to $\alpha_{\mathrm{IT}}$, where $\phi=0$ on the typical branch, most students that agree
    with all examples are not the teacher: to find it is impossible. Beyond, the teacher is alone, but to one who starts from $R=0$ the
    metastable branch hides it: hard, up to the spinodal, $d\alpha/dR=0$, where that branch ends and message passing succeeds: easy.
    Panel c, $\phi$ extremised at fixed $R$: the barrier that vanishes at the spinodal. Panel d, the same phases for three and four values
    of the weights.""",
    _phases_data,
    _phases_draw,
    ("binary-teacher",),
)
