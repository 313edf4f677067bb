"""One repository of an image registry, spoken to as the OCI distribution specification says.

Passing errors are tried again, a few times and ever more slowly. What is received by digest is
verified. May be used by several threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder.registry import pages
from pinnace_builder.registry.content import (
    DIGEST_HEADER,
    MEDIA_TYPES,
    Manifest,
    digest_of,
    is_digest,
    read_document,
    require_digest,
    require_reference,
)
from pinnace_builder.registry.place import Place
from pinnace_builder.registry.uploads import upload
from pinnace_core.errors import ClientMissingError, RegistryDeniedError, VerificationFailedError
from pinnace_core.files import cannot_write
from pinnace_core.retry import RetryPolicy

if TYPE_CHECKING:
    from pinnace_builder.registry.http import Connection

__all__ = ["Manifest", "Registry", "RetryPolicy"]

_ACCEPT: Final = {"Accept": ", ".join(MEDIA_TYPES)}
_MOST_BLOB: Final = 16 << 20
_DELETED: Final = (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)
_OK: Final = (HTTPStatus.OK,)
_HERE: Final = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
_CREATED: Final = (HTTPStatus.CREATED,)
_MENDED: Final = "ask who runs the registry to mend its storage, then run this again"


class Registry:
    """A repository.

    Every method also raises:
        ImageRegistryError: no answer, or none that makes sense.
        RegistryDeniedError: the registry refuses, most often for want of a login.
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
        self.place = Place.parse(repository)
        self._http = _connection(self.place, policy)

    def manifest(self, reference: str) -> Manifest | None:
        """Return what a tag or a digest stands for, None if there is nothing.

        Raises:
            VerificationFailedError: it is something else than the digest says.
        """
        path = self._path("manifests", require_reference(reference))

        def once() -> Manifest | None:
            with self._http.send("GET", path, _HERE, headers=_ACCEPT) as answer:
                if answer.status_code == HTTPStatus.NOT_FOUND:
                    return None
                data = self._http.read(answer, pages.MOST_JSON)
                stated = answer.headers.get(DIGEST_HEADER, "")
                media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
            self._check(reference if is_digest(reference) else stated, digest_of(data))
            document = read_document(data, "manifest")
            return Manifest(data, str(document.get("mediaType") or media_type))

        return self._http.persist(once)

    def digest(self, reference: str) -> str | None:
        """Return the digest that a tag stands for, None if there is no such manifest."""
        path = self._path("manifests", require_reference(reference))

        def once() -> str | None:
            with self._http.send("HEAD", path, _HERE, headers=_ACCEPT) as answer:
                found = answer.status_code == HTTPStatus.OK
                return answer.headers.get(DIGEST_HEADER, "") if found else None

        stated = self._http.persist(once)
        if stated is None or is_digest(stated):
            return stated
        whole = self.manifest(reference)
        return whole.digest if whole else None

    def blob(self, digest: str) -> bytes:
        """Return a small blob, such as a configuration.

        Raises:
            VerificationFailedError: it is something else than the digest says.
        """
        path = self._path("blobs", require_digest(digest))

        def once() -> bytes:
            with self._http.send("GET", path, _OK) as answer:
                return self._http.read(answer, _MOST_BLOB)

        data = self._http.persist(once)
        self._check(digest, digest_of(data))
        return data

    def download(self, digest: str, to: Path) -> None:
        """Put a blob of any size into a file, which is whole or absent.

        Raises:
            VerificationFailedError: it is something else than the digest says.
            CannotWriteError: no space, or no permission.
        """
        path = self._path("blobs", require_digest(digest))
        try:
            with tempfile.TemporaryDirectory(prefix=".blob-", dir=to.parent) as place:
                part = Path(place, "blob")
                self._check(digest, self._http.persist(lambda: self._receive(path, part)))
                part.replace(to)
        except OSError as error:
            raise cannot_write(to, error) from error

    def _receive(self, path: str, part: Path | None) -> str:
        """Return the digest of what arrives, and keep it if there is a place for it."""
        hashed = hashlib.sha256()
        with (
            part.open("wb") if part else contextlib.nullcontext() as stream,
            self._http.send("GET", path, _OK if part else _HERE) as answer,
        ):
            if answer.status_code == HTTPStatus.NOT_FOUND:
                raise VerificationFailedError(
                    f"{self.place} lacks a blob that was pushed", hint=_MENDED
                )
            for piece in self._http.pieces(answer):
                hashed.update(piece)
                if stream:
                    stream.write(piece)
        return f"sha256:{hashed.hexdigest()}"

    def verify_blob(self, digest: str) -> None:
        """Read a blob of any size to its end, without keeping it.

        Raises:
            VerificationFailedError: it is something else than the digest says, or is not there.
        """
        path = self._path("blobs", require_digest(digest))
        self._check(digest, self._http.persist(lambda: self._receive(path, None)))

    def has_blob(self, digest: str, size: int | None = None) -> bool:
        """Return whether the repository holds a blob; if a size is given, in whole.

        Only as far as the registry tells: it may answer from memory.
        """
        path = self._path("blobs", require_digest(digest))
        return self._http.persist(lambda: self._holds(path, size))

    def _holds(self, path: str, size: int | None) -> bool:
        with self._http.send("HEAD", path, _HERE) as answer:
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return False
            stated = answer.headers.get("Content-Length", "")
        return size is None or not stated.isdecimal() or int(stated) == size

    def push_blob(self, digest: str, source: Path | bytes) -> bool:
        """Upload a blob; False if the repository held it already, in whole.

        Raises:
            VerificationFailedError: what arrives has another digest.
            OSError: `source` cannot be read.
        """
        path, sessions = (
            self._path("blobs", require_digest(digest)),
            self._path("blobs", "uploads/"),
        )
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        attempts = 0

        def once() -> bool:
            nonlocal attempts
            attempts += 1
            # After a failure, too: the blob may have arrived although the answer did not.
            if self._holds(path, size):
                return attempts > 1
            self._check(upload(self._http, sessions, digest, source), digest)
            return True

        return self._http.persist(once)

    def push_manifest(self, data: bytes, media_type: str, reference: str) -> str:
        """Store a manifest or an index as it is, under a tag or its digest; return its digest.

        Raises:
            VerificationFailedError: what arrives has another digest.
        """
        path = self._path("manifests", require_reference(reference))
        digest = digest_of(data)
        if is_digest(reference):
            self._check(reference, digest)

        def once() -> str:
            kind = {"Content-Type": media_type}
            with self._http.send("PUT", path, _CREATED, headers=kind, body=data) as answer:
                return answer.headers.get(DIGEST_HEADER, "")

        self._check(self._http.persist(once), digest)
        return digest

    def tags(self) -> list[str]:
        """List all tags, sorted; none if there is no such repository."""
        return sorted(set(pages.tags(self._http, self._path("tags", "list"))))

    def referrers(self, digest: str) -> list[dict[str, Any]]:
        """List what refers to a manifest, such as signatures: descriptors.

        A registry that does not list them holds the list under a tag, as clients keep it there:
        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema.
        """
        found = pages.referrers(self._http, self._path("referrers", require_digest(digest)))
        kept = self.manifest(digest.replace(":", "-"))
        return [*found, *(pages.descriptors(kept.document) if kept else ())]

    def delete(self, digest: str) -> None:
        """Delete a manifest, with its tags; one that is not there is no error.

        Raises:
            RegistryDeniedError: the registry does not allow deletion.
        """
        path = self._path("manifests", require_digest(digest))
        # 404: an earlier attempt may have succeeded although its answer was lost.
        expected = (*_DELETED, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)

        def once() -> int:
            with self._http.send("DELETE", path, expected) as answer:
                return answer.status_code

        if self._http.persist(once) == HTTPStatus.METHOD_NOT_ALLOWED:
            raise RegistryDeniedError(
                f"{self.place.host} does not allow anything to be deleted",
                hint="allow it in the registry's configuration, or delete where it is managed",
            )

    def _path(self, kind: str, what: str) -> str:
        return f"/v2/{self.place.name}/{kind}/{what}"

    def _check(self, stated: str, actual: str) -> None:
        """Compare digests; a registry need not state one, or one of this kind."""
        if is_digest(stated) and stated != actual:
            raise VerificationFailedError(
                f"{self.place}: {stated} is expected, {actual} is there",
                hint="do not use it; try again, then ask who runs the registry",
            )


def _connection(place: Place, policy: RetryPolicy | None) -> Connection:
    """Load what only publishing needs, once it is needed."""
    try:
        from pinnace_builder.registry.http import Connection  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ClientMissingError(
            f"the Python package '{error.name}' is not installed",
            hint="pip install 'pinnace[publish]'",
        ) from error
    return Connection(place, policy)
