"""A sweep gives what the question itself gives, whatever its chunks, its workers and its interruptions."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import replicas as rp
from replicas.sweeps import SweepInterrupted, SweepLost, crew

BINARY = rp.Perceptron("binary")
STUDENT = rp.Perceptron("binary", task="teacher-student")
LOADS = [0.1, 0.4, 0.7, 0.9, 1.4]  # with a negative entropy, and none at all


def agrees(a, b, error):
    """Two values within the error of either, nan with nan."""
    a, b, error = (np.asarray(v, dtype=float) for v in (a, b, error))
    assert np.array_equal(np.isnan(a), np.isnan(b))
    assert np.all((np.abs(a - b) <= 2 * np.nan_to_num(error)) | np.isnan(a))


def test_columns_are_those_of_the_question():
    sweep = rp.sweep("solve", {"kappa": [0.0, 0.3], "alpha": LOADS}, model=BINARY)
    direct = rp.solve(BINARY, alpha=np.array([LOADS] * 2), kappa=np.repeat([[0.0], [0.3]], 5, axis=1))
    assert sweep.shape == (2, 5)
    assert list(sweep["status"].ravel()) == list(direct.status.ravel())
    for name in ("q", "q_hat", "entropy", "replicon"):
        agrees(sweep[name], getattr(direct, name), direct.errors[name])
    assert np.array_equal(sweep["alpha"], np.array([LOADS] * 2))
    assert sweep.counts == {"converged": 5, "no-solution": 3, "unphysical": 2}
    agrees(sweep.result.entropy, direct.entropy, direct.errors["entropy"])
    assert [p.keys() for p in sweep.points()] == [p.keys() for p in direct.points()]


@pytest.mark.parametrize(
    "model, quantity, grid, options",
    [
        (BINARY, "capacity", {"kappa": [-0.5, 0.0, 1.0]}, {}),
        (rp.Perceptron("spherical"), "at-line", {"kappa": [-1.0, -0.2]}, {}),
        (rp.Perceptron("spherical", task="teacher-student"), "generalization", {"alpha": [0.5, 1.1, 1.3]}, {}),
        (rp.Perceptron("spherical"), "ground-state", {"alpha": [2.5, 3.0]}, {}),
        (BINARY, "stability", {"alpha": [0.3, 1.0]}, {}),
        (BINARY, "franz-parisi", {"alpha": [0.4, 0.5], "distance": [0.2, 0.3]}, {}),
        (rp.Perceptron("spherical"), "max-margin", {"alpha": [0.5, 1.5]}, {}),
    ],
)
def test_every_kind_of_result_comes_back_whole(model, quantity, grid, options, tmp_path):
    """The result built from cells is the result of the question, also after a journey through the store."""
    store = tmp_path / "s.db"
    rp.sweep(quantity, grid, store=store, model=model, **options)
    again = rp.sweep(quantity, grid, store=store, model=model, **options)
    assert again.computed == 0
    axes = np.meshgrid(*map(np.array, grid.values()), indexing="ij")
    direct = getattr(rp, quantity.replace("-", "_"))(model, **dict(zip(grid, axes)), **options)
    assert type(again.result) is type(direct)
    mine, theirs = again.result.points(), direct.points()
    for a, b in zip(mine, theirs, strict=True):
        assert a.keys() == b.keys()
        assert a["status"] == b["status"]
        assert a["errors"].keys() == b["errors"].keys()
        headline = direct.headline
        agrees(float(a[headline] or np.nan), float(b[headline] or np.nan), float(b["error"] or 0))


def test_digits_survive_the_store(tmp_path):
    for _ in range(2):
        sweep = rp.sweep("capacity", {"kappa": [0.0, 0.5]}, store=tmp_path / "d.db", model=BINARY, digits=30)
        direct = rp.capacity(BINARY, kappa=[0.0, 0.5], digits=30)
        assert [p["value"] for p in sweep.result.points()] == [p["value"] for p in direct.points()]
    assert sweep.computed == 0


def test_errors_below_the_range_of_floats_survive():
    sweep = rp.sweep("capacity", {"kappa": [0.5]}, model=rp.Perceptron("spherical"), digits=400)
    (point,) = sweep.result.points()
    assert point["error"].endswith(rp.capacity(rp.Perceptron("spherical"), kappa=[0.5], digits=400).points()[0]["error"][-4:])
    assert point["error"] != "0"


def test_a_failed_point_keeps_its_place(monkeypatch):
    real = rp.solve

    def fails(model, alpha, **options):
        if np.any(np.asarray(alpha) == 0.4):
            raise RuntimeError("no")
        return real(model, alpha, **options)

    monkeypatch.setattr(rp, "solve", fails, raising=False)
    points = rp.sweep("solve", {"alpha": [0.2, 0.4, 0.6]}, model=BINARY).points()
    assert [p["alpha"] for p in points] == [0.2, 0.4, 0.6]
    assert [p["status"] for p in points] == ["converged", "not-converged", "converged"]
    assert points[1]["message"] == "RuntimeError: no"


def test_thresholds_inside_a_result(tmp_path):
    models = [rp.Perceptron("binary", task="teacher-student"), rp.Perceptron("ternary", task="teacher-student")]
    for _ in range(2):
        sweep = rp.sweep("transitions", {"model": models}, store=tmp_path / "t.db")
        assert sweep["spinodal"][0] == rp.transitions(models[0]).spinodal.value
        assert sweep.results[models[0]].alpha_it.value == rp.transitions(models[0]).alpha_it.value
    assert sweep.computed == 0


def test_coexisting_branches_give_the_dominant_one_and_any_by_name():
    loads = [0.5, 1.1, 1.3, 1.6]
    sweep = rp.sweep("generalization", {"alpha": loads}, model=STUDENT)
    assert sweep["branch"].tolist() == ["typical", "typical", "perfect", "perfect"]
    assert sweep["R"][0] == rp.generalization(STUDENT, 0.5, branch="typical").R
    both = rp.sweep("generalization", {"branch": ["typical", "perfect"], "alpha": loads}, model=STUDENT)
    assert both["R"].shape == (2, 4)
    assert both["R"][0, 2] == pytest.approx(rp.generalization(STUDENT, 1.3, branch="typical").R, abs=1e-10)
    assert both["status"][0].tolist() == ["converged", "converged", "converged", "branch-ended"]


def test_fields_of_the_model_are_dimensions():
    sweep = rp.sweep(rp.capacity, {"kappa": [0.0, 1.0], "weights": ["binary", "spherical"]}, model=BINARY)
    assert list(sweep.dims) == ["kappa", "weights"]
    assert "errors" not in sweep.columns and np.all(sweep["value_error"] > 0)
    for i, kappa in enumerate((0.0, 1.0)):
        for j, weights in enumerate(("binary", "spherical")):
            assert sweep["value"][i, j] == pytest.approx(rp.capacity(rp.Perceptron(weights), kappa=kappa).value, abs=1e-12)
    assert [(p["kappa"], p["weights"]) for p in sweep.points()] == [(0.0, "binary"), (0.0, "spherical"), (1.0, "binary"), (1.0, "spherical")]
    trees = rp.sweep("capacity", {"K": [3, 5]}, model=rp.TreeCommittee(3, "spherical"))
    assert trees["value"][1] == rp.capacity(rp.TreeCommittee(5, "spherical")).value


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_chunks_do_not_change_the_answer(cuts):
    """A point is warm-started by its neighbours in the chunk, and the same within its error in any chunk."""
    loads = np.linspace(0.05, 1.6, 19)
    whole = rp.solve(STUDENT, alpha=loads)
    start, i = 0, 0
    while start < loads.size:
        size = cuts[i % len(cuts)]
        part = rp.solve(STUDENT, alpha=loads[start : start + size])
        here = slice(start, start + part.status.size)
        assert list(part.status) == list(whole.status[here])
        assert list(part.branch) == list(whole.branch[here])
        agrees(part.free_entropy, whole.free_entropy[here], whole.errors["free_entropy"][here])
        start, i = start + size, i + 1


@pytest.mark.parametrize("growth", [1, 3])
def test_chunk_sizes_do_not_change_a_sweep(monkeypatch, growth):
    monkeypatch.setattr(crew, "GROWTH", growth)
    sweep = rp.sweep("solve", {"alpha": np.linspace(0.1, 0.8, 15)}, model=BINARY)
    direct = rp.solve(BINARY, alpha=np.linspace(0.1, 0.8, 15))
    agrees(sweep["entropy"], direct.entropy, direct.errors["entropy"])


# --- a user's function ---------------------------------------------------------------------------------------------------


def square(x, shift=0.0):
    if x == 3:
        raise RuntimeError("three is not liked")
    return {"value": x * x + shift, "even": x % 2 == 0, "word": f"x{x}"}


def test_a_function_of_the_users():
    sweep = rp.sweep(square, {"x": [1, 2, 3, 4]}, shift=0.5)
    assert sweep["value"].tolist()[:2] == [1.5, 4.5]
    assert np.isnan(sweep["value"][2])
    assert sweep["status"].tolist() == ["converged", "converged", "not-converged", "converged"]
    assert sweep.failures == [{"x": 3, "message": "RuntimeError: three is not liked"}]
    assert "x2" in str(sweep)


def test_a_function_that_gives_numbers_and_one_that_gives_results():
    assert rp.sweep(lambda x: 2 * x, {"x": [1.0, 2.0]})["value"].tolist() == [2.0, 4.0]
    sweep = rp.sweep(lambda alpha: rp.solve(BINARY, alpha=alpha), {"alpha": [0.2, 0.4]})
    assert sweep["q"][1] == rp.solve(BINARY, alpha=0.4).q


def flaky(x, path):
    with open(path, "a") as file:
        file.write(f"{x}\n")
    if x == 2 and sum(1 for line in open(path) if line == "2\n") < 2:
        raise RuntimeError("not yet")
    return float(x)


def test_failures_are_kept_and_retried_on_request(tmp_path):
    log, store = tmp_path / "log", tmp_path / "s.db"
    sweep = rp.sweep(flaky, {"x": [1, 2, 3]}, store=store, path=str(log))
    assert sweep.failures[0]["message"] == "RuntimeError: not yet"
    sweep = rp.sweep(flaky, {"x": [1, 2, 3]}, store=store, path=str(log))
    assert sweep.computed == 0
    assert sweep.failures[0]["message"] == "RuntimeError: not yet"
    sweep = rp.sweep(flaky, {"x": [1, 2, 3]}, store=store, retry=True, path=str(log))
    assert sweep.computed == 1
    assert not sweep.failures
    assert log.read_text().split() == ["1", "2", "3", "2"]


# --- the store -----------------------------------------------------------------------------------------------------------


def test_a_larger_grid_uses_what_the_store_has(tmp_path):
    store = tmp_path / "s.db"
    first = rp.sweep("solve", {"alpha": [0.1, 0.3, 0.5]}, store=store, model=BINARY)
    second = rp.sweep("solve", {"alpha": [0.2, 0.3, 0.5, 0.6]}, store=store, model=BINARY)
    assert (first.computed, second.computed) == (3, 2)
    assert second["q"][1] == first["q"][1]


@pytest.mark.parametrize(
    "change, word",
    [
        ("UPDATE meta SET value = '0.0.1' WHERE name = 'version'", "replicas 0.0.1"),
        ("UPDATE meta SET value = '99' WHERE name = 'format'", "format 99"),
        ("UPDATE meta SET value = 'x' WHERE name = 'code'", "other sources"),
    ],
)
def test_a_store_of_another_version_is_refused(tmp_path, change, word):
    store = tmp_path / "s.db"
    rp.sweep("solve", {"alpha": [0.1]}, store=store, model=BINARY)
    with sqlite3.connect(store) as file:
        file.execute(change)
    file.close()
    with pytest.raises(ValueError, match=rf"^store: got .*{word}.*takes") as caught:
        rp.sweep("solve", {"alpha": [0.1]}, store=store, model=BINARY)
    assert "\n" not in str(caught.value)


def test_a_store_of_another_task_is_refused(tmp_path):
    store = tmp_path / "s.db"
    rp.sweep("solve", {"alpha": [0.1]}, store=store, model=BINARY)
    with pytest.raises(ValueError, match="store of solve; takes one of capacity"):
        rp.sweep("capacity", {"kappa": [0.1]}, store=store, model=BINARY)
    with pytest.raises(ValueError, match=r"takes one of solve \(ansatz \"1rsb\"\)"):
        rp.sweep("solve", {"alpha": [0.1]}, store=store, model=BINARY, ansatz="1rsb")


def test_stores_that_cannot_be_used(tmp_path):
    (tmp_path / "text.db").write_text("this is not a database, and long enough to be seen as none" * 20)
    with pytest.raises(ValueError, match="not a store of sweeps"):
        rp.sweep("solve", {"alpha": [0.1]}, store=tmp_path / "text.db", model=BINARY)
    with pytest.raises(ValueError, match="cannot be written"):
        rp.sweep("solve", {"alpha": [0.1]}, store=tmp_path, model=BINARY)
    with pytest.raises(ValueError, match="cannot be written"):
        rp.sweep("solve", {"alpha": [0.1]}, store="/proc/no/such/place.db", model=BINARY)
    with sqlite3.connect(tmp_path / "other.db") as file:
        file.execute("CREATE TABLE mine (x)")
    file.close()
    with pytest.raises(ValueError, match="database that is not a store"):
        rp.sweep("solve", {"alpha": [0.1]}, store=tmp_path / "other.db", model=BINARY)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="cannot be written"):
        rp.sweep("solve", {"alpha": [0.1]}, store=tmp_path / "s.db", model=BINARY)


def test_one_writer(tmp_path):
    store = tmp_path / "s.db"
    rp.sweep("solve", {"alpha": [0.1]}, store=store, model=BINARY)
    other = sqlite3.connect(store)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ValueError, match="another sweep is writing"):
        rp.sweep("solve", {"alpha": [0.1]}, store=store, model=BINARY)
    other.close()


def test_a_disk_that_fills_up(tmp_path, monkeypatch):
    """The file is held to few pages, which SQLite reports as it reports a full disk."""
    import replicas.sweeps.store as stores

    real = sqlite3.connect

    def small(*args, **kwargs):
        file = real(*args, **kwargs)
        file.execute("PRAGMA max_page_count = 12")
        return file

    monkeypatch.setattr(stores.sqlite3, "connect", small)
    monkeypatch.setattr(crew, "TARGET", 0.002)
    store = tmp_path / "s.db"
    loads = np.linspace(0.01, 0.8, 400)
    with pytest.raises(SweepLost, match=r"the disk is full; .* of 400 points are done: they are kept in") as caught:
        rp.sweep("solve", {"alpha": loads}, store=store, model=BINARY)
    done = caught.value.partial
    assert not done.complete
    monkeypatch.undo()
    again = rp.sweep("solve", {"alpha": loads}, store=store, model=BINARY)
    assert 0 < again.computed < 400
    reached = done["message"] != "not reached"
    agrees(done["entropy"][reached], again["entropy"][reached], again["entropy_error"][reached])


# --- workers ---------------------------------------------------------------------------------------------------------------


def slow(x, path):
    with open(path, "a") as file:
        file.write(f"{x} {os.getpid()}\n")
    time.sleep(0.03)
    return float(x)


def deadly(x):
    if x == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return float(x)


def killed_once(x, path):
    """Takes its worker down the first time that it is asked about 5."""
    if x == 5 and not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return float(x)


def test_processes_give_what_one_process_gives():
    grid = {"kappa": [0.0, 0.5], "alpha": np.linspace(0.05, 1.5, 40)}
    alone, two = (rp.sweep("solve", grid, executor, model=BINARY) for executor in (None, 2))
    assert np.array_equal(alone["status"], two["status"])
    agrees(alone["entropy"], two["entropy"], alone["entropy_error"])


@pytest.mark.parametrize("make", [lambda: ProcessPoolExecutor(2), lambda: ThreadPoolExecutor(2)])
def test_an_executor_of_the_users(make):
    with make() as executor:
        sweep = rp.sweep(square, {"x": [1, 2, 3, 4, 5]}, executor)
        assert sweep["value"].tolist()[3:] == [16.0, 25.0]
        assert executor.submit(abs, -1).result() == 1  # it is left running


def test_a_worker_killed_once_costs_nothing(tmp_path):
    sweep = rp.sweep(killed_once, {"x": list(range(12))}, 2, path=str(tmp_path / "killed"))
    assert sweep["value"].tolist() == [float(x) for x in range(12)]
    assert not sweep.failures


def test_a_point_that_kills_is_found_and_the_others_are_answered(tmp_path):
    store = tmp_path / "s.db"
    sweep = rp.sweep(deadly, {"x": list(range(12))}, 2, store)
    assert [f["x"] for f in sweep.failures] == [5]
    assert "worker died" in sweep.failures[0]["message"]
    assert np.nansum(sweep["value"]) == sum(range(12)) - 5
    assert rp.sweep(deadly, {"x": list(range(12))}, 2, store).computed == 0


def test_an_executor_that_dies_is_named_and_nothing_is_lost(tmp_path):
    store = tmp_path / "s.db"
    with ProcessPoolExecutor(1) as executor, pytest.raises(SweepLost, match=r"^executor: its workers died .*kept in") as caught:
        rp.sweep(deadly, {"x": [0, 1, 2, 5, 7]}, executor, store)
    kept = caught.value.partial["value"]
    assert kept[0] == 0.0
    assert rp.sweep(deadly, {"x": [0, 1, 2, 7]}, None, store).computed == 4 - np.isfinite(kept).sum()
    with ThreadPoolExecutor(1) as executor:
        executor.shutdown()
        with pytest.raises(SweepLost, match="takes no more work"):
            rp.sweep(square, {"x": [1]}, executor)


SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
import replicas as rp
import replicas.sweeps.store
from test_sweep import slow
replicas.sweeps.store.code = lambda: "the same"
print("begun", flush=True)
rp.sweep(slow, {{"x": list(range(60))}}, {workers}, {store!r}, path={log!r})
"""


def started(tmp_path, workers):
    store, log = str(tmp_path / "s.db"), str(tmp_path / "log")
    script = textwrap.dedent(SCRIPT).format(folder=os.path.dirname(__file__), workers=workers, store=store, log=log)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not os.path.exists(log) or len(open(log).readlines()) < 12):
        time.sleep(0.02)
    return process, store, log


def counted(log):
    """How often each point was computed."""
    seen = [int(line.split()[0]) for line in open(log)]
    return {x: seen.count(x) for x in seen}


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_parent_that_is_killed_and_started_again(tmp_path, monkeypatch, workers, how):
    """Nothing is lost, and only what was on its way is computed twice."""
    monkeypatch.setattr("replicas.sweeps.store.code", lambda: "the same")
    process, store, log = started(tmp_path, workers)
    process.send_signal(how)
    process.wait(timeout=30)
    if how == signal.SIGINT:
        assert "SweepInterrupted" in process.stderr.read()
    time.sleep(0.3 if workers is None else 1.0)  # orphans end
    before = counted(log)
    assert 0 < len(before) < 60
    sweep = rp.sweep(slow, {"x": list(range(60))}, workers, store, path=log)
    assert sweep["value"].tolist() == [float(x) for x in range(60)]
    times = counted(log)
    assert set(times) == set(range(60))
    chunk = int(crew.TARGET / 0.03) + crew.GROWTH
    twice = sum(n > 1 for n in times.values())
    assert max(times.values()) <= 2
    assert twice <= chunk * crew.AHEAD * (workers or 1)
    assert sweep.computed <= 60 - (len(before) - twice)


def test_orphans_end(tmp_path):
    """Workers whose parent was killed do not live on."""
    process, _, log = started(tmp_path, 2)
    process.kill()
    process.wait(timeout=30)
    pids = {int(line.split()[1]) for line in open(log)}

    def alive(pid):
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().split(")")[-1].split()[0] != "Z"
        except OSError:
            return False

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(map(alive, pids)):
        time.sleep(0.1)
    assert not any(map(alive, pids))


def test_an_interrupt_carries_what_was_computed():
    def later():
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=later).start()
    with pytest.raises(SweepInterrupted, match=r"error\.partial has them") as caught:
        rp.sweep(lambda x: time.sleep(0.02) or float(x), {"x": list(range(500))})
    partial = caught.value.partial
    assert 0 < np.isfinite(partial["value"]).sum() < 500


# --- out of the program ------------------------------------------------------------------------------------------------------


def test_csv(tmp_path):
    sweep = rp.sweep("solve", {"alpha": [0.2, 1.4]}, model=BINARY)
    lines = sweep.to_csv().splitlines()
    header, first, second = (line.split(",") for line in (lines[0], lines[1], lines[2]))
    assert float(first[header.index("q")]) == sweep["q"][0]
    assert second[header.index("q")] == ""
    assert second[header.index("status")] == "no-solution"
    assert sweep.to_csv(tmp_path / "s.csv").read_text() == sweep.to_csv()
    with pytest.raises(ValueError, match="path: cannot write"):
        sweep.to_csv(tmp_path / "no" / "s.csv")


def test_xarray_and_netcdf(tmp_path):
    xr = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    sweep = rp.sweep("solve", {"kappa": [0.0, 0.3], "alpha": LOADS}, model=BINARY)
    data = sweep.to_xarray()
    assert data["q"].sel(kappa=0.3, alpha=0.4).item() == sweep["q"][1, 1]
    assert {"q_error", "status", "branch", "entropy"} <= set(data)
    path = sweep.to_netcdf(tmp_path / "s.nc")
    with xr.open_dataset(path, engine="h5netcdf") as back:
        assert np.array_equal(back["q"], data["q"], equal_nan=True)
        assert back["status"].values.tolist() == data["status"].values.tolist()
        assert back.attrs["quantity"] == "solve"


def test_displays():
    sweep = rp.sweep("solve", {"alpha": np.linspace(0.1, 1.4, 40)}, model=BINARY)
    assert len(str(sweep).splitlines()) < 40
    assert "<table>" in sweep._repr_html_()
    assert json.loads(sweep.to_json())["points"][0]["alpha"] == 0.1
    ax = sweep.plot("q")
    assert ax.get_xlabel()
    ax = rp.sweep("capacity", {"weights": ["binary", "spherical"], "kappa": [0.0, 0.5]}, model=BINARY).plot()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["binary", "spherical"]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: rp.sweep("solv", {"alpha": [1]}, model=BINARY), "quantity: got 'solv'; takes capacity"),
        (lambda: rp.sweep("phase-diagram", {"kappa": [1]}, model=BINARY), "quantity: got 'phase-diagram'"),
        (lambda: rp.sweep("solve", {"alpa": [1]}, model=BINARY), "grid: got 'alpa'; takes model, alpha"),
        (lambda: rp.sweep("solve", {"alpha": [1]}), "model: got None"),
        (lambda: rp.sweep("solve", {"alpha": []}, model=BINARY), "alpha: got no values"),
        (lambda: rp.sweep("solve", {"alpha": [0.1, 0.1]}, model=BINARY), "alpha: got a value twice"),
        (lambda: rp.sweep("solve", {"alpha": [float("nan")]}, model=BINARY), "alpha: got nan"),
        (lambda: rp.sweep("solve", {"alpha": [[1, 2]]}, model=BINARY), "alpha"),
        (lambda: rp.sweep("solve", {"alpha": [-1.0, 0.5]}, model=BINARY), "alpha: got -1"),
        (lambda: rp.sweep("solve", [1], model=BINARY), "grid: got"),
        (lambda: rp.sweep("solve", {"alpha": [1]}, 0, model=BINARY), "executor: got 0; takes"),
        (lambda: rp.sweep("solve", {"alpha": [1]}, "all", model=BINARY), "executor: got str; takes"),
        (lambda: rp.sweep("solve", {"alpha": [1]}, model=BINARY, alpha=2), "grid: got alpha twice"),
        (lambda: rp.sweep("solve", {"alpha": [1]}, model=BINARY, branch="all"), "branch: got 'all'"),
        (lambda: rp.sweep("solve", {"alpha": np.linspace(0, 1, 2000), "kappa": np.linspace(0, 1, 2000)}, model=BINARY), "grid: got 4000000"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
