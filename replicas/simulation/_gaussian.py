"""Gaussian tail functions for kernels: H(x) = int_x^inf Dz, log H and the inverse Mills ratio A = G/H, for every double x.

G the standard normal density. Above `PLAIN_BELOW` by Laplace's continued fraction, below by erfc: 1e-14 relative everywhere.
"""

from __future__ import annotations

import math

from numba import njit

HALF_SQRT_2PI = 0.5 * math.sqrt(2 * math.pi)
LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
SQRT_HALF = math.sqrt(0.5)
PLAIN_BELOW = 5.0
"""erfc and exp lose x^2 rounding errors; from here on 50 levels of the continued fraction reach 1e-16."""
LEVELS = 50


@njit(cache=True, nogil=True, error_model="numpy")
def _above(x: float) -> float:
    """A(x) = x + 1/(x + 2/(x + 3/(x + ...))) for x >= PLAIN_BELOW."""
    tail = 0.0
    for k in range(LEVELS, 0, -1):
        tail = k / (x + tail)
    return x + tail


@njit(cache=True, nogil=True, error_model="numpy")
def mills(x: float) -> float:
    """A(x) = G(x)/H(x): -d log H/dx."""
    if x < PLAIN_BELOW:
        return math.exp(-0.5 * x * x) / (HALF_SQRT_2PI * math.erfc(x * SQRT_HALF))
    return _above(x)


@njit(cache=True, nogil=True, error_model="numpy")
def log_tail(x: float) -> float:
    """log H(x)."""
    if x < 0.0:
        return math.log1p(-0.5 * math.erfc(-x * SQRT_HALF))
    if x < PLAIN_BELOW:
        return math.log(0.5 * math.erfc(x * SQRT_HALF))
    return -0.5 * x * x - LOG_SQRT_2PI - math.log(_above(x))
