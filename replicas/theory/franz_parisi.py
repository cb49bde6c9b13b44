r"""The Franz-Parisi entropy: how many solutions lie at a distance from a reference configuration.

.. math:: S_{FP}(d) = \frac1N\,\overline{\Big\langle \log\sum_W \delta\big(d(W, \tilde W) - d\big)
    \prod_\mu\Theta(W\cdot\xi^\mu/\sqrt N)\Big\rangle_{\tilde W}}

around a typical solution (with its own margin), the sign of a typical solution of the sphere, or the sign of a state of the
stochastic perceptron; spherical W around spherical references with overlap 1 - 2d. Curves are continued from the typical
distance to both sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import interrupts
from ..local_results import FranzParisi
from ..models import Model, Perceptron, Spherical, finite
from ..numerics.coupled import Reference
from ..numerics.franz_parisi import Binary, Ended, Root, Span, Sphere, follow, root
from ..numerics.saddle import check_alpha, check_model, numbers
from ..results import Estimate
from .ansatz import of_one_unit
from .near_reference import Expansion, Near, continued
from .references import REFERENCES, NoReference, likelihood, own_model, stochastic, typical
from .saddle import solve

AVERAGES = ("quenched", "first-moment", "jensen")
BESIDE = (0.1, 0.04, 0.15, 0.02)  # deviation of p from the typical overlap where a curve is entered, of the room there is
NEAR = 1e-4  # deviation from the typical distance within which the curve is expanded about it
AWAY = 1e-3  # deviation of the roots that the expansion is taken from
LOADS = (1.0, 0.5, 0.2, 0.05, 0.01)  # of the constrained weights, as shares of theirs, from which a first saddle is continued
ENTERED = (0.25, 0.35, 0.15, 0.45, 0.08)  # distances from which other references are tried
CONES = (0.6, 0.8, 0.4, 0.95)  # guesses of b, of its largest value
EMPTY = "no solutions at this distance from a typical reference: the entropy is negative"
ENDED = "the replica-symmetric branch has ended or could not be followed; the last distance reached was {:.6g}"


@dataclass
class Rows:
    """The answers of a curve, one entry a point."""

    number: dict[str, np.ndarray]
    error: dict[str, np.ndarray]
    status: np.ndarray
    message: np.ndarray
    stable: np.ndarray  # the reference's measure, None where it was not solved


NUMBERS = ("entropy", "slope", "q", "t", "p", "weight_error", "residual")


@of_one_unit
def franz_parisi(
    model: Model,
    alpha: Any = None,
    distance: Any = None,
    reference: str = "typical",
    *,
    kappa: Any = None,
    reference_kappa: Any = None,
    q_star: Any = None,
    beta: Any = None,
    average: str = "quenched",
    progress: Callable[[str, int, int], None] | None = None,
) -> FranzParisi:
    """Entropy of the solutions at Hamming distance d N from a reference configuration, replica symmetric.

    Parameters
    ----------
    model : a perceptron with binary (or spherical) weights that stores patterns; the weights that are counted are its solutions.
    alpha : load(s) >= 0.
    distance : Hamming distance(s) d per weight in [0, 1]; for spherical weights the overlap is 1 - 2d.
    reference : "typical" (a typical solution of the same weights), "spherical" (the sign of one of the sphere),
        "stochastic" (the sign of a state of the stochastic perceptron with ``q_star`` and ``beta``).
    kappa : margin(s), or half-widths, in place of the model's own.
    reference_kappa : margin(s) of the reference (default: that of the model).
    q_star, beta : self-overlap(s) in (0, 1) and inverse temperature(s) >= 0 of the stochastic perceptron, for that reference alone
        (configurations that count errors at a price are those of a model with its own beta).
    average : "quenched", or for the symmetric binary perceptron the upper bounds "first-moment" and "jensen" (conditioned on the margins).

    Returns
    -------
    FranzParisi : entropy per weight, slope = d entropy/d distance, q, t, p, with errors, status and residual. A negative entropy
        has the status "unphysical": no solutions there. Numbers may be arrays, which broadcast.

    Raises
    ------
    ValueError : naming the argument, what it got and what it takes.
    """
    several = Swept.of(model, alpha, distance, kappa=kappa, reference_kappa=reference_kappa, q_star=q_star, beta=beta)
    rows = _blank(several.distance.size)
    for group in several.groups():
        check(group.model, reference, group.reference_kappa, group.q_star, group.beta, average)
    for group in several.groups():
        curve = Curve(group.model, group.alpha, reference, group.reference_kappa, group.q_star, group.beta)
        if average == "quenched":
            curve.fill(rows, group.at, several.distance[group.at], progress)
        else:
            _bound(curve, average, rows, group.at, several.distance[group.at])
    return _result(several, rows, reference, average)


@of_one_unit
def isolation(
    model: Model,
    alpha: Any,
    reference: str = "typical",
    *,
    reference_kappa: Any = None,
    q_star: Any = None,
    beta: Any = None,
) -> Estimate:
    """Smallest distance at which solutions lie around a reference: the zero of the Franz-Parisi entropy.

    Below it the entropy is negative: the reference is isolated. Arguments as of `franz_parisi`; alpha is one load > 0.

    Raises
    ------
    ValueError : naming the argument, what it got and what it takes.
    """
    check(model, reference, reference_kappa, q_star, beta, "quenched")
    if isinstance(model.weights, Spherical):
        raise ValueError("weights: got spherical, whose entropy is relative to the sphere's and has no meaning at zero; takes binary")
    if model.beta is not None:
        raise ValueError(f"beta: got a model with beta {model.beta:g}, whose configurations are weighted; takes hard constraints (None)")
    load = finite("alpha", alpha, "one number > 0")
    if load <= 0:
        raise ValueError(f"alpha: got {alpha!r}; takes one number > 0")
    curve = Curve(model, load, reference, reference_kappa, q_star, beta)
    found = curve.zero()
    at = found.at.state if found.at is not None else None
    return Estimate(
        model=model,
        question="isolation",
        alpha=load,
        kappa=model.kappa if model.margin else None,
        criterion="zero-entropy",
        value=found.value,
        error=found.error,
        order_parameters={} if at is None else {"q": at.q, "t": at.t, "p": at.p, "slope": 2 * at.multiplier},
        status=found.status,
        message=found.message,
        statement="" if found.value is None else ISOLATED,
    )


def check(model: Any, reference: Any, reference_kappa: Any, q_star: Any, beta: Any, average: Any) -> None:
    """Refuse in one line what has no answer."""
    check_model(model)
    if not isinstance(model, Perceptron):
        raise ValueError(f"model: got a {model.to_dict()['name']}; takes a perceptron (around references of one field)")
    if model.teacher:
        raise ValueError("task: got teacher-student; takes storage")
    sphere = isinstance(model.weights, Spherical)
    if not sphere and model.weights.name != "binary":
        raise ValueError(f"weights: got {model.weights.name}; takes binary or spherical")
    if isinstance(model.kappa, tuple) or isinstance(model.beta, tuple):
        raise ValueError("kappa, beta: got several; takes one of each")
    if reference not in REFERENCES:
        raise ValueError(f"reference: got {reference!r}; takes {', '.join(REFERENCES)}")
    if average not in AVERAGES:
        raise ValueError(f"average: got {average!r}; takes {', '.join(AVERAGES)}")
    if sphere and reference == "stochastic":
        raise ValueError("reference: got 'stochastic' for spherical weights; takes typical")
    if reference == "stochastic":
        for name, value in (("q_star", q_star), ("beta", beta)):
            if value is None:
                raise ValueError(f"{name}: missing; reference stochastic takes q_star and beta")
        from ..stochastic import StochasticPerceptron

        StochasticPerceptron(q_star=finite("q_star", q_star, "one number in (0, 1)"), beta=finite("beta", beta, "one number >= 0"))
        if reference_kappa is not None:
            raise ValueError("reference_kappa: got a value for the stochastic perceptron; takes None")
        return
    if q_star is not None or beta is not None:
        raise ValueError(f"q_star, beta: got values for reference {reference!r}; takes them for reference stochastic")
    if reference_kappa is not None:
        finite("reference_kappa", reference_kappa, "one finite number")
        own_model(model, reference, float(reference_kappa))
    if average != "quenched" and not (
        model.likelihood == "window" and model.beta is None and reference == "typical" and not sphere and reference_kappa in (None, model.kappa)
    ):
        raise ValueError(f"average: got {average!r}; takes quenched (bounds are known for binary weights in a window around their own solutions)")


class Curve:
    """The entropy around one reference at one load."""

    def __init__(self, model: Any, alpha: float, kind: str, reference_kappa: Any, q_star: Any, beta: Any):
        self.model, self.alpha, self.kind = model, alpha, kind
        self.sphere = isinstance(model.weights, Spherical)
        self.own = None if kind == "stochastic" else own_model(model, kind, reference_kappa)
        self.same = self.own == model
        self.given = q_star, beta

    def reference(self) -> tuple[Reference, float]:
        """The reference's measure, and its entropy where it is the model's own."""
        if self.own is None:
            return stochastic(self.alpha, *map(float, self.given)), math.nan
        return typical(self.own, self.alpha)

    def system(self, reference: Reference, alpha: float) -> Binary:
        leaf, kinks = likelihood(self.model, self.alpha)
        return (Sphere if self.sphere else Binary)(alpha, reference, leaf, kinks)

    def fill(self, rows: Rows, at: np.ndarray, places: np.ndarray, progress: Any) -> None:
        """The points ``at`` of the rows, which lie at ``places``."""
        if self.alpha == 0:
            for i, d in zip(at, places):
                _put(rows, i, unconstrained(float(d), self.sphere), {"entropy": 1e-15, "slope": 1e-14, "q": 1e-15, "p": 1e-15})
            return
        try:
            reference, entropy = self.reference()
        except NoReference as error:
            rows.status[at], rows.message[at] = "no-solution", str(error)
            return
        rows.stable[at] = reference.stable
        system = self.system(reference, self.alpha)
        mirrored = self.model.even & (places > 0.5)
        folded = np.where(mirrored, 1 - places, places)
        todo: dict[float, list[int]] = {}
        for i, d in zip(at, folded):
            if not self._end(rows, int(i), float(d)):
                todo.setdefault(float(d), []).append(int(i))
        done = 0
        for branch, distances in self._sides(system, entropy, np.array(sorted(todo))):
            for d, found in zip(distances, branch):
                interrupts.check()
                done += 1
                if progress is not None:
                    progress("franz-parisi", done, len(todo))
                for i in todo[float(d)]:
                    _write(rows, i, found)
                    if isinstance(found, Root) and self._empty(found):
                        rows.status[i], rows.message[i] = "unphysical", EMPTY
        turned = at[mirrored]
        for name in ("slope", "t", "p"):
            rows.number[name][turned] *= -1
        if self.kind == "typical" or self.sphere:  # the overlap with the reference is what was given
            known = np.isfinite(rows.number["p"][at])
            rows.number["p"][at[known]], rows.error["p"][at[known]] = 1 - 2 * places[known], 0.0

    def _empty(self, at: Root) -> bool:
        """Whether there are no solutions: a number of configurations has no negative logarithm."""
        return not self.sphere and self.model.hard and at.state.entropy < -at.entropy_error

    def _end(self, rows: Rows, i: int, d: float) -> bool:
        """Distances 0 and 1, where one configuration is left."""
        if 0 < d < 1:
            return False
        p = 1 - 2 * d
        if self.sphere:
            rows.status[i], rows.message[i] = "diverges", "the entropy of the sphere is -inf where one configuration is left"
            rows.number["entropy"][i] = -math.inf
        elif d == 0 and self.kind == "typical" and (self.same or self._inside()):
            # the reference is the one solution at distance 0; the slope is infinite
            _put(rows, i, {"entropy": 0.0, "q": 1.0, "p": p}, {"entropy": 0.0, "q": 0.0, "p": 0.0})
        else:
            rows.status[i] = "no-solution"
            rows.message[i] = "the one configuration at this distance is typically no solution"
        return True

    def _inside(self) -> bool:
        """Whether every solution at the reference's margin is one at the model's."""
        if self.own is None or not self.model.margin or self.model.beta is not None:
            return False
        stricter = float(self.own.kappa) - float(self.model.kappa)  # type: ignore[arg-type]
        return stricter >= 0 if self.model.likelihood == "threshold" else stricter <= 0

    def _sides(self, system: Binary, entropy: float, places: np.ndarray) -> Any:
        """(roots, distances) of the curves away from where it is entered."""
        reference = system.reference
        # where W does not depend on its own reference, gamma and D vanish and the curve is continued from both sides
        middle = (1 - reference.q) / 2 if self.same else 0.5 if self.model.even else math.nan
        near = np.abs(places - middle) < NEAR
        if near.any():
            yield self._top(system, entropy, middle, places[near]), places[near]
        if math.isnan(middle):
            yield from self._both_ways(system, self._enter(system), places, Span())
            return
        for sign, side in ((-1, places[~near & (places < middle)]), (1, places[~near & (places > middle)])):
            if side.size:
                start = self._beside(system, middle, sign) if self.same else self._enter(system)
                yield from self._both_ways(system, start, side, Span(0.0, middle) if sign < 0 else Span(middle, 1.0))

    def _top(self, system: Binary, entropy: float, middle: float, places: np.ndarray) -> list[Any]:
        """Points so close to the middle that gamma is lost in rounding: the expansion about it, from roots on both sides."""
        if not self.same:
            entropy = float(solve(self.model, alpha=self.alpha).free_entropy)
        q = system.reference.q if self.same else 0.0
        if np.all(places == middle):
            return [Typical(entropy, 0.0, q, q, 1 - 2 * middle, 0.0)] * places.size
        sides = []
        for sign in (-1,) if self.model.even else (-1, 1):
            start = self._beside(system, middle, sign) if self.same else self._enter(system)
            span = Span(0.0, middle) if sign < 0 else Span(middle, 1.0)
            found = None if start is None else next(follow(system, start, np.array([middle + sign * AWAY]), span))
            if not isinstance(found, Root):
                return [None] * places.size
            s = found.state
            sides.append(np.array([2 * s.multiplier, s.t, s.p, s.q]))
        left = sides[0]
        right = left * [-1, -1, -1, 1] if self.model.even else sides[1]
        (bend, t, p, dq), (twist, _, _, ddq) = (right - left) / (2 * AWAY), (right + left - [0, 2 * q, 2 * q, 2 * q]) / AWAY**2
        out = []
        for off in places - middle:
            slope = bend * off + twist * off**2 / 2
            top = entropy + bend * off**2 / 2 + twist * off**3 / 6
            lost = 10 * abs(off) * AWAY**2 * (1 + abs(bend) + abs(twist))
            out.append(Typical(top, slope, q + dq * off + ddq * off**2 / 2, q + t * off, q + p * off, lost))
        return out

    def _both_ways(self, system: Binary, start: Root | None, places: np.ndarray, span: Span) -> Any:
        if start is None:
            yield [None] * places.size, places
            return
        for side in (places[places <= start.distance][::-1], places[places > start.distance]):
            yield continued(follow(system, start, side, span), side, self._expansion(system)), side

    def _expansion(self, system: Binary) -> Expansion | None:
        """What goes on towards references that lie inside the solutions."""
        own = self.own
        if self.same or self.sphere or self.kind != "typical" or not (own is not None and own.hard and self._inside()):
            return None
        margin = float(own.kappa)  # type: ignore[arg-type]
        low, high = (margin, math.inf) if own.likelihood == "threshold" else (-margin, margin)
        return Expansion(self.alpha, system.reference, low, high, system.leaf)

    def _beside(self, system: Binary, middle: float, sign: int) -> Root | None:
        """A saddle beside the typical distance."""
        reference = system.reference
        for share in BESIDE:
            off = share * (middle if sign < 0 else 1 - middle)
            dp = -2 * sign * off
            for cone in CONES:
                b = math.copysign(cone * math.sqrt(reference.rest), dp)
                t = 0.0 if system.zero else reference.q + 0.3 * dp
                gamma = (reference.q + dp - t) / b
                found = _try(system, t, gamma, b, dp, middle + sign * off)
                if found is not None:
                    return found
        return None

    def _enter(self, system: Binary) -> Root | None:
        """A saddle at some distance, continued in the load of the constrained weights from where their spins are independent."""
        reference = system.reference
        for d in ENTERED:
            for load in LOADS:
                first = self.system(reference, self.alpha * load)
                start = _independent(first, d, self.sphere)
                if start is None:
                    continue
                for share in np.geomspace(load, 1.0, 1 + math.ceil(math.log(1 / load) / 0.5))[1:]:
                    now = self.system(reference, self.alpha * float(share))
                    start = root(now.coarse(), start.state.x, d)
                    if start is None:
                        break
                if start is not None:
                    return start
        return None

    def zero(self) -> Zero:
        """The distance below which the entropy is negative, by Newton on the curve."""
        try:
            reference, _ = self.reference()
        except NoReference as missing:
            return Zero("no-solution", str(missing))
        system = self.system(reference, self.alpha)
        start = self._beside(system, (1 - reference.q) / 2, -1) if self.same else self._enter(system)
        if start is None:
            return Zero("not-converged", "no saddle was found to start from")
        middle = (1 - reference.q) / 2 if self.same else 0.5
        span = Span(0.0, middle) if self.same or self.model.even else Span()
        here = self._positive(system, start, middle, span)
        if here is None:
            return Zero("no-solution", "the entropy is negative at every distance")
        above = here
        for found in follow(system, here, here.distance * 0.8 ** np.arange(1, SMALLEST), span):
            at = found.last if isinstance(found, Ended) else found
            if at.state.entropy < 0:
                break
            above = at
            if isinstance(found, Ended):
                return Zero("branch-ended", POSITIVE.format(ENDED.format(at.distance), at.state.entropy))
        else:
            return Zero("converged", "the entropy is positive down to the smallest distance tried", 0.0, above.distance)
        return self._crossing(system, above, at.distance, span)

    def _crossing(self, system: Binary, above: Root, low: float, span: Span) -> Zero:
        """The zero between a root of positive entropy and a smaller distance, by Newton kept inside the bracket."""
        at, high = above, above.distance
        for _ in range(CROSSING):
            step = -at.state.entropy / (2 * at.state.multiplier)
            if abs(at.state.entropy) <= at.entropy_error or abs(step) <= 1e-13 * at.distance:
                error = (at.entropy_error + abs(at.state.entropy)) / abs(2 * at.state.multiplier) + 4e-16
                return Zero("converged", "", at.distance, float(error), at)
            d = at.distance + step
            d = d if low < d < high else (low * high) ** 0.5
            (found,) = follow(system, above, np.array([d]), span)
            at = found.last if isinstance(found, Ended) else found
            if isinstance(found, Ended) and at.distance >= above.distance:
                break
            if at.state.entropy > 0:
                above, high = at, at.distance
            else:
                low = at.distance
        return Zero("not-converged", f"the zero lies between {low:.6g} and {high:.6g}, where the branch could not be resolved")

    def _positive(self, system: Binary, start: Root, middle: float, span: Span) -> Root | None:
        """A root of positive entropy: the one given, or the next towards the middle while the entropy grows."""
        here = start
        towards = middle - (middle - here.distance) * 0.7 ** np.arange(1, SMALLEST)
        for found in follow(system, start, towards, span):
            if here.state.entropy > 0 or here.state.multiplier <= 0 or isinstance(found, Ended):
                break
            here = found
        return here if here.state.entropy > 0 else None


ISOLATED = "Zero of the replica-symmetric Franz-Parisi entropy: the reference typically has no solutions closer than this."
WEIGHTED = "At finite beta this is a free entropy: the entropy less beta times the errors per weight."
POSITIVE = "{}, where the entropy is still positive, {:.3g}: no zero was reached"
CROSSING = 60  # roots on the way to a zero
SMALLEST = 50  # strides towards distance 0, a fifth shorter each


@dataclass(frozen=True)
class Zero:
    """Where the entropy vanishes: the distance with its error and the saddle there, or why there is none."""

    status: str
    message: str
    value: float | None = None
    error: float | None = None
    at: Root | None = None


@dataclass(frozen=True)
class Typical:
    """A point at the typical distance, or as good as there; ``lost`` bounds what its expansion leaves out of slope and overlaps."""

    entropy: float
    slope: float
    q: float
    t: float
    p: float
    lost: float


def _try(system: Binary, t: float, gamma: float, b: float, D: float, d: float) -> Root | None:
    try:
        x = system.pack(t, gamma, b, D)
    except ValueError:  # outside the cone
        return None
    return root(system.coarse(), x, d)


def _independent(system: Binary, d: float, sphere: bool) -> Root | None:
    """A saddle near that of weights which do not see the patterns: each follows the reference with one probability."""
    reference, mu = system.reference, 1 - 2 * d
    if sphere:
        t, p, q = mu * reference.q, mu, mu * mu
    else:
        mean, t = _mean_signs(reference)
        t, p, q = mu * t, mu * mean, mu * mu
    gamma2 = q - (0.0 if system.zero else t * t / reference.q)
    if not gamma2 > 0:
        return None
    for scale in (1.0, 1.1):
        gamma = math.sqrt(min(gamma2 * scale, 0.999))
        found = _try(system, t, gamma, min((p - t) / gamma, 0.98 * math.sqrt(reference.rest)), math.atanh(mu), d)
        if found is not None:
            return found
    return None


def _mean_signs(reference: Reference) -> tuple[float, float]:
    """E|w~| and E_x <w~> <sign w~>."""
    x = np.linspace(-9, 9, 181)
    weight = np.exp(-x * x / 2)
    weight /= weight.sum()
    exponent = reference.logs + np.outer(math.sqrt(reference.q_hat) * x, reference.values)
    chance = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    chance /= chance.sum(axis=1, keepdims=True)
    mean, sign = chance @ reference.values, chance @ np.sign(reference.values)
    return float(weight @ (chance @ np.abs(reference.values))), float(weight @ (mean * sign))


def unconstrained(d: float, sphere: bool) -> dict[str, float]:
    """No patterns: all configurations at that distance, the binary entropy of d (or the volume at overlap 1 - 2d)."""
    p = 1 - 2 * d
    order = {"q": p * p, "p": p}
    if sphere:
        if abs(p) == 1:
            return {"entropy": -math.inf, "slope": math.nan, **order}
        return {"entropy": 0.5 * math.log1p(-p * p), "slope": 2 * p / (1 - p * p), **order}
    entropy = sum(-x * math.log(x) for x in (d, 1 - d) if x > 0)
    return {"entropy": entropy, "slope": math.log((1 - d) / d) if 0 < d < 1 else math.nan, **order}


def _blank(n: int) -> Rows:
    nothing = {name: np.full(n, np.nan) for name in NUMBERS}
    errors = {name: np.full(n, np.nan) for name in NUMBERS}
    status, message = np.full(n, "converged", dtype=object), np.full(n, "", dtype=object)
    return Rows(nothing, errors, status, message, np.full(n, None, dtype=object))


def _put(rows: Rows, i: int, number: dict[str, float], error: dict[str, float]) -> None:
    for name, value in number.items():
        rows.number[name][i] = value
        if math.isfinite(value):
            rows.error[name][i] = error.get(name, 0.0)
    if not math.isfinite(number["entropy"]):
        rows.status[i], rows.message[i] = "diverges", "the entropy is -inf where one configuration is left"


def _write(rows: Rows, i: int, found: Root | Typical | Near | Ended | None) -> None:
    if found is None:
        rows.status[i], rows.message[i] = "not-converged", "no saddle was found"
    elif isinstance(found, Ended):
        rows.status[i], rows.message[i] = "branch-ended", ENDED.format(found.distance)
    elif isinstance(found, Typical):
        number = {"entropy": found.entropy, "slope": found.slope, "q": found.q, "t": found.t, "p": found.p}
        error = 1e-12 + found.lost
        # the overlaps bend more than the slope does: their second differences are left out or rough
        rough = error + 10 * found.lost / AWAY * abs(found.slope)
        _put(rows, i, number, {"entropy": 1e-12, "slope": error, "q": rough, "t": rough, "p": error})
    elif isinstance(found, Near):
        _put(rows, i, found.number, found.error)
    else:
        at = found.state
        number = {
            "entropy": at.entropy,
            "slope": 2 * at.multiplier,
            "q": at.q,
            "t": at.t,
            "p": at.p,
            "weight_error": at.lost,
            "residual": found.residual,
        }
        q, t, p = map(float, found.order_error)
        _put(rows, i, number, {"entropy": found.entropy_error, "slope": 2 * found.multiplier_error, "q": q, "t": t, "p": p})


def _bound(curve: Curve, average: str, rows: Rows, at: np.ndarray, places: np.ndarray) -> None:
    """The upper bounds of the symmetric binary perceptron."""
    from .symmetric_bounds import first_moment_bound, jensen_bound

    bound = first_moment_bound if average == "first-moment" else jensen_bound
    if curve.alpha > 0:
        try:
            curve.reference()
        except NoReference as missing:
            rows.status[at], rows.message[at] = "no-solution", str(missing)
            return
    made = bound(float(curve.model.kappa), curve.alpha, places)  # type: ignore[arg-type]
    negative = at[np.asarray(made.value) < -np.asarray(made.error)]
    rows.status[negative], rows.message[negative] = "unphysical", "no solutions at this distance: the upper bound is negative"
    rows.number["entropy"][at], rows.error["entropy"][at] = made.value, made.error
    rows.number["slope"][at], rows.error["slope"][at] = made.slope, made.slope_error


@dataclass(frozen=True)
class Group:
    """The points ``at`` of a sweep that share everything but the distance."""

    model: Perceptron
    alpha: float
    reference_kappa: float | None
    q_star: float | None
    beta: float | None
    at: np.ndarray


@dataclass(frozen=True)
class Swept:
    """Numbers of a question broadcast against each other and made flat; None where none is given."""

    model: Perceptron
    shape: tuple[int, ...]
    alpha: np.ndarray
    distance: np.ndarray
    others: dict[str, np.ndarray | None]

    @classmethod
    def of(cls, model: Any, alpha: Any, distance: Any, **others: Any) -> Swept:
        """Validated and broadcast; a sweep of the model's own kappa is one of the question."""
        check_model(model)
        if others["kappa"] is None and isinstance(model.kappa, tuple):
            others["kappa"] = model.kappa
        for name, value in (("alpha", alpha), ("distance", distance)):
            if value is None:
                raise ValueError(f"{name}: missing; takes number(s)")
        given = {"alpha": check_alpha(alpha), "distance": numbers("distance", distance, "number(s) in [0, 1]", 0.0)}
        if np.any(given["distance"] > 1):
            raise ValueError(f"distance: got {float(given['distance'].max()):g}; takes number(s) in [0, 1]")
        given |= {name: numbers(name, value, "finite number(s)") for name, value in others.items() if value is not None}
        try:
            shape = np.broadcast_shapes(*(v.shape for v in given.values()))
        except ValueError:
            shapes = ", ".join(f"{name} {v.shape}" for name, v in given.items())
            raise ValueError(f"{', '.join(given)}: got shapes {shapes}; takes arrays that broadcast") from None
        flat = {name: np.broadcast_to(v, shape).reshape(-1) for name, v in given.items()}
        return cls(model, shape, flat.pop("alpha"), flat.pop("distance"), {name: flat.get(name) for name in others})

    def groups(self) -> Iterator[Group]:
        """The curves asked for."""
        columns = np.array([self.alpha, *(v for v in self.others.values() if v is not None)]).T
        names = [name for name, v in self.others.items() if v is not None]
        for key in np.unique(columns, axis=0):
            at = np.flatnonzero((columns == key).all(axis=1))
            value = dict(zip(names, map(float, key[1:])))
            model = self.model
            if "kappa" in value:
                model = Perceptron(model.weights, value.pop("kappa"), model.likelihood, model.beta, model.task)
            yield Group(model, float(key[0]), value.get("reference_kappa"), value.get("q_star"), value.get("beta"), at)

    def shaped(self, values: np.ndarray | None) -> Any:
        """One number, or an array of the shape asked for."""
        if values is None or self.shape:
            return None if values is None else values.reshape(self.shape)
        return values[0].item() if isinstance(values[0], np.generic) else values[0]


def _result(several: Swept, rows: Rows, reference: str, average: str) -> FranzParisi:
    shaped, model = several.shaped, several.model
    number = {name: shaped(values) for name, values in rows.number.items()}
    error = {name: shaped(values) for name, values in rows.error.items() if name not in ("residual", "weight_error")}
    given = {name: shaped(values) for name, values in several.others.items()}
    return FranzParisi(
        model=model,
        alpha=shaped(several.alpha),
        kappa=given["kappa"] if given["kappa"] is not None else (model.kappa if model.margin else None),
        beta=given["beta"] if given["beta"] is not None else model.beta,
        distance=shaped(several.distance),
        reference=reference,
        reference_kappa=given["reference_kappa"],
        q_star=given["q_star"],
        average=average,
        reference_stable=shaped(rows.stable),
        entropy=number["entropy"],
        slope=number["slope"],
        order_parameters={name: number[name] for name in ("q", "t", "p", "weight_error")},
        residual=number["residual"],
        branch="replica-symmetric" if average == "quenched" else "upper bound",
        jump=False,
        status=shaped(rows.status),
        message=shaped(rows.message),
        statement=WEIGHTED if not model.hard and average == "quenched" else "",
        error=error["entropy"],
        errors=error,
    )
