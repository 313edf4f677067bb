"""What is kept about a workspace, outside of it: what was there before, and what was accepted."""

from __future__ import annotations

import json
import os
from binascii import crc32
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace_core import host
from pinnace_core.digest import hexdigest
from pinnace_core.files import read_own, write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pinnace.workspace.snapshot import Finding, Snapshot

_SCHEMA: Final = 1
_MOST_BYTES: Final = 64 << 20
_MOST_KEPT: Final = 1 << 20
_MOST_TOGETHER: Final = 32 << 20
_OF_A_FILE: Final = 4096
_MOST_ACCEPTED: Final = 50
_SLUG: Final = 24


class Baseline(NamedTuple):
    """What was there when nothing inside was at work.

    Attributes:
        roots: of the directories that are looked at.
        digests: by path, of what counted.
        kept: by path, of files: the digest of their content, which is kept, and their mode.
        whole: nothing was left out.
        moment: when that was, in nanoseconds; 0: that is not known.
    """

    roots: tuple[str, ...]
    digests: dict[str, str]
    kept: dict[str, str]
    whole: bool
    moment: int = 0


class Store:
    """What is kept about one workspace."""

    def __init__(self, source: str) -> None:
        """Name its directory.

        Args:
            source: the workspace's root.
        """
        self.source = source
        name = "".join(c if c.isascii() and c.isalnum() else "-" for c in Path(source).name)
        self.directory = base() / f"{name[:_SLUG]}-{crc32(os.fsencode(source)):08x}"

    def baseline(self) -> Baseline | None:
        """Return what was there before; None if nothing is known."""
        found = self._read("baseline")
        try:
            return Baseline(
                tuple(map(str, found["roots"])),
                {str(k): str(v) for k, v in found["digests"].items()},
                {str(k): str(v) for k, v in found["kept"].items()},
                found["whole"] is True,
                int(found.get("moment", 0)),
            )
        except (KeyError, AttributeError, TypeError, ValueError):
            return None

    def save(self, snapshot: Snapshot, pending: Mapping[str, str]) -> None:
        """Keep a snapshot; of what waits for a decision and is still so, keep what was before.

        Raises:
            CannotWriteError: it cannot be written.
        """
        old = self.baseline()
        digests, kept, room = snapshot.digests, {}, _MOST_TOGETHER
        for path, look in snapshot.looks.items():
            if look.data is not None and len(look.data) <= min(_MOST_KEPT, room):
                room -= len(look.data) + _OF_A_FILE
                kept[path] = f"{self._keep(look.data)}:{look.mode:o}"
        for path, digest in pending.items():
            if digests.get(path, "gone") == digest:
                self._as_before(path, old, digests, kept)
        document = {"roots": snapshot.roots, "digests": digests, "kept": kept}
        self._write("baseline", {**document, "whole": snapshot.whole, "moment": snapshot.moment})
        self._sweep(kept.values())

    @staticmethod
    def _as_before(
        path: str, old: Baseline | None, digests: dict[str, str], kept: dict[str, str]
    ) -> None:
        for now, before in ((digests, old and old.digests), (kept, old and old.kept)):
            now.pop(path, None)
            if before and path in before:
                now[path] = before[path]

    def pending(self) -> dict[str, str]:
        """Return digests of what waits for a decision, by path."""
        return _texts(self._read("pending").get("digests"))

    def save_pending(self, findings: Iterable[Finding]) -> None:
        """Keep what waits for a decision.

        Raises:
            CannotWriteError: it cannot be written.
        """
        self._write("pending", {"digests": {one.path: one.digest for one in findings}})

    def accepted(self) -> dict[str, list[str]]:
        """Return digests of what was accepted, by path."""
        found = self._read("accepted").get("digests")
        pairs = found.items() if isinstance(found, dict) else ()
        return {str(k): [str(one) for one in v] for k, v in pairs if isinstance(v, list)}

    def accept(self, findings: Iterable[Finding]) -> None:
        """Keep that contents are all right where they are.

        Raises:
            CannotWriteError: it cannot be written.
        """
        known = self.accepted()
        for one in findings:
            digests = [d for d in known.get(one.path, []) if d != one.digest]
            known[one.path] = [*digests, one.digest][-_MOST_ACCEPTED:]
        self._write("accepted", {"digests": known})

    def advance(self, snapshot: Snapshot, findings: Iterable[Finding]) -> None:
        """Let what is there of these be what was there before: the next one is put back to it.

        Raises:
            CannotWriteError: it cannot be kept.
        """
        baseline = self.baseline()
        if baseline is None:
            return
        for one in findings:
            baseline.digests.pop(one.path, None)
            baseline.kept.pop(one.path, None)
            look = snapshot.looks.get(one.path)
            if look is None or not look.digest:
                continue
            baseline.digests[one.path] = look.digest
            if look.data is not None and len(look.data) <= _MOST_KEPT:
                baseline.kept[one.path] = f"{self._keep(look.data)}:{look.mode:o}"
        self._write("baseline", baseline._asdict())

    def content(self, name: str) -> bytes | None:
        """Return a kept content; None: it is not there any more."""
        digest = name.partition(":")[0]
        try:
            data = read_own(self.directory / "kept" / digest, most=_MOST_KEPT)
        except OSError:
            return None
        return data if hexdigest(data) == digest else None

    def _keep(self, data: bytes) -> str:
        name = hexdigest(data)
        path = self.directory / "kept" / name
        if not path.exists():
            write_atomic(path, data, mode=0o600)
        return name

    def _sweep(self, names: Iterable[str]) -> None:
        wanted = {name.partition(":")[0] for name in names}
        for path in (self.directory / "kept").glob("*"):
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            document = json.loads(read_own(self.directory / f"{name}.json", most=_MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        sound = isinstance(document, dict) and document.get("source") == self.source
        return document if sound and document.get("schema") == _SCHEMA else {}

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        document = {"schema": _SCHEMA, "source": self.source, **content}
        write_atomic(self.directory / f"{name}.json", json.dumps(document).encode(), mode=0o600)


def _texts(found: object) -> dict[str, str]:
    pairs = found.items() if isinstance(found, dict) else ()
    return {str(k): str(v) for k, v in pairs}


def base() -> Path:
    """Return the directory of all workspaces."""
    return host.directory("state") / "review"


def forgotten() -> Iterator[Path]:
    """Return the directories of workspaces that are not there any more."""
    for place in sorted(base().glob("*/baseline.json")):
        try:
            source = json.loads(read_own(place, most=_MOST_BYTES))["source"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(source, str) and not os.path.lexists(source):
            yield place.parent


class Mark(NamedTuple):
    """That a launch is not looked at yet.

    Attributes:
        name: of its container.
        source: the workspace's root.
        roots: of the directories that it may write to.
        launcher: as `launch.records` writes it.
    """

    name: str
    source: str
    roots: tuple[str, ...]
    launcher: tuple[int, str, tuple[str, str, str]]


def marks() -> Iterator[Mark]:
    """Return the launches that nobody has looked at yet: they run, or their launcher was killed."""
    try:
        listed = os.listdir(_running())  # noqa: PTH208 (every launch)
    except OSError:
        return
    for name in listed:
        if name.startswith("."):
            continue
        try:
            document = json.loads(read_own(_running() / name, most=_MOST_BYTES))
            pid, started, machine = document["launcher"]
            one, two, three = map(str, machine)
            roots = tuple(map(str, document["roots"]))
            launcher = (int(pid), str(started), (one, two, three))
            yield Mark(name, str(document["source"]), roots, launcher)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue


def mark(one: Mark) -> None:
    """Keep that a launch is to be looked at.

    Raises:
        CannotWriteError: it cannot be written.
    """
    write_atomic(_running() / one.name, json.dumps(one._asdict()).encode(), mode=0o600)


def unmark(name: str) -> None:
    """Forget it: it was looked at."""
    (_running() / name).unlink(missing_ok=True)


def _running() -> Path:
    return base() / "running"
