"""Run many independent samples: in threads, with progress, cancellable between samples.

Every sample draws from its own stream (`seeding`), so the values do not depend on the number of workers or on
their order.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from ._checks import check_integer

Value = TypeVar("Value")


@dataclass(frozen=True)
class SampleRun(Generic[Value]):
    """The samples that were completed: their numbers, their values, and whether the run was interrupted."""

    samples: tuple[int, ...]
    values: tuple[Value, ...]
    requested: int
    interrupted: bool


def run_samples(
    sample_value: Callable[[int], Value],
    samples: int,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SampleRun[Value]:
    """Evaluate sample_value(0), ..., sample_value(samples - 1) on threads.

    Ctrl-C stops after the samples under way and keeps every completed one; any other exception is raised.

    Parameters
    ----------
    sample_value : thread-safe function of the number of the sample
    samples : how many, >= 0
    workers : threads, >= 1; one a processor if absent
    progress : called in this thread as progress(completed, samples)

    Raises
    ------
    ValueError : samples or workers outside these ranges
    """
    check_integer("samples", samples, at_least=0)
    if workers is not None:
        check_integer("workers", workers, at_least=1)
    interrupted = False
    futures: list[Future[Value]] = []
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        try:
            for sample in range(samples):
                futures.append(pool.submit(sample_value, sample))
            for done, future in enumerate(futures, start=1):
                future.result()
                if progress is not None:
                    progress(done, samples)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            for future in futures:
                future.cancel()
    completed: dict[int, Value] = {}
    for sample, future in enumerate(futures):
        try:
            completed[sample] = future.result()
        except (CancelledError, KeyboardInterrupt):
            continue
    return SampleRun(tuple(completed), tuple(completed.values()), samples, interrupted)
