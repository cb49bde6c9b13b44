"""The steps after the limit: closed forms, the eliminated conjugates of the sphere, and the saddle-point equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from . import symbols as S
from .franz_parisi import PARTNERS, Constrained, gaussian_sites, saddle_point, site_tower
from .franz_parisi_bench import Bench
from .functional import latex, split
from .nodes import linear
from .numeric import evaluate
from .replica_steps import definition_of, differentiate
from .workshop import DIFFERENCED, EXACT, apart, difference, plain


def local_integrals(w: Bench) -> None:
    for name in ("g", "f", "F"):
        leaf = w.leaves[name]
        if leaf.closed is None or (name == "g" and w.spherical):
            continue
        grid = {leaf.field.name: np.array([-1.3, 0.4, 2.1]), leaf.variable.name: np.array([0.6, 0.9, 1.4])}

        def check(expr: sp.Expr, leaf: Any = leaf, grid: Any = grid) -> tuple[float, float]:
            env = {**w.env, **grid}
            closed, direct = (np.asarray(evaluate(e, env, w.leaves)) for e in (expr, leaf.node(leaf.variable)))
            return float(np.max(np.abs(closed - direct))), EXACT

        what = "the sum over one weight" if name == "g" else "the Gaussian average of the likelihood"
        whose = " of the reference" if name == "F" else ""
        w.add(
            f"Local integral {name}",
            f"In closed form, {what}{whose} is",
            definition_of(leaf),
            leaf.closed,
            "The sum over the finite set." if name == "g" else "A likelihood that is constant on intervals gives tails H of the Gaussian.",
            check,
            "direct sum or quadrature of the definition at three points",
        )


def gaussian_weights(w: Bench, free: sp.Expr) -> None:
    """The sphere: sites in closed form, conjugates eliminated."""
    if not w.spherical:
        return
    sites = site_tower(w.leaves, w.reference, S.lam)
    before = free.xreplace({sites: gaussian_sites(w.reference)})

    def same(e: sp.Expr) -> tuple[float, float]:
        return abs(w.value(e) - w.value(free)), EXACT * 100

    w.add(
        "Gaussian weights",
        r"On the sphere g = h^2/(2 lambda) - (log lambda + 1)/2, and $\mathbb{E}h^2=\hat q+2u\hat t(1-\tilde q)+u^2$ with $u=\hat p-\hat t+D$."
        if not w.reference.even
        else r"On the sphere g = h^2/(2 lambda) - (log lambda + 1)/2, and $\mathbb{E}h^2=\hat q+(\hat p+D)^2$.",
        r"\phi",
        before,
        r"At the saddle point of the reference $\mathbb{E}\tilde w^2=1$ and $\mathbb{E}[\tilde h\tilde w]=\hat{\tilde q}(1-\tilde q)$.",
        same,
        "quadrature over x, w~ and z at the saddle point of the reference",
    )
    f = w.functional
    changes = f.eliminated
    for symbol, solution in changes.items():
        others = {k.name: v for k, v in changes.items() if k != symbol}

        def check(expr: sp.Expr, symbol: sp.Symbol = symbol, others: Any = others) -> tuple[float, float]:
            at = {symbol.name: w.value(expr), **{k: w.value(v) for k, v in others.items()}}
            slopes = [difference(lambda y, k=k: w.value(before, **{**at, k: y}), at[k]) for k in at]  # type: ignore[misc]
            return max(map(abs, slopes)), DIFFERENCED

        w.add(
            f"Eliminate {plain(symbol)}",
            "The conjugates of the sphere solve in closed form.",
            latex(symbol),
            solution,
            "Stationarity of the entropy in the conjugates.",
            check,
            "finite differences of the entropy vanish there",
        )

    def reduced(e: sp.Expr) -> tuple[float, float]:
        return abs(w.value(e) - w.value(before, **{k.name: w.value(v) for k, v in changes.items()})), EXACT

    w.add(
        "Reduced entropy",
        "What is left to extremise.",
        r"\phi",
        f.expr,
        "The conjugates found above are inserted. This is the functional that is solved.",
        reduced,
        "the unreduced entropy at the same point",
    )


def equations(w: Bench) -> None:
    f = w.functional
    assert isinstance(f, Constrained)
    algebraic, towers = split(f.expr)
    fields = "The fields depend on it through their factors, at fixed x, z and w~."
    heat = (
        r"$\partial_Vf=\frac12(f''+f'^2)$, also for F; $b\gamma=p-t$; $E_z e^F$ does not depend on b; "
        r"$\langle F'\rangle_z=F'(\tilde\omega_0;\tilde Q-\tilde q)$."
    )
    found = saddle_point(f)
    for y in f.unknowns:
        raw = algebraic.diff(y) + linear(towers.diff(y))
        differentiate(w, y, raw, fields, heat)
        _equation(w, y, found[PARTNERS[y]])


def _equation(w: Bench, y: sp.Symbol, rhs: sp.Expr) -> None:
    f, target = w.functional, PARTNERS[y]
    eliminated = target in f.eliminated

    def check(expr: sp.Expr) -> tuple[float, float]:
        slope = difference(lambda v: w.value(f.expr, **{y.name: v}), w.env[y.name])
        if eliminated:
            coefficient = {S.q_hat: 0.5, S.t_hat: 1.0, S.p_hat: -1.0}[target]
            now = w.value(f.eliminated[target])
        else:
            coefficient = w.value(split(f.grad()[y])[0].diff(target))
            now = w.env[target.name]
        predicted = now - slope / coefficient
        return apart(w.value(expr), predicted), DIFFERENCED

    name = plain(target)
    why = f"d phi/d {plain(y)} = 0 solved for {name}."
    w.add(
        f"Saddle point: equation for {name}",
        "At the saddle point,",
        latex(target),
        rhs,
        why + (" $w^2=1$: $g''=1-g'^2$." if y == S.q_hat and not w.spherical else ""),
        check,
        "off the saddle, the residual equals the finite difference of the entropy over the coefficient",
    )


def slope(w: Bench) -> None:
    f = w.functional

    def check(e: sp.Expr) -> tuple[float, float]:
        slope = difference(lambda y: w.value(f.expr, d=y), w.env["d"])
        return abs(w.value(e) - slope), DIFFERENCED

    w.add(
        "Slope of the entropy",
        "The multiplier of the distance is the slope of the entropy along the curve of saddle points.",
        r"\frac{d\phi}{dd}",
        2 * S.D,
        "All other derivatives vanish at the saddle point; d stands in the algebra only.",
        check,
        "finite difference of the entropy in d at fixed order parameters",
    )


__all__ = ["equations", "gaussian_weights", "local_integrals", "slope"]
