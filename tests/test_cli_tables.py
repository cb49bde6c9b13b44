"""Tables for a reader: every number with its error, no line wider than the terminal, nothing lost where a table is broken into blocks."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

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


def test_a_terminal_is_told_why_it_waits(monkeypatch, capfd):
    """By a signal, with no thread beside this one, which keeps a sweep from forking."""
    import threading
    import time

    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2, raising=False)
    threads = threading.active_count()
    with progress.patience("capacity"):
        time.sleep(0.2)
        assert threading.active_count() == threads
    assert "replicas capacity: working; the first question" in capfd.readouterr().err
    with progress.patience("capacity"):
        pass
    time.sleep(0.1)
    assert capfd.readouterr().err == ""
