"""What would be lost with a worktree: git compares it, started with a configuration of ours alone.

That of the repository, and all that it includes, may be written to while git reads it: to look what
it names, and turn that off, is not enough. So git gets a directory of ours, with copies of what it
compares with, and what a worktree's files are compared by.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.launch import worktrees
from pinnace.layers import repository as plain
from pinnace.workspace import git
from pinnace_core.errors import WorktreeFailedError
from pinnace_core.files import read_untrusted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.launch.worktrees import Repository, Worktree
    from pinnace_core.host import HostFacts

_MOST_BYTES: Final = 1 << 30
_MOST_EXCLUDED: Final = 1 << 20
# Words that a file system and line ends make a difference by; none of them is a program.
_COMPARED_BY: Final = (
    r"^core\.(filemode|ignorecase|symlinks|precomposeunicode|autocrlf|eol|trustctime|checkstat)$"
)


def unsaved(repository: Repository, one: Worktree, facts: HostFacts) -> str:
    """Return what would be lost with a worktree; empty: nothing.

    Raises:
        WorktreeFailedError: git cannot tell.
    """
    if not one.is_filled:
        return ""
    own = repository._replace(git=one.git)
    words = ("status", "--porcelain", "-z", "--untracked-files=all", "--ignore-submodules=all")
    with _apart(own, facts) as ours:
        done = worktrees.run(ours, facts, f"--work-tree={one.path}", *words)
    if done.returncode != 0:
        raise worktrees.failed(done, f"git cannot tell what is in '{one.path}'")
    changed = sum(1 for entry in done.stdout.split("\0") if entry)
    if changed:
        return f"{changed} {'changes that are' if changed > 1 else 'change that is'} not committed"
    if one.branch:
        return ""
    named = worktrees.run(own, facts, "for-each-ref", "--count=1", "--contains=HEAD")
    return "" if named.returncode == 0 and named.stdout else "commits that no branch has"


@contextmanager
def _apart(own: Repository, facts: HostFacts) -> Iterator[Repository]:
    """Give a git directory of ours, that has what a worktree has.

    Raises:
        WorktreeFailedError: it cannot be made.
    """
    head = worktrees.run(own, facts, "rev-parse", "--verify", "--quiet", "HEAD").stdout.strip()
    with tempfile.TemporaryDirectory(prefix="pinnace-") as directory:
        place = Path(directory, "git")
        try:
            plain.make_plain(place, sha256=plain.is_sha256(head))
            _fill(place, own, head, _settings(own, facts))
            _give(Path(directory), facts, own.owner)
        except OSError as error:
            raise WorktreeFailedError(
                f"what is not committed cannot be told: {error.strerror or error}",
                hint="see whether the disk is full, and whose the repository is",
            ) from error
        yield own._replace(git=place)


def _settings(own: Repository, facts: HostFacts) -> str:
    words = ("config", "--includes", "--null", "--get-regexp", _COMPARED_BY)
    said = git.answer((f"--git-dir={own.git}", *words), facts, os.sep) or ""
    pairs = (entry.partition("\n") for entry in said.split("\0") if entry)
    lines = [
        f"\t{key.rpartition('.')[2]} = {value or 'true'}\n"
        for key, _, value in pairs
        if re.fullmatch(r"[A-Za-z]*", value)
    ]
    return "[core]\n\tbare = false\n" + "".join(lines)


def _fill(place: Path, own: Repository, head: str, settings: str) -> None:
    if head:
        (place / "HEAD").write_text(f"{head}\n", encoding="ascii")
    with (place / "config").open("a", encoding="ascii") as stream:
        stream.write(settings)
    objects = os.fsencode(f"{own.common}/objects\n")
    (place / "objects/info/alternates").write_bytes(objects)
    for name in os.listdir(own.git):  # noqa: PTH208 (names are what is wanted)
        if name == "index" or name.startswith("sharedindex."):
            # First: a file that is as old as the index may have changed since, and is read again.
            status = (own.git / name).lstat()
            data = read_untrusted(own.git / name, most=_MOST_BYTES)
            (place / name).write_bytes(data)
            os.utime(place / name, ns=(status.st_atime_ns, status.st_mtime_ns))
    with suppress(OSError):
        data = read_untrusted(own.common / "info/exclude", most=_MOST_EXCLUDED)
        (place / "info/exclude").write_bytes(data)


def _give(directory: Path, facts: HostFacts, owner: tuple[int, int]) -> None:
    """Let git, which root starts as the repository's owner, read it."""
    if facts.uid == 0 and owner[0] != 0:
        for path in (directory, *directory.rglob("*")):
            os.chown(path, *owner, follow_symlinks=False)
