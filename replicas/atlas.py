"""The atlas: capacities, instabilities, learning transitions, figures, derivations and finite-N checks on one page.

Everything is computed when the page is made; no number is copied from anywhere. ``write(directory)`` puts there

    index.html  atlas.json  <figure>.svg, .pdf, .csv  derivation-<model>.html

and, for the finite-N part, reads ``validation.json`` if it finds it there.
"""

from __future__ import annotations

import io
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from . import __version__, drawing, plotting
from .arguments import one_line
from .atlas_page import Table, inline_svg, number, page, prose

Progress = Callable[[str, int, int], None]

TITLE = "Atlas of the perceptron"
CAPACITIES: tuple[tuple[str, str, tuple[float, ...], str | None], ...] = (
    ("spherical", "threshold", (-1.0, -0.5, 0.0, 0.5, 1.0), None),
    ("binary", "threshold", (-0.5, 0.0, 0.5), None),
    ("ternary", "threshold", (0.0,), None),
    ("discrete:-2,-1,1,2", "threshold", (0.0,), None),
    ("binary", "window", (0.5, 1.0), None),
    ("binary", "threshold", (0.0,), "q-to-1"),
    ("ternary", "threshold", (0.0,), "q-to-1"),
)
INSTABILITIES = (("spherical", (-1.0, -0.5)), ("binary", (0.0,)))
LEARNERS = ("binary", "ternary")
RULES = ("gibbs", "bayes", "max-stability", "hebb", "pseudo-inverse")
DECAY = {"hebb": 0.5, "pseudo-inverse": 0.5}
"""Power of 1/alpha with which the error of a rule decays, where it is not 1."""
FAR, FARTHER = 1e5, 1e6
"""Loads between which the coefficient of the decay has to stand still."""
BEYOND = (("binary", (1.0, 1.5)), ("spherical", (2.5, 3.0)))
DERIVATIONS = {
    "binary": ("binary weights, storage", {"weights": "binary"}),
    "spherical": ("spherical weights, storage", {"weights": "spherical"}),
    "binary-teacher": ("binary student of a binary teacher", {"weights": "binary", "task": "teacher-student"}),
    "spherical-teacher": (
        "spherical student of a spherical teacher",
        {"weights": "spherical", "task": "teacher-student"},
    ),
}
ORDER = (
    "capacities",
    "capacity-vs-kappa",
    "entropy-and-overlap",
    "field-distribution",
    "stability",
    "errors",
    "learning",
    "generalization-curves",
    "decay",
    "finite-n-table",
    "finite-n",
    "derivations",
)
"""The sections of the page."""


@dataclass
class Atlas:
    """A page under construction: what it says, what was computed, how long it took, what went wrong."""

    directory: Path
    sections: list[tuple[str, str, str]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    report: Callable[[str], None] = lambda what: None

    @property
    def page(self) -> Path:
        return self.directory / "index.html"

    def keep(self, result: Any) -> Any:
        """Record a result for atlas.json."""
        self.results.append(result.to_dict())
        return result


def write(directory: str | Path = "atlas", progress: Progress = lambda what, done, total: None) -> Atlas:
    """Compute and write the atlas.

    Parameters
    ----------
    directory : where to write; made if missing.
    progress : called as progress(what, done, total).

    Returns
    -------
    Atlas with the path of its ``page``, and ``failures`` (empty when every part was made).

    Raises
    ------
    ValueError : the directory cannot be written.
    """
    atlas = Atlas(Path(directory))
    try:
        atlas.directory.mkdir(parents=True, exist_ok=True)
        atlas.page.touch()
    except OSError as error:
        raise ValueError(
            f"output: cannot write {atlas.page}: {error.strerror}; takes a directory that can be written"
        ) from None
    parts: list[tuple[str, Callable[[Atlas], None]]] = [
        ("compilation", _compile),
        ("capacities", _capacities),
        ("instabilities", _instabilities),
        ("transitions", _transitions),
        ("learning rules", _decay),
        ("ground states", _beyond),
        *((name, _figure(name)) for name in plotting.FIGURES),
        ("finite N", _finite_n),
        ("derivations", _derivations),
    ]
    for done, (name, part) in enumerate(parts):
        progress(name, done, len(parts))
        atlas.report = partial(_report, progress, done, len(parts))
        start = time.perf_counter()
        try:
            part(atlas)
        except Exception as error:  # the rest of the page still counts; the failure is shown on it and in the exit code
            atlas.failures.append(one_line(f"{name}: {type(error).__name__}: {error}"))
        atlas.seconds[name] = time.perf_counter() - start
    atlas.page.write_text(page(TITLE, _body(atlas)), encoding="utf-8")
    (atlas.directory / "atlas.json").write_text(json.dumps(_machine(atlas), indent=1) + "\n", encoding="utf-8")
    progress("done", len(parts), len(parts))
    return atlas


def _report(progress: Progress, done: int, total: int, what: str) -> None:
    progress(what, done, total)


# --- compilation ---------------------------------------------------------------------------------------------------


def _compile(atlas: Atlas) -> None:
    """Derive and compile the models of the page on every processor; what is already in the cache costs a second.

    Each model is solved once by a process of its own, whose only use is what it leaves in the cache: should one fail,
    the model is compiled where it is asked for.
    """
    storage = [(weights, "storage") for weights in ("binary", "spherical", "ternary")]
    models = storage + [(weights, "teacher-student") for weights in (*LEARNERS, "spherical")]
    workers = min(len(models), os.cpu_count() or 1)
    if workers == 1 or not sys.executable:
        return
    with ThreadPoolExecutor(workers) as pool:
        for done, _ in enumerate(pool.map(_solve_once, models)):
            atlas.report(f"compilation {done + 1}/{len(models)}")


def _solve_once(model: tuple[str, str]) -> None:
    weights, task = model
    command = [sys.executable, "-m", "replicas", "solve", "--weights", weights, "--task", task, "--alpha", "0.5"]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


# --- tables --------------------------------------------------------------------------------------------------------


def _stable(value: Any) -> str:
    return "–" if value is None else "<span class=good>stable</span>" if value else "<span class=bad>unstable</span>"


def _kappa(value: float) -> str:
    return f"<span class=n>{value:g}</span>".replace("-", "−")


def _capacities(atlas: Atlas) -> None:
    import replicas as rp

    table = Table(("weights", "<i>κ</i>", "<i>α</i><sub>c</sub>", "criterion", "RS saddle"))
    for weights, likelihood, kappas, criterion in CAPACITIES:
        table.begin_group()
        result = atlas.keep(
            rp.capacity(rp.Perceptron(weights=weights, kappa=kappas, likelihood=likelihood), criterion=criterion)
        )
        for one in result:
            meaning = one.criterion + (": <span class=bad>not the capacity</span>" if criterion else "")
            value = number(one.value, one.error) + table.note(one.statement or one.message)
            table.rows.append(
                (
                    weights + (", window" if likelihood == "window" else ""),
                    _kappa(one.kappa),
                    value,
                    meaning,
                    _stable(one.stable),
                )
            )
    text = (
        "<p>The largest load <i>α</i> = <i>P</i>/<i>N</i> of random patterns that can be stored with margin <i>κ</i> (window: |<i>u</i>| ≤ <i>κ</i>). A number in brackets bounds the error in the last "
        "digit; “stable” means that the replica-symmetric (RS) saddle is stable at the threshold.</p>"
    )
    atlas.sections.append(
        (
            "capacities",
            "Capacities",
            text + table.html("Capacities") + _command("replicas capacity --weights binary --kappa 0"),
        )
    )


def _instabilities(atlas: Atlas) -> None:
    import replicas as rp

    table = Table(
        ("weights", "<i>κ</i>", "<i>α</i><sub>AT</sub>", "<i>q</i>", "breaking point", "below <i>α</i><sub>c</sub>")
    )
    for weights, kappas in INSTABILITIES:
        for one in atlas.keep(rp.at_line(rp.Perceptron(weights=weights, kappa=kappas))):
            order = one.order_parameters
            cells = (
                number(order["q"], None),
                number(order["breaking_point"], None),
                "yes" if one.physical else "no" + table.note(one.message),
            )
            table.rows.append((weights, _kappa(one.kappa), number(one.value, one.error), *cells))
    text = (
        "<p>The load at which the RS saddle becomes unstable towards replica symmetry breaking (de Almeida–Thouless). Where it lies below <i>α</i><sub>c</sub>, the RS "
        "capacity is only an upper bound.</p>"
    )
    atlas.sections.append(
        (
            "stability",
            "Stability",
            text + table.html("Instabilities") + _command("replicas at-line --weights spherical --kappa -1 -0.5"),
        )
    )


def _transitions(atlas: Atlas) -> None:
    import replicas as rp

    table = Table(("weights", "threshold", "load", "overlap with the teacher"))
    for weights in LEARNERS:
        table.begin_group()
        result = atlas.keep(rp.transitions(rp.Perceptron(weights=weights, task="teacher-student")))
        for label, one in (("<i>α</i><sub>IT</sub>", result.alpha_it), ("spinodal", result.spinodal)):
            if one is None:
                table.rows.append((weights, label, "–" + table.note(result.message), "–"))
                continue
            load = number(one.value, one.error) + table.note(one.statement)
            table.rows.append((weights, label, load, number(one.order_parameters["R"], None)))
    text = "<p>A discrete student learns a noise-free teacher of its own kind in a first-order transition; spherical weights learn smoothly.</p>"
    html = (
        text
        + table.html("Learning transitions")
        + _command("replicas transitions --weights binary --task teacher-student")
    )
    atlas.sections.append(("learning", "Learning transitions", html))


def _decay(atlas: Atlas) -> None:
    import replicas as rp

    model = rp.Perceptron(weights="spherical", task="teacher-student")
    table = Table(("spherical student", "error at large <i>α</i>", "coefficient"))
    curves = {rule: rp.generalization(model, [FAR, FARTHER], rule=rule) for rule in ("gibbs-bayes", *RULES[2:])}
    for curve in curves.values():
        atlas.keep(curve)
    for rule in RULES:
        name, curve = (f"eps_{rule}", curves["gibbs-bayes"]) if rule in ("gibbs", "bayes") else ("eps_g", curves[rule])
        power = DECAY.get(rule, 1.0)
        far, farther = (float(e) * load**power for e, load in zip(getattr(curve, name), (FAR, FARTHER)))
        noise = float(curve.errors[name][1]) * FARTHER**power
        form = "<i>c</i>/<i>α</i>" if power == 1 else "<i>c</i>/√<i>α</i>"
        table.rows.append((plotting.RULES[rule][0], form, number(farther, abs(farther - far) + noise)))
    text = (
        "<p>How fast the generalization error of a spherical student falls: the coefficient at <i>α</i> = 10<sup>6</sup>, its error bounded by the change from "
        "<i>α</i> = 10<sup>5</sup>.</p>"
    )
    html = (
        text
        + table.html("Large loads")
        + _command("replicas generalization --weights spherical --task teacher-student --alpha 1e5 1e6")
    )
    atlas.sections.append(("decay", "Learning at large load", html))


def _beyond(atlas: Atlas) -> None:
    import replicas as rp

    table = Table(("weights", "<i>α</i>", "errors per pattern", "RS saddle"))
    for weights, alphas in BEYOND:
        for one in atlas.keep(rp.ground_state(rp.Perceptron(weights=weights), alphas)):
            value = number(one.error_fraction, one.errors["error_fraction"]) + table.note(
                str(one.criterion) + ("" if one.stable else "; unstable, a lower bound")
            )
            table.rows.append((weights, _kappa(one.alpha), value, _stable(one.stable)))
    text = "<p>Above capacity: the smallest fraction of patterns in error, at <i>κ</i> = 0.</p>"
    atlas.sections.append(
        (
            "errors",
            "Beyond capacity",
            text + table.html("Ground states") + _command("replicas ground-state --weights binary --alpha 1 1.5"),
        )
    )


def _command(line: str) -> str:
    return f"<p class=soft><code>{line}</code></p>"


# --- figures, simulations, derivations -----------------------------------------------------------------------------


def _figure(name: str) -> Callable[[Atlas], None]:
    def part(atlas: Atlas) -> None:
        validation = atlas.directory / plotting.VALIDATION
        if name == "finite-n" and not validation.exists():
            return
        extra = {"validation": validation} if name == "finite-n" else {}
        figure = plotting.FIGURES[name]
        columns = figure.data(**extra)
        plotting.write_csv(columns, atlas.directory / f"{name}.csv")
        wide, narrow = figure.draw(columns), figure.draw(columns, narrow=True)
        for suffix in (".svg", ".pdf"):
            drawing.write(wide, atlas.directory / f"{name}{suffix}", suffix)
        single = len(wide.axes) == 1
        drawings = [inline_svg(_transparent(wide), name, figure.title)]
        if not single:
            drawings = [
                f"<div class=wide>{drawings[0]}</div>",
                f"<div class=narrow>{inline_svg(_transparent(narrow), name + '-narrow', figure.title)}</div>",
            ]
        files = ", ".join(f'<a href="{name}.{kind}">{kind}</a>' for kind in ("svg", "pdf", "csv"))
        caption = f"<figcaption><b>{prose(figure.title)}.</b> {prose(figure.caption)} <span class=soft>{files}; <code>replicas figure {name}</code></span></figcaption>"
        html = f"<figure{' class=single' if single else ''}>{''.join(drawings)}{caption}</figure>"
        atlas.sections.append((name, "", html))

    return part


def _transparent(figure: Any) -> str:
    """SVG text without a background, to stand on any paper."""
    figure.patch.set_alpha(0)
    stream = io.StringIO()
    drawing.write(figure, stream, ".svg", facecolor="none")
    return stream.getvalue()


def _finite_n(atlas: Atlas) -> None:
    path = atlas.directory / plotting.VALIDATION
    if not path.exists():
        text = (
            "<p>Simulations of finite networks are confronted with the theory by the validation of the checkout. Its results are not in this directory; "
            f"<code>python -m validation --quick --output {atlas.directory.name or '.'}</code> makes them in under a minute, and the next "
            "<code>replicas atlas</code> shows them.</p>"
        )
        atlas.sections.append(("finite-n-table", "Finite <i>N</i>", text))
        return
    report = plotting.read_validation(path)
    table = Table(("", "prediction", "measurement", "pull", "verdict"))
    for experiment in report["experiments"]:
        table.begin_group()
        for row in experiment["rows"]:
            numbers = (float(row[k]) for k in ("predicted", "measured", "stderr", "pull"))
            predicted, measured, stderr, pull = numbers
            verdict = f"<span class={'good' if row['agrees'] else 'bad'}>{row['verdict'].split(' (')[0]}</span>"
            decimals = max(0, min(8, 2 - _exponent(stderr)))
            plain = (f"{predicted:.{decimals}f}", f"{measured:.{decimals}f} ± {stderr:.{decimals}f}", f"{pull:+.1f}")
            table.rows.append(
                (prose(row["label"]), *(f"<span class=n>{cell}</span>".replace("-", "−") for cell in plain), verdict)
            )
    total = sum(len(experiment["rows"]) for experiment in report["experiments"])
    wrong = sum(not row["agrees"] for experiment in report["experiments"] for row in experiment["rows"])
    text = (
        f"<p>{total} comparisons, {'none disagrees' if not wrong else f'{wrong} disagree'}. The pull is the difference in standard errors; the measurements are extrapolated "
        "to large <i>N</i> where the label does not name a size.</p>"
    )
    atlas.sections.append(
        (
            "finite-n-table",
            "Finite <i>N</i>",
            text + table.html("Finite N") + _command("python -m validation --quick --output atlas"),
        )
    )


def _exponent(number: float) -> int:
    return math.floor(math.log10(number)) + 1 if number > 0 else 0


def _derivations(atlas: Atlas) -> None:
    import replicas as rp

    items = []
    for name, (label, words) in DERIVATIONS.items():
        derivation = rp.derive(rp.Perceptron(**words))
        (atlas.directory / f"derivation-{name}.html").write_text(derivation.to_html(), encoding="utf-8")
        items.append(f'<li><a href="derivation-{name}.html">{label}</a>, {len(derivation.steps)} steps</li>')
    text = (
        "<p>From the replicated partition function to the free entropy, its saddle point and its stability, by rewriting rules; each step is checked numerically by "
        "<code>replicas derive --check</code>.</p>"
    )
    html = (
        text
        + f"<ul>{''.join(items)}</ul>"
        + _command("replicas derive --weights binary --format html -o derivation.html")
    )
    atlas.sections.append(("derivations", "Derivations", html))


# --- page ----------------------------------------------------------------------------------------------------------


def _body(atlas: Atlas) -> str:
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title, _ in _ordered(atlas) if title)
    lead = (
        "<p>What the replica-symmetric theory of single-layer perceptrons predicts, computed on this machine, each number with a bound on its error. "
        'The same numbers, with all their digits, are in <a href="atlas.json">atlas.json</a>.</p>'
    )
    failures = "".join(f"<p class=bad>Not made: {prose(text)}</p>" for text in atlas.failures)
    parts = [
        f'<section id="{key}">{f"<h2>{title}</h2>" if title else ""}{html}</section>'
        for key, title, html in _ordered(atlas)
    ]
    return f"<header><h1>{TITLE}</h1>{lead}</header><nav aria-label=Contents>{links}</nav><main>{failures}{''.join(parts)}</main>{_footer(atlas)}"


def _ordered(atlas: Atlas) -> list[tuple[str, str, str]]:
    """Each figure behind the table that it illustrates."""
    return sorted(atlas.sections, key=lambda section: ORDER.index(section[0]))


def versions() -> dict[str, str]:
    """Versions of what computed the page."""
    from importlib.metadata import version

    return {"replicas": __version__, "Python": platform.python_version()} | {
        name: version(name) for name in ("numpy", "scipy", "sympy", "numba", "matplotlib")
    }


def _footer(atlas: Atlas) -> str:
    named = ", ".join(f"{name} {number}" for name, number in versions().items())
    slowest = sorted(atlas.seconds.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest if seconds >= 0.05)
    total = sum(atlas.seconds.values())
    return f"<footer><p>Computed in {total:.0f} s ({parts}), the first time including derivation and compilation. {named}; {sys.platform}.</p></footer>"


def _machine(atlas: Atlas) -> dict[str, Any]:
    return {
        "quantity": "atlas",
        "results": atlas.results,
        "seconds": {k: round(v, 3) for k, v in atlas.seconds.items()},
        "versions": versions(),
        "failures": atlas.failures,
    }
