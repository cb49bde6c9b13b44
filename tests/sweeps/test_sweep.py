"""A sweep gives what the question itself gives, whatever its chunks, its workers and its interruptions."""

import functools
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


def points_of(alpha):
    return rp.solve(BINARY, alpha=[0.1, alpha])


@pytest.mark.parametrize(
    "answer, reason",
    [
        (points_of, "gave a result of 2 points (Curve); takes a result of one point"),
        (lambda alpha: rp.capacity(BINARY, kappa=[0.0, alpha]), "gave a result of 2 points (Estimate); takes a result of one point"),
        (lambda alpha: [alpha, 1.0], "gave a list; takes a number, a mapping of names to cells, or a result"),
        (lambda alpha: np.array([alpha, 1.0]), "gave a ndarray; takes a number, a mapping of names to cells, or a result"),
        (lambda alpha: float("nan"), "gave nan; takes a number"),
        (lambda alpha: None, "gave None; takes a number"),
    ],
)
def test_what_is_not_the_answer_of_a_point_is_none(answer, reason):
    sweep = rp.sweep(answer, {"alpha": [0.2, 0.4]})
    assert [f["message"] for f in sweep.failures] == [reason] * 2
    assert str(sweep).endswith(f"\n  not-converged at alpha=0.2: {reason} (and at 1 more)")
    assert reason in sweep._repr_html_()


def test_branches_of_one_point_are_the_answer_of_one_point():
    sweep = rp.sweep(lambda alpha: rp.generalization(STUDENT, alpha), {"alpha": [1.1, 1.3]})
    assert sweep["branch"].tolist() == ["typical", "perfect"]


def test_only_the_first_reasons_are_told():
    def fails(x):
        raise RuntimeError(f"no {x}")

    lines = str(rp.sweep(fails, {"x": [1, 2, 3, 4, 5]})).splitlines()
    assert lines[-4:] == [*(f"  not-converged at x={i}: RuntimeError: no {i}" for i in (1, 2, 3)), "  ... and 2 reasons more: sweep.failures"]


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
    with pytest.raises(ValueError, match="store of solve; takes one of the function square"):
        rp.sweep(square, {"x": [1]}, store=store)


@pytest.mark.parametrize(
    "grid, options, computed",
    [
        ({"alpha": [0, 0.5, 1]}, {}, 1),  # whole numbers and others
        ({"alpha": [0, 1]}, {"ansatz": "rs"}, 0),  # a default spelt out
        ({"alpha": [0, 1], "kappa": [0.0, 0.5]}, {}, 2),
        ({"kappa": [0.0, 0.5], "alpha": [0, 1]}, {}, 2),  # another order
        ({"alpha": [0, 1]}, {"kappa": 0.0}, 0),  # swept, fixed, or of the model
        ({"alpha": 1}, {}, 0),
        ({"model": [BINARY, rp.Perceptron("spherical")], "alpha": [1]}, {}, 1),
        ({"weights": ["binary", "spherical"], "alpha": [1]}, {}, 1),
        ({"alpha": [0, 1]}, {"digits": 20}, 2),
        ({"alpha": [0, 1]}, {"kappa": 0.5}, 2),
    ],
)
def test_a_point_is_known_by_what_it_depends_on(tmp_path, grid, options, computed):
    store = tmp_path / "s.db"
    rp.sweep("solve", {"alpha": [0, 1]}, store=store, model=BINARY)
    model = {} if "model" in grid else {"model": BINARY}
    assert rp.sweep("solve", grid, store=store, **model, **options).computed == computed
    assert rp.sweep("solve", grid, store=store, **model, **options).computed == 0


def times(factor, x):
    return factor * x


class Times:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x


def capturing(factor):
    return lambda x: factor * x


def default(factor):
    return lambda x, *, factor=factor: factor * x


def without_source(factor):
    names = {}
    exec(f"def function(x): return {factor} * x", names)
    return names["function"]


def of_global(factor):
    names = {"factor": factor}
    exec("def function(x): return factor * x", names)
    return names["function"]


def of_array(factor):
    numbers = np.ones(5000)
    numbers[2500] = factor
    return lambda x: float(numbers[2500] * x)


@pytest.mark.parametrize(
    "make", [capturing, default, without_source, of_global, of_array, Times, lambda c: functools.partial(times, c), lambda c: Times(c).__call__]
)
def test_a_store_tells_functions_from_each_other(tmp_path, make):
    """By all that they have captured: there is no answer of another one, and the same one again finds its own."""
    store = tmp_path / "s.db"
    for factor, computed in ((2, 2), (3, 2), (2, 0)):
        sweep = rp.sweep(make(factor), {"x": [1, 2]}, store=store)
        assert sweep["value"].tolist() == [factor, 2 * factor] and sweep.computed == computed


def test_a_store_tells_long_arrays_apart(tmp_path):
    numbers = np.ones(5000)
    changed = np.where(np.arange(5000) == 2500, 7.0, numbers)
    for array, value in ((numbers, 1.0), (changed, 7.0)):
        assert rp.sweep(lambda x, a: float(x * a[2500]), {"x": [1]}, store=tmp_path / "s.db", a=array)["value"].tolist() == [value]


def test_a_store_refuses_what_it_cannot_tell(tmp_path):
    lock = threading.Lock()
    with pytest.raises(ValueError, match=r"^store: got a _thread\.lock among what the answer depends on"):
        rp.sweep(lambda x: x if lock else 0, {"x": [1]}, store=tmp_path / "s.db")
    assert not (tmp_path / "s.db").exists()


def test_keys_are_the_same_in_every_process():
    """Also of models with symbols in them, whatever the seed of hashes."""
    script = """
    import replicas as rp, sympy as sp
    from replicas.sweeps.plan import make_plan
    model = rp.Perceptron(rp.Discrete([-2, 1, 2]), likelihood=rp.Likelihood(1 / (1 + sp.exp(-4 * rp.field))))
    print(make_plan("solve", {"alpha": [0.1, 0.2]}, {"model": model}).groups[0].keys())
    """
    line = [sys.executable, "-c", textwrap.dedent(script)]
    said = [subprocess.run(line, env={**os.environ, "PYTHONHASHSEED": s}, capture_output=True, text=True, check=True).stdout for s in "12"]
    assert said[0] == said[1] and len(said[0]) > 40


@pytest.mark.parametrize("damage", [slice(4096, 12000), slice(20000, 30000), slice(40000, None)])
def test_a_damaged_store_is_named(tmp_path, damage):
    store = tmp_path / "s.db"
    rp.sweep(times, {"x": list(range(1000))}, store=store, factor=2)
    data = bytearray(store.read_bytes())
    assert len(data) > 40000
    data[damage] = b"\x7f" * len(data[damage]) if damage.stop else b""
    store.write_bytes(data)
    for _ in range(2):  # and nobody holds it
        with pytest.raises(ValueError, match=r"^store: got .*s\.db, which is damaged; takes a whole store, or a new file$"):
            rp.sweep(times, {"x": [1, 2]}, store=store, factor=2)


def test_stores_that_cannot_be_used(tmp_path):
    (tmp_path / "text.db").write_text("this is not a database, and long enough to be seen as none" * 20)
    with pytest.raises(ValueError, match="not a store of sweeps"):
        rp.sweep("solve", {"alpha": [0.1]}, store=tmp_path / "text.db", model=BINARY)
    with pytest.raises(ValueError, match="cannot be written"):
        rp.sweep("solve", {"alpha": [0.1]}, store=tmp_path, model=BINARY)
    with pytest.raises(ValueError, match=r"place\.db, in .*no, which is not a folder; takes a file in a folder that exists"):
        rp.sweep("solve", {"alpha": [0.1]}, store=tmp_path / "no" / "place.db", model=BINARY)
    assert not (tmp_path / "no").exists()
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


def test_what_is_no_breakdown_is_not_called_a_death():
    class Fails(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            return super().submit(lambda: 1 / 0)

    with Fails(1) as executor:
        (failure,) = rp.sweep(square, {"x": [1]}, executor).failures
    assert failure["message"] == "its worker gave no answer (ZeroDivisionError: division by zero)"


@pytest.mark.parametrize("executor", [None, 2])
def test_an_ignored_interrupt_stays_ignored(executor):
    """As in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sweep = rp.sweep(interrupting, {"x": [1, 2, 3]}, executor, parent=os.getpid())
    finally:
        signal.signal(signal.SIGINT, before)
    assert sweep.complete and sweep["value"].tolist() == [1, 2, 3]


def interrupting(x, parent):
    os.kill(parent, signal.SIGINT)
    return x


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


@pytest.mark.parametrize("options, values", [({"digits": [None, 20]}, "0.8330785997395792336891"), ({"certified": [False, True]}, "0.8330785997395792")])
def test_floats_and_decimals_side_by_side(options, values):
    """Exact where they are kept, and numbers where numbers are asked for."""
    if "certified" in options:
        pytest.importorskip("flint")
    sweep = rp.sweep("capacity", {**options, "kappa": [0.0, 0.5]}, model=BINARY)
    direct = rp.capacity(BINARY, kappa=[0.0, 0.5]).value
    assert sweep["value"][0].tolist() == pytest.approx(direct.tolist(), abs=1e-14) and sweep["value"][1, 0].startswith(values)
    assert sweep["value"][1, 0] in sweep.to_csv() and values[:17] in str(sweep)
    pytest.importorskip("xarray")
    assert sweep.to_xarray()["value"].values[1, 0] == sweep["value"][1, 0]
    assert sweep.plot().get_lines()[1].get_ydata() == pytest.approx(direct, abs=1e-12)


def test_an_order_parameter_that_is_the_same_everywhere():
    sweep = rp.sweep("capacity", {"kappa": [0.0, 1.0]}, model=rp.Perceptron("spherical"))
    assert sweep["q"].tolist() == [1.0, 1.0]
    assert "q" in sweep.rows()[0] and "q" in sweep.to_csv().splitlines()[0].split(",")


def test_what_all_points_share_is_not_that_of_a_failed_one(monkeypatch):
    @functools.wraps(rp.capacity)
    def fails(model, kappa, **options):
        if np.any(np.asarray(kappa) == 1.0):
            raise RuntimeError("no")
        return rp.theory.capacity.capacity(model, kappa=kappa, **options)

    monkeypatch.setattr(rp, "capacity", fails, raising=False)
    sweep = rp.sweep("capacity", {"kappa": [0.0, 1.0]}, model=rp.Perceptron("spherical"))
    assert sweep["q"][0] == 1.0 and np.isnan(float(sweep["q"][1]))


def test_labels_say_what_is_swept():
    sweep = rp.sweep("capacity", {"kappa": [0.0, 1.0]}, model=BINARY)
    assert sweep.to_dict()["model"]["kappa"] == [0.0, 1.0]
    assert "kappa sweep" in sweep._attributes()["model"] and "kappa sweep" in str(sweep)
    noise = rp.sweep("solve", {"q_star": [0.5, 0.7]}, model=rp.StochasticPerceptron(q_star=0.5, beta=20), alpha=0.3)
    assert "q_star sweep, beta=20" in str(noise).splitlines()[0]
    assert "kappa=0.5" in str(rp.sweep("solve", {"alpha": [0.1]}, model=BINARY, kappa=0.5)).splitlines()[0]
    both = rp.sweep("capacity", {"weights": ["binary", rp.Discrete([-2, -1, 1, 2])]}, model=BINARY)
    assert "model" not in both._attributes() and both.to_dict()["model"]["weights"] == ["binary", "discrete:-2,-1,1,2"]
    assert "  discrete:-2,-1,1,2  " in str(both)


def test_a_verdict_that_one_point_lacks():
    sweep = rp.sweep("stability", {"alpha": [0.3, 1.4]}, model=BINARY)
    header, body = sweep.rows()
    assert [row[header.index("stable")] for row in body] == ["yes", "-"]
    assert [row.split(",")[sweep.to_csv().split("\n")[0].split(",").index("stable")] for row in sweep.to_csv().split("\n")[1:3]] == ["True", ""]


def test_a_grid_of_one_point(tmp_path):
    sweep = rp.sweep("solve", {"alpha": 0.3}, model=BINARY)
    assert sweep["q"] == sweep.result.q == float(sweep.points()[0]["q"])
    assert "one point (1 converged)" in str(sweep)
    assert len(sweep.to_csv().splitlines()) == 2
    pytest.importorskip("h5netcdf")
    assert sweep.to_netcdf(tmp_path / "s.nc").stat().st_size


def test_words_take_little_of_a_file(tmp_path):
    xr = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    message = "no solution of any kind at all was found here, whatever was tried"
    sweep = rp.sweep(lambda x: {"value": x, "message": message, "nothing": ""}, {"x": list(range(3000))})
    path = sweep.to_netcdf(tmp_path / "s.nc")
    assert path.stat().st_size < 100_000
    with xr.open_dataset(path, engine="h5netcdf") as back:
        assert set(back["message"].values.tolist()) == {message} and "nothing" not in back


def test_a_temperature_is_a_field_of_the_model():
    sweep = rp.sweep("solve", {"beta": [0.5, 1.0], "alpha": [1.0]}, model=BINARY)
    direct = rp.solve(rp.Perceptron("binary", beta=1.0), alpha=1.0)
    assert sweep["energy"][1, 0] == pytest.approx(direct.energy, abs=1e-8)
    assert rp.sweep("solve", {"alpha": [1.0]}, model=BINARY, beta=1.0)["energy"][0] == pytest.approx(direct.energy, abs=1e-8)
    hard = rp.sweep("solve", {"beta": [None, 1.0], "alpha": [0.5]}, model=BINARY)
    assert hard["q"][0, 0] == pytest.approx(rp.solve(BINARY, alpha=0.5).q)


def plus(x, y=0.0):
    return x + y


@pytest.mark.parametrize(
    "quantity, grid, label",
    [
        ("capacity", {"kappa": [0.0, 1.0]}, r"critical load $\alpha_c$"),
        ("max-margin", {"alpha": [0.5, 0.7]}, r"largest margin $\kappa$"),
        ("at-line", {"kappa": [-1.0, -0.5]}, r"AT load $\alpha_{AT}$"),
        (plus, {"x": [1, 2]}, "plus"),
    ],
)
def test_a_plot_says_what_is_drawn(quantity, grid, label):
    model = {} if callable(quantity) else {"model": rp.Perceptron("spherical")}
    assert rp.sweep(quantity, grid, **model).plot().get_ylabel() == label


@pytest.mark.parametrize(
    "grid, name, message",
    [
        ({"x": [1, 2]}, "status", "name: got 'status'; takes a column of numbers: value"),
        ({"x": [1, 2]}, "nothing", "name: got 'nothing'; takes a column of numbers: value"),
        ({"x": [1]}, None, "sweep: got x of one value; takes a dimension of several finite numbers"),
        ({"x": [1, float("inf")]}, None, "sweep: got x of numbers with infinity; takes"),
        ({"x": 1}, None, "sweep: got one point; takes"),
    ],
)
def test_what_cannot_be_drawn(grid, name, message):
    with pytest.raises(ValueError) as caught:
        rp.sweep(plus, grid).plot(name)
    assert str(caught.value).startswith(message)


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
        (lambda: rp.sweep(plus, {"z": [1]}), "quantity: got plus(x, y=0.0) for z (missing a required argument: 'x'); takes a function of these"),
        (lambda: rp.sweep(lambda x: x, {"x": [1]}, 2), "quantity: got <lambda>, which cannot be sent to processes ("),
        (lambda: rp.sweep(rp.phase_diagram, {"kappa": [1]}, model=BINARY), "quantity: got 'phase_diagram'; takes capacity"),
        (lambda: rp.sweep("solve", {"model": [BINARY, 3], "alpha": 1}), "model: got 3; takes a model"),
        (lambda: rp.sweep("solve", {"alpha": [1]}, model=rp.Perceptron("binary", kappa=[0.0, 1.0])), "kappa: got a model with 2 values; takes one"),
        (lambda: rp.sweep("capacity", {"weights": ["binary"]}, model=BINARY, kappa=[0.0, 1.0]), "kappa: got 2 values as an option; takes one"),
        (lambda: rp.sweep("solve", {"alpha": [0, 0.0]}, model=BINARY), "alpha: got a value twice"),
        (lambda: rp.sweep("solve", {"alpha": (x for x in [1])}, model=BINARY), "alpha: got a generator, which has no order or is used up; takes"),
        (lambda: rp.sweep("solve", {"alpha": {1, 2}}, model=BINARY), "alpha: got a set"),
        (lambda: rp.sweep("solve", {"alpha": [1]}, model=BINARY, progress="no"), "progress: got 'no'; takes True or False"),
        (lambda: rp.sweep("solve", {"alpha": [1]}, model=BINARY, retry="no"), "retry: got 'no'; takes True or False"),
        (lambda: rp.sweep("solve", {"alpha": [1]}, model=BINARY, store=True), "store: got True; takes the path of a file"),
        (lambda: rp.sweep("solve", {"alpha": [1]}, model=BINARY, store=""), "store: got ''; takes the path of a file"),
        (lambda: rp.sweep(plus, {"x": [1]}).to_csv(3), "path: got 3; takes the path of a file"),
        (lambda: rp.sweep("solve", {"alpha": np.linspace(0, 1, 2000), "kappa": np.linspace(0, 1, 2000)}, model=BINARY), "grid: got 4000000"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
