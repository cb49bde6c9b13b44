"""The experiment on the committee's landscape: its predictions against direct simulation of their equations, its verdicts, its bookkeeping."""

import json
import math

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from validation import landscape

DRAWS = 400000
SMALL = ((landscape.Typical(0.5, {30: 16, 42: 12}, 20, 80),), (landscape.Trained(0.5, 60, 2, 2, 300, 1000), landscape.Trained(3.5, 60, 1, 2, 5, 200)))


def right_fields(rng, q, t):
    """h = sqrt(q) t + sqrt(1-q) x given that two of three fields are positive: first the signs, then each field by its inverse distribution."""
    m, s = math.sqrt(q) * t, math.sqrt(1 - q)
    plus, minus = ndtr(m / s), ndtr(-m / s)
    signs = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], bool)
    odds = np.cumsum([np.prod(np.where(row, plus, minus), axis=1) for row in signs], axis=0)
    up = signs[np.sum(rng.random(len(t)) * odds[-1] > odds[:-1], axis=0)]
    u = rng.random(t.shape)
    return np.where(up, m - s * ndtri(u * plus), m + s * ndtri(u * minus))


@pytest.mark.parametrize("q", [0.05, 0.4, 0.7])
def test_predictions_are_their_equations_drawn_directly(q):
    """t as it comes: in E_t P(... | t)/Z^2 every field is conditioned, t is not."""
    rng = np.random.default_rng(1)
    t = rng.standard_normal((DRAWS, 3))
    a, b = right_fields(rng, q, t), right_fields(rng, q, t)
    middle = np.sum(a + b > 0, axis=1) < 2
    p = 0.8
    around = np.sum(p * a + math.sqrt(1 - p * p) * rng.standard_normal(a.shape) > 0, axis=1) < 2
    for drawn, theory in ((middle, landscape.middle_of(q)), (around, landscape.around_of(q, p))):
        assert abs(drawn.mean() - theory) < 4 * math.sqrt(theory / len(t))


def test_limits_of_the_predictions():
    assert landscape.around_of(0.3, 0.0) == pytest.approx(0.5, abs=1e-10)
    assert landscape.around_of(0.3, 1.0) == pytest.approx(0.0, abs=1e-10)
    assert landscape.middle_of(0.3) == pytest.approx(landscape.middle_of(0.3, 0.1), abs=1e-12)
    # two solutions at q = 0: 3/32, by the count of signs. One unit: P(s_a, s_b, s_m) = 1/4 if s_a = s_b, 1/8 else
    weight = {(a, b, m): 0.25 if a == b else 0.125 for a in (0, 1) for b in (0, 1) for m in (0, 1) if a != b or m == a}
    keys = list(weight)
    total = 0.0
    for x in keys:
        for y in keys:
            for z in keys:
                right_a, right_b, right_m = (x[i] + y[i] + z[i] >= 2 for i in range(3))
                if right_a and right_b and not right_m:
                    total += weight[x] * weight[y] * weight[z]
    assert landscape.middle_of(1e-14) == pytest.approx(total / 0.25, abs=1e-6) and total / 0.25 == pytest.approx(3 / 32)
    with pytest.raises(ValueError, match="alpha: got 2"):
        landscape.overlap(2.0)


@pytest.mark.slow
def test_right_predictions_agree_and_wrong_ones_do_not(monkeypatch):
    monkeypatch.setattr(landscape, "QUICK", SMALL)
    monkeypatch.setattr(landscape, "overlap", lambda alpha: 0.2127112176725514)
    result = landscape.run(seed=3)
    assert result.agrees and len(result.rows) == 4 and json.dumps(result.to_dict())
    assert any("0 of 2 runs solved" in note for note in result.notes) and any("pairs connected" in note for note in result.notes)
    share = [value for name, value in zip(result.data["what"], result.data["value"]) if name == "share of pairs connected"]
    assert share and all(0 <= value <= 1 for value in share) and len({len(column) for column in result.data.values()}) == 1
    monkeypatch.setattr(landscape, "QUICK", (SMALL[0], ()))
    monkeypatch.setattr(landscape, "predicted_middle", lambda alpha: 0.2)
    wrong = landscape.run(seed=3)
    assert [row.agrees for row in wrong.rows] == [True, False, True, True] and wrong.rows[0].measured == result.rows[0].measured


def test_rows_of_one_instance_are_not_independent():
    rng, pulls, alone = np.random.default_rng(4), [], []
    for _ in range(400):
        groups = [rng.standard_normal() + 0.1 * rng.standard_normal((rng.integers(0, 4), 1)) for _ in range(100)]
        mean, stderr = landscape.clustered(groups)
        pulls.append(float(mean[0] / stderr[0]))
        rows = np.concatenate(groups)
        assert mean[0] == pytest.approx(rows.mean())
        alone.append(float(mean[0] / rows.std() * math.sqrt(rows.size)))
    assert abs(np.std(pulls) - 1) < 0.15 and np.std(alone) > 1.3
    assert np.isnan(landscape.clustered([np.ones((3, 2)), np.empty(0)])[1]).all()


def test_sizes_whose_chains_disagree_are_not_used(monkeypatch):
    drawn = {30: (0.2, 0.1, 0.2, 0.5, 1.0), 42: (0.2, 0.1, 0.2, 0.5, 1.0), 66: (0.9, 0.9, 0.9, 0.5, 0.0)}
    noise = np.random.default_rng(0)

    def sample(case, N, seed, number):
        values = np.array(drawn[N])
        return tuple(values + np.append(1e-2 * noise.standard_normal(4), 0.0)) if number else (math.nan,) * 3 + (0.5, 0.0)

    monkeypatch.setattr(landscape, "sample_typical", sample)
    monkeypatch.setattr(landscape, "overlap", lambda alpha: 0.2)
    part = landscape.confront_typical(landscape.Typical(0.5, {30: 20, 42: 20, 66: 20}, 1, 4), 0, None)
    assert abs(part.rows[0].measured - 0.2) < 0.1 and {line[3] for line in part.lines} == {30, 42}
    assert "N = 66: 1 of 20 without two solutions, 19 whose chains disagree (size not used)" in part.notes[0]
