"""The project that is mounted: where it starts, and where it appears inside."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Final

from pinnace_core.errors import UnsafeRequestError
from pinnace_core.files import resolved
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace_core.host import HostFacts, HostOs

# Mounted over one of these, the image or the container would no longer work.
_OF_THE_IMAGE: Final = frozenset(
    ("/", "/home", "/opt", "/run", "/tmp", "/usr", "/usr/local", "/var", "/var/lib")  # noqa: S108
)
# Neither these nor what is in them: the kernel's, and the image's own programs and libraries.
_UNTOUCHABLE: Final = (
    *("/dev", "/etc", "/proc", "/sys", contract.CLAUDE_ROOT, contract.CONFIG_DIR),
    *("/bin", "/boot", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"),
    *("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/libx32"),
    *("/usr/sbin", "/usr/share"),
    *("/usr/local/bin", "/usr/local/lib", "/usr/local/sbin", "/usr/local/share"),
)
_WITHIN: Final = tuple(f"{place}/" for place in _UNTOUCHABLE)
SETTINGS_FILE: Final = "pinnace.toml"
PIN_FILE: Final = ".claude-version"
PYPROJECT: Final = "pyproject.toml"
TOOL_VERSIONS: Final = ".tool-versions"
PACKAGE_JSON: Final = "package.json"
LOCK_FILE: Final = "pinnace.lock"
_OWN_MARKERS: Final = (PIN_FILE, SETTINGS_FILE)
DEVCONTAINER_FILES: Final = (".devcontainer/devcontainer.json", ".devcontainer.json")
WORKTREES: Final = ".worktrees"
"""After a project's name: the directory beside it that holds worktrees of its branches."""
CLI_PACKAGE: Final = "@anthropic-ai/claude-code"
"""The CLI's npm package, that a package.json may depend on."""


class Workspace(NamedTuple):
    """A project.

    Attributes:
        source: its root on the host.
        target: the same place inside.
        workdir: the working directory inside, at or below `target`.
        owner: uid and gid of the root on the host.
    """

    source: str
    target: str
    workdir: str
    owner: tuple[int, int]


def locate(facts: HostFacts) -> Workspace:
    """Find the project around the working directory.

    Raises:
        UnsafeRequestError: the directory cannot be mounted at its own path.
    """
    cwd, home = Path(facts.cwd), Path(facts.home)
    _refuse_links_out(cwd, home)
    root = find_root(cwd, home=home)
    target = _target(root, cwd, facts)
    # What a link means is decided here, once, not by the engine when it mounts.
    real = root.resolve()
    status = real.stat()
    return Workspace(
        source=str(real),
        target=target,
        workdir=inside(facts.cwd, facts.os),
        owner=(status.st_uid, status.st_gid),
    )


def is_of(workspace: str, project: str) -> bool:
    """Return whether a launch's workspace is a project, or a branch's worktree beside it."""
    return workspace == project or os.path.dirname(workspace) == f"{project}{WORKTREES}"  # noqa: PTH120


def _target(root: Path, cwd: Path, facts: HostFacts) -> str:
    try:
        return inside(str(root), facts.os)
    except UnsafeRequestError as error:
        marker = next((root / name for name in _OWN_MARKERS if os.path.lexists(root / name)), None)
        if root == cwd or marker is None:
            raise
        raise UnsafeRequestError(
            f"{error.message}; it is the workspace because of '{marker}'",
            hint="remove that file, or make this project a repository: git init",
        ) from error


def find_root(cwd: Path, *, home: Path) -> Path:
    """Return the repository around `cwd`; else the nearest directory with a pin; else `cwd`.

    A pin or settings file below a repository's root does not cut the repository in two. The home
    directory and what is above it are nobody's project, whatever lies there.
    """
    within = list(_below_home(cwd, home))
    for markers in ((".git",), _OWN_MARKERS):
        for directory in within:
            if any(_marks(directory / marker, cwd) for marker in markers):
                return directory
    return cwd


def _marks(path: Path, cwd: Path) -> bool:
    """Above, a stranger's file does not count: anybody may write to `/tmp`.

    A stranger's repository does, where not everybody could have put it: teams share them.
    """
    if not os.path.lexists(path):
        return False
    owners = {getattr(os, "getuid", int)(), 0, cwd.stat().st_uid}
    if path.parent == cwd or path.lstat().st_uid in owners:
        return True
    return path.name == ".git" and not path.parent.stat().st_mode & stat.S_IWOTH


def _refuse_links_out(cwd: Path, home: Path) -> None:
    """A link inside a project may be the work of whoever works there: it opens nothing else."""
    real = cwd.resolve()
    for directory in _below_home(cwd, home):
        marked = any(os.path.lexists(directory / marker) for marker in (".git", *_OWN_MARKERS))
        if marked and not real.is_relative_to(directory.resolve()):
            raise UnsafeRequestError(
                f"'{cwd}' is a link that leads out of the project '{directory}'",
                hint=f"change into '{real}' itself",
            )


def _below_home(cwd: Path, home: Path) -> Iterator[Path]:
    beyond = {place for name in (home, home.resolve()) for place in (name, *name.parents)}
    for directory in (cwd, *cwd.parents):
        if directory in beyond or directory.resolve() in beyond:
            return
        yield directory


def require_apart(config: Path, project: Workspace, home: Path) -> None:
    """See that a config directory that the user named opens nothing that is not meant.

    Raises:
        UnsafeRequestError: it is a place of the system, the home directory, or in the workspace.
    """
    config, root = resolved(config), Path(project.source)
    around_home = config == home.resolve() or config in home.resolve().parents
    overlaps = config.is_relative_to(root) or root.is_relative_to(config)
    if around_home or overlaps or str(config) in _OF_THE_IMAGE or _is_reserved(config):
        raise UnsafeRequestError(
            f"'{config}' cannot be Claude's config directory: it is mounted, writable",
            hint="name a directory of its own, outside of the project",
        )


def _is_reserved(path: Path | PurePosixPath) -> bool:
    return f"{path.as_posix()}/".startswith(_WITHIN)


def inside(path: str, host: HostOs) -> str:
    r"""Return the place of a host's path inside: its own; `C:\a` becomes `/c/a`.

    Raises:
        UnsafeRequestError: the image needs that place itself.
    """
    if not _is_text(path):
        raise UnsafeRequestError(
            f"'{path}' cannot be mounted: its name is not UTF-8, which no engine takes",
            hint="rename it: convmv, or mv",
        )
    # Two leading slashes are kept by Python, but mean the same to the engine.
    target = _posix(path) if host == "windows" else PurePosixPath("/" + path.lstrip("/"))
    if str(target) in _OF_THE_IMAGE or str(target) == contract.HOME or _is_reserved(target):
        raise UnsafeRequestError(
            f"'{path}' cannot be mounted: the image needs '{target}' itself",
            hint="change into a project's directory first",
        )
    return str(target)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _posix(path: str) -> PurePosixPath:
    verbatim = re.match(r"\\\\[?.]\\(?:(UNC)\\)?", path, re.IGNORECASE)
    if verbatim:
        path = ("\\\\" if verbatim[1] else "") + path[verbatim.end() :]
    windows = PureWindowsPath(path)
    drive = windows.drive.rstrip(":").replace("\\", "/").strip("/").lower()
    return PurePosixPath("/", drive, *windows.parts[1:])
