"""CLI packages of a few hundred bytes, of versions that nobody has published.

Their executables are real ones, of either platform, that say what the CLI says to `--version`. All
have one size and one time, as the real ones of two versions may have.
"""

from __future__ import annotations

import base64
import hashlib
import io
import random
import struct
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pinnace_images import lock
from pinnace_images.platforms import SUPPORTED, Platform
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from pathlib import Path

PUBLISHED: Final = "2026-11-01T00:00:00+00:00"
_EXECUTABLE: Final = "claude"
_LOADED_AT: Final = 0x400000
_HEADERS: Final = 64 + 56
_SIZE: Final = 256
_MACHINES: Final = {"amd64": 0x3E, "arm64": 0xB7}


def executable(platform: Platform, said: str, *, padding: int = 0) -> bytes:
    """Make an ELF program that says this, whatever it is asked; so many bytes more than usual.

    What it is padded with cannot be compressed.
    """
    text = f"{said}\n".encode()
    code = {"amd64": _amd64, "arm64": _arm64}[platform.architecture](len(text)) + text
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    machine, entry = _MACHINES[platform.architecture], _LOADED_AT + _HEADERS
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    # One segment, readable and executable: the whole file.
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _LOADED_AT, _LOADED_AT, _SIZE, _SIZE, 0x10000)
    more = random.Random(said).randbytes(padding)  # noqa: S311 (the same each time)
    return (ident + header + segment + code).ljust(_SIZE, b"\0") + more


def _amd64(length: int) -> bytes:
    """Write so much of what follows to stdout, and exit with 0."""
    return b"".join(
        (
            b"\xb8\x01\0\0\0",  # mov eax, 1 (write)
            b"\xbf\x01\0\0\0",  # mov edi, 1
            b"\x48\x8d\x35\x10\0\0\0",  # lea rsi, [rip+16]
            b"\xba" + struct.pack("<I", length),  # mov edx, length
            b"\x0f\x05",  # syscall
            b"\xb8\x3c\0\0\0",  # mov eax, 60 (exit)
            b"\x31\xff",  # xor edi, edi
            b"\x0f\x05",  # syscall
        )
    )


def _arm64(length: int) -> bytes:
    """Do the same."""
    return struct.pack(
        "<8I",
        _move(8, 64),  # write
        _move(0, 1),
        0x100000C1,  # adr x1, +24
        _move(2, length),
        0xD4000001,  # svc 0
        _move(8, 93),  # exit
        _move(0, 0),
        0xD4000001,
    )


def _move(register: int, value: int) -> int:
    return 0xD2800000 | value << 5 | register


@dataclass(frozen=True)
class MadeUp:
    """A cache and a lock of one's own, to be named by XDG_CACHE_HOME and XDG_DATA_HOME.

    Attributes:
        cache, data: what they are to name.
        padding: bytes that each executable has besides.
    """

    cache: Path
    data: Path
    padding: int = 0

    def add(self, *versions: str, cached: bool = True) -> None:
        """Lock versions, published at the same time; cache their packages, too."""
        path = self.data / "pinnace" / "claude.lock.json"
        packages = self.cache / "pinnace" / "packages"
        for directory in (path.parent, packages):
            directory.mkdir(parents=True, exist_ok=True)
        entries = dict(lock.load(path).entries)
        for text in versions:
            version = CliVersion.parse(text)
            locked = tuple(_package(platform, version, self.padding) for platform in SUPPORTED)
            entries[version] = lock.LockEntry(version, locked, PUBLISHED)
            for package, platform in zip(locked, SUPPORTED, strict=True):
                if cached:
                    place = packages / f"{package.sha256}.tgz"
                    place.write_bytes(tarball(platform, version, padding=self.padding))
        lock.save(path, lock.Lock(entries))


def tarball(platform: Platform, version: CliVersion, *, padding: int = 0) -> bytes:
    """Pack as npm does: every file has the same time, whatever is in it."""
    content = executable(platform, f"{version} (Claude Code)", padding=padding)
    member = tarfile.TarInfo(f"package/{_EXECUTABLE}")
    member.mtime, member.mode, member.size = 499_162_500, 0o755, len(content)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(member, io.BytesIO(content))
    # Not compressed: gzip's header would hold the time of day.
    return packed.getvalue()


def _package(platform: Platform, version: CliVersion, padding: int) -> lock.Package:
    data = tarball(platform, version, padding=padding)
    program = executable(platform, f"{version} (Claude Code)", padding=padding)
    return lock.Package(
        platform=str(platform),
        libc=lock.GLIBC,
        name=f"@anthropic-ai/claude-code-{platform.npm}",
        integrity=f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        executable=_EXECUTABLE,
        executable_sha256=hashlib.sha256(program).hexdigest(),
    )
