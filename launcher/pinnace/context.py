"""What a launch is asked to do, and what it meets: host, project, configuration, engine."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from pinnace.config import load, pin_edit
from pinnace.config import project as workspace
from pinnace_core.engine import detect, require_local
from pinnace_core.errors import EngineUnsuitableError, UsageError
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pinnace.config import Config
    from pinnace.config.project import Workspace
    from pinnace.config.schema import Option
    from pinnace_core.engine import Engine
    from pinnace_core.host import HostFacts
    from pinnace_images.lock import Lock

_KNOWN_UNASKED: Final = frozenset(
    {"name", "endpoint", "is_local", "buildkit", "missing_client", "lacks_to_build"}
)
_SEE: Final = "see: pinnace run --help"


class RunRequest(NamedTuple):
    """What the user asked for in this command.

    Attributes:
        claude_arguments: for Claude, untouched.
        claude_version: a specifier that wins over every pin.
        flags: settings that were given in the command, by their names, as TOML would give them.
        dry_run: only print the command.
        timing: tell where the time went.
        help: only print the options.
        program: what runs inside: Claude, or a shell instead.
    """

    claude_arguments: tuple[str, ...] = ()
    claude_version: str | None = None
    flags: Mapping[str, object] = MappingProxyType({})
    dry_run: bool = False
    timing: bool = False
    help: bool = False
    program: str = contract.CLAUDE_BINARY


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
    config = load.load(facts, request.flags)
    return Context(
        request=request,
        facts=facts,
        project=project,
        engine=_allowed(detect(facts, config.settings.engine)),
        config=config,
        locked=pin_edit.load_lock(Path(project.source)),
    )


def _allowed(engine: Engine) -> Engine:
    """Hand out an engine; one that a launch refuses unasked is asked by no verb."""
    try:
        require_local(engine)
    except EngineUnsuitableError as error:
        return cast("Engine", _Refused(engine, error))
    return engine


def parse(arguments: Sequence[str]) -> RunRequest:
    """Read the arguments after `pinnace run`.

    Raises:
        UsageError: they cannot be understood.
    """
    own = list(arguments)
    claude: tuple[str, ...] = ()
    if "--" in own:
        cut = own.index("--")
        own, claude = own[:cut], tuple(own[cut + 1 :])
    return _parsed(own)._replace(claude_arguments=claude) if own else RunRequest(claude)


def _parsed(own: Sequence[str]) -> RunRequest:
    from pinnace.config import schema

    known = {name: option for option in schema.options() for name in option.names}
    given: list[tuple[Option, str]] = []
    unknown: list[str] = []
    words = iter(own)
    for word in words:
        option = known.get(word.partition("=")[0])
        if option is None:
            unknown.append(word)
        elif option is schema.HELP:
            return RunRequest(help=True)
        else:
            given.append((option, _value(option, word, words)))
    if unknown:
        raise _unrecognized(unknown, known)
    flags, chosen = _flags(given), [option for option, _ in given]
    version = flags.pop(schema.VERSION.name, None)
    return RunRequest((), version, flags, schema.DRY_RUN in chosen, schema.TIMING in chosen)


def _value(option: Option, word: str, rest: Iterator[str]) -> str:
    """Return an option's value: behind its `=`, or the next word; empty if it takes none."""
    name, equals, text = word.partition("=")
    if not option.metavar:
        if equals:
            raise UsageError(f"argument {name}: it takes no value", hint=_SEE)
        return ""
    if not equals:
        text = next(rest, "--")
        if text.startswith("-") and text != "-":
            raise UsageError(f"argument {name}: expected a value", hint=_SEE)
    return text


def _flags(given: Iterable[tuple[Option, str]]) -> dict[str, Any]:
    """Return what TOML would give: lists are added to, of all else the last one counts."""
    flags: dict[str, Any] = {}
    for option, text in given:
        key = option.key
        if key is None:
            continue
        if option.value is not None:
            flags[key.name] = option.value
        elif key.kind.is_list:
            flags.setdefault(key.name, []).append(text)
        else:
            flags[key.name] = key.kind.from_text(text)
    return flags


def _unrecognized(unknown: Sequence[str], known: Iterable[str]) -> UsageError:
    from pinnace_core.errors import IN_HINT, perhaps

    guess = perhaps(unknown[0].partition("=")[0], known, IN_HINT)
    hint = f"{guess}Claude's own arguments go after '--'; {_SEE}"
    return UsageError(f"unrecognized arguments: {' '.join(unknown)}", hint=hint)
