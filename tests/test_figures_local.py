"""Figures of the geometry of solutions."""

import numpy as np
import pytest

import replicas as rp
from replicas import plotting


def test_the_errors_of_binarised_magnetizations_fall_with_their_norm():
    columns = plotting.FIGURES["energy-vs-qstar"].data()
    q_star, energy, error = (np.array(columns[k]) for k in ("q_star", "energy_binarised", "energy_binarised_error"))
    assert set(columns["status"]) == {"converged"} and all(s is True for s in columns["stable"])  # as its caption says
    assert np.all(np.diff(q_star) > 0) and np.all(np.diff(energy) < 0)
    assert np.all(error < 1e-6 * energy)
    (i,) = np.flatnonzero(q_star == 0.9)
    assert energy[i] == pytest.approx(rp.solve(rp.StochasticPerceptron(0.9, 20.0), 0.55).energy_binarised, rel=1e-12)
    drawn = plotting.FIGURES["energy-vs-qstar"].draw(columns).axes[1].get_lines()[0].get_xydata()
    assert np.allclose(drawn, np.column_stack([q_star, energy]))
