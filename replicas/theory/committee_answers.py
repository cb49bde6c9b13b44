"""Questions about fully connected committees of a few units, answered from `committee`, in the shape in which they were asked.

Branches: "permutation-symmetric", "specialised" and, for weights from a finite set, "perfect". The thermodynamic one has
the largest free entropy. K! relabellings of the units of a specialised state are states of the same free entropy: they
add log(K!)/N to the entropy of N weights, which vanishes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..committees import Committee
from ..models import Discrete
from ..numerics.saddle import check_alpha
from ..progress import progress_bar
from ..results import Curve, Estimate, SaddlePoint
from . import committee, committee_errors, committee_state, committee_transitions
from .ansatz import asked_digits, check_ansatz, units_refused
from .generalization import LearningCurve
from .stability import Stability
from .transitions import Transitions

OPEN = (
    "the storage capacity of a fully connected committee of few units is open: its symmetric theory is unstable and no "
    "broken one is established. As K -> infinity it grows without bound (--K inf)"
)
BRANCHES = committee.BRANCHES
SAME = 1e-14  # free entropies closer than this are one
NEARLY, CLEARLY = 0.05, 0.01  # residual under which the free entropy is known to a square of it, and by how much it must then be smaller
CHOSEN = (None, "all", *BRANCHES)


@dataclass(frozen=True, eq=False, kw_only=True)
class MatrixPoint(SaddlePoint):
    """A saddle point with a matrix of overlaps: q of a unit with itself, q_cross of two different units, and conjugates.

    replicon is 1 less the largest eigenvalue of the Jacobian of state evolution over all symmetric matrices.
    """

    computed: ClassVar[tuple[str, ...]] = (
        "q", "q_cross", "q_hat", "q_hat_cross", "Q", "free_entropy", "entropy", "replicon", "residual",
    )  # fmt: skip

    q_cross: Any = None
    q_hat_cross: Any = None

    @property
    def overlap_matrix(self) -> np.ndarray:
        """The K x K matrix of overlaps of one point."""
        K = int(self.model.K)
        return np.asarray((self.q - self.q_cross) * np.eye(K) + self.q_cross * np.ones((K, K)))


@dataclass(frozen=True, eq=False, kw_only=True)
class MatrixCurve(MatrixPoint, Curve):
    """Saddle points along an array of loads: the attributes of `MatrixPoint`, as arrays of one shape."""

    one: ClassVar[type] = MatrixPoint


@dataclass(frozen=True, eq=False, kw_only=True)
class CommitteeCurve(LearningCurve):
    """Learning curve with the overlap R_cross of different units."""

    R_cross: Any = None

    @property
    def computed(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("R", "R_cross", "eps_gibbs", "eps_bayes", "entropy")


@dataclass(frozen=True)
class Row:
    """One branch at one load."""

    where: int
    found: committee.CommitteePoint
    dominant: bool


def branches_of(model: Committee) -> tuple[str, ...]:
    """The branches that a committee can have."""
    finite = isinstance(model.weights, Discrete)
    return BRANCHES if finite else BRANCHES[:2]


def rows(model: Committee, alpha: Any, branch: str | None) -> tuple[np.ndarray, list[Row]]:
    """Loads, and the points asked for: one a load, or every branch found at each (``all``)."""
    if branch not in CHOSEN:
        raise ValueError(f"branch: got {branch!r}; takes None, 'all', {', '.join(map(repr, branches_of(model)))}")
    if branch == committee.PERFECT and not isinstance(model.weights, Discrete):
        raise ValueError("branch: got 'perfect'; takes it only for a finite weight set")
    loads = check_alpha(alpha)
    asked = (branch,) if branch in BRANCHES else branches_of(model)
    out: list[Row] = []
    with progress_bar(loads.size * len(asked), "committee") as bar:
        last: dict[str, committee.CommitteePoint] = {}
        at: list[dict[str, committee.CommitteePoint]] = [{} for _ in range(loads.size)]
        for i in np.argsort(loads, axis=None, kind="stable"):
            for name in asked:
                at[i][name] = last[name] = _point(model, float(loads.flat[i]), name, last.get(name))
                bar.update()
    for i, found in enumerate(at):
        known = [p for p in found.values() if p.status == "converged"]
        best = max((p.free_entropy for p in known), default=np.nan)
        lost = [p for p in found.values() if not _below(p, best) and p.status == "not-converged"]
        if branch == "all":
            out += [Row(i, p, not lost and p.free_entropy >= best - SAME) for p in [*known, *lost] or list(found.values())[:1]]
        elif branch is not None:
            out.append(Row(i, found[branch], _dominates(model, found[branch])))
        elif lost or not known:
            out.append(Row(i, lost[0] if lost else found[asked[0]], False))
        else:
            out.append(Row(i, max(known, key=lambda p: p.free_entropy), True))
    return loads, out


def _dominates(model: Committee, found: committee.CommitteePoint) -> bool:
    """Whether no other branch has a larger free entropy at its load; not where one of them was lost."""
    if found.status != "converged" or found.alpha == 0:
        return found.status == "converged"
    others = [_point(model, found.alpha, name, None) for name in branches_of(model) if name != found.branch]
    return all(_below(p, found.free_entropy) for p in others)


def _below(rival: committee.CommitteePoint, best: float) -> bool:
    """Whether a branch does not dominate over ``best``: not there, or of smaller free entropy, which is stationary near a saddle."""
    if rival.status == "converged":
        return bool(rival.free_entropy <= best + SAME)
    near = rival.residual < NEARLY and rival.free_entropy + CLEARLY * (1 + abs(rival.free_entropy)) < best
    return bool(near) or rival.status != "not-converged"


def _point(
    model: Committee, alpha: float, branch: str, before: committee.CommitteePoint | None
) -> committee.CommitteePoint:
    """One branch at one load; a start that fails is replaced by the neighbour at a smaller load."""
    Q = committee_state.self_overlap(model)
    if alpha == 0:
        w = model.weights
        entropy = float(np.log(len(w.values))) if isinstance(w, Discrete) else 0.0
        if branch != committee.SYMMETRIC:
            return committee.CommitteePoint(branch, 0.0, "no-solution")
        return committee.CommitteePoint(branch, 0.0, "converged", 0.0, 0.0, 0.0, 0.0, entropy, 0.0, 0.0, True, np.nan, (Q, Q))
    found = committee.saddle(model, alpha, branch)
    if found.status == "converged" or before is None or before.status != "converged" or not before.q_hat > 0:
        return found
    hat = np.array([before.q_hat + (model.K - 1) * before.q_hat_cross, before.q_hat - before.q_hat_cross])
    again = committee.saddle(model, alpha, branch, start=hat if branch == committee.SPECIALISED else hat * [1.0, 0.0])
    return again if again.status == "converged" else found


MESSAGES = {
    "branch-ended": "the specialised branch has merged with the permutation-symmetric one at this load",
    "no-solution": "no student short of the teacher on this branch at this load",
    "not-converged": "no start reached a residual of the saddle-point equations that counts as solved",
}


def solve(
    model: Committee,
    alpha: Any,
    ansatz: str,
    branch: str | None,
    digits: Any,
    kappa: Any,
    beta: Any,
    certified: Any = False,
) -> SaddlePoint:
    """`replicas.solve`."""
    _refuse(ansatz, digits, kappa, beta, certified)
    if not model.teacher:
        return MatrixPoint(model=model, alpha=alpha, status="unsupported", message=OPEN)
    loads, found = rows(model, alpha, branch)
    shape = loads.shape if branch != "all" else (len(found),)
    Q = committee_state.self_overlap(model)
    points = [r.found for r in found]

    def out(values: Any) -> Any:
        array = np.asarray(values)
        return array.reshape(shape) if shape else array.reshape(-1)[0].item() if array.dtype != object else array[0]

    answered = np.array([p.status == "converged" for p in points])
    numbers = {n: out([getattr(p, n) for p in points]) for n in ("q", "q_cross", "q_hat", "q_hat_cross", "residual")}
    phi = out([p.free_entropy for p in points])
    errors = {n: out([p.errors.get(n, 0.0) for p in points]) for n in ("q", "q_cross", "q_hat", "q_hat_cross")}
    d_phi = out([p.errors.get("free_entropy", 0.0) for p in points])
    d_replicon = out([p.errors.get("largest", 0.0) for p in points])
    kind = MatrixCurve if shape else MatrixPoint
    verdicts = [p.stable if a else None for p, a in zip(points, answered, strict=True)]
    negative = [isinstance(model.weights, Discrete) and a and p.free_entropy < 0 for p, a in zip(points, answered)]
    status = ["unphysical" if n else p.status for p, n in zip(points, negative, strict=True)]
    text = [NEGATIVE if n else MESSAGES.get(p.status, "") for p, n in zip(points, negative, strict=True)]
    return kind(
        model=model,
        alpha=out([p.alpha for p in points]),
        **numbers,
        Q=None if Q == 1.0 else out(np.full(len(points), Q)),
        free_entropy=phi,
        entropy=phi,
        replicon=out([1.0 - p.largest for p in points]),
        stable=out(np.array(verdicts, dtype=object)),
        branch=out(np.array([p.branch for p in points], dtype=object)),
        dominant=out(np.array([r.dominant for r in found])),
        error=d_phi,
        errors={**errors, "free_entropy": d_phi, "entropy": d_phi, "replicon": d_replicon},
        status=out(np.array(status, dtype=object)),
        message=out(np.array(text, dtype=object)),
    )


NEGATIVE = "negative entropy: perfect learning has taken over"


def generalization(model: Committee, alpha: Any, rule: str, digits: Any, branch: str | None) -> LearningCurve:
    """`replicas.generalization`."""
    if rule != "gibbs-bayes":
        raise units_refused("rule", rule, "rules for one layer")
    _refuse("rs", digits, None, None)
    loads, found = rows(model, alpha, branch)
    shape = loads.shape if branch != "all" else (len(found),)
    errors = list(_errors(model, found))

    def out(values: Any) -> Any:
        array = np.asarray(values)
        return array.reshape(shape) if shape else array.reshape(-1)[0].item() if array.dtype != object else array[0]

    names = {"R": "R", "R_cross": "R_cross", "eps_gibbs": "gibbs", "eps_bayes": "bayes"}
    columns = {ours: out([getattr(e, theirs) for e in errors]) for ours, theirs in names.items()}
    bounds = {ours: out([e.errors.get(theirs, 0.0) for e in errors]) for ours, theirs in names.items()}
    status = [r.found.status for r in found]
    return CommitteeCurve(
        model=model,
        alpha=out([r.found.alpha for r in found]),
        **columns,
        entropy=out([r.found.free_entropy for r in found]),
        branch=out(np.array([r.found.branch for r in found], dtype=object)),
        dominant=out(np.array([r.dominant for r in found])),
        stable=out(np.array([r.found.stable for r in found])),
        error=bounds["R"],
        errors={**bounds, "entropy": out([r.found.errors.get("free_entropy", 0.0) for r in found])},
        status=out(np.array(status, dtype=object)),
        message=out(np.array([MESSAGES.get(s, "") for s in status], dtype=object)),
    )


def _errors(model: Committee, found: list[Row]) -> Iterator[committee_errors.CommitteeErrors]:
    """Errors on fresh patterns of every point; knowing nothing, every label is guessed by its frequency."""
    for row in found:
        p = row.found
        if p.alpha == 0 and p.status == "converged":
            gibbs, bayes = chance(model)
            yield committee_errors.CommitteeErrors(p.branch, 0.0, p.status, 0.0, 0.0, gibbs, bayes, {})
        else:
            yield committee_errors.generalization(model, p.alpha, p.branch, p)


def chance(model: Committee) -> tuple[float, float]:
    """Gibbs and Bayes errors of a student that knows nothing: 1 - sum_y p_y^2 and 1 - max_y p_y, p_y of independent signs."""
    from math import comb

    K = model.K
    tied = comb(K, K // 2) / 2**K if K % 2 == 0 else 0.0
    p = (tied, (1 - tied) / 2, (1 - tied) / 2)
    return 1 - sum(x * x for x in p), 1 - max(p)


def stability(model: Committee, alpha: Any, ansatz: str, kappa: Any, beta: Any) -> Stability:
    """`replicas.stability`."""
    point = solve(model, alpha, ansatz, None, None, kappa, beta)
    return Stability(
        model=model,
        alpha=point.alpha,
        replicon=point.replicon,
        stable=point.stable,
        branch=point.branch,
        error=point.errors.get("replicon"),
        errors={"replicon": point.errors.get("replicon")},
        status=point.status,
        message=point.message,
    )


def capacity(model: Committee, ansatz: str) -> Estimate:
    """`replicas.capacity`: open for storage, without meaning with a teacher."""
    from ..cli.support import ANSATZES

    check_ansatz(ansatz, ANSATZES)
    message = "a teacher-student problem always has a solution: see transitions" if model.teacher else OPEN
    return Estimate(model=model, question="capacity", status="unsupported", message=message)


@dataclass(frozen=True, eq=False, kw_only=True)
class CommitteeTransitions(Transitions):
    """Thresholds of a committee that learns.

    specialisation : where a specialised state of imperfect students takes over from the permutation-symmetric one, None if
    none does;  instability : where the permutation-symmetric state becomes unstable
    """

    named: ClassVar[tuple[str, ...]] = ("alpha_it", "spinodal", "specialisation", "instability")

    specialisation: Estimate | None = None
    instability: Estimate | None = None


def transitions(model: Committee, ansatz: str, digits: Any, certified: Any = False) -> Transitions:
    """`replicas.transitions`."""
    _refuse(ansatz, digits, None, None, certified)
    if not model.teacher:
        return CommitteeTransitions(
            model=model,
            status="unsupported",
            message="storage has a capacity, not a learning transition; task teacher-student",
        )
    found = committee_transitions.transitions(model)

    def first(kind: str, **wanted: str) -> committee_transitions.CommitteeTransition | None:
        same = (t for t in found if t.kind == kind and all(getattr(t, k) == v for k, v in wanted.items()))
        return next(same, None)

    unstable, equal, perfect = first("specialisation"), first("coexistence"), first("perfect")
    fold = first("spinodal", branch=committee.SPECIALISED, side="below" if perfect else "above")
    learnt, learnt_text = (perfect, PERFECT) if perfect else (equal, FIRST_ORDER)
    downwards = unstable is not None and unstable.order == "discontinuous"
    special = equal or (None if downwards else unstable)
    text = UNSTABLE if special is unstable else FIRST_ORDER
    if special and perfect and special.alpha > perfect.alpha:
        text += BEYOND
    blocked = fold or (unstable if perfect or equal else None)
    end = ENDS if fold and perfect else BEGINS if fold else UNSTABLE
    return CommitteeTransitions(
        model=model,
        alpha_it=_estimate(model, "alpha_it", learnt, learnt_text),
        spinodal=_estimate(model, "spinodal", blocked, end),
        specialisation=_estimate(model, "specialisation", special, text),
        instability=_estimate(model, "instability", unstable, DOWNWARDS if downwards else UNSTABLE),
        message="" if learnt else "units specialise continuously: no first-order transition",
    )


PERFECT = "First-order transition to perfect learning: the entropy of imperfect students vanishes."
FIRST_ORDER = "First-order transition: the specialised and the permutation-symmetric state have the same free entropy."
UNSTABLE = "The permutation-symmetric state becomes unstable towards specialisation of the units."
DOWNWARDS = UNSTABLE + " The branch that leaves it leads to smaller loads: the transition is discontinuous."
BEYOND = " Perfect learning dominates there already: the state is metastable."
ENDS = "Above it no imperfect state is left: learning stops being blocked by metastability."
BEGINS = "Below it no specialised state exists; from it up to the first-order transition it is metastable."
CRITERIA = {
    "perfect": "zero entropy of imperfect students",
    "coexistence": "free entropies of the specialised and the permutation-symmetric state equal",
    "spinodal": "fold of the specialised branch",
    "specialisation": "instability of the permutation-symmetric state",
}


def _estimate(
    model: Committee, question: str, t: committee_transitions.CommitteeTransition | None, statement: str
) -> Estimate | None:
    if t is None:
        return None
    Q = committee_state.self_overlap(model)
    return Estimate(
        model=model,
        question=question,
        value=t.alpha,
        error=t.error,
        errors={"value": t.error},
        criterion=CRITERIA[t.kind],
        order_parameters={"R": t.q / Q, "q": t.q, "q_cross": t.q_cross},
        statement=f"{statement} P/N = {t.patterns:.10g}.",
    )


def _refuse(ansatz: str, digits: Any, kappa: Any, beta: Any, certified: Any = False) -> None:
    """What a committee can not be asked for."""
    check_ansatz(ansatz)
    if digits is not None:
        raise units_refused(*asked_digits(digits, certified), "an average over its fields on a grid")
    for name, value in (("kappa", kappa), ("beta", beta)):
        if value is not None:
            raise ValueError(f"{name}: got {value!r} with a committee; takes None (its units have no margin and no noise)")
