"""Render an image's Dockerfile: pure, the same inputs give the same bytes."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import jinja2

from pinnace_core.errors import BadLockError
from pinnace_images import contract, refs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace_builder.images_config import BaseSpec, VariantSpec
    from pinnace_images.lock import LockEntry, Package
    from pinnace_images.platforms import Platform

OCI: Final = "org.opencontainers.image"
BASE_NAME: Final = f"{OCI}.base.name"
BASE_DIGEST: Final = f"{OCI}.base.digest"
_NPM_EPOCH: Final = 499_162_500
"""The time that npm gives every file in a package (1985-10-26, in seconds since 1970)."""


@dataclass(frozen=True)
class ImageRequest:
    """All that decides what is in the images of a version in a variant.

    Attributes:
        entry: the locked version.
        variant: which.
        platforms: of the images; each is locked.
        base: what they stand on.
    """

    entry: LockEntry
    variant: VariantSpec
    platforms: tuple[Platform, ...]
    base: BaseSpec

    @property
    def needs_node(self) -> bool:
        """Whether the CLI is a script."""
        return self.entry.package_for(self.platforms[0]).needs_node

    @property
    def packages(self) -> tuple[str, ...]:
        """The distribution's packages, sorted."""
        extra = self.variant.node_packages if self.needs_node else ()
        return tuple(sorted({*self.variant.packages, *extra}))

    @property
    def flavour(self) -> str:
        """The base's name: the variant's, and another one where Node is added to it."""
        added = self.needs_node and self.variant.node_packages
        return f"{self.variant.name}-node" if added else self.variant.name

    @property
    def epoch(self) -> int:
        """When the image was made, so to speak: as soon as all that is in it was there."""
        return max(self.base.epoch, self.cli_epoch)

    @property
    def cli_epoch(self) -> int:
        """The time of the CLI's files: a base refresh must not change their layer."""
        published = self.entry.published
        if not published:
            return _NPM_EPOCH
        try:
            moment = datetime.fromisoformat(published)
        except ValueError as error:
            raise BadLockError(
                f"{self.entry.version} is locked with '{published}' as its time",
                hint=f"run: pinnace-build lock {self.entry.version}",
            ) from error
        # The registry's times say their zone; without one, this machine's must not count.
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


@dataclass(frozen=True)
class Directory:
    """A directory of the build context: one package, laid out as in the image.

    Attributes:
        name: with the content's digest, because the cache goes by size and time alone.
        package: what is in it.
    """

    name: str
    package: Package

    @property
    def sha256(self) -> str:
        """The executable's digest."""
        return self.package.executable_sha256


@dataclass(frozen=True)
class BuildContext:
    """A rendered image.

    Attributes:
        dockerfile: its text, for all platforms.
        directories: what it copies, by platform.
    """

    dockerfile: str
    directories: Mapping[Platform, Directory]


def render(request: ImageRequest) -> BuildContext:
    """Render `request`."""
    directories = {platform: _directory(request, platform) for platform in request.platforms}
    base = request.base
    text = _render(
        "Dockerfile.j2",
        request,
        base_reference=f"{base.name}:{base.tag}@{base.digest}",
        directories=directories,
        labels=_labels(request),
        label_sha256=contract.LABEL_SHA256,
        label_platform=contract.LABEL_PLATFORM,
    )
    return BuildContext(text, directories)


def render_packages(packages: Sequence[str], *, sealed: bool, tools: str = "") -> bytes:
    """Render what adds packages and tools to an image named `pinnace`.

    Args:
        packages: of the distribution.
        tools: the directory of the context that holds them as in the image; or empty.
        sealed: whether the image's user is set again; else root stays it.
    """
    template = environment().get_template("packages.j2")
    ids = contract.AGENT_IDS
    return template.render(packages=packages, sealed=sealed, tools=tools, ids=ids).encode()


def base_id(request: ImageRequest, platform: Platform, distribution: str) -> str:
    """Identify the recipe of a base: sha256, hexadecimal.

    Args:
        request: of any image that stands on it.
        platform: of the base.
        distribution: digest of the distribution's image that is at hand.
    """
    text = _render("base.j2", request)
    return digest(platform, distribution, dockerfile=text, epochs=(request.base.epoch,))


def build_id(request: ImageRequest, platform: Platform, distribution: str) -> str:
    """Identify the recipe of one platform's image: sha256, hexadecimal.

    What is locked for other platforms does not matter, nor where the base comes from.
    """
    alone = replace(request, platforms=(platform,))
    package = request.entry.package_for(platform)._asdict()
    return digest(
        platform,
        distribution,
        dockerfile=render(alone).dockerfile,
        package=package,
        epochs=(request.epoch, request.cli_epoch),
    )


def base_labels(name: str, digest: str, identity: str) -> dict[str, str]:
    """Return the labels of a base that depend on where the distribution's image came from.

    They are added to a build rather than written in the Dockerfile, which is the same everywhere.

    Args:
        name: of the distribution's image that is at hand.
        digest: its digest.
        identity: of the base's recipe.
    """
    return {BASE_NAME: name, BASE_DIGEST: digest, contract.LABEL_BASE_ID: identity}


def identity_labels(
    request: ImageRequest, platform: Platform, *, name: str, digest: str
) -> dict[str, str]:
    """Return these labels of an image whose base is built along with it, and its build-id."""
    labels = base_labels(name, digest, base_id(request, platform, digest))
    return labels | {contract.LABEL_BUILD_ID: build_id(request, platform, digest)}


def tags(request: ImageRequest, build: str) -> list[str]:
    """Name the local image: the immutable tag first, then the one that moves."""
    moving = contract.local_name(str(request.entry.version), request.variant.name)
    return [f"{moving}-{refs.short(build)}", moving]


def digest(platform: Platform, distribution: str, **content: Any) -> str:  # noqa: ANN401 (JSON)
    """Identify what an image is made of: sha256, hexadecimal."""
    identity = {
        **content,
        "platform": str(platform),
        "base": distribution,
        "contract": contract.CONTRACT_VERSION,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _directory(request: ImageRequest, platform: Platform) -> Directory:
    package = request.entry.package_for(platform)
    return Directory(f"claude-{refs.short(package.executable_sha256)}", package)


def _labels(request: ImageRequest) -> dict[str, str]:
    created = datetime.fromtimestamp(request.epoch, UTC).isoformat()
    return {
        f"{OCI}.title": request.variant.title,
        f"{OCI}.version": str(request.entry.version),
        f"{OCI}.created": created,
        f"{OCI}.licenses": "LicenseRef-Anthropic-Commercial-Terms",
        contract.LABEL_VERSION: str(request.entry.version),
    }


def _base_labels(request: ImageRequest) -> dict[str, str]:
    devcontainer = [{"remoteUser": contract.AGENT_NAME, "updateRemoteUserUID": True}]
    base = request.base
    return {
        BASE_NAME: f"{base.name}:{base.tag}",
        BASE_DIGEST: base.digest,
        contract.LABEL_CONTRACT: str(contract.CONTRACT_VERSION),
        contract.LABEL_VARIANT: request.variant.name,
        contract.LABEL_USER: f"{contract.AGENT_UID}:{contract.AGENT_GID}",
        "devcontainer.metadata": json.dumps(devcontainer, separators=(",", ":")),
    }


def _render(template: str, request: ImageRequest, **more: Any) -> str:  # noqa: ANN401 (the template's)
    return (
        environment()
        .get_template(template)
        .render(
            version=request.entry.version,
            variant=request.variant.name,
            packages=request.packages,
            refreshed=request.base.refreshed.isoformat(),
            epoch=request.base.epoch,
            user=contract.AGENT_NAME,
            uid=contract.AGENT_UID,
            gid=contract.AGENT_GID,
            home=contract.HOME,
            config_dir=contract.CONFIG_DIR,
            claude_root=contract.CLAUDE_ROOT,
            base_labels=_base_labels(request),
            **more,
        )
    )


@functools.cache
def environment() -> jinja2.Environment:
    """Return what reads the templates."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pinnace_images"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (a Dockerfile, not HTML)
    )
    # In a Dockerfile's double quotes, these three are special.
    environment.filters["quoted"] = lambda text: (
        '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'
    )
    return environment
