"""Forwarding an ssh agent: which sockets are taken, and that nothing else goes in."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.plan.contributors import ssh
from pinnace.plan.user import UserMapping
from pinnace_core.container import Mount
from pinnace_core.errors import AgentUnavailableError
from tests.support import contributions, hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.plan import Contribution
    from pinnace_core.host import HostFacts

_UID = os.getuid()
_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0nothingreal0000000000000000000000000000"
_USER = UserMapping(_UID, os.getgid(), as_in_image=False)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        yield path


def host(home: Path, sock: object = None, **changes: Any) -> HostFacts:
    environment = {} if sock is None else {"SSH_AUTH_SOCK": str(sock)}
    return hosts.linux(**({"home": str(home), "uid": _UID, "environment": environment} | changes))


def _given(facts: HostFacts, user: UserMapping = _USER) -> Contribution:
    return contributions.acquired(ssh.contribute(hosts.inputs(facts, user=user)))


def test_the_socket_is_mounted_and_named(agent: Path, tmp_path: Path) -> None:
    given = _given(host(tmp_path, agent))

    assert given.mounts == (Mount(str(agent), "/run/pinnace/ssh-agent.sock"),)
    assert contributions.plain(given) == {"SSH_AUTH_SOCK": "/run/pinnace/ssh-agent.sock"}
    assert given.groups == ()


def test_a_link_to_the_socket_is_followed_now(agent: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(agent)

    assert _given(host(tmp_path, tmp_path / "link")).mounts[0].source == str(agent)


def refused(facts: HostFacts, why: str, user: UserMapping = _USER) -> None:
    with pytest.raises(AgentUnavailableError, match=why) as caught:
        _given(facts, user)
    assert caught.value.exit_code == 69
    assert caught.value.hint


def test_what_is_no_agent_is_said(agent: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    refused(host(tmp_path), "SSH_AUTH_SOCK is not set")
    refused(host(tmp_path, ""), "SSH_AUTH_SOCK is not set")
    refused(host(tmp_path, tmp_path / "gone"), "is not there")
    refused(host(tmp_path, file), "is not a socket")
    refused(host(tmp_path, tmp_path), "is not a socket")
    refused(host(tmp_path, agent, uid=_UID + 1), "somebody else")


@pytest.mark.skipif(_UID != 0, reason="needs a socket of root's")
def test_roots_agent_would_not_answer_anybody_else(agent: Path, tmp_path: Path) -> None:
    somebody = UserMapping(1000, 1000, as_in_image=True)

    refused(host(tmp_path, agent), "does not answer uid 1000", somebody)


def test_windows_says_why_not(tmp_path: Path) -> None:
    refused(host(tmp_path, os="windows"), "named pipe")


def test_a_mac_has_the_socket_of_its_virtual_machine(tmp_path: Path) -> None:
    given = _given(hosts.macos(home=str(tmp_path)))

    assert given.mounts[0].source == "/run/host-services/ssh-auth.sock"
    assert given.groups == (0,)


def test_of_the_keys_directory_only_public_keys_of_hosts_go_in(agent: Path, tmp_path: Path) -> None:
    keys = tmp_path / ".ssh"
    keys.mkdir()
    (keys / "id_ed25519").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n")
    kept = [
        f"example.com,192.0.2.1 {_HOST_KEY}",
        f"|1|abc=|def= {_HOST_KEY} a comment",
        f"@cert-authority *.example.com {_HOST_KEY}",
        f"[example.com]:2222 {_HOST_KEY.replace('ssh-ed25519', 'ecdsa-sha2-nistp256')}",
    ]
    others = ["# canary", "-----BEGIN OPENSSH PRIVATE KEY-----", "canary", "a b c", ""]
    (keys / "known_hosts").write_text("\n".join([*others, *kept, *others]) + "\n")

    given = _given(host(tmp_path, agent))

    mount = given.mounts[1]
    assert (mount.target, mount.read_only) == ("/etc/ssh/ssh_known_hosts", True)
    assert Path(mount.source).read_text().splitlines() == kept
    assert len(given.mounts) == 2
    assert not any(Path(m.source).is_relative_to(keys) for m in given.mounts)


def test_a_known_hosts_that_leads_to_a_key_gives_nothing(agent: Path, tmp_path: Path) -> None:
    keys = tmp_path / ".ssh"
    keys.mkdir()
    (keys / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n")
    (keys / "known_hosts").symlink_to(keys / "id")

    assert len(_given(host(tmp_path, agent)).mounts) == 1
