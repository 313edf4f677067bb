"""What was looked at is what is mounted: seen once more inside, before anything else runs there.

Engines take paths, and look them up later than this launch did. In between, something that runs in
the same project could put a link in a path's place. The kernel tells inside which file or directory
of its file system each mount shows; what it should be is known from the same list outside.
https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pinnace.plan import Inputs
    from pinnace_core.container import Mount
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts

_TABLE: Final = "/proc/self/mountinfo"
_ESCAPED: Final = {character: f"\\{ord(character):03o}" for character in " \t\n\\#"}
# Built-ins only: TARGET ROOT ... -- PROGRAM. Of mounts at one place, the last one is seen.
_SCRIPT: Final = (
    "declare -A __pinnace; while read -r _ _ _ __pinnace_root __pinnace_at _; do "
    '__pinnace[$__pinnace_at]=$__pinnace_root; done <"$1"; shift; '
    'while [[ $1 != -- ]]; do if [[ ${__pinnace[$1]} != "$2" ]]; then '
    "printf \"pinnace: error: what is mounted at '%s' is not what was looked at: it was replaced "
    'meanwhile\\npinnace: hint: see who else works there, and run it again\\n" "$1" >&2; exit 77; '
    'fi; shift 2; done; shift; unset "${!__pinnace@}"; exec "$@"'
)


def read(facts: HostFacts, engine: EngineFacts, runtime: str) -> str:
    """Return the kernel's list of mounts; empty where containers have another kernel.

    Args:
        facts: the host.
        engine: what kind it is.
        runtime: an OCI runtime's name; empty: the engine's default.
    """
    if facts.os != "linux" or engine.desktop or runtime or engine.has_own_kernel:
        return ""
    try:
        with open(_TABLE, encoding="utf-8", errors="surrogateescape") as stream:  # noqa: PTH123
            return stream.read()
    except OSError:
        return ""


def wrapper(inputs: Inputs, mounts: Iterable[Mount], own: Sequence[str]) -> tuple[str, ...]:
    """Return a program that sees to it and then runs what follows; nothing, if it cannot.

    Args:
        inputs: of the launch.
        mounts: of the container.
        own: directories that nothing inside can write to, so that nobody replaces anything there.
    """
    table = list(_parsed(inputs.mount_table))
    expected = [
        (_escaped(mount.target), root)
        for mount in mounts
        if not mount.volume
        and not _is_below(mount.source, own)
        and (root := _root(_escaped(mount.source), table))
    ]
    if not expected:
        return ()
    words = (word for pair in expected for word in pair)
    return (contract.SHELL, "-c", _SCRIPT, "pinnace", _TABLE, *words, "--")


def _parsed(text: str) -> Iterator[tuple[str, str]]:
    """Yield where each mount is, and the place in its file system that it shows."""
    for line in text.splitlines():
        fields = line.split(" ", 5)
        if fields[5:]:
            yield fields[4], fields[3]


def _root(source: str, table: Iterable[tuple[str, str]]) -> str:
    """Return a path's place in its file system; empty if nobody knows."""
    # The deepest one counts, of several at the same place the last one.
    around = [(at, root) for at, root in table if _is_below(source, (at,))]
    if not around:
        return ""
    at, root = max(reversed(around), key=lambda pair: len(pair[0]))
    rest = source[len(at.rstrip("/")) :]
    return f"{root.rstrip('/')}{rest}" or "/"


def _is_below(path: str, places: Iterable[str]) -> bool:
    return any(path == place or path.startswith(f"{place.rstrip('/')}/") for place in places)


def _escaped(path: str) -> str:
    """Spell a path as the kernel's list does."""
    text = os.fsencode(path).decode(errors="surrogateescape")
    return "".join(_ESCAPED.get(character, character) for character in text)
