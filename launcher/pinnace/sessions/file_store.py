"""A session store in a directory: on a share, say, or below what is backed up.

DIRECTORY/PROJECT/SESSION.jsonl            as Claude writes it
DIRECTORY/PROJECT/SESSION/SUBPATH.jsonl    of the agents of a session
"""

from __future__ import annotations

import json
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread

from pinnace.sessions import entries
from pinnace_core import locks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SUFFIX: Final = ".jsonl"
# Keys come from whoever calls: none may lead out of the directory.
_PART: Final = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,255}", re.ASCII)
_MILLISECONDS: Final = 1000


class FileStore:
    """A store in a directory; programs may use it at once, also on several machines."""

    def __init__(self, directory: Path) -> None:
        """Say where; it is made when something is to be kept."""
        self._directory = Path(directory)

    async def append(self, key: Mapping[str, str], lines: Sequence[Mapping[str, Any]]) -> None:
        """Keep more of a transcript.

        Raises:
            ValueError: the key names no place here.
        """
        if lines:
            await anyio.to_thread.run_sync(self._append, self._path(key), list(lines))

    async def load(self, key: Mapping[str, str]) -> list[dict[str, Any]] | None:
        """Return a transcript's entries; None: it was never kept.

        Raises:
            ValueError: the key names no place here.
        """
        return await anyio.to_thread.run_sync(_load, self._path(key))

    async def list_sessions(self, project_key: str) -> list[dict[str, Any]]:
        """Return a project's sessions, and when each was written."""
        return await anyio.to_thread.run_sync(self._sessions, project_key)

    async def list_subkeys(self, key: Mapping[str, str]) -> list[str]:
        """Return the subpaths that a session has, besides its own transcript."""
        place = self._path(key).with_suffix("")
        return await anyio.to_thread.run_sync(_below, place)

    async def delete(self, key: Mapping[str, str]) -> None:
        """Remove a transcript; with a session's own, those of its agents."""
        await anyio.to_thread.run_sync(self._delete, self._path(key), "subpath" in key)

    def _path(self, key: Mapping[str, str]) -> Path:
        below = str(key.get("subpath") or "")
        parts = [key["project_key"], key["session_id"], *(below.split("/") if below else ())]
        for part in parts:
            if not _PART.fullmatch(part):
                raise ValueError(f"{part!r} is no part of a session's key")
        return Path(self._directory, *parts[:-1], f"{parts[-1]}{_SUFFIX}")

    def _append(self, path: Path, added: list[Mapping[str, Any]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lines = "".join(f"{json.dumps(entry, separators=(',', ':'))}\n" for entry in added)
        with locks.file_lock(self._directory / ".lock"), path.open("a+b") as stream:
            path.chmod(0o600)
            # Behind a line that somebody who was killed has left half-written.
            stream.seek(max(0, stream.tell() - 1))
            whole = stream.read(1) in {b"", b"\n"}
            stream.write(f"{'' if whole else chr(10)}{lines}".encode())

    def _sessions(self, project: str) -> list[dict[str, Any]]:
        if not _PART.fullmatch(project):
            return []
        return list(_listed(self._directory / project))

    def _delete(self, path: Path, alone: bool) -> None:  # noqa: FBT001 (run in a thread)
        path.unlink(missing_ok=True)
        if not alone:
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)


def _listed(place: Path) -> Iterator[dict[str, Any]]:
    for one in sorted(place.glob(f"*{_SUFFIX}")):
        # Another machine may remove it just now.
        with suppress(FileNotFoundError):
            yield {"session_id": one.stem, "mtime": int(one.stat().st_mtime * _MILLISECONDS)}


def _load(path: Path) -> list[dict[str, Any]] | None:
    try:
        with path.open("rb") as stream:
            return list(entries.documents(stream, entries.Counts()))
    except FileNotFoundError:
        return None


def _below(place: Path) -> list[str]:
    found = sorted(place.rglob(f"*{_SUFFIX}"))
    return [one.relative_to(place).as_posix().removesuffix(_SUFFIX) for one in found]
