"""Solutions around a solution, and around any configuration: exact enumeration against RS theory.

    Franz-Parisi:   S_FP(d) = lim (1/N) E < log N_D(w~) >,  < . > over the solutions w~ of margin reference_kappa
    local entropy:  phi(y, d) = lim (1/N) E log sum over all w~ of N_D(w~)^y,  S_I = d phi/dy,  S_E = phi - y S_I

    N_D(w~) = number of solutions at Hamming distance D = d N from w~

Binary weights, kappa = 0, alpha = P/N. Patterns are Gaussian: the theory is the same, and there are no ties at even N
and no lattice of fields. The sizes are those at which both d N and alpha N are integers.

Four things make sizes of 12 to 24 enough:
- without patterns N_D = binom(N, D), whose entropy approaches H2(d) as log(N)/N. That difference is exact and is taken
  off: (1/N) log binom(N, D) - H2(d) from S_FP and S_I, y times that from phi, nothing from S_E. What patterns add has corrections in 1/N.
- entropies of different samples differ mostly because the numbers of solutions do. The first moment of Z and of
  sum N_D^2 are known exactly at any N, and their deviations in a sample are control variates, linear regressors of
  known mean 0: standard errors are 2 to 5 times smaller.
- N_D is a small integer: beyond the expansion in 1/N there are terms in 1/N_D ~ exp(-N S). Those of Poisson numbers of
  mean N_D are known (`granularity`) and enter the error of each size as its systematic part.
- all quantities of a case come from the same samples (rows of a case are correlated, and those of the same alpha).

A shell can be empty, and log 0 does not exist: these references are counted, those of a size where they are 1% or more
are not used, and the choice between setting them aside and counting log N_D = 0 enters the standard error; likewise
samples without solutions. Local entropies are weighted by N_D^y and know no empty shells.

Where it fails: at alpha = 1/2 and d = 1/4, S = 0.26 to 0.29, a shell has 40 solutions at N = 20, the granularity is the
whole error, 8% to 12% after extrapolation, and S_FP loses the sizes up to 16 to empty shells; a fit in 1/N without that
error would be wrong by 6 standard errors. Such a case is not judged; it is in the raw table, as are the medians and the
logarithms of the mean numbers of solutions around a reference.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import replicas as rp
from replicas import simulation

from .finite_size import extrapolate
from .loads import MAX_WITHOUT_SOLUTIONS
from .result import ExperimentResult, Row, Series, confront, series
from .sampling import Progress, collect, mean_and_stderr

NAME = "local-geometry"
QUESTION = "Are there as many solutions at a distance from a reference as the RS theory says?"


@dataclass(frozen=True)
class Case:
    """A load and a distance, margins of the references of S_FP, y of the local entropies, samples by size.

    A case that is not judged goes to the raw table only.
    """

    alpha: Fraction
    distance: Fraction
    references: tuple[float, ...]
    powers: tuple[float, ...]
    plan: dict[int, int]
    judged: bool = True

    @property
    def label(self) -> str:
        return f"alpha = {self.alpha}, d = {self.distance}"

    def numbers(self, N: int) -> tuple[int, int]:
        """P and D at this size."""
        P, D = self.alpha * N, self.distance * N
        if P.denominator != 1 or D.denominator != 1:
            raise ValueError(f"N: got {N}, takes sizes where alpha N = {P} and d N = {D} are integers")
        return int(P), int(D)


def cases(*plans: dict[int, int]) -> tuple[Case, ...]:
    """The loads and distances that are judged, with these samples by size."""
    third, quarter, half = Fraction(1, 3), Fraction(1, 4), Fraction(1, 2)
    return (
        Case(quarter, quarter, (0.0, 0.5), (2.0, 3.0), plans[0]),
        Case(quarter, half, (0.0,), (), plans[1]),
        Case(third, third, (0.0,), (2.0,), plans[2]),
        Case(half, quarter, (0.0,), (2.0,), plans[3], judged=False),
    )


QUICK = cases(
    {12: 1500, 16: 800, 20: 100}, {12: 1000, 16: 500, 20: 60}, {12: 1500, 15: 1500, 18: 400, 21: 50}, {12: 500, 16: 200}
)
FULL = cases(
    {12: 20000, 16: 10000, 20: 2000, 24: 60},
    {12: 20000, 16: 10000, 20: 2000, 24: 60},
    {12: 20000, 15: 20000, 18: 4000, 21: 600, 24: 60},
    {12: 20000, 16: 10000, 20: 2000, 24: 60},
)
CURVE = (Fraction(1, 4), 16, 200)  # load, size and samples of the curves against the distance that are drawn
CURVE_POWER = 2.0
MIN_CONTROLLED = 20  # samples to fit the coefficients of two control variates to

Samples = NDArray[np.float64]
"""One row a sample, nan where it has no solution (no reference)."""


def model() -> Any:
    """The model of the theory."""
    return rp.Perceptron(weights="binary")


def predicted_shells(alpha: float, distances: NDArray[np.float64], reference_kappa: float) -> NDArray[np.float64]:
    """RS Franz-Parisi entropy around typical solutions of margin `reference_kappa`, for an array of distances."""
    margin = {"reference": "typical", "reference_kappa": reference_kappa}
    return np.asarray(rp.franz_parisi(model(), alpha=alpha, distance=distances, **margin).entropy, dtype=float)


def predicted_local(alpha: float, distances: NDArray[np.float64], y: float) -> NDArray[np.float64]:
    """Internal and external entropy, shape (2, distances), for an array of distances."""
    curve = rp.local_entropy(model(), alpha=alpha, distance=distances, y=y, reference="unconstrained")
    return np.array([curve.local_entropy, curve.external_entropy], dtype=float)


def empty_space(N: int, D: int) -> float:
    """(1/N) log binom(N, D) - H2(D/N), what the finite size does without patterns."""
    d = D / N
    H2 = -sum(x * math.log(x) for x in (d, 1 - d) if x > 0)
    return math.log(math.comb(N, D)) / N - H2


@cache
def first_moments(N: int, P: int, D: int) -> tuple[float, float]:
    """E Z and E sum N_D^2 over P Gaussian patterns at kappa = 0.

    Two configurations at distance k satisfy a pattern together with probability 1/4 + arcsin(1 - 2k/N)/(2 pi), and
    are both at distance D from binom(k, k/2) binom(N-k, D-k/2) configurations, k even.
    """
    both = {k: (0.25 + math.asin(1 - 2 * k / N) / (2 * math.pi)) ** P for k in range(0, N + 1, 2)}
    pairs = {k: math.comb(N, k) * math.comb(k, k // 2) * math.comb(N - k, D - k // 2) for k in both if D >= k // 2}
    return 2.0 ** (N - P), 2.0**N * sum(number * both[k] for k, number in pairs.items())


def controlled_mean(values: Samples, controls: Samples) -> tuple[float, float]:
    """Mean of values and its standard error, by linear regression on controls (samples, n) whose mean is known to be 0."""
    if len(values) < MIN_CONTROLLED:
        raise ValueError(f"samples: got {len(values)} with solutions, takes at least {MIN_CONTROLLED}")
    design = np.column_stack([np.ones(len(values)), controls])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ values
    rest = values - design @ coefficients
    variance = rest @ rest / (len(values) - design.shape[1])
    return float(coefficients[0]), float(np.sqrt(variance * inverse[0, 0]))


@dataclass(frozen=True)
class Drawn:
    """The samples of a case at one size, rows of samples.

    controls (samples, 2);  shells by reference_kappa (samples, 4): mean, median, log of the mean, empty fraction;
    local by y (samples, 3): internal and external entropy, phi
    """

    controls: Samples
    shells: dict[float, Samples]
    local: dict[float, Samples]


def draw(case: Case, N: int, samples: int, seed: int, progress: Progress | None) -> Drawn:
    """Enumerate the samples of a case at one size."""
    P, D = case.numbers(N)
    margins = case.references or (0.0,)

    def measure(sample: int) -> tuple[Any, Any, Any]:
        patterns = simulation.draw_patterns(P, N, seed, sample, "gaussian")
        around = [simulation.count_shells(patterns, reference_kappa=k, distances=[D]) for k in margins]
        entropies = [found.around_references() for found in around]
        local = [around[0].local_entropy(y) for y in case.powers]
        shells = [(s.mean[0], s.median[0], s.log_mean[0], s.empty[0]) for s in entropies[: len(case.references)]]
        return _controls(around[0], P), shells, [(s.internal[0], s.external[0], s.free_entropy[0]) for s in local]

    drawn = collect(measure, samples, f"{NAME} {case.label} N={N}", progress)
    controls, shells, local = (np.array(part, dtype=float) for part in zip(*drawn))
    by_margin = {k: shells[:, i] for i, k in enumerate(case.references)}
    return Drawn(controls, by_margin, {y: local[:, i] for i, y in enumerate(case.powers)})


def _controls(around: simulation.Neighbourhoods, P: int) -> tuple[float, float]:
    """Z and sum N_D^2 of a sample relative to their first moments, minus 1."""
    (shell,) = around.shells
    squares = float(shell.everywhere @ shell.numbers.astype(float) ** 2)
    Z, pairs = first_moments(around.N, P, shell.distance)
    return around.solutions / Z - 1, squares / pairs - 1


@dataclass(frozen=True)
class Size:
    """A quantity at one size, the finite size without patterns taken off: value, standard error, what was set aside.

    without : samples set aside;  empty : mean fraction of empty shells
    """

    value: float
    stderr: float
    samples: int
    without: int
    empty: float = 0.0

    @property
    def usable(self) -> bool:
        return max(self.empty, self.without / self.samples) < MAX_WITHOUT_SOLUTIONS


def granularity(quantity: str, y: float) -> float:
    """Coefficient of 1/(N N_D) where N_D are Poisson numbers: of E log N_D, and of S_I, S_E and phi from log E N_D^y."""
    return {"S_FP": -0.5, "S_I": y - 0.5, "S_E": -(y**2) / 2, "phi": y * (y - 1) / 2}[quantity]


def at_size(values: Samples, controls: Samples, shift: float, empty: Samples, granular: float) -> Size:
    """Mean of a quantity at one size; what the convention for log 0 changes, and the systematic error of N_D being an
    integer, are added to its error in quadrature."""
    found = np.isfinite(values)
    mean, stderr = controlled_mean(values[found], controls[found])
    without, fraction = int(np.sum(~found)), float(np.nanmean(empty))
    convention = (without / len(values) + fraction) * abs(mean)
    return Size(mean - shift, math.hypot(stderr, convention, granular), len(values), without, fraction)


@dataclass
class Part:
    """Verdicts, drawings, notes and lines of the raw table."""

    rows: list[Row] = field(default_factory=list)
    curves: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[tuple[Any, ...]] = field(default_factory=list)

    def judge(self, label: str, predicted: float, sizes: dict[int, Size]) -> None:
        """Extrapolate what is usable in 1/N and compare."""
        used = {N: size for N, size in sizes.items() if size.usable}
        missing = [f"N={N}: {_set_aside(size)}" for N, size in sizes.items() if size.without or size.empty]
        values, stderrs = ([getattr(size, name) for size in used.values()] for name in ("value", "stderr"))
        fit = extrapolate(list(used), [value - predicted for value in values], stderrs, scale=predicted)
        self.rows.append(confront(label, predicted, predicted + fit.limit, fit.stderr))
        self.notes.append(f"{label}: deviation {fit.statement}; {'; '.join(missing) or 'nothing set aside'}")
        axes, line = ("1/N", "entropy per weight"), ([0.0, 1 / min(used)], [predicted, predicted])
        self.curves.append(series(label, axes, ([1 / N for N in used], values, stderrs), line))

    def record(self, case: Case, quantity: str, parameter: float, sizes: dict[int, Size]) -> None:
        """Put the sizes of a quantity to the raw table."""
        for N, size in sizes.items():
            P, D = case.numbers(N)
            counted = (size.samples, size.without, size.empty)
            self.lines.append((quantity, parameter, N, P, D, *counted, size.value, size.stderr))


COLUMNS = ("quantity", "parameter", "N", "P", "D", "samples", "without_solutions", "empty", "value", "stderr")
"""Of the raw table; the parameter of S_FP is reference_kappa, that of S_I, S_E and phi is y."""


def _set_aside(size: Size) -> str:
    words = f"{size.without} of {size.samples} samples without solutions, {size.empty:.2%} of shells empty"
    return words + ("" if size.usable else " (size not used)")


def confront_case(case: Case, seed: int, progress: Progress | None) -> Part:
    """All the quantities of a load and a distance."""
    part, alpha, d = Part(), float(case.alpha), np.array([float(case.distance)])
    drawn = {N: draw(case, N, samples, seed, progress) for N, samples in case.plan.items()}
    for k in case.references:
        tables = {N: table.shells[k] for N, table in drawn.items()}
        for column, name in enumerate(("S_FP", "S_FP, median", "S_FP, log of mean")):
            measured = {
                N: _size(case, N, drawn[N].controls, table[:, column], "S_FP", 1.0, table[:, 0], table[:, 3])
                for N, table in tables.items()
            }
            part.record(case, name, k, measured)
            if case.judged and column == 0:
                margin = f", reference kappa = {k:g}" if k else ""
                part.judge(f"S_FP, {case.label}{margin}", float(predicted_shells(alpha, d, k)[0]), measured)
    for y in case.powers:
        predicted = predicted_local(alpha, d, y)[:, 0] if case.judged else np.array([])
        if case.judged:
            predicted = np.append(predicted, predicted[1] + y * predicted[0])
        for column, name in enumerate(("S_I", "S_E", "phi")):
            measured = {
                N: _size(case, N, table.controls, table.local[y][:, column], name, y, table.local[y][:, 0])
                for N, table in drawn.items()
            }
            part.record(case, name, y, measured)
            if case.judged:
                part.judge(f"{name}, {case.label}, y = {y:g}", float(predicted[column]), measured)
    return part


def _size(
    case: Case,
    N: int,
    controls: Samples,
    values: Samples,
    quantity: str,
    y: float,
    entropies: Samples,
    empty: Samples | None = None,
) -> Size:
    """A quantity at one size; `entropies` are those of the shells, `empty` their fractions of empty ones if it matters."""
    typical = float(np.nanmean(entropies))
    shift = {"S_E": 0.0, "phi": y}.get(quantity, 1.0) * empty_space(N, case.numbers(N)[1])
    granular = granularity(quantity, y) * math.exp(-N * typical) / N
    return at_size(values, controls, shift, np.zeros(len(values)) if empty is None else empty, granular)


def draw_curves(seed: int, progress: Progress | None) -> tuple[Series, Series]:
    """S_FP and the local entropy up to d = 1/2 at one size, where fewer than 1% of the shells are empty."""
    alpha, N, samples = CURVE

    def measure(sample: int) -> tuple[Any, Any, Any]:
        found = simulation.count_shells(simulation.draw_patterns(int(alpha * N), N, seed, sample, "gaussian"))
        around = found.around_references()
        return around.mean, found.local_entropy(CURVE_POWER).internal, around.empty

    shells, local, empty = np.array(collect(measure, samples, f"{NAME} curves N={N}", progress)).swapaxes(0, 1)
    filled = np.mean(empty, axis=0) < MAX_WITHOUT_SOLUTIONS
    inside = np.array([D for D in range(1, N // 2 + 1) if filled[D]])
    near = inside[2 * inside < N]
    load = float(alpha)
    return (
        _curve(f"S_FP, alpha = {alpha}, N = {N}", N, inside, shells, predicted_shells(load, inside / N, 0.0)),
        _curve(
            f"S_I, alpha = {alpha}, y = {CURVE_POWER:g}, N = {N}",
            N,
            near,
            local,
            predicted_local(load, near / N, CURVE_POWER)[0],
        ),
    )


def _curve(label: str, N: int, D: NDArray[np.int64], samples: Samples, theory: NDArray[np.float64]) -> Series:
    mean, stderr = mean_and_stderr(samples[:, D])
    shift = np.array([empty_space(N, int(number)) for number in D])
    return series(label, ("distance d", "entropy per weight"), (D / N, mean - shift, stderr), (D / N, theory))


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Enumerate, extrapolate, compare."""
    start = time.perf_counter()
    parts = [confront_case(case, seed, progress) for case in (QUICK if quick else FULL)]
    rows, curves, notes, lines = (
        tuple(item for part in parts for item in getattr(part, name)) for name in ("rows", "curves", "notes", "lines")
    )
    curves = draw_curves(seed, progress) + curves
    data = dict(zip(COLUMNS, (list(column) for column in zip(*lines))))
    return ExperimentResult(NAME, QUESTION, rows, curves, notes, seed, quick, time.perf_counter() - start, data)
