"""What stands around the CLI in an image, and could make another program of it.

Of an image that was not built here, this is looked at from outside. A C library that is another
one is not found so: who lets a stranger's image run trusts it with what goes into its containers.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_POLICY: Final = "/etc/claude-code"
FILES: Final = (
    # ld.so(8): loaded into every program.
    "/etc/ld.so.preload",
    *(f"{_POLICY}/{name}" for name in ("managed-settings.json", "managed-mcp.json", "CLAUDE.md")),
)
"""Files that have to be absent, or empty."""
# Of the loader, of shells that run scripts, of what the CLI is made with, of the CLI itself.
_NAMES: Final = ("BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "IFS", "GCONV_PATH")
_STARTS: Final = (
    *("LD_", "GLIBC_", "NODE_", "BUN_", "OPENSSL_", "SSL_CERT_", "GIT_"),
    *("ANTHROPIC_", "CLAUDE", "DISABLE_", "BASH_FUNC_"),
)
_OWN: Final = {
    "CLAUDE_CONFIG_DIR": contract.CONFIG_DIR,
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_INSTALLATION_CHECKS": "1",
}
# Where a package of a distribution's puts programs.
_PROGRAMS: Final = ("/bin", "/opt", "/sbin", "/usr")


def problems(environment: Iterable[str], files: Mapping[str, bool]) -> Iterator[str]:
    """Say what is not as it should be.

    Args:
        environment: NAME=VALUE, of the image.
        files: which of `FILES` hold anything.
    """
    yield from (f"'{path}' changes what runs there" for path, holds in files.items() if holds)
    for item in environment:
        name, _, value = item.partition("=")
        if name == "PATH":
            yield from _of_path(value)
        elif name in _OWN and value == _OWN[name]:
            continue
        elif name in _NAMES or name.upper().startswith(_STARTS):
            yield f"the variable {name} changes what runs there"


def _of_path(value: str) -> Iterator[str]:
    """Programs come from where nobody inside can write; behind all others, from the user's own."""
    *front, last = value.split(":")
    own = f"{contract.HOME}/.local/bin"
    for place in (*front, *([] if last == own else [last])):
        if (
            not place.startswith("/")
            or ".." in PurePosixPath(place).parts
            or not any(PurePosixPath(place).is_relative_to(known) for known in _PROGRAMS)
        ):
            yield f"programs would be taken from '{place}' (PATH)"
