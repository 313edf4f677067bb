"""A launch with settings given as JSON, for values that have no option: SETTINGS [CLAUDE_ARGS]."""

from __future__ import annotations

import json
import sys

from pinnace import launch
from pinnace.facts import HostFacts
from pinnace.plan import RunRequest
from pinnace.settings import Settings
from pinnace_images.report import guard


def main() -> int:
    """Launch; `claude_version` and `dry_run` among the settings are the request's."""
    given = json.loads(sys.argv[1])
    request = RunRequest(
        claude_arguments=tuple(sys.argv[2:]),
        claude_version=given.pop("claude_version", None),
        dry_run=given.pop("dry_run", False),
        settings=Settings(**given),
    )
    return guard("pinnace", lambda: launch.run(request, HostFacts.detect()))


if __name__ == "__main__":
    sys.exit(main())
