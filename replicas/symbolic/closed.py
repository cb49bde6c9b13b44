"""Averages with their leaves written out: the textbook's tails, inverse Mills ratios and hyperbolic functions.

Units of a tree are independent given the means of their fields. With u_j = omega_j/sqrt(V) and P_j = H(-u_j) the probability
that unit j is positive, Z = e^f is a polynomial of first degree in each P_j, and its derivative in the fields of a set of
units is a product of densities G(u_j) with a difference D of probabilities of the output +1 (`Probability`).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

import sympy as sp
from sympy.utilities.iterables import multiset_partitions

from .functional import Functional, latex, split
from .leaves import LeafDefinition
from .nodes import Leaf, Level, Tilt, linear
from .numeric import Named, Symmetric
from .special import A, Between, G, H

EXPLICIT_UNITS = 3  # whose sign patterns are written out one by one


def written_out(expr: sp.Expr, f: Functional) -> sp.Expr:
    """Leaves in closed form inside the averages, constants drawn in where they cancel, factors drawn out."""
    algebra, towers = split(expr)
    terms = sp.Add.make_args(towers)
    if len(terms) == 1 and algebra != 0 and algebra.is_number:  # 1 - E[1 - tanh^2] = E tanh^2
        (node,) = terms[0].atoms(Tilt)
        return close(Tilt(node.level, node.phi, algebra + terms[0] / node * node.obs), f)
    return algebra + sp.Add(*(t.replace(lambda e: isinstance(e, Tilt), lambda e: close(e, f)) for t in terms))


def close(node: sp.Expr, f: Functional) -> sp.Expr:
    """One average with its leaves in closed form, the argument of the tails named u, and what is not averaged outside."""
    if node.obs.has(Tilt):
        # the levels inside are written out already: what they drew out goes on outwards
        outside, inside = node.obs.as_independent(*node.level.bound, Tilt, as_Add=False)
        return outside * Tilt(node.level, node.phi, inside) if inside.has(Tilt) else linear(node)
    leaves = node.obs.atoms(Leaf)
    if not leaves or any(f.leaves[x.name].closed is None for x in leaves):
        return node
    definition = f.leaves[next(iter(leaves)).name]
    assert definition.closed is not None
    if definition.accepted:
        return close_units(node, definition)
    curved = any(x.k[0] > 1 for x in leaves)
    if (curved and definition.closed.has(Between)) or len(_arguments(definition)) > 1:
        return node  # differences of tails: f' and f'' read better than their closed forms
    V, field = next(iter(leaves)).V, next(iter(leaves)).w[0]
    obs = node.obs.replace(lambda e: isinstance(e, Leaf), lambda e: closed_derivative(definition, int(e.k[0])))
    tilt = closed_derivative(definition, 0) if node.level.power == 1 and definition.name == "f" else None
    if tilt is not None:  # E[e^f obs]/E[e^f] with E[e^f] = 1/2: two equally likely labels
        obs = 2 * sp.exp(tilt) * obs.replace(A, lambda x: G(x) / H(x))
    obs = sp.factor(sp.expand(obs)) if definition.name == "f" else _hyperbolic(obs)
    names = sorted(obs.atoms(sp.Dummy), key=lambda d: d.name)
    meaning = {
        d: Named(
            sp.Symbol(d.name, real=True),
            _arguments(definition)[d].subs({definition.variable: V, definition.field: field}),
        )
        for d in names
    }
    obs = obs.subs({definition.variable: V, definition.field: field}).xreplace(meaning)
    level = Level(0, *node.level.args[1:]) if tilt is not None else node.level
    outside, inside = obs.as_independent(*level.bound, *meaning.values(), as_Add=False)
    return outside * Tilt(level, node.phi, inside)


def _arguments(definition: Any) -> dict[sp.Dummy, sp.Expr]:
    """A name u, u_1, u_2, ... for each argument of a tail H in the closed form."""
    if definition not in _ARGUMENTS:
        found = sorted({t.args[0] for t in definition.closed.atoms(H)}, key=str)
        names = ["u"] if len(found) == 1 else [f"u_{i + 1}" for i in range(len(found))]
        _ARGUMENTS[definition] = {sp.Dummy(n, real=True): x for n, x in zip(names, found)}
    return _ARGUMENTS[definition]


_ARGUMENTS: dict[Any, dict[sp.Dummy, sp.Expr]] = {}


def closed_derivative(definition: Any, k: int) -> sp.Expr:
    """k-th field derivative of a closed leaf, in the names of its arguments and the mills ratio A = G/H."""
    names = _arguments(definition)
    expr = definition.closed.subs({H(x): H(d) for d, x in names.items()})
    for _ in range(k):
        step = expr.diff(definition.field)
        for d, x in names.items():
            step += expr.diff(d) * x.diff(definition.field)
        if len(names) == 1 and definition.closed == sp.log(H(next(iter(names.values())))):
            (d,) = names
            step = step.subs(G(d), A(d) * H(d))
        step = step.replace(sp.sinh, lambda x: sp.tanh(x) * sp.cosh(x))
        expr = sp.expand(step) if len(step.atoms(sp.cosh, sp.exp)) <= 1 or len(names) == 1 else step
    return expr


def _hyperbolic(expr: sp.Expr) -> sp.Expr:
    """Ratios of sinh and cosh as tanh, 1 - tanh^2 as sech^2 in a product."""
    if any(len(expr.atoms(kind)) > 1 for kind in (sp.cosh, sp.exp, sp.tanh)):
        return expr  # no short form: factoring sums of several exponentials takes minutes
    expr = sp.expand(expr)
    factored = sp.factor(expr)
    for t in factored.atoms(sp.tanh):
        x = t.args[0]
        factored = factored.subs((t - 1) * (t + 1), -(sp.sech(x) ** 2)).subs(
            (t - 1) ** 2 * (t + 1) ** 2, sp.sech(x) ** 4
        )
    return factored if factored.is_Mul or factored.is_Pow or factored.has(sp.sech) else expr


# --- several units -------------------------------------------------------------------------------------------------


class OfUnit(Named):
    """u_j, P_j or 1 - P_j of one unit, defined by one formula for all of them."""

    def __new__(cls, symbol: sp.Symbol, expr: sp.Expr, unit: Any) -> OfUnit:
        return sp.Expr.__new__(cls, symbol, expr, sp.Integer(unit))

    def definition(self) -> str:
        text = f"{latex(self.args[0])} = {latex(self.args[1])}"
        return re.sub(rf"_\{{{self.args[2]}\}}", "_{j}", text)


class Probability(Symmetric):
    """sum over the sets B of positive units of table[|B|] prod_{j in B} P_j prod_{j not in B} (1 - P_j); no P of the units left out.

    The table may be a difference of probabilities. Units left out are the places in which it is not symmetric.
    """

    def __new__(cls, symbol: sp.Symbol, expr: sp.Expr, places: Any, table: Any, units: Any) -> Probability:
        return sp.Expr.__new__(cls, symbol, expr, *(sp.Tuple(*x) for x in (places, table, units)))

    def definition(self) -> str:
        return f"{latex(self.args[0])} = {self.written()}"

    def written(self) -> str:
        """LaTeX of the polynomial in P_j, as short as its table allows."""
        table, units = self.args[3], self.args[4]
        K = len(units)
        if K <= EXPLICIT_UNITS or alternating(table) is not None:
            return latex(polynomial(table, units))
        inside = r"\prod_{j\in B}P_j\prod_{j\notin B}\bar P_j"
        rest = "" if not self.places else r"\setminus\{" + ",".join(str(a + 1) for a in self.places) + r"\}"
        among = r"B\subseteq\{1,\dots," + str(K + len(self.places)) + r"\}" + rest
        terms = []
        for value in sorted(set(table) - {0}, reverse=True):
            counts = ",".join(str(c) for c, v in enumerate(table) if v == value)
            which = f"|B|={counts}" if "," not in counts else rf"|B|\in\{{{counts}\}}"
            front = {1: "", -1: "-"}.get(int(value), str(value))
            terms.append(rf"{front}\sum_{{{which}}}{inside}")
        return "+".join(terms).replace("+-", "-") + rf",\ {among}"


def unit_names(V: sp.Expr, fields: Sequence[sp.Symbol]) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """u_j and P_j for every unit."""
    u = [OfUnit(sp.Symbol(f"u{a}", real=True), w / sp.sqrt(V), a) for a, w in enumerate(fields, 1)]
    return u, [OfUnit(sp.Symbol(f"P{a}", positive=True), H(-x), a) for a, x in enumerate(u, 1)]


def complement(p: sp.Expr) -> sp.Expr:
    """1 - P_j as the other tail, without its cancellation far out."""
    if not isinstance(p, OfUnit):
        return 1 - p
    symbol, tail, unit = p.args
    return OfUnit(sp.Symbol(f"Pbar{unit}", positive=True), H(-tail.args[0]), unit)


def polynomial(table: Sequence[Any], units: Sequence[sp.Expr]) -> sp.Expr:
    """The sum over sets of positive units: a constant and a product for parities, else set by set."""
    found = alternating(table)
    if found is not None:
        mean, swing = found
        return mean + swing * sp.Mul(*(2 * p - 1 for p in units))
    K = len(units)
    sets = (B for c in range(K + 1) if table[c] for B in itertools.combinations(range(K), c))
    return sp.Add(
        *(table[len(B)] * sp.Mul(*(p if a in B else complement(p) for a, p in enumerate(units))) for B in sets)
    )


def alternating(table: Sequence[Any]) -> tuple[sp.Expr, sp.Expr] | None:
    """(x, y) of a table x + y (-1)^{K-c} over the counts c where a product is its shortest form, else None."""
    K = len(table) - 1
    if K < 1:
        return None
    top, below = sp.sympify(table[-1]), sp.sympify(table[-2])
    mean, swing = (top + below) / 2, (top - below) / 2
    short = swing != 0 and (mean == 0 or K >= EXPLICIT_UNITS)
    return (mean, swing) if short and all(v == mean + swing * (-1) ** (K - c) for c, v in enumerate(table)) else None


def probability(name: str, table: Sequence[Any], units: Sequence[sp.Expr], out: Sequence[int] = ()) -> sp.Expr:
    """Z, or its differences D by the signs of the units ``out``: the table is differenced once for each."""
    values = [int(v) for v in table]
    for _ in out:
        values = [b - a for a, b in itertools.pairwise(values)]
    left = [p for a, p in enumerate(units) if a not in out]
    expr = polynomial(values, left)
    return Probability(sp.Symbol(name, real=True), expr, out, values, left) if left else expr


def unit_probability(definition: LeafDefinition) -> sp.Expr:
    """f = log Z in its fields and variance."""
    P = unit_names(definition.variable, definition.fields)[1]
    return sp.log(probability("Z", definition.accepted, P))


def unit_derivative(orders: Sequence[int], u: Sequence[sp.Expr], Z: sp.Expr, D: Any, V: sp.Expr) -> sp.Expr:
    """A derivative of f = log Z in densities G(u_j), differences D and Z: a joint cumulant of derivatives of Z."""
    steps = [a for a, order in enumerate(orders) for _ in range(order)]

    def moment(part: Sequence[int]) -> sp.Expr:
        places = sorted({steps[i] for i in part})
        out = D(tuple(places)) / sp.sqrt(V) ** len(part)
        for a in places:
            order = sum(steps[i] == a for i in part)
            # d^n/du^n of H(-u) is G, -u G, (u^2 - 1) G, ...
            hermite = sp.expand(sp.hermite_prob(order - 1, u[a])) if order > 1 else sp.S.One
            out *= (-1) ** (order - 1) * hermite * G(u[a])
        return out / Z

    total = sp.S.Zero
    for blocks in multiset_partitions(list(range(len(steps)))):
        sign = (-1) ** (len(blocks) - 1) * math.factorial(len(blocks) - 1)
        total += sign * sp.Mul(*(moment(b) for b in blocks))
    return sp.factor(total)


def close_units(node: sp.Expr, definition: LeafDefinition) -> sp.Expr:
    """An average over the units of a tree with the derivatives of f written out."""
    leaves = node.obs.atoms(Leaf)
    fields, V = next(iter(leaves)).w, next(iter(leaves)).V
    plain = node.level.power == 0 or (node.level.power == 1 and node.phi == definition.node(V))
    if not plain or any(x.j or not any(x.k) or (x.w, x.V) != (fields, V) for x in leaves):
        return node
    named_u, P = unit_names(V, fields)
    named_Z = probability("Z", definition.accepted, P)
    u, Z = [sp.Dummy(f"u{a}", real=True) for a in range(len(fields))], sp.Dummy("Z", positive=True)
    differences: dict[tuple[int, ...], sp.Dummy] = {}

    def D(out: tuple[int, ...]) -> sp.Expr:
        return differences.setdefault(out, sp.Dummy("D", real=True))

    obs = node.obs.replace(
        lambda e: isinstance(e, Leaf), lambda e: unit_derivative([int(k) for k in e.k], u, Z, D, definition.variable)
    )
    level = node.level
    if level.power == 1:  # E[e^f obs]/E[e^f] with E[e^f] = 1/2: two equally likely labels
        obs, level = 2 * Z * obs, Level(0, *level.args[1:])
    meaning: dict[sp.Expr, sp.Expr] = dict(zip(u, named_u)) | {Z: named_Z}
    for out, dummy in differences.items():
        meaning[dummy] = probability("D" + "".join(str(a + 1) for a in out), definition.accepted, P, out)
    obs = sp.factor(obs).subs(definition.variable, V)
    outside, inside = obs.as_independent(*u, Z, *differences.values(), as_Add=False)
    return outside * Tilt(level, node.phi, inside.xreplace(meaning))
