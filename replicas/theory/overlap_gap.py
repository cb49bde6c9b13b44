r"""The overlap gap: loads above which no m solutions (clones) have the mutual overlaps q_1 of some interval.

The number of such m-tuples is exp(N m phi_m(q_1)), phi_m the free entropy of `replicas.numerics.clones`, extremised over the overlap q_0 of
different tuples (and the teacher's). Near q_1 = Q the m solutions coincide and phi_m > 0 below capacity; at the typical overlap they are independent. In
between phi_m has a minimum over q_1, and the load at which it touches zero,

.. math:: \phi_m = 0, \qquad \partial \phi_m/\partial q_1 = 0,

is alpha_OGP(m). It bounds the loads at which stable algorithms can work; the best bound is the smallest over m. The clones' replica symmetry makes phi_m
an upper bound on their number where it is the mean (even likelihood, q_0 = 0) and an RS estimate otherwise.

The stationary clones form one curve, parametrised by Q - q_1; alpha_OGP is the first of its points, in the load, with phi_m = 0.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ..local_results import OverlapGap
from ..models import Discrete, Model, Perceptron
from ..numerics.clones import QUALITY, At, Clones
from ..numerics.rsb import Root, error_of, newton
from ..numerics.saddle import Batch, check_model, fixed_norm, make_batch
from .ansatz import of_one_unit

FIRST = (0.02, 0.06, 0.005)  # Q - q_1, of Q, where the curve of stationary clones is entered
STEP = 1.4  # ratio of neighbouring Q - q_1 on the curve
CLOSEST = 2e-6  # Q - q_1, of Q, to which it is followed
SPLIT, WIDER = 0.01, 1.35  # q_1 - q_0, of q_1, where a start is looked for first, and its growth
GROWTH = 1.3  # of the number of clones in a step to more of them
LIGHTEST, HEAVIEST = -12.0, 12.0  # logarithms of the loads of a start
ROUGH = 1.0  # quality of the lattices on the way
LOST = 1e-8  # probability that the lattices may lose
SAME = 1e-9  # relative difference of loads that are one
MOST = 200  # clones of a scan for the smallest load
TAKES = "whole number(s) >= 2, or None to scan for the smallest load"


@of_one_unit
def overlap_gap(model: Model, m: Any = None) -> OverlapGap:
    """Loads alpha_OGP(m) above which no m clones exist at the mutual overlaps of some interval: the gap.

    Parameters
    ----------
    model : a perceptron with hard constraints and weights of one size (binary); storage or teacher-student.
    m : number(s) of clones >= 2; None for m = 2, 3, ... until the load rises again, with ``minimum`` marking the smallest.

    Returns
    -------
    OverlapGap : value (the load), q1, q0, with errors, status and residual; arrays for several m.

    Raises
    ------
    ValueError : naming the argument; weights of several sizes, spherical weights, soft constraints, several kappa.
    """
    check_supported(model)
    batch = make_batch(model, 1.0)
    contacts = Contacts(batch)
    if m is None:
        found = [contacts[2]]
        while len(found) < 2 or (_load(found[-1]) <= _load(found[-2]) < math.inf and len(found) < MOST):
            found.append(contacts[len(found) + 2])
        return _result(model, np.arange(2, len(found) + 2), found)
    whole = _whole(m)
    return _result(model, whole, [contacts[int(n)] for n in whole.flat])


def check_supported(model: Any) -> None:
    """A model whose clones are countable configurations of one size, or a one-line ValueError."""
    check_model(model)
    if not isinstance(model, Perceptron):
        raise ValueError(f"model: got a {model.to_dict()['name']}; takes a perceptron (an overlap gap of one field)")
    if not isinstance(model.weights, Discrete) or model.weights.fixed_norm is None or model.weights.probabilities:
        raise ValueError(f"weights: got {model.weights.name}; takes values of one size (binary) for an overlap gap")
    if not (model.hard and model.forbids):
        raise ValueError("model: got soft constraints; takes hard ones for an overlap gap (solutions are counted)")
    if isinstance(model.kappa, tuple):
        raise ValueError(f"kappa: got {list(model.kappa)}; takes one value for an overlap gap")


def _whole(m: Any) -> np.ndarray:
    """Numbers of clones as an array of integers."""
    try:
        out = np.array([operator.index(v) for v in np.ravel(np.asarray(m, dtype=object))], dtype=int)
    except TypeError:
        raise ValueError(f"m: got {m!r}; takes {TAKES}") from None
    if out.size == 0 or out.min() < 2 or np.asarray(m).dtype == bool:
        raise ValueError(f"m: got {m!r}; takes {TAKES}")
    return out.reshape(np.shape(m))


@dataclass(frozen=True)
class Contact:
    """Where the free entropy of m clones touches zero; ``others`` loads at which it does so again."""

    root: Root | None = None
    system: Clones | None = None
    others: tuple[float, ...] = ()
    message: str = ""


def _load(contact: Contact) -> float:
    return contact.root.at.alpha if contact.root is not None else math.inf


class Contacts:
    """Where the free entropy of m clones touches zero: found for two of them on their curve, continued to more."""

    def __init__(self, batch: Batch):
        self.batch = batch
        self.known: dict[float, At] = {}
        self.message = ""

    def __getitem__(self, m: int) -> Contact:
        """The first load at which phi_m = d phi_m/d q_1 = 0."""
        near = self._near(m)
        if near is None:
            return Contact(message=self.message)
        system = Clones(self.batch, m)
        roots = [_touching(system, near, QUALITY)]
        first = roots[0]
        if first is None or not first.converged or _at(first).lost > LOST:
            return Contact(message="Newton did not converge, or finer lattices change its result")
        curve = list(_followed(self.batch, m, _at(first), STEP))
        roots += [_touching(system, near, QUALITY) for near in _crossings(curve)]
        found = sorted((root for root in roots if root is not None and root.converged), key=lambda root: float(root.at.alpha))
        loads = [float(root.at.alpha) for root in found]
        return Contact(found[0], system, tuple(load for load in loads[1:] if load > loads[0] * (1 + SAME)))

    def _near(self, m: int) -> At | None:
        """The contact of m clones on rough lattices."""
        if not self.known:
            at = self._first()
            if at is None:
                return None
            self.known[2.0] = at
        number = max(n for n in self.known if n <= m)
        while number < m:
            start = self.known[number]
            number = min(GROWTH * number, float(m))
            root = _touching(Clones(self.batch, number), start, ROUGH)
            if root is None or _at(root).lost > LOST:
                self.message = f"the contact of two clones could be followed to fewer than {number:.3g} only"
                return None
            self.known[number] = _at(root)
        return self.known[number]

    def _first(self) -> At | None:
        """The contact of two clones on rough lattices."""
        curve = _curve(self.batch)
        if not curve:
            self.message = "no stationary clones were reached"
        for near in _crossings(curve):
            root = _touching(Clones(self.batch, 2), near, ROUGH)
            if root is not None:
                return _at(root)
        self.message = self.message or "the free entropy of two clones does not reach zero where it is stationary"
        return None


def _at(root: Root) -> At:
    return cast(At, root.at)


def _thresholds(at: Any) -> np.ndarray:
    return np.array([at.alpha, at.q1, at.q0])


def _crossings(curve: Sequence[At]) -> list[At]:
    """Points near phi_m = 0 on a curve of growing Q - q_1 where phi_m is a minimum over q_1.

    On the curve the mixed derivative of phi_m in load and q_1 is positive (patterns push clones together), so that the load
    rises with Q - q_1 where phi_m has a minimum over q_1 and falls where it has a maximum.
    """
    pairs = itertools.pairwise(curve)
    return [a if abs(a.phi) < abs(b.phi) else b for a, b in pairs if (a.phi > 0) != (b.phi > 0) and b.alpha > a.alpha]


def _touching(system: Clones, near: At, quality: float) -> Root | None:
    """The contact near given clones."""
    return newton(system, system.packed(near.q0, near.c1, near.V, near.R, near.alpha), quality=quality)


def _curve(batch: Batch) -> list[At]:
    """Two stationary clones, from small Q - q_1 to large, as far as they are found."""
    Q = fixed_norm(batch.model)
    first = next((at for share in FIRST if (at := _found(batch, 2, share * Q)) is not None), None)
    if first is None:
        return []
    up = list(_followed(batch, 2, first, STEP))
    down = []
    for at in _followed(batch, 2, first, 1 / STEP):
        down.append(at)
        if at.phi > 0:
            break
    return [*down[::-1], first, *up]


def _followed(batch: Batch, m: int, at: At, ratio: float) -> Iterator[At]:
    """The curve away from one of its points, in smaller steps where Newton needs them."""
    Q = fixed_norm(batch.model)
    while True:
        for step in (ratio, math.sqrt(ratio), ratio**0.25):
            if not CLOSEST * Q < at.V * step < Q:
                return
            new = _moved(batch, m, at, at.V * step)
            if new is not None:
                break
        if new is None:
            return
        at = new
        yield at


def _moved(batch: Batch, m: float, at: At, V: float) -> At | None:
    """The stationary clones at Q - q_1 = V and m near those of ``at``."""
    system = Clones(batch, m, V)
    shrink = (system.Q - V) / at.q1
    y = system.packed(at.q0 * shrink, at.c1 * shrink, V, at.R * math.sqrt(shrink), at.alpha)
    root = newton(system, y, quality=ROUGH)
    if root is None or not _at(root).c1 > SPLIT * _at(root).q1 or _at(root).lost > LOST:
        return None
    return _at(root)


def _found(batch: Batch, m: int, V: float) -> At | None:
    """The stationary clones at Q - q_1 = V: along loads at which q_0 is stationary, until q_1 is, too."""
    system = Clones(batch, m, V)
    q1 = system.Q - V
    if system.zero:
        alpha = _balanced(system, q1, 0, 1.0)
        return None if alpha is None else system.at(0.0, q1, V, 0.0, alpha, ROUGH)
    split, entered, near = SPLIT * q1, False, 1.0
    while split < q1:
        alpha = _balanced(system, split, 0, near)
        if alpha is not None:
            near = alpha
            at = _trial(system, split, alpha)
            if at.residual[1] < 0 and entered:
                root = newton(system, system.packed(at.q0, split, V, at.R, alpha), quality=ROUGH)
                return None if root is None else _at(root)
            entered = True
        split *= WIDER
    return None


def _trial(system: Clones, c1: float, alpha: float) -> At:
    """The functional at a given q_1 - q_0, a teacher's overlap as in a Bayes-optimal state."""
    assert system.V is not None
    q0 = 0.0 if system.zero else system.Q - system.V - c1
    return system.at(q0, c1, system.V, q0 / math.sqrt(system.Q) if system.teacher else 0.0, alpha, ROUGH)


def _balanced(system: Clones, c1: float, equation: int, near: float) -> float | None:
    """The load at which one of the equations holds, at given overlaps; its residual rises with the load."""
    from scipy.optimize import brentq

    def unbalanced(log_alpha: float) -> float:
        return float(_trial(system, c1, math.exp(log_alpha)).residual[equation])

    low = high = math.log(near)
    try:
        here = unbalanced(low)
        while here < 0 and unbalanced(high := high + 1.0) < 0:
            low = high
            if low > HEAVIEST:
                return None
        while here >= 0 and unbalanced(low := low - 1.0) >= 0:
            high = low
            if high < LIGHTEST:
                return None
        return math.exp(brentq(unbalanced, low, high, xtol=1e-4))
    except ArithmeticError:
        return None


def _result(model: Model, m: np.ndarray, found: list[Contact]) -> OverlapGap:
    """One value a number of clones, the smallest marked."""
    names = ("value", "q1", "q0", "residual")
    numbers = {name: np.full(len(found), math.nan) for name in names}
    errors = {name: np.full(len(found), math.nan) for name in names[:3]}
    status = np.full(len(found), "converged", dtype=object)
    message = np.full(len(found), "", dtype=object)
    statement = np.full(len(found), "", dtype=object)
    for i, contact in enumerate(found):
        message[i] = contact.message
        if contact.root is None or contact.system is None:
            status[i] = "not-converged"
            continue
        at = _at(contact.root)
        values = at.alpha, at.q1, at.q0, contact.root.residual
        bounds = error_of(contact.root, _thresholds, contact.system)
        for name, value in zip(names, values):
            numbers[name][i] = value
        for name, value in zip(errors, bounds):
            errors[name][i] = value
        statement[i] = _statement(contact)
    loads = numbers["value"]
    minimum = _minimum(m.ravel(), loads)

    def shaped(values: np.ndarray) -> Any:
        return values.reshape(m.shape) if m.shape else values.tolist()[0]

    return OverlapGap(
        model=model,
        kappa=model.kappa if model.margin else None,
        m=m if m.shape else int(m),
        error=shaped(errors["value"]),
        errors={name: shaped(values) for name, values in errors.items()},
        status=shaped(status),
        message=shaped(message),
        minimum=shaped(minimum),
        statement=shaped(statement),
        **{name: shaped(values) for name, values in numbers.items()},
    )


def _minimum(m: np.ndarray, loads: np.ndarray) -> np.ndarray:
    """Which value is the smallest over m: less than those of one clone more and one less."""
    load = dict(zip(m.tolist(), loads.tolist()))
    beside = [(load.get(n - 1, math.nan if n > 2 else math.inf), load[n], load.get(n + 1, math.nan)) for n in m.tolist()]
    return np.array([here < below and here < above for below, here, above in beside])


def _statement(contact: Contact) -> str:
    assert contact.root is not None and contact.system is not None
    mean = "the mean number of clones, an upper bound" if contact.system.zero else "replica-symmetric clones"
    again = f"; phi_m = 0 again at {', '.join(f'{load:.6g}' for load in contact.others)}" if contact.others else ""
    return f"first contact of the minimum of phi_m over q1 with zero ({mean}){again}"
