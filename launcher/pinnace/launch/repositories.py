"""The host's git on a project's repository, started with a configuration of Pinnace's alone.

That of the repository, and all that it includes, may be written to while git reads it: to look what
it names, and turn that off, is not enough. So git gets a common directory of ours, whose objects,
references and worktrees are links to the repository's, as git's own contrib/workdir made them: what
is configured or hooked there, git never sees.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.workspace import git
from pinnace_core.errors import UnsafeRequestError, WorktreeFailedError
from pinnace_core.files import read_untrusted
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace_core.host import HostFacts

    Done = subprocess.CompletedProcess[str]

_SECONDS: Final = 120.0
_MOST_BYTES: Final = 1 << 20
# Nothing is fetched, not even what a partial clone lacks.
_OFFLINE: Final = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
# What git says is read here.
_IN_ENGLISH: Final = {"LC_ALL": "C"}
# Paths from the root, which any git knows; and it is the user's wish that root works here.
_PLAIN: Final = ("-c", "worktree.useRelativePaths=false", "-c", "safe.directory=*")
_LINKED: Final = ("objects", "refs", "reftable", "packed-refs", "logs", "shallow", "worktrees")
# What a repository is to be read by; none of it is a program, and other values are not known.
_FORMAT: Final = (
    (rb"(?mi)^[ \t]*objectformat[ \t]*=[ \t]*\"?sha256", "[extensions]\n\tobjectFormat = sha256\n"),
    (rb"(?mi)^[ \t]*refstorage[ \t]*=[ \t]*\"?reftable", "[extensions]\n\trefStorage = reftable\n"),
    (rb"(?mi)^[ \t]*bare[ \t]*=[ \t]*\"?true", "[core]\n\tbare = true\n"),
)


class Repository(NamedTuple):
    """A repository, as a project has it.

    Attributes:
        git: the project's git directory, which knows where it stands.
        common: what all worktrees share.
        owner: uid and gid of the project's root.
    """

    git: Path
    common: Path
    owner: tuple[int, int]


def run(repository: Repository, facts: HostFacts, *words: str) -> Done:
    """Run git on a repository's records, as its owner; what it is configured to, does not count.

    Raises:
        UnsafeRequestError: its worktrees are elsewhere, by a link.
        WorktreeFailedError: there is no git, or it takes too long.
    """
    with _apart(repository, facts) as common:
        own = common if repository.git == repository.common else repository.git
        done = start(repository._replace(git=own, common=common), facts, *words)
        # It takes ours for where the repository stands.
        done.stderr = done.stderr.replace(str(common.parent), str(repository.common.parent))
        return done


def start(repository: Repository, facts: HostFacts, *words: str, given: str = "") -> Done:
    """Run git in directories whose configuration is ours.

    Args:
        repository: these.
        facts: the host.
        words: for git.
        given: on standard input.

    Raises:
        WorktreeFailedError: there is no git, or it takes too long.
    """
    environment = git.environment(facts.environment) | _OFFLINE | _IN_ENGLISH
    if _is_for_another(repository, facts):
        # Of root's own configuration, nothing can be read.
        environment |= {"HOME": os.devnull, "GIT_CONFIG_GLOBAL": os.devnull}
    # git starts itself for some of it, which has to go by the same.
    environment |= {"GIT_DIR": str(repository.git), "GIT_COMMON_DIR": str(repository.common)}
    options: dict[str, object] = {"input": given}
    if _is_for_another(repository, facts):
        user, group = repository.owner
        options |= {"user": user, "group": group, "extra_groups": []}
    return _done([*git.COMMAND, *_PLAIN, *words], environment, options)


def _is_for_another(repository: Repository, facts: HostFacts) -> bool:
    return facts.uid == 0 and repository.owner[0] != 0 and os.name == "posix"


@contextmanager
def _apart(repository: Repository, facts: HostFacts) -> Iterator[Path]:
    """Give a common directory of ours, that has what a repository's has.

    Raises:
        UnsafeRequestError: its worktrees are elsewhere, by a link.
        WorktreeFailedError: it cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="pinnace-") as directory:
        place = Path(os.path.realpath(directory), ".git")
        try:
            place.mkdir()
            _fill(place, repository, facts)
            give(place.parent, repository.owner, facts)
        except OSError as error:
            raise WorktreeFailedError(
                f"git cannot be kept from what the repository names: {error.strerror or error}",
                hint="see whether the disk is full, and whose the repository is; or use --clone",
            ) from error
        yield place


def _fill(place: Path, repository: Repository, facts: HostFacts) -> None:
    common = repository.common
    (place / "HEAD").write_bytes(read_untrusted(common / "HEAD", most=_MOST_BYTES))
    (place / "config").write_text(_configuration(common), encoding="ascii")
    worktrees = common / "worktrees"
    if worktrees.is_symlink():
        raise UnsafeRequestError(
            f"'{worktrees}' is a link: git would write where it leads",
            hint="see where that is, and remove it",
        )
    with suppress(FileExistsError):
        worktrees.mkdir()
        if _is_for_another(repository, facts):
            os.chown(worktrees, *repository.owner)
    for name in _LINKED:
        if os.path.lexists(common / name):
            (place / name).symlink_to(common / name)


def _configuration(common: Path) -> str:
    try:
        data = read_untrusted(common / "config", most=_MOST_BYTES)
    except OSError:
        data = b""
    found = [text for pattern, text in _FORMAT if re.search(pattern, data)]
    version = int(any(text.startswith("[extensions]") for text in found))
    return "".join([f"[core]\n\trepositoryformatversion = {version}\n\tbare = false\n", *found])


def give(directory: Path, owner: tuple[int, int], facts: HostFacts) -> None:
    """Let git, which root starts as a repository's owner, read a directory of ours."""
    if facts.uid == 0 and owner[0] != 0:
        for path in (directory, *directory.rglob("*")):
            os.chown(path, *owner, follow_symlinks=False)


def _done(argv: list[str], environment: dict[str, str], options: dict[str, object]) -> Done:
    try:
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            argv,
            check=False,
            capture_output=True,
            cwd=os.sep,
            encoding="utf-8",
            env=environment,
            errors="surrogateescape",
            timeout=_SECONDS,
            **options,
        )
    except subprocess.TimeoutExpired:
        raise WorktreeFailedError("git takes too long", hint="see what holds it up") from None
    except FileNotFoundError:
        raise WorktreeFailedError(
            "a branch of its own needs git on this machine", hint="install git; or use --clone"
        ) from None
    except OSError as error:
        # As where root has no right to become the repository's owner.
        raise WorktreeFailedError(
            f"git cannot be run: {error.strerror or error}", hint="run it as the repository's owner"
        ) from error


def failed(done: Done, what: str) -> WorktreeFailedError:
    """Return the error of a git that did not do something."""
    said = next(iter(done.stderr.strip().splitlines()), f"git ended with {done.returncode}")
    reason = said.removeprefix("fatal: ").removeprefix("error: ")
    return WorktreeFailedError(f"{what}: {reason}", hint="see: git worktree list, git branch")
