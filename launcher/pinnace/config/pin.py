"""Find and write a project's pin.

The nearest directory is first; within one, `pinnace.toml`, `.claude-version`, `pyproject.toml`,
those of mise and asdf, `package.json`.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from pinnace.config import files as project_files
from pinnace.config import foreign_pins, project
from pinnace_core.errors import BadLockError, BadPinError, UnknownVersionError
from pinnace_core.files import open_untrusted
from pinnace_core.tuples import NamedTuple
from pinnace_images.versions import Specifier

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pinnace.config.files import Files
    from pinnace_core.host import HostFacts
    from pinnace_images.lock import Lock
    from pinnace_images.versions import CliVersion

PIN_FILE: Final = project.PIN_FILE
VARIABLE: Final = "PINNACE_CLAUDE_VERSION"
_KEY: Final = "claude.version"
_MOST_BYTES: Final = 1024
_HINT: Final = "write one line like 2.1.330 into it, or run: pinnace pin VERSION"

_Candidate: TypeAlias = "tuple[Path, str | None]"
"""A file, and what it says; None: it is a pin file, and not read yet."""


class Pin(NamedTuple):
    """What was asked for, and where.

    Attributes:
        specifier: what it says.
        source: for people.
        path: the file that it stands in; None: an option or a variable.
    """

    specifier: Specifier
    source: str
    path: Path | None = None


def find(facts: HostFacts, *, flag: str | None = None, files: Files | None = None) -> Pin | None:
    """Find the pin: the flag, the environment, the project's nearest, the user's settings.

    Args:
        facts: the host.
        flag: a specifier that wins.
        files: the settings files, if they were read already.

    Raises:
        BadPinError: the first one found is not a version.
    """
    if flag is not None:
        return Pin(specifier(flag, ""), "--claude-version")
    from_environment = facts.environment.get(VARIABLE, "").strip()
    if from_environment:
        return Pin(specifier(from_environment, VARIABLE), VARIABLE)
    files = project_files.read(facts) if files is None else files
    return find_in_files(facts, files)


def find_in_files(facts: HostFacts, files: Files) -> Pin | None:
    """Find the pin as `find` does, in files only."""
    for path, text in _candidates(facts, files):
        found = read(path) if text is None else _specifier_in(path, text)
        return Pin(found, str(path), path)
    return None


def _specifier_in(path: Path, text: str) -> Specifier:
    try:
        return specifier(text, str(path))
    except BadPinError as error:
        if path.name in foreign_pins.NAMES:
            hint = f"another pin of the project counts for more: pinnace pin VERSION; {error.hint}"
            raise BadPinError(error.message, hint=hint) from error
        raise


def place(facts: HostFacts, files: Files) -> Path | None:
    """Return which file the pin stands in, whether or not it is a good one."""
    return next((path for path, _ in _candidates(facts, files)), None)


def _candidates(facts: HostFacts, files: Files) -> Iterator[_Candidate]:
    own = {file.path: file.values for file in files.project}
    cwd = Path(facts.cwd)
    trusted = {facts.uid, 0, cwd.stat().st_uid}
    within = set(project_files.between(cwd, files.root))
    for directory in (cwd, *cwd.parents):
        owners = None if directory == cwd else trusted
        yield from _in(directory, own, owners, inside=directory in within)
    if files.user and _KEY in files.user.values:
        yield _in_settings(files.user.path, files.user.values)


def _in(
    directory: Path,
    own: dict[Path, dict[str, object]],
    owners: Collection[int] | None,
    *,
    inside: bool,
) -> Iterator[_Candidate]:
    """Return a directory's pins, the first of which counts; outside of the project, two kinds.

    Above it, a pyproject.toml or package.json is another project's.
    """
    settings, pyproject = directory / project.SETTINGS_FILE, directory / project.PYPROJECT
    if _KEY in own.get(settings, {}):
        yield _in_settings(settings, own[settings])
    path = directory / PIN_FILE
    if os.path.lexists(path) and (owners is None or path.lstat().st_uid in owners):
        yield path, None
    if _KEY in own.get(pyproject, {}):
        yield _in_settings(pyproject, own[pyproject])
    yield from foreign_pins.of_tools(directory, owners)
    if inside:
        yield from foreign_pins.of_package_json(directory, owners)


def _in_settings(path: Path, values: dict[str, object]) -> _Candidate:
    value = values[_KEY]
    if not isinstance(value, str):
        raise BadPinError(f"'{path}': {_KEY} is not a string", hint='write it like this: "2.1.330"')
    return path, value


def specifier(text: str, where: str) -> Specifier:
    """Read a specifier.

    Raises:
        BadPinError: not one; a locked version that looks like it is in the hint.
    """
    try:
        return Specifier.parse(text)
    except BadPinError as error:
        said = f"'{where}': {error.message}" if where else error.message
        raise BadPinError(said, hint=_perhaps(text) + error.hint) from error


def suggesting(error: UnknownVersionError, text: str) -> UnknownVersionError:
    """Add to the hint which locked version was perhaps meant by `text`."""
    return UnknownVersionError(error.message, hint=_perhaps(text) + error.hint)


def _perhaps(text: str) -> str:
    from pinnace_core.errors import IN_HINT, perhaps
    from pinnace_images import lock

    try:
        known = sorted(lock.load_known().entries, reverse=True)
    except BadLockError:
        return ""
    return perhaps(text.lstrip("v"), map(str, known), IN_HINT)


def find_file(directory: Path, *, uid: int) -> Path | None:
    """Return the nearest pin file in `directory` or above.

    Above, a stranger's file does not count: anybody may write to `/tmp`.
    """
    trusted = {uid, 0, directory.stat().st_uid}
    for parent in (directory, *directory.parents):
        path = parent / PIN_FILE
        if os.path.lexists(path) and (parent == directory or path.lstat().st_uid in trusted):
            return path
    return None


def read(path: Path) -> Specifier:
    """Read a pin file: one line; a byte order mark, CRLF and `#` comments are harmless.

    Raises:
        BadPinError: unreadable, too large, binary, empty, more than one line, or not a version.
    """
    lines = [line.partition("#")[0].strip() for line in _text(path).splitlines()]
    lines = [line for line in lines if line]
    if len(lines) != 1:
        count = "nothing" if not lines else f"{len(lines)} lines"
        raise BadPinError(f"'{path}' holds {count}, expected one version", hint=_HINT)
    try:
        return specifier(lines[0], str(path))
    except BadPinError:
        if not path.is_symlink():
            raise
        # It may lead to a file of keys, and the project made it: that is shown to nobody.
        raise BadPinError(
            f"'{path}' is a link to a file that holds no version", hint=_HINT
        ) from None


def _text(path: Path) -> str:
    try:
        with open_untrusted(path, follow=True) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise BadPinError(f"'{path}' is not a file", hint=_HINT)
            data = stream.read(_MOST_BYTES + 1)
    except IsADirectoryError:
        raise BadPinError(f"'{path}' is not a file", hint=_HINT) from None
    except OSError as error:
        raise BadPinError(f"cannot read '{path}': {error.strerror}", hint=_HINT) from error
    if len(data) > _MOST_BYTES:
        raise BadPinError(f"'{path}' is larger than {_MOST_BYTES} bytes", hint=_HINT)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadPinError(f"'{path}' is not text in UTF-8", hint=_HINT) from error
    if not text.replace("\r", "").replace("\n", "").replace("\t", "").isprintable():
        raise BadPinError(f"'{path}' is not text", hint=_HINT)
    return text


def write(path: Path, version: CliVersion) -> None:
    """Write a pin file, whole or not at all."""
    from pinnace_core import temporaries

    temporaries.write(path, f"{version}\n".encode())


def default_version() -> CliVersion:
    """Return the newest version of the lock that comes with Pinnace.

    What the user's own lock holds does not count: a project's command would change another's.

    Raises:
        BadPinError: the lock is empty.
    """
    from pinnace_images import lock

    newest = lock.load(lock.SHIPPED_LOCK).newest or lock.load(lock.user_lock()).newest
    if newest is None:
        raise BadPinError("there is no pin, and the lock is empty", hint="run: pinnace pin VERSION")
    return newest


def resolved(
    pin: Pin | None,
    *,
    project: Lock | None = None,
    newest: Callable[[Specifier], CliVersion] | None = None,
) -> CliVersion:
    """Return the exact version that a pin means: a locked one if any fits, else a published one.

    The lock that comes with Pinnace counts for more than the user's own, which other projects'
    commands add to.

    Args:
        pin: what was asked for; None: the lock's newest.
        project: the project's own lock, which is asked first.
        newest: asks the npm registry for what is not locked; None: it may not be asked.

    Raises:
        BadPinError: no locked version fits, and the registry may not be asked.
        PinnaceError: the registry does not answer, or has none that fits.
    """
    if pin is None:
        return default_version()
    if pin.specifier.exact is not None:
        return pin.specifier.exact
    ours = pin.specifier.best(project.entries) if project else None
    if ours is not None:
        return ours
    from pinnace_images import lock

    for path in (lock.SHIPPED_LOCK, lock.user_lock()):
        version = pin.specifier.best(lock.load(path).entries)
        if version is not None:
            return version
    if newest is None:
        raise BadPinError(
            f"no locked version fits '{pin.specifier}' ({pin.source})",
            hint=f"run: pinnace pin '{pin.specifier}'",
        )
    return newest(pin.specifier)
