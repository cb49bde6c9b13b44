"""The command ``replicas phase-diagram``: its own flags, the diagram as text, JSON or CSV, and as a figure."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..progress import asking
from .arguments import Once, Values, choice, parse_values, whole_number
from .model_flags import build_models
from .parsers import FILES, offer

FEWEST = 5
POINTS = f"a whole number of points >= {FEWEST}"
AXES = ("kappa", "T", "beta", "K", "alpha")
ANSATZES = ("rs", "1rsb", "frsb")


def phase_flags(parser: argparse.ArgumentParser) -> None:
    """Flags beside those of the model, ``--kappa``, ``--beta`` and ``--k``."""
    group = parser.add_argument_group("diagram")
    axes = "axis: kappa, T or beta of a perceptron, K of a tree, alpha with a teacher (default: the usual one)"
    group.add_argument("--x", action=Once, metavar="WORD", help=axes)
    group.add_argument("--T", action=Once, nargs="+", metavar="X", help="temperatures 1/beta; the lines at these")
    between = group.add_argument("--between", action=Once, nargs="+", metavar="LOW HIGH", help="ends of the axis (default: the usual range)")
    between.single = True  # type: ignore[attr-defined]
    group.add_argument("--tolerance", action=Once, metavar="X", help="of interpolation along a line, relative in the load (default 1e-3)")
    group.add_argument("--points", action=Once, metavar="N", help="of a line, at which refinement stops (default 200)")
    group.add_argument("--lines", action=Once, nargs="+", metavar="NAME", help="which lines, or all: those too that take minutes")
    group.add_argument("-o", "--output", type=Path, metavar="FILE", help="draw into FILE (svg, pdf or png by its suffix), and put its data beside it as CSV")
    offer(parser, x=AXES, output=FILES, ansatz=ANSATZES)
    for action in parser._actions:  # the flag of the model means less here
        if action.dest == "ansatz":
            action.help = "changes nothing, as the lines choose their ansatz: rs (default); of spherical weights that store also 1rsb and frsb"


def run_phase_diagram(options: argparse.Namespace) -> int:
    """Ask, print, draw, and give the exit code; Ctrl-C leaves nothing behind."""
    from ..theory.phases import PhaseDiagramInterrupted, phase_diagram
    from .asking import print_whole
    from .questions import one_form

    one_form(options)
    model, asked = _asked(options)
    try:
        with asking(1, "phase-diagram"):
            found = phase_diagram(model, **asked)
    except PhaseDiagramInterrupted as stopped:
        points = sum(b.x.size for b in stopped.partial.boundaries)
        raise KeyboardInterrupt(f"{points} points traced") from None  # a shell has no use for its partial
    print_whole(options, found)
    _draw(options, found)
    return 0 if found.ok else 1


def _draw(options: argparse.Namespace, found: Any) -> None:
    if options.output is not None:
        print("\n".join(map(str, found.save(options.output))), file=sys.stderr)


def _asked(options: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """The model, and the keywords of the question."""
    from ..theory.ansatz import check_ansatz

    spherical = options.model == "perceptron" and options.weights == "spherical" and options.task == "storage" and options.beta is None and not options.T
    check_ansatz(options.ansatz, ANSATZES if spherical else ANSATZES[:1])  # every one of these is answered at once
    if options.x is not None:
        choice("x", options.x, AXES)
    if options.output is not None:
        from ..figures.phases import writable

        writable(options.output)  # before any work
    values = {name: parse_values(name, getattr(options, name)) for name in ("kappa", "beta", "T", "K") if getattr(options, name, None) is not None}
    axis = _axis(options, values)
    for name, value in values.items():
        if name != axis and value.swept:
            raise ValueError(f"{name}: got {len(value.numbers)} values beside the axis {axis}; takes one value")
    for name, other in (("T", "beta"), ("beta", "T")):  # of which the axis is the only one
        if name in values and (axis == other or name == "T" != axis):
            raise ValueError(f"{name}: got {values[name].numbers[0]:g} with axis {axis}; takes it with --x {name}")
    of_model = {name: value for name, value in values.items() if name not in (axis, "T") or name == "kappa"}
    if axis == "K" and "K" in values:
        of_model["K"] = Values(values["K"].numbers[:1], False)
    if axis == "kappa" and options.likelihood == "window":
        of_model.setdefault("kappa", Values((1.0,), False))  # any one, which the axis replaces
    (model,) = build_models(options, of_model).values()
    asked: dict[str, Any] = {"x": options.x, "k": whole_number("k", options.k, "a whole number of intervals"), "lines": _lines(options)}
    if axis in values:
        asked[axis] = list(values[axis].numbers)
    if options.between is not None:
        if len(options.between) != 2:
            raise ValueError(f"between: got {' '.join(options.between)}; takes two numbers")
        asked["between"] = tuple(_one("between", word) for word in options.between)
    if options.tolerance is not None:
        asked["tolerance"] = _one("tolerance", options.tolerance)
    if options.points is not None:
        asked["most"] = whole_number("points", options.points, POINTS)
        if asked["most"] < FEWEST:
            raise ValueError(f"points: got {asked['most']}; takes {POINTS}")
    return model, asked


def _one(name: str, word: str) -> float:
    found = parse_values(name, [word])
    if found.swept:
        raise ValueError(f"{name}: got {word!r}; takes one number")
    return found.numbers[0]


def _axis(options: argparse.Namespace, values: dict[str, Values]) -> str:
    """The axis meant: the one named, or the one of which there are values (one beta is part of the model)."""
    if options.x is not None:
        return str(options.x)
    if "T" in values:
        return "T"
    if options.model != "perceptron":
        return "K"
    return "beta" if "beta" in values and values["beta"].swept else "kappa"


def _lines(options: argparse.Namespace) -> Any:
    if options.lines is None:
        return None
    return "all" if options.lines == ["all"] else options.lines
