"""Docstrings as reStructuredText: written as plain text, read as a page.

Sections underlined with dashes become headings, ``name : meaning`` becomes a definition, indented formulas stay as they are
written, ``.. math::`` and tables are left to Sphinx, and characters that only reStructuredText would see are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from replicas.results import Result

QUOTED = re.compile(r"(:\w+:`[^`]*`|``.*?``|`[^`]*`|(?<!\w)\*\w[^*]*\w\*(?!\w))")
NAME = r"(?:\w[\w.]*|\"[^\"]*\")"
ENTRY = re.compile(rf"^({NAME}(?:, {NAME})*) : +(\S.*)$")
NEXT = re.compile(rf"(?:(?<=[.,])  |(?<=;) ) *(?={NAME}(?:, {NAME})* : )")
RECORDS = ("Constant", "Constants", "Derivation", "Sweep", "Verdict")
"""Made by the library alone, like every `Result`."""


def escaped(text: str) -> str:
    """Plain text with what would be markup escaped, outside literals and roles."""
    parts = QUOTED.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([*|])", r"\\\1", parts[i])
        parts[i] = re.sub(r"(?<=\w)_(?!\w)", r"\_", parts[i])
    return "".join(parts)


def blocks(lines: list[str]) -> Iterator[list[str]]:
    """Runs of lines between blank ones."""
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


def definitions(block: list[str]) -> list[str]:
    """Entries ``name : meaning`` as a definition list; lines before the first of them as a paragraph."""
    out: list[str] = []
    for line in (piece for whole in block for piece in _split(whole)):
        if found := ENTRY.match(line):
            names = ", ".join(f"``{name}``" for name in found[1].split(", "))
            out += ["", names, "    " + escaped(found[2])]
        else:
            inside = any(text.startswith("    ") for text in out[-1:])
            out.append(("    " if inside else "") + escaped(line.strip()))
    return [*out, ""]


def _split(line: str) -> list[str]:
    return [piece.rstrip("; ") for piece in NEXT.split(line)] if ENTRY.match(line) else [line]


def restructured(lines: list[str]) -> list[str]:
    """A docstring of this package as reStructuredText."""
    out: list[str] = []
    directive = False  # whether the block before was one, so that an indented one goes on with it
    for block in blocks(lines):
        if len(block) > 1 and set(block[1].strip()) == {"-"}:
            out += [f".. rubric:: {block[0].strip()}", ""]
            block = block[2:]
            if not block:
                continue
        table = block[0].startswith("===")
        if table or block[0].lstrip().startswith(".. "):
            directive = not table
            out += [*block, ""]
        elif directive and block[0].startswith("    "):
            out += [*block, ""]
        elif all(line.startswith("  ") for line in block):
            directive = False
            out += ["::", "", *("    " + line for line in block), ""]
        elif block[0].lstrip().startswith("- "):
            directive = False
            out += [*map(escaped, block), ""]
        else:
            directive = False
            bullets = next((i for i, line in enumerate(block) if line.startswith("- ")), len(block))
            if any(ENTRY.match(line) for line in block):
                out += definitions(block)
            else:
                out += [escaped(line.strip()) for line in block[:bullets]] + [""]
                out += [*map(escaped, block[bullets:]), ""]
    return out


def process_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = restructured(lines)


def process_signature(app: Any, what: str, name: str, obj: Any, options: Any, signature: str, annotation: str) -> Any:
    """Records are not made by hand: their arguments are not shown."""
    if what == "class" and (issubclass(obj, Result) or obj.__name__ in RECORDS):
        return "", None
    return signature, None


def setup(app: Any) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", process_docstring)
    app.connect("autodoc-process-signature", process_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
