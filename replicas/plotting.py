"""Publication figures: each has a title, a caption, its data as a table, and a drawing of that table and nothing else.

    FIGURES[name].table(progress) -> columns;   FIGURES[name].draw(columns) -> matplotlib Figure;   save(name, path)

The table is in long form (one row a point, with its error and status) and is written beside the figure as CSV, with a JSON file
that says what it is, the command that makes it, versions and seconds. Matplotlib is imported when something is drawn.
"""

from __future__ import annotations

import csv
import json
import platform
import shlex
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .figures import drawing as dr
from .figures.drawing import curve
from .figures.figure import Columns, Figure, Progress, silent
from .figures.finite import FINITE_N, SUCCESS, VALIDATION, read_validation
from .figures.learning import CURVES, PHASE_BRANCHES
from .figures.local import CLUSTER, DENSEST, ENERGY, REFERENCES
from .figures.perceptron import CAPACITY, ENTROPIES, FIELDS, OVERLAP
from .figures.phases import phase_axes
from .figures.rsb import NEGATIVE_MARGIN, PROFILE
from .figures.trees import CAPACITY as COMMITTEE_CAPACITY
from .figures.trees import LEARNING
from .figures.wide import ACTIVATIONS, SPECIALISATION

__all__ = ["FIGURES", "VALIDATION", "Figure", "curve", "phase_axes", "read_validation", "save"]

SUFFIXES = (".svg", ".pdf", ".png")
TAKEN = ("validation", "atlas")  # names of JSON files that may stand beside a figure

FIGURES: dict[str, Figure] = {
    "capacity-vs-kappa": CAPACITY,
    "entropies": ENTROPIES,
    "entropy-and-overlap": OVERLAP,
    "field-distribution": FIELDS,
    "generalization-curves": CURVES,
    "teacher-student-phases": PHASE_BRANCHES,
    "negative-margin": NEGATIVE_MARGIN,
    "overlap-profile": PROFILE,
    "committee-capacity": COMMITTEE_CAPACITY,
    "committee-learning": LEARNING,
    "activation-capacity": ACTIVATIONS,
    "committee-specialisation": SPECIALISATION,
    "energy-vs-qstar": ENERGY,
    "franz-parisi-three-references": REFERENCES,
    "local-entropy-vs-distance": DENSEST,
    "dense-cluster-generalization": CLUSTER,
    "algorithm-success": SUCCESS,
    "finite-n": FINITE_N,
}


def save(
    figure: str, path: str | Path, progress: Progress = silent, validation: str | Path | None = None
) -> tuple[Path, Path, Path]:
    """Write a figure (svg, pdf or png by the suffix) and, beside it, its data as CSV and what made it as JSON.

    Parameters
    ----------
    figure : a name in `FIGURES`.
    path : where to write; missing directories are made.
    progress : called as progress(what, done, total).
    validation : results of the validation, for figures that draw its measurements; None looks beside ``path``, here and in ``atlas``.

    Returns
    -------
    The paths of the figure, of the table and of the record.

    Raises
    ------
    ValueError : unknown name or suffix, missing validation results, or a file that cannot be written.
    """
    path = Path(path)
    if figure not in FIGURES:
        raise ValueError(f"figure: got {figure!r}; takes {', '.join(FIGURES)}")
    if path.suffix not in SUFFIXES:
        raise ValueError(f"output: got {str(path)!r}; takes a file name that ends in {', '.join(SUFFIXES)}")
    if path.stem in TAKEN:
        raise ValueError(f"output: got {str(path)!r}; takes a name other than {' and '.join(TAKEN)}, whose JSON files have another content")
    one = FIGURES[figure]
    found = Path(validation) if validation else _find_validation(path.parent)
    if validation and one.experiments:  # one that was named has to be there
        read_validation(found)
    wall, cpu = time.perf_counter(), time.process_time()
    columns = one.table(progress, found)
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    drawn = one.draw(columns)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        dr.write(drawn, path, path.suffix)
        written = write_csv(columns, path.with_suffix(".csv"))
        said = write_record(path.with_suffix(".json"), record(figure, columns, seconds, command(figure, path, found)))
    except OSError as error:
        raise ValueError(f"output: cannot write {path}: {error.strerror}; takes a file that can be written") from None
    progress(figure, 1, 1)
    return path, written, said


def command(figure: str, path: Path | str | None = None, validation: Path | None = None) -> str:
    """The command line that makes a figure, with the measurements that it draws."""
    words = ["replicas", "figure", figure]
    if path is not None and str(path) != f"{figure}.svg":
        words += ["-o", str(path)]
    if FIGURES[figure].experiments and validation is not None and validation.exists():
        words += ["--validation", str(validation)]
    return shlex.join(words)


def record(figure: str, columns: Columns, seconds: tuple[float, float], command: str) -> dict[str, Any]:
    """What a figure is, how it was made and what its table holds; ``seconds`` of the clock and of the processors."""
    one = FIGURES[figure]
    status = [str(s) for s in columns.get("status", ())]
    return {
        "figure": figure,
        "title": one.title,
        "caption": " ".join(one.caption.split()),
        "command": command,
        "rows": len(next(iter(columns.values()), ())),
        "columns": list(columns),
        "status": {word: status.count(word) for word in dict.fromkeys(status)},
        "seconds": round(seconds[0], 3),
        "cpu_seconds": round(seconds[1], 3),
        "versions": versions(),
    }


@cache
def versions() -> dict[str, str]:
    """Versions of what computes and draws."""
    from importlib.metadata import version

    own = {"replicas": __version__, "Python": platform.python_version()}
    return own | {name: version(name) for name in ("numpy", "scipy", "sympy", "numba", "matplotlib")}


def _find_validation(beside: Path) -> Path:
    candidates = [directory / VALIDATION for directory in (beside, Path(), Path("atlas"))]
    return next((path for path in candidates if path.exists()), candidates[0])


def write_record(path: Path, said: dict[str, Any]) -> Path:
    """Write what a figure is as JSON."""
    path.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


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
