r"""Both averages of a fully connected committee at one pair of conjugates, and Newton on the equations they make.

Overlap matrices invariant under permutations of the units have two eigenvalues, one along (1, ..., 1) and one across;
unknowns are the logarithms of those of q_hat. A vanishing conjugate across is the permutation-symmetric branch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..committees import Committee
from ..models import Discrete
from ..numerics.matrix_channel import MOST_UNITS, Axes, Channel, evaluate, symmetric_axes, symmetric_vectors
from ..numerics.matrix_prior import Prior, discrete, gaussian

RESIDUAL = 1e-9  # of the logarithms, undamped: above the error of the averages
EXACT = 1e-13  # residual that only rounding is left of
FARTHEST = 200.0  # logarithm of a conjugate
NEWTON, LONGEST = 40, 0.7  # iterations, and step of the logarithms
COLLAPSED = 1e-7  # of q across against Q: the specialised branch has ended on the symmetric one
SURE = 45.0  # q_hat Q from which weights of a finite set are known to about exp(-22)


@dataclass(frozen=True)
class State:
    """Both averages at conjugates of eigenvalues ``x`` = (along, across), and the map they define without the load.

    A : eigenvalues of A;  slope[i, j] = d A_i/d q_hat_j.
    """

    q_hat: np.ndarray
    prior: Prior
    channel: Channel
    axes: Axes
    A: np.ndarray
    slope: np.ndarray


def check(model: Committee) -> None:
    """ValueError unless the model is a teacher-student committee of at most three units with symmetric weights."""
    if not isinstance(model, Committee):
        raise ValueError(f"model: got {model!r}; takes a fully connected Committee")
    if model.task != "teacher-student":
        raise ValueError(f"task: got {model.task!r}; takes 'teacher-student' (storage by a fully connected committee is open)")
    if model.K > MOST_UNITS:
        raise ValueError(f"K: got {model.K}; takes 1 to {MOST_UNITS} (averages over K fields), or inf")


def self_overlap(model: Committee) -> float:
    """Q = E w^2 of the teacher's weights."""
    if not isinstance(model.weights, Discrete):
        return 1.0
    p = np.exp(np.array(model.weights.log_measure))
    return float(np.sum(p * np.square(model.weights.values)) / p.sum())


def posterior(model: Committee, vectors: np.ndarray, q_hat: np.ndarray, quality: float, permutable: bool) -> Prior:
    """The average over the weights."""
    if isinstance(model.weights, Discrete):
        return discrete(vectors, q_hat, model.weights.values, model.weights.log_measure, quality, permutable)
    return gaussian(vectors, q_hat)


def pair_of(matrix: np.ndarray) -> np.ndarray:
    """Eigenvalues of a + b 1 1^T along (1, ..., 1) and across (of a general matrix: mean quadratic forms)."""
    K = matrix.shape[0]
    along = float(matrix.sum()) / K
    return np.array([along, (float(np.trace(matrix)) - along) / (K - 1) if K > 1 else along])


def _projectors(K: int) -> np.ndarray:
    along = np.full((K, K), 1.0 / K)
    return np.array([along, np.eye(K) - along])


def state(model: Committee, q_hat: np.ndarray, quality: float = 1.0, coin: bool = False) -> State:
    """Averages at a matrix q_hat with eigenvalues ``q_hat`` = (along, across)."""
    K = model.K
    vectors = symmetric_vectors(K)
    prior = posterior(model, vectors, q_hat[[0] + [1] * (K - 1)], quality, True)
    overlap, gap = pair_of(prior.q), pair_of(prior.gap)
    if q_hat[1] == 0.0:
        overlap[1] = 0.0
    if not gap.min() > 0.0:
        raise FloatingPointError("state: Q - q underflows")
    axes = symmetric_axes(K, tuple(np.maximum(overlap, 0.0)), tuple(gap))
    channel = evaluate(axes, quality, coin)
    P = _projectors(K)
    J = np.einsum("abcd,cdef->abef", channel.T, prior.T)
    slope = np.array([pair_of(np.einsum("abcd,cd->ab", J, p)) for p in P]).T
    return State(q_hat, prior, channel, axes, pair_of(channel.A), slope)


def jacobian(state: State, alpha: float) -> np.ndarray:
    """Eigenvalues of the Jacobian of state evolution over symmetric K x K matrices, by decreasing modulus."""
    K = state.axes.overlap.size
    J = alpha * K * np.einsum("abcd,cdef->abef", state.prior.T, state.channel.T)
    units = []
    for a in range(K):
        for b in range(a + 1):
            m = np.zeros((K, K))
            m[a, b] = m[b, a] = 1.0 if a == b else math.sqrt(0.5)
            units.append(m)
    matrix = np.array([[np.sum(u * np.einsum("abcd,cd->ab", J, v)) for v in units] for u in units])
    values = np.linalg.eigvals(matrix)
    return np.asarray(values[np.argsort(-np.abs(values))])


def newton(
    model: Committee, alpha: float, start: np.ndarray, quality: float, free: int, coin: bool = False
) -> tuple[State, float]:
    """Root of log(alpha K A_i) - log q_hat_i, i < free, and its largest residual: Newton in log q_hat with the exact Jacobian."""
    x = np.log(start[:free])
    best: tuple[State, float] | None = None
    for _ in range(NEWTON):
        q_hat = np.zeros(2)
        q_hat[:free] = np.exp(x)
        if model.K == 1:
            q_hat[1] = q_hat[0]
        if sure(model, q_hat):
            break
        s = state(model, q_hat, quality, coin)
        with np.errstate(divide="ignore", invalid="ignore"):
            r = np.log(alpha * model.K * s.A[:free]) - x
        if not np.all(np.isfinite(r)):
            break
        size = float(np.max(np.abs(r)))
        if best is None or size < best[1]:
            best = s, size
        elif size < RESIDUAL:
            break  # rounding: no better
        if size < EXACT:
            break
        slope = s.slope[:free, :free] if model.K > 1 else s.slope[:1].sum(axis=1, keepdims=True)
        D = slope * q_hat[:free] / s.A[:free, None] - np.eye(free)
        try:
            step = -np.linalg.solve(D, r)
        except np.linalg.LinAlgError:
            break
        x = x + step * min(1.0, LONGEST / max(float(np.max(np.abs(step))), 1e-300))
        if x[-1] < math.log(COLLAPSED) - 12.0 or x[0] > FARTHEST:
            break
    if best is None:
        raise FloatingPointError("newton: no finite residual")
    return best


def sure(model: Committee, q_hat: np.ndarray) -> bool:
    """Whether these conjugates fix weights of a finite set: the branch has run into the perfect one."""
    if not isinstance(model.weights, Discrete) or not np.any(q_hat > 0):  # no patterns fix nothing
        return False
    return float(np.min(q_hat[q_hat > 0])) * self_overlap(model) > SURE


def free_entropy(s: State, alpha: float) -> float:
    """phi per weight at the conjugates of the state."""
    return s.prior.entropy / s.axes.overlap.size + alpha * s.channel.psi
