"""Claude's own command line, as far as a launch has to understand it.

The table is `claude --help` of 2.1.330; tests/engine/test_arguments.py holds it against that. What
it does not name, a newer version's option, goes to Claude as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from pinnace_core.errors import UnsafeRequestError, UsageError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Values = Literal["none", "one", "maybe", "many"]

_WITHOUT: Final = (
    *("--allow-dangerously-skip-permissions", "--ax-screen-reader", "--bg", "--background"),
    *("--bare", "--brief", "--chrome", "-c", "--continue", "--dangerously-skip-permissions"),
    *("--desktop", "--disable-slash-commands", "--exclude-dynamic-system-prompt-sections"),
    *("--fork-session", "--forward-subagent-text", "--ide", "--include-hook-events"),
    *("--include-partial-messages", "--no-chrome", "--no-session-persistence", "-p", "--print"),
    *("--replay-user-messages", "--restricted", "--safe-mode", "--strict-mcp-config", "--tmux"),
    *("--verbose", "-h", "--help", "-v", "--version"),
)
_WITH_ONE: Final = (
    *("--agent", "--agents", "--append-system-prompt", "--autocompact", "--debug-file"),
    *("--effort", "--environment", "--fallback-model", "--input-format", "--json-schema"),
    *("--max-budget-usd", "--model", "-n", "--name", "--output-format", "--permission-mode"),
    *("--permission-prompts", "--plugin-dir", "--plugin-url", "--session-id"),
    *("--remote-control-session-name-prefix", "--setting-sources", "--settings"),
    *("--system-prompt", "--system-prompt-snapshot"),
    # Not in the help, but taken (2.1.330).
    *("--max-turns", "--permission-prompt-tool", "--system-prompt-file"),
    "--append-system-prompt-file",
)
_WITH_ONE_OR_NONE: Final = (
    *("--cloud", "-d", "--debug", "--from-pr", "--prompt-suggestions", "--remote-control"),
    *("-r", "--resume", "--teleport", "-w", "--worktree"),
)
_WITH_MANY: Final = (
    *("--add-dir", "--allowedTools", "--allowed-tools", "--betas", "--disallowedTools"),
    *("--disallowed-tools", "--file", "--mcp-config", "--tools"),
)
OPTIONS: Final[dict[str, Values]] = {
    **dict.fromkeys(_WITHOUT, "none"),
    **dict.fromkeys(_WITH_ONE, "one"),
    **dict.fromkeys(_WITH_ONE_OR_NONE, "maybe"),
    **dict.fromkeys(_WITH_MANY, "many"),
}
COMMANDS: Final = frozenset(
    {
        *("agents", "attach", "auth", "auto-mode", "doctor", "gateway", "import", "install"),
        *("logs", "mcp", "plugin", "plugins", "purge", "respawn", "rm", "setup-token", "stop"),
        *("kill", "ultrareview", "update", "upgrade", "migrate-installer", "daemon", "config"),
    }
)
# Their values are files or directories; some take JSON in their place. The last two are not in the
# help (2.1.330).
_NAMING: Final = (
    *("--add-dir", "--agents", "--append-system-prompt-file", "--debug-file", "--mcp-config"),
    *("--plugin-dir", "--settings", "--system-prompt-file"),
    *("--append-subagent-system-prompt-file", "--plugin-dir-no-mcp"),
)
_OR_JSON: Final = frozenset({"--agents", "--mcp-config", "--settings"})
# In a prompt, `@/path` is a file that Claude reads.
_MENTIONED: Final = r"(?:^|\s)@([/~][^\s'\"]+)"
_TELLING: Final = frozenset({"-v", "--version", "-h", "--help"})
_PRINT: Final = frozenset({"-p", "--print"})
# They say which session it is, or that it is not to be kept.
_OF_SESSIONS: Final = frozenset(
    {
        *("-c", "--continue", "-r", "--resume", "--session-id", "--fork-session", "--from-pr"),
        *("--teleport", "--cloud", "--no-session-persistence"),
    }
)
_UPDATING: Final = frozenset({"update", "upgrade", "install", "migrate-installer"})
_BYPASS: Final = "bypassPermissions"


class Word(NamedTuple):
    """An option with its values, or a word that stands for itself.

    Attributes:
        option: its name, without what is behind a `=`; empty: a word alone.
        words: as they were given.
    """

    option: str
    words: tuple[str, ...]

    @property
    def value(self) -> str:
        """The option's first value; empty if it has none."""
        first, equals, text = self.words[0].partition("=")
        if equals and first == self.option:
            return text
        return self.words[1] if self.words[1:] else ""


def read(arguments: Sequence[str]) -> Iterator[Word]:
    """Yield Claude's arguments, options with their values; what follows `--` are words alone."""
    rest = list(arguments)
    while rest:
        if rest[0] == "--":
            yield from (Word("", (word,)) for word in rest[1:])
            return
        taken = take(rest)
        yield taken
        del rest[: len(taken.words)]


def take(rest: Sequence[str]) -> Word:
    """Return what stands first in `rest`; it is not empty."""
    word = rest[0]
    if not is_option(word):
        return Word("", (word,))
    name, equals, _ = word.partition("=")
    values = OPTIONS.get(name, "none" if _is_cluster(name) else "maybe")
    if equals or values == "none":
        return Word(name, (word,))
    if values == "one":
        return Word(name, tuple(rest[:2]))
    count = 1
    while count < len(rest) and not is_option(rest[count]) and (values == "many" or count == 1):
        count += 1
    return Word(name, tuple(rest[:count]))


def is_option(word: str) -> bool:
    """Return whether a word is an option: a text such as `- a list of ...` is none."""
    return word.startswith("-") and word != "-" and not word.startswith("- ")


def _is_cluster(name: str) -> bool:
    """`-cp` is `-c -p`."""
    return not name.startswith("--") and all(OPTIONS.get(f"-{c}") == "none" for c in name[1:])


def prints(word: Word) -> bool:
    """Return whether an option chooses print mode: `-p`, or in a cluster, `-cp`."""
    return word.option in _PRINT or ("p" in word.option and _is_cluster(word.option))


def joined(words: Sequence[Word], rest: tuple[str, ...]) -> tuple[str, ...]:
    """Return all arguments, in an order in which an option of `words` takes nothing of `rest`."""
    first = tuple(text for word in words for text in word.words)
    takes_more = words and OPTIONS.get(words[-1].option) in {"maybe", "many"}
    return (
        (*rest, *first) if takes_more and rest[:1] and not is_option(rest[0]) else (*first, *rest)
    )


def prints_only(arguments: Sequence[str]) -> bool:
    """Return whether Claude prints its answer, or something else, and ends: it asks nobody."""
    return any(prints(word) or word.option in _TELLING for word in read(arguments))


def converses(arguments: Sequence[str]) -> bool:
    """Return whether there will be a conversation: no command of Claude's, no version, no help."""
    words = list(read(arguments))
    command = bool(words) and not words[0].option and words[0].words[0] in COMMANDS
    return not command and not any(word.option in _TELLING for word in words)


def chooses_session(arguments: Sequence[str]) -> str:
    """Return the option that says which session it is; empty: none does."""
    for word in read(arguments):
        if word.option in _OF_SESSIONS:
            return word.option
        if _is_cluster(word.option) and {"c", "r"} & {*word.option}:
            return word.option
    return ""


def named(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the files and directories that options name: the option, and the path as it stands."""
    for word in read(arguments):
        if word.option in _NAMING:
            values = word.words[1:] or (word.value,)
            yield from ((word.option, v) for v in values if _is_path(word.option, v))


def may_name(arguments: Sequence[str]) -> bool:
    """Return whether an option is there that names files, directories, or what is in them."""
    return any(word.option in _NAMING for word in read(arguments))


def given_json(arguments: Sequence[str], option: str) -> Iterator[str]:
    """Yield the JSON that stands in the place of an option's files."""
    for word in read(arguments):
        if word.option == option:
            values = word.words[1:] or (word.value,)
            yield from (value for value in values if value and not _is_path(option, value))


def _is_path(option: str, value: str) -> bool:
    return bool(value) and not (option in _OR_JSON and value.lstrip().startswith(("{", "[")))


def renamed(arguments: Sequence[str], place: Callable[[str], str]) -> tuple[str, ...]:
    """Return the arguments with other names for the files and directories that options name."""
    found: list[str] = []
    words = list(read(arguments))
    for word in words:
        first, *values = word.words
        if word.option in _NAMING and not values and _is_path(word.option, word.value):
            first = f"{word.option}={place(word.value)}"
        elif word.option in _NAMING:
            values = [place(v) if _is_path(word.option, v) else v for v in values]
        found += [first, *values]
    # What follows `--` are words alone.
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    if len(found) < len(arguments):
        found.insert(cut, "--")
    return tuple(found)


def mentioned(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the places that prompts mention for Claude to look at."""
    for word in read(arguments):
        if not word.option:
            yield from (found[1] for found in re.finditer(_MENTIONED, word.words[0]))


def wants_bypass(arguments: Sequence[str]) -> bool:
    """Return whether bypass mode is chosen by the arguments."""
    return any(
        word.option == "--dangerously-skip-permissions"
        or (word.option == "--permission-mode" and word.value == _BYPASS)
        for word in read(arguments)
    )


def may_bypass(arguments: Sequence[str]) -> bool:
    """Return whether the arguments choose bypass mode, or let it be chosen later."""
    return wants_bypass(arguments) or any(
        word.option == "--allow-dangerously-skip-permissions"
        or (word.option == "--settings" and _BYPASS in word.value)
        for word in read(arguments)
    )


def require_asking(arguments: Sequence[str]) -> None:
    """Refuse bypass mode: nothing contains what is done without asking.

    Raises:
        UnsafeRequestError: the arguments choose it.
    """
    if may_bypass(arguments):
        raise UnsafeRequestError(
            "isolation is open: Claude must not do without asking what nothing contains",
            hint="leave out --isolation open (run.isolation); --allow HOST lets a host through",
        )


def require_possible(arguments: Sequence[str]) -> None:
    """Refuse what would say what is not true in a container.

    Raises:
        UsageError: it is a slip.
        UnsafeRequestError: it would change the version that is pinned.
    """
    words = list(read(arguments))
    first = next((word.words[0] for word in words[:1] if not word.option), "")
    if first == "claude":
        raise UsageError(
            "Claude's own name is not one of its arguments: it would be taken for the prompt",
            hint="leave it out, as in: pinnace -- -p 'Say hello'",
        )
    if first in _UPDATING:
        raise UnsafeRequestError(
            f"'claude {first}' would change nothing: the version is pinned, and the image holds it",
            hint="pin another one: pinnace pin latest",
        )
