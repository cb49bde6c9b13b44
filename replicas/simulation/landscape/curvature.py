r"""Exact second derivatives of the committee's cross-entropy, and their spectrum.

    L(W) = sum_mu l(o_mu),   l(o) = log(1 + exp(-2 gamma o))/(2 gamma),   o = (1/sqrt(K)) sum_j tanh(beta h_j),   h_j = xi_j . W_j/sqrt(n)

the loss of `algorithms.committee`. With T_j = tanh(beta h_j), o_j = beta (1 - T_j^2)/sqrt(K) and p = 1/(1 + exp(2 gamma o)),

    dL/dh_j = -p o_j,   d^2L/dh_j dh_k = 2 gamma p (1 - p) o_j o_k + delta_jk 2 p beta T_j o_j
    dL/dW_j = (1/sqrt(n)) sum_mu dL/dh_j xi_j,   d^2L/dW_j dW_k = (1/n) sum_mu d^2L/dh_j dh_k xi_j xi_k^T

On the spheres |W_j|^2 = n the second derivative along great circles is that of the tangent space less the radial force,

    Hess = B^T [d^2L/dW dW - diag_j(c_j)] B,   c_j = W_j . dL/dW_j/n,   B orthonormal columns perpendicular to each W_j, N - K of them

Source: P.-A. Absil, R. Mahony and R. Sepulchre, Optimization Algorithms on Matrix Manifolds (Princeton, 2008).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from .._checks import check_choice
from ..algorithms.committee import CommitteeSGD, cross_entropy
from ..display.results import Columns, Series
from ..problems import Problem
from .geometry import as_units, committee_points, smoothing, unit_fields, violations

Array = NDArray[np.float64]
SPACES = ("sphere", "flat")
MAX_BYTES = 2 << 30
"""Memory that the dense matrices may take: N = 9000, some ten minutes of one core."""
MATRICES = 3
"""Dense matrices held at once: second derivatives, their projection, the copy of the eigenvalue solver."""


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum(Series):
    """Eigenvalues of the second derivatives of the loss at one configuration.

    eigenvalues : (N - K,) on the spheres, (N,) in flat space, increasing;  space : "sphere" or "flat"
    errors : patterns violated;  loss : sum over the patterns;  gradient : length of the gradient in that space
    trace : the sum of the diagonal, not of the eigenvalues
    """

    quantity = "spectrum"
    inputs = ("space",)
    computed = ("errors", "loss", "gradient", "trace", "smallest", "largest", "negative")
    axes = ("eigenvalue", "how many")

    eigenvalues: Array
    space: str
    errors: int
    loss: float
    gradient: float
    trace: float

    @property
    def largest(self) -> float:
        """Largest eigenvalue."""
        return float(self.eigenvalues[-1])

    @property
    def smallest(self) -> float:
        """Smallest eigenvalue."""
        return float(self.eigenvalues[0])

    @property
    def negative(self) -> float:
        """Share of the eigenvalues that are negative."""
        return float(np.mean(self.eigenvalues < 0))

    def columns(self) -> Columns:
        """Eigenvalues, increasing."""
        return {"mode": np.arange(self.eigenvalues.size), "eigenvalue": self.eigenvalues}

    def _draw(self, ax: Any, **style: Any) -> None:
        """Their histogram: most are near 0 and few far from it, so that counts are drawn on a logarithmic axis."""
        ax.hist(self.eigenvalues, **{"bins": 60, "log": True, **style})

    @property
    def title(self) -> str:
        """The range of the eigenvalues, and what there is at the configuration."""
        return (
            f"{self.eigenvalues.size} eigenvalues from {self.smallest:.4g} to {self.largest:.4g}, {self.negative:.1%} negative, trace {self.trace:.5g}; "
            f"loss {self.loss:.4g}, {self.errors} errors"
        )

    @property
    def caption(self) -> str:
        """How many eigenvalues there are, and of which sign."""
        return f"{self.eigenvalues.size} eigenvalues, {self.negative:.1%} negative; {self.errors} errors"

    def __str__(self) -> str:
        return self.title


def hessian(
    problem: Problem, weights: ArrayLike, beta: float | None = None, gamma: float = CommitteeSGD.gamma_end, space: str = "sphere"
) -> Array:
    """Second derivatives of the loss, exact: (N - K, N - K) in an orthonormal basis of the tangent space, or (N, N) in flat space.

    Parameters
    ----------
    problem : of a tree committee of K odd units;  weights : (N,), no unit zero; units are taken at |W_j|^2 = n
    beta, gamma : of the loss, > 0; beta = 3 sqrt(K) if absent
    space : "sphere" (|W_j|^2 = n kept) or "flat"

    Raises
    ------
    ValueError : an argument outside these ranges, or N beyond memory
    """
    return _second(*_checked(problem, weights, beta, gamma, space))[0]


def hessian_spectrum(
    problem: Problem, weights: ArrayLike, beta: float | None = None, gamma: float = CommitteeSGD.gamma_end, space: str = "sphere"
) -> Spectrum:
    """All eigenvalues of `hessian`; parameters and errors are the same."""
    return _spectrum(*_checked(problem, weights, beta, gamma, space))


def spectra(
    problem: Problem,
    chain: ArrayLike,
    beta: float | None = None,
    gamma: float = CommitteeSGD.gamma_end,
    space: str = "sphere",
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[Spectrum, ...]:
    """`hessian_spectrum` of every configuration of a chain (beads, N), for instance `SolutionPath.chain` or some of it.

    progress : called as progress(done, beads);  stop : asked between beads; interrupted, by it or Ctrl-C, the spectra until then
    """
    beads = np.asarray(chain, dtype=float)
    if beads.ndim != 2:
        raise ValueError(f"chain: got an array of shape {beads.shape}, takes shape (beads, N)")
    asked = [_checked(problem, W, beta, gamma, space) for W in beads]
    found: list[Spectrum] = []
    try:
        for at in asked:
            if stop is not None and stop():
                break
            found.append(_spectrum(*at))
            if progress is not None:
                progress(len(found), len(asked))
    except KeyboardInterrupt:
        pass
    return tuple(found)


def field_derivatives(h: Array, beta: float, gamma: float) -> tuple[Array, Array]:
    """First and second derivatives of the loss in the fields (P, K): (P, K) and (P, K, K)."""
    K = h.shape[1]
    T = np.tanh(beta * h)
    o = beta * (1 - T * T) / math.sqrt(K)
    p = expit(-2 * gamma * T.sum(axis=1) / math.sqrt(K))[:, None]
    second = (2 * gamma * p * (1 - p) * o)[:, :, None] * o[:, None, :]
    j = np.arange(K)
    second[:, j, j] += 2 * beta * p * T * o
    return -p * o, second


def _checked(problem: Problem, weights: ArrayLike, beta: float | None, gamma: float, space: str) -> tuple[Array, Array, float, float, str]:
    """What the derivatives need, refused before any long work."""
    needed = MATRICES * 8 * problem.N**2 if isinstance(problem, Problem) else 0
    if needed > MAX_BYTES:
        most = math.isqrt(MAX_BYTES // (8 * MATRICES))
        raise ValueError(f"problem: got N = {problem.N}, takes N <= {most} (dense matrices of {needed / 2**30:.1f} GiB)")
    xi = committee_points(problem)
    W = as_units("weights", weights, problem)
    return xi, W, *smoothing(len(W), beta, gamma), check_choice("space", space, SPACES)


def _second(xi: Array, W: Array, beta: float, gamma: float, space: str) -> tuple[Array, Array]:
    """The matrix, and the gradient (K, n) in that space."""
    P, K, n = xi.shape
    first, second = field_derivatives(unit_fields(xi, W), beta, gamma)
    slope = np.stack([first[:, j] @ xi[:, j] for j in range(K)]) / math.sqrt(n)
    force = np.sum(W * slope, axis=1) / n
    bases = [_tangent(w) if space == "sphere" else np.eye(n) for w in W]
    points = [xi[:, j] @ bases[j] for j in range(K)] if space == "sphere" else [xi[:, j] for j in range(K)]
    size = bases[0].shape[1]
    matrix = np.empty((K * size, K * size))
    for j in range(K):
        for k in range(j, K):
            block = points[j].T @ (second[:, j, k, None] * points[k]) / n
            if j == k and space == "sphere":
                block[np.diag_indices(size)] -= force[j]
            matrix[j * size : (j + 1) * size, k * size : (k + 1) * size] = block
            matrix[k * size : (k + 1) * size, j * size : (j + 1) * size] = block.T
    return matrix, slope if space == "flat" else slope - force[:, None] * W


def _spectrum(xi: Array, W: Array, beta: float, gamma: float, space: str) -> Spectrum:
    matrix, slope = _second(xi, W, beta, gamma, space)
    eigenvalues, trace = np.asarray(np.linalg.eigvalsh(matrix), np.float64), float(np.trace(matrix))
    loss = float(cross_entropy(xi, W, beta, gamma))
    return Spectrum(eigenvalues, space, int(violations(unit_fields(xi, W))), loss, float(np.linalg.norm(slope)), trace)


def _tangent(w: Array) -> Array:
    """Orthonormal columns perpendicular to w, (n, n - 1): a Householder reflection that takes w to the first axis, less that axis."""
    n = w.size
    v = w / np.linalg.norm(w)
    v[0] += math.copysign(1.0, v[0])  # no cancellation
    return np.asarray((np.eye(n) - 2 * np.outer(v, v) / (v @ v))[:, 1:])
