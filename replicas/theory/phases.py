"""Phase diagram of spherical storage: where the symmetry of the replicas breaks and where solutions cease to exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..arguments import progress_bar
from ..models import Model, Perceptron, Spherical
from ..numerics.saddle import numbers
from ..results import Result, describe
from .ansatz import check_steps
from .capacity import capacity
from .discontinuous import transitions_at_one
from .stability import at_line

MARGINS = tuple(round(-3 + 0.25 * i, 10) for i in range(13))  # of the default diagram
WIDTHS = tuple(round(0.25 + 0.25 * i, 10) for i in range(8))  # the same for a window
LINES = ("capacity_rs", "at_line", "dynamical", "condensation", "capacity_1rsb", "capacity_frsb")


@dataclass(frozen=True, eq=False, kw_only=True)
class PhaseDiagram(Result):
    """Boundary loads against the margin: arrays of one length, nan where a line does not exist.

    capacity_rs, capacity_1rsb, capacity_frsb : SAT/UNSAT load in each ansatz;  at_line : continuous instability of replica
    symmetry, ``at_physical`` while no discontinuous transition comes first;  dynamical, condensation : that transition, where
    states appear (m = 1, Sigma > 0) and where they become few (Sigma = 0).
    """

    quantity: ClassVar[str] = "phase-diagram"
    inputs: ClassVar[tuple[str, ...]] = ("kappa",)
    computed: ClassVar[tuple[str, ...]] = LINES
    labels: ClassVar[tuple[str, ...]] = ("at_physical",)
    headline: ClassVar[str] = "capacity_frsb"

    kappa: Any
    capacity_rs: Any = None
    at_line: Any = None
    at_physical: Any = None
    dynamical: Any = None
    condensation: Any = None
    capacity_1rsb: Any = None
    capacity_frsb: Any = None

    def plot(self, ax: Any = None) -> Any:
        """Draw the boundaries as loads relative to the replica-symmetric capacity. Returns the axes."""
        from ..plotting import phase_axes

        return phase_axes(self, ax)


def phase_diagram(
    model: Model,
    x: str = "kappa",
    y: str = "alpha",
    *,
    kappa: Any = None,
    k: int | None = None,
) -> PhaseDiagram:
    """Phase diagram of the spherical perceptron in the plane of margin and load.

    Parameters
    ----------
    model : spherical weights, storage, hard threshold or window.
    x, y : "kappa", "alpha": the plane.
    kappa : margins, one-dimensional; None for -3 to 0 in steps of 1/4 (half-widths 1/4 to 2 of a window).
    k : intervals of x(q) in the full-RSB capacity (8 to 96; None: as many as the error needs).

    Returns
    -------
    PhaseDiagram with every boundary and its error; ``plot()`` draws it.

    Raises
    ------
    ValueError : another model or plane, margins that are not finite.
    """
    if (x, y) != ("kappa", "alpha"):
        raise ValueError(f"x, y: got {x!r}, {y!r}; takes 'kappa', 'alpha'")
    known = isinstance(model, Perceptron) and isinstance(model.weights, Spherical)
    if not (known and model.hard and isinstance(model.likelihood, str) and not model.teacher):
        takes = "a perceptron of spherical weights, storage, hard threshold or window"
        raise ValueError(f"model: got {describe(model)}; takes {takes}")
    usual = MARGINS if model.likelihood == "threshold" else WIDTHS
    margins = np.atleast_1d(numbers("kappa", usual if kappa is None else kappa, "finite margins")).reshape(-1)
    check_steps("frsb", k)
    rows: list[dict[str, Any]] = []
    with progress_bar(margins.size, "phase diagram") as bar:
        for margin in margins:
            rows.append(_boundaries(model, float(margin), k))
            bar.update()

    def column(name: str, part: int) -> np.ndarray:
        return np.array([row[name][part] for row in rows])

    errors = {name: column(name, 1) for name in LINES}
    physical = np.empty(len(rows), dtype=object)
    physical[:] = [row["physical"] for row in rows]
    status, message = (np.array([row[n] for row in rows], dtype=object) for n in ("status", "message"))
    return PhaseDiagram(
        model=model,
        ansatz="frsb",
        kappa=margins,
        capacity_rs=column("capacity_rs", 0),
        at_line=column("at_line", 0),
        dynamical=column("dynamical", 0),
        condensation=column("condensation", 0),
        capacity_1rsb=column("capacity_1rsb", 0),
        capacity_frsb=column("capacity_frsb", 0),
        at_physical=physical,
        errors=errors,
        error=errors["capacity_frsb"],
        status=status,
        message=message,
    )


def _boundaries(model: Model, kappa: float, k: int | None) -> dict[str, Any]:
    """Every boundary at one margin as (value, error)."""
    nothing = np.nan, np.nan
    row: dict[str, Any] = dict.fromkeys(LINES, nothing)
    row |= {"physical": None, "status": "converged", "message": ""}
    troubles: Sequence[str] = []
    for name, ansatz in (("capacity_rs", "rs"), ("capacity_1rsb", "1rsb"), ("capacity_frsb", "frsb")):
        found = capacity(model, ansatz, kappa=kappa, k=k if ansatz == "frsb" else None)
        if found.status == "converged":
            row[name] = found.value, found.error
        else:
            troubles = [*troubles, f"{name}: {found.message}"]
    line = at_line(model, kappa=kappa)
    if line.status == "converged":
        row["at_line"] = line.value, line.error
        row["physical"] = line.physical
        if not line.physical:
            try:
                found_pair = transitions_at_one(model, kappa, line.value)
            except ArithmeticError as reason:
                found_pair = None
                troubles = [*troubles, str(reason)]
            if found_pair is not None:
                row["dynamical"], row["condensation"] = ((t.alpha, t.error) for t in found_pair)
    if troubles:
        row["status"], row["message"] = "not-converged", "; ".join(troubles)
    return row
