"""Launch with settings: `python with_settings.py '{"proxy": true}' ARGUMENTS OF PINNACE RUN...`."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from pinnace import launch, run_options
from pinnace.facts import HostFacts
from pinnace.settings import Settings
from pinnace_images.report import guard


def main() -> None:
    """Launch as `pinnace run` does; lists in the settings are made tuples."""
    changes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in json.loads(sys.argv[1]).items()
    }
    request = run_options.parse(sys.argv[2:])
    request = request._replace(settings=Settings()._replace(**changes))
    code = guard("pinnace", lambda: launch.run(request, HostFacts.detect()))
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
