"""Saddle points that no branch from alpha = 0 leads to: roots along a scan of the overlap, conjugates from their equations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from ..models import Discrete, Spherical, Tree
from ..numerics.saddle import CONVERGED, Batch, Solution, evaluate, learnt, make_batch, newton, polished, start
from .columns import TIE

ALONG = -1  # level of the grids on which the overlaps of a tree machine are listed
SCAN = np.linspace(-8.0, 16.0, 97)  # logit(q) from which all coexisting branches are sought
MOST_SCANNED = 10.0  # of the logits of tree machines of finite weight sets
NEAR_A_FOLD = 0.05  # imbalance of a saddle-point equation under which a pair of roots may hide between two scan points
SAME_BRANCH = 1e-6  # two solutions whose logits differ by less are one


def imbalance(solution: Solution, equation: int) -> np.ndarray:
    """log(positive terms/negative terms) of one saddle-point equation."""
    return solution.results[:, solution.module.AT_ALPHA - solution.nu + equation]


@lru_cache(maxsize=64)
def along(model: Tree) -> tuple[np.ndarray, np.ndarray]:
    """Averages over patterns of several fields are dear, and linear in the load: where each overlap of the scan belongs.

    (logit q, log alpha at which it solves the one equation of a sphere, or log(q_hat/alpha) of a finite set).
    """
    logit = SCAN if isinstance(model.weights, Spherical) else SCAN[SCAN <= MOST_SCANNED]
    batch = make_batch(model, np.ones(logit.size))
    if not isinstance(model.weights, Spherical):
        return logit, np.array([start(batch.take(np.array([0])), float(x))[0, 1] for x in logit])
    once = imbalance(evaluate(batch, logit[:, None], ALONG), 0)
    twice = imbalance(evaluate(batch.take(np.array([0])).with_alpha(2.0), logit[:1, None], ALONG), 0)
    return logit, -once * np.sign(twice[0] - once[0])


def scanned(part: Batch) -> tuple[list[np.ndarray], np.ndarray]:
    """Unknowns at every overlap of the scan, and the imbalance of the equation that explicit conjugates do not solve already."""
    model = part.model
    if isinstance(model, Tree) and (isinstance(model.weights, Spherical) or model.weights.fixed_norm is not None):
        logit, known = along(model)
        load = np.log(part.alpha)
        if isinstance(model.weights, Spherical):
            return [np.full((part.size, 1), x) for x in logit], load - known[:, None]
        starts = [np.column_stack([np.full(part.size, x), load + y]) for x, y in zip(logit, known, strict=True)]
        of_weights = make_batch(model.perceptron, part.alpha)  # with the same equation of the weights
        return starts, np.array([imbalance(evaluate(of_weights, x, 0), 1) for x in starts])
    starts = [start(part, float(x)) for x in (SCAN[SCAN <= MOST_SCANNED] if isinstance(model, Tree) else SCAN)]
    last = starts[0].shape[1] - 1
    if last > 1:
        return starts, np.empty(0)
    return starts, np.array([imbalance(evaluate(part, x, 0), last) for x in starts])


def solutions(batch: Batch) -> Iterator[tuple[np.ndarray, Solution]]:
    """What the scan meets: points of the batch, and a solution of each, some of them not converged."""
    positive = np.flatnonzero(batch.alpha > 0)
    if not positive.size:
        return
    part = batch.take(positive)
    starts, value = scanned(part)
    if starts[0].shape[1] > 2:
        tries = [(np.arange(positive.size), x) for x in starts]
    else:
        tries = []
        for k in range(1, len(starts)):
            index = np.flatnonzero(value[k - 1] * value[k] < 0)
            low, high = starts[k - 1][index], starts[k][index]
            share = value[k - 1][index] / (value[k - 1] - value[k])[index]
            tries.append((index, low + share[:, None] * (high - low)))
        for k in range(1, len(starts) - 1):  # close to a fold both roots hide where the imbalance is smallest
            size = np.abs(value[k - 1 : k + 2])
            index = np.flatnonzero((size[1] < size[0]) & (size[1] < size[2]) & (size[1] < NEAR_A_FOLD))
            tries += [(index, starts[j][index]) for j in (k - 1, k, k + 1)]
        if part.model.teacher and isinstance(part.model.weights, Discrete) and part.model.fields == 1:
            tries.append((np.arange(positive.size), starts[-1]))  # at small loads the unstable branch is closer to R = 1 than the scan
    found: list[tuple[int, float]] = []
    for index, x in tries:
        if not index.size:
            continue
        solution = _polished_once(part.take(index), x, found, index)
        solution.info[(solution.q < 1e-8) | (solution.gap < 1e-12), CONVERGED] = 0.0
        yield positive[index], solution


def _polished_once(part: Batch, x: np.ndarray, found: list[tuple[int, float]], index: np.ndarray) -> Solution:
    """Newton from ``x`` at the points ``index``, and, where that is dear, only for what coarse grids do not know already."""
    rough = newton(part, x, rough=True)
    if part.model.fields == 1:
        return rough
    for k, (i, at) in enumerate(zip(index, rough.x[:, 0], strict=True)):
        if not rough.converged[k]:
            rough.put(np.array([k]), newton(part.take(np.array([k])), x[k : k + 1]))
        elif any(i == j and abs(at - known) < SAME_BRANCH for j, known in found):
            rough.info[k, CONVERGED] = 0.0
        else:
            found.append((int(i), float(at)))
    return polished(rough)


def best_student(batch: Batch) -> Solution:
    """With a teacher, the student with R > 0 of largest phi that is a maximum of it; not converged where there is none."""
    best = learnt(batch)
    best.info[best.extra("replicon") <= 0, CONVERGED] = 0.0
    return best_of_scan(best)


def best_of_scan(best: Solution) -> Solution:
    """Each point at the maximum of largest phi that a scan of R meets, where it is above that of ``best``."""
    for index, solution in solutions(best.batch):
        better = solution.converged & (solution.extra("replicon") > 0)
        better &= ~best.converged[index] | (solution.phi > best.phi[index] + TIE)
        best.put(index[better], solution.pick(better))
    return best
