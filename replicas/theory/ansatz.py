"""Ansatz, number of steps and Parisi parameter as arguments: what is accepted, in one place."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from ..cli.support import ANSATZES
from ..committees import Committee
from ..models import Discrete, Model, Perceptron, Tree
from ..numerics.saddle import check_model
from ..stochastic import StochasticPerceptron

MOST_STEPS = 8  # with every Parisi parameter free; beyond, the functional is too flat for double precision
GROUND_STEPS = 4  # whose energies full breaking extrapolates
MAX_DIGITS = 10_000
FEWEST_INTERVALS, MOST_INTERVALS = 8, 96  # of the profile x(q) of full breaking


ANSWERED = ("solve", "stability", "derive")  # of the stochastic perceptron
P = ParamSpec("P")
R = TypeVar("R")


def of_one_unit(question: Callable[Concatenate[Model, P], R]) -> Callable[Concatenate[Model, P], R]:
    """A question that a tree machine of one unit answers as the perceptron it is."""

    @functools.wraps(question)
    def asked(model: Model, *args: P.args, **options: P.kwargs) -> R:
        if not (isinstance(model, Tree | Committee) and model.K == 1):
            check_self_overlap(model)
            if isinstance(model, StochasticPerceptron) and question.__name__ not in ANSWERED:
                raise ValueError(f"model: got {model.describe()}; {question.__name__} takes another model (of this one: {', '.join(ANSWERED)})")
            return question(model, *args, **options)
        for name in ("kappa", "beta"):
            if options.get(name) is not None:
                raise ValueError(f"{name}: got {options[name]!r} with a tree machine; takes None")
        return relabelled(question(model.perceptron, *args, **options), model)

    return asked


def check_self_overlap(model: Model) -> None:
    """Refuse a stored tree of several units whose self-overlap is an unknown: its equations are derived, not yet evaluated."""
    if isinstance(model, Tree) and not model.teacher:
        if isinstance(model.weights, Discrete) and model.weights.fixed_norm is None:
            raise ValueError(
                f"weights: got {model.weights.name} with a tree machine that stores patterns, whose self-overlap is free; "
                "takes spherical weights, values of one size such as binary, or task teacher-student"
            )


def relabelled(result: Any, model: Model) -> Any:
    """A result, and the estimates it holds, as one of another model without a margin."""
    changes: dict[str, Any] = {"model": model}
    for field in dataclasses.fields(result):
        value = getattr(result, field.name)
        if field.name == "kappa":
            changes["kappa"] = None
        elif dataclasses.is_dataclass(value) and hasattr(value, "model") and field.name != "model":
            changes[field.name] = relabelled(value, model)
    return dataclasses.replace(result, **changes)


def units_refused(name: str, value: Any, why: str) -> ValueError:
    """What a tree machine of several units can not be asked for."""
    takes = {"certified": "False", "rule": "gibbs-bayes"}.get(name, "None")
    return ValueError(f"{name}: got {value!r} with a tree machine of several units ({why}); takes {takes}")


def asked_digits(wanted: int | None, certified: bool) -> tuple[str, Any]:
    """The argument by which digits were asked for."""
    return ("certified", True) if certified else ("digits", wanted)


def check_digits(digits: Any, certified: Any = False) -> int | None:
    """A number of digits, or None for double precision; a certified question has some by default."""
    if certified is not False:
        from .certificates import check_certified

        digits = check_certified(certified, digits)
    if digits is None:
        return None
    if isinstance(digits, bool) or not isinstance(digits, (int, np.integer)) or not 1 <= digits <= MAX_DIGITS:
        raise ValueError(f"digits: got {digits!r}; takes a whole number from 1 to {MAX_DIGITS}")
    return int(digits)


def check_one_field(model: Model, question: str) -> None:
    """Refuse a tree machine where a question is about the one field of a perceptron."""
    check_model(model)
    if not isinstance(model, Perceptron) and model.K > 1:
        raise ValueError(f"model: got {model.describe()}; {question} takes a perceptron")


def check_ansatz(ansatz: Any, takes: tuple[str, ...] = ("rs",)) -> str:
    """An ansatz that the question is answered in."""
    if ansatz not in ANSATZES:
        raise ValueError(f"ansatz: got {ansatz!r}; takes {', '.join(takes)}")
    if ansatz not in takes:
        raise ValueError(f"ansatz: got {ansatz!r}, in which this is not answered; takes {', '.join(takes)}")
    return str(ansatz)


def check_model_ansatz(model: Model, ansatz: str) -> None:
    """Whether the symmetry can break as asked in this model."""
    check_model(model)
    if ansatz == "rs":
        return
    if model.teacher:
        raise ValueError(
            f"ansatz: got {ansatz!r} with a Bayes-optimal teacher, whose replicas can not break their symmetry; takes rs"
        )
    if isinstance(model, Tree) and model.K > 1:
        if ansatz != "1rsb":
            raise ValueError(f"ansatz: got {ansatz!r} with a tree machine of several units; takes rs or 1rsb")
        if isinstance(model.weights, Discrete):
            raise ValueError(
                f"ansatz: got '1rsb' with {model.weights.name} weights of a tree machine; takes rs, or spherical weights"
            )
    if ansatz == "frsb" and isinstance(model.weights, Discrete):
        raise ValueError("ansatz: got 'frsb' with a finite weight set; takes spherical weights, or rs, 1rsb, krsb")


def check_steps(ansatz: str, k: Any, m: Any = None) -> int | None:
    """Number of steps (of intervals for full breaking; None: as many as it takes) that goes with an ansatz; 0 for rs."""
    if m is not None and ansatz != "1rsb":
        raise ValueError(f"m: got {m!r} with ansatz {ansatz}; takes it with 1rsb only")
    if ansatz == "rs":
        if k is not None:
            raise ValueError(f"k: got {k!r} with ansatz rs; takes it with krsb or frsb")
        return 0
    if k is None:
        return {"1rsb": 1, "krsb": 2, "frsb": None}[ansatz]
    low, high = {"1rsb": (1, 1), "krsb": (1, MOST_STEPS), "frsb": (FEWEST_INTERVALS, MOST_INTERVALS)}[ansatz]
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not low <= k <= high:
        span = "1" if low == high else f"a whole number from {low} to {high}"
        what = " intervals of the profile x(q)" if ansatz == "frsb" else " steps"
        raise ValueError(f"k: got {k!r} with ansatz {ansatz}; takes {span}{what if low != high else ''}")
    return int(k)


def check_parisi(m: Any) -> Any:
    """A given Parisi parameter (scalar or array) in (0, 1]; None for the thermodynamic one."""
    if m is None:
        return None
    try:
        values = np.asarray(m, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(
            f"m: got {m!r}; takes a Parisi parameter 0 < m <= 1, or None for the thermodynamic one"
        ) from None
    bad = ~((values > 0) & (values <= 1))
    if bad.any() or not values.size:
        got = values[bad].flat[0] if bad.any() else math.nan
        raise ValueError(f"m: got {got:g}; takes a Parisi parameter 0 < m <= 1, or None for the thermodynamic one")
    return values


def check_ground_steps(ansatz: str, k: Any) -> int:
    """Steps of a ground state: "frsb" extrapolates them."""
    if ansatz != "frsb":
        return check_steps(ansatz, k) or 0
    if k is None:
        return GROUND_STEPS
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 2 <= k <= MOST_STEPS:
        raise ValueError(
            f"k: got {k!r} with ansatz frsb; takes a whole number from 2 to {MOST_STEPS} of steps to extrapolate"
        )
    return int(k)
