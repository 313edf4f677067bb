"""`images.toml`: as it is shipped, a maintainer's own, and broken ones."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder import images_config
from pinnace_builder.images_config import Retention
from pinnace_core.errors import BadImagesError, UsageError
from pinnace_images.contract import DEFAULT_VARIANT
from pinnace_images.platforms import SUPPORTED

if TYPE_CHECKING:
    from pathlib import Path

_AMD64, _ARM64 = SUPPORTED
_LIST: Final = f"sha256:{'0a' * 32}"
_SINGLE: Final = f"sha256:{'0b' * 32}"
_OWN: Final = f"""
platforms = ["linux/arm64", "linux/amd64"]

[base]
name = "mine/debian"
tag = "mine"
digest = "{_LIST}"
suite = "trixie"
refreshed = 2026-02-03

[base.platforms]
"linux/arm64" = "{_SINGLE}"

[variants.tiny]
title = "Tiny"
budget_mb = 20
packages = ["git"]
node_packages = ["nodejs", "git"]

[variants.large]
title = "Large"
budget_mb = 200
extends = "tiny"
packages = ["gcc"]
node_packages = ["npm"]

[variants.largest]
title = "Largest"
budget_mb = 300
extends = "large"
packages = ["nodejs", "npm"]
node_packages = []

[gateway]
title = "A way out"
packages = ["socat", "bash"]

[retention]
newest = 3
days = 4
pinned = ["2.1.330"]
"""
_GATEWAY: Final = _OWN[_OWN.index("[gateway]") : _OWN.index("[retention]")]


def _load(tmp_path: Path, text: str) -> images_config.Images:
    (tmp_path / "images.toml").write_text(text, encoding="utf-8")
    return images_config.load(tmp_path / "images.toml")


def test_the_base_is_pinned_by_digest_and_named_by_an_exact_tag() -> None:
    base = images_config.load().base

    for digest in (base.digest, *base.platforms.values()):
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    assert re.fullmatch(rf"{base.suite}-\d{{8}}-slim", base.tag)
    assert "/" not in base.name
    assert base.epoch % 86400 == 0


def test_images_are_for_both_platforms() -> None:
    assert images_config.load().platforms == SUPPORTED


def test_the_default_variant_exists_and_knows_its_name() -> None:
    assert images_config.load().variant(DEFAULT_VARIANT).name == DEFAULT_VARIANT


@pytest.mark.parametrize("name", ["", "Slim", "slim ", "latest", "../slim"])
def test_an_unknown_variant_is_refused_and_the_known_ones_named(name: str) -> None:
    images = images_config.load()

    with pytest.raises(UsageError, match="there is no variant") as caught:
        images.variant(name)

    assert caught.value.exit_code == 64
    assert DEFAULT_VARIANT in caught.value.hint


@pytest.mark.parametrize("name", sorted(images_config.load().variants))
def test_a_variant_names_each_package_once_and_node_only_where_it_is_needed(name: str) -> None:
    variant = images_config.load().variant(name)
    packages = [*variant.packages, *variant.node_packages]

    assert variant.title
    assert variant.budget > 1_000_000
    assert len(set(packages)) == len(packages)
    # Debian Policy 5.6.1: nothing that a shell would read as more than a word.
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", package) for package in packages)


def test_the_default_variant_has_what_the_cli_needs() -> None:
    packages = set(images_config.load().variant(DEFAULT_VARIANT).packages)

    assert {"bash", "git", "ca-certificates", "openssh-client", "curl", "jq"} <= packages
    assert {"ripgrep", "less", "procps"} <= packages
    assert "sudo" not in packages


def test_a_variant_has_all_that_it_extends() -> None:
    variants = images_config.load().variants

    assert {"slim", "dev"} <= set(variants)
    assert set(variants["slim"].packages) < set(variants["dev"].packages)
    assert variants["slim"].node_packages == ("nodejs",)
    assert variants["dev"].node_packages == (), "Node is in it anyway"


def test_a_declaration_of_ones_own(tmp_path: Path) -> None:
    images = _load(tmp_path, _OWN)

    assert images.source == tmp_path / "images.toml"
    assert images.platforms == SUPPORTED, "sorted"
    assert images.base.refreshed == date(2026, 2, 3)
    assert images.base.epoch == int(datetime(2026, 2, 3, tzinfo=UTC).timestamp())
    assert images.retention == Retention(newest=3, days=4, pinned=["2.1.330"])
    found = {name: (v.packages, v.node_packages, v.budget) for name, v in images.variants.items()}
    assert found == {
        "tiny": (("git",), ("nodejs",), 20_000_000),
        "large": (("git", "gcc"), ("nodejs", "npm"), 200_000_000),
        "largest": (("git", "gcc", "nodejs", "npm"), (), 300_000_000),
    }


def test_the_digest_of_a_platform_wins_over_that_of_the_list(tmp_path: Path) -> None:
    base = _load(tmp_path, _OWN).base

    assert base.digest_for(_ARM64) == _SINGLE
    assert base.digest_for(_AMD64) == _LIST


def test_digests_of_platforms_and_retention_may_be_left_out(tmp_path: Path) -> None:
    text = re.sub(r"\[base\.platforms\]\n.*\n", "", _OWN).partition("[retention]")[0]
    images = _load(tmp_path, text)

    assert images.base.platforms == {}
    assert images.base.digest_for(_ARM64) == _LIST
    assert images.retention.newest > 0
    assert images.retention.pinned == []


def test_the_gateway_is_the_declared_one_or_the_shipped_one(tmp_path: Path) -> None:
    declared = _load(tmp_path, _OWN).gateway
    left_out = _load(tmp_path, _OWN.replace(_GATEWAY, "")).gateway

    assert (declared.title, declared.packages) == ("A way out", ["socat", "bash"])
    assert left_out == images_config.load().gateway
    assert {"bash", "haproxy", "socat", "squid-openssl"} <= set(left_out.packages)


def test_no_variant_is_called_what_the_gateway_is(tmp_path: Path) -> None:
    text = _OWN.replace("[variants.largest]", "[variants.gateway]")

    with pytest.raises(BadImagesError, match="no variant's name"):
        _load(tmp_path, text)


def _without(line: str) -> str:
    assert f"{line}\n" in _OWN
    return _OWN.replace(f"{line}\n", "", 1)


def _with(old: str, new: str) -> str:
    assert old in _OWN
    return _OWN.replace(old, new, 1)


_NO_BASE: Final = _OWN[: _OWN.index("[base]")] + _OWN[_OWN.index("[variants") :]
_BROKEN: Final = {
    "empty": "",
    "not TOML": "platforms = [",
    "deep": "x = " + "[" * 5000,
    "no platforms": _without('platforms = ["linux/arm64", "linux/amd64"]'),
    "no suite": _without('suite = "trixie"'),
    "no digest": _without(f'digest = "{_LIST}"'),
    "no refresh": _without("refreshed = 2026-02-03"),
    "no title": _without('title = "Tiny"'),
    "no budget": _without("budget_mb = 20"),
    "no packages": _without('packages = ["git"]'),
    "no variants": _OWN.partition("[variants")[0],
    "no base": _NO_BASE,
    "unknown key of the base": _with('suite = "trixie"', 'suite = "trixie"\nmirror = "x"'),
    "unknown platform": _with('"linux/arm64", ', '"linux/riscv64", '),
    "windows": _with('"linux/arm64", ', '"windows/amd64", '),
    "platform as text": _with('["linux/arm64", "linux/amd64"]', '"linux/amd64"'),
    "platform as number": _with('"linux/arm64", ', "64, "),
    "extends itself": _with('extends = "tiny"', 'extends = "large"'),
    "extends in a circle": _with('title = "Tiny"', 'title = "Tiny"\nextends = "largest"'),
    "extends nobody": _with('extends = "tiny"', 'extends = "small"'),
    "extends a list": _with('extends = "tiny"', 'extends = ["tiny"]'),
    "variants as list": 'variants = ["slim"]\n' + _OWN.partition("[variants")[0],
    "variant as text": _with("[variants.tiny]", '[variants]\nodd = "x"\n[variants.tiny]'),
    "variant as number": _with("[variants.tiny]", "[variants]\nodd = 1\n[variants.tiny]"),
    "base as text": 'base = "debian"\n' + _NO_BASE,
    "packages as number": _with('packages = ["gcc"]', "packages = 5"),
    "gateway as number": "gateway = 5\n" + _OWN.replace(_GATEWAY, ""),
    "gateway without packages": _with('packages = ["socat", "bash"]\n', ""),
    "gateway without a title": _with('title = "A way out"\n', ""),
    "gateway with a key of a variant": _with("[gateway]", "[gateway]\nbudget_mb = 5"),
    "pinned as number": _with('pinned = ["2.1.330"]', "pinned = 5"),
}
# What is accepted, and goes wrong later.
_ACCEPTED: Final = {
    "budget as text": _with("budget_mb = 20", 'budget_mb = "20"'),
    "budget as truth": _with("budget_mb = 20", "budget_mb = true"),
    "negative budget": _with("budget_mb = 20", "budget_mb = -20"),
    "refresh as text": _with("2026-02-03", '"2026-02-03"'),
    "refresh with a time": _with("2026-02-03", "2026-02-03T04:05:06Z"),
    "refresh as number": _with("2026-02-03", "20260203"),
    "packages as text": _with('packages = ["gcc"]', 'packages = "gcc"'),
    "packages as numbers": _with('packages = ["gcc"]', "packages = [5]"),
    "a package with options": _with('packages = ["gcc"]', 'packages = ["gcc; reboot"]'),
    "node_packages as text": _with('["nodejs", "git"]', '"nodejs"'),
    "no package of the gateway": _with('["socat", "bash"]', "[]"),
    "gateway's packages as text": _with('["socat", "bash"]', '"socat"'),
    "a package of the gateway with options": _with('"socat", ', '"socat; reboot", '),
    "title of the gateway of two lines": _with('"A way out"', '"A way\\nRUN reboot"'),
    "title as number": _with('title = "Tiny"', "title = 5"),
    "title of two lines": _with('title = "Tiny"', 'title = "Tiny\\nRUN reboot"'),
    "a variant that is no tag": _OWN.replace(".tiny]", '."ti ny"]').replace('"tiny"', '"ti ny"'),
    "no platform": _with('["linux/arm64", "linux/amd64"]', "[]"),
    "digest as number": _with(f'digest = "{_LIST}"', "digest = 5"),
    "digest that is a tag": _with(f'digest = "{_LIST}"', 'digest = "trixie-slim"'),
    "digests as text": _with(f'[base.platforms]\n"linux/arm64" = "{_SINGLE}"', 'platforms = "x"'),
    "digests of nobody": _with('"linux/arm64" = "', '"linux/riscv64" = "'),
    "retention as number": "retention = 5\n" + _OWN.partition("[retention]")[0],
    "newest as text": _with("newest = 3", 'newest = "3"'),
    "days as text": _with("days = 4", 'days = "4"'),
    "negative days": _with("days = 4", "days = -4"),
    "pinned as text": _with('pinned = ["2.1.330"]', 'pinned = "2.1.330"'),
    "pinned as numbers": _with('pinned = ["2.1.330"]', "pinned = [2.1]"),
    "pinned that is no version": _with('pinned = ["2.1.330"]', 'pinned = ["newest"]'),
}


@pytest.mark.parametrize("text", _BROKEN.values(), ids=_BROKEN)
def test_a_broken_declaration_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadImagesError, match="does not declare images") as caught:
        _load(tmp_path, text)

    assert str(tmp_path / "images.toml") in caught.value.message
    assert caught.value.exit_code == 78
    assert caught.value.hint


@pytest.mark.parametrize("text", _ACCEPTED.values(), ids=_ACCEPTED)
def test_a_wrong_type_is_an_error_too(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadImagesError):
        _load(tmp_path, text)


def test_bytes_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "images.toml").write_bytes(b"title = '\xff\xfe'")

    with pytest.raises(BadImagesError):
        images_config.load(tmp_path / "images.toml")


@pytest.mark.parametrize("name", ["absent.toml", "."], ids=["absent", "a directory"])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadImagesError):
        images_config.load(tmp_path / name)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'packages = [\n    "bash"',
            'packagse = [\n    "bash"',
            "line {}: variants.slim.packagse: there is no such key, perhaps you meant 'packages'",
        ),
        ("[variants.dev]", "[variants.python-dev]", "line {}: variants.python-dev: a name is of"),
        (
            'title = "The way',
            'titel = "The way',
            "gateway.titel: there is no such key, perhaps you meant 'title'",
        ),
        ('"jq"', '"git-"', "line {}: variants.slim.packages.5: 'git-' is not the name of a Debian"),
        ("budget_mb = 350", 'budget_mb = "x"', "variants.dev.budget_mb: Input should be a valid"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = images_config.IMAGES.read_text(encoding="utf-8").replace(old, new, 1)
    (tmp_path / "images.toml").write_text(text, encoding="utf-8")
    key = new.split(" ", 1)[0] if "packag" in new or "variants" in new else "packages"
    number = next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith(key))

    with pytest.raises(BadImagesError) as caught:
        images_config.load(tmp_path / "images.toml")

    assert said.format(number) in caught.value.message
