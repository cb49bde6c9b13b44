"""What the questions about the geometry of solutions return (`replicas.franz_parisi`, `local_entropy`, `overlap_gap`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .results import Result

WATCHED = ("residual", "weight_error", "jump")  # of a curve: what a reader of a table need not see


@dataclass(frozen=True, eq=False, kw_only=True)
class LocalResult(Result):
    """A curve against the distance from a reference: one point, or arrays of one shape.

    ``order_parameters`` are keys and attributes too. ``jump`` says that an order parameter jumps between this point and its
    neighbour of the curve, so that the two lie on different branches.
    """

    labels: ClassVar[tuple[str, ...]] = ("branch", "jump")
    first: ClassVar[tuple[str, ...]] = ()

    alpha: Any
    kappa: Any = None
    beta: Any = None
    order_parameters: Mapping[str, Any] = field(default_factory=dict)
    residual: Any = None
    branch: Any = None
    jump: Any = None

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("order_parameters", {})
        if name in values:
            return values[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join((*self.first, *values))}")

    @property
    def computed(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.first, *self.order_parameters, "residual")

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """A table of several points leaves conjugates and what is only watched to `to_dict`."""
        header, body = super().rows()
        if len(body) == 1:
            return header, body
        kept = [i for i, name in enumerate(header) if "_hat" not in name and name not in WATCHED]
        return [header[i] for i in kept], [[row[i] for i in kept] for row in body]

    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw the headline entropy against the distance (or overlap); points without an answer leave a gap. Returns the axes."""
        from .figures.local import draw

        return draw(self, ax, **style)


@dataclass(frozen=True, eq=False, kw_only=True)
class FranzParisi(LocalResult):
    """Entropy of the solutions at a distance from a reference configuration drawn from another measure.

    entropy per weight; slope d entropy/d distance, from the multiplier; order parameters: q between solutions around one
    reference, t with other references, p with the (not binarised) reference; weight_error |E[weight] - 1| of the tilted averages.
    ``average``: "quenched" (replica-symmetric), or one of the bounds "first-moment" and "jensen" of the symmetric perceptron.
    ``reference_stable``: whether the measure the reference is drawn from is stable against replica symmetry breaking.
    """

    quantity: ClassVar[str] = "franz-parisi"
    inputs: ClassVar[tuple[str, ...]] = ("alpha", "kappa", "beta", "reference", "reference_kappa", "q_star", "distance")
    first: ClassVar[tuple[str, ...]] = ("entropy", "slope")
    labels: ClassVar[tuple[str, ...]] = ("average", "branch", "jump", "reference_stable")
    headline: ClassVar[str] = "entropy"

    distance: Any
    reference: Any = "typical"
    reference_kappa: Any = None
    q_star: Any = None
    average: Any = "quenched"
    reference_stable: Any = None
    entropy: Any = None
    slope: Any = None


@dataclass(frozen=True, eq=False, kw_only=True)
class LocalEntropy(LocalResult):
    """Large deviations of the number of solutions around a reference: y the inverse temperature of the local entropy.

    local_entropy S_I = d phi/dy and external_entropy S_E = phi - y S_I (of the references), both per weight; slope
    d local_entropy/d distance along the curve; unphysical where S_E < 0. Spherical weights: distance is None, overlap given.
    eps_reference and eps_solutions: generalization errors of reference and of its solutions (teacher-student). y is None (nan)
    where S_E = 0 takes a larger y than is followed: local_entropy is then the middle of bounds, ``error`` their half distance.
    ``stable``: of an even likelihood at q0 = 0, whether q0 stays zero; null where that was not asked (q0 > 0).
    """

    quantity: ClassVar[str] = "local-entropy"
    inputs: ClassVar[tuple[str, ...]] = ("alpha", "kappa", "reference", "reference_kappa", "distance", "overlap")
    first: ClassVar[tuple[str, ...]] = (
        "y",
        "local_entropy",
        "external_entropy",
        "slope",
        "eps_reference",
        "eps_solutions",
    )
    labels: ClassVar[tuple[str, ...]] = ("branch", "stable", "jump")
    headline: ClassVar[str] = "local_entropy"

    distance: Any = None
    overlap: Any = None
    reference: Any = "unconstrained"
    reference_kappa: Any = None
    y: Any = None
    local_entropy: Any = None
    external_entropy: Any = None
    slope: Any = None
    eps_reference: Any = None
    eps_solutions: Any = None
    stable: Any = None


@dataclass(frozen=True, eq=False, kw_only=True)
class OverlapGap(Result):
    """Load alpha_OGP(m) above which no m clones exist at the mutual overlaps q1 of some interval: the overlap gap opens at q1.

    From the mean number of clones, an upper bound, for even likelihoods; replica-symmetric otherwise (``statement`` says which).

    ``minimum`` marks the smallest over m where its two neighbours were asked for, too, and are larger.
    """

    quantity: ClassVar[str] = "overlap-gap"
    inputs: ClassVar[tuple[str, ...]] = ("kappa", "m")
    computed: ClassVar[tuple[str, ...]] = ("value", "q1", "q0", "residual")
    labels: ClassVar[tuple[str, ...]] = ("minimum", "statement")

    kappa: Any = None
    m: Any
    value: Any = None
    q1: Any = None
    q0: Any = None
    residual: Any = None
    minimum: Any = None

    def _point(self) -> dict[str, Any]:
        return {**super()._point(), "m": int(self.m)}
