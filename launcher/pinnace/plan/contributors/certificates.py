"""Extra certificate authorities, of a company's proxy for instance, for all that runs inside."""

from __future__ import annotations

import binascii
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.plan import Contribution
from pinnace.plan.resources import written
from pinnace.plan.variables import plain
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_core.digest import hexdigest
from pinnace_core.errors import BadSecretsError, CannotReadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.plan import Inputs
    from pinnace.plan.variables import Variable

_INSIDE: Final = "/run/pinnace/certificates"
_EXTRA: Final = "extra.pem"
_ALL: Final = "all.pem"
_MOST_BYTES: Final = 8 << 20
_BLOCK: Final = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\r?\n(.*?)-----END \1-----", re.DOTALL
)
_KINDS: Final = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"})
SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
# These replace what a program trusts by itself, so they get everything.
_REPLACING: Final = (
    *("AWS_CA_BUNDLE", "CARGO_HTTP_CAINFO", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT"),
    *("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
)


def contribute(inputs: Inputs) -> Contribution:
    """Hand in the certificates that the settings name.

    Raises:
        PinnaceError: as `of_bundle`.
    """
    return of_bundle(Path(inputs.settings.certificates), host.directory("state"))


def of_bundle(bundle: Path, state: Path, *, system: Sequence[str] = SYSTEM_BUNDLES) -> Contribution:
    """Hand in the certificates in `bundle`.

    Args:
        bundle: PEM.
        state: the directory that copies are kept in.
        system: where the host's own bundle may be; the first that is there counts.

    Raises:
        CannotReadError: the bundle is not there, or may not be read.
        BadSecretsError: it is not PEM, has no certificate, or has a private key.
    """
    extra = _certificates(_read(bundle), bundle)
    usual = next((found for place in system if (found := _usual(Path(place)))), b"")
    place = state / "certificates" / hexdigest(extra + b"\0" + usual)[:32]
    note = "no bundle of the system's certificates was found: only Claude and Node take the extra"
    return Contribution(
        mounts=(Mount(str(place), _INSIDE, read_only=True),),
        variables=trusting(f"{_INSIDE}/{_EXTRA}", f"{_INSIDE}/{_ALL}" if usual else ""),
        notes=() if usual else (note,),
        resources=(written({place / _EXTRA: extra, place / _ALL: usual + extra}),),
    )


def trusting(extra: str, everything: str) -> tuple[Variable, ...]:
    """Return what lets programs trust certificates besides the usual ones.

    Args:
        extra: file of those.
        everything: file of the usual ones and those; empty: there is none.
    """
    return (
        plain("NODE_EXTRA_CA_CERTS", extra),
        *(plain(name, everything) for name in _REPLACING if everything),
    )


def _read(bundle: Path) -> bytes:
    try:
        with bundle.open("rb") as stream:
            return stream.read(_MOST_BYTES)
    except OSError as error:
        raise CannotReadError(
            f"cannot read the certificates in '{bundle}': {error.strerror or error}",
            hint="name a file of certificates in PEM",
        ) from error


def _usual(place: Path) -> bytes:
    try:
        data = place.read_bytes()
    except OSError:
        return b""
    return data if b"-----BEGIN CERTIFICATE-----" in data else b""


def _certificates(data: bytes, bundle: Path) -> bytes:
    """Return the blocks alone, without what stands around them."""
    blocks = [(m[1], m[2], m[0]) for m in _BLOCK.finditer(data)]
    if any(b"PRIVATE KEY" in kind for kind, _, _ in blocks):
        raise BadSecretsError(
            f"'{bundle}' holds a private key", hint="name a file that holds certificates only"
        )
    found = [whole for kind, body, whole in blocks if kind in _KINDS and _is_der(body)]
    if not found or len(found) != len(blocks) or data.count(b"-----BEGIN ") != len(blocks):
        raise BadSecretsError(
            f"'{bundle}' is not a bundle of certificates in PEM",
            hint="convert it: openssl x509 -inform der -in FILE -out FILE.pem",
        )
    return b"".join(whole.replace(b"\r\n", b"\n") + b"\n" for whole in found)


def _is_der(body: bytes) -> bool:
    try:
        return binascii.a2b_base64(b"".join(body.split()), strict_mode=True)[:1] == b"\x30"
    except binascii.Error:
        return False
