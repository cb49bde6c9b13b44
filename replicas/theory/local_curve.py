r"""Branches of the local entropy of binary weights: entered at a smaller load and moderate d, followed in y, alpha, then d.

Typical references (y = 1) are the one branch whose order parameters are known beforehand. Where y* at S_E = 0 diverges, any
smaller y bounds the answer, d S_I = -d S_E/y giving S_I(y) <= S_I(y*) <= phi(y)/y, and so do H2(d) and the limit y -> inf.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..models import Model
from ..numerics.local_reference import Unconstrained, replica_symmetric
from ..numerics.local_system import FADING, MOST_Y, NoValue, Path, Saddle, System, newton
from ..numerics.saddle import Batch

STAR = math.nan  # y unknown, S_E = 0
ANCHOR = 0.6  # of the distance of typical solutions from the sign of their mean, where the branch is entered
FARTHEST_ANCHOR = 0.12
FARTHER = (0.2, 0.3, 0.4)  # distances where it is entered if it does not reach down to that one
SHARES = (0.6, 0.3, 1.0)  # of the load, at which typical references are followed to y
RAISE = 1.5  # factor of y in which S_E = 0 is sought
UNFELT = -8.3  # margin of references that all configurations have, up to rounding
FAINT = 1e-32  # q0_hat at y = inf below which the branch is soon lost in rounding: the patterns hardly act on solutions that close
FINER = 1.4  # refinement of all quadratures whose effect is the error
MARGIN = 3.0  # finer quadratures have an error, too
ROUNDING = 2e-14  # of a term of phi
CONDITION = 10.0  # of S_I in the residual, typically
STABLE = 1e-6  # excess over 1 of the growth of q0 that is rounding
GUESSES = (0.3, 0.5, 0.15, 0.7, 0.05)  # of q0/q1 where q0 = 0 is unstable
BROKEN = 1e-4  # q0/q1 above which a saddle is another one than q0 = 0
UNSTABLE = "unstable: q0 = 0 grows (factor {:.3f} > 1), and no saddle with q0 > 0 was found"
SLOPE_STEP = 1e-5  # of log(d/(1-d)) in a difference of S_I along the branch


@dataclass(frozen=True)
class Answer:
    """One point: numbers and their errors by name, status."""

    status: str
    message: str = ""
    y: float = math.nan
    numbers: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    order_parameters: dict[str, float] = field(default_factory=dict)
    residual: float = math.nan
    stable: bool | None = None


LEFT_OUT = "order parameters are left out"
EPS = ("eps_reference", "eps_solutions")
FADED = Answer("not-converged", "S_I is H2(d) up to rounding so close to the reference; S_E is lost in it")


class BinaryCurve:
    """Points of one load and one y, along d; ``y`` is nan for S_E = 0."""

    def __init__(self, point: Batch, y: float, reference: str = "unconstrained", reference_kappa: float = math.nan):
        self.point, self.y = point, y
        self.asked = (reference, reference_kappa)
        self.free = reference == "unconstrained" or reference_kappa < UNFELT
        self.alpha = float(point.alpha[0])
        self.star, self.infinite = math.isnan(y), math.isinf(y)
        self.reference_kappa = None if math.isnan(reference_kappa) else reference_kappa
        self.typical = math.nan  # distance from typical solutions to the sign of their mean
        self.S0 = math.nan

    def system(self, alpha: float, infinite: bool = False) -> System:
        """The equations at a load."""
        point = self.point.with_alpha(alpha)
        if self.free:
            return Unconstrained(point, infinite)
        from ..numerics.constrained_reference import Constrained

        return Constrained(point, self.reference_kappa, infinite)

    def answers(self, distances: Sequence[float]) -> list[Answer]:
        """Answers in the order asked."""
        if self.alpha == 0:
            return [self._empty(d) for d in distances]
        mirrored = [self.free and d > 0.5 for d in distances]
        folded = [1 - d if m else d for d, m in zip(distances, mirrored)]
        why = self._missing()
        if why:
            return [Answer("no-solution", why) for _ in distances]
        try:
            _, self.typical = replica_symmetric(self.point)
        except NoValue as error:
            return [Answer("no-solution", str(error)) for _ in distances]
        found = self._curve(sorted({d for d in folded if not self._outside(d)}))
        out = []
        for d, flip in zip(folded, mirrored):
            answer = self._outside(d) or found[d]
            out.append(_mirror(answer) if flip else answer)
        return out

    def _empty(self, d: float) -> Answer:
        """alpha = 0: every configuration is a solution, and every reference alike."""
        if not self.free:
            return Answer("unsupported", "alpha = 0 leaves nothing that a reference could be constrained by")
        entropy = _entropy_of_pairs(d)
        slope = math.log((1 - d) / d) if 0 < d < 1 else math.nan
        values = {"local_entropy": entropy, "external_entropy": math.log(2), "slope": slope}
        values |= {"eps_reference": 0.5, "eps_solutions": 0.5} if self.point.model.teacher else {}
        message = "without patterns all references are alike: S_E = log 2 at every y" if self.star else ""
        return Answer("converged", message, self.y, values, dict.fromkeys(values, 1e-15), {}, 0.0)

    def _missing(self) -> str:
        """What does not exist at this load, solutions or references: their entropy is negative. "" if both do."""
        model = self.point.model
        if not model.hard:
            return ""
        margin = _own(model, self.point)
        beyond = load_of_the_last(model, self.alpha, margin)
        if beyond is not None:
            return f"no solutions{' besides the teacher' if model.teacher else ''}: alpha = {self.alpha:g} is above {beyond:.8g}"
        if self.reference_kappa is None or not self.reference_kappa > margin:
            return ""
        beyond = load_of_the_last(model, self.alpha, self.reference_kappa)
        return "" if beyond is None else f"no reference of margin {self.reference_kappa:g}: alpha = {self.alpha:g} is above {beyond:.8g}"

    def _outside(self, d: float) -> Answer | None:
        """Distances at which there is nothing to solve, and limits that are not taken."""
        if self.infinite and self.point.model.even and not self.point.model.teacher:
            return Answer("unsupported", "the limit y -> inf of an even likelihood is not taken; takes a finite y or star")
        if d in (0.0, 1.0):
            return Answer("no-solution", "d = 0 leaves only the reference itself, or its mirror image; takes 0 < d < 1")
        if self.free and (self.star or self.infinite) and d >= self.typical:
            return Answer(
                "no-solution",
                f"from d = {self.typical:.6g} on typical solutions lie that far from the sign of their mean: S_I = S_0, S_E > 0 at every y",
            )
        if self.free and d == 0.5:
            return self._half()
        return None

    def _half(self) -> Answer:
        """d = 1/2: references do not matter, S_I = S_0 and S_E = log 2."""
        from .saddle import solve

        at = solve(self.point.model, self.alpha, kappa=_own(self.point.model, self.point), beta=_beta(self.point))
        numbers = {"local_entropy": float(at.free_entropy), "external_entropy": math.log(2), "slope": 0.0}
        if self.point.model.teacher:
            numbers |= {"eps_reference": 0.5, "eps_solutions": math.acos(float(at.q)) / math.pi}
        errors = dict.fromkeys(numbers, float(at.error))
        order = {"q1": float(at.q), "q0": float(at.q), "p_hat": 0.0, "q1_hat": float(at.q_hat), "q0_hat": float(at.q_hat)}
        if self.point.model.teacher:
            order |= {"R": float(at.q), "R_hat": float(at.q_hat), "R_reference": 0.0}
        return Answer(at.status, "", self.y, numbers, errors, order, float(at.residual))

    def _curve(self, distances: list[float]) -> dict[float, Answer]:
        if not distances:
            return {}
        d0 = min(ANCHOR * self.typical, FARTHEST_ANCHOR)
        anchor, why = self.anchor(d0)
        for farther in () if anchor is not None or self.star or self.infinite else FARTHER:  # few replicas reach down less far
            d0 = farther
            anchor, _ = self.anchor(d0)
            if anchor is not None:
                break
        if anchor is None and self.star:  # y* may be beyond MOST_Y at the anchor already
            anchor, _ = BinaryCurve(self.point, MOST_Y, *self.asked).anchor(d0)
            if anchor is not None and anchor.values.external_entropy > 0:
                near, far = [d for d in reversed(distances) if d < d0], [d for d in distances if d >= d0]
                found = self._beyond(near, anchor) | self._beyond(far, anchor)
                none = Answer("branch-ended", f"S_E = 0 takes y > {MOST_Y:g} at d = {d0:.4g}, where the branch is entered")
                return {d: found.get(d, none) for d in distances}
        if anchor is None:
            return {d: Answer("no-solution", why) for d in distances}
        path = Path(self._family, "d", anchor, self.star)
        out: dict[float, Answer] = {}
        for side in ([d for d in distances if d >= d0], [d for d in reversed(distances) if d < d0]):
            saddle, reached = anchor, True
            for d in side:
                if reached:
                    saddle, reached = path.advance(saddle, d)
                out[d] = self._checked(path, saddle) if reached else Answer("branch-ended", self._ended(saddle))
            lost = [d for d in side if out[d].status == "branch-ended"]
            if lost and self._diverging(saddle):
                out |= self._beyond(lost, saddle)
            elif lost and self.infinite and saddle.values.order_parameters["q0_hat"] < FADING:
                out |= dict.fromkeys(lost, FADED)
        return out

    def _checked(self, path: Path, saddle: Saddle) -> Answer:
        """The answer at a saddle; where q0 = 0 is unstable, at the one with q0 > 0 that takes over."""
        answer = self._answer(path, saddle)
        growth = self._growth(saddle)
        if growth is None or answer.status not in ("converged", "unphysical"):
            return answer
        if growth < 1 + STABLE:
            return replace(answer, stable=True)
        other = Unconstrained(self.point, symmetric=False)
        _, q1, V, p_hat, _ = Unconstrained(self.point).overlaps(saddle.x)
        for share in GUESSES:
            try:
                found = newton(other, other.pack(share * q1, (1 - share) * q1, V, p_hat), saddle.y, saddle.d)
                if not found.ok or found.values.order_parameters["q0"] < BROKEN * q1:
                    continue
                found = replace(found, alpha=self.alpha)
                if self.star:
                    last, reached = Path(lambda _: other, "y", found).advance(found, MOST_Y)
                    if reached and last.values.external_entropy > 0:
                        here = self._answer(Path(lambda _: other, "d", last), last)
                        return _above(here, last) if here.status == "converged" else here
                    found = self._without_external_entropy(other, found)
            except NoValue:
                continue
            if found.values.order_parameters["q0"] > BROKEN * q1:
                return self._answer(Path(lambda _: other, "d", found, self.star), found)
        return replace(answer, stable=False, message=UNSTABLE.format(growth))

    def _growth(self, saddle: Saddle) -> float | None:
        """The factor by which q0 grows at a saddle with q0 = 0; None where q0 is an unknown."""
        system = self.system(self.alpha, self.infinite)
        return system.growth(saddle.x, saddle.y) if isinstance(system, Unconstrained) and system.zero else None

    def _diverging(self, saddle: Saddle) -> bool:
        return self.star and saddle.y > 0.5 * MOST_Y

    def _beyond(self, distances: list[float], last: Saddle) -> dict[float, Answer]:
        """S_E = 0 at y* above the y of the last saddle: bounds on S_I from the limit y -> inf, or where that has none, from y."""
        out: dict[float, Answer] = {}
        limits = dict(zip(distances, BinaryCurve(self.point, math.inf).answers(distances))) if self.free else {}
        for d, limit in limits.items():
            if limit.status in ("converged", "unphysical") and limit.numbers["external_entropy"] < 0:
                out[d] = _below(limit, last.y)
        path = Path(self._family, "d", last)
        for d in distances:
            if d in out and not self.point.model.teacher:
                continue
            last, reached = path.advance(last, d)
            if not reached or (self._growth(last) or 0.0) > 1 + STABLE:  # no bound comes from an unstable saddle
                break
            if d in out:
                here = self._answer(path, last)
                if here.status == "converged":  # S_E > 0
                    out[d] = _between(out[d], here, limits[d])
                continue
            if last.values.external_entropy < 0:  # y* has come back below y
                found = newton(self.system(self.alpha), last.x, last.y, d, star=True)
                if found.ok:
                    found = replace(found, alpha=self.alpha)
                    out[d] = self._answer(Path(self._family, "d", found, True), found)
                continue
            here = self._answer(path, last)
            if here.status == "converged":
                out[d] = _above(here, last)
        return out

    def _family(self, alpha: float) -> System:
        return self.system(alpha, self.infinite)

    def _ended(self, saddle: Saddle) -> str:
        where = f"the branch reaches d = {saddle.d:.6g}"
        if self._diverging(saddle):
            return f"{where}, where S_E = 0 takes y = {saddle.y:.3g}"
        return f"{where}, S_I = {saddle.values.local_entropy:.6g} there"

    def anchor(self, d: float) -> tuple[Saddle | None, str]:
        """A saddle at the load and y asked for: typical references at a smaller load, followed in y, then in alpha."""
        why = ""
        for share in SHARES:
            try:
                saddle = self._raised(share * self.alpha, d)
                saddle, reached = Path(self._family, "alpha", saddle, self.star).advance(saddle, self.alpha)
            except NoValue as error:
                why = str(error)
                continue
            if reached:
                return saddle, ""
            why = f"the branch ends at alpha = {saddle.alpha:.6g} for d = {d:.4g}"
        return None, why

    def _raised(self, alpha: float, d: float) -> Saddle:
        """From y = 1 to y at one load and distance."""
        system = self.system(alpha)
        saddle = replace(newton(system, system.start(1.0, d), 1.0, d), alpha=alpha)
        if not saddle.ok:
            raise NoValue(f"no saddle of typical references to start from at d = {d:.4g}")
        path = Path(lambda _: system, "y", saddle)
        if not self.star:
            saddle = self._reach(path, saddle, system.enter if self.infinite else self.y)
            if not self.infinite:
                return saddle
            limit = self.system(alpha, True)
            saddle = replace(newton(limit, limit.entered(system, saddle), math.inf, d), alpha=alpha)
        else:
            saddle = self._without_external_entropy(system, saddle)
        if not saddle.ok:
            raise NoValue("no saddle to start from")
        return saddle

    def _without_external_entropy(self, system: System, saddle: Saddle) -> Saddle:
        """S_E = 0 at the same load and distance, y raised from a saddle."""
        path = Path(lambda _: system, "y", saddle)
        while saddle.values.external_entropy > 0:
            if saddle.y >= MOST_Y:
                raise NoValue(f"S_E > 0 up to y = {MOST_Y:g} at d = {saddle.d:.4g}")
            saddle = self._reach(path, saddle, RAISE * saddle.y)
        found = replace(newton(system, saddle.x, saddle.y, saddle.d, star=True), alpha=saddle.alpha)
        if not found.ok:
            raise NoValue("no saddle to start from")
        return found

    def _reach(self, path: Path, saddle: Saddle, y: float) -> Saddle:
        found, reached = path.advance(saddle, y)
        if not reached:
            raise NoValue(f"the branch of typical references ends at y = {found.y:.4g}, S_I = {found.values.local_entropy:.4g} there")
        return found

    def _answer(self, path: Path, saddle: Saddle) -> Answer:
        if self.infinite and saddle.values.order_parameters["q0_hat"] < FAINT:
            return FADED
        finer = Path(path.family, "d", saddle, path.star, FINER)
        try:
            check = finer.newton(finer.unknowns(saddle), finer.place(saddle), saddle.d)
        except NoValue as error:
            return Answer("not-converged", f"finer quadratures: {error}")
        numbers, again = self._numbers(path, saddle), self._numbers(path, check, numbers_only=True)
        v = saddle.values
        scale = 1.0 if self.infinite else saddle.y
        floor = CONDITION * max(saddle.residual, check.residual) + ROUNDING * max(1.0, v.magnitude / scale)
        errors = {k: MARGIN * abs(again.get(k, n) - n) + floor for k, n in numbers.items()}
        errors["external_entropy"] += ROUNDING * v.magnitude
        errors["y"] = MARGIN * abs(check.y - saddle.y) + floor * saddle.y if path.star else 0.0
        if "slope" not in again:
            errors["slope"] += SLOPE_STEP
        order = dict(v.order_parameters)
        errors |= {k: MARGIN * abs(check.values.order_parameters[k] - n) + floor * max(1.0, abs(n)) for k, n in order.items()}
        status, message = "converged", ""
        none = "S_E = -inf, as -(alpha/2) P log y, P of the patterns holding the reference at its margin: no such reference"
        if numbers["external_entropy"] == -math.inf:
            errors["external_entropy"] = 0.0
        below = none if math.isinf(numbers["external_entropy"]) else "S_E < 0: no such reference"
        for name, text in (("external_entropy", below), ("local_entropy", "S_I < 0: no solution around it")):
            if name == "local_entropy" and not self.point.model.hard:
                continue  # a free entropy, which may be negative
            if numbers[name] < -errors[name] - (0.0 if name == "local_entropy" or not path.star else 1e-8):
                status, message = "unphysical", text
        return Answer(status, message, saddle.y, numbers, errors, order, saddle.residual)

    def _numbers(self, path: Path, saddle: Saddle, numbers_only: bool = False) -> dict[str, float]:
        v = saddle.values
        out = {"local_entropy": v.local_entropy, "external_entropy": v.external_entropy}
        if path.star or self.infinite:
            out["slope"] = v.slope
        elif not numbers_only:
            out["slope"] = self._slope(path, saddle)
        if self.point.model.teacher:
            out["eps_reference"] = math.acos(v.order_parameters["R_reference"]) / math.pi
            out["eps_solutions"] = math.acos(v.order_parameters["R"]) / math.pi
        return out

    def _slope(self, path: Path, saddle: Saddle) -> float:
        """dS_I/dd along the branch at fixed y."""
        t = path.tangent(saddle)
        z, s = path.unknowns(saddle), path.place(saddle)
        up, down = (path.equations(z + e * t, s + e)[1].local_entropy for e in (SLOPE_STEP, -SLOPE_STEP))
        return (up - down) / (2 * SLOPE_STEP * saddle.d * (1 - saddle.d))


def _below(limit: Answer, least: float) -> Answer:
    """Bounds at S_E = 0, y* > ``least``, from y = inf: d S_I = -d S_E/y."""
    slack = -limit.numbers["external_entropy"] / least
    numbers = {"local_entropy": limit.numbers["local_entropy"] - 0.5 * slack, "external_entropy": 0.0}
    errors = {"local_entropy": limit.errors["local_entropy"] + 0.5 * slack, "external_entropy": 0.0}
    status, text = "converged", f"S_E = 0 takes y > {least:.2g}: S_I is the middle of bounds from y -> inf; {LEFT_OUT}"
    if numbers["local_entropy"] < -errors["local_entropy"]:
        status, text = "unphysical", f"{text}; S_I < 0"
    return Answer(status, text, math.nan, numbers, errors, {}, limit.residual)


def _between(bounds: Answer, here: Answer, limit: Answer) -> Answer:
    """Generalization errors at y*, from a y below it and the limit y -> inf; they are not monotonic in y, hence a margin."""
    numbers, errors = dict(bounds.numbers), dict(bounds.errors)
    for name in EPS:
        ends = here.numbers[name], limit.numbers[name]
        numbers[name] = 0.5 * sum(ends)
        errors[name] = 0.5 * MARGIN * abs(ends[1] - ends[0]) + here.errors[name] + limit.errors[name]
    return replace(bounds, numbers=numbers, errors=errors)


def _above(here: Answer, saddle: Saddle) -> Answer:
    """Bounds at S_E = 0 from a y below y*: S_I(y) <= S_I(y*) <= phi(y)/y, H2(d)."""
    slack = here.errors["local_entropy"]
    low = here.numbers["local_entropy"] - slack
    high = max(low, min(saddle.values.phi / saddle.y + slack, _entropy_of_pairs(saddle.d)))
    text = f"S_E = 0 takes y > {saddle.y:.2g}: S_I is the middle of bounds from that y; {LEFT_OUT}"
    numbers = {"local_entropy": 0.5 * (low + high), "external_entropy": 0.0}
    errors = {"local_entropy": 0.5 * (high - low), "external_entropy": 0.0}
    return Answer("converged", text, math.nan, numbers, errors, {}, saddle.residual)


def load_of_the_last(model: Model, alpha: float, margin: float | None) -> float | None:
    """The load above which typical solutions of that margin have a negative entropy, if ``alpha`` is above it."""
    from .capacity import capacity
    from .saddle import solve
    from .transitions import transitions

    at = solve(model, alpha, kappa=margin)
    if model.teacher:
        takeover = transitions(model, only="alpha_it").alpha_it if at.branch == "perfect" else None
        return None if takeover is None else float(takeover.value)
    if at.entropy is not None and at.entropy > -float(at.error):
        return None
    return float(capacity(model, kappa=margin).value)


def _entropy_of_pairs(d: float) -> float:
    """H2(d)."""
    return -sum(x * math.log(x) for x in (d, 1 - d) if x > 0)


def _own(model: Model, point: Batch) -> Any:
    return None if model.teacher or not isinstance(model.likelihood, str) else float(point.kappa[0])


def _beta(point: Batch) -> Any:
    return None if point.beta is None else float(point.beta[0])


def _mirror(answer: Answer) -> Answer:
    """W~ -> -W~ takes d to 1 - d."""
    numbers, order = dict(answer.numbers), dict(answer.order_parameters)
    if "slope" in numbers:
        numbers["slope"] = -numbers["slope"]
    if "eps_reference" in numbers:
        numbers["eps_reference"] = 1 - numbers["eps_reference"]
    for name in ("p_hat", "R_reference"):
        if name in order:
            order[name] = -order[name]
    return replace(answer, numbers=numbers, order_parameters=order)
