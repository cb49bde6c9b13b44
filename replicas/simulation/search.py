"""Depth-first search for the solutions of a binary perceptron or committee, pruned by patterns and pairs of patterns.

What it finds is what exhaustive enumeration finds (`enumeration`), at more weights: a prefix of the weights that no choice of
the others can turn into a solution is left with all that is below it. A sum of two patterns has about half the sites and
closes early (`_plant`). At N = 41, alpha = 0.5 and kappa = 0 some 10^7 prefixes take the place of 2 10^12 weight vectors.

The search goes through the prefixes of a few first sites in a fixed order. They are what threads share, what is counted as
progress, and what an interrupt falls between: the solutions of the prefixes that are done are kept.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _bits, _plant, _search
from ._checks import check_integer, check_signs
from .codes import Conditions, code_type, conditions
from .display.results import Shown
from .machines import PERCEPTRON, Machine

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]
Part = tuple[int, list[NDArray[np.uint64]]]  # a number of solutions, and their codes if they are listed
Explore = Callable[[int, int, Stop], Part | None]
Keep = Callable[[Part, int], None]
CALL_SECONDS = 0.02
"""What is explored at a time should take, and a call of the kernel at most: Ctrl-C is seen between two."""
_QUOTA = 1 << 14
"""Blocks of nodes of a call: some CALL_SECONDS at most."""
_ROOM = 1 << 18
"""Codes listed before they are taken: more than a block of leaves can have."""
_BLOCKS_A_WORKER = 64


@dataclass(frozen=True, eq=False, repr=False)
class SearchRun(Shown):
    """What a search found.

    solutions : number of solutions with the prefixes that are done; of all, unless interrupted
    codes : array (solutions,), increasing, uint32 up to 31 weights and uint64 beyond; None where they were only counted
    done, prefixes : how many prefixes are done, of how many;  interrupted : whether it ended before the last
    """

    quantity = "search"
    computed = ("solutions", "done", "prefixes")

    solutions: int
    codes: NDArray[Any] | None
    done: int
    prefixes: int
    interrupted: bool

    @property
    def title(self) -> str:
        """What was found, and of how much of the search."""
        stopped = f", interrupted: {self.done} of {self.prefixes} prefixes done" if self.interrupted else ""
        return f"search: {self.solutions} solutions{stopped}"

    def __str__(self) -> str:
        return self.title


def search_solutions(
    patterns: ArrayLike,
    kappa: float = 0.0,
    likelihood: str = "threshold",
    labels: ArrayLike | None = None,
    accepted: Machine = PERCEPTRON,
    *,
    listed: bool = False,
    limit: int = 50_000_000,
    workers: int = 1,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> SearchRun:
    """Search for all solutions; Ctrl-C ends the search and returns what it found.

    Parameters
    ----------
    patterns : array (P, N) of +1 and -1, 1 <= N <= 63 (fully connected: K N <= 63)
    kappa, likelihood, labels : as for `count_solutions`
    accepted : as for `count_solutions`, but a machine where more positive units never turn +1 into -1, without ties:
        the perceptron, `majority`, `fully_connected` of odd K. Pairs prune the perceptron alone; `_plant` says why
    listed : whether to list the solutions or only count them;  limit : largest number to list
    workers : threads, >= 1; the result does not depend on it
    progress : called as progress(prefixes done, prefixes);  stop : asked in between whether to give up

    Raises
    ------
    ValueError : an argument outside these ranges, or more solutions than `limit`
    """
    signs = check_signs("patterns", patterns, (-1, -1))
    asked = conditions(signs, kappa, likelihood, labels, accepted)
    check_integer("limit", limit, at_least=0)
    check_integer("workers", workers, at_least=1)
    check_searchable(asked)
    return run_search(asked, likelihood == "window", listed, limit, workers, progress, stop)


def searchable(asked: Conditions) -> bool:
    """Whether more positive units never violate a pattern, so that negative units can refuse it."""
    return bool(np.all(asked.accepted[:, 1:] >= asked.accepted[:, :-1]))


def check_searchable(asked: Conditions) -> None:
    """Refuse a machine that the search is not made for."""
    if not searchable(asked):
        takes = "takes a machine where more positive units never violate a pattern (majority); 'bit-sliced' takes any"
        raise ValueError(f"accepted: got the outputs {asked.architecture.outputs}, the search {takes}")


def run_search(
    asked: Conditions,
    symmetric: bool,
    listed: bool,
    limit: int,
    workers: int,
    progress: Progress | None,
    stop: Stop | None = None,
) -> SearchRun:
    """`search_solutions` for checked conditions; `symmetric` says that with W also -W is a solution."""
    field = Field(asked, symmetric)
    if field.everything is not None:
        if listed and field.everything > limit:
            raise _too_many(limit, field.everything)
        if progress is not None:
            progress(1, 1)
        codes = np.arange(field.everything, dtype=code_type(asked.sites)) if listed else None
        return SearchRun(field.everything, codes, 1, 1, False)
    found = 0
    parts: list[NDArray[np.uint64]] = []

    def explore(first: int, last: int, ended: Stop) -> Part | None:
        return field.explore(first, last, listed, ended)

    def keep(part: Part, done: int) -> None:
        nonlocal found
        found += part[0] * field.copies
        parts.extend(part[1])
        if listed and found > limit:
            raise _too_many(limit, found)
        if progress is not None:
            progress(done, field.prefixes)

    go_through = _in_turn if workers == 1 else _in_threads
    done = go_through(explore, field.prefixes, workers, keep, stop or (lambda: False))
    listing = field.listing(parts) if listed else None
    return SearchRun(found, listing, done, field.prefixes, done < field.prefixes)


class Field:
    """The tree that is searched and the level that its prefixes end at.

    everything : the number of solutions where nothing has to be searched, all weights or none; else None
    copies : solutions that each one found stands for, 2 where with W also -W is one
    """

    def __init__(self, asked: Conditions, symmetric: bool) -> None:
        self.sites, self.copies = asked.sites, 1
        self.order: NDArray[np.int64] | None = None
        self.everything: int | None = None
        codes = asked.codes
        if codes.size == 0:
            self.everything = 1 << asked.sites
            return
        n_low = min(asked.n, _bits.LANE_BITS)
        if asked.K == 1:
            sites, signs, allowed = _plant.pair(*_one_sided(asked), asked.n)
            if allowed.size == 0 or allowed.min() < 0:
                self.everything = 0 if allowed.size else 1 << asked.n
                return
            if allowed.size > _plant.CONDITIONS:
                kept = _plant.strongest(sites, allowed)
                sites, signs, allowed = sites[kept], signs[kept], allowed[kept]
            # where no site is left but those of the leaves, W and -W are not told apart by the first one
            self.copies = 2 if symmetric and asked.n > n_low else 1
            task = (asked.n, n_low), self.copies == 2, _plant.log_tails()
            self.order, self.tree = _plant.plant(sites, signs, allowed, *task)
            codes = _plant.permute(codes, self.order, True)
        else:
            branches = np.array([((1 << asked.n) - 1) << asked.n * j for j in range(asked.K)], np.uint64)
            # a pattern that no number of positive units satisfies bears none, and the leaves refuse it
            borne = np.maximum(asked.accepted.sum(axis=1) - 1, 0)
            self.tree = _plant.plant_machine(codes, branches, asked.most, borne, asked.sites, n_low)
        self.machine = bit_machine(asked)
        self.patterns = bit_patterns(asked, codes)
        # enough to share and to count, few against the nodes below them
        wanted = 1 << min(16, max(6, asked.sites // 2 - 8))
        self.step, self.states, self.codes = _search.grow(self.tree, wanted)
        self.prefixes = self.codes.size

    def explore(self, first: int, last: int, listed: bool, ended: Stop) -> Part | None:
        """Number of solutions below some of the prefixes, and their codes, with the sites in the order of the search."""
        out = np.empty(_ROOM if listed else 0, np.uint64)
        work = _search.begin(self.tree, self.step, (first, last))
        task = (self.tree, self.patterns, self.machine, self.step, self.states, self.codes, work, _QUOTA, out)
        codes: list[NDArray[np.uint64]] = []
        finished = False
        while not finished:
            if ended():
                return None
            finished = _search.search(*task)
            if listed:
                codes.append(out[: work.cursor[1]].copy())
                work.cursor[1] = 0
        number = sum(part.size for part in codes) if listed else int(work.cursor[1])
        return number, codes

    def listing(self, parts: list[NDArray[np.uint64]]) -> NDArray[Any]:
        """Codes with the sites where they belong, increasing."""
        codes = np.concatenate([np.zeros(0, np.uint64), *parts])
        if self.order is not None:
            codes = _plant.permute(codes, self.order, False)
        if self.copies == 2:
            codes = np.concatenate([codes, codes ^ np.uint64((1 << self.sites) - 1)])
        return np.sort(codes.astype(code_type(self.sites)))


def _one_sided(asked: Conditions) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Patterns of a perceptron and the most mismatches with them; the other side of a window is that of -x."""
    budgets = np.full(asked.codes.size, asked.most)
    if asked.least <= 0:
        return asked.codes, budgets
    opposite = asked.codes ^ np.uint64((1 << asked.n) - 1)
    return np.concatenate([asked.codes, opposite]), np.concatenate([budgets, np.full_like(budgets, asked.n - asked.least)])


def bit_machine(asked: Conditions) -> _bits.Machine:
    """The machine in the form that the bit-parallel kernels take."""
    K, n = asked.K, asked.n
    n_low = min(n, _bits.LANE_BITS)
    mismatches = np.arange(n + 1)
    lanes = np.array([((1 << min(64, max(0, (1 << n_low) - 64 * w))) - 1) for w in range(8)], np.uint64)
    return _bits.Machine(
        lanes=lanes,
        n_low=n_low,
        n_words=1 << (n - n_low),
        n_others=1 << n * (K - 1),
        branches=np.array([((1 << n) - 1) << n * j for j in range(K - 1)], np.uint64),
        positive=((mismatches >= asked.least) & (mismatches <= asked.most)).astype(np.int64),
    )


def bit_patterns(asked: Conditions, codes: NDArray[np.uint64]) -> _bits.Patterns:
    """Patterns with these codes in the form that the bit-parallel kernels take."""
    n_low = min(asked.n, _bits.LANE_BITS)
    low, first = (codes & np.uint64((1 << bits) - 1) for bits in (n_low, asked.n))
    positive = bit_machine(asked).positive
    return _bits.Patterns(
        high=first >> np.uint64(n_low),
        others=codes >> np.uint64(asked.n),
        masks=_bits.lane_masks(low, n_low, positive, asked.accepted),
    )


def _in_turn(explore: Explore, prefixes: int, workers: int, keep: Keep, stop: Stop) -> int:
    """Explore all prefixes in this thread, as many at a time as take about CALL_SECONDS; how many were done."""
    done, size = 0, 16
    try:
        while done < prefixes:
            begin = time.perf_counter()
            last = min(prefixes, done + size)
            part = explore(done, last, stop)
            if part is None:
                break
            done = last
            keep(part, done)
            seconds = time.perf_counter() - begin
            size = max(1, min(8 * size, math.floor(size * CALL_SECONDS / max(seconds, 1e-9))))
    except KeyboardInterrupt:
        pass
    return done


def _in_threads(explore: Explore, prefixes: int, workers: int, keep: Keep, stop: Stop) -> int:
    """Explore blocks of prefixes on threads; how many of the first prefixes were done without a gap."""
    ended = threading.Event()
    size = max(1, prefixes // (workers * _BLOCKS_A_WORKER))
    blocks = [(first, min(prefixes, first + size)) for first in range(0, prefixes, size)]
    done = 0
    with ThreadPoolExecutor(workers) as pool:
        try:
            for block, future in [(block, pool.submit(explore, *block, ended.is_set)) for block in blocks]:
                while not future.done() and not stop():
                    wait([future], timeout=CALL_SECONDS)
                part = future.result() if future.done() else None
                if part is None:
                    break
                done = block[1]
                keep(part, done)
        except KeyboardInterrupt:
            pass
        finally:
            ended.set()
    return done


def _too_many(limit: int, number: int) -> ValueError:
    return ValueError(f"limit: got {limit}, takes at least the number of solutions, {number} so far")
