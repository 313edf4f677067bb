"""A client of a fake registry, a quick one, and what it fetches there."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder.registry import Registry, RetryPolicy
from tests.support.fake_registry import Answer, FakeRegistry, digest_of, error

if TYPE_CHECKING:
    from pathlib import Path

OCI: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = json.dumps({"schemaVersion": 2, "mediaType": OCI}).encode()
BLOB: Final = b"a layer" * 100_000
DIGEST: Final = digest_of(BLOB)
BUSY: Final = Answer(503, error("UNAVAILABLE"))
QUICK: Final = RetryPolicy(
    attempts=4,
    first_seconds=0.001,
    most_seconds=0.01,
    most_asked_seconds=0.01,
    connect_seconds=5,
    read_seconds=5,
)


def client(fake: FakeRegistry, **policy: Any) -> Registry:
    """Connect to a repository in it."""
    return Registry(f"{fake.address}/team/claude", policy=RetryPolicy(**{**vars(QUICK), **policy}))


def log_in(config: Path, fake: FakeRegistry, **entry: str) -> None:
    """Do as `docker login` does."""
    config.write_text(json.dumps({"auths": {fake.address: entry}}))


def password_entry(user: str, password: str) -> dict[str, str]:
    """What `docker login` writes about a password."""
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}
