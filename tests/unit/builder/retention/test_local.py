"""Which local images and packages go, and what is understood of what programs tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder.retention import unused
from pinnace_builder.retention.downloads import CachedFile, plan_downloads
from pinnace_builder.retention.images import LocalImage, plan_images
from pinnace_builder.retention.policy import Policy, moment_of, size_of
from pinnace_images import contract
from pinnace_images.versions import CliVersion, Specifier
from tests.support.repositories import NOW

if TYPE_CHECKING:
    from datetime import datetime

    from pinnace_builder.retention.policy import Plan

_REPOSITORY: Final = "test/claude"
_OLD: Final = 200.0


def _policy(*pinned: str, newest: int = 1, days: int = 90) -> Policy:
    return Policy(newest, days, tuple(map(Specifier.parse, pinned)), NOW)


def _ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def _image(
    version: str, build: str = "a", *, age: float = _OLD, variant: str = "slim", moving: bool = True
) -> LocalImage:
    name = f"{_REPOSITORY}:{version}-{variant}"
    return LocalImage(
        id=f"sha256:{version}{variant}{build}",
        names=(f"{name}-{build * 12}", *([name] if moving else [])),
        labels={
            contract.LABEL_VERSION: version,
            contract.LABEL_VARIANT: variant,
            contract.LABEL_BUILD_ID: build * 64,
        },
        created=_ago(_OLD),
        tagged=_ago(age),
        size=100,
    )


def _tags(plan: Plan) -> list[str]:
    return [item.what.removeprefix(f"{_REPOSITORY}:") for item in plan.gone]


def _plan(*images: LocalImage, policy: Policy | None = None) -> Plan:
    return plan_images(images, _REPOSITORY, policy or _policy())


def test_versions_beyond_the_newest_go_and_count_once() -> None:
    plan = _plan(_image("2.1.1"), _image("2.1.2"))

    assert _tags(plan) == ["2.1.1-slim", "2.1.1-slim-aaaaaaaaaaaa"]
    assert [item.size for item in plan.gone] == [0, 100]
    assert {item.why for item in plan.kept} == {"among the newest 1"}


def test_the_newest_are_counted_for_each_variant() -> None:
    assert _tags(_plan(_image("2.1.1", variant="dev"), _image("2.1.2"))) == []


def test_a_version_that_was_built_lately_stays_however_old_it_is() -> None:
    assert _tags(_plan(_image("2.1.1", age=89), _image("2.1.2"))) == []


def test_a_version_that_was_used_lately_stays_however_old_its_image_is() -> None:
    used = replace(_image("2.1.1"), used=_ago(89))

    assert _tags(_plan(used, _image("2.1.2"))) == []


def _project(*, used: float | None, age: float = _OLD) -> LocalImage:
    plain = _image("2.1.2", age=age)
    return replace(
        plain,
        id="sha256:project",
        names=(f"{_REPOSITORY}:2.1.2-slim-project-{'e' * 12}",),
        labels={**plain.labels, contract.LABEL_PROJECT: "e" * 64},
        used=None if used is None else _ago(used),
    )


@pytest.mark.parametrize(
    ("used", "age", "goes"),
    [(91, _OLD, True), (89, _OLD, False), (91, 89, False), (None, _OLD, False)],
)
def test_a_projects_own_image_goes_if_it_was_not_used_lately(
    used: float | None, age: float, *, goes: bool
) -> None:
    # Neither the newest nor the pinned version keeps it: a launch that wants it builds it anew.
    plan = _plan(_project(used=used, age=age), _image("2.1.2"), policy=_policy("2.1.2"))

    assert _tags(plan) == (["2.1.2-slim-project-eeeeeeeeeeee"] if goes else [])
    if goes:
        assert plan.gone[0].why == "a project's own, not used for 90 days"


def test_another_name_of_a_projects_own_image_stays() -> None:
    own = replace(_project(used=_OLD), names=(f"{_REPOSITORY}:mine",))

    assert _tags(_plan(own)) == []


def test_a_projects_own_image_that_a_container_was_made_from_stays() -> None:
    assert _tags(_plan(replace(_project(used=_OLD), container="busy_bee"))) == []


def test_a_version_that_is_pinned_stays() -> None:
    assert _tags(_plan(_image("2.1.1"), _image("2.1.2"), policy=_policy("2.1.1"))) == []


def test_a_superseded_build_goes_however_young_or_pinned_it_is() -> None:
    plan = _plan(_image("2.1.1", "b", age=0, moving=False), _image("2.1.1"), policy=_policy("2.1"))

    assert _tags(plan) == ["2.1.1-slim-bbbbbbbbbbbb"]
    assert plan.gone[0].why == "superseded: 2.1.1-slim is another build"


def test_a_build_that_nothing_supersedes_stays() -> None:
    assert _tags(_plan(_image("2.1.1", moving=False))) == []


@pytest.mark.parametrize("version", ["2.1.1", "2.1.2"])
def test_what_a_container_was_made_from_stays(version: str) -> None:
    old, new = _image("2.1.1"), _image("2.1.2")
    stale = replace(_image("2.1.2", "b", moving=False), container="busy_bee")
    old = replace(old, container="busy_bee") if version == "2.1.1" else old

    plan = _plan(old, new, stale)

    assert not {tag for tag in _tags(plan) if tag.startswith("2.1.2")}
    assert (_tags(plan) == []) == (version == "2.1.1")
    assert any("busy_bee" in item.why for item in plan.kept)


@pytest.mark.parametrize(("age", "goes"), [(0.9, False), (1.1, True), (None, False)])
def test_what_an_interrupted_build_left_goes_after_a_day(age: float | None, *, goes: bool) -> None:
    name = f"{_REPOSITORY}:building-0123456789ab"
    left = replace(
        _image("2.1.2", "b", moving=False), names=(name,), tagged=None if age is None else _ago(age)
    )

    assert (_tags(_plan(left)) == ["building-0123456789ab"]) == goes


@pytest.mark.parametrize("tag", ["mine", "2.1.1-mine", "2.1.1-slim-bbbbbbbbbbbb", "building-x"])
def test_a_name_of_somebodys_own_stays_and_so_the_image_frees_nothing(tag: str) -> None:
    image = _image("2.1.1")
    image = replace(image, names=(*image.names, f"{_REPOSITORY}:{tag}"))

    plan = _plan(image, _image("2.1.2"))

    assert _tags(plan) == ["2.1.1-slim", "2.1.1-slim-aaaaaaaaaaaa"]
    assert plan.size == 0


def test_other_repositories_are_left_alone() -> None:
    image = replace(_image("2.1.1"), names=("test/claude2:2.1.1-slim", "x/test/claude:2.1.1-slim"))

    assert _plan(image, _image("2.1.2")).gone == ()


def test_what_does_not_say_what_it_is_stays() -> None:
    image = replace(_image("2.1.1"), labels={})

    assert {item.why for item in _plan(image, _image("2.1.2")).kept} == {
        "a name of your own",
        "among the newest 1",
    }


def test_what_does_not_tell_its_age_stays() -> None:
    image = replace(_image("2.1.1"), created=None, tagged=None)

    assert _tags(_plan(image, _image("2.1.2"))) == []


_PACKAGES: Final = {"1" * 64: CliVersion(2, 1, 1), "2" * 64: CliVersion(2, 1, 2)}


def _file(name: str, age: float = _OLD) -> CachedFile:
    return CachedFile(name, 7, _ago(age))


def _downloads(*files: CachedFile, policy: Policy | None = None) -> list[str]:
    plan = plan_downloads(files, _PACKAGES, policy or _policy())
    assert all(item.size == 7 for item in plan.gone)
    return [item.id for item in plan.gone]


def test_packages_of_versions_beyond_the_newest_go() -> None:
    old, new = _file(f"{'1' * 64}.tgz"), _file(f"{'2' * 64}.tgz")

    assert _downloads(old, new) == [old.name]
    assert _downloads(old) == []
    assert _downloads(_file(old.name, age=89), new) == []
    assert _downloads(old, new, policy=_policy("2.1.1")) == []


def test_packages_that_no_lock_knows_go_after_a_day() -> None:
    name = f"{'3' * 64}.tgz"

    assert _downloads(_file(name, age=1.1), policy=_policy(newest=9)) == [name]
    assert _downloads(_file(name, age=0.9), policy=_policy(newest=0)) == []


def test_unfinished_downloads_go_after_a_day() -> None:
    assert _downloads(_file(".fetch-a", age=1.1), _file(".fetch-b", age=0.9)) == [".fetch-a"]


def test_locks_go_without_their_package_and_with_it_untold() -> None:
    lone, other = _file(f"{'3' * 64}.lock", age=0), _file(f"{'2' * 64}.lock")

    assert _downloads(lone, other, _file(f"{'2' * 64}.tgz")) == [lone.name]


@pytest.mark.parametrize("name", ["README", "x.tgz", f"{'1' * 63}.tgz", f"{'1' * 64}.tgz.part"])
def test_files_of_somebody_else_stay(name: str) -> None:
    assert _downloads(_file(name)) == []


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("12.5kB", 12_500),
        ("905.9MB", 905_900_000),
        ("1.127GB", 1_127_000_000),
        ("2KiB", 2048),
        ("1.5e+03GB", 1_500_000_000_000),
        ("N/A", None),
        ("", None),
        ("GB", None),
    ],
)
def test_a_size_is_read_as_the_client_writes_it(text: str, size: int | None) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize(
    "text",
    ["2026-11-24T12:00:00Z", "2026-11-24 12:00:00 +0000", "2026-11-24T13:00:00.000000000+01:00",
     "2026-11-24T12:00:00", "2026-11-24T12:00:00.0000003Z"],
)  # fmt: skip
def test_a_time_is_read_as_engines_and_images_write_it(text: str) -> None:
    assert moment_of(text) == NOW


_RECORD: Final = """ID:\t\tabc
Created at:\t2026-01-01 08:32:29.568501193 +0000 UTC
Mutable:\tfalse
Reclaimable:\t{reclaimable}
Shared:\t\tfalse
Size:\t\t2GB
Description:\t[5/5] COPY Size: 9GB
{used}Type:\t\tregular

"""
_SUMMARY: Final = "Shared:\t\t0B\nPrivate:\t4GB\nReclaimable:\t4GB\nTotal:\t\t4GB\n"


@pytest.mark.parametrize(
    ("used", "size"),
    [
        ("3 months ago", 2),
        ("2 months ago", 0),
        ("13 weeks ago", 2),
        ("89 days ago", 0),
        ("2 years ago", 2),
        ("About an hour ago", 0),
        ("Less than a second ago", 0),
        ("whenever", 0),
        ("", 2),
    ],
)
def test_the_build_cache_that_nothing_uses_is_added_up(used: str, size: int) -> None:
    line = f"Usage count:\t1\nLast used:\t{used}\n" if used else ""
    said = _RECORD.format(reclaimable="true", used=line) + _SUMMARY

    assert unused(said, _policy()) == size * 1_000_000_000


def test_the_build_cache_that_is_in_use_does_not_count() -> None:
    said = _RECORD.format(reclaimable="false", used="") + _SUMMARY

    assert unused(said, _policy()) == 0
    assert unused(_SUMMARY, _policy()) == 0


def test_a_report_that_is_not_understood_is_not_guessed_at() -> None:
    assert unused("ID  RECLAIMABLE  SIZE\nabc true 2GB\n", _policy()) is None
    assert unused("ID:\tabc\nType:\tregular\n", _policy()) is None
