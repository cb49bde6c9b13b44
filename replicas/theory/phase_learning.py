"""Phases of learning from a teacher along the load: thresholds on the axis, and the overlap R of every branch of students."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np

from ..models import Perceptron
from . import phase_regions as regions
from .boundaries import LOST, Sample, absent, sample
from .generalization import generalization
from .phase_planes import Line, Plane
from .scan import SCAN
from .transitions import transitions

BEYOND = 1.25  # spinodals up to which the diagram is drawn
NEAREST = 1 / (1 + math.exp(SCAN[-1]))  # to R = 1 that the search for branches comes
NEAR_BELOW = 0.05  # of alpha_it: the unstable branch comes so near at 0.01 to 0.03 of it


def plane(model: Perceptron) -> Plane:
    """The axis of loads of a perceptron with a finite set of weights.

    Raises ArithmeticError where a threshold was not found.
    """
    marks = transitions(model)
    if marks.alpha_it is None or marks.spinodal is None:
        raise ArithmeticError(marks.message)
    it, end = float(marks.alpha_it.value), float(marks.spinodal.value)
    top = float(marks.spinodal.order_parameters["R"])

    @cache
    def branches(alpha: float) -> dict[str, Sample]:
        found = generalization(model, np.array([alpha]))
        return {
            str(found.branch[i]): Sample(float(found.R[i]), float(found.errors["R"][i]), bool(found.dominant[i]))
            for i in range(len(found))
            if np.isfinite(found.R[i])
        }

    def line(name: str) -> Any:
        def one(alpha: float) -> Sample:
            if alpha > end:
                return absent(message=f"the {name} branch ends at alpha = {end:.6g}")
            if alpha == end:  # both branches end at the fold
                return Sample(top, float(marks.spinodal.error), False)  # type: ignore[union-attr]
            found = branches(alpha)
            if name == "middle" and name not in found and "typical" in found and alpha < NEAR_BELOW * it:
                return Sample(1.0, NEAREST, False)  # between two stable students there is one, and up to so near R = 1 none was found
            return found.get(name, absent(LOST, f"the {name} branch was lost"))

        def ask(xs: np.ndarray) -> Iterator[Sample]:
            return (one(float(alpha)) for alpha in xs)

        return ask

    def perfect(xs: np.ndarray) -> Iterable[Sample]:
        return (Sample(1.0, 0.0, alpha >= it) for alpha in xs)

    lines = (
        Line("typical", "student, R < 1", "branch", line("typical"), places=(0.0, it, end)),
        Line("middle", "unstable branch", "branch", line("middle"), places=(0.0, end)),
        Line("perfect", "perfect recovery, R = 1", "branch", perfect, places=(0.0, it, math.inf), exact=True),
    )
    thresholds = (
        Line("alpha_it", "alpha_IT", "capacity", lambda _: iter([sample(marks.alpha_it, True)])),  # type: ignore[arg-type]
        Line("spinodal", "spinodal", "spinodal", lambda _: iter([sample(marks.spinodal, True)])),  # type: ignore[arg-type]
    )
    return Plane("alpha", "R", (0.0, BEYOND * end), lines, regions.teacher, "typical", thresholds=thresholds)
