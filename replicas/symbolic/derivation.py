r"""Step-by-step derivation of the theory of a model, replica symmetric or broken, every step checked numerically.

The partition function is replicated and averaged, the ansatz inserted, the replica integrals decoupled, the limit taken and
the result differentiated by the rules of `nodes` and `overlaps`. Steps before the limit are held against brute-force
integrals over a few explicit replicas, the limit against extrapolation in n, every equation against finite differences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Integral
from typing import Any

import sympy as sp

from ..committees import Committee
from ..models import Model, Tree
from ..stochastic import StochasticPerceptron

ANSATZES = ("rs", "1rsb", "krsb")
REFERENCES = {  # that the quantities take, the default first
    "free-entropy": (),
    "franz-parisi": ("typical", "spherical", "stochastic"),
    "local-entropy": ("unconstrained", "constrained"),
}
MAX_UNITS = 7  # of a tree: averages over so many fields are exact to 1e-7 on grids of a few hundred thousand points
Checker = Callable[[sp.Expr], tuple[float, float]]


@dataclass(frozen=True)
class CheckResult:
    """Outcome of one step's numerical check: the difference of two independent evaluations against its tolerance."""

    number: int
    title: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance

    def __bool__(self) -> bool:
        return self.passed


class Checks(tuple[CheckResult, ...]):
    """The checks of a derivation, in order: true when all passed; ``failed`` lists those that did not."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return all(c.passed for c in self)

    @property
    def failed(self) -> list[CheckResult]:
        return [c for c in self if not c.passed]


@dataclass(frozen=True)
class Step:
    """One rewriting: what is claimed (``statement``), the ``expression`` reached, ``why`` it follows, and its check.

    ``lhs`` is the LaTeX of what the expression equals; ``checker`` maps an expression to (difference, tolerance).
    """

    number: int
    title: str
    statement: str
    lhs: str
    expression: sp.Expr
    why: str
    checker: Checker
    checked_by: str

    @property
    def terms(self) -> tuple[sp.Expr, ...]:
        """The additive terms of the expression."""
        return sp.Add.make_args(self.expression)

    def check(self) -> CheckResult:
        """Run the numerical check."""
        error, tolerance = self.checker(self.expression)
        return CheckResult(self.number, self.title, float(error), float(tolerance))

    def latex(self) -> str:
        from .functional import latex

        return f"{self.lhs} = {latex(self.expression)}"

    def _repr_markdown_(self) -> str:
        from .render import step_to_markdown

        number, rest = step_to_markdown(self).split("\n", 1)
        return f"**{number}**\n{rest}"


@dataclass(frozen=True)
class Derivation:
    """A numbered chain of steps from the partition function to free entropy, saddle-point equations and stability."""

    model: Model
    ansatz: str
    steps: tuple[Step, ...]
    functional: Any
    k: int = 0  # steps of replica symmetry breaking
    quantity: str = "free-entropy"
    reference: str | None = None  # what a local quantity is measured around

    @property
    def free_entropy(self) -> Any:
        """The derived `Functional`, which the solver evaluates."""
        return self.functional

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, i: int) -> Step:
        """The step at index i (from 0, like ``steps``; it is displayed with the number i + 1)."""
        if not 0 <= i < len(self.steps):
            raise IndexError(f"step: got index {i}; takes 0 to {len(self.steps) - 1}")
        return self.steps[i]

    def with_step(self, i: int, expr: Any) -> Derivation:
        """The derivation with the expression of ``steps[i]`` replaced: its check then judges the new one."""
        step = replace(self[i], expression=sp.sympify(expr))
        return replace(self, steps=(*self.steps[:i], step, *self.steps[i + 1 :]))

    def check(self) -> Checks:
        """Run the numerical check of every step; the result is true when all of them passed."""
        return Checks(step.check() for step in self.steps)

    def to_latex(self) -> str:
        from .render import to_latex

        return to_latex(self)

    def to_markdown(self) -> str:
        from .render import to_markdown

        return to_markdown(self)

    def to_html(self) -> str:
        """A self-contained page with its mathematics as MathML: readable without a network."""
        from .render import to_html

        return to_html(self)

    def __str__(self) -> str:
        from .render import to_text

        return to_text(self)

    def _repr_html_(self) -> str:
        from .render import body_html

        return body_html(self)


def derive(
    model: Model,
    ansatz: str = "rs",
    k: int | None = None,
    quantity: str = "free-entropy",
    reference: Any = None,
) -> Derivation:
    """Derive the free entropy, saddle-point equations and stability condition of a model, or an entropy around a reference.

    Parameters
    ----------
    model : any supported model; its kappa and beta stay symbols and are used as numbers in the checks.
    ansatz : "rs", "1rsb" (one step of replica symmetry breaking) or "krsb" (k steps; storage only).
    k : number of steps, for "krsb" only; 2 unless given.
    quantity : "free-entropy", or replica symmetric "franz-parisi" and "local-entropy".
    reference : "typical", "spherical" or "stochastic" for franz-parisi (typical unless given), "unconstrained" or
        "constrained" for local-entropy (unconstrained unless given).

    Returns
    -------
    Derivation with numbered ``steps``; ``check()`` runs every numerical check, ``with_step(i, expr)`` replaces one step.

    Raises
    ------
    ValueError for an unknown ansatz, quantity or reference, a combination that has no derivation, a k that does not go with
    it, breaking with a Bayes-optimal teacher, or a tree of more units than the checks integrate over. Of fully connected
    committees: K = 2, 3, teacher-student, rs.
    """
    if not isinstance(model, Model):
        raise ValueError(f"model: got {model!r}; takes a model such as rp.Perceptron(weights='binary')")
    steps = check_steps(ansatz, k)
    check_quantity(quantity, reference, ansatz)
    if quantity != "free-entropy":
        return _derive_local(model, quantity, REFERENCES[quantity][0] if reference is None else reference)
    if isinstance(model, StochasticPerceptron) and steps:
        raise ValueError(f"ansatz: got {ansatz!r} with a {model.name}; its derivation takes rs")
    if isinstance(model, Committee):
        if model.K == 1:
            return replace(derive(model.perceptron, ansatz, k), model=model)
        if steps:
            raise ValueError(
                f"ansatz: got {ansatz!r} with a fully connected committee; takes rs (its students are Bayes-optimal)"
            )
        from .committee import check

        return _derive(check(model), ansatz, steps)
    if isinstance(model, Tree):
        if model.K == 1:
            return replace(derive(model.perceptron, ansatz, k), model=model)
        if model.K > MAX_UNITS:
            raise ValueError(
                f"K: got {model.K} in a derivation; takes 1 to {MAX_UNITS} (its checks integrate over the field of every unit)"
            )
        if steps:
            raise ValueError(f"ansatz: got {ansatz!r} with a tree of {model.K} units; its derivation takes rs")
    return _derive(model, ansatz, steps)


def check_steps(ansatz: str, k: Any = None) -> int:
    """The number of steps of symmetry breaking that an ansatz with its k stands for."""
    if ansatz == "frsb":
        raise ValueError(
            "ansatz: got 'frsb', whose derivation is the k -> infinity limit of krsb; takes rs, 1rsb, krsb with a k"
        )
    if ansatz not in ANSATZES:
        raise ValueError(f"ansatz: got {ansatz!r}; takes {', '.join(ANSATZES)}")
    whole = k is None or (isinstance(k, Integral) and not isinstance(k, bool))
    if ansatz == "rs" and k is not None:
        raise ValueError(f"k: got {k!r} with ansatz rs, which has no steps; takes none")
    if ansatz == "1rsb" and (not whole or k not in (None, 1)):
        raise ValueError(f"k: got {k!r} with ansatz 1rsb; takes 1 or none")
    if not whole or (k is not None and k < 1):
        raise ValueError(f"k: got {k!r}; takes a whole number from 1")
    return {"rs": 0, "1rsb": 1}.get(ansatz, 2 if k is None else int(k))


def check_quantity(quantity: Any, reference: Any, ansatz: str) -> None:
    """One line on a word that does not exist, or does not go with another."""
    words = tuple(REFERENCES)
    if quantity not in words:
        raise ValueError(f"quantity: got {quantity!r}; takes {', '.join(words)}")
    if not REFERENCES[quantity]:
        if reference is not None:
            raise ValueError(f"reference: got {reference!r} with quantity {quantity}; takes none")
        return
    own = quantity == "franz-parisi" and hasattr(reference, "likelihood")  # a `franz_parisi.Reference` with leaves of its own
    if reference is not None and not own and reference not in REFERENCES[quantity]:
        raise ValueError(f"reference: got {reference!r} with quantity {quantity}; takes {', '.join(REFERENCES[quantity])}")
    if ansatz != "rs":
        raise ValueError(f"ansatz: got {ansatz!r} with quantity {quantity}; takes rs")


@lru_cache(maxsize=64)
def _derive_local(model: Model, quantity: str, reference: Any) -> Derivation:
    """The entropies around a reference."""
    if quantity == "franz-parisi":
        from .franz_parisi_steps import derive_franz_parisi

        return derive_franz_parisi(model, reference)
    from .local_entropy_steps import derive_local_entropy

    return derive_local_entropy(model, reference)


@lru_cache(maxsize=64)
def _derive(model: Model, ansatz: str, k: int) -> Derivation:
    if isinstance(model, Committee):
        from .committee_steps import derive_committee

        return derive_committee(model)
    if k == 0:
        from .rs_steps import derive_rs

        return derive_rs(model)
    from .rsb_steps import derive_rsb

    return derive_rsb(model, ansatz, k)
