"""Derivations as pages: plain text, Markdown, LaTeX, and HTML whose mathematics is MathML (readable without a network)."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from ..committees import Committee
from ..models import Tree
from ..stochastic import StochasticPerceptron
from ..wide import Wide
from .numeric import Named

if TYPE_CHECKING:
    from .derivation import Derivation, Step

CONVENTIONS = (
    (r"h=\sqrt{\hat q}\,z,\ \omega=\sqrt q\,t", "Gaussian fields; z, t standard normal"),
    (
        r"G(x)=e^{-x^2/2}/\sqrt{2\pi},\ H(x)=\int_x^\infty\!G,\ A=G/H",
        "Gaussian density, tail and inverse Mills ratio",
    ),
    (
        r"\langle F\rangle_{\omega,e^{f}}=\mathbb{E}[F e^{f}]/\mathbb{E}[e^{f}]",
        "average tilted by one replica",
    ),
    (r"f'=\partial_\omega f,\ g'=\partial_h g", "derivatives in the field"),
)
MAGNETIZATIONS = (
    (r"Q=q_\ast,\ \lambda", "prescribed mean square of the weights (means m of binary ones), and its multiplier"),
    (r"\Theta(u)=H(-u/\sqrt{1-q_\ast})^\beta", "likelihood of binary weights drawn with means m, at inverse temperature beta"),
)
WIDE = (
    (r"h=\sqrt{\hat q}\,z,\ \omega=\sqrt{C(q)}\,t", "Gaussian fields; z, t standard normal"),
    (r"C(q)", "covariance of the output fields of two replicas whose weights overlap by q"),
)
UNITS = (
    (
        r"h=\sqrt{\hat q}\,z,\ \omega_j=\sqrt q\,t_j",
        "Gaussian fields, one omega for each branch; z, t_j standard normal",
    ),
    (
        r"\vec\omega=(\omega_1,\dots,\omega_K)",
        "the fields of the K units; averages over them are symmetric in the units",
    ),
)
TILTED_UNITS = (
    r"\langle F\rangle_{\vec\omega,e^{f}}=\mathbb{E}[F e^{f}]/\mathbb{E}[e^{f}]",
    "average tilted by one replica",
)
UNIT_DERIVATIVES = (
    (
        r"f_j=\partial_{\omega_j}f,\ f_{jk}=\partial_{\omega_j}\partial_{\omega_k}f,\ f_V=\partial_Vf",
        "derivatives of f",
    ),
    (r"g'=\partial_h g", "derivative in the field of a weight"),
    (r"G(x)=e^{-x^2/2}/\sqrt{2\pi},\ H(x)=\int_x^\infty\!G", "Gaussian density and tail"),
    (
        r"Z=e^f,\ D_j,\ D_{jk}",
        "probability of the output +1 given the omega_j; its difference by the sign of unit j, and the difference of that by k",
    ),
)
CONNECTED = (
    (
        r"q,\ \hat q,\ \Lambda,\ V=Q\,\mathbb{1}-q",
        "K x K matrices over the units; in equations also the entries on their diagonals",
    ),
    (r"q_c,\ \hat q_c,\ \lambda_c,\ V_c=-q_c", "the entries off their diagonals"),
    (
        r"q_+=q+(K-1)q_c,\ q_-=q-q_c",
        "eigenvalues of q on the sum of the units and on their differences; likewise for the others",
    ),
    (
        r"\vec h\sim\mathcal N(0,\hat q),\ \vec\omega\sim\mathcal N(0,q)",
        "Gaussian fields of the K units: symmetric roots of their covariances times independent standard normals z, t",
    ),
    (
        r"f^{+},\ f^{-},\ f^{0};\ Z_y=e^{f^y}",
        "f for the labels +1, -1 and 0 (a tied vote, K even), and the probability of a label",
    ),
    TILTED_UNITS,
    (
        r"f_j=\partial_{\omega_j}f,\ f_{jk}=\partial_{\omega_j}\partial_{\omega_k}f,\ g_j=\partial_{h_j}g",
        "derivatives in the fields",
    ),
    (r"\partial_{V_{jk}},\ \partial_{\Lambda_{jk}}", "derivatives in a symmetric entry, jk and kj together"),
    (r"G(x)=e^{-x^2/2}/\sqrt{2\pi},\ H(x)=\int_x^\infty\!G", "Gaussian density and tail"),
)
COUPLED = (
    (r"\tilde W,\ \tilde q,\ \tilde Q", "the reference, the overlap of two of its replicas, its norm"),
    (r"p,\ t,\ q", "overlaps of the weights with their own reference, with another one, and with each other"),
    (r"F,\ f", "pattern leaves of the reference and of the weights around it; derivatives in their own fields"),
    (r"x,\ z", "standard normals, shared by all replicas and by the weights of one reference"),
)
BROKEN = (
    (
        r"\omega_0=\sqrt{q_0}\,t_0,\ \omega_j=\omega_{j-1}+\sqrt{q_j-q_{j-1}}\,t_j",
        "Gaussian fields, one a level, h_j alike from the conjugates; t_j, z_j standard normal",
    ),
    (
        r"\langle F\rangle_{\omega_j,e^{m_jf}}=\mathbb{E}[F e^{m_jf}]/\mathbb{E}[e^{m_jf}]",
        "average over the normal of one level, tilted",
    ),
    (
        r"f_j=\frac{1}{m_j}\log\mathbb{E}_{\omega_j}[e^{m_jf_{j+1}}],\ f_{k+1}=f",
        "functions of the levels; g_j likewise",
    ),
    (r"\sum_{|B|=m}", "sum over the blocks of m replicas"),
)
CSS = """
:root{color-scheme:light dark;--ink:#1b1b1b;--soft:#5c5c5c;--rule:#d9d9d4;--paper:#fdfdfb;--mark:#0b5394}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6e2;--soft:#a5a5a0;--rule:#3a3a38;--paper:#161615;--mark:#8ab4e8}}
body{margin:0 auto;max-width:52rem;padding:2rem 1.2rem 4rem;font:1.02rem/1.55 Georgia,'Times New Roman',serif;color:var(--ink);background:var(--paper)}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .6rem}h2{font-size:1.08rem;margin:2rem 0 .3rem}h2 .n{color:var(--mark);margin-right:.5em}
p{margin:.35rem 0}.why{color:var(--soft)}.check{font-size:.88rem;color:var(--soft)}
.eq math{margin:.55rem 0}.eq{overflow-x:auto;overflow-y:hidden;margin:.7rem 0;padding:.2rem 0}
section{border-top:1px solid var(--rule);padding-top:.2rem}math{font-size:1.05em}dl{display:grid;grid-template-columns:auto 1fr;gap:.15rem 1rem}dd{margin:0}
"""


def named(step: Step) -> list[str]:
    """Definitions of the short names in a step's expression."""
    # a name before those in its definition
    found = sorted(step.expression.atoms(Named), key=lambda x: (-len(x.atoms(Named)), str(x)))
    return list(dict.fromkeys(text for x in found if (text := x.definition())))


def _with(step: Step) -> list[str]:
    """The definitions as a sentence, one a line."""
    found = [f"${x}$" for x in named(step)]
    return ["with " + ",\n".join(found) + "."] if found else []


def title(derivation: Derivation) -> str:
    from ..results import describe

    k = derivation.k
    theory = {0: "Replica-symmetric theory", 1: "One-step replica symmetry breaking"}.get(
        k, f"Replica symmetry breaking in {k} steps"
    )
    model = derivation.model
    if derivation.reference is not None:
        what = {"franz-parisi": "Franz-Parisi entropy", "local-entropy": "local entropy"}[derivation.quantity]
        return f"{theory} of the {what}, {derivation.reference} reference: {describe(model)}"
    if isinstance(model, Committee):
        units = "one unit" if model.K == 1 else f"{model.K} units"
        return f"{theory}: {model.weights.name} fully connected committee of {units}, {model.task}"
    if isinstance(model, Tree):
        units = "one unit" if model.fields == 1 else f"{model.fields} units"
        return f"{theory}: {model.weights.name} {model.name.replace('-', ' ')} of {units}, {model.task}"
    if isinstance(model, Wide):
        kind = f"infinitely many {model.activation.name} units"
        return f"{theory}: {model.weights.name} {model.name.replace('-', ' ')} of {kind}, {model.task}"
    return f"{theory}: {describe(model)}"


def conventions(derivation: Derivation) -> tuple[tuple[str, str], ...]:
    """Notation as pairs of LaTeX and words; a broken symmetry has its own fields and averages."""
    if derivation.quantity == "franz-parisi":
        return (*COUPLED, *CONVENTIONS[1:])
    if isinstance(derivation.model, Committee) and derivation.model.K > 1:
        return CONNECTED
    if derivation.model.fields > 1:
        return (*UNITS, *((TILTED_UNITS,) if derivation.model.teacher else ()), *UNIT_DERIVATIVES)
    if isinstance(derivation.model, Wide):
        return (*WIDE, *CONVENTIONS[1:]) if not derivation.k else (*WIDE, BROKEN[0], CONVENTIONS[1], *BROKEN[1:], CONVENTIONS[3])
    if isinstance(derivation.model, StochasticPerceptron):
        return (*CONVENTIONS, *MAGNETIZATIONS)
    if not derivation.k:
        return CONVENTIONS
    return (BROKEN[0], CONVENTIONS[1], *BROKEN[1:], CONVENTIONS[3])


def lines_of(text: str, limit: int = 140) -> list[str]:
    """A long sum broken at its outermost signs into lines of readable length."""
    if len(text) <= limit:
        return [text]
    parts, depth, last = [], 0, 0
    for match in re.finditer(r"\\[lr]angle|[{(\[]|[})\]]| [+-] ", text):
        token = match.group()
        if token in (" + ", " - "):
            if depth == 0 and match.start() - last > limit * 0.6:
                parts.append(text[last : match.start()])
                last = match.start()
        else:
            depth += 1 if token in ("{", "(", "[", r"\langle") else -1
    return [*parts, text[last:]]


def broken(text: str) -> str:
    """The same as one aligned LaTeX formula."""
    parts = lines_of(text)
    return (
        text
        if len(parts) == 1
        else r"\begin{aligned}&" + r" \\ &\quad ".join(p.strip() for p in parts) + r"\end{aligned}"
    )


def to_latex(d: Derivation) -> str:
    """A complete LaTeX document."""
    lines = [
        r"\documentclass{article}",
        r"\usepackage{amsmath,amssymb}",
        r"\begin{document}",
        rf"\section*{{{_tex(title(d))}}}",
        rf"\[ {d.model.latex()} \]",
    ]
    lines += [rf"\noindent ${tex}$: {_tex(text)}.\\" for tex, text in conventions(d)]
    for s in d.steps:
        lines += [
            rf"\paragraph{{{s.number}. {_tex(s.title)}.}} {_tex(s.statement)}",
            rf"\[ {broken(s.latex())} \]",
        ]
        lines += _with(s)
        lines += [rf"{_tex(s.why)} \emph{{Checked by:}} {_tex(s.checked_by)}."]
    return "\n".join([*lines, r"\end{document}", ""])


def _tex(text: str) -> str:
    """Prose for LaTeX: special characters escaped outside dollars."""
    parts = text.split("$")
    return "$".join(
        p if i % 2 else re.sub(r"([_^&%#])", r"\\\1", p).replace("->", r"$\to$") for i, p in enumerate(parts)
    )


def to_markdown(d: Derivation) -> str:
    """Markdown with dollar mathematics."""
    lines = [f"# {title(d)}", "", f"$$ {d.model.latex()} $$", ""]
    lines += [f"- ${tex}$: {text}" for tex, text in conventions(d)]
    for s in d.steps:
        lines += ["", f"## {step_to_markdown(s)}"]
    return "\n".join([*lines, ""])


def step_to_markdown(s: Step) -> str:
    """One step of it: number and title, what is claimed, the expression, why, and the check."""
    lines = [f"{s.number}. {s.title}", "", s.statement, "", f"$$ {broken(s.latex())} $$", ""]
    lines += [*_with(s), ""] if named(s) else []
    return "\n".join([*lines, f"*Why.* {s.why}", "", f"*Checked by* {s.checked_by}."])


def to_text(d: Derivation) -> str:
    """Plain text with SymPy's own notation."""
    lines = [title(d), ""]
    for s in d.steps:
        found = sorted((x for x in s.expression.atoms(Named) if x.definition()), key=str)
        definitions = "".join(f"   with {x.args[0]} = {x.args[1]}" for x in found)
        lines += [
            f"{s.number:>3}. {s.title}",
            f"     {s.statement}",
            f"     {s.expression}{definitions}",
            f"     why: {s.why}",
            f"     checked by: {s.checked_by}",
            "",
        ]
    return "\n".join(lines)


def mathml(tex: str, display: bool = True) -> str:
    """LaTeX as MathML."""
    from latex2mathml.converter import convert

    tex = re.sub(r"\\sum_\{\\substack\{(.*?)\\\\(.*?)\}\}", r"\\sum_{\1,\\,\2}", tex)
    tex = (
        tex.replace(r"\operatorname{sech}", r"\mathrm{sech}")
        .replace(r"\Big[", "[")
        .replace(r"\Big]", "]")
        .replace(r"\big(", "(")
        .replace(r"\big)", ")")
    )
    tex = tex.replace(r"\!", " ").replace(r"\dfrac", r"\frac")
    return str(convert(tex, display="block" if display else "inline"))


def body_html(d: Derivation) -> str:
    """The derivation as a fragment of HTML."""
    parts = [f"<h1>{html.escape(title(d))}</h1>", f'<div class="eq">{mathml(d.model.latex())}</div>', "<dl>"]
    parts += [f"<dt>{mathml(tex, False)}</dt><dd>{html.escape(text)}</dd>" for tex, text in conventions(d)]
    parts.append("</dl>")
    for s in d.steps:
        parts += [
            f'<section id="step-{s.number}"><h2><span class="n">{s.number}</span>{prose(s.title)}</h2>',
            f"<p>{_mixed(s.statement)}</p>",
            '<div class="eq">' + "".join(mathml(line.strip()) for line in lines_of(s.latex())) + "</div>",
        ]
        if named(s):
            parts.append("<p>with " + ", ".join(mathml(x, False) for x in named(s)) + ".</p>")
        parts += [
            f'<p class="why">{_mixed(s.why)}</p>',
            f'<p class="check">Checked by {prose(s.checked_by)}.</p></section>',
        ]
    return "\n".join(parts)


def _mixed(text: str) -> str:
    """A sentence with formulas between dollars."""
    return "".join(mathml(p, False) if i % 2 else prose(p) for i, p in enumerate(text.split("$")))


_WORDS = {
    "q_hat": "q̂",
    "alpha": "α",
    "lambda": "λ",
    "omega": "ω",
    "phi": "φ",
    "Xi": "Ξ",
    "Lambda": "Λ",
    "delta": "δ",
    "sqrt": "√",
    "Sigma": "Σ",
}


def prose(text: str) -> str:
    """A sentence with its plain-text symbols as characters: q_hat, d phi/d q, Q_ab, w^2."""
    out = html.escape(text, quote=False)
    out = re.sub(r"\bd phi/d (\w+)", r"∂φ/∂\1", out)
    out = re.sub(r"(?<![A-Za-z_])(" + "|".join(_WORDS) + r")(?![A-Za-z])", lambda m: _WORDS[m.group()], out)
    out = re.sub(r"(\w|̂|\))\^\{([^}]*)\}", r"\1<sup>\2</sup>", out)
    out = re.sub(r"([\w')])\^([\w-]+)", r"\1<sup>\2</sup>", out)
    out = re.sub(r"(?<![A-Za-z])([A-Za-zδΛΣω]̂?)_\{([^}]*)\}", r"\1<sub>\2</sub>", out)
    out = re.sub(r"(?<![A-Za-z])([A-Za-zδΛΣω]̂?)_([A-Za-z0-9]+)", r"\1<sub>\2</sub>", out)
    return out.replace("-&gt;", "→")


def to_html(d: Derivation) -> str:
    """A self-contained page."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title(d))}</title><style>{CSS}</style></head>\n<body>\n{body_html(d)}\n</body></html>\n"
    )
