"""Tree committees and parity machines, replica symmetric: against an independent reference and exact facts."""

import json
import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import replicas as rp
from replicas.numerics import units
from replicas.numerics.saddle import evaluate, make_batch, newton, start
from replicas.symbolic import symbols as S
from replicas.symbolic.functional import substitute_leaves
from replicas.symbolic.leaves import pattern_leaf
from replicas.symbolic.special import mpmath_functions
from replicas.theory.tree_learning import bayes_error, gibbs_error

REFERENCE = json.loads((Path(__file__).parent / "tree_reference.json").read_text(encoding="utf-8"))
KERNEL = 2e-14  # relative to the largest entry: a dozen products and one logarithm
SADDLE = {3: 1e-10, 5: 1e-8, 7: 1e-8}  # asked of the overlaps
LATTICE = 3e-10  # of loads found once on a sorted lattice that shares no code with the package, at two steps
STEP, STEPLESS = 1e-4, 1e-10  # of logit q, and of a third difference of phi: three times the error of either rule; phi itself moves by 1e-5
FLAT = 2e-4  # of alpha eps_g at alpha = 1e4: corrections are of order 1/alpha
MARGIN = 1.0  # errors have to cover the difference, together with that of the reference


def reference(key):
    """Values and errors of one entry."""
    entry = REFERENCE[key]
    return {k: float(v) for k, v in entry["values"].items() if _number(v)}, {
        k: float(v) for k, v in entry["error"].items() if _number(v)
    }


def _number(text):
    try:
        float(text)
    except (TypeError, ValueError):
        return False
    return True


MACHINES = [
    rp.TreeCommittee(3),
    rp.TreeParity(2),
    rp.TreeParity(3),
    *(pytest.param(m, marks=pytest.mark.slow) for m in (rp.TreeCommittee(5), rp.TreeParity(4))),
]
MP = mpmath.MPContext()
MP.dps = 400  # tails of 120 standard deviations are subtracted nowhere, but e^-7200 is their size


@lru_cache(maxsize=64)
def closed(model, *orders):
    """A derivative of the derived leaf as a function of fields and variance."""
    leaf = pattern_leaf(model)
    return sp.lambdify([*leaf.fields, S.V], leaf.derivative(leaf.node(S.V, *orders)), [mpmath_functions(MP)])


@pytest.mark.parametrize("model", MACHINES, ids=lambda m: m.describe())
@given(data=st.data())
@settings(max_examples=6, deadline=None)
def test_kernels_are_the_derived_leaf(model, data):
    K = model.K
    gamma = data.draw(st.floats(0.1, 30.0))
    z = np.sort(data.draw(st.lists(st.floats(-4, 4), min_size=K, max_size=K)))
    V = 1 / (1 + gamma**2)
    q = 1 - V
    table, row, line = np.zeros((units.ROWS, K)), np.zeros(K), np.empty((units.ROWS, max(K, 4) + 1))
    single, pair, f1, f2 = np.empty((K, 2)), np.empty((K, K, 3)), np.empty(K), np.empty((K, K))
    others = np.arange(1, K)
    kind = model.likelihood
    getattr(units, f"{kind}_table")(z, K, q, V, table)
    if kind == "majority":
        units.ratios(table, K, K // 2, row)
    getattr(units, f"{kind}_others")(others, table, row, line, single, pair)
    found = getattr(units, f"{kind}_leaf")(0, others, table, row, line, single, pair, f1, f2)
    point = [MP.sqrt(MP.mpf(q)) * MP.mpf(x) for x in z] + [MP.mpf(V)]
    value, slope, curve, mixed = (closed(model, *orders)(*point) for orders in ((), (1,), (2,), (1, 1)))
    assert abs(MP.mpf(found) - value) <= KERNEL * max(1, abs(value))
    scale = max(1, abs(slope), abs(curve), abs(mixed), 1 / V)
    assert abs(MP.mpf(f1[0]) - slope) <= KERNEL * scale
    assert abs(MP.mpf(f2[0, 0]) - curve) <= KERNEL * scale * max(1, gamma)
    assert abs(MP.mpf(f2[1, 0]) - mixed) <= KERNEL * scale * max(1, gamma)


@pytest.mark.parametrize("key", ["saddle/spherical/majority/K=3/alpha=0.5", "saddle/spherical/majority/K=3/alpha=3.0"])
def test_spherical_saddles(key):
    values, errors = reference(key)
    alpha = float(key.split("alpha=")[1])
    found = rp.solve(rp.TreeCommittee(3, "spherical"), alpha)
    assert found.status == "converged"
    for name in ("q", "entropy", "replicon"):
        assert abs(getattr(found, name) - values[name]) <= MARGIN * (found.errors[name] + errors[name]), name
    assert found.errors["q"] < SADDLE[3]


@pytest.mark.slow
@pytest.mark.parametrize("K", [5, 7])
def test_spherical_saddles_of_more_units(K):
    values, errors = reference(f"saddle/spherical/majority/K={K}/alpha=2.0")
    found = rp.solve(rp.TreeCommittee(K, "spherical"), 2.0)
    for name in ("q", "entropy", "replicon"):
        assert abs(getattr(found, name) - values[name]) <= MARGIN * (found.errors[name] + errors[name]), name
    assert found.errors["q"] < SADDLE[K]


def test_close_to_capacity_the_ordered_panels_carry_all_digits():
    """q = 0.9999: two refinements agree, and the saddle's load approaches 1/E[cheapest flip] from below."""
    model = rp.TreeCommittee(3, "spherical")
    batch, q = make_batch(model, 1.0), 0.9999
    loads = []
    for level in (0, 1):
        at = evaluate(batch, np.array([[np.log(q / (1 - q))]]), level)
        entropic = q / (2 * (1 - q) ** 2)
        loads.append(entropic / (entropic - at.results[0, 2]))
    assert abs(loads[1] - loads[0]) < 1e-10
    assert 4.0238 < loads[1] < rp.capacity(model).value


@pytest.mark.slow
def test_parity_has_no_overlap_until_the_exact_load():
    """K = 2: q = 0 is unstable from alpha = pi^2/8, where 2 (2/pi)^2 alpha = 1; more units: stable at every load."""
    found = rp.at_line(rp.TreeParity(2, "spherical"))
    assert found.value == pytest.approx(np.pi**2 / 8, abs=1e-12)
    point = rp.solve(rp.TreeParity(2, "spherical"), [0.9, 1.3])
    assert list(point.branch) == ["q=0", "typical"]
    assert rp.at_line(rp.TreeParity(3, "spherical")).status == "no-solution"
    flat = rp.solve(rp.TreeParity(3, "spherical"), 2.0)
    assert (flat.branch, flat.q) == ("q=0", 0.0)
    assert flat.entropy == pytest.approx(-2.0 * np.log(2), abs=1e-13)


def test_binary_capacities_and_instability():
    values, errors = reference("capacity/binary/majority/K=3")
    found = rp.capacity(rp.TreeCommittee(3))
    assert abs(found.value - values["alpha"]) <= found.error + errors["alpha"]
    assert found.stable is True
    assert rp.capacity(rp.TreeParity(2)).value == pytest.approx(1.0, abs=1e-13)
    values, errors = reference("at/spherical/majority/K=3")
    line = rp.at_line(rp.TreeCommittee(3, "spherical"))
    assert abs(line.value - values["alpha"]) <= line.error + errors["alpha"]
    assert line.physical is True


@pytest.mark.slow
def test_learning_transitions():
    found = rp.transitions(rp.TreeCommittee(3, task="teacher-student"))
    values, errors = reference("teacher/binary/majority/K=3/first-order")
    assert abs(found.alpha_it.value - values["alpha"]) <= found.alpha_it.error + errors["alpha"]
    values, errors = reference("teacher/binary/majority/K=3/spinodal")
    assert abs(found.spinodal.value - values["alpha"]) <= found.spinodal.error + errors["alpha"]


@pytest.mark.slow
def test_learning_curve():
    found = rp.generalization(rp.TreeCommittee(3, "spherical", task="teacher-student"), 1.0)
    values, errors = reference("teacher/spherical/majority/K=3/alpha=1")
    for name, key in (("R", "q"), ("eps_gibbs", "gibbs_error"), ("eps_bayes", "bayes_error")):
        assert abs(getattr(found, name) - values[key]) <= found.errors[name] + errors[key], name


@pytest.mark.parametrize("K", [3, 5])
def test_bayes_vote_against_monte_carlo_of_posteriors(K):
    """E min(Z, 1 - Z) by sampling the fields of one posterior; and it lies between half the Gibbs error and it."""
    model, R = rp.TreeCommittee(K, "spherical", task="teacher-student"), 0.7
    rng = np.random.default_rng(7)
    from scipy.special import ndtr

    p = ndtr(np.sqrt(R / (1 - R)) * rng.normal(size=(400_000, K)))
    counts = np.zeros((K + 1, len(p)))
    counts[0] = 1.0
    for a in range(K):
        counts[1:] = counts[1:] * (1 - p[:, a]) + counts[:-1] * p[:, a]
        counts[0] *= 1 - p[:, a]
    Z = counts[(K + 1) // 2 :].sum(axis=0)
    sample = np.minimum(Z, 1 - Z)
    value, error = (float(x[0]) for x in bayes_error(model, np.array([1 - R])))
    assert abs(value - sample.mean()) < 4 * sample.std() / np.sqrt(len(p)) + error
    gibbs = float(gibbs_error(model, np.array([1 - R]))[0])
    assert gibbs == pytest.approx(float((2 * Z * (1 - Z)).mean()), abs=4 * (2 * Z * (1 - Z)).std() / np.sqrt(len(p)))
    assert gibbs / 2 < value < gibbs


@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_one_unit_is_the_perceptron(weights):
    for machine in (rp.TreeCommittee(1, weights), rp.TreeParity(1, weights)):
        single = rp.Perceptron(weights)
        for question in (rp.capacity, rp.at_line, lambda m: rp.solve(m, 0.6), lambda m: rp.solve(m, 0.6, "1rsb")):
            ours, theirs = question(machine), question(single)
            assert ours.model == machine
            assert ours.to_dict()["status"] == theirs.to_dict()["status"]
            for name in ("value", "q", "entropy", "replicon"):
                np.testing.assert_equal(getattr(ours, name, None), getattr(theirs, name, None))


def test_naive_limit_of_binary_weights():
    """4/pi for one unit scales with the mean cost of a flip: 2/pi of the spherical capacity."""
    found = rp.capacity(rp.TreeCommittee(5), criterion="q-to-1")
    assert found.value == pytest.approx(2 / np.pi * rp.capacity(rp.TreeCommittee(5, "spherical")).value, rel=1e-13)


def test_refusals_name_what_is_taken():
    tree = rp.TreeCommittee(3, "spherical")
    for call, words in (
        (lambda: rp.solve(rp.TreeCommittee(11, "spherical"), 1.0), ("K: got 11", "takes up to 9")),
        (lambda: rp.solve(tree, 1.0, "krsb"), ("ansatz: got 'krsb'", "takes rs or 1rsb")),
        (lambda: rp.solve(rp.TreeCommittee(3), 0.5, "1rsb"), ("1rsb", "spherical")),
        (lambda: rp.solve(tree, 1.0, kappa=0.2), ("kappa: got 0.2", "takes None")),
        (lambda: rp.solve(tree, 1.0, digits=20), ("digits: got 20", "takes None")),
        (lambda: rp.solve(rp.TreeCommittee(21, "spherical"), 2.0, "1rsb"), ("K: got 21", "takes up to")),
        (lambda: rp.capacity(rp.TreeCommittee(21, "spherical"), "1rsb"), ("K: got 21", "takes up to 9")),
        (lambda: rp.max_margin(tree, 1.0), ("largest margin", "takes a perceptron")),
        (lambda: rp.ground_state(tree, 1.0), ("ground state", "takes a perceptron")),
        (lambda: rp.TreeCommittee(4), ("K: got 4", "odd")),
        (lambda: rp.TreeParity(0), ("K: got 0", ">= 1")),
        (lambda: rp.TreeCommittee(3, activation="erf"), ("activation", "'sign'")),
    ):
        with pytest.raises(ValueError) as reason:
            call()
        assert "\n" not in str(reason.value)
        for word in words:
            assert word in str(reason.value)


def test_newton_accepts_only_the_residual():
    model = rp.TreeCommittee(3, "spherical")
    batch = make_batch(model, np.array([2.0]))
    found = newton(batch, start(batch, 1.0))
    assert found.converged[0]
    assert found.info[0, found.nu + 2] < 1e-10


def test_closed_leaf_is_written_out_in_the_functional():
    """The free entropy of the derivation holds no opaque leaf of several fields."""
    from replicas.symbolic.nodes import Leaf
    from replicas.symbolic.rs import functional

    f = functional(rp.TreeCommittee(3, "spherical"))
    assert not substitute_leaves(f.expr, f.leaves).has(Leaf)


@pytest.mark.slow
def test_parity_learns_discontinuously_from_three_units_on():
    """R = 0 is locally stable at every load; a student with R > 0 takes over where the entropies are equal."""
    model = rp.TreeParity(3, "spherical", task="teacher-student")
    values, errors = reference("teacher/spherical/parity/K=3")
    curve = rp.generalization(model, [3.18, 3.2])
    assert list(curve.branch) == ["q=0", "typical"]
    assert curve.R[0] == 0.0 and curve.R[1] > 0.9
    found = rp.transitions(model)
    assert abs(found.spinodal.value - values["alpha_spinodal"]) <= found.spinodal.error + errors["alpha_spinodal"]
    assert abs(found.alpha_it.value - values["alpha_first_order"]) <= found.alpha_it.error + errors["alpha_first_order"]


@pytest.mark.slow
def test_parity_of_two_units_learns_continuously():
    found = rp.transitions(rp.TreeParity(2, "spherical", task="teacher-student"))
    assert found.alpha_it is None
    assert found.spinodal.value == pytest.approx(np.pi**2 / 8, abs=1e-11)
    assert rp.solve(rp.TreeParity(2, task="teacher-student"), 1.3).branch == "perfect"


@pytest.mark.slow
def test_of_stored_patterns_the_lowest_saddle_is_dominant():
    """q = 0 of a parity of two is unstable beyond pi^2/8; of three it stays stable, and is not the lowest before q -> 1."""
    for machine, alpha, branch in ((rp.TreeParity(2, "spherical"), 2.0, "typical"), (rp.TreeParity(3, "spherical"), 3.0, "q=0")):
        alone, every = rp.solve(machine, alpha), rp.solve(machine, alpha, branch="all")
        assert alone.branch == branch and alone.dominant
        assert every.branch[list(every.dominant)].tolist() == [branch]
        assert every.free_entropy[list(every.dominant)][0] == pytest.approx(alone.free_entropy, abs=1e-12)


def test_parity_of_three_beyond_its_symmetric_capacity():
    machine = rp.TreeParity(3, "spherical")
    assert rp.solve(machine, 11.0).status == "no-solution" and "10.3735" in rp.solve(machine, 11.0).message
    assert rp.solve(machine, 11.0, branch="q=0").q == 0


@pytest.mark.slow
def test_parity_of_three_on_the_way_to_its_symmetric_capacity():
    """A saddle with q > 0 leads there; alpha(q = .95) and phi from a lattice of the reviewer's own."""
    machine = rp.TreeParity(3, "spherical")
    found = rp.solve(machine, 8.8032)
    assert found.branch == "typical" and found.q == pytest.approx(0.95, abs=2e-5)  # the load is given to four decimals
    assert found.free_entropy == pytest.approx(-7.051, abs=5e-4) and not found.stable
    every = rp.solve(machine, 8.0, branch="all")
    assert every.branch.tolist() == ["q=0", "middle", "typical"] and every.dominant.tolist() == [False, False, True]


@pytest.mark.slow
def test_parity_of_two_binary_units_is_blocked_beyond_the_instability():
    """The branch that leaves R = 0 at pi^2/8 folds later: the load from a lattice that shares no code."""
    found = rp.transitions(rp.TreeParity(2, task="teacher-student"))
    assert found.alpha_it.value == pytest.approx(1, abs=1e-12)
    assert found.spinodal.value == pytest.approx(1.5202012493, abs=LATTICE + found.spinodal.error)
    assert found.spinodal.order_parameters["R"] == pytest.approx(0.48355, abs=1e-4)  # where alpha(R) is stationary
    assert "1.2337005501" in found.message
    between = rp.generalization(rp.TreeParity(2, task="teacher-student"), 1.3)
    assert between.branch.tolist() == ["q=0", "typical", "middle", "perfect"]
    assert between.stable.tolist() == [False, True, False, True] and between.dominant.tolist() == [False] * 3 + [True]


@pytest.mark.slow
def test_no_saddle_of_a_binary_majority_is_sought_beyond_its_end():
    """alpha(q) of three units grows up to q = 1: a scan says so, and what is below the end is still found."""
    machine = rp.TreeCommittee(3)
    end = rp.capacity(machine, criterion="q-to-1").value
    below, above = rp.solve(machine, [0.99 * float(end), 1.001 * float(end)]).status
    assert below == "unphysical" and above == "no-solution"


@pytest.mark.slow
def test_beyond_the_fold_a_parity_of_two_binary_units_has_learnt_all():
    """R = 0 is unstable there and no other R < 1 is left: perfect learning, on the whole curve and alone."""
    machine = rp.TreeParity(2, task="teacher-student")
    curve = rp.solve(machine, [1.55, 3.0])
    assert curve.branch.tolist() == ["perfect", "perfect"] and curve.dominant.all()
    every = rp.solve(machine, 1.55, branch="all")
    assert every.branch.tolist() == ["q=0", "perfect"] and every.dominant.tolist() == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize("machine", [rp.TreeCommittee(3, "spherical"), rp.TreeParity(2, "spherical"), rp.TreeParity(3, "spherical")], ids=str)
def test_learning_at_large_loads_is_that_of_one_unit(machine):
    """alpha eps_g of every tree tends to the perceptron's constant."""
    curve = rp.generalization(replace(machine, task="teacher-student"), 1e4)
    assert curve.status == "converged"
    one = rp.generalization(rp.Perceptron("spherical", task="teacher-student"), 1e6)
    assert 1e4 * curve.eps_gibbs == pytest.approx(1e6 * one.eps_gibbs, abs=FLAT)
    assert abs(1e4 * curve.eps_bayes - 1e6 * one.eps_bayes) < FLAT + 1e4 * curve.errors["eps_bayes"]


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("task", ["storage", "teacher-student"])
def test_fields_in_order_of_size_continue_the_lattice(K, task):
    """Two rules share the averages of a parity, one beyond a ratio q/V: phi goes from one to the other without a step."""
    machine = rp.TreeParity(K, "spherical", task=task)
    border = math.log(units.TILTED_PARITY_FROM if machine.teacher else units.ORDERED_FROM)
    at = border + STEP * np.array([-1.5, -0.5, 0.5, 1.5])
    phi = evaluate(make_batch(machine, np.full(4, 3.0)), at[:, None], units.TOP_LEVEL - 1).phi
    assert abs(np.diff(phi, 3)[0]) < STEPLESS
    assert abs(np.diff(phi)[0]) > 1e3 * STEPLESS


@pytest.mark.slow
def test_a_student_that_is_not_reached_is_no_answer():
    """A student with R > 0 has a larger phi at large loads, where the grids of four fields do not reach R = 1."""
    curve = rp.generalization(rp.TreeParity(4, "spherical", task="teacher-student"), 1e4)
    assert curve.status == "not-converged" and curve.R is None


@pytest.mark.parametrize("K", [3, pytest.param(5, marks=[pytest.mark.slow, pytest.mark.nightly])])
def test_the_vote_close_to_the_teacher(K):
    """Most units are sure: the series agrees with the lattice where both resolve, and tends to one unsure unit."""
    from replicas.theory.tree_learning import _near_teacher, _vote

    near, error = _near_teacher(K, 0.1)
    assert abs(near - _vote(K, {3: 0.05, 5: 0.12}[K], 10.0)) < error + 1e-4 * near
    (tiny, e), p = _near_teacher(K, 1e-5), {3: 1.5, 5: 15 / 8}[K]  # K times the probability that a unit decides
    assert tiny == pytest.approx(p * 1e-5 / np.pi, rel=2e-4) and e < 1e-6 * tiny


def test_a_committee_learns_stably():
    assert "Bayes-optimal" in rp.at_line(rp.TreeCommittee(5, "spherical", task="teacher-student")).message


def test_generalization_error_is_a_polynomial_in_the_angle():
    for machine in (rp.TreeCommittee(3), rp.TreeCommittee(7), rp.TreeParity(4), rp.Perceptron()):
        error = rp.generalization_error(machine)
        (R,) = error.free_symbols
        for overlap in (0.0, 0.3, 0.97):
            if isinstance(machine, rp.Perceptron):
                assert float(error.subs(R, overlap)) == pytest.approx(np.arccos(overlap) / np.pi, abs=1e-15)
            else:
                assert float(error.subs(R, overlap)) == pytest.approx(gibbs_error(machine, np.array([1 - overlap]))[0], abs=1e-14)
    with pytest.raises(ValueError, match="takes a tree machine"):
        rp.generalization_error(rp.Perceptron(kappa=0.5))
