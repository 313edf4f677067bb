"""The lock: for each CLI version the packages it comes in, with their digests.

`claude.lock.json` is reviewed like source: sorted, stable, one package a block. A second lock in
the user's data directory holds versions that a launch had to resolve itself; where both hold a
version, the shipped one counts.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pinnace_core import host
from pinnace_core.errors import BadLockError, BadPinError
from pinnace_core.files import write_atomic
from pinnace_core.tuples import NamedTuple
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace_images.platforms import Platform

SCHEMA: Final = 1
SHIPPED_LOCK: Final = Path(__file__).with_name("claude.lock.json")
"""The lock that comes with Pinnace."""
ANY: Final = "any"
GLIBC: Final = "glibc"
MUSL: Final = "musl"
# Patterns are compiled when a lock is read: a launch finds this module, and reads none.
_SHA256: Final = "[0-9a-f]{64}"
_FORMS: Final = {
    "platform": "linux/[a-z0-9]{1,20}|any",
    "libc": "glibc|musl|any",
    "name": "@anthropic-ai/claude-code(-[a-z0-9]{1,20}){0,4}",
    "integrity": "sha512-[A-Za-z0-9+/]{86}==",
    "sha256": _SHA256,
    "executable_sha256": _SHA256,
}
# ISO 8601: a day, or a moment as npm writes it.
_MOMENT: Final = r"([0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{8}(\.[0-9]{1,6})?(Z|[+-][0-9:]{5}))?)?"
# Below the package's directory; and nothing that a shell would understand.
_PATH: Final = r"[\w.@+-]+(?:/[\w.@+-]+)*"


class Package(NamedTuple):
    """One npm package that holds the CLI.

    Attributes:
        platform: `linux/amd64`, `linux/arm64`, or `any` for the versions that run on Node.
        libc: `glibc`, `musl`, or `any`.
        name: the npm package's name.
        integrity: sha512 of the tarball, as npm states it (`sha512-BASE64`).
        sha256: of the tarball, hexadecimal.
        size: of the tarball, bytes.
        executable: path of the CLI in the package, below its directory.
        executable_sha256: of that file, 64 lower-case hexadecimal digits.
    """

    platform: str
    libc: str
    name: str
    integrity: str
    sha256: str
    size: int
    executable: str
    executable_sha256: str

    @property
    def needs_node(self) -> bool:
        """Return whether the CLI is a script: until 2.1.109 (and by choice until 2.1.112)."""
        return self.executable.endswith((".js", ".mjs"))


class LockEntry(NamedTuple):
    """A locked version.

    Attributes:
        version: exact.
        packages: all that it comes in, or those that were asked for.
        published: when, as the registry says (ISO 8601), or empty if it does not.
    """

    version: CliVersion
    packages: tuple[Package, ...]
    published: str = ""

    def is_for(self, platform: Platform) -> bool:
        """Return whether there is a package for `platform`; the images are glibc's."""
        return self._find(platform) is not None

    def package_for(self, platform: Platform) -> Package:
        """Return the package for `platform`.

        Raises:
            BadLockError: the version is not published for it.
        """
        found = self._find(platform)
        if found is None:
            raise BadLockError(
                f"{self.version} is not locked for {platform}",
                hint=f"run: pinnace-build lock {self.version}",
            )
        return found

    def _find(self, platform: Platform) -> Package | None:
        for package in self.packages:
            if package.platform in {str(platform), ANY} and package.libc in {GLIBC, ANY}:
                return package
        return None


class Lock(NamedTuple):
    """Locked versions."""

    entries: Mapping[CliVersion, LockEntry] = MappingProxyType({})

    @property
    def newest(self) -> CliVersion | None:
        """The newest locked version."""
        return max(self.entries, default=None)

    def merged(self, other: Lock) -> Lock:
        """Return both locks' versions and their packages; `other` wins."""
        return Lock({**self.entries, **{v: self._with(e) for v, e in other.entries.items()}})

    def _with(self, entry: LockEntry) -> LockEntry:
        """Add to another lock's entry what is locked here for other platforms."""
        known = self.entries.get(entry.version)
        there = {ANY, *(package.platform for package in entry.packages)}
        more = [p for p in known.packages if p.platform not in there] if known else []
        return entry._replace(packages=(*entry.packages, *more))

    def dumps(self) -> str:
        """Write the lock, newest version first."""
        versions = {
            str(version): {
                "published": entry.published,
                "packages": [package._asdict() for package in sorted(entry.packages)],
            }
            for version, entry in sorted(self.entries.items(), reverse=True)
        }
        return json.dumps({"schema": SCHEMA, "versions": versions}, indent=2) + "\n"


def loads(text: str, *, source: str) -> Lock:
    """Read a lock.

    Args:
        text: JSON.
        source: what to call it in an error.

    Raises:
        BadLockError: not a lock of this schema.
    """
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            raise BadLockError(
                f"'{source}' has schema {document['schema']!r}, this Pinnace reads {SCHEMA}",
                hint="update Pinnace",
            )
        entries = [_entry(version, items) for version, items in document["versions"].items()]
    except (ValueError, KeyError, TypeError, AttributeError, BadPinError) as error:
        raise BadLockError(
            f"'{source}' is not a lock: {error}",
            hint="restore it from version control; the user's own lock may be removed",
        ) from error
    return Lock({entry.version: entry for entry in entries})


def _entry(version: str, document: dict[str, Any]) -> LockEntry:
    if set(document) != {"published", "packages"} or not isinstance(document["published"], str):
        raise ValueError(f"{version}: expected the fields packages, published")
    if not re.fullmatch(_MOMENT, document["published"]):
        raise ValueError(f"{version}: 'published' is {document['published']!r}")
    names, items = set(Package._fields), document["packages"]
    for item in items:
        if set(item) != names:
            raise ValueError(f"{version}: expected the fields {', '.join(sorted(names))}")
        for name, value in item.items():
            if type(value) is not (int if name == "size" else str) or not _fits(name, value):
                raise ValueError(f"{version}: '{name}' is {value!r}")
    packages = tuple(Package(**item) for item in items)
    if len({(p.platform, p.libc) for p in packages}) < len(packages):
        raise ValueError(f"{version}: two packages are for the same platform")
    return LockEntry(CliVersion.parse(version), packages, document["published"])


def _fits(name: str, value: Any) -> bool:  # noqa: ANN401 (of the right type)
    """Return whether a value is what the field holds: it goes into labels, paths and scripts."""
    if name == "executable":
        return is_below(value)
    if name == "size":
        return bool(value > 0)
    return bool(re.fullmatch(_FORMS[name], value))


def is_below(path: str) -> bool:
    """Return whether a package's executable may have this path: below its directory, and plain."""
    return bool(re.fullmatch(_PATH, path, re.ASCII)) and {".", ".."}.isdisjoint(path.split("/"))


def load(path: Path) -> Lock:
    """Read the lock at `path`; a missing file is an empty lock.

    Raises:
        BadLockError: unreadable, or not a lock.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Lock()
    except (OSError, UnicodeDecodeError) as error:
        raise BadLockError(f"cannot read '{path}': {error}", hint="mend or remove it") from error
    return loads(text, source=str(path))


def save(path: Path, lock: Lock) -> None:
    """Write `lock` to `path`, whole or not at all."""
    write_atomic(path, lock.dumps().encode())


def user_lock() -> Path:
    """Return the file of the user's own lock, for what a launch had to resolve itself."""
    return host.directory("data") / "claude.lock.json"


def load_known() -> Lock:
    """Read the shipped and the user's lock as one."""
    return load(user_lock()).merged(load(SHIPPED_LOCK))
