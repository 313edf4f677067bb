"""Files that Claude's options name: what is mounted, and what is refused."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.agent import arguments
from pinnace.plan import Contribution, named
from pinnace.plan.contributors import named_files
from pinnace_core import host as places
from pinnace_core.container import Mount
from pinnace_core.errors import UnsafeRequestError
from tests.support import contributions, hosts

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.plan import Inputs

_OPTIONS = (
    *("--mcp-config", "--settings", "--system-prompt-file", "--append-system-prompt-file"),
    *("--plugin-dir", "--plugin-dir-no-mcp", "--agents", "--append-subagent-system-prompt-file"),
)


class Host:
    """A home, a project in it, and a file beside."""

    def __init__(self, tmp_path: Path) -> None:
        self.home = tmp_path / "people" / "somebody"
        self.project = self.home / "project"
        self.project.mkdir(parents=True)
        self.file = tmp_path / "other" / "file.json"
        self.file.parent.mkdir()
        self.file.write_text("{}")

    def inputs(self, *given: str, **settings: Any) -> Inputs:
        facts = hosts.linux(home=str(self.home), cwd=str(self.project), uid=os.getuid())
        place = hosts.workspace(str(self.project))
        return hosts.inputs(facts, place, claude_arguments=given, **settings)

    def named(self, *given: str, others: tuple[Mount, ...] = (), **how: Any) -> Contribution:
        return named_files.contribute(self.inputs(*given, **how), [Contribution(others)])

    def refused(self, *given: str) -> str:
        with pytest.raises(UnsafeRequestError) as caught:
            self.named(*given)
        assert caught.value.hint
        return caught.value.message


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path.resolve())


@pytest.mark.parametrize("option", _OPTIONS)
@pytest.mark.parametrize("joined", [True, False])
def test_a_file_is_at_its_own_path_read_only(host: Host, option: str, *, joined: bool) -> None:
    given = [f"{option}={host.file}"] if joined else [option, str(host.file)]

    found = host.named("-p", *given, "--verbose")

    assert found.mounts == (Mount(str(host.file), str(host.file), read_only=True),)
    assert found.notes == ()


def test_a_relative_path_starts_where_the_user_is(host: Host) -> None:
    found = host.named("--settings", os.path.relpath(host.file, host.project))

    assert [mount.target for mount in found.mounts] == [str(host.file)]


@pytest.mark.parametrize(
    "given",
    [
        ("--settings", '{"a": 1}'),
        ("--mcp-config", ' {"mcpServers": {}}', "[]"),
        ("--agents", '{"a": {}}'),
        ("--settings", "/nowhere/at/all.json"),
        ("--settings", ""),
        ("--settings",),
        ("--", "--settings", "/etc/hostname"),
        ("-p", "--model", "/etc/hostname"),
        ("--add-dir", "/tmp"),  # noqa: S108 (inside)
        ("--settings", "inside.json"),
        ("--add-dir", ".", "sub"),
    ],
)
def test_nothing_is_mounted(host: Host, given: tuple[str, ...]) -> None:
    (host.project / "inside.json").write_text("{}")

    assert host.named(*given) == Contribution()


def test_of_several_each_is_mounted(host: Host, tmp_path: Path) -> None:
    second = tmp_path / "second.json"
    second.write_text("{}")

    found = host.named("--mcp-config", str(host.file), '{"mcpServers": {}}', str(second))

    assert [mount.source for mount in found.mounts] == [str(host.file), str(second)]


def test_a_directory_is_read_only_and_that_is_said(host: Host) -> None:
    found = host.named("--add-dir", str(host.file.parent))

    assert [mount.read_only for mount in found.mounts] == [True]
    assert f"--mount '{host.file.parent}:rw'" in found.notes[0]


def test_what_is_mounted_already_stays_as_it_is(host: Host) -> None:
    mount = Mount(str(host.file.parent), str(host.file.parent))

    assert host.named("--add-dir", mount.source, others=(mount,)) == Contribution()


def test_a_link_is_what_it_leads_to(host: Host, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(host.file)

    found = host.named("--settings", str(link))

    assert found.mounts == (Mount(str(host.file), str(link), read_only=True),)


def test_a_link_in_the_project_leads_nowhere_else(host: Host) -> None:
    (host.project / "link.json").symlink_to(host.file)

    assert "link" in host.refused("--settings", "link.json")


@pytest.mark.parametrize("option", [*_OPTIONS, "--add-dir", "--debug-file"])
@pytest.mark.parametrize(
    "name",
    [
        *(".ssh/id_ed25519", ".aws/credentials", ".claude/.credentials.json", ".claude.json"),
        *(".git-credentials", ".npmrc", ".cargo/credentials.toml", ".config/op/config"),
    ],
)
@pytest.mark.parametrize("linked", [True, False])
def test_keys_and_logins_stay_outside(
    host: Host, tmp_path: Path, option: str, name: str, *, linked: bool
) -> None:
    key = host.home / name
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_text("key")
    named_as = tmp_path / "link"
    if linked:
        named_as.symlink_to(key)

    host.refused(option, str(named_as if linked else key))


@pytest.mark.parametrize("name", ["", "..", ".ssh", ".claude"])
def test_a_directory_with_keys_stays_outside(host: Host, name: str) -> None:
    for place in (".ssh", ".claude"):
        (host.home / place).mkdir()

    host.refused("--add-dir", str(host.home / name))


@pytest.mark.parametrize("kind", places.DIRECTORY_KINDS)
def test_pinnaces_own_files_stay_outside(host: Host, kind: places.DirectoryKind) -> None:
    own = places.directory(kind)
    own.mkdir(parents=True)
    (own / "file").write_text("{}")

    host.refused("--settings", str(own / "file"))
    host.refused("--add-dir", str(own.parent))


@pytest.mark.parametrize("path", ["/proc/self/environ", "/dev/null", "/etc/hostname"])
def test_what_is_the_systems_stays_outside(host: Host, path: str) -> None:
    host.refused("--settings", path)


def test_a_pipe_is_refused(host: Host, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    host.refused("--settings", str(tmp_path / "pipe"))


def test_a_debug_file_is_made_and_can_be_written_to(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "debug.txt"

    found = host.named("--debug-file", str(path))

    assert found.mounts == (Mount(str(path), str(path)),)
    assert not path.exists()
    contributions.acquired(found)
    assert path.read_bytes() == b""
    # A second launch writes to the same one.
    path.write_text("2026-11-28T04:00:00.000Z [DEBUG] first\n")
    assert host.named("--debug-file", str(path)).mounts == found.mounts


@pytest.mark.parametrize("content", ["alias ls=x\n", "#!/bin/sh\n", "\n"])
def test_no_other_file_is_written_for_debugging(host: Host, content: str) -> None:
    (host.home / ".profile").write_text(content)

    host.refused("--debug-file", "~/.profile")


def test_a_file_that_has_another_name_is_not_written_for_debugging(host: Host) -> None:
    (host.home / "empty").touch()
    os.link(host.home / "empty", host.home / "other")

    host.refused("--debug-file", str(host.home / "empty"))


def test_without_its_directory_there_is_no_debug_file(host: Host) -> None:
    assert host.named("--debug-file", "/nowhere/at/all") == Contribution()
    locked = host.named("--debug-file", str(host.home / "x"), isolation="locked")
    assert locked == Contribution()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("bun", True),
        ("docker", True),
        ("npx", True),
        ("/opt/homebrew/bin/uvx", False),
        ("/home/else/server", True),
        ("python3", False),
        ("./server", False),
    ],
)
@pytest.mark.parametrize("as_file", [True, False])
def test_servers_that_are_not_inside_are_said(
    host: Host, command: str, *, said: bool, as_file: bool
) -> None:
    text = json.dumps({"mcpServers": {"one": {"command": command, "args": []}}})
    host.file.write_text(text)

    found = host.named("--mcp-config", str(host.file) if as_file else text)

    assert [f"'{command}'" in note for note in found.notes] == [True] * said
    assert host.named("--mcp-config", text, packages=("x",)).notes == ()


@pytest.mark.parametrize("text", ["[]", "{", '{"mcpServers": []}', '{"mcpServers": {"a": 1}}'])
def test_what_is_no_list_of_servers_is_claudes_to_tell(host: Host, text: str) -> None:
    host.file.write_text(text)

    assert host.named("--mcp-config", str(host.file)).notes == ()


_GIVEN = ("-p", "--settings", r"C:\Users\x\s.json", r"--mcp-config=..\m.json", "--agents", "{}")


def test_on_windows_arguments_name_what_is_inside() -> None:
    inputs = hosts.inputs(hosts.windows(), claude_arguments=(*_GIVEN, "--", "--settings", "x"))

    assert named.renamed(inputs) == (
        *("-p", "--settings", "/c/Users/x/s.json", "--mcp-config=/c/src/m.json"),
        *("--agents", "{}", "--", "--settings", "x"),
    )


def test_elsewhere_arguments_stay_as_they_are() -> None:
    given = ("--settings", "../s.json", "--add-dir", "a", "/b", "--", "x", "--", "y", "~")

    assert named.renamed(hosts.inputs(claude_arguments=given)) == given
    home = hosts.inputs(claude_arguments=("--add-dir", "~/x", "y", "-p", "~/z"))
    assert named.renamed(home) == ("--add-dir", "/home/somebody/x", "y", "-p", "~/z")


def test_what_a_prompt_mentions_is_told() -> None:
    assert list(arguments.mentioned(["-p", "see @/opt/x and me@example.com"])) == ["/opt/x"]
    assert list(arguments.mentioned(["--add-dir", "/opt/x"])) == []
