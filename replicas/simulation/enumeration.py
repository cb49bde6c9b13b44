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

Two engines list and count the same solutions: "bit-sliced" goes through all weight vectors, 64 a machine word (`_bits`), up to
31 weights; "search" leaves out what patterns and pairs of patterns refuse (`search`), up to 63. "auto" takes the search where it
is the faster one, and beyond 31 weights. The experiment is that of W. Krauth and M. Opper, J. Phys. A 22 (1989) L519.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _bits
from ._checks import check_choice, check_integer, check_signs
from .codes import (
    MAX_SEARCH_SITES,
    MAX_SITES,
    Codes,
    Conditions,
    check_exhaustive,
    code_type,
    conditions,
    decode_weights,
    encode_weights,
    mismatch_budget,
)
from .display.results import Rows, Shown, known, plain
from .machines import PERCEPTRON, Machine
from .search import Progress, bit_machine, bit_patterns, check_searchable, run_search, search_solutions, searchable

__all__ = [
    "MAX_SEARCH_SITES",
    "MAX_SITES",
    "Votes",
    "count_solutions",
    "count_solutions_by_load",
    "count_votes",
    "decode_weights",
    "encode_weights",
    "enumerate_solutions",
    "mismatch_budget",
    "search_solutions",
]

ENGINES = ("auto", "bit-sliced", "search")
SEARCH_FROM = 16
"""Weights from which "auto" searches: below, both engines take less than it takes to set one up."""
SEARCH_LOAD = 5
"""Patterns from which it does: fewer refuse so little that all weight vectors are gone through faster."""
# vectors listed between two chances to cancel; 512 times as many codes fit the buffer
_BLOCK_WORDS = 1 << 11
_COUNTED_WORDS = 1 << 18  # likewise, counted only


def count_solutions(
    patterns: ArrayLike,
    kappa: float = 0.0,
    likelihood: str = "threshold",
    labels: ArrayLike | None = None,
    accepted: Machine = PERCEPTRON,
    *,
    engine: str = "auto",
    workers: int = 1,
    progress: Progress | None = None,
) -> int:
    """Number of binary weight vectors that satisfy every pattern.

    Parameters
    ----------
    patterns : array (P, N) of +1 and -1, 1 <= N <= 63, or 31 (fully connected: K N)
    kappa : margin ("threshold") or half-width ("window"), any finite number
    likelihood : "threshold" (u >= kappa) or "window" (|u| <= kappa)
    labels : array (P,) of +1 and -1 (and 0 for a committee that can tie), all +1 if absent
    accepted : K + 1 booleans, one a number of positive fields (`majority`, `parity`), or `fully_connected`; the
        perceptron if absent
    engine : "bit-sliced", up to 31 weights; "search", up to 63, for machines without ties where more positive units
        never turn +1 into -1; "auto"
    workers : threads of the search, >= 1; the number does not depend on them;  progress : called as progress(done, of)

    Raises
    ------
    ValueError : patterns or labels of a wrong shape or value, more weights than the engine takes, kappa not finite,
        unknown likelihood or engine, a machine that is not searched; with K > 1 units, an even number of inputs a
        unit, or kappa or likelihood other than 0 and "threshold"
    KeyboardInterrupt : the search was interrupted; `search_solutions` returns what there is instead
    """
    check_integer("workers", workers, at_least=1)
    asked = conditions_of(patterns, kappa, likelihood, labels, accepted, engine)
    if not _searches(asked, engine):
        return _count_all(asked, progress)
    run = run_search(asked, likelihood == "window", False, 0, workers, progress)
    if run.interrupted:
        raise KeyboardInterrupt
    return run.solutions


def count_solutions_by_load(
    patterns: ArrayLike,
    kappa: float = 0.0,
    likelihood: str = "threshold",
    labels: ArrayLike | None = None,
    accepted: Machine = PERCEPTRON,
) -> NDArray[np.int64]:
    """Numbers of weight vectors that satisfy the first 0, 1, ..., P patterns: one enumeration, every load.

    Parameters and errors are those of `count_solutions`; the result has shape (P + 1,) and starts with 2^(number of weights).
    Low loads leave most weight vectors: the engine is the bit-sliced one, up to 31 weights.
    """
    asked = conditions_of(patterns, kappa, likelihood, labels, accepted, "bit-sliced")
    return np.asarray(_bits.count_by_load(bit_patterns(asked, asked.codes), bit_machine(asked)))


def enumerate_solutions(
    patterns: ArrayLike,
    kappa: float = 0.0,
    likelihood: str = "threshold",
    labels: ArrayLike | None = None,
    limit: int = 50_000_000,
    accepted: Machine = PERCEPTRON,
    *,
    engine: str = "auto",
    workers: int = 1,
    progress: Progress | None = None,
) -> Codes:
    """Codes of all binary weight vectors that satisfy every pattern, in increasing order.

    Bit i of a code is set where W_i = +1; `decode_weights` turns codes into weights (of K N sites if fully connected).
    Codes are uint32 up to 31 weights and uint64 beyond.

    Parameters
    ----------
    patterns, kappa, likelihood, labels, accepted, engine, workers, progress : as for `count_solutions`
    limit : largest number of solutions to list (4 or 8 bytes each)

    Raises
    ------
    ValueError : as for `count_solutions`, or more solutions than `limit`
    KeyboardInterrupt : as for `count_solutions`
    """
    check_integer("limit", limit, at_least=0)
    check_integer("workers", workers, at_least=1)
    asked = conditions_of(patterns, kappa, likelihood, labels, accepted, engine)
    if not _searches(asked, engine):
        return _list_all(asked, limit, progress)
    run = run_search(asked, likelihood == "window", True, limit, workers, progress)
    if run.interrupted or run.codes is None:
        raise KeyboardInterrupt
    return run.codes


def _count_all(asked: Conditions, progress: Progress | None) -> int:
    machine, cut = bit_machine(asked), bit_patterns(asked, asked.codes)
    n_words = machine.n_words * machine.n_others
    total = 0
    for first in range(0, n_words, _COUNTED_WORDS):
        last = min(n_words, first + _COUNTED_WORDS)
        total += int(_bits.count(cut, machine, (first, last)))
        if progress is not None:
            progress(last, n_words)
    return total


def _list_all(asked: Conditions, limit: int, progress: Progress | None) -> Codes:
    machine, cut = bit_machine(asked), bit_patterns(asked, asked.codes)
    n_words = machine.n_words * machine.n_others
    block = min(n_words, _BLOCK_WORDS)
    buffer = np.empty(block << machine.n_low, np.uint64)
    found: list[Any] = []
    total = 0
    for first in range(0, n_words, block):
        last = min(n_words, first + block)
        count = _bits.list_codes(cut, machine, (first, last), buffer)
        total += count
        if total > limit:
            raise ValueError(f"limit: got {limit}, takes at least the number of solutions, {total} so far")
        found.append(buffer[:count].astype(code_type(asked.sites)))
        if progress is not None:
            progress(last, n_words)
    return np.concatenate(found)


@dataclass(frozen=True, repr=False)
class Votes(Shown):
    """How the solutions of the first P' patterns vote on fresh patterns, one row a load P'.

    solutions : array (loads,), their numbers;  positive, tied : array (loads, F), how many of them give the output
        +1, and 0 (none of them unless fully connected with K even: then None stands for zeros)
    """

    quantity = "votes"
    computed = ("solutions",)

    solutions: NDArray[np.int64]
    positive: NDArray[np.int64]
    tied: NDArray[np.int64] | None = None

    @property
    def title(self) -> str:
        """On how many patterns, at how many loads."""
        return f"votes of the solutions of {len(self.solutions)} loads on {self.positive.shape[1]} fresh patterns"

    def rows(self) -> Rows:
        """Header and cells of a readable table, a row a load."""
        columns = zip(self.solutions, *self._errors().values())
        return ["solutions", "Gibbs error", "Bayes error"], [[str(n), known(g, ".6g"), known(b, ".6g")] for n, g, b in columns]

    def _errors(self) -> dict[str, NDArray[np.float64]]:
        """Both errors, nan where a load has no solutions."""
        if not np.all(self.solutions):
            return dict.fromkeys(("gibbs_error", "bayes_error"), np.full(len(self.solutions), np.nan))
        return {"gibbs_error": self.gibbs_error, "bayes_error": self.bayes_error}

    def _plain(self) -> dict[str, Any]:
        return super()._plain() | plain(self._errors())

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
    asked = conditions_of(patterns, 0.0, "threshold", labels, accepted, "bit-sliced")
    machine, P = bit_machine(asked), asked.codes.size
    width = asked.n if asked.architecture.shared else asked.sites
    unseen = check_signs("fresh", fresh, (-1, width))
    check_integer("number of fresh patterns", len(unseen), at_least=1)
    wanted = [check_integer("loads", load, at_least=0, at_most=P) for load in loads]
    steps = np.isin(np.arange(P + 1), wanted)
    # a fresh pattern a column and an output to vote for; the outputs -1 are the others
    outputs = (1, 0) if 0 in asked.architecture.outputs else (1,)
    columns = np.tile(unseen, (len(outputs), 1)), np.repeat(outputs, len(unseen))
    voted = conditions(columns[0], labels=columns[1], accepted=accepted)
    everything = np.zeros((P + 1, len(columns[0])), np.int64)
    trained = bit_patterns(asked, asked.codes)
    _bits.add_votes(trained, bit_patterns(voted, voted.codes), machine, steps, everything)
    positive, *tied = np.split(everything[wanted], len(outputs), axis=1)
    return Votes(_bits.count_by_load(trained, machine)[wanted], positive, *tied)


def conditions_of(
    patterns: ArrayLike, kappa: float, likelihood: str, labels: ArrayLike | None, accepted: Machine, engine: str
) -> Conditions:
    """What is asked, within what the engine takes."""
    check_choice("engine", engine, ENGINES)
    signs = check_signs("patterns", patterns, (-1, -1))
    asked = conditions(signs, kappa, likelihood, labels, accepted)
    if engine == "search":
        check_searchable(asked)
    elif engine == "bit-sliced" or not searchable(asked):
        check_exhaustive(asked)
    return asked


def _searches(asked: Conditions, engine: str) -> bool:
    """Whether the search is the engine: asked for, the only one that takes so many weights, or the faster one."""
    if engine != "auto":
        return engine == "search"
    if asked.sites > MAX_SITES:
        return True
    return asked.sites >= SEARCH_FROM and asked.codes.size >= SEARCH_LOAD and searchable(asked)
