r"""Storage capacity, and its inverse: the largest margin at a given load.

Criteria, each labelled in the result:

- ``zero-entropy``: the replica-symmetric entropy of a finite weight set vanishes (the SAT/UNSAT threshold where the RS
  saddle is stable, e.g. binary weights);
- ``q-to-1``: the volume shrinks to a point, 1/alpha_c = E d(t)^2 for the sphere; for finite sets the *naive* limit, not
  the capacity (4/pi for binary weights at kappa = 0);
- ``first-moment``: the annealed entropy vanishes; exact for even likelihoods while q = 0 dominates, else an upper bound.
"""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cli.support import ANSATZES
from ..committees import Committee
from ..models import Discrete, Model, Perceptron, Spherical, Tree, support_model
from ..numerics.saddle import (
    Batch,
    Solution,
    check_units,
    evaluate,
    first_crossing,
    follow,
    has_zero_overlap,
    make_batch,
    zero_overlap,
)
from ..results import Estimate, verdict
from ..wide import Wide
from .ansatz import (
    asked_digits,
    check_ansatz,
    check_digits,
    check_model_ansatz,
    check_steps,
    of_one_unit,
    units_refused,
)

CRITERIA = ("zero-entropy", "q-to-1", "first-moment")
ALONG_KAPPA = 0.1  # step in kappa along which a root that no start reaches is followed from small margins
FARTHEST_KAPPA = 50.0  # up to which it is
LIMIT_ARGUMENTS = ("a", "b", "Q", "alpha")  # of the functions of the q -> 1 limit, before kappa
FREEZING_LOADS = np.geomspace(0.02, 2e3, 60)  # scanned for the zero of the entropy of a soft likelihood
FIRST_MOMENT_SHARE = 0.8  # of the annealed bound, where the search for the zero of the entropy starts
VANISHING = (
    "Zero of the entropy; where replica symmetry is unstable (ansatz not rs) that of the saddle with broken symmetry."
)
FROZEN = "states freeze into single configurations (q1 = Q), with the capacity of replica symmetry"
JUMPS = (
    "infinitely many such units store any load: C'(q) diverges at q = 1, E g'^2 being infinite. K -> infinity was taken before q -> 1; at "
    "finite K the capacity is finite and grows with K"
)
MARGINAL = 1e-12  # replicon counted as zero: rounding of a product of O(1) averages

if TYPE_CHECKING:
    from ..symbolic.functional import Functional

Flat = dict[str, np.ndarray]


def default_criterion(model: Model) -> str:
    """The criterion that defines the replica-symmetric capacity of this model."""
    if isinstance(model.weights, Spherical):
        return "q-to-1"
    if isinstance(model, Wide):  # whose q = 0 may be unstable before its entropy vanishes
        return "zero-entropy"
    return "first-moment" if has_zero_overlap(model) else "zero-entropy"


@of_one_unit
def capacity(
    model: Model,
    ansatz: str = "rs",
    criterion: str | None = None,
    digits: int | None = None,
    certified: bool = False,
    *,
    kappa: Any = None,
    beta: Any = None,
    k: int | None = None,
) -> Estimate:
    """Critical load alpha_c of a storage problem.

    Parameters
    ----------
    ansatz : "rs"; "1rsb", "krsb" with ``k`` steps (default 2), "frsb" on a grid of ``k`` intervals (None: as many as the error needs). Breaking
        lowers the capacity of spherical weights where solutions are not a convex set (kappa < 0, windows, tree machines:
        "1rsb" up to 9 units, "krsb" with 2 steps for the committee of three); elsewhere, and for finite sets, whose frozen
        states have the same capacity, the answer is the symmetric one, labelled "rs".
    model : storage model. With a soft likelihood (finite beta, or one that never forbids) on a finite weight set the
        answer is the freezing load, at which the entropy of the Gibbs measure vanishes, and says so.
    criterion : None for the model's own, or "zero-entropy", "q-to-1", "first-moment".
    digits : None for double precision, or how many digits (1 to 10,000); values are then mpmath numbers that carry them.
    certified : prove a ball that holds the exact value (python-flint; 15 digits unless ``digits`` says otherwise);
        ``statement`` says what is proved and what is assumed.
    kappa, beta : override the model's own; arrays give arrays.

    Returns
    -------
    Estimate with value, error, criterion, order_parameters, stable (replicon at the threshold) and statement.
    Status ``not-certified``, with the reason and no number, where a certificate could not be completed;
    ``unsupported`` where the question has no meaning, ``diverges`` where every pattern is satisfied.

    Raises
    ------
    ValueError : unknown criterion or ansatz; zero-entropy for spherical weights or given probabilities.
    """
    check_ansatz(ansatz, ANSATZES)
    steps = check_steps(ansatz, k)
    if isinstance(model, Committee):
        from . import committee_answers

        return committee_answers.capacity(model, ansatz)
    wanted = check_digits(digits, certified)
    if criterion not in (None, *CRITERIA):
        raise ValueError(f"criterion: got {criterion!r}; takes {', '.join(CRITERIA)}")
    if isinstance(model, Tree) and isinstance(model.weights, Spherical):
        from . import tree_capacity

        check_units(model, kappa, beta, most=None)
        if ansatz != "krsb":  # of which two steps of three units are known at q -> 1
            check_model_ansatz(model, ansatz)
        return tree_capacity.spherical(model, ansatz, criterion, wanted, certified, steps)
    batch = make_batch(model, 1.0, kappa, beta)
    chosen = criterion or default_criterion(model)
    reason = unsupported(model)
    if reason:
        return refused(model, "capacity", chosen, reason, batch, kappa=batch.out(batch.kappa) if model.margin else None)
    if not isinstance(model, Perceptron) and wanted is not None:
        closed = "; spherical weights have a closed form" if isinstance(model, Tree) else ""
        raise units_refused(*asked_digits(wanted, certified), f"its equations are solved in double precision{closed}")
    if isinstance(model, Perceptron) and model.forbids and not model.hard:
        found = capacity(support_model(model), ansatz, criterion, digits, certified, k=k)
        return dataclasses.replace(found, model=model)
    if not model.hard and chosen != "zero-entropy":
        if criterion is not None:
            raise ValueError(f"criterion: got {criterion!r} with a likelihood that never forbids; takes zero-entropy")
        chosen = "zero-entropy"
    if chosen == "zero-entropy":
        if isinstance(model.weights, Spherical):
            raise ValueError(
                "criterion: got 'zero-entropy' with spherical weights, whose entropy has no zero level; takes q-to-1"
            )
        if model.weights.probabilities is not None:
            raise ValueError(
                "criterion: got 'zero-entropy' with given probabilities; takes counting measure (rp.Discrete without probabilities)"
            )
    if chosen == "first-moment" and isinstance(model.weights, Spherical):
        raise ValueError(
            "criterion: got 'first-moment' with spherical weights, whose volume is not a count; takes q-to-1"
        )
    if ansatz != "rs":
        return _broken(batch, ansatz, steps, chosen, criterion, wanted, certified, kappa, beta)
    found = _estimate(batch, chosen, threshold(batch, chosen))
    if wanted is None:
        return found
    from . import digits as precise

    kind = "limit" if chosen == "q-to-1" else "entropy"
    given = precise.inputs(model, kappa=kappa, beta=beta)
    if certified:
        from . import certificates

        return certificates.estimate(found, given, wanted, model, kind)  # type: ignore[no-any-return]
    return precise.estimate(found, given, wanted, model, kind)  # type: ignore[no-any-return]


def _broken(
    batch: Batch,
    ansatz: str,
    steps: int | None,
    chosen: str,
    criterion: str | None,
    wanted: int | None,
    certified: bool,
    kappa: Any,
    beta: Any,
) -> Estimate:
    """Capacity with broken replica symmetry: a limit of its own on the sphere, the frozen one of a finite set."""
    model = batch.model
    check_model_ansatz(model, ansatz)
    if not model.hard:
        raise ValueError(
            f"ansatz: got {ansatz!r} with a likelihood that never forbids, whose freezing load is where the symmetric entropy "
            "vanishes; takes rs"
        )
    if certified or (wanted is not None and ansatz != "1rsb"):
        name, value = ("certified", certified) if certified else ("digits", wanted)
        raise ValueError(
            f"{name}: got {value!r} with ansatz {ansatz}; takes it with rs"
            + (", digits with 1rsb too" * (not certified))
        )
    if not isinstance(model.weights, Spherical):
        if wanted is not None:
            raise ValueError(f"digits: got {wanted} with ansatz {ansatz} and a finite weight set; takes ansatz rs")
        return _finite(_estimate(batch, chosen, threshold(batch, chosen)), batch, ansatz, steps or 1)
    if criterion not in (None, "q-to-1"):
        raise ValueError(f"criterion: got {criterion!r} with ansatz {ansatz} and spherical weights; takes q-to-1")
    from .jamming import capacity_of

    fields = capacity_of(batch, ansatz, steps)
    statement = {
        "1rsb": "One step of replica symmetry breaking, q1 -> 1 at fixed m/(1 - q1): an upper bound, lowered by further steps.",
        "krsb": f"{steps} steps of replica symmetry breaking at q_k -> 1: an upper bound, lowered by further steps.",
        "frsb": "Full replica symmetry breaking at q -> 1: the SAT/UNSAT (jamming) threshold.",
    }[ansatz]
    found = Estimate(
        model=model,
        question="capacity",
        criterion="q-to-1",
        statement="" if np.all(fields["status"] == "diverges") else statement + first_limit(model),
        kappa=batch.out(batch.kappa) if model.margin else None,
        beta=None if batch.beta is None else batch.out(batch.beta),
        **fields,
    )
    if wanted is None:
        return found
    from . import digits as precise

    given = precise.inputs(model, kappa=kappa, beta=beta)
    return precise.broken_capacity(found, given, wanted)  # type: ignore[no-any-return]


def _finite(found: Estimate, batch: Batch, ansatz: str, steps: int) -> Estimate:
    """Capacity of a finite set: states freeze into single configurations where the symmetric saddle is stable.

    Elsewhere the entropy of the broken saddle vanishes earlier than the symmetric one.
    """
    from .vanishing import zero_entropy

    columns = {
        n: np.ravel(np.asarray(getattr(found, n), dtype=object)).copy()
        for n in ("value", "error", "status", "message", "stable")
    }
    labels = np.full(batch.size, "rs", dtype=object)
    order: dict[str, np.ndarray] = {
        k: np.ravel(np.asarray(v, dtype=object)).copy() for k, v in found.order_parameters.items()
    }
    for i in range(batch.size):
        if columns["status"][i] != "converged":
            continue
        if columns["stable"][i]:
            columns["message"][i] = FROZEN
            continue
        one = zero_entropy(batch.take(np.array([i])), float(columns["value"][i]), ansatz, steps)
        labels[i] = one.ansatz
        replicons = [v for n, v in one.numbers.items() if n.startswith("replicon")]
        columns["value"][i], columns["error"][i] = one.numbers.get("value", np.nan), one.errors.get("value", np.nan)
        columns["status"][i], columns["message"][i] = one.status, one.message
        columns["stable"][i] = min(replicons) > 0 if replicons else None
        for old in order.values():
            old[i] = np.nan
        for name in ("q0", "q1", "m", "Q", "lam", *(f"replicon{j}" for j in range(steps + 1))):
            if name in one.numbers:
                order.setdefault(name, np.full(batch.size, np.nan, dtype=object))[i] = one.numbers[name]
    value, error = (batch.out(columns[n].astype(float)) for n in ("value", "error"))
    kept = {k: batch.out(v.astype(float)) for k, v in order.items() if not np.isnan(v.astype(float)).all()}
    broken = (labels != "rs").any()
    return dataclasses.replace(
        found,
        ansatz=batch.out(labels),
        criterion="zero-entropy" if broken else found.criterion,
        statement=VANISHING + first_limit(batch.model, "zero-entropy") if broken else found.statement,
        value=value,
        error=error,
        errors={"value": error, **{k: v for k, v in found.errors.items() if k in kept and (labels == "rs").all()}},
        order_parameters=kept,
        **{n: batch.out(columns[n]) for n in ("status", "message", "stable")},
    )


def limit_start(model: Model, kappa: float) -> dict[str, float]:
    """Double-precision unknowns of the q -> 1 limit: where a root of more digits starts."""
    flat = _q_to_one(make_batch(plain(model), 1.0, kappa if model.margin else None))
    return {k: float(flat[k][0]) for k in ("a", "b", "Q")}


def refused(model: Model, question: str, criterion: str, reason: str, batch: Batch, **inputs: Any) -> Estimate:
    """A question without meaning for the model, in the shape it was asked in."""
    full = np.full(batch.size, "unsupported", dtype=object), np.full(batch.size, reason, dtype=object)
    status, message = (batch.out(v) for v in full)
    nothing = batch.out(np.full(batch.size, np.nan)) if batch.shape else None
    return Estimate(
        model=model, question=question, value=nothing, criterion=criterion, status=status, message=message, **inputs
    )


def unsupported(model: Model) -> str:
    if model.teacher:
        return "a teacher-student problem always has a solution: see transitions"
    if not model.hard and not model.forbids and isinstance(model.weights, Spherical):
        return "no SAT/UNSAT threshold: violated patterns keep a positive weight (see ground_state)"
    return ""


def threshold(batch: Batch, criterion: str) -> Flat:
    """Flat columns value, error, status, replicon and order parameters of one criterion."""
    if not batch.model.hard:
        return _freezing(batch)
    trivial = zero_vector_solves(batch)
    if trivial.any():
        out = _allocate(batch, trivial)
        if (~trivial).any():
            rest = threshold(batch.take(np.flatnonzero(~trivial)), criterion)
            for name, column in rest.items():
                out.setdefault(name, np.full(batch.size, np.nan))[~trivial] = column
        return out
    if criterion == "q-to-1":
        return _q_to_one(batch)
    if criterion == "first-moment" or (criterion == "zero-entropy" and has_zero_overlap(batch.model)):
        solution = zero_overlap(batch.with_alpha(_annealed(batch)), zero=True)
        flat = _columns(solution, zero=True)
        broken = np.flatnonzero(flat["replicon"] < 0)
        if (
            criterion == "zero-entropy" and broken.size
        ):  # q = 0 is unstable there: the saddle with q > 0, if there is one
            part = batch.take(broken)
            other = follow(part.with_alpha(FIRST_MOMENT_SHARE * solution.alpha[broken]), zero=True)
            found = _columns(other)
            use = other.converged & (other.q > 1e-6)
            for name, column in flat.items():
                column[broken[use]] = found[name][use]
        return flat
    flat = _columns(follow(batch.with_alpha(FIRST_MOMENT_SHARE * _annealed(batch)), zero=True))
    within = (batch.kappa > ALONG_KAPPA) & (batch.kappa < FARTHEST_KAPPA)
    for i in np.flatnonzero(within & ~flat["ok"]) if batch.model.margin and batch.beta is None else ():
        steps = np.linspace(0, batch.kappa[i], math.ceil(batch.kappa[i] / ALONG_KAPPA) + 1)[1:]  # the root of each starts the next
        way = make_batch(plain(batch.model), np.ones(steps.size), steps)
        found = _columns(follow(way.with_alpha(FIRST_MOMENT_SHARE * _annealed(way)), zero=True))
        for name, column in flat.items():
            column[i] = found[name][-1]
    return flat


def _freezing(batch: Batch) -> Flat:
    """Soft likelihood on a finite set: the load at which the entropy phi - alpha <log Theta> of the Gibbs measure vanishes."""
    zero = has_zero_overlap(batch.model)
    out = _allocate(batch, np.zeros(batch.size, dtype=bool))
    out["positive"] = np.zeros(batch.size, dtype=bool)
    for i in range(batch.size):
        try:
            found = first_crossing(batch.take(np.array([i])), FREEZING_LOADS, lambda s: s.entropy)
        except ArithmeticError:
            continue
        if found is None:
            out["positive"][i] = True
            continue
        out["value"][i], out["error"][i], s = found
        out["ok"][i] = True
        columns = _columns(s, zero)
        if not zero:  # the error of the threshold moves the order parameters too
            drift = np.abs(np.linalg.solve(s.hessian[0], s.alpha_column[0])) * out["error"][i]
            q, gap, _ = s.overlaps()
            scales = {"d_q": q * gap / s.norm, "d_q_hat": s.extra("q_hat"), "d_lam": np.ones(1), "d_Q": s.norm}
            for k, (name, scale) in enumerate(list(scales.items())[: s.nu]):
                columns[name] = columns[name] + scale * drift[k]
        for name, column in columns.items():
            if name not in ("value", "error", "ok"):
                out.setdefault(name, np.full(batch.size, np.nan))[i] = column[0]
    return out


def zero_vector_solves(batch: Batch) -> np.ndarray:
    """Whether W = 0 is allowed and satisfies every pattern with room to spare: then no load is too large."""
    w = batch.model.weights
    if not (isinstance(w, Discrete) and 0.0 in w.values):
        return np.zeros(batch.size, dtype=bool)
    return np.any((batch.low < 0) & (batch.high > 0), axis=1)


def _allocate(batch: Batch, diverges: np.ndarray) -> Flat:
    nan = np.full(batch.size, np.nan)
    return {
        "value": np.where(diverges, np.inf, nan),
        "error": nan.copy(),
        "ok": np.zeros(batch.size, dtype=bool),
        "q": nan.copy(),
        "q_hat": nan.copy(),
        "replicon": np.ones(batch.size),
        "diverges": diverges.copy(),
    }


def _annealed(batch: Batch) -> np.ndarray:
    """log(number of configurations)/(-log P(satisfied)) with the norm of the free measure: the scale of alpha_c."""
    w = batch.model.weights
    assert isinstance(w, Discrete)
    from ..numerics.saddle import NO_OVERLAP

    names = follow_names(batch)
    x = np.full((batch.size, len(names)), NO_OVERLAP)
    if "Q" in names:
        x[:, 2], x[:, 3] = 0.0, math.log(np.mean(np.square(w.values)))
    solution = evaluate(batch, x)
    with np.errstate(divide="ignore"):  # constraints too loose to be felt in double precision
        return math.log(sum(map(math.exp, w.log_measure))) / -solution.dphi_dalpha


def follow_names(batch: Batch) -> tuple[str, ...]:
    from ..numerics.codegen import load

    return tuple(load(batch.model).UNKNOWNS)


def _columns(solution: Solution, zero: bool = False) -> Flat:
    s = solution
    zeros = np.zeros(s.alpha.size)
    out: Flat = {
        "value": s.alpha.copy(),
        "error": s.info[:, s.nu] + 2e-16 * np.abs(s.alpha),
        "ok": s.converged & (s.alpha > 0),
        "q": zeros.copy() if zero else s.q,
        "q_hat": zeros.copy() if zero else s.extra("q_hat"),
        "replicon": s.extra("replicon"),
    }
    names = s.module.UNKNOWNS
    out["d_q"] = zeros.copy() if zero else s.overlaps()[2]
    out["d_q_hat"] = zeros.copy() if zero else s.extra("q_hat") * s.info[:, min(1, s.nu - 1)]
    if "Q" in names:
        out |= {"Q": s.norm, "lam": s.extra("lam"), "d_Q": s.norm * s.info[:, 3], "d_lam": s.info[:, 2]}
    return out


# --- q -> 1 --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _limit_functions(model: Model) -> dict[str, Any]:
    """NumPy functions of the q -> 1 limit, generated from the symbolic scaling: D = E d^2, its derivative, P(d > 0)."""
    import sympy as sp

    from ..symbolic import limits
    from ..symbolic import symbols as S
    from ..symbolic.rs import functional

    f = functional(model).limit("q-to-1")
    if isinstance(model, Wide):
        f = at_one(f, model)
    args = [limits.a, limits.b, S.Q, S.alpha, S.kappa]

    def make(expr: sp.Expr) -> Any:
        return sp.lambdify(args, expr, [_special(), "numpy"])

    slope = f.expr.diff(S.alpha)
    return {
        "unknowns": [u.name for u in f.unknowns],
        "C": make(f.expr),
        "dC": make(slope),
        "terms": make(sp.Add(*(sp.Abs(t) for t in sp.Add.make_args(sp.expand(slope))))),
        "grad": [make(f.expr.diff(u)) for u in f.unknowns],
        "hess": [[make(f.expr.diff(u, v)) for v in (*f.unknowns, S.alpha)] for u in f.unknowns],
        "outside": make(f.observables["outside"]),
        # d^2 is convex when the fields outside the support lie in half-lines
        "convex": all(low.is_infinite or high.is_infinite for low, high, _ in limits.outside_support(model)),
        "covered": slope == 0,
    }


def at_one(f: Functional, model: Wide) -> Functional:
    """The limit with C and its derivatives at q = Q as numbers; C'' is infinite where the activation has a kink."""
    import sympy as sp

    from ..symbolic.wide import Covariance

    with np.errstate(all="ignore"):
        total, _, slope, bend, _ = (float(v) for v in model.kernel.values(1.0, 0.0))
    numbers = (total, slope / model.norm, bend / model.norm**2)

    def put(expr: sp.Expr) -> sp.Expr:
        if not math.isfinite(bend) and any(c.order == 2 for c in expr.atoms(Covariance)):
            return sp.oo
        return expr.replace(lambda e: isinstance(e, Covariance), lambda e: sp.Float(numbers[e.order], 17))

    return dataclasses.replace(f, expr=put(f.expr), observables={k: put(v) for k, v in f.observables.items()})


def _special() -> dict[str, Any]:
    from scipy.special import ndtr

    def between(a: Any, b: Any) -> Any:  # the smaller tails are subtracted
        left = np.asarray(a) + np.asarray(b) < 0
        return np.where(left, ndtr(b) - ndtr(a), ndtr(-np.asarray(a)) - ndtr(-np.asarray(b)))

    def density(x: Any) -> Any:
        return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    return {"H": lambda x: ndtr(-x), "G": density, "Between": between}


def _q_to_one(batch: Batch) -> Flat:
    model = batch.model
    if isinstance(model, Tree):
        from . import tree_capacity

        return tree_capacity.naive_limit(batch, _q_to_one(make_batch(model.perceptron)))
    if isinstance(model, Wide) and not math.isfinite(model.kernel.slope):
        return _allocate(batch, np.ones(batch.size, dtype=bool))
    fn = _limit_functions(plain(model))
    n = len(fn["unknowns"])
    value, ok, error = np.full(batch.size, np.nan), np.zeros(batch.size, dtype=bool), np.full(batch.size, np.nan)
    replicon = np.full(batch.size, -np.inf)  # a finite set always breaks in this limit: <g''^2> diverges
    unknowns = {k: np.full(batch.size, np.nan) for k in ("a", "b", "Q")}
    for i, kappa in enumerate(batch.kappa):
        if fn["covered"]:
            continue
        with np.errstate(all="ignore"):
            found = _limit_root(fn, model, kappa, _limit_guess(model))
            if found is None and n and abs(kappa) < FARTHEST_KAPPA:  # from margins on the way, where the last root is the start of the next
                found = _limit_guess(model)
                for step in np.linspace(0, kappa, math.ceil(abs(kappa) / ALONG_KAPPA) + 1):
                    found = found and _limit_root(fn, model, step, found)
        if found is None:
            continue
        ok[i], value[i], error[i] = True, found["alpha"], found["error"]
        for name, column in unknowns.items():
            column[i] = found[name]
        if isinstance(model.weights, Spherical):
            outside = float(fn["outside"](*(found[k] for k in LIMIT_ARGUMENTS), kappa))
            replicon[i] = 1 - found["alpha"] * outside if fn["convex"] else -np.inf
    return {
        "value": value,
        "error": error,
        "ok": ok,
        "q": np.full(batch.size, np.nan),
        "q_hat": np.full(batch.size, np.inf),
        "replicon": replicon,
        "diverges": np.full(batch.size, fn["covered"]),
        **unknowns,
    }


def _limit_guess(model: Model) -> dict[str, float]:
    Q = float(np.mean(np.square(model.weights.values))) if isinstance(model.weights, Discrete) else 1.0
    return {"a": 1.0, "b": 0.5, "Q": Q, "alpha": 1.0}


def _limit_root(fn: dict[str, Any], model: Model, kappa: np.float64, guess: dict[str, float]) -> dict[str, float] | None:
    """Load, its error and the unknowns of the limit by damped Newton steps; None if they do not arrive."""
    n = len(fn["unknowns"])
    y = dict(guess)
    if n == 0:
        args = (y["a"], y["b"], y["Q"], 0.0, kappa)
        slope = float(fn["dC"](*args))
        alpha = -float(fn["C"](*args)) / slope if slope else math.nan
        if not (math.isfinite(alpha) and slope < 0):
            return None
        # for kappa < 0 the closed form cancels: its terms, not its value, set the rounding
        error = alpha * (4e-16 + 8e-16 * float(fn["terms"](*args)) / abs(slope))
        return y | {"alpha": alpha, "error": error + (2 * alpha * model.kernel.error if isinstance(model, Wide) else 0.0)}
    free = (*fn["unknowns"], "alpha")
    for _ in range(200):
        at = (*(y[k] for k in LIMIT_ARGUMENTS), kappa)
        gradient = [float(g(*at)) for g in fn["grad"]]
        J = np.array([[float(h(*at)) for h in row] for row in fn["hess"]] + [[*gradient, float(fn["dC"](*at))]])
        F = np.array([*gradient, float(fn["C"](*at))])
        try:
            d = np.linalg.solve(J, -F)
        except np.linalg.LinAlgError:
            return None
        scale = np.array([y[u] for u in free])
        damp = min(1.0, 0.5 / max(np.max(np.abs(d / np.maximum(np.abs(scale), 0.1))), 1e-300))
        y |= {u: y[u] + damp * du for u, du in zip(free, d)}
        if damp == 1.0 and np.max(np.abs(d)) < 1e-14 * max(1.0, y["alpha"]):
            if not (y["alpha"] > 0 and y["Q"] > 0 and y["a"] > 0):
                return None
            return y | {"error": 1e-14 * y["alpha"] + float(np.abs(np.linalg.solve(J, np.full(n + 1, 4e-16)))[-1])}
    return None


def plain(model: Model) -> Model:
    """The model with a scalar margin: the cache key of its limit functions, in which kappa is an argument."""
    if isinstance(model, Wide):
        return model
    if isinstance(model.likelihood, str):
        return Perceptron(model.weights, 1.0 if model.likelihood == "window" else 0.0, model.likelihood)
    return model


# --- results -------------------------------------------------------------------------------------------------------


def _estimate(batch: Batch, criterion: str, flat: Flat) -> Estimate:
    model = batch.model
    ok = flat["ok"]
    status = np.where(ok, "converged", "not-converged").astype(object)
    closed = criterion == "q-to-1" and isinstance(model.weights, Spherical) and not isinstance(model, Tree)
    reason = "its closed form leaves the range of double precision (ask for digits)" if closed else "no start reached a residual below 1e-10"
    message = np.where(ok, "", reason).astype(object)
    positive = np.asarray(flat.get("positive", np.zeros(batch.size)), dtype=bool)
    status[positive] = "no-solution"
    message[positive] = f"the entropy stays positive up to load {FREEZING_LOADS[-1]:g}: no freezing found"
    diverges = np.asarray(flat.get("diverges", np.zeros(batch.size)), dtype=bool)
    status[diverges] = "diverges"
    message[diverges] = (
        JUMPS
        if isinstance(model, Wide)
        else "no finite capacity: every field, or the zero weight vector, satisfies all patterns"
    )
    flat["value"][diverges] = np.inf
    stable = flat["replicon"] >= -MARGINAL
    bound_only = criterion == "first-moment" and not has_zero_overlap(model)  # q = 0 is no saddle point there
    order: dict[str, Any] = {
        k: batch.out(np.where(ok, flat[k], np.nan))
        for k in ("q", "q_hat", "Q", "lam")
        if k in flat and criterion != "q-to-1"
    }
    if criterion == "q-to-1":
        order = {"q": 1.0} if model.weights.name in ("binary", "spherical") else {}
    statement = np.array(
        [
            _statement(batch.take(np.array([i])), criterion, bool(stable[i]), float(flat["value"][i]))
            + first_limit(model, criterion)
            if ok[i]
            else ""
            for i in range(batch.size)
        ],
        dtype=object,
    )
    value = np.where(ok | (status == "diverges"), flat["value"], np.nan)
    error = np.where(ok, flat["error"], np.nan)
    return Estimate(
        model=model,
        question="capacity",
        value=batch.out(value),
        error=batch.out(error),
        criterion=criterion,
        errors={"value": batch.out(error), **_order_errors(batch, flat, order)},
        order_parameters=order,
        stable=None if bound_only or diverges.all() else batch.out(verdict(ok, stable)),
        statement=batch.out(statement),
        status=batch.out(status),
        message=batch.out(message),
        kappa=batch.out(batch.kappa) if model.margin else None,
        beta=None if batch.beta is None else batch.out(batch.beta),
    )


def first_limit(model: Model, criterion: str = "q-to-1") -> str:
    """What is said of infinitely many units."""
    if not isinstance(model, Wide):
        return ""
    return " K -> infinity was taken first" + (", before q -> 1." if criterion == "q-to-1" else ".")


def _order_errors(batch: Batch, flat: Flat, order: dict[str, Any]) -> dict[str, Any]:
    """Errors of the order parameters at the threshold, where they were estimated."""
    return {k: batch.out(flat[f"d_{k}"]) for k in order if f"d_{k}" in flat}


def _statement(point: Batch, criterion: str, stable: bool, value: float) -> str:
    model = point.model
    discrete = isinstance(model.weights, Discrete)
    breaks = (
        ""
        if stable
        else " The replica-symmetric saddle is unstable there: replica symmetry breaking lowers the threshold."
    )
    if not model.hard:
        return (
            "Freezing load: the entropy of the Gibbs measure vanishes. No pattern is forbidden outright, so it is not a SAT/UNSAT threshold."
            + breaks
        )
    if criterion == "q-to-1":
        if discrete:
            return "Naive replica-symmetric limit q -> 1 of a finite weight set: not the capacity (the entropy vanishes earlier)."
        order = ""
        if has_zero_overlap(model):
            order = " It is where the solution with q > 0 ends: q = 0 is a replica-symmetric solution at every load"
            curved = not isinstance(model, Wide) or float(model.kernel.values(0.0, 1.0)[3]) > 0
            order += ", unstable from the load of at-line on." if curved else ", and stable."
        return "Gardner capacity: the volume of solutions shrinks to a point (q -> 1)." + order + breaks
    if criterion == "first-moment":
        if not has_zero_overlap(model):
            return "Annealed (first-moment) threshold: an upper bound on the capacity."
        if model.weights.name == "binary" and isinstance(model, Perceptron):
            if second_moment_holds(point, value):
                return "First-moment threshold; the second-moment exponent has its maximum at zero overlap here, so it is the SAT/UNSAT threshold."
            return (
                "First-moment threshold: only an upper bound here, the second-moment exponent is larger away from zero overlap."
                + breaks
            )
        return "First-moment threshold at q = 0" + (
            ", where q = 0 is stable." if stable else ": only an upper bound, q = 0 is unstable."
        )
    other = " q = 0 is a solution, too, at every load." if has_zero_overlap(model) else ""
    return "Zero of the replica-symmetric entropy." + other + breaks


def second_moment_holds(point: Batch, alpha: float) -> bool:
    """Whether H2-type entropy(rho) + alpha log P_2(rho)/P_1^2 <= 0 for every overlap rho of two binary configurations.

    P_2(rho) is the replicated pattern average at n = 2, E exp(2 f(sqrt(rho) t, 1 - rho)); an even likelihood makes it even.
    """
    from ..numerics import kernels as K

    rho = np.concatenate([np.linspace(0.01, 0.97, 97), 1 - np.geomspace(0.03, 1e-6, 25)])
    entropy = -(1 + rho) / 2 * np.log1p(rho) - (1 - rho) / 2 * np.log1p(-rho)
    z, weight, out, acc, part = (
        np.empty(K.MAX_NODES),
        np.empty(K.MAX_NODES),
        np.empty(6),
        np.empty(6),
        np.empty(6),
    )
    K.pieces_leaf(0.0, 1.0, point.levels[0], point.low[0], point.high[0], out, acc, part)
    single = out[0]
    for k, r in enumerate(rho):
        kinks = np.sort(np.concatenate([e[np.isfinite(e)] for e in (point.low[0], point.high[0])])) / math.sqrt(r)
        count = K.gaussian_rule(2.816 * math.sqrt((1 - r) / r), kinks[np.abs(kinks) < K.RANGE], 0, False, z, weight)
        total = 0.0
        for i in range(count):
            K.pieces_leaf(math.sqrt(r) * z[i], 1 - r, point.levels[0], point.low[0], point.high[0], out, acc, part)
            total += weight[i] * math.exp(2 * (out[0] - single))
        if entropy[k] + alpha * math.log(total) > 1e-12:
            return False
    return True


__all__ = ["CRITERIA", "capacity", "default_criterion", "threshold"]
