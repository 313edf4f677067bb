"""`images.toml`, as it is shipped."""

from __future__ import annotations

import re

import pytest

from pinnace_builder import spec
from pinnace_images.contract import DEFAULT_VARIANT
from pinnace_images.errors import UsageError


def test_the_base_is_pinned_by_digest_and_named_by_an_exact_tag() -> None:
    base = spec.load().base

    assert re.fullmatch(r"sha256:[0-9a-f]{64}", base.digest)
    assert re.fullmatch(rf"{base.suite}-\d{{8}}-slim", base.tag)
    assert "/" not in base.name


def test_the_default_variant_exists_and_knows_its_name() -> None:
    assert spec.load().variant(DEFAULT_VARIANT).name == DEFAULT_VARIANT


@pytest.mark.parametrize("name", ["", "Slim", "slim ", "latest", "../slim"])
def test_an_unknown_variant_is_refused_and_the_known_ones_named(name: str) -> None:
    images = spec.load()

    with pytest.raises(UsageError, match="there is no variant") as caught:
        images.variant(name)

    assert caught.value.exit_code == 64
    assert DEFAULT_VARIANT in caught.value.hint


@pytest.mark.parametrize("name", sorted(spec.load().variants))
def test_a_variant_names_each_package_once_and_node_only_where_it_is_needed(name: str) -> None:
    variant = spec.load().variant(name)
    packages = [*variant.packages, *variant.node_packages]

    assert variant.title
    assert len(set(packages)) == len(packages)
    # Debian Policy 5.6.1: nothing that a shell would read as more than a word.
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", package) for package in packages)


def test_the_default_variant_has_what_the_cli_needs() -> None:
    packages = set(spec.load().variant(DEFAULT_VARIANT).packages)

    assert {"bash", "git", "ca-certificates", "openssh-client", "curl", "jq"} <= packages
    assert {"ripgrep", "less", "procps"} <= packages
    assert "sudo" not in packages


def test_a_variant_has_all_that_it_extends() -> None:
    variants = spec.load().variants

    assert {"slim", "dev"} <= set(variants)
    assert set(variants["slim"].packages) < set(variants["dev"].packages)
    assert variants["slim"].node_packages == ("nodejs",)
    assert variants["dev"].node_packages == (), "Node is in it anyway"
