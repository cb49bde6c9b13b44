r"""m clones at a fixed mutual overlap q_1: the entropy whose sign changes are the overlap gap, and y replicas on the sphere.

.. math:: \phi_m(q_1) = \tfrac{1}{mN}\overline{\log \textstyle\sum_{w^1 \dots w^m} \prod_a \Theta(w^a)}, \qquad w^a\cdot w^b = N q_1

is the one-step functional at Parisi parameter m with q_1 not extremised, per clone: -m^2 d phi/dm is the entropy of groups
(the external entropy), d(m phi)/dm the entropy that each clone adds (the local one). A teacher of overlap R with every clone
adds -R_hat R, shifts the field of the weights by R_hat and tilts the patterns by its label; on the sphere q_0 becomes
q_0 - R^2 in the entropy of the overlaps.
"""

from __future__ import annotations

import sympy as sp

from ..models import Discrete, Model, Perceptron, Spherical
from . import rsb
from . import symbols as S
from .leaves import pattern_leaf, weight_leaf
from .local_entropy import Local, R, R_hat, gathered, h0, pattern_tower, q0, q0_hat, q1, q1_hat, solutions, z0
from .nodes import Gaussian, Level, LogMean

m = sp.Symbol("m", positive=True)


def clones(model: Model) -> Local:
    """phi_m(q_1) per clone; m (any positive number) and q_1 are parameters.

    Its observables: "entropy" m phi of the group, "slope" d phi/d q_1, "local_entropy" d(m phi)/dm and "external_entropy"
    m phi - m d(m phi)/dm, as for m = y replicas around no reference.

    Raises
    ------
    ValueError for several units, and for a teacher of weights other than binary or spherical.
    """
    if not isinstance(model, Perceptron):
        raise ValueError(f"model: got {model!r}; takes a perceptron")
    sphere = isinstance(model.weights, Spherical)
    leaves = {"g": weight_leaf(model), "f": pattern_leaf(model)}
    if not model.teacher:
        one_step = rsb.functional(model, 1)
        expr = one_step.expr.xreplace({rsb.parisi(1)[0]: m})
        unknowns = tuple(x for x in one_step.unknowns if x not in (q1, rsb.parisi(1)[0]))
        norm, eliminated = one_step.norm, one_step.eliminated
    else:
        if not sphere and (not isinstance(model.weights, Discrete) or model.weights.name != "binary"):
            raise ValueError(f"weights: got {model.weights.name} with a teacher; takes binary, spherical")
        expr = (_sphere() if sphere else _binary(model)) + S.alpha * pattern_tower(model, m)
        unknowns = (q0, R) if sphere else (q0, q0_hat, q1_hat, R, R_hat)
        norm, eliminated = sp.S.One, {} if sphere else {S.lam: sp.S.Zero}
    conjugate = {} if sphere else {q0: q0_hat, q0_hat: q0, q1: q1_hat, q1_hat: q1}
    if model.teacher and not sphere:
        conjugate |= {R: R_hat, R_hat: R}
    constant = eliminated.get(S.lam) == 0
    task = int(model.teacher)
    result = Local(expr, unknowns, norm, task, leaves, eliminated, {}, model, (m, q1), conjugate if constant else {}, constant)
    local = gathered((m * expr).diff(m), result.forms)
    result.observables.update(
        {
            "entropy": m * expr,
            "slope": result.derivative(expr, q1),
            "local_entropy": local,
            "external_entropy": gathered(m * expr - m * local, result.forms),
        }
    )
    return result


def _sphere() -> sp.Expr:
    """(1/2)[log(1 - q_1) + (1/m) log(L_0/(1 - q_1)) + (q_0 - R^2)/L_0], L_0 = 1 - q_1 + m (q_1 - q_0)."""
    L0 = 1 - q1 + m * (q1 - q0)
    return (sp.log(1 - q1) + sp.log(L0 / (1 - q1)) / m + (q0 - R**2) / L0) / 2


def _binary(model: Model) -> sp.Expr:
    outer = Level(0, Gaussian(), sp.sqrt(q0_hat), z0, h0, R_hat)
    weights = LogMean(outer, solutions(h0, weight_leaf(model), (q1_hat - q0_hat, sp.S.Zero), m))
    return -q1_hat * (1 - q1) / 2 - m * (q1_hat * q1 - q0_hat * q0) / 2 - R_hat * R + weights


__all__ = ["clones", "m"]
