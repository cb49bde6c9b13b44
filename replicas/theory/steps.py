"""`solve` with broken replica symmetry: points of an array one after another, each an answer with its own ansatz."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..models import Model, Tree
from ..numerics.rsb import Finite, Root, System, descend, newton
from ..numerics.saddle import Batch, make_batch
from ..progress import progress_bar
from ..results import BrokenPoint
from .ansatz import check_model_ansatz, check_parisi, check_steps
from .broken import Found, apart, broken, make_system, one_step, settled

AFTER = ("free_entropy", "entropy", "energy", "complexity", "residual")
SPLIT = ((0.8, 1.4, 0.85, 0.3), (0.7, 2.0, 0.9, 0.15), (0.9, 1.15, 0.6, 0.4), (0.97, 1.03, 0.6, 0.05))


def solve_broken(
    model: Model,
    alpha: Any,
    ansatz: str,
    k: Any = None,
    m: Any = None,
    *,
    kappa: Any = None,
    beta: Any = None,
) -> BrokenPoint:
    """Saddle point(s) in the ansatz 1rsb, krsb or frsb; arguments as in `solve`."""
    steps = check_steps(ansatz, k, m)
    check_model_ansatz(model, ansatz)
    given = check_parisi(m)
    if isinstance(model, Tree):
        from .tree_broken import check_size

        check_size(model)
    batch = make_batch(model, alpha, kappa, beta)
    try:
        shape = batch.shape if given is None else np.broadcast_shapes(batch.shape, given.shape)
    except ValueError:
        raise ValueError(
            f"m: got shape {given.shape} with parameters of shape {batch.shape}; takes shapes that broadcast"
        ) from None
    if shape != batch.shape:
        wide = {
            name: None if values is None else np.broadcast_to(values.reshape(batch.shape), shape)
            for name, values in (("alpha", batch.alpha), ("kappa", batch.kappa), ("beta", batch.beta))
        }
        fixed = not model.margin
        batch = make_batch(model, wide["alpha"], None if fixed else wide["kappa"], wide["beta"])
    parisi = [None] * batch.size if given is None else np.broadcast_to(given, shape).reshape(-1).tolist()
    found = []
    with progress_bar(batch.size, ansatz) as bar:
        for i in range(batch.size):
            found.append(answer(batch.take(np.array([i])), ansatz, steps, parisi[i]))
            bar.update()
    return assembled(batch, shape, found, ansatz, steps)


def answer(point: Batch, ansatz: str, steps: int | None, m: float | None) -> Found:
    """One point in an ansatz; never raises for a point that has no answer."""
    try:
        if isinstance(point.model, Tree):
            return _of_units(point.model, float(point.alpha[0]), m)
        if ansatz == "frsb":
            from .full import full

            return full(point, steps)
        first = one_step(point, m)
        return first if not steps or steps == 1 or first.root is None else more_steps(point, first, steps)
    except ArithmeticError as reason:
        return Found(ansatz, "not-converged", str(reason))


def _of_units(model: Tree, alpha: float, m: float | None) -> Found:
    """One step in a tree machine of several units."""
    from . import tree_broken

    if alpha == 0.0:
        return symmetric_answer(model)
    return tree_broken.one_step(model, alpha, m)


def symmetric_answer(model: Tree) -> Found:
    """Without patterns there is nothing to break."""
    from .broken import as_found, symmetric_point

    return as_found(symmetric_point(make_batch(model, 0.0)), "no patterns: replica symmetric")


def more_steps(point: Batch, first: Found, k: int) -> Found:
    """k steps from one: a step is added by splitting the innermost, and kept where it lowers phi."""
    root: Root = first.root  # type: ignore[assignment]
    system: System = first.system  # type: ignore[assignment]
    for steps in range(2, k + 1):
        deeper = make_system(point, steps, zero=system.zero)
        found = split(deeper, root)
        if found is None:
            last = broken(root, system, None)
            inside = last.numbers[f"replicon{steps - 1}"]
            text = f"a {steps}-step saddle was not reached from the one with {steps - 1}, whose innermost replicon is {inside:.3g}"
            return Found(last.ansatz, "converged", text, last.branch, last.numbers, last.errors, root, system)
        system, root = deeper, found
    return broken(root, system, None)


def split(system: System, coarser: Root) -> Root | None:
    """A root with one step more and lower phi."""
    at = coarser.at
    best: Root | None = None
    for low, high, share, inside in SPLIT:
        moved = inside * at.V
        c = np.append(at.c[:-1], [at.c[-1] * share, at.c[-1] * (1 - share) + moved])
        top = min(high * at.m[-1], 0.5 * (1 + at.m[-1]))
        m = np.append(at.m[1:-1], [max(low * at.m[-1], 0.5 * (at.m[-2] + at.m[-1])), top])
        y = system.pack(c, at.V - moved, m)
        if isinstance(system, Finite):
            near = _settled(system, y, m)
            if near is None:
                continue
            y = near
        else:
            y = descend(system, y, 60 * system.k, 1e-10)
        found = newton(system, y)
        if found is None or not found.converged or not apart(found.at):
            continue
        if isinstance(system, Finite) or found.at.phi < at.phi - 1e-13 * at.magnitude:
            best = found
            break
    return best


def _settled(system: Finite, y: np.ndarray, m: np.ndarray) -> np.ndarray | None:
    """The two sides of a finite set iterated into each other at given m, then the unknowns with m free."""
    fixed = make_system(system.point, system.k, m.tolist(), zero=system.zero)
    assert isinstance(fixed, Finite)
    start = np.delete(y, slice(system.outer, system.outer + system.k))
    z = settled(fixed, start)
    root = None if z is None else newton(fixed, z)
    return None if root is None or not apart(root.at) else system.pack(root.at.c, root.at.V, m)


def assembled(batch: Batch, shape: tuple[int, ...], found: list[Found], ansatz: str, steps: int | None) -> BrokenPoint:
    """The result of all points, in the shape asked for."""
    model = batch.model

    def out(values: list[Any], kind: Any = object) -> Any:
        if not shape:
            return values[0]
        array = np.empty(len(values), dtype=kind)
        array[:] = values
        return array.reshape(shape)

    def collected(values: list[float | None]) -> Any:
        if all(v is None for v in values):
            return None
        return out([np.nan if v is None else v for v in values], float) if shape else values[0]

    def number(name: str) -> Any:
        return collected([f.numbers.get(name) for f in found])

    def error(name: str) -> Any:
        return collected([f.errors.get(name) for f in found])

    names = _names(found, ansatz, steps)
    order = {key: number(name) for key, name in names.items()}
    errors = {key: error(name) for key, name in names.items()} | {name: error(name) for name in AFTER}
    profiles = [f.profile for f in found]
    if any(p is not None for p in profiles):
        order["q"] = out([None if p is None else p[0] for p in profiles])
        order["x"] = out([None if p is None else p[1] for p in profiles])

    def smallest(f: Found) -> tuple[float | None, float | None]:
        values = [(v, f.errors.get(key, 0.0)) for key, v in f.numbers.items() if key.startswith("replicon")]
        return min(values) if values else (None, None)

    errors["replicon"] = collected([smallest(f)[1] for f in found])
    stable = [_verdict(*smallest(f)) for f in found]
    return BrokenPoint(
        model=model,
        ansatz=out([f.ansatz for f in found]),
        alpha=batch.alpha.reshape(shape) if shape else float(batch.alpha[0]),
        kappa=None if not batch.model.margin else batch.kappa.reshape(shape) if shape else float(batch.kappa[0]),
        beta=None if batch.beta is None else batch.beta.reshape(shape) if shape else float(batch.beta[0]),
        order_parameters=order,
        **{name: number(name) for name in AFTER},
        replicon=collected([smallest(f)[0] for f in found]),
        stable=out(stable),
        branch=out([f.branch for f in found]),
        status=out([f.status for f in found]),
        message=out([f.message for f in found]),
        errors=errors,
        error=errors["free_entropy"],
        saddle=None if shape else found[0],
    )


def _verdict(replicon: float | None, error: float | None) -> bool | None:
    """Whether a replicon is positive; None where its error does not tell, as in a marginal state."""
    return None if replicon is None or abs(replicon) <= (error or 0.0) else replicon > 0


def _names(found: list[Found], ansatz: str, steps: int | None) -> dict[str, str]:
    """Key in the answer -> name in `Found`, for the order parameters that some point has."""
    k = steps if steps and ansatz != "frsb" else 1
    names = {f"q{j}": f"q{j}" for j in range(k + 1)}
    names |= {"m": "m1"} if k == 1 else {f"m{j}": f"m{j}" for j in range(1, k + 1)}
    if ansatz == "frsb":
        names = {"q_min": "q_min", "q_max": "q_max", "x_min": "x_min", "x_max": "x_max", "q0": "q0", "q1": "q1"}
    names |= {f"q_hat{j}": f"q_hat{j}" for j in range(k + 1)} if ansatz != "frsb" else {}
    names |= {"Q": "Q", "lam": "lam"} | {f"replicon{j}": f"replicon{j}" for j in range(k + 1)}
    have = {name for f in found for name, value in f.numbers.items() if value == value}
    kept = {key: name for key, name in names.items() if name in have or key in ("q0", "q1", "m")}
    if all(f.numbers.get("Q", 1.0) == 1.0 for f in found):
        kept.pop("Q", None)
    return kept
