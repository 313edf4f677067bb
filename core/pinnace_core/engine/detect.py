"""Which engine is used: found as its client finds it, and fit for mounting this machine's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.engine.cli import DOCKER, PODMAN, client_missing, which
from pinnace_core.engine.engine import Engine
from pinnace_core.errors import EngineUnavailableError, EngineUnsuitableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts

_DEFAULT_SOCKET: Final = "unix:///var/run/docker.sock"
_DEFAULT_PIPE: Final = "npipe:////./pipe/docker_engine"
ENGINE_VARIABLE: Final = "PINNACE_ENGINE"


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


def require_client(found: Engine, environment: Mapping[str, str]) -> None:
    """See that there is a client to hand over to; without PATH, the system knows where to look.

    Raises:
        ClientMissingError: there is none.
    """
    if environment.get("PATH") and which(found.program, environment) is None:
        raise client_missing(found.program)


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
    """Return what the docker client was told to use; empty where that is the default."""
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
