"""Make a clone: the files as they lie there, and a git directory of its own that knows the history.

The project's git is not started with the project's configuration, and nothing is checked out: no
hook, filter or helper runs. Objects are lent, read-only, so that a long history costs nothing.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from pinnace.layers import changes, commits, repository, snapshot
from pinnace.layers.tree import CHUNK, Tree, give, is_git
from pinnace_core.container import Mount
from pinnace_core.files import cannot_write, like

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.layers import Layer

_LENT: Final = "/var/lib/pinnace/git"
# What of a git directory is copied as it is: where it stands, and what is staged or under way.
_FILES: Final = re.compile(
    r"HEAD|index|sharedindex\.[0-9a-f]+|shallow|ORIG_HEAD|MERGE_\w+|CHERRY_PICK_HEAD|REVERT_HEAD"
    r"|info/(exclude|sparse-checkout)|hooks/[a-z-]+"
)
_MOST_OF_A_HOOK: Final = 1 << 20
# Of its configuration: nothing that names a program, but hooks, which only run inside.
_KEYS: Final = re.compile(
    r"remote\.[^\n]+\.(url|pushurl|fetch)|branch\.[^\n]+\.(remote|merge|rebase)"
    r"|submodule\.[^\n]+\.(url|active|path|update)|user\.(name|email)"
    r"|core\.(worktree|hookspath|autocrlf|eol|safecrlf|filemode|ignorecase|symlinks"
    r"|precomposeunicode|longpaths|sparsecheckout|sparsecheckoutcone)"
    r"|extensions\.objectformat|lfs\.[^\n]*|index\.(version|sparse)|push\.[a-z]+|pull\.[a-z]+",
    re.IGNORECASE,
)
_OWN: Final = {
    "core.repositoryformatversion": "0",
    "core.bare": "false",
    # Files keep their times here; all else of a file's state is another's than in the index.
    "core.checkstat": "minimal",
    "core.trustctime": "false",
}


def lent(layer: Layer) -> Iterator[Mount]:
    """Give what a clone borrows of the project's history, and where its git looks for that."""
    if not layer.git:
        return
    for module, common in _repositories(layer):
        for part in ("objects", "lfs/objects"):
            if (common / part).is_dir():
                target = str(PurePosixPath(_LENT, module, part))
                yield Mount(str(common / part), target, read_only=True)


def _repositories(layer: Layer) -> Iterator[tuple[str, Path]]:
    yield "", Path(layer.common)
    for module in repository.modules(Path(layer.git)):
        yield module, Path(layer.git, module)


def make(layer: Layer) -> None:
    """Make the clone of a layer.

    Raises:
        CannotWriteError: it cannot be written.
        CloneFailedError: git cannot say which files there are.
    """
    try:
        layer.root.mkdir(mode=0o700)
        like(layer.root, Path(layer.workspace))
        if layer.git:
            _make_git(layer)
            commits.keep_base(layer)
        _copy_files(layer)
        _give_all(layer.root)
    except OSError as error:
        raise cannot_write(layer.root, error) from error


def _make_git(layer: Layer) -> None:
    for module, common in _repositories(layer):
        target = layer.root / ".git" / module
        own = Path(layer.git) if not module else common
        repository.make_plain(target, sha256=repository.uses_sha256(common))
        with Tree(own) as source, Tree(target) as copy:
            for entry in _standing(source):
                _copy(source, entry, copy, entry)
        _write_references(common, target)
        _configure(common, target)
        place = PurePosixPath(_LENT, module, "objects")
        (target / "objects/info/alternates").write_text(f"{place}\n", encoding="utf-8")


def _standing(source: Tree) -> Iterator[str]:
    for place in ("", "info", "hooks"):
        for entry in source.entries(place):
            plain = stat.S_ISREG(entry.status.st_mode) and _FILES.fullmatch(entry.path)
            if plain and (place != "hooks" or entry.status.st_size < _MOST_OF_A_HOOK):
                yield entry.path


def _write_references(common: Path, target: Path) -> None:
    """Write all references as git packs them."""
    found = repository.references(common)
    lines = [f"{found[name]} {name}\n" for name in sorted(found) if name != "HEAD"]
    header = "# pack-refs with: sorted \n"
    (target / "packed-refs").write_text("".join([header, *lines]), encoding="utf-8")


def _configure(common: Path, target: Path) -> None:
    """Write a configuration of what may go in."""
    listed = repository.run(
        ("config", "--file", str(common / "config"), "--no-includes", "--null", "--list"),
        git=target,
    )
    pairs = [text.partition("\n")[::2] for text in repository.lines(listed)]
    sha256 = {"core.repositoryformatversion": "1"} if repository.uses_sha256(common) else {}
    chosen = [(key, value) for key, value in pairs if _KEYS.fullmatch(key)]
    text = "".join(_written(key, value) for key, value in [*(_OWN | sha256).items(), *chosen])
    (target / "config").write_text(text, encoding="utf-8", errors="surrogateescape")


def _written(key: str, value: str) -> str:
    section, _, rest = key.partition(".")
    middle, _, name = rest.rpartition(".")
    quoted = [part.replace("\\", "\\\\").replace('"', '\\"') for part in (middle, value)]
    title = f'{section} "{quoted[0]}"' if middle else section
    text = quoted[1].replace("\n", "\\n").replace("\t", "\\t")
    return f'[{title}]\n\t{name} = "{text}"\n'


def _give_all(place: Path) -> None:
    if os.geteuid() == 0:
        status = place.stat()
        for directory, _, files in os.walk(place):
            for path in (Path(directory), *(Path(directory, name) for name in files)):
                os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)


def _copy_files(layer: Layer) -> None:
    """Copy the project's files, and keep what both sides look like then."""
    base: dict[str, str] = {}
    own: dict[str, str] = {}
    with Tree(layer.workspace) as source, Tree(layer.root) as copy:
        for path in _paths(layer, source):
            with suppress(FileNotFoundError, NotADirectoryError):
                status = source.status(path)
                if status is not None and _copy(source, path, copy, path):
                    base[path] = snapshot.mark(status)
                    own[path] = snapshot.mark(copy.status(path))
    snapshot.write(layer.place, base)
    snapshot.write(layer.place, own, name=changes.OWN)


def _paths(layer: Layer, source: Tree) -> Iterator[str]:
    """Give what is copied: all that git does not ignore; without git, all."""
    if not layer.git:
        yield from (entry.path for entry in source.files())
        return
    trees = dict(_work_trees(layer))
    seen = set(trees)
    for place, git in trees.items():
        for name in _listed(git, Path(layer.workspace, place)):
            path = os.path.normpath(f"{place}/{name}" if place else name)
            status = source.status(path)
            if status is None or path in seen or any(map(is_git, path.split("/"))):
                continue
            seen.add(path)
            if stat.S_ISDIR(status.st_mode):
                # Of a repository that is no submodule, the files; its history stays.
                yield from (entry.path for entry in source.files(path))
            else:
                yield path


def _listed(git: Path, tree: Path) -> Iterator[str]:
    asked = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return repository.lines(repository.run(asked, git=git, GIT_WORK_TREE=str(tree)))


def _work_trees(layer: Layer) -> Iterator[tuple[str, Path]]:
    """Give where files lie, relative to the project, and whose git directory knows them."""
    git = layer.root / ".git"
    yield "", git
    for module in repository.modules(git):
        place = _work_tree(layer, module)
        if place:
            yield place, git / module
            _join(layer.root / place, git / module)


def _work_tree(layer: Layer, module: str) -> str:
    """Return where a submodule's files are, relative to the project; empty: nowhere in it."""
    asked = ("config", "--file", "config", "--get", "core.worktree")
    said = repository.run(asked, git=layer.root / ".git" / module, passing=(1,))
    text = os.fsdecode(said).removesuffix("\n")
    place = Path(os.path.normpath(Path(layer.git, module, text)))
    within = place.is_relative_to(layer.workspace) and place != Path(layer.workspace)
    return str(place.relative_to(layer.workspace)) if within and (place / ".git").is_file() else ""


def _join(place: Path, git: Path) -> None:
    """Let a submodule's files and its git directory name each other."""
    place.mkdir(parents=True, exist_ok=True)
    link = os.path.relpath(git, place)
    (place / ".git").write_text(f"gitdir: {link}\n", encoding="utf-8", errors="surrogateescape")
    back = os.path.relpath(place, git)
    repository.run(("config", "--file", "config", "core.worktree", back), git=git)


def _copy(source: Tree, path: str, target: Tree, name: str) -> bool:
    """Copy a file or a link with rights and times; of anything else, nothing."""
    status = source.status(path)
    if status is None or not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        return False
    parent = target.parent(name, make=0o755)
    last = name.rpartition("/")[2]
    if stat.S_ISLNK(status.st_mode):
        os.symlink(source.link(path), last, dir_fd=parent)
        return True
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(source.open(path), "rb") as stream:
        copy = os.open(last, flags, 0o600, dir_fd=parent)
        try:
            _copy_content(stream.fileno(), copy)
            give(copy, parent)
            os.fchmod(copy, stat.S_IMODE(status.st_mode) & 0o777)
            os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(copy)
    return True


def _copy_content(source: int, target: int) -> None:
    """Copy by the kernel, which shares blocks where the file system can."""
    with suppress(OSError, AttributeError):
        while os.copy_file_range(source, target, CHUNK << 6):
            pass
    while part := os.read(source, CHUNK):
        os.write(target, part)
