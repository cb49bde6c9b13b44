r"""What is being computed: weights, likelihood, task. Frozen, validated, hashable data; no physics beyond definitions.

.. math:: Z(\xi) = \int \prod_i dP(W_i) \prod_{\mu=1}^{\alpha N} \Theta\left(W\cdot\xi^\mu/\sqrt N\right)

Finite weight sets carry the counting measure (entropy log|values| at alpha = 0) unless probabilities are given.
The spherical measure is uniform on W.W = N and normalised (entropy 0 at alpha = 0).
The field u = W.xi/sqrt(N) is not divided by the norm of W.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .exact import as_float, rational, shown

if TYPE_CHECKING:
    import sympy as sp

TASKS = ("storage", "teacher-student")
PROBABILITY_TOLERANCE = 1e-12  # probabilities typed as decimals round at this level
MAX_VALUES = 32  # checks sum over four replicas explicitly; a wider discrete set is better served by a density; guards against a typing error
LARGEST_VALUE = 1e70  # of a weight: fourth powers of larger ones, and of their inverses, leave double precision


def __getattr__(name: str) -> Any:
    if name == "Committee":  # in a module of its own
        from .committees import Committee

        return Committee
    if name == "StochasticPerceptron":
        from .stochastic import StochasticPerceptron

        return StochasticPerceptron
    if name == "field":  # the symbol of the local field in a user's likelihood; loads SymPy on first use
        import sympy as sp

        return sp.Symbol("u", real=True)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def finite(name: str, value: Any, takes: str = "a finite real number") -> float:
    """Return ``value`` as a float, or raise a one-line ValueError naming the argument."""
    try:
        number = as_float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: got {value!r}; takes {takes}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name}: got {value!r}; takes {takes}")
    return number


def _parameter(name: str, value: Any, takes: str, low: float = -math.inf) -> float | tuple[float, ...]:
    """A scalar parameter as float, a sequence of values as a tuple (a model with several values is a sweep)."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        number = finite(name, value, takes)
        if number < low:
            raise ValueError(f"{name}: got {value!r}; takes {takes}")
        return number
    numbers = tuple(_parameter(name, v, takes, low) for v in value)
    if not numbers:
        raise ValueError(f"{name}: got an empty sequence; takes {takes}")
    if any(isinstance(v, tuple) for v in numbers):
        raise ValueError(f"{name}: got a nested sequence; takes {takes}, or a flat sequence of them")
    return numbers  # type: ignore[return-value]


@dataclass(frozen=True)
class Spherical:
    """Continuous weights on the sphere W.W = N, uniform normalised measure."""

    @property
    def name(self) -> str:
        return "spherical"

    def latex(self) -> str:
        return r"dP(W)\propto \delta(W\cdot W-N)\,d^NW"


@dataclass(frozen=True)
class Discrete:
    r"""Weights from a finite set, with counting measure or with given probabilities.

    Parameters
    ----------
    values : at least two distinct finite numbers.
    probabilities : optional, one per value, positive, summing to one; they replace the counting measure, so that
        entropies become relative and a zero-entropy capacity is refused.

    Raises
    ------
    ValueError : naming the argument, when values or probabilities are not of that form.
    """

    values: tuple[float, ...]
    probabilities: tuple[float, ...] | None = None
    exact: tuple[Fraction, ...] = dataclasses.field(default=(), repr=False)  # what the values stand for

    def __init__(self, values: Sequence[float], probabilities: Sequence[float] | None = None):
        takes = f"2 to {MAX_VALUES} distinct finite numbers"
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            raise ValueError(f"values: got {values!r}; takes {takes}")
        vals = [finite("values", v, takes) for v in values]
        if not all(v == 0 or 1 / LARGEST_VALUE <= abs(v) <= LARGEST_VALUE for v in vals):
            raise ValueError(f"values: got {vals}; takes numbers of size {1 / LARGEST_VALUE:g} to {LARGEST_VALUE:g}, or 0")
        if not 2 <= len(vals) <= MAX_VALUES or len(set(vals)) != len(vals):
            raise ValueError(f"values: got {vals}; takes {takes}")
        order = sorted(range(len(vals)), key=vals.__getitem__)
        object.__setattr__(self, "values", tuple(vals[i] for i in order))
        object.__setattr__(self, "exact", tuple(map(rational, self.values)))
        probs = None
        if probabilities is not None:
            takes = "one positive number per value, summing to one"
            p = [finite("probabilities", v, takes) for v in probabilities]
            if len(p) != len(vals) or min(p) <= 0 or abs(math.fsum(p) - 1) > PROBABILITY_TOLERANCE:
                raise ValueError(f"probabilities: got {p} (sum {math.fsum(p):.15g}); takes {takes}")
            probs = tuple(p[i] for i in order)
        object.__setattr__(self, "probabilities", probs)

    @property
    def name(self) -> str:
        if self.probabilities is None and self.values == (-1.0, 1.0):
            return "binary"
        if self.probabilities is None and self.values == (-1.0, 0.0, 1.0):
            return "ternary"
        return "discrete:" + ",".join(f"{v:g}" if float(f"{v:g}") == v else str(shown(v)) for v in self.values)

    @cached_property
    def fixed_norm(self) -> float | None:
        """w^2 when it is the same for every value (then the self-overlap is not free), else None."""
        squares = {v * v for v in self.exact}
        return float(squares.pop()) if len(squares) == 1 else None

    @cached_property
    def symmetric(self) -> bool:
        """Whether the measure is invariant under w -> -w."""
        p = self.probabilities or (1.0,) * len(self.values)
        return self.values == tuple(-v for v in reversed(self.values)) and p == tuple(reversed(p))

    @cached_property
    def log_measure(self) -> tuple[float, ...]:
        """log of the weight of each value: 0 for counting measure."""
        return tuple(math.log(p) for p in self.probabilities) if self.probabilities else (0.0,) * len(self.values)

    def latex(self) -> str:
        body = ",".join(f"{v:g}" for v in self.values)
        measure = "" if self.probabilities is None else r"\ \text{with given probabilities}"
        return rf"W_i\in\{{{body}\}}{measure}"


Weights = Spherical | Discrete
_NAMED_WEIGHTS: dict[str, Weights] = {
    "binary": Discrete((-1, 1)),
    "spherical": Spherical(),
    "ternary": Discrete((-1, 0, 1)),
}


def parse_weights(weights: str | Weights) -> Weights:
    """A weight set from its name (``binary``, ``spherical``, ``ternary``, ``discrete:V1,V2,...``)."""
    if isinstance(weights, Spherical | Discrete):
        return weights
    if isinstance(weights, str):
        if weights in _NAMED_WEIGHTS:
            return _NAMED_WEIGHTS[weights]
        if weights.startswith("discrete:"):
            try:
                values = [float(v) for v in weights.removeprefix("discrete:").split(",")]
            except ValueError:
                raise ValueError(f"weights: got {weights!r}; takes discrete:V1,V2,... with numbers") from None
            return Discrete(values)
    raise ValueError(
        f"weights: got {weights!r}; takes binary, spherical, ternary, discrete:V1,V2,... or rp.Discrete([...])"
    )


@dataclass(frozen=True)
class Piece:
    """Theta = exp(log_level) on the interval low <= u <= high."""

    log_level: float
    low: float
    high: float


class Likelihood:
    r"""A user-defined non-negative likelihood Theta(u) of the local field, as a SymPy expression in ``rp.field``.

    Piecewise-constant expressions (built of Heaviside or Piecewise) are integrated in closed form, any other by
    quadrature with refinement. Theta need not be a probability: the free entropy is that of sum_W prod Theta(u).

    Raises
    ------
    ValueError : if the expression has other free symbols, is negative or not finite somewhere, or vanishes everywhere.
    """

    def __init__(self, expr: Any):
        import sympy as sp

        from .symbolic.likelihood import analyse

        u = sp.Symbol("u", real=True)
        try:
            self.expr: sp.Expr = sp.sympify(expr) if not isinstance(expr, str) else None
        except (sp.SympifyError, TypeError):
            self.expr = None
        if not isinstance(self.expr, sp.Expr):
            raise ValueError(f"likelihood: got {expr!r}; takes 'threshold', 'window' or a SymPy expression in rp.field")
        if self.expr.free_symbols - {u}:
            extra = ", ".join(sorted(map(str, self.expr.free_symbols - {u})))
            raise ValueError(
                f"likelihood: got an expression with free symbols {extra}; takes an expression in rp.field only"
            )
        self.pieces, self.kinks, self.even, self.support = analyse(self.expr, u)

    name = "custom"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Likelihood) and self.expr == other.expr

    def __hash__(self) -> int:
        return hash(("Likelihood", self.expr))

    def __repr__(self) -> str:
        return f"Likelihood({self.expr})"

    @property
    def smooth(self) -> bool:
        """Whether Theta is not piecewise constant, so that its Gaussian average is done by quadrature."""
        return self.pieces is None


class Model:
    """What every model has: weights, a likelihood of the fields of one pattern, a task.

    K : number of units;  likelihood : a name or a `Likelihood`;  kappa, beta : its parameters
    """

    weights: Weights
    likelihood: str | Likelihood
    kappa: float | tuple[float, ...]
    beta: float | tuple[float, ...] | None
    task: str
    K: float = 1

    @property
    def teacher(self) -> bool:
        return self.task == "teacher-student"

    @property
    def fields(self) -> int:
        """Gaussian fields a pattern is seen through: what averages are over."""
        return 1

    @property
    def hard(self) -> bool:
        """Whether every Theta is 0 or 1, so that the free entropy is an entropy."""
        return True

    @property
    def forbids(self) -> bool:
        """Whether Theta vanishes on some fields, so that there is a SAT/UNSAT threshold."""
        return True

    @property
    def even(self) -> bool:
        """Whether Theta does not change under sign flips of fields that leave no average field, so that q = 0 is a solution."""
        return False

    @property
    def margin(self) -> bool:
        """Whether kappa is a parameter of the likelihood."""
        return False

    def pieces(self, kappa: float, beta: float | None) -> tuple[Piece, ...]:
        """The likelihood of one field as constants on intervals (empty if it is not of that form)."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        """Plain description of the model, as it stands in JSON output."""
        raise NotImplementedError

    def describe(self) -> str:
        """One line naming the model."""
        raise NotImplementedError

    def latex(self) -> str:
        """LaTeX of the defining partition function."""
        raise NotImplementedError

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


@dataclass(frozen=True)
class Perceptron(Model):
    r"""A single-layer perceptron: weights x likelihood x task.

    .. math:: Z = \int dP(W) \prod_{\mu=1}^{\alpha N} \Theta(W\cdot\xi^\mu/\sqrt N)

    Parameters
    ----------
    weights : ``"binary"``, ``"spherical"``, ``"ternary"``, ``"discrete:V1,V2,..."`` or ``rp.Discrete([...])``.
    kappa : margin of the threshold, or half-width (> 0) of the window; a sequence makes a sweep.
    likelihood : ``"threshold"`` (u >= kappa), ``"window"`` (|u| <= kappa) or ``rp.Likelihood(expr in rp.field)``.
    beta : None for hard constraints, or the inverse temperature (>= 0, finite) of error counting,
        Theta = exp(-beta) where the constraint is violated; a sequence makes a sweep.
    task : ``"storage"`` of random patterns or ``"teacher-student"`` (noise-free, Bayes-optimal, sign labels, kappa = 0).

    Raises
    ------
    ValueError : naming the argument, what it got and what it takes; also for a combination without meaning.
    """

    weights: Weights
    kappa: float | tuple[float, ...]
    likelihood: str | Likelihood
    beta: float | tuple[float, ...] | None
    task: str

    def __init__(
        self,
        weights: str | Weights = "binary",
        kappa: Any = 0.0,
        likelihood: str | Likelihood = "threshold",
        beta: Any = None,
        task: str = "storage",
    ):
        put = object.__setattr__
        put(self, "weights", parse_weights(weights))
        if not (isinstance(likelihood, Likelihood) or likelihood in ("threshold", "window")):
            raise ValueError(
                f"likelihood: got {likelihood!r}; takes 'threshold', 'window' or rp.Likelihood(expr in rp.field)"
            )
        put(self, "likelihood", likelihood)
        put(self, "kappa", check_kappa(kappa, likelihood))
        put(self, "beta", None if beta is None else check_beta(beta))
        put(self, "task", _check_task(task, self.weights))
        if isinstance(likelihood, Likelihood) and (self.kappa != 0.0 or beta is not None):
            raise ValueError(
                "likelihood: a user-defined likelihood takes no kappa and no beta: write them into its expression"
            )
        if task == "teacher-student":
            if likelihood != "threshold" or beta is not None:
                raise ValueError(
                    f"task: teacher-student is noise-free with sign labels; got likelihood {self.likelihood!r}, beta {beta!r}; "
                    "takes the threshold with beta None"
                )
            if self.kappa != 0.0:
                raise ValueError(f"kappa: got {kappa!r} with a noise-free teacher; takes 0")

    @property
    def hard(self) -> bool:
        """Whether every Theta is 0 or 1, so that the free entropy is an entropy."""
        if isinstance(self.likelihood, Likelihood):
            return self.likelihood.pieces is not None and all(p.log_level == 0 for p in self.likelihood.pieces)
        return self.beta is None

    @property
    def forbids(self) -> bool:
        """Whether Theta vanishes on some fields, so that there is a SAT/UNSAT threshold."""
        if isinstance(self.likelihood, Likelihood):
            return self.likelihood.support != ((-math.inf, math.inf),)
        return self.beta is None

    @property
    def even(self) -> bool:
        """Whether Theta(u) = Theta(-u), so that q = 0 is a solution for symmetric weights."""
        return self.likelihood.even if isinstance(self.likelihood, Likelihood) else self.likelihood == "window"

    @property
    def margin(self) -> bool:
        return isinstance(self.likelihood, str)

    def pieces(self, kappa: float, beta: float | None) -> tuple[Piece, ...]:
        """The likelihood as constants on intervals, for one value of the parameters (empty if it is smooth)."""
        if isinstance(self.likelihood, Likelihood):
            return self.likelihood.pieces or ()
        if self.likelihood == "threshold":
            inside, outside = (kappa, math.inf), [(-math.inf, kappa)]
        else:
            inside, outside = (-kappa, kappa), [(-math.inf, -kappa), (kappa, math.inf)]
        out = [Piece(0.0, *inside)]
        if beta is not None:
            out += [Piece(-beta, *o) for o in outside]
        return tuple(out)

    @cached_property
    def _description(self) -> dict[str, Any]:
        return {
            "name": "perceptron",
            "weights": self.weights.name,
            "likelihood": str(self.likelihood.expr) if isinstance(self.likelihood, Likelihood) else self.likelihood,
            "kappa": _echo(self.kappa),
            "beta": None if self.beta is None else _echo(self.beta),
            "task": self.task,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain description of the model, as it stands in JSON output."""
        out = dict(self._description)
        if isinstance(self.weights, Discrete) and self.weights.probabilities is not None:
            out["probabilities"] = list(self.weights.probabilities)
        return out

    def __getstate__(self) -> dict[str, Any]:
        return {k: getattr(self, k) for k in ("weights", "kappa", "likelihood", "beta", "task")}

    def latex(self) -> str:
        """LaTeX of the defining partition function."""
        k = _tex_parameter(self.kappa, r"\kappa")
        if isinstance(self.likelihood, Likelihood):
            import sympy as sp

            theta = sp.latex(self.likelihood.expr)
        else:
            inside = rf"u\geq {k}" if self.likelihood == "threshold" else rf"|u|\leq {k}"
            theta = rf"\mathbb{{1}}[{inside}]"
            if self.beta is not None:
                b = _tex_parameter(self.beta, r"\beta")
                theta = rf"e^{{-{b}(1-{theta})}}"
        label = r"y^\mu " if self.teacher else ""
        where = r",\quad y^\mu=\mathrm{sign}(W^\ast\cdot\xi^\mu)" if self.teacher else ""
        return (
            rf"Z = {_tex_sum(self.weights)}\prod_{{\mu=1}}^{{\alpha N}}\Theta\!\left(\frac{{{label}W\cdot\xi^\mu}}{{\sqrt N}}\right),"
            rf"\qquad \Theta(u)={theta}{where}"
        )


def _echo(value: float | tuple[float, ...]) -> Any:
    return [shown(v) for v in value] if isinstance(value, tuple) else shown(value)


def support_model(model: Perceptron) -> Perceptron:
    """The model whose likelihood is 1 where the given one is positive."""
    import sympy as sp

    assert isinstance(model.likelihood, Likelihood)
    u = sp.Symbol("u", real=True)
    terms = [
        (1 if low == -math.inf else sp.Heaviside(u - low)) * (1 if high == math.inf else sp.Heaviside(high - u))
        for low, high in model.likelihood.support
    ]
    return Perceptron(model.weights, likelihood=Likelihood(sp.Add(*terms)))


def _check_task(task: Any, weights: Weights) -> str:
    """A task by name; a noise-free teacher is drawn from a uniform symmetric measure."""
    if task not in TASKS:
        raise ValueError(f"task: got {task!r}; takes 'storage' or 'teacher-student'")
    if task == "teacher-student" and isinstance(weights, Discrete):
        if weights.probabilities is not None:
            raise ValueError(
                "weights: got given probabilities with task teacher-student; takes a uniform set of values"
            )
        if not weights.symmetric:
            raise ValueError(
                f"weights: got {weights.name} with task teacher-student; takes a set symmetric under w -> -w "
                "(a sign label has no bias)"
            )
    return str(task)


def _tex_sum(weights: Weights) -> str:
    """The integral or sum over weight vectors."""
    if isinstance(weights, Spherical):
        return r"\int_{W\cdot W=N}\!\!dW"
    measure = "" if weights.probabilities is None else r"\prod_i p(W_i)"
    return rf"\sum_{{W\in\{{{','.join(f'{v:g}' for v in weights.values)}\}}^N}}{measure}"


def _tex_parameter(value: Any, symbol: str) -> str:
    return symbol if isinstance(value, tuple) else f"{value:g}"


def check_kappa(kappa: Any, likelihood: Any) -> float | tuple[float, ...]:
    """Validated margin (scalar or tuple); a window needs a positive half-width."""
    if likelihood != "window":
        return _parameter("kappa", kappa, "a finite real number")
    out = _parameter("kappa", kappa, "a finite half-width > 0 with the window likelihood", 0.0)
    if 0.0 in (out if isinstance(out, tuple) else (out,)):
        raise ValueError(f"kappa: got {kappa!r}; takes a finite half-width > 0 with the window likelihood")
    return out


def check_beta(beta: Any) -> float | tuple[float, ...]:
    """Validated inverse temperature: finite and >= 0 (zero temperature is beta=None, or the ground-state question)."""
    return _parameter(
        "beta",
        beta,
        "a finite inverse temperature >= 0 (hard constraints: beta None; T -> 0 energy: ground_state)",
        0.0,
    )


class Machine(Model):
    """A two-layer machine of K units: what its architectures share."""

    name: Any = ""
    activation: Any
    kappa = 0.0  # margins and temperatures of the units are not part of these models
    beta = None

    @property
    def perceptron(self) -> Perceptron:
        """The machine of one unit with these weights."""
        return Perceptron(self.weights, task=self.task)

    def describe(self) -> str:
        """One line naming the machine."""
        return f"{self.weights.name} {self.name.replace('-', ' ')} K={self.K}, {self.task}"

    def to_dict(self) -> dict[str, Any]:
        """Plain description of the machine, as it stands in JSON output."""
        out = {
            "name": self.name,
            "K": self.K if math.isfinite(self.K) else "inf",
            "weights": self.weights.name,
            "activation": getattr(self.activation, "name", self.activation),
            "task": self.task,
        }
        if isinstance(self.weights, Discrete) and self.weights.probabilities is not None:
            out["probabilities"] = list(self.weights.probabilities)
        return out


@dataclass(frozen=True, init=False)
class Tree(Machine):
    r"""A two-layer machine of K sign units on disjoint branches of N/K inputs each.

    .. math:: h_j = \sqrt{K/N}\, \sum_{i \in j} W_i \xi_i, \qquad y = B(\#\{j: h_j > 0\})

    Subclasses name the output B, a function of how many units are positive.
    """

    K: int
    weights: Weights
    activation: str
    task: str

    name = "tree"
    output = ""  # LaTeX of B

    def __init__(self, K: Any, weights: str | Weights = "binary", activation: str = "sign", task: str = "storage"):
        put = object.__setattr__
        put(self, "K", self._check_units(K))
        put(self, "weights", parse_weights(weights))
        if activation != "sign":
            raise ValueError(f"activation: got {activation!r}; takes 'sign' (a tree of sign units)")
        put(self, "activation", "sign")
        put(self, "task", _check_task(task, self.weights))

    @staticmethod
    def _check_units(K: Any) -> int:
        raise NotImplementedError

    @property
    def fields(self) -> int:
        return self.K

    @property
    def accepted(self) -> tuple[bool, ...]:
        """Whether the output is +1, by the number 0, ..., K of positive units."""
        raise NotImplementedError

    def latex(self) -> str:
        label = r"y^\mu\," if self.teacher else ""
        where = r",\quad y^\mu=B(h^\mu(W^\ast))" if self.teacher else ""
        total = _tex_sum(self.weights).replace(r"W\cdot W=N", r"|W_j|^2=N/K\ \forall j")
        return (
            rf"Z = {total}\prod_{{\mu=1}}^{{\alpha N}}\mathbb{{1}}\!\left[{label}B(h^\mu_1,\dots,h^\mu_{{{self.K}}})=1\right],"
            rf"\qquad B={self.output},\quad h^\mu_j=\sqrt{{\tfrac KN}}\,\sum_{{i\in j}}W_i\xi^\mu_i{where}"
        )


def _whole(name: str, value: Any, low: int, takes: str) -> int:
    try:
        whole = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        whole = -1
    if whole < low:
        raise ValueError(f"{name}: got {value!r}; takes {takes}")
    return whole


class TreeCommittee(Tree):
    r"""A tree committee: K sign units (K odd) and a majority vote, y = sign(sum_j sign(h_j)).

    Parameters
    ----------
    K : number of units, odd, or ``math.inf`` (then a `Wide`); K = 1 is the perceptron.
    weights : ``"binary"``, ``"spherical"``, ``"ternary"``, ``"discrete:V1,V2,..."`` or ``rp.Discrete([...])``.
    activation : ``"sign"``; with K infinite also relu, erf, tanh, quadratic or a SymPy expression in ``rp.field``.
    task : ``"storage"`` of random patterns or ``"teacher-student"`` (noise-free, Bayes-optimal).

    Loads are alpha = P/N with N weights in all; one overlap q for every branch.

    Raises
    ------
    ValueError : naming the argument, what it got and what it takes (K even: a vote can be tied).
    """

    name = "tree-committee"
    likelihood = "majority"
    output = r"\mathrm{sign}\sum_j\mathrm{sign}\,h_j"

    def __new__(
        cls, K: Any = 3, weights: str | Weights = "binary", activation: Any = "sign", task: str = "storage"
    ) -> Any:
        if isinstance(K, float) and K == math.inf:  # one Gaussian output field: another structure, the same name
            from .wide import Wide

            return Wide("tree", weights, activation, task)
        return super().__new__(cls)

    def __init__(self, K: Any = 3, weights: str | Weights = "binary", activation: str = "sign", task: str = "storage"):
        super().__init__(K, weights, activation, task)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (self.K, self.weights, self.activation, self.task)

    @staticmethod
    def _check_units(K: Any) -> int:
        takes = "an odd number of units >= 1 (an even vote can be tied), or inf"
        units = _whole("K", K, 1, takes)
        if units % 2 == 0:
            raise ValueError(f"K: got {K!r}; takes {takes}")
        return units

    @property
    def accepted(self) -> tuple[bool, ...]:
        return tuple(2 * c > self.K for c in range(self.K + 1))


class TreeParity(Tree):
    r"""A tree parity machine: K sign units, y = prod_j sign(h_j).

    Parameters
    ----------
    K : number of units >= 1; K = 1 is the perceptron.
    weights, activation, task : as for `TreeCommittee`.

    For K >= 2 the output does not change when two branches flip their weights, so that q = 0 is always a solution.

    Raises
    ------
    ValueError : naming the argument, what it got and what it takes.
    """

    name = "tree-parity"
    likelihood = "parity"
    output = r"\prod_j\mathrm{sign}\,h_j"

    def __init__(self, K: Any = 2, weights: str | Weights = "binary", activation: str = "sign", task: str = "storage"):
        super().__init__(K, weights, activation, task)

    @staticmethod
    def _check_units(K: Any) -> int:
        return _whole("K", K, 1, "a number of units >= 1")

    @property
    def accepted(self) -> tuple[bool, ...]:
        return tuple((self.K - c) % 2 == 0 for c in range(self.K + 1))

    @property
    def even(self) -> bool:
        return self.K > 1
