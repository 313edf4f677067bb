"""An image's bill of materials, SPDX 2.3: Debian's packages and the npm package of the CLI.

debsbom reads what dpkg noted down in the image, offline; what dpkg does not know is added here.
The same image gives the same bytes.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pinnace_core.errors import ClientMissingError, VerificationFailedError

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_images.lock import Package

_PREFIX: Final = "SPDXRef-"
# debsbom's own identifiers are Debian's names, which are lower case.
_IMAGE: Final = "Image"
_CLI: Final = "Claude-Code"
# Trivy knows the distribution by this identifier, and ignores Debian's packages without it.
_DISTRIBUTION: Final = "OperatingSystem"
_PURL: Final = "purl"
_NOTHING: Final = "NOASSERTION"
_LICENSE: Final = {
    "licenseId": "LicenseRef-Anthropic-Commercial-Terms",
    "name": "Anthropic's Commercial Terms of Service",
    "extractedText": "See LICENSE.md in the npm package, which names the terms that apply.",
    "seeAlsos": ["https://www.anthropic.com/legal/commercial-terms"],
}
_SAID: Final = "debsbom: error: "
_SHOWN: Final = 300


def image_sbom(  # noqa: PLR0913 (each a fact of its own)
    root: Path,
    *,
    name: str,
    version: str,
    architecture: str,
    namespace: str,
    created: int,
    package: Package | None,
    cli_version: str = "",
) -> bytes:
    """Write the bill of materials of one platform's image.

    Args:
        root: a directory with the image's var/lib/dpkg/status, and its os-release if it has one.
        name: of the image.
        version: of the image.
        architecture: as Debian calls it.
        namespace: a URI that no other document has.
        created: when, so to speak, in seconds since 1970.
        package: what holds the CLI, verified; None for a base, which has none.
        cli_version: of `package`, if it is not `version`.

    Raises:
        ClientMissingError: the packages of `pinnace[publish]` are not installed.
        VerificationFailedError: dpkg's list is missing, empty or damaged.
    """
    document = _debian(root, architecture, namespace, created)
    distribution = _distribution(root)
    if distribution:
        _qualify(document["packages"], distribution)
        _add(document, _distribution_package(*distribution))
    if package:
        _add(document, _cli_package(package, cli_version or version))
        document["hasExtractedLicensingInfos"] = [_LICENSE]
    document["name"] = name
    image = next(item for item in document["packages"] if item["SPDXID"] == _PREFIX + _IMAGE)
    image |= {"name": name, "versionInfo": version, "primaryPackagePurpose": "CONTAINER"}
    return _dumps(document)


def _debian(root: Path, architecture: str, namespace: str, created: int) -> dict[str, Any]:
    """Describe what dpkg has installed: a valid document about an image that has no name yet."""
    _require("debsbom", "spdx_tools")
    # Not in this process: its Python interface is not for others, it says.
    command = [sys.executable, "-P", "-m", "debsbom.cli", "generate", "--sbom-type=spdx"]
    command += [f"--root={root.absolute()}", "--out=-", "--validate"]
    command += [f"--distro-name={_IMAGE}", f"--distro-arch={architecture}"]
    command += [f"--spdx-namespace={namespace}"]
    command += [f"--timestamp={datetime.fromtimestamp(created, UTC).isoformat()}"]
    # It goes through sets, and takes the first that provides a virtual package.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, env=environment
    )
    if done.returncode:
        raise _unreadable(_reason(done.stderr.decode(errors="replace")))
    document: dict[str, Any] = json.loads(done.stdout)
    # Of a version that is not there, debsbom makes "None".
    versions = [item["versionInfo"] for item in document["packages"] if "versionInfo" in item]
    if not versions or str(None) in versions:
        raise _unreadable("it names no installed package, or one without a version")
    return document


def _require(*names: str) -> None:
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ClientMissingError(
                f"the Python package '{name}' is not installed",
                hint="pip install 'pinnace[publish]'",
            )


def _reason(stderr: str) -> str:
    """Return the last thing that debsbom said."""
    lines = stderr.rpartition(_SAID)[2].split("\n")
    return next((line for line in reversed(lines) if line), "debsbom failed")[:_SHOWN]


def _unreadable(reason: str) -> VerificationFailedError:
    return VerificationFailedError(
        f"the image's list of Debian packages (/var/lib/dpkg/status) cannot be used: {reason}",
        hint="do not publish it; build it again, without the cache",
    )


def _distribution(root: Path) -> tuple[str, str] | None:
    """Return the name and the version that os-release states."""
    for place in ("etc/os-release", "usr/lib/os-release"):
        try:
            text = (root / place).read_text(encoding="utf-8")
            fields = dict(word.partition("=")[::2] for word in shlex.split(text, comments=True))
        except (OSError, ValueError):
            continue
        if fields.get("ID") and fields.get("VERSION_ID"):
            return fields["ID"], fields["VERSION_ID"]
    return None


def _qualify(packages: list[dict[str, Any]], distribution: tuple[str, str]) -> None:
    """Say of which release each package is: scanners look for its flaws there."""
    qualifier = "distro=" + quote("-".join(distribution))
    for package in packages:
        for reference in package.get("externalRefs", ()):
            locator = reference["referenceLocator"]
            if reference["referenceType"] == _PURL:
                separator = "&" if "?" in locator else "?"
                reference["referenceLocator"] = f"{locator}{separator}{qualifier}"


def _distribution_package(name: str, version: str) -> dict[str, Any]:
    return {
        "SPDXID": _PREFIX + _DISTRIBUTION,
        "name": name,
        "versionInfo": version,
        "primaryPackagePurpose": "OPERATING_SYSTEM",
        "licenseDeclared": _NOTHING,
    }


def _cli_package(package: Package, version: str) -> dict[str, Any]:
    sha512 = base64.b64decode(package.integrity.removeprefix("sha512-")).hex()
    purl = {
        "referenceCategory": "PACKAGE_MANAGER",
        "referenceType": _PURL,
        "referenceLocator": f"pkg:npm/{quote(package.name)}@{quote(version)}",
    }
    return {
        "SPDXID": _PREFIX + _CLI,
        "name": package.name,
        "versionInfo": version,
        "primaryPackagePurpose": "APPLICATION",
        "supplier": "Organization: Anthropic",
        "licenseDeclared": _LICENSE["licenseId"],
        "checksums": [
            {"algorithm": "SHA256", "checksumValue": package.sha256},
            {"algorithm": "SHA512", "checksumValue": sha512},
        ],
        "externalRefs": [purl],
    }


def _add(document: dict[str, Any], package: dict[str, Any]) -> None:
    """Add a package, related to the image as debsbom relates Debian's."""
    unknown = dict.fromkeys(("copyrightText", "downloadLocation", "licenseConcluded"), _NOTHING)
    document["packages"].append({**unknown, "filesAnalyzed": False, **package})
    relation = {"relationshipType": "PACKAGE_OF", "relatedSpdxElement": _PREFIX + _IMAGE}
    document["relationships"].append({**relation, "spdxElementId": package["SPDXID"]})


def _dumps(document: dict[str, Any]) -> bytes:
    for group in ("packages", "relationships"):
        document[group].sort(key=lambda item: json.dumps(item, sort_keys=True))
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
