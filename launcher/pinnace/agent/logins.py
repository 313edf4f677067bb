"""Logins: the real one of a profile lies outside of it, and Claude sees one of placeholders.

A project's config directory is mounted where Claude runs; what is in it, an agent may have written.
So the login that counts is kept in a directory that is never mounted:

    NAME.json       as Claude writes it: a token, one that renews it, when it runs out; whose it is
    NAME.lock       held by who changes it, or renews it
    NAME.refused    digest of the renewing token that the login service refused for good

A config directory that the user named (`auth.config-directory`) is the user's own, and may be
shared with a Claude on this machine. Its login stays there; placeholders are mounted over it.

The file's form was read from what CLI 1.0.128, 2.1.112 and 2.1.330 write.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any, Final

from pinnace.agent import PLACEHOLDER, claude_config, places
from pinnace_core import host
from pinnace_core.digest import hexdigest
from pinnace_core.files import make_directory, read_untrusted, write_atomic, write_over
from pinnace_core.locks import file_lock
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE: Final = ".credentials.json"
"""In Claude's config directory."""
_KEY: Final = "claudeAiOauth"
_ACCOUNT: Final = "oauthAccount"
_MOST_BYTES: Final = 8 << 20
# In the year 2100, in milliseconds: Claude renews nothing before.
_FAR: Final = 4_102_444_800_000
_OWNERS: Final = 0o600
# What the CLI shows, and no more: https://code.claude.com/docs/en/authentication
_SHOWN: Final = ("scopes", "subscriptionType", "rateLimitTier")


class Login(NamedTuple):
    """Where a login is, or would be.

    Attributes:
        config: the directory of the profile, or of a project, or a config directory of the user's.
        name: of the files outside.
        moved: the real one lies outside of it.
    """

    config: Path
    name: str
    moved: bool

    @property
    def file(self) -> Path:
        """The file of the real one."""
        return directory() / f"{self.name}.json" if self.moved else self.config / FILE

    @property
    def shared(self) -> Path:
        """Where 0.1 had one for all projects, perhaps a real one."""
        return places.shared_root() / self.name

    @property
    def lock(self) -> Path:
        """Held by who changes it."""
        return directory() / f"{self.name}.lock"

    @property
    def refused(self) -> Path:
        """Says which one the login service refused."""
        return directory() / f"{self.name}.refused"


def directory() -> Path:
    """Return the directory of logins; it is never mounted."""
    return host.directory("state") / "logins"


def of(config: Path) -> Login:
    """Return the login of a profile, or of a config directory, whether there is one or not.

    Args:
        config: the directory by which it is called: `Place.account`.
    """
    if config.parent == places.root():
        return Login(config, config.name, moved=True)
    return Login(config, f"directory-{hexdigest(os.fsencode(config))[:16]}", moved=False)


def names() -> list[str]:
    """Name the profiles that exist, or have a login, sorted."""
    held = (path.stem for path in directory().glob("*.json"))
    return sorted({*places.names(), *(name for name in held if not name.startswith("directory-"))})


def load(login: Login) -> dict[str, Any] | None:
    """Return the real one, as Claude writes it; None if there is none."""
    return _real(document_of(login.file))


def is_there(login: Login) -> bool:
    """Return whether there is a real one, or one will be found when it is taken out."""
    return load(login) is not None or (login.moved and found_inside(login) is not None)


def store(login: Login, found: Mapping[str, Any]) -> None:
    """Keep this one from now on; what else is in its file stays. Whoever calls holds the lock.

    Raises:
        CannotWriteError: it cannot be written; then the one before is still there.
    """
    prepare()
    _keep(login, {**document_of(login.file), _KEY: dict(found)})


def _keep(login: Login, document: Mapping[str, Any]) -> None:
    """Write the file of the real one; where placeholders lie over it, they stay there."""
    data = json.dumps(document).encode()
    if login.moved or not write_over(login.file, data):
        write_atomic(login.file, data, mode=0o600, durable=True)


def prepare() -> None:
    """Make the directory of logins.

    Raises:
        CannotWriteError: it cannot be made.
    """
    make_directory(directory()).chmod(0o700)


def shown(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Claude sees of a login: nothing that opens anything, and nothing to renew."""
    told = {name: found[name] for name in _SHOWN if name in found}
    return {"accessToken": PLACEHOLDER, "refreshToken": None, "expiresAt": _FAR, **told}


def placeholders(found: Mapping[str, Any] | None) -> bytes:
    """Return the file that Claude sees where it cannot change it."""
    return json.dumps({_KEY: shown(found)} if found else {}).encode()


def is_settled(login: Login) -> bool:
    """Return whether the config directory holds what it should; only that is looked at."""
    path, held = login.config / FILE, load(login)
    wanted = shown(held) if held else None
    if found_inside(login) is not None:
        return False
    return document_of(path).get(_KEY) == wanted and (not held or _is_readable(path))


def _is_readable(path: Path) -> bool:
    """Return whether Claude can read a file, which may be somebody else than us."""
    mode = stat.S_IMODE(path.lstat().st_mode)
    return os.name == "nt" or mode & _OWNERS == _OWNERS


def take_out(login: Login) -> str:
    """Leave placeholders in a project's config directory; return what the user should know.

    What an agent writes there must not become anybody's account: a login that is found there is
    removed. One that 0.1 has left in the directory for all projects counts, if there is none yet.

    Raises:
        CannotWriteError: one of the files cannot be written; nothing is lost then.
    """
    if not login.moved or is_settled(login):
        return ""
    prepare()
    with file_lock(login.lock):
        before, there = found_inside(login), _real(document_of(login.config / FILE))
        held = load(login)
        if before and not held:
            store(login, before)
        if before:
            _leave(login, login.shared, held or before)
        _leave(login, login.config, held or before)
    return _told(login, there=bool(there and there != held), before=bool(before and not held))


def _told(login: Login, *, there: bool, before: bool) -> str:
    if before:
        return (
            f"the login found inside profile {login.name} counts for all projects from now on, and "
            f"is kept outside; if it is not yours: pinnace auth logout --profile {login.name}"
        )
    if there:
        return (
            f"a login that was made inside profile {login.name} is removed, and does not count; "
            f"to log in, or change the account: pinnace auth login --profile {login.name}"
        )
    return ""


def replace(login: Login, found: Mapping[str, Any]) -> None:
    """Let this be the login, whatever there was.

    Raises:
        CannotWriteError: one of the files cannot be written.
    """
    prepare()
    with file_lock(login.lock):
        store(login, found)
        login.refused.unlink(missing_ok=True)
        if login.moved:
            _forget_shared(login)


def remove(login: Login) -> bool:
    """Remove it everywhere; return whether there was one.

    Raises:
        CannotWriteError: one of the files cannot be changed.
    """
    there = is_there(login) or os.path.lexists(login.config / FILE)
    if not there:
        return False
    prepare()
    with file_lock(login.lock):
        if login.moved:
            login.file.unlink(missing_ok=True)
        login.refused.unlink(missing_ok=True)
        if login.moved:
            _forget_shared(login)
        _leave(login, login.config, None)
    return True


def _forget_shared(login: Login) -> None:
    """See that what 0.1 has left comes back no more."""
    if os.path.lexists(login.shared / FILE):
        _leave(login, login.shared, None)


def remember_account(login: Login, account: Mapping[str, Any]) -> None:
    """Note whose login it is, which Claude shows.

    Raises:
        PinnaceError: it cannot be written, or the file of Claude's is none.
    """
    if not login.moved:
        claude_config.remember_account(login.config, account)
        return
    with file_lock(login.lock):
        document = {**document_of(login.file), _ACCOUNT: dict(account)}
        write_atomic(login.file, json.dumps(document).encode(), mode=0o600, durable=True)


def account(login: Login) -> dict[str, Any]:
    """Return whose login it is, as Claude notes it; empty: nobody did."""
    document = document_of(login.file) if login.moved else {}
    found = document.get(_ACCOUNT)
    return found if isinstance(found, dict) and _KEY in document else {}


def refuse(login: Login, found: Mapping[str, Any]) -> None:
    """Note that the login service refused to renew this one, for good."""
    write_atomic(login.refused, _digest(found), mode=0o600)


def is_refused(login: Login, found: Mapping[str, Any]) -> bool:
    """Return whether it was refused; another one was not."""
    try:
        return read_untrusted(login.refused, most=_MOST_BYTES) == _digest(found)
    except OSError:
        return False


def _digest(found: Mapping[str, Any]) -> bytes:
    return hexdigest(str(found.get("refreshToken")).encode()).encode()


def _leave(login: Login, config: Path, found: Mapping[str, Any] | None) -> None:
    """Let a directory hold placeholders, or no login; what else is in the file stays."""
    path = config / FILE
    kept = {name: value for name, value in document_of(path).items() if name != _KEY}
    wanted = {**kept, _KEY: shown(found)} if found else kept
    if not login.moved:
        _keep(login, wanted)
    elif wanted:
        write_atomic(path, json.dumps(wanted).encode(), mode=0o600)
    else:
        path.unlink(missing_ok=True)


def found_inside(login: Login) -> dict[str, Any] | None:
    """Return a real one that lies where 0.1 had it, or in a config directory of the user's own."""
    return _real(document_of((login.shared if login.moved else login.config) / FILE))


def _real(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a login whose tokens can be sent; what it is, an agent may have written."""
    found = document.get(_KEY)
    if not isinstance(found, dict):
        return None
    token, renewing = found.get("accessToken"), found.get("refreshToken")
    expires = found.get("expiresAt")
    if not is_token(token) or token == PLACEHOLDER or not (renewing is None or is_token(renewing)):
        return None
    return found if expires is None or isinstance(expires, int | float) else None


def is_token(value: object) -> bool:
    """Return whether it can stand in a header: no space, no control character, no other script."""
    return isinstance(value, str) and bool(value) and value.isascii() and _is_dense(value)


def _is_dense(text: str) -> bool:
    return text.isprintable() and " " not in text


def document_of(path: Path) -> dict[str, Any]:
    """Return what a file of Claude's holds, which an agent may have written; nothing if no JSON."""
    try:
        document = json.loads(read_untrusted(path, most=_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
