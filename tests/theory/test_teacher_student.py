"""Teacher-student: branches, transitions, learning curves and rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erfcx

import replicas as rp

BINARY, SPHERICAL = (
    rp.Perceptron("binary", task="teacher-student"),
    rp.Perceptron("spherical", task="teacher-student"),
)
TERNARY = rp.Perceptron("ternary", task="teacher-student")
ROUNDING = 4e-15
QUADRATURE = 1e-11  # of two nested integrals by scipy
AWAY = 1e-3  # step from an unstable overlap R, in units of 1 - R
FOLD = 0.03  # relative, of the square-root law between distances 1e-4 and 1e-6 of the fold: corrections are O(sqrt distance)


def H(x):
    return 0.5 * math.erfc(x / math.sqrt(2))


def G(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


@pytest.fixture(scope="module")
def transitions():
    return rp.transitions(BINARY)


def test_all_branches_of_the_coexistence_region():
    """Typical, middle (unstable side of the fold) and perfect; the dominant one has the largest free entropy."""
    found = rp.solve(BINARY, 1.3, branch="all")
    assert list(found.branch) == ["typical", "middle", "perfect"]
    assert np.all(np.diff(found.q) > 0) and found.q[2] == 1 and found.free_entropy[2] == 0
    assert list(found.dominant) == [False, False, True]  # beyond alpha_it the teacher alone is left
    assert list(rp.solve(BINARY, 1.1, branch="all").dominant) == [True, False, False]
    assert found.R is found.q


def test_the_middle_branch_by_name(transitions):
    """It solves the two equations as scipy integrates them, where iterating them leads away from it; beyond the fold there is none."""

    def iterated(q, alpha):
        root = math.sqrt(q / (1 - q))
        inside = quad(lambda y: G(y / root) * G(y) / erfcx(y / math.sqrt(2)), -12, 12, epsabs=1e-14)[0] / root
        q_hat = 2 * math.sqrt(2 / math.pi) * alpha / (1 - q) * inside
        return quad(lambda z: G(z) * math.tanh(math.sqrt(q_hat) * z + q_hat), -12, 12, epsabs=1e-13)[0]

    loads = np.array([0.005, 0.8, 1.3, 1.45, transitions.spinodal.value + 1e-3])
    curve = rp.solve(BINARY, loads, branch="middle")
    assert list(curve.branch) == ["middle"] * 4 + [""] and curve.status[4] == "no-solution"
    for alpha, q in zip(loads[:4], curve.q[:4]):
        assert abs(iterated(q, alpha) - q) < QUADRATURE
        away = AWAY * (1 - q)
        assert iterated(q + away, alpha) - q > away and q - iterated(q - away, alpha) > away
    assert not curve.dominant[:4].any() and not curve.stable[:4].any()
    assert "taken over" not in curve.message[1]  # below alpha_it nothing has
    errors = rp.generalization(BINARY, 1.3, branch="middle")
    assert errors.eps_gibbs == pytest.approx(math.acos(curve.q[2]) / math.pi, abs=ROUNDING)
    assert abs(rp.solve(BINARY, 1.3, branch="middle", digits=25).q - curve.q[2]) < curve.errors["q"][2]
    both = rp.generalization(BINARY, [1.3, 2.0], branch="middle", digits=25)
    assert abs(both.R[0] - curve.q[2]) < curve.errors["q"][2] and both.status[1] == "no-solution"


def test_branches_of_several_loads():
    found = rp.solve(BINARY, [0.3, 1.3, 1.6], branch="all")
    assert [str(b) for b, a in zip(found.branch, found.alpha) if a == 1.6] == ["perfect"]
    assert {"typical", "perfect"} <= {str(b) for b, a in zip(found.branch, found.alpha) if a == 0.3}
    for a in (0.3, 1.3, 1.6):
        assert np.sum(found.dominant[found.alpha == a]) == 1


def test_thermodynamic_branch_beyond_the_transition(transitions):
    it, end = transitions.alpha_it.value, transitions.spinodal.value
    curve = rp.solve(BINARY, [it - 1e-4, it + 1e-4, end + 1e-3])
    assert list(curve.branch) == ["typical", "perfect", "perfect"] and list(curve.q[1:]) == [1, 1]
    typical = rp.solve(BINARY, end + 1e-3, branch="typical")
    assert typical.status in ("branch-ended", "no-solution") and typical.q is None


def test_entropies_cross_at_alpha_it(transitions):
    """The R < 1 branch has positive entropy below, negative above; perfect learning has zero."""
    it = transitions.alpha_it
    around = rp.solve(BINARY, it.value + np.array([-1e-6, 0.0, 1e-6]), branch="typical")
    assert around.entropy[0] > 0 > around.entropy[2] and abs(around.entropy[1]) < ROUNDING
    assert around.q[1] == pytest.approx(it.order_parameters["R"], abs=1e-12)
    assert it.value < math.log(2) / (-0.5 * math.log(0.5)) * 2 and it.value > 1  # annealed learning bound


@pytest.mark.parametrize("model", [BINARY, TERNARY], ids=["binary", "ternary"])
def test_spinodal_is_a_fold(model, request):
    """Two branches merge with a square-root law: (R_middle - R_typical)^2 is proportional to the distance."""
    end = rp.transitions(model).spinodal.value
    gaps = []
    for distance in (1e-4, 1e-6):
        found = rp.solve(model, end - distance, branch="all")
        lower = np.sort(found.q[found.q < 0.999 * found.q.max()])
        assert lower.size == 2, (distance, found.q)
        gaps.append(lower[1] - lower[0])
    assert gaps[0] / gaps[1] == pytest.approx(10.0, rel=FOLD)
    assert gaps[1] < 0.02
    beyond = rp.solve(model, end + 1e-6, branch="typical")
    assert beyond.status != "converged"


def test_transitions_of_other_models():
    assert rp.transitions(SPHERICAL).status == "no-solution"
    assert rp.transitions(rp.Perceptron("binary")).status == "unsupported"
    ternary = rp.transitions(TERNARY)
    assert ternary.status == "converged" and 1 < ternary.alpha_it.value < ternary.spinodal.value


def test_nishimori_identities():
    """q = R: E tanh^2 = E tanh under the tilted measure, by scipy.integrate.quad."""
    point = rp.solve(BINARY, 1.0)
    c = point.q_hat
    first = quad(lambda z: G(z) * math.tanh(c + math.sqrt(c) * z), -9, 9, epsabs=1e-13)[0]
    second = quad(lambda z: G(z) * math.tanh(c + math.sqrt(c) * z) ** 2, -9, 9, epsabs=1e-13)[0]
    assert first == pytest.approx(second, abs=1e-11) and point.q == pytest.approx(first, abs=1e-11)


def test_ternary_teacher_satisfies_its_equations():
    """PHYSICS 2.4, 'derived, not evaluated: check it': q = E_{w0,z} w0 <w>, q_hat = 2 alpha E[G^2/H]/(Q-q), by quad."""
    alpha = 0.8
    point = rp.solve(TERNARY, alpha, branch="typical")
    c, q, Q = point.q_hat, point.q, 2 / 3
    values = (-1, 0, 1)

    def mean(h):
        weights = [math.exp(h * w - c * w * w / 2) for w in values]
        return sum(p * w for p, w in zip(weights, values)) / sum(weights)

    overlap = (
        sum(quad(lambda z, w0=w0: G(z) * w0 * mean(math.sqrt(c) * z + c * w0), -9, 9, epsabs=1e-13)[0] for w0 in values)
        / 3
    )
    gam = math.sqrt(q / (Q - q))
    field = quad(lambda t: G(t) * G(gam * t) ** 2 / H(gam * t), -9, 9, epsabs=1e-13, limit=200)[0]
    assert overlap == pytest.approx(q, abs=1e-10)
    assert c == pytest.approx(2 * alpha / (Q - q) * field, abs=1e-10)


# --- learning curves -----------------------------------------------------------------------------------------------------


def test_generalization_errors_are_the_arccosines():
    curve = rp.generalization(SPHERICAL, [0.5, 1.0, 2.0, 5.0])
    assert curve.eps_gibbs == pytest.approx(np.arccos(curve.R) / math.pi, abs=1e-13)
    assert curve.eps_bayes == pytest.approx(np.arccos(np.sqrt(curve.R)) / math.pi, abs=1e-13)
    assert np.all(np.diff(curve.eps_gibbs) < 0) and np.all(curve.eps_bayes < curve.eps_gibbs)
    start = rp.generalization(SPHERICAL, 0.0)
    assert start.eps_gibbs == pytest.approx(0.5) and start.eps_bayes == pytest.approx(0.5)


def test_spherical_saddle_in_its_other_form():
    """R/sqrt(1-R) = (alpha/pi) int Dt exp(-R t^2/2)/H(sqrt(R) t): the equivalent form of PHYSICS 2.2."""
    for alpha in (0.3, 2.0, 8.0):
        R = rp.solve(SPHERICAL, alpha).q
        value = quad(lambda t, R=R: G(t) * math.exp(-R * t * t / 2) / H(math.sqrt(R) * t), -9, 9, epsabs=1e-13)[0]
        assert R / math.sqrt(1 - R) == pytest.approx(alpha / math.pi * value, rel=1e-10)


def test_generalization_shows_coexisting_branches():
    curve = rp.generalization(BINARY, 1.3)
    assert {"typical", "perfect"} <= set(curve.branch)
    assert curve.eps_gibbs[list(curve.branch).index("perfect")] == 0


def test_information_gain_is_the_bayes_entropy():
    """d phi/d alpha = 2 E H log H = -(entropy of the label of a fresh pattern) for Bayes-optimal learning."""
    h = 1e-4
    low, mid, high = rp.solve(SPHERICAL, [2 - h, 2.0, 2 + h])
    gam = math.sqrt(mid.q / mid.one_minus_q)
    label = quad(lambda t: G(t) * 2 * H(gam * t) * math.log(H(gam * t)), -9, 9, epsabs=1e-13)[0]
    assert (high.free_entropy - low.free_entropy) / (2 * h) == pytest.approx(label, abs=1e-7)


def test_hebb_rule_from_its_definition():
    """J = sum y xi: J.T/N = alpha <|u|>, |J|^2/N = alpha + alpha^2 <|u|>^2, <|u|> = sqrt(2/pi)."""
    alpha = np.array([0.1, 1.0, 7.0])
    signal = math.sqrt(2 / math.pi)
    curve = rp.generalization(SPHERICAL, alpha, rule="hebb")
    expected = alpha * signal / np.sqrt(alpha + (alpha * signal) ** 2)
    assert curve.R == pytest.approx(expected, rel=ROUNDING) and curve.eps_g == pytest.approx(
        np.arccos(expected) / math.pi, abs=1e-14
    )


def test_pseudo_inverse_rule():
    below, above = (
        rp.generalization(SPHERICAL, [0.2, 0.5, 1.0 - 1e-9], rule="pseudo-inverse"),
        rp.generalization(SPHERICAL, [1.0 + 1e-9, 3.0], rule="pseudo-inverse"),
    )
    a = np.array([0.2, 0.5])
    assert below.R[:2] == pytest.approx(np.sqrt(2 * a * (1 - a) / (math.pi - 2 * a)), rel=1e-14)
    assert above.R[1] == pytest.approx(math.sqrt(4 / (2 + math.pi)), rel=1e-14)
    assert below.R[2] < 1e-3 and above.R[0] < 1e-3  # overfitting peak at alpha = 1, from both sides


@pytest.mark.parametrize("alpha", [0.7, 2.0, 10.0])
def test_max_stability_rule(alpha):
    """Phi(R, kappa) = (1-R^2)/2 - alpha int Dt H(-R t/s)(kappa-t)^2 = 0 at the maximum of kappa over R, by quad."""
    from scipy.optimize import brentq

    def kappa(R):
        s = math.sqrt(1 - R * R)
        return brentq(
            lambda k: (
                (1 - R * R) / 2
                - alpha
                * quad(
                    lambda t: G(t) * H(-R * t / s) * (k - t) ** 2,
                    -9,
                    k,
                    epsabs=1e-13,
                    points=[0.0] if k > 0 else None,
                )[0]
            ),
            -1,
            9,
        )

    R = rp.generalization(SPHERICAL, alpha, rule="max-stability").R
    h = 1e-3 * (1 - R)
    assert (kappa(R + h) - kappa(R - h)) / (2 * h) == pytest.approx(0, abs=1e-5)
    assert kappa(R) > max(kappa(R + 20 * h), kappa(R - 20 * h))


def test_order_of_the_rules():
    """Bayes below maximum stability and Hebb; at large load maximum stability beats Hebb."""
    for alpha in (0.5, 2.0, 8.0):
        bayes = rp.generalization(SPHERICAL, alpha).eps_bayes
        others = [
            rp.generalization(SPHERICAL, alpha, rule=r).eps_g for r in ("hebb", "pseudo-inverse", "max-stability")
        ]
        assert all(bayes < o for o in others)
    assert (
        rp.generalization(SPHERICAL, 8.0, rule="max-stability").eps_g
        < rp.generalization(SPHERICAL, 8.0, rule="hebb").eps_g
    )


LEVEL = 1e-13  # relative: corrections to alpha eps_g = const are of order 1/alpha^2


def test_large_loads_keep_their_digits():
    """alpha eps_g tends to a constant: to 30 digits by quadratures of another package at 1e8, in double precision beyond."""
    exact = rp.generalization(SPHERICAL, 1e8, digits=30)
    assert exact.status == "converged"
    loads = np.array([1e8, 1e10, 1e12, 1e20, 1e39])
    curve = rp.generalization(SPHERICAL, loads)
    assert (curve.status == "converged").all()
    for ours, theirs in ((curve.eps_gibbs, exact.eps_gibbs), (curve.eps_bayes, exact.eps_bayes)):
        assert loads * ours == pytest.approx(np.full(loads.size, float(theirs * 10**8)), rel=LEVEL)
    unresolved = rp.generalization(SPHERICAL, 1e60)
    assert unresolved.status == "not-converged" and unresolved.eps_gibbs is None
