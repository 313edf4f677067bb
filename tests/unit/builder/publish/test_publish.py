"""Publishing, before anything is asked of a machine."""

from __future__ import annotations

import pytest

from pinnace_builder import images_config
from pinnace_builder.publish import require_variants
from pinnace_builder.registry import lock_name
from pinnace_core.errors import UsageError


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["slim"], ["slim"]),
        (["slim", "dev"], ["slim", "dev"]),
        (["dev", "slim", "dev"], ["dev", "slim"]),
        (["all"], sorted(images_config.load().variants)),
        (["slim", "all"], sorted(images_config.load().variants)),
    ],
)
def test_variants_by_name_each_once(names: list[str], chosen: list[str]) -> None:
    assert require_variants(images_config.load(), names) == chosen


@pytest.mark.parametrize("names", [[], [""], ["All"], ["slim", "huge"]])
def test_variants_that_there_are_not(names: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        require_variants(images_config.load(), names)

    assert caught.value.exit_code == 64
    assert caught.value.hint


def test_a_repository_has_one_turn_however_it_is_written() -> None:
    hub = {
        lock_name(name)
        for name in ("me/claude", "docker.io/me/claude", "index.docker.io/me/claude")
    }

    assert len(hub) == 1
    assert hub != {lock_name("registry.example/me/claude")}
