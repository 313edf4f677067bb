"""What was committed in a layer or a clone comes back as references, by what executes nothing.

Objects are copied as plain files with the names that git gives them, then packed from a repository
of ours and taken in by `git index-pack`, which hashes and checks each. Then a reference is written,
`refs/pinnace/LAYER/BRANCH`, which no branch of the user's is. Nothing else of a git directory that
a launch wrote is read: neither configuration, hooks nor the places it names.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.layers import repository
from pinnace.layers.tree import CHUNK, Tree, give
from pinnace_core import temporaries
from pinnace_core.errors import CloneFailedError
from pinnace_core.files import write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.layers import Layer

_BASE: Final = "refs.json"
_HEADS: Final = "refs/heads/"
_LOOSE: Final = re.compile(r"[0-9a-f]{2}/(?:[0-9a-f]{38}|[0-9a-f]{62})")
_PACK: Final = re.compile(r"pack/pack-[0-9a-f]{40}(?:[0-9a-f]{24})?\.pack")
_LFS: Final = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/([0-9a-f]{64})")
_MOST_BYTES: Final = 8 << 30
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


class Branch(NamedTuple):
    """A branch that is in a layer as it is not here.

    Attributes:
        module: git directory of its submodule, relative to the project's; empty: the project's own.
        name: of it; `HEAD` if there is none.
        commit: that it is at.
    """

    module: str
    name: str
    commit: str


def keep_base(layer: Layer) -> None:
    """Keep what the project's references are now.

    Raises:
        CannotWriteError: they cannot be written.
    """
    found = {module: repository.references(place) for module, place in _ours(layer)}
    write_atomic(layer.place / _BASE, json.dumps(found).encode(), mode=0o600)


def _base(layer: Layer) -> dict[str, dict[str, str]]:
    try:
        return dict(json.loads((layer.place / _BASE).read_bytes()))
    except (OSError, ValueError):
        return {}


def _ours(layer: Layer) -> Iterator[tuple[str, Path]]:
    """Give the project's git directory, and those of its submodules, with their names."""
    if layer.git:
        yield "", Path(layer.common)
        for module in repository.modules(Path(layer.git)):
            yield module, Path(layer.git, module)


def new(layer: Layer) -> list[Branch]:
    """Return the branches that were made or moved in a layer, and are not here yet."""
    base = _base(layer)
    found = []
    for module, place in _ours(layer):
        ours, before = repository.references(place), base.get(module, {})
        theirs = repository.references(layer.root, _inner(module))
        for name, commit in sorted(theirs.items()):
            is_one = name.startswith(_HEADS) or name == "HEAD"
            known = {before.get(name), ours.get(name), ours.get(reference(layer, name))}
            if is_one and commit not in known:
                found.append(Branch(module, name.removeprefix(_HEADS), commit))
    return found


def _inner(module: str) -> str:
    """Return where a git directory is in a layer."""
    return f".git/{module}" if module else ".git"


def reference(layer: Layer, name: str) -> str:
    """Return the name that a branch of a layer gets here."""
    return f"refs/pinnace/{layer.name}/{name.removeprefix(_HEADS)}"


def fetch(layer: Layer) -> Iterator[tuple[Branch, str]]:
    """Take over what was committed; give each branch, and why it was not taken over, or nothing.

    Raises:
        CloneFailedError: nothing can be taken in.
        OSError: something cannot be read or written.
    """
    branches = new(layer)
    for module, place in _ours(layer):
        wanted = [branch for branch in branches if branch.module == module]
        if wanted:
            if place.resolve() != place:
                # It may be the work of another launch; nothing is written elsewhere.
                raise CloneFailedError(f"'{place}' is a link now", hint="see where it leads")
            yield from _take_in(layer, place, wanted)
            _take_large(layer, module, place)


def _take_in(layer: Layer, ours: Path, branches: list[Branch]) -> Iterator[tuple[Branch, str]]:
    if (ours / "reftable").is_dir():
        raise CloneFailedError(
            f"'{ours}' keeps its references in tables, which only git itself writes",
            hint="take the files over by their names: pinnace review apply PATH",
        )
    plain = layer.place / "git"
    shutil.rmtree(plain, ignore_errors=True)
    try:
        repository.make_plain(plain, sha256=repository.is_sha256(branches[0].commit))
        with suppress(FileNotFoundError):
            shutil.copyfile(ours / "shallow", plain / "shallow")
        (plain / "objects/info/alternates").write_bytes(os.fsencode(f"{ours}/objects\n"))
        inner = f"{_inner(branches[0].module)}/objects"
        with Tree(layer.root, inner) as theirs:
            packs = list(_copied(theirs, ours / "objects", plain / "objects"))
        for pack in packs:
            with suppress(CloneFailedError):
                repository.run(("index-pack", str(pack)), git=plain)
        for branch in branches:
            try:
                _pass_on(plain, ours, branch)
                _write_reference(ours, reference(layer, branch.name), branch.commit)
            except CloneFailedError as error:
                yield branch, error.message
            else:
                yield branch, ""
    finally:
        shutil.rmtree(plain, ignore_errors=True)


def _copied(theirs: Tree, ours: Path, target: Path) -> Iterator[Path]:
    """Copy the objects that are not here; give the packs among them."""
    left = _MOST_BYTES
    for entry in theirs.files():
        is_pack = _PACK.fullmatch(entry.path) is not None
        if not (is_pack or _LOOSE.fullmatch(entry.path)) or os.path.lexists(ours / entry.path):
            continue
        left -= entry.status.st_size
        if left < 0:
            raise CloneFailedError(
                f"there is more than {_MOST_BYTES >> 30} GiB of new objects",
                hint="take the files over by their names: pinnace review apply PATH",
            )
        place = target / entry.path
        place.parent.mkdir(exist_ok=True)
        # What is no plain file, or goes meanwhile, is no object.
        with suppress(OSError), os.fdopen(theirs.open(entry.path), "rb") as stream:
            with place.open("xb") as copy:
                shutil.copyfileobj(stream, copy, CHUNK)
            if is_pack:
                yield place


def _pass_on(plain: Path, ours: Path, branch: Branch) -> None:
    """Pack what is new, and have it taken in: each object is hashed and checked on the way."""
    known = sorted(set(repository.references(ours).values()))
    asked = "\n".join([branch.commit, *(f"^{commit}" for commit in known), ""]).encode()
    pack = repository.run(
        ("pack-objects", "--revs", "--stdout", "--thin", "--delta-base-offset", "-q"),
        git=plain,
        text=asked,
    )
    said = repository.run(
        ("index-pack", "--stdin", "--fix-thin", "--strict"),
        git=plain,
        text=pack,
        GIT_OBJECT_DIRECTORY=str(ours / "objects"),
    )
    # That all is there that the branch needs: a file of an object's name may have held another.
    repository.run(
        ("rev-list", "--objects", "--stdin", "--quiet"),
        git=plain,
        text=asked,
        GIT_OBJECT_DIRECTORY=str(ours / "objects"),
    )
    identifier = said.decode().split()[-1]
    for kind in ("pack", "idx", "rev"):
        _give_back(ours / "objects" / "pack" / f"pack-{identifier}.{kind}")


def _give_back(path: Path) -> None:
    """Let what root has written belong to whom the directory belongs to."""
    if os.geteuid() == 0:
        status = path.parent.stat()
        with suppress(FileNotFoundError):
            os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)


def _write_reference(ours: Path, name: str, commit: str) -> None:
    """Write a reference, in one step; a lock, as git makes it, would outlive who is killed.

    Raises:
        CloneFailedError: git is at work on it, or another reference is in its way.
    """
    last = name.rpartition("/")[2]
    try:
        with Tree(ours) as tree, temporaries.name_in((ours / name).parent) as temporary:
            parent = tree.parent(name, make=0o777)
            if tree.status(f"{name}.lock") is not None:
                raise FileExistsError(errno.EEXIST, f"git is at work on it: {name}.lock is there")
            descriptor = os.open(temporary, _NEW, 0o666, dir_fd=parent)
            try:
                give(descriptor, parent)
                os.write(descriptor, f"{commit}\n".encode())
                os.replace(temporary, last, src_dir_fd=parent, dst_dir_fd=parent)
            except OSError:
                os.unlink(temporary, dir_fd=parent)
                raise
            finally:
                os.close(descriptor)
    except OSError as error:
        raise CloneFailedError(
            f"'{name}' cannot be written: {error.strerror or error}",
            hint=f"see what is in its way: git for-each-ref {name.rpartition('/')[0]}",
        ) from error


def _take_large(layer: Layer, module: str, ours: Path) -> None:
    """Copy the contents of large files (git-lfs); each has its digest as its name."""
    inner = f"{_inner(module)}/lfs/objects"
    with suppress(FileNotFoundError, NotADirectoryError), Tree(layer.root, inner) as source:
        for entry in source.files():
            plain = stat.S_ISREG(entry.status.st_mode)
            named = _LFS.fullmatch(entry.path) if plain else None
            if named and not os.path.lexists(ours / "lfs" / "objects" / entry.path):
                with Tree(ours) as target:
                    _take_one(source, entry.path, target, named[1])


def _take_one(source: Tree, path: str, target: Tree, digest: str) -> None:
    name = f"lfs/objects/{path}"
    parent = target.parent(name, make=0o777)
    with temporaries.name_in((target.place / name).parent) as temporary:
        seen = hashlib.sha256()
        copy = os.open(temporary, _NEW, 0o444, dir_fd=parent)
        try:
            with os.fdopen(copy, "wb") as stream, os.fdopen(source.open(path), "rb") as content:
                give(copy, parent)
                while part := content.read(CHUNK):
                    seen.update(part)
                    stream.write(part)
            if seen.hexdigest() == digest:
                os.replace(temporary, digest, src_dir_fd=parent, dst_dir_fd=parent)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=parent)
