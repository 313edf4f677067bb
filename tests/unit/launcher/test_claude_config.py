"""Claude's config directory, ready for a first launch."""

from __future__ import annotations

import copy
import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from pinnace import claude_config
from pinnace_images.errors import BadClaudeConfigError, CannotWriteError

if TYPE_CHECKING:
    from pathlib import Path

_WORKDIR = "/srv/demo"
_RICH: dict[str, Any] = {
    "hasCompletedOnboarding": True,
    "theme": "light",
    "numStartups": 7,
    "customApiKeyResponses": {"approved": ["older"], "rejected": ["bad"]},
    "projects": {
        _WORKDIR: {"hasTrustDialogAccepted": True, "allowedTools": ["Bash"]},
        "/srv/other": {"hasTrustDialogAccepted": False, "history": [{"display": "ü"}]},
    },
    "mcpServers": {"x": {"command": "y"}},
}


def _prepare(directory: Path, *, key_suffix: str = "", bypass: bool = False) -> None:
    claude_config.prepare(
        directory, workdir=_WORKDIR, key_suffix=key_suffix, bypass=bypass, owner=None
    )


def _preseeded(
    state: dict[str, Any], *, key_suffix: str = "", bypass: bool = False
) -> dict[str, Any]:
    return claude_config.preseeded(state, workdir=_WORKDIR, key_suffix=key_suffix, bypass=bypass)


def test_a_fresh_state_has_what_a_first_launch_needs_and_nothing_else() -> None:
    assert _preseeded({}, key_suffix="suffix") == {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "projects": {_WORKDIR: {"hasTrustDialogAccepted": True, "allowedTools": []}},
        "customApiKeyResponses": {"approved": ["suffix"]},
    }


def test_nothing_is_approved_without_a_key() -> None:
    assert "customApiKeyResponses" not in _preseeded({})


def test_a_state_that_has_everything_is_kept_as_it_is() -> None:
    state = copy.deepcopy(_RICH)

    assert _preseeded(state, key_suffix="older") == _RICH
    assert state == _RICH, "the argument was changed"


def test_only_what_is_missing_is_added() -> None:
    new = _preseeded(_RICH, key_suffix="newer")

    assert new["customApiKeyResponses"] == {"approved": ["older", "newer"], "rejected": ["bad"]}
    new["customApiKeyResponses"]["approved"].remove("newer")
    assert new == _RICH


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((), False),
        (("-p", "hello"), False),
        (("--dangerously-skip-permissions",), True),
        (("--permission-mode", "bypassPermissions"), True),
        (("--permission-mode=bypassPermissions",), True),
        (("-p", "x", "--permission-mode", "bypassPermissions", "--model", "y"), True),
        (("--permission-mode", "plan"), False),
        (("--permission-mode",), False),
        (("bypassPermissions",), False),
        (("--allow-dangerously-skip-permissions",), False),
        (("-p", "what does --dangerously-skip-permissions do?"), False),
    ],
)
def test_bypass_is_accepted_only_if_it_was_chosen(arguments: tuple[str, ...], wanted: bool) -> None:  # noqa: FBT001
    bypass = claude_config.wants_bypass(arguments)

    assert bypass is wanted
    assert ("bypassPermissionsModeAccepted" in _preseeded({}, bypass=bypass)) is wanted


def test_bypass_once_accepted_is_not_taken_back() -> None:
    assert _preseeded({"bypassPermissionsModeAccepted": True})["bypassPermissionsModeAccepted"]


@pytest.mark.parametrize(
    ("settings", "written"),
    [
        ('{"skipDangerousModePermissionPrompt": true}', False),
        ('{"skipDangerousModePermissionPrompt": false}', True),
        ("{}", True),
        ("[]", True),
        ("{", True),
    ],
)
def test_an_answer_that_claude_moved_to_its_settings_is_not_given_again(
    tmp_path: Path, settings: str, *, written: bool
) -> None:
    (tmp_path / claude_config.SETTINGS_FILE).write_text(settings)

    _prepare(tmp_path, bypass=True)

    state = json.loads((tmp_path / claude_config.STATE_FILE).read_bytes())
    assert ("bypassPermissionsModeAccepted" in state) is written
    assert (tmp_path / claude_config.SETTINGS_FILE).read_text() == settings


def test_the_directory_and_the_file_are_the_users_alone(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "claude"
    old = os.umask(0)
    try:
        _prepare(directory)
    finally:
        os.umask(old)

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / claude_config.STATE_FILE).stat().st_mode) == 0o600


def test_a_second_launch_writes_nothing(tmp_path: Path) -> None:
    _prepare(tmp_path, key_suffix="suffix", bypass=True)
    path = tmp_path / claude_config.STATE_FILE
    os.utime(path, ns=(1, 1))
    before = path.stat()

    _prepare(tmp_path, key_suffix="suffix", bypass=True)

    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_state_that_has_everything_is_not_rewritten(tmp_path: Path) -> None:
    path = tmp_path / claude_config.STATE_FILE
    path.write_text(json.dumps(_RICH))
    inode = path.stat().st_ino

    _prepare(tmp_path)

    assert path.read_text() == json.dumps(_RICH)
    assert path.stat().st_ino == inode


def test_an_empty_file_counts_as_a_fresh_state(tmp_path: Path) -> None:
    path = tmp_path / claude_config.STATE_FILE
    path.touch()

    _prepare(tmp_path)

    assert json.loads(path.read_bytes())["hasCompletedOnboarding"] is True


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"numStartups": 7', id="cut off"),
        pytest.param(b"\x00\xff\xfe", id="binary"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"projects": []}', id="projects are a list"),
        pytest.param(b'{"projects": null}', id="projects are null"),
        pytest.param(b'{"projects": {"/srv/demo": null}}', id="a project is null"),
        pytest.param(b'{"projects": {"/srv/demo": []}}', id="a project is a list"),
        pytest.param(b'{"customApiKeyResponses": null}', id="responses are null"),
        pytest.param(b'{"customApiKeyResponses": {"approved": null}}', id="approved is null"),
        pytest.param(b"[" * 100_000, id="too deep"),
    ],
)
def test_a_state_that_cannot_be_understood_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / claude_config.STATE_FILE
    path.write_bytes(content)

    with pytest.raises(BadClaudeConfigError) as caught:
        _prepare(tmp_path, key_suffix="suffix")

    assert path.read_bytes() == content
    assert caught.value.exit_code == 65
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(CannotWriteError, match="claude"):
        _prepare(tmp_path / "file" / "claude")


def test_what_was_written_by_somebody_else_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / claude_config.STATE_FILE
    real = claude_config.preseeded
    calls = 0

    def preseeded(state: dict[str, Any], **options: Any) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls == 1:  # between the first look and the lock
            path.write_text('{"numStartups": 8}')
        return real(state, **options)

    monkeypatch.setattr(claude_config, "preseeded", preseeded)
    _prepare(tmp_path)

    assert json.loads(path.read_bytes())["numStartups"] == 8


def test_for_somebody_else_everything_made_becomes_theirs(tmp_path: Path) -> None:
    # An ordinary user can give only to themselves; that the ids are asked for shows either way.
    owner = (os.getuid() or 54321, os.getgid() if os.getuid() else 65000)
    directory = tmp_path / "claude"

    claude_config.prepare(directory, workdir=_WORKDIR, key_suffix="", bypass=False, owner=owner)

    for place in (directory, directory / claude_config.STATE_FILE):
        assert (place.stat().st_uid, place.stat().st_gid) == owner
