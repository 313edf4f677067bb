"""Nothing that a user can reach is left out, and nothing is mentioned that is not there."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from pinnace.config import schema
from pinnace_builder import images_config
from pinnace_images import contract
from tests.docs import help as commands_help
from tests.docs import markdown
from tests.docs.markdown import PAGES, ROOT

if TYPE_CHECKING:
    from pathlib import Path

VERBS = [(program, verb) for program, verbs in commands_help.VERBS.items() for verb in verbs]
SOURCES = ("core", "builder", "launcher", "dockerfiles")
VARIABLE = re.compile(r"\bPINNACE_[A-Z_]+")


def names_in_contract(prefix: str) -> list[str]:
    return [value for name, value in vars(contract).items() if name.startswith(prefix)]


@pytest.mark.parametrize(("program", "verb"), VERBS)
def test_every_verb_and_option_is_documented(program: str, verb: str) -> None:
    text = markdown.text()
    assert f"`{program} {verb}`" in text
    missing = [o for o in commands_help.options(program, verb) if not re.search(rf"{o}\b", text)]
    assert missing == []


def test_every_option_of_a_launch_is_in_its_table() -> None:
    page = (ROOT / "docs" / "launcher.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(--[a-z-]+)", page, re.MULTILINE))
    assert rows == commands_help.options("pinnace", "run")


def test_pages_that_hints_name_are_there() -> None:
    """An installed Pinnace has the pages, and no directory `docs`."""
    verbs = set(commands_help.VERBS["pinnace"])
    sources = [path for folder in SOURCES for path in (ROOT / folder).rglob("*.py")]
    texts = [path.read_text(encoding="utf-8") for path in sources]
    named = {
        name for text in texts for name in re.findall(r"pinnace help ([a-z-]+(?:\.md)?)", text)
    }
    assert len(named) > 10
    absent = [n for n in named if not (ROOT / f"docs/{n.removesuffix('.md')}.md").is_file()]
    assert absent == []
    assert named & verbs == set(), "a verb's name alone is the verb"
    hints = [text for text in texts if re.search(r"hint=[^)]*docs/[a-z-]+\.md", text)]
    assert hints == []


def test_the_variables_are_those_of_the_code() -> None:
    sources = [path for folder in SOURCES for path in (ROOT / folder).rglob("*.py")]
    read = {name for path in sources for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    assert set(VARIABLE.findall(markdown.text())) == read


def test_the_variables_that_are_known_are_those_of_the_code() -> None:
    listing = ROOT / "launcher" / "pinnace" / "config" / "schema.py"
    sources = [p for folder in SOURCES for p in (ROOT / folder).rglob("*.py") if p != listing]
    read = {name for path in sources for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    assert set(schema.VARIABLES) == read | {key.variable for key in schema.KEYS}


def test_the_contracts_labels_and_paths_are_documented() -> None:
    page = (ROOT / "docs" / "image-contract.md").read_text(encoding="utf-8")
    paths = [contract.HOME, contract.CONFIG_DIR, contract.CLAUDE_ROOT, contract.CLAUDE_BINARY]
    named = [*names_in_contract("LABEL_"), *paths]
    assert [name for name in named if f"`{name}`" not in page] == []
    assert f"**version {contract.CONTRACT_VERSION}**" in page


def test_the_keys_of_images_toml_are_documented() -> None:
    page = (ROOT / "docs" / "builder.md").read_text(encoding="utf-8")
    document = tomllib.loads(images_config.IMAGES.read_text(encoding="utf-8"))
    of_variants = {key for table in document["variants"].values() for key in table}
    named = {*document, *of_variants, *(f"base.{key}" for key in document["base"])} - {"base"}
    assert [key for key in sorted(named) if f"\n| `{key}` |" not in page] == []
    assert [key for key in document["retention"] if f"`{key}`" not in page] == []


def test_the_images_toml_that_is_shown_can_be_read(tmp_path: Path) -> None:
    (shown,) = [b for b in markdown.blocks("text") if "[base]" in b.lines]
    path = tmp_path / "images.toml"
    path.write_text("\n".join(shown.lines), encoding="utf-8")
    assert sorted(images_config.load(path).variants) == ["docs", "slim"]


def test_every_make_target_is_documented() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE)
    assert [target for target in targets if f"`make {target}`" not in page] == []


def test_every_kind_of_test_is_documented() -> None:
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    kinds = {path.parent.relative_to(ROOT).parts[1] for path in ROOT.glob("tests/*/**/test_*.py")}
    assert [kind for kind in sorted(kinds) if f"`tests/{kind}`" not in page] == []


def test_the_modules_and_folders_that_the_development_page_names_are_there() -> None:
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w./-]+(?:\.py|/))`", page)
    below = ("", "launcher/pinnace", "builder/pinnace_builder")
    absent = [name for name in named if not any((ROOT / place / name).exists() for place in below)]
    assert len(named) > 40
    assert absent == []


def test_the_changelog_names_the_current_version() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    assert version is not None
    assert f"## [{version[1]}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_internal_links_resolve(page: Path) -> None:
    broken = [link for link in markdown.links(page) if not _resolves(page, link)]
    assert broken == []


def test_every_page_is_linked_from_the_readme_or_its_folders() -> None:
    indexes = [page for page in PAGES if page.name == "README.md"]
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in indexes
        for link in markdown.links(page)
    }
    assert set(PAGES) - linked == {ROOT / "README.md"}


def _resolves(page: Path, link: str) -> bool:
    if "://" in link:
        return True
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if not target.exists():
        return False
    return not anchor or anchor in markdown.anchors(target)
