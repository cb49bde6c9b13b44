"""Every notebook runs as a script, opens as a notebook, and says what the library says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import replicas as rp

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))
QUICKSTART = next(path for path in NOTEBOOKS if path.name == "quickstart.py")
MOST_CELLS = 12


def run(name: str) -> dict:
    """The names that a notebook leaves behind."""
    import matplotlib

    matplotlib.use("Agg")
    return runpy.run_path(str(QUICKSTART.with_name(f"{name}.py")))


@pytest.fixture(scope="module")
def quickstart():
    """The names that the quickstart leaves behind."""
    return run("quickstart")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_opens_as_a_notebook(path):
    jupytext = pytest.importorskip("jupytext")
    notebook = jupytext.read(path)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds[0] == "markdown" and 3 <= kinds.count("code") <= MOST_CELLS
    assert jupytext.writes(notebook, fmt="py:percent").count("# %%") == len(kinds)


@pytest.mark.slow
def test_quickstart_reaches_the_right_numbers(quickstart):
    assert quickstart["capacity"].value == pytest.approx(0.8330785997395813, abs=1e-14)
    assert quickstart["naive"].value == pytest.approx(1.2732395447351628, abs=1e-12)
    assert quickstart["transitions"].alpha_it.value == pytest.approx(1.2446839898506876, abs=1e-13)
    assert quickstart["threshold"].value[15] == pytest.approx(2, abs=1e-13)  # kappa = 0
    assert all(quickstart["instability"].physical)


@pytest.mark.slow
def test_quickstart_checks_its_derivations(quickstart):
    assert len(quickstart["checks"]) > 10 and all(quickstart["checks"])
    assert len(quickstart["wedge_checks"]) > 10 and all(quickstart["wedge_checks"])


@pytest.mark.slow
def test_quickstart_agrees_with_finite_n(quickstart):
    assert quickstart["verdict"].agrees
    assert quickstart["predicted"] == rp.solve(rp.Perceptron(), alpha=1 / 3).entropy
    assert 0.001 < quickstart["stderr"] < 0.01


@pytest.mark.slow
def test_wedge_interpolates_between_two_known_models(quickstart):
    # gamma = 0 is the threshold at kappa = 0, and so is gamma -> infinity, mirrored; in between more can be stored
    assert quickstart["wedge_capacity"].value > quickstart["capacity"].value


@pytest.mark.slow
def test_breaking_reaches_the_right_numbers():
    names = run("breaking")
    assert names["one"].q0 == pytest.approx(0.63555389464588, abs=1e-11) and names["one"].ansatz == "1rsb"
    assert names["full"].free_entropy < names["point"].free_entropy < names["one"].free_entropy
    assert abs(names["estimate"].value - 12.280574) < names["estimate"].error + 1e-6
    assert names["ground"].counted == pytest.approx(names["ground"].energy, abs=1e-9)


@pytest.mark.slow
def test_wide_committees_reach_the_right_numbers():
    names = run("wide_committees")
    assert bool(names["kernel_step"].check())
    symmetric, one_step, two_steps, full = (names["relu"][ansatz] for ansatz in ("rs", "1rsb", "krsb", "frsb"))
    assert round(symmetric.value, 3) == 2.934 and round(one_step.value, 4) == 2.6643  # published
    assert full.value + full.error < two_steps.value < one_step.value
    assert names["own"].value == pytest.approx(names["by_hand"], abs=1e-13)
    assert names["jump"].alpha_it.value == pytest.approx(7.6802212702427, abs=1e-11)
    assert 2 * names["specialisation"].value == pytest.approx(2.0523824297410, abs=1e-12)
    assert {run.relabelling for run in names["runs"]} == {(0, 1), (1, 0)}  # both of the 2! states
    assert names["verdict"].agrees


@pytest.mark.slow
def test_geometry_reaches_the_right_numbers():
    names = run("geometry")
    assert names["breaking"].value == pytest.approx(0.76682057564, abs=1e-10)
    assert names["smallest"] == pytest.approx(0.784382213616, abs=1e-11)
    assert names["isolated"][0.55].value == pytest.approx(0.01051092990122, abs=1e-13)
    assert names["tilted"].local_entropy[0] + names["tilted"].external_entropy[0] == pytest.approx(names["pair"], abs=1e-10)
    assert not names["reached"].all() and names["reached"][:7].all()  # the branch ends above alpha = 1.1
    assert len(names["checks"]) > 30 and all(names["checks"])
    assert names["verdict"].agrees


@pytest.mark.slow
def test_own_algorithm_is_measured_and_judged():
    names = run("own_algorithm")
    assert names["clusters"].value == pytest.approx(0.76682057564, abs=1e-10)
    thresholds = {name: curve.threshold for name, curve in names["curves"].items()}
    assert all(fit.status == "fitted" for fit in thresholds.values())
    assert thresholds["clipped perceptron"].value < 0.55 < 0.65 < thresholds["sbpi"].value < names["capacity"].value
    assert names["verdict"].agrees and names["bayes"] < names["mean"] < names["gibbs"]


@pytest.mark.slow
def test_derivation_ends_where_scipy_does():
    names = run("derivation")
    assert all(names["checks"]) and len(names["caught"]) == 1
    assert names["by_hand"] == pytest.approx([names["point"].q, names["point"].q_hat], abs=1e-10)
    assert abs(names["difference"] - 0.035237284) < 1e-8  # d phi/d q off the saddle


@pytest.mark.slow
def test_own_likelihood_is_answered():
    names = run("own_likelihood")
    assert all(names["checks"]) and names["capacity"].status == "converged"
    assert names["inside"] == 0 and names["mass"] == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
def test_fifty_digits_are_right():
    names = run("fifty_digits")
    assert str(names["capacity"].value).startswith("0.83307859973957923368908689326696590805213275026266")
    assert str(names["longer"].value)[:52] == str(names["capacity"].value)[:52]
    assert names["proved"].certified


@pytest.mark.slow
def test_generalization_finds_the_teacher_where_the_theory_says():
    names = run("generalization")
    assert names["found"].success and names["alpha"] == 1.8
    assert names["smooth"].eps_gibbs[-1] * 1000 == pytest.approx(0.62466, abs=1e-5)
    assert names["ended"] > names["transitions"].spinodal.value > names["poor"].alpha[names["poor"].status == "converged"].max()


@pytest.mark.slow
def test_phase_diagrams_agree_with_the_map():
    names = run("phase_diagrams")
    assert abs(names["edge"] - names["line"].clip(max=1.2)).max() < names["step"]
    assert [names["rule"].region(alpha) for alpha in (1.0, 1.4, 1.6)] == ["impossible", "hard", "easy"]


@pytest.mark.slow
def test_sliders_answer():
    pytest.importorskip("ipywidgets")
    names = run("sliders")
    assert names["entropies"].result == rp.capacity(rp.Perceptron("binary")).value
    names["margin"].value = 0.5
    assert names["entropies"].result == rp.capacity(rp.Perceptron("binary"), kappa=0.5).value
    assert names["here"].result == names["plane"].region(-0.5, 10**0.6)
    assert names["units"].result[0] == rp.capacity(rp.TreeCommittee(3, "spherical")).value
