"""A project's own config directory for Claude, made ready for a launch.

An agent writes there: nothing in it leads anywhere else, and what cannot be understood is put aside
and said, so that no launch can stop the next one.
"""

from __future__ import annotations

import stat
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from pinnace.agent import (
    claude_config,
    logins,
    places,
    project_state,
    user_parts,
    user_settings,
)
from pinnace.agent.claude_config import BYPASS_SETTING, SETTINGS_FILE, STATE_FILE
from pinnace.agent.user_settings import Decision, Memory
from pinnace_core import console
from pinnace_core.errors import PinnaceError
from pinnace_core.files import make_directory, write_atomic
from pinnace_core.locks import file_lock
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pinnace.agent.places import Place
    from pinnace.agent.user_parts import Part
    from pinnace.config.project import Workspace


class Step(NamedTuple):
    """What has to be done before a launch: as a dry run says it, and how it is done."""

    text: str
    run: Callable[[], object]


class ProjectConfig(NamedTuple):
    """A config directory, and what it has to be ready for.

    Attributes:
        place: where it lies; with a profile.
        project: the workspace.
        home: the user's, outside.
        lock: a file outside of it.
        parts: what the user wants in all projects.
        settings: likewise, of the user's settings.
        servers: likewise, MCP servers.
        key_suffix: of an API key that the user passes.
        bypass: the user chose bypass mode.
        owner: uid and gid who must own what is made; None: this process's user.
        arguments: of Claude.
    """

    place: Place
    project: Workspace
    home: Path
    lock: Path
    parts: tuple[Part, ...]
    settings: Mapping[str, Any]
    servers: Mapping[str, Any]
    key_suffix: str
    bypass: bool
    owner: tuple[int, int] | None
    arguments: tuple[str, ...] = ()

    def prepare(self) -> None:
        """Make the directory, its places for what is mounted, and its files; all under a lock.

        Raises:
            CannotWriteError: the directory or a file in it cannot be made.
            BusyError: its slot became another project's meanwhile.
        """
        if self.pending():
            with file_lock(self.lock):
                # One after the other: each sees what the one before has made.
                for steps in self._all():
                    for step in steps():
                        step.run()
        claude_config.make_private(self.place.config)
        if self.owner is not None:
            claude_config.give(self._given(), self.owner)

    def acquire(self) -> AbstractContextManager[None] | None:
        """Make it ready, and take over what a command of the user's adds.

        Raises:
            PinnaceError: as `prepare`.
        """
        self.prepare()
        return self._adopting() if project_state.adds(self.arguments) else None

    @contextmanager
    def _adopting(self) -> Iterator[None]:
        yield
        for entry in project_state.adopt(self.place, self.servers, self.arguments):
            console.stderr(f"pinnace: approved, as you added it: {entry}")

    def pending(self) -> str:
        """Return what `prepare` would do."""
        done: dict[str, list[str]] = {}
        for step in (step for steps in self._all() for step in steps()):
            # What is done to many is said once, and to what.
            verb, _, what = step.text.partition(" ")
            done.setdefault(verb, []).append(what)
        return "; ".join(f"{verb} {', '.join(whats)}" for verb, whats in done.items())

    def decision(self) -> Decision:
        """Return what Claude's settings have to say here."""
        return decision(self.place, self.settings, bypass=self.bypass)

    def notes(self) -> tuple[str, ...]:
        """Return what the user should know about the files in it."""
        servers = project_state.decision(self.place, self.servers).waiting
        waiting = (
            (SETTINGS_FILE, list(self.decision().waiting)),
            (STATE_FILE, list(map(project_state.shown, servers))),
        )
        said = "; ".join(
            f"{', '.join(names)} of {self.place.config / file}, changed from inside"
            for file, names in waiting
            if names
        )
        return (
            (f"not approved yet, so not counted: {said}; see them: pinnace trust",) if said else ()
        )

    def _all(self) -> tuple[Callable[[], Iterator[Step]], ...]:
        return self._from_before, self._directories, self._points, self._files

    def _from_before(self) -> Iterator[Step]:
        """Take what 0.1 had in one directory for all projects; that stays as it is."""
        place = self.place
        assert place.profile is not None  # noqa: S101 (see the class)
        if not place.shared.is_dir() or (place.profile.is_dir() and place.config.is_dir()):
            return
        from pinnace.agent import migration

        yield Step(
            f"copy what is this project's from '{place.shared}'",
            lambda: migration.migrate(place, self.project, self.home),
        )

    def _directories(self) -> Iterator[Step]:
        place, slot = self.place, self.place.slot
        assert slot is not None  # noqa: S101 (see the class)
        if places.read(slot) is None:
            record = places.Record(self.project.source)
            yield Step(f"make '{slot}'", lambda: places.keep(slot, record))
        if not place.config.is_dir():
            yield Step(f"make '{place.config}'", lambda: claude_config.make_private(place.config))
        for part in filter(user_parts.missing, self.parts):
            yield Step(f"make '{part.source}'", _making(part, place))

    def _points(self) -> Iterator[Step]:
        config = self.place.config
        if not claude_config.is_private(config):
            # Opened, or locked, from inside.
            yield Step(f"close '{config}'", partial(claude_config.make_private, config))
        for part in user_parts.obstructed(config, self.parts):
            yield Step(f"make '{config / part.name}'", _placing(config, part))
        for path in (config / name for name in (STATE_FILE, SETTINGS_FILE, logins.FILE)):
            if _is_no_file(path):
                yield Step(f"put '{path}' aside", partial(_put_aside, path))

    def _files(self) -> Iterator[Step]:
        memories = user_settings.load(self.place.memory)
        settings, path = self.decision(), self.place.config / SETTINGS_FILE
        there = _document(path)
        if there != settings.document and (settings.document or there is not None or _lies(path)):
            yield Step(f"write '{path}'", _writing(path, settings.document))
        state, servers = self._state(memories.get(STATE_FILE, Memory()))
        path = self.place.config / STATE_FILE
        if _document(path) != state:
            yield Step(f"write '{path}'", _writing(path, state))
        both = {SETTINGS_FILE: settings.memory, STATE_FILE: servers}
        kept = {name: memory for name, memory in both.items() if memory != Memory()}
        if kept != memories:
            save = partial(user_settings.save, self.place.memory, kept)
            yield Step(f"write '{self.place.memory}'", save)

    def _state(self, memory: Memory) -> tuple[dict[str, Any], Memory]:
        """Return what Claude's state has to be, and what is remembered of servers."""
        try:
            return self._seeded(_document(self.place.config / STATE_FILE) or {}, memory)
        except RecursionError:
            return self._seeded({}, memory)

    def _seeded(self, there: dict[str, Any], memory: Memory) -> tuple[dict[str, Any], Memory]:
        state = claude_config.preseeded(
            there,
            workdir=self.project.workdir,
            key_suffix=self.key_suffix,
            bypass=self.bypass,
        )
        path = self.place.config / STATE_FILE
        decided = project_state.decide(path, state, self.servers, memory)
        project_state.let_run(state, decided.document)
        account = logins.account(logins.of(self.place.account))
        return state | ({"oauthAccount": account} if account else {}), decided.memory

    def _given(self) -> Iterator[Path]:
        yield self.place.config
        yield from (self.place.config / name for name in (STATE_FILE, SETTINGS_FILE))
        for part in self.parts:
            yield from (self.place.config / part.name, part.source)


def decision(place: Place, users: Mapping[str, Any], *, bypass: bool = False) -> Decision:
    """Return what Claude's settings have to say in a project; what lies there is an agent's work.

    Args:
        place: where Claude's files are.
        users: what the user wants in all projects.
        bypass: the user chose bypass mode.
    """
    path = place.config / SETTINGS_FILE
    memory = user_settings.load(place.memory).get(SETTINGS_FILE, Memory())
    ours = {BYPASS_SETTING: True} if bypass else {}

    def unapproved(own: Mapping[str, Any]) -> dict[str, Any]:
        asking = {name: value for name, value in own.items() if user_settings.asks(name)}
        if not asking:
            return {}
        # Only a launch in a project where something waits.
        from pinnace.config import files

        agreed = files.is_approved(str(path), user_settings.content(asking))
        return {} if agreed else asking

    try:
        return user_settings.decide(
            users, _document(path), memory, unapproved=unapproved, ours=ours
        )
    except RecursionError:
        return user_settings.decide(users, None, memory, unapproved=unapproved, ours=ours)


def forget(place: Place, users: Mapping[str, Any]) -> bool:
    """Forget what waits for approval; return whether anything did.

    Raises:
        CannotWriteError: it cannot be written.
    """
    found = decision(place, users)
    if not found.waiting:
        return False
    own = {name: value for name, value in found.memory.own.items() if name not in found.waiting}
    kept = {SETTINGS_FILE: Memory(found.document, own)}
    user_settings.save(place.memory, user_settings.load(place.memory) | kept)
    write_atomic(
        place.config / SETTINGS_FILE,
        claude_config.dumps(found.document, place.config),
        mode=0o600,
    )
    return True


def _making(part: Part, place: Place) -> Callable[[], object]:
    def make() -> None:
        assert place.profile is not None  # noqa: S101 (see the class)
        make_directory(place.profile, mode=0o700)
        user_parts.make(part)

    return make


def _placing(config: Path, part: Part) -> Callable[[], object]:
    return lambda: user_parts.make_place(config, part)


def _document(path: Path) -> dict[str, Any] | None:
    """Return what a file of Claude's says; None if it is not there, or nobody can tell."""
    try:
        path.lstat()
        return claude_config.read_document(path)
    except (OSError, PinnaceError):
        return None


def _lies(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _is_no_file(path: Path) -> bool:
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _writing(path: Path, document: dict[str, Any]) -> Callable[[], object]:
    """Return what writes a file; one that is not Claude's is put aside, and that is said."""

    def write() -> None:
        data = claude_config.dumps(document, path)
        if _document(path) is None:
            _put_aside(path)
        write_atomic(path, data, mode=0o600)

    return write


def _put_aside(path: Path) -> None:
    aside = user_parts.put_aside(path)
    if aside is not None:
        console.stderr(f"pinnace: '{path}' is not what Claude writes; it is put aside: {aside}")
