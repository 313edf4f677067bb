"""Platforms as engines spell them, and the names other ecosystems give them."""

from __future__ import annotations

from pinnace_core.errors import UsageError
from pinnace_core.tuples import NamedTuple

_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
}
_NPM_ARCHITECTURES = {"amd64": "x64", "arm64": "arm64"}


class Platform(NamedTuple):
    """A container platform; the operating system is always Linux."""

    architecture: str

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `linux/amd64`, `linux/arm64`.

        Raises:
            UsageError: any other platform.
        """
        for platform in SUPPORTED:
            if text == str(platform):
                return platform
        known = ", ".join(map(str, SUPPORTED))
        raise UsageError(f"'{text}' is not a supported platform", hint=f"use one of: {known}")

    @classmethod
    def of_machine(cls, machine: str) -> Platform:
        """Translate what the kernel (`uname -m`) or an engine reports."""
        architecture = _ARCHITECTURES.get(machine.lower())
        if architecture is None:
            known = ", ".join(map(str, SUPPORTED))
            raise UsageError(f"no CLI is published for '{machine}'", hint=f"published: {known}")
        return cls(architecture)

    @property
    def npm(self) -> str:
        """The suffix of the CLI's platform packages, as in `claude-code-linux-x64`."""
        return f"linux-{_NPM_ARCHITECTURES[self.architecture]}"

    def __str__(self) -> str:
        return f"linux/{self.architecture}"


SUPPORTED = (Platform("amd64"), Platform("arm64"))
