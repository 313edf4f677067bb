"""Launch with a prompt file: its text goes in by standard input, its options as arguments."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, Final

from pinnace import image as images
from pinnace.agent.arguments import prints_only, read
from pinnace.context import load_context
from pinnace.launch import answers
from pinnace.prompts import Prompt, arguments
from pinnace.request import FILES_INSIDE
from pinnace.sessions.choose import BEGINS
from pinnace.sessions.names import new_id
from pinnace_core import console
from pinnace_core.errors import BadPromptError, UnsafeRequestError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinnace.agent.arguments import Word
    from pinnace.context import Context
    from pinnace.request import PromptRequest, RunRequest
    from pinnace_core.host import HostFacts
    from pinnace_images.versions import CliVersion

# What an argument may hold on Linux (MAX_ARG_STRLEN, with its NUL).
_MOST_OF_AN_ARGUMENT: Final = (128 << 10) - 1
_MOST_PIPED: Final = 16 << 20
# Without them there is no session to go on in.
_SESSIONS: Final = ("-r", "--resume", "-c", "--continue", "--teleport", "--from-pr")
_CHOOSING: Final = ("--session-id", "--fork-session", "--no-session-persistence")
# What a file must not choose where nothing contains Claude.
_UNASKED: Final = ("tools", "mcp_servers", "permission_mode")


def run(
    request: RunRequest, facts: HostFacts, launch: Callable[[RunRequest, HostFacts], int]
) -> int:
    """Launch; return the exit code.

    Args:
        request: with a prompt.
        facts: the host.
        launch: runs a request that has none.

    Raises:
        PinnaceError: of any of its kinds: the prompt's, the command's, the launch's; or the answer
            does not fit the prompt's schema.
    """
    assert request.prompt is not None  # noqa: S101 (who calls has looked)
    prompt = rendered(request.prompt)
    for note in prompt.notes:
        console.stderr(f"pinnace: {note}")
    words = list(read(request.claude_arguments))
    here = load_context(request, facts)
    _require_fitting(prompt, words, named=bool(here.config.settings.session))
    if here.config.level.network:
        _require_contained(prompt, words)
    printing = prints_only(request.claude_arguments)
    made = of_prompt(prompt, request, words, printing=printing)
    if not printing:
        if prompt.output:
            console.stderr("pinnace: the answer is compared with 'output' in print mode alone: -p")
        return launch(made, facts)
    if request.dry_run:
        console.stderr("pinnace: the prompt goes in by standard input: pinnace prompt check")
    else:
        facts = facts._replace(stdin_tty=False)
    if prompt.output:
        return _judged(prompt, words, made, here, launch)
    if not request.dry_run:
        _give(prompt.text.encode())
    return launch(made, facts)


def _judged(
    prompt: Prompt,
    words: list[Word],
    request: RunRequest,
    here: Context,
    launch: Callable[[RunRequest, HostFacts], int],
) -> int:
    """Launch, and compare the answer; one that does not fit is asked for again."""
    version = images.wanted(here).version
    knows = version >= answers.KNOWN_SINCE
    made, text = answers.asked_for(prompt.output or {}, request, prompt.text, knows=knows)
    if request.dry_run:
        return launch(made, here.facts)
    facts = here.facts._replace(stdin_tty=False, stdout_tty=False)
    named = bool(here.config.settings.session)
    session = "" if named or not _can_go_on(words, version) else new_id()
    first = made._replace(claude_arguments=(*_begins(session), *made.claude_arguments))
    later = made._replace(claude_arguments=(*_resumes(session), *made.claude_arguments))

    def asked(said: str, what: RunRequest) -> int:
        _give(said.encode())
        return launch(what, facts)

    again = (lambda said: asked(said, later)) if named or session else None
    return answers.compared(prompt, words, lambda: asked(text, first), again)


def _can_go_on(words: list[Word], version: CliVersion) -> bool:
    """Return whether a session can be begun that is gone on with: none was chosen, one is kept."""
    given = {word.option for word in words}
    return version >= BEGINS and not given & {*_CHOOSING, *_SESSIONS}


def _begins(session: str) -> tuple[str, ...]:
    return (f"--session-id={session}",) if session else ()


def _resumes(session: str) -> tuple[str, ...]:
    return (f"--resume={session}",) if session else ()


def rendered(asked: PromptRequest) -> Prompt:
    """Return the prompt with its data.

    Raises:
        PinnaceError: as `Prompt.read`; or nothing is piped in, or too much.
    """
    piped = _piped() if asked.stdin else None
    return Prompt.read(asked.file, files=asked.files, piped=piped, assignments=asked.assignments)


def _piped() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("argument --data-stdin: nothing is piped in", hint="echo '{...}' | ...")
    data = sys.stdin.buffer.read(_MOST_PIPED + 1)
    if len(data) > _MOST_PIPED:
        raise BadPromptError("standard input: more than 16 MiB", hint="let Claude read a file")
    return data


def of_prompt(
    prompt: Prompt, request: RunRequest, words: list[Word], *, printing: bool
) -> RunRequest:
    """Return a request without a prompt that does what the one with it says.

    Raises:
        UsageError: it is too long for a start with a terminal.
    """
    given = {word.option for word in words}
    own = [*arguments.of_options(prompt, given, lambda name: f"{FILES_INSIDE}/{name}")]
    text: tuple[str, ...] = ()
    if not printing:
        if len(prompt.text.encode()) > _MOST_OF_AN_ARGUMENT:
            hint = "let it print: pinnace run --prompt FILE -p; or let Claude read it from a file"
            raise UsageError(f"{prompt.name}: too long for an interactive start", hint=hint)
        text = ("--", prompt.text)
    return request._replace(
        claude_arguments=(*own, *request.claude_arguments, *text),
        prompt=None,
        files={**request.files, **arguments.files(prompt)},
    )


def _require_fitting(prompt: Prompt, words: list[Word], *, named: bool) -> None:
    """Refuse what would contradict the prompt.

    Args:
        prompt: what is sent.
        words: Claude's arguments.
        named: the launch goes on in a session that has a name.

    Raises:
        UsageError: there is another prompt, or no session where one is needed.
    """
    other = next((word.words[0] for word in words if not word.option), None)
    if other is not None:
        hint = "leave it out, or give it to the prompt: --data NAME=VALUE"
        raise UsageError(f"'{other}' is a second prompt, beside {prompt.name}", hint=hint)
    if any(word.option == "--input-format" and word.value != "text" for word in words):
        hint = "leave out --input-format"
        raise UsageError("a prompt file is text, not a stream of messages", hint=hint)
    given = {word.option for word in words}
    if prompt.session_required and not named and not given & {*_SESSIONS}:
        hint = "name one: --session NAME, --resume ID, or --continue"
        raise UsageError(f"{prompt.name} goes on in a session, and none is named", hint=hint)


def _require_contained(prompt: Prompt, words: list[Word]) -> None:
    """Refuse what a file must not choose where nothing contains Claude.

    Raises:
        UnsafeRequestError: it lets Claude do something without asking, or starts servers.
    """
    given = {word.option for word in words}
    chosen = [
        name
        for name in _UNASKED
        if name in prompt.options and not given & {*arguments.SPELLINGS[name]}
    ]
    if chosen:
        options = ", ".join(arguments.SPELLINGS[name][0] for name in chosen)
        raise UnsafeRequestError(
            f"isolation is open, and {prompt.name} chooses {', '.join(chosen)}",
            hint=f"give {options} yourself, if you mean it; or --isolation standard",
        )


def _give(text: bytes) -> None:
    """Let standard input be a text, for this process and what it starts."""
    with _anonymous() as stream:
        stream.write(text)
        stream.flush()
        stream.seek(0)
        os.dup2(stream.fileno(), 0)


def _anonymous() -> IO[bytes]:
    """Return a file without a name: in memory, where the kernel has such."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("prompt"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()
