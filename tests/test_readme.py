"""The README's examples run and print what it says; the numbers of its table of committees are what the package gives."""

import contextlib
import io
import math
import re
import shlex
from pathlib import Path

import pytest

import replicas as rp
from replicas.cli.program import main

DIGITS = 1e-11  # numbers in the README were computed on another machine: rounding may differ in the last digits
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")
CELL = re.compile(r"(\d+\.(\d+))(?:\((\d+)\))?")
TEXT = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def agree(said: str, printed: str) -> None:
    """Two texts are the same up to rounding of their numbers, and the columns it makes wider; error estimates are left out."""
    without_errors = [" ".join(re.sub(r" ± \S+", "", t).split()) for t in (said, printed)]
    assert NUMBER.sub("#", without_errors[0]) == NUMBER.sub("#", without_errors[1])
    for a, b in zip(*(NUMBER.findall(t) for t in without_errors)):
        assert float(a) == pytest.approx(float(b), abs=DIGITS)


@pytest.mark.slow
def test_the_example_prints_what_the_readme_says():
    code = re.search(r"```python\n(.*?)```", TEXT, re.S).group(1)
    said = re.search(r"\nprints\n\n```\n(.*?)```", TEXT, re.S).group(1)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), {})
    agree(said, out.getvalue())


def test_a_command_prints_what_the_readme_says(capsys):
    commands = re.findall(r"```\n\$ replicas (.*?)\n(.*?)```", TEXT, re.S)
    assert commands
    for line, said in commands:
        assert main(shlex.split(line)) == 0
        agree(said, capsys.readouterr().out)


def committees(row: str) -> list[list[float]]:
    """The numbers of a row of the table of committees, with half a unit of their last digit or the error given."""
    (line,) = (line for line in TEXT.splitlines() if line.startswith(f"| {row}"))
    cells = re.sub(r"2RSB: [\d.()]+", "", line)
    return [[float(n), 10.0 ** -len(d) * (float(e) if e else 1.0)] for n, d, e in CELL.findall(cells)]


def check(row: str, *values: float) -> None:
    said = committees(row)
    assert len(said) == len(values)
    for (number, error), value in zip(said, values):
        assert abs(number - value) <= error


def test_capacities_of_spherical_trees():
    trees = [rp.TreeCommittee(K, "spherical") for K in (3, 5, 7)]
    check("alpha_c, committee, spherical, RS", *(rp.capacity(tree).value for tree in trees))
    parities = [rp.TreeParity(K, "spherical") for K in (2, 3)]
    check("alpha_c, parity, spherical, 1RSB", *(rp.capacity(tree, "1rsb").value for tree in parities))


def test_capacities_of_infinitely_many_units():
    for name in ("relu", "erf", "tanh", "quadratic"):
        model = rp.TreeCommittee(math.inf, "spherical", name)
        values = [rp.capacity(model, ansatz, k=k).value for ansatz, k in (("1rsb", None), ("krsb", 2))]
        row = [number for number, _ in committees(name)]
        at = row.index(next(x for x in row if abs(x - values[0]) < 1e-11))
        assert row[at + 1] == pytest.approx(values[1], abs=1e-11)
    assert committees("relu")[0][0] == pytest.approx(rp.capacity(rp.TreeCommittee(math.inf, "spherical", "relu")).value, abs=1e-11)


@pytest.mark.slow
def test_full_breaking_and_binary_weights_of_infinitely_many_units():
    for name in ("relu", "erf", "tanh", "quadratic"):
        full, error = committees(name)[-2]
        assert abs(rp.capacity(rp.TreeCommittee(math.inf, "spherical", name), "frsb").value - full) <= error
        assert committees(name)[-1][0] == pytest.approx(rp.capacity(rp.TreeCommittee(math.inf, "binary", name)).value, abs=1e-11)


def learnt(K: float, weights: str) -> list[float | None]:
    found = rp.transitions(rp.Committee(K, weights, task="teacher-student"))
    first = found.alpha_it or found.specialisation
    return [first.value, found.spinodal.value if found.spinodal else None]


@pytest.mark.slow
def test_thresholds_of_units_that_share_their_inputs():
    two, many = (learnt(K, "spherical") for K in (2, math.inf))
    rows = [[x for x, _ in committees(row)] for row in ("specialisation, spherical", "perfect learning, binary")]
    assert [rows[0][0], rows[0][2]] == pytest.approx([two[0], many[0]], abs=1e-11)
    binary = [learnt(K, "binary")[0] for K in (2, 3, math.inf)]
    assert rows[1] == pytest.approx(binary, abs=1e-9)
    assert "7.169239303563" in TEXT and many[1] == pytest.approx(7.169239303563, abs=1e-11)


@pytest.mark.slow
@pytest.mark.nightly
def test_the_other_numbers_of_committees():
    trees = [rp.TreeCommittee(K, "spherical") for K in (3, 5, 7)]
    check("the same, 1RSB", *(rp.capacity(tree, "1rsb").value for tree in trees))
    assert f"2RSB: {rp.capacity(trees[0], 'krsb').value:.7f}(1)" in TEXT
    check("AT load, committee", *(rp.at_line(tree).value for tree in trees[:2]))
    check("alpha_c, committee, binary", *(rp.capacity(rp.TreeCommittee(K)).value for K in (3, 5)))
    learnt = rp.transitions(rp.TreeCommittee(3, task="teacher-student"))
    check("alpha_IT and spinodal", learnt.alpha_it.value, learnt.spinodal.value)


AROUND = {
    "around a typical solution |": {},
    "around a typical solution of margin 0.3": {"reference_kappa": 0.3},
    "around the sign of a spherical solution": {"reference": "spherical"},
    "around the sign of the stochastic perceptron": {"reference": "stochastic", "q_star": 0.9, "beta": 20.0},
}


def of_distances(row: str) -> list[float]:
    """The numbers of a row of the table of entropies, nan where there are none."""
    (line,) = (line for line in TEXT.splitlines() if line.startswith(f"| {row}"))
    return [math.nan if cell.strip() == "none" else float(cell) for cell in line.strip("|").split("|")[1:]]


@pytest.mark.slow
@pytest.mark.parametrize("row", AROUND)
def test_entropies_around_references(row):
    found = rp.franz_parisi(rp.Perceptron(), 0.55, [0.02, 0.05, 0.1], **AROUND[row])
    assert of_distances(row) == pytest.approx(found.entropy.tolist(), abs=1e-10, nan_ok=True)


def test_entropies_around_the_densest_references():
    found = rp.local_entropy(rp.Perceptron(), 0.55, [0.02, 0.05, 0.1])
    assert of_distances("around the densest references") == pytest.approx(found.local_entropy.tolist(), abs=1e-10)


@pytest.mark.slow
def test_loads_of_the_geometry_of_solutions():
    storage, teacher = rp.Perceptron(), rp.Perceptron(task="teacher-student")
    window = rp.Perceptron(likelihood="window", kappa=1.0)
    gap = {model: rp.overlap_gap(model) for model in (storage, window, teacher)}
    assert all(found.m[found.minimum] == [4] for found in gap.values())
    check("storage, kappa = 0", rp.local_entropy_threshold(storage).value, min(gap[storage].value), rp.capacity(storage).value)
    check("symmetric, half-width 1 | |", min(gap[window].value), rp.capacity(window).value)
    check("teacher-student (other", min(gap[teacher].value), rp.transitions(teacher).alpha_it.value)
    bounds = [rp.franz_parisi(window, 1.2, 0.1, average=a).entropy for a in ("quenched", "jensen", "first-moment")]
    said = re.search(r"`\"first-moment\"`\): ([\d.]+), ([\d.]+), ([\d.]+) at", TEXT).groups()
    assert [float(v) for v in said] == pytest.approx(bounds, abs=5e-7)
