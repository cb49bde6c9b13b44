"""Completion of the command line in a shell, as a script made from the parser itself: commands, flags, and the words they take.

    eval "$(replicas completion bash)"        (zsh: the same with zsh;  fish: replicas completion fish | source)
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from .parsers import DIRECTORIES, FILES, Parser, offered

SHELLS = ("bash", "zsh", "fish")
NONE, ONE, MANY = "0", "1", "+"  # values that a flag takes


@dataclass(frozen=True)
class Flag:
    """A flag, or the positional argument of a command (no names): how many values it takes and which words they are."""

    names: tuple[str, ...]
    takes: str
    words: tuple[str, ...]
    help: str


@dataclass(frozen=True)
class Command:
    """A command with its flags and what stands without a flag."""

    name: str
    help: str
    flags: tuple[Flag, ...]
    words: tuple[str, ...]


def commands(parser: Parser) -> Iterator[Command]:
    """What the parser knows: itself first, with its commands as words."""
    (subs,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    yield Command("", parser.description or "", _flags(parser), tuple(subs.choices))
    for name, sub in subs.choices.items():
        yield Command(name, sub.description or "", _flags(sub), tuple(w for a in sub._actions if not a.option_strings for w in offered(a)))


def _flags(parser: argparse.ArgumentParser) -> tuple[Flag, ...]:
    found = [action for action in parser._actions if action.option_strings]
    takes = [NONE if action.nargs == 0 else MANY if action.nargs == "+" and not getattr(action, "single", False) else ONE for action in found]
    return tuple(Flag(tuple(a.option_strings), n, offered(a), a.help or "") for a, n in zip(found, takes))


def script(parser: Parser, shell: str) -> str:
    """The script of a shell."""
    known = list(commands(parser))
    return _fish(known) if shell == "fish" else _posix(known, shell)


# --- bash and zsh ----------------------------------------------------------------------------------------------------------

POSIX = """\
# completion of the command replicas, made by: replicas completion {shell}
_replicas_flags() {{
    case "$1" in
{flags}
    esac
}}
_replicas_takes() {{
    case "$1 $2" in
{takes}
    *) _replicas_found="{one}" ;;
    esac
}}
_replicas_words() {{
    case "$1 $2" in
{words}
    *) _replicas_found="" ;;
    esac
}}
# the words that may stand at the place $1 of the line that follows (its first word has number 0), in _replicas_found
_replicas_offer() {{
    local place=$1 command="" flag="" values=0 i=0 word cur=""
    shift
    for word in "$@"; do
        if [ $i -eq $place ]; then cur=$word; break; fi
        i=$((i + 1))
        if [ $i -eq 1 ] || [ "$word" = "=" ]; then continue; fi
        case "$word" in
        --*|-[a-zA-Z]) flag=$word; values=0 ;;
        *) if [ -z "$command" ] && [ -z "$flag" ]; then command=$word; else values=$((values + 1)); fi ;;
        esac
    done
    if [ "$cur" = "=" ]; then cur=""; fi
    _replicas_found=""
    case "$cur" in
    -*) _replicas_flags "$command"; return ;;
    esac
    if [ -n "$flag" ]; then
        _replicas_takes "$command" "$flag"
        local takes=$_replicas_found
        _replicas_found=""
        if [ "$takes" = "{many}" ] || {{ [ "$takes" = "{one}" ] && [ $values -eq 0 ]; }}; then
            _replicas_words "$command" "$flag"
            if [ "$takes" = "{one}" ] || [ $values -eq 0 ]; then return; fi
        fi
    fi
    local more=$_replicas_found
    _replicas_words "$command" ""
    more="$more $_replicas_found"
    _replicas_flags "$command"
    _replicas_found="$more $_replicas_found"
}}
"""

BASH = """\
_replicas() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    if [ "$cur" = "=" ]; then cur=""; fi
    _replicas_offer "$COMP_CWORD" "${COMP_WORDS[@]}"
    case "$_replicas_found" in
    *"<file>"*) COMPREPLY=($(compgen -f -- "$cur")) ;;
    *"<directory>"*) COMPREPLY=($(compgen -d -- "$cur")) ;;
    *) COMPREPLY=($(compgen -W "$_replicas_found" -- "$cur")) ;;
    esac
    case "${COMPREPLY[*]}" in
    *:) compopt -o nospace 2>/dev/null ;;
    esac
}
complete -o bashdefault -o filenames -F _replicas replicas 2>/dev/null || complete -F _replicas replicas
"""

ZSH = """\
_replicas() {
    emulate -L zsh -o sh_word_split
    _replicas_offer "$((CURRENT - 1))" "${words[@]}"
    case "$_replicas_found" in
    *"<file>"*) _files ;;
    *"<directory>"*) _files -/ ;;
    *) compadd -- $_replicas_found ;;
    esac
}
if ! typeset -f compdef >/dev/null; then autoload -Uz compinit && compinit; fi
compdef _replicas replicas
"""


def _posix(known: list[Command], shell: str) -> str:
    flags = [f"    {shlex.quote(c.name)}) _replicas_found={_quoted(n for f in c.flags for n in f.names)} ;;" for c in known]
    takes = [
        f"    {'|'.join(shlex.quote(f'{c.name} {n}') for n in f.names)}) _replicas_found={shlex.quote(f.takes)} ;;"
        for c in known
        for f in c.flags
        if f.takes != ONE
    ]
    words = [
        f"    {'|'.join(shlex.quote(f'{c.name} {n}') for n in names)}) _replicas_found={_quoted(ws)} ;;"
        for c in known
        for names, ws in [*((f.names, f.words) for f in c.flags), (("",), c.words)]
        if ws
    ]
    head = POSIX.format(shell=shell, flags="\n".join(flags), takes="\n".join(takes), words="\n".join(words), one=ONE, many=MANY)
    return head + (BASH if shell == "bash" else ZSH)


def _quoted(words: Iterator[str] | tuple[str, ...]) -> str:
    return shlex.quote(" ".join(words))


# --- fish ------------------------------------------------------------------------------------------------------------------


FISH = """\
# completion of the command replicas, made by: replicas completion fish
function __replicas_after
    set -l last
    for word in (commandline -opc)
        string match -qr -- '^--|^-[a-zA-Z]$' $word; and set last $word
    end
    contains -- "$last" $argv
end
complete -c replicas -f"""


def _fish(known: list[Command]) -> str:
    """Fish completes by conditions: which command the line has."""
    lines = [FISH]
    main, *others = known
    names = " ".join(c.name for c in others)
    for command in others:
        lines.append(f"complete -c replicas -n __fish_use_subcommand -a {command.name} -d {_fish_quoted(command.help)}")
    for command in known:
        when = f"__fish_seen_subcommand_from {command.name}" if command.name else f"not __fish_seen_subcommand_from {names}"
        lines += [f"complete -c replicas -n {_fish_quoted(when)} {_fish_flag(flag)}" for flag in command.flags]
        for flag in (f for f in command.flags if f.takes == MANY and f.words):
            after = _fish_quoted(f"{when}; and __replicas_after {' '.join(flag.names)}")
            lines.append(f"complete -c replicas -n {after} -a {_fish_quoted(' '.join(flag.words))}")
        if command.words and command is not main:
            lines.append(f"complete -c replicas -n {_fish_quoted(when)} -a {_fish_quoted(' '.join(command.words))}")
    return "\n".join(lines) + "\n"


def _fish_flag(flag: Flag) -> str:
    named = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names]
    if flag.takes == NONE:
        value = []
    elif flag.words in (FILES, DIRECTORIES):
        value = ["-r -F"] if flag.words == FILES else ["-x -a '(__fish_complete_directories)'"]
    else:
        value = ["-x"] + ([f"-a {_fish_quoted(' '.join(flag.words))}"] if flag.words else [])
    return " ".join([*named, *value, f"-d {_fish_quoted(flag.help)}"])


def _fish_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
