"""Hosts, workspaces and images for tests: plain cases, varied by the names of their fields."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from pinnace.config import Settings, levels
from pinnace.config.project import Workspace
from pinnace.plan import Inputs
from pinnace.plan.user import UserMapping, map_user
from pinnace_core.engine.facts import EngineFacts
from pinnace_core.host import HostFacts
from pinnace_core.image import Image
from pinnace_images import contract
from tests.support.fake_docker import CLI

VERSION: Final = "9.9.9"
"""Not in the lock, so that an image of it may hold any file."""
SHA256: Final = hashlib.sha256(CLI).hexdigest()
IMAGE_ID: Final = f"sha256:{'ab12' * 16}"

_LINUX: Final = HostFacts(
    os="linux",
    machine="x86_64",
    uid=1000,
    gid=1000,
    home="/home/somebody",
    cwd="/srv/demo",
    stdin_tty=False,
    stdout_tty=False,
    environment={},
)


def linux(**changes: Any) -> HostFacts:
    """A host whose user has the ids of the image's own user."""
    return _LINUX._replace(**changes)


def linux_other(**changes: Any) -> HostFacts:
    """A host whose user has ids that no image knows."""
    return linux(**({"uid": 54321, "gid": 65000} | changes))


def linux_root(**changes: Any) -> HostFacts:
    """A server or a CI job."""
    return linux(**({"uid": 0, "gid": 0, "home": "/root"} | changes))


def macos(**changes: Any) -> HostFacts:
    """A Mac; its first user is 501:20."""
    mac = {"os": "macos", "machine": "arm64", "uid": 501, "gid": 20}
    return linux(**(mac | {"home": "/Users/somebody", "cwd": "/Users/somebody/demo"} | changes))


def windows(**changes: Any) -> HostFacts:
    """Windows, where uid and gid mean nothing."""
    facts = {"os": "windows", "machine": "AMD64", "uid": 0, "gid": 0}
    places = {"home": r"C:\Users\somebody", "cwd": r"C:\src\demo"}
    return linux(**(facts | places | changes))


def workspace(source: str = "/srv/demo", **changes: Any) -> Workspace:
    """A project that appears inside at its own path."""
    plain = Workspace(source=source, target=source, workdir=source, owner=(1000, 1000))
    return plain._replace(**changes)


def inputs(
    facts: HostFacts | None = None,
    project: Workspace | None = None,
    *,
    user: UserMapping | None = None,
    about: EngineFacts = EngineFacts(),  # noqa: B008 (immutable)
    claude_arguments: tuple[str, ...] = (),
    **settings: Any,
) -> Inputs:
    """What contributors go by; `settings` by their names."""
    facts = facts or linux()
    project = project or workspace()
    user = user or map_user(facts, project, about)
    return Inputs(
        Settings(**settings),
        facts,
        project,
        user,
        about,
        claude_arguments,
        nonce="c0ffee",
        level=levels.BUILT_IN[settings.get("isolation", levels.STANDARD.name)],
    )


def labels(**changes: str) -> dict[str, str]:
    """The labels of a good image; `changes` are named without `LABEL_`, in lower case."""
    plain = {
        contract.LABEL_CONTRACT: str(contract.CONTRACT_VERSION),
        contract.LABEL_VERSION: VERSION,
        contract.LABEL_SHA256: SHA256,
        contract.LABEL_VARIANT: contract.DEFAULT_VARIANT,
        contract.LABEL_PLATFORM: "linux/amd64",
        contract.LABEL_USER: contract.AGENT_IDS,
    }
    return plain | {getattr(contract, f"LABEL_{k.upper()}"): v for k, v in changes.items()}


def image(image_id: str = IMAGE_ID, *, created: str = "", **changes: str) -> Image:
    """A local image; `changes` are labels, as `labels` takes them."""
    return Image(
        id=image_id, labels=labels(**changes), tags=("pinnace/claude:9.9.9",), created=created
    )
