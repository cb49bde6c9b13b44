"""Models named on the command line: their flags, what goes with which architecture, and one model for every swept K."""

from __future__ import annotations

import argparse
import math
from typing import Any

from .arguments import Once, Values, choice
from .support import ANSATZES, MACHINES, MODELS

UNITS = {"tree-committee": 3, "tree-parity": 2, "committee": 2}  # unless --K says otherwise
ELSEWHERE = {  # flags of one architecture that mean nothing in the other, and why
    "kappa": "whose units have no margin",
    "beta": "whose units have no noise",
    "likelihood": "whose constraint is its output",
    "K": "which is one unit",
    "activation": "which is one unit",
}


def model_flags(parser: argparse.ArgumentParser, sweeps: bool = True) -> None:
    """The flags that name a model; ``sweeps``: whether several values of K are a sweep."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model", action=Once, default="perceptron", help=f"{', '.join(MODELS)} (default perceptron): architecture"
    )
    group.add_argument(
        "--weights", action=Once, default="binary", help="binary (default), spherical, ternary or discrete:V1,V2,..."
    )
    group.add_argument(
        "--likelihood",
        action=Once,
        default="threshold",
        help="of a perceptron: threshold u >= kappa (default) or window |u| <= kappa",
    )
    several = "; several values or start:stop:step make a sweep" if sweeps else ""
    group.add_argument(
        "--K",
        action=Once,
        nargs="+",
        metavar="X",
        help="hidden units: odd or inf for tree-committee (default 3), any number for tree-parity (default 2), any or inf for "
        f"committee (default 2){several}",
    )
    group.add_argument(
        "--activation",
        action=Once,
        default="sign",
        help="of the units: sign (default); of a tree-committee with K inf also relu, erf, tanh, quadratic",
    )
    group.add_argument("--task", action=Once, default="storage", help="storage (default) or teacher-student")
    group.add_argument(
        "--ansatz", action=Once, default="rs", help=f"{', '.join(ANSATZES)}: symmetry of the replicas (default rs)"
    )


def check_model_flags(options: argparse.Namespace) -> None:
    """The architecture by name, and no flag of another one."""
    choice("model", options.model, MODELS)
    choice("ansatz", options.ansatz, ANSATZES)
    tree = options.model in MACHINES
    for name in ("K", "activation") if not tree else ("kappa", "beta", "likelihood"):
        if name in vars(options).get("given", ()):
            got = getattr(options, name)
            words = " ".join(got) if isinstance(got, list) else got
            others = ("perceptron",) if tree else MACHINES
            raise ValueError(
                f"{name}: got {words} with model {options.model}, {ELSEWHERE[name]}; takes it with {' or '.join(others)}"
            )


def build_models(options: argparse.Namespace, values: dict[str, Values]) -> dict[Any, Any]:
    """The models of the flags by their K (None for a perceptron); a swept kappa or beta stays with its model as a tuple."""
    check_model_flags(options)
    from . import models

    if options.model in MACHINES:
        kinds = {"tree-committee": models.TreeCommittee, "tree-parity": models.TreeParity, "committee": models.Committee}
        kind = kinds[options.model]
        units = values["K"].numbers if "K" in values else (UNITS[options.model],)
        return {K: kind(K, options.weights, options.activation, options.task) for K in map(whole, units)}
    given = {k: v.numbers if v.swept else v.numbers[0] for k, v in values.items() if k in ("kappa", "beta")}
    return {None: models.Perceptron(options.weights, likelihood=options.likelihood, task=options.task, **given)}


def whole(number: float) -> Any:
    """A whole number as an int, any other as it is."""
    return int(number) if math.isfinite(number) and number == int(number) else number
