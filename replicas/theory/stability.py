r"""Stability of the replica-symmetric saddle against replica symmetry breaking, and the de Almeida-Thouless line.

replicon = 1 - alpha E[f''^2] E[g''^2] > 0: stable. On the line, the breaking point

.. math:: x = \frac12 \frac{E f'''^2/E f''^2 + E g'''^2/(E g''^2)^2}{E f''^3/E f''^2 + E g''^3/(E g''^2)^2}

(slope of the marginality condition along the Parisi flow, d<f''^2>/dq = <f'''^2> - 2x<f''^3> and the same for g) must lie in
(0, 1) for a continuous transition; otherwise a discontinuous one comes first and the line is not physical.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..committees import Committee
from ..models import Discrete, Model, Perceptron, Spherical
from ..numerics.saddle import Batch, Solution, first_crossing, follow, has_zero_overlap, make_batch, zero_overlap
from ..results import Estimate, Result, verdict
from ..stochastic import StochasticPerceptron, check_no_norm
from ..wide import Wide
from .ansatz import asked_digits, check_ansatz, check_digits, of_one_unit, units_refused
from .branches import thermodynamic
from .capacity import default_criterion, threshold
from .columns import result

ABOVE_CAPACITY = "above the capacity: no typical solutions there"
STABLE = "the replica-symmetric saddle is stable at every load where it exists"
STABLE_ZERO = "the replica-symmetric saddle q = 0 is stable at every load"
OPTIMAL = ": replicas of a Bayes-optimal student can not break their symmetry"
BREAKS = "Instability of the replica-symmetric saddle towards replica symmetry breaking."
UNLEARNT = "Instability of R = 0, where nothing is learnt: learning starts. The symmetry of the replicas does not break."
JUST_BELOW = 1e-3  # relative distance below an instability at which other states are looked for
FARTHEST = 1e6  # times the last load scanned, up to which the end of a branch is sought
JUMP = 1e-6  # replicon at a crossing beyond which it was none: the solver went over to another branch
SPAN = 4.0  # capacities of a discrete set up to which an instability beyond capacity is sought
NEAREST = 1e-7  # relative distance from the spherical capacity up to which it is sought
GRID = 40  # loads scanned for the sign change
HOTTEST = 1e4  # largest load scanned at finite temperature


@dataclass(frozen=True, eq=False, kw_only=True)
class Stability(Result):
    """Replicon eigenvalue at a load: the replica-symmetric saddle is stable where it is positive."""

    quantity: ClassVar[str] = "stability"
    inputs: ClassVar[tuple[str, ...]] = ("alpha", "kappa", "beta")
    computed: ClassVar[tuple[str, ...]] = ("replicon",)
    headline: ClassVar[str] = "replicon"

    alpha: Any
    kappa: Any = None
    beta: Any = None
    replicon: Any = None
    stable: Any = None
    branch: Any = None


@of_one_unit
def stability(
    model: Model, alpha: Any, ansatz: str = "rs", *, kappa: Any = None, beta: Any = None, q_star: Any = None
) -> Stability:
    """Replicon of the thermodynamic saddle at load(s) alpha; raises and answers like `solve`."""
    check_ansatz(ansatz)
    if isinstance(model, StochasticPerceptron):
        from . import stochastic

        return stochastic.stability(model, alpha, ansatz, kappa=kappa, beta=beta, q_star=q_star)
    check_no_norm(model, q_star)
    if isinstance(model, Committee):
        from . import committee_answers

        return committee_answers.stability(model, alpha, ansatz, kappa, beta)
    batch = make_batch(model, alpha, kappa, beta)
    point = result(batch, thermodynamic(batch))
    error = point.errors["replicon"]
    return Stability(
        model=model,
        alpha=point.alpha,
        kappa=point.kappa,
        beta=point.beta,
        replicon=point.replicon,
        stable=point.stable,
        branch=point.branch,
        error=error,
        errors={"replicon": error},
        status=point.status,
        message=point.message,
    )


@of_one_unit
def at_line(
    model: Model,
    ansatz: str = "rs",
    digits: int | None = None,
    certified: bool = False,
    *,
    kappa: Any = None,
    beta: Any = None,
) -> Estimate:
    """Load at which the replica-symmetric saddle becomes unstable (de Almeida-Thouless).

    Parameters
    ----------
    model : any model; kappa, beta : override the model's own, arrays allowed.
    digits : None for double precision, or how many digits (1 to 10,000).
    certified : prove a ball that holds the exact value (python-flint; 15 digits unless ``digits`` says otherwise).

    Returns
    -------
    Estimate; ``physical`` says whether the instability is met before the capacity (or before the entropy of a finite set
    vanishes) and is continuous (breaking point in (0, 1), and no other states that take over before). Status ``no-solution`` where the saddle stays stable.
    """
    check_ansatz(ansatz)
    if isinstance(model, Committee):
        raise ValueError(f"model: got {model.describe()}; the load of an instability is in transitions, at-line takes another model")
    wanted = check_digits(digits, certified)
    if wanted is not None:
        from . import digits as precise

        if not isinstance(model, Perceptron):
            raise units_refused(*asked_digits(wanted, certified), "an average over its fields on a grid")
        double = at_line(model, ansatz, kappa=kappa, beta=beta)
        given = precise.inputs(model, kappa=kappa, beta=beta)
        if certified:
            from . import certificates

            return certificates.estimate(double, given, wanted, model, "replicon")  # type: ignore[no-any-return]
        return precise.estimate(double, given, wanted, model, "replicon")  # type: ignore[no-any-return]
    batch = make_batch(model, 1.0, kappa, beta)
    size = batch.size
    value, error = np.full(size, np.nan), np.full(size, np.nan)
    physical, q, q_hat, x = (
        np.zeros(size, dtype=bool),
        np.full(size, np.nan),
        np.full(size, np.nan),
        np.full(size, np.nan),
    )
    message, lost = np.full(size, "", dtype=object), np.zeros(size, dtype=bool)
    norm = np.full(size, np.nan)
    lam = np.full(size, np.nan)
    for i in range(size):
        if not isinstance(model, Perceptron) and model.teacher and not has_zero_overlap(model):
            message[i] = STABLE + OPTIMAL
            continue
        point = batch.take(np.array([i]))
        limit = _limit(point)
        try:
            loads = _loads(point, limit)
            found = first_crossing(point, loads, replicon)
            if found is None and np.isfinite(limit) and not isinstance(model.weights, Spherical) and not has_zero_overlap(model):
                rest = _to_the_end(point, float(loads[-1]))
                found = first_crossing(point, rest, replicon) if rest.size else None
            if found is not None and not abs(replicon(found[2])[0]) < JUMP:
                raise ArithmeticError(f"the branch was lost near load {found[0]:.6g}, where another solution took its place")
        except ArithmeticError as reason:
            lost[i], message[i] = True, str(reason)
            continue
        if found is None:
            message[i] = STABLE_ZERO if has_zero_overlap(model) else STABLE
            continue
        value[i], error[i], s = found
        zero = has_zero_overlap(model)
        q[i], q_hat[i] = (0.0, 0.0) if zero else (s.q[0], s.extra("q_hat")[0])
        norm[i], lam[i] = s.norm[0], s.extra("lam")[0]
        if isinstance(model, Perceptron):
            x[i] = s.extra("breaking_rise")[0] / (2 * s.extra("breaking_fall")[0])
        positive_entropy = isinstance(model.weights, Spherical) or s.entropy[0] >= 0
        before = value[i] < limit
        continuous = not isinstance(model, Perceptron) or 0 <= x[i] < 1  # of several units the breaking point is not computed
        physical[i] = before and positive_entropy and continuous
        second = _second_overlap(point, float(value[i])) if before and isinstance(model, Wide) and not model.teacher else None
        earlier = _condensed_before(point, float(value[i])) if physical[i] and isinstance(model, Perceptron) and zero else None
        if earlier is not None:
            physical[i] = False
            message[i] = f"a discontinuous transition comes first, at alpha = {earlier:.6g}"
        elif second is not None:
            physical[i] = False
            message[i] = f"states with overlap q1 = {second:.4g} exist at m = 1: a discontinuous transition comes first"
        elif not before:
            message[i] = ABOVE_CAPACITY
        elif not positive_entropy:
            message[i] = "the entropy is negative there: the system freezes before"
        elif not continuous:
            message[i] = f"breaking point x = {x[i]:.4g} outside (0, 1): a discontinuous transition comes first"
    ok = np.isfinite(value)
    order = {"q": batch.out(q), "q_hat": batch.out(q_hat)}
    if isinstance(model, Perceptron):
        order["breaking_point"] = batch.out(x)
    if isinstance(model.weights, Discrete) and model.weights.fixed_norm is None and not model.teacher:
        order |= {"Q": batch.out(norm), "lam": batch.out(lam)}
    return Estimate(
        model=model,
        question="at-line",
        value=batch.out(value),
        error=batch.out(error),
        errors={"value": batch.out(error)},
        criterion="replicon = 0",
        order_parameters=order,
        physical=batch.out(verdict(ok, physical)),
        stable=None,
        statement=UNLEARNT if model.teacher else BREAKS,
        kappa=batch.out(batch.kappa) if model.margin else None,
        beta=None if batch.beta is None else batch.out(batch.beta),
        status=batch.out(np.where(ok, "converged", np.where(lost, "not-converged", "no-solution")).astype(object)),
        message=batch.out(message),
    )


def _second_overlap(point: Batch, load: float) -> float | None:
    """Overlap inside states that exist beside the symmetric saddle just below a load, at m = 1; None without them."""
    from .broken import second_overlaps

    below = point.with_alpha(np.array([load * (1 - JUST_BELOW)]))
    found = thermodynamic(below)
    if found.status[0] != "converged":
        return None
    states = second_overlaps(below, point.model.norm, float(found.number["q"][0]))  # type: ignore[attr-defined]
    return states[-1] if states else None


def _condensed_before(point: Batch, load: float) -> float | None:
    """Load below this one at which other states take over discontinuously; of an even likelihood the breaking point, at q = 0, knows nothing of them."""
    from .discontinuous import transitions_at_one

    kappa = float(point.kappa[0]) if point.model.margin else None  # a likelihood of one's own has none
    first = transitions_at_one(point.model, kappa, load * (1 - JUST_BELOW))
    return first[1].alpha if first is not None and first[1].alpha < load else None


def _limit(point: Batch) -> float:
    """Capacity of the hard problem, inf where there is none."""
    if not point.model.hard or point.model.teacher:
        return np.inf
    if not isinstance(point.model.weights, Spherical) and point.model.weights.probabilities is not None:
        return np.inf
    flat = threshold(point, default_criterion(point.model))
    return float(flat["value"][0]) if np.isfinite(flat["value"][0]) else np.inf


def replicon(saddle: Solution) -> np.ndarray:
    """Negative where replica symmetry is unstable."""
    return saddle.extra("replicon")


def _to_the_end(point: Batch, start: float) -> np.ndarray:
    """Loads from there to where the branch of a finite set ends in a fold; none if it has ended already."""

    def exists(load: float) -> bool:
        return bool(follow(point.with_alpha(np.array([load]))).converged[0])

    low, high = start, start
    while exists(high):
        low, high = high, 2 * high
        if high > FARTHEST * start:
            raise ArithmeticError(f"no end of the branch was found up to load {low:.6g}")
    if high == start:
        return np.empty(0)
    while high - low > NEAREST * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if exists(middle) else (low, middle)
    return np.unique(np.concatenate([np.geomspace(start, low, GRID), low * (1 - np.geomspace(0.01, NEAREST, 12))]))


def _loads(point: Batch, limit: float) -> np.ndarray:
    """Loads scanned for the instability: up to where the RS branch ends (q -> 1), or far out if it does not."""
    end = np.inf
    if np.isfinite(limit) and not has_zero_overlap(point.model):
        end = float(np.nan_to_num(threshold(point, "q-to-1")["value"][0], nan=np.inf, posinf=np.inf))
    if np.isfinite(end):
        top = end * (1 - NEAREST)
        return np.unique(top * np.concatenate([np.linspace(0.02, 1.0, GRID), 1 - np.geomspace(0.01, NEAREST, 12)]))
    if np.isfinite(limit) and not has_zero_overlap(point.model):
        return SPAN * limit * np.linspace(0.02, 1.0, GRID)
    top = HOTTEST
    if has_zero_overlap(point.model):  # a saddle at every load, whose replicon falls in proportion
        fall = 1 - float(replicon(zero_overlap(point.with_alpha(np.array([HOTTEST]))))[0])
        top = max(HOTTEST, 2 * HOTTEST / fall) if fall > 0 else HOTTEST
    return np.geomspace(2e-2, top, 2 * GRID)
