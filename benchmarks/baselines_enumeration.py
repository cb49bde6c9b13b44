"""Naive enumeration of binary weights, and what the package's two engines take for the same instances.

The baseline is what one writes in Numba: a weight vector is an integer, a pattern costs an exclusive or and a population count
(the machine instruction), and the first pattern that is violated ends it. Times are processor times, the best of several.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from replicas import simulation
from replicas.simulation import codes, search
from replicas.simulation._lanes import popcount

if TYPE_CHECKING:
    from .run import Row

INSTANCES = 5
SMALL, LARGE = (27, 14), (41, 20)  # sites, patterns: alpha = 0.5
WARM = """
import time
from replicas import simulation
x = simulation.draw_patterns(14, 27, 1)
simulation.count_solutions(x), simulation.enumerate_solutions(x)
print(time.process_time())
"""


@njit(cache=True, nogil=True)
def count_naively(patterns: NDArray[np.uint64], n_sites: int, most: int) -> int:
    """Number of weight vectors with at most so many mismatches with every pattern."""
    found = 0
    for code in range(1 << n_sites):
        satisfied = True
        # by index: the loop over the array itself is three times as slow
        for mu in range(patterns.size):
            if popcount(np.uint64(code) ^ patterns[mu]) > most:
                satisfied = False
                break
        if satisfied:
            found += 1
    return found


def processor_time(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Least processor time of a call, and its value."""
    times = []
    value = call()
    for _ in range(repeats):
        begin = time.process_time()
        value = call()
        times.append(time.process_time() - begin)
    return min(times), value


def enumeration_rows() -> list[Row]:
    """Both engines against naive enumeration, instance by instance; a larger size against the naive time of a smaller one."""
    from .run import Row

    ratios: dict[str, list[float]] = {"bit-sliced": [], "kernel": [], "search": []}
    naive_times, seconds = [], {name: list[float]() for name in ratios}
    for sample in range(INSTANCES):
        N, P = SMALL
        x = simulation.draw_patterns(P, N, seed=1, sample=sample)
        plain, (_, most) = simulation.encode_weights(x), simulation.mismatch_budget(N, 0.0)
        naive, number = processor_time(lambda p=plain, N=N, b=most: count_naively(p, N, b), 2)  # type: ignore[misc]
        naive_times.append(naive)
        field = search.Field(codes.conditions(np.asarray(x, np.int8)), False)

        def kernel(field: search.Field = field) -> int:
            part = field.explore(0, field.prefixes, False, lambda: False)
            return part[0] if part else -1

        calls = (
            ("bit-sliced", lambda x=x: simulation.count_solutions(x, engine="bit-sliced")),
            ("kernel", kernel),
            ("search", lambda x=x: simulation.count_solutions(x, engine="search")),
        )
        for name, call in calls:
            taken, found = processor_time(call, 20)
            assert found == number, (name, found, number)
            ratios[name].append(naive / taken)
            seconds[name].append(taken)
    large = []
    for sample in range(INSTANCES):
        x = simulation.draw_patterns(LARGE[1], LARGE[0], seed=1, sample=sample)
        large.append(processor_time(lambda x=x: simulation.count_solutions(x), 1)[0])  # type: ignore[misc]
    naive, beyond = statistics.median(naive_times), statistics.median(large)
    rows = []
    for name, text, target in (
        ("bit-sliced", "bit-sliced enumeration, ratio to naive, N = 27", 60),
        ("kernel", "pair-pruned search, kernel alone, the same ratio", 500),
        ("search", "pair-pruned search, set-up included, the same ratio", 200),
    ):
        ratio = statistics.median(ratios[name])
        taken = statistics.median(seconds[name])
        note = f"{naive * 1e3:.0f} ms / {taken * 1e3:.2f} ms; worst of {INSTANCES} instances {min(ratios[name]):.0f}"
        rows.append(Row(text, ratio, "x", f">= {target}", ratio >= target, note))
    note = f"median of {INSTANCES} instances, slowest {max(large):.2f} s; naive at N = 27 {naive:.2f} s"
    rows.append(Row("pair-pruned search, N = 41, alpha = 0.5", beyond, "s", f"< {naive:.2f}", beyond < naive, note))
    processes = [float(subprocess.run([sys.executable, "-c", WARM], capture_output=True, text=True, check=True).stdout) for _ in range(4)]
    start = statistics.median(processes[1:])
    rows.append(Row("both questions in a second process, processor time", start, "s", "< 2", start < 2))
    return rows
