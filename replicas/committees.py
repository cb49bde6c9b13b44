r"""The fully connected committee machine of a finite number of units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .models import Machine, Weights, _check_task, _tex_sum, _whole, parse_weights

INFINITE = float("inf")


@dataclass(frozen=True, init=False)
class Committee(Machine):
    r"""K sign units that all see the same N inputs, and a majority vote.

    .. math:: h_j = W_j\cdot\xi/\sqrt N, \qquad y = \mathrm{sign}\sum_{j=1}^K \mathrm{sign}(h_j)

    Parameters
    ----------
    K : number of units, or ``math.inf`` (then a `Wide`); K = 1 is the perceptron. For K even a vote can be tied, and
        y = 0 is a third label.
    weights : ``"binary"``, ``"spherical"`` (in the limit N -> infinity the same as Gaussian), or a set symmetric under w -> -w.
    activation : ``"sign"``.
    task : ``"teacher-student"`` (noise-free, Bayes-optimal) or ``"storage"``.

    Loads are alpha = P/(N K): N K weights in all, whose entropies are per weight. The K! relabellings of the units of a
    solution are solutions.

    Raises
    ------
    ValueError : naming the argument, what it got and what it takes.
    """

    K: int
    weights: Weights
    activation: str
    task: str

    name = "committee"
    likelihood = "majority"

    def __new__(
        cls, K: Any = 2, weights: str | Weights = "binary", activation: Any = "sign", task: str = "storage"
    ) -> Any:
        if isinstance(K, float) and K == INFINITE:
            from .wide import Wide

            return Wide("full", weights, activation, task)
        return super().__new__(cls)

    def __init__(self, K: Any = 2, weights: str | Weights = "binary", activation: Any = "sign", task: str = "storage"):
        put = object.__setattr__
        put(self, "K", _whole("K", K, 1, "a number of units >= 1, or inf"))
        put(self, "weights", parse_weights(weights))
        if activation != "sign":
            raise ValueError(f"activation: got {activation!r} with a fully connected committee; takes 'sign'")
        put(self, "activation", "sign")
        put(self, "task", _check_task(task, self.weights))

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (self.K, self.weights, self.activation, self.task)

    @property
    def labels(self) -> tuple[int, ...]:
        """Outputs: -1, +1 and, for an even number of units, 0."""
        return (-1, 1) if self.K % 2 else (-1, 0, 1)

    def latex(self) -> str:
        where = r",\quad y^\mu=B(h^\mu(W^\ast))" if self.teacher else ""
        label = r"y^\mu" if self.teacher else "1"
        total = _tex_sum(self.weights).replace(r"W\cdot W=N", r"|W_j|^2=N\ \forall j")
        return (
            rf"Z = {total}\prod_{{\mu=1}}^{{\alpha NK}}\mathbb{{1}}\!\left[B(h^\mu_1,\dots,h^\mu_{{{self.K}}})={label}\right],"
            rf"\qquad B=\mathrm{{sign}}\sum_j\mathrm{{sign}}\,h_j,\quad h^\mu_j=\tfrac1{{\sqrt N}}\,\sum_iW_{{ji}}\xi^\mu_i{where}"
        )
