"""What a launch meets: host, project, configuration, engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from pinnace.config import load, pin_edit
from pinnace.config import project as workspace
from pinnace_core import console, search_path
from pinnace_core.engine import detect, require_local
from pinnace_core.errors import BadSettingsError, EngineUnsuitableError, UnsafeRequestError
from pinnace_core.startup import leave_out_programs_of
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from pinnace.config import Config
    from pinnace.config.project import Workspace
    from pinnace.request import RunRequest
    from pinnace_core.engine import Engine
    from pinnace_core.host import HostFacts
    from pinnace_images.lock import Lock

_KNOWN_UNASKED: Final = frozenset(
    {"name", "endpoint", "is_local", "buildkit", "missing_client", "lacks_to_build"}
)


class Context(NamedTuple):
    """All that verbs go by; nothing in it was asked of the engine.

    Attributes:
        request: what was asked for.
        facts: the host.
        project: the workspace.
        engine: which is used; one that a launch would refuse refuses every question.
        config: settings, each with its source, and what waits for approval.
        locked: the project's own lock, if it has one.
    """

    request: RunRequest
    facts: HostFacts
    project: Workspace
    engine: Engine
    config: Config
    locked: Lock | None


class _Refused:
    """Another machine's engine, of which is known what it need not be asked for."""

    def __init__(self, engine: Engine, error: EngineUnsuitableError) -> None:
        self._engine, self._error = engine, error

    def __getattr__(self, name: str) -> object:
        if name in _KNOWN_UNASKED:
            return getattr(self._engine, name)
        raise self._error


def load_context(request: RunRequest, facts: HostFacts) -> Context:
    """Read project, configuration, and which engine is used.

    Raises:
        UnsafeRequestError: the directory cannot be a workspace.
        BadSettingsError: a settings file or variable is not what it should be.
        EngineUnavailableError: the engine's context does not exist.
    """
    project = workspace.locate(facts)
    facts = _without_programs_of(project, facts)
    config = load.load(facts, request.flags)
    return Context(
        request=request,
        facts=facts,
        project=project,
        engine=_allowed(detect(facts, config.settings.engine)),
        config=config,
        locked=pin_edit.load_lock(Path(project.source)),
    )


def load_engine(facts: HostFacts) -> Engine:
    """Return the engine that launches use here, also where nothing could be launched.

    Whatever somebody has written into the project's files, what runs can be seen and ended.

    Raises:
        BadSettingsError: the user's own file, or a variable, is not what it should be.
        EngineUnavailableError: the engine's context does not exist.
    """
    facts = _without_programs_of(workspace.locate(facts), facts)
    try:
        config = load.load(facts, {})
    except (BadSettingsError, UnsafeRequestError) as error:
        config = load.load(facts, {}, of_project=False)
        console.stderr(f"pinnace: by your own settings alone: {error.message}")
    return _allowed(detect(facts, config.settings.engine))


def _without_programs_of(project: Workspace, facts: HostFacts) -> HostFacts:
    """Take no program from the project: neither this process nor what it starts."""
    path = facts.environment.get("PATH", "")
    kept = leave_out_programs_of(project.source, path)
    search_path.leave_out(project.source)
    if kept == path:
        return facts
    return facts._replace(environment={**facts.environment, "PATH": kept})


def _allowed(engine: Engine) -> Engine:
    """Hand out an engine; one that a launch refuses unasked is asked by no verb."""
    try:
        require_local(engine)
    except EngineUnsuitableError as error:
        return cast("Engine", _Refused(engine, error))
    return engine
