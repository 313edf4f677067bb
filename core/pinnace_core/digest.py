"""SHA-256 without OpenSSL: `hashlib` loads that at its import, which costs a launch up to 5 ms.

What a launch hashes is small; of megabytes, OpenSSL makes up for its import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hashlib import _Hash as Hash
    from hashlib import sha256 as sha256  # noqa: PLC0414 (this is how it is given on)
else:
    # What `hashlib` itself takes where Python was built without OpenSSL; from 3.12 on, the first.
    try:
        from _sha2 import sha256
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha256


_WORTH_OPENSSL: Final = 4 << 20


def hasher(size: int) -> Hash:
    """Return what hashes about `size` bytes, piece by piece."""
    if size < _WORTH_OPENSSL:
        return sha256()
    import hashlib

    return hashlib.sha256()


def hexdigest(data: bytes) -> str:
    """Return the SHA-256 of some data: 64 hexadecimal digits."""
    return sha256(data).hexdigest()
