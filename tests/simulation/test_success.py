"""Success curves, the fit of their threshold, entropies by enumeration, and verdicts on them."""

import inspect
import json
import math
import threading
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom, norm

import replicas as rp
from replicas import simulation
from replicas.simulation import (
    Algorithm,
    Run,
    count_solutions,
    draw_problem,
    entropy_curve,
    fit_threshold,
    run,
    success_curve,
    task_generator,
)
from replicas.simulation import threshold as module

LOADS = np.arange(0.5, 0.81, 0.03)
FITTED = 1e-6  # of a minimum found by a simplex: its own tolerance
COVERED = 4.5  # standard errors of the mean of many pulls, and deviation of their spread from 1: a chance of 1e-5


def drawn(rng, at=0.66, width=0.03, n=50):
    return rng.binomial(n, norm.cdf((at - LOADS) / width)), np.full(LOADS.size, n)


def test_the_fit_is_the_maximum_of_the_stated_posterior():
    k, n = drawn(np.random.default_rng(3))
    fit = fit_threshold(LOADS, k, n)

    def minus_log(x):
        p = norm.cdf((x[0] - LOADS) / math.exp(x[1]))
        prior = (x[1] - math.log(0.03)) ** 2 / (2 * module.LOOSE**2)
        return prior - np.sum(binom.logpmf(k, n, np.clip(p, 1e-300, 1 - 1e-16)))

    best = minimize(minus_log, [0.6, -3.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-13})
    assert fit.value == pytest.approx(best.x[0], abs=FITTED) and fit.width == pytest.approx(math.exp(best.x[1]), rel=FITTED)
    p = norm.cdf((fit.value - LOADS) / fit.width)
    assert fit.deviance == pytest.approx(2 * np.sum(binom.logpmf(k, n, k / n) - binom.logpmf(k, n, p)), abs=1e-4)


def test_errors_are_those_of_redrawn_data():
    rng = np.random.default_rng(0)
    fits = [fit_threshold(LOADS, *drawn(rng), rng=i) for i in range(150)]
    pulls = np.array([(f.value - 0.66) / f.error for f in fits])
    assert abs(pulls.mean()) < COVERED / math.sqrt(150) and abs(pulls.std() - 1) < COVERED / math.sqrt(300)
    assert np.mean([f.probability < 0.05 for f in fits]) < 0.15
    bad = np.where(np.arange(LOADS.size) % 2, 40, 10)
    assert fit_threshold(LOADS, bad, np.full(LOADS.size, 50)).probability == 0


def test_the_fit_shifts_and_scales_with_the_loads():
    k, n = drawn(np.random.default_rng(5))
    one, two = fit_threshold(LOADS, k, n), fit_threshold(3 + 10 * LOADS, k, n)
    assert two.value == pytest.approx(3 + 10 * one.value, abs=1e-7) and two.error == pytest.approx(10 * one.error, rel=1e-5)


def test_a_jump_is_located_no_better_than_its_loads():
    k = np.where(LOADS < 0.6, 50, 0)
    fit = fit_threshold(LOADS, k, np.full(LOADS.size, 50))
    assert fit.value == pytest.approx(0.605, abs=1e-3) and 0.03 / math.sqrt(12) <= fit.error < 0.015


def test_a_threshold_beyond_the_loads_is_not_invented():
    n = np.full(LOADS.size, 50)
    for k, status, words in ((n, "all-solved", "above all loads"), (0 * n, "none-solved", "below all loads")):
        fit = fit_threshold(LOADS, k, n)
        assert fit.status == status and fit.value is fit.error is fit.width is None and str(fit) == words


@pytest.mark.parametrize("given", [([0.5], [1], [2]), ([0.5, 0.6], [3, 1], [2, 2]), ([0.5, 0.6], [1], [2]), ([0.5, math.nan], [1, 1], [2, 2])])
def test_the_fit_refuses(given):
    with pytest.raises(ValueError, match="takes"):
        fit_threshold(*given)


GIVEN = {"N": 51, "alphas": [1.0, 1.8, 2.4], "instances": 6, "seed": 4, "budget": 60}


def test_a_curve_is_its_runs_in_any_order_and_on_any_number_of_workers():
    curves = [success_curve("perceptron-rule", **GIVEN, workers=w) for w in (1, 3)]
    alone = success_curve("perceptron-rule", **{**GIVEN, "alphas": [2.4, 1.8]})
    for other in (curves[1], alone):
        for mine, theirs in ((curves[0], other), (curves[0], curves[0])):
            index = [list(mine.alphas).index(a) for a in theirs.alphas]
            np.testing.assert_array_equal(mine.steps[index], theirs.steps)
            np.testing.assert_array_equal(mine.errors[index], theirs.errors)
    curve = curves[0]
    for i, P in enumerate((51, 92, 122)):
        results = []
        for sample in range(6):
            problem = draw_problem(P, 51, 4, sample)
            results.append(run(problem, "perceptron-rule", task_generator(4, "run", "perceptron-rule", P, 51, sample), 60))
        assert curve.solved[i] == sum(r.solved for r in results)
        assert list(curve.errors[i]) == [r.errors for r in results]
    assert list(curve.alphas * 51) == pytest.approx([51, 92, 122]) and 6 in curve.solved and curve.solved[-1] < 6


def test_a_function_of_ones_own_and_its_verdict():
    def mine(problem, rng, budget):
        return np.where(problem.gauged().astype(float).sum(axis=0) > 0, 1, -1)

    curve = success_curve(mine, 201, [0.02, 0.05, 0.1, 0.15, 0.2, 0.3], 40, 1)
    assert curve.algorithm == "mine" and curve.binary
    assert 0.05 < curve.threshold.value < 0.2
    verdict = rp.compare(rp.capacity(rp.Perceptron()), curve)
    assert verdict.agrees and verdict.pull < -10 and "of the load where solutions end" in verdict.text
    assert not rp.compare(0.01, curve).agrees
    assert rp.compare(curve.threshold.value, curve).text.startswith("compatible with the end")
    with pytest.raises(ValueError, match="stderr: missing"):
        rp.compare(1.0, 1.0)
    never = success_curve(lambda problem, rng, budget: np.ones(problem.N), 21, [1.0, 2.0], 3)
    with pytest.raises(ValueError, match="below all loads"):
        rp.compare(0.83, never)


def test_ctrl_c_keeps_the_completed_runs():
    def stop(done, total):
        if done >= 4:
            raise KeyboardInterrupt

    curve = success_curve("perceptron-rule", **GIVEN, workers=1, progress=stop)
    assert curve.interrupted and 4 <= curve.instances.sum() < 18
    assert json.loads(curve.to_json())["status"] == "interrupted" and "interrupted" in str(curve)
    whole = success_curve("perceptron-rule", **GIVEN)
    done = np.isfinite(curve.errors)
    np.testing.assert_array_equal(curve.errors[done], whole.errors[done])


def test_ctrl_c_stops_the_runs_under_way():
    """One solves at once; the other would go on for a million steps of a millisecond."""

    @dataclass(frozen=True)
    class Slow(Algorithm):
        name: ClassVar[str] = "slow"

        def begin(self, problem, rng, budget):
            return SlowRun(problem)

    class SlowRun(Run):
        def __init__(self, problem):
            self.easy, self.W = problem.P == 1, problem.patterns[0].astype(float)

        def advance(self, steps):
            if not self.easy:
                time.sleep(1e-3 * steps)
            self.steps += steps
            return False

        @property
        def weights(self):
            return self.W if self.easy or not self.steps else -self.W

    def stop(done, total):
        raise KeyboardInterrupt

    curve = success_curve(Slow(), 21, [1 / 21, 2.0], 1, budget=10**6, workers=2, progress=stop)
    assert curve.interrupted and curve.instances.tolist() == [1, 0]


def test_a_curve_displays_and_converts():
    curve = success_curve("perceptron-rule", **GIVEN, task="teacher-student")
    assert np.all(curve.probability == 1) and np.all((curve.stderr > 0) & (curve.stderr < 0.1)) and np.all(curve.overlap > 0.3)
    assert np.all(np.diff(curve.overlap.mean(axis=1)) > 0)
    plain = json.loads(curve.to_json())
    assert plain["points"][0]["probability"] == "1.0" and plain["threshold"]["status"] == "all-solved" and plain["threshold"]["value"] is None
    assert "threshold above all loads" in str(curve) and curve._repr_html_().startswith("<table>")
    ax = success_curve("perceptron-rule", **GIVEN).plot()
    assert ax.get_xlabel() and len(ax.lines) >= 2


@pytest.mark.parametrize(
    "given, words",
    [
        ({"solver": "nothing"}, "algorithm: got 'nothing'"),
        ({"N": 0}, "N: got 0"),
        ({"alphas": [0.5, -1]}, "alphas: got"),
        ({"alphas": []}, "alphas"),
        ({"alphas": [0.001]}, "takes loads of one pattern or more"),
        ({"alphas": [1e30]}, "takes loads of at most .* patterns"),
        ({"instances": 0}, "instances: got 0"),
        ({"budget": 0}, "budget: got 0"),
        ({"seed": -1}, "seed"),
        ({"task": "planted"}, "task: got 'planted'"),
        ({"workers": 0}, "workers"),
    ],
)
def test_bad_input_is_refused_in_one_line(given, words):
    with pytest.raises(ValueError, match=words) as error:
        success_curve(**{"solver": "perceptron-rule", **GIVEN, **given})
    assert "\n" not in str(error.value)


def test_entropies_are_the_counts():
    curve = entropy_curve(11, [0.3, 0.9], 12, 5, workers=2)
    for i, P in enumerate((3, 10)):
        counts = [count_solutions(draw_problem(P, 11, 5, s).patterns) for s in range(12)]
        some = np.log([c for c in counts if c]) / 11
        assert curve.entropy[i] == pytest.approx(some.mean(), abs=1e-14) and curve.without_solutions[i] == counts.count(0)
        assert curve.stderr[i] == pytest.approx(some.std(ddof=1) / math.sqrt(some.size), abs=1e-14)
    assert "no solution" in str(curve) and json.loads(curve.to_json())["points"][0]["entropy"] == repr(float(curve.entropy[0]))
    table = curve._repr_html_()
    assert table.startswith("<table><caption>enumeration, N = 11") and table.count("<tr>") == 3 and f"<td>{curve.entropy[0]:.5f}</td>" in table
    assert curve.status == "converged" and entropy_curve(5, [8.0], 3, 5).status == "no-solution"
    alone = entropy_curve(11, [0.9], 12, 5)  # a point depends on no other
    assert alone.entropy[0] == curve.entropy[1] and alone.model["name"] == "perceptron"
    with pytest.raises(ValueError, match="takes N from 1 to 63"):
        entropy_curve(64, [0.5], 2)
    with pytest.raises(ValueError, match=r"kappa: got 0\.0 with likelihood window, takes a half-width > 0"):
        entropy_curve(11, [0.5], 2, likelihood="window")
    with pytest.raises(ValueError, match="likelihood: got window with a teacher, takes threshold"):
        entropy_curve(11, [0.5], 2, likelihood="window", kappa=1.0, task="teacher-student")
    with pytest.raises(ValueError, match="patterns: got 'gaussian'"):
        entropy_curve(11, [0.3], 2, patterns="gaussian")


def test_a_function_of_real_weights_is_not_binary():
    """Its bound is that of the sphere; one of another model is refused."""

    def pseudo_inverse(problem, rng, budget):
        return simulation.run(problem, "pseudo-inverse", rng).weights

    curve = success_curve(pseudo_inverse, 51, [0.8, 1.0, 1.3], 10, 0)
    assert not curve.binary and curve.model["weights"] == "spherical" and curve.algorithm == "pseudo_inverse"
    assert rp.compare(rp.capacity(rp.Perceptron("spherical")), curve).agrees
    others = (rp.Perceptron(), "weights binary, takes"), (rp.TreeCommittee(3, "spherical"), "tree-committee, takes"), (rp.Perceptron("spherical", 0.1), "kappa")
    for other, words in others:
        with pytest.raises(ValueError, match=words):
            rp.compare(rp.capacity(other), curve)
    signs = success_curve(lambda problem, rng, budget: simulation.run(problem, "sbpi", rng), 51, [0.3, 1.5], 4, 0)
    assert signs.binary and rp.compare(rp.capacity(rp.Perceptron()), signs).agrees


def test_what_is_no_threshold_is_not_given_one():
    n = np.full(4, 10)
    rising = fit_threshold([0.1, 0.2, 0.3, 0.4], [0, 2, 8, 10], n)
    assert rising.status == "not-decreasing" and rising.value is None and "does not fall" in str(rising)
    far = fit_threshold([0.1, 0.2, 0.3, 0.4], [10, 10, 9, 10], n)
    assert far.status in ("outside", "not-decreasing") and far.value is None
    wild = fit_threshold([0.1, 0.2, 0.3, 0.4], [100, 0, 100, 0], np.full(4, 100))
    assert wild.status == "poor-fit" and "a poor fit" in str(wild)
    with pytest.raises(ValueError, match="solved, instances"):
        fit_threshold([0.1, 0.2], [0.5, 1], [2, 2])


def test_loads_of_the_same_patterns_count_once():
    """They hold the same instances: counted twice, they would pretend to twice the data."""
    once = success_curve("perceptron-rule", **GIVEN)
    twice = success_curve("perceptron-rule", **{**GIVEN, "alphas": [1.0, 1.8, 1.801, 2.4]})
    assert np.array_equal(twice.steps[1], twice.steps[2], equal_nan=True) and twice.alphas[1] == twice.alphas[2]
    assert twice.threshold == once.threshold
    assert success_curve("perceptron-rule", **{**GIVEN, "alphas": [1.8, 1.8]}).threshold.status == "one-load"


def test_ctrl_c_does_not_wait_for_a_function_of_ones_own():
    """One that is not done is left to end by itself; what was completed is kept."""
    ends, calls = threading.Event(), []

    def slow(problem, rng, budget):
        calls.append(problem.P)
        if len(calls) > 2:
            ends.wait()
        return problem.patterns.sum(axis=0)

    def stop(done, total):
        if done >= 2:
            raise KeyboardInterrupt

    try:
        curve = success_curve(slow, 21, [0.1, 2.0], 4, progress=stop)
        assert curve.interrupted and curve.instances.tolist() == [1, 1] and not ends.is_set()
    finally:
        ends.set()


def test_a_second_ctrl_c_does_not_wait_for_anything(monkeypatch):
    from replicas.simulation import sampling

    class Pool(sampling.ThreadPoolExecutor):
        def shutdown(self, *args, **kwargs):
            super().shutdown(*args, **kwargs)
            raise KeyboardInterrupt

    monkeypatch.setattr(sampling, "ThreadPoolExecutor", Pool)
    found = simulation.run_samples(lambda k: k * k, 5, workers=2)
    assert found.interrupted and found.values == (0, 1, 4, 9, 16)


def test_ctrl_c_stops_an_enumeration_under_way(monkeypatch):
    from replicas.simulation import entropies

    def endless(patterns, *args, progress, **kwargs):
        while len(patterns) > 5:
            progress(0, 1)
            time.sleep(1e-3)
        return 7

    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    monkeypatch.setattr(entropies, "count_solutions", endless)
    curve = entropy_curve(11, [0.3, 0.9], 1, workers=2, progress=stop)
    assert curve.interrupted and curve.instances.tolist() == [1, 0]
    assert curve.entropy[0] == pytest.approx(math.log(7) / 11) and np.isnan(curve.entropy[1])


def test_entropies_stand_beside_those_of_the_limit():
    curve = entropy_curve(11, [0.3, 0.9], 12, 5)
    told = curve.against([0.4, 0.2])
    assert [float(x) for x in told["difference"]] == list(curve.entropy - np.array([0.4, 0.2]))
    assert [float(x) for x in told["stderr"]] == list(curve.stderr) and [float(x) for x in told["predicted"]] == [0.4, 0.2]
    assert f"{curve.entropy[0] - 0.4:+.4f} ± {curve.stderr[0]:.4f} at 0.273" in told["text"]
    assert "±" not in entropy_curve(11, [0.3], 1).against(0.4)["text"]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: simulation.run(draw_problem(3, 5, 0), lambda problem: 1), r"algorithm: got <lambda>\(problem\), takes a function \(problem, rng, budget\)"),
        (lambda: simulation.run(draw_problem(3, 5, 0, patterns="gaussian"), "sbpi"), r"patterns: got entries other than \+1 and -1, sbpi takes binary"),
        (lambda: draw_problem(3, 5, 0, patterns="x"), "patterns: got 'x', takes one of binary, gaussian"),
        (lambda: draw_problem(3, 5, 0, "", "teacher-student"), "sample: got ''"),
        (lambda: draw_problem(3, 5, 0, 0, "teacher-student", teacher="x"), "teacher: got 'x', takes one of binary, spherical"),
        (lambda: count_solutions(draw_problem(3, 5, 0)), "patterns: got a Problem, takes an array"),
        (lambda: count_solutions([[1, -1], [1]]), "patterns: got rows of unequal lengths"),
        (lambda: simulation.count_shells(draw_problem(3, 5, 0)), "patterns: got a Problem, takes an array"),
        (lambda: simulation.local_fields(np.array([["a", "b"]]), np.ones((1, 2))), "patterns: got no real numbers"),
        (lambda: simulation.overlap([1.0], [1.0, 2.0]), r"student, teacher: got shapes \(1,\) and \(2,\), takes vectors of one length"),
        (lambda: fit_threshold("ab", [1, 2], [1, 1]), "alphas, solved, instances: got no numbers"),
        (lambda: fit_threshold([0.1, 0.2], [1, 0], [1, 1], rng="x"), "rng: got 'x', takes an integer"),
    ],
)
def test_mistakes_of_a_first_day_are_one_line(call, words):
    with pytest.raises(ValueError, match=words) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_function_without_a_signature_is_taken_as_it_is(monkeypatch):
    """Some compiled functions have none."""
    monkeypatch.setattr(inspect, "signature", lambda function: (_ for _ in ()).throw(ValueError("no signature found")))
    assert simulation.run(draw_problem(3, 5, 0), lambda problem, rng, budget: np.ones(problem.N)).steps == 1


def test_a_problem_says_what_it_is():
    assert repr(draw_problem(3, 5, 0)) == "<Problem: storage, perceptron, N = 5, P = 3, binary patterns>"
    tree = draw_problem(3, 9, 0, 0, "teacher-student", "gaussian", accepted=simulation.majority(3))
    assert repr(tree) == "<Problem: teacher-student, tree-committee of K = 3, N = 9, P = 3, real patterns>"
    assert repr(draw_problem(3, 5, 0, kappa=0.5)).endswith("binary patterns, kappa = 0.5>")
