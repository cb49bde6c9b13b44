r"""Quadrature that converges exponentially at any precision.

- Averages over a Gaussian: the trapezoid rule in x with t = c + s sinh(x). Nodes crowd at the kink c on its scale s, so
  that the poles of the integrand near c are as far from the path as those far out; error exp(-2 pi a/h), a the width of
  the strip of analyticity in x. Step, centre and scale are chosen from where the poles are expected; a wrong guess costs
  a refinement, never a digit (`replicas.numerics.polish` compares two steps).
- Between kinks: the tanh-sinh rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

STRIPS = np.linspace(0.05, 0.75, 15)  # half-widths tried; beyond pi/4 the Gaussian grows
SCALES = np.geomspace(0.01, 16.0, 23)
LN10 = math.log(10.0)


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


def tanh_sinh(F: Any, low: Any, high: Any, step: float, digits: int) -> list[tuple[Any, Any]]:
    """Nodes and weights on (low, high), in the arithmetic F at its current precision."""
    half, middle = (high - low) / 2, (high + low) / 2
    return [(middle + half * x, half * w) for x, w in _unit_tanh_sinh(F, step, digits)]


def _unit_tanh_sinh(F: Any, step: float, digits: int) -> list[tuple[Any, Any]]:
    key = (step, digits)
    memory = F.__dict__.setdefault("_tanh_sinh", {})
    if key not in memory:
        h, quarter = F.load(step), F.constant("pi") / 4
        count = math.ceil(math.asinh(2 * digits * LN10 / math.pi) / step)
        memory[key] = []
        for i in range(-count, count + 1):
            e = F.exp(h * i)
            y = quarter * (e - 1 / e) * 2
            cosh = F.cosh(y)
            memory[key].append((F.tanh(y), h * quarter * (e + 1 / e) * 2 / (cosh * cosh)))
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
