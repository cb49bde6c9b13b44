"""What an atlas has computed so far, on disk: one JSON file a part, believed only where a hash says that it would come out the same.

The hash covers the format, the versions of this package and of what it computes with, the sources that decide the numbers
(`replicas.sweeps.store.code`), those of the part itself and its task in words. A file of another version, of other sources, cut
short or changed by hand is not believed, and the part is computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FORMAT = 1
FOLDER = "computed"  # in the directory of the page
ROOT = Path(__file__).resolve().parent.parent
ALWAYS = ("results.py", "local_results.py", "stochastic_results.py", "figures/figure.py", "figures/drawing.py", "atlas/markup.py")


@dataclass(frozen=True)
class Entry:
    """A part that was computed: what came of it, and the seconds that it took by the clock and on the processors."""

    payload: Any
    seconds: float
    cpu_seconds: float


@cache
def _source(path: str) -> bytes:
    return (ROOT / path).read_bytes()  # an absolute path stays what it is


def digest(*texts: str | bytes) -> str:
    """Hash of some texts."""
    out = hashlib.blake2b(digest_size=16)
    for text in texts:
        data = text.encode() if isinstance(text, str) else text
        out.update(len(data).to_bytes(8, "big") + data)
    return out.hexdigest()


def key(task: str, sources: tuple[str, ...]) -> str:
    """Hash of a task in words and of what decides its outcome; ``sources``: files beside those that always do."""
    from ..plotting import versions
    from ..sweeps.store import code

    made_by = json.dumps([FORMAT, versions()], sort_keys=True)
    return digest(made_by, code(), task, *(_source(name) for name in (*ALWAYS, *sources)))


class Store:
    """The computed parts of one directory."""

    def __init__(self, directory: Path):
        self.folder = directory / FOLDER

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def read(self, name: str, key: str) -> Entry | None:
        """A part under its hash; None where there is none to believe."""
        try:
            found = json.loads(self.path(name).read_text(encoding="utf-8"))
            if (found["format"], found["name"], found["key"]) != (FORMAT, name, key):
                return None
            if found["digest"] != digest(_text(found["payload"])):
                return None
            return Entry(found["payload"], float(found["seconds"]), float(found["cpu_seconds"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, name: str, key: str, entry: Entry) -> Entry:
        """Keep a part, whole or not at all; gives back what a reader will find."""
        payload, seconds, cpu_seconds = plain(entry.payload), round(entry.seconds, 3), round(entry.cpu_seconds, 3)
        head = {"format": FORMAT, "name": name, "key": key, "seconds": seconds, "cpu_seconds": cpu_seconds}
        text = json.dumps({**head, "digest": digest(_text(payload)), "payload": payload}, ensure_ascii=False)
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            os.replace(temporary, self.path(name))
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return Entry(payload, seconds, cpu_seconds)

    def forget(self) -> None:
        """Remove every part."""
        for path in [*self.folder.glob("*.json"), *self.folder.glob(".*.part")]:
            path.unlink()


def _text(payload: Any) -> str:
    return json.dumps(payload, sort_keys=True, ensure_ascii=False)


def plain(value: Any) -> Any:
    """The same in the types of JSON, with its nan and infinities: what is written and what is read back are equal."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value.item() if hasattr(value, "item") else value
