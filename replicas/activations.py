r"""Activations g of hidden units: named ones and SymPy expressions in ``rp.field``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sympy as sp

# name: (breaks, discontinuous, E u g(u) = 0, LaTeX in the field h)
NAMED: dict[str, tuple[tuple[float, ...], bool, bool, str]] = {
    "sign": ((0.0,), True, False, r"\mathrm{sign}(h)"),
    "relu": ((0.0,), False, False, r"\max(0,h)"),
    "erf": ((), False, False, r"\mathrm{erf}(h)"),
    "tanh": ((), False, False, r"\tanh(h)"),
    "quadratic": ((), False, True, r"h^2"),
}
TAKES = "takes " + ", ".join(repr(name) for name in NAMED) + " or a SymPy expression in rp.field"


@dataclass(frozen=True, repr=False)
class Activation:
    r"""A function g of one unit's field, square integrable under the Gaussian; made by `parse_activation`.

    .. math:: \Delta(q) = E\,g(u_1)g(u_2), \qquad E u_1u_2 = q, \quad E u_1^2 = E u_2^2 = 1

    Two are equal when their expressions are; one whose expression is that of a named activation is the named one.

    name : the name, or the expression as text;  custom : the expression, None for a named activation
    breaks : where g is not analytic;  jumps : whether g is discontinuous, so that Delta'(1) is infinite (which it also is
        where g is continuous but E g'^2 diverges, as for sqrt|u|)
    uncorrelated : whether Delta'(0) = (E u g(u))^2 = 0, as for even g
    """

    name: str
    custom: sp.Expr | None = None
    breaks: tuple[float, ...] = field(default=(), compare=False)
    jumps: bool = field(default=False, compare=False)
    uncorrelated: bool = field(default=False, compare=False)

    @property
    def expr(self) -> sp.Expr:
        """The SymPy expression in ``rp.field``; loads SymPy."""
        import sympy as sp

        if self.custom is not None:
            return self.custom
        u = sp.Symbol("u", real=True)
        return {
            "sign": lambda: sp.sign(u),
            "relu": lambda: sp.Max(0, u),
            "erf": lambda: sp.erf(u),
            "tanh": lambda: sp.tanh(u),
            "quadratic": lambda: u**2,
        }[self.name]()

    def latex(self) -> str:
        """LaTeX of g(h)."""
        if self.custom is None:
            return NAMED[self.name][3]
        import sympy as sp

        return str(sp.latex(self.custom.subs(sp.Symbol("u", real=True), sp.Symbol("h", real=True))))

    def __repr__(self) -> str:
        return f"Activation({self.name})"


def named(name: str) -> Activation:
    """The activation of a known name, without loading SymPy."""
    breaks, jumps, uncorrelated, _ = NAMED[name]
    return Activation(name, None, breaks, jumps, uncorrelated)


def parse_activation(activation: Any) -> Activation:
    r"""The activation that a name or a SymPy expression g(u) in ``rp.field`` stands for.

    .. math:: E\,g(u)^2 < \infty, \qquad \mathrm{Var}\,g > 0

    Parameters
    ----------
    activation : an `Activation`, a name (sign, relu, erf, tanh, quadratic) or a real expression in ``rp.field`` (a plain
        ``Symbol("u")`` is read as it) with finite one-sided limits everywhere, or a sum of powers of |u| above -1/2, or
        log|u|. A string that is not a name is an error: text is never evaluated.

    Raises
    ------
    ValueError : one line with what was got and what is taken: unknown names, other symbols, functions that are complex,
        unbounded at a point other than as above, not square integrable, or constant.
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        if activation in NAMED:
            return named(activation)
        raise ValueError(f"activation: got {activation!r}; {TAKES}")
    import sympy as sp

    from .symbolic.activation_analysis import known_name, validated

    try:
        expr = sp.sympify(activation)
    except (sp.SympifyError, TypeError, AttributeError, ValueError):
        expr = None
    if not isinstance(expr, sp.Expr):
        raise ValueError(f"activation: got {activation!r}; {TAKES}")
    expr = expr.xreplace({sp.Symbol("u"): sp.Symbol("u", real=True)}).doit(deep=False)
    name = known_name(expr)
    return named(name) if name else Activation(str(expr), expr, *validated(expr))
