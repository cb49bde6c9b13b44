"""The command line: ``replicas QUESTION --flags``, in the words of the Python interface.

Exit codes: 0 answered (in a sweep: at least one point), 1 no answer, 2 bad arguments (one line on stderr, before any
work), 130 interrupted. With ``--json`` one object stands on stdout and nothing else; progress and notes go to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import __version__
from .arguments import Grid, Once, Parser, Values, choice, make_grid, one_line, parse_values, progress_bar

TRACEBACK = "REPLICAS_TRACEBACK"  # set in the environment to see where an unexpected error comes from
CHUNK = 2000  # points asked together; a longer sweep shows its progress in such steps
PATIENCE = 1.5  # seconds after which a terminal is told why it waits
ANSATZES = ("rs",)
CRITERIA = ("zero-entropy", "q-to-1", "first-moment")
RULES = ("gibbs-bayes", "hebb", "pseudo-inverse", "max-stability")
BRANCHES = ("typical", "q=0", "perfect", "all")
FORMATS = ("text", "markdown", "latex", "html")

DESCRIPTION = "Statistical physics of neural networks: a model in, a verified number out."
EPILOG = """\
examples:
  replicas capacity --weights binary                         storage capacity, with its error
  replicas solve --weights spherical --alpha 0.5:1.9:0.1     a sweep; --json for machines
  replicas transitions --weights binary --task teacher-student
  replicas derive --weights binary --format html -o derivation.html
  replicas models                                            what can be asked of which model
  replicas atlas                                             one page with tables and figures

exit codes: 0 answered, 1 no answer, 2 bad arguments, 130 interrupted"""


@dataclass(frozen=True)
class Question:
    """A command that asks the library something about a model.

    flags : names in `FLAGS`, beside those of the model;  swept : those that may take several values
    ask : called as ask(model, options, **parameters), gives a `replicas.results.Result`
    """

    help: str
    ask: Callable[..., Any]
    flags: tuple[str, ...] = ()
    swept: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
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


def _capacity(model: Any, o: argparse.Namespace, **parameters: Any) -> Any:
    import replicas as rp

    return rp.capacity(model, o.ansatz, criterion=o.criterion, digits=o.digits, certified=o.certified, **parameters)


def _max_margin(model: Any, o: argparse.Namespace, **parameters: Any) -> Any:
    import replicas as rp

    return rp.max_margin(model, ansatz=o.ansatz, criterion=o.criterion, **parameters)


def _solve(model: Any, o: argparse.Namespace, **parameters: Any) -> Any:
    import replicas as rp

    return rp.solve(model, ansatz=o.ansatz, branch=o.branch, **parameters)


def _generalization(model: Any, o: argparse.Namespace, **parameters: Any) -> Any:
    import replicas as rp

    return rp.generalization(model, rule=o.rule, **parameters)


def _field_distribution(model: Any, o: argparse.Namespace, u: Any, **parameters: Any) -> Any:
    import replicas as rp

    point = rp.solve(model, ansatz=o.ansatz, **parameters)
    if not point.ok:
        return NoAnswer("field-distribution", model, o.ansatz, parameters, point.status, point.message)
    return rp.field_distribution(point, u)


def _plain(name: str) -> Callable[..., Any]:
    """A question whose function takes (model, ansatz=..., **parameters)."""

    def ask(model: Any, o: argparse.Namespace, **parameters: Any) -> Any:
        import replicas as rp

        return getattr(rp, name)(model, ansatz=o.ansatz, **parameters)

    return ask


QUESTIONS = {
    "capacity": Question(
        "SAT/UNSAT threshold: the largest load with solutions", _capacity,
        ("kappa", "beta", "criterion", "digits", "certified"), ("kappa",),
        examples=("replicas capacity --weights binary --kappa 0 --json", "replicas capacity --weights spherical --kappa -1:1:0.25",
                  "replicas capacity --weights binary --criterion q-to-1"),
    ),
    "solve": Question(
        "saddle point: order parameters, free entropy, entropy, stability", _solve,
        ("alpha", "kappa", "beta", "branch"), ("alpha", "kappa", "beta"), ("alpha",),
        examples=("replicas solve --weights binary --alpha 0.6 --json", "replicas solve --alpha 0.1:0.8:0.05 --kappa -0.5 0 0.5",
                  "replicas solve --alpha 1 --beta 0.5 1 2", "replicas solve --task teacher-student --alpha 1.3 --branch all"),
    ),
    "at-line": Question(
        "load at which the replica-symmetric solution becomes unstable", _plain("at_line"), ("kappa", "beta"), ("kappa", "beta"),
        examples=("replicas at-line --weights spherical --kappa -1 -0.5", "replicas at-line --weights binary --kappa 0 --json"),
    ),
    "stability": Question(
        "replicon eigenvalue at a load", _plain("stability"), ("alpha", "kappa", "beta"), ("alpha", "kappa", "beta"), ("alpha",),
        examples=("replicas stability --weights binary --alpha 0.5 1 1.1",),
    ),
    "transitions": Question(
        "information-theoretic and spinodal loads of a discrete teacher-student model", _plain("transitions"),
        examples=("replicas transitions --weights binary --task teacher-student --json",),
    ),
    "generalization": Question(
        "learning curve: overlap with the teacher, Gibbs and Bayes errors", _generalization, ("alpha", "rule"), ("alpha",), ("alpha",),
        examples=("replicas generalization --weights spherical --task teacher-student --alpha 0.5 1 2 5 --json",
                  "replicas generalization --weights spherical --task teacher-student --alpha 1 --rule hebb"),
    ),
    "ground-state": Question(
        "smallest number of errors above capacity", _plain("ground_state"), ("alpha", "kappa"), ("alpha", "kappa"), ("alpha",),
        examples=("replicas ground-state --weights binary --alpha 1 1.5 2", "replicas ground-state --weights spherical --alpha 3"),
    ),
    "max-margin": Question(
        "largest margin kappa at a load", _max_margin, ("alpha", "criterion"), ("alpha",), ("alpha",),
        examples=("replicas max-margin --weights spherical --alpha 0.5 1 1.5",),
    ),
    "field-distribution": Question(
        "distribution of the local fields of a typical solution", _field_distribution,
        ("alpha", "kappa", "beta", "u"), ("u",), ("alpha", "u"),
        examples=("replicas field-distribution --weights binary --alpha 0.5 --u 0:3:0.25",),
    ),
}

NUMERIC = {
    "alpha": "load P/N >= 0",
    "kappa": "margin of the threshold, or half-width of the window (default 0)",
    "beta": "inverse temperature of error counting (default: hard constraints)",
    "u": "local fields",
}
WORDS = {
    "criterion": f"what defines the number: {', '.join(CRITERIA)} (default: the right one for the model)",
    "rule": f"{', '.join(RULES)} (default gibbs-bayes)",
    "branch": f"{', '.join(BRANCHES)} (default: the thermodynamic one)",
    "digits": "number of correct digits asked for",
}
CHOICES = {"criterion": CRITERIA, "rule": RULES, "branch": BRANCHES, "ansatz": ANSATZES}


def _model_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", action=Once, default="perceptron", help="perceptron")
    group.add_argument("--weights", action=Once, default="binary", help="binary (default), spherical, ternary or discrete:V1,V2,...")
    group.add_argument("--likelihood", action=Once, default="threshold", help="threshold u >= kappa (default) or window |u| <= kappa")
    group.add_argument("--task", action=Once, default="storage", help="storage (default) or teacher-student")
    group.add_argument("--ansatz", action=Once, default="rs", help="rs: replica symmetric")


def _question_flags(parser: argparse.ArgumentParser, question: Question) -> None:
    group = parser.add_argument_group("question")
    for name in question.flags:
        if name in NUMERIC:
            sweep = "; several values or start:stop:step make a sweep" if name in question.swept else ""
            needed = name in question.required
            group.add_argument(f"--{name}", action=Once, nargs="+", metavar="X", required=needed, help=NUMERIC[name] + sweep)
        elif name == "certified":
            group.add_argument("--certified", action="store_true", help="enclose the number rigorously")
        else:
            group.add_argument(f"--{name}", action=Once, default="gibbs-bayes" if name == "rule" else None, help=WORDS[name])
    group.add_argument("--json", action="store_true", help="one JSON object on stdout, numbers as decimal strings")


def build_model(options: argparse.Namespace, values: dict[str, Values]) -> Any:
    """The model of the flags; a swept kappa or beta stays with it as a tuple."""
    choice("model", options.model, ("perceptron",))
    choice("ansatz", options.ansatz, ANSATZES)
    from . import models

    parameters = {k: v.numbers if v.swept else v.numbers[0] for k, v in values.items() if k in ("kappa", "beta")}
    return models.Perceptron(weights=options.weights, likelihood=options.likelihood, task=options.task, **parameters)


def _values(options: argparse.Namespace, question: Question, name: str) -> dict[str, Values]:
    """The numbers typed, in the order of their flags."""
    values = {flag: parse_values(flag, getattr(options, flag)) for flag in vars(options).get("given", []) if flag in NUMERIC}
    for flag, value in values.items():
        if value.swept and flag not in question.swept:
            raise ValueError(f"{flag}: got {len(value.numbers)} values; takes one value in {name}")
    return values


def _check_words(options: argparse.Namespace, question: Question) -> None:
    for name in question.flags:
        if name in CHOICES and getattr(options, name) is not None:
            choice(name, getattr(options, name), CHOICES[name])
    if getattr(options, "digits", None) is not None:
        try:
            options.digits = int(options.digits)
        except ValueError:
            raise ValueError(f"digits: got {options.digits!r}; takes a whole number >= 1") from None


def bad_argument(error: Exception) -> bool:
    """Whether an error is the library's refusal of an argument, which by convention says what it got and what it takes."""
    return isinstance(error, ValueError) and re.match(r"[\w, ]+: .*\btakes?\b", one_line(error)) is not None


def answers(ask: Callable[..., Any], grid: Grid, failed: Callable[[Grid, Exception], NoAnswer]) -> Iterator[Any]:
    """Results covering the grid in order; a point that raises is isolated by bisection."""
    try:
        yield ask(**grid.parameters)
    except Exception as error:  # the other points of the sweep still count
        if bad_argument(error):  # nothing of the sweep makes sense
            raise
        if grid.size <= 1:
            yield failed(grid, error)
            return
        middle = grid.size // 2
        yield from answers(ask, grid.take(0, middle), failed)
        yield from answers(ask, grid.take(middle, grid.size), failed)


def merge(parts: list[Any], grid: Grid) -> dict[str, Any]:
    """One JSON object from the parts of an answer: flat for one point, ``points`` for several."""
    whole = [part.to_dict() for part in parts]
    head = {k: whole[0][k] for k in ("quantity", "model", "ansatz")}
    fixed = {k: v for k, v in grid.parameters.items() if k not in grid.swept}
    points = [fixed | point for one in whole for point in one.get("points", [{k: v for k, v in one.items() if k not in head}])]
    several = bool(grid.swept) or "points" in whole[0]
    return head | ({"points": points} if several else points[0])


def run_question(name: str, options: argparse.Namespace) -> int:
    """Ask, print, and give the exit code."""
    question = QUESTIONS[name]
    _check_words(options, question)
    values = _values(options, question, name)
    grid = make_grid(values)
    model = build_model(options, values)
    # a single kappa or beta is part of the model; the others, and every swept one, are parameters of the question
    parameters = {k: v for k, v in grid.parameters.items() if k in grid.swept or k in ("alpha", "u")}
    grid = Grid(parameters, grid.swept)

    def failed(part: Grid, error: Exception) -> NoAnswer:
        return NoAnswer(name, model, options.ansatz, part.parameters, "not-converged", one_line(f"{type(error).__name__}: {error}"))

    def ask(**parameters: Any) -> Any:
        return question.ask(model, options, **parameters)

    parts: list[Any] = []
    with patience(name), progress_bar(grid.size, name) as bar:
        for start in range(0, grid.size, CHUNK):
            stop = min(start + CHUNK, grid.size)
            parts += answers(ask, grid.take(start, stop), failed)
            bar.update(stop - start)
    if options.json:
        print(json.dumps(merge(parts, grid)))
    else:
        print("\n".join(map(str, parts)))
    return 0 if any(part.ok for part in parts) else 1


@contextmanager
def patience(name: str) -> Iterator[None]:
    """Tell a waiting terminal that the first question about a model derives and compiles it."""
    text = f"replicas {name}: working; the first question about a model also derives and compiles it"
    timer = threading.Timer(PATIENCE, lambda: print(text, file=sys.stderr, flush=True))
    timer.daemon = True
    if sys.stderr.isatty():
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def write_text(path: Path, text: str) -> None:
    """Write a file, or raise a one-line ValueError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ValueError(f"output: cannot write {path}: {error.strerror}; takes a file that can be written") from None


def run_derive(options: argparse.Namespace) -> int:
    """Print or write a derivation, and check its steps where asked to."""
    choice("format", options.format, FORMATS)
    values = {k: parse_values(k, getattr(options, k)) for k in vars(options).get("given", []) if k in NUMERIC}
    for flag, value in values.items():
        if value.swept:
            raise ValueError(f"{flag}: got {len(value.numbers)} values; takes one value in derive")
    model = build_model(options, values)
    import replicas as rp

    with patience("derive"):
        derivation = rp.derive(model, options.ansatz)
        text = str(derivation) if options.format == "text" else getattr(derivation, f"to_{options.format}")()
        checks = derivation.check() if options.check else []
    if options.output is None:
        print(text)
    else:
        write_text(options.output, text + "\n")
        print(options.output, file=sys.stderr)
    for check in checks:
        verdict = "agrees" if check.passed else "FAILS"
        print(f"step {check.number}: {check.title}: {verdict} (difference {check.error:.1e}, tolerance {check.tolerance:.1e})", file=sys.stderr)
    return 0 if all(check.passed for check in checks) else 1


def run_models(options: argparse.Namespace) -> int:
    """The table of supported questions."""
    from . import support

    print(json.dumps(support.to_dict()) if options.json else support.table())
    return 0


def run_figure(options: argparse.Namespace) -> int:
    """Draw a figure into a file, with its data beside it."""
    from . import plotting

    path = options.output or Path(f"{options.name}.svg")
    with patience("figure"), progress_bar(1, options.name) as bar:
        written = plotting.save(options.name, path, progress=_reporter(bar), validation=options.validation)
    print("\n".join(map(str, written)))
    return 0


def run_atlas(options: argparse.Namespace) -> int:
    """Write the page of tables and figures."""
    from . import atlas

    with progress_bar(1, "atlas", delay=0.0) as bar:
        made = atlas.write(options.output, progress=_reporter(bar))
    print(made.page)
    for failure in made.failures:
        print(f"replicas atlas: not made: {failure}", file=sys.stderr)
    return 1 if made.failures else 0


def _reporter(bar: Any) -> Callable[[str, int, int], None]:
    """progress(what, done, total) onto a bar."""

    def progress(what: str, done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        bar.set_description_str(what)

    return progress


def _examples(lines: tuple[str, ...]) -> str:
    return "examples:\n" + "\n".join(f"  {line}" for line in lines)


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(prog="replicas", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"replicas {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=Parser)

    def command(name: str, text: str, run: Callable[[argparse.Namespace], int], examples: tuple[str, ...]) -> Parser:
        sub: Parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", epilog=_examples(examples))
        sub.set_defaults(run=run, parser=sub)
        return sub

    for name, question in QUESTIONS.items():
        sub = command(name, question.help, lambda o, name=name: run_question(name, o), question.examples)  # type: ignore[misc]
        _model_flags(sub)
        _question_flags(sub, question)
    sub = command("derive", "the replica derivation, step by step, each step with its numerical check", run_derive,
                  ("replicas derive --weights binary", "replicas derive --weights spherical --format html -o derivation.html --check"))
    _model_flags(sub)
    group = sub.add_argument_group("derivation")
    group.add_argument("--kappa", action=Once, nargs="+", metavar="X", help="margin or half-width at which the checks run")
    group.add_argument("--beta", action=Once, nargs="+", metavar="X", help="inverse temperature: derive with error counting")
    group.add_argument("--format", action=Once, default="text", help=f"{', '.join(FORMATS)} (default text)")
    group.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to a file instead of stdout")
    group.add_argument("--check", action="store_true", help="run the check of every step; the verdicts go to stderr")
    sub = command("figure", "a publication figure and the data behind it", run_figure,
                  ("replicas figure capacity-vs-kappa -o capacity.pdf", "replicas figure finite-n --validation atlas/validation.json"))
    sub.add_argument("name", metavar="NAME", help="capacity-vs-kappa, entropy-and-overlap, generalization-curves, field-distribution, finite-n")
    sub.add_argument("-o", "--output", type=Path, metavar="FILE", help="svg, pdf or png by its suffix (default NAME.svg); a CSV is put beside it")
    sub.add_argument("--validation", type=Path, metavar="FILE", help="validation.json for finite-n (default: beside the figure, or in atlas)")
    sub = command("atlas", "one offline page of capacities, transitions, figures and checks", run_atlas, ("replicas atlas -o atlas",))
    sub.add_argument("-o", "--output", type=Path, metavar="DIR", default=Path("atlas"), help="directory of the page (default atlas)")
    sub = command("models", "what can be asked of which model", run_models, ("replicas models", "replicas models --json"))
    sub.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line and give its exit code."""
    parser = build_parser()
    prog = parser.prog
    try:
        options, unknown = parser.parse_known_args(argv)
        if options.command is None:
            parser.error("no command given; takes one of those of 'replicas --help'")
        prog = options.parser.prog
        if unknown:
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader has gone (`replicas ... | head`): keep the interpreter from complaining at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        bad = bad_argument(error)
        hint = "" if bad else f" (a bug; {TRACEBACK}=1 shows where)"
        print(f"{prog}: error: {'' if bad else f'{type(error).__name__}: '}{one_line(error)}{hint}", file=sys.stderr)
        return 2 if bad else 1
