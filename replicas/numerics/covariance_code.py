"""Numba text of a covariance kernel: closed form, positive series, or tables in theta. No difference of near numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

HEAD = '@njit(cache=True, error_model="numpy")\ndef kernel(q, gap, out):\n'
SERIES_TERMS = 10  # of a Taylor series used for arguments below 1: the next is 1e-19
SUPPRESSED = 45.0  # e^-45 = 3e-20: a power of q that no longer counts

MODULE = """
@njit(cache=True, error_model="numpy")
def values(q, gap, out):
    one = np.empty(5)
    for i in range(q.size):
        kernel(q[i], gap[i], one)
        for k in range(5):
            out[k, i] = one[k]
"""


def _alternating(coefficients: Iterable[float], x: str) -> str:
    """c0 - x (c1 - x (c2 - ...)) as text."""
    text = ""
    for c in reversed(list(coefficients)):
        text = f"{c!r} - {x} * ({text})" if text else repr(c)
    return text


def _array(name: str, values: Sequence[float] | np.ndarray) -> str:
    return f"{name} = np.array({np.asarray(values, dtype=float).tolist()!r})\n"


def arcsine_text(w: float, A: float, B: float, full: bool, offset: str) -> str:
    r"""w q + A asin q + B (q asin q + sqrt(1-q^2) - 1); of the fully connected machine without its linear part.

    t = asin q, theta = arccos q; t - sin t, t sin t + cos t - 1 and sin theta - theta cos theta by Taylor below 1.
    """
    lines = [
        "    r = math.sqrt(gap * (1.0 + q))",
        "    t = math.atan2(q, r)",
        "    theta = 2.0 * math.asin(math.sqrt(0.5 * gap))",
    ]
    value, rest, first, second, third = ["0.0"], ["0.0"], ["0.0"], ["0.0"], ["0.0"]
    if w and not full:
        value, rest, first = [f"{w!r} * q"], [f"{w!r} * gap"], [repr(w)]
    if A:
        if full:
            sine = _alternating((1 / math.factorial(2 * k + 3) for k in range(SERIES_TERMS)), "t * t")
            lines.append(f"    odd = t * t * t * ({sine}) if t < 1.0 else t - q")
            value.append(f"{A!r} * odd")
            rest.append(f"{A!r} * (theta - gap)")
            first.append(f"{A!r} * q * q / (r * (1.0 + r))")
        else:
            value.append(f"{A!r} * t")
            rest.append(f"{A!r} * theta")
            first.append(f"{A!r} / r")
        second.append(f"{A!r} * q / (r * r * r)")
        third.append(f"{A!r} * (1.0 + 2.0 * q * q) / (r * r * r * r * r)")
    if B:
        near = _alternating(((2 * k + 1) / math.factorial(2 * k + 2) for k in range(SERIES_TERMS)), "t * t")
        far = _alternating(((2 * k + 2) / math.factorial(2 * k + 3) for k in range(SERIES_TERMS)), "theta * theta")
        lines += [
            f"    even = t * t * ({near}) if t < 1.0 else q * t + r - 1.0",
            f"    lens = theta * theta * theta * ({far}) if theta < 1.0 else r - theta * q",
        ]
        value.append(f"{B!r} * even")
        rest.append(f"{B!r} * ({math.pi / 2!r} * gap - lens)")
        first.append(f"{B!r} * t")
        second.append(f"{B!r} / r")
        third.append(f"{B!r} * q / (r * r * r)")
    named = [(f"out[{i}]", " + ".join(terms[1:] if terms[0] == "0.0" and len(terms) > 1 else terms))
             for i, terms in enumerate((value, rest, first, second, third))]
    named[0] = (named[0][0], named[0][1] + offset)
    return HEAD + "\n".join([*lines, *(f"    {name} = {text}" for name, text in named)]) + "\n"


def error_function_text(A: float, a: float, missing: float) -> str:
    """A asin(a q) with 1 - a = missing, which must be accurate; asin(a) - asin(aq) from its sine and cosine."""
    return HEAD + f"""    x = {a!r} * q
    below = {missing!r} + {a!r} * gap
    r = math.sqrt(below * (1.0 + x))
    end = {math.sqrt(missing * (1 + a))!r}
    s = {a * a!r} * gap * (1.0 + q) / ({a!r} * r + x * end)
    out[0] = {A!r} * math.atan2(x, r)
    out[1] = {A!r} * math.atan2(s, end * r + {a!r} * x)
    out[2] = {A * a!r} / r
    out[3] = {A * a * a!r} * x / (r * r * r)
    out[4] = {A * a**3!r} * (1.0 + 2.0 * x * x) / (r * r * r * r * r)
"""


_HORNER = """    p = 0.0
    d1 = 0.0
    d2 = 0.0
    d3 = 0.0
    for n in range(top, -1, -1):
        d3 = d3 * q + d2
        d2 = d2 * q + d1
        d1 = d1 * q + p
        p = p * q + KERNEL_W[n]
"""


def series_text(w: np.ndarray, offset: str) -> str:
    """sum_n w_n q^n, w_n >= 0; C(1) - C(q) = (1-q) sum_k q^k sum_{n>k} w_n: every term positive."""
    last = int(np.flatnonzero(w)[-1])
    w = w[: last + 1]
    tails = np.append(np.cumsum(w[:0:-1])[::-1], 0.0)
    peak = int(np.argmax(w * np.arange(last + 1.0) ** 3)) if last > 1 else last
    return (
        _array("KERNEL_W", w)
        + _array("KERNEL_TAILS", tails)
        + HEAD
        + f"    need = {SUPPRESSED} / -math.log1p(-gap)\n"
        + f"    top = {last} if need >= {float(last - peak)!r} else {peak} + int(need)\n"
        + _HORNER
        + "    e = 0.0\n"
        + "    for n in range(top, -1, -1):\n        e = e * q + KERNEL_TAILS[n]\n"
        + f"    out[0] = p{offset}\n    out[1] = gap * e\n    out[2] = d1\n    out[3] = 2.0 * d2\n    out[4] = 6.0 * d3\n"
    )


def table_text(
    w: np.ndarray, edges: Sequence[float], rows: np.ndarray, powers: Sequence[int], ratio: int, total: float, offset: str
) -> str:
    """Series for q < 1/2; above, polynomials in theta of C', C'', C''' times sin^power and of (C(1) - C(q))/theta^ratio.

    rows : (panels, 4, degree + 1), powers of the local variable, for the gap and the three derivatives
    """
    degree = rows.shape[2] - 1
    scaled = [f"c{k}" + (f" / ({' * '.join(['s'] * n)})" if n else "") for k, n in enumerate(powers, start=1)]
    return (
        _array("KERNEL_W", w)
        + _array("KERNEL_EDGES", edges)
        + _array("KERNEL_ROWS", np.swapaxes(rows, 1, 2))
        + HEAD
        + "    if q < 0.5:\n"
        + f"        top = {len(w) - 1}\n"
        + "".join(f"    {line}\n" for line in _HORNER.rstrip("\n").split("\n"))
        + f"        out[0] = p{offset}\n        out[1] = {total!r} - p\n"
        + "        out[2] = d1\n        out[3] = 2.0 * d2\n        out[4] = 6.0 * d3\n        return\n"
        + f"""    theta = 2.0 * math.asin(math.sqrt(0.5 * gap))
    s = math.sqrt(gap * (1.0 + q))
    i = 0
    while i < {len(edges) - 2} and theta > KERNEL_EDGES[i + 1]:
        i += 1
    a = KERNEL_EDGES[i]
    b = KERNEL_EDGES[i + 1]
    t = ((theta - a) - (b - theta)) / (b - a)
    c0 = 0.0
    c1 = 0.0
    c2 = 0.0
    c3 = 0.0
    for n in range({degree}, -1, -1):
        c0 = c0 * t + KERNEL_ROWS[i, n, 0]
        c1 = c1 * t + KERNEL_ROWS[i, n, 1]
        c2 = c2 * t + KERNEL_ROWS[i, n, 2]
        c3 = c3 * t + KERNEL_ROWS[i, n, 3]
    c0 *= {" * ".join(["theta"] * ratio)}
    out[0] = ({total!r} - c0){offset}
    out[1] = c0
    out[2] = {scaled[0]}
    out[3] = {scaled[1]}
    out[4] = {scaled[2]}
"""
    )


def power_text(
    w: np.ndarray,
    low: float,
    rows: np.ndarray,
    exponents: Sequence[float],
    ends: Sequence[float],
    total: float,
    offset: str,
) -> str:
    """Series for q < 1/2; above, C(1) - C and three derivatives as theta^exponent times polynomials on dyadic panels in theta.

    rows : (panels, 4, degree + 1), panel i between low 2^i and low 2^(i+1);  ends : values at theta = 0
    """
    degree = rows.shape[2] - 1
    return (
        _array("KERNEL_W", w)
        + _array("KERNEL_ROWS", np.swapaxes(rows, 1, 2))
        + HEAD
        + "    if q < 0.5:\n"
        + f"        top = {len(w) - 1}\n"
        + "".join(f"    {line}\n" for line in _HORNER.rstrip("\n").split("\n"))
        + f"        out[0] = p{offset}\n        out[1] = {total!r} - p\n"
        + "        out[2] = d1\n        out[3] = 2.0 * d2\n        out[4] = 6.0 * d3\n        return\n"
        + "    if gap <= 0.0:\n"
        + f"        out[0] = {total!r}{offset}\n        out[1] = 0.0\n"
        + "".join(f"        out[{k}] = {end!r}\n" for k, end in enumerate(ends, start=2)).replace("= inf", "= np.inf")
        + f"""        return
    theta = 2.0 * math.asin(math.sqrt(0.5 * gap))
    i = min(max(int(math.floor(math.log2(theta / {low!r}))), 0), {rows.shape[0] - 1})
    a = {low!r} * 2.0**i
    t = min(max(2.0 * (theta - a) / a - 1.0, -1.0), 1.0)
    c0 = 0.0
    c1 = 0.0
    c2 = 0.0
    c3 = 0.0
    for n in range({degree}, -1, -1):
        c0 = c0 * t + KERNEL_ROWS[i, n, 0]
        c1 = c1 * t + KERNEL_ROWS[i, n, 1]
        c2 = c2 * t + KERNEL_ROWS[i, n, 2]
        c3 = c3 * t + KERNEL_ROWS[i, n, 3]
    c0 *= theta ** {exponents[0]!r}
    out[0] = ({total!r} - c0){offset}
    out[1] = c0
    out[2] = c1 * theta ** {exponents[1]!r}
    out[3] = c2 * theta ** {exponents[2]!r}
    out[4] = c3 * theta ** {exponents[3]!r}
"""
    )
