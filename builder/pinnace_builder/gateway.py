"""The gateway's image: programs only, the way out of containers that have no network."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from pinnace_builder import base, images_config, local, render, smoke
from pinnace_builder.local import BuiltImage, LocalBuild, Standing
from pinnace_core import built
from pinnace_core.engine import whales
from pinnace_core.errors import ImageMissingError
from pinnace_core.locks import exclusive
from pinnace_images import contract, refs
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_builder.base import Base
    from pinnace_builder.images_config import Images
    from pinnace_core.engine import Engine

# Each tells that it is there, by something that no other program says.
_PROGRAMS: Final = {
    "haproxy": ("haproxy -v", "HAProxy version"),
    "openssl": ("openssl version", "OpenSSL"),
    "socat": ("socat -V", "socat version"),
    # Without it, connections cannot be looked into.
    "squid": ("squid -v", "--with-openssl"),
}
_PLACES: Final = (contract.GATEWAY_SOCKETS, contract.GATEWAY_LOGS)
# Memory, or the engine's own.
_MOUNTED: Final = ("/tmp", "/dev", "/proc", "/sys")  # noqa: S108 (inside)


def rendered(images: Images) -> str:
    """Return the Dockerfile, which is the same for all platforms."""
    spec, below = images.gateway, images.base
    template = render.environment().get_template("gateway.j2")
    return template.render(
        base_reference=f"{below.name}:{below.tag}@{below.digest}",
        refreshed=below.refreshed.isoformat(),
        epoch=below.epoch,
        packages=sorted(set(spec.packages)),
        user=contract.AGENT_NAME,
        uid=contract.AGENT_UID,
        gid=contract.AGENT_GID,
        config=contract.GATEWAY_CONFIG,
        sockets=contract.GATEWAY_SOCKETS,
        logs=contract.GATEWAY_LOGS,
        labels=_labels(images),
    )


def _labels(images: Images) -> dict[str, str]:
    created = datetime.fromtimestamp(images.base.epoch, UTC).isoformat()
    return {
        f"{render.OCI}.title": images.gateway.title,
        f"{render.OCI}.created": created,
        render.BASE_NAME: f"{images.base.name}:{images.base.tag}",
        render.BASE_DIGEST: images.base.digest,
        contract.LABEL_GATEWAY: str(contract.GATEWAY_VERSION),
    }


def identity_labels(images: Images, platform: Platform, found: Base) -> dict[str, str]:
    """Return the labels of one platform's image, which depend on what it stands on.

    They are added to a build rather than written in the Dockerfile, which is the same everywhere.
    """
    epochs = (images.base.epoch,)
    identity = render.digest(platform, found.digest, dockerfile=rendered(images), epochs=epochs)
    return {
        render.BASE_NAME: found.name,
        render.BASE_DIGEST: found.digest,
        contract.LABEL_PLATFORM: str(platform),
        contract.LABEL_BUILD_ID: identity,
    }


def ensure(engine: Engine, images: Images | None = None) -> BuiltImage:
    """Return the gateway's image for the engine's platform; it is built and checked if need be.

    Of several processes that want it at once, one builds and the others wait.

    Args:
        engine: which keeps it.
        images: the declaration; by default the chosen one.

    Raises:
        PinnaceError: any of its kinds; nothing is left half-built.
    """
    engine.connect()
    platform = Platform.of_machine(engine.machine())
    declared = images or images_config.chosen(os.environ)
    with exclusive(f"build-{images_config.GATEWAY}"):
        # What it stands on may be gone: that is not fetched for an image that is there.
        likely = base.identify(engine, declared.base, platform)
        order = _order(engine, declared, platform, likely)
        if found := local.existing(engine, order.names, order.standing.build_id):
            return found
        at_hand = local.distribution(engine, declared.base, platform)
        return local.ensure(engine, _order(engine, declared, platform, at_hand))


def accept(engine: Engine) -> BuiltImage:
    """Take the image that is there for one that was built here, and return it.

    Raises:
        ImageMissingError: there is none, or it is of another kind.
    """
    engine.connect()
    name = engine.local_name(contract.GATEWAY_NAME)
    found = engine.image(name, made_here=True)
    if found is None or found.labels.get(contract.LABEL_GATEWAY) != str(contract.GATEWAY_VERSION):
        raise ImageMissingError(
            f"there is no gateway's image '{name}' that this version knows",
            hint="load it (docker load), or build it: pinnace-build gateway",
        )
    built.record(found.id)
    identity = found.labels.get(contract.LABEL_BUILD_ID, "")
    return BuiltImage(found.id, (name,), identity, built=False)


def _order(engine: Engine, images: Images, platform: Platform, found: Base) -> LocalBuild:
    """Say what it takes to make the image."""
    labels = identity_labels(images, platform, found)
    standing = Standing.on(found, "distribution", labels=labels)
    return LocalBuild(
        title=f"the gateway ({platform})",
        names=tuple(map(engine.local_name, tags(standing.build_id))),
        platform=platform,
        base=images.base,
        epoch=images.base.epoch,
        standing=standing,
        stage=partial(_stage, images),
        check=partial(_check, engine, platform),
    )


def tags(build: str) -> list[str]:
    """Name the local image: the immutable tag first, then the one that moves."""
    return [f"{contract.GATEWAY_REPOSITORY}:{refs.short(build)}", contract.GATEWAY_NAME]


def _stage(images: Images, directory: Path) -> None:
    local.write_dockerfile(rendered(images), directory)


def _check(engine: Engine, platform: Platform, image: str) -> None:
    """See that the image is what its labels say, and that it runs as it is going to be run.

    Raises:
        VerificationFailedError: something is off.
        BuildFailedError: it does not run.
    """
    expected = {
        contract.LABEL_GATEWAY: str(contract.GATEWAY_VERSION),
        contract.LABEL_PLATFORM: str(platform),
    }
    smoke.check_labels(whales.labels(engine.whales, image), expected)
    answers = smoke.ask(engine, image, _script(), platform=platform)
    told = {name: text for name, (_, text) in _PROGRAMS.items()}
    smoke.compare(answers, {**told, "modes": "755 1777 1777", **smoke.SOUND})


def _script() -> str:
    """Ask every program, and look at all files."""
    asked = (
        f'echo "{name}=$({command} 2>&1 </dev/null | grep -o -m 1 -F -e "{text}")"'
        for name, (command, text) in _PROGRAMS.items()
    )
    but = " -o ".join(f"-path {place}" for place in (*_PLACES, *_MOUNTED))
    modes = f'echo "modes="$(stat -c %a {contract.GATEWAY_CONFIG} {" ".join(_PLACES)})'
    return "\n".join((*asked, modes, smoke.files_script(f"/ -xdev \\( {but} \\) -prune -o")))
