"""The experiment on message passing: right predictions agree, wrong ones do not, and what is completed survives Ctrl-C."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from replicas.simulation.threshold import Threshold
from validation import inference

NOTHING = inference.Plan((), {}, {}, 100, (), {}, (), (0.4, 505, 0))


def alone(part, monkeypatch, **plan):
    """The result of one part of a small plan."""
    monkeypatch.setattr(inference, "PARTS", (part,))
    monkeypatch.setattr(inference, "QUICK", dataclasses.replace(NOTHING, **plan))
    return inference.run(seed=3)


@pytest.mark.parametrize(("shift", "agrees"), [(0.0, True), (0.05, False)])
def test_trajectories(monkeypatch, shift, agrees):
    right = inference.evolution
    monkeypatch.setattr(inference, "evolution", lambda weights, alpha, steps: right(weights, alpha, steps) + shift * (np.arange(steps + 1) > 0))
    plan = {"trajectories": (("binary", 1.0, (2, 6)), ("spherical", 1.6, (5,))), "trajectory_sizes": {205: 40, 405: 30, 805: 20}}
    result = alone(inference.trajectories, monkeypatch, **plan)
    assert result.agrees is agrees and len(result.rows) == 3 and len(result.series) == 2
    assert result.series[0].x == tuple(range(7)) and "limit + a/N" in result.notes[0] and json.dumps(result.to_dict())


def test_a_sharper_state_evolution_is_the_wrong_one(monkeypatch):
    """The prediction at another load: 5% more patterns are told apart at these sizes."""
    right = inference.evolution
    monkeypatch.setattr(inference, "evolution", lambda weights, alpha, steps: right(weights, 1.1 * alpha, steps))
    plan = {"trajectories": (("spherical", 1.6, (5,)),), "trajectory_sizes": {405: 60, 805: 40}}
    assert not alone(inference.trajectories, monkeypatch, **plan).agrees


@pytest.mark.slow
def test_recovery(monkeypatch):
    plan = {"recovery": {251: ((1.3, 1.5, 1.7), 40), 501: ((1.3, 1.5, 1.7), 30), 801: ((1.4, 1.5, 1.6), 20)}}
    curves, draw = {}, inference.simulation.recovery_curve

    def once(N, *arguments, **options):
        return curves[N] if N in curves else curves.setdefault(N, draw(N, *arguments, **options))

    monkeypatch.setattr(inference.simulation, "recovery_curve", once)
    result = alone(inference.recovery, monkeypatch, **plan)
    assert result.agrees and len(result.rows) == 1
    assert ["a/N^0.666667 " in note for note in result.notes[-3:]] == [True, False, False] and "a/N^0.5 " in result.notes[-2] and "a/N +" in result.notes[-1]
    assert result.rows[0].predicted == pytest.approx(1.4926, abs=1e-4) and result.rows[0].stderr < 0.06
    assert len(result.data["value"]) == 9 and set(result.data["part"]) == {"recovery"}
    monkeypatch.setattr(inference, "spinodal", lambda: 1.2447)  # where the teacher becomes the only solution
    assert not alone(inference.recovery, monkeypatch, **plan).agrees


def curve_of(threshold):
    counts = np.array([10, 10])
    points = {"alphas": np.array([1.4, 1.6]), "probability": np.array([0.2, 0.8]), "stderr": np.array([0.1, 0.1])}
    return SimpleNamespace(**points, instances=counts, converged=counts, threshold=threshold, interrupted=False)


def test_a_poor_fit_of_the_threshold_is_stated_and_not_extrapolated(monkeypatch):
    """Its error is that of a curve that the data reject: at N = 251 half of the teachers are found 3 errors beside it."""
    thresholds = {N: Threshold("fitted", inference.spinodal() + 2 * N ** (-2 / 3), 0.01, 1.8 / N**0.5, 0.01, 1.0, 0.5) for N in (501, 1001, 2001)}
    thresholds[251] = Threshold("poor-fit", 1.7, 0.001, 0.1, 0.01, 60.0, 0.0)
    monkeypatch.setattr(inference.simulation, "recovery_curve", lambda N, *arguments, **options: curve_of(thresholds[N]))
    result = alone(inference.recovery, monkeypatch, recovery=dict.fromkeys(sorted(thresholds), ((1.4, 1.6), 10)))
    assert result.agrees and abs(result.rows[0].measured - inference.spinodal()) < 1e-3 and "N = 251: 1.7000" in result.notes[0]
    assert "a poor fit" in result.notes[0] and len(result.data["value"]) == 8
    two = alone(inference.recovery, monkeypatch, recovery=dict.fromkeys((251, 501), ((1.4, 1.6), 10)))
    assert not two.rows and "threshold of 1 sizes only" in two.notes[-1]


def test_other_exponents_of_the_threshold_are_stated(monkeypatch):
    """Errors that let N^(-1/2) and 1/N pass as well: the limits differ by more than the error of any of them."""
    thresholds = {N: Threshold("fitted", 1.4926 + 2 * N ** (-2 / 3), 0.004, 1.8 / N**0.5, 0.01, 1.0, 0.5) for N in (251, 501, 1001, 2001, 4001)}
    monkeypatch.setattr(inference.simulation, "recovery_curve", lambda N, *arguments, **options: curve_of(thresholds[N]))
    result = alone(inference.recovery, monkeypatch, recovery=dict.fromkeys(thresholds, ((1.4, 1.6), 10)))
    half, one = (float(note.split("judged: ")[1].split()[0]) for note in result.notes[-2:])
    assert half < result.rows[0].measured - result.rows[0].stderr and one > result.rows[0].measured + result.rows[0].stderr


@pytest.mark.parametrize(("factor", "agrees"), [(1.0, True), (1.06, False)])
def test_entropies(monkeypatch, factor, agrees):
    right = inference.predicted_entropy
    monkeypatch.setattr(inference, "predicted_entropy", lambda task, alpha: factor * right(task, alpha))
    plan = {"entropies": (("storage", 0.3),), "entropy_sizes": {205: 60, 405: 40, 1005: 30}}
    result = alone(inference.entropies, monkeypatch, **plan)
    assert result.agrees is agrees and len(result.rows) == 1 and "0 of 130 instances without" in result.notes[0]


def test_neighbourhoods(monkeypatch):
    plan = {"around": ((0.4, ("sbpi",), 405, 5),), "random": (0.4, 405, 20)}
    result = alone(inference.neighbourhoods, monkeypatch, **plan)
    assert result.agrees and len(result.rows) == 2 + 3
    # the dense region is a bound from above only, and the typical curve is one that these solutions break
    assert all("below the bound" in row.verdict for row in result.rows[2:]) and "of the way to the densest" in result.notes[-1]
    monkeypatch.setattr(inference, "densest", inference.typical)
    monkeypatch.setattr(inference, "typical", lambda alpha, distances: 0 * distances)
    wrong = alone(inference.neighbourhoods, monkeypatch, **plan)
    assert not any(row.agrees for row in wrong.rows[2:])


def test_a_limit_of_local_entropies(monkeypatch):
    """y -> 0 of a known parabola; and of the theory, the whole space at d = 1/2."""
    alpha = 0.2
    near = inference.around_nothing(alpha, np.array([0.4, 0.5]))
    # the largest number of solutions is around d = 1/2: all of them
    assert near[1] == pytest.approx(inference.predicted_entropy("storage", alpha), abs=1e-4) and near[0] < near[1]


def test_instances_without_a_fixed_point_are_set_aside(monkeypatch):
    real = inference.simulation.belief_propagation

    def flaky(problem):
        found = real(problem)
        return dataclasses.replace(found, status="not-converged", entropy=np.nan) if int(problem.patterns[0, :4].sum()) == 0 else found

    monkeypatch.setattr(inference.simulation, "belief_propagation", flaky)
    result = alone(inference.entropies, monkeypatch, entropies=(("storage", 0.3),), entropy_sizes={205: 20, 405: 10})
    assert not result.rows and "of 30 instances without" in result.notes[0] and "; 0 of 30" not in result.notes[0]


def test_what_is_completed_survives_ctrl_c(monkeypatch):
    def ctrl_c(what, done, total):
        if "entropy" in what:
            raise KeyboardInterrupt

    monkeypatch.setattr(inference, "PARTS", (inference.trajectories, inference.entropies))
    plan = {"trajectories": (("spherical", 1.6, (3,)),), "trajectory_sizes": {105: 10, 205: 10}, "entropies": (("storage", 0.3),), "entropy_sizes": {105: 5}}
    monkeypatch.setattr(inference, "QUICK", dataclasses.replace(NOTHING, **plan))
    result = inference.run(seed=1, progress=ctrl_c)
    assert result.interrupted and len(result.rows) == 1
