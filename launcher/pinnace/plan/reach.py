"""What must be out of reach of all that runs inside, whatever road it comes.

What was approved, verified and locked, logins, the user's settings, Pinnace's own code: what writes
there decides what runs on this machine. And the engine: whoever may talk to it is root there.
"""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from pinnace_core import host, search_path
from pinnace_core.errors import UnsafeRequestError
from pinnace_core.files import resolved
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pinnace_core.container import Mount
    from pinnace_core.host import HostFacts

_ENGINES: Final = (
    *("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"),
    *("/run/podman/podman.sock", "/run/crio/crio.sock", "/run/buildkit/buildkitd.sock"),
)
# What Pinnace stands on where a program has it; once one is loaded, more of it may be.
_LIBRARIES: Final = {"anyio", "click", "jinja2", "msgspec", "packaging", "pydantic"}
_ENGINES_OF_USERS: Final = (
    *(".docker/run/docker.sock", ".docker/desktop/docker.sock", ".rd/docker.sock"),
    *(".colima/default/docker.sock", ".orbstack/run/docker.sock", ".lima/docker/sock/docker.sock"),
)


def require_out_of_reach(mounts: Sequence[Mount], facts: HostFacts) -> None:
    """See that nothing of that can be written inside, and no engine be talked to.

    Args:
        mounts: all of them; one may lie over a part of another.
        facts: the host.

    Raises:
        UnsafeRequestError: something of it lies in what is mounted.
    """
    sources = [(resolved(Path(mount.source)), mount) for mount in mounts if not mount.volume]
    open_ones = [(source, mount) for source, mount in sources if not mount.read_only]
    home = Path(facts.home).resolve()
    if any(home.is_relative_to(place) for place, _ in open_ones):
        raise UnsafeRequestError(
            f"your home directory, '{home}', would be open: keys, tokens, what your shell runs",
            hint="change into a project's directory: mkdir project && cd project",
        )
    for own, what, hint in _own(facts):
        around = next((place for place, m in open_ones if _shows(place, m, own, mounts)), None)
        if around is not None:
            raise UnsafeRequestError(
                f"{what} '{own}' lies in '{around}', which Claude can write to", hint=hint
            )
    for socket in engines(facts):
        # A socket can be connected to wherever it can be seen.
        around = next((place for place, _ in sources if socket.is_relative_to(place)), None)
        if around is not None:
            raise UnsafeRequestError(
                f"an engine's socket, '{socket}', lies in '{around}': whoever may talk to it is "
                "root on this host",
                hint="let the engine listen elsewhere",
            )


def require_foreign(mounts: Iterable[Mount], facts: HostFacts) -> None:
    """See that what a user lets Claude write to is no part of Pinnace's own directories.

    Args:
        mounts: the workspace's, and those that were asked for.
        facts: the host.

    Raises:
        UnsafeRequestError: one is.
    """
    open_ones = [Path(mount.source).resolve() for mount in mounts if not mount.read_only]
    for own, what, _ in directories(facts):
        inside = next((place for place in open_ones if place.is_relative_to(own)), None)
        if inside is not None:
            raise UnsafeRequestError(
                f"'{inside}' lies in {what} '{own}': Claude must not write there",
                hint="name a directory of yours",
            )


def _shows(source: Path, mount: Mount, own: Path, mounts: Iterable[Mount]) -> bool:
    """Return whether a place is seen through a mount: nothing else is mounted over it."""
    if not own.is_relative_to(source):
        return False
    around = PurePosixPath(mount.target)
    inside = around / own.relative_to(source).as_posix()
    over = (PurePosixPath(other.target) for other in mounts)
    return not any(inside.is_relative_to(o) and len(o.parts) > len(around.parts) for o in over)


def _own(facts: HostFacts) -> Iterator[tuple[Path, str, str]]:
    """Return what is Pinnace's own: where, what it is, and what to do if it lies in the way."""
    yield from directories(facts)
    hint = (
        "install Pinnace outside of it; or --private NAME, with a directory of Claude's own there; "
        "or --isolation locked, which writes nothing there"
    )
    for place in _code(facts):
        yield place, "Pinnace's own code", hint


def directories(facts: HostFacts) -> Iterator[tuple[Path, str, str]]:
    """Return Pinnace's own directories: where, what it is, and what to do if it lies in the way."""
    for kind in host.DIRECTORY_KINDS:
        hint = f"set XDG_{kind.upper()}_HOME, or HOME, to a place outside of it"
        yield host.directory(kind).resolve(), "Pinnace's own directory", hint
    runtime = facts.environment.get("XDG_RUNTIME_DIR")
    if runtime:
        hint = "set XDG_RUNTIME_DIR to a place outside of it, or unset it"
        yield Path(runtime, "pinnace").resolve(), "Pinnace's own directory", hint


def _code(facts: HostFacts) -> Iterator[Path]:
    """Return where what runs just now comes from: modules, and the interpreter."""
    packages = {
        Path(__file__).parents[1],
        Path(host.__file__).parent,
        Path(contract.__file__).parent,
        *(Path(file).parent for file in map(_file_of, _LIBRARIES) if file),
    }
    yield from (place.resolve() for place in packages)
    # The working directory, where somebody runs a module by its name, and that of the program that
    # runs: the user's own. Looked into last, they hide nothing from this process.
    own = {"", facts.cwd, search_path.of_program()}
    named = (place for place in sys.path if place not in own)
    yield from {Path(place).resolve() for place in (*named, sys.prefix, sys.base_prefix)}


def _file_of(module: str) -> str | None:
    return getattr(sys.modules.get(module), "__file__", None)


def engines(facts: HostFacts) -> Iterator[Path]:
    """Return the sockets of engines on this machine."""
    named = [facts.environment.get(name, "") for name in ("DOCKER_HOST", "CONTAINER_HOST")]
    runtime = facts.environment.get("XDG_RUNTIME_DIR") or f"/run/user/{facts.uid}"
    candidates = (
        *_ENGINES,
        *(f"{facts.home}/{name}" for name in _ENGINES_OF_USERS),
        *(name.removeprefix("unix://") for name in named if name.startswith("unix://")),
        *(f"{runtime}/{name}" for name in ("docker.sock", "podman/podman.sock")),
    )
    for candidate in candidates:
        path = Path(candidate)
        if path.exists():
            yield from (path, path.resolve())
