"""Names of sessions: kept for a project and profile, where no agent writes.

    STATE/sessions/KEY.json      which names there are, and whose
    STATE/sessions/KEY/ID.lock   held by the launch that goes on with a session by its name

A key is the checksum of the path of Claude's config directory, so that no name is ever a path.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from pinnace_core import host, locks
from pinnace_core.errors import SessionBusyError, SessionMissingError, UsageError
from pinnace_core.files import open_own, read_own, write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_SCHEMA: Final = 1
_MOST_BYTES: Final = 4 << 20
_KEY_LENGTH: Final = 32


class Named(NamedTuple):
    """What a name means.

    Attributes:
        id: of the session, as Claude calls it.
        begun: its transcript has been there: if it is not any more, it has gone.
    """

    id: str
    begun: bool = False


class Names:
    """The names of a project's sessions; all that is written is under a lock, and whole."""

    def __init__(self, config: Path) -> None:
        """Say which.

        Args:
            config: Claude's config directory of the project and profile, on the host.
        """
        self._config = os.path.abspath(config)  # noqa: PTH100 (links are what they are called)
        key = sha256(os.fsencode(self._config)).hexdigest()[:_KEY_LENGTH]
        self._path = host.directory("state") / "sessions" / f"{key}.json"

    def resolve(self, name: str) -> str | None:
        """Return the id of the session that has a name; None: none has.

        Raises:
            UsageError: it is no name.
        """
        found = self.all().get(require_name(name))
        return found.id if found else None

    def assign(self, name: str, session: str = "") -> str:
        """Return the id of the session that has a name, which has one from now on.

        Args:
            name: of it.
            session: the id that it gets if it has none; empty: a new one.

        Raises:
            UsageError: it is no name.
            CannotWriteError: it cannot be kept.
        """
        require_name(name)
        with self._change() as names:
            return names.setdefault(name, Named(session or new_id())).id

    def all(self) -> dict[str, Named]:
        """Return what each name means; nothing if what is there cannot be read."""
        try:
            document: Any = json.loads(read_own(self._path, most=_MOST_BYTES))
            if document["config"] != self._config:
                return {}
            return {
                name: Named(one["id"], one["begun"] is True)
                for name, one in document["names"].items()
                if re.fullmatch(NAME, name) and is_id(one["id"])
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}

    def of(self, session: str) -> str:
        """Return the name of a session; empty: it has none."""
        return next((name for name, one in self.all().items() if one.id == session), "")

    def give(self, name: str, session: str) -> None:
        """Let a session have this name, and no other.

        Raises:
            UsageError: it is no name, or another session's.
            CannotWriteError: it cannot be kept.
        """
        require_name(name)
        with self._change() as names:
            held = names.get(name)
            if held is not None and held.id != session:
                raise UsageError(
                    f"another session is called '{name}': {held.id}",
                    hint="choose another name, or rename that one: pinnace session rename",
                )
            for other in [key for key, one in names.items() if one.id == session]:
                del names[other]
            names[name] = Named(session, begun=True)

    def forget(self, session: str) -> None:
        """Let a session have no name.

        Raises:
            CannotWriteError: it cannot be kept.
        """
        with self._change() as names:
            for name in [key for key, one in names.items() if one.id == session]:
                del names[name]
        self._lock_of(session).unlink(missing_ok=True)

    def has_begun(self, session: str) -> None:
        """Note that the transcript of a session has been there.

        Raises:
            CannotWriteError: it cannot be kept.
        """
        if any(one.id == session and not one.begun for one in self.all().values()):
            with self._change() as names:
                for name, one in names.items():
                    if one.id == session:
                        names[name] = one._replace(begun=True)

    def is_held(self, session: str) -> bool:
        """Return whether a launch that called a session by its name is running."""
        path = self._lock_of(session)
        if not path.exists():
            return False
        with open_own(path) as stream:
            return not locks.locked(stream.fileno())

    @contextmanager
    def held(self, session: str, name: str = "") -> Iterator[None]:
        """Be the only launch that goes on with a session, and let it have a name that it is given.

        Raises:
            SessionBusyError: another one is running.
            SessionMissingError: the name means another session by now.
            CannotWriteError: it cannot be kept.
        """
        with open_own(self._lock_of(session)) as stream:
            if not locks.locked(stream.fileno()):
                raise busy(name or session)
            if name and self.assign(name, session) != session:
                # Two launches began it at once; the other one was first.
                raise busy(name)
            yield

    @contextmanager
    def _change(self) -> Iterator[dict[str, Named]]:
        """Give the names to be changed, and keep them."""
        with locks.file_lock(self._path.with_suffix(".lock")):
            names = self.all()
            before = dict(names)
            yield names
            if names != before:
                kept = {name: one._asdict() for name, one in sorted(names.items())}
                document = {"schema": _SCHEMA, "config": self._config, "names": kept}
                data = json.dumps(document, indent=1).encode()
                write_atomic(self._path, data, mode=0o600, durable=True)

    def _lock_of(self, session: str) -> Path:
        if not is_id(session):
            raise SessionMissingError(f"'{session}' is no session's id", hint=LIST)
        return self._path.with_suffix("") / f"{session}.lock"


LIST: Final = "see: pinnace session list"


def busy(name: str) -> SessionBusyError:
    """Return the error of a session that a launch is at work on."""
    return SessionBusyError(
        f"a launch is at work on session '{name}'",
        hint=f"wait for it, or go on in a copy: pinnace session fork {name} NEW",
    )


def is_id(text: object) -> bool:
    """Return whether a text is an id of Claude's, in its own spelling."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def as_id(text: str) -> str:
    """Return an id in Claude's own spelling; empty: it is none."""
    try:
        return str(UUID(text)) if is_id(text.lower()) else ""
    except ValueError:
        return ""


def new_id() -> str:
    """Return an id that no session has."""
    return str(uuid4())


def require_name(name: str) -> str:
    """Return `name` if it can name a session.

    Raises:
        UsageError: it cannot.
    """
    if not re.fullmatch(NAME, name, re.ASCII) or as_id(name):
        raise UsageError(
            f"'{name}' cannot be a session's name",
            hint="use letters, digits, '.', '-' and '_', up to 64, beginning with one of the first "
            "two; and no id",
        )
    return name
