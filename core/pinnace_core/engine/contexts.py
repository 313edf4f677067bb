"""Which engine docker's client was told to use: by a variable, or by one of its contexts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinnace_core.errors import EngineUnavailableError

if TYPE_CHECKING:
    from pinnace_core.host import HostFacts


def endpoint(facts: HostFacts) -> str:
    """Return what the client was told to use, as it decides itself; empty: nothing.

    Its order: https://docs.docker.com/engine/manage-resources/contexts/.
    """
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
