"""Requests to an image registry: encrypted, logged in, redirected with care, and tried again."""

from __future__ import annotations

import contextlib
import copy
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urljoin

import requests
import tenacity  # noqa: F401 (used by `passing`; its absence shows here)
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

from pinnace_builder.registry.answers import host, pieces, read, refusal, trouble
from pinnace_builder.registry.auth import Login
from pinnace_builder.registry.content import read_document
from pinnace_builder.registry.place import is_loopback
from pinnace_core import retry
from pinnace_core.errors import ImageRegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

    from pinnace_builder.registry.place import Place
    from pinnace_core.retry import RetryPolicy

T = TypeVar("T")

# Where the engine looks for authorities that it trusts for one registry only.
CERTIFICATES: Final = Path("/etc/docker/certs.d")
_HEADERS: Final = {
    "User-Agent": "pinnace-build",
    # Some servers call a compressed layer encoded: undone, it would not be what its digest says.
    "Accept-Encoding": "identity",
}
_HURRY: Final = retry.RetryPolicy(connect_seconds=2, read_seconds=2)
_READING: Final = ("GET", "HEAD")
_MOST_REDIRECTS: Final = 5
_MOST_TOKEN: Final = 1 << 20
_DIRECT: Final = {"http": "", "https": ""}
_PORTS: Final = {"http": 80, "https": 443}


class Connection:
    """The way to one repository's registry."""

    pieces = staticmethod(pieces)
    read = staticmethod(read)

    def __init__(self, place: Place, policy: RetryPolicy | None) -> None:
        self._place = place
        self._policy = policy
        self._session = _session(place)
        self._login = Login(place, self._ask)

    def persist(self, once: Callable[[], T]) -> T:
        """Do something until it does not end in a passing error, or for the last time.

        Raises:
            ImageRegistryError: of the last attempt.
        """
        return retry.retry(once, self._policy)

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
        """Send one request, to be used within `persist`.

        Args:
            method: GET and HEAD follow redirects.
            url: a path, or what `target` gave.
            expected: status codes; others are errors.
            headers: besides the login's.
            body: read from its start, each time it has to be sent.

        Raises:
            TransientError: see `persist`.
            ImageRegistryError: no answer, or none that makes sense.
            RegistryDeniedError: it refuses.
        """
        url = urljoin(self._place.origin, url)
        answer = self._travel(method, url, headers or {}, body)
        if answer.status_code == HTTPStatus.UNAUTHORIZED and self._own(answer.url):
            answer.close()
            self._login.renew(answer.headers.get("WWW-Authenticate", ""), method)
            answer = self._travel(method, url, headers or {}, body)
        with contextlib.closing(answer):
            if answer.status_code not in expected:
                raise refusal(answer, self._place, ours=self._own(answer.url))
            yield answer

    def try_briefly(self, method: str, url: str) -> None:
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
            f"{self._place.host} sends us round in circles", hint="ask who runs it"
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
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
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
        url = self._resolve(self._place.origin, realm)
        headers = {"Authorization": authorization} if authorization else {}
        method = "POST" if form else "GET"
        answer = self._exchange(method, url, headers=headers, params=params, data=form)
        with contextlib.closing(answer):
            if answer.status_code != HTTPStatus.OK:
                raise refusal(answer, self._place, ours=True)
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
                f"{host(base)} does not say where to go on", hint="ask who runs it"
            )
        local = self._place.plain and scheme == "http" and is_loopback(server)
        if scheme != "https" and not local:
            raise ImageRegistryError(
                f"{host(base)} refers to {scheme}://{server}, which is not encrypted",
                hint="ask who runs it to announce https addresses",
            )
        return url

    def _own(self, url: str) -> bool:
        """Return whether an address is the registry's, which may see our login."""
        return _origin(url) == _origin(self._place.origin)


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


def _session(place: Place) -> _Session:
    session = _Session()
    session.headers.update(_HEADERS)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    if authorities := sorted((CERTIFICATES / place.host).glob("*.crt")):
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
