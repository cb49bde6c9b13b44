"""Write ``digits_reference.json``: replica-symmetric quantities at decimal parameters, to 60 digits, with mpmath alone.

    python tests/numerics/make_digits_reference.py            compute what is missing from the file
    python tests/numerics/make_digits_reference.py --check    compute some entries again and compare

Each number comes from two routes which must agree to 62 digits before it is stored (62 significant digits):
`exact_rs` (universal equations, 90 working digits, nested trapezoid) and `Printed` (equations of PHYSICS.md section 2
as printed, 110 working digits, Gauss-Legendre panels, Newton in more unknowns). Closed forms meet a quadrature or
another closed form. Parameters are exact decimals: kappa = "0.3" is 3/10. A start needs six digits; it does not enter
the result. Points already in the file are kept: delete it to compute all of them again (about ten minutes).
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mpmath
from exact_rs import ExactRS, Precision, spherical_capacity
from mpmath.calculus.quadrature import GaussLegendre

FILE = Path(__file__).with_name("digits_reference.json")
DIGITS = 60  # promised
STORED = 62  # significant digits of a string, and the relative agreement of the two routes
FIRST = Precision(dps=90, reach=19, settled=36, legendre=46, chord=70)  # e^(-19^2/2) = 1e-78
WARM = Precision(dps=36, reach=12, settled=14, legendre=24, chord=18)  # from the start to a start of 18 digits
SECOND_DPS = 110
SECOND_REACH = 20
SECOND_DEGREE = 6  # 96 nodes a panel
HANDED_OVER = 20  # digits of the first route from which the second starts
DIFFERENCE = 30  # digits of the finite-difference step of its Jacobian
SETS: dict[str, list[int] | None] = {
    "spherical": None,
    "binary": [-1, 1],
    "ternary": [-1, 0, 1],
    "discrete:0,1": [0, 1],
    "discrete:-2,-1,1,2": [-2, -1, 1, 2],
}
SOLVED = ("q", "q_hat", "Q", "lam", "free_entropy", "entropy", "energy", "replicon")
CHECKED = (2, 6, 15, 18, 28, 34, -1)  # entries of the plan that --check computes again (a minute)

Point = dict[str, Any]
Values = dict[str, Any]


# --- what is computed ----------------------------------------------------------------------------------------------


def plan() -> Iterator[tuple[Point, tuple[float, ...]]]:
    """Points, each with its start: (alpha) V = Q - q (Q)."""

    def storage(weights: str, kappa: str, **more: str) -> dict[str, str]:
        return {"weights": weights, "kappa": kappa, **more}

    def capacity(model: dict[str, str], criterion: str, *start: float) -> tuple[Point, tuple[float, ...]]:
        return {"quantity": "capacity", "model": model, "criterion": criterion}, start

    def solve(model: dict[str, str], alpha: str, *start: float, **more: str) -> tuple[Point, tuple[float, ...]]:
        return {"quantity": "solve", "model": model, "alpha": alpha, **more}, start

    yield capacity(storage("binary", "0"), "zero-entropy", 0.833079, 0.436051)
    yield capacity(storage("binary", "-0.5"), "zero-entropy", 1.678841, 0.526231)
    yield capacity(storage("binary", "0.3"), "zero-entropy", 0.573876, 0.389674)
    yield capacity(storage("binary", "1"), "zero-entropy", 0.270700, 0.300115)
    yield capacity(storage("binary", "0"), "q-to-1")
    yield capacity(storage("binary", "0.3"), "q-to-1")
    for kappa in ("-3", "-0.5", "0", "1", "2.5"):
        yield capacity(storage("spherical", kappa), "q-to-1")
    yield capacity(storage("ternary", "0"), "zero-entropy", 1.174482, 0.176099, 0.630543)
    yield capacity(storage("ternary", "0.2"), "zero-entropy", 0.850797, 0.166258, 0.701679)
    yield capacity(storage("discrete:-2,-1,1,2", "0"), "zero-entropy", 1.331467, 0.418822, 2.327540)
    yield capacity(storage("discrete:0,1", "0"), "zero-entropy", 0.589738, 0.0829268, 0.321755)
    yield capacity(storage("binary", "1", likelihood="window"), "first-moment", 1.815875)
    yield capacity(storage("spherical", "0.7", likelihood="window"), "q-to-1")

    yield {"quantity": "at_line", "model": storage("binary", "0")}, (1.014654, 0.279543)
    yield {"quantity": "at_line", "model": storage("spherical", "-1")}, (7.873560, 0.298140)
    yield {"quantity": "at_line", "model": storage("binary", "0.3")}, (0.683165, 0.233755)

    binary, ternary, sphere = ({"weights": w, "task": "teacher-student"} for w in ("binary", "ternary", "spherical"))
    yield {"quantity": "transitions", "model": binary}, (1.244684, 0.306240, 1.492632, 0.106339)
    yield {"quantity": "transitions", "model": ternary}, (2.335234, 0.101069, 2.797973, 0.0345035)

    yield solve(storage("binary", "0"), "0.6", 0.608951)
    yield solve(storage("binary", "0.3"), "0.6", 0.355175)  # above the capacity 0.574: negative entropy
    yield solve(storage("binary", "0.3"), "0.5", 0.480958)
    yield solve(storage("spherical", "0"), "1.5", 0.178279)
    yield solve(storage("spherical", "1"), "0.4", 0.186189)
    yield solve(storage("spherical", "0"), "1.98", 0.00534406)
    yield solve(storage("binary", "0", beta="1"), "1", 0.887203)
    yield solve(storage("spherical", "0", beta="2"), "3", 0.515848)
    yield solve(storage("ternary", "0"), "0.8", 0.329966, 0.662511)
    yield solve(storage("binary", "1", likelihood="window"), "1", branch="q=0")
    yield solve(binary, "1.1", 0.385903, branch="typical")
    yield solve(sphere, "2", 0.271702)

    yield {"quantity": "generalization", "model": sphere, "alpha": "2", "rule": "gibbs-bayes"}, (0.271702,)
    for rule, start in (("hebb", ()), ("pseudo-inverse", ()), ("max-stability", (0.7, 0.8))):
        yield {"quantity": "generalization", "model": sphere, "alpha": "1.5", "rule": rule}, start


# --- first route: exact_rs -----------------------------------------------------------------------------------------


def universal(point: Point, precision: Precision) -> ExactRS:
    m = point["model"]
    likelihood = m.get("likelihood", "threshold")
    values = SETS[m["weights"]]
    return ExactRS(
        values, m.get("task", "storage"), likelihood, m.get("kappa", "0"), m.get("beta"), precision=precision
    )


def first(point: Point, start: Sequence[Any]) -> Values:
    """The numbers of a point from `exact_rs`, or their closed form; names with an underscore are for `second` only."""
    warm, e = universal(point, WARM), universal(point, FIRST)
    mp, quantity, window = e.mp, point["quantity"], e.window
    alpha: Any = point.get("alpha")

    def saddle() -> Values:
        s = warm.saddle(alpha, *start)
        return e.saddle(alpha, *([s["one_minus_q"], s["Q"]] if e.free else [s["one_minus_q"]]))

    def threshold(condition: str, near: Sequence[Any]) -> Values:
        s = warm.threshold(condition, *near)
        return e.threshold(condition, *[s[k] for k in ("alpha", "one_minus_q", "Q")[: len(near)]])

    if quantity == "solve":
        out = e.zero_overlap(alpha) if point.get("branch") == "q=0" else saddle()
        return {k: out[k] for k in SOLVED if k in out and (e.free or k not in ("Q", "lam"))}
    if quantity == "capacity" and point["criterion"] == "q-to-1":
        share = 1 if e.values is None else 2 / mp.pi
        return {"value": share * spherical_capacity(mp, e.kappa, window)}
    if quantity == "capacity" and window:
        return {"value": e.zero_overlap_threshold("free_entropy", *start)["alpha"]}
    if quantity in ("capacity", "at_line"):
        out = threshold("free_entropy" if quantity == "capacity" else "replicon", start)
        names = ("q", "q_hat", "Q", "lam") if e.free else ("q", "q_hat")
        return {"value": out["alpha"], **{k: out[k] for k in names}}
    if quantity == "transitions":  # on the Nishimori line the fold d alpha/d q_hat = 0 is where the replicon vanishes
        it, fold = threshold("free_entropy", start[:2]), threshold("replicon", start[2:])
        return {"alpha_it": it["alpha"], "spinodal": fold["alpha"], "_it": it, "_fold": fold}
    if point["rule"] == "gibbs-bayes":
        R = saddle()["q"]
        return {"R": R, "eps_gibbs": mp.acos(R) / mp.pi, "eps_bayes": mp.acos(mp.sqrt(R)) / mp.pi}
    a = mp.mpf(alpha)
    if point["rule"] == "hebb":
        R = mp.sqrt(2 * a / (2 * a + mp.pi))
    elif point["rule"] == "pseudo-inverse":
        assert a > 1
        R = mp.sqrt(2 * (a - 1) / (2 * a + mp.pi - 4))
    else:
        R, kappa = max_stability(mp, a, start)
        return {"R": R, "eps_g": mp.acos(R) / mp.pi, "_kappa": kappa}
    return {"R": R, "eps_g": mp.acos(R) / mp.pi}


def max_stability(mp: Any, alpha: Any, start: Sequence[float]) -> list[Any]:
    """R and kappa at the largest kappa of Phi(R, kappa) = 0, both integrals over t by tanh-sinh quadrature."""

    def equations(R: Any, kappa: Any) -> list[Any]:
        s = mp.sqrt(1 - R * R)
        marks = [-19, -6, -2, 0, kappa]

        def gauss(t: Any) -> Any:
            return mp.exp(-t * t / 2) / mp.sqrt(2 * mp.pi)

        square = mp.quad(lambda t: gauss(t) * mp.erfc(-R * t / s / mp.sqrt(2)) / 2 * (kappa - t) ** 2, marks)
        slope = mp.quad(lambda t: gauss(t) * gauss(R * t / s) * t / s**3 * (kappa - t) ** 2, marks)
        return [(1 - R * R) / 2 - alpha * square, -R - alpha * slope]

    return newton(mp, lambda x: equations(*x), start, FIRST.chord)


# --- second route: the printed equations -----------------------------------------------------------------------------


def newton(mp: Any, equations: Callable[[list[Any]], list[Any]], start: Sequence[Any], digits: int) -> list[Any]:
    """Newton with a finite-difference Jacobian, renewed until the start has `HANDED_OVER` digits, then kept."""
    x = [mp.mpf(v) for v in start]
    base, keep, J = equations(x), False, mp.matrix(len(x))
    for _ in range(30):
        if not keep:
            for j in range(len(x)):
                h = abs(x[j]) * mp.mpf(10) ** -DIFFERENCE
                moved = equations([v + (h if i == j else 0) for i, v in enumerate(x)])
                for i in range(len(x)):
                    J[i, j] = (moved[i] - base[i]) / h
        step = mp.lu_solve(J, -mp.matrix(base))
        x = [v + d for v, d in zip(x, step)]
        size = max(abs(d / v) for d, v in zip(step, x))
        if size < mp.mpf(10) ** -digits:
            return x
        keep = size < mp.mpf(10) ** (2 - HANDED_OVER)
        base = equations(x)
    raise ArithmeticError("Newton did not converge")


class Printed:
    """PHYSICS.md 2.1 to 2.5 as printed: averages by Gauss-Legendre panels, conjugates as unknowns of their own."""

    def __init__(self, point: Point):
        m = point["model"]
        self.mp = mp = mpmath.MPContext()
        mp.dps = SECOND_DPS
        self.set = SETS[m["weights"]]
        self.teacher = m.get("task") == "teacher-student"
        self.binary = m["weights"] == "binary"
        self.free = self.set is not None and not self.binary and not self.teacher
        self.kappa = mp.mpf(m.get("kappa", "0"))
        self.beta = mp.mpf(m["beta"]) if "beta" in m else None
        self.cold = mp.zero if self.beta is None else mp.exp(-self.beta)
        self.norm = mp.one if self.set is None else mp.mpf(sum(w * w for w in self.set)) / len(self.set)
        self.nodes = GaussLegendre(mp).calc_nodes(SECOND_DEGREE, mp.prec)
        self.unit = 1 / mp.sqrt(2 * mp.pi)
        self.sqrt2 = mp.sqrt(2)

    def integral(self, rows: Callable[[Any], Sequence[Any]], edges: Sequence[Any]) -> list[Any]:
        """Each entry of the row integrated over consecutive panels."""
        out = []
        for a, b in itertools.pairwise(edges):
            half, middle = (b - a) / 2, (a + b) / 2
            out += [[half * w * r for r in rows(middle + half * x)] for x, w in self.nodes]
        return [self.mp.fsum(column) for column in zip(*out)]

    def gauss(self, t: Any) -> Any:
        return self.unit * self.mp.exp(-t * t / 2)

    def patterns(self, q: Any, V: Any) -> tuple[Any, ...]:
        """E log Z, E a^2, E a(a-u), E (a(a-u))^2, E P(error), a = (1 - e^-beta) G/Z; a teacher weighs by 2H."""
        mp, cold, kappa, root, noise = self.mp, self.cold, self.kappa, self.mp.sqrt(q), self.mp.sqrt(V)

        def row(t: Any) -> list[Any]:
            u = (kappa - root * t) / noise
            H = mp.erfc(u / self.sqrt2) / 2
            Z = cold + (1 - cold) * H
            a = (1 - cold) * self.gauss(u) / Z
            b = a * (a - u)
            weight = self.gauss(t) * (2 * H if self.teacher else 1)
            return [weight * v for v in (mp.log(Z), a * a, b, b * b, cold * (1 - H) / Z)]

        width, reach, limit = noise / root, mp.zero, mp.mpf(SECOND_REACH)
        edges = {-limit, limit, kappa / root}
        while reach < limit + abs(kappa / root):
            reach += min(width, 2)
            width *= 2
            edges |= {e for e in (kappa / root - reach, kappa / root + reach) if -limit < e < limit}
        return tuple(self.integral(row, sorted(edges)))

    def panels(self, q_hat: Any) -> list[Any]:
        """Panels in z that stay away from the poles of g', at a distance of order 1/sqrt(q_hat)."""
        mp = self.mp
        count = int(mp.ceil(2 * SECOND_REACH * max(mp.one, (1 + mp.sqrt(q_hat)) / 2)))
        return [mp.mpf(SECOND_REACH) * (2 * i - count) / count for i in range(count + 1)]

    def two_spins(self, q_hat: Any, shift: Any) -> tuple[Any, ...]:
        """E log 2cosh, E tanh, E tanh^2, E sech^4 at sqrt(q_hat) z + shift."""
        mp, root = self.mp, self.mp.sqrt(q_hat)

        def row(z: Any) -> list[Any]:
            h = root * z + shift
            e = mp.exp(-2 * abs(h))
            tanh = (1 - e) / (1 + e) * mp.sign(h)
            return [self.gauss(z) * v for v in (abs(h) + mp.log1p(e), tanh, tanh * tanh, (4 * e / (1 + e) ** 2) ** 2)]

        return tuple(self.integral(row, self.panels(q_hat)))

    def many_values(self, q_hat: Any, lam: Any, w0: int) -> tuple[Any, ...]:
        """E log sum, E <w>, E <w>^2, E <w^2>, E var^2 at field sqrt(q_hat) z + q_hat w0, weights e^(h w - lam w^2/2)."""
        mp, root, values = self.mp, self.mp.sqrt(q_hat), self.set
        assert values is not None
        scales = [mp.exp(-lam * w * w / 2) for w in values]

        def row(z: Any) -> list[Any]:
            e = mp.exp(root * z + q_hat * w0)
            p = [c * e**w for c, w in zip(scales, values)]
            total = mp.fsum(p)
            mean = mp.fsum(w * v for w, v in zip(values, p)) / total
            square = mp.fsum(w * w * v for w, v in zip(values, p)) / total
            return [self.gauss(z) * v for v in (mp.log(total), mean, mean**2, square, (square - mean**2) ** 2)]

        return tuple(self.integral(row, self.panels(q_hat)))

    def state(self, alpha: Any, V: Any, q_hat: Any = None, Q: Any = None, lam: Any = None) -> Values:
        """Saddle-point equations (they vanish at the solution), free entropy, replicon."""
        mp = self.mp
        Q = self.norm if Q is None else Q
        q = Q - V
        L, aa, b, bb, wrong = self.patterns(q, V)
        out: Values = {"alpha": alpha, "q": q, "V": V, "energy": alpha * wrong}
        if self.set is None and self.teacher:
            out["q_hat"] = q / V
            out["equations"] = [q - alpha * aa]
            out["free_entropy"] = (mp.log(V) + q) / 2 + alpha * L
            out["replicon"] = 1 - alpha * bb
        elif self.set is None:
            out["q_hat"] = q / V**2
            out["equations"] = [q - alpha * V * aa]
            out["free_entropy"] = (mp.log(V) + q / V) / 2 + alpha * L
            out["replicon"] = 1 - alpha * bb
        elif self.binary and not self.teacher:
            g, _, tanh2, sech4 = self.two_spins(q_hat, mp.zero)
            out["equations"] = [q - tanh2, q_hat - alpha / V * aa]
            out["free_entropy"] = -q_hat * V / 2 + g + alpha * L
            out["replicon"] = 1 - alpha / V**2 * bb * sech4
        elif self.binary:
            g, tanh, _, sech4 = self.two_spins(q_hat, q_hat)
            out["equations"] = [q - tanh, q_hat - alpha / V * aa]
            out["free_entropy"] = -q_hat * (1 + q) / 2 + g + alpha * L
            out["replicon"] = 1 - alpha / V**2 * bb * sech4
        elif self.teacher:  # of w0 and -w0 only one is computed: the sets are even
            count = len(self.set)
            rows = {w: self.many_values(q_hat, q_hat, w) for w in {abs(w) for w in self.set}}
            g = mp.fsum(rows[abs(w)][0] for w in self.set) / count
            overlap = mp.fsum(abs(w) * rows[abs(w)][1] for w in self.set) / count
            var2 = mp.fsum(rows[abs(w)][4] for w in self.set) / count
            out["equations"] = [q - overlap, q_hat - alpha / V * aa]
            out["free_entropy"] = -q_hat * q / 2 + g + alpha * L
            out["replicon"] = 1 - alpha / V**2 * bb * var2
        else:
            g, _, mean2, square, var2 = self.many_values(q_hat, lam, 0)
            out |= {"Q": Q, "lam": lam}
            out["equations"] = [q - mean2, q_hat - alpha / V * aa, Q - square, lam - alpha / V * b]
            out["free_entropy"] = lam * Q / 2 - q_hat * V / 2 + g + alpha * L
            out["replicon"] = 1 - alpha / V**2 * bb * var2
        out.setdefault("q_hat", q_hat)
        out["entropy"] = out["free_entropy"] + (0 if self.beta is None else self.beta * out["energy"])
        return out

    def start(self, near: Values) -> list[Any]:
        """Unknowns beside alpha, rounded from the first route."""
        mp = self.mp
        q = mp.mpf(mp.nstr(mp.mpf(near["q"]), HANDED_OVER))
        Q = mp.mpf(mp.nstr(mp.mpf(near["Q"]), HANDED_OVER)) if self.free else self.norm
        names = () if self.set is None else ("q_hat", "Q", "lam") if self.free else ("q_hat",)
        return [Q - q, *(mp.nstr(mp.mpf(near[k]), HANDED_OVER) for k in names)]

    def saddle(self, alpha: Any, near: Values) -> Values:
        a = self.mp.mpf(alpha)
        return self.state(a, *newton(self.mp, lambda x: self.state(a, *x)["equations"], self.start(near), FIRST.chord))

    def threshold(self, condition: str, near: Values) -> Values:
        def equations(x: list[Any]) -> list[Any]:
            s = self.state(*x)
            return [*s["equations"], s[condition]]

        begin = [self.mp.nstr(self.mp.mpf(near["value"]), HANDED_OVER), *self.start(near)]
        return self.state(*newton(self.mp, equations, begin, FIRST.chord))

    def fold(self, q_hat: Any) -> Any:
        """Largest alpha(q_hat) = q_hat (1-q)/E a^2 of a teacher: Newton on central differences."""
        mp = self.mp

        def load(c: Any) -> Any:
            if self.binary:
                q = self.two_spins(c, c)[1]
            else:
                assert self.set is not None
                q = mp.fsum(abs(w) * self.many_values(c, c, abs(w))[1] for w in self.set) / len(self.set)
            return c * (self.norm - q) / self.patterns(q, self.norm - q)[1]

        c, h = mp.mpf(mp.nstr(mp.mpf(q_hat), HANDED_OVER)), mp.mpf(10) ** -22
        for _ in range(3):  # the error of the root is h^2 = 1e-44, that of the maximum its square
            below, at, above = load(c - h), load(c), load(c + h)
            c -= (above - below) * h / 2 / (above - 2 * at + below)
        return load(c)


def second(point: Point, near: Values) -> Values:
    """The numbers of a point by the second route; near: those of the first."""
    r = Printed(point)
    mp, quantity = r.mp, point["quantity"]
    window = point["model"].get("likelihood") == "window"
    if window and r.binary:  # q = 0: every pattern costs log P(|z| < kappa)
        inside = mp.erf(r.kappa / mp.sqrt(2))
        if quantity == "capacity":
            return {"value": -mp.log(2) / mp.log(inside)}
        a = mp.mpf(point["alpha"])
        entropy = mp.log(2) + a * mp.log(inside)
        curvature = 2 * r.kappa * r.gauss(r.kappa) / inside
        rest = {"free_entropy": entropy, "entropy": entropy, "replicon": 1 - a * curvature**2}
        return {"q": mp.zero, "q_hat": mp.zero, **rest}
    if quantity == "capacity" and point["criterion"] == "q-to-1":
        low = r.kappa if window else -r.kappa
        edges = [low + mp.mpf(i) / 2 for i in range(2 * (SECOND_REACH + 3))]
        square = r.integral(lambda t: [r.gauss(t) * (t - low) ** 2], edges)[0] * (2 if window else 1)
        return {"value": (1 if r.set is None else 2 / mp.pi) / square}
    if quantity in ("capacity", "at_line"):
        out = r.threshold("free_entropy" if quantity == "capacity" else "replicon", near)
        return {"value": out["alpha"], **{k: out[k] for k in near if k != "value"}}
    if quantity == "solve":
        out = r.saddle(point["alpha"], near)
        return {k: out[k] for k in near}
    if quantity == "transitions":
        it = r.threshold("free_entropy", {**near["_it"], "value": near["alpha_it"]})
        return {"alpha_it": it["alpha"], "spinodal": r.fold(near["_fold"]["q_hat"])}
    return rule(r, point, near)


def rule(r: Printed, point: Point, near: Values) -> Values:
    """Generalization of the spherical student from the other form of each equation."""
    mp, a = r.mp, r.mp.mpf(point["alpha"])
    signal, noise = 2 / mp.pi, 1 - 2 / mp.pi  # of a label, regressed on the teacher's field
    if point["rule"] == "gibbs-bayes":

        def equation(x: list[Any]) -> list[Any]:  # R/sqrt(1-R) = (alpha/pi) int Dt e^(-R t^2/2)/H(sqrt(R) t)
            R = x[0]
            edges = [mp.mpf(i) for i in range(-SECOND_REACH, SECOND_REACH + 1)]

            def row(t: Any) -> list[Any]:
                return [r.gauss(t) * mp.exp(-R * t * t / 2) * 2 / mp.erfc(mp.sqrt(R / 2) * t)]

            return [R / mp.sqrt(1 - R) - a / mp.pi * r.integral(row, edges)[0]]

        (R,) = newton(mp, equation, [mp.nstr(mp.mpf(near["R"]), HANDED_OVER)], FIRST.chord)
        gibbs, bayes = mp.atan2(mp.sqrt(1 - R * R), R) / mp.pi, mp.atan2(mp.sqrt(1 - R), mp.sqrt(R)) / mp.pi
        return {"R": R, "eps_gibbs": gibbs, "eps_bayes": bayes}
    if point["rule"] == "hebb":
        R = 1 / mp.sqrt(1 + 1 / (a * signal))
    elif point["rule"] == "pseudo-inverse":
        R = 1 / mp.sqrt(1 + noise / signal / (a - 1))
    else:
        # d Phi/dR in closed form, Phi by integrating it from R = 0
        def slope(R: Any, kappa: Any) -> Any:
            s = mp.sqrt(1 - R * R)
            c = kappa / s
            below = mp.sqrt(2 * mp.pi) * mp.erfc(-c / mp.sqrt(2)) / 2
            return -s / mp.pi * (mp.exp(-c * c / 2) + c * below)

        def equations(x: list[Any]) -> list[Any]:
            R, kappa = x
            square = ((1 + kappa**2) * mp.erfc(-kappa / mp.sqrt(2)) / 2 + kappa * r.gauss(kappa)) / 2
            square += r.integral(lambda y: [slope(y, kappa)], [R * i / 8 for i in range(9)])[0]
            return [(1 - R * R) / 2 - a * square, -R - a * slope(R, kappa)]

        begin = [mp.nstr(mp.mpf(near[k]), HANDED_OVER) for k in ("R", "_kappa")]
        R = newton(mp, equations, begin, FIRST.chord)[0]
    return {"R": R, "eps_g": mp.atan2(mp.sqrt(1 - R * R), R) / mp.pi}


# --- the table -----------------------------------------------------------------------------------------------------


def compute(point: Point, start: Sequence[Any]) -> tuple[dict[str, str], float]:
    """Decimal strings of the second route and the digits to which both agree."""
    mp = mpmath.MPContext()
    mp.dps = SECOND_DPS
    near = first(point, start)
    values = second(point, near)
    agreed = float("inf")
    for name, value in values.items():
        a, b = mp.mpf(near[name]), mp.mpf(value)
        if a != b:
            agreed = min(agreed, float(-mp.log10(abs((a - b) / b))))
    if agreed < STORED:
        raise ArithmeticError(f"{point}: the two routes agree to {agreed:.1f} digits")
    return {k: mp.nstr(v, STORED, strip_zeros=False) for k, v in values.items()}, agreed


def key(point: Point) -> str:
    return json.dumps({k: v for k, v in point.items() if k != "values"}, sort_keys=True)


def check() -> int:
    """Entries of the file computed again: 0 if all are the same to `DIGITS`."""
    mp = mpmath.MPContext()
    mp.dps = SECOND_DPS
    known = {key(p): p["values"] for p in json.loads(FILE.read_text())["points"]}
    everything = list(plan())
    bad = 0
    for index in CHECKED:
        point, start = everything[index]
        values, agreed = compute(point, start)
        stored = known[key(point)]
        same = set(stored) == set(values) and all(
            abs(mp.mpf(stored[k]) - mp.mpf(v)) <= mp.mpf(10) ** -DIGITS * abs(mp.mpf(v)) for k, v in values.items()
        )
        bad += not same
        print(f"{'same' if same else 'DIFFERENT'} (routes agree to {agreed:.0f} digits)  {key(point)}", flush=True)
    return int(bad > 0)


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        return check()
    known = {key(p): p for p in json.loads(FILE.read_text())["points"]} if FILE.exists() else {}
    points = []
    for point, start in plan():
        if key(point) in known:
            points.append(known[key(point)])
            continue
        begin = time.time()
        values, agreed = compute(point, start)
        points.append({**point, "values": values})
        print(f"{time.time() - begin:6.1f} s  {agreed:5.1f} digits  {key(point)}", file=sys.stderr, flush=True)
        head = {"recipe": __doc__, "digits": DIGITS, "significant_digits": STORED}
        FILE.write_text(json.dumps({**head, "points": points}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
