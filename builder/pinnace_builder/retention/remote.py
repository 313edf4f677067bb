"""Read a repository, and delete what a plan lets go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pinnace_builder.publish import lock_name
from pinnace_builder.retention import contents, names
from pinnace_builder.retention.plan import plan
from pinnace_builder.retention.snapshot import Snapshot
from pinnace_core.console import say
from pinnace_core.errors import ImageRegistryError, RegistryDeniedError
from pinnace_core.locks import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pinnace_builder.registry import Manifest, Registry
    from pinnace_builder.retention.policy import Plan, Policy

T = TypeVar("T")

_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Repository:
    """A repository of images.

    Attributes:
        registry: that it is in.
        name: as it is given to `publish`.
    """

    registry: Registry
    name: str

    def plan(self, policy: Policy) -> Plan:
        """Read it, and decide."""
        return plan(read(self.registry), policy).plan

    def apply(self, policy: Policy) -> Plan:
        """Read it, decide, and delete, while nothing is published from this machine.

        Raises:
            RegistryDeniedError: the registry does not allow it.
            ImageRegistryError: it does not answer; every index that is left is whole.
        """
        with exclusive(lock_name(self.name)):
            planned = plan(read(self.registry), policy)
            whats = {item.id: item.what for item in planned.plan.gone}
            for deletion in planned.deletions:
                self.registry.delete(deletion.digest)
                if deletion.digest == deletion.root:
                    say(f"deleted {whats[deletion.root]}")
        return planned.plan


def read(registry: Registry) -> Snapshot:
    """Read all tags of a repository, what they name, and what that refers to."""
    tags = registry.tags()
    say(f"reading {len(tags)} tags of {registry.repository}")
    with _pool() as pool:
        # A tag may have gone since they were listed.
        tagged = _found(pool, registry.manifest, tags)
        manifests = {manifest.digest: manifest for manifest in tagged.values()}
        wanted = _below(manifests.values()) | set(filter(None, map(names.subject_of, tagged)))
        while missing := wanted - manifests.keys():
            found = _found(pool, registry.manifest, missing)
            manifests |= found
            wanted = _below(found.values())
        configs = {contents.config_digest(one.document) for one in manifests.values()} - {""}
        read_configs = _found(pool, lambda digest: _config(registry, digest), configs)
    held = {
        digest: contents.held(one, read_configs.get(contents.config_digest(one.document), {}))
        for digest, one in manifests.items()
    }
    return Snapshot({tag: manifest.digest for tag, manifest in tagged.items()}, held)


def _below(manifests: Iterable[Manifest]) -> set[str]:
    return {child for one in manifests for child in contents.children(one.document)}


def _config(registry: Registry, digest: str) -> dict[str, Any] | None:
    """Read an image's configuration, or None if the image has lost it."""
    try:
        return contents.read_config(registry.blob(digest))
    except (ImageRegistryError, RegistryDeniedError):
        if registry.has_blob(digest):
            raise
        return None


def _found(
    pool: ThreadPoolExecutor, get: Callable[[str], T | None], keys: Iterable[str]
) -> dict[str, T]:
    """Ask for several things at once; give those that are there."""
    asked = sorted(keys)
    answers = zip(asked, pool.map(get, asked), strict=True)
    return {key: answer for key, answer in answers if answer is not None}


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Return threads that an error does not keep busy with what nobody wants any more."""
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
