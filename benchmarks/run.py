"""Measure the package against `benchmarks.baselines` and against its targets: ``python -m benchmarks.run [--json]``.

Every ratio is taken in this one run on this machine; times are medians. A missed target is printed, never raised:
a time is not a test.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

HEAVY = ("numba", "sympy", "scipy", "matplotlib", "llvmlite", "mpmath", "xarray", "numpy")
FORBIDDEN = ("numba", "sympy", "scipy", "matplotlib")  # must not be loaded by `import replicas`
CURVE_POINTS = 1000
BASELINE_MARGINS = (-0.5, 0.0, 0.7)  # the slow curve is timed here and scaled to CURVE_POINTS
SEVEN_UNITS = 1e-8  # accuracy of an average over seven fields
FINE_LEVEL = {3: 4, 7: 1}  # of the lattice of that many fields: the reference
PLAIN = 1e-6  # accuracy asked of the plain state evolution, whose integrand has poles close by
AGREEMENT = 1e-10  # baseline and package must give the same numbers for a ratio to mean anything


@dataclass
class Row:
    """One measurement: what, value with unit, the target and whether it is met."""

    name: str
    value: float
    unit: str
    target: str
    met: bool
    note: str = ""


def median_time(call: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def solve_rows() -> list[Row]:
    """One warm solve at alpha = 0.6 against the quad fixed point."""
    import replicas as rp

    from . import baselines

    model = rp.Perceptron()
    point = rp.solve(model, 0.6)
    slow = median_time(lambda: baselines.saddle(0.6), 3)
    fast = median_time(lambda: rp.solve(model, 0.6), 200)
    reference = baselines.saddle(0.6)
    assert abs(reference["q"] - point.q) < AGREEMENT and abs(reference["free_entropy"] - point.free_entropy) < AGREEMENT
    residual = point.residual
    return [
        Row(
            "solve binary alpha=0.6, ratio to quad fixed point",
            slow / fast,
            "x",
            ">= 200",
            slow / fast >= 200,
            f"{slow * 1e3:.1f} ms / {fast * 1e6:.0f} us, error estimate included",
        ),
        Row("its undamped residual", residual, "", "<= 1e-13", residual <= 1e-13),
    ]


def batch_rows() -> list[Row]:
    """A thousand loads at once."""
    import numpy as np

    import replicas as rp

    rows = []
    for name, model, top in (
        ("binary", rp.Perceptron(), 0.83),
        ("spherical", rp.Perceptron("spherical"), 1.99),
    ):
        alpha = np.linspace(0.001, 1.0, CURVE_POINTS) * top
        assert set(rp.solve(model, alpha).status) == {"converged"}
        per_point = median_time(lambda m=model, a=alpha: rp.solve(m, a), 9) / CURVE_POINTS * 1e3  # type: ignore[misc]
        rows.append(Row(f"batch of {CURVE_POINTS} loads, {name}", per_point, "ms/point", "< 0.1", per_point < 0.1))
    return rows


def curve_rows() -> list[Row]:
    """alpha_c(kappa) of the binary perceptron."""
    import numpy as np

    import replicas as rp

    from . import baselines

    model, kappa = rp.Perceptron(), np.linspace(-1.0, 2.0, CURVE_POINTS)
    assert set(rp.capacity(model, kappa=kappa).status) == {"converged"}
    fast = median_time(lambda: rp.capacity(model, kappa=kappa), 3)
    times = []
    for k in BASELINE_MARGINS:
        begin = time.perf_counter()
        value = baselines.capacity(k)
        times.append(time.perf_counter() - begin)
        assert abs(value - rp.capacity(model, kappa=k).value) < AGREEMENT
    slow = statistics.mean(times) * CURVE_POINTS
    note = f"{fast:.2f} s for {CURVE_POINTS} points; baseline timed at {len(times)} margins and scaled: {slow:.0f} s"
    return [
        Row(
            "alpha_c(kappa) curve, ratio to quad + brentq",
            slow / fast,
            "x",
            ">= 100",
            slow / fast >= 100,
            note,
        )
    ]


def digits_rows() -> list[Row]:
    """Fifty digits and a proof against findroot over quad in mpmath (fast as it can be written simply, nodes warm)."""
    import mpmath

    import replicas as rp
    from replicas.numerics import polish
    from replicas.numerics.arithmetic import Mpmath

    from . import baselines_mp

    binary, spherical = rp.Perceptron(), rp.Perceptron("spherical")

    def alone(call: Callable[[], Any]) -> float:
        """Median time with mpmath arithmetic only."""
        fast, polish.arithmetic = polish.arithmetic, Mpmath  # type: ignore[assignment]
        try:
            return median_time(call, 3)
        finally:
            polish.arithmetic = fast

    found, proved = rp.capacity(binary, digits=50), rp.capacity(binary, digits=50, certified=True)
    slow_value = baselines_mp.binary_capacity(50)["alpha"]
    assert abs(found.value - slow_value) < mpmath.mpf(10) ** -49 and proved.certified
    slow = median_time(lambda: baselines_mp.binary_capacity(50), 3)
    ladder = median_time(lambda: baselines_mp.binary_capacity(50, ladder=True), 3)
    plain = median_time(lambda: rp.capacity(binary, digits=50), 9)
    without = alone(lambda: rp.capacity(binary, digits=50))
    proof = median_time(lambda: rp.capacity(binary, digits=50, certified=True), 3)
    overlap_slow = median_time(lambda: baselines_mp.spherical_overlap(30, "1.5"), 3)
    overlap = alone(lambda: rp.solve(spherical, 1.5, digits=30))
    overlap_flint = median_time(lambda: rp.solve(spherical, 1.5, digits=30), 9)
    note = f"{slow:.2f} s (precision doubled on the way: {ladder:.2f} s) / {plain * 1e3:.0f} ms; mpmath alone {without * 1e3:.0f} ms"
    return [
        Row(
            "50-digit binary capacity, ratio to findroot over quad",
            slow / plain,
            "x",
            ">= 10",
            slow / plain >= 10,
            note,
        ),
        Row(
            "50 certified digits, same ratio",
            slow / proof,
            "x",
            "> 1",
            slow > proof,
            f"{proof:.2f} s, bracket of uniqueness included",
        ),
        Row(
            "30-digit spherical q, mpmath alone, ratio to findroot over quad",
            overlap_slow / overlap,
            "x",
            ">= 5",
            overlap_slow / overlap >= 5,
            f"{overlap_slow:.2f} s / {overlap * 1e3:.0f} ms, entropy and replicon included; with python-flint {overlap_flint * 1e3:.0f} ms",
        ),
        _memory_row(),
    ]


def rsb_rows() -> list[Row]:
    """Nested averages against nested quad; a one-step capacity and saddle, and forty intervals of x(q)."""
    import numpy as np

    import replicas as rp
    from replicas.numerics.leaf_tables import pattern_table
    from replicas.numerics.parisi import tower
    from replicas.numerics.saddle import make_batch

    from . import baselines

    model = rp.Perceptron("spherical", kappa=-1.0)
    point, (q0, q1, m) = make_batch(model, 12.0), (0.66, 0.95, 0.4)

    def evaluate() -> float:
        return tower(pattern_table(point, 1 - q1), np.array([q0, q1 - q0]), np.array([0.0, m])).value

    agreement = abs(evaluate() - baselines.one_step_tower(-1.0, q0, q1, m))
    assert agreement < 1e-11
    slow = median_time(lambda: baselines.one_step_tower(-1.0, q0, q1, m), 3)
    fast = median_time(evaluate, 200)
    rp.capacity(model, "1rsb"), rp.solve(model, 12.0, "1rsb"), rp.solve(model, 12.0, "frsb", k=8)
    capacity = median_time(lambda: rp.capacity(model, "1rsb"), 20)
    saddle = median_time(lambda: rp.solve(model, 12.0, "1rsb"), 10)
    profile = median_time(lambda: rp.solve(model, 12.0, "frsb", k=40), 1)
    digits = median_time(lambda: rp.capacity(model, "1rsb", digits=50), 5)
    return [
        Row(
            "1RSB tower with all first derivatives, ratio to nested quad at 1e-12",
            slow / fast,
            "x",
            ">= 100",
            slow / fast >= 100,
            f"{slow * 1e3:.0f} ms / {fast * 1e6:.0f} us, difference {agreement:.0e}; quad gives the value only",
        ),
        Row("1RSB capacity, warm", capacity * 1e3, "ms", "< 50", capacity < 0.05, f"50 digits: {digits * 1e3:.0f} ms"),
        Row("1RSB saddle with errors, warm", saddle * 1e3, "ms", "", True),
        Row("x(q) on 40 intervals, kappa = -1, alpha = 12", profile, "s", "< 10", profile < 10, "10 and 20 on the way"),
    ]


def tree_rows() -> list[Row]:
    """Averages over three and seven fields, one-step capacities of committees, a saddle, digits."""
    import numpy as np

    import replicas as rp
    from replicas.numerics.saddle import evaluate, make_batch
    from replicas.numerics.unit_energy import energy, lattice_points

    from . import baselines

    def first_level(K: int, tolerance: float) -> tuple[int, float]:
        """The first level of the lattice whose energy is that of a much finer one, and the latter."""
        finest = energy("majority", K, 0.5, 0.5, FINE_LEVEL[K])
        return next(n for n in range(9) if abs(energy("majority", K, 0.5, 0.5, n) - finest) < tolerance), finest

    level, reference = first_level(3, AGREEMENT)
    nodes, reach = baselines.tree_grid(reference, AGREEMENT)
    assert abs(baselines.tree_energy_plain(nodes, reach) - reference) < AGREEMENT
    overlaps = np.full(100, 0.5)  # as for a curve: what a call from Python costs is shared
    fast = median_time(lambda: energy("majority", 3, overlaps, 1 - overlaps, level), 51) / overlaps.size
    slow = median_time(lambda: baselines.tree_energy(nodes, reach), 201)
    plain = median_time(lambda: baselines.tree_energy_plain(nodes, reach), 51)
    batch, x = make_batch(rp.TreeCommittee(3, "spherical"), 1.0), half_overlap()
    same = next(n for n in range(9) if abs(evaluate(batch, x, n).dphi_dalpha[0] - reference) < AGREEMENT)
    derived = median_time(lambda: evaluate(batch, x, same), 51)
    points = lattice_points("majority", 3, 0.5, 0.5, level)
    seven, _ = first_level(7, SEVEN_UNITS)
    many = median_time(lambda: energy("majority", 7, 0.5, 0.5, seven), 9)
    lattice = lattice_points("majority", 7, 0.5, 0.5, seven)
    rows = [
        Row(
            "E log Z, K=3, to 1e-10, ratio to a NumPy tensor grid",
            slow / fast,
            "x",
            ">= 50",
            slow / fast >= 50,
            f"{slow * 1e6:.0f} us on {nodes}^3 points, tails once per axis / {fast * 1e6:.0f} us on {points}",
        ),
        Row(
            "the same, tails at every point of a mesh",
            plain / fast,
            "x",
            ">= 50",
            plain / fast >= 50,
            f"{plain * 1e6:.0f} us",
        ),
        Row("its time per point", fast / points * 1e9, "ns", "", True),
        Row(
            "the same by the generated kernel, with gradient, Hessian and replicon",
            derived * 1e6,
            "us",
            "",
            True,
        ),
        Row(
            "E log Z, K=7, to 1e-8", many * 1e3, "ms", "", True, f"{lattice} points, {many / lattice * 1e9:.0f} ns each"
        ),
    ]
    for K, target, repeats in ((3, 0.1, 5), (5, 5.0, 3), (7, 60.0, 1)):
        model = rp.TreeCommittee(K, "spherical")
        if K < 7:
            rp.capacity(model, "1rsb")
        seconds = median_time(lambda m=model: rp.capacity(m, "1rsb"), repeats)  # type: ignore[misc]
        rows.append(Row(f"1RSB capacity K={K}, warm", seconds, "s", f"< {target:g}", seconds < target))
    model = rp.TreeCommittee(3, "spherical")
    rp.solve(model, 1.5)
    saddle = median_time(lambda: rp.solve(model, 1.5), 9)
    rows.append(Row("RS saddle K=3, alpha = 1.5, with errors, warm", saddle * 1e3, "ms", "", True))
    for K in (3, 101):
        wide = rp.TreeCommittee(K, "spherical")
        rp.capacity(wide, digits=30)
        seconds = median_time(lambda m=wide: rp.capacity(m, digits=30), 3)  # type: ignore[misc]
        rows.append(Row(f"RS capacity K={K}, 30 digits", seconds * 1e3, "ms", "", True))
    return rows


def wide_rows() -> list[Row]:
    """Infinitely many units: a one-step capacity. Two units that share their inputs: a step of state evolution."""
    import numpy as np

    import replicas as rp

    from . import baselines

    times = {}
    for name in ("relu", "erf", "tanh", "quadratic"):
        model = rp.TreeCommittee(float("inf"), "spherical", name)
        rp.capacity(model, "1rsb")
        times[name] = median_time(lambda model=model: rp.capacity(model, "1rsb"), 20)
    worst = max(times, key=lambda name: times[name])
    committee = rp.Committee(2, "spherical", task="teacher-student")
    q = np.array([[0.6, 0.2], [0.2, 0.6]])

    def step(start: Any) -> Any:
        return rp.state_evolution(committee, 1.2, start, 1)[-1]

    step(q)
    fast = median_time(lambda: step(q), 20)
    nodes = next(n for n in (20, 30, 40, 60, 80) if np.abs(baselines.matrix_step(q, 2.4, n) - step(q)).max() < PLAIN)
    slow = median_time(lambda: baselines.matrix_step(q, 2.4, nodes), 1)
    saddle = median_time(lambda: rp.solve(committee, 1.2), 3)
    return [
        Row(
            "1RSB capacity of infinitely many units, slowest of four activations, warm",
            times[worst] * 1e3,
            "ms",
            "< 50",
            times[worst] < 0.05,
            ", ".join(f"{k} {v * 1e3:.0f} ms" for k, v in times.items()),
        ),
        Row("state evolution of two units, one step from a general matrix", fast * 1e3, "ms", "< 100", fast < 0.1),
        Row(
            f"the same, ratio to {nodes} x {nodes} Gauss-Hermite nodes with scipy's orthants ({PLAIN:.0e})",
            slow / fast,
            "x",
            "",
            True,
            f"{slow:.2f} s / {fast * 1e3:.1f} ms; the package's own accuracy is 1e-10",
        ),
        Row("saddle point of two units with errors", saddle * 1e3, "ms", "", True),
    ]


def local_rows() -> list[Row]:
    """Points and curves of the geometry of solutions; one average against the same by nested scipy quadrature."""
    import numpy as np

    import replicas as rp
    from replicas.numerics.coupled import patterns
    from replicas.numerics.leaf_tables import pattern_table
    from replicas.numerics.parisi import tower
    from replicas.numerics.saddle import make_batch
    from replicas.theory.references import likelihood, typical

    from . import baselines_local as plain

    model, alpha = rp.Perceptron("binary"), 0.55
    reference, _ = typical(model, alpha)
    leaf, kinks = likelihood(model, alpha)
    tau, gamma, b = 0.6, 0.45, 0.55
    q, t = tau * tau + gamma * gamma, tau * reference.q**0.5

    def coupled() -> Any:
        return patterns(reference, leaf, kinks, tau, gamma, b, 1 - q, reference.rest - b * b)

    batch, q0, q1, y = make_batch(model, alpha), 0.7, 0.8, 12.0

    def nested() -> Any:
        return tower(pattern_table(batch, 1 - q1), np.array([q0, q1 - q0]), np.array([0.0, y]), 4.0)

    rows = []

    def picked(at: Any) -> Any:
        return np.array([getattr(at, name) for name in plain.AVERAGES])

    def averages(epsilon: float) -> Any:
        return np.array([plain.franz_parisi_average(name, reference.q, q, t, t + b * gamma, epsilon) for name in plain.AVERAGES])

    pairs: tuple[tuple[str, Callable[[], Any], Callable[[float], Any]], ...] = (
        ("Franz-Parisi: the four averages of the equations", lambda: picked(coupled()), averages),
        ("local entropy: one average", lambda: y * nested().value, lambda e: plain.local_entropy_energy(q0, q1, y, e)),
    )
    for name, fast, slow in pairs:
        value = fast()
        epsilon = next(e for e in (1e-8, 1e-10, 1e-12) if np.all(np.abs(slow(e) - value) < AGREEMENT))
        times = median_time(lambda fast=fast: fast(), 30), median_time(lambda slow=slow, e=epsilon: slow(e), 3)  # type: ignore[misc]
        note = f"{times[1]:.3f} s / {times[0] * 1e3:.2f} ms"
        rows.append(Row(f"{name}, ratio to nested scipy.quad ({AGREEMENT:.0e})", times[1] / times[0], "x", "> 30", times[1] > 30 * times[0], note))
    asked: tuple[tuple[str, Callable[[], Any], float, int], ...] = (
        ("Franz-Parisi point", lambda: rp.franz_parisi(model, alpha, 0.1), 0.3, 5),
        ("Franz-Parisi curve of 50 points", lambda: rp.franz_parisi(model, alpha, np.linspace(0.01, 0.5, 50)), 10.0, 1),
        ("local entropy at S_E = 0", lambda: rp.local_entropy(model, 0.6, 0.05), 3.0, 5),
        ("local entropy at S_E = 0, constrained reference", lambda: rp.local_entropy(model, 0.6, 0.05, reference="constrained"), 3.0, 1),
        ("alpha_U", lambda: rp.local_entropy_threshold(model), 60.0, 1),
        ("overlap gap of four clones", lambda: rp.overlap_gap(model, 4), 60.0, 3),
    )
    for name, ask, target, repeats in asked:
        ask()
        seconds = median_time(ask, repeats)
        rows.append(Row(f"{name}, warm", seconds, "s", f"< {target:g}" if target < 60 else "", seconds < target))
    return rows


def half_overlap() -> Any:
    """Unknowns of a spherical committee at q = 1/2: logit(q) = 0."""
    import numpy as np

    return np.zeros((1, 1))


def _memory_row() -> Row:
    """Peak memory of all constants with proofs."""
    # not getrusage, whose peak survives fork and exec and would be that of this process
    code = "import replicas as rp; rp.constants(50, True); print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    peak = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) / 1024
    return Row("peak memory, all constants certified to 50 digits", peak, "MB", "< 500", peak < 500)


def import_rows() -> list[Row]:
    """`import replicas` in fresh processes."""
    code = (
        f"import sys, time; b = time.perf_counter(); import replicas; t = time.perf_counter() - b; "
        f"print(t, ','.join(m for m in {HEAVY!r} if m in sys.modules))"
    )
    times, loaded = [], ""
    for _ in range(7):
        words = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        times.append(float(words[0]))
        loaded = words[1] if len(words) > 1 else ""
    value = statistics.median(times)
    wrong = sorted(set(loaded.split(",")) & set(FORBIDDEN))
    return [
        Row("import replicas, fresh process", value, "s", "< 0.1", value < 0.1),
        Row(
            "heavy modules it loads",
            len(wrong),
            "",
            "= 0",
            not wrong,
            ", ".join(wrong) or "none of " + ", ".join(FORBIDDEN),
        ),
    ]


def cli_rows() -> list[Row]:
    """The command line in fresh processes; the first run may have to compile."""
    command = [sys.executable, "-m", "replicas", "solve", "--alpha", "0.6", "--json"]
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        times.append(time.perf_counter() - begin)
        if done.returncode:
            return [
                Row(
                    "replicas solve, fresh process",
                    float("nan"),
                    "s",
                    "< 1.5",
                    False,
                    done.stderr.strip()[-100:],
                )
            ]
        assert abs(float(json.loads(done.stdout)["q"]) - 0.391049501) < 1e-8
    value = statistics.median(times[1:])
    return [
        Row(
            "replicas solve, fresh process, after the first run",
            value,
            "s",
            "< 1.5",
            value < 1.5,
            f"first run {times[0]:.2f} s",
        )
    ]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="groups to measure (default: all)")
    options = parser.parse_args(argv)
    warnings.filterwarnings("ignore", message="The occurrence of roundoff")  # quad at its limit in the baseline
    from .baselines_algorithms import algorithm_rows
    from .baselines_enumeration import enumeration_rows
    from .baselines_inference import inference_rows
    from .baselines_landscape import landscape_rows
    from .baselines_sampling import sampling_rows
    from .baselines_workbench import atlas_rows, sweep_rows

    rows: list[Row] = []
    theory = (solve_rows, batch_rows, curve_rows, digits_rows, rsb_rows, tree_rows, wide_rows, local_rows)
    finite = (enumeration_rows, algorithm_rows, inference_rows, sampling_rows, landscape_rows)
    groups = {m.__name__.removesuffix("_rows"): m for m in (import_rows, *theory, *finite, sweep_rows, atlas_rows, cli_rows)}
    if unknown := set(options.only or ()) - set(groups):
        parser.error(f"only: got {', '.join(sorted(unknown))}; takes {', '.join(groups)}")
    for measure in (groups[name] for name in options.only or groups):
        print(f"{measure.__name__.removesuffix('_rows')} ...", file=sys.stderr, flush=True)
        rows += measure()
    if options.json:
        print(
            json.dumps(
                {
                    "machine": platform.processor() or platform.machine(),
                    "python": platform.python_version(),
                    "rows": [asdict(r) for r in rows],
                },
                indent=1,
            )
        )
        return 0
    width = max(len(r.name) for r in rows)
    print(f"{'':<{width}}  {'measured':>16}  {'target':>8}")
    for r in rows:
        print(
            f"{r.name:<{width}}  {r.value:>10.4g} {r.unit:<8}  {r.target:>5}  {'met' if r.met else 'MISSED':<6}  {r.note}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
