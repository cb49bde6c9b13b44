"""Phases of learning from a teacher along the load: thresholds on the axis, and the overlap R of every branch of students."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np

from ..models import Perceptron
from . import phase_regions as regions
from .boundaries import LOST, Sample, absent, sample
from .generalization import generalization
from .phase_planes import Line, Plane
from .transitions import transitions

BEYOND = 1.25  # spinodals up to which the diagram is drawn
MIDDLE_FROM = 0.5  # of alpha_it, from which the unstable branch between the two students is followed


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

    def line(name: str, low: float, high: float) -> Any:
        def ask(xs: np.ndarray) -> Iterator[Sample]:
            for alpha in xs:
                if not low <= alpha <= high:
                    yield absent()
                elif alpha == end:  # both branches end at the fold
                    yield Sample(top, float(marks.spinodal.error), False)  # type: ignore[union-attr]
                else:
                    yield branches(float(alpha)).get(name, absent(LOST, f"the {name} branch was lost"))

        return ask

    def perfect(xs: np.ndarray) -> Iterable[Sample]:
        return (Sample(1.0, 0.0, alpha >= it) for alpha in xs)

    lines = (
        Line("typical", "student, R < 1", "branch", line("typical", 0.0, end), places=(0.0, it, end)),
        Line("middle", "unstable branch", "branch", line("middle", MIDDLE_FROM * it, end), places=(MIDDLE_FROM * it, end)),
        Line("perfect", "perfect recovery, R = 1", "branch", perfect, places=(0.0, it, BEYOND * end)),
    )
    thresholds = (
        Line("alpha_it", "alpha_IT", "capacity", lambda _: iter([sample(marks.alpha_it, True)])),  # type: ignore[arg-type]
        Line("spinodal", "spinodal", "spinodal", lambda _: iter([sample(marks.spinodal, True)])),  # type: ignore[arg-type]
    )
    return Plane("alpha", "R", (0.0, BEYOND * end), lines, regions.teacher, "typical", thresholds=thresholds)
