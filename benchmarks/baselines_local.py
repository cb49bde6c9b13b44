"""Averages of the local geometry by scipy's nested quadrature, formulas as printed: what the package's are measured against."""

from __future__ import annotations

import math

from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr

from .baselines import density

OUTER, INNER = 8.0, 12.0  # standard deviations; the reference's tilt pushes the inner normal outwards


def slope(u: float, V: float) -> float:
    """f'(u) of f = log H(-u/sqrt(V))."""
    a = u / math.sqrt(V)
    return math.exp(-0.5 * a * a - float(log_ndtr(a))) / math.sqrt(2 * math.pi * V)


def franz_parisi_average(name: str, q_ref: float, q: float, t: float, p: float, epsilon: float) -> float:
    """E_x E_z [H(A)/H(a~)] times log H(a), f'^2, f~' f' or f' f~'(x), both margins 0, by quad inside quad."""
    gamma = math.sqrt(q - t * t / q_ref)
    b = (p - t) / gamma
    v = 1 - q_ref - b * b
    options = {"epsabs": epsilon * 1e-2, "epsrel": epsilon, "limit": 200}

    def inner(x: float) -> float:
        outside = math.sqrt(q_ref) * x
        total = float(ndtr(outside / math.sqrt(1 - q_ref)))
        centre = t / math.sqrt(q_ref) * x
        base = slope(outside, 1 - q_ref)

        def integrand(z: float) -> float:
            weight = density(z) * float(ndtr((outside + b * z) / math.sqrt(v))) / total
            u = centre + gamma * z
            if name == "value":
                return weight * float(log_ndtr(u / math.sqrt(1 - q)))
            f1 = slope(u, 1 - q)
            return weight * f1 * {"square": f1, "cross": slope(outside + b * z, v) if name == "cross" else 0.0, "other": base}[name]

        kink = min(max(-centre / gamma, -INNER), INNER)
        return sum(quad(integrand, low, high, **options)[0] for low, high in ((-INNER, kink), (kink, INNER)))

    return float(quad(lambda x: density(x) * inner(x), -OUTER, OUTER, **options)[0])


AVERAGES = ("value", "square", "cross", "other")
"""What the equations of one point take from the patterns."""


def local_entropy_energy(q0: float, q1: float, y: float, epsilon: float) -> float:
    """E log E H^y at margin 0, by quad inside quad around the maximum of the inner integrand."""
    noise, inside, outside = math.sqrt(1 - q1), math.sqrt(q1 - q0), math.sqrt(q0)
    options = {"epsabs": 0.0, "epsrel": epsilon, "limit": 200}

    def inner(centre: float) -> float:
        def exponent(z: float) -> float:
            return y * float(log_ndtr((centre + inside * z) / noise)) - z * z / 2

        low, high = -INNER, INNER + y
        for _ in range(80):  # the integrand is log-concave: its maximum by trisection
            a, b = low + (high - low) / 3, high - (high - low) / 3
            low, high = (a, high) if exponent(a) < exponent(b) else (low, b)
        top = exponent(low)
        pieces = ((low - INNER, low), (low, low + INNER))
        mass = sum(quad(lambda z: math.exp(exponent(z) - top), a, b, **options)[0] for a, b in pieces)
        return top + math.log(mass / math.sqrt(2 * math.pi))

    return float(quad(lambda z: density(z) * inner(outside * z), -OUTER, OUTER, **options)[0])
