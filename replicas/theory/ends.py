"""Where a replica-symmetric branch ends, and what is said of the loads beyond."""

from __future__ import annotations

import numpy as np

from ..models import Discrete, Model, Perceptron, Spherical, Tree
from ..numerics.saddle import FOLDING_MARGIN, Batch
from ..wide import Wide
from .columns import Columns
from .scan import NEAR_A_FOLD, scanned

AT_THE_END = 1e-9  # relative distance from the end of the RS branch that double precision still resolves


def beyond_the_end(batch: Batch) -> np.ndarray:
    """Loads above the end of the branch, q -> 1, where nothing is to be found and a search is dear.

    Where alpha(q) grows up to its end: spherical tree machines, and perceptrons of one size of weights at margins that do not fold.
    Trees of weights of one size, where a scan of q sees that it does.
    """
    model, beyond = batch.model, np.zeros(batch.size, dtype=bool)
    if isinstance(model, Tree | Wide):
        index = np.arange(batch.size if isinstance(model.weights, Spherical) and not model.teacher else 0)
    else:
        one_size = isinstance(model.weights, Spherical) or model.weights.fixed_norm is not None
        grows = one_size and model.hard and model.likelihood == "threshold" and not model.teacher and is_bounded(model)
        index = np.flatnonzero(batch.kappa >= FOLDING_MARGIN) if grows else np.arange(0)
    of_one_size = isinstance(model, Tree) and isinstance(model.weights, Discrete) and model.weights.fixed_norm is not None
    if of_one_size and not model.teacher and model.hard:
        index = np.flatnonzero(batch.alpha > 0)
    if index.size:
        beyond[index] = batch.alpha[index] >= ends(batch.take(index)) * (1 - AT_THE_END)
    if of_one_size and beyond.any():
        _, value = scanned(batch.take(np.flatnonzero(beyond)))
        size = np.abs(value)
        fold = ((size[1:-1] < size[:-2]) & (size[1:-1] < size[2:]) & (size[1:-1] < NEAR_A_FOLD)).any(axis=0)
        beyond[beyond] = (np.sign(value) == np.sign(value[0])).all(axis=0) & ~fold
    return beyond


def is_bounded(model: Model) -> bool:
    """Whether the branch ends at q = Q, as under a counting measure and on the sphere."""
    return getattr(model.weights, "probabilities", None) is None


def ends(batch: Batch) -> np.ndarray:
    """Load of q -> Q at every point: computed once for each margin."""
    from .capacity import threshold

    _, first, back = np.unique(batch.kappa, return_index=True, return_inverse=True)
    found = np.nan_to_num(threshold(batch.take(first), "q-to-1")["value"], nan=np.inf, posinf=np.inf)
    return np.asarray(found[back])


def explain(columns: Columns) -> None:
    """Say why a point has no answer."""
    batch = columns.batch
    missing = np.flatnonzero(columns.status == "no-solution")
    if not missing.size:
        return
    if batch.model.teacher:
        never_ends = isinstance(batch.model, Perceptron) and isinstance(batch.model.weights, Spherical)
        for i in missing:
            ended = columns.ended[i] and not never_ends
            columns.status[i] = "branch-ended" if ended else "not-converged"
            columns.message[i] = (
                "the R < 1 branch has ended below this load"
                if ended
                else "the R < 1 branch could not be followed to this load"
            )
        return
    end = np.full(missing.size, np.inf)
    if batch.model.hard and is_bounded(batch.model):
        end = ends(batch.take(missing))
    for i, top in zip(missing, end):
        if batch.alpha[i] >= top * (1 - AT_THE_END):
            columns.message[i] = (
                f"no replica-symmetric saddle: q reaches Q at the load {top:.6g} (capacity with criterion q-to-1)"
            )
        else:
            columns.status[i] = "not-converged"
            columns.message[i] = "no start reached a residual below 1e-10"
