"""From finite N to the limit: a stated form, weighted least squares, and the quality of the fit.

    value(N) = limit + a/N + b/N^2,   b = 0 +- scale known beforehand

The sizes within reach seldom fix b, and leaving it out would hide a bias of order b/(N_1 N_2) behind a small
standard error. Coefficients of an expansion in 1/N are of the order of the value itself: that scale enters as
one more datum for b, and the standard error of the limit covers what the truncation can do.
Source: constrained curve fitting, G. P. Lepage et al., Nucl. Phys. B Proc. Suppl. 106 (2002) 12.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincc


@dataclass(frozen=True)
class Extrapolation:
    """The limit with its standard error and the fit it comes from; `probability` is that of a larger chi2."""

    limit: float
    stderr: float
    a: float
    b: float
    scale: float
    chi2: float
    degrees: int
    probability: float

    @property
    def statement(self) -> str:
        """The form and the quality of the fit in words."""
        form = f"limit + a/N + b/N^2, a = {self.a:.3g}, b = {self.b:.3g} (beforehand 0 +- {self.scale:.2g})"
        if self.degrees == 0:
            return f"{form}, two sizes: the form is not tested"
        return f"{form}, chi2 = {self.chi2:.2f} of {self.degrees} (probability {self.probability:.2f})"


def extrapolate(N: ArrayLike, values: ArrayLike, stderrs: ArrayLike, scale: float) -> Extrapolation:
    """Limit of values measured at two or more sizes N; `scale` is the order of the value, > 0."""
    sizes, y, sigma = (np.asarray(part, dtype=float) for part in (N, values, stderrs))
    if sizes.size < 2:
        raise ValueError(f"N: got {sizes.size} sizes, takes at least 2")
    if not scale > 0:
        raise ValueError(f"scale: got {scale}, takes a number > 0")
    # in units of the mean size: the matrix of bare powers of 1/N is badly scaled
    mean = sizes.mean()
    powers = (mean / sizes[:, None]) ** np.arange(3)
    prior = [0.0, 0.0, mean**2 / scale]
    design = np.vstack([powers / sigma[:, None], prior])
    data = np.append(y / sigma, 0.0)
    orthogonal, triangular = np.linalg.qr(design)
    inverse = np.linalg.inv(triangular)
    scaled = inverse @ orthogonal.T @ data
    chi2 = float(np.sum((data - design @ scaled) ** 2))
    limit, a, b = (scaled * mean ** np.arange(3)).tolist()
    degrees = sizes.size - 2
    probability = float(gammaincc(degrees / 2, chi2 / 2)) if degrees else 1.0
    stderr = float(np.linalg.norm(inverse[0]))
    return Extrapolation(limit, stderr, a, b, scale, chi2, degrees, probability)
