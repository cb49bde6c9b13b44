"""Questions about fully connected committees of few units: shapes, branches, labels, refusals."""

import json
import math

import numpy as np
import pytest

import replicas as rp

GAUSSIAN = rp.Committee(2, "spherical", task="teacher-student")
BINARY = rp.Committee(2, "binary", task="teacher-student")


def test_scalars_arrays_and_all_branches_agree():
    one, many = rp.solve(GAUSSIAN, 1.3), rp.solve(GAUSSIAN, [[0.4, 1.3]])
    assert (many.shape, one.shape) == ((1, 2), ())
    assert many.q[0, 1] == pytest.approx(one.q, abs=1e-9) and list(many.branch[0]) == ["permutation-symmetric", "specialised"]
    every = rp.solve(GAUSSIAN, 1.3, branch="all")
    assert list(every.branch) == ["permutation-symmetric", "specialised"] and list(every.dominant) == [False, True]
    assert list(every.stable) == [False, True] and every.q[0] == every.q_cross[0]
    assert type(many[0, 1]) is type(one) and one.overlap_matrix.shape == (2, 2)
    assert one.overlap_matrix == pytest.approx(np.array([[one.q, one.q_cross], [one.q_cross, one.q]]))


def test_a_named_branch_says_whether_it_dominates():
    assert rp.solve(GAUSSIAN, 1.3, branch="permutation-symmetric").dominant is False
    assert rp.solve(GAUSSIAN, 0.5, branch="permutation-symmetric").dominant is True
    ended = rp.solve(GAUSSIAN, 0.5, branch="specialised")
    assert ended.status == "branch-ended" and "merged" in ended.message


def test_specialisation_is_where_the_symmetric_state_loses_its_stability():
    found = rp.transitions(GAUSSIAN)
    at = found.specialisation
    before, after = (rp.solve(GAUSSIAN, at.value * (1 + s), branch="permutation-symmetric") for s in (-1e-4, 1e-4))
    assert before.stable and not after.stable and abs(before.replicon) < 1e-3
    assert found.alpha_it is None and "continuously" in found.message
    assert 2 * at.value == pytest.approx(2.052382429741, abs=1e-9) and at.error < 1e-8


@pytest.mark.slow
def test_binary_units_are_blocked_until_the_fold_of_their_imperfect_states():
    found = rp.transitions(BINARY)
    loads = [2 * getattr(found, n).value for n in ("alpha_it", "specialisation", "spinodal")]
    assert loads == pytest.approx([1.546091357301, 1.589322476321, 1.977062113370], abs=2e-8)
    zero = rp.solve(BINARY, found.alpha_it.value, branch="permutation-symmetric")
    assert abs(zero.entropy) < 1e-12
    assert "metastable" in found.specialisation.statement
    after = rp.solve(BINARY, 0.9)
    assert (after.branch, after.q, after.free_entropy) == ("perfect", 1.0, 0.0)
    left = rp.solve(BINARY, 0.9, branch="specialised")
    assert left.status == "unphysical" and left.entropy < 0 and left.dominant is False


def test_errors_of_two_units_that_know_nothing_are_those_of_guessing_three_labels():
    curve = rp.generalization(GAUSSIAN, [0.0, 1e-9, 0.5])
    assert (curve.eps_gibbs[0], curve.eps_bayes[0]) == (0.625, 0.5)
    assert curve.eps_gibbs[1] == pytest.approx(0.625, abs=1e-6) and curve.eps_bayes[1] == pytest.approx(0.5, abs=1e-6)
    assert curve.eps_gibbs[2] < 0.625 and curve.R[2] == curve.R_cross[2]


def test_units_that_have_specialised_do_not_resemble_one_another():
    curve = rp.generalization(GAUSSIAN, [2.0, 6.0])
    assert np.all(curve.R > 0.8) and np.all(curve.R_cross < 0.1) and np.all(np.diff(curve.R_cross) < 0)
    assert curve.errors["eps_bayes"].max() < 1e-8


def test_state_evolution_ends_at_the_saddle_point():
    point = rp.solve(GAUSSIAN, 1.4)
    path = rp.state_evolution(GAUSSIAN, 1.4, "informative", 200)
    assert path[-1] == pytest.approx(point.overlap_matrix, abs=1e-8)
    with pytest.raises(ValueError, match=r"^start: .*takes a symmetric 2 x 2 matrix"):
        rp.state_evolution(GAUSSIAN, 1.4, np.array([[0.1, 0.5], [0.5, 0.1]]), 1)


def test_one_unit_is_the_perceptron():
    for weights in ("spherical", "binary"):
        committee = rp.solve(rp.Committee(1, weights, task="teacher-student"), 1.1)
        plain = rp.solve(rp.Perceptron(weights, task="teacher-student"), 1.1)
        assert (committee.q, committee.free_entropy) == (plain.q, plain.free_entropy)
        assert committee.to_dict()["model"]["name"] == "committee"


def test_json_holds_the_matrix_of_overlaps():
    point = json.loads(rp.solve(GAUSSIAN, 1.3).to_json())
    assert {"q", "q_cross", "q_hat", "q_hat_cross", "free_entropy", "replicon", "branch", "dominant"} <= point.keys()
    assert set(point["errors"]) >= {"q", "q_cross", "free_entropy"} and float(point["error"]) < 1e-9
    marks = rp.transitions(BINARY).to_dict()
    assert {"alpha_it", "spinodal", "specialisation"} <= marks.keys() and float(marks["specialisation"]["value"]) > 0
    curve = rp.generalization(GAUSSIAN, 0.5).to_dict()
    assert float(curve["R_cross"]) == float(curve["R"])


def test_what_is_open_is_said_to_be_open():
    storage = rp.Committee(2, "spherical")
    for found in (rp.capacity(storage), rp.capacity(storage, "1rsb"), rp.solve(storage, 0.5), rp.transitions(storage)):
        assert found.status == "unsupported"
    assert "open" in rp.capacity(storage).message


@pytest.mark.parametrize(
    "ask, name",
    [
        (lambda: rp.Committee(0), "K"),
        (lambda: rp.Committee(2.5), "K"),
        (lambda: rp.Committee(2, activation="relu"), "activation"),
        (lambda: rp.Committee(2, "discrete:0,1", task="teacher-student"), "weights"),
        (lambda: rp.solve(rp.Committee(4, task="teacher-student"), 1.0), "K"),
        (lambda: rp.solve(GAUSSIAN, -1.0), "alpha"),
        (lambda: rp.solve(GAUSSIAN, math.nan), "alpha"),
        (lambda: rp.solve(GAUSSIAN, 1.0, branch="typical"), "branch"),
        (lambda: rp.solve(GAUSSIAN, 1.0, branch="perfect"), "branch"),
        (lambda: rp.solve(GAUSSIAN, 1.0, ansatz="1rsb"), "ansatz"),
        (lambda: rp.solve(GAUSSIAN, 1.0, digits=30), "digits"),
        (lambda: rp.solve(GAUSSIAN, 1.0, kappa=1.0), "kappa"),
        (lambda: rp.generalization(GAUSSIAN, 1.0, rule="hebb"), "rule"),
        (lambda: rp.at_line(GAUSSIAN), "model"),
    ],
)
def test_bad_input_is_one_line_that_names_the_argument(ask, name):
    with pytest.raises(ValueError, match=rf"^{name}: .*takes") as caught:
        ask()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", [rp.Perceptron("binary", task="teacher-student"), rp.Committee(2, "binary", task="teacher-student")])
def test_state_evolution_without_patterns_forgets_its_start(model):
    path = rp.state_evolution(model, 0.0, "informative", 3)
    assert path[0][0, 0] > 0.9 and all(np.all(q == 0) for q in path[1:])


LIMIT = 0.624658192138565  # alpha eps_g of one Gaussian unit at large loads, which test_teacher_student holds to 30 digits
CORRECTION = 3.0  # of alpha eps_g - LIMIT, in units of 1/alpha


@pytest.mark.parametrize("alpha", [1e4, 1e6, 1e8, 1e10, 1e12])
def test_specialised_units_learn_large_loads_like_one(alpha):
    curve = rp.generalization(GAUSSIAN, alpha)
    assert (curve.status, curve.branch, curve.dominant) == ("converged", "specialised", True)
    assert abs(curve.eps_gibbs - LIMIT / alpha) < curve.errors["eps_gibbs"] + CORRECTION / alpha**2
    found = rp.solve(GAUSSIAN, alpha)
    tenfold = rp.solve(GAUSSIAN, 10 * alpha)  # the entropy of knowing each weight to 1/alpha falls by log 10
    assert found.free_entropy - tenfold.free_entropy == pytest.approx(math.log(10), abs=CORRECTION / alpha + 1e-12)


def test_no_branch_dominates_one_that_was_lost():
    """Beyond what double precision resolves of the undecided state the specialised one is found, and its rank is not known."""
    every = rp.solve(GAUSSIAN, 1e16, branch="all")
    assert every.branch.tolist() == ["specialised", "permutation-symmetric"]
    assert every.status.tolist() == ["converged", "not-converged"] and not every.dominant.any()
    assert rp.solve(GAUSSIAN, 1e16).status == "not-converged"


def test_a_branch_just_beyond_its_end_does_not_hide_the_teacher():
    found = rp.generalization(BINARY, 1.0)
    assert (found.branch, found.dominant, found.eps_gibbs) == ("perfect", True, 0)
