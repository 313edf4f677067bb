"""Run `pinnace` with settings besides its options: `python with_settings.py JSON ARGUMENTS...`.

As another user, with UID, GID and GROUP in the JSON's `as`: see `as_user`.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import pinnace.__main__
from pinnace import launch
from pinnace.settings import MountRequest, cascade
from tests.support import as_user

if TYPE_CHECKING:
    from pinnace.facts import HostFacts
    from pinnace.plan import RunRequest

_PRELOADED = (hashlib, shlex)
_run = launch.run


def main() -> None:
    """Read the settings, then be `pinnace`."""
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in json.loads(sys.argv[1]).items()
    }
    user = chosen.pop("as", None)
    if "mounts" in chosen:
        chosen["mounts"] = tuple(MountRequest(*mount) for mount in chosen["mounts"])

    def run(request: RunRequest, facts: HostFacts) -> int:
        settings = cascade.load(facts, request.flags or {}).settings
        return _run(request._replace(settings=settings._replace(**chosen), flags=None), facts)

    launch.run = run
    if user:
        sys.argv[1:2] = [str(number) for number in user]
        as_user.main()
    else:
        sys.argv[:2] = ["pinnace"]
        pinnace.__main__.main()


if __name__ == "__main__":
    main()
