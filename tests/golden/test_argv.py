"""Whole argument lists of `docker run` and `podman run`, by host, engine and terminal."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pinnace.config.project import Workspace, inside
from pinnace.gateway import container
from pinnace.gateway.directory import Directory
from pinnace.plan import Contribution, gateways, plan
from pinnace.plan import user as users
from pinnace.plan.contributors import network
from pinnace.plan.resources import Resource
from pinnace_core.container import ContainerSpec, Mount, Network
from pinnace_core.engine import named
from pinnace_core.engine.docker import Docker
from pinnace_core.engine.facts import adapt
from tests.support import hosts
from tests.support.engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinnace.plan import Inputs
    from pinnace_core.host import HostFacts

_HOSTS: Final = {
    "linux-1000": hosts.linux(),
    "linux-54321": hosts.linux_other(),
    "linux-root": hosts.linux_root(),
    "macos": hosts.macos(),
    "windows": hosts.windows(),
    "wsl2": hosts.linux(),
}
# Only those that there are.
_PAIRS: Final = [
    *(("linux-1000", name) for name in ("docker", "docker-desktop", "docker-rootless")),
    *(("linux-1000", name) for name in ("podman-rootless", "podman-rootless-cgroup1")),
    *(("linux-54321", name) for name in ("docker", "docker-rootless", "podman-rootless")),
    *(("linux-root", name) for name in ("docker", "podman-root")),
    *(("macos", name) for name in ("docker-desktop", "orbstack", "colima", "podman-machine")),
    ("windows", "docker-desktop"),
    *(("wsl2", name) for name in ("docker-wsl2", "docker-desktop-wsl2")),
]
_ENVIRONMENT: Final = {"ANTHROPIC_API_KEY": "x", "TERM": "xterm-256color", "PATH": "/bin"}
_NASTY: Final = "/srv/a b,c:d/ü 'q'/$HOME -x"
_NASTIER: Final = '/srv/say "hi", you'


def _inputs(facts: HostFacts, workspace: Workspace, engine: str) -> Inputs:
    arguments = ("--continue", "say hi") if facts.stdin_tty else ("-p", "say hi")
    return hosts.inputs(facts, workspace, about=ENGINES[engine], claude_arguments=arguments)


def _plan(
    facts: HostFacts, workspace: Workspace, config: str, engine: str = "docker"
) -> ContainerSpec:
    inputs = _inputs(facts, workspace, engine)
    given = (
        Contribution(mounts=(Mount(config, "/home/agent/.claude"),)),
        _names(users.contribute(inputs.user)),
        _way_out(inputs),
    )
    spec = plan(inputs, given, image=hosts.IMAGE_ID).spec
    # Where the package lies differs.
    return spec._replace(seccomp=spec.seccomp and "/pinnace/seccomp.json")


def _names(given: Contribution) -> Contribution:
    """Move passwd and group out of this machine's state directory."""
    moved = (m._replace(source=f"/state/{Path(m.source).name}") for m in given.mounts)
    return given._replace(mounts=tuple(moved))


def _way_out(inputs: Inputs) -> Contribution:
    """Move a gateway's directory likewise, and give it a key that stays."""
    found = network.contribute(inputs, [])
    wanted = gateways.wanted(inputs, inputs.facts.environment)
    assert wanted
    moved = (_moved(mount, wanted.key) for mount in found.mounts)
    return found._replace(mounts=tuple(moved))


def _moved(mount: Mount, key: str) -> Mount:
    if mount.volume:
        return mount._replace(source=mount.source.replace(key, "KEY"))
    return mount._replace(source=f"/state/gateway/KEY{mount.source.partition(key)[2]}")


def _gateway(inputs: Inputs) -> ContainerSpec:
    wanted = gateways.wanted(inputs, inputs.facts.environment)
    assert wanted
    directory, logs = Directory(Path("/state/gateway/KEY")), Path("/state/network/KEY")
    made = container.spec(wanted, directory, logs=logs, nonce="c0ffee")
    spec = adapt(made._replace(image=hosts.IMAGE_ID), inputs.engine).spec
    mounts = tuple(m._replace(source=m.source.replace(wanted.key, "KEY")) for m in spec.mounts)
    return spec._replace(
        name=spec.name.replace(wanted.key, "KEY"),
        mounts=mounts,
        seccomp=spec.seccomp and "/pinnace/seccomp.json",
    )


def _lines(argvs: list[str] | dict[str, list[str]]) -> str:
    return json.dumps(argvs, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(("host", "engine"), _PAIRS)
def test_argv_by_host_engine_and_terminal(
    host: str, engine: str, golden: Callable[[str, str], None]
) -> None:
    argvs = {}
    facts = _HOSTS[host]._replace(environment=_ENVIRONMENT)
    owner, target = (facts.uid, facts.gid), inside(facts.cwd, facts.os)
    workspace = Workspace(source=facts.cwd, target=target, workdir=f"{target}/sub", owner=owner)
    client = named(ENGINES[engine].kind)
    for name, tty in (("pipe", False), ("tty", True)):
        there = facts._replace(stdin_tty=tty, stdout_tty=tty)
        argvs[name] = client.argv(_plan(there, workspace, "/data/claude/default", engine))
    argvs["gateway"] = client.argv(_gateway(_inputs(facts, workspace, engine)))

    golden(f"argv-{host}-{engine}.json", _lines(argvs))


def test_argv_where_no_socket_crosses(golden: Callable[[str, str], None]) -> None:
    relays: list[ContainerSpec] = []

    def noted(spec: ContainerSpec, _: Path) -> Resource:
        relays.append(spec)
        return Resource(lambda _: None)

    facts = hosts.linux(environment=_ENVIRONMENT)
    inputs = _inputs(facts, hosts.workspace(), "docker")
    inputs = inputs._replace(settings=inputs.settings._replace(runtime="runsc"), relay=noted)
    spec = plan(inputs, (_way_out(inputs),), image=hosts.IMAGE_ID).spec
    wanted = gateways.wanted(inputs, facts.environment)
    assert wanted
    relay = relays[0]._replace(
        image=hosts.IMAGE_ID, mounts=tuple(_moved(m, wanted.key) for m in relays[0].mounts)
    )
    client = Docker()
    argvs = {
        "network": client.create_network_argv(Network(spec.private, spec.labels)),
        "relay": client.argv(relay._replace(seccomp="/pinnace/seccomp.json")),
        "launch": client.argv(spec._replace(seccomp="/pinnace/seccomp.json")),
        "no network": client.remove_network_argv(spec.private),
    }

    golden("argv-no-sockets.json", _lines(argvs))


def _nasty_plan() -> ContainerSpec:
    return _plan(hosts.linux_other(), hosts.workspace(_NASTY), _NASTIER)


def test_argv_with_nasty_paths(golden: Callable[[str, str], None]) -> None:
    golden("argv-nasty-paths.json", _lines(Docker().argv(_nasty_plan())))


def test_nasty_paths_survive_the_mount_option() -> None:
    prefix = "--mount="
    argv = Docker().argv(_nasty_plan())
    options = [argument.removeprefix(prefix) for argument in argv if argument.startswith(prefix)]

    # Docker reads each option as one record of CSV, each field as key=value.
    records = [next(csv.reader([option], strict=True)) for option in options]

    assert records[:2] == [
        ["type=bind", f"source={_NASTY}", f"target={_NASTY}"],
        ["type=bind", f"source={_NASTIER}", "target=/home/agent/.claude"],
    ]
    assert f"--workdir={_NASTY}" in argv


@pytest.mark.parametrize(
    "path", ["/a,b", '/a"b', '/"', "/a=b", " /a", "/a\nb", "/a,readonly", "/ü", r"C:\a,b", "/'"]
)
def test_a_path_never_becomes_another_field(path: str) -> None:
    plan = ContainerSpec(image="i", command=("c",), mounts=(Mount(path, path, read_only=True),))
    (option,) = (a for a in Docker().argv(plan) if a.startswith("--mount="))

    (record,) = csv.reader(io.StringIO(option.removeprefix("--mount="), newline=""), strict=True)

    assert record == ["type=bind", f"source={path}", f"target={path}", "readonly"]
