"""Entries as events of OCSF, https://schema.ocsf.io, which collectors of logs know.

A start or an end is a Process Activity, what the gateway refused is a Network Activity of its own,
a decision of the user's is Entity Management. What has no place there is in `unmapped`, whole.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pinnace.audit import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pinnace.audit.entry import Entry

VERSION: Final = "1.8.0"
_PROCESS: Final = 1007
_NETWORK: Final = 4001
_ENTITY: Final = 3004
_LAUNCH, _TERMINATE, _REFUSE, _UPDATE = 1, 2, 5, 3
_INFORMATIONAL, _LOW = 1, 2
_SUCCESS, _FAILURE = 1, 2
_DENIED, _BLOCKED = 2, 2
_SECURITY: Final = "security_control"
_HOST: Final = "host"
_CONTAINER: Final = "container"
# Of what a class is about.
_CATEGORY: Final = 1000


def events(known: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """Yield the events of entries; an end has what its start said of the launch."""
    started: dict[int, Mapping[str, Any]] = {}
    for entry in known:
        document = entry.document
        if entry.kind == record.STARTED:
            started[entry.position.number] = document
            yield _process(document, document, _LAUNCH)
        elif entry.kind == record.ENDED:
            begun = started.pop(int(document.get("of", 0)), {})
            yield _process(document, {**begun, **document}, _TERMINATE)
            yield from _refused(document, begun)
        else:
            yield _decision(document)


def _event(document: Mapping[str, Any], of_class: int, activity: int) -> dict[str, Any]:
    return {
        "activity_id": activity,
        "category_uid": of_class // _CATEGORY,
        "class_uid": of_class,
        "type_uid": of_class * 100 + activity,
        "severity_id": _INFORMATIONAL,
        "time": _milliseconds(document),
        "metadata": {
            "version": VERSION,
            "product": {"name": "Pinnace", "vendor_name": "Pinnace"},
            "log_name": "audit",
            "sequence": document["number"],
            "uid": document["hash"],
            **_known(correlation_uid=document.get("launch")),
        },
    }


def _process(
    document: Mapping[str, Any], about: Mapping[str, Any], activity: int
) -> dict[str, Any]:
    command = about.get("command") or {}
    words = [command.get("program", "claude"), *about.get("arguments", ())]
    event = _event(document, _PROCESS, activity)
    event["metadata"]["profiles"] = [_CONTAINER]
    event |= {
        "actor": _actor(about),
        "device": _device(about),
        "process": {
            "name": str(words[0]),
            "uid": f"{about.get('launch', '')}#{about.get('of') or about['number']}",
            "cmd_line": " ".join(map(str, words)),
            **_known(working_directory=about.get("workdir"), container=_container(about)),
        },
        "unmapped": {"pinnace": dict(document)},
    }
    if "exit" in document:
        code = int(document["exit"])
        event |= {"exit_code": code, "status_id": _FAILURE if code else _SUCCESS}
    if "seconds" in document:
        event["duration"] = round(float(document["seconds"]) * 1000)
    return event


def _container(about: Mapping[str, Any]) -> dict[str, Any]:
    image = about.get("image") or {}
    identifier = _known(uid=about.get("container"), name=about.get("launch"))
    return {**identifier, **_known(image={"uid": image["id"]} if image.get("id") else None)}


def _refused(document: Mapping[str, Any], begun: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    network = document.get("network") or {}
    counts = (network.get(group) or {} for group in ("refused", "refused_own"))
    for name, count in (item for found in counts for item in found.items()):
        host, _, port = name.rpartition(":")
        event = _event(document, _NETWORK, _REFUSE)
        event["metadata"]["uid"] = f"{document['hash']}/{name}"
        event["metadata"]["profiles"] = [_HOST, _SECURITY]
        event |= {
            "severity_id": _LOW,
            "action_id": _DENIED,
            "disposition_id": _BLOCKED,
            "count": count,
            "dst_endpoint": {"hostname": host, "port": int(port)},
            "actor": _actor(begun),
            "device": _device(begun),
        }
        yield event


def _decision(document: Mapping[str, Any]) -> dict[str, Any]:
    named = document.get("path") or ", ".join(
        document.get("destinations") or document.get("paths") or ()
    )
    event = _event(document, _ENTITY, _UPDATE)
    return event | {
        "actor": _actor(document),
        "comment": str(document.get("decision", document.get("kind"))),
        "entity": {"type": str(document.get("kind")), "name": named or "audit record"},
        "unmapped": {"pinnace": dict(document)},
    }


def _actor(document: Mapping[str, Any]) -> dict[str, Any]:
    number = (document.get("who") or {}).get("uid")
    return {"app_name": "pinnace", **({} if number is None else {"user": {"uid": str(number)}})}


def _device(document: Mapping[str, Any]) -> dict[str, Any]:
    return {"type_id": 0, "hostname": str((document.get("who") or {}).get("host") or "unknown")}


def _milliseconds(document: Mapping[str, Any]) -> int:
    return round(datetime.fromisoformat(str(document["time"])).timestamp() * 1000)


def _known(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
