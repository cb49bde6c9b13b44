r"""Fully connected committees of up to three sign units, teacher-student: state evolution and saddle points with matrices of overlaps.

The K x K matrix q of overlaps between a sample of the posterior and the teacher solves (loads alpha = P/(N K))

.. math:: \hat q = \alpha K A(q), \qquad q = E\langle w\rangle\langle w\rangle^T, \qquad
    K\phi = \Psi_w(\hat q) - \tfrac12 \mathrm{tr}\, q\hat q + \alpha K\, \Psi(q)

(`replicas.numerics.matrix_channel`, `replicas.numerics.matrix_prior`). Relabelling the units is a symmetry. Matrices that
respect it have two eigenvalues, one along (1, ..., 1) and one across:

- ``"permutation-symmetric"``: nothing is known across: every unit of the student resembles all of the teacher's alike.
- ``"specialised"``: q > q_cross, unit j has recognised unit j of the teacher: one of K! equivalent states.
- ``"perfect"``: q = Q, for weights from a finite set: the teacher alone, phi = 0.

Unknowns are the logarithms of the eigenvalues of q_hat, and Q - q is computed as such: never q near Q. The Jacobian of
state evolution is exact (tensors T of both averages). For Bayes-optimal inference its eigenvalues over symmetric matrices
are also those of the replicon: the fluctuation of one replica obeys the same linear map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ..committees import Committee
from ..models import Discrete
from ..numerics.matrix_channel import MOST_UNITS, Axes, Channel, evaluate, matrix_axes, symmetric_axes, symmetric_vectors
from ..numerics.matrix_prior import Prior, discrete, gaussian

SYMMETRIC, SPECIALISED, PERFECT = "permutation-symmetric", "specialised", "perfect"
BRANCHES = (SYMMETRIC, SPECIALISED, PERFECT)
COARSER = 0.8  # quality of the second evaluation: its difference bounds the error of the first
RESIDUAL = 1e-9  # of the logarithms, undamped: above the error of the averages
NEWTON, LONGEST = 40, 0.7  # iterations, and step of the logarithms
SETTLING = 60  # steps of state evolution that choose the branch before Newton
TINY, LARGE = 1e-2, 0.02  # starts: eigenvalue of q for no knowledge, of Q - q for an informed student
COLLAPSED = 1e-7  # of q across against Q: the specialised branch has ended on the symmetric one
KNOWN = 1e-8  # of Q - q against Q: state evolution has found the teacher
SURE = 70.0  # q_hat Q from which weights of a finite set are known to about exp(-35)


@dataclass(frozen=True)
class CommitteePoint:
    """A saddle point.

    q, q_cross : overlap of unit j of the student with unit j, and with another one, of the teacher;  q_hat, q_hat_cross :
    their conjugates.  free_entropy : phi per weight.  residual : of the logarithms of the equations, undamped.
    largest : eigenvalue of largest modulus of the Jacobian of state evolution over all symmetric matrices;  stable : whether it
    is below 1 (state evolution and replicon are the same map here).  gibbs_error : probability that a sample errs.
    gaps : eigenvalues of Q - q along (1, ..., 1) and across.  errors : of the numbers, from a coarser quadrature.
    status : converged, no-solution, not-converged or branch-ended.
    """

    branch: str
    alpha: float
    status: str
    q: float = math.nan
    q_cross: float = math.nan
    q_hat: float = math.nan
    q_hat_cross: float = math.nan
    free_entropy: float = math.nan
    residual: float = math.nan
    largest: float = math.nan
    stable: bool = False
    gibbs_error: float = math.nan
    gaps: tuple[float, float] = (math.nan, math.nan)
    errors: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """Both averages at conjugates of eigenvalues ``x`` = (along, across), and the map they define without the load.

    A : eigenvalues of A;  slope[i, j] = d A_i/d q_hat_j;  entropy, psi : K phi = entropy + alpha K psi at the saddle.
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


def newton(model: Committee, alpha: float, start: np.ndarray, quality: float, free: int, coin: bool = False) -> tuple[State, float]:
    """Root of log(alpha K A_i) - log q_hat_i, i < free, and its largest residual: Newton in log q_hat with the exact Jacobian."""
    x = np.log(start[:free])
    best: tuple[State, float] | None = None
    for _ in range(NEWTON):
        q_hat = np.zeros(2)
        q_hat[:free] = np.exp(x)
        if model.K == 1:
            q_hat[1] = q_hat[0]
        if _sure(model, q_hat):
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
        slope = s.slope[:free, :free] if model.K > 1 else s.slope[:1].sum(axis=1, keepdims=True)
        D = slope * q_hat[:free] / s.A[:free, None] - np.eye(free)
        try:
            step = -np.linalg.solve(D, r)
        except np.linalg.LinAlgError:
            break
        x = x + step * min(1.0, LONGEST / max(float(np.max(np.abs(step))), 1e-300))
        if x[-1] < math.log(COLLAPSED) - 12.0 or x[0] > 40.0:
            break
    if best is None:
        raise FloatingPointError("newton: no finite residual")
    return best


def _settle(model: Committee, alpha: float, branch: str) -> np.ndarray:
    """Conjugates after some steps of state evolution from the branch's own start, at low quality."""
    Q = self_overlap(model)
    start = TINY if branch == SYMMETRIC else 1.0 / LARGE
    q_hat = np.array([start, 0.0 if branch == SYMMETRIC and model.K > 1 else start]) / Q
    for _ in range(SETTLING):
        if _sure(model, q_hat):
            break
        s = state(model, q_hat, COARSER)
        new = alpha * model.K * s.A
        if branch == SYMMETRIC and model.K > 1:
            new[1] = 0.0
        if np.allclose(new, q_hat, rtol=1e-6):
            return new
        q_hat = new
    return q_hat


def _sure(model: Committee, q_hat: np.ndarray) -> bool:
    """Whether these conjugates fix weights of a finite set: the branch has run into the perfect one."""
    return isinstance(model.weights, Discrete) and float(q_hat[0]) * self_overlap(model) > SURE


def free_entropy(s: State, alpha: float) -> float:
    """phi per weight at the conjugates of the state."""
    return s.prior.entropy / s.axes.overlap.size + alpha * s.channel.psi


def point(model: Committee, alpha: float, branch: str, s: State, residual: float, status: str = "converged") -> CommitteePoint:
    """The numbers of a state."""
    K = model.K
    along, across = pair_of(s.prior.q)
    if s.q_hat[1] == 0.0:
        across = 0.0
    hat = s.q_hat
    values = jacobian(s, alpha)
    gap = pair_of(s.prior.gap)
    return CommitteePoint(
        branch,
        alpha,
        status,
        q=float(along + (K - 1) * across) / K,
        q_cross=float(along - across) / K if K > 1 else 0.0,
        q_hat=float(hat[0] + (K - 1) * hat[1]) / K,
        q_hat_cross=float(hat[0] - hat[1]) / K if K > 1 else 0.0,
        free_entropy=free_entropy(s, alpha),
        residual=residual,
        largest=float(abs(values[0])),
        stable=bool(abs(values[0]) < 1.0),
        gibbs_error=1.0 - s.channel.agreement,
        gaps=(float(gap[0]), float(gap[1])),
    )


NUMBERS = ("q", "q_cross", "q_hat", "q_hat_cross", "free_entropy", "largest", "gibbs_error")


def saddle(model: Committee, alpha: float, branch: str = SPECIALISED, start: np.ndarray | None = None) -> CommitteePoint:
    """The saddle point of a branch at a load.

    Parameters
    ----------
    model : a teacher-student `Committee` of at most three units.
    alpha : load P/(N K) > 0.
    branch : ``"permutation-symmetric"``, ``"specialised"`` or (weights from a finite set) ``"perfect"``.
    start : eigenvalues of q_hat along (1, ..., 1) and across to start from; default: state evolution from no knowledge, or
        from an informed student.

    Returns
    -------
    a `CommitteePoint`; where the specialised branch has merged with the symmetric one, status ``"branch-ended"``; where an
    informed student becomes perfect, ``"no-solution"`` (of imperfect students on this branch: give ``start``).

    Raises
    ------
    ValueError : naming the argument.
    """
    check(model)
    if not (isinstance(alpha, (int, float)) and 0 < alpha < math.inf):
        raise ValueError(f"alpha: got {alpha!r}; takes a positive number")
    if branch not in BRANCHES:
        raise ValueError(f"branch: got {branch!r}; takes one of {', '.join(BRANCHES)}")
    Q = self_overlap(model)
    if branch == PERFECT:
        if not isinstance(model.weights, Discrete):
            return CommitteePoint(branch, alpha, "no-solution")
        entropy = float(np.log(_chance(model.weights)).dot(_chance(model.weights))) if model.weights.probabilities else 0.0
        return CommitteePoint(branch, alpha, "converged", Q, 0.0, math.inf, 0.0, entropy, 0.0, 0.0, True, 0.0, (0.0, 0.0))
    free = 2 if branch == SPECIALISED and model.K > 1 else 1
    begin = _settle(model, alpha, branch) if start is None else np.asarray(start, dtype=float)
    if _sure(model, begin):
        return CommitteePoint(branch, alpha, "no-solution")
    try:
        s, residual = newton(model, alpha, begin, 1.0, free)
    except FloatingPointError:
        return CommitteePoint(branch, alpha, "not-converged")
    across = pair_of(s.prior.q)[1]
    if free == 2 and across < COLLAPSED * Q:
        return CommitteePoint(branch, alpha, "branch-ended")
    found = point(model, alpha, branch, s, residual, "converged" if residual < RESIDUAL else "not-converged")
    try:
        coarse, left = newton(model, alpha, s.q_hat, COARSER, free)
    except FloatingPointError:
        return found
    other = point(model, alpha, branch, coarse, left)
    errors = {name: abs(getattr(found, name) - getattr(other, name)) + 1e-15 for name in NUMBERS}
    return CommitteePoint(**{**found.__dict__, "errors": errors})


def _chance(weights: Discrete) -> np.ndarray:
    p = np.exp(np.array(weights.log_measure))
    return np.asarray(p / p.sum())


def state_evolution(
    model: Committee, alpha: float, start: str | np.ndarray = "symmetric", steps: int = 20, quality: float = 1.0
) -> list[np.ndarray]:
    r"""Overlap matrices q_0, q_1, ... of q_{t+1} = q(alpha K A(q_t)), undamped: what AMP follows.

    Parameters
    ----------
    model, alpha : as of `saddle`.
    start : a K x K matrix between 0 and Q, or ``"symmetric"`` (weak, of rank one) or ``"informative"`` (near Q).
    steps : number of steps >= 0;  quality : of the quadratures.

    Returns
    -------
    list of steps + 1 matrices; it ends early where the teacher is found (q = Q to 1e-8).
    """
    check(model)
    K, Q = model.K, self_overlap(model)
    if isinstance(start, str):
        if start not in ("symmetric", "informative"):
            raise ValueError(f"start: got {start!r}; takes a matrix, 'symmetric' or 'informative'")
        q = np.full((K, K), TINY * Q / K) if start == "symmetric" else (1.0 - LARGE) * Q * np.eye(K)
    else:
        q = np.array(start, dtype=float)
        if q.shape != (K, K) or not np.allclose(q, q.T):
            raise ValueError(f"start: got an array of shape {q.shape}; takes a symmetric {K} x {K} matrix between 0 and Q")
    gap = Q * np.eye(K) - q
    out = [q]
    for _ in range(steps):
        axes = matrix_axes(q, gap)
        if float(axes.gap.min()) < KNOWN * Q:
            break
        hat = alpha * K * evaluate(axes, quality).A
        hat_axes = matrix_axes(hat, np.zeros_like(hat))
        prior = posterior(model, hat_axes.vectors, hat_axes.overlap, quality, hat_axes.permutable)
        q, gap = prior.q, prior.gap
        out.append(q)
    return out

