"""Solutions around a configuration: exact numbers at every Hamming distance, for small N.

    N_D(w~) = number of solutions W in {-1, +1}^N at Hamming distance D from w~,   d = D/N,   p = 1 - 2 d

    around references:  E (1/N) < log N_D(w~) >,  < . > over the solutions w~ of margin reference_kappa >= kappa
    local entropy:      phi_N(y) = (1/N) log sum over all 2^N w~ of N_D(w~)^y,
                        S_I = d phi_N/dy,   S_E = phi_N - y S_I

Method: N_D is the convolution of the indicator of the solutions with that of a sphere. Its Walsh-Hadamard transform is
that of the indicator, at a set s of sites, times the Krawtchouk polynomial

    K_D(|s|) = sum_j (-1)^j binom(|s|, j) binom(N - |s|, D - j)

in integers, exactly. What a sample leaves is, for each D, how many w~ (all of them, and the references) have 0, 1, 2,
... solutions at this distance: every average above follows from these numbers, at any y.

A shell can be empty around a reference: log 0 is set aside and the fraction of such references reported; the median
and the logarithm of the mean number are beside it. The convention for binary patterns at even N, where a field can
vanish, is that of `enumeration`; Gaussian patterns have no ties and no lattice of fields.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from ._checks import check_choice, check_finite, check_integer, check_patterns, check_signs
from ._lanes import popcount
from .display.results import Columns, Rows, Series, Shown, known
from .enumeration import enumerate_solutions
from .overlaps import QuenchedEntropy

MAX_SHELL_SITES = 24
"""Largest N: three arrays of 2^N integers of 8 bytes, 400 MB."""

BLOCK = 1 << 15
"""Integers of 8 bytes that stay in the cache (256 kB) while all their bits are transformed."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Shell:
    """One distance D: configurations by the number of solutions at this distance from them.

    numbers : the values of N_D that occur, increasing;  everywhere : how many of all 2^N configurations have each;
    references : how many of the references have each
    """

    distance: int
    numbers: Counts
    everywhere: Counts
    references: Counts


@dataclass(frozen=True, repr=False)
class ShellEntropy(Series):
    """Solutions at each distance from the references of one sample, logarithms per weight: arrays (distances,).

    distances : d = D/N;  mean : of log N_D over the references with N_D > 0;  median : of log N_D over all references, -inf if it is empty
    log_mean : log of the mean N_D, -inf if all are empty;  empty : fraction of the references with N_D = 0

    Without references all are nan; `mean` is where all shells are empty.
    """

    quantity = "solutions around references"
    axes = ("distance $d$", "entropy of the solutions per weight")
    drawn = ("mean", None)

    distances: NDArray[np.float64]
    mean: NDArray[np.float64]
    median: NDArray[np.float64]
    log_mean: NDArray[np.float64]
    empty: NDArray[np.float64]

    def columns(self) -> Columns:
        """By distance."""
        entropies = {"mean": self.mean, "median": self.median, "log_mean": self.log_mean}
        return {"distance": self.distances, **entropies, "empty": self.empty}

    def rows(self) -> Rows:
        """Header and cells of a readable table."""
        header = ["distance", "mean log", "median log", "log mean", "empty"]
        return header, [[f"{d:.4g}", *(known(x, ".5f") for x in line), f"{empty:.1%}"] for d, *line, empty in zip(*self.columns().values())]


@dataclass(frozen=True, repr=False)
class LocalEntropies(Series):
    """phi_N(y) of one sample with its internal and external entropy: arrays (distances,), nan without solutions."""

    quantity = "local entropy"
    inputs = ("y",)
    axes = ("distance $d$", r"local entropy $S_I$")
    drawn = ("internal", None)

    y: float
    distances: NDArray[np.float64]
    free_entropy: NDArray[np.float64]
    internal: NDArray[np.float64]
    external: NDArray[np.float64]

    @property
    def title(self) -> str:
        """What it is, and at which y."""
        return f"local entropy, y = {self.y:g}"

    def columns(self) -> Columns:
        """By distance."""
        return {"distance": self.distances, "free_entropy": self.free_entropy, "internal": self.internal, "external": self.external}

    def rows(self) -> Rows:
        """Header and cells of a readable table."""
        return ["distance", "phi", "S_I", "S_E"], [[f"{d:.4g}", *(known(x, ".5f") for x in line)] for d, *line in zip(*self.columns().values())]


@dataclass(frozen=True, repr=False)
class Neighbourhoods(Shown):
    """Numbers of solutions around every configuration, for one sample of patterns.

    N : number of weights;  solutions, references : how many there are;  shells : one a distance asked for
    """

    quantity = "neighbourhoods"
    inputs = ("N",)
    computed = ("solutions", "references")

    N: int
    solutions: int
    references: int
    shells: tuple[Shell, ...]

    @property
    def title(self) -> str:
        """How many there are."""
        return f"{self.solutions} solutions of N = {self.N} weights around {self.references} references"

    def rows(self) -> Rows:
        """Header and cells of a readable table: the entropies around the references."""
        return self.around_references().rows()

    def _plain(self) -> dict[str, Any]:
        return super()._plain() | {"points": self.around_references().points()}

    @property
    def distances(self) -> NDArray[np.float64]:
        """d = D/N of the shells."""
        return np.array([shell.distance / self.N for shell in self.shells])

    def around_references(self) -> ShellEntropy:
        """Entropy of the solutions around the references, at each distance."""
        columns = np.array([_around(shell) for shell in self.shells]).reshape(-1, 4).T.copy()
        columns[:3] /= self.N
        return ShellEntropy(self.distances, *columns)

    def local_entropy(self, y: float) -> LocalEntropies:
        """phi_N(y), its derivative S_I and S_E = phi_N - y S_I at each distance; ValueError unless y > 0 is finite."""
        power = check_finite("y", y)
        if power <= 0:
            raise ValueError(f"y: got {y}, takes a number > 0")
        phi, internal = np.array([_moment(shell, power) for shell in self.shells]).reshape(-1, 2).T / self.N
        return LocalEntropies(power, self.distances, phi, internal, phi - power * internal)


def count_shells(
    patterns: ArrayLike,
    kappa: float = 0.0,
    likelihood: str = "threshold",
    labels: ArrayLike | None = None,
    reference_kappa: float | None = None,
    distances: Sequence[int] | None = None,
) -> Neighbourhoods:
    """Numbers of solutions at Hamming distances from every configuration of N binary weights.

    Parameters
    ----------
    patterns : array (P, N) of finite numbers, 1 <= N <= 24
    kappa, likelihood : as for `count_solutions`;  labels : array (P,) of +1 and -1, all +1 if absent
    reference_kappa : margin of the references, those of the solutions that have it too; `kappa` if absent. In a
        window it is a half-width, <= kappa
    distances : integers from 0 to N, all of them if absent

    Raises
    ------
    ValueError : an argument outside these ranges
    """
    points = check_patterns(patterns)
    P, N = points.shape
    check_integer("N", N, at_least=1, at_most=MAX_SHELL_SITES)
    check_choice("likelihood", likelihood, ("threshold", "window"))
    margin = check_finite("kappa", kappa)
    narrow = margin if reference_kappa is None else check_finite("reference_kappa", reference_kappa)
    if narrow < margin if likelihood == "threshold" else narrow > margin:
        side = ">=" if likelihood == "threshold" else "<="
        raise ValueError(f"reference_kappa: got {narrow}, takes a number {side} kappa = {margin}")
    wanted = range(N + 1) if distances is None else distances
    shells = [check_integer("distances", D, at_least=0, at_most=N) for D in wanted]
    if labels is not None:
        points = points * check_signs("labels", labels, (P,))[:, None]
    codes = solution_codes(points, margin, likelihood)
    references = codes if narrow == margin else solution_codes(points, narrow, likelihood)
    return Neighbourhoods(N, len(codes), len(references), _shells(codes, references, N, shells))


def solution_codes(patterns: ArrayLike, kappa: float = 0.0, likelihood: str = "threshold") -> NDArray[np.uint32]:
    """Codes of all solutions, as `enumerate_solutions` lists them, for patterns of any finite numbers, N <= 24.

    Patterns of +1 and -1 are those of `enumerate_solutions`, ties included; otherwise u is compared in floating point.
    """
    points = check_patterns(patterns)
    P, N = points.shape
    check_integer("N", N, at_least=1, at_most=MAX_SHELL_SITES)
    if np.all(np.abs(points) == 1):
        return np.asarray(enumerate_solutions(points, kappa, likelihood), np.uint32)
    low = N // 2
    least = check_finite("kappa", kappa) if likelihood == "threshold" else -check_finite("kappa", kappa)
    most = math.inf if likelihood == "threshold" else -least
    scaled = points / math.sqrt(N)
    alive = np.ones((1 << (N - low), 1 << low), np.bool_)
    _keep_solutions(_all_sums(scaled[:, low:]), _all_sums(scaled[:, :low]), least, most, alive)
    return np.flatnonzero(alive.ravel()).astype(np.uint32)


def quenched_mean(values: ArrayLike) -> QuenchedEntropy:
    """Mean over the samples, (samples, quantities), where a quantity is finite; `without_solutions` counts the others."""
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or len(table) == 0:
        raise ValueError(f"values: got an array of shape {table.shape}, takes shape (samples, quantities)")
    usable = np.isfinite(table)
    n = usable.sum(axis=0)
    mean = np.divide(np.where(usable, table, 0).sum(axis=0), n, out=np.full(n.shape, np.nan), where=n > 0)
    squares = np.where(usable, (table - np.where(n > 0, mean, 0)) ** 2, 0).sum(axis=0)
    variance = np.divide(squares, (n - 1) * n, out=np.full(n.shape, np.nan), where=n > 1)
    return QuenchedEntropy(mean, np.sqrt(variance), len(table), len(table) - n)


def krawtchouk(N: int, D: int) -> Counts:
    """K_D(k) for k = 0, 1, ..., N: the transform of the sphere of radius D in {-1, +1}^N at sets of k sites."""
    values = [
        sum((-1) ** j * math.comb(k, j) * math.comb(N - k, D - j) for j in range(min(k, D) + 1)) for k in range(N + 1)
    ]
    return np.array(values, np.int64)


def _around(shell: Shell) -> tuple[float, float, float, float]:
    """Mean log, median log and log mean of N_D over the references, and the fraction with N_D = 0."""
    n, total = shell.references, int(shell.references.sum())
    if total == 0:
        return math.nan, math.nan, math.nan, math.nan
    filled = (shell.numbers > 0) & (n > 0)
    numbers, weights = shell.numbers[filled], n[filled]
    some = int(weights.sum())
    mean = float(weights @ np.log(numbers)) / some if some else math.nan
    log_mean = math.log(int(weights @ numbers) / total) if some else -math.inf
    place = np.cumsum(n)
    middle = shell.numbers[np.searchsorted(place, [(total - 1) // 2 + 1, total // 2 + 1])]
    with np.errstate(divide="ignore"):
        median = float(np.log(middle).mean())
    return mean, median, log_mean, 1 - some / total


def _moment(shell: Shell, y: float) -> tuple[float, float]:
    """log sum N_D^y over all configurations, and its derivative in y."""
    filled = shell.numbers > 0
    if not np.any(filled):
        return math.nan, math.nan
    logs = np.log(shell.numbers[filled])
    exponent = y * logs + np.log(shell.everywhere[filled])
    top = exponent.max()
    weight = np.exp(exponent - top)
    return float(top + math.log(weight.sum())), float(weight @ logs / weight.sum())


def _shells(
    codes: NDArray[np.uint32], references: NDArray[np.uint32], N: int, distances: list[int]
) -> tuple[Shell, ...]:
    """The shells asked for; one transform serves D and N - D, as N_{N-D}(w~) = N_D(-w~)."""
    transform = np.zeros(1 << N, np.int64)
    transform[codes] = 1
    _walsh_hadamard(transform)
    opposite = references ^ np.uint32((1 << N) - 1)
    shells: dict[int, Shell] = {}
    for radius in sorted({min(D, N - D) for D in distances}):
        numbers = np.empty_like(transform)
        _times_sphere(transform, krawtchouk(N, radius), numbers)
        _walsh_hadamard(numbers)
        numbers >>= N
        everywhere = np.bincount(numbers, minlength=1)
        present = np.flatnonzero(everywhere)
        for D, centres in ((radius, references), (N - radius, opposite)):
            around = np.bincount(numbers[centres], minlength=everywhere.size)
            shells[D] = Shell(D, present, everywhere[present], around[present])
    return tuple(shells[D] for D in distances)


def _all_sums(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """sum_i W_i part_mu,i for all W, in the order of the codes, shape (P, 2^sites)."""
    sums = np.zeros((len(parts), 1))
    for column in parts.T[:, :, None]:
        sums = np.concatenate([sums - column, sums + column], axis=1)
    return sums


@njit(cache=True, nogil=True)
def _keep_solutions(
    high: NDArray[np.float64], low: NDArray[np.float64], least: float, most: float, alive: NDArray[np.bool_]
) -> None:
    for i in range(alive.shape[0]):
        row = alive[i]
        for mu in range(high.shape[0]):
            shared, part = high[mu, i], low[mu]
            for j in range(row.size):
                u = shared + part[j]
                row[j] &= (u >= least) & (u <= most)


@njit(cache=True, nogil=True)
def _times_sphere(transform: Counts, sphere: Counts, product: Counts) -> None:
    for s in range(transform.size):
        product[s] = transform[s] * sphere[popcount(np.uint64(s))]


@njit(cache=True, nogil=True)
def _walsh_hadamard(values: Counts) -> None:
    """In place, not normalised: sum_w (-1)^|w & s| values[w]; three bits at a time, the low ones block by block in the cache."""
    block = min(BLOCK, values.size)
    for start in range(0, values.size, block):
        _butterflies(values[start : start + block], 1)
    _butterflies(values, block)


@njit(cache=True, nogil=True)
def _butterflies(values: Counts, step: int) -> None:
    """The bits of the indices from `step` on."""
    bits = 0
    while step << bits < values.size:
        bits += 1
    for _ in range(bits % 3):
        for start in range(0, values.size, 2 * step):
            a, b = values[start : start + step], values[start + step : start + 2 * step]
            for i in range(step):
                s, t = a[i], b[i]
                a[i], b[i] = s + t, s - t
        step *= 2
    while step < values.size:
        for start in range(0, values.size, 8 * step):
            # eight slices, not one index with offsets: only so is the loop vectorised
            a, b = values[start : start + step], values[start + step : start + 2 * step]
            c, d = values[start + 2 * step : start + 3 * step], values[start + 3 * step : start + 4 * step]
            e, f = values[start + 4 * step : start + 5 * step], values[start + 5 * step : start + 6 * step]
            g, h = values[start + 6 * step : start + 7 * step], values[start + 7 * step : start + 8 * step]
            for i in range(step):
                s0, s1, s2, s3 = a[i] + b[i], a[i] - b[i], c[i] + d[i], c[i] - d[i]
                s4, s5, s6, s7 = e[i] + f[i], e[i] - f[i], g[i] + h[i], g[i] - h[i]
                t0, t1, t2, t3 = s0 + s2, s1 + s3, s0 - s2, s1 - s3
                t4, t5, t6, t7 = s4 + s6, s5 + s7, s4 - s6, s5 - s7
                a[i], b[i], c[i], d[i] = t0 + t4, t1 + t5, t2 + t6, t3 + t7
                e[i], f[i], g[i], h[i] = t0 - t4, t1 - t5, t2 - t6, t3 - t7
        step *= 8
