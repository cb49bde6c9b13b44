"""Who computes the parts of an atlas: this process, or several that read names and leave what they computed in the store.

A helper is ``python -m replicas.atlas.crew DIRECTORY``: one name a line on its input, one JSON line of answer on its output. It
shares nothing with this process but the directory; should one die, its part has failed and another takes its place.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..progress import one_line
from .make import Maker
from .store import ROOT

MOST = 4  # processes where the user names no number: each takes half a gigabyte
LIVES = 2  # processes that a part may take down before it is given up: one may have died idle
PATIENCE = 0.2  # seconds between looks at whether Ctrl-C was pressed

Landed = Callable[[str, str | None], None]
"""Called with the name of a part that is done, and why it failed."""


def workers_for(count: int | None, parts: int) -> int:
    """How many processes: what was asked for, else one a processor; no more than there are parts."""
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ValueError(f"workers: got {count!r}; takes a whole number from 1")
    wanted = count or min(os.cpu_count() or 1, MOST)
    return max(1, min(wanted, parts)) if sys.executable else 1


def compute(maker: Maker, names: Sequence[str], workers: int, begun: Callable[[str], None], landed: Landed) -> None:
    """Make every part; ``begun`` and ``landed`` are called in this thread."""
    if workers == 1:
        for name in names:
            begun(name)
            landed(name, attempt(maker, name))
        return
    crew = Crew(maker.directory, names)
    threads = [threading.Thread(target=crew.work, daemon=True) for _ in range(workers)]
    try:
        for thread in threads:
            thread.start()
        missing = set(names)
        while missing:
            try:
                event, name, failure = crew.said.get(timeout=PATIENCE)
            except queue.Empty:
                continue
            if event == "begun":
                begun(name)
            else:
                missing.discard(name)
                landed(name, failure)
    except BaseException:  # no process outlives the page; what they had completed is in the store
        crew.stop()
        raise
    finally:
        for thread in threads:
            thread.join()


class Crew:
    """Threads that have a process each, and the parts that are left for them."""

    def __init__(self, directory: Path, names: Sequence[str]):
        self.directory = directory
        self.left = deque(names)
        self.said: queue.Queue[tuple[str, str, str | None]] = queue.Queue()
        self.processes: list[subprocess.Popen[str]] = []
        self.lock = threading.Lock()
        self.stopped = False

    def work(self) -> None:
        """What one thread does: a part after the other, until none is left."""
        process: subprocess.Popen[str] | None = None
        while self.left:
            try:
                name = self.left.popleft()
            except IndexError:  # another thread was faster
                break
            self.said.put(("begun", name, None))
            failure: str | None = None
            for _ in range(LIVES):
                process = process if process is not None and process.poll() is None else self._start()
                if process is None:
                    return
                answer = _ask(process, name)
                failure = answer.get("failure")
                if not answer.get("died"):
                    break
            self.said.put(("landed", name, failure))
        if process is not None:
            _end(process)

    def _start(self) -> subprocess.Popen[str] | None:
        with self.lock:
            if self.stopped:
                return None
            process = _start(self.directory)
            self.processes.append(process)
            return process

    def stop(self) -> None:
        """End every process, and begin no other."""
        with self.lock:
            self.stopped = True
            self.left.clear()
            for process in self.processes:
                process.terminate()


def attempt(maker: Maker, name: str) -> str | None:
    """Make one part; why it failed, if it did."""
    try:
        maker.make(name)
        return None
    except Exception as error:  # the rest of the page still counts; the failure stands on it and in the exit code
        return one_line(f"{type(error).__name__}: {error}")


def _start(directory: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join(p for p in (str(ROOT.parent), os.environ.get("PYTHONPATH")) if p)
    command = [sys.executable, "-m", "replicas.atlas.crew", str(directory)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, text=True, encoding="utf-8", env={**os.environ, "PYTHONPATH": path}, **pipes)


def _ask(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    """Why a part failed, if it did, and whether its process died with it."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(name + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer
    except (OSError, ValueError):
        process.kill()
        return {"failure": f"its process ended with code {process.wait()}", "died": True}


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    try:
        process.stdin.close()
    except OSError:  # it has ended by itself
        pass
    process.wait()


def main(directory: str) -> None:
    """Be a helper until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    maker = Maker(Path(directory))
    for line in sys.stdin:
        name = line.strip()
        print(json.dumps({"name": name, "failure": attempt(maker, name)}), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
