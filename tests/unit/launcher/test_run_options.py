"""The options of `pinnace run`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
import pytest

from pinnace.cli import cli, complete
from pinnace.config import MountRequest, Settings, load
from pinnace.config.schema import KEYS, options
from pinnace.request import RunRequest, parse
from pinnace_core.errors import UsageError
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path


def _settings(arguments: list[str], cwd: str) -> Settings:
    flags = parse(arguments).flags
    return load.load(hosts.linux(cwd=cwd), flags).settings


def test_nothing_means_that_nothing_was_said() -> None:
    assert parse([]) == RunRequest()
    assert parse(["--"]) == RunRequest()


@pytest.mark.parametrize(
    "arguments",
    [
        ["-p", "hello"],
        ["--version"],
        ["--help"],
        ["--dry-run", "--env", "X"],
        ["", " ", "a b", "'q'", '"', "$HOME", "\n", "ü", "*"],
        ["--", "x"],
        ["x", "--", "--", "y"],
        ["--memory=1g", "-"],
    ],
)
def test_everything_after_the_dashes_is_claudes_untouched(arguments: list[str]) -> None:
    assert parse(["--", *arguments]) == RunRequest(claude_arguments=tuple(arguments))


def test_every_option_is_read(tmp_path: object) -> None:
    arguments = [
        *("--claude-version", "2.1", "--variant", "dev", "--env", "A", "--env=B"),
        *("--config-dir", "/c", "--memory", "1g", "--pids-limit", "10", "--user", "agent"),
        *("--mount", "/a:/b:rw", "--mount=d", "--profile", "work", "--engine", "podman"),
        *("--ssh-agent", "--no-git", "--certificates", "ca.pem", "--proxy", "--secrets", "~/s"),
        *("--cloud", "aws", "--cache", "npm", "--package", "jq", "--dockerfile", "D"),
        *("--image", "mine:1", "--repository", "registry.example/claude", "--no-provision"),
        *("--timing", "--dry-run", "--", "-p", "x"),
    ]

    request = parse(arguments)

    assert request._replace(flags=RunRequest().flags) == RunRequest(
        claude_arguments=("-p", "x"), claude_version="2.1", dry_run=True, timing=True
    )
    cwd = str(tmp_path)
    assert _settings(arguments, cwd) == Settings(
        variant="dev",
        repository="registry.example/claude",
        packages=("jq",),
        dockerfile=f"{cwd}/D",
        image="mine:1",
        engine="podman",
        user_agent=True,
        environment_names=("A", "B"),
        memory="1g",
        pids=10,
        mounts=(MountRequest("/a", "/b", read_only=False), MountRequest(f"{cwd}/d", f"{cwd}/d")),
        caches=("npm",),
        git_identity=False,
        ssh_agent=True,
        certificates=f"{cwd}/ca.pem",
        proxy=True,
        profile="work",
        cloud=("aws",),
        secrets="/home/somebody/s",
        config_directory="/c",
        provision=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["hello"],
        ["mcp", "list"],
        ["--model", "opus", "hello"],
        ["--dry"],
        ["--dry-run=yes"],
        ["--env"],
        ["--env", "MY-NAME=VALUE"],
        ["--env", "=VALUE"],
        ["--claude-version", "--", "2.1.330"],
        ["--pids-limit", "many"],
        ["--pids-limit", "0"],
        ["--pids-limit", "9" * 5000],
        ["--memory", "banana"],
        ["--memory", "8gb"],
        ["--variant", "../x"],
        ["--user", "root"],
        ["--engine", "dokcer"],
        ["--mount", "a:b"],
        ["--mount", "/a:/b:rx"],
        ["--mount", ""],
        ["--image", "--privileged"],
        ["--package", "-y"],
        ["--profile", "../x"],
        ["--secrets", "~root/x"],
        ["--cloud", "oracle"],
        ["--config-dir", "a\nb"],
    ],
)
def test_what_is_not_understood_is_refused_with_a_hint(
    arguments: list[str], tmp_path: object, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        _settings(arguments, str(tmp_path))

    assert caught.value.exit_code == 64
    assert "pinnace run --help" in caught.value.hint
    assert capfd.readouterr() == ("", ""), "the parser printed it as well"


@pytest.mark.parametrize(
    ("given", "meant"),
    [("--mem", "--memory"), ("--memroy=4g", "--memory"), ("--sshagent", "--ssh-agent")],
)
def test_a_typo_gets_a_suggestion(given: str, meant: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        _settings([given, "x"], str(tmp_path))

    assert f"perhaps you meant {meant}; " in caught.value.hint


@pytest.mark.parametrize(
    "arguments",
    [
        ["-p", "hello"],
        ["-p", "say hello", "--output-format", "json"],
        ["-cp", "hello"],
        ["--resume"],
        ["--resume", "6f1c"],
        ["-c"],
        ["--model", "opus"],
        ["--model=opus"],
        ["--dangerously-skip-permissions"],
        ["--add-dir", "/a", "/b"],
        ["--append-system-prompt", "- be brief"],
        ["fix the bug"],
        ["--an-option-of-a-newer-version", "7"],
        ["-p", "--allowedTools", "Bash", "Edit"],
    ],
)
def test_what_is_not_ours_goes_to_claude(arguments: list[str]) -> None:
    assert parse(arguments) == RunRequest(claude_arguments=tuple(arguments))


def test_ours_may_stand_among_claudes(tmp_path: Path) -> None:
    arguments = ["--model", "opus", "--memory", "4g", "fix the bug", "--dry-run", "--", "--verbose"]

    request = parse(arguments)

    assert request.claude_arguments == ("--model", "opus", "fix the bug", "--verbose")
    assert request.dry_run
    assert _settings(arguments, str(tmp_path)).memory == "4g"


def test_an_option_with_many_values_takes_none_of_what_follows_the_dashes() -> None:
    words = parse(["--add-dir", "/a", "--", "say hello", "-p"]).claude_arguments

    assert words == ("say hello", "-p", "--add-dir", "/a")


@pytest.mark.parametrize("option", ["-e", "-v", "--network", "--publish", "--cap-add", "-it"])
def test_an_option_of_dockers_gets_what_is_meant_here(option: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse([option, "x:y"])

    assert caught.value.hint


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("before", [[], ["--memory", "1g"], ["--nonsense"]])
def test_help_may_be_asked_for_anywhere(flag: str, before: list[str]) -> None:
    assert parse([*before, flag, "more"]) == RunRequest(help=True)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_goes_to_stdout_and_is_a_success(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", flag], standalone_mode=False) == 0

    assert capsys.readouterr().out.startswith("Usage: pinnace run [options] [CLAUDE_ARGS...]")


def test_help_has_every_option_in_a_section(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["run", "--help"], standalone_mode=False)

    parts = re.split(r"^(\w[\w ]+):$", capsys.readouterr().out, flags=re.MULTILINE)
    option = re.compile(r"^  (?:-h, )?(--[\w-]+)", re.MULTILINE)
    sections = zip(parts[1::2], parts[2::2], strict=True)
    found = {title: set(option.findall(text)) for title, text in sections}
    titles = ("Version and image", "Container", "Accounts and secrets", "Network")
    assert tuple(found) == (*titles, "Audit record", "This launch")
    assert found["Network"] == {
        *(
            "--allow",
            "--header",
            "--isolation",
            "--gateway-network",
            "--header",
            "--service",
            "--port",
        ),
        *("--certificates", "--proxy", "--no-proxy"),
    }
    prompts = {"--prompt", "--data", "--data-file", "--data-stdin"}
    assert found["This launch"] == {*prompts, "--detach", "--dry-run", "--timing", "--help"}
    assert {key.flag for key in KEYS} <= set().union(*found.values())


def test_click_knows_every_option_as_the_parser_does() -> None:
    for option, parameter in zip(options(), complete.options(), strict=True):
        assert isinstance(parameter, click.Option)
        assert parameter.opts == [option.names[-1]]
        assert parameter.is_flag is not bool(option.metavar)
        value = ["x=y"] if option.metavar else []
        # What is for a prompt is nothing without one.
        prompt = ["--prompt", "p.md"] if option.names[-1].startswith("--data") else []
        given = parse([option.names[-1], *value, *prompt])
        assert given not in (RunRequest(), parse(prompt))


@pytest.mark.parametrize("name", ["MY_TOKEN", "api_key", "DB_PASSWD", "X_SECRET_Y", "PRIVATE_KEY"])
def test_a_secret_is_not_given_as_an_argument_and_not_repeated(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        _settings(["--env", f"{name}=canary-4f1d"], str(tmp_path))

    assert name in caught.value.message
    assert "canary" not in caught.value.message + caught.value.hint + repr(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--cpus", text] for text in ("0", "0.0", "-1", "many", "1e3", "1.2345")),
        *(["--gpus", text] for text in ("0", "none", "device=", "device=0,", 'all"')),
        *(["--device", text] for text in ("/etc/passwd", "/dev/../x y", "/dev/x:rwmm", "kvm")),
        *(["--runtime", text] for text in ("", "-x", "a/b", "a b")),
        ["--shm-size", "huge"],
    ],
)
def test_what_no_engine_would_take_is_refused(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        _settings(arguments, str(tmp_path))

    assert caught.value.message.startswith(("argument ", arguments[0]))


def test_resources_are_taken_as_they_are_written(tmp_path: Path) -> None:
    found = _settings(
        [
            *("--cpus", "1.5", "--shm-size", "1g", "--gpus", "device=0,1", "--runtime", "runsc"),
            *("--device", "/dev/kvm", "--device", "/dev/fuse:/dev/fuse:rw"),
        ],
        str(tmp_path),
    )

    assert (found.cpus, found.shm_size, found.gpus, found.runtime) == (
        *("1.5", "1g", "device=0,1", "runsc"),
    )
    assert found.devices == ("/dev/kvm", "/dev/fuse:/dev/fuse:rw")


@pytest.mark.parametrize("name", ["MAX_THINKING_TOKENS", "CLAUDE_CODE_MAX_OUTPUT_TOKENS", "KEYS"])
def test_what_only_sounds_like_a_secret_is_given(name: str, tmp_path: Path) -> None:
    assert _settings(["--env", f"{name}=7"], str(tmp_path)).environment_names == (f"{name}=7",)
