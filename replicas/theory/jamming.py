r"""SAT/UNSAT capacity and ground states of spherical weights with broken replica symmetry: the limits q_k -> 1 and T -> 0.

Both are minima over overlaps and Parisi parameters: the capacity of a ratio (entropy of the overlaps over minus the tower),
minus the ground-state energy of their sum. k steps start from k - 1: the step next to q = 1 is split in two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..numerics.rsb import GroundState, Jamming, Point, Root, descend, eigenvalues, error_of, newton
from ..numerics.saddle import Batch, has_zero_overlap
from ..progress import progress_bar
from ..wide import Wide
from .broken import APART, Found
from .capacity import JUMPS, MARGINAL, threshold

DEEPEST = 8  # steps with every Parisi parameter free
WORTH = 1e-9  # relative gain over replica symmetry from which a saddle counts: closer ones are its flat lines r -> 0, q_0 -> 1
WEAK = 0.03  # minus the replicon of a symmetric limit that breaking hardly lowers: erf(u/4), 1e-2, gains less than that
FLAT = 1e-4  # smallest r, 1 - q_0 of a saddle that is not on such a line
SPLIT = ((0.6, 4.0, 0.1), (0.65, 6.0, 0.05), (0.8, 2.5, 0.2))  # factors of m_k, share of its gap
LIMIT_STARTS = ((0.7, 12.0), (0.3, 30.0), (0.9, 20.0), (0.5, 5.0), (0.05, 60.0))  # q_0, r
GROUND_STARTS = ((0.7, 3.0, 0.5), (0.8, 8.0, 0.2), (0.5, 2.0, 1.0), (0.8, 4.0, 3.0), (0.8, 5.0, 20.0), (0.7, 8.0, 0.05))


SOFT_SCALES = (3.0, 30.0, 300.0, 3000.0)  # of x, in units where violations cost 1
SOFT_SYMMETRIC = (0.9, 1.0)
FARTHEST, NEARER, FOLLOWED = 0.2, 0.74, 40  # where a ground state is followed from, its largest step, how many of them


def one_limit(point: Batch, k: int) -> Found:
    """k-step capacity of a spherical problem at one point; the RS value, labelled so, where breaking lowers nothing."""
    rs = threshold(point, "q-to-1")
    value, error = float(rs["value"][0]), float(rs["error"][0])
    symmetric = Found(
        "rs",
        "converged" if rs["ok"][0] else "diverges" if np.isinf(value) else "not-converged",
        "replica symmetry breaking does not lower it: the infimum is at r -> 0, the replica-symmetric value",
        "rs",
        {"value": value, "q0": 1.0, "replicon0": float(rs["replicon"][0])},
        {"value": error, "q0": 0.0, "replicon0": 1e-12},
    )
    if np.isinf(value) and isinstance(point.model, Wide):
        return Found("1rsb" if k == 1 else "krsb", "diverges", JUMPS, numbers={"value": value}, errors={"value": math.nan})
    if not rs["ok"][0] or _convex(point):
        return symmetric
    system = Jamming(point, 1)
    starts = (system.pack(np.array([q0, 1.0 - q0]), 0.0, np.array([r])) for q0, r in LIMIT_STARTS)
    root = _lowest(system, starts, lambda r: _acceptable(r, value))
    if has_zero_overlap(point.model):  # states that share nothing: q_0 = 0 solves its equation
        apart = Jamming(point, 1, zero=True, stretches=system.stretches)
        alone = (apart.pack(np.array([0.0, 1.0]), 0.0, np.array([r])) for _, r in LIMIT_STARTS)
        other = _lowest(apart, alone, lambda r: _acceptable(r, value))
        if other is not None and (root is None or other.at.phi < root.at.phi * (1 - WORTH)):
            root, system = other, apart
    if root is None:
        if rs["replicon"][0] < -WEAK:
            raise ArithmeticError("the replica-symmetric limit is unstable, and no lower one was reached")
        if rs["replicon"][0] < -MARGINAL:
            text = f"the symmetric limit is unstable, but breaking lowers it by less than {WORTH:.0e} of its value"
            errors = {**symmetric.errors, "value": error + WORTH * value}
            return Found("rs", "converged", text, "rs", symmetric.numbers, errors)
        return symmetric
    root, system = _to_steps(system, root, k)
    names = [f"q{j}" for j in range(k)] + [f"r{j}" for j in range(1, k + 1)]

    def order(at: Point) -> np.ndarray:
        return np.array([*at.q[:-1], *at.m[1:], *limit_replicons(at)])

    names += [f"replicon{j}" for j in range(k + 1)]
    values, errors = order(root.at), error_of(root, order, system)
    numbers = dict(zip(names, map(float, values)))
    found = dict(zip(names, (float(e + 4e-16 * abs(v)) for e, v in zip(errors, values))))
    numbers["value"] = root.at.phi
    # alpha is stationary; its two terms carry the rounding
    found["value"] = abs(root.finer.phi - root.at.phi) + 2e-14 * root.at.phi
    return Found("1rsb" if k == 1 else "krsb", "converged", "", f"{k}rsb", numbers, found, root, system)


def _convex(point: Batch) -> bool:
    from .broken import convex

    return convex(point.model, float(point.kappa[0]))


def _lowest(system: Jamming, starts: Iterable[np.ndarray], accepts: Callable[[Root], bool]) -> Root | None:
    """The accepted root of lowest phi; two starts that agree on it end the search."""
    best: Root | None = None
    for y in starts:
        found = newton(system, descend(system, y))
        if found is None or not accepts(found):
            continue
        if best is not None and abs(found.at.phi - best.at.phi) < WORTH * max(1.0, abs(best.at.phi)):
            break
        if best is None or found.at.phi < best.at.phi:
            best = found
    return best


def _to_steps(system: Jamming, root: Root, k: int) -> tuple[Root, Jamming]:
    """k steps from one."""
    for steps in range(2, k + 1):
        deeper = type(system)(system.point, steps, zero=system.zero, stretches=system.stretches)
        found = refined(deeper, root)
        if found is None:
            raise ArithmeticError(f"the {steps}-step saddle was not reached from the one with a step less")
        system, root = deeper, found
    return root, system


def _acceptable(root: Root, symmetric: float) -> bool:
    at = root.at
    return bool(root.converged and at.phi < symmetric * (1 - WORTH) and at.m[1] > FLAT and at.c[-1] > FLAT)


def refined(system: Any, coarser: Root) -> Root | None:
    """The k-step root that lies below one with a step less: its last step split, then descent and Newton."""
    at = coarser.at
    for low, high, share in SPLIT:
        c = np.append(at.c[:-1], at.c[-1] * np.array([1 - share, share]))
        m = np.append(at.m[1:-1], at.m[-1] * np.array([low, high]))
        y = system.pack(c, 0.0, m, **at.values)
        found = newton(system, descend(system, y, 60 * system.k, 1e-9))
        if found is not None and found.converged and found.at.phi < at.phi:
            return found
    return None


def limit_replicons(at: Point) -> np.ndarray:
    """1 - alpha (C'^2 E_j[f_j''^2] + C'' E_j[f_j'^2]) L_j^2 outside; innermost, 1 - alpha [P(unsatisfied) + C'' E d^2]:
    f'' is -1/(1-q_k) there, and C is in units of C'(1), infinitely bent at q = 1 where the activation has a kink.
    """
    k = at.c.size - 1
    L = eigenvalues(at.c, at.m, at.values["x"])
    outer = 1 - at.alpha * at.seen.fluctuations(at.patterns) * L[:k] ** 2
    # innermost, f' is minus the distance d over 1 - q_k, and d/dx of -d^2/(2x) gives d^2/2
    bent = at.seen.bend[k] * 2 * float(at.patterns.extra[1]) if at.seen.bend[k] else 0.0
    return np.append(outer, 1 - at.alpha * (float(at.patterns.extra[3]) + bent))


def ground(point: Batch, k: int) -> Found | None:
    """k-step ground state of a spherical problem above its capacity: energy per weight, from the functional."""
    system: Jamming = GroundState(point, 1)
    scales = (*GROUND_STARTS, *_soft_starts(point))
    starts = (system.pack(np.array([q0, 1.0 - q0]), 0.0, np.array([w]), x=x) for q0, w, x in scales)
    root = _lowest(system, starts, _costs) or _followed_down(point)
    if root is None:
        return None
    root, system = _to_steps(system, root, k)
    alpha = float(point.alpha[0])

    def everything(at: Point) -> np.ndarray:
        return np.array([*at.q[:-1], *at.m[1:], at.values["x"], alpha * at.values["violated"]])

    names = [f"q{j}" for j in range(k)] + [f"w{j}" for j in range(1, k + 1)] + ["x", "counted"]
    values, errors = everything(root.at), error_of(root, everything, system)
    numbers = dict(zip(names, map(float, values)))
    found_errors = dict(zip(names, (float(e + 4e-16 * abs(v)) for e, v in zip(errors, values))))
    numbers["energy"] = -root.at.phi
    found_errors["energy"] = abs(root.finer.phi - root.at.phi) + 4e-15 * root.at.magnitude
    return Found("1rsb" if k == 1 else "krsb", "converged", "", f"{k}rsb", numbers, found_errors, root, system)


def _costs(root: Root) -> bool:
    """Whether a root is a ground state with errors, off the flat lines of replica symmetry."""
    at = root.at
    return bool(root.converged and at.phi < 0 and at.m[1] > FLAT and at.c[-1] > APART)


def _followed_down(point: Batch) -> Root | None:
    """The one-step ground state at a load just above capacity, from those at larger loads: log x falls with log(load - end)."""
    end, alpha = one_limit(point, 1).numbers["value"], float(point.alpha[0])
    gap, ratio = max(FARTHEST * end, 1.01 * (alpha - end)), NEARER
    trail: list[tuple[float, np.ndarray]] = []
    for _ in range(FOLLOWED):
        gap = max(gap, alpha - end)
        system = GroundState(point.with_alpha(end + gap), 1)
        if not trail:
            packed = (system.pack(np.array([q0, 1.0 - q0]), 0.0, np.array([w]), x=x) for q0, w, x in GROUND_STARTS)
            guesses = [descend(system, y) for y in packed]
        elif len(trail) == 1:
            guesses = [trail[-1][1]]
        else:  # secant in the logarithm of the distance
            (u, y), (v, z) = ((math.log(g), y) for g, y in trail[-2:])
            guesses = [z + (z - y) * (math.log(gap) - v) / (v - u), z]
        roots = (newton(system, y) for y in guesses)
        root = next((r for r in roots if r is not None and _costs(r)), None)
        if root is None and not trail:
            return None
        if root is not None:
            if gap == alpha - end:
                return root
            trail.append((gap, root.y))
            ratio = max(NEARER, ratio**1.5)
        else:
            ratio = ratio**0.5
        gap = trail[-1][0] * ratio
    return None


def _soft_starts(point: Batch) -> list[tuple[float, float, float]]:
    """Just above capacity x diverges: the overlaps of the capacity, w = r x (r and q_0 of RS have no root of their own)."""
    end = one_limit(point, 1).numbers
    q0, r = (end["q0"], end["r1"]) if "r1" in end else SOFT_SYMMETRIC
    return [(q0, r * x, x) for x in SOFT_SCALES]


def capacity_of(batch: Batch, ansatz: str, k: int | None) -> dict[str, Any]:
    """Fields of an `Estimate` for every point of a batch: spherical capacity in an ansatz with broken symmetry."""
    from .full import full_limit

    found = []
    with progress_bar(batch.size, f"capacity {ansatz}") as bar:
        for i in range(batch.size):
            point = batch.take(np.array([i]))
            try:
                found.append(full_limit(point, k) if ansatz == "frsb" else one_limit(point, k or 1))
            except ArithmeticError as reason:
                found.append(Found(ansatz, "not-converged", str(reason)))
            bar.update()
    names = list(dict.fromkeys(n for f in found for n in f.numbers if n not in ("value", "residual")))
    if k == 1:
        keys = {n: {"r1": "r"}.get(n, n) for n in names}
    else:
        keys = {n: n for n in names}

    def column(values: list[Any]) -> Any:
        return batch.out(np.array([np.nan if v is None else v for v in values]))

    stable = [_stable(f) for f in found]
    errors = {keys[n]: column([f.errors.get(n) for f in found]) for n in names}
    value, error = column([f.numbers.get("value") for f in found]), column([f.errors.get("value") for f in found])
    return {
        "ansatz": batch.out(np.array([f.ansatz for f in found], dtype=object)),
        "value": value,
        "error": error,
        "errors": {"value": error, **errors},
        "order_parameters": {keys[n]: column([f.numbers.get(n) for f in found]) for n in names},
        "stable": batch.out(np.array(stable, dtype=object)),
        "status": batch.out(np.array([f.status for f in found], dtype=object)),
        "message": batch.out(np.array([f.message for f in found], dtype=object)),
    }


def _stable(found: Found) -> bool | None:
    """Whether no replicon is negative (zero counts as such after a breaking): False for steps at jamming, None where unknown."""
    values = [v for n, v in found.numbers.items() if n.startswith("replicon")]
    if not values:
        return None
    return bool(min(values) >= -MARGINAL) if found.ansatz == "rs" else bool(min(values) > 0)
