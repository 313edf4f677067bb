"""The options of `pinnace run`."""

from __future__ import annotations

import pytest

from pinnace.plan import RunRequest
from pinnace.run_options import parse
from pinnace.settings import Settings
from pinnace_images.errors import UsageError


def test_nothing_means_the_defaults() -> None:
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


def test_every_option_is_read() -> None:
    request = parse(
        [
            *("--claude-version", "2.1", "--variant", "dev", "--env", "A", "--env=B"),
            *("--config-dir", "/c", "--memory", "1g", "--pids-limit", "10", "--user", "agent"),
            *("--no-provision", "--dry-run", "--", "-p", "x"),
        ]
    )

    assert request == RunRequest(
        claude_arguments=("-p", "x"),
        claude_version="2.1",
        settings=Settings(
            variant="dev",
            user_agent=True,
            environment_names=("A", "B"),
            memory="1g",
            pids=10,
            config_directory="/c",
            provision=False,
        ),
        dry_run=True,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--resume"],
        ["-p", "hello"],
        ["hello"],
        ["--dry"],
        ["--dry-run=yes"],
        ["--env"],
        ["--claude-version", "--", "2.1.330"],
        ["--pids-limit", "many"],
        ["--memory", "banana"],
        ["--memory", "8gb"],
        ["--variant", "../x"],
        ["--user", "root"],
    ],
)
def test_what_is_not_understood_is_refused_with_a_hint(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        parse(arguments)

    assert caught.value.exit_code == 64
    unknown = "unrecognized" in caught.value.message
    assert ("after '--'" in caught.value.hint) is unknown
    assert "pinnace run --help" in caught.value.hint
    assert capfd.readouterr() == ("", ""), "argparse printed it as well"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_goes_to_stdout_and_is_a_success(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse([flag])

    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("usage: pinnace run [options] [-- CLAUDE_ARGS...]")
