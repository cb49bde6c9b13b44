"""Tables for a reader and for a program: columns as wide as the terminal allows, and CSV of what the JSON has.

A table too wide for the terminal is made narrower: what all its rows share is said once above them, the reasons of points without an
answer become notes below. What is still too wide is set in blocks below each other, each beginning with the columns that tell the
points apart. A file or a pipe gets every row on one line.
"""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

INDENT, GAP = 2, 2
NARROW = 24  # characters of a text below which it is not wrapped

Rows = list[list[str]]


def record(title: str, header: Sequence[str], cells: Sequence[str], width: int | None) -> str:
    """One point: a line for each of its values."""
    column = max(map(len, header)) + INDENT + GAP
    lines = [wrapped(f"{' ' * INDENT}{name}".ljust(column) + cell, width, column) for name, cell in zip(header, cells)]
    return "\n".join([wrapped(title, width, INDENT), *lines])


def table(title: str, header: Sequence[str], body: Rows, notes: Sequence[str], keys: Collection[str], width: int | None) -> str:
    """Several points, a row for each; ``keys``: the columns that tell the points apart."""
    rows: Rows = [list(header), *body]
    lines: list[str] = []
    if width is not None and _width(rows) > width:
        rows, shared = _without_shared(rows, keys)
        lines = [wrapped(" " * INDENT + f"all: {shared}", width, 2 * INDENT)] * bool(shared)
        if _width(rows) > width:
            rows, reasons = _without_reasons(rows)
            notes = [*notes, *reasons]
    for i, block in enumerate(_blocks(rows, keys, width)):
        lines += [""] * (i > 0) + _lines(block)
    return "\n".join([wrapped(title, width, INDENT), *lines, *(wrapped(" " * INDENT + note, width, 2 * INDENT) for note in notes)])


def _lines(rows: Rows) -> list[str]:
    widths = _widths(rows)
    return [" " * INDENT + (" " * GAP).join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows]


def _widths(rows: Rows) -> list[int]:
    return [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]


def _width(rows: Rows) -> int:
    widths = _widths(rows)
    return INDENT + sum(widths) + GAP * (len(widths) - 1)


def _without_shared(rows: Rows, keys: Collection[str]) -> tuple[Rows, str]:
    """A table without the columns whose cells are all the same, and these."""
    header, first = rows[0], rows[1]
    same = [i for i, name in enumerate(header) if name not in keys and ": " not in first[i] and all(row[i] == first[i] for row in rows[1:])]
    kept = [i for i in range(len(header)) if i not in same]
    return [[row[i] for i in kept] for row in rows], ", ".join(f"{header[i]} {first[i]}" for i in same)


def _without_reasons(rows: Rows) -> tuple[Rows, list[str]]:
    """A table whose last column, the status, has the number of a reason in its place, and the reasons."""
    if rows[0][-1] != "status":
        return rows, []
    reasons = list(dict.fromkeys(reason for *_, cell in rows[1:] if (reason := cell.partition(": ")[2])))
    marks = {reason: f"[{n}]" for n, reason in enumerate(reasons, 1)}
    out = [rows[0]]
    for *cells, last in rows[1:]:
        status, _, reason = last.partition(": ")
        out.append([*cells, f"{status} {marks[reason]}" if reason else last])
    return out, [f"{mark} {reason}" for reason, mark in marks.items()]


def _blocks(rows: Rows, keys: Collection[str], width: int | None) -> list[Rows]:
    """The columns in as few blocks as fit, each beginning with those of ``keys``."""
    if width is None or _width(rows) <= width:
        return [rows]
    widths = _widths(rows)
    first = [i for i, name in enumerate(rows[0]) if name in keys]
    room = width - INDENT - sum(widths[i] + GAP for i in first)
    blocks: list[list[int]] = []
    left = 0
    for i in (i for i in range(len(widths)) if i not in first):
        if not blocks or widths[i] > left:
            blocks.append([])
            left = room
        blocks[-1].append(i)
        left -= widths[i] + GAP
    return [[[row[i] for i in (*first, *block)] for row in rows] for block in blocks]


def wrapped(text: str, width: int | None, indent: int) -> str:
    """A text in lines of ``width``, all but the first indented; one line where the width is not limited."""
    if width is None or len(text) <= width or width - indent < NARROW:
        return text
    head = text[: len(text) - len(text.lstrip())]
    lines = textwrap.wrap(text[len(head) :], width, initial_indent=head, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False)
    return "\n".join(lines)


# --- CSV -------------------------------------------------------------------------------------------------------------------


def flat(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A JSON object as rows: its quantity, its model by its parts, what is said of all points, then the keys of each point."""
    model = {"model" if name == "name" else name: value for name, value in answer.get("model", {}).items() if not isinstance(value, list)}
    rest = {name: value for name, value in answer.items() if name not in ("quantity", "model", "points")}
    head = {name: value for name, value in rest.items() if "points" in answer and not isinstance(value, (list, Mapping))}
    return [{"quantity": answer["quantity"], **model, **head, **flat_point(point)} for point in answer.get("points", [rest])]


def flat_point(point: Mapping[str, Any]) -> dict[str, Any]:
    """A point without objects inside: each value followed by its error, order parameters by their names."""
    errors = dict(point.get("errors") or {})
    out: dict[str, Any] = {}

    def put(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, part in value.items():
                put(name if key == "value" else f"{name}_{key}" if "value" in value else key, part)
            return
        out[name] = value
        if name in errors:
            out[f"{name}_error"] = errors.pop(name)

    for name, value in point.items():
        if name != "errors":
            put(name, value)
    return {**out, **{f"{name}_error": error for name, error in errors.items()}}


def csv_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV: all digits, nothing where there is no value, the numbers of a list separated by spaces."""
    listed = list(rows)
    names = list(dict.fromkeys(name for row in listed for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in listed)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return " ".join(str(_cell(v)) for v in value) if isinstance(value, (list, tuple)) else value
