r"""The replica-symmetric free entropy of a fully connected committee, whose units share their inputs: matrix overlaps.

Overlaps of two replicas, Q_jk^{ab} = W_j^a.W_k^b/N, are K x K matrices. With a Bayes-optimal teacher (one more replica)
they are q for a != b and Q 1 for a = b: independent units do not overlap. Conjugates q_hat alike. Per weight,

    phi = (1/K) extr{ Psi_prior(q_hat) - tr(q q_hat)/2 + alpha K Psi_out(q) },
    Psi_out = sum_y E_omega Z_y log Z_y,   Z_y = P(B(omega + V^{1/2} z) = y),   omega ~ N(0, q), V = Q 1 - q.

Both sides obey the heat equation of matrices (`nodes`), d f/dV_jk = f_jk + f_j f_k, half of it for j = k.

The units are alike, so q commutes with their permutations: q on the diagonal and q_c off it, with eigenvalues
q_+ = q + (K-1) q_c (once, the sum of the units) and q_- = q - q_c (K-1 times, their differences). q_- = 0 leaves the units
of a student undecided, q_- > 0 is the specialised state, one of K! that relabel the units. Factors carried are
omega_j = sqrt(q_-) t_j + (sqrt(q_+) - sqrt(q_-)) sum_k t_k/K, which may lose rank.
"""
from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy as sp

from ..committees import Committee
from ..models import Discrete, Spherical
from . import rs
from . import symbols as S
from .committee_leaves import distinct, eigenvalues, leaves_of
from .functional import Functional, split
from .nodes import Gaussian, Leaf, Level, Tilt, saddle_form

VALUES = 5  # of a weight: checks sum over those of six, the units of several replicas
UNITS = (2, 3)  # derived: a check sums over the fields of all units of several replicas


def matrix(K: int, diagonal: Any, off: Any) -> sp.ImmutableMatrix:
    """The permutation-symmetric K x K matrix."""
    return sp.ImmutableMatrix(K, K, lambda a, b: diagonal if a == b else off)


def level(power: Any, K: int, diagonal: Any, off: Any, normals: Any, fields: Any) -> Level:
    """Gaussian fields of permutation-symmetric covariance."""
    plus, minus = (sp.sqrt(x) for x in eigenvalues(K, diagonal, off))
    L = minus * sp.eye(K) + (plus - minus) / K * sp.ones(K)
    return Level(power, Gaussian(), L, normals, fields, [0] * K)


def pattern_level(power: Any, K: int) -> Level:
    """omega of covariance q."""
    return level(power, K, S.q, S.q_c, S.normals(K), S.fields(K))


def weight_level(power: Any, K: int) -> Level:
    """h of covariance q_hat."""
    return level(power, K, S.q_hat, S.q_hat_c, S.weight_normals(K), S.weight_fields(K))


def undecided_level(power: Any, K: int, side: str) -> Level:
    """Equal fields of all units, from one normal: q_- = 0."""
    variance, normal = (S.q, S.t) if side == "f" else (S.q_hat, S.z)
    names = S.fields(K) if side == "f" else S.weight_fields(K)
    return Level(power, Gaussian(), sp.sqrt(variance) * sp.ones(K, 1), normal, names, [0] * K)


class MatrixFunctional(Functional):
    """phi(q, q_c[, q_hat, q_hat_c]; alpha). Calling it evaluates phi off the saddle."""

    def derivative(self, expr: sp.Expr, x: sp.Symbol) -> sp.Expr:
        """d expr/dx in field derivatives only."""
        algebra, towers = split(expr)
        return sp.factor(algebra.diff(x)) + saddle_form(towers.diff(x))

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:
        return (S.alpha,)

    def __call__(self, **values: Any) -> float:
        """phi at any point: ``q, q_c, alpha`` and, for discrete weights, ``q_hat, q_hat_c``."""
        return super().__call__(**{k.replace("q_hat", "qhat"): v for k, v in values.items()})


def check(model: Any) -> Committee:
    """The model, if its derivation is known; else a ValueError that names the argument."""
    if not isinstance(model, Committee):
        raise ValueError(f"model: got {model!r}; takes a Committee")
    if not model.teacher:
        raise ValueError(f"task: got {model.task!r} with a fully connected committee; its derivation takes teacher-student")
    if model.K not in UNITS:
        raise ValueError(f"K: got {model.K} in a derivation of a fully connected committee; takes {', '.join(map(str, UNITS))}")
    if isinstance(model.weights, Discrete) and len(model.weights.values) > VALUES:
        raise ValueError(
            f"weights: got {model.weights.name} in a derivation of a fully connected committee; takes spherical, or a set of at "
            f"most {VALUES} values (its checks sum over the weights of six units)"
        )
    return model


def prior_algebra(K: int) -> sp.Expr:
    """-tr(q q_hat)/(2K)."""
    return -(S.q * S.q_hat + (K - 1) * S.q_c * S.q_hat_c) / 2


def output(K: int, norm: sp.Expr) -> sp.Expr:
    """Psi_out: sum over labels of their probability times the mean of f_y tilted by one replica."""
    V = matrix(K, norm - S.q, -S.q_c)
    total = sp.S.Zero
    for name, many, probability in distinct(K):
        f = Leaf(name, 1, [0] * K, 0, S.fields(K), V)
        total += many * probability * Tilt(pattern_level(1, K), f, f)
    return total


@lru_cache(maxsize=16)
def functional(model: Committee) -> MatrixFunctional:
    """The reduced functional: per weight, of q, q_c and, unless the weights are Gaussian, of q_hat, q_hat_c.

    ``eliminated`` gives the conjugates that are gone; ``observables["specialisation"]`` is the eigenvalue that changes
    sign where the state of undecided units (q_c = q, q_hat_c = q_hat) becomes unstable.
    """
    K, leaves, norm = check(model).K, leaves_of(model), rs.self_overlap(model)
    out = sp.Add(*(S.alpha * t for t in sp.Add.make_args(output(K, norm))))
    if isinstance(model.weights, Spherical):
        plus, minus = eigenvalues(K, S.q, S.q_c)
        free = S.q / 2 + (sp.log(1 - plus) + (K - 1) * sp.log(1 - minus)) / (2 * K) + out
        hats = [x / (1 - x) for x in (plus, minus)]
        hat, hat_c = (hats[0] + (K - 1) * hats[1]) / K, (hats[0] - hats[1]) / K
        eliminated = {S.q_hat: sp.factor(hat), S.q_hat_c: sp.factor(hat_c)}
        eliminated |= {S.lam: sp.factor(1 + hat), S.lam_c: sp.factor(hat_c)}
        unknowns: tuple[sp.Symbol, ...] = (S.q, S.q_c)
    else:
        eliminated = {S.lam: S.q_hat, S.lam_c: S.q_hat_c}
        g = Leaf("g", -1, [0] * K, 0, S.weight_fields(K), matrix(K, S.q_hat, S.q_hat_c))
        free = sp.expand(prior_algebra(K)) + Tilt(weight_level(1, K), g, g) / K + out
        unknowns = (S.q, S.q_c, S.q_hat, S.q_hat_c)
    found = MatrixFunctional(free, unknowns, norm, 1, leaves, eliminated, {}, model)
    found.observables["specialisation"] = 1 - S.alpha * response(K, norm) * weight_response(model)
    return found


def state_evolution(model: Committee) -> dict[sp.Symbol, sp.Expr]:
    """The saddle-point equations solved for each overlap: q_hat_jk = alpha K sum_y E Z_y d_j f_y d_k f_y, q_jk = E <w_j><w_k>.

    The conjugates are functions of q, q_c, alpha; the overlaps of q_hat, q_hat_c.
    """
    f, K = functional(model), model.K
    grad = f.grad()
    found = {hat: 2 * split(grad[x])[1] / many for x, hat, many in ((S.q, S.q_hat, 1), (S.q_c, S.q_hat_c, K - 1))}
    if isinstance(model.weights, Spherical):
        plus, minus = (x / (1 + x) for x in eigenvalues(K, S.q_hat, S.q_hat_c))
        found |= {S.q: sp.factor((plus + (K - 1) * minus) / K), S.q_c: sp.factor((plus - minus) / K)}
    else:
        found |= {x: 2 * split(grad[hat])[1] / many for x, hat, many in ((S.q, S.q_hat, 1), (S.q_c, S.q_hat_c, K - 1))}
    return {x: sp.expand(expr, deep=False) if expr.has(Tilt) else expr for x, expr in found.items()}


def relative_square(side: str, name: str, K: int, V: sp.ImmutableMatrix) -> sp.Expr:
    """<(f_11 - f_12)^2> where all units have one field: the square of the response of f_1 - f_2 to a difference of fields."""
    sign, fields = (1, S.fields(K)) if side == "f" else (-1, S.weight_fields(K))
    f = Leaf(name, sign, [0] * K, 0, fields, V)
    difference = f.raised(0).raised(0) - f.raised(0).raised(1)
    return Tilt(undecided_level(1, K, side), f, difference**2)


def response(K: int, norm: sp.Expr) -> sp.Expr:
    """d q_hat_-/d q_- at q_- = 0, per alpha."""
    V = matrix(K, norm - S.q, -S.q)
    return sp.Add(*(K * many * p * relative_square("f", name, K, V) for name, many, p in distinct(K)))


def weight_response(model: Committee) -> sp.Expr:
    """d q_-/d q_hat_- at q_hat_- = 0: one for Gaussian weights."""
    if isinstance(model.weights, Spherical):
        return sp.S.One
    return relative_square("g", "g", model.K, matrix(model.K, S.q_hat, S.q_hat))
