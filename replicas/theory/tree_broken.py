r"""One step of replica symmetry breaking in tree machines of K sign units with spherical weights, at finite m.

.. math:: f = \tfrac12\Big[\tfrac{m-1}{m}\log(1-q_1) + \tfrac1m \log D + \frac{q_0}{D}\Big]
    + \frac{\alpha}{m}\, E_{t_0}\log E_{t_1} Z^m, \qquad D = 1 - q_1 + m(q_1 - q_0)

The equations are those of one field (`rsb.Sphere`); only the tower of the patterns has K fields (`symmetric_tower`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ..models import Tree
from ..numerics import rsb
from ..numerics.rsb import FINER, Point, Root, newton
from ..numerics.saddle import make_batch
from ..numerics.symmetric_lattice import TooLarge
from ..numerics.tree_sphere import AtGap, TreePoint, TreeSphere
from .broken import APART, Found, as_found, broken, symmetric_point
from .tree_jamming import one_step as jamming

LARGEST = 7  # units at finite m
QUALITIES = (1.0, 0.8, 0.65, 0.54, 0.45, 0.35)  # of the answer, the first whose refinement fits
SPARE = 1.05  # of the nodes that fit
NEARLY = 1e-6  # residual on rough lattices, which are no better
SETTLED = (1e-12, 1e-7)  # residual of an answer; that which an answer may have where rounding allows no less
CHORD = 0.1  # fall of a residual for which a Jacobian serves again
MANY, FARTHEST = 14, 20.0  # steps, and residual of a start
USEFUL = 3e-2  # error of an overlap with which an answer is none
LOST = 1e-5  # mass of Gaussians beyond the lattices
STARTS = {
    2: (0.2226, 0.2427, 0.5324),
    3: (0.2122, 0.6097, 0.6423),
    5: (0.2148, 0.602, 0.814),
    7: (0.2, 0.6104, 0.8656),
}  # by number of units: V, q_0, m of a saddle of parity of two and of majorities
GAP = 5 / 3  # ratio of V from one saddle to the next
CLOSEST = 3e-3  # V at which a branch is no longer followed: lattices grow
END_DIGITS = 6.0  # of the load at which it ends
SOFTER = 0.5  # power of V that m follows at first
CLOSER, ROWS, FINE = 1.3, 10, 1.3  # that ratio, saddles, and quality of an extrapolation
FARTHER = 5e-4  # V to which saddles that are extrapolated are followed
FAIR = 1e-10  # residual of saddles that are extrapolated
NEAR = (0.1, 1.1)  # of a load, at first, and of the last step in it: as near as a saddle is found from there
MOVE = 0.25  # step in log m
FEW = 12  # Newton steps on the way: starts are good
WAYS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.96)
SAME = 1e-6  # of phi: two roots on rough lattices
PARISI, OVERLAPS = (0.9, 0.6, 0.3), (0.95, 0.85, 0.7, 0.5)


# --- one point --------------------------------------------------------------------------------------------------------


def check_size(model: Tree) -> None:
    """Refuse more than `LARGEST` units, whose lattices do not fit."""
    if model.K > LARGEST:
        raise ValueError(
            f"K: got {model.K}; takes up to {LARGEST} units with 1rsb at finite m, where lattices of K fields fit"
        )


def one_step(model: Tree, alpha: float, m: float | None = None) -> Found:
    """The 1RSB answer at load ``alpha``, at given m or at the thermodynamic one; ValueError as of `check_size`."""
    check_size(model)
    accepted = model.accepted
    end = _end(accepted) if m is None else math.inf
    if alpha >= end:
        text = f"no saddle: q1 reaches 1 at the load {end:.6g} (capacity with ansatz 1rsb)"
        return Found("1rsb", "no-solution", text)
    rs = as_found(symmetric_point(make_batch(model, alpha)), "")
    if rs.status != "converged":
        return rs
    try:
        system, y = rough(accepted, alpha, m, rs)
        if y is None:
            if rs.numbers["replicon"] > 0:
                return _labelled(rs, "no saddle with q1 > q0: replica symmetric")
            text = f"the replica-symmetric saddle is unstable, and no other was reached (q1 -> 1 at the load {end:.6g})"
            return Found("1rsb", "not-converged", text)
        root = polished(system, y)
    except TooLarge as reason:
        return Found("1rsb", "not-converged", f"q1 is too close to 1: {reason}")
    if root is None or not apart(root.at):
        return Found("1rsb", "not-converged", "no saddle with q0 < q1 < 1 survives finer lattices")
    if m is None and not lower(root, rs):
        return _labelled(rs, "no saddle with q1 > q0 and a lower free entropy: replica symmetric")
    found = broken(root, system, m)
    finest = max(found.errors["q0"], found.errors["q1"])
    if not finest < USEFUL:
        return Found("1rsb", "not-converged", f"lattices that fit leave an error of {finest:.1g}: q1 is too close to 1")
    return found


@lru_cache(maxsize=64)
def _end(accepted: tuple[bool, ...]) -> float:
    """The load at which q_1 reaches 1; infinite where its own minimum is not found."""
    try:
        return jamming(accepted, END_DIGITS).value
    except ArithmeticError:
        return math.inf


def even(accepted: tuple[bool, ...]) -> bool:
    """Whether flipping two fields changes nothing, so that q_0 = 0: parity machines; that of two fields leaves it with alpha."""
    return len(accepted) > 3 and all(a == b for a, b in zip(accepted, accepted[2:]))


def _labelled(rs: Found, message: str) -> Found:
    return replace(rs, message=message)


def apart(at: Point) -> bool:
    """Whether overlaps differ and no Gaussian was cut."""
    return bool(np.all(at.c[1:] > APART) and at.V > 1e-12 and np.isfinite(at.phi) and at.patterns.lost < LOST)


def lower(root: Root, rs: Found) -> bool:
    """Whether phi is below the replica-symmetric one by more than it is known, and m below 1."""
    noise = rs.errors["free_entropy"] + abs(root.finer.phi - root.at.phi) + 1e-13 * root.at.magnitude
    return root.at.phi < rs.numbers["free_entropy"] - noise and root.at.m[1] < 1 - 1e-9


def approached(
    system: TreeSphere, y: np.ndarray, quality: float = 1.0, small: float = NEARLY
) -> tuple[np.ndarray, Point, np.ndarray] | None:
    """The root near a good start to a residual ``small``, the point there and the inverse Jacobian; Newton, then chords."""
    y, size, inverse = y.copy(), math.inf, np.empty((0, 0))
    try:
        with np.errstate(all="ignore"):
            for _ in range(MANY):
                at = system.evaluate(y, quality)
                before, size = size, float(np.abs(at.residual).max(initial=0.0))
                if (size < small and inverse.size) or (size < SETTLED[1] and size > 0.5 * before):
                    return y, at, inverse
                if not size < FARTHEST:
                    return None
                if size > CHORD * before or not inverse.size:
                    inverse = np.linalg.inv(rsb.jacobian(system, y, at, quality))
                step = -inverse @ at.residual
                y = y + step * min(1.0, rsb.LONGEST / max(float(np.abs(step).max()), 1e-300))
    except TooLarge:
        raise
    except (np.linalg.LinAlgError, ArithmeticError, ValueError):
        pass
    return None


def polished(system: TreeSphere, y: np.ndarray) -> Root | None:
    """The root near one of rough lattices, on the finest lattices that fit and are refined."""
    here = approached(system, y, system.rough)
    if here is None:
        return None
    y, at, _ = here
    for quality in QUALITIES if system.point.K < LARGEST else QUALITIES[2:]:  # time goes with its power K
        if not system.point.fits(at, SPARE * FINER * quality):
            continue
        try:
            system.point.unit = quality
            fine = approached(system, y, 1.0, SETTLED[0])
            if fine is None:
                return None
            system.point.hessian = True
            with np.errstate(all="ignore"):
                return rsb._finished(system, fine[0], system.evaluate(fine[0]), fine[2], 1.0)
        except TooLarge:  # the root has moved closer to 1
            continue
    raise TooLarge(f"1 - q1 = {at.V:.2g}, and its lattices do not fit")


# --- starts -----------------------------------------------------------------------------------------------------------


def rough(accepted: tuple[bool, ...], alpha: float, m: float | None, rs: Found) -> tuple[TreeSphere, np.ndarray | None]:
    """Equations at a load, and their root on rough lattices; None where none was reached."""
    system = TreeSphere(TreePoint(accepted, alpha), 1, m=None if m is None else np.array([m]), zero=even(accepted))
    if system.zero:
        return system, scanned(system, m, rs)
    if m is None and rs.numbers["replicon"] > 0:
        return system, None
    y = followed(accepted, alpha)
    if y is None or m is None:
        return system, y
    return system, at_given(system, y, m)


def scanned(system: TreeSphere, m: float | None, rs: Found) -> np.ndarray | None:
    """An even machine, whose outer average is a single point: the states of m = 1 show where to start.

    Where replica symmetry is stable, they become the thermodynamic ones once they are fewer than one, at m < 1.
    """
    shape = [(q1, guess) for guess in (PARISI if m is None else (m,)) for q1 in OVERLAPS]
    if m is None and rs.numbers["replicon"] > 0:
        states = entered(system)
        if states is None or not states.rate[1] > 0:
            return None
        shape = [(1 - states.V, guess) for guess in PARISI]
    best: Root | None = None
    for q1, guess in shape:
        root = newton(system, system.pack(np.array([0.0, q1]), 1 - q1, np.array([guess])), FEW, system.rough)
        if root is None or not apart(root.at):
            continue
        if m is not None:
            return root.y  # the largest overlap first: the states, not the barriers between them
        if not (root.at.phi < rs.numbers["free_entropy"] and root.at.m[1] < 1 - 1e-6):
            continue
        if best is not None and abs(best.at.phi - root.at.phi) < SAME:
            break
        if best is None or root.at.phi < best.at.phi:
            best = root
    return None if best is None else best.y


def entered(system: TreeSphere) -> Point | None:
    """The states at m = 1, the largest root q_1 of an equation that then stands alone; -rate is their complexity."""
    fixed = TreeSphere(system.point, 1, m=np.ones(1), zero=True)

    def at(q1: float) -> Point:
        return fixed.evaluate(fixed.pack(np.array([0.0, q1]), 1 - q1, np.ones(1)), fixed.rough)

    high = next((i for i in range(len(WAYS) - 1, -1, -1) if at(WAYS[i]).residual[0] > 0), None)
    if high is None:
        return None
    if high + 1 == len(WAYS):
        raise TooLarge(f"states at m = 1 have q1 > {WAYS[-1]:g}")
    low, top = WAYS[high], WAYS[high + 1]
    for _ in range(8):
        q1 = 0.5 * (low + top)
        low, top = (q1, top) if at(q1).residual[0] > 0 else (low, q1)
    return at(low)


def followed(accepted: tuple[bool, ...], alpha: float) -> np.ndarray | None:
    """The thermodynamic saddle at a load, on rough lattices, from the branch of `along`."""
    before: tuple[float, np.ndarray] | None = None
    for here, y in along(accepted, alpha):
        system = TreeSphere(TreePoint(accepted, alpha), 1)
        slope = None if before is None else (y - before[1]) / (here - before[0])
        if abs(alpha - here) < NEAR[0] if slope is None else abs(alpha - here) < NEAR[1] * abs(here - before[0]):  # type: ignore[index]
            root = approached(system, y if slope is None else y + slope * (alpha - here), system.rough)
            if root is not None and apart(root[1]):
                return root[0]
        before = here, y
    return None


def along(
    accepted: tuple[bool, ...], last: float, quality: float | None = None, gap: float = GAP, closest: float = CLOSEST
) -> Iterator[tuple[float, np.ndarray]]:
    """Saddles in steps of log V, V = 1 - q_1, until the load is beyond ``last``: (load, unknowns)."""
    if len(accepted) - 1 not in STARTS:
        return
    V, q0, m = STARTS[len(accepted) - 1]
    y = np.array([math.log(q0 / (1 - q0)), math.log(m / (1 - m))])
    before: tuple[float, np.ndarray] | None = None
    point, step, sign = TreePoint(accepted, 1.0), math.log(gap), 0.0
    while closest < V < 1:
        system = AtGap(point, V)
        root = approached(system, y, system.rough if quality is None else quality, NEARLY if quality is None else FAIR)
        if root is not None and apart(root[1]):
            load = root[1].alpha
            yield load, system.full(root[0])
            sign = sign or math.copysign(1.0, last - load)
            if (load - last) * sign >= 0:
                return
            here, there = (V, root[0]), before
            before = here
        elif before is None or step < math.log(gap) / 10:
            return
        else:
            here, there, step = before, None, step / 2
        V = here[0] * math.exp(-sign * step)
        if there is None:
            y = here[1] + np.array([0.0, SOFTER * math.log(V / here[0])])
        else:
            y = here[1] + (here[1] - there[1]) * math.log(V / here[0]) / math.log(here[0] / there[0])


def at_given(system: TreeSphere, y: np.ndarray, m: float) -> np.ndarray | None:
    """The saddle at given m, continued from the thermodynamic one in logit m (log m where m > 1)."""
    at = TreeSphere(system.point, 1).evaluate(y, system.rough)
    here = float(at.m[1])
    y = system.pack(at.c, at.V, np.array([m]))
    steps = max(1, math.ceil(abs(math.log(m / here)) / MOVE), math.ceil(abs(m - here) / 0.1))
    for value in np.geomspace(here, m, steps + 1)[1:]:
        root = newton(TreeSphere(system.point, 1, m=np.array([value])), y, quality=system.rough)
        if root is None or not apart(root.at):
            return None
        y = root.y
    return y


# --- the end of the branch ----------------------------------------------------------------------------------------------


def extrapolated_capacity(accepted: tuple[bool, ...], last: float) -> tuple[float, float, np.ndarray]:
    r"""The load at which q_1 -> 1, from saddles up to the load ``last``: (value, error, rows of (load, V = 1 - q_1, q_0, m)).

    With m = w V, f = A(alpha)/V + B log V + C + ..., A the functional of the limit: stationary at V of order A, so that
    alpha = alpha_c + a V to leading order. Tails bring log Z = -E/2V + O(log V), hence V log V; fields within sqrt(V) of
    a change of sign bring V^(3/2). Both orders enter with logarithms (odds of fields and their widths). The
    error is the larger change when the last power or the two rows closest to the end are left out.
    """
    rows = []
    for load, y in along(accepted, last, FINE, CLOSER, FARTHER):
        system = TreeSphere(TreePoint(accepted, load), 1)
        c, V = system.overlaps(y)
        rows.append((load, V, c[0], system.parisi(y)[1]))
    table = np.array(rows)
    table = table[np.argsort(table[:, 1])][:ROWS]

    def fit(rows: np.ndarray, n: int) -> float:
        V = rows[:, 1]
        L = np.log(V)
        basis = np.array([V**0, V, V * L, V**1.5, V**1.5 * L, V**2])[:n]
        return float(np.linalg.lstsq((basis / V**2).T, rows[:, 0] / V**2, rcond=None)[0][0])

    terms = min(6, len(table) - 3)
    value = fit(table, terms)
    return value, max(abs(value - fit(table, terms - 1)), abs(value - fit(table[2:], terms))), table
