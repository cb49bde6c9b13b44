"""Configurations that others are counted around: a typical solution, one of the sphere, a state of the stochastic perceptron.

Each is a measure at its replica-symmetric saddle (`replicas.numerics.coupled.Reference`), or the reason why there is none.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..models import Discrete, Perceptron, Spherical
from ..numerics.coupled import Reference
from ..numerics.interpolation import interpolated
from ..numerics.leaf_tables import pattern_table
from ..numerics.parisi import LeafTable
from ..numerics.saddle import make_batch
from .capacity import capacity
from .saddle import solve

REFERENCES = ("typical", "spherical", "stochastic")
PANEL, NODES = 2.0, 12  # widths of a panel over the weight of a spherical reference, and its nodes
WIDE = 9.0  # standard deviations of it


class NoReference(Exception):
    """The reference does not exist; the message says where it does."""


def own_model(model: Perceptron, reference: str, reference_kappa: Any = None) -> Perceptron:
    """The perceptron whose typical solution is the reference."""
    weights = "spherical" if reference == "spherical" else model.weights
    if isinstance(model.likelihood, str):
        kappa = model.kappa if reference_kappa is None else reference_kappa
        return Perceptron(weights, kappa, model.likelihood, model.beta)
    if reference_kappa is not None:
        raise ValueError("reference_kappa: got a value for a user-defined likelihood; takes None")
    return Perceptron(weights, likelihood=model.likelihood)


def likelihood(model: Perceptron, alpha: float) -> tuple[Any, tuple[float, ...]]:
    """V -> table of f(., V), and the fields where its likelihood jumps."""
    batch = make_batch(model, alpha)
    edges = {float(e) for e in (*batch.low.flat, *batch.high.flat) if math.isfinite(e)}
    if len(edges) != 1 or batch.levels.shape[-1] != 1:  # what is violated at a price bends the leaf elsewhere, too
        return (lambda V: pattern_table(batch, V)), tuple(sorted(edges))
    (kink,) = edges
    return (lambda V: interpolated(pattern_table(batch, V), kink)), (kink,)


def typical(model: Perceptron, alpha: float) -> tuple[Reference, float]:
    """The replica-symmetric measure of the solutions of a perceptron, and their free entropy."""
    point = solve(model, alpha=alpha)
    kappa = f" at margin {model.kappa:g}" if model.margin else ""
    if point.status != "converged" or (isinstance(model.weights, Discrete) and model.hard and point.entropy < 0):
        edge = capacity(model) if model.hard and model.forbids else None
        where = "" if edge is None or edge.value is None else f"; they exist below alpha = {edge.value:.10g}"
        raise NoReference(f"no typical {model.weights.name} solution{kappa} at alpha = {alpha:g}{where}")
    leaf, kinks = likelihood(model, alpha)
    q = float(point.q)
    if isinstance(model.weights, Spherical):
        lam, q_hat = 1 / (1 - q), q / (1 - q) ** 2
        values, logs = _gaussian(q, lam)
        return Reference(q, q_hat, 1.0, leaf, kinks, values, logs, math.inf, point.stable), float(point.free_entropy)
    assert isinstance(model.weights, Discrete)
    values, logs = np.array(model.weights.values), np.array(model.weights.log_measure)
    return Reference(q, float(point.q_hat), 1.0, leaf, kinks, values, logs, math.pi / 2, point.stable), float(point.free_entropy)


def _gaussian(q: float, lam: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of a weight of the sphere, on panels that end at 0 where its sign jumps, and the logs of their weights."""
    width = 1 / math.sqrt(lam)
    reach = WIDE * (math.sqrt(q) + width)
    edges = np.linspace(-reach, reach, 2 * math.ceil(reach / (PANEL * width)) + 1)
    x, w = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges)[:, None] / 2
    nodes = ((edges[1:] + edges[:-1])[:, None] / 2 + half * x).ravel()
    return nodes, np.log((half * w).ravel()) - lam * nodes * nodes / 2


def stochastic(alpha: float, q_star: float, beta: float) -> Reference:
    """The replica-symmetric measure of the stochastic perceptron."""
    from ..numerics.stochastic import reference_leaf, reference_site
    from ..stochastic import StochasticPerceptron

    point = solve(StochasticPerceptron(q_star=q_star, beta=beta), alpha=alpha)
    if point.status != "converged":
        raise NoReference(f"no state of the stochastic perceptron at alpha = {alpha:g}, q_star = {q_star:g}, beta = {beta:g}: {point.message}")
    values, logs = reference_site(float(point.q_hat), float(point.lam))

    @lru_cache(maxsize=8)
    def leaf(V: float) -> LeafTable:
        table = reference_leaf(beta, q_star, V)
        return LeafTable(table, table.table().pole)

    kink = (math.sqrt(2 * (1 - q_star) * math.log1p(beta)),)  # where f_ref bends
    # a continuous measure on [-1, 1] has its nearest zeros no closer than the two ends alone would put them
    return Reference(float(point.q), float(point.q_hat), q_star, leaf, kink, values, logs, math.pi / 2, point.stable)
