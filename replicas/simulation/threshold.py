r"""The load at which half of the instances are solved: a fit to success counts, with a bootstrap error.

.. math:: P(\text{solved}) = \Phi\Big(\frac{\alpha_{1/2} - \alpha}{w}\Big)

Maximum of the binomial likelihood times a wide log-normal prior of the width w around the spacing of the loads, which
decides only where success turns into failure between two neighbouring loads. Errors: the same fit to counts redrawn from
the fitted curve (parametric bootstrap); the quality of the fit is the share of these whose deviance is larger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr, xlogy

from ._checks import check_integer
from .display.results import Shown

BOOTSTRAPS = 400  # redrawn data sets: the error is known to 4 per cent
LOOSE = 2.0  # standard deviation of log w about the log of the spacing, beforehand
STEPS = 60  # of Newton, damped
SMALL = 1e-10  # Newton step that ends the fit
NO_THRESHOLD = {
    "all-solved": "above all loads",
    "none-solved": "below all loads",
    "outside": "outside the loads",
    "not-decreasing": "none: success does not fall with the load",
    "one-load": "not fitted to one load",
    "nothing": "none: nothing was completed",
}
FARTHEST = 30.0  # argument of Phi beyond which nothing is told apart

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Threshold(Shown):
    """alpha_1/2 and width w with their standard errors; deviance of the fit and the probability of a larger one.

    status : "fitted", or "poor-fit" where fewer than one redrawn data set in BOOTSTRAPS deviates as much; without numbers "all-solved",
        "none-solved", "outside" (the threshold lies beyond the loads asked), "not-decreasing" (success does not fall with the load),
        "one-load", "nothing" (no instance was completed)
    """

    quantity = "threshold"
    computed = ("value", "error", "width", "width_error", "deviance", "probability")

    status: str
    value: float | None = None
    error: float | None = None
    width: float | None = None
    width_error: float | None = None
    deviance: float | None = None
    probability: float | None = None

    @property
    def title(self) -> str:
        """The load and how well it is known, or why there is none."""
        return f"threshold {self}"

    def __str__(self) -> str:
        if self.value is None:
            return NO_THRESHOLD[self.status]
        quality = "a poor fit" if self.status == "poor-fit" else f"probability of a worse fit {self.probability:.2f}"
        return f"{self.value:.4f} ± {self.error:.4f} (width {self.width:.3f}, {quality})"


def share(successes: NDArray[np.int64], trials: NDArray[np.int64]) -> tuple[Array, Array]:
    """Successes by trials and the half-width of Wilson's interval at one standard deviation, not zero where all or none succeed.

    Both are nan where there are no trials.
    """
    n = np.where(trials > 0, trials, np.nan)
    p = successes / n
    return p, np.sqrt(p * (1 - p) / n + 1 / (4 * n * n)) / (1 + 1 / n)


def fit_threshold(alphas: ArrayLike, solved: ArrayLike, instances: ArrayLike, rng: np.random.Generator | int = 0) -> Threshold:
    """Fit success counts at several loads.

    Parameters
    ----------
    alphas : loads, (A,), at least two different ones;  solved, instances : counts, (A,), 0 <= solved <= instances, instances > 0
    rng : of the bootstrap, or its seed

    Raises
    ------
    ValueError : an argument outside these ranges
    """
    try:
        a, k, n = (np.asarray(v, dtype=float) for v in (alphas, solved, instances))
    except (TypeError, ValueError):
        raise ValueError("alphas, solved, instances: got no numbers, takes arrays (A,) of loads and counts") from None
    if not isinstance(rng, np.random.Generator):
        rng = np.random.default_rng(check_integer("rng", rng, at_least=0))
    if not (a.ndim == 1 and a.shape == k.shape == n.shape) or np.unique(a).size < 2:
        raise ValueError(f"alphas, solved, instances: got shapes {a.shape}, {k.shape}, {n.shape}; takes equal shapes (A,), two loads or more")
    if not np.all(np.isfinite(a)) or np.any(k != np.rint(k)) or np.any(n != np.rint(n)) or np.any(k < 0) or np.any(k > n) or np.any(n <= 0):
        raise ValueError("solved, instances: got counts out of order; takes 0 <= solved <= instances, instances > 0")
    if np.all(k == n) or np.all(k == 0):
        return Threshold("all-solved" if np.all(k == n) else "none-solved")
    if np.sum((a - np.average(a, weights=n)) * k) >= 0:
        return Threshold("not-decreasing")
    spacing = float(np.diff(np.unique(a)).min())
    best = _fit(a, k[None], n, spacing)
    if not a.min() - spacing <= best[0, 0] <= a.max() + spacing:
        return Threshold("outside")
    chance = ndtr(_argument(best, a)[0])
    redrawn = rng.binomial(n.astype(int), chance, (BOOTSTRAPS, a.size)).astype(float)
    fits = _fit(a, redrawn, n, spacing)
    # all solved, or none: redrawn data that say nothing of where
    kept = ~(np.all(redrawn == n, axis=1) | np.all(redrawn == 0, axis=1))
    errors = np.std(fits[kept], axis=0, ddof=1) if kept.sum() > 1 else np.array([np.ptp(a), LOOSE])
    deviance = _deviance(best, a, k[None], n)[0]
    others = _deviance(fits, a, redrawn, n)
    if np.all((k == 0) | (k == n)):  # anywhere between the last load solved and the first that is not
        beside = a[a > best[0, 0]].min() - a[a <= best[0, 0]].max()
        errors[0] = np.hypot(errors[0], beside / np.sqrt(12))
    width = float(np.exp(best[0, 1]))
    worse = float(np.mean(others >= deviance - 1e-9))
    return Threshold("fitted" if worse > 0 else "poor-fit", float(best[0, 0]), float(errors[0]), width, width * float(errors[1]), float(deviance), worse)


def _argument(x: Array, a: Array) -> Array:
    return np.clip((x[:, :1] - a) * np.exp(-x[:, 1:]), -FARTHEST, FARTHEST)


def _cost(x: Array, a: Array, k: Array, n: Array, spacing: float) -> Array:
    """Minus the log of likelihood times prior, per row."""
    t = _argument(x, a)
    prior = (x[:, 1] - np.log(spacing)) ** 2 / (2 * LOOSE**2)
    return np.asarray(prior - np.sum(k * log_ndtr(t) + (n - k) * log_ndtr(-t), axis=1))


def _fit(a: Array, k: Array, n: Array, spacing: float) -> Array:
    """Rows (alpha_1/2, log w), one for each row of counts: Fisher scoring with halved steps."""
    fraction = k / n
    first = np.sum(np.diff(a[np.argsort(a)], prepend=a.min() - spacing) * fraction[:, np.argsort(a)], axis=1)
    x = np.stack([a.min() - spacing / 2 + first, np.full(len(k), np.log(spacing))], axis=1)
    cost = _cost(x, a, k, n, spacing)
    for _ in range(STEPS):
        t = _argument(x, a)
        scale = np.exp(-x[:, 1:])
        # by alpha_1/2 and log w: dt = (scale, -t)
        log_density = -t * t / 2 - np.log(2 * np.pi) / 2
        up, down = np.exp(log_density - log_ndtr(t)), np.exp(log_density - log_ndtr(-t))
        slope = k * up - (n - k) * down
        information = n * up * down
        gradient = np.stack([np.sum(slope * scale, axis=1), np.sum(-slope * t, axis=1) - (x[:, 1] - np.log(spacing)) / LOOSE**2], axis=1)
        cross = np.sum(-information * scale * t, axis=1)
        matrix = np.empty((len(k), 2, 2))
        matrix[:, 0, 0] = np.sum(information, axis=1) * scale[:, 0] ** 2 + 1e-12
        matrix[:, 1, 1] = np.sum(information * t * t, axis=1) + 1 / LOOSE**2
        matrix[:, 0, 1] = matrix[:, 1, 0] = cross
        step = np.linalg.solve(matrix, gradient[:, :, None])[:, :, 0]
        # not farther than the loads reach, nor by more than a factor e in w
        size = np.maximum(np.abs(step[:, 0]) / (np.ptp(a) + spacing), np.abs(step[:, 1]))
        step /= np.maximum(1.0, size)[:, None]
        for _ in range(8):
            new = _cost(x + step, a, k, n, spacing)
            worse = ~(new <= cost + 1e-12)
            if not worse.any():
                break
            step[worse] /= 2
        step[worse] = 0.0
        x = x + step
        cost = _cost(x, a, k, n, spacing)
        if np.abs(step).max() < SMALL:
            break
    return x


def _deviance(x: Array, a: Array, k: Array, n: Array) -> Array:
    t = _argument(x, a)
    best = xlogy(k, k / n) + xlogy(n - k, 1 - k / n)
    return np.asarray(2 * np.sum(best - k * log_ndtr(t) - (n - k) * log_ndtr(-t), axis=1))
