"""Exact enumeration of the solutions of a binary perceptron, committee or tree parity machine.

    W in {-1, +1}^N,   u_mu = y_mu xi_mu . W / sqrt(N)
    for all mu:  u_mu >= kappa (threshold)  or  |u_mu| <= kappa (window)

Fields live on the lattice u = (N - 2 mismatches)/sqrt(N). The inequality is taken literally, ties included:
at kappa = 0 and even N a vanishing field counts as satisfied (the theory's Theta(u - kappa) with >=). In the
limit of large N ties have measure zero, but at even N they shift the entropy by O(1/sqrt(N)): confront theory
with odd N.

A machine of K branches (`machines`) asks the same of the field of each branch, n = N/K sites, and accepts or
refuses the pattern by the number of positive fields; the perceptron is the case K = 1. With K > 1 branches n is
odd, so that no field vanishes, and kappa = 0: the output is the one asked for or another.

A fully connected committee (`machines.fully_connected`) has K N weights, N odd: it is the tree whose branches all
see the same sites, and it is enumerated as that. Code bits (j - 1) N to j N - 1 are the unit j. Relabelling the
units changes no output: solutions come in groups of K! (fewer where units coincide), all of which are counted.
For K even a label 0 asks for a tie; a tie satisfies neither +1 nor -1.

Method: 64 weight vectors a machine word (`_bits`). The experiment is that of W. Krauth and M. Opper,
J. Phys. A 22 (1989) L519.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _bits
from ._checks import check_choice, check_finite, check_integer, check_signs
from .machines import PERCEPTRON, Machine, as_architecture

# words listed between two chances to cancel; 64 times as many codes fit the buffer
_BLOCK_WORDS = 1 << 14
MAX_SITES = 31
"""Largest number of weights of the exhaustive engine: 2^31 weight vectors, a fraction of a minute."""


def count_solutions(
    patterns: ArrayLike,
    kappa: float = 0.0,
    likelihood: str = "threshold",
    labels: ArrayLike | None = None,
    accepted: Machine = PERCEPTRON,
) -> int:
    """Number of binary weight vectors that satisfy every pattern.

    Parameters
    ----------
    patterns : array (P, N) of +1 and -1, 1 <= N <= 31 (fully connected: K N <= 31)
    kappa : margin ("threshold") or half-width ("window"), any finite number
    likelihood : "threshold" (u >= kappa) or "window" (|u| <= kappa)
    labels : array (P,) of +1 and -1 (and 0 for a committee that can tie), all +1 if absent
    accepted : K + 1 booleans, one a number of positive fields (`majority`, `parity`), or `fully_connected`; the
        perceptron if absent

    Raises
    ------
    ValueError : patterns or labels of a wrong shape or value, more than 31 weights, kappa not finite, unknown
        likelihood; with K > 1 units, an even number of inputs a unit, or kappa or likelihood other than 0 and
        "threshold"
    """
    return int(count_solutions_by_load(patterns, kappa, likelihood, labels, accepted)[-1])


def count_solutions_by_load(
    patterns: ArrayLike,
    kappa: float = 0.0,
    likelihood: str = "threshold",
    labels: ArrayLike | None = None,
    accepted: Machine = PERCEPTRON,
) -> NDArray[np.int64]:
    """Numbers of weight vectors that satisfy the first 0, 1, ..., P patterns: one enumeration, every load.

    Parameters and errors are those of `count_solutions`; the result has shape (P + 1,) and starts with 2^(number of weights).
    """
    engine, signs = _engine(patterns, kappa, likelihood, accepted)
    return np.asarray(_bits.count_by_load(engine.cut(signs, labels), engine.machine))


def enumerate_solutions(
    patterns: ArrayLike,
    kappa: float = 0.0,
    likelihood: str = "threshold",
    labels: ArrayLike | None = None,
    limit: int = 50_000_000,
    accepted: Machine = PERCEPTRON,
) -> NDArray[np.uint32]:
    """Codes of all binary weight vectors that satisfy every pattern, in increasing order.

    Bit i of a code is set where W_i = +1; `decode_weights` turns codes into weights (of K N sites if fully connected).

    Parameters
    ----------
    patterns, kappa, likelihood, labels, accepted : as for `count_solutions`
    limit : largest number of solutions to list (4 bytes each)

    Raises
    ------
    ValueError : as for `count_solutions`, or more solutions than `limit`
    """
    check_integer("limit", limit, at_least=0)
    engine, signs = _engine(patterns, kappa, likelihood, accepted)
    cut = engine.cut(signs, labels)
    n_words = engine.machine.n_words * engine.machine.n_others
    block = min(n_words, _BLOCK_WORDS)
    buffer = np.empty(block << engine.n_low, np.uint32)
    found: list[NDArray[np.uint32]] = []
    total = 0
    for first in range(0, n_words, block):
        words = (first, first + block)
        count = _bits.list_codes(cut, engine.machine, words, buffer)
        total += count
        if total > limit:
            raise ValueError(f"limit: got {limit}, takes at least the number of solutions, {total} so far")
        found.append(buffer[:count].copy())
    return np.concatenate(found)


@dataclass(frozen=True)
class Votes:
    """How the solutions of the first P' patterns vote on fresh patterns, one row a load P'.

    solutions : array (loads,), their numbers;  positive, tied : array (loads, F), how many of them give the output
        +1, and 0 (none of them unless fully connected with K even: then None stands for zeros)
    """

    solutions: NDArray[np.int64]
    positive: NDArray[np.int64]
    tied: NDArray[np.int64] | None = None

    @property
    def probability(self) -> NDArray[np.float64]:
        """Fraction p of the solutions with output +1, (loads, F); ValueError where there are no solutions."""
        if not np.all(self.solutions):
            raise ValueError(f"solutions: got {self.solutions.tolist()}, takes numbers > 0 to average over")
        return np.asarray(self.positive / self.solutions[:, None])

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Fractions p_y of the solutions with output y = -1, 0, +1, (loads, F, 3); errors as `probability`."""
        p = self.probability
        tie = np.zeros_like(p) if self.tied is None else self.tied / self.solutions[:, None]
        return np.stack([1 - p - tie, tie, p], axis=-1)

    @property
    def gibbs_error(self) -> NDArray[np.float64]:
        """Probability 1 - sum_y p_y^2 that two solutions disagree, averaged over the fresh patterns, (loads,)."""
        return np.asarray(np.mean(1 - np.sum(self.probabilities**2, axis=-1), axis=1))

    @property
    def bayes_error(self) -> NDArray[np.float64]:
        """Probability 1 - max_y p_y that a solution disagrees with their vote, averaged likewise, (loads,).

        Without noise a teacher drawn uniformly is a solution like any other: both errors are also those of one
        solution, and of the vote, on the teacher's labels, averaged over teachers.
        """
        return np.asarray(np.mean(1 - np.max(self.probabilities, axis=-1), axis=1))


def count_votes(
    patterns: ArrayLike,
    fresh: ArrayLike,
    loads: Sequence[int],
    labels: ArrayLike | None = None,
    accepted: Machine = PERCEPTRON,
) -> Votes:
    """Votes on fresh patterns of all the solutions at kappa = 0 of the first loads[0], loads[1], ... patterns.

    Parameters
    ----------
    patterns : array (P, N) of +1 and -1, as for `count_solutions`;  fresh : array (F, N) likewise, F >= 1
    loads : numbers of patterns from 0 to P
    labels, accepted : as for `count_solutions`

    Raises
    ------
    ValueError : as for `count_solutions`, or a wrong shape, value or load
    """
    engine, signs = _engine(patterns, 0.0, "threshold", accepted)
    unseen = check_signs("fresh", fresh, (-1, signs.shape[1]))
    check_integer("number of fresh patterns", len(unseen), at_least=1)
    wanted = [check_integer("loads", load, at_least=0, at_most=len(signs)) for load in loads]
    asked = np.isin(np.arange(len(signs) + 1), wanted)
    # a fresh pattern a column and an output to vote for; the outputs -1 are the others
    outputs = (1, 0) if 0 in engine.architecture.outputs else (1,)
    voted = engine.cut(np.tile(unseen, (len(outputs), 1)), np.repeat(outputs, len(unseen)))
    everything = np.zeros((len(signs) + 1, len(outputs) * len(unseen)), np.int64)
    trained = engine.cut(signs, labels)
    _bits.add_votes(trained, voted, engine.machine, asked, everything)
    positive, *tied = np.split(everything[wanted], len(outputs), axis=1)
    return Votes(_bits.count_by_load(trained, engine.machine)[wanted], positive, *tied)


def decode_weights(codes: ArrayLike, N: int) -> NDArray[np.int8]:
    """Weights of shape (number of codes, N), +1 where bit i of the code is set and -1 elsewhere."""
    check_integer("N", N, at_least=1, at_most=MAX_SITES)
    bits = np.asarray(codes, dtype=np.uint32)[..., None] >> np.arange(N, dtype=np.uint32) & np.uint32(1)
    return (2 * bits.astype(np.int8) - 1).astype(np.int8)


def encode_weights(weights: ArrayLike) -> NDArray[np.uint64]:
    """Codes of the rows of an array (n, N) of +1 and -1, the inverse of `decode_weights`."""
    signs = check_signs("weights", weights, (-1, -1))
    check_integer("N", signs.shape[1], at_least=1, at_most=MAX_SITES)
    place = np.uint64(1) << np.arange(signs.shape[1], dtype=np.uint64)
    return np.where(signs > 0, place, np.uint64(0)).sum(axis=1, dtype=np.uint64)


def mismatch_budget(N: int, kappa: float, likelihood: str = "threshold") -> tuple[int, int]:
    """Least and most mismatches between W and y xi that satisfy a pattern: the condition on u in integers.

    (N - 2 mismatches)/sqrt(N) is compared with kappa in exact rational arithmetic, by signs and squares, so a
    tie is a tie and not a rounding error. An impossible condition gives least > most.
    """
    check_integer("N", N, at_least=1)
    check_choice("likelihood", likelihood, ("threshold", "window"))
    margin = Fraction(check_finite("kappa", kappa))
    # largest |N - 2 mismatches| with (N - 2 mismatches)^2 <= kappa^2 N
    inside = math.isqrt(math.floor(margin * margin * N))
    if likelihood == "window":
        return (N + 1, -1) if margin < 0 else (max(0, -((inside - N) // 2)), min(N, (N + inside) // 2))
    if margin <= 0:
        return 0, min(N, (N + inside) // 2)
    # smallest integer s with s^2 >= kappa^2 N, s > 0
    outside = inside if inside * inside == margin * margin * N else inside + 1
    return 0, (N - outside) // 2


class _Engine:
    """A machine of N sites in the form that the bit-parallel kernels take."""

    def __init__(self, N: int, kappa: float, likelihood: str, accepted: Machine) -> None:
        self.architecture = as_architecture(accepted, N)
        K, n = self.architecture.K, self.architecture.inputs(N)
        if K * n > MAX_SITES:
            raise ValueError(f"patterns: got N = {N} sites for K = {K} units, takes K N from 1 to {MAX_SITES}")
        least, most = mismatch_budget(n, kappa, likelihood)
        if K > 1 and n % 2 == 0:
            odd, why = ("N odd", f"{K} units") if self.architecture.shared else ("N/K odd", f"K = {K} branches")
            raise ValueError(f"N: got {N}, takes {odd} ({why}; at even {odd[:-4]} a field can vanish)")
        if K > 1 and (likelihood != "threshold" or kappa != 0):
            got, units = f"{kappa} and {likelihood!r}", "units" if self.architecture.shared else "branches"
            raise ValueError(f"kappa, likelihood: got {got}, takes 0 and 'threshold' with K = {K} {units}")
        self.n_low = min(n, _bits.LANE_BITS)
        self.n_first = n
        branches = np.array([((1 << n) - 1) << n * j for j in range(K - 1)], np.uint64)
        mismatches = np.arange(n + 1)
        self.machine = _bits.Machine(
            all_lanes=np.uint64((1 << (1 << self.n_low)) - 1),
            n_words=1 << (n - self.n_low),
            n_others=1 << n * (K - 1),
            branches=branches,
            positive=((mismatches >= least) & (mismatches <= most)).astype(np.int64),
        )

    def cut(self, signs: NDArray[np.int8], labels: ArrayLike | None = None) -> _bits.Patterns:
        """Patterns with the outputs asked for, gauged into the fields (`Architecture.satisfied`)."""
        y = np.ones(len(signs), np.int8) if labels is None else self._labels(labels, len(signs))
        seen = np.tile(signs, (1, self.architecture.K)) if self.architecture.shared else signs
        codes = encode_weights(seen * np.where(y < 0, -1, 1).astype(np.int8)[:, None])
        accepted = np.array([self.architecture.satisfied(label) for label in (-1, 0, 1)])[y + 1]
        low, first = (codes & np.uint64((1 << bits) - 1) for bits in (self.n_low, self.n_first))
        return _bits.Patterns(
            high=first >> np.uint64(self.n_low),
            others=codes >> np.uint64(self.n_first),
            masks=_bits.lane_masks(low, self.n_low, self.machine.positive, accepted),
        )

    def _labels(self, labels: ArrayLike, P: int) -> NDArray[np.int8]:
        """Labels that the machine can give: +1 and -1, and 0 where it can tie."""
        if 0 not in self.architecture.outputs:
            return check_signs("labels", labels, (P,))
        y = np.asarray(labels)
        if y.shape != (P,) or not np.all(np.isin(y, (-1, 0, 1))):
            raise ValueError(f"labels: got an array of shape {y.shape}, takes shape ({P}) of -1, 0 and +1 only")
        return y.astype(np.int8)


def _engine(patterns: ArrayLike, kappa: float, likelihood: str, accepted: Machine) -> tuple[_Engine, NDArray[np.int8]]:
    """The machine for patterns of a checked size, and the patterns."""
    signs = check_signs("patterns", patterns, (-1, -1))
    N = signs.shape[1]
    if not 1 <= N <= MAX_SITES:
        raise ValueError(f"patterns: got N = {N} sites, takes N from 1 to {MAX_SITES}")
    return _Engine(N, kappa, likelihood, accepted), signs
