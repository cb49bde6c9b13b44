"""The documentation: its examples print what they say, published values agree, nothing public is missing, and it builds."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import replicas as rp
from replicas.cli import support

DOCS = Path(__file__).parents[1] / "docs"
SUBMODULES = ("models", "numerics", "simulation", "symbolic", "theory")  # of rp.__all__, not described as such
SLOW_QUESTIONS = ("local_entropy_threshold", "ground_state")


def load(path: Path) -> types.ModuleType:
    """A module of the documentation, which is not a package."""
    spec = importlib.util.spec_from_file_location(f"docs_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


examples = load(DOCS / "examples.py")
published = load(DOCS / "_ext" / "published.py")
PAGES = sorted(path for path in DOCS.rglob("*.rst") if "_build" not in path.parts)
WITH_EXAMPLES = [p for p in PAGES if any(mark in p.read_text(encoding="utf-8") for mark in (">>> ", "$ replicas"))]
ROWS = [
    pytest.param(row, id=f"{row['topic']}: {row['what']}", marks=[pytest.mark.slow] if row["ask"]["question"] in SLOW_QUESTIONS else [])
    for row in published.ROWS
]


def name_of(path: Path) -> str:
    return str(path.relative_to(DOCS).with_suffix(""))


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name_of)
def test_examples_print_what_the_page_says(page):
    found = examples.failures(page, slow=False)
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in WITH_EXAMPLES if examples.has_slow(p)], ids=name_of)
def test_slow_examples_print_what_the_page_says(page):
    found = examples.failures(page, slow=True)
    assert not found, "\n".join(found)


def test_every_example_is_found():
    """Each ``>>>`` and each ``$ replicas`` of a page is one of those that are run."""
    for page in WITH_EXAMPLES:
        text = page.read_text(encoding="utf-8")
        assert len(examples.doctests(text, page.name, True).examples) == len(re.findall(r"^ *>>> ", text, re.M)), page
        assert len(list(examples.commands(text))) == len(re.findall(r"^ *\$ ", text, re.M)), page


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        ("value 0.83307859973958 ± 6.1e-15", "value  0.83307859973956 ± 2.4e-15\n", False),
        ("value 0.83307859973958 ± 6.1e-15", "value 0.833078599739577 ± 2.4e-15", True),
        ("value 12.2806 ± 1.7e-05", "value 12.2807 ± 1.6e-05", True),
        ("value 12.2806 ± 1.7e-05", "value 12.2808 ± 1.7e-05", False),
        ("value 12.2806 ± 1.7e-05", "value 12.2806 ± 3.4e-05", False),
        ("0.5639490801", "0.5639490802", True),
        ("0.5639490801", "0.5639490803", False),
        ("0.8330785997395798", "0.8330785997395842", True),
        ("0.8330785997395798", "0.8330785997495798", False),
        ("0.8330785997395792336890868932669659080", "0.8330785997395792336890868932669659090", False),
        ("0.55", "0.56", False),
        ("K = 3", "K = 5", False),
        ("residual 2.2e-16", "residual 0", True),
        ("stable yes", "stable no", False),
    ],
)
def test_only_rounding_may_differ(want, got, same):
    assert examples.agree(want, got) is same


@pytest.mark.parametrize("row", ROWS)
def test_published_value(row):
    """A row agrees, or it says why it differs, and then it does."""
    assert published.compare(row).agrees is not ("differs" in row)


def test_every_public_name_is_in_the_reference():
    text = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "api").glob("*.rst"))
    described = set(re.findall(r"^\.\. (?:auto\w+|py:data):: replicas\.(\w+)$", text, re.M))
    assert not set(rp.__all__) - set(SUBMODULES) - described


def test_every_question_has_a_page():
    text = (DOCS / "_ext" / "tables.py").read_text(encoding="utf-8")
    same_page = dict(re.findall(r'"([\w-]+)": "([\w-]+)"', re.search(r"SAME_PAGE = \{(.*)\}", text).group(1)))
    for question in {question for kind in support.KINDS.values() for question in kind.questions}:
        assert (DOCS / "questions" / f"{same_page.get(question, question)}.rst").exists(), question


@pytest.mark.slow
def test_builds_without_a_warning_and_needs_no_network(tmp_path):
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(tmp_path / "doctrees")]
    done = subprocess.run([*command, str(DOCS), str(tmp_path / "html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "html").rglob("*.html"))
    assert len(pages) >= len(PAGES)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<(?:script|img|iframe)[^>]*src=\"(?:https?:)?//|<link[^>]*rel=\"stylesheet\"[^>]*href=\"(?:https?:)?//", text), page
        assert not re.search(r"\\frac|\\mathbb|MathJax", re.sub(r"<pre>.*?</pre>", "", text, flags=re.S)), page
    for name in ("solve", "franz-parisi", "local-entropy"):
        assert (tmp_path / "html" / "questions" / f"{name}.html").read_text(encoding="utf-8").count("<math") > 3
