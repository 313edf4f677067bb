"""Who Claude runs as: somebody whose files belong to the host's user."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pinnace_images import contract
from pinnace_images.errors import UsageError

if TYPE_CHECKING:
    from pinnace.facts import HostFacts
    from pinnace.workspace import Workspace

_IMAGE_IDS = (contract.AGENT_UID, contract.AGENT_GID)


class UserMapping(NamedTuple):
    """A user inside.

    Attributes:
        uid: inside, and on the files that it makes.
        gid: likewise.
        as_in_image: nothing is to be mapped: the image's own user fits.
        note: what the user should know, or empty.
    """

    uid: int
    gid: int
    as_in_image: bool
    note: str = ""

    @property
    def is_root(self) -> bool:
        """Whether it is uid 0 (without any capability)."""
        return self.uid == 0

    @property
    def name(self) -> str:
        """The name that the uid has inside."""
        return "root" if self.is_root else contract.AGENT_NAME

    def passwd(self) -> str:
        """Write /etc/passwd for it: a uid without an entry breaks git, ssh and Node."""
        entries = [] if self.is_root else ["root:x:0:0:root:/root:/usr/sbin/nologin"]
        entries.append(f"{self.name}:x:{self.uid}:{self.gid}::{contract.HOME}:/bin/bash")
        entries.append("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin")
        return "".join(f"{entry}\n" for entry in entries)

    def group(self) -> str:
        """Write /etc/group for it."""
        groups = {0: "root", 65534: "nogroup"} | {self.gid: self.name}
        return "".join(f"{name}:x:{gid}:\n" for gid, name in sorted(groups.items()))


def map_user(facts: HostFacts, workspace: Workspace, *, agent: bool = False) -> UserMapping:
    """Decide who Claude runs as.

    Args:
        facts: the host.
        workspace: whose owner counts for root, so that `sudo pinnace` leaves no root's files.
        agent: the image's own user was asked for.

    Raises:
        UsageError: the image's own user could write neither the workspace nor its config.
    """
    if agent and facts.os == "linux" and facts.uid not in {0, contract.AGENT_UID}:
        raise UsageError(
            f"--user {contract.AGENT_NAME} is for root: files of uid {facts.uid} "
            "would not be writable inside",
            hint="leave it out: Claude runs as you",
        )
    as_image = UserMapping(*_IMAGE_IDS, as_in_image=True)
    # Docker Desktop, OrbStack and colima map owners themselves.
    if agent or facts.os != "linux":
        return as_image
    ids = (facts.uid, facts.gid)
    note = ""
    if facts.uid == 0 and workspace.owner[0] != 0:
        ids = workspace.owner
        note = f"started by root: running as the workspace's owner ({ids[0]}:{ids[1]})"
    elif facts.uid == 0:
        note = "started by root: running as root without capabilities (--user agent: not as root)"
    if ids == _IMAGE_IDS:
        return UserMapping(*ids, as_in_image=True, note=note)
    return UserMapping(*ids, as_in_image=False, note=note)
