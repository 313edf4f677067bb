"""Claude's config directory, ready for a first launch."""

from __future__ import annotations

import copy
import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.agent import claude_config
from pinnace.agent.arguments import wants_bypass
from pinnace.agent.claude_config import ClaudeConfig
from pinnace_core.errors import BadClaudeConfigError, CannotWriteError

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


def _prepare(
    home: Path,
    *,
    key_suffix: str = "",
    bypass: bool = False,
    owner: tuple[int, int] | None = None,
) -> None:
    _config(home, key_suffix=key_suffix, bypass=bypass, owner=owner).prepare()


def _config(
    home: Path,
    *,
    key_suffix: str = "",
    bypass: bool = False,
    owner: tuple[int, int] | None = None,
) -> ClaudeConfig:
    return ClaudeConfig(
        home / "claude",
        lock=home / "state" / "config.lock",
        workdir=_WORKDIR,
        key_suffix=key_suffix,
        bypass=bypass,
        owner=owner,
    )


def _file(home: Path, name: str = claude_config.STATE_FILE) -> Path:
    (home / "claude").mkdir(exist_ok=True)
    return home / "claude" / name


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
    bypass = wants_bypass(arguments)

    assert bypass is wanted
    assert ("bypassPermissionsModeAccepted" in _preseeded({}, bypass=bypass)) is wanted


def test_bypass_once_accepted_is_not_taken_back() -> None:
    assert _preseeded({"bypassPermissionsModeAccepted": True})["bypassPermissionsModeAccepted"]


@pytest.mark.parametrize(
    "settings",
    [
        {"skipDangerousModePermissionPrompt": True, "model": "x"},
        {"skipDangerousModePermissionPrompt": False, "model": "x"},
        {"model": "x"},
        {},
    ],
    ids=str,
)
def test_bypass_is_answered_where_old_and_new_versions_look(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    path = _file(tmp_path, claude_config.SETTINGS_FILE)
    path.write_text(json.dumps(settings))

    _prepare(tmp_path, bypass=True)

    assert json.loads(_file(tmp_path).read_bytes())["bypassPermissionsModeAccepted"] is True
    assert json.loads(path.read_bytes()) == {**settings, "skipDangerousModePermissionPrompt": True}


def test_without_bypass_the_settings_are_left_alone(tmp_path: Path) -> None:
    _prepare(tmp_path)

    assert not _file(tmp_path, claude_config.SETTINGS_FILE).exists()


@pytest.mark.parametrize("content", ["[]", "{"])
def test_settings_that_are_none_are_an_error_and_stay(tmp_path: Path, content: str) -> None:
    path = _file(tmp_path, claude_config.SETTINGS_FILE)
    path.write_text(content)

    with pytest.raises(BadClaudeConfigError, match=re.escape(str(path))):
        _prepare(tmp_path, bypass=True)

    assert path.read_text() == content


def test_a_state_that_is_a_link_is_said_to_be_one(tmp_path: Path) -> None:
    _file(tmp_path).symlink_to(tmp_path / "elsewhere.json")
    (tmp_path / "elsewhere.json").write_text("{}")

    with pytest.raises(BadClaudeConfigError, match="is a link"):
        _prepare(tmp_path)


def test_settings_that_are_a_link_are_said_to_be_one_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text("{}")
    _file(tmp_path, claude_config.SETTINGS_FILE).symlink_to(tmp_path / "elsewhere.json")

    _prepare(tmp_path, bypass=True)

    assert "is a link" in "".join(_config(tmp_path, bypass=True).notes())
    assert (tmp_path / "elsewhere.json").read_text() == "{}"


def test_the_directory_and_the_file_are_the_users_alone(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "claude"
    old = os.umask(0)
    try:
        _prepare(tmp_path / "new")
    finally:
        os.umask(old)

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / claude_config.STATE_FILE).stat().st_mode) == 0o600


def test_a_second_launch_writes_nothing(tmp_path: Path) -> None:
    _prepare(tmp_path, key_suffix="suffix", bypass=True)
    path = _file(tmp_path)
    os.utime(path, ns=(1, 1))
    before = path.stat()

    _prepare(tmp_path, key_suffix="suffix", bypass=True)

    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_state_that_has_everything_is_not_rewritten(tmp_path: Path) -> None:
    path = _file(tmp_path)
    path.write_text(json.dumps(_RICH))
    inode = path.stat().st_ino

    _prepare(tmp_path)

    assert path.read_text() == json.dumps(_RICH)
    assert path.stat().st_ino == inode


def test_an_empty_file_counts_as_a_fresh_state(tmp_path: Path) -> None:
    path = _file(tmp_path)
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
    path = _file(tmp_path)
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
        _prepare(tmp_path / "file")


def test_what_was_written_by_somebody_else_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _file(tmp_path)
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

    _prepare(tmp_path, owner=owner)

    for place in (tmp_path / "claude", _file(tmp_path)):
        assert (place.stat().st_uid, place.stat().st_gid) == owner


def test_only_the_state_lies_in_the_directory(tmp_path: Path) -> None:
    _prepare(tmp_path)

    assert [p.name for p in (tmp_path / "claude").iterdir()] == [claude_config.STATE_FILE]


def test_a_link_that_a_container_left_is_neither_read_nor_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"numStartups": 1}')
    _file(tmp_path).symlink_to(secret)

    with pytest.raises(BadClaudeConfigError):
        _prepare(tmp_path)

    assert secret.read_text() == '{"numStartups": 1}'


def test_a_pipe_that_a_container_left_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(_file(tmp_path))

    with pytest.raises(BadClaudeConfigError):
        _prepare(tmp_path)


@pytest.mark.parametrize(
    "text",
    ['{"x": ' + "[" * 700 + "]" * 700 + "}", '{"x": 1e999}', '{"x": "' + "a" * (9 << 20) + '"}'],
    ids=["deep", "infinite", "huge"],
)
def test_a_state_that_costs_or_breaks_the_launch_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "claude" / ".claude.json"
    path.parent.mkdir()
    path.write_text(text)

    with pytest.raises(BadClaudeConfigError):
        _prepare(tmp_path)

    assert path.read_text() == text


def test_a_directory_opened_to_everybody_is_closed_again(tmp_path: Path) -> None:
    (tmp_path / "claude").mkdir(mode=0o777)
    (tmp_path / "claude").chmod(0o777)

    _prepare(tmp_path)

    assert (tmp_path / "claude").stat().st_mode & 0o777 == 0o700
