"""From finite N to the limit: a stated form, weighted least squares, and the quality of the fit.

    value(N) = limit + a/N (+ b/N^2)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincc

POOR_FIT = 0.01
"""A linear fit with a smaller chi-square probability is replaced by the quadratic one, if sizes suffice."""


@dataclass(frozen=True)
class Extrapolation:
    """The limit with its standard error and the fit it comes from; `probability` is that of a larger chi2."""

    limit: float
    stderr: float
    order: int
    coefficients: tuple[float, ...]
    chi2: float
    degrees: int
    probability: float

    @property
    def statement(self) -> str:
        """The form and the quality of the fit in words."""
        form = "value(N) = limit + a/N" + (" + b/N^2" if self.order == 2 else "")
        fitted = ", ".join(f"{name} = {number:.3g}" for name, number in zip("ab", self.coefficients[1:]))
        if self.degrees == 0:
            return f"{form}: {fitted}, as many sizes as parameters, so the form is not tested"
        quality = f"chi2 = {self.chi2:.2f} of {self.degrees} (probability {self.probability:.2f})"
        return f"{form}: {fitted}, {quality}"


def fit_sizes(N: ArrayLike, values: ArrayLike, stderrs: ArrayLike, order: int) -> Extrapolation:
    """Weighted least-squares fit of a polynomial in 1/N; ValueError for fewer sizes than coefficients."""
    sizes, y, sigma = (np.asarray(part, dtype=float) for part in (N, values, stderrs))
    degrees = sizes.size - order - 1
    if degrees < 0:
        raise ValueError(f"N: got {sizes.size} sizes, takes at least {order + 1} for a fit of order {order}")
    # columns in units of the mean size: the normal matrix of bare powers of 1/N is badly scaled
    powers = np.arange(order + 1)
    design = (sizes.mean() / sizes[:, None]) ** powers / sigma[:, None]
    covariance = np.linalg.inv(design.T @ design)
    scaled = covariance @ design.T @ (y / sigma)
    chi2 = float(np.sum((y / sigma - design @ scaled) ** 2))
    coefficients = tuple((scaled * sizes.mean() ** powers).tolist())
    probability = float(gammaincc(degrees / 2, chi2 / 2)) if degrees else 1.0
    stderr = float(covariance[0, 0] ** 0.5)
    return Extrapolation(coefficients[0], stderr, order, coefficients, chi2, degrees, probability)


def extrapolate(N: ArrayLike, values: ArrayLike, stderrs: ArrayLike) -> Extrapolation:
    """Limit of values measured at sizes N: linear in 1/N, quadratic where that is refuted (`POOR_FIT`)."""
    linear = fit_sizes(N, values, stderrs, order=1)
    if linear.probability < POOR_FIT and linear.degrees > 0:
        return fit_sizes(N, values, stderrs, order=2)
    return linear
