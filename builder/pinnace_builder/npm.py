"""The npm client: the one way to the registry, with the user's registry, proxy, auth and CA."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

from pinnace_core import signals
from pinnace_core.errors import (
    CannotWriteError,
    ClientMissingError,
    PinnaceError,
    RegistryUnreachableError,
    TooNewError,
    UnknownVersionError,
    VerificationFailedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

# `npm ERR!` until npm 9.
_ERROR_LINE: Final = re.compile(r"^npm (?:error|ERR!) (.*\S)", re.MULTILINE)
_SHOWN: Final = 300
_POLL_SECONDS: Final = 0.2
# npm waits up to a minute between its retries by default: too long for somebody watching.
_FLAGS: Final = (
    "--no-update-notifier",
    "--loglevel=error",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
)
# Wins over `before` and `min-release-age` in every .npmrc (npm 9 to 11).
_ANY_AGE: Final = "--before=2999-01-01"
_TOO_NEW: Final = "with a date before"
_PIPES: Final[dict[str, Any]] = {
    "stdin": subprocess.DEVNULL,
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
    "encoding": "utf-8",
    "errors": "replace",
}
_HINTS: Final = {
    "ENOSPC": "free some space, or point XDG_CACHE_HOME to a larger disk",
    "EACCES": "make the directory writable for this user",
}


def view(name: str, version: str, *fields: str) -> dict[str, Any]:
    """Ask the registry about one version of a package.

    Returns:
        The requested fields, by name; fields that the registry does not state are absent.

    Raises:
        UnknownVersionError: the registry has no such package or version.
        RegistryUnreachableError: no answer.
        ClientMissingError: npm is not installed.
    """
    answer = _json(["view", f"{name}@{version}", "name", *fields, "--json"])
    if isinstance(answer, str) and not fields:
        # Of a single field, npm prints the bare value.
        answer = {"name": answer}
    if not isinstance(answer, dict):
        raise UnknownVersionError(
            f"the registry has no {name} {version}", hint="run: npm view " + name + " versions"
        )
    return answer


def versions(name: str) -> list[str]:
    """List the published versions of a package, oldest first."""
    answer = _json(["view", name, "versions", "--json"])
    found = [answer] if isinstance(answer, str) else answer
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found) or not found:
        raise RegistryUnreachableError(
            f"npm lists no versions of {name}", hint="run 'npm ping' to see whether npm works"
        )
    return found


def tags(name: str) -> dict[str, str]:
    """Return a package's dist-tags, and the versions that they point to."""
    answer = _json(["view", name, "dist-tags", "--json"])
    if not isinstance(answer, dict):
        raise RegistryUnreachableError(
            f"npm lists no tags of {name}", hint="run 'npm ping' to see whether npm works"
        )
    return {str(tag): str(version) for tag, version in answer.items()}


def pack(
    name: str, version: str, into: Path, *, progress: Callable[[int], None], locked: bool
) -> Path:
    """Download a package's tarball into the empty directory `into`.

    npm checks the registry's integrity; the caller checks the lock's. npm's own cache is left
    alone: tarballs of this size would be kept there a second time, for ever.

    Args:
        name: the package.
        version: exact.
        into: an empty directory on the disk that the tarball will stay on.
        progress: called with the bytes received so far.
        locked: its digest is known, so that its age is no question.
    """
    cache = into / "npm-cache"
    command = ["pack", f"{name}@{version}", "--json", f"--pack-destination={into}"]
    ageless = [_ANY_AGE] if locked else []
    _json([*command, *ageless, f"--cache={cache}"], poll=lambda: progress(_size(into)))
    tarballs = list(into.glob("*.tgz"))
    if len(tarballs) != 1:
        raise RegistryUnreachableError(f"npm delivered no {name} {version}", hint="try again")
    return tarballs[0]


def _size(directory: Path) -> int:
    """Sum up what has arrived: npm writes to its cache first, then copies to the destination."""
    sizes = [0, 0]
    for path in directory.rglob("*"):
        try:
            sizes[path.suffix == ".tgz"] += path.stat().st_size
        except FileNotFoundError:
            continue
    return max(sizes)


def _json(arguments: Sequence[str], *, poll: Callable[[], None] = lambda: None) -> Any:  # noqa: ANN401 (JSON)
    output = _run(arguments, poll=poll)
    try:
        return json.loads(output) if output.strip() else None
    except ValueError as error:
        raise RegistryUnreachableError(
            f"npm answered with something else than JSON: {output[:80]!r}",
            hint="run 'npm ping' to see whether npm works",
        ) from error


def _run(arguments: Sequence[str], *, poll: Callable[[], None]) -> str:
    with signals.temporary_directory("pinnace-npm-") as neutral:
        # npm takes its settings from the nearest package.json's directory, here or above: a
        # project, or somebody with access to /tmp, must not choose where packages come from.
        (neutral / "package.json").write_text("{}", encoding="utf-8")
        try:
            # On Windows it is a script, which is only found by its whole name.
            command = [shutil.which("npm") or "npm", *arguments, *_FLAGS]
            with signals.child(command, cwd=neutral, **_PIPES) as child:
                stdout, stderr = _wait(child, poll)
        except (FileNotFoundError, PermissionError) as error:
            raise ClientMissingError(
                "npm is not installed", hint="install Node.js with npm (18 or later)"
            ) from error
    if child.returncode != 0:
        raise _translate(stdout, stderr, subject=arguments[1])
    return stdout


def _wait(child: subprocess.Popen[str], poll: Callable[[], None]) -> tuple[str, str]:
    while True:
        try:
            return child.communicate(timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            poll()


def _translate(stdout: str, stderr: str, *, subject: str) -> PinnaceError:
    """Turn npm's report (JSON on stdout, else text on stderr) into an error of ours."""
    code, summary = _report(stdout, stderr)
    if code == "ETARGET" and _TOO_NEW in summary:
        return TooNewError(
            f"{subject} is newer than your npm settings allow",
            hint="'min-release-age' or 'before' in your .npmrc keeps it back: wait, or lift it",
        )
    if code in {"E404", "ETARGET", "ENOVERSIONS"}:
        return UnknownVersionError(f"the registry has no {subject}", hint="check the version")
    if code == "EINTEGRITY":
        return VerificationFailedError(
            f"{subject} does not match the registry's digest",
            hint="try again; then ask who runs it",
        )
    if code in _HINTS:
        return CannotWriteError(f"npm cannot write {subject}: {summary}", hint=_HINTS[code])
    if code in {"E401", "E403", "ENEEDAUTH"}:
        return RegistryUnreachableError(
            f"the registry does not let you fetch {subject}: {code}",
            hint="log in ('npm login'), or mend the token in your .npmrc",
        )
    return RegistryUnreachableError(
        f"npm could not fetch {subject}: {_short(code, summary)}",
        hint="check the network, and 'npm config get registry', 'proxy' and 'cafile'",
    )


def _short(code: str, summary: str) -> str:
    """Return the reason alone: npm puts the request before it, and says the code again."""
    said = re.sub(r"^\w*Error: ", "", summary.rpartition("reason: ")[2])
    if not said:
        return code or "it does not say why"
    return said if code in said else f"{code} {said}"


def _report(stdout: str, stderr: str) -> tuple[str, str]:
    """Return npm's code and its summary, made safe for a terminal."""
    try:
        error = json.loads(stdout)["error"]
        code, summary = str(error.get("code") or ""), str(error.get("summary") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        said = [found.group(1) for found in _ERROR_LINE.finditer(stderr)]
        codes = [text.removeprefix("code ") for text in said if text.startswith("code ")]
        code, summary = (codes or [""])[0], next((t for t in said if t[:5] != "code "), stderr)
    first = (summary.strip().splitlines() or [""])[0]
    return code, "".join(c for c in first if c.isprintable())[:_SHOWN]
