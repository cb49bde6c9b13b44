# ruff: noqa: B023, RUF007, E501, E731  (closures are used in the iteration that makes them; rows of results are one line each)
#!/usr/bin/env python
"""Independent reference numbers for tree committees (majority of K signs) and tree parity machines (product of K signs).

This script shares NO code with the package `replicas`: numpy, scipy, mpmath and numba only, hand-derived equations.

Conventions: K branches, N weights in total (N/K a branch), P = alpha N patterns, y = +1. P_j = H(-u_j), u_j = gam t_j,
gam = sqrt(q/(1-q)); Z = P(output right). Everything is permutation symmetric in the branches, so a K-dimensional Gaussian average
is a sum over a multiset of K-2 nodes times a pair of nodes (the pair carries the derivatives), inside a ball of radius R:
Z is bilinear in the two members of the pair, with coefficients that depend on the multiset only.
Rule: trapezoid, step h. Every value is computed at two different steps and shifts (never a multiple of each other: a common shift of all
axes does not see aliases of zero sum); the difference enters `error`. Where another exact route exists it is used as well:
  energy   1-D moment series for the parity machine; the heat equation E|grad|^2 = -2(1-q) d(energy)/dq;
  1RSB     sign-pattern decomposition of exp(-w E(h)/2), spot-checked by a brute-force three-dimensional rule.

    python make_tree_reference.py [section ...]   merges into tree_reference.json; sections: see SECTIONS at the end
"""

import itertools
import json
import os
import sys
import time
from fractions import Fraction
from math import comb, factorial

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: two threads on a busy machine are several times slower

import mpmath as mp
import numpy as np
from numba import njit
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri, owens_t

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tree_reference.json")

# ---------------------------------------------------------------------------------------------------------------- the K-dimensional averages


@njit
def tree_kernel(K, parity, t, u, p, n, g, w, R2):
    M = len(t)
    no = K - 2
    r = (K + 1) // 2
    idx = np.zeros(max(no, 1), np.int64)
    pb = np.zeros(K + 1)
    out = np.zeros(7)
    while True:
        s, wt, run = 0.0, 1.0, 1
        for a in range(no):
            i = idx[a]
            s += t[i] * t[i]
            run = run + 1 if (a > 0 and idx[a - 1] == i) else 1
            wt *= w[i] * (a + 1) / run  # multinomial weight of the multiset
        if s <= R2:
            if parity:
                e, o, xx = 1.0, 0.0, 1.0  # even, odd number of negative fields
                for a in range(no):
                    i = idx[a]
                    e, o = e * p[i] + o * n[i], e * n[i] + o * p[i]
                    xx *= p[i] - n[i]
                C2, C1, C0, D2, D1 = e, o, e, xx, -xx
            else:
                pb[:] = 0.0
                pb[0] = 1.0
                for a in range(no):
                    i = idx[a]
                    for k in range(a + 1, 0, -1):
                        pb[k] = pb[k] * n[i] + pb[k - 1] * p[i]
                    pb[0] *= n[i]
                C0 = 0.0
                for k in range(r, no + 1):
                    C0 += pb[k]
                D1 = pb[r - 1]
                D2 = pb[r - 2] if r >= 2 else 0.0
                C1 = C0 + D1
                C2 = C1 + D2
            acc = np.zeros(7)
            for i in range(M):
                si = s + t[i] * t[i]
                if si > R2:
                    continue
                a1, a0 = C2 * p[i] + C1 * n[i], C1 * p[i] + C0 * n[i]
                b1 = D2 * p[i] + D1 * n[i]
                gi = g[i]
                gd = gi * (D2 - D1)
                for j in range(i, M):
                    if si + t[j] * t[j] > R2:
                        if t[j] > 0:
                            break
                        continue
                    Z = a1 * p[j] + a0 * n[j]
                    if Z < 1e-280:
                        continue
                    fj = g[j] * b1 / Z
                    fi = gi * (D2 * p[j] + D1 * n[j]) / Z
                    fjj = -fj * (u[j] + fj)
                    fii = -fi * (u[i] + fi)
                    fij = gd * g[j] / Z - fi * fj
                    wj = w[i] * w[j]
                    if j > i:
                        wj *= 2
                    L = np.log(Z)
                    f2 = 0.5 * (fi * fi + fj * fj)
                    acc[0] += wj
                    acc[1] += wj * L
                    acc[2] += wj * f2
                    acc[3] += wj * 0.5 * (fii * fii + fjj * fjj)
                    acc[4] += wj * fij * fij
                    acc[5] += wj * Z * L
                    acc[6] += wj * Z * f2
            out += wt * acc
        if no <= 0:
            break
        a = no - 1
        while a >= 0 and idx[a] == M - 1:
            a -= 1
        if a < 0:
            break
        v = idx[a] + 1
        for b in range(a, no):
            idx[b] = v
    return out


def terms(kind, K, q, h, R=9.0, shift=0.0):
    """dict of averages: energy E log Z, force E|grad_u|^2, hess E||Hess_u||_F^2, zlz E Z log Z, tforce E Z|grad_u log Z|^2."""
    gam = np.sqrt(q / (1 - q))
    if gam**2 < 20:
        R = min(R, np.sqrt(1380 / gam**2))  # no underflow of Z (matters beyond q = 0.94 only; R stays above 8.3)
    # for larger gam (teacher-student averages only, weighted with Z) points with Z < 1e-280 are dropped
    m = int(R / h) + 1
    t = (np.arange(-m, m + 1) + shift) * h
    t = t[np.abs(t) <= R]
    w = h * np.exp(-t * t / 2) / np.sqrt(2 * np.pi)
    u = gam * t
    g = np.exp(-u * u / 2) / np.sqrt(2 * np.pi)
    o = tree_kernel(K, kind == "parity", t, u, ndtr(u), ndtr(-u), g, w, R * R)
    if abs(o[0] - 1) < 1e-10:
        o[1:] /= o[0]  # rounding of long sums
    return {
        "norm": o[0],
        "energy": o[1],
        "force": K * o[2],
        "diag": o[3],
        "off": o[4],
        "hess": K * o[3] + K * (K - 1) * o[4],
        "zlz": o[5],
        "tforce": K * o[6],
    }


def eps_step(q, base):
    """step for a target: base * kink width of log Z (pi / (u * gam) for two fields at equal |u|), bounded."""
    return min(0.35, base * min(1.0, np.sqrt((1 - q) / q)))


# solver steps: (base of the working rule, ratio of the checking rule)
SOLVER = {2: 0.05, 3: 0.08, 4: 0.16, 5: 0.22, 7: 0.42}


def T(kind, K, q, level=0, base=None):
    """terms at the solver's resolution; level 1 is finer with another shift."""
    b = SOLVER[K] if base is None else base
    R = 9.0 if K <= 5 else 8.8
    return terms(kind, K, q, eps_step(q, b) / (1.0, 1.23)[level], R, (0.0, 0.31)[level])


def logistic(x):
    return 1 / (1 + np.exp(-x))


# ---------------------------------------------------------------------------------------------------------------- output


def emit(key, inputs, values, errors, how):
    data = json.load(open(OUT)) if os.path.exists(OUT) else {}
    vals, errs = {}, {}
    for k, v in values.items():
        if isinstance(v, str):
            vals[k] = v
            continue
        e = errors[k] if isinstance(errors, dict) else errors
        e = max(float(e), 1e-14 * abs(float(v)) if not isinstance(v, mp.mpf) else 1e-34)
        digits = max(1, int(np.ceil(np.log10(max(abs(float(v)), 1e-300) / e))) + 2) if float(v) != 0 else 1
        v = v if isinstance(v, mp.mpf) else mp.mpf(float(v))
        vals[k] = mp.nstr(v, min(digits, 36), strip_zeros=False)
        errs[k] = f"{e:.1e}"
    data[key] = {"inputs": inputs, "values": vals, "error": errs, "how": how}
    with open(OUT + ".tmp", "w") as fh:
        json.dump(data, fh, indent=1, sort_keys=True)
        fh.write("\n")
    os.replace(OUT + ".tmp", OUT)
    print(key, {k: v + (" +- " + errs[k] if k in errs else "") for k, v in vals.items()}, f"[{time.process_time():.0f}s]", flush=True)


def both(f):
    """evaluate f(level) (a dict) at two levels: fine values, and |difference| plus rounding as errors."""
    a, b = f(0), f(1)
    return b, {k: abs(a[k] - b[k]) + 3e-14 * (1 + abs(b[k])) for k in b}


# ---------------------------------------------------------------------------------------------------------------- sections


def parity_energy_series(K, q):
    """E log((1+prod x_j)/2) = -log 2 - sum_n M(n)^K/(2n), M(n) = E x^(2n): the sum to n0, then Euler-Maclaurin with the integral in log n."""
    gam = np.sqrt(q / (1 - q))
    x, wx = np.polynomial.legendre.leggauss(20)
    edges = np.concatenate([np.linspace(0, 13, 261)])
    t = ((edges[1:] + edges[:-1]) / 2)[:, None] + np.diff(edges)[:, None] / 2 * x
    wt = np.diff(edges)[:, None] / 2 * wx * 2 * np.exp(-t * t / 2) / np.sqrt(2 * np.pi)
    t, wt = t.ravel(), wt.ravel()
    lx = np.log1p(-2 * ndtr(-gam * t))  # log |x|

    def M(n):
        return np.array([np.sum(wt * np.exp(2 * k * lx)) for k in np.atleast_1d(n)])

    def g(n):
        return M(n) ** K / (2 * np.asarray(n, float))

    n0 = 400
    s = np.sum(g(np.arange(1, n0))) + g([n0])[0] / 2
    d = 20.0  # derivatives at n0 by central differences in n
    st = g(n0 + d * np.arange(-3, 4))
    d1 = (-st[0] + 9 * st[1] - 45 * st[2] + 45 * st[4] - 9 * st[5] + st[6]) / (60 * d)
    d3 = (st[0] - 8 * st[1] + 13 * st[2] - 13 * st[4] + 8 * st[5] - st[6]) / (8 * d**3)
    s += -d1 / 12 + d3 / 720
    top = np.log(n0) + 42 * max(1.0, q / (1 - q)) / K + 10
    e = np.linspace(np.log(n0), top, 121)
    sv = (((e[1:] + e[:-1]) / 2)[:, None] + np.diff(e)[:, None] / 2 * x).ravel()
    sw = (np.diff(e)[:, None] / 2 * wx).ravel()
    # beyond s ~ 30, exp(2 n log|x|) with log|x| ~ -2H: written with logs to keep 2n*2H finite
    l2h = np.log(-np.where(lx < -1e-300, lx, -1e-300))
    l2h = np.where(2 * ndtr(-gam * t) < 1e-8, np.log(2) + log_ndtr(-gam * t), l2h)
    Ms = np.array([np.sum(wt * np.exp(-np.exp(np.minimum(np.log(2) + z + l2h, 50)))) for z in sv])
    return -np.log(2) - s - np.sum(sw * Ms**K) / 2


ENERGY_STEPS = {
    ("majority", 3): (0.1, 0.06, 0.03, 0.018),
    ("parity", 2): (0.1, 0.04, 0.015, 0.01),
    ("parity", 3): (0.1, 0.06, 0.035, 0.022),
    ("parity", 4): (0.2, 0.12, 0.08, 0.065),
    ("majority", 5): (0.25, 0.16, 0.12, 0.105),
    ("majority", 7): (0.4, 0.3, 0.25, 0.24),
}


def energy():
    for (kind, K), hs in ENERGY_STEPS.items():
        for q, h in zip((0.2, 0.5, 0.8, 0.9), hs):
            if os.environ.get("TREE_SKIP") and f"energy/{kind}/K={K}/q={q}" in json.load(open(OUT)):
                continue  # resume an interrupted run
            R = 9.0 if K <= 5 else 8.8
            a, b = terms(kind, K, q, h * 1.17, R, 0.0), terms(kind, K, q, h, R, 0.31)
            names = {"energy": "energy", "force": "force", "hessian": "hess", "hessian_diagonal_element": "diag", "hessian_offdiagonal_element": "off"}
            v = {k: b[n] for k, n in names.items()}
            e = {k: abs(a[n] - b[n]) + 3e-14 * (1 + abs(b[n])) for k, n in names.items()}
            how = "trapezoid over multisets, two steps"
            if K <= 4 or (K == 5 and q <= 0.5):  # heat equation, by a sixth-order difference at a coarser step
                d = 0.012 * (1 - q)
                hh = h * 1.1 if K <= 4 else h * 1.25
                E = [terms(kind, K, q + k * d, hh, R)["energy"] for k in (-3, -2, -1, 1, 2, 3)]
                dE = (-E[0] + 9 * E[1] - 45 * E[2] + 45 * E[3] - 9 * E[4] + E[5]) / (60 * d)
                hd = abs(-2 * (1 - q) * dE - v["force"])
                how += f"; |force + 2(1-q) d energy/dq| = {hd:.0e}"
            if kind == "parity":
                s = parity_energy_series(K, q)
                how += f"; energy by the 1-D moment series, which differs by {abs(s - v['energy']):.0e}"
                if e["energy"] > 1e-13:
                    v["energy"], e["energy"] = s, 5e-14
            emit(f"energy/{kind}/K={K}/q={q}", {"machine": kind, "K": K, "q": q}, v, e, how)


def alpha_spherical(kind, K, q, level=0, base=None):
    r = T(kind, K, q, level, base)
    return q / (1 - q) / r["force"], r


def root(f, a, b, **k):
    return brentq(f, a, b, xtol=1e-14, rtol=1e-14, **k)


def refine_root(f, x0, dx):
    """secant around a good guess (few evaluations)."""
    x1 = x0 + dx
    f0, f1 = f(x0), f(x1)
    for _ in range(12):
        if f1 == f0:
            break
        x0, f0, x1 = x1, f1, x1 - f1 * (x1 - x0) / (f1 - f0)
        f1 = f(x1)
        if abs(x1 - x0) < 1e-11 * max(1, abs(x1)):  # superlinear: the last step is far more accurate
            break
    return x1


def spherical_saddle(kind, K, alpha):
    base = {3: 0.4, 5: 0.6, 7: 0.9}[K]
    x = root(lambda x: alpha_spherical(kind, K, logistic(x), 0, base)[0] - alpha, -3, 2.9) if K < 7 else brentq(
        lambda x: alpha_spherical(kind, K, logistic(x), 0, base)[0] - alpha, -1, 2, xtol=1e-6)

    def at(level):
        xx = refine_root(lambda z: alpha_spherical(kind, K, logistic(z), level)[0] - alpha, x, 1e-4)
        q = logistic(xx)
        r = T(kind, K, q, level)
        return {"q": q, "entropy": 0.5 * (np.log(1 - q) + q / (1 - q)) + alpha * r["energy"], "replicon": 1 - alpha * r["hess"],
                "replicon_branch_antisymmetric": 1 - alpha * K * (r["diag"] - r["off"])}

    return both(at)


def minimum(f, x, h, level_tol=1e-9):
    """stationary point of a smooth function of one variable: root of a sixth-order difference quotient near x."""

    def d(x):
        e = [f(x + k * h) for k in (-3, -2, -1, 1, 2, 3)]
        return (-e[0] + 9 * e[1] - 45 * e[2] + 45 * e[3] - 9 * e[4] + e[5]) / (60 * h)

    return refine_root_tol(d, x, h / 3)


def refine_root_tol(f, x0, dx, tol=1e-9):
    x1 = x0 + dx
    f0, f1 = f(x0), f(x1)
    for _ in range(15):
        if f1 == f0:
            break
        x0, f0, x1 = x1, f1, x1 - f1 * (x1 - x0) / (f1 - f0)
        f1 = f(x1)
        if abs(x1 - x0) < tol:
            break
    return x1


def sphere_saddle_section():
    for K, alphas in ((3, (0.5, 1.5, 3.0)), (5, (2.0,)), (7, (2.0,))):
        for a in alphas:
            v, e = spherical_saddle("majority", K, a)
            emit(f"saddle/spherical/majority/K={K}/alpha={a}", {"machine": "majority", "K": K, "alpha": a, "weights": "spherical"}, v, e,
                 "q from alpha(q) = q/(1-q)/E|grad_u log Z|^2; replicon = 1 - alpha E||Hess_u||_F^2 (branch-symmetric, the smallest), antisymmetric 1 - alpha K (diag-off)")


def fold(fun, xs, h, sign):
    """extremum (sign=+1 minimum, -1 maximum) of fun(x, level) scanned on xs; returns (x, value) at both levels."""
    vals = np.array([sign * fun(x, 0) for x in xs])
    i = int(np.argmin(vals))
    if i in (0, len(xs) - 1):
        return None
    out = []
    for lev in (0, 1):
        x = minimum(lambda z: fun(z, lev), xs[i] + 0.5 * (xs[i + 1] - xs[i]) * (1 if vals[i + 1] < vals[i - 1] else -1) * 0.5, h)
        out.append((x, fun(x, lev)))
    return out


def parity_saddle():
    for K in (2, 3, 4):
        base = {2: 0.05, 3: 0.1, 4: 0.2}[K]

        def al(x, lev):
            return alpha_spherical("parity", K, logistic(x), lev, base)[0]

        v, e = {"entropy_q0_per_alpha": -np.log(2)}, {"entropy_q0_per_alpha": 1e-15}
        if K == 2:
            v["alpha_q0_unstable"] = np.pi**2 / 8
            e["alpha_q0_unstable"] = 1e-14
            xs = np.linspace(-8, 2.2, 35)
            a = [al(x, 0) for x in xs]
            inc = bool(np.all(np.diff(a) > 0))
            v["branch"] = "alpha(q) increasing from pi^2/8 at q=0: continuous" if inc else "alpha(q) not monotone"
            print("K=2 alpha(q)", list(zip(np.round(logistic(xs), 4), np.round(a, 5))))
        else:
            v["branch"] = "q=0 has replicon 1 at every alpha; q>0 appears at a fold of alpha(q)"
            f = fold(al, np.linspace(-1, 3, 21), 0.03, 1)
            if f is None:
                print("no fold", K, [al(x, 0) for x in np.linspace(-1, 3, 21)])
            else:
                (x0, a0), (x1, a1) = f
                v["alpha_fold"], e["alpha_fold"] = a1, abs(a1 - a0) + 1e-13
                v["q_fold"], e["q_fold"] = logistic(x1), abs(logistic(x1) - logistic(x0)) + 1e-9

                def gap(x, lev):
                    q = logistic(x)
                    a, r = alpha_spherical("parity", K, q, lev, base)
                    return 0.5 * (np.log(1 - q) + q / (1 - q)) + a * (r["energy"] + np.log(2))

                xs = np.linspace(x1, 3.2, 14)
                g = [gap(x, 0) for x in xs]
                print("gap above fold", K, g)
                for k in range(len(xs) - 1):
                    if g[k] * g[k + 1] < 0:
                        rr = [root(lambda z: gap(z, lev), xs[k], xs[k + 1]) for lev in (0, 1)]
                        aa = [al(rr[lev], lev) for lev in (0, 1)]
                        v["alpha_equal_entropy"], e["alpha_equal_entropy"] = aa[1], abs(aa[1] - aa[0]) + 1e-12
                        v["q_equal_entropy"], e["q_equal_entropy"] = logistic(rr[1]), abs(logistic(rr[1]) - logistic(rr[0])) + 1e-12
        emit(f"saddle/spherical/parity/K={K}", {"machine": "parity", "K": K, "weights": "spherical"}, v, e,
             "alpha(q) = q/(1-q)/E|grad_u log Z|^2 along q>0; at q=0 Hess_u = (2/pi) off-diagonal for K=2, zero for K>2")


def weight_averages(qh):
    h = 0.04
    z = np.arange(-300, 301) * h
    w = h * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    a = np.sqrt(qh) * z
    th = np.tanh(a)
    return np.sum(w * th * th), np.sum(w * np.logaddexp(a, -a)), np.sum(w * (1 - th * th) ** 2), np.sum(w * (1 - th * th))


def binary_point(kind, K, lqh, level=0, base=None):
    qh = np.exp(lqh)
    q, G, s4, V = weight_averages(qh)
    r = T(kind, K, q, level, base)
    a = qh * (1 - q) / r["force"]
    phi = -qh / 2 * (1 - q) + G + a * r["energy"]
    return {"alpha": a, "q": q, "q_hat": qh, "entropy": phi, "replicon": 1 - a / (1 - q) ** 2 * r["hess"] * s4}


def binary_saddle():
    for key, kind, K, crit, target in (
        ("saddle/binary/majority/K=3/alpha=0.5", "majority", 3, "alpha", 0.5),
        ("capacity/binary/majority/K=3", "majority", 3, "entropy", 0.0),
        ("capacity/binary/majority/K=5", "majority", 5, "entropy", 0.0),
    ):
        cb = {3: 0.4, 5: 0.6}[K]
        x = brentq(lambda z: binary_point(kind, K, z, 0, cb)[crit] - target, -4, 2.5, xtol=1e-5)

        def at(level):
            xx = refine_root(lambda z: binary_point(kind, K, z, level)[crit] - target, x, 1e-4)
            return binary_point(kind, K, xx, level)

        v, e = both(at)
        v.pop(crit)
        emit(key, {"machine": kind, "K": K, "weights": "binary", crit: target}, v, e, f"one-parameter family in q_hat, alpha explicit; root of {crit}")
    for K in (2, 3, 4):
        xs = np.linspace(-6, 3.3, 32)
        pts = [binary_point("parity", K, x, 0, {2: 0.05, 3: 0.12, 4: 0.3}[K]) for x in xs]
        a = np.array([p["alpha"] for p in pts])
        print("binary parity storage", K, [(round(float(p["q"]), 4), round(float(p["alpha"]), 4), round(float(p["entropy"]), 4)) for p in pts])
        v = {"alpha_c_q0": 1.0, "min_alpha_of_q_positive_branch": float(np.min(a)), "q_there": pts[int(np.argmin(a))]["q"]}
        e = {"alpha_c_q0": 1e-15, "min_alpha_of_q_positive_branch": 0.01, "q_there": 0.1}
        if K == 2:
            v["alpha_q0_unstable"], e["alpha_q0_unstable"] = np.pi**2 / 8, 1e-14
        emit(f"capacity/binary/parity/K={K}", {"machine": "parity", "K": K, "weights": "binary"}, v, e,
             "q=0: entropy log2 (1-alpha); q>0 branch scanned in q_hat (coarse grid of 32 values): it stays above alpha = 1 if the minimum does")


def at():
    for K in (3, 5):
        cb = {3: 0.3, 5: 0.6}[K]

        def f(x, lev, base=None):
            a, r = alpha_spherical("majority", K, logistic(x), lev, base)
            return a * r["hess"] - 1

        xs = np.linspace(-2, 3.2, 14)
        g = [f(x, 0, cb) for x in xs]
        k = next(i for i in range(len(g) - 1) if g[i] * g[i + 1] < 0)
        x = brentq(lambda z: f(z, 0, cb), xs[k], xs[k + 1], xtol=1e-5)

        def at_level(level):
            xx = refine_root(lambda z: f(z, level), x, 1e-4)
            a, r = alpha_spherical("majority", K, logistic(xx), level)
            return {"alpha": a, "q": logistic(xx)}

        v, e = both(at_level)
        emit(f"at/spherical/majority/K={K}", {"machine": "majority", "K": K, "weights": "spherical"}, v, e, "alpha(q) E||Hess_u||_F^2 = 1")
        zs = np.linspace(-2, 3.2, 14)
        g = [binary_point("majority", K, z, 0, cb)["replicon"] for z in zs]
        k = next((i for i in range(len(g) - 1) if g[i] * g[i + 1] < 0), None)
        if k is None:
            print("no binary AT", K, g)
            continue
        z = brentq(lambda z: binary_point("majority", K, z, 0, cb)["replicon"], zs[k], zs[k + 1], xtol=1e-5)
        v, e = both(lambda lev: binary_point("majority", K, refine_root(lambda y: binary_point("majority", K, y, lev)["replicon"], z, 1e-4), lev))
        v.pop("replicon")
        emit(f"at/binary/majority/K={K}", {"machine": "majority", "K": K, "weights": "binary"}, v, e,
             "alpha/(1-q)^2 E||Hess_u||_F^2 E sech^4 = 1 on the RS branch (entropy negative: beyond the capacity)")


# ------------------------------------------------------------------ capacities, closed forms


def capacity_rs():
    mp.mp.dps = 45
    H = lambda x: mp.erfc(x / mp.sqrt(2)) / 2
    G = lambda x: mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)
    cuts = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 9, 14, 20]
    for K in (1, 3, 5, 7, 9, 21, 101):
        r = (K + 1) // 2
        a = K * mp.quad(lambda t: G(t) * t * t * mp.fsum(comb(K - 1, j) * H(t) ** (K - 1 - j) * (1 - H(t)) ** j for j in range(r)), cuts)
        # order statistics: n positive (binomial), the r-n smallest of K-n half-normal squares
        co = {}
        for n in range(r):
            M = K - n
            for k in range(1, r - n + 1):
                co[(k - 1, M - k)] = co.get((k - 1, M - k), 0) + Fraction(comb(K, n), 2**K) * Fraction(factorial(M), factorial(k - 1) * factorial(M - k))
        co = {k: mp.mpf(c.numerator) / c.denominator for k, c in co.items()}

        def dens(t):
            F, S = mp.erf(t / mp.sqrt(2)), mp.erfc(t / mp.sqrt(2))
            Fp, Sp = [mp.mpf(1)], [mp.mpf(1)]
            for _ in range(K):
                Fp.append(Fp[-1] * F)
                Sp.append(Sp[-1] * S)
            return 2 * G(t) * t * t * mp.fsum(c * Fp[i] * Sp[j] for (i, j), c in co.items())

        b = mp.quad(dens, cuts)
        emit(f"capacity-rs/majority/K={K}", {"machine": "majority", "K": K, "weights": "spherical"}, {"alpha": 1 / b}, {"alpha": max(abs(1 / a - 1 / b), mp.mpf(10) ** -33)},
             "1/E[cheapest sum of squares]: 1-D integral with a binomial sum, and order-statistics densities over the number of positive fields")
    for K in (2, 3, 4, 5):
        a = mp.quad(lambda t: t * t * K * 2 * G(t) * (2 * H(t)) ** (K - 1), cuts) / 2
        b = mp.quad(lambda t: 2 * t * (2 * H(t)) ** K, cuts) / 2  # E min^2 = int 2 t P(min > t)
        emit(f"capacity-rs/parity/K={K}", {"machine": "parity", "K": K, "weights": "spherical"}, {"alpha": 1 / b}, {"alpha": max(abs(1 / a - 1 / b), mp.mpf(10) ** -33)},
             "1/alpha = E[min h^2]/2: density of the minimum, and integral of its tail" + ("; = 2/(1-2/pi) for K=2" if K == 2 else ""))
    mp.mp.dps = 20


def gibbs_eps(K, rho):
    """P(two machines disagree): enumerate the signs of both machines; P(s_j, s'_j) = (1 + rho s s')/4."""
    # by permutation symmetry of the first machine enumerate k positives, then flips among positives and negatives
    d, s = (1 - rho) / 2, (1 + rho) / 2
    tot = mp.mpf(0)
    r = (K + 1) // 2
    for k in range(K + 1):
        for a in range(k + 1):
            for b in range(K - k + 1):
                if (k >= r) != (k - a + b >= r):
                    tot += mp.mpf(comb(K, k) * comb(k, a) * comb(K - k, b)) / 2**K * d ** (a + b) * s ** (K - a - b)
    return tot


def gibbs_brute(K, rho):
    d, s = (1 - rho) / 2, (1 + rho) / 2
    tot = mp.mpf(0)
    flips = [(sum(f), f) for f in itertools.product((0, 1), repeat=K)]
    for sg in itertools.product((1, -1), repeat=K):
        y = sum(sg) > 0
        for n, f in flips:
            if (sum(x if not c else -x for x, c in zip(sg, f)) > 0) != y:
                tot += d**n * s ** (K - n)
    return tot / 2**K


def gibbs_error():
    mp.mp.dps = 40
    for K in (1, 3, 5, 7, 9):
        v, e = {}, {}
        for R in ("0.3", "0.9"):
            rho = 2 * mp.asin(mp.mpf(R)) / mp.pi
            a = gibbs_eps(K, rho)
            b = gibbs_brute(K, rho) if K <= 7 else a
            if K == 3:
                assert abs(a - (mp.mpf(1) / 2 - (3 * rho + rho**3) / 8)) < 1e-35
            v[f"eps_g(R={R})"], e[f"eps_g(R={R})"] = a, max(abs(a - b), mp.mpf(10) ** -34)
        emit(f"gibbs-error/majority/K={K}", {"machine": "majority", "K": K}, v, e, "sign-pattern enumeration (all 4^K for K <= 7), rho = (2/pi) arcsin R")
    mp.mp.dps = 20


# ------------------------------------------------------------------ extrema of smooth functions of several variables


def gradient(f, x, h):
    """sixth-order central differences; h one step a coordinate."""
    out = []
    for k in range(len(x)):
        e = []
        for j in (-3, -2, -1, 1, 2, 3):
            y = np.array(x, float)
            y[k] += j * h[k]
            e.append(f(y))
        out.append((-e[0] + 9 * e[1] - 45 * e[2] + 45 * e[3] - 9 * e[4] + e[5]) / (60 * h[k]))
    return np.array(out)


def stationary(f, x, h, scale=lambda x: 1.0, steps=12, tol=1e-11):
    """Newton on the difference-quotient gradient; Jacobian by differences of the gradient, kept after three steps."""
    x = np.array(x, float)
    h = np.array(h, float)

    def g(y):
        return gradient(f, y, h) * scale(y)

    J = None
    for it in range(steps):
        r = g(x)
        if J is None or it < 4:
            J = np.array([(g(x + d) - r) / d[k] for k, d in enumerate(np.diag(h / 2))]).T
        d = -np.linalg.solve(J, r)
        d *= min(1.0, 8.0 / np.max(np.abs(d) / h))
        x = x + d
        if np.max(np.abs(d) / h) < tol / np.min(h):
            break
    return x, np.max(np.abs(d))


# ------------------------------------------------------------------ 1RSB capacity


def neg_nodes(level):
    wid, n = ((0.3, 12), (0.22, 14))[level]
    e = np.arange(0, int(14 / wid) + 1) * wid
    e = np.concatenate([[0, wid / 8, wid / 4, wid / 2], e[1:]])
    x, w = np.polynomial.legendre.leggauss(n)
    return (-(e[1:] + e[:-1])[:, None] / 2 - np.diff(e)[:, None] / 2 * x).ravel(), (np.diff(e)[:, None] / 2 * w).ravel()


def tilted(q0, w, t, level):
    """W(t1,t2,t3) = <exp(-w E(h)/2)> on the product grid t x t x t, K = 3, by sign patterns:
    two or three positive: E = 0; one positive (c): E = min(h_a^2, h_b^2); none: the sum of the two smallest squares (the largest is left out)."""
    v, mu = 1 - q0, np.sqrt(q0) * t
    h, hw = neg_nodes(level)
    P, n = ndtr(mu / np.sqrt(v)), ndtr(-mu / np.sqrt(v))
    z = (h[None, :] - mu[:, None]) / np.sqrt(v)
    p = np.exp(-z * z / 2) / np.sqrt(2 * np.pi * v)
    Phi = ndtr(z)
    g = p * np.exp(-w * h * h / 2)
    mt, st = mu / (1 + w * v), np.sqrt(v / (1 + w * v))
    lo, hi = (h[None, :] - mt[:, None]) / st, (-mt / st)[:, None]
    dif = np.where(hi > 0, ndtr(-lo) - ndtr(-hi), ndtr(hi) - ndtr(lo))
    inner = np.exp(-w * mu * mu / (2 * (1 + w * v)))[:, None] / np.sqrt(1 + w * v) * dif  # int_h^0 p exp(-w x^2/2) dx
    S = (g * hw) @ Phi.T
    B = S + S.T
    M = len(t)
    T1 = np.empty((M, M, M))
    for c in range(M):
        T1[c] = (inner * (p[c] * hw)) @ inner.T
    W = T1 + T1.transpose(1, 0, 2) + T1.transpose(1, 2, 0)
    for perm in ((0, 1, 2), (1, 0, 2), (1, 2, 0)):
        # first index of the product is the odd one out
        W += (P[:, None, None] * B[None, :, :] + n[:, None, None] * (P[:, None] * P[None, :])[None]).transpose(perm)
    return W + P[:, None, None] * P[None, :, None] * P[None, None, :]


def elog_tilted(q0, w, level):
    hs = (0.33, 0.25)[level] * min(1.0, np.sqrt((1 - q0) / q0))
    m = int(8.6 / hs)
    t = (np.arange(-m, m + 1) + (0, 0.31)[level]) * hs
    wt = hs * np.exp(-t * t / 2) / np.sqrt(2 * np.pi)
    return np.einsum("ijk,i,j,k->", np.log(tilted(q0, w, t, level)), wt, wt, wt, optimize=True)


def alpha_1rsb(q0, w, level):
    return -0.5 * (np.log1p(w * (1 - q0)) + w * q0 / (1 + w * (1 - q0))) / elog_tilted(q0, w, level)


def brute_tilted(q0, w, t3, n=420):
    """three-dimensional midpoint rule for the same average (no sign patterns, no ordering: E from its definition by sorting)."""
    L = 7.0
    z = (np.arange(n) + 0.5) / n * 2 * L - L
    pz = np.exp(-z * z / 2) / np.sqrt(2 * np.pi) * 2 * L / n
    hs = [np.sqrt(q0) * a + np.sqrt(1 - q0) * z for a in t3]
    tot = 0.0
    for i in range(n):
        a = np.minimum(hs[0][i], 0) ** 2
        b, c = np.minimum(hs[1], 0)[:, None] ** 2, np.minimum(hs[2], 0)[None, :] ** 2
        E = a + b + c - np.maximum(np.maximum(a, b), c)  # two of three must be positive: the largest cost is never paid
        tot += pz[i] * (pz @ np.exp(-w * E / 2) @ pz)
    return tot


def capacity_1rsb():
    t3 = np.array([-1.1, 0.3, -0.4])
    for q0, w in ((0.5, 10.0), (0.7, 20.0)):
        W = tilted(q0, w, t3, 1)[0, 1, 2]
        Wb = brute_tilted(q0, w, t3)
        v, e = both(lambda lev: {"E log <exp(-w E/2)>": elog_tilted(q0, w, lev)})
        v["<exp(-wE/2)> at t0=(-1.1,0.3,-0.4)"], e["<exp(-wE/2)> at t0=(-1.1,0.3,-0.4)"] = W, 1e-13
        emit(f"capacity-1rsb/majority/K=3/spot/q0={q0},w={w:g}", {"machine": "majority", "K": 3, "q0": q0, "w": w}, v, e,
             f"sign patterns, 1-D Gauss-Legendre inside, trapezoid in t0 at two levels; brute-force 3-D midpoint rule (E by sorting) differs by {abs(Wb - W):.0e}")
    from scipy.optimize import minimize

    s = minimize(lambda y: alpha_1rsb(logistic(y[0]), np.exp(y[1]), 0), [0.5, 2.5], method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-7})
    print("start", s.x, s.fun)

    def at_level(level):
        x, d = stationary(lambda y: alpha_1rsb(logistic(y[0]), np.exp(y[1]), level), s.x, [0.04, 0.04], steps=4)
        print("  newton step", d)
        return {"alpha": alpha_1rsb(logistic(x[0]), np.exp(x[1]), level), "q0": logistic(x[0]), "w": np.exp(x[1])}

    v, e = both(at_level)
    e["q0"], e["w"] = e["q0"] + 1e-10, e["w"] + 1e-9 * v["w"]
    emit("capacity-1rsb/majority/K=3", {"machine": "majority", "K": 3, "weights": "spherical"}, v, e,
         "minimum over (q0, w); inner average by sign patterns (not order statistics), two levels")


def capacity_1rsb_parity():
    mp.mp.dps = 30
    H = lambda x: mp.erfc(x / mp.sqrt(2)) / 2
    G = lambda x: mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)
    cuts = [0, 0.1, 0.3, 0.7, 1.2, 2, 3, 5, 8, 14]
    for K in (2, 3, 4):

        def den(w):
            return mp.log(mp.mpf(1) / 2 + K * mp.quad(lambda t: G(t) * (2 * H(t)) ** (K - 1) * mp.exp(-w * t * t / 2), cuts))

        def den2(w):  # by parts: 1 - int w t exp(-w t^2/2) P(min > t) dt, halved
            return mp.log(1 - mp.quad(lambda t: w * t * mp.exp(-w * t * t / 2) * (2 * H(t)) ** K, cuts) / 2)

        def f(x, d=den):
            return -mp.log(1 + mp.exp(x)) / 2 / d(mp.exp(x))

        xs = [mp.mpf(k) / 2 for k in range(-2, 15)]
        i = int(np.argmin([float(f(x)) for x in xs]))
        x = mp.findroot(lambda z: mp.diff(f, z, h=mp.mpf(10) ** -8), xs[i] + 0.05, tol=1e-20, verify=False)
        w = mp.exp(x)
        a, b = f(x), f(x, den2)
        v = {"alpha": a, "w": w}
        e = {"alpha": max(abs(a - b), mp.mpf(10) ** -22), "w": w * mp.mpf(10) ** -11}
        hess = mp.mpf(0)
        if K == 2:  # stability of q0 = 0: alpha ||Hess||_F^2 < (w/(1+w))^2; d1 d2 W = (1/2) E |h1 h2| (1 - exp(-w min^2/2))
            x12 = 4 * mp.quad(lambda t: G(t) ** 2 * t * (1 - mp.exp(-w * t * t / 2)), cuts)  # E|h1h2| F(min) = 2 int 2G(m) m F(m) 2G(m)
            hess = 2 * (x12 / 2 * 2 / 2 / mp.exp(den(w))) ** 2 * 1
            # E |h1 h2| F(min) over half-normals: 2 int_0^inf 2G(m) m F(m) [int_m^inf 2G(x) x dx = 2G(m)] dm = 8 int G^2 m F
            hess = 2 * ((8 * mp.quad(lambda t: G(t) ** 2 * t * (1 - mp.exp(-w * t * t / 2)), cuts)) / 2 / mp.exp(den(w))) ** 2
            v["q0_stability"] = 1 - a * hess * ((1 + w) / w) ** 2
            e["q0_stability"] = 1e-9
        emit(f"capacity-1rsb/parity/K={K}/q0=0", {"machine": "parity", "K": K, "weights": "spherical", "q0": 0}, v, e,
             "minimum over w at q0 = 0: density of the minimum and integration by parts; q0_stability = 1 - alpha ||Hess log W||_F^2 ((1+w)/w)^2 at q0 = 0 (1 for K > 2)")
    mp.mp.dps = 20



def elog_tilted_parity2(q0, w, level):
    """K = 2 parity: right signs cost nothing, wrong signs cost min(h1^2, h2^2); a positive field is a negative one of opposite mean."""
    hs = (0.12, 0.085)[level] * min(1.0, np.sqrt((1 - q0) / q0))
    m = int(9 / hs)
    t = (np.arange(-m, m + 1) + (0, 0.31)[level]) * hs
    wt = hs * np.exp(-t * t / 2) / np.sqrt(2 * np.pi)
    v, mu = 1 - q0, np.sqrt(q0) * np.concatenate([t, -t])
    h, hw = neg_nodes(level)
    z = (h[None, :] - mu[:, None]) / np.sqrt(v)
    g = np.exp(-z * z / 2 - w * h * h / 2) / np.sqrt(2 * np.pi * v)
    S = (g * hw) @ ndtr(z).T
    B = S + S.T
    k = len(t)
    P, n = ndtr(mu[:k] / np.sqrt(v)), ndtr(-mu[:k] / np.sqrt(v))
    W = P[:, None] * P + n[:, None] * n + B[k:, :k] + B[:k, k:]
    return wt @ np.log(W) @ wt


def capacity_1rsb_parity2():
    def f(y, lev):
        q0, w = logistic(y[0]), np.exp(y[1])
        return -0.5 * (np.log1p(w * (1 - q0)) + w * q0 / (1 + w * (1 - q0))) / elog_tilted_parity2(q0, w, lev)

    from scipy.optimize import minimize

    print("q0 -> 0 check (4.0643020):", f([-9.0, np.log(14.2794)], 0))
    s = minimize(lambda y: f(y, 0), [-1.0, 2.7], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9})
    print("start", s.x, s.fun)

    def at_level(level):
        x, d = stationary(lambda y: f(y, level), s.x, [0.04, 0.04], steps=5)
        print("  newton step", d)
        return {"alpha": f(x, level), "q0": logistic(x[0]), "w": np.exp(x[1])}

    v, e = both(at_level)
    e["q0"], e["w"] = e["q0"] + 1e-10, e["w"] + 1e-9 * v["w"]
    emit("capacity-1rsb/parity/K=2", {"machine": "parity", "K": 2, "weights": "spherical"}, v, e, "minimum over (q0, w), q0 > 0 (q0 = 0 is unstable for K = 2), two levels")


# ------------------------------------------------------------------ finite-m 1RSB


def log_accept(lp, ln, K):
    """log Z on a product grid of K axes (K = 3: four positive terms)."""
    a = [lp.reshape([-1 if k == j else 1 for k in range(3)]) for j in range(3)]
    b = [ln.reshape([-1 if k == j else 1 for k in range(3)]) for j in range(3)]
    r = np.logaddexp(a[0] + a[1], a[0] + b[1] + a[2])
    return np.logaddexp(r, b[0] + a[1] + a[2])  # p1 p2 + p1 n2 p3 + n1 p2 p3


def pattern_term(q0, q1, m, level, fine=1.0):
    """E_t0 log E_t1 Z^m (K = 3): Z^m tabulated on a product grid of the fields, contracted with the Gaussian kernels axis by axis."""
    v, s = 1 - q1, np.sqrt(q1 - q0)
    c = (1.0, 0.78)[level] * fine
    hx = c * min(0.4 * np.sqrt(v), 0.55 * s)
    L = 8.0 * np.sqrt(q0 + s * s) + 0.6 * s
    n = int(L / hx)
    x = (np.arange(-n, n + 1) + (0, 0.29)[level]) * hx
    lz = log_accept(log_ndtr(x / np.sqrt(v)), log_ndtr(-x / np.sqrt(v)), 3)
    top = np.exp(m * lz)
    ht = c * 0.4 * min(1.0, np.sqrt((1 - q0) / q0))
    k = int(8.2 / ht)
    t = (np.arange(-k, k + 1) + (0, 0.37)[level]) * ht
    wt = ht * np.exp(-t * t / 2) / np.sqrt(2 * np.pi)
    ker = hx / s * np.exp(-((x[None, :] - np.sqrt(q0) * t[:, None]) ** 2) / (2 * s * s)) / np.sqrt(2 * np.pi)
    W = np.tensordot(ker, top, axes=(1, 0))
    W = np.tensordot(ker, W, axes=(1, 1))
    W = np.tensordot(ker, W, axes=(1, 2))
    return np.einsum("ijk,i,j,k->", np.log(W), wt, wt, wt, optimize=True)


def pattern_term_k5(q0, q1, m, level):
    K, v, s = 5, 1 - q1, np.sqrt(q1 - q0)
    hx, ht, R = ((0.40, 0.5, 6.8), (0.33, 0.42, 7.2))[level]
    n = int(R * np.sqrt(q0 + s * s) * 1.15 / hx)
    x = (np.arange(-n, n + 1) + (0, 0.29)[level]) * hx
    k = int(R / ht)
    t = (np.arange(-k, k + 1) + (0, 0.37)[level]) * ht
    wt = ht * np.exp(-t * t / 2) / np.sqrt(2 * np.pi)
    ker = hx / s * np.exp(-((x[None, :] - np.sqrt(q0) * t[:, None]) ** 2) / (2 * s * s)) / np.sqrt(2 * np.pi)
    p, nn = ndtr(x / np.sqrt(v)), ndtr(-x / np.sqrt(v))
    pb = [np.ones((1,) * 4)]
    for j in range(4):
        sh = [1] * 4
        sh[j] = -1
        P, Nn = p.reshape(sh), nn.reshape(sh)
        pb = [(pb[i] * Nn if i < len(pb) else 0) + (pb[i - 1] * P if i > 0 else 0) for i in range(len(pb) + 1)]
    A, B = pb[3] + pb[4], pb[2]
    W = np.zeros((len(t),) * K)
    for i in range(len(x)):
        g = (A + B * p[i]) ** m
        for _ in range(4):
            g = np.tensordot(g, ker, axes=(0, 1))
        W += ker[:, i].reshape(-1, 1, 1, 1, 1) * g[None]
    L = np.log(W)
    for _ in range(K):
        L = np.tensordot(wt, L, axes=(0, 0))
    return float(L)


def phi_1rsb(alpha, q0, q1, m, level, fine=1.0):
    D = 1 - q1 + m * (q1 - q0)
    return 0.5 * ((m - 1) / m * np.log(1 - q1) + np.log(D) / m + q0 / D) + alpha / m * pattern_term(q0, q1, m, level, fine)


def finite_m():
    for q0, q1, m in ((0.3, 0.6, 0.5), (0.5, 0.8, 0.3), (0.2, 0.7, 0.9)):
        v, e = both(lambda lev: {"(1/m) E log E Z^m": pattern_term(q0, q1, m, lev, 0.7) / m})
        emit(f"finite-m/majority/K=3/pattern/q0={q0},q1={q1},m={m}", {"machine": "majority", "K": 3, "q0": q0, "q1": q1, "m": m}, v, e,
             "Z^m on a product grid of fields contracted with Gaussian kernels; two steps")
    v, e = both(lambda lev: {"(1/m) E log E Z^m": pattern_term_k5(0.3, 0.6, 0.5, lev) / 0.5})
    e = {k: x + 1e-10 for k, x in e.items()}
    emit("finite-m/majority/K=5/pattern/q0=0.3,q1=0.6,m=0.5", {"machine": "majority", "K": 5, "q0": 0.3, "q1": 0.6, "m": 0.5}, v, e,
         "Z^m on a product grid of fields contracted with Gaussian kernels; two steps")


def finite_m_saddle():
    def unpack(y):  # logit q1, logit of q0/q1, log m
        q1 = logistic(y[0])
        return q1 * logistic(y[1]), q1, (np.exp(y[2]) if len(y) > 2 else None)

    def scale(y):
        return 1 / (1 - logistic(y[1]))  # removes the flat line q1 = q0

    logit = lambda p: np.log(p / (1 - p))
    jobs = [("alpha=3/m=0.5", 3.0, 0.5, [logit(0.93), logit(0.8)]), ("alpha=2.5/extremal-m", 2.5, None, [logit(0.90), logit(0.75), np.log(0.45)]),
            ("alpha=2.9/extremal-m", 2.9, None, [logit(0.97), logit(0.75), np.log(0.15)])]
    for name, alpha, m, y in jobs:
        f = [(lambda y, lev=lev, fine=fine: phi_1rsb(alpha, *(unpack(y)[:2] + ((m,) if m else (unpack(y)[2],))), lev, fine)) for lev, fine in ((0, 2.0), (0, 1.2), (1, 1.2))]
        h = [0.03] * len(y)
        try:
            y, d = stationary(f[0], y, [0.06] * len(y), scale, steps=10, tol=1e-5)
            print("coarse", name, unpack(y), d, flush=True)
            res = []
            for lev in (0, 1):
                z, d = stationary(f[1 + lev], y, h, scale, steps=2, tol=1e-9)
                print("  step", d, flush=True)
                q0, q1, mm = unpack(z)
                r = {"q0": q0, "q1": q1, "phi": f[1 + lev](z)}
                if m is None:
                    r["m"] = mm
                res.append(r)
            v, e = both(lambda lev: res[lev])
            e = {k: x + (1e-9 if k != "phi" else 1e-12) for k, x in e.items()}
            emit(f"finite-m/majority/K=3/saddle/{name}", {"machine": "majority", "K": 3, "alpha": alpha, **({"m": m} if m else {})}, v, e,
                 "Newton on sixth-order difference quotients of the free entropy, two grids")
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as err:
            print("failed", name, err)


# ------------------------------------------------------------------ Bayes-optimal teacher


def tanh_sinh(n=90):
    s = np.linspace(-3.6, 3.6, 2 * n + 1)
    x = np.tanh(np.pi / 2 * np.sinh(s))
    w = (s[1] - s[0]) * np.pi / 2 * np.cosh(s) / np.cosh(np.pi / 2 * np.sinh(s)) ** 2
    return x, w


def bayes_error(q, n=90):
    """E min(Z, 1-Z), K = 3: 1/2 - 2 E(Z-1/2)_+; the innermost integral in closed form (Owen's T), the others split where its form changes."""
    gam = np.sqrt(q / (1 - q))
    x, w = tanh_sinh(n)
    R = 9.0
    tot = 0.0
    phi = lambda t: np.exp(-t * t / 2) / np.sqrt(2 * np.pi)

    def inner(p1, n1, t2):
        p2, n2 = ndtr(gam * t2), ndtr(-gam * t2)
        A, B = p1 * p2, p1 * n2 + n1 * p2
        # p3 > c;  1 - c = (A + B - 1/2)/B = (1/2 - n1 n2)/B
        with np.errstate(divide="ignore", over="ignore"):
            c, cc = (0.5 - A) / B, (0.5 - n1 * n2) / B
        ok = (c > 0) & (cc > 0)
        ts = np.where(c < 0.5, ndtri(np.clip(c, 1e-300, 1)), -ndtri(np.clip(cc, 1e-300, 1))) / gam
        ts = np.where(ok, ts, 0.0)
        part = (A - 0.5) * ndtr(-ts) + B * (ndtr(-ts) / 2 + owens_t(ts, gam))
        return np.where(c <= 0, A - 0.5 + B / 2, np.where(cc <= 0, 0.0, part))

    for a, b in ((-R, -3.0), (-3.0, 0.0), (0.0, 3.0), (3.0, R)):
        for xi, wi in zip(x, w):
            t1 = (a + b) / 2 + (b - a) / 2 * xi
            p1, n1 = ndtr(gam * t1), ndtr(-gam * t1)
            brk = [-R, 0.0, R]
            if p1 > 0.5:
                brk.append(float(np.clip(ndtri(1 / (2 * p1)) / gam, -R, R)))
            elif n1 > 0.5:
                brk.append(float(np.clip(-ndtri(1 / (2 * n1)) / gam, -R, R)))
            brk = sorted(set(brk))
            for lo, hi in zip(brk, brk[1:]):
                if hi - lo < 1e-14:
                    continue
                t2 = (lo + hi) / 2 + (hi - lo) / 2 * x
                tot += wi * (b - a) / 2 * phi(t1) * np.sum(w * (hi - lo) / 2 * phi(t2) * inner(p1, n1, t2))
    return 0.5 - 2 * tot


def teacher_weight(qh):
    h = 0.04
    z = np.arange(-300, 301) * h
    w = h * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    a = np.sqrt(qh) * z + qh
    return np.sum(w * np.tanh(a)), np.sum(w * np.logaddexp(a, -a)), np.sum(w / np.cosh(a) ** 2)


def teacher_spherical(kind, K, x, level=0, base=None):
    q = logistic(x)
    r = T(kind, K, q, level, base)
    a = q / (2 * r["tforce"])
    return {"alpha": a, "q": q, "entropy": 0.5 * (q + np.log(1 - q)) + 2 * a * r["zlz"]}


def teacher_binary(kind, K, lqh, level=0, base=None):
    qh = np.exp(lqh)
    q, G, V = teacher_weight(qh)
    q = 1 - V  # Nishimori: E tanh = E tanh^2
    r = T(kind, K, q, level, base)
    a = qh * V / (2 * r["tforce"])
    return {"alpha": a, "q": q, "q_hat": qh, "entropy": -qh / 2 * (1 + q) + G + 2 * a * r["zlz"]}


TB = {2: 0.05, 3: 0.16, 4: 0.25, 5: 0.28}  # the weight Z makes these averages smoother


def errors_of(v, e, K):
    q = v["q"]
    mp.mp.dps = 20
    v["gibbs_error"] = float(gibbs_eps(K, 2 * mp.asin(mp.mpf(q)) / mp.pi))
    e["gibbs_error"] = e["q"] / np.sqrt(1 - q) + 1e-15
    if K == 3:
        v["bayes_error"] = bayes_error(q)
        e["bayes_error"] = abs(v["bayes_error"] - bayes_error(q, 60)) + e["q"] + 1e-14


def teacher():
    r0 = terms("majority", 3, 0.5, 0.1)  # check of the stationarity condition: 2 d(E Z log Z)/dq = E Z|grad_u log Z|^2/(1-q)
    d = 1e-3
    E = [terms("majority", 3, 0.5 + k * d, 0.1)["zlz"] for k in (-2, -1, 1, 2)]
    print("teacher identity:", 2 * (E[0] - 8 * E[1] + 8 * E[2] - E[3]) / (12 * d) - r0["tforce"] / 0.5)
    for a in (1.0, 3.0, 8.0):
        if a == 8.0 and os.environ.get("TREE_SKIP"):
            continue
        x = brentq(lambda x: teacher_spherical("majority", 3, x, 0, 0.3)["alpha"] - a, -4, 2.9 if a < 8 else 4.2, xtol=1e-6)
        v, e = both(lambda lev: teacher_spherical("majority", 3, refine_root(lambda z: teacher_spherical("majority", 3, z, lev, TB[3])["alpha"] - a, x, 1e-4), lev, TB[3]))
        v.pop("alpha")
        errors_of(v, e, 3)
        emit(f"teacher/spherical/majority/K=3/alpha={a:g}", {"machine": "majority", "K": 3, "alpha": a, "weights": "spherical"}, v, e, "alpha = q/(2 E Z|grad_u log Z|^2); q = R")
    for K in (3, 5):
        tb = TB[K]
        xs = np.linspace(-3, 1.4, 19)
        pts = [teacher_binary("majority", K, x, 0, 2.5 * tb) for x in xs]
        print("teacher binary K", K, [(round(float(x), 2), round(float(p["q"]), 4), round(float(p["alpha"]), 4), round(float(p["entropy"]), 4)) for x, p in zip(xs, pts)])
        al = [p["alpha"] for p in pts]
        imax = int(np.argmax(al))
        targets = [(f"alpha={a:g}", "alpha", a) for a in ((0.5, 1.0) if K == 3 else ())] + [("first-order", "entropy", 0.0)]
        for name, crit, val in targets:
            g = np.array([p[crit] - val for p in pts[: imax + 1]])
            k = [i for i in range(len(g) - 1) if g[i] * g[i + 1] < 0]
            if not k:
                print("no root", K, name)
                continue
            x = brentq(lambda x: teacher_binary("majority", K, x, 0, 1.5 * tb)[crit] - val, xs[k[0]], xs[k[0] + 1], xtol=1e-6)
            v, e = both(lambda lev: teacher_binary("majority", K, refine_root(lambda z: teacher_binary("majority", K, z, lev, tb)[crit] - val, x, 1e-4), lev, tb))
            v.pop(crit)
            errors_of(v, e, K)
            emit(f"teacher/binary/majority/K={K}/{name}", {"machine": "majority", "K": K, "weights": "binary", crit: val}, v, e, "one-parameter family in q_hat; smallest-q branch; q = R")
        if 0 < imax < len(xs) - 1:
            tf = tb * (1.0 if K == 3 else 1.6)
            f = fold(lambda x, lev: teacher_binary("majority", K, x, lev, tf)["alpha"], xs[imax - 1 : imax + 2], 0.08, -1)
            (x0, a0), (x1, a1) = f
            p = [teacher_binary("majority", K, x, lev, tf) for lev, x in ((0, x0), (1, x1))]
            v = p[1]
            e = {k: abs(p[1][k] - p[0][k]) + (1e-12 if k == "alpha" else 1e-9) for k in v}
            emit(f"teacher/binary/majority/K={K}/spinodal", {"machine": "majority", "K": K, "weights": "binary"}, v, e, "maximum of alpha(q_hat)")


def teacher_parity():
    for K in (2, 3):
        xs = np.linspace(-5, 3.0, 41) if K == 2 else np.linspace(0, 3.0, 16)
        al = lambda x, lev=0: teacher_spherical("parity", K, x, lev, {2: 0.03, 3: 0.1}[K])
        pts = [al(x) for x in xs]
        print("teacher parity spherical", K, [(round(float(p["q"]), 4), round(float(p["alpha"]), 4), round(float(p["entropy"] + p["alpha"] * np.log(2)), 5)) for p in pts])
        v, e = {}, {}
        if K == 2:
            v["alpha_q0_unstable"], e["alpha_q0_unstable"] = np.pi**2 / 8, 1e-14
        a = np.array([p["alpha"] for p in pts])
        if bool(np.all(np.diff(a) > 0)):
            v["branch"] = "alpha(q) increasing from pi^2/8: continuous"
        else:
            v["branch"] = "alpha(q) not monotone: a fold"
            i = int(np.argmin(a))
            f = fold(lambda x, lev: al(x, lev)["alpha"], xs[max(0, i - 2) : i + 3], 0.04, 1)
            if f:
                (x0, a0), (x1, a1) = f
                v["alpha_spinodal"], e["alpha_spinodal"] = a1, abs(a1 - a0) + 1e-12
                v["q_spinodal"], e["q_spinodal"] = logistic(x1), abs(logistic(x1) - logistic(x0)) + 1e-9
                g = [p["entropy"] + p["alpha"] * np.log(2) for p in pts]
                for k in range(i, len(xs) - 1):
                    if g[k] * g[k + 1] < 0:
                        r = [root(lambda x: al(x, lev)["entropy"] + al(x, lev)["alpha"] * np.log(2), xs[k], xs[k + 1]) for lev in (0, 1)]
                        p = [al(r[lev], lev) for lev in (0, 1)]
                        v["alpha_first_order"], e["alpha_first_order"] = p[1]["alpha"], abs(p[1]["alpha"] - p[0]["alpha"]) + 1e-12
                        v["q_first_order"], e["q_first_order"] = p[1]["q"], abs(p[1]["q"] - p[0]["q"]) + 1e-12
        emit(f"teacher/spherical/parity/K={K}", {"machine": "parity", "K": K, "weights": "spherical"}, v, e,
             "alpha(q) = q/(2 E Z|grad_u log Z|^2); first order: its entropy equals -alpha log 2 of q = 0")
        zs = np.linspace(-5, 2.4, 38) if K == 2 else np.linspace(-2, 2.4, 12)
        bt = [teacher_binary("parity", K, z, 0, {2: 0.03, 3: 0.1}[K]) for z in zs]
        print("teacher parity binary", K, [(round(float(p["q"]), 4), round(float(p["alpha"]), 4), round(float(p["entropy"]), 5)) for p in bt])
        v, e = {"alpha_it": 1.0}, {"alpha_it": 1e-15}
        if K == 2:
            v["alpha_q0_unstable"], e["alpha_q0_unstable"] = np.pi**2 / 8, 1e-14
        b = np.array([p["alpha"] for p in bt])
        v["branch"] = "alpha(q_hat) of q>0 " + ("decreasing" if np.all(np.diff(b) < 0) else "increasing" if np.all(np.diff(b) > 0) else "not monotone")
        for sign, nm in ((1, "minimum"), (-1, "maximum")):
            i = int(np.argmin(sign * b))
            if 0 < i < len(zs) - 1:
                f = fold(lambda z, lev: teacher_binary("parity", K, z, lev, {2: 0.03, 3: 0.1}[K])["alpha"], zs[max(0, i - 2) : i + 3], 0.04, sign)
                if f:
                    (x0, a0), (x1, a1) = f
                    v[f"alpha_{nm}"], e[f"alpha_{nm}"] = a1, abs(a1 - a0) + 1e-12
                    q = [teacher_binary("parity", K, x, 0)["q"] for x in (x0, x1)]
                    v[f"q_at_{nm}"], e[f"q_at_{nm}"] = q[1], abs(q[1] - q[0]) + 1e-9
        emit(f"teacher/binary/parity/K={K}", {"machine": "parity", "K": K, "weights": "binary"}, v, e, "q = 0: entropy (1-alpha) log 2; q>0 branch scanned in q_hat")


def large_alpha():
    mp.mp.dps = 30
    I = mp.quad(lambda t: mp.exp(-t * t) / mp.sqrt(2 * mp.pi) / (mp.erfc(t / mp.sqrt(2)) / 2), [-14, -8, -4, -2, 0, 2, 4, 8, 14])
    I2 = mp.quad(lambda t: mp.exp(-t * t) / mp.sqrt(2 * mp.pi) / (mp.erfc(t / mp.sqrt(2)) / 2), mp.linspace(-13, 13, 40))
    s = np.array([0.16, 0.14, 0.12, 0.105, 0.09, 0.08, 0.07, 0.06])
    al, gi, ba = [], [], []
    for x in s:
        q = 1 - x * x
        r = terms("majority", 3, q, 0.3 * x, 8.5)
        a = q / (2 * r["tforce"])
        al.append(a)
        gi.append(a * float(gibbs_eps(3, 2 * mp.asin(mp.mpf(q)) / mp.pi)))
        ba.append(a * bayes_error(q, 120))
    print(list(zip(s, al, gi, ba)))
    c = [[np.polynomial.polynomial.polyfit(s[k:], y[k:], len(s) - 1 - k)[0] for k in (0, 1, 2)] for y in (gi, ba)]
    print("extrapolated", c, "analytic", mp.sqrt(2) / I, 1 / I)
    v = {"alpha_eps_gibbs": mp.sqrt(2) / I, "alpha_eps_bayes": 1 / I}
    e = {k: max(abs(I - I2), mp.mpf(10) ** -27) for k in v}
    emit("large-alpha/spherical/majority", {"machine": "majority", "weights": "spherical", "K": "any odd K"}, v, e,
         "analytic: only a pivotal branch matters, alpha -> alpha K binom(K-1,(K-1)/2)/2^(K-1), which cancels: sqrt(2)/I, 1/I, I = int Dt exp(-t^2/2)/H(t); "
         f"K=3 saddles at 1-q = 0.0256..0.0036 extrapolated in sqrt(1-q) differ by {abs(c[0][0] - float(v['alpha_eps_gibbs'])):.0e}, {abs(c[1][0] - float(v['alpha_eps_bayes'])):.0e}")
    mp.mp.dps = 20


SECTIONS = {
    "gibbs-error": gibbs_error,
    "capacity-rs": capacity_rs,
    "energy": energy,
    "saddle": sphere_saddle_section,
    "parity-saddle": parity_saddle,
    "binary": binary_saddle,
    "at": at,
    "capacity-1rsb": capacity_1rsb,
    "capacity-1rsb-parity": capacity_1rsb_parity,
    "capacity-1rsb-parity2": capacity_1rsb_parity2,
    "finite-m": finite_m,
    "finite-m-saddle": finite_m_saddle,
    "teacher": teacher,
    "teacher-parity": teacher_parity,
    "large-alpha": large_alpha,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or SECTIONS:
        SECTIONS[name]()
