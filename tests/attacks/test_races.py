"""Attacks between the moment at which a path is looked at and the one at which it is mounted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Launcher

pytestmark = pytest.mark.xdist_group("attacks between moments")


def _link(place: Path, elsewhere: Path) -> None:
    place.rename(place.with_name("away"))
    place.symlink_to(elsewhere)


def _link_around(place: Path, elsewhere: Path) -> None:
    around = place.parent
    around.rename(around.with_name("away"))
    (elsewhere / place.name).mkdir()
    around.symlink_to(elsewhere)


def _nothing(place: Path, elsewhere: Path) -> None:
    assert place.is_dir()
    assert elsewhere.is_dir()


@pytest.mark.parametrize("replace", [_link, _link_around, _nothing], ids=lambda one: one.__name__)
def test_a_path_that_is_replaced_in_between_is_not_shown(
    launcher: Launcher, image: str, tmp_path: Path, replace: object
) -> None:
    assert image
    data = launcher.project / "some where" / "data"
    data.mkdir(parents=True)
    (data / "genuine").touch()
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("s3cret")
    launcher.environment["PINNACE_ISOLATION"] = "open"
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        del launcher.environment[name]
    # What a launch decides, and what an engine then does of it, with something in between.
    options = ("--mount", f"{data}:/data:ro")
    line = launcher.printed(*options, claude=("--", "--version"))
    assert callable(replace)
    replace(data, secret)
    done = launcher.paste(line)

    if replace is _nothing:
        assert (done.returncode, "Claude Code" in done.stdout) == (0, True), done.stderr
    else:
        assert done.returncode == 77, done.stderr
        assert "what is mounted at '/data' is not what was looked at" in done.stderr
        assert "Claude Code" not in done.stdout


def test_the_workspace_itself_is_held(launcher: Launcher, image: str, tmp_path: Path) -> None:
    assert image
    launcher.environment["PINNACE_ISOLATION"] = "open"
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        del launcher.environment[name]
    line = launcher.printed(claude=("--", "--version"))
    secret = tmp_path / "secret"
    secret.mkdir()
    for one in launcher.project.iterdir():
        one.rename(secret / one.name)
    _link(launcher.project, secret)
    done = launcher.paste(line)

    assert done.returncode == 77, done.stderr
    assert "is not what was looked at" in done.stderr
