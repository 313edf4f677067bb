"""Build one platform's image into an OCI layout, and its bill of materials."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pinnace_builder import base, buildx, packages, render, sbom
from pinnace_builder import context as stage
from pinnace_builder.publish import layout, provenance
from pinnace_builder.publish.plan import BaseImage, CliImage
from pinnace_core import retry
from pinnace_core.console import say
from pinnace_core.engine import whales
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from python_on_whales import DockerClient

    from pinnace_builder.publish.cache import Cache
    from pinnace_images.platforms import Platform
    from pinnace_images.versions import CliVersion

# A base's layers, and what the push and the inspection keep beside them.
_SPACE_NEEDED: Final = 300 << 20
# Fixed: with another level, an image has another digest. Of zstd, 7 makes the CLI 8 MB smaller than
# 3 in 3 s more; 11 another 12 MB in a minute.
COMPRESSION: Final = {"zstd": 7, "gzip": 6}


@dataclass(frozen=True)
class Maker:
    """Builds images of a repository.

    Attributes:
        client: the engine.
        repository: that published bases are in.
        compression: of layers: `zstd` or `gzip`.
        cache: BuildKit's.
        builders: by platform; the current one for others.
        previous: the version before, by version: its cache is imported too.
        attesting: whether provenance comes along.
        fresh: build without the cache.
    """

    client: DockerClient
    repository: str
    compression: str
    cache: Cache
    builders: Mapping[Platform, str]
    previous: Mapping[CliVersion, CliVersion]
    attesting: bool
    fresh: bool = False

    def make(self, image: BaseImage | CliImage, standing: str, into: Path) -> layout.Layout:
        """Build.

        Args:
            image: what.
            standing: digest of the published base; empty if this is one.
            into: an empty directory.

        Raises:
            PinnaceError: of any of its kinds.
        """
        packages.require_space(into, _SPACE_NEEDED)
        say(f"building {image}")
        target = into / "layout"
        build = (
            self._cli(image, standing, into, target)
            if isinstance(image, CliImage)
            else self._base(image, into, target)
        )
        retry.retry(lambda: self._attempt(build, target))
        made = layout.load(target, image.platform)
        return replace(made, provenance=tuple(map(_anywhere, made.provenance)))

    def bill(self, image: BaseImage | CliImage, digest: str, root: Path) -> dict[str, Any]:
        """Return the bill of materials of an image as a statement.

        Args:
            image: of which.
            digest: its manifest's.
            root: with its list of Debian packages.
        """
        entry = image.request.entry
        cli = isinstance(image, CliImage)
        document = sbom.image_sbom(
            root,
            name=self.repository,
            version=image.tag,
            architecture=image.platform.architecture,
            namespace=f"https://pinnace.invalid/spdx/{digest.removeprefix('sha256:')}",
            created=image.request.epoch if cli else image.request.base.epoch,
            package=entry.package_for(image.platform) if cli else None,
            cli_version=str(entry.version) if cli else "",
        )
        return provenance.statement(provenance.SPDX, json.loads(document))

    def _attempt(self, build: buildx.Build, target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        buildx.run(self.client, build)

    def _compressed(self) -> str:
        # By force: a layer that an earlier build left uncompressed, or compressed otherwise, would
        # be taken from the cache as it is.
        level = COMPRESSION[self.compression]
        return f"compression={self.compression},compression-level={level},force-compression=true"

    def _output(self, target: Path) -> str:
        where = ("type=oci", f"dest={target}", "tar=false", "oci-mediatypes=true")
        return f"{buildx.fields(*where)},{self._compressed()}"

    def _base(self, image: BaseImage, into: Path, target: Path) -> buildx.Build:
        request, platform = image.request, image.platform
        context = into / "context"
        stage.write_dockerfile(render.render(request), context)
        mirror = base.Mirror.from_environment(os.environ)
        labels = render.identity_labels(
            request,
            platform,
            name=image.distribution.name,
            digest=image.distribution.digest,
        )
        # Which CLI is put on top of it is not a base's to say.
        labels.pop(contract.LABEL_BUILD_ID)
        return buildx.Build(
            context=context,
            platform=platform,
            output=self._output(target),
            epoch=request.base.epoch,
            target="base",
            contexts={"distribution": self._distribution(image, into)},
            labels=labels,
            secrets=base.write_secrets(request.base, mirror, os.environ, into),
            arguments=buildx.proxies(os.environ),
            cache=self._cached(self._base_cache(image)),
            builder=self.builders.get(platform, ""),
            provenance=self.attesting,
            fresh=self.fresh,
        )

    def _distribution(self, image: BaseImage, into: Path) -> str:
        """Return where the builder finds the distribution's image."""
        reference = image.distribution.reference
        builder = self.builders.get(image.platform, "")
        local = reference.startswith(f"{contract.BASE_REPOSITORY}:")
        with whales.translated("looking at the builder"):
            own = not local or self.client.buildx.inspect(builder or None).driver == "docker"
        if own:
            return f"docker-image://{reference}"
        # Only the engine's own builder sees its images: another one is sent this one.
        archive = into / "distribution.tar"
        with whales.translated(f"saving {reference}"):
            self.client.image.save(reference, output=archive)
        packages.extract(archive, into / "distribution")
        index = json.loads((into / "distribution" / "index.json").read_bytes())
        return f"oci-layout://{into / 'distribution'}@{index['manifests'][0]['digest']}"

    def _cli(self, image: CliImage, standing: str, into: Path, target: Path) -> buildx.Build:
        request, platform = image.request, image.platform
        context = into / "context"
        stage.stage(request, render.render(request), platform, context)
        published = f"docker-image://{self.repository}@{standing}"
        others = (*self._earlier(image), self._base_cache(image.base))
        return buildx.Build(
            context=context,
            platform=platform,
            output=self._output(target),
            epoch=request.epoch,
            # BuildKit looks up what every stage is made from, also of one that is replaced.
            contexts=dict.fromkeys(("base", "distribution"), published),
            labels={contract.LABEL_BUILD_ID: image.id},
            cache=self._cached(self._cache(image, request.entry.version), *others),
            builder=self.builders.get(platform, ""),
            provenance=self.attesting,
            fresh=self.fresh,
        )

    def _cached(self, name: str, *others: str) -> tuple[str, ...]:
        return self.cache.flags(self.repository, name, others, self._compressed())

    def _earlier(self, image: CliImage) -> list[str]:
        before = self.previous.get(image.request.entry.version)
        return [self._cache(image, before)] if before else []

    def _cache(self, image: CliImage, version: CliVersion) -> str:
        return f"cache-{version}-{image.request.variant.name}-{image.platform.architecture}"

    def _base_cache(self, image: BaseImage) -> str:
        return f"cache-base-{image.request.flavour}-{image.platform.architecture}"


def _anywhere(statement: dict[str, Any]) -> dict[str, Any]:
    """Leave out which mirror an image came from: it is the same image, and nobody's business."""
    mirror = base.Mirror.from_environment(os.environ).images
    if not mirror:
        return statement
    text = json.dumps(statement)
    for spelt in (mirror, quote(mirror, safe="/")):
        text = text.replace(f"{spelt}/", "")
    found: dict[str, Any] = json.loads(text)
    return found
