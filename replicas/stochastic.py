r"""The stochastic perceptron: a probability for every binary weight, found by gradient descent on the mean fields."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from .models import Model, _echo, _parameter, _tex_parameter, check_beta

TAKES_Q_STAR = "a mean square magnetization 0 < q_star < 1"


@dataclass(frozen=True)
class Magnetizations:
    """Means m in [-1, 1] of independent binary weights, flat measure dm; their mean square is prescribed."""

    @property
    def name(self) -> str:
        return "magnetizations"

    def latex(self) -> str:
        return r"m_i\in[-1,1],\quad m\cdot m=q_\ast N"


def check_q_star(q_star: Any) -> float | tuple[float, ...]:
    """Validated self-overlap of the magnetizations (scalar or tuple), strictly between 0 and 1."""
    out = _parameter("q_star", q_star, TAKES_Q_STAR, 0.0)
    for value in out if isinstance(out, tuple) else (out,):
        if not 0.0 < value < 1.0:
            raise ValueError(f"q_star: got {value:g}; takes {TAKES_Q_STAR}")
    return out


@dataclass(frozen=True, init=False)
class StochasticPerceptron(Model):
    r"""Binary weights drawn independently with means m; the means of typical low loss at a given mean square q_star.

    .. math:: Z = \int_{[-1,1]^N} dm\,\delta(m\cdot m - q_\ast N) \prod_\mu H\left(-\frac{m\cdot\xi^\mu}{\sqrt{N(1-q_\ast)}}\right)^\beta

    H(-u/sqrt(1 - q_star)) is the probability that weights drawn with means m classify a pattern of mean field u = m.xi/sqrt(N).

    Parameters
    ----------
    q_star : mean square magnetization, 0 < q_star < 1; towards 1 the weights become binary. A sequence makes a sweep.
    beta : inverse temperature of the log-likelihood (>= 0, finite); a sequence makes a sweep.

    Raises
    ------
    ValueError : naming the argument, what it got and what it takes.
    """

    q_star: float | tuple[float, ...]
    beta: float | tuple[float, ...]

    name = "stochastic-perceptron"
    weights: Any = field(default=Magnetizations(), repr=False)
    likelihood = "stochastic"
    task = "storage"
    kappa = 0.0

    def __init__(self, q_star: Any, beta: Any = 1.0):
        object.__setattr__(self, "q_star", check_q_star(q_star))
        object.__setattr__(self, "beta", check_beta(beta))

    @property
    def hard(self) -> bool:
        return False

    @property
    def forbids(self) -> bool:
        return False

    def to_dict(self) -> dict[str, Any]:
        """Plain description of the model, as it stands in JSON output."""
        return {"name": self.name, "q_star": _echo(self.q_star), "beta": _echo(self.beta), "task": self.task}

    def describe(self) -> str:
        """One line naming the model."""
        values = ((name, getattr(self, name)) for name in ("q_star", "beta"))
        parts = (f"{name} sweep" if isinstance(v, tuple) else f"{name}={v:g}" for name, v in values)
        return ", ".join(["stochastic perceptron", *parts])

    def latex(self) -> str:
        q, b = _tex_parameter(self.q_star, r"q_\ast"), _tex_parameter(self.beta, r"\beta")
        return (
            rf"Z = \int_{{[-1,1]^N}}\!\!dm\,\delta(m\cdot m-{q}N)\prod_{{\mu=1}}^{{\alpha N}}"
            rf"H\!\left(-\frac{{m\cdot\xi^\mu}}{{\sqrt{{N(1-{q})}}}}\right)^{{{b}}}"
        )


def check_no_norm(model: Model, q_star: Any) -> None:
    """A norm goes with the stochastic perceptron only."""
    if q_star is not None:
        raise ValueError(f"q_star: got {q_star!r} with a {model.to_dict()['name']}; takes it with a {StochasticPerceptron.name}")


def first(value: float | tuple[float, ...]) -> float:
    """A parameter, or the first of a sweep."""
    return value[0] if isinstance(value, tuple) else value


def width(q_star: float) -> float:
    """sqrt(1 - q_star): standard deviation of a field given the means of its weights."""
    return math.sqrt(1.0 - q_star)
