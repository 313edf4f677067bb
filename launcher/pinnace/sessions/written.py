"""A transcript and those of its agents as entries, read and written where an agent writes, too."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from pinnace.layers.tree import Tree, give
from pinnace.sessions import entries
from pinnace.sessions.names import is_id
from pinnace.sessions.transcripts import PROJECTS, SUFFIX
from pinnace_core.errors import BadTranscriptError
from pinnace_core.files import cannot_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

# What an agent of a session is, beside its transcript; stores have it as an entry.
_ABOUT: Final = ".meta.json"
_ABOUT_TYPE: Final = "agent_metadata"
_AGENTS: Final = "subagents/"
_PART: Final = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,255}", re.ASCII)
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_MOST_BYTES: Final = 256 << 20
_MOST_ABOUT: Final = 1 << 20


def read(config: Path, directory: str, session: str, below: str = "") -> list[dict[str, Any]]:
    """Return the entries of a transcript; none if it is not there, or no plain file.

    Args:
        config: Claude's config directory.
        directory: of the transcript, as Claude calls it.
        session: its id.
        below: the subpath of an agent's; empty: the session's own.

    Raises:
        BadTranscriptError: it is larger than can be held.
    """
    path = _path(directory, session, below)
    if not config.is_dir():
        return []
    with Tree(config) as tree:
        found = list(_documents(tree, f"{path}{SUFFIX}", _MOST_BYTES))
        about = _documents(tree, f"{path}{_ABOUT}", _MOST_ABOUT) if below else ()
        found += [{**one, "type": _ABOUT_TYPE} for one in about]
    return found


def agents(config: Path, directory: str, session: str) -> list[str]:
    """Return the subpaths of a session's agents."""
    root = f"{PROJECTS}/{directory}/{session}"
    with Tree(config) as tree:
        names = [one.path for one in tree.files(f"{root}/{_AGENTS[:-1]}")]
    found = [name[len(root) + 1 : -len(SUFFIX)] for name in names if name.endswith(SUFFIX)]
    return [name for name in found if is_subpath(name)]


def is_subpath(below: str) -> bool:
    """Return whether a subpath is one of an agent's, and leads nowhere else."""
    return below.startswith(_AGENTS) and all(map(_PART.fullmatch, below.split("/")))


def is_directory(name: str) -> bool:
    """Return whether a directory of transcripts can be called so."""
    return _PART.fullmatch(name) is not None


def write(
    config: Path,
    where: tuple[str, str, str],
    lines: Sequence[Mapping[str, Any]],
    *,
    when: float,
) -> None:
    """Put a whole transcript in its place.

    Args:
        config: Claude's config directory.
        where: directory, id and subpath, as `read` has them.
        lines: its entries.
        when: it was written, in seconds since 1970.

    Raises:
        CannotWriteError: it cannot be.
    """
    path = _path(*where)
    about = [line for line in lines if where[2] and line.get("type") == _ABOUT_TYPE]
    said = [line for line in lines if line not in about]
    _replace(config, f"{path}{SUFFIX}", map(_line, said), when)
    for one in about[-1:]:
        kept = {key: value for key, value in one.items() if key != "type"}
        _replace(config, f"{path}{_ABOUT}", [_line(kept)], when)


def _path(directory: str, session: str, below: str) -> str:
    sound = is_directory(directory) and is_id(session) and (not below or is_subpath(below))
    if not sound:
        raise BadTranscriptError(
            f"'{directory}/{session}/{below}' is no place of a transcript",
            hint="the store names it so; see what it keeps",
        )
    return f"{PROJECTS}/{directory}/{session}{below and f'/{below}'}"


def _documents(tree: Tree, path: str, most: int) -> Iterator[dict[str, Any]]:
    try:
        descriptor = tree.open(path)
    except OSError:
        return
    with os.fdopen(descriptor, "rb") as stream:
        if os.fstat(descriptor).st_size > most:
            raise BadTranscriptError(
                f"'{tree.place / path}' is too large to be copied",
                hint=f"a store gets transcripts of up to {_MOST_BYTES >> 20} MiB",
            )
        yield from entries.documents(stream, entries.Counts())


def _replace(config: Path, path: str, lines: Iterable[str], when: float) -> None:
    name, new = path.rpartition("/")[2], f".{uuid4().hex}"
    with Tree(config) as tree:
        try:
            place = tree.parent(path, make=0o755)
            try:
                made = os.open(new, _NEW, 0o600, dir_fd=place)
                with os.fdopen(made, "w", encoding="ascii") as stream:
                    give(made, place)
                    stream.writelines(lines)
                os.utime(new, (when, when), dir_fd=place)
                os.rename(new, name, src_dir_fd=place, dst_dir_fd=place)
            except BaseException:
                with suppress(OSError):
                    os.unlink(new, dir_fd=place)
                raise
        except OSError as error:
            raise cannot_write(config / path, error) from error


def _line(entry: Mapping[str, Any]) -> str:
    # ASCII: half a surrogate, which an agent may have written, has no UTF-8.
    return f"{json.dumps(entry, separators=(',', ':'))}\n"
