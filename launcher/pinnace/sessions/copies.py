"""Transcripts here and in a store, brought together: what one of them lacks, it gets.

Claude reads and writes files. So a session that only the store has is written here before anything
is done with it, and what was said here goes to the store when a launch is over. One that has gone
on in both places is left as it is, and that is said.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from pinnace.sessions import about, transcripts, written
from pinnace.sessions.names import Names, as_id, is_id
from pinnace.sessions.search import among
from pinnace.sessions.store import has
from pinnace.sessions.transcripts import Transcript
from pinnace_core import console
from pinnace_core.errors import (
    BadTranscriptError,
    PinnaceError,
    SessionApartError,
    SessionMissingError,
    SessionStoreError,
)
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from pinnace.sessions.about import About
    from pinnace.sessions.search import Hit
    from pinnace.sessions.store import SessionStore

_SECONDS: Final = 60.0
_MILLISECONDS: Final = 1000
# Of times of files, on any file system.
_GRAIN_SECONDS: Final = 2.0
_MOST_LISTED: Final = 200
Entries = list[dict[str, Any]]
T = TypeVar("T")


class Difference(NamedTuple):
    """What the entries of a session lack in one place, and have in the other."""

    here: Entries
    there: Entries


def difference(here: Entries, there: Entries) -> Difference:
    """Compare a transcript with what a store has of it."""
    common = min(len(here), len(there))
    if here[:common] == there[:common]:
        return Difference(there[common:], here[common:])
    known, stored = set(map(_mark, here)), set(map(_mark, there))
    return Difference(
        [one for one in there if _mark(one) not in known],
        [one for one in here if _mark(one) not in stored],
    )


def _mark(entry: dict[str, Any]) -> str:
    """Return what tells an entry from others: stores may give them in another order of keys."""
    own = entry.get("uuid")
    return own if isinstance(own, str) else json.dumps(entry, sort_keys=True)


class _Listed(NamedTuple):
    """A session in a store's list.

    Attributes:
        id: its id.
        modified: when it was written, in seconds since 1970.
    """

    id: str
    modified: float


def _listing(answer: Any) -> list[_Listed]:  # noqa: ANN401 (a store's)
    known = [one for one in answer if is_id(one["session_id"])]
    return [_Listed(one["session_id"], one["mtime"] / _MILLISECONDS) for one in known]


def _subpaths(answer: Any) -> list[str]:  # noqa: ANN401 (a store's)
    return [one for one in answer if written.is_subpath(one)]


def _entries(answer: Any) -> Entries:  # noqa: ANN401 (a store's; None: it has none)
    return [one for one in answer or () if isinstance(one, dict)]


def _unread(_: object) -> list[Any]:
    """Pass over the answer to what was only told."""
    return []


def _nothing() -> None:
    """A launch has made its config directory ready already."""


class Copies:
    """A config directory's transcripts and a store's."""

    def __init__(
        self,
        store: SessionStore,
        config: Path,
        directories: Sequence[str],
        prepare: Callable[[], object] = _nothing,
    ) -> None:
        """Say which.

        Args:
            store: the store.
            config: Claude's config directory, on the host.
            directories: of transcripts: which the store is asked for, besides those that are here.
            prepare: sees that the config directory is there, before anything is written to it.
        """
        self._store, self._config, self._prepare = store, config, prepare
        self._directories = [one for one in directories if written.is_directory(one)]

    async def listed(self) -> list[About]:
        """Return the sessions that only the store has, the newest last.

        Raises:
            SessionStoreError: it does not answer.
        """
        return [about.of_entries(one, said) async for one, said in self._only_stored()]

    async def search(self, text: str) -> list[tuple[About, Hit]]:
        """Return where a text stands in sessions that only the store has.

        Raises:
            SessionStoreError: it does not answer.
        """
        return [
            (about.of_entries(one, said), hit)
            async for one, said in self._only_stored()
            for hit in among(said, text)
        ]

    async def chosen(self, word: str) -> About:
        """Return the session that a command means, with all that the store has of it.

        Raises:
            SessionMissingError: there is none, here or there.
            AmbiguousNameError: there are several.
            SessionStoreError: it does not answer.
            SessionApartError: the session has gone on in both places.
            CannotWriteError: it cannot be written here.
        """
        try:
            one = about.chosen(self._config, word).transcript
        except SessionMissingError:
            one = await self._only_there(word)
        await self._bring(one)
        return about.chosen(self._config, word)

    async def _only_there(self, word: str) -> Transcript:
        named = Names(self._config).all().get(word)
        session = named.id if named else as_id(word)
        if session:
            stored = [one for one in await self._stored() if one.id == session]
            guessed = [Transcript(self._config, d, session, 0, 0) for d in self._directories]
            if stored or guessed:
                return (stored or guessed)[0]
        return about.only(about.fitting(await self.listed(), word), word).transcript

    async def push(self, since: float = float("inf")) -> None:
        """Have the store keep what was written here since it did last.

        Args:
            since: what was written here from then on is compared whatever the store's clock says,
                in seconds since 1970.

        Raises:
            SessionStoreError: it does not answer.
            SessionApartError: a session has gone on in both places.
            BadTranscriptError: a transcript is too large.
        """
        stored = {one.id: one.modified for one in await self._stored()}
        failed: PinnaceError | None = None
        for one in list(transcripts.all_of(self._config)):
            if one.modified > min(stored.get(one.id, 0.0), since):
                try:
                    await self._push(one.directory, one.id)
                except (SessionApartError, BadTranscriptError) as error:
                    failed = error
        if failed is not None:
            raise failed

    async def remove(self, directory: str, session: str) -> None:
        """Have the store forget a session.

        Raises:
            SessionStoreError: it cannot.
        """
        if not has(self._store, "delete"):
            raise SessionStoreError(
                "the store of sessions cannot remove any",
                hint=f"remove '{session}' there by its own means",
            )
        await self._asked("delete", _key(directory, session))

    async def _bring(self, one: Transcript) -> None:
        """Write here what only the store has of a session."""
        directory, session = one.directory, one.id
        places = ["", *await self._agents(directory, session)]
        for below in places:
            there = await self._load(directory, session, below)
            here = written.read(self._config, directory, session, below)
            lacks = difference(here, there)
            if lacks.here and lacks.there:
                raise _apart(session)
            if lacks.here:
                where = (directory, session, below)
                self._prepare()
                when = time.time() if here or not one.modified else one.modified
                written.write(self._config, where, there, when=when)

    async def _push(self, directory: str, session: str) -> None:
        for below in ("", *written.agents(self._config, directory, session)):
            there = await self._load(directory, session, below)
            lacks = difference(written.read(self._config, directory, session, below), there)
            if lacks.here and lacks.there:
                raise _apart(session)
            if lacks.there:
                await self._asked("append", _key(directory, session, below), lacks.there)

    async def _only_stored(self) -> AsyncIterator[tuple[Transcript, Entries]]:
        known = {one.id for one in transcripts.all_of(self._config)}
        found = [one for one in await self._stored() if one.id not in known]
        for one in sorted(found, key=lambda one: one.modified)[-_MOST_LISTED:]:
            yield one, await self._load(one.directory, one.id)

    async def _stored(self) -> list[Transcript]:
        if not has(self._store, "list_sessions"):
            return []
        own = {one.directory for one in transcripts.all_of(self._config)}
        found = []
        for directory in dict.fromkeys((*self._directories, *sorted(own))):
            for one in await self._asked("list_sessions", directory, read=_listing):
                named = Transcript(self._config, directory, one.id, 0, one.modified)
                found.append(named)
        return found

    async def _agents(self, directory: str, session: str) -> list[str]:
        if not has(self._store, "list_subkeys"):
            return []
        key = _key(directory, session)
        return await self._asked("list_subkeys", key, read=_subpaths)

    async def _load(self, directory: str, session: str, below: str = "") -> Entries:
        return await self._asked("load", _key(directory, session, below), read=_entries)

    async def _asked(
        self, method: str, *arguments: object, read: Callable[[Any], list[T]] = _unread
    ) -> list[T]:
        """Ask the store, and wait no longer than it may take.

        Args:
            method: of the store.
            arguments: of the method.
            read: takes what is wanted out of the answer; an answer that is none fails there.

        Raises:
            SessionStoreError: it fails, takes too long, or answers what no store should.
        """
        try:
            with anyio.fail_after(_SECONDS):
                asked: Awaitable[Any] = getattr(self._store, method)(*arguments)
                return read(await asked)
        except Exception as error:
            raise SessionStoreError(
                f"the store of sessions failed: {type(error).__name__}: {error}",
                hint="see run.session-store: pinnace help sessions",
            ) from error


def _key(directory: str, session: str, below: str = "") -> dict[str, str]:
    key = {"project_key": directory, "session_id": session}
    return {**key, "subpath": below} if below else key


def _apart(session: str) -> SessionApartError:
    return SessionApartError(
        f"session {session} has gone on both here and in the store",
        hint=f"neither was changed; keep what is here as a copy: pinnace session fork {session}; "
        f"go on with what is there: pinnace session rm {session}",
    )


@contextmanager
def kept(copies: Copies, word: str = "") -> Iterator[None]:
    """Have here what the store has of a session; bring there, in the end, what was said in any.

    That the latter fails is said, and nothing else: Claude's own files have it.

    Args:
        copies: which.
        word: name or id of the session that a launch goes on with; empty: none is known.

    Raises:
        SessionStoreError: the store does not answer, before anything has begun.
        SessionApartError: the session has gone on in both places.
    """
    if word:
        with suppress(SessionMissingError):  # it begins with this launch
            anyio.run(copies.chosen, word)
    begun = time.time() - _GRAIN_SECONDS
    try:
        yield
    finally:
        try:
            anyio.run(copies.push, begun)
        except PinnaceError as error:
            console.stderr(f"pinnace: sessions were not copied: {error.message} (next time again)")
