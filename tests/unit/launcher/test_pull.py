"""What may be pulled, and what docker's words mean."""

from __future__ import annotations

import pytest

from pinnace import image as images
from pinnace.image import recipe
from pinnace_core.engine.docker import Docker
from pinnace_core.errors import (
    BadProjectImageError,
    EngineUnavailableError,
    ImageMissingError,
    ImageRegistryError,
    PinnaceError,
    RegistryDeniedError,
)
from tests.support.launches import ImageStore, context


@pytest.mark.parametrize(
    "text",
    [
        "claude",
        "claude:2.1.330-slim",
        "registry.example/team/claude",
        "127.0.0.1:5000/a_b/c-d:latest",
        f"registry.example/claude@sha256:{'0' * 64}",
        f"sha256:{'0' * 64}",
    ],
)
def test_names_are_taken(text: str) -> None:
    assert recipe.require_reference(text, source="it") == text


@pytest.mark.parametrize(
    "text", ["", "--all", "-a", "a b", "A", "a//b", "a:", "a\n", "https://a/b", "a;b", "../a"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadProjectImageError, match="it names"):
        recipe.require_reference(text, source="it")


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


@pytest.mark.parametrize("registry", ["", "docker.io/", "index.docker.io/", "localhost/"])
@pytest.mark.parametrize("end", ["", ":9.9.9-slim", f"@sha256:{'0' * 64}"])
def test_a_strangers_image_never_gets_the_name_of_one_that_was_made_here(
    registry: str, end: str
) -> None:
    with pytest.raises(BadProjectImageError, match="never pulled"):
        images._pull(context(ImageStore()), f"{registry}pinnace/claude{end}", "linux/amd64")  # noqa: SLF001
