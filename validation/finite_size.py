"""From finite N to the limit: a stated form, weighted least squares, and the quality of the fit.

    value(N) = limit + a/N + b/N^2,   b = 0 +- scale known beforehand

The sizes within reach seldom fix b, and leaving it out would hide a bias of order b/(N_1 N_2) behind a small
standard error. Coefficients of an expansion in 1/N are of the order of the value itself: that scale enters as
one more datum for b, and the standard error of the limit covers what the truncation can do.
Where the smallest sizes are very small, c/N^3 enters in the same way. Quantities whose corrections are known, or assumed,
to come in another power of the size are fitted in powers of 1/N^power instead.
Source: constrained curve fitting, G. P. Lepage et al., Nucl. Phys. B Proc. Suppl. 106 (2002) 12.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincc


@dataclass(frozen=True)
class Extrapolation:
    """The limit with its standard error and the fit it comes from; `probability` is that of a larger chi2.

    scale : of b, known beforehand;  c : coefficient of 1/N^3, None where the form has none;  power : of N in the form
    """

    limit: float
    stderr: float
    a: float
    b: float
    scale: float
    chi2: float
    degrees: int
    probability: float
    c: float | None = None
    power: float = 1.0

    @property
    def statement(self) -> str:
        """The form and the quality of the fit in words."""
        first, second, last = (f"N^{self.power * k:g}".removesuffix("^1") for k in (1, 2, 3))
        powers, third = ("", "") if self.c is None else (f" + c/{last}", f", c = {self.c:.3g}")
        b = f"b = {self.b:.3g} (beforehand 0 +- {self.scale:.2g})"
        form = f"limit + a/{first} + b/{second}{powers}, a = {self.a:.3g}, {b}{third}"
        if self.degrees == 0:
            return f"{form}, two sizes: the form is not tested"
        return f"{form}, chi2 = {self.chi2:.2f} of {self.degrees} (probability {self.probability:.2f})"


def extrapolate(
    N: ArrayLike, values: ArrayLike, stderrs: ArrayLike, scale: float, order: int = 2, unit: float = 1.0, power: float = 1.0
) -> Extrapolation:
    """Limit of values measured at two or more sizes N; `scale` is the order of the value, > 0.

    order : highest power of 1/N^power, 2 or 3;  power : of the leading correction, > 0;  unit : N/unit is the size that must be large (of a branch, of a
    block), so that the coefficients beforehand are 0 +- scale unit^power
    """
    bare, y, sigma = (np.asarray(part, dtype=float) for part in (N, values, stderrs))
    sizes, unit = bare**power, unit**power
    if sizes.size < 2:
        raise ValueError(f"N: got {sizes.size} sizes, takes at least 2")
    if not scale > 0:
        raise ValueError(f"scale: got {scale}, takes a number > 0")
    if order not in (2, 3):
        raise ValueError(f"order: got {order}, takes 2 or 3")
    if not power > 0:
        raise ValueError(f"power: got {power}, takes a number > 0")
    # in units of the mean size: the matrix of bare powers of 1/N is badly scaled
    mean = sizes.mean()
    powers = np.arange(order + 1)
    priors = np.diag((mean / unit) ** powers / scale)[2:]
    design = np.vstack([(mean / sizes[:, None]) ** powers / sigma[:, None], priors])
    data = np.append(y / sigma, np.zeros(order - 1))
    orthogonal, triangular = np.linalg.qr(design)
    inverse = np.linalg.inv(triangular)
    scaled = inverse @ orthogonal.T @ data
    chi2 = float(np.sum((data - design @ scaled) ** 2))
    limit, a, b, *rest = (scaled * mean**powers).tolist()
    degrees = sizes.size - 2
    probability = float(gammaincc(degrees / 2, chi2 / 2)) if degrees else 1.0
    stderr = float(np.linalg.norm(inverse[0]))
    c = rest[0] if rest else None
    return Extrapolation(limit, stderr, a, b, scale * unit**2, chi2, degrees, probability, c, power)
