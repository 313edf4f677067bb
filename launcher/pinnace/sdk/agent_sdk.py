"""The official Agent SDK's `Transport`: Claude in a container, the program unchanged.

    options = ClaudeAgentOptions(...)
    async with ClaudeSDKClient(options, transport=transport(options)) as client:
        ...

https://docs.claude.com/en/api/agent-sdk/python. The SDK gives a transport none of its options, so
they are given twice.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

import anyio

from pinnace.request import RunRequest
from pinnace.sdk import agent_arguments as asked
from pinnace.sdk import isolation
from pinnace.sdk.agent_store import Store, laid_out
from pinnace.sdk.process import launched
from pinnace_core.errors import AgentSdkError
from pinnace_core.host import HostFacts

try:
    from claude_agent_sdk import (
        ClaudeAgentOptions,
        CLIConnectionError,
        CLIJSONDecodeError,
        ProcessError,
        Transport,
    )
except ImportError as error:
    raise AgentSdkError(
        "the official Agent SDK is not installed",
        hint="install it: pip install 'pinnace[agent-sdk]'",
    ) from error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from pinnace.sdk.process import Process

_LOG: Final = logging.getLogger("pinnace")


def transport(
    options: ClaudeAgentOptions | None = None,
    *,
    project: str = "",
    version: str | None = None,
    settings: Mapping[str, object] | None = None,
) -> IsolatedTransport:
    """Return a transport for `query` or `ClaudeSDKClient`, which get the same options.

    Args:
        options: the SDK's.
        project: a directory; `options.cwd` counts from there. Empty: the working directory.
        version: of the CLI; wins over every pin.
        settings: of Pinnace's, by their names: `{"run.memory": "4g"}`.

    Raises:
        UsageError: an option makes no sense for a container.
        AgentSdkError: the SDK is not one that Pinnace knows.
    """
    request = RunRequest(claude_version=version, flags=dict(settings or {}))
    return IsolatedTransport(options, request, project=project)


class IsolatedTransport(Transport):
    """Starts Claude in a container when the SDK connects; ends it when the SDK closes."""

    def __init__(
        self,
        options: ClaudeAgentOptions | None,
        request: RunRequest,
        *,
        project: str = "",
        facts: HostFacts | None = None,
    ) -> None:
        """Take the options; nothing is started.

        Args:
            options: the SDK's; None: its defaults.
            request: version and settings.
            project: a directory.
            facts: the host; None: they are read when it connects.

        Raises:
            UsageError: an option makes no sense for a container.
        """
        options = options or ClaudeAgentOptions()
        self._options = asked.settled(options)
        self._request, self._project, self._facts = request, project, facts
        self._launch: AbstractAsyncContextManager[Process] | None = None
        self._process: Process | None = None
        self._store = Store(self._options)
        self._writing = anyio.Lock()

    @property
    def process(self) -> Process | None:
        """What was started: its container's name, the CLI's version, notes; None: nothing yet."""
        return self._process

    async def connect(self) -> None:
        """Start Claude; of no effect if it was started.

        Raises:
            PinnaceError: of any of its kinds, before anything was started.
            CLIConnectionError: the working directory is not there.
            RuntimeError: the program's store of sessions failed.
        """
        if self._launch is not None:
            return
        facts = self._facts or HostFacts.detect()
        cwd = asked.directory(self._options, self._project, facts.cwd)
        store = await laid_out(self._options, cwd)
        try:
            request, facts = self._wanted(store.options, facts._replace(cwd=cwd))
            launch = launched(request, facts, stderr=_listener(self._options))
            self._process = await launch.__aenter__()
        except BaseException:
            await store.remove()
            raise
        self._launch, self._store, self._writing = launch, store, anyio.Lock()

    def _wanted(
        self, options: ClaudeAgentOptions, facts: HostFacts
    ) -> tuple[RunRequest, HostFacts]:
        given, around = asked.variables(options, facts.environment)
        kept = asked.outside(given)
        if kept:
            _LOG.warning("options.env: stays outside: %s", ", ".join(kept))
        inside = {name: text for name, text in given.items() if name not in kept}
        by_name, named, values = isolation.variables(inside, asked.of_clouds())
        words, files = asked.with_files(asked.arguments(options))
        variables = {**self._request.variables, **values}
        request = self._request._replace(claude_arguments=words, files=files, variables=variables)
        facts = facts._replace(environment={**around, **by_name})
        return isolation.naming(request, named), facts

    async def write(self, data: str) -> None:
        """Send what the SDK says.

        Raises:
            CLIConnectionError: nobody reads it any more.
        """
        async with self._writing:
            process = self._process
            if process is None:
                raise CLIConnectionError("Claude was not started, or has been ended")
            try:
                await process.send(data.encode())
            except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
                raise CLIConnectionError("Claude has ended, or its input was closed") from error

    async def end_input(self) -> None:
        """Tell Claude that nothing more comes."""
        async with self._writing:
            if self._process is not None:
                await self._process.close_stdin()

    def is_ready(self) -> bool:
        """Return whether Claude was started, and not ended."""
        return self._process is not None

    def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what Claude says, message by message.

        Raises:
            CLIConnectionError: nothing was started.
            CLIJSONDecodeError: a message is none, or is longer than `options.max_buffer_size`.
            ProcessError: Claude ended with an error.
        """
        return self._messages()

    async def _messages(self) -> AsyncIterator[dict[str, Any]]:
        process = self._process
        if process is None:
            raise CLIConnectionError("Claude was not started, or has been ended")
        async for line in _lines(process, self._options.max_buffer_size):
            message = _parsed(line)
            if message is not None:
                yield self._store.renamed(message)
        if self._process is None:
            return
        code = await process.wait()
        if code != 0:
            tail = process.stderr_tail.decode(errors="replace").strip()
            raise ProcessError("Claude has failed", exit_code=code, stderr=tail)

    async def close(self) -> None:
        """End Claude: end of input, SIGTERM, removal, each with a deadline; then all is gone.

        What is cancelled meanwhile is ended all the same.
        """
        launch, self._launch, self._process = self._launch, None, None
        if launch is None:
            return
        try:
            await launch.__aexit__(None, None, None)
        finally:
            # What ends writes to it until then.
            await self._store.remove()


def _listener(options: ClaudeAgentOptions) -> Callable[[str], None] | None:
    """Return what passes lines of standard error on as the SDK does: not the empty ones."""
    callback = options.stderr
    if callback is None:
        return None

    def tell(line: str) -> None:
        if line.strip():
            callback(line.rstrip())

    return tell


async def _lines(process: Process, limit: int | None) -> AsyncIterator[bytes]:
    """Yield lines; chunks are none, and may end anywhere."""
    parts: list[bytes] = []
    held = 0
    try:
        async for chunk in process.stdout:
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                _require_short(held + len(end), limit)
                yield b"".join((*parts, end))
                parts, held = [], 0
            parts.append(rest)
            held += len(rest)
            _require_short(held, limit)
    except anyio.ClosedResourceError:
        return
    # Without an end, it was cut off, or it is whole.
    whole = b"".join(parts)
    if whole.endswith(b"}"):
        yield whole


def _require_short(length: int, limit: int | None) -> None:
    if limit is not None and length > limit:
        text = f"JSON message exceeded maximum buffer size of {limit} bytes"
        raise CLIJSONDecodeError(text, ValueError(f"{length} bytes"))


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return a message; None: a line that is none, which some versions of the CLI write."""
    line = line.strip()
    if not line.startswith(b"{"):
        return None
    try:
        message: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise CLIJSONDecodeError(line.decode(errors="replace"), error) from error
    return message
