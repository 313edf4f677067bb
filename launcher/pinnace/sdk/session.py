"""A box in one session: what was said in it, and copies of it."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Final

import anyio

from pinnace.context import load_context
from pinnace.launch import sessions as launches
from pinnace.sdk.box import Pinnace
from pinnace.sessions import about, change, entries, transcripts
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from pinnace.sessions.about import About
    from pinnace.sessions.entries import Message

_SETTING: Final = "run.session"


class Session(Pinnace):
    """A box whose calls go on in one session; the first one begins it."""

    @classmethod
    def of(cls, box: Pinnace, name: str) -> Session:
        """Return a box's session of a name, or an id."""
        made = cls.__new__(cls)
        made.__dict__.update(copy(box.__dict__))
        made._base = box._base.having(_SETTING, name)  # noqa: SLF001 (of its own kind)
        return made

    async def messages(self) -> list[Message]:
        """Return what was said, as it was written: what the agent says of it is untrusted.

        Raises:
            SessionMissingError: it was not begun.
        """
        return await anyio.to_thread.run_sync(self._messages)

    async def fork(self) -> Session:
        """Copy the session under an id of its own; return that. Both go on by themselves.

        Raises:
            SessionMissingError: it was not begun.
            BadTranscriptError: nothing was said in it yet.
        """
        return Session.of(self, await anyio.to_thread.run_sync(self._forked))

    def _messages(self) -> list[Message]:
        with transcripts.opened(self._found().transcript) as stream:
            return list(entries.messages(stream, entries.Counts()))

    def _forked(self) -> str:
        one = self._found()
        return change.fork(one.transcript, f"{one.title or one.called} (fork)")

    def _found(self) -> About:
        facts = HostFacts.detect()._replace(cwd=self._project)
        request, facts = self._base.request(facts, {})
        name = str(self._base.flags[_SETTING])
        return about.chosen(launches.config(load_context(request, facts)), name)
