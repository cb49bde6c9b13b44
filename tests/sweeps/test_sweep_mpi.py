"""Sweeps on the processes of an MPI job, real ones: the same answers; a process that dies ends the job, which goes on where it was."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import replicas as rp

BESIDE = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
MPIEXEC = shutil.which("mpiexec", path=BESIDE)
needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None, reason="an MPI library is no part of this package: make test-all installs one"
)
pytestmark = [pytest.mark.slow, pytest.mark.nightly, needs_mpi]

JOB = """
import json, os, pathlib, sys, time
import numpy as np
import replicas as rp

def pause(x):
    time.sleep(0.05)
    if x > 40 and pathlib.Path("die").exists():
        os._exit(3)
    return {"value": float(x), "pid": os.getpid()}

if __name__ == "__main__":
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as executor:
        slow = rp.sweep(pause, {"x": list(range(60))}, executor, "slow.db", progress=False)
        fresh = rp.sweep(pause, {"x": list(range(30))}, executor, progress=False)
        table = rp.sweep("capacity", {"kappa": np.linspace(-1, 1, 21)}, executor, model=rp.Perceptron("binary"), progress=False)
    found = {"computed": slow.computed, "pids": len(set(fresh["pid"].tolist())), "x": slow["value"].tolist(), "capacity": table["value"].tolist()}
    print(json.dumps(found))
"""


def submit(folder):
    words = [MPIEXEC, "-n", "3", sys.executable, "-m", "mpi4py.futures", "job.py"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300)


def test_a_job_that_lost_a_process_goes_on_where_it_was(tmp_path):
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "die").touch()
    assert submit(tmp_path).returncode != 0
    (tmp_path / "die").unlink()
    done = submit(tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert 0 < found["computed"] < 60 and found["x"] == [float(x) for x in range(60)]
    assert found["pids"] == 2
    here = rp.sweep("capacity", {"kappa": np.linspace(-1, 1, 21)}, model=rp.Perceptron("binary"))
    assert np.max(np.abs(here["value"] - found["capacity"]) - 2 * here["value_error"]) <= 0
