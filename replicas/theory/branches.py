"""Branches of replica-symmetric saddle points: one by name, all that coexist, and the one that dominates."""

from __future__ import annotations

import numpy as np

from ..models import Discrete, Perceptron, Spherical, Tree
from ..numerics.saddle import (
    CONVERGED,
    Batch,
    evaluate,
    follow,
    has_zero_overlap,
    learning_start,
    learnt,
    newton,
    start,
    zero_overlap,
)
from ..results import Curve
from ..wide import Wide
from .columns import TIE, Columns, fill_empty, fill_perfect
from .ends import beyond_the_end, explain
from .scan import ALONG, SAME_BRANCH, along, best_of_scan, best_student, solutions

OVERTAKEN = "stable against small overlaps only: ansatz 1rsb has a lower free entropy, past a discontinuous transition"
SHARES = (0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3)  # of the free self-overlap, from which sparse saddles are sought


def named_branch(batch: Batch, branch: str) -> Columns:
    """Each point on the branch of this name, where there is one."""
    columns = Columns(batch)
    index = np.arange(batch.size)
    if branch == "perfect":
        fill_perfect(columns, index)
        return columns
    acting = batch.alpha > 0 if batch.beta is None else (batch.alpha > 0) & (batch.beta > 0)
    if branch == "typical":
        acting &= ~beyond_the_end(batch)
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
    fill_empty(columns, index[(batch.alpha == 0) if batch.beta is None else (batch.alpha == 0) | (batch.beta == 0)])
    explain(columns)
    return columns


def thermodynamic(batch: Batch) -> Columns:
    """Each point on its dominant branch."""
    model = batch.model
    if has_zero_overlap(model):
        columns = named_branch(batch, "q=0")
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
                explain(columns)
        if isinstance(model, Tree) and isinstance(model.weights, Spherical):
            _overlapping(columns)
        if isinstance(model, Wide):
            beyond = np.flatnonzero((columns.branch == "q=0") & beyond_the_end(batch))
            columns.clear(beyond)
            explain(columns)
            _lowest(columns)
        columns.dominant[:] = True
        _sparse(columns)
        return columns
    columns = named_branch(batch, "typical")
    columns.dominant[:] = True
    _sparse(columns)
    if model.teacher and isinstance(model.weights, Discrete):
        # negative entropy, or a branch that ended with one: perfect learning has taken over
        fill_perfect(columns, np.flatnonzero(np.isin(columns.status, ("unphysical", "branch-ended"))))
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
            scanned = best_of_scan(scanned)
            columns.fill(lost, scanned, "typical")
            perfect = (columns.number["free_entropy"][lost] < -TIE) & (scanned.converged | (trial.phi[sought] < 0))
            lost = lost[~scanned.converged & ~perfect]
        columns.clear(lost)
        columns.status[lost] = "not-converged"
        columns.message[lost] = "a student with R > 0 dominates, and was not reached"
    if isinstance(batch.model.weights, Discrete):
        fill_perfect(columns, np.flatnonzero(columns.number["free_entropy"] < -TIE))
    columns.dominant[:] = True


def _overlapping(columns: Columns) -> None:
    """Where q = 0 is stable another saddle may be lower: the overlaps that lead to q = 1 at the capacity, beyond which none is."""
    batch = columns.batch
    index = np.flatnonzero((batch.alpha > 0) & (columns.branch == "q=0"))
    if not index.size:
        return
    gone = index[beyond_the_end(batch.take(index))]
    columns.clear(gone)
    explain(columns)
    left = np.setdiff1d(index, gone)
    if not left.size:
        return
    logit, load = along(batch.model)  # type: ignore[arg-type]
    for i in left:
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
            columns.copy(index[k], other, int(k))
            columns.branch[index[k]] = "typical"


def mark_overtaken(columns: Columns) -> None:
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


def _scan(batch: Batch) -> list[Columns]:
    """Further solutions: along q with the conjugates from their explicit equations, Newton from every change of sign.

    With a free self-overlap there is no single equation left to watch, and every point of the scan is tried.
    """
    out: list[Columns] = []
    for index, solution in solutions(batch):
        columns = Columns(batch)
        columns.fill(index, solution, "middle")
        if batch.model.teacher:  # the replicon of a student drawn from the posterior says whether phi is a maximum
            columns.branch[(columns.branch == "middle") & (columns.number["replicon"] > 0)] = "typical"
        out.append(columns)
    return out


def all_branches(batch: Batch) -> Curve:
    """Every branch found at every point: the typical one, q = 0, perfect learning, and others met in a scan of q."""
    main = thermodynamic(batch)
    rows = _coexisting(batch, main)
    merged = Columns(batch.take(np.array([i for i, _ in rows], dtype=int)))
    for k, (i, columns) in enumerate(rows):
        merged.copy(k, columns, i)
        if not batch.model.teacher:  # of random patterns phi is no maximum: the branch that `thermodynamic` takes
            merged.dominant[k] = columns is main and bool(main.dominant[i])
            continue
        best = max((c.number["free_entropy"][i] for j, c in rows if j == i and c.branch[i] != "middle"), default=-np.inf)
        if main.status[i] == "not-converged":  # what would dominate is not known
            continue
        # at a transition two branches tie: both are dominant to within their errors
        tie = columns.error["free_entropy"][i] + TIE
        merged.dominant[k] = columns.number["free_entropy"][i] >= best - tie and columns.branch[i] != "middle"
    curve = merged.build((len(rows),))
    assert isinstance(curve, Curve)
    return curve


def _coexisting(batch: Batch, main: Columns) -> list[tuple[int, Columns]]:
    """(point, the columns that hold a branch there) for every one found beside the dominant one, ordered by point and overlap."""
    model = batch.model
    found = [main]
    extra_names = ["q=0"] if has_zero_overlap(model) else []
    if model.teacher and isinstance(model.weights, Discrete):
        extra_names += ["typical", "perfect"]
    for name in extra_names:
        named = named_branch(batch, name)
        if name == "typical" and has_zero_overlap(model):  # no branch with R > 0 starts at alpha = 0
            named.branch[(named.branch == "typical") & (named.number["replicon"] < 0)] = "middle"
        found.append(named)
    found += _scan(batch)
    rows: list[tuple[int, Columns]] = []
    seen: list[list[float]] = [[] for _ in range(batch.size)]
    for columns in found:
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
    return sorted(rows, key=lambda r: (r[0], r[1].number["q"][r[0]]))


def between(batch: Batch, main: Columns) -> Columns:
    """The unstable branch between two others at each point, that of smallest overlap; where none was met, that is said."""
    columns = Columns(batch)
    rows = _coexisting(batch, main)
    for i, found in reversed(rows):
        if found.branch[i] == "middle":
            columns.copy(i, found, i)
    several = np.bincount([i for i, _ in rows], minlength=batch.size) > 1
    missing = columns.branch == ""
    columns.message[missing] = "no other branch coexists here, so none lies between two"
    columns.status[missing & several] = "not-converged"  # where two students are maxima a saddle lies between
    columns.message[missing & several] = "branches coexist here, and a scan of overlaps met none between them"
    return columns
