"""The command line: ``replicas QUESTION --flags``, in the words of the Python interface.

Exit codes: 0 answered (in a sweep: at least one point), 1 no answer, 2 bad arguments (one line on stderr, before any
work), 130 interrupted. With ``--json`` one object stands on stdout and nothing else; progress and notes go to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from . import __version__, interrupts
from .arguments import Once, Parser, choice, one_line, patience, progress_bar, whole_number
from .model_flags import build_models, model_flags
from .questions import QUESTIONS, bad_argument, question_flags, run_question, typed_values
from .simulate_command import EXAMPLES, run_simulate, simulate_flags

TRACEBACK = "REPLICAS_TRACEBACK"  # set in the environment to see where an unexpected error comes from
FORMATS = ("text", "markdown", "latex", "html")

DESCRIPTION = "Statistical physics of neural networks: a model in, a verified number out."
EPILOG = """\
examples:
  replicas capacity --weights binary                         storage capacity, with its error
  replicas solve --weights spherical --alpha 0.5:1.9:0.1     a sweep; --json for machines
  replicas capacity --model tree-committee --K 1:9:2         committees and parity machines, too
  replicas transitions --weights binary --task teacher-student
  replicas derive --weights binary --format html -o derivation.html
  replicas models                                            what can be asked of which model
  replicas atlas                                             one page with tables and figures

exit codes: 0 answered, 1 no answer, 2 bad arguments, 130 interrupted"""


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

    with patience("derive"):
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
    from . import support

    print(json.dumps(support.to_dict()) if options.json else support.table())
    return 0


def run_constants(options: argparse.Namespace) -> int:
    """The table of constants."""
    import replicas as rp

    digits = whole_number("digits", options.digits)
    with patience("constants"), progress_bar(1, "constants") as bar:
        table = rp.constants(digits, options.certified, options.name or None, progress=_reporter(bar))
    print(table.to_json() if options.json else table)
    return 0 if table.ok else 1


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
        sub: Parser = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", epilog=_examples(examples)
        )
        sub.set_defaults(run=run, parser=sub)
        return sub

    for name, question in QUESTIONS.items():
        sub = command(name, question.help, partial(run_question, name), question.examples)
        model_flags(sub)
        question_flags(sub, question)
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
    group.add_argument(
        "--kappa", action=Once, nargs="+", metavar="X", help="margin or half-width at which the checks run"
    )
    group.add_argument(
        "--beta", action=Once, nargs="+", metavar="X", help="inverse temperature: derive with error counting"
    )
    group.add_argument("--q-star", action=Once, nargs="+", metavar="X", help="mean square magnetization of a stochastic perceptron")
    group.add_argument("--k", action=Once, metavar="K", help="steps of ansatz krsb (default 2)")
    group.add_argument(
        "--quantity",
        action=Once,
        default="free-entropy",
        help="free-entropy, franz-parisi, local-entropy (default free-entropy)",
    )
    group.add_argument(
        "--reference",
        action=Once,
        help="what an entropy is taken around: typical, spherical, stochastic (franz-parisi), unconstrained, constrained (local-entropy)",
    )
    group.add_argument("--format", action=Once, default="text", help=f"{', '.join(FORMATS)} (default text)")
    group.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to a file instead of stdout")
    group.add_argument("--check", action="store_true", help="run the check of every step; the verdicts go to stderr")
    sub = command("simulate", "learning algorithms and exact enumeration at finite N", run_simulate, EXAMPLES)
    simulate_flags(sub)
    sub = command(
        "constants",
        "the constants of the field, to any number of digits, with proofs",
        run_constants,
        ("replicas constants --digits 50", "replicas constants capacity-binary --digits 100 --certified --json"),
    )
    sub.add_argument("name", nargs="*", metavar="NAME", help="which ones (default: all)")
    sub.add_argument("--digits", action=Once, metavar="D", help="correct digits, 1 to 10000 (default 15)")
    sub.add_argument("--certified", action="store_true", help="prove a ball for each (extra: flint)")
    sub.add_argument("--json", action="store_true", help="one JSON object on stdout, numbers as decimal strings")
    sub = command(
        "figure",
        "a publication figure and the data behind it",
        run_figure,
        (
            "replicas figure capacity-vs-kappa -o capacity.pdf",
            "replicas figure finite-n --validation atlas/validation.json",
        ),
    )
    sub.add_argument(
        "name",
        metavar="NAME",
        help="capacity-vs-kappa, entropy-and-overlap, generalization-curves, field-distribution, "
        "overlap-profile, negative-margin, committee-capacity, committee-learning, activation-capacity, committee-specialisation, energy-vs-qstar, "
        "franz-parisi-three-references, local-entropy-vs-distance, dense-cluster-generalization, finite-n",
    )
    sub.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="svg, pdf or png by its suffix (default NAME.svg); a CSV is put beside it",
    )
    sub.add_argument(
        "--validation",
        type=Path,
        metavar="FILE",
        help="validation.json for finite-n (default: beside the figure, or in atlas)",
    )
    sub = command(
        "atlas",
        "one offline page of capacities, transitions, figures and checks",
        run_atlas,
        ("replicas atlas -o atlas",),
    )
    sub.add_argument(
        "-o", "--output", type=Path, metavar="DIR", default=Path("atlas"), help="directory of the page (default atlas)"
    )
    sub = command(
        "models", "what can be asked of which model", run_models, ("replicas models", "replicas models --json")
    )
    sub.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line and give its exit code."""
    parser = build_parser()
    prog = parser.prog
    interrupts.listen()
    interrupts.forget()
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
        if interrupts.pressed():  # what follows when the compiler was stopped half way
            print(f"{prog}: interrupted", file=sys.stderr)
            return 130
        if os.environ.get(TRACEBACK):
            raise
        bad = bad_argument(error)
        hint = "" if bad else f" (a bug; {TRACEBACK}=1 shows where)"
        print(f"{prog}: error: {'' if bad else f'{type(error).__name__}: '}{one_line(error)}{hint}", file=sys.stderr)
        return 2 if bad else 1
