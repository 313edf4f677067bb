"""Ask the engine: plainly over its socket where there is one, else through the docker client.

Starting the client takes ten times as long as the question (33 ms against 3 ms).
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pinnace.image.images import LocalImage, from_engine
from pinnace_core.engine import cli
from pinnace_core.engine import facts as engine_facts
from pinnace_core.engine.cli import DOCKER, PODMAN
from pinnace_core.errors import EngineUnavailableError, PinnaceError
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pinnace_core.engine.facts import EngineFacts

_TIMEOUT_SECONDS: Final = 60.0
_SCHEME: Final = "unix://"
_LOCAL_PIPE: Final = "npipe:////./"
_LOCALHOST: Final = "localhost/"
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
        """Return what kind of engine it is: from the record of what answered here last, else asked.

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
        """Return what changes when another engine takes the place of this one.

        A socket that systemd holds outlives the engine; the file with its process id does not.
        """
        if self.socket_path is not None:
            return self.socket_path, str(Path(self.socket_path).parent / "docker.pid")
        if self.program != PODMAN:
            return ()
        own = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        # Of podman there is no process: it is its program, and what that reads.
        return (
            cli.which(PODMAN, os.environ) or "",
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
        return json.loads(cli.ask(*arguments, program=self.program) or "null")

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
                ids = cli.list_ids(label, program=self.program)
                found = json.loads(cli.describe(*ids, program=self.program))
            else:
                filters = json.dumps({"label": [label]}, separators=(",", ":"))
                found = self._get(f"/images/json?filters={_quoted(filters)}")
            return [from_engine(self._named(item)) for item in found]

    def image(self, reference: str) -> LocalImage | None:
        """Return one image by its name or id, if it is there.

        Raises:
            EngineUnavailableError: no answer, or none that makes sense.
            ClientMissingError: no docker client.
        """
        with self._understood():
            if self.socket_path is None:
                # Asked for a bare name, podman might find one that a registry gave.
                ours = self.program == PODMAN and reference.startswith(contract.LOCAL_REPOSITORY)
                name = f"{_LOCALHOST}{reference}" if ours else reference
                described = json.loads(cli.describe(name, program=self.program))
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
        """Return the engine's version.

        Raises:
            EngineUnavailableError: no answer, or none that makes sense.
            ClientMissingError: no docker client.
        """
        with self._understood():
            if self.socket_path is None:
                if self.program == PODMAN:
                    return self._ask_facts().version
                return str(cli.ask("version", "--format={{.Server.Version}}")).strip()
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

        if shutil.which(cli.DOCKER) is None:
            return cli.client_missing()
        if isinstance(error, PermissionError):
            hint = "add yourself to the group 'docker' and log in again"
        else:
            hint = "start it (Docker Desktop, or 'systemctl start docker'), or check DOCKER_HOST"
        reason = error.strerror or str(error)
        return EngineUnavailableError(
            f"the engine at {self.endpoint} does not answer: {reason}", hint=hint
        )


def _quoted(text: str) -> str:
    """Percent-encode for a request line; what an image's name is made of stays readable."""
    kept = "/:-._"
    return "".join(
        chr(byte) if byte < 128 and (chr(byte).isalnum() or chr(byte) in kept) else f"%{byte:02X}"  # noqa: PLR2004 (ASCII)
        for byte in text.encode()
    )
