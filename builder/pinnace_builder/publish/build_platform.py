"""Build one platform's image into an OCI layout; read the layout, and describe what is in it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pinnace_builder import base, build, local, packages, render, sbom
from pinnace_builder.publish import provenance
from pinnace_builder.publish.provenance import INDEX
from pinnace_core import retry
from pinnace_core.console import say
from pinnace_core.engine import buildx, whales
from pinnace_core.engine.argv import record
from pinnace_core.errors import BuildFailedError
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from python_on_whales import DockerClient

    from pinnace_builder.publish.plan import PlatformImage
    from pinnace_core.engine.buildx import Cache
    from pinnace_images.platforms import Platform
    from pinnace_images.versions import CliVersion

# A base's layers, and what the push and the verification keep beside them.
_SPACE_NEEDED: Final = 300 << 20
# Fixed: with another level, an image has another digest. Of zstd, 7 makes the CLI 8 MB smaller than
# 3 in 3 s more; 11 another 12 MB in a minute.
COMPRESSION: Final = {"zstd": 7, "gzip": 6}


@dataclass(frozen=True)
class Layout:
    """One platform's image on disk.

    Attributes:
        directory: the layout's.
        digest: of the platform's manifest.
        manifest: its bytes.
        provenance: statements (in-toto), parsed, or none.
    """

    directory: Path
    digest: str
    manifest: bytes
    provenance: tuple[dict[str, Any], ...]

    @property
    def layers(self) -> list[dict[str, Any]]:
        """Descriptors, from the bottom up."""
        found: list[dict[str, Any]] = json.loads(self.manifest)["layers"]
        return found

    @property
    def config(self) -> dict[str, Any]:
        """The configuration's descriptor."""
        found: dict[str, Any] = json.loads(self.manifest)["config"]
        return found

    def blob(self, digest: str) -> Path:
        """Return the file of a blob."""
        return _blob(self.directory, digest)


@dataclass(frozen=True)
class PlatformBuilder:
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

    def build(self, image: PlatformImage, base_digest: str, into: Path) -> Layout:
        """Build.

        Args:
            image: what.
            base_digest: of the published base that it stands on; empty if this is one.
            into: an empty directory.

        Raises:
            PinnaceError: of any of its kinds.
        """
        packages.require_space(into, _SPACE_NEEDED)
        say(f"building {image}")
        target = into / "layout"
        common = buildx.Build(
            context=into / "context",
            platform=str(image.platform),
            output=self._output(target),
            epoch=image.request.epoch,
            builder=self.builders.get(image.platform, ""),
            provenance=self.attesting,
            fresh=self.fresh,
        )
        make = self._cli if image.base else self._base
        build = make(image, common, base_digest)
        retry.retry(lambda: self._attempt(build, target))
        made = load_layout(target, image.platform)
        return replace(made, provenance=tuple(map(_anywhere, made.provenance)))

    def sbom(self, image: PlatformImage, digest: str, root: Path) -> dict[str, Any]:
        """Return the bill of materials of an image as a statement.

        Args:
            image: of which.
            digest: its manifest's.
            root: with its list of Debian packages.
        """
        entry = image.request.entry
        document = sbom.image_sbom(
            root,
            name=self.repository,
            version=image.tag,
            architecture=image.platform.architecture,
            namespace=f"https://pinnace.invalid/spdx/{digest.removeprefix('sha256:')}",
            created=image.request.epoch if image.base else image.request.base.epoch,
            package=entry.package_for(image.platform) if image.base else None,
            cli_version=str(image.version or ""),
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
        return f"{record(*where)},{self._compressed()}"

    def _base(self, image: PlatformImage, common: buildx.Build, _base: str) -> buildx.Build:
        request, distribution = image.request, image.distribution
        into = common.context.parent
        local.write_dockerfile(render.render(request).dockerfile, common.context)
        mirror = base.Mirror.from_environment(os.environ)
        return replace(
            common,
            epoch=request.base.epoch,
            target="base",
            contexts={"distribution": self._distribution(image, into)},
            labels=render.base_labels(distribution.name, distribution.digest, image.id),
            secrets=base.write_secrets(request.base, mirror, os.environ, into),
            arguments=buildx.proxies(os.environ),
            cache=self._cached(_base_cache(image)),
        )

    def _distribution(self, image: PlatformImage, into: Path) -> str:
        """Return where the builder finds the distribution's image."""
        reference = image.distribution.reference
        builder = self.builders.get(image.platform, "")
        local = reference.startswith(f"{contract.BASE_REPOSITORY}:")
        if not local or buildx.sees_images(self.client, builder):
            return f"docker-image://{reference}"
        # Another builder than the engine's own is sent this one.
        archive = into / "distribution.tar"
        with whales.translated(f"saving {reference}"):
            self.client.image.save(reference, output=archive)
        packages.extract(archive, into / "distribution")
        index = json.loads((into / "distribution" / "index.json").read_bytes())
        return f"oci-layout://{into / 'distribution'}@{index['manifests'][0]['digest']}"

    def _cli(self, image: PlatformImage, common: buildx.Build, base_digest: str) -> buildx.Build:
        request, version = image.request, image.request.entry.version
        build.stage(request, render.render(request), image.platform, common.context)
        published = f"docker-image://{self.repository}@{base_digest}"
        before = self.previous.get(version)
        earlier = [_cache(image, before)] if before else []
        return replace(
            common,
            # BuildKit looks up what every stage is made from, also of one that is replaced.
            contexts=dict.fromkeys(("base", "distribution"), published),
            labels={contract.LABEL_BUILD_ID: image.id},
            cache=self._cached(_cache(image, version), *earlier, _base_cache(image)),
        )

    def _cached(self, name: str, *others: str) -> tuple[str, ...]:
        return self.cache.flags(self.repository, name, others, self._compressed())


def _cache(image: PlatformImage, version: CliVersion) -> str:
    return f"cache-{version}-{image.request.variant.name}-{image.platform.architecture}"


def _base_cache(image: PlatformImage) -> str:
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


def load_layout(directory: Path, platform: Platform) -> Layout:
    """Read what buildx wrote for `platform`: an image layout (OCI), perhaps with its provenance.

    Raises:
        BuildFailedError: it is something else.
    """
    try:
        return _load(directory, platform)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise BuildFailedError(
            f"buildx wrote no image of {platform} that can be read: {error!r}",
            hint="update the docker-buildx plugin and the builder",
        ) from error


def _load(directory: Path, platform: Platform) -> Layout:
    top = json.loads((directory / "index.json").read_bytes())["manifests"]
    if top[0]["mediaType"] == INDEX:
        top = json.loads(_blob(directory, top[0]["digest"]).read_bytes())["manifests"]
    images = [m for m in top if m["platform"]["architecture"] == platform.architecture]
    (digest,) = [str(m["digest"]) for m in images]
    attestations = [m["digest"] for m in top if provenance.TYPE in m.get("annotations", {})]
    statements = tuple(s for a in attestations for s in _statements(directory, a))
    layout = Layout(directory, digest, _blob(directory, digest).read_bytes(), statements)
    for descriptor in (*layout.layers, layout.config):
        layout.blob(descriptor["digest"]).stat()
    return layout


def _statements(directory: Path, digest: str) -> list[dict[str, Any]]:
    layers = json.loads(_blob(directory, digest).read_bytes())["layers"]
    return [json.loads(_blob(directory, layer["digest"]).read_bytes()) for layer in layers]


def _blob(directory: Path, digest: str) -> Path:
    algorithm, _, encoded = digest.partition(":")
    return directory / "blobs" / algorithm / encoded
