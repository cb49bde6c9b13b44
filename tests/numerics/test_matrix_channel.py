"""Averages over the labels of a committee: normalisation, gradients, symmetry, limits, accuracy."""

import math

import numpy as np
import pytest
from scipy.special import log_ndtr

from replicas.numerics.matrix_channel import evaluate, grid, matrix_axes, symmetric_axes
from replicas.numerics.matrix_prior import discrete, gaussian
from replicas.numerics.orthants import pair


def at(q, quality=1.0):
    q = np.asarray(q, dtype=float)
    return evaluate(matrix_axes(q, np.eye(len(q)) - q), quality)


GENERAL = {2: np.array([[0.55, 0.2], [0.2, 0.4]]), 3: np.array([[0.5, 0.1, 0.05], [0.1, 0.4, 0.0], [0.05, 0.0, 0.3]])}


@pytest.mark.parametrize("q", [0.0, 0.3, 0.9, 0.999])
def test_one_unit_is_the_perceptron(q):
    c = evaluate(symmetric_axes(1, (q, q), (1 - q, 1 - q)))
    t = np.linspace(-11, 11, 200001)
    G = np.exp(-t * t / 2) / math.sqrt(2 * math.pi)
    u = math.sqrt(q / (1 - q)) * t
    want = 2 * np.sum(G * np.exp(log_ndtr(u)) * log_ndtr(u)) * 22 / 200000
    assert c.psi == pytest.approx(want, abs=1e-12)
    assert c.disagreement == pytest.approx(math.acos(q) / math.pi, abs=1e-12)


@pytest.mark.parametrize(
    "K, overlap, gap",
    [
        (2, (0.7, 0.4), (0.3, 0.6)),
        (2, (0.9, 0.0), (0.1, 1.0)),
        pytest.param(3, (0.6, 0.2), (0.4, 0.8), marks=pytest.mark.slow),
    ],
)
def test_labels_are_exhausted_and_steps_are_fine_enough(K, overlap, gap):
    axes = symmetric_axes(K, overlap, gap)
    fine, base = evaluate(axes, 1.4), evaluate(axes)
    assert base.norm == pytest.approx(1, abs=1e-12)
    assert base.psi == pytest.approx(fine.psi, abs=1e-11)
    np.testing.assert_allclose(base.A, fine.A, atol=3e-10 * base.A.max())


@pytest.mark.parametrize("K", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_gradient_and_jacobian_are_those_of_psi(K):
    """dPsi = tr(A dq)/2 and dA = T dq in every direction, by differences."""
    q, h = GENERAL[K], 1e-3
    c = at(q)
    for a, b in [(0, 0), (0, 1), (K - 1, K - 1)]:
        d = np.zeros((K, K))
        d[a, b] = d[b, a] = h
        side = [at(q + k * d) for k in (-2, -1, 1, 2)]
        slope = (side[0].psi - 8 * side[1].psi + 8 * side[2].psi - side[3].psi) / 12
        assert slope == pytest.approx(np.sum(c.A * d) / 2, rel=1e-6)
        rate = (side[0].A - 8 * side[1].A + 8 * side[2].A - side[3].A) / 12
        np.testing.assert_allclose(rate, np.einsum("abcd,cd->ab", c.T, d), atol=2e-5 * abs(rate).max())


@pytest.mark.parametrize("K", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_relabelling_the_units_relabels_the_averages(K):
    q, order = GENERAL[K], [1, 0, 2][:K]
    c, d = at(q), at(q[np.ix_(order, order)])
    assert c.psi == pytest.approx(d.psi, abs=1e-10)
    np.testing.assert_allclose(c.A[np.ix_(order, order)], d.A, atol=1e-9)
    # a symmetric matrix on the reduced grid and, moved by less than it matters, on the full one
    p = 0.4 * np.eye(K) + 0.1
    moved = p + 1e-11 * np.diag(np.arange(K))
    np.testing.assert_allclose(at(p).A, at(moved).A, atol=1e-9)


def test_uncoupled_units_factorise():
    """V and q diagonal: three units are the tree committee, whose Gibbs error is known."""
    for R in (0.2, 0.6):
        rho = 2 / math.pi * math.asin(R)
        assert at(R * np.eye(3)).disagreement == pytest.approx(0.5 - (3 * rho + rho**3) / 8, abs=1e-10)
        # two units: both agree in sign; or both flip, which leaves a tie a tie (half of the configurations)
        same = (1 + rho) / 2
        assert 1 - at(R * np.eye(2)).disagreement == pytest.approx(same**2 + (1 - same) ** 2 / 2, abs=1e-10)


def test_labels_against_independent_orthants():
    """Psi of two units from four orthants a node, the tie as a sum of two of them."""
    axes = symmetric_axes(2, (0.6, 0.35), (0.4, 0.65))
    w, weights = grid(axes)
    V, total = axes.V, 0.0
    sd, r = math.sqrt(V[0, 0]), V[0, 1] / V[0, 0]
    for (x, y), weight in zip(w / sd, weights):
        s = math.sqrt(1 - r * r)
        labels = pair(x, y, r, s), pair(-x, -y, r, s), pair(x, -y, -r, s) + pair(-x, y, -r, s)
        assert sum(labels) == pytest.approx(1, abs=1e-14)
        total += weight * sum(z * math.log(z) for z in labels if z > 0)
    assert evaluate(axes).psi == pytest.approx(total, abs=1e-11)


def test_overlaps_outside_the_cone_are_named():
    with pytest.raises(ValueError, match="overlap: got q with the eigenvalue"):
        at([[0.3, 0.5], [0.5, 0.3]])
    with pytest.raises(ValueError, match="overlap: got Q - q"):
        at([[0.9, 0.5], [0.5, 0.9]])
    with pytest.raises(ValueError, match="K: got 4"):
        at(0.1 * np.eye(4))


def test_posterior_of_rows_factorises_and_its_jacobian_is_exact():
    from replicas.numerics.matrix_channel import symmetric_vectors

    vectors, binary = symmetric_vectors(2), ((-1.0, 1.0), (0.0, 0.0))
    one = discrete(np.eye(1), np.array([1.3]), *binary)
    two = discrete(vectors, np.array([1.3, 1.3]), *binary, permutable=True)
    np.testing.assert_allclose(two.q, one.q[0, 0] * np.eye(2), atol=1e-11)
    assert two.entropy == pytest.approx(2 * one.entropy, abs=1e-11)
    np.testing.assert_allclose(two.q + two.gap, np.eye(2), atol=1e-11)
    q_hat, h = np.array([1.1, 0.6]), 1e-3
    base = discrete(vectors, q_hat, *binary)
    for k in range(2):
        d = h * np.eye(2)[k]
        rows = [discrete(vectors, q_hat + n * d, *binary).q for n in (-2, -1, 1, 2)]
        rate = (rows[0] - 8 * rows[1] + 8 * rows[2] - rows[3]) / 12
        np.testing.assert_allclose(rate, np.einsum("abcd,cd->ab", base.T, h * np.outer(vectors[:, k], vectors[:, k])), atol=1e-10)
    g = gaussian(vectors, q_hat)
    np.testing.assert_allclose(np.linalg.eigvalsh(g.gap), np.sort(1 / (1 + q_hat)), rtol=1e-14)
