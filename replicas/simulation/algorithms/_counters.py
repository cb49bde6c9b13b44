"""A signed whole number for every pattern, bit by bit: plane k holds bit k of the numbers of 512 patterns (two's complement).

All step by +-1 at once, in a few operations a plane; a set of patterns is a row of bits, too. The planes of 8 words (a vector of
`_lanes`) follow each other, those of the next 8 come then.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .._lanes import WORDS, aligned, both, differ, either, load, splat, store
from .._packed import WORD, packed_signs

Words = NDArray[np.uint64]


def _rows(signs: NDArray[np.int8]) -> Words:
    """Rows of signs as words, up to whole vectors; the bits beyond them are 0."""
    packed = packed_signs(signs)
    rows = aligned(len(packed) * -(-packed.shape[1] // WORDS) * WORDS).reshape(len(packed), -1)
    rows[:] = 0
    rows[:, : packed.shape[1]] = packed
    return rows


def columns_of(points: NDArray[np.int8]) -> Words:
    """Patterns of signs, (P, N), site by site: (N x words,), a bit a pattern."""
    return _rows(np.ascontiguousarray(points.T)).ravel()


class Counters:
    """Whole numbers from -2^(bits - 1) to 2^(bits - 1) - 1, of which steps may not lead out.

    planes : the numbers, (words x bits,);  present : the bits that stand for patterns, (words,)
    """

    def __init__(self, values: NDArray[np.integer[Any]], bits: int):
        self.P, self.bits = values.size, bits
        self.present = _rows(np.ones((1, self.P), np.int8))[0]
        set_bits = (values[None] >> np.arange(bits)[:, None]) & 1
        planes = _rows((2 * set_bits - 1).astype(np.int8))
        self.planes = aligned(planes.size)
        self.planes[:] = planes.reshape(bits, -1, WORDS).transpose(1, 0, 2).ravel()

    @property
    def values(self) -> NDArray[np.int64]:
        """The numbers, (P,)."""
        planes = self.planes.reshape(-1, self.bits, WORDS).transpose(1, 0, 2).reshape(self.bits, -1)
        set_bits = (planes[:, :, None] >> np.arange(WORD, dtype=np.uint64)) & np.uint64(1)
        places = np.concatenate([1 << np.arange(self.bits - 1), [-(1 << (self.bits - 1))]])
        return np.asarray(places @ set_bits.reshape(self.bits, -1)[:, : self.P].astype(np.int64))


@njit(cache=True, nogil=True)
def without(a: Any, b: Any) -> Any:
    """The bits of a that are not of b."""
    return differ(a, both(a, b))


@njit(cache=True, nogil=True)
def step_down(planes: Words, first: int, bits: int, down: Any) -> None:
    """Numbers of the 512 patterns whose planes begin at `first`: -1 where `down`, +1 elsewhere."""
    carry = load(planes, first)  # the lowest bit of +1 and of -1 is set
    store(planes, first, differ(carry, splat(~np.uint64(0))))
    for k in range(1, bits):
        plane = load(planes, first + k * WORDS)
        half = differ(plane, down)
        store(planes, first + k * WORDS, differ(half, carry))
        carry = either(both(plane, down), both(half, carry))
