"""Equations as MathML: nothing is fetched when a page is read."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.util.logging import getLogger

from replicas.symbolic.render import mathml

PRIMED = re.compile(r"([A-Za-z])('+)\^")  # f'^2, which the converter takes for two superscripts
SIZED = re.compile(r"\\[Bb]igg?[lrm]?(?![A-Za-z])")  # brackets of MathML stretch by themselves
ALIGNED = re.compile(r"\\begin\{aligned\}(.*)\\end\{aligned\}", re.S)
LOG = re.compile(r"(\\mathbb\{E\}(?:_\{[^{}]*\})?)?\s*\\log\s*(?=\\mathbb|[A-Za-z])")  # words next to it need a space
LOGGER = getLogger(__name__)


def convert(node: Any, display: bool, tex: str | None = None) -> str:
    """A formula as MathML; a command that the converter does not know is a warning, not a word on the page."""
    tex = PRIMED.sub(r"{\1\2}^", SIZED.sub("", node.astext() if tex is None else tex))
    text = mathml(LOG.sub(lambda found: (found[1] or "") + r"\,\log\,", tex), display)
    if unknown := re.findall(r"\\[A-Za-z]*", text):
        LOGGER.warning("math: %s in %s is not known to latex2mathml", ", ".join(unknown), node.astext(), location=node)
    return text


def inline(translator: Any, node: nodes.math) -> None:
    """Render a formula in a sentence."""
    translator.body.append(f'<span class="math">{convert(node, False)}</span>')
    raise nodes.SkipNode


def block(translator: Any, node: nodes.math_block) -> None:
    """Render a displayed formula, which scrolls by itself where the page is narrow."""
    lines = [node.astext()]
    if aligned := ALIGNED.search(node.astext()):  # which the converter does not know
        lines = [line.replace("&", "").strip().removeprefix(r"\quad") for line in aligned[1].split(r"\\")]
    kind = "math-block lines" if len(lines) > 1 else "math-block"
    translator.body.append(f'<div class="{kind}">{"".join(convert(node, True, line) for line in lines)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
