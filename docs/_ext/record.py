"""The record of finite N against theory, made into tables while the pages are built.

Directives: ``comparisons``, the experiments of validation/record/comparisons.csv with their worst pulls; ``record``, thresholds of algorithms fitted to
validation/record/success.csv, and extrapolated. ``python -m validation --full --output DIR`` writes both files.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from docutils import nodes
from tables import Tables

ROOT = Path(__file__).resolve().parents[2]
FILE, COMPARISONS = (ROOT / "validation" / "record" / name for name in ("success.csv", "comparisons.csv"))
sys.path.insert(0, str(ROOT))

Key = tuple[str, int]


def measured() -> dict[Key, dict[int, list[dict[str, str]]]]:
    """Lines of the record by (algorithm, units) and size."""
    out: dict[Key, dict[int, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    with open(FILE, newline="", encoding="utf-8") as stream:
        for line in csv.DictReader(stream):
            out[line["algorithm"], int(line["K"])][int(line["N"])].append(line)
    return out


def thresholds(sizes: dict[int, list[dict[str, str]]]) -> dict[int, Any]:
    """A fitted threshold for every size."""
    from replicas.simulation import fit_threshold

    columns = ("alpha", "solved", "instances")
    several = {N: lines for N, lines in sorted(sizes.items()) if len(lines) > 1}  # one load has no threshold
    return {N: fit_threshold(*([float(line[c]) for line in lines] for c in columns)) for N, lines in several.items()}


def brief(value: float, error: float) -> str:
    """0.7194(39): the error in units of the last digit."""
    return f"{value:.4f}({round(error * 1e4)})"


class Record(Tables):
    """Thresholds by algorithm and size, their extrapolation, and where solutions end."""

    def run(self) -> list[nodes.Node]:
        from replicas.simulation import ALGORITHMS
        from validation.finite_size import extrapolate
        from validation.success import REFUSED, VANISHING, end_of_solutions, name_of

        self.env.note_dependency(str(FILE))
        columns = (250, 1000, 3001, 10001)  # of a committee the nearest multiple of its units below
        rows, notes, shorter = [], [], []
        for (algorithm, K), sizes in measured().items():
            fits = thresholds(sizes)
            budgets = {N: int(lines[0]["budget"]) for N, lines in sizes.items()}
            usual = budgets[min(budgets)]
            end = end_of_solutions(ALGORITHMS[algorithm].binary, K)
            cells = []
            for size in columns:
                fit = next((f for N, f in fits.items() if abs(N - size) < 3), None)
                good = fit is not None and fit.value is not None
                other = any(abs(N - size) < 3 and steps != usual for N, steps in budgets.items())
                cells.append("–" if fit is None else (brief(fit.value, fit.error) if good else str(fit)) + " †" * other)
            shorter += [f"{name_of(algorithm, K)} at N = {N}: {steps} instead of {usual}" for N, steps in budgets.items() if steps != usual]
            usable = {N: f for N, f in fits.items() if f.status == "fitted" and budgets[N] == usual}
            limit = "0" if algorithm in VANISHING else "–"
            if len(usable) > 2 and algorithm not in VANISHING:
                N, values, errors = zip(*((N, f.value, f.error) for N, f in usable.items()))
                far = extrapolate(N, values, errors, scale=1.0, power=0.5)
                limit = brief(far.limit, far.stderr) if far.probability >= REFUSED else "no such form"
                notes.append(f"{name_of(algorithm, K)}: {far.statement}")
            rows.append([name_of(algorithm, K), *cells, limit, f"{end:.4f}"])
        header = ["algorithm", "N = 251", "1001", "3001", "10001", r":math:`N\to\infty`", "solutions end"]
        out: list[nodes.Node] = [self.table(header, rows, ("numbers",))]
        if shorter:
            out.append(self.paragraph("† Fewer steps: " + "; ".join(shorter) + ".", "table-notes"))
        if notes:
            out.append(self.paragraph("Extrapolations: " + "; ".join(notes).replace("*", r"\*") + ".", "table-notes"))
        return out


class Comparisons(Tables):
    """Experiments run in full: how many comparisons of each verdict, and the largest pull."""

    def run(self) -> list[nodes.Node]:
        from validation.__main__ import EXPERIMENTS

        self.env.note_dependency(str(COMPARISONS))
        with open(COMPARISONS, newline="", encoding="utf-8") as stream:
            lines = list(csv.DictReader(stream))
        rows = []
        for name, run in EXPERIMENTS.items():
            own = [line for line in lines if line["experiment"] == name]
            if own:
                judged = [line for line in own if not line["side"]] or own  # what keeps to a bound may lie as far from it as it likes
                worst = max(judged, key=lambda line: abs(float(line["pull"])))
                counts = [str(sum(line["verdict"].startswith(v) for line in own)) for v in ("agrees", "tension", "disagrees")]
                rows.append([name, sys.modules[run.__module__].QUESTION, *counts, f"{worst['quantity']}: {float(worst['pull']):.1f}"])
        return [self.table(["experiment", "question", "agree", "tension", "disagree", "largest pull, bounds aside"], rows)]


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("record", Record)
    app.add_directive("comparisons", Comparisons)
    return {"parallel_read_safe": True}
