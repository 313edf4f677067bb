"""What this machine would run of a project is read-only inside, where work goes on all the same.

Git's own files first. A git directory is mounted over itself, so that nothing can take its place;
`config`, `hooks` and the like over that, read-only. `commondir` has git take both from elsewhere:
one that leads back to where it lies keeps the agent's from being made. Git, libgit2 and dulwich
were tried: they go on as without it. So does gitoxide, by its source (gix-discover, `is::git`).

A tracked file is not: at a checkout it would keep its old content, and git would not say so. Such
are reported when they change, see `launch.reviews`, and so is whatever is new.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.plan import Contribution
from pinnace.plan.contributors.git_worktree import HERE
from pinnace.plan.resources import Resource
from pinnace.workspace import tree
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_core.errors import CannotWriteError
from pinnace_core.files import cannot_write
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pinnace.plan import Inputs
    from pinnace.workspace.tree import GitDirectory, Tree

_MOST_MOUNTS: Final = 80


class Guard(NamedTuple):
    """A place that is mounted over itself.

    Attributes:
        path: on the host.
        read_only: nothing inside may write there; else only nothing can take its place.
        missing: what it is made as if it is not there: `file`, `directory`; empty: it is there.
        content: of a file that is made.
    """

    path: str
    read_only: bool = True
    missing: str = ""
    content: str = ""


def contribute(inputs: Inputs, others: Sequence[Contribution]) -> Contribution:
    """Mount what is to be read-only, in all that is writable inside."""
    if inputs.level.read_only:
        return Contribution()
    taken = {mount.target for one in others for mount in one.mounts}
    roots = dict(_roots(inputs, others))
    mounts: list[Mount] = []
    made: list[Guard] = []
    for source in roots:
        for guard in guards(tree.read(source, inputs.facts), inputs.settings.writable):
            place = _inside(guard.path, roots)
            if guard.missing and _is_closed(os.path.dirname(guard.path), inputs):  # noqa: PTH120
                continue
            if place and place not in taken and len(mounts) < _MOST_MOUNTS:
                mounts.append(Mount(guard.path, place, guard.read_only))
                made += [guard] if guard.missing else []
    return Contribution(tuple(mounts), resources=(_made(made, inputs),) if made else ())


def _is_closed(directory: str, inputs: Inputs) -> bool:
    """Return whether nobody inside can make anything in a directory, nor open it to do so.

    So it is in another user's repository that this one may only read, and on a read-only disk.
    """
    if inputs.facts.os == "windows" or os.access(directory, os.W_OK):
        return False
    try:
        owner, flags = os.stat(directory).st_uid, os.statvfs(directory).f_flag  # noqa: PTH116
    except OSError:
        return False
    return owner != inputs.facts.uid or bool(flags & os.ST_RDONLY)


def _inside(path: str, roots: Mapping[str, str]) -> str:
    """Return where a path of the host's is inside; empty: it is not."""
    around = [source for source in roots if path.startswith(f"{source}/")]
    source = max(around, key=len, default="")
    return f"{roots[source]}{path[len(source) :]}" if source else ""


def _roots(inputs: Inputs, others: Sequence[Contribution]) -> Iterator[tuple[str, str]]:
    """Return what is writable inside, and not Pinnace's own: where it is here, and there."""
    if not inputs.apart:
        yield inputs.project.source, inputs.project.target
    own = tuple(f"{host.directory(kind)}{os.sep}" for kind in host.DIRECTORY_KINDS)
    for mount in (mount for one in others for mount in one.mounts):
        usable = not (mount.read_only or mount.volume or mount.target == contract.CONFIG_DIR)
        if usable and not mount.source.startswith(own) and os.path.isdir(mount.source):  # noqa: PTH112
            yield mount.source, mount.target


def guards(found: Tree, writable: Sequence[str]) -> list[Guard]:
    """Decide what is mounted over itself, outer places first.

    Args:
        found: what there is.
        writable: paths below the root that the user wants to be writable.
    """
    wanted = list(_of_git(found))
    if any(name.startswith(".claude/") for name in found.guarded):
        wanted.append(Guard(f"{found.root}/.claude", read_only=False))
    wanted += [Guard(f"{found.root}/{name}") for name in found.guarded]
    allowed = tuple(f"{found.root}/{os.path.normpath(path)}/" for path in writable)
    kept = [one for one in wanted if not f"{one.path}/".startswith(allowed)]
    return [one for one in kept if one.path != found.root]


def _of_git(found: Tree) -> Iterator[Guard]:
    if found.git is not None:
        yield from _of_directory(found.git)
    if found.elsewhere:
        yield Guard(f"{found.root}/.git")
        names = ("commondir", "gitdir", "config.worktree")
        places = (f"{found.elsewhere}/{name}" for name in names)
        yield from (Guard(place) for place in places if os.path.isfile(place))  # noqa: PTH113
    for one in found.nested:
        yield from _of_directory(one)


def _of_directory(one: GitDirectory, *, submodule: bool = False) -> Iterator[Guard]:
    place = one.place
    yield Guard(place, read_only=False)
    # `git submodule update` writes a submodule's each time: it is reported instead.
    if not (submodule or "config" in one.links):
        yield Guard(f"{place}/config", missing="" if "config" in one.names else "file")
    if "hooks" not in one.links:
        yield Guard(f"{place}/hooks", missing="" if "hooks" in one.names else "directory")
    if "config.worktree" in one.names or (one.per_worktree and "config.worktree" not in one.links):
        missing = "" if "config.worktree" in one.names else "file"
        yield Guard(f"{place}/config.worktree", missing=missing)
    if one.attributes:
        yield Guard(f"{place}/info/attributes")
    # What a `.git` file leads to has another name: with one, it would be taken for a worktree's.
    if "commondir" in one.names or (place.endswith("/.git") and "commondir" not in one.links):
        missing = "" if "commondir" in one.names else "file"
        yield Guard(f"{place}/commondir", missing=missing, content=f"{HERE}\n")
    if one.modules:
        yield Guard(f"{place}/modules", read_only=False)
    for module in one.modules:
        yield from _of_directory(module, submodule=True)


def _made(wanted: Sequence[Guard], inputs: Inputs) -> Resource:
    """Return places that are made where they are missing, as git itself would have them."""

    def make(_: object) -> None:
        for guard in wanted:
            _make(guard, inputs)

    def pending() -> str:
        missing = ", ".join(f"'{one.path}'" for one in wanted if not os.path.lexists(one.path))
        return f"make {missing}" if missing else ""

    return Resource(make, pending)


def _make(guard: Guard, inputs: Inputs) -> None:
    path = Path(guard.path)
    try:
        if guard.missing == "directory":
            path.mkdir()
        else:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.write(descriptor, guard.content.encode())
            os.close(descriptor)
        if inputs.facts.os == "linux" and inputs.facts.uid == 0:
            status = path.parent.stat()
            os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)
    except FileExistsError:
        return
    except PermissionError as error:
        raise CannotWriteError(
            f"cannot write '{path}': {error.strerror}",
            hint="make it writable for you; or write nothing there: --review, --isolation locked",
        ) from error
    except OSError as error:
        raise cannot_write(path, error) from error
