"""Derivations of broken replica symmetry: every check passes, every wrong term fails, the functional that is solved is reached."""

from __future__ import annotations

import itertools
from functools import lru_cache

import pytest
import sympy as sp

import replicas as rp
from replicas.symbolic import symbols as S
from replicas.symbolic.nodes import LogMean, Tilt
from replicas.symbolic.numeric import Named
from replicas.symbolic.rsb import Ladder, conjugates, functional, overlaps, parisi

WRONG = sp.Rational(101, 100)  # factor put on one term
MODELS = {
    "binary": rp.Perceptron(),
    "spherical": rp.Perceptron(weights="spherical", kappa=0.4),
    "ternary": rp.Perceptron(weights="ternary", kappa=-0.3),
    "discrete": rp.Perceptron(weights="discrete:-2,-1,1,2"),
    "binary-hot": rp.Perceptron(beta=1.5),
    "spherical-window": rp.Perceptron(weights="spherical", likelihood="window", kappa=0.8),
    "large-weights": rp.Perceptron(weights="discrete:-100,1,100"),  # differences and tolerances scale with the weights
    "small-weights": rp.Perceptron(weights="discrete:-0.001,0,0.002"),
    "sigmoid": rp.Perceptron(likelihood=rp.Likelihood(1 / (1 + sp.exp(-2 * rp.field)))),
}
slow = pytest.mark.slow
CASES = [("binary", 1), ("spherical", 1)]
CASES += [pytest.param(name, 1, marks=slow) for name in MODELS if name not in ("binary", "spherical")]
CASES += [pytest.param(name, 2, marks=slow) for name in ("spherical", "binary", "ternary")]
CASES += [pytest.param("spherical", 3, marks=slow)]


def derivation(name, k):
    return rp.derive(MODELS[name], "1rsb") if k == 1 else rp.derive(MODELS[name], "krsb", k=k)


def wrong_versions(step):
    """The expression with each of its terms scaled in turn, those inside a bracket that is a factor too."""
    for k in range(len(step.terms)):
        yield sp.Add(*(t * WRONG if i == k else t for i, t in enumerate(step.terms)), evaluate=False)
    factors = sp.Mul.make_args(step.expression)
    for i, bracket in enumerate(factors if len(step.terms) == 1 else ()):
        terms = sp.Add.make_args(bracket)
        for k in range(len(terms) if len(terms) > 1 else 0):
            changed = sp.Add(*(t * WRONG if j == k else t for j, t in enumerate(terms)), evaluate=False)
            yield sp.Mul(*(changed if j == i else x for j, x in enumerate(factors)), evaluate=False)


@pytest.mark.parametrize("name, k", CASES)
def test_every_check_passes_and_every_wrong_term_is_seen(name, k):
    d = derivation(name, k)
    failed = [(c.number, c.title, c.error, c.tolerance) for c in d.check() if not c]
    assert not failed
    missed = [
        (step.number, step.title, str(expr)[:200])
        for i, step in enumerate(d.steps)
        for expr in wrong_versions(step)
        if d.with_step(i, expr)[i].check().passed
    ]
    assert not missed


def spelled_out(expr):
    """Names replaced by what they stand for, from the outermost inwards."""
    while expr.has(Named):
        expr = expr.replace(lambda e: isinstance(e, Named), lambda e: e.doit())
    return expr


def step_of(name, k, title):
    (step,) = [s for s in derivation(name, k).steps if s.title == title]
    return step


@pytest.mark.parametrize("name, k", [("binary", 1), ("spherical", 1), ("ternary", 1), ("spherical", 2), ("binary", 2)])
def test_the_reduced_free_entropy_is_the_functional_that_is_solved(name, k):
    f = functional(MODELS[name], k)
    assert spelled_out(step_of(name, k, "Reduced free entropy").expression) == f.expr
    assert derivation(name, k).free_entropy.expr == f.expr
    for j in range(k + 1):
        what = {0: "between states", k: "inside the innermost states"}.get(j, f"at level {j}")
        assert spelled_out(step_of(name, k, f"Stability {what}").expression) == f.observables[f"replicon{j}"]


@pytest.mark.parametrize("k", [1, 2])
def test_textbook_form_of_the_gradients(k):
    """d phi/d q_j = (m_{j+1} - m_j)/2 [q_hat_j - alpha E_j f_j'^2] and the same with q, q_hat exchanged, to the letter."""
    f = functional(MODELS["binary"], k)
    ladders = {x.leaf.name: x for x in map(Ladder, (t for t in f.expr.atoms(LogMean) if t.level.power == 0))}
    m = (sp.S.Zero, *parisi(k), sp.S.One)
    for q, c, name, factor in ((overlaps(k), conjugates(k), "f", S.alpha), (conjugates(k), overlaps(k), "g", 1)):
        ladder = ladders[name]
        for j in range(k + 1):
            expr = step_of("binary", k, f"d phi/d {plain(q[j])}: level by level").expression
            average = ladder.mean(j, ladder.first[j] ** 2)
            textbook = (m[j + 1] - m[j]) / 2 * (c[j] - factor * average)
            assert sp.expand(spelled_out(expr) - textbook) == 0


def plain(x):
    return f"{x.name[:-1].replace('qhat', 'q_hat')}_{x.name[-1]}"


def test_saddle_point_of_the_binary_perceptron():
    """q_1 = E <tanh^2>, q_0 = E <tanh>^2, q_hat_1 = alpha/(1-q_1) E <A^2>, q_hat_0 = alpha/(1-q_1) E <A>^2."""
    shown = {t: str(step_of("binary", 1, f"Saddle point: equation for {t}").expression) for t in ("q_0", "q_1")}
    assert shown == {
        "q_0": "E_h0[E_h1[tanh(h1); exp(m1*g)]**2]",
        "q_1": "E_h0[E_h1[tanh(h1)**2; exp(m1*g)]]",
    }
    shown = [str(step_of("binary", 1, f"Saddle point: equation for q_hat_{j}").expression) for j in (0, 1)]
    assert shown == [
        "alpha*E_omega0[E_omega1[A(u); exp(m1*f)]**2]/(1 - q1)",
        "alpha*E_omega0[E_omega1[A(u)**2; exp(m1*f)]]/(1 - q1)",
    ]


def test_self_overlap_is_extremised_for_free_weights():
    """lambda = -alpha E <f''> and Q = E <g'' + g'^2>."""
    lam = spelled_out(step_of("ternary", 1, "d phi/d Q: level by level").expression)
    (node,) = (t for t in lam.atoms(Tilt) if t.level.power == 0)
    assert sp.expand(lam - (S.lam + S.alpha * node) / 2) == 0
    assert "f''" in str(node) and "f'*" not in str(node)


@lru_cache(maxsize=1)
def pages():
    d = derivation("spherical", 2)
    return d, d.to_html(), d.to_markdown(), d.to_latex(), str(d)


def test_pages_are_complete_readable_and_offline():
    d, html, markdown, latex, text = pages()
    assert html.count("<section") == len(d) and "http" not in html.replace("http://www.w3.org", "")
    assert markdown.count("\n## ") == len(d) and latex.count(r"\paragraph") == len(d)
    assert latex.count("{") == latex.count("}") and r"\hat{q}_{1}" in latex and r"{f'_{2}}^{2}" in latex
    assert "&amp;" not in html and "\\" not in html.split("</style>")[1]
    assert "2 steps" in text and "_{j" not in html.split("</style>")[1]
    for step in d.steps:
        assert step.statement and step.why and step.title in text
        assert len(step.latex()) < 2000, step.title


def test_one_step_is_the_first_of_k_steps():
    model = MODELS["spherical"]
    one, first = rp.derive(model, "1rsb"), rp.derive(model, "krsb", k=1)
    assert [s.expression for s in one.steps] == [s.expression for s in first.steps]
    assert rp.derive(model, "1rsb", k=1) is one and len(rp.derive(model, "krsb").free_entropy.unknowns) == 5


@pytest.mark.parametrize(
    "ansatz, k, message",
    [
        ("rs", 1, "k: got 1 with ansatz rs"),
        ("1rsb", 2, "k: got 2 with ansatz 1rsb; takes 1"),
        ("krsb", 0, "k: got 0; takes a whole number from 1"),
        ("krsb", 1.5, "k: got 1.5; takes a whole number from 1"),
        ("krsb", True, "k: got True; takes a whole number from 1"),
        ("frsb", None, "limit of krsb"),
        ("2rsb", None, "takes rs, 1rsb, krsb"),
    ],
)
def test_bad_ansatz(ansatz, k, message):
    with pytest.raises(ValueError, match=message):
        rp.derive(MODELS["binary"], ansatz, k)


def test_no_breaking_on_the_nishimori_line():
    with pytest.raises(ValueError, match="Bayes-optimal"):
        rp.derive(rp.Perceptron(task="teacher-student"), "1rsb")


def test_steps_are_numbered():
    assert all(s.number == i for i, s in zip(itertools.count(1), derivation("binary", 1).steps))
