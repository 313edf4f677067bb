"""What of a repository goes: as little as the policy says, and never what something else needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder.retention.plan import RepositoryPlan, plan_repository
from pinnace_builder.retention.policy import Policy
from pinnace_builder.retention.scan import Snapshot
from pinnace_images import contract
from pinnace_images.versions import Specifier
from tests.support.repositories import BOTH, CREATED, NOW, Made, hexadecimal

if TYPE_CHECKING:
    from collections.abc import Iterable

_OLD: Final = 200
_NEW: Final = 5


def _policy(*pinned: str, newest: int = 1, days: int = 90) -> Policy:
    return Policy(newest, days, tuple(map(Specifier.parse, pinned)), NOW)


def _plan(made: Made, policy: Policy | None = None) -> RepositoryPlan:
    return plan_repository(made.snapshot(), policy or _policy())


def _gone(planned: RepositoryPlan) -> set[str]:
    """Name the tags that go."""
    return {tag for item in planned.plan.gone for tag in item.what.split(", ")}


def _kept(planned: RepositoryPlan) -> dict[str, str]:
    return {item.what: item.why for item in planned.plan.kept}


def _of(tags: Iterable[str], pattern: str) -> set[str]:
    return {tag for tag in tags if re.fullmatch(pattern, tag)}


@pytest.fixture
def made() -> Made:
    """Three old versions, of which the ladder names the last."""
    made = Made()
    made.publish("2.1.1", age=_OLD + 2, cache=True)
    made.publish("2.1.2", age=_OLD + 1)
    made.publish("2.1.3", age=_OLD, moves=("2.1-slim", "2.1", "2", "latest-slim", "latest"))
    return made


def test_versions_beyond_the_newest_go_with_all_of_their_names(made: Made) -> None:
    planned = _plan(made)

    assert _gone(planned) == _of(made.tags, r"(cache-)?2\.1\.[12](-.*)?")
    assert {"2.1.1", "2.1.1-slim", "2.1.2"} <= _gone(planned)
    assert _kept(planned)["2.1.3"] == "among the newest 1"
    assert _kept(planned)["latest"] == "a step of the ladder"


def test_every_tag_either_stays_or_goes_and_is_told_once(made: Made) -> None:
    planned = _plan(made)

    told = [tag for item in planned.plan.gone for tag in item.what.split(", ")]
    assert sorted([*told, *_kept(planned)]) == sorted(made.tags)


def test_images_and_attestations_go_with_their_names(made: Made) -> None:
    planned = _plan(made)
    snapshot = made.snapshot()

    going = snapshot.closure(made.tags[tag] for tag in _gone(planned))
    assert {deletion.digest for deletion in planned.deletions} == going
    # Two caches; and for each of two versions: an index, two platforms with an image and an
    # attestation each.
    assert len(planned.deletions) == 2 + 2 * (1 + 2 * 3)


def test_the_newest_are_counted_for_each_variant(made: Made) -> None:
    made.publish("2.1.1", variant="dev", age=_OLD)

    kept = _kept(_plan(made, _policy(newest=2)))

    assert {"2.1.1-dev", "2.1.2", "2.1.3"} <= kept.keys()
    assert "2.1.1-slim" not in kept


@pytest.mark.parametrize(("age", "stays"), [(89.9, True), (90, False), (90.1, False), (-1, True)])
def test_what_is_younger_stays(made: Made, age: float, *, stays: bool) -> None:
    made.publish("2.0.9", age=age)

    assert ("2.0.9" in _kept(_plan(made))) == stays


def test_without_any_days_only_the_newest_stay(made: Made) -> None:
    made.publish("2.0.9", age=0.1)

    assert "2.0.9" in _gone(_plan(made, _policy(days=0)))


def test_the_youngest_time_that_is_stated_counts(made: Made) -> None:
    labels = {contract.LABEL_VERSION: "2.0.9", contract.LABEL_VARIANT: "slim"}
    stated = {CREATED: "2026-11-20T00:00:00.123456789Z"}
    made.index("2.0.7-slim", made.image({**labels, contract.LABEL_VERSION: "2.0.7"}, age=_OLD))
    made.index("2.0.8-slim", made.image({**labels, contract.LABEL_VERSION: "2.0.8"} | stated))
    made.index("2.0.9-slim", made.image(labels, age=_OLD), annotations=stated)

    kept = _kept(_plan(made))

    assert "2.0.7-slim" not in kept
    assert kept["2.0.8-slim"] == kept["2.0.9-slim"] == "younger than 90 days"


@pytest.mark.parametrize("created", ["", "yesterday", "0001-01-01T00:00:00Z", "1970-01-01", None])
def test_what_does_not_tell_its_age_stays(made: Made, created: str | None) -> None:
    labels = {contract.LABEL_VERSION: "2.0.9", contract.LABEL_VARIANT: "slim"}
    made.index("2.0.9", made.image(labels if created is None else {**labels, CREATED: created}))

    assert _kept(_plan(made))["2.0.9"] == "nothing tells its age"


@pytest.mark.parametrize("pin", ["2.1.1", ">=2.1.0,<2.1.2", "~2.1.1 <2.1.2"])
def test_what_is_pinned_stays(made: Made, pin: str) -> None:
    planned = _plan(made, _policy(pin))

    assert _kept(planned)["2.1.1-slim"] == f"pinned by '{pin}'"
    assert _of(_gone(planned), r"(cache-)?2\.1\.1(-.*)?") == set()
    assert "2.1.2" in _gone(planned)


def test_a_line_pins_all_of_its_versions(made: Made) -> None:
    assert _gone(_plan(made, _policy("2.1"))) == set()


def test_what_a_channel_names_stays_with_all_of_its_names(made: Made) -> None:
    made.publish("2.1.1", age=_OLD + 2, moves=("stable", "stable-slim"))

    planned = _plan(made)

    assert _of(_gone(planned), r"2\.1\.1(-.*)?") == set()
    assert _kept(planned)["stable"] == "a name of your own, or a channel's"
    assert _kept(planned)["2.1.1"] == "its images stay under another name"
    assert "cache-2.1.1-slim-amd64" in _kept(planned)


def test_of_a_version_that_a_channel_holds_other_builds_go(made: Made) -> None:
    made.publish("2.1.1", age=_OLD + 2, build="again", moves=("stable",))

    gone = _gone(_plan(made))

    assert len(_of(gone, r"2\.1\.1-slim(-a.*)?-[0-9a-f]{12}")) == 3
    assert "2.1.1" not in gone


@pytest.mark.parametrize(
    "tag",
    ["mine", "2.1.2-mine", "2.1.2-slim-mine", "2.1.2-slim-0123456789ab-x", "v2.1.2", "2.1.20",
     "2.1.2-dev", "base-slim", "cache-2.1.2-slim-amd64", "2.1.2-slim-0123456789AB"],
)  # fmt: skip
def test_a_name_of_somebodys_own_keeps_what_it_names(made: Made, tag: str) -> None:
    made.name(tag, made.tags["2.1.2"])

    planned = _plan(made)

    assert tag in _kept(planned)
    assert _of(_gone(planned), r"2\.1\.2(-.*)?") == set()


def test_what_was_not_published_by_us_stays(made: Made) -> None:
    made.index("2.1.2-slim", made.image({}, age=_OLD))
    made.index("1.0.0", made.image({"maintainer": "me"}, age=_OLD))
    both = [made.image({contract.LABEL_VERSION: v, contract.LABEL_VARIANT: "slim"}, age=_OLD)
            for v in ("1.0.1", "1.0.2")]  # fmt: skip
    made.index("1.0.1", *both)

    kept = _kept(_plan(made))

    assert {kept[tag] for tag in ("2.1.2-slim", "1.0.0", "1.0.1")} == {
        "no image of one version and variant"
    }


def test_a_part_of_what_stays_stays_with_its_names(made: Made) -> None:
    (image, *_) = made.manifests[made.tags["2.1.1"]].document["manifests"]
    made.index("mine", image)

    planned = _plan(made)

    assert image["digest"] not in {deletion.digest for deletion in planned.deletions}
    # With its images, the name of that platform stays; the list of both platforms goes.
    assert len(_of(_kept(planned), r"2\.1\.1-slim-amd64-.*")) == 1
    assert {"2.1.1", "2.1.1-slim"} <= _gone(planned)


def test_a_base_stays_as_long_as_an_image_stands_on_it() -> None:
    made = Made()
    for version, base, age in (
        ("2.1.1", "old", 210),
        ("2.1.2", "middle", 205),
        ("2.1.3", "new", 200),
    ):
        made.publish(version, base=base, age=age)

    gone = _gone(_plan(made, _policy(newest=2)))

    assert len(_of(gone, "base-.*")) == 2
    assert all(made.tags[tag] in {d.digest for d in _plan(made, _policy(newest=2)).deletions}
               for tag in gone)  # fmt: skip
    kept = _kept(_plan(made, _policy(newest=2)))
    assert sorted(kept[tag] for tag in _of(kept, "base-.*")) == [
        *(["images that stay stand on it"] * 2),
        *(["the newest of its flavour"] * 2),
    ]


def test_the_manifest_list_of_a_base_stays_with_either_of_its_platforms(made: Made) -> None:
    for architecture in BOTH:
        made.base("lone", architecture, age=_OLD + 9)
    made.base_index("lone", moving=False)
    made.base_index("base")
    assert len(_of(_gone(_plan(made)), "base-.*")) == 3

    made.publish("2.1.4", age=_OLD, base="lone", architectures=["arm64"])

    assert len(_of(_gone(_plan(made)), "base-.*")) == 1
    assert _kept(_plan(made))["base-slim"] == "the newest of its flavour"


def test_the_manifest_list_of_a_base_ages_with_its_platforms(made: Made) -> None:
    for architecture in BOTH:
        made.base("lone", architecture, age=_OLD + 9)
    made.base_index("lone", moving=False)

    assert len(_of(_gone(_plan(made)), "base-slim-(a.*-)?[0-9a-f]{12}")) == 3


def test_the_newest_base_of_each_flavour_and_platform_stays() -> None:
    made = Made()
    for age in (300, 200):
        for flavour in ("slim", "slim-node"):
            made.base(str(age), "amd64", flavour=flavour, age=age)
    made.base("300", "arm64", age=300)

    kept, gone = _kept(_plan(made)), _gone(_plan(made))

    assert set(kept.values()) == {"the newest of its flavour"}
    assert (len(kept), len(gone)) == (3, 2)
    assert len(_of(kept, "base-slim-arm64-.*")) == 1


def test_signatures_go_with_what_they_are_about(made: Made) -> None:
    going = [made.sign(made.tags["2.1.1"], suffix) for suffix in (".sig", ".att", ".sbom", "")]
    staying = [made.sign(made.tags["2.1.3"], suffix) for suffix in (".sig", "")]
    orphan = made.sign(f"sha256:{hexadecimal('nothing')}")

    planned = _plan(made)

    assert {*going, orphan} <= _gone(planned)
    assert set(staying) <= _kept(planned).keys()
    order = [deletion.digest for deletion in planned.deletions]
    assert all(order.index(made.tags[tag]) > order.index(made.tags["2.1.1"]) for tag in going)


def test_what_is_signed_but_has_no_name_keeps_its_signature(made: Made) -> None:
    image = made.image({}, age=_OLD)
    tag = made.sign(image["digest"])
    snapshot = made.snapshot()
    found = Made(manifests=made.manifests, tags={"x": image["digest"]}).snapshot().manifests

    planned = plan_repository(Snapshot(snapshot.tags, {**snapshot.manifests, **found}), _policy())

    assert tag in _kept(planned)


def test_a_cache_stays_for_a_version_that_may_be_on_its_way(made: Made) -> None:
    for version in ("2.1.0", "2.1.9"):
        made.cache(f"cache-{version}-slim-arm64")
    made.cache("cache-base-slim-amd64")
    made.cache("cache-2.1.0-dev-amd64")

    planned = _plan(made)

    assert _of(_gone(planned), "cache-.*") == {
        "cache-2.1.0-slim-arm64",
        "cache-2.1.1-slim-amd64",
        "cache-2.1.1-slim-arm64",
    }
    assert "cache-2.1.9-slim-arm64" in _kept(planned)


def test_an_image_with_the_name_of_a_cache_is_none(made: Made) -> None:
    made.index("cache-2.1.1-slim-amd64", made.image({}, age=_OLD))

    assert "cache-2.1.1-slim-amd64" in _kept(_plan(made))


def test_what_stays_does_not_count_as_freed(made: Made) -> None:
    planned = _plan(made)

    digests = {deletion.digest for deletion in planned.deletions}
    expected: dict[str, int] = {}
    for digest in digests:
        expected |= made.snapshot().manifests[digest].blobs
    for digest in made.snapshot().manifests.keys() - digests:
        for blob in made.snapshot().manifests[digest].blobs:
            expected.pop(blob, None)
    assert planned.plan.size == sum(expected.values()) > 0


def test_an_empty_repository_is_left_alone() -> None:
    assert plan_repository(Snapshot({}, {}), _policy()) == _plan(Made())


def test_the_order_of_tags_does_not_matter(made: Made) -> None:
    snapshot = made.snapshot()
    shuffled = list(snapshot.tags.items())
    shuffled.reverse()

    assert plan_repository(Snapshot(dict(shuffled), snapshot.manifests), _policy()) == _plan(made)


def test_an_index_goes_before_its_parts_and_versions_one_after_the_other(made: Made) -> None:
    planned = _plan(made)

    roots = [deletion.root for deletion in planned.deletions]
    first = made.snapshot().closure([made.tags["2.1.1"]])
    places = [at for at, one in enumerate(planned.deletions) if one.digest in first]
    other = made.snapshot().closure([made.tags["2.1.2"]])
    assert max(places) < min(at for at, d in enumerate(planned.deletions) if d.digest in other)
    assert roots[0] == made.tags["2.1.1"]
