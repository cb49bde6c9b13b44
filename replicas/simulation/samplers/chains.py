"""Independent Markov chains side by side: records, burn-in, progress, interruption, and what every sampler gives back."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .._checks import check_integer
from ..display.results import Arrays, Columns, Rows, Series, plain
from ..problems import Problem
from .autocorrelation import Observable, observe

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
Stop = Callable[[], bool]
MAX_BYTES = 2 << 30
"""Memory that a sampler may take."""
SLICE = 0.1
"""Processor seconds between two chances to stop."""


@dataclass(frozen=True, eq=False, repr=False)
class Sampling(Series):
    """What a sampler recorded.

    sampler : its name;  step : what a step is;  interval : steps between two records;  burn_in : records dropped at the start
    observables : by name, `Observable`, each with its mean, error, autocorrelation time and effective sample size
    weights : (chains, records, N), the recorded weights
    status : "equilibrated" (every chain 50 autocorrelation times long in every observable, and the chains agree),
        "not-equilibrated", "no-solution-found" (nothing to record), "interrupted" (the records until then, however many)
    acceptance : fraction of the proposals accepted, nan where none is ever refused;  seconds : of the processor
    details : further numbers of the sampler, by name

    ``plot(name=...)`` draws the records of an observable.
    """

    quantity = "sampling"
    inputs = ("sampler", "step", "interval", "burn_in")
    computed: ClassVar[tuple[str, ...]] = ("chains", "records", "acceptance", "seconds", "details")
    axes = ("record", "")

    sampler: str
    step: str
    observables: Mapping[str, Observable]
    weights: NDArray[Any]
    interval: int
    burn_in: int
    status: str
    seconds: float
    acceptance: float = float("nan")
    details: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Observable:
        return self.observables[name]

    @property
    def chains(self) -> int:
        """Number of chains."""
        return int(self.weights.shape[0])

    @property
    def records(self) -> int:
        """Records of each chain."""
        return int(self.weights.shape[1])

    @property
    def equilibrated(self) -> bool:
        """Whether the means and their errors can be used."""
        return self.status == "equilibrated"

    @property
    def slowest(self) -> Observable:
        """The observable of the longest autocorrelation time."""
        return max(self.observables.values(), key=lambda o: o.tau)

    def rows(self) -> Rows:
        """Header and cells of a readable table, a row an observable."""
        return ["", "mean", "std. error", "tau (records)", "ess", "R-hat"], [
            [o.name, f"{o.mean:.6g}", f"{o.stderr:.2g}", f"{o.tau:.3g} ± {o.tau_error:.1g}", f"{o.ess:.0f}", f"{o.r_hat:.3f}"]
            for o in self.observables.values()
        ]

    @property
    def title(self) -> str:
        """What was run and how it ended."""
        accepted = "" if np.isnan(self.acceptance) else f", acceptance {self.acceptance:.2f}"
        every = "a step" if self.interval == 1 else f"{self.interval} steps"
        return f"{self.sampler}: {self.status}, {self.chains} chains of {self.records} records, {every} each ({self.step}){accepted}"

    @property
    def caption(self) -> str:
        """The sampler and how it ended."""
        return f"{self.sampler}: {self.status}"

    def columns(self) -> Columns:
        """The number of the record."""
        return {"record": np.arange(self.records)}

    def points(self) -> list[dict[str, Any]]:
        """One plain dictionary per observable."""
        return [plain(o) for o in self.observables.values()]

    def arrays(self) -> Arrays:
        """Observables and weights by chain (overlaps: by pair of chains) and record."""
        recorded = {o.name: ((("chain" if len(o.values) == self.chains else "pair"), "record"), o.values) for o in self.observables.values()}
        return {**recorded, "weights": (("chain", "record", "site"), self.weights)}

    def _draw(self, ax: Any, name: str | None = None, **style: Any) -> None:
        """The records of one observable, that of the longest autocorrelation time if none is named, chain by chain."""
        if name is not None and name not in self.observables:
            raise ValueError(f"name: got {name!r}, takes one of {', '.join(self.observables)}")
        if self.observables:
            shown = self.slowest if name is None else self.observables[name]
            ax.plot(shown.values.T, **{"lw": 0.8, **style})
            ax.axhline(shown.mean, color="k", lw=0.8, label=f"{shown.mean:.4g} ± {shown.stderr:.2g}")
            ax.set_ylabel(shown.name)


class Chain(ABC):
    """A Markov chain at work."""

    @abstractmethod
    def advance(self, records: int, interval: int) -> tuple[NDArray[Any], dict[str, Array]]:
        """That many records, `interval` steps apart: the weights, (records, N), and each observable, (records,)."""

    def settle(self, steps: int) -> None:
        """So many steps that are not recorded: a sampler may tune its moves in them, and in them alone."""
        self.advance(1, steps)


def check_memory(what: str, needed: float) -> None:
    """Refuse what would not fit, before it is allocated."""
    if needed > MAX_BYTES:
        raise ValueError(f"{what}, which takes {needed / 2**30:.3g} GB of memory; takes at most {MAX_BYTES / 2**30:.0f} GB")


def check_run(N: int, records: int, chains: int, interval: int, burn_in: int | None, itemsize: int = 8) -> int:
    """The numbers of a run within their ranges, and the burn-in: a tenth of the records if absent."""
    check_integer("records", records, at_least=4)
    check_integer("chains", chains, at_least=1)
    check_integer("interval", interval, at_least=1)
    check_memory(f"records: got {records} of {N} weights in {chains} chains", 2.0 * records * chains * (N * itemsize + 64))
    return check_integer("burn_in", records // 10 if burn_in is None else burn_in, at_least=0)


def check_problem(problem: Any, binary_patterns: bool = False) -> Problem:
    """A problem of a perceptron with at least one pattern."""
    if not isinstance(problem, Problem):
        raise ValueError(f"problem: got {type(problem).__name__}, takes a Problem (see draw_problem)")
    if problem.architecture.K > 1:
        raise ValueError(f"problem: got a machine of {problem.architecture.K} units, takes a perceptron")
    if problem.P == 0:
        raise ValueError("problem: got no patterns, takes at least one")
    if binary_patterns and not problem.binary:
        raise ValueError("patterns: got entries other than +1 and -1, takes binary patterns")
    return problem


@dataclass
class Recorded:
    """Records of all chains, of one length each."""

    weights: NDArray[Any]
    values: dict[str, Array]
    interrupted: bool
    seconds: float


def run_chains(
    chains: Sequence[Chain], records: int, interval: int, burn_in: int, progress: Progress | None, stop: Stop | None
) -> Recorded:
    """Advance all chains by turns, in slices short enough to be stopped; Ctrl-C keeps what every chain has recorded."""
    begin = time.thread_time()
    total, per_turn, interrupted = burn_in + records, 1, False
    parts: list[list[tuple[NDArray[Any], dict[str, Array]]]] = [[] for _ in chains]
    done = 0
    try:
        while done < total and not interrupted:
            turn = min(per_turn, (burn_in if done < burn_in else total) - done)
            start = time.thread_time()
            if done < burn_in:
                for chain in chains:
                    chain.settle(turn * interval)
            else:
                fresh = [chain.advance(turn, interval) for chain in chains]
                for kept, part in zip(parts, fresh):
                    kept.append(part)
            taken = time.thread_time() - start
            per_turn = max(1, min(4 * per_turn, round(turn * SLICE * len(chains) / max(taken, 1e-9))))
            done += turn
            if progress is not None:
                progress(done, total)
            interrupted = stop is not None and stop()
    except KeyboardInterrupt:
        interrupted = True
    whole = min(len(kept) for kept in parts)
    if whole == 0:
        return Recorded(np.empty((len(chains), 0, 0)), {}, interrupted, time.thread_time() - begin)
    weights = np.stack([np.concatenate([part[0] for part in kept[:whole]]) for kept in parts])
    names = parts[0][0][1]
    values = {name: np.stack([np.concatenate([part[1][name] for part in kept[:whole]]) for kept in parts]) for name in names}
    return Recorded(weights, values, interrupted and done < total, time.thread_time() - begin)


def overlaps(weights: NDArray[Any], norm: float) -> Array:
    """Overlaps W.W'/norm of disjoint pairs of chains, record by record: (pairs, records), independent replicas."""
    pairs = len(weights) // 2
    # dtype: signs are not copied as floats first
    return np.asarray(np.einsum("cri,cri->cr", weights[: 2 * pairs : 2], weights[1 : 2 * pairs : 2], dtype=np.float64) / norm)


def summarise(run: Recorded, norm: float) -> tuple[dict[str, Observable], str]:
    """Observables, with the overlap of pairs of chains, and the status."""
    if run.weights.shape[1] < 4:
        return {}, "interrupted"
    values = dict(run.values)
    if len(run.weights) > 1:
        values["overlap"] = overlaps(run.weights, norm)
    found = {name: observe(name, series) for name, series in values.items()}
    if run.interrupted:
        return found, "interrupted"
    return found, "equilibrated" if all(o.equilibrated for o in found.values()) else "not-equilibrated"
