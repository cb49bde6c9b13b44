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
from scipy.linalg import lstsq

from ._checks import check_choice, check_integer, check_patterns, check_signs
from .problems import draw_problem


def hebb_student(patterns: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """W = sum_mu y_mu xi_mu for patterns (P, N) and labels (P,) of +-1, shape (N,)."""
    points = check_patterns(patterns)
    return np.asarray(check_signs("labels", labels, points.shape[:1]) @ points)


def pseudo_inverse_student(patterns: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Least-squares W of least norm, shapes as `hebb_student`: fits the labels exactly for P <= N.

    The overlap vanishes at P = N, where the Gram matrix of the patterns turns singular.
    """
    points = check_patterns(patterns)
    signs = check_signs("labels", labels, points.shape[:1])
    # a rank-revealing QR: as safe as the singular values, several times faster
    return np.asarray(lstsq(points, signs.astype(float), lapack_driver="gelsy", check_finite=False)[0])


def overlap(student: ArrayLike, teacher: ArrayLike) -> float:
    """R = W . T / (|W| |T|) of two vectors of the same length; ValueError if one of them vanishes."""
    W, T = np.asarray(student, dtype=float), np.asarray(teacher, dtype=float)
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
