"""A box in one session: what was said in it, and copies of it."""

from __future__ import annotations

import logging
import time
from contextlib import asynccontextmanager, suppress
from copy import copy
from typing import TYPE_CHECKING, Any, Final

import anyio

from pinnace.context import load_context
from pinnace.launch import sessions as launches
from pinnace.sdk.box import Pinnace
from pinnace.sessions import about, change, entries, transcripts
from pinnace_core.errors import PinnaceError, SessionMissingError, UsageError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Unpack

    from pinnace.context import Context
    from pinnace.sdk.asking import PromptLike, Said
    from pinnace.sdk.detached import Detached
    from pinnace.sdk.options import Options
    from pinnace.sdk.stream import Stream
    from pinnace.sessions.about import About
    from pinnace.sessions.copies import Copies
    from pinnace.sessions.entries import Message
    from pinnace.sessions.store import SessionStore

_SETTING: Final = "run.session"
_LOG: Final = logging.getLogger("pinnace")


class Session(Pinnace):
    """A box whose calls go on in one session; the first one begins it."""

    _store: SessionStore | None

    @classmethod
    def of(cls, box: Pinnace, name: str, store: SessionStore | None = None) -> Session:
        """Return a box's session of a name, or an id."""
        made = cls.__new__(cls)
        made.__dict__.update(copy(box.__dict__))
        made._base = box._base.having(_SETTING, name)  # noqa: SLF001 (of its own kind)
        made._store = store  # noqa: SLF001 (likewise)
        return made

    async def messages(self) -> list[Message]:
        """Return what was said, as it was written: what the agent says of it is untrusted.

        Raises:
            SessionMissingError: it was not begun.
        """
        await self._fetch()
        return await anyio.to_thread.run_sync(self._messages)

    async def fork(self) -> Session:
        """Copy the session under an id of its own; return that. Both go on by themselves.

        Raises:
            SessionMissingError: it was not begun.
            BadTranscriptError: nothing was said in it yet.
        """
        await self._fetch()
        return Session.of(self, await anyio.to_thread.run_sync(self._forked), self._store)

    async def interactive(self, prompt: str | PromptLike = "", **options: Unpack[Options]) -> int:
        """Give Claude the terminal that this program has, as any box does; in this session."""
        async with self._kept_in_store():
            return await super().interactive(prompt, **options)

    async def detached(self, prompt: Said, **options: Unpack[Options]) -> Detached:
        """Have Claude begin in this session, and go on without this program, as any box does.

        Raises:
            UsageError: the session has a store, which only this program could write to in the end.
        """
        if self._store is not None:
            raise UsageError(
                "nobody would bring to the session's store what a detached launch says",
                hint="leave store= out, and name the store in your settings: run.session-store",
            )
        return await super().detached(prompt, **options)

    @asynccontextmanager
    async def _open(
        self,
        prompt: Said,
        options: Mapping[str, Any],
        **more: Any,  # noqa: ANN401 (as the box has them)
    ) -> AsyncIterator[Stream]:
        async with (
            self._kept_in_store(),
            super()._open(prompt, options, **more) as stream,
        ):
            yield stream

    @asynccontextmanager
    async def _kept_in_store(self) -> AsyncIterator[None]:
        """Have here what the store has of the session; bring there, in the end, what was said."""
        await self._fetch()
        begun = time.time() - 1
        try:
            yield
        finally:
            if self._store is not None:
                # What was said is kept also of a call that was cancelled; the store is waited for
                # no longer than it may take.
                with anyio.CancelScope(shield=True):
                    await self._push(self._store, begun)

    async def _push(self, store: SessionStore, since: float) -> None:
        """Have the store keep what was said: that it cannot takes no answer from the caller."""
        try:
            await (await self._copies(store)).push(since)
        except PinnaceError as error:
            _LOG.warning("sessions were not copied: %s (next time again)", error.message)

    async def _fetch(self) -> None:
        """Have here what the store has of it."""
        if self._store is not None:
            copies = await self._copies(self._store)
            with suppress(SessionMissingError):  # it is not begun yet
                await copies.chosen(str(self._base.flags[_SETTING]))

    async def _copies(self, store: SessionStore) -> Copies:
        here = await anyio.to_thread.run_sync(self._context)
        return launches.in_store(store, here)

    def _messages(self) -> list[Message]:
        with transcripts.opened(self._found().transcript) as stream:
            return list(entries.messages(stream, entries.Counts()))

    def _forked(self) -> str:
        one = self._found()
        return change.fork(one.transcript, f"{one.title or one.called} (fork)")

    def _found(self) -> About:
        name = str(self._base.flags[_SETTING])
        return about.chosen(launches.config(self._context()), name)

    def _context(self) -> Context:
        facts = HostFacts.detect()._replace(cwd=self._project)
        request, facts = self._base.request(facts, {})
        return load_context(request, facts)
