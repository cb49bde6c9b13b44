"""Machines of sign units: the output depends on the number of positive fields alone.

On a tree every unit sees a branch of its own, and a machine is the tuple of K + 1 booleans that says which
numbers c = 0, ..., K of positive fields are accepted:

    h_j = xi_j . W_j / sqrt(n),   j = 1, ..., K,   sites (j - 1) n to j n - 1 of the N = K n
    y = +1 where the number c of positive h_j is accepted, else -1

    perceptron     (False, True), K = 1
    majority       c > K/2, K odd:     y = sign(sum_j sign(h_j)), the tree committee
    parity         K - c even:         y = prod_j sign(h_j), the tree parity machine

Fully connected, all the units see the same N sites. That machine is an `Architecture` (`fully_connected`), and its
K N weights are those of the units one after the other:

    h_j = xi . W_j / sqrt(N),   y = sign(sum_j sign(h_j)) = -1, 0, +1 as 2 c - K is < 0, 0, > 0

For K even a tie y = 0 is a third label, which is asked for and given like the two others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_integer, check_patterns

PERCEPTRON = (False, True)
"""One branch: y = sign(h)."""


@dataclass(frozen=True)
class Architecture:
    """K sign units, what they see and what they say together.

    outputs : the output -1, 0 or +1 for 0, ..., K positive fields;  shared : whether all units see the same sites
    """

    outputs: tuple[int, ...]
    shared: bool = False

    @property
    def K(self) -> int:
        """Number of units."""
        return len(self.outputs) - 1

    def inputs(self, N: int) -> int:
        """Sites that a unit sees of the N of a pattern."""
        return N if self.shared else N // self.K

    def satisfied(self, label: int) -> tuple[bool, ...]:
        """Which numbers of positive gauged fields y h_j give the output asked for; a tie y = 0 is not gauged."""
        outputs = self.outputs[::-1] if label < 0 else self.outputs
        return tuple(output == label for output in outputs)


Machine = Sequence[bool] | Architecture
"""What says which machine: K + 1 booleans for a tree, or an `Architecture`."""


def fully_connected(K: int) -> Architecture:
    """The committee of K >= 1 units on the same N inputs: y = sign(2 c - K), with ties for K even."""
    units = check_integer("K", K, at_least=1)
    return Architecture(tuple(int(np.sign(2 * c - units)) for c in range(units + 1)), shared=True)


def majority(K: int) -> tuple[bool, ...]:
    """The tree committee of K branches, K odd: more positive fields than negative ones."""
    branches = check_integer("K", K, at_least=1)
    if branches % 2 == 0:
        raise ValueError(f"K: got {K}, takes an odd integer (an even committee can tie)")
    return tuple(2 * c > branches for c in range(branches + 1))


def parity(K: int) -> tuple[bool, ...]:
    """The tree parity machine of K >= 1 branches: an even number of negative fields."""
    branches = check_integer("K", K, at_least=1)
    return tuple((branches - c) % 2 == 0 for c in range(branches + 1))


def as_architecture(accepted: Any, N: int) -> Architecture:
    """The machine on patterns of N sites; K booleans + 1 are those of a tree, K a divisor of N."""
    if isinstance(accepted, Architecture):
        return accepted
    takes = "takes K + 1 >= 2 booleans, one a number of positive fields"
    if isinstance(accepted, str) or not hasattr(accepted, "__iter__"):
        raise ValueError(f"accepted: got {accepted!r}, {takes}")
    outcomes = tuple(accepted)
    if len(outcomes) < 2 or not all(isinstance(outcome, (bool, np.bool_)) for outcome in outcomes):
        raise ValueError(f"accepted: got {outcomes!r}, {takes}")
    K = len(outcomes) - 1
    if N % K:
        raise ValueError(f"N: got {N}, takes a multiple of K = {K}, the branches of the machine")
    return Architecture(tuple(1 if outcome else -1 for outcome in outcomes))


def machine_name(machine: Architecture) -> str:
    """What the theory calls it: perceptron, tree-committee, tree-parity, committee; "machine" if it has no name."""
    if machine.K == 1:
        return "perceptron"
    if machine.shared:
        return "committee"
    named = {tuple(1 if c else -1 for c in parity(machine.K)): "tree-parity"}
    if machine.K % 2:
        named[tuple(1 if c else -1 for c in majority(machine.K))] = "tree-committee"
    return named.get(machine.outputs, "machine")


def model_words(model: Mapping[str, Any]) -> str:
    """What a curve is about: the words of its ``model`` that are not the usual ones left out."""
    units = f" of K = {model['K']}" if model["K"] > 1 else ""
    words = [f"{model['weights']} {model['name'].replace('-', ' ')}{units}", model["task"]]
    window = model.get("likelihood") == "window"
    if window or model["kappa"] != 0:
        words.append(f"{'window ' if window else ''}kappa = {model['kappa']:g}")
    return ", ".join([*words, *(["Gaussian patterns"] if model["patterns"] == "gaussian" else [])])


def machine_outputs(patterns: ArrayLike, weights: ArrayLike, accepted: Machine = PERCEPTRON) -> NDArray[np.int8]:
    """Output of every weight vector on every pattern, shape (n, P); a vanishing field is not positive.

    Outputs are +1 and -1, and 0 for a tie of a fully connected committee.

    Parameters
    ----------
    patterns : array (P, N);  weights : array (n, N), or (N,) for one vector (then the result has shape (P,));
        K N in the place of N with a fully connected committee
    accepted : K + 1 booleans, one a number of positive fields (`majority`, `parity`; K divides N), or
        `fully_connected`

    Raises
    ------
    ValueError : a wrong shape or value
    """
    points = check_patterns(patterns)
    P, N = points.shape
    machine = as_architecture(accepted, N)
    K, n = machine.K, machine.inputs(N)
    vectors = np.asarray(weights, dtype=float)
    if vectors.ndim not in (1, 2) or vectors.shape[-1] != K * n:
        raise ValueError(f"weights: got an array of shape {vectors.shape}, takes shape (n, {K * n}) or ({K * n},)")
    units = vectors.reshape(*vectors.shape[:-1], K, n)
    if machine.shared:
        fields = np.moveaxis(units @ points.T, -1, -2)
    else:
        fields = np.einsum("...ji,mji->...mj", units, points.reshape(P, K, n))
    return np.array(machine.outputs, np.int8)[np.sum(fields > 0, axis=-1)]
