"""Fully connected committees: limits, stationarity, branches, transitions, errors."""

import math

import numpy as np
import pytest

import replicas as rp
from replicas.committees import Committee
from replicas.numerics.matrix_channel import evaluate, matrix_axes
from replicas.theory.committee import PERFECT, SPECIALISED, SYMMETRIC, saddle, state_evolution
from replicas.theory.committee_errors import generalization
from replicas.theory.committee_state import posterior
from replicas.theory.committee_transitions import transitions

# P/N, established here by two quadratures; Aubin et al. 2018 give "about 2.04" for the first
GAUSSIAN_TWO, BINARY_TWO, BINARY_TWO_PERFECT, BINARY_TWO_END = 2.05238242974096, 1.58932247632111, 1.54609135730, 1.977062113
GAUSSIAN_THREE, GAUSSIAN_THREE_JUMP, GAUSSIAN_THREE_START = 19.2320038015, 11.3323828258, 10.9237859369


def teacher(K, weights):
    return Committee(K, weights, task="teacher-student")


@pytest.mark.parametrize("weights", ["spherical", "binary"])
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_one_unit_is_the_perceptron(weights, alpha):
    point, want = saddle(teacher(1, weights), alpha, SYMMETRIC), rp.solve(rp.Perceptron(weights, task="teacher-student"), alpha)
    assert point.status == "converged"
    assert point.q == pytest.approx(float(want.q), abs=1e-10)
    assert point.free_entropy == pytest.approx(float(want.free_entropy), abs=1e-11)


@pytest.mark.parametrize("weights, alpha", [("spherical", 1.4), ("binary", 0.9)])
def test_free_entropy_is_stationary_in_every_matrix_direction(weights, alpha):
    """phi(q, q_hat) from Psi alone, not from its gradient: the functional against its equations."""
    model = teacher(2, weights)
    point = saddle(model, alpha)
    assert point.status == "converged" and point.stable
    q = point.q_cross + (point.q - point.q_cross) * np.eye(2)
    q_hat = point.q_hat_cross + (point.q_hat - point.q_hat_cross) * np.eye(2)

    def phi(q, q_hat):
        values, vectors = np.linalg.eigh(q_hat)
        prior = posterior(model, vectors, values, 1.0, False)
        psi = evaluate(matrix_axes(q, np.eye(2) - q)).psi
        # the prior's own saddle overlap is taken out: entropy = Psi_w - tr(q(q_hat) q_hat)/2
        return (prior.entropy + np.sum((prior.q - q) * q_hat) / 2) / 2 + alpha * psi

    assert phi(q, q_hat) == pytest.approx(point.free_entropy, abs=1e-11)
    h = 1e-4
    for direction in ([[1, 0], [0, 1]], [[0, 1], [1, 0]], [[1, 0], [0, -1]]):
        d = h * np.array(direction, dtype=float)
        for one, two in ((d, 0 * d), (0 * d, d)):
            slope = (phi(q + one, q_hat + two) - phi(q - one, q_hat - two)) / (2 * h)
            assert abs(slope) < 2e-7


def test_two_gaussian_units_specialise_continuously():
    model, load = teacher(2, "spherical"), GAUSSIAN_TWO / 2
    found = transitions(model)
    assert [(t.kind, t.order) for t in found] == [("specialisation", "continuous")]
    assert found[0].alpha == pytest.approx(load, abs=1e-8) and found[0].error < 1e-9
    below, above = (saddle(model, load + d, SYMMETRIC) for d in (-1e-3, 1e-3))
    assert below.stable and not above.stable
    assert saddle(model, 0.9 * load).status == "branch-ended"
    new = saddle(model, 1.01 * load)
    assert new.status == "converged" and new.stable and 0 < new.q - new.q_cross < 0.05
    assert new.free_entropy > saddle(model, 1.01 * load, SYMMETRIC).free_entropy


@pytest.mark.slow
def test_ties_broken_by_a_coin_specialise_elsewhere():
    """The literature's 2.04 is the machine with a third label: a coin for ties gives 7.155."""
    from scipy.optimize import brentq

    from replicas.theory.committee_state import state

    def excess(x):
        s = state(teacher(2, "spherical"), np.array([math.exp(x), 0.0]), 1.0, coin=True)
        return math.log(s.q_hat[0] / s.A[0] * s.slope[1, 1])

    x = brentq(excess, 0.5, 1.8, xtol=1e-13)
    s = state(teacher(2, "spherical"), np.array([math.exp(x), 0.0]), 1.0, coin=True)
    assert s.q_hat[0] / s.A[0] == pytest.approx(7.15501003, abs=1e-7)


@pytest.mark.slow
def test_two_binary_units():
    found = {(t.kind, t.branch): t for t in transitions(teacher(2, "binary"))}
    assert found["perfect", SYMMETRIC].patterns == pytest.approx(BINARY_TWO_PERFECT, abs=1e-8)
    assert found["specialisation", SYMMETRIC].patterns == pytest.approx(BINARY_TWO, abs=1e-8)
    end = found["spinodal", SPECIALISED]
    assert end.patterns == pytest.approx(BINARY_TWO_END, abs=1e-7) and end.side == "below"
    assert saddle(teacher(2, "binary"), 1.05).status == "no-solution"
    assert saddle(teacher(2, "binary"), 1.0, PERFECT).free_entropy == 0.0


@pytest.mark.slow
def test_binary_perceptron_transitions_are_those_known():
    found = {t.kind: t.alpha for t in transitions(teacher(1, "binary"))}
    assert found["perfect"] == pytest.approx(1.2447, abs=5e-5)
    assert found["spinodal"] == pytest.approx(1.4926, abs=5e-5)


def test_state_evolution_finds_the_saddle_from_any_start():
    model, alpha = teacher(2, "spherical"), 1.5
    point = saddle(model, alpha)
    end = state_evolution(model, alpha, "informative", 110)[-1]  # the slowest mode: 0.78 a step
    assert end[0, 0] == pytest.approx(point.q, abs=1e-8) and end[0, 1] == pytest.approx(point.q_cross, abs=1e-8)
    # exactly symmetric starts stay so; units exchanged: the other one of the two states
    flat = state_evolution(model, alpha, "symmetric", 40)[-1]
    assert np.ptp(flat) < 1e-12 and flat[0, 0] == pytest.approx(saddle(model, alpha, SYMMETRIC).q, abs=1e-9)
    swapped = state_evolution(model, alpha, np.array([[0.2, 0.1], [0.1, 0.3]]), 80)[-1]
    assert np.max(np.abs(swapped - end)) < 1e-6
    assert state_evolution(teacher(2, "binary"), 1.2, 0.9 * np.eye(2), 30)[-1][0, 0] > 1 - 1e-6


@pytest.mark.slow
def test_errors_fall_along_the_branches():
    model, last = teacher(2, "spherical"), {}
    for alpha in (0.4, 0.8, 1.2, 1.6, 2.4):
        for branch in (SYMMETRIC, SPECIALISED):
            e = generalization(model, alpha, branch)
            if e.status != "converged":
                assert branch == SPECIALISED and alpha < GAUSSIAN_TWO / 2
                continue
            assert e.bayes < e.gibbs < 2 * e.bayes and e.errors["bayes"] < 1e-7
            if branch in last:
                assert e.gibbs < last[branch].gibbs and e.bayes < last[branch].bayes
            last[branch] = e
    assert last[SPECIALISED].bayes < last[SYMMETRIC].bayes
    one = generalization(teacher(1, "spherical"), 1.0, SYMMETRIC)
    assert one.gibbs == pytest.approx(math.acos(one.R) / math.pi, abs=1e-11)


@pytest.mark.slow
def test_bayes_error_against_a_plain_average():
    """1 - E max Z on a fine lattice, without knowing where the kinks are."""
    from replicas.numerics.label_kernels import majority_of_three, two_units
    from replicas.numerics.matrix_channel import symmetric_axes
    from replicas.theory.committee_errors import bayes_error

    rng = np.random.default_rng(3)
    for K, count in ((2, 200_000), (3, 40_000)):
        axes = symmetric_axes(K, (0.6, 0.4), (0.4, 0.6))
        det = float(np.prod(axes.gap))
        adjugate = (axes.vectors * (det / axes.gap)) @ axes.vectors.T
        w = (rng.normal(size=(count, K)) * np.sqrt(axes.overlap)) @ axes.vectors.T
        Z, first, second = np.zeros(3), np.zeros((3, 2)), np.zeros((3, 2, 2))
        miss = np.empty(count)
        for i in range(count):
            if K == 2:
                two_units(w[i, 0], w[i, 1], axes.V, det, Z, first, second)
                miss[i] = 1 - Z.max()
            else:
                miss[i] = min(majority_of_three(w[i], axes.V, det, adjugate, np.zeros((3, 3)), np.zeros(3)))
        assert abs(bayes_error(axes) - miss.mean()) < 5 * miss.std() / math.sqrt(count)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="task: got 'storage'"):
        saddle(Committee(2, "binary"), 1.0)
    with pytest.raises(ValueError, match="K: got 5"):
        saddle(teacher(5, "binary"), 1.0)
    with pytest.raises(ValueError, match="branch: got 'best'"):
        saddle(teacher(2, "binary"), 1.0, "best")
    with pytest.raises(ValueError, match="alpha: got -1"):
        saddle(teacher(2, "binary"), -1)
    with pytest.raises(ValueError, match="start: got"):
        state_evolution(teacher(2, "binary"), 1.0, "warm")
    assert saddle(teacher(2, "spherical"), 1.0, PERFECT).status == "no-solution"


@pytest.mark.slow
def test_three_gaussian_units_specialise_by_a_jump():
    found = {t.kind: t for t in transitions(teacher(3, "spherical"))}
    assert found["specialisation"].patterns == pytest.approx(GAUSSIAN_THREE, abs=1e-8)
    assert found["specialisation"].order == "discontinuous"
    assert found["coexistence"].patterns == pytest.approx(GAUSSIAN_THREE_JUMP, abs=1e-7)
    assert found["spinodal"].patterns == pytest.approx(GAUSSIAN_THREE_START, abs=1e-7)
