r"""Energy of trees of sign units alone: E log Z over K exchangeable fields, without derivatives.

.. math:: E_{z \sim N(0, 1)^K} \log \sum_c B_c [y^c] \prod_j (1 - P_j + P_j y), \qquad P_j = H(-\sqrt{q/V} z_j)

on the sorted lattice points of a ball that the generated kernels use, less what symmetry knows. Reflecting all fields of a
majority, or one of a parity, turns Z into 1 - Z: half of the points serve for both. Points of the same weight share a
logarithm. The lattice does not know q, so that it is listed once, and the code of a point is written out for each K.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numba import njit
from scipy.special import gammainccinv

from .codegen import written
from .multisets import first_in_ball, next_in_ball, orders, smallest_places
from .units import AXIS_STEP, LEVEL_STEP, sorted_share, stride

KINDS = ("majority", "parity")
OUTSIDE, LESS_OUTSIDE = (
    1e-10,
    0.1,
)  # mass outside of the ball at level 0, and its factor per level; weights are normalised
KINK = 0.46  # lattice step at level 0 in units of V/q, on which the cheapest unit changes
STEPS = 16  # lattice steps per factor of two
TAIL = 37.0  # sqrt(q/V) times the radius at which a tail, and any product of tails in the ball, is a normal double
SHARED = 16  # points whose Z are multiplied before the logarithm, at most
MOST_POINTS = 3_000_000
LOG_TWO = math.log(2.0)
ODDS = tuple(1.0 / n for n in range(3, 20, 2))  # 2 artanh(s)/s = 2 (1 + s^2/3 + ...), |s| < 0.172: to 1e-17


def energy(kind: str, K: int, q: Any, V: Any, level: int = 1) -> Any:
    """E log Z of a majority or a parity of K sign units at overlap q and variance V of the fields given it.

    Parameters
    ----------
    kind : "majority" or "parity";  K : number of units, >= 2, odd for a majority
    q, V : overlap and conditional variance, > 0, numbers or arrays of one shape (which share the lattice of the largest q/V)
    level : refinement of the lattice: each multiplies its step by 0.8 and the mass that it leaves out by 0.1

    Raises
    ------
    ValueError : an argument outside these ranges, or q/V so large that a tail underflows or the lattice has more than
        three million points (use `saddle.evaluate`).
    """
    if not (np.all(np.greater(q, 0.0)) and np.all(np.greater(V, 0.0))):
        raise ValueError(f"q, V: got {q}, {V}; takes numbers > 0")
    scale = np.sqrt(np.divide(q, V))
    points = _points_for(kind, K, float(np.max(scale)) ** 2, level)
    values = points.module.energies(points.index, points.first, points.weight, points.half, points.step * scale.ravel())
    return values.reshape(scale.shape) if scale.ndim else float(values[0])


def lattice_points(kind: str, K: int, q: float, V: float, level: int = 1) -> int:
    """How many points `energy` visits; each stands for all that symmetry makes of it."""
    return int(_points_for(kind, K, q / V, level).index.shape[0])


class _Points:
    """Points of half a lattice in groups of one weight, and the code that visits them."""

    def __init__(self, kind: str, K: int, step: float, radius: float, apart: int, shared: int) -> None:
        parity = kind == "parity"
        self.half, self.step, self.module = int(radius / step), step, _module(kind, K)
        size = _list(K, self.half, radius / step, parity, apart, np.empty((0, K), dtype=np.uint16), np.empty((0, 2)))
        index, kinds = np.empty((size, K), dtype=np.uint16), np.empty((size, 2))
        _list(K, self.half, radius / step, parity, apart, index, kinds)
        order = np.lexsort((kinds[:, 1], kinds[:, 0]))
        kinds = kinds[order]
        starts: list[int] = []
        at = 0
        edges = np.flatnonzero(np.any(np.diff(kinds, axis=0) != 0.0, axis=1)) + 1
        for end in (*edges, size):
            starts += range(at, end, shared)
            at = end
        self.index = np.ascontiguousarray(index[order])
        self.first = np.array([*starts, size])
        weight = kinds[:, 1] * np.exp(-0.5 * step * step * kinds[:, 0])
        self.weight = weight[self.first[:-1]] / (2.0 * weight.sum())


_points = lru_cache(maxsize=64)(_Points)


@lru_cache(maxsize=256)
def _radius(K: int, level: int) -> float:
    return math.sqrt(2.0 * gammainccinv(0.5 * K, OUTSIDE * LESS_OUTSIDE**level))


def _points_for(kind: str, K: int, ratio: float, level: int) -> _Points:
    if kind not in KINDS:
        raise ValueError(f"kind: got {kind!r}; takes {', '.join(KINDS)}")
    if K < 2 or (kind == "majority" and K % 2 == 0):
        raise ValueError(f"K: got {K!r}; takes a number of units >= 2, odd for a majority")
    radius = _radius(K, level)
    if not ratio * radius**2 < TAIL**2:
        raise ValueError(f"q, V: got q/V = {ratio:g}; takes less than {(TAIL / radius) ** 2:.1f}")
    step = min(AXIS_STEP, KINK / ratio) * LEVEL_STEP**level
    step = 2.0 ** (math.floor(STEPS * math.log2(step) + 1e-9) / STEPS)
    apart = stride(K, step, ratio) if kind == "majority" else 1
    points = sorted_share(K, radius) / step**K / (2.0 * apart if kind == "majority" else 2.0**K)
    if points > MOST_POINTS:
        raise ValueError(f"K, q/V, level: got {K}, {ratio:g}, {level}, {points:.1e} points; takes up to {MOST_POINTS}")
    shared = min(SHARED, int((TAIL / radius) ** 2 / ratio))
    return _points(kind, K, step, radius, apart, 1 << (shared.bit_length() - 1))


@njit(cache=True)
def _list(K: int, half: int, radius: float, parity: bool, apart: int, index: np.ndarray, kinds: np.ndarray) -> int:
    """List the points of one of two halves of the lattice: indices, squared length and orders; returns how many there are.

    Room for none: counts them. A point that is its own mirror image, or in the list with it, counts for half of its orders.
    """
    others, room = np.zeros(K - 1, dtype=np.int64), np.empty(K - 1)
    count = 0
    more = first_in_ball(others, room, half, radius, parity)
    while more:
        start, end = smallest_places(others, room, half, parity, apart)
        total, run = 0, 0
        for a in range(K - 1):
            total += others[a] - half
            run += others[a] == others[0]
        if parity:
            start = max(start, half)
        for i in range(start, end + 1, apart):
            mirrored = i - half if parity else total + i - half
            if mirrored < 0:
                continue
            if index.shape[0] > 0:
                index[count, 0] = i
                length = float(i - half) ** 2
                for a in range(K - 1):
                    index[count, a + 1] = others[a]
                    length += float(others[a] - half) ** 2
                kinds[count, 0] = length
                kinds[count, 1] = orders(others, half, parity) / (run + 1.0 if i == others[0] else 1.0)
                if mirrored == 0:
                    kinds[count, 1] *= 0.5
            count += 1
        more = next_in_ball(others, room, half, parity)
    return count


def _module(kind: str, K: int) -> ModuleType:
    """The code of a point written out: products over groups of points of Z (1 - Z), then their weighted logarithms."""
    text = _text(kind, K)
    return written(f"energy_{kind}_{K}_{hashlib.sha256(text.encode()).hexdigest()[:12]}", lambda: text)


def _text(kind: str, K: int) -> str:
    body = [f"P{a}, N{a} = P[index[k, {a}]], N[index[k, {a}]]" for a in range(K)]
    if kind == "majority":  # c{n}: weight of n positive fields
        body += ["c0, c1 = N0, P0"]
        for a in range(1, K):
            terms = [f"c0 * N{a}", *(f"c{n} * N{a} + c{n - 1} * P{a}" for n in range(1, a + 1)), f"c{a} * P{a}"]
            body.append(f"{', '.join(f'c{n}' for n in range(a + 2))} = {', '.join(terms)}")
        accepted, refused = ([f"c{n}" for n in range(K + 1) if (2 * n > K) is yes] for yes in (True, False))
    else:  # c0, c1: an even and an odd number of negative fields
        body += ["c0, c1 = P0, N0"]
        body += [f"c0, c1 = c0 * P{a} + c1 * N{a}, c0 * N{a} + c1 * P{a}" for a in range(1, K)]
        accepted, refused = ["c0"], ["c1"]
    body.append(f"product *= ({' + '.join(accepted)}) * ({' + '.join(refused)})")
    return "\n".join(
        [
            f'"""Generated by replicas: energy of a {kind} of {K} units; do not edit."""',
            "import math",
            "import numpy as np",
            "from numba import njit",
            "from replicas.numerics.kernels import tail",
            "from replicas.numerics.unit_energy import weighted_logarithms",
            "",
            "",
            '@njit(cache=True, error_model="numpy")',
            "def energies(index, first, weight, half, scales):",
            "    P, N = np.empty(2 * half + 1), np.empty(2 * half + 1)",
            "    products, out = np.empty(weight.size), np.empty(scales.size)",
            "    for s in range(scales.size):",
            "        for i in range(half + 1):",
            "            small = tail(i * scales[s])",
            "            P[half - i] = N[half + i] = small",
            "            P[half + i] = N[half - i] = 1.0 - small",
            "        for group in range(weight.size):",
            "            product = 1.0",
            "            for k in range(first[group], first[group + 1]):",
            *(f"                {line}" for line in body),
            "            products[group] = product",
            "        out[s] = weighted_logarithms(products, weight)",
            "    return out",
            "",
        ]
    )


_HALF, _MANTISSA = 0x3FE6A09E667F3BCD, 52  # bits of sqrt(1/2); of a mantissa


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})
def weighted_logarithms(value: np.ndarray, weight: np.ndarray) -> Any:
    """sum_k w_k log v_k of positive normal numbers, which it overwrites: v = 2^e m, log m = 2 artanh((m - 1)/(m + 1)).

    Free of branches and calls, so that the compiler does several at a time.
    """
    bits = value.view(np.int64)
    total = 0.0
    for k in range(value.size):
        exponent = (bits[k] - _HALF) >> _MANTISSA
        bits[k] -= exponent << _MANTISSA
        s = (value[k] - 1.0) / (value[k] + 1.0)
        x = s * s
        series = ODDS[7] + x * ODDS[8]
        series = ODDS[5] + x * (ODDS[6] + x * series)
        series = ODDS[3] + x * (ODDS[4] + x * series)
        series = 1.0 + x * (ODDS[0] + x * (ODDS[1] + x * (ODDS[2] + x * series)))
        total += weight[k] * (2.0 * s * series + exponent * LOG_TWO)
    return total
