"""Derivations of trees of sign units: every check passes, every wrong term fails, the textbook forms are reached."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from corruption import in_probabilities, scaled
from scipy.special import ndtr

import replicas as rp
from replicas.models import TreeCommittee, TreeParity
from replicas.symbolic import rs
from replicas.symbolic.closed import alternating, polynomial
from replicas.symbolic.leaves import pattern_leaf
from replicas.symbolic.numeric import evaluate, singled_out
from replicas.symbolic.overlaps import counted, orthants
from replicas.symbolic.replica_steps import exchanged, factor_masses, fourier_counted
from replicas.symbolic.workshop import FINE_UNITS, difference

DIFFERENCED = 1e-7  # sixth-order differences of averages over grids of three fields
CLOSED = 1e-10  # averages of smooth functions on two grids
KINDS = {"committee": TreeCommittee, "parity": TreeParity}
FAST = {
    ("committee", 3, "binary", "storage"),
    ("parity", 2, "spherical", "storage"),
    ("parity", 2, "binary", "teacher-student"),
}
CASES = [
    pytest.param(*case, marks=() if case in FAST else pytest.mark.slow)
    for case in (
        *(
            (kind, K, weights, task)
            for kind, K in (("committee", 3), ("committee", 5), ("parity", 2), ("parity", 3))
            for weights in ("spherical", "binary")
            for task in ("storage", "teacher-student")
        ),
        ("committee", 3, "ternary", "storage"),
        ("committee", 3, "discrete:-30,1,30", "storage"),  # grids, differences and tolerances scale with the weights
        ("committee", 3, "discrete:-0.1,0.1", "teacher-student"),
        ("parity", 2, "discrete:-0.01,0.01", "storage"),
        ("parity", 4, "binary", "storage"),
        ("committee", 7, "binary", "storage"),
        ("parity", 6, "spherical", "teacher-student"),
    )
]


def derivation(kind, K, weights, task="storage"):
    return rp.derive(KINDS[kind](K, weights, task=task))


def wrong_versions(step):
    """The expression with a term scaled, in itself or in the polynomials of P_j that it names."""
    yield from scaled(step.expression)
    yield from in_probabilities(step)


@pytest.mark.parametrize("kind, K, weights, task", CASES)
def test_every_check_passes_and_every_wrong_term_is_seen(kind, K, weights, task):
    d = derivation(kind, K, weights, task)
    failed = [(c.number, c.title, c.error, c.tolerance) for c in d.check() if not c]
    assert not failed
    if K > FINE_UNITS:  # one percent of the smallest terms is below what coarse grids over so many fields resolve
        return
    missed = [
        (step.number, step.title, str(expr)[:200])
        for i, step in enumerate(d.steps)
        for expr in (wrong_versions(step) if K <= 3 else scaled(step.expression))
        if d.with_step(i, expr)[i].check().passed
    ]
    assert not missed


@pytest.mark.parametrize("kind, K, weights, task", [x for x in CASES if not x.marks])
def test_gradient_is_the_slope_of_the_free_entropy(kind, K, weights, task):
    f = rs.functional(KINDS[kind](K, weights, task=task))
    point = {"alpha": 0.7, "q": 0.37, "qhat": 0.6}
    for x, expr in f.grad().items():
        slope = difference(lambda y, x=x: f(**{**point, x.name: y}), point[x.name])
        assert evaluate(expr, point, f.leaves) == pytest.approx(slope, abs=DIFFERENCED)


def step_of(d, title):
    (step,) = [s for s in d.steps if s.title == title]
    return step


def test_saddle_point_and_replicon_of_the_spherical_committee_by_tensor_quadrature():
    """q = alpha (1-q) E|grad_u log Z|^2 and 1 - alpha E||Hess_u log Z||^2 from products of three one-dimensional rules."""
    q, alpha, step = 0.4, 0.83, 0.02
    z = np.linspace(-8.0, 8.0, 57)
    weight = np.exp(-(z**2) / 2)
    t = np.stack(np.meshgrid(z, z, z, indexing="ij")).reshape(3, -1)
    mass = np.prod(np.meshgrid(weight, weight, weight, indexing="ij"), axis=0).ravel() / weight.sum() ** 3
    u = np.sqrt(q / (1 - q)) * t
    stencil = {1: (np.array([-1, 9, -45, 0, 45, -9, 1]) / 60), 2: np.array([2, -27, 270, -490, 270, -27, 2]) / 180}

    def log_z(*moves):
        shifted = u.copy()
        for a, move in moves:
            shifted[a] += move * step
        p = ndtr(shifted)
        r = ndtr(-shifted)
        return np.log(p[0] * p[1] * r[2] + r[0] * p[1] * p[2] + p[0] * r[1] * p[2] + p.prod(axis=0))

    around = range(-3, 4)
    slope = sum(c * log_z((0, m)) for c, m in zip(stencil[1], around)) / step
    curve = sum(c * log_z((0, m)) for c, m in zip(stencil[2], around)) / step**2
    mixed = sum(
        a * b * log_z((0, m), (1, n)) for a, m in zip(stencil[1], around) for b, n in zip(stencil[1], around)
    ) / (step**2)
    d = derivation("committee", 3, "spherical")
    env = {"alpha": alpha, "q": q}
    value = evaluate(step_of(d, "Saddle point: equation for q").expression, env, d.free_entropy.leaves)
    assert value == pytest.approx(alpha * (1 - q) * 3 * float(mass @ slope**2), abs=1e-8)
    squares = float(mass @ (3 * curve**2 + 6 * mixed**2))
    value = evaluate(step_of(d, "Stability, written out").expression, env, d.free_entropy.leaves)
    assert value == pytest.approx(1 - alpha * squares, abs=1e-7)


@pytest.mark.parametrize(("kind", "K"), [("committee", 3), ("committee", 5), *(("parity", K) for K in (2, 3, 4, 5))])
def test_polynomials_of_probabilities_are_sums_over_signs(kind, K):
    accepted = KINDS[kind](K).accepted
    p = sp.symbols(f"p1:{K + 1}")
    values = dict(zip(p, (sp.Rational(a + 1, K + 3) for a in range(K))))
    total = sp.Integer(0)
    for bits in np.ndindex(*[2] * K):
        if accepted[sum(bits)]:
            total += sp.Mul(*(values[x] if b else 1 - values[x] for x, b in zip(p, bits)))
    assert polynomial([int(a) for a in accepted], p).subs(values) == total
    assert (alternating([int(a) for a in accepted]) is not None) == (kind == "parity" and K > 2)
    leaf = pattern_leaf(KINDS[kind](K))  # what is compiled is what the derivation shows
    point = {x.name: v for x, v in zip(leaf.fields, (0.3, -1.1, 0.8, 0.1, -0.4))} | {"V": 0.7}
    f = step_of(derivation(kind, K, "binary"), "Local integral f").expression
    assert evaluate(f, point, {}) == pytest.approx(evaluate(leaf.closed, point, {}), abs=CLOSED)


def test_orthants_and_counts_against_the_common_factor():
    rng = np.random.default_rng(3)
    accepted = TreeCommittee(3).accepted
    leaf = pattern_leaf(TreeCommittee(3))
    for n in (1, 2, 3):
        v, d = rng.uniform(0.4, 0.8, n), rng.uniform(0.4, 0.6, n)
        C = np.outer(v, v) + np.diag(d)
        masses = orthants(leaf.measure, {}, np.linalg.inv(C)) / np.sqrt(np.linalg.det(2 * np.pi * C))
        assert masses == pytest.approx(factor_masses(v, d), abs=1e-10)
        assert counted([masses] * 3, accepted) == pytest.approx(fourier_counted([masses] * 3, accepted), rel=1e-12)
    C = np.full((4, 4), 0.3) + np.diag([0.5] * 4)
    masses = orthants(leaf.measure, {}, np.linalg.inv(C)) / np.sqrt(np.linalg.det(2 * np.pi * C))
    assert masses == pytest.approx(factor_masses(np.full(4, np.sqrt(0.3)), np.full(4, 0.5)), abs=1e-4)


def test_averages_that_differ_by_a_permutation_with_their_normals_are_one():
    from replicas.symbolic.nodes import Tilt

    level, f = rs.pattern_level(sp.Integer(1), TreeCommittee(3)), pattern_leaf(TreeCommittee(3)).node(sp.Rational(1, 2))
    first, third = (Tilt(level, f, level.z[a] * f.raised(a)) for a in (0, 2))
    assert exchanged(first + third) == 2 * first
    assert exchanged(Tilt(level, f, level.z[0] * f.raised(1))) != first
    assert singled_out(level.z[0] * f.raised(2), level) == (0, 2)


def test_one_unit_is_the_perceptron():
    for tree in (TreeCommittee(1, "spherical"), TreeParity(1, "binary", task="teacher-student")):
        d, single = rp.derive(tree), rp.derive(tree.perceptron)
        assert d.model is tree and d.steps == single.steps
        assert "tree" in d.to_markdown().splitlines()[0]
    assert rp.derive(TreeCommittee(1), "1rsb").k == 1


def test_what_is_not_derived_is_said_in_one_line():
    with pytest.raises(ValueError, match=r"^K: got 9 .*takes 1 to 7"):
        rp.derive(TreeCommittee(9))
    with pytest.raises(ValueError, match=r"^ansatz: got '1rsb' with a tree of 3 units.*takes rs"):
        rp.derive(TreeCommittee(3), "1rsb")
    with pytest.raises(ValueError, match=r"^ansatz: got 'krsb' with a tree"):
        rp.derive(TreeParity(2), "krsb", k=2)


@pytest.mark.parametrize(
    "kind, K, task", [("committee", 3, "teacher-student"), ("parity", 4, "storage"), ("committee", 5, "storage")]
)
def test_pages_are_complete_and_offline(kind, K, task):
    d = derivation(kind, K, "binary", task)
    html, markdown, latex, text = d.to_html(), d.to_markdown(), d.to_latex(), str(d)
    assert html.count("<section") == len(d) and "<math" in html and "http" not in html.replace("http://www.w3.org", "")
    assert markdown.count("\n## ") == len(d) and latex.count(r"\paragraph") == len(d)
    assert markdown.startswith(f"# Replica-symmetric theory: binary tree {kind} of {K} units, {task}")
    assert latex.count("{") == latex.count("}") and markdown.count("$") % 2 == 0
    assert "\\" not in html.split("</style>")[1] and "$" not in html.split("</style>")[1]
    assert "P_{j} = H" in markdown and "P_{1} =" not in markdown
    for step in d.steps:
        assert step.statement and step.why and step.title in text
