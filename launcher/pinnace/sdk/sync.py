"""The calls of `Pinnace` for programs without an event loop.

    from pinnace import sync
    result = sync.claude("What is 6 times 7?", project=".")

Each call has a loop of its own, which ends with it; Ctrl-C ends the container.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from pinnace.sdk.box import Pinnace
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    import os

    from pinnace.sdk.box import Said
    from pinnace.sdk.result import Result


def claude(
    prompt: Said,
    *,
    box: Pinnace | None = None,
    project: str | os.PathLike[str] = ".",
    **options: Any,  # noqa: ANN401 (as `Pinnace.claude` has them)
) -> Result[Any]:
    """Ask Claude; return its answer, as `Pinnace.claude`.

    Args:
        prompt: what is asked.
        box: how it is isolated; None: as the settings of `project` say.
        project: its directory.
        options: of `Pinnace.claude`.

    Raises:
        UsageError: an event loop runs in this thread: await `Pinnace.claude` there.
        PinnaceError: as `Pinnace.claude`.
    """
    try:
        anyio.current_time()
    except RuntimeError:  # no loop: this is the usual case
        return anyio.run(partial((box or Pinnace(project)).claude, prompt, **options))
    raise UsageError(
        "an event loop runs in this thread, which sync.claude would hold up",
        hint="there: await Pinnace(...).claude(...)",
    )
