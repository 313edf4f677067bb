"""The image that a project's devcontainer.json names, if a launch may take it.

The file is the project's, and chooses a program that is run: it counts only if the user trusts it.
Format: https://containers.dev/implementors/json_reference/ (JSON with comments).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from pinnace.image import images, pull
from pinnace.image.project_image import fits
from pinnace_core.errors import BadProjectImageError
from pinnace_core.files import read_untrusted

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.image.images import LocalImage, Wanted
    from pinnace_core.engine import Engine

PLACES: Final = (".devcontainer/devcontainer.json", ".devcontainer.json")
_MOST_BYTES: Final = 1 << 20
# What is not closed goes to the end: each character is looked at once, whatever the file is.
_STRING: Final = r'"(?:\\.|[^"\\])*\\?(?:"|\Z)'
_COMMENT: Final = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_LAST_COMMA: Final = re.compile(rf"{_STRING}|,(?=\s*[}}\]])", re.DOTALL)


class Choice(NamedTuple):
    """What came of it.

    Attributes:
        image: that a launch takes; it is still to be verified.
        note: why there is none although one is named; or empty.
    """

    image: LocalImage | None = None
    note: str = ""


def choose(found: Engine, wanted: Wanted, project: Path, *, trusted: bool) -> Choice:
    """Return the image that the project's devcontainer.json names, if it fits.

    Args:
        found: the engine.
        wanted: version and platform; the variant does not matter.
        project: the directory of the workspace.
        trusted: whether the user trusts the project's choice of images.
    """
    for place in PLACES:
        try:
            text = read_untrusted(project / place, most=_MOST_BYTES).decode("utf-8-sig")
            return _of(found, wanted, named_image(text), place, trusted=trusted)
        except FileNotFoundError:
            continue
        except RecursionError:
            return Choice(note=f"{place} is not read: it is nested too deeply")
        except (OSError, ValueError) as error:
            return Choice(note=f"{place} is not read: {error}")
    return Choice()


def named_image(text: str) -> str:
    """Return the image that a devcontainer.json names, or nothing.

    Raises:
        ValueError: it is no JSON object, comments aside.
    """
    document = json.loads(_LAST_COMMA.sub(_kept, _COMMENT.sub(_kept, text)))
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 (of the file, as json says it)
    image = document.get("image")
    return image if isinstance(image, str) else ""


def _kept(token: re.Match[str]) -> str:
    """Strings stay; comments, and commas before a closing bracket, go."""
    return token[0] if token[0].startswith('"') else " "


def _of(found: Engine, wanted: Wanted, name: str, place: str, *, trusted: bool) -> Choice:
    if not name:
        return Choice()
    said = f"{place} names the image '{name[:80]}', which is not taken:"
    if not trusted:
        return Choice(note=f"{said} the project is not trusted to choose an image")
    try:
        pull.require_reference(name, source=place)
    except BadProjectImageError:
        return Choice(note=f"{said} that is no image's name")
    image = images.local(found, name)
    if image is None:
        return Choice(note=f"{said} it is not here (docker pull)")
    wrong = fits(image, wanted)
    return Choice(note=f"{said} {wrong}") if wrong else Choice(image)
