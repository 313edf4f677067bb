"""Bills of materials: what debsbom reads of a small image, and what is added to it."""

from __future__ import annotations

import hashlib
import json
import sys
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

import pytest
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from pinnace_builder.sbom import image_sbom
from pinnace_core.errors import ClientMissingError, VerificationFailedError
from pinnace_images.lock import Package

if TYPE_CHECKING:
    from pathlib import Path

# As dpkg writes it, with two packages that provide awk, and one that is no longer installed.
_STATUS: Final = """\
Package: apt
Status: install ok installed
Priority: important
Section: admin
Maintainer: APT Development Team <deity@lists.debian.org>
Architecture: amd64
Version: 3.0.3
Depends: libc6 (>= 2.38), base-files, gpgv | sqv
Recommends: ca-certificates
Description: commandline package manager

Package: base-files
Essential: yes
Status: install ok installed
Priority: required
Section: admin
Maintainer: Santiago Vila <sanvila@debian.org>
Architecture: amd64
Version: 13.8+deb13u1
Depends: awk
Provides: base
Description: Debian base system miscellaneous files

Package: gawk
Status: install ok installed
Maintainer: Adrian Bunk <bunk@debian.org>
Architecture: amd64
Version: 1:5.2.1-2+b1
Provides: awk
Description: GNU awk

Package: gone
Status: deinstall ok config-files
Maintainer: Nobody <nobody@debian.org>
Architecture: all
Version: 1.0
Description: removed, not purged

Package: libc6
Status: install ok installed
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc (2.41-12)
Version: 2.41-12+b2
Homepage: https://www.gnu.org/software/libc/libc.html
Description: GNU C Library: Shared libraries
 Contains the standard libraries.

Package: mawk
Status: install ok installed
Maintainer: Boyuan Yang <byang@debian.org>
Architecture: amd64
Version: 1.3.4.20250131-1
Provides: awk
Description: Pattern scanning and text processing language

Package: sqv
Status: install ok installed
Maintainer: Debian Rust Maintainers <pkg-rust-maintainers@alioth-lists.debian.net>
Architecture: amd64
Source: rust-sequoia-sqv (1.3.0-3)
Version: 1.3.0-3+b2
Depends: libc6 (>= 2.39)
Static-Built-Using: rust-anyhow (= 1.0.95-1)
Description: OpenPGP signature verification

"""
_RELEASE: Final = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n'
_TARBALL: Final = b"the tarball"
_PACKAGE: Final = Package(
    platform="linux/amd64",
    libc="glibc",
    name="@anthropic-ai/claude-code-linux-x64",
    integrity=f"sha512-{b64encode(hashlib.sha512(_TARBALL).digest()).decode()}",
    sha256=hashlib.sha256(_TARBALL).hexdigest(),
    size=len(_TARBALL),
    executable="claude",
    executable_sha256="",
)


def _lay_out(root: Path, status: bytes | None = _STATUS.encode(), release: str = _RELEASE) -> Path:
    for place in ("var/lib/dpkg", "usr/lib"):
        (root / place).mkdir(parents=True)
    if status is not None:
        (root / "var/lib/dpkg/status").write_bytes(status)
    (root / "usr/lib/os-release").write_text(release)
    return root


def _sbom(root: Path, **how: Any) -> bytes:
    usual = {
        "name": "ghcr.io/someone/claude",
        "version": "2.1.330-slim",
        "architecture": "amd64",
        "namespace": "https://example.com/sbom/1",
        "created": 1_700_000_000,
        "package": _PACKAGE,
        "cli_version": "2.1.330",
    }
    return image_sbom(root, **{**usual, **how})


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = _lay_out(tmp_path_factory.mktemp("image"))
    made: dict[str, Any] = json.loads(_sbom(root))
    return made


def _purls(document: dict[str, Any]) -> set[str]:
    references = [r for p in document["packages"] for r in p.get("externalRefs", ())]
    return {r["referenceLocator"] for r in references if r["referenceType"] == "purl"}


def _package(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [item for item in document["packages"] if item["name"] == name]
    return dict(found)


def _related(document: dict[str, Any], kind: str) -> set[tuple[str, str]]:
    return {
        (item["spdxElementId"], item["relatedSpdxElement"])
        for item in document["relationships"]
        if item["relationshipType"] == kind
    }


def _problems(document: dict[str, Any]) -> list[str]:
    parsed = JsonLikeDictParser().parse(document)  # type: ignore[no-untyped-call]
    return [problem.validation_message for problem in validate_full_spdx_document(parsed)]


def test_it_is_valid(document: dict[str, Any]) -> None:
    assert not _problems(document)


def test_it_describes_the_image(document: dict[str, Any]) -> None:
    image = _package(document, "ghcr.io/someone/claude")
    assert image["versionInfo"] == "2.1.330-slim"
    assert image["primaryPackagePurpose"] == "CONTAINER"
    assert _related(document, "DESCRIBES") == {("SPDXRef-DOCUMENT", image["SPDXID"])}
    assert document["spdxVersion"] == "SPDX-2.3"
    assert document["name"] == image["name"]
    assert document["documentNamespace"] == "https://example.com/sbom/1"
    assert document["creationInfo"]["created"] == "2023-11-14T22:13:20Z"


def test_it_names_what_is_installed_and_its_sources(document: dict[str, Any]) -> None:
    purls = {purl for purl in _purls(document) if purl.startswith("pkg:deb/")}
    binaries = {purl for purl in purls if "arch=source" not in purl}
    assert binaries == {
        "pkg:deb/debian/apt@3.0.3?arch=amd64&distro=debian-13",
        "pkg:deb/debian/base-files@13.8%2Bdeb13u1?arch=amd64&distro=debian-13",
        "pkg:deb/debian/gawk@1:5.2.1-2%2Bb1?arch=amd64&distro=debian-13",
        "pkg:deb/debian/libc6@2.41-12%2Bb2?arch=amd64&distro=debian-13",
        "pkg:deb/debian/mawk@1.3.4.20250131-1?arch=amd64&distro=debian-13",
        "pkg:deb/debian/sqv@1.3.0-3%2Bb2?arch=amd64&distro=debian-13",
    }
    assert "pkg:deb/debian/glibc@2.41-12?arch=source&distro=debian-13" in purls
    assert "pkg:deb/debian/rust-anyhow@1.0.95-1?arch=source&distro=debian-13" in purls


def test_it_holds_the_package_of_the_cli(document: dict[str, Any]) -> None:
    cli = _package(document, _PACKAGE.name)
    assert _purls({"packages": [cli]}) == {"pkg:npm/%40anthropic-ai/claude-code-linux-x64@2.1.330"}
    assert cli["versionInfo"] == "2.1.330"
    assert cli["supplier"] == "Organization: Anthropic"
    assert cli["downloadLocation"] == "NOASSERTION"
    assert cli["licenseDeclared"] == document["hasExtractedLicensingInfos"][0]["licenseId"]
    assert {item["algorithm"]: item["checksumValue"] for item in cli["checksums"]} == {
        "SHA256": hashlib.sha256(_TARBALL).hexdigest(),
        "SHA512": hashlib.sha512(_TARBALL).hexdigest(),
    }


def test_all_is_part_of_the_image(document: dict[str, Any]) -> None:
    binaries = {f"SPDXRef-{name}-amd64" for name in ("apt", "gawk", "libc6", "mawk", "sqv")}
    more = {"SPDXRef-base-files-amd64", "SPDXRef-Claude-Code", "SPDXRef-OperatingSystem"}
    expected = {(identifier, "SPDXRef-Image") for identifier in binaries | more}
    assert _related(document, "PACKAGE_OF") == expected


def test_scanners_learn_the_distribution(document: dict[str, Any]) -> None:
    distribution = _package(document, "debian")
    assert distribution["versionInfo"] == "13"
    assert distribution["primaryPackagePurpose"] == "OPERATING_SYSTEM"


@pytest.mark.parametrize("release", ["", "ID=debian\n", 'ID="debian\nVERSION_ID=13\n'])
def test_a_distribution_that_is_not_named(tmp_path: Path, release: str) -> None:
    made = json.loads(_sbom(_lay_out(tmp_path, release=release)))
    assert not _problems(made)
    assert "pkg:deb/debian/apt@3.0.3?arch=amd64" in _purls(made)
    assert "debian" not in {item["name"] for item in made["packages"]}


def test_a_base_has_no_cli(tmp_path: Path) -> None:
    made = json.loads(_sbom(_lay_out(tmp_path), package=None, version="trixie", cli_version=""))
    assert not _problems(made)
    assert not any(purl.startswith("pkg:npm/") for purl in _purls(made))
    assert "hasExtractedLicensingInfos" not in made


def test_the_version_of_the_cli_is_the_images_unless_told(tmp_path: Path) -> None:
    made = json.loads(_sbom(_lay_out(tmp_path), version="1.0.128", cli_version=""))
    assert _package(made, _PACKAGE.name)["versionInfo"] == "1.0.128"


def test_the_same_image_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = set()
    for seed in ("1", "2", "3"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        made.add(_sbom(_lay_out(tmp_path / seed)))
    assert len(made) == 1


def test_it_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _sbom(_lay_out(tmp_path))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (None, "No such file"),
        (b"", "names no installed package"),
        (b"hello\n", "names no installed package"),
        (b"\x89PNG\r\n\x1a\n\xff", "can't decode byte"),
        (b"Package: x\nStatus: installed\n\n", "not enough values"),
        (b"Package: x\nStatus: install ok installed\nArchitecture: amd64\n", "without a version"),
        (_STATUS.replace("https:", "=ttps:").encode(), "homepage must be a valid URL"),
    ],
)
def test_a_list_that_is_damaged(tmp_path: Path, status: bytes | None, reason: str) -> None:
    with pytest.raises(VerificationFailedError, match=reason) as raised:
        _sbom(_lay_out(tmp_path, status))
    assert "\n" not in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize("name", ["debsbom", "spdx_tools"])
def test_what_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ClientMissingError, match=f"'{name}' is not installed") as raised:
        _sbom(_lay_out(tmp_path))
    assert raised.value.hint == "pip install 'pinnace[publish]'"
