"""Completion: what a shell offers is what the parser takes, asked of the shells themselves."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from replicas.cli import completion
from replicas.cli import program as cli
from replicas.cli.program import build_parser
from replicas.cli.support import MODELS

SHELLS = {shell: shutil.which(shell) for shell in completion.SHELLS}
ASK = {
    "bash": """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_replicas
printf '%s\\n' "${COMPREPLY[@]}"
""",
    "zsh": """
compdef() { : }
compadd() { shift; for word in "$@"; do [[ "$word" == "$words[CURRENT]"* ]] && print -r -- "$word"; done; : }
_files() { print -r -- ${words[CURRENT]}*(N) }
source "$1"; shift
words=("$@"); CURRENT=$#
_replicas
""",
    "fish": """
source $argv[1]
complete -C (string join ' ' -- $argv[2..-1])
""",
}
CALL = {
    "bash": ["--norc", "--noprofile", "-c", ASK["bash"], "bash"],
    "zsh": ["-f", "-c", ASK["zsh"], "zsh"],
    "fish": ["--no-config", "-c", ASK["fish"]],
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A file with the script of each shell."""
    made = {}
    for shell in completion.SHELLS:
        made[shell] = tmp_path_factory.mktemp("completion") / shell
        made[shell].write_text(completion.script(build_parser(), shell), encoding="utf-8")
    return made


@pytest.fixture(params=[pytest.param(s, marks=[] if SHELLS[s] else pytest.mark.skip(reason=f"there is no {s}")) for s in completion.SHELLS])
def offer(request, scripts):
    """The words that a shell offers at the end of a line."""
    shell = request.param

    def words(*line: str) -> list[str]:
        done = subprocess.run([SHELLS[shell], *CALL[shell], scripts[shell], *line], capture_output=True, text=True, timeout=60)
        assert done.stderr == ""
        return [word.split("\t")[0] for word in done.stdout.split("\n") if word]

    words.shell = shell
    return words


def test_commands(offer):
    (subs,) = (a for a in build_parser()._actions if a.dest == "command")
    assert set(offer("replicas", "")) >= set(subs.choices)
    assert offer("replicas", "capa") == ["capacity"]


def test_flags(offer):
    found = offer("replicas", "solve", "--alpha", "-0.5", "--")
    own = {flag for a in build_parser()._subparsers._group_actions[0].choices["solve"]._actions for flag in a.option_strings}
    assert set(found) - {"--alpha"} == {flag for flag in own if flag.startswith("--")} - {"--alpha"}
    assert offer("replicas", "capacity", "--kap") == ["--kappa"]


@pytest.mark.parametrize(
    "line, words",
    [
        ("capacity --model |", MODELS),
        ("capacity --model tree|", ("tree-committee", "tree-parity")),
        ("capacity --model tree-committee --weights s|", ("spherical",)),
        ("solve --alpha 0.5 --branch perf|", ("perfect",)),
        ("franz-parisi --alpha 0.5 --reference s|", ("spherical", "stochastic")),
        ("local-entropy --reference |", ("unconstrained", "constrained")),
        ("simulate --algorithm sbpi reinforced|", ("reinforced-bp", "reinforced-tap", "reinforced-max-sum")),
        ("simulate --algorithm sbpi --model |", ("perceptron", "tree-committee")),
        ("figure capacity|", ("capacity-vs-kappa",)),
        ("constants capacity-b|", ("capacity-binary",)),
        ("models --question at|", ("at-line",)),
        ("completion f|", ("fish",)),
    ],
)
def test_words_of_a_flag_or_of_a_command(offer, line, words):
    assert sorted(offer("replicas", *line.removesuffix("|").split(" "))) == sorted(words)


def test_a_flag_that_takes_one_value_is_done_after_it(offer):
    found = offer("replicas", "capacity", "--model", "perceptron", "")
    assert not set(found) & set(MODELS)


def test_paths(offer, tmp_path):
    (tmp_path / "kept.db").touch()
    assert offer("replicas", "capacity", "--store", f"{tmp_path}/kep") == [f"{tmp_path}/kept.db"]


def test_every_command_and_flag_is_in_every_script(scripts):
    for shell, path in scripts.items():
        text = path.read_text(encoding="utf-8")
        for command in completion.commands(build_parser()):
            assert command.name in text
            for flag in command.flags:
                assert all((f"-l {n[2:]} " if shell == "fish" and n.startswith("--") else n.lstrip("-")) in text for n in flag.names)
                assert all(word in text for word in flag.words if shell != "fish" or not word.startswith("<"))


def test_the_command_prints_the_script_and_refuses_other_shells(run):
    code, out, err = run("completion bash")
    assert (code, err) == (0, "") and out == completion.script(build_parser(), "bash")
    code, out, err = run("completion tcsh")
    assert (code, out) == (2, "") and "shell: got 'tcsh'; takes bash, zsh, fish" in err


def test_names_come_from_the_registries():
    from replicas import plotting

    words = {c.name: c.words for c in completion.commands(build_parser())}
    assert words["figure"] == tuple(plotting.FIGURES) == cli.figure_names()
