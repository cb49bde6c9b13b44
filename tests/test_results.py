"""How results are shown: what is printed agrees with what was computed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicas.results import readable


@given(st.floats(1e-3, 1e3), st.floats(1e-15, 0.5), st.sampled_from((-1, 1)))
def test_a_number_is_not_rounded_out_of_its_error(size, relative, sign):
    value, error = sign * size, size * relative
    shown, after = readable(value, repr(error)).split(" ± ")
    assert abs(float(shown) - value) <= error * (1 + 1e-12) and float(after) == pytest.approx(error, rel=0.06)
    beyond = math.floor(math.log10(error)) - 1  # a digit that the error says nothing about
    decimals = len(shown.split("e")[0].partition(".")[2])
    assert "e" in shown or decimals <= max(0, -beyond)


def test_examples_of_what_is_shown():
    assert readable(12.2806, "1.3e-02") == "12.28 ± 1.3e-02"
    assert readable(0.475979, "1.1e-03") == "0.476 ± 1.1e-03"
    assert readable(0.9612050528015417, "1.2e-15") == "0.961205052801542 ± 1.2e-15"
    assert readable(0.5, None) == "0.5" and readable(None, "1e-3") == "-" and readable(2.0, "2e-15") == "2 ± 2.0e-15"
