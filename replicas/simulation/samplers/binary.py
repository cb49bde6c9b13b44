r"""Typical solutions of a binary perceptron: parallel tempering in the number of violated patterns.

    W in {-1, +1}^N,   E(W) = number of mu with u_mu < kappa,   level k samples exp(-beta_k E),   beta_0 = 0, ..., beta_{K-2}, beta_{K-1} = inf

The last level holds a solution, from the first one found on: it is sampled uniformly from all of them. A step is N Metropolis flips at
every level, then exchanges of neighbouring levels, even and odd pairs by turns, with probability min(1, exp((beta_{k+1} - beta_k)(E_{k+1} - E_k))).
Isolated solutions are reached through the warm levels, where a walk down and up again is a round trip. Fields are whole numbers and
are changed in place, O(P) a flip. The energies of all levels give the number of solutions, too (`density_of_states`).

Source: K. Hukushima and K. Nemoto, J. Phys. Soc. Jpn. 65 (1996) 1604 (exchange Monte Carlo).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from .._checks import check_finite, check_integer, check_signs
from ..enumeration import mismatch_budget
from ..problems import Problem
from ..seeding import task_generator
from .chains import Chain, Progress, Sampling, Stop, check_memory, check_problem, check_run, run_chains, summarise
from .density_of_states import ground_states
from .reflections import find_start

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
COLDEST = 5.0
"""Largest finite beta: a violated pattern costs so much that the exchange with the solutions is frequent."""
LEVELS = 1.5
"""Finite levels in units of sqrt(N): exchanges are accepted more often than not."""
BLOCKS = 10
"""Blocks of each chain in the jackknife of the number of solutions."""
MOST = 16000
"""Sites and patterns whose fields and their changes fit 16 bits."""
EASY = 1.5
"""Load up to which patterns are not first examined for a proof that there is no solution (at kappa <= 0): hardly ever there is one."""


@dataclass(frozen=True, eq=False, repr=False)
class BinarySampling(Sampling):
    """What parallel tempering recorded: `weights` (chains, records, N) are solutions, uniform over all of them in equilibrium.

    betas : (levels,), increasing, the last one inf;  energies : (levels,), mean number of violated patterns (of all steps where no solution was found)
    exchanges : (levels - 1,), share of exchanges accepted;  round_trips : walks from the warmest level to the solutions and back, all chains
    log_solutions, log_solutions_error : logarithm of the number of solutions and its standard error (jackknife over blocks)
    """

    computed: ClassVar[tuple[str, ...]] = (*Sampling.computed, "entropy", "entropy_error", "log_solutions", "log_solutions_error", "round_trips")

    betas: Array = field(default_factory=lambda: np.empty(0))
    energies: Array = field(default_factory=lambda: np.empty(0))
    exchanges: Array = field(default_factory=lambda: np.empty(0))
    round_trips: int = 0
    log_solutions: float = math.nan
    log_solutions_error: float = math.nan

    @property
    def entropy(self) -> float:
        """(1/N) log(number of solutions)."""
        return self.log_solutions / self.weights.shape[2]

    @property
    def entropy_error(self) -> float:
        """Its standard error."""
        return self.log_solutions_error / self.weights.shape[2]

    @property
    def title(self) -> str:
        """What was run and how it ended, with the number of solutions."""
        number = "" if math.isnan(self.log_solutions) else f", log(solutions) = {self.log_solutions:.4g} ± {self.log_solutions_error:.2g}"
        return f"{super().title}, {self.round_trips} round trips{number}"


class Tempering(Chain):
    """One chain: a set of replicas, one a level. `shared` takes the solution that all chains measure overlaps with."""

    def __init__(self, problem: Problem, betas: Array, W: NDArray[np.int8], rng: np.random.Generator, shared: dict[str, Array]):
        N, K = problem.N, betas.size
        self.columns = np.ascontiguousarray(problem.gauged().T.astype(np.int16))
        self.least = max(-N - 1, min(N + 1, N - 2 * mismatch_budget(N, float(problem.kappa))[1]))
        self.betas, self.rng, self.shared = betas, rng, shared
        self.W = W.copy()
        self.fields: NDArray[np.int16] = (self.W.astype(np.int32) @ self.columns.astype(np.int32)).astype(np.int16)
        self.E: Integers = np.sum(self.fields < self.least, axis=1).astype(np.int64)
        self.order = np.arange(K)
        self.seen_top = np.zeros(K, np.bool_)
        self.tally = np.zeros(K + 1, np.int64)  # exchanges of each pair, exchange rounds, round trips
        self.recorded: list[Integers] = []

    def advance(self, records: int, interval: int) -> tuple[NDArray[np.int8], dict[str, Array]]:
        self.shared.setdefault("origin", self.W[self.order[-1]].astype(float))
        weights, energies = self._run(records, interval)
        self.recorded.append(energies)
        N = weights.shape[1]
        values = {
            "violated patterns at the last finite level": energies[:, -2].astype(float),
            "overlap with the first solution": weights @ self.shared["origin"] / N,
        }
        return weights, values

    def settle(self, steps: int) -> None:
        self._run(1, steps)

    def _run(self, records: int, interval: int) -> tuple[NDArray[np.int8], Integers]:
        K, N = self.W.shape
        weights, energies = np.empty((records, N), np.int8), np.empty((records, K), np.int64)
        state = (self.columns, self.W, self.fields, self.E, self.order, self.seen_top, self.tally)
        temper(*state, self.least, self.betas, interval, self.rng, weights, energies)
        return weights, energies


@njit(cache=True, nogil=True)
def temper(
    columns: NDArray[np.int16],
    W: NDArray[np.int8],
    fields: NDArray[np.int16],
    E: Integers,
    order: Integers,
    seen_top: NDArray[np.bool_],
    tally: Integers,
    least: int,
    betas: Array,
    interval: int,
    rng: np.random.Generator,
    weights: NDArray[np.int8],
    energies: Integers,
) -> None:
    """Fill the records: the weights at the last level and the energies of all levels. order[k] is the replica at level k."""
    K, N = W.shape
    for record in range(len(weights)):
        for _ in range(interval):
            for k in range(K):
                r = order[k]
                E[r] = flips(columns, W[r], fields[r], E[r], least, betas[k], rng)
            step = tally[K - 1]
            for k in range(step % 2, K - 1, 2):
                warm, cold = order[k], order[k + 1]
                gain = E[cold] - E[warm]
                # the two infinities: E of a solution is 0, and never above that of the warmer level
                if gain >= 0 or rng.random() < math.exp((betas[k + 1] - betas[k]) * gain):
                    order[k], order[k + 1] = cold, warm
                    tally[k] += 1
            tally[K - 1] += 1
            seen_top[order[K - 1]] = True
            if seen_top[order[0]]:
                seen_top[order[0]] = False
                tally[K] += 1
        weights[record] = W[order[K - 1]]
        for k in range(K):
            energies[record, k] = E[order[k]]


@njit(cache=True, nogil=True)
def flips(
    columns: NDArray[np.int16], W: NDArray[np.int8], fields: NDArray[np.int16], energy: int, least: int, beta: float, rng: np.random.Generator
) -> int:
    """N proposed flips of random sites at one level; the energy after them."""
    N, P = columns.shape
    low = np.int16(least)
    for _ in range(N):
        i = int(rng.random() * N)
        xi = columns[i]
        twice = np.int16(2 * W[i])
        change = np.int16(0)  # int16 all through: twice as many lanes
        for mu in range(P):
            after = np.int16(fields[mu] - np.int16(twice * xi[mu]))
            change = np.int16(change + np.int16(after < low) - np.int16(fields[mu] < low))
        if change <= 0 or rng.random() < math.exp(-beta * change):
            for mu in range(P):
                fields[mu] = np.int16(fields[mu] - np.int16(twice * xi[mu]))
            W[i] = -W[i]
            energy += int(change)
    return energy


def sample_binary(
    problem: Problem,
    records: int = 2000,
    seed: int = 0,
    *,
    chains: int = 2,
    interval: int = 10,
    burn_in: int | None = None,
    levels: int | None = None,
    coldest: float = COLDEST,
    start: ArrayLike | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> BinarySampling:
    r"""Uniform samples of the binary solutions of one instance, and their number, by parallel tempering.

    Equilibrates at N near 100 for alpha well below 0.5 and at N near 200 below 0.4 (kappa = 0); the status says where it does not.

    Parameters
    ----------
    problem : of a perceptron with binary patterns, with its kappa
    records : of each chain, >= 4;  seed : >= 0;  chains : independent sets of replicas, >= 1
    interval : steps (N flips at every level, then exchanges) between two records, >= 1
    burn_in : records dropped at the start, a fifth of the records if absent; more are dropped if a solution comes later
    levels : finite levels, >= 2; 1.5 sqrt(N) + 2 if absent;  coldest : their largest beta, > 0
    start : a solution (N,) of +1 and -1, which the last level starts from; random weights if absent
    progress, stop : as for `sample_sphere`

    Observables: "violated patterns at the last finite level", "overlap with the first solution" (the one that the first chain starts its records
    with), "overlap" of pairs of chains, which tends to the overlap q of two solutions.
    Status "no-solution-found": no record, because some chain found no solution in time.

    Raises
    ------
    ValueError : an argument outside these ranges, a start that is no solution, patterns that not even spherical weights satisfy, a
        problem or records beyond the memory
    """
    check_problem(problem, binary_patterns=True)
    N, P = problem.N, problem.P
    check_integer("seed", seed, at_least=0)
    check_integer("N", N, at_least=2, at_most=MOST)
    check_integer("P", P, at_least=1, at_most=MOST)
    if check_finite("coldest", coldest) <= 0:
        raise ValueError(f"coldest: got {coldest}, takes a beta > 0")
    finite = check_integer("levels", round(LEVELS * math.sqrt(N)) + 2 if levels is None else levels, at_least=2)
    check_integer("records", records, at_least=4)
    dropped = check_run(N + 8 * (finite + 1), records, chains, interval, records // 5 if burn_in is None else burn_in, 1)
    check_memory(f"problem: got N = {N}, P = {P}", float(chains) * ((finite + 1) * (N + 6 * P) + 10.0 * N * P))
    first = None if start is None else _check_solution(problem, start)
    # at even N a field may vanish: a solution at kappa = 0 whose patterns are not strictly separable
    if first is None and (problem.kappa > 0 or (problem.kappa == 0 and N % 2 and P > EASY * N)):
        _prove_none(problem)
    betas = np.append(np.linspace(0, float(coldest), finite), np.inf)
    shared: dict[str, Array] = {}
    team = []
    for k in range(chains):
        rng = task_generator(seed, "tempering", N, P, k)
        W = (2 * rng.integers(0, 2, (finite + 1, N)) - 1).astype(np.int8)
        if first is not None:
            W[-1] = first
        team.append(Tempering(problem, betas, W, rng, shared))
    run = run_chains(team, records, interval, dropped, progress, stop)
    return _result(run, team, betas, interval, dropped)


def _result(run: Any, team: list[Tempering], betas: Array, interval: int, dropped: int) -> BinarySampling:
    N = team[0].W.shape[1]
    kept = run.weights.shape[1]
    made = kept + dropped
    energies = np.stack([np.concatenate(chain.recorded)[:kept] for chain in team]) if kept else np.empty((len(team), 0, betas.size), np.int64)
    unsolved = np.flatnonzero(np.any(energies[:, :, -1] > 0, axis=0))
    late = int(unsolved[-1]) + 1 if unsolved.size else 0
    whole = energies
    run.weights, energies = run.weights[:, late:], energies[:, late:]
    run.values = {name: values[:, late:] for name, values in run.values.items()}
    observables, status = summarise(run, N)
    if run.weights.shape[1] < 4 and not run.interrupted:
        status = "no-solution-found"
    log_solutions, error = math.nan, math.nan
    exchanges = np.sum([chain.tally[:-2] for chain in team], axis=0) / max(sum(int(chain.tally[-2]) for chain in team) / 2, 1)
    if observables:
        tau = max(o.tau for o in observables.values())
        blocks = int(max(2, min(BLOCKS, energies.shape[1] // max(tau, 1.0) // 5))) if math.isfinite(tau) else 2
        log_solutions, error = ground_states(energies[:, :, :-1], betas[:-1], N * math.log(2), blocks)
    shown = energies if energies.size else whole
    means = shown.mean(axis=(0, 1)) if shown.size else np.full(betas.size, math.nan)
    return BinarySampling(
        "parallel-tempering",
        "N flips at every level, then exchanges",
        observables,
        run.weights if run.weights.size else np.empty((len(team), 0, N), np.int8),
        interval,
        made - run.weights.shape[1],
        status,
        run.seconds,
        betas=betas,
        energies=means,
        exchanges=exchanges,
        round_trips=int(sum(chain.tally[-1] for chain in team)),
        log_solutions=log_solutions,
        log_solutions_error=error,
    )


def _check_solution(problem: Problem, start: ArrayLike) -> NDArray[np.int8]:
    W = check_signs("start", start, (problem.N,))
    violated = problem.unsatisfied(W)
    if violated:
        raise ValueError(f"start: got weights outside the solutions ({violated} of {problem.P} patterns violated), takes weights that satisfy every pattern")
    return W


def _prove_none(problem: Problem) -> None:
    """A line where not even spherical weights satisfy the patterns; whether binary ones do is not known beforehand."""
    try:
        find_start(problem, float(problem.kappa))
    except ValueError as reason:
        if "without a solution" in str(reason):
            raise
