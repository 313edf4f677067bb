"""Docker: asked plainly over its socket where it has one on this host, else through its client.

Starting the client takes ten times as long as the question (33 ms against 3 ms).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.container import NO_NETWORK, Container
from pinnace_core.engine import contexts
from pinnace_core.engine import facts as engine_facts
from pinnace_core.engine.cli import Client
from pinnace_core.engine.local_socket import exchange, quoted
from pinnace_core.engine.program import ATTEMPTS, PAUSE_SECONDS, which
from pinnace_core.errors import ClientMissingError, EngineUnavailableError, PinnaceError

if TYPE_CHECKING:
    from typing import Self

    from python_on_whales import DockerClient

    from pinnace_core.container import ContainerSpec, Network
    from pinnace_core.engine.buildx import Build
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts
    from pinnace_core.image import Image

_SCHEME: Final = "unix://"
_DEFAULT_SOCKET: Final = "unix:///var/run/docker.sock"
_DEFAULT_PIPE: Final = "npipe:////./pipe/docker_engine"
_OK: Final = 200
_NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404
_WENT_AWAY: Final = (b"No such image", b"not found")
_SHOWN: Final = 200
# Without an address there, the host is not in reach, whatever listens on it:
# https://docs.docker.com/engine/network/drivers/bridge/#options
_NOWHERE: Final = ("--internal", "--opt=com.docker.network.bridge.inhibit_ipv4=true")
# Kept for documentation (RFC 5737).
_NOBODY: Final = "192.0.2.53"
_NO_IPV6: Final = "net.ipv6.conf.all.disable_ipv6=1"


class Docker(Client):
    """A docker engine."""

    __slots__ = ()
    name = "docker"
    buildkit = True
    can_be_entered = True
    _install = "install Docker Engine or Docker Desktop, or podman"
    _start = "start it, or check 'docker context ls'"
    # The usual ones, Ctrl-P Ctrl-Q, are a user's; left unattended, Claude would go on for ever.
    _detach_keys = ",".join(["ctrl-^"] * 8)
    # https://docs.docker.com/engine/logging/drivers/local/
    _log = ("--log-driver=local", "--log-opt=max-size=32m", "--log-opt=max-file=2")

    @classmethod
    def configured(cls, facts: HostFacts) -> Self | None:
        """Return the engine that docker's client was told to use; None: the usual one.

        Raises:
            EngineUnavailableError: the context does not exist.
        """
        endpoint = contexts.endpoint(facts)
        return cls(endpoint) if endpoint else None

    @classmethod
    def default(cls, facts: HostFacts) -> Self:
        """Return the engine that docker's client uses if it is not told."""
        return cls(_DEFAULT_PIPE if facts.os == "windows" else _DEFAULT_SOCKET)

    def is_installed(self, facts: HostFacts) -> bool:
        """Whether both the engine, as far as its socket tells, and the client are there."""
        there = self.socket_path is None or Path(self.socket_path).exists()
        return there and which(self.name, facts.environment) is not None

    def create_network_argv(self, network: Network) -> list[str]:
        return [
            *(self.name, "network", "create", "--driver=bridge", "--ipv6=false"),
            *(() if network.outward else _NOWHERE),
            *(f"--label={key}={value}" for key, value in network.labels),
            network.name,
        ]

    def _network(self, spec: ContainerSpec) -> list[str]:
        if not spec.private:
            return super()._network(spec)
        joined = f"--network={spec.private}"
        if spec.network != NO_NETWORK:
            return [f"--network={spec.network}", joined]
        # The engine's own name server is on all such networks, and asks on behalf of who is there:
        # so it is told of one that nobody reaches. A guest with a kernel of its own gives itself an
        # address of IPv6, with which it would reach the host's end of the link.
        return [joined, f"--dns={_NOBODY}", f"--sysctl={_NO_IPV6}"]

    def _gpus(self, wanted: str) -> list[str]:
        # Read as a CSV record: a list of devices is one field of it.
        return [f'--gpus="{wanted}"' if "," in wanted else f"--gpus={wanted}"]

    @property
    def socket_path(self) -> str | None:
        """The path of its socket, if it is one of this host's."""
        local = self.endpoint.startswith(_SCHEME)
        return self.endpoint[len(_SCHEME) :] if local else None

    def _marks(self) -> tuple[str, ...]:
        """Return the socket, which systemd may hold beyond the engine, and the process's file."""
        if self.socket_path is None:
            return ()
        return self.socket_path, str(Path(self.socket_path).parent / "docker.pid")

    def _ask_facts(self) -> EngineFacts:
        if self.socket_path is None:
            info = json.loads(self.ask("info", "--format={{json .}}") or "null")
        else:
            info = self._get("/info")
        return engine_facts.of_docker(info)

    def version(self) -> str:
        with self._understood():
            if self.socket_path is None:
                return str(self.ask("version", "--format={{.Server.Version}}")).strip()
            return str(self._get("/version")["Version"])

    def connect(self) -> DockerClient:
        from python_on_whales import ClientNotFoundError
        from python_on_whales.exceptions import DockerException

        from pinnace_core.engine.whales import reason

        client = self.whales
        try:
            client.version()
        except ClientNotFoundError as error:
            hint = "install Docker Engine or Docker Desktop"
            raise ClientMissingError(self.missing_client.message, hint=hint) from error
        except DockerException as error:
            raise EngineUnavailableError(
                f"the engine does not answer: {reason(error)}",
                hint="start it (Docker Desktop, or 'systemctl start docker'), or check DOCKER_HOST",
            ) from error
        if not client.buildx.is_installed():
            raise ClientMissingError(
                "the docker client lacks the buildx plugin",
                hint="install docker-buildx (Debian, Ubuntu) or docker-buildx-plugin",
            )
        return client

    def machine(self) -> str:
        from pinnace_core.engine.whales import translated

        with translated("asking the engine for its platform"):
            return self.whales.info().architecture or "unknown"

    def build(self, build: Build) -> None:
        from dataclasses import replace

        from pinnace_core.engine import buildx

        # The one that sees the engine's own images; another one may be the current one.
        builder = (self.ask("context", "show") or "").strip() or "default"
        proxies = buildx.proxies(os.environ)
        local = replace(build, builder=builder, arguments=(*proxies, *build.arguments))
        buildx.show(self.whales, local)

    def import_options(self, platform: str) -> list[str]:
        return [f"--platform={platform}"]

    def lacks_to_build(self) -> str:
        try:
            self.ask("buildx", "version")
        except PinnaceError:
            return "docker's buildx plugin"
        return ""

    def images(self, label: str) -> list[Image]:
        if self.socket_path is None:
            return super().images(label)
        filters = json.dumps({"label": [label]}, separators=(",", ":"))
        with self._understood():
            listed = self._list(f"/images/json?filters={quoted(filters)}")
            return [self._image(item) for item in listed]

    def _list(self, path: str) -> list[dict[str, Any]]:
        """Ask for a list, which fails as a whole while something in it goes."""
        status, body = self._request(path)
        for attempt in range(1, ATTEMPTS):
            if status == _OK or not any(text in body for text in _WENT_AWAY):
                break
            time.sleep(PAUSE_SECONDS * attempt)
            status, body = self._request(path)
        return list(_content(status, body))

    def image(self, reference: str, *, made_here: bool = False) -> Image | None:
        if self.socket_path is None:
            return super().image(reference, made_here=made_here)
        with self._understood():
            found = self._get(f"/images/{quoted(reference)}/json", may_be_missing=True)
            return None if found is None else self._image(found)

    def container(self, name: str) -> Container | None:
        if self.socket_path is None:
            return super().container(name)
        with self._understood():
            item = self._get(f"/containers/{quoted(name)}/json", may_be_missing=True)
            found = Container.from_engine(item) if item else None
        return found if found and name in {found.name, found.id} else None

    def _get(self, path: str, *, may_be_missing: bool = False) -> Any:  # noqa: ANN401 (JSON)
        status, body = self._request(path)
        if status == _NOT_FOUND and may_be_missing:
            return None
        return _content(status, body)

    def _request(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        try:
            return exchange(self.socket_path or "", method, path)
        except OSError as error:
            raise self._unavailable(error) from error

    def glance(self, container: str) -> Container | None:
        if self.socket_path is None:
            return super().glance(container)
        with self._understood():
            found = self._get(f"/containers/{quoted(container)}/json", may_be_missing=True)
            return None if found is None else Container.from_engine(found)

    def memory(self, container: str) -> int:
        if self.socket_path is None:
            return super().memory(container)
        place = f"/containers/{quoted(container)}/stats?stream=false&one-shot=true"
        with self._understood():
            said = self._get(place, may_be_missing=True) or {}
            return int(said.get("memory_stats", {}).get("usage", 0))

    def rename(self, container: str, name: str) -> None:
        if self.socket_path is None:
            return super().rename(container, name)
        place = f"/containers/{quoted(container)}/rename?name={quoted(name)}"
        status, body = self._request(place, "POST")
        if status != _NO_CONTENT:
            _content(status, body)
        return None

    def signal(self, container: str, signal: str) -> None:
        if self.socket_path is None:
            return super().signal(container, signal)
        place = f"/containers/{quoted(container)}/kill?signal={quoted(signal)}"
        status, body = self._request(place, "POST")
        # Gone, or ended: it needs none.
        if status not in {_NO_CONTENT, _NOT_FOUND} and b"is not running" not in body:
            _content(status, body)
        return None

    def _unavailable(self, error: OSError) -> PinnaceError:
        import shutil

        if shutil.which(self.name) is None:
            return self.missing_client
        if isinstance(error, PermissionError):
            hint = "add yourself to the group 'docker' and log in again"
        else:
            hint = "start it (Docker Desktop, or 'systemctl start docker'), or check DOCKER_HOST"
        reason = error.strerror or str(error)
        return EngineUnavailableError(
            f"the engine at {self.endpoint} does not answer: {reason}", hint=hint
        )


def _content(status: int, body: bytes) -> Any:  # noqa: ANN401 (JSON)
    if status != _OK:
        raise EngineUnavailableError(
            f"the engine answers {status}: {body[:_SHOWN].decode(errors='replace').strip()}",
            hint="see its log, or restart it",
        )
    return json.loads(body)
