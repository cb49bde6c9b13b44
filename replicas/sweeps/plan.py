"""What a sweep asks: its grid, cut into groups of points that one call can answer, each point with its key."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..cli.arguments import MAX_POINTS
from ..cli.questions import QUESTIONS
from ..models import Model, Weights
from ..progress import one_line
from ..results import describe
from .identity import OF_MODEL, keys, parameters, stand_for_fields
from .worker import Task

NOT_SWEPT = ("phase-diagram", "field-distribution")  # a diagram is a sweep of its own; a distribution belongs to one saddle point
ASKED = tuple(name for name in QUESTIONS if name not in NOT_SWEPT)
MODEL = "model"
MAX_ECHO = 80  # characters of a refused value worth repeating


@dataclass(frozen=True)
class Group:
    """The points of a grid that share a model and everything that is not a number.

    words : the values of the dimensions that make the group;  offset : where it begins in the grid
    """

    task: Task
    words: tuple[Any, ...]
    axes: Mapping[str, np.ndarray]
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @cached_property
    def points(self) -> dict[str, np.ndarray]:
        """Each parameter at every point, the last one fastest."""
        return {n: m.reshape(-1) for n, m in zip(self.axes, np.meshgrid(*self.axes.values(), indexing="ij"))}

    def keys(self) -> list[bytes]:
        """What each point is known by in a store."""
        return keys(self.task, self.axes)


    @cached_property
    def spoken_model(self) -> Any:
        """The model with what it is asked about: a field that is swept, or given beside it, is not the model's own."""
        model, ask = self.task.model, self.task.ask
        given = {n: v.tolist() for n, v in self.axes.items()} | dict(self.task.options)
        own = {n: given[n] for n in replaced(parameters(ask), model) if given.get(n) is not None} if isinstance(ask, str) else {}
        return with_fields(model, {n: v[0] if np.size(v) == 1 and np.ndim(v) else v for n, v in own.items()}) if own else model


@dataclass(frozen=True)
class Plan:
    """A sweep: its question, the dimensions of its grid in their order, and its groups."""

    quantity: str
    function: str | Callable[..., Any]
    dims: Mapping[str, tuple[Any, ...]]
    fixed: Mapping[str, Any]
    task: str  # what a store of it is of
    outer: tuple[str, ...]  # dimensions that make groups
    groups: tuple[Group, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(len, self.dims.values()))

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def order(self) -> tuple[int, ...]:
        """Axes that bring an array over groups and their own axes into the order of the grid."""
        inner = [n for n in self.dims if n not in self.outer]
        now = [*self.outer, *inner]
        return tuple(now.index(n) for n in self.dims)


def make_plan(quantity: Any, grid: Any, options: Mapping[str, Any]) -> Plan:
    """Check what was asked and cut it into groups."""
    if not isinstance(grid, Mapping) or not grid:
        raise ValueError(f"grid: got {grid!r}; takes a mapping of names to values, such as {{'model': m, 'alpha': [0.1, 0.2]}}")
    name, ask = _question(quantity)
    given = {**grid, **{k: v for k, v in options.items() if v is not None}}
    for n, v in grid.items():
        if hasattr(v, "__iter__") and not isinstance(v, (str, bytes, Mapping, Model, np.ndarray)) and np.ndim(v) == 0:
            raise ValueError(f"{n}: got a {type(v).__name__}, which has no order or is used up; takes one value, or a list or an array of them")
    if twice := set(grid) & set(options):
        raise ValueError(f"grid: got {', '.join(sorted(twice))} twice; takes each in the grid or as an option")
    dims = {n: _values(n, v) for n, v in given.items() if n in grid and _several(v)}
    fixed = {n: v.item() if isinstance(v, np.ndarray) and not v.ndim else v for n, v in given.items() if n not in dims}
    size = math.prod(map(len, dims.values()))
    if size > MAX_POINTS:
        raise ValueError(f"grid: got {size} points; takes at most {MAX_POINTS}")
    if callable(ask):
        _check_call(name, ask, given)
        return _cut(name, ask, dims, fixed, tuple(n for n in dims if _numbers(dims[n])), f"the function {name}")
    _check_names(name, ask, dims, fixed)
    return _cut(name, ask, dims, fixed, tuple(n for n in dims if n in QUESTIONS[name].swept and _numbers(dims[n])), name)


def _question(quantity: Any) -> tuple[str, str | Callable[..., Any]]:
    if callable(quantity):
        own = getattr(quantity, "__name__", type(quantity).__name__)
        module = getattr(quantity, "__module__", "") or ""
        spoken = own.replace("_", "-")
        if not (module.startswith("replicas.") and spoken in QUESTIONS):
            return own, quantity
        quantity = own  # rp.capacity is the question "capacity"
    spoken = str(quantity).replace("_", "-")
    if spoken not in ASKED:
        raise ValueError(f"quantity: got {quantity!r}; takes {', '.join(ASKED)}, or a function of one point")
    return spoken, spoken.replace("-", "_")


def _check_call(name: str, function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """A function that can be called with what is given."""
    try:
        called = inspect.signature(function)
    except (TypeError, ValueError):  # one of C
        return
    try:
        called.bind(**given)
    except TypeError as error:
        raise ValueError(f"quantity: got {name}{called} for {', '.join(given)} ({error}); takes a function of these") from None


def _several(value: Any) -> bool:
    return not isinstance(value, (str, bytes, Mapping, Model)) and hasattr(value, "__iter__") and np.ndim(value) > 0


def _values(name: str, value: Any) -> tuple[Any, ...]:
    if getattr(value, "ndim", 1) != 1:
        raise ValueError(f"{name}: got an array of {value.ndim} dimensions; takes one list of values for each dimension of the grid")
    values = tuple(value.tolist() if isinstance(value, np.ndarray) else value)
    if not values:
        raise ValueError(f"{name}: got no values; takes at least one")
    for v in values:
        if isinstance(v, (list, tuple, np.ndarray)):
            raise ValueError(f"{name}: got values inside values; takes one list for each dimension of the grid")
        if isinstance(v, float) and math.isnan(v):
            raise ValueError(f"{name}: got nan; takes numbers")
    if len({v if _numbers((v,)) else repr(v) for v in values}) < len(values):
        raise ValueError(f"{name}: got a value twice; takes distinct values")
    return values


def _numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in values)


def _check_names(name: str, ask: str, dims: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
    models: tuple[Any, ...] = dims.get(MODEL) or (fixed.get(MODEL),)
    if wrong := [m for m in models if not isinstance(m, Model)]:
        raise ValueError(f"model: got {one_line(repr(wrong[0]))[:MAX_ECHO]}; takes a model, or several in the grid")
    for n, m in itertools.product(OF_MODEL, models):
        own = getattr(m, n, None)
        if n not in dims and n not in fixed and isinstance(own, tuple):
            raise ValueError(f"{n}: got a model with {len(own)} values; takes one: put several into the grid")
    taken = [n for n in parameters(ask) if n != "progress"]
    fields = _fields(models[0])
    for given in (*dims, *fixed):
        if given not in taken and given not in fields:
            raise ValueError(f"grid: got {given!r}; takes {', '.join(taken)} of {name}, or {', '.join(fields)} of the model")
    for n, v in fixed.items():
        if _several(v):
            raise ValueError(f"{n}: got {len(v)} values as an option; takes one: put several into the grid")
    if "all" in (fixed.get("branch"), *dims.get("branch", ())):
        raise ValueError("branch: got 'all'; takes one branch a point: put several into the grid")


def _cut(
    name: str, ask: str | Callable[..., Any], dims: Mapping[str, tuple[Any, ...]], fixed: Mapping[str, Any], inner: Sequence[str], task: str
) -> Plan:
    outer = tuple(n for n in dims if n not in inner)
    axes = {n: np.array(dims[n]) for n in dims if n in inner}
    shape = tuple(v.size for v in axes.values())
    groups: list[Group] = []
    for words in itertools.product(*(dims[n] for n in outer)):
        task_of = _task(ask, {**fixed, **dict(zip(outer, words))}, axes)
        groups.append(Group(task_of, words, axes, shape, len(groups) * math.prod(shape)))
    return Plan(name, ask, dims, fixed, task, outer, tuple(groups))


def _task(ask: str | Callable[..., Any], given: dict[str, Any], axes: Mapping[str, np.ndarray]) -> Task:
    model = given.pop(MODEL, None)
    if not isinstance(ask, str):
        return Task(ask, model, tuple(given.items()))
    own = parameters(ask)
    of_model = {n: v for n, v in given.items() if n not in own}
    if "beta" in {*given, *axes} & {*replaced(own, model)} and model.beta is None:  # only a model with a beta counts errors
        beta = float(axes["beta"][0]) if "beta" in axes else given["beta"]
        of_model |= {} if beta is None else {"beta": beta}
    if of_model:
        model = with_fields(model, of_model)
    return Task(ask, model, tuple((n, v) for n, v in given.items() if n in own))


def replaced(taken: Iterable[str], model: Any) -> list[str]:
    """Fields of the model for which a question that takes these parameters is given others."""
    return stand_for_fields(taken, _fields(model))


def with_fields(model: Any, values: Mapping[str, Any]) -> Any:
    """The model with other fields."""
    return type(model)(**{**{n: getattr(model, n) for n in _fields(model)}, **values})


def _fields(model: Any) -> list[str]:
    """What a model is made of."""
    return list(inspect.signature(type(model)).parameters) if isinstance(model, Model) else []


def label(value: Any) -> Any:
    """A value of a dimension as a coordinate."""
    if isinstance(value, Model):
        return describe(value)
    if isinstance(value, Weights) and getattr(value, "probabilities", None) is None:
        return value.name
    return value if isinstance(value, (int, float, str)) else repr(value)


def coordinates(dims: Mapping[str, tuple[Any, ...]]) -> Iterator[tuple[str, list[Any]]]:
    """Dimensions with their values as coordinates, distinct ones."""
    for name, values in dims.items():
        labels = [label(v) for v in values]
        yield name, labels if len(set(labels)) == len(labels) else list(map(repr, values))
