r"""Beyond capacity: the smallest number of errors.

Spherical weights, T = 0 limit of the replica-symmetric saddle (x = beta(1-q), X = sqrt(2x)):
1 = alpha E[d^2; d < X] with d the distance of the field to satisfaction, error fraction P(d > X) (unstable, a lower bound).

Finite weight sets freeze: phi_1RSB(beta, m) = phi_RS(m beta)/m with q1 = 1, so the ground-state energy is the RS energy at
the beta_c where the RS entropy vanishes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..cli.support import ANSATZES
from ..models import Likelihood, Model, Perceptron, Spherical
from ..numerics.saddle import Batch, check_model, make_batch
from ..progress import progress_bar
from ..results import Result
from .ansatz import check_ansatz, check_ground_steps, check_model_ansatz, check_one_field, of_one_unit
from .branches import thermodynamic
from .capacity import _special, default_criterion, plain, threshold
from .columns import Columns

HOT, COLD = 1e-3, 60.0  # inverse temperatures between which the freezing point is sought
LOG_STEP = 1e-4  # of log beta, for the slopes that carry its error
WIDEST = 60.0  # largest sqrt(2x) sought: fields beyond have no weight


@dataclass(frozen=True, eq=False, kw_only=True)
class GroundState(Result):
    """Minimal errors per weight (energy) and per pattern (error_fraction) at a load.

    ``counted`` is the energy once more, as the errors in the field distribution (broken symmetry): equal to it at the saddle.
    """

    quantity: ClassVar[str] = "ground-state"
    inputs: ClassVar[tuple[str, ...]] = ("alpha", "kappa")
    computed: ClassVar[tuple[str, ...]] = ("energy", "error_fraction", "beta_c", "counted")
    labels: ClassVar[tuple[str, ...]] = ("criterion", "order_parameters", "stable")
    headline: ClassVar[str] = "energy"

    alpha: Any
    kappa: Any = None
    energy: Any = None
    error_fraction: Any = None
    beta_c: Any = None
    counted: Any = None
    order_parameters: Mapping[str, Any] = field(default_factory=dict)
    criterion: Any = None
    stable: Any = None

    def _point(self) -> dict[str, Any]:
        out = {"ansatz": self.ansatz, **super()._point()}
        return {
            n: v
            for n, v in out.items()
            if not (n == "counted" and v is None) and not (n == "order_parameters" and not v)
        }


@of_one_unit
def ground_state(
    model: Model, alpha: Any, ansatz: str = "rs", *, kappa: Any = None, k: int | None = None
) -> GroundState:
    """Smallest number of errors at load(s) alpha: zero up to capacity, positive beyond.

    Parameters
    ----------
    model : storage model with hard constraints and a named likelihood (its violations are what is counted).
    alpha : load(s) >= 0.  kappa : margin(s) overriding the model's.
    ansatz : "rs"; for spherical weights also "1rsb", "krsb" with ``k`` steps (default 2), and "frsb", which extrapolates
        k - 1 and k steps (default 4). Each is a lower bound that rises with the steps. Finite sets freeze: one step is exact
        and its energy the one that "rs" reports too.

    Returns
    -------
    GroundState with energy (errors per weight), error_fraction (per pattern), beta_c (finite sets), stable (replicon of
    the state it comes from; False for spherical weights beyond capacity, where the RS value is a lower bound).
    """
    check_ansatz(ansatz, ANSATZES)
    check_one_field(model, "a ground state")
    steps = check_ground_steps(ansatz, k)
    check_model(model)
    if not model.teacher:
        check_model_ansatz(model, ansatz)
    if model.teacher or model.beta is not None or isinstance(model.likelihood, Likelihood):
        what = (
            "task teacher-student"
            if model.teacher
            else "a finite beta"
            if model.beta is not None
            else "a user-defined likelihood"
        )
        raise ValueError(f"model: got {what}; takes storage with hard constraints (threshold or window, beta None)")
    if not isinstance(model.weights, Spherical) and model.weights.probabilities is not None:
        raise ValueError(
            "weights: got given probabilities; takes counting measure, whose entropy tells where it freezes"
        )
    batch = make_batch(model, alpha, kappa)
    if ansatz != "rs" and isinstance(model.weights, Spherical):
        return _broken(batch, ansatz, steps)
    limits = threshold(batch, default_criterion(model))
    size = batch.size
    energy, error = np.zeros(size), np.zeros(size)
    fraction, d_fraction = np.zeros(size), np.zeros(size)
    beta_c, d_beta = np.full(size, np.nan), np.full(size, np.nan)
    stable = np.asarray(limits["replicon"] >= -1e-12)
    ok = np.ones(size, dtype=bool)
    below = np.where(
        stable, "below capacity: no errors", "below the RS capacity, which replica symmetry breaking lowers"
    )
    message = below.astype(object)
    for i in range(size):
        if batch.alpha[i] <= limits["value"][i]:
            continue
        message[i] = ""
        point = batch.take(np.array([i]))
        found = _spherical(point) if isinstance(model.weights, Spherical) else _frozen(point)
        if found is None:
            ok[i], energy[i], fraction[i] = False, np.nan, np.nan
            message[i] = (
                "no freezing temperature found"
                if not isinstance(model.weights, Spherical)
                else "the T = 0 equation was not solved"
            )
            continue
        energy[i], error[i], beta_c[i], d_beta[i], stable[i] = found
        fraction[i], d_fraction[i] = energy[i] / batch.alpha[i], error[i] / batch.alpha[i]
    has_beta = np.isfinite(beta_c).any()
    criterion = (
        "T -> 0 limit of the RS saddle"
        if isinstance(model.weights, Spherical)
        else "frozen: RS energy where the RS entropy vanishes"
    )
    return GroundState(
        model=model,
        ansatz=batch.out(np.where(energy > 0, "rs" if ansatz == "rs" else "1rsb", "rs").astype(object)),
        alpha=batch.out(batch.alpha),
        kappa=batch.out(batch.kappa) if model.margin else None,
        energy=batch.out(energy),
        error=batch.out(error),
        error_fraction=batch.out(fraction),
        beta_c=batch.out(beta_c) if has_beta else None,
        criterion=criterion,
        stable=batch.out(stable),
        errors={
            "energy": batch.out(error),
            "error_fraction": batch.out(d_fraction),
            "beta_c": batch.out(d_beta) if has_beta else None,
        },
        status=batch.out(np.where(ok, "converged", "not-converged").astype(object)),
        message=batch.out(message),
    )


def _broken(batch: Batch, ansatz: str, steps: int) -> GroundState:
    """Spherical weights: the T -> 0 limit with broken symmetry above the capacity, zero below."""
    found = []
    with progress_bar(batch.size, f"ground state {ansatz}") as bar:
        for i in range(batch.size):
            found.append(_lowest(batch.take(np.array([i])), ansatz, steps))
            bar.update()

    def column(name: str, errors: bool = False) -> Any:
        return batch.out(np.array([(f.errors if errors else f.numbers).get(name, np.nan) for f in found]))

    names = [
        n for n in dict.fromkeys(n for f in found for n in f.numbers) if n not in ("energy", "counted", "residual")
    ]
    keys = {n: {"w1": "w"}.get(n, n) if steps == 1 else n for n in names}
    energy, error = column("energy"), column("energy", True)
    beyond = [f.numbers.get("energy", np.nan) > 0 for f in found]
    return GroundState(
        model=batch.model,
        ansatz=batch.out(np.array([f.ansatz for f in found], dtype=object)),
        alpha=batch.out(batch.alpha),
        kappa=batch.out(batch.kappa) if batch.model.margin else None,
        energy=energy,
        error=error,
        error_fraction=energy / batch.out(np.maximum(batch.alpha, 1e-300)),
        counted=column("counted") if any(beyond) else None,
        order_parameters={keys[n]: column(n) for n in names},
        criterion="T -> 0 limit of the saddle",
        stable=batch.out(np.array([None if ansatz == "frsb" else False if b else None for b in beyond], dtype=object)),
        errors={
            "energy": error,
            "error_fraction": error / batch.out(np.maximum(batch.alpha, 1e-300)),
            "counted": column("counted", True) if any(beyond) else None,
            **{keys[n]: column(n, True) for n in names},
        },
        status=batch.out(np.array([f.status for f in found], dtype=object)),
        message=batch.out(np.array([f.message for f in found], dtype=object)),
    )


def _lowest(point: Batch, ansatz: str, steps: int) -> Any:
    """The ground state of one spherical point."""
    from .broken import Found
    from .full import full_ground
    from .jamming import ground, one_limit

    try:
        end = one_limit(point, 1)
        if end.status == "diverges" or point.alpha[0] <= end.numbers["value"]:
            symmetric = end.ansatz == "rs"
            text = "below capacity: no errors" if symmetric else "below the 1RSB capacity, which further steps lower"
            return Found("rs" if symmetric else "1rsb", "converged", text, "", {"energy": 0.0}, {"energy": 0.0})
        found = full_ground(point, steps) if ansatz == "frsb" else ground(point, steps)
        return found or Found(ansatz, "not-converged", "no ground state with broken symmetry was reached")
    except ArithmeticError as reason:
        return Found(ansatz, "not-converged", str(reason))


def _spherical(point: Batch) -> tuple[float, float, float, float, bool] | None:
    from scipy.optimize import brentq

    condition, fraction = _limit(plain(point.model))
    alpha, kappa = float(point.alpha[0]), float(point.kappa[0])

    def f(log_x: float) -> float:
        return float(condition(math.exp(log_x), alpha, kappa))

    low, high = math.log(1e-8), math.log(WIDEST)
    if not f(low) * f(high) < 0:
        return None
    root = brentq(f, low, high, xtol=1e-15, rtol=8.9e-16)
    h = 1e-5
    slope = (f(root + h) - f(root - h)) / (2 * h)
    X = math.exp(root)
    eps = float(fraction(X, alpha, kappa))
    moved = (float(fraction(X * math.exp(h), alpha, kappa)) - float(fraction(X * math.exp(-h), alpha, kappa))) / (2 * h)
    d_root = (abs(f(root)) + 8e-16 * (1 + alpha)) / abs(slope)
    return alpha * eps, alpha * (abs(moved) * d_root + 8e-16 * eps + 1e-16), math.nan, math.nan, False


def _limit(model: Model) -> Any:
    """NumPy functions of the ground-state scaling of the derived functional."""
    import sympy as sp

    from ..symbolic import limits
    from ..symbolic import symbols as S
    from ..symbolic.rs import functional

    found = functional(model).limit("ground-state").observables
    args = [limits.X, S.alpha, S.kappa]
    return tuple(sp.lambdify(args, found[k], [_special(), "numpy"]) for k in ("condition", "error_fraction"))


def freezing(model: Model, alpha: float, kappa: float) -> tuple[float, float] | None:
    """(beta_c, error) at which the RS entropy of a finite set vanishes; None if it does not in the range that is sought."""
    from scipy.optimize import brentq

    hot = Perceptron(model.weights, kappa, model.likelihood, beta=1.0)

    def columns(log_beta: Any) -> Columns:
        return thermodynamic(make_batch(hot, alpha, beta=np.exp(np.atleast_1d(log_beta))))

    grid = np.linspace(math.log(HOT), math.log(COLD), 60)
    entropy = columns(grid).number["entropy"]
    sign = np.flatnonzero((entropy[:-1] > 0) & (entropy[1:] <= 0))
    if not sign.size:
        return None
    k = int(sign[0])
    root = brentq(lambda b: columns(b).number["entropy"][0], grid[k], grid[k + 1], xtol=1e-15, rtol=8.9e-16)
    at = columns(root)
    pair = columns(np.array([root - LOG_STEP, root + LOG_STEP]))
    slope = (pair.number["entropy"][1] - pair.number["entropy"][0]) / (2 * LOG_STEP)
    d_root = (at.error["entropy"][0] + abs(at.number["entropy"][0])) / abs(slope)
    return math.exp(root), math.exp(root) * float(d_root + 1e-15)


def _frozen(point: Batch) -> tuple[float, float, float, float, bool] | None:
    """Energy, its error, freezing temperature, its error, and whether the RS saddle is stable there."""
    model, alpha, kappa = point.model, float(point.alpha[0]), float(point.kappa[0])
    found = freezing(model, alpha, kappa)
    if found is None:
        return None
    beta, error = found
    hot = Perceptron(model.weights, kappa, model.likelihood, beta=1.0)
    moved = thermodynamic(make_batch(hot, alpha, beta=beta * np.exp([0.0, -LOG_STEP, LOG_STEP])))
    energy = moved.number["energy"]
    steep = abs(energy[2] - energy[1]) / (2 * LOG_STEP)
    d_energy = float(moved.error["energy"][0] + steep * error / beta)
    return float(energy[0]), d_energy, beta, error, bool(moved.number["replicon"][0] > 0)
