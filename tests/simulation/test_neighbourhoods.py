"""Solutions at every distance: against plain counting, exact identities, exact first moments, refused arguments."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicas import simulation
from replicas.simulation.neighbourhoods import krawtchouk

ROUNDING = 1e-12  # of sums of a few hundred logarithms of order one
DERIVATIVE = 1e-7  # central difference of step 1e-4 of a function whose third derivative is of order ten
PULL = 4.0  # standard errors allowed to a mean over samples of fixed seed


def plain(patterns, kappa, likelihood, reference_kappa):
    """Fields of all 2^N weights; N_D(w~) from all pairs: table (2^N, N + 1), solutions and references as masks."""
    P, N = patterns.shape
    W = 2 * (np.arange(2**N)[:, None] >> np.arange(N) & 1) - 1
    u = W @ patterns.T / np.sqrt(N)
    solutions, references = (np.all(u >= k if likelihood == "threshold" else abs(u) <= k, axis=1) for k in (kappa, reference_kappa))
    distance = (N - W @ W[solutions].T) // 2
    return np.stack([(distance == D).sum(axis=1) for D in range(N + 1)], axis=1), solutions, references


@pytest.mark.parametrize(("kappa", "likelihood", "reference_kappa"), [(-0.21, "threshold", 0.31), (1.23, "window", 0.71), (0.13, "threshold", None)])
@pytest.mark.parametrize("kind", ["gaussian", "binary"])
@pytest.mark.parametrize("N", [1, 2, 7, 8, 10])
def test_numbers_match_plain_counting(N, kind, kappa, likelihood, reference_kappa):
    patterns = simulation.draw_patterns(3, N, seed=1, sample=N, kind=kind)
    narrow = kappa if reference_kappa is None else reference_kappa
    numbers, solutions, references = plain(patterns, kappa, likelihood, narrow)
    found = simulation.count_shells(patterns, kappa, likelihood, reference_kappa=reference_kappa)
    assert (found.N, found.solutions, found.references) == (N, solutions.sum(), references.sum())
    assert [shell.distance for shell in found.shells] == list(range(N + 1))
    around, local = found.around_references(), found.local_entropy(1.7)
    for D, shell in enumerate(found.shells):
        values, everywhere = np.unique(numbers[:, D], return_counts=True)
        np.testing.assert_array_equal(shell.numbers, values)
        np.testing.assert_array_equal(shell.everywhere, everywhere)
        near = numbers[references, D]
        np.testing.assert_array_equal(shell.references, [(near == value).sum() for value in values])
        filled = numbers[:, D][numbers[:, D] > 0].astype(float)
        if len(filled):
            weight = filled**1.7 / np.sum(filled**1.7)
            assert local.free_entropy[D] == pytest.approx(np.log(np.sum(filled**1.7)) / N, abs=ROUNDING)
            assert local.internal[D] == pytest.approx(weight @ np.log(filled) / N, abs=ROUNDING)
        if len(near):
            assert around.empty[D] == pytest.approx(np.mean(near == 0), abs=ROUNDING)
        if np.any(near > 0):
            assert around.mean[D] == pytest.approx(np.log(near[near > 0]).mean() / N, abs=ROUNDING)
            assert around.log_mean[D] == pytest.approx(np.log(near.mean()) / N, abs=ROUNDING)
            with np.errstate(divide="ignore"):
                half = np.sort(near)[[(len(near) - 1) // 2, len(near) // 2]]
                assert around.median[D] == pytest.approx(np.log(half).mean() / N, abs=ROUNDING)
        elif len(near):
            assert np.isnan(around.mean[D]) and around.median[D] == around.log_mean[D] == -np.inf


@pytest.mark.parametrize("N", [1, 2, 5, 12, 20, 24])
def test_krawtchouk_polynomials(N):
    """Orthogonality, K_D(0) = binom(N, D), reciprocity and the generating function (1 - x)^k (1 + x)^(N-k)."""
    binomials = np.array([math.comb(N, k) for k in range(N + 1)], dtype=object)
    K = np.array([krawtchouk(N, D) for D in range(N + 1)]).astype(object)
    gram = (K * binomials) @ K.T
    assert np.array_equal(gram, np.diag(2**N * binomials))
    assert np.array_equal(K[:, 0], binomials)
    assert np.array_equal(K * binomials, (K * binomials).T)
    for k in range(N + 1):
        product = np.polynomial.Polynomial([1, -1]) ** k * np.polynomial.Polynomial([1, 1]) ** (N - k)
        np.testing.assert_allclose(K[:, k].astype(float), product.coef, rtol=ROUNDING, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(N=st.integers(4, 13), P=st.integers(0, 5), sample=st.integers(0, 10**6), kappa=st.floats(-1, 1), kind=st.sampled_from(["gaussian", "binary"]))
def test_sum_rules(N, P, sample, kappa, kind):
    patterns = simulation.draw_patterns(P, N, seed=2, sample=sample, kind=kind)
    found = simulation.count_shells(patterns, kappa)
    Z = found.solutions
    for shell in found.shells:
        assert shell.everywhere.sum() == 2**N and shell.references.sum() == Z
        # y = 1: every solution is at distance D from binom(N, D) configurations
        assert shell.everywhere @ shell.numbers == math.comb(N, shell.distance) * Z
    assert sum(int(shell.references @ shell.numbers) for shell in found.shells) == Z * Z
    assert found.shells[0].references @ found.shells[0].numbers == Z
    # N_D(w~) = N_{N-D}(-w~), over all w~
    for shell, opposite in zip(found.shells, reversed(found.shells)):
        np.testing.assert_array_equal(shell.numbers, opposite.numbers)
        np.testing.assert_array_equal(shell.everywhere, opposite.everywhere)


def test_no_patterns_is_the_empty_cube():
    found = simulation.count_shells(np.zeros((0, 20)))
    binomials = [math.comb(20, D) for D in range(21)]
    np.testing.assert_allclose(found.around_references().mean, np.log(binomials) / 20, atol=ROUNDING)
    entropies = found.local_entropy(3.0)
    np.testing.assert_allclose(entropies.internal, np.log(binomials) / 20, atol=ROUNDING)
    np.testing.assert_allclose(entropies.external, np.log(2), atol=ROUNDING)


def test_window_is_symmetric_around_references():
    patterns = simulation.draw_patterns(5, 15, seed=3, kind="gaussian")
    around = simulation.count_shells(patterns, 1.0, "window").around_references()
    np.testing.assert_allclose(around.mean, around.mean[::-1], atol=ROUNDING)
    np.testing.assert_array_equal(around.empty, around.empty[::-1])


def test_labels_are_gauged_and_distances_selected():
    patterns = simulation.draw_patterns(4, 13, seed=4, kind="gaussian")
    labels = simulation.draw_teacher(4, seed=4, kind="binary")
    whole = simulation.count_shells(patterns * labels[:, None])
    some = simulation.count_shells(patterns, labels=labels, distances=[9, 4, 0])
    assert [shell.distance for shell in some.shells] == [9, 4, 0]
    for shell in some.shells:
        for name in ("numbers", "everywhere", "references"):
            np.testing.assert_array_equal(getattr(shell, name), getattr(whole.shells[shell.distance], name))


def test_local_entropy_is_the_derivative():
    found = simulation.count_shells(simulation.draw_patterns(5, 14, seed=5, kind="gaussian"))
    for y in (0.3, 1.0, 4.7):
        up, here, down = (found.local_entropy(y + step) for step in (1e-4, 0.0, -1e-4))
        slope = (up.free_entropy - down.free_entropy) / 2e-4
        np.testing.assert_allclose(here.internal, slope, atol=DERIVATIVE)
        np.testing.assert_allclose(here.free_entropy, here.external + y * here.internal, atol=ROUNDING)


@pytest.mark.parametrize(("D", "kappa"), [(3, 0.0), (6, 0.0), (9, 0.0)])
def test_number_of_pairs_has_its_exact_first_moment(D, kappa):
    """E sum over solutions of N_D = 2^N binom(N, D) (1/4 + arcsin(1 - 2D/N)/(2 pi))^P for Gaussian patterns, at any N."""
    N, P, samples = 12, 4, 2000
    expected = 2**N * math.comb(N, D) * (0.25 + math.asin(1 - 2 * D / N) / (2 * math.pi)) ** P
    pairs = []
    for sample in range(samples):
        (shell,) = simulation.count_shells(simulation.draw_patterns(P, N, 6, sample, "gaussian"), kappa, distances=[D]).shells
        pairs.append(shell.references @ shell.numbers / expected)
    stderr = np.std(pairs, ddof=1) / np.sqrt(samples)
    assert stderr < 0.03 and abs(np.mean(pairs) - 1) < PULL * stderr


def test_large_size_is_exact():
    """At N = 20 against popcounts from a few configurations; at P = 0, N = 22 all numbers are binomials."""
    patterns = simulation.draw_patterns(8, 20, seed=7, kind="gaussian")
    codes = simulation.solution_codes(patterns)
    found = simulation.count_shells(patterns)
    distances = np.bitwise_count(codes[:, None] ^ codes)
    for D, shell in enumerate(found.shells):
        near = (distances == D).sum(axis=1)
        values = np.bincount(near, minlength=int(shell.numbers[-1]) + 1)
        np.testing.assert_array_equal(values[shell.numbers], shell.references)
    weights = simulation.decode_weights(codes, 20)
    assert np.all(simulation.local_fields(patterns, weights) >= 0)
    empty = simulation.count_shells(np.zeros((0, 22)), distances=[11])
    assert empty.shells[0].numbers.tolist() == [math.comb(22, 11)] and empty.shells[0].everywhere.tolist() == [2**22]


def test_samples_without_solutions_are_reported():
    hard = np.array([[1.0, 0.3, -0.2], [-1.0, -0.3, 0.2]])
    found = simulation.count_shells(hard, kappa=0.1)
    assert found.solutions == found.references == 0
    around, local = found.around_references(), found.local_entropy(2.0)
    for values in (*list(around.columns().values())[1:], *list(local.columns().values())[1:]):
        assert values.shape == (4,) and np.all(np.isnan(values))
    easy = simulation.count_shells(hard[:1]).around_references().mean
    mean = simulation.quenched_mean([easy, around.mean, easy + 0.2])
    np.testing.assert_allclose(mean.mean[:3], easy[:3] + 0.1, atol=ROUNDING)
    np.testing.assert_allclose(mean.stderr[:3], 0.1, atol=ROUNDING)
    # nothing is opposite to a solution of one pattern
    assert np.isnan(mean.mean[3]) and mean.samples == 3 and mean.without_solutions.tolist() == [1, 1, 1, 3]
    # solutions, but none of the margin of the references
    narrow = simulation.count_shells(hard[:1], reference_kappa=5.0)
    assert narrow.solutions == 4 and narrow.references == 0 and np.all(np.isnan(narrow.around_references().mean))


def test_seeded_and_independent_of_workers():
    def entropy(sample):
        return simulation.count_shells(simulation.draw_patterns(4, 12, 8, sample, "gaussian")).local_entropy(2.0).internal

    one, two = (simulation.run_samples(entropy, 8, workers=n).values for n in (1, 2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one[5], entropy(5))
    assert not np.allclose(one[0], one[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patterns": np.ones((2, 25))}, "N: got 25, takes an integer from 1 to 24"),
        ({"patterns": np.ones(5)}, r"patterns: got an array of shape \(5,\)"),
        ({"patterns": np.full((2, 5), np.nan)}, "patterns: got values that are not finite"),
        ({"patterns": np.ones((2, 5)), "kappa": np.inf}, "kappa: got inf"),
        ({"patterns": np.ones((2, 5)), "likelihood": "soft"}, "likelihood: got 'soft'"),
        ({"patterns": np.ones((2, 5)), "reference_kappa": -0.1}, "reference_kappa: got -0.1, takes a number >= kappa = 0.0"),
        ({"patterns": np.ones((2, 5)), "kappa": 1, "likelihood": "window", "reference_kappa": 2}, "reference_kappa: got 2.0, takes a number <= kappa"),
        ({"patterns": np.ones((2, 5)), "distances": [6]}, "distances: got 6, takes an integer from 0 to 5"),
        ({"patterns": np.ones((2, 5)), "distances": [0.5]}, "distances: got 0.5"),
        ({"patterns": np.ones((2, 5)), "labels": [1, 2]}, "labels: got the value 2"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        simulation.count_shells(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("y", [0, -1.0, math.inf, math.nan, "2x"])
def test_bad_power(y):
    with pytest.raises(ValueError, match=r"^y: got"):
        simulation.count_shells(np.ones((1, 5))).local_entropy(y)


def test_bad_table():
    with pytest.raises(ValueError, match="values: got an array of shape"):
        simulation.quenched_mean([1.0, 2.0])
