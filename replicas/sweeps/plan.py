"""What a sweep asks: its grid, cut into groups of points that one call can answer, each point with its key."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..cli.arguments import MAX_POINTS
from ..cli.questions import QUESTIONS
from ..models import Model
from ..results import describe
from .store import key, task_words
from .worker import Task

NOT_SWEPT = ("phase-diagram", "field-distribution")  # a diagram is a sweep of its own; a distribution belongs to one saddle point
ASKED = tuple(name for name in QUESTIONS if name not in NOT_SWEPT)
MODEL = "model"


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
        """What each point is known by: its model, its options and its parameters."""
        head = repr(self.task.model) + repr(self.task.options)
        names = " ".join(self.points)
        if not names:
            return [key(head)]
        values = zip(*(v.tolist() for v in self.points.values()))
        return [key(f"{head} {names} {value}") for value in values]


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
    if twice := set(grid) & set(options):
        raise ValueError(f"grid: got {', '.join(sorted(twice))} twice; takes each in the grid or as an option")
    dims = {n: _values(n, v) for n, v in given.items() if n in grid and _several(v)}
    fixed = {n: v for n, v in given.items() if n not in dims}
    size = math.prod(map(len, dims.values()))
    if size > MAX_POINTS:
        raise ValueError(f"grid: got {size} points; takes at most {MAX_POINTS}")
    if callable(ask):
        source = _source(ask)
        return _cut(name, ask, dims, fixed, {n: None for n in dims if _numbers(dims[n])}, f"{name} {source}")
    vector = {n for n in QUESTIONS[name].swept if n in dims and _numbers(dims[n])}
    _check_names(name, ask, dims, fixed)
    words = {n: v for n, v in fixed.items() if n != MODEL and n in _parameters(ask)}
    return _cut(name, ask, dims, fixed, dict.fromkeys(n for n in dims if n in vector), task_words(name, words))


def _question(quantity: Any) -> tuple[str, str | Callable[..., Any]]:
    if callable(quantity):
        own = getattr(quantity, "__name__", type(quantity).__name__)
        module = getattr(quantity, "__module__", "") or ""
        spoken = own.replace("_", "-")
        if module.startswith("replicas.") and spoken in ASKED:  # rp.capacity is the question "capacity"
            return spoken, own
        return own, quantity
    spoken = str(quantity).replace("_", "-")
    if spoken not in ASKED:
        raise ValueError(f"quantity: got {quantity!r}; takes {', '.join(ASKED)}, or a function of one point")
    return spoken, spoken.replace("-", "_")


def _source(function: Callable[..., Any]) -> str:
    """What tells a user's function from another of its name."""
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        text = repr(getattr(function, "__qualname__", type(function)))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


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
    if len(set(map(repr, values))) < len(values):
        raise ValueError(f"{name}: got a value twice; takes distinct values")
    return values


def _numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in values)


def _parameters(ask: str) -> Mapping[str, inspect.Parameter]:
    import replicas

    return inspect.signature(getattr(replicas, ask)).parameters


def _check_names(name: str, ask: str, dims: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
    models = dims.get(MODEL) or (fixed[MODEL],) if MODEL in dims or MODEL in fixed else ()
    if not models or not all(isinstance(m, Model) for m in models):
        raise ValueError(f"model: got {models[0] if models else None!r}; takes a model, or several in the grid")
    own = [n for n in _parameters(ask) if n != "progress"]
    fields = list(inspect.signature(type(models[0])).parameters)
    for given in (*dims, *fixed):
        if given not in own and given not in fields:
            raise ValueError(f"grid: got {given!r}; takes {', '.join(own)} of {name}, or {', '.join(fields)} of the model")
    if "all" in (fixed.get("branch"), *dims.get("branch", ())):
        raise ValueError("branch: got 'all'; takes one branch a point: put several into the grid")


def _cut(
    name: str, ask: str | Callable[..., Any], dims: Mapping[str, tuple[Any, ...]], fixed: Mapping[str, Any], inner: Mapping[str, Any], task: str
) -> Plan:
    outer = tuple(n for n in dims if n not in inner)
    axes = {n: np.array(dims[n]) for n in dims if n in inner}
    shape = tuple(v.size for v in axes.values())
    groups: list[Group] = []
    for words in itertools.product(*(dims[n] for n in outer)):
        task_of = _task(ask, {**fixed, **dict(zip(outer, words))})
        groups.append(Group(task_of, words, axes, shape, len(groups) * math.prod(shape)))
    return Plan(name, ask, dims, fixed, task, outer, tuple(groups))


def _task(ask: str | Callable[..., Any], given: dict[str, Any]) -> Task:
    model = given.pop(MODEL, None)
    if not isinstance(ask, str):
        return Task(ask, model, tuple(given.items()))
    own = _parameters(ask)
    of_model = {n: v for n, v in given.items() if n not in own}
    if of_model:
        fields = {n: getattr(model, n) for n in inspect.signature(type(model)).parameters}
        model = type(model)(**{**fields, **of_model})
    return Task(ask, model, tuple((n, v) for n, v in given.items() if n in own))


def label(value: Any) -> Any:
    """A value of a dimension as a coordinate."""
    if isinstance(value, Model):
        return describe(value)
    return value if isinstance(value, (int, float, str)) else json.dumps(value, default=repr)


def coordinates(dims: Mapping[str, tuple[Any, ...]]) -> Iterator[tuple[str, list[Any]]]:
    """Dimensions with their values as coordinates, distinct ones."""
    for name, values in dims.items():
        labels = [label(v) for v in values]
        yield name, labels if len(set(labels)) == len(labels) else list(map(repr, values))
