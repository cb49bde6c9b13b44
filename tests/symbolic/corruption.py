"""Wrong versions of an expression: a term one percent too large, which the check of its step has to see."""

import sympy as sp

from replicas.symbolic.closed import Probability

WRONG = sp.Rational(101, 100)  # factor put on one term


def scaled(expr):
    """A sum with each of its terms scaled in turn, those inside a bracket that is a factor too."""
    if isinstance(expr, sp.MatrixBase):
        yield expr * WRONG
        return
    terms = sp.Add.make_args(expr)
    for k in range(len(terms)):
        yield sp.Add(*(t * WRONG if i == k else t for i, t in enumerate(terms)), evaluate=False)
    factors = sp.Mul.make_args(expr)
    for i, bracket in enumerate(factors if len(terms) == 1 else ()):
        inner = sp.Add.make_args(bracket)
        for k in range(len(inner) if len(inner) > 1 else 0):
            changed = sp.Add(*(t * WRONG if j == k else t for j, t in enumerate(inner)), evaluate=False)
            yield sp.Mul(*(changed if j == i else x for j, x in enumerate(factors)), evaluate=False)


def in_probabilities(step):
    """The expression with a term scaled in the polynomials of P_j that it names."""
    for name in step.expression.atoms(Probability):
        for changed in scaled(name.args[1]):
            yield step.expression.xreplace({name: name.func(name.args[0], changed, *name.args[2:])})
