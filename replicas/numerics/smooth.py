"""Template of the leaf of a likelihood without closed form: quadrature over the noise, centred and graded.

Copied as text into a generated module that defines ``log_theta(u)``; see `replicas.numerics.codegen`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .kernels import GAUSS_NODES, GAUSS_WEIGHTS, LOG_SQRT_2PI, to_field


def log_theta(u):  # replaced in the generated module
    raise NotImplementedError


# --- template ---
@njit(cache=True, error_model="numpy")
def smooth_leaf(w, V, kinks, level, d, acc, edges):
    """f(w, V) = log int Dz Theta(w + sqrt(V) z): panels where the integrand is within e^-60 of its maximum."""
    s = math.sqrt(V)
    width = 0.5 * 0.5**level
    count = 0
    reach = 40.0
    bounds = np.empty(kinks.size + 2)
    bounds[0] = -reach
    n = 1
    for k in range(kinks.size):
        x = (kinks[k] - w) / s
        if abs(x) < reach:
            bounds[n] = x
            n += 1
    bounds[n] = reach
    n += 1
    for b in range(n - 1):
        low, high = bounds[b], bounds[b + 1]
        mid = 0.5 * (low + high)
        edges[count] = low
        count += 1
        x = low
        step = width if b == 0 else 0.1 * width
        while x + 1.5 * step < mid:
            x += step
            edges[count] = x
            count += 1
            step = min(2.0 * step, width)
        start = count
        x = high
        step = width if b == n - 2 else 0.1 * width
        while x - 1.5 * step > mid:
            x -= step
            edges[count] = x
            count += 1
            step = min(2.0 * step, width)
        i, j = start, count - 1
        while i < j:
            edges[i], edges[j] = edges[j], edges[i]
            i += 1
            j -= 1
    edges[count] = reach
    count += 1
    top = -np.inf
    for p in range(count - 1):
        for i in range(3):
            x = edges[p] + (edges[p + 1] - edges[p]) * (0.02 + 0.48 * i)
            top = max(top, log_theta(w + s * x) - 0.5 * x * x)
    mass = 0.0
    mean = 0.0
    loglik = 0.0
    m2 = 0.0
    m3 = 0.0
    m4 = 0.0
    for pass_ in range(2):
        for p in range(count - 1):
            r = 0.5 * (edges[p + 1] - edges[p])
            c = 0.5 * (edges[p + 1] + edges[p])
            best = -np.inf
            for i in range(3):
                x = edges[p] + 2 * r * (0.02 + 0.48 * i)
                best = max(best, log_theta(w + s * x) - 0.5 * x * x)
            if best < top - 60.0:
                continue
            for i in range(GAUSS_NODES.size):
                x = c + r * GAUSS_NODES[i]
                lt = log_theta(w + s * x)
                e = r * GAUSS_WEIGHTS[i] * math.exp(lt - 0.5 * x * x - top)
                if e == 0.0:
                    continue
                if pass_ == 0:
                    mass += e
                    mean += e * x
                    loglik += e * lt
                else:
                    y = x - mean
                    m2 += e * y * y
                    m3 += e * y * y * y
                    m4 += e * y * y * y * y
        if pass_ == 0:
            mean /= mass
            loglik /= mass
    m2 /= mass
    acc[0] = top + math.log(mass) - LOG_SQRT_2PI
    acc[1] = mean
    acc[2] = m2
    acc[3] = m3 / mass
    acc[4] = m4 / mass - 3.0 * m2 * m2
    acc[5] = loglik
    to_field(V, acc, d)


@njit(cache=True, error_model="numpy")
def smooth_leaf_values(w, V, kinks, level):
    """f(w, V) alone, at an array of fields."""
    d, acc, edges = np.empty(6), np.empty(6), np.empty(4096)
    out = np.empty(w.size)
    for i in range(w.size):
        smooth_leaf(w[i], V, kinks, level, d, acc, edges)
        out[i] = d[0]
    return out
