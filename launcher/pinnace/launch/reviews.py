"""See what a launch leaves that this machine would run: a look before, a look after, one line."""

from __future__ import annotations

import _thread
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pinnace.launch import owner, records
from pinnace.workspace import gone, report, revert, snapshot, store
from pinnace.workspace.gone import Gone
from pinnace.workspace.snapshot import Earlier
from pinnace.workspace.store import Mark, Store
from pinnace_core import console, host, signals
from pinnace_core.errors import PinnaceError, UnsafeRequestError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from pinnace.context import Context
    from pinnace.workspace.names import Names
    from pinnace.workspace.snapshot import Early, Finding, Snapshot
    from pinnace_core.container import ContainerSpec, Mount
    from pinnace_core.host import HostFacts


def roots_of(spec: ContainerSpec) -> tuple[str, ...]:
    """Return the directories of the user's that a container may write to, the outermost alone."""
    own = [str(host.directory(kind)) for kind in host.DIRECTORY_KINDS]
    open_ones = [m.source for m in spec.mounts if _is_open(m, spec, own)]
    chosen: list[str] = []
    for one in sorted({os.path.realpath(source) for source in open_ones}):
        if not any(one.startswith(f"{around}/") for around in chosen):
            chosen.append(one)
    return tuple(chosen)


def _is_open(mount: Mount, spec: ContainerSpec, own: Iterable[str]) -> bool:
    if mount.read_only or mount.volume or mount.target == _config_directory():
        return False
    ours = any(mount.source.startswith(f"{place}/") for place in own)
    return not ours and os.path.isdir(mount.source) and bool(spec.image)  # noqa: PTH112


def _config_directory() -> str:
    from pinnace_images import contract

    return contract.CONFIG_DIR


class Watch:
    """A launch that is looked at: around it, as a context.

    Attributes:
        gone: files that went meanwhile; None: that is not known.
    """

    def __init__(self, here: Context, spec: ContainerSpec) -> None:
        """Note what is to be looked at.

        Args:
            here: what the launch met.
            spec: of its container.
        """
        self.gone: Gone | None = None
        self._facts, self._source = here.facts, here.project.source
        self._roots = roots_of(spec)
        launcher = owner.current()
        about = (launcher.pid, launcher.started, launcher.host)
        self._mark = Mark(spec.name, self._source, self._roots, about)
        self._store = Store(self._source)
        # Where no list of system calls keeps set-id bits away, each file is looked at for them.
        self._modes = not spec.seccomp
        self._early: dict[str, Early] | None = None
        self._moment = 0
        self._begun = False
        self._before: Snapshot | None = None
        self._done = _thread.allocate_lock()

    def __enter__(self) -> Self:
        if not self._roots:
            return self
        tell_left(lambda: self._facts)
        # Beside another launch, what was there before both is what counts.
        alone = all(mark.source != self._source for mark in store.marks())
        with _without_harm():
            store.mark(self._mark)
        if alone:
            self._moment = time.time_ns()
            self._early = snapshot.early(self._roots)
        return self

    def begin(self) -> None:
        """Begin to look, while the container starts."""
        self._begun = True
        if self._early is not None:
            self._done.acquire()
            signals.start_thread(self._look)

    def _look(self) -> None:
        early, moment = self._early or {}, self._moment
        try:
            with _without_harm():
                if self._store.baseline() is None:
                    # Should the launcher be killed before all of it is known.
                    self._store.save(snapshot.of_early(self._roots, early), {})
                earlier = Earlier(early, modes=self._modes)
                self._before = snapshot.take(self._roots, self._facts, moment, earlier)
                self._store.save(self._before, self._store.pending())
        finally:
            self._done.release()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._begun or not self._roots:
            with _without_harm():
                store.unmark(self._mark.name)
            return
        with self._done:
            walks = self._before.walks if self._before else {}
        with _without_harm():
            # Of build files, nothing is said here: `pinnace review` looks at them.
            earlier = Earlier(walks=walks, modes=self._modes, unasked=True)
            after = snapshot.take(self._roots, self._facts, time.time_ns(), earlier)
            self.gone = _gone(walks, after)
            said = _said(self._store, after)
            # After a client that was killed, the container goes on: it is looked at again.
            if not records.is_recorded(self._mark.name):
                store.unmark(self._mark.name)
            if said:
                console.stderr(f"pinnace: {said}")


def _gone(before: Mapping[str, Names], after: Snapshot) -> Gone | None:
    """Return which files went; None if it is not known which there were."""
    if not before:
        return None
    found = [gone.between(names, after.walks[root]) for root, names in before.items()]
    return Gone(tuple(path for one in found for path in one.paths), all(o.whole for o in found))


def _without_harm() -> suppress:
    """Let no launch fail for what was to be looked at; its mark stays for the next verb."""
    return suppress(OSError, PinnaceError)


def _said(kept: Store, after: Snapshot) -> str:
    """Compare, keep what waits for a decision, and return what is said about it."""
    found = report.unasked(findings(kept, after))
    kept.save_pending(found)
    return report.line(found, kept.source, whole=after.whole)


def findings(kept: Store, after: Snapshot) -> list[Finding]:
    """Return what has changed since nothing was at work here, less what was accepted."""
    baseline = kept.baseline()
    if baseline is None:
        return []
    return list(snapshot.compare(baseline.digests, after, accepted=kept.accepted()))


def tell_left(detect: Callable[[], HostFacts]) -> None:
    """Say what launches left whose launcher was killed.

    Args:
        detect: reads the facts of the host.
    """
    for mark in list(store.marks()):
        if owner.state_of(owner.Launcher(*mark.launcher)) != "gone":
            continue
        with _without_harm():
            kept = Store(mark.source)
            before = kept.pending()
            said = _said(kept, _taken(mark.roots, detect()))
            # With its record, a launch's container may still be there.
            if not records.is_recorded(mark.name):
                store.unmark(mark.name)
            if said and kept.pending() != before:
                where = f"in '{mark.source}', where a launcher was killed"
                console.stderr(f"pinnace: {where}: {said}")


class Review(NamedTuple):
    """A workspace as it is now, beside what it was.

    Attributes:
        source: its root.
        kept: what is known about it.
        after: what is there now.
        findings: what waits for a decision.
    """

    source: str
    kept: Store
    after: Snapshot
    findings: list[Finding]

    def accept(self, chosen: Sequence[Finding]) -> None:
        """Remember that contents are all right.

        Raises:
            CannotWriteError: it cannot be kept.
        """
        self.kept.accept(chosen)
        self.kept.advance(self.after, chosen)
        self.kept.save_pending(o for o in report.unasked(self.findings) if o not in chosen)

    def revert(self, one: Finding) -> str:
        """Put back what was there, or take away what was not; return which.

        Raises:
            CannotWriteError: it cannot be done.
            UnsafeRequestError: what was there is not known, or the way leads through a link.
        """
        root = next((r for r in self.after.roots if one.path.startswith(f"{r}/")), self.source)
        before = self.before(one)
        if before is not None:
            revert.restore(root, one.path, *before)
            return "put back"
        if one.change != "new":
            raise UnsafeRequestError(
                f"'{one.path}' is not put back: what it was is not kept",
                hint="take it from your own history: git show HEAD:PATH",
            )
        if self._was_there(one):
            raise UnsafeRequestError(
                f"'{one.path}' was there before, here or elsewhere: it is run for where it is now",
                hint="see what is around it; move it back, or remove it",
            )
        if one.digest.startswith("set-id:"):
            revert.clear_set_id(root, one.path)
            return "took the set-id bit off"
        revert.remove(root, one.path)
        return "removed"

    def _was_there(self, one: Finding) -> bool:
        """Return whether nobody has written to it since: nobody can set that time back."""
        baseline = self.kept.baseline()
        moment = baseline.moment - snapshot.TICK_NS if baseline and os.name != "nt" else 0
        try:
            return os.lstat(one.path).st_ctime_ns < moment
        except OSError:
            return False

    def before(self, one: Finding) -> tuple[bytes, int] | None:
        """Return content and mode of a file as it was; None: there was none, or it is not kept."""
        baseline = self.kept.baseline()
        name = baseline.kept.get(one.path) if baseline else None
        data = self.kept.content(name) if name else None
        return None if name is None or data is None else (data, int(name.partition(":")[2], 8))

    def difference(self, one: Finding) -> list[str]:
        """Return the lines of a file that have changed, a few of them."""
        found, before = self.after.looks.get(one.path), self.before(one)
        if one.change == "gone" or found is None:
            return []
        if found.data is None:
            return [found.digest]
        return report.difference(before[0] if before else None, found.data)


def now(source: str, facts: HostFacts) -> Review:
    """Look at a workspace as it is now."""
    kept = Store(source)
    baseline = kept.baseline()
    after = _taken(baseline.roots if baseline else (), facts)
    return Review(source, kept, after, findings(kept, after))


def _taken(roots: Sequence[str], facts: HostFacts) -> Snapshot:
    there = tuple(root for root in roots if os.path.isdir(root))  # noqa: PTH112
    return snapshot.take(there, facts, time.time_ns())
