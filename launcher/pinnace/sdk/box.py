"""Claude in a container of the project's pinned version, for programs."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import copy
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

import anyio

from pinnace.prompts.again import RETRIES
from pinnace.request import FILES_INSIDE, RunRequest
from pinnace.sdk.asking import (
    PromptLike,
    Said,
    answered,
    content_of,
    conversation,
    options_of,
)
from pinnace.sdk.background import SAYS_STATE
from pinnace.sdk.control import Answers
from pinnace.sdk.isolation import Isolation, base
from pinnace.sdk.many import (
    LIMIT,
    Answer,
    Ask,
    CallOptions,
    Many,
    Totals,
    Watch,
    asks,
    share_of_memory,
)
from pinnace.sdk.options import Call, Options, compiled, require_session
from pinnace.sdk.outcomes import checked as required
from pinnace.sdk.output import Asked
from pinnace.sdk.process import launched
from pinnace.sdk.schema import output_type
from pinnace_core.errors import CannotReadError, UsageError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from typing import Self, Unpack

    from claude_agent_sdk import ClaudeAgentOptions

    from pinnace.sdk.agent_sdk import IsolatedTransport
    from pinnace.sdk.detached import Detached
    from pinnace.sdk.dry_run import DryRun
    from pinnace.sdk.event import Event
    from pinnace.sdk.many import Seen
    from pinnace.sdk.result import Result
    from pinnace.sdk.session import Session
    from pinnace.sdk.stream import Stream
    from pinnace.sdk.warm import Pool
    from pinnace.sessions.store import SessionStore

T = TypeVar("T")


class Pinnace:
    """A project and how its Claude is isolated; calls share nothing, and may run at once."""

    def __init__(self, project: str | os.PathLike[str] = ".", **given: Unpack[Isolation]) -> None:
        """Say what counts for all calls; what is left out, the settings' files say.

        Args:
            project: its directory, or one in it.
            given: as `Isolation` names it: `version`, `isolation`, `limits`, and so on.

        Raises:
            TypeError: there is no such setting.
        """
        self._project = os.path.abspath(project)  # noqa: PTH100 (links are what they are called)
        self._base = base(given)
        self._pool: Pool | None = None

    @overload
    async def claude(
        self,
        prompt: Said,
        *,
        output: type[T],
        timeout: float | None = ...,  # noqa: ASYNC109
        retries: int = ...,
        events: bool = ...,
        **options: Unpack[Options],
    ) -> Result[T]: ...
    @overload
    async def claude(
        self,
        prompt: Said,
        *,
        output: Mapping[str, Any] | None = ...,
        timeout: float | None = ...,  # noqa: ASYNC109
        retries: int = ...,
        events: bool = ...,
        **options: Unpack[Options],
    ) -> Result[Any]: ...
    async def claude(
        self,
        prompt: Said,
        *,
        output: Any = None,
        timeout: float | None = None,  # noqa: ASYNC109
        retries: int = RETRIES,
        events: bool = False,
        **options: Unpack[Options],
    ) -> Result[Any]:
        """Ask Claude; return its answer.

        Args:
            prompt: what is asked.
            output: the form of the answer: a JSON Schema, or a type.
            timeout: in seconds, after which the container ends.
            retries: how often at most an answer that does not fit is asked for again.
            events: keep all events, in the result.
            options: as `Options` names them.

        Raises:
            ClaudeError: Claude did not do it; what there is, is in its `result`.
            PinnaceError: any other kind: nothing was started.
            TypeError: there is no such option.
        """
        given = {"output": output, "timeout": timeout, "retries": retries, "events": events}
        return await self._claude(prompt, {**given, **options}, _unseen)

    async def map(  # noqa: PLR0913 (each limits all)
        self,
        prompts: Iterable[Said | Ask],
        *,
        limit: int = LIMIT,
        total_usd: float | None = None,
        total_seconds: float | None = None,
        total_memory: str | None = None,
        watch: Watch | None = None,
        **options: Unpack[CallOptions],
    ) -> list[Answer]:
        """Ask Claude many things, some at once; return what came of each, in their order.

        Each has a container of its own; one that fails harms no other: its `Answer` has the error.
        Cancelling this ends all of them.

        Args:
            prompts: what is asked; an `Ask` has options of its own.
            limit: how many run at once.
            total_usd: what all may cost: each that runs gets a share of what is left.
            total_seconds: how long all may take; what runs then is ended.
            total_memory: what the containers may use together, as `16g`.
            watch: is told what happens.
            options: of all, as `claude` has them.

        Raises:
            TypeError: there is no such option.
            UsageError: a value makes no sense.
        """
        totals = Totals(limit, total_usd, total_seconds)
        box = self
        if total_memory is not None:
            box = self._having("run.memory", share_of_memory(total_memory, limit))
        call = box._ask  # noqa: SLF001 (its own kind)
        return await Many(asks(prompts, options), call, totals, watch or Watch()).run()

    async def _ask(self, ask: Ask, options: Mapping[str, Any], seen: Seen) -> Result[Any]:
        box = self._having("run.branch", ask.branch) if ask.branch else self
        box = box.session(ask.session) if ask.session else box
        said = await anyio.to_thread.run_sync(ask.prompt) if callable(ask.prompt) else ask.prompt
        return await box._claude(said, options, seen)  # noqa: SLF001 (its own kind)

    def _having(self, name: str, value: object) -> Self:
        made = copy(self)
        made._base = self._base.having(name, value)  # noqa: SLF001 (its own kind)
        return made

    async def _claude(self, prompt: Said, options: Mapping[str, Any], seen: Seen) -> Result[Any]:
        own = {name: options.get(name) for name in ("output", "timeout", "retries", "events")}
        _require_time(own["timeout"])
        output = getattr(prompt, "output", None) if own["output"] is None else own["output"]
        retries = RETRIES if own["retries"] is None else own["retries"]
        asked = None if output is None else Asked.of(output_type(output), "", retries)
        rest = {name: value for name, value in options.items() if name not in own}
        async with self._open(prompt, rest, asked=asked, keep=bool(own["events"])) as stream:
            seen(stream, None)
            result = await answered(stream, asked, own["timeout"], seen)
        # The last of them come when all has ended.
        return required(replace(result, notes=stream.notes))

    def stream(
        self, prompt: Said, **options: Unpack[Options]
    ) -> AbstractAsyncContextManager[Stream]:
        """Ask Claude; give its events as they come: `async with box.stream("...") as stream`."""
        return self._open(prompt, options)

    @asynccontextmanager
    async def warm(
        self, count: int = 1, *, started: bool = False, **options: Unpack[Options]
    ) -> AsyncIterator[Self]:
        """Have containers wait for calls while a block runs: `async with box.warm(4)`.

        A call of this box takes one instead of starting its own, where it can; each is used once,
        and made up for beside the calls. See docs/standby.md.

        Args:
            count: how many wait.
            started: Claude itself was started in each, and waits for what it is asked: for calls
                that have the very same options.
            options: of the calls, as `Options` names them.

        Raises:
            EngineUnsuitableError: none can be made ahead of such a call.
            UsageError: the number makes no sense.
            PinnaceError: any other kind: as `claude`.
            TypeError: there is no such option.
        """
        from pinnace.sdk import warm

        given = options_of("", options)
        call = compiled(given, FILES_INSIDE)
        planned = await self._planned(call, given, SAYS_STATE if Answers(given).needed else {})
        pool = (warm.Started if started else warm.Containers)(*planned, count)
        before = self._pool
        async with warm.waiting(pool):
            self._pool = pool
            try:
                yield self
            finally:
                self._pool = before

    async def interactive(self, prompt: str | PromptLike = "", **options: Unpack[Options]) -> int:
        """Give Claude the terminal that this program has; return its exit code.

        The same as `pinnace run` there. It ends with its user, or with this call: a cancelled one
        ends the container.

        Args:
            prompt: with which it begins.
            options: as `Options` names them, but those that a program would have to answer.

        Raises:
            UsageError: this program has no terminal, or an option makes no sense there.
            PinnaceError: any other kind: nothing was started.
            TypeError: there is no such option.
        """
        from pinnace.sdk import terminal

        given = options_of(prompt, options)
        text = prompt if isinstance(prompt, str) else prompt.content
        call = terminal.of_options(given, text, FILES_INSIDE)
        terminal.require_terminal()
        request, facts = await self._planned(call, given)
        return await terminal.run(request, facts)

    async def detached(self, prompt: Said, **options: Unpack[Options]) -> Detached:
        """Have Claude begin, and go on without this program; return as soon as it runs.

        Args:
            prompt: what is asked.
            options: as `Options` names them, but those that a program would have to answer.

        Raises:
            UsageError: an option would ask this program.
            PinnaceError: any other kind: nothing runs.
            TypeError: there is no such option.
        """
        from pinnace.sdk import detached

        given = options_of(prompt, options)
        detached.require_unasked(given)
        call = compiled(given, FILES_INSIDE)
        request, facts = await self._planned(call, given)
        begin = partial(detached.start, request, facts, call.initialize, content_of(prompt))
        return await anyio.to_thread.run_sync(begin)

    async def dry_run(self, prompt: Said = "", **options: Unpack[Options]) -> DryRun:
        """Return what a call would run, as `pinnace run --dry-run`: nothing is written or started.

        Args:
            prompt: goes in by standard input, and so is in no argument.
            options: as `Options` names them.

        Raises:
            ImageMissingError: the image would have to be pulled or built first.
            PinnaceError: as `claude`.
            TypeError: there is no such option.
        """
        from pinnace.sdk import dry_run

        given = options_of(prompt, options)
        call = compiled(given, FILES_INSIDE)
        request, facts = await self._planned(call, given)
        return await anyio.to_thread.run_sync(dry_run.planned, request, facts)

    def session(self, name: str, *, store: SessionStore | None = None) -> Session:
        """Return the same, in a named session: the first call begins it, later ones go on with it.

        Two calls at once in one session: the second one is refused.

        Args:
            name: of the session, or its id; `pinnace session list` shows it.
            store: keeps what is said, too, and gives what it has of the session: any that the
                official Agent SDK takes.
        """
        from pinnace.sdk.session import Session

        return Session.of(self, name, store)

    def transport(self, options: ClaudeAgentOptions | None = None) -> IsolatedTransport:
        """Return a transport for the official Agent SDK, isolated as this box is.

        Args:
            options: the SDK's, which `query` or `ClaudeSDKClient` get, too.

        Raises:
            AgentSdkError: the SDK is not installed, or not one that Pinnace knows.
            UsageError: an option makes no sense for a container.
        """
        from pinnace.sdk.agent_sdk import IsolatedTransport

        request, facts = self._base.request(HostFacts.detect(), {})
        return IsolatedTransport(options, request, project=self._project, facts=facts)

    @asynccontextmanager
    async def _open(
        self,
        prompt: Said,
        options: Mapping[str, Any],
        *,
        asked: Asked[Any] | None = None,
        keep: bool = False,
    ) -> AsyncIterator[Stream]:
        require_session(prompt, options, self._base.flags)
        given = options_of(prompt, options)
        call = compiled(given, FILES_INSIDE)
        answers = Answers(given)
        request, facts = await self._planned(call, given, SAYS_STATE if answers.needed else {})
        start = self._pool.launched if self._pool else launched
        async with start(request, facts) as process:
            text = content_of(prompt)
            async with conversation(process, call, answers, text, asked=asked, keep=keep) as stream:
                yield stream

    async def _planned(
        self, call: Call, options: Mapping[str, Any], env: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[RunRequest, HostFacts]:
        """Return what is launched, and where; the host is looked at in a thread."""
        return await anyio.to_thread.run_sync(self._launch, call, options, env)

    def _launch(
        self, call: Call, options: Mapping[str, Any], env: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[RunRequest, HostFacts]:
        cwd = os.path.join(self._project, os.fspath(options.get("cwd", "")))  # noqa: PTH118
        if not os.path.isdir(cwd):  # noqa: PTH112 (a string is what is wanted)
            raise CannotReadError(
                f"'{cwd}' is no directory, or not there", hint="name the project's: Pinnace('.')"
            )
        facts = HostFacts.detect()._replace(cwd=os.path.normpath(cwd))
        request, facts = self._base.request(facts, {**env, **options.get("env", {})})
        return request._replace(claude_arguments=call.arguments, files=call.files), facts


def _require_time(seconds: object) -> None:
    if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
        raise UsageError(
            f"timeout={seconds!r:.80}: expected seconds, more than 0", hint="None: without end"
        )


def _unseen(_: Stream, __: Event | None) -> None:
    """Do nothing with what nobody wants to know."""
