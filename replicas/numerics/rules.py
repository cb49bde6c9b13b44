r"""Quadrature that converges exponentially at any precision.

- Averages over a Gaussian: the trapezoid rule in x with t = c + s sinh(x). Nodes crowd at the kink c on its scale s, so
  that the poles of the integrand near c are as far from the path as those far out; error exp(-2 pi a/h), a the width of
  the strip of analyticity in x. Step, centre and scale are chosen from where the poles are expected; a wrong guess costs
  a refinement, never a digit (`replicas.numerics.polish` compares two steps).
- Between kinks: Gauss-Legendre panels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

STRIPS = np.linspace(0.05, 0.75, 15)  # half-widths tried; beyond pi/4 the Gaussian grows
SCALES = np.geomspace(0.01, 16.0, 23)
LN10 = math.log(10.0)
WIDEST = 2.5  # of a panel, in standard deviations
PANEL_NODES, PANEL_SHARE = (
    8,
    0.45,
)  # nodes of a panel, and more for each digit: twice what a Gaussian needs at 50 digits


@dataclass(frozen=True)
class SinhRule:
    """t_i = centre + scale sinh(i step), first <= i <= last."""

    centre: float
    scale: float
    step: float
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def nodes(self, F: Any) -> Iterator[tuple[Any, Any]]:
        """(t, weight), the weight with the normal density, in the arithmetic F at its current precision."""
        centre, scale, step = (F.load(v) for v in (self.centre, self.scale, self.step))
        # exp(i h) by multiplication: one rounding a node, far below the guard digits
        up, ratio = F.exp(step * self.first), F.exp(step)
        for _ in range(self.size):
            down = 1 / up
            t = centre + scale * (up - down) / 2
            yield t, scale * step * (up + down) / 2 * F.G(t)
            up = up * ratio


def gaussian_rule(poles: Sequence[complex], digits: float, reach: float = 0.0, growth: float = 0.0) -> SinhRule:
    """A rule for E_t F(t) to about that many digits, for F with the given poles (upper half plane).

    reach : how far beyond the Gaussian's own range F pushes its weight;  growth : of log |F| there, to be beaten too.
    """
    range_ = math.sqrt(2 * (digits * LN10 + growth)) + reach
    near = [p for p in poles if abs(p.real) < range_ and abs(p.imag) < 2 * range_]
    centres = [0.0, *sorted({float(p.real) for p in near}, key=abs)[:4]]
    best: tuple[float, float, float, float] | None = None
    scales = np.unique(np.concatenate([SCALES, [abs(p.imag) for p in near[:4]]]))
    scales = scales[scales > 0]
    for c in centres:
        width = np.full(scales.shape, math.pi / 4)
        for p in near:
            width = np.minimum(width, np.abs(np.arcsinh((p - c) / scales).imag))
        a = width[:, None] * np.append(STRIPS / (math.pi / 4), 1.0)[None, :]
        a = np.minimum(a, 0.74)
        grown = 0.5 * np.sin(a) ** 2 * (scales[:, None] ** 2 + (abs(c) + reach) ** 2 / np.cos(2 * a))
        step = 2 * math.pi * a / (digits * LN10 + growth + grown)
        count = (np.arcsinh((range_ - c) / scales) + np.arcsinh((range_ + c) / scales))[:, None] / step
        i, j = np.unravel_index(np.argmin(count), count.shape)
        if best is None or count[i, j] < best[0]:
            best = float(count[i, j]), c, float(scales[i]), float(step[i, j])
    assert best is not None
    _, c, s, h = best
    return SinhRule(
        c, s, h, math.floor(math.asinh((-range_ - c) / s) / h) - 1, math.ceil(math.asinh((range_ - c) / s) / h) + 1
    )


def panel_edges(low: float, high: float, marks: Sequence[float] = (), scale: float = WIDEST) -> list[float]:
    """Edges from low to high, graded around each mark: panels start at ``scale`` and double up to `WIDEST`."""
    edges = {low, high, *(m for m in marks if low < m < high)}
    for mark in marks:
        for side in (1, -1):
            x, width = mark, min(scale, WIDEST)
            while (x - high) * side < 0 if side > 0 else x > low:
                x += side * width
                width = min(2 * width, WIDEST)
                if low < x < high:
                    edges.add(x)
    if not marks:
        edges |= set(np.linspace(low, high, max(2, math.ceil((high - low) / WIDEST) + 1)).tolist())
    return sorted(edges)


def gauss_panels(F: Any, edges: Sequence[Any], digits: float) -> Iterator[tuple[Any, Any]]:
    """Gauss-Legendre nodes and weights on consecutive panels, to about ``digits`` digits of a Gaussian's average over each."""
    unit = _legendre(F, math.ceil(PANEL_NODES + PANEL_SHARE * digits))
    for low, high in itertools.pairwise(edges):
        half, middle = (high - low) / 2, (high + low) / 2
        for x, w in unit:
            yield middle + half * x, half * w


def _legendre(F: Any, n: int) -> list[tuple[Any, Any]]:
    """Nodes and weights on (-1, 1), by Newton from double precision."""
    memory = F.__dict__.setdefault("_legendre", {})
    key = n, F.ctx.prec
    if key not in memory:
        memory[key] = []
        rounds = max(1, math.ceil(math.log2(F.ctx.dps / 13.0)) + 1)
        for start in np.polynomial.legendre.leggauss(n)[0].tolist():
            x = F.load(start)
            for _ in range(rounds + 1):
                below, here = F.load(1), x
                for k in range(2, n + 1):
                    below, here = here, ((2 * k - 1) * x * here - (k - 1) * below) / k
                slope = n * (x * here - below) / (x * x - 1)
                x = F.exact(x - here / slope)
            memory[key].append((x, 2 / ((1 - x * x) * slope * slope)))
    return list(memory[key])


@lru_cache(maxsize=1)
def zeros_of_tail() -> tuple[complex, ...]:
    """Zeros of H in the upper half plane, the poles of the Mills ratio."""
    import mpmath

    ctx = mpmath.MPContext()
    found = []
    for k in range(1, 5):
        w = ctx.sqrt(2j * ctx.pi * k)  # erfc(w) = 2: w^2 = 2 pi i k - log(2 sqrt(pi) w) up to 1/w^2
        for _ in range(5):
            w = ctx.sqrt(2j * ctx.pi * k - ctx.log(2 * ctx.sqrt(ctx.pi) * w))
        z = ctx.findroot(ctx.erfc, -ctx.conj(w))
        found.append(complex(z) * math.sqrt(2))
    return tuple(found)
