"""A certificate authority of the tests' own, and a server's certificate of it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_NEW: Final = ("openssl", "req", "-newkey", "rsa:2048", "-nodes")
_DAYS: Final = ("-days", "2")
# Python 3.13 asks for all that RFC 5280 does.
_OF_AUTHORITY: Final = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
_OF_SERVER: Final = "basicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\n"


@dataclass(frozen=True)
class Certificates:
    """Files, all of PEM.

    Attributes:
        place: the directory that they lie in.
    """

    place: Path

    @property
    def authority(self) -> Path:
        """What clients trust."""
        return self.place / "ca.pem"

    @property
    def server(self) -> Path:
        """The server's certificate."""
        return self.place / "own.pem"

    @property
    def key(self) -> Path:
        """Its key, readable for all: a server in a container is another user."""
        return self.place / "own.key"


def make(place: Path, *names: str) -> Certificates:
    """Make an authority, and a certificate for a server of these names, in a new directory."""
    place.mkdir()
    made = Certificates(place)
    ca_key, request, extensions = (place / name for name in ("ca.key", "own.csr", "extensions"))
    named = ",".join(f"DNS:{name}" for name in names)
    extensions.write_text(f"{_OF_SERVER}subjectAltName={named}\n")
    files = ("-keyout", str(ca_key), "-out", str(made.authority))
    _run(*_NEW, "-x509", *_DAYS, "-subj", "/CN=authority", *_OF_AUTHORITY, *files)
    _run(*_NEW, "-subj", "/CN=server", "-keyout", str(made.key), "-out", str(request))
    _run(
        *("openssl", "x509", "-req", *_DAYS, "-in", str(request), "-CAcreateserial"),
        *("-CA", str(made.authority), "-CAkey", str(ca_key)),
        *("-extfile", str(extensions), "-out", str(made.server)),
    )
    made.key.chmod(0o644)
    return made


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
