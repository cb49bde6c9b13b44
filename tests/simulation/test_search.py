"""The pruned search against naive and bit-sliced enumeration, its pruning conditions, its interruption; distances."""

import math
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from replicas import interrupts, simulation
from replicas.simulation import _plant, codes, fully_connected, majority, parity

ENGINES = ("bit-sliced", "search")


@njit
def naive_count(patterns, N, least, most):
    """All 2^N weights one after the other, mismatches site by site."""
    count = 0
    for code in range(1 << N):
        good = True
        for pattern in patterns:
            differing = code ^ pattern
            mismatches = 0
            while differing:
                differing &= differing - 1
                mismatches += 1
            if mismatches < least or mismatches > most:
                good = False
                break
        count += good
    return count


def naive_machine(patterns, labels, accepted):
    """Codes of the weights on which `machine_outputs` gives the labels."""
    N = patterns.shape[1]
    weights = 2 * (np.arange(2**N)[:, None] >> np.arange(N) & 1) - 1
    return np.flatnonzero(np.all(simulation.machine_outputs(patterns, weights, accepted) == labels, axis=1))


@pytest.mark.parametrize("N", [1, 2, 5, 8, 9, 10, 11, 12, 15, 18, pytest.param(21, marks=pytest.mark.slow)])
def test_both_engines_count_what_naive_enumeration_counts(N):
    for likelihood, kappas in (("threshold", (0.0, 0.45, -0.6, 30.0, -30.0)), ("window", (0.3, 0.9, 1.7, 30.0, -0.1))):
        for kappa in kappas:
            for P in (0, 1, 2, 3, max(4, N // 2), N + 4):
                x = simulation.draw_patterns(P, N, seed=1, sample=N)
                plain = simulation.encode_weights(x).astype(np.int64)
                expected = naive_count(plain, N, *simulation.mismatch_budget(N, kappa, likelihood))
                for engine in ENGINES:
                    found = simulation.count_solutions(x, kappa, likelihood, engine=engine)
                    assert found == expected, (kappa, likelihood, P, engine)


@settings(max_examples=60, deadline=None)
@given(
    N=st.integers(1, 19),
    load=st.floats(0, 2),
    kappa=st.floats(-2, 2),
    window=st.booleans(),
    sample=st.integers(0, 10**6),
    workers=st.integers(1, 3),
)
def test_both_engines_list_the_same_codes(N, load, kappa, window, sample, workers):
    problem = simulation.draw_problem(int(load * N), N | 1, seed=2, sample=sample, task="teacher-student")
    arguments = (problem.patterns, kappa, "window" if window else "threshold", problem.labels)
    listed = [simulation.enumerate_solutions(*arguments, engine=engine, workers=workers) for engine in ENGINES]
    np.testing.assert_array_equal(*listed)
    assert listed[0].dtype == listed[1].dtype == np.uint32
    assert simulation.count_solutions(*arguments, engine="search", workers=workers) == len(listed[0])


TREES = (majority(1), majority(3), majority(5), (False, True, True, True), (False, False, False, True))


@pytest.mark.parametrize(("n", "accepted"), [(n, tree) for n in (1, 3, 5) for tree in TREES if n * len(tree) <= 20])
def test_trees(n, accepted):
    N = n * (len(accepted) - 1)
    rng = np.random.default_rng(n)
    for P in (0, 1, 3, 8):
        x, y = simulation.draw_patterns(P, N, seed=3, sample=P), rng.choice([-1, 1], P)
        for labels in (y, np.ones(P, int)):
            expected = naive_machine(x, labels, accepted)
            np.testing.assert_array_equal(
                simulation.enumerate_solutions(x, labels=labels, accepted=accepted, engine="search"), expected
            )
            assert simulation.count_solutions(x, labels=labels, accepted=accepted, engine="search") == expected.size


@pytest.mark.parametrize(("accepted", "N"), [(majority(3), 21), (majority(3), 27), (fully_connected(3), 7), (fully_connected(3), 9)])
@pytest.mark.parametrize("P", [2, 9, 20, 70])
def test_engines_agree_on_committees(P, accepted, N):
    """Seventy patterns are more than one vector of budgets."""
    problem = simulation.draw_problem(P, N, seed=4, sample=P, task="teacher-student", accepted=accepted)
    arguments = {"labels": problem.labels, "accepted": accepted}
    counts = [simulation.count_solutions(problem.patterns, engine=engine, **arguments) for engine in ENGINES]
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize(("N", "kappa", "likelihood"), [(25, 0.0, "threshold"), (26, 0.4, "threshold"), (25, -0.5, "threshold"), (26, 0.9, "window")])
def test_engines_agree_at_larger_sizes(N, kappa, likelihood):
    for load in (0.3, 0.6, 1.0):
        x = simulation.draw_patterns(int(load * N), N, seed=5, sample=N)
        by_load = simulation.count_solutions_by_load(x, kappa, likelihood)
        counts = [simulation.count_solutions(x, kappa, likelihood, engine=engine) for engine in ENGINES]
        assert counts[0] == counts[1] == by_load[-1]


@pytest.mark.slow
@pytest.mark.parametrize("N", [29, 30, 31])
def test_engines_agree_up_to_the_largest_sizes(N):
    for kappa, likelihood in ((0.0, "threshold"), (0.5, "threshold"), (-0.5, "threshold"), (0.8, "window")):
        for load in (0.3, 0.5, 0.8, 1.2):
            x = simulation.draw_patterns(int(load * N), N, seed=6, sample=N)
            counts = [simulation.count_solutions(x, kappa, likelihood, engine=engine) for engine in ENGINES]
            assert counts[0] == counts[1], (kappa, likelihood, load)


def test_engines_agree_where_pairs_are_many():
    """More conditions than are kept, and more than are paired."""
    for P, kappa, likelihood in ((40, -1.2, "threshold"), (600, -2.6, "threshold"), (300, 2.4, "window")):
        x = simulation.draw_patterns(P, 17, seed=7)
        counts = [simulation.count_solutions(x, kappa, likelihood, engine=engine) for engine in ENGINES]
        assert counts[0] == counts[1] > 0


def test_beyond_32_bits():
    """At N = 45 the listed weights are solutions, the teacher is one of them, and the gauge symmetry holds."""
    problem = simulation.draw_problem(45, 45, seed=8, task="teacher-student")
    listed = simulation.enumerate_solutions(problem.patterns, 0.1, labels=problem.labels)
    loose = simulation.enumerate_solutions(problem.patterns, labels=problem.labels)
    assert loose.dtype == np.uint64 and np.all(np.diff(loose.astype(object)) > 0)
    assert simulation.encode_weights(problem.teacher[None])[0] in loose
    weights = simulation.decode_weights(loose, 45)
    fields = simulation.local_fields(problem.patterns, weights, problem.labels)
    assert np.all(fields > 0)
    np.testing.assert_array_equal(np.sort(loose[np.all(fields >= 0.1, axis=1)]), listed)
    gauge = simulation.draw_teacher(45, seed=9, kind="binary")
    turned = simulation.enumerate_solutions(problem.patterns * gauge, labels=problem.labels, workers=2)
    flip = simulation.encode_weights((-gauge)[None])[0]
    np.testing.assert_array_equal(np.sort(turned ^ flip), loose)
    counts = simulation.field_counts(problem.patterns * problem.labels[:, None], loose)[1]
    assert counts.sum() == 45 * loose.size and not counts[: 45 // 2 + 1].any()


def test_labels_partition_the_weights_beyond_the_other_engine():
    """At odd N every W gives exactly one labelling: the counts over all 2^P labels add up to 2^N."""
    N, P = 33, 5
    x = simulation.draw_patterns(P, N, seed=10)
    signs = 2 * (np.arange(2 ** (P - 1))[:, None] >> np.arange(P) & 1) - 1  # the other half are those of -W
    assert 2 * sum(simulation.count_solutions(x, labels=y) for y in signs) == 2**N


def test_largest_size():
    """63 weights: within so many mismatches of a pattern, without patterns, and with opposite ones."""
    x = simulation.draw_patterns(1, 63, seed=11)
    assert simulation.count_solutions(x, 62 / math.sqrt(63)) == 1
    np.testing.assert_array_equal(
        simulation.enumerate_solutions(x, 62 / math.sqrt(63)), simulation.encode_weights(x)
    )
    # at most two mismatches
    assert simulation.count_solutions(x, 58 / math.sqrt(63)) == 1 + 63 + math.comb(63, 2)
    assert simulation.count_solutions(x[:0]) == 2**63
    assert simulation.count_solutions(np.vstack([x, -x]), 0.1) == 0


def test_conditions_of_pairs_hold_and_are_those_of_half_the_sum():
    """Each kept condition, read as the definition in words, is met by every solution; those of pairs are tight."""
    N, P = 15, 6
    x = simulation.draw_patterns(P, N, seed=12).astype(int)
    least, most = simulation.mismatch_budget(N, 0.3)
    given_codes = simulation.encode_weights(x)
    sites, signs, allowed = _plant.pair(given_codes, np.full(P, most), N)
    assert sites.size == P * (P + 1) // 2
    bits = np.arange(N, dtype=np.uint64)
    support, sign = ((word[:, None] >> bits & np.uint64(1)).astype(int) for word in (sites, signs))
    weights = simulation.decode_weights(simulation.enumerate_solutions(x, 0.3), N).astype(int)
    number = 0
    for i in range(P):
        for j in range(i + 1):
            half = (x[i] + x[j]) // 2
            np.testing.assert_array_equal(support[number], np.abs(half))
            np.testing.assert_array_equal((2 * sign[number] - 1) * support[number], half)
            # the sum that the budget allows has the parity of the sites and is the least >= N - 2 most
            size = np.abs(half).sum()
            bound = size - 2 * allowed[number]
            assert bound >= N - 2 * most and bound - 2 < N - 2 * most
            assert np.all(weights @ half >= bound)
            number += 1


def test_order_is_a_permutation_and_codes_come_back():
    x = simulation.encode_weights(simulation.draw_patterns(12, 40, seed=13))
    order, tree = _plant.plant(*_plant.pair(x, np.full(12, 19), 40), (40, 9), False, _plant.log_tails())
    np.testing.assert_array_equal(np.sort(order), np.arange(40))
    assert tree.widths.sum() == 31
    moved = _plant.permute(x, order, True)
    np.testing.assert_array_equal(_plant.permute(moved, order, False), x)
    first = np.uint64(order[0])
    np.testing.assert_array_equal(moved >> np.uint64(39), x >> first & np.uint64(1))


def test_interrupted_search_keeps_what_it_found():
    x = simulation.draw_patterns(19, 37, seed=14)
    whole = simulation.enumerate_solutions(x)
    seen = []
    part = simulation.search_solutions(
        x, listed=True, progress=lambda done, of: seen.append((done, of)), stop=lambda: len(seen) >= 2
    )
    assert part.interrupted and 0 < part.done < part.prefixes
    assert seen[-1] == (part.done, part.prefixes)
    assert part.solutions == part.codes.size and np.all(np.isin(part.codes, whole))
    for workers in (1, 2):
        full = simulation.search_solutions(x, listed=True, workers=workers)
        assert not full.interrupted and full.done == full.prefixes
        np.testing.assert_array_equal(full.codes, whole)
        assert simulation.search_solutions(x, workers=workers).solutions == whole.size


@pytest.mark.parametrize("workers", [1, 2])
def test_the_key_ends_a_search_that_would_not(workers):
    """2^63 weights: Ctrl-C returns what there is, and where only all would do is raised."""
    x = simulation.draw_patterns(10, 63, seed=15)

    interrupts.listen()  # as any command of this process does

    def press():
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    run = simulation.search_solutions(x, workers=workers)
    assert run.interrupted and run.done < run.prefixes
    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        simulation.count_solutions(x, workers=workers)
    assert not interrupts.pressed()  # answered, so that no later question may find it


def test_second_process_finds_everything_compiled():
    code = """
from replicas import simulation as s
from replicas.simulation import _bits, _plant, _search
x = s.draw_patterns(10, 21, 1)
for engine in ("bit-sliced", "search"):
    s.count_solutions(x, engine=engine), s.enumerate_solutions(x, engine=engine)
kernels = _bits.count, _bits.list_codes, _plant.plant, _search.grow, _search.begin, _search.search
print(*(sum(kernel.stats.cache_misses.values()) for kernel in kernels))
"""
    for _ in range(2):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["0"] * 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patterns": np.ones((2, 64))}, "N = 64 sites, takes N from 1 to 63"),
        ({"patterns": np.ones((2, 0))}, "N = 0"),
        ({"patterns": [[1, 0, 1]]}, "value 0, takes only"),
        ({"patterns": np.ones((2, 9)), "accepted": parity(3)}, "accepted: got the outputs .*'bit-sliced' takes any"),
        ({"patterns": np.ones((2, 9)), "accepted": fully_connected(2), "labels": [0, 1]}, "accepted: got the outputs"),
        ({"patterns": np.ones((2, 9)), "accepted": majority(3), "kappa": 0.1}, "got 0.1 and 'threshold', takes 0 and"),
        ({"patterns": np.ones((2, 5)), "workers": 0}, "workers: got 0"),
        ({"patterns": np.ones((2, 5)), "kappa": np.nan}, "kappa: got nan"),
    ],
)
def test_bad_arguments(arguments, message):
    functions = (
        lambda **a: simulation.count_solutions(**a, engine="search"),
        lambda **a: simulation.enumerate_solutions(**a, engine="search"),
        simulation.search_solutions,
    )
    for function in functions:
        with pytest.raises(ValueError, match=message) as caught:
            function(**arguments)
        assert "\n" not in str(caught.value)


def test_limit():
    x = simulation.draw_patterns(8, 20, seed=16)
    number = simulation.count_solutions(x)
    assert simulation.enumerate_solutions(x, limit=number, engine="search").size == number
    for P, limit in ((8, number - 1), (0, 2**20 - 1)):
        with pytest.raises(ValueError, match=f"limit: got {limit}, takes at least"):
            simulation.enumerate_solutions(x[:P], limit=limit, engine="search")


def test_codes_of_64_bits():
    words = np.array([0, 1, 2**62 + 5, 2**63 - 1], np.uint64)
    np.testing.assert_array_equal(simulation.encode_weights(simulation.decode_weights(words, 63)), words)
    assert codes.code_type(31) is np.uint32 and codes.code_type(32) is np.uint64


def test_every_load_is_for_the_other_engine():
    with pytest.raises(ValueError, match=r"N = 41 .* from 1 to 31"):
        simulation.count_solutions_by_load(simulation.draw_patterns(3, 41, seed=17))


@given(st.integers(1, 63), st.integers(0, 63), st.sampled_from(["threshold", "window"]))
@settings(deadline=None)
def test_a_margin_on_the_lattice_of_fields_is_met_by_its_ties(N, mismatches, likelihood):
    """kappa = s/sqrt(N), however it was rounded, is satisfied by the field s/sqrt(N) and not by the next one below."""
    s = N - 2 * min(mismatches, N)
    for kappa in (s / math.sqrt(N), s / N**0.5, float(np.float64(s) / np.sqrt(np.float64(N)))):
        least, most = simulation.mismatch_budget(N, kappa, likelihood)
        if likelihood == "threshold":
            assert (least, most) == (0, (N - s) // 2)
        elif s >= 0:
            assert (least, most) == ((N - s) // 2, (N + s) // 2)
    beside = simulation.mismatch_budget(N, (s + 1e-9) / math.sqrt(N))[1]
    assert beside == (N - s) // 2 - 1
