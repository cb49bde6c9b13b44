"""The command line: ``replicas QUESTION --flags``, in the words of the Python interface.

Exit codes: 0 answered (in a sweep: at least one point), 1 no answer, 2 bad arguments (one line on stderr, before any
work), 130 interrupted. With ``--json`` one object stands on stdout and nothing else; progress and notes go to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .. import __version__, interrupts
from ..progress import asking, one_line, terminal_width
from . import completion, support, tables
from .arguments import Once, Unanswered, choice, whole_number
from .asking import run_question
from .model_flags import LIKELIHOODS, TASKS, build_models, model_flags
from .parsers import DIRECTORIES, FILES, Parser, examples, listing, offer, suggestion
from .questions import QUESTIONS, bad_argument, one_form, output_flags, question_flags, typed_values
from .simulate_command import ALGORITHMS, ENUMERATION, EXAMPLES, run_simulate, simulate_flags
from .simulate_command import MODELS as SIMULATED

TRACEBACK = "REPLICAS_TRACEBACK"  # set in the environment to see where an unexpected error comes from
FORMATS = ("text", "markdown", "latex", "html")
QUANTITIES = ("free-entropy", "franz-parisi", "local-entropy")
REFERENCES = ("typical", "spherical", "stochastic", "unconstrained", "constrained")

DESCRIPTION = "Statistical physics of neural networks: a model in, a verified number out."
HEADINGS = {
    "thresholds": ("capacity", "at-line", "transitions", "max-margin", "phase-diagram"),
    "points and curves": ("solve", "stability", "generalization", "ground-state", "field-distribution"),
    "the geometry of solutions": ("franz-parisi", "isolation", "local-entropy", "local-entropy-threshold", "overlap-gap"),
    "derivations and digits": ("derive", "constants"),
    "finite N": ("simulate",),
    "output, and what there is": ("figure", "atlas", "models", "completion"),
}
COLUMN = 28  # where the meaning of a name begins
FIRST = (
    "replicas capacity --weights binary",
    "replicas solve --weights spherical --alpha 0.5:1.9:0.1 --csv",
    "replicas capacity --model tree-committee --weights spherical --K 1:9:2",
    "replicas transitions --weights binary --task teacher-student --json",
    "replicas derive --weights binary --format html -o derivation.html",
    "replicas models",
)
CODES = """\
replicas COMMAND --help says more. A sweep takes several values after a flag, or a range start:stop:step.
exit codes: 0 answered (in a sweep: at least one point), 1 no answer, 2 bad arguments, 130 interrupted"""
COMPLETE = """\
bash: eval "$(replicas completion bash)" in ~/.bashrc
zsh:  eval "$(replicas completion zsh)" in ~/.zshrc
fish: replicas completion fish > ~/.config/fish/completions/replicas.fish"""


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
    (model,) = build_models(options, typed_values(options, (), "derive")).values()
    import replicas as rp

    with asking(1, "derive"):
        k = whole_number("k", options.k, "a whole number of steps")
        derivation = rp.derive(model, options.ansatz, k, options.quantity, options.reference)
        text = str(derivation) if options.format == "text" else getattr(derivation, f"to_{options.format}")()
        checks = derivation.check() if options.check else []
    if options.output is None:
        print(text)
    else:
        write_text(options.output, text + "\n")
        print(options.output, file=sys.stderr)
    for check in checks:
        verdict = "agrees" if check.passed else "FAILS"
        sizes = f"difference {check.error:.1e}, tolerance {check.tolerance:.1e}"
        print(f"step {check.number}: {check.title}: {verdict} ({sizes})", file=sys.stderr)
    return 0 if all(check.passed for check in checks) else 1


def run_models(options: argparse.Namespace) -> int:
    """The table of supported questions."""
    one_form(options)
    if options.model is not None:
        choice("model", options.model, support.MODELS)
    if options.question is not None:
        choice("question", options.question, tuple(support.QUESTIONS))
    if options.json:
        print(json.dumps(support.to_dict(options.model, options.question)))
    elif options.csv:
        sys.stdout.write(tables.csv_text(support.to_dict(options.model, options.question)["cells"]))
    else:
        print(support.table(options.model, options.question, terminal_width()))
    return 0


def run_constants(options: argparse.Namespace) -> int:
    """The table of constants."""
    one_form(options)
    import replicas as rp

    digits = whole_number("digits", options.digits)
    with asking(1, "constants") as bar:
        table = rp.constants(digits, options.certified, options.name or None, progress=_reporter(bar))
    if options.csv:
        sys.stdout.write(tables.csv_text(tables.flat(table.to_dict())))
    else:
        print(table.to_json() if options.json else table)
    return 0 if table.ok else 1


def run_completion(options: argparse.Namespace) -> int:
    """The script that completes commands in a shell."""
    choice("shell", options.shell, completion.SHELLS)
    sys.stdout.write(completion.script(build_parser(), options.shell))
    return 0


def run_figure(options: argparse.Namespace) -> int:
    """Draw a figure into a file, with its data beside it."""
    from .. import plotting

    path = options.output or Path(f"{options.name}.svg")
    with asking(1, options.name) as bar:
        written = plotting.save(options.name, path, progress=_reporter(bar), validation=options.validation)
    print("\n".join(map(str, written)))
    return 0


def run_atlas(options: argparse.Namespace) -> int:
    """Write the page of tables and figures."""
    from .. import atlas

    workers = whole_number("workers", options.workers, "a whole number from 1")
    with asking(1, "atlas", delay=0.0) as bar:
        made = atlas.write(options.output, progress=_reporter(bar), fresh=options.fresh, workers=workers)
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


def figure_names() -> tuple[str, ...]:
    """The figures of the registry, which is loaded when they are asked for."""
    from ..plotting import FIGURES

    return tuple(FIGURES)


def constant_names() -> tuple[str, ...]:
    """The constants that are known."""
    from ..theory.constants import CATALOGUE

    return tuple(CATALOGUE)


def _figures(width: int) -> str:
    from ..plotting import FIGURES

    return listing("figures:", [(name, figure.title) for name, figure in FIGURES.items()], COLUMN + 6)(width)


def _constants(width: int) -> str:
    from ..theory.constants import CATALOGUE

    return listing("constants:", [(name, meaning) for name, (meaning, *_) in CATALOGUE.items()], COLUMN)(width)


def _headings(helps: dict[str, str]) -> list[Callable[[int], str]]:
    """The commands under what they are about."""
    return [listing(f"{heading}:", [(name, helps[name]) for name in names], COLUMN) for heading, names in HEADINGS.items()]


Run = Callable[[argparse.Namespace], int]


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(prog="replicas", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"replicas {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS, parser_class=Parser)
    helps: dict[str, str] = {}

    def command(name: str, text: str, run: Run, lines: Sequence[str]) -> Parser:
        sub: Parser = commands.add_parser(name, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(run=run, parser=sub)
        sub.notes.append(examples(lines))
        helps[name] = text
        return sub

    for name, question in QUESTIONS.items():
        sub = command(name, question.help, partial(run_question, name), question.examples)
        model_flags(sub)
        question_flags(sub, name)
    _derive(command)
    sub = command("simulate", "learning algorithms and exact enumeration at finite N", run_simulate, EXAMPLES)
    simulate_flags(sub)
    offer(sub, algorithm=(*ALGORITHMS, ENUMERATION), model=SIMULATED, likelihood=LIKELIHOODS, task=TASKS, patterns=("binary", "gaussian"))
    _tables(command)
    parser.notes += [*_headings(helps), examples(FIRST), lambda _: CODES]
    parser.usage = "%(prog)s [-h] [--version] COMMAND [flags]"
    return parser


def _derive(command: Callable[..., Parser]) -> None:
    sub = command(
        "derive",
        "the replica derivation, step by step, each step with its numerical check",
        run_derive,
        (
            "replicas derive --weights binary",
            "replicas derive --weights spherical --format html -o derivation.html --check",
            "replicas derive --weights spherical --ansatz krsb --k 2",
            "replicas derive --model tree-committee --K 3 --weights spherical",
            "replicas derive --quantity franz-parisi --reference spherical",
        ),
    )
    model_flags(sub, sweeps=False)
    group = sub.add_argument_group("derivation")

    def number(flag: str, text: str) -> None:
        action = group.add_argument(flag, action=Once, nargs="+", metavar="X", help=text)
        action.single = True  # type: ignore[attr-defined]

    def word(flag: str, default: str | None, text: str, metavar: str = "WORD") -> None:
        group.add_argument(flag, action=Once, default=default, metavar=metavar, help=text)

    number("--kappa", "margin or half-width at which the checks run")
    number("--beta", "inverse temperature: derive with error counting")
    number("--q-star", "mean square magnetization of a stochastic perceptron")
    word("--k", None, "steps of ansatz krsb (default 2)", "N")
    word("--quantity", QUANTITIES[0], f"{', '.join(QUANTITIES)} (default {QUANTITIES[0]})")
    word(
        "--reference",
        None,
        "what an entropy is taken around: typical, spherical, stochastic (franz-parisi), unconstrained, constrained (local-entropy)",
    )
    word("--format", FORMATS[0], f"{', '.join(FORMATS)} (default text)")
    group.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to a file instead of stdout")
    group.add_argument("--check", action="store_true", help="run the check of every step; the verdicts go to stderr")
    offer(sub, quantity=QUANTITIES, reference=REFERENCES, format=FORMATS, output=FILES)


def _tables(command: Callable[..., Parser]) -> None:
    sub = command(
        "constants",
        "the constants of the field, to any number of digits, with proofs",
        run_constants,
        ("replicas constants --digits 50", "replicas constants capacity-binary --digits 100 --certified --json"),
    )
    sub.add_argument("name", nargs="*", metavar="NAME", help="which ones (default: all)")
    sub.add_argument("--digits", action=Once, metavar="D", help="correct digits, 1 to 10000 (default 15)")
    sub.add_argument("--certified", action="store_true", help="prove a ball for each (extra: flint)")
    output_flags(sub)
    offer(sub, name=constant_names)
    sub.notes.insert(0, _constants)
    sub = command(
        "figure",
        "a publication figure and the data behind it",
        run_figure,
        ("replicas figure capacity-vs-kappa -o capacity.pdf", "replicas figure finite-n --validation atlas/validation.json"),
    )
    sub.add_argument("name", metavar="NAME", help="one of those below")
    sub.add_argument("-o", "--output", type=Path, metavar="FILE", help="svg, pdf or png by its suffix (default NAME.svg); a CSV is put beside it")
    sub.add_argument("--validation", type=Path, metavar="FILE", help="validation.json, for finite-n and algorithm-success (default: beside it, or in atlas)")
    offer(sub, name=figure_names, output=FILES, validation=FILES)
    sub.notes.insert(0, _figures)
    sub = command("atlas", "one offline page of capacities, transitions, figures and checks", run_atlas, ("replicas atlas -o atlas",))
    sub.add_argument("-o", "--output", type=Path, metavar="DIR", default=Path("atlas"), help="directory of the page (default atlas)")
    sub.add_argument("--fresh", action="store_true", help="compute everything again, also what the directory has already")
    sub.add_argument("--workers", action=Once, metavar="N", help="processes (default: one a processor, at most four)")
    offer(sub, output=DIRECTORIES)
    sub = command(
        "models",
        "what can be asked of which model, in which ansatz",
        run_models,
        ("replicas models", "replicas models --model tree-committee", "replicas models --question capacity", "replicas models --json"),
    )
    sub.add_argument("--model", action=Once, metavar="WORD", help=f"{', '.join(support.MODELS)}: this one, with the weights of each question")
    sub.add_argument("--question", action=Once, metavar="COMMAND", help="a question: of which models and weights it can be asked")
    output_flags(sub)
    offer(sub, model=support.MODELS, question=tuple(support.QUESTIONS))
    sub = command(
        "completion",
        "the script that completes commands, flags and words in a shell",
        run_completion,
        tuple(f"replicas completion {shell}" for shell in completion.SHELLS),
    )
    sub.add_argument("shell", metavar="SHELL", help=f"{', '.join(completion.SHELLS)}")
    offer(sub, shell=completion.SHELLS)
    sub.notes.append(lambda _: COMPLETE)


def _silence_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lost_output() -> str:
    """Why stdout takes nothing, which is given up then; "" where it does."""
    try:
        print(flush=True)  # what failed does not say which file it was: try again
    except OSError as error:
        _silence_output()
        return error.strerror or str(error)
    return ""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and give its exit code."""
    parser = build_parser()
    prog = parser.prog
    interrupts.listen()
    interrupts.forget()
    try:
        options, unknown = parser.parse_known_args(argv)
        if options.command is None:
            if unknown:
                parser.unknown(unknown)
            parser.error("no command given; takes one of those of 'replicas --help'")
        prog = options.parser.prog
        if unknown:
            options.parser.unknown(unknown)
        options.parser.check_needed(options)
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt as stop:
        print(f"{prog}: interrupted{f'; {stop}' if str(stop) else ''}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader has gone (`replicas ... | head`): keep the interpreter from complaining at its exit
        _silence_output()
        return 141
    except Unanswered as error:
        print(f"{prog}: {one_line(error)}", file=sys.stderr)
        return 1
    except Exception as error:
        if isinstance(error, OSError) and (lost := _lost_output()):
            print(f"{prog}: error: stdout cannot be written: {lost}", file=sys.stderr)
            return 1
        if interrupts.pressed():  # what follows when the compiler was stopped half way
            print(f"{prog}: interrupted", file=sys.stderr)
            return 130
        if os.environ.get(TRACEBACK):
            raise
        bad = bad_argument(error)
        hint = suggestion(one_line(error)) if bad else f" (a bug; {TRACEBACK}=1 shows where)"
        print(f"{prog}: error: {'' if bad else f'{type(error).__name__}: '}{one_line(error)}{hint}", file=sys.stderr)
        return 2 if bad else 1
