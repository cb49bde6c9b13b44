"""Readable tables of the results, as text and as HTML for notebooks."""

from __future__ import annotations

import html
from collections.abc import Sequence


def text_table(title: str, header: Sequence[str], body: Sequence[Sequence[str]], last: str = "") -> str:
    """The title, the rows in columns aligned on the right, and a last line if there is one."""
    widths = [max(len(row[i]) for row in [header, *body]) for i in range(len(header))]
    lines = ["  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in [header, *body]]
    return "\n".join([title, *lines, *([f"  {last}"] if last else [])])


def html_table(title: str, header: Sequence[str], body: Sequence[Sequence[str]], last: str = "") -> str:
    """The same as an HTML table."""
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
    if last:
        rows += f"<tr><td colspan={len(header)}>{html.escape(last)}</td></tr>"
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    return f"<table><caption>{html.escape(title)}</caption><tr>{head}</tr>{rows}</table>"
