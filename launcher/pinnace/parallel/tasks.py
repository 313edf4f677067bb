"""A list of prompts: one on a line, or an object of JSON with what counts for that one alone."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from pinnace.config import kinds
from pinnace.prompts import Prompt
from pinnace.sdk.many import Ask
from pinnace_core.errors import (
    BadPromptError,
    CannotReadError,
    UnsafeRequestError,
    UsageError,
    perhaps,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pinnace.sdk.asking import Said

_MOST_BYTES: Final = 64 << 20
_MOST_TASKS: Final = 100_000
_ID_LENGTH: Final = 16
_SEE: Final = "see: pinnace help parallel.md"
# What a prompt must not choose where nothing contains Claude.
_UNASKED: Final = ("tools", "mcp_servers", "permission_mode")
_Positive = Annotated[float, msgspec.Meta(gt=0)]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An object of JSON in a list: a prompt, or a prompt file with its data, and options.

    Attributes:
        prompt: what is asked.
        file: a prompt file, relative to the list.
        data: what the prompt file uses.
        name: what it is called in results; unique in the list.
        session: that it goes on in.
        branch: that it works on, in a worktree of its own.
        timeout: in seconds.
        output: a JSON Schema that the answer has to fit.
    """

    prompt: str = ""
    file: str = ""
    data: dict[str, Any] = {}
    name: str = ""
    session: str = ""
    branch: str = ""
    timeout: _Positive | None = None
    output: dict[str, Any] | None = None
    system: str | None = None
    append_system: str | None = None
    tools: list[str] | None = None
    disallowed_tools: list[str] | None = None
    mcp_servers: dict[str, Any] | None = None
    permission_mode: (
        Literal["default", "acceptEdits", "plan", "dontAsk", "auto", "manual", "bypassPermissions"]
        | None
    ) = None
    model: str | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    max_turns: Annotated[int, msgspec.Meta(gt=0)] | None = None
    budget_usd: _Positive | None = None


_OWN: Final = ("prompt", "file", "data", "name", "session", "branch")


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One of a list.

    Attributes:
        id: by which it is known again, as long as what is asked is the same.
        name: for people.
        where: in the list.
        line: what it says.
        directory: where prompt files lie.
        is_contained: something keeps Claude in.
        branches: what its branch's name begins with; empty: it has none of its own.
    """

    id: str
    name: str
    where: str
    line: Line
    directory: str
    is_contained: bool = True
    branches: str = ""

    @property
    def branch(self) -> str:
        """The branch that it has a worktree of; empty: it has none of its own."""
        return self.line.branch or (f"{self.branches}/{self.name}" if self.branches else "")

    def ask(self) -> Ask:
        """Return what is asked."""
        made = msgspec.structs.asdict(self.line)
        options = {k: v for k, v in made.items() if k not in _OWN and v is not None}
        said: Said | Callable[[], Said] = self._prompt if self.line.file else self.line.prompt
        return Ask(said, self.line.session, self.branch, options)

    def _prompt(self) -> Prompt:
        """Make the prompt of its file.

        Raises:
            PinnaceError: as `Prompt.file`; or it chooses what a file may not.
        """
        # Again: whoever writes there meanwhile may have put a link on the way.
        path = _below(self.directory, self.line.file, self.where)
        prompt = Prompt.file(path, self.line.data)
        if not self.is_contained:
            _require_contained(self.line.file, prompt.options)
        if prompt.session_required and not self.line.session:
            hint = f'say which in the list: {{"file": "{self.line.file}", "session": "NAME"}}'
            raise BadPromptError(f"{self.where}: the prompt file wants a session", hint=hint)
        return prompt


def read(name: str, data: bytes, *, directory: str, is_contained: bool) -> list[Task]:
    """Return the prompts of a list.

    Args:
        name: of the list, for messages.
        data: what it holds.
        directory: where prompt files that it names lie.
        is_contained: something keeps Claude in: see `run.isolation`.

    Raises:
        BadPromptError: the list is not what it should be.
        UnsafeRequestError: it chooses bypass mode, or what nothing would contain; or it names a
            file elsewhere.
    """
    text = _text(name, data)
    seen: Counter[str] = Counter()
    tasks = []
    for number, line in _lines(text):
        where = f"{name}:{number}"
        said = _line(where, line)
        _require_harmless(where, said, directory)
        if not is_contained:
            _require_contained(where, msgspec.structs.asdict(said))
        one = Task(
            id=_id(said, where, seen),
            name=said.name or str(number),
            where=where,
            line=said,
            directory=directory,
            is_contained=is_contained,
        )
        tasks.append(one)
    _require_usable(name, tasks)
    return tasks


def _text(name: str, data: bytes) -> str:
    if len(data) > _MOST_BYTES:
        raise BadPromptError(f"{name}: more than {_MOST_BYTES >> 20} MiB", hint="split the list")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadPromptError(f"{name} is not UTF-8: {error.reason}", hint="convert it") from None


def on_branches(tasks: list[Task], prefix: str) -> list[Task]:
    """Give each a branch of its own.

    Args:
        tasks: the list.
        prefix: of the branches' names; empty: only those that the list names.

    Raises:
        UsageError: a branch cannot be called so.
    """
    found = [msgspec.structs.replace(task, branches=prefix) for task in tasks]
    for task in found:
        branch = task.ask().branch
        if branch and not kinds.is_branch(branch):
            raise UsageError(
                f"{task.where}: no branch is called '{branch}'",
                hint="give it a 'name' of letters, digits and -, or another --branches",
            )
    return found


def of_file(name: str) -> bytes:
    """Return what a list holds.

    Raises:
        CannotReadError: it cannot be read.
    """
    try:
        with Path(name).open("rb") as stream:
            return stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CannotReadError(
            f"cannot read '{name}': {error.strerror or error}",
            hint="name a list: one prompt on each line; '-' is standard input",
        ) from error


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.strip()


def _line(where: str, line: str) -> Line:
    if not line.startswith("{"):
        return Line(prompt=line)
    try:
        # Stricter than `json`: NaN is no number, and half a surrogate, which has no UTF-8, no text.
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        hint = f"what begins with '{{' is an object of JSON, on one line; {_SEE}"
        raise BadPromptError(f"{where}: no JSON: {error}", hint=hint) from None
    for key in found:
        if key not in Line.__struct_fields__:
            guess = perhaps(key, Line.__struct_fields__)
            raise BadPromptError(f"{where}: there is no '{key}'{guess}", hint=_SEE)
    try:
        said = msgspec.convert(found, Line)
    except msgspec.ValidationError as error:
        raise BadPromptError(f"{where}: {error}", hint=_SEE) from None
    if bool(said.prompt.strip()) == bool(said.file):
        raise BadPromptError(f"{where}: either 'prompt' or 'file' says what is asked", hint=_SEE)
    if said.data and not said.file:
        raise BadPromptError(f"{where}: 'data' is for a prompt file", hint=_SEE)
    return said


def _id(said: Line, where: str, seen: Counter[str]) -> str:
    """Return an id; the same words twice are two tasks, and a line that moves is the same one."""
    digest = hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()
    key = said.name or digest[:_ID_LENGTH]
    seen[key] += 1
    if said.name and seen[key] > 1:
        raise BadPromptError(f"{where}: a second '{said.name}'", hint="names are unique in a list")
    return key if seen[key] == 1 else f"{key}-{seen[key]}"


def _require_usable(name: str, tasks: list[Task]) -> None:
    if not tasks:
        raise BadPromptError(f"{name}: there is no prompt in it", hint="one prompt on each line")
    if len(tasks) > _MOST_TASKS:
        raise BadPromptError(f"{name}: more than {_MOST_TASKS} prompts", hint="split the list")


def _require_harmless(where: str, said: Line, directory: str) -> None:
    """See that a list, which may come with a project, chooses no more than a prompt file may."""
    if said.permission_mode == "bypassPermissions":
        raise UnsafeRequestError(
            f"{where}: no list chooses bypass mode",
            hint="give it yourself: pinnace parallel FILE -- --permission-mode bypassPermissions",
        )
    if said.file:
        _below(directory, said.file, where)


def _below(directory: str, name: str, where: str) -> str:
    """Return the path of a prompt file, which lies below the list's directory.

    Raises:
        UnsafeRequestError: it lies elsewhere, or is hidden: who wrote the list would have it sent.
    """
    around = os.path.realpath(directory or os.curdir)
    plain = name.partition("\0")[0]
    real = os.path.realpath(os.path.join(around, plain))  # noqa: PTH118 (any path there is)
    hidden = any(part.startswith(".") for part in Path(os.path.relpath(real, around)).parts)
    if hidden or plain != name or real == around:
        raise UnsafeRequestError(
            f"{where}: '{name}' is not sent: it lies elsewhere, or is hidden",
            hint="name a prompt file below the list's own directory",
        )
    return real


def _require_contained(name: str, options: Any) -> None:  # noqa: ANN401 (a mapping of options)
    chosen = [key for key in _UNASKED if options.get(key)]
    if chosen:
        raise UnsafeRequestError(
            f"isolation is open, and {name} chooses {', '.join(chosen)}",
            hint="use --isolation standard",
        )
