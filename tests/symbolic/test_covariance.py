"""Delta(q) in closed form by rule against direct two-dimensional quadrature, and the forms the literature prints."""

from __future__ import annotations

import math

import pytest
import sympy as sp

from replicas.symbolic.covariance import by_quadrature, closed_form
from replicas.symbolic.symbols import q, u

b = sp.Rational(3, 2)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("sign", 2 * sp.asin(q) / sp.pi),
        ("relu", (sp.sqrt(1 - q**2) + q * (sp.pi / 2 + sp.asin(q))) / (2 * sp.pi)),
        ("quadratic", 1 + 2 * q**2),
        (sp.erf(b * u), 2 / sp.pi * sp.asin(2 * b**2 * q / (1 + 2 * b**2))),
        (sp.sin(2 * u), sp.exp(-4) * sp.sinh(4 * q)),
        (u**3 - 3 * u, 6 * q**3),
    ],
)
def test_printed_forms(activation, expected):
    expr, why = closed_form(activation)
    assert expr == expected
    assert len(why) > 20 and "\n" not in why


CLOSED = [
    "sign",
    "relu",
    "erf",
    sp.Abs(u),
    u * sp.Abs(u),
    sp.Heaviside(u),
    u**2 * sp.Heaviside(u),
    sp.Piecewise((u, u > 0), (u / 10, True)),
    sp.Piecewise((u**3 - u + 2, u > 0), (u**2 - 1, True)),
    u**4 - u + sp.Rational(3, 10),
    sp.erf(u) / 2 - 3 * sp.erf(2 * u) + u + 1,
    sp.exp(u / 2) - 1,
    sp.cos(u) + sp.sin(3 * u) / 2,
    sp.exp(-(u**2)),
    sp.exp(-(u**2) / 3 + u / 2),
    sp.exp(u**2 / 5),
]


@pytest.mark.parametrize("scale", [1, sp.sqrt(2) / 3])
@pytest.mark.parametrize("activation", CLOSED, ids=str)
def test_rules_agree_with_quadrature(activation, scale):
    expr, _ = closed_form(activation, scale)
    for at in (0.0, 0.37, 0.999, 1.0):
        want = float(expr.subs(q, sp.Rational(at)).evalf(30))
        size = abs(float(expr.subs(q, 1).evalf(30)))
        assert by_quadrature(activation, at, float(scale)) == pytest.approx(want, rel=0, abs=1e-13 * max(size, 1e-3))


@pytest.mark.parametrize("activation", ["tanh", sp.Max(-1, sp.Min(1, u)), sp.Heaviside(u - 1), u * sp.exp(-(u**2))], ids=str)
def test_no_rule_no_answer(activation):
    assert closed_form(activation) is None


def test_quadrature_of_a_step_is_the_bivariate_tail():
    # P(u1 > 1, u2 > 1) at q = 1/2, by mpmath's one-dimensional quadrature of int phi(x) H((1 - q x)/sqrt(1 - q^2))
    import mpmath

    with mpmath.workdps(30):
        r = mpmath.sqrt(mpmath.mpf(3) / 4)
        want = mpmath.quad(lambda x: mpmath.npdf(x) * mpmath.ncdf((x / 2 - 1) / r), [1, 2, 4, 8, 14])
    assert by_quadrature(sp.Heaviside(u - 1), 0.5) == pytest.approx(float(want), rel=1e-14)


def test_bad_arguments():
    with pytest.raises(ValueError, match="scale: got -1; takes a positive number"):
        closed_form("sign", -1)
    with pytest.raises(ValueError, match=r"q: got 1.5; takes a correlation in \[0, 1\]"):
        by_quadrature("sign", 1.5)
    assert math.isclose(by_quadrature("sign", 1.0), 1.0)
