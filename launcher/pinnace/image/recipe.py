"""What a project or the user asks for beside the plain image; imported only then.

More packages, a Dockerfile, an image by its name. What a project's files name is validated before
an engine or a client hears of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.config.project import DEVCONTAINER_FILES
from pinnace.image import build_context, claims
from pinnace.image.build_context import NO_DOCKERFILE, BuildContext
from pinnace_core.errors import BadProjectImageError
from pinnace_core.files import read_untrusted
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract
from pinnace_images.contract import Recipe
from pinnace_images.tools import digests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.config import Settings
    from pinnace.image.claims import Wanted
    from pinnace_core.engine import Engine
    from pinnace_core.image import Image

# Changes when the same recipe is carried out in another way.
_SCHEMA: Final = 1
# Debian's policy, 5.6.1 and 5.6.12: https://www.debian.org/doc/debian-policy/ch-controlfields.html
_PACKAGE: Final = re.compile(r"([a-z0-9][a-z0-9+.-]*[a-z0-9+.])(?:=[A-Za-z0-9.+~:-]+)?")
# https://pkg.go.dev/github.com/distribution/reference#pkg-overview
_REFERENCE: Final = re.compile(
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_ID: Final = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_BYTES: Final = 1 << 20
# What is not closed goes to the end: each character is looked at once, whatever the file is.
_STRING: Final = r'"(?:\\.|[^"\\])*\\?(?:"|\Z)'
_COMMENT: Final = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_LAST_COMMA: Final = re.compile(rf"{_STRING}|,(?=\s*[}}\]])", re.DOTALL)


def of_settings(
    base: Image, settings: Settings, tools: tuple[str, ...] = (), *, remember: bool = True
) -> Recipe:
    """Read what the settings add to an image.

    Args:
        base: the image.
        settings: with packages, a Dockerfile, or both.
        tools: that are added, too.
        remember: keep the digests of what the Dockerfile copies for next time.

    Raises:
        BadProjectImageError: a package or the Dockerfile is none.
        CannotReadError: the Dockerfile, or what it copies, cannot be read.
    """
    packages, context = validated(settings.packages), NO_DOCKERFILE
    if settings.dockerfile:
        context = build_context.read(Path(settings.dockerfile), remember=remember)
    return recipe(base, packages, context, tools=tools)


def recipe(
    base: Image,
    packages: tuple[str, ...],
    context: BuildContext = NO_DOCKERFILE,
    *,
    tools: tuple[str, ...] = (),
) -> Recipe:
    """Decide a project's own image: another one as soon as anything that is in it is another.

    Args:
        base: that it stands on.
        packages: validated.
        context: the Dockerfile and what it copies; where that lies does not matter.
        tools: sorted.
    """
    dockerfile, root, files = context
    content = {
        "schema": _SCHEMA,
        "contract": contract.CONTRACT_VERSION,
        "base": base.id,
        "packages": packages,
        "dockerfile": hashlib.sha256(dockerfile).hexdigest() if dockerfile else "",
        "files": files,
        **({"tools": {name: digests(name) for name in tools}} if tools else {}),
    }
    identity = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    variant = base.labels.get(contract.LABEL_VARIANT, "")
    name = contract.project_name(str(claims.version_of(base)), variant, identity)
    return Recipe(base.id, name, identity, packages, dockerfile, root, files, tools)


def validated(packages: Sequence[str]) -> tuple[str, ...]:
    """Return packages sorted, each once.

    Raises:
        BadProjectImageError: one is no package's name, or is wanted in two versions.
    """
    by_name: dict[str, str] = {}
    for text in packages:
        match = _PACKAGE.fullmatch(text)
        if match is None:
            raise BadProjectImageError(
                f"'{text[:80]}' is not the name of a Debian package",
                hint="write NAME or NAME=VERSION, as apt-get install takes it",
            )
        if by_name.setdefault(match[1], text) != text:
            raise BadProjectImageError(
                f"the package '{match[1]}' is wanted as '{by_name[match[1]]}' and as '{text}'",
                hint="name it once",
            )
    return tuple(sorted(by_name.values()))


def require_reference(text: str, *, source: str) -> str:
    """Return an image's name or id, if it is one: nothing that a client would take for an option.

    Raises:
        BadProjectImageError: it is none.
    """
    if not (_REFERENCE.fullmatch(text) or _ID.fullmatch(text)):
        raise BadProjectImageError(
            f"{source} names '{text[:80]}', which is no image's name",
            hint="write it as registry.example/team/name:tag, in lower case",
        )
    return text


class Choice(NamedTuple):
    """What came of a devcontainer.json.

    Attributes:
        image: that a launch takes; it is still to be verified.
        note: why there is none although one is named; or empty.
    """

    image: Image | None = None
    note: str = ""


def devcontainer_image(engine: Engine, wanted: Wanted, project: Path) -> Choice:
    """Return the image that the project's devcontainer.json names, if it fits.

    The file is the project's, and chooses a program that is run: it is only asked for where the
    user trusts it. Format: https://containers.dev/implementors/json_reference/ (JSON with
    comments).

    Args:
        engine: that has the image.
        wanted: version and platform; the variant does not matter.
        project: the directory of the workspace.
    """
    for place in DEVCONTAINER_FILES:
        try:
            text = read_untrusted(project / place, most=_MOST_BYTES).decode("utf-8-sig")
            return _fitting(engine, wanted, named_image(text), place)
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


def _fitting(engine: Engine, wanted: Wanted, name: str, place: str) -> Choice:
    if not name:
        return Choice(note=f"{place} names no image to be taken: the pinned one is")
    said = f"{place} names the image '{name[:80]}', which is not taken:"
    try:
        require_reference(name, source=place)
    except BadProjectImageError:
        return Choice(note=f"{said} that is no image's name")
    image = claims.local(engine, name)
    if image is None:
        return Choice(note=f"{said} it is not here (docker pull)")
    wrong = claims.mislabelled(image, claims.of_any_variant(wanted, image))
    return Choice(note=f"{said} {wrong}") if wrong else Choice(image)
