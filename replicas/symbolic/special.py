r"""Gaussian special functions that know their derivatives and print as the field writes them.

G(x) = exp(-x^2/2)/sqrt(2 pi), H(x) = int_x^inf Dz, A(x) = G(x)/H(x) (inverse Mills ratio), A' = A (A - x).
"""

from __future__ import annotations

import mpmath
import sympy as sp


class G(sp.Function):
    """Standard normal density."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return -self.args[0] * self

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return (sp.exp(-(self.args[0] ** 2) / 2) / sp.sqrt(2 * sp.pi))._eval_evalf(prec)

    def _latex(self, printer: sp.printing.printer.Printer, exp: str | None = None) -> str:
        return _call(printer, "G", self.args[0], exp)


class H(sp.Function):
    """Gaussian tail, H(x) = erfc(x/sqrt 2)/2."""

    nargs = 1

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        if x is sp.S.NegativeInfinity:
            return sp.S.One
        if x is sp.S.Infinity:
            return sp.S.Zero
        return sp.S.Half if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return -G(self.args[0])

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return (sp.erfc(self.args[0] / sp.sqrt(2)) / 2)._eval_evalf(prec)

    def _latex(self, printer: sp.printing.printer.Printer, exp: str | None = None) -> str:
        return _call(printer, "H", self.args[0], exp)


class A(sp.Function):
    """Inverse Mills ratio G/H."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return self * (self - self.args[0])

    def _eval_evalf(self, prec: int) -> sp.Expr:
        x = self.args[0]._eval_evalf(prec)
        if x is None or not x.is_number:
            return self
        with mpmath.workprec(prec + 20):
            return sp.Float(mills(mpmath, mpmath.mpf(str(sp.N(x, prec // 3 + 10)))), precision=prec)

    def _latex(self, printer: sp.printing.printer.Printer, exp: str | None = None) -> str:
        return _call(printer, "A", self.args[0], exp)


def _call(printer, name: str, arg: sp.Expr, exp: str | None) -> str:  # type: ignore[no-untyped-def]
    power = f"^{{{exp}}}" if exp else ""
    return rf"{name}{power}\left({printer._print(arg)}\right)"


def tail(ctx, x):  # type: ignore[no-untyped-def]
    """H(x) in an mpmath context."""
    return ctx.erfc(x / ctx.sqrt(2)) / 2


def density(ctx, x):  # type: ignore[no-untyped-def]
    """G(x) in an mpmath context."""
    return ctx.exp(-x * x / 2) / ctx.sqrt(2 * ctx.pi)


def mills(ctx, x):  # type: ignore[no-untyped-def]
    """A(x) in an mpmath context."""
    return density(ctx, x) / tail(ctx, x)


def mpmath_functions(ctx):  # type: ignore[no-untyped-def]
    """Module dictionary for ``sympy.lambdify`` bound to a private mpmath context."""
    return {
        "G": lambda x: density(ctx, x),
        "H": lambda x: tail(ctx, x),
        "A": lambda x: mills(ctx, x),
        **{
            name: getattr(ctx, name)
            for name in ("exp", "log", "sqrt", "cosh", "tanh", "sinh", "erf", "erfc", "pi", "mpf")
        },
    }
