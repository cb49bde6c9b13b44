"""Two coupled groups of explicit replicas: n of the reference, the first of them the one around which s of the weights live.

`GroupIntegral` is brute force on product grids; `one_factor` reaches the same numbers by one-dimensional integrals where all
overlaps have a common factor.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from . import symbols as S
from .franz_parisi import Reference
from .leaves import LeafDefinition
from .numeric import Z_NODES, Z_WEIGHTS, Env, NumericNode, evaluate, leaf_value, tabulated
from .overlaps import GRID_POINTS

Leaves = Mapping[str, Any]


def site_leaf(ref: Reference) -> LeafDefinition:
    """G(h; lam) = log int dmu(w~) exp(h w~ - lam w~^2/2), one weight of the reference."""
    if ref.tilted:
        nodes, weight = ref.measure.nodes()
    else:
        nodes, weight = (np.array([float(v) for v in part]) for part in ref.measure.args)
    logs = np.log(weight)
    text = r"\log\int d\mu(\tilde w)\,e^{h\tilde w-\lambda\tilde w^2/2}"
    return LeafDefinition("Gamma", -1, S.h, S.lam, None, text, lambda env, most=0: (nodes, logs))


def exponent_of(ref: Reference) -> sp.Expr:
    """lam~, or 0 where w~^2 is constant."""
    return S.lam_ref if ref.tilted else sp.S.Zero


class GroupIntegral(NumericNode):
    """log of the integral over n + s replicas: side "w" with exp(x^T M x/2 + D sum_a sigma(w~_1) w_a), side "u" with N(u; 0, M).

    matrix : the name of an explicit one, or the entries (own, pair) of the references, (own, other) between the groups and
    (own, pair) of the weights; signs : whether sigma is the sign, else w~_1 itself.
    """

    def __new__(cls, side: str, n: sp.Expr, s: sp.Expr, matrix: Any, signs: bool) -> GroupIntegral:
        matrix = sp.Symbol(matrix) if isinstance(matrix, str) else sp.Tuple(*matrix)
        return sp.Expr.__new__(cls, sp.Symbol(str(side)), n, s, matrix, sp.Integer(bool(signs)))

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        entries = self.args[3].free_symbols if isinstance(self.args[3], sp.Tuple) else set()
        return entries | self.args[1].free_symbols | self.args[2].free_symbols | ({S.D} if self.side == "w" else set())

    side = property(lambda self: self.args[0].name)

    def numeric(self, env: Env, leaves: Leaves) -> float:
        n, s = (round(float(evaluate(x, env, leaves))) for x in self.args[1:3])
        if isinstance(self.args[3], sp.Tuple):
            M = structured([float(evaluate(x, env, leaves)) for x in self.args[3]], n, s)
        else:
            M = np.asarray(env[self.args[3].name])
        of_ref, own = ("Gamma", "g") if self.side == "w" else ("F", "f")
        kinds, rest = [of_ref] * n + [own] * s, 0.0
        if self.side == "u":
            rest = -0.5 * (n + s) * math.log(2 * math.pi) - 0.5 * float(np.linalg.slogdet(M)[1])
            M = -np.linalg.inv(M)
        most = int(GRID_POINTS ** (1 / (n + s)))
        grids = [leaves[k].measure(env, most) for k in kinds]
        axes = np.meshgrid(*(x for x, _ in grids), indexing="ij", sparse=True)
        exponent = np.asarray(sum(np.meshgrid(*(w for _, w in grids), indexing="ij", sparse=True)))
        for i, j in itertools.product(range(n + s), repeat=2):
            exponent = exponent + 0.5 * M[i, j] * axes[i] * axes[j]
        if self.side == "w":
            sigma = np.sign(axes[0]) if self.args[4] else axes[0]
            for a in range(n, n + s):
                exponent = exponent + env["D"] * sigma * axes[a]
        top = float(np.max(exponent))
        return rest + top + math.log(float(np.sum(np.exp(exponent - top))))

    def _sympystr(self, printer: Any) -> str:
        return f"log Int_{self.side}[{printer._print(self.args[3])}; {printer._print(self.args[1])}, {printer._print(self.args[2])}]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        n, s = (printer._print(x) for x in self.args[1:3])
        explicit = not isinstance(self.args[3], sp.Tuple)
        if self.side == "u":
            M = "Q" if explicit else r"Q(\tilde q,p,t,q)"
            return rf"\log\int d^{{{n}+{s}}}u\,\mathcal N(u;0,{M})\prod_{{a\leq {n}}}\tilde\Theta(u_a)\prod_{{a>{n}}}\Theta(u_a)"
        sigma = r"\operatorname{sign}(\tilde w_1)" if self.args[4] else r"\tilde w_1"
        M = r"\hat Q_{ab}" if explicit else r"\hat Q_{ab}(\hat{\tilde q},\hat p,\hat t,\hat q)"
        return (
            rf"\log\int\prod_{{a\leq {n}}}d\mu(\tilde w_a)\prod_{{a>{n}}}dP(w_a)\,"
            rf"e^{{\frac12\sum_{{ab}}{M}w_aw_b+D\,{sigma}\sum_{{a>{n}}}w_a}}"
        )


def structured(entries: list[float], n: int, s: int) -> np.ndarray:
    """The replica-symmetric matrix of two groups, of which only the first reference is special to the weights."""
    own_ref, pair_ref, own, other, self_, pair = entries
    M = np.full((n + s, n + s), pair)
    M[:n, :n] = pair_ref
    M[:n, n:], M[n:, :n] = other, other
    M[0, n:] = M[n:, 0] = own
    M[np.arange(n + s), np.arange(n + s)] = [own_ref] * n + [self_] * s
    return M


def fields_by_factor(v: np.ndarray, d: np.ndarray, n: int, env: Env, leaves: Leaves) -> float:
    """The field integral at covariance v v^T + diag(d): given the common factor, leaves multiply."""
    total = sum(leaf_value(leaves["F" if i < n else "f"], 0, 0, v[i] * Z_NODES, d[i], env) for i in range(len(v)))
    return math.log(float(Z_WEIGHTS @ np.exp(total)))


def sites_by_factor(c: np.ndarray, e: np.ndarray, n: int, signs: bool, env: Env, leaves: Leaves) -> float:
    """The weight integral at conjugates c c^T - diag(e): given the factor and w~_1, leaves multiply."""
    rest = sum((leaf_value(leaves["Gamma"], 0, 0, c[i] * Z_NODES, e[i], env) for i in range(1, n)), np.zeros(Z_NODES.size))
    x, logs = (v[:, None] for v in leaves["Gamma"].measure(env))
    shift = float(env["D"]) * (np.sign(x) if signs else x)
    near = sum(
        tabulated(lambda h, i=i: leaf_value(leaves["g"], 0, 0, h, e[i], env), c[i] * Z_NODES + shift, 1.0)  # type: ignore[misc]
        for i in range(n, len(c))
    )
    total = np.exp(logs + c[0] * Z_NODES * x - e[0] * x**2 / 2 + near).sum(axis=0)
    return math.log(float(Z_WEIGHTS @ (total * np.exp(rest))))


class CrossMoment(NumericNode):
    """log mean_disorder sum_r P_r^{...}: (sum_r P_r)^{n-1} sum_r P_r Z_r^s of a toy system with a few references r."""

    def __new__(cls, n: sp.Expr, s: Any) -> CrossMoment:
        return sp.Expr.__new__(cls, sp.sympify(n), sp.sympify(s))

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return self.args[0].free_symbols | self.args[1].free_symbols

    def numeric(self, env: Env, leaves: Leaves) -> float:
        n, s = (float(evaluate(x, env, leaves)) for x in self.args)
        P, log_Z = np.asarray(env["toy_P"]), np.asarray(env["toy_logZ"])
        return math.log(float(np.mean(P.sum(axis=1) ** (n - 1) * (P * np.exp(s * log_Z)).sum(axis=1))))

    def _sympystr(self, printer: Any) -> str:
        n, s = (printer._print(x) for x in self.args)
        return f"log mean(Z~^({n}-1) sum_w~ P(w~) Z(w~)^{s})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        n, s = (printer._print(x) for x in self.args)
        power = "" if s == "0" else rf"\,Z(\tilde W)^{{{s}}}"
        return rf"\log\overline{{\tilde Z^{{{n}-1}}\sum_{{\tilde W}}\tilde P(\tilde W){power}}}"


__all__ = ["CrossMoment", "GroupIntegral", "exponent_of", "fields_by_factor", "site_leaf", "sites_by_factor", "structured"]
