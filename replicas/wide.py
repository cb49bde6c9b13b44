r"""Two-layer machines of infinitely many units: the output is one Gaussian field, whose covariance is a kernel C(q).

.. math:: y = \mathrm{sign} \frac1{\sqrt K}\sum_{j=1}^K v_j\, g(h_j), \qquad v_j = \pm1 \text{ half and half},\quad K \to \infty

With N weights in all and P = alpha N patterns, K grows after N: every statement is one of K -> infinity first, then
q -> 1 or alpha -> infinity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .models import Discrete, Machine, Piece, Weights, _check_task, _tex_sum, parse_weights

if TYPE_CHECKING:
    from .activations import Activation
    from .numerics.covariance import Kernel

INFINITE = math.inf
UNCORRELATED = 1e-24  # C'(0)/C(1) that is rounding: the square of a Hermite coefficient


@dataclass(frozen=True, init=False, repr=False)
class Wide(Machine):
    r"""A committee of infinitely many units.

    Parameters
    ----------
    architecture : ``"tree"`` (disjoint branches) or ``"full"`` (fully connected; N K weights, alpha = P/(N K)).
    weights : binary, spherical or values of one size; with a teacher any set symmetric under w -> -w.
    activation : a name or a SymPy expression in ``rp.field``.
    task : ``"storage"`` or ``"teacher-student"``.

    Raises
    ------
    ValueError : naming the argument, what it got and what it takes.
    """

    architecture: str
    weights: Weights
    activation: Activation
    task: str

    K = INFINITE
    likelihood = "threshold"

    def __init__(
        self, architecture: str, weights: str | Weights = "binary", activation: Any = "sign", task: str = "storage"
    ):
        from .activations import parse_activation

        put = object.__setattr__
        put(self, "architecture", architecture)
        put(self, "weights", parse_weights(weights))
        put(self, "activation", parse_activation(activation))
        put(self, "task", _check_task(task, self.weights))
        if architecture == "full" and self.activation.name != "sign":
            raise ValueError(f"activation: got {activation!r} with a fully connected committee; takes 'sign'")
        if isinstance(self.weights, Discrete) and not self.teacher and self.weights.fixed_norm is None:
            raise ValueError(
                f"weights: got {self.weights.name} with infinitely many units that store patterns, whose self-overlap is "
                "free; takes spherical weights, values of one size such as binary, or task teacher-student"
            )

    def __repr__(self) -> str:
        kind = "TreeCommittee" if self.architecture == "tree" else "Committee"
        return f"{kind}(K=inf, weights={self.weights!r}, activation={self.activation!r}, task={self.task!r})"

    @property
    def name(self) -> str:
        return "tree-committee" if self.architecture == "tree" else "committee"

    @property
    def norm(self) -> float:
        """The self-overlap Q of a unit's weights: the variance of its field."""
        return sum(v * v for v in self.weights.values) / len(self.weights.values) if isinstance(self.weights, Discrete) else 1.0

    @property
    def kernel(self) -> Kernel:
        """C(q) as numbers."""
        from .numerics.covariance import kernel_of

        try:
            return kernel_of(self.activation, self.architecture, self.teacher, math.sqrt(self.norm))
        except ArithmeticError as reason:
            known = str(reason).startswith("activation: ")
            text = str(reason) if known else f"activation: got {self.activation.name}; takes one of known covariance ({reason})"
            raise ValueError(" ".join(text.split())) from None

    @property
    def scale(self) -> Any:
        """Standard deviation of a unit's field, the square root of the self-overlap: an exact SymPy number."""
        import sympy as sp

        from .symbolic.leaves import exact

        if not isinstance(self.weights, Discrete):
            return sp.S.One
        squares = [exact(v) ** 2 for v in self.weights.values]
        return sp.sqrt(sp.Add(*squares) / len(squares))

    @property
    def even(self) -> bool:
        """Whether C'(0) = 0, so that q = 0 is a solution."""
        if self.architecture == "full" or self.norm == 1.0 or self.activation.name == "sign":
            return self.architecture == "full" or self.activation.uncorrelated
        return self.kernel.zero_slope <= UNCORRELATED * self.kernel.total  # of fields whose variance is not 1

    def pieces(self, kappa: float, beta: float | None) -> tuple[Piece, ...]:
        return (Piece(0.0, 0.0, INFINITE),)

    def describe(self) -> str:
        """One line naming the machine."""
        return f"{self.weights.name} {self.name.replace('-', ' ')} K=inf, {self.activation.name}, {self.task}"

    def latex(self) -> str:
        label = r"y^\mu" if self.teacher else "1"
        full = self.architecture == "full"
        field = (
            r"h^\mu_j=\tfrac1{\sqrt N}\,\sum_iW_{ji}\xi^\mu_i"
            if full
            else r"h^\mu_j=\sqrt{\tfrac KN}\,\sum_{i\in j}W_i\xi^\mu_i"
        )
        patterns = r"\alpha NK" if full else r"\alpha N"
        total = _tex_sum(self.weights).replace(r"W\cdot W=N", r"|W_j|^2=N\ \forall j" if full else r"|W_j|^2=N/K\ \forall j")
        return (
            rf"Z = {total}\prod_{{\mu=1}}^{{{patterns}}}"
            rf"\Theta\!\left[\frac{{{label}}}{{\sqrt K}}\sum_{{j=1}}^Kv_j\,g(h^\mu_j)\right],"
            rf"\qquad g(h)={self.activation.latex()},\quad {field},\quad K\to\infty"
        )
