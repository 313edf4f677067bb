"""Launches as the record tells of them: what has begun, with its end if there is one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.audit import entries, record, redact, sessions
from pinnace.audit.unfinished import moment
from pinnace_core.errors import AmbiguousNameError, EntryMissingError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pinnace.audit.sessions import Call

_MOST_CALLS: Final = 1_000
_LONGEST: Final = 200


class Launch(NamedTuple):
    """A launch, or a command in one.

    Attributes:
        started: the entry.
        ended: the entry; None: there is none yet.
    """

    started: Mapping[str, Any]
    ended: Mapping[str, Any] | None

    @property
    def number(self) -> int:
        """Of its first entry."""
        return int(self.started["number"])

    @property
    def name(self) -> str:
        """The container's."""
        return str(self.started.get("launch", ""))


class Session(NamedTuple):
    """What a transcript says, as far as it is still there.

    Attributes:
        path: of it.
        state: `as it was`, `changed since`, or `gone`.
        calls: of tools, while the launch ran.
    """

    path: str
    state: str
    calls: tuple[Call, ...]


def launches(project: str = "") -> list[Launch]:
    """Return the launches of a project, or all, the oldest first.

    Raises:
        CannotReadError: the record cannot be read.
    """
    begun: dict[int, Launch] = {}
    for entry in entries.read():
        document = entry.document
        if entry.kind == record.STARTED and project in {"", document.get("project")}:
            begun[entry.position.number] = Launch(document, None)
        elif entry.kind == record.ENDED and document.get("of") in begun:
            number = document["of"]
            begun[number] = begun[number]._replace(ended=document)
    return list(begun.values())


def named(found: Sequence[Launch], name: str) -> Launch:
    """Return the one that a number, a name or a part of just one name means.

    Raises:
        EntryMissingError: none.
        AmbiguousNameError: more than one.
    """
    fitting = [one for one in found if name == str(one.number)]
    fitting = fitting or [one for one in found if name and name in one.name]
    # Commands in a launch have its name, too.
    fitting = [one for one in fitting if "command" not in one.started] or fitting
    if not fitting:
        raise EntryMissingError(
            f"no launch in the audit record is called '{name}'",
            hint="see: pinnace audit list --all",
        )
    if len(fitting) > 1:
        numbers = ", ".join(str(one.number) for one in fitting[-10:])
        raise AmbiguousNameError(
            f"'{name}' fits {len(fitting)} launches", hint=f"give a number: {numbers}"
        )
    return fitting[0]


def claimed(launch: Launch) -> list[Session]:
    """Read what the agent's own transcripts say of a launch that has ended."""
    ended = launch.ended or {}
    config = sessions.config_of(launch.started)
    noted = ended.get("transcripts")
    if config is None or not isinstance(noted, list):
        return []
    since, until = moment(launch.started), moment(ended)
    return [_session(one, since, until) for one in noted if isinstance(one, dict)]


def _session(noted: Mapping[str, Any], since: float, until: float) -> Session:
    path = Path(str(noted.get("path")))
    hashed = int(noted.get("hashed", noted.get("size", 0)))
    now = sessions.read(path, most=hashed)
    if now is None:
        return Session(str(path), "gone", ())
    state = "as it was" if now.sha256 == noted.get("sha256") else "changed since"
    return Session(str(path), state, tuple(_calls(path, since, until)))


def _calls(path: Path, since: float, until: float) -> Iterator[Call]:
    for count, call in enumerate(sessions.calls(path, since=since, until=until)):
        if count == _MOST_CALLS:
            return
        yield call._replace(subject=redact.text(call.subject)[:_LONGEST])
