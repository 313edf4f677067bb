"""What hashes without OpenSSL says what `hashlib` does."""

from __future__ import annotations

import hashlib
import sys

import pytest

from pinnace_core import digest


@pytest.mark.parametrize("data", [b"", b"abc", b"x" * 100_000])
def test_the_digest_is_the_usual_one(data: bytes) -> None:
    assert digest.hexdigest(data) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [0, 1 << 30])
def test_any_size_is_hashed_alike(size: int) -> None:
    hasher = digest.hasher(size)
    hasher.update(b"ab")
    hasher.update(b"c")
    assert hasher.hexdigest() == hashlib.sha256(b"abc").hexdigest()


def test_small_data_needs_no_openssl() -> None:
    assert sys.modules[digest.sha256.__module__].__name__ in {"_sha2", "_sha256"}
