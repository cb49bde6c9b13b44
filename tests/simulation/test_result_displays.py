"""Every result of a simulation shows itself, as text and HTML, and gives itself as plain data, arrays and plots."""

import dataclasses
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from replicas import simulation
from replicas.simulation import draw_problem, majority, run, success_curve
from replicas.simulation.display.results import FEW, Series, Shown, overall, plain, thinned

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

NOT_RESULTS = {"Algorithm", "Architecture", "Problem", "Run", "SampleRun", "Shell"}
SHORT = 250  # letters that a result may take in a list


def _landscape():
    problem = draw_problem(30, 45, 0, accepted=majority(3))
    return problem, *(run(problem, "committee-sgd", i).weights for i in (1, 2))


def _votes():
    problem = draw_problem(6, 9, 0)
    return simulation.count_votes(problem.patterns, simulation.draw_patterns(3, 9, 1), [0, 3, 6])


def _path():
    return simulation.find_path(*_landscape())


def _message_passing():
    problem = draw_problem(150, 31, 0, task="teacher-student", patterns="gaussian", accepted=simulation.fully_connected(3), teacher="spherical")
    return simulation.message_passing(problem, iterations=4, fresh=simulation.draw_patterns(10, 31, 5, kind="gaussian"))


def _around():
    problem = draw_problem(40, 101, 0)
    return simulation.entropy_around(problem, run(problem, "sbpi").weights, [0.2, 0.05, 0.1])


RESULTS = {
    "Result": lambda: run(draw_problem(60, 101, 0), "sbpi"),
    "SuccessCurve": lambda: success_curve("perceptron-rule", 21, [1.0, 1.8, 2.4], 6, 4, budget=60),
    "EntropyCurve": lambda: simulation.entropy_curve(9, [0.9, 0.3], 6),
    "Threshold": lambda: simulation.fit_threshold([0.1, 0.2, 0.3], [3, 2, 0], [3, 3, 3]),
    "RecoveryCurve": lambda: simulation.recovery_curve(51, [1.0, 1.8, 2.4], 6),
    "AMP": lambda: simulation.amp(draw_problem(100, 51, 0, task="teacher-student")),
    "BeliefPropagation": lambda: simulation.belief_propagation(draw_problem(40, 101, 0)),
    "EntropyAround": _around,
    "MessagePassing": _message_passing,
    "QuenchedEntropy": lambda: simulation.quenched_entropy(np.array([[3, 4], [0, 2], [4, 9]]), 5),
    "Votes": _votes,
    "SearchRun": lambda: simulation.search_solutions(draw_problem(6, 17, 0).patterns),
    "Neighbourhoods": lambda: simulation.count_shells(draw_problem(5, 9, 0).patterns),
    "ShellEntropy": lambda: simulation.count_shells(draw_problem(5, 9, 0).patterns).around_references(),
    "LocalEntropies": lambda: simulation.count_shells(draw_problem(5, 9, 0).patterns).local_entropy(2.0),
    "Observable": lambda: simulation.observe("x", np.random.default_rng(0).standard_normal((2, 300))),
    "Sampling": lambda: simulation.sample_sphere(draw_problem(8, 15, 0), records=40),
    "BinarySampling": lambda: simulation.sample_binary(draw_problem(5, 15, 0), records=20),
    "SphericalVolume": lambda: simulation.spherical_volume(draw_problem(4, 6, 0), records=40),
    "Line": lambda: simulation.errors_on_line(*_landscape()),
    "SolutionPath": _path,
    "Spectrum": lambda: simulation.hessian_spectrum(*_landscape()[:2]),
    "Flatness": lambda: simulation.flatness(*_landscape()[:2], directions=5),
}


@pytest.fixture(scope="module")
def results():
    return {}


@pytest.fixture(params=RESULTS)
def result(request, results):
    name = request.param
    if name not in results:
        results[name] = RESULTS[name]()
    assert type(results[name]).__name__ == name
    return results[name]


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_no_result_was_forgotten():
    classes = [getattr(simulation, name) for name in simulation.__all__]
    data = {c.__name__ for c in classes if isinstance(c, type) and (dataclasses.is_dataclass(c) or issubclass(c, Shown))}
    assert data - NOT_RESULTS == set(RESULTS)


def cells(table: str) -> list[str]:
    return ["".join(cell.itertext()) for cell in ElementTree.fromstring(table).iter() if cell.tag in ("caption", "th", "td")]


def test_it_shows_itself(result):
    text, table = str(result), cells(result._repr_html_())
    header, body = result.rows()
    assert table == [result.title, *(header if body else []), *(cell for row in body for cell in row), *result.notes]
    assert result.title in text or text in result.title
    assert len(repr(result)) < SHORT and "array(" not in repr(result) and repr(result).startswith(f"<{type(result).__name__}: ")
    assert not re.search(r"\bnan\b", text + result._repr_html_())


def test_the_table_as_text_has_the_cells_of_that_in_html(result):
    body = result.rows()[1]
    if str(result) != result.title and "\n" in str(result):
        assert all(cell in str(result) for row in body for cell in row)


def test_plain_data_are_the_numbers(result):
    told = result.to_dict()
    assert json.loads(result.to_json()) == told and told["quantity"] and isinstance(told["status"], str)
    for name in result.computed:
        value = getattr(result, name)
        if isinstance(value, float) and np.isfinite(value):
            assert told[name] == repr(float(value)) and isinstance(told[name], str)
        if isinstance(value, (bool, int, np.integer)):
            assert told[name] == value
    for name in result.inputs:
        assert told[name] == getattr(result, name)
    if isinstance(result, Series) and not isinstance(result, simulation.Sampling):
        (along, x), *others = result.columns().items()
        assert [point[along] for point in told["points"]] == list(x)
        for name, column in others:
            for point, value in zip(told["points"], column):
                if isinstance(value, np.floating):
                    told_value = np.nan if point[name] is None else float(point[name])
                    np.testing.assert_equal(told_value, float(value))
                    assert point[name] is None or isinstance(point[name], str)
                else:
                    assert point[name] == value


def test_arrays_are_kept_by_xarray(result, tmp_path):
    if not isinstance(result, Series):
        pytest.skip("not a curve")
    xr = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    data = result.to_xarray()
    (along, x), *others = result.columns().items()
    np.testing.assert_array_equal(data[along], x)
    for name, column in others:
        np.testing.assert_array_equal(data[name], column)
    for name, (dims, values) in result.arrays().items():
        np.testing.assert_array_equal(data[name], values)
        assert data[name].dims == dims
    data.to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "data.nc", engine="h5netcdf") as again:
        assert set(again.variables) == set(data.variables) and again.attrs["quantity"] == result.quantity


def test_a_plot_shows_the_columns(result):
    if not isinstance(result, Series):
        pytest.skip("not a curve")
    import matplotlib.pyplot as plt

    ax = result.plot()
    assert ax.get_title() and ax.get_xlabel() and ax.get_ylabel()
    if hasattr(result, "drawn"):
        columns = result.columns()
        x, y = next(iter(columns.values())), columns[result.drawn[0]]
        order = np.argsort(x, kind="stable")
        shown = [line.get_xydata() for line in ax.lines if len(line.get_xydata()) == len(x)]
        assert any(np.allclose(points, np.stack([x, y], axis=1)[order], equal_nan=True) for points in shown)
    _, mine = plt.subplots()
    mine.set_title("mine")
    assert result.plot(mine) is mine and mine.get_title() == "mine" and mine.get_legend() is None
    plt.close("all")


def test_a_theory_stands_beside_the_measurement():
    curve = simulation.entropy_curve(9, [0.3, 0.9], 6)
    ax = curve.plot(theory=([0.1, 0.9], [0.6, 0.1]))
    assert ax.lines[-1].get_xydata().tolist() == [[0.1, 0.6], [0.9, 0.1]]
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"theory", "N = 9"}


@dataclasses.dataclass
class Bound:
    value: float


def test_the_plot_of_a_success_curve_marks_threshold_and_capacity():
    curve = success_curve("perceptron-rule", 21, [1.0, 1.8, 2.4], 6, 4, budget=60)
    fit = curve.threshold
    for capacity in (2.0, Bound(2.0)):
        ax = curve.plot(capacity=capacity)
        assert all(word in ax.get_title() for word in ("perceptron-rule", "N = 21", "spherical perceptron", "storage"))
        (marker,) = (c for c in ax.containers if len(c[0].get_xydata()) == 1)
        np.testing.assert_allclose(marker[0].get_xydata(), [[fit.value, 0.5]])
        (segment,) = marker[2][0].get_segments()
        np.testing.assert_allclose(segment, [[fit.value - fit.error, 0.5], [fit.value + fit.error, 0.5]])
        assert any(line.get_xdata() == [2.0, 2.0] for line in ax.lines if len(line.get_xdata()) == 2)
        told = {text.get_text() for text in ax.get_legend().get_texts()}
        assert told == {"perceptron-rule, N = 21", f"threshold {fit.value:.4f} ± {fit.error:.4f}", "capacity 2.0000"}
    (through,) = (line for line in curve.plot(label="x").lines if len(line.get_xdata()) > 100)
    x, y = through.get_xydata().T
    assert np.interp(fit.value, x, y) == pytest.approx(0.5, abs=0.01) and np.all(np.diff(y) <= 0)
    rising = simulation.recovery_curve(51, [1.0, 1.8, 2.4], 6)
    (through,) = (line for line in rising.plot(spinodal=1.5).lines if len(line.get_xdata()) > 100)
    assert np.all(np.diff(through.get_ydata()) >= 0)
    for wrong in ("two", np.nan, Bound(None)):
        with pytest.raises(ValueError, match=r"capacity: got .*, takes a finite load"):
            curve.plot(capacity=wrong)


def test_the_records_of_an_observable_are_drawn_by_name():
    found = simulation.sample_sphere(draw_problem(8, 15, 0), records=40)
    ax = found.plot(name="pressure")
    assert ax.get_ylabel() == "pressure" and np.array_equal(ax.lines[0].get_ydata(), found["pressure"].values[0])
    with pytest.raises(ValueError, match="name: got 'x', takes one of pressure"):
        found.plot(name="x")


def stop_after(runs):
    def progress(done, total):
        if done >= runs:
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_curve_shows_only_what_was_measured():
    count, number = np.array([2, 1, 0]), np.array([0.5, 0.4, np.nan])
    for whole, lost in (
        (success_curve("perceptron-rule", 21, [1.0, 1.8, 2.4], 2), {"solved": count, "seconds": number}),
        (simulation.entropy_curve(9, [0.3, 0.6, 0.9], 2), {"entropy": number, "stderr": number}),
        (simulation.recovery_curve(51, [1.0, 1.8, 2.4], 2), {"found": count, "seconds": number}),
    ):
        curve = dataclasses.replace(whole, instances=count, interrupted=True, **lost)
        assert len(whole.rows()[1]) == 3 and curve.rows()[1] == [row for row in curve.rows()[1] if "nan" not in row]
        assert [row[0] for row in curve.rows()[1]] == [row[0] for row in whole.rows()[1][:2]]
        for text in (str(curve), curve._repr_html_()):
            assert "nan" not in text and "interrupted" in text and f"no instance completed at alpha = {curve.alphas[2]:.4g}" in text
        assert curve.to_dict()["status"] == "interrupted" and "interrupted" in curve.plot().get_title()
    def interrupted(problem, rng, budget):
        raise KeyboardInterrupt

    nothing = success_curve(interrupted, 21, np.linspace(1, 2, 9), 3, progress=stop_after(0))
    assert nothing.rows()[1] == [] and nothing.threshold.status == "nothing" and "1, 1.143, ..., 2" in str(nothing)
    around = simulation.entropy_around(draw_problem(40, 101, 0), np.ones(101), [0.1, 0.3, 0.4], progress=stop_after(1))
    assert len(around.rows()[1]) == 1 and "interrupted before distance 0.1, 0.3" in str(around) and around.to_dict()["status"] == "interrupted"


def test_a_teacher_adds_the_overlap():
    curve = success_curve("perceptron-rule", 21, [1.0], 3, task="teacher-student")
    header, body = curve.rows()
    assert header[-1] == "overlap" and float(body[0][-1]) == pytest.approx(curve.overlap[0].mean(), abs=5e-5)
    assert float(curve.to_dict()["points"][0]["overlap"]) == curve.overlap[0].mean()


def test_a_title_names_what_is_not_usual():
    usual = success_curve("perceptron-rule", 21, [1.0], 2, kappa=0.5, patterns="gaussian").title
    assert usual == "perceptron-rule, N = 21, spherical perceptron, storage, kappa = 0.5, Gaussian patterns, budget 1000, seed 0"
    tree = simulation.entropy_curve(9, [0.5], 2, machine=majority(3)).title
    assert tree == "enumeration, N = 9, binary tree committee of K = 3, storage, seed 0"
    assert "window kappa = 1" in simulation.entropy_curve(9, [0.5], 2, likelihood="window", kappa=1.0).title


def test_votes_without_solutions_are_shown():
    opposite = np.array([[1] * 5, [-1] * 5])
    votes = simulation.count_votes(opposite, np.ones((1, 5), int), [1, 2])
    assert votes.to_dict()["gibbs_error"] == [None, None] and "-" in str(votes)


def test_plain_words():
    assert plain({"a": np.array([1.5, np.nan]), "b": np.int64(3), "c": True, "d": None}) == {"a": ["1.5", None], "b": 3, "c": True, "d": None}
    assert overall(["no-solution", "converged"]) == "converged" and overall(["converged", "interrupted"]) == "interrupted" and overall(["x", "y"]) == "x"
    for length in (0, 1, 2, 9, 300):
        places = thinned(length)
        assert len(places) <= FEW and (not length or (places[0], places[-1]) == (0, length - 1))


@pytest.mark.slow
def test_what_the_readme_does_with_finite_n_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the examples keep figures and stores
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    part = text[text.index("\n## Finite N\n") : text.index("\n## Results\n")]
    examples = re.findall(r"```python\n(.*?)```", part, re.S)
    assert examples
    names: dict = {}
    for code in examples:
        exec(compile(code, "README.md", "exec"), names)
    assert names["found"].solved and names["curve"].threshold.status == "fitted"
