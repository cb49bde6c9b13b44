r"""Saddle points of local entropies: what a system of equations offers, Newton on it, branches by continuation.

A system has ``names``, ``evaluate(x, y, d, quality) -> Values`` and ``start(y, d) -> x``; its unknowns x are unconstrained
(logarithms of gaps, conjugates). At S_E = 0 the inverse temperature y joins the unknowns as log y. A branch is followed in
one parameter, d, y or alpha, by predictor and corrector with a bound on the correction, so that it is never left for another:

.. math:: F(x; y, d) = 0, \qquad S_E(x; y, d) = \phi - y\,\partial_y \phi = 0 .
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

CONVERGED = 1e-12  # undamped residual below which Newton has no more to gain
ACCEPTED = 1e-8  # undamped residual of an accepted saddle: rounding where q0_hat nearly vanishes, d -> 0 at y ~ 1000
STALLED = 0.5  # reduction of an accepted residual by a Newton step above which rounding is all that is left
DIFFERENCE = 1e-6  # step of the Jacobian; the residual is known to 1e-14 and curved on the scale 1
STEPS = 25
LONGEST = 1.0  # Newton step of any unknown, all being logarithms or fields of order 1
FAR = 0.25  # correction of a predicted point above which a step of the continuation is halved
MOST_Y = 3e3  # at S_E = 0, followed to; rounding of S_E grows with y, and y* diverges where a branch meets S_I = S_0 or d -> 0
FADING = 1e-25  # q0_hat at y = inf under which rounding, at 1e-32, is near
SHORTEST = 1e-4  # step of log alpha, log y or log(d/(1-d)) at which a branch has ended
LARGEST_STEP = 1.0
GROWTH = 2.0


class NoValue(ArithmeticError):
    """The functional has no value there: order parameters outside their cone, or too narrow for the lattices."""


@dataclass(frozen=True)
class Values:
    """A local entropy off or at its saddle.

    residual : one equation per unknown, undamped and of order 1 away from the saddle
    phi : free entropy of the references (at y = inf: lim phi/y);  local_entropy S_I = d phi/dy;  external_entropy S_E
    slope : 2 p_hat, which is d S_I/dd along S_E = 0 and at y = inf (at fixed y, d phi/dd = y slope)
    magnitude : sum of |terms| of phi
    """

    residual: np.ndarray
    phi: float
    local_entropy: float
    external_entropy: float
    slope: float
    order_parameters: Mapping[str, float]
    magnitude: float


class System(Protocol):
    """Equations of a local entropy; d is the distance (spherical weights: the overlap)."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the order parameters that the unknowns stand for."""

    def evaluate(self, x: np.ndarray, y: float, d: float, quality: float = 1.0) -> Values:
        """Everything at the unknowns x; raises NoValue where there is nothing."""

    @property
    def enter(self) -> float:
        """y from which the limit y -> inf is entered."""

    def start(self, y: float, d: float) -> np.ndarray:
        """A saddle, or a guess close to one, at moderate d."""

    def entered(self, finite: Any, saddle: Saddle) -> np.ndarray:
        """Unknowns of the limit y -> inf from a saddle of the finite system at large y."""


Family = Callable[[float], System]  # the system at a load


@dataclass(frozen=True)
class Saddle:
    """Where Newton stopped: unknowns, parameters, values there, undamped residual."""

    x: np.ndarray
    y: float
    d: float
    values: Values
    residual: float
    alpha: float = math.nan

    @property
    def ok(self) -> bool:
        return self.residual <= ACCEPTED


class Path:
    """Saddles along one parameter s: log(d/(1-d)), log y or log alpha; ``star``: y is free (last unknown log y) and S_E = 0."""

    def __init__(self, family: Family, along: str, saddle: Saddle, star: bool = False, quality: float = 1.0):
        self.family, self.along, self.star, self.quality = family, along, star, quality
        self.y, self.d, self.alpha = saddle.y, saddle.d, saddle.alpha
        self.fixed = None if along == "alpha" else family(saddle.alpha)

    def coordinate(self, value: float) -> float:
        """s of a value of the parameter."""
        return math.log(value) - math.log1p(-value) if self.along == "d" else math.log(value)

    def parameter(self, s: float) -> float:
        """The inverse of `coordinate`."""
        if self.along != "d":
            return math.exp(s)
        return 1.0 / (1.0 + math.exp(-s)) if s > 0 else math.exp(s) / (1.0 + math.exp(s))

    def unknowns(self, saddle: Saddle) -> np.ndarray:
        """z of a saddle."""
        return np.append(saddle.x, math.log(saddle.y)) if self.star else np.array(saddle.x, dtype=float)

    def place(self, saddle: Saddle) -> float:
        """s of a saddle."""
        return self.coordinate(getattr(saddle, self.along))

    def equations(self, z: np.ndarray, s: float) -> tuple[np.ndarray, Values]:
        """Undamped equations at unknowns z and parameter s."""
        x, y, d, alpha = self._unpacked(z, s)
        if self.star and not y < MOST_Y:
            raise NoValue(f"y above {MOST_Y:g}")
        system = self.family(alpha) if self.fixed is None else self.fixed
        values = system.evaluate(x, y, d, self.quality)
        r = np.append(values.residual, values.external_entropy) if self.star else values.residual
        if not np.all(np.isfinite(r)):
            raise NoValue("not finite")
        return r, values

    def _unpacked(self, z: np.ndarray, s: float) -> tuple[np.ndarray, float, float, float]:
        x, y = (z[:-1], math.exp(z[-1])) if self.star else (z, self.y)
        d, alpha, value = self.d, self.alpha, self.parameter(s)
        if self.along == "d":
            d = value
        elif self.along == "y":
            y = value
        else:
            alpha = value
        return x, y, d, alpha

    def jacobian(self, z: np.ndarray, s: float, r: np.ndarray) -> np.ndarray:
        """Forward differences in the unknowns."""
        J = np.empty((r.size, z.size))
        for i in range(z.size):
            step = z.copy()
            step[i] += DIFFERENCE
            J[:, i] = (self.equations(step, s)[0] - r) / DIFFERENCE
        return J

    def by_parameter(self, z: np.ndarray, s: float, r: np.ndarray) -> np.ndarray:
        """Forward difference in s."""
        return np.asarray((self.equations(z, s + DIFFERENCE)[0] - r) / DIFFERENCE)

    def tangent(self, saddle: Saddle) -> np.ndarray:
        """dz/ds at a saddle; infinite at a fold."""
        z, s = self.unknowns(saddle), self.place(saddle)
        r, _ = self.equations(z, s)
        try:
            return np.linalg.solve(self.jacobian(z, s, r), -self.by_parameter(z, s, r))
        except np.linalg.LinAlgError:
            return np.full(z.size, np.inf)

    def newton(self, z: np.ndarray, s: float, value: float | None = None, within: float = math.inf) -> Saddle:
        """Undamped Newton at s (only a step longer than LONGEST is shortened). What does not converge has ``ok`` False.

        The Jacobian is renewed while the residual does not fall tenfold a step. ``within``: give up that far from z.
        """
        z = np.array(z, dtype=float)
        start = z
        r, values = self.equations(z, s)
        size = float(np.max(np.abs(r)))
        J: np.ndarray | None = None
        for _ in range(STEPS):
            if size < CONVERGED or np.max(np.abs(z - start)) > within:
                break
            fresh = J is None
            if J is None:
                try:
                    J = self.jacobian(z, s, r)
                except NoValue:
                    break
            try:
                step = np.linalg.solve(J, -r)
            except np.linalg.LinAlgError:
                break
            if not np.all(np.isfinite(step)):
                break
            step *= min(1.0, LONGEST / float(np.max(np.abs(step))))
            tried = self._tried(z, step, s)
            if tried is None:
                break
            new_size = float(np.max(np.abs(tried[0])))
            if fresh and new_size > STALLED * size and size < ACCEPTED:
                break
            if fresh or new_size < size:
                z, (r, values) = z + step, tried
            if new_size > 0.1 * size:
                J = None
            size = float(np.max(np.abs(r)))
        x, y, d, alpha = self._unpacked(z, s)
        if value is not None:
            d, y, alpha = (value if self.along == n else v for n, v in (("d", d), ("y", y), ("alpha", alpha)))
        return Saddle(x, y, d, values, size, alpha)

    def _tried(self, z: np.ndarray, step: np.ndarray, s: float) -> tuple[np.ndarray, Values] | None:
        """The equations a step further; where they have no value the step (changed in place) is halved."""
        for _ in range(6):
            try:
                return self.equations(z + step, s)
            except NoValue:
                step *= 0.5
        return None

    def advance(self, saddle: Saddle, value: float) -> tuple[Saddle, bool]:
        """Follow the branch until the parameter has ``value``: (last saddle reached, whether it is there).

        A step whose Newton correction exceeds FAR is halved; where even the shortest one fails the branch has
        ended, in a fold or at the edge of its cone.
        """
        here, end = self.place(saddle), self.coordinate(value)
        step = end - here
        slope = None
        while here != end:
            step = math.copysign(min(abs(step), abs(end - here), LARGEST_STEP), end - here)
            if slope is None:
                try:
                    slope = self.tangent(saddle)
                except NoValue:  # at the edge
                    return saddle, False
            target = end if abs(end - here - step) <= 1e-13 * abs(end) else here + step
            found = self._predicted(saddle, slope, here, target, value if target == end else None)
            if found is None:
                step *= 0.5
                if abs(step) < SHORTEST or self._fading(saddle):
                    return saddle, False
                continue
            saddle, here, slope = found, target, None
            step *= GROWTH
        return saddle, True

    def _fading(self, saddle: Saddle) -> bool:
        """Whether a failing step is due to y at S_E = 0 becoming too large, or at y = inf conjugates too small."""
        if self.star:
            return saddle.y > 0.5 * MOST_Y
        return math.isinf(saddle.y) and saddle.values.order_parameters["q0_hat"] < FADING

    def _predicted(
        self, saddle: Saddle, slope: np.ndarray, here: float, s: float, value: float | None
    ) -> Saddle | None:
        """The saddle at s if Newton, from the tangent, reaches it with a small correction."""
        guess = self.unknowns(saddle) + slope * (s - here)
        if not np.all(np.isfinite(guess)):
            return None
        try:
            found = self.newton(guess, s, value, 2 * FAR)
        except NoValue:
            return None
        return found if found.ok and np.max(np.abs(self.unknowns(found) - guess)) <= FAR else None


def _path(system: System, along: str, x: np.ndarray, y: float, d: float, star: bool, quality: float) -> Path:
    placeholder = Saddle(np.asarray(x, dtype=float), y, d, None, math.inf, 1.0)  # type: ignore[arg-type]
    return Path(lambda _: system, along, placeholder, star, quality)


def newton(system: System, x: np.ndarray, y: float, d: float, quality: float = 1.0, star: bool = False) -> Saddle:
    """Undamped Newton from x at (y, d); ``star``: y is free, too, and S_E = 0."""
    path = _path(system, "d", x, y, d, star, quality)
    z = np.append(x, math.log(y)) if star else np.asarray(x, dtype=float)
    return path.newton(z, path.coordinate(d), d)


def continue_curve(
    family: Family, saddle: Saddle, along: str, parameters: np.ndarray, star: bool = False, quality: float = 1.0
) -> list[Saddle | None]:
    """Saddles at monotonic ``parameters`` along the branch of ``saddle``; None from where the branch has ended."""
    path = Path(family, along, saddle, star, quality)
    out: list[Saddle | None] = []
    reached = True
    for value in parameters:
        if reached:
            saddle, reached = path.advance(saddle, float(value))
        out.append(saddle if reached else None)
    return out
