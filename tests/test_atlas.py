"""The atlas: what it shows is what the library answers, every part has its place, and nothing is computed twice."""

from __future__ import annotations

import json
import math
import re
import shlex
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import replicas as rp
from replicas import atlas, plotting
from replicas.atlas import contents, crew, make, markup, store, tables
from replicas.atlas.make import Maker
from replicas.figures import drawing
from replicas.figures.figure import Figure


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


SOURCES = {  # figures of theory in the sources, and their names here
    "alpha_c(kappa)": "capacity-vs-kappa",
    "R(alpha) and eps_g": "generalization-curves",
    "entropies": "entropies",
    "capacity of committees against K": "committee-capacity",
    "E(q*)": "energy-vs-qstar",
    "Franz-Parisi for three references": "franz-parisi-three-references",
    "local entropy against d": "local-entropy-vs-distance",
    "dense-cluster generalization": "dense-cluster-generalization",
    "algorithm success curves over theory": "algorithm-success",
    "teacher-student binary phases": "teacher-student-phases",
}


@pytest.mark.parametrize("what", SOURCES)
def test_every_figure_of_the_sources_is_made_by_name(what):
    assert SOURCES[what] in plotting.FIGURES


def test_every_table_and_figure_has_one_place_on_the_page():
    assert len(set(contents.ORDER)) == len(contents.ORDER)
    written = {"algorithms", "finite-n-table", "derivations", "making"}
    assert set(contents.ORDER) == {*contents.SECTIONS, *plotting.FIGURES, *written}
    assert set(contents.SLOWEST) <= set(contents.ORDER)


def test_every_part_names_derivations_that_there_are():
    named = [name for part in (*contents.SECTIONS.values(), *plotting.FIGURES.values()) for name in part.derivations]
    assert set(named) <= set(contents.DERIVATIONS)
    assert all(figure.derivations or figure.needs_validation for figure in plotting.FIGURES.values())


@pytest.mark.parametrize("name", plotting.FIGURES)
def test_captions_are_set(name):
    caption = plotting.FIGURES[name].caption
    assert caption.count("$") % 2 == 0
    html = markup.mixed(caption)
    assert "$" not in html and "\\" not in plain(html) and "_" not in plain(html)


@pytest.mark.parametrize("name", contents.DERIVATIONS)
def test_derivations_name_a_model_and_what_is_derived(name):
    from replicas.cli.program import build_parser
    from replicas.symbolic.derivation import check_quantity

    _, kind, arguments, options = contents.DERIVATIONS[name]
    assert isinstance(getattr(rp, kind)(**arguments), rp.models.Model)
    assert options.get("ansatz", "rs") in ("rs", "1rsb", "krsb")
    check_quantity(options.get("quantity", "free-entropy"), options.get("reference"), options.get("ansatz", "rs"))
    command = shlex.split(contents.derivation_command(name))
    asked = build_parser().parse_args(command[1:])
    assert asked.quantity == options.get("quantity", "free-entropy") and asked.ansatz == options.get("ansatz", "rs")


@pytest.mark.parametrize(
    "tex, html",
    [
        (r"\alpha_c(\kappa)", "<i>α</i><sub><i>c</i></sub>(<i>κ</i>)"),
        (r"\alpha_{\mathrm{IT}}", "<i>α</i><sub>IT</sub>"),
        (r"|m|^2=q_*N", "|<i>m</i>|<sup>2</sup> = <i>q</i><sub>*</sub><i>N</i>"),
        (r"s\to-\infty", "<i>s</i> → −∞"),
        (r"\Phi((\alpha_{1/2}-\alpha)/w)", "Φ((<i>α</i><sub>1/2</sub> − <i>α</i>)/<i>w</i>)"),
        (r"\epsilon=\mathrm{Prob}(y\neq y_T)", "<i>ε</i> = Prob(<i>y</i> ≠ <i>y</i><sub><i>T</i></sub>)"),
    ],
)
def test_simple_formulas_are_set_in_the_font_of_the_text(tex, html):
    assert markup.formula(tex) == f"<span class=f>{html}</span>"


@pytest.mark.parametrize("tex", [r"\sqrt N", r"\frac12", r"\sum_j h_j", r"\tilde W", r"x_{ab c}"])
def test_other_formulas_become_mathml(tex):
    assert markup.linear(tex) is None and markup.formula(tex).startswith("<math")


# --- computed once --------------------------------------------------------------------------------------------------


def fake_figure(calls, name="one", fails=()):
    """A figure that says when its data and its drawings are made; ``fails``: what its first calls raise."""
    trouble = list(fails)

    def data(progress=None):
        calls.append(name)
        if trouble:
            raise trouble.pop(0)
        return {"alpha": [0.0, 0.5, 1.0], "value": [1.0, float("nan"), float("inf")], "what": ["a", None, "b"], "status": ["converged"] * 3}

    def draw(columns, narrow=False):
        from matplotlib.figure import Figure as Canvas

        calls.append(f"draw {name}")
        canvas = Canvas()
        canvas.add_subplot().plot(columns["alpha"], columns["value"])
        return canvas

    return Figure(f"Figure {name}", r"Value of $\alpha_c$.", data, draw, ("binary",))


@pytest.fixture
def small(monkeypatch):
    """An atlas of two figures and a table, and the list of what was computed."""
    calls = []

    def table(keep):
        calls.append("table")
        out = markup.Table(("a",))
        out.rows.append(("1",))
        return out

    def write(figure, target, suffix, **options):  # drawing itself is tested with the figures
        text = f'<svg width="1" height="1">{suffix}</svg>'
        target.write_text(text) if hasattr(target, "write_text") else target.write(text)

    monkeypatch.setattr(drawing, "write", write)
    monkeypatch.setattr(plotting, "FIGURES", {name: fake_figure(calls, name) for name in ("one", "two")})
    monkeypatch.setattr(contents, "SECTIONS", {"errors": replace(contents.SECTIONS["errors"], table=table)})
    monkeypatch.setattr(contents, "DERIVATIONS", {})
    monkeypatch.setattr(contents, "ORDER", ("errors", "one", "two", "finite-n-table", "derivations", "making"))
    return calls


def made(directory, **options):
    return atlas.write(directory, workers=1, **options)


def test_what_was_computed_is_not_computed_again(tmp_path, small):
    first = made(tmp_path)
    assert first.failures == [] and set(first.computed) == {"one", "two", "errors"}
    assert sorted(small) == sorted(["one", "two", "table", *["draw one", "draw two"] * 2])
    page, files = (tmp_path / "index.html").read_text(), {p.name for p in tmp_path.iterdir()}
    small.clear()
    again = made(tmp_path)
    assert small == [] and again.computed == [] and again.seconds == first.seconds
    assert {p.name for p in tmp_path.iterdir()} == files

    def without_times(text):
        return re.sub(r"This run took.*?</p>", "", text, flags=re.DOTALL)

    assert without_times((tmp_path / "index.html").read_text()) == without_times(page)
    assert "computed 0 parts and found 3" in (tmp_path / "index.html").read_text()
    made(tmp_path, fresh=True)
    assert small.count("one") == small.count("two") == small.count("table") == 1


def test_numbers_come_back_as_they_were(tmp_path, small):
    columns = Maker(tmp_path).make("one").payload
    read = Maker(tmp_path).make("one").payload
    assert small.count("one") == 1
    assert json.dumps(read) == json.dumps(columns) and math.isnan(read["value"][1]) and read["value"][2] == math.inf and read["what"][1] is None


def changed(path, change):
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


TAMPERED = {
    "a number": lambda found: found["payload"]["alpha"].__setitem__(1, 0.25),
    "the hash": lambda found: found.update(key="0" * 32),
    "the format": lambda found: found.update(format=store.FORMAT + 1),
    "the name": lambda found: found.update(name="two"),
    "nothing left": lambda found: found.clear(),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_what_was_changed_by_hand_is_not_believed(tmp_path, small, how):
    made(tmp_path)
    small.clear()
    changed(tmp_path / store.FOLDER / "one.json", TAMPERED[how])
    assert made(tmp_path).computed == ["one"] and small[0] == "one"
    assert json.loads((tmp_path / "computed" / "one.json").read_text())["payload"]["alpha"] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_broken_file_is_computed_again(tmp_path, small, text):
    made(tmp_path)
    small.clear()
    (tmp_path / "computed" / "errors.json").write_text(text)
    assert made(tmp_path).computed == ["errors"] and small == ["table"]


@pytest.mark.parametrize("what", ["version", "sources"])
def test_another_version_computes_everything_again(tmp_path, small, monkeypatch, what):
    made(tmp_path)
    small.clear()
    if what == "version":
        monkeypatch.setattr(plotting, "versions", lambda: {"replicas": "99"})
    else:
        monkeypatch.setattr("replicas.sweeps.store.code", lambda: "other sources")
    assert set(made(tmp_path).computed) == {"one", "two", "errors"}


def test_a_lost_drawing_is_drawn_again_from_the_data(tmp_path, small):
    made(tmp_path)
    small.clear()
    (tmp_path / "one.pdf").write_bytes(b"other")
    (tmp_path / "two.svg").unlink()
    made(tmp_path)
    assert small == ["draw one", "draw one", "draw two", "draw two"]


def test_an_interrupted_atlas_keeps_what_it_has(tmp_path, small, monkeypatch):
    monkeypatch.setitem(plotting.FIGURES, "two", fake_figure(small, "two", [KeyboardInterrupt()]))
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path)
    assert small[0] == "one" and small[-1] == "two" and not (tmp_path / "index.html").exists()
    small.clear()
    assert made(tmp_path).failures == []
    assert "one" not in small and small[0] == "two"
    assert not list((tmp_path / "computed").glob(".*"))


def test_what_failed_is_tried_again(tmp_path, small, monkeypatch):
    monkeypatch.setitem(plotting.FIGURES, "one", fake_figure(small, "one", [RuntimeError("once")]))
    assert made(tmp_path).failures == ["one: RuntimeError: once"]
    assert "Not made: one: RuntimeError: once" in (tmp_path / "index.html").read_text()
    small.clear()
    assert made(tmp_path).failures == [] and small[0] == "one" and "two" not in small


def test_results_of_a_validation_are_part_of_what_a_figure_is(tmp_path, small, monkeypatch):
    def data(progress=None, validation=None):
        small.append(str(validation and len(plotting.read_validation(validation)["experiments"])))
        return {"alpha": [0.0], "value": [1.0]}

    monkeypatch.setitem(plotting.FIGURES, "one", replace(fake_figure(small), data=data, experiments=("mine",)))
    experiment = {"name": "mine", "series": [], "rows": []}
    made(tmp_path)
    for experiments in ([experiment], [experiment | {"name": "other"}], [experiment], [experiment, experiment]):
        (tmp_path / plotting.VALIDATION).write_text(json.dumps({"experiments": experiments}))
        made(tmp_path)
    assert [one for one in small if one in ("None", "1", "2")] == ["None", "1", "None", "1", "2"]


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_workers_are_a_whole_number(tmp_path, workers):
    with pytest.raises(ValueError, match=r"^workers: got .*; takes a whole number from 1"):
        atlas.write(tmp_path, workers=workers)
    assert not (tmp_path / "computed").exists()


# --- helpers --------------------------------------------------------------------------------------------------------


def test_a_helper_that_dies_fails_its_part_and_another_takes_its_place(tmp_path, monkeypatch):
    started = []

    def start(directory):
        started.append(directory)
        code = "import sys; name = sys.stdin.readline(); print('{\"failure\": null}', flush=True) if 'good' in name else None"
        return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(crew, "_start", start)
    landed = {}
    names = ["bad", "good", "worse", "good too"]
    crew.compute(Maker(tmp_path), names, 2, lambda name: None, landed.__setitem__)
    assert landed == {"bad": "its process ended with code 0", "worse": "its process ended with code 0", "good": None, "good too": None}
    assert len(started) >= 2 * crew.LIVES  # each of these reads one line


def test_helpers_do_not_outlive_an_interrupted_atlas(tmp_path, monkeypatch):
    started = []

    def start(directory):
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    def begun(name):
        while not started:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(crew, "_start", start)
    with pytest.raises(KeyboardInterrupt):
        crew.compute(Maker(tmp_path), ["a", "b"], 2, begun, lambda name, failure: None)
    assert started and all(process.poll() is not None for process in started)


@pytest.mark.slow
def test_helpers_compute_what_one_process_does(tmp_path, monkeypatch):
    names = ("errors", "entropy-and-overlap", "derivation-binary")
    monkeypatch.setattr(Maker, "parts", lambda self: names)
    one, many = (atlas.write(tmp_path / str(n), workers=n) for n in (1, 2))
    assert one.failures == many.failures == [] and set(many.computed) == set(names)
    for name in names:
        kept = [json.loads((tmp_path / str(n) / "computed" / f"{name}.json").read_text()) for n in (1, 2)]
        assert kept[0]["payload"] == kept[1]["payload"] and kept[0]["key"] == kept[1]["key"]
    for file in ("entropy-and-overlap.csv", "entropy-and-overlap.svg", "derivation-binary.html"):
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()


def test_the_equations_shown_are_steps_of_the_derivation():
    derivation = rp.derive(rp.Perceptron(weights="spherical"))
    shown = plain(make._result(derivation))
    titles = {step.number: step.title for step in derivation.steps}
    for number, title in titles.items():
        there = f"{number} {title.replace('equation for ', '')}" in shown
        assert there == bool(title.startswith(("Local integral", "Saddle point", "Reduced")) or title == "Stability")


# --- tables ---------------------------------------------------------------------------------------------------------


def test_table_of_algorithms_reads_the_data_of_its_figure():
    names = ("quantity", "algorithm", "K", "N", "weights", "alpha", "alpha_error", "status")
    rows = [
        ("threshold", "sbpi", 1, 201, "binary", 0.7362, 0.0071, "fitted"),
        ("threshold", "hebb", 1, 201, "spherical", math.nan, math.nan, "outside"),
        ("capacity", "", 1, math.inf, "binary", 0.8330785997, 7e-15, "converged"),
        ("capacity", "", 1, math.inf, "spherical", 2.0, 3e-15, "converged"),
    ]
    text = plain(tables.algorithms(dict(zip(names, map(list, zip(*rows))))))
    assert "sbpi" in text and "0.7362 ± 0.0071" in text and "0.8330785997(1)" in text and "88.4 %" in text and "outside" in text


@pytest.mark.slow
def test_table_of_the_geometry(monkeypatch):
    kept = []
    table = tables.geometry(lambda result: kept.append(result) or result)
    rows = [[plain(cell) for cell in row] for row in table.rows]
    half = next(row for row in rows if row[2] == "0.55")
    assert half[3].startswith("0.01051092990122")  # where the enumeration of the validation finds none closer, too
    assert any(row[0].startswith("dense clusters") and row[2].startswith("0.76682057") for row in rows)
    assert [row[2][:9] for row in rows if row[1] == "m = 4"] == ["0.7843822", "1.6578069"]


@pytest.mark.slow
def test_table_of_wide_committees(monkeypatch):
    monkeypatch.setattr(tables, "ACTIVATIONS", ("relu", "quadratic", "sign"))
    monkeypatch.setattr(tables, "ANSATZES", ("rs", "1rsb"))
    kept = []
    table = tables.wide(lambda result: kept.append(result) or result)
    relu, quadratic, sign = ([plain(cell) for cell in row] for row in table.rows)
    assert float(relu[1].split("(")[0]) == pytest.approx(2 / (1 - 1 / math.pi), abs=5.1e-11)  # the ten decimals that are shown
    assert kept[0].value == pytest.approx(2 / (1 - 1 / math.pi), abs=1e-14)
    assert relu[2].startswith("2.6642800566")
    assert quadratic[1].startswith("4.00000000") and quadratic[1].endswith("a")
    assert quadratic[-1].endswith("b")  # binary, unstable at the zero of its entropy
    assert sign[1] == "∞c" and sign[2] == "∞" and sign[-1].startswith("0.94695242")
    assert "q = 0" in table.notes[0] and "unstable" in table.notes[1] and "any load" in table.notes[2]
    assert len(kept) == 9


@pytest.mark.slow
def test_table_of_fully_connected_committees(monkeypatch):
    monkeypatch.setattr(tables, "LEARNING_COMMITTEES", (("spherical", (2, math.inf)), ("binary", (math.inf,))))
    two, many, binary = ([plain(cell) for cell in row] for row in tables.shared(lambda result: result).rows)
    assert two[:2] == ["spherical", "2"] and two[2].startswith("1.02619121487") and two[3].startswith("–") and two[4] == "–"
    assert many[1] == "∞" and many[2].startswith("–")
    assert many[3].startswith("7.6802212702") and many[4].startswith("7.1692393035")
    assert binary[3].startswith("1.6175822200")
    page = markup.page("", tables.shared(lambda result: result).html("Fully connected committees"))
    assert "continuously" in page and "locally stable at every load" in page
