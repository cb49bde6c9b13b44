r"""Spherical tree machines as a `rsb.System`: the equations of one field, the tower of K."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ..models import Spherical
from .parisi import Tower
from .rsb import Point, Sphere
from .symmetric_lattice import BYTES, RESOLVED, halves, memory
from .symmetric_tower import tower
from .tree_leaf import TreeLeaf

HELD = (0.85, 1.35)  # nodes held, relative to those wanted: a lattice changes only in steps, Newton wants none
STARTED, FEWEST, DESCENDED = 8.5, 5.5, 6.5  # e-folds that lattices of starts resolve (of seven units), and of descents


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
        self.held: dict[tuple[int, float], list[int]] = {}

    def tower(self, V: float, c: np.ndarray, m: np.ndarray, quality: float) -> Tower:
        """The tower of the patterns, on as many nodes as before while they are about as many as wanted."""
        quality = self.unit * quality
        leaf, key = TreeLeaf(self.model.accepted, V), (c.size, quality)
        wanted = halves(leaf, c, float(m[-1]), quality)
        held = self.held.get(key)
        if held is None or any(not HELD[0] * w <= h <= max(HELD[1] * w, w + 1) for h, w in zip(held, wanted)):
            held = self.held[key] = [math.ceil(w) for w in wanted]
        return tower(leaf, c, m, quality, nodes=held, hessian=self.hessian)

    def share(self, digits: float) -> float:
        """Quality at which lattices resolve that many e-folds."""
        return digits / RESOLVED[len(self.model.accepted) - 1] / self.unit

    def fits(self, at: Point, quality: float) -> bool:
        """Whether the lattices of a point fit into memory."""
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
        return self.point.share(STARTED if len(self.point.model.accepted) <= 7 else FEWEST)

    @property
    def rougher(self) -> float:
        """Quality of the lattices of descents."""
        return self.point.share(DESCENDED)

    def patterns(self, c: np.ndarray, V: float, m: np.ndarray, quality: float) -> Tower:
        return self.point.tower(V, c, m, quality)
