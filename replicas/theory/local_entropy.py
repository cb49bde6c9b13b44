r"""Local entropy: large deviations of the number of solutions at a distance d from a reference configuration.

.. math:: \phi(y) = \frac1N E\log\sum_{\tilde W} \mathcal N(\tilde W, d)^y, \qquad S_I = \partial_y\phi, \qquad S_E = \phi - y S_I

with N(W~, d) the number of solutions at Hamming distance d N from W~: S_I is the entropy of solutions around the references
that dominate at y, S_E that of those references. y = 1 is a typical pair (S_I + S_E = S_0 + H2(d)); S_E = 0 is the densest
surrounding that exists (y = "star"); y -> inf before S_E = 0 overestimates it. The branch is followed from typical
references at a smaller load and moderate d in y, then alpha, then d, and never left for another one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..local_results import LocalEntropy
from ..models import Model, Perceptron, Spherical
from ..numerics.saddle import Batch, check_model, make_batch
from .ansatz import of_one_unit
from .local_curve import STAR, Answer, BinaryCurve

REFERENCES = ("unconstrained", "constrained")
TAKES_Y = "a number > 0, 'star' or 'inf'"
WEIGHTED = "At finite beta local_entropy is a free entropy: the entropy less beta times the errors per weight."
UNANSWERED = ("no-solution", "branch-ended", "not-converged", "unsupported")


@of_one_unit
def local_entropy(
    model: Model,
    alpha: Any,
    distance: Any = None,
    y: Any = "star",
    reference: str = "unconstrained",
    reference_kappa: Any = None,
    overlap: Any = None,
    *,
    kappa: Any = None,
    beta: Any = None,
) -> LocalEntropy:
    """Internal and external entropy of the solutions at a distance from the references that dominate at y.

    Parameters
    ----------
    model : rp.Perceptron with binary weights (spherical ones: y replicas at mutual ``overlap``), storage or teacher-student.
    alpha : load(s) >= 0.
    distance : Hamming distance(s) per weight, 0 <= d <= 1.
    y : number(s) > 0, "inf", or "star" for the y at which S_E = 0.
    reference : "unconstrained", any W~ in {-1, 1}^N, or "constrained", a solution of margin ``reference_kappa`` (default kappa).
    kappa, beta : in place of the model's own (beta: of a model made with one; entropies are then free entropies). Everything broadcasts.

    Returns
    -------
    LocalEntropy. ``status``: converged; unphysical where S_E or S_I is negative (values are given); branch-ended where the
    branch does not reach d (``message``: the last d it reached); no-solution where no y has S_E = 0, or where there are no
    solutions, or no references of that margin, at this load. ``branch``: "dense" (S_E = 0, the densest surroundings that
    exist), "typical" (y = 1, unconstrained: the solutions are typical ones), "tilted" (any other y).

    Raises
    ------
    ValueError : naming the argument, what it got and what it takes.
    """
    if reference not in REFERENCES:
        raise ValueError(f"reference: got {reference!r}; takes {', '.join(REFERENCES)}")
    if isinstance(getattr(model, "weights", None), Spherical) and isinstance(model, Perceptron):
        return _spherical(model, alpha, distance, y, reference, reference_kappa, overlap, kappa, beta)
    _check_model(model, reference)
    if overlap is not None:
        raise ValueError(f"overlap: got {overlap!r} with binary weights; takes None, and a distance")
    batch = make_batch(model, alpha, kappa, beta)
    distances, ys = check_distance(distance), check_y(y)
    margins = _check_reference_kappa(reference, reference_kappa)
    try:
        shape = np.broadcast_shapes(batch.shape, distances.shape, ys.shape, margins.shape)
    except ValueError:
        raise ValueError(
            f"alpha, distance, y: got shapes {batch.shape}, {distances.shape}, {ys.shape}; takes arrays that broadcast"
        ) from None
    index = np.broadcast_to(np.arange(batch.size).reshape(batch.shape), shape).ravel()
    flat_d, flat_y, flat_k = (np.broadcast_to(v, shape).ravel() for v in (distances, ys, margins))
    answers: list[Answer | None] = [None] * flat_d.size
    keys = list(zip(index.tolist(), [repr(v) for v in flat_y], [repr(v) for v in flat_k]))
    for key in dict.fromkeys(keys):
        members = [i for i, other in enumerate(keys) if other == key]
        first = members[0]
        curve = BinaryCurve(batch.take(index[first : first + 1]), float(flat_y[first]), reference, float(flat_k[first]))
        for i, answer in zip(members, curve.answers([float(flat_d[i]) for i in members])):
            answers[i] = answer
    chosen = batch.take(index)
    return _result(model, chosen, shape, flat_d, flat_k, flat_y, reference, [a for a in answers if a is not None])


def _branch(y: float, reference: str) -> str:
    """What the asked y selects (nan: star)."""
    if math.isnan(y):
        return "dense"
    return "typical" if y == 1 and reference == "unconstrained" else "tilted"


def check_distance(distance: Any) -> np.ndarray:
    """Distances 0 <= d <= 1."""
    if distance is None:
        raise ValueError("distance: missing; takes a Hamming distance per weight from 0 to 1")
    try:
        values = np.asarray(distance, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"distance: got {distance!r}; takes a Hamming distance per weight from 0 to 1") from None
    bad = ~((values >= 0) & (values <= 1))
    if bad.any() or not values.size:
        got = values[bad].flat[0] if bad.any() else "an empty array"
        raise ValueError(f"distance: got {got}; takes a Hamming distance per weight from 0 to 1")
    return values


def check_y(y: Any) -> np.ndarray:
    """Inverse temperatures as floats: inf, and nan for "star"."""
    named = {"star": STAR, "inf": math.inf}

    def one(value: Any) -> float:
        if isinstance(value, str) and value in named:
            return named[value]
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"y: got {value!r}; takes {TAKES_Y}") from None
        if isinstance(value, str) or not number > 0:
            raise ValueError(f"y: got {value!r}; takes {TAKES_Y}")
        return number

    values = np.asarray(y, dtype=object)
    if not values.size:
        raise ValueError(f"y: got an empty array; takes {TAKES_Y}")
    return np.array([one(v) for v in values.ravel()]).reshape(values.shape)


def _check_reference_kappa(reference: str, value: Any) -> np.ndarray:
    if value is None:
        return np.array(math.nan)
    if reference == "unconstrained":
        raise ValueError(f"reference_kappa: got {value!r} with an unconstrained reference; takes None")
    try:
        values = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        values = np.array(math.nan)
    if not np.all(np.isfinite(values)) or not values.size:
        raise ValueError(f"reference_kappa: got {value!r}; takes finite margins")
    return values


def _check_model(model: Any, reference: str) -> None:
    check_model(model)
    if not isinstance(model, Perceptron):
        raise ValueError(f"model: got {model.describe()}; local_entropy takes a perceptron with binary or spherical weights")
    if model.weights.name != "binary":
        raise ValueError(f"weights: got {model.weights.name}; takes binary or spherical")
    if reference == "constrained" and model.teacher:
        raise ValueError("reference: got 'constrained' with a teacher; takes unconstrained")


def _spherical(
    model: Perceptron, alpha: Any, distance: Any, y: Any, reference: str, reference_kappa: Any, overlap: Any, kappa: Any, beta: Any
) -> LocalEntropy:
    from .spherical_local import spherical_local_entropy

    if beta is not None:
        raise ValueError(f"beta: got {beta!r} with spherical weights; takes None (hard constraints)")
    if reference_kappa is not None:
        raise ValueError(f"reference_kappa: got {reference_kappa!r} with spherical weights; takes None")
    if distance is not None:
        raise ValueError(f"distance: got {distance!r} with spherical weights; takes None, and an overlap")
    if reference != "unconstrained":
        raise ValueError(f"reference: got {reference!r} with spherical weights; takes unconstrained")
    return spherical_local_entropy(model, alpha, overlap, y, kappa=kappa)


def _result(
    model: Model,
    batch: Batch,
    shape: tuple[int, ...],
    distances: np.ndarray,
    margins: np.ndarray,
    ys: np.ndarray,
    reference: str,
    answers: list[Answer],
) -> LocalEntropy:
    def out(values: Any) -> Any:
        array = np.asarray(values)
        if shape:
            return array.reshape(shape)
        item = array.ravel()[0]
        return item.item() if isinstance(item, np.generic) else item

    def column(pick: Callable[[Answer], dict[str, float]], name: str) -> Any:
        values = [pick(a).get(name, math.nan) for a in answers]
        if not shape:
            return None if math.isnan(values[0]) else values[0]
        return out(np.array(values))

    names = ["local_entropy", "external_entropy", "slope"]
    names += ["eps_reference", "eps_solutions"] if model.teacher else []
    order = dict.fromkeys(k for a in answers for k in a.order_parameters)
    shown = isinstance(model.likelihood, str) and not model.teacher
    answered = [a.status not in UNANSWERED for a in answers]
    y = [a.y if ok else math.nan for a, ok in zip(answers, answered)]
    return LocalEntropy(
        model=model,
        alpha=out(batch.alpha),
        kappa=out(batch.kappa) if shown else None,
        beta=None if batch.beta is None else out(batch.beta),
        distance=out(distances),
        reference=reference,
        reference_kappa=None if np.isnan(margins).all() else out(margins),
        y=out(np.array(y)) if shape else (None if math.isnan(y[0]) else y[0]),
        **{n: column(lambda a: a.numbers, n) for n in names},
        order_parameters={n: column(lambda a: a.order_parameters, n) for n in order},
        residual=out(np.array([a.residual for a in answers])),
        branch=out(np.array([_branch(asked, reference) if ok else None for asked, ok in zip(ys, answered)], dtype=object)),
        stable=out(np.array([a.stable for a in answers], dtype=object)),
        jump=out(np.array([False if ok else None for ok in answered], dtype=object)),
        status=out(np.array([a.status for a in answers], dtype=object)),
        message=out(np.array([a.message for a in answers], dtype=object)),
        statement="" if model.hard else WEIGHTED,
        error=column(lambda a: a.errors, "local_entropy"),
        errors={n: column(lambda a: a.errors, n) for n in (*names, "y", *order)},
    )
