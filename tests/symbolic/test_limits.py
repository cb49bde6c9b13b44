"""Registered scalings: the functional itself, evaluated closer and closer to the limit, converges to what they claim."""

import math

import pytest
import sympy as sp

import replicas as rp
from replicas.numerics.saddle import evaluate, make_batch
from replicas.symbolic import symbols as S
from replicas.symbolic.limits import X, a, b
from replicas.symbolic.rs import functional

LIMIT = 2e-6  # eps phi has corrections of order eps log(eps), with eps = 1e-7 here
EPS = 1e-7


@pytest.mark.parametrize(
    ("model", "point"),
    [
        (rp.Perceptron("spherical", kappa=0.7), {}),
        (rp.Perceptron("spherical", kappa=0.9, likelihood="window"), {}),
        (rp.Perceptron("binary", kappa=-0.4), {"a": 0.8}),
        (rp.Perceptron("ternary", kappa=0.2), {"a": 0.7, "b": 0.9, "Q": 0.8}),
        (rp.Perceptron("discrete:-2,-1,1,2", kappa=0.3), {"a": 0.7, "b": 0.4, "Q": 2.1}),
    ],
)
def test_q_to_one(model, point):
    f = functional(model)
    limit = f.limit("q-to-1")
    values = {"alpha": 0.7, "kappa": model.kappa, "a": 0.0, "b": 0.0, "Q": 1.0, **point}
    symbols = {S.alpha: values["alpha"], S.kappa: values["kappa"], a: values["a"], b: values["b"], S.Q: values["Q"]}
    claimed = float(limit.expr.subs(symbols).evalf())
    batch = make_batch(model, values["alpha"])
    # unconstrained unknowns of the compiled functional at Q - q = eps, q_hat = (a/eps)^2, lam = b/eps
    logit = math.log((values["Q"] - EPS) / EPS)
    x = [logit, 2 * math.log(max(values["a"], 1e-9) / EPS), values["b"] / EPS, math.log(values["Q"])][: len(f.unknowns)]
    import numpy as np

    measured = EPS * float(evaluate(batch, np.array([x]), level=2).phi[0])
    assert measured == pytest.approx(claimed, abs=LIMIT)


def test_ground_state_is_the_limit_of_low_temperature():
    """-phi/beta at 1 - q = x/beta tends to the energy functional as beta grows, with corrections of order log(beta)/beta."""
    import numpy as np

    f = functional(rp.Perceptron("spherical"))
    x, alpha, kappa = 0.9, 3.0, 0.2
    claimed = float(f.limit("ground-state").expr.subs({X: math.sqrt(2 * x), S.alpha: alpha, S.kappa: kappa}).evalf())
    errors = []
    for beta in (1e3, 1e4, 1e5):
        batch = make_batch(rp.Perceptron("spherical", kappa=kappa, beta=beta), alpha)
        phi = float(evaluate(batch, np.array([[math.log((1 - x / beta) / (x / beta))]]), level=3).phi[0])
        errors.append(abs(phi / beta - claimed))
    assert errors[0] > 3 * errors[1] > 9 * errors[2] and errors[2] < 2e-4


def test_stationarity_of_the_ground_state_functional():
    f = functional(rp.Perceptron("spherical")).limit("ground-state")
    at = {X: sp.Float("1.3"), S.alpha: 3, S.kappa: sp.Float("0.2")}
    h = sp.Float("1e-4")
    slope = (f.expr.subs({**at, X: at[X] + h}) - f.expr.subs({**at, X: at[X] - h})).evalf(30) / (2 * h)
    # d(-e)/dX = (condition) * 2/X^3 with the sign that makes energy minimal
    assert float(slope * at[X] ** 3 / 2) == pytest.approx(float(f.observables["condition"].subs(at).evalf()), abs=1e-6)


def test_bad_scalings_are_refused():
    with pytest.raises(ValueError, match="scaling: got 'm-to-0'"):
        functional(rp.Perceptron()).limit("m-to-0")
    with pytest.raises(ValueError, match="takes a storage model"):
        functional(rp.Perceptron(task="teacher-student")).limit("q-to-1")
    with pytest.raises(ValueError, match="takes spherical weights"):
        functional(rp.Perceptron()).limit("ground-state")
