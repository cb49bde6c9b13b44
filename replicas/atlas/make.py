"""The parts of an atlas: a table, the data of a figure, its drawings, a derivation, each taken from the store or computed into it.

A part is named by what it is: the name of a section, of a figure, of a figure's drawing ("drawing-..."), of a derivation ("derivation-...").
"""

from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import plotting
from ..figures import drawing
from ..figures.figure import Columns, Figure, Progress, silent
from . import contents
from .markup import formula, inline_svg, mixed
from .store import ROOT, Entry, Store, digest, key

DRAWING, DERIVATION = "drawing-", "derivation-"
DRAWN = (".svg", ".pdf")
SHOWN = re.compile(  # steps of a derivation that are its result
    r"Local integral|Reduced free entropy|The limit n -> 0|Saddle point: equation|Local entropy|External entropy|Slope of the entropy|Complexity|Stability$"
)
REDUCED = "Reduced free entropy"


@dataclass(frozen=True)
class Part:
    """Something to compute: its name and hash in the store, and how."""

    name: str
    key: str
    compute: Callable[[Progress], Any]


class Maker:
    """What a directory's atlas is made of; every part is computed once and kept.

    progress : called as progress(what, done, total) inside a part that says how far it is
    """

    def __init__(self, directory: Path, progress: Progress = silent):
        self.directory = directory
        self.store = Store(directory)
        self.progress = progress
        self.validation = directory / plotting.VALIDATION

    def parts(self) -> tuple[str, ...]:
        """Every table, figure and derivation, the slowest first."""
        figures = [name for name, figure in plotting.FIGURES.items() if not figure.needs_validation or self.validation.exists()]
        names = [*figures, *contents.SECTIONS, *(DERIVATION + name for name in contents.DERIVATIONS)]
        place = {name: i for i, name in enumerate(contents.SLOWEST)}
        return tuple(sorted(names, key=lambda name: place.get(name, len(place))))

    def known(self, name: str) -> bool:
        """Whether a part, with its drawings where it is a figure, is in the store."""
        if name not in plotting.FIGURES:
            return self.store.read(name, self._part(name).key) is not None
        data = self.store.read(name, self._part(name).key)
        return data is not None and self._drawn(name, data) is not None

    def make(self, name: str) -> Entry:
        """A part from the store, or computed into it; a figure's drawings with it."""
        entry = self._get(self._part(name))
        if name in plotting.FIGURES:
            self.drawing(name, entry)
        return entry

    def drawing(self, name: str, data: Entry) -> Entry:
        """The drawings of a figure, in the page and as files."""
        return self._drawn(name, data) or self._compute(self._drawing_part(name, data))

    # --- parts -----------------------------------------------------------------------------------------------------

    def _part(self, name: str) -> Part:
        if name in plotting.FIGURES:
            return self._figure_part(name, plotting.FIGURES[name])
        if name in contents.SECTIONS:
            return Part(name, key(f"table {name}", ("atlas/tables.py", "atlas/contents.py")), lambda progress: _table(name))
        what = contents.DERIVATIONS[name.removeprefix(DERIVATION)]
        return Part(name, key(f"derivation {what}", ("atlas/make.py",)), lambda progress: _derivation(name))

    def _figure_part(self, name: str, figure: Figure) -> Part:
        measured = _measurements(self.validation, figure.experiments)
        path = self.validation if measured else None

        def compute(progress: Progress) -> Columns:
            return figure.table(progress, path)

        return Part(name, key(f"figure {name} {digest(measured)}", (_file_of(figure),)), compute)

    def _drawing_part(self, name: str, data: Entry) -> Part:
        figure = plotting.FIGURES[name]
        shown = digest(repr(data.payload), figure.title, figure.caption)
        sources = (_file_of(figure), "atlas/make.py")
        return Part(DRAWING + name, key(f"drawing {name} {shown}", sources), lambda progress: self._draw(name, figure, data))

    def _drawn(self, name: str, data: Entry) -> Entry | None:
        """The drawings in the store, if their files are there, too."""
        part = self._drawing_part(name, data)
        found = self.store.read(part.name, part.key)
        if found is None:
            return None
        for file, expected in found.payload["files"].items():
            try:
                if digest((self.directory / file).read_bytes()) != expected:
                    return None
            except OSError:
                return None
        return found

    def _get(self, part: Part) -> Entry:
        return self.store.read(part.name, part.key) or self._compute(part)

    def _compute(self, part: Part) -> Entry:
        wall, cpu = time.perf_counter(), time.process_time()
        payload = part.compute(self.progress)
        return self.store.write(part.name, part.key, Entry(payload, time.perf_counter() - wall, time.process_time() - cpu))

    # --- drawings --------------------------------------------------------------------------------------------------

    def _draw(self, name: str, figure: Figure, data: Entry) -> dict[str, Any]:
        """Drawn into the page for a wide and a narrow screen, and as files."""
        wide, narrow = figure.draw(data.payload), figure.draw(data.payload, narrow=True)
        files = {}
        for suffix in DRAWN:
            path = self.directory / f"{name}{suffix}"
            drawing.write(wide, path, suffix)
            wide.set_layout_engine("none")  # settled by the first drawing, which the others repeat
            files[path.name] = digest(path.read_bytes())
        single = len(wide.axes) == 1
        inline = _inline(wide, name, figure.title)
        if not single:
            inline = f"<div class=wide>{inline}</div><div class=narrow>{_inline(narrow, f'{name}-narrow', figure.title)}</div>"
        return {"files": files, "single": single, "svg": inline, "caption": mixed(figure.caption)}


def _file_of(figure: Figure) -> str:
    """The file that the data of a figure come from, as a source."""
    module = sys.modules[figure.data.__module__]
    path = Path(module.__file__ or "").resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def _measurements(path: Path, experiments: tuple[str, ...]) -> str:
    """What a figure draws of the results of the validation, as text; empty where there is nothing."""
    if not experiments or not path.exists():
        return ""
    found = plotting.read_validation(path)["experiments"]
    return "".join(repr(e) for e in found if "*" in experiments or e["name"] in experiments)


def _inline(figure: Any, prefix: str, label: str) -> str:
    """A drawing as part of the page, on any paper."""
    figure.patch.set_alpha(0)
    stream = io.StringIO()
    drawing.write(figure, stream, ".svg", facecolor="none")
    return inline_svg(stream.getvalue(), prefix, label)


def _table(name: str) -> dict[str, Any]:
    """A table as HTML, and the results behind it."""
    section, results = contents.SECTIONS[name], []

    def keep(result: Any) -> Any:
        results.append(result.to_dict())
        return result

    html = section.table(keep).html(section.title)
    return {"html": html, "results": results}


def _derivation(name: str) -> dict[str, Any]:
    """A derivation as a page, and its result: the steps that the solver evaluates, each with its number."""
    import replicas as rp

    _, kind, arguments, options = contents.DERIVATIONS[name.removeprefix(DERIVATION)]
    derivation = rp.derive(getattr(rp, kind)(**arguments), **options)
    return {"page": derivation.to_html(), "steps": len(derivation.steps), "result": _result(derivation)}


def _result(derivation: Any) -> str:
    from ..symbolic.render import lines_of, named, prose

    reduced = any(step.title == REDUCED for step in derivation.steps)
    out = []
    for step in derivation.steps:
        if not SHOWN.match(step.title) or (reduced and step.title.startswith("The limit")):
            continue
        with_ = named(step)
        where = f"<p>with {', '.join(formula(x) for x in with_)}.</p>" if with_ else ""
        lines = "".join(formula(line.strip(), True) for line in lines_of(step.latex()))
        title = prose(step.title.replace("equation for ", ""))
        out.append(f"<dt><span class=soft>{step.number}</span> {title}</dt><dd><div class=eq>{lines}</div>{where}</dd>")
    return f"<dl>{''.join(out)}</dl>"
