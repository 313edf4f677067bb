"""Whatever a repository holds, nothing that is needed goes: tried with made-up ones."""

from __future__ import annotations

import random
import re
from typing import Final

import pytest

from pinnace_builder.retention.plan import RepositoryPlan, plan_repository
from pinnace_builder.retention.policy import Policy
from pinnace_builder.retention.scan import Snapshot
from pinnace_images import contract
from pinnace_images.versions import CliVersion, Specifier
from tests.support.repositories import BOTH, NOW, Made
from tests.support.soak import rounds

_OWN: Final = {"latest", "stable", "2.1", "mine", "2-dev", "nested"}


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 (the same every time, which is the point)


def _random_repository(chance: random.Random) -> Made:
    """Publish what may have been published in years, and let somebody tamper with it."""
    made = Made()
    versions = [
        f"{chance.choice('12')}.{chance.choice('01')}.{n}" for n in range(chance.randint(0, 9))
    ]
    digests = [
        _publish_something(made, version, chance)
        for version in versions
        for _ in range(chance.choice((1, 1, 2)))
    ]
    _tamper(made, chance, digests)
    return made


def _publish_something(made: Made, version: str, chance: random.Random) -> str:
    return made.publish(
        version,
        age=chance.choice((1, 50, 89, 91, 150, 400)),
        variant=chance.choice(("slim", "slim", "dev")),
        base=chance.choice("abc"),
        build=chance.choice("xy"),
        architectures=chance.choice((BOTH, BOTH, ("arm64",))),
        moves=chance.sample(
            ["latest", "stable", "2.1", "mine", "2-dev"], chance.choice((0, 0, 1, 2))
        ),
        cache=chance.random() < 0.3,
    )


def _tamper(made: Made, chance: random.Random, digests: list[str]) -> None:
    everything = list(made.manifests)
    for digest in chance.sample(digests, len(digests) // 2):
        made.sign(digest, chance.choice((".sig", ".att", "")))
    for number in range(chance.randint(0, 2) if everything else 0):
        made.name(f"own-{number}", chance.choice(everything))
    if len(everything) > 1 and chance.random() < 0.5:
        parts = chance.sample(everything, 2)
        made.index(
            "nested", *({"mediaType": made.manifests[d].media_type, "digest": d} for d in parts)
        )
    for tag in chance.sample(sorted(made.tags), len(made.tags) // 8):
        del made.tags[tag]
    if everything and chance.random() < 0.3:
        lost = chance.choice(everything)
        made.manifests.pop(lost)
        made.tags = {tag: digest for tag, digest in made.tags.items() if digest != lost}


def _left(snapshot: Snapshot, planned: RepositoryPlan, count: int) -> Snapshot:
    """Delete the first so many as a registry does: by digest, with all names."""
    deleted = {deletion.digest for deletion in planned.deletions[:count]}
    tags = {tag: digest for tag, digest in snapshot.tags.items() if digest not in deleted}
    return Snapshot(tags, {d: h for d, h in snapshot.manifests.items() if d not in deleted})


def _random_policy(chance: random.Random) -> Policy:
    pins = chance.choice(((), (), ("2.1",), ("1.0.0", "<1.1"), ("2.0.3",)))
    newest, days = chance.choice((0, 1, 2, 4)), chance.choice((0, 60, 90, 365))
    return Policy(newest, days, tuple(map(Specifier.parse, pins)), NOW)


def _gone(planned: RepositoryPlan) -> set[str]:
    return {tag for item in planned.plan.gone for tag in item.what.split(", ")}


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(rounds(6_000)))
def test_whatever_there_is_nothing_that_is_needed_goes(seed: int) -> None:
    chance = _chance(seed)
    made, policy = _random_repository(chance), _random_policy(chance)
    snapshot = made.snapshot()

    planned = plan_repository(snapshot, policy)

    digests = [deletion.digest for deletion in planned.deletions]
    kept = {item.what for item in planned.plan.kept}
    assert len(set(digests)) == len(digests)
    assert kept | _gone(planned) == snapshot.tags.keys()
    assert not kept & _gone(planned)
    staying = snapshot.closure(snapshot.tags[tag] for tag in kept)
    assert not staying.intersection(digests)
    assert {snapshot.tags[tag] for tag in _gone(planned)} <= set(digests)
    _check_bases(snapshot, staying, kept)
    _check_policy(snapshot, policy, kept)
    assert not _OWN & _gone(planned)


def _check_bases(snapshot: Snapshot, staying: set[str], kept: set[str]) -> None:
    held = [snapshot.manifests[digest] for digest in staying if digest in snapshot.manifests]
    needed = {one.labels.get(contract.LABEL_BASE_ID) for one in held if one.is_image} - {None}
    for tag, digest in snapshot.tags.items():
        stands = {labels.get(contract.LABEL_BASE_ID) for labels in snapshot.labels(digest)}
        if tag.startswith("base-") and stands & needed:
            assert tag in kept


def _check_policy(snapshot: Snapshot, policy: Policy, kept: set[str]) -> None:
    named: dict[str, set[CliVersion]] = {}
    for tag in snapshot.tags:
        if found := re.fullmatch(r"(\d+\.\d+\.\d+)(?:-(slim|dev)(-.*)?)?", tag):
            named.setdefault(found[2] or "slim", set()).add(CliVersion.parse(found[1]))
    for variant, versions in named.items():
        newest = sorted(versions, reverse=True)[: policy.newest]
        for version in versions:
            created = snapshot.created(snapshot.tags.get(f"{version}-{variant}", ""))
            young = created is not None and (NOW - created).days < policy.days
            pinned = any(pin.best((version,)) for pin in policy.pinned)
            if f"{version}-{variant}" in snapshot.tags and (version in newest or young or pinned):
                assert f"{version}-{variant}" in kept


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(rounds(2_000)))
def test_an_interruption_leaves_every_index_whole_and_can_be_gone_on_from(seed: int) -> None:
    chance = _chance(seed)
    made, policy = _random_repository(chance), _random_policy(chance)
    snapshot = made.snapshot()
    planned = plan_repository(snapshot, policy)

    for count in range(len(planned.deletions) + 1):
        left = _left(snapshot, planned, count)
        for digest in left.manifests:
            parts = set(snapshot.children(digest)) & snapshot.manifests.keys()
            assert parts <= left.manifests.keys()

    again = plan_repository(
        _left(snapshot, planned, chance.randint(0, len(planned.deletions))), policy
    )
    kept = ({item.what for item in one.plan.kept} for one in (again, planned))
    assert next(kept) == next(kept)
    assert plan_repository(_left(snapshot, planned, len(planned.deletions)), policy).deletions == ()
