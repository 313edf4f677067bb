"""Transcripts: Claude's own notes of its sessions, in its config directory.

The agent writes there as it likes: links, pipes, files without end. Each is opened without trust,
and no more than so much is read. What stands in them is what the agent says.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.digest import hasher
from pinnace_core.files import open_untrusted
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PROJECTS: Final = "projects"
_SUFFIX: Final = ".jsonl"
_MOST_FILES: Final = 32
_MOST_NAMES: Final = 5_000
_MOST_BYTES: Final = 64 << 20
"""Of all that is hashed at a launch's end: 50 ms."""
_MOST_LINE: Final = 1 << 20
_DEPTH: Final = 3
_MOST_TOOLS: Final = 64
_LONGEST: Final = 100
_WRITING: Final = frozenset({"Write", "Edit", "MultiEdit", "NotebookEdit"})
# The kernel's clock for files goes in steps.
_SLACK_SECONDS: Final = 0.05


class Transcript(NamedTuple):
    """A transcript.

    Attributes:
        path: on the host.
        size: in bytes.
        sha256: of what was hashed.
        hashed: so many bytes from its start.
        tool_calls: how often each tool was called, as it says.
        files: that tools were to write, as it says.
    """

    path: str
    size: int
    sha256: str
    hashed: int
    tool_calls: dict[str, int]
    files: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as it is noted."""
        part = {} if self.hashed == self.size else {"hashed": self.hashed}
        return {"path": self.path, "size": self.size, "sha256": self.sha256, **part}


class Call(NamedTuple):
    """A call of a tool, as the agent says.

    Attributes:
        time: when.
        tool: its name.
        subject: what it was about: a file, a command.
    """

    time: str
    tool: str
    subject: str


def config_of(started: Mapping[str, Any]) -> Path | None:
    """Return Claude's config directory on the host, as a launch had it."""
    for mount in started.get("mounts") or ():
        if isinstance(mount, dict) and mount.get("target") == contract.CONFIG_DIR:
            return Path(str(mount.get("source")))
    return None


def changed(config: Path, workdir: str, since: float) -> Iterator[Transcript]:
    """Yield the transcripts that were written since a moment.

    Args:
        config: Claude's config directory.
        workdir: where Claude was started, inside.
        since: in seconds since 1970.
    """
    left = _MOST_BYTES
    # The small ones first: a huge one takes no other's place.
    candidates = sorted(_candidates(config, workdir, since - _SLACK_SECONDS))
    for _, path in candidates[:_MOST_FILES]:
        found = read(path, since=since - _SLACK_SECONDS, most=left)
        if found is not None:
            left -= found.hashed
            yield found


def read(path: Path, *, since: float = 0.0, most: int = _MOST_BYTES) -> Transcript | None:
    """Hash a transcript, and count its calls since a moment; None if it is none."""
    hashed, calls = 0, dict[str, int]()
    files: dict[str, None] = {}
    try:
        with open_untrusted(path) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None
            size = min(most, status.st_size)
            digest = hasher(size)
            for line in _lines(stream, size):
                digest.update(line)
                hashed += len(line)
                for call in _calls(line, _moment(since)):
                    if call.tool in calls or len(calls) < _MOST_TOOLS:
                        calls[call.tool] = calls.get(call.tool, 0) + 1
                    if call.tool in _WRITING and len(files) < _MOST_TOOLS:
                        files[call.subject] = None
    except OSError:
        return None
    found = digest.hexdigest()
    return Transcript(str(path), status.st_size, found, hashed, calls, tuple(files))


def calls(path: Path, *, since: float, until: float) -> Iterator[Call]:
    """Yield the calls of tools between two moments, as the agent says them.

    Args:
        path: of the transcript.
        since: in seconds since 1970.
        until: likewise.
    """
    last = _moment(until + _SLACK_SECONDS)
    try:
        with open_untrusted(path) as stream:
            status = os.fstat(stream.fileno())
            if stat.S_ISREG(status.st_mode):
                for line in _lines(stream, min(_MOST_BYTES, status.st_size)):
                    found = _calls(line, _moment(since - _SLACK_SECONDS))
                    yield from (call for call in found if call.time <= last)
    except OSError:
        return


def total(transcripts: Iterable[Transcript]) -> dict[str, int]:
    """Return how often each tool was called, in all of them."""
    found: dict[str, int] = {}
    for one in transcripts:
        for name, count in one.tool_calls.items():
            found[name] = found.get(name, 0) + count
    return found


def written(transcripts: Iterable[Transcript]) -> list[str]:
    """Return the files that tools were to write, in all of them."""
    return list(dict.fromkeys(name for one in transcripts for name in one.files))[:_MOST_TOOLS]


def _lines(stream: Any, most: int) -> Iterator[bytes]:  # noqa: ANN401 (a binary stream)
    """Yield lines, or parts of too long ones, up to so many bytes: a file may grow for ever."""
    while most > 0 and (line := stream.readline(min(most, _MOST_LINE))):
        most -= len(line)
        yield line


def _moment(seconds: float) -> str:
    """Return a moment as transcripts write it: such texts sort by time."""
    whole, rest = divmod(int(max(0.0, seconds) * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{rest:03}Z"


def _calls(line: bytes, since: str) -> Iterator[Call]:
    if b'"tool_use"' not in line:
        return
    try:
        document = json.loads(line)
        when, content = str(document["timestamp"]), document["message"]["content"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if when < since or not isinstance(content, list):
        return
    for block in content:
        if isinstance(block, dict) and block.get("type") == "tool_use":
            yield Call(when, str(block.get("name", ""))[:_LONGEST], _subject(block.get("input")))


def _subject(given: object) -> str:
    if not isinstance(given, dict):
        return ""
    for name in ("file_path", "notebook_path", "command", "url", "pattern", "description"):
        if isinstance(given.get(name), str):
            return str(given[name])
    return ""


def _candidates(config: Path, workdir: str, since: float) -> Iterator[tuple[int, Path]]:
    """Yield size and path of what was written since: of the working directory, else of all.

    Their time is that of the last change of anything about them, which no program can set back.
    """
    projects = config / PROJECTS
    named = projects / re.sub(r"[^A-Za-z0-9]", "-", workdir)
    budget = [_MOST_NAMES]
    if not projects.is_symlink():
        place = named if named.is_dir() else projects
        yield from _below(place, since, _DEPTH, budget)


def _below(place: Path, since: float, depth: int, budget: list[int]) -> Iterator[tuple[int, Path]]:
    try:
        if place.is_symlink():
            return
        with os.scandir(place) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        budget[0] -= 1
        if budget[0] < 0:
            return
        path = place / entry.name
        if entry.is_dir(follow_symlinks=False) and depth:
            yield from _below(path, since, depth - 1, budget)
        elif entry.name.endswith(_SUFFIX):
            size = _size_if_new(path, since)
            if size is not None:
                yield size, path


def _size_if_new(path: Path, since: float) -> int | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    is_new = max(status.st_mtime, status.st_ctime) >= since
    return status.st_size if is_new and stat.S_ISREG(status.st_mode) else None
