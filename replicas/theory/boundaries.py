r"""Lines of a phase diagram: traced adaptively to a tolerance, with their kinks and ends located by bisection.

A line y(x) is sampled by one of the package's questions. Between samples it is a cubic spline of log y, or of log y - log c for a line
that follows a companion c(x); an interval is halved until its midpoint is predicted to the tolerance, also after its neighbours were
refined. Where a line begins or ends, becomes unphysical, has a kink or a jump, the interval is halved down to ``width``: that is how well
the place is known. What happens entirely between two neighbours of the first samples is not seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from .. import interrupts
from ..results import Estimate, bound, decimal

HERE, NONE, INFINITE, LOST, UNASKED = "converged", "no-solution", "diverges", "not-converged", "unsupported"
SLACK = 1.001  # of a width, for comparisons of sums of floats
LEFT_OPEN = 1 / 32  # of the first samples' range: so near is a point approached at which a question has no answer


@dataclass(frozen=True)
class Sample:
    """A line at one abscissa: y where ``status`` is converged, nan or inf elsewhere; ``physical``: whether it separates phases there."""

    y: float
    error: float = math.nan
    physical: bool = False
    status: str = HERE
    ansatz: str = ""
    message: str = ""

    @property
    def kind(self) -> tuple[str, bool, str]:
        """What neighbours have in common on a smooth piece of a line."""
        return self.status, self.physical, self.ansatz


def absent(status: str = NONE, message: str = "") -> Sample:
    """No line here."""
    return Sample(math.inf if status == INFINITE else math.nan, status=status, message=message)


def sample(found: Estimate, physical: bool, ansatz: str = "") -> Sample:
    """A scalar estimate as a sample."""
    if found.status == HERE:
        return Sample(float(found.value), float(found.error), physical, HERE, ansatz, str(found.message))
    known = found.status if found.status in (NONE, INFINITE, UNASKED) else LOST
    return absent(known, str(found.message))


@dataclass(frozen=True, eq=False)
class Boundary:
    """A line of a phase diagram.

    name, label, kind : as in the columns, in words, and what it is (capacity, bound, instability, transition, branch, ...)
    x, y, error : the traced points in increasing x, the error that of the solver;  physical : whether the line separates phases there
    status : of each point asked for ("converged" where it exists);  ansatz : of each point, where it matters
    tolerance : what interpolation between the points keeps to (relative, of loads); None where that was not checked
    width : how well, in x, ends and kinks are known;  joined : whether there is anything between the points (not between whole numbers, or values given)
    breaks : abscissae after which a new smooth piece begins: kinks, jumps
    log : interpolated in log y;  companion : relative to this line;  message : what went wrong, if anything
    """

    name: str
    label: str
    kind: str
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray
    physical: np.ndarray
    status: np.ndarray
    ansatz: np.ndarray
    tolerance: float | None
    width: float
    message: str = ""
    log: bool = True
    joined: bool = True
    companion: Boundary | None = field(default=None, repr=False)
    breaks: tuple[float, ...] = ()
    reasons: tuple[tuple[float, str], ...] = ()  # of points without the line

    @property
    def exists(self) -> np.ndarray:
        """Where the line has a finite value."""
        return np.isfinite(self.y)

    def said(self, x: float) -> str:
        """Why there is no line at an abscissa that was asked for."""
        return next((message for at, message in self.reasons if at == x), "")

    def pieces(self) -> list[slice]:
        """Smooth pieces: neighbours alike in status, physical and ansatz, without a break between them."""
        if not self.x.size:
            return []
        same = (self.status[1:] == self.status[:-1]) & (self.physical[1:] == self.physical[:-1]) & (self.ansatz[1:] == self.ansatz[:-1])
        same &= self.joined & ~np.isin(self.x[:-1], self.breaks)
        edges = [0, *(np.flatnonzero(~same) + 1), self.x.size]
        return [slice(int(a), int(b)) for a, b in pairwise(edges)]

    def at(self, x: Any) -> Any:
        """y at abscissae: nan where the line does not exist or was not traced, inf where it is infinite."""
        flat = np.atleast_1d(np.asarray(x, dtype=float))
        out, owner = np.full(flat.shape, np.nan), self._owner(flat)
        for i, piece in enumerate(self.pieces()):
            mine = owner == i
            if mine.any():
                out[mine] = self._inside(piece, flat[mine])
        return out if np.ndim(x) else float(out[0])

    def about(self, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(status, physical, ansatz) at abscissae; unsupported where the line was not traced."""
        flat = np.atleast_1d(np.asarray(x, dtype=float))
        status, physical = np.full(flat.shape, UNASKED, dtype=object), np.zeros(flat.shape, dtype=bool)
        ansatz = np.full(flat.shape, "", dtype=object)
        owner = self._owner(flat)
        for i, piece in enumerate(self.pieces()):
            mine = owner == i
            status[mine], physical[mine], ansatz[mine] = self.status[piece][0], self.physical[piece][0], self.ansatz[piece][0]
        return status, physical, ansatz

    def _owner(self, x: np.ndarray) -> np.ndarray:
        """The piece of each abscissa, the nearer one in the gap of an end or kink; -1 beyond what was traced."""
        owner = np.full(x.shape, -1)
        ends = [(self.x[p][0], self.x[p][-1]) for p in self.pieces()]
        for i, (low, high) in enumerate(ends):
            left, right = low, high
            if self.joined and i and low - ends[i - 1][1] <= SLACK * self.width:
                left = 0.5 * (low + ends[i - 1][1])
            if self.joined and i + 1 < len(ends) and ends[i + 1][0] - high <= SLACK * self.width:
                right = 0.5 * (high + ends[i + 1][0])
            owner[(x >= left) & (x <= right)] = i
        return owner

    def _inside(self, piece: slice, x: np.ndarray) -> np.ndarray:
        nodes, values = self.x[piece], self.y[piece]
        x = np.clip(x, nodes[0], nodes[-1])
        if not np.isfinite(values).all():
            return np.full(x.shape, values[0])
        if not self.log:
            return interpolated(nodes, values, x)
        base, there = (np.zeros(n.size) if self.companion is None else np.log(self.companion._beside(n)) for n in (nodes, x))
        found: np.ndarray = np.exp(interpolated(nodes, np.log(values) - base, x) + there)
        return found

    def _beside(self, x: np.ndarray) -> np.ndarray:
        """y at abscissae, that of the nearest point within reach where the line itself does not exist."""
        y = self.at(x)
        gone = ~np.isfinite(y)
        if gone.any():
            known = self.x[self.exists]
            nearest = known[np.abs(known[None, :] - x[gone, None]).argmin(axis=1)] if known.size else x[gone]
            y[gone] = self.at(nearest)
        return np.where(np.isfinite(y), y, 1.0)

    def rows(self) -> list[dict[str, Any]]:
        """One row for each point asked for: line, kind, x, y, error, physical, ansatz, status, message (why there is no line)."""
        return [
            {
                "line": self.name,
                "kind": self.kind,
                "x": float(self.x[i]),
                "y": float(self.y[i]),
                "error": float(self.error[i]),
                "physical": bool(self.physical[i]),
                "ansatz": str(self.ansatz[i]),
                "status": str(self.status[i]),
                "message": self.said(self.x[i]),
            }
            for i in range(self.x.size)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, computed numbers as decimal strings."""
        kept = np.flatnonzero(self.exists)
        return {
            "name": self.name,
            "label": self.label,
            "kind": self.kind,
            "tolerance": bound(self.tolerance),
            "width": bound(self.width),
            "relative_to": None if self.companion is None else self.companion.name,
            "x": [abscissa(v) for v in self.x[kept]],
            "y": decimal(self.y[kept]),
            "error": [bound(v) for v in self.error[kept]],
            "physical": [bool(v) for v in self.physical[kept]],
            "ansatz": [str(v) for v in self.ansatz[kept]],
            "message": self.message,
        }


def abscissa(x: float) -> Any:
    """A parameter as JSON has it: whole numbers of units as such, an infinite one as a word."""
    return "inf" if math.isinf(x) else float(x)


def interpolated(nodes: np.ndarray, values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The cubic spline through the nodes; a parabola, a line, a constant through three, two, one."""
    if nodes.size == 1:
        return np.full(np.shape(x), values[0])
    if nodes.size == 2:
        return np.asarray(np.interp(x, nodes, values))
    from scipy.interpolate import CubicSpline

    return np.asarray(CubicSpline(nodes, values)(x))


@dataclass
class Tracing:
    """A line being traced; ``samples`` is complete up to the last answer at any moment, so that an interruption loses nothing.

    ask : abscissae -> samples in their order, one by one
    first : abscissae to begin with, in increasing order;  most : samples at which refinement stops
    """

    name: str
    label: str
    kind: str
    ask: Callable[[np.ndarray], Iterable[Sample]]
    tolerance: float
    width: float
    most: int
    log: bool = True
    joined: bool = True
    companion: Boundary | None = None
    progress: Callable[[], Any] = lambda: None  # called after each sample
    samples: dict[float, Sample] = field(default_factory=dict)
    reached: float = math.inf  # of interpolation: the tolerance, or the largest miss seen last where ``most`` stopped the refinement
    trouble: str = ""
    breaks: set[float] = field(default_factory=set)

    def run(self, first: Iterable[float]) -> None:
        """Sample, and refine until every interval is predicted."""
        self.add(first)
        accepted: set[tuple[float, float]] = set()
        halved: list[tuple[float, float, float]] = []  # accepted intervals with their midpoints
        missed: list[float] = []
        while True:
            xs = sorted(self.samples)
            pairs = list(pairwise(xs))
            wide = [(a, b) for a, b in pairs if b - a > self._finest(a, b, xs[-1] - xs[0]) * SLACK]
            unsure = [(a, b) for a, b in wide if (a, b) not in accepted and not self._nothing(a, b)]
            if not unsure:  # the neighbours of what was accepted may have changed since
                neighbours = set(pairs)
                halved = [(a, m, b) for a, m, b in halved if (a, m) in neighbours and (m, b) in neighbours]
                spoilt = [t for t in halved if self._miss(*t, self._without(t[1])) > self.tolerance]
                if not spoilt:
                    self.reached = self.tolerance
                    return
                accepted -= {pair for a, m, b in spoilt for pair in ((a, m), (m, b))}
                halved = [t for t in halved if t not in spoilt]
                continue
            if len(xs) + len(unsure) > self.most:
                self.reached = max(missed, default=math.inf)  # inf: an end or a kink that is still open
                self.trouble = f"stopped at {len(xs)} points, {len(unsure)} intervals still coarse"
                return
            middles = [0.5 * (a + b) for a, b in unsure]
            predicted = self.boundary().at(np.array(middles))
            self.add(middles)
            missed = []
            for (a, b), middle, y in zip(unsure, middles, predicted):
                miss = self._miss(a, middle, b, float(y))
                if miss <= self.tolerance:
                    accepted |= {(a, middle), (middle, b)}
                    halved.append((a, middle, b))
                else:
                    missed.append(miss)
                    if math.isfinite(miss) and b - a <= 2 * self.width * SLACK:  # as fine as it gets
                        self.breaks |= {a, middle}

    def _without(self, x: float) -> float:
        """The line at an abscissa as the other samples predict it."""
        own = self.samples.pop(x)
        try:
            return float(self.boundary().at(x))
        finally:
            self.samples[x] = own

    def add(self, xs: Iterable[float]) -> None:
        """Ask for what is not known yet."""
        new = np.array([x for x in dict.fromkeys(map(float, xs)) if x not in self.samples])
        answers: Iterator[Sample] = iter(self.ask(new)) if new.size else iter(())
        for x, found in zip(new, answers):
            interrupts.check()
            self.samples[float(x)] = found
            self.progress()

    def _finest(self, a: float, b: float, span: float) -> float:
        """Width down to which an interval is halved."""
        lost = LOST in (self.samples[a].status, self.samples[b].status)
        return max(self.width, LEFT_OPEN * span) if lost else self.width

    def _nothing(self, a: float, b: float) -> bool:
        """Whether there is no line at both ends, for the same reason: nothing to refine."""
        one, other = self.samples[a], self.samples[b]
        return one.kind == other.kind and one.status != HERE

    def _miss(self, a: float, middle: float, b: float, y: float) -> float:
        """How far the prediction of a midpoint was off, beyond its error; inf where the line changes its kind."""
        found = self.samples[middle]
        if not self.samples[a].kind == found.kind == self.samples[b].kind:
            return math.inf
        if self.log:
            return max(0.0, abs(math.log(y / found.y)) - found.error / found.y) if y > 0 else math.inf
        return max(0.0, abs(y - found.y) - found.error)

    def boundary(self) -> Boundary:
        """What there is."""
        xs = sorted(self.samples)
        s = [self.samples[x] for x in xs]
        said = next((f"{v.message} (near {x:.6g})" for x, v in zip(xs, s) if v.status == LOST), "")
        return Boundary(
            name=self.name,
            label=self.label,
            kind=self.kind,
            x=np.array(xs),
            y=np.array([v.y for v in s]),
            error=np.array([v.error for v in s]),
            physical=np.array([v.physical for v in s], dtype=bool),
            status=np.array([v.status for v in s], dtype=object),
            ansatz=np.array([v.ansatz for v in s], dtype=object),
            tolerance=self.reached if math.isfinite(self.reached) else None,
            width=self.width,
            message="; ".join(filter(None, (said, self.trouble))),
            log=self.log,
            joined=self.joined,
            companion=self.companion,
            breaks=tuple(sorted(self.breaks)),
            reasons=tuple((x, v.message) for x, v in zip(xs, s) if v.status != HERE and v.message),
        )
