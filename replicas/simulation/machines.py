"""Machines of sign units on a tree: the output depends on the number of positive fields alone.

    h_j = xi_j . W_j / sqrt(n),   j = 1, ..., K,   sites (j - 1) n to j n - 1 of the N = K n
    y = +1 where the number c of positive h_j is accepted, else -1

A machine is the tuple of K + 1 booleans that says which c = 0, ..., K are accepted:

    perceptron     (False, True), K = 1
    majority       c > K/2, K odd:     y = sign(sum_j sign(h_j)), the tree committee
    parity         K - c even:         y = prod_j sign(h_j), the tree parity machine
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_integer, check_patterns

PERCEPTRON = (False, True)
"""One branch: y = sign(h)."""


def majority(K: int) -> tuple[bool, ...]:
    """The tree committee of K branches, K odd: more positive fields than negative ones."""
    branches = check_integer("K", K, at_least=1)
    if branches % 2 == 0:
        raise ValueError(f"K: got {K}, takes an odd integer (an even committee can tie)")
    return tuple(2 * c > branches for c in range(branches + 1))


def parity(K: int) -> tuple[bool, ...]:
    """The tree parity machine of K >= 1 branches: an even number of negative fields."""
    branches = check_integer("K", K, at_least=1)
    return tuple((branches - c) % 2 == 0 for c in range(branches + 1))


def dual(accepted: Sequence[bool]) -> tuple[bool, ...]:
    """What y = -1 asks of the gauged fields y h_j: c of them positive, with K - c not accepted.

    Committees and parities of odd K are their own duals; a parity of even K turns into its complement.
    """
    return tuple(not outcome for outcome in reversed(accepted))


def check_machine(accepted: Any, N: int) -> tuple[bool, ...]:
    """`accepted` as a tuple of K + 1 booleans, K a divisor of N."""
    takes = "takes K + 1 >= 2 booleans, one a number of positive fields"
    if isinstance(accepted, str) or not hasattr(accepted, "__iter__"):
        raise ValueError(f"accepted: got {accepted!r}, {takes}")
    outcomes = tuple(accepted)
    if len(outcomes) < 2 or not all(isinstance(outcome, (bool, np.bool_)) for outcome in outcomes):
        raise ValueError(f"accepted: got {outcomes!r}, {takes}")
    K = len(outcomes) - 1
    if N % K:
        raise ValueError(f"N: got {N}, takes a multiple of K = {K}, the branches of the machine")
    return tuple(bool(outcome) for outcome in outcomes)


def machine_outputs(
    patterns: ArrayLike, weights: ArrayLike, accepted: Sequence[bool] = PERCEPTRON
) -> NDArray[np.int8]:
    """Output +-1 of every weight vector on every pattern, shape (n, P); a vanishing field is not positive.

    Parameters
    ----------
    patterns : array (P, N);  weights : array (n, N), or (N,) for one vector (then the result has shape (P,))
    accepted : K + 1 booleans, one a number of positive fields (`majority`, `parity`); K divides N

    Raises
    ------
    ValueError : a wrong shape or value
    """
    points = check_patterns(patterns)
    P, N = points.shape
    outcomes = np.array(check_machine(accepted, N))
    vectors = np.asarray(weights, dtype=float)
    if vectors.ndim not in (1, 2) or vectors.shape[-1] != N:
        raise ValueError(f"weights: got an array of shape {vectors.shape}, takes shape (n, {N}) or ({N},)")
    K = outcomes.size - 1
    branches = vectors.reshape(*vectors.shape[:-1], K, N // K)
    fields = np.einsum("...ji,mji->...mj", branches, points.reshape(P, K, N // K))
    return np.where(outcomes[np.sum(fields > 0, axis=-1)], 1, -1).astype(np.int8)
