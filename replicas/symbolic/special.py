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


class Between(sp.Function):
    """Gaussian probability of a < z < b, H(a) - H(b) without its cancellation in a common tail."""

    nargs = 2

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        if b is sp.S.Infinity:
            return H(a)
        if a is sp.S.NegativeInfinity:
            return H(-b)
        return None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return -G(self.args[0]) if argindex == 1 else G(self.args[1])

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return (H(self.args[0]) - H(self.args[1]))._eval_evalf(prec)

    def _sympystr(self, printer: sp.printing.printer.Printer) -> str:
        return f"(H({printer._print(self.args[0])}) - H({printer._print(self.args[1])}))"

    def _latex(self, printer: sp.printing.printer.Printer, exp: str | None = None) -> str:
        difference = f"{_call(printer, 'H', self.args[0], None)}-{_call(printer, 'H', self.args[1], None)}"
        return rf"\left[{difference}\right]" + (f"^{{{exp}}}" if exp else "")


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


def between(ctx, a, b):  # type: ignore[no-untyped-def]
    """H(a) - H(b), a < b, in an mpmath context: the tail that both lie in is subtracted, not the bulk."""
    return tail(ctx, -b) - tail(ctx, -a) if a + b < 0 else tail(ctx, a) - tail(ctx, b)


def mpmath_functions(ctx):  # type: ignore[no-untyped-def]
    """Module dictionary for ``sympy.lambdify`` bound to a private mpmath context."""
    return {
        "G": lambda x: density(ctx, x),
        "H": lambda x: tail(ctx, x),
        "A": lambda x: mills(ctx, x),
        "Between": lambda a, b: between(ctx, a, b),
        **{
            name: getattr(ctx, name)
            for name in ("exp", "log", "sqrt", "cosh", "tanh", "sinh", "erf", "erfc", "pi", "mpf")
        },
    }
