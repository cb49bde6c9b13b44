r"""Typical solutions of the tree committee: Metropolis moves that turn pairs of weights, uniform on the spheres |W_j|^2 = n.

A proposal takes a branch and two of its sites at random and turns (W_i, W_k) by an angle uniform in [-D, D]; it is accepted where all
patterns stay satisfied. That is symmetric, so solutions are sampled uniformly - among those that can be reached: the set of solutions
is not convex, and chains from different starts have to agree (the overlap of a single pair of chains can not tell: it is steady, too,
where they are cut off from each other; their overlaps with one start differ then). D is tuned in the burn-in, fixed from then on.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from .._checks import check_integer
from ..problems import Problem
from ..samplers.chains import Chain, Progress, Sampling, Stop, check_memory, check_run, run_chains, summarise
from ..seeding import task_generator
from .geometry import as_solution, check_tree, committee_points, unit_fields

Array = NDArray[np.float64]
ACCEPTANCE = 0.4
"""Share of accepted turns that the angle is tuned to."""


class _PairTurns(Chain):
    def __init__(self, points: Array, W: Array, origin: Array, rng: np.random.Generator):
        self.points, self.W, self.origin, self.rng = points, W.copy(), origin.copy(), rng
        self.columns = np.ascontiguousarray(points.transpose(1, 2, 0)) / math.sqrt(W.shape[1])
        self.angle = 1.0
        self.proposed = self.accepted = 0

    def settle(self, steps: int) -> None:
        for _ in range(steps):
            share = self._sweep(1) / self.W.size
            self.angle = min(math.pi, self.angle * math.exp(share - ACCEPTANCE))

    def _sweep(self, sweeps: int) -> int:
        fields = np.ascontiguousarray(unit_fields(self.points, self.W).T)  # afresh: rounding would add up
        return int(turn_pairs(self.columns, self.W, fields, self.angle, sweeps, self.rng))

    def advance(self, records: int, interval: int) -> tuple[Array, dict[str, Array]]:
        weights = np.empty((records, self.W.size))
        for record in range(records):
            self.accepted += self._sweep(interval)
            self.proposed += interval * self.W.size
            weights[record] = self.W.ravel()
        margin = [float(np.mean(np.median(unit_fields(self.points, w.reshape(self.W.shape)), axis=1))) for w in weights]
        return weights, {"overlap with the start": weights @ self.origin.ravel() / self.W.size, "mean of the median field": np.array(margin)}


def sample_committee(
    problem: Problem,
    start: ArrayLike,
    records: int = 1000,
    seed: int = 0,
    *,
    interval: int = 1,
    burn_in: int | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Sampling:
    """Uniform samples of the solutions of a tree committee that a chain from each start reaches.

    Parameters
    ----------
    problem : of a tree committee of K odd units, of n >= 2 sites each
    start : solutions (chains, N), or one (N,): those of `run` from different seeds; a teacher is in equilibrium already
    records : of each chain, >= 4;  seed : >= 0;  interval : sweeps of N proposals between two records, >= 1
    burn_in : records dropped at the start, in which the angle is tuned too; a tenth of the records if absent
    progress, stop : as for the other samplers

    Observables: "overlap with the start" of the first chain (chains that are cut off from each other differ in it), "mean of the median field"
    (the field that decides, K = 3), and "overlap" W.W'/N of pairs of chains, which tends to the overlap q of two typical solutions if all
    solutions are reached.

    Raises
    ------
    ValueError : an argument outside these ranges, a problem without patterns, a start that is not a solution, a problem or records beyond the
        memory
    """
    check_tree(problem)
    check_integer("n", problem.N // problem.architecture.K, at_least=2)
    check_integer("P", problem.P, at_least=1)
    starts = np.atleast_2d(np.asarray(start, dtype=float))
    # the patterns in double precision: one copy of all chains, one of each, and one more while that is made
    check_memory(f"problem: got N = {problem.N}, P = {problem.P} for {len(starts)} chains", 8.0 * problem.N * problem.P * (2 + len(starts)))
    points = committee_points(problem)
    solutions = [as_solution("start", W, problem) for W in starts]
    dropped = check_run(problem.N, records, len(solutions), interval, burn_in)
    chains = [_PairTurns(points, W, solutions[0], task_generator(seed, "tree committee", problem.N, c)) for c, W in enumerate(solutions)]
    run = run_chains(chains, records, interval, dropped, progress, stop)
    found, status = summarise(run, problem.N)
    acceptance = sum(c.accepted for c in chains) / max(1, sum(c.proposed for c in chains))
    details = {"angle": chains[0].angle}
    return Sampling(
        "tree committee, pair turns", "a sweep of N proposals", found, run.weights, interval, dropped, status, run.seconds, acceptance, details
    )


@njit(cache=True, nogil=True)
def turn_pairs(columns, W, fields, angle, sweeps, rng):  # type: ignore[no-untyped-def]
    """Sweeps of N proposals in place; how many were accepted. columns : (K, n, P), xi/sqrt(n);  fields : (K, P)."""
    K, n, P = columns.shape
    positive = np.zeros(P, np.int64)
    for j in range(K):
        for mu in range(P):
            positive[mu] += fields[j, mu] > 0
    proposed = np.empty(P)
    accepted = 0
    for _ in range(sweeps):
        for _ in range(K * n):
            j, i, k = int(rng.random() * K), int(rng.random() * n), int(rng.random() * (n - 1))
            if k >= i:
                k += 1
            phi = angle * (2 * rng.random() - 1)
            first = math.cos(phi) * W[j, i] + math.sin(phi) * W[j, k]
            second = math.cos(phi) * W[j, k] - math.sin(phi) * W[j, i]
            left, right = first - W[j, i], second - W[j, k]
            h, x, y = fields[j], columns[j, i], columns[j, k]
            stays = True
            for mu in range(P):
                proposed[mu] = h[mu] + left * x[mu] + right * y[mu]
                if proposed[mu] <= 0 and h[mu] > 0 and 2 * (positive[mu] - 1) < K:
                    stays = False
                    break
            if stays:
                accepted += 1
                W[j, i], W[j, k] = first, second
                for mu in range(P):
                    positive[mu] += (proposed[mu] > 0) - (h[mu] > 0)
                    h[mu] = proposed[mu]
        for j in range(K):  # the drift of rounding, taken back: it changes no sign
            square = 0.0
            for i in range(n):
                square += W[j, i] * W[j, i]
            for i in range(n):
                W[j, i] *= math.sqrt(n / square)
    return accepted
