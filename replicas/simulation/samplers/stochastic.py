r"""Equilibrium of the stochastic perceptron at fixed q*: Metropolis that turns pairs of mean weights.

    m in [-1, 1]^N,   sum_i m_i^2 = q* N,   weight exp(beta L(m)),   L = sum_mu log H((kappa - u_mu)/sqrt(1 - q*)),   u = y m.xi/sqrt(N)

L is the log-probability that binary weights of means m satisfy each pattern. Half of the proposals take two sites at random and turn
(m_i, m_j) by an angle uniform in [-D, D]; the others turn one sign, m_i -> -m_i, which the turns of pairs do slowly. Both keep the norm
and the measure of the sphere. A proposal is refused where a mean would leave [-1, 1], else accepted with probability
min(1, exp(beta change of L)); fields are changed in place, in O(P). D is tuned to an acceptance of turns near `ACCEPTANCE` in the
burn-in, and fixed from then on. Equilibrium of C. Baldassi et al., Phys. Rev. Lett. 120 (2018) 268103.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from .._checks import check_finite, check_integer
from .._gaussian import log_tail
from ..problems import Problem
from ..seeding import task_generator
from .chains import Chain, Progress, Sampling, Stop, check_memory, check_problem, check_run, run_chains, summarise

Array = NDArray[np.float64]
ACCEPTANCE = 0.4
"""Share of accepted turns that the angle is tuned to."""
FLIPS = 0.5
"""Share of the proposals that turn a single sign."""
FIRST_ANGLE = 1.0
GAIN = 1.0
"""Change of log D in a sweep of the burn-in, times the deviation of the acceptance."""
ON_SPHERE = 1e-6
"""Relative deviation of sum m^2 from q* N that a start may have."""


class PairTurns(Chain):
    """One chain of sweeps, N proposals each."""

    def __init__(self, problem: Problem, q_star: float, beta: float, m: Array, origin: Array, rng: np.random.Generator):
        self.columns: Array = np.ascontiguousarray(problem.gauged().T.astype(float)) / math.sqrt(problem.N)
        self.kappa, self.q_star, self.beta, self.rng = float(problem.kappa), q_star, beta, rng
        self.m: Array = m.copy()
        self.origin: Array = origin.copy()
        self.angle = FIRST_ANGLE
        self.proposed = self.accepted = 0

    def settle(self, steps: int) -> None:
        """Sweeps that tune the angle."""
        for _ in range(steps):
            _, share = self._sweeps(1, np.empty((1, self.m.size)), np.empty((1, 3)))
            self.angle = min(math.pi, self.angle * math.exp(GAIN * (share - ACCEPTANCE)))

    def _sweeps(self, interval: int, weights: Array, table: Array) -> tuple[int, float]:
        accepted, share = sweeps(self.columns, self.m, self.q_star, self.kappa, self.beta, self.angle, interval, self.rng, weights, table)
        return int(accepted), float(share)

    def advance(self, records: int, interval: int) -> tuple[Array, dict[str, Array]]:
        N, P = self.columns.shape
        weights, table = np.empty((records, N)), np.empty((records, 3))
        self.accepted += int(self._sweeps(interval, weights, table)[0])
        self.proposed += records * interval * N
        values = {
            "log-likelihood": table[:, 0] / P,
            "energy": table[:, 1] / P,
            "mean |m|": table[:, 2] / N,
            "overlap with the start": weights @ self.origin / N,
        }
        return weights, values


@njit(cache=True, nogil=True)
def sweeps(
    columns: Array, m: Array, q_star: float, kappa: float, beta: float, angle: float, interval: int, rng: np.random.Generator, weights: Array, table: Array
) -> tuple[int, float]:
    """Fill the records, m and a row (L, patterns violated by sign m, sum |m|) each; accepted proposals, share of the turns accepted."""
    N, P = columns.shape
    scale = 1.0 / math.sqrt(1.0 - q_star)
    u, proposed, terms, fresh, signs = np.empty(P), np.empty(P), np.empty(P), np.empty(P), np.empty(P)
    accepted = turned = turns_accepted = 0
    for record in range(weights.shape[0]):
        u[:] = 0.0  # afresh: rounding would add up
        for i in range(N):
            for mu in range(P):
                u[mu] += m[i] * columns[i, mu]
        for mu in range(P):
            terms[mu] = log_tail((kappa - u[mu]) * scale)
        for _ in range(interval * N):
            i = int(rng.random() * N)
            j = int(rng.random() * (N - 1))
            if j >= i:
                j += 1
            level = math.log(1.0 - rng.random())
            if rng.random() < FLIPS:
                first, second = -m[i], m[j]
            else:
                turned += 1
                phi = angle * (2.0 * rng.random() - 1.0)
                c, s = math.cos(phi), math.sin(phi)
                first, second = c * m[i] + s * m[j], c * m[j] - s * m[i]
                if abs(first) > 1.0 or abs(second) > 1.0:
                    continue
            left, right = first - m[i], second - m[j]
            change = 0.0
            if beta != 0.0:
                for mu in range(P):
                    proposed[mu] = u[mu] + left * columns[i, mu] + right * columns[j, mu]
                    fresh[mu] = log_tail((kappa - proposed[mu]) * scale)
                    change += fresh[mu] - terms[mu]
            else:
                for mu in range(P):
                    proposed[mu] = u[mu] + left * columns[i, mu] + right * columns[j, mu]
            if beta * change >= level:
                accepted += 1
                turns_accepted += second != m[j]
                m[i], m[j] = first, second
                u, proposed = proposed, u
                if beta != 0.0:
                    terms, fresh = fresh, terms
        square = 0.0
        for i in range(N):
            square += m[i] * m[i]
        for i in range(N):
            # the drift of rounding, taken back; a mean at the edge stays inside
            m[i] = min(1.0, max(-1.0, m[i] * math.sqrt(q_star * N / square)))
        signs[:] = 0.0
        likelihood, total = 0.0, 0.0
        for i in range(N):
            sign = 1.0 if m[i] >= 0.0 else -1.0
            total += abs(m[i])
            for mu in range(P):
                signs[mu] += sign * columns[i, mu]
        violated = 0
        for mu in range(P):
            likelihood += log_tail((kappa - u[mu]) * scale)
            if signs[mu] < kappa - 1e-9:
                violated += 1
        table[record, 0], table[record, 1], table[record, 2] = likelihood, violated, total
        weights[record] = m
    return accepted, turns_accepted / max(turned, 1)


def check_means(start: ArrayLike, N: int, q_star: float, chains: int) -> Array:
    """Given means, (N,) or (chains, N), as (chains, N); or a line that says how they are outside."""
    m = np.array(start, dtype=float)
    if m.shape not in ((N,), (chains, N)) or not np.all(np.isfinite(m)):
        raise ValueError(f"start: got an array of shape {m.shape}, takes finite means of shape ({N},) or ({chains}, {N})")
    m = np.broadcast_to(m, (chains, N)).copy()
    if np.any(np.abs(m) > 1):
        raise ValueError(f"start: got a mean of {np.abs(m).max():.6g}, takes means from -1 to 1")
    q = np.sum(m * m, axis=1) / N
    worst = float(q[np.argmax(np.abs(q - q_star))])
    if abs(worst - q_star) > ON_SPHERE * q_star:
        raise ValueError(f"start: got sum m^2/N = {worst:.6g}, takes q_star = {q_star:g}")
    return m


def sample_stochastic(
    problem: Problem,
    q_star: float,
    beta: float = 1.0,
    records: int = 2000,
    seed: int = 0,
    *,
    chains: int = 2,
    interval: int = 1,
    burn_in: int | None = None,
    start: ArrayLike | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Sampling:
    r"""Samples of the mean weights m of the stochastic perceptron at |m|^2 = q* N and inverse temperature beta.

    Parameters
    ----------
    problem : of a perceptron;  q_star : 0 < q_star < 1;  beta : of the log-likelihood, >= 0
    records : of each chain, >= 4;  seed : >= 0;  chains : independent ones, >= 1
    interval : sweeps of N proposals between two records, >= 1
    burn_in : records dropped at the start, in which the angle is tuned too; a tenth of the records if absent
    start : means (N,) or (chains, N); +-sqrt(q*) at random if absent
    progress, stop : as for `sample_sphere`

    Observables: "log-likelihood" L/P, "energy" (fraction of patterns that sign(m) violates), "mean |m|", "overlap with the start" of the first chain,
    "overlap" m.m'/N of pairs of chains, which tends to the overlap q of two equilibrium states. `details`: "angle" D of the first chain.

    Raises
    ------
    ValueError : an argument outside these ranges, means outside [-1, 1] or of another q*, a problem or records beyond the memory
    """
    check_problem(problem)
    N, P = problem.N, problem.P
    if not 0 < check_finite("q_star", q_star) < 1:
        raise ValueError(f"q_star: got {q_star}, takes a mean square magnetization between 0 and 1 (excluded)")
    if check_finite("beta", beta) < 0:
        raise ValueError(f"beta: got {beta}, takes an inverse temperature >= 0")
    if N < 2:
        raise ValueError(f"N: got {N}, takes an integer >= 2")
    dropped = check_run(N, records, chains, interval, burn_in)
    check_memory(f"problem: got N = {N}, P = {P}", 8.0 * N * P * (1 + chains))
    check_integer("seed", seed, at_least=0)
    if start is not None:
        m = check_means(start, N, float(q_star), chains)
    else:
        signs = [2 * task_generator(seed, "means", N, P, k).integers(0, 2, N) - 1 for k in range(chains)]
        m = math.sqrt(q_star) * np.array(signs, dtype=float)
    team = [
        PairTurns(problem, float(q_star), float(beta), m[k], m[0], task_generator(seed, "stochastic-perceptron", N, P, k)) for k in range(chains)
    ]
    run = run_chains(team, records, interval, dropped, progress, stop)
    observables, status = summarise(run, N)
    accepted = sum(chain.accepted for chain in team) / max(sum(chain.proposed for chain in team), 1)
    details = {"angle": team[0].angle}
    return Sampling("metropolis-pair-turns", "a sweep", observables, run.weights, interval, dropped, status, run.seconds, accepted, details)
