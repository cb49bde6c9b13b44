"""Run many independent samples: in threads, with progress, cancellable between samples.

Every sample draws from its own stream (`seeding`), so the values do not depend on the number of workers or on
their order.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from ._checks import check_integer

Value = TypeVar("Value")
BLOCKS_A_WORKER = 50
"""How finely the samples are handed out; also the steps of the progress."""


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
    stop: threading.Event | None = None,
    wait: bool = True,
) -> SampleRun[Value]:
    """Evaluate sample_value(0), ..., sample_value(samples - 1) on threads.

    Ctrl-C stops after the samples under way and keeps every completed one; a second one does not wait for them. Any other exception
    is raised.

    Parameters
    ----------
    sample_value : thread-safe function of the number of the sample
    samples : how many, >= 0
    workers : threads, >= 1; one a processor if absent
    progress : called in this thread as progress(completed, samples)
    stop : set by the Ctrl-C or the exception, for samples under way that can be ended
    wait : whether Ctrl-C waits for the samples under way; if not, they are left to end by themselves

    Raises
    ------
    ValueError : samples or workers outside these ranges
    """
    check_integer("samples", samples, at_least=0)
    n_workers = check_integer("workers", (os.cpu_count() or 1) if workers is None else workers, at_least=1)
    values: dict[int, Value] = {}
    stop = threading.Event() if stop is None else stop

    def run_block(block: range) -> None:
        for sample in block:
            if stop.is_set():
                return
            values[sample] = sample_value(sample)

    # blocks: a task a sample would cost more than a small sample itself
    size = max(1, samples // (n_workers * BLOCKS_A_WORKER))
    blocks = [range(first, min(first + size, samples)) for first in range(0, samples, size)]
    interrupted = False
    pool = ThreadPoolExecutor(n_workers)
    try:
        for block, future in [(block, pool.submit(run_block, block)) for block in blocks]:
            future.result()
            if progress is not None:
                progress(block.stop, samples)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        stop.set()
        try:
            pool.shutdown(wait=wait or not interrupted, cancel_futures=True)
        except KeyboardInterrupt:
            interrupted = True
    found = values.copy()  # a thread that was not waited for adds no more
    completed = sorted(found)
    return SampleRun(tuple(completed), tuple(found[sample] for sample in completed), samples, interrupted)
