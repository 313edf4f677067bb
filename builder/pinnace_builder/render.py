"""Render an image's Dockerfile: pure, the same inputs give the same bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import jinja2

from pinnace_images import contract

if TYPE_CHECKING:
    from pinnace_builder.spec import VariantSpec
    from pinnace_images.lock import Package
    from pinnace_images.platforms import Platform
    from pinnace_images.versions import CliVersion

_DIGEST_SHOWN: Final = 12
_OCI: Final = "org.opencontainers.image"


@dataclass(frozen=True)
class Base:
    """A base image that is at hand.

    Attributes:
        name: what people call it.
        reference: what `FROM` says.
        digest: of its content; part of the build-id.
    """

    name: str
    reference: str
    digest: str


@dataclass(frozen=True)
class ImageRequest:
    """All that decides what is in an image."""

    version: CliVersion
    variant: VariantSpec
    platform: Platform
    package: Package
    base: Base


@dataclass(frozen=True)
class BuildContext:
    """A rendered image.

    Attributes:
        dockerfile: its text.
        claude_directory: the context's only directory, laid out as /opt/claude.
        build_id: sha256 over everything that decides the content, hexadecimal.
    """

    dockerfile: str
    claude_directory: str
    build_id: str

    @property
    def immutable_suffix(self) -> str:
        """The end of the immutable tag."""
        return self.build_id[:_DIGEST_SHOWN]


def render(request: ImageRequest) -> BuildContext:
    """Render `request`; the build-id is taken before the label that holds it is added."""
    labels = _labels(request)
    # The same base from a mirror is the same base.
    anywhere = replace(request, base=replace(request.base, reference=request.base.name))
    identity = {
        "dockerfile": _dockerfile(anywhere, labels),
        "package": request.package._asdict(),
        "base": request.base.digest,
        "contract": contract.CONTRACT_VERSION,
    }
    build_id = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    labels[contract.LABEL_BUILD_ID] = build_id
    return BuildContext(_dockerfile(request, labels), _directory(request), build_id)


def tags(request: ImageRequest, context: BuildContext) -> list[str]:
    """Name the local image: the immutable tag first, then the one that moves."""
    moving = contract.local_name(str(request.version), request.variant.name)
    return [f"{moving}-{context.immutable_suffix}", moving]


def _directory(request: ImageRequest) -> str:
    return f"claude-{request.package.executable_sha256[:_DIGEST_SHOWN]}"


def _labels(request: ImageRequest) -> dict[str, str]:
    devcontainer = [{"remoteUser": contract.AGENT_NAME, "updateRemoteUserUID": True}]
    return {
        f"{_OCI}.title": request.variant.title,
        f"{_OCI}.version": str(request.version),
        f"{_OCI}.base.name": request.base.name,
        f"{_OCI}.base.digest": request.base.digest,
        f"{_OCI}.licenses": "LicenseRef-Anthropic-Commercial-Terms",
        contract.LABEL_CONTRACT: str(contract.CONTRACT_VERSION),
        contract.LABEL_VERSION: str(request.version),
        contract.LABEL_SHA256: request.package.executable_sha256,
        contract.LABEL_VARIANT: request.variant.name,
        contract.LABEL_PLATFORM: str(request.platform),
        contract.LABEL_USER: f"{contract.AGENT_UID}:{contract.AGENT_GID}",
        "devcontainer.metadata": json.dumps(devcontainer, separators=(",", ":")),
    }


def _dockerfile(request: ImageRequest, labels: dict[str, str]) -> str:
    extra = request.variant.node_packages if request.package.needs_node else ()
    template = _environment().get_template("Dockerfile.j2")
    return template.render(
        version=request.version,
        variant=request.variant.name,
        platform=request.platform,
        base_reference=request.base.reference,
        packages=sorted({*request.variant.packages, *extra}),
        user=contract.AGENT_NAME,
        uid=contract.AGENT_UID,
        gid=contract.AGENT_GID,
        home=contract.HOME,
        config_dir=contract.CONFIG_DIR,
        claude_root=contract.CLAUDE_ROOT,
        context_name=_directory(request),
        labels=labels,
    )


def _environment() -> jinja2.Environment:
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
