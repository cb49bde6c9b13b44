"""Commands that ask the library a question about a model: their flags, sweeps, and answers as text or JSON.

A sweep is asked as arrays, in chunks; a point at which the library breaks down is isolated and reported, and the others
are answered. A single value of kappa or beta is part of the model; every swept one is a parameter of the question. Every
swept K is a model, asked about its own share of the sweep.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import interrupts
from .arguments import (
    STAR,
    Grid,
    Once,
    Values,
    choice,
    make_grid,
    one_line,
    parse_values,
    patience,
    progress_bar,
    whole_number,
)
from .model_flags import build_models, whole
from .support import ANSATZES

CHUNK = 2000  # points asked together; a longer sweep shows its progress in such steps
FEW = 8  # the same of a machine with several units, whose points take from milliseconds to minutes
CRITERIA = ("zero-entropy", "q-to-1", "first-moment")
RULES = ("gibbs-bayes", "hebb", "pseudo-inverse", "max-stability")
AVERAGES = ("quenched", "first-moment", "jensen")
BRANCHES = ("typical", "q=0", "permutation-symmetric", "specialised", "perfect", "all")


@dataclass(frozen=True)
class Question:
    """A command that asks the library something about a model.

    flags : names in `FLAGS`, beside those of the model;  swept : those that may take several values
    ask : called as ask(model, options, **parameters), gives a `replicas.results.Result`
    defaults : what stands for a numeric flag that is not typed;  helps : texts of flags that mean something else here
    """

    help: str
    ask: Callable[..., Any]
    flags: tuple[str, ...] = ()
    swept: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    defaults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    helps: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoAnswer:
    """A point without an answer; in a sweep it is reported and the others are answered."""

    quantity: str
    model: Any
    ansatz: str
    parameters: dict[str, Any]
    status: str
    message: str

    ok = False

    def to_dict(self) -> dict[str, Any]:
        given = {k: float(v.item() if hasattr(v, "item") else v) for k, v in self.parameters.items()}
        head = {"quantity": self.quantity, "model": self.model.to_dict(), "ansatz": self.ansatz}
        return {**head, **given, "error": None, "errors": {}, "status": self.status, "message": self.message}

    def __str__(self) -> str:
        point = self.to_dict()
        where = "".join(f", {k} {point[k]:g}" for k in self.parameters)
        return f"{self.quantity}{where}: {self.status}: {self.message}"

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and cells, as of a result."""
        point = self.to_dict()
        cells = [f"{point[k]:g}" for k in self.parameters]
        return [*self.parameters, "status"], [[*cells, f"{self.status}: {self.message}"]]


def _capacity(model: Any, o: argparse.Namespace, **parameters: Any) -> Any:
    import replicas as rp

    return rp.capacity(
        model, o.ansatz, criterion=o.criterion, digits=o.digits, certified=o.certified, k=o.k, **parameters
    )


def _max_margin(model: Any, o: argparse.Namespace, **parameters: Any) -> Any:
    import replicas as rp

    return rp.max_margin(model, ansatz=o.ansatz, criterion=o.criterion, **parameters)


def _solve(model: Any, o: argparse.Namespace, **parameters: Any) -> Any:
    import replicas as rp

    return rp.solve(
        model, ansatz=o.ansatz, branch=o.branch, digits=o.digits, certified=o.certified, k=o.k, **parameters
    )


def _generalization(model: Any, o: argparse.Namespace, **parameters: Any) -> Any:
    import replicas as rp

    from .theory.ansatz import check_ansatz

    check_ansatz(o.ansatz)
    return rp.generalization(model, rule=o.rule, digits=o.digits, **parameters)


def _field_distribution(model: Any, o: argparse.Namespace, u: Any, **parameters: Any) -> Any:
    import replicas as rp

    from .theory.ansatz import check_one_field

    check_one_field(model, "a field distribution")
    point = rp.solve(model, ansatz=o.ansatz, k=o.k, **parameters)
    if not point.ok:
        return NoAnswer("field-distribution", model, o.ansatz, parameters, point.status, point.message)
    return rp.field_distribution(point, u)


def _phase_diagram(model: Any, o: argparse.Namespace, kappa: Any) -> Any:
    import replicas as rp

    return rp.phase_diagram(model, kappa=kappa, k=o.k)


def _around(name: str, default: str) -> Callable[..., Any]:
    """A question about the solutions around a reference."""

    def ask(model: Any, o: argparse.Namespace, **parameters: Any) -> Any:
        import replicas as rp

        from .theory.ansatz import check_ansatz

        check_ansatz(o.ansatz)
        if getattr(o, "average", None) is not None:
            parameters["average"] = o.average
        if "y" in parameters:
            parameters["y"] = _starred(parameters["y"])
        return getattr(rp, name)(model, reference=o.reference or default, **parameters)

    return ask


def _starred(y: Any) -> Any:
    """The values of y as the library takes them."""
    if hasattr(y, "tolist"):
        return [_starred(v) for v in y.tolist()]
    return STAR if math.isnan(y) else y


def _overlap_gap(model: Any, o: argparse.Namespace, m: Any = None) -> Any:
    import replicas as rp

    from .theory.ansatz import check_ansatz

    check_ansatz(o.ansatz)
    units = m.tolist() if hasattr(m, "tolist") else m
    return rp.overlap_gap(model, m=[whole(n) for n in units] if isinstance(units, list) else units if units is None else whole(units))


def _local_entropy_threshold(model: Any, o: argparse.Namespace) -> Any:
    import replicas as rp

    from .theory.ansatz import check_ansatz

    check_ansatz(o.ansatz)
    return rp.local_entropy_threshold(model)


def _plain(name: str) -> Callable[..., Any]:
    """A question whose function takes (model, ansatz=..., **parameters)."""

    def ask(model: Any, o: argparse.Namespace, **parameters: Any) -> Any:
        import replicas as rp

        for word in ("digits", "certified", "k"):
            if hasattr(o, word):
                parameters[word] = getattr(o, word)
        return getattr(rp, name)(model, ansatz=o.ansatz, **parameters)

    return ask


QUESTIONS = {
    "capacity": Question(
        "SAT/UNSAT threshold: the largest load with solutions",
        _capacity,
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
        _solve,
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
        _plain("at_line"),
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
        _plain("stability"),
        ("alpha", "kappa", "beta", "q_star"),
        ("alpha", "kappa", "beta", "q_star"),
        ("alpha",),
        examples=("replicas stability --weights binary --alpha 0.5 1 1.1",),
    ),
    "transitions": Question(
        "information-theoretic and spinodal loads of a discrete teacher-student model",
        _plain("transitions"),
        ("digits", "certified"),
        examples=(
            "replicas transitions --weights binary --task teacher-student --json",
            "replicas transitions --model tree-committee --K 3 --task teacher-student",
        ),
    ),
    "generalization": Question(
        "learning curve: overlap with the teacher, Gibbs and Bayes errors",
        _generalization,
        ("alpha", "rule", "digits"),
        ("alpha",),
        ("alpha",),
        examples=(
            "replicas generalization --weights spherical --task teacher-student --alpha 0.5 1 2 5 --json",
            "replicas generalization --weights spherical --task teacher-student --alpha 1 --rule hebb",
            "replicas generalization --model tree-committee --K 3 5 --weights spherical --task teacher-student --alpha 1 5",
        ),
    ),
    "ground-state": Question(
        "smallest number of errors above capacity",
        _plain("ground_state"),
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
        _max_margin,
        ("alpha", "criterion"),
        ("alpha",),
        ("alpha",),
        examples=("replicas max-margin --weights spherical --alpha 0.5 1 1.5",),
    ),
    "phase-diagram": Question(
        "boundaries of the spherical perceptron against the margin, in every ansatz",
        _phase_diagram,
        ("kappa", "k"),
        ("kappa",),
        defaults={"kappa": ("-3:0:0.25",)},
        examples=(
            "replicas phase-diagram --weights spherical --kappa -1 --json",
            "replicas phase-diagram --weights spherical --kappa -3:0:0.25",
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
        _around("franz_parisi", "typical"),
        ("alpha", "kappa", "distance", "reference", "reference_kappa", "q_star", "beta", "average"),
        ("alpha", "kappa", "distance", "reference_kappa", "q_star", "beta"),
        ("alpha", "distance"),
        helps={
            "reference": "typical (default), spherical or stochastic: what solutions are counted around",
            "beta": "inverse temperature of a stochastic reference, else of error counting",
            "distance": "Hamming distance per weight, 0 to 1",
    "overlap": "mutual overlap of the solutions (spherical weights)",
    "reference_kappa": "margin of the reference (default: that of the model)",
    "y": "inverse temperature of the local entropy: a number > 0, inf, or star (default), where the external entropy vanishes",
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
        _around("isolation", "typical"),
        ("alpha", "kappa", "reference", "reference_kappa", "q_star", "beta"),
        (),
        ("alpha",),
        helps={
            "reference": "typical (default), spherical or stochastic: what solutions are counted around",
            "beta": "inverse temperature of a stochastic reference",
            "distance": "Hamming distance per weight, 0 to 1",
    "overlap": "mutual overlap of the solutions (spherical weights)",
    "reference_kappa": "margin of the reference (default: that of the model)",
    "y": "inverse temperature of the local entropy: a number > 0, inf, or star (default), where the external entropy vanishes",
    "q_star": "mean square magnetization of a stochastic reference, 0 < q_star < 1",
        },
        examples=("replicas isolation --alpha 0.55",),
    ),
    "local-entropy": Question(
        "entropy of the solutions around the references that have most of them: dense clusters",
        _around("local_entropy", "unconstrained"),
        ("alpha", "kappa", "distance", "overlap", "y", "reference", "reference_kappa", "beta"),
        ("alpha", "kappa", "distance", "overlap", "y", "reference_kappa", "beta"),
        ("alpha",),
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
        _local_entropy_threshold,
        ("kappa",),
        examples=("replicas local-entropy-threshold", "replicas local-entropy-threshold --kappa 0.3 --json"),
    ),
    "overlap-gap": Question(
        "load above which no m solutions share the overlaps of some interval: the overlap gap",
        _overlap_gap,
        ("kappa", "m"),
        ("m",),
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
}
CHOICES = {"criterion": CRITERIA, "average": AVERAGES, "rule": RULES, "branch": BRANCHES, "ansatz": ANSATZES}


def question_flags(parser: argparse.ArgumentParser, question: Question) -> None:
    group = parser.add_argument_group("question")
    for name in question.flags:
        flag = f"--{name.replace('_', '-')}"
        if name in NUMERIC:
            sweep = "; several values or start:stop:step make a sweep" if name in question.swept else ""
            needed = name in question.required
            usual = f" (default {' '.join(question.defaults[name])})" if name in question.defaults else ""
            group.add_argument(
                f"--{name.replace('_', '-')}", action=Once, nargs="+", metavar="X", required=needed, help=NUMERIC[name] + sweep + usual
            )
        elif name == "certified":
            group.add_argument(
                "--certified", action="store_true", help="prove a ball that holds the exact value (extra: flint)"
            )
        else:
            group.add_argument(
                flag, action=Once, default="gibbs-bayes" if name == "rule" else None, help=question.helps.get(name) or WORDS[name]
            )
    group.add_argument("--json", action="store_true", help="one JSON object on stdout, numbers as decimal strings")


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


def _check_words(options: argparse.Namespace, question: Question) -> None:
    for name in question.flags:
        if name in CHOICES and getattr(options, name) is not None:
            choice(name, getattr(options, name), CHOICES[name])
    if hasattr(options, "digits"):
        options.digits = whole_number("digits", options.digits)
    if hasattr(options, "k"):
        options.k = whole_number("k", options.k, "a whole number of steps")


def bad_argument(error: Exception) -> bool:
    """Whether an error is the library's refusal of an argument, which by convention says what the argument takes."""
    return isinstance(error, ValueError) and re.match(r"[\w, ]+: .*\btakes?\b", one_line(error)) is not None


@dataclass(frozen=True)
class Answer:
    """The result of ``size`` points of a sweep, in order; several for each where branches coexist."""

    result: Any
    size: int

    def split(self, rows: list[Any]) -> list[list[Any]]:
        """What belongs to each of the points asked for."""
        each = len(rows) // self.size
        return [rows[i * each : (i + 1) * each] for i in range(self.size)]


@dataclass(frozen=True)
class Share:
    """The points ``where`` of a sweep that ask about one model."""

    K: Any
    model: Any
    grid: Grid
    where: list[int]
    answers: list[Answer] = field(default_factory=list)

    def each(self, rows: Callable[[Any], list[Any]]) -> list[list[Any]]:
        """For each of the points its rows of every answer; a K given twice is asked once."""
        found = [own for answer in self.answers for own in answer.split(rows(answer.result))]
        return found if self.grid.swept else found * len(self.where)


def shares(models: dict[Any, Any], grid: Grid) -> list[Share]:
    """The sweep by models, those of most units first: a K too large for the question is refused before any work."""
    if "K" not in grid.swept:
        ((K, model),) = models.items()
        return [Share(K, model, grid, list(range(grid.size)))]
    swept = tuple(k for k in grid.swept if k != "K")
    units = grid.parameters["K"].tolist()
    out = []
    for K in sorted(models, reverse=True):
        where = [i for i, n in enumerate(units) if n == K]
        own = {k: v[where] if k in swept else v for k, v in grid.parameters.items() if k != "K"}
        out.append(Share(K, models[K], Grid(own, swept), where))
    return out


def answers(ask: Callable[..., Any], grid: Grid, failed: Callable[[Grid, Exception], NoAnswer]) -> Iterator[Answer]:
    """Answers covering the grid in order; a point that raises is isolated by bisection."""
    try:
        result = ask(**grid.parameters)
        interrupts.check()
        yield Answer(result, grid.size)
    except Exception as error:  # the other points of the sweep still count
        interrupts.check()
        if bad_argument(error):  # nothing of the sweep makes sense
            raise
        if grid.size <= 1:
            yield Answer(failed(grid, error), 1)
            return
        middle = grid.size // 2
        yield from answers(ask, grid.take(0, middle), failed)
        yield from answers(ask, grid.take(middle, grid.size), failed)


def in_order(asked: list[Share], rows: Callable[[Any], list[Any]]) -> list[tuple[Any, Any]]:
    """(K, row) of all shares in the order of the sweep."""
    found = [(i, share.K, own) for share in asked for i, own in zip(share.where, share.each(rows))]
    return [(K, row) for _, K, own in sorted(found, key=lambda f: f[0]) for row in own]


def spoken(K: Any) -> Any:
    """A number of units as JSON has it: a whole number, or "inf"."""
    return "inf" if math.isinf(K) else int(K)


def merge(asked: list[Share], grid: Grid) -> dict[str, Any]:
    """One JSON object from the answers: flat for one point, ``points`` for several."""
    wholes = [answer.result.to_dict() for share in asked for answer in share.answers]
    ansatz = ", ".join(sorted({name for whole in wholes for name in whole["ansatz"].split(", ")}))
    head = {"quantity": wholes[0]["quantity"], "model": asked[0].model.to_dict(), "ansatz": ansatz}
    fixed = {k: v for k, v in grid.parameters.items() if k not in grid.swept}

    def rows(result: Any) -> list[Any]:
        whole = result.to_dict()
        own = {"ansatz": whole["ansatz"]} if "K" in grid.swept else {}  # machines fall back to rs one by one
        points = whole.get("points", [{k: v for k, v in whole.items() if k not in head}])
        return [fixed | own | point for point in points]

    points = in_order(asked, rows)
    if "K" in grid.swept:
        units = dict.fromkeys(grid.parameters["K"].tolist())  # in the order in which they were typed
        head["model"] |= {"K": list(map(spoken, units))}
        return head | {"points": [{"K": spoken(K)} | point for K, point in points]}
    several = bool(grid.swept) or any("points" in whole for whole in wholes)
    return head | ({"points": [point for _, point in points]} if several else points[0][1])


def table(asked: list[Share]) -> str:
    """A sweep over K for a reader: one row for each point, and below it what is said of several."""
    from .results import _noted

    def rows(result: Any) -> list[Any]:
        header, body = result.rows()
        return [dict(zip(header, row)) for row in body]

    points = in_order(asked, rows)
    columns = list(dict.fromkeys(name for _, row in points for name in row if name != "status"))
    header, body, notes = _noted(
        ["K", *columns, "status"],
        [[str(K), *(row.get(name, "-") for name in columns), row["status"]] for K, row in points],
    )
    widths = [max(len(row[i]) for row in (header, *body)) for i in range(len(header))]
    lines = ["  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in (header, *body)]
    first = asked[0]
    ansatz = sorted(
        {name for share in asked for a in share.answers for name in a.result.to_dict()["ansatz"].split(", ")}
    )
    title = f"{first.model.describe().replace(f'K={first.K}', 'K sweep')} [{', '.join(ansatz)}]"
    quantity = first.answers[0].result.quantity
    return "\n".join([f"{quantity}: {title}", *lines, *(f"  {note}" for note in notes)])


def _of_the_reference(options: argparse.Namespace) -> set[str]:
    """Flags that belong to the reference around which a model is looked at."""
    if not hasattr(options, "reference"):
        return set()
    return {"q_star", "beta"} if options.reference == "stochastic" else {"q_star"}


def run_question(name: str, options: argparse.Namespace) -> int:
    """Ask, print, and give the exit code."""
    question = QUESTIONS[name]
    _check_words(options, question)
    values = typed_values(options, (*question.swept, "K"), name)
    grid = make_grid(values)
    # a single kappa or beta is part of the model; the others, and every swept one, are parameters of the question
    others = _of_the_reference(options)
    of_model = {"K"} if name == "phase-diagram" else {"K", "kappa", "beta", "q_star"} - others
    parameters = {k: v for k, v in grid.parameters.items() if k in grid.swept or k not in of_model}
    grid = Grid(parameters, grid.swept)
    asked = shares(build_models(options, {k: v for k, v in values.items() if k not in others}), grid)
    with patience(name), progress_bar(grid.size, name) as bar:
        for share in asked:
            _answer(name, options, share, bar)
    if options.json:
        print(json.dumps(merge(asked, grid)))
    elif "K" in grid.swept:
        print(table(asked))
    else:
        print("\n".join(str(answer.result) for answer in asked[0].answers))
    return 0 if any(answer.result.ok for share in asked for answer in share.answers) else 1


def _answer(name: str, options: argparse.Namespace, share: Share, bar: Any) -> None:
    """The answers of one model."""

    def failed(part: Grid, error: Exception) -> NoAnswer:
        reason = one_line(f"{type(error).__name__}: {error}")
        return NoAnswer(name, share.model, options.ansatz, part.parameters, "not-converged", reason)

    def ask(**parameters: Any) -> Any:
        return QUESTIONS[name].ask(share.model, options, **parameters)

    chunk = CHUNK if share.model.fields == 1 else FEW
    for start in range(0, share.grid.size, chunk):
        stop = min(start + chunk, share.grid.size)
        share.answers.extend(answers(ask, share.grid.take(start, stop), failed))
        bar.update(stop - start if share.grid.swept else len(share.where))
