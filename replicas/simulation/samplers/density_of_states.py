r"""Number of states of every energy from samples at several temperatures: the multi-histogram equations.

    g(E) = sum_k H_k(E) / sum_k n_k exp(f_k - beta_k E),   exp(-f_k) = sum_E g(E) exp(-beta_k E)

H_k(E) of n_k samples at beta_k had energy E, a whole number; the sum of g is known, and beta = 0 is among the temperatures.
Source: the multiple-histogram method of A. M. Ferrenberg and R. H. Swendsen (1989).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
RESIDUAL = 1e-9
"""Largest change of an f_k in the last iteration."""
ITERATIONS = 20000


def log_density(counts: Array, betas: Array, log_states: float, start: Array | None = None) -> tuple[Array, Array, bool]:
    """log g(E), (energies,), -inf where no sample has that energy; the f_k; whether the equations were solved.

    Parameters
    ----------
    counts : (levels, energies), H_k(E);  betas : (levels,);  log_states : logarithm of the number of all states
    start : f_k to start from
    """
    seen = np.flatnonzero(counts.sum(axis=0))
    f = np.zeros(len(betas)) if start is None else start.copy()
    g = np.empty(seen.size)
    H, n = np.log(counts.sum(axis=0)[seen]), np.log(counts.sum(axis=1))
    solved = _iterate(H, n, -betas[:, None] * seen.astype(float), log_states, f, g)
    out = np.full(counts.shape[1], -np.inf)
    out[seen] = g
    return out, f, bool(solved)


@njit(cache=True, nogil=True)
def _iterate(H: Array, n: Array, boltzmann: Array, log_states: float, f: Array, g: Array) -> bool:
    """Both equations by turns, in logarithms, until no f_k changes; g and f in place."""
    K, energies = boltzmann.shape
    for _ in range(ITERATIONS):
        for e in range(energies):
            g[e] = H[e] - _log_sum(n + f + boltzmann[:, e])
        shift = log_states - _log_sum(g)
        for e in range(energies):
            g[e] += shift
        change, size = 0.0, 1.0
        for k in range(K):
            after = -_log_sum(g + boltzmann[k])
            change, size = max(change, abs(after - f[k])), max(size, abs(after))
            f[k] = after
        if change < RESIDUAL * size:
            return True
    return False


@njit(cache=True, nogil=True)
def _log_sum(x: Array) -> float:
    """log sum exp x."""
    largest = x.max()
    total = 0.0
    for value in x:
        total += math.exp(value - largest)
    return float(largest + math.log(total))


def ground_states(energies: NDArray[np.int64], betas: Array, log_states: float, blocks: int) -> tuple[float, float]:
    """log g(0) and its jackknife error from series of energies (chains, records, levels), each chain cut into so many blocks.

    nan where no sample has energy 0, or the equations were not solved; the error is nan with fewer than two blocks in all.
    """
    chains, records, levels = energies.shape
    length = records // blocks
    if length == 0 or not np.any(energies == 0):
        return np.nan, np.nan
    top = int(energies.max()) + 1
    parts = energies[:, : blocks * length].reshape(chains * blocks, length, levels)
    tables = np.array([[np.bincount(part[:, k], minlength=top) for k in range(levels)] for part in parts], dtype=float)
    total = tables.sum(axis=0)
    g, f, solved = log_density(total, betas, log_states)
    if not solved:
        return np.nan, np.nan
    without = np.array([log_density(total - table, betas, log_states, f)[0][0] for table in tables])
    n = len(without)
    if n < 2 or not np.all(np.isfinite(without)):
        return float(g[0]), np.nan
    return float(g[0]), float(np.sqrt((n - 1) * without.var()))
