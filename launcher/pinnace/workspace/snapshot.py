"""A workspace before and after: what this machine would run of it, by content.

What lies near the top, and git's own files, are read before the container starts. The rest is while
it starts: what has changed since then counts as not known before.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Literal

from pinnace.workspace import executes, listed, looks, names
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pinnace.workspace.looks import Look, Raw
    from pinnace.workspace.names import Names
    from pinnace.workspace.rules import Rule
    from pinnace_core.host import HostFacts

MOST_FOUND: Final = 20_000
_MOST_BUILDS: Final = 5_000
# The time of a change is that of the last tick of the kernel's clock.
TICK_NS: Final = 20_000_000
Change = Literal["new", "changed", "gone"]
_EARLY: Final = frozenset({n for n in listed.DIRECTORIES if "/" not in n} | {".claude", ".config"})


class Early(NamedTuple):
    """What was read before the start, not judged yet.

    Attributes:
        root: of the workspace.
        rule: why it is in scope.
        read: as `looks.raw` returns it.
    """

    root: str
    rule: Rule
    read: Raw


class Snapshot(NamedTuple):
    """What was there.

    Attributes:
        roots: of the directories that are looked at.
        looks: by path, of all that is in scope.
        rules: why, by path.
        whole: nothing was left out.
        walks: of the names, by root.
        named: paths that are in scope for what other files say alone.
    """

    roots: tuple[str, ...]
    looks: dict[str, Look]
    rules: dict[str, Rule]
    whole: bool = True
    walks: Mapping[str, Names] = {}
    named: frozenset[str] = frozenset()

    @property
    def moment(self) -> int:
        """When it was begun, in nanoseconds; 0: that is not known."""
        return max((walk.moment for walk in self.walks.values()), default=0)

    @property
    def digests(self) -> dict[str, str]:
        """Digests of what is there, by path."""
        return {path: look.digest for path, look in self.looks.items() if look.digest}


class Finding(NamedTuple):
    """What has changed that this machine would run.

    Attributes:
        path: absolute.
        change: what became of it.
        by: who would run it.
        why: when.
        digest: of what is there now.
        level: as the rule's: empty, if it is run without being asked for.
    """

    path: str
    change: Change
    by: str
    why: str
    digest: str
    level: str = ""


def early(roots: tuple[str, ...]) -> dict[str, Early]:
    """Read what is to be known before anything inside runs: a few files."""
    found: dict[str, Early] = {}
    for root in roots:
        for path, rule in names.near(root, _EARLY).items():
            found[path] = Early(root, rule, looks.raw(path, root))
    return found


def of_early(roots: tuple[str, ...], before: Mapping[str, Early]) -> Snapshot:
    """Return what is known so far, judged."""
    seen = {path: looks.judged(path, one.root, one.rule, one.read) for path, one in before.items()}
    return Snapshot(roots, seen, {path: one.rule for path, one in before.items()}, whole=False)


class Earlier(NamedTuple):
    """What is known from before.

    Attributes:
        early: what was read then; whatever else has changed since the moment was not there.
        walks: of the names, by root.
        modes: look for set-id bits, too.
        unasked: look at what is run unasked alone, not at build files.
    """

    early: Mapping[str, Early] | None = None
    walks: Mapping[str, Names] = {}
    modes: bool = False
    unasked: bool = False


_NOTHING_KNOWN: Final = Earlier()


def take(
    roots: tuple[str, ...], facts: HostFacts, moment: int, earlier: Earlier = _NOTHING_KNOWN
) -> Snapshot:
    """Look at all that is in scope.

    Args:
        roots: absolute, real.
        facts: the host.
        moment: now, in nanoseconds.
        earlier: what is known from before.
    """
    from pinnace.workspace import named

    seen: dict[str, Look] = {}
    why: dict[str, Rule] = {}
    walks: dict[str, Names] = {}
    others: set[str] = set()
    whole = True
    for root in roots:
        known = earlier.walks.get(root)
        walk = walks[root] = names.walk(root, moment=moment, known=known, modes=earlier.modes)
        own, more = walk.found(), named.paths(root, facts)
        others |= more.keys() - own.keys()
        rules = list((own | more).items())
        alone = [one for one in rules if not one[1].level]
        builds = [one for one in rules if one[1].level and not earlier.unasked]
        whole = whole and walk.whole and len(alone) + len(seen) < MOST_FOUND
        # The first are kept for as long as there is room.
        for path, rule in (*alone[: MOST_FOUND - len(seen)], *builds[:_MOST_BUILDS]):
            seen[path], why[path] = _looked(path, root, rule, earlier, walk), rule
    return Snapshot(roots, seen, why, whole, walks, frozenset(others))


def _looked(path: str, root: str, rule: Rule, earlier: Earlier, walk: Names) -> Look:
    if earlier.early is None:
        return looks.look(path, root, rule)
    if path in earlier.early:
        return looks.judged(path, root, rule, earlier.early[path].read)
    found = looks.look(path, root, rule)
    of_now = found.digest and _is_of_now(path, root, walk, walk.moment - TICK_NS)
    return looks.Look(looks.UNKNOWN) if of_now else found


def _is_of_now(path: str, root: str, walk: Names, moment: int) -> bool:
    """Return whether a file, or a directory around it, has changed since."""
    try:
        if _changed(os.lstat(path)) >= moment:
            return True
    except OSError:
        return True
    place = os.path.dirname(path)  # noqa: PTH120
    while place.startswith(f"{root}/"):
        directory = walk.directories.get(place)
        if directory is not None and directory.state[3] >= moment:
            return True
        place = os.path.dirname(place)  # noqa: PTH120
    return False


def _changed(status: os.stat_result) -> int:
    """Return when it changed last; on Windows, nothing but the content's time tells."""
    return max(status.st_mtime_ns, status.st_ctime_ns)


def compare(
    before: Mapping[str, str], after: Snapshot, *, accepted: Mapping[str, list[str]]
) -> Iterator[Finding]:
    """Return what has changed, less what was accepted as it is.

    Args:
        before: digests of what counted then, by path.
        after: what is there now.
        accepted: digests by path.
    """
    for path in sorted(after.looks):
        digest = after.looks[path].digest
        old = before.get(path, looks.NOTHING)
        runs = digest not in {looks.NOTHING, looks.PLAIN, old}
        if runs and digest not in accepted.get(path, ()):
            rule = after.rules[path]
            change: Change = "changed" if old else "new"
            yield Finding(path, change, rule.by, rule.why, digest, rule.level)
    for path in sorted(before.keys() - after.digests.keys()):
        # Of a judged one, what counted may be gone, and the file not.
        name = os.path.basename(path)  # noqa: PTH119
        loss = executes.rule_of(path) if name in listed.LOSSES else None
        if loss and "gone" not in accepted.get(path, ()):
            yield Finding(path, "gone", loss.by, loss.why, "gone")
