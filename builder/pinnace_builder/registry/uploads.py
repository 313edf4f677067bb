"""Bringing a blob to a registry, in one piece."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pinnace_builder.registry.content import DIGEST_HEADER

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_builder.registry.http import Connection

_BEGUN: Final = (HTTPStatus.ACCEPTED,)
_CREATED: Final = (HTTPStatus.CREATED,)
_KIND: Final = {"Content-Type": "application/octet-stream"}


def upload(http: Connection, sessions: str, digest: str, source: Path | bytes) -> str:
    """Upload in a session of its own: one that broke off is in a state that nobody knows.

    Args:
        http: the way to the registry.
        sessions: where it begins them.
        digest: of what `source` holds.
        source: a file, or bytes.

    Returns:
        The digest that the registry states; empty if it does not.
    """
    with http.send("POST", sessions, _BEGUN) as answer:
        session = http.target(answer, answer.headers.get("Location", ""))
    place = f"{session}{'&' if '?' in session else '?'}digest={digest}"
    try:
        with http.send("PUT", place, _CREATED, headers=_KIND, body=source) as answer:
            return answer.headers.get(DIGEST_HEADER, "")
    except BaseException:
        # What has arrived would stay in the registry's storage for days, up to a whole CLI.
        # https://distribution.github.io/distribution/spec/api/#canceling-an-upload
        http.try_briefly("DELETE", session)
        raise
