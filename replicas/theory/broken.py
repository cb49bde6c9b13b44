r"""Saddle points with broken replica symmetry: which branch is looked for, what is accepted, what falls back to RS.

Spherical weights: the saddle is a minimum of the free entropy over overlaps and Parisi parameters, found by descent from
several starts and finished by Newton. Finite sets: both sides are towers, iterated into each other, then Newton; or they
freeze, q_1 = Q, where phi_1RSB(beta, m) = phi_RS(m beta)/m.

A root counts when its undamped residual and its change under finer lattices are small, its overlaps are apart, and, at
free m, its free entropy is below the replica-symmetric one. Otherwise the point is replica symmetric and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from ..models import Discrete, Likelihood, Model, Perceptron, Spherical
from ..numerics.rsb import STEPS, Finite, Point, Root, Sphere, System, descend, eigenvalues, error_of, newton
from ..numerics.saddle import Batch, fixed_norm, make_batch
from .branches import thermodynamic
from .columns import Columns, counted
from .ends import AT_THE_END

APART = 1e-7  # of Q: overlaps closer than this are one
SAME = 1e-9  # of phi: two roots
BELOW = 1e-11  # of phi: how far a broken solution lies below the symmetric one
MERGED = 1e-6  # of Q: gaps at which an iteration has lost its levels
CLOSE, CLOSEST = 2e-2, 1e-3  # distance to jamming where its limit is tried first, and alone
TIGHT = 0.13  # (1 - q_1) over that distance, measured at margins from -0.3 to -1.2
BEGUN = (0.98, 0.999)  # m there
ROUGH = 0.6  # lattices of a descent that Newton finishes
SECANTS, NEAR = 12, 1e-3  # steps in logit m towards zero complexity, and the last one worth taking
TRIED = ((0.05, 0.3), (0.4, 0.3), (0.8, 0.1))  # q_1 on the way from q to Q and m, from which they begin
FEW = (
    15  # Newton steps of a finite set: starts are good, and what takes longer runs into freezing on ever finer lattices
)
ITERATIONS = 400  # of the map between the two sides of a finite set
STARTS = (
    # q_0 as a share of q, q_1 on the way from q to Q, m
    (0.85, 0.5, 0.3),
    (0.9, 0.8, 0.1),
    (0.98, 0.1, 0.35),
    (0.6, 0.95, 0.6),
    (1.0, 0.98, 0.9),
    (0.7, 0.97, 0.05),
)
WAYS = tuple(1 / (1 + math.exp(-u)) for u in np.linspace(-4.0, 5.0, 19))  # of q_1 from q to Q, scanned at m = 1
PARISI_GRID = (0.5, 0.8, 0.25, 0.95, 0.1)  # where a finite set is tried at fixed m before m is set free


@dataclass(frozen=True)
class Found:
    """One point: its ansatz and branch, numbers with errors, status and message; ``root`` where there is one."""

    ansatz: str
    status: str = "converged"
    message: str = ""
    branch: str = ""
    numbers: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    root: Root | None = None
    system: System | None = None
    profile: Any = None  # (q, x, full-RSB point) of full breaking


def convex(model: Model, kappa: float) -> bool:
    """Whether solutions form a convex set on the sphere, where replica symmetry is exact."""
    layer = isinstance(model, Perceptron) and model.hard and model.likelihood == "threshold"
    return layer and isinstance(model.weights, Spherical) and kappa >= 0


def symmetric_point(point: Batch) -> Columns:
    """The replica-symmetric answer at one point."""
    return thermodynamic(point)


def as_found(columns: Columns, message: str) -> Found:
    """A replica-symmetric point in the words of a broken one: q_0 = q_1 = q."""
    n, e = columns.number, columns.error
    status = str(columns.status[0])
    names = ("q", "q_hat", "Q", "lam", "free_entropy", "entropy", "energy", "replicon")
    numbers = {k: float(n[k][0]) for k in names}
    errors = {k: float(e[k][0]) for k in names}
    numbers |= {"q0": numbers["q"], "q1": numbers["q"], "residual": float(n["residual"][0])}
    errors |= {"q0": errors["q"], "q1": errors["q"]}
    said = str(columns.message[0])
    return Found(
        "rs", status, said if status != "converged" else message, str(columns.branch[0] or ""), numbers, errors
    )


# --- numbers of a root ----------------------------------------------------------------------------------------------


def numbers_of(root: Root, system: System) -> tuple[dict[str, float], dict[str, float]]:
    """Order parameters, entropies, complexity and replicons of a root, with errors."""
    model = system.point.model
    beta = None if system.point.beta is None else float(system.point.beta[0])
    k = system.k
    names = [f"q{j}" for j in range(k + 1)] + [f"q_hat{j}" for j in range(k + 1)] + [f"m{j}" for j in range(1, k + 1)]
    names += [
        "one_minus_q",
        "Q",
        "lam",
        "free_entropy",
        "entropy",
        "complexity",
        *(f"replicon{j}" for j in range(k + 1)),
    ]
    if beta is not None:
        names.append("energy")

    def everything(at: Point) -> np.ndarray:
        loglik = 0.0 if model.hard else at.alpha * float(at.patterns.extra[0])
        values = [*at.q, *at.q_hat, *at.m[1:], at.V, at.Q, at.lam, at.phi, at.phi - loglik]
        values += [-(at.m[1] ** 2) * at.rate[1], *replicons(at)]
        if beta is not None:
            values.append(-loglik / beta if beta else 0.0)
        return np.array(values)

    values = everything(root.at)
    errors = error_of(root, everything, system)
    errors += 4e-16 * np.abs(values)
    at = names.index("free_entropy")
    # phi is stationary: moving the root changes it in second order, its own terms' rounding in first
    errors[at] = abs(root.finer.phi - root.at.phi) + 4e-15 * root.at.magnitude
    errors[at + 1] = max(errors[at], errors[at + 1]) if not model.hard else errors[at]
    numbers = dict(zip(names, map(float, values)))
    numbers["residual"] = root.residual
    found = dict(zip(names, map(float, errors)))
    if system.given is not None:
        found |= {f"m{j}": 0.0 for j in range(1, k + 1)}
    if isinstance(system, Finite) and system.fixed is not None:  # w^2 is constant: no multiplier, no free Q
        for name in ("lam", "Q"):
            numbers.pop(name), found.pop(name)
    return numbers, found


def replicons(at: Point) -> np.ndarray:
    """1 - alpha (C'^2 E_j[f_j''^2] + C'' E_j[f_j'^2]) E_j[g_j''^2] of every level; the last is that of the innermost states."""
    if at.weights is not None:
        other = at.weights.curvature_square
    else:
        other = eigenvalues(at.c, at.m, at.V) ** 2
    return np.asarray(1 - at.alpha * at.seen.fluctuations(at.patterns) * other)


# --- one step -------------------------------------------------------------------------------------------------------


def one_step(point: Batch, m: float | None = None) -> Found:
    """The 1RSB answer at one point, at given m or at the thermodynamic one."""
    model = point.model
    rs = symmetric_point(point)
    answered = rs.status[0] in ("converged", "unphysical")
    kappa = 0.0 if isinstance(model.likelihood, Likelihood) else float(point.kappa[0])
    if float(point.alpha[0]) == 0 or (point.beta is not None and float(point.beta[0]) == 0):
        return as_found(rs, "patterns do not act: replica symmetric")
    if convex(model, kappa):
        return as_found(rs, "the set of solutions is convex: replica symmetric")
    limit = dict(jamming_limit(model, kappa, 1)) if isinstance(model.weights, Spherical) and model.hard else {}
    end = limit.get("value", math.inf)
    if float(point.alpha[0]) >= end * (1 - AT_THE_END):
        message = f"no saddle: q1 reaches 1 at the load {end:.8g} (1RSB capacity)"
        return Found("1rsb", "no-solution", message)
    if counted(model) and point.beta is None and m is None and rs.status[0] != "converged":
        return as_found(
            rs, ""
        )  # beyond capacity: breaking lowers a negative entropy further: m -> 0 on ever finer lattices
    if isinstance(model.weights, Discrete) and model.weights.fixed_norm is not None and m is None:
        frozen = freeze(point, m)  # where that state is stable, no search for overlaps between q_0 and Q is needed
        if frozen is not None and frozen.status == "converged" and frozen.numbers["replicon0"] > 0:
            return frozen
    root, system = nontrivial(point, rs, m, limit)
    if root is not None and system is not None:
        found = broken(root, system, m)
        if found.status == "unphysical" and m is None:
            frozen = freeze(point, m)  # what states of negative entropy give way to
            if frozen is not None and frozen.status == "converged" and frozen.numbers["free_entropy"] < root.at.phi:
                return frozen
        return found
    if isinstance(model.weights, Discrete):
        frozen = freeze(point, m)
        if frozen is not None:
            return frozen
    if not answered:
        return as_found(rs, "")
    stable = float(rs.number["replicon"][0]) > 0
    if m is None and float(point.alpha[0]) > end * (1 - CLOSEST):
        text = f"no saddle reached this close to the 1RSB capacity {end:.8g}, where q1 = 1"
        return Found("1rsb", "not-converged", text)
    if m is not None:
        return as_found(rs, f"no saddle with q1 > q0 at m = {m:g}: replica symmetric")
    if not stable:
        return Found(
            "1rsb", "not-converged", "the replica-symmetric saddle is unstable, and no saddle with q1 > q0 was reached"
        )
    return as_found(rs, "no saddle with q1 > q0 and a lower free entropy: replica symmetric")


def broken(root: Root, system: System, m: Any) -> Found:
    """A root as an answer."""
    numbers, errors = numbers_of(root, system)
    ansatz = "1rsb" if system.k == 1 else "krsb"
    status, message = "converged", ""
    if counted(system.point.model):
        inside = numbers["entropy"] - numbers["complexity"] / numbers["m1"]
        if inside < -errors["entropy"] - 1e-12:
            status, message = "unphysical", "negative entropy inside the states: the system freezes before"
    return Found(ansatz, status, message, "1rsb" if system.k == 1 else f"{system.k}rsb", numbers, errors, root, system)


def make_system(point: Batch, k: int, m: Sequence[float] | None = None, **other: Any) -> System:
    """The equations of a model's k-step saddle."""
    model = point.model
    given = None if m is None else np.asarray(m, dtype=float)
    if isinstance(model.weights, Spherical):
        return Sphere(point, k, m=given, **other)
    norm = fixed_norm(model) if model.weights.fixed_norm is not None else None
    return Finite(point, k, norm=norm, m=given, **other)


def nontrivial(
    point: Batch, rs: Columns, m: float | None, limit: Mapping[str, float]
) -> tuple[Root | None, System | None]:
    """The 1RSB root with q_0 < q_1 < Q, lowest in phi at free m; None if there is none."""
    zero = float(rs.number["q"][0]) == 0.0  # an even likelihood before its symmetry breaks
    system = make_system(point, 1, None if m is None else [m], zero=zero)
    best: Root | None = None
    for y, enough in starts(system, rs, m, limit):
        root = newton(system, y, FEW if isinstance(system, Finite) else STEPS)
        if root is None or not root.converged or not apart(root.at):
            continue
        if m is None and not lower(root, rs):
            continue
        if best is not None and abs(best.at.phi - root.at.phi) < SAME * root.at.magnitude:
            break  # two starts agree
        if best is None or root.at.phi < best.at.phi:
            best = root
        if enough:
            break
    return best, system


def apart(at: Point) -> bool:
    """Whether neighbouring overlaps differ, and q_k from Q."""
    c = at.c[1:]
    return bool(np.all(c > APART * at.Q) and at.V > 1e-12 * at.Q and np.isfinite(at.phi) and at.patterns.lost < 1e-8)


def lower(root: Root, rs: Columns) -> bool:
    """Whether phi lies below the replica-symmetric one, where there is one, and m below 1."""
    if rs.status[0] not in ("converged", "unphysical"):
        return True
    gain = float(rs.number["free_entropy"][0]) - root.at.phi
    noise = BELOW * root.at.magnitude + float(rs.error["free_entropy"][0])
    return (
        gain > min(noise, 1e-2 * (root.at.c[1] / root.at.Q) ** 3 + 1e-14 * root.at.magnitude)
        and root.at.m[1] < 1 - 1e-9
    )


def starts(
    system: System, rs: Columns, m: float | None, limit: Mapping[str, float]
) -> Iterator[tuple[np.ndarray, bool]]:
    """Unknowns from which Newton is tried, and whether a root from there needs no second start that agrees.

    Close to the load where q_1 reaches 1, its ``limit`` is where to look. A continuous transition leaves the symmetric
    saddle unstable; a discontinuous one begins at m = 1 with a second root q_1.
    """
    Q = float(np.nan_to_num(rs.number["Q"][0], nan=1.0)) or 1.0
    q = float(np.nan_to_num(rs.number["q"][0], nan=0.7 * Q))
    gap = float(np.nan_to_num(rs.number["one_minus_q"][0], nan=0.3 * Q))
    unstable = not float(rs.number["replicon"][0]) > 0
    left = 1 - system.alpha / limit["value"] if "r1" in limit else 1.0
    if m is None and left < CLOSE:
        V = TIGHT * left
        yield system.pack(np.array([limit["q0"], 1 - V - limit["q0"]]), V, np.array([limit["r1"] * V])), True
        if left < CLOSEST:
            return
    states = second_overlaps(system.point, Q, q)
    if not unstable and not states:
        return
    # the largest overlap is that of the states, the next one of the barrier between them
    far = [(1.0, (q1 - q) / gap, guess) for q1 in reversed(states) for guess in ((0.9, 0.6) if m is None else (m,))]
    near = STARTS if unstable or m is not None else ()
    if m is None and unstable:
        y = with_parisi(system, Q, q, gap)
        if y is not None:
            yield y, len(states) < 2
    if m is None and states and not unstable:
        for guess in BEGUN:  # right above a discontinuous transition the overlaps are still those at m = 1
            yield packed(system, Q, q, gap, 1.0, (states[-1] - q) / gap, guess), True
    if not isinstance(system, Finite):
        for share, way, guess in (*far, *near):
            y = packed(system, Q, q, gap, share, way, guess if m is None else m)
            # at m = 1 the free entropy does not depend on q_1: its equation, not the descent, finds it
            yield y if m == 1 else descend(system, y, quality=ROUGH), m is not None
        return
    for guess in PARISI_GRID if m is None else (m,):
        fixed = make_system(system.point, 1, [guess], zero=system.zero)
        assert isinstance(fixed, Finite)
        for share, way in ((1.0, far[0][1]),) if far else ((0.85, 0.5), (0.7, 0.95)):
            z = settled(fixed, packed(fixed, Q, q, gap, share, way, guess))
            if z is None:
                continue
            if m is not None:
                yield z, True
                continue
            root = newton(fixed, z)
            if root is not None and apart(root.at):
                yield system.pack(root.at.c, root.at.V, root.at.m[1:]), True
                break  # the other ways lead to the same one


def with_parisi(system: System, Q: float, q: float, gap: float) -> np.ndarray | None:
    """Newton at given m, and secants in m to zero complexity: no descent sees overlaps that split by little just beyond
    a continuous transition, where the two equations left are well conditioned.
    """

    quality = 1.0 if system.point.model.hard else ROUGH

    def solved(u: float, y: np.ndarray) -> Root | None:
        fixed = make_system(system.point, 1, [1 / (1 + math.exp(-u))], zero=system.zero)
        root = newton(fixed, y, 15, quality)
        return root if root is not None and apart(root.at) else None

    for way, guess in TRIED:
        u = math.log(guess / (1 - guess))
        root = solved(u, packed(make_system(system.point, 1, [guess], zero=system.zero), Q, q, gap, 1.0, way, guess))
        if root is not None:
            break
    else:
        return None
    before: tuple[float, float] | None = None
    for _ in range(SECANTS):
        at = root.at
        here = float(at.rate[1]) / float(
            at.c[1] ** 2 * (at.q_hat[1] - at.q_hat[0])
        )  # leading order of a weak splitting
        step = 0.3 if before is None else -here * (u - before[0]) / (here - before[1])
        if not math.isfinite(step):
            return None
        step = min(max(step, -1.0), 1.0)
        if abs(step) < NEAR:
            break
        moved = solved(u + step, root.y)
        while moved is None and abs(step) > NEAR:
            step /= 4
            moved = solved(u + step, root.y)
        if moved is None:
            break
        before, u, root = (u, here), u + step, moved
    return system.pack(root.at.c, root.at.V, root.at.m[1:])


def second_overlaps(point: Batch, Q: float, q: float) -> list[float]:
    """Overlaps q_1 > q inside a state at m = 1, where q_0 and everything else are replica symmetric."""
    system = make_system(point, 1, [1.0], zero=q == 0.0)
    found = []
    before: tuple[float, float] | None = None
    for way in WAYS:
        try:
            residual = float(
                system.evaluate(packed(system, Q, q, Q - q, 1.0, way, 1.0), ROUGH).residual[1 - system.zero]
            )
        except ArithmeticError:
            before = None
            continue
        if before is not None and before[1] * residual < 0:
            found.append(q + (Q - q) * 0.5 * (before[0] + way))
        before = way, residual
    return found


def packed(system: System, Q: float, q: float, gap: float, share: float, way: float, m: float) -> np.ndarray:
    """Unknowns with q_0 = share q, q_1 on the way from q to Q."""
    V = gap * (1 - way)
    q0 = 0.0 if system.zero else share * q
    return system.pack(np.array([q0, Q - V - q0]), V, np.array([m]))


def settled(system: Finite, y: np.ndarray) -> np.ndarray | None:
    """The two sides of a finite set iterated into each other, from ``y``; None when the levels merge or it runs away."""
    damping = 0.5
    for _ in range(ITERATIONS):
        try:
            at = system.evaluate(y, ROUGH)
        except ArithmeticError:
            return None
        if not np.isfinite(at.residual).all() or at.weights is None:
            return None
        c = at.c * (np.maximum(at.weights.growth, 1e-300) / np.maximum(at.c, 1e-300)) ** damping
        V = at.V * (max(float(at.weights.curvature[-1]), 1e-300) / at.V) ** damping
        if c[1] < MERGED * at.Q or V < MERGED * at.Q:
            return None
        new = system.pack(c, V, at.m[1:])
        if np.abs(new - y).max() < 1e-3:
            return new
        y = new
    return y


# --- frozen states --------------------------------------------------------------------------------------------------


def freeze(point: Batch, m: float | None) -> Found | None:
    """q_1 = Q: every state is one configuration. At free m only below the freezing temperature, where s_RS(m beta) = 0."""
    model = point.model
    if not counted(model) or isinstance(model.likelihood, Likelihood):
        return None
    alpha, kappa = float(point.alpha[0]), float(point.kappa[0])
    if point.beta is None:
        if m is None:
            return None
        at = thermodynamic(make_batch(model, alpha, kappa))
        return _frozen(at, m, 0.0, None) if at.status[0] in ("converged", "unphysical") else None
    beta = float(point.beta[0])
    if m is not None:
        at = thermodynamic(make_batch(model, alpha, kappa, m * beta))
        return _frozen(at, m, 0.0, beta) if at.status[0] in ("converged", "unphysical") else None
    from .ground_state import freezing

    here = thermodynamic(point)
    if here.status[0] == "converged":
        return None  # positive entropy: not frozen
    hot = freezing(model, alpha, kappa)
    if hot is None or not hot[0] < beta:
        return None
    beta_c, error = hot
    at = thermodynamic(make_batch(model, alpha, kappa, beta_c))
    return _frozen(at, beta_c / beta, error / beta, beta, thermodynamic_m=True)


def _frozen(at: Columns, m: float, error: float, beta: float | None, thermodynamic_m: bool = False) -> Found:
    n, e = at.number, at.error
    Q = float(np.nan_to_num(n["Q"][0], nan=1.0))
    entropy = float(n["entropy"][0])
    slack = float(e["entropy"][0])
    numbers = {
        "q0": float(n["q"][0]),
        "q1": Q,
        "m1": m,
        "Q": Q,
        "q_hat0": float(n["q_hat"][0]) / m**2,  # a frozen configuration feels m times the field
        "q_hat1": math.inf,
        "one_minus_q": 0.0,
        "free_entropy": float(n["free_entropy"][0]) / m,
        "entropy": entropy / m,
        "complexity": entropy,
        "replicon0": float(n["replicon"][0]),
        "residual": float(n["residual"][0]),
    }
    errors = {
        "q0": float(e["q"][0]),
        "q1": 0.0,
        "m1": error,
        "Q": 0.0,
        "q_hat0": (float(e["q_hat"][0]) + 2 * float(n["q_hat"][0]) * error / m) / m**2,
        "free_entropy": (float(e["free_entropy"][0]) + abs(float(n["free_entropy"][0])) * error / m) / m,
        "entropy": slack / m,
        "complexity": slack,
        "replicon0": float(e["replicon"][0]),
    }
    if beta is not None:
        numbers["energy"], errors["energy"] = float(n["energy"][0]), float(e["energy"][0]) + 10 * error
    message = "" if entropy > -slack - 1e-9 else "negative complexity: fewer than one state"
    return Found("1rsb", "converged" if not message else "unphysical", message, "frozen", numbers, errors)


# --- the end of the line --------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def jamming_limit(model: Model, kappa: float, k: int) -> Mapping[str, float]:
    """Load at which q_k reaches 1 on the sphere, and its q_0, r_1; that of replica symmetry where nothing lower was found."""
    from .jamming import one_limit

    found = one_limit(make_batch(model, 1.0, kappa if model.margin else None), k)
    return found.numbers
