"""Sessions: Claude's transcripts of a project, and the names that the user gave them.

Transcripts lie in Claude's config directory, where an agent writes as it likes; names lie among
Pinnace's state, where none does. What is given a config directory here is told which project and
profile it is about; `pinnace.launch.sessions` knows that of a launch.

    names = Names(config)
    names.resolve("fix-42")     the id, or None
    names.assign("fix-42")      the id, a new one if there was none
"""

from __future__ import annotations

from pinnace.sessions.names import Named, Names

__all__ = ["Named", "Names"]
