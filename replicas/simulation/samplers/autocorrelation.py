r"""Errors of a Markov chain: integrated autocorrelation times, effective sample sizes, split R-hat.

    rho(t) = C(t)/C(0),   C(t) = mean of (x_s - mean)(x_{s+t} - mean)   over the records s of all chains, with their common mean
    tau    = 1 + 2 sum_{t=1}^{M} rho(t),   M the smallest with M >= c max(tau(M), 1)  (c = 5)
    ess    = n/tau,   stderr = sqrt(C(0)/ess),   error of tau = tau sqrt(2 (2M + 1)/n)

tau counts records for each independent one (twice the tau_int = 1/2 + ... of the lattice literature): 1 without correlations.
The common mean lets chains that disagree show up as a long tau. The finite series lowers every C(t) by the variance of
the mean, C(0) tau/n, which is added back once.

    R-hat = sqrt((n - 1)/n + B/(n W)),   the chains cut in halves: B/n the variance of their means, W their mean variance

Sources: windowing as in A. D. Sokal's lectures (Functional Integration, Plenum 1997, p. 131), with c = 5 and the demand of 50 tau of
the package emcee; bias and error of tau: U. Wolff, Comput. Phys. Commun. 156 (2004) 143, hep-lat/0306017; R-hat: A. Vehtari,
A. Gelman, D. Simpson, B. Carpenter and P.-C. Buerkner, Bayesian Analysis 16 (2021) 667 (there also after a transformation to ranks).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._checks import check_finite
from ..display.results import Shown

Array = NDArray[np.float64]
WINDOW = 5.0
"""Window of the sum in units of tau: the rest is below exp(-2 * 5) where rho decays as exp(-2t/tau)."""
LENGTH = 50.0
"""Records of a chain in units of tau, below which neither tau nor the mean is trusted."""
AGREEMENT = 1.1
"""Largest split R-hat of an equilibrated run: halves of 25 tau alone scatter it to about 1.04."""


@dataclass(frozen=True, eq=False, repr=False)
class Observable(Shown):
    """One recorded quantity of a sampler.

    values : (chains, records), in the order they were recorded
    mean, stderr : of all chains, the error with autocorrelations (nan where the chain never moved)
    tau, tau_error : integrated autocorrelation time in records, >= 1 without anticorrelations, inf where the chain never moved
    ess : effective sample size of all chains together;  window : records that entered tau
    r_hat : split R-hat, 1 in equilibrium
    """

    quantity = "observable"
    inputs = ("name",)
    computed = ("mean", "stderr", "tau", "tau_error", "ess", "r_hat")

    name: str
    values: Array
    mean: float
    stderr: float
    tau: float
    tau_error: float
    ess: float
    window: int
    r_hat: float

    @property
    def title(self) -> str:
        """Its name and mean."""
        return f"{self.name}: {self.mean:.6g} ± {self.stderr:.2g}"

    @property
    def status(self) -> str:
        """"equilibrated" or "not-equilibrated"."""
        return "equilibrated" if self.equilibrated else "not-equilibrated"

    @property
    def equilibrated(self) -> bool:
        """Every chain is at least 50 tau long and R-hat at most 1.1."""
        return self.values.shape[1] >= LENGTH * self.tau and self.r_hat <= AGREEMENT


def autocovariance(values: ArrayLike) -> Array:
    """C(t), t = 0, ..., records - 1, of chains (chains, records) or of one chain (records,), about their common mean.

    Raises ValueError for another shape, fewer than 2 records, or values that are not finite.
    """
    x = _series(values)
    records = x.shape[1]
    length = 1 << (2 * records - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(x - x.mean(), length, axis=1)) ** 2
    summed = np.fft.irfft(spectrum.sum(axis=0), length)[:records]
    return np.asarray(summed / (len(x) * (records - np.arange(records))))


def integrated_time(values: ArrayLike, window: float = WINDOW) -> tuple[float, float, int]:
    """Integrated autocorrelation time tau in records, its standard error, and the window M of the sum.

    Parameters
    ----------
    values : (chains, records) or (records,), finite, at least 2 records
    window : c of the smallest M >= c max(tau(M), 1), > 0

    A series that never changes has tau = inf.

    Raises
    ------
    ValueError : an argument outside these ranges
    """
    if check_finite("window", window) <= 0:
        raise ValueError(f"window: got {window}, takes a number > 0")
    x = _series(values)
    C = autocovariance(x)
    n, last = x.size, x.shape[1] - 1
    if not _moves(x):
        return math.inf, math.inf, 0
    tau = 2 * np.cumsum(C / C[0]) - 1
    beyond = np.flatnonzero(np.arange(last + 1) >= window * np.maximum(tau, 1.0))
    M = int(beyond[0]) if beyond.size else last
    # the mean is that of the same series: every C(t) is low by C(0) tau/n
    share = float(tau[M]) / n
    corrected = max((float(tau[M]) + (2 * M + 1) * share) / (1 + share), 1.0 / n)
    return corrected, corrected * math.sqrt(2 * (2 * M + 1) / n), M


def split_r_hat(values: ArrayLike) -> float:
    """Split R-hat of chains (chains, records) or (records,): near 1 where all halves agree, inf where none of them moves."""
    x = _series(values)
    half = x.shape[1] // 2
    if half < 2:
        return math.inf
    halves = np.concatenate([x[:, :half], x[:, -half:]])
    within = float(halves.var(axis=1, ddof=1).mean())
    between = float(halves.mean(axis=1).var(ddof=1))
    if not _moves(x) or within == 0:
        return math.inf
    return math.sqrt((half - 1) / half + between / within)


def observe(name: str, values: ArrayLike) -> Observable:
    """The `Observable` of recorded values, (chains, records) or (records,)."""
    x = _series(values)
    tau, tau_error, M = integrated_time(x)
    variance = float(x.var())
    ess = x.size / tau
    stderr = math.sqrt(variance / max(1 - tau / x.size, 0.5) / ess) if ess > 0 else math.nan
    return Observable(name, x, float(x.mean()), stderr, tau, tau_error, ess, M, split_r_hat(x))


def _series(values: ArrayLike) -> Array:
    x = np.atleast_2d(np.asarray(values, dtype=float))
    if x.ndim != 2 or x.shape[1] < 2 or len(x) == 0:
        raise ValueError(f"values: got an array of shape {np.shape(values)}, takes (chains, records) with at least 2 records")
    if not np.all(np.isfinite(x)):
        raise ValueError("values: got numbers that are not finite, takes finite ones")
    return x


def _moves(x: Array) -> bool:
    """Whether the series changes by more than the rounding of its values."""
    return bool(np.ptp(x) > 64 * np.finfo(float).eps * np.max(np.abs(x)))
