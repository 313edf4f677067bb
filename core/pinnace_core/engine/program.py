"""The client of an engine, as a program that is run: questions, commands, and what it says."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pinnace_core.engine.argv import Spelling
from pinnace_core.errors import ClientMissingError, EngineUnavailableError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence

# What docker and podman say of what is gone, is not there, or goes just now; in lower case.
IMAGE_GONE: Final = ("no such image", "image not known", "unable to find image")
_GONE: Final = (
    *IMAGE_GONE,
    *("no such container", "no such object", "is already in progress"),
    *("no such network", "network * not found"),
    # Of a file in a container.
    *("no such file", "could not find"),
)
# A list fails as a whole if something in it goes meanwhile.
_GOING: Final = ("snapshot not found", "content digest")
ATTEMPTS: Final = 6
PAUSE_SECONDS: Final = 0.05
SILENT: Final = ("cannot connect to", "is the docker daemon running")


def which(program: str, environment: Mapping[str, str]) -> str | None:
    """Find a program on PATH: shutil's costs every launch 5 ms."""
    for place in environment.get("PATH", "").split(os.pathsep):
        for suffix in ("", ".exe") if os.name == "nt" else ("",):
            path = f"{place}{os.sep}{program}{suffix}"
            if place and os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113 (hot)
                return path
    return None


class Program(Spelling):
    """A client that takes docker's commands."""

    __slots__ = ("endpoint",)
    _install: ClassVar[str]
    _start: ClassVar[str]

    def __init__(self, endpoint: str = "") -> None:
        """Reach it at an endpoint; the client knows the usual one."""
        self.endpoint = endpoint or self.name

    @property
    def missing_client(self) -> ClientMissingError:
        return ClientMissingError(f"no {self.name} client is installed", hint=self._install)

    def described(self, kind: str, listing: Sequence[str]) -> list[dict[str, Any]]:
        """Describe all that a listing names, each once; what goes meanwhile is left out."""
        ids = sorted(set((self.ask(*listing) or "").split()))
        described = json.loads(self.ask(kind, "inspect", *ids) or "[]") if ids else []
        if not isinstance(described, list):
            raise TypeError("one document instead of a list")
        return described

    def ask(self, *arguments: str) -> str | None:
        """Ask a question; return the answer, or None if what was named is not there.

        Of several that were named, those that are there are described.
        """
        done = self._start_client(*arguments)
        for attempt in range(1, ATTEMPTS):
            if done.returncode == 0 or not is_gone(done.stderr, _GOING):
                break
            time.sleep(PAUSE_SECONDS * attempt)
            done = self._start_client(*arguments)
        if done.returncode == 0:
            return done.stdout
        if is_gone(done.stderr):
            return done.stdout if done.stdout.strip("[] \n") else None
        raise EngineUnavailableError(
            f"the engine does not answer: {last_line(done.stderr)}", hint=self._start
        )

    def tell(self, *arguments: str) -> None:
        """Give a command; what is gone already needs none."""
        # A terminal's Ctrl-C is not for it: it may be what tidies up.
        done = self._start_client(*arguments, apart=os.name == "posix")
        lines = done.stderr.strip().splitlines() or ["no answer"]
        if done.returncode == 0 or all(map(is_gone, lines)):
            return
        silent = any(text in lines[-1].lower() for text in SILENT)
        what = "does not answer" if silent else f"refuses '{' '.join(arguments[:2])}'"
        raise EngineUnavailableError(
            f"the engine {what}: {lines[-1]}", hint="see what is wrong: pinnace doctor"
        )

    def _start_client(
        self,
        *arguments: str,
        output: int = -1,
        seconds: float | None = None,
        apart: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run the client to its end; `apart` from the terminal's other processes."""
        import subprocess

        try:
            return subprocess.run(
                [self.name, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                timeout=seconds,
                process_group=0 if apart else None,
            )
        except (FileNotFoundError, PermissionError):
            raise self.missing_client from None

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise EngineUnavailableError(
                f"the engine at {self.endpoint} gives an answer that makes no sense",
                hint="restart it, or check that it is an engine: docker context ls",
            ) from error


def is_gone(errors: str, words: Sequence[str] = _GONE) -> bool:
    """Return whether errors are of what is not there; of others, if other words are given."""
    said = errors.lower()
    return any(all(part in said for part in text.split("*")) for text in words)


def last_line(errors: str, nothing: str = "no answer") -> str:
    """Return what was said last."""
    # What clients say after an error is advice.
    said = [line for line in errors.strip().splitlines() if line and not line.startswith("Run '")]
    return next(reversed(said), nothing).strip()
