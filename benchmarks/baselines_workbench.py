"""Sweeps: a phase diagram's worth of points on one core and on two, and resumed from its store; the atlas cold and resumed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .run import Row

SIDE = 200  # margins and loads of the grid


def _grid() -> dict[str, Any]:
    import numpy as np

    return {"kappa": np.linspace(-0.5, 1.0, SIDE), "alpha": np.linspace(0.02, 1.2, SIDE)}


def sweep_rows() -> list[Row]:
    """A grid of RS solutions of the binary perceptron."""
    import numpy as np

    import replicas as rp

    model, grid = rp.Perceptron("binary"), _grid()
    rp.solve(model, 0.6)  # compiled before anything is timed

    def seconds(**options: Any) -> tuple[float, Any]:
        begin = time.perf_counter()
        sweep = rp.sweep("solve", grid, progress=False, model=model, **options)
        return time.perf_counter() - begin, sweep

    alone = [seconds(executor=1) for _ in range(3)]
    two = [seconds(executor=2) for _ in range(3)]
    here, plain = seconds()
    assert all(np.array_equal(s["status"], plain["status"]) for _, s in alone + two)
    one, both = sorted(t for t, _ in alone)[1], sorted(t for t, _ in two)[1]
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "grid.db"
        written, _ = seconds(store=store)
        resumed, again = seconds(store=store)
        assert again.computed == 0
    points = SIDE * SIDE
    return [
        Row(f"sweep of {SIDE} x {SIDE} points, one core", one, "s", "< 10", one < 10, f"{one / points * 1e6:.0f} us a point; in this process {here:.2f} s"),
        Row("the same on two cores, ratio", one / both, "x", ">= 1.7", one / both >= 1.7, f"{both:.2f} s"),
        Row(f"resuming its {points} points", resumed, "s", "< 2", resumed < 2, f"written with them in {written:.2f} s"),
    ]


def atlas_rows() -> list[Row]:
    """The atlas in a fresh process, first with nothing in its folder."""
    with tempfile.TemporaryDirectory() as folder:
        times = []
        for _ in range(2):
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-m", "replicas", "atlas", "-o", folder], capture_output=True, check=False)
            times.append(time.perf_counter() - begin)
    return [
        Row("atlas, cold", times[0], "s", "< 300", times[0] < 300),
        Row("atlas, resumed", times[1], "s", "< 30", times[1] < 30),
    ]
