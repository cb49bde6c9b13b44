"""Help at every level: every command under a heading, as wide as the terminal, with examples that parse and that run."""

from __future__ import annotations

import re
import shlex

import pytest

import replicas as rp
from replicas import models, plotting
from replicas.cli import program as cli
from replicas.cli import support
from replicas.cli.model_flags import ACTIVATIONS, LIKELIHOODS, NAMED_WEIGHTS, TASKS
from replicas.cli.parsers import folded, offered
from replicas.cli.program import HEADINGS, build_parser
from replicas.cli.questions import QUESTIONS
from replicas.sweeps.plan import ASKED
from replicas.theory.constants import CATALOGUE

COMMANDS = tuple(name for names in HEADINGS.values() for name in names)
SLOW = (
    "replicas capacity --weights spherical --kappa -1 --ansatz frsb",
    "replicas derive --quantity franz-parisi",
    "replicas derive --weights spherical",
    "replicas figure",
    "replicas franz-parisi --alpha 0.55 --distance 0.01:0.5:0.01",
    "replicas franz-parisi --alpha 0.55 --distance 0.05 0.1 --reference stochastic",
    "replicas generalization --model tree-committee",
    "replicas isolation",
    "replicas local-entropy-threshold",
    "replicas phase-diagram",
    "replicas simulate",
    "replicas transitions --model tree-committee",
)
"""Examples, by their beginnings, that take more than a few seconds."""
NIGHTLY = (
    "replicas atlas",
    "replicas phase-diagram --weights spherical --kappa -3",
    "replicas simulate --algorithm committee-sgd",
)
"""The same that take minutes."""
NEEDS_FILES = ("replicas figure finite-n",)  # made by the validation


@pytest.fixture
def narrow(monkeypatch):
    """Set the width of the terminal."""
    return lambda columns: monkeypatch.setenv("COLUMNS", str(columns))


def examples_of(text: str) -> list[str]:
    """The command lines of a help text, those that go on below put together."""
    part = text.partition("examples:\n")[2].partition("\n\n")[0]
    return [" ".join(line.split()) for line in part.replace("\\\n", " ").splitlines() if line.strip()]


def every_example() -> list[str]:
    parser = build_parser()
    (subs,) = (a for a in parser._actions if a.dest == "command")
    return list(dict.fromkeys(line for p in (parser, *subs.choices.values()) for line in examples_of(p.format_help())))


def test_help_lists_every_command_once_under_a_heading(run):
    code, out, _ = run("--help")
    assert code == 0 and "examples:" in out
    (subs,) = (a for a in build_parser()._actions if a.dest == "command")
    assert sorted(COMMANDS) == sorted(subs.choices)
    assert all(len(re.findall(rf"^  {name}\s", out, re.MULTILINE)) == 1 for name in COMMANDS)
    assert all(f"\n{heading}:\n" in out for heading in HEADINGS)


@pytest.mark.parametrize("command", ("", *COMMANDS))
@pytest.mark.parametrize("columns", [60, 80, 200])
def test_help_is_as_wide_as_the_terminal(run, narrow, command, columns):
    narrow(columns)
    code, out, err = run(f"{command} --help")
    assert (code, err) == (0, "")
    longest = max(out.splitlines(), key=len)
    assert len(longest) <= columns or " " not in longest.strip(), longest


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_examples_that_parse(run, narrow, command):
    narrow(70)
    code, out, _ = run(f"{command} --help")
    examples = examples_of(out)
    assert code == 0 and examples and all(line.startswith(f"replicas {command}") for line in examples)
    for line in examples:
        options, unknown = build_parser().parse_known_args(shlex.split(line)[1:])
        assert options.command == command and not unknown
        options.parser.check_needed(options)


def test_an_example_is_folded_as_the_shell_takes_it():
    line = "replicas solve --weights spherical --alpha 0.5 1 2 --kappa -1e-3 --ansatz 1rsb -o x"
    for width in range(20, 100):
        text = folded(line, width)
        assert shlex.split(text.replace("\\\n", " ")) == line.split()
        assert max(map(len, text.splitlines())) <= max(width, 32)


def _marked(line: str) -> list[pytest.MarkDecorator]:
    marks = [pytest.mark.slow] if line.startswith((*SLOW, *NIGHTLY)) else []
    return marks + ([pytest.mark.nightly] if line.startswith(NIGHTLY) else [])


@pytest.mark.parametrize("line", [pytest.param(line, id=line, marks=_marked(line)) for line in every_example()])
def test_every_example_of_every_help_runs(run, monkeypatch, tmp_path, line):
    monkeypatch.chdir(tmp_path)
    if line.startswith(NEEDS_FILES):
        code, _, err = run(line.removeprefix("replicas "))
        assert code == 2 and "validation" in err and err.count("\n") == 1
        return
    code, out, err = run(line.removeprefix("replicas "))
    assert code == 0, err
    assert out or "-o" in shlex.split(line)


def test_help_of_figure_and_constants_lists_their_registries(run):
    words = run("figure --help")[1].split()
    assert all(name in words for name in plotting.FIGURES)
    words = run("constants --help")[1].split()
    assert all(name in words for name in CATALOGUE)
    assert cli.figure_names() == tuple(plotting.FIGURES) and cli.constant_names() == tuple(CATALOGUE)


def test_words_offered_are_those_of_the_library():
    assert all(models.Perceptron(w) for w in NAMED_WEIGHTS if not w.endswith(":"))
    for likelihood in LIKELIHOODS:
        models.Perceptron(likelihood=likelihood, kappa=1.0)
    for task in TASKS:
        models.Perceptron(task=task)
    for activation in ACTIVATIONS:
        rp.TreeCommittee(float("inf"), activation=activation)


def test_the_flags_of_a_sweep_are_those_of_questions_that_can_be_swept():
    assert {name for name, question in QUESTIONS.items() if question.sweeps} == set(ASKED)


@pytest.mark.parametrize("name", [n for n, q in QUESTIONS.items() if "reference" in q.flags])
def test_references_offered_are_taken(run, name):
    action = next(a for a in _parser(name)._actions if a.dest == "reference")
    assert offered(action) == QUESTIONS[name].words["reference"]
    needed = " ".join(f"--{flag} 0.5" for flag in QUESTIONS[name].required)
    code, _, err = run(f"{name} {needed} --reference volcano")
    assert code == 2 and all(word in err for word in offered(action))


def _parser(name: str):
    (subs,) = (a for a in build_parser()._actions if a.dest == "command")
    return subs.choices[name]


def test_version(run):
    assert run("--version")[1].strip() == f"replicas {rp.__version__}"


# --- what is supported ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [None, 60, 80, 200])
def test_the_table_of_models_fits_and_says_everything(width):
    text = support.table(width=width)
    if width:
        assert max(map(len, text.splitlines())) <= max(width, 79)
    words = " ".join(text.split())
    for kind in support.KINDS.values():
        assert all(q in words and remark in words for q, (_, remark) in kind.questions.items())


def test_one_model_and_one_question_say_for_which_weights(run):
    code, out, err = run("models --question capacity --model tree-committee")
    assert (code, err) == (0, "") and re.search(r"^tree-committee +rs \(binary, spherical\); 1rsb krsb \(spherical\) +- ", out, re.MULTILINE)
    out = run("models --model perceptron")[1]
    assert re.search(r"^isolation +rs \(binary\) +- +-", out, re.MULTILINE) and "tree-committee, tree-parity" not in out
    csv = run("models --question solve --model committee --csv")[1].splitlines()
    assert csv[0] == "model,K,weights,likelihood,constraints,task,question,ansatz,supported"
    assert len(csv) == 1 + sum((c.model, c.question) == ("committee", "solve") for c in support.cells())
