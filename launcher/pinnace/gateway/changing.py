"""Credentials that change while a gateway runs: a login's token, and the key that a program gives.

They are in no configuration but in a file of their own, which HAProxy looks them up in. Who changes
it is the keeper; the gateway sees that it has changed, reads it anew, and says that it has.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.agent import logins
from pinnace_core.digest import hexdigest
from pinnace_core.errors import CannotWriteError, KeyHelperError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FILE: Final = "credentials"
"""Beside the configuration: `HEADER VALUE`, one a line; beside the logs, the digest of that."""
# As Claude Code's: https://code.claude.com/docs/en/settings
_USUAL_TTL_SECONDS: Final = 300.0
_LEAST_TTL_SECONDS: Final = 5.0
_HELPER_SECONDS: Final = 60
_FIRST_PAUSE_SECONDS: Final = 15.0
_LONGEST_PAUSE_SECONDS: Final = 600.0
_TTL: Final = "CLAUDE_CODE_API_KEY_HELPER_TTL_MS"


class Job(NamedTuple):
    """What a keeper keeps current.

    Attributes:
        login: the config directory whose login it is; empty: none.
        helper: a command of the user's that says a key; empty: none.
        ttl: seconds after which that is asked again.
    """

    login: str = ""
    helper: str = ""
    ttl: float = _USUAL_TTL_SECONDS


def ttl(environment: Mapping[str, str]) -> float:
    """Return for how many seconds a helper's key is used, as Claude Code reads it."""
    text = environment.get(_TTL, "").strip()
    if not (text.isascii() and text.isdigit()):
        return _USUAL_TTL_SECONDS
    return max(int(text) / 1000, _LEAST_TTL_SECONDS)


def content(job: Job) -> bytes:
    """Return what the file holds now.

    Raises:
        KeyHelperError: the helper gives no key.
    """
    if job.helper:
        return of_key(asked(job.helper))
    found = logins.load(logins.of(Path(job.login))) if job.login else None
    return of_token(found["accessToken"]) if found else b""


def are_in_force(credentials: bytes, logs: Path) -> bool:
    """Return whether a gateway says that it goes by these.

    Args:
        credentials: the file's content.
        logs: directory of the gateway's.
    """
    try:
        said = (logs / FILE).read_text()
    except OSError:
        return False
    return said.startswith(hexdigest(credentials))


def of_token(token: str) -> bytes:
    """Return the file for a login's token."""
    return f"authorization Bearer {token}\n".encode()


def of_key(key: str) -> bytes:
    """Return the file for a helper's key: Claude Code sends it in both ways."""
    return f"x-api-key {key}\nauthorization Bearer {key}\n".encode()


def asked(helper: str) -> str:
    """Run the user's program; return the key that it says.

    Raises:
        KeyHelperError: it fails, takes too long, or what it says is no key.
    """
    import subprocess

    try:
        done = subprocess.run(  # noqa: S602 (the user's own command, as Claude Code runs it)
            helper,
            shell=True,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=_HELPER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise _helper_error(f"does not end within {_HELPER_SECONDS} seconds") from None
    if done.returncode != 0:
        raise _helper_error(f"ends with {done.returncode}")
    key = done.stdout.decode("ascii", "replace").strip()
    if not logins.is_token(key):
        raise _helper_error("prints no key")
    return key


def _helper_error(what: str) -> KeyHelperError:
    return KeyHelperError(
        f"the program that gives the key (auth.key-helper) {what}",
        hint="run it by hand: it prints the key and nothing else, and ends with 0",
    )


class Source:
    """Knows what the file is to hold; asks for more when it is time, and with pauses if in vain."""

    def __init__(self, job: Job, trusted: bytes, say: Callable[[str], object]) -> None:
        self._job, self._trusted, self._say = job, trusted, say
        self._key = b""
        self._next, self._pause = 0.0, 0.0

    def current(self) -> bytes | None:
        """Return the file's content; None: as it is. It may take as long as an answer does."""
        return self._of_helper() if self._job.helper else self._of_login()

    def _of_helper(self) -> bytes | None:
        # By the clock on the wall: a machine that slept has an old key.
        due = time.time() >= self._next
        key = self._tried(lambda: asked(self._job.helper)) if due else None
        if key is not None:
            self._key = of_key(key)
            self._next = time.time() + self._job.ttl
        return self._key or None

    def _of_login(self) -> bytes | None:
        from pinnace.gateway import renewal

        login = logins.of(Path(self._job.login))
        found = logins.load(login)
        if found and time.time() >= self._next and renewal.is_due(login, found):
            self._tried(lambda: renewal.renew(login, self._trusted, wait=False))
            found = logins.load(login)
        return of_token(found["accessToken"]) if found else b""

    def _tried(self, attempt: Callable[[], Any]) -> Any:  # noqa: ANN401 (what it returns)
        """Do it; if it fails, say why and let some time go by before the next attempt."""
        from pinnace.gateway.renewal import RefusedError

        try:
            result = attempt()
        except RefusedError:
            self._say("the login service refuses to renew the login")
        except (OSError, ValueError, CannotWriteError, KeyHelperError) as error:
            self._pause = min(self._pause * 2 or _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
            self._next = time.time() + self._pause
            self._say(f"no new credentials, again in {self._pause:.0f} s: {error}")
        else:
            self._pause = 0.0
            return result
        return None
