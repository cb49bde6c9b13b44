"""Publication figures: each has a title, a caption, its data as a table, and a drawing of that table and nothing else.

    FIGURES[name].data(progress) -> columns;   FIGURES[name].draw(columns) -> matplotlib Figure;   save(name, path)

The table is in long form (one row a point, with its error and status) and is written beside the figure as CSV.
Matplotlib is imported when something is drawn.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from . import drawing as dr
from .drawing import curve
from .figures import Columns, Figure, Progress, number, plain_ticks, select, silent, table
from .figures_local import CLUSTER, DENSEST, ENERGY, REFERENCES
from .figures_rsb import NEGATIVE_MARGIN, PROFILE, phase_axes
from .figures_trees import CAPACITY, LEARNING
from .figures_wide import ACTIVATIONS, SPECIALISATION

__all__ = ["FIGURES", "Figure", "curve", "phase_axes", "save"]

SUFFIXES = (".svg", ".pdf", ".png")
VALIDATION = "validation.json"
LOADS = (0.2, 0.5, 0.8)  # of the field distributions
TOP_ERROR = 0.5  # a student that has learnt nothing


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
        dr.line(
            ax,
            at["kappa"],
            np.where(at["physical"].astype(bool), at["alpha"], np.nan),
            False,
            dr.BLUE,
            dashes=dr.DOTTED,
        )
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


def _entropy_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    model = rp.Perceptron(weights="binary")
    progress("entropy and overlap", 0, 1)
    limit = rp.capacity(model)
    # the capacity itself is a point, so that the line ends where it should
    alpha = np.sort(np.append(np.linspace(0, 1.2, 121), limit.value))
    rows = [
        {
            "alpha": p["alpha"],
            "entropy": number(p["entropy"]),
            "entropy_error": number(p["errors"].get("entropy")),
            "q": number(p["q"]),
            "q_error": number(p["errors"].get("q")),
            "stable": p["stable"],
            "status": p["status"],
            "alpha_c": limit.value,
            "alpha_c_error": limit.error,
        }
        for p in rp.solve(model, alpha=alpha).points()
    ]
    return table(rows)


def _entropy_draw(columns: Columns, narrow: bool = False) -> Any:
    c = {k: np.array(v) for k, v in columns.items()}
    with dr.style():
        figure, axes = dr.panels(2, narrow)
        limit = float(c["alpha_c"][0])
        for ax, column, color in zip(axes, ("entropy", "q"), (dr.BLUE, dr.GREEN)):
            dr.line(ax, c["alpha"], c[column], c["alpha"] <= limit, color)
            dr.mark(ax, limit, rf"$\alpha_c={limit:.3f}$")
            ax.set_xlim(0, 1.2)
            ax.set_xlabel(dr.LABELS["alpha"])
            ax.set_ylabel(dr.LABELS[column])
        axes[0].axhline(0, color=dr.BLACK, linewidth=0.6)
        axes[0].annotate(r"$\ln 2$", (0, np.log(2)), xytext=(8, 3), textcoords="offset points", fontsize=8)
        axes[1].set_ylim(0, 1)
    return figure


# --- generalization ------------------------------------------------------------------------------------------------

RULES = {
    "gibbs": ("Gibbs", dr.BLUE),
    "bayes": ("Bayes", dr.GREEN),
    "hebb": ("Hebb", dr.ORANGE),
    "pseudo-inverse": ("pseudo-inverse", dr.PURPLE),
    "max-stability": ("maximum stability", dr.VERMILLION),
}


def _generalization_data(progress: Progress = silent) -> Columns:
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
    # the thresholds and the approach to the fold, where the branches meet with infinite slope, are points of the curve
    bend = marks.spinodal.value - 0.4 * np.linspace(0, 1, 15)[1:] ** 2
    alpha = np.unique(
        np.concatenate(
            [
                np.linspace(0, 0.1, 6) ** 2 * 10,
                np.linspace(0.15, 2.2, 42),
                bend,
                [marks.alpha_it.value, marks.spinodal.value - 1e-9],
            ]
        )
    )
    rows += _error_rows(rp.generalization(binary, alpha), "binary")
    for quantity, mark in (("alpha_it", marks.alpha_it), ("spinodal", marks.spinodal)):
        rows.append(
            dict.fromkeys(rows[0])
            | {
                "weights": "binary",
                "quantity": quantity,
                "alpha": mark.value,
                "error": mark.error,
                "status": "converged",
            }
        )
    return table(rows)


def _error_rows(result: Any, weights: str) -> list[dict[str, Any]]:
    """One row for each kind of generalization error of each point."""
    rows = []
    for p in result.points():
        for column in ("eps_gibbs", "eps_bayes", "eps_g"):
            if p.get(column) is not None:
                quantity = p["rule"] if column == "eps_g" else column.removeprefix("eps_")
                rows.append(
                    {
                        "weights": weights,
                        "quantity": quantity,
                        "branch": p["branch"],
                        "alpha": p["alpha"],
                        "value": float(p[column]),
                        "error": number(p["errors"][column]),
                        "dominant": p["dominant"],
                        "status": p["status"],
                    }
                )
    return rows


def _generalization_draw(columns: Columns, narrow: bool = False) -> Any:
    with dr.style():
        figure, (left, right) = dr.panels(2, narrow, 3.1)
        for rule, (label, color) in RULES.items():
            c = select(columns, weights="spherical", quantity=rule)
            dr.line(left, c["alpha"], c["value"], True, color, label)
        left.set_xscale("log")
        left.set_yscale("log")
        left.set_title("spherical student")
        left.legend(loc="lower left")
        plain_ticks(left.xaxis, (0.1, 1, 10))
        plain_ticks(left.yaxis, (0.02, 0.05, 0.1, 0.2, 0.5))
        for rule in ("gibbs", "bayes"):
            label, color = RULES[rule]
            for branch, dashes in (("typical", dr.DASHED), ("middle", dr.DOTTED)):
                c = select(columns, weights="binary", quantity=rule, branch=branch)
                dr.line(right, c["alpha"], c["value"], c["dominant"].astype(bool), color, dashes=dashes)
                if branch == "typical":
                    dr.name(right, 0.5, float(np.interp(0.5, c["alpha"], c["value"])), label, color, xytext=(4, 4))
        perfect = select(columns, weights="binary", quantity="gibbs", branch="perfect", dominant=True)
        right.plot(perfect["alpha"], perfect["value"], color=dr.BLACK)
        dr.name(right, 2.2, 0.0, "perfect learning", dr.BLACK, xytext=(0, 4), ha="right")
        for quantity, text in (("alpha_it", r"$\alpha_{\mathrm{IT}}$"), ("spinodal", "spinodal")):
            dr.mark(right, float(select(columns, quantity=quantity)["alpha"][0]), text)
        right.set_title("binary student")
        right.set_xlim(0, 2.2)
        right.set_ylim(-0.012, TOP_ERROR)
        for ax in (left, right):
            ax.set_xlabel(dr.LABELS["alpha"])
            ax.set_ylabel(dr.LABELS["eps_g"])
    return figure


# --- distribution of local fields ----------------------------------------------------------------------------------


def _fields_data(progress: Progress = silent) -> Columns:
    import replicas as rp

    u = np.linspace(0, 4, 201)
    rows = []
    for i, alpha in enumerate(LOADS):
        progress("local fields", i, len(LOADS))
        for p in rp.field_distribution(rp.solve(rp.Perceptron(weights="binary"), alpha=alpha), u).points():
            rows.append(
                {
                    "alpha": alpha,
                    "u": p["u"],
                    "density": number(p["density"]),
                    "error": number(p["error"]),
                    "status": p["status"],
                }
            )
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


# --- finite N ------------------------------------------------------------------------------------------------------


def _finite_n_data(progress: Progress = silent, validation: Path | None = None) -> Columns:
    progress("finite N", 0, 1)
    rows = []
    for experiment in read_validation(validation)["experiments"]:
        for one in experiment["series"]:
            head = {
                "experiment": experiment["name"],
                "series": one["label"],
                "xlabel": one["xlabel"],
                "ylabel": one["ylabel"],
            }
            rows += [
                head | {"kind": "measured", "x": float(x), "y": float(y), "stderr": float(e)}
                for x, y, e in zip(one["x"], one["y"], one["yerr"])
            ]
            rows += [
                head | {"kind": "theory", "x": float(x), "y": float(y), "stderr": 0.0}
                for x, y in zip(one["theory_x"], one["theory_y"])
            ]
    return table(rows)


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


def _finite_n_draw(columns: Columns, narrow: bool = False) -> Any:
    # a panel for each pair of axes of an experiment
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
            if len(labels) > CROWD or max(map(len, labels)) > LONG:
                ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.22), handlelength=1.2, fontsize=6.5, labelspacing=0.25)
            else:
                ax.legend(loc="best", handlelength=1.2)
    return figure


CROWD, LONG = 3, 32  # series, or letters of one, whose legend stands below the panel


def _one_series(ax: Any, c: dict[str, np.ndarray], label: str, i: int, drawn: set[tuple[float, ...]]) -> None:
    """Symbols of the measurement, and the line of its theory unless another series has drawn the same one."""
    color, marker = dr.CYCLE[i % len(dr.CYCLE)], "osD^v"[i % 5]
    theory, measured = c["kind"] == "theory", c["kind"] == "measured"
    curve = (*c["x"][theory], *c["y"][theory])
    if curve not in drawn:
        ax.plot(c["x"][theory], c["y"][theory], color=color, linewidth=1.1)
        drawn.add(curve)
    ax.errorbar(
        c["x"][measured],
        c["y"][measured],
        c["stderr"][measured],
        color=color,
        fmt=marker,
        markersize=3.6,
        markerfacecolor="none",
        linewidth=0.9,
        capsize=1.8,
        label=label,
    )


def _words(text: str) -> str:
    """Plain words of an experiment, with the symbols in mathematics."""
    words = {"alpha": r"$\alpha$", "kappa": r"$\kappa$", "R": "$R$", "u": "$u$", "P/N": "$P/N$"}
    return " ".join(words.get(word, word) for word in text.split())


FIGURES: dict[str, Figure] = {
    "capacity-vs-kappa": Figure(
        "Capacity against margin",
        """Critical load α_c(κ) of the spherical and the binary perceptron storing random patterns. Solid where the
        replica-symmetric saddle is stable at α_c, dashed where it is not and the value is an upper bound; dotted, the de
        Almeida–Thouless line of the spherical perceptron, below α_c for κ < 0. The binary line is stable throughout: its
        instability lies above α_c.""",
        _capacity_data,
        _capacity_draw,
    ),
    "entropy-and-overlap": Figure(
        "Entropy and overlap of the binary perceptron",
        """Entropy of the solutions and overlap of two of them against the load, κ = 0. The entropy vanishes at α_c, the
        capacity; the dashed continuation has negative entropy and describes no solutions.""",
        _entropy_data,
        _entropy_draw,
    ),
    "generalization-curves": Figure(
        "Learning from a teacher",
        """Generalization error of a student trained on P = α N noise-free examples; spherical weights, and binary ones.
        Solid, the dominant branch: binary weights jump to perfect learning at α_IT, and the poor branch survives
        (dashed) up to its spinodal, where it meets an unstable one (dotted).""",
        _generalization_data,
        _generalization_draw,
    ),
    "field-distribution": Figure(
        "Local fields of typical solutions",
        """Density of the local field u = W·ξ/√N of a stored pattern over the solutions of the binary perceptron,
        κ = 0.""",
        _fields_data,
        _fields_draw,
    ),
    "negative-margin": NEGATIVE_MARGIN,
    "overlap-profile": PROFILE,
    "committee-capacity": CAPACITY,
    "committee-learning": LEARNING,
    "activation-capacity": ACTIVATIONS,
    "committee-specialisation": SPECIALISATION,
    "energy-vs-qstar": ENERGY,
    "franz-parisi-three-references": REFERENCES,
    "local-entropy-vs-distance": DENSEST,
    "dense-cluster-generalization": CLUSTER,
    "finite-n": Figure(
        "Finite N against theory",
        """Symbols: simulations with their standard errors; those of a single size N still carry its deviations, of order
        1/N. Lines: the theory, with nothing adjusted.""",
        _finite_n_data,
        _finite_n_draw,
    ),
}


def save(
    figure: str, path: str | Path, progress: Progress = silent, validation: str | Path | None = None
) -> tuple[Path, Path]:
    """Write a figure (svg, pdf or png by the suffix) and, beside it, its data as CSV.

    Parameters
    ----------
    figure : a name in `FIGURES`.
    path : where to write; missing directories are made.
    progress : called as progress(what, done, total).
    validation : results of the validation, for ``finite-n``; None looks beside ``path``, here and in ``atlas``.

    Returns
    -------
    The paths of the figure and of the table.

    Raises
    ------
    ValueError : unknown name or suffix, missing validation results, or a file that cannot be written.
    """
    path = Path(path)
    if figure not in FIGURES:
        raise ValueError(f"figure: got {figure!r}; takes {', '.join(FIGURES)}")
    if path.suffix not in SUFFIXES:
        raise ValueError(f"output: got {str(path)!r}; takes a file name that ends in {', '.join(SUFFIXES)}")
    extra = (
        {"validation": Path(validation) if validation else _find_validation(path.parent)}
        if figure == "finite-n"
        else {}
    )
    columns = FIGURES[figure].data(progress, **extra)
    drawn = FIGURES[figure].draw(columns)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        dr.write(drawn, path, path.suffix)
        written = write_csv(columns, path.with_suffix(".csv"))
    except OSError as error:
        raise ValueError(f"output: cannot write {path}: {error.strerror}; takes a file that can be written") from None
    progress(figure, 1, 1)
    return path, written


def _find_validation(beside: Path) -> Path:
    candidates = [directory / VALIDATION for directory in (beside, Path(), Path("atlas"))]
    return next((path for path in candidates if path.exists()), candidates[0])


def write_csv(columns: Columns, path: Path) -> Path:
    """Write a table with all the digits of its numbers; an absent value is an empty cell."""
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in zip(*columns.values()))
    return path


def _cell(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else repr(float(value))
    return "" if value is None else value
