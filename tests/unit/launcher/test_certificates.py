"""Extra certificate authorities."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.plan.contributors import certificates
from pinnace_core.errors import BadSecretsError, CannotReadError
from tests.support import contributions

if TYPE_CHECKING:
    from pinnace.plan import Contribution


def _pem(kind: str = "CERTIFICATE", body: bytes = b"\x30\x82one") -> str:
    return f"-----BEGIN {kind}-----\n{base64.b64encode(body).decode()}\n-----END {kind}-----\n"


def _given(*arguments: Any, **options: Any) -> Contribution:
    return contributions.acquired(certificates.of_bundle(*arguments, **options))


def _bundle(tmp_path: Path, text: str) -> Path:
    (tmp_path / "extra.pem").write_text(text)
    return tmp_path / "extra.pem"


def test_claude_gets_the_extra_and_tools_get_everything(tmp_path: Path) -> None:
    system = tmp_path / "system.crt"
    system.write_text(_pem(body=b"\x30usual"))
    extra = _bundle(
        tmp_path, f"my company\n{_pem()}\nmore\n{_pem(body=b'0two')}".replace("\n", "\r\n")
    )
    found = _given(extra, tmp_path / "state", system=["/none", str(system)])

    (mount,) = found.mounts
    kept = {path.name: path.read_text() for path in Path(mount.source).iterdir()}
    expected = _pem() + _pem(body=b"0two")
    assert kept == {"extra.pem": expected, "all.pem": _pem(body=b"\x30usual") + expected}
    assert mount.read_only
    environment = contributions.plain(found)
    assert environment["NODE_EXTRA_CA_CERTS"] == f"{mount.target}/extra.pem"
    assert environment["SSL_CERT_FILE"] == f"{mount.target}/all.pem"
    assert environment["GIT_SSL_CAINFO"] == f"{mount.target}/all.pem"
    assert found.notes == ()


def test_without_the_systems_bundle_nothing_loses_what_it_trusts(tmp_path: Path) -> None:
    found = _given(_bundle(tmp_path, _pem()), tmp_path / "state", system=[])

    assert list(contributions.plain(found)) == ["NODE_EXTRA_CA_CERTS"]
    assert found.notes


def test_the_same_bundle_is_kept_once(tmp_path: Path) -> None:
    bundle = _bundle(tmp_path, _pem())
    first, second = (_given(bundle, tmp_path / "state", system=[]) for _ in range(2))
    bundle.write_text(_pem(body=b"0other"))

    assert first.mounts == second.mounts
    assert _given(bundle, tmp_path / "state", system=[]).mounts != first.mounts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not PEM",
        _pem("PRIVATE KEY"),
        _pem() + _pem("RSA PRIVATE KEY"),
        _pem("CERTIFICATE REQUEST"),
        _pem(body=b"not DER"),
        _pem().replace("MII", "!!!").replace("MI", "!!"),
        _pem()[:-10],
        _pem() + _pem()[:40],
    ],
)
def test_what_is_no_bundle_of_certificates_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSecretsError) as caught:
        _given(_bundle(tmp_path, text), tmp_path / "state", system=[])

    assert caught.value.hint
    assert not (tmp_path / "state").exists()


def test_a_missing_bundle_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CannotReadError):
        _given(tmp_path / "none", tmp_path / "state")
