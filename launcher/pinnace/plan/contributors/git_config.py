"""The user's git configuration inside: a copy without secrets, in a directory of Pinnace's own.

A copy, because a single file that is mounted goes stale when git replaces it. git is asked once;
afterwards nothing is, as long as the files that it read are the same.
"""

from __future__ import annotations

import json
import os
from binascii import crc32
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.plan import Contribution
from pinnace.plan.resources import written
from pinnace.plan.variables import plain
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_core.digest import hexdigest
from pinnace_core.files import read_untrusted
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pinnace.config import Settings
    from pinnace.config.project import Workspace
    from pinnace.plan import Inputs
    from pinnace.plan.contributors.git import Allowed, Entry
    from pinnace_core.host import HostFacts

INSIDE: Final = "/etc/pinnace/git"
# Counted up when other settings go in than before.
_FORMAT: Final = 3
_MOST_BYTES: Final = 1 << 20
_UNSIGNED: Final = "git inside does not sign: no keys go in"


class _Copy(NamedTuple):
    """A directory of what goes in: its name, what is said about it, and files still to be written.

    The configuration is the last of them: with it, a directory is complete.
    """

    name: str
    notes: tuple[str, ...]
    files: Mapping[Path, bytes]


def contribute(inputs: Inputs) -> Contribution:
    """Mount a configuration: the user's, if it is asked for, and what git needs to work inside."""
    directory = host.directory("state") / "git"
    copy = _copy(directory, inputs.settings, inputs.facts, inputs.project)
    return Contribution(
        mounts=(Mount(str(directory / copy.name), INSIDE, read_only=True),),
        variables=(plain("GIT_CONFIG_GLOBAL", f"{INSIDE}/config"),),
        notes=copy.notes,
        resources=(written(copy.files),) if copy.files else (),
    )


def _copy(directory: Path, settings: Settings, facts: HostFacts, project: Workspace) -> _Copy:
    question: list[object] = [
        _FORMAT,
        settings.git_identity,
        project.source,
        project.target,
        *_files(facts),
    ]
    # A checksum is enough, since the question is kept.
    memory = directory / "known" / f"{crc32(json.dumps(question).encode()):08x}.json"
    known = _remembered(memory, question, directory)
    if known is not None:
        return known
    entries = _entries(settings, facts, project)
    copy = _made(directory, entries or [], facts, project)
    if entries is None:
        return copy
    watched = [_state(path) for path in _watched(entries, facts, project)]
    answer = {"files": watched, "name": copy.name, "notes": copy.notes}
    document = json.dumps({"question": question, **answer}).encode()
    return copy._replace(files={**copy.files, memory: document})


def _entries(settings: Settings, facts: HostFacts, project: Workspace) -> list[Entry] | None:
    """Without a file of the user's there is nothing to ask; Windows has settings of its own."""
    if not settings.git_identity:
        return []
    if facts.os != "windows" and not any(os.path.exists(path) for path in _files(facts)):  # noqa: PTH110 (every launch)
        return []
    from pinnace.plan.contributors import git

    return git.entries(project.source, facts)


def _files(facts: HostFacts) -> tuple[str, ...]:
    """Name the files that git starts from (git-config(1), FILES)."""
    chosen = facts.environment.get("GIT_CONFIG_GLOBAL")
    if chosen is not None:
        return (chosen,)
    return (str(_xdg(facts) / "config"), str(Path(facts.home, ".gitconfig")))


def _xdg(facts: HostFacts) -> Path:
    configured = facts.environment.get("XDG_CONFIG_HOME")
    return Path(configured or Path(facts.home, ".config")) / "git"


def _watched(entries: Sequence[Entry], facts: HostFacts, project: Workspace) -> Iterable[str]:
    """Name all files that the answer depends on; those that are not there, too."""
    xdg = _xdg(facts)
    yield from (*_files(facts), str(xdg / "ignore"), str(xdg / "attributes"))
    conditional = False
    for entry in entries:
        if entry.scope not in {"global", "system"}:
            continue
        yield entry.origin
        section, _, name = entry.key.partition(".")
        conditional = conditional or section == "includeif"
        named = section in {"include", "includeif"} and name.rpartition(".")[2] == "path"
        if named or entry.key in {"core.excludesfile", "core.attributesfile"}:
            yield str(_expanded(entry.value or "", entry.origin, facts))
    if conditional:
        from pinnace.plan.contributors.git_worktree import git_directory

        place = git_directory(project)
        yield str(Path(project.source, ".git"))
        yield from (str(place / name) for name in ("HEAD", "config", "config.worktree") if place)


def _expanded(text: str, origin: str, facts: HostFacts) -> Path:
    if text.startswith("~/"):
        return Path(facts.home, text[2:])
    return Path(origin).parent / text


def _state(path: str) -> list[Any]:
    try:
        status = os.stat(path)  # noqa: PTH116 (every launch)
    except (OSError, ValueError):
        return [path]
    return [path, status.st_mtime_ns, status.st_size, status.st_ino]


def _remembered(memory: Path, question: list[object], directory: Path) -> _Copy | None:
    try:
        document = json.loads(memory.read_bytes())
        files, name, notes = document["files"], str(document["name"]), document["notes"]
        same = document["question"] == question and all(_state(f[0]) == f for f in files)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    complete = "/" not in name and (directory / name / "config").is_file()
    return _Copy(name, tuple(map(str, notes)), {}) if same and complete else None


def _made(directory: Path, entries: Sequence[Entry], facts: HostFacts, project: Workspace) -> _Copy:
    from pinnace.plan.contributors import git

    # Where a file really lies: a link may lead to one in the project.
    real = [entry._replace(origin=os.path.realpath(entry.origin)) for entry in entries]
    chosen = git.allowed(real, project=project.source)
    files = _lists(chosen, facts, project) if entries else {}
    pairs = [*chosen.pairs, *_needed(project)]
    pairs += [(f"core.{key}file", f"{INSIDE}/{name}") for key, name in _LISTS if name in files]
    files["config"] = os.fsencode(git.write(pairs))
    name = _digest(b"".join(name.encode() + b"\0" + data for name, data in sorted(files.items())))
    kept = {directory / name / file: data for file, data in files.items()}
    return _Copy(name, (_UNSIGNED,) if chosen.signing else (), kept)


_LISTS: Final = (("excludes", "ignore"), ("attributes", "attributes"))


# Prints a token that is in the environment inside; without one, nothing: git then asks, or fails.
_HELPER: Final = (
    '!f() {{ [ "$1" = get ] && [ -n "{0}" ] && '
    "printf 'username={1}\\npassword=%s\\n' \"{0}\"; }}; f"
)


def _needed(project: Workspace) -> list[tuple[str, str | None]]:
    """Say that the workspace is fine, whoever owns it; and that no worktree is lost.

    Worktrees elsewhere are not mounted: `git gc` would take them for deleted. Git LFS is as
    `git lfs install` writes it: without, files would be committed whole.
    """
    return [
        ("filter.lfs.clean", "git-lfs clean -- %f"),
        ("filter.lfs.smudge", "git-lfs smudge -- %f"),
        ("filter.lfs.process", "git-lfs filter-process"),
        ("filter.lfs.required", "true"),
        (
            "credential.https://github.com.helper",
            _HELPER.format("${GH_TOKEN:-$GITHUB_TOKEN}", "x-access-token"),
        ),
        ("credential.https://gitlab.com.helper", _HELPER.format("$GITLAB_TOKEN", "oauth2")),
        ("safe.directory", project.target),
        ("safe.directory", f"{project.target}/*"),
        ("gc.worktreePruneExpire", "never"),
    ]


def _lists(chosen: Allowed, facts: HostFacts, project: Workspace) -> dict[str, bytes]:
    """Read the user's list of ignored files, and attributes."""
    found = {}
    for (_, name), named in zip(_LISTS, (chosen.excludes, chosen.attributes), strict=True):
        path = _expanded(named[0], named[1], facts) if named else _xdg(facts) / name
        data = _text(path, facts, project)
        if data:
            found[name] = data
    return found


def _text(path: Path, facts: HostFacts, project: Workspace) -> bytes:
    """Read a list of the user's; what lies in the project, the project has anyway."""
    try:
        real = path.resolve(strict=True)
        if real.is_relative_to(project.source) or real.stat().st_uid not in {facts.uid, 0}:
            return b""
        data = read_untrusted(real, most=_MOST_BYTES)
    except (OSError, ValueError, RuntimeError):
        return b""
    return b"" if b"\0" in data or b"PRIVATE KEY" in data else data


def _digest(data: bytes) -> str:
    return hexdigest(data)[:32]
