"""Models named on the command line: their flags, what goes with which architecture, and one model for every swept K."""

from __future__ import annotations

import argparse
import math
from typing import Any

from .arguments import Once, Values, choice
from .parsers import offer
from .support import ANSATZES, MACHINES, MODELS

NAMED_WEIGHTS = ("binary", "spherical", "ternary", "discrete:")
LIKELIHOODS = ("threshold", "window")
ACTIVATIONS = ("sign", "relu", "erf", "tanh", "quadratic")
TASKS = ("storage", "teacher-student")
UNITS = {"tree-committee": 3, "tree-parity": 2, "committee": 2}  # unless --K says otherwise
ELSEWHERE = {  # flags of one architecture that mean nothing in the other, and why
    "kappa": "whose units have no margin",
    "beta": "whose units have no noise",
    "likelihood": "whose constraint is its output",
    "K": "which is one unit",
    "activation": "which is one unit",
    "q_star": "whose weights are of another kind",
}
MAGNETIZED = {  # the same with the stochastic perceptron
    "K": "which is one unit",
    "activation": "which is one unit",
    "kappa": "which has no margin",
    "likelihood": "which has its own",
    "weights": "whose weights are magnetizations",
    "task": "which stores patterns",
}
STOCHASTIC = "stochastic-perceptron"


def model_flags(parser: argparse.ArgumentParser, sweeps: bool = True) -> None:
    """The flags that name a model; ``sweeps``: whether several values of K are a sweep."""
    group = parser.add_argument_group("model")
    group.add_argument("--model", action=Once, default="perceptron", metavar="WORD", help=f"{', '.join(MODELS)} (default perceptron)")
    group.add_argument("--weights", action=Once, default="binary", metavar="WORD", help="binary (default), spherical, ternary or discrete:V1,V2,...")
    group.add_argument(
        "--likelihood", action=Once, default="threshold", metavar="WORD", help="of a perceptron: threshold u >= kappa (default) or window |u| <= kappa"
    )
    several = "; several values or start:stop:step make a sweep" if sweeps else ""
    units = group.add_argument(
        "--K",
        action=Once,
        nargs="+",
        metavar="X",
        help="hidden units: odd or inf for tree-committee (default 3), any number for tree-parity (default 2), any or inf for "
        f"committee (default 2){several}",
    )
    units.single = not sweeps  # type: ignore[attr-defined]
    group.add_argument(
        "--activation",
        action=Once,
        default="sign",
        metavar="WORD",
        help="of the units: sign (default); of a tree-committee with K inf also relu, erf, tanh, quadratic",
    )
    group.add_argument("--task", action=Once, default="storage", metavar="WORD", help="storage (default) or teacher-student")
    group.add_argument("--ansatz", action=Once, default="rs", metavar="WORD", help=f"{', '.join(ANSATZES)}: symmetry of the replicas (default rs)")
    offer(parser, model=MODELS, weights=NAMED_WEIGHTS, likelihood=LIKELIHOODS, activation=ACTIVATIONS, task=TASKS, ansatz=ANSATZES)


FOREIGN = {  # flags that a model does not take
    "perceptron": ("K", "activation", "q_star"),
    "machine": ("kappa", "beta", "likelihood", "q_star"),
    "stochastic-perceptron": ("K", "activation", "kappa", "likelihood", "weights", "task"),
}


def check_model_flags(options: argparse.Namespace) -> None:
    """The architecture by name, and no flag of another one."""
    choice("model", options.model, MODELS)
    choice("ansatz", options.ansatz, ANSATZES)
    kind = "machine" if options.model in MACHINES else options.model
    given = vars(options).get("given", ())
    for name in FOREIGN[kind]:
        if name == "q_star" and kind == "perceptron" and hasattr(options, "reference"):
            continue  # of a reference around which a perceptron is looked at
        if name in given:
            got = getattr(options, name)
            words = " ".join(got) if isinstance(got, list) else got
            others = [m for m in MODELS if name not in FOREIGN["machine" if m in MACHINES else m]]
            why = MAGNETIZED.get(name, "") if kind == STOCHASTIC else ELSEWHERE[name]
            raise ValueError(f"{name}: got {words} with model {options.model}, {why}; takes it with {' or '.join(others)}")
    if kind == STOCHASTIC and (not hasattr(options, "q_star") or (hasattr(options, "reference") and not hasattr(options, "quantity"))):
        raise ValueError(f"model: got {options.model}; takes another model (of this one: solve, stability, derive)")
    if kind == STOCHASTIC and "q_star" not in given:
        raise ValueError(f"q_star: missing with model {options.model}; takes it as --q-star, a number between 0 and 1")


def build_models(options: argparse.Namespace, values: dict[str, Values]) -> dict[Any, Any]:
    """The models of the flags by their K (None for a perceptron); a swept kappa or beta stays with its model as a tuple."""
    check_model_flags(options)
    from .. import models

    if options.model in MACHINES:
        kinds = {"tree-committee": models.TreeCommittee, "tree-parity": models.TreeParity, "committee": models.Committee}
        kind = kinds[options.model]
        units = values["K"].numbers if "K" in values else (UNITS[options.model],)
        return {K: kind(K, options.weights, options.activation, options.task) for K in map(whole, units)}
    given = {k: v.numbers if v.swept else v.numbers[0] for k, v in values.items() if k in ("kappa", "beta", "q_star")}
    if options.model == STOCHASTIC:
        return {None: models.StochasticPerceptron(**given)}
    given.pop("q_star", None)
    if options.likelihood == "window" and not hasattr(options, "kappa"):  # a question that has the half-width for its answer
        given["kappa"] = 1.0
    return {None: models.Perceptron(options.weights, likelihood=options.likelihood, task=options.task, **given)}


def whole(number: float) -> Any:
    """A whole number as an int, any other as it is."""
    return int(number) if math.isfinite(number) and number == int(number) else number
