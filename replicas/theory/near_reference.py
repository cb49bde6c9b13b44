r"""The Franz-Parisi entropy so close to a reference with room to spare that patterns are hardly felt.

A reference inside the solutions leaves every configuration near it a solution but for the patterns at its margin. There W is
(1 - 2d) W~ and independent noise, q -> p^2, and to first order in what patterns take away

.. math:: S(d) = H_2(d) + \alpha\,E_{\tilde u}\, f\big(p\,\tilde u,\, 1 - p^2\big), \qquad p = 1 - 2d,

with u~ the field of a pattern in the reference. The saddle-point equations lose that direction, Q~ - q~ - b^2, in rounding and in
grids that resolve the margin; from the last root on the expansion goes on. What it differs by there bounds what it does nearer by,
where patterns act less and the second order falls faster than the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..numerics.coupled import Reference
from ..numerics.franz_parisi import Ended, Root

REACH = 9.0  # of the Gaussian that references share: e^-40
ORDER = 20  # of a Gauss-Legendre panel
FINE, WIDE = 0.25, 0.4  # panels: next to the margin in units of the noise, and away from it
NEXT = 15.0  # units of the noise that are next to the margin
FINER = 1.5  # refinement of both grids, whose effect is the error
CLOSE = 0.1  # share of what patterns take away that the last root may differ by
SAFETY = 2.0  # the overlap t of two sorts of weights falls hardly faster than the first order does
STEP = 1e-4  # of log d in the slope: error 1e-8 of what patterns take away


@dataclass(frozen=True)
class Near:
    """A point of the expansion, with its errors."""

    number: dict[str, float]
    error: dict[str, float]


@dataclass(frozen=True)
class Expansion:
    """S(d) beside references whose fields lie in [low, high]; ``leaf`` is f of the weights that are counted."""

    alpha: float
    reference: Reference
    low: float
    high: float
    leaf: Callable[[float], Any]

    def lost(self, d: float, quality: float = 1.0) -> float:
        """alpha E f(p u~, 1 - p^2), with u~ distributed as in a typical solution."""
        p, noise = 1 - 2 * d, 2 * math.sqrt(d * (1 - d))
        q, rest = self.reference.q, self.reference.rest
        x = np.linspace(-REACH, REACH, math.ceil(8 * REACH * quality / math.sqrt(min(1.0, rest))) | 1)
        u, du = self._fields(noise, quality)
        inside = np.exp(-0.5 * (u - math.sqrt(q) * x[:, None]) ** 2 / rest)
        chance = np.exp(-0.5 * x * x) / (inside @ du) @ inside * du
        values = np.asarray(self.leaf(noise * noise).values(p * u))[0]
        return self.alpha * float(values @ chance / chance.sum())

    def _fields(self, noise: float, quality: float) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and weights between the margins, dense next to them."""
        fine, wide = FINE * noise / quality, WIDE / quality
        away = np.concatenate([np.arange(0, NEXT * noise, fine), np.arange(NEXT * noise, 4 * REACH, wide)])
        if math.isinf(self.high):
            edges = self.low + away
        else:
            half = np.append(away[away < (self.high - self.low) / 2], (self.high - self.low) / 2)
            edges = np.concatenate([self.low + half, (self.high - half[:-1])[::-1]])
        x, w = np.polynomial.legendre.leggauss(ORDER)
        middle, width = (edges[1:] + edges[:-1])[:, None] / 2, np.diff(edges)[:, None] / 2
        return (middle + width * x).ravel(), (width * w).ravel()

    @cached_property
    def overlap(self) -> float:
        return self.reference.q

    def numbers(self, d: float) -> dict[str, float]:
        """Entropy, slope and overlaps."""
        up, down = (self.lost(d * math.exp(s)) for s in (STEP, -STEP))
        p = 1 - 2 * d
        entropy = -d * math.log(d) - (1 - d) * math.log1p(-d)
        slope = math.log1p(-d) - math.log(d) + (up - down) / (2 * STEP * d)
        return {"entropy": entropy + self.lost(d), "slope": slope, "q": p * p, "t": p * self.overlap, "p": p}

    def beyond(self, last: Root, d: float) -> Near | None:
        """The point at d, nearer than the last root; None where that root is not near enough itself."""
        there, at = self.numbers(last.distance), last.state
        taken = self.lost(last.distance)
        found = {"entropy": at.entropy, "slope": 2 * at.multiplier, "q": at.q, "t": at.t, "p": at.p}
        off = {name: abs(found[name] - there[name]) for name in found}
        if not (d < last.distance and off["entropy"] < CLOSE * abs(taken)):
            return None
        number, share = self.numbers(d), self.lost(d) / taken
        rough = abs(self.lost(d, FINER) - self.lost(d)) + 1e-15
        error = {name: SAFETY * off[name] * share + rough * (1.0 if name == "entropy" else 1 / d) for name in off}
        return Near(number, error | {"slope": SAFETY * off["slope"] * max(share, share * last.distance / d) + rough / d})


def continued(found: Iterator[Root | Ended], distances: np.ndarray, expansion: Expansion | None) -> Iterator[Root | Ended | Near]:
    """The roots, and the expansion where their branch could not be followed nearer to the reference."""
    for d, point in zip(distances, found):
        near = expansion.beyond(point.last, float(d)) if isinstance(point, Ended) and expansion is not None else None
        yield near or point
