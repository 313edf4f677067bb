"""Who Claude runs as: somebody whose files belong to the host's user."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pinnace.agent import places
from pinnace.plan import Contribution
from pinnace.plan.resources import written
from pinnace.plan.variables import plain
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_core.engine.facts import EngineFacts
from pinnace_core.errors import EngineUnsuitableError, PinnaceError, UsageError
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from pinnace.agent.places import Place
    from pinnace.config.project import Workspace
    from pinnace.context import Context
    from pinnace_core.host import HostFacts

_IMAGE_IDS: Final = (contract.AGENT_UID, contract.AGENT_GID)
_NOBODY: Final = 65534
# https://github.com/moby/sys/blob/main/user/user.go: "uids and gids must be in range".
_GREATEST_ID: Final = 2**31 - 1
# https://github.com/containers/podman/releases/tag/v4.3.0
_KEEP_ID_WITH_IDS: Final = (4, 3)


class UserMapping(NamedTuple):
    """A user inside.

    Attributes:
        uid: inside, and on the files that it makes.
        gid: likewise.
        as_in_image: nothing is to be mapped: the image's own user fits.
        note: what the user should know, or empty.
        mapped: the engine makes it the host's user outside, whatever the numbers are.
        userns: the engine's user namespace mode, or empty for its default.
        groups: supplementary groups inside.
    """

    uid: int
    gid: int
    as_in_image: bool
    note: str = ""
    mapped: bool = False
    userns: str = ""
    groups: tuple[int, ...] = ()

    @property
    def is_root(self) -> bool:
        """Whether it is uid 0 (without any capability)."""
        return self.uid == 0

    @property
    def name(self) -> str:
        """The name that the uid has inside."""
        return "root" if self.is_root else contract.AGENT_NAME

    def owner_outside(self, facts: HostFacts) -> tuple[int, int] | None:
        """Return uid and gid of files that are theirs, on the host; None: this process's user.

        Where the engine maps users, the files are ours outside, whatever the uid inside is.
        """
        foreign = facts.os == "linux" and self.uid != facts.uid and not self.mapped
        return (self.uid, self.gid) if foreign else None

    def passwd(self) -> str:
        """Write /etc/passwd for it: a uid without an entry breaks git, ssh and Node."""
        entries = [] if self.is_root else ["root:x:0:0:root:/root:/usr/sbin/nologin"]
        entries.append(f"{self.name}:x:{self.uid}:{self.gid}::{contract.HOME}:/bin/bash")
        if self.uid != _NOBODY:
            entries.append("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin")
        return "".join(f"{entry}\n" for entry in entries)

    def group(self) -> str:
        """Write /etc/group for it."""
        groups = {0: "root", _NOBODY: "nogroup"} | {self.gid: self.name}
        return "".join(f"{name}:x:{gid}:\n" for gid, name in sorted(groups.items()))


def map_user(
    facts: HostFacts,
    workspace: Workspace,
    engine: EngineFacts = EngineFacts(),  # noqa: B008 (immutable)
    *,
    agent: bool = False,
) -> UserMapping:
    """Decide who Claude runs as.

    Args:
        facts: the host.
        workspace: whose owner counts for root, so that `sudo pinnace` leaves no root's files.
        engine: what kind it is.
        agent: the image's own user was asked for.

    Raises:
        UsageError: the image's own user could write neither the workspace nor its config.
        EngineUnsuitableError: no user inside would be this one outside.
    """
    if engine.keeps_id:
        return _podman_rootless(engine)
    # Docker Desktop, OrbStack and colima map owners themselves; but into a distribution of WSL2,
    # its own file system is mounted, with all its owners.
    if facts.os != "linux" or (engine.desktop and not engine.wsl):
        return UserMapping(*_IMAGE_IDS, as_in_image=True, mapped=True)
    if engine.remapped:
        raise EngineUnsuitableError(
            "the engine remaps users (userns-remap): inside, nobody could write your files",
            hint="remove 'userns-remap' from its daemon.json, or use a rootless engine",
        )
    if engine.rootless:
        return _docker_rootless(facts, agent=agent)
    return _rootful(facts, workspace, agent=agent)


def _podman_rootless(engine: EngineFacts) -> UserMapping:
    if engine.numbers < _KEEP_ID_WITH_IDS:
        raise EngineUnsuitableError(
            f"podman {engine.version} cannot map you onto the image's user",
            hint="install podman 4.3 or newer",
        )
    uid, gid = _IMAGE_IDS
    userns = f"keep-id:uid={uid},gid={gid}"
    return UserMapping(uid, gid, as_in_image=True, mapped=True, userns=userns)


def _docker_rootless(facts: HostFacts, *, agent: bool) -> UserMapping:
    if agent:
        raise _agent_refused(facts)
    note = (
        "the engine is rootless: inside, Claude is root, which is you outside; "
        "it has no capabilities"
    )
    return UserMapping(0, 0, as_in_image=False, note=note, mapped=True)


def _rootful(facts: HostFacts, workspace: Workspace, *, agent: bool) -> UserMapping:
    if agent and facts.uid not in {0, contract.AGENT_UID}:
        raise _agent_refused(facts)
    if agent:
        return UserMapping(*_IMAGE_IDS, as_in_image=True)
    ids = (facts.uid, facts.gid)
    note = ""
    if facts.uid == 0 and workspace.owner[0] != 0:
        ids = workspace.owner
        note = f"started by root: running as the workspace's owner ({ids[0]}:{ids[1]})"
    elif facts.uid == 0:
        note = "started by root: running as root without capabilities (--user agent: not as root)"
    if max(ids) > _GREATEST_ID:
        raise EngineUnsuitableError(
            f"no engine runs anything as {ids[0]}:{ids[1]}: ids end at {_GREATEST_ID}",
            hint="start it as a user with a smaller uid and gid",
        )
    groups = _groups(facts, workspace, ids)
    return UserMapping(*ids, as_in_image=ids == _IMAGE_IDS, note=note, groups=groups)


def _groups(facts: HostFacts, workspace: Workspace, ids: tuple[int, int]) -> tuple[int, ...]:
    """Return the one group that a shared project is open through; none of the user's others."""
    group = workspace.owner[1]
    ours = facts.uid != 0 and group in facts.groups and group not in {0, ids[1]}
    return (group,) if ours and group <= _GREATEST_ID else ()


def _agent_refused(facts: HostFacts) -> UsageError:
    return UsageError(
        f"--user {contract.AGENT_NAME} is for root: files of uid {facts.uid} "
        "would not be writable inside",
        hint="leave it out: Claude runs as you",
    )


def place_of(here: Context) -> Place:
    """Return where Claude's files of launches lie; an engine that is down passes for docker."""
    settings, about = here.config.settings, EngineFacts()
    with suppress(PinnaceError):
        about = here.engine.facts()
    who = map_user(here.facts, here.project, about, agent=settings.user_agent)
    owner = who.owner_outside(here.facts)
    return places.choose(settings, here.facts, here.project, owner=owner)


def contribute(user: UserMapping) -> Contribution:
    """Mount the names of a user that the image does not know."""
    if user.as_in_image:
        return Contribution()
    directory = host.directory("state") / "users" / f"{user.uid}-{user.gid}"
    files = {
        directory / "passwd": user.passwd().encode(),
        directory / "group": user.group().encode(),
    }
    return Contribution(
        mounts=tuple(Mount(str(path), f"/etc/{path.name}", read_only=True) for path in files),
        variables=(plain("IS_SANDBOX", "1"),) if user.is_root else (),
        resources=(written(files),),
    )
