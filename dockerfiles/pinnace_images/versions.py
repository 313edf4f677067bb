"""Exact CLI versions, and the specifiers a pin may hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pinnace_core.errors import BadPinError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_EXACT = re.compile(r"v?(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})", re.ASCII)
_PARTIAL = re.compile(r"v?(\d{1,6})(?:\.(\d{1,6}))?(?:\.[x*])?", re.ASCII)
_LONGEST = 200
LATEST: Final = "latest"
CHANNELS: Final = frozenset({LATEST, "stable", "next"})
_SHOWN = 40


class CliVersion(NamedTuple):
    """An exact version of the CLI, `MAJOR.MINOR.PATCH`; the CLI publishes no other form."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> CliVersion:
        """Read an exact version; a leading `v` is allowed.

        Raises:
            BadPinError: anything else, ranges and tags included.
        """
        found = _EXACT.fullmatch(text)
        if found is None:
            raise BadPinError(
                f"{_quoted(text)} is not an exact version", hint="write it like this: 2.1.330"
            )
        return cls(*map(int, found.groups()))

    def is_reported_by(self, said: str) -> bool:
        """Return whether this is what the CLI printed of its own version.

        The first ones print the version alone, later ones `2.1.330 (Claude Code)`.
        """
        return said.strip().removesuffix(" (Claude Code)") == str(self)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def is_exact(text: str) -> bool:
    """Return whether `CliVersion.parse` reads a text; a prerelease is no version here."""
    return _EXACT.fullmatch(text) is not None


class Specifier(NamedTuple):
    """What a pin asks for.

    An exact version, a line (`2.1`), a range as PEP 440 (`>=2.1.300,<2.2`) or npm (`^2.1.300`)
    writes it, or a channel (`latest`).
    """

    text: str
    exact: CliVersion | None = None

    @classmethod
    def parse(cls, text: str) -> Specifier:
        """Read a specifier.

        Raises:
            BadPinError: not a specifier.
        """
        if _EXACT.fullmatch(text):
            return cls(text, CliVersion.parse(text))
        specifier = cls(text[:_LONGEST])
        if len(text) > _LONGEST or not (text.isascii() and text.isprintable()):
            raise _not_a_version(text)
        specifier._matcher()
        return specifier

    @property
    def is_channel(self) -> bool:
        """Whether it names a dist-tag: but for `latest`, only the registry knows what it means."""
        return self.text in CHANNELS

    def best(self, versions: Iterable[CliVersion]) -> CliVersion | None:
        """Return the newest of `versions` that fits."""
        matches = self._matcher()
        return max((v for v in versions if matches(v)), default=None)

    def _matcher(self) -> Callable[[CliVersion], bool]:
        if self.exact is not None:
            return lambda version: version == self.exact
        if self.text == LATEST:
            return lambda _version: True
        if self.is_channel:
            return lambda _version: False
        partial = _PARTIAL.fullmatch(self.text)
        if partial:
            wanted = [int(part) for part in partial.groups() if part is not None]
            return lambda v: [v.major, v.minor][: len(wanted)] == wanted
        return self._range()

    def _range(self) -> Callable[[CliVersion], bool]:
        # Ranges are rare and these are slow to import: an exact pin must not pay for them.
        from nodesemver import satisfies, valid_range  # noqa: PLC0415
        from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415

        try:
            allowed = SpecifierSet(self.text)
        except InvalidSpecifier:
            if not self.text.strip(", ") or valid_range(self.text, loose=False) is None:
                raise _not_a_version(self.text) from None
            return lambda version: bool(satisfies(str(version), self.text, loose=False))
        # An empty set, as of ",", would allow everything.
        if not list(allowed):
            raise _not_a_version(self.text)
        return lambda version: allowed.contains(str(version))

    def __str__(self) -> str:
        return self.text


def _not_a_version(text: str) -> BadPinError:
    return BadPinError(
        f"{_quoted(text)} is not a version",
        hint="use an exact version (2.1.330), a line (2.1), a range (>=2.1.300,<2.2) or 'latest'",
    )


def _quoted(text: str) -> str:
    """Quote untrusted text for a message: printable, and short."""
    shown = text[:_SHOWN].encode("unicode_escape").decode("ascii")
    return f"'{shown}{'…' if len(text) > _SHOWN else ''}'"
