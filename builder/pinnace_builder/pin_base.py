"""Pin the base: ask its registry for the digests of a tag, and write them to images.toml."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import tomlkit

from pinnace_builder.registry import Registry
from pinnace_core.errors import BaseMissingError
from pinnace_core.files import write_atomic

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from pinnace_builder.base import Mirror
    from pinnace_builder.images_config import Images
    from pinnace_builder.registry import Manifest

_DIGEST_LINE: Final = re.compile(r"^digest\s*=.*$", re.MULTILINE)


def pin(path: Path, images: Images, tag: str, mirror: Mirror) -> str:
    """Pin `tag` in the declaration at `path`, as refreshed today; return the list's digest.

    Raises:
        BaseMissingError: there is no such tag, or it lacks a platform.
        ImageRegistryError: no answer.
    """
    prefix = f"{mirror.images}/" if mirror.images else ""
    found = Registry(f"{prefix}{images.base.name}").manifest(tag)
    if found is None:
        raise BaseMissingError(f"{images.base.name} has no tag '{tag}'", hint="check its spelling")
    digests = {str(p): _digest(found, p.architecture, tag) for p in images.platforms}
    today = datetime.now(UTC).date()
    text = rewritten(path.read_text(encoding="utf-8"), tag, found.digest, digests, today)
    write_atomic(path, text.encode())
    return found.digest


def rewritten(text: str, tag: str, digest: str, platforms: dict[str, str], today: date) -> str:
    """Return a declaration with another base; comments and everything else stay."""
    table = tomlkit.parse(text)["base"]
    if "platforms" not in table:
        # A new key would come last, after the comment that belongs to the next table.
        text = _DIGEST_LINE.sub(r"\g<0>\nplatforms = {}", text, count=1)
    document = tomlkit.parse(text)
    pinned = tomlkit.inline_table()
    pinned.update(platforms)
    document["base"].update({"tag": tag, "digest": digest, "refreshed": today, "platforms": pinned})
    return tomlkit.dumps(document)


def _digest(found: Manifest, architecture: str, tag: str) -> str:
    for entry in found.document.get("manifests", ()):
        platform = entry.get("platform") or {}
        if platform.get("os") == "linux" and platform.get("architecture") == architecture:
            return str(entry["digest"])
    raise BaseMissingError(
        f"'{tag}' has no image for linux/{architecture}",
        hint="name another tag, or take the platform out of images.toml",
    )
