"""The page of the atlas: HTML that needs no network, reads on a phone, and follows the reader's light or dark setting.

Numbers stand in the notation of tables: 1.234(5) means an error bound of 5 in the last digit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

MAX_DECIMALS = 16  # of a double of order one
INK = "#262626"  # colour of text and axes in the figures, replaced by the reader's own

STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --paper: #fdfdfb; --soft: #5d5d63; --rule: #c9c9c4; --link: #0b5394;
  --code: #f1f1ec; --good: #00704f; --bad: #b3420a; --shade: #0003; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e3; --paper: #17181a; --soft: #a3a3a8; --rule: #45464a;
  --link: #8ab8e8; --code: #232427; --good: #4cc79c; --bad: #f0905a; --shade: #fff4; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.55 Charter, "Bitstream Charter", "Source Serif 4", Cambria, Georgia, serif; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .4rem; font-weight: 600; }
h2 { font-size: 1.35rem; margin: 3rem 0 .6rem; font-weight: 600; }
p, ul { max-width: 42rem; margin: .6rem 0; }
a { color: var(--link); text-decoration-thickness: .06em; text-underline-offset: .15em; }
nav { margin: 1.2rem 0 0; padding: .6rem 0; border-block: 1px solid var(--rule);
  display: flex; flex-wrap: wrap; gap: .2rem 1.3rem; }
.soft, footer { color: var(--soft); }
.soft, footer, figcaption, .notes { font-size: .92rem; }
code { font: .86em/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; background: var(--code);
  padding: .1em .3em; border-radius: .2em; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 1rem 0 .4rem; background: linear-gradient(to right, var(--paper) 30%, transparent) left / 2rem 100% local,
  linear-gradient(to left, var(--paper) 30%, transparent) right / 2rem 100% local,
  linear-gradient(to right, var(--shade), transparent) left / .7rem 100% scroll,
  linear-gradient(to left, var(--shade), transparent) right / .7rem 100% scroll; background-repeat: no-repeat; }
table { border-collapse: collapse; border-block: 1.5px solid var(--ink); font-size: .95rem;
  font-variant-numeric: tabular-nums lining-nums; }
th, td { padding: .28rem .9rem .28rem 0; text-align: left; vertical-align: baseline; white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
th { font-weight: 600; border-bottom: .75px solid var(--ink); }
td.wrap { white-space: normal; min-width: 10rem; }
sup, sub { line-height: 0; }
tr.group td { padding-top: .7rem; }
.f { white-space: nowrap; }
.n { font-family: system-ui, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; font-size: .93em; }
.d { margin-left: .16em; }
.good { color: var(--good); } .bad { color: var(--bad); }
.notes { margin: 0; padding: 0; list-style: none; max-width: 46rem; }
figure { margin: 1.4rem 0 2.2rem; }
figure svg { display: block; width: 100%; height: auto; color: var(--ink); }
figure .narrow { display: none; }
@media (prefers-color-scheme: dark) { figure svg { filter: brightness(1.25); } }
figcaption { max-width: 42rem; margin-top: .5rem; }
figure.single svg { max-width: 33rem; }
figure .soft { margin: .3rem 0; }
details { margin: .3rem 0 .6rem; font-size: .92rem; }
summary { cursor: pointer; color: var(--soft); width: fit-content; }
details dl { display: grid; grid-template-columns: minmax(9rem, auto) minmax(0, 1fr); gap: .1rem 1.2rem; align-items: center; margin: .5rem 0;
  border-block: 1px solid var(--rule); padding: .3rem 0; }
dt { color: var(--soft); } dd { margin: 0; min-width: 0; } dd p { margin: 0 0 .3rem; }
.eq { overflow-x: auto; overflow-y: hidden; padding: .2rem 0; } .eq math { display: block; width: max-content; margin: .2rem 0; }
math { font-family: "STIX Two Math", "Latin Modern Math", "Libertinus Math", "Cambria Math", math; font-size: 1em; }
.eq math { font-size: 1.06em; }
@media (max-width: 640px) { body { padding: 1.4rem 1rem 3rem; font-size: 1rem; }
  table { font-size: .9rem; } th, td { padding-right: .7rem; } h1 { font-size: 1.6rem; }
  figure .wide { display: none; } figure .narrow { display: block; }
  td.wrap { min-width: 7rem; }
  details dl { grid-template-columns: minmax(0, 1fr); } dt { padding-top: .4rem; } }
@media print { nav { display: none; } body { max-width: none; } }
"""


def concise(value: float | None, error: float | None) -> str:
    """A number with its error bound in brackets, digits in groups of three; both as HTML that copies as plain digits."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if error is None or not 0 < error < math.inf:
        return grouped(f"{value:.15g}") if error == 0 else grouped(f"{value:.6g}")
    decimals = min(MAX_DECIMALS, -math.floor(math.log10(error)))
    if decimals <= 0:
        return grouped(f"{value:.0f}") + f"({math.ceil(error)})"
    bracket = math.ceil(error * 10.0**decimals * (1 - 1e-12))
    if bracket > 9:  # 9.3e-5 needs two digits after rounding up: one decimal less says it in one
        decimals, bracket = decimals - 1, 1
    return grouped(f"{value:.{decimals}f}") + f"({bracket})"


def grouped(digits: str) -> str:
    """Decimals in groups of three, set apart by style so that they copy as one number."""
    whole, point, rest = digits.replace("-", "−").partition(".")
    if not point or "e" in rest:
        return digits.replace("-", "−")
    groups = [rest[i : i + 3] for i in range(0, len(rest), 3)]
    return whole + "." + groups[0] + "".join(f"<span class=d>{group}</span>" for group in groups[1:])


def number(value: float | None, error: float | None) -> str:
    """`concise`, set in figures of one width."""
    return f"<span class=n>{concise(value, error)}</span>"


WORDS = {"alpha": "α", "kappa": "κ", "beta": "β", "eps": "ε", "phi": "φ", "q_hat": "q̂", "->": "→", "<=": "≤", ">=": "≥"}


def prose(text: str) -> str:
    """Plain words as HTML: symbols in italics, α_c with a subscript, u^2 with a power."""
    text = re.sub("|".join(rf"(?<!\w){word}(?![A-Za-z0-9])" for word in WORDS), lambda found: WORDS[found[0]], text)
    text = re.sub(r"(?<!\w)q([01])(?!\w)", r"q_\1", text)
    html = re.sub(
        r"(?<![\w&])([ακβεφξμqRuNPTWKd])(?![\w;])|[αεφq](?=_)",
        lambda found: f"<i>{found[0]}</i>",
        escape(text, quote=False),
    )
    html = re.sub(r"_([A-Za-z]+|[01])", r"<sub>\1</sub>", html)
    return re.sub(r"\^(\d+)", r"<sup>\1</sup>", html)


SLASH, BAR, INFINITY = "<mo>&#x0002F;</mo>", '<mo stretchy="false">&#x0007C;</mo>', "<mo>&#x0221E;</mo>"  # as the converter writes them
TIGHT = {
    SLASH: '<mo lspace="0" rspace="0">/</mo>',
    BAR: '<mo stretchy="false" lspace="0" rspace="0">|</mo>',
    INFINITY: "<mi>∞</mi>",
}


SYMBOLS = {
    **{"alpha": "α", "beta": "β", "kappa": "κ", "epsilon": "ε", "lambda": "λ", "mu": "μ", "xi": "ξ", "pi": "π", "phi": "φ", "delta": "δ", "Phi": "Φ"},
    **{"to": " → ", "geq": " ≥ ", "leq": " ≤ ", "neq": " ≠ ", "cdot": "·", "infty": "∞", "pm": "±", "partial": "∂", "log": "log ", "arccos": "arccos"},
}
UPRIGHT = ("→", "≥", "≤", "≠", "·", "∞", "±", "∂", "log", "arccos", "Φ", "π")
LOW = r"(?P<{0}>[A-Za-z0-9]|\*|\\(?:phi|mu|alpha)|\{{\\mathrm\{{\w+\}}\}}|\{{\w+(?:/\w+)?\}})"
TOKEN = re.compile(
    rf"\\mathrm\{{(?P<upright>\w+)\}}|\\(?P<word>[A-Za-z]+)\s*|_{LOW.format('sub')}|\^{LOW.format('sup')}|(?P<letter>[A-Za-z])|(?P<number>[0-9.]+)"
    r"|(?P<sign>[=<>+-])|(?P<mark>[/(|),])|\s+"
)


def linear(tex: str) -> str | None:
    """A formula without fractions, roots and sums, as HTML in the font of the text; None for any other."""
    out, at = [], 0
    while at < len(tex):
        found = TOKEN.match(tex, at)
        if found is None or (found["word"] and found["word"] not in SYMBOLS):
            return None
        at = found.end()
        if found["word"]:
            symbol = SYMBOLS[found["word"]]
            out.append(symbol if symbol.strip() in UPRIGHT else f"<i>{symbol}</i>")
        elif found["upright"]:
            out.append(found["upright"])
        elif found["letter"]:
            out.append(f"<i>{found['letter']}</i>")
        elif found["sub"] or found["sup"]:
            out.append(_shifted(found["sub"] or found["sup"], "sub" if found["sub"] else "sup"))
        elif found["sign"]:
            first = not out or out[-1].endswith(("(", " "))
            sign = escape(found["sign"]).replace("-", "−")
            out.append(sign if first else f" {sign} ")
        else:
            out.append({",": ", "}.get(found["mark"] or "", found["mark"] or found["number"] or ""))
    return f"<span class=f>{''.join(out)}</span>"


def _shifted(text: str, tag: str) -> str:
    upright = re.fullmatch(r"\{\\mathrm\{(\w+)\}\}|\{(.*)\}|([0-9*])", text)
    symbol = SYMBOLS[text[1:]] if text.startswith("\\") else text
    inner = next(part for part in upright.groups() if part) if upright else f"<i>{symbol}</i>"
    return f"<{tag}>{inner}</{tag}>"


def formula(tex: str, display: bool = False) -> str:
    """LaTeX as HTML where it is simple, else as MathML, without the air that browsers put around strokes."""
    if not display and (simple := linear(tex)) is not None:
        return simple
    from ..symbolic.render import mathml

    out = mathml(tex, display)
    for loose, tight in TIGHT.items():
        out = out.replace(loose, tight)
    return out


def mixed(text: str) -> str:
    """Prose with formulas between dollars, which become MathML."""
    return "".join(formula(part) if i % 2 else prose(part) for i, part in enumerate(text.split("$")))


def seconds_of(seconds: float) -> str:
    """A time in words, short."""
    words = f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
    return ("less than 0.1 s" if seconds < 0.1 else words).replace(" s", "&nbsp;s").replace(" min", "&nbsp;min")


@dataclass
class Table:
    """A table with letters for its notes; cells are HTML."""

    header: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wrap: frozenset[int] = frozenset()
    groups: set[int] = field(default_factory=set)
    fold: bool = False
    """Whether the notes are folded."""

    def note(self, text: str) -> str:
        """The letter of a note, the same for the same text."""
        if not text:
            return ""
        if text not in self.notes:
            self.notes.append(text)
        return f"<sup>{_letter(self.notes.index(text))}</sup>"

    def begin_group(self) -> None:
        """Leave a little space above the next row."""
        if self.rows:
            self.groups.add(len(self.rows))

    def html(self, label: str) -> str:
        """The table in a region that scrolls sideways on a small screen, and its notes."""
        head = "".join(f"<th scope=col>{cell}</th>" for cell in self.header)
        body = []
        for i, row in enumerate(self.rows):
            cells = "".join(f"<td{' class=wrap' if j in self.wrap else ''}>{cell}</td>" for j, cell in enumerate(row))
            body.append(f"<tr{' class=group' if i in self.groups else ''}>{cells}</tr>")
        notes = "".join(f"<li><sup>{_letter(i)}</sup> {prose(text)}</li>" for i, text in enumerate(self.notes))
        tail = f"<ul class=notes>{notes}</ul>" if notes else ""
        if tail and self.fold:
            tail = f"<details><summary>Notes</summary>{tail}</details>"
        region = f'<div class=scroll role=region tabindex=0 aria-label="{escape(label)}">'
        return f"{region}<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>{tail}"


def _letter(index: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[index % 26]


def inline_svg(svg: str, prefix: str, label: str) -> str:
    """An SVG file as part of the page: names made unique, ink in the reader's colour, width from the page."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'href="#', f'href="#{prefix}-', body)
    body = body.replace("url(#", f"url(#{prefix}-").replace(INK, "currentColor")
    opening = re.sub(r' (?:width|height)="[^"]*"', "", body[: body.index(">") + 1])
    return (
        opening.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
        + body[body.index(">") + 1 :].strip()
    )


def page(title: str, body: str) -> str:
    """A whole document."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""
