r"""Overlap matrices of n replicas in nested blocks: closed forms in symbolic n and m_j, and the rule that decouples them.

Replicas sit in blocks of sizes n = m_0 >= m_1 >= ... >= m_k >= 1; two that share a block of size m_j but none of size
m_{j+1} have overlap q_j. With J_m the matrix of ones in the blocks of size m,

.. math:: M = (Q - q_k)\,1 + \sum_{j=0}^k (q_j - q_{j-1})\, J_{m_j}, \qquad q_{-1} = 0

has the eigenvalues L_k = Q - q_k, L_{j-1} = L_j + m_j (q_j - q_{j-1}) and L_n = L_0 + n q_0 on the uniform vector. No
block but the whole, k = 0, is replica symmetry. As n -> 0 the order turns round: 0 <= m_1 <= ... <= m_k <= 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import sympy as sp

from .leaves import LeafDefinition
from .nodes import Gaussian, Leaf, Level, LogMean
from .numeric import Env, Matrix, Named, evaluate
from .overlaps import ReplicaIntegral

Units: TypeAlias = sp.Symbol | tuple[sp.Symbol, ...]  # one field of a level, or one for each unit of a tree


def steps(x: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
    """q_0, q_1 - q_0, ..., q_k - q_{k-1}: the variance that each level adds."""
    return (x[0], *(b - a for a, b in itertools.pairwise(x)))


@dataclass(frozen=True)
class Hierarchical:
    """The matrix with ``diag`` on the diagonal and ``values`` q_0, ..., q_k in blocks of ``sizes`` n, m_1, ..., m_k.

    named : print the eigenvalues as L_n, L_0, ..., L_k (or another ``letter``) instead of writing them out.
    """

    diag: sp.Expr
    values: tuple[sp.Expr, ...]
    sizes: tuple[sp.Expr, ...]
    named: bool = False
    letter: str = "L"

    @property
    def k(self) -> int:
        return len(self.values) - 1

    @cached_property
    def eigenvalues(self) -> tuple[sp.Expr, ...]:
        """L_n, L_0, ..., L_k, outermost first."""
        found = [self.diag - self.values[-1]]
        for m, step in zip(reversed(self.sizes), reversed(steps(self.values))):
            found.insert(0, found[0] + m * step)
        if not self.named:
            return tuple(found)
        names = ("n", *range(self.k + 1))
        return tuple(Named(sp.Symbol(f"{self.letter}_{name}", positive=True), x) for name, x in zip(names, found))

    def log_determinant(self) -> sp.Expr:
        """log L_n + sum_j (n/m_{j+1} - n/m_j) log L_j: a block of size m_j splits into m_j/m_{j+1} of the next size."""
        n, sizes = self.sizes[0], (*self.sizes, sp.S.One)
        uniform, *rest = self.eigenvalues
        return sp.log(uniform) + sp.Add(
            *((n / inner - n / outer) * sp.log(x) for x, (outer, inner) in zip(rest, itertools.pairwise(sizes)))
        )

    def inverse(self) -> Hierarchical:
        """The same blocks with 1/L_k on the directions of L_k: each step q_j - q_{j-1} becomes -(q_j - q_{j-1})/(L_{j-1} L_j)."""
        values: list[sp.Expr] = []
        for step, (outer, inner) in zip(steps(self.values), itertools.pairwise(self.eigenvalues)):
            values.append((values[-1] if values else sp.S.Zero) - step / (outer * inner))
        return Hierarchical(1 / self.eigenvalues[-1] + values[-1], tuple(values), self.sizes)

    def trace_product(self, other: Hierarchical) -> sp.Expr:
        """sum_ab M_ab O_ab: each replica has m_j - m_{j+1} partners at overlap q_j."""
        n, sizes = self.sizes[0], (*self.sizes, sp.S.One)
        partners = [outer - inner for outer, inner in itertools.pairwise(sizes)]
        pairs = zip(partners, self.values, other.values)
        return n * self.diag * other.diag + sp.Add(*(n * count * q * o for count, q, o in pairs))

    def quadratic_form(self) -> tuple[sp.Expr, tuple[sp.Expr, ...]]:
        """(a, b_0, ..., b_k) of x^T M x = a sum_a x_a^2 + sum_j b_j sum_{blocks of size m_j} (sum_{a in block} x_a)^2."""
        return self.diag - self.values[-1], steps(self.values)

    def explicit(self, sizes: Sequence[int], env: Env) -> Matrix:
        """The numerical matrix for whole numbers n, m_1, ..., m_k that divide each other."""
        diag, *values = (float(evaluate(sp.sympify(x), env, {})) for x in (self.diag, *self.values))
        return block_matrix(diag, values, sizes).view(Matrix)


def block_matrix(diag: float, values: Sequence[float], sizes: Sequence[int]) -> np.ndarray:
    """Entry by entry: the innermost block that two replicas share decides."""
    n = sizes[0]
    M = np.empty((n, n))
    for a, b in itertools.product(range(n), repeat=2):
        shared = max(j for j, m in enumerate(sizes) if a // m == b // m)
        M[a, b] = diag if a == b else values[shared]
    return M


class Eigenframe:
    """Rational functions of the entries of a hierarchical matrix, rewritten in its eigenvalues and back.

    In the eigenvalues every determinant and completed square is a monomial, so that sums of logarithms cancel by expansion.
    """

    def __init__(self, matrix: Hierarchical):
        self.L = [sp.Symbol(f"L{j}_", positive=True) for j in range(matrix.k + 2)]
        value: sp.Expr = sp.S.Zero
        self.entries: dict[sp.Expr, sp.Expr] = {}
        for j, (m, q) in enumerate(zip(matrix.sizes, matrix.values)):
            value += (self.L[j] - self.L[j + 1]) / m
            self.entries[q] = value
        self.entries[matrix.diag] = self.L[-1] + value
        self.steps = {
            sp.cancel((self.L[j] - self.L[j + 1]) / m): step
            for j, (m, step) in enumerate(zip(matrix.sizes, steps(matrix.values)))
        }
        self.names = dict(zip(matrix.eigenvalues, self.L))
        self.back = dict(zip(self.L, (x.args[1] if isinstance(x, Named) else x for x in matrix.eigenvalues)))

    def forward(self, expr: sp.Expr) -> sp.Expr:
        return sp.factor(sp.together(expr.xreplace(self.names).subs(self.entries, simultaneous=True)))

    def backward(self, expr: sp.Expr) -> sp.Expr:
        """In the entries; a difference of neighbouring eigenvalues is the step between two overlaps."""
        return self.steps.get(sp.cancel(expr), expr).xreplace(self.back)

    def cancel_logarithms(self, expr: sp.Expr) -> sp.Expr:
        """Simplify a sum of logarithms of monomials in the eigenvalues."""
        inside = expr.replace(sp.log, lambda x: sp.log(self.forward(x)))
        return sp.expand(sp.expand_log(inside, force=True)).xreplace(self.back)


def decouple(
    node: ReplicaIntegral,
    leaf: LeafDefinition,
    normals: Sequence[Units],
    fields: Sequence[Units],
    frame: Eigenframe,
) -> tuple[sp.Expr, sp.Expr]:
    r"""Nested Hubbard-Stratonovich, one Gaussian a level: (algebraic terms, n LogMean_n[LogMean_{m_1}[... leaf]]).

    Every block of size m_j gets a normal z_j with exp(b_j (sum x)^2/2) = E exp(sqrt(b_j) z_j sum x); given all of them
    the replicas are independent. For weights one replica is then the leaf g itself. For fields the square in u_a is
    completed, which leaves exp(c h^2/2) per replica with c = 1/a; going outwards, a block of m replicas turns
    E_z exp(m c (h + sqrt(b) z)^2/2) into a normal of variance b/(1 - m c b) about h/(1 - m c b), and c into c/(1 - m c b).
    The branches of a tree are decoupled each by its own normals.

    Parameters
    ----------
    node : the replica integral; leaf : g (weights) or f (fields); normals, fields : one symbol a level, outermost first
        (for a tree one a branch and level).
    frame : eigenvalues of the overlap matrix, in which the completed squares are monomials.
    """
    n = node.sizes[0]
    algebra: sp.Expr = sp.S.Zero
    if node.side == "w":
        V, widths = node.a, [sp.sqrt(b) for b in node.b]
    else:
        V = 1 / node.a
        c = frame.forward(V)
        algebra = n * sp.log(2 * sp.pi * c) / 2
        widths = []
        for m, b in zip(reversed(node.sizes), (frame.forward(b) for b in reversed(node.b))):
            shrink = sp.factor(1 - m * b * c)
            widths.insert(0, sp.sqrt(frame.backward(c**2 * b / shrink)))
            algebra -= (n / m) * sp.log(shrink) / 2
            c = sp.factor(c / shrink)
        V = frame.backward(frame.forward(V))
        algebra = algebra.xreplace(frame.back)
    return node.branches * algebra, n * tower(node.sizes, widths, leaf.node(V), normals, fields)


def tower(
    powers: Sequence[sp.Expr],
    widths: Sequence[sp.Expr],
    leaf: Leaf,
    normals: Sequence[Units],
    fields: Sequence[Units],
) -> sp.Expr:
    """LogMean(m_0)[LogMean(m_1)[... leaf]]: each level's field starts from the one outside it, and so do those of several units."""
    phi: sp.Expr = Leaf(leaf.name, leaf.sign, leaf.k, leaf.j, fields[-1], leaf.V)
    units = len(leaf.w)
    for j in reversed(range(len(widths))):
        at = fields[j - 1] if j else [sp.S.Zero] * units
        phi = LogMean(Level(powers[j], Gaussian(), widths[j] * sp.eye(units), normals[j], fields[j], at), phi)
    return phi


def gaussian_tower(powers: Sequence[sp.Expr], steps: Sequence[sp.Expr], lam: sp.Expr, named: bool = False) -> sp.Expr:
    r"""The tower over the Gaussian leaf h^2/(2 lam) - log(lam)/2 - 1/2 in closed form.

    (1/m) log E exp(m h^2/(2 l)) over h ~ N(at, c) is at^2/(2(l - m c)) - log(1 - m c/l)/(2m): each level takes m c off l.
    named : print what is left of lam as ell_n, ell_0, ..., ell_{k-1}.
    """
    total: sp.Expr = -sp.log(lam) / 2 - sp.Rational(1, 2)
    rest, names = lam, ["n", *range(len(steps) - 1)]
    for m, c, name in zip(reversed(powers), reversed(steps), reversed(names)):
        inner, rest = rest, rest - m * c
        if named:
            rest = Named(sp.Symbol(f"ell_{name}", positive=True), rest)
        total -= sp.log(rest / inner) / (2 * m)
    return total


def level_symbols(letter: Any, k: int, units: int = 1) -> tuple[Units, ...]:
    """One symbol a level, for several units a tuple of them; without breaking the plain letter."""
    names = (letter.name,) if k == 0 else tuple(f"{letter}{j}" for j in range(k + 1))
    if units > 1:
        return tuple(tuple(sp.Symbol(f"{name}{a}", real=True) for a in range(1, units + 1)) for name in names)
    return tuple(sp.Symbol(name, real=True) for name in names)


__all__ = [
    "Eigenframe",
    "Hierarchical",
    "block_matrix",
    "decouple",
    "gaussian_tower",
    "level_symbols",
    "steps",
    "tower",
]
