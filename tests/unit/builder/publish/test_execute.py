"""Publishing is a transaction: built, pushed, verified, joined; and only then does a tag move."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace_builder.publish import plan
from pinnace_builder.publish.provenance import MANIFEST
from pinnace_builder.publish.remote_state import VERSION, RemoteState
from pinnace_core.errors import (
    PinnaceError,
    SigningFailedError,
    UnsafeRequestError,
    VerificationFailedError,
)
from pinnace_images import contract
from pinnace_images.platforms import SUPPORTED
from pinnace_images.versions import CliVersion
from tests.unit.builder import recipes
from tests.unit.builder.publish.publishing import REPOSITORY, REVISION, Pen, Publisher
from tests.unit.builder.recipes import DEV, DISTRIBUTIONS, SLIM, request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace_builder.images_config import BaseSpec, VariantSpec
    from pinnace_builder.publish.execute import Published
    from pinnace_builder.publish.plan import Release

_LADDER: Final = ("2.1-slim", "2.1", "2-slim", "2", "latest-slim", "latest")
_AMD64: Final = "2.1.330 slim (linux/amd64)"
_ARM64: Final = "2.1.330 slim (linux/arm64)"
_BASE_AMD64: Final = "base slim (linux/amd64)"
_BASE_ARM64: Final = "base slim (linux/arm64)"
_STEPS: Final = [_BASE_AMD64, _AMD64, _BASE_ARM64, _ARM64]


def _plan(
    *versions: str,
    variant: VariantSpec = SLIM,
    base: BaseSpec = recipes.BASE,
    channels: Mapping[str, CliVersion] | None = None,
) -> tuple[Release, ...]:
    requests = [request(recipes.native(v), variant=variant, base=base) for v in versions]
    return plan.releases(requests, DISTRIBUTIONS, channels or {})


_PLANNED: Final = _plan("2.1.330")
_RELEASE: Final = _PLANNED[0]


def _run(publisher: Publisher, planned: Sequence[Release] = _PLANNED) -> list[Published]:
    return publisher.publish(planned)


def _named(publisher: Publisher, tag: str) -> str | None:
    """Return the version that a tag names."""
    found = publisher.registry.manifests.get(tag)
    return str(found.document["annotations"][VERSION]) if found else None


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


def test_every_name_leads_to_the_whole_release(publisher: Publisher) -> None:
    (published,) = _run(publisher)

    tags = publisher.registry.tags_held
    assert set(tags) == set(plan.tags_of(_PLANNED))
    assert {tags[tag] for tag in (_RELEASE.tag, *plan.moves(_PLANNED))} == {published.digest}
    assert published.moved == tuple(plan.moves(_PLANNED))
    assert published.built == tuple(_STEPS)
    assert set(published.platforms) == {"linux/amd64", "linux/arm64"}


def test_a_manifest_list_tells_its_version_and_has_each_platform_with_its_attestation(
    publisher: Publisher,
) -> None:
    (published,) = _run(publisher)

    document = publisher.registry.document("2.1.330")
    assert document["annotations"][VERSION] == "2.1.330"
    assert document["annotations"][REVISION] == "c0ffee"
    entries = document["manifests"]
    assert [e["platform"]["architecture"] for e in entries] == [
        "amd64",
        "unknown",
        "arm64",
        "unknown",
    ]
    assert [e["digest"] for e in entries[::2]] == list(published.platforms.values())
    assert [e["annotations"]["vnd.docker.reference.digest"] for e in entries[1::2]] == list(
        published.platforms.values()
    )


def test_nobody_else_says_which_version_it_is(publisher: Publisher) -> None:
    # The ladder goes by it.
    publisher.publish(_PLANNED, annotations={VERSION: "9.9.9"})

    assert _named(publisher, "latest") == "2.1.330"


def test_an_image_is_attested_with_its_provenance_and_its_bill_of_materials(
    publisher: Publisher,
) -> None:
    (published,) = _run(publisher)

    registry = publisher.registry
    entry = registry.document("2.1.330")["manifests"][3]
    layers = registry.document(entry["digest"])["layers"]
    statements = [json.loads(registry.blob(layer["digest"])) for layer in layers]
    assert [s["predicateType"] for s in statements] == [
        "https://slsa.dev/provenance/v0.2",
        "https://spdx.dev/Document",
    ]
    digest = published.platforms["linux/arm64"].removeprefix("sha256:")
    assert [s["subject"][0]["digest"] for s in statements] == [{"sha256": digest}] * 2
    assert statements[1]["predicate"] == {"name": _ARM64}


def test_without_attestations_the_images_are_the_same(publisher: Publisher) -> None:
    other = Publisher()

    (published,) = _run(publisher)
    (plain,) = other.publish(_PLANNED, attesting=False)

    assert plain.platforms == published.platforms
    entries = other.registry.document("2.1.330")["manifests"]
    assert [e["platform"]["architecture"] for e in entries] == ["amd64", "arm64"]


def test_the_same_plan_gives_the_same_digests(publisher: Publisher) -> None:
    other = Publisher()

    assert _run(publisher) == _run(other)
    assert publisher.registry.tags_held == other.registry.tags_held


def test_an_image_stands_on_the_base_that_was_pushed(publisher: Publisher) -> None:
    _run(publisher)

    for image in _RELEASE.images:
        assert image.base
        base = publisher.registry.document(image.base.tag)["manifests"][0]
        assert base["platform"]["architecture"] == image.platform.architecture
        assert publisher.workshop.standing[str(image)] == base["digest"]
        assert publisher.workshop.standing[str(image.base)] == ""


def test_an_immutable_tag_is_given_after_verification_and_moving_ones_after_all_that(
    publisher: Publisher,
) -> None:
    _run(publisher)

    expected = []
    for image in _RELEASE.images:
        assert image.base
        for one in (image.base, image):
            expected += [f"make {one}", f"verify {one}", f"tag {one.tag}"]
    expected.append(f"tag {_RELEASE.tag}")
    assert publisher.events == [*expected, *(f"tag {tag}" for tag in plan.moves(_PLANNED))]


def test_a_second_run_finds_all_of_it_done(publisher: Publisher) -> None:
    first = _run(publisher)
    before = publisher.registry.tags_held

    (again,) = _run(publisher)

    assert publisher.events == []
    assert (again.built, again.moved) == ((), ())
    assert (again.digest, again.platforms) == (first[0].digest, first[0].platforms)
    assert publisher.registry.tags_held == before


@pytest.mark.parametrize("bad", _STEPS)
def test_a_platform_that_fails_gets_no_name_and_nothing_moves(
    publisher: Publisher, bad: str
) -> None:
    publisher.bad.add(bad)

    with pytest.raises(VerificationFailedError, match="another CLI"):
        _run(publisher)

    immutable = {str(i): i.tag for image in _RELEASE.images for i in (image, image.base) if i}
    done = _STEPS[: _STEPS.index(bad)]
    assert set(publisher.registry.tags_held) == {immutable[name] for name in done}


def test_after_a_failure_only_what_failed_is_done_again(publisher: Publisher) -> None:
    publisher.bad.add(_ARM64)
    with pytest.raises(VerificationFailedError):
        _run(publisher)
    publisher.bad.clear()

    (published,) = _run(publisher)

    assert publisher.happened("make") == [_ARM64]
    assert published.built == (_ARM64,)
    assert set(publisher.registry.tags_held) == set(plan.tags_of(_PLANNED))


def test_of_several_releases_none_moves_if_one_fails(publisher: Publisher) -> None:
    planned = _plan("2.0.9", "2.1.330")
    _run(publisher, _plan("2.0.1"))
    before = publisher.registry.tags_held
    publisher.bad.add(_ARM64)

    with pytest.raises(VerificationFailedError):
        _run(publisher, planned)

    after = publisher.registry.tags_held
    assert {tag: after[tag] for tag in before} == before
    assert not set(after) & (set(plan.moves(planned)) - set(before))
    # Joined, which nobody sees; the one that failed is not.
    assert planned[0].tag in after
    assert planned[1].tag not in after


@pytest.mark.parametrize(
    "label",
    [
        contract.LABEL_CONTRACT,
        contract.LABEL_VERSION,
        contract.LABEL_VARIANT,
        contract.LABEL_PLATFORM,
        contract.LABEL_USER,
        contract.LABEL_SHA256,
        contract.LABEL_BUILD_ID,
        contract.LABEL_BASE_ID,
    ],
)
def test_a_wrong_label_stops_it(publisher: Publisher, label: str) -> None:
    publisher.workshop.spoilt[_ARM64] = {label: "wrong"}

    with pytest.raises(VerificationFailedError, match=label):
        _run(publisher)

    assert not set(publisher.registry.tags_held) & {_RELEASE.tag, *plan.moves(_PLANNED)}


def test_a_base_that_is_too_large_stops_it(publisher: Publisher) -> None:
    small = replace(SLIM, budget=1000)
    publisher.workshop.blown[_BASE_ARM64] = 1000

    with pytest.raises(VerificationFailedError, match="all but the CLI has"):
        _run(publisher, _plan("2.1.330", variant=small))

    assert not any("arm64" in tag for tag in publisher.registry.tags_held)


def test_a_release_that_is_there_is_verified_again(publisher: Publisher) -> None:
    _run(publisher)
    entries = publisher.registry.document(_RELEASE.tag)["manifests"]
    lame = {**publisher.registry.document(_RELEASE.tag), "manifests": entries[:2]}
    publisher.registry.push_manifest(json.dumps(lame).encode(), lame["mediaType"], _RELEASE.tag)
    before = publisher.registry.tags_held

    with pytest.raises(VerificationFailedError, match=r"lacks linux/arm64"):
        _run(publisher)

    assert publisher.registry.tags_held == before


def test_a_platform_that_somebody_else_put_there_is_refused(publisher: Publisher) -> None:
    _run(publisher, _plan("2.1.329"))
    theirs = publisher.registry.manifests[_plan("2.1.329")[0].images[0].tag]
    publisher.registry.push_manifest(theirs.data, theirs.media_type, _RELEASE.images[0].tag)

    with pytest.raises(VerificationFailedError):
        _run(publisher)

    assert _named(publisher, "latest") == "2.1.329"
    assert not {_RELEASE.tag, "2.1.330"} & set(publisher.registry.tags_held)


def test_a_single_manifest_under_a_platforms_name_is_an_error(publisher: Publisher) -> None:
    _run(publisher, _plan("2.1.329"))
    entry = publisher.registry.document("2.1.329")["manifests"][0]
    single = publisher.registry.manifests[entry["digest"]]
    publisher.registry.push_manifest(single.data, MANIFEST, _RELEASE.images[0].tag)

    with pytest.raises(PinnaceError):
        _run(publisher)


def test_the_ladder_never_goes_back(publisher: Publisher) -> None:
    _run(publisher)

    (older,) = _run(publisher, _plan("2.1.329"))

    assert older.moved == ("2.1.329-slim", "2.1.329")
    assert {_named(publisher, tag) for tag in _LADDER} == {"2.1.330"}


def test_an_older_line_takes_only_its_own_step(publisher: Publisher) -> None:
    _run(publisher)

    (older,) = _run(publisher, _plan("2.0.9"))
    (oldest,) = _run(publisher, _plan("1.9.9"))

    assert older.moved == ("2.0.9-slim", "2.0.9", "2.0-slim", "2.0")
    assert oldest.moved == ("1.9.9-slim", "1.9.9", "1.9-slim", "1.9", "1-slim", "1")
    assert {_named(publisher, tag) for tag in _LADDER} == {"2.1.330"}


def test_a_newer_version_takes_the_steps_that_it_may(publisher: Publisher) -> None:
    _run(publisher)

    (newer,) = _run(publisher, _plan("2.2.0"))

    assert newer.moved[2:] == ("2.2-slim", "2.2", "2-slim", "2", "latest-slim", "latest")
    assert _named(publisher, "2.1") == "2.1.330"
    assert _named(publisher, "latest") == "2.2.0"


def test_steps_that_were_missed_are_taken_later_in_whatever_order(publisher: Publisher) -> None:
    _run(publisher)
    # As if somebody had stopped it half-way.
    for tag in ("2", "latest"):
        publisher.registry.manifests.pop(tag)

    (older,) = _run(publisher, _plan("2.1.329"))
    assert older.moved == ("2.1.329-slim", "2.1.329", "2", "latest")
    (newer,) = _run(publisher)

    assert newer.moved == ("2", "latest")
    assert {_named(publisher, tag) for tag in _LADDER} == {"2.1.330"}


def test_versions_are_compared_as_numbers(publisher: Publisher) -> None:
    _run(publisher, _plan("2.1.10"))
    _run(publisher, _plan("2.1.9"))

    assert _named(publisher, "2.1") == "2.1.10"


def test_a_version_on_a_refreshed_base_takes_all_its_names_anew(publisher: Publisher) -> None:
    (before,) = _run(publisher)
    refreshed = recipes.BASE.model_copy(update={"refreshed": date(2026, 3, 4)})

    (after,) = _run(publisher, _plan("2.1.330", base=refreshed))

    assert after.digest != before.digest
    assert after.moved == tuple(plan.moves(_PLANNED))
    assert publisher.registry.tags_held[_RELEASE.tag] == before.digest, "immutable"


def test_a_channel_may_go_back(publisher: Publisher) -> None:
    _run(publisher, _plan("2.1.330", channels={"stable": CliVersion(2, 1, 330)}))

    _run(publisher, _plan("2.1.329", channels={"stable": CliVersion(2, 1, 329)}))

    assert _named(publisher, "stable") == _named(publisher, "stable-slim") == "2.1.329"
    assert _named(publisher, "latest") == "2.1.330"


def test_several_versions_at_once_share_a_base_and_the_newest_takes_the_ladder(
    publisher: Publisher,
) -> None:
    published = _run(publisher, _plan("2.0.9", "2.1.329", "2.1.330"))

    assert publisher.happened("make").count(_BASE_AMD64) == 1
    assert [set(p.moved) for p in published] == [
        {"2.0.9-slim", "2.0.9", "2.0-slim", "2.0"},
        {"2.1.329-slim", "2.1.329"},
        {"2.1.330-slim", "2.1.330", *_LADDER},
    ]


def test_another_variant_moves_none_of_the_usual_ones_names(publisher: Publisher) -> None:
    _run(publisher)
    before = publisher.registry.tags_held

    (dev,) = _run(publisher, _plan("2.2.0", variant=DEV))

    assert dev.moved == ("2.2.0-dev", "2.2-dev", "2-dev", "latest-dev")
    after = publisher.registry.tags_held
    assert {tag: after[tag] for tag in before} == before


def test_bases_are_published_alone_and_used_by_what_stands_on_them(publisher: Publisher) -> None:
    (base,) = _run(publisher, plan.base_releases([request()], DISTRIBUTIONS))
    assert base.moved == ("base-slim",)
    assert VERSION not in publisher.registry.document("base-slim")["annotations"]

    _run(publisher)

    assert publisher.happened("make") == [_AMD64, _ARM64]
    assert _named(publisher, "latest") == "2.1.330"


def test_staging_names_platforms_and_nothing_else(publisher: Publisher) -> None:
    publisher.publish(_PLANNED, stage_only=True)

    immutable = {i.tag for image in _RELEASE.images for i in (image, image.base) if i}
    assert set(publisher.registry.tags_held) == immutable

    (published,) = _run(publisher)
    assert publisher.happened("make") == []
    assert published.built == ()
    assert published.moved == tuple(plan.moves(_PLANNED))


def test_platforms_may_be_staged_by_different_machines(publisher: Publisher) -> None:
    for platform in SUPPORTED:
        alone = request(recipes.native(), platforms=(platform,))
        publisher.publish(plan.releases([alone], DISTRIBUTIONS, {}), stage_only=True)

    _run(publisher)

    assert publisher.happened("make") == []


@pytest.mark.parametrize("image", _STEPS)
def test_an_immutable_name_that_another_machine_gave_meanwhile_stays(
    publisher: Publisher, image: str
) -> None:
    # Whose packages are of another minute: the same recipe, other bytes.
    other = Publisher()
    other.registry = publisher.registry
    other.workshop.blown = dict.fromkeys(_STEPS, 1)
    publisher.meanwhile[image] = lambda: other.publish(_PLANNED, stage_only=True)

    (published,) = _run(publisher)

    assert other.happened("make")
    tags = publisher.registry.tags_held
    for one in _RELEASE.images:
        entries = publisher.registry.document(one.tag)["manifests"]
        assert entries[0]["digest"] == published.platforms[str(one.platform)]
        assert entries[0] in publisher.registry.document("latest")["manifests"]
    assert tags["latest"] == published.digest
    immutable = {i.tag for one in _RELEASE.images for i in (one, one.base) if i}
    given = [tag for tag in publisher.happened("tag") if tag in immutable]
    assert len(given) == len(set(given)), "each once"


def test_a_list_is_signed_by_digest_before_anything_moves(publisher: Publisher) -> None:
    (published,) = publisher.publish(_PLANNED, pen=Pen(publisher.events))

    (signed,) = publisher.happened("sign")
    assert signed == f"{REPOSITORY}@{published.digest}"
    moves = [f"tag {tag}" for tag in plan.moves(_PLANNED)]
    assert publisher.events[-len(moves) - 1 :] == [f"sign {signed}", *moves]


def test_without_a_signature_nothing_moves(publisher: Publisher) -> None:
    with pytest.raises(SigningFailedError):
        publisher.publish(_PLANNED, pen=Pen(publisher.events, breaks=True))

    assert not set(publisher.registry.tags_held) & set(plan.moves(_PLANNED))


_SIGNATURE: Final = {"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"}
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"


def _refer(
    publisher: Publisher, subject: str, *, tells: bool, kind: str = _BUNDLE, **annotations: str
) -> None:
    """Let something refer to a manifest; the list may leave its annotations out."""
    document: dict[str, Any] = {"mediaType": MANIFEST, "annotations": annotations}
    digest = publisher.registry.push_manifest(
        json.dumps(document).encode(), MANIFEST, f"sha256:{'1' * 64}"
    )
    entry: dict[str, Any] = {"digest": digest, "artifactType": kind}
    entry |= {"annotations": annotations} if tells else {}
    publisher.registry.referring[subject] = [entry]


@pytest.mark.parametrize("tells", [True, False])
def test_what_is_signed_is_not_signed_again(publisher: Publisher, *, tells: bool) -> None:
    (published,) = _run(publisher)
    _refer(publisher, published.digest, tells=tells, **_SIGNATURE)

    publisher.publish(_PLANNED, pen=Pen(publisher.events))

    assert publisher.events == []


def test_what_an_older_cosign_has_signed_is_not_signed_again(publisher: Publisher) -> None:
    (published,) = _run(publisher)
    publisher.stranger(f"{published.digest.replace(':', '-')}.sig")

    publisher.publish(_PLANNED, pen=Pen(publisher.events))

    assert publisher.events == []


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize(
    ("kind", "annotations"),
    [
        (_BUNDLE, {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"}),
        (_BUNDLE, {}),
        ("application/vnd.example.signature", _SIGNATURE),
    ],
    ids=["attestation", "unknown", "another kind"],
)
def test_not_everything_that_refers_to_a_list_is_its_signature(
    publisher: Publisher, kind: str, annotations: dict[str, str], *, tells: bool
) -> None:
    (published,) = _run(publisher)
    _refer(publisher, published.digest, tells=tells, kind=kind, **annotations)

    publisher.publish(_PLANNED, pen=Pen(publisher.events))

    assert publisher.happened("sign") == [f"{REPOSITORY}@{published.digest}"]


@pytest.mark.parametrize("tag", ["2.1", "2", "latest"])
def test_a_step_that_names_a_strangers_image_is_left_alone(publisher: Publisher, tag: str) -> None:
    theirs = publisher.stranger(tag)

    with pytest.raises(UnsafeRequestError, match=rf"the tag {tag} names") as caught:
        _run(publisher)

    assert publisher.registry.tags_held[tag] == theirs
    assert caught.value.exit_code == 77
    assert "delete the tag" in caught.value.hint


@pytest.mark.parametrize("tag", ["2.1", "2", "latest"])
def test_a_strangers_image_is_noticed_before_anything_is_done(
    publisher: Publisher, tag: str
) -> None:
    publisher.stranger(tag)

    with pytest.raises(UnsafeRequestError):
        _run(publisher)

    assert publisher.events == []
    assert set(publisher.registry.tags_held) == {tag}


@pytest.mark.parametrize("version", ["24.04", "trixie", "3.0.0-rc.1", ""])
def test_a_stranger_may_have_versions_of_another_kind(publisher: Publisher, version: str) -> None:
    publisher.stranger("latest", **{VERSION: version})

    with pytest.raises(UnsafeRequestError):
        _run(publisher)


def test_what_is_held_is_told_by_tag(publisher: Publisher) -> None:
    assert RemoteState(publisher.registry).held(_PLANNED) == {}
    (published,) = _run(publisher)

    there = RemoteState(publisher.registry).held(_PLANNED)

    assert set(there) == set(plan.tags_of(_PLANNED))
    both = frozenset({"amd64", "arm64"})
    newest = CliVersion(2, 1, 330)
    assert there["latest"] == plan.Held(
        published.digest, newest, architectures=both, refreshed="2026-01-01"
    )
    assert plan.actions(_PLANNED, there) == []


def test_an_older_version_that_was_published_leaves_nothing_to_do(publisher: Publisher) -> None:
    older = _plan("2.1.329")
    _run(publisher)
    _run(publisher, older)

    assert plan.actions(older, RemoteState(publisher.registry).held(older)) == []
