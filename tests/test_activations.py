"""Activations: names, identification of expressions, and one clear line for what has no covariance."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
import sympy as sp

from replicas.activations import Activation, parse_activation

u = sp.Symbol("u", real=True)


@pytest.mark.parametrize(
    ("expr", "name"),
    [
        (sp.sign(u), "sign"),
        (2 * sp.Heaviside(u) - 1, "sign"),
        (sp.Max(u, 0), "relu"),
        (u * sp.Heaviside(u), "relu"),
        ((u + sp.Abs(u)) / 2, "relu"),
        (sp.erf(u), "erf"),
        (sp.tanh(u), "tanh"),
        (u * u, "quadratic"),
    ],
)
def test_an_expression_that_is_a_named_activation_is_it(expr, name):
    assert parse_activation(expr) == parse_activation(name)
    assert parse_activation(expr).name == name
    assert hash(parse_activation(expr)) == hash(parse_activation(name))


@pytest.mark.parametrize(
    ("expr", "breaks", "jumps", "uncorrelated"),
    [
        (sp.sign(u), (0.0,), True, False),
        (sp.Max(u, 0), (0.0,), False, False),
        (u**2, (), False, True),
        (sp.Abs(u), (0.0,), False, True),
        (sp.Max(-1, sp.Min(1, u)), (-1.0, 1.0), False, False),
        (sp.Heaviside(u - sp.Rational(1, 2)), (0.5,), True, False),
        (sp.Piecewise((u, u < 1), (2, True)), (1.0,), True, False),
        (u**3 - 3 * u, (), False, True),
        (sp.Piecewise((sp.sin(u) / u, sp.Ne(u, 0)), (1, True)), (), False, True),
        (sp.exp(u**2 / 5), (), False, True),
        (sp.log(sp.Abs(u)), (0.0,), False, True),
        (sp.Abs(u) ** sp.Rational(-1, 3), (0.0,), False, True),
        (sp.sqrt(sp.Abs(u)), (0.0,), False, True),
        (1 / (1 + sp.exp(-u)), (), False, False),
    ],
)
def test_attributes(expr, breaks, jumps, uncorrelated):
    a = parse_activation(expr)
    assert (a.breaks, a.jumps, a.uncorrelated) == (breaks, jumps, uncorrelated)
    assert pickle.loads(pickle.dumps(a)) == a
    assert parse_activation(a) is a
    assert sp.simplify(a.expr - expr) == 0 or a.custom is None
    assert "h" in a.latex() and "u" not in a.latex().replace(r"\operatorname", "").replace(r"\frac", "").replace("quad", "")


def test_named_ones_need_no_sympy_and_are_frozen():
    code = "import sys; from replicas.activations import parse_activation as p; p('tanh').latex(); assert 'sympy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError):
        parse_activation("sign").name = "relu"  # type: ignore[misc]
    assert isinstance(parse_activation("erf"), Activation)
    assert parse_activation(sp.erf(2 * u)) != parse_activation(sp.erf(3 * u))


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("u**2", "takes 'sign', 'relu'"),
        ("__import__('os')", "takes 'sign', 'relu'"),
        (None, "SymPy expression"),
        (u > 0, "SymPy expression"),
        (sp.Symbol("v") * u, "rp.field only, not of v"),
        (sp.exp(u**2 / 4), "square integrable"),
        (sp.exp(sp.exp(u)), "square integrable"),
        (sp.exp(sp.exp(u / 1000)), "square integrable"),  # far below the Gaussian up to |u| = 15000
        (1 / u, "square integrable"),
        (1 / (u - sp.sqrt(2)) ** 2, "it has none at u = 1.41421"),
        (1 / sp.sqrt(sp.Abs(u)), "square integrable"),
        (sp.log(sp.Abs(u)) + u**2, "log(Abs(u)) alone"),
        (sp.log(sp.Abs(u - sp.Rational(1, 3))), "it has none at u = 0.333"),
        (sp.tan(u), "one-sided limits"),
        (sp.sin(1 / u), "one-sided limits"),
        (sp.atan(1 / u), "jumps written with sign"),
        (sp.sqrt(u), "complex at u = -40"),
        (sp.I * u, "a real function"),
        (sp.Integer(2), "not constant"),
        (sp.Heaviside(u) + sp.Heaviside(-u), "not constant"),
        (sp.floor(u), "not floor"),
        (sp.sqrt(1 - sp.cos(u)), "Abs"),
        (sp.Abs(sp.sin(u)), "break points"),
    ],
)
def test_bad_input_is_one_line(bad, says):
    with pytest.raises(ValueError, match=r"^activation: got ") as error:
        parse_activation(bad)
    assert says in str(error.value)
    assert "; takes " in str(error.value)
    assert "\n" not in str(error.value)


def test_a_plain_symbol_is_the_field():
    x = sp.Symbol("u")
    assert parse_activation(sp.tanh(3 * x)) == parse_activation(sp.tanh(3 * u))
    assert parse_activation(sp.Max(x, 0)).name == "relu"
