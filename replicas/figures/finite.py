"""Figures of finite N: everything that the validation measured over its theory, and the loads where learning algorithms stop."""

from __future__ import annotations

import json
import math
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from . import drawing as dr
from .figure import Columns, Figure, Progress, select, silent, table

VALIDATION = "validation.json"

# --- what the validation measured ----------------------------------------------------------------------------------

LINE, BELOW = 52, 30  # letters of a legend, points that it stands below the axes


def read_validation(path: Path | None) -> dict[str, Any]:
    """The results of ``python -m validation --output DIR``, or a one-line ValueError that says how to make them."""
    path = Path(VALIDATION) if path is None else path
    how = "make it in the checkout with: python -m validation --quick --output DIR"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        complete = all({"name", "series", "rows"} <= set(experiment) for experiment in report["experiments"])
    except OSError:
        raise ValueError(f"validation: cannot read {path}; takes the results of a validation run; {how}") from None
    except (ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise ValueError(f"validation: {path} holds something else; takes the results of a validation run; {how}")
    result: dict[str, Any] = report
    return result


def _finite_n_data(progress: Progress = silent, validation: Path | None = None) -> Columns:
    progress("finite N", 0, 1)
    rows = []
    for experiment in read_validation(validation)["experiments"]:
        for one in experiment["series"]:
            head = {"experiment": experiment["name"], "series": one["label"], "xlabel": one["xlabel"], "ylabel": one["ylabel"]}
            measured, theory = zip(one["x"], one["y"], one["yerr"]), zip(one["theory_x"], one["theory_y"])
            rows += [head | {"kind": "measured", "x": float(x), "y": float(y), "stderr": float(e)} for x, y, e in measured]
            rows += [head | {"kind": "theory", "x": float(x), "y": float(y), "stderr": 0.0} for x, y in theory]
    return table(rows)


def _finite_n_draw(columns: Columns, narrow: bool = False) -> Any:
    # a panel for each pair of axes of an experiment
    from matplotlib.transforms import ScaledTranslation

    every: Any
    shown = list(dict.fromkeys(zip(columns["experiment"], columns["xlabel"], columns["ylabel"])))
    with dr.style():
        figure, axes = dr.panels(len(shown), narrow, 2.7)
        for ax, (experiment, xlabel, ylabel) in zip(axes, shown):
            every = select(columns, experiment=experiment, xlabel=xlabel, ylabel=ylabel)
            drawn: set[tuple[float, ...]] = set()
            labels = list(dict.fromkeys(every["series"]))
            for i, series in enumerate(labels):
                _one_series(ax, select(every, series=series), _words(series), i, drawn)
            ax.set_title(experiment.replace("-", " "))
            ax.set_xlabel(_words(xlabel))
            ax.set_ylabel(_words(ylabel))
            # below the panel and no wider than it: beside data of every kind no place inside is free
            below = ax.transAxes + ScaledTranslation(0, -BELOW / 72, figure.dpi_scale_trans)
            ax.legend(loc="upper left", bbox_to_anchor=(-0.02, 0), bbox_transform=below, handlelength=1.2, fontsize=6.5, labelspacing=0.25)
    return figure


def _one_series(ax: Any, c: dict[str, np.ndarray], label: str, i: int, drawn: set[tuple[float, ...]]) -> None:
    """Symbols of the measurement, and the line of its theory unless another series has drawn the same one."""
    color, marker = dr.CYCLE[i % len(dr.CYCLE)], "osD^v"[i % 5]
    theory, measured = c["kind"] == "theory", c["kind"] == "measured"
    curve = (*c["x"][theory], *c["y"][theory])
    if curve not in drawn:
        ax.plot(c["x"][theory], c["y"][theory], color=color, linewidth=1.1)
        drawn.add(curve)
    look = {"fmt": marker, "markersize": 3.6, "markerfacecolor": "none", "linewidth": 0.9, "capsize": 1.8}
    ax.errorbar(c["x"][measured], c["y"][measured], c["stderr"][measured], color=color, label=label, **look)


def _words(text: str) -> str:
    """Plain words of an experiment, with the symbols in mathematics."""
    words = {"alpha": r"$\alpha$", "kappa": r"$\kappa$", "R": "$R$", "u": "$u$", "P/N": "$P/N$"}
    lines = textwrap.wrap(text, LINE, break_on_hyphens=False)
    return "\n".join(" ".join(words.get(word, word) for word in line.split()) for line in lines)


# --- success of algorithms -----------------------------------------------------------------------------------------

SIZE, INSTANCES, SEED = 201, 24, 0  # of the figure's own measurement: some seconds for all its algorithms
LOADS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)
OWN: dict[str, tuple[tuple[float, ...], int | None]] = {  # algorithm: loads, and a budget other than its own
    "stochastic-perceptron": (LOADS, None),
    "sbpi": (LOADS, None),
    "replicated-sgd": (LOADS, None),
    "reinforced-tap": (LOADS, None),
    "reinforced-max-sum": (LOADS, None),
    "hebb": ((0.1, 0.14, 0.18, 0.22, 0.26, 0.3), None),
    "pseudo-inverse": ((1.0, 1.05, 1.1, 1.15, 1.2), None),
    "perceptron-rule": ((1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0), 500),
}
"""The slow ones (annealing, belief propagation, maximum stability, ...) are measured by the validation."""
ROW = 0.19  # inches a name
LEAST = 0.4  # load from which shares are drawn
MEASURED = ("instances", "solved", "probability", "stderr", "seconds", "width", "width_error")


def _success_data(progress: Progress = silent, validation: Path | None = None) -> Columns:
    from ..simulation import ALGORITHMS, fit_threshold

    shares = _from_validation(validation)
    known = {row["algorithm"] for row in shares}
    for i, (algorithm, (loads, budget)) in enumerate(OWN.items()):
        progress(f"success of {algorithm}", i, len(OWN))
        if algorithm not in known:
            shares += _own(algorithm, loads, budget)
    for row in shares:
        row["weights"] = "binary" if ALGORITHMS[row["algorithm"]].binary else "spherical"
    rows = list(shares)
    for key in dict.fromkeys((row["algorithm"], row["K"], row["N"], row["weights"], row["source"]) for row in shares):
        own = [row for row in shares if (row["algorithm"], row["K"], row["N"]) == key[:3]]
        fit = fit_threshold([row["alpha"] for row in own], [row["solved"] for row in own], [row["instances"] for row in own], SEED)
        values = {"alpha": _or_nan(fit.value), "alpha_error": _or_nan(fit.error), "width": _or_nan(fit.width), "width_error": _or_nan(fit.width_error)}
        rows.append(_success_row("threshold", *key) | values | {"status": fit.status})
    for weights, K in sorted({(row["weights"], row["K"]) for row in shares}):
        rows += _end_rows(weights, K)
    return table(rows)


def _success_row(quantity: str, algorithm: str, K: int, N: float, weights: str, source: str) -> dict[str, Any]:
    head = {"quantity": quantity, "algorithm": algorithm, "K": K, "N": N, "weights": weights, "source": source}
    return {**head, "alpha": math.nan, "alpha_error": 0.0, **dict.fromkeys(MEASURED), "status": "measured"}


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _from_validation(path: Path | None) -> list[dict[str, Any]]:
    """Shares that ``python -m validation --only success`` measured; none where there is no such file or experiment."""
    if path is None or not path.exists():
        return []
    found = [e["data"] for e in read_validation(path)["experiments"] if e["name"] == "success" and e.get("data")]
    return [
        _success_row("share", str(line["algorithm"]), int(line["K"]), int(line["N"]), "", "validation")
        | {name: float(line[name]) for name in ("alpha", "probability", "stderr", "seconds")}
        | {name: int(line[name]) for name in ("instances", "solved")}
        for data in found
        for line in (dict(zip(data, row)) for row in zip(*data.values()))
        if int(line["instances"]) > 0
    ]


def _own(algorithm: str, loads: tuple[float, ...], budget: int | None) -> list[dict[str, Any]]:
    """The same, measured now."""
    from ..simulation import success_curve

    found = success_curve(algorithm, SIZE, loads, INSTANCES, SEED, budget=budget)
    names = ("alpha", "instances", "solved", "probability", "stderr", "seconds")
    lines = zip(found.alphas, found.instances, found.solved, found.probability, found.stderr, found.seconds)
    return [_success_row("share", algorithm, 1, SIZE, "", "own") | dict(zip(names, (v.item() for v in line))) for line in lines]


def _end_rows(weights: str, K: int) -> list[dict[str, Any]]:
    """Where the theory says that solutions end; and for binary weights, that dense clusters break up."""
    import replicas as rp

    if K > 1:  # spherical units break replica symmetry before: one step, an upper bound
        asked = [("capacity", rp.capacity(rp.TreeCommittee(K, weights), "1rsb" if weights == "spherical" else "rs"))]
    else:
        asked = [("capacity", rp.capacity(rp.Perceptron(weights)))]
        asked += [("dense-clusters", rp.local_entropy_threshold(rp.Perceptron(weights)))] if weights == "binary" else []
    return [
        _success_row(quantity, "", K, math.inf, weights, "theory") | {"alpha": float(e.value), "alpha_error": float(e.error), "status": e.status}
        for quantity, e in asked
    ]


def _success_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        fits = select(columns, quantity="threshold")
        figure, (left, right) = dr.panels(2, narrow, max(3.6, ROW * len(set(zip(fits["algorithm"], fits["K"]))) + 0.9))
        binary = [a for a in dict.fromkeys(fits["algorithm"]) if a in set(select(columns, quantity="threshold", weights="binary", K=1)["algorithm"])]
        looks = {a: (dr.CYCLE[i % len(dr.CYCLE)], "osD^vP*"[i % 7]) for i, a in enumerate(binary)}
        _shares(left, columns, looks)
        _thresholds(right, columns, looks)
    return figure


def _shares(ax: Any, columns: Columns, looks: dict[str, tuple[str, str]]) -> None:
    """Share of the instances solved by every algorithm with binary weights, at the size that most of them were run at."""
    sizes = select(columns, quantity="threshold", weights="binary", K=1)["N"]
    size = max(set(sizes.tolist()), key=lambda n: (np.sum(sizes == n), n))
    for algorithm, (color, marker) in looks.items():
        c = select(columns, quantity="share", algorithm=algorithm, K=1, N=size)
        if not c["alpha"].size:
            continue
        bars = {"fmt": marker, "markersize": 3.4, "markerfacecolor": "none", "linewidth": 0.8, "capsize": 1.6}
        ax.errorbar(c["alpha"], c["probability"].astype(float), c["stderr"].astype(float), color=color, **bars)
        fit = select(columns, quantity="threshold", algorithm=algorithm, K=1, N=size)
        if np.isfinite(fit["alpha"][0]):
            x = np.linspace(c["alpha"].min(), c["alpha"].max(), 200)
            steep = math.sqrt(2) * float(fit["width"][0])
            ax.plot(x, [0.5 * math.erfc((a - fit["alpha"][0]) / steep) for a in x], color=color, linewidth=1.0)
    for quantity, text, at in (("capacity", r"$\alpha_c$", 0.98), ("dense-clusters", r"$\alpha_U$", 0.88)):
        dr.mark(ax, float(select(columns, quantity=quantity, weights="binary", K=1)["alpha"][0]), text, at=at)
    low = select(columns, quantity="share", weights="binary", K=1, N=size)["alpha"].min()
    ax.set_xlim(max(LEAST, low) - 0.02, 0.87)
    ax.set_ylim(-0.03, 1.05)
    ax.set_xlabel(dr.LABELS["alpha"])
    ax.set_ylabel("share of instances solved")
    ax.set_title(f"a  binary weights, $N={size:g}$", loc="left")


def _thresholds(ax: Any, columns: Columns, looks: dict[str, tuple[str, str]]) -> None:
    """The load where half of the instances are solved, divided by that where solutions end; symbols grow with N."""
    fits = select(columns, quantity="threshold")
    machines = sorted(set(zip(fits["K"].tolist(), fits["weights"].tolist())), key=lambda m: (m[0] > 1, m[1] != "binary"))
    names: list[str] = []
    colors: list[str] = []
    for K, weights in machines:
        end = float(select(columns, quantity="capacity", K=K, weights=weights)["alpha"][0])
        group = select(columns, quantity="threshold", K=K, weights=weights)
        known = np.isfinite(group["alpha"])
        best = {a: np.max(group["alpha"][known & (group["algorithm"] == a)]) for a in set(group["algorithm"][known])}
        for algorithm in sorted(best, key=lambda a: best[a]):
            color, marker = looks.get(algorithm, (dr.BLACK, "o")) if (K, weights) == (1, "binary") else (dr.BLACK, "o")
            c = select(columns, quantity="threshold", K=K, weights=weights, algorithm=algorithm)
            fitted = np.isfinite(c["alpha"])
            order = np.argsort(c["N"][fitted])
            x, error = (c[k][fitted][order] / end for k in ("alpha", "alpha_error"))
            for i, (v, e) in enumerate(zip(x, error)):
                bar = {"fmt": marker, "markersize": 3.2 + 1.1 * i, "markerfacecolor": "none", "linewidth": 0.8, "capsize": 1.6}
                ax.errorbar([v], [len(names)], xerr=[e], color=color, **bar)
            names.append(algorithm + (f", K = {K}" if K > 1 else ""))
            colors.append(color)
        if (K, weights) != machines[-1]:
            ax.axhline(len(names) - 0.5, color=dr.BLACK, linewidth=0.4)
        what = weights + (", tree" if K > 1 else "")
        ax.text(0.13, len(names) - 0.5 - 0.5 * len(best), what, va="center", fontsize=8, style="italic")
    ax.axvline(1, color=dr.BLACK, linewidth=0.7, linestyle=dr.DOTTED)
    ax.set_yticks(range(len(names)), names)
    for tick, color in zip(ax.get_yticklabels(), colors):
        tick.set_color(color)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.set_xlim(0, 1.06)
    ax.set_xlabel(r"$\alpha_{1/2}/\alpha_c$")
    ax.set_title(r"b  where half are solved", loc="left")


# --- figures -------------------------------------------------------------------------------------------------------

FINITE_N = Figure(
    "Finite N against theory",
    """Symbols: simulations with their standard errors; those of a single size N still carry its deviations, of order
    1/N. Lines: the theory, with nothing adjusted.""",
    _finite_n_data,
    _finite_n_draw,
    experiments=("*",),
    needs_validation=True,
)
SUCCESS = Figure(
    "Algorithms against theory",
    r"""Share of fresh random instances that learning algorithms solve, κ = 0, with its standard error (Wilson), and fits
    $\Phi((\alpha_{1/2}-\alpha)/w)$ to the counts. Binary weights: solutions end at $\alpha_c$, where their entropy vanishes, and dense clusters of
    them break up at $\alpha_U$; typical ones are isolated at every load. On the right $\alpha_{1/2}$ of every algorithm over the load where
    solutions of its weights end (dotted; for trees after one step of breaking), each with its own budget. Larger symbols, larger N.""",
    _success_data,
    _success_draw,
    ("binary", "spherical"),
    experiments=("success",),
)
