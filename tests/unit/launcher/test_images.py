"""Reading what the engine says about images, and choosing one."""

from __future__ import annotations

from typing import Any

import pytest

from pinnace.image.images import LocalImage, Wanted, select
from pinnace_images.versions import CliVersion
from tests.support import hosts

_WANTED = Wanted(CliVersion.parse(hosts.VERSION), "slim", "linux/amd64")


def test_the_newest_wins() -> None:
    old = hosts.image("sha256:ff", created="2026-01-01T00:00:00Z")
    new = hosts.image("sha256:aa", created="2026-01-02T00:00:00Z")

    assert select([old, new], _WANTED) == new
    assert select([new, old], _WANTED) == new


def test_the_newest_wins_by_number_not_by_spelling() -> None:
    common = {"Labels": hosts.labels(), "RepoTags": ["pinnace/claude:9.9.9"]}
    old = LocalImage.from_engine({"Id": "sha256:ff", "Created": 999_999_999, **common})
    new = LocalImage.from_engine({"Id": "sha256:aa", "Created": 1_000_000_000, **common})

    assert select([old, new], _WANTED) == new


@pytest.mark.parametrize(
    "tags", [(), ("stranger/tool:2",), ("pinnace/claude:building-ab12",), ("x/pinnace/claude:1",)]
)
def test_labels_alone_do_not_make_an_image_ours(tags: tuple[str, ...]) -> None:
    assert select([hosts.image()._replace(tags=tags)], _WANTED) is None


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
        {"contract": "2"},
        {"contract": "1 "},
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
    stranger = LocalImage.from_engine({"Id": "sha256:0", "Labels": labels, "Created": 1})

    assert stranger.version is None
    assert stranger.sha256 == ""
    assert select([stranger], _WANTED) is None


@pytest.mark.parametrize("text", ["", "latest", "9.9", "9.9.9-beta", "9.9.9\n", "٩.9.9", "x" * 999])
def test_a_malformed_version_label_is_no_version(text: str) -> None:
    assert hosts.image(version=text).version is None


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
    image = LocalImage.from_engine(item)

    assert image.id == "sha256:1"
    assert image.version == CliVersion(9, 9, 9)
    assert image.sha256 == hosts.SHA256
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
    assert LocalImage.from_engine(item).tags == ()
    assert LocalImage.from_engine(item).labels == {}
