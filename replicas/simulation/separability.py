"""Linear separability: is there a spherical perceptron without errors?

    separable:  some w has y_mu xi_mu . w > 0 for all mu: the largest margin in a box is positive,
                max { t : y_mu xi_mu . w / |xi_mu| >= t for all mu, |w_i| <= 1 } > 0
    Cover:      P points in general position have C(P, N) = 2 sum_{i<N} binom(P-1, i) separable labellings:
                random labels are separable with probability C(P, N)/2^P, exactly 1/2 at P = 2N

The box keeps the linear program feasible and bounded. The bare y_mu xi_mu . w >= 1 would decide the same, but
there about one random sample in 10^4 ends without an answer.
Gaussian points are in general position with probability one; +-1 points are not.
Source: T. M. Cover, IEEE Trans. Electron. Comput. EC-14 (1965) 326. The linear programs are solved by HiGHS.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from ._checks import check_integer, check_patterns, check_signs

SMALLEST_MARGIN = 1e-6
"""Margins below it count as none: ten times the tolerance of the program, small beside a typical margin."""


def is_separable(patterns: ArrayLike, labels: ArrayLike | None = None) -> bool:
    """Whether some w has y_mu xi_mu . w > 0 for every pattern.

    Parameters
    ----------
    patterns : array (P, N) of finite numbers
    labels : array (P,) of +1 and -1, all +1 if absent

    Raises
    ------
    ValueError : a wrong shape or value
    RuntimeError : the linear program ended without an answer
    """
    points = check_patterns(patterns)
    P, N = points.shape
    if labels is not None:
        points = points * check_signs("labels", labels, (P,))[:, None]
    if P == 0:
        return True
    # only directions matter; a vanishing pattern cannot be satisfied, and stays as it is
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    directions = points / np.where(norms > 0, norms, 1.0)
    constraints = np.hstack([-directions, np.ones((P, 1))])
    minus_margin = np.append(np.zeros(N), -1.0)
    box = [(-1.0, 1.0)] * N + [(None, None)]
    program = linprog(minus_margin, A_ub=constraints, b_ub=np.zeros(P), bounds=box, method="highs")
    if not program.success:
        raise RuntimeError(f"linear program of {P} patterns and {N} weights has no answer: {program.message}")
    return bool(-program.fun > SMALLEST_MARGIN)


def cover_count(P: int, N: int) -> int:
    """Number of linearly separable labellings of P >= 0 points in general position in N >= 1 dimensions."""
    check_integer("P", P, at_least=0)
    check_integer("N", N, at_least=1)
    if P == 0:
        return 1
    return 2 * sum(comb(P - 1, i) for i in range(min(N, P)))


def separable_probability(P: int, N: int) -> Fraction:
    """Probability that random labels of P points in general position are separable, as an exact fraction."""
    return Fraction(cover_count(P, N), 2 ** int(P))
