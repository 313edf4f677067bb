"""What is asked of a launch: Pinnace's own options, and Claude's arguments.

Before `--`, what is an option of Pinnace's is that; anything else goes to Claude, if it cannot be a
slip. The table of options is the one that files and variables follow: no click on this path.
"""

from __future__ import annotations

import shlex
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.errors import UsageError
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pinnace.agent.arguments import Word
    from pinnace.config.schema import Option

_SEE: Final = "see: pinnace run --help"
FILES_INSIDE: Final = "/run/pinnace/files"
"""Where a request's own files are, inside."""
COLLIDING: Final = ("--cloud", "-h", "--help", "-v")
"""Options of Claude's that mean something else before `--`."""
_VARIABLE: Final = "a variable goes in by: --env NAME, or --env NAME=VALUE"
_MOUNT: Final = "a directory goes in by: --mount SOURCE[:TARGET][:ro|rw]"
# What docker calls it, and what is meant here.
_DOCKERS: Final = {
    "-e": _VARIABLE,
    "--env-file": "a file of NAME=VALUE lines goes in by: --secrets FILE",
    "-v": f"{_MOUNT}; the version is told by: pinnace --version, pinnace -- --version",
    "--volume": _MOUNT,
    "-u": "Claude runs as you; see: pinnace help mounts",
    "-m": "memory is limited by: --memory SIZE",
    **dict.fromkeys(("--cap-add", "--privileged", "--security-opt"), "Pinnace gives no privileges"),
    **dict.fromkeys(
        ("--network", "--net"), "what is reached is said by: --isolation LEVEL, --allow HOST"
    ),
    **dict.fromkeys(("--publish", "--ports"), "a port is opened by: --port PORT"),
    **dict.fromkeys(("--rm", "-i", "-t", "-it", "-ti"), "leave it out: this is so in any case"),
}


class PromptRequest(NamedTuple):
    """A prompt file, and where its data comes from.

    Attributes:
        file: of the prompt.
        assignments: names and their texts.
        files: of data.
        stdin: data comes from standard input, too.
    """

    file: str
    assignments: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    stdin: bool = False


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
        prompt: a file that says what Claude is asked, and how.
        detach: nobody waits for it: it goes on by itself.
        files: what lies at `FILES_INSIDE` as long as it runs, read-only, by name: what is too long
            for an argument.
        variables: of Claude's, with their values, which may be any text; they win over settings.
    """

    claude_arguments: tuple[str, ...] = ()
    claude_version: str | None = None
    flags: Mapping[str, object] = MappingProxyType({})
    dry_run: bool = False
    timing: bool = False
    help: bool = False
    program: str = contract.CLAUDE_BINARY
    prompt: PromptRequest | None = None
    detach: bool = False
    files: Mapping[str, str] = MappingProxyType({})
    variables: Mapping[str, str] = MappingProxyType({})


def parse(arguments: Sequence[str]) -> RunRequest:
    """Read the arguments after `pinnace run`.

    Raises:
        UsageError: they cannot be understood.
    """
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    own, rest = list(arguments[:cut]), tuple(arguments[cut + 1 :])
    return _parsed(own, rest) if own else RunRequest(rest)


def _parsed(own: list[str], rest: tuple[str, ...]) -> RunRequest:
    from pinnace.agent import arguments as claude
    from pinnace.config import schema

    known = {name: option for option in schema.options() for name in option.names}
    given: list[tuple[Option, str]] = []
    words: list[Word] = []
    if schema.HELP in map(known.get, own):
        return RunRequest(help=True)
    while own:
        option = known.get(own[0].partition("=")[0])
        if option is None:
            words.append(claude.take(own))
            _require_claudes(words, known)
            del own[: len(words[-1].words)]
        else:
            given.append((option, _value(option, own)))
    flags, chosen = _flags(given), [option for option, _ in given]
    version = flags.pop(schema.VERSION.name, None)
    passed = claude.joined(words, rest)
    return RunRequest(
        passed,
        version,
        flags,
        schema.DRY_RUN in chosen,
        schema.TIMING in chosen,
        prompt=_prompt(given),
        detach=schema.DETACH in chosen,
    )


def _prompt(given: list[tuple[Option, str]]) -> PromptRequest | None:
    from pinnace.config import schema

    of_data = (schema.DATA, schema.DATA_FILE, schema.DATA_STDIN)
    file = next((text for option, text in reversed(given) if option is schema.PROMPT), "")
    if not file:
        data = next((option.names[-1] for option, _ in given if option in of_data), "")
        if data:
            raise UsageError(f"{data} is for a prompt file", hint="name it: --prompt FILE")
        return None
    return PromptRequest(
        file,
        tuple(assignment(text) for option, text in given if option is schema.DATA),
        tuple(text for option, text in given if option is schema.DATA_FILE),
        any(option is schema.DATA_STDIN for option, _ in given),
    )


def assignment(text: str) -> tuple[str, str]:
    """Return name and text of a `NAME=VALUE`.

    Raises:
        UsageError: it is none.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"argument --data: '{text}' is no NAME=VALUE", hint=_SEE)
    return name, value


def _value(option: Option, own: list[str]) -> str:
    """Take an option; return its value: behind its `=`, or the next word; empty if it has none."""
    name, equals, text = own.pop(0).partition("=")
    if not option.metavar:
        if equals:
            raise UsageError(f"argument {name}: it takes no value", hint=_SEE)
        return ""
    if not equals:
        text = own.pop(0) if own else "--"
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


def _require_claudes(words: Sequence[Word], known: Iterable[str]) -> None:
    """See that the last word is for Claude, and no slip.

    Raises:
        UsageError: it is like an option of ours or docker's, or one word that may be anything.
    """
    from pinnace.agent import arguments as claude
    from pinnace_core.errors import IN_HINT, perhaps

    option, (first, *_) = words[-1]
    if option in _DOCKERS:
        raise UsageError(f"'{option}' is no option of this", hint=_DOCKERS[option])
    if option and option not in claude.OPTIONS:
        guess = perhaps(option, known, IN_HINT)
        if guess:
            hint = f"{guess}Claude's own arguments go after '--'; {_SEE}"
            raise UsageError(f"unrecognized arguments: {first}", hint=hint)
    if option or _is_prompt(first) or any(claude.prints(word) for word in words):
        return
    kind = "a command of Claude's" if first in claude.COMMANDS else "a prompt"
    raise UsageError(
        f"'{first}' is neither an option nor a command",
        hint=f"if it is {kind}: {shlex.join(['pinnace', '--', first])}; {_SEE}",
    )


def _is_prompt(word: str) -> bool:
    return any(character.isspace() for character in word.strip())
