"""Derivations of fully connected committees: every check passes, every wrong term fails, and the matrices behind them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from corruption import WRONG, in_probabilities, scaled
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr

import replicas as rp
from replicas.committees import Committee
from replicas.models import TreeCommittee
from replicas.symbolic import committee, rs
from replicas.symbolic import symbols as S
from replicas.symbolic.committee_integrals import CoupledUnits, direct, flat, orthant, unflat
from replicas.symbolic.committee_leaves import leaves_of
from replicas.symbolic.nodes import Leaf, Tilt, heat, pairs, permuted, saddle_form
from replicas.symbolic.numeric import evaluate
from replicas.symbolic.replica_steps import factor_masses
from replicas.symbolic.workshop import difference

QUADRATURE = 1e-9  # two quadratures of a smooth integral
SOLVED = 1e-9  # the solver's quadratures against the referee's
UNCOUPLED = 1e-10  # averages over three fields on two grids
DIFFERENCED = 1e-7  # sixth-order differences of averages over grids of the fields
FAST = {(2, "spherical")}
CASES = [
    pytest.param(*case, marks=() if case in FAST else pytest.mark.slow)
    for case in (
        *((2, weights) for weights in ("binary", "spherical", "ternary", "discrete:-0.1,0.1", "discrete:-50,50", "discrete:-0.01,0,0.01", "discrete:-50,0,50")),
        *((3, weights) for weights in ("binary", "spherical")),
    )
]
POINT = {"q": 0.43, "q_c": 0.12, "q_hat": 0.71, "q_hat_c": 0.26, "alpha": 0.83}


def machine(K, weights="binary"):
    return Committee(K, weights, task="teacher-student")


def wrong_versions(step):
    """The expression with a term scaled: in itself, in its logarithms, averages and replica integrals, in what it names."""
    yield from scaled(step.expression)
    for node in step.expression.atoms(CoupledUnits):
        for i in (3, 4):
            for wrong in ((1, WRONG), (WRONG, 1)):
                pair = [x * y for x, y in zip(node.args[i], wrong)]
                yield step.expression.xreplace({node: node.func(*node.args[:i], pair, *node.args[i + 1 :])})
    for node in step.expression.atoms(Tilt):
        for base in {factor.as_base_exp()[0] for factor in sp.Mul.make_args(node.obs)}:
            for changed in scaled(base) if base.is_Add else ():
                yield step.expression.xreplace({node: node.func(node.level, node.phi, node.obs.xreplace({base: changed}))})
    for log in step.expression.atoms(sp.log):
        for changed in scaled(log.args[0]):
            yield step.expression.xreplace({log: sp.log(changed)})
    yield from in_probabilities(step)


@pytest.mark.parametrize("K, weights", CASES)
def test_every_check_passes_and_every_wrong_term_is_seen(K, weights):
    d = rp.derive(machine(K, weights))
    failed = [(c.number, c.title, c.error, c.tolerance) for c in d.check() if not c]
    assert not failed
    missed = [
        (step.number, step.title, str(expr)[:300])
        for i, step in enumerate(d.steps)
        for expr in (wrong_versions(step) if K == 2 else scaled(step.expression))  # averages over three fields take long
        if d.with_step(i, expr)[i].check().passed
    ]
    assert not missed


def step_of(d, title):
    (step,) = [s for s in d.steps if s.title == title]
    return step


# --- the matrix leaf -------------------------------------------------------------------------------------------------


def matrix_leaf(K, sign=1):
    return Leaf("f", sign, [0] * K, 0, S.fields(K), sp.Matrix(K, K, lambda a, b: sp.Symbol(f"V{min(a, b)}{max(a, b)}")))


def test_heat_rule_of_a_matrix_leaf():
    f = matrix_leaf(3)
    assert f.diff(sp.Symbol("V12")) == f.raised((1, 2))
    assert heat(f.raised((1, 2))) == f.raised(1).raised(2) + f.raised(1) * f.raised(2)
    assert heat(f.raised((1, 1))) == sp.expand((f.raised(1).raised(1) + f.raised(1) ** 2) / 2)
    # a field derivative of it, and the order of two derivatives
    assert heat(f.raised((0, 1)).raised(2)) == sp.expand(heat(f.raised((0, 1))).diff(S.fields(3)[2]))
    twice = heat(f.raised((0, 1)).raised((2, 2)))
    assert sp.expand(twice - heat(heat(f.raised((2, 2))).diff(sp.Symbol("V01")))) == 0
    assert sp.expand(twice - heat(heat(f.raised((0, 1))).diff(sp.Symbol("V22")))) == 0
    g = matrix_leaf(2, -1)
    assert heat(g.raised((0, 1))) == -g.raised(0).raised(1) - g.raised(0) * g.raised(1)


def test_matrix_derivatives_move_with_their_fields():
    K = 3
    f = Leaf("f", 1, [0] * K, 0, S.fields(K), committee.matrix(K, S.V, -S.q_c))
    assert f.raised((0, 1)).raised(2).moved({0: 2, 1: 1, 2: 0}) == f.raised((1, 2)).raised(0)
    level = committee.pattern_level(1, K)
    assert permuted(f.raised((1, 2)), level) == permuted(f.raised((0, 2)), level)
    assert permuted(f.raised((1, 2)) * f.raised(1), level) != permuted(f.raised((1, 2)) * f.raised(0), level)


def test_normalisation_of_a_label_does_not_depend_on_the_overlaps():
    for K in (2, 3):
        f = Leaf("f", 1, [0] * K, 0, S.fields(K), committee.matrix(K, 1 - S.q, -S.q_c))
        mean = Tilt(committee.pattern_level(0, K), 0, sp.exp(f))
        for x in (S.q, S.q_c):
            weight = committee.pattern_level(1, K).total_derivative(f, x)
            assert saddle_form(Tilt(committee.pattern_level(1, K), f, weight)) == 0
        leaves = {"f": leaves_of(machine(K))["f^+"]}
        assert evaluate(mean, {"q": 0.4, "q_c": 0.1}, leaves) == pytest.approx(2.0 ** (-2 if K == 2 else -1), abs=QUADRATURE)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("off", [0.2, 0.0, -0.2])
def test_labels_by_a_common_field_of_either_sign(K, off):
    leaves = leaves_of(machine(K))
    V = off * np.ones((K, K)) + (0.7 - off) * np.eye(K)
    w, none = np.array([0.4, -0.9, 0.7])[:K], [0] * len(pairs(K))
    total = 0.0
    for name, leaf in leaves.items():
        if name == "g":
            continue

        def value(k, w=w, leaf=leaf):
            return float(leaf.values(k, none, list(w), V.tolist(), {}))

        total += math.exp(value([0] * K))
        assert value([0] * K) == pytest.approx(direct(leaf, w, V), abs=QUADRATURE)
        for k in ([1] + [0] * (K - 1), [2] + [0] * (K - 1), [1, 1] + [0] * (K - 2)):
            a = next(i for i, order in enumerate(k) if order)
            lower = [order - (i == a) for i, order in enumerate(k)]
            unit = np.eye(K)[a]
            slope = difference(lambda x, lower=lower, unit=unit: value(lower, w + x * unit), 0.0, step=0.02)
            assert value(k) == pytest.approx(slope, abs=DIFFERENCED)
    assert total == pytest.approx(1.0, abs=QUADRATURE)


def test_orthants_of_six_fields_against_the_common_factor():
    v, d = np.array([0.7, 0.55, 0.62, 0.5, 0.66, 0.58]), np.array([0.45, 0.6, 0.5, 0.55, 0.5, 0.48])
    masses = factor_masses(v, d)
    for signs in ((1,) * 6, (0, 1, 0, 1, 1, 1), (0, 0, 0, 1, 1, 1)):
        assert orthant(np.outer(v, v) + np.diag(d), signs) == pytest.approx(masses[signs], abs=1e-8)
    M = np.arange(36.0).reshape(6, 6)
    assert np.array_equal(flat(unflat(M, 2)), M) and np.array_equal(flat(unflat(M, 3)), M)


# --- the functional --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("K, weights", [(2, "binary"), (2, "spherical"), pytest.param(3, "spherical", marks=pytest.mark.slow)])
def test_gradient_is_the_slope_of_the_free_entropy(K, weights):
    f = committee.functional(machine(K, weights))
    point = {k.replace("q_hat", "qhat"): v for k, v in POINT.items()}
    for x, expr in f.grad().items():
        slope = difference(lambda y, x=x: f(**{**point, x.name: y}), point[x.name])
        assert evaluate(expr, point, f.leaves) == pytest.approx(slope, abs=DIFFERENCED)


@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_uncorrelated_units_are_the_branches_of_a_tree(weights):
    """q_c = 0: the same output from independent fields, so the tree of three branches at the same overlap."""
    f = committee.functional(machine(3, weights))
    tree = rs.functional(TreeCommittee(3, weights, task="teacher-student"))
    value = f(**{**POINT, "q_c": 0.0, "q_hat_c": 0.0})
    assert value == pytest.approx(tree(q=POINT["q"], q_hat=POINT["q_hat"], alpha=POINT["alpha"]), abs=UNCOUPLED)


def test_functional_names_what_is_missing_and_leaves_the_cone_aloud():
    f = committee.functional(machine(2))
    with pytest.raises(ValueError, match=r"^q_c, qhat_c: missing"):
        f(q=0.4, q_hat=0.7, alpha=0.8)
    with pytest.raises(ValueError, match="not positive definite"):
        f(**{**POINT, "q": 0.6, "q_c": 0.45})


def test_saddle_point_equations_vanish_with_the_gradient():
    for weights in ("binary", "spherical"):
        model = machine(2, weights)
        f, solved = committee.functional(model), committee.state_evolution(model)
        point = {k.replace("q_hat", "qhat"): v for k, v in POINT.items()}
        for x, target in ((S.q, S.q_hat), (S.q_c, S.q_hat_c)):
            conjugate = evaluate(f.eliminated.get(target, target), point, f.leaves)
            value = evaluate(f.grad()[x], point, f.leaves)
            assert (evaluate(solved[target], point, f.leaves) - conjugate) / 2 == pytest.approx(value, abs=QUADRATURE)
    solved = committee.state_evolution(machine(2, "spherical"))  # q = q_hat (1 + q_hat)^{-1} as matrices
    hat = np.array([[0.7, 0.2], [0.2, 0.7]])
    q = hat @ np.linalg.inv(np.eye(2) + hat)
    found = [float(solved[x].subs({S.q_hat: 0.7, S.q_hat_c: 0.2})) for x in (S.q, S.q_c)]
    assert found == pytest.approx([q[0, 0], q[0, 1]], abs=1e-14)


@pytest.mark.parametrize("K, weights", [(2, "binary"), (2, "ternary"), (3, "spherical")])
def test_numerical_averages_are_what_is_derived(K, weights):
    """The matrix channel and prior that the solver evaluates, written by hand, against the derived expressions."""
    from replicas.theory import committee_state

    model, alpha = machine(K, weights), 0.8
    state = committee_state.state(model, np.array([1.3, 0.5]))  # eigenvalues of q_hat
    q, hat = (((x[0] + (K - 1) * x[1]) / K, (x[0] - x[1]) / K) for x in (state.axes.overlap[:2], (1.3, 0.5)))
    f, solved = committee.functional(model), committee.state_evolution(model)
    value = f(q=q[0], q_c=q[1], q_hat=hat[0], q_hat_c=hat[1], alpha=alpha)
    assert committee_state.free_entropy(state, alpha) == pytest.approx(value, abs=SOLVED)
    point = {"q": q[0], "q_c": q[1], "qhat": hat[0], "qhat_c": hat[1], "alpha": 1 / K}
    A = [evaluate(solved[x], point, f.leaves) for x in (S.q_hat, S.q_hat_c)]
    assert [A[0] + (K - 1) * A[1], A[0] - A[1]] == pytest.approx(list(state.A), abs=SOLVED)
    assert [evaluate(solved[x], point, f.leaves) for x in (S.q, S.q_c)] == pytest.approx(q, abs=SOLVED)


# --- specialisation --------------------------------------------------------------------------------------------------


def undecided_response(q):
    """2 sum_y E (d^2 Z_y)^2/Z_y for two units with one field, from the law of the sum and the difference of their fields.

    h_1, h_2 > 0 is |h_1 - h_2| < h_1 + h_2; the sum is N(2 omega, 2 V_+), the difference N(mu, 2 V_-) at mu = 0, V_- = 1.
    """
    V = 1 - 2 * q

    def positive(omega):
        density = lambda s: math.exp(-((s - 2 * omega) ** 2) / (4 * V)) / math.sqrt(4 * math.pi * V)  # noqa: E731
        x = lambda s: s / math.sqrt(2)  # noqa: E731
        Z = quad(lambda s: density(s) * (2 * ndtr(x(s)) - 1), 0, 12, epsabs=1e-13)[0]
        curve = quad(lambda s: -density(s) * x(s) * math.exp(-x(s) ** 2 / 2) / math.sqrt(2 * math.pi), 0, 12, epsabs=1e-13)[0]
        return Z, curve  # second derivative in mu over 1/(2 V_-) is twice this over two; mu = omega_1 - omega_2

    t = np.linspace(-8, 8, 65)
    weight = np.exp(-(t**2) / 2) / np.exp(-(t**2) / 2).sum()
    both = [positive(math.sqrt(q) * x) for x in t]
    total = 0.0
    for p, (Z, curve), (Zm, curve_m) in zip(weight, both, both[::-1]):
        tie, curve_tie = 1 - Z - Zm, -curve - curve_m
        # f_11 - f_12 = 2 d^2 log Z/d mu^2, and d^2 Z/d mu^2 = curve (the two edges add up, variance 2)
        total += p * sum((2 * c) ** 2 / z for z, c in ((Z, curve), (Zm, curve_m), (tie, curve_tie)))
    return 2 * total


def test_response_of_two_undecided_units_by_the_sum_and_difference_of_their_fields():
    model = machine(2, "spherical")
    f = committee.functional(model)
    value = evaluate(committee.response(2, sp.S.One), {"q": 0.31}, f.leaves)
    assert value == pytest.approx(undecided_response(0.31), rel=1e-8)


def undecided_load(f, solved, q):
    """alpha of the undecided state with overlap q."""
    point = {"q": q, "q_c": q, "alpha": 1.0}
    return evaluate(f.eliminated[S.q_hat], point, {}) / evaluate(solved[S.q_hat], point, f.leaves)


def test_two_gaussian_units_specialise_at_a_published_load():
    """P/N = 2.04 (Aubin et al. 2018, K = 2, Gaussian weights, read from iterated state evolution)."""
    model = machine(2, "spherical")
    f, solved = committee.functional(model), committee.state_evolution(model)

    def eigenvalue(q):
        return evaluate(f.observables["specialisation"], {"q": q, "alpha": undecided_load(f, solved, q)}, f.leaves)

    q = brentq(eigenvalue, 0.25, 0.45, xtol=1e-9)
    assert 2 * undecided_load(f, solved, q) == pytest.approx(2.04, abs=0.015)


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("K, weights", [(2, "binary"), (3, "spherical")])
def test_pages_are_complete_and_offline(K, weights):
    d = rp.derive(machine(K, weights))
    html, markdown, latex, text = d.to_html(), d.to_markdown(), d.to_latex(), str(d)
    assert html.count("<section") == len(d) and "<math" in html and "http" not in html.replace("http://www.w3.org", "")
    assert markdown.count("\n## ") == len(d) and latex.count(r"\paragraph") == len(d)
    assert markdown.startswith(f"# Replica-symmetric theory: {weights} fully connected committee of {K} units, teacher-student")
    assert latex.count("{") == latex.count("}") and markdown.count("$") % 2 == 0
    assert "\\" not in html.split("</style>")[1] and "$" not in html.split("</style>")[1]
    for step in d.steps:
        assert step.statement and step.why and step.title in text
        source = step.latex()
        assert source.count(r"\left") == source.count(r"\right")
        assert "}_{1}^{" not in source.replace("g_{1}^{", "")  # no double superscripts such as f^{+}_{1}^{2}
    assert f"K! = {math.factorial(K)}" in step_of(d, "Replica-symmetric ansatz, and the permutations of the units").statement


def test_one_unit_is_the_perceptron():
    model = Committee(1, "binary", task="teacher-student")
    d, single = rp.derive(model), rp.derive(model.perceptron)
    assert d.model is model and d.steps == single.steps
    assert "fully connected committee of one unit" in d.to_markdown().splitlines()[0]


def test_what_is_not_derived_is_said_in_one_line():
    with pytest.raises(ValueError, match=r"^K: got 4 .*takes 2, 3"):
        rp.derive(machine(4))
    with pytest.raises(ValueError, match=r"^task: got 'storage' .*takes teacher-student"):
        rp.derive(Committee(2, "binary"))
    with pytest.raises(ValueError, match=r"^weights: got discrete:.*at most 5 values"):
        rp.derive(machine(2, "discrete:-3,-2,-1,1,2,3"))
    with pytest.raises(ValueError, match=r"^ansatz: got '1rsb' with a fully connected committee; takes rs"):
        rp.derive(machine(2), "1rsb")
    with pytest.raises(ValueError, match=r"^model: got"):
        committee.check(TreeCommittee(3))
