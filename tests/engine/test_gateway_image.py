"""The gateway's image for real: built once, sound, and of use to any user without any rights."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace.image import claims, provision
from pinnace_builder import gateway, images_config
from pinnace_builder.retention.images import gateways
from pinnace_builder.retention.policy import Policy
from pinnace_core import built as records
from pinnace_core.errors import ImageMissingError
from pinnace_images import contract
from tests.engine.conftest import docker, remove_images_by_id
from tests.support.gateways import OwnNames, declare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.conftest import Launcher

# One build of a minute serves them all.
pytestmark = pytest.mark.xdist_group("gateway")
# Read before any fixture hides it: a mirror of the distribution may be named there.
_REAL_ENVIRONMENT: Final = dict(os.environ)
_BUILD_SECONDS: Final = 600
_RUN_SECONDS: Final = 60
_PLACES: Final = (contract.GATEWAY_SOCKETS, contract.GATEWAY_LOGS)
_NO_RIGHTS: Final = (
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=none",
    "--tmpfs=/tmp:exec",
)
_SQUID: Final = """\
http_port 127.0.0.1:3128
http_access deny all
pid_filename /tmp/squid.pid
access_log none
cache_log /tmp/cache.log
netdb_filename none
"""
_HAPROXY: Final = """\
defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
listen out
  bind unix@/tmp/out.sock
  server squid 127.0.0.1:3128
"""
# squid refuses what is asked of it, and haproxy leads there.
_BOTH_WORK: Final = """
squid -N -f /etc/pinnace/squid.conf &
haproxy -f /etc/pinnace/haproxy.cfg &
for _ in $(seq 100); do
    answer=$(printf 'GET http://example.invalid/ HTTP/1.0\\r\\n\\r\\n' |
        socat -t 5 - UNIX-CONNECT:/tmp/out.sock 2>/dev/null | head -n 1)
    case $answer in HTTP*) break;; esac
    sleep 0.1
done
echo "$answer"
"""

_LEFT_BEHIND: Final = f"""
find /var/spool/squid /var/log /var/lib/apt/lists /tmp {contract.GATEWAY_CONFIG} -mindepth 1 \
    ! -path {contract.GATEWAY_LOGS}
find / -xdev \\( -user {contract.AGENT_UID} -o -group {contract.AGENT_GID} \\)
find / -xdev -perm /6000 -type f
ls /usr/sbin/policy-rc.d 2>/dev/null
stat -c %a\\ %u:%g {contract.GATEWAY_CONFIG}
"""


@dataclass(frozen=True)
class Gateways:
    """Gateways with names that nobody else has.

    Attributes:
        prefix: of the names.
        place: of declarations.
        images: the declaration of the usual one.
    """

    prefix: str
    place: Path
    images: Path

    @property
    def engine(self) -> OwnNames:
        """The engine, as the builder sees it."""
        return OwnNames(self.prefix)

    @property
    def repository(self) -> str:
        """Where the names are."""
        return self.engine.local_name(contract.GATEWAY_REPOSITORY)

    @property
    def tags(self) -> set[str]:
        """The names that there are."""
        return set(docker("image", "ls", "--format={{.Tag}}", self.repository).split())

    def declare(self, *packages: str) -> Path:
        """Declare another one."""
        nonce = secrets.token_hex(4)
        return declare(self.place / f"{nonce}.toml", f"Test {nonce}", packages)

    def start(self, images: Path) -> subprocess.Popen[str]:
        """Start a process that wants one."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.gateways", self.prefix, str(images)],
            env=_REAL_ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ensure(self, images: Path | None = None) -> dict[str, Any]:
        """Build one, or find it built."""
        child = self.start(images or self.images)
        output, errors = child.communicate(timeout=_BUILD_SECONDS)
        assert child.returncode == 0, errors
        built: dict[str, Any] = json.loads(output)
        return built

    def clear(self) -> None:
        """Remove all of them."""
        listed = docker("image", "ls", "--quiet", "--no-trunc", self.repository).split()
        remove_images_by_id(set(listed))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    prefix, place = (
        f"pinnace-gateway-test-{secrets.token_hex(4)}",
        tmp_path_factory.mktemp("images"),
    )
    made = Gateways(prefix, place, declare(place / "images.toml", f"Test {prefix}"))
    try:
        yield made
    finally:
        made.clear()


@pytest.fixture(scope="module")
def built(own: Gateways) -> dict[str, Any]:
    return own.ensure()


def run(image: str, script: str, *options: str, user: str = "54321:54322") -> str:
    """Run a script in the image to its end, as somebody who may nothing."""
    return subprocess.run(
        [
            "docker",
            "run",
            "--rm",
            *_NO_RIGHTS,
            f"--user={user}",
            *options,
            image,
            "bash",
            "-c",
            script,
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=_RUN_SECONDS,
    ).stdout.strip()


def test_it_is_built_and_says_what_it_is(own: Gateways, built: dict[str, Any]) -> None:
    described = json.loads(docker("image", "inspect", built["id"]))[0]
    labels = described["Config"]["Labels"]

    assert built["tags"] == [
        f"{own.repository}:{built['build_id'][:12]}",
        f"{own.repository}:local",
    ]
    assert {f"{own.repository}:{tag}" for tag in own.tags} >= set(built["tags"])
    assert labels[contract.LABEL_GATEWAY] == str(contract.GATEWAY_VERSION)
    assert labels[contract.LABEL_BUILD_ID] == built["build_id"]
    assert labels[contract.LABEL_PLATFORM].startswith("linux/")
    assert (described["Config"]["User"], described["Config"]["Cmd"]) == ("1000:1000", ["bash"])


def test_one_that_was_loaded_counts_once_it_is_accepted(
    own: Gateways, built: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert not records.is_recorded(built["id"])

    assert gateway.accept(own.engine).id == built["id"]
    assert records.is_recorded(built["id"])
    with pytest.raises(ImageMissingError, match="no gateway's image"):
        gateway.accept(OwnNames("localhost/pinnace-test-nobody"))


def test_a_second_call_builds_nothing(own: Gateways, built: dict[str, Any]) -> None:
    assert own.ensure() == {**built, "built": False}


def test_of_two_at_once_one_builds(own: Gateways, built: dict[str, Any]) -> None:
    images = own.declare()
    children = [own.start(images) for _ in range(2)]
    ended = [child.communicate(timeout=_BUILD_SECONDS) for child in children]

    assert [child.returncode for child in children] == [0, 0], ended
    results = [json.loads(output) for output, _ in ended]
    assert sorted(one["built"] for one in results) == [False, True]
    assert len({one["id"] for one in results} - {built["id"]}) == 1
    assert not any(tag.startswith("building-") for tag in own.tags)


def test_the_launcher_gets_its_id(
    own: Gateways, built: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(images_config.VARIABLE, str(own.images))

    assert provision.gateway(own.engine) == built["id"]


def test_the_launcher_never_takes_it_for_an_image_of_claude(
    own: Gateways, built: dict[str, Any], launcher: Launcher
) -> None:
    assert built["id"] not in {image.id for image in claims.listed(own.engine)}
    done = launcher.run("images", "--json")
    assert built["id"] not in done.stdout + done.stderr
    assert '"ok": true' in done.stdout


def test_what_lacks_a_program_is_not_kept(own: Gateways) -> None:
    before = own.tags
    child = own.start(own.declare("bash"))
    _, errors = child.communicate(timeout=_BUILD_SECONDS)

    assert child.returncode != 0
    assert "has haproxy ''" in errors
    assert own.tags == before


@pytest.mark.parametrize("user", ["54321:54322", "1000:1000", "0:0", "13:13"])
def test_any_user_runs_the_programs_and_writes_nowhere(built: dict[str, Any], user: str) -> None:
    script = (
        "id -u; haproxy -v; squid -v; socat -V; openssl version; echo complete; "
        "cp /bin/true /tmp/program && /tmp/program && echo memory; "
        f"touch /x {' '.join(f'{place}/x' for place in _PLACES)} 2>/dev/null || echo closed"
    )
    said = run(built["id"], script, user=user).splitlines()

    assert said[0] == user.partition(":")[0]
    assert said[-3:] == ["complete", "memory", "closed"]
    assert any("--with-openssl" in line for line in said)


def test_what_is_mounted_there_can_be_written_to(built: dict[str, Any], tmp_path: Path) -> None:
    mounts = []
    for place in _PLACES:
        source = tmp_path / place.rpartition("/")[2]
        source.mkdir()
        source.chmod(0o777)
        mounts.append(f"--mount=type=bind,source={source},target={place}")

    assert run(built["id"], "touch /run/pinnace/sockets/x /var/log/pinnace/x && echo both", *mounts)


def test_in_the_image_itself_nothing_else_is_anybodys_to_write_to(built: dict[str, Any]) -> None:
    # Not read-only: what the files' own modes allow is what is looked at.
    script = "find / -xdev ! -type l -writable 2>/dev/null || true"
    command = ("run", "--rm", "--network=none", "--user=54321:54322", built["id"])

    found = set(docker(*command, "bash", "-c", script).splitlines())

    assert found == {"/tmp", *_PLACES}  # noqa: S108 (inside)
    looked = docker(*command[:3], "--user=0:0", built["id"], "bash", "-c", _LEFT_BEHIND)
    assert looked == "755 0:0"


def _configured(tmp_path: Path) -> str:
    (tmp_path / "squid.conf").write_text(_SQUID, encoding="utf-8")
    (tmp_path / "haproxy.cfg").write_text(_HAPROXY, encoding="utf-8")
    return f"--mount=type=bind,source={tmp_path},target={contract.GATEWAY_CONFIG},readonly"


def test_configurations_are_read(built: dict[str, Any], tmp_path: Path) -> None:
    script = (
        "squid -k parse -f /etc/pinnace/squid.conf && "
        "haproxy -c -f /etc/pinnace/haproxy.cfg >/dev/null && echo both"
    )

    assert run(built["id"], script, _configured(tmp_path)).endswith("both")


def test_squid_and_haproxy_work_together(built: dict[str, Any], tmp_path: Path) -> None:
    said = run(built["id"], _BOTH_WORK, _configured(tmp_path), "--init")

    assert said.splitlines()[-1].split()[:2] == ["HTTP/1.1", "403"]


def test_a_superseded_one_goes_unless_a_container_was_made_from_it(
    own: Gateways, built: dict[str, Any]
) -> None:
    own.ensure()
    collection = gateways(own.engine, own.repository)
    policy = Policy(1, 0, (), datetime.now(UTC) + timedelta(hours=1))
    held, spare = own.ensure(own.declare()), own.ensure(own.declare())
    container = docker("create", held["id"])
    try:
        own.ensure()
        done = collection.apply(policy)
    finally:
        docker("rm", container)

    assert {item.what for item in done.gone} >= {spare["tags"][0]}
    assert {tag.rpartition(":")[2] for tag in (*built["tags"], held["tags"][0])} == own.tags
    assert [item.what for item in collection.apply(policy).gone] == [held["tags"][0]]


def test_the_command_prints_its_name() -> None:
    command = [sys.executable, "-m", "pinnace_builder", "gateway"]
    told = [
        subprocess.run(
            [*command, *options],
            check=True,
            env=_REAL_ENVIRONMENT,
            stdout=subprocess.PIPE,
            text=True,
            timeout=_BUILD_SECONDS,
        ).stdout
        for options in ((), ("--json",))
    ]

    result = json.loads(told[1])["result"]
    assert told[0].strip() == result["tags"][0]
    assert (result["tags"][1], result["built"]) == (contract.GATEWAY_NAME, False)
