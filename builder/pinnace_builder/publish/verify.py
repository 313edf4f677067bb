"""See that what the registry holds of one platform is what was meant, before a name is given."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from python_on_whales.exceptions import NoSuchImage

from pinnace_builder import smoke
from pinnace_builder.publish.scratch import container_name, image_name
from pinnace_core import retry, signals
from pinnace_core.console import say
from pinnace_core.engine import whales
from pinnace_core.errors import BuildFailedError, EngineUnavailableError, VerificationFailedError
from pinnace_core.image import remove_late
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import IO

    from pinnace_builder.publish.plan import PlatformImage
    from pinnace_builder.registry import Registry
    from pinnace_core.engine import Engine

_HINT: Final = "no tag was moved; find out what wrote to this repository, then run this again"
_LOST: Final = (
    "no tag was moved; see that the registry's storage is mended, or the layer deleted from it, "
    "then run this again"
)
# https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html: e_machine, at byte 18.
_MACHINES: Final = {"amd64": 0x3E, "arm64": 0xB7}
_HEADER: Final = 20
_PIECE: Final = 1 << 20
_ATTEMPTS: Final = 5
_PAUSE_SECONDS: Final = 0.2
# What a bill of materials is made from.
_LISTS: Final = ("/var/lib/dpkg/status", "/usr/lib/os-release")


@dataclass(frozen=True)
class Verifier:
    """Pulls images by digest, looks into them, and runs them.

    Attributes:
        engine: which pulls and runs them.
        registry: what is inspected.
        repository: its name, as the engine knows it.
    """

    engine: Engine
    registry: Registry
    repository: str

    def check_manifest(self, image: PlatformImage, digest: str) -> None:
        """Check labels, platform and size, as the registry tells them.

        Raises:
            VerificationFailedError: something is off.
        """
        manifest = self.registry.manifest(digest)
        if manifest is None:
            raise VerificationFailedError(
                f"the registry does not hold what was pushed: {digest}", hint=_HINT
            )
        try:
            config = json.loads(self.registry.blob(manifest.document["config"]["digest"]))
            architecture, inside = config["architecture"], dict(config["config"])
            layers = [
                (str(layer["digest"]), int(layer["size"])) for layer in manifest.document["layers"]
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise VerificationFailedError(f"{digest} is no image", hint=_HINT) from error
        if architecture != image.platform.architecture:
            raise VerificationFailedError(f"{image} is of {architecture}", hint=_HINT)
        smoke.check_labels(inside.get("Labels") or {}, _expected_labels(image))
        user = f"{contract.AGENT_UID}:{contract.AGENT_GID}"
        if image.base and inside.get("User") != user:
            raise VerificationFailedError(f"{image} runs as '{inside.get('User')}'", hint=_HINT)
        for layer, size in layers:
            if not self.registry.has_blob(layer, size):
                raise VerificationFailedError(
                    f"{image} lacks its layer {layer}, or a part of it", hint=_LOST
                )
        check_budget(image, [size for _, size in layers])

    def check_content(self, image: PlatformImage, digest: str, scratch: Path) -> Path:
        """Pull the image; check its CLI and run it; return a root with the list of its packages.

        Args:
            image: what it should be.
            digest: of its manifest.
            scratch: a directory of this publication's own.

        Raises:
            VerificationFailedError: something is off.
            BuildFailedError: it cannot be pulled, or does not run.
        """
        root = scratch / "root"
        name = image_name(self.repository, scratch)
        with self._pulled(f"{self.repository}@{digest}", image, name):
            with self._created(name, image, container_name(scratch)) as container:
                if image.base:
                    check_cli(image, *self._cli(container, image))
                for path in _LISTS:
                    self._copy(container, path, root)
            try:
                smoke.smoke(self.engine, name, version=image.version, platform=image.platform)
            except smoke.CannotRunError as error:
                say(f"{image}: looked into, but not run: {error.message}")
        return root

    @contextmanager
    def _pulled(self, reference: str, image: PlatformImage, name: str) -> Iterator[None]:
        """Pull an image, and give it a name that is nobody else's.

        That one is in a repository of its own: of the pulled one's, the engine forgets all names
        with the digest, once somebody removes that.
        """
        try:
            self._pull(reference, image, name)
            yield
        finally:
            # Looked at and done with: thousands of these would fill a disk.
            self._forget(name, reference)

    def _forget(self, *names: str) -> None:
        """Remove names of an image: again, as one may stay while others remove theirs of it.

        By force: somebody else may have removed the one, and the other may not have come to be.
        """
        image = self.engine.whales.image
        for _ in range(_ATTEMPTS):
            with whales.tidying(names[-1]):
                image.remove(list(names), force=True)
                if not any(map(image.exists, names)):
                    return
            time.sleep(_PAUSE_SECONDS)
        say(f"{names[-1]} stays in the engine")

    def _pull(self, reference: str, image: PlatformImage, name: str) -> None:
        """Pull and name an image, which others who verify the same may remove in between."""
        for left in reversed(range(_ATTEMPTS)):
            retry.retry(lambda: whales.pull(self.engine.whales, reference, str(image.platform)))
            try:
                with whales.translated("naming the image"):
                    self.engine.whales.image.tag(reference, name)
            except BuildFailedError as error:
                if not left or not isinstance(error.__cause__, NoSuchImage):
                    raise
            else:
                return

    @contextmanager
    def _created(self, reference: str, image: PlatformImage, name: str) -> Iterator[str]:
        """Make a container to look into; it has a name already when making it is interrupted."""
        made = False
        try:
            with whales.translated("looking into the image"):
                self.engine.whales.container.create(
                    reference,
                    name=name,
                    labels={contract.LABEL_CHECK: reference},
                    pull="never",
                    platform=str(image.platform),
                )
            made = True
            yield name
        finally:
            try:
                with signals.held():
                    (self.engine.remove if made else partial(remove_late, self.engine))(name)
            except EngineUnavailableError as error:
                say(f"the container {name} stays: {error.message}")

    def _cli(self, container: str, image: PlatformImage) -> tuple[bytes, str]:
        package = image.request.entry.package_for(image.platform)
        path = (
            f"{contract.CLAUDE_ROOT}/package/{package.executable}"
            if package.needs_node
            else contract.CLAUDE_BINARY
        )
        with self._stream(container, path) as stream:
            header = stream.read(_HEADER)
            digest = hashlib.sha256(header)
            while piece := stream.read(_PIECE):
                digest.update(piece)
        return header, digest.hexdigest()

    def _copy(self, container: str, path: str, into: Path) -> None:
        target = into / path.lstrip("/")
        target.parent.mkdir(parents=True)
        with self._stream(container, path) as stream:
            target.write_bytes(stream.read())

    @contextmanager
    def _stream(self, container: str, path: str) -> Iterator[IO[bytes]]:
        """Read one file of a container without keeping it: a CLI has 380 MB."""
        try:
            with self.engine.file(container, path) as stream:
                yield stream
        except FileNotFoundError as error:
            raise VerificationFailedError(f"the image has no {path}", hint=_HINT) from error
        except EngineUnavailableError as error:
            raise BuildFailedError(error.message, hint=error.hint) from error


def _expected_labels(image: PlatformImage) -> dict[str, str]:
    labels = smoke.expected_labels(image.request, image.platform)
    if image.base:
        return labels | {contract.LABEL_BUILD_ID: image.id, contract.LABEL_BASE_ID: image.base.id}
    own = (contract.LABEL_CONTRACT, contract.LABEL_VARIANT, contract.LABEL_USER)
    return {key: labels[key] for key in own} | {contract.LABEL_BASE_ID: image.id}


def check_cli(image: PlatformImage, header: bytes, sha256: str) -> None:
    """Check the CLI's file.

    Args:
        image: that it is in.
        header: the first bytes of the file.
        sha256: of the whole file, hexadecimal.

    Raises:
        VerificationFailedError: it is not the locked one, or of another machine.
    """
    package = image.request.entry.package_for(image.platform)
    if sha256 != package.executable_sha256:
        raise VerificationFailedError(f"{image} holds another CLI than the lock says", hint=_HINT)
    machine = int.from_bytes(header[18:20], "little")
    if not package.needs_node and (
        header[:4] != b"\x7fELF" or machine != _MACHINES[image.platform.architecture]
    ):
        raise VerificationFailedError(
            f"{image} holds a CLI that is no executable of {image.platform}", hint=_HINT
        )


def check_budget(image: PlatformImage, sizes: Sequence[int]) -> None:
    """Check the size of everything but the CLI, compressed.

    A base that takes on Node for an old CLI has no budget: it is as large as it has to be.

    Raises:
        VerificationFailedError: it is larger than images.toml allows.
    """
    variant = image.request.variant
    size = sum(sizes[:-1] if image.base else sizes)
    if image.request.flavour == variant.name and size > variant.budget:
        raise VerificationFailedError(
            f"{image}: all but the CLI has {size / 1e6:.1f} MB, allowed are "
            f"{variant.budget / 1e6:.0f}",
            hint="take packages out, or raise budget_mb in images.toml",
        )
