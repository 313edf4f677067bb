"""`pinnace.lock`: a project's own lock of its version, beside the pin; images must agree with it.

The same JSON as the lock that comes with Pinnace, of one version, and `images`: for people, what
the lock's author had. What counts are the digests of the CLI.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pinnace.config.names import LOCK_FILE
from pinnace_core.errors import BadLockError, VerificationFailedError
from pinnace_core.files import read_untrusted, write_atomic
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pinnace_core.image import Image
    from pinnace_images.lock import Lock, LockEntry
    from pinnace_images.versions import CliVersion

_MOST_BYTES: Final = 1 << 20
_HINT: Final = "restore it, or write it anew: pinnace pin VERSION --lock"


def load(root: Path) -> Lock | None:
    """Read the lock at a project's root, if there is one.

    Raises:
        BadLockError: a link, a pipe, too large, or not a lock of one version.
    """
    path = root / LOCK_FILE
    try:
        text = read_untrusted(path, most=_MOST_BYTES).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        raise BadLockError(f"cannot read '{path}': {reason}", hint=_HINT) from error
    # Imported only where there is one.
    from pinnace_images import lock

    try:
        found = lock.loads(text, source=str(path))
    except BadLockError as error:
        raise BadLockError(error.message, hint=_HINT) from error
    except RecursionError as error:
        raise BadLockError(f"'{path}' is nested too deeply", hint=_HINT) from error
    if len(found.entries) != 1:
        raise BadLockError(f"'{path}' locks {len(found.entries)} versions, not one", hint=_HINT)
    return found


def save(root: Path, entry: LockEntry, images: Sequence[Image]) -> Path:
    """Write the lock, whole or not at all; return its path."""
    from pinnace_images import lock

    document = json.loads(lock.Lock({entry.version: entry}).dumps())
    document["images"] = [
        {"id": image.id, "labels": dict(sorted(image.labels.items()))} for image in images
    ]
    path = root / LOCK_FILE
    write_atomic(path, (json.dumps(document, indent=2) + "\n").encode())
    return path


def require(image: Image, version: CliVersion, project: Lock | None) -> None:
    """See that an image holds the CLI that the project's lock names, if it is of that version.

    Raises:
        VerificationFailedError: it does not.
    """
    entry = project.entries.get(version) if project else None
    digest = image.labels.get(contract.LABEL_SHA256)
    if entry and digest not in {p.executable_sha256 for p in entry.packages}:
        raise VerificationFailedError(
            f"image {image.id[:19]} does not hold the Claude Code {version} of {LOCK_FILE}",
            hint=f"remove the image (docker image rm {image.id[:19]}), or restore {LOCK_FILE}",
        )
