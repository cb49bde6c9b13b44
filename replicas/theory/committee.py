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
from ..models import Discrete, Perceptron, finite
from ..numerics.matrix_channel import evaluate, invariant, matrix_axes, symmetric_vectors
from .committee_state import (
    COLLAPSED,
    RESIDUAL,
    State,
    check,
    free_entropy,
    jacobian,
    newton,
    pair_of,
    posterior,
    self_overlap,
    state,
    sure,
)

SYMMETRIC, SPECIALISED, PERFECT = "permutation-symmetric", "specialised", "perfect"
BRANCHES = (SYMMETRIC, SPECIALISED, PERFECT)
COARSER = 0.8  # quality of the second evaluation: its difference bounds the error of the first
WEAK = (0.1, 0.6, 1.5)  # q_hat Q across, of students to start from
SCOUTING = 0.5  # quality of the quadratures while a start is sought
SETTLING = 60  # steps of state evolution that choose the branch before Newton
TINY, LARGE = 1e-2, 0.02  # starts: eigenvalue of q for no knowledge, of Q - q for an informed student
KNOWN = 1e-8  # of Q - q against Q: state evolution has found the teacher


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


def _settle(model: Committee, alpha: float, q_hat: np.ndarray) -> tuple[np.ndarray, str]:
    """Conjugates after some steps of state evolution, at low quality, and why it ended: "", or the status of a branch that is not there."""
    specialised = model.K > 1 and q_hat[1] > 0.0
    for _ in range(SETTLING):
        if sure(model, q_hat):
            return q_hat, "no-solution"
        new = alpha * model.K * state(model, q_hat, SCOUTING).A
        if model.K > 1 and not specialised:
            new[1] = 0.0
        if specialised and not new[1] > COLLAPSED * new[0]:
            return q_hat, "branch-ended"
        if np.allclose(new, q_hat, rtol=1e-3):
            return new, ""
        q_hat = new
    return q_hat, ""


def _starts(model: Committee, alpha: float, branch: str) -> tuple[np.ndarray, str]:
    """Where Newton starts on a branch: state evolution from no knowledge, or from specialised students.

    An informed student of weights from a finite set finds the teacher: there weakly specialised ones come first.
    """
    Q = self_overlap(model)
    nothing = np.array([TINY, TINY if model.K == 1 else 0.0]) / Q
    if branch == SYMMETRIC or model.K == 1:
        return _settle(model, alpha, nothing)
    if not isinstance(model.weights, Discrete):
        return _settle(model, alpha, np.full(2, 1.0 / LARGE))
    begin, ended = _settle(model, alpha, nothing)
    if ended:
        return begin, ended
    reasons = []
    for weak in WEAK:
        found, ended = _settle(model, alpha, np.array([begin[0], weak / Q]))
        if not ended:
            return found, ""
        reasons.append(ended)
    return begin, "no-solution" if "no-solution" in reasons else "branch-ended"


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
        gibbs_error=s.channel.disagreement,
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
    try:
        begin, ended = _starts(model, alpha, branch) if start is None else (np.array(start, dtype=float), "")
        if ended:
            return CommitteePoint(branch, alpha, ended)
        rough, _ = newton(model, alpha, begin, SCOUTING, free)
        s, residual = newton(model, alpha, rough.q_hat, 1.0, free)
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
    model: Committee | Perceptron, alpha: float, start: str | np.ndarray = "symmetric", steps: int = 20, quality: float = 1.0
) -> list[np.ndarray]:
    r"""Overlap matrices q_0, q_1, ... of q_{t+1} = q(alpha K A(q_t)), undamped: what AMP follows.

    Parameters
    ----------
    model, alpha : as of `saddle`; a teacher-student `Perceptron` is a committee of one unit.
    start : a K x K matrix between 0 and Q, or ``"symmetric"`` (weak, of rank one) or ``"informative"`` (near Q).
    steps : number of steps >= 0;  quality : of the quadratures.

    Returns
    -------
    list of steps + 1 matrices; it ends early where the teacher is found (q = Q to 1e-8).

    Raises
    ------
    ValueError : naming the argument; also when q leaves 0 <= q <= Q.
    FloatingPointError : where a student knows so much that the grid of the fields would not fit into memory.
    """
    if isinstance(model, Perceptron):
        if not model.teacher:
            raise ValueError(f"task: got {model.task!r}; takes 'teacher-student'")
        model = Committee(1, model.weights, task=model.task)
    check(model)
    for name, value, low, takes in (
        ("alpha", alpha, 0.0, "a finite load >= 0"),
        ("quality", quality, 0.05, "a number from 0.05, 1 for full accuracy"),
    ):
        number = finite(name, value, takes)
        if number < low:
            raise ValueError(f"{name}: got {value!r}; takes {takes}")
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 0:
        raise ValueError(f"steps: got {steps!r}; takes a whole number >= 0")
    K, Q = model.K, self_overlap(model)
    if isinstance(start, str):
        if start not in ("symmetric", "informative"):
            raise ValueError(f"start: got {start!r}; takes a matrix, 'symmetric' or 'informative'")
        q = np.full((K, K), TINY * Q / K) if start == "symmetric" else (1.0 - LARGE) * Q * np.eye(K)
    else:
        q = np.array(start, dtype=float)
        takes = f"takes a symmetric {K} x {K} matrix with eigenvalues between 0 and {Q:g}"
        if q.shape != (K, K) or not np.allclose(q, q.T):
            raise ValueError(f"start: got an array of shape {q.shape}; {takes}")
        values = np.linalg.eigvalsh(q)
        if values[0] < -1e-12 * Q or values[-1] > Q * (1 + 1e-12):
            raise ValueError(f"start: got eigenvalues {values[0]:.6g} to {values[-1]:.6g}; {takes}")
    gap = Q * np.eye(K) - q
    out = [q]
    for _ in range(steps):
        axes = matrix_axes(q, gap)
        if float(axes.gap.min()) < KNOWN * Q:
            break
        hat = alpha * K * evaluate(axes, quality).A
        same = invariant(hat, float(np.trace(hat)))
        vectors = symmetric_vectors(K) if same else np.linalg.eigh(hat)[1]
        values = np.maximum(np.einsum("ak,ab,bk->k", vectors, hat, vectors), 0.0)
        if sure(model, values):
            out.append(Q * np.eye(K))  # the teacher is found
            break
        prior = posterior(model, vectors, values, quality, same)
        q, gap = prior.q, prior.gap
        out.append(q)
    return out

