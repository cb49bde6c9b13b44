"""What stands in the atlas, in order: groups of tables and figures, and the derivations behind them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import tables
from .markup import Table

TITLE = "Atlas of perceptrons and committees"
LEAD = """<p>What the replica theory of perceptrons and committee machines predicts, computed by the commands that stand beside it,
each number with a bound on its error: 1.234(5) means 1.234 ± 0.005. Equations are those that were derived and evaluated, not a
transcript: they unfold under every figure, and lead to the whole derivation. The same numbers, with all their digits, are in
<a href="atlas.json">atlas.json</a> and in the table of every figure.</p>"""


@dataclass(frozen=True)
class Section:
    """A table with what is said about it, the command that asks the same, and what derives it."""

    title: str
    text: str
    command: str
    table: Callable[[Callable[[Any], Any]], Table]
    derivations: tuple[str, ...] = ()


SECTIONS = {
    "capacities": Section(
        "Capacities",
        """The largest load <i>α</i> = <i>P</i>/<i>N</i> of random patterns that can be stored with margin <i>κ</i>
        (window: |<i>u</i>| ≤ <i>κ</i>). “Stable” means that the replica-symmetric (RS) saddle is stable at the threshold.""",
        "replicas capacity --weights binary --kappa 0",
        tables.capacities,
        ("binary", "spherical"),
    ),
    "stability": Section(
        "Stability",
        """The load at which the RS saddle becomes unstable towards replica symmetry breaking (de Almeida–Thouless). Where
        it lies below <i>α</i><sub>c</sub>, the RS capacity is only an upper bound.""",
        "replicas at-line --weights spherical --kappa -1 -0.5",
        tables.instabilities,
        ("spherical", "binary"),
    ),
    "errors": Section(
        "Beyond capacity",
        "Above capacity: the smallest fraction of patterns in error, at <i>κ</i> = 0.",
        "replicas ground-state --weights binary --alpha 1 1.5",
        tables.ground_states,
    ),
    "breaking": Section(
        "Broken replica symmetry",
        """Where the RS saddle is unstable the capacity is lower, and the energy beyond it higher: one step of breaking, two,
        and the continuous limit with its own error. For <i>κ</i> ≥ 0 solutions form a convex set and nothing breaks below
        capacity.""",
        "replicas capacity --weights spherical --kappa -1 --ansatz frsb",
        tables.breaking,
        ("spherical-1rsb", "spherical-2rsb"),
    ),
    "learning": Section(
        "Learning transitions",
        """A discrete student learns a noise-free teacher of its own kind in a first-order transition; spherical weights
        learn smoothly.""",
        "replicas transitions --weights binary --task teacher-student",
        tables.transitions,
        ("binary-teacher",),
    ),
    "decay": Section(
        "Learning at large load",
        """How fast the generalization error of a spherical student falls: the coefficient at <i>α</i> = 10<sup>6</sup>,
        its error bounded by the change from <i>α</i> = 10<sup>5</sup>.""",
        "replicas generalization --weights spherical --task teacher-student --alpha 1e5 1e6",
        tables.decay,
        ("spherical-teacher",),
    ),
    "committees": Section(
        "Machines of several units",
        """Trees of <i>K</i> sign units with a majority vote (committee) or a product of signs (parity); loads count all
        weights, <i>α</i> = <i>P</i>/<i>N</i>. Several spherical units break replica symmetry before their capacity; one
        step lowers it, and bounds it from above. What takes minutes, or is not known here, is left out (–).""",
        "replicas capacity --model tree-committee --K 3 --weights spherical --ansatz 1rsb",
        tables.committees,
        ("tree-committee",),
    ),
    "wide": Section(
        "Infinitely wide committees",
        """Trees of <i>K</i> → ∞ units with an activation, whose sum decides. An activation enters by one function, the
        covariance of the output at overlap <i>q</i>. Spherical weights: the symmetric capacity, and what each step of
        breaking leaves of it; binary ones: the load at which the entropy vanishes. <i>K</i> → ∞ is taken first: units that
        jump then store any load, whereas finitely many of them have a finite capacity that grows with <i>K</i>.""",
        "replicas capacity --model tree-committee --K inf --activation relu --weights spherical --ansatz krsb",
        tables.wide,
        ("wide-relu",),
    ),
    "shared": Section(
        "Fully connected committees",
        """<i>K</i> sign units that see the same inputs learn from a teacher of their own kind; <i>α</i> = <i>P</i>/(<i>NK</i>).
        On the plateau every unit resembles all units of the teacher alike. From some load on this state may be unstable, and
        units specialise, in any of <i>K</i>! equivalent ways; or another one takes over before, discontinuously: students
        that have specialised or, where weights are discrete, know the teacher. Three units take a minute each (the command
        below, with <code>--K 3</code>) and are left out.""",
        "replicas transitions --model committee --K 2 --weights spherical --task teacher-student",
        tables.shared,
        ("committee",),
    ),
    "geometry": Section(
        "Geometry of solutions",
        """Typical solutions of the binary perceptron, <i>κ</i> = 0, are isolated; rare dense clusters are not. From what distance on
        there are solutions around a reference; up to which load dense clusters reach down to distance 0; and the loads from which
        <i>m</i> solutions at one mutual overlap are not to be found at every overlap (overlap gap), which bounds stable algorithms.""",
        "replicas isolation --alpha 0.55",
        tables.geometry,
        ("franz-parisi", "local-entropy"),
    ),
    "constants": Section(
        "Constants",
        """Thresholds and asymptotic coefficients to many digits. “Proved” means that interval arithmetic encloses every
        integral and shows that the defining equations have exactly one solution in the ball; what that does not prove,
        the notes say.""",
        "replicas constants --digits 30 --certified",
        tables.constants,
    ),
}
ALGORITHMS = (
    "Learning algorithms",
    """Where learning algorithms stop at finite <i>N</i>, beside the load where the theory says that solutions end: nothing predicts these
    loads, and none may lie beyond. Errors here are standard errors.""",
)
ORDER = (
    *("capacities", "capacity-vs-kappa", "entropies", "entropy-and-overlap", "field-distribution", "stability", "errors"),
    *("breaking", "negative-margin", "overlap-profile"),
    *("learning", "teacher-student-phases", "generalization-curves", "decay"),
    *("committees", "committee-capacity", "committee-learning"),
    *("wide", "activation-capacity", "shared", "committee-specialisation"),
    *("geometry", "energy-vs-qstar", "franz-parisi-three-references", "local-entropy-vs-distance", "dense-cluster-generalization"),
    *("algorithms", "algorithm-success"),
    *("constants", "finite-n-table", "finite-n", "derivations", "making"),
)
"""The parts of the page, tables and figures."""
SLOWEST = (
    *("negative-margin", "committee-learning", "franz-parisi-three-references", "dense-cluster-generalization", "algorithm-success"),
    *("local-entropy-vs-distance", "committee-specialisation", "activation-capacity", "committee-capacity", "committees", "breaking"),
)
"""Begun first, so that no process waits for another at the end."""

LEARNING = {"task": "teacher-student"}
AROUND: dict[str, Any] = {"quantity": "franz-parisi"}
DENSE: dict[str, Any] = {"quantity": "local-entropy"}
DERIVATIONS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {  # label, model, its arguments, those of the derivation
    "binary": ("binary weights, storage", "Perceptron", {"weights": "binary"}, {}),
    "spherical": ("spherical weights, storage", "Perceptron", {"weights": "spherical"}, {}),
    "spherical-1rsb": ("spherical weights, storage, one step of breaking", "Perceptron", {"weights": "spherical"}, {"ansatz": "1rsb"}),
    "spherical-2rsb": ("spherical weights, storage, two steps", "Perceptron", {"weights": "spherical"}, {"ansatz": "krsb"}),
    "binary-1rsb": ("binary weights, storage, one step of breaking", "Perceptron", {"weights": "binary"}, {"ansatz": "1rsb"}),
    "binary-teacher": ("binary student of a binary teacher", "Perceptron", {"weights": "binary", **LEARNING}, {}),
    "spherical-teacher": ("spherical student of a spherical teacher", "Perceptron", {"weights": "spherical", **LEARNING}, {}),
    "tree-committee": ("three units on disjoint inputs, spherical weights, storage", "TreeCommittee", {"K": 3, "weights": "spherical"}, {}),
    "tree-teacher": ("three units on disjoint inputs and a teacher, spherical weights", "TreeCommittee", {"K": 3, "weights": "spherical", **LEARNING}, {}),
    "wide-relu": (
        "infinitely many ReLU units, spherical weights, storage",
        "TreeCommittee",
        {"K": math.inf, "weights": "spherical", "activation": "relu"},
        {},
    ),
    "committee": ("two fully connected units and a teacher, binary weights", "Committee", {"K": 2, "weights": "binary", **LEARNING}, {}),
    "stochastic": ("stochastic perceptron", "StochasticPerceptron", {"q_star": 0.9, "beta": 20.0}, {}),
    "franz-parisi": ("solutions around a typical one, binary weights", "Perceptron", {"weights": "binary"}, AROUND),
    "franz-parisi-spherical": ("solutions around the sign of a spherical one", "Perceptron", {"weights": "binary"}, {**AROUND, "reference": "spherical"}),
    "franz-parisi-stochastic": (
        "solutions around the sign of a stochastic perceptron",
        "Perceptron",
        {"weights": "binary"},
        {**AROUND, "reference": "stochastic"},
    ),
    "local-entropy": ("densest surroundings, binary weights", "Perceptron", {"weights": "binary"}, DENSE),
    "local-entropy-teacher": ("densest surroundings among the students of a teacher", "Perceptron", {"weights": "binary", **LEARNING}, DENSE),
}


def derivation_command(name: str) -> str:
    """The command line that prints a derivation as a page."""
    _, kind, arguments, options = DERIVATIONS[name]
    models = {"TreeCommittee": "tree-committee", "Committee": "committee", "StochasticPerceptron": "stochastic-perceptron"}
    words = [f"--model {models[kind]}"] if kind in models else []
    words += [f"--{key.replace('_', '-')} {value:g}" if isinstance(value, (int, float)) else f"--{key} {value}" for key, value in arguments.items()]
    words += [f"--{key} {value}" for key, value in options.items()]
    return " ".join(["replicas derive", *words, f"--format html -o derivation-{name}.html"])
