"""Random numbers: one independent, reproducible stream for every task.

A task is named by words and numbers, for instance ("patterns", P, N, sample). Its stream depends on the seed
and on that name alone, so any sample can be redrawn by itself, in any order and on any number of workers.
Source: NumPy's SeedSequence, whose spawn_key separates streams of the same entropy.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np

from ._checks import check_integer


def task_generator(seed: int, *task: str | int) -> np.random.Generator:
    """The random stream of one task.

    Parameters
    ----------
    seed : int >= 0, shared by a whole experiment
    task : words and integers that name the task

    Raises
    ------
    ValueError : the seed is not an integer >= 0
    TypeError : the task contains anything but strings and integers
    """
    check_integer("seed", seed, at_least=0)
    words = []
    for word in task:
        if not isinstance(word, (str, int, np.integer)) or isinstance(word, bool):
            raise TypeError(f"task: got {word!r}, takes strings and integers only")
        # int(): a NumPy integer must name the same stream as the Python integer of that value
        words.append(word if isinstance(word, str) else int(word))
    digest = hashlib.blake2b(json.dumps(words).encode(), digest_size=16).digest()
    spawn_key = tuple(int(key) for key in np.frombuffer(digest, dtype="<u4"))
    return np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=spawn_key))
