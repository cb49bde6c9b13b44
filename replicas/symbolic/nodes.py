r"""The tower of averages: immutable SymPy nodes closed under differentiation, and the rules that rewrite them.

    Level(power m, measure, L, z, w, at)      w = at + L z,  z ~ measure (Gaussian or Finite), one row of L per field
    LogMean(level, phi)    = (1/m) log E exp(m phi(w));    m = 0: E phi
    Tilt(level, phi, obs)  = E[obs e^{m phi}] / E[e^{m phi}];   obs may hold the normal variables z themselves
    Leaf(name, sign, k, j, w, V)  the k-th field and j-th V derivative of a function obeying the heat equation
                                  d_V f = sign (f'' + f'^2)/2, component by component; for a symmetric matrix V
                                  d f/dV_ab = sign (f_ab + f_a f_b) (half of it for a = b), and j counts each V_ab, a <= b

A leaf of several fields is a symmetric function of them (units of a tree machine); where the level that binds them is
exchangeable, averages that differ by a permutation of the fields are one.

`Expr.diff` applies the chain rule only (explicit z, explicit d_V f); `stein` removes every z by Gaussian integration by
parts, `heat` every V derivative. With `collect`, those are all the rules a saddle-point equation needs.
"""

from __future__ import annotations

import itertools
from typing import Any

import sympy as sp
from sympy.core.basic import Basic
from sympy.printing.precedence import PRECEDENCE


class Gaussian(Basic):
    """Independent standard normal z."""

    def __new__(cls) -> Gaussian:
        return super().__new__(cls)


class Finite(Basic):
    """z takes the given values with the given probabilities."""

    def __new__(cls, values: Any, probabilities: Any) -> Finite:
        return super().__new__(cls, sp.Tuple(*values), sp.Tuple(*probabilities))


class Level(Basic):
    """One level of a tower: the bound fields w = at + L z, averaged with power m."""

    def __new__(cls, power: Any, measure: Basic, L: Any, z: Any, w: Any, at: Any) -> Level:
        tuples = [
            v if isinstance(v, sp.Tuple) else sp.Tuple(*(v if isinstance(v, (tuple, list)) else (v,)))
            for v in (z, w, at)
        ]
        L = sp.ImmutableMatrix(L) if hasattr(L, "shape") else sp.ImmutableMatrix([[L]])
        if L.shape != (len(tuples[1]), len(tuples[0])):
            raise ValueError(f"L: got shape {L.shape}; takes (number of fields, number of normals)")
        return super().__new__(cls, sp.sympify(power), measure, L, *tuples)

    power = property(lambda self: self.args[0])
    measure = property(lambda self: self.args[1])
    L = property(lambda self: self.args[2])
    z = property(lambda self: self.args[3])
    w = property(lambda self: self.args[4])
    at = property(lambda self: self.args[5])

    @property
    def bound(self) -> set[sp.Symbol]:
        return set(self.z) | set(self.w)

    @property
    def exchangeable(self) -> bool:
        """Whether several fields have one distribution, whatever their order: equal shifts, one variance, one covariance."""
        K = len(self.w)
        if K == 1 or len(set(self.at)) > 1:
            return False
        C = self.L * self.L.T
        return (
            len({C[a, a] for a in range(K)}) == 1 and len({C[a, b] for a in range(K) for b in range(K) if a != b}) == 1
        )

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return self.power.free_symbols | self.L.free_symbols | self.at.free_symbols | self.measure.free_symbols

    def total_derivative(self, expr: sp.Expr, s: sp.Symbol) -> sp.Expr:
        """d expr/ds at fixed z: explicit dependence plus that through w = at + L z."""
        out = expr.diff(s)
        dL = self.L.diff(s)
        for a, w in enumerate(self.w):
            velocity = self.at[a].diff(s) + sum(dL[a, b] * z for b, z in enumerate(self.z))
            if velocity != 0:
                out += velocity * expr.diff(w)
        return out


class _Average(sp.Expr):
    """Common part of LogMean and Tilt: fields are bound, real-valued, commutative."""

    is_commutative = True
    is_real = True

    level = property(lambda self: self.args[0])
    phi = property(lambda self: self.args[1])

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        inside = set().union(*(a.free_symbols for a in self.args[1:])) - self.level.bound
        return inside | self.level.free_symbols

    @property
    def bound_symbols(self) -> list[sp.Symbol]:
        return list(self.level.bound)


class LogMean(_Average):
    """(1/m) log E exp(m phi), its limit E phi at m = 0."""

    def __new__(cls, level: Level, phi: Any) -> sp.Expr:
        phi = sp.sympify(phi)
        if not phi.free_symbols & level.bound:
            return phi
        return super().__new__(cls, level, phi)

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        level, phi = self.args
        out = Tilt(level, phi, level.total_derivative(phi, s))
        dm = level.power.diff(s)
        if dm != 0:
            out += dm / level.power * (Tilt(level, phi, phi) - self)
        return out

    def _sympystr(self, printer: Any) -> str:
        level, phi = self.args
        fields, m, inner = _named(level), level.power, printer._print(phi)
        return f"E_{fields}[{inner}]" if m == 0 else f"log(E_{fields}[exp({m}*{inner})])/({m})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        level, phi = self.args
        return _power(_expectation(printer, level, phi, logarithm=True), exp)


class Tilt(_Average):
    """E[obs e^{m phi}]/E[e^{m phi}]; at m = 0 the plain mean, whatever phi."""

    def __new__(cls, level: Level, phi: Any, obs: Any) -> sp.Expr:
        obs = sp.sympify(obs)
        if not obs.free_symbols & level.bound:
            return obs
        return super().__new__(cls, level, sp.S.Zero if level.power == 0 else sp.sympify(phi), obs)

    obs = property(lambda self: self.args[2])

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        level, phi, obs = self.args
        weight = level.power.diff(s) * phi + level.power * level.total_derivative(phi, s)
        normalisation = Tilt(level, phi, weight)
        if level.power == 1 and weight != 0 and saddle_form(normalisation) == 0:
            # E e^phi of a teacher's tilt does not depend on s: <d phi> = 0
            return Tilt(level, phi, obs * weight + (0 if obs == phi else level.total_derivative(obs, s)))
        out = Tilt(level, phi, level.total_derivative(obs, s) + obs * weight)
        return out if weight == 0 else out - self * normalisation

    def _sympystr(self, printer: Any) -> str:
        level, phi, obs = self.args
        fields = _named(level)
        tilt = "" if level.power == 0 else f"; {printer._print(sp.exp(level.power * phi))}"
        return f"E_{fields}[{printer._print(obs)}{tilt}]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        level, phi, obs = self.args
        return _power(_expectation(printer, level, phi, obs=obs), exp)


def pairs(K: int) -> list[tuple[int, int]]:
    """The entries a <= b of a symmetric matrix over K fields."""
    return [(a, b) for a in range(K) for b in range(a, K)]


class Leaf(sp.Expr):
    """Derivative (k in each field, j in V) of log int of a tilted measure; opaque inside derivations."""

    is_commutative = True
    is_real = True

    def __new__(cls, name: Any, sign: int, k: Any, j: Any, w: Any, V: Any) -> Leaf:
        k = k if isinstance(k, sp.Tuple) else sp.Tuple(*(k if isinstance(k, (tuple, list)) else (k,)))
        w = w if isinstance(w, sp.Tuple) else sp.Tuple(*(w if isinstance(w, (tuple, list)) else (w,)))
        if hasattr(V, "shape"):
            V = sp.ImmutableMatrix(V)
            j = sp.Tuple(*([0] * len(pairs(len(w))) if j == 0 else j))
        return super().__new__(cls, sp.Symbol(str(name)), sp.Integer(sign), k, sp.sympify(j), w, sp.sympify(V))

    name = property(lambda self: self.args[0].name)
    sign = property(lambda self: self.args[1])
    k = property(lambda self: self.args[2])
    j = property(lambda self: self.args[3])
    w = property(lambda self: self.args[4])
    V = property(lambda self: self.args[5])

    @property
    def matrix(self) -> bool:
        """Whether V is a matrix over the fields."""
        return isinstance(self.j, sp.Tuple)

    @property
    def varied(self) -> int:
        """How often it is differentiated in V."""
        return int(sum(self.j)) if self.matrix else int(self.j)

    @property
    def places(self) -> set[int]:
        """The fields that its derivatives single out."""
        found = {a for a, order in enumerate(self.k) if order}
        return found.union(*(p for p, n in zip(pairs(len(self.w)), self.j) if n)) if self.matrix else found

    def moved(self, to: dict[int, int]) -> Leaf:
        """The derivatives of a symmetric function with the fields of ``places`` taken to others."""
        k = [0] * len(self.w)
        for a, order in enumerate(self.k):
            if order:
                k[to[a]] = order
        if not self.matrix:
            return Leaf(self.name, self.sign, k, self.j, self.w, self.V)
        every = pairs(len(self.w))
        j = [0] * len(every)
        for (a, b), order in zip(every, self.j):
            if order:
                j[every.index((min(to[a], to[b]), max(to[a], to[b])))] = order
        return Leaf(self.name, self.sign, k, j, self.w, self.V)

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return self.w.free_symbols | self.V.free_symbols

    def raised(self, a: int | tuple[int, int] | None) -> Leaf:
        """One more derivative: in field a, in V if a is None, in an entry of a matrix V for a pair of fields."""
        if isinstance(a, tuple):
            j = [n + (p == a) for p, n in zip(pairs(len(self.w)), self.j)]
            return Leaf(self.name, self.sign, self.k, j, self.w, self.V)
        if a is None:
            return Leaf(self.name, self.sign, self.k, self.j + 1, self.w, self.V)
        k = sp.Tuple(*(n + (b == a) for b, n in enumerate(self.k)))
        return Leaf(self.name, self.sign, k, self.j, self.w, self.V)

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        if self.matrix:
            out = sum(self.raised(p) * self.V[p].diff(s) for p in pairs(len(self.w)))
        else:
            out = self.raised(None) * self.V.diff(s)
        return out + sum(self.raised(a) * w.diff(s) for a, w in enumerate(self.w))

    def heat(self) -> sp.Expr:
        """The same derivative with every V derivative replaced by the heat equation."""
        if self.varied == 0:
            return self
        if self.matrix:
            return self._matrix_heat()
        w = sp.Tuple(*(sp.Dummy(f"w{a}", real=True) for a in range(len(self.w))))
        V = sp.Dummy("V", positive=True)
        base = Leaf(self.name, self.sign, [0] * len(w), self.j - 1, w, V).heat()
        # d_V of the lower order, each remaining d_V again by the rule
        rhs: sp.Expr = sp.S.Zero
        if self.j == 1:
            rhs = self.sign * sum(base.raised(a).raised(a) + base.raised(a) ** 2 for a in range(len(w))) / 2
        else:
            rhs = heat(base.diff(V))
        for a, order in enumerate(self.k):
            for _ in range(int(order)):
                rhs = rhs.diff(w[a])
        return rhs.subs({**dict(zip(w, self.w)), V: self.V})

    def _matrix_heat(self) -> sp.Expr:
        every, K = pairs(len(self.w)), len(self.w)
        a, b = next(p for p, order in zip(every, self.j) if order)
        w = sp.Tuple(*(sp.Dummy(f"w{a}", real=True) for a in range(K)))
        entries = {p: sp.Dummy(f"V{p[0]}{p[1]}", real=True) for p in every}
        V = sp.ImmutableMatrix(K, K, lambda c, d: entries[min(c, d), max(c, d)])
        base = Leaf(self.name, self.sign, [0] * K, 0, w, V)
        rhs = self.sign * (base.raised(a).raised(b) + base.raised(a) * base.raised(b)) / (2 if a == b else 1)
        # what is left of the derivatives in V acts on this, by the same rule again
        for p, order in zip(every, self.j):
            for _ in range(int(order) - (p == (a, b))):
                rhs = heat(rhs.diff(entries[p]))
        for x, order in zip(w, self.k):
            for _ in range(int(order)):
                rhs = rhs.diff(x)
        return rhs.xreplace({**dict(zip(w, self.w)), **{x: self.V[p] for p, x in entries.items()}})

    def _sympystr(self, printer: Any) -> str:
        if self.matrix:
            places = "_" * bool(sum(self.k)) + self._places()
            name = "Lambda" if self.sign < 0 else "V"
            return "".join(f"d_{name}{x} " for x in self._entries()) + self.name + places
        marks = "'" * int(sum(self.k)) if len(self.k) == 1 else "_" * bool(sum(self.k)) + self._places()
        return ("d_lambda " if self.sign < 0 else "d_V ") * int(self.j) + self.name + marks

    def _places(self) -> str:
        """The fields it is differentiated by, 112 for twice the first and once the second."""
        return "".join(str(a + 1) * int(n) for a, n in enumerate(self.k))

    def _entries(self) -> list[str]:
        """The entries of a matrix V that it is differentiated by, 12 for V_12."""
        return [f"{a + 1}{b + 1}" for (a, b), n in zip(pairs(len(self.w)), self.j) for _ in range(int(n))]

    @property
    def precedence(self) -> int:
        """A power of what has a label above or a derivative in front needs brackets."""
        prefixed = self.matrix and (self.varied or "^" in self.name)
        return PRECEDENCE["Mul"] + 1 if prefixed else PRECEDENCE["Atom"]

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        name = self.name
        if self.matrix:
            stem, _, label = name.partition("^")
            text = stem + (f"^{{{label}}}" if label else "") + (f"_{{{self._places()}}}" if self._places() else "")
            symbol = r"\Lambda" if self.sign < 0 else "V"
            return "".join(rf"\partial_{{{symbol}_{{{x}}}}} " for x in self._entries()) + text
        if len(self.k) == 1 and self.j == 0:
            n = int(self.k[0])
            marks = {0: name, 1: f"{name}'", 2: f"{name}''", 3: f"{name}'''"}.get(n, f"{name}^{{({n})}}")
            return f"{{{marks}}}^{{{exp}}}" if exp else f"{{{marks}}}" if n else marks
        if len(self.k) == 1 and self.k[0] == 0 and self.j == 1:
            return _power(rf"\partial_{{{printer._print(_conjugate_symbol(name))}}} {name}", exp)
        subscript = self._places() + "V" * int(self.j)
        text = f"{name}_{{{subscript}}}" if subscript else name
        return f"{text}^{{{exp}}}" if exp else text


def _named(level: Level) -> str:
    """The fields of a level as plain text: one name for all of several."""
    return str(level.w[0]) if len(level.w) == 1 else level.w[0].name.rstrip("0123456789")


def _greek(name: str) -> str:
    return name if len(name) == 1 else rf"\{name}"


def _conjugate_symbol(name: str) -> sp.Symbol:
    return sp.Symbol("lambda" if name.startswith("g") else "V")


def _power(text: str, exp: str | None) -> str:
    return rf"\left({text}\right)^{{{exp}}}" if exp else text


def _expectation(printer: Any, level: Level, phi: sp.Expr, obs: sp.Expr | None = None, logarithm: bool = False) -> str:
    fields = printer._print(level.w[0] if len(level.w) == 1 else sp.Symbol(rf"\vec {{{_greek(_named(level))}}}"))
    mean = rf"\mathbb{{E}}_{{{fields}}}"
    m = printer._print(level.power)
    if level.power.is_Add:
        m = rf"\left({m}\right)"
    if logarithm and level.power != 0:
        scaled = printer._print(phi) if level.power == 1 else rf"{m}\,{printer._print(phi)}"
        front = "" if level.power == 1 else rf"\frac{{1}}{{{printer._print(level.power)}}}"
        return rf"{front}\log {mean}\left[e^{{{scaled}}}\right]"
    body = printer._print(phi if obs is None else obs)
    if level.power == 0:
        return rf"{mean}\left[{body}\right]"
    scaled = printer._print(phi) if level.power == 1 else rf"{m}\,{printer._print(phi)}"
    return rf"\left\langle {body}\right\rangle_{{{fields},\,e^{{{scaled}}}}}"


def _map_averages(expr: sp.Expr, change: Any) -> sp.Expr:
    """Rebuild bottom-up, applying ``change`` to every LogMean and Tilt."""
    if not expr.has(LogMean, Tilt):
        return expr
    if isinstance(expr, LogMean | Tilt):
        parts = [_map_averages(a, change) for a in expr.args[1:]]
        new = type(expr)(expr.level, *parts)
        return change(new) if isinstance(new, LogMean | Tilt) else new
    return expr.func(*(_map_averages(a, change) if isinstance(a, sp.Expr) else a for a in expr.args))


def _stein_once(node: sp.Expr) -> sp.Expr:
    if not isinstance(node, Tilt) or not isinstance(node.level.measure, Gaussian):
        return node
    level, phi, obs = node.args
    obs = sp.expand(obs)
    while obs.has(*level.z):
        out = sp.S.Zero
        for term in sp.Add.make_args(obs):
            for b, z in enumerate(level.z):
                if term.has(z):
                    rest = sp.cancel(term / z) if term.is_polynomial(z) else term / z
                    # E[z X] = sum_a L_ab E[X_a + m phi_a X] + E[dX/dz]
                    new = rest.diff(z)
                    for a, w in enumerate(level.w):
                        new += level.L[a, b] * (rest.diff(w) + level.power * phi.diff(w) * rest)
                    out += new
                    break
            else:
                out += term
        obs = sp.expand(out)
    return Tilt(level, phi, obs)


def stein(expr: sp.Expr) -> sp.Expr:
    """Remove every explicit normal variable: E[z F(z)] = E[F'(z)], with the tilt included."""
    return _map_averages(expr, _stein_once)


def heat(expr: sp.Expr) -> sp.Expr:
    """Replace every V derivative of a leaf by field derivatives."""
    return expr.replace(lambda e: isinstance(e, Leaf) and e.varied > 0, lambda e: e.heat())


def linear(expr: sp.Expr) -> sp.Expr:
    """Averages are linear: split each Tilt into its terms and pull out what is not averaged."""

    def split(node: sp.Expr) -> sp.Expr:
        if not isinstance(node, Tilt):
            return node
        level, phi, obs = node.args
        out = sp.S.Zero
        for term in sp.Add.make_args(sp.expand(obs)):
            outside, inside = term.as_independent(*_bound_atoms(term, level), as_Add=False)
            out += outside * Tilt(level, phi, permuted(inside, level))
        return out

    return sp.expand(_map_averages(expr, split), deep=False)


def involved(obs: sp.Expr, level: Level) -> tuple[int, ...]:
    """Places of the fields by which some leaf in ``obs`` is differentiated."""
    found: set[int] = set().union(*(leaf.places for leaf in obs.atoms(Leaf) if leaf.w == level.w))
    return tuple(sorted(found))


def permuted(obs: sp.Expr, level: Level) -> sp.Expr:
    """One representative of all observables that a permutation of exchangeable fields makes of ``obs``.

    Only products of derivatives of symmetric leaves at the level's own fields are permuted.
    """
    if not level.exchangeable or obs.free_symbols & level.bound != set(level.w):
        return obs
    if any(leaf.w != level.w for leaf in obs.atoms(Leaf)) or obs.has(Tilt, LogMean):
        return obs
    places = involved(obs, level)
    found = []
    for order in itertools.permutations(range(len(places))):
        to = dict(zip(places, order))
        found.append(obs.replace(lambda e: isinstance(e, Leaf), lambda leaf, to=to: leaf.moved(to)))
    return min(found, key=sp.default_sort_key)


def _bound_atoms(term: sp.Expr, level: Level) -> list[sp.Expr]:
    return [a for a in term.atoms(Leaf, sp.Symbol, LogMean, Tilt) if a.free_symbols & level.bound]


def saddle_form(expr: sp.Expr) -> sp.Expr:
    """Stein, heat and linearity until nothing changes: the equation in field derivatives only."""
    return linear(heat(stein(heat(expr))))
