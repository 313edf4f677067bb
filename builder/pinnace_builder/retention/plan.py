"""Decide what of a repository stays, and in which order the rest goes: pure.

A registry deletes by digest, and every name of that digest goes with it. So a digest stays if one
of its names does, and so does everything that it refers to.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pinnace_builder.retention.policy import REGISTRY, Item, Plan, youngest
from pinnace_builder.retention.roles import BaseName, CacheName, Other, Release, Role, Signature
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace_builder.retention.policy import Policy
    from pinnace_builder.retention.scan import Snapshot
    from pinnace_images.versions import CliVersion

_ORDER: Final = (Release, BaseName, CacheName, Signature, Other)


@dataclass(frozen=True)
class Deletion:
    """One manifest that goes.

    Attributes:
        digest: its own.
        root: the one with a name that it goes with.
    """

    digest: str
    root: str


@dataclass(frozen=True)
class RepositoryPlan:
    """What stays and goes.

    Attributes:
        plan: by name, for people.
        deletions: by digest, in order: nothing goes before all that refers to it.
    """

    plan: Plan
    deletions: tuple[Deletion, ...]


@dataclass
class _Decisions:
    """What has been decided so far.

    Attributes:
        snapshot: of the repository.
        roles: of all tags, sorted.
        stays: why a tag stays, by tag.
        held: digests of everything that stays.
    """

    snapshot: Snapshot
    roles: Mapping[str, Role]
    stays: dict[str, str] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    def keep(self, tag: str, why: str) -> None:
        if why:
            self.stays[tag] = why
            self.held |= self.snapshot.closure([self.snapshot.tags[tag]])

    def open(self) -> list[tuple[str, Role, str]]:
        """List the tags that nothing speaks for yet, with their roles and digests."""
        return [
            (tag, role, self.snapshot.tags[tag])
            for tag, role in self.roles.items()
            if tag not in self.stays
        ]


def plan_repository(snapshot: Snapshot, policy: Policy) -> RepositoryPlan:
    """Return what of a repository stays and goes."""
    decisions = _Decisions(snapshot, {tag: snapshot.role(tag) for tag in sorted(snapshot.tags)})
    versions = _versions(decisions)
    _keep_by_policy(decisions, policy, versions)
    _keep_what_is_held(decisions)
    _keep_bases(decisions)
    _keep_caches(decisions, policy, versions)
    _keep_signatures(decisions)
    _keep_what_shares(decisions)
    deletions = _deletions(decisions)
    return RepositoryPlan(
        Plan(kept=_kept_items(decisions), gone=_gone_items(decisions, deletions, policy)), deletions
    )


def _versions(decisions: _Decisions) -> dict[str, set[CliVersion]]:
    """Return the versions that are there, by variant."""
    found: dict[str, set[CliVersion]] = defaultdict(set)
    for role in decisions.roles.values():
        if isinstance(role, Release):
            found[role.variant].add(role.version)
    return found


def _keep_by_policy(
    decisions: _Decisions, policy: Policy, versions: Mapping[str, set[CliVersion]]
) -> None:
    newest = _newest_bases(decisions)
    for tag, role, digest in decisions.open():
        if isinstance(role, Other):
            decisions.keep(tag, role.why)
            continue
        why = "the newest of its flavour" if tag in newest else ""
        if isinstance(role, Release):
            why = policy.version_stays(role.version, versions[role.variant])
        if isinstance(role, (Release, BaseName)):
            why = why or policy.age_stays(decisions.snapshot.created(digest))
        decisions.keep(tag, why)


def _newest_bases(decisions: _Decisions) -> set[str]:
    """Return the base that each flavour got last, and the youngest ones for each platform."""
    snapshot = decisions.snapshot
    found: set[str] = set()
    lines: dict[tuple[str, str], list[str]] = defaultdict(list)
    for tag, role, digest in decisions.open():
        if isinstance(role, BaseName):
            found |= {tag} if role.moving else set()
            for image in snapshot.images(digest):
                lines[role.flavour, snapshot.manifests[image].architecture].append(tag)
    for tags in lines.values():
        ages = {tag: snapshot.created(snapshot.tags[tag]) for tag in tags}
        latest = youngest(ages.values())
        found |= {tag for tag, created in ages.items() if created == latest}
    return found


def _keep_what_is_held(decisions: _Decisions) -> None:
    """Keep names whose images stay anyway: with them nothing would go but the name."""
    for tag, role, digest in decisions.open():
        images = decisions.snapshot.images(digest)
        if isinstance(role, Release) and images and decisions.held.issuperset(images):
            decisions.keep(tag, "its images stay under another name")


def _keep_bases(decisions: _Decisions) -> None:
    """Keep what the images that stay stand on."""
    manifests = decisions.snapshot.manifests
    held = [manifests[digest] for digest in decisions.held if digest in manifests]
    needed = {
        manifest.labels.get(contract.LABEL_BASE_ID) for manifest in held if manifest.is_image
    } - {None}
    for tag, role, digest in decisions.open():
        stands = {
            labels.get(contract.LABEL_BASE_ID) for labels in decisions.snapshot.labels(digest)
        }
        if isinstance(role, BaseName) and stands & needed:
            decisions.keep(tag, "images that stay stand on it")


def _keep_caches(
    decisions: _Decisions, policy: Policy, versions: Mapping[str, set[CliVersion]]
) -> None:
    staying = {decisions.roles[tag] for tag in decisions.stays}
    for tag, role, _ in decisions.open():
        if isinstance(role, CacheName):
            known = versions.get(role.variant, set())
            stays = Release(role.version, role.variant) in staying
            # A version that is being published elsewhere may have nothing but its cache yet.
            stays = stays or bool(policy.version_stays(role.version, known))
            decisions.keep(tag, "its version stays" if stays else "")


def _keep_signatures(decisions: _Decisions) -> None:
    """Keep what is about something that stays, or that has no name but is there."""
    signatures = [(tag, role) for tag, role, _ in decisions.open() if isinstance(role, Signature)]
    names = {tag for tag, _ in signatures}
    others = [digest for tag, _, digest in decisions.open() if tag not in names]
    going = decisions.snapshot.closure(others) - decisions.held
    for tag, role in signatures:
        if role.subject in decisions.snapshot.manifests and role.subject not in going:
            decisions.keep(tag, "what it is about stays")


def _keep_what_shares(decisions: _Decisions) -> None:
    """Keep all names of a digest that stays: they would go with it."""
    for tag, _, digest in decisions.open():
        if digest in decisions.held:
            decisions.keep(tag, "names something that stays, or a part of it")


def _deletions(decisions: _Decisions) -> tuple[Deletion, ...]:
    """Order what goes: an index, then what nothing refers to any more, then the next index.

    So an interruption leaves no index without its parts, and few parts without an index.
    """
    snapshot = decisions.snapshot
    roots = [digest for _, _, digest in sorted(decisions.open(), key=_rank)]
    gone = (snapshot.closure(roots) - decisions.held) & snapshot.manifests.keys()
    parents = _parents(snapshot, gone)
    done: dict[str, str] = {}

    def go(digest: str, root: str) -> None:
        if digest not in gone or digest in done or not done.keys() >= parents[digest]:
            return
        done[digest] = root
        for child in snapshot.children(digest):
            go(child, child if child in roots else root)

    for root in roots:
        go(root, root)
    return tuple(Deletion(digest, root) for digest, root in done.items())


def _parents(snapshot: Snapshot, digests: set[str]) -> dict[str, set[str]]:
    parents: dict[str, set[str]] = {digest: set() for digest in digests}
    for parent in digests:
        for child in digests.intersection(snapshot.children(parent)):
            parents[child].add(parent)
    return parents


def _rank(named: tuple[str, Role, str]) -> tuple[int, str, tuple[int, ...], str]:
    """Sort images first, and signatures last: without one, what it is about might be refused."""
    tag, role, _ = named
    version = tuple(role.version) if isinstance(role, (Release, CacheName)) else ()
    variant = role.variant if isinstance(role, (Release, CacheName)) else ""
    return _ORDER.index(type(role)), variant, version, tag


def _kept_items(decisions: _Decisions) -> tuple[Item, ...]:
    tags = decisions.snapshot.tags
    return tuple(
        Item(REGISTRY, tag, why, id=tags[tag]) for tag, why in sorted(decisions.stays.items())
    )


def _gone_items(
    decisions: _Decisions, deletions: tuple[Deletion, ...], policy: Policy
) -> tuple[Item, ...]:
    """Describe what goes, one row for each digest with a name, parts included."""
    sizes = _sizes(decisions, deletions)
    tags: dict[str, list[str]] = defaultdict(list)
    for tag, _, digest in sorted(decisions.open(), key=_rank):
        tags[digest].append(tag)
    return tuple(
        Item(
            scope=REGISTRY,
            what=", ".join(tags[root]),
            why=_why_gone(decisions.roles[tags[root][0]], policy),
            size=sizes[root],
            id=root,
        )
        for root in dict.fromkeys(deletion.root for deletion in deletions)
    )


def _why_gone(role: Role, policy: Policy) -> str:
    match role:
        case Release():
            return policy.exceeded
        case BaseName():
            return f"no image that stays stands on it, older than {policy.days} days"
        case CacheName():
            return "its version does not stay"
        case Signature():
            return "what it is about goes, or is gone"
        case Other():
            return role.why


def _sizes(decisions: _Decisions, deletions: tuple[Deletion, ...]) -> dict[str, int]:
    """Add up what nothing that stays shares, by root."""
    manifests = decisions.snapshot.manifests
    seen = {
        blob for digest in decisions.held if digest in manifests for blob in manifests[digest].blobs
    }
    sizes: dict[str, int] = defaultdict(int)
    for deletion in deletions:
        for blob, size in manifests[deletion.digest].blobs.items():
            sizes[deletion.root] += 0 if blob in seen else size
            seen.add(blob)
    return sizes
