"""What a launch is told besides Claude's own arguments: `load.load` decides it.

Named tuples for the same reason as in `plan`: every launch makes some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace.config.files import Files
    from pinnace.config.levels import Level

DEFAULT_MEMORY: Final = "8g"
DEFAULT_PIDS: Final = 4096
DEFAULT_PROFILE: Final = "default"


class MountRequest(NamedTuple):
    """A mount that was asked for.

    Attributes:
        source: an absolute path on the host.
        target: an absolute path inside.
        read_only: nothing inside may write there.
    """

    source: str
    target: str
    read_only: bool = True


AUTO: Final = "auto"
NEVER: Final = "never"
SESSION: Final = "session"
"""Of the tools: those that the project's files say that it needs."""


GROUPS: Final = ("github", "apt", "cargo", "go", "npm", "pip")
"""Of destinations, by their names."""


class Settings(NamedTuple):
    """All values, defaults filled in; paths are absolute.

    Attributes:
        locked: go on only with a project's lock that is of the pinned version.
        variant: of the image.
        repository: that missing images are pulled from; empty: they are built.
        packages: Debian packages that the project's own image adds.
        tools: of `pinnace_images.tools` that it adds; `auto`: those that the project needs.
        dockerfile: of the project's own image, built on the pinned one; or empty.
        image: an image of the user's own, instead; or empty.
        devcontainer: take the image that devcontainer.json names, if it fits; only if trusted.
        engine: the client, `docker` or `podman`; empty: whichever is there.
        user_agent: run as the image's own user.
        memory: limit, as docker writes it.
        pids: limit.
        cpus: limit, as a number of processors; empty: none.
        shm_size: of /dev/shm; empty: the engine's default.
        gpus: `all`, a number, or `device=ID,...`; empty: none.
        devices: of the host, that Claude may use.
        runtime: the engine's OCI runtime, by its name; empty: its default.
        runtime_sockets: sockets of the host's cross into what it runs, though its name says not.
        mounts: more of them.
        environment_names: more variables that go in; one that is given a value as NAME=VALUE.
        private: directories of the project that Claude has its own of.
        writable: paths in the project that stay writable, although this machine runs them.
        caches: package managers whose caches are shared with the host (`npm`, `pip`, ...).
        memory_note: tell Claude where it is.
        git_identity: take the user's git configuration along, read-only.
        ssh_agent: forward the agent's socket.
        isolation: name of a level, as in `levels`.
        headers: that the gateway puts on requests, `HOST NAME: VALUE` with `${VARIABLE}` in it.
        allow: destinations that the gateway lets through, `HOST[:PORT]`.
        services: ports of this machine's own services, `PORT` or `INSIDE:PORT`.
        ports: of Claude's container that are opened on this machine, `PORT` or `HERE:PORT`.
        gateway_network: the engine's network that gateways join; empty: its default.
        certificates: a bundle of extra CA certificates (PEM); or empty.
        proxy: take the host's proxy variables along.
        profile: which of the user's accounts.
        cloud: providers whose credential directories go in read-only (`aws`, `gcloud`, `azure`).
        secrets: a file of NAME=VALUE lines, handed in as files; or empty.
        key_helper: a command on this machine that prints the key for the API; or empty.
        config_directory: Claude's config directory on the host, instead of the profile's.
        claude_home: parts of the host's own `~/.claude` that go in, read-only.
        provision: pull or build an image that is missing.
        standby: how many containers wait for the next launch of the same plan, in digits; or
            `auto`.
        reuse: for which launches a home is kept: `never`, of one plan in the `project`, or besides
            of one `session`.
        audit: keep a record of launches.
        audit_size: of a file of it, until there is another one.
        audit_days: for which full files of it are kept.
        workspace: what of the project is written to: `bind` (itself), `review`, `clone`.
        layer: name of one of those last two, in which a launch goes on; empty: a new one.
        branch: that is worked on, in a worktree of its own; empty: where the project stands.
        session: name or id of the session that a launch begins or goes on with; empty: Claude's.
        session_store: a directory that sessions are kept in, too, or what makes a store.
    """

    locked: bool = False
    variant: str = contract.DEFAULT_VARIANT
    repository: str = ""
    packages: tuple[str, ...] = ()
    tools: tuple[str, ...] = (AUTO,)
    dockerfile: str = ""
    image: str = ""
    devcontainer: bool = False
    engine: str = ""
    user_agent: bool = False
    memory: str = DEFAULT_MEMORY
    pids: int = DEFAULT_PIDS
    cpus: str = ""
    shm_size: str = ""
    gpus: str = ""
    devices: tuple[str, ...] = ()
    runtime: str = ""
    runtime_sockets: bool = False
    mounts: tuple[MountRequest, ...] = ()
    environment_names: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    memory_note: bool = True
    git_identity: bool = True
    ssh_agent: bool = False
    isolation: str = "standard"
    headers: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    gateway_network: str = ""
    certificates: str = ""
    proxy: bool = False
    profile: str = DEFAULT_PROFILE
    cloud: tuple[str, ...] = ()
    secrets: str = ""
    key_helper: str = ""
    config_directory: str = ""
    claude_home: tuple[str, ...] = ()
    provision: bool = True
    standby: str = "auto"
    reuse: str = NEVER
    audit: bool = True
    audit_size: str = "16m"
    audit_days: int = 365
    workspace: str = "bind"
    layer: str = ""
    branch: str = ""
    session: str = ""
    session_store: str = ""


DEFAULTS: Final = Settings()


class Value(NamedTuple):
    """A value, and where it stands: a file's path, a variable, a flag, or `default`."""

    value: object
    source: str


class Pending(NamedTuple):
    """What a project's file asks for and does not get before it is approved.

    Attributes:
        path: of the file.
        values: by the keys' names.
        content: what is to be approved.
    """

    path: str
    values: Mapping[str, object]
    content: bytes

    @property
    def note(self) -> str:
        """What a launch says about it, one line."""
        return f"not approved yet, so not counted: {', '.join(self.values)} of {self.path}"


class Config(NamedTuple):
    """The configuration of a launch.

    Attributes:
        settings: all values, decided.
        level: of isolation, that the settings name.
        values: by the keys' names, with sources; the pin has sources of its own.
        pending: what does not count yet.
        files: what was read.
        approved: by the files' paths, the keys that count only since the file was approved.
    """

    settings: Settings
    level: Level
    values: Mapping[str, Value]
    pending: tuple[Pending, ...]
    files: Files
    approved: Mapping[str, tuple[str, ...]] = {}
