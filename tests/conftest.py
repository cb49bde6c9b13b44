"""Command lines run in this process."""

from __future__ import annotations

import json
import shlex

import pytest

from replicas.cli.program import main


@pytest.fixture
def run(capsys):
    """Run a command line in this process: (exit code, stdout, stderr)."""

    def command(line: str) -> tuple[int, str, str]:
        code = main(shlex.split(line))
        out, err = capsys.readouterr()
        return code, out, err

    return command


@pytest.fixture
def ask(run):
    """The JSON object of a command line that must be answered."""

    def question(line: str) -> dict:
        code, out, err = run(f"{line} --json")
        assert code == 0, err
        assert err == ""
        assert out.count("\n") == 1
        return json.loads(out)

    return question
