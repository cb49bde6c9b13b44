r"""Two upper bounds of the Franz-Parisi entropy of the symmetric binary perceptron, :math:`|u| \le \kappa`.

The reference :math:`\tilde W` is planted, so that its fields u are independent Gaussians truncated to :math:`|u| \le \kappa`. Given them, a
configuration at distance d (overlap :math:`\rho = 1 - 2d`) has the fields :math:`\rho u + \sqrt{1-\rho^2} z`, z independent over patterns, and satisfies
one with probability :math:`p_d(u) = P(|\rho u + \sqrt{1-\rho^2} z| \le \kappa)`. With Z_d the number of solutions at distance d, the mean of log Z_d is
at most the mean over the fields of log E[Z_d | fields], and that is at most log E Z_d (Jensen's inequality, twice):

.. math:: S_{FP}(d) \;\le\; H_2(d) + \alpha\, E_u \log p_d(u) \;\le\; H_2(d) + \alpha \log E_u p_d(u)

- `jensen_bound`, conditioned on the margins: the middle. It is also the replica-symmetric functional at q = rho^2, q_hat = 0, where the other
  order parameters are stationary; the quenched entropy is its minimum over q.
- `first_moment_bound`, planted: the right, E_u p_d(u) = P(|z_1| <= kappa, |z_2| <= kappa)/P(|z_1| <= kappa), correlation rho.

All three meet at d = 0 and 1 (entropy 0), and the two bounds where fields are independent, d = 1/2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..numerics.saddle import check_alpha, numbers

NODES, FINER = 20, 32  # of a Gauss-Legendre panel, and of the refinement whose effect is the error
WIDEST = 0.8  # of a panel, in standard deviations of the reference's fields
ROUNDING = 4e-15  # of the sum of the magnitudes of the terms
SQRT2 = math.sqrt(2.0)


@dataclass(frozen=True)
class Bound:
    """``value`` of a bound at distance(s) d and its ``slope`` d value/d d, each with the error of its quadrature."""

    value: Any
    slope: Any
    error: Any
    slope_error: Any


def first_moment_bound(kappa: Any, alpha: Any, d: Any) -> Bound:
    """Planted first moment of the number of solutions at distance d from a solution, per weight.

    Parameters
    ----------
    kappa : half-width(s) > 0 of the window.
    alpha : load(s) >= 0.
    d : distance(s) per weight, in [0, 1]. Arrays broadcast.

    Raises
    ------
    ValueError : naming the argument.
    """
    return _bound(kappa, alpha, d, 0)


def jensen_bound(kappa: Any, alpha: Any, d: Any) -> Bound:
    """First moment at given fields of the reference, its logarithm averaged over them; arguments of `first_moment_bound`."""
    return _bound(kappa, alpha, d, 1)


def _bound(kappa: Any, alpha: Any, d: Any, which: int) -> Bound:
    arrays = (
        numbers("kappa", kappa, "half-width(s) > 0 of the window"),
        check_alpha(alpha),
        numbers("d", d, "distance(s) per weight in [0, 1]", 0.0),
    )
    if np.any(arrays[0] <= 0):
        raise ValueError(f"kappa: got {kappa!r}; takes half-width(s) > 0 of the window")
    if np.any(arrays[2] > 1):
        raise ValueError(f"d: got {d!r}; takes distance(s) per weight in [0, 1]")
    try:
        k, a, x = np.broadcast_arrays(*arrays)
    except ValueError:
        shapes = ", ".join(str(v.shape) for v in arrays)
        raise ValueError(f"kappa, alpha, d: got shapes {shapes}; takes arrays that broadcast") from None
    rows = [_point(float(point[0]), float(point[1]), float(point[2]), which) for point in zip(k.flat, a.flat, x.flat)]
    columns = np.array(rows).reshape(*x.shape, 4)
    if not x.shape:
        return Bound(*map(float, columns))
    return Bound(*(columns[..., i] for i in range(4)))


def _point(kappa: float, alpha: float, d: float, which: int) -> tuple[float, float, float, float]:
    """Value, slope and their errors."""
    if d in (0.0, 1.0):
        # sqrt(d) of the patterns wins over d log d of the configurations, wherever there are patterns
        slope = -math.inf if alpha else math.inf
        return 0.0, slope if d == 0 else -slope, 0.0, 0.0
    near, sign = (d, 1.0) if d <= 0.5 else (1.0 - d, -1.0)  # both bounds are even in rho
    pair = [_patterns(kappa, near, nodes)[which] for nodes in (NODES, FINER)]
    (energy, slope), (rough, rough_slope) = pair[1], pair[0]
    entropy = -d * math.log(d) - (1 - d) * math.log1p(-d)
    steep = math.log1p(-near) - math.log(near)
    error = alpha * abs(energy - rough) + ROUNDING * (entropy + alpha * abs(energy))
    slope_error = alpha * abs(slope - rough_slope) + ROUNDING * (steep + alpha * abs(slope))
    return entropy + alpha * energy, sign * (steep + alpha * slope), error, slope_error


@lru_cache(maxsize=8)
def _legendre(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(nodes)


def _rule(kappa: float, layer: float, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes x = kappa - u in [0, kappa] and weights; p_d(u) changes within ``layer`` of the edge of the window."""
    edges, width = [0.0], layer
    while edges[-1] < kappa:
        edges.append(min(edges[-1] + min(width, WIDEST), kappa))
        width *= 2
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    x, w = _legendre(nodes)
    half = 0.5 * (high - low)[:, None]
    return (0.5 * (low + high)[:, None] + half * x).ravel(), (half * w).ravel()


def _patterns(kappa: float, d: float, nodes: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """log E_u p_d(u) and E_u log p_d(u), each with its derivative in d; 0 < d <= 1/2."""
    from scipy.special import erf, erfc

    rho, s = 1 - 2 * d, 2 * math.sqrt(d * (1 - d))
    x, w = _rule(kappa, s, nodes)
    u = kappa - x
    w = w * np.exp(-0.5 * u * u)
    w /= w.sum()
    up, down = (2 * d * kappa + rho * x) / s, (kappa + rho * u) / s  # distances of rho u from the two edges, both > 0
    outside = 0.5 * (erfc(up / SQRT2) + erfc(down / SQRT2))
    inside = 0.5 * (erf(up / SQRT2) + erf(down / SQRT2))
    logs = np.where(outside < 0.5, np.log1p(-np.minimum(outside, 0.5)), np.log(inside))
    # d edge distance/d rho = (rho kappa -+ u)/s^3
    by_d = -2 * (np.exp(-0.5 * up * up) * (x - 2 * d * kappa) + np.exp(-0.5 * down * down) * (rho * kappa + u))
    by_d /= math.sqrt(2 * math.pi) * s**3
    mean = float(w @ inside)
    first = math.log1p(-float(w @ outside)) if mean > 0.5 else math.log(mean)
    return (first, float(w @ by_d) / mean), (float(w @ logs), float(w @ (by_d / inside)))
