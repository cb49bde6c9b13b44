"""The bench on which a derivation grows: numbered steps, a generic point to compare expressions at, and its tolerances."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from ..models import Discrete, Model, Spherical
from ..stochastic import StochasticPerceptron, first
from . import symbols as S
from .derivation import Checker, Step
from .functional import Functional, latex
from .hierarchy import Hierarchical
from .numeric import Env, evaluate
from .wide import covariance

# Tolerances of the checks: what the coarser of the two evaluations compared can deliver.
EXACT = 1e-11  # closed forms against sums or fine quadrature
TILTED = 1e-8  # the same, where three replicas widen a Gaussian towards the end of its grid
BRUTE_FORCE = 1e-4  # product grids of three replicas with jumps at the likelihood's kinks, relative
EXTRAPOLATED = 1e-8  # Richardson extrapolation of n -> 0 from four values
DIFFERENCED = 1e-6  # finite differences of the free entropy, sixth order
CURVATURE = 2e-4  # second finite differences of four-replica integrals, relative
BRANCHES = 3e-6  # the same for trees of few units: branches are combined by signs, and no jump is integrated over
BLOCKS = 1e-6  # the same for four blocks, whose functions are power means: smooth on the scale of the differences

MARGIN = 4.0  # of a margin in units of the width of the fields, beyond which grids of several replicas see too little of them
NORMS, TEMPERATURES = (0.2, 0.8), (0.5, 5.0)  # q_star and beta at which grids of three replicas resolve a stochastic perceptron
FEW_UNITS = 3  # whose fields are averaged over fine grids
FINE_UNITS = 5  # whose curvatures the grids over all fields resolve to BRANCHES

Sizes = tuple[int, ...]  # n, m_1, ..., m_k


class Workshop:
    """The growing derivation: numbers steps, evaluates expressions at the check point, holds the running expression.

    overlaps, conjugates : symbols of the levels, outermost first; one each for replica symmetry.
    parisi : m_1, ..., m_k, none for replica symmetry.
    units : fields of a pattern, one for each branch of a tree.
    sizes : whole numbers (s, m_1, ..., m_k) of coupled replicas at which the checks before the limit are made.
    """

    def __init__(
        self,
        model: Model,
        functional: Functional,
        overlaps: tuple[sp.Symbol, ...],
        conjugates: tuple[sp.Symbol, ...],
        parisi: tuple[sp.Symbol, ...],
        sizes: tuple[Sizes, ...],
    ):
        self.model = model
        self.teacher = model.teacher
        self.units = model.fields
        self.functional = functional
        self.leaves = functional.leaves
        self.steps: list[Step] = []
        self.base = 1 if self.teacher else 0
        self.size = S.n + self.base
        self.q, self.c, self.m = overlaps, conjugates, parisi
        self.sizes = sizes
        blocks, named = (self.size, *parisi), bool(parisi)
        self.Q = Hierarchical(S.Q, overlaps, blocks, named)
        # covariance of the fields of a pattern: the overlaps themselves, but for infinitely many units
        of_fields = tuple(covariance(model, x) for x in overlaps)
        letter = "L" if of_fields == self.Q.values else "M"
        self.C = Hierarchical(covariance(model, S.Q), of_fields, blocks, named, letter)
        self.Qhat = Hierarchical(conjugates[-1] - S.lam, conjugates, blocks)
        self.env = self._point()

    @property
    def k(self) -> int:
        return len(self.m)

    @property
    def moment(self) -> str:
        """LaTeX of what the steps before the limit compute."""
        return rf"\frac1N\log\overline{{Z^{{{latex(self.size)}}}}}"

    def _point(self) -> dict[str, Any]:
        """A generic point, away from any saddle, at which expressions are compared."""
        model = self.model
        norm = self.functional.norm
        if isinstance(model.weights, Discrete) and norm == S.Q:
            scale = float(np.mean(np.square(model.weights.values)))
        elif isinstance(model, StochasticPerceptron):
            scale = float(np.clip(first(model.q_star), *NORMS))
        else:
            scale = float(norm)
        # the field of the weights tilts towards the largest of them, which has to stay within the grid of four replicas
        largest = scale
        if isinstance(model.weights, Discrete):
            largest = float(np.sqrt(scale * np.max(np.square(model.weights.values))))
        env: dict[str, Any] = {"alpha": 0.83, "Q": scale, "lambda": 1.27 / scale}
        # grids over many fields are coarse, a smaller overlap keeps averages smooth; a parity is flat around q = 0
        overlap = 0.43 if self.units <= FEW_UNITS else min(0.43, (1.8 if model.even else 0.9) / self.units)
        for name, symbols, (middle, spread) in (("q", self.q, (overlap, 0.4)), ("c", self.c, (0.71, 0.7))):
            at = middle + spread * np.linspace(-0.5, 0.5, len(symbols)) if len(symbols) > 1 else [middle]
            env |= {x.name: v * (scale if name == "q" else 1 / largest) for x, v in zip(symbols, map(float, at))}
        env |= {x.name: (j + 0.9) / (self.k + 0.7) for j, x in enumerate(self.m)}
        if isinstance(model.weights, Spherical):
            env["lambda"] = 8.3 if self.m else 4.3  # the s coupled spheres need lam > s q_hat
        kappa, beta = model.kappa, model.beta
        kappa = kappa[0] if isinstance(kappa, tuple) else kappa
        if isinstance(model.likelihood, str):
            # at kappa = 0 a term proportional to kappa could not be judged
            wide = MARGIN * math.sqrt(scale)
            env["kappa"] = 0.0 if self.teacher or not model.margin else float(np.clip(kappa or 0.31 * math.sqrt(scale), -wide, wide))
            if beta is not None:
                env["beta"] = beta[0] if isinstance(beta, tuple) else beta
                env["beta"] = env["beta"] or 1.0
        if isinstance(model, StochasticPerceptron):
            env |= {"beta": float(np.clip(env["beta"], *TEMPERATURES)), "qstar": scale}
        return env

    def unit(self, x: sp.Symbol) -> float:
        """Natural size of an order parameter: overlaps are as large as the weights squared, their conjugates as the inverse."""
        if "Q" not in self.env:
            return 1.0  # weights of a fixed norm
        norm = float(self.env["Q"])
        return norm if x in (*self.q, S.Q) else 1 / norm if x in (*self.c, S.lam) else 1.0

    def evaluate(self, expr: sp.Expr, env: Env) -> float:
        """The referee's number; `rsb_steps` puts one for nested towers here."""
        return float(evaluate(expr, env, self.leaves))

    def value(self, expr: sp.Expr, **changes: Any) -> float:
        return self.evaluate(sp.sympify(expr), {**self.env, **changes})

    def add(
        self, title: str, statement: str, lhs: str, expr: sp.Expr, why: str, checker: Checker, checked_by: str
    ) -> sp.Expr:
        self.steps.append(Step(len(self.steps) + 1, title, statement, lhs, expr, why, checker, checked_by))
        return expr

    def at_sizes(
        self,
        reference: Callable[[Sizes, Env], float],
        tolerance: float,
        environment: Callable[[Sizes], Env] | None = None,
    ) -> Checker:
        """Compare an expression with an independent number at a few whole numbers of coupled replicas and block sizes."""
        targets: dict[Sizes, float] = {}

        def check(expr: sp.Expr) -> tuple[float, float]:
            worst = 0.0
            for sizes in self.sizes:
                env: Env = {**self.env, "n": float(sizes[0] - self.base)}
                env = {**env, **{x.name: float(m) for x, m in zip(self.m, sizes[1:])}}
                if environment is not None:
                    env = {**env, **environment(sizes)}
                if sizes[0] == self.base:
                    env = {**env, "n": 1e-300}  # the teacher alone
                if sizes not in targets:
                    targets[sizes] = reference(sizes, env)
                target = targets[sizes]
                worst = max(worst, apart(self.evaluate(expr, env), target))
            return worst, tolerance

        return check

    def against(self, previous: sp.Expr, tolerance: float) -> Checker:
        """Compare with an earlier expression at whole numbers of replicas."""
        return self.at_sizes(lambda sizes, env: self.evaluate(previous, env), tolerance)

    @property
    def counted(self) -> str:
        """The numbers of replicas that the checks before the limit run over, in words."""
        return f"{'n' if self.m else 's'} = {', '.join(map(str, sorted({x[0] for x in self.sizes})))}"

    @property
    def tried(self) -> str:
        """The same with the sizes of the blocks."""
        names = ", ".join(["n", *map(plain, self.m)])
        return f"blocks ({names}) = {', '.join('(' + ', '.join(map(str, x)) + ')' for x in self.sizes)}"


def richardson(values: list[float]) -> float:
    """Limit h -> 0 of values at h, h/2, h/4, ... for a series in integer powers."""
    table = list(values)
    for k in range(1, len(table)):
        table = [(2**k * b - a) / (2**k - 1) for a, b in itertools.pairwise(table)]
    return table[-1]


def difference(f: Callable[[float], float], x: float, step: float | None = None) -> float:
    """First derivative by a sixth-order central stencil, of a step relative to x != 0 unless given."""
    h = step if step is not None else 0.02 * abs(x)
    return sum(c * (f(x + m * h) - f(x - m * h)) for m, c in ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))) / h


def apart(value: float, target: float, unit: float = 1.0) -> float:
    """Difference relative to the target, or to the natural unit of both where the target is smaller."""
    return abs(value - target) / max(unit, abs(target))


def plain(x: sp.Symbol) -> str:
    """A symbol as the prose of a step writes it: q_hat, q_hat_1, p_hat, m_1."""
    name = x.name.replace("hat", "_hat").replace("qstar", "q_star")
    stem = name.rstrip("0123456789")
    level = name[len(stem) :]
    return f"{stem}_{level}" if level else name
