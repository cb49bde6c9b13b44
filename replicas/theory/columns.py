"""Flat columns of replica-symmetric answers while they are assembled: numbers, errors, status and branch of every point."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..models import Discrete, Model, Spherical
from ..numerics.saddle import ROUNDING, Batch, Solution, fixed_norm, has_zero_overlap
from ..results import Curve, SaddlePoint, verdict

CONDITION_REPORTED = 1e3  # condition numbers above this are part of the answer
REPLICON_ROUNDING = 5e-15  # of a product of two averages of squares
TIE = 1e-14  # free entropies closer than this are equal to rounding
NEGATIVE = "negative entropy: no typical solutions here (above capacity or below the freezing temperature)"
LEARNT_ALL = "negative entropy: perfect learning has taken over"
BETWEEN = "negative entropy: a saddle between two students, not a phase"
ERRORS = ("q", "q_hat", "Q", "lam", "free_entropy", "entropy", "energy", "replicon")
Values = dict[str, Any]


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

    def copy(self, at: int, other: Columns, row: int) -> None:
        """Take over a point of other columns, all but whether it dominates."""
        for mine, theirs in ((self.number, other.number), (self.error, other.error)):
            for name in mine:
                mine[name][at] = theirs[name][row]
        self.status[at], self.message[at], self.branch[at] = other.status[row], other.message[row], other.branch[row]
        if self.branch[at] == "middle" and self.message[at] == LEARNT_ALL:
            self.message[at] = BETWEEN

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


def fill_empty(columns: Columns, index: np.ndarray) -> None:
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


def fill_perfect(columns: Columns, index: np.ndarray) -> None:
    """R = Q: the student is the teacher; one configuration, entropy 0, for every alpha > 0."""

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


def result(batch: Batch, columns: Columns) -> SaddlePoint | Curve:
    return columns.build(batch.shape)
