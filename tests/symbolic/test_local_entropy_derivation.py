"""Derivation of the local entropy: every check passes, every wrong term is seen, the functional that is solved is reached."""

from __future__ import annotations

import itertools

import pytest
from corruption import scaled

import replicas as rp
from replicas.symbolic import local_entropy as le

slow = pytest.mark.slow
MODELS = {
    "storage": (rp.Perceptron(kappa=0.1), "unconstrained"),
    "teacher": (rp.Perceptron(task="teacher-student"), "unconstrained"),
    "constrained": (rp.Perceptron(kappa=0.1), "constrained"),
    "window": (rp.Perceptron(likelihood="window", kappa=1.0), "unconstrained"),
    "hot": (rp.Perceptron(beta=1.5), "unconstrained"),
    "constrained-window": (rp.Perceptron(likelihood="window", kappa=1.0), "constrained"),
}
EARLY = ("Groups of replicas", "Average over the patterns", "Local integral g", "Local integral f", "Entropy of the reference")


def derivation(name):
    model, reference = MODELS[name]
    return rp.derive(model, quantity="local-entropy", reference=reference)


def missed(d, i):
    return [str(expr)[:200] for expr in scaled(d[i].expression) if d.with_step(i, expr)[i].check().passed]


@slow
@pytest.mark.parametrize("name", MODELS)
def test_every_check_passes_and_every_wrong_term_is_seen(name):
    d = derivation(name)
    assert [(c.number, c.title, c.error, c.tolerance) for c in d.check() if not c] == []
    assert [(step.title, wrong) for i, step in enumerate(d.steps) if (wrong := missed(d, i))] == []


def test_quick_steps_pass_and_see_wrong_terms():
    d = derivation("storage")
    for i, step in enumerate(d.steps):
        if step.title in EARLY or step.title.startswith(("Decouple", "Overlaps", "Heat")):
            assert step.check(), step.title
            assert not missed(d, i), step.title


def test_steps_lead_to_the_functional():
    d = derivation("storage")
    f = le.functional(*MODELS["storage"])
    assert d.free_entropy.expr == f.expr
    (free,) = (s for s in d.steps if s.title == "The limit n -> 0")
    assert free.expression == f.expr
    assert all(s.number == i for i, s in zip(itertools.count(1), d.steps))
    assert d.quantity == "local-entropy" and d.reference == "unconstrained"


def test_pages_are_complete():
    d = derivation("storage")
    html, markdown = d.to_html(), d.to_markdown()
    assert html.count("<section") == len(d) and markdown.count("\n## ") == len(d)
    assert "htilde}" not in markdown.replace(r"\tilde", "") and "omegatilde" not in html
    for step in d.steps:
        assert step.statement and step.why and step.title in markdown


@pytest.mark.parametrize(
    "model, reference, message",
    [
        (rp.Perceptron(weights="spherical"), "unconstrained", "takes a perceptron with binary weights"),
        (rp.Perceptron(task="teacher-student"), "constrained", "its derivation takes storage"),
        (rp.Perceptron(), "typical", "reference: got 'typical'"),
    ],
)
def test_bad_arguments(model, reference, message):
    with pytest.raises(ValueError, match=message):
        rp.derive(model, quantity="local-entropy", reference=reference)
