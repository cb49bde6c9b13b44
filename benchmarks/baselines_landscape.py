"""Walsh-Hadamard transform at N = 24, exact second derivatives and a path of solutions, against what NumPy, SciPy and a plain loop take.

Times are processor times, the best of several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard

from replicas import simulation
from replicas.simulation import landscape
from replicas.simulation.neighbourhoods import _walsh_hadamard

from .baselines_enumeration import processor_time

if TYPE_CHECKING:
    from .run import Row

SITES = 24
FACTOR = 12  # sites of each of the two matrices of SciPy's route
COMMITTEE = (999, 999)  # N, P


def plain_transform(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """One bit a pass over whole arrays, as one writes it in NumPy."""
    out = values.copy()
    step = 1
    while step < out.size:
        pairs = out.reshape(-1, 2, step)
        low, high = pairs[:, 0].copy(), pairs[:, 1].copy()
        pairs[:, 0], pairs[:, 1] = low + high, low - high
        step *= 2
    return out


def product_transform(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """H_24 = H_12 x H_12: two products with SciPy's Hadamard matrix, exact below 2^53."""
    H = hadamard(1 << FACTOR).astype(float)
    return np.asarray(H @ values.reshape(1 << FACTOR, -1).astype(float) @ H).ravel()


def plain_hessian(xi: NDArray[np.float64], W: NDArray[np.float64], beta: float, gamma: float) -> NDArray[np.float64]:
    """Flat second derivatives, one outer product a pattern: what the equation says."""
    P, K, n = xi.shape
    total = np.zeros((K * n, K * n))
    for x in xi:
        T = np.tanh(beta * np.sum(x * W, axis=1) / np.sqrt(n))
        p = 1 / (1 + np.exp(2 * gamma * T.sum() / np.sqrt(K)))
        o = beta * (1 - T**2) / np.sqrt(K)
        second = 2 * gamma * p * (1 - p) * np.outer(o, o) + np.diag(2 * beta * p * T * o)
        total += np.einsum("jk,ji,kl->jikl", second, x, x).reshape(K * n, K * n) / n
    return total


def landscape_rows() -> list[Row]:
    """The transform against both routes; all eigenvalues at N = 999; a path of solutions at alpha = 1."""
    from .run import Row

    values = np.random.default_rng(0).integers(0, 2, 1 << SITES)
    work = np.empty_like(values)

    def fast() -> Any:
        work[:] = values
        _walsh_hadamard(work)
        return work

    taken, found = processor_time(fast, 5)
    copy = processor_time(lambda: np.copyto(work, values), 5)[0]
    rows = [Row(f"Walsh-Hadamard transform, N = {SITES}", taken - copy, "s", "< 1", taken - copy < 1)]
    found = fast().copy()
    for name, slow in (("NumPy, a bit at a time", plain_transform), ("two products with scipy.linalg.hadamard", product_transform)):
        seconds, other = processor_time(lambda slow=slow: slow(values), 1)  # type: ignore[misc]
        assert np.array_equal(found, other)
        note = f"{seconds:.2f} s / {taken - copy:.3f} s"
        rows.append(Row(f"its ratio to {name}", seconds / (taken - copy), "x", "> 5", seconds > 5 * (taken - copy), note))
    seconds, _ = processor_time(lambda: simulation.count_shells(simulation.draw_patterns(12, SITES, 1, 0, "gaussian")), 1)
    rows.append(Row(f"numbers of solutions at all distances from all references, N = {SITES}", seconds, "s", "", True))
    N, P = COMMITTEE
    problem = simulation.draw_problem(P, N, 1, accepted=simulation.majority(3))
    first, second = (simulation.run(problem, "committee-sgd", s, 500).weights for s in range(2))
    assert first is not None and second is not None
    exact, matrix = processor_time(lambda: landscape.hessian(problem, first, space="flat"), 2)
    xi = problem.gauged().astype(float).reshape(P, 3, -1)
    slow_time, plain = processor_time(lambda: plain_hessian(xi, first.reshape(3, -1), 3 * 3**0.5, 4.0), 1)
    assert np.allclose(matrix, plain, atol=1e-9 * np.abs(plain).max())
    note = f"{slow_time:.2f} s / {exact:.3f} s"
    rows.append(Row(f"second derivatives, N = {N}, ratio to a sum over patterns", slow_time / exact, "x", "> 5", slow_time > 5 * exact, note))
    seconds, _ = processor_time(lambda: landscape.hessian_spectrum(problem, first), 1)
    rows.append(Row(f"all eigenvalues on the spheres, N = {N}", seconds, "s", "", True))
    seconds, path = processor_time(lambda: landscape.find_path(problem, first, second), 1)
    note = f"{path.status}, {len(path.chain)} beads, {path.gradients} gradients"
    rows.append(Row(f"path of solutions, N = {N}, alpha = {P / N:g}", seconds, "s", "", True, note))
    return rows
