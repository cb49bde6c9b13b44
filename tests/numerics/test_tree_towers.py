"""Factorised and interpolated towers against sums over lattices of K fields, and the factorised one against its own limit."""

from __future__ import annotations

import numpy as np
import pytest

from replicas.numerics import cross_tower, flip_tower
from replicas.numerics.parisi import TooNarrow
from replicas.numerics.symmetric_tower import tower
from replicas.numerics.tree_leaf import TreeLeaf, majority, parity

NAMES = ("value", "square", "growth", "curvature", "slope")
POINTS = [(0.3, 0.6, 0.5), (0.0, 0.6, 0.5), (0.3, 0.6, 1.0), (0.6097, 0.7878, 0.6423)]


def where(accepted, q0, q1):
    return TreeLeaf(accepted, 1 - q1), np.array([q0, q1 - q0])


@pytest.mark.parametrize("accepted", [majority(3), parity(2)])
@pytest.mark.parametrize("q0, q1, m", POINTS)
def test_factorised(accepted, q0, q1, m):
    leaf, c = where(accepted, q0, q1)
    new, old = flip_tower.tower(leaf, c, m), tower(leaf, c, np.array([0.0, m]), 1.2)
    for name in NAMES:
        np.testing.assert_allclose(getattr(new, name), getattr(old, name), rtol=2e-8, atol=2e-8)
    np.testing.assert_allclose(new.curvature_square, old.curvature_square, rtol=1e-6)


@pytest.mark.parametrize(
    "accepted, V", [(majority(3), 0.2), (majority(3), 0.03), (majority(3), 0.01), (parity(2), 0.05)]
)
def test_factorised_refined(accepted, V):
    leaf, c = where(accepted, 0.6, 1 - V)
    m = 13 * V if V < 0.1 else 0.6
    one, two = (flip_tower.tower(leaf, c, m, quality) for quality in (1.0, 1.25))
    for name in NAMES:
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-7, atol=1e-7)
    assert one.lost < 1e-9


def test_what_is_not_factorised_is_refused():
    leaf, c = where(majority(5), 0.3, 0.6)
    with pytest.raises(ValueError, match="one flip"):
        flip_tower.tower(leaf, c, 0.5)
    leaf, c = where(majority(3), 0.6, 0.6)
    with pytest.raises(TooNarrow, match="coincide"):
        flip_tower.tower(leaf, c, 0.5)


@pytest.mark.parametrize("q0, q1, m", [(0.5, 0.7, 0.7), (0.6, 0.85, 0.5)])
def test_interpolated_three(q0, q1, m):
    leaf, c = where(majority(3), q0, q1)
    cross = cross_tower.crosses(leaf, q1, m, 1e-8)
    new, old = cross_tower.tower(leaf, c, m, cross), flip_tower.tower(leaf, c, m)
    assert new.value == pytest.approx(old.value, abs=1e-8)
    for name in NAMES:
        np.testing.assert_allclose(getattr(new, name), getattr(old, name), rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(new.curvature_square, old.curvature_square, rtol=0.1)  # 6000 samples


def test_interpolated_five():
    """As far as a lattice of five fields goes."""
    leaf, c = where(majority(5), 0.5, 0.7)
    cross = cross_tower.crosses(leaf, 0.7, 0.7, 1e-8)
    new = cross_tower.tower(leaf, c, 0.7, cross, hessian=False)
    old = tower(leaf, c, np.array([0.0, 0.7]), 0.8, hessian=False)
    assert new.value == pytest.approx(old.value, abs=3e-8)
    np.testing.assert_allclose(new.square, old.square, rtol=2e-5)
    np.testing.assert_allclose(new.slope, old.slope, atol=1e-6)
