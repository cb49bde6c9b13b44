"""Figures and the atlas: what is drawn is the data, the data are the library's, and the page stands alone."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import replicas as rp
from replicas import atlas, plotting
from replicas.atlas import contents, markup
from replicas.figures import drawing
from replicas.figures import perceptron as figures_perceptron

DASHED = drawing.DASHED
PALETTE = {color.lower() for color in (drawing.BLACK, *drawing.CYCLE)}


@pytest.fixture(scope="module")
def entropy():
    return plotting.FIGURES["entropy-and-overlap"].data()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Results of a validation run, of the shape that ``python -m validation --output`` writes."""
    series = {"label": "enumeration, N = 25", "xlabel": "load alpha", "ylabel": "entropy per weight", "x": ["0.1", "0.2"], "y": ["0.6", "0.5"],
              "yerr": ["0.01", "0.02"], "theory_x": ["0.0", "0.3"], "theory_y": ["0.7", "0.4"]}  # fmt: skip
    row = {"label": "entropy per weight, alpha = 0.2", "predicted": "0.55012", "measured": "0.54923", "stderr": "0.00083", "pull": "-1.06",
           "verdict": "agrees (pull -1.1)", "agrees": True}  # fmt: skip
    experiment = {
        "name": "entropy",
        "question": "?",
        "series": [series, series | {"label": "again"}],
        "rows": [row],
        "notes": [],
    }
    path = tmp_path_factory.mktemp("validation") / plotting.VALIDATION
    path.write_text(json.dumps({"experiments": [experiment]}))
    return path


def lines(ax):
    """The drawn lines as (x, y, is solid)."""
    return [(line.get_xdata(), line.get_ydata(), line.get_linestyle() == "-") for line in ax.get_lines()]


# --- data and drawing ----------------------------------------------------------------------------------------------


def test_entropy_figure_holds_the_numbers_of_the_library(entropy):
    limit = rp.capacity(rp.Perceptron()).value
    at = entropy["alpha"].index(limit)
    assert abs(entropy["entropy"][at]) < 1e-12
    assert entropy["entropy"][0] == pytest.approx(math.log(2), abs=1e-15)
    some = entropy["alpha"].index(0.5)
    point = rp.solve(rp.Perceptron(), 0.5)
    assert (entropy["entropy"][some], entropy["q"][some]) == pytest.approx((point.entropy, point.q), rel=1e-12)
    assert set(entropy["status"][: at - 1]) == {"converged"} and set(entropy["status"][at + 2 :]) == {"unphysical"}


def test_entropy_is_solid_up_to_the_capacity_and_dashed_beyond(entropy):
    figure = plotting.FIGURES["entropy-and-overlap"].draw(entropy)
    solid, dashed = (line for line in lines(figure.axes[0]) if len(line[0]) > 2)
    assert solid[2] and not dashed[2]
    limit = entropy["alpha_c"][0]
    assert solid[1].min() > -0.02 and dashed[0].min() >= limit - 1e-12 and dashed[1].max() < 1e-12
    assert solid[0][-1] == dashed[0][0]  # no hole between the two


def test_a_drawing_shows_its_table_and_nothing_else(entropy):
    shifted = {k: [v + 1 if k == "q" else v for v in column] for k, column in entropy.items()}
    before, after = (plotting.FIGURES["entropy-and-overlap"].draw(c).axes[1] for c in (entropy, shifted))
    first, second = (next(line for line in lines(ax) if len(line[0]) > 2) for ax in (before, after))
    assert np.allclose(second[1], first[1] + 1)


def test_field_densities_are_normalised():
    columns = plotting.FIGURES["field-distribution"].data()
    for alpha in figures_perceptron.LOADS:
        c = {k: np.array([v for v, a in zip(column, columns["alpha"]) if a == alpha]) for k, column in columns.items()}
        assert np.trapezoid(c["density"], c["u"]) == pytest.approx(1, abs=2e-4)  # trapezoid on 0 <= u <= 4


def test_capacity_figure_has_stable_and_unstable_parts():
    columns = plotting.FIGURES["capacity-vs-kappa"].data()
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    pick = {(r["weights"], r["quantity"], round(r["kappa"], 6)): r for r in rows}
    assert pick["spherical", "capacity", 0.0]["alpha"] == pytest.approx(2, abs=1e-14)
    assert pick["binary", "capacity", 0.0]["alpha"] == pytest.approx(0.8330785997395813, abs=1e-14)
    assert all(
        r["stable"] == (r["kappa"] >= -1e-12)
        for r in rows
        if r["weights"] == "spherical" and r["quantity"] == "capacity"
    )
    for r in rows:
        if r["quantity"] == "at-line" and r["physical"]:
            assert r["alpha"] < pick["spherical", "capacity", round(r["kappa"], 6)]["alpha"]
    ax = plotting.FIGURES["capacity-vs-kappa"].draw(columns).axes[0]
    drawn = [line for line in lines(ax) if len(line[0]) > 5]
    assert {True, False} == {line[2] for line in drawn}
    assert ax.get_yscale() == "log"


@pytest.mark.slow
def test_generalization_figure_marks_the_transitions():
    columns = plotting.FIGURES["generalization-curves"].data()
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    marks = {r["quantity"]: r["alpha"] for r in rows if r["quantity"] in ("alpha_it", "spinodal")}
    assert marks == pytest.approx({"alpha_it": 1.2446839898506876, "spinodal": 1.4926318182303504}, abs=1e-12)
    poor = [r for r in rows if r["branch"] == "typical" and r["weights"] == "binary"]
    assert max(r["alpha"] for r in poor) == pytest.approx(marks["spinodal"], abs=1e-8)
    assert all(r["dominant"] == (r["alpha"] <= marks["alpha_it"] + 1e-12) for r in poor)
    figure = plotting.FIGURES["generalization-curves"].draw(columns)
    assert [ax.get_title(loc="left")[3:] for ax in figure.axes] == ["spherical student", "binary student"] * 2
    for r in rows:  # what the overlap means, and where it comes from
        if r["quantity"] in ("gibbs", "hebb", "pseudo-inverse", "max-stability"):
            assert r["value"] == pytest.approx(math.acos(r["R"]) / math.pi, abs=1e-7)
        elif r["quantity"] == "bayes":
            assert r["value"] == pytest.approx(math.acos(math.sqrt(r["R"])) / math.pi, abs=1e-7)
    one = next(r for r in rows if r["quantity"] == "hebb" and r["alpha"] == 1)
    assert one["R"] == pytest.approx(math.sqrt(2 / (2 + math.pi)), abs=1e-14)


@pytest.mark.slow
def test_committee_capacities_and_their_series():
    columns = plotting.FIGURES["committee-capacity"].data()
    rows = {(quantity, K): i for i, (quantity, K) in enumerate(zip(columns["quantity"], columns["K"]))}

    def at(quantity, K, column="alpha"):
        return columns[column][rows[quantity, K]]

    assert at("rs", 1) == pytest.approx(2, abs=1e-13) and at("1rsb", 1) == pytest.approx(2, abs=1e-13)
    assert at("rs", 3) == rp.capacity(rp.TreeCommittee(3, "spherical")).value
    assert at("krsb", 3) + at("krsb", 3, "error") < at("1rsb", 3) < at("rs", 3)
    assert all(at("1rsb", K) <= at("rs", K) for K in (1, 3, 5, 7))
    assert at("series-1", 7) == pytest.approx(math.sqrt(72 * 7 / math.pi), rel=1e-14)
    assert at("series-2", 3) == pytest.approx(math.sqrt(72 * 3 / math.pi) - 9, rel=1e-14) and at("series-2", 3) < 0
    off = [abs(at(f"series-{n}", 101) / at("rs", 101) - 1) for n in (1, 2, 3, 4)]
    assert off == sorted(off, reverse=True) and off[-1] < 1e-3
    assert all(e < 1e-5 for e, quantity in zip(columns["error"], columns["quantity"]) if "series" not in quantity)
    assert set(columns["status"]) == {"converged", "asymptotic"}
    left, right = plotting.FIGURES["committee-capacity"].draw(columns).axes
    assert left.get_xscale() == right.get_yscale() == "log"
    for ax in (left, right):
        assert {line.get_color().lower() for line in ax.get_lines()} <= PALETTE


@pytest.mark.slow
@pytest.mark.nightly
def test_committees_learn_in_a_jump_or_from_a_threshold():
    columns = plotting.FIGURES["committee-learning"].data()
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    assert set(columns["status"]) == {"converged"}
    marks = {(r["machine"], r["quantity"]): r["alpha"] for r in rows if r["quantity"] in ("alpha_it", "spinodal")}
    assert marks["committee K=3", "alpha_it"] == pytest.approx(1.10434715995, abs=1e-10)
    assert marks["committee K=3", "spinodal"] == pytest.approx(1.4557715, abs=1e-6)
    assert marks["perceptron", "alpha_it"] == pytest.approx(1.2446839898506876, abs=1e-12)
    for r in rows:
        if r["machine"] == "parity K=2":
            assert (r["R"] == 0) == (r["alpha"] < math.pi**2 / 8) == (r["value"] == 0.5)
    poor = [r for r in rows if r["branch"] == "typical" and r["weights"] == "binary"]
    assert all(r["dominant"] == (r["alpha"] <= marks[r["machine"], "alpha_it"]) for r in poor)
    some = next(r for r in poor if r["machine"] == "committee K=3" and r["quantity"] == "gibbs" and r["alpha"] > 1)
    student = rp.TreeCommittee(3, "binary", task="teacher-student")
    assert some["R"] == pytest.approx(rp.solve(student, some["alpha"]).q, abs=1e-10)
    for key in {(r["machine"], r["weights"], r["alpha"], r["branch"]) for r in rows if r["value"]}:
        one = {r["quantity"]: r["value"] for r in rows if (r["machine"], r["weights"], r["alpha"], r["branch"]) == key}
        assert one["bayes"] <= one["gibbs"]
    for narrow in (False, True):
        figure = plotting.FIGURES["committee-learning"].draw(columns, narrow)
        assert [ax.get_title(loc="left") for ax in figure.axes] == ["a  spherical weights", "b  binary weights"]


def test_finite_n_draws_symbols_with_errors_and_each_theory_once(report):
    columns = plotting.FIGURES["finite-n"].data(validation=report)
    ax = plotting.FIGURES["finite-n"].draw(columns).axes[0]
    assert len(ax.containers) == 2
    assert ax.containers[0].lines[0].get_ydata().tolist() == [0.6, 0.5]
    assert sum(line.get_ydata().tolist() == [0.7, 0.4] for line in ax.get_lines() if len(line.get_ydata()) == 2) == 1
    assert ax.get_xlabel() == r"load $\alpha$"


@pytest.mark.parametrize("text", [None, "", "{}", '{"experiments": [{}]}', '{"experiments": 3}', "[1]"])
def test_missing_or_foreign_validation_results_are_refused(tmp_path, text):
    path = tmp_path / plotting.VALIDATION
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=r"^validation: .*python -m validation --quick --output DIR"):
        plotting.read_validation(path)


@pytest.mark.parametrize("name", ["entropy-and-overlap", "capacity-vs-kappa", "field-distribution", "energy-vs-qstar"])
def test_house_style(name):
    columns = plotting.FIGURES[name].data()
    for narrow in (False, True):
        figure = plotting.FIGURES[name].draw(columns, narrow=narrow)
        assert figure.get_figwidth() <= (drawing.SINGLE if narrow else drawing.DOUBLE)
        for ax in figure.axes:
            assert not ax.spines["top"].get_visible() and not ax.spines["right"].get_visible()
            assert ax.get_xlabel() and ax.get_ylabel()
            assert {line.get_color().lower() for line in ax.get_lines()} <= PALETTE


# --- files ---------------------------------------------------------------------------------------------------------


def test_save_writes_the_figure_and_its_table_the_same_each_time(tmp_path):
    figure, table, record = plotting.save("field-distribution", tmp_path / "new" / "fields.svg")
    first = figure.read_bytes()
    assert first.startswith(b"<?xml") and table == figure.with_suffix(".csv") and record == figure.with_suffix(".json")
    said = json.loads(record.read_text())
    assert said["command"] == f"replicas figure field-distribution -o {figure}" and said["versions"]["replicas"] == rp.__version__
    assert said["seconds"] > 0 and said["cpu_seconds"] > 0 and said["columns"] == ["alpha", "u", "density", "error", "status"]
    assert said["rows"] == 603 and said["status"] == {"converged": 603} and said["title"] == plotting.FIGURES["field-distribution"].title
    with open(table, newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert set(rows[0]) == {"alpha", "u", "density", "error", "status"}
    row = next(r for r in rows if r["alpha"] == "0.5" and float(r["u"]) == 1.0)
    density = rp.field_distribution(rp.solve(rp.Perceptron(), 0.5), 1.0)
    assert float(row["density"]) == pytest.approx(density.density, rel=1e-13) and float(row["error"]) < 1e-11
    plotting.save("field-distribution", figure)
    assert figure.read_bytes() == first


@pytest.mark.parametrize("suffix, magic", [(".pdf", b"%PDF"), (".png", b"\x89PNG")])
def test_suffix_decides_the_format(tmp_path, suffix, magic):
    figure, *_ = plotting.save("entropy-and-overlap", tmp_path / f"figure{suffix}")
    assert figure.read_bytes().startswith(magic)


@pytest.mark.parametrize(
    "name, path, complaint",
    [
        ("nothing", "x.svg", "^figure: got 'nothing'"),
        ("finite-n", "x", "^output: got 'x'"),
        ("finite-n", "x.jpg", "^output: got"),
        ("finite-n", "validation.svg", "^output: got .*takes a name other than"),
    ],
)
def test_save_refuses_before_any_work(name, path, complaint):
    with pytest.raises(ValueError, match=complaint):
        plotting.save(name, path)


# --- curves of results ---------------------------------------------------------------------------------------------


def axes():
    from matplotlib.figure import Figure

    return Figure().add_subplot()


def test_curve_draws_the_result_with_dashes_where_it_is_no_answer():
    result = rp.solve(rp.Perceptron(), alpha=np.linspace(0.1, 1.1, 11))
    ax = result.plot(ax=axes())
    solid, dashed = lines(ax)
    assert np.array_equal(solid[0], np.linspace(0.1, 1.1, 11)[:9]) and solid[2] and not dashed[2]
    assert np.array_equal(np.concatenate([solid[1][:-1], dashed[1]]), result.entropy)
    assert ax.get_xlabel() == drawing.LABELS["alpha"] and ax.get_ylabel() == drawing.LABELS["entropy"]


def test_curve_leaves_a_gap_where_there_is_no_number():
    result = rp.solve(rp.Perceptron(weights="spherical"), alpha=[1.0, 1.5, 2.5])
    drawn = np.concatenate([y for _, y, _ in lines(result.plot(ax=axes(), y="q"))])
    assert np.isnan(drawn[-1]) and np.isfinite(drawn[:2]).all()


def test_curve_draws_one_labelled_line_for_each_other_parameter():
    kappa = np.array([[-0.5], [0.5]])
    result = rp.solve(rp.Perceptron(), alpha=np.linspace(0.05, 0.4, 8), kappa=kappa)
    ax = drawing.curve(result, ax=axes(), y="q")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [r"$\kappa$ = -0.5", r"$\kappa$ = 0.5"]
    assert np.array_equal(lines(ax)[0][1], result.q[0])
    across = drawing.curve(rp.solve(rp.Perceptron(), alpha=0.2, kappa=[-1.0, 0.0, 1.0]), ax=axes())
    assert across.get_xlabel() == drawing.LABELS["kappa"]


def test_curve_draws_coexisting_branches_apart():
    result = rp.solve(rp.Perceptron(task="teacher-student"), alpha=[1.3, 1.35, 1.4], branch="all")
    labels = [text.get_text() for text in drawing.curve(result, ax=axes(), y="q").get_legend().get_texts()]
    assert {"branch typical", "branch perfect"} <= set(labels)


def test_curve_refuses_a_point_and_an_unknown_column():
    with pytest.raises(ValueError, match=r"^result: got a single point"):
        drawing.curve(rp.solve(rp.Perceptron(), alpha=0.5))
    with pytest.raises(ValueError, match=r"^y: got 'entrophy'; takes alpha, .*entropy"):
        drawing.curve(rp.solve(rp.Perceptron(), alpha=[0.5, 0.6]), y="entrophy", ax=axes())


# --- the page ------------------------------------------------------------------------------------------------------


def plain(html: str) -> str:
    return re.sub(r"<[^>]*>", "", html).replace("−", "-")


@given(st.floats(-100, 100), st.floats(1e-16, 10))
def test_brackets_bound_the_error_in_the_last_digit(value, error):
    digits, bracket = re.fullmatch(r"(-?[\d.]+)\((\d+)\)", plain(markup.concise(value, error))).groups()
    unit = 10.0 ** -len(digits.partition(".")[2])
    assert int(bracket) * unit >= error * (1 - 1e-9) or unit <= 2e-16
    assert int(bracket) * unit <= max(10 * error, 2 * unit)
    assert abs(float(digits) - value) <= 0.51 * unit + 1e-15 * abs(value)


@pytest.mark.parametrize(
    "value, error, text",
    [(0.8330785997395813, 2.5e-15, "0.833078599739581(3)"), (2.0, 1.6e-15, "2.000000000000000(2)"), (0.5, 9.3e-5, "0.5000(1)"), (-1.25, 0.011, "-1.25(2)"),
     (3.0, 0.0, "3"), (math.nan, None, "–"), (None, None, "–"), (math.inf, 0.0, "∞"), (0.123456789, None, "0.123457")],
)  # fmt: skip
def test_numbers_of_the_page(value, error, text):
    assert plain(markup.concise(value, error)) == text


def test_prose_sets_symbols():
    assert markup.prose("N = 25, alpha_c <= 1") == "<i>N</i> = 25, <i>α</i><sub>c</sub> ≤ 1"
    assert markup.prose("mean <u^2>") == "mean &lt;<i>u</i><sup>2</sup>&gt;"


def test_notes_share_a_letter_when_they_say_the_same():
    table = markup.Table(("a",))
    assert table.note("one") == table.note("one") != table.note("two")
    assert table.note("") == ""
    assert table.html("label").count("<li>") == 2


class Page(HTMLParser):
    """Names, references and unclosed elements of a page."""

    VOID = frozenset({"meta", "br", "path", "use", "rect", "link", "img"})

    def __init__(self, text: str):
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.ids += [value for name, value in attributes if name == "id" and value]
        self.references += [value for name, value in attributes if name in ("href", "src", "xlink:href") and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.ids += [value for name, value in attributes if name == "id" and value]
        self.references += [value for name, value in attributes if name in ("href", "src", "xlink:href") and value]

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def check_page(directory) -> str:
    """The page refers to nothing beyond its directory, and to nothing that is not there."""
    text = (directory / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open
    assert len(set(page.ids)) == len(page.ids)
    for reference in page.references:
        if reference.startswith("#"):
            assert reference[1:] in page.ids
        else:
            assert (directory / reference).is_file()
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    return text


def test_a_part_that_fails_is_shown_and_the_rest_is_made(tmp_path, monkeypatch):
    def broken(_):
        raise RuntimeError("no such saddle")

    sections = {"stability": contents.SECTIONS["stability"], "learning": replace(contents.SECTIONS["learning"], table=broken)}
    monkeypatch.setattr(contents, "SECTIONS", sections)
    monkeypatch.setattr(contents, "DERIVATIONS", {name: contents.DERIVATIONS[name] for name in ("binary", "spherical")})
    monkeypatch.setattr(
        plotting, "FIGURES", {name: plotting.FIGURES[name] for name in ("entropy-and-overlap", "finite-n")}
    )
    steps = []
    made = atlas.write(tmp_path, progress=lambda what, done, total: steps.append((done, total)), workers=1)
    assert made.failures == ["learning: RuntimeError: no such saddle"]
    text = check_page(tmp_path)
    assert "Not made: learning: RuntimeError" in text
    assert "Stability" in text and "python -m validation --quick" in text and "Entropy and overlap" in text
    assert "<summary>Equations</summary>" in text and 'href="derivation-binary.html"' in text
    assert "replicas figure entropy-and-overlap" in text and f"replicas {rp.__version__}, Python" in text
    assert steps[0][0] == 0 and steps[-1][0] == steps[-1][1] and steps[:-1] == sorted(steps[:-1])
    assert (tmp_path / "entropy-and-overlap.pdf").read_bytes().startswith(b"%PDF")
    kept = json.loads((tmp_path / "atlas.json").read_text())
    assert kept["failures"] == made.failures and set(kept["seconds"]) >= {"stability", "entropy-and-overlap", "derivation-binary"}
    (record,) = kept["figures"]
    assert record == json.loads((tmp_path / "entropy-and-overlap.json").read_text()) and record["command"] == "replicas figure entropy-and-overlap"
    with open(tmp_path / "entropy-and-overlap.csv", newline="") as stream:
        assert csv.DictReader(stream).fieldnames == record["columns"]


def test_a_directory_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"^output: cannot write"):
        atlas.write(tmp_path / "file")


@pytest.mark.slow
@pytest.mark.nightly
def test_the_whole_atlas(tmp_path, report):
    (tmp_path / plotting.VALIDATION).write_bytes(report.read_bytes())
    made = atlas.write(tmp_path)
    assert made.failures == []
    text = plain(check_page(tmp_path))
    assert len(json.loads((tmp_path / "atlas.json").read_text())["figures"]) == len(plotting.FIGURES)
    numbers = (
        "2.000000000000000",
        "0.83307859973958",
        "1.27323954473",
        "not the capacity",
        "1.24468398985",
        "1.49263181823",
        "1.0146536100",
        "0.6246581",
        "0.4417000",
        "4.0251918806",
        "3.1458419236",
        "1.1043471600",
        "0.9206194010",
    )
    for number in numbers:
        assert number in text, number
    assert "0.5501" in text and "agrees" in text
    results = json.loads((tmp_path / "atlas.json").read_text())["results"]
    assert {result["quantity"] for result in results} >= {
        "capacity",
        "at-line",
        "transitions",
        "generalization",
        "ground-state",
    }
    for name in plotting.FIGURES:
        assert all(
            (tmp_path / f"{name}.{kind}").stat().st_size > 1000 or kind == "csv" for kind in ("svg", "pdf", "csv")
        )
