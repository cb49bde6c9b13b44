r"""Full replica symmetry breaking of spherical weights: the profile x(q), capacity, ground state.

x(q) is found on grids of intervals, each twice as fine as the last. The error of a number is its change in the last
doubling and under a finer grid of fields. The ground state extrapolates the energies of k - 1 and k free steps, which converge like k^-4.
Where a step of breaking is stable, or none is there, the answer is that of the smaller ansatz and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from ..numerics.full_rsb import TOLERANCE, Full, Profile, minimise
from ..numerics.rsb import eigenvalues
from ..numerics.saddle import Batch, has_zero_overlap
from .broken import Found, one_step
from .jamming import ground, one_limit

PARTS = (4, 2, 1)  # grids on the way to the one asked for
GRIDS = (6, 12, 24, 48)  # intervals when none are asked for: two doublings at least
MODES = (2, 4, 6, 8)  # of a smooth x(q) on these grids
TARGET = 2e-5  # relative change of phi in the last doubling that ends them
FINER_FIELDS = 2.0  # refinement of the field grid whose effect is part of the error
SHIFT, NARROWER, RISE = 0.05, 0.8, 0.2  # of q_0, 1 - q_1 and log x from one step, in a first guess
CLEAN = 1e-14  # gain at which the innermost intervals, which hardly move phi, are settled too
LAST = 1.2  # depth in log(1 - q) of the middle of the last interval before q = 1
EXPONENT = 0.7  # of x against 1 - q in a first guess: 1/1.41574 at jamming
ENDED = 1e-5  # gain of one more Newton step, relative, that is still a solution
BARELY = 1e-4  # where x(q) begins at the least: states that share nothing have q_0 = 0
STEPS_ORDER = 4  # of the error of k free steps

Solved = tuple[Full, np.ndarray, Profile]


def full(point: Batch, k: int | None) -> Found:
    """x(q) at one load below capacity, or at finite temperature."""
    first = one_step(point)
    if first.root is None:
        return first
    if min(v for name, v in first.numbers.items() if name.startswith("replicon")) > 0:
        text = "one step is stable: x(q) is a step function"
        return Found("1rsb", "converged", text, "1rsb", first.numbers, first.errors, first.root, first.system)
    at = first.root.at
    q0, last, centre = float(at.q[0] - SHIFT * at.c[1]), NARROWER * at.V, math.log(at.m[1])

    def smooth(system: Full) -> np.ndarray:
        return system.pack(np.append([centre, RISE], np.zeros(system.free - 2)), q0, last)

    def rising(system: Full) -> np.ndarray:
        return system.pack(centre + RISE * np.linspace(-0.1, 1.0, system.k), float(at.q[0]), last)

    model = point.model
    beta = None if point.beta is None else float(point.beta[0])

    def read(at: Profile) -> dict[str, float]:
        loglik = 0.0 if model.hard else at.alpha * float(at.tower.extra[0])
        values = {"q_min": float(at.q[0]), "q_max": float(at.q[-1]), "x_min": float(at.x[0]), "x_max": float(at.x[-1])}
        values |= {"free_entropy": at.phi, "entropy": at.phi - loglik, "replicon": marginality(at)}
        return values | ({"energy": -loglik / beta} if beta else {})

    try:
        solved = refine(point, "finite", k, smooth, MODES)
    except ArithmeticError:
        solved = []
    if not solved or np.any(np.diff(solved[-1][2].x) < 0):  # a plateau: x(q) held from decreasing, interval by interval
        solved = refine(point, "finite", k, rising)
    if solved[-1][2].x[-1] >= 1:
        raise ArithmeticError("x(q) came out above 1")
    return _answer(point, solved, read, solved[-1][2].q)


def jamming_exponent(point: Batch, k: int = 32) -> tuple[float, float]:
    """Exponent kappa of 1 - q ~ y^-kappa, y = x/(1 - q_k), where q reaches 1 at capacity; 1.41574 for every kappa < 0.

    Fit of log(1 - q) = a - kappa log y + c y^-delta to x(q) on k intervals, without the outer third and the last five, whose
    x is that of a grid that ends. The error is the change when eight more, or two more, are left out.
    Source: Charbonneau, Kurchan, Parisi, Urbani, Zamponi 2014; Franz, Parisi, Sevelev, Urbani, Zamponi 2017.
    """
    from scipy.optimize import curve_fit

    found = full_limit(point, k, CLEAN)
    if found.profile is None:
        raise ArithmeticError("replica symmetry is not broken at this capacity")
    q, x = found.profile[0][:k], found.profile[1]
    y, gap = 0.5 * np.log(x[:-1] * x[1:]), np.log(1 - q[1:])

    def fitted(first: int, last: int) -> float:
        u, v = y[first:-last], gap[first:-last]

        def law(u: np.ndarray, a: float, kappa: float, c: float, delta: float) -> np.ndarray:
            return np.asarray(a - kappa * u + c * np.exp(-delta * (u - y[first])))

        return float(curve_fit(law, u, v, p0=(v[0] + 1.4 * u[0], 1.4, 0.5, 0.5), maxfev=20000)[0][1])

    value = fitted(k // 3 + 2, 5)
    return value, abs(value - fitted(k // 3 - 6, 5)) + abs(value - fitted(k // 3 + 2, 7))


def full_limit(point: Batch, k: int | None, tolerance: float = TOLERANCE) -> Found:
    """Capacity: the load at which q reaches 1."""
    first = one_limit(point, 1)
    if first.root is None:
        return first
    at = first.root.at

    def guess(system: Full) -> np.ndarray:
        q0 = max(0.87 * float(at.q[0]), BARELY)
        z = system.pack(np.zeros(system.free), q0)
        z[: system.k] = math.log(2 * at.m[1]) - EXPONENT * (middles(system, z) - math.log(1 - q0))
        return z

    def read(at: Profile) -> dict[str, float]:
        return {"value": at.phi, "q_min": float(at.q[0]), "y_min": float(at.x[0])}

    solved = refine(point, "jamming", k, guess, tolerance=tolerance)
    found = _answer(point, solved, read, solved[-1][2].q)
    if has_zero_overlap(point.model):  # x(q) begins at q = 0, which a grid of overlaps approaches slowly
        found.errors["q_min"] = max(found.errors["q_min"], found.numbers["q_min"])
    return found


def full_ground(point: Batch, k: int) -> Found | None:
    """Ground state above capacity: its energy from the functional, and as errors counted in the field distribution."""
    steps = [ground(point, j) for j in (k - 1, k)]
    if steps[0] is None or steps[1] is None:
        return None
    numbers, errors = {}, {}
    for name in ("energy", "counted", "x"):
        before, here = (s.numbers[name] for s in steps)  # type: ignore[union-attr]
        added = (here - before) / ((k / (k - 1)) ** STEPS_ORDER - 1)
        numbers[name], errors[name] = here + added, abs(added) + steps[1].errors[name]
    root = steps[1].root
    assert root is not None
    return Found(
        "frsb", "converged", "", "frsb", numbers, errors, root, steps[1].system, (root.at.q, root.at.m[1:], root.at)
    )


def marginality(at: Profile) -> float:
    """The smallest replicon along x(q): zero for the exact one, wherever it increases."""
    L = eigenvalues(np.diff(np.append(0.0, at.q)), np.append(0.0, at.x), at.last)
    moved = at.seen.fluctuations(at.tower)
    return float(np.min(1 - at.alpha * moved * L[: moved.size] ** 2))


def middles(system: Full, z: np.ndarray) -> np.ndarray:
    """log(1 - q) in the middle of each interval."""
    logs = system.log_gaps(z)
    if system.kind == "jamming":
        logs = np.append(logs, logs[-1] - LAST)
    return np.asarray(0.5 * (logs[:-1] + logs[1:]))


def refine(
    point: Batch,
    kind: str,
    k: int | None,
    guess: Callable[[Full], np.ndarray],
    modes: tuple[int, ...] = (0,),
    tolerance: float = TOLERANCE,
) -> list[Solved]:
    """Solutions on grids of k/4, k/2 and k intervals, or on ever finer ones until phi changes by less than `TARGET`."""
    grids = sorted({max(GRIDS[0], k // part) for part in PARTS}) if k else list(GRIDS)
    solved: list[Solved] = []
    for i, intervals in enumerate(grids):
        system = Full(point, intervals, kind, modes[min(i, len(modes) - 1)])
        start = guess(system) if not solved else _interpolated(solved[-1], system)
        z, at, gain = minimise(system, start, tolerance=tolerance)
        if not gain < ENDED * max(1.0, abs(at.phi)):
            raise ArithmeticError(f"x(q) on {system.k} intervals was not solved: a further step would gain {gain:.1e}")
        solved.append((system, z, at))
        if k is None and i >= 2 and abs(at.phi - solved[-2][2].phi) < TARGET * max(1.0, abs(at.phi)):
            break
    return solved


def _interpolated(coarser: Solved, system: Full) -> np.ndarray:
    """Start on a finer grid: the same modes, or log x against log(1 - q) without the last two intervals before q = 1."""
    old, z, _ = coarser
    new = np.concatenate([np.zeros(system.free), z[old.free :]])
    if system.modes:
        new[: old.free] = z[: old.free]
        return new
    drop = 2 if system.kind == "jamming" else 0
    x, y = middles(old, z)[: old.k - drop], z[: old.k - drop]
    middle = middles(system, new)
    new[: system.k] = np.interp(-middle, -x, y)
    beyond = middle < x[-1]
    new[: system.k][beyond] = y[-1] + (y[-1] - y[-3]) / (x[-1] - x[-3]) * (middle[beyond] - x[-1])
    if drop:
        new[system.k - 1] += 1.0
    return new


def _answer(point: Batch, solved: list[Solved], read: Callable[[Profile], Mapping[str, float]], q: np.ndarray) -> Found:
    system, z, profile = solved[-1]
    finer = Full(point, system.k, system.kind, system.modes, FINER_FIELDS).evaluate(z)
    coarse, fine, fields = read(solved[-2][2]), read(profile), read(finer)
    errors = {name: abs(fine[name] - coarse[name]) + abs(fields[name] - fine[name]) for name in fine}
    numbers = {**fine, "residual": float(np.abs(profile.gradient).max())}
    return Found("frsb", "converged", "", "frsb", numbers, errors, None, None, (q, profile.x, profile))
