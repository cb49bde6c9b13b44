"""Tables that the library computes while the pages are built: published values, certified constants, the audit, support.

Directives: ``published``, ``constants`` (argument: digits), ``audit``, ``support``.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import published
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import replicas as rp
from replicas.cli import support
from replicas.results import bound, readable

TESTS = Path(__file__).parents[2] / "tests" / "numerics"
PARTS = {
    "perceptron": ("Perceptron", support.NOTES),
    "tree-committee": ("Tree committee, K sign units", support.TREE_NOTES),
    "tree-parity": ("Tree parity machine, K sign units", ()),
    "tree-committee, K inf": ("Tree committee, infinitely many units", support.WIDE_NOTES),
    "committee, K inf": ("Fully connected committee, infinitely many units", ()),
    "committee": ("Fully connected committee, K = 2, 3", support.SHARED_NOTES),
    "stochastic-perceptron": ("Stochastic perceptron", support.STOCHASTIC_NOTES),
}
"""A title for every part of `support.KINDS`, and the notes that go with it."""
SAME_PAGE = {"stability": "at-line", "isolation": "franz-parisi", "local-entropy-threshold": "local-entropy"}


class Tables(SphinxDirective):
    """Base of the directives: a table from cells in reStructuredText."""

    def table(self, header: list[str], rows: list[list[str]], classes: tuple[str, ...] = ()) -> nodes.table:
        table = nodes.table(classes=list(classes))
        group = nodes.tgroup(cols=len(header))
        table += group
        group += [nodes.colspec(colwidth=1) for _ in header]
        head, body = nodes.thead(), nodes.tbody()
        group += [head, body]
        head += self._row(header)
        body += [self._row(row) for row in rows]
        return table

    def _row(self, cells: list[str]) -> nodes.row:
        row = nodes.row()
        for cell in cells:
            found, messages = self.parse_inline(cell)
            row += nodes.entry("", nodes.paragraph("", "", *found, *messages))
        return row

    def paragraph(self, text: str, *classes: str) -> nodes.paragraph:
        found, messages = self.parse_inline(text)
        return nodes.paragraph("", "", *found, *messages, classes=list(classes))


class Published(Tables):
    """Published values beside computed ones."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(Path(published.__file__).parents[1] / "published.json"))
        out: list[nodes.Node] = []
        for topic, rows in groupby(map(published.compare, published.ROWS), key=lambda c: c.row["topic"]):
            out.append(self.paragraph(topic, "table-title"))
            header = ["quantity", "published", "computed", "", "source"]
            out.append(self.table(header, [self._cells(comparison) for comparison in rows], ("published",)))
        return out

    def _cells(self, c: published.Comparison) -> list[str]:
        row = c.row
        if row.get("differs") and c.agrees:
            raise self.error(f"published: {row['what']} agrees; takes no reason why it differs")
        said = row.get("label") or row.get("published") or " to ".join(row["between"])
        if c.agrees:
            verdict = "agrees"
        else:
            verdict = f"**differs**: {row['differs']}" if "differs" in row else "**differs**"
        source = row["source"] + ("" if row["seen"] else " (quoted)")
        return [row["what"].replace("|", r"\|"), said, readable(repr(c.value), bound(c.error)), verdict, source]


@cache
def certified(digits: int) -> Any:
    return rp.constants(digits, certified=True)


class Constants(Tables):
    """The constants of the field with proved digits."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        rows = [
            [c.meaning.replace("|", r"\|"), f"``{c.value}``" if c.value is not None else "–", "proved" if c.certified else c.status]
            for c in certified(int(self.arguments[0]))
        ]
        return [self.table(["constant", "value", "status"], rows)]


class Audit(Tables):
    """The audit of `tests/numerics/test_audit.py`, summed up by question."""

    def run(self) -> list[nodes.Node]:
        sys.path.insert(0, str(TESTS))
        import test_audit as audit

        true, share, overstated = (defaultdict(list) for _ in range(3))
        points: dict[str, int] = defaultdict(int)
        for group, asked in audit.GROUPS.items():
            for point in asked if not audit.slow(group) else []:
                name = point["quantity"].replace("_", " ")
                points[name] += 1
                for _, value, error, exact, scale in audit.measured(point):
                    difference = float(abs(audit.mp().mpf(value) - exact))
                    true[name].append(difference / scale)
                    share[name].append(difference / error if error else 0.0)
                    overstated[name].append(error / max(difference, 1e-17))
        rows = [
            [
                name,
                str(points[name]),
                str(len(true[name])),
                f"{max(true[name]):.0e}",
                f"{max(share[name]):.2f}",
                f"{statistics.median(overstated[name]):.0f}",
            ]
            for name in sorted(points)
        ]
        header = ["question", "points", "numbers", "largest true error", "largest share of the reported error", "median of reported over true error"]
        return [self.table(header, rows, ("numbers",))]


class Support(Tables):
    """What can be asked of which model, from `replicas.cli.support`."""

    def run(self) -> list[nodes.Node]:
        out: list[nodes.Node] = []
        for name, kind in support.KINDS.items():
            title, notes = PARTS[name]
            out.append(self.paragraph(title, "table-title"))
            rows = [
                [self._link(question), *(self._cell(kind, question, p) for p in kind.problems), kind.questions[question][1]]
                for question in kind.questions
            ]
            out.append(self.table(["question", *(p.label for p in kind.problems), "remark"], rows, ("support",)))
            if notes:
                text = " ".join(notes).replace("*", r"\*")
                out.append(self.paragraph(text, "table-notes"))
        return out

    def _link(self, question: str) -> str:
        page = f"questions/{SAME_PAGE.get(question, question)}"
        return f":doc:`{question} </{page}>`" if page in self.env.found_docs else question

    def _cell(self, kind: support.Kind, question: str, problem: support.Problem) -> str:
        """Ansatzes, grouped by the weights they are asked for; weights are said where they are not all."""
        asked = {ansatz: tuple(kind.asked(question, problem, ansatz)) for ansatz in support.ANSATZES}
        cells = []
        for weights, ansatzes in groupby((a for a in asked if asked[a]), key=lambda a: asked[a]):
            every = set(weights) == set(kind.weights)
            names = ", ".join(w.partition(":")[0] for w in weights)
            cells.append(", ".join(ansatzes) + ("" if every else f" ({names})"))
        return "; ".join(cells) or "–"


def setup(app: Any) -> dict[str, Any]:
    for directive in (Published, Constants, Audit, Support):
        app.add_directive(directive.__name__.lower(), directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
