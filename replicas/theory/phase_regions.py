"""What the phases are called and what decides between them: the order in which lines are met as the load grows at one abscissa."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .boundaries import HERE, INFINITE, NONE, UNASKED
from .boundaries import LOST as NOT_CONVERGED

UNKNOWN = "unknown"
MEANINGS = {
    "SAT-RS": "solutions exist, and their set is one connected state: replica symmetry is exact",
    "SAT-clustered": "solutions exist in exponentially many states (Sigma(m = 1) > 0); entropy and overlap are the symmetric ones",
    "SAT-RSB": "solutions exist and replica symmetry is broken",
    # flipping a share d of the weights breaks a share sqrt(d) of the patterns: more entropy lost than the d log(1/d) gained
    "SAT-frozen": "solutions exist and the symmetric entropy counts them; typical ones are isolated (frozen one-step breaking, q1 = Q)",
    "SAT-frozen, dense clusters": "the same, with rare dense clusters that reach from moderate distances down to d -> 0 (below alpha_U)",
    "SAT-frozen, dense clusters?": "the same, where no load was found up to which dense clusters reach d -> 0",
    "SAT-trivial": "the zero weight vector, or every one, satisfies all patterns at any load",
    "SAT": "solutions exist; where replica symmetry breaks was not computed",
    "UNSAT": "no solutions (above the best line known: full breaking, or an upper bound where that was not asked for)",
    "RS": "Gibbs measure of error counting with one state: replica symmetry is exact",
    "clustered": "exponentially many Gibbs states (Sigma(m = 1) > 0); free entropy and overlap are the symmetric ones",
    "RSB": "replica symmetry is broken",
    "frozen": "the symmetric entropy would be negative: few configurations dominate, and the energy no longer falls on cooling",
    "impossible": "the teacher is not recovered: students of lower overlap outnumber it (where their R = 0, nothing is learnt)",
    "hard": "the teacher is recovered in principle; a metastable student of low overlap blocks local and message-passing algorithms",
    "easy": "no metastable student is left (or, where learning starts continuously, R > 0 is reached without one)",
    UNKNOWN: "a line that decides was not computed here",
}


@dataclass(frozen=True)
class Spot:
    """A line at one abscissa."""

    y: float = math.nan
    physical: bool = False
    status: str = UNASKED

    @property
    def here(self) -> bool:
        return self.status == HERE and math.isfinite(self.y)


Levels = list[tuple[str, float]]
"""(label, upper end) from small loads to large ones; the last end is infinite."""
Rule = Callable[[Mapping[str, Spot]], Levels]
NO_LINE = Spot()
LOST = [(UNKNOWN, math.inf)]


def sphere(at: Mapping[str, Spot]) -> Levels:
    """Spherical storage: RS, clustered between the dynamical and the condensation line, RSB, UNSAT above the lowest bound."""
    rs, at_line = at["capacity_rs"], at.get("at_line", NO_LINE)
    if rs.here and rs.physical:
        return [("SAT-RS", rs.y), ("UNSAT", math.inf)]
    bounds = [at[n].y for n in ("capacity_rs", "capacity_1rsb", "capacity_frsb") if n in at and at[n].here]
    if not bounds:
        return LOST
    top = min(bounds)
    return [*_breaking(at, at_line, top, "SAT-"), ("UNSAT", math.inf)]


def _breaking(at: Mapping[str, Spot], at_line: Spot, top: float, prefix: str) -> Levels:
    """What lies below ``top``: replica symmetry, states, broken symmetry."""
    condensation, dynamical = at.get("condensation", NO_LINE), at.get("dynamical", NO_LINE)
    starts = [s.y for s in (at_line, condensation) if s.here and (s.physical or s is condensation)]
    if not starts and at_line.here and math.isfinite(top):  # beside the point where both lines meet
        starts = [at_line.y]
    if not starts:
        return [("SAT" if prefix else UNKNOWN, top)]
    start = min([*starts, top])
    levels: Levels = []
    if dynamical.here and dynamical.y < start:
        levels = [(f"{prefix}RS", dynamical.y), (f"{prefix}clustered", start)]
    else:
        levels = [(f"{prefix}RS", start)]
    return [*levels, (f"{prefix}RSB", top)]


def finite_set(at: Mapping[str, Spot]) -> Levels:
    """Storage with a finite set of weights: frozen up to the capacity, or up to an instability that comes before."""
    capacity, at_line, dense = at["capacity"], at.get("at_line", NO_LINE), at.get("alpha_u", NO_LINE)
    if capacity.status == INFINITE:
        return [("SAT-trivial", math.inf)]
    if not capacity.here:
        return [("SAT-frozen", at_line.y), *LOST] if at_line.here and at_line.physical else LOST
    start = min(at_line.y, capacity.y) if at_line.here and at_line.physical else capacity.y
    label, reach = "SAT-frozen", dense.y if dense.here else 0.0
    if "alpha_u" in at and not dense.here:
        label = "SAT-frozen, dense clusters" if dense.status == NONE else "SAT-frozen, dense clusters?"  # none: in one piece up to capacity
    levels: Levels = [("SAT-frozen, dense clusters", reach)] if 0 < reach < start else []
    levels.append((label, start))
    if start < capacity.y:
        levels.append(("SAT-RSB", capacity.y))
    return [*levels, ("UNSAT", math.inf)]


def thermal(at: Mapping[str, Spot]) -> Levels:
    """Error counting at a temperature: what comes first, a continuous or discontinuous breaking, or the freezing."""
    at_line, freezing = at.get("at_line", NO_LINE), at.get("freezing", NO_LINE)
    condensed = at.get("condensation", NO_LINE)
    broken = [s.y for s in (at_line, condensed) if s.here and (s.physical or s is condensed)]
    if freezing.here and freezing.physical and not (broken and min(broken) < freezing.y):
        return [("RS", freezing.y), ("frozen", math.inf)]
    if broken:
        return _breaking(at, at_line, math.inf, "")
    nowhere = not freezing.here and not at_line.here and NOT_CONVERGED not in (freezing.status, at_line.status)
    return [("RS", math.inf)] if nowhere else LOST


def sphere_units(at: Mapping[str, Spot]) -> Levels:
    """Spherical machines of several units: replica symmetric below the AT load, UNSAT above the lowest bound."""
    rs, one, at_line = at["capacity_rs"], at.get("capacity_1rsb", NO_LINE), at.get("at_line", NO_LINE)
    if rs.here and rs.physical:
        return [("SAT-RS", rs.y), ("UNSAT", math.inf)]
    bounds = [s.y for s in (rs, one) if s.here]
    top = min(bounds) if bounds else math.inf
    if not bounds and rs.status != INFINITE:
        return LOST
    if at_line.here and at_line.physical and at_line.y < top:
        below: Levels = [("SAT-RS", at_line.y), ("SAT-RSB", top)]
    else:
        below = [("SAT", top)]
    return below if math.isinf(top) else [*below, ("UNSAT", math.inf)]


def teacher(at: Mapping[str, Spot]) -> Levels:
    """Learning from a teacher: impossible below alpha_it, hard up to the spinodal, easy beyond."""
    it, spinodal = at.get("alpha_it", NO_LINE), at.get("spinodal", NO_LINE)
    if it.status == spinodal.status == NONE:
        return [("easy", math.inf)]
    if NOT_CONVERGED in (it.status, spinodal.status) or not (it.here or spinodal.here):
        return LOST
    low = it.y if it.here else spinodal.y
    if not spinodal.here:
        return [("impossible", low), ("hard" if spinodal.status != UNASKED else UNKNOWN, math.inf)]
    middle: Levels = [("hard", spinodal.y)] if spinodal.y > low else []
    return [("impossible", low), *middle, ("easy", math.inf)]
