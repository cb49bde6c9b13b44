r"""Belief propagation with reinforcement for binary weights: per edge, and relaxed to O(N + P) messages (TAP).

The posterior is that of the solutions, prod_mu Theta(u_mu - kappa) over W in {-1, +1}^N; x = y_mu xi_mu, sums over sites:

    m_{i->mu} = tanh(h_i - v_{mu->i})
    omega = sum_{j != i} x_j m_{j->mu} - kappa sqrt(N),   S = sum_{j != i} (1 - m_{j->mu}^2) + floor N
    v_{mu->i} = (1/2) log H(-(omega + x_i)/sqrt(S)) / H(-(omega - x_i)/sqrt(S))           the other sites' sum is Gaussian
    h_i = sum_mu v_{mu->i} + r_t h_i (of the step before),   W_i = sign(h_i)

The last term is the reinforcement (`reinforcement`). With r = 0 the fixed point gives marginals m_i = tanh h_i and the Bethe entropy. The floor
is a noise of variance floor on u: without it the last messages diverge as S -> 0.

Binary patterns: x_i v_{mu->i} is one smooth function of x_i m_{i->mu} in [-1, 1] for a pattern, taken at Chebyshev nodes and
interpolated. Relaxed: v is linear in x_i, m_{i->mu} = m_i - dm_i/dh_i v_{mu->i}, which leaves a node's total field
and Onsager's terms (g the Mills ratio, of the step before in omega):

    omega = sum_j x_j m_j - kappa sqrt(N) - g V,   V = sum_j (1 - m_j^2),   S = V + floor N
    g = d log H(-omega/sqrt(S))/d omega,   h_i = sum_mu x_i g_mu + m_i sum_mu g_mu (g_mu + omega_mu/S) + r_t h_i

Sources: A. Braunstein, R. Zecchina, Learning by message passing in networks of discrete synapses, PRL 96 (2006) 030201;
relaxed: M. Mezard, J. Phys. A 22 (1989) 2181; Y. Kabashima, J. Phys. A 36 (2003) 11111.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .._checks import check_finite
from .._gaussian import log_tail, mills
from .._packed import REORDER, adds, dots
from ..learning import Algorithm, Run
from ..problems import Problem
from ._signs import least_sum, points_of, rows_of
from .reinforcement import ReinforcedRun, Single, check_schedule

NODES = 6
"""Of the interpolation of a pattern's messages."""
HALVED_BELOW = 30.0
"""S from which on the interpolation in one piece is good to 2e-6 of max(1, |v|). Below: one piece for each sign of x_i m_{i->mu},
1e-3 where floor N >= 1; coarser where floor N < 1 and nearly all weights are known, S < 2."""
_T = np.cos((2 * np.arange(NODES) + 1) * np.pi / (2 * NODES))
_TO_POWERS = np.linalg.inv(np.vander(_T, increasing=True))
LATTICE = 1 / 3
"""Variance to add to sums of +-1, which are on a lattice of spacing 2: P(sum >= k) = P(sum + z > k - 1) exactly, z uniform on [-1, 1],
and sum + z is closer to a Gaussian (Sheppard's correction). Of order 1/N in u."""
NOTHING = np.float32(1e-30)
"""Below it a message says nothing: what lies by some powers of ten further down is denormal, and costs four times the time."""
NARROW = 1e-3
"""Least width of a piece."""
LARGEST = np.float32(1.25)
"""h/8 from which tanh h is 1 to single precision."""


@dataclass(frozen=True)
class ReinforcedBP(Algorithm):
    """Belief propagation, one message an edge, with reinforcement in cycles of growing r_t.

    cycle : updates of the first cycle, >= 2; slower is better and dearer
    initial : r at the start of a cycle, 0 <= initial < 1
    floor : of the variance, in units of u, > 0

    Raises ValueError outside these ranges.
    """

    name: ClassVar[str] = "reinforced-bp"
    step: ClassVar[str] = "an update of all messages"
    budget: ClassVar[int] = 3000
    binary_patterns: ClassVar[bool] = True
    margin: ClassVar[bool] = True
    cycle: int = 150
    initial: float = 0.3
    floor: float = 1e-3

    def __post_init__(self) -> None:
        check_schedule(self.cycle, self.initial)
        check_floor(self.floor)

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return ReinforcedRun(Edges(problem, self.floor), np.zeros(problem.N, np.float32), self.cycle, self.initial, rng)


@dataclass(frozen=True)
class ReinforcedTAP(ReinforcedBP):
    """Belief propagation relaxed to a message a site and a pattern, with reinforcement; patterns of unit variance, binary or not."""

    name: ClassVar[str] = "reinforced-tap"
    binary_patterns: ClassVar[bool] = False

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return ReinforcedRun(Relaxed(problem, self.floor), np.zeros(problem.N, np.float32), self.cycle, self.initial, rng)


def check_floor(floor: float) -> None:
    """Refuse a variance that can vanish."""
    if check_finite("floor", floor) <= 0:
        raise ValueError(f"floor: got {floor:g}, takes a number > 0")


class Edges:
    """Messages of a problem, one an edge; `update(h)` gives sum_mu v_{mu->i} from the total fields."""

    def __init__(self, problem: Problem, floor: float):
        self.points, self.least = points_of(problem), least_sum(problem, problem.kappa)
        self.shift, self.noise = problem.kappa * np.sqrt(problem.N), floor * problem.N
        self.messages = np.zeros(self.points.shape, np.float32)

    def update(self, h: Single) -> Single:
        into = np.zeros(h.size, np.float32)
        update_edges(self.points, h, self.messages, self.shift, self.noise, into)
        return into


class Relaxed:
    """Messages of a problem, one a pattern: g_mu."""

    def __init__(self, problem: Problem, floor: float):
        self.points, self.least = rows_of(problem)[:, 0], least_sum(problem, problem.kappa)
        self.shift, self.noise = problem.kappa * np.sqrt(problem.N), floor * problem.N
        self.g = np.zeros(problem.P)

    def update(self, h: Single) -> Single:
        return relaxed_step(self.points, h, self.g, self.shift, self.noise)


def relaxed_step(points: NDArray[np.generic], h: Single, g: NDArray[np.float64], shift: float, noise: float) -> Single:
    """All g_mu of a step, in place, and what the patterns say to each site: the fields without reinforcement or others."""
    into = np.zeros(h.size, np.float32)
    update_relaxed(points, h, g, shift, noise, into)
    return into


@njit(cache=True, nogil=True, fastmath=REORDER, error_model="numpy")
def _tanh(x: np.float32) -> np.float32:
    """tanh to single precision: exp(-2x) as the 16th power of a polynomial, which the compiler can vectorise."""
    z = np.float32(-0.125) * x
    z = LARGEST if z > LARGEST else z
    z = -LARGEST if z < -LARGEST else z
    e = np.float32(1) + z * (np.float32(1) + z * (np.float32(1 / 2) + z * (np.float32(1 / 6) + z * (np.float32(1 / 24) + z * np.float32(1 / 120)))))
    e *= e
    e *= e
    e *= e
    e *= e
    return np.float32(np.float32(np.float32(1) - e) / np.float32(np.float32(1) + e))


@njit(cache=True, nogil=True, error_model="numpy")
def message(t: float, omega: float, S: float) -> float:
    """x_i v_{mu->i} where t = x_i m_{i->mu}, from omega and S of all sites."""
    inverse = 1 / np.sqrt(S - 1 + t * t)
    return 0.5 * (log_tail((t - omega - 1) * inverse) - log_tail((t - omega + 1) * inverse))


@njit(cache=True, nogil=True, error_model="numpy")
def interpolate(low: float, high: float, omega: float, S: float, c: Single) -> None:
    """Coefficients of the powers of (2 t - low - high)/(high - low) in `message`, low <= t <= high."""
    c[:] = 0
    for a in range(NODES):
        value = message(0.5 * (low + high + (high - low) * _T[a]), omega, S)
        for k in range(NODES):
            c[k] += np.float32(_TO_POWERS[k, a] * value)
    for k in range(NODES):
        if abs(c[k]) < NOTHING:
            c[k] = 0


@njit(cache=True, nogil=True, fastmath=REORDER, error_model="numpy")
def messages_of_pattern(t: Single, omega: float, S: float, noise: float, v: Single) -> None:
    """x_i v_{mu->i} of a pattern for all sites, from t_i = x_i m_{i->mu}, omega and S of all sites."""
    c = np.empty(NODES, np.float32)
    if S >= HALVED_BELOW:
        interpolate(-1.0, 1.0, omega, S, c)
        c0, c1, c2, c3, c4, c5 = c[0], c[1], c[2], c[3], c[4], c[5]
        for i in range(t.size):
            s = t[i]
            v[i] = c0 + s * (c1 + s * (c2 + s * (c3 + s * (c4 + s * c5))))
        return
    # no site has 1 - t^2 > S - noise
    least = min(np.sqrt(max(1 - (S - noise), 0.0)), 1 - NARROW)
    d = np.empty(NODES, np.float32)
    interpolate(least, 1.0, omega, S, c)
    interpolate(-1.0, -least, omega, S, d)
    slope, shift = np.float32(2 / (1 - least)), np.float32((1 + least) / (1 - least))
    c0, c1, c2, c3, c4, c5 = c[0], c[1], c[2], c[3], c[4], c[5]
    d0, d1, d2, d3, d4, d5 = d[0], d[1], d[2], d[3], d[4], d[5]
    for i in range(t.size):
        p = slope * t[i] - shift
        q = slope * t[i] + shift
        above = c0 + p * (c1 + p * (c2 + p * (c3 + p * (c4 + p * c5))))
        below = d0 + q * (d1 + q * (d2 + q * (d3 + q * (d4 + q * d5))))
        v[i] = above if t[i] > np.float32(0) else below


@njit(cache=True, nogil=True, fastmath=REORDER, error_model="numpy")
def update_edges(points: NDArray[np.generic], h: Single, messages: Single, shift: float, noise: float, into: Single) -> None:
    """All messages x_i v_{mu->i} (P, N) of one step, and the sums over patterns of v_{mu->i}."""
    P, N = points.shape
    t = np.empty(N, np.float32)
    for mu in range(P):
        x, v = points[mu], messages[mu]
        omega, squares = np.float32(0), np.float32(0)
        for i in range(N):
            t[i] = _tanh(np.float32(x[i]) * h[i] - v[i])
        # sums in a loop of their own: one that writes as well adds in an order that depends on where the arrays are in memory
        for i in range(N):
            omega += t[i]
            squares += np.float32(1) - t[i] * t[i]
        messages_of_pattern(t, np.float64(omega) - shift, np.float64(squares) + noise, noise, v)
        for i in range(N):
            into[i] += np.float32(x[i]) * v[i]


@njit(cache=True, nogil=True, fastmath=REORDER, error_model="numpy")
def magnetisations(h: Single, m: Single) -> np.float32:
    """m_i = tanh h_i, and the sum of 1 - m_i^2."""
    squares = np.float32(0)
    for i in range(h.size):
        m[i] = _tanh(h[i])
    for i in range(h.size):  # for itself, as in `update_edges`
        squares += np.float32(1) - m[i] * m[i]
    return squares


@njit(cache=True, nogil=True, error_model="numpy")
def relaxed_patterns(points: NDArray[np.generic], m: Single, V: float, shift: float, noise: float, g: NDArray[np.float64], into: Single) -> float:
    """All g_mu of one step, from the means m of the weights and the sum V of their variances.

    Adds sum_mu x_mu g_mu to `into`; returns sum_mu g_mu (g_mu + omega_mu/S) = -sum_mu dg_mu/domega_mu.
    """
    P, S = len(points), V + noise
    scale, curvature = 1 / np.sqrt(S), 0.0
    branch, heard = points.reshape(P, 1, points.shape[1]), np.empty(P, np.int64)
    single = np.empty(P, np.float32)
    dots(branch, 0, np.arange(P), m, single)
    count = 0
    for mu in range(P):
        field = np.float64(single[mu]) - shift - g[mu] * V
        g[mu] = mills(-field * scale) * scale
        curvature += g[mu] * (g[mu] + field / S)
        if np.float32(g[mu]) >= NOTHING:
            heard[count], single[count] = mu, g[mu]
            count += 1
    adds(into, single[:count], branch, 0, heard[:count])
    return curvature


@njit(cache=True, nogil=True, fastmath=REORDER, error_model="numpy")
def update_relaxed(points: NDArray[np.generic], h: Single, g: NDArray[np.float64], shift: float, noise: float, into: Single) -> None:
    """All g_mu of one step, and the fields h_i without reinforcement."""
    m = np.empty(h.size, np.float32)
    squares = magnetisations(h, m)
    onsager = np.float32(relaxed_patterns(points, m, np.float64(squares), shift, noise, g, into))
    for i in range(h.size):
        into[i] += m[i] * onsager
