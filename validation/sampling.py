"""Samples for the experiments: drawn by `replicas.simulation`, shown as progress, averaged with standard
errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from replicas import simulation

Value = TypeVar("Value")
Progress = Callable[[str, int, int], None]
"""Called as progress(what, completed, total)."""


def collect(
    sample_value: Callable[[int], Value], samples: int, what: str, progress: Progress | None
) -> tuple[Value, ...]:
    """All the values, or KeyboardInterrupt: an experiment with samples missing has no verdict."""
    report = None if progress is None else lambda done, total: progress(what, done, total)
    run = simulation.run_samples(sample_value, samples, progress=report)
    if run.interrupted:
        raise KeyboardInterrupt(f"{what}: {len(run.values)} of {samples} samples done")
    return run.values


def mean_and_stderr(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over the first axis and its standard error."""
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(values.shape[0])
