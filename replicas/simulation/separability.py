"""Linear separability: is there a spherical perceptron without errors?

    separable:  some w has y_mu xi_mu . w >= 1 for all mu  (a positive margin; the scale of w is free)
    Cover:      P points in general position have C(P, N) = 2 sum_{i<N} binom(P-1, i) separable labellings:
                random labels are separable with probability C(P, N)/2^P, exactly 1/2 at P = 2N

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

FEASIBLE, INFEASIBLE = 0, 2
"""Status codes of scipy.optimize.linprog."""


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
    program = linprog(np.zeros(N), A_ub=-points, b_ub=-np.ones(P), bounds=(None, None), method="highs")
    if program.status not in (FEASIBLE, INFEASIBLE):
        raise RuntimeError(f"linear program of {P} patterns and {N} weights has no answer: {program.message}")
    return bool(program.status == FEASIBLE)


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
