"""What Claude's own options name is inside, too: at its own path, read-only.

Who names a file wants it to be read. Yet most often it is a program that does, and nobody looks:
keys and what is Pinnace's own are never taken along for that, only by `--mount`.
"""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pinnace.agent import arguments, user_parts
from pinnace.config import MountRequest
from pinnace.config import project as workspace
from pinnace.plan import Contribution, reach, sources
from pinnace.plan.named import absolute
from pinnace.plan.resources import Resource
from pinnace.request import FILES_INSIDE
from pinnace_core.container import Mount
from pinnace_core.errors import UnsafeRequestError
from pinnace_core.files import cannot_write, read_untrusted, resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pinnace.plan import Inputs
    from pinnace_core.host import HostFacts

_DEBUG: Final = "--debug-file"
_DIRECTORY: Final = "--add-dir"
_SERVERS: Final = "--mcp-config"
# What is in them goes to whoever reads it, as with keys; a user may want them written to, by
# `--mount`, as package managers do.
_TOKENS: Final = (
    *(".bash_history", ".zsh_history", ".git-credentials", ".config/git/credentials"),
    *(".config/hub", ".config/glab-cli", ".npmrc", ".yarnrc.yml", ".pypirc", ".m2/settings.xml"),
    *(".gradle/gradle.properties", ".cargo/credentials", ".cargo/credentials.toml", ".boto"),
    *(".s3cfg", ".config/rclone", ".config/doctl", ".terraform.d/credentials.tfrc.json"),
    *(".config/containers/auth.json", ".vault-token", ".config/op", ".pgpass", ".my.cnf"),
    *(".mozilla", ".config/google-chrome", ".config/chromium"),
)
# Made anew for each container.
_SCRATCH: Final = "/tmp"  # noqa: S108 (inside)
_MOST_BYTES: Final = 4 << 20
# As its first line is written (2.1.330).
_LOGGED: Final = re.compile(rb"\d{4}-\d\d-\d\dT\S+ \[[A-Z]+\]")
_HELD: Final = frozenset(
    {
        *("awk", "bash", "cat", "claude", "curl", "env", "git", "jq", "less", "perl", "pip"),
        *("python3", "rg", "sh", "socat", "ssh"),
    }
)
_OF_NODE: Final = frozenset({"node", "npm", "npx"})


def contribute(inputs: Inputs, others: Sequence[Contribution]) -> Contribution:
    """Mount what is named and is not inside already.

    Raises:
        CannotReadError: a link leads nowhere.
        UnsafeRequestError: something of it must not be inside.
    """
    project = inputs.project
    around = [Mount(project.source, project.target), *(m for c in others for m in c.mounts)]
    count = len(around)
    made: list[Path] = []
    notes: list[str] = []
    for option, text in arguments.named(inputs.claude_arguments):
        path = absolute(text, inputs.facts)
        target = _target(path, inputs)
        if target == _SCRATCH or _is_inside(target, around, option, text):
            continue
        if option == _DEBUG:
            found = _debug_file(path, target, inputs)
            made += [Path(found.source)] if found and not os.path.lexists(found.source) else []
        else:
            found = _read_only(path, target, inputs)
            notes += [_note(path)] if found and option == _DIRECTORY else []
        around += [found] if found else []
    resources = (_made(made, inputs),) if made else ()
    mounts = tuple(around[count:])
    return Contribution(mounts, notes=(*notes, *_servers(inputs, around)), resources=resources)


def _note(path: str) -> str:
    return f"'{path}' ({_DIRECTORY}) is read-only inside; to have it written: --mount '{path}:rw'"


def _target(path: str, inputs: Inputs) -> str:
    if path == _SCRATCH:
        return path
    try:
        return workspace.inside(path, inputs.facts.os)
    except UnsafeRequestError as error:
        raise UnsafeRequestError(
            f"{error.message}; Claude's arguments name it", hint="name a copy of it elsewhere"
        ) from error


def _is_inside(target: str, around: Iterable[Mount], option: str, text: str) -> bool:
    """Return whether a place is in what is mounted.

    Raises:
        UnsafeRequestError: a link leads out of that: it may be the work of whoever works there.
    """
    place = PurePosixPath(target)
    holders = [m for m in around if place.is_relative_to(m.target) and not m.volume]
    if not holders:
        return False
    nearest = max(holders, key=lambda one: len(one.target))
    real = resolved(Path(nearest.source, *place.relative_to(nearest.target).parts))
    # As it is reached inside, through the same link: where it lies outside.
    reached = [m.source for m in around if m.source == m.target] + [nearest.source]
    if not any(real.is_relative_to(resolved(Path(one))) for one in reached):
        raise UnsafeRequestError(
            f"{option} '{text}' is a link that leads out of '{nearest.source}', to '{real}'",
            hint="name the place itself",
        )
    return True


def _read_only(path: str, target: str, inputs: Inputs) -> Mount | None:
    """Return the mount of what is there; Claude itself says what is not."""
    if not os.path.lexists(path):
        return None
    request = MountRequest(path, target, read_only=True)
    real = sources.real(request, inputs.facts, inputs.project)
    _require_no_secret(path, real, inputs.facts)
    return Mount(str(real), target, read_only=True)


def _require_no_secret(path: str, real: Path, facts: HostFacts) -> None:
    home, theirs = Path(facts.home).resolve(), user_parts.hosts_own(facts)
    logins = [resolved(theirs / ".credentials.json"), home / ".claude.json"]
    logins += [resolved(home / name) for name in _TOKENS if os.path.lexists(home / name)]
    if sources.touches(real, [*sources.keys(home), *logins]):
        raise UnsafeRequestError(
            f"'{path}' is not taken inside: keys or logins are in it",
            hint="name a directory or file that holds none; or, if it has to be: --mount",
        )
    own = [place for place, _, _ in reach.directories(facts)]
    if sources.touches(real, own):
        raise UnsafeRequestError(
            f"'{path}' is not taken inside: Pinnace's own files are in it",
            hint="name a copy of it elsewhere",
        )


def _debug_file(path: str, target: str, inputs: Inputs) -> Mount | None:
    """Return the mount of a file that Claude writes to: a new one, or an earlier one of its own.

    Raises:
        UnsafeRequestError: another file would be written to.
    """
    if inputs.level.read_only or not os.path.isdir(os.path.dirname(path)):  # noqa: PTH112, PTH120
        return None
    real = resolved(Path(path))
    sources.require_harmless(MountRequest(path, target, read_only=False), real, inputs.facts)
    _require_no_secret(path, real, inputs.facts)
    if os.path.lexists(path) and not _is_log(real):
        raise UnsafeRequestError(
            f"{_DEBUG} '{path}' holds something else: Claude could write there what it likes",
            hint="name a file that does not exist yet",
        )
    return Mount(str(real), target)


def _is_log(real: Path) -> bool:
    try:
        status = real.lstat()
        plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        if not plain or status.st_mode & 0o111:
            return False
        with real.open("rb") as stream:
            first = stream.read(80)
    except OSError:
        return False
    return not first or _LOGGED.match(first) is not None


def _made(wanted: Sequence[Path], inputs: Inputs) -> Resource:
    def make(_: object) -> None:
        owner = inputs.user.owner_outside(inputs.facts)
        for path in wanted:
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                if owner:
                    os.fchown(descriptor, *owner)
                os.close(descriptor)
            except FileExistsError:
                continue
            except OSError as error:
                raise cannot_write(path, error) from error

    def pending() -> str:
        missing = ", ".join(f"'{path}'" for path in wanted if not os.path.lexists(path))
        return f"make {missing}" if missing else ""

    return Resource(make, pending)


def _servers(inputs: Inputs, around: Sequence[Mount]) -> Iterator[str]:
    """Say which MCP servers are programs that are not inside, as far as that is known."""
    settings = inputs.settings
    if settings.image or settings.dockerfile or settings.packages or settings.devcontainer:
        return
    node = "node" in inputs.tools or settings.variant == "dev"
    known = _HELD | (_OF_NODE if node else frozenset())
    for name, command in _commands(inputs):
        place = PurePosixPath(command)
        if place.is_absolute():
            there = place.parts[1] in {"bin", "opt", "usr"} if place.parts[1:] else False
            absent = not there and not any(place.is_relative_to(m.target) for m in around)
        else:
            absent = "/" not in command and command not in known
        if absent:
            yield (
                f"MCP server '{name}' runs '{command}', which is not inside: add it to the image "
                "(image.tools, image.packages), or let it listen here: --service PORT"
            )


def _commands(inputs: Inputs) -> Iterator[tuple[str, str]]:
    given = inputs.claude_arguments
    texts: list[str | bytes] = list(arguments.given_json(given, _SERVERS))
    for option, text in arguments.named(given):
        own = text.removeprefix(f"{FILES_INSIDE}/")
        if option == _SERVERS and own in inputs.files:
            texts.append(inputs.files[own])
        elif option == _SERVERS:
            try:
                path = resolved(Path(absolute(text, inputs.facts)))
                texts.append(read_untrusted(path, most=_MOST_BYTES))
            except OSError:
                continue
    for one in texts:
        yield from _of_document(one)


def _of_document(text: str | bytes) -> Iterator[tuple[str, str]]:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        return
    servers = document.get("mcpServers") if isinstance(document, dict) else None
    for name, server in servers.items() if isinstance(servers, dict) else ():
        command = server.get("command") if isinstance(server, dict) else None
        if isinstance(command, str) and command:
            yield str(name), command
