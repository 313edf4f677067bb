"""Requests to an image registry: encrypted, logged in, redirected with care, and tried again."""

from __future__ import annotations

import contextlib
import copy
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urljoin

import tenacity  # noqa: F401 (used by `retry`; its absence shows here)
import urllib3

from pinnace_builder.registry.answers import NETWORK_ERRORS, host_of, pieces, read, refusal, trouble
from pinnace_builder.registry.auth import Login
from pinnace_builder.registry.manifest import DIGEST_HEADER, read_document
from pinnace_builder.registry.session import session_of, unchanged
from pinnace_core import retry
from pinnace_core.errors import (
    ImageRegistryError,
)
from pinnace_core.retry import RetryPolicy
from pinnace_images.refs import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence
    from pathlib import Path

    import requests

    from pinnace_images.refs import RepositoryName

T = TypeVar("T")

_HURRY: Final = RetryPolicy(connect_seconds=2, read_seconds=2)
_READING: Final = ("GET", "HEAD")
_MOST_REDIRECTS: Final = 5
_MOST_TOKEN: Final = 1 << 20
_DIRECT: Final = {"http": "", "https": ""}
_PORTS: Final = {"http": 80, "https": 443}


class Connection:
    """The way to one repository's registry."""

    pieces = staticmethod(pieces)

    def __init__(self, repository: RepositoryName, policy: RetryPolicy | None) -> None:
        self._repository = repository
        self._policy = policy
        self._session = session_of(repository)
        self._login = Login(repository, self._ask)

    def retry(self, once: Callable[[], T]) -> T:
        """Do something until it does not end in a transient error, or for the last time.

        Raises:
            ImageRegistryError: of the last attempt.
        """
        return retry.retry(once, self._policy)

    def request(
        self,
        method: str,
        url: str,
        expected: Container[int],
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> requests.Response:
        """Send a request, as often as need be; return the answer without its body. See `send`."""

        def once() -> requests.Response:
            with self.send(method, url, expected, headers=headers, body=body) as answer:
                return answer

        return self.retry(once)

    def get(
        self,
        url: str,
        expected: Container[int],
        most: int,
        *,
        headers: Mapping[str, str] | None = None,
        media_type: str = "",
    ) -> tuple[requests.Response, bytes | None]:
        """Ask for something small, as often as need be; return the answer, and its body.

        Args:
            url: a path, or what `target` gave.
            expected: status codes; others are errors.
            most: bytes of the body.
            headers: besides the login's.
            media_type: that the body must have; empty: any.

        Returns:
            None for the body with another status than 200, or of another type.
        """

        def once() -> tuple[requests.Response, bytes | None]:
            with self.send("GET", url, expected, headers=headers) as answer:
                stated = answer.headers.get("Content-Type", "").partition(";")[0].strip()
                found = answer.status_code == HTTPStatus.OK and media_type in {"", stated}
                return answer, read(answer, most) if found else None

        return self.retry(once)

    def upload(self, sessions: str, digest: str, source: Path | bytes) -> str:
        """Upload a blob in a session of its own: one that broke off is in an unknown state.

        Args:
            sessions: where the registry begins them.
            digest: of what `source` holds.
            source: a file, or bytes.

        Returns:
            The digest that the registry states; empty if it does not.

        Raises:
            TransientError: to be used within `retry`.
        """
        with self.send("POST", sessions, (HTTPStatus.ACCEPTED,)) as answer:
            session = self.target(answer, answer.headers.get("Location", ""))
        url = f"{session}{'&' if '?' in session else '?'}digest={digest}"
        kind = {"Content-Type": "application/octet-stream"}
        try:
            with self.send("PUT", url, (HTTPStatus.CREATED,), headers=kind, body=source) as answer:
                return answer.headers.get(DIGEST_HEADER, "")
        except BaseException:
            # What has arrived would stay in the registry's storage for days, up to a whole CLI.
            # https://distribution.github.io/distribution/spec/api/#canceling-an-upload
            self._try_briefly("DELETE", session)
            raise

    def require_upload(self, sessions: str) -> None:
        """See that something may be uploaded: a session is begun, and cancelled.

        Raises:
            RegistryDeniedError: it may not.
            TransientError: to be used within `retry`.
        """
        with self.send("POST", sessions, (HTTPStatus.ACCEPTED,)) as answer:
            session = self.target(answer, answer.headers.get("Location", ""))
        self._try_briefly("DELETE", session)

    @contextlib.contextmanager
    def send(
        self,
        method: str,
        url: str,
        expected: Container[int],
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Path = b"",
    ) -> Iterator[requests.Response]:
        """Send one request, to be used within `retry`.

        Args:
            method: GET and HEAD follow redirects.
            url: a path, or what `target` gave.
            expected: status codes; others are errors.
            headers: besides the login's.
            body: read from its start, each time it has to be sent.

        Raises:
            TransientError: see `retry`.
            ImageRegistryError: no answer, or none that makes sense.
            RegistryDeniedError: it refuses.
        """
        url = urljoin(self._repository.origin, url)
        answer = self._travel(method, url, headers or {}, body)
        if answer.status_code == HTTPStatus.UNAUTHORIZED and self._own(answer.url):
            answer.close()
            self._login.renew(answer.headers.get("WWW-Authenticate", ""), method)
            answer = self._travel(method, url, headers or {}, body)
        with contextlib.closing(answer):
            if answer.status_code not in expected:
                raise refusal(answer, self._repository, ours=self._own(answer.url))
            yield answer

    def _try_briefly(self, method: str, url: str) -> None:
        """Send a request that may be left undone: for seconds only, whatever comes of it."""
        hurried = copy.copy(self)
        hurried._policy = _HURRY  # noqa: SLF001 (our own)
        with contextlib.suppress(Exception), hurried.send(method, url, range(200, 600)):
            pass

    def _travel(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Path
    ) -> requests.Response:
        """Follow redirects; only the registry itself learns who we are."""
        for _ in range(_MOST_REDIRECTS):
            login = self._login.header(method) if self._own(url) else {}
            with _opened(body) as data:
                answer = self._exchange(method, url, headers={**headers, **login}, data=data)
            if method not in _READING or not answer.is_redirect:
                return answer
            answer.close()
            url = self.target(answer, answer.headers["Location"])
        raise ImageRegistryError(
            f"{self._repository.host} sends us round in circles", hint="ask who runs it"
        )

    def _exchange(self, method: str, url: str, **request: Any) -> requests.Response:  # noqa: ANN401
        policy = self._policy or retry.DEFAULT_POLICY
        try:
            return self._session.request(
                method,
                url,
                # Without it, requests would put credentials from ~/.netrc in the place of ours.
                auth=unchanged,
                allow_redirects=False,
                stream=True,
                timeout=(policy.connect_seconds, policy.read_seconds),
                # As the engine does: this machine is not reached through a proxy.
                proxies=_DIRECT if is_loopback(_origin(url)[1]) else None,
                **request,
            )
        except NETWORK_ERRORS as error:
            raise trouble(url, error) from error

    def _ask(
        self,
        realm: str,
        *,
        authorization: str = "",
        params: Sequence[tuple[str, str]] = (),
        form: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Ask a token server, which may be anywhere; redirects of credentials are not followed."""
        url = self._resolve(self._repository.origin, realm)
        headers = {"Authorization": authorization} if authorization else {}
        method = "POST" if form else "GET"
        answer = self._exchange(method, url, headers=headers, params=params, data=form)
        with contextlib.closing(answer):
            if answer.status_code != HTTPStatus.OK:
                raise refusal(answer, self._repository, ours=True)
            return read_document(read(answer, _MOST_TOKEN), "token")

    def target(self, answer: requests.Response, location: str) -> str:
        """Return the address that an answer refers to.

        Raises:
            ImageRegistryError: it is none, or is not encrypted.
        """
        return self._resolve(answer.url, location)

    def _resolve(self, base: str, location: str) -> str:
        try:
            url = urljoin(base, location)
            scheme, server, _ = _origin(url)
        except ValueError:
            url, scheme, server = "", "", ""
        if not location or not server:
            raise ImageRegistryError(
                f"{host_of(base)} does not say where to go on", hint="ask who runs it"
            )
        local = self._repository.plain and scheme == "http" and is_loopback(server)
        if scheme != "https" and not local:
            raise ImageRegistryError(
                f"{host_of(base)} refers to {scheme}://{server}, which is not encrypted",
                hint="ask who runs it to announce https addresses",
            )
        return url

    def _own(self, url: str) -> bool:
        """Return whether an address is the registry's, which may see our login."""
        return _origin(url) == _origin(self._repository.origin)


@contextlib.contextmanager
def _opened(body: bytes | Path) -> Iterator[Any]:
    # A file of no bytes would be sent in chunks, as if its size were not known.
    if isinstance(body, bytes) or not body.stat().st_size:
        yield body if isinstance(body, bytes) else b""
        return
    with body.open("rb") as stream:
        yield stream


def _origin(url: str) -> tuple[str, str, int]:
    """Take an address apart as requests does: others may see another host in it."""
    parts = urllib3.util.parse_url(url)
    return parts.scheme or "", parts.host or "", parts.port or _PORTS.get(parts.scheme or "", 0)
