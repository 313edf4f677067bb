"""A launch with a prompt file, up to the engine's client."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.conftest import Machine

_PROMPT = "---\nsystem: Be good.\nmodel: opus\n---\nReview {{ branch }}.\n"
_VERDICT = "---\noutput: {verdict: string}\n---\nIs it good?\n"
_FILES = "/run/pinnace/files"


def _write(machine: Machine, text: str) -> None:
    (machine.project / "p.md").write_text(text, encoding="utf-8")


def test_the_text_goes_by_standard_input_and_options_as_arguments(machine: Machine) -> None:
    _write(machine, _PROMPT)
    machine.docker.will("run", echo=True)

    done = machine.pinnace("run", "--prompt", "p.md", "--data", "branch=main", "-p")

    assert (done.returncode, done.stdout) == (0, b"Review main."), done.stderr
    (argv,) = machine.docker.calls("run")
    assert argv[-3:] == [f"--system-prompt-file={_FILES}/system.md", "--model=opus", "-p"]
    assert any(word.endswith(f"target={_FILES},readonly") for word in argv)


def test_without_print_mode_it_is_the_first_message(machine: Machine) -> None:
    _write(machine, _PROMPT)

    done = machine.pinnace("run", "--prompt", "p.md", "--data", "branch=main", "--model", "sonnet")

    assert done.returncode == 0, done.stderr
    (argv,) = machine.docker.calls("run")
    assert argv[-4:] == ["--model", "sonnet", "--", "Review main."]


@pytest.mark.parametrize(
    ("text", "arguments", "code", "said"),
    [
        (_PROMPT, (), 65, "there is no 'branch'"),
        (_PROMPT, ("--data", "branch"), 64, "is no NAME=VALUE"),
        (_PROMPT, ("--data-file", "x.json"), 66, "cannot read 'x.json'"),
        (_PROMPT, ("--data", "branch=x", "-p", "a second one"), 64, "is a second prompt"),
        (_PROMPT, ("--data", "branch=x", "--input-format", "stream-json"), 64, "not a stream"),
        ("---\nsession: {required: true}\n---\nx", ("-p",), 64, "goes on in a session"),
        ("---\ntools: [Bash]\n---\nx", ("-p",), 77, "isolation is open, and p.md chooses tools"),
        ("---\npermission_mode: bypassPermissions\n---\nx", (), 77, "no file chooses bypass mode"),
        ("y" * 140_000, (), 64, "too long for an interactive start"),
    ],
)
def test_what_cannot_be_sent_is_said(
    machine: Machine, text: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    _write(machine, text)

    done = machine.pinnace("run", "--prompt", "p.md", *arguments)

    assert (done.returncode, said in done.stderr.decode()) == (code, True), done.stderr
    assert machine.docker.calls("run") == []


def test_data_without_a_prompt_is_a_slip(machine: Machine) -> None:
    done = machine.pinnace("run", "--data", "a=b")
    assert (done.returncode, b"--prompt FILE" in done.stderr) == (64, True)


@pytest.mark.parametrize(
    ("printed", "options", "code"),
    [
        ('{"verdict": "good"}\n', (), 0),
        ('```json\n{"verdict": "good"}\n```\n', (), 0),
        ('{"verdict": 3}\n', (), 65),
        ("It is good.\n", (), 65),
        ("", (), 65),
        ('{"result": "x", "structured_output": {"verdict": "good"}}', ("json",), 0),
        ('{"result": "{\\"verdict\\": \\"good\\"}"}', ("json",), 0),
        ('{"type": "x"}\n{"type": "result", "result": "{}"}\n', ("stream-json",), 65),
        (
            '{"type": "x"}\n{"structured_output": {"verdict": ""}}\n',
            ("stream-json",),
            0,
        ),
    ],
)
def test_an_answer_is_passed_on_and_compared(
    machine: Machine, printed: str, options: tuple[str, ...], code: int
) -> None:
    _write(machine, _VERDICT)
    machine.docker.will("run", stdout=printed)
    kind = ("--output-format", *options) if options else ()

    done = machine.pinnace("run", "--prompt", "p.md", "--", "-p", *kind)

    assert (done.returncode, done.stdout.decode()) == (code, printed), done.stderr
    argvs = machine.docker.calls("run")
    assert all(any(word.startswith("--json-schema={") for word in argv) for argv in argvs)
    # Asked again twice at most, and events are passed on as they come.
    assert len(argvs) == (3 if code and options != ("stream-json",) else 1)


_GOOD = '{"verdict": "good"}\n'
# Claude's first answer does not fit, later ones do; each call keeps what it was asked.
_SECOND = """#!/bin/sh
case "$*" in "run "*--json-schema*) ;; *) exec {real} "$@" ;; esac
cat > {place}/asked-$(ls {place} | wc -l)
printf '%s\\n' "$*" >> {place}.argv
[ -e {place}/asked-1 ] && echo '{good}' || echo 'It is good.'
"""


@pytest.fixture
def second(machine: Machine) -> Path:
    """A client whose second answer is good; the directory of what it was asked."""
    place = machine.project.parent / "asked"
    place.mkdir()
    client = machine.project.parent / "bin" / "docker"
    client.parent.mkdir()
    real = shutil.which("docker", path=machine.environment["PATH"])
    said = {"real": shlex.quote(str(real)), "place": place, "good": _GOOD.strip()}
    text = _SECOND
    for name, value in said.items():
        text = text.replace(f"{{{name}}}", str(value))
    client.write_text(text)
    client.chmod(0o755)
    machine.environment["PATH"] = f"{client.parent}:{machine.environment['PATH']}"
    return place


def test_what_does_not_fit_is_asked_for_again_in_the_same_session(
    machine: Machine, second: Path
) -> None:
    _write(machine, _VERDICT)

    done = machine.pinnace("run", "--prompt", "p.md", "-p")

    assert (done.returncode, done.stdout.decode()) == (0, _GOOD), done.stderr
    assert b"the answer is no JSON: Claude is asked again" in done.stderr
    assert (second / "asked-0").read_text().startswith("Is it good?")
    assert "the answer is no JSON" in (second / "asked-1").read_text()
    first, later = second.with_name("asked.argv").read_text().splitlines()
    (session,) = re.findall(r"--session-id=(\S+)", first)
    assert f"--resume={session}" in later


@pytest.mark.parametrize(
    "options",
    [
        ("--no-session-persistence",),
        ("--session-id=11111111-1111-4111-8111-111111111111",),
        ("--output-format", "stream-json", "--verbose"),
    ],
    ids=" ".join,
)
def test_where_nothing_can_be_gone_on_with_it_is_asked_for_once(
    machine: Machine, second: Path, options: tuple[str, ...]
) -> None:
    _write(machine, _VERDICT)

    done = machine.pinnace("run", "--prompt", "p.md", "--", "-p", *options)

    assert (done.returncode, done.stdout) == (65, b"It is good.\n"), done.stderr
    assert [one.name for one in second.iterdir()] == ["asked-0"]


def test_the_exit_code_of_claude_counts_first(machine: Machine) -> None:
    _write(machine, _VERDICT)
    machine.docker.will("run", stdout="no", code=3)

    assert machine.pinnace("run", "--prompt", "p.md", "-p").returncode == 3


def test_a_check_says_what_would_be_sent_and_starts_nothing(machine: Machine) -> None:
    _write(machine, _PROMPT)

    done = machine.pinnace("prompt", "check", "p.md", "--data-stdin", stdin=b'{"branch": "main"}')

    assert done.stdout.decode().splitlines() == [
        "# --system-prompt-file=system.md",
        "# --model=opus",
        "# system.md: 8 characters",
        "Review main.",
    ]
    assert machine.docker.log("call") == []


def test_a_check_for_programs(machine: Machine) -> None:
    _write(machine, _PROMPT)

    bad = json.loads(machine.pinnace("prompt", "check", "p.md", "--json").stdout)
    good = machine.pinnace("prompt", "check", "p.md", "--json", "--data", "branch=x")

    assert (bad["ok"], bad["error"]["kind"], bad["error"]["exit_code"]) == (
        *(False, "BadPromptError"),
        65,
    )
    assert json.loads(good.stdout)["result"]["text"] == "Review x."
