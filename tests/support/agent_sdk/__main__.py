"""Run scenarios: `python -m tests.support.agent_sdk PLACE [--cli CLAUDE]`.

One process runs many: the SDK takes a second to import. It reads a name and an event loop a line,
as `asks_once trio`, and answers with a line of JSON: what went wrong; empty: nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from pathlib import Path

import anyio

from tests.support.agent_sdk import conversations, endings, files, sessions, tools
from tests.support.agent_sdk.kit import SCENARIOS, Kit, Scenario
from tests.support.messages_api import MessagesApi, Text

_PATIENCE_SECONDS = 120
assert all((conversations, endings, files, sessions, tools))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place", type=Path)
    parser.add_argument("--cli", default="")
    chosen = parser.parse_args()
    with MessagesApi([Text("unasked")], host="0.0.0.0") as api:  # noqa: S104 (containers ask)
        os.environ["ANTHROPIC_BASE_URL"] = api.url_for("127.0.0.1")
        for line in sys.stdin:
            name, backend = line.split()
            kit = Kit(api, chosen.place / f"{name}-{backend}", chosen.cli)
            sys.stdout.write(f"{json.dumps(_problem(SCENARIOS[name], kit, backend))}\n")
            sys.stdout.flush()


def _problem(one: Scenario, kit: Kit, backend: str) -> str:
    """Return what went wrong; empty: nothing."""
    kit.place.mkdir(parents=True)
    kit.api.requests.clear()

    async def bounded() -> None:
        with anyio.fail_after(_PATIENCE_SECONDS):
            await one.run(kit)

    try:
        anyio.run(bounded, backend=backend)
    except BaseException:  # noqa: BLE001 (it is told)
        return traceback.format_exc()
    return ""


if __name__ == "__main__":
    main()
