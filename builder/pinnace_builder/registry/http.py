"""Requests to an image registry: encrypted, logged in, redirected with care, and tried again."""

from __future__ import annotations

import contextlib
import copy
import json
import ssl
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import tenacity  # noqa: F401 (used by `retry`; its absence shows here)
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

from pinnace_builder.registry import DIGEST_HEADER, read_document
from pinnace_builder.registry.auth import Login, denied
from pinnace_core import retry
from pinnace_core.errors import (
    ImageRegistryError,
    PinnaceError,
    RegistryDeniedError,
    VerificationFailedError,
)
from pinnace_core.retry import RetryPolicy, TransientError
from pinnace_images.refs import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

    from pinnace_images.refs import RepositoryName

T = TypeVar("T")

# Where the engine looks for authorities that it trusts for one registry only.
CERTIFICATES: Final = Path("/etc/docker/certs.d")
_HEADERS: Final = {
    "User-Agent": "pinnace-build",
    # Some servers call a compressed layer encoded: undone, it would not be what its digest says.
    "Accept-Encoding": "identity",
}
_HURRY: Final = RetryPolicy(connect_seconds=2, read_seconds=2)
_READING: Final = ("GET", "HEAD")
_MOST_REDIRECTS: Final = 5
_MOST_TOKEN: Final = 1 << 20
_MOST_SAID: Final = 64 << 10
_PIECE: Final = 1 << 18
_SHOWN: Final = 200
_DIRECT: Final = {"http": "", "https": ""}
_PORTS: Final = {"http": 80, "https": 443}
_LOGIN: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_TRANSIENT: Final = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_NETWORK_ERRORS: Final = (requests.RequestException, urllib3.exceptions.HTTPError)
_TRANSIENT_ERRORS: Final = (
    requests.ConnectionError,
    requests.Timeout,
    urllib3.exceptions.HTTPError,
)
_TIMEOUTS: Final = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)


class Connection:
    """The way to one repository's registry."""

    def __init__(self, repository: RepositoryName, policy: RetryPolicy | None) -> None:
        self._repository = repository
        self._policy = policy
        self._session = _session(repository)
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
                return answer, _read(answer, most) if found else None

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

    @staticmethod
    def pieces(answer: requests.Response) -> Iterator[bytes]:
        """Read a body as it was sent.

        Raises:
            TransientError: it ends early.
        """
        try:
            yield from answer.raw.stream(_PIECE, decode_content=False)
        except _NETWORK_ERRORS as error:
            raise _trouble(answer.url, error) from error

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
                raise _refusal(answer, self._repository, ours=self._own(answer.url))
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
                auth=_unchanged,
                allow_redirects=False,
                stream=True,
                timeout=(policy.connect_seconds, policy.read_seconds),
                # As the engine does: this machine is not reached through a proxy.
                proxies=_DIRECT if is_loopback(_origin(url)[1]) else None,
                **request,
            )
        except _NETWORK_ERRORS as error:
            raise _trouble(url, error) from error

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
                raise _refusal(answer, self._repository, ours=True)
            return read_document(_read(answer, _MOST_TOKEN), "token")

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
                f"{_host(base)} does not say where to go on", hint="ask who runs it"
            )
        local = self._repository.plain and scheme == "http" and is_loopback(server)
        if scheme != "https" and not local:
            raise ImageRegistryError(
                f"{_host(base)} refers to {scheme}://{server}, which is not encrypted",
                hint="ask who runs it to announce https addresses",
            )
        return url

    def _own(self, url: str) -> bool:
        """Return whether an address is the registry's, which may see our login."""
        return _origin(url) == _origin(self._repository.origin)


class _Trusting(HTTPAdapter):
    """Trusts what the engine trusts for a registry, besides the usual authorities."""

    def __init__(self, authorities: Sequence[Path]) -> None:
        self._context = create_urllib3_context()
        for path in authorities:
            try:
                self._context.load_verify_locations(path)
            except OSError as error:
                raise ImageRegistryError(
                    f"'{path}' is not a certificate that can be read",
                    hint="mend it: the engine cannot use it, either",
                ) from error
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().init_poolmanager(*arguments, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401
        return super().proxy_manager_for(proxy, **options, ssl_context=self._context)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Leave redirects alone: looking at one already reads all of its body."""


def _session(repository: RepositoryName) -> _Session:
    session = _Session()
    session.headers.update(_HEADERS)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    if authorities := sorted((CERTIFICATES / repository.host).glob("*.crt")):
        session.mount("https://", _Trusting(authorities))
    return session


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


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


def _read(answer: requests.Response, most: int) -> bytes:
    """Read a body that ought to be small.

    Raises:
        TransientError: it ends early.
        ImageRegistryError: it has more than `most` bytes.
    """
    data = bytearray()
    for piece in Connection.pieces(answer):
        data += piece
        if len(data) > most:
            raise ImageRegistryError(
                f"{_host(answer.url)} sends more than {most} bytes where less was expected",
                hint="check the repository",
            )
    return bytes(data)


def _refusal(answer: requests.Response, repository: RepositoryName, *, ours: bool) -> Exception:
    """Turn an unexpected status into an error.

    Args:
        answer: of the registry, or of somebody that it refers to.
        repository: where it was sent to.
        ours: whether we have logged in there.
    """
    status, (code, said) = answer.status_code, _said(answer)
    text = f"{_host(answer.url)} answers {status}{said}"
    if status in _TRANSIENT:
        return TransientError(
            ImageRegistryError(text, hint="try again later"), _asked_seconds(answer)
        )
    if ours and status in _LOGIN:
        return denied(repository, f"{status}{said}")
    if code == "DIGEST_INVALID":
        return VerificationFailedError(text, hint="the source has changed, or was damaged")
    if ours and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return RegistryDeniedError(
            text, hint=f"check the repository's name, and what {repository.host} allows"
        )
    return ImageRegistryError(text, hint="check the repository's host; ask who runs it")


def _said(answer: requests.Response) -> tuple[str, str]:
    """Return the registry's code, and what to add to a message, made safe for a terminal."""
    try:
        first = json.loads(_read(answer, _MOST_SAID))["errors"][0]
        code, message = str(first.get("code") or ""), str(first.get("message") or "")
    except (TransientError, PinnaceError, ValueError, LookupError, TypeError, AttributeError):
        code, message = "", answer.reason or ""
    text = ": ".join(part for part in (code, message) if part)
    shown = "".join(c for c in text if c.isprintable())[:_SHOWN]
    return code, f" ({shown})" if shown else ""


def _trouble(url: str, error: Exception) -> Exception:
    """Return transient errors as such; their own texts may hold signed addresses."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return ImageRegistryError(
            f"{_host(url)} shows a certificate that is not trusted",
            hint="put its authority's into /etc/docker/certs.d/HOST/ca.crt, as for the engine",
        )
    failure = ImageRegistryError(
        f"{_host(url)} does not answer: {_reason(causes)}",
        hint="check the network, and the proxies in the environment",
    )
    return TransientError(failure) if isinstance(error, _TRANSIENT_ERRORS) else failure


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _reason(causes: Sequence[BaseException]) -> str:
    said = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    if said:
        return said[-1][0].lower() + said[-1][1:]
    if any(isinstance(cause, _TIMEOUTS) for cause in causes):
        return "it takes too long"
    cut = any(isinstance(cause, urllib3.exceptions.HTTPError) for cause in causes)
    return "the connection broke off" if cut else type(causes[0]).__name__


def _asked_seconds(answer: requests.Response) -> float:
    """Understand `Retry-After`: seconds, or a date."""
    try:
        return urllib3.Retry().parse_retry_after(answer.headers.get("Retry-After", "0"))
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return 0


def _host(url: str) -> str:
    """Return what of an address may be shown."""
    return urlsplit(url).netloc.rpartition("@")[2]
