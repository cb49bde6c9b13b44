r"""Replica-symmetric saddle points: order parameters, entropies, stability.

.. math:: \phi = \mathrm{extr}\{ \lambda Q/2 - \hat q(Q-q)/2 + E\,g(\sqrt{\hat q}z,\lambda) + \alpha E\,f(\sqrt q t, Q-q) \}

Entropy is phi - alpha <log Theta>, energy (errors per weight at finite beta) is -alpha <log Theta>/beta.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..cli.support import ANSATZES
from ..committees import Committee
from ..models import Discrete, Model, Perceptron, Tree
from ..numerics.saddle import Batch, follow, has_zero_overlap, make_batch
from ..results import BrokenPoint, Curve, SaddlePoint
from ..stochastic import StochasticPerceptron, check_no_norm
from ..wide import Wide
from .ansatz import asked_digits, check_ansatz, check_digits, check_steps, of_one_unit, units_refused
from .branches import all_branches, between, mark_overtaken, named_branch, thermodynamic
from .columns import CONDITION_REPORTED, ERRORS, NEGATIVE, TIE, Values, counted, quantities, result
from .ends import beyond_the_end

SHARED_INPUTS = {"q=0": "permutation-symmetric", "typical": "specialised"}  # branches of units that see the same inputs


@of_one_unit
def solve(
    model: Model,
    alpha: Any,
    ansatz: str = "rs",
    branch: str | None = None,
    digits: int | None = None,
    certified: bool = False,
    *,
    kappa: Any = None,
    beta: Any = None,
    k: int | None = None,
    m: Any = None,
    q_star: Any = None,
) -> SaddlePoint | Curve | BrokenPoint:
    """Saddle point of the free entropy at load alpha.

    Parameters
    ----------
    model : rp.Perceptron, rp.TreeCommittee, rp.TreeParity (up to 9 units; 1rsb up to 7, with spherical weights).
    alpha : load(s) P/N >= 0; an array gives a `Curve`.
    ansatz : "rs"; "1rsb", "krsb", "frsb" for one step, k steps, full replica symmetry breaking (storage; "frsb" spherical).
        A point that turns out to be replica symmetric is labelled "rs".
    branch : None for the thermodynamic branch; "typical" for the one that starts at alpha = 0; "q=0" for the symmetric
        solution of an even likelihood ("permutation-symmetric" and "specialised" of a fully connected committee of infinitely
        many units); "perfect" for R = 1 of a discrete teacher-student; "middle" for the unstable one between two others
        (of several that of smallest overlap); "all" for every one found (one axis more, last).
    digits : None for double precision, or how many digits (1 to 10,000); values are then mpmath numbers that carry them.
    certified : prove balls that hold the exact values (python-flint; 15 digits unless ``digits`` says otherwise).
    kappa, beta : override the model's own; arrays broadcast with alpha.
    k : steps of "krsb" (1 to 8, default 2); intervals of the profile x(q) of "frsb" (8 to 96; None for 24 or more, as the error needs).
    m : Parisi parameter of "1rsb" in (0, 1], scalar or array; None for the thermodynamic one, where Sigma = 0.
    q_star : override that of rp.StochasticPerceptron (ansatz "rs"), as kappa and beta.

    Returns
    -------
    SaddlePoint for scalars, Curve for arrays, BrokenPoint with broken symmetry. ``status``: converged; no-solution where no saddle exists (spherical
    weights at or above capacity); unphysical where the entropy of a discrete set is negative.

    Raises
    ------
    ValueError : alpha negative or not finite, unknown ansatz or branch, shapes that do not broadcast.
    """
    check_ansatz(ansatz, ANSATZES)
    if isinstance(model, StochasticPerceptron):
        from . import stochastic

        return stochastic.solve(
            model, alpha, ansatz, branch, digits, certified, kappa=kappa, beta=beta, q_star=q_star, k=k, m=m
        )
    check_no_norm(model, q_star)
    wanted = check_digits(digits, certified)
    if isinstance(model, Committee):
        from . import committee_answers

        return committee_answers.solve(model, alpha, ansatz, branch, wanted, kappa, beta, certified)
    if ansatz != "rs":
        from .steps import solve_broken

        if wanted is not None or branch is not None:
            name, value = ("branch", branch) if branch is not None else ("digits", digits)
            raise ValueError(f"{name}: got {value!r} with ansatz {ansatz}; takes it with ansatz rs")
        return solve_broken(model, alpha, ansatz, k, m, kappa=kappa, beta=beta)
    check_steps(ansatz, k, m)
    return symmetric(model, alpha, branch, wanted, certified, kappa=kappa, beta=beta)


def symmetric(
    model: Model,
    alpha: Any,
    branch: str | None = None,
    wanted: int | None = None,
    certified: bool = False,
    *,
    kappa: Any = None,
    beta: Any = None,
) -> SaddlePoint | Curve:
    """`solve` in the replica-symmetric ansatz."""
    names = SHARED_INPUTS if isinstance(model, Wide) and model.architecture == "full" else {}
    inside = {theirs: ours for ours, theirs in names.items()}
    found = _symmetric(model, alpha, inside.get(branch or "", branch), wanted, certified, kappa=kappa, beta=beta)
    if not names:
        return found
    own = np.asarray(found.branch, dtype=object)
    renamed = np.array([names.get(str(b), b) for b in own.ravel()], dtype=object).reshape(own.shape)
    return dataclasses.replace(found, branch=renamed if own.shape else renamed[()])


def _symmetric(
    model: Model, alpha: Any, branch: str | None, wanted: int | None, certified: bool, *, kappa: Any, beta: Any
) -> SaddlePoint | Curve:
    if wanted is not None:
        from . import digits as precise

        if not isinstance(model, Perceptron):
            raise units_refused(*asked_digits(wanted, certified), "an average over its fields on a grid")
        found = symmetric(model, alpha, branch, kappa=kappa, beta=beta)
        given = precise.inputs(model, alpha=alpha, kappa=kappa, beta=beta)
        if certified:
            from . import certificates

            return certificates.saddle_point(found, given, wanted)  # type: ignore[no-any-return]
        return precise.saddle_point(found, given, wanted)  # type: ignore[no-any-return]
    if branch not in (None, "typical", "q=0", "perfect", "middle", "all"):
        raise ValueError(f"branch: got {branch!r}; takes None, 'typical', 'q=0', 'perfect', 'middle' or 'all'")
    batch = make_batch(model, alpha, kappa, beta)
    if branch == "q=0" and not has_zero_overlap(model):
        raise ValueError("branch: got 'q=0'; takes it only for an even likelihood with symmetric weights")
    if branch == "perfect" and not (model.teacher and isinstance(model.weights, Discrete)):
        raise ValueError("branch: got 'perfect'; takes it only for a discrete teacher-student model")
    if branch == "all":
        return all_branches(batch)
    if branch is None and not batch.shape:
        point = _plain_point(batch)
        if point is not None:
            return point
    best = thermodynamic(batch)
    mark_overtaken(best)
    if branch is None:
        return result(batch, best)
    named = between(batch, best) if branch == "middle" else named_branch(batch, branch)
    gain = best.number["free_entropy"] - named.number["free_entropy"]
    with np.errstate(invalid="ignore"):  # one branch: the same, or at a transition equal to within its error
        tie = (named.branch == best.branch) | (np.abs(gain) <= named.error["free_entropy"] + TIE)
    named.dominant[:] = tie & best.dominant
    return result(batch, named)


def _plain_point(batch: Batch) -> SaddlePoint | None:
    """The common case without the machinery of columns: one point of a storage model whose branch needs no choice."""
    model = batch.model
    if (
        model.teacher
        or has_zero_overlap(model)
        or (isinstance(model.weights, Discrete) and 0.0 in model.weights.values)
        or batch.alpha[0] == 0
        or (batch.beta is not None and batch.beta[0] == 0)
        or (isinstance(model, Tree | Wide) and beyond_the_end(batch)[0])
    ):
        return None
    solution = follow(batch)
    if not solution.converged[0]:
        return None
    found = quantities(solution, "typical")
    numbers: Values
    errors: Values
    numbers, errors = ({k: v if isinstance(v, float) else v.item() for k, v in d.items()} for d in found)
    negative = counted(model) and numbers["entropy"] < -errors["entropy"] - 1e-15
    if "Q" not in solution.module.UNKNOWNS:
        errors["Q"] = None
        numbers["Q"] = None if numbers["Q"] == 1.0 else numbers["Q"]
    if numbers["condition"] <= CONDITION_REPORTED:
        numbers["condition"] = None
    return SaddlePoint(
        model=model,
        alpha=batch.alpha.item(),
        kappa=batch.kappa.item() if model.margin else None,
        beta=None if batch.beta is None else batch.beta.item(),
        status="unphysical" if negative else "converged",
        message=NEGATIVE if negative else "",
        branch="typical",
        dominant=True,
        stable=numbers["replicon"] > 0,
        error=errors["free_entropy"],
        errors={k: errors.get(k) for k in ERRORS},
        **numbers,
    )
