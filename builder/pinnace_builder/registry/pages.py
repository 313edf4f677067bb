"""Lists that a registry gives page by page."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder.registry.content import INDEX, nonsense, read_document

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    import requests

    from pinnace_builder.registry.http import Connection

# The specification asks registries to take manifests of 4 MiB.
MOST_JSON: Final = 4 << 20
_OK: Final = (HTTPStatus.OK,)
_HERE: Final = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
# Registries that cannot list referrers say so in many ways; one sends people to its web pages.
_WHATEVER: Final = frozenset(range(200, 500)) - {408, 429} | {HTTPStatus.NOT_IMPLEMENTED}


def tags(http: Connection, path: str) -> list[str]:
    """Return the tags of a repository; half a list would be a danger.

    Raises:
        ImageRegistryError: it is no list.
    """
    found: list[str] = []
    for document in _documents(http, path, _HERE, ""):
        some = document.get("tags", "")
        some = [] if some is None else some  # registries differ in how they say that
        if not isinstance(some, list) or not all(isinstance(tag, str) for tag in some):
            raise nonsense("list of tags")
        found += some
    return found


def referrers(http: Connection, path: str) -> list[dict[str, Any]]:
    """Return descriptors of what refers to a manifest; none if the registry cannot tell.

    Raises:
        ImageRegistryError: it is no list.
    """
    return [
        entry
        for document in _documents(http, path, _WHATEVER, INDEX)
        for entry in descriptors(document)
    ]


def descriptors(index: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of an index.

    Raises:
        ImageRegistryError: they are none.
    """
    found = index.get("manifests")
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise nonsense("list of manifests")
    return found


def _documents(
    http: Connection, path: str, first: Container[int], media_type: str
) -> Iterator[dict[str, Any]]:
    """Read all pages; nothing if the first is not there, or not of this type."""
    following, seen, expected = path, {""}, first
    while following not in seen:
        seen.add(following)
        data, following = _page(http, following, expected, media_type)
        if data is not None:
            yield read_document(data, "list")
        expected = _OK
    if following:
        raise nonsense("list that ends")


def _page(
    http: Connection, path: str, expected: Container[int], media_type: str
) -> tuple[bytes | None, str]:
    def once() -> tuple[bytes | None, str]:
        with http.send("GET", path, expected) as answer:
            if answer.status_code != HTTPStatus.OK or not _is(answer, media_type):
                return None, ""
            following = answer.links.get("next", {}).get("url", "")
            data = http.read(answer, MOST_JSON)
            return data, http.target(answer, following) if following else ""

    return http.persist(once)


def _is(answer: requests.Response, media_type: str) -> bool:
    stated = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    return not media_type or stated == media_type
