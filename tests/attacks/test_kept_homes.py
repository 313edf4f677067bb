"""Attacks by what a launch leaves in the home that is kept: on the launches after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.attacks.conftest import fresh_place
from tests.engine.conftest import KEY, launching
from tests.support.refilling import settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher

pytestmark = pytest.mark.xdist_group("attacks on kept homes")
_CANARY: Final = "CANARY-OF-THE-ATTACKER"
_FILES: Final = (
    *("~/.bashrc", "~/.bash_profile", "~/.profile", "~/.bash_history", "~/.inputrc", "~/.netrc"),
    *("~/.gitconfig", "~/.config/git/config", "~/.ssh/config", "~/.npmrc", "~/.pypirc"),
    *("~/.cargo/config.toml", "~/.gradle/init.gradle", "~/.m2/settings.xml", "~/notes"),
    *("~/.cache/huggingface/token", "~/.local/share/keyrings/login", "~/.local/state/x"),
    *("~/.config/systemd/user/x.service", "~/.npm/_logs/x"),
    *("/tmp/x", "/dev/shm/x"),  # noqa: S108 (inside)
)
_LEAVE: Final = f"""
for file in {" ".join(_FILES)}; do
    mkdir -p "$(dirname "$file")"
    echo 'echo {_CANARY} >&2; touch "{{project}}/sourced"' >"$file"
done
export LEFT={_CANARY}
mkdir -p ~/.local/bin ~/.cache/pip
for name in ls git claude bash; do
    printf '#!/bin/sh\\necho {_CANARY}\\n' >~/.local/bin/$name
    chmod 755 ~/.local/bin/$name
done
echo kept >~/.cache/pip/kept
mkfifo ~/.cache/pip/fifo
mkdir -p ~/closed/below; chmod 0 ~/closed
rm -rf ~/.cache/uv ~/.npm ~/go; ln -s "{{project}}" ~/.cache/uv; ln -s "{{project}}" ~/.npm
ln -s / ~/go
setsid sh -c 'trap "" TERM HUP; while :; do echo {_CANARY} >>~/.bashrc; sleep 0.01; done' \
    >/dev/null 2>&1 &
(setsid sleep 4242 >/dev/null 2>&1 &)
exit 0
"""
_LOOK: Final = """
echo "kept: $(cat ~/.cache/pip/kept)"
pgrep -f 'sleep 424[2]' && echo 'a process is left'
for file in FILES; do [[ -e $file ]] && echo "left: $file"; done
env | grep CANARY
for name in ls git claude bash; do type -P "$name" | grep -F .local; done
ls | grep -F CANARY; git --version | grep -F CANARY
for link in ~/.cache/uv ~/.npm ~/go; do [[ -L $link ]] && echo "a link: $link"; done
[[ -e ~/closed ]] && echo 'a closed directory is left'
bash -ic true 2>&1 | grep CANARY; bash -lc true 2>&1 | grep CANARY
find /tmp /dev/shm -name x
true
""".replace("FILES", " ".join(_FILES))


@dataclass
class Scene:
    """Two launches, one after the other.

    Attributes:
        launcher: of both.
        seen: by the second one, line by line.
        home: that is kept, on the host.
    """

    launcher: Launcher
    seen: list[str]
    home: Path


@pytest.fixture(scope="module")
def scene(image: str, way_to_begin: str) -> Iterator[Scene]:
    assert image
    with fresh_place() as place, launching(place, "http://127.0.0.1:9", way_to_begin) as launcher:
        launcher.environment |= {"PINNACE_REUSE": "project", "PINNACE_STANDBY": "auto"}
        launcher.environment["ANTHROPIC_API_KEY"] = KEY
        (launcher.project / "precious").write_text("mine")
        first = launcher.run("shell", text=_LEAVE.format(project=launcher.project))
        assert first.returncode == 0, first.stderr
        second = launcher.run("shell", text=_LOOK)
        assert second.returncode == 0, second.stderr
        settled(launcher.environment["HOME"])
        (home,) = place.glob("home/.local/state/pinnace/homes/*/home")
        yield Scene(launcher, second.stdout.splitlines(), home)


def test_a_package_is_there_and_nothing_else_is_seen(scene: Scene) -> None:
    assert scene.seen == ["kept: kept"]


def test_no_process_of_its_own_session_goes_on(scene: Scene) -> None:
    assert "a process is left" not in scene.seen
    assert not (scene.home / ".bashrc").exists()


def test_nothing_that_a_shell_or_git_reads_is_left(scene: Scene) -> None:
    assert not [line for line in scene.seen if line.startswith("left:") or _CANARY in line]
    assert not (scene.launcher.project / "sourced").exists()


def test_no_variable_is_left(scene: Scene) -> None:
    assert not [line for line in scene.seen if "LEFT=" in line]


def test_no_program_takes_the_place_of_the_images(scene: Scene) -> None:
    """They are kept, as packages are; but the search path has them last."""
    assert (scene.home / ".local/bin/git").is_file()
    assert not [line for line in scene.seen if ".local" in line]


def test_no_link_leads_the_reset_out_of_it(scene: Scene) -> None:
    assert (scene.launcher.project / "precious").read_text() == "mine"
    assert not [line for line in scene.seen if line.startswith("a link")]


def test_rights_and_pipes_do_not_stop_the_reset(scene: Scene) -> None:
    assert not (scene.home / "closed").exists()


def test_nothing_but_what_is_kept_lies_on_the_host(scene: Scene) -> None:
    found = {one.relative_to(scene.home) for one in scene.home.rglob("*") if not one.is_dir()}
    kept = {Path(".cache/pip/fifo"), Path(".cache/pip/kept")}
    assert {one for one in found if one.parts[:2] != (".local", "bin")} == kept
