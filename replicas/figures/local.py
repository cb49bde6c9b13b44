"""Figures of the geometry of solutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import drawing as dr
from .figure import Columns, Figure, Progress, number, plain_ticks, select, silent, table

# --- the stochastic perceptron -------------------------------------------------------------------------------------

LOAD, BETA = 0.55, 20.0
NORMS = np.round(np.concatenate([np.geomspace(0.01, 0.09, 9), np.linspace(0.1, 0.8, 29), np.linspace(0.81, 0.99, 19), [0.995, 0.998, 0.999]]), 3)
SMALLEST = 1e-9  # error fraction that is drawn
DISTANCE = "Hamming distance $d$"
BOUND = "all configurations, $H_2(d)$"
LOCAL = r"local entropy $S_{\mathrm{I}}$"


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


ABSCISSAE = ("distance", "overlap")
SYMBOLS = {"alpha": r"$\alpha$", "kappa": r"$\kappa$", "beta": r"$\beta$", "q_star": r"$q_\ast$", "y": "$y$"}
NAMES = {
    "distance": DISTANCE,
    "overlap": "overlap $q_1$",
    "y": "inverse temperature $y$",
    "entropy": r"entropy per weight $S_{\mathrm{FP}}$",
    "local_entropy": LOCAL,
}

# --- entropy around three references ----------------------------------------------------------------------------------

SHARES = (0.7, 0.8, 0.9)  # q* of the stochastic perceptron
FAR = np.round(np.concatenate([[0.0125, 0.015, 0.0175], np.linspace(0.02, 0.08, 9)[:-1], np.linspace(0.08, 0.5, 29)]), 4)
CLOSE = np.round([1e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 1.2e-3, 1.5e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3, 7.5e-3, 1e-2], 7)
EVERYWHERE = np.unique(np.concatenate([CLOSE, FAR, np.round(np.linspace(0.005, 0.5, 100), 3)]))
TOP = 0.4  # of the entropies that are drawn
SHIFT: dict[float | None, float] = {0.7: -4.0, 0.9: 4.0}  # points by which names of lines that end side by side are moved apart
COLORS = {
    ("typical", None): dr.BLUE,
    ("spherical", None): dr.GREEN,
    ("stochastic", 0.7): dr.ORANGE,
    ("stochastic", 0.8): dr.PURPLE,
    ("stochastic", 0.9): dr.VERMILLION,
}


def _numbers(p: dict[str, Any], names: tuple[str, ...]) -> dict[str, float]:
    """Each number and its error."""
    return {
        column: value
        for name in names
        for column, value in ((name, number(p.get(name))), (f"{name}_error", number((p.get("errors") or {}).get(name))))
    }


def _verdict(p: dict[str, Any]) -> dict[str, str]:
    return {"status": p["status"], "message": p["message"]}


def _references_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    model, distances = rp.Perceptron(weights="binary"), np.concatenate([CLOSE, FAR])
    nothing = dict.fromkeys(("reference", "q_star", "beta"))
    asked = [nothing, *(nothing | {"reference": kind} for kind in ("typical", "spherical"))]
    asked += [{"reference": "stochastic", "q_star": q_star, "beta": BETA} for q_star in SHARES]
    rows = []
    for i, given in enumerate(asked):
        progress("entropy around references", i, len(asked))
        bound = given["reference"] is None
        about = {k: v for k, v in given.items() if v is not None}
        found = rp.franz_parisi(model, 0.0 if bound else LOAD, EVERYWHERE if bound else distances, **about)
        head = {"quantity": "bound" if bound else "entropy", **given, "alpha": 0.0 if bound else LOAD}
        rows += [
            head | {"distance": p["distance"], "distance_error": 0.0} | _numbers(p, ("entropy", "slope", "q", "t", "p")) | _verdict(p)
            for p in found.points()
        ]
        if not bound:
            zero = rp.isolation(model, LOAD, **about)
            rows.append(
                dict.fromkeys(rows[0])
                | head
                | {"quantity": "isolation", "distance": number(zero.value), "distance_error": number(zero.error), "entropy": 0.0}
                | _verdict(zero.to_dict())
            )
    return table(rows)


def _references_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, (left, right) = dr.panels(2, narrow, 3.2)
        for (kind, q_star), color in COLORS.items():
            c = select(columns, quantity="entropy", reference=kind, q_star=q_star)
            zero = select(columns, quantity="isolation", reference=kind, q_star=q_star)
            if zero["status"][0] == "converged":  # a point of the line
                order = np.argsort(np.append(c["distance"], zero["distance"]))
                c = {k: np.append(c[k], zero[k])[order] for k in c}
            solid, entropy = _answered(c, "entropy")
            share = entropy / _binary_entropy(c["distance"].astype(float))
            _end(right, c, share, color)
            for ax, y in ((left, entropy), (right, share)):
                dr.line(ax, c["distance"], y, solid, color)
                ax.plot(zero["distance"], zero["entropy"], "o", color=color, markersize=3.5, zorder=3)
            text = kind if q_star is None else rf"$q_\ast={q_star:g}$"
            dr.name(left, c["distance"][-1], entropy[-1], text, color, xytext=(4, SHIFT.get(q_star, 0)), va="center", annotation_clip=False)
        bound = select(columns, quantity="bound")
        inside = bound["entropy"] < TOP
        left.plot(bound["distance"][inside], bound["entropy"][inside], color=dr.BLACK, linewidth=0.9)
        dr.name(left, bound["distance"][inside][-1], bound["entropy"][inside][-1], BOUND, dr.BLACK, xytext=(5, -2))
        right.axhline(1, color=dr.BLACK, linewidth=0.9)
        for ax in (left, right):
            ax.axhline(0, color=dr.BLACK, linewidth=0.6)
            ax.set_xlabel(DISTANCE)
        left.set_xlim(0, 0.5)
        left.set_ylim(-0.05, TOP)
        left.set_ylabel(NAMES["entropy"])
        left.set_title(f"a  $\\alpha={LOAD:g}$, $\\kappa=0$", loc="left")
        _distances(right, CLOSE[0], 0.5)
        right.set_ylim(-0.5, 1.1)
        right.set_ylabel(r"$S_{\mathrm{FP}}\,/\,H_2(d)$")
        right.set_title("b  divided by the bound", loc="left")
    return figure


def _answered(c: dict[str, np.ndarray], column: str) -> tuple[np.ndarray, np.ndarray]:
    """Where a line is solid, and its ordinates with gaps where there is no answer."""
    status = c["status"]
    return status == "converged", np.where(np.isin(status, ("converged", "unphysical")), c[column].astype(float), np.nan)


def _binary_entropy(d: np.ndarray) -> np.ndarray:
    return -d * np.log(d) - (1 - d) * np.log1p(-d)


# --- densest surroundings -----------------------------------------------------------------------------------------------

STORED = (0.2, 0.4, 0.6, 0.7, 0.8)
DENSE = np.sort(
    [*(0.003, 0.005, 0.008, 0.012, 0.018, 0.025, 0.035, 0.05, 0.053, 0.06, 0.07, 0.09, 0.12, 0.15, 0.18, 0.2, 0.25, 0.3), *(0.164, 0.193, 0.222, 0.28, 0.35)]
)
WIDTH = 2e-3  # relative error of what is drawn divided by the bound: the width of a line


def _dense_rows(model: Any, alpha: Any, distance: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    import replicas as rp

    found = rp.local_entropy(model, alpha, distance)
    return [
        {"alpha": p["alpha"], "distance": p["distance"]} | _numbers(p, names) | _verdict(p)
        for p in found.points()
    ]


def _densest_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    rows = []
    for i, alpha in enumerate((0.0, *STORED)):
        progress("local entropy", i, 1 + len(STORED))
        rows += _dense_rows(rp.Perceptron(weights="binary"), alpha, DENSE, ("local_entropy", "external_entropy", "y", "slope"))
    return table(rows)


def _densest_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, (left, right) = dr.panels(2, narrow, 3.2)
        for alpha, color in zip(STORED, dr.CYCLE):
            c = select(columns, alpha=alpha)
            solid, entropy = _answered(c, "local_entropy")
            share = np.where(c["local_entropy_error"] < WIDTH * entropy, entropy / _binary_entropy(c["distance"]), np.nan)
            for ax, y in ((left, entropy), (right, share)):
                dr.line(ax, c["distance"], y, solid, color)
                _end(ax, c, y, color)
            _load(left, c, entropy, alpha, color, xytext=(4, -1), va="center")
            _load(right, c, share, alpha, color, xytext=(0, -5), va="top", ha="center")
        bound = select(columns, alpha=0.0)
        left.plot(bound["distance"], bound["local_entropy"], color=dr.BLACK, linewidth=0.9)
        dr.name(left, bound["distance"][-1], bound["local_entropy"][-1], BOUND, dr.BLACK, xytext=(0, 4), ha="right")
        right.axhline(1, color=dr.BLACK, linewidth=0.9)
        for ax in (left, right):
            ax.set_xlabel(DISTANCE)
            ax.set_ylim(0, None)
        left.set_xlim(0, 0.45)
        left.set_ylabel(LOCAL)
        left.set_title(r"a  $\kappa=0$", loc="left")
        _distances(right, DENSE[0], 0.5)
        right.set_ylabel(r"$S_{\mathrm{I}}\,/\,H_2(d)$")
        right.set_title("b  divided by the bound", loc="left")
    return figure


def _load(ax: Any, c: dict[str, np.ndarray], y: np.ndarray, alpha: float, color: str, **where: Any) -> None:
    """The load at the far end of a line."""
    last = np.flatnonzero(np.isfinite(y))[-1]
    dr.name(ax, c["distance"][last], y[last], rf"$\alpha={alpha:g}$", color, **where)


def _distances(ax: Any, low: float, high: float) -> None:
    """A logarithmic axis of distances."""
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ticks = (1e-4, 1e-3, 0.01, 0.1) if low < 1e-3 else (1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3)
    plain_ticks(ax.xaxis, [tick for tick in ticks if low <= tick <= high])


# --- densest surroundings of a teacher's students ---------------------------------------------------------------------

LEARNT = np.array([0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.05, 1.08, 1.1, 1.105, 1.11, 1.115, 1.12, 1.16, 1.2, 1.24])
EVERY = np.unique(np.concatenate([LEARNT, np.round(np.linspace(0, 1.24, 63), 3)]))  # loads of the typical solutions
AROUND = (0.02, 0.05)
SHOWN = 0.02  # distance whose errors are drawn
SURROUNDINGS = (0.6, 0.9, 1.1, 1.2)
SPREAD = np.round(np.concatenate([[0.01, 0.015], np.linspace(0.02, 0.16, 15)]), 3)


def _cluster_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    student = rp.Perceptron(weights="binary", task="teacher-student")
    names = ("local_entropy", "external_entropy", "y", "eps_reference", "eps_solutions")
    progress("dense clusters", 0, 3)
    rows = [{"quantity": "errors"} | row for row in _dense_rows(student, LEARNT[:, None], np.array(AROUND), names)]
    progress("dense clusters", 1, 3)
    rows += [{"quantity": "entropy"} | row for row in _dense_rows(student, np.array((0.0, *SURROUNDINGS))[:, None], SPREAD, names)]
    progress("dense clusters", 2, 3)
    columns = ("eps_gibbs", "eps_bayes")
    blank = dict.fromkeys(rows[0])
    for row in rows:
        row |= dict.fromkeys(c for name in columns for c in (name, f"{name}_error"))
    for p in rp.generalization(student, EVERY).points():
        if p["branch"] == "typical":
            rows.append(blank | {"quantity": "typical", "alpha": p["alpha"]} | _numbers(p, columns) | _verdict(p))
    mark = rp.transitions(student).alpha_it
    rows.append(dict.fromkeys(rows[0]) | {"quantity": "alpha_it", "alpha": mark.value, "status": "converged"})
    return table(rows)


def _cluster_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, (left, right) = dr.panels(2, narrow, 3.2)
        typical = select(columns, quantity="typical")
        dense = select(columns, quantity="errors", distance=SHOWN)
        left.plot(typical["alpha"], typical["eps_gibbs"].astype(float), color=dr.BLACK, label="typical solution")
        for column, color, text in (("eps_solutions", dr.BLUE, "solution in a dense cluster"), ("eps_reference", dr.VERMILLION, "centre of the cluster")):
            solid, eps = _answered(dense, column)
            dr.line(left, dense["alpha"], eps, solid, color, text)
            _end(left, dense, eps, color)
        left.plot(typical["alpha"], typical["eps_bayes"].astype(float), color=dr.GREEN, label="Bayes")
        dr.mark(left, float(select(columns, quantity="alpha_it")["alpha"][0]), r"$\alpha_{\mathrm{IT}}$", at=0.97)
        left.legend(loc="lower left")
        left.set_xlim(0, 1.35)
        left.set_ylim(0.1, 0.5)
        left.set_xlabel(dr.LABELS["alpha"])
        left.set_ylabel(dr.LABELS["eps_g"])
        left.set_title(f"a  $d={SHOWN:g}$", loc="left")
        for alpha, color in zip(SURROUNDINGS, (dr.SKY, dr.BLUE, dr.PURPLE, dr.VERMILLION)):
            c = select(columns, quantity="entropy", alpha=alpha)
            solid, entropy = _answered(c, "local_entropy")
            dr.line(right, c["distance"], entropy, solid, color)
            _end(right, c, entropy, color)
            _load(right, c, entropy, alpha, color, xytext=(4, 0), va="center")
        bound = select(columns, quantity="entropy", alpha=0.0)
        right.plot(bound["distance"], bound["local_entropy"], color=dr.BLACK, linewidth=0.9)
        dr.name(right, bound["distance"][-1], bound["local_entropy"][-1], BOUND, dr.BLACK, xytext=(0, 4), ha="right")
        right.set_xlim(0, 0.2)
        plain_ticks(right.xaxis, (0, 0.05, 0.1, 0.15, 0.2))
        right.set_ylim(0, None)
        right.set_xlabel(DISTANCE)
        right.set_ylabel(LOCAL)
        right.set_title("b  solutions around the centre", loc="left")
    return figure


def _end(ax: Any, c: dict[str, np.ndarray], y: np.ndarray, color: str) -> None:
    """Open circles at the last points of a line whose branch ends before the points that were asked for."""
    lost, found = c["status"] == "branch-ended", np.isfinite(y)
    beside = found & (np.append(lost[1:], False) | np.append(False, lost[:-1]))
    x = c["distance"] if np.ptp(c["distance"]) else c["alpha"]
    ax.plot(x[beside], y[beside], "o", color=color, markersize=3.5, markerfacecolor="white", zorder=3)


# --- results of the user ------------------------------------------------------------------------------------------------


def draw(result: Any, ax: Any = None, **style: Any) -> Any:
    """Draw the headline entropy of a `LocalResult` against distance or overlap, and return the axes.

    Solid where converged, dashed where unphysical, with a gap where there is no answer or an order parameter jumps. One
    line for each combination of the other numbers; ``style`` goes to every line. Raises ValueError for a single point.
    """
    if not result.shape:
        raise ValueError("result: got a single point; takes a sweep, such as rp.franz_parisi(model, 0.5, [0.1, 0.2])")
    shape = result.shape
    given = {k: np.broadcast_to(np.asarray(v), shape) for k in (*result.inputs, "y") if (v := getattr(result, k, None)) is not None}
    numeric = {k: v.astype(float) for k, v in given.items() if k != "reference"}
    varying = [k for k in dict.fromkeys((*ABSCISSAE, *numeric)) if k in numeric and np.unique(numeric[k][~np.isnan(numeric[k])]).size > 1]
    x = next(k for k in (*varying, *ABSCISSAE) if k in numeric)
    others = [k for k in varying if k not in (x, "y")]
    places = list(zip(*(numeric[k].ravel() for k in (x, *others))))
    if len(set(places)) < len(places):  # y was given; S_E = 0 has one y a point
        others += ["y"] * ("y" in varying)
    abscissa = numeric[x].ravel()
    keys = [", ".join(f"{SYMBOLS.get(k, k)} = {numeric[k].flat[i]:g}" for k in others) for i in range(abscissa.size)]
    entropy = np.broadcast_to(np.asarray(getattr(result, result.headline), dtype=float), shape).ravel()
    status = np.broadcast_to(result.status, shape).ravel()
    jump = np.array([bool(v) for v in np.broadcast_to(np.asarray(result.jump, dtype=object), shape).ravel()])
    entropy = np.where(np.isin(status, ("converged", "unphysical")) & ~jump, entropy, np.nan)
    with dr.style():
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(dr.SINGLE, 2.9)).add_subplot()
        for i, key in enumerate(dict.fromkeys(keys)):
            at = np.flatnonzero([k == key for k in keys])
            at = at[np.argsort(abscissa[at], kind="stable")]
            before = len(ax.get_lines())
            dr.line(ax, abscissa[at], entropy[at], status[at] == "converged", dr.CYCLE[i % len(dr.CYCLE)], key or None)
            for one in ax.get_lines()[before:]:
                one.set(**style)
        if any(keys):
            ax.legend(loc="best")
        ax.set_xlabel(NAMES.get(x, dr.LABELS.get(x, x)))
        ax.set_ylabel(NAMES[result.headline])
    return ax


# --- figures ----------------------------------------------------------------------------------------------------------

ENERGY = Figure(
    "Errors of binarised magnetizations",
    r"""Share $E(q_*)$ of the patterns that $\mathrm{sign}(m)$ gets wrong; $m$ are magnetizations of the stochastic perceptron,
    $|m|^2=q_*N$, drawn with weight $\prod_\mu H(-u_\mu/\sqrt{1-q_*})^\beta$, $u=m\cdot\xi/\sqrt N$. Towards $q_*=1$ they become binary and
    their errors vanish: a stochastic perceptron that is slowly made deterministic is led to solutions. The replica-symmetric saddle is
    stable throughout.""",
    _energy_data,
    _energy_draw,
    ("stochastic",),
)
REFERENCES = Figure(
    "Solutions around three references",
    r"""Franz–Parisi entropy $S_{\mathrm{FP}}(d)=\lim N^{-1}\langle\log\#\{W:\ d(W,\tilde W)=d\}\rangle_{\tilde W}$ of the solutions $W$ at Hamming distance $d$
    per weight from a typical solution of the binary perceptron, from the sign of a typical one of the spherical perceptron, and from the sign of a
    typical state of the stochastic perceptron at β = 20. Dots: the entropy vanishes; below that distance (dashed) there are no solutions,
    typical ones are isolated. Around the stochastic ones solutions are the denser the closer $q_*$ is to 1. Open circles: the
    replica-symmetric branch ends.""",
    _references_data,
    _references_draw,
    ("franz-parisi", "franz-parisi-spherical", "franz-parisi-stochastic"),
)
DENSEST = Figure(
    "The densest surroundings",
    r"""Local entropy $S_{\mathrm{I}}(d)=\partial_y\phi$ of the solutions at distance $d$ from the configurations $\tilde W$ that have most of them,
    $\phi(y)=\lim N^{-1}\langle\log\sum_{\tilde W}\mathcal{N}(\tilde W,d)^y\rangle$, at the edge of existence of such configurations: their entropy
    $S_{\mathrm{E}}=\phi-yS_{\mathrm{I}}$ is zero. Lines end where typical solutions lie that far from the sign of their mean, and in an open circle where the
    branch ends: beyond $\alpha_U$, 0.767, clusters do not reach down to $d=0$.""",
    _densest_data,
    _densest_draw,
    ("local-entropy",),
)
CLUSTER = Figure(
    "What dense clusters know of a teacher",
    r"""Binary perceptron that learns from a binary teacher, below perfect learning at $\alpha_{\mathrm{IT}}$. Left, the configuration that has
    most solutions at $d=0.02$ around it, and these solutions, generalize better than typical solutions, $\epsilon=\arccos(R)/\pi$ with the
    overlap $R$ of each with the teacher; Bayes is the optimum. Right, their local entropy $S_{\mathrm{I}}(d)$ at $S_{\mathrm{E}}=0$. Open circles:
    the branch ends, here before $\alpha_{\mathrm{IT}}$.""",
    _cluster_data,
    _cluster_draw,
    ("local-entropy-teacher", "binary-teacher"),
)
