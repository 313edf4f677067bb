"""Podman for tests: `scripts/engine podman` installs it, with a user who runs it rootless."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support import as_user

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOTS: Final = ("graph", "run")
_SCRIPT: Final = Path(__file__).parents[2] / "scripts" / "engine"


@dataclass(frozen=True)
class PodmanUser:
    """Who runs podman.

    Attributes:
        name: of the account.
        home: its home directory.
        runtime: what its session would have as XDG_RUNTIME_DIR.
    """

    name: str
    home: str
    runtime: str

    @property
    def ids(self) -> tuple[int, int]:
        """Its uid and gid."""
        status = Path(self.home).stat()
        return status.st_uid, status.st_gid

    @property
    def environment(self) -> dict[str, str]:
        """What a login would give it."""
        return {
            "HOME": self.home,
            "USER": self.name,
            "LOGNAME": self.name,
            "XDG_RUNTIME_DIR": self.runtime,
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        }

    def spelled(self, *argv: str) -> list[str]:
        """Spell a command that this user runs, as root may."""
        identity = [f"--reuid={self.name}", f"--regid={self.name}", "--init-groups"]
        return ["setpriv", *identity, *argv]

    def run(self, *argv: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command as this user; return its output."""
        done = subprocess.run(
            self.spelled(*argv),
            check=False,
            cwd="/",
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def end(self) -> None:
        """Remove its containers, and end the process that holds its namespace."""
        self.run("podman", "rm", "--all", "--force")
        self.run("podman", "system", "migrate")

    def pinnace(self) -> list[str]:
        """Spell `pinnace` as this user; the interpreter may lie where only root can read."""
        uid, gid = self.ids
        return [sys.executable, as_user.__file__, str(uid), str(gid), str(gid)]


def install(*, rootlesskit: bool = False) -> PodmanUser:
    """Install podman, and what rootless docker needs beside it; give their user."""
    if rootlesskit and shutil.which("rootlesskit") is None:
        quiet = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "install", "rootlesskit"]
        subprocess.run(quiet, check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([_SCRIPT, "podman"], check=True, stdout=subprocess.PIPE, text=True)
    return PodmanUser(*done.stdout.splitlines())


def load(
    names: list[str], user: PodmanUser | None, settings: Mapping[str, str] | None = None
) -> None:
    """Hand docker's images over to podman, root's or a user's, unless they are there."""
    prefix = user.spelled if user else lambda *argv: list(argv)
    environment = {**(user.environment if user else os.environ), **(settings or {})}
    there = [
        subprocess.run(
            prefix("podman", "image", "exists", f"localhost/{name.removeprefix('localhost/')}"),
            check=False,
            cwd="/",
            env=environment,
        ).returncode
        for name in names
    ]
    if not any(there):
        return
    with subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE) as saving:
        subprocess.run(
            prefix("podman", "load", "--quiet"),
            check=True,
            cwd="/",
            env=environment,
            stdin=saving.stdout,
            stdout=subprocess.DEVNULL,
        )
    assert saving.returncode == 0


def limits(place: Path) -> dict[str, str]:
    """Write a configuration with low limits: on some machines root may not raise its own."""
    ulimits = '["nofile=4096:4096", "nproc=4096:4096"]'
    place.write_text(f"[containers]\ndefault_ulimits = {ulimits}\n", encoding="utf-8")
    return {"CONTAINERS_CONF": str(place)}


def storage(place: Path) -> dict[str, str]:
    """Write a configuration that keeps images and containers in a directory of their own."""
    file = place / "storage.conf"
    lines = ("[storage]", 'driver = "overlay"', *(f'{n}root = "{place}/{n}"' for n in _ROOTS))
    file.write_text("\n".join(lines), encoding="utf-8")
    return {"CONTAINERS_STORAGE_CONF": str(file)}
