"""The atlas: capacities, instabilities, learning transitions, figures, derivations and finite-N checks on one page.

Everything is computed when the page is made; no number is copied from anywhere. ``write(directory)`` puts there

    index.html  atlas.json  <figure>.svg, .pdf, .csv, .json  derivation-<model>.html  computed/

and, for the finite-N parts, reads ``validation.json`` if it finds it there. What is in ``computed`` is not computed again as long as
the sources and versions that it comes from are the same: an interrupted atlas goes on where it was.
"""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from .. import plotting
from ..progress import one_line
from . import contents
from .crew import compute, workers_for
from .make import DERIVATION, DRAWING, Maker
from .markup import Table, page, prose, seconds_of
from .store import Entry
from .tables import algorithms

Progress = Callable[[str, int, int], None]


@dataclass
class Atlas:
    """A page under construction: what it says, what was computed, how long it took, what went wrong.

    seconds, cpu_seconds : by part, when it was computed;  computed : parts that this run computed;  elapsed : seconds of this run
    """

    directory: Path
    parts: dict[str, tuple[str, str]] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    computed: list[str] = field(default_factory=list)
    elapsed: float = 0.0

    @property
    def page(self) -> Path:
        return self.directory / "index.html"


def write(
    directory: str | Path = "atlas",
    progress: Progress = lambda what, done, total: None,
    *,
    fresh: bool = False,
    workers: int | None = None,
) -> Atlas:
    """Compute and write the atlas, or what is missing of it.

    Parameters
    ----------
    directory : where to write; made if missing.
    progress : called as progress(what, done, total).
    fresh : compute everything again.
    workers : processes; None for one a processor, at most four; 1 is this one.

    Returns
    -------
    Atlas with the path of its ``page``, and ``failures`` (empty when every part was made).

    Raises
    ------
    ValueError : the directory cannot be written, workers is not a whole number from 1.
    """
    start = time.perf_counter()
    atlas = Atlas(Path(directory))
    count = workers_for(workers, 1 << 30)
    try:
        atlas.directory.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=atlas.directory):  # fail now rather than after the work
            pass
    except OSError as error:
        takes = "takes a directory that can be written"
        raise ValueError(f"output: cannot write {atlas.page}: {error.strerror}; {takes}") from None
    maker = Maker(atlas.directory)
    if fresh:
        maker.store.forget()
    _compute_missing(atlas, maker, count, progress)
    _assemble(atlas, maker)
    atlas.elapsed = time.perf_counter() - start
    atlas.parts["making"] = ("Making of", _making(atlas))
    try:
        atlas.page.write_text(page(contents.TITLE, _body(atlas)), encoding="utf-8")
        (atlas.directory / "atlas.json").write_text(json.dumps(_machine(atlas), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        kept = f"what was computed is kept in {maker.store.folder}"
        raise ValueError(f"output: cannot write {atlas.page}: {error.strerror}; takes a directory with room; {kept}") from None
    progress("done", 1, 1)
    return atlas


def _compute_missing(atlas: Atlas, maker: Maker, workers: int, progress: Progress) -> None:
    """Compute the parts that are not in the store."""
    names = maker.parts()
    missing, broken = [], {}
    for name in names:
        try:
            if not maker.known(name):
                missing.append(name)
        except Exception as error:  # results of a validation that can not be read
            broken[name] = one_line(f"{type(error).__name__}: {error}")
    known = len(names) - len(missing)
    under_way: dict[str, None] = {}

    def report() -> None:
        progress(", ".join(under_way) or "atlas", known + len(atlas.computed), len(names))

    def begun(name: str) -> None:
        under_way[name] = None
        report()

    def landed(name: str, failure: str | None) -> None:
        under_way.pop(name, None)
        atlas.computed.append(name)
        if failure is not None:
            broken[name] = failure
        report()

    maker.progress = lambda what, done, total: progress(what, known + len(atlas.computed), len(names))
    compute(maker, missing, min(workers, max(1, len(missing))), begun, landed)
    atlas.failures += [f"{name}: {broken[name]}" for name in names if name in broken]


# --- parts ---------------------------------------------------------------------------------------------------------


def _assemble(atlas: Atlas, maker: Maker) -> None:
    """Set what is in the store as parts of the page, and write the files beside it."""
    failed = {text.partition(":")[0] for text in atlas.failures}
    results: dict[str, Any] = {}
    for name in sorted(maker.parts(), key=lambda name: not name.startswith(DERIVATION)):  # figures show what derives them
        if name in failed:
            continue
        try:
            _add(atlas, maker, name, results)
        except OSError as error:
            atlas.failures.append(one_line(f"{name}: {type(error).__name__}: {error}"))
    try:
        _add_finite_n(atlas)
    except ValueError as error:
        atlas.failures.append(f"finite-n-table: {error}")
    _add_derivations(atlas, results)


def _add(atlas: Atlas, maker: Maker, name: str, derived: dict[str, Any]) -> None:
    """One part; ``derived``: the derivations so far."""
    entry = maker.make(name)
    atlas.seconds[name], atlas.cpu_seconds[name] = entry.seconds, entry.cpu_seconds
    if name in plotting.FIGURES:
        _add_figure(atlas, maker, name, entry, derived)
    elif name in contents.SECTIONS:
        _add_section(atlas, name, entry)
    else:
        derived[name.removeprefix(DERIVATION)] = entry.payload
        (atlas.directory / f"{name}.html").write_text(entry.payload["page"], encoding="utf-8")


def _add_section(atlas: Atlas, name: str, entry: Entry) -> None:
    """A table."""
    section = contents.SECTIONS[name]
    atlas.results += entry.payload["results"]
    source = _source(f"<code>{section.command}</code>", entry.seconds, section.derivations)
    atlas.parts[name] = (section.title, f"<p>{section.text}</p>{entry.payload['html']}{source}")


def _source(made_by: str, seconds: float, derivations: tuple[str, ...] = ()) -> str:
    """What makes a part, how long that took, and what derives it."""
    derived = ", ".join(f'<a href="{DERIVATION}{name}.html">{contents.DERIVATIONS[name][0]}</a>' for name in derivations)
    return f"<p class=soft>{made_by} · {seconds_of(seconds)}{f' · derived: {derived}' if derived else ''}</p>"


def _add_figure(atlas: Atlas, maker: Maker, name: str, entry: Entry, derived: dict[str, Any]) -> None:
    """A figure with its caption, its files, what makes it and the equations behind it."""
    figure, drawn = plotting.FIGURES[name], maker.drawing(name, entry)
    atlas.cpu_seconds[DRAWING + name], atlas.seconds[DRAWING + name] = drawn.cpu_seconds, drawn.seconds
    said = plotting.record(name, entry.payload, (entry.seconds, entry.cpu_seconds), plotting.command(name, None, maker.validation))
    atlas.figures.append(said)
    plotting.write_csv(entry.payload, atlas.directory / f"{name}.csv")
    plotting.write_record(atlas.directory / f"{name}.json", said)
    files = ", ".join(f'<a href="{name}.{kind}">{kind}</a>' for kind in ("svg", "pdf", "csv", "json"))
    command = f"<code>{said['command']}</code>"
    caption = f"<figcaption><b>{prose(figure.title)}.</b> {drawn.payload['caption']}</figcaption>"
    below = _source(f"{files} · {command}", entry.seconds) + _equations(figure.derivations, derived)
    kind = " class=single" if drawn.payload["single"] else ""
    svg = drawn.payload["svg"]
    if figure.needs_validation:  # tens of panels
        svg = f"<details><summary>All panels</summary>{svg}</details>"
    atlas.parts[name] = ("", f"<figure{kind}>{svg}{caption}{below}</figure>")
    if name == "algorithm-success":
        atlas.parts["algorithms"] = (contents.ALGORITHMS[0], f"<p>{contents.ALGORITHMS[1]}</p>{algorithms(entry.payload)}")


def _equations(names: tuple[str, ...], derived: dict[str, Any]) -> str:
    """The result of the first derivation, folded, and links to all of them."""
    there = [name for name in names if name in derived]
    if not there:
        return ""
    links = ", ".join(
        f'<a href="{DERIVATION}{name}.html">{contents.DERIVATIONS[name][0]}</a> ({derived[name]["steps"]} steps)' for name in there
    )
    result = f"<p class=soft>{contents.DERIVATIONS[there[0]][0]}</p>{derived[there[0]]['result']}"
    return f"<details><summary>Equations</summary>{result}<p class=soft>Derived step by step: {links}.</p></details>"


def _add_finite_n(atlas: Atlas) -> None:
    """The verdicts of the validation, or how to get them."""
    title, path = "Finite <i>N</i>", atlas.directory / plotting.VALIDATION
    command = f"<p class=soft><code>python -m validation --quick --output {atlas.directory.name or '.'}</code></p>"
    if not path.exists():
        atlas.parts["finite-n-table"] = (title, NO_VALIDATION + command)
        return
    experiments = plotting.read_validation(path)["experiments"]
    parts = []
    for experiment in experiments:
        table = Table(("", "prediction", "measurement", "pull", "verdict"), wrap=frozenset({0}))
        table.rows += [_verdict(row) for row in experiment["rows"]]
        question = prose(experiment.get("question", ""))
        summary = f"<summary>{prose(experiment['name'].replace('-', ' '))}: {_agreement(experiment['rows'])}</summary>"
        parts.append(f"<details>{summary}<p>{question}</p>{table.html(experiment['name'])}</details>")
    rows = [row for experiment in experiments for row in experiment["rows"]]
    atlas.parts["finite-n-table"] = (title, f"<p>{_agreement(rows)}. {PULL}</p>{''.join(parts)}{command}")


def _agreement(rows: list[dict[str, Any]]) -> str:
    wrong = [row["agrees"] for row in rows].count(False)
    return f"{len(rows)} comparison{'s' * (len(rows) != 1)}, {f'{wrong} disagree' + 's' * (wrong == 1) if wrong else 'none disagrees'}"


NO_VALIDATION = """<p>Simulations of finite networks are confronted with the theory by the validation of the checkout. Its
results are not in this directory; the command below makes them in some minutes, and the next atlas shows them.</p>"""
PULL = """The pull is the difference in standard errors; the measurements are extrapolated to large <i>N</i> where the label
does not name a size."""


def _verdict(row: dict[str, Any]) -> tuple[str, ...]:
    predicted, measured, stderr, pull = (float(row[name]) for name in ("predicted", "measured", "stderr", "pull"))
    decimals = max(0, min(8, 1 - math.floor(math.log10(stderr)))) if stderr > 0 else 8
    numbers = (f"{predicted:.{decimals}f}", f"{measured:.{decimals}f} ± {stderr:.{decimals}f}", f"{pull:+.1f}")
    cells = [f"<span class=n>{cell}</span>".replace("-", "−") for cell in numbers]
    word = re.split(r"[:(]", row["verdict"])[0].strip()
    return prose(row["label"]), *cells, f"<span class={'good' if row['agrees'] else 'bad'}>{word}</span>"


def _add_derivations(atlas: Atlas, derived: dict[str, Any]) -> None:
    """Links to the pages that derive the theory, and the command that makes each."""
    if not derived:
        return
    items = [
        f'<li><a href="{DERIVATION}{name}.html">{contents.DERIVATIONS[name][0]}</a>, {derived[name]["steps"]} steps, '
        f"{seconds_of(atlas.seconds[DERIVATION + name])}</li>"
        for name in contents.DERIVATIONS
        if name in derived
    ]
    command = contents.derivation_command(next(iter(derived)))
    atlas.parts["derivations"] = ("Derivations", f"{DERIVED}<ul>{''.join(items)}</ul><p class=soft><code>{command} --check</code></p>")


DERIVED = """<p>From the replicated partition function to the free entropy, its saddle point and its stability, by rewriting
rules; each step carries a numerical check, which <code>--check</code> runs.</p>"""


# --- page ----------------------------------------------------------------------------------------------------------


def _body(atlas: Atlas) -> str:
    parts = [(key, *atlas.parts[key]) for key in contents.ORDER if key in atlas.parts]
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title, _ in parts if title)
    failures = "".join(f"<p class=bad>Not made: {prose(text)}</p>" for text in atlas.failures)
    sections = "".join(
        f'<section id="{key}">{f"<h2>{title}</h2>" if title else ""}{html}</section>' for key, title, html in parts
    )
    header = f"<header><h1>{contents.TITLE}</h1>{contents.LEAD}</header><nav aria-label=Contents>{links}</nav>"
    return f"{header}<main>{failures}{sections}</main>{_footer()}"


def _making(atlas: Atlas) -> str:
    """What took how long."""
    total, cpu = sum(atlas.seconds.values()), sum(atlas.cpu_seconds.values())
    again = len(atlas.seconds) - len([n for n in atlas.seconds if n.startswith(DRAWING)]) - len(atlas.computed)
    text = (
        f"<p>The parts took {seconds_of(total)} together, {seconds_of(cpu)} of processor time, the first ones of a kind with derivation and "
        f"compilation. This run took {seconds_of(atlas.elapsed)}: it computed {len(atlas.computed)} parts and found {max(0, again)} in "
        f"<code>computed</code>, of the same sources and versions. <code>replicas atlas --fresh</code> computes all of them.</p>"
    )
    table = Table(("part", "seconds", "processor", "drawing"))
    for name in sorted((n for n in atlas.seconds if not n.startswith(DRAWING)), key=lambda n: -atlas.seconds[n]):
        drawn = atlas.seconds.get(DRAWING + name)
        cells = [f"<span class=n>{v:.1f}</span>" for v in (atlas.seconds[name], atlas.cpu_seconds[name])]
        table.rows.append((name, *cells, "" if drawn is None else f"<span class=n>{drawn:.1f}</span>"))
    return f"{text}<details><summary>Seconds by part</summary>{table.html('Seconds by part')}</details>"


def _footer() -> str:
    named = ", ".join(f"{name} {version}" for name, version in plotting.versions().items())
    return f"<footer><p>{named}; {sys.platform}.</p></footer>"


def _machine(atlas: Atlas) -> dict[str, Any]:
    return {
        "quantity": "atlas",
        "results": atlas.results,
        "figures": atlas.figures,
        "seconds": atlas.seconds,
        "cpu_seconds": atlas.cpu_seconds,
        "elapsed": round(atlas.elapsed, 3),
        "computed": atlas.computed,
        "versions": plotting.versions(),
        "failures": atlas.failures,
    }
