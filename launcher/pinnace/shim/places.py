"""Where drop-in programs are, and what else is called `claude` on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.config import project
from pinnace.shim import executable
from pinnace_core import host
from pinnace_core.errors import ForeignClaudeError, ShimMissingError, UnsafeRequestError
from pinnace_core.files import cannot_write, read_own, write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pinnace_core.host import HostFacts

_SCHEMA: Final = 1
_MOST_BYTES: Final = 1 << 16
# What npm makes beside programs of that name.
_NAMES: Final = {"windows": ("claude.exe", "claude.cmd", "claude.bat", "claude.com")}
_ASIDE: Final = ".before-pinnace"


class Shim(NamedTuple):
    """A drop-in program.

    Attributes:
        path: of it.
        there: whether it is still there, and ours.
        provisions: whether it pulls or builds an image that is missing.
        searched: whether its directory is on PATH.
        first: whether a shell finds it when it looks for `claude`.
        others: what else is called so on PATH, in the order in which a shell looks.
    """

    path: Path
    there: bool
    provisions: bool
    searched: bool
    first: bool
    others: tuple[Path, ...]


def default() -> Path:
    """Return the directory for it if none is named: Pinnace's own, so that nothing is hidden."""
    return host.directory("data") / "bin"


def install(
    directory: Path, facts: HostFacts, python: str, *, force: bool, provision: bool
) -> Shim:
    """Make a program there; return it.

    Args:
        directory: it is made if it is not there.
        facts: the host.
        python: the interpreter.
        force: also where another `claude` is, or would be found no more.
        provision: it pulls or builds an image that is missing.

    Raises:
        ForeignClaudeError: another `claude` is in the way.
        UnsafeRequestError: whoever works in a project could replace it.
        CannotWriteError: it cannot be written.
    """
    path = directory / executable.name(facts.os)
    _require_outside_of_projects(directory, facts)
    if not force:
        _require_free(path, facts)
    elif os.path.lexists(path) and not executable.is_ours(path):
        _put_aside(path)
    data = executable.content(facts.os, python, flags=executable.flags(), provision=provision)
    executable.write(path, data)
    _keep(dict.fromkeys((*_recorded(), path)))
    return shim(path, facts)


def _require_outside_of_projects(directory: Path, facts: HostFacts) -> None:
    there = next(one for one in (directory, *directory.parents) if one.is_dir())
    root = project.find_root(there.resolve(), home=Path(facts.home))
    marks = (".git", project.PIN_FILE, project.SETTINGS_FILE)
    if any(os.path.lexists(root / mark) for mark in marks):
        raise UnsafeRequestError(
            f"'{directory}' is in the project '{root}', which Claude can write to",
            hint="name a directory outside of any project, as ~/.local/bin",
        )


def _require_free(path: Path, facts: HostFacts) -> None:
    """See that no other `claude` is hidden.

    Raises:
        ForeignClaudeError: one would be.
    """
    searched = list(_searched(facts))
    place = path.parent.resolve()
    before = searched.index(place) if place in searched else len(searched)
    hidden = [one for one in others(facts) if one.parent.resolve() in searched[before:]]
    if os.path.lexists(path) and not executable.is_ours(path):
        hidden.insert(0, path)
    if hidden:
        raise ForeignClaudeError(
            f"'{hidden[0]}' would not be found any more",
            hint="choose another directory, which need not be on PATH: clients take a path; "
            "or --force, until pinnace shim uninstall",
        )


def _put_aside(path: Path) -> None:
    try:
        path.rename(_aside(path))
    except OSError as error:
        raise cannot_write(path, error) from error


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}{_ASIDE}")


def uninstall(directory: Path | None, facts: HostFacts) -> list[Path]:
    """Remove the program of a directory, or all that are known; return what was removed.

    What lay there before is put back.

    Raises:
        ShimMissingError: there is none.
        CannotWriteError: one cannot be removed.
    """
    known = _recorded()
    asked = [directory / executable.name(facts.os)] if directory else known
    found = [path for path in asked if executable.is_ours(path)]
    if not found:
        where = f"in '{directory}'" if directory else "that is known of"
        raise ShimMissingError(
            f"there is no 'claude' of Pinnace's {where}", hint="see: pinnace shim status"
        )
    for path in found:
        executable.remove(path)
        if os.path.lexists(_aside(path)):
            _aside(path).rename(path)
    _keep(path for path in known if executable.is_ours(path))
    return found


def installed(facts: HostFacts) -> list[Shim]:
    """Return all that are known, also those that have gone."""
    return [shim(path, facts) for path in _recorded()]


def shim(path: Path, facts: HostFacts) -> Shim:
    """Return what is to be said about a program."""
    there = executable.is_ours(path)
    searched, place = list(_searched(facts)), path.parent.resolve()
    around = others(facts)
    before = searched[: searched.index(place)] if place in searched else searched
    first = place in searched and not any(one.parent.resolve() in before for one in around)
    provisions = executable.provisions(path)
    return Shim(path, there, provisions, place in searched, there and first, tuple(around))


def others(facts: HostFacts) -> list[Path]:
    """Return what is called `claude` on PATH and is not ours, in the order of PATH."""
    found = (place / name for place in _searched(facts) for name in _names(facts))
    return [one for one in found if os.access(one, os.X_OK) and _is_foreign(one)]


def _is_foreign(path: Path) -> bool:
    return path.is_file() and not executable.is_ours(path.resolve())


def _names(facts: HostFacts) -> tuple[str, ...]:
    return _NAMES.get(facts.os, ("claude",))


def _searched(facts: HostFacts) -> Iterator[Path]:
    """Return the directories of PATH, real, each once."""
    named = facts.environment.get("PATH", "").split(os.pathsep)
    yield from dict.fromkeys(Path(one).resolve() for one in named if os.path.isabs(one))  # noqa: PTH117


def _record() -> Path:
    return host.directory("state") / "shim" / "installed.json"


def _recorded() -> list[Path]:
    try:
        document: Any = json.loads(read_own(_record(), most=_MOST_BYTES))
        return [Path(one) for one in document["paths"] if isinstance(one, str)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _keep(paths: Iterable[Path]) -> None:
    document = {"schema": _SCHEMA, "paths": sorted(map(str, paths))}
    write_atomic(_record(), json.dumps(document).encode(), mode=0o600)
