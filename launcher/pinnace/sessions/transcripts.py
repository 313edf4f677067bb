"""Where transcripts lie: CONFIG/projects/DIRECTORY/ID.jsonl, one for each place Claude ran in.

An agent writes there: links, pipes, names without end. Each step is one that follows no link,
only plain files called by an id count, and no more than so many names are looked at.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, BinaryIO, Final

from pinnace.layers.tree import Tree
from pinnace.sessions.names import is_id
from pinnace_core.errors import BadTranscriptError, CannotReadError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROJECTS: Final = "projects"
SUFFIX: Final = ".jsonl"
_MOST_NAMES: Final = 100_000
_MOST_DIRECTORIES: Final = 10_000
_LONGEST: Final = 200


class Transcript(NamedTuple):
    """A transcript.

    Attributes:
        config: Claude's config directory that it lies in.
        directory: that it lies in, as Claude calls it: the working directory with dashes.
        id: the session's.
        size: in bytes.
        modified: when it was written last, in seconds since 1970.
    """

    config: Path
    directory: str
    id: str
    size: int
    modified: float

    @property
    def path(self) -> str:
        """Where it is below the config directory."""
        return f"{PROJECTS}/{self.directory}/{self.id}{SUFFIX}"

    @property
    def belongings(self) -> str:
        """Where what belongs to it is: transcripts of its agents, long results of tools."""
        return f"{PROJECTS}/{self.directory}/{self.id}"


def all_of(config: Path) -> Iterator[Transcript]:
    """Yield the transcripts in a config directory, in no order."""
    if not config.is_dir():
        return
    budget = _MOST_NAMES
    with Tree(config) as tree:
        for directory in _names(tree, PROJECTS, _MOST_DIRECTORIES):
            names = _names(tree, f"{PROJECTS}/{directory}", budget)
            budget -= len(names)
            for name in names:
                found = _transcript(config, tree, directory, name)
                if found is not None:
                    yield found


def find(config: Path, session: str) -> Transcript | None:
    """Return a session's transcript; of several, the one that was written last."""
    found = None
    if config.is_dir() and is_id(session):
        with Tree(config) as tree:
            for directory in _names(tree, PROJECTS, _MOST_DIRECTORIES):
                one = _transcript(config, tree, directory, f"{session}{SUFFIX}")
                if one and (found is None or one.modified > found.modified):
                    found = one
    return found


def directory_of(workdir: str) -> str:
    """Return what Claude calls the directory of transcripts of a working directory."""
    return re.sub(r"[^A-Za-z0-9]", "-", workdir)


def directories(*workdirs: str) -> list[str]:
    """Return what Claude calls the directories of transcripts of several, each once."""
    return list(dict.fromkeys(directory_of(one)[:_LONGEST] for one in workdirs))


def opened(transcript: Transcript) -> BinaryIO:
    """Open a transcript to be read.

    Raises:
        CannotReadError: it is gone, or cannot be read.
        BadTranscriptError: it is not a plain file any more.
    """
    try:
        with Tree(transcript.config) as tree:
            return os.fdopen(tree.open(transcript.path), "rb")
    except FileNotFoundError as error:
        raise CannotReadError(
            f"the transcript of session {transcript.id} is gone", hint="see: pinnace session list"
        ) from error
    except PermissionError as error:
        raise CannotReadError(
            f"'{transcript.config / transcript.path}' cannot be read: {error.strerror}",
            hint="see whose it is",
        ) from error
    except OSError as error:
        raise not_plain(transcript) from error


def not_plain(transcript: Transcript) -> BadTranscriptError:
    """Return the error of a transcript that is a link or the like."""
    return BadTranscriptError(
        f"'{transcript.config / transcript.path}' is not a plain file",
        hint="something inside put it there; see what it is, and move it away",
    )


def _names(tree: Tree, path: str, most: int) -> list[str]:
    """Name what is in a directory, sorted; nothing if it is none, and no more than so many."""
    found: list[str] = []
    try:
        descriptor = os.open(
            path.rpartition("/")[2],
            os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW,
            dir_fd=tree.parent(path),
        )
    except OSError:
        return []
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if len(found) >= most:
                    break
                found.append(entry.name)
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return sorted(found)


def _transcript(config: Path, tree: Tree, directory: str, name: str) -> Transcript | None:
    session = name.removesuffix(SUFFIX)
    if session == name or not is_id(session):
        return None
    status = tree.status(f"{PROJECTS}/{directory}/{name}")
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    return Transcript(config, directory, session, status.st_size, status.st_mtime)
