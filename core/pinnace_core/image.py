"""A local image: as an engine describes it, and looked into from outside."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from pinnace_core import signals
from pinnace_core.container import NO_NETWORK, ContainerSpec, Finished, scratch
from pinnace_core.errors import ImageMissingError, PinnaceError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from pinnace_core.engine import Engine


_PIECE: Final = 1 << 20
# A container is made within half a second; on a machine that is busy, it takes longer.
_ATTEMPTS: Final = 10
_PAUSE_SECONDS: Final = 0.2


BUILDING: Final = "building-"
"""How the tag begins that an image has only as long as it is built, before it is looked at."""


class Image(NamedTuple):
    """A local image.

    Attributes:
        id: the engine's.
        labels: all of them.
        tags: its names, for people; one that it has only as long as it is built is none.
        created: sorts by time, whatever unit the engine gives.
        size: bytes, as the engine counts them; 0 if it does not say.
        digests: its names with the digests that registries know it by.
        environment: NAME=VALUE; empty if it was only listed.
    """

    id: str
    labels: Mapping[str, str]
    tags: tuple[str, ...]
    created: str
    size: int = 0
    digests: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()

    @classmethod
    def from_engine(cls, item: Mapping[str, Any]) -> Self:
        """Read what the engine lists (flat) or inspects (labels below `Config`)."""
        config = item.get("Config") or {}
        created = item.get("Created", "")
        return cls(
            id=str(item["Id"]),
            labels=dict(item.get("Labels") or config.get("Labels") or {}),
            tags=tuple(t for t in item.get("RepoTags") or () if f":{BUILDING}" not in t),
            created=f"{created:020d}" if isinstance(created, int) else str(created),
            size=int(item.get("Size") or 0),
            digests=tuple(item.get("RepoDigests") or ()),
            environment=tuple(config.get("Env") or ()),
        )


def missing(image: str) -> ImageMissingError:
    """Return the error for an image, by its id, that was just there and is gone."""
    return ImageMissingError(
        f"image {image[:19]} went away while it was being started",
        hint="run the same command again: it is built anew",
    )


def alone(image: str, script: str, *, home: str, owner: tuple[int, int]) -> ContainerSpec:
    """Return a container that runs a shell script: without network, mounts or input.

    Args:
        image: the id.
        script: what is run.
        home: the directory that may be written to, besides /tmp; empty: none.
        owner: of it, uid and gid.
    """
    return ContainerSpec(
        image=image,
        command=("sh", "-c", script),
        workdir=home or "/",
        tmpfs=scratch(home, *owner),
        interactive=False,
        network=NO_NETWORK,
    )


def run(engine: Engine, spec: ContainerSpec, *, seconds: float | None = None) -> Finished:
    """Run a container to its end; whatever becomes of its client or of us, the container goes.

    Raises:
        TimeoutError: it goes on for longer than `seconds`.
        ImageMissingError: its image is gone.
        ClientMissingError: there is no client.
    """
    with _named(engine, spec, removes_itself=True) as named:
        return engine.run(named, seconds=seconds)


@contextmanager
def created(engine: Engine, spec: ContainerSpec) -> Iterator[str]:
    """Make a container, which is not started, and remove it in the end; yield its name.

    Raises:
        ImageMissingError: its image is gone.
        EngineUnavailableError: the engine does not make one of it.
        ClientMissingError: there is no client.
    """
    with _named(engine, spec) as named:
        engine.create(named)
        yield named.name


def extract_digest(engine: Engine, container: str, path: str) -> str | None:
    """Return the SHA-256 of a file of a container, hexadecimal; None if it is no plain file.

    Raises:
        EngineUnavailableError: the engine does not give it.
    """
    import hashlib

    digest = hashlib.sha256()
    try:
        with engine.file(container, path) as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def remove_late(engine: Engine, name: str) -> None:
    """Remove a container that may still be made: where its client was ended, the engine goes on.

    Raises:
        EngineUnavailableError: the engine does not answer, or refuses.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        if engine.container(name) is not None:
            break
    engine.remove(name)


@contextmanager
def _named(
    engine: Engine, spec: ContainerSpec, *, removes_itself: bool = False
) -> Iterator[ContainerSpec]:
    """Give a container a name, by which it is removed unless it ended by itself.

    Killed outright, we leave one that is found by its labels.
    """
    # The end of an id, or of a name, which may hold what a container's name may not.
    about = "".join(c if c.isalnum() else "-" for c in spec.image[-12:])
    name = f"pinnace-check-{about}-{os.urandom(4).hex()}"
    gone = False
    with signals.unwinding(all_alike=True):
        try:
            yield spec._replace(name=name)
            gone = removes_itself
        finally:
            if not gone:
                with signals.ignored(), suppress(PinnaceError):
                    remove_late(engine, name)
