"""Experiments on solutions, largest margins and learning algorithms: right predictions agree, wrong ones do not."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr

from replicas import simulation
from tests.validation.test_experiments import result_of, rs_binary
from validation import generalization, maximum_stability, solution_overlaps, success, training
from validation.result import at_least, at_most, bounded


def largest_margin(alpha):
    """Gardner: 1/alpha = int_{-kappa}^inf Dt (t + kappa)^2 = (1 + kappa^2) H(-kappa) + kappa exp(-kappa^2/2)/sqrt(2 pi)."""

    def excess(k):
        return (1 + k * k) * ndtr(k) + k * np.exp(-k * k / 2) / np.sqrt(2 * np.pi) - 1 / alpha

    return brentq(excess, -3, 5)


@pytest.mark.parametrize(("factor", "agrees"), [(1.0, True), (1.1, False)])
def test_solution_overlaps(monkeypatch, factor, agrees):
    plan = {9: 1500, 15: 1000, 21: 400}
    result = result_of(solution_overlaps, monkeypatch, factor, plan, predicted_overlap=lambda alpha: rs_binary(alpha)[1])
    assert result.rows[0].agrees is agrees and "overlap of two solutions" in result.rows[0].label


def test_moments_of_the_overlap_are_those_of_all_pairs():
    codes = np.array([0b00111, 0b10101, 0b01010, 0b11111])
    W = 2.0 * ((codes[:, None] >> np.arange(5)) & 1) - 1
    pairs = W @ W.T / 5
    mean, variance, m = solution_overlaps.overlap_moments(codes, 5)
    assert mean == pytest.approx(pairs.mean()) and variance == pytest.approx(pairs.var()) and np.allclose(m, W.mean(axis=0))


@pytest.mark.parametrize(("factor", "agrees"), [(1.0, True), (1.08, False)])
def test_maximum_stability(monkeypatch, factor, agrees):
    monkeypatch.setattr(maximum_stability, "LOADS", {"storage": (0.5, 1.0)})
    plan = {26: 300, 50: 150, 100: 60}
    result = result_of(maximum_stability, monkeypatch, factor, plan, predicted=lambda task, alpha: largest_margin(alpha))
    assert result.agrees is agrees and len(result.rows) == 2
    assert all("not certified: 0 of 510" in note for note in result.notes)


def test_success_respects_the_capacity_and_sees_where_it_is_not(monkeypatch):
    monkeypatch.setattr(success, "QUICK", (success.Trial("perceptron-rule", (1.2, 1.6, 2.0, 2.4), (51,), budget=200),))
    monkeypatch.setattr(success, "INSTANCES", {True: 10})
    result = success.run(seed=1)
    assert result.agrees and json.dumps(result.to_dict()) and len(result.rows) == 1 and len(result.data["alpha"]) == 4
    monkeypatch.setattr(success, "end_of_solutions", lambda binary, K: 1.1)
    assert not success.run(seed=1).agrees


def test_generalization_is_bounded_by_bayes(monkeypatch):
    monkeypatch.setattr(generalization, "ALGORITHMS", {True: ("sbpi",)})
    monkeypatch.setattr(generalization, "SIZE", {True: (101, 8)})
    monkeypatch.setattr(generalization, "densest", lambda alpha: float("nan"))
    result = generalization.run(seed=1)
    assert result.agrees and len(result.rows) == 1 and 0.05 < result.rows[0].measured < 0.4
    monkeypatch.setattr(generalization, "predicted", lambda alpha: (0.49, 0.48))
    assert not generalization.run(seed=1).agrees


def test_training_shows_the_trajectory(monkeypatch):
    monkeypatch.setattr(training, "SIZE", {True: (201, 3)})
    monkeypatch.setattr(training, "PLAN", {True: (101, (0.3, 0.5, 0.7, 0.9), 6)})
    monkeypatch.setattr(training, "predicted_energy", lambda q: 0.1 * np.ones(len(q)))
    result = training.run(seed=1)
    assert result.agrees and len(result.series) == 3
    energy = np.array(result.data["E"])
    assert energy.size >= 3 and np.all((energy >= 0) & (energy < 0.5)) and energy[-1] < energy[0]


def test_bounds_are_one_sided():
    class Curve:
        class threshold:
            value, error = 0.8, 0.01

    assert bounded("x", 0.83, Curve).agrees and not bounded("x", 0.7, Curve).agrees
    below, above = at_most("x", 0.8, 0.7, 0.01), at_most("x", 0.8, 0.9, 0.01)
    assert below.agrees and "below the bound" in below.verdict and not above.agrees and above.pull == pytest.approx(10) and "disagrees" in above.verdict
    assert at_least("x", 0.2, 0.3, 0.01).agrees and at_least("x", 0.2, 0.19, 0.01).agrees and not at_least("x", 0.2, 0.1, 0.01).agrees


def test_thresholds_of_three_sizes_are_extrapolated_and_bounded(monkeypatch):
    fits = [(N, simulation.Threshold("fitted", 0.7 + 0.5 / N**0.5, 1e-3, 0.03, 0.01, 1.0, 0.5)) for N in (100, 400, 1600)]
    out = success.Found()
    success.towards_infinity(out, "sbpi", 1, fits)
    (row,) = out.rows
    assert row.agrees and row.measured == pytest.approx(0.7, abs=1e-4) and row.predicted == pytest.approx(0.8330785997)
    assert "limit + a/N^0.5 + b/N" in out.notes[0]
    monkeypatch.setattr(success, "end_of_solutions", lambda binary, K: 0.5)
    success.towards_infinity(out, "sbpi", 1, fits)
    assert not out.rows[-1].agrees
    crooked = [(N, replace(fit, value=fit.value + 0.02 * (N == 400))) for N, fit in fits]
    success.towards_infinity(out, "sbpi", 1, crooked)
    assert len(out.rows) == 2 and "do not follow limit + a/N^0.5" in out.notes[-1]


def test_maximum_stability_is_held_to_the_probability_of_a_solution(monkeypatch):
    monkeypatch.setattr(success, "QUICK", (success.Trial("max-stability", (1.6, 2.0, 2.4), (51,)),))
    monkeypatch.setattr(success, "INSTANCES", {True: 40})
    rows = [row for row in success.run().rows if "Cover" in row.label]
    assert len(rows) == 3 and all(row.agrees for row in rows) and rows[1].predicted == 0.5  # P = 2N
    monkeypatch.setattr(success.simulation, "separable_probability", lambda P, N: 0.02)
    assert not success.run().agrees


def test_an_interrupted_experiment_keeps_its_trials_and_goes_on_in_its_store(monkeypatch, tmp_path):
    whole, asked = simulation.success_curve, []

    def stopped(name, N, loads, *rest, **more):
        asked.append((name, *loads))
        return replace(whole(name, N, loads, *rest, **more), interrupted=(name, *loads) == ("hebb", 0.3))

    monkeypatch.setattr(simulation, "success_curve", stopped)
    monkeypatch.setattr(success, "QUICK", (success.Trial("perceptron-rule", (1.2, 2.4), (51,), budget=200), success.Trial("hebb", (0.1, 0.3), (51,))))
    monkeypatch.setattr(success, "INSTANCES", {True: 4})
    store = tmp_path / "success.sqlite"
    result = success.run(seed=1, store=store)
    assert result.interrupted and len(result.data["alpha"]) == 2 and set(result.data["algorithm"]) == {"perceptron-rule"}
    monkeypatch.setattr(simulation, "success_curve", lambda name, N, loads, *a, **k: (asked.append((name, *loads)), whole(name, N, loads, *a, **k))[1])
    resumed = success.run(seed=1, store=store)
    assert asked.count(("perceptron-rule", 1.2)) == asked.count(("hebb", 0.1)) == 1 and asked.count(("hebb", 0.3)) == 2
    fresh = success.run(seed=1)
    assert not resumed.interrupted and resumed.rows == fresh.rows
    assert all(resumed.data[name] == fresh.data[name] for name in fresh.data if name != "seconds")


def test_an_experiment_says_why_a_trial_failed(monkeypatch):
    monkeypatch.setattr(success, "QUICK", (success.Trial("least-action", (1.2,), (50,), K=3),))
    with pytest.raises(RuntimeError, match="least-action, K = 3, N = 50: ValueError"):
        success.run()


RECORD = Path(success.__file__).parent / "record" / "success.csv"


def test_the_record_is_of_the_plan_and_comes_out_again():
    """Every algorithm at two sizes or more; counts of algorithms that only use whole numbers are the same on every machine."""
    with open(RECORD, newline="") as stream:
        lines = {(x["algorithm"], *(int(x[n]) for n in ("K", "N", "budget")), round(float(x["alpha"]) * int(x["N"]))): x for x in csv.DictReader(stream)}
    asked = {(t.algorithm, t.K, N, t.steps, round(load * N)) for t in success.FULL for N in t.sizes for load in t.loads}
    assert set(lines) <= asked and all(int(x["instances"]) >= 50 for x in lines.values())
    assert all(len({key[2] for key in lines if key[:2] == (t.algorithm, t.K)}) >= 2 for t in success.FULL)
    for algorithm, load in (("hebb", 0.04), ("perceptron-rule", 1.9), ("sbpi", 0.75)):
        steps = next(t.steps for t in success.FULL if t.algorithm == algorithm)
        again = success.share_of(json.dumps([algorithm, 1, 251, load, steps, 50, 0]))
        assert again["solved"] == int(lines[algorithm, 1, 251, steps, round(load * 251)]["solved"])
