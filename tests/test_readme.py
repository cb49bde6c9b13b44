"""The README's example runs and prints what it says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

DIGITS = 1e-11  # numbers in the README were computed on another machine: rounding may differ in the last digits
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")


@pytest.mark.slow
def test_the_example_prints_what_the_readme_says():
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    said = re.search(r"\nprints\n\n```\n(.*?)```", text, re.S).group(1)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), {})
    without_errors = [re.sub(r" ± \S+", "", t) for t in (said, out.getvalue())]
    assert NUMBER.sub("#", without_errors[0]) == NUMBER.sub("#", without_errors[1])
    for a, b in zip(*(NUMBER.findall(t) for t in without_errors)):
        assert float(a) == pytest.approx(float(b), abs=DIGITS)
