"""The bench on which the derivation of the Franz-Parisi entropy grows: two groups of replicas at a generic point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from ..models import Model, Spherical
from . import symbols as S
from .derivation import Checker
from .franz_parisi import PARTNERS, Constrained
from .franz_parisi_replicas import site_leaf
from .numeric import Env, evaluate
from .workshop import Workshop, apart

SIZES = ((1, 1), (2, 1), (1, 2))  # replicas of the reference and of the weights in the checks before the limit
GENERIC = {
    **{"alpha": 0.83, "q": 0.62, "qhat": 0.71, "t": 0.36, "that": 0.42, "p": 0.58, "phat": 0.66, "D": 0.23, "d": 0.26},
    **{"kappa": 0.31, "kapparef": 0.17, "qref": 0.45, "qhatref": 0.8, "lambdaref": 2.3, "qstar": 0.85, "betaref": 2.0},
}
# spheres: lam beyond s q_hat, and the reference at its saddle q~_hat = q~/(1-q~)^2, lam~ = 1/(1-q~)
SPHERES = {"lambda": 4.3, "qref": 0.2, "qhatref": 0.2 / 0.64, "lambdaref": 1 / 0.8, "t": 0.23, "that": 0.27}
MOVED = {*PARTNERS, S.lam, S.distance, S.n, S.s, S.alpha, S.q_ref, S.q_hat_ref, S.lam_ref}


class Bench(Workshop):
    """The growing derivation of two groups of replicas."""

    def __init__(self, model: Model, f: Constrained):
        assert f.reference is not None
        self.model, self.functional, self.reference = model, f, f.reference
        self.units, self.teacher, self.steps = 1, False, []
        self.leaves = {**f.leaves, "Gamma": site_leaf(f.reference)}
        self.signs = not f.reference.alike
        self.spherical = isinstance(model.weights, Spherical)
        self.env = self._point()

    def _point(self) -> dict[str, Any]:
        env: dict[str, Any] = {**GENERIC, "lambda": 0.0}
        reference = self.reference
        if self.spherical:
            env |= SPHERES
        elif reference.measure.args and reference.name == "spherical":
            env |= {k: SPHERES[k] for k in ("qref", "qhatref", "lambdaref", "t", "that")}
        if reference.even:
            env |= dict.fromkeys(("qref", "qhatref", "t", "that"), 0.0)
        for name, value in (("kappa", self.model.kappa), ("beta", self.model.beta)):
            value = value[0] if isinstance(value, tuple) else value
            if value:
                env[name] = value
        if self.model.even:
            env["kapparef"] = 1.2 * env["kappa"]
        return env

    def evaluate(self, expr: sp.Expr, env: Env) -> float:
        """Term by term, each at the values that it depends on: what the rest of a point changes is not computed again."""
        total = 0.0
        for term in sp.Add.make_args(expr):
            unused = {x.name for x in MOVED} - {x.name for x in term.free_symbols}
            total += float(evaluate(term, {k: v for k, v in env.items() if k not in unused}, self.leaves))
        return total

    def groups(self, reference: Callable[[int, int, Env], float], tolerance: float, environment: Any = None) -> Checker:
        """Compare an expression with an independent number at a few sizes of the two groups."""
        targets: dict[tuple[int, int], float] = {}

        def check(expr: sp.Expr) -> tuple[float, float]:
            worst = 0.0
            for n, s in SIZES:
                env: Env = {**self.env, "n": float(n), "s": float(s), **(environment(n, s) if environment else {})}
                if (n, s) not in targets:
                    targets[n, s] = reference(n, s, env)
                worst = max(worst, apart(self.evaluate(expr, env), targets[n, s]))
            return worst, tolerance

        return check

    def before(self, previous: sp.Expr, tolerance: float) -> Checker:
        return self.groups(lambda n, s, env: self.evaluate(previous, env), tolerance)
