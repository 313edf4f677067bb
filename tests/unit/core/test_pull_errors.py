"""What docker's words about a pull mean."""

from __future__ import annotations

import pytest

from pinnace_core.engine.docker import Docker
from pinnace_core.errors import (
    EngineUnavailableError,
    ImageMissingError,
    ImageRegistryError,
    PinnaceError,
    RegistryDeniedError,
)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            "Error response from daemon: manifest for a:b not found: manifest unknown",
            ImageMissingError,
        ),
        ("Error response from daemon: a:b: not found", ImageMissingError),
        ("no matching manifest for linux/arm64 in the manifest list", ImageMissingError),
        ("pull access denied for a, repository does not exist", RegistryDeniedError),
        ("unauthorized: authentication required", RegistryDeniedError),
        ('Get "https://a/v2/": dial tcp 127.0.0.1:9: connection refused', ImageRegistryError),
        ("unexpected EOF", ImageRegistryError),
        ("", ImageRegistryError),
        ("Cannot connect to the Docker daemon at unix:///x.", EngineUnavailableError),
    ],
)
def test_what_docker_says_becomes_one_error(said: str, kind: type[PinnaceError]) -> None:
    error = Docker()._pull_failure("a:b", f"progress\n{said}\n\n")  # noqa: SLF001 (a pure part)

    assert type(error) is kind
    assert "'a:b' cannot be pulled" in error.message
    assert "\n" not in error.message
