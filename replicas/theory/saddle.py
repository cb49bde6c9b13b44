r"""Replica-symmetric saddle points: order parameters, entropies, stability.

.. math:: \phi = \mathrm{extr}\{ \lambda Q/2 - \hat q(Q-q)/2 + E\,g(\sqrt{\hat q}z,\lambda) + \alpha E\,f(\sqrt q t, Q-q) \}

Entropy is phi - alpha <log Theta>, energy (errors per weight at finite beta) is -alpha <log Theta>/beta.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from ..cli.support import ANSATZES
from ..committees import Committee
from ..models import Discrete, Model, Perceptron, Spherical, Tree
from ..numerics.saddle import (
    CONVERGED,
    FOLDING_MARGIN,
    ROUNDING,
    Batch,
    Solution,
    evaluate,
    follow,
    has_zero_overlap,
    learning_start,
    learnt,
    make_batch,
    newton,
    polished,
    start,
    zero_overlap,
)
from ..results import BrokenPoint, Curve, SaddlePoint, verdict
from ..stochastic import StochasticPerceptron, check_no_norm
from ..wide import Wide
from .ansatz import asked_digits, check_ansatz, check_steps, of_one_unit, units_refused

SHARED_INPUTS = {"q=0": "permutation-symmetric", "typical": "specialised"}  # branches of units that see the same inputs
CONDITION_REPORTED = 1e3  # condition numbers above this are part of the answer
ALONG = -1  # level of the grids on which the overlaps of a tree machine are listed
SCAN = np.linspace(-8.0, 16.0, 97)  # logit(q) from which all coexisting branches are sought
MOST_SCANNED = 10.0  # of the logits of tree machines of finite weight sets
AT_THE_END = 1e-9  # relative distance from the end of the RS branch that double precision still resolves
SHARES = (0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3)  # of the free self-overlap, from which sparse saddles are sought
REPLICON_ROUNDING = 5e-15  # of a product of two averages of squares
TIE = 1e-14  # free entropies closer than this are equal to rounding
NEAR_A_FOLD = 0.05  # imbalance of a saddle-point equation under which a pair of roots may hide between two scan points
SAME_BRANCH = 1e-6  # two solutions whose logits differ by less are one
MAX_DIGITS = 10_000


def check_digits(digits: Any, certified: Any = False) -> int | None:
    """A number of digits, or None for double precision; a certified question has some by default."""
    if certified is not False:
        from .certificates import check_certified

        digits = check_certified(certified, digits)
    if digits is None:
        return None
    if isinstance(digits, bool) or not isinstance(digits, (int, np.integer)) or not 1 <= digits <= MAX_DIGITS:
        raise ValueError(f"digits: got {digits!r}; takes a whole number from 1 to {MAX_DIGITS}")
    return int(digits)


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
        many units); "perfect" for R = 1 of a discrete teacher-student; "all" for every one found
        (one axis more, last).
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
    if branch not in (None, "typical", "q=0", "perfect", "all"):
        raise ValueError(f"branch: got {branch!r}; takes None, 'typical', 'q=0', 'perfect' or 'all'")
    batch = make_batch(model, alpha, kappa, beta)
    if branch == "q=0" and not has_zero_overlap(model):
        raise ValueError("branch: got 'q=0'; takes it only for an even likelihood with symmetric weights")
    if branch == "perfect" and not (model.teacher and isinstance(model.weights, Discrete)):
        raise ValueError("branch: got 'perfect'; takes it only for a discrete teacher-student model")
    if branch == "all":
        return _all_branches(batch)
    if branch is None and not batch.shape:
        point = _plain_point(batch)
        if point is not None:
            return point
    best = thermodynamic(batch)
    _overtaken(best)
    if branch is None:
        return result(batch, best)
    named = _named(batch, branch)
    gain = best.number["free_entropy"] - named.number["free_entropy"]
    with np.errstate(invalid="ignore"):  # one branch: the same, or at a transition equal to within its error
        tie = (named.branch == best.branch) | (np.abs(gain) <= named.error["free_entropy"] + TIE)
    named.dominant[:] = tie & best.dominant
    return result(batch, named)


NEGATIVE = "negative entropy: no typical solutions here (above capacity or below the freezing temperature)"
OVERTAKEN = "stable against small overlaps only: ansatz 1rsb has a lower free entropy, past a discontinuous transition"
LEARNT_ALL = "negative entropy: perfect learning has taken over"
Values = dict[str, Any]
ERRORS = ("q", "q_hat", "Q", "lam", "free_entropy", "entropy", "energy", "replicon")


def counted(model: Model) -> bool:
    """Whether entropies count configurations, so that a negative one means that there are none."""
    return isinstance(model.weights, Discrete) and model.weights.probabilities is None


def quantities(s: Solution, branch: str) -> tuple[Values, Values]:
    """Numbers and their errors at every point of a solution, converged or not."""
    model, batch, nu = s.batch.model, s.batch, s.nu
    info, names, zero = s.info, s.module.UNKNOWNS, branch.endswith("q=0")
    replicon, phi, norm = s.extra("replicon"), s.phi, s.norm
    q_hat = s.extra("q_hat")
    q, gap, d_q = s.overlaps()
    numbers: Values = {
        "q": 0.0 if zero else q,
        "one_minus_q": gap,
        "q_hat": 0.0 if zero else q_hat,
        "Q": norm,
        "free_entropy": phi,
        "entropy": phi,
        "replicon": replicon,
        "residual": info[:, nu + 2],
        "condition": info[:, nu + 3],
    }
    errors: Values = {
        "q": 0.0 if zero else d_q,
        "q_hat": 0.0 if zero else q_hat * (info[:, 1] if "qhat" in names else 2 * info[:, 0]),
        "Q": norm * info[:, names.index("Q")] if "Q" in names else 0.0,
        "free_entropy": info[:, nu + 1],
        "entropy": info[:, nu + 1],
        "replicon": info[:, -2] + REPLICON_ROUNDING * (1 + np.abs(replicon)),
    }
    if "lambda" in names or isinstance(model.weights, Spherical):
        lam = s.extra("lam")
        numbers["lam"] = lam
        errors["lam"] = info[:, names.index("lambda")] if "lambda" in names else lam * (q * info[:, 0] + ROUNDING)  # 1/(1 - q)
    if not model.hard:
        loglik = s.extra("loglik")
        noise = info[:, -1] + ROUNDING * np.abs(loglik)
        numbers["entropy"], errors["entropy"] = phi - loglik, info[:, nu + 1] + noise
        if batch.beta is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                numbers["energy"], errors["energy"] = -loglik / batch.beta, noise / batch.beta
    return numbers, errors


class Columns:
    """Flat columns of a result being assembled."""

    def __init__(self, batch: Batch):
        self.batch = batch
        size = batch.size
        self.number = {k: np.full(size, np.nan) for k in ("one_minus_q", *SaddlePoint.computed)}
        self.error = {k: np.full(size, np.nan) for k in ERRORS}
        self.status = np.full(size, "no-solution", dtype=object)
        self.message = np.full(size, "", dtype=object)
        self.branch = np.full(size, "", dtype=object)
        self.dominant = np.zeros(size, dtype=bool)
        self.ended = np.zeros(size, dtype=bool)  # the branch was followed to its end, its entropy negative there

    def clear(self, index: np.ndarray) -> None:
        """Withdraw the answer at these points."""
        for column in (*self.number.values(), *self.error.values()):
            column[index] = np.nan
        self.status[index], self.message[index], self.branch[index] = "no-solution", "", ""

    def fill(self, index: np.ndarray, solution: Solution, branch: str) -> None:
        """Write the converged points of a solution of the sub-batch ``index``."""
        ok = solution.converged
        at = index[ok]
        numbers, errors = quantities(solution, branch)
        for columns, values in ((self.number, numbers), (self.error, errors)):
            for name, value in values.items():
                columns[name][at] = value[ok] if isinstance(value, np.ndarray) else value
        self.status[at], self.message[at], self.branch[at] = "converged", "", branch
        if counted(self.batch.model):
            negative = at[numbers["entropy"][ok] < -errors["entropy"][ok] - 1e-15]
            text = LEARNT_ALL if self.batch.model.teacher else NEGATIVE
            self.status[negative], self.message[negative] = "unphysical", text

    def build(self, shape: tuple[int, ...], **extra: Any) -> SaddlePoint | Curve:
        """The result in the shape asked for."""
        batch = self.batch

        def out(values: np.ndarray | None) -> Any:
            if values is None or (values.dtype == float and np.isnan(values).all()):
                return None
            return (
                values.reshape(shape)
                if shape
                else (values[0].item() if isinstance(values[0], np.generic) else values[0])
            )

        number = {k: out(v) for k, v in self.number.items()}
        if not np.any(self.number["condition"] > CONDITION_REPORTED):
            number["condition"] = None
        answered = np.isfinite(self.number["replicon"])
        stable, dominant = (verdict(answered, v) for v in (self.number["replicon"] > 0, self.dominant))
        errors = {k: out(v) for k, v in self.error.items()}
        if "Q" not in _unknowns(batch):
            errors["Q"] = None
            if np.all((self.number["Q"] == 1.0) | np.isnan(self.number["Q"])):
                number["Q"] = None
        kind = Curve if shape else SaddlePoint
        return kind(
            model=batch.model,
            status=out(self.status),
            message=out(self.message),
            errors=errors,
            error=errors["free_entropy"],
            alpha=out(batch.alpha),
            kappa=out(batch.kappa) if batch.model.margin else None,
            beta=None if batch.beta is None else out(batch.beta),
            stable=out(stable) if answered.any() else None,
            branch=out(self.branch),
            dominant=out(dominant),
            **number,
            **extra,
        )


def _unknowns(batch: Batch) -> tuple[str, ...]:
    from ..numerics.codegen import load

    return tuple(load(batch.model).UNKNOWNS)


def _named(batch: Batch, branch: str) -> Columns:
    columns = Columns(batch)
    index = np.arange(batch.size)
    if branch == "perfect":
        _perfect(columns, index)
        return columns
    acting = batch.alpha > 0 if batch.beta is None else (batch.alpha > 0) & (batch.beta > 0)
    if branch == "typical":
        acting &= ~_beyond_the_end(batch)
    positive = index[acting]
    if positive.size:
        part = batch.take(positive)
        if branch == "q=0":
            solution = zero_overlap(part)
        else:
            appears = isinstance(batch.model, Wide) and batch.model.teacher and has_zero_overlap(batch.model)
            solution = best_student(part) if appears else follow(part)
        columns.fill(positive, solution, branch)
        if solution.last_phi is not None:
            columns.ended[positive] = ~solution.converged & (solution.last_phi < 0)
    _empty(columns, index[(batch.alpha == 0) if batch.beta is None else (batch.alpha == 0) | (batch.beta == 0)])
    _explain(columns)
    return columns


def _beyond_the_end(batch: Batch) -> np.ndarray:
    """Loads above the end of the branch, q -> 1, where nothing is to be found and a search is dear.

    Where alpha(q) grows up to its end: spherical tree machines, and perceptrons of one size of weights at margins that do not fold.
    Trees of weights of one size, where a scan of q sees that it does.
    """
    model, beyond = batch.model, np.zeros(batch.size, dtype=bool)
    if isinstance(model, Tree | Wide):
        index = np.arange(batch.size if isinstance(model.weights, Spherical) and not model.teacher else 0)
    else:
        one_size = isinstance(model.weights, Spherical) or model.weights.fixed_norm is not None
        grows = one_size and model.hard and model.likelihood == "threshold" and not model.teacher and _is_bounded(model)
        index = np.flatnonzero(batch.kappa >= FOLDING_MARGIN) if grows else np.arange(0)
    of_one_size = isinstance(model, Tree) and isinstance(model.weights, Discrete) and model.weights.fixed_norm is not None
    if of_one_size and not model.teacher and model.hard:
        index = np.flatnonzero(batch.alpha > 0)
    if index.size:
        beyond[index] = batch.alpha[index] >= _ends(batch.take(index)) * (1 - AT_THE_END)
    if of_one_size and beyond.any():
        _, value = _scanned(batch.take(np.flatnonzero(beyond)))
        size = np.abs(value)
        fold = ((size[1:-1] < size[:-2]) & (size[1:-1] < size[2:]) & (size[1:-1] < NEAR_A_FOLD)).any(axis=0)
        beyond[beyond] = (np.sign(value) == np.sign(value[0])).all(axis=0) & ~fold
    return beyond


def _is_bounded(model: Model) -> bool:
    """Whether the branch ends at q = Q, as under a counting measure and on the sphere."""
    return getattr(model.weights, "probabilities", None) is None


def _ends(batch: Batch) -> np.ndarray:
    """Load of q -> Q at every point: computed once for each margin."""
    from .capacity import threshold

    _, first, back = np.unique(batch.kappa, return_index=True, return_inverse=True)
    found = np.nan_to_num(threshold(batch.take(first), "q-to-1")["value"], nan=np.inf, posinf=np.inf)
    return np.asarray(found[back])


def thermodynamic(batch: Batch) -> Columns:
    """Each point on its dominant branch."""
    model = batch.model
    if has_zero_overlap(model):
        columns = _named(batch, "q=0")
        if model.teacher:
            _learnt(columns)
            return columns
        broken = np.flatnonzero(columns.number["replicon"] < 0)
        if broken.size:
            # beyond the instability of q = 0 a solution with q > 0 takes over where there is one
            other = follow(batch.take(broken))
            other.info[other.q < 1e-8, CONVERGED] = 0.0
            columns.fill(broken, other, "typical")
            if isinstance(model.weights, Spherical) and model.hard:
                columns.clear(broken[~other.converged])
                _explain(columns)
        if isinstance(model, Tree) and isinstance(model.weights, Spherical):
            _overlapping(columns)
        if isinstance(model, Wide):
            beyond = np.flatnonzero((columns.branch == "q=0") & _beyond_the_end(batch))
            columns.clear(beyond)
            _explain(columns)
            _lowest(columns)
        columns.dominant[:] = True
        _sparse(columns)
        return columns
    columns = _named(batch, "typical")
    columns.dominant[:] = True
    _sparse(columns)
    if model.teacher and isinstance(model.weights, Discrete):
        # negative entropy, or a branch that ended with one: perfect learning has taken over
        _perfect(columns, np.flatnonzero(np.isin(columns.status, ("unphysical", "branch-ended"))))
    return columns


def _learnt(columns: Columns) -> None:
    """Beside a teacher that nothing is known of, R = 0: one with R > 0, or perfect learning, where its phi is larger."""
    batch = columns.batch
    index = np.flatnonzero(batch.alpha > 0)
    wide = isinstance(batch.model, Wide)  # one field: every branch can be looked at
    other = best_student(batch.take(index)) if wide else learnt(batch.take(index))
    with np.errstate(invalid="ignore"):
        better = other.converged & (other.phi > columns.number["free_entropy"][index] + TIE)
    columns.fill(index[better], other.pick(better), "typical")
    lost = index[~other.converged] if not wide else index[:0]
    if lost.size:  # phi is a maximum over R: one larger than at R = 0, or R = 0 unstable, and the answer is elsewhere
        part = batch.take(lost)
        trial = evaluate(part, learning_start(part), ALONG)
        unstable = columns.number["replicon"][lost] < 0
        sought = unstable | (trial.phi > columns.number["free_entropy"][lost] + TIE)
        lost = lost[sought]
        if isinstance(batch.model.weights, Discrete) and lost.size:
            # the largest phi of a finite set may be that at R = Q, perfect learning: so it is where no scan meets another
            scanned = other.pick(np.flatnonzero(np.isin(index, lost)))
            scanned = _best_of_scan(scanned)
            columns.fill(lost, scanned, "typical")
            perfect = (columns.number["free_entropy"][lost] < -TIE) & (scanned.converged | (trial.phi[sought] < 0))
            lost = lost[~scanned.converged & ~perfect]
        columns.clear(lost)
        columns.status[lost] = "not-converged"
        columns.message[lost] = "a student with R > 0 dominates, and was not reached"
    if isinstance(batch.model.weights, Discrete):
        _perfect(columns, np.flatnonzero(columns.number["free_entropy"] < -TIE))
    columns.dominant[:] = True


@lru_cache(maxsize=64)
def _along(model: Tree) -> tuple[np.ndarray, np.ndarray]:
    """Averages over patterns of several fields are dear, and linear in the load: where each overlap of the scan belongs.

    (logit q, log alpha at which it solves the one equation of a sphere, or log(q_hat/alpha) of a finite set).
    """
    logit = SCAN if isinstance(model.weights, Spherical) else SCAN[SCAN <= MOST_SCANNED]
    batch = make_batch(model, np.ones(logit.size))
    if not isinstance(model.weights, Spherical):
        return logit, np.array([start(batch.take(np.array([0])), float(x))[0, 1] for x in logit])
    once = _imbalance(evaluate(batch, logit[:, None], ALONG), 0)
    twice = _imbalance(evaluate(batch.take(np.array([0])).with_alpha(2.0), logit[:1, None], ALONG), 0)
    return logit, -once * np.sign(twice[0] - once[0])


def _overlapping(columns: Columns) -> None:
    """Where q = 0 is stable another saddle may be lower: the overlaps that lead to q = 1 at the capacity, beyond which none is."""
    batch = columns.batch
    index = np.flatnonzero((batch.alpha > 0) & (columns.branch == "q=0"))
    if not index.size:
        return
    gone = index[_beyond_the_end(batch.take(index))]
    columns.clear(gone)
    _explain(columns)
    logit, load = _along(batch.model)  # type: ignore[arg-type]
    for i in np.setdiff1d(index, gone):
        above = np.log(batch.alpha[i]) - load
        last = np.flatnonzero((above[:-1] >= 0) & (above[1:] < 0))  # q rises with the load
        if not last.size:
            continue
        k = int(last[-1])
        x = logit[k] + (logit[k + 1] - logit[k]) * above[k] / (above[k] - above[k + 1])
        other = newton(batch.take(np.array([i])), np.array([[x]]))
        if not other.converged[0]:
            other = evaluate(batch.take(np.array([i])), np.array([[x]]), ALONG)
            if other.phi[0] < columns.number["free_entropy"][i]:
                columns.clear(np.array([i]))
                columns.status[i], columns.message[i] = (
                    "not-converged",
                    f"grids do not resolve the saddle near q = {other.q[0]:.3g}",
                )
        elif other.phi[0] < columns.number["free_entropy"][i] - TIE:
            columns.fill(np.array([i]), other, "typical")


def _lowest(columns: Columns) -> None:
    """Where q = 0 is stable a saddle with q > 0 takes over as soon as its free entropy is lower (n -> 0)."""
    batch = columns.batch
    index = np.flatnonzero((batch.alpha > 0) & (columns.branch == "q=0"))
    if not index.size:
        return
    for other in _scan(batch.take(index)):
        with np.errstate(invalid="ignore"):
            lower = other.number["free_entropy"] < columns.number["free_entropy"][index] - TIE
        for k in np.flatnonzero(lower):
            i = index[k]
            for mine, theirs in ((columns.number, other.number), (columns.error, other.error)):
                for name in mine:
                    mine[name][i] = theirs[name][k]
            columns.status[i], columns.message[i], columns.branch[i] = other.status[k], other.message[k], "typical"


def _overtaken(columns: Columns) -> None:
    """Where one step of replica symmetry breaking takes over discontinuously, q = 0 is stable, and not dominant.

    Trees of several fields are not looked at: a minute a load.
    """
    batch = columns.batch
    model = batch.model
    one_field = isinstance(model, Wide) or (isinstance(model, Perceptron) and isinstance(model.weights, Spherical))
    if not one_field or model.teacher or batch.beta is not None or not has_zero_overlap(model):
        return
    from .discontinuous import condensed

    stable = (columns.branch == "q=0") & (columns.status == "converged") & (columns.number["replicon"] > 0) & (batch.alpha > 0)
    for i in np.flatnonzero(stable):
        kappa = float(batch.kappa[i]) if model.margin else None
        if condensed(model, kappa, float(batch.alpha[i])):
            columns.dominant[i], columns.message[i] = False, OVERTAKEN


def _sparse(columns: Columns) -> None:
    """W = 0 satisfies every pattern with room to spare: a saddle of small Q coexists, and wins where its phi is larger."""
    from .capacity import zero_vector_solves

    batch = columns.batch
    index = (
        np.flatnonzero(zero_vector_solves(batch) & (batch.alpha > 0))
        if not batch.model.teacher
        else np.empty(0, dtype=int)
    )
    if not index.size or batch.beta is not None:
        return
    part, even = batch.take(index), has_zero_overlap(batch.model)
    for shrink in SHARES:
        solution = zero_overlap(part, shrink=shrink) if even else newton(part, start(part, 0.0, shrink))
        phi = columns.number["free_entropy"][index]
        with np.errstate(invalid="ignore"):
            better = solution.converged & ~(solution.phi <= phi + 1e-9)
        if better.any():
            columns.status[index[better]], columns.message[index[better]] = "converged", ""
            columns.fill(index[better], solution.pick(better), "q=0" if even else "sparse")
    lost = index[columns.status[index] != "converged"]
    columns.dominant[lost] = False
    columns.message[lost] = (
        "the zero weight vector satisfies every pattern: sparse weights dominate, and their saddle was not reached"
    )


def _empty(columns: Columns, index: np.ndarray) -> None:
    """alpha = 0 or beta = 0: patterns do not act, what is left is the measure itself."""
    if not index.size:
        return
    w = columns.batch.model.weights
    n, e = columns.number, columns.error
    if isinstance(w, Discrete):
        p = np.exp(np.array(w.log_measure))
        v = np.array(w.values)
        mean, square, phi = p @ v / p.sum(), p @ v**2 / p.sum(), np.log(p.sum())
    else:
        mean, square, phi = 0.0, 1.0, 0.0
    for name, value in {
        "q": mean**2,
        "q_hat": 0.0,
        "Q": square,
        "one_minus_q": square - mean**2,
        "free_entropy": phi,
        "entropy": phi,
        "replicon": 1.0,
        "residual": 0.0,
    }.items():
        n[name][index] = value
        if name in e:
            e[name][index] = 2e-16 * abs(value)
    if columns.batch.beta is not None:
        n["energy"][index] = columns.batch.alpha[index] * _violated(columns.batch.take(index), square)
        e["energy"][index] = 1e-15 * columns.batch.alpha[index]
    columns.status[index] = "converged"
    columns.branch[index] = "q=0" if has_zero_overlap(columns.batch.model) else "typical"


def _violated(batch: Batch, norm: float) -> np.ndarray:
    """Probability that a Gaussian field of variance Q violates its constraint."""
    from scipy.special import ndtr

    k = batch.kappa / np.sqrt(norm)
    return ndtr(k) if batch.model.likelihood == "threshold" else 2 * ndtr(-k)


def _perfect(columns: Columns, index: np.ndarray) -> None:
    """R = Q: the student is the teacher; one configuration, entropy 0, for every alpha > 0."""
    from ..numerics.saddle import fixed_norm

    n, e = columns.number, columns.error
    norm = fixed_norm(columns.batch.model)
    for name, value in {
        "q": norm,
        "q_hat": np.inf,
        "Q": norm,
        "one_minus_q": 0.0,
        "free_entropy": 0.0,
        "entropy": 0.0,
        "replicon": 1.0,
        "residual": 0.0,
        "condition": np.nan,  # nothing was solved
    }.items():
        n[name][index] = value
        if name in e:
            e[name][index] = 0.0
    columns.status[index] = "converged"
    columns.message[index] = ""
    columns.branch[index] = "perfect"


def _explain(columns: Columns) -> None:
    """Say why a point has no answer."""
    batch = columns.batch
    missing = np.flatnonzero(columns.status == "no-solution")
    if not missing.size:
        return
    if batch.model.teacher:
        for i in missing:
            ended = columns.ended[i]
            columns.status[i] = "branch-ended" if ended else "not-converged"
            columns.message[i] = (
                "the R < 1 branch has ended below this load"
                if ended
                else "the R < 1 branch could not be followed to this load"
            )
        return
    end = np.full(missing.size, np.inf)
    if batch.model.hard and _is_bounded(batch.model):
        end = _ends(batch.take(missing))
    for i, top in zip(missing, end):
        if batch.alpha[i] >= top * (1 - AT_THE_END):
            columns.message[i] = (
                f"no replica-symmetric saddle: q reaches Q at the load {top:.6g} (capacity with criterion q-to-1)"
            )
        else:
            columns.status[i] = "not-converged"
            columns.message[i] = "no start reached a residual below 1e-10"


def result(batch: Batch, columns: Columns) -> SaddlePoint | Curve:
    return columns.build(batch.shape)


def _imbalance(solution: Solution, equation: int) -> np.ndarray:
    """log(positive terms/negative terms) of one saddle-point equation."""
    return solution.results[:, solution.module.AT_ALPHA - solution.nu + equation]


def _plain_point(batch: Batch) -> SaddlePoint | None:
    """The common case without the machinery of columns: one point of a storage model whose branch needs no choice."""
    model = batch.model
    if (
        model.teacher
        or has_zero_overlap(model)
        or (isinstance(model.weights, Discrete) and 0.0 in model.weights.values)
        or batch.alpha[0] == 0
        or (batch.beta is not None and batch.beta[0] == 0)
        or (isinstance(model, Tree | Wide) and _beyond_the_end(batch)[0])
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


def _scan(batch: Batch) -> list[Columns]:
    """Further solutions: along q with the conjugates from their explicit equations, Newton from every change of sign.

    With a free self-overlap there is no single equation left to watch, and every point of the scan is tried.
    """
    out: list[Columns] = []
    for index, solution in _solutions(batch):
        columns = Columns(batch)
        columns.fill(index, solution, "middle")
        if batch.model.teacher:  # the replicon of a student drawn from the posterior says whether phi is a maximum
            columns.branch[(columns.branch == "middle") & (columns.number["replicon"] > 0)] = "typical"
        out.append(columns)
    return out


def best_student(batch: Batch) -> Solution:
    """With a teacher, the student with R > 0 of largest phi that is a maximum of it; not converged where there is none."""
    best = learnt(batch)
    best.info[best.extra("replicon") <= 0, CONVERGED] = 0.0
    return _best_of_scan(best)


def _best_of_scan(best: Solution) -> Solution:
    """Each point at the maximum of largest phi that a scan of R meets, where it is above that of ``best``."""
    for index, solution in _solutions(best.batch):
        better = solution.converged & (solution.extra("replicon") > 0)
        better &= ~best.converged[index] | (solution.phi > best.phi[index] + TIE)
        best.put(index[better], solution.pick(better))
    return best


def _solutions(batch: Batch) -> Iterator[tuple[np.ndarray, Solution]]:
    """What the scan meets: points of the batch, and a solution of each, some of them not converged."""
    positive = np.flatnonzero(batch.alpha > 0)
    if not positive.size:
        return
    part = batch.take(positive)
    starts, value = _scanned(part)
    if starts[0].shape[1] > 2:
        tries = [(np.arange(positive.size), x) for x in starts]
    else:
        tries = []
        for k in range(1, len(starts)):
            index = np.flatnonzero(value[k - 1] * value[k] < 0)
            low, high = starts[k - 1][index], starts[k][index]
            share = value[k - 1][index] / (value[k - 1] - value[k])[index]
            tries.append((index, low + share[:, None] * (high - low)))
        for k in range(1, len(starts) - 1):  # close to a fold both roots hide where the imbalance is smallest
            size = np.abs(value[k - 1 : k + 2])
            index = np.flatnonzero((size[1] < size[0]) & (size[1] < size[2]) & (size[1] < NEAR_A_FOLD))
            tries += [(index, starts[j][index]) for j in (k - 1, k, k + 1)]
    found: list[tuple[int, float]] = []
    for index, x in tries:
        if not index.size:
            continue
        solution = _polished_once(part.take(index), x, found, index)
        solution.info[(solution.q < 1e-8) | (solution.gap < 1e-12), CONVERGED] = 0.0
        yield positive[index], solution


def _scanned(part: Batch) -> tuple[list[np.ndarray], np.ndarray]:
    """Unknowns at every overlap of the scan, and the imbalance of the equation that explicit conjugates do not solve already."""
    model = part.model
    if isinstance(model, Tree) and (isinstance(model.weights, Spherical) or model.weights.fixed_norm is not None):
        logit, known = _along(model)
        load = np.log(part.alpha)
        if isinstance(model.weights, Spherical):
            return [np.full((part.size, 1), x) for x in logit], load - known[:, None]
        starts = [np.column_stack([np.full(part.size, x), load + y]) for x, y in zip(logit, known, strict=True)]
        of_weights = make_batch(model.perceptron, part.alpha)  # with the same equation of the weights
        return starts, np.array([_imbalance(evaluate(of_weights, x, 0), 1) for x in starts])
    starts = [start(part, float(x)) for x in (SCAN[SCAN <= MOST_SCANNED] if isinstance(model, Tree) else SCAN)]
    last = starts[0].shape[1] - 1
    if last > 1:
        return starts, np.empty(0)
    return starts, np.array([_imbalance(evaluate(part, x, 0), last) for x in starts])


def _polished_once(part: Batch, x: np.ndarray, found: list[tuple[int, float]], index: np.ndarray) -> Solution:
    """Newton from ``x`` at the points ``index``, and, where that is dear, only for what coarse grids do not know already."""
    rough = newton(part, x, rough=True)
    if part.model.fields == 1:
        return rough
    for k, (i, at) in enumerate(zip(index, rough.x[:, 0], strict=True)):
        if not rough.converged[k]:
            rough.put(np.array([k]), newton(part.take(np.array([k])), x[k : k + 1]))
        elif any(i == j and abs(at - known) < SAME_BRANCH for j, known in found):
            rough.info[k, CONVERGED] = 0.0
        else:
            found.append((int(i), float(at)))
    return polished(rough)


def _all_branches(batch: Batch) -> Curve:
    """Every branch found at every point: the typical one, q = 0, perfect learning, and others met in a scan of q."""
    model = batch.model
    found: list[tuple[str, Columns]] = []
    main = thermodynamic(batch)
    found.append(("main", main))
    extra_names = ["q=0"] if has_zero_overlap(model) else []
    if model.teacher and isinstance(model.weights, Discrete):
        extra_names += ["typical", "perfect"]
    for name in extra_names:
        named = _named(batch, name)
        if name == "typical" and has_zero_overlap(model):  # no branch with R > 0 starts at alpha = 0
            named.branch[(named.branch == "typical") & (named.number["replicon"] < 0)] = "middle"
        found.append((name, named))
    for columns in _scan(batch):
        found.append(("scan", columns))
    rows: list[tuple[int, Columns]] = []
    seen: list[list[float]] = [[] for _ in range(batch.size)]
    for _, columns in found:
        for i in range(batch.size):
            if not np.isfinite(columns.number["q"][i]):
                continue
            key = float(np.log(max(columns.number["one_minus_q"][i], 1e-300)) + columns.number["q"][i])
            if any(abs(key - k) < SAME_BRANCH for k in seen[i]):
                continue
            seen[i].append(key)
            rows.append((i, columns))
    for i in set(range(batch.size)) - {i for i, _ in rows}:  # no branch at all: say so
        rows.append((i, main))
    rows.sort(key=lambda r: (r[0], r[1].number["q"][r[0]]))
    merged = Columns(batch.take(np.array([i for i, _ in rows], dtype=int)))
    for k, (i, columns) in enumerate(rows):
        for name in merged.number:
            merged.number[name][k] = columns.number[name][i]
        for name in merged.error:
            merged.error[name][k] = columns.error[name][i]
        merged.status[k], merged.message[k], merged.branch[k] = (
            columns.status[i],
            columns.message[i],
            columns.branch[i],
        )
        if not model.teacher:  # of random patterns phi is no maximum: the branch that `thermodynamic` takes
            merged.dominant[k] = columns is main and bool(main.dominant[i])
            continue
        best = max(
            (c.number["free_entropy"][i] for j, c in rows if j == i and c.branch[i] != "middle"),
            default=-np.inf,
        )
        if main.status[i] == "not-converged":  # what would dominate is not known
            continue
        # at a transition two branches tie: both are dominant to within their errors
        tie = columns.error["free_entropy"][i] + TIE
        merged.dominant[k] = columns.number["free_entropy"][i] >= best - tie and columns.branch[i] != "middle"
    curve = merged.build((len(rows),))
    assert isinstance(curve, Curve)
    return curve
