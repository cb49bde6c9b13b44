"""Sums over packed signs, against the same sums of plain arrays and of exact fractions."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from replicas.simulation import Problem, draw_problem, majority, pseudo_inverse_student
from replicas.simulation._lanes import WORDS, load
from replicas.simulation._packed import add, adds, dot, dots, packed_signs, products
from replicas.simulation.algorithms._counters import Counters, columns_of, step_down
from replicas.simulation.algorithms._signs import all_satisfied, rows_of

SIZES = st.integers(1, 300)  # a word is 64 sites, a vector 16 or 8
ROUNDINGS = 4
"""Error in units of eps sum |W_i|: a sum of 300 numbers in 64 lanes has at most a dozen roundings in a row, of parts of it only."""


@njit
def _dot(x, W):
    return dot(x, W)


@njit
def _add(total, factor, x):
    add(total, factor, x)


@pytest.mark.parametrize("real", [np.float32, np.float64])
@settings(deadline=None, max_examples=60)
@given(n=SIZES, seed=st.integers(0, 10**6))
def test_packed_sums_are_those_of_the_signs(real, n, seed):
    rng = np.random.default_rng(seed)
    signs = (2 * rng.integers(0, 2, (1, n)) - 1).astype(np.int8)
    words = packed_signs(signs)[0]
    W = rng.standard_normal(n).astype(real)
    exact = math.fsum(int(s) * float(w) for s, w in zip(signs[0], W))
    unit = ROUNDINGS * np.finfo(real).eps * max(float(np.abs(W).sum()), 1)
    assert abs(float(_dot(words, W)) - exact) <= unit and abs(float(_dot(signs[0], W)) - exact) <= unit
    factor, total, surrounded = real(0.7), W.copy(), np.ones(n + 40, real)
    _add(total, factor, words)
    np.testing.assert_array_equal(total, W + factor * signs[0].astype(real))  # one rounding each: nothing to reorder
    surrounded[20 : 20 + n] = W
    _add(surrounded[20 : 20 + n], factor, words)  # nothing beyond the ends is touched
    np.testing.assert_array_equal(surrounded, np.concatenate([np.ones(20), total, np.ones(20)]).astype(real))


@pytest.mark.parametrize("kind", ["binary", "gaussian"])
@settings(deadline=None, max_examples=20)
@given(n=st.integers(1, 5000), P=st.integers(1, 150), K=st.sampled_from([1, 3]), seed=st.integers(0, 10**6))
def test_sums_of_many_patterns_go_by_blocks(kind, n, P, K, seed):
    problem = draw_problem(P, K * n, seed, patterns=kind, accepted=majority(K))
    points, plain = rows_of(problem, np.float64), problem.gauged().astype(float).reshape(P, K, n)
    rng = np.random.default_rng(seed)
    rows, W, factors = rng.integers(0, P, 2 * P), rng.standard_normal(n), rng.standard_normal(2 * P)
    j, out, total = int(rng.integers(K)), np.full(2 * P, np.nan), W.copy()
    dots(points, j, rows, W, out)
    adds(total, factors, points, j, rows)
    scale = ROUNDINGS * np.finfo(float).eps
    np.testing.assert_allclose(out, plain[rows, j] @ W, atol=scale * 5 * np.abs(W).sum())
    np.testing.assert_allclose(total, W + factors @ plain[rows, j], atol=scale * 2 * P * max(np.abs(factors).sum(), 1))


@settings(deadline=None, max_examples=40)
@given(n=SIZES, P=st.integers(1, 20), seed=st.integers(0, 10**6), least=st.integers(-20, 20))
def test_packed_patterns_are_satisfied_where_the_plain_ones_are(n, P, seed, least):
    rng = np.random.default_rng(seed)
    W = (2 * rng.integers(0, 2, n) - 1).astype(np.int8)
    signs = (2 * rng.integers(0, 2, (P, n)) - 1).astype(np.int8)
    want = bool(np.all(signs.astype(int) @ W >= least))
    assert all_satisfied(signs, W, float(least)) == want == all_satisfied(packed_signs(signs), W, float(least))


@pytest.mark.parametrize("K, N", [(1, 70), (3, 201), (5, 5 * 64)])
def test_rows_are_packed_branch_by_branch(K, N):
    problem = draw_problem(7, N, 1, accepted=majority(K))
    rows, W = rows_of(problem), np.random.default_rng(0).standard_normal((K, N // K))
    fields = [[_dot(rows[mu, j], W[j]) for j in range(K)] for mu in range(7)]
    np.testing.assert_allclose(fields, np.einsum("pkn,kn->pk", problem.gauged().reshape(7, K, -1).astype(float), W), atol=1e-12)


@pytest.mark.parametrize("K, N", [(1, 9), (1, 70), (3, 201), (5, 5 * 64)])
@pytest.mark.parametrize("kind", ["binary", "gaussian", "integers"])
def test_unsatisfied_and_rows_with_labels_of_both_signs(K, N, kind):
    rng = np.random.default_rng(N)
    patterns = {"binary": 2 * rng.integers(0, 2, (40, N)) - 1, "gaussian": rng.standard_normal((40, N)), "integers": rng.integers(-2, 3, (40, N))}[kind]
    labels = 2 * rng.integers(0, 2, 40) - 1
    problem = Problem(patterns, labels, machine=majority(K))
    x = patterns.reshape(40, K, N // K).astype(float)
    for W in (rng.standard_normal(N), 2.0 * rng.integers(0, 2, N) - 1):
        fields = np.einsum("pkn,kn->pk", x, W.reshape(K, -1))
        wrong = np.where(np.sum(fields > 0, axis=1) * 2 > K, 1, -1) != labels if K > 1 else labels * fields[:, 0] < 0
        strided = np.stack([W, W], axis=1)[:, 0]
        assert problem.unsatisfied(W) == problem.unsatisfied(strided) == np.sum(wrong)
    rows, V = rows_of(problem, np.float64), rng.standard_normal((K, N // K))
    gauged = [[_dot(rows[mu, j], V[j]) for j in range(K)] for mu in range(40)]
    np.testing.assert_allclose(gauged, labels[:, None] * np.einsum("pkn,kn->pk", x, V), atol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        problem.rows[0] = 0


def test_a_perceptron_has_no_ties():
    with pytest.raises(ValueError, match="labels: got 0, which a machine of 1 unit never says"):
        Problem(np.ones((2, 5)), [1, 0])


@pytest.mark.parametrize("P, N", [(50, 101), (160, 101)])
def test_products_by_chunks_are_those_of_the_signs(P, N):
    signs = (2 * np.random.default_rng(1).integers(0, 2, (P, N)) - 1).astype(np.int8)
    S, C = np.arange(0, P, 2), np.full((P // 2, P // 2), np.nan)
    for first in range(0, S.size, 7):
        products(packed_signs(signs), S, first, min(first + 7, S.size), N, N, C)
    want = signs[S].astype(float) @ signs[S].T / N
    np.testing.assert_array_equal(C[np.triu_indices(S.size)], want[np.triu_indices(S.size)])
    labels = np.sign(np.arange(P) % 3 - 0.5)
    held = [np.full((n, n), np.nan) for n in (min(P, N),) * 8]
    del held  # memory that comes back with what it had
    np.testing.assert_allclose(pseudo_inverse_student(signs, labels), np.linalg.pinv(signs.astype(float)) @ labels, atol=1e-10)


@njit
def _step(planes, bits, columns, site, words):
    for at in range(0, words, WORDS):
        step_down(planes, bits * at, bits, load(columns, site * words + at))


@settings(deadline=None, max_examples=40)
@given(P=st.integers(1, 1100), N=st.integers(1, 12), seed=st.integers(0, 10**6))
def test_counters_step_as_whole_numbers(P, N, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-100, 101, P)
    signs = (2 * rng.integers(0, 2, (P, N)) - 1).astype(np.int8)
    counters = Counters(values, bits=8)
    np.testing.assert_array_equal(counters.values, values)
    columns = columns_of(signs)
    for i in range(N):
        _step(counters.planes, 8, columns, i, counters.present.size)
    np.testing.assert_array_equal(counters.values, values - signs.sum(axis=1))


PRINT_SUMS = """
import hashlib
import numpy as np
from replicas.simulation import draw_problem
from replicas.simulation._packed import sums
problem, W = draw_problem(50, 1001, 3), np.random.default_rng(1).standard_normal((1, 1001))
print([hashlib.sha256(np.ascontiguousarray(sums(problem.rows, W.astype(real))).tobytes()).hexdigest() for real in (np.float32, np.float64)])
"""


@pytest.mark.slow
def test_sums_are_the_same_to_the_last_bit_on_a_processor_without_vectors(tmp_path):
    def printed(processor):
        where = {"NUMBA_CPU_NAME": processor, "NUMBA_CACHE_DIR": str(tmp_path / (processor or "host"))}
        found = subprocess.run([sys.executable, "-c", PRINT_SUMS], capture_output=True, text=True, check=True, env=os.environ | where)
        return found.stdout

    assert printed("generic") == printed("")
