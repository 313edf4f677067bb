"""Change sessions: each step into what an agent writes to is one that follows no link."""

from __future__ import annotations

import json
import os
import shutil
import stat
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from uuid import UUID, uuid5

from pinnace.layers.tree import Tree, give
from pinnace.sessions import entries, transcripts
from pinnace.sessions.names import new_id
from pinnace_core.errors import BadTranscriptError
from pinnace_core.files import cannot_write

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.sessions.transcripts import Transcript

# What else Claude keeps of a session, by its id.
_ELSEWHERE: Final = ("file-history", "session-env")
_COPIED: Final = frozenset({"user", "assistant", "attachment", "system", "progress"})
_LINKS: Final = ("uuid", "parentUuid", "logicalParentUuid")
_LOSES: Final = ("teamName", "agentName", "slug", "sourceToolAssistantUUID", "requestRef")
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_APPEND: Final = (
    os.O_RDWR | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
)


def set_title(transcript: Transcript, title: str) -> None:
    """Let a session have a title in Claude's own list, as its `/rename` does.

    Raises:
        BadTranscriptError: the transcript is no plain file any more.
        CannotWriteError: it cannot be written.
    """
    line = {"type": "custom-title", "customTitle": title, "sessionId": transcript.id}
    try:
        with Tree(transcript.config) as tree:
            name = transcript.path.rpartition("/")[2]
            descriptor = os.open(name, _APPEND, dir_fd=tree.parent(transcript.path))
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise transcripts.not_plain(transcript)
            # Behind a line that a killed Claude has left half-written.
            whole = not status.st_size or _last_byte(descriptor, status.st_size) == b"\n"
            stream.write(f"{'' if whole else chr(10)}{_dumps(line)}\n".encode())
    except OSError as error:
        raise cannot_write(transcript.config / transcript.path, error) from error


def _last_byte(descriptor: int, size: int) -> bytes:
    return os.pread(descriptor, 1, size - 1)


def remove(transcript: Transcript) -> None:
    """Remove a session's transcript, and what belongs to it.

    Raises:
        CannotWriteError: it cannot be removed.
    """
    elsewhere = (f"{place}/{transcript.id}" for place in _ELSEWHERE)
    with Tree(transcript.config) as tree:
        try:
            for path in (transcript.belongings, *elsewhere):
                _remove_below(tree, path)
            name = transcript.path.rpartition("/")[2]
            os.unlink(name, dir_fd=tree.parent(transcript.path))
        except FileNotFoundError:
            return
        except OSError as error:
            raise cannot_write(transcript.config / transcript.path, error) from error


def _remove_below(tree: Tree, path: str) -> None:
    status = tree.status(path)
    if status is None:
        return
    parent, name = tree.parent(path), path.rpartition("/")[2]
    if stat.S_ISDIR(status.st_mode):
        shutil.rmtree(name, dir_fd=parent)
    else:
        os.unlink(name, dir_fd=parent)


def fork(transcript: Transcript, title: str, elsewhere: tuple[Path, str] | None = None) -> str:
    """Copy a session under a new id; return that. The copy goes its own way.

    Args:
        transcript: of the session.
        title: of the copy.
        elsewhere: the config directory and the directory of transcripts for it; None: beside it.

    Raises:
        BadTranscriptError: nothing was said in it yet.
        CannotReadError: it is gone.
        CannotWriteError: the copy cannot be written.
    """
    session = new_id()
    config, directory = elsewhere or (transcript.config, transcript.directory)
    path = f"{transcripts.PROJECTS}/{directory}/{session}{transcripts.SUFFIX}"
    name = path.rpartition("/")[2]
    with transcripts.opened(transcript) as source, Tree(config) as tree:
        try:
            parent = tree.parent(path, make=0o755)
            descriptor = os.open(name, _NEW, 0o600, dir_fd=parent)
            give(descriptor, parent)
            with os.fdopen(descriptor, "wb") as target:
                copied = _copy(source, target, transcript.id, session, title)
        except OSError as error:
            with suppress(OSError):
                os.unlink(name, dir_fd=tree.parent(path))
            raise cannot_write(config / path, error) from error
        if not copied:
            os.unlink(name, dir_fd=parent)
    if not copied:
        raise BadTranscriptError(
            f"nothing was said in session {transcript.id} yet", hint="see: pinnace session list"
        )
    return session


def _copy(source: BinaryIO, target: BinaryIO, old: str, new: str, title: str) -> int:
    """Copy what was said, under new ids that keep its order; return how much of it there was."""
    count = 0
    for document in entries.documents(source, entries.Counts()):
        if document.get("type") not in _COPIED or document.get("isSidechain") is True:
            continue
        count += document["type"] in {"user", "assistant"}
        target.write(f"{_dumps(_forked(document, old, new))}\n".encode())
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"type": "custom-title", "customTitle": title, "sessionId": new, "timestamp": now}
    target.write(f"{_dumps(line)}\n".encode())
    return count


def _forked(document: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    own = UUID(new)
    changed = {
        key: str(uuid5(own, document[key]))
        for key in _LINKS
        if isinstance(document.get(key), str) and document[key].isascii()
    }
    made = {**document, **changed, "sessionId": new}
    if isinstance(document.get("uuid"), str):
        made["forkedFrom"] = {"sessionId": old, "messageUuid": document["uuid"]}
    for key in _LOSES:
        made.pop(key, None)
    return made


def _dumps(document: dict[str, Any]) -> str:
    # ASCII: half a surrogate, which an agent may have written, has no UTF-8.
    return json.dumps(document, separators=(",", ":"))
