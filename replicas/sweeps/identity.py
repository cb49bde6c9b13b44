"""What a point is known by in a store: its question, and everything its answer depends on, in canonical words.

Two values have the same words where they are equal: numbers by value (0 is 0.0), arrays by all their bytes, objects by their class and
state, functions by what they compute: code, defaults and what they refer to outside of themselves. What belongs to an installed package is
known by its name. What cannot be put into words is refused: a store that took it for something else would give wrong numbers.
"""

from __future__ import annotations

import copyreg
import dataclasses
import dis
import functools
import hashlib
import inspect
import itertools
import os
import sys
import sysconfig
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..exact import Exact
from .worker import Task

OF_MODEL = ("kappa", "beta", "q_star")  # fields of a model for which a question's parameter of that name stands
OF_REFERENCE = ("beta", "q_star")  # where it takes both, and a reference, they are those of the reference
NOT_TOLD = ("model", "progress")  # parameters of a question that are told apart, and that decide no number
PATHS = (*(sysconfig.get_path(n) for n in ("stdlib", "platstdlib", "purelib", "platlib")), str(Path(__file__).parents[1]))
ROOTS = tuple({os.path.realpath(path) for path in PATHS})  # of installed packages, and of this one
CODE = ("co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_argcount", "co_kwonlyargcount", "co_flags", "co_exceptiontable")
OWN = ("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__firstlineno__", "__static_attributes__", "__annotations__")


def keys(task: Task, axes: Mapping[str, np.ndarray]) -> list[bytes]:
    """A hash for every point over ``axes``, the last one fastest: whatever is fixed and whatever is swept, in any order.

    Raises
    ------
    ValueError : a function, or an option, that cannot be put into words.
    """
    tell = _Teller()
    model, given = task.model, {n: v for n, v in task.options if v is not None}
    taken = parameters(task.ask)
    values = {n: p.default for n, p in taken.items() if p.default is not p.empty and n not in NOT_TOLD} | given
    if isinstance(task.ask, str):
        fields = {f.name: getattr(model, f.name) for f in dataclasses.fields(model)}
        for name in stand_for_fields(taken, fields):  # that of the model, and the same given as a parameter, are one point
            own = fields.pop(name)
            values[name] = own if values[name] is None else values[name]
        model = (type(model), fields)
    words = [f"ask {tell(task.ask)}", f"model {tell(model)}", *(f"{n} {tell(v)}" for n, v in values.items() if n not in axes)]
    columns = [[f"{n} {tell(v)}" for v in axis.tolist()] for n, axis in axes.items()]
    return [_hash("\n".join(sorted((*words, *point))).encode()) for point in itertools.product(*columns)]


def parameters(ask: str | Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What a question, or a function that tells it, takes."""
    import replicas

    try:
        return inspect.signature(getattr(replicas, ask) if isinstance(ask, str) else ask).parameters
    except (TypeError, ValueError):  # one of C
        return {}


def stand_for_fields(taken: Iterable[str], fields: Iterable[str]) -> list[str]:
    """Which parameters of a question are given in the place of fields of its model."""
    apart = OF_REFERENCE if {"reference", *OF_REFERENCE} <= set(taken) else ()
    return [n for n in OF_MODEL if n in taken and n in fields and n not in apart]


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


class _Teller:
    """Values in words. An object is told once; one that holds itself is told there by how deep it stands."""

    def __init__(self) -> None:
        self.told: dict[int, tuple[Any, str]] = {}  # with the object, whose place in memory is not used again
        self.above: dict[int, int] = {}

    def __call__(self, value: Any) -> str:
        if (plain := _plain(value)) is not None:
            return plain
        at = id(value)
        if at in self.told:
            return self.told[at][1]
        if at in self.above:
            return f"above {self.above[at]}"
        self.above[at] = len(self.above)
        try:
            words = _hash("\n".join(self._parts(value)).encode()).hex()
        finally:
            del self.above[at]
        self.told[at] = (value, words)
        return words

    def _parts(self, value: Any) -> Iterator[str]:
        """What makes a value that is not plain."""
        kind = type(value)
        if isinstance(value, np.ndarray) and value.dtype.kind != "O":
            yield f"array {value.dtype.str} {value.shape} {_hash(np.ascontiguousarray(value).tobytes()).hex()}"
        elif kind in (list, tuple) or isinstance(value, np.ndarray):
            yield from ("list", *map(self, value))
        elif kind is dict:
            yield from ("dict", *sorted(f"{self(k)} {self(v)}" for k, v in value.items()))
        elif kind in (set, frozenset):
            yield from ("set", *sorted(map(self, value)))
        elif isinstance(value, types.CodeType):
            yield from ("code", *(repr(getattr(value, n, None)) for n in CODE))
            yield from (f"{type(c).__name__} {self(c)}" for c in value.co_consts)  # there 1 and 1.0 are two things
        elif isinstance(value, types.FunctionType):
            yield from self._function(value)
        elif isinstance(value, types.MethodType):
            yield from ("method", self(value.__func__), self(value.__self__))
        elif isinstance(value, types.BuiltinFunctionType):
            yield f"builtin {value.__module__} {value.__qualname__}"
            if value.__self__ is not None and not isinstance(value.__self__, types.ModuleType):
                yield self(value.__self__)
        elif isinstance(value, type):
            yield from self._class(value)
        elif isinstance(value, functools.partial):
            yield from ("partial", self(value.func), self(value.args), self(value.keywords))
        elif isinstance(value, property):
            yield from ("property", self(value.fget), self(value.fset))
        elif (inner := getattr(value, "__wrapped__", getattr(value, "py_func", None))) is not None:  # cached, compiled, static
            yield from (f"wrapped {kind.__module__} {kind.__qualname__}", self(inner))
        elif dataclasses.is_dataclass(value) and kind.__hash__ not in (None, object.__hash__):  # a value: no state beside its fields
            yield from ("value", self(kind), *(f"{f.name} {self(getattr(value, f.name))}" for f in dataclasses.fields(value)))
        else:
            yield from self._state(value)

    def _function(self, value: Any) -> Iterator[str]:
        cells = dict(zip(value.__code__.co_freevars, value.__closure__ or ()))
        if _installed(value.__code__.co_filename):
            yield f"function {value.__module__} {value.__qualname__}"
        else:
            yield from ("function", self(value.__code__), self(value.__defaults__), self(value.__kwdefaults__))
            outside = value.__globals__
            yield from (f"{n} {self(outside[n])}" for n in sorted(set(_names(value.__code__))) if n in outside)
        for name, cell in cells.items():
            try:
                inside = cell.cell_contents
            except ValueError:  # still empty
                continue
            yield f"{name} {self(inside)}"

    def _class(self, value: type) -> Iterator[str]:
        file = getattr(sys.modules.get(value.__module__), "__file__", None)
        yield f"class {value.__qualname__}"
        if value.__module__ != "__main__" and (file is None or _installed(file)) and value.__module__ in sys.modules:
            yield value.__module__
            return
        yield from map(self, value.__bases__)
        members = {n: getattr(v, "__func__", v) for n, v in vars(value).items() if n not in OWN}
        told = (types.FunctionType, property, type)
        yield from (f"{n} {self(v)}" for n, v in sorted(members.items()) if isinstance(v, told) or _plain(v) is not None)

    def _state(self, value: Any) -> Iterator[str]:
        """An object as it would be pickled."""
        try:
            registered = copyreg.dispatch_table.get(type(value))
            how: Any = registered(value) if registered else value.__reduce_ex__(4)
        except Exception as error:
            what = f"a {type(value).__module__}.{type(value).__qualname__} among what the answer depends on"
            raise ValueError(f"store: got {what}, which cannot be told from another; takes functions and options made of plain data") from error
        if isinstance(how, str):
            yield f"{type(value).__module__} {how}"
            return
        maker, given, *more = how
        state, items, pairs = (*more, None, None, None)[:3]
        yield from ("object", *map(self, (type(value), maker, given, state, list(items or ()), list(pairs or ()))))


def _plain(value: Any) -> str | None:
    """Words of what needs no hash."""
    if value is None or value is ... or isinstance(value, (str, bytes, bool, np.bool_)):
        return repr(bool(value) if isinstance(value, np.bool_) else value)
    if isinstance(value, Exact):
        return str(value.exact)
    if isinstance(value, int) and abs(value) >= 2**53:
        return repr(value)
    if isinstance(value, (int, float, np.integer, np.floating)):
        return repr(float(value) + 0.0)  # no -0.0
    if isinstance(value, (complex, np.complexfloating)):
        return repr(complex(value))
    if isinstance(value, types.ModuleType):
        file = getattr(value, "__file__", None)
        own = "" if file is None or _installed(file) else _hash(Path(file).read_bytes()).hex()
        return f"module {value.__name__} {own}"
    return None


def _names(code: types.CodeType) -> Iterator[str]:
    """Names that a code and those inside of it look up outside."""
    yield from (step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from _names(part)


@functools.cache
def _installed(file: str) -> bool:
    """Whether a source file is of Python, of an installed package or of this one."""
    if file.startswith("<"):
        return file.startswith("<frozen")
    path = os.path.realpath(file)
    return any(path.startswith(root + os.sep) for root in ROOTS)
