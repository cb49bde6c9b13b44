"""The tables of the atlas: each asks the library and sets its answers with their errors, criteria and stability."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..cli.support import ANSATZES
from ..figures.figure import Columns, select
from ..figures.learning import RULES
from .markup import Table, grouped, number, prose

Keep = Callable[[Any], Any]
"""Records a result, and gives it back."""

CAPACITIES: tuple[tuple[str, str, tuple[float, ...], str | None], ...] = (
    ("spherical", "threshold", (-1.0, -0.5, 0.0, 0.5, 1.0), None),
    ("binary", "threshold", (-0.5, 0.0, 0.5), None),
    ("ternary", "threshold", (0.0,), None),
    ("discrete:-2,-1,1,2", "threshold", (0.0,), None),
    ("binary", "window", (0.5, 1.0), None),
    ("binary", "threshold", (0.0,), "q-to-1"),
    ("ternary", "threshold", (0.0,), "q-to-1"),
)
"""Weights, likelihood, margins, and the criterion where it is not the right one for the model."""
INSTABILITIES = (("spherical", (-1.0, -0.5)), ("binary", (0.0,)))
LEARNERS = ("binary", "ternary")
DECAY = {"hebb": 0.5, "pseudo-inverse": 0.5}
"""Power of 1/alpha with which the error of a rule decays, where it is not 1."""
FAR, FARTHER = 1e5, 1e6
"""Loads between which the coefficient of the decay has to stand still."""
BEYOND = (("binary", (1.0, 1.5)), ("spherical", (2.5, 3.0)))


BROKEN_MARGINS = (-0.5, -1.0, -1.5)
BROKEN_LOADS = ((0.0, 3.0), (0.0, 5.0))

TREES = (  # machine, K, weights, and what is asked besides the symmetric capacity
    ("committee", 3, "spherical", ("1rsb", "at")),
    ("committee", 5, "spherical", ("1rsb",)),
    ("committee", 7, "spherical", ("1rsb",)),
    ("committee", 3, "binary", ("at", "learning")),
    ("committee", 5, "binary", ()),
    ("parity", 2, "spherical", ("1rsb", "at")),
    ("parity", 3, "spherical", ("1rsb", "at")),
    ("parity", 2, "binary", ("at",)),
    ("parity", 3, "binary", ("at",)),
)
"""Half a minute; more units or more columns would take minutes."""

ACTIVATIONS = ("erf", "tanh", "relu", "quadratic", "sign")
"""Of infinitely many units."""
LEARNING_COMMITTEES = (("spherical", (2, math.inf)), ("binary", (2, math.inf)), ("ternary", (2, math.inf)))
"""Fully connected ones; three units take minutes."""

DIGITS = 30
"""Of the table of constants."""


SHORT = 1e-10
"""Error bound of the numbers of tables with many columns; atlas.json has all digits."""


def short(value: float | None, error: float | None) -> str:
    """`number` to ten decimals."""
    return number(value, None if error is None else max(error, SHORT) if error > 0 else error)


def stable(value: Any) -> str:
    """A verdict in words and colour."""
    return "–" if value is None else "<span class=good>stable</span>" if value else "<span class=bad>unstable</span>"


def given(value: float) -> str:
    """A parameter as it was given."""
    return f"<span class=n>{value:g}</span>".replace("-", "−")


def capacities(keep: Keep) -> Table:
    """Capacities by weights, likelihood and margin, and the naive limits that are none."""
    import replicas as rp

    table = Table(("weights", "<i>κ</i>", "<i>α</i><sub>c</sub>", "criterion", "RS saddle"))
    for weights, likelihood, kappas, criterion in CAPACITIES:
        table.begin_group()
        model = rp.Perceptron(weights=weights, kappa=kappas, likelihood=likelihood)
        for one in keep(rp.capacity(model, criterion=criterion)):
            name = weights.replace("discrete:", "").replace(",", ", ").replace("-", "−") + (", window" if likelihood == "window" else "")
            value = number(one.value, one.error) + table.note(one.statement or one.message)
            meaning = one.criterion + (": <span class=bad>not the capacity</span>" if criterion else "")
            table.rows.append((name, given(one.kappa), value, meaning, stable(one.stable)))
    return table


def instabilities(keep: Keep) -> Table:
    """Points of de Almeida-Thouless lines, and whether they come before the capacity."""
    import replicas as rp

    header = (
        "weights",
        "<i>κ</i>",
        "<i>α</i><sub>AT</sub>",
        "<i>q</i>",
        "breaking point",
        "below <i>α</i><sub>c</sub>",
    )
    table = Table(header)
    for weights, kappas in INSTABILITIES:
        for one in keep(rp.at_line(rp.Perceptron(weights=weights, kappa=kappas))):
            order = [number(one.order_parameters[name], None) for name in ("q", "breaking_point")]
            below = "yes" if one.physical else "no" + table.note(one.message)
            table.rows.append((weights, given(one.kappa), number(one.value, one.error), *order, below))
    return table


def transitions(keep: Keep) -> Table:
    """Transitions to perfect learning and spinodals of discrete students."""
    import replicas as rp

    table = Table(("weights", "threshold", "load", "overlap with the teacher"))
    for weights in LEARNERS:
        table.begin_group()
        result = keep(rp.transitions(rp.Perceptron(weights=weights, task="teacher-student")))
        for label, one in (("<i>α</i><sub>IT</sub>", result.alpha_it), ("spinodal", result.spinodal)):
            if one is None:
                table.rows.append((weights, label, "–" + table.note(result.message), "–"))
                continue
            load = number(one.value, one.error) + table.note(one.statement)
            table.rows.append((weights, label, load, number(one.order_parameters["R"], None)))
    return table


def decay(keep: Keep) -> Table:
    """Coefficients of the generalization error at large load."""
    import replicas as rp

    model = rp.Perceptron(weights="spherical", task="teacher-student")
    table = Table(("spherical student", "error at large <i>α</i>", "coefficient"))
    optimal = keep(rp.generalization(model, [FAR, FARTHER]))
    for rule, (label, _) in RULES.items():
        if rule in ("gibbs", "bayes"):
            name, curve = f"eps_{rule}", optimal
        else:
            name, curve = "eps_g", keep(rp.generalization(model, [FAR, FARTHER], rule=rule))
        power = DECAY.get(rule, 1.0)
        far, farther = (float(error) * load**power for error, load in zip(getattr(curve, name), (FAR, FARTHER)))
        noise = float(curve.errors[name][1]) * FARTHER**power
        form = "<i>c</i>/<i>α</i>" if power == 1 else "<i>c</i>/√<i>α</i>"
        table.rows.append((label, form, number(farther, abs(farther - far) + noise)))
    return table


def ground_states(keep: Keep) -> Table:
    """Smallest error fractions above capacity."""
    import replicas as rp

    table = Table(("weights", "<i>α</i>", "errors per pattern", "RS saddle"))
    for weights, alphas in BEYOND:
        for one in keep(rp.ground_state(rp.Perceptron(weights=weights), alphas)):
            note = table.note(one.criterion + ("" if one.stable else "; unstable, a lower bound"))
            value = number(one.error_fraction, one.errors["error_fraction"]) + note
            table.rows.append((weights, given(one.alpha), value, stable(one.stable)))
    return table


def breaking(keep: Keep) -> Table:
    """Capacity and ground-state energy by ansatz, from replica symmetry to full breaking."""
    import replicas as rp

    table = Table(("spherical weights", "<i>κ</i>", "<i>α</i>", "RS", "1RSB", "2RSB", "full RSB"))
    model = rp.Perceptron(weights="spherical")
    for kappa in BROKEN_MARGINS:
        found = [keep(rp.capacity(model, ansatz, kappa=kappa)) for ansatz in ANSATZES]
        cells = [number(one.value, one.error) for one in found]
        table.rows.append(("capacity", given(kappa), "", *cells))
    table.begin_group()
    for kappa, alpha in BROKEN_LOADS:
        energies = [keep(rp.ground_state(model, alpha, ansatz, kappa=kappa)) for ansatz in ANSATZES]
        cells = [number(one.energy, one.error) for one in energies]
        table.rows.append(("errors per weight", given(kappa), given(alpha), *cells))
    return table


def committees(keep: Keep) -> Table:
    """Capacities, instabilities and learning transitions of trees of sign units."""
    import replicas as rp

    header = ("machine", "<i>K</i>", "weights", "<i>α</i><sub>c</sub>, RS", "<i>α</i><sub>c</sub>, one step")
    table = Table((*header, "<i>α</i><sub>AT</sub>", "<i>α</i><sub>IT</sub>", "spinodal"))
    kinds: dict[str, Any] = {"committee": rp.TreeCommittee, "parity": rp.TreeParity}
    before = TREES[0][0], TREES[0][2]
    for name, K, weights, asked in TREES:
        if (name, weights) != before:
            table.begin_group()
        before = name, weights
        model = kinds[name](K, weights)
        symmetric = keep(rp.capacity(model))
        cells = [short(symmetric.value, symmetric.error) + table.note(symmetric.message)] + ["–"] * 4
        if "1rsb" in asked:
            broken = keep(rp.capacity(model, "1rsb"))
            cells[1] = short(broken.value, broken.error) + table.note(broken.message)
        if "at" in asked:
            line = keep(rp.at_line(model))
            cells[2] = short(line.value, line.error) + table.note(line.message)
        if "learning" in asked:
            found = keep(rp.transitions(kinds[name](K, weights, task="teacher-student")))
            cells[3:] = [short(one.value, one.error) for one in (found.alpha_it, found.spinodal)]
        table.rows.append((name, given(K), weights, *cells))
    return table


def wide(keep: Keep) -> Table:
    """Capacities of infinitely many units by activation, weights and steps of breaking."""
    import replicas as rp

    table = Table(("activation", "spherical, RS", "one step", "two steps", "full RSB", "binary, RS"))
    for activation in ACTIVATIONS:
        sphere = rp.TreeCommittee(math.inf, "spherical", activation)
        cells = []
        for ansatz in ANSATZES:
            one = keep(rp.capacity(sphere, ansatz))
            note = one.message or (one.statement if sphere.even else "")
            cells.append(short(one.value, one.error) + table.note(note if ansatz == "rs" else ""))
        frozen = keep(rp.capacity(rp.TreeCommittee(math.inf, "binary", activation)))
        note = "" if frozen.stable else table.note(frozen.statement)
        table.rows.append((activation, *cells, short(frozen.value, frozen.error) + note))
    return table


def shared(keep: Keep) -> Table:
    """Transitions of fully connected committees that learn."""
    import replicas as rp

    table = Table(("weights", "<i>K</i>", "plateau unstable from", "first-order transition", "spinodal"))
    for weights, units in LEARNING_COMMITTEES:
        table.begin_group()
        for K in units:
            found = keep(rp.transitions(rp.Committee(K, weights, task="teacher-student")))
            marks = [getattr(found, "instability", None), found.alpha_it, found.spinodal]
            notes = ["" if m is None else m.statement.split(" P/N")[0] for m in marks]
            if None in marks:
                notes[marks.index(None)] = found.message
            cells = ["–" if m is None else number(m.value, m.error) for m in marks]
            name = "∞" if math.isinf(K) else given(K)
            table.rows.append((weights, name, *(cell + table.note(note) for cell, note in zip(cells, notes))))
    return table


ISOLATED: tuple[tuple[str, dict[str, Any]], ...] = (  # references, and what they need
    ("to a typical one", {}),
    ("to the sign of a spherical one", {"reference": "spherical"}),
)
ISOLATION_LOADS = (0.4, 0.55, 0.7)
CLONES = (2, 3, 4)
CLONED: tuple[tuple[str, dict[str, Any]], ...] = (("storage", {}), ("window, <i>κ</i> = 1", {"likelihood": "window", "kappa": 1.0}))


def geometry(keep: Keep) -> Table:
    """Distances from which there are solutions around a reference, and the loads where dense clusters and overlap gaps begin."""
    import replicas as rp

    model = rp.Perceptron(weights="binary")
    table = Table(("binary weights", "", "<i>α</i>", "distance", "overlap"), wrap=frozenset({0, 1}))
    for words, about in ISOLATED:
        table.begin_group()
        for i, alpha in enumerate(ISOLATION_LOADS):
            one = keep(rp.isolation(model, alpha, **about))
            note = table.note(one.message) if one.value is None else ""
            cells = [number(one.value, one.error) + note, number(one.order_parameters.get("q"), None)]
            table.rows.append(("" if i else "nearest solutions", "" if i else words, given(alpha), *cells))
    table.begin_group()
    one = keep(rp.local_entropy_threshold(model))
    cells = [number(one.value, one.error), number(one.order_parameters.get("distance"), None), "–"]
    table.rows.append(("dense clusters, <i>α</i><sub>U</sub>", "", *cells))
    for words, changes in CLONED:
        table.begin_group()
        for i, one in enumerate(keep(rp.overlap_gap(rp.Perceptron(weights="binary", **changes), CLONES))):
            at = number(one.value, one.error) + table.note(one.statement)
            table.rows.append(("" if i else f"overlap gap, {words}", f"<i>m</i> = {int(one.m)}", at, "–", number(one.q1, None)))
    return table


def algorithms(columns: Columns) -> str:
    """Thresholds of learning algorithms, from the data of their figure, as HTML."""
    table = Table(("algorithm", "weights", "<i>N</i>", "<i>α</i><sub>1/2</sub>", "<i>α</i><sub>c</sub>", "share of it"))
    ends = select(columns, quantity="capacity")
    limit = {(K, weights): (alpha, error) for K, weights, alpha, error in zip(ends["K"], ends["weights"], ends["alpha"], ends["alpha_error"])}
    fits = select(columns, quantity="threshold")
    for i in sorted(range(fits["K"].size), key=lambda i: (fits["K"][i] > 1, fits["weights"][i], fits["algorithm"][i], fits["N"][i])):
        K, weights = fits["K"][i], fits["weights"][i]
        value, stderr = fits["alpha"][i], fits["alpha_error"][i]
        end, error = limit[K, weights]
        if value == value:
            words = [f"{value:.4f} ± {stderr:.4f}", short(end, error), f"{100 * value / end:.1f} %"]
        else:
            words = [f"{fits['status'][i]}", short(end, error), "–"]
        name = fits["algorithm"][i] + (f", <i>K</i> = {K}" if K > 1 else "")
        table.rows.append((name, weights, given(fits["N"][i]), *(f"<span class=n>{w}</span>" if j != 1 else w for j, w in enumerate(words))))
    return table.html("Learning algorithms")


def constants(keep: Keep) -> Table:
    """The constants of the field with their digits, proved where python-flint is installed."""
    import replicas as rp

    from ..numerics.arithmetic import have_flint

    table = Table(("constant", f"{DIGITS} digits", ""), wrap=frozenset({0}), fold=True)
    for one in keep(rp.constants(DIGITS, certified=have_flint())):
        digits = "–" if one.value is None else grouped(one.value.context.nstr(one.value, DIGITS, strip_zeros=False))
        verdict = "<span class=good>proved</span>" if one.certified else one.status
        table.rows.append((prose(one.meaning), digits, verdict + table.note(one.statement or one.message)))
    return table
