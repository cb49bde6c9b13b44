"""Simple learning rules of the spherical student: its overlap with the teacher that labelled the patterns.

    Hebb:            W = sum_mu y_mu xi_mu
    pseudo-inverse:  W of least norm among the minimisers of sum_mu (y_mu - xi_mu . W)^2
    overlap:         R = W . T / (|W| |T|)

Source: A. Engel and C. Van den Broeck, Statistical Mechanics of Learning (2001), chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lstsq

from ._checks import check_choice, check_integer, check_patterns, check_signs
from ._packed import packed_signs, products
from .problems import draw_problem

DEPENDENT = 12.0
"""Spread of the logarithms of the Cholesky pivots beyond which patterns count as linearly dependent."""


def hebb_student(patterns: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """W = sum_mu y_mu xi_mu for patterns (P, N) and labels (P,) of +-1, shape (N,)."""
    points = check_patterns(patterns)
    return np.asarray(check_signs("labels", labels, points.shape[:1]) @ points)


def pseudo_inverse_student(patterns: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Least-squares W of least norm, which fits the labels exactly for P <= N; shapes as `hebb_student`.

    W = X^T (X X^T)^-1 y for P <= N independent patterns, (X^T X)^-1 X^T y beyond. The overlap vanishes at
    P = N, where these matrices turn singular.
    """
    points = check_patterns(patterns)
    signs = check_signs("labels", labels, points.shape[:1]).astype(float)
    few = points.shape[0] <= points.shape[1]
    try:
        factor = cho_factor(_products(points if few else points.T), lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        factor = None
    if factor is None or np.ptp(np.log(np.diag(factor[0]))) > DEPENDENT:
        # several times slower, and right for dependent patterns
        return np.asarray(lstsq(points, signs, lapack_driver="gelsy")[0])
    x = cho_solve(factor, signs if few else points.T @ signs, check_finite=False)  # the other triangle is whatever was there
    return np.asarray(points.T @ x if few else x)


def _products(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """points points^T, its lower triangle."""
    if not np.all(np.abs(points) == 1):
        return np.asarray(points @ points.T)
    size, N = points.shape
    upper = np.empty((size, size))
    products(packed_signs(points), np.arange(size), 0, size, N, 1, upper)
    return upper.T  # the lower one, in the order of LAPACK


def overlap(student: ArrayLike, teacher: ArrayLike) -> float:
    """R = W . T / (|W| |T|) of two vectors of the same length; ValueError if one of them vanishes."""
    W, T = np.asarray(student, dtype=float), np.asarray(teacher, dtype=float)
    if W.ndim != 1 or W.shape != T.shape:
        raise ValueError(f"student, teacher: got shapes {W.shape} and {T.shape}, takes vectors of one length")
    norm = float(np.linalg.norm(W) * np.linalg.norm(T))
    if norm == 0 or not np.isfinite(norm):
        raise ValueError(f"student, teacher: got |W||T| = {norm}, takes finite vectors other than zero")
    return float(W @ T) / norm


RULES: dict[str, Callable[[ArrayLike, ArrayLike], NDArray[np.float64]]] = {
    "hebb": hebb_student,
    "pseudo-inverse": pseudo_inverse_student,
}


def teacher_overlap(rule: str, P: int, N: int, seed: int, sample: int = 0) -> float:
    """Overlap R of a student with its spherical teacher after P Gaussian patterns, for one sample.

    Parameters
    ----------
    rule : "hebb" or "pseudo-inverse";  P : number of patterns, >= 1;  N : number of weights, >= 1
    seed, sample : as for `draw_patterns`

    Raises
    ------
    ValueError : an argument outside these ranges
    """
    check_choice("rule", rule, tuple(RULES))
    check_integer("P", P, at_least=1)
    problem = draw_problem(P, N, seed, sample, "teacher-student", patterns="gaussian", teacher="spherical")
    assert problem.teacher is not None
    return overlap(RULES[rule](problem.patterns, problem.labels), problem.teacher)
