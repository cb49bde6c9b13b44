"""Derivation of the Franz-Parisi entropy: every check passes, every wrong term fails, pages and words."""

import pytest
from corruption import scaled

import replicas as rp
from replicas.symbolic.franz_parisi import functional, saddle_point

CASES = {
    "binary": (rp.Perceptron(), "typical"),
    "window": (rp.Perceptron(likelihood="window", kappa=1.0), "typical"),
    "hot": (rp.Perceptron(beta=1.5, kappa=0.2), "typical"),
    "sphere": (rp.Perceptron(weights="spherical", kappa=0.4), "typical"),
    "around-sphere": (rp.Perceptron(), "spherical"),
    "stochastic": (rp.Perceptron(kappa=0.3), "stochastic"),
}
EVERY = [pytest.param(name, marks=() if name == "window" else pytest.mark.slow) for name in CASES]


def derivation(name):
    model, reference = CASES[name]
    return rp.derive(model, quantity="franz-parisi", reference=reference)


@pytest.mark.parametrize("name", EVERY)
def test_every_check_passes(name):
    failed = [(c.number, c.title, c.error, c.tolerance) for c in derivation(name).check() if not c]
    assert not failed


@pytest.mark.parametrize("name", EVERY)
def test_every_wrong_term_is_seen(name):
    d = derivation(name)
    missed = [
        (step.number, step.title, str(expr)[:120])
        for i, step in enumerate(d.steps)
        for expr in scaled(step.expression)
        if d.with_step(i, expr)[i].check().passed
    ]
    assert not missed


def test_the_chain_ends_in_the_functional_and_its_equations():
    d = derivation("binary")
    model, reference = CASES["binary"]
    f = functional(model, reference)
    (limit,) = (s for s in d.steps if s.title == "The limit n -> 0")
    assert limit.expression == f.expr and d.free_entropy is f
    found = {s.expression for s in d.steps if s.title.startswith("Saddle point")}
    assert found == set(saddle_point(f).values())
    assert d.steps[-1].expression.diff(f.unknowns[-1]) == 2


def test_pages_are_complete():
    d = derivation("binary")
    html, latex, text = d.to_html(), d.to_latex(), str(d)
    assert html.count("<section") == len(d) and "Franz-Parisi" in html
    assert "\\" not in html.split("</style>")[1]
    assert latex.count("{") == latex.count("}") and all(s.title in text for s in d.steps)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"quantity": "volume"}, "quantity: got 'volume'; takes free-entropy, franz-parisi, local-entropy"),
        ({"reference": "typical"}, "reference: got 'typical' with quantity free-entropy; takes none"),
        ({"quantity": "franz-parisi", "reference": "x"}, "reference: got 'x' with quantity franz-parisi; takes typical"),
        ({"quantity": "franz-parisi", "ansatz": "1rsb"}, "ansatz: got '1rsb' with quantity franz-parisi; takes rs"),
    ],
)
def test_bad_words_are_refused(words, line):
    with pytest.raises(ValueError, match=line):
        rp.derive(rp.Perceptron(), **words)


def test_models_without_it_are_refused():
    with pytest.raises(ValueError, match="task: got 'teacher-student'"):
        rp.derive(rp.Perceptron(task="teacher-student"), quantity="franz-parisi")
    with pytest.raises(ValueError, match="weights: got 'ternary'"):
        rp.derive(rp.Perceptron(weights="ternary"), quantity="franz-parisi")
    with pytest.raises(ValueError, match="model: got TreeCommittee"):
        rp.derive(rp.TreeCommittee(K=3), quantity="franz-parisi")
    with pytest.raises(ValueError, match="reference: got 'stochastic' with spherical weights; takes 'typical'"):
        rp.derive(rp.Perceptron(weights="spherical"), quantity="franz-parisi", reference="stochastic")
