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

from pinnace.launch import repositories
from pinnace.layers import repository as plain
from pinnace.workspace import git
from pinnace_core import console
from pinnace_core.errors import WorktreeFailedError
from pinnace_core.files import read_untrusted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.launch.repositories import Repository
    from pinnace.launch.worktrees import Worktree
    from pinnace_core.host import HostFacts

# As git 2.54 marks and numbers entries of an index: https://git-scm.com/docs/git-ls-files
_LEFT_OUT: Final = "S"
_SUBMODULE: Final = "160000 "
_UNREAD: Final = "could not open directory"
_SHARED: Final = ("refs/heads", "refs/tags", "refs/remotes")
# What git keeps of an operation until it has ended.
_UNDER_WAY: Final = (
    *("rebase-merge", "rebase-apply", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"),
    *("sequencer", "BISECT_LOG"),
)
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
    own = repository._replace(git=one.git)
    if not one.is_filled:
        # Nothing was checked out yet; or whoever works there has removed the index.
        return "files, and no index" if set(os.listdir(one.path)) - {".git"} else ""  # noqa: PTH208
    with _apart(own, facts) as ours:
        changed = _changed(ours, one, facts)
    if changed:
        return f"{changed} {'changes that are' if changed > 1 else 'change that is'} not committed"
    inner = next(_repositories(one.path), "")
    if inner:
        return f"a repository of its own in '{console.printable(inner)}'"
    under_way = next((name for name in _UNDER_WAY if os.path.lexists(one.git / name)), "")
    if under_way:
        return f"something of git's under way ({under_way})"
    if one.branch:
        return ""
    # Not those of the worktree's own, as of a bisection: they go with it.
    words = ("--count=1", "--contains=HEAD", *_SHARED)
    named = repositories.run(own, facts, "for-each-ref", *words)
    return "" if named.returncode == 0 and named.stdout else "commits that no branch has"


def _changed(ours: Repository, one: Worktree, facts: HostFacts) -> int:
    """Return how many files differ from what is committed, or are new; by all of their content.

    Raises:
        WorktreeFailedError: git cannot tell.
    """
    where = f"--work-tree={one.path}"
    linked = _renewed(ours, one, facts)
    words = ("status", "--porcelain", "-z", "--untracked-files=all", "--ignore-submodules=all")
    done = repositories.start(ours, facts, where, *words)
    if done.returncode != 0 or _UNREAD in done.stderr:
        raise repositories.failed(done, f"git cannot tell what is in '{one.path}'")
    # Nothing that lies where a submodule belongs is compared.
    filled = (name for name in linked if _holds(one.path / name))
    return sum(1 for entry in done.stdout.split("\0") if entry) + sum(1 for _ in filled)


def _renewed(ours: Repository, one: Worktree, facts: HostFacts) -> list[str]:
    """Make the index anew, with nothing in it that keeps git from reading a file; list submodules.

    What it says of files' times, and that they are not to be looked at, may be made up.

    Raises:
        WorktreeFailedError: git cannot read it.
    """
    listed = repositories.start(ours, facts, "ls-files", "--stage", "-t", "-z")
    if listed.returncode != 0:
        raise repositories.failed(listed, f"git cannot tell what is in '{one.path}'")
    entries = [entry.split(" ", 1) for entry in listed.stdout.split("\0") if entry]
    # What was left out of a sparse checkout is not missing.
    kept = [rest for tag, rest in entries if tag != _LEFT_OUT or _is_there(one.path, rest)]
    left_out = [rest for tag, rest in entries if tag == _LEFT_OUT and not _is_there(one.path, rest)]
    (ours.git / "index").unlink()
    given = "".join(f"{rest}\0" for rest in (*kept, *left_out))
    made = repositories.start(ours, facts, "update-index", "-z", "--index-info", given=given)
    if made.returncode == 0 and left_out:
        given = "".join(f"{_name(rest)}\0" for rest in left_out)
        words = (f"--work-tree={one.path}", "update-index", "-z", "--skip-worktree", "--stdin")
        made = repositories.start(ours, facts, *words, given=given)
    if made.returncode != 0:
        raise repositories.failed(made, f"git cannot tell what is in '{one.path}'")
    return [_name(rest) for rest in kept if rest.startswith(_SUBMODULE)]


def _name(entry: str) -> str:
    return entry.partition("\t")[2]


def _is_there(place: Path, entry: str) -> bool:
    return os.path.lexists(place / _name(entry))


def _holds(place: Path) -> bool:
    """Return whether anything is in a place, or it is no directory."""
    try:
        return place.is_symlink() or bool(os.listdir(place))  # noqa: PTH208 (names are enough)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _repositories(place: Path) -> Iterator[str]:
    """Yield directories below a place that are repositories, or a submodule's files: by `.git`.

    Git passes over what is in them, and over those that it ignores.
    """
    for directory, below, files in os.walk(place):
        found = ".git" in below or ".git" in files
        if found and directory != str(place):
            yield os.path.relpath(directory, place)
        below[:] = [name for name in below if name != ".git"]


@contextmanager
def _apart(own: Repository, facts: HostFacts) -> Iterator[Repository]:
    """Give a git directory of ours, that has what a worktree has.

    Raises:
        WorktreeFailedError: it cannot be made.
    """
    head = repositories.run(own, facts, "rev-parse", "--verify", "--quiet", "HEAD").stdout.strip()
    with tempfile.TemporaryDirectory(prefix="pinnace-") as directory:
        place = Path(directory, "git")
        try:
            plain.make_plain(place, sha256=plain.is_sha256(head))
            _fill(place, own, head, _settings(own, facts))
            repositories.give(Path(directory), own.owner, facts)
        except OSError as error:
            raise WorktreeFailedError(
                f"what is not committed cannot be told: {error.strerror or error}",
                hint="see whether the disk is full, and whose the repository is",
            ) from error
        yield own._replace(git=place, common=place)


def _settings(own: Repository, facts: HostFacts) -> str:
    # What this reads, nothing is run by: it is written again as plain words.
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
