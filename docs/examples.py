"""Examples of the documentation: found in its pages, executed, compared with what is printed there, or written anew.

Python examples are doctests (``>>>``), those of one page share their names. Command lines are the blocks ``.. code-block::
console`` whose lines start with ``$ replicas``. What takes more than a few seconds carries ``# doctest: +SLOW``, or ``:class:
slow`` for a block. `tests/test_docs.py` runs them all; ``python docs/examples.py FILE ...`` writes what they print into the
pages.

Printed text must be the same up to white space and rounding, which differs between machines:

- a value with an error at rounding level, ``1.234 ± 5e-15``: by both errors and the rounding of both; with a larger one, by one unit of its last digit,
  while the errors agree to 20 percent;
- any other decimal of nine digits and more: by one unit of its last digit, or by `RELATIVE` in double precision;
- numbers below `NOISE`, such as residuals, are the same; all others must be identical.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

SLOW = doctest.register_optionflag("SLOW")
RELATIVE = Decimal("1e-11")  # of a number printed with all its digits: rounding, times the condition of what it is a root of
NOISE = Decimal("1e-12")  # residuals and differences of this size are rounding
ROUNDING = Decimal("1e-9")  # error estimates below this come from rounding, which differs between machines
FACTOR = Decimal("1.2")  # between other error estimates
LONG = 9  # digits from which a last digit may differ
FLOAT = 17  # digits of a number in double precision
NUMBER = r"[-+]?(?<![\w.])\d+\.?\d*(?:[eE][-+]?\d+)?(?![\w])"
TOKEN = re.compile(rf"(?P<value>{NUMBER})(?: ± (?P<error>{NUMBER}))?")
CONSOLE = re.compile(r"^(?P<indent> *)\.\. code-block:: console\n(?P<options>(?:(?P=indent) +:.*\n)*)\n(?P<body>(?:(?:(?P=indent)   .*)?\n)+)", re.M)


def agree(want: str, got: str) -> bool:
    """Whether two printed texts are the same up to white space and rounding."""
    want, got = (" ".join(text.split()) for text in (want, got))
    if want == got:
        return True
    if TOKEN.sub("#", want) != TOKEN.sub("#", got):
        return False
    return all(_same(a, b) for a, b in zip(TOKEN.finditer(want), TOKEN.finditer(got), strict=True))


def _same(want: re.Match[str], got: re.Match[str]) -> bool:
    if want.group() == got.group():
        return True
    if (want["error"] is None) != (got["error"] is None):
        return False
    a, b = Decimal(want["value"]), Decimal(got["value"])
    if want["error"] is not None:
        errors = Decimal(want["error"]), Decimal(got["error"])
        if max(errors) <= ROUNDING:
            return abs(a - b) <= sum(errors) + (_unit(a) + _unit(b)) / 2  # as shown, both are rounded
        return max(errors) <= FACTOR * min(errors) and abs(a - b) <= _unit(a)
    if max(abs(a), abs(b)) < NOISE:
        return True
    digits = len(a.as_tuple().digits)
    if digits < LONG or "." not in want["value"]:
        return False
    return abs(a - b) <= (max(_unit(a), RELATIVE * abs(a)) if digits <= FLOAT else _unit(a))


def _unit(number: Decimal) -> Decimal:
    """One unit of the last digit."""
    return Decimal(1).scaleb(int(number.as_tuple().exponent))


class Checker(doctest.OutputChecker):
    """Doctest's comparison, up to rounding."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return agree(want.replace("<BLANKLINE>", ""), got)


@dataclass(frozen=True)
class Command:
    """A command line of a page and what it prints; ``start`` and ``end`` are where that stands in the text."""

    line: str
    said: str
    slow: bool
    start: int
    end: int
    indent: str


def commands(text: str) -> Iterator[Command]:
    """The command lines of a page."""
    for block in CONSOLE.finditer(text):
        indent = block["indent"] + "   "
        body, offset = block["body"], block.start("body")
        starts = [m.start() for m in re.finditer(rf"^{indent}\$ ", body, re.M)]
        for start, end in zip(starts, [*starts[1:], len(body.rstrip("\n")) + 1], strict=True):
            match = re.match(r"(?:.*\\\n)*.*\n", body[start:end])
            assert match is not None
            line = " ".join(part.strip(" \\") for part in match.group().splitlines()).removeprefix("$ ")
            said = body[start + match.end() : end]
            yield Command(line, said, ":class: slow" in block["options"], offset + start + match.end(), offset + end, indent)


def execute(line: str) -> str:
    """What a command line prints, run in an empty folder; what it refuses goes to stderr."""
    from replicas.cli.program import main

    name, *arguments = shlex.split(line)
    if name != "replicas":
        raise ValueError(f"command: got {line!r}; takes one of replicas")
    out, err = io.StringIO(), io.StringIO()
    with TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return out.getvalue() + (err.getvalue() if code else "")


def doctests(text: str, name: str, slow: bool) -> doctest.DocTest:
    """The Python examples of a page, with or without the slow ones."""
    test = doctest.DocTestParser().get_doctest(text, {}, name, name, 0)
    if not slow:
        test.examples = [example for example in test.examples if not example.options.get(SLOW)]
    return test


def failures(path: Path, slow: bool) -> list[str]:
    """What does not print what its page says: the fast examples, or, where asked for, the slow ones (and what they rest on)."""
    text, out = path.read_text(encoding="utf-8"), io.StringIO()
    runner = doctest.DocTestRunner(Checker(), verbose=False)
    runner.run(doctests(text, path.name, slow), out=out.write)
    found = [out.getvalue()] if out.getvalue() else []
    for command in commands(text):
        if command.slow == slow and not agree(command.said, got := execute(command.line)):
            found.append(f"{path.name}: $ {command.line}\nsays\n{command.said}\nprints\n{got}")
    return found


def has_slow(path: Path) -> bool:
    """Whether a page has examples that only run when asked for."""
    text = path.read_text(encoding="utf-8")
    return "+SLOW" in text or any(command.slow for command in commands(text))


class _Keeper(Checker):
    """Takes everything, and keeps what was printed."""

    def __init__(self) -> None:
        self.printed: list[str] = []

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        self.printed.append(got)
        return True


def rewritten(text: str, name: str) -> str:
    """A page with what its examples print now; those that still agree are left as they are."""
    keeper = _Keeper()
    test = doctests(text, name, True)
    runner = doctest.DocTestRunner(keeper, verbose=False)
    lines, shift = text.splitlines(keepends=True), 0
    out = io.StringIO()
    results = runner.run(test, out=out.write)
    if results.failed:
        raise SystemExit(out.getvalue())
    # examples whose exception is expected, and those without output, print nothing to keep
    printed = iter(keeper.printed)
    for example in test.examples:
        if example.exc_msg is not None:
            next(printed)
            continue
        got = next(printed)
        if Checker().check_output(example.want, got, 0):
            continue
        first = example.lineno + example.source.count("\n") + shift
        shown = [" " * example.indent + (line or "<BLANKLINE>") + "\n" for line in got.rstrip("\n").split("\n")] if got else []
        lines[first : first + example.want.count("\n")] = shown
        shift += len(shown) - example.want.count("\n")
    text = "".join(lines)
    for command in reversed(list(commands(text))):
        got = execute(command.line)
        if not agree(command.said, got):
            shown = "".join(command.indent + line + "\n" if line else "\n" for line in got.rstrip("\n").split("\n"))
            text = text[: command.start] + shown + text[command.end :]
    return text


def main(names: list[str]) -> None:
    """Write what the examples print into the pages."""
    for name in names:
        path = Path(name)
        old = path.read_text(encoding="utf-8")
        new = rewritten(old, path.name)
        if new != old:
            path.write_text(new, encoding="utf-8")
            print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
