"""Which image a launch takes, or how it gets one, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pinnace.image.claims import Wanted, version_of
from pinnace.image.decide import (
    ImageDecision,
    candidates,
    decide_image,
    missing,
    summary,
)
from pinnace.image.recipe import recipe
from pinnace_core.errors import BadProjectImageError, PinnaceError, VerificationFailedError
from pinnace_core.image import Image
from pinnace_images import contract
from pinnace_images.versions import CliVersion
from tests.support import hosts
from tests.support.launches import ImageStore, context

if TYPE_CHECKING:
    from pathlib import Path

_WANTED = Wanted(CliVersion.parse(hosts.VERSION), "slim", "linux/amd64")
_USUAL = "pinnace/claude:9.9.9-slim"
_OTHER = hosts.image("sha256:0")._replace(tags=("mine/claude:1",))


def _decide(*images: Image, **settings: Any) -> ImageDecision:
    return decide_image(context(ImageStore(*images), **settings), _WANTED)


def select(images: list[Image], wanted: Wanted) -> Image | None:
    """The plain choice among all images."""
    return decide_image(context(ImageStore(*images)), wanted).image


from_engine = Image.from_engine


def test_the_newest_wins() -> None:
    old = hosts.image("sha256:ff", created="2026-01-01T00:00:00Z")
    new = hosts.image("sha256:aa", created="2026-01-02T00:00:00Z")

    assert select([old, new], _WANTED) == new
    assert select([new, old], _WANTED) == new


def test_the_newest_wins_by_number_not_by_spelling() -> None:
    common = {"Labels": hosts.labels(), "RepoTags": ["pinnace/claude:9.9.9"]}
    old = from_engine({"Id": "sha256:ff", "Created": 999_999_999, **common})
    new = from_engine({"Id": "sha256:aa", "Created": 1_000_000_000, **common})

    assert select([old, new], _WANTED) == new


@pytest.mark.parametrize(
    "tags", [(), ("stranger/tool:2",), ("pinnace/claude:building-ab12",), ("x/pinnace/claude:1",)]
)
def test_labels_alone_do_not_make_an_image_ours(tags: tuple[str, ...]) -> None:
    item = {"Id": "sha256:a", "Labels": hosts.labels(), "RepoTags": tags, "Created": 1}

    assert select([from_engine(item)], _WANTED) is None


def test_a_name_for_the_time_of_a_build_is_none_for_people() -> None:
    names = ["pinnace/claude:building-ab12", "pinnace/claude:9.9.9"]

    assert from_engine({"Id": "sha256:a", "RepoTags": names}).tags == ("pinnace/claude:9.9.9",)


def test_a_tie_goes_to_the_greatest_id() -> None:
    tied = [hosts.image(f"sha256:{digit}", created="1") for digit in "bca"]

    chosen = select(tied, _WANTED)

    assert chosen is not None
    assert chosen.id == "sha256:c"


@pytest.mark.parametrize(
    "wrong",
    [
        {"variant": "dev"},
        {"platform": "linux/arm64"},
        {"version": "9.9.8"},
        {"version": "v9.9.9"},
        {"version": "9.9"},
        {"version": ""},
        {"contract": "1"},
        {"contract": "2 "},
        {"contract": ""},
    ],
)
def test_an_image_that_does_not_fit_is_passed_over(wrong: dict[str, str]) -> None:
    assert select([hosts.image(**wrong)], _WANTED) is None
    assert select([hosts.image("a", created="9", **wrong), hosts.image()], _WANTED) == hosts.image()


def test_no_images_no_choice() -> None:
    assert select([], _WANTED) is None


@pytest.mark.parametrize("labels", [None, {}, {"pinnace.contract": "1"}, {"other": "x"}])
def test_missing_labels_are_passed_over(labels: dict[str, str] | None) -> None:
    stranger = from_engine({"Id": "sha256:0", "Labels": labels, "Created": 1})

    assert version_of(stranger) is None
    assert select([stranger], _WANTED) is None


@pytest.mark.parametrize("text", ["", "latest", "9.9", "9.9.9-beta", "9.9.9\n", "٩.9.9", "x" * 999])
def test_a_malformed_version_label_is_no_version(text: str) -> None:
    assert version_of(hosts.image(version=text)) is None


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(
            {
                "Id": "sha256:1",
                "Labels": hosts.labels(),
                "RepoTags": ["pinnace/claude:1", "a:2"],
                "Created": 1_700_000_000,
            },
            id="list",
        ),
        pytest.param(
            {
                "Id": "sha256:1",
                "Config": {"Labels": hosts.labels()},
                "RepoTags": ["pinnace/claude:1", "a:2"],
                "Created": "2026-01-01T00:00:00.5Z",
            },
            id="inspect",
        ),
    ],
)
def test_both_shapes_of_json_are_read(item: dict[str, Any]) -> None:
    image = from_engine(item)

    assert image.id == "sha256:1"
    assert version_of(image) == CliVersion(9, 9, 9)
    assert image.labels[contract.LABEL_SHA256] == hosts.SHA256
    assert image.tags == ("pinnace/claude:1", "a:2")
    assert select([image], _WANTED) == image


@pytest.mark.parametrize(
    "item",
    [
        {"Id": "sha256:1", "RepoTags": None, "Labels": None, "Created": 0},
        {"Id": "sha256:1", "Config": None},
        {"Id": "sha256:1", "Config": {"Labels": None}},
    ],
)
def test_an_image_without_names_or_labels_is_read(item: dict[str, Any]) -> None:
    assert from_engine(item).tags == ()
    assert from_engine(item).labels == {}


def test_the_usual_name_is_asked_for_first_and_counts_more_than_age() -> None:
    usual = hosts.image("sha256:1", created="1")._replace(tags=(_USUAL,))
    store = ImageStore(usual, hosts.image("sha256:2", created="2"))

    decision = decide_image(context(store), _WANTED)

    assert (decision.action, decision.reason, decision.image) == ("use", "usual name", usual)
    assert store.asked == [_USUAL]


def test_a_usual_name_on_an_image_that_does_not_fit_counts_nothing() -> None:
    wrong = hosts.image("sha256:1", version="9.9.8")._replace(tags=(_USUAL,))

    decision = _decide(wrong, hosts.image())

    assert (decision.reason, decision.image) == ("newest", hosts.image())


@pytest.mark.parametrize(
    ("settings", "action", "name"),
    [
        ({}, "build", _USUAL),
        ({"repository": "r.example/c"}, "pull", "r.example/c:9.9.9-slim"),
        ({"provision": False}, "fail", _USUAL),
        ({"repository": "r.example/c", "provision": False}, "fail", "r.example/c:9.9.9-slim"),
        ({"packages": ("jq",)}, "build", _USUAL),
        ({"image": "mine/claude:2"}, "pull", "mine/claude:2"),
        ({"image": "mine/claude:2", "provision": False}, "fail", "mine/claude:2"),
    ],
)
def test_how_a_missing_image_is_got(settings: dict[str, Any], action: str, name: str) -> None:
    decision = _decide(**settings)

    assert (decision.image, decision.action, decision.name) == (None, action, name)
    assert name in summary(decision)


def test_an_image_of_any_variant_that_the_settings_name_is_taken() -> None:
    named = hosts.image("sha256:0", variant="dev")._replace(tags=("mine/claude:1",))

    decision = _decide(named, hosts.image(), image="mine/claude:1")

    assert (decision.action, decision.reason, decision.image) == ("use", "setting", named)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("pinnace/claude:9.9.9", VerificationFailedError), ("--all", BadProjectImageError)],
)
def test_what_the_settings_name_and_no_launch_takes_is_a_problem(
    name: str, kind: type[PinnaceError]
) -> None:
    decision = _decide(hosts.image(version="9.9.8"), image=name)

    assert (decision.action, decision.image) == ("fail", None)
    assert isinstance(decision.problem, kind)
    assert summary(decision) == decision.problem.message


def test_what_the_project_adds_is_decided_once_its_base_is_there() -> None:
    made = recipe(hosts.image(), packages=("jq",))
    own = hosts.image("sha256:1", project=made.identity)._replace(tags=(made.name,))

    absent = _decide(hosts.image(), packages=("jq",))
    there = _decide(hosts.image(), own, packages=("jq",))

    assert (absent.action, absent.image, absent.base) == ("build", None, hosts.image())
    assert (absent.recipe, absent.name) == (made, made.name)
    assert (there.action, there.reason, there.image) == ("use", "project", own)


def test_the_short_name_of_a_projects_image_is_not_believed() -> None:
    made = recipe(hosts.image(), packages=("jq",))
    other = hosts.image("sha256:1", project="0" * 64)._replace(tags=(made.name,))

    assert _decide(hosts.image(), other, packages=("jq",)).image is None


def test_a_devcontainer_decides_if_it_fits_and_is_told_of_if_not(tmp_path: Path) -> None:
    place = tmp_path / ".devcontainer.json"
    here = context(ImageStore(_OTHER, hosts.image()), str(tmp_path), devcontainer=True)
    place.write_text('{"image": "mine/claude:1"}')
    fits = decide_image(here, _WANTED)
    place.write_text('{"image": "debian:13"}')

    fits_not = decide_image(here, _WANTED)

    assert (fits.reason, fits.image, fits.note) == ("devcontainer", _OTHER, "")
    assert (fits_not.reason, fits_not.image) == ("newest", hosts.image())
    assert "'debian:13', which is not taken" in fits_not.note


@pytest.mark.parametrize(
    ("settings", "text", "hint"),
    [
        ({}, "no local image holds Claude Code 9.9.9 (slim, linux/amd64)", "run: pinnace-build"),
        ({"repository": "r.example/c"}, "no local image holds", "run: pinnace pull 9.9.9, or"),
        ({"image": "mine/claude:2"}, "'mine/claude:2', which the setting", "docker pull"),
    ],
)
def test_what_is_missing_is_said_with_the_fix(
    settings: dict[str, Any], text: str, hint: str
) -> None:
    here = context(ImageStore(), **settings)

    error = missing(here, decide_image(here, _WANTED))

    assert text in error.message
    assert hint in error.hint


def _reasons(*images: Image, **settings: Any) -> dict[str, str]:
    decision = _decide(*images, **settings)
    judged = candidates(images, decision)
    assert [one.image for one in judged if one.chosen] == [decision.image][: len(judged)]
    assert judged[0].chosen
    return {one.image.id: one.reason for one in judged}


def test_every_image_has_a_reason() -> None:
    usual = hosts.image("sha256:1", created="1")._replace(tags=(_USUAL,))
    fits = hosts.image("sha256:2", created="2")

    assert _reasons(usual, fits) == {
        "sha256:1": f"fits, and is named {_USUAL}",
        "sha256:2": f"fits, but another one is named {_USUAL}",
    }
    assert _reasons(fits, hosts.image("sha256:3", created="1")) == {
        "sha256:2": "the newest that fits",
        "sha256:3": "fits, but sha256:2 is newer",
    }


def test_where_the_settings_decide_that_is_the_reason(tmp_path: Path) -> None:
    made = recipe(hosts.image(), packages=("jq",))
    own = hosts.image("sha256:1", project=made.identity)._replace(tags=(made.name,))

    assert _reasons(hosts.image(), own, packages=("jq",)) == {
        "sha256:1": f"the project's own image, on {hosts.IMAGE_ID[:19]}",
        hosts.IMAGE_ID: "the settings choose another image",
    }
    assert _reasons(hosts.image(), _OTHER, image="mine/claude:1") == {
        "sha256:0": "the setting 'image' names it",
        hosts.IMAGE_ID: "the settings choose another image",
    }
    (tmp_path / ".devcontainer.json").write_text('{"image": "mine/claude:1"}')
    here = context(ImageStore(_OTHER), str(tmp_path), devcontainer=True)
    (judged,) = candidates([_OTHER], decide_image(here, _WANTED))
    assert (judged.chosen, "devcontainer.json names it" in judged.reason) == (True, True)


def test_an_image_that_the_settings_name_and_does_not_fit_is_not_chosen() -> None:
    wrong = hosts.image(version="9.9.8")

    (judged,) = candidates([wrong], _decide(wrong, image="pinnace/claude:9.9.9"))

    assert (judged.chosen, judged.reason) == (False, "its version is 9.9.8, wanted 9.9.9")
