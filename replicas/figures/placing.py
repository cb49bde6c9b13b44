"""Where a name fits into an area of a figure: level and clear of lines, or turned into the direction of a narrow area."""

from __future__ import annotations

import math

import numpy as np

FONT = 8.5  # points, of a name
AIR = (8.0, 5.0)  # points kept free around it, along and across
TURNED_AIR = 2.5  # the same across, where it follows a narrow area
ENOUGH = 3.0  # heights of a name beyond which more room is not better
COLUMNS, ROWS, TURNED = 61, 9, 81  # places tried
NODES = 15  # at which the edges are looked at over the length of a name
Spot = tuple[float, float, float, float]
"""(score, x, y, angle), in shares of the frame and degrees."""
Area = tuple[np.ndarray, np.ndarray, np.ndarray]
"""x, lower and upper edge, in shares of the frame."""


def spot(name: str, area: Area, size: tuple[float, float], marks: np.ndarray) -> Spot | None:
    """The best place for a name in an area; None where it does not fit.

    size : of the frame, in points;  marks : points of lines, shares of the frame, which a level name keeps clear of
    """
    x, lower, upper = area
    wide = extent(name)
    w, h = (wide + AIR[0]) / size[0], (FONT + AIR[1]) / size[1]
    own, half = 0.5 * (x[0] + x[-1]), 0.5 * (x[-1] - x[0])
    best: Spot | None = None
    for c in np.linspace(x[0] + w / 2, x[-1] - w / 2, COLUMNS) if 2 * half >= w else ():
        under = np.linspace(c - w / 2, c + w / 2, NODES)
        low, high = np.interp(under, x, lower).max(), np.interp(under, x, upper).min()
        for middle in np.linspace(low + h / 2, high - h / 2, ROWS) if high - low >= h else ():
            if ((np.abs(marks[:, 0] - c) < w / 2) & (np.abs(marks[:, 1] - middle) < h / 2)).any():
                continue
            central = (1 - 0.3 * abs(c - own) / half) * (1 - 0.5 * abs(2 * middle - low - high) / max(high - low, h))
            score = float(min((high - low) / h, ENOUGH) * central)
            if best is None or score > best[0]:
                best = (score, float(c), float(middle), 0.0)
    return best or _along(area, wide, size)


def _along(area: Area, wide: float, size: tuple[float, float]) -> Spot | None:
    """A place in the direction of the area; scores less than a level one."""
    x, lower, upper = area
    best: Spot | None = None
    for c in np.linspace(x[0], x[-1], TURNED):
        slope = 0.0
        for _ in range(2):  # the direction over the length of the name
            reach = 0.5 * (wide + AIR[0]) / size[0] / math.hypot(1.0, slope)
            ends = np.array([c - reach, c + reach])
            heights = 0.5 * (np.interp(ends, x, lower) + np.interp(ends, x, upper))
            slope = float((heights[1] - heights[0]) * size[1] / ((ends[1] - ends[0]) * size[0]))
        if ends[0] < x[0] or ends[1] > x[-1]:
            continue
        under, base = np.linspace(ends[0], ends[1], NODES), np.linspace(heights[0], heights[1], NODES)
        above, below = (np.interp(under, x, upper) - base).min(), (base - np.interp(under, x, lower)).min()
        room = float((above + below) * size[1] / math.hypot(1.0, slope) / (FONT + TURNED_AIR))
        if room >= 1.0 and (best is None or 1e-3 * room > best[0]):
            best = (1e-3 * room, float(c), float(heights.mean() + 0.5 * (above - below)), math.degrees(math.atan(slope)))
    return best


def extent(text: str) -> float:
    """Width of a name in points."""
    from matplotlib.textpath import TextPath

    return float(TextPath((0, 0), text, size=FONT).get_extents().width)
