"""Pull an image with the engine's own client, so that its logins, mirrors and proxies count."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pinnace_core.errors import BadProjectImageError
from pinnace_images import contract

if TYPE_CHECKING:
    from pinnace_core.engine import Engine

_REFERENCE: Final = re.compile(
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_ID: Final = re.compile(r"sha256:[0-9a-f]{64}")
# How clients may write a name without a registry's; `localhost` is podman's for what is local.
_DEFAULTS: Final = ("docker.io/", "index.docker.io/", "registry-1.docker.io/", "localhost/")


def require_reference(text: str, *, source: str) -> str:
    """Return an image's name or id, if it is one: nothing that a client would take for an option.

    Raises:
        BadProjectImageError: it is none.
    """
    if not (_REFERENCE.fullmatch(text) or _ID.fullmatch(text)):
        raise BadProjectImageError(
            f"{source} names '{text[:80]}', which is no image's name",
            hint="write it as registry.example/team/name:tag, in lower case",
        )
    return text


def pull(engine: Engine, reference: str, platform: str) -> None:
    """Pull; progress goes to stderr.

    Raises:
        BadProjectImageError: the name is one of those that only images made here have.
        PinnaceError: of `Engine.pull`.
    """
    _require_foreign(reference)
    engine.pull(reference, platform)


def _require_foreign(reference: str) -> None:
    """See that no stranger's image gets a name that says that it was made, and checked, here."""
    default = next((name for name in _DEFAULTS if reference.startswith(name)), "")
    repository = reference.removeprefix(default).partition("@")[0].partition(":")[0]
    if repository == contract.LOCAL_REPOSITORY:
        raise BadProjectImageError(
            f"'{reference}' is never pulled: only images that were made here have such names",
            hint="build it: pinnace-build build VERSION; or name another repository",
        )
