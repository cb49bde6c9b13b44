"""Balls of python-flint far out, where its own bounds of erfc hold zero."""

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("flint")

from replicas.numerics.arithmetic import Flint

DIGITS, INEXACT = 50, 1e-48  # digits of the arithmetic; relative radius of an argument that carries rounding
KEPT = 30  # digits that erfc(1e6) has left: x^2 times the radius are lost


@given(st.floats(-1e3, 1e3), st.floats(1e-30, 10.0), st.floats(-1, 1))
def test_a_ball_of_erfc_holds_every_value(centre, radius, share):
    F = Flint()
    with F.at(DIGITS):
        arb = F.flint.arb
        ball = F.erfc(arb(centre, radius))
        inside = (arb(centre) + arb(radius) * arb(share)).mid()
        assert ball.contains(inside.erfc()) or ball.overlaps(inside.erfc())


@pytest.mark.parametrize("x", [3, 50, 10**4, 10**6])
def test_rounding_of_a_large_argument_leaves_digits(x):
    F = Flint()
    with F.at(DIGITS):
        ball = F.erfc(F.flint.arb(x, INEXACT * x))
        value = F.store(ball)
        assert ball.rel_accuracy_bits() > KEPT * 3.33
    with mpmath.workdps(DIGITS + 20):
        assert abs(mpmath.log(value) - mpmath.log(mpmath.erfc(x))) < mpmath.mpf(10) ** -KEPT
