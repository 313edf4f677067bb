"""Build a project's own image on a local one, and see that it still keeps the contract.

Up to three small builds, each on the outcome of the one before: become root and add packages; the
project's Dockerfile; become the image's user again. One build could not do it, because what stands
before a Dockerfile's first FROM would lose its meaning behind ours.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from python_on_whales.exceptions import DockerException

from pinnace_builder import base, images_config, smoke
from pinnace_builder.render import render_packages
from pinnace_builder.tools import directory as tools_directory
from pinnace_builder.tools import stage
from pinnace_core import console, signals
from pinnace_core.engine import whales
from pinnace_core.engine.buildx import Build
from pinnace_core.errors import BuildFailedError, BusyError, VerificationFailedError
from pinnace_images import contract
from pinnace_images.platforms import Platform
from pinnace_images.tools import TOOLS
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from python_on_whales import DockerClient

    from pinnace_core.engine import Engine
    from pinnace_images.contract import Recipe

CONTEXT_NAME: Final = "pinnace"
ARGUMENT: Final = "PINNACE_IMAGE"
# A name that no registry serves: what went away must not be pulled from a stranger instead.
_SCRATCH: Final = "localhost/pinnace/project"
_KEPT_LABELS: Final = (
    contract.LABEL_CONTRACT,
    contract.LABEL_VERSION,
    contract.LABEL_VARIANT,
    contract.LABEL_PLATFORM,
    contract.LABEL_USER,
    contract.LABEL_SHA256,
)
_KEPT_VARIABLES: Final = ("HOME", "CLAUDE_CONFIG_DIR", "DISABLE_AUTOUPDATER")
_HINT: Final = (
    "mend the Dockerfile: it stands on 'pinnace', leaves /opt/claude and the labels alone, and "
    "ends with no set-id program (find / -xdev -perm /6000 -type f -exec chmod ug-s {} +)"
)
_FILES_EPOCH: Final = 1_000_000_000
_SPREAD: Final = 1 << 28


@dataclass(frozen=True)
class _Step:
    """One of the builds.

    Attributes:
        what: is done, for people.
        dockerfile: of this build.
        context: the project's files are in it.
        tools: that are laid out for it.
        labels: of the outcome.
    """

    what: str
    dockerfile: bytes
    context: bool = False
    tools: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def derive(engine: Engine, recipe: Recipe, *, fresh: bool = False) -> None:
    """Build, check and name the image.

    Args:
        engine: which keeps it.
        recipe: what it is.
        fresh: do not use the cache, so that packages are those of today.

    Raises:
        BuildFailedError: a step fails.
        VerificationFailedError: the outcome breaks the contract.
        BusyError: a file changed while it was read.
    """
    client = engine.connect()
    found = whales.labels(client, recipe.base)
    console.say(f"building the project's own image {recipe.name}")
    with _scratch(client) as scratch, whales.translated("building the project's own image"):
        client.image.tag(recipe.base, scratch[0])
        platform = Platform.of_machine(engine.machine())
        steps = _steps(recipe, platform)
        for number, step in enumerate(steps):
            with _staged(recipe, step, platform) as place, _explained(step):
                _build(engine, step, place, scratch[number : number + 2], fresh=fresh)
        image = client.image.inspect(scratch[len(steps)]).id
        _check(engine, image, recipe, found)
        client.image.tag(image, engine.local_name(recipe.name))


@dataclass(frozen=True)
class _Place:
    """Where a step's files are.

    Attributes:
        context: a directory.
        dockerfile: beside it.
        secrets: files, by their ids.
    """

    context: Path
    dockerfile: Path
    secrets: Mapping[str, Path]


def _steps(recipe: Recipe, platform: Platform) -> list[_Step]:
    labels, tools = {contract.LABEL_PROJECT: recipe.identity}, recipe.tools
    names = ", ".join((*(TOOLS[name].title for name in tools), *recipe.packages))
    adding = f"adding {names}" if names else "preparing for the Dockerfile"
    sealed = not recipe.dockerfile
    directory = tools_directory(tools, platform) if tools else ""
    first = render_packages(recipe.packages, sealed=sealed, tools=directory)
    if sealed:
        return [_Step(adding, first, tools=tools, labels=labels)]
    return [
        _Step(adding, first, tools=tools),
        _Step("building the project's Dockerfile", recipe.dockerfile, context=True),
        _Step("closing the image", render_packages((), sealed=True), labels=labels),
    ]


@contextmanager
def _explained(step: _Step) -> Iterator[None]:
    """Return which part failed; why is in the build's own output.

    Raises:
        BuildFailedError: it failed.
    """
    try:
        yield
    except BuildFailedError as error:
        reason = error.message.removeprefix("the build failed: ")
        if reason == error.message:
            raise  # It says itself what was wrong.
        raise BuildFailedError(
            f"{step.what} failed: {reason}", hint="why is in the build's own output, above"
        ) from error


@contextmanager
def _staged(recipe: Recipe, step: _Step, platform: Platform) -> Iterator[_Place]:
    with signals.temporary_directory("pinnace-project-") as name:
        context = name / f"context-{recipe.identity[:12]}"
        context.mkdir()
        if step.context:
            stage_context(recipe, context)
        if step.tools:
            stage(step.tools, platform, context)
        (name / "Dockerfile").write_bytes(step.dockerfile)
        mirror = base.Mirror.from_environment(os.environ)
        declared = images_config.chosen(os.environ)
        secrets = base.write_secrets(declared.base, mirror, os.environ, name)
        yield _Place(context, name / "Dockerfile", secrets)


def _build(
    engine: Engine, step: _Step, place: _Place, names: Sequence[str], *, fresh: bool
) -> None:
    below, tag = names
    build = Build(
        context=place.context,
        file=place.dockerfile,
        platform=str(Platform.of_machine(engine.machine())),
        name=tag,
        epoch=int(time.time()),
        contexts={CONTEXT_NAME: f"docker-image://{below}"},
        labels=step.labels,
        secrets=place.secrets,
        arguments=_arguments(step),
        fresh=fresh,
    )
    engine.build(build)


def _arguments(step: _Step) -> Sequence[str]:
    """Only where it is asked for: BuildKit complains about what nobody uses."""
    return [f"{ARGUMENT}={CONTEXT_NAME}"] if ARGUMENT.encode() in step.dockerfile else []


def stage_context(recipe: Recipe, into: Path) -> None:
    """Lay out the files as they were when the recipe was made.

    BuildKit compares files by size and time: a file's time here follows from its content, so that a
    changed file is never taken for the old one, and a touched one never for a new one.

    Raises:
        BusyError: one has changed since.
    """
    for item in recipe.files:
        source, target = Path(recipe.root, item.path), into / item.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if item.kind == "link":
            target.symlink_to(item.content)
            continue
        try:
            data = source.read_bytes()
        except OSError:
            data = None
        if data is None or hashlib.sha256(data).hexdigest() != item.content:
            raise BusyError(
                f"'{source}' changed while the project's image was built",
                hint="run the same command again",
            )
        target.write_bytes(data)
        target.chmod(0o755 if item.kind == "program" else 0o644)
        moment = _FILES_EPOCH + int(item.content[:12], 16) % _SPREAD
        os.utime(target, (moment, moment))


def _check(engine: Engine, image: str, recipe: Recipe, below: Mapping[str, str]) -> None:
    client = engine.whales
    config = client.image.inspect(image).config
    expected = {key: below.get(key, "") for key in _KEPT_LABELS}
    try:
        smoke.check_labels(
            dict(config.labels or {}), expected | {contract.LABEL_PROJECT: recipe.identity}
        )
        _check_environment(config.env or [], client.image.inspect(recipe.base).config.env or [])
        smoke.smoke(
            engine,
            image,
            version=CliVersion.parse(below.get(contract.LABEL_VERSION, "")),
            platform=Platform.parse(below.get(contract.LABEL_PLATFORM, "")),
        )
    except (VerificationFailedError, BuildFailedError) as error:
        raise VerificationFailedError(
            f"the project's own image breaks the contract: {error.message}", hint=_HINT
        ) from error


def _check_environment(found: Sequence[str], below: Sequence[str]) -> None:
    for line in below:
        if line.partition("=")[0] in _KEPT_VARIABLES and line not in found:
            raise VerificationFailedError(f"the variable {line} is changed", hint=_HINT)


@contextmanager
def _scratch(client: DockerClient) -> Iterator[list[str]]:
    """Give names for what stands between, and take them away again."""
    nonce = os.urandom(6).hex()
    names = [f"{_SCRATCH}:{nonce}-{number}" for number in range(4)]
    try:
        yield names
    finally:
        for name in names:
            if whales.image_id(client, name):
                try:
                    client.image.remove(name, prune=False)
                except DockerException as error:
                    console.say(f"{name} stays: {whales.reason(error)}")
