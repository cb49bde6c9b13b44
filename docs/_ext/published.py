"""Published values beside computed ones: ``published.json`` says what was printed where, and what to ask the library.

A row has ``published``, the decimal as it was printed (it supports half a unit of its last digit), or ``between``, two
bounds; ``label`` where something else is to be shown, such as 4/pi. ``ask`` names a question, a model with its arguments
and those of the question, and ``read`` the attribute (or index) that answers. ``seen`` is false where a value is quoted from
general knowledge of the literature. A row with ``differs`` says why the two do not agree: they must not, then.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import replicas as rp

ROWS: list[dict[str, Any]] = json.loads(Path(__file__).parents[1].joinpath("published.json").read_text(encoding="utf-8"))["rows"]
QUESTIONS = (
    *("capacity", "at_line", "transitions", "overlap_gap", "local_entropy_threshold"),
    *("ground_state", "generalization", "constants", "franz_parisi"),
)
MODELS = ("Perceptron", "TreeCommittee", "TreeParity", "Committee")
SLACK = 1e-9  # of half a unit, which is not a binary number


@dataclass(frozen=True)
class Comparison:
    """A published value, the computed one with its error, and whether they agree."""

    row: dict[str, Any]
    value: float
    error: float
    agrees: bool


def _read(result: Any, path: str) -> Any:
    for name in path.split("."):
        result = result[int(name)] if name.isdigit() else result[name] if isinstance(result, dict) else getattr(result, name)
    return result


def _number(value: Any) -> Any:
    return math.inf if value == "inf" else value


def compute(row: dict[str, Any]) -> tuple[float, float]:
    """The value that the library gives for a row, and its error."""
    ask = row["ask"]
    if ask["question"] not in QUESTIONS or ask.get("model", "Perceptron") not in MODELS:
        raise ValueError(f"ask: got {ask}; takes a question of {', '.join(QUESTIONS)} and a model of {', '.join(MODELS)}")
    question = getattr(rp, ask["question"])
    given = {name: _number(value) for name, value in ask.get("of", {}).items()}
    model = [getattr(rp, ask["model"])(**given)] if "model" in ask else []
    result = question(*model, **ask.get("with", {}))
    return float(_read(result, row["read"])), float(_read(result, row["error"]))


def half_unit(printed: str) -> float:
    """Half a unit of the last digit of a published decimal."""
    return 0.5 * 10.0 ** -len(printed.partition(".")[2])


def compare(row: dict[str, Any]) -> Comparison:
    """Ask the library, and judge: within half a unit of the last published digit, or between the bounds, and the error."""
    value, error = compute(row)
    if "between" in row:
        low, high = map(float, row["between"])
        agrees = low <= value - error and value + error <= high
    else:
        width = row.get("units", 1) * half_unit(row["published"]) * (1 + SLACK)
        agrees = abs(value - float(row["published"])) <= width + error
    return Comparison(row, value, error, agrees)
