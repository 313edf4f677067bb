"""What a project asks for beside the plain image: its inputs, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from pinnace.image import build_context, recipe
from pinnace.image.claims import Wanted
from pinnace.image.recipe import Choice, devcontainer_image, named_image
from pinnace_core.errors import BadProjectImageError
from pinnace_images.contract import ContextFile
from pinnace_images.versions import CliVersion
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_core.image import Image

_FILE = ContextFile("a", "file", "0" * 64)


def _identity(**changes: Any) -> str:
    base, packages = changes.pop("base", hosts.image()), changes.pop("packages", ("jq",))
    context = build_context.BuildContext(b"FROM pinnace", files=(_FILE,))._replace(**changes)
    return recipe.recipe(base, packages, context).identity


@pytest.mark.parametrize(
    "changes",
    [
        {"base": hosts.image(f"sha256:{'0' * 64}")},
        {"packages": ("jq=1.7-1",)},
        {"packages": ()},
        {"dockerfile": b"FROM pinnace\n"},
        {"files": ()},
        {"files": (_FILE._replace(path="b"),)},
        {"files": (_FILE._replace(kind="program"),)},
        {"files": (_FILE._replace(content="1" * 64),)},
    ],
)
def test_every_input_counts(changes: dict[str, Any]) -> None:
    assert _identity(**changes) != _identity()


def test_where_the_context_lies_does_not_count() -> None:
    assert _identity(root="/a") == _identity(root="/b")


def test_the_name_says_what_it_stands_on() -> None:
    made = recipe.recipe(hosts.image(), packages=("jq",))

    assert made.name == f"pinnace/claude:9.9.9-slim-project-{made.identity[:12]}"


def test_packages_are_sorted_and_each_once() -> None:
    assert recipe.validated(["tree", "g++", "jq=1.7.1-3+b1", "tree"]) == (
        "g++",
        "jq=1.7.1-3+b1",
        "tree",
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        "A",
        "-y",
        "--allow-downgrades",
        "a b",
        "a;b",
        "a\nb",
        "$(id)",
        "a/b",
        "a=",
        "a=1 b",
        "jq\n",
    ],
)
def test_what_is_no_package_is_refused(name: str) -> None:
    with pytest.raises(BadProjectImageError):
        recipe.validated([name])


def test_a_package_in_two_versions_is_refused() -> None:
    with pytest.raises(BadProjectImageError, match="as 'jq' and as 'jq=1'"):
        recipe.validated(["jq", "jq=1"])


@pytest.mark.parametrize(
    "text",
    [
        "claude",
        "claude:2.1.330-slim",
        "registry.example/team/claude",
        "127.0.0.1:5000/a_b/c-d:latest",
        f"registry.example/claude@sha256:{'0' * 64}",
        f"sha256:{'0' * 64}",
    ],
)
def test_names_are_taken(text: str) -> None:
    assert recipe.require_reference(text, source="it") == text


@pytest.mark.parametrize(
    "text", ["", "--all", "-a", "a b", "A", "a//b", "a:", "a\n", "https://a/b", "a;b", "../a"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadProjectImageError, match="it names"):
        recipe.require_reference(text, source="it")


_WANTED = Wanted(CliVersion.parse(hosts.VERSION), "slim", "linux/amd64")


class _Engine:
    """Knows one image."""

    def __init__(self, image: Image | None) -> None:
        self._image = image

    def image(self, reference: str, **_: bool) -> Image | None:
        return self._image if reference == "ours" else None


def _choose(project: Path, text: str, image: Image | None = None) -> Choice:
    (project / ".devcontainer.json").write_text(text, encoding="utf-8")
    return devcontainer_image(cast("Any", _Engine(image)), _WANTED, project)


@pytest.mark.parametrize(
    "text",
    [
        '{"image": "ours"}',
        '\ufeff{"image": "ours"}',
        '{\n// it\'s\n"image": "ours", // and\n}',
        '{/* "image": "no" */ "image": "ours", "x": [1, 2, /* , */ ], }',
        '{"a": "// no comment, ]", "b": "\\"/*", "image": "ours"}',
    ],
)
def test_json_with_comments_is_read(tmp_path: Path, text: str) -> None:
    assert _choose(tmp_path, text, hosts.image()).image == hosts.image()


def test_strings_stay_as_they_are() -> None:
    assert named_image('{"image": "a,]//b/*c*/"}') == "a,]//b/*c*/"


def test_the_one_in_the_directory_counts_first(tmp_path: Path) -> None:
    (tmp_path / ".devcontainer").mkdir()
    (tmp_path / ".devcontainer" / "devcontainer.json").write_text('{"image": "ours"}')

    assert _choose(tmp_path, '{"image": "other"}', hosts.image()).image is not None


def test_any_variant_will_do(tmp_path: Path) -> None:
    assert _choose(tmp_path, '{"image": "ours"}', hosts.image(variant="dev")).image is not None


@pytest.mark.parametrize(
    ("text", "image", "why"),
    [
        ('{"image": "ours"}', hosts.image(version="9.9.8"), "its version is 9.9.8, wanted 9.9.9"),
        ('{"image": "ours"}', hosts.image(contract="1"), "contract version is 1"),
        ('{"image": "ours"}', hosts.image(user="0:0"), "its user is 0:0"),
        ('{"image": "absent"}', None, "it is not here"),
        ('{"image": "--privileged"}', None, "no image's name"),
        ("{", None, "is not read"),
        ("[]", None, "is not read"),
    ],
)
def test_what_does_not_fit_is_said_and_not_taken(
    tmp_path: Path, text: str, image: Image | None, why: str
) -> None:
    choice = _choose(tmp_path, text, image)

    assert choice.image is None
    assert why in choice.note


@pytest.mark.parametrize("text", ["{}", '{"image": 1}', '{"build": {"dockerfile": "x"}}'])
def test_one_that_names_no_image_is_said(tmp_path: Path, text: str) -> None:
    image, note = _choose(tmp_path, text)

    assert image is None
    assert note == ".devcontainer.json names no image to be taken: the pinned one is"


def test_without_one_nothing_is_said(tmp_path: Path) -> None:
    engine = cast("Any", _Engine(None))
    assert devcontainer_image(engine, _WANTED, tmp_path) == (None, "")


def test_a_link_out_of_the_project_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"image": "ours"}')
    (tmp_path / ".devcontainer.json").symlink_to(tmp_path / "elsewhere")
    engine = cast("Any", _Engine(hosts.image()))

    choice = devcontainer_image(engine, _WANTED, tmp_path)

    assert choice.image is None
    assert "is not read" in choice.note


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1,' + "/**/" * 200_000 + "x}",
        "[" + ",/*" * 300_000,
        '"' + '\\"' * 500_000,
        "[" + "," * 900_000,
        '{"image": "a' + "\\" * 900_001,
    ],
    ids=["comments", "open comments", "escaped quotes", "commas", "escapes"],
)
def test_a_file_that_is_made_to_take_for_ever_does_not(text: str) -> None:
    with pytest.raises(ValueError, match=r"line|char"):
        named_image(text)


def test_a_comment_with_a_comma_before_a_bracket_goes() -> None:
    assert named_image('{"image": "a,/*}*/}", /* , } */ /**/ } // ,') == "a,/*}*/}"


def test_a_file_that_is_nested_too_deeply_is_no_internal_error(tmp_path: Path) -> None:
    (tmp_path / ".devcontainer.json").write_text("[" * 200_000)

    found = devcontainer_image(cast("Any", None), _WANTED, tmp_path)

    assert found.image is None
    assert "nested too deeply" in found.note
