"""Look into an image: run something in it, alone, or read a file of it, which is not run.

What a container says about itself is as trustworthy as the image is. What is read from outside is
hashed here.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from pinnace_core import signals
from pinnace_core.container import ContainerSpec, Finished, scratch
from pinnace_core.errors import PinnaceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace_core.engine import Engine

_PIECE: Final = 1 << 20


def alone(image: str, script: str, *, home: str, owner: tuple[int, int]) -> ContainerSpec:
    """Return a container that runs a shell script: without network, mounts or input.

    Args:
        image: the id.
        script: what is run.
        home: the directory that may be written to, besides /tmp.
        owner: of it, uid and gid.
    """
    return ContainerSpec(
        image=image,
        command=("sh", "-c", script),
        workdir=home,
        tmpfs=scratch(home, *owner),
        interactive=False,
        network="none",
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


@contextmanager
def _named(
    engine: Engine, spec: ContainerSpec, *, removes_itself: bool = False
) -> Iterator[ContainerSpec]:
    """Give a container a name, by which it is removed unless it ended by itself.

    Killed outright, we leave one that is found by its labels.
    """
    name = f"pinnace-check-{spec.image[-12:]}-{os.urandom(4).hex()}"
    gone = False
    with signals.unwinding(all_alike=True):
        try:
            yield spec._replace(name=name)
            gone = removes_itself
        finally:
            if not gone:
                with signals.ignored(), suppress(PinnaceError):
                    engine.remove(name)
