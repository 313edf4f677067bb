"""Approvals of project files: an attack each."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.config import Config, Settings, files, load
from pinnace_core.errors import BadSettingsError, UnsafeRequestError
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

_ASKS = b"""\
[claude]
variant = "dev"
[run]
mounts = ["../outside"]
environment = ["MY_TOKEN"]
engine = "podman"
caches = ["npm"]
ssh-agent = true
certificates = "ca.pem"
proxy = true
memory = "1g"
pids = 5
git = false
[image]
devcontainer = true
image = "theirs"
dockerfile = "Dockerfile"
repository = "registry.example/theirs"
packages = ["jq"]
[auth]
profile = "work"
cloud = ["aws"]
secrets = "s"
config-directory = "c"
"""
_HARMLESS = Settings(memory="1g", pids=5, git_identity=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A project's file that asks for everything."""
    (tmp_path / "project" / ".git").mkdir(parents=True)
    path = tmp_path / "project" / "pinnace.toml"
    path.write_bytes(_ASKS)
    return path


def _load(file: Path) -> Config:
    facts = hosts.linux(cwd=str(file.parent), environment={"MY_TOKEN": "x"})
    return load.load(facts, {})


def _approve(file: Path) -> None:
    for pending in _load(file).pending:
        files.approve(pending.path, pending.content)


def _record(file: Path) -> Path:
    _approve(file)
    (record,) = files.directory().iterdir()
    return record


def test_before_approval_only_what_is_harmless_counts(file: Path) -> None:
    loaded = _load(file)

    assert loaded.settings == _HARMLESS
    (pending,) = loaded.pending
    assert pending.path == str(file)
    assert len(pending.values) == 17
    assert pending.note.count("\n") == 0


def test_once_approved_everything_counts(file: Path) -> None:
    _approve(file)

    loaded = _load(file)

    assert loaded.pending == ()
    assert loaded.settings.mounts[0].source == str(file.parent.parent / "outside")
    assert loaded.settings.environment_names == ("MY_TOKEN",)
    assert loaded.settings.engine == "podman"


@pytest.mark.parametrize("change", [b"#", b"\n", b" "])
def test_any_change_takes_it_back(file: Path, change: bytes) -> None:
    _approve(file)
    file.write_bytes(_ASKS + change)

    assert _load(file).settings == _HARMLESS


def test_what_is_approved_is_what_was_read_not_what_is_there_now(file: Path) -> None:
    (shown,) = _load(file).pending
    file.write_bytes(_ASKS.replace(b"../outside", b"/"))

    files.approve(shown.path, shown.content)

    assert _load(file).settings == _HARMLESS, "the file was replaced between"
    file.write_bytes(_ASKS)
    assert _load(file).pending == ()


def test_the_bytes_that_are_hashed_are_those_that_are_parsed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _approve(file)
    real = files.is_approved

    def replaced_meanwhile(path: str, data: bytes) -> bool:
        file.write_bytes(_ASKS.replace(b"../outside", b"/"))
        return real(path, data)

    monkeypatch.setattr(files, "is_approved", replaced_meanwhile)

    assert _load(file).settings.mounts[0].source == str(file.parent.parent / "outside")


def test_the_same_content_elsewhere_is_another_file(file: Path, tmp_path: Path) -> None:
    _approve(file)
    (tmp_path / "other" / ".git").mkdir(parents=True)
    other = tmp_path / "other" / "pinnace.toml"
    other.write_bytes(_ASKS)

    assert _load(other).settings == _HARMLESS


def test_a_file_deeper_in_the_project_needs_its_own_approval(file: Path) -> None:
    _approve(file)
    deep = file.parent / "node_modules" / "x" / "pinnace.toml"
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b'[run]\nmounts = ["/"]\nenvironment = ["HOME"]\n')

    loaded = _load(deep)

    assert [mount.source for mount in loaded.settings.mounts] == [
        str(file.parent.parent / "outside")
    ]
    assert [pending.path for pending in loaded.pending] == [str(deep)]


def test_an_approved_file_that_becomes_a_link_is_refused(file: Path) -> None:
    _approve(file)
    file.rename(file.with_name("real"))
    file.symlink_to("real")

    with pytest.raises(BadSettingsError, match="is a link"):
        _load(file)


def test_a_project_reached_through_a_link_is_another_place(file: Path, tmp_path: Path) -> None:
    _approve(file)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link"
    link.symlink_to(file.parent)

    assert _load(link / "pinnace.toml").settings == _HARMLESS, "its '..' is another directory"


def test_a_record_is_closed_to_others(file: Path) -> None:
    record = _record(file)

    assert record.stat().st_mode & 0o777 == 0o600
    assert record.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "forged",
    [
        b"",
        b"{",
        b"true",
        b"[]",
        b'{"path": "x"}',
        b"[" * 100_000,
        b"\xff",
        b" " * 70_000,
    ],
)
def test_a_forged_record_counts_as_none(file: Path, forged: bytes) -> None:
    _record(file).write_bytes(forged)

    assert _load(file).settings == _HARMLESS
    assert list(files.approvals()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"schema": True},
        {"path": "/elsewhere/pinnace.toml"},
        {"path": ["x"]},
        {"sha256": "0" * 64},
        {"sha256": None},
        {"more": 1},
    ],
)
def test_a_record_of_another_shape_counts_as_none(file: Path, change: dict[str, Any]) -> None:
    record = _record(file)
    document = json.loads(record.read_bytes())
    record.write_text(json.dumps(document | change, sort_keys=True))

    assert _load(file).settings == _HARMLESS


def test_a_record_that_others_can_write_counts_as_none(file: Path) -> None:
    record = _record(file)
    for path, mode in ((record, 0o622), (record.parent, 0o777)):
        before = path.stat().st_mode
        path.chmod(mode)
        assert _load(file).settings == _HARMLESS
        path.chmod(before)
    assert _load(file).pending == ()


def test_a_record_that_is_a_link_counts_as_none(file: Path, tmp_path: Path) -> None:
    record = _record(file)
    record.rename(tmp_path / "moved")
    record.symlink_to(tmp_path / "moved")

    assert _load(file).settings == _HARMLESS


def test_a_record_of_somebody_else_counts_as_none(file: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give files away")
    record = _record(file)
    os.chown(record, 54321, 54321)
    assert _load(file).settings == _HARMLESS
    os.chown(record, 0, 0)
    os.chown(record.parent, 54321, 54321)

    assert _load(file).settings == _HARMLESS
    with pytest.raises(UnsafeRequestError):
        files.approve(str(file), _ASKS)


def test_revoked_is_as_never_approved(file: Path) -> None:
    _approve(file)
    assert [approval.path for approval in files.approvals()] == [str(file)]

    assert (files.revoke(str(file)), files.revoke(str(file))) == (True, False)

    assert _load(file).settings == _HARMLESS
    assert list(files.approvals()) == []


@pytest.mark.parametrize("before", [None, b"", b"FROM x\n"])
def test_the_dockerfile_is_part_of_what_is_approved(file: Path, before: bytes | None) -> None:
    dockerfile = file.with_name("Dockerfile")
    if before is not None:
        dockerfile.write_bytes(before)
    _approve(file)
    assert _load(file).settings.dockerfile == str(dockerfile)

    dockerfile.write_bytes(b"FROM x\nRUN steal\n")

    assert _load(file).settings == _HARMLESS


@pytest.mark.parametrize("name", [".devcontainer.json", ".devcontainer/devcontainer.json"])
def test_devcontainer_json_is_part_of_what_is_approved(file: Path, name: str) -> None:
    file.write_text("[image]\ndevcontainer = true\n")
    _approve(file)
    assert _load(file).settings.devcontainer is True

    (file.parent / name).parent.mkdir(exist_ok=True)
    (file.parent / name).write_text('{"image": "theirs"}')

    assert _load(file).settings == Settings()


def test_a_dockerfile_too_large_to_be_looked_at_is_refused(file: Path) -> None:
    file.with_name("Dockerfile").write_bytes(b"#" * (files.MOST_BYTES + 1))

    with pytest.raises(BadSettingsError, match="too large"):
        _load(file)


def test_the_users_own_file_needs_no_approval(file: Path) -> None:
    file.unlink()
    files.user_path().parent.mkdir(parents=True)
    files.user_path().write_bytes(_ASKS)

    loaded = _load(file)

    assert loaded.pending == ()
    assert loaded.settings.engine == "podman"


def test_pyproject_is_asked_about_likewise(file: Path) -> None:
    path = file.with_name("pyproject.toml")
    path.write_bytes(b"[tool.pinnace.run]\nssh-agent = true\n")
    file.unlink()
    assert _load(file).settings == Settings()

    files.approve(str(path), path.read_bytes())

    assert _load(file).settings.ssh_agent is True
