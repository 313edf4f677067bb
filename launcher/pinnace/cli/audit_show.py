"""What `pinnace audit show` says of a launch: a line for each question that a person has."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pinnace_core import console

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pinnace.audit.launches import Launch, Session

_NAMED: Final = 5
_SHORT: Final = 12
_WIDTH: Final = 11


def lines(chosen: Launch, state: str, said: Iterable[Session]) -> Iterator[str]:
    """Say what was launched, what it could do, what it did, and what it says that it did.

    Args:
        chosen: a launch, or a command in one.
        state: of it.
        said: what its transcripts say.
    """
    started, ended = chosen.started, chosen.ended or {}
    rows = {
        "launch": f"{started.get('verb', '')} {chosen.name}".strip(),
        "time": _time(started, ended, state),
        "project": started.get("project", ""),
        "commit": _commit(started.get("commit"), ended.get("commit")),
        "claude": _claude(started),
        "command": _command(started.get("command") or {}),
        "arguments": " ".join(map(str, started.get("arguments") or ())),
        "isolation": _isolation(started.get("isolation") or {}),
        "writable": _named(m.get("target") for m in started.get("mounts", ()) if m.get("writable")),
        "consent": _consent(started.get("consent") or {}),
        "network": _network(started.get("network") or {}, ended.get("network") or {}),
        "files": _files(ended.get("files") or {}),
        "used": _used(ended.get("resources") or {}),
        "tools": _counts((ended.get("claimed") or {}).get("tool_calls") or {}, " (claimed)"),
    }
    yield from (f"{name:<{_WIDTH}} {text}" for name, text in rows.items() if text)
    for one in said:
        yield f"{'transcript':<{_WIDTH}} {one.path}: {one.state}"
        for call in one.calls:
            yield f"  claimed  {call.time[:19]}  {call.tool:<12} {call.subject}".rstrip()
    yield f"{'all of it':<{_WIDTH}} pinnace audit show {chosen.number} --json"


def moment(value: object) -> str:
    """Return a time of an entry as clocks here have it."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return found.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _time(started: Mapping[str, Any], ended: Mapping[str, Any], state: str) -> str:
    text = moment(started.get("time"))
    if "seconds" in ended:
        text += f", for {ended['seconds']} s"
    return f"{text}, exit {ended['exit']}" if "exit" in ended else f"{text}, {state}"


def _commit(before: str | None, after: str | None) -> str:
    found = dict.fromkeys(one[:_SHORT] for one in (before, after) if one)
    return " -> ".join(found)


def _claude(started: Mapping[str, Any]) -> str:
    version, image = (started.get("claude") or {}).get("version"), started.get("image") or {}
    digest = str(image.get("id", "")).removeprefix("sha256:")[:_SHORT]
    return ", ".join(filter(None, (version, f"image {digest}" if digest else "")))


def _command(found: Mapping[str, Any]) -> str:
    count = found.get("arguments")
    return f"{found.get('program')}, with {count} arguments" if found else ""


def _isolation(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    user = ":".join(map(str, found.get("user") or ())) or "the image's user"
    inner = [f"workspace {found.get('workspace')}", f"as {user}", str(found.get("engine"))]
    inner += [f"{name} {found[name]}" for name in ("layer", "branch", "runtime") if name in found]
    return f"{found.get('level')}, {', '.join(inner)}"


def _consent(found: Mapping[str, Any]) -> str:
    said = ["no permission was asked for (bypass mode)"] if "bypass_permissions" in found else []
    said += [f"approved {_named(v)} of {k}" for k, v in (found.get("approved") or {}).items()]
    said += [f"waiting {_named(v)} of {k}" for k, v in (found.get("waiting") or {}).items()]
    return "; ".join(said)


def _network(allowed: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    said = ["all of this machine's"] if allowed.get("all") else []
    said += [f"allowed {_named(allowed['allow'])}"] if allowed.get("allow") else []
    said += [f"{asked['requests']} requests"] if asked.get("requests") else []
    if asked.get("refused"):
        said.append(f"refused {_counts(asked['refused'])}")
    if asked.get("refused_own"):
        said.append(f"{sum(asked['refused_own'].values())} of Claude Code's own refused")
    return "; ".join(said)


def _files(found: Mapping[str, Any]) -> str:
    gone = found.get("deleted") or {}
    said = []
    if found.get("count"):
        said.append(f"{found['count']} changed: {_named(found.get('changed') or ())}")
    if gone.get("count"):
        said.append(f"{gone['count']} deleted: {_named(gone.get('names') or ())}")
    if said and not found.get("complete"):
        said.append("not all were looked at")
    return "; ".join(said)


def _used(found: Mapping[str, Any]) -> str:
    said = []
    if "memory_peak" in found:
        said.append(f"{console.size_text(int(found['memory_peak']))} of memory at most")
    if "cpu_seconds" in found:
        said.append(f"{found['cpu_seconds']:.1f} s of processor")
    if found.get("oom_kills"):
        said.append(f"{found['oom_kills']} killed because memory ran out")
    return ", ".join(said)


def _counts(found: Mapping[str, int], end: str = "") -> str:
    return _named(f"{name} ({count})" for name, count in found.items()) + (end if found else "")


def _named(found: Iterable[object]) -> str:
    names = list(map(str, found))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
