"""What the user decides by a verb, noted in the audit record."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pinnace.audit import record, watch
from pinnace.config import load
from pinnace.config import project as workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.context import Context
    from pinnace.gateway import Rule
    from pinnace_core.host import HostFacts


def note_rules(here: Context, rules: Sequence[Rule], project: str, *, allowed: bool) -> None:
    """Note what the gateway is to let through, or not.

    Raises:
        PinnaceError: it cannot be noted.
    """
    until = max((rule.until for rule in rules), default=0)
    lasts = {"until": datetime.fromtimestamp(until, UTC).isoformat()} if until > 0 else {}
    content = {
        "who": record.who(here.facts),
        "decision": "allow" if allowed else "deny",
        "destinations": [f"{rule.host}:{rule.port}" for rule in rules],
        "project": project,
        **lasts,
    }
    watch.decided("network", content, here.config.settings)


def note_review(facts: HostFacts, decision: str, paths: Sequence[str], *, layer: str = "") -> None:
    """Note what is accepted, or taken over from a layer, of what Claude wrote.

    Raises:
        PinnaceError: it cannot be noted.
    """
    noted = {"who": record.who(facts), "decision": decision, "paths": list(paths)}
    project = {"project": workspace.locate(facts).source, **({"layer": layer} if layer else {})}
    watch.decided("review", {**noted, **project}, load.load(facts, {}).settings)


def note_trust(facts: HostFacts, decision: str, path: str, content: bytes = b"") -> None:
    """Note what is approved, by its digest, or no longer is.

    Raises:
        PinnaceError: it cannot be noted.
    """
    digest = {"sha256": hashlib.sha256(content).hexdigest()} if content else {}
    project = workspace.locate(facts).source
    noted = {"who": record.who(facts), "decision": decision, "path": path, "project": project}
    watch.decided("trust", {**noted, **digest}, load.load(facts, {}).settings)
