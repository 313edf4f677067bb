"""Renew a login: ask the login service for the next token, as Claude Code itself does.

What is asked was read from CLI 1.0.128, 2.1.112 and 2.1.330 against a stand-in: the same program,
the same body. Between them the service's name changed; newer ones name scopes, too, which may be
left out: https://www.rfc-editor.org/rfc/rfc6749#section-6

The service gives a new token to renew with, and refuses the old one from then on. So one at a time
asks, and keeps the answer before anything else happens.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from pinnace.agent import logins
from pinnace_core import console
from pinnace_core.errors import CannotWriteError
from pinnace_core.locks import file_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace.agent.logins import Login

_SERVICE: Final = "https://platform.claude.com/v1/oauth/token"
# Claude Code's own number there; no secret.
_PROGRAM: Final = "9d1c250a-e61b-44d9-88ed-5944d1962f5e"
_AHEAD_SECONDS: Final = 600
# Where a service gives shorter tokens than that.
_LEAST_SECONDS: Final = 60
_USUAL_SECONDS: Final = 3600
_TIMEOUT_SECONDS: Final = 30
_MOMENT_SECONDS: Final = 30
_NEVER: Final = 1e15
OVER: Final = "the login of profile {0} is over: pinnace auth login --profile {0}"
"""What is said of one that cannot be renewed."""
_MOST_BYTES: Final = 1 << 20


class RefusedError(Exception):
    """The service refused for good."""


def see_to(login: Login, trusted: bytes) -> None:
    """See that a launch has a token that is good, as far as that is possible; else say so."""
    found = logins.load(login)
    if not found or not has_run_out(found):
        return
    try:
        renew(login, trusted)
    except RefusedError:
        pass
    except (OSError, ValueError, CannotWriteError) as error:
        console.stderr(f"pinnace: the login of profile {login.name} is not renewed: {error}")
        return
    found = logins.load(login)
    if found and has_run_out(found):
        console.stderr(f"pinnace: {OVER.format(login.name)}")


def has_run_out(found: Mapping[str, Any]) -> bool:
    """Return whether a token is of no use any more, or will not be in a moment."""
    return bool(found.get("expiresAt", _NEVER) / 1000 < time.time() + _MOMENT_SECONDS)


def is_due(login: Login, found: Mapping[str, Any]) -> bool:
    """Return whether it is to be renewed now: some minutes before it runs out."""
    if not found.get("refreshToken") or logins.is_refused(login, found):
        return False
    now = time.time()
    left = found.get("expiresAt", _NEVER) / 1000 - now
    return left < _MOMENT_SECONDS or (left < _AHEAD_SECONDS and _age(login, now) > _LEAST_SECONDS)


def _age(login: Login, now: float) -> float:
    try:
        return now - login.file.stat().st_mtime
    except OSError:
        return 0.0


def renew(login: Login, trusted: bytes, *, wait: bool = True) -> None:
    """Renew a login if it is due; nobody else does meanwhile.

    Args:
        login: which.
        trusted: extra CA certificates (PEM).
        wait: until somebody else has done it; else that is left to them.

    Raises:
        RefusedError: the service refused for good; that is noted.
        OSError: it cannot be reached, or is out of order.
        ValueError: its answer is none.
        CannotWriteError: what it gave cannot be kept.
    """
    from filelock import Timeout

    logins.prepare()
    try:
        with file_lock(login.lock, timeout=_TIMEOUT_SECONDS * 2 if wait else 0):
            found = logins.load(login)
            if not found or not is_due(login, found):
                return
            try:
                answer = _asked(found["refreshToken"], trusted)
            except RefusedError:
                logins.refuse(login, found)
                raise
            logins.store(login, _next(found, answer))
    except Timeout:
        return


def _next(found: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    seconds = answer.get("expires_in")
    lasts = seconds if isinstance(seconds, int | float) and seconds > 0 else _USUAL_SECONDS
    scope = answer.get("scope")
    return {
        **found,
        "accessToken": answer["access_token"],
        "refreshToken": answer.get("refresh_token") or found["refreshToken"],
        "expiresAt": int((time.time() + lasts) * 1000),
        **({"scopes": scope.split()} if isinstance(scope, str) and scope else {}),
    }


def _asked(token: str, trusted: bytes) -> dict[str, Any]:
    """Ask the service, by the proxy that this machine's variables name."""
    import urllib.error
    import urllib.request

    body = {"grant_type": "refresh_token", "refresh_token": token, "client_id": _PROGRAM}
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    request = urllib.request.Request(_SERVICE, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(  # noqa: S310 (the URL is ours)
            request, timeout=_TIMEOUT_SECONDS, context=_context(trusted)
        ) as response:
            return read_answer(response.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(_MOST_BYTES)
        # https://www.rfc-editor.org/rfc/rfc6749#section-5.2
        if error.code in {400, 401} and b"invalid_grant" in said:
            raise RefusedError from None
        raise OSError(f"the login service answers {error.code}") from None


def read_answer(data: bytes) -> dict[str, Any]:
    """Read an answer.

    Raises:
        ValueError: it gives no token.
    """
    answer = json.loads(data)
    if not isinstance(answer, dict) or not logins.is_token(answer.get("access_token")):
        raise ValueError("the login service gives no token")
    renewing = answer.get("refresh_token")
    if renewing is not None and not logins.is_token(renewing):
        raise ValueError("the login service gives no token to renew with")
    return answer


def _context(trusted: bytes) -> Any:  # noqa: ANN401 (of `ssl`, which no launch imports)
    import ssl

    context = ssl.create_default_context()
    if trusted:
        context.load_verify_locations(cadata=trusted.decode("ascii", "replace"))
    return context
