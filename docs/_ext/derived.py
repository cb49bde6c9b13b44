r"""The directive ``derived``: equations taken from the derivation of a model, so that physics is written once.

.. code-block:: rst

    .. derived:: --weights spherical --ansatz 1rsb
       :steps: Reduced free entropy; Stability
       :limit: q-to-1
       :equals: C

The argument is what ``replicas derive`` takes; ``steps`` are the beginnings of titles of steps, separated by semicolons;
``limit`` is a scaling of `Functional.limit`, and ``equals`` (C unless given) the LaTeX of what it equals.
"""

from __future__ import annotations

import shlex
from functools import cache
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

import replicas as rp
from replicas.cli.model_flags import build_models
from replicas.cli.program import build_parser
from replicas.cli.questions import typed_values
from replicas.symbolic.render import broken, named


@cache
def derivation(flags: str) -> Any:
    """The derivation that ``replicas derive`` with these flags prints."""
    options = build_parser().parse_args(["derive", *shlex.split(flags)])
    (model,) = build_models(options, typed_values(options, (), "derive")).values()
    return rp.derive(model, options.ansatz, options.k and int(options.k), options.quantity, options.reference)


class Derived(SphinxDirective):
    """Equations of a derivation, each with the title and number of its step."""

    required_arguments, final_argument_whitespace = 1, True
    option_spec: ClassVar = dict.fromkeys(("steps", "limit", "equals"), directives.unchanged_required)

    def run(self) -> list[nodes.Node]:
        found = derivation(self.arguments[0])
        body: list[nodes.Node] = []
        for title in filter(None, (t.strip() for t in self.options.get("steps", "").split(";"))):
            steps = [step for step in found.steps if step.title.startswith(title)]
            if not steps:
                raise self.error(f"derived: got step {title!r}; takes one of {', '.join(s.title for s in found.steps)}")
            for step in steps:
                body += self._equation(f"{step.number}. {step.title}", broken(step.latex()), named(step))
        if "limit" in self.options:
            scaling = self.options["limit"]
            text = f"{self.options.get('equals', 'C')} = {found.free_entropy.limit(scaling).latex()}"
            body += self._equation(f"The limit {scaling}", broken(text), [])
        source = nodes.paragraph(classes=["derived-source"])
        command = f"replicas derive {self.arguments[0]}"
        source += [nodes.Text("Derived, with all "), nodes.Text(f"{len(found)} steps and their checks, by "), nodes.literal(text=command)]
        return [nodes.container("", *body, source, classes=["derived"])]

    def _equation(self, title: str, tex: str, definitions: list[str]) -> list[nodes.Node]:
        caption = nodes.paragraph("", title.replace("->", "→"), classes=["derived-step"])
        out: list[nodes.Node] = [caption, nodes.math_block(tex, tex)]
        if definitions:
            where = nodes.paragraph("", "with ", classes=["derived-where"])
            for i, tex_of_name in enumerate(definitions):
                where += [nodes.Text(", ")] if i else []
                where += nodes.math(tex_of_name, tex_of_name)
            out.append(where)
        return out


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("derived", Derived)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
