"""Platforms, as engines, kernels and npm spell them."""

from __future__ import annotations

import pytest

from pinnace_core.errors import UsageError
from pinnace_images.platforms import SUPPORTED, Platform


@pytest.mark.parametrize("platform", SUPPORTED, ids=str)
def test_a_platform_survives_printing_and_reading(platform: Platform) -> None:
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize(
    "text",
    ["", "amd64", "linux", "linux/", "linux/386", "Linux/amd64", "linux/amd64/v2", "windows/amd64"],
)
def test_another_platform_is_refused_and_the_supported_ones_named(text: str) -> None:
    with pytest.raises(UsageError, match="is not a supported platform") as caught:
        Platform.parse(text)

    assert caught.value.exit_code == 64
    assert "linux/amd64, linux/arm64" in caught.value.hint


@pytest.mark.parametrize(
    ("machine", "platform"),
    [
        ("x86_64", "linux/amd64"),
        ("AMD64", "linux/amd64"),
        ("amd64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("arm64", "linux/arm64"),
        ("ARM64", "linux/arm64"),
    ],
)
def test_what_kernels_and_engines_report_is_understood(machine: str, platform: str) -> None:
    assert str(Platform.of_machine(machine)) == platform


@pytest.mark.parametrize("machine", ["", "riscv64", "armv7l", "i686", "unknown"])
def test_a_machine_without_a_cli_is_refused(machine: str) -> None:
    with pytest.raises(UsageError, match=f"no CLI is published for '{machine}'") as caught:
        Platform.of_machine(machine)

    assert "linux/amd64, linux/arm64" in caught.value.hint


def test_npm_names_platforms_its_own_way() -> None:
    assert [platform.npm for platform in SUPPORTED] == ["linux-x64", "linux-arm64"]


def test_platforms_have_an_order() -> None:
    assert sorted([Platform("arm64"), Platform("amd64")]) == list(SUPPORTED)
