"""A client that follows Claude's transcripts, by a directory of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.plan import Contribution
from pinnace.plan.contributors import client_config
from pinnace_core.container import Mount
from pinnace_images import contract
from tests.support import contributions, hosts

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.plan import Inputs

_FOUND = Contribution(
    mounts=(
        Mount("/srv/config", contract.CONFIG_DIR),
        Mount("/srv/CLAUDE.md", f"{contract.CONFIG_DIR}/CLAUDE.md", read_only=True),
        Mount("/srv/other", f"{contract.CONFIG_DIR}-other"),
    )
)


def _inputs(place: object, tmp_path: Path, *given: str, **settings: Any) -> Inputs:
    environment = {"CLAUDE_CONFIG_DIR": str(place), "TMPDIR": str(tmp_path)}
    facts = hosts.linux(uid=os.getuid(), environment=environment)
    return hosts.inputs(facts, claude_arguments=given, **settings)


def _resumed(tmp_path: Path, name: str = "claude-resume-x") -> Path:
    place = tmp_path / name
    place.mkdir(mode=0o700)
    (place / "projects").mkdir()
    (place / ".credentials.json").write_text("secret")
    return place


def test_only_transcripts_of_the_clients_directory_go_in(tmp_path: Path) -> None:
    place = _resumed(tmp_path)

    found = client_config.moved(_inputs(place, tmp_path), [_FOUND])

    mounts = [mount for one in found for mount in one.mounts]
    assert mounts == [
        Mount("/srv/config", str(place)),
        Mount("/srv/CLAUDE.md", f"{place}/CLAUDE.md", read_only=True),
        Mount("/srv/other", f"{contract.CONFIG_DIR}-other"),
        Mount(f"{place}/projects", f"{place}/projects"),
    ]
    assert [(v.name, v.value) for v in found[-1].variables] == [("CLAUDE_CONFIG_DIR", str(place))]


def test_the_place_for_them_is_made(tmp_path: Path) -> None:
    config = tmp_path / "config"
    given = Contribution(mounts=(Mount(str(config), contract.CONFIG_DIR),))

    found = client_config.moved(_inputs(_resumed(tmp_path), tmp_path), [given])

    contributions.acquired(found[-1])
    assert (config / "projects").is_dir()


def test_without_one_to_resume_the_name_alone_is_the_clients(tmp_path: Path) -> None:
    place = tmp_path / "own"

    found = client_config.moved(_inputs(place, tmp_path, "--session-mirror"), [_FOUND])

    sources = [mount.source for one in found for mount in one.mounts]
    assert sources == [mount.source for mount in _FOUND.mounts]
    assert found[0].mounts[0].target == str(place)


def _open_to_all(place: Path) -> None:
    place.chmod(0o755)


def _linked(place: Path) -> None:
    place.rename(place.with_name("elsewhere"))
    place.symlink_to("elsewhere")


def _with_linked_transcripts(place: Path) -> None:
    (place / "projects").rmdir()
    (place / "projects").symlink_to("/etc")


def _renamed(place: Path) -> None:
    place.rename(place.with_name("own"))


@pytest.mark.parametrize("spoil", [_open_to_all, _linked, _with_linked_transcripts, _renamed])
def test_no_other_directory_goes_in(tmp_path: Path, spoil: Any) -> None:
    place = _resumed(tmp_path)
    spoil(place)
    at = place if os.path.lexists(place) else place.with_name("own")

    assert client_config.moved(_inputs(at, tmp_path), [_FOUND]) == [_FOUND]


def test_a_directory_elsewhere_does_not_go_in(tmp_path: Path) -> None:
    place = _resumed(tmp_path)

    assert client_config.moved(_inputs(place, tmp_path / "tmp"), [_FOUND]) == [_FOUND]


def test_what_writes_nothing_gets_none_and_that_is_said(tmp_path: Path) -> None:
    inputs = _inputs(_resumed(tmp_path), tmp_path, isolation="locked")

    found = client_config.moved(inputs, [_FOUND])

    assert found[0] == _FOUND
    assert found[1].notes
