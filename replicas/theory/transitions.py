r"""Transitions of a discrete Bayes-optimal teacher-student problem.

alpha_it: the entropy of the R < 1 branch vanishes, perfect learning takes over. spinodal: the R < 1 branch ends at a
fold (d alpha/dR = 0), located by pseudo-arclength continuation.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..committees import Committee
from ..models import Discrete, Model, Perceptron
from ..numerics.continuation import Fold, first_fold
from ..numerics.saddle import (
    OVERLAPPING,
    ROUNDING,
    Batch,
    Solution,
    follow,
    has_zero_overlap,
    learnt,
    make_batch,
    newton,
    start,
    zero_overlap,
)
from ..results import Estimate, Result, bound, decimal
from ..wide import Wide
from .ansatz import asked_digits, check_ansatz, check_digits, of_one_unit, units_refused
from .scan import best_student
from .stability import at_line

UNBLOCKED = "Above it the R < 1 branch no longer exists: learning stops being blocked by metastability."
LEARNABLE = (
    "Below it no student with R > 0 exists; from it up to the first-order transition such a student is metastable."
)
UNLEARNT = "Above it R = 0 is unstable: learning is no longer blocked."
SCAN = np.linspace(0.1, 6.0, 60)  # loads, in units of the annealed one, over which the entropy's sign is looked at
FOLD_START = 0.9  # share of alpha_it from which the branch is continued to its fold
LEFT = 1e-2  # beyond the instability of R = 0, in units of its load, R is of this order on a branch that leaves it
FAR = 5.0  # times that load, up to which a fold of such a branch is sought
EARLIEST = 0.01  # of the load where R = 0 becomes unstable, from which a student that overtakes it before is sought
MANY_UNITS = (2.0, 30.0)  # loads between which infinitely many units start to specialise
LOADS = 27  # at which the branches of a parity are compared
PARTS = 9  # of these loads, looked at in turn where averages over several fields are dear
WIDE_RANGE = 20.0  # of loads, over which they are spaced in proportion
NEWTON_STEPS, NEWTON_ENDS = 12, 1e-9  # for the load at which they are equal; relative step at which it must end


@dataclass(frozen=True, eq=False, kw_only=True)
class Transitions(Result):
    """Thresholds of a teacher-student problem, each an `Estimate`."""

    quantity: ClassVar[str] = "transitions"
    headline: ClassVar[str] = "alpha_it"
    named: ClassVar[tuple[str, ...]] = ("alpha_it", "spinodal")

    alpha_it: Estimate | None = None
    spinodal: Estimate | None = None

    def _point(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name in self.named:
            e = getattr(self, name)
            out[name] = (
                None
                if e is None
                else {
                    "value": decimal(e.value),
                    "error": bound(e.error),
                    "criterion": e.criterion,
                    "stable": e.stable,
                    "order_parameters": decimal(dict(e.order_parameters)),
                    "statement": e.statement,
                    **(
                        {}
                        if e.digits is None
                        else {"digits": e.digits, "certified": bool(e.certified), "status": e.status}
                    ),
                }
            )
        errors = {k: out[k]["error"] for k in self.named if out[k]}
        return {
            **out,
            "error": errors.get("alpha_it"),
            "errors": errors,
            **({} if self.digits is None else {"digits": self.digits, "certified": bool(self.certified)}),
            "status": self.status,
            "message": self.message,
        }

    def rows(self) -> tuple[list[str], list[list[str]]]:
        from ..results import readable

        cells = [
            readable(decimal(e.value), bound(e.error)) if e is not None else "-"
            for e in (getattr(self, name) for name in self.named)
        ]
        header, row = list(self.named), cells
        if self.digits:
            header, row = [*header, "digits", "certified"], [*row, str(self.digits), "yes" if self.certified else "no"]
            if self.certified and self.alpha_it is not None:
                header, row = [*header, "statement"], [*row, self.alpha_it.statement]
        return [*header, "status"], [[*row, self.status + (f": {self.message}" if self.message else "")]]

    def _repr_latex_(self) -> str | None:
        return None


@of_one_unit
def transitions(
    model: Model,
    ansatz: str = "rs",
    digits: int | None = None,
    certified: bool = False,
    *,
    only: str | None = None,
) -> Transitions:
    """alpha_it and spinodal of a teacher-student model with discrete weights.

    digits : None for double precision, or how many digits (1 to 10,000).
    certified : prove balls that hold the exact values (python-flint; 15 digits unless ``digits`` says otherwise).
    only : "alpha_it" or "spinodal", to take just that one to its digits.

    Where R = 0 is a solution at every load (parity machines), alpha_it is where perfect learning or a student with R > 0
    takes over from it, and the spinodal the fold of the branch that leaves R = 0, or else its instability, or else the load
    from which a student with R > 0 exists. Status ``no-solution`` for spherical weights without a transition (R < 1 at
    every load), ``unsupported`` for storage.
    """
    check_ansatz(ansatz)
    if only not in (None, "alpha_it", "spinodal"):
        raise ValueError(f"only: got {only!r}; takes None, 'alpha_it' or 'spinodal'")
    wanted = check_digits(digits, certified)
    if isinstance(model, Committee):
        from . import committee_answers

        return committee_answers.transitions(model, ansatz, wanted, certified)
    if wanted is not None and not isinstance(model, Perceptron):
        raise units_refused(*asked_digits(wanted, certified), "an average over its fields on a grid")
    if wanted is not None:
        return _refined(transitions(model, ansatz), wanted, certified, only)
    batch = make_batch(model, 1.0)
    if not model.teacher:
        return Transitions(
            model=model,
            status="unsupported",
            message="storage has a capacity, not a learning transition; task teacher-student",
        )
    if has_zero_overlap(model):
        found = _from_nothing(model, batch)
        return _specialising(found) if isinstance(model, Wide) and model.architecture == "full" else found
    if not isinstance(model.weights, Discrete):
        return Transitions(
            model=model,
            status="no-solution",
            message="spherical weights learn smoothly: R < 1 at every load, no transition",
        )
    loads = SCAN * np.log(len(model.weights.values)) / np.log(2)
    path = follow(batch.take(np.zeros(loads.size, dtype=int)).with_alpha(loads))
    good = path.converged & (path.phi > 0)
    last = int(np.argmin(good)) - 1 if not good.all() else -1
    if last < 0:
        return Transitions(
            model=model,
            status="not-converged",
            message="the R < 1 branch could not be followed to zero entropy",
        )
    near = newton(batch.with_alpha(loads[last]), path.x[last : last + 1], zero=True)
    it = None
    if near.converged[0]:
        stable = bool(near.extra("replicon")[0] > 0)
        it = Estimate(
            model=model,
            question="alpha_it",
            value=float(near.alpha[0]),
            error=float(near.info[0, near.nu] + 2e-16 * near.alpha[0]),
            criterion="zero entropy of the R < 1 branch",
            stable=stable,
            order_parameters=_overlaps(near),
            statement="First-order transition to perfect learning (information-theoretic threshold).",
        )
    begin = follow(batch.with_alpha(FOLD_START * loads[last]))
    fold = first_fold(batch, begin.x[0], FOLD_START * loads[last]) if begin.converged[0] else None
    spinodal = None if fold is None else _spinodal(model, fold, UNBLOCKED)
    status = "converged" if it is not None and spinodal is not None else "not-converged"
    missing = [n for n, e in (("alpha_it", it), ("spinodal", spinodal)) if e is None]
    return Transitions(
        model=model,
        alpha_it=it,
        spinodal=spinodal,
        status=status,
        message=f"{' and '.join(missing)} not reached" if missing else "",
    )


def _overlaps(s: Solution) -> dict[str, Any]:
    return {"R": float(s.q[0] / s.norm[0]), "q": float(s.q[0]), "q_hat": float(s.extra("q_hat")[0])}


def _spinodal(model: Model, fold: Fold, statement: str) -> Estimate:
    return Estimate(
        model=model,
        question="spinodal",
        value=fold.alpha,
        error=fold.error,
        criterion=f"fold of the {'R < 1' if statement == UNBLOCKED else 'R > 0'} branch",
        stable=None,  # the replicon of a Bayes-optimal saddle vanishes at its fold
        order_parameters=_overlaps(fold.solution),
        statement=statement,
    )


SPECIALISING = (  # what R = 0 and R > 0 are called where units see the same inputs
    ("the R > 0 branch", "the specialised branch"),
    ("no student with R > 0 exists", "no specialised state exists"),
    ("such a student", "it"),
    ("a student with R > 0", "the specialised state"),
    ("a student that has learnt", "the specialised state"),
    ("R > 0", "the specialised state"),
    ("R = 0", "the permutation-symmetric state"),
)


def _specialising(found: Transitions) -> Transitions:
    """The same transitions in the words of units that see the same inputs: R is the overlap beyond what all units share."""

    def said(text: str) -> str:
        for ours, theirs in SPECIALISING:
            text = text.replace(ours, theirs)
        return text

    from .committee_answers import CommitteeTransitions

    changes: dict[str, Any] = {"message": said(found.message)}
    for name in ("alpha_it", "spinodal"):
        e = getattr(found, name)
        if e is not None:
            changes[name] = dataclasses.replace(e, criterion=said(e.criterion), statement=said(e.statement))
    told = dataclasses.replace(found, **changes)
    special = None
    if told.alpha_it is not None and told.alpha_it.order_parameters["R"] > 0:
        special = dataclasses.replace(told.alpha_it, question="specialisation")
    return CommitteeTransitions(
        model=told.model,
        alpha_it=told.alpha_it,
        spinodal=told.spinodal,
        specialisation=special,
        status=told.status,
        message=told.message,
    )


def _from_nothing(model: Model, batch: Batch) -> Transitions:
    """Where R = 0 is a solution at every load: what takes over from it, and where it becomes unstable."""
    lost = at_line(model)
    unstable = lost.status == "converged"
    spinodal = None
    if unstable:
        spinodal = dataclasses.replace(
            lost, question="spinodal", stable=None, physical=None, criterion="instability of R = 0", statement=UNLEARNT
        )
    it = None
    if isinstance(model.weights, Discrete):
        zero = zero_overlap(batch, zero=True)
        later_zero = _zero_of_a_student(model, batch, zero) if isinstance(model, Wide) else None
        if later_zero is not None:
            it = later_zero
        elif zero.converged[0]:
            it = Estimate(
                model=model,
                question="alpha_it",
                value=float(zero.alpha[0]),
                error=float(zero.info[0, zero.nu] + 2e-16 * zero.alpha[0]),
                criterion="zero entropy of R = 0",
                stable=bool(zero.extra("replicon")[0] > 0),
                order_parameters={"R": 0.0, "q": 0.0, "q_hat": 0.0},
                statement="First-order transition from R = 0 to perfect learning (information-theoretic threshold).",
            )
    elif not unstable:
        it, spinodal = _equal(model, batch, (0.4 * model.K, 3.0 * model.K) if math.isfinite(model.K) else MANY_UNITS)
    elif isinstance(model, Wide):  # before R = 0 becomes unstable a student may have overtaken it
        first, fold = _equal(model, batch, (EARLIEST * lost.value, (1 - LEFT) * lost.value))
        if first is not None:
            return Transitions(
                model=model,
                alpha_it=first,
                spinodal=fold,
                message=f"R = 0 stays locally stable up to {lost.value:.12g}",
            )
    message = ""
    if not unstable:
        message = "R = 0 stays locally stable at every load: learning is never free of metastability"
        if it is None:
            message += "; the student with R > 0 that takes over from it was not reached"
    elif isinstance(model.weights, Discrete) and (later := _leaving(model, batch, float(lost.value))) is not None:
        message = f"R = 0 becomes unstable at {lost.value:.12g}, where a branch with R > 0 leaves it"
        spinodal = later
    if it is None and not isinstance(model.weights, Discrete) and unstable:
        message = "learning starts continuously where R = 0 becomes unstable: no first-order transition"
    return Transitions(
        model=model,
        alpha_it=it,
        spinodal=spinodal,
        status="converged" if it is not None or unstable else "not-converged",
        message=message,
    )


def _leaving(model: Model, batch: Batch, unstable: float) -> Estimate | None:
    """Fold of the branch that leaves R = 0 continuously where that becomes unstable; None without either."""
    load = unstable * (1 + LEFT)
    point = batch.with_alpha(np.array([load]))
    for logit in np.log(LEFT) + np.arange(0.0, 4.0, 0.5):
        near = newton(point, start(point, float(logit)))
        if near.converged[0] and LEFT**2 < near.q[0] < LEFT**0.5:
            fold = first_fold(batch, near.x[0], load, last=FAR * unstable)
            return None if fold is None else _spinodal(model, fold, UNBLOCKED)
    return None


def _zero_of_a_student(model: Model, batch: Batch, nothing: Solution) -> Estimate | None:
    """Load at which the entropy of a student with R > 0 vanishes, where one has more of it than R = 0 when that vanishes."""
    if not nothing.converged[0]:
        return None
    point = batch.with_alpha(nothing.alpha)
    student = best_student(point)
    if not (student.converged[0] and student.q[0] > OVERLAPPING and student.phi[0] > ROUNDING * 10):
        return None
    near = newton(point, student.x, zero=True)
    if not (near.converged[0] and near.q[0] > OVERLAPPING and near.alpha[0] > nothing.alpha[0]):
        return None
    return Estimate(
        model=model,
        question="alpha_it",
        value=float(near.alpha[0]),
        error=float(near.info[0, near.nu] + 2e-16 * near.alpha[0]),
        criterion="zero entropy of the student with R > 0",
        stable=bool(near.extra("replicon")[0] > 0),
        order_parameters=_overlaps(near),
        statement="First-order transition to perfect learning (information-theoretic threshold).",
    )


def _equal(model: Model, batch: Batch, between: tuple[float, float]) -> tuple[Estimate | None, Estimate | None]:
    """Loads at which a student with R > 0 has the entropy of R = 0, and at which its branch begins."""

    def gain(student: Solution) -> tuple[np.ndarray, np.ndarray]:
        """phi - phi(R = 0) and its slope in alpha, d phi/d alpha at a saddle being its derivative at fixed overlaps."""
        nothing = zero_overlap(student.batch)
        difference = np.where(student.converged, student.phi - nothing.phi, np.nan)
        return difference, student.dphi_dalpha - nothing.dphi_dalpha

    low, high = between

    def students(loads: np.ndarray, rough: bool = False) -> Solution:
        many = batch.take(np.zeros(loads.size, dtype=int)).with_alpha(loads)
        return best_student(many) if isinstance(model, Wide) else learnt(many, rough=rough)

    def followed(student: Solution, load: float) -> Solution:
        """The student at a load close by, or one sought anew where it was lost."""
        near = newton(student.batch.with_alpha(np.array([load])), student.x)
        return near if near.converged[0] and near.q[0] > OVERLAPPING else students(np.array([load]))

    for _ in range(3):  # where the branch begins between two loads, look closer
        loads = (np.geomspace if high > WIDE_RANGE * low else np.linspace)(low, high, LOADS)
        gains = np.empty(0)
        for part in np.array_split(loads, 1 if batch.model.fields == 1 else PARTS):
            gains = np.append(gains, gain(students(part, rough=True))[0])
            above = np.flatnonzero(gains > 0)
            if above.size:
                break
        if not above.size or above[0] == 0:
            return None, None
        low, high = loads[above[0] - 1], loads[above[0]]
        if gains[above[0] - 1] < 0:
            break
    else:
        return None, None
    student, root, before = students(np.array([high])), high, np.inf
    for _ in range(NEWTON_STEPS):
        difference, slope = gain(student)
        step = -float(difference[0] / slope[0])
        if not abs(step) < before:  # also where the student was lost
            break
        root, before = root + step, abs(step)
        student = followed(student, root)
        if before <= NEWTON_ENDS * root:  # the next step is as small as its square
            break
    if not (before < NEWTON_ENDS * root and student.converged[0]):
        return None, None
    difference, slope = gain(student)
    error = float((student.info[0, student.nu + 1] + abs(difference[0])) / abs(slope[0]) + 4e-16 * root)
    it = Estimate(
        model=model,
        question="alpha_it",
        value=root,
        error=error,
        criterion="entropies of R = 0 and R > 0 equal",
        stable=bool(student.extra("replicon")[0] > 0),
        order_parameters=_overlaps(student),
        statement="First-order transition from R = 0 to a student that has learnt.",
    )
    fold = first_fold(batch, student.x[0], root, direction=-1.0)
    return it, None if fold is None else _spinodal(model, fold, LEARNABLE)


def _refined(found: Transitions, digits: int, certified: bool, only: str | None) -> Transitions:
    """Both thresholds to ``digits`` digits."""
    from . import certificates
    from . import digits as precise

    estimate = certificates.estimate if certified else precise.estimate
    changes: dict[str, Any] = {"digits": digits}
    for name, kind in (("alpha_it", "entropy"), ("spinodal", "fold")):
        e = getattr(found, name)
        if only not in (None, name):
            changes[name] = None
        elif e is not None:
            changes[name] = estimate(e, precise.inputs(found.model), digits, found.model, kind)
    thresholds = [e for e in (changes.get("alpha_it"), changes.get("spinodal")) if e is not None]
    missed = [e for e in thresholds if e.value is None]
    if missed:
        changes |= {"status": missed[0].status, "message": missed[0].message}
    changes["certified"] = bool(thresholds) and all(e.certified for e in thresholds)
    return dataclasses.replace(found, **changes)
