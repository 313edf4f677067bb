"""Whether all that a registry's tags name is there, and is what it says it is.

The registry is asked over HTTP, as anybody would; none of the builder's own code is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from tests.support.registry import FaultyProxy, RealRegistry

_ACCEPTED: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_IMMUTABLE: Final = re.compile(r"(?P<stem>.+)-[0-9a-f]{12}")
_VERSION: Final = re.compile(r"(?P<version>\d+\.\d+\.\d+)(-.*)?")
_STEP: Final = re.compile(r"(?P<step>\d+(\.\d+)?)(-[a-z]+)?")
_ARCHITECTURES: Final = ("amd64", "arm64")
_CACHE, _BASE = "cache-", "base-"
_SUBJECT: Final = "vnd.docker.reference.digest"
_TAG_PUT: Final = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<tag>[^:]+)")
_PIECE: Final = 1 << 20
_ALWAYS: Final = (
    contract.LABEL_CONTRACT,
    contract.LABEL_VARIANT,
    contract.LABEL_USER,
    contract.LABEL_BASE_ID,
)
_OF_A_CLI: Final = (contract.LABEL_BUILD_ID, contract.LABEL_SHA256)


def is_immutable(tag: str) -> bool:
    """Tell tags with an id at their end from those that move."""
    return _IMMUTABLE.fullmatch(tag) is not None


def digests_of_tags(registry: RealRegistry, repository: str) -> dict[str, str]:
    """Return what each tag names now."""
    listed = _Reader(registry, repository).json(f"/v2/{repository}/tags/list", missing={})
    links = ((tag, _link(registry, repository, tag)) for tag in listed.get("tags") or ())
    return {tag: link.read_text(encoding="utf-8") for tag, link in links if link.exists()}


def moving_tags(registry: RealRegistry, repository: str) -> dict[str, str]:
    """Return what each tag names now, of those that move."""
    found = digests_of_tags(registry, repository)
    return {tag: digest for tag, digest in found.items() if not is_immutable(tag)}


def assert_sound(
    registry: RealRegistry,
    repository: str,
    *,
    platforms: Sequence[str] = ("linux/amd64",),
    foreign: Collection[str] = (),
) -> None:
    """Walk from every tag to every byte: digests, sizes, platforms and labels.

    Args:
        registry: that is asked.
        repository: in it.
        platforms: that every manifest list must have.
        foreign: tags that others have given; what they name is only required to be there.
    """
    reader = _Reader(registry, repository)
    for tag in digests_of_tags(registry, repository):
        document = json.loads(reader.manifest(tag))
        if tag in foreign or tag.startswith(_CACHE):
            reader.check_blobs(document)
        else:
            _check_release(reader, tag, document, platforms)


def _check_release(
    reader: _Reader, tag: str, document: dict[str, Any], platforms: Sequence[str]
) -> None:
    """Check a manifest list, and that it is what its tag says."""
    attestations = [entry for entry in document["manifests"] if "annotations" in entry]
    entries = {
        f"{entry['platform']['os']}/{entry['platform']['architecture']}": entry
        for entry in document["manifests"]
        if entry not in attestations
    }
    assert set(entries) == set(_platforms_of(tag) or platforms), tag
    for platform, entry in entries.items():
        image = json.loads(reader.entry(entry))
        reader.check_blobs(image)
        config = json.loads(reader.blob(image["config"]))
        assert f"{config['os']}/{config['architecture']}" == platform, tag
        _check_labels(tag, platform, config["config"]["Labels"])
    for entry in attestations:
        _check_attestation(reader, entry, {one["digest"] for one in entries.values()})
    named = _VERSION.fullmatch(tag)
    if named and not _platforms_of(tag):
        stated = document["annotations"]["org.opencontainers.image.version"]
        assert stated == named["version"], tag


def _platforms_of(tag: str) -> list[str]:
    """Return which platform a tag is of, if it is of one."""
    found = _IMMUTABLE.fullmatch(tag)
    last = found["stem"].rpartition("-")[2] if found else ""
    return [f"linux/{last}"] if last in _ARCHITECTURES else []


def _check_labels(tag: str, platform: str, labels: dict[str, str]) -> None:
    cli = not tag.startswith(_BASE)
    expected = {contract.LABEL_CONTRACT: str(contract.CONTRACT_VERSION)}
    expected |= {contract.LABEL_PLATFORM: platform} if cli else {}
    named, step = _VERSION.fullmatch(tag), _STEP.fullmatch(tag)
    if named:
        expected[contract.LABEL_VERSION] = named["version"]
    if step:
        assert labels[contract.LABEL_VERSION].startswith(f"{step['step']}."), tag
    assert {key: labels.get(key) for key in expected} == expected, tag
    assert all(labels.get(key) for key in (*_ALWAYS, *(_OF_A_CLI if cli else ()))), tag


def _check_attestation(reader: _Reader, entry: dict[str, Any], images: set[str]) -> None:
    assert entry["annotations"][_SUBJECT] in images
    document = json.loads(reader.entry(entry))
    reader.check_blobs(document)
    for layer in document["layers"]:
        (subject,) = json.loads(reader.blob(layer))["subject"]
        assert f"sha256:{subject['digest']['sha256']}" == entry["annotations"][_SUBJECT]


class _Reader:
    """Gets things from a repository, and checks each one's digest and size; layers once."""

    def __init__(self, registry: RealRegistry, repository: str) -> None:
        self._address = registry.address
        self._repository = repository
        self._checked: set[str] = set()

    def json(self, path: str, *, missing: dict[str, Any]) -> dict[str, Any]:
        with contextlib.closing(http.client.HTTPConnection(self._address, timeout=30)) as there:
            there.request("GET", path)
            answer = there.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
        assert answer.status in {200, 404}, (path, answer.status)
        return found if answer.status == 200 else missing

    def manifest(self, reference: str) -> bytes:
        """Return what a tag or a digest names."""
        stated, data = self._get(f"manifests/{reference}")
        expected = reference if reference.startswith("sha256:") else stated
        assert _digest(data) == expected, reference
        return data

    def entry(self, descriptor: dict[str, Any]) -> bytes:
        """Return a manifest that a list has."""
        data = self.manifest(descriptor["digest"])
        assert len(data) == descriptor["size"], descriptor
        return data

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        """Return a small blob."""
        data = self._get(f"blobs/{descriptor['digest']}")[1]
        assert (_digest(data), len(data)) == (descriptor["digest"], descriptor["size"])
        return data

    def check_blobs(self, document: dict[str, Any]) -> None:
        """Check all that a manifest refers to; BuildKit's caches may be a list."""
        for descriptor in document.get("manifests", []):
            self.check_blob(descriptor)
        for descriptor in (document.get("config"), *document.get("layers", [])):
            if descriptor:
                self.check_blob(descriptor)

    def check_blob(self, descriptor: dict[str, Any]) -> None:
        """Hash a blob of any size."""
        if descriptor["digest"] in self._checked:
            return
        hashed, size = hashlib.sha256(), 0
        with contextlib.closing(self._connect(f"blobs/{descriptor['digest']}")) as there:
            answer = there.getresponse()
            assert answer.status == 200, (descriptor, answer.status)
            while piece := answer.read(_PIECE):
                hashed.update(piece)
                size += len(piece)
        assert f"sha256:{hashed.hexdigest()}" == descriptor["digest"]
        assert size == descriptor["size"], descriptor
        self._checked.add(descriptor["digest"])

    def _get(self, what: str) -> tuple[str, bytes]:
        with contextlib.closing(self._connect(what)) as there:
            answer = there.getresponse()
            data = answer.read()
        assert answer.status == 200, (what, answer.status, data)
        return answer.headers["Docker-Content-Digest"] or "", data

    def _connect(self, what: str) -> http.client.HTTPConnection:
        there = http.client.HTTPConnection(self._address, timeout=30)
        headers = {"Accept": ", ".join(_ACCEPTED)}
        there.request("GET", f"/v2/{self._repository}/{what}", headers=headers)
        return there


@dataclass
class Observer:
    """Notes each tag that is given through a proxy, and what was there at that moment."""

    proxy: FaultyProxy
    puts: list[tuple[str, str, set[str]]] = field(default_factory=list)
    """Repository, tag, and the digests of all blobs and manifests that were stored by then."""

    def __post_init__(self) -> None:
        self.proxy.on_request(self._note)

    @property
    def tags(self) -> list[str]:
        """The tags that somebody tried to give, in order."""
        return [tag for _, tag, _ in self.puts]

    def _note(self, method: str, path: str) -> None:
        found = _TAG_PUT.fullmatch(path.partition("?")[0])
        if method == "PUT" and found:
            self.puts.append((found["name"], found["tag"], self.proxy.registry.blob_digests()))

    def check(self) -> None:
        """Check that whatever a tag names was there before the tag was given."""
        # Of several attempts it was the last that counted.
        last = {(name, tag): there for name, tag, there in self.puts}
        for (name, tag), there in last.items():
            link = _link(self.proxy.registry, name, tag)
            # A cache's layers are BuildKit's matter; a tag that was refused may not exist.
            if link.exists() and not tag.startswith(_CACHE):
                named = link.read_text(encoding="utf-8")
                assert _below(self.proxy.registry, named) <= there, f"{tag} was given too early"


def _below(registry: RealRegistry, digest: str) -> set[str]:
    """List all that a manifest or a manifest list refers to, however indirectly."""
    document = json.loads(registry.blob_bytes(digest))
    below = set()
    for entry in document.get("manifests", []):
        below |= {entry["digest"], *_below(registry, entry["digest"])}
    for blob in (document.get("config"), *document.get("layers", [])):
        below |= {blob["digest"]} if blob else set()
    return below


def _link(registry: RealRegistry, repository: str, tag: str) -> Path:
    manifests = registry.storage / "docker/registry/v2/repositories" / repository / "_manifests"
    return manifests / "tags" / tag / "current" / "link"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
