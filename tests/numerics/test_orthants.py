"""Orthant probabilities against mpmath, scipy and each other."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from replicas.numerics.orthants import log_pair, pair, pair_tail, triple, triple_tail


def exact(a, b, r):
    """Integral over x of G(x) Phi((b - r x)/s), cut at the kink and towards the end, where far tails sit."""
    with mp.workdps(30):
        s = mp.mpf(math.sqrt((1 - r) * (1 + r)))  # the same double: far tails go as exp(-1/s^2)
        low = min(a, b, 0.0) - 13
        cuts = [low + (a - low) * k / 24 for k in range(25)] + [b / r + j * float(s) for j in (-9, -6, -3, -1, 0, 1, 3, 6, 9)]
        cuts += [a - 0.02 * float(s) * 2**k for k in range(12)]
        cuts = sorted(c for c in cuts if low <= c <= a)
        return mp.quad(lambda x: mp.npdf(x) * mp.ncdf((b - mp.mpf(r) * x) / s), [*cuts, mp.mpf(a)])


@pytest.mark.parametrize("r", [0.1, -0.5, 0.8, -0.94, 0.97, -0.9999, 0.999999])
@pytest.mark.parametrize("a, b", [(0.3, -0.7), (-2.0, 1.1), (-1.5, -3.0), (2.2, 1.0)])
def test_pairs_to_rounding_and_tails_to_relative_accuracy(a, b, r):
    s = math.sqrt((1 - r) * (1 + r))
    want = exact(a, b, r)
    assert pair(a, b, r, s) == pytest.approx(float(want), abs=2e-15)
    if want > 1e-60:
        assert log_pair(a, b, r, s) == pytest.approx(float(mp.log(want)), abs=2e-12 - 3e-13 * float(mp.log(want)))
        assert pair_tail(a, b, r, s) == pytest.approx(float(mp.log(want)), abs=2e-12 - 3e-13 * float(mp.log(want)))


def test_pairs_at_the_ends():
    assert pair(0.0, 0.0, -1.0, 0.0) == 0.0
    assert pair(0.4, 0.9, 1.0, 0.0) == pytest.approx(pair(0.4, 50.0, 0.3, math.sqrt(0.91)), abs=1e-16)
    assert pair(0.0, 0.0, 0.5, math.sqrt(0.75)) == pytest.approx(1 / 3, abs=1e-15)
    assert log_pair(-30.0, -30.0, 0.0, 1.0) == pytest.approx(2 * float(mp.log(mp.ncdf(-30))), rel=1e-14)


def test_triples_against_the_arcsine_law_scipy_and_the_positive_integrand():
    rng = np.random.default_rng(5)
    for n in range(8):
        low = 10 ** rng.uniform(-4, 0)
        vectors = np.linalg.qr(np.c_[np.ones(3), rng.normal(size=(3, 2))])[0]
        V = vectors @ np.diag([low, 1.0, 1.0]) @ vectors.T
        d = np.sqrt(np.diag(V))
        R, det = V / np.outer(d, d), low / np.prod(d**2)
        arcs = sum(math.asin(R[i, j]) for i, j in ((0, 1), (0, 2), (1, 2)))
        assert triple(np.zeros(3), R, det) == pytest.approx(0.125 + arcs / (4 * math.pi), abs=2e-14)
        a = rng.normal(size=3) * 1.2
        assert triple(a, R, det) == pytest.approx(math.exp(triple_tail(a, R, det)), abs=3e-14)
        if n < 3:
            other = multivariate_normal(cov=R, seed=1).cdf(a)
            assert triple(a, R, det) == pytest.approx(float(other), abs=2e-5)
