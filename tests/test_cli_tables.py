"""Tables for a reader: every number with its error, no line wider than the terminal, nothing lost where a table is broken into blocks."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from numba.core import event

from replicas import progress
from replicas.cli import tables
from replicas.cli.answers import NoAnswer
from replicas.models import Perceptron

if sys.platform != "win32":
    import fcntl
    import pty
    import select
    import struct
    import termios

HEADER = ["alpha", "kappa", "q", "entropy", "note", "status"]
BODY = [
    ["0.1", "0", "0.06 ± 1e-15", "0.6 ± 1e-15", "(a)", "converged"],
    ["0.2", "0", "-", "-", "(b)", "no-solution: above the capacity 0.15 of this model"],
    ["0.3", "0", "-", "-", "(b)", "no-solution: above the capacity 0.15 of this model"],
]


def test_a_table_that_fits_is_one_block_with_right_aligned_columns():
    text = tables.table("title", HEADER, BODY, ["(a) first"], ("alpha",), None)
    lines = text.splitlines()
    assert lines[0] == "title" and lines[1].split() == HEADER and lines[-1] == "  (a) first" and len(lines) == 6
    assert len({len(line) for line in lines[1:5]}) == 1
    assert tables.table("title", HEADER, BODY, ["(a) first"], ("alpha",), len(lines[1])) == text


@pytest.mark.parametrize("width", [30, 40, 60, 90])
def test_a_table_too_wide_keeps_every_cell(width):
    text = tables.table("title", HEADER, BODY, ["(a) first"], ("alpha",), width)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    assert "all: kappa 0" in words  # said once
    for cell in ("0.06 ± 1e-15", "0.6 ± 1e-15", "converged", "no-solution [1]", "[1] above the capacity 0.15 of this model", "(a) first"):
        assert cell in words
    assert words.count("above the capacity") == 1
    blocks = text.split("\n\n")
    assert all(re.match(r"\s+alpha ", block.partition("title\n")[2].partition("kappa 0\n")[2] or block) for block in blocks)


def test_one_point_is_wrapped_under_its_value():
    text = tables.record("title", ["value", "statement"], ["1.5", "a sentence that goes on for more than forty characters"], 40)
    assert text.splitlines()[2:] == ["  statement  a sentence that goes on for", "             more than forty characters"]


def test_points_of_json_become_rows():
    answer = {
        "quantity": "x",
        "model": {"name": "m", "K": [3, 5], "weights": "binary"},
        "ansatz": "rs, 1rsb",
        "regions": [1],
        "points": [
            {"K": 3, "ansatz": "rs", "value": "1", "error": "0.1", "errors": {"q": "0.2", "z": None}, "order_parameters": {"q": "7"}},
            {"K": 5, "value": None, "spinodal": {"value": "2", "error": "0.3"}, "profile": ["1", "2"], "ok": True, "bad": float("nan")},
        ],
    }
    assert tables.csv_text(tables.flat(answer)).splitlines() == [
        "quantity,model,weights,ansatz,K,value,error,q,q_error,z_error,spinodal,spinodal_error,profile,ok,bad",
        "x,m,binary,rs,3,1,0.1,7,0.2,,,,,,",
        'x,m,binary,"rs, 1rsb",5,,,,,,2,0.3,1 2,True,',
    ]
    (flat,) = tables.flat({"quantity": "x", "model": {"name": "m"}, "ansatz": "rs", "value": "1", "errors": {"value": "0.1"}})
    assert flat == {"quantity": "x", "model": "m", "ansatz": "rs", "value": "1", "value_error": "0.1"}


def test_a_point_without_an_answer_is_valid_json_at_every_y():
    for y, said in ((float("nan"), "star"), (float("inf"), "inf"), (2.0, 2.0)):
        nothing = NoAnswer("local-entropy", Perceptron(), "rs", {"y": y}, "not-converged", "why")
        assert nothing.to_dict()["y"] == said and f"y {said:g}" if said == 2.0 else f"y {said}" in str(nothing)


# --- on a terminal ---------------------------------------------------------------------------------------------------------


def on_a_terminal(columns: int, *words: str) -> tuple[int, str, str]:
    """A command whose streams are a terminal of this width: exit code, its text, and what was put on its stderr and taken away."""
    streams = []
    for _ in range(2):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        streams.append((ours, theirs))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    process = subprocess.Popen([sys.executable, "-m", "replicas", *words], stdout=streams[0][1], stderr=streams[1][1], env=environment)
    texts = {ours: b"" for ours, _ in streams}
    for _, theirs in streams:
        os.close(theirs)
    still = list(texts)
    while still:  # both at once: a terminal holds a few thousand characters
        for ours in select.select(still, [], [])[0]:
            try:
                more = os.read(ours, 65536)
            except OSError:  # the other end is closed
                more = b""
            texts[ours] += more
            if not more:
                still.remove(ours)
                os.close(ours)
    out, err = (text.decode() for text in texts.values())
    return process.wait(60), out, err


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_no_line_is_wider_than_the_terminal():
    code, out, _ = on_a_terminal(72, "solve", "--weights", "spherical", "--alpha", "1", "2.5", "--kappa", "0", "1")
    lines = out.replace("\r\n", "\n").splitlines()
    assert code == 0 and max(map(len, lines)) <= 72
    assert len([line for line in lines if line.split()[:2] == ["alpha", "kappa"]]) > 1 and any("no-solution [1]" in line for line in lines)
    wide = on_a_terminal(400, "solve", "--weights", "spherical", "--alpha", "1", "2.5", "--kappa", "0", "1")[1].replace("\r\n", "\n")
    assert wide.count("\n") == 6 and sorted(re.findall(r"\d\.\d{10,} ± \S+", wide)) == sorted(re.findall(r"\d\.\d{10,} ± \S+", out))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize("flags", [[], ["--jobs", "2"]])
def test_a_sweep_of_seconds_shows_a_bar_and_takes_it_away(flags):
    code, out, err = on_a_terminal(80, "franz-parisi", "--alpha", "0.55", "--distance", "0.002:0.5:0.002", *flags)
    assert code == 0 and "250 [" not in out
    shown = [int(n) for n in re.findall(r"franz-parisi: .*?\| (\d+)/250 \[", err)]
    assert len(shown) > 5 and shown == sorted(shown)
    assert err.rstrip("\r\n").endswith("\r") or not err.rsplit("\r", 1)[-1].strip()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def patient(monkeypatch):
    """A terminal on which waiting shows at once, and its lines; in the test itself, as capturing puts its own in place before."""
    monkeypatch.setattr(progress, "AGAIN", 0.05)
    monkeypatch.setattr("sys.stderr", seen := Terminal())
    return lambda: [line.strip() for line in seen.getvalue().split("\r") if line.strip()]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer that signals")
def test_a_waiting_terminal_sees_what_one_long_answer_does(monkeypatch):
    """By a signal, with no thread beside this one, which keeps a sweep from forking; a bar inside is a few words of the line."""
    terminal = patient(monkeypatch)
    threads, handler = threading.active_count(), signal.getsignal(signal.SIGALRM)
    with progress.asking(1, "capacity", delay=0.05):
        progress.evaluated()
        time.sleep(0.2)
        assert threading.active_count() == threads
        before = len(terminal())
        with event.trigger_event("numba:compile"):
            time.sleep(0.2)
    lines = terminal()
    assert before > 2 and set(lines[1:before]) == {"capacity: 00:00, 1 evaluation"}
    assert lines.count(f"capacity: 00:00, {progress.COMPILING}") > 2
    assert signal.getsignal(signal.SIGALRM) is handler and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    time.sleep(0.1)
    assert terminal() == lines


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer that signals")
def test_what_is_counted_inside_moves_the_line_that_stands_there(monkeypatch):
    terminal = patient(monkeypatch)
    with progress.asking(1, "capacity", delay=0.05) as bar:
        with progress.progress_bar(4, "frsb") as inside:  # the only thing there is to count
            inside.update(3)
            bar.look()
        with progress.counter("phase diagram", "points") as inside:
            inside.update(7)
            bar.look()
        assert (bar.n, bar.total, bar.desc) == (0, 1, "capacity")
    with progress.asking(10, "solve", delay=0.05) as bar:
        bar.update(2)
        with progress.progress_bar(4, "frsb") as inside:
            inside.update(3)
            bar.look()
        bar.look()
    lines = terminal()
    assert any(re.fullmatch(r"capacity:  75%\|.*\| 3/4 \[00:00.*", line) for line in lines)
    assert "phase diagram: 7 points [00:00]" in lines
    assert any(re.fullmatch(r"solve:  20%\|.*\| 2/10 \[00:00.*, frsb 3/4\]", line) for line in lines) and "frsb" not in lines[-1]
