"""What a launch decides from, without a machine: a context, an engine that only holds images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pinnace.config import Config, Settings, levels
from pinnace.config.files import Files
from pinnace.context import Context
from pinnace.request import RunRequest
from tests.support import hosts

if TYPE_CHECKING:
    from pinnace_core.image import Image


class ImageStore:
    """An engine's images, found by id or name; the questions are kept."""

    name = "docker"
    buildkit = True

    def __init__(self, *images: Image) -> None:
        self.held = list(images)
        self.asked: list[str] = []

    def image(self, reference: str, **_: bool) -> Image | None:
        self.asked.append(reference)
        return next((i for i in self.held if reference in {i.id, *i.tags}), None)

    def images(self, label: str) -> list[Image]:
        self.asked.append(label)
        return [image for image in self.held if label in image.labels]


def context(engine: ImageStore, project: str = "/srv/demo", **settings: Any) -> Context:
    """The context of a launch with these settings, on plain Linux."""
    return Context(
        request=RunRequest(),
        facts=hosts.linux(),
        project=hosts.workspace(project),
        engine=cast("Any", engine),
        config=Config(
            Settings(**settings), levels.STANDARD, {}, (), Files(Path(project), None, ())
        ),
        locked=None,
    )
