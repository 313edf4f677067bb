"""Names of published images: repositories, digests, immutable tags, and those that move."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pinnace_core.errors import UsageError
from pinnace_core.tuples import NamedTuple
from pinnace_images.contract import DEFAULT_VARIANT
from pinnace_images.versions import LATEST

if TYPE_CHECKING:
    from pinnace_images.platforms import Platform
    from pinnace_images.versions import CliVersion

HUB: Final = "docker.io"
_HUB_SERVER: Final = "registry-1.docker.io"
_HUB_ALIASES: Final = {HUB, "index.docker.io", _HUB_SERVER}
_LONGEST: Final = 255
# The grammar of the distribution specification:
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?|\[[0-9a-f:.]+\](?::[0-9]+)?")
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_DIGITS: Final = 12


class RepositoryName(NamedTuple):
    """A repository of a registry.

    Attributes:
        host: the registry's, as in `docker login`, with its port if it has one.
        name: the repository's, within its registry.
        plain: whether the registry is spoken to without encryption.
    """

    host: str
    name: str
    plain: bool

    @classmethod
    def parse(cls, text: str) -> RepositoryName:
        """Understand HOST[:PORT]/NAME, or the short names of Docker Hub.

        Raises:
            UsageError: it is something else, or names a tag or a digest.
        """
        first, slash, rest = text.partition("/")
        named = bool(slash) and (first == "localhost" or not {".", ":"}.isdisjoint(first))
        host, name = (first, rest) if named else (HUB, text)
        if host in _HUB_ALIASES:
            host, name = HUB, name if "/" in name else f"library/{name}"
        if not _is_host(host) or not _NAME.fullmatch(name) or len(name) > _LONGEST:
            # What stands before an @ may be a password.
            shown = f"…{text[text.rindex('@') :]}" if "@" in text else text
            raise UsageError(
                f"'{shown}' is not a repository",
                hint="write HOST/NAME in lower case, without a tag, a digest, or https://",
            )
        return cls(host, name, is_loopback(host))

    @property
    def origin(self) -> str:
        """Where its registry answers."""
        server = _HUB_SERVER if self.host == HUB else self.host
        return f"{'http' if self.plain else 'https'}://{server}"

    @property
    def login(self) -> str:
        """The command that makes the docker client, and us, known to its registry."""
        return "docker login" if self.host == HUB else f"docker login {self.host}"

    def __str__(self) -> str:
        return f"{self.host}/{self.name}"


def _is_host(text: str) -> bool:
    if not _HOST.fullmatch(text):
        return False
    try:
        parts = urlsplit(f"//{text}")
        return parts.port != 0 and (text[0] != "[" or bool(ipaddress.IPv6Address(parts.hostname)))
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Return whether a host, with or without a port, is this machine."""
    bare = host[1:].partition("]")[0] if host.startswith("[") else host
    bare = bare if bare.count(":") > 1 else bare.partition(":")[0]
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return bare == "localhost"


def digest_of(data: bytes) -> str:
    """Return the digest of some bytes, as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_digest(text: str) -> bool:
    """Return whether a text is a digest, rather than a tag."""
    return _DIGEST.fullmatch(text) is not None


def require_digest(text: str) -> str:
    """Return a digest back.

    Raises:
        UsageError: it is none.
    """
    if not is_digest(text):
        raise UsageError(f"'{text}' is not a digest", hint="write sha256: and 64 hex digits")
    return text


def require_reference(text: str) -> str:
    """Return a tag or a digest back.

    Raises:
        UsageError: it is neither.
    """
    if not is_digest(text) and not _TAG.fullmatch(text):
        raise UsageError(
            f"'{text}' is neither a tag nor a digest",
            hint="write a tag such as 2.1.330, or sha256: and 64 hex digits",
        )
    return text


def short(digest: str) -> str:
    """Shorten a hexadecimal digest for a name."""
    return digest.removeprefix("sha256:")[:_DIGITS]


def platform_tag(version: CliVersion, variant: str, platform: Platform, build_id: str) -> str:
    """Name one platform's image; such a tag is given after verification, and never moves."""
    return f"{version}-{variant}-{platform.architecture}-{short(build_id)}"


def index_tag(version: CliVersion, variant: str, index_id: str) -> str:
    """Name the manifest list of all platforms; never moves."""
    return f"{version}-{variant}-{short(index_id)}"


def base_platform_tag(flavour: str, platform: Platform, base_id: str) -> str:
    """Name one platform's base; never moves."""
    return f"base-{flavour}-{platform.architecture}-{short(base_id)}"


def base_index_tag(flavour: str, index_id: str) -> str:
    """Name the manifest list of a base; never moves."""
    return f"base-{flavour}-{short(index_id)}"


def base_tag(flavour: str) -> str:
    """Name the base that was published last."""
    return f"base-{flavour}"


def version_tags(version: CliVersion, variant: str) -> list[str]:
    """Name a version: these move when it is rebuilt, on a refreshed base for instance."""
    return _for_variant(str(version), variant)


def ladder_tags(version: CliVersion, variant: str) -> list[str]:
    """Name the steps that a version may take, finest first; each names its newest version."""
    steps = (f"{version.major}.{version.minor}", str(version.major), LATEST)
    return [tag for step in steps for tag in _for_variant(step, variant)]


def generality(tag: str) -> int:
    """Return how much a step of the ladder stands for: a line, a major version, or everything."""
    step = tag.partition("-")[0]
    return 2 if step == LATEST else 1 - step.count(".")


def channel_tags(channel: str, variant: str) -> list[str]:
    """Name a channel, which goes where its publisher points it, also back."""
    return _for_variant(channel, variant)


def _for_variant(name: str, variant: str) -> list[str]:
    return [f"{name}-{variant}", *([name] if variant == DEFAULT_VARIANT else [])]
