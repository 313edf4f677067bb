"""One repository of an image registry, spoken to as the OCI distribution specification says.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md. Transient errors are tried
again, a few times and ever more slowly. What is received by digest is verified. May be used by
several threads.
"""

from __future__ import annotations

import contextlib
import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder.registry.manifest import (
    DIGEST_HEADER,
    INDEX,
    MEDIA_TYPES,
    Manifest,
    descriptors,
    nonsense,
    read_document,
)
from pinnace_core import signals
from pinnace_core.errors import (
    ClientMissingError,
    RegistryDeniedError,
    VerificationFailedError,
)
from pinnace_core.files import cannot_write
from pinnace_core.retry import RetryPolicy
from pinnace_images.refs import (
    RepositoryName,
    digest_of,
    is_digest,
    require_digest,
    require_reference,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    import requests

    from pinnace_builder.registry.http import Connection

__all__ = ["MEDIA_TYPES", "Manifest", "Registry", "RetryPolicy", "lock_name"]

_ACCEPT: Final = {"Accept": ", ".join(MEDIA_TYPES)}
# The specification asks registries to take manifests of 4 MiB.
_MOST_MANIFEST: Final = 4 << 20
_MOST_BLOB: Final = 16 << 20
_OK: Final = (HTTPStatus.OK,)
_OK_OR_NOT_FOUND: Final = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
_DELETED: Final = (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)
# Registries that cannot list referrers say so in many ways; one sends people to its web pages.
_WHATEVER: Final = frozenset(range(200, 500)) - {408, 429} | {HTTPStatus.NOT_IMPLEMENTED}


class Registry:
    """A repository.

    Every method also raises:
        ImageRegistryError: no answer, or none that makes sense.
        RegistryDeniedError: the registry refuses, most often for want of a login.

    Attributes:
        repository: its name.
    """

    def __init__(self, repository: str, *, policy: RetryPolicy | None = None) -> None:
        """Prepare; nothing is sent yet.

        Args:
            repository: HOST[:PORT]/NAME, or a short name of Docker Hub.
            policy: how often requests are tried again; None: as usual.

        Raises:
            UsageError: it is no repository.
            ClientMissingError: the packages of `pinnace[publish]` are not installed.
        """
        self.repository = RepositoryName.parse(repository)
        self._http = _connection(self.repository, policy)

    def manifest(self, reference: str) -> Manifest | None:
        """Return what a tag or a digest stands for, None if there is nothing.

        Raises:
            VerificationFailedError: it is something else than the digest says.
        """
        path = self._path("manifests", require_reference(reference))
        answer, data = self._http.get(path, _OK_OR_NOT_FOUND, _MOST_MANIFEST, headers=_ACCEPT)
        if data is None:
            return None
        self._check(reference if is_digest(reference) else _stated(answer), digest_of(data))
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        return Manifest(data, str(read_document(data, "manifest").get("mediaType") or media_type))

    def digest(self, reference: str) -> str | None:
        """Return the digest that a tag stands for, None if there is no such manifest."""
        path = self._path("manifests", require_reference(reference))
        answer = self._http.request("HEAD", path, _OK_OR_NOT_FOUND, headers=_ACCEPT)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if is_digest(_stated(answer)):
            return _stated(answer)
        whole = self.manifest(reference)
        return whole.digest if whole else None

    def blob(self, digest: str) -> bytes:
        """Return a small blob, such as a configuration.

        Raises:
            VerificationFailedError: it is something else than the digest says.
        """
        path = self._path("blobs", require_digest(digest))
        _, data = self._http.get(path, _OK, _MOST_BLOB)
        self._check(digest, digest_of(data or b""))
        return data or b""

    def download(self, digest: str, to: Path) -> None:
        """Put a blob of any size into a file, which is whole or absent.

        Raises:
            VerificationFailedError: it is something else than the digest says.
            CannotWriteError: no space, or no permission.
        """
        path = self._path("blobs", require_digest(digest))
        try:
            with signals.temporary_directory(".blob-", below=to.parent) as directory:
                part = directory / "blob"
                self._check(digest, self._http.retry(lambda: self._receive(path, part)))
                part.replace(to)
        except OSError as error:
            raise cannot_write(to, error) from error

    def verify_blob(self, digest: str) -> None:
        """Read a blob of any size to its end, without keeping it.

        Raises:
            VerificationFailedError: it is something else than the digest says, or is not there.
        """
        path = self._path("blobs", require_digest(digest))
        self._check(digest, self._http.retry(lambda: self._receive(path, None)))

    def _receive(self, path: str, part: Path | None) -> str:
        """Return the digest of what arrives, and keep it if a file for it is named."""
        hashed = hashlib.sha256()
        with (
            part.open("wb") if part else contextlib.nullcontext() as stream,
            self._http.send("GET", path, _OK if part else _OK_OR_NOT_FOUND) as answer,
        ):
            if answer.status_code == HTTPStatus.NOT_FOUND:
                raise VerificationFailedError(
                    f"{self.repository} lacks a blob that was pushed",
                    hint="ask who runs the registry to mend its storage, then run this again",
                )
            for piece in self._http.pieces(answer):
                hashed.update(piece)
                if stream:
                    stream.write(piece)
        return f"sha256:{hashed.hexdigest()}"

    def has_blob(self, digest: str, size: int | None = None) -> bool:
        """Return whether the repository holds a blob; if a size is given, in whole.

        Only as far as the registry tells: it may answer from memory.
        """
        path = self._path("blobs", require_digest(digest))
        return self._http.retry(lambda: self._holds(path, size))

    def _holds(self, path: str, size: int | None) -> bool:
        with self._http.send("HEAD", path, _OK_OR_NOT_FOUND) as answer:
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return False
            stated = answer.headers.get("Content-Length", "")
        return size is None or not stated.isdecimal() or int(stated) == size

    def require_push(self) -> None:
        """See, before anything is built, that this user may push.

        Raises:
            RegistryDeniedError: they may not.
        """
        self._http.retry(lambda: self._http.require_upload(self._path("blobs", "uploads/")))

    def push_blob(self, digest: str, source: Path | bytes) -> bool:
        """Upload a blob; False if the repository held it already, in whole.

        Raises:
            VerificationFailedError: what arrives has another digest.
            OSError: `source` cannot be read.
        """
        path = self._path("blobs", require_digest(digest))
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        attempts = 0

        def once() -> bool:
            nonlocal attempts
            attempts += 1
            # After a failure, too: the blob may have arrived although the answer did not.
            if self._holds(path, size):
                return attempts > 1
            self._check(self._http.upload(self._path("blobs", "uploads/"), digest, source), digest)
            return True

        return self._http.retry(once)

    def push_manifest(self, data: bytes, media_type: str, reference: str) -> str:
        """Store a manifest or an index as it is, under a tag or its digest; return its digest.

        Raises:
            VerificationFailedError: what arrives has another digest.
        """
        path = self._path("manifests", require_reference(reference))
        digest = digest_of(data)
        if is_digest(reference):
            self._check(reference, digest)
        kind = {"Content-Type": media_type}
        answer = self._http.request("PUT", path, (HTTPStatus.CREATED,), headers=kind, body=data)
        self._check(_stated(answer), digest)
        return digest

    def tags(self) -> list[str]:
        """List all tags, sorted; none if there is no such repository.

        Raises:
            ImageRegistryError: it is no list; half a list would be a danger.
        """
        found: set[str] = set()
        for document in self._pages("tags", "list", _OK_OR_NOT_FOUND):
            some = document.get("tags", "")
            some = [] if some is None else some  # registries differ in how they say that
            if not isinstance(some, list) or not all(isinstance(tag, str) for tag in some):
                raise nonsense("list of tags")
            found.update(some)
        return sorted(found)

    def referrers(self, digest: str) -> list[dict[str, Any]]:
        """List what refers to a manifest, such as signatures: descriptors.

        A registry that does not list them holds the list under a tag, as clients keep it there:
        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema.
        """
        documents = list(self._pages("referrers", require_digest(digest), _WHATEVER, INDEX))
        if kept := self.manifest(digest.replace(":", "-")):
            documents.append(kept.document)
        return [entry for document in documents for entry in descriptors(document)]

    def delete(self, digest: str) -> None:
        """Delete a manifest, with its tags; one that is not there is no error.

        Raises:
            RegistryDeniedError: the registry does not allow deletion.
        """
        path = self._path("manifests", require_digest(digest))
        # 404: an earlier attempt may have succeeded although its answer was lost.
        expected = (*_DELETED, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
        answer = self._http.request("DELETE", path, expected)
        if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            raise RegistryDeniedError(
                f"{self.repository.host} does not allow anything to be deleted",
                hint="allow it in the registry's configuration, or delete where it is managed",
            )

    def _pages(
        self, kind: str, what: str, first: Container[int], media_type: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Read all pages of a list; nothing if the first is not there, or not of this type."""
        following, seen, expected = self._path(kind, what), {""}, first
        while following not in seen:
            seen.add(following)
            page, data = self._http.get(following, expected, _MOST_MANIFEST, media_type=media_type)
            if data is None:
                return
            yield read_document(data, "list")
            following = page.links.get("next", {}).get("url", "")
            following = self._http.target(page, following) if following else ""
            expected = _OK
        if following:
            raise nonsense("list that ends")

    def _path(self, kind: str, what: str) -> str:
        return f"/v2/{self.repository.name}/{kind}/{what}"

    def _check(self, stated: str, actual: str) -> None:
        """Compare digests; a registry need not state one, or one of this kind."""
        if is_digest(stated) and stated != actual:
            raise VerificationFailedError(
                f"{self.repository}: {stated} is expected, {actual} is there",
                hint="do not use it; try again, then ask who runs the registry",
            )


def lock_name(repository: str) -> str:
    """Name the lock of whatever changes a repository: publishing, and `gc`."""
    name = str(RepositoryName.parse(repository))
    return f"publish-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _stated(answer: requests.Response) -> str:
    return answer.headers.get(DIGEST_HEADER, "")


def _connection(repository: RepositoryName, policy: RetryPolicy | None) -> Connection:
    """Load what only publishing needs, once it is needed."""
    try:
        from pinnace_builder.registry.http import Connection  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ClientMissingError(
            f"the Python package '{error.name}' is not installed",
            hint="pip install 'pinnace[publish]'",
        ) from error
    return Connection(repository, policy)
