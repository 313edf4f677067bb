"""The session that a launch goes on with, by a name that the user gave it, or by its id.

The first launch of a name begins a session, under an id that is known before; later ones resume it.
Two at once would write to one transcript: the second one is refused.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from pinnace.agent.arguments import chooses_session
from pinnace.sessions import transcripts
from pinnace.sessions.names import LIST, Named, Names, as_id, new_id, require_name
from pinnace_core.errors import PinnaceError, SessionMissingError, UsageError
from pinnace_core.tuples import NamedTuple
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pinnace.sessions.transcripts import Transcript

# Measured. Before the first one, a session that is resumed in print mode gets a new id each time.
BEGINS: Final = CliVersion(1, 0, 124)
TITLES: Final = CliVersion(2, 1, 76)
ANYWHERE: Final = CliVersion(2, 1, 245)
"""From here on, a session is found from all of a project's directories."""
_LONGEST_DIRECTORY: Final = 200


class Choice(NamedTuple):
    """What a launch goes on with.

    Attributes:
        config: Claude's config directory.
        id: of the session.
        name: that the user gave it; empty: it is called by its id.
        arguments: for Claude.
    """

    config: Path
    id: str
    name: str
    arguments: tuple[str, ...]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only launch that goes on with it.

        Raises:
            SessionBusyError: another one is running.
            CannotWriteError: what is kept of it cannot be written.
        """
        names = Names(self.config)
        with names.held(self.id, self.name):
            try:
                yield
            finally:
                if transcripts.find(self.config, self.id):
                    # The launch is over, whatever becomes of this.
                    with suppress(PinnaceError):
                        names.has_begun(self.id)


def choose(
    config: Path,
    wanted: str,
    version: CliVersion | None,
    arguments: Sequence[str],
    *,
    workdir: str = "",
) -> Choice:
    """Decide how Claude is told which session it is; nothing is written.

    Args:
        config: Claude's config directory, on the host.
        wanted: name or id.
        version: of the CLI; None: not known.
        arguments: for Claude, besides.
        workdir: where Claude is started, inside; empty: wherever the session was begun.

    Raises:
        UsageError: the arguments choose a session as well, or the version cannot do that.
        SessionMissingError: its transcript has gone, or the id is no session's here.
    """
    _require_possible(wanted, version, arguments)
    by_id = as_id(wanted)
    known = None if by_id else Names(config).all().get(require_name(wanted))
    session = known.id if known else by_id
    found = transcripts.find(config, session) if session else None
    if found is not None:
        _require_found(found, wanted, version, workdir)
        return Choice(config, session, "" if by_id else wanted, ("--resume", session))
    if by_id:
        raise SessionMissingError(f"no session here has the id {by_id}", hint=LIST)
    return _begun(config, wanted, known, version)


def _require_found(
    found: Transcript, wanted: str, version: CliVersion | None, workdir: str
) -> None:
    """See that Claude will find it; an old one looks only where it was begun."""
    # The names of long ones are cut, and end in a checksum.
    places = (found.directory, transcripts.directory_of(workdir))
    elsewhere = len({name[:_LONGEST_DIRECTORY] for name in places}) > 1
    if workdir and elsewhere and version is not None and version < ANYWHERE:
        raise UsageError(
            f"session '{wanted}' was begun in another directory of this project, and Claude Code "
            f"{version} finds it from there only",
            hint=f"change into it, see: pinnace session show {wanted}; or pin {ANYWHERE}, or later",
        )


def _begun(config: Path, name: str, known: Named | None, version: CliVersion | None) -> Choice:
    if known and known.begun:
        raise SessionMissingError(
            f"the transcript of session '{name}' has gone",
            hint=f"to begin a new one of that name: pinnace session rm {name}",
        )
    session = known.id if known else new_id()
    titled = version is None or version >= TITLES
    title = ("--name", name) if titled else ()
    return Choice(config, session, name, ("--session-id", session, *title))


def _require_possible(wanted: str, version: CliVersion | None, arguments: Sequence[str]) -> None:
    other = chooses_session(arguments)
    if other:
        raise UsageError(
            f"{other} and --session {wanted} both say which session it is",
            hint="leave one out; a copy is made by: pinnace session fork",
        )
    if version is not None and version < BEGINS:
        raise UsageError(
            f"--session: Claude Code {version} gives a session a new id each time it is resumed",
            hint=f"pin {BEGINS} or a later one: pinnace pin latest",
        )
