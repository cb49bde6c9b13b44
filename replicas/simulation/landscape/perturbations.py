r"""Flatness around a configuration of the tree committee: what random perturbations of a given size cost.

    W'_j = cos(theta) W_j + sin(theta) sqrt(n) v_j,   v_j random unit vectors perpendicular to W_j,   size = |W' - W|/|W| = 2 sin(theta/2)

all at overlap cos(theta) = 1 - size^2/2 with W, uniformly. Means are over the directions v, which are the same for all sizes. Where the
size is small, the loss increases by the trace of the second derivatives on the spheres (`curvature`),

    E_v L(W') - L(W) = theta^2 n/(2 (n - 1)) trace + O(theta^4)

the odd terms vanish with the mean over v. The idea of this measure, with relative Gaussian noise: F. Pittorino et al., Entropic
gradient descent algorithms and wide flat minima, ICLR 2021, arXiv:2006.07897 ("local energy").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from .._checks import check_finite, check_integer
from ..algorithms.committee import CommitteeSGD, cross_entropy
from ..display.results import Columns, Rows, Series
from ..problems import Problem
from .geometry import as_units, committee_points, smoothing, unit_fields, violations

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Flatness(Series):
    """Errors and loss around a configuration, arrays (sizes,).

    sizes : |W' - W|/|W|;  overlap : 1 - sizes^2/2
    errors, errors_stderr : mean fraction of patterns violated at W', and its standard error over the directions
    increase, increase_stderr : mean of the loss per pattern at W' less that at W
    base_errors, base_loss : fraction of patterns violated and loss per pattern at W itself
    directions : how many;  interrupted : whether there were to be more
    """

    quantity = "flatness"
    computed = ("directions", "base_errors", "base_loss")
    axes = ("size of the perturbation", "fraction of the patterns violated")
    drawn = ("errors", "errors_stderr")

    sizes: Array
    overlap: Array
    errors: Array
    errors_stderr: Array
    increase: Array
    increase_stderr: Array
    base_errors: float
    base_loss: float
    directions: int
    interrupted: bool = False

    @property
    def title(self) -> str:
        """Of how many directions, and around what."""
        stopped = ", interrupted" if self.interrupted else ""
        at = f"{self.base_errors:.4f} of the patterns violated, loss {self.base_loss:.4g} per pattern"
        return f"flatness: {self.directions} directions, {at}{stopped}"

    def columns(self) -> Columns:
        """By size of the perturbation."""
        errors = {"errors": self.errors, "errors_stderr": self.errors_stderr}
        return {"size": self.sizes, "overlap": self.overlap, **errors, "increase": self.increase, "increase_stderr": self.increase_stderr}

    def rows(self) -> Rows:
        """Header and cells of a readable table; none before the second direction."""
        columns = zip(self.sizes, self.errors, self.errors_stderr, self.increase, self.increase_stderr)
        body = [[f"{d:.4g}", f"{e:.5f}", f"{de:.5f}", f"{x:.5g}", f"{dx:.2g}"] for d, e, de, x, dx in columns]
        return ["size", "errors", "±", "loss increase", "±"], body if self.directions > 1 else []


def flatness(
    problem: Problem,
    weights: ArrayLike,
    sizes: float | Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5),
    directions: int = 100,
    rng: np.random.Generator | int = 0,
    beta: float | None = None,
    gamma: float = CommitteeSGD.gamma_end,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Flatness:
    """Mean error and loss under random perturbations of the weights.

    Parameters
    ----------
    problem : of a tree committee of K odd units, of n >= 2 sites each, with patterns
    weights : (N,), a solution or not, no unit zero; units are taken at |W_j|^2 = n
    sizes : relative sizes of the perturbation, numbers from 0 to 2;  directions : how many, >= 2
    rng : NumPy Generator, used here alone, or a seed >= 0;  beta, gamma : of the loss, > 0; beta = 3 sqrt(K) if absent
    progress : called as progress(done, directions);  stop : asked between directions

    Raises
    ------
    ValueError : an argument outside these ranges
    """
    xi = committee_points(problem)
    W = as_units("weights", weights, problem)
    P, K, n = xi.shape
    if P == 0 or n < 2:
        raise ValueError(f"problem: got {P} patterns of {n} sites a branch, takes at least 1 of at least 2")
    slope, scale = smoothing(K, beta, gamma)
    several = (sizes,) if isinstance(sizes, int | float) else tuple(sizes)
    asked = np.array([check_finite("sizes", size) for size in several])
    if asked.size == 0 or np.any((asked < 0) | (asked > 2)):
        raise ValueError(f"sizes: got {several}, takes numbers from 0 to 2")
    check_integer("directions", directions, at_least=2)
    if not isinstance(rng, np.random.Generator):
        rng = np.random.default_rng(check_integer("rng", rng, at_least=0))
    theta = 2 * np.arcsin(asked / 2)
    h = unit_fields(xi, W)
    base_errors, base_loss = violations(h) / P, loss_of_fields(h, slope, scale) / P
    rows: list[tuple[Array, Array]] = []
    interrupted = False
    try:
        while len(rows) < directions:
            if stop is not None and stop():
                interrupted = True
                break
            v = rng.standard_normal(W.shape)
            v -= np.sum(v * W, axis=1, keepdims=True) / n * W
            v *= math.sqrt(n) / np.linalg.norm(v, axis=1, keepdims=True)
            rows.append(_at_angles(h, unit_fields(xi, v), theta, slope, scale))
            if progress is not None:
                progress(len(rows), directions)
    except KeyboardInterrupt:
        interrupted = True
    table = np.array(rows).reshape(-1, 2, asked.size) / P
    if len(rows) < 2:
        table = np.full((2, 2, asked.size), np.nan)
    mean, stderr = table.mean(axis=0), table.std(axis=0, ddof=1) / math.sqrt(len(table))
    overlap = 1 - asked**2 / 2
    return Flatness(asked, overlap, mean[0], stderr[0], mean[1] - base_loss, stderr[1], base_errors, base_loss, len(rows), interrupted)


@njit(cache=True, nogil=True)
def loss_of_fields(h, beta, gamma):  # type: ignore[no-untyped-def]
    """The cross-entropy of `algorithms.committee`, from the fields (P, K): units of one site each, weights 1."""
    P, K = h.shape
    return cross_entropy(h.reshape(P, K, 1), np.ones((K, 1)), beta, gamma)


@njit(cache=True, nogil=True)
def _at_angles(h, u, theta, beta, gamma):  # type: ignore[no-untyped-def]
    """Errors and loss of the fields cos(theta) h + sin(theta) u, for every angle."""
    errors, loss = np.empty(theta.size), np.empty(theta.size)
    for i in range(theta.size):
        turned = math.cos(theta[i]) * h + math.sin(theta[i]) * u
        errors[i], loss[i] = violations(turned), loss_of_fields(turned, beta, gamma)
    return errors, loss
