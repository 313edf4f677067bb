"""Containers of launches for tests: as an engine describes them, and as the launcher knows them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pinnace.launch import owner
from pinnace.launch.containers import Container
from pinnace.launch.owner import Launcher
from pinnace_images.versions import CliVersion
from tests.support import hosts

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW: Final = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
GONE: Final = 0x7FFFFFF0
"""A process id that no kernel gives."""


def labels(workspace: str = "/srv/demo", *, pid: int | None = GONE) -> dict[str, str]:
    """The labels of a launch from this host by process `pid`; None: by one that does not say."""
    here = owner.current()
    started = here.started if pid == os.getpid() else "1"
    launcher = None if pid is None else Launcher(pid, started, here.host)
    own = owner.labels(CliVersion.parse(hosts.VERSION), launcher)
    return {"pinnace.run.workspace": workspace, **dict(own)}


def inspected(
    name: str = "pinnace-demo-c0ffee",
    *,
    state: str = "running",
    created: datetime | None = None,
    mounts: tuple[str, ...] = (),
    **of_labels: Any,
) -> dict[str, Any]:
    """What an engine says."""
    moment = created or datetime.now(UTC) - timedelta(hours=2)
    return {
        "Id": name.encode().hex().ljust(64, "0"),
        "Name": f"/{name}",
        "Created": f"{moment:%Y-%m-%dT%H:%M:%S.%f}789Z",
        "Image": hosts.IMAGE_ID,
        "State": {"Status": state},
        "Config": {"Labels": hosts.labels() | labels(**of_labels)},
        "Mounts": [{"Source": source} for source in mounts],
    }


def container(name: str = "pinnace-demo-c0ffee", **changes: Any) -> Container:
    """What the launcher makes of it; created just now, if nothing else is said."""
    return Container.from_engine(inspected(name, **({"created": NOW} | changes)))


def record(of: Mapping[str, str]) -> str:
    """Return the record of a launch whose container has these labels."""
    return json.dumps({"program": "docker", "labels": dict(of)})
