"""Real arithmetic to any precision: mpmath in a private context, or python-flint where it is installed.

Both give the same names to generated code (`replicas.numerics.program`). Numbers travel between them, and out to the
user, as mpmath numbers; python-flint's precision is one global setting, so its users take turns (`Flint.at`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import mpmath
from mpmath.libmp import from_man_exp

_FLINT = threading.RLock()
FAR = 4.0  # beyond which a ball of erfc is enclosed more tightly than FLINT does


def have_flint() -> bool:
    """Whether python-flint can be imported."""
    try:
        import flint  # noqa: F401
    except ImportError:
        return False
    return True


class Gaussian:
    """The density, the tail and the Mills ratio over the elementary functions of an arithmetic."""

    density: Any
    root_half: Any
    exp: Any
    log: Any
    erfc: Any
    _seen: tuple[Any, Any] = (None, None)

    def G(self, x: Any) -> Any:
        return self.density * self.exp(-x * x / 2)

    def H(self, x: Any) -> Any:
        if x is not self._seen[0]:  # A(x) and log H(x) come in pairs
            self._seen = x, self.erfc(x * self.root_half) / 2
        return self._seen[1]

    def A(self, x: Any) -> Any:
        return self.G(x) / self.H(x)

    def logH(self, x: Any) -> Any:
        return self.log(self.H(x))

    def Between(self, a: Any, b: Any) -> Any:
        if a + b < 0:
            a, b = -b, -a
        return self.H(a) - self.H(b)


class Mpmath(Gaussian):
    """mpmath in a context of its own, so that no precision is shared with anybody."""

    name = "mpmath"

    def __init__(self) -> None:
        self.ctx = mpmath.MPContext()
        ctx = self.ctx
        self.exp, self.log, self.sqrt = ctx.exp, ctx.log, ctx.sqrt
        self.cosh, self.sinh, self.tanh, self.erfc = ctx.cosh, ctx.sinh, ctx.tanh, ctx.erfc

    @contextmanager
    def at(self, digits: int) -> Iterator[None]:
        """Work with this many decimal digits."""
        before = self.ctx.prec
        self.ctx.dps = digits
        self._seen = None, None
        self.root_half = self.ctx.sqrt(self.ctx.mpf(0.5))
        self.density = 1 / self.ctx.sqrt(2 * self.ctx.pi)
        try:
            yield
        finally:
            self.ctx.prec = before

    def ratio(self, p: int, q: int) -> Any:
        return self.ctx.mpf(p) / q

    def constant(self, name: str) -> Any:
        return +getattr(self.ctx, name)

    def function(self, name: str) -> Any:
        """A special function by its SymPy name."""
        found = getattr(self.ctx, {"Abs": "fabs", "Max": "max"}.get(name, name), None)
        if found is None:
            raise ValueError(
                f"digits: got a likelihood with {name}, which has no evaluation to any precision; takes None"
            )
        return found

    def load(self, x: Any) -> Any:
        return self.ctx.make_mpf(x._mpf_) if hasattr(x, "_mpf_") else self.ctx.mpf(x)

    def store(self, x: Any) -> Any:
        return x

    def exact(self, x: Any) -> Any:
        """The number without what is not known of it."""
        return x


class Flint(Gaussian):
    """python-flint's real balls, read at their midpoints; their radii bound the rounding."""

    name = "flint"
    sqrt: Any
    cosh: Any
    sinh: Any
    tanh: Any

    def __init__(self) -> None:
        import flint

        self.flint = flint
        self.ctx = mpmath.MPContext()
        arb = flint.arb
        self.exp, self.log, self.sqrt = arb.exp, arb.log, arb.sqrt
        self.cosh, self.sinh, self.tanh = arb.cosh, arb.sinh, arb.tanh

    @contextmanager
    def at(self, digits: int) -> Iterator[None]:
        """Work with this many decimal digits; other threads wait."""
        with _FLINT:
            before, outside = self.flint.ctx.prec, self.ctx.prec
            self.ctx.dps = digits
            self.flint.ctx.prec = self.ctx.prec
            self._seen = None, None
            self.root_half = self.flint.arb(0.5).sqrt()
            self.density = 1 / (2 * self.flint.arb.pi()).sqrt()
            try:
                yield
            finally:
                self.flint.ctx.prec, self.ctx.prec = before, outside

    def erfc(self, x: Any) -> Any:
        """erfc of a ball. Far out FLINT's own bound of what its radius does holds zero: |d log erfc/dx| <= |x| + (x^2 + 2)^{1/2}."""
        size = x.abs_upper()
        if size < FAR or not x.is_finite():
            return x.erfc()
        moved = x.rad() * (size + (size * size + 2).sqrt())
        return x.mid().erfc() * self.flint.arb(0, moved.abs_upper()).exp()

    def ratio(self, p: int, q: int) -> Any:
        return self.flint.arb(self.flint.fmpq(p, q))

    def constant(self, name: str) -> Any:
        return {"pi": self.flint.arb.pi, "e": self.flint.arb.const_e, "euler": self.flint.arb.const_euler}[name]()

    def function(self, name: str) -> Any:
        """A special function by its SymPy name."""
        arb = self.flint.arb
        found = {"Abs": abs, "loggamma": arb.lgamma, "Max": arb.max, "Min": arb.min}.get(name) or getattr(
            arb, name, None
        )
        if found is None:
            raise NotImplementedError(name)
        return found

    def load(self, x: Any) -> Any:
        if not hasattr(x, "_mpf_"):
            return self.flint.arb(x)
        sign, man, exp, _ = x._mpf_
        return self.flint.arb((-int(man) if sign else int(man), int(exp)))

    def exact(self, x: Any) -> Any:
        """The midpoint of a ball."""
        return x.mid()

    def store(self, x: Any) -> Any:
        if not x.is_finite():
            return self.ctx.nan
        man, exp = x.mid().man_exp()
        return self.ctx.make_mpf(from_man_exp(int(man), int(exp)))


def arithmetic() -> Mpmath | Flint:
    """The fastest arithmetic that is installed."""
    return Flint() if have_flint() else Mpmath()


# --- numbers that carry their digits -------------------------------------------------------------------------------


EXTRA = 2  # digits carried beyond those asked for, so that rounding for print stays below the error


@lru_cache(maxsize=64)
def context(digits: int) -> Any:
    """The context of returned numbers of that many correct digits: they print and combine with `EXTRA` more, and pickle."""
    ctx = mpmath.MPContext()
    ctx.dps = digits + EXTRA
    kind: Any = type(
        "mpf", (mpmath.mpf,), {"__reduce__": lambda self: (_unpickled, (digits, self._mpf_)), "__slots__": ()}
    )
    kind._ctxdata = [kind, object.__new__, ctx._prec_rounding]
    kind.context = ctx
    ctx.mpf, ctx.types = kind, [kind, *ctx.types[1:]]
    return ctx


def _unpickled(digits: int, value: Any) -> Any:
    return context(digits).make_mpf(value)


def number(value: Any, digits: int) -> Any:
    """``value`` as a number of that many correct digits."""
    return +context(digits).make_mpf(value._mpf_) if hasattr(value, "_mpf_") else context(digits).mpf(value)
