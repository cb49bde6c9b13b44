"""Command line: `python -m validation [--quick | --full] [--json] [--output DIR] [--seed S] [--only ...]`.

Exit code 0 when nothing disagrees, 1 when some comparison disagrees or an experiment fails (the table says
which), 2 for bad arguments, 130 when interrupted (the experiments completed until then are still reported).
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from . import (
    committees,
    entropy,
    fields,
    generalization,
    inference,
    landscape,
    learning_rules,
    local_geometry,
    maximum_stability,
    sampling_experiments,
    separability,
    shared_inputs,
    solution_overlaps,
    success,
    training,
)
from .result import ExperimentResult, decimals

EXPERIMENTS: dict[str, Callable[..., ExperimentResult]] = {
    module.NAME: module.run
    for module in (
        *(entropy, solution_overlaps, fields, committees, shared_inputs, separability, local_geometry),
        *(learning_rules, maximum_stability, success, training, generalization, inference, sampling_experiments, landscape),
    )
}
STORED = (success.NAME,)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, exit code 2."""
        self.exit(2, f"{self.prog}: {message}\n")


class _Bars:
    """One progress bar on stderr for each set of samples; silent where stderr is not a terminal."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if self.bar is None:
            self.bar = tqdm(total=total, desc=what, file=sys.stderr, disable=None, leave=False)
        self.bar.update(done - self.bar.n)
        if done == total:
            self.close()

    def close(self) -> None:
        """End the bar under way, if any."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


@dataclass
class Report:
    """The results so far, and the experiments that failed with the reason why."""

    quick: bool
    seed: int
    results: list[ExperimentResult] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    seconds: float = 0.0

    @property
    def agrees(self) -> bool:
        """Every experiment ran and no row disagrees."""
        return not self.interrupted and not self.failures and all(result.agrees for result in self.results)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: floating-point numbers as decimal strings."""
        plain = {name: decimals(value) for name, value in vars(self).items() if name != "results"}
        experiments = [result.to_dict() for result in self.results]
        return plain | {"agrees": self.agrees, "experiments": experiments}


def run_experiments(
    names: list[str], quick: bool, seed: int, keep: Callable[[Report], None] = lambda report: None, directory: Path | None = None
) -> Report:
    """Run the named experiments one after the other; one that fails is reported and the others go on.

    keep : called with the report so far after every experiment, so that nothing is lost when the process is
    directory : where experiments that take hours in full (`STORED`) keep every point as it is measured, and go on when they are run again
    """
    report = Report(quick, seed)
    start = time.perf_counter()
    for name in names:
        bars = _Bars()
        print(f"{name} ...", file=sys.stderr)
        try:
            more: dict[str, Any] = {}
            if directory is not None and name in STORED and not quick:
                directory.mkdir(parents=True, exist_ok=True)
                more["store"] = directory / f"{name}.sqlite"
            report.results.append(EXPERIMENTS[name](quick=quick, seed=seed, progress=bars, **more))
        except KeyboardInterrupt:
            report.interrupted = True
            break
        except Exception as failure:  # an experiment that cannot run is a finding, and the others still count
            report.failures[name] = f"{type(failure).__name__}: {failure}"
        finally:
            bars.close()
        report.interrupted = bool(report.results) and report.results[-1].interrupted
        keep(report)
        if report.interrupted:
            break
    report.seconds = time.perf_counter() - start
    return report


def table(report: Report) -> str:
    """The verdicts for a reader."""
    lines = []
    heading = f"{'':46}{'prediction':>12}{'measurement':>13}{'std. error':>12}{'pull':>7}  verdict"
    for result in report.results:
        lines += [f"{result.name}: {result.question} ({result.seconds:.1f} s)", heading]
        for row in result.rows:
            numbers = f"{row.predicted:12.5f}{row.measured:13.5f}{row.stderr:12.5f}{row.pull:7.2f}"
            lines.append(f"  {row.label:44}{numbers}  {row.verdict.split(' (')[0]}")
        lines += [f"    {note}" for note in result.notes] + [""]
    lines += [f"{name}: FAILED, {reason}" for name, reason in report.failures.items()]
    wrong = [row.label for result in report.results for row in result.rows if not row.agrees]
    if report.interrupted:
        lines.append("interrupted: the experiments after those above did not run")
    elif not report.agrees:
        lines.append(f"disagreement: {', '.join(wrong + list(report.failures))}")
    else:
        lines.append(f"no disagreement in {sum(len(result.rows) for result in report.results)} comparisons")
    return "\n".join(lines) + f" ({report.seconds:.1f} s, seed {report.seed})"


COMPARED = ("experiment", "quantity", "prediction", "measurement", "stderr", "pull", "side", "verdict", "seed", "extent")


def write_output(report: Report, directory: Path) -> None:
    """validation.json with everything, the comparisons as comparisons.csv, and the raw table of each experiment as <name>.csv."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "validation.json").write_text(json.dumps(report.to_dict(), indent=1) + "\n")
    with open(directory / "comparisons.csv", "w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COMPARED)
        for result in report.results:
            for row in result.rows:
                numbers = (f"{v:.6g}" for v in (row.predicted, row.measured, row.stderr, row.pull))
                word, extent = re.split(r" \(|:", row.verdict)[0], "quick" if result.quick else "full"
                writer.writerow([result.name, row.label, *numbers, row.side, word, result.seed, extent])
    for result in report.results:
        with open(directory / f"{result.name}.csv", "w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(result.data)
            writer.writerows(zip(*result.data.values()))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and give its exit code."""
    parser = _Parser(prog="python -m validation", description="Theory against finite N.", allow_abbrev=False)
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="about a minute (the default)")
    extent.add_argument("--full", action="store_true", help="more samples and sizes, for the record")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, nothing else")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write validation.json and tables as CSV; --full --only success, interrupted, goes on there")
    parser.add_argument("--seed", type=int, default=0, help="seed of every draw, >= 0 (default 0)")
    names = list(EXPERIMENTS)
    some = f"run only some of {', '.join(names)}"
    parser.add_argument("--list", action="store_true", help="name the experiments, each with its question, and run nothing")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=some)
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error(f"argument --seed: got {options.seed}, takes an integer >= 0")
    if options.output is not None and options.output.exists() and not options.output.is_dir():
        parser.error(f"argument --output: got {options.output}, a file; takes a directory")
    if options.list:
        questions = {name: sys.modules[run.__module__].QUESTION for name, run in EXPERIMENTS.items()}  # type: ignore[attr-defined]
        print(json.dumps(questions) if options.json else "\n".join(f"{name:<18} {text}" for name, text in questions.items()))
        return 0
    keep = (lambda report: None) if options.output is None else (lambda report: write_output(report, options.output))
    report = run_experiments(options.only or names, not options.full, options.seed, keep, options.output)
    print(json.dumps(report.to_dict()) if options.json else table(report))
    if options.output is not None:
        write_output(report, options.output)
    if report.interrupted:
        return 130
    return 0 if report.agrees else 1


if __name__ == "__main__":
    sys.exit(main())
