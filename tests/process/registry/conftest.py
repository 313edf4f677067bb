"""A registry that answers awkwardly, and its client."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.fake_registry import FakeRegistry
from tests.support.registry_client import client, log_in, password_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinnace_builder.registry import Registry


@pytest.fixture(autouse=True)
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The docker client's own file, absent at first; no proxy of the machine is in the way."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker" / "config.json"


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def other() -> Iterator[FakeRegistry]:
    """Another server: an object store, or somebody with bad intentions."""
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def registry(fake: FakeRegistry) -> Registry:
    return client(fake)


@pytest.fixture
def logged_in(fake: FakeRegistry, docker_config: Path) -> FakeRegistry:
    fake.wants, fake.users = "basic", {"me": "password"}
    log_in(docker_config, fake, **password_entry("me", "password"))
    return fake
