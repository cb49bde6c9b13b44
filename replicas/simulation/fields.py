"""Local fields u_mu = y_mu xi_mu . W / sqrt(N) of given weights.

With binary patterns and weights the fields live on the lattice u = (N - 2 mismatches)/sqrt(N), of spacing
2/sqrt(N) and of the parity of N: the natural bins are cells of that width, centred on lattice points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _bits
from ._checks import check_integer, check_patterns, check_signs
from .codes import MAX_SEARCH_SITES, check_codes, encode_weights


def local_fields(patterns: ArrayLike, weights: ArrayLike, labels: ArrayLike | None = None) -> NDArray[np.float64]:
    """Fields of every weight vector on every pattern, shape (n, P).

    Parameters
    ----------
    patterns : array (P, N);  weights : array (n, N), or (N,) for one vector (then the result has shape (P,))
    labels : array (P,) of +1 and -1, all +1 if absent

    Raises
    ------
    ValueError : a wrong shape or value
    """
    points = check_patterns(patterns)
    P, N = points.shape
    vectors = np.asarray(weights, dtype=float)
    if vectors.ndim not in (1, 2) or vectors.shape[-1] != N:
        raise ValueError(f"weights: got an array of shape {vectors.shape}, takes shape (n, {N}) or ({N},)")
    fields = vectors @ points.T / np.sqrt(N)
    return fields if labels is None else fields * check_signs("labels", labels, (P,))


def field_counts(patterns: ArrayLike, codes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Lattice of fields, increasing, and the number of (solution, pattern) pairs on each, shapes (N + 1,).

    Parameters
    ----------
    patterns : array (P, N) of +1 and -1, 1 <= N <= 63
    codes : array (n,) of weight codes, as `enumerate_solutions` gives them

    Raises
    ------
    ValueError : a wrong shape or value
    """
    signs = check_signs("patterns", patterns, (-1, -1))
    N = check_integer("N", signs.shape[1], at_least=1, at_most=MAX_SEARCH_SITES)
    words = check_codes(codes, N)
    mismatches = _bits.mismatch_counts(encode_weights(signs), words, N)
    return (2 * np.arange(N + 1) - N) / np.sqrt(N), mismatches[::-1].copy()
