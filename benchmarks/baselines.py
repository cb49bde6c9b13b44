"""What one writes first: the binary perceptron's replica-symmetric saddle with scipy.integrate.quad.

Fair means: undamped fixed point (it converges here), scaled complementary error function so that nothing overflows, plain
floats, the same start q = 1/2 and the same residual as the package, quad asked for a tenth of that residual and no more.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erfcx, log_ndtr, ndtr

START = 0.5  # the package starts at logit(q) = 0
RESIDUAL = 1e-13  # of the undamped map, relative to q
QUAD = {
    "epsabs": 1e-14,
    "epsrel": 1e-14,
    "limit": 200,
}  # a tenth of the residual; quad reaches it or stops at rounding
RANGE = 9.0
BRACKET = (0.7, 0.92)  # of the annealed load: holds the capacity for kappa in [-1, 1]
LOAD = 1e-12  # relative tolerance of a capacity
MAX_STEPS = 10_000


def density(t: float) -> float:
    return math.exp(-0.5 * t * t) / math.sqrt(2 * math.pi)


def gaussian_mean(function: Callable[[float], float]) -> float:
    """E F(t) by adaptive quadrature; splitting at the kink doubles the time and gains nothing at these loads."""
    return float(quad(lambda t: density(t) * function(t), -RANGE, RANGE, **QUAD)[0])


def saddle(alpha: float, kappa: float = 0.0, start: float = START, residual: float = RESIDUAL) -> dict[str, float]:
    """q = E tanh^2(sqrt(q_hat) z), q_hat = alpha/(1-q) E A(u)^2, iterated until the residual is reached."""
    q = start
    for _ in range(MAX_STEPS):
        root, noise = math.sqrt(q), math.sqrt(1 - q)

        def mills(t: float, root: float = root, noise: float = noise) -> float:
            return math.sqrt(2 / math.pi) / erfcx((kappa - root * t) / noise / math.sqrt(2))

        q_hat = alpha / (1 - q) * gaussian_mean(lambda t: mills(t) ** 2)
        width = math.sqrt(q_hat)
        new = gaussian_mean(lambda z, w=width: math.tanh(w * z) ** 2)  # type: ignore[misc]
        if abs(new - q) <= residual * q:
            break
        q = new
    else:
        raise ArithmeticError(f"no convergence at alpha = {alpha}, kappa = {kappa}")
    root, noise = math.sqrt(q), math.sqrt(1 - q)
    energetic = gaussian_mean(lambda t: log_ndtr(-(kappa - root * t) / noise))
    entropic = gaussian_mean(lambda z: abs(width * z) + math.log1p(math.exp(-2 * abs(width * z))))
    return {"q": q, "q_hat": q_hat, "free_entropy": -q_hat * (1 - q) / 2 + entropic + alpha * energetic}


def capacity(kappa: float) -> float:
    """Zero of the entropy by brentq, each evaluation a saddle point."""
    tail = 0.5 * math.erfc(kappa / math.sqrt(2))
    annealed = math.log(2) / -math.log(tail)
    return float(
        brentq(
            lambda alpha: saddle(alpha, kappa)["free_entropy"],
            BRACKET[0] * annealed,
            BRACKET[1] * annealed,
            rtol=LOAD,
            xtol=LOAD * annealed,
        )
    )


def one_step_tower(kappa: float, q0: float, q1: float, m: float, epsilon: float = 1e-12) -> float:
    """(1/m) E log E H^m, spherical weights, hard threshold: an average inside an average by nested quad, split at the kink."""
    noise, inside, outside = math.sqrt(1 - q1), math.sqrt(q1 - q0), math.sqrt(q0)
    options = {"epsabs": 0.0, "epsrel": epsilon, "limit": 200}

    def inner(centre: float) -> float:
        kink = min(max((kappa - centre) / inside, -RANGE), RANGE)

        def weight(z: float) -> float:
            return density(z) * math.exp(m * float(log_ndtr((centre + inside * z - kappa) / noise)))

        pieces = [(-RANGE - 3, kink), (kink, RANGE)]
        return math.log(sum(quad(weight, a, b, **options)[0] for a, b in pieces if a < b)) / m

    return float(quad(lambda t: density(t) * inner(outside * t), -RANGE, RANGE, **options)[0])


REACHES = (6.5, 7.0, 7.5, 8.0)  # of the fields of a tree, in standard deviations
MOST_NODES = 81


def matrix_step(q: np.ndarray, patterns: float, nodes: int) -> np.ndarray:
    """One step of state evolution of two sign units with Gaussian weights, three labels: a Gauss-Hermite product in the
    fields, orthants from scipy's bivariate normal, gradients in closed form. q is the K x K matrix, patterns = P/N."""
    from scipy.stats import multivariate_normal

    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    L = np.linalg.cholesky(q)
    omega = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2) @ L.T
    weight = np.outer(w, w).ravel()
    V = np.eye(2) - q
    sd = np.sqrt(np.diag(V))
    rho = V[0, 1] / sd.prod()
    flat = multivariate_normal(np.zeros(2), np.array([[1, rho], [rho, 1]]), allow_singular=True)
    u = omega / sd
    G = np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi) / sd
    other = ndtr((u[:, ::-1] - rho * u) / math.sqrt(1 - rho**2))
    both, neither = flat.cdf(u), flat.cdf(-u)
    up, down = G * other, -G * (1 - other)  # gradients of the two probabilities
    hat = np.zeros((2, 2))
    for Z, slope in ((both, up), (neither, down), (1 - both - neither, -up - down)):
        keep = Z > 1e-13
        hat += np.einsum("p,pi,pj->ij", weight[keep] / Z[keep], slope[keep], slope[keep])
    return np.asarray(patterns * hat @ np.linalg.inv(np.eye(2) + patterns * hat))


def tree_energy(nodes: int, reach: float, q: float = 0.5) -> float:
    """E log Z of the majority of three sign units on the full tensor grid: trapezoid, tails once per axis, array logarithm."""
    z = np.linspace(-reach, reach, nodes)
    weight = np.exp(-0.5 * z * z) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    P = ndtr(math.sqrt(q / (1 - q)) * z)
    both = P[:, None] * P
    Z = (P[:, None] + P - 2 * both)[:, :, None] * P
    Z += both[:, :, None]
    np.log(Z, out=Z)
    return float(weight @ (Z @ weight @ weight))


def tree_energy_plain(nodes: int, reach: float, q: float = 0.5) -> float:
    """The same as one writes it first: a mesh of fields, and the tails at every point of it."""
    z = np.linspace(-reach, reach, nodes)
    weight = np.exp(-0.5 * z * z) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    a, b, c = (ndtr(math.sqrt(q / (1 - q)) * t) for t in np.meshgrid(z, z, z, indexing="ij"))
    Z = a * b * c + a * b * (1 - c) + a * (1 - b) * c + (1 - a) * b * c
    return float(np.einsum("i,j,k,ijk", weight, weight, weight, np.log(Z), optimize=True))


def tree_grid(reference: float, tolerance: float) -> tuple[int, float]:
    """The smallest tensor grid that reaches the reference: (nodes of an axis, reach)."""
    return min(
        (nodes, reach)
        for reach in REACHES
        for nodes in range(15, MOST_NODES, 2)
        if abs(tree_energy(nodes, reach) - reference) < tolerance
    )
