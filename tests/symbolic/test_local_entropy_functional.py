"""Local entropy and clones: functionals against their equations by other quadratures, their gradients, reductions and limits."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pytest
from scipy.special import log_ndtr, logsumexp

import replicas as rp
from replicas.symbolic import local_entropy as le
from replicas.symbolic import rsb
from replicas.symbolic.clones import clones
from replicas.symbolic.local_entropy_limits import limit
from replicas.symbolic.numeric import evaluate
from replicas.symbolic.workshop import difference, richardson

QUADRATURE = 1e-11  # two trapezoid rules, both exponentially accurate
PAIRS = 1e-9  # the same over two coupled fields
REFEREE = 1e-9  # composite Gauss rules of the referee of derivations
SLOPE = 1e-8  # sixth-order differences of step 4e-3
SADDLE = 1e-10  # what the issue asks of y = 1
SMOOTH = 1e-9  # extrapolation in 1/y from 50 to 1600
HINGE = 1e-5  # derivatives of averages over two fields, whose grid the margin of the reference cuts
FLIPS = 2e-4  # the same with corrections log(y)/y and half-integer powers fitted, flips cut over a grid

STORAGE, TEACHER = rp.Perceptron(kappa=0.1), rp.Perceptron(task="teacher-student")
POINT = {"q1": 0.6, "q0": 0.45, "q_hat1": 1.3, "q_hat0": 0.7, "p_hat": 0.4, "p": 0.7, "y": 2.5, "alpha": 0.5, "kappa": 0.1, "R": 0.3, "R_hat": 0.25}
COUPLED = {**POINT, "q_tilde": 0.5, "q_tilde_hat": 1.1, "t": 0.42, "t_hat": 0.5, "p_hat": 0.8, "kappa_ref": 0.2, "p": 0.45}
SCALED = {"q0": 0.45, "dq": 0.3, "q_hat0": 0.9, "dq_hat": 0.5, "p_hat": 0.4, "p": 0.7, "alpha": 0.5, "kappa": 0.1, "R": 0.3, "R_hat": 0.25}
z = np.linspace(-22, 22, 1001)  # powers move the mode: by y sqrt(q_hat1 - q_hat0)
logs = np.log(z[1] - z[0]) - z**2 / 2 - 0.5 * math.log(2 * math.pi)


@lru_cache
def functional(model, reference="unconstrained"):
    return le.functional(model, reference)


def log_cosh(h, y):
    """log E_eta [2 cosh(h + c eta)]^y, y log 2cosh(h)."""
    return y * (np.abs(h) + np.log1p(np.exp(-2 * np.abs(h))))


def equation(v, teacher):
    """Sections 4.3 and 4.4 of the notes, term by term."""
    y, q1, q0, c1, c0 = (v[k] for k in ("y", "q1", "q0", "q_hat1", "q_hat0"))
    algebra = -y * v["p_hat"] * v["p"] - y * (y - 1) / 2 * c1 * q1 + y**2 / 2 * c0 * q0 - y / 2 * c1
    shift = v["R_hat"] if teacher else 0.0
    h = math.sqrt(c0) * z[:, None, None] + shift + v["p_hat"] * np.array([-1.0, 1.0])[:, None] + math.sqrt(c1 - c0) * z
    weights = np.exp(logs) @ logsumexp(log_cosh(h, y) + logs, axis=(1, 2))
    kappa = 0.0 if teacher else v["kappa"]
    u = (kappa - math.sqrt(q0) * z[:, None] - math.sqrt(q1 - q0) * z) / math.sqrt(1 - q1)
    label = 2 * np.exp(log_ndtr(v["R"] * z / math.sqrt(q0 - v["R"] ** 2))) if teacher else 1.0
    patterns = np.exp(logs) @ (label * logsumexp(y * log_ndtr(-u) + logs, axis=1))
    return algebra + float(weights) + v["alpha"] * float(patterns) - (y * v["R_hat"] * v["R"] if teacher else 0.0)


@pytest.mark.parametrize("model", [STORAGE, TEACHER])
@pytest.mark.parametrize("y", [0.7, 2.5, 9.0])
def test_unconstrained_reference_is_the_equation_of_the_notes(model, y):
    v = {**POINT, "y": y}
    assert functional(model)(**v) == pytest.approx(equation(v, model.teacher), abs=QUADRATURE * max(1, y**2))


@pytest.mark.parametrize("model", [STORAGE, TEACHER])
def test_the_referee_of_large_powers_agrees_with_that_of_derivations(model):
    f = functional(model)
    env = {le.environment_name(k): x for k, x in POINT.items()}
    for expr in (f.expr, f.observables["local_entropy"], f.saddle[le.q1], f.saddle[le.q0_hat]):
        assert f.value(expr, **POINT) == pytest.approx(float(evaluate(f.closed_form(expr), env, f.leaves)), abs=REFEREE)


def constrained_equation(v):
    """n groups of a reference that is a solution and y solutions, n -> 0, from one normal after the other."""
    y, q1, q0, c1, c0 = (v[k] for k in ("y", "q1", "q0", "q_hat1", "q_hat0"))
    q, c, t, d = (v[k] for k in ("q_tilde", "q_tilde_hat", "t", "t_hat"))
    algebra = -y * v["p_hat"] * v["p"] - y * (y - 1) / 2 * c1 * q1 + y**2 / 2 * c0 * q0 - y / 2 * c1 + y * d * t - c * (1 - q) / 2
    x = np.linspace(-8.5, 8.5, 91)
    w = np.log(x[1] - x[0]) - x**2 / 2 - 0.5 * math.log(2 * math.pi)
    both = np.exp(w[:, None] + w)
    # the reference's own normal first, that of the solutions given it: the other order than the package's
    ref = math.sqrt(c) * x[:, None]
    field = d / math.sqrt(c) * x[:, None] + math.sqrt(c0 - d**2 / c) * x
    branches = []
    for sign in (-1.0, 1.0):
        h = field[..., None] + sign * (v["p_hat"] - d) + math.sqrt(c1 - c0) * x
        branches.append(sign * ref + logsumexp(log_cosh(h, y) + w, axis=-1))
    weights = float((both * np.logaddexp(*branches)).sum())
    ref = math.sqrt(q) * x[:, None, None]
    field = t / math.sqrt(q) * x[:, None, None] + math.sqrt(q0 - t**2 / q) * x[:, None]
    b = (v["p"] - t) / math.sqrt(q1 - q0)
    own = log_ndtr((ref + b * x - v["kappa_ref"]) / math.sqrt(1 - q - b**2))
    inner = own + y * log_ndtr((field + math.sqrt(q1 - q0) * x - v["kappa"]) / math.sqrt(1 - q1))
    return algebra + weights + v["alpha"] * float((both * logsumexp(inner + w, axis=-1)).sum())


@pytest.mark.parametrize("y", [pytest.param(1.0, marks=pytest.mark.slow), 2.5])
def test_constrained_reference_is_its_equation(y):
    v = {**COUPLED, "y": y}
    assert functional(STORAGE, "constrained")(**v) == pytest.approx(constrained_equation(v), abs=PAIRS)


def shown(f):
    return {str(k): str(v) for k, v in f.saddle.items()}


def test_saddle_point_equations_in_their_textbook_form():
    """q_1 = E <g'^2>, q_0 = E <g'>^2, p = E <w~ g'>, q_hat_1 = alpha E <f'^2>, q_hat_0 = alpha E <f'>^2."""
    site, tilt = "E_h0[E_h1[{}; exp(y*log(E_h2[exp(y*g)])/(y))]{}]", "E_h2[{}; exp(y*g)]"
    assert shown(functional(STORAGE)) == {
        "q1": site.format(tilt.format("g'**2"), ""),
        "q0": site.format(tilt.format("g'"), "**2"),
        "p": site.format("wtilde*" + tilt.format("g'"), ""),
        "qhat1": "alpha*E_omega0[E_omega1[f'**2; exp(y*f)]]",
        "qhat0": "alpha*E_omega0[E_omega1[f'; exp(y*f)]**2]",
    }


def test_saddle_point_equations_with_a_teacher():
    """R = E g', R_hat = alpha E_label [f'_teacher <f'>]."""
    found = shown(functional(TEACHER))
    assert found["R"] == "E_h0[E_h1[E_h2[g'; exp(y*g)]; exp(y*log(E_h2[exp(y*g)])/(y))]]"
    assert found["Rhat"] == "alpha*E_omega[f'*E_omega1[f'; exp(y*f)]; exp(f)]"


def test_saddle_point_equations_of_a_constrained_reference():
    """q~ = E <w~>^2, t = E <w~><g'>, q~_hat = alpha E <r'>^2, t_hat = alpha E <f'><r'>, p_hat = alpha E <f' r'>."""
    found = shown(functional(STORAGE, "constrained"))
    tilt = "exp(htilde*wtilde + y*log(E_h2[exp(y*g)])/(y))"
    mean, slope = f"E_h1[wtilde; {tilt}]", f"E_h1[E_h2[g'; exp(y*g)]; {tilt}]"
    assert found["qtilde"] == f"E_h[{mean}**2]" and found["t"] == f"E_h[{mean}*{slope}]"
    assert found["qtildehat"] == "alpha*E_omega[E_omega[r'; exp(y*f + r)]**2]"
    assert found["that"] == "alpha*E_omega[E_omega[f'; exp(y*f + r)]*E_omega[r'; exp(y*f + r)]]"
    assert found["phat"] == "alpha*E_omega[E_omega[f'*r'; exp(y*f + r)]]"


def gradients(f, point, only=None):
    env = {le.environment_name(k): x for k, x in point.items()}
    for x in (*f.unknowns, le.p):
        if x.name in env and x in f.expr.free_symbols and (only is None or x in only):
            slope = difference(lambda v, x=x: f(**{**env, x.name: v}), env[x.name], 4e-3)
            yield x, f.value(f.derivative(f.expr, x), **env), slope


@pytest.mark.slow
@pytest.mark.parametrize(
    "model, reference, point",
    [
        (STORAGE, "unconstrained", POINT),
        (TEACHER, "unconstrained", POINT),
        (rp.Perceptron(likelihood="window", kappa=1.0), "unconstrained", {**POINT, "kappa": 1.0}),
        (rp.Perceptron(beta=1.5), "unconstrained", {**POINT, "beta": 1.5}),
        (STORAGE, "constrained", COUPLED),
        (TEACHER, "constrained", {**COUPLED, "R_ref": 0.35, "R_ref_hat": 0.3}),
    ],
)
def test_gradients(model, reference, point):
    f = functional(model, reference)
    coupled = model.teacher and reference == "constrained"  # of which only what the other cases have not is looked at
    for x, derived, slope in gradients(f, point, only=(le.R, le.R_ref, le.R_hat, le.R_ref_hat, le.t) if coupled else None):
        assert derived == pytest.approx(slope, abs=SLOPE), x
    local = f.value(f.observables["local_entropy"], **point)
    assert local == pytest.approx(difference(lambda v: f(**{**point, "y": v}), point["y"], 4e-3), abs=SLOPE)
    external = f.value(f.observables["external_entropy"], **point)
    assert external == pytest.approx(f(**point) - point["y"] * local, abs=REFEREE)


def test_one_solution_a_group_has_the_typical_entropy_and_that_of_the_distance():
    s, d, alpha = rp.solve(STORAGE, alpha=0.5), 0.13, 0.5
    p = 1 - 2 * d
    v = {"q0": s.q, "q1": 0.9, "q_hat0": s.q_hat, "q_hat1": s.q_hat + 0.3, "p_hat": math.atanh(p), "p": p, "y": 1.0, "alpha": alpha, "kappa": 0.1}
    expected = s.free_entropy - d * math.log(d) - (1 - d) * math.log(1 - d)
    f = functional(STORAGE)
    assert f(**v) == pytest.approx(expected, abs=SADDLE)
    assert f.value(f.saddle[le.p], **v) == pytest.approx(p, abs=SADDLE)
    assert f.value(f.saddle[le.q0], **v) == pytest.approx(s.q, abs=SADDLE)


# --- clones --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [STORAGE, TEACHER])
def test_without_a_field_from_the_reference_groups_are_clones(model):
    """phi(y; p_hat = 0) = log 2 + y phi_m at m = y: the reference is free."""
    v = {**POINT, "p_hat": 0.0}
    group, alone = functional(model)(**v), clones(model)(**{**v, "m": v["y"]})
    assert group == pytest.approx(math.log(2) + v["y"] * alone, abs=QUADRATURE)


@pytest.mark.parametrize("model", [STORAGE, rp.Perceptron(weights="spherical", kappa=-0.5)])
def test_clones_are_the_one_step_functional(model):
    v = {k: POINT[k] for k in ("q0", "q1", "q_hat0", "q_hat1", "alpha")} | {"m": 0.6, "kappa": model.kappa}
    assert clones(model)(**v) == pytest.approx(rsb.functional(model)(**v), abs=REFEREE)


def test_replicas_on_the_sphere_are_the_equation_of_the_notes():
    v, y = {"q0": 0.4, "q1": 0.7, "alpha": 1.2, "kappa": -0.3}, 6.0
    L0 = 1 - v["q1"] + y * (v["q1"] - v["q0"])
    entropy = (math.log(1 - v["q1"]) + math.log(L0 / (1 - v["q1"])) / y + v["q0"] / L0) / 2
    u = (v["kappa"] - math.sqrt(v["q0"]) * z[:, None] - math.sqrt(v["q1"] - v["q0"]) * z) / math.sqrt(1 - v["q1"])
    energy = v["alpha"] / y * float(np.exp(logs) @ logsumexp(y * log_ndtr(-u) + logs, axis=1))
    f = clones(rp.Perceptron(weights="spherical", kappa=-0.3))
    assert f(**v, m=y) == pytest.approx(entropy + energy, abs=QUADRATURE)


def test_two_clones_of_the_symmetric_perceptron_are_their_first_moment():
    """At q_0 = 0: log 2 + H_2((1 - q_1)/2) + alpha log P(|z_1| < kappa, |z_2| < kappa)."""
    q1, alpha, kappa, d = 0.6, 0.9, 1.1, 0.2
    v = {"q0": 0.0, "q_hat0": 0.0, "q1": q1, "q_hat1": math.atanh(q1), "m": 2.0, "alpha": alpha, "kappa": kappa}
    s = math.sqrt(q1)
    ends = [(e * kappa - s * z) / math.sqrt(1 - q1) for e in (-1, 1)]
    both = float(np.exp(logs) @ np.diff(np.exp(log_ndtr(ends)), axis=0)[0] ** 2)
    expected = math.log(2) - d * math.log(d) - (1 - d) * math.log(1 - d) + alpha * math.log(both)
    f = clones(rp.Perceptron(likelihood="window", kappa=kappa))
    assert f.value(f.observables["entropy"], **v) == pytest.approx(expected, abs=QUADRATURE)
    assert f.value(f.saddle[le.q1], **v) == pytest.approx(q1, abs=QUADRATURE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        STORAGE,
        TEACHER,
        rp.Perceptron(weights="spherical", kappa=-0.5),
        rp.Perceptron(weights="spherical", task="teacher-student"),
        rp.Perceptron(weights="ternary"),
    ],
)
def test_gradients_of_clones(model):
    f, v = clones(model), {**POINT, "m": 2.0, "Q": 0.7, "lambda": 0.8, "kappa": model.kappa}
    for x, derived, slope in gradients(f, v):
        assert derived == pytest.approx(slope, abs=SLOPE), x
    slope = difference(lambda q: f(**{**v, "q1": q}), v["q1"], 4e-3)
    assert f.value(f.observables["slope"], **v) == pytest.approx(slope, abs=SLOPE)
    local = difference(lambda m: m * f(**{**v, "m": m}), v["m"], 4e-3)
    assert f.value(f.observables["local_entropy"], **v) == pytest.approx(local, abs=SLOPE)


# --- y -> infinity -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [STORAGE, TEACHER])
def test_limit_of_many_replicas(model):
    f = limit(model)
    values = [f.at(y, **SCALED) for y in (50, 100, 200, 400, 800, 1600)]
    assert f(**SCALED) == pytest.approx(richardson(values), abs=SMOOTH)
    assert abs(values[0] - f(**SCALED)) > 1e-4  # there is something to extrapolate


@pytest.mark.slow
@pytest.mark.parametrize("model", [STORAGE, TEACHER])
def test_gradients_of_the_limit(model):
    for x, derived, slope in gradients(limit(model), SCALED):
        assert derived == pytest.approx(slope, abs=SLOPE), x


def test_saddle_point_equations_of_the_limit():
    assert shown(limit(STORAGE)) | {"dqhat": None, "dq": None} == {
        "qhat0": "alpha*E_omega0[[f'**2]_argmax_t1]",
        "q0": "E_h0[[[g'**2]_argmax_z1]_argmax_wtilde]",
        "p": "E_h0[[wtilde*[g']_argmax_z1]_argmax_wtilde]",
        "dqhat": None,
        "dq": None,
    }


@pytest.mark.slow
def test_limit_with_a_constrained_reference():
    """Groups share their reference: 1 - q~ = c/y, p - t = delta/y; corrections hold log(y)/y and half-integer powers."""
    f = limit(STORAGE, "constrained")
    v = {"q0": 0.55, "dq": 0.3, "q_hat0": 0.9, "dq_hat": 0.5, "dp_hat": 0.4, "p": 0.6, "alpha": 0.5, "kappa": 0.1, "kappa_ref": 0.2}
    v |= {"c": 0.4, "c_hat": 0.5, "delta": 0.2, "delta_hat": 0.3}
    y = np.array([50.0, 100, 200, 400, 800, 1600])
    basis = np.stack([y**0, np.log(y) / y, 1 / y, y**-1.5, np.log(y) / y**2, y**-2], axis=1)
    reached = np.linalg.solve(basis, [f.at(float(x), **v) for x in y])[0]
    assert f(**v) == pytest.approx(reached, abs=FLIPS)
    smooth = {le.environment_name(k) for k in ("dq", "dq_hat", "c", "delta")}  # whose derivative no flip of the grid enters
    for x, derived, slope in gradients(f, v):
        if x.name in smooth:
            assert derived == pytest.approx(slope, abs=HINGE), x


# --- arguments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, symbol", [("q_hat1", "qhat1"), ("q1_hat", "qhat1"), ("q_tilde_hat", "qtildehat"), ("kappa_ref", "kappatilde")])
def test_names(name, symbol):
    assert le.environment_name(name) == symbol


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: le.functional(rp.Perceptron(weights="spherical")), "takes a perceptron with binary weights"),
        (lambda: le.functional(STORAGE, "typical"), "reference: got 'typical'; takes unconstrained, constrained"),
        (lambda: functional(STORAGE)(q1=0.5), "missing; takes"),
        (lambda: clones(rp.TreeCommittee()), "takes a perceptron"),
        (lambda: clones(rp.Perceptron(weights="ternary", task="teacher-student")), "takes binary, spherical"),
        (lambda: limit(TEACHER, "constrained"), "constrained reference at y = inf"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
