"""Derivations of infinitely wide committees: every check passes, every wrong term fails, the known forms are reached."""

import math

import pytest
import sympy as sp
from corruption import scaled

import replicas as rp
from replicas.symbolic import rs, rsb
from replicas.symbolic import symbols as S
from replicas.symbolic.numeric import evaluate
from replicas.symbolic.wide import covariance
from replicas.symbolic.workshop import difference

DIFFERENCED = 1e-7  # sixth-order differences of averages over one field
INF = math.inf
slow = pytest.mark.slow
CASES = [
    pytest.param("tree", "spherical", "sign", "storage", "rs"),
    pytest.param("full", "spherical", "sign", "teacher-student", "rs"),
    pytest.param("full", "binary", "sign", "storage", "rs", marks=slow),
    pytest.param("tree", "binary", "relu", "storage", "rs", marks=slow),
    pytest.param("tree", "ternary", "relu", "teacher-student", "rs", marks=slow),
    pytest.param("tree", "spherical", "quadratic", "teacher-student", "rs", marks=slow),
    pytest.param("tree", "spherical", "relu", "storage", "1rsb", marks=slow),
    pytest.param("tree", "binary", "erf", "storage", "1rsb", marks=slow),
]


def model(architecture, weights, activation, task):
    if architecture == "full":
        return rp.Committee(INF, weights, task=task)
    return rp.TreeCommittee(INF, weights, activation, task)


@pytest.mark.parametrize("architecture, weights, activation, task, ansatz", CASES)
def test_every_check_passes_and_every_wrong_term_is_seen(architecture, weights, activation, task, ansatz):
    d = rp.derive(model(architecture, weights, activation, task), ansatz)
    assert not [(c.number, c.title, c.error, c.tolerance) for c in d.check() if not c]
    missed = [
        (step.number, step.title, str(wrong)[:200])
        for i, step in enumerate(d.steps)
        for wrong in scaled(step.expression)
        if d.with_step(i, wrong)[i].check().passed
    ]
    assert not missed


@pytest.mark.parametrize("k", [0, 1])
def test_gradient_is_the_slope_of_the_free_entropy(k):
    m = rp.TreeCommittee(INF, "spherical", "relu")
    if k == 0:
        f, point = rs.functional(m), {"alpha": 0.7, "q": 0.37}
    else:
        f, point = rsb.functional(m, 1), {"alpha": 0.7, "q0": 0.37, "q1": 0.6, "m1": 0.4}
    for x, expr in f.grad().items():
        if x.name == "alpha" or k:
            continue
        slope = difference(lambda y, x=x: f(**{**point, x.name: y}), point[x.name])
        assert evaluate(expr, point, f.leaves) == pytest.approx(slope, abs=DIFFERENCED)


def test_saddle_point_equation_is_that_of_the_literature():
    """q/(1-q)^2 = alpha Delta'(q) E f'^2, and the pattern term carries the covariance Delta(q) - Delta(0)."""
    m = rp.TreeCommittee(INF, "spherical", "relu")
    f = rs.functional(m)
    assert covariance(m, S.q).value(0.3) == pytest.approx(
        (math.sqrt(0.91) + 0.3 * (math.pi / 2 + math.asin(0.3)) - 1) / (2 * math.pi), abs=1e-15
    )
    (slope,) = (x for x in f.grad()[S.q].atoms(type(covariance(m, S.q))) if x.order == 1 and x.args[1] == S.q)
    gradient = sp.expand(f.grad()[S.q])
    assert gradient.coeff(slope) != 0 and slope.value(0.3) == pytest.approx(math.pi / 2 / (2 * math.pi) + math.asin(0.3) / (2 * math.pi))


def test_an_ordinary_model_has_fields_of_the_covariance_of_its_weights():
    perceptron = rp.Perceptron("binary")
    assert [covariance(perceptron, S.q, order) for order in range(3)] == [S.q, 1, 0]


def test_what_a_reader_sees_names_the_limit_and_the_copies():
    text = rp.derive(rp.Committee(INF, "spherical", task="teacher-student")).to_markdown()
    assert "K! copies" in text and "before q -> 1" in text and "The sum of the units' weights is learnt" in text
    assert r"\operatorname{asin}" in text and r"C'\left(q\right)" in text and r"\sqrt{C(q)}" in text
