"""Linear programs and Cover's count."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from replicas import simulation


@pytest.mark.parametrize(("P", "N"), [(4, 2), (6, 3), (7, 3), (5, 5), (6, 1)])
def test_linear_programs_count_what_cover_counts(P, N):
    """Every labelling of points in general position: an exact identity, sample by sample."""
    points = simulation.draw_patterns(P, N, seed=1, kind="gaussian")
    separable = sum(simulation.is_separable(points, labels) for labels in product((1, -1), repeat=P))
    assert separable == simulation.cover_count(P, N)


def test_cover_count_by_recursion():
    """C(P + 1, N) = C(P, N) + C(P, N - 1), C(1, N) = 2, C(P, 1) = 2."""
    count = simulation.cover_count
    for N in range(2, 12):
        assert count(1, N) == count(N, 1) == 2
        for P in range(1, 30):
            assert count(P + 1, N) == count(P, N) + count(P, N - 1)


def test_half_of_the_labellings_at_twice_the_dimension():
    for N in (1, 2, 7, 500):
        assert simulation.separable_probability(2 * N, N) == Fraction(1, 2)
    assert simulation.separable_probability(5, 5) == 1
    assert simulation.separable_probability(0, 5) == 1
    assert simulation.separable_probability(6, 5) == 1 - Fraction(2, 64)


def test_feasibility_of_known_points():
    assert simulation.is_separable(np.zeros((0, 3)))
    assert simulation.is_separable([[1.0, 2.0], [2.0, 1.0]])
    assert not simulation.is_separable([[1.0, 2.0], [-1.0, -2.0]])
    assert simulation.is_separable([[1.0, 2.0], [-1.0, -2.0]], [1, -1])
    assert not simulation.is_separable([[0.0, 0.0]])


def test_scale_of_a_pattern_is_irrelevant():
    points = simulation.draw_patterns(14, 7, seed=2, kind="gaussian")
    scales = 10.0 ** np.linspace(-12, 12, 14)[:, None]
    for sign in (1, -1):
        labels = np.where(points[:, 0] > 0, sign, 1)
        assert simulation.is_separable(points * scales, labels) == simulation.is_separable(points, labels)
    assert simulation.is_separable(points * scales, np.sign(points[:, 0]))


def test_a_sample_that_leaves_the_bare_feasibility_program_undecided():
    assert not simulation.is_separable(simulation.draw_patterns(45, 25, seed=0, sample=8181, kind="gaussian"))


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"patterns: got an array of shape \(3,\)"):
        simulation.is_separable([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="labels: got the value 0"):
        simulation.is_separable([[1.0, 2.0]], [0])
    with pytest.raises(ValueError, match="P: got -1, takes an integer >= 0"):
        simulation.cover_count(-1, 3)
    with pytest.raises(ValueError, match=r"N: got 2\.5, takes an integer >= 1"):
        simulation.separable_probability(3, 2.5)
