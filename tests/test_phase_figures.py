"""Figures and the command of phase diagrams: what is drawn is the diagram, names stand in their phases, the legend beside the data."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

import replicas as rp
from replicas import plotting, progress
from replicas.cli import phase_command
from replicas.figures import drawing as dr
from replicas.figures import phases as figures_phases
from replicas.figures import placing
from replicas.figures.phases import LINES, SHADES, phase_axes, phase_figure
from replicas.theory import phase_planes, phases
from replicas.theory.phase_regions import MEANINGS, UNKNOWN

STUDENT = rp.Perceptron("binary", task="teacher-student")
SPHERE = "phase-diagram --weights spherical"


@pytest.fixture(scope="module")
def binary():
    return rp.phase_diagram(rp.Perceptron("binary"), tolerance=1e-2)


@pytest.fixture(scope="module")
def spherical():
    """Over several decades, without full breaking."""
    return rp.phase_diagram(rp.Perceptron("spherical"), between=(-2.4, 0.5), tolerance=1e-2, lines=["capacity_rs", "at_line", "capacity_1rsb"])


@pytest.fixture(scope="module")
def learning():
    return rp.phase_diagram(STUDENT, tolerance=1e-2)


@pytest.fixture(scope="module")
def machines():
    return rp.phase_diagram(rp.TreeParity(2, "spherical"), K=[1, 2, 3, 4])


@pytest.fixture(params=["binary", "spherical", "learning", "machines"])
def diagram(request):
    return request.getfixturevalue(request.param)


def drawn(figure):
    """The figure with everything in its place."""
    figure.canvas.draw()
    return figure.canvas.get_renderer()


def names(ax):
    """Names in the axes, by the phases, with their boxes in pixels."""
    return {t.get_text(): t for t in ax.texts if t.get_text() in MEANINGS}


def test_names_stand_inside_their_phases(diagram):
    ax = diagram.plot()
    renderer = drawn(ax.figure)
    legend = {t.get_text() for t in ax.get_legend().get_texts()}
    placed = names(ax)
    assert set(placed) | legend >= set(diagram.meanings) and placed
    for text in (t for t in ax.texts if t.get_text() in MEANINGS):
        box = text.get_window_extent(renderer)
        corners = [(box.x0, box.y0), (box.x1, box.y0), (box.x0, box.y1), (box.x1, box.y1)]
        if text.get_rotation():
            corners = [tuple(np.mean(box.get_points(), axis=0))]
        for x, y in ax.transData.inverted().transform(corners):
            if diagram.whole:
                x = diagram.grid[int(np.abs(np.arange(len(diagram)) - x).argmin())]
            assert diagram.region(x, None if diagram.thresholds else max(y, 0.0)) == text.get_text()
    plt.close(ax.figure)


def test_the_legend_stands_beside_the_data_and_names_every_line(diagram):
    ax = diagram.plot()
    renderer = drawn(ax.figure)
    axes, legend = ax.get_window_extent(renderer), ax.get_legend().get_window_extent(renderer)
    assert legend.x0 >= axes.x1 and legend.x1 <= ax.figure.bbox.x1 + 1
    told = [t.get_text() for t in ax.get_legend().get_texts()]
    assert len(told) == len(set(told))
    for b in diagram.boundaries:
        assert figures_phases._words(b.label) in told
    plt.close(ax.figure)


def test_lines_differ_by_colour_and_by_dashes(diagram):
    ax = diagram.plot()
    styles = {}
    for line in ax.get_legend().legend_handles:
        if hasattr(line, "get_linestyle") and not line.get_label().startswith(("dotted", "open")) and hasattr(line, "get_color"):
            styles[line.get_label()] = (to_hex(line.get_color()), str(line._unscaled_dash_pattern))
    for one, other in itertools.combinations(styles.values(), 2):
        assert one[0] != other[0] and one[1] != other[1]
    palette = {c.lower() for c in (dr.BLACK, dr.YELLOW, *dr.CYCLE)}
    assert {color for color, _ in styles.values()} <= palette
    plt.close(ax.figure)


def test_every_line_and_phase_has_a_look_of_its_own():
    assert set(SHADES) == set(MEANINGS) - {UNKNOWN}
    together = [("capacity_rs", "at_line", "dynamical", "condensation", "capacity_1rsb", "capacity_frsb"), ("capacity", "at_line", "q_to_1", "alpha_u"),
                ("freezing", "at_line"), ("alpha_it", "spinodal", "onset"), ("alpha_it", "spinodal", "typical"), ("typical", "middle", "perfect")]  # fmt: skip
    for group in together:
        for one, other in itertools.combinations(group, 2):
            assert LINES[one][0] != LINES[other][0] and LINES[one][1] != LINES[other][1], (one, other)


def test_what_is_drawn_is_the_line(binary, spherical):
    for diagram in (binary, spherical):
        ax = diagram.plot()
        curves = [(line.get_xdata(), line.get_ydata(), line) for line in ax.get_lines() if len(line.get_xdata())]
        assert ax.get_xlim() == diagram.between and ax.get_yscale() == "log"
        for b in diagram.boundaries:
            color, dashes, dots = LINES[b.name]
            own = [c for c in curves if to_hex(c[2].get_color()) == color.lower()]
            assert own
            for x, y, line in own:
                assert np.allclose(y, b.at(x), rtol=1e-12)
                physical = b.about(x[1:-1])[1]
                assert physical.all() or not physical.any()
                assert line.get_linestyle() == ("-" if physical.all() and dashes == "-" else "--") or dots
                assert (line.get_linewidth() > 1.4) == physical.all()
        plt.close(ax.figure)


def test_two_panels_over_decades(spherical, binary, machines):
    figure = phase_figure(spherical)
    left, right = figure.axes
    assert left.get_yscale() == "log" and right.get_ylim() == pytest.approx((0.0, 1.04)) and left.get_legend() is None and right.get_legend() is not None
    flat = next(line for line in right.get_lines() if to_hex(line.get_color()) == dr.BLACK and len(line.get_xdata()))
    assert np.allclose(flat.get_ydata(), 1.0, rtol=1e-12)
    assert [len(phase_figure(d).axes) for d in (binary, machines)] == [1, 1]


def test_given_axes_are_used(binary):
    figure = plt.figure()
    ax = figure.add_subplot(1, 2, 1)
    assert binary.plot(ax) is ax is plotting.phase_axes(binary, ax)
    plt.close(figure)


def test_diagrams_that_are_hardly_there(spherical):
    single = rp.phase_diagram(rp.Perceptron("binary"), kappa=0.0)
    assert phase_axes(single).get_xlim() == (-0.5, 0.5)
    trivial = rp.phase_diagram(rp.Perceptron("ternary", 1.0, "window"), kappa=[0.5, 1.0])
    assert [t.get_text() for t in phase_axes(trivial).get_legend().get_texts()] == ["SAT-trivial"]
    plt.close("all")


@pytest.mark.parametrize(
    ("options", "low", "high"),
    [
        ({"kappa": [-0.5, 1.0, 0.0]}, -np.inf, np.inf),
        ({"kappa": np.linspace(-0.5, 0.5, 9)}, -np.inf, np.inf),
        ({"T": [0.01, 0.5]}, 0.0, np.inf),
        ({"beta": [0.1, 5.0]}, 0.0, np.inf),
        ({"T": 0.3}, 0.0, np.inf),
    ],
)
def test_given_values_have_narrow_columns_and_no_lines_between(options, low, high):
    found = rp.phase_diagram(rp.Perceptron("binary"), **options)
    values = np.sort(found.grid)
    ax = phase_axes(found)
    left, right = ax.get_xlim()
    assert low <= left <= values[0] and values[-1] <= right <= high
    shaded = [patch.get_paths()[0].get_extents() for patch in ax.collections]
    widest = min([0.05 * (right - left), *(0.5 * np.diff(values))])
    assert shaded and all(low <= box.x0 < box.x1 and box.x1 - box.x0 <= widest * (1 + 1e-9) for box in shaded)
    assert all(any(box.x0 <= v <= box.x1 for box in shaded) for v in values)
    for line in ax.get_lines():
        assert len(line.get_xdata()) < 2
    look = [(line.get_marker(), line.get_color()) for line in ax.get_legend().legend_handles if hasattr(line, "get_marker") and "open" not in line.get_label()]
    assert len({m for m, _ in look}) == len({c for _, c in look}) == len(found.boundaries)
    told = {t.get_text() for t in ax.get_legend().get_texts()}
    assert set(found.meanings) <= told | set(names(ax))
    plt.close(ax.figure)


def test_lines_of_units_guide_the_eye(machines):
    ax = phase_axes(machines)
    assert max(len(line.get_xdata()) for line in ax.get_lines()) == 4 and ax.get_xlim() == (-0.5, 3.5)
    plt.close(ax.figure)


def test_every_line_has_a_marker_of_its_own():
    together = [("capacity_rs", "at_line", "dynamical", "condensation", "capacity_1rsb", "capacity_frsb"), ("capacity", "at_line", "q_to_1", "alpha_u"),
                ("freezing", "at_line"), ("at_line", "dynamical", "condensation"), ("alpha_it", "spinodal", "onset")]  # fmt: skip
    for group in together:
        assert len({figures_phases.MARKERS[name] for name in group}) == len(group)


def test_what_lies_outside_the_range_of_a_student_is_not_in_its_figure():
    ax = phase_axes(rp.phase_diagram(STUDENT, between=(2, 3)))
    assert ax.get_xlim() == (2, 3) and set(names(ax)) == {"easy"}
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["perfect recovery, $R=1$"]
    assert all(2 <= x <= 3 for line in ax.get_lines() for x in line.get_xdata())
    plt.close(ax.figure)


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
def test_a_file_and_its_data(binary, tmp_path, suffix):
    figure, table = binary.save(tmp_path / f"down{suffix}")
    first = figure.read_bytes()
    assert first.startswith({".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}[suffix])
    binary.save(figure)
    assert suffix == ".png" or figure.read_bytes() == first  # no date in it
    rows = list(csv.DictReader(table.open()))
    assert list(rows[0]) == ["line", "kind", "x", "y", "error", "physical", "ansatz", "status", "message"]
    assert len(rows) == sum(b.x.size for b in binary.boundaries)
    assert [float(r["y"]) for r in rows if r["line"] == "capacity"] == list(binary.boundary("capacity").y)


def test_a_file_that_can_not_be_written(binary, tmp_path):
    with pytest.raises(ValueError, match=r"output: got '.*x\.txt'; takes a file name that ends in \.svg"):
        binary.save(tmp_path / "x.txt")
    with pytest.raises(ValueError, match=r"output: got '3'; takes a file name that ends in \.svg"):
        binary.save(3)
    with pytest.raises(ValueError, match=r"output: got '.*nope/x\.svg', and .*nope is no folder; takes a file in a folder that is there"):
        binary.save(tmp_path / "nope/x.svg")
    assert not (tmp_path / "nope").exists()
    (tmp_path / "x.svg").mkdir()
    with pytest.raises(ValueError, match=r"output: cannot write .*: .*; takes a file that can be written"):
        binary.save(tmp_path / "x.svg")


def test_what_are_no_axes_is_refused(binary):
    with pytest.raises(ValueError, match=r"ax: got 3; takes the axes of matplotlib, or None"):
        binary.plot(3)


# --- placing names -------------------------------------------------------------------------------------------------

WIDE = (300.0, 200.0)
NO_LINES = np.empty((0, 2))


def test_a_name_keeps_clear_of_lines():
    x = np.linspace(0, 1, 50)
    area = (x, np.zeros(50), np.ones(50))
    line = np.column_stack([x, np.full(50, 0.5)])
    free, beside = placing.spot("SAT", area, WIDE, NO_LINES), placing.spot("SAT", area, WIDE, line)
    assert free[1:] == pytest.approx((0.5, 0.5, 0.0)) and beside[1] == pytest.approx(0.5)
    assert abs(beside[2] - 0.5) >= 0.5 * (placing.FONT + placing.AIR[1]) / WIDE[1] - 1e-9


def test_a_narrow_phase_turns_its_name_and_a_tiny_one_has_none():
    x = np.linspace(0, 1, 50)
    band = (x, 0.1 + 0.6 * x, 0.2 + 0.6 * x)
    _, at, height, angle = placing.spot("SAT-RSB", band, WIDE, NO_LINES)
    assert angle == pytest.approx(np.degrees(np.arctan(0.6 * WIDE[1] / WIDE[0]))) and height == pytest.approx(0.15 + 0.6 * at)
    assert placing.spot("SAT-RSB", (x, 0.6 * x, 0.01 + 0.6 * x), WIDE, NO_LINES) is None
    assert placing.spot("SAT-RSB", (x * 0.05, 0 * x, 1 + 0 * x), WIDE, NO_LINES) is None


# --- the command ---------------------------------------------------------------------------------------------------


def test_the_command_at_given_margins(ask):
    """The keys that the command has always had, and those of the diagram."""
    one = ask(f"{SPHERE} --kappa 0.5")
    (point,) = one["points"]
    assert point["kappa"] == 0.5 and point["capacity_rs"] == point["capacity_frsb"] == str(rp.capacity(rp.Perceptron("spherical"), kappa=0.5).value)
    assert point["at_line"] is None and point["at_physical"] is None and point["status"] == "converged"
    several = ask("phase-diagram --weights binary --kappa 0.5:-0.5:-0.25")
    assert [p["kappa"] for p in several["points"]] == [0.5, 0.25, 0.0, -0.25, -0.5] and several["tolerance"] is None
    assert {r["label"] for r in several["regions"]} == {"SAT-frozen", "UNSAT"}


def test_the_command_traces(ask, run, tmp_path):
    found = ask("phase-diagram --tolerance 1e-2 --between -0.5 0.5 --lines capacity")
    assert found["tolerance"] == "1.0e-02" and found["complete"] and [b["name"] for b in found["boundaries"]] == ["capacity"]
    assert found["points"][0]["kappa"] == -0.5 and found["model"]["weights"] == "binary"
    code, out, err = run(f"phase-diagram --tolerance 1e-2 -o {tmp_path / 'd.svg'}")
    assert code == 0 and "SAT-frozen: " in out and err.split() == [str(tmp_path / "d.svg"), str(tmp_path / "d.csv")]
    assert (tmp_path / "d.svg").stat().st_size > 5000


@pytest.mark.parametrize(
    ("line", "x", "values"),
    [
        ("--x T --between 0.2 0.5", "T", None),
        ("--T 0.25 0.5", "T", [0.25, 0.5]),
        ("--beta 2 4 --kappa 0.5", "beta", [2.0, 4.0]),
        ("--x beta --beta 2", "beta", [2.0]),
        ("--beta 2 --kappa 0 0.5", "kappa", [0.0, 0.5]),
        ("--likelihood window --between 0.5 1", "kappa", None),
        ("--model tree-parity --weights spherical --K 1 2", "K", [1, 2]),
        ("--model tree-committee --K 1", "K", [1]),
        ("--model tree-committee --K inf", "K", ["inf"]),
        ("--task teacher-student", "alpha", None),
    ],
)
def test_the_axis_follows_from_the_words(ask, line, x, values):
    found = ask(f"phase-diagram {line} --tolerance 0.05")
    assert found["x"] == x and (values is None or [p[x] for p in found["points"]] == values)


def test_csv_is_the_lines(run):
    code, out, _ = run("phase-diagram --kappa 0 0.5 --csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert code == 0 and {r["line"] for r in rows} == {"capacity", "at_line", "q_to_1"} and len(rows) == 6
    assert {r["status"] for r in rows} == {"converged"}
    rows = list(csv.DictReader(run("phase-diagram --weights spherical --kappa 0 --lines at_line --csv")[1].splitlines()))
    (none,) = (r for r in rows if r["line"] == "at_line")
    assert (none["status"], none["y"]) == ("no-solution", "") and none["message"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--x alpha", r"x, y: got x='alpha'.*takes x='kappa'"),
        ("--x theta", r"x: got 'theta'; takes kappa, T, beta, K, alpha"),
        ("--x T --beta 3", r"beta: got 3 with axis T; takes it with --x beta"),
        ("--x kappa --T 0.3", r"T: got 0\.3 with axis kappa; takes it with --x T"),
        ("--beta 1 2 --kappa 0 1", r"kappa: got 2 values beside the axis beta; takes one value"),
        ("--between 0", r"between: got 0; takes two numbers$"),
        ("--between 0 1 2", r"between: got 0 1 2; takes two numbers$"),
        ("-o /nope/x.svg", r"output: got '/nope/x\.svg', and /nope is no folder; takes a file in a folder that is there"),
        ("--between 0 inf", r"between: got 'inf'; takes finite numbers"),
        ("--between 0:1:0.5 1", r"between: got '0:1:0\.5'; takes one number"),
        ("--tolerance 0", r"tolerance: got 0; takes a number from"),
        ("--points 2", r"points: got 2; takes a whole number of points >= 5"),
        ("--points many", r"points: got 'many'; takes a whole number"),
        ("--lines nothing", r"lines: got 'nothing'; takes capacity"),
        ("--json --csv", r"csv: got --csv with --json; takes one of them"),
        ("-o picture.txt", r"output: got 'picture\.txt'; takes a file name that ends in"),
        ("--ansatz 1rsb", r"ansatz: got '1rsb'.*takes rs"),
        ("--weights spherical --ansatz krsb --kappa 0", r"ansatz: got 'krsb'.*takes rs, 1rsb or frsb|ansatz: got 'krsb'.*takes rs"),
        ("--model tree-committee --K 4", r"K: got 4; takes an odd number"),
        ("--model committee --task teacher-student", r"model: got binary committee K=2.*; takes a perceptron"),
        ("--task teacher-student --kappa 0", r"x, y: got x='kappa'|kappa: "),
        ("--weights spherical --task teacher-student", r"model: got spherical perceptron, teacher-student"),
        ("--likelihood window --kappa 0", r"kappa: got 0.*> 0"),
    ],
)  # fmt: skip
def test_a_bad_argument_is_one_line(run, line, complaint):
    code, out, err = run(f"phase-diagram {line}")
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert re.search(complaint, err), err


def test_ctrl_c_leaves_one_line_and_nothing_else(run, monkeypatch, tmp_path):
    kept = rp.phase_diagram(rp.Perceptron("binary"), kappa=[0.0, 0.5], lines="capacity")

    def stopped(*_, **__):
        error = phases.PhaseDiagramInterrupted("phase diagram: interrupted; 2 points are kept in its partial")
        error.partial = kept
        raise error

    monkeypatch.setattr(phases, "phase_diagram", stopped)
    code, out, err = run(f"phase-diagram --json -o {tmp_path / 'd.svg'}")
    assert (code, out, err) == (130, "", "replicas phase-diagram: interrupted; 2 points traced\n")
    assert not list(tmp_path.iterdir())


def test_help_says_what_the_ansatz_is_worth(run):
    code, out, _ = run("phase-diagram --help")
    assert code == 0 and "changes nothing, as the lines choose their ansatz" in " ".join(out.split())
    assert "a row a point of a line: line, kind, x, y, error, physical, ansatz, status, message" in " ".join(out.split()) and "KEY_error" not in out


# --- progress ------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_diagram_counts_its_points_and_no_question_draws_below(monkeypatch):
    monkeypatch.setattr("sys.stderr", seen := Terminal())
    inner = []

    def capacity(model, *args, **options):
        with progress.progress_bar(1, "capacity frsb", delay=0.0) as bar:
            inner.append(bar.disable)
        return rp.capacity(model, *args, **options)

    monkeypatch.setattr(phase_planes, "capacity", capacity)
    rp.phase_diagram(rp.Perceptron("binary"), kappa=[0.0, 0.5], lines="capacity")
    shown = [line.strip() for line in seen.getvalue().split("\r") if line.strip()]
    assert inner == [True, True] and shown[0] == "phase diagram: 0 points [00:00]"
    assert all(re.fullmatch(r"phase diagram(: capacity)?: \d+ points \[00:0\d\]", line) for line in shown)
    with progress.progress_bar(1, "another", delay=0.0) as bar:  # its own again
        assert not bar.disable
        with progress.counter("a small part", "points") as inside:  # which says nothing at once
            inside.update()
    assert "a small part" not in seen.getvalue()


def test_nothing_answered_is_exit_code_one(run):
    code, out, _ = run("phase-diagram --likelihood window --weights ternary --kappa 1 --json")
    assert code == 1 and json.loads(out)["points"][0]["status"] == "diverges"


def test_axes_of_the_command_are_those_of_the_table():
    from replicas.theory.phase_planes import PLANES

    assert {x for entry in PLANES for x, _ in entry.planes} == set(phase_command.AXES)
