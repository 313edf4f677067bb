"""Read a Dockerfile and the files that it can copy, as cheaply as is safe.

The context is the Dockerfile's own directory, less `.git` and less what `.dockerignore` names, as
BuildKit reads that: https://docs.docker.com/build/concepts/context/#dockerignore-files. A
Dockerfile that copies nothing has none. Digests are remembered by a file's identity, size and
times, of which the last change cannot be set by anybody; one that was changed just before it was
read is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace_core import host
from pinnace_core.errors import BadProjectImageError, CannotReadError, CannotWriteError
from pinnace_core.files import read_own, read_untrusted, write_atomic
from pinnace_core.tuples import NamedTuple
from pinnace_images.contract import ContextFile

if TYPE_CHECKING:
    from collections.abc import Iterator

_PINNED: Final = "pinnace"
# https://docs.docker.com/reference/dockerfile/#from
_FROM: Final = re.compile(
    r"^[ \t]*from[ \t]+(?:--\S+[ \t]+)*(?P<base>\S+)(?:[ \t]+as[ \t]+(?P<name>\S+))?",
    re.IGNORECASE | re.MULTILINE,
)
_COPIES: Final = re.compile(rb"\b(?:copy|add)\b|--mount", re.IGNORECASE)
_MOST_FILES: Final = 20_000
_MOST_BYTES: Final = 1 << 30
_MOST_DOCKERFILE: Final = 1 << 20
_MOST_REMEMBERED: Final = 1 << 24
# Coarser than any file system's clock: within it, two changes may look like one.
_JUST_NOW_NS: Final = 2_000_000_000
_TOKENS: Final = re.compile(r"\*\*/|\*\*|\*|\?|\\.|\[[^\]]*\]|.", re.DOTALL)
_MEANINGS: Final = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class BuildContext(NamedTuple):
    """A Dockerfile with what it can copy."""

    dockerfile: bytes = b""
    root: str = ""
    files: tuple[ContextFile, ...] = ()


NO_DOCKERFILE: Final = BuildContext()


def read(dockerfile: Path, *, remember: bool = True) -> BuildContext:
    """Read a Dockerfile and its context.

    Args:
        dockerfile: its path.
        remember: keep the digests for next time.

    Raises:
        CannotReadError: it, or a file of the context, cannot be read.
        BadProjectImageError: it is empty or huge, or so is the context.
    """
    try:
        content = None
        if dockerfile.is_file():
            with dockerfile.open("rb") as stream:
                content = stream.read(_MOST_DOCKERFILE + 1)
    except OSError as error:
        raise _unreadable(dockerfile, error) from error
    if content is None:
        raise CannotReadError(
            f"the Dockerfile '{dockerfile}' is not there", hint="write it, or unset 'dockerfile'"
        )
    if not content.strip() or len(content) > _MOST_DOCKERFILE:
        raise BadProjectImageError(
            f"'{dockerfile}' is no Dockerfile", hint="it begins with: FROM pinnace"
        )
    _require_pinned(dockerfile, content)
    if not _COPIES.search(content):
        return BuildContext(content)
    root = dockerfile.parent
    return BuildContext(content, str(root), _files(root, _rules(dockerfile), remember=remember))


def _require_pinned(dockerfile: Path, content: bytes) -> None:
    """See, before anything is pulled or built, that the last stage stands on the pinned image.

    One that a variable names may; so may what follows a heredoc, which can hold anything.
    """
    stages: dict[str, str] = {}
    last = ""
    for found in _FROM.finditer(content.decode(errors="replace")):
        last = found["base"]
        if found["name"]:
            stages[found["name"].lower()] = last
    seen: set[str] = set()
    while last.lower() in stages and last.lower() not in seen:
        seen.add(last.lower())
        last = stages[last.lower()]
    if not (last == _PINNED or "$" in last or b"<<" in content):
        raise BadProjectImageError(
            f"the last stage of '{dockerfile}' stands on '{last or 'nothing'}', not on the pinned "
            "image",
            hint="begin it with: FROM pinnace; copy from others: COPY --from=IMAGE",
        )


def _rules(dockerfile: Path) -> tuple[Rule, ...]:
    """The Dockerfile's own counts first, as with BuildKit."""
    for path in (
        dockerfile.with_name(f"{dockerfile.name}.dockerignore"),
        dockerfile.with_name(".dockerignore"),
    ):
        try:
            # A link is followed, and what is no plain file is an error: a pipe would never end.
            data = read_untrusted(path.resolve(strict=True), most=_MOST_DOCKERFILE)
            return ignore_rules(data.decode("utf-8", errors="replace"))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unreadable(path, error) from error
    return ()


def _files(root: Path, rules: tuple[Rule, ...], *, remember: bool) -> tuple[ContextFile, ...]:
    memory = _Memory(root)
    found: list[ContextFile] = []
    size = 0
    for path, entry in _walk(str(root), "", rules):
        size += entry.stat(follow_symlinks=False).st_size
        if len(found) >= _MOST_FILES or size > _MOST_BYTES:
            raise BadProjectImageError(
                f"the build context '{root}' is too large: "
                f"more than {_MOST_FILES} files or {_MOST_BYTES >> 20} MiB",
                hint="give the Dockerfile a directory of its own, or name in .dockerignore what "
                "it does not copy",
            )
        try:
            found.append(_file(path, entry, memory))
        except OSError as error:
            raise _unreadable(Path(entry.path), error) from error
    if remember:
        memory.keep()
    return tuple(sorted(found))


def _walk(
    directory: str, prefix: str, rules: tuple[Rule, ...]
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    prunes = not any(rule.keeps for rule in rules)
    try:
        entries = list(os.scandir(directory))
    except OSError as error:
        raise _unreadable(Path(directory), error) from error
    for entry in entries:
        path = f"{prefix}{entry.name}"
        out = path == ".git" or leaves_out(rules, path)
        if entry.is_dir(follow_symlinks=False):
            if not out or (path != ".git" and not prunes):
                yield from _walk(entry.path, f"{path}/", rules)
        elif not out and (entry.is_file(follow_symlinks=False) or entry.is_symlink()):
            yield path, entry


def _file(path: str, entry: os.DirEntry[str], memory: _Memory) -> ContextFile:
    if entry.is_symlink():
        return ContextFile(path, "link", str(Path(entry.path).readlink()))
    status = entry.stat(follow_symlinks=False)
    kind = "program" if status.st_mode & stat.S_IXUSR else "file"
    return ContextFile(path, kind, memory.digest(path, Path(entry.path), status))  # type: ignore[arg-type]


class _Memory:
    """Digests from last time; a cache, and no more: whatever is odd about it, files are read."""

    def __init__(self, root: Path) -> None:
        name = hashlib.sha256(str(root).encode(errors="surrogateescape")).hexdigest()
        self._place = host.directory("cache") / "contexts" / name
        self._known = _remembered(self._place)
        self._seen: dict[str, list[Any]] = {}

    def digest(self, path: str, place: Path, status: os.stat_result) -> str:
        """Return the sha256 of a file's content."""
        identity = [status.st_dev, status.st_ino, status.st_size]
        identity += [status.st_mtime_ns, status.st_ctime_ns]
        known = self._known.get(path)
        if isinstance(known, list) and known[:-1] == identity:
            digest = str(known[-1])
        else:
            digest = hashlib.sha256(place.read_bytes()).hexdigest()
        # On Windows, the last time is that of its making.
        if os.name != "nt" and time.time_ns() - status.st_ctime_ns > _JUST_NOW_NS:
            self._seen[path] = [*identity, digest]
        return digest

    def keep(self) -> None:
        """Write what was seen, if that is another thing than before."""
        if self._seen != self._known:
            try:
                write_atomic(self._place, json.dumps(self._seen).encode(), mode=0o600)
            except CannotWriteError:
                return


def _remembered(place: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_own(place, most=_MOST_REMEMBERED))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _unreadable(path: Path, error: OSError) -> CannotReadError:
    return CannotReadError(
        f"'{path}' cannot be read: {error.strerror}",
        hint="make it readable, or name it in .dockerignore",
    )


class Rule(NamedTuple):
    """A line of a `.dockerignore`."""

    pattern: re.Pattern[str]
    keeps: bool


def ignore_rules(text: str) -> tuple[Rule, ...]:
    """Read a `.dockerignore`; what is no pattern is skipped."""
    found = []
    for raw in text.removeprefix("\ufeff").splitlines():
        line = raw.strip()
        if not line or raw.startswith("#"):
            continue
        keeps = line.startswith("!")
        cleaned = posixpath.normpath(line.removeprefix("!").strip()).lstrip("/")
        if cleaned in {"", "."}:
            continue
        try:
            found.append(Rule(re.compile(f"(?:{_expression(cleaned)})(?:/.*)?", re.DOTALL), keeps))
        except re.error:
            continue
    return tuple(found)


def leaves_out(rules: tuple[Rule, ...], path: str) -> bool:
    """Return whether a path, with slashes, below the context is left out.

    The last pattern that matches counts; one that matches a directory matches all below it.
    """
    out = False
    for rule in rules:
        if rule.keeps == out and rule.pattern.fullmatch(path):
            out = not out
    return out


def _expression(pattern: str) -> str:
    """Write one pattern as a regular expression."""
    return "".join(_meaning(token) for token in _TOKENS.findall(pattern))


def _meaning(token: str) -> str:
    if token in _MEANINGS:
        return _MEANINGS[token]
    if token.startswith("[") and token.endswith("]"):
        return token
    return re.escape(token[-1])
