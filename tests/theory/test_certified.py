"""Certified answers hold the exact value, say what they prove, and give no number where they prove nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from decimal import Decimal, localcontext

import pytest
import sympy as sp

import replicas as rp

pytest.importorskip("flint")

from test_digits import CASES, DIGITS, ask, compare

PROVED = [c for c in CASES if c.values[0]["quantity"] != "generalization" and "beta" not in c.values[0]["model"]]
STEP = sp.Heaviside(rp.field) + sp.Heaviside(-rp.field) / 4
ASYMPTOTE = 1e-9  # relative: the next order at these loads; without extrapolation it is 2e-6
NO_BOUND = "the tail of this likelihood has no bound here"


@pytest.mark.parametrize("point", PROVED)
def test_balls_hold_independent_values(point):
    """Binary capacities, alpha_IT and spinodals, spherical capacities, AT loads, q and entropies: 50 proved digits."""
    found = ask(point, DIGITS, certified=True)
    assert found["certified"] is True and found["digits"] == DIGITS
    values = {
        k: v
        for k, v in point["values"].items()
        if k != "q_hat" or "q_hat" in found or "q_hat" in found.get("order_parameters", {})
    }
    compare({**point, "values": values}, found, DIGITS)
    with localcontext() as ctx:
        ctx.prec = 2 * DIGITS
        headline = found.get("alpha_it", found)
        value = Decimal(headline.get("value") or headline.get("free_entropy"))
        assert Decimal(headline["error"]) <= Decimal(10) ** -DIGITS * max(1, abs(value))


def test_statement_says_what_is_proved_and_assumed():
    at_zero = rp.capacity(rp.Perceptron(), digits=20, certified=True)
    for words in (
        "exactly one solution",
        "Krawczyk",
        "none other with q_hat in [",
        "Ding and Sun",
        "Huang",
        "Nakajima",
    ):
        assert words in at_zero.statement
    assert "assumed" in rp.capacity(rp.Perceptron(kappa=0.3), digits=20, certified=True).statement
    spherical = rp.capacity(rp.Perceptron("spherical"), kappa=[-1.0, 1.0], digits=20, certified=True)
    assert "Stojnic" in spherical.statement[0] and "upper bound" in spherical.statement[0]
    assert "Shcherbina and Tirozzi" in spherical.statement[1]
    transitions = rp.transitions(rp.Perceptron(task="teacher-student"), digits=20, certified=True)
    assert transitions.certified and "Barbier" in transitions.alpha_it.statement
    assert transitions.to_dict()["alpha_it"]["certified"] is True


def test_at_load_of_the_binary_perceptron_is_not_physical():
    found = rp.at_line(rp.Perceptron(), digits=30, certified=True)
    assert found.physical is False and found.certified and "beyond the capacity" in found.statement
    assert found.value > rp.capacity(rp.Perceptron(), digits=30).value
    assert "breaking_point" not in found.order_parameters  # no uncertified number beside a proved one


@pytest.mark.parametrize("kappa", [-0.5, -0.2, 0.0, 0.3, 0.7, 1.0])
def test_uncertified_and_certified_agree_to_all_digits(kappa):
    """Newton on trapezoid sums, and Krawczyk on acb.integral: two routes, the same 50 digits."""
    model = rp.Perceptron(kappa=kappa)
    plain, proved = rp.capacity(model, digits=DIGITS), rp.capacity(model, digits=DIGITS, certified=True)
    assert abs(plain.value - proved.value) <= plain.error + proved.error
    assert proved.error <= plain.value.context.mpf(10) ** -DIGITS


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (lambda: rp.solve(rp.Perceptron(beta=1.0), 1.0, certified=True), NO_BOUND),
        (lambda: rp.capacity(rp.Perceptron(beta=1.0), certified=True), NO_BOUND),
        (lambda: rp.solve(rp.Perceptron(likelihood=rp.Likelihood(STEP)), 0.4, certified=True), NO_BOUND),
    ],
)
def test_what_can_not_be_proved_has_no_number(question, reason):
    result = question()
    assert result.status == "not-certified" and reason in result.message and not result.certified and not result.ok
    plain = result.to_dict()
    assert plain["error"] is None and not plain["errors"] and plain["certified"] is False
    assert all(plain.get(k) is None for k in ("value", "q", "q_hat", "free_entropy", "entropy", "replicon"))


def test_a_wrong_root_or_a_bad_integral_is_not_certified(monkeypatch):
    """The certificate does not trust the root it is given, nor what the integrator returns."""
    from replicas.numerics import krawczyk
    from replicas.numerics.balls import Balls, Enclosure
    from replicas.theory import digits

    true = digits.threshold_root

    def shifted(*args):
        root = true(*args)
        root.values["alpha"] *= 1 + root.values["alpha"].context.mpf(10) ** -25
        return root

    monkeypatch.setattr(digits, "threshold_root", shifted)
    refused = rp.capacity(rp.Perceptron(), digits=30, certified=True)
    assert refused.status == "not-certified" and "Krawczyk" in refused.message
    assert rp.capacity(rp.Perceptron(), digits=15, certified=True).status == "converged"  # 1e-25 is within that box
    monkeypatch.undo()

    monkeypatch.setattr(Balls, "logH", lambda self, u: u * self.flint.arb("nan"))
    assert "finite" in rp.capacity(rp.Perceptron(), digits=20, certified=True).message
    monkeypatch.undo()
    fat = Balls.A
    monkeypatch.setattr(Balls, "A", lambda self, u: fat(self, u) * (1 + self.flint.arb(0, 1e-3)))
    assert rp.capacity(rp.Perceptron(), digits=20, certified=True).status == "not-certified"
    assert krawczyk.System and Enclosure


def test_points_without_an_equation_are_certified_too():
    """alpha = 0 is the bare measure; perfect learning is exact."""
    empty = rp.solve(rp.Perceptron("ternary"), 0.0, digits=30, certified=True)
    assert empty.certified and abs(empty.entropy - empty.entropy.context.log(3)) <= empty.error < 1e-29
    perfect = rp.solve(rp.Perceptron(task="teacher-student"), 1.4, branch="perfect", digits=30, certified=True)
    assert perfect.certified and perfect.q == 1 and perfect.entropy == 0


def test_arrays_are_certified_point_by_point():
    found = rp.capacity(rp.Perceptron("spherical"), kappa=[-30.0, 0.0, 40.0], digits=30, certified=True)
    assert list(found.status) == ["converged"] * 3 and found[1].certified
    assert abs(found.value[1] - 2) <= found.error[1]
    points = found.to_dict()["points"]
    assert points[0]["value"].startswith("9.2219233853786") and points[0]["value"].endswith("e+199")


@pytest.mark.parametrize("certified", [1, "yes", None])
def test_certified_is_true_or_false(certified):
    with pytest.raises(ValueError, match=r"^certified: got .*; takes True or False$"):
        rp.capacity(rp.Perceptron(), certified=certified)


def test_without_python_flint_digits_work_and_certified_names_the_extra():
    code = """
        import sys
        sys.modules["flint"] = None  # import flint fails
        import replicas as rp
        value = rp.capacity(rp.Perceptron(), digits=30).to_dict()["value"]
        assert value.startswith("0.83307859973957923368908689326"), value
        try:
            rp.capacity(rp.Perceptron(), certified=True)
        except ImportError as error:
            print(error)
        from replicas.cli import main
        print(main(["capacity", "--certified"]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert "pip install replicas[flint]" in done.stdout and done.stdout.rstrip().endswith("2")
    assert "the extra 'flint'" in done.stderr and done.stderr.count("\n") == 1


def test_constants_table():
    table = rp.constants(digits=30)
    assert table.ok and len(table) >= 12 and len({c.name for c in table}) == len(table)
    known = {  # 20 digits where published or closed form, else the leading ones
        "capacity-spherical": "2.0000000000000000000",
        "capacity-binary": "0.833078599",
        "naive-capacity-binary": "1.2732395447351626861",  # 4/pi
        "capacity-symmetric-binary": "1.815",
        "at-binary": "1.014",
        "at-ending-spherical": "-2.043",
        "alpha_it-binary": "1.24",
        "spinodal-binary": "1.49",
        "gibbs-asymptote": "0.6246",
        "bayes-asymptote": "0.4417",
    }
    for name, digits in known.items():
        assert table[name].to_dict()["value"].startswith(digits), name
    assert all(c.equation and c.error < 1e-29 * abs(c.value) for c in table)
    plain = json.loads(table.to_json())
    assert plain["digits"] == 30 and len(plain["points"]) == len(table)
    ratio = table["gibbs-asymptote"].value / table["bayes-asymptote"].value
    assert abs(ratio**2 - 2) < 1e-29
    assert "<table>" in table._repr_html_() and "capacity-binary" in str(table)
    with pytest.raises(KeyError, match="takes capacity-spherical"):
        table["capacity"]


def test_asymptotes_are_the_limits_of_the_learning_curve():
    """alpha eps = c + c' / alpha^2 + ...: two loads and Richardson reach the constant."""
    model = rp.Perceptron("spherical", task="teacher-student")
    loads = (400, 800)
    curve = [rp.generalization(model, a, digits=30) for a in loads]
    for name, pick in (("gibbs-asymptote", "eps_gibbs"), ("bayes-asymptote", "eps_bayes")):
        a, b = (x * getattr(c, pick) for x, c in zip(loads, curve))
        limit = rp.constants(digits=20, names=[name])[0].value
        assert abs((4 * b - a) / 3 / limit - 1) < ASYMPTOTE < abs(b / limit - 1)


@pytest.mark.parametrize("name", ["capacity-binary", "at-ending-spherical", "gibbs-asymptote", "spinodal-binary"])
def test_constants_certified(name):
    (proved,) = rp.constants(digits=40, certified=True, names=[name])
    (plain,) = rp.constants(digits=40, names=[name])
    assert proved.certified and proved.status == "converged" and "Proved" in proved.statement
    assert abs(proved.value - plain.value) <= proved.error + plain.error


@pytest.mark.slow
def test_every_constant_is_certified_to_fifty_digits_within_memory():
    """All constants with proofs, and the memory of doing so.

    The peak is VmHWM of the new process: getrusage's ru_maxrss survives fork and exec, so there it is the peak
    of the test runner that started it.
    """
    code = """
        import pathlib, replicas as rp
        table = rp.constants(digits=50, certified=True)
        assert all(c.certified for c in table), [c.message for c in table]
        status = pathlib.Path("/proc/self/status").read_text().splitlines()
        print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert int(done.stdout) / 1024 < 500  # MB
