"""Arguments, as they are recorded: no secret, whatever it is and wherever it stands."""

from __future__ import annotations

import pytest

from pinnace.audit.redact import claude_arguments, command, text

_KEY = "sk-ant-api03-canary0123456789abcdef"
_SECRETS = (
    _KEY,
    "hunter2",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "AKIAIOSFODNN7EXAMPLE",
    "https://me:hunter2@example.com/x.git",
    "my password is hunter2",
)
_PLACES = (
    ["{}"],
    ["-p", "{}"],
    ["-p={}"],
    ["--append-system-prompt", "{}"],
    ["--system-prompt={}"],
    ["--settings", '{{"env":{{"K":"{}"}}}}'],
    ["--mcp-config", "{}", "{}"],
    ["--allowedTools", "Bash(curl -H {})", "Edit"],
    ["--allowedTools=Bash(curl -u {}),Read"],
    ["--unknown", "{}"],
    ["--unknown={}"],
    ["--{}"],
    ["--resume", "{}"],
    ["-n", "{}"],
    ["--agents", "{}"],
    ["mcp", "add", "x", "-e", "KEY={}"],
    ["mcp", "add", "--header", "Authorization: Bearer {}", "x"],
    ["--", "{}"],
    ["-cp", "{}"],
    ["-x{}"],
    ["--add-dir", "/srv", "{}"],
    ["--debug", "{}"],
)


@pytest.mark.parametrize("place", _PLACES, ids=" ".join)
@pytest.mark.parametrize("secret", _SECRETS)
def test_no_secret_is_recorded(place: list[str], secret: str) -> None:
    given = [word.format(secret) for word in place]

    found = " ".join(claude_arguments(given, {"MY_PASSWORD": "hunter2", "PATH": "/bin"}))

    assert secret not in found
    assert "hunter2" not in found


def test_what_was_chosen_is_recorded() -> None:
    given = [
        *("-p", "say hello", "--model", "opus", "--permission-mode=acceptEdits", "-c"),
        *("--add-dir", "/srv/a", "/srv/b", "--max-turns", "3", "--verbose"),
        *("--resume", "c9e8a838-bea3-45cf-8af6-a8b97886fb5a"),
        *("--allowedTools", "Bash(git log:*),Edit", "mcp__x__y", "--unheard-of"),
    ]

    assert claude_arguments(given, {}) == [
        *("-p", "<text, 9 characters>", "--model", "opus", "--permission-mode", "acceptEdits"),
        *("-c", "--add-dir", "/srv/a", "/srv/b", "--max-turns", "3", "--verbose"),
        *("--resume", "c9e8a838-bea3-45cf-8af6-a8b97886fb5a"),
        *("--allowedTools", "Bash(***)", "Edit", "mcp__x__y", "--***"),
    ]


def test_of_a_command_the_program_is_recorded_alone() -> None:
    assert command(("bash", "-c", f"echo {_KEY}"), {}) == {"program": "bash", "arguments": 2}
    assert command((_KEY,), {}) == {"program": "***", "arguments": 0}
    assert command((), {}) == {"program": "***", "arguments": 0}


def test_keys_are_taken_out_of_a_text() -> None:
    shown = text(f"curl -H 'x-api-key: {_KEY}' https://example.com/path")

    assert "canary" not in shown
    assert "https://example.com/path" in shown
