"""What buildx wrote, read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace_builder.publish.build_platform import load_layout
from pinnace_core.errors import BuildFailedError
from tests.unit.builder.publish import layouts
from tests.unit.builder.recipes import AMD64, ARM64

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pinnace_images.platforms import Platform

_LABELS: Final = {"a": "b"}


@pytest.mark.parametrize("attested", [False, True], ids=["single", "with provenance"])
@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
def test_an_image_is_found_with_all_its_parts(
    tmp_path: Path, platform: Platform, *, attested: bool
) -> None:
    parts = (b"base", b"packages", b"cli")
    entry = layouts.write(tmp_path, platform, labels=_LABELS, layers=parts, attested=attested)

    found = load_layout(tmp_path, platform)

    assert found.digest == entry["digest"] == layouts.digest_of(found.manifest)
    assert [found.blob(layer["digest"]).read_bytes() for layer in found.layers] == list(parts)
    assert json.loads(found.blob(found.config["digest"]).read_bytes())["config"] == {
        "Labels": _LABELS,
        "User": layouts.USER,
    }
    assert found.provenance == ((dict(layouts.PROVENANCE),) if attested else ())


def test_an_image_is_the_same_with_and_without_provenance(tmp_path: Path) -> None:
    found = []
    for attested in (False, True):
        directory = tmp_path / str(attested)
        layouts.write(directory, AMD64, labels=_LABELS, attested=attested)
        found.append(load_layout(directory, AMD64))

    assert found[0].digest == found[1].digest
    assert found[0].manifest == found[1].manifest


def test_all_statements_are_found_in_order(tmp_path: Path) -> None:
    entry = layouts.image(tmp_path, AMD64, labels={})
    first, second = {"predicateType": "1"}, {"predicateType": "2"}
    inner = layouts.attestation(tmp_path, entry["digest"], first, second)
    layouts.index(tmp_path, entry, inner)

    assert load_layout(tmp_path, AMD64).provenance == (first, second)


def _absent(directory: Path) -> None:
    directory.rmdir()


def _no_index(directory: Path) -> None:
    layouts.write(directory, AMD64, labels={})
    (directory / "index.json").unlink()


def _no_blob(directory: Path) -> None:
    layouts.write(directory, AMD64, labels={}, attested=True)
    for blob in (directory / "blobs/sha256").iterdir():
        blob.unlink()


def _another_platform(directory: Path) -> None:
    layouts.write(directory, ARM64, labels={})


def _two_images(directory: Path) -> None:
    one = layouts.image(directory, AMD64, labels={})
    layouts.index(directory, one, layouts.image(directory, AMD64, labels=_LABELS))


def _no_platform(directory: Path) -> None:
    entry = layouts.image(directory, AMD64, labels={})
    layouts.index(directory, {key: entry[key] for key in ("mediaType", "digest", "size")})


def _wrong(content: str) -> Callable[[Path], None]:
    def write(directory: Path) -> None:
        (directory / "index.json").write_text(content)

    return write


def _wrong_entry(**fields: Any) -> Callable[[Path], None]:
    def write(directory: Path) -> None:
        layouts.index(directory, {**layouts.image(directory, AMD64, labels={}), **fields})

    return write


def _wrong_inner(content: bytes) -> Callable[[Path], None]:
    def write(directory: Path) -> None:
        layouts.index(directory, layouts.store(directory, content, layouts.INDEX))

    return write


def _garbage(directory: Path) -> None:
    """Write an index whose image is no manifest."""
    entry = layouts.store(directory, b"\xff\xfe", layouts.MANIFEST)
    layouts.index(directory, {**entry, "platform": {"architecture": AMD64.architecture}})


_RUBBISH: Final = {
    "absent": _absent,
    "empty": lambda _: None,
    "no index": _no_index,
    "no blobs": _no_blob,
    "another platform": _another_platform,
    "two images": _two_images,
    "no platform": _no_platform,
    "not JSON": _wrong("<html>"),
    "not text": _wrong("\x00"),
    "a list": _wrong("[]"),
    "a number": _wrong("5"),
    "nothing": _wrong("null"),
    "no manifests": _wrong("{}"),
    "manifests of nothing": _wrong('{"manifests": null}'),
    "no manifest": _wrong('{"manifests": []}'),
    "manifests as text": _wrong('{"manifests": "x"}'),
    "manifest as text": _wrong('{"manifests": ["x"]}'),
    "platform as text": _wrong_entry(platform="linux/amd64"),
    "platform of nothing": _wrong_entry(platform=None),
    "annotations of nothing": _wrong_entry(annotations=None),
    "digest of nobody": _wrong_entry(digest="sha256:00"),
    "digest as number": _wrong_entry(digest=5),
    "inner is not JSON": _wrong_inner(b"<html>"),
    "inner is a list": _wrong_inner(b"[]"),
    "inner is empty": _wrong_inner(b"{}"),
}


@pytest.mark.parametrize("write", _RUBBISH.values(), ids=_RUBBISH)
def test_rubbish_is_an_error_and_no_traceback(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path)

    with pytest.raises(BuildFailedError, match="wrote no image of linux/amd64") as caught:
        load_layout(tmp_path, AMD64)
    assert caught.value.hint


def test_a_manifest_that_cannot_be_read_is_an_error_too(tmp_path: Path) -> None:
    _garbage(tmp_path)

    with pytest.raises(BuildFailedError):
        load_layout(tmp_path, AMD64)
