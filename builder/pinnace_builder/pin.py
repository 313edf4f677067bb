"""The one change that is made to `images.toml`: another base is pinned."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pinnace_builder.registry import Registry
from pinnace_core.errors import BaseMissingError
from pinnace_core.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from pinnace_builder.images_config import Images

_DIGEST_LINE: Final = re.compile(r"^digest\s*=.*$", re.MULTILINE)


def pin_base(images: Images, tag: str, *, mirror: str) -> str:
    """Pin another tag of the base, as refreshed today; return the manifest list's digest.

    Args:
        images: the declaration; its file is changed.
        tag: of the base's image.
        mirror: a registry's prefix; empty: none.

    Raises:
        BaseMissingError: there is no such tag, or it lacks a platform.
        ImageRegistryError: no answer.
    """
    name = images.base.name
    found = Registry(f"{mirror}/{name}" if mirror else name).manifest(tag)
    if found is None:
        raise BaseMissingError(f"{name} has no tag '{tag}'", hint="check its spelling")
    digests = {platform: found.platform_digest(platform) for platform in images.platforms}
    missing = [str(platform) for platform, digest in digests.items() if digest is None]
    if missing:
        raise BaseMissingError(
            f"'{tag}' has no image for {missing[0]}",
            hint="name another tag, or take the platform out of images.toml",
        )
    pinned = {str(platform): digest for platform, digest in digests.items() if digest}
    text = images.source.read_text(encoding="utf-8")
    today = datetime.now(UTC).date()
    write_atomic(images.source, _rewritten(text, tag, found.digest, pinned, today).encode())
    return found.digest


def _rewritten(text: str, tag: str, digest: str, platforms: Mapping[str, str], day: date) -> str:
    """Return a declaration with another base; comments and everything else stay."""
    import tomlkit  # noqa: PLC0415 (of `pinnace[publish]`: a launch builds without it)

    table = tomlkit.parse(text)["base"]
    if "platforms" not in table:
        # A new key would come last, after the comment that belongs to the next table.
        text = _DIGEST_LINE.sub(r"\g<0>\nplatforms = {}", text, count=1)
    document = tomlkit.parse(text)
    pinned = tomlkit.inline_table()
    pinned.update(platforms)
    document["base"].update({"tag": tag, "digest": digest, "refreshed": day, "platforms": pinned})
    return tomlkit.dumps(document)
