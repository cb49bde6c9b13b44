r"""Spherical tree machines as a `rsb.System`: the equations of one field, the tower of K.

A tower at finite m is factorised where one flip decides (`flip_tower`), interpolated for other majorities (`cross_tower`), and
a sum over lattices of K fields for parities and without breaking (`symmetric_tower`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ..models import Spherical
from . import cross_tower, flip_tower, rsb
from .parisi import Tower
from .rsb import Point, Sphere
from .symmetric_lattice import BYTES, halves, memory
from .symmetric_tower import tower
from .tree_leaf import TreeLeaf, majority

HELD = (0.85, 1.35)  # nodes held, relative to those wanted: a lattice changes only in steps, Newton wants none
ROUGH = 0.6  # quality of starts
CROSSED = (
    1e-8  # singular values left out of crosses at quality 1, and decades of them by which a quality of 2 is better
)
DECADES = 4.0


@dataclass(frozen=True)
class Machine:
    """What the equations ask of a model."""

    accepted: tuple[bool, ...]
    weights: Spherical = field(default_factory=Spherical)
    hard: bool = True


class TreePoint:
    """One point of a machine, in the place of a `Batch`; it also holds the sizes of lattices from one evaluation to the next.

    hessian : whether curvatures, which only replicons need, are computed
    """

    beta = None

    def __init__(self, accepted: tuple[bool, ...], alpha: float):
        self.model = Machine(tuple(map(bool, accepted)))
        self.alpha = np.array([float(alpha)])
        self.hessian = False
        self.unit = 1.0  # quality that is called 1
        self.held: dict[tuple[str, int, float], list[int]] = {}
        self.crosses: dict[float, cross_tower.Crosses] = {}

    @property
    def K(self) -> int:
        return len(self.model.accepted) - 1

    def route(self, c: np.ndarray, m: float) -> str:
        """How the tower is evaluated."""
        if c.size == 2 and flip_tower.decided(self.model.accepted) is not None:
            if flip_tower.RANGE[0] <= m <= flip_tower.RANGE[1]:
                return "flip"
        elif (
            c.size == 2
            and c[0] > 0
            and self.model.accepted == majority(self.K)
            and self.K in cross_tower.OUTER
            and m < 0.999
        ):
            return "cross"
        return "lattice"

    def tower(self, V: float, c: np.ndarray, m: np.ndarray, quality: float) -> Tower:
        """The tower of the patterns, on as many nodes as before while they are about as many as wanted."""
        quality, power = self.unit * quality, float(m[-1])
        leaf, route = TreeLeaf(self.model.accepted, V), self.route(c, power)
        if route == "flip":
            nodes = self.hold(route, c, quality, [flip_tower.outer_half(leaf, c, power, quality)])
            return flip_tower.tower(leaf, c, power, quality, outer=nodes[0], hessian=self.hessian)
        if route == "cross":
            nodes = self.hold(route, c, quality, cross_tower.halves(leaf, c, power, quality))
            cross = self.crosses.get(quality)
            if cross is None or not cross.near(V, power):
                tolerance = CROSSED * 10 ** (DECADES * (1 - quality))
                cross = self.crosses[quality] = cross_tower.crosses(leaf, 1 - V, power, tolerance)
            return cross_tower.tower(leaf, c, power, cross, quality, nodes=nodes, hessian=self.hessian)
        nodes = self.hold(route, c, quality, halves(leaf, c, power, quality))
        return tower(leaf, c, m, quality, nodes=nodes, hessian=self.hessian)

    def hold(self, route: str, c: np.ndarray, quality: float, wanted: list[float]) -> list[int]:
        key = (route, c.size, quality)
        held = self.held.get(key)
        if held is None or any(not HELD[0] * w <= h <= max(HELD[1] * w, w + 1) for h, w in zip(held, wanted)):
            held = self.held[key] = [math.ceil(w) for w in wanted]
        return held

    def fits(self, at: Point, quality: float) -> bool:
        """Whether the lattices of a point fit into memory."""
        if self.route(at.c, float(at.m[-1])) != "lattice":
            return True
        leaf = TreeLeaf(self.model.accepted, at.V)
        n0, n1 = (2 * math.ceil(w) + 1 for w in halves(leaf, at.c, float(at.m[1]), quality))
        return 8 * memory(leaf.K, n0, n1) <= BYTES


class TreeSphere(Sphere):
    """Spherical branches of a tree: `Sphere`, its leaf and tower taken from the point."""

    point: TreePoint  # type: ignore[assignment]

    def __init__(self, point: TreePoint, k: int, m: np.ndarray | None = None, zero: bool = False):
        super().__init__(point, k, m, zero)  # type: ignore[arg-type]

    @property
    def rough(self) -> float:
        """Quality of the lattices of starts."""
        return ROUGH / self.point.unit

    def patterns(self, c: np.ndarray, V: float, m: np.ndarray, quality: float) -> Tower:
        return self.point.tower(V, c, m, quality)


class AtGap(TreeSphere):
    """Saddles of free Parisi parameter at given V = 1 - q_1: the load is explicit, the ratio of the two sides of an equation.

    Unknowns are the logits of q_0 and m, which stay as they are on the way to V = 0, the end of the branch.
    """

    def __init__(self, point: TreePoint, V: float):
        super().__init__(point, 1)
        self.V = V

    def full(self, y: np.ndarray) -> np.ndarray:
        """The unknowns of `TreeSphere`."""
        q0 = 1 / (1 + math.exp(-y[0]))
        gap = 1 - self.V - q0
        if not gap > 0:
            raise ArithmeticError("overlaps in the wrong order")
        return np.array([math.log(q0 / self.V), math.log(gap / self.V), y[1]])

    def patterns(self, c: np.ndarray, V: float, m: np.ndarray, quality: float) -> Tower:
        T = super().patterns(c, V, m, quality)
        L = rsb.eigenvalues(c, m, V)
        self.alpha = float(c[1] / (L[0] * L[1] * T.growth[1]))
        return T

    def evaluate(self, y: np.ndarray, quality: float = 1.0) -> Point:
        at = super().evaluate(self.full(y), quality)
        return replace(at, residual=at.residual[[0, 2]])
