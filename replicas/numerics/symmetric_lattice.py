r"""Lattices of K exchangeable fields: how fine, how far, and how many nodes fit.

Trapezoid sums of N(u; 0, c) F(u) are as accurate as the kernel is wide and F smooth (`parisi.step_for`). What a lattice can
resolve falls with the number of fields, whose multisets it has to hold: a number of e-folds for every K.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from .multisets import count
from .parisi import DIGITS, TooNarrow, step_for
from .tree_leaf import TreeLeaf

BYTES = 1.5e9  # memory of one tower: twenty million multisets, which take some ten seconds
RESOLVED = {1: 36.0, 2: 30.0, 3: 22.0, 4: 18.0, 5: 14.0, 6: 11.0, 7: 9.5}  # e-folds that lattices of K fields resolve
OUTER = 3.0  # and e-folds more on the outer one, whose errors no identity makes smaller
BEYOND = 1.0  # standard deviations further than where a Gaussian is down by that many e-folds
SPARED = 8.0  # and e-folds more, by which the weight of outer nodes is down that are left out
KINK = 1.5  # standard deviations out, where the kink between two fields that compete for a flip is resolved


class TooLarge(TooNarrow):
    """So many fields need more nodes than memory holds."""


def steps(leaf: TreeLeaf, c: np.ndarray, m: float, quality: float) -> list[tuple[float, float]]:
    """(step, reach) of every level: the outer one is smoothed by the inner average, too."""
    V, digits = leaf.V, RESOLVED[leaf.K]
    total = float(c.sum())
    out = []
    for j in range(c.size):
        if c[j] <= 0:
            out.append((1.0, 0.0))
            continue
        wider = float(c[j + 1 :].sum())
        pole = leaf.pole(V + wider, (V / m if m > 0 and wider > 0 else V) + wider, KINK * math.sqrt(total))
        wanted = digits + OUTER if j + 1 < c.size else digits
        s = math.sqrt(DIGITS / wanted)
        step = step_for(math.sqrt(c[j]) * s, pole * s * s) / quality
        deviations = math.sqrt(2 * digits) + BEYOND
        out.append((step, deviations * math.sqrt(float(c[: j + 1].sum()))))
    if c.size == 2 and c[1] > 0:
        # rows at the end of the outer lattice need some nodes on either side
        out[1] = (out[1][0], max(out[1][1], out[0][1] + 3 * math.sqrt(c[1])))
    return out


def halves(leaf: TreeLeaf, c: np.ndarray, m: float, quality: float) -> list[float]:
    """Nodes to either side of 0 that the levels want, not rounded."""
    return [far / h for h, far in steps(leaf, c, m, quality)]


def lattice(leaf: TreeLeaf, c: np.ndarray, m: float, quality: float, nodes: list[int] | None) -> list[np.ndarray]:
    """Nodes of every level; as many as ``nodes`` to either side, where given."""
    out = []
    for j, (h, far) in enumerate(steps(leaf, c, m, quality)):
        half = math.ceil(far / h) if nodes is None else nodes[j]
        if far and half < 1:
            half = 1
        out.append(np.arange(-half, half + 1) * (far / half if half else 0.0))
    K, n = leaf.K, out[-1].size
    need = 8.0 * memory(K, out[0].size if c.size == 2 else 1, n)
    if need > BYTES:
        raise TooLarge(
            f"{K} fields on {n} nodes each take {need / 1e9:.3g} GB; up to {BYTES / 1e9:g} GB, which are"
            f" {most(K, out[0].size if c.size == 2 else 1)} nodes: overlaps further apart and further from 1 need fewer"
        )
    return out


def memory(K: int, n0: int, n1: int) -> float:
    """Numbers held at a time: leaf, weights and observables, and a chain of states with their adjoints."""
    return 8.0 * count(n1, K) + count(n0, K) + sum(2.0 * n0 * count(n1, K - j) for j in range(1, K - 1))


@lru_cache(maxsize=64)
def most(K: int, n0: int) -> int:
    """Largest number of inner nodes that fit."""
    n = 3
    while 8.0 * memory(K, n0, n + 2) <= BYTES:
        n += 2
    return n
