"""What fits in memory, asked before work: one clear line in place of a machine that swaps."""

from __future__ import annotations

import math
import os
from pathlib import Path

GIGABYTE = 1e9


def available_bytes() -> float:
    """Memory that can be had without swapping, or all there is where the system does not say; inf where it says nothing."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    try:
        return float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return math.inf


def check_memory(N: int, P: int, needed: float, what: str) -> None:
    """ValueError if `needed` bytes are more than there are."""
    there = available_bytes()
    if needed > there:
        size = f"{needed / GIGABYTE:.3g} GB for {what} of {P} patterns"
        raise ValueError(f"N: got {N}, which needs {size}, takes what fits the {there / GIGABYTE:.3g} GB of memory available")
