r"""Equations of m clones of one mutual overlap q_1: the 1RSB functional at Parisi parameter m >= 1, for weights of one size, +-sqrt(Q).

.. math:: \phi_m = -\hat R R - \frac{m-1}{2} \hat q_1 q_1 + \frac m2 \hat q_0 q_0 - \frac{Q}{2} \hat q_1
    + \frac1m E_z \log E_\eta e^{m g(\hat R + \sqrt{\hat q_0} z + \sqrt{\hat q_1-\hat q_0} \eta)}
    + \frac{\alpha}{m} E_\omega \log E_z e^{m f(\omega + \sqrt{q_1-q_0} z, Q-q_1)}

per clone, g = log sum_w e^{hw}. Without a teacher R = R_hat = 0 and omega ~ N(0, q_0); with one that density is multiplied by
2 H(-R omega/sqrt(q_0 (q_0 - R^2))), R = W.W*/(N sqrt Q). The conjugates are explicit,

.. math:: \hat q_j = \alpha E_j f_j'^2, \qquad \hat R = 2 \alpha G(0) E_z f_0'(\sqrt{q_0 - R^2} z),

which leaves R = E g_0' and q_j = E_j g_j'^2: as equations, the logarithms of the ratios of what their two sides add at a level.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .leaf_tables import pattern_table, weight_table
from .parisi import LeafTable, TooNarrow, _backward, _forward, _gaussian, lattices, step_for
from .rsb import FROZEN, System, _log_ratio, gaps, logs
from .saddle import Batch, fixed_norm, has_zero_overlap

QUALITY = 4.0  # of the lattices: quality 1 serves powers m <= 1
NORMAL = 1 / math.sqrt(2 * math.pi)

Density = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TwoLevels:
    """A tower of two levels whose outer average may be tilted; the names of `parisi.Tower`.

    outer : E_0 phi_0';  narrow : E phi_0' over the narrower Gaussian of a teacher
    """

    value: float
    square: np.ndarray
    growth: np.ndarray
    magnitude: float
    lost: float
    outer: float
    narrow: float


def two_levels(
    leaf: LeafTable, c: np.ndarray, m: float, quality: float, density: Density | None = None, width: float = 0.0
) -> TwoLevels:
    """E_0 phi_0 and what its derivatives need, E_0 over N(0, c_0) times ``density``, which varies on the scale ``width``."""
    powers = np.array([0.0, m])
    if not (np.isfinite(c).all() and c[1] > 0):
        raise TooNarrow("order parameters are not finite")
    steps, halves, ratios = lattices(c, leaf, powers, quality)
    if width and steps[0] * quality > step_for(width, math.inf):
        quality *= steps[0] * quality / step_for(width, math.inf)
        steps, halves, ratios = lattices(c, leaf, powers, quality)
    fields = [np.arange(-n, n + 1) * h for n, h in zip(halves, steps)]
    table = leaf.values(fields[1])
    out = np.empty((5, fields[0].size))
    _backward(table[0], table[1], table[2], steps[1], halves[1], ratios[0], halves[0], c[1], m, leaf.concave, out)
    weight = _gaussian(fields[0], c[0], steps[0])
    narrow = float(_gaussian(fields[0], width * width, steps[0]) @ out[1]) if width else 0.0
    if density is not None:
        weight = weight * density(fields[0])
    spread = np.zeros(fields[1].size)
    _forward(
        table[0],
        table[1],
        out[0],
        weight,
        steps[1],
        halves[1],
        ratios[0],
        halves[0],
        c[1],
        m,
        leaf.concave,
        spread,
    )
    square = np.array([weight @ out[1] ** 2, spread @ table[1] ** 2])
    growth = np.array([square[0], weight @ out[4]])
    lost = max(abs(1.0 - float(weight.sum())), abs(1.0 - float(spread.sum())))
    size = float(weight @ np.abs(out[0]))
    return TwoLevels(float(weight @ out[0]), square, growth, size, lost, float(weight @ out[1]), narrow)


@dataclass(frozen=True)
class At:
    """The functional at given order parameters: phi_m per clone, the sum of the magnitudes of its terms, the residual of each equation."""

    q0: float
    c1: float
    V: float
    R: float
    alpha: float
    phi: float
    magnitude: float
    q_hat: np.ndarray
    R_hat: float
    residual: np.ndarray
    lost: float

    @property
    def q1(self) -> float:
        return self.q0 + self.c1


class Clones(System):
    """Unknowns: logs of the gaps q_0 : q_1 - q_0 : Q - q_1, with a teacher logit(R^2/q_0), and log alpha.

    V : None for the clones whose free entropy vanishes, or a given Q - q_1; they are stationary in every order parameter
    """

    def __init__(self, point: Batch, m: float, V: float | None = None):
        super().__init__(point, 1, m=np.array([m]), zero=has_zero_overlap(point.model))
        self.Q, self.V, self.teacher = fixed_norm(point.model), V, point.model.teacher
        self.number = float(m)

    def packed(self, q0: float, c1: float, V: float, R: float, alpha: float) -> np.ndarray:
        """Unknowns of given order parameters."""
        parts = np.array([c1] if self.zero else [q0, c1])
        y = list(logs(parts if self.V is not None else np.append(parts, V)))
        if self.teacher:
            y.append(math.log(R * R / (q0 - R * R)))
        return np.array([*y, math.log(alpha)])

    def evaluate(self, y: np.ndarray, quality: float = QUALITY) -> At:  # type: ignore[override]
        n = 1 - self.zero + (self.V is None)
        alpha = math.exp(y[-1])
        total = self.Q if self.V is None else self.Q - self.V
        parts = gaps(y[:n], total)
        V = float(parts[-1]) if self.V is None else self.V
        q0, c1 = (0.0 if self.zero else float(parts[0])), float(parts[1 - self.zero])
        R = math.sqrt(q0 / (1 + math.exp(-y[n]))) if self.teacher else 0.0
        return self.at(q0, c1, V, R, alpha, quality)

    def at(self, q0: float, c1: float, V: float, R: float, alpha: float, quality: float = QUALITY) -> At:
        """The functional at given overlaps and load, the conjugates at their saddle."""
        if not V >= FROZEN * self.Q:
            raise TooNarrow("clones coincide")
        m, q1 = self.number, q0 + c1
        T = self.patterns(q0, c1, V, R, quality)
        q_hat, rise = alpha * T.square, alpha * T.growth
        if self.zero:
            q_hat[0] = rise[0] = 0.0
        R_hat = 2 * NORMAL * alpha * T.narrow
        W = self.weights(rise, R_hat, quality)
        terms = np.array([-R_hat * R, -0.5 * (m - 1) * q_hat[1] * q1, 0.5 * m * q_hat[0] * q0, -0.5 * self.Q * q_hat[1]])
        phi = float(terms.sum()) + W.value + alpha * T.value
        size = float(np.abs(terms).sum()) + W.magnitude + alpha * T.magnitude
        residual = [] if self.zero else [_log_ratio(W.growth[0], q0)]
        residual.append(_log_ratio(W.growth[1], c1))
        if self.teacher:
            residual.append(_log_ratio(W.outer, R))
        if self.V is None:
            residual.append(phi / size)
        lost = max(T.lost, W.lost)
        return At(q0, c1, V, R, alpha, phi, size, q_hat, R_hat, np.array(residual), lost)

    def patterns(self, q0: float, c1: float, V: float, R: float, quality: float) -> TwoLevels:
        """The tower of the patterns, with the teacher's density of the outer field."""
        leaf, c = pattern_table(self.point, V), np.array([q0, c1])
        if not self.teacher:
            return two_levels(leaf, c, self.number, quality)
        from scipy.special import ndtr

        rest = math.sqrt(q0 - R * R)
        scale = math.sqrt(q0) * rest / R
        return two_levels(leaf, c, self.number, quality, lambda x: 2 * ndtr(x / scale), min(scale, rest) if rest else rest)

    def weights(self, rise: np.ndarray, R_hat: float, quality: float) -> TwoLevels:
        """The tower of the weights. Tilted Gaussians reach fields of the order of m times the increment."""
        leaf = weight_table(self.point.model, 0.0)
        far = R_hat + self.number * rise[1] * math.sqrt(self.Q)
        return two_levels(replace(leaf, values=lambda h: leaf.values(h + R_hat), reach=far), rise, self.number, quality)
