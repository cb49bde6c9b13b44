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
from tempfile import TemporaryFile
from typing import Any

from . import __version__, atlas_tables, drawing, plotting
from .arguments import one_line
from .atlas_page import Table, inline_svg, page, prose

Progress = Callable[[str, int, int], None]

TITLE = "Atlas of perceptrons and committees"
LEAD = """<p>What the replica theory of perceptrons and committee machines predicts, computed on this machine, each number
with a bound on its error. The same numbers, with all their digits, are in <a href="atlas.json">atlas.json</a>.</p>"""


@dataclass(frozen=True)
class Section:
    """A table with what is said about it and the command that asks the same."""

    title: str
    text: str
    command: str
    table: Callable[[Callable[[Any], Any]], Table]


SECTIONS = {
    "capacities": Section(
        "Capacities",
        """The largest load <i>α</i> = <i>P</i>/<i>N</i> of random patterns that can be stored with margin <i>κ</i>
        (window: |<i>u</i>| ≤ <i>κ</i>). A number in brackets bounds the error in the last digit; “stable” means that the
        replica-symmetric (RS) saddle is stable at the threshold.""",
        "replicas capacity --weights binary --kappa 0",
        atlas_tables.capacities,
    ),
    "stability": Section(
        "Stability",
        """The load at which the RS saddle becomes unstable towards replica symmetry breaking (de Almeida–Thouless). Where
        it lies below <i>α</i><sub>c</sub>, the RS capacity is only an upper bound.""",
        "replicas at-line --weights spherical --kappa -1 -0.5",
        atlas_tables.instabilities,
    ),
    "errors": Section(
        "Beyond capacity",
        "Above capacity: the smallest fraction of patterns in error, at <i>κ</i> = 0.",
        "replicas ground-state --weights binary --alpha 1 1.5",
        atlas_tables.ground_states,
    ),
    "breaking": Section(
        "Broken replica symmetry",
        """Where the RS saddle is unstable the capacity is lower, and the energy beyond it higher: one step of breaking, two,
        and the continuous limit with its own error. For <i>κ</i> ≥ 0 solutions form a convex set and nothing breaks below
        capacity.""",
        "replicas capacity --weights spherical --kappa -1 --ansatz frsb",
        atlas_tables.breaking,
    ),
    "learning": Section(
        "Learning transitions",
        """A discrete student learns a noise-free teacher of its own kind in a first-order transition; spherical weights
        learn smoothly.""",
        "replicas transitions --weights binary --task teacher-student",
        atlas_tables.transitions,
    ),
    "decay": Section(
        "Learning at large load",
        """How fast the generalization error of a spherical student falls: the coefficient at <i>α</i> = 10<sup>6</sup>,
        its error bounded by the change from <i>α</i> = 10<sup>5</sup>.""",
        "replicas generalization --weights spherical --task teacher-student --alpha 1e5 1e6",
        atlas_tables.decay,
    ),
    "committees": Section(
        "Machines of several units",
        """Trees of <i>K</i> sign units with a majority vote (committee) or a product of signs (parity); loads count all
        weights, <i>α</i> = <i>P</i>/<i>N</i>. Several spherical units break replica symmetry before their capacity; one
        step lowers it, and bounds it from above. What takes minutes, or is not known here, is left out (–).""",
        "replicas capacity --model tree-committee --K 3 --weights spherical --ansatz 1rsb",
        atlas_tables.committees,
    ),
    "wide": Section(
        "Infinitely wide committees",
        """Trees of <i>K</i> → ∞ units with an activation, whose sum decides. An activation enters by one function, the
        covariance of the output at overlap <i>q</i>. Spherical weights: the symmetric capacity, and what each step of
        breaking leaves of it; binary ones: the load at which the entropy vanishes. <i>K</i> → ∞ is taken first: units that
        jump then store any load, whereas finitely many of them have a finite capacity that grows with <i>K</i>.""",
        "replicas capacity --model tree-committee --K inf --activation relu --weights spherical --ansatz krsb",
        atlas_tables.wide,
    ),
    "shared": Section(
        "Fully connected committees",
        """<i>K</i> sign units that see the same inputs learn from a teacher of their own kind; <i>α</i> = <i>P</i>/(<i>NK</i>).
        On the plateau every unit resembles all units of the teacher alike. From some load on this state may be unstable, and
        units specialise, in any of <i>K</i>! equivalent ways; or another one takes over before, discontinuously: students
        that have specialised or, where weights are discrete, know the teacher. Three units take a minute each (the command
        below, with <code>--K 3</code>) and are left out.""",
        "replicas transitions --model committee --K 2 --weights spherical --task teacher-student",
        atlas_tables.shared,
    ),
    "constants": Section(
        "Constants",
        """Thresholds and asymptotic coefficients to many digits. “Proved” means that interval arithmetic encloses every
        integral and shows that the defining equations have exactly one solution in the ball; what that does not prove,
        the notes say.""",
        "replicas constants --digits 30 --certified",
        atlas_tables.constants,
    ),
}
ORDER = (
    *("capacities", "capacity-vs-kappa", "entropy-and-overlap", "field-distribution", "stability", "errors"),
    *("breaking", "negative-margin", "overlap-profile"),
    *("learning", "generalization-curves", "decay"),
    *("committees", "committee-capacity", "committee-learning"),
    *("wide", "activation-capacity", "shared", "committee-specialisation"),
    *("energy-vs-qstar", "franz-parisi-three-references", "local-entropy-vs-distance", "dense-cluster-generalization"),
    *("constants", "finite-n-table", "finite-n", "derivations"),
)
"""The parts of the page, sections and figures."""
LEARNING = {"task": "teacher-student"}
DERIVATIONS: dict[str, tuple[str, str, dict[str, Any], str]] = {  # label, model, its arguments, ansatz
    "binary": ("binary weights, storage", "Perceptron", {"weights": "binary"}, "rs"),
    "spherical": ("spherical weights, storage", "Perceptron", {"weights": "spherical"}, "rs"),
    "spherical-1rsb": ("spherical weights, storage, one step of breaking", "Perceptron", {"weights": "spherical"}, "1rsb"),
    "spherical-2rsb": ("spherical weights, storage, two steps", "Perceptron", {"weights": "spherical"}, "krsb"),
    "binary-1rsb": ("binary weights, storage, one step of breaking", "Perceptron", {"weights": "binary"}, "1rsb"),
    "binary-teacher": ("binary student of a binary teacher", "Perceptron", {"weights": "binary", **LEARNING}, "rs"),
    "spherical-teacher": ("spherical student of a spherical teacher", "Perceptron", {"weights": "spherical", **LEARNING}, "rs"),
    "wide-relu": (
        "infinitely many ReLU units, spherical weights, storage",
        "TreeCommittee",
        {"K": math.inf, "weights": "spherical", "activation": "relu"},
        "rs",
    ),
    "committee": (
        "two fully connected units and a teacher, binary weights",
        "Committee",
        {"K": 2, "weights": "binary", **LEARNING},
        "rs",
    ),
}


@dataclass
class Atlas:
    """A page under construction: what it says, what was computed, how long it took, what went wrong."""

    directory: Path
    parts: dict[str, tuple[str, str]] = field(default_factory=dict)
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
        with TemporaryFile(dir=atlas.directory):  # fail now rather than after the work
            pass
    except OSError as error:
        takes = "takes a directory that can be written"
        raise ValueError(f"output: cannot write {atlas.page}: {error.strerror}; {takes}") from None
    makers: dict[str, Callable[[Atlas], None]] = {"compilation": compile_models}
    makers |= {key: partial(add_section, key=key) for key in SECTIONS}
    makers |= {name: partial(add_figure, name=name) for name in plotting.FIGURES}
    makers |= {"finite-n-table": add_finite_n, "derivations": add_derivations}
    for done, (name, make) in enumerate(makers.items()):
        progress(name, done, len(makers))
        atlas.report = partial(_report, progress, done, len(makers))
        start = time.perf_counter()
        try:
            make(atlas)
        except Exception as error:  # the rest of the page still counts; the failure stands on it and in the exit code
            atlas.failures.append(one_line(f"{name}: {type(error).__name__}: {error}"))
        atlas.seconds[name] = time.perf_counter() - start
    atlas.page.write_text(page(TITLE, _body(atlas)), encoding="utf-8")
    (atlas.directory / "atlas.json").write_text(json.dumps(_machine(atlas), indent=1) + "\n", encoding="utf-8")
    progress("done", len(makers), len(makers))
    return atlas


def _report(progress: Progress, done: int, total: int, what: str) -> None:
    progress(what, done, total)


def compile_models(atlas: Atlas) -> None:
    """Derive and compile the models of the page on every processor; what is already in the cache costs a second.

    Each model is solved once by a process of its own, whose only use is what it leaves in the cache: should one fail,
    the model is compiled where it is asked for.
    """
    models = [f"--weights {weights}" for weights in ("binary", "spherical", "ternary")]
    models += [f"--weights {weights} --task teacher-student" for weights in (*atlas_tables.LEARNERS, "spherical")]
    models += [f"--model tree-committee --K inf --activation {name} --weights binary" for name in atlas_tables.ACTIVATIONS]
    models += ["--model committee --K inf --weights spherical --task teacher-student"]
    workers = min(len(models), os.cpu_count() or 1)
    if workers == 1 or not sys.executable:
        return
    with ThreadPoolExecutor(workers) as pool:
        for done, _ in enumerate(pool.map(_solve_once, models)):
            atlas.report(f"compilation {done + 1}/{len(models)}")


def _solve_once(model: str) -> None:
    command = [sys.executable, "-m", "replicas", "solve", *model.split(), "--alpha", "0.5"]
    quiet = subprocess.DEVNULL
    subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, check=False)


# --- parts ---------------------------------------------------------------------------------------------------------


def add_section(atlas: Atlas, key: str) -> None:
    """A table."""
    section = SECTIONS[key]
    table = section.table(atlas.keep).html(section.title)
    atlas.parts[key] = (section.title, f"<p>{section.text}</p>{table}{_command(section.command)}")


def _command(line: str) -> str:
    return f"<p class=soft><code>{line}</code></p>"


def add_figure(atlas: Atlas, name: str) -> None:
    """A figure: drawn into the page for a wide and a narrow screen, and as files with its data beside it."""
    validation = atlas.directory / plotting.VALIDATION
    if name == "finite-n" and not validation.exists():
        return
    figure = plotting.FIGURES[name]
    columns = figure.data(**({"validation": validation} if name == "finite-n" else {}))
    plotting.write_csv(columns, atlas.directory / f"{name}.csv")
    wide, narrow = figure.draw(columns), figure.draw(columns, narrow=True)
    for suffix in (".svg", ".pdf"):
        drawing.write(wide, atlas.directory / f"{name}{suffix}", suffix)
    single = len(wide.axes) == 1
    drawings = _inline(wide, name, figure.title)
    if not single:
        narrow_drawing = _inline(narrow, f"{name}-narrow", figure.title)
        drawings = f"<div class=wide>{drawings}</div><div class=narrow>{narrow_drawing}</div>"
    files = ", ".join(f'<a href="{name}.{kind}">{kind}</a>' for kind in ("svg", "pdf", "csv"))
    source = f"<span class=soft>{files}; <code>replicas figure {name}</code></span>"
    caption = f"<figcaption><b>{prose(figure.title)}.</b> {prose(figure.caption)} {source}</figcaption>"
    atlas.parts[name] = ("", f"<figure{' class=single' if single else ''}>{drawings}{caption}</figure>")


def _inline(figure: Any, prefix: str, label: str) -> str:
    """A drawing as part of the page, on any paper."""
    figure.patch.set_alpha(0)
    stream = io.StringIO()
    drawing.write(figure, stream, ".svg", facecolor="none")
    return inline_svg(stream.getvalue(), prefix, label)


def add_finite_n(atlas: Atlas) -> None:
    """The verdicts of the validation, or how to get them."""
    title, path = "Finite <i>N</i>", atlas.directory / plotting.VALIDATION
    command = f"python -m validation --quick --output {atlas.directory.name or '.'}"
    if not path.exists():
        atlas.parts["finite-n-table"] = (title, NO_VALIDATION + _command(command))
        return
    experiments = plotting.read_validation(path)["experiments"]
    table = Table(("", "prediction", "measurement", "pull", "verdict"))
    for experiment in experiments:
        table.begin_group()
        table.rows += [_verdict(row) for row in experiment["rows"]]
    verdicts = [row["agrees"] for experiment in experiments for row in experiment["rows"]]
    wrong = verdicts.count(False)
    text = f"<p>{len(verdicts)} comparisons, {f'{wrong} disagree' if wrong else 'none disagrees'}. {PULL}</p>"
    atlas.parts["finite-n-table"] = (title, text + table.html("Finite N") + _command(command))


NO_VALIDATION = """<p>Simulations of finite networks are confronted with the theory by the validation of the checkout. Its
results are not in this directory; the command below makes them in under a minute, and the next atlas shows them.</p>"""
PULL = """The pull is the difference in standard errors; the measurements are extrapolated to large <i>N</i> where the label
does not name a size."""


def _verdict(row: dict[str, Any]) -> tuple[str, ...]:
    predicted, measured, stderr, pull = (float(row[name]) for name in ("predicted", "measured", "stderr", "pull"))
    decimals = max(0, min(8, 1 - math.floor(math.log10(stderr)))) if stderr > 0 else 8
    numbers = (f"{predicted:.{decimals}f}", f"{measured:.{decimals}f} ± {stderr:.{decimals}f}", f"{pull:+.1f}")
    cells = [f"<span class=n>{cell}</span>".replace("-", "−") for cell in numbers]
    word = row["verdict"].split(" (")[0]
    return prose(row["label"]), *cells, f"<span class={'good' if row['agrees'] else 'bad'}>{word}</span>"


def add_derivations(atlas: Atlas) -> None:
    """Pages that derive the theory, and links to them."""
    import replicas as rp

    items = []
    for name, (label, kind, arguments, ansatz) in DERIVATIONS.items():
        derivation = rp.derive(getattr(rp, kind)(**arguments), ansatz)
        (atlas.directory / f"derivation-{name}.html").write_text(derivation.to_html(), encoding="utf-8")
        items.append(f'<li><a href="derivation-{name}.html">{label}</a>, {len(derivation.steps)} steps</li>')
    command = _command("replicas derive --weights binary --format html -o derivation.html --check")
    atlas.parts["derivations"] = ("Derivations", f"{DERIVED}<ul>{''.join(items)}</ul>{command}")


DERIVED = """<p>From the replicated partition function to the free entropy, its saddle point and its stability, by rewriting
rules; each step carries a numerical check, which <code>--check</code> runs.</p>"""


# --- page ----------------------------------------------------------------------------------------------------------


def _body(atlas: Atlas) -> str:
    parts = [(key, *atlas.parts[key]) for key in ORDER if key in atlas.parts]
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title, _ in parts if title)
    failures = "".join(f"<p class=bad>Not made: {prose(text)}</p>" for text in atlas.failures)
    sections = "".join(
        f'<section id="{key}">{f"<h2>{title}</h2>" if title else ""}{html}</section>' for key, title, html in parts
    )
    header = f"<header><h1>{TITLE}</h1>{LEAD}</header><nav aria-label=Contents>{links}</nav>"
    return f"{header}<main>{failures}{sections}</main>{_footer(atlas)}"


def versions() -> dict[str, str]:
    """Versions of what computed the page."""
    from importlib.metadata import version

    own = {"replicas": __version__, "Python": platform.python_version()}
    return own | {name: version(name) for name in ("numpy", "scipy", "sympy", "numba", "matplotlib")}


def _footer(atlas: Atlas) -> str:
    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    slowest = sorted(atlas.seconds.items(), key=lambda item: -item[1])
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest if seconds >= 0.05)
    total = f"Computed in {sum(atlas.seconds.values()):.0f} s ({times})"
    return f"<footer><p>{total}, the first time including derivation and compilation. {named}; {sys.platform}.</p></footer>"


def _machine(atlas: Atlas) -> dict[str, Any]:
    seconds = {name: round(value, 3) for name, value in atlas.seconds.items()}
    return {
        "quantity": "atlas",
        "results": atlas.results,
        "seconds": seconds,
        "versions": versions(),
        "failures": atlas.failures,
    }
