r"""Numba kernels of a leaf of several fields: K sign units of which a majority, or an even number of negative ones, is accepted.

With P_j = H(-u_j) the probability that unit j is positive, u_j = omega_j/sqrt(V), log Z is a sum over counts,

.. math:: Z = \sum_c B_c [y^c] \prod_j (1 - P_j + P_j y), \qquad
    \partial_a Z = \frac{G(u_a)}{\sqrt V} [\text{unit } a \text{ decides}].

Terms are positive, and ratios of tails are formed from their logarithms, so that log Z and its derivatives have full
relative accuracy where Z underflows. `tests` hold the kernels to the derived closed form.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .kernels import RANGE, SQRT_2PI, density, log_tail, mills, tail

GRID_POINTS = 3_000_000  # multisets of one grid
AXIS_STEP = 0.75  # trapezoid step of a smooth integrand at the first level
KINK_STEP = 0.5  # the same in units of V/q, on which the cheapest unit changes
LEVEL_STEP = 0.8  # of the step from level to level: halving it would cost 2^K
DUAL = 2.4  # twice the length of (1, ..., 1)/(p step): exp(-2 pi^2 (DUAL/2)^2) = 4e-13
COMMON, MOST_STRIDE = 3.0, 4  # found at q/V = 1, ..., 9: a stride is as good as 1 up to about 4 + 2/3 q/V
TOP_LEVEL, FULL_STEP = 5, 0.9  # levels that must still differ when the grid is as large as it may be, and by what
# radius of the normals kept at the first level, and what a level adds: mass 1e-13 beyond for K = 3
BALL, BALL_GROWS = 8.0, 0.15
# q/V above which three fields are integrated in order of size, with panels graded around the kink; under weights Z
ORDERED_FROM, TILTED_FROM = 6.0, 15.0
TILTED_PARITY_FROM = 40.0  # found where the last differences of both rules are equal, 1e-12
ORDERED_NODES, ORDERED_WEIGHTS = (np.ascontiguousarray(a) for a in np.polynomial.legendre.leggauss(10))
FINEST = 1e-10  # panel: a hundred of them to either side at most
ORDERED_MOST = 8192  # nodes of an axis of ordered fields
ORDERED_COARSE = 1.6  # panels of the first level, in units of the widths below
WIDEST = 1.4  # panel, of a smooth integrand under the normal density
ROWS = 6  # of the table of one axis
LINEAR_BELOW = 1e-9  # tails under which products of three of them drop out


@njit(cache=True, error_model="numpy")
def sorted_share(K, radius):
    """Volume of the sorted points of a ball in K dimensions."""
    return math.pi ** (0.5 * K) / math.gamma(0.5 * K + 1.0) * radius**K / math.gamma(K + 1.0)


@njit(cache=True, error_model="numpy")
def stride(K, step, ratio):
    """p of the sublattice sum_a n_a = 0 mod p that averages a majority as well as the whole lattice does.

    What the nodes n step alias is f at the dual vectors. The kinks z_a = z_b put their weight on those along e_a - e_b,
    which p leaves as they are: the error is theirs as long as (1, ..., 1)/(p step) is beyond the normal density and beyond
    what varies with all fields, on a scale V/q = 1/``ratio``. Even, so that every vector it adds has a component along
    (1, ..., 1) that is far from a root.
    """
    return 2 * max(1, int(min(math.sqrt(K) / (DUAL * step), 2.0 + ratio / COMMON, MOST_STRIDE)))


@njit(cache=True, error_model="numpy")
def axis_rule(K, q, V, level, parity, z, weight):
    """Lattice of E F(z_1, ..., z_K) over a ball: (half the number of nodes of an axis, radius in steps, stride); fills the
    trapezoid nodes and weights of one axis.

    F is smooth but where two units cost the same, z_a = z_b, on a scale V/(q |z|): the step follows it as far as the
    grid may grow, and shrinks from level to level even then, so that a refinement shows the error. A majority needs one
    point in `stride`, a ``parity`` one in 2^(K-1): it knows sizes and the sign of their product.
    """
    if not (q >= 0.0 and V > 0.0):
        return -1, 0.0, 1
    radius = BALL + BALL_GROWS * level
    # step at which the sorted points of the ball fill the grid
    whole = (sorted_share(K, BALL) / GRID_POINTS) ** (1.0 / K)
    share = 2.0 ** (K - 1) if parity else stride(K, whole, q / V)
    step = min(AXIS_STEP, KINK_STEP * V / q) * LEVEL_STEP**level
    step = max(step, whole * share ** (-1.0 / K) * FULL_STEP ** (level - TOP_LEVEL))
    step = max(step, 2.0 * radius / (z.size - 2.0))
    radius /= step
    half = int(radius)
    for i in range(2 * half + 1):
        z[i] = (i - half) * step
        weight[i] = step * math.exp(-0.5 * z[i] ** 2) / SQRT_2PI
    return half, radius, 1 if parity else stride(K, step, q / V)


@njit(cache=True, error_model="numpy")
def ordered_side(start, up, stop, kink, layer, level, z, weight, count):
    """Append nodes and weights of the normals above (below unless ``up``) ``start``, up to ``stop`` on the axis that points
    away; the new number of nodes.

    Panels grow from a width ``kink`` at the start and from a width ``layer`` at zero, where a unit changes sign.
    """
    shrink = ORDERED_COARSE * LEVEL_STEP ** max(level, 0)  # coarser panels put the saddle elsewhere
    kink, layer = max(kink, FINEST), max(layer, FINEST)
    sign = 1.0 if up else -1.0
    at = sign * start
    while at < stop:
        width = min(WIDEST, kink + at - sign * start, layer + at if at >= 0.0 else 0.5 * (layer - at)) * shrink
        end = min(at + width, stop)
        if at < 0.0 < end:
            end = 0.0
        half, centre = 0.5 * (end - at), 0.5 * (end + at)
        for k in range(ORDERED_NODES.size):
            x = centre + half * ORDERED_NODES[k]
            z[count] = sign * x
            weight[count] = half * ORDERED_WEIGHTS[k] * math.exp(-0.5 * x * x) / SQRT_2PI
            count += 1
        at = end
    return count


@njit(cache=True, error_model="numpy")
def ordered_middle(q, V, level, parity, z, weight):
    """Nodes of the second of three ordered fields; their number. A ``parity`` orders sizes."""
    layer = math.sqrt(V / q)
    if parity:
        return ordered_side(0.0, True, RANGE, layer, layer, level, z, weight, 0)
    return ordered_side(-RANGE, True, RANGE, WIDEST, layer, level, z, weight, 0)


@njit(cache=True, error_model="numpy")
def ordered_others(x, q, V, level, parity, z, weight):
    """Nodes of three ordered fields of which the second is x: x itself, the larger ones, the smaller ones; the last two ends.

    The cheapest unit to flip changes where the smallest meets x, on a scale V/(q |x|). Of a ``parity`` the smallest has
    either sign.
    """
    layer = math.sqrt(V / q)
    kink = 2.0 * layer / max(1.0, abs(x) / layer)
    z[0], weight[0] = x, 0.0
    upper = ordered_side(x, True, RANGE, kink, layer, level, z, weight, 1)
    if not parity:
        return upper, ordered_side(x, False, RANGE, kink, layer, level, z, weight, upper)
    end = ordered_side(x, False, 0.0, kink, layer, level, z, weight, upper)
    for i in range(upper, end):
        z[end + i - upper], weight[end + i - upper] = -z[i], weight[i]
    return upper, 2 * end - upper


@njit(cache=True, error_model="numpy")
def majority_table(z, n, q, V, table):
    """Rows log P, P, 1-P, A(-u)/sqrt V, u/sqrt V of every node."""
    root, gamma = 1.0 / math.sqrt(V), math.sqrt(q / V)
    for i in range(n):
        u = gamma * z[i]
        table[0, i] = log_tail(-u)
        table[1, i] = tail(-u) if u > -27.0 else math.exp(table[0, i])
        table[2, i] = tail(u) if u < 27.0 else 0.0
        table[3, i] = mills(-u) * root
        table[4, i] = u * root


@njit(cache=True, error_model="numpy")
def parity_table(z, n, q, V, table):
    """Rows log m, m = min(P, 1-P), 2P-1, A(|u|)/sqrt V, u/sqrt V, G(u)/sqrt V of every node."""
    root, gamma = 1.0 / math.sqrt(V), math.sqrt(q / V)
    for i in range(n):
        u = gamma * z[i]
        table[0, i] = log_tail(abs(u))
        table[1, i] = tail(abs(u)) if abs(u) < 27.0 else math.exp(table[0, i])
        table[2, i] = math.erf(u * math.sqrt(0.5))
        table[3, i] = mills(abs(u)) * root
        table[4, i] = u * root
        table[5, i] = density(u) * root


@njit(cache=True, error_model="numpy")
def ratios(table, n, centre, row):
    """exp(-|log P_i - log P_centre|): the smaller tail over the larger one."""
    for i in range(n):
        row[i] = math.exp(-abs(table[0, i] - table[0, centre]))


@njit(cache=True, error_model="numpy")
def _product(below, above, skip_a, skip_b, top, poly):
    """Coefficients 0..top of prod_j (below_j + above_j y) over j >= 1 without two of the factors (0 for none)."""
    poly[0] = 1.0
    for c in range(1, top + 1):
        poly[c] = 0.0
    degree = 0
    for j in range(1, below.size):
        if j == skip_a or j == skip_b:
            continue
        degree += 1
        for c in range(min(degree, top), 0, -1):
            poly[c] = poly[c] * below[j] + poly[c - 1] * above[j]
        poly[0] *= below[j]


@njit(cache=True, error_model="numpy")
def majority_others(others, table, row, line, single, pair):
    """What K - 1 sorted fields ``others`` contribute to every value of the smallest one, field 0.

    ``row``: ratios of tails to that of the r-th largest field, the cheapest majority's last. In units of these Z is
    sum_{c >= r} s^(c-r) p_c of a polynomial p with coefficients of order one, and unit a decides with p^(a)_{r-1}.
    line : rows factors below, above, gains; scratch; (log of the units, s, Z for a negative and for a positive field 0)
    single, pair : coefficients r-1, r-2 (r-3) of the polynomial without field 0 and one or two others
    """
    K = others.size + 1
    r = (K + 1) // 2
    below, above, gain, poly = line[0, :K], line[1, :K], line[2, :K], line[3]
    s = table[1, others[K - r - 1]]
    log_scale = 0.0
    for j in range(1, K):
        i = others[j - 1]
        if j >= K - r:
            below[j], above[j], gain[j] = table[2, i] * row[i], 1.0, table[3, i]
            log_scale += table[0, i]
        else:
            below[j], above[j], gain[j] = table[2, i], row[i], table[3, i] * row[i]
    _product(below, above, 0, 0, K - 1, poly)
    satisfied = 0.0
    for c in range(K - 1, r - 1, -1):
        satisfied = satisfied * s + poly[c]
    line[4, 0], line[4, 1], line[4, 2], line[4, 3] = log_scale, s, satisfied, poly[r - 1] + s * satisfied
    line[4, 4] = poly[r - 1]
    for a in range(1, K):
        _product(below, above, a, 0, r - 1, poly)
        single[a, 0], single[a, 1] = poly[r - 1], poly[r - 2]
        for b in range(1, a):
            _product(below, above, a, b, r - 1, poly)
            pair[a, b, 0], pair[a, b, 1], pair[a, b, 2] = poly[r - 1], poly[r - 2], poly[r - 3] if r > 2 else 0.0


@njit(cache=True, error_model="numpy")
def majority_leaf(i, others, table, row, line, single, pair, f1, f2):
    """log Z of a majority with field 0 at node ``i`` <= all others, its gradient f1 and Hessian f2 (lower triangle)."""
    K = others.size + 1
    gain = line[2]
    s = line[4, 1]
    below, above = table[2, i], row[i]
    gain[0] = table[3, i] * above
    Z = below * line[4, 2] + above * line[4, 3]
    scale = 1.0 / Z
    f1[0] = gain[0] * line[4, 4] * scale
    f2[0, 0] = -f1[0] * (table[4, i] + f1[0])
    for a in range(1, K):
        f1[a] = gain[a] * scale * (below * single[a, 0] + above * single[a, 1])
        f2[a, a] = -f1[a] * (table[4, others[a - 1]] + f1[a])
        f2[a, 0] = gain[a] * gain[0] * scale * (single[a, 1] - s * single[a, 0]) - f1[a] * f1[0]
        for b in range(1, a):
            low = below * pair[a, b, 1] + above * pair[a, b, 2]
            high = below * pair[a, b, 0] + above * pair[a, b, 1]
            f2[a, b] = gain[a] * gain[b] * scale * (low - s * high) - f1[a] * f1[b]
    return line[4, 0] + math.log(Z)


@njit(cache=True, error_model="numpy")
def parity_others(others, table, row, line, single, pair):
    """The same for an even number of negative units: products of x_j = 2 P_j - 1 without field 0 and one or two others."""
    K = others.size + 1
    x = line[0]
    largest, total = others[0], 0.0
    for j in range(1, K):
        i = others[j - 1]
        x[j] = table[2, i]
        total += math.log1p(-2.0 * table[1, i])
        if table[0, i] > table[0, largest]:
            largest = i
    line[4, 0], line[4, 1] = total, largest
    product = 1.0
    for j in range(1, K):
        product *= x[j]
    line[4, 2] = product
    for a in range(1, K):
        product = 1.0
        for j in range(1, K):
            if j != a:
                product *= x[j]
        single[a, 0] = product
        for b in range(1, a):
            product = 1.0
            for j in range(1, K):
                if j != a and j != b:
                    product *= x[j]
            pair[a, b, 0] = product


@njit(cache=True, error_model="numpy")
def parity_leaf(i, others, table, row, line, single, pair, f1, f2):
    """log Z, Z = (1 + prod_j x_j)/2, and derivatives.

    Where the product is negative Z is 1 - prod(1 - 2 m_j) over 2, m_j the smaller tail, in units of the largest m.
    """
    K = others.size + 1
    gain, x = line[1], table[2, i]
    product = line[4, 2] * x
    log_unit = 0.0
    if product > -0.5:
        Z = 0.5 * (1.0 + product)
    else:
        largest = int(line[4, 1])
        if table[0, i] > table[0, largest]:
            largest = i
        unit = table[1, largest]
        if unit > LINEAR_BELOW:
            Z = -0.5 * math.expm1(line[4, 0] + math.log1p(-2.0 * table[1, i]))
        else:
            log_unit = table[0, largest]
            total, squares = 0.0, 0.0
            for j in range(K):
                share = math.exp(table[0, i if j == 0 else others[j - 1]] - log_unit)
                total += share
                squares += share * share
            Z = total - unit * (total * total - squares)
    for j in range(K):
        k = i if j == 0 else others[j - 1]
        share = math.exp(table[0, k] - log_unit) if log_unit < 0.0 else table[1, k]
        gain[j] = table[3, k] * share / Z
    f1[0] = gain[0] * line[4, 2]
    f2[0, 0] = -f1[0] * (table[4, i] + f1[0])
    for a in range(1, K):
        k = others[a - 1]
        f1[a] = gain[a] * single[a, 0] * x
        f2[a, a] = -f1[a] * (table[4, k] + f1[a])
        f2[a, 0] = 2.0 * gain[a] * table[5, i] * single[a, 0] - f1[a] * f1[0]
        for b in range(1, a):
            f2[a, b] = 2.0 * gain[a] * table[5, others[b - 1]] * pair[a, b, 0] * x - f1[a] * f1[b]
    return log_unit + math.log(Z)
