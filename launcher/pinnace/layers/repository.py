"""A git directory, as files: its references, and a plain repository of our own to work from.

Git is never started with a configuration that a project or a launch could have written: programs
and hooks of theirs would run here. It gets a directory of ours, and objects as what they are.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.layers.tree import Tree
from pinnace_core.errors import CloneFailedError
from pinnace_core.files import read_untrusted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pinnace.layers import Layer

_ID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LENGTH_OF_SHA1: Final = 40
_MOST_BYTES: Final = 64 << 20
_MOST_OF_A_REF: Final = 4096
_MOST_MODULES: Final = 1000
_SECONDS: Final = 600.0
# https://git-scm.com/docs/git-check-ref-format
_BAD_NAME: Final = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^/|(^|/)\.|\.lock(/|$)|[./]$|^@$"
)
_CONFIG: Final = "[core]\n\trepositoryformatversion = {version}\n\tbare = true\n"
_SHA256: Final = "[extensions]\n\tobjectFormat = sha256\n"
_OBJECTS: Final = re.compile(rb"^\s*objectformat\s*=\s*\"?sha256", re.MULTILINE | re.IGNORECASE)
_KINDS: Final = ("heads", "tags", "remotes", "notes", "pinnace")


def is_name(name: str) -> bool:
    """Return whether git takes a reference's name, and any file system does."""
    return not _BAD_NAME.search(name) and name.isprintable() and len(name.encode()) < 200  # noqa: PLR2004


def references(root: Path, below: str = "") -> dict[str, str]:
    """Return what a git directory's references point to, by their whole names; HEAD if detached.

    Args:
        root: it, or a directory that a launch has written.
        below: where it is in that.
    """
    found: dict[str, str] = {}
    with suppress(OSError), Tree(root, below) as tree:
        found |= _packed(tree)
        for kind in _KINDS:
            for entry in tree.files(f"refs/{kind}"):
                found |= _one(tree, entry.path)
        found |= _one(tree, "refs/stash") | _one(tree, "HEAD")
    return found


def _packed(tree: Tree) -> dict[str, str]:
    text = _text(tree, "packed-refs", _MOST_BYTES)
    pairs = (line.split(" ", 1) for line in text.splitlines() if line[:1] not in {"#", "^", ""})
    return {p[1]: p[0] for p in pairs if len(p) > 1 and _ID.fullmatch(p[0]) and is_name(p[1])}


def _one(tree: Tree, name: str) -> dict[str, str]:
    text = _text(tree, name, _MOST_OF_A_REF).strip()
    return {name: text} if _ID.fullmatch(text) and is_name(name) else {}


def _text(tree: Tree, path: str, most: int) -> str:
    try:
        with os.fdopen(tree.open(path), "rb") as stream:
            data = stream.read(most + 1)
    except OSError:
        return ""
    return data.decode(errors="replace") if len(data) <= most else ""


def modules(git: Path) -> list[str]:
    """Return the git directories of submodules, relative to that of what holds them."""
    found: list[str] = []
    stack = ["modules"]
    with suppress(OSError), Tree(git) as tree:
        while stack and len(found) < _MOST_MODULES:
            here = stack.pop()
            for entry in tree.entries(here):
                if not entry.is_directory:
                    continue
                is_one = tree.status(f"{entry.path}/HEAD") is not None
                found += [entry.path] if is_one else []
                stack.append(f"{entry.path}/modules" if is_one else entry.path)
    return sorted(found)


def make_plain(place: Path, *, sha256: bool = False) -> None:
    """Make an empty git directory that is ours alone.

    Raises:
        OSError: it cannot be made.
    """
    for name in ("objects/info", "objects/pack", "refs/heads", "info"):
        (place / name).mkdir(parents=True, mode=0o755)
    (place / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
    version = 1 if sha256 else 0
    text = _CONFIG.format(version=version) + (_SHA256 if sha256 else "")
    (place / "config").write_text(text, encoding="ascii")


def is_sha256(identifier: str) -> bool:
    """Return whether an object's id is one of that kind."""
    return len(identifier) > _LENGTH_OF_SHA1


def uses_sha256(common: Path) -> bool:
    """Return whether a repository's objects have ids of that kind."""
    try:
        data = read_untrusted(common / "config", most=1 << 20)
    except OSError:
        return False
    return (
        re.search(rb"^\s*objectformat\s*=\s*\"?sha256", data, re.MULTILINE | re.IGNORECASE)
        is not None
    )


def run(
    arguments: Sequence[str],
    *,
    git: Path,
    text: bytes = b"",
    passing: tuple[int, ...] = (),
    **variables: str,
) -> bytes:
    """Run git with a git directory of ours; return what it prints.

    Raises:
        CloneFailedError: it fails, takes too long, or is not there.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            check=False,
            capture_output=True,
            cwd=git,
            env=_environment(git) | variables,
            input=text,
            timeout=_SECONDS,
        )
    except FileNotFoundError:
        raise CloneFailedError("there is no git here", hint="install git") from None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise _failed(arguments, str(error)) from error
    if done.returncode not in {0, *passing}:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise _failed(arguments, said[-1])
    return done.stdout


def _environment(git: Path) -> dict[str, str]:
    """Name neither the user's nor the system's configuration, and no way out of this machine."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "HOME": str(git),
        "GIT_DIR": str(git),
        # One that a configuration names may not be there (yet).
        "GIT_WORK_TREE": str(git),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _failed(arguments: Sequence[str], why: str) -> CloneFailedError:
    text = "".join(c if c.isprintable() else "?" for c in why)
    return CloneFailedError(
        f"git {arguments[0]} failed: {text}",
        hint="see whether the repository is whole: git fsck",
    )


def lines(data: bytes) -> Iterator[str]:
    """Give the names of an output with a NUL after each."""
    yield from (os.fsdecode(name) for name in data.split(b"\0") if name)


def ignored(layer: Layer, paths: Iterable[str]) -> set[str]:
    """Return which of a project's paths its git ignores, by the rules of the project's own files.

    None of them, if git cannot say.
    """
    asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
    with tempfile.TemporaryDirectory(prefix="pinnace-") as directory:
        place = Path(directory, "git")
        try:
            make_plain(place)
            with suppress(FileNotFoundError):
                data = read_untrusted(Path(layer.common, "info", "exclude"), most=1 << 20)
                (place / "info/exclude").write_bytes(data)
            said = run(
                ("-c", "core.bare=false", "check-ignore", "--no-index", "-z", "--stdin"),
                git=place,
                text=asked,
                passing=(1,),
                GIT_WORK_TREE=layer.workspace,
            )
        except (CloneFailedError, OSError):
            return set()
    return set(lines(said))
