"""Parsers of the command line: one-line errors that suggest what was meant, help as wide as the terminal, words to complete.

What a flag takes is told once, by `offer`: the completion of the shell and the tests read it there.
"""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NoReturn

from ..progress import one_line
from .arguments import MAX_ECHO

NEGATIVE_NUMBER = re.compile(r"^-(\d|\.\d|inf|nan)", re.IGNORECASE)
REQUIRED = re.compile(r"the following arguments are required: (\S+?)(,.*)?$")
NO_VALUE = re.compile(r"argument (?:-\w/)?--(\S+): expected (?:one|at least one) argument$")
HEAD = "usage: "
SHORT_USAGE = 6  # flags that a line of usage may list one by one
ALIKE = 0.7  # of the similarity of two words (1: the same) from which one may stand for the other
FILES, DIRECTORIES = ("<file>",), ("<directory>",)
"""Words of a flag that takes a path."""

Words = Sequence[str] | Callable[[], Sequence[str]]


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help whose names are never broken at a hyphen, and which shows whether a flag takes one value or several."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(one_line(text), width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Sentences as wide as the help; indented lines as they are, having been laid out already."""
        lines = []
        for line in text.splitlines():
            lines += textwrap.wrap(line, width - len(indent), break_on_hyphens=False) if line[:1].strip() else [line]
        return "\n".join(indent + line for line in lines)

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if getattr(action, "single", False):
            return str(action.metavar or default_metavar)
        return super()._format_args(action, default_metavar)


class Parser(argparse.ArgumentParser):
    """An argparse parser with one-line errors, no abbreviations, and negative numbers and ranges as values.

    notes : texts below the flags, each a function of the width, made when help is asked for
    """

    def __init__(self, **options: Any):
        options.setdefault("formatter_class", partial(Formatter, max_help_position=28))
        super().__init__(**options, allow_abbrev=False)
        # argparse's own pattern misses -1e-3 and -2:2:0.5 and would take them for flags
        self._negative_number_matcher = NEGATIVE_NUMBER
        self.notes: list[Callable[[int], str]] = []

    def format_usage(self) -> str:
        self._shorten()
        return super().format_usage()

    def format_help(self) -> str:
        self._shorten()
        self.epilog = "\n\n".join(note(help_width()) for note in self.notes) or None
        return super().format_help()

    def _shorten(self) -> None:
        """A usage that lists what is needed, where it would fill the screen."""
        optional = [a for a in self._actions if a.option_strings and not _needed(a)]
        if self.usage is not None or len(optional) <= SHORT_USAGE:
            return
        shown = [a for a in self._actions if _needed(a) or not a.option_strings]
        needed = [f"{a.option_strings[0]} X" + "..." * (not getattr(a, "single", False)) if a.option_strings else str(a.metavar) for a in shown]
        parts = [part.replace(" ", "\0") for part in (self.prog, *needed, "[flags]")]  # none is broken
        text = textwrap.fill(" ".join(parts), help_width() - len(HEAD), subsequent_indent=" " * (len(HEAD) + 2), break_long_words=False)
        self.usage = text.replace("\0", " ").replace("%", "%%")

    def error(self, message: str) -> NoReturn:
        """One line on stderr, exit code 2."""
        if missing := REQUIRED.search(message):
            message = f"{missing[1]}: missing; takes one that --help lists"
        elif empty := NO_VALUE.search(message):
            message = f"{empty[1].replace('-', '_')}: got no value; takes one after --{empty[1]}"
        self.exit(2, f"{self.prog}: error: {one_line(message)}\n")

    def check_needed(self, options: argparse.Namespace) -> None:
        """Flags that a command cannot do without; asked after `unknown`, so that a misspelt one is not called missing."""
        for action in self._actions:
            if _needed(action) and getattr(options, action.dest) is None:
                self.error(f"{action.dest}: missing; takes it as {action.option_strings[0]}")

    def unknown(self, words: Sequence[str]) -> NoReturn:
        """Refuse words that are no arguments, with the flag that was meant."""
        known = [flag for action in self._actions for flag in action.option_strings]
        flags = [word.partition("=")[0] for word in words if word.startswith("-")]
        meant = next((found for flag in flags if (found := alike(flag, known))), None)
        self.error(f"unrecognized arguments: {' '.join(words)}" + (f"; did you mean {meant}?" if meant else ""))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            meant = alike(str(value), [*action.choices, "--help", "--version"])
            takes = f"takes {', '.join(map(str, action.choices))}" + (f"; did you mean {meant}?" if meant else "")
            raise argparse.ArgumentError(None, f"{str(action.metavar or action.dest).lower()}: got {str(value)[:MAX_ECHO]!r}; {takes}")


def _needed(action: argparse.Action) -> bool:
    return getattr(action, "needed", False)


def alike(word: str, known: Iterable[str]) -> str | None:
    """The word among those known that may have been meant: a similar one, or one that begins with it."""
    from difflib import get_close_matches

    listed = list(known)
    begun = [other for other in listed if other.startswith(word)]
    return next(iter([*get_close_matches(word, listed, 1, ALIKE), *begun]), None)


def suggestion(message: str) -> str:
    """What may have been meant by the wrong word of a refusal ("name: got 'x'; takes a, b, c"), to be added to it."""
    found = re.search(r"got '([\w.:-]{3,})'.*?\btakes? (.*)", message)
    if not found:
        return ""
    listed = [word for word in re.findall(r"[\w.-]{3,}", found[2]) if word != found[1]]
    meant = alike(found[1].partition(":")[0], listed)
    return f"; did you mean {meant}?" if meant else ""


def offer(parser: argparse.ArgumentParser, **words: Words) -> None:
    """Say which words the arguments of these names take; `FILES` and `DIRECTORIES` are paths."""
    for action in parser._actions:
        if action.dest in words:
            action.offered = words[action.dest]  # type: ignore[attr-defined]


def offered(action: argparse.Action) -> tuple[str, ...]:
    """The words that an argument takes, as far as they can be listed."""
    words = getattr(action, "offered", None) or action.choices or ()
    return tuple(words() if callable(words) else words)


# --- help ------------------------------------------------------------------------------------------------------------------


def help_width() -> int:
    """Characters of a line of help: as argparse has it."""
    return shutil.get_terminal_size().columns - 2


def examples(lines: Sequence[str]) -> Callable[[int], str]:
    """Command lines to copy: one too long for the terminal goes on below, after a backslash."""
    return lambda width: "\n".join(["examples:", *(folded(line, width) for line in lines)])


def folded(line: str, width: int, indent: int = 2) -> str:
    """A command line in pieces that the shell takes as one, broken before flags where that is possible."""
    command, _, comment = line.partition("  #")
    pieces = re.split(r" (?=--?[a-zA-Z])", command.rstrip())
    lines = [" " * indent + pieces[0]]
    for piece in pieces[1:]:
        if len(lines[-1]) + len(piece) + 3 > width:
            lines.append(" " * (indent + 4) + piece)
        else:
            lines[-1] += f" {piece}"
    text = " \\\n".join(lines)
    return text + (f"  #{comment}" if comment and len(lines[-1]) + len(comment) + 3 <= width else "")


def listing(title: str, entries: Iterable[tuple[str, str]], column: int) -> Callable[[int], str]:
    """Names with what they mean, the meanings in a column of their own."""

    def text(width: int) -> str:
        lines = [title]
        for name, meaning in entries:
            head = f"  {name}".ljust(column)
            wrapped = textwrap.wrap(meaning, max(width - column, 20), break_on_hyphens=False) or [""]
            if len(head) > column:
                lines.append(head)
                head = " " * column
            lines += [(head if i == 0 else " " * column) + part for i, part in enumerate(wrapped)]
        return "\n".join(lines)

    return text
