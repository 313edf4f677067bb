"""`pinnace-build` as a program, with a declaration of images that is quick to build."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pinnace_builder import images_config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

Result: TypeAlias = dict[str, Any]

# Nothing but what the distribution's image holds already: quick even under emulation.
_IMAGES: Final = """\
platforms = ["linux/amd64", "linux/arm64"]

[base]
name = "{base.name}"
tag = "{base.tag}"
digest = "{base.digest}"  # the shipped one
suite = "{suite}"
refreshed = {refreshed}

# What goes into the only variant.
[variants.slim]
title = "Claude Code with nearly nothing"
budget_mb = 75
packages = ["bash"]
node_packages = []
"""


def write_images(path: Path, refreshed: date | None = None, *, suite: str = "") -> Path:
    """Declare a small image, on the base that the shipped declaration names."""
    base = images_config.load().base
    text = _IMAGES.format(
        base=base, refreshed=refreshed or base.refreshed, suite=suite or base.suite
    )
    path.write_text(text, encoding="utf-8")
    return path


@dataclass(frozen=True)
class BuilderCommand:
    """The command, in an environment.

    Attributes:
        environment: all of it.
        images: the declaration that it gets.
    """

    environment: Mapping[str, str]
    images: Path

    def using(self, images: Path | None = None, **environment: str) -> BuilderCommand:
        """Return the same with other settings."""
        merged = {**self.environment, **environment}
        return replace(self, environment=merged, images=images or self.images)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, however it ends."""
        command = [sys.executable, "-m", "pinnace_builder", *arguments]
        return subprocess.run(
            [*command, f"--images={self.images}"],
            env=dict(self.environment),
            check=False,
            capture_output=True,
            text=True,
        )

    def result(self, *arguments: str) -> tuple[Any, str]:
        """Run it with success; return the result, and what it said meanwhile."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert (answer["schema"], answer["ok"]) == (1, True)
        return answer["result"], done.stderr

    def publish(self, repository: str, *arguments: str) -> tuple[list[Result], str]:
        """Publish with success; return what was published, and what it said meanwhile."""
        return self.result("publish", f"--repository={repository}", *arguments)
