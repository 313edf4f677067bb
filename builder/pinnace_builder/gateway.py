"""The gateway's image: built on the same base as the others, for this machine's engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pinnace_builder import base, build, images_config, smoke
from pinnace_builder.render import gateway_labels, render_gateway
from pinnace_core import console, signals
from pinnace_core import image as image_content
from pinnace_core.engine import whales
from pinnace_core.engine.buildx import Build
from pinnace_core.errors import VerificationFailedError
from pinnace_core.files import exclusive
from pinnace_images import contract, refs
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from pinnace_builder.images_config import Images
    from pinnace_core.engine import Engine

_SCRIPT: Final = """
set -e
squid -v | grep -q -e --with-openssl
haproxy -v >/dev/null
openssl version >/dev/null
socat -V >/dev/null
test "$(id -u):$(id -g)" = {ids}
test -z "$(find / -xdev -perm /6000 -type f 2>/dev/null | head -n 1)"
test -w {sockets} && test -w {logs} && test ! -w {config}
"""
_OWNER: Final = (contract.AGENT_UID, contract.AGENT_GID)


def ensure(engine: Engine, images: Images | None = None) -> build.BuiltImage:
    """Build and check the gateway's image for the engine's platform, unless it is there.

    Args:
        engine: which keeps it.
        images: the declaration; by default the chosen one.

    Raises:
        BaseMissingError: there is no base of this declaration.
        PinnaceError: any of its kinds; nothing is left half-built.
    """
    client = engine.connect()
    platform = Platform.of_machine(engine.machine())
    declared = images or images_config.chosen(os.environ)
    with exclusive("build-gateway"):
        mirror = base.Mirror.from_environment(os.environ)
        found = base.ensure(engine, declared.base, platform, mirror=mirror)
        labels = gateway_labels(declared, platform, name=found.name, digest=found.digest)
        identity = labels[contract.LABEL_BUILD_ID]
        immutable = f"{contract.GATEWAY_REPOSITORY}:{refs.short(identity)}"
        names = [*map(engine.local_name, (immutable, contract.GATEWAY_NAME))]
        existing = whales.image_id(client, names[0])
        if existing:
            whales.tag(client, existing, *names[1:])
            return build.BuiltImage(existing, tuple(names), identity, built=False)

        def run(tag: str) -> None:
            _run(engine, declared, platform, build.Standing(_contexts(found), labels), tag)

        def check(image: str) -> None:
            _check(engine, image, platform)

        image = build.checked(engine, contract.GATEWAY_REPOSITORY, run, check, names)
    return build.BuiltImage(image, tuple(names), identity, built=True)


def _contexts(found: base.Base) -> dict[str, str]:
    return {"distribution": build.context_of(found)}


def _run(
    engine: Engine, images: Images, platform: Platform, standing: build.Standing, tag: str
) -> None:
    mirror = base.Mirror.from_environment(os.environ)
    with signals.temporary_directory("pinnace-build-") as directory:
        build.write_dockerfile(render_gateway(images), directory / "context")
        secrets = base.write_secrets(images.base, mirror, os.environ, directory)
        console.say(f"building the gateway ({platform})")
        engine.build(
            Build(
                context=directory / "context",
                platform=str(platform),
                name=tag,
                epoch=images.base.epoch,
                contexts=standing.contexts,
                labels=standing.labels,
                secrets=secrets,
            )
        )


def _check(engine: Engine, image: str, platform: Platform) -> None:
    """Run it once, and see that it has what a gateway is made of.

    Raises:
        VerificationFailedError: it has not.
    """
    expected = {
        contract.LABEL_GATEWAY: str(contract.GATEWAY_VERSION),
        contract.LABEL_PLATFORM: str(platform),
    }
    smoke.check_labels(whales.labels(engine.whales, image), expected)
    script = _SCRIPT.format(
        ids=contract.AGENT_IDS,
        sockets=contract.GATEWAY_SOCKETS,
        logs=contract.GATEWAY_LOGS,
        config=contract.GATEWAY_CONFIG,
    )
    spec = image_content.alone(image, f"{script}echo complete", home=contract.HOME, owner=_OWNER)
    done = image_content.run(engine, spec._replace(workdir="/", init=False))
    if done.code != 0 or "complete" not in done.output:
        raise VerificationFailedError(
            f"the gateway's image is not complete: {done.reason or f'exit code {done.code}'}",
            hint="see that its packages in images.toml are those that are shipped",
        )
