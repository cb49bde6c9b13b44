"""Sweeps on a real dask cluster of this machine: the same answers, a killed worker costs nothing."""

import os
import signal
import time

import numpy as np
import pytest

import replicas as rp

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


@pytest.fixture
def client():
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        yield client


def pause(x):
    time.sleep(0.05)
    return {"value": float(x), "pid": os.getpid()}


def test_a_cluster_gives_what_one_process_gives(client, tmp_path):
    model = rp.Perceptron("binary")
    grid = {"kappa": [0.0, 0.5], "alpha": np.linspace(0.05, 1.5, 60)}
    here = rp.sweep("solve", grid, model=model)
    there = rp.sweep("solve", grid, client.get_executor(), tmp_path / "s.db", model=model)
    assert np.array_equal(here["status"], there["status"])
    difference = np.abs(here["entropy"] - there["entropy"])
    assert np.nanmax(difference - 2 * here["entropy_error"]) <= 0
    assert rp.sweep("solve", grid, client.get_executor(), tmp_path / "s.db", model=model).computed == 0


def test_a_raw_client_is_refused(client):
    with pytest.raises(ValueError, match=r"got a dask Client; takes an Executor: client.get_executor\(\)"):
        rp.sweep("solve", {"alpha": [0.1]}, client, model=rp.Perceptron("binary"))


def test_a_worker_killed_in_mid_sweep(client, tmp_path):
    """Its chunk goes to another worker, and no answer is missing."""
    pids = client.run(os.getpid)
    killed = []

    def kill_one(*_):
        if not killed:
            killed.append(next(iter(pids.values())))
            os.kill(killed[0], signal.SIGKILL)

    import threading

    threading.Timer(1.0, kill_one).start()
    sweep = rp.sweep(pause, {"x": list(range(80))}, client.get_executor(), tmp_path / "s.db")
    assert killed
    assert sweep["value"].tolist() == [float(x) for x in range(80)]
    assert sweep.computed == 80
    assert not sweep.failures
    assert len(set(sweep["pid"].tolist())) >= 2
