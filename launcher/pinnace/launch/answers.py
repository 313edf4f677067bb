"""What Claude prints for a prompt with an output schema: compared, asked for again, passed on."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from pinnace.prompts import arguments, schemas
from pinnace.prompts.again import AGAIN, RETRIES
from pinnace_core import console
from pinnace_core.errors import BadAnswerError
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pinnace.agent.arguments import Word
    from pinnace.prompts import Prompt
    from pinnace.request import RunRequest

KNOWN_SINCE: Final = CliVersion(2, 0, 45)
"""The first version that has `--json-schema`."""
_ASKED: Final = "Answer with JSON alone, without a fence around it. It has to fit this JSON Schema:"
_FENCED: Final = re.compile(r"\s*```[a-z]*\n(.*?)\n?```\s*", re.DOTALL)
_CHUNK: Final = 1 << 16
_MOST_BYTES: Final = 64 << 20
_HINT: Final = "say in the prompt what is wanted; or change 'output' in the prompt file"


def asked_for(
    schema: Mapping[str, Any], request: RunRequest, text: str, *, knows: bool
) -> tuple[RunRequest, str]:
    """Have Claude answer as a schema says; return request and prompt.

    Args:
        schema: of the answer.
        request: to which the argument is added.
        text: of the prompt, to which it is added otherwise.
        knows: the version has an argument for it.
    """
    if not knows:
        return request, f"{text}\n\n{_ASKED}\n\n{json.dumps(schema)}\n"
    argument = arguments.of_schema(schema)
    return request._replace(claude_arguments=(argument, *request.claude_arguments)), text


def compared(
    prompt: Prompt,
    words: Sequence[Word],
    run: Callable[[], int],
    again: Callable[[str], int] | None = None,
) -> int:
    """Run something, and compare what it prints with the prompt's schema; return its exit code.

    Args:
        prompt: with a schema.
        words: Claude's arguments, which say how it prints.
        run: prints to standard output, and returns an exit code.
        again: likewise, for what Claude is told when its answer does not fit; what it printed
            then is kept back. None: it is asked once.

    Raises:
        BadAnswerError: it ended well, but its answer does not fit.
    """
    kind = next((word.value for word in words if word.option == "--output-format"), "text")
    # Events are passed on as they come: whoever reads them sees what does not fit.
    tries = RETRIES if again and kind != "stream-json" else 0
    for _ in range(tries):
        copy, code, wrong = _tried(prompt, kind, run, held=True)
        if again is None or not wrong or not copy.held:
            return _ended(prompt, copy, code, wrong)
        console.stderr(f"pinnace: {prompt.name}: {wrong}: Claude is asked again")
        run = partial(again, AGAIN.format(reason=wrong))
    return _ended(prompt, *_tried(prompt, kind, run, held=False))


def _tried(
    prompt: Prompt, kind: str, run: Callable[[], int], *, held: bool
) -> tuple[_Copy, int, str]:
    """Run something once; return what it printed, its exit code, and what is wrong with it."""
    with _Copy(last_line=kind == "stream-json", held=held) as copy:
        code = run()
    return copy, code, "" if code else _wrong(prompt, copy.text(), kind)


def _ended(prompt: Prompt, copy: _Copy, code: int, wrong: str) -> int:
    copy.release()
    if wrong:
        raise BadAnswerError(f"{prompt.name}: {wrong}", hint=_HINT)
    return code


def _wrong(prompt: Prompt, text: str, kind: str) -> str:
    """Return what is wrong with an answer; empty: it fits."""
    try:
        problems = schemas.problems(prompt.output or {}, _answer(text, kind))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return "the answer is no JSON"
    except schemas.SchemaError as error:
        raise BadAnswerError(f"{prompt.name}: 'output': {error.message}", hint=_HINT) from None
    return f"the answer does not fit: {'; '.join(problems)}" if problems else ""


def _answer(text: str, kind: str) -> Any:  # noqa: ANN401 (JSON)
    if kind == "text":
        fenced = _FENCED.fullmatch(text)
        return json.loads(fenced[1] if fenced else text)
    result = json.loads(text)
    if isinstance(result, list):  # with --verbose, all messages
        result = result[-1]
    found = result.get("structured_output")
    return _answer(result["result"], "text") if found is None else found


class _Copy:
    """Standard output is passed on as it comes, or when it is wanted; what counts of it is kept.

    Attributes:
        held: it was kept back, all of it.
    """

    def __init__(self, *, last_line: bool, held: bool) -> None:
        self.held = held
        self._last_line, self._kept = last_line, bytearray()
        self._usual, self._source = -1, -1
        self._thread = threading.Thread(target=self._pass_on)

    def __enter__(self) -> Self:
        self._source, sink = os.pipe()
        self._usual = os.dup(1)
        os.dup2(sink, 1)
        os.close(sink)
        # Signals are for the main thread, which waits for them.
        if sys.platform == "win32":
            self._thread.start()
            return self
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self

    def __exit__(self, *_: object) -> None:
        # With it goes the last end that is written to: the thread comes to an end.
        os.dup2(self._usual, 1)
        self._thread.join()
        os.close(self._usual)

    def text(self) -> str:
        """Return what counts."""
        return self._kept.decode(errors="replace")

    def release(self) -> None:
        """Pass on what was kept back."""
        if self.held:
            self.held = False
            _write(1, bytes(self._kept))

    def _pass_on(self) -> None:
        try:
            while data := os.read(self._source, _CHUNK):
                if self.held and len(self._kept) + len(data) > _MOST_BYTES:
                    # Too long to be held, and to be an answer.
                    _write(self._usual, bytes(self._kept))
                    self.held = False
                self._keep(data)
                if not self.held:
                    _write(self._usual, data)
        except OSError:
            # Nobody reads it any more; the program that writes it is told so, as ever.
            return
        finally:
            os.close(self._source)

    def _keep(self, data: bytes) -> None:
        self._kept += data
        if self._last_line:
            end = self._kept.rfind(b"\n", 0, len(self._kept) - 1)
            del self._kept[: end + 1]
        # Cut off, it is no JSON.
        del self._kept[_MOST_BYTES:]


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
