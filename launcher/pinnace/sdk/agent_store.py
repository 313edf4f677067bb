"""Sessions from the program's own store: laid out for Claude before it starts.

The SDK does that for the transport that it makes itself, and leaves it out for any other. What does
it, `materialize_resume_session`, is private; if it goes away, that is an error. What Claude writes
goes back to the store by the SDK's own means, which know a transcript by its path: it is told the
path that it expects.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from typing import TYPE_CHECKING, Any, Final

import anyio

from pinnace.sdk.agent_arguments import unknown

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions
    from claude_agent_sdk._internal.session_resume import MaterializedResume

_CONFIG: Final = "CLAUDE_CONFIG_DIR"
_MIRRORED: Final = "transcript_mirror"
_PATH: Final = "filePath"


class Store:
    """A session that was laid out, or none.

    Attributes:
        options: those that Claude is to be started with.
    """

    def __init__(
        self,
        options: ClaudeAgentOptions,
        found: MaterializedResume | None = None,
        expected: str = "",
    ) -> None:
        """Take what was laid out.

        Args:
            options: those that Claude is to be started with.
            found: the SDK's own record of it; None: nothing was.
            expected: the directory that the SDK takes for that of all transcripts.
        """
        self.options = options
        self._found, self._expected = found, expected

    def renamed(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message with the path of a transcript as the SDK expects it."""
        if self._found is None or message.get("type") != _MIRRORED:
            return message
        own = os.path.join(self._found.config_dir, "projects")  # noqa: PTH118 (each message)
        path = str(message.get(_PATH, ""))
        if not path.startswith(f"{own}{os.sep}"):
            return message
        return {**message, _PATH: f"{self._expected}{path.removeprefix(own)}"}

    async def remove(self) -> None:
        """Remove what was laid out; of no effect the second time."""
        found, self._found = self._found, None
        if found is not None:
            with anyio.CancelScope(shield=True):
                await found.cleanup()


async def laid_out(options: ClaudeAgentOptions, cwd: str) -> Store:
    """Load the session that is to be resumed, if a store is to give one, and lay it out.

    Args:
        options: the SDK's.
        cwd: where Claude works: a store keeps sessions by that.

    Raises:
        AgentSdkError: this version of the SDK does it in another way.
        RuntimeError: the SDK's own: the store failed, or did not answer in time.
    """
    if getattr(options, "session_store", None) is None:
        return Store(options)
    try:
        from claude_agent_sdk._internal.session_resume import (
            apply_materialized_options,
            materialize_resume_session,
        )
        from claude_agent_sdk._internal.sessions import _get_projects_dir
    except ImportError as error:
        raise unknown("it lays out no sessions of a store") from error
    # The SDK copies logins and settings from there, too: none of that goes into the container.
    with tempfile.TemporaryDirectory() as nothing:
        elsewhere = {**options.env, _CONFIG: nothing}
        found = await materialize_resume_session(
            dataclasses.replace(options, cwd=cwd, env=elsewhere)
        )
    if found is None:
        return Store(options)
    expected = str(_get_projects_dir(options.env))
    return Store(apply_materialized_options(options, found), found, expected)
