"""A dry run: it writes nothing, starts nothing, and says what a launch would have to do first."""

from __future__ import annotations

import socket
import stat
from typing import TYPE_CHECKING, TypeAlias

import pytest

from pinnace_core.errors import BadClaudeConfigError, ImageMissingError
from tests.support import hosts, pasting
from tests.support.flags import flags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.process.conftest import Machine

Snapshot: TypeAlias = "dict[str, tuple[int, int, int, int, bytes]]"
_PEM = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0nothingreal0000000000000000000000000000"


@pytest.fixture
def asked(machine: Machine, tmp_path: Path) -> Iterator[list[str]]:
    """Give a launch something of everything to prepare; return its options."""
    home, runtime, temporary = tmp_path / "home", tmp_path / "runtime", tmp_path / "tmp"
    for place in (home / ".ssh", home / ".aws", runtime, temporary):
        place.mkdir(mode=0o700)
    (home / ".ssh" / "known_hosts").write_text(f"example.com {_HOST_KEY}\n")
    (home / ".gitconfig").write_text("[user]\n\tname = Ada\n[core]\n\texcludesFile = ~/ignored\n")
    (home / "ignored").write_text("*.x\n")
    (home / "secrets").write_text("ANTHROPIC_API_KEY=sk-ant-0123456789\nMY_TOKEN=0123456789\n")
    (home / "secrets").chmod(0o600)
    (home / "extra.pem").write_text(_PEM)
    machine.environment |= {
        "XDG_RUNTIME_DIR": str(runtime),
        "TMPDIR": str(temporary),
        "SSH_AUTH_SOCK": str(tmp_path / "agent"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",
    }
    options = flags(
        caches=["npm", "pip"],
        certificates=str(home / "extra.pem"),
        cloud=["aws"],
        environment_names=["OTEL_EXPORTER_OTLP_ENDPOINT"],
        proxy=True,
        secrets=str(home / "secrets"),
        ssh_agent=True,
    )
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(machine.environment["SSH_AUTH_SOCK"])
        yield [*options, "--", "--verbose"]


def _snapshot(machine: Machine) -> Snapshot:
    """Everything below the test's directory but the fake client's own notes."""
    found: Snapshot = {}
    top = machine.project.parent
    for path in (top, *top.rglob("*")):
        if path.is_relative_to(machine.docker.place):
            continue
        status = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        about = (status.st_mode, status.st_uid, status.st_mtime_ns, status.st_ctime_ns)
        found[str(path)] = (*about, data)
    return found


def _dry(machine: Machine, options: list[str]) -> tuple[str, list[str]]:
    done = machine.pinnace("run", "--dry-run", *options)
    assert done.returncode == 0, done.stderr
    said = done.stderr.decode().splitlines()
    return done.stdout.decode(), [line for line in said if "a launch would first" in line]


def _without_what_is_random(line: str) -> list[str]:
    kept = []
    for word in pasting.words(line):
        if word.startswith(("--name=", "--env=ANTHROPIC_CUSTOM_HEADERS=")):
            kept.append(word.rpartition("-")[0])
        elif word.endswith("target=/run/pinnace/secrets,readonly"):
            kept.append(word.partition("/secrets/")[0])
        else:
            kept.append(word)
    return kept


def test_the_first_one_writes_nothing_and_starts_nothing(
    machine: Machine, asked: list[str]
) -> None:
    before = _snapshot(machine)

    line, pending = _dry(machine, asked)

    assert line.startswith("docker run ")
    assert _snapshot(machine) == before
    assert machine.docker.log("call") == []
    assert {request.split(b" ")[0] for request in machine.engine.requests} == {b"GET"}
    said = "\n".join(pending)
    home = machine.environment["HOME"]
    for what in (
        f"verify the image {hosts.IMAGE_ID[:19]}",
        f"'{home}/.config/pinnace/profiles/default/agents'",
        "/default/.claude.json'",
        f"'{home}/.cache/pinnace/tools/",
        f"write '{home}/.local/state/pinnace/ssh/known_hosts-",
        f"write '{home}/.local/state/pinnace/git/",
        f"write '{home}/.local/state/pinnace/certificates/",
        f"write secrets to '{machine.environment['XDG_RUNTIME_DIR']}/pinnace/secrets/",
    ):
        assert what in said
    assert "0123456789" not in said


def test_all_that_is_mounted_is_there_or_announced(machine: Machine, asked: list[str]) -> None:
    line, pending = _dry(machine, asked)

    mounts = [word for word in pasting.words(line) if word.startswith("--mount=type=bind,source=")]
    assert len(mounts) > 8
    for mount in mounts:
        source = mount.partition("source=")[2].partition(",")[0]
        there = machine.project.parent.joinpath(source).exists()
        assert there or any(source in text for text in pending), mount


def test_after_a_launch_nothing_is_left_to_do_and_nothing_is_written_either(
    machine: Machine, asked: list[str]
) -> None:
    first, _ = _dry(machine, asked)
    launch = machine.pinnace("run", *asked)
    assert launch.returncode == 0, launch.stderr
    before, calls = _snapshot(machine), len(machine.docker.log("call"))

    second, pending = _dry(machine, asked)

    assert _snapshot(machine) == before
    assert len(machine.docker.log("call")) == calls
    # These live as long as a launch; the gateway a little longer.
    assert {" ".join(text.split()[5:8]) for text in pending} <= {
        "write secrets to",
        "start a gateway,",
    }
    assert _without_what_is_random(second) == _without_what_is_random(first)


def test_without_an_image_it_fails_as_a_launch_may_and_writes_nothing(
    machine: Machine, asked: list[str]
) -> None:
    machine.engine.images = []
    machine.docker.knows([])
    before = _snapshot(machine)

    done = machine.pinnace("run", "--dry-run", *asked)

    assert done.returncode == ImageMissingError.exit_code
    assert b"no local image holds" in done.stderr
    assert b"a launch would first build the image pinnace/claude:9.9.9-slim" in done.stderr
    assert _snapshot(machine) == before
    assert machine.docker.log("call") == []


def test_what_a_launch_would_refuse_is_refused(machine: Machine, tmp_path: Path) -> None:
    place = tmp_path / "home" / ".config" / "pinnace" / "profiles" / "default"
    place.mkdir(parents=True)
    (place / "settings.json").write_text("[]")

    done = machine.pinnace("run", "--dry-run")

    assert done.returncode == machine.pinnace("run").returncode == BadClaudeConfigError.exit_code
    assert b"is not a JSON object" in done.stderr


def test_a_gateway_is_not_started(machine: Machine, asked: list[str]) -> None:
    line, pending = _dry(machine, asked)

    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318" in line
    assert "4318=service-4318" in line
    assert any("start a gateway" in text for text in pending)
