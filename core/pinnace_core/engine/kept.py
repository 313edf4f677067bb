"""What was learned about an engine, kept until another one answers at its place.

No imports but json: every launch reads a record.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from pinnace_core import host as places
from pinnace_core.engine.facts import EngineFacts
from pinnace_core.errors import CannotWriteError
from pinnace_core.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SCHEMA: Final = 1
_LONGEST_NAME: Final = 100


def identity(*paths: str) -> list[str]:
    """Tell apart what lies at a place now from what may lie there later: device, inode, ctime.

    Also the boot, because it decides the kernel's control groups.
    """
    return [places.boot_id(), *map(_stat, paths)]


def _stat(path: str) -> str:
    try:
        found = os.stat(path)  # noqa: PTH116 (see above)
    except (OSError, ValueError):
        return ""
    # A directory's ctime tells of every file in it.
    ctime = "" if os.path.isdir(path) else str(found.st_ctime_ns)  # noqa: PTH112 (see above)
    return f"{found.st_dev}:{found.st_ino}:{ctime}"


def record_path(endpoint: str) -> Path:
    """Return the place of an endpoint's record."""
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in endpoint)
    return places.directory("state") / "engines" / f"{name[-_LONGEST_NAME:]}.json"


def load(endpoint: str, identities: Sequence[str]) -> EngineFacts | None:
    """Return what was learned about the engine that is there now, if it was.

    A record that is broken, of another engine, or of another Pinnace counts as none.
    """
    try:
        document = json.loads(record_path(endpoint).read_bytes())
        about = [document[key] for key in ("schema", "endpoint", "identity")]
        facts = document["facts"]
        if about != [_SCHEMA, endpoint, list(identities)] or not _is_whole(facts):
            return None
        return EngineFacts(**facts)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def save(endpoint: str, identities: Sequence[str], facts: EngineFacts) -> None:
    """Keep what was learned; where nothing can be written, the next launch asks again."""
    document = {
        "schema": _SCHEMA,
        "endpoint": endpoint,
        "identity": list(identities),
        "facts": facts._asdict(),
    }
    try:
        write_atomic(record_path(endpoint), json.dumps(document).encode(), mode=0o600)
    except CannotWriteError:
        return


def _is_whole(facts: object) -> bool:
    if not isinstance(facts, dict):
        return False
    types = {name: type(value) for name, value in EngineFacts()._asdict().items()}
    whole = {name: type(value) for name, value in facts.items()} == types
    return whole and facts["kind"] in {"docker", "podman"}
