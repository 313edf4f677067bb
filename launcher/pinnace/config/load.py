"""Defaults < the user's file < the project's files < environment < flags.

Of the project's files the nearest wins, key by key. Each value comes with its source.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from pinnace.config import DEFAULTS, Config, Pending, Settings, Value, own_levels, project
from pinnace.config import files as project_files
from pinnace.config.schema import BY_NAME, KEYS, VARIABLES, VERSION
from pinnace.config.types import PATH, Place
from pinnace_core.digest import hexdigest
from pinnace_core.errors import BadSettingsError, UnsafeRequestError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pinnace.config import MountRequest
    from pinnace.config.files import Files, SettingsFile
    from pinnace.config.keys import Key
    from pinnace_core.host import HostFacts

DEFAULT: Final = "default"


def load(facts: HostFacts, flags: Mapping[str, object], *, of_project: bool = True) -> Config:
    """Decide all settings.

    Args:
        facts: the host, with environment and working directory.
        flags: by the keys' names, as TOML would give them.
        of_project: by the project's files, too.

    Raises:
        BadSettingsError: a file or a variable is not what it should be.
        UnsafeRequestError: a project's file names a path that a link leads out of the project.
        UsageError: a flag is not.
    """
    files = project_files.read(facts, of_project=of_project)
    pending: list[Pending] = []
    approved: dict[str, tuple[str, ...]] = {}
    values = {key.name: Value(getattr(DEFAULTS, key.field), DEFAULT) for key in KEYS[1:]}
    if files.user:
        values |= _sourced(of_file(files.user, facts), str(files.user.path))
    for file in reversed(files.project):
        counting = _counting(file, files, facts, values, (pending, approved))
        values |= _sourced(counting, str(file.path))
    values |= dict(_from_environment(facts))
    for name, value in _from_flags(flags, facts):
        values[name] = _added(values.get(name), Value(value, BY_NAME[name].flag), BY_NAME[name])
    given = frozenset(flags.get("run.environment", ()))  # type: ignore[call-overload]
    settings = _settings(values, given, facts)
    level = own_levels.chosen(settings.isolation, values["run.isolation"].source, files.user)
    return Config(settings, level, values, tuple(pending[::-1]), files, approved)


def of_file(file: SettingsFile, facts: HostFacts) -> dict[str, object]:
    """Read a file's values.

    Raises:
        BadSettingsError: one is not what it should be; file and line are named.
    """
    place = Place(str(file.path.parent), facts.home, facts.os == "windows")
    found: dict[str, object] = {}
    for name, raw in file.values.items():
        try:
            found[name] = BY_NAME[name].kind.read(raw, place)
        except ValueError as error:
            from pinnace.config import toml

            raise toml.problem(
                str(file.path), file.data, name, f"{name}: {error}", prefix=file.prefix
            ) from error
    return found


def _sourced(values: Mapping[str, object], source: str) -> dict[str, Value]:
    return {name: Value(value, source) for name, value in values.items() if name != VERSION.name}


def _counting(
    file: SettingsFile,
    files: Files,
    facts: HostFacts,
    below: Mapping[str, Value],
    noted: tuple[list[Pending], dict[str, tuple[str, ...]]],
) -> dict[str, object]:
    """Return what counts of a project's file.

    What loosens what counts without the file is noted: as pending, or as approved.
    """
    values = of_file(file, facts)
    _refuse_links_out(values, file, str(files.root))
    reaching = {name: value for name, value in values.items() if _waits(name, value, below)}
    if not reaching:
        return values
    from pinnace.config.files import is_approved

    content = approvable(file, values, files.root)
    pending, approved = noted
    if is_approved(str(file.path), content):
        approved[str(file.path)] = tuple(name for name in reaching if name != VERSION.name)
        return values
    pending.append(Pending(str(file.path), reaching, content))
    return {name: value for name, value in values.items() if name not in reaching}


def _waits(name: str, value: object, below: Mapping[str, Value]) -> bool:
    counts = below.get(name)
    return bool(BY_NAME[name].approval.waits(counts and counts.value, value))


def approvable(file: SettingsFile, values: Mapping[str, object], root: Path) -> bytes:
    """Return what an approval is of: the file, and those that decide on the image for it.

    Whoever works in the project can change them all.

    Raises:
        BadSettingsError: one of those is too large to be looked at.
    """
    content = [file.data]
    for path in _deciding(values, root):
        data = project_files.read_bytes(path, owners=None, follow=True, foreign=True)
        if data is not None and len(data) > project_files.MOST_BYTES:
            raise BadSettingsError(f"'{path}' is too large", hint="name another one")
        content.append(hexdigest(data).encode() if data is not None else b"")
    # No TOML has a zero in it, and no digest.
    return b"\0".join(content)


def _deciding(values: Mapping[str, object], root: Path) -> Iterator[Path]:
    if "image.dockerfile" in values:
        yield Path(str(values["image.dockerfile"]))
    if values.get("image.devcontainer"):
        yield from (root / place for place in project.DEVCONTAINER_FILES)


def _refuse_links_out(values: Mapping[str, object], file: SettingsFile, root: str) -> None:
    """A link inside a project may be the work of whoever works there: it opens nothing else."""
    real = os.path.realpath(root)
    for name, path in _paths(values):
        if _is_below(path, root) and not _is_below(os.path.realpath(path), real):
            raise UnsafeRequestError(
                f"'{file.path}': {name} names '{path}', a link that leads out of the project",
                hint="name the place itself",
            )


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root.rstrip(os.sep)}{os.sep}")


def _paths(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if BY_NAME[name].kind is PATH:
            yield name, str(value)
        if BY_NAME[name].field == "mounts":
            for mount in cast("tuple[MountRequest, ...]", value):
                yield name, mount.source


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `PINNACE_` variables that nothing reads, most likely misspelt: name, what to say."""
    from pinnace_core.errors import perhaps

    return {
        name: f"no setting has the variable {name}{perhaps(name, VARIABLES)}"
        for name in sorted(environment)
        if name.startswith("PINNACE_") and name not in VARIABLES
    }


def _from_environment(facts: HostFacts) -> Iterator[tuple[str, Value]]:
    place = Place(facts.cwd, facts.home, facts.os == "windows")
    for key in KEYS[1:]:
        text = facts.environment.get(key.variable, "").strip()
        if not text:
            continue
        try:
            yield key.name, Value(key.kind.read(key.kind.from_text(text), place), key.variable)
        except ValueError as error:
            raise BadSettingsError(
                f"{key.variable}: {error}", hint="set it to something else, or unset it"
            ) from error


def _from_flags(flags: Mapping[str, object], facts: HostFacts) -> Iterator[tuple[str, object]]:
    place = Place(facts.cwd, facts.home, facts.os == "windows")
    for name, raw in flags.items():
        try:
            yield name, BY_NAME[name].kind.read(raw, place)
        except ValueError as error:
            raise UsageError(
                f"{BY_NAME[name].flag}: {error}", hint="see: pinnace run --help"
            ) from error


def _added(below: Value | None, flag: Value, key: Key) -> Value:
    """Flags add to a list: `--mount` is one more mount."""
    if not key.kind.is_list or below is None or not below.value:
        return flag
    both = dict.fromkeys((*cast("tuple[Any, ...]", below.value), *cast("Any", flag.value)))
    return Value(tuple(both), f"{below.source}, {flag.source}")


def _settings(values: Mapping[str, Value], given: frozenset[object], facts: HostFacts) -> Settings:
    fields: dict[str, Any] = {BY_NAME[name].field: v.value for name, v in values.items()}
    fields["user_agent"] = bool(fields["user_agent"])
    # A file speaks for every machine and moment; a flag means this one, and an unset name is wrong.
    fields["environment_names"] = tuple(
        text
        for text in fields["environment_names"]
        if "=" in text or text in given or text in facts.environment
    )
    return Settings(**fields)
