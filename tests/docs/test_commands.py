"""Every documented command: run for real, or at least checked to exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pinnace.agent.arguments import OPTIONS
from tests.docs import help as commands_help
from tests.docs.markdown import ROOT, Block, blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SHOWN_HOME = "/home/user"


def shell(text: str, environment: Mapping[str, str]) -> tuple[int, list[str]]:
    """Run a command in the project; return its exit code, and its output as the pages show it."""
    home = environment["HOME"]
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", text],
        cwd=Path(home, "hello"),
        env={**environment, "PWD": str(Path(home, "hello"))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.replace(home, _SHOWN_HOME).splitlines()


def matches(shown: str, line: str) -> bool:
    """Return whether an output line is the one that is shown; `...` stands for anything."""
    pattern = ".*".join(map(re.escape, shown.rstrip().split("...")))
    return re.fullmatch(pattern, line.rstrip()) is not None


def missing(shown: Sequence[str], output: Sequence[str]) -> list[str]:
    """Return the shown lines that the output does not have in this order."""
    rest = iter(output)
    return [line for line in shown if not any(matches(line, real) for real in rest)]


@pytest.mark.engine
@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("block", blocks("console"), ids=str)
def test_a_console_block_does_what_it_shows(block: Block, environment: dict[str, str]) -> None:
    commands = block.commands
    assert commands, "no line with a prompt"
    for command in commands:
        code, output = shell(command.text, environment)
        report = "\n".join([f"$ {command.text}", *output])
        assert code == (block.exit_code if command is commands[-1] else 0), report
        assert missing(command.shown, output) == [], report


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_a_shell_block_is_sound(block: Block) -> None:
    text = "\n".join(block.lines)
    done = subprocess.run(["bash", "-n"], input=text, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # A line that ends in a backslash goes on in the next one.
    lines = text.replace("\\\n", " ").splitlines()
    calls = [call for line in lines for call in simple_commands(line)]
    assert calls, "no command"
    assert [shlex.join(call) for call in calls if not is_known(call)] == []


@pytest.mark.parametrize(
    "line",
    [
        "make nothing",
        "make publish TARGET=registry.example/claude",
        "scripts/nothing up",
        "scripts/engine explode",
        "pip install somebody-elses",
        "pinnace launch",
        "pinnace run --fast",
        "pinnace-build build --fast",
        "pinnace-build publish --no-locked",
        "python scripts/nothing.py",
        "curl example",
        "make run && curl example",
    ],
)
def test_an_unknown_command_would_be_found(line: str) -> None:
    assert not all(map(is_known, simple_commands(line)))


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_no_block_is_out_of_the_tests_sight(block: Block) -> None:
    assert block.language in {"console", "python", "sh", "text"}


def simple_commands(line: str) -> list[list[str]]:
    """Split a line at pipes and the like, without comments and assignments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    groups = groupby(lexer, key=lambda token: set(token) <= set("|&;"))
    commands = [
        _without_assignments(list(tokens)) for punctuation, tokens in groups if not punctuation
    ]
    return [command for command in commands if command]


def _without_assignments(tokens: list[str]) -> list[str]:
    while tokens and re.match(r"[A-Z_][A-Za-z0-9_]*=", tokens[0]):
        tokens = tokens[1:]
    return tokens


def is_known(call: Sequence[str]) -> bool:
    """Return whether everything that a command names exists."""
    check = _CHECKS.get(call[0].removeprefix(".venv/bin/"))
    return check is not None and check(call[1:])


def _make(arguments: Sequence[str]) -> bool:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = {
        *re.findall(r"^([a-z-]+):", makefile, re.MULTILINE),
        *(f"{name}=" for name in re.findall(r"\$\(([A-Z]+)\)", makefile)),
    }
    return {re.sub("(?<==).*", "", argument) for argument in arguments} <= known


def _engine(arguments: Sequence[str]) -> bool:
    script = (ROOT / "scripts" / "engine").read_text(encoding="utf-8")
    verbs = re.findall(r"^    ([a-z]+)\)", script, re.MULTILINE)
    return len(arguments) == 1 and arguments[0] in verbs


def _python(arguments: Sequence[str]) -> bool:
    if arguments[0] == "-m":
        return (ROOT / f"{arguments[1].replace('.', '/')}.py").is_file()
    return arguments[0].startswith("scripts/") and (ROOT / arguments[0]).is_file()


def _pytest(arguments: Sequence[str]) -> bool:
    conftest = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    if arguments[:1] == ["-m"]:
        markers = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        return f'"{arguments[1]}' in markers and _pytest(arguments[2:])
    return all(
        f'"{argument}"' in conftest if argument.startswith("-") else (ROOT / argument).exists()
        for argument in arguments
    )


def _cli(program: str, arguments: Sequence[str]) -> bool:
    words = list(arguments)
    words = words[: words.index("--")] if "--" in words else words
    given = bool(words) and not words[0].startswith("-") and " " not in words[0]
    verb = words[0] if given else "run"
    if verb not in commands_help.VERBS[program]:
        return False
    below = commands_help.below(program, verb)
    # Some groups do something by themselves.
    alone = below and (len(words) == 1 or words[1].startswith("-"))
    if below and not alone and words[1] not in below:
        return False
    used = {word.partition("=")[0] for word in words if word.startswith("-")}
    # What a launch does not know, Claude does.
    claudes = set(OPTIONS) if (program, verb) == ("pinnace", "run") else set()
    names = (verb, words[1]) if below and not alone else (verb,)
    # Whose help names the options of a launch without repeating them.
    launchs = commands_help.options("pinnace", "run") if verb in {"shell", "warm"} else set()
    return used <= commands_help.options(program, *names) | claudes | launchs


# Programs that are not ours, nor are their options.
_FOREIGN: Final = ("podman", "cosign", "docker", "git", "cp")
_CHECKS: Final[dict[str, Callable[[Sequence[str]], bool]]] = {
    "make": _make,
    "scripts/engine": _engine,
    "python": _python,
    "pytest": _pytest,
    "pip": lambda arguments: arguments in (["install", "."], ["install", ".[publish]"]),
    "pipx": lambda arguments: arguments == ["install", "."],
    "uv": lambda arguments: arguments == ["tool", "install", "."],
    "pinnace": lambda arguments: _cli("pinnace", arguments),
    "pinnace-build": lambda arguments: _cli("pinnace-build", arguments),
    **dict.fromkeys(_FOREIGN, lambda _arguments: True),
}
