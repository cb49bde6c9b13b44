"""The questions of the command line: which function answers, which flags it takes, what can be swept, and examples that run.

`replicas.cli.asking` asks them. A single value of kappa or beta is part of the model; every swept one is a parameter of the question.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..progress import one_line
from .arguments import STAR, Once, Values, choice, parse_values, whole_number
from .model_flags import whole
from .parsers import FILES, offer
from .phase_command import phase_flags, run_phase_diagram
from .support import ANSATZES, of_machines

CRITERIA = ("zero-entropy", "q-to-1", "first-moment")
RULES = ("gibbs-bayes", "hebb", "pseudo-inverse", "max-stability")
AVERAGES = ("quenched", "first-moment", "jensen")
BRANCHES = ("typical", "q=0", "permutation-symmetric", "specialised", "perfect", "middle", "all")


@dataclass(frozen=True)
class Question:
    """A command that asks the library something about a model.

    ask : a function of the library, by its name: asked as ask(model, **words, **parameters), in a sweep through `replicas.sweep` too;
        or a callable ask(model, options, **parameters)
    flags : names in `NUMERIC` and `WORDS`, beside those of the model;  swept : those that may take several values
    defaults : what stands for a numeric flag that is not typed;  helps : texts of flags that mean something else here
    words : what a flag takes that is a word, where questions differ: the first is the default
    ansatz : whether the function takes one (else: replica symmetric);  branches : whether several coexist in an answer
    whole : names of whole numbers
    more : adds flags of its own to a parser;  run : answers its options instead of `replicas.cli.asking`, and gives the exit code
    """

    help: str
    ask: str | Callable[..., Any]
    flags: tuple[str, ...] = ()
    swept: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    defaults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    helps: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ansatz: bool = True
    branches: bool = False
    whole: tuple[str, ...] = ()
    more: Callable[[argparse.ArgumentParser], None] | None = None
    run: Callable[[argparse.Namespace], int] | None = None
    examples: tuple[str, ...] = ()

    @property
    def sweeps(self) -> bool:
        """Whether `replicas.sweep` can ask it: on several processes, kept in a store."""
        return isinstance(self.ask, str) and self.run is None

    def asked(self, options: argparse.Namespace) -> dict[str, Any]:
        """The words of the question as keywords of its function, without those that are its defaults."""
        from ..theory.ansatz import check_ansatz

        if not self.ansatz:
            check_ansatz(options.ansatz)
        found = {name: getattr(options, name) for name in (*self.flags, "ansatz") if name not in NUMERIC}
        usual = {"ansatz": "rs", "rule": RULES[0], **{name: words[0] for name, words in self.words.items()}}
        return {name: value for name, value in found.items() if value is not None and value is not False and value != usual.get(name)}

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The numbers typed as the library takes them: whole ones whole, the y of vanishing external entropy by its name."""
        out = dict(given)
        for name, value in given.items():
            kind: Callable[[Any], Any] | None = whole if name in self.whole else _starred if name == "y" else None
            if kind is not None:
                out[name] = [kind(v) for v in value.tolist()] if hasattr(value, "tolist") else kind(value)
        return out

    def __call__(self, model: Any, options: argparse.Namespace, **parameters: Any) -> Any:
        """Ask the library."""
        import replicas

        if callable(self.ask):
            return self.ask(model, options, **parameters)
        return getattr(replicas, self.ask)(model, **self.asked(options), **self.parameters(parameters))


def _starred(y: float) -> Any:
    return STAR if math.isnan(y) else y


def _field_distribution(model: Any, o: argparse.Namespace, u: Any, **parameters: Any) -> Any:
    import replicas as rp

    from ..theory.ansatz import check_one_field

    check_one_field(model, "a field distribution")
    point = rp.solve(model, ansatz=o.ansatz, k=o.k, **parameters)
    if not point.ok:
        from .answers import NoAnswer

        return NoAnswer("field-distribution", model, o.ansatz, parameters, point.status, point.message)
    return rp.field_distribution(point, u)


QUESTIONS = {
    "capacity": Question(
        "SAT/UNSAT threshold: the largest load with solutions",
        "capacity",
        ("kappa", "beta", "criterion", "k", "digits", "certified"),
        ("kappa", "beta"),
        examples=(
            "replicas capacity --weights binary --kappa 0 --json",
            "replicas capacity --weights spherical --kappa -1:1:0.25",
            "replicas capacity --weights spherical --kappa -1 --ansatz 1rsb --digits 30",
            "replicas capacity --weights spherical --kappa -1 --ansatz frsb",
            "replicas capacity --weights binary --criterion q-to-1",
            "replicas capacity --model tree-committee --weights spherical --K 1:9:2",
        ),
    ),
    "solve": Question(
        "saddle point: order parameters, free entropy, entropy, stability",
        "solve",
        ("alpha", "kappa", "beta", "q_star", "m", "k", "branch", "digits", "certified"),
        ("alpha", "kappa", "beta", "q_star", "m"),
        ("alpha",),
        examples=(
            "replicas solve --weights spherical --kappa -1 --alpha 9 12 --ansatz 1rsb",
            "replicas solve --weights binary --alpha 1.2 --beta 8 --ansatz 1rsb",
            "replicas solve --weights binary --alpha 0.6 --json",
            "replicas solve --alpha 0.1:0.8:0.05 --kappa -0.5 0 0.5",
            "replicas solve --alpha 1 --beta 0.5 1 2",
            "replicas solve --task teacher-student --alpha 1.3 --branch all",
            "replicas solve --model tree-parity --K 2 --weights spherical --alpha 1 2",
            "replicas solve --model stochastic-perceptron --alpha 0.55 --beta 20 --q-star 0.7 0.8 0.9",
        ),
    ),
    "at-line": Question(
        "load at which the replica-symmetric solution becomes unstable",
        "at_line",
        ("kappa", "beta", "digits", "certified"),
        ("kappa", "beta"),
        examples=(
            "replicas at-line --weights spherical --kappa -1 -0.5",
            "replicas at-line --weights binary --kappa 0 --json",
            "replicas at-line --model tree-committee --K 3 --weights spherical",
        ),
    ),
    "stability": Question(
        "replicon eigenvalue at a load",
        "stability",
        ("alpha", "kappa", "beta", "q_star"),
        ("alpha", "kappa", "beta", "q_star"),
        ("alpha",),
        examples=("replicas stability --weights binary --alpha 0.5 1 1.1",),
    ),
    "transitions": Question(
        "information-theoretic and spinodal loads of a discrete teacher-student model",
        "transitions",
        ("digits", "certified"),
        examples=(
            "replicas transitions --weights binary --task teacher-student --json",
            "replicas transitions --model tree-committee --K 3 --task teacher-student",
        ),
    ),
    "generalization": Question(
        "learning curve: overlap with the teacher, Gibbs and Bayes errors",
        "generalization",
        ("alpha", "rule", "branch", "digits"),
        ("alpha",),
        ("alpha",),
        ansatz=False,
        branches=True,
        helps={"branch": f"one of {', '.join(BRANCHES)} (default: all that coexist)"},
        examples=(
            "replicas generalization --weights spherical --task teacher-student --alpha 0.5 1 2 5 --json",
            "replicas generalization --weights spherical --task teacher-student --alpha 1 --rule hebb",
            "replicas generalization --model tree-committee --K 3 5 --weights spherical --task teacher-student --alpha 1 5",
        ),
    ),
    "ground-state": Question(
        "smallest number of errors above capacity",
        "ground_state",
        ("alpha", "kappa", "k"),
        ("alpha", "kappa"),
        ("alpha",),
        examples=(
            "replicas ground-state --weights spherical --alpha 3 --ansatz 1rsb",
            "replicas ground-state --weights binary --alpha 1 1.5 2",
            "replicas ground-state --weights spherical --alpha 3",
        ),
    ),
    "max-margin": Question(
        "largest margin kappa at a load",
        "max_margin",
        ("alpha", "criterion"),
        ("alpha",),
        ("alpha",),
        examples=("replicas max-margin --weights spherical --alpha 0.5 1 1.5",),
    ),
    "phase-diagram": Question(
        "phases and the boundaries between them, traced to a tolerance; as a figure with -o",
        "",
        ("kappa", "beta", "k"),
        ("kappa", "beta"),
        more=phase_flags,
        run=run_phase_diagram,
        helps={
            "kappa": "margins, or half-widths; the lines at these (one, with another axis: part of the model)",
            "beta": "inverse temperature of error counting; several, or with --x beta: the lines at these",
            "k": "intervals of x(q) in the full-RSB capacity (default 8; at given margins as many as the error needs)",
            "csv": "a row a point of a line: line, kind, x, y, error, physical, ansatz, status, message",
        },
        examples=(
            "replicas phase-diagram --weights spherical --kappa -1 --json",
            "replicas phase-diagram --weights spherical --kappa -3:0:0.25",
            "replicas phase-diagram --weights binary -o binary.svg",
            "replicas phase-diagram --weights binary --x T --between 0.1 0.5",
            "replicas phase-diagram --weights binary --task teacher-student",
            "replicas phase-diagram --model tree-parity --weights spherical --K 2:5:1 --csv",
        ),
    ),
    "field-distribution": Question(
        "distribution of the local fields of a typical solution",
        _field_distribution,
        ("alpha", "kappa", "beta", "m", "k", "u"),
        ("u",),
        ("alpha", "u"),
        examples=("replicas field-distribution --weights binary --alpha 0.5 --u 0:3:0.25",),
    ),
    "franz-parisi": Question(
        "entropy of the solutions at a distance from a reference configuration",
        "franz_parisi",
        ("alpha", "kappa", "distance", "reference", "reference_kappa", "q_star", "beta", "average"),
        ("alpha", "kappa", "distance", "reference_kappa", "q_star", "beta"),
        ("alpha", "distance"),
        ansatz=False,
        words={"reference": ("typical", "spherical", "stochastic")},
        helps={
            "reference": "typical (default), spherical or stochastic: what solutions are counted around",
            "beta": "inverse temperature of a stochastic reference, else of error counting",
            "q_star": "mean square magnetization of a stochastic reference, 0 < q_star < 1",
        },
        examples=(
            "replicas franz-parisi --alpha 0.55 --distance 0.01:0.5:0.01",
            "replicas franz-parisi --alpha 0.55 --distance 0.05 0.1 --reference stochastic --q-star 0.7 0.8 --beta 20",
            "replicas franz-parisi --alpha 0.55 --distance 0.05 --reference-kappa 0 0.2 0.4 --json",
            "replicas franz-parisi --likelihood window --kappa 1 --alpha 1.2 --distance 0.1 --average jensen",
        ),
    ),
    "isolation": Question(
        "distance below which a reference has no solutions: the zero of the Franz-Parisi entropy",
        "isolation",
        ("alpha", "kappa", "reference", "reference_kappa", "q_star", "beta"),
        (),
        ("alpha",),
        ansatz=False,
        words={"reference": ("typical", "spherical", "stochastic")},
        helps={
            "reference": "typical (default), spherical or stochastic: what solutions are counted around",
            "beta": "inverse temperature of a stochastic reference",
            "q_star": "mean square magnetization of a stochastic reference, 0 < q_star < 1",
        },
        examples=("replicas isolation --alpha 0.55",),
    ),
    "local-entropy": Question(
        "entropy of the solutions around the references that have most of them: dense clusters",
        "local_entropy",
        ("alpha", "kappa", "distance", "overlap", "y", "reference", "reference_kappa", "beta"),
        ("alpha", "kappa", "distance", "overlap", "y", "reference_kappa", "beta"),
        ("alpha",),
        ansatz=False,
        words={"reference": ("unconstrained", "constrained")},
        helps={"reference": "unconstrained (default), or constrained: the reference is a solution, too"},
        examples=(
            "replicas local-entropy --alpha 0.6 --distance 0.02 0.05 0.1",
            "replicas local-entropy --alpha 0.6 --distance 0.05 --y 1 10 100 inf star",
            "replicas local-entropy --alpha 0.6 --distance 0.05 --reference constrained --y 10",
            "replicas local-entropy --weights spherical --alpha 1 --overlap 0.7 0.8 0.9 --y inf",
            "replicas local-entropy --task teacher-student --alpha 0.8 --distance 0.05",
        ),
    ),
    "local-entropy-threshold": Question(
        "load alpha_U at which dense clusters stop reaching down to distance 0",
        "local_entropy_threshold",
        ("kappa",),
        ansatz=False,
        examples=("replicas local-entropy-threshold", "replicas local-entropy-threshold --kappa 0.3 --json"),
    ),
    "overlap-gap": Question(
        "load above which no m solutions share the overlaps of some interval: the overlap gap",
        "overlap_gap",
        ("kappa", "m"),
        ("m",),
        ansatz=False,
        whole=("m",),
        helps={"m": "number of clones >= 2 (default: 2, 3, ... up to the smallest load)"},
        examples=("replicas overlap-gap --m 2 3 4 5", "replicas overlap-gap --likelihood window --kappa 1 --m 2 3 4 5"),
    ),
}

NUMERIC = {
    "alpha": "load P/N >= 0",
    "kappa": "margin of the threshold, or half-width of the window (default 0)",
    "beta": "inverse temperature of error counting (default: hard constraints)",
    "distance": "Hamming distance per weight, 0 to 1",
    "overlap": "mutual overlap of the solutions (spherical weights)",
    "reference_kappa": "margin of the reference (default: that of the model)",
    "y": "inverse temperature of the local entropy: a number > 0, inf, or star (default), where the external entropy vanishes",
    "q_star": "mean square magnetization of a stochastic perceptron, 0 < q_star < 1",
    "m": "Parisi parameter of ansatz 1rsb, 0 < m <= 1 (default: the thermodynamic one)",
    "u": "local fields",
    "K": "units",
}
WORDS = {
    "criterion": f"what defines the number: {', '.join(CRITERIA)} (default: the right one for the model)",
    "rule": f"{', '.join(RULES)} (default gibbs-bayes)",
    "branch": f"{', '.join(BRANCHES)} (default: the thermodynamic one)",
    "k": "steps of ansatz krsb (default 2), or intervals of x(q) of ansatz frsb (default: as many as the error needs)",
    "average": f"{', '.join(AVERAGES)}: quenched, or an upper bound for the symmetric binary perceptron (default quenched)",
    "digits": "correct digits asked for, 1 to 10000 (default: double precision)",
    "certified": "prove a ball that holds the exact value (extra: flint)",
    "reference": "what solutions are counted around",
}
CHOICES = {"criterion": CRITERIA, "average": AVERAGES, "rule": RULES, "branch": BRANCHES, "ansatz": ANSATZES}


def question_flags(parser: argparse.ArgumentParser, command: str) -> None:
    """The flags of a question, of its sweep, and of the form of its answer."""
    question = QUESTIONS[command]
    swept = [f"--{name.replace('_', '-')}" for name in (*question.swept, *["K"] * of_machines(command))]
    take = f"{_enumerated(swept)} take{'s' * (len(swept) == 1)} several values, or a range start:stop:step"
    text = f"{take}: a sweep{' over all combinations, the last one typed fastest' * (len(swept) > 1)}."
    group = parser.add_argument_group("question", text if swept and question.run is None else None)
    for name in question.flags:
        flag = f"--{name.replace('_', '-')}"
        text = question.helps.get(name) or NUMERIC.get(name) or WORDS[name]
        if name in NUMERIC:
            usual = f" (default {' '.join(question.defaults[name])})" if name in question.defaults else ""
            action = group.add_argument(flag, action=Once, nargs="+", metavar="X", help=text + usual)
            action.single = name not in question.swept  # type: ignore[attr-defined]
            action.needed = name in question.required  # type: ignore[attr-defined]
        elif name == "certified":
            group.add_argument(flag, action="store_true", help=text)
        else:
            default = RULES[0] if name == "rule" else None
            metavar = {"k": "N", "digits": "D"}.get(name, "WORD")
            group.add_argument(flag, action=Once, default=default, metavar=metavar, help=text)
    offer(parser, **{name: words for name, words in CHOICES.items() if name in question.flags}, **question.words)
    if question.sweeps:
        _sweep_flags(parser, question)
    if question.more is not None:
        question.more(parser)
    output_flags(parser, question.helps.get("csv", CSV))


def _sweep_flags(parser: argparse.ArgumentParser, question: Question) -> None:
    text = "of coexisting branches they answer with the dominant one of each point" if question.branches else ""
    group = parser.add_argument_group("on several processes, or kept (replicas.sweep)", text or None)
    group.add_argument("--jobs", action=Once, metavar="N", help="processes that work on the points (default: this one)")
    group.add_argument(
        "--store",
        action=Once,
        metavar="FILE",
        help="keep every point in FILE as it is computed; the same command resumes there, and a larger sweep uses what it has",
    )
    group.add_argument("--retry", action="store_true", help="ask again about points of the store that failed or did not converge")
    offer(parser, store=FILES)


CSV = "a row a point, a column a key of the JSON, its error as KEY_error"


def output_flags(parser: argparse.ArgumentParser, csv: str = CSV) -> None:
    """The forms of an answer other than a readable table."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="one JSON object on stdout, numbers as decimal strings")
    group.add_argument("--csv", action="store_true", help=f"CSV on stdout: {csv}")


def one_form(options: argparse.Namespace) -> None:
    """One form of the answer, or a one-line ValueError."""
    if options.json and options.csv:
        raise ValueError("csv: got --csv with --json; takes one of them")


def _enumerated(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def typed_values(options: argparse.Namespace, swept: tuple[str, ...], command: str) -> dict[str, Values]:
    """The numbers typed, in the order of their flags; several of them only where they can be swept."""
    given = vars(options).get("given", [])
    values = {flag: parse_values(flag, getattr(options, flag)) for flag in given if flag in NUMERIC}
    for flag, words in (QUESTIONS[command].defaults if command in QUESTIONS else {}).items():
        values.setdefault(flag, parse_values(flag, words))
    for flag, value in values.items():
        if value.swept and flag not in swept:
            raise ValueError(f"{flag}: got {len(value.numbers)} values; takes one value in {command}")
    return values


def check_words(options: argparse.Namespace, question: Question) -> None:
    """Words among those that a question takes, whole numbers whole."""
    for name, words in {**CHOICES, **question.words}.items():
        if name in question.flags and getattr(options, name) is not None:
            choice(name, getattr(options, name), words)
    if hasattr(options, "digits"):
        options.digits = whole_number("digits", options.digits)
    if hasattr(options, "k"):
        options.k = whole_number("k", options.k, "a whole number of steps")
    one_form(options)


def bad_argument(error: Exception) -> bool:
    """Whether an error is the library's refusal of an argument, which by convention says what the argument takes."""
    return isinstance(error, ValueError) and re.match(r"[\w, ]+: .*\btakes?\b", one_line(error)) is not None
