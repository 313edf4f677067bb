"""What is to be published, under which names, in which order, and what of it is left to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder.publish import plan
from pinnace_builder.publish.plan import Held
from pinnace_builder.render import base_id, build_id
from pinnace_core.errors import UnsafeRequestError
from pinnace_images.versions import CliVersion
from tests.unit.builder import recipes
from tests.unit.builder.recipes import AMD64, ARM64, DEV, DISTRIBUTIONS, request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pinnace_builder.publish.plan import Release
    from pinnace_builder.render import ImageRequest

_OLD: Final = request(recipes.native("2.0.9"))
_OLDER: Final = request(recipes.native("2.1.329"))
_NEWER: Final = request(recipes.native("2.1.330"))
_NODE: Final = request(recipes.script("1.0.128"))
_DEV: Final = request(recipes.native("2.1.330"), variant=DEV)
_SOMETHING: Final = Held("sha256:1", ours=False)


def _planned(
    *requests: ImageRequest, channels: Mapping[str, CliVersion] | None = None
) -> tuple[Release, ...]:
    return plan.releases(requests, DISTRIBUTIONS, channels or {})


def _told(actions: Iterable[plan.Action]) -> list[tuple[str, str, str]]:
    return [(action.verb, action.subject, action.tag) for action in actions]


def _moves_left(planned: Sequence[Release], held: Mapping[str, Held]) -> list[str]:
    return [a.tag for a in plan.actions(planned, held) if a.verb == "move"]


def _moves(planned: Sequence[Release]) -> dict[str, str]:
    return {tag: str(release) for tag, release in plan.moves(planned).items()}


def _held(planned: Sequence[Release], *, but: Iterable[str] = ()) -> dict[str, Held]:
    """Return a registry after publishing, without some tags."""
    found: dict[str, Held] = {}
    for release in planned:
        tags = [tag for tag in plan.tags_of([release]) if tag not in plan.moves(planned)]
        moved = [tag for tag, meant in plan.moves(planned).items() if meant is release]
        found |= dict.fromkeys((*tags, *moved), Held(f"digest of {release}", release.version))
    return {tag: held for tag, held in found.items() if tag not in set(but)}


def test_a_version_is_a_manifest_list_with_an_image_for_each_platform() -> None:
    (release,) = _planned(_NEWER)

    assert [image.platform for image in release.images] == [AMD64, ARM64]
    assert release.version == CliVersion(2, 1, 330)
    assert str(release) == "2.1.330 slim"
    assert [str(image) for image in release.images] == [
        "2.1.330 slim (linux/amd64)",
        "2.1.330 slim (linux/arm64)",
    ]


def test_every_platform_stands_on_its_own_distribution() -> None:
    (release,) = _planned(_NEWER)

    for image in release.images:
        assert image.base
        digest = DISTRIBUTIONS[image.platform].digest
        assert image.id == build_id(_NEWER, image.platform, digest)
        assert image.base.id == base_id(_NEWER, image.platform, digest)
        assert image.tag == f"2.1.330-slim-{image.platform.architecture}-{image.id[:12]}"
        assert image.base.tag == f"base-slim-{image.platform.architecture}-{image.base.id[:12]}"


def test_names_do_not_depend_on_where_the_distribution_came_from() -> None:
    mirrored = {
        platform: replace(base, reference=f"mirror.example/hub/{base.reference}")
        for platform, base in DISTRIBUTIONS.items()
    }

    there, here = plan.releases([_NEWER], mirrored, {}), _planned(_NEWER)
    assert plan.tags_of(there) == plan.tags_of(here)


@pytest.mark.parametrize(
    "other",
    [
        request(base=recipes.BASE.model_copy(update={"refreshed": date(2026, 5, 6)})),
        recipes.repacked(ARM64, executable_sha256="4" * 64),
        request(platforms=(AMD64,)),
    ],
    ids=["refresh", "one platform's package", "fewer platforms"],
)
def test_another_content_is_another_list_under_the_same_moving_names(other: ImageRequest) -> None:
    (before,), (after,) = _planned(_NEWER), _planned(other)

    assert before.tag != after.tag
    assert (before.moving, before.ladder) == (after.moving, after.ladder)


def test_the_names_of_the_usual_variant() -> None:
    (release,) = _planned(_NEWER)

    assert release.moving == ("2.1.330-slim", "2.1.330")
    assert release.ladder == ("2.1-slim", "2.1", "2-slim", "2", "latest-slim", "latest")


def test_another_variant_has_names_of_its_own_only() -> None:
    (release,) = _planned(_DEV)

    assert release.moving == ("2.1.330-dev",)
    assert release.ladder == ("2.1-dev", "2-dev", "latest-dev")


def test_a_channel_takes_its_tags_to_the_version_it_means() -> None:
    channels = {"stable": CliVersion(2, 1, 329), "next": CliVersion(2, 1, 330)}
    older, newer = _planned(_NEWER, _OLDER, channels=channels)

    assert older.moving == ("2.1.329-slim", "2.1.329", "stable-slim", "stable")
    assert newer.moving == ("2.1.330-slim", "2.1.330", "next-slim", "next")


def test_a_channel_that_means_another_version_is_left_alone() -> None:
    (release,) = _planned(_NEWER, channels={"stable": CliVersion(2, 1, 1)})

    assert not any("stable" in tag for tag in plan.tags_of([release]))


def test_a_base_has_no_version_and_no_ladder() -> None:
    (release,) = plan.base_releases([_NEWER], DISTRIBUTIONS)

    assert (release.version, release.ladder) == (None, ())
    assert release.moving == ("base-slim",)
    assert release.tag.startswith("base-slim-")
    assert str(release) == "base slim"
    assert [str(image) for image in release.images] == [
        "base slim (linux/amd64)",
        "base slim (linux/arm64)",
    ]


def test_a_base_is_planned_once_whatever_stands_on_it() -> None:
    dev_node = request(recipes.script("1.0.128"), variant=DEV)
    asked = [_OLDER, _NEWER, _NODE, request(recipes.script("0.2.9")), _DEV, dev_node]

    bases = plan.base_releases(asked, DISTRIBUTIONS)

    assert [str(base) for base in bases] == ["base slim", "base slim-node", "base dev"]
    assert [base.moving for base in bases] == [("base-slim",), ("base-slim-node",), ("base-dev",)]


def test_a_base_is_the_same_whether_it_is_published_alone_or_below_a_version() -> None:
    (alone,), (release,) = plan.base_releases([_OLDER], DISTRIBUTIONS), _planned(_NEWER)

    below = [image.base.tag for image in release.images if image.base]
    assert [image.tag for image in alone.images] == below


def test_what_is_exact_moves_first_and_what_is_general_last() -> None:
    stable = {"stable": CliVersion(2, 1, 330)}

    assert list(_moves(_planned(_NEWER, channels=stable))) == [
        "2.1.330-slim",
        "2.1.330",
        "stable-slim",
        "stable",
        "2.1-slim",
        "2.1",
        "2-slim",
        "2",
        "latest-slim",
        "latest",
    ]


@pytest.mark.parametrize("order", [(_OLD, _OLDER, _NEWER), (_NEWER, _OLD, _OLDER)])
def test_of_several_versions_the_newest_takes_each_step(order: tuple[ImageRequest, ...]) -> None:
    moves = _moves(_planned(*order))

    exact = {tag: moves.pop(tag) for tag in list(moves)[:6]}
    assert exact == {
        tag: f"{version} slim"
        for version in ("2.0.9", "2.1.329", "2.1.330")
        for tag in (f"{version}-slim", version)
    }
    newest = dict.fromkeys(("2.1-slim", "2.1", "2-slim", "2", "latest-slim", "latest"))
    assert moves == {
        **dict.fromkeys(("2.0-slim", "2.0"), "2.0.9 slim"),
        **dict.fromkeys(newest, "2.1.330 slim"),
    }


def test_versions_are_compared_as_numbers() -> None:
    nine, ten = request(recipes.native("2.1.9")), request(recipes.native("2.1.10"))

    assert _moves(_planned(ten, nine))["2.1"] == "2.1.10 slim"


def test_two_variants_do_not_touch_each_others_names() -> None:
    moves = _moves(_planned(_NEWER, _DEV))

    for tag, subject in moves.items():
        assert subject == ("2.1.330 dev" if tag.endswith("-dev") else "2.1.330 slim")
    assert {"latest", "latest-slim", "latest-dev"} <= set(moves)


@pytest.mark.parametrize(
    "asked",
    [
        (_NEWER, _DEV),
        pytest.param(
            (_OLD, _NEWER),
        ),
        pytest.param(
            (_NODE, _OLDER, _NEWER, _DEV),
        ),
    ],
    ids=["two variants", "two lines", "all"],
)
def test_no_step_moves_before_a_finer_one_of_the_same_variant(
    asked: tuple[ImageRequest, ...],
) -> None:
    def generality(tag: str) -> int:
        step = tag.partition("-")[0]
        return 9 if step == "latest" else -step.count(".")

    tags = list(plan.moves(_planned(*asked)))
    for variant in ("slim", "dev", ""):
        steps = [generality(tag) for tag in tags if tag.partition("-")[2] == variant]
        assert steps == sorted(steps)


def test_nothing_is_there_yet() -> None:
    planned = _planned(_NEWER)
    (release,) = planned
    images = release.images
    bases = [image.base.tag for image in images if image.base]

    assert _told(plan.actions(planned, {})) == [
        ("build", "base slim (linux/amd64)", bases[0]),
        ("build", "2.1.330 slim (linux/amd64)", images[0].tag),
        ("build", "base slim (linux/arm64)", bases[1]),
        ("build", "2.1.330 slim (linux/arm64)", images[1].tag),
        ("join", "2.1.330 slim", release.tag),
        *(("move", "2.1.330 slim", tag) for tag in (*release.moving, *release.ladder)),
    ]


@pytest.mark.parametrize(
    "planned",
    [
        _planned(_NEWER),
        _planned(_NODE, _DEV),
        plan.base_releases([_NEWER, _NODE], DISTRIBUTIONS),
        (),
    ],
    ids=["a version", "two variants", "bases", "nothing"],
)
def test_all_is_there_and_nothing_is_left(planned: tuple[Release, ...]) -> None:
    assert plan.actions(planned, _held(planned)) == []


def test_of_several_versions_that_are_all_there_nothing_is_left() -> None:
    planned = _planned(_OLD, _OLDER, _NEWER)

    assert plan.actions(planned, _held(planned)) == []


def test_a_base_that_is_there_is_not_built() -> None:
    planned = _planned(_NEWER)
    bases = plan.base_releases([_NEWER], DISTRIBUTIONS)

    subjects = [s.subject for s in plan.actions(planned, _held(bases)) if s.verb == "build"]

    assert subjects == ["2.1.330 slim (linux/amd64)", "2.1.330 slim (linux/arm64)"]


def test_a_platform_that_is_there_is_not_built_and_neither_is_its_base() -> None:
    planned = _planned(_NEWER)
    amd64 = planned[0].images[0].tag

    subjects = [s.subject for s in plan.actions(planned, {amd64: _SOMETHING}) if s.verb == "build"]

    assert subjects == ["base slim (linux/arm64)", "2.1.330 slim (linux/arm64)"]


def test_a_list_that_is_there_needs_no_platform_by_name() -> None:
    planned = _planned(_NEWER)

    assert _told(plan.actions(planned, {planned[0].tag: _SOMETHING})) == [
        ("move", "2.1.330 slim", tag) for tag in (*planned[0].moving, *planned[0].ladder)
    ]


def test_tags_that_point_elsewhere_or_nowhere_are_moved() -> None:
    planned = _planned(_NEWER)
    held = _held(planned, but=["2.1"]) | {"latest": Held("sha256:1", CliVersion(2, 1, 329))}

    assert _told(plan.actions(planned, held)) == [
        ("move", "2.1.330 slim", "2.1"),
        ("move", "2.1.330 slim", "latest"),
    ]


def test_an_older_version_that_comes_later_takes_no_step_of_the_ladder() -> None:
    older, there = _planned(_OLDER), _held(_planned(_NEWER))

    moved = [step.tag for step in plan.actions(older, there) if step.verb == "move"]

    assert moved == ["2.1.329-slim", "2.1.329"]
    assert plan.actions(older, _held(older) | there) == []


def test_an_older_line_takes_the_step_that_nobody_else_has() -> None:
    there = _held(_planned(_NEWER))

    moved = [s.tag for s in plan.actions(_planned(_OLD), there) if s.verb == "move"]

    assert moved == ["2.0.9-slim", "2.0.9", "2.0-slim", "2.0"]


def test_the_same_version_made_anew_takes_every_step() -> None:
    planned, refreshed = (
        _planned(_NEWER),
        recipes.BASE.model_copy(update={"refreshed": date(2026, 5, 6)}),
    )
    anew = _planned(request(recipes.native("2.1.330"), base=refreshed))

    moved = [s.tag for s in plan.actions(anew, _held(planned)) if s.verb == "move"]

    assert moved == list(plan.moves(planned))


def test_an_older_version_may_take_a_channel_back() -> None:
    stable = {"stable": CliVersion(2, 1, 330)}
    there = _held(_planned(_NEWER, channels=stable))
    older = _planned(_OLDER, channels={"stable": CliVersion(2, 1, 329)})

    moved = [s.tag for s in plan.actions(older, there) if s.verb == "move"]

    assert moved == ["2.1.329-slim", "2.1.329", "stable-slim", "stable"]


@pytest.mark.parametrize("tag", ["2.1", "2", "latest-slim", "latest"])
def test_a_step_that_names_something_unknown_is_refused(tag: str) -> None:
    planned = _planned(_NEWER)

    with pytest.raises(UnsafeRequestError, match=f"the tag {tag} names") as caught:
        plan.actions(planned, {tag: _SOMETHING})

    assert caught.value.exit_code == 77
    assert "delete the tag" in caught.value.hint


def test_no_name_goes_back_to_an_older_base() -> None:
    planned = _planned(_NEWER)
    later = Held("sha256:1", CliVersion(2, 1, 330), refreshed="2026-02-02")

    moved = _moves_left(planned, dict.fromkeys(("2.1.330", "2.1", "latest"), later))

    assert not {"2.1.330", "2.1", "latest"} & set(moved)


def test_a_newer_version_takes_a_step_whatever_its_base() -> None:
    planned = _planned(_NEWER)
    older = Held("sha256:1", CliVersion(2, 1, 329), refreshed="2026-02-02")

    assert "2.1" in _moves_left(planned, {"2.1": older})


def test_a_step_does_not_go_to_a_release_that_is_for_fewer_platforms() -> None:
    planned = _planned(_NEWER)
    more = frozenset({"amd64", "arm64", "riscv64"})
    older = Held("sha256:1", CliVersion(2, 1, 329), architectures=more)

    assert "2.1" not in _moves_left(planned, {"2.1": older})


def test_a_name_never_loses_a_platform() -> None:
    planned = _planned(_NEWER)
    both = frozenset({"amd64", "arm64", "riscv64"})

    with pytest.raises(UnsafeRequestError, match="riscv64") as caught:
        _moves_left(planned, {"2.1.330": Held("sha256:1", architectures=both)})
    assert "--stage" in caught.value.hint


def test_a_step_that_stays_where_it_is_may_be_for_more_platforms() -> None:
    planned = _planned(_OLDER)
    more = frozenset({"amd64", "arm64", "riscv64"})
    newer = Held("sha256:1", CliVersion(2, 1, 330), architectures=more)

    moved = _moves_left(planned, {"2.1": newer})

    assert "2.1" not in moved


def test_an_exact_name_that_is_somebody_elses_is_refused_too() -> None:
    planned = _planned(_NEWER)

    with pytest.raises(UnsafeRequestError, match=r"tag 2\.1\.330 "):
        _moves_left(planned, {"2.1.330": _SOMETHING, planned[0].tag: Held("sha256:2")})


def test_a_base_that_several_versions_stand_on_is_built_once() -> None:
    actions = plan.actions(_planned(_OLDER, _NEWER), {})

    builds = [step.subject for step in actions if step.verb == "build"]
    assert builds.count("base slim (linux/amd64)") == 1
    assert builds.count("base slim (linux/arm64)") == 1
    assert len(builds) == 6
    assert builds.index("base slim (linux/amd64)") < builds.index("2.1.329 slim (linux/amd64)")


def test_everything_is_built_and_joined_before_anything_moves() -> None:
    verbs = [action.verb for action in plan.actions(_planned(_OLD, _NEWER, _DEV), {}, signed=())]

    for later in ("sign", "move"):
        before = verbs[: verbs.index(later)]
        assert not set(verbs[verbs.index(later) :]) & set(before), "one kind after the other"
    assert verbs.index("sign") < verbs.index("move")
    assert verbs.count("sign") == verbs.count("join")


def test_what_is_signed_is_not_signed_again_and_nothing_is_unless_it_is_asked_for() -> None:
    planned = _planned(_OLDER, _NEWER)
    held = _held(planned)

    def signs(signed: set[str] | None) -> list[str]:
        left = plan.actions(planned, held, signed=signed)
        return [action.subject for action in left if action.verb == "sign"]

    assert signs(None) == []
    assert signs({"digest of 2.1.329 slim"}) == ["2.1.330 slim"]
    assert signs({one.digest for one in held.values()}) == []


def test_staging_builds_platforms_whatever_lists_there_are() -> None:
    planned = _planned(_NEWER)
    amd64, arm64 = planned[0].images

    left = plan.builds(planned, _held(planned, but=[amd64.tag]))

    assert _told(left) == [("build", str(amd64), amd64.tag)]
    assert plan.builds(planned, _held(planned)) == []
    assert arm64.tag not in {action.tag for action in left}


def test_a_plan_names_all_tags_that_it_may_give_each_once() -> None:
    planned = _planned(_OLDER, _NEWER)
    names = plan.tags_of(planned)

    assert len(set(names)) == len(names)
    assert {step.tag for step in plan.actions(planned, {})} <= set(names)
