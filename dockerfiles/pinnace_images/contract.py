"""The image contract: what an image promises, and by which labels and paths it says so."""

from __future__ import annotations

from typing import Final, Literal

from pinnace_core.tuples import NamedTuple

CONTRACT_VERSION: Final = 2

LABEL_CONTRACT: Final = "pinnace.contract"
LABEL_VERSION: Final = "pinnace.claude.version"
LABEL_SHA256: Final = "pinnace.claude.sha256"
LABEL_VARIANT: Final = "pinnace.variant"
LABEL_BUILD_ID: Final = "pinnace.build-id"
LABEL_BASE_ID: Final = "pinnace.base-id"
LABEL_USER: Final = "pinnace.user"
LABEL_GATEWAY: Final = "pinnace.gateway"
"""On gateways' images, which have no CLI: `GATEWAY_VERSION`."""
LABEL_DISTRIBUTION: Final = "pinnace.distribution"
"""On bootstrapped bases, and what stands on them: digest of the file system, in a tar archive."""
ANNOTATION_REFRESHED: Final = "pinnace.refreshed"
"""On manifest lists: the day that the base's packages are of (ISO 8601)."""
# The engine lists an image's labels but not its platform; with this one, selecting takes one call.
LABEL_PLATFORM: Final = "pinnace.platform"

LABEL_RUN_WORKSPACE: Final = "pinnace.run.workspace"
"""On containers, not images: the host's path of the workspace; marks what is ours to list."""
LABEL_RUN_GATEWAY: Final = "pinnace.run.gateway"
"""On gateways' containers: the host's path of the workspace that it serves."""
LABEL_RUN_RELAY: Final = "pinnace.run.relay"
"""On relays' containers: the host's path of the workspace of the launch that each is of."""
LABEL_RUN_NETWORK: Final = "pinnace.run.network"
"""On networks of a launch's own, and on what is on one: its name."""
LABEL_CHECK: Final = "pinnace.check"
"""On containers that only look into an image: its id. None of them is to outlive its launcher."""
LABEL_PROJECT: Final = "pinnace.project"
"""On images that a project adds something to: identity of all that is in it, hexadecimal."""
LABEL_RUN_SESSION: Final = "pinnace.run.session"
"""On containers of a launch that was told which session it is: the session's id."""
LABEL_RUN_STANDBY: Final = "pinnace.run.standby"
"""On containers that were made ahead of a launch: a token that is in their record, too."""
LABEL_RUN_VERSION: Final = "pinnace.run.version"
LABEL_RUN_PID: Final = "pinnace.run.pid"
"""The launcher's process, on the host; what it is of, the other two say."""
LABEL_RUN_STARTED: Final = "pinnace.run.started"
"""When that process started, in the kernel's ticks since boot; empty where that is not cheap."""
LABEL_RUN_HOST: Final = "pinnace.run.host"
"""Host name, boot and pid namespace of the launcher, joined by `/`."""

AGENT_NAME: Final = "agent"
AGENT_UID: Final = 1000
AGENT_GID: Final = 1000
AGENT_IDS: Final = f"{AGENT_UID}:{AGENT_GID}"

HOME: Final = "/home/agent"
CONFIG_DIR: Final = "/home/agent/.claude"
CLAUDE_ROOT: Final = "/opt/claude"
CLAUDE_BINARY: Final = "/opt/claude/bin/claude"
CLAUDE_PACKAGE: Final = "/opt/claude/package"
SHELL: Final = "/bin/bash"

DEFAULT_VARIANT: Final = "slim"
LOCAL_REPOSITORY: Final = "pinnace/claude"
# A name that no registry serves: a lost local image must never be pulled from a stranger instead.
BASE_REPOSITORY: Final = "localhost/pinnace/base"

GATEWAY_VERSION: Final = 1
"""What launches expect to find in a gateway's image; another one is built if this changes."""
GATEWAY_REPOSITORY: Final = "pinnace/gateway"
GATEWAY_NAME: Final = f"{GATEWAY_REPOSITORY}:local"
"""The local image that was built or wanted last."""
GATEWAY_CONFIG: Final = "/etc/pinnace"
"""Empty; what is mounted there configures the gateway's programs."""
GATEWAY_SOCKETS: Final = "/run/pinnace/sockets"
GATEWAY_LOGS: Final = "/var/log/pinnace"
Kind = Literal["file", "program", "link"]


def local_name(version: str, variant: str) -> str:
    """Name the local image that was built last for a version and variant."""
    return f"{LOCAL_REPOSITORY}:{version}-{variant}"


def project_name(version: str, variant: str, identity: str) -> str:
    """Name the local image of a version and variant that a project adds something to."""
    return f"{local_name(version, variant)}-project-{identity[:12]}"


def wrapper(executable: str) -> bytes:
    """Write what stands for a CLI that is a script.

    `claude` is what people and the launcher call; a script's own directory must stay whole.
    """
    return f'#!/bin/sh\nexec node {CLAUDE_PACKAGE}/{executable} "$@"\n'.encode()


class ContextFile(NamedTuple):
    """A file that a Dockerfile can copy.

    Attributes:
        path: below the context, with slashes.
        kind: whether it can be run, or is a symbolic link.
        content: sha256 of it, hexadecimal; of a link, its target.
    """

    path: str
    kind: Kind
    content: str


class Recipe(NamedTuple):
    """A project's own image.

    Attributes:
        base: id of the image that it stands on.
        name: of the image that comes out.
        identity: of everything here but the name and the root, sha256, hexadecimal.
        packages: of the distribution, sorted; `NAME` or `NAME=VERSION`.
        dockerfile: its bytes; empty if there is none.
        root: the directory that its context is in; empty if it copies nothing.
        files: all of the context, sorted.
        tools: of `pinnace_images.tools`, sorted.
    """

    base: str
    name: str
    identity: str
    packages: tuple[str, ...] = ()
    dockerfile: bytes = b""
    root: str = ""
    files: tuple[ContextFile, ...] = ()
    tools: tuple[str, ...] = ()
