"""Where BuildKit's cache is, by backend."""

from __future__ import annotations

import re
from typing import Final

import pytest

from pinnace_core.engine.buildx import Cache
from pinnace_core.errors import UsageError

_REPOSITORY: Final = "registry.example/claude"
_ZSTD: Final = "compression=zstd,compression-level=7,force-compression=true"
_END: Final = ",mode=max,ignore-error=true"
_LAYERS: Final = f"{_END},oci-mediatypes=true,image-manifest=true,{_ZSTD}"
_BACKENDS: Final = ("registry", "gha", "local,dir=/var/cache/x", "s3,region=eu-1,bucket=mine")


@pytest.mark.parametrize(
    ("text", "cache"),
    [
        ("registry", Cache("registry")),
        ("type=registry", Cache()),
        ("none", Cache("none")),
        ("gha", Cache("gha")),
        ("gha,url=https://ci.example", Cache("gha", "url=https://ci.example")),
        ("local,dir=/var/cache/x", Cache("local", "dir=/var/cache/x")),
        ("type=local,dir=x", Cache("local", "dir=x")),
        ("s3,region=eu-1,bucket=mine", Cache("s3", "region=eu-1,bucket=mine")),
    ],
)
def test_a_backend_and_what_all_its_caches_share(text: str, cache: Cache) -> None:
    assert Cache.parse(text) == cache


@pytest.mark.parametrize(
    "text",
    [
        "",
        "azblob",
        "Registry",
        "registry ",
        ",",
        "type=",
        "dir=/x",
        "local",
        "local,/x",
        "local,dest=/x",
        "registry,dir=/x",
        "gha,dir=/x",
        "none,dir=/x",
    ],
)
def test_another_backend_is_refused_and_the_known_ones_named(text: str) -> None:
    with pytest.raises(UsageError, match="is no cache") as caught:
        Cache.parse(text)

    assert caught.value.exit_code == 64
    for backend in ("registry", "none", "gha", "local", "s3"):
        assert backend in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "registry,ref=registry.example/other",
        "gha,scope=mine",
        "s3,region=eu-1,bucket=mine,name=mine",
        "s3",
        "local,dir=",
        "local,dir=/x,compression=zstd",
    ],
)
def test_what_would_put_all_caches_in_one_place_or_nowhere_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Cache.parse(text)


def test_without_a_cache_there_is_nothing_to_say() -> None:
    assert Cache.parse("none").flags(_REPOSITORY, "cache-a", ["cache-b"], _ZSTD) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "registry",
            (
                "--cache-from=type=registry,ref=registry.example/claude:cache-a",
                "--cache-from=type=registry,ref=registry.example/claude:cache-b",
                f"--cache-to=type=registry,ref=registry.example/claude:cache-a{_LAYERS}",
            ),
        ),
        (
            "gha",
            (
                "--cache-from=type=gha,scope=cache-a",
                "--cache-from=type=gha,scope=cache-b",
                f"--cache-to=type=gha,scope=cache-a{_END}",
            ),
        ),
        (
            "local,dir=/var/cache/x",
            (
                "--cache-from=type=local,src=/var/cache/x/cache-a",
                "--cache-from=type=local,src=/var/cache/x/cache-b",
                f"--cache-to=type=local,dest=/var/cache/x/cache-a{_LAYERS}",
            ),
        ),
        (
            "s3,region=eu-1,bucket=mine",
            (
                "--cache-from=type=s3,name=cache-a,region=eu-1,bucket=mine",
                "--cache-from=type=s3,name=cache-b,region=eu-1,bucket=mine",
                f"--cache-to=type=s3,name=cache-a,region=eu-1,bucket=mine{_END}",
            ),
        ),
    ],
)
def test_flags_by_backend(text: str, expected: tuple[str, ...]) -> None:
    assert Cache.parse(text).flags(_REPOSITORY, "cache-a", ["cache-b"], _ZSTD) == expected


@pytest.mark.parametrize("text", _BACKENDS)
def test_every_cache_has_a_place_of_its_own_and_a_build_reads_what_it_writes(text: str) -> None:
    def place(flag: str) -> str:
        return re.sub(r"--cache-(from|to)=|,mode=.*|(?<=,)(src|dest)(?==)", "", flag)

    flags = {name: Cache.parse(text).flags(_REPOSITORY, name, (), _ZSTD) for name in ("a", "b")}

    written = {place(export) for *_, export in flags.values()}
    assert len(written) == 2
    assert all(place(imported) == place(export) for imported, export in flags.values())


@pytest.mark.parametrize("text", _BACKENDS)
def test_a_cache_that_cannot_be_written_does_not_fail_a_build(text: str) -> None:
    *_, export = Cache.parse(text).flags(_REPOSITORY, "a", (), _ZSTD)

    assert "ignore-error=true" in export.split(",")
    assert "mode=max" in export.split(",")
