"""What a project adds to an image: decided by the launcher, carried out by the builder."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["file", "program", "link"]


class ContextFile(NamedTuple):
    """A file that a Dockerfile can copy.

    Attributes:
        path: below the context, with slashes.
        kind: whether it can be run, or is a symbolic link.
        content: sha256 of it, hexadecimal; of a link, its target.
    """

    path: str
    kind: Kind
    content: str


class Recipe(NamedTuple):
    """A project's own image.

    Attributes:
        base: id of the image that it stands on.
        name: of the image that comes out.
        identity: of everything here but the name and the root, sha256, hexadecimal.
        packages: of the distribution, sorted; `NAME` or `NAME=VERSION`.
        dockerfile: its bytes; empty if there is none.
        root: the directory that its context is in; empty if it copies nothing.
        files: all of the context, sorted.
    """

    base: str
    name: str
    identity: str
    packages: tuple[str, ...] = ()
    dockerfile: bytes = b""
    root: str = ""
    files: tuple[ContextFile, ...] = ()
