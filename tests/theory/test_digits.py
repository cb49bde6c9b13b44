"""Any number of digits: against independent 60-digit values, two arithmetics, two precisions; exact parameters; results."""

from __future__ import annotations

import json
import pickle
import threading
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import replicas as rp
from replicas.exact import rational
from replicas.numerics import polish
from replicas.numerics.arithmetic import Mpmath

POINTS = json.loads((Path(__file__).parent.parent / "numerics" / "digits_reference.json").read_text())["points"]
DIGITS = 50  # the references have 62
SLOW = ("discrete:0,1", "ternary")  # with task teacher-student, or alone for {0,1}: one more compilation


def name_of(point: dict[str, Any]) -> str:
    words = [point["quantity"], *point["model"].values()]
    return "-".join(map(str, [*words, *(point[k] for k in ("alpha", "criterion", "branch", "rule") if k in point)]))


def slow(point: dict[str, Any]) -> bool:
    m = point["model"]
    return m["weights"] == "discrete:0,1" or (m["weights"] == "ternary" and "task" in m)


CASES = [pytest.param(p, id=name_of(p), marks=[pytest.mark.slow] if slow(p) else []) for p in POINTS]


def ask(point: dict[str, Any], digits: int, **options: Any) -> dict[str, Any]:
    """The package's answer as plain data, parameters handed over as decimal strings."""
    model = rp.Perceptron(**point["model"])
    options |= {k: point[k] for k in ("criterion", "branch", "rule") if k in point}
    loads = (Decimal(point["alpha"]),) if "alpha" in point else ()
    result = getattr(rp, point["quantity"])(model, *loads, digits=digits, **options)
    assert result.status in ("converged", "unphysical"), result.message
    return result.to_dict()


def numbers(found: dict[str, Any], name: str) -> tuple[str, str]:
    """(value, error) of a named number wherever it stands in a result."""
    if isinstance(found.get(name), dict):
        return found[name]["value"], found[name]["error"]
    if name == "value":
        return found["value"], found["error"]
    return found[name] if name in found else found["order_parameters"][name], found["errors"][name]


def compare(point: dict[str, Any], found: dict[str, Any], digits: int) -> None:
    with localcontext() as ctx:
        ctx.prec = 2 * DIGITS
        for name, reference in point["values"].items():
            value, error = (Decimal(text) for text in numbers(found, name))
            exact = Decimal(reference)
            assert abs(value - exact) <= error, (name, value, exact, error)
            # the digits asked for are there, of the number or (near zero) of the terms it is a difference of
            assert error <= Decimal(10) ** -digits * max(1, abs(exact)), (name, error)


@pytest.mark.parametrize("point", CASES)
def test_digits_agree_with_independent_values(point):
    compare(point, ask(point, DIGITS), DIGITS)


@pytest.mark.parametrize("point", [c for c in CASES if not c.marks][::3])
def test_mpmath_alone_gives_the_same_digits(point, monkeypatch):
    """Without python-flint: another arithmetic, the same numbers; and nobody else's precision is touched."""
    monkeypatch.setattr(polish, "arithmetic", Mpmath)
    before = mpmath.mp.prec
    compare(point, ask(point, 30), 30)
    assert mpmath.mp.prec == before


@pytest.mark.parametrize("digits", [1, 7, 15, 23, 100, 300])
def test_precisions_agree_with_each_other(digits):
    """More digits continue the number; no digit is wrong, few or many."""
    model = rp.Perceptron("binary", kappa=0.3)
    short, long = (rp.capacity(model, digits=d) for d in (digits, digits + 20))
    assert abs(long.value - short.value) <= short.error
    assert short.error <= mpmath.mpf(10) ** -digits
    assert len(short.to_dict()["value"].split(".")[1]) >= digits


@pytest.mark.slow
def test_smooth_and_kinked_likelihoods_of_a_user():
    """Inner integrals: the piecewise-constant route and the quadrature route give the same digits."""
    import sympy as sp

    u = rp.field
    closed = rp.Likelihood(sp.Heaviside(u) + sp.Rational(1, 3) * sp.Heaviside(-u))
    by_beta = rp.Perceptron("binary", beta=rational(str(float(mpmath.log(3)))))
    a = rp.solve(rp.Perceptron("binary", likelihood=closed), 0.7, digits=30)
    assert a.status == "converged"
    # beta = log 3 to double precision only: the two agree to that
    b = rp.solve(by_beta, 0.7, digits=30)
    assert abs(a.q - b.q) < 1e-15
    # a Gaussian likelihood is analytic: E log E exp(-(u)^2/2) has the closed form of one Gaussian integral at q = 0
    smooth = rp.solve(rp.Perceptron("binary", likelihood=rp.Likelihood(sp.exp(-(u**2) / 2))), 0.7, digits=30)
    exact = mpmath.mp.clone()
    exact.dps = 40
    want = exact.log(2) - exact.mpf("0.7") * exact.log(2) / 2
    assert smooth.branch == "q=0" and abs(exact.mpf(smooth.to_dict()["free_entropy"]) - want) < exact.mpf(10) ** -30


def test_a_float_is_the_decimal_it_prints_as():
    """kappa = 0.3 is 3/10, however it is written; a longer decimal is not cut to a float."""
    texts = {
        rp.capacity(rp.Perceptron(kappa=k), digits=30).to_dict()["value"]
        for k in (0.3, np.float64(0.3), "0.3", Decimal("0.3"), Fraction(3, 10))
    }
    assert len(texts) == 1
    long = rp.capacity(rp.Perceptron(kappa="0.30000000000000000000001"), digits=30)
    assert rp.Perceptron(kappa="0.30000000000000000000001") == rp.Perceptron(kappa=0.3)  # equal as floats, and yet
    assert 0 < long.value.context.mpf(texts.pop()) - long.value < 1e-22
    third = rp.solve(rp.Perceptron("spherical"), Fraction(1, 3), digits=30)
    cut = rp.solve(rp.Perceptron("spherical"), 1 / 3, digits=30)
    assert 0 < abs(third.q - cut.q) < 1e-16


@pytest.mark.parametrize("call", [lambda d: rp.capacity(rp.Perceptron(), digits=d), lambda d: rp.constants(digits=d)])
@pytest.mark.parametrize("digits", [0, -1, 10_001, 2.5, "30", True, float("nan")])
def test_digits_out_of_range_are_refused(call, digits):
    with pytest.raises(ValueError, match=r"^digits: got .*; takes a whole number from 1 to 10000$"):
        call(digits)


def test_arrays_and_branches():
    loads = np.array([[0.3, 0.6]])
    curve = rp.solve(rp.Perceptron(), loads, digits=25)
    assert curve.q.shape == (1, 2) and curve.digits == 25 and curve.stable.dtype == bool
    assert curve[0, 1].q == rp.solve(rp.Perceptron(), 0.6, digits=25).q
    branches = rp.solve(rp.Perceptron(task="teacher-student"), 1.2, branch="all", digits=25)
    assert list(branches.branch) == ["typical", "middle", "perfect"] and list(branches.dominant) == [True, False, False]
    assert branches.q[2] == 1 and branches.free_entropy[2] == 0
    mixed = rp.solve(rp.Perceptron("spherical"), [1.5, 2.5], digits=25)
    assert list(mixed.status) == ["converged", "no-solution"] and mixed.to_dict()["points"][1]["q"] is None


def test_no_patterns_or_no_temperature():
    """alpha = 0 and beta = 0: the bare measure, to all digits."""
    empty = rp.solve(rp.Perceptron("ternary"), 0.0, digits=40)
    assert abs(empty.free_entropy - empty.free_entropy.context.log(3)) <= empty.error
    assert abs(empty.Q - empty.Q.context.mpf(2) / 3) <= empty.errors["Q"]
    hot = rp.solve(rp.Perceptron(beta=0.0), 1.0, digits=40)
    assert hot.energy == 0.5 and hot.entropy == hot.free_entropy


def test_returned_numbers_are_mpmath_numbers_that_carry_their_digits():
    value = rp.capacity(rp.Perceptron(), digits=DIGITS).value
    assert isinstance(value, mpmath.mpf) and len(str(value)) > DIGITS
    assert len(str(value * 2 - value)) > DIGITS
    again = pickle.loads(pickle.dumps(value))
    assert again == value and str(again) == str(value)
    result = rp.solve(rp.Perceptron(), 0.5, digits=DIGITS)
    assert str(result.q) in str(result) and str(result.q)[:40] in result._repr_html_()
    assert pickle.loads(pickle.dumps(result)).to_json() == result.to_json()


@pytest.mark.parametrize("arithmetic", [Mpmath, None])
def test_threads_do_not_disturb_each_other(arithmetic, monkeypatch):
    if arithmetic is not None:
        monkeypatch.setattr(polish, "arithmetic", arithmetic)
    model = rp.Perceptron("spherical")
    loads, precisions = (0.4, 0.9, 1.3, 1.7), (20, 35, 50, 27)
    serial = [rp.solve(model, a, digits=d).to_json() for a, d in zip(loads, precisions)]
    found: dict[int, str] = {}

    def work(i: int) -> None:
        found[i] = rp.solve(model, loads[i], digits=precisions[i]).to_json()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(loads))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [found[i] for i in range(len(loads))] == serial


def test_near_capacity_and_far_margins():
    """q within 1e-6 of 1, closed forms that cancel to 1e-199: digits are digits."""
    close = rp.solve(rp.Perceptron("spherical"), 1.999999, digits=30)
    assert close.status == "converged" and 0 < close.one_minus_q < 1e-5
    finer = rp.solve(rp.Perceptron("spherical"), 1.999999, digits=45)
    assert abs(close.free_entropy - finer.free_entropy) <= close.error
    far = rp.capacity(rp.Perceptron("spherical"), kappa=-30.0, digits=20)
    assert abs(far.value / rp.capacity(rp.Perceptron("spherical"), kappa=-30.0, digits=30).value - 1) < 1e-20


def test_what_was_not_reached_has_no_number(monkeypatch):
    """Two evaluations that disagree: status not-converged, the reason, and nothing else."""
    monkeypatch.setattr(polish, "MAX_ROUNDS", 1)
    monkeypatch.setattr(polish, "WANTED", 1000.0)
    result = rp.capacity(rp.Perceptron(), digits=20)
    assert result.status == "not-converged" and result.value is None and "two evaluations agree" in result.message
    assert not result.ok and result.to_dict()["value"] is None
