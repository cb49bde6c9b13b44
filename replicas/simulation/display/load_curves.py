"""Curves over the load measured on random instances: what success, recovery and entropy curves have in common."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..threshold import Threshold, fit_threshold, share
from .results import Rows, Series

Array = NDArray[np.float64]
UNREACHED = 6
"""Loads that an interrupt left without an instance and that are named one by one."""


class LoadCurve(Series):
    """A quantity by load; a load at which no instance was completed before an interrupt is not shown."""

    alphas: Array
    instances: NDArray[np.int64]
    interrupted: bool
    header: ClassVar[tuple[str, ...]]

    @property
    def status(self) -> str:
        """Whether everything asked for was run: "converged" or "interrupted"."""
        return "interrupted" if self.interrupted else "converged"

    @property
    def ending(self) -> str:
        """The end of a title."""
        return ", interrupted" if self.interrupted else ""

    def cells(self, i: int) -> list[str]:
        """The row of one load."""
        raise NotImplementedError

    def rows(self) -> Rows:
        """Header and cells of a readable table, of the loads that were reached."""
        return list(self.header), [self.cells(int(i)) for i in np.flatnonzero(self.instances)]

    @property
    def notes(self) -> tuple[str, ...]:
        """The loads that were not reached."""
        left = [f"{alpha:.4g}" for alpha in self.alphas[self.instances == 0]]
        if len(left) > UNREACHED:
            left[2:-1] = ["..."]
        return (f"interrupted: no instance completed at alpha = {', '.join(left)}",) if left else ()


class ShareCurve(LoadCurve):
    """Share of the instances with some outcome, by load, and the load where it is one half."""

    threshold: Threshold
    rising: ClassVar[bool] = False
    bound: ClassVar[str] = "capacity"
    drawn = ("probability", "error")

    @property
    def _counted(self) -> NDArray[np.int64]:
        """Instances with the outcome, by load."""
        raise NotImplementedError

    @property
    def probability(self) -> Array:
        """Share of the completed instances with the outcome."""
        return share(self._counted, self.instances)[0]

    @property
    def stderr(self) -> Array:
        """Half-width of Wilson's interval at one standard deviation: not zero where the share is 0 or 1."""
        return share(self._counted, self.instances)[1]

    @property
    def notes(self) -> tuple[str, ...]:
        """The threshold, and the loads that were not reached."""
        return (f"threshold {self.threshold}", *super().notes)

    def plot(self, ax: Any = None, theory: tuple[ArrayLike, ArrayLike] | None = None, **style: Any) -> Any:
        """Draw the shares, the fit through them and its threshold with its error; returns the axes.

        ax, theory, style : as for every curve (`Series.plot`)
        capacity (recovery: spinodal) : a load to mark beside the threshold, a number or what has one as its ``value``
        """
        bound = style.pop(self.bound, None)
        return super().plot(ax, theory, mark=None if bound is None else load_of(self.bound, bound), **style)

    def _draw(self, ax: Any, mark: float | None = None, **style: Any) -> None:
        from scipy.special import ndtr

        fit, named = self.threshold, style.get("label") not in (None, self.label)
        points = ax.errorbar(self.alphas, self.probability, self.stderr, **{"fmt": "o", "ms": 3.5, **style})
        color = points[0].get_color()
        if fit.value is not None and fit.width is not None:
            x = np.linspace(min(self.alphas.min(), fit.value), max(self.alphas.max(), fit.value), 201)
            ax.plot(x, ndtr((x - fit.value) / fit.width * (1 if self.rising else -1)), color=color, lw=1.2)
            text = None if named else f"threshold {fit.value:.4f} ± {fit.error:.4f}"
            ax.errorbar(fit.value, 0.5, xerr=fit.error, fmt="D", ms=4, mfc="white", color=color, capsize=2.5, label=text)
        if mark is not None:
            ax.axvline(mark, color="k", lw=0.9, ls="--", label=f"{self.bound} {mark:.4f}")
        ax.set_ylim(-0.04, 1.04)


def fit_completed(loads: NDArray[np.int64], N: int, counted: NDArray[np.int64], completed: NDArray[np.int64], rng: Any) -> Threshold:
    """The threshold of what was completed; loads of the same number of patterns hold the same instances, which count once."""
    _, first = np.unique(loads, return_index=True)
    some = np.array([i for i in np.sort(first) if completed[i]], dtype=int)
    if some.size < 2:
        return Threshold("one-load" if some.size else "nothing")
    return fit_threshold(loads[some] / N, counted[some], completed[some], rng)


def load_of(name: str, given: Any) -> float:
    """A finite load, or the value of a result."""
    number = getattr(given, "value", given)
    if not isinstance(number, (int, float, np.number)) or not np.isfinite(number):
        raise ValueError(f"{name}: got {number!r}, takes a finite load, or a result whose value is one")
    return float(number)
