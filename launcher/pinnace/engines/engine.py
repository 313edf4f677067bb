"""Ask the engine: plainly over its socket where there is one, else through the docker client.

Starting the client takes ten times as long as the question (33 ms against 3 ms).
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.engines import docker_client, engine_facts
from pinnace.engines.docker_client import DOCKER, PODMAN
from pinnace.image.images import LocalImage, from_engine
from pinnace_images import contract
from pinnace_images.errors import (
    EngineUnavailableError,
    EngineUnsuitableError,
    PinnaceError,
)
from pinnace_images.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pinnace.engines.engine_facts import EngineFacts
    from pinnace.facts import HostFacts

_TIMEOUT_SECONDS: Final = 60.0
_DEFAULT_SOCKET: Final = "unix:///var/run/docker.sock"
_DEFAULT_PIPE: Final = "npipe:////./pipe/docker_engine"
_SCHEME: Final = "unix://"
_LOCAL_PIPE: Final = "npipe:////./"
_LOCALHOST: Final = "localhost/"
ENGINE_VARIABLE: Final = "PINNACE_ENGINE"
_OK: Final = 200
_NOT_FOUND: Final = 404
_WENT_AWAY: Final = ("No such image", "not found")


class Engine(NamedTuple):
    """An engine.

    Attributes:
        endpoint: where it listens, as docker writes it; `podman` where that runs by itself.
        program: its client, `docker` or `podman`.
    """

    endpoint: str
    program: str = DOCKER

    @property
    def socket_path(self) -> str | None:
        """The path of docker's socket, if it is one of this host's."""
        local = self.program == DOCKER and self.endpoint.startswith(_SCHEME)
        return self.endpoint[len(_SCHEME) :] if local else None

    @property
    def is_local(self) -> bool:
        """Whether its endpoint is one of this host's: only these mount this host's directories."""
        return self.endpoint.startswith((_SCHEME, _LOCAL_PIPE)) or self.endpoint == PODMAN

    def facts(self, *, anew: bool = False) -> EngineFacts:
        """Give what kind of engine it is: from the record of what answered here last, else asked.

        Args:
            anew: ask in any case.

        Raises:
            EngineUnavailableError: no answer, or none that makes sense.
            ClientMissingError: no client.
        """
        # Read before it is asked: replaced in between, it is asked again next time.
        identities = engine_facts.identity(*self._marks())
        # Of a pipe nothing tells whether it is still the same engine's.
        kept = any(identities[1:])
        known = engine_facts.load(self.endpoint, identities) if kept and not anew else None
        if known is not None:
            return known
        found = self._ask_facts()
        if kept:
            engine_facts.save(self.endpoint, identities, found)
        return found

    def _marks(self) -> tuple[str, ...]:
        """Give what changes when another engine takes the place of this one.

        A socket that systemd holds outlives the engine; the file with its process id does not.
        """
        if self.socket_path is not None:
            return self.socket_path, str(Path(self.socket_path).parent / "docker.pid")
        if self.program != PODMAN:
            return ()
        own = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        # Of podman there is no process: it is its program, and what that reads.
        return (
            which(PODMAN, os.environ) or "",
            os.environ.get("XDG_RUNTIME_DIR") or "",
            os.environ.get("CONTAINERS_CONF") or "",
            *(f"{place}/containers/containers.conf" for place in ("/etc", own)),
            f"{own}/containers/storage.conf",
        )

    def _ask_facts(self) -> EngineFacts:
        with self._understood():
            if self.program == PODMAN:
                info = self._told("info", "--format=json")
                machine = sys.platform != "linux"
                init = engine_facts.podman_has_init()
                return engine_facts.of_podman(info, own_machine=machine, init=init)
            if self.socket_path is None:
                return engine_facts.of_docker(self._told("info", "--format={{json .}}"))
            return engine_facts.of_docker(self._get("/info"))

    def _told(self, *arguments: str) -> Any:  # noqa: ANN401 (JSON)
        return json.loads(docker_client.ask(*arguments, program=self.program) or "null")

    def images(self) -> list[LocalImage]:
        """List the local images that carry the contract's label, whatever its version.

        Raises:
            EngineUnavailableError: no answer, or none that makes sense.
            ClientMissingError: no docker client.
        """
        try:
            return self._images(contract.LABEL_CONTRACT)
        except EngineUnavailableError as error:
            # An image that goes while it is listed fails the whole list, once.
            if not any(text in error.message for text in _WENT_AWAY):
                raise
            return self._images(contract.LABEL_CONTRACT)

    def _images(self, label: str) -> list[LocalImage]:
        with self._understood():
            if self.socket_path is None:
                ids = docker_client.list_ids(label, program=self.program)
                found = json.loads(docker_client.describe(*ids, program=self.program))
            else:
                filters = json.dumps({"label": [label]}, separators=(",", ":"))
                found = self._get(f"/images/json?filters={_quoted(filters)}")
            return [from_engine(self._named(item)) for item in found]

    def image(self, reference: str) -> LocalImage | None:
        """Give one image by its name or id, if it is there.

        Raises:
            EngineUnavailableError: no answer, or none that makes sense.
            ClientMissingError: no docker client.
        """
        with self._understood():
            if self.socket_path is None:
                # Asked for a bare name, podman might find one that a registry gave.
                ours = self.program == PODMAN and reference.startswith(contract.LOCAL_REPOSITORY)
                name = f"{_LOCALHOST}{reference}" if ours else reference
                described = json.loads(docker_client.describe(name, program=self.program))
                found = described[0] if described != [] else None
            else:
                found = self._get(f"/images/{_quoted(reference)}/json", may_be_missing=True)
            return None if found is None else from_engine(self._named(found))

    def _named(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """Spell podman's names and ids as docker does.

        Podman puts the host `localhost` before names that have none; before ids, it puts `sha256:`
        in lists only.
        """
        if self.program != PODMAN:
            return item
        names = [str(name) for name in item.get("RepoTags") or () if name.startswith(_LOCALHOST)]
        return {
            **item,
            "Id": f"sha256:{str(item['Id']).removeprefix('sha256:')}",
            "RepoTags": [name.removeprefix(_LOCALHOST) for name in names],
        }

    def version(self) -> str:
        """Give the engine's version.

        Raises:
            EngineUnavailableError: no answer, or none that makes sense.
            ClientMissingError: no docker client.
        """
        with self._understood():
            if self.socket_path is None:
                if self.program == PODMAN:
                    return self._ask_facts().version
                return str(docker_client.ask("version", "--format={{.Server.Version}}")).strip()
            return str(self._get("/version")["Version"])

    def _get(self, path: str, *, may_be_missing: bool = False) -> Any:  # noqa: ANN401 (JSON)
        status, body = self._request(path)
        if status == _NOT_FOUND and may_be_missing:
            return None
        if status != _OK:
            raise EngineUnavailableError(
                f"the engine answers {status}: {body[:200].decode(errors='replace').strip()}",
                hint="see its log, or restart it",
            )
        return json.loads(body)

    def _request(self, path: str) -> tuple[int, bytes]:
        """HTTP 1.0: the engine sends one whole answer and closes."""
        # What `socket` wraps: importing the wrapper costs every launch 4 ms.
        import _socket

        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            connection.settimeout(_TIMEOUT_SECONDS)
            connection.connect(self.socket_path or "")
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        except OSError as error:
            raise self._unavailable(error) from error
        finally:
            connection.close()
        head, end, body = answer.partition(b"\r\n\r\n")
        if not end:
            raise self._unavailable(ConnectionError("it broke off"))
        return int(head.split(None, 2)[1]), body

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise EngineUnavailableError(
                f"the engine at {self.endpoint} gives an answer that makes no sense",
                hint="restart it, or check that it is an engine: docker context ls",
            ) from error

    def _unavailable(self, error: OSError) -> PinnaceError:
        import shutil

        if shutil.which(docker_client.DOCKER) is None:
            return docker_client.client_missing()
        if isinstance(error, PermissionError):
            hint = "add yourself to the group 'docker' and log in again"
        else:
            hint = "start it (Docker Desktop, or 'systemctl start docker'), or check DOCKER_HOST"
        reason = error.strerror or str(error)
        return EngineUnavailableError(
            f"the engine at {self.endpoint} does not answer: {reason}", hint=hint
        )


def find(facts: HostFacts, wanted: str = "") -> Engine:
    """Find the engine: the one that is wanted, else docker's if it is there, else podman.

    Args:
        facts: the host.
        wanted: `docker`, `podman`, or empty if it does not matter.

    Raises:
        EngineUnavailableError: the context does not exist.
    """
    if wanted == PODMAN:
        return _podman(facts)
    endpoint = _docker_endpoint(facts)
    if endpoint:
        return Engine(endpoint)
    default = Engine(_DEFAULT_PIPE if facts.os == "windows" else _DEFAULT_SOCKET)
    return _podman(facts) if not wanted and _only_podman(facts, default) else default


def require_suitable(found: Engine, about: EngineFacts) -> None:
    """See that directories of this machine can be mounted.

    Raises:
        EngineUnsuitableError: the engine runs elsewhere, or speaks another language than it seems.
    """
    require_local(found)
    if about.remote:
        raise EngineUnsuitableError(
            "podman's service runs on another machine, which cannot mount this one's directories",
            hint="unset CONTAINER_HOST and CONTAINER_CONNECTION, or run pinnace over there",
        )
    if about.behind_docker:
        raise EngineUnsuitableError(
            f"what answers at {found.endpoint} is podman, behind docker's interface",
            hint=f"use its own client: set {ENGINE_VARIABLE}=podman",
        )


def require_local(found: Engine) -> None:
    """See that an engine is this machine's, by its endpoint; it is not asked.

    Raises:
        EngineUnsuitableError: it is another machine's.
    """
    if not found.is_local:
        raise EngineUnsuitableError(
            f"the engine at {_without_password(found.endpoint)} is another machine's, "
            "which cannot mount this one's directories",
            hint="use an engine of this machine ('docker context use default', unset DOCKER_HOST), "
            "or run pinnace over there",
        )


def which(program: str, environment: Mapping[str, str]) -> str | None:
    """Find a program on PATH: shutil's costs every launch 5 ms."""
    for place in environment.get("PATH", "").split(os.pathsep):
        for suffix in ("", ".exe") if os.name == "nt" else ("",):
            path = f"{place}{os.sep}{program}{suffix}"
            if place and os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113 (hot)
                return path
    return None


def require_client(found: Engine, environment: Mapping[str, str]) -> None:
    """See that there is a client to hand over to; without PATH, the system knows where to look.

    Raises:
        ClientMissingError: there is none.
    """
    if environment.get("PATH") and which(found.program, environment) is None:
        raise docker_client.client_missing(found.program)


def _only_podman(facts: HostFacts, default: Engine) -> bool:
    """Whether podman is there, and of docker the client or the engine is not."""
    if which(PODMAN, facts.environment) is None:
        return False
    place = default.socket_path
    there = place is None or Path(place).exists()
    return not there or which(DOCKER, facts.environment) is None


def _podman(facts: HostFacts) -> Engine:
    host = facts.environment.get("CONTAINER_HOST", "")
    # The machine that podman itself runs is reached through ssh, but mounts what is here.
    own = facts.os != "linux" and ("@127.0.0.1" in host or "@localhost" in host)
    return Engine(PODMAN if own else host or PODMAN, PODMAN)


def _docker_endpoint(facts: HostFacts) -> str:
    """Give what the docker client was told to use; empty where that is the default."""
    host = facts.environment.get("DOCKER_HOST", "")
    if host:
        return host
    place = Path(facts.environment.get("DOCKER_CONFIG") or Path(facts.home, ".docker"))
    configured = _read(place / "config.json").get("currentContext")
    context = facts.environment.get("DOCKER_CONTEXT") or configured or "default"
    if context == "default":
        return ""
    endpoint = _endpoint_of(str(context), place)
    if not endpoint:
        raise EngineUnavailableError(
            f"the docker context '{context}' does not exist", hint="see: docker context ls"
        )
    return endpoint


def _without_password(endpoint: str) -> str:
    scheme, _, rest = endpoint.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _endpoint_of(context: str, place: Path) -> str:
    import hashlib

    digest = hashlib.sha256(context.encode()).hexdigest()
    found: object = _read(place / "contexts" / "meta" / digest / "meta.json")
    for key in ("Endpoints", "docker", "Host"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _quoted(text: str) -> str:
    """Percent-encode for a request line; what an image's name is made of stays readable."""
    kept = "/:-._"
    return "".join(
        chr(byte) if byte < 128 and (chr(byte).isalnum() or chr(byte) in kept) else f"%{byte:02X}"  # noqa: PLR2004 (ASCII)
        for byte in text.encode()
    )
