"""Events of OCSF, held against its own schema."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from pinnace.audit import chain, entries, ocsf

_STARTED = {
    "verb": "run",
    "launch": "pinnace-demo-c0ffee",
    "who": {"uid": 1000, "gid": 1000, "host": "box"},
    "project": "/srv/demo",
    "workdir": "/srv/demo",
    "image": {"id": "sha256:ab"},
    "claude": {"version": "9.9.9"},
    "arguments": ["-p", "<text, 5 characters>"],
}
_COMMAND = {
    **{name: _STARTED[name] for name in ("launch", "who", "project")},
    "verb": "exec",
    "container": "c0ffee",
    "command": {"program": "ls", "arguments": 1},
}


@pytest.fixture
def events() -> list[dict[str, Any]]:
    chain.append("started", _STARTED)
    chain.append("started", _COMMAND)
    refused = {"refused": {"a.example:443": 2, "b.example:22": 1}}
    chain.append("ended", {"of": 1, "exit": 3, "seconds": 1.5, "network": refused})
    chain.append("ended", {"of": 2, "exit": 0})
    chain.append("trust", {"who": _STARTED["who"], "decision": "approve", "path": "/srv/x"})
    chain.append("network", {"decision": "deny", "destinations": ["a.example:443"]})
    chain.append("removed", {"through": {"number": 0, "digest": "0" * 64}, "files": []})
    return list(ocsf.events(entries.read()))


def test_they_fit_the_schema(events: list[dict[str, Any]]) -> None:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(ocsf.VERSION))
    names = {1007: "process_activity", 4001: "network_activity", 3004: "entity_management"}

    for event in events:
        profiles = event["metadata"].get("profiles", [])
        found = schema.get_class_schema(names[event["class_uid"]], profiles)
        jsonschema.Draft202012Validator(found).validate(json.loads(json.dumps(event)))


def test_a_launch_a_command_and_what_was_refused(events: list[dict[str, Any]]) -> None:
    assert [event["type_uid"] for event in events] == [
        *(100701, 100701, 100702, 400105, 400105, 100702, 300403, 300403, 300403)
    ]
    begun, command, ended, refused, *_ = events
    assert begun["process"]["cmd_line"] == "claude -p <text, 5 characters>"
    assert command["process"]["name"] == "ls"
    assert (ended["exit_code"], ended["status_id"], ended["duration"]) == (3, 2, 1500)
    assert refused["dst_endpoint"] == {"hostname": "a.example", "port": 443}
    assert (refused["count"], refused["disposition_id"]) == (2, 2)


def test_the_whole_entry_is_in_it_with_its_digest(events: list[dict[str, Any]]) -> None:
    whole = [e["unmapped"]["pinnace"] for e in events if "unmapped" in e]

    assert whole == [dict(entry.document) for entry in entries.read()]
    assert len({event["metadata"]["uid"] for event in events}) == len(events)
