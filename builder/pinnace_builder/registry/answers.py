"""What a registry answers: bodies, read with a limit, and failures, as errors that people get."""

from __future__ import annotations

import json
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import requests
import urllib3

from pinnace_builder.registry.auth import denied
from pinnace_core.errors import (
    ImageRegistryError,
    PinnaceError,
    RegistryDeniedError,
    VerificationFailedError,
)
from pinnace_core.retry import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pinnace_images.refs import RepositoryName

_MOST_SAID: Final = 64 << 10
_PIECE: Final = 1 << 18
_SHOWN: Final = 200
_LOGIN: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_TRANSIENT: Final = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
NETWORK_ERRORS: Final = (requests.RequestException, urllib3.exceptions.HTTPError)
_TRANSIENT_ERRORS: Final = (
    requests.ConnectionError,
    requests.Timeout,
    urllib3.exceptions.HTTPError,
)
_TIMEOUTS: Final = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)


def pieces(answer: requests.Response) -> Iterator[bytes]:
    """Read a body as it was sent.

    Raises:
        TransientError: it ends early.
    """
    try:
        yield from answer.raw.stream(_PIECE, decode_content=False)
    except NETWORK_ERRORS as error:
        raise trouble(answer.url, error) from error


def read(answer: requests.Response, most: int) -> bytes:
    """Read a body that ought to be small.

    Raises:
        TransientError: it ends early.
        ImageRegistryError: it has more than `most` bytes.
    """
    data = bytearray()
    for piece in pieces(answer):
        data += piece
        if len(data) > most:
            raise ImageRegistryError(
                f"{host_of(answer.url)} sends more than {most} bytes where less was expected",
                hint="check the repository",
            )
    return bytes(data)


def refusal(answer: requests.Response, repository: RepositoryName, *, ours: bool) -> Exception:
    """Turn an unexpected status into an error.

    Args:
        answer: of the registry, or of somebody that it refers to.
        repository: where it was sent to.
        ours: whether we have logged in there.
    """
    status, (code, said) = answer.status_code, _said(answer)
    text = f"{host_of(answer.url)} answers {status}{said}"
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
        first = json.loads(read(answer, _MOST_SAID))["errors"][0]
        code, message = str(first.get("code") or ""), str(first.get("message") or "")
    except (TransientError, PinnaceError, ValueError, LookupError, TypeError, AttributeError):
        code, message = "", answer.reason or ""
    text = ": ".join(part for part in (code, message) if part)
    shown = "".join(c for c in text if c.isprintable())[:_SHOWN]
    return code, f" ({shown})" if shown else ""


def trouble(url: str, error: Exception) -> Exception:
    """Return transient errors as such; their own texts may hold signed addresses."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return ImageRegistryError(
            f"{host_of(url)} shows a certificate that is not trusted",
            hint="put its authority's into /etc/docker/certs.d/HOST/ca.crt, as for the engine",
        )
    failure = ImageRegistryError(
        f"{host_of(url)} does not answer: {_reason(causes)}",
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


def host_of(url: str) -> str:
    """Return what of an address may be shown."""
    return urlsplit(url).netloc.rpartition("@")[2]
