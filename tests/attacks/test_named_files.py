"""Attacks by what Claude's own options name: keys, doors out, other places behind links.

Whoever writes a program's configuration, or a page that it reads, may choose such a path; nobody
looks at it. What has the name of a key here is one: its words must not come inside.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.engine.conftest import containers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = pytest.mark.xdist_group("attacks by named files")
_CANARY: Final = "canary-of-a-key"
_KEYS: Final = (
    *(".ssh/id_rsa", ".ssh/config", ".aws/credentials", ".gnupg/secring.gpg", ".kube/config"),
    *(".docker/config.json", ".config/gh/hosts.yml", ".netrc", ".git-credentials", ".npmrc"),
    *(".claude/.credentials.json", ".claude.json", ".local/state/pinnace/key"),
)
_READING: Final = (
    *("--mcp-config", "--settings", "--system-prompt-file", "--append-system-prompt-file"),
    *("--agents", "--plugin-dir", "--add-dir"),
)


@pytest.fixture
def home(launcher: Launcher, image: str) -> Path:
    """The home of a user who has keys."""
    assert image
    launcher.environment["PINNACE_ISOLATION"] = "standard"
    home = Path(launcher.environment["HOME"])
    for name in _KEYS:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f'{{"key": "{_CANARY}"}}')
    return home


def _refused(launcher: Launcher, api: MessagesApi, *words: str) -> str:
    """See that a launch is refused before anything is started; return what is said."""
    done = launcher.run("run", "--", "-p", "hi", *words)
    assert (done.returncode, done.stdout) == (77, ""), done.stderr
    assert _CANARY not in done.stderr
    assert "hint" in done.stderr
    assert api.requests == []
    assert containers_of(launcher.project) == []
    return done.stderr


@pytest.mark.parametrize("name", _KEYS)
def test_a_key_is_named(launcher: Launcher, home: Path, api: MessagesApi, name: str) -> None:
    option = _READING[_KEYS.index(name) % len(_READING)]
    _refused(launcher, api, option, str(home / name))


@pytest.mark.parametrize("option", _READING)
def test_each_option_names_a_key(
    launcher: Launcher, home: Path, api: MessagesApi, option: str
) -> None:
    around = os.path.relpath(home / ".ssh", launcher.project)
    for words in (
        (option, str(home / ".ssh" / "id_rsa")),
        (f"{option}={home}/.ssh",),
        (option, f"{around}/id_rsa"),
        (option, f"{launcher.project}/../home/.ssh/./id_rsa"),
        ("--verbose", option, str(launcher.project), option, str(home / ".aws")),
    ):
        _refused(launcher, api, *words)


def _of_the_project(launcher: Launcher, home: Path) -> Path:
    link = launcher.project / "settings.json"
    link.symlink_to(home / ".ssh" / "id_rsa")
    return link


def _elsewhere(launcher: Launcher, home: Path) -> Path:
    link = launcher.place / "settings.json"
    link.symlink_to(home / ".ssh" / "id_rsa")
    return link


def _of_links(launcher: Launcher, home: Path) -> Path:
    (launcher.place / "first").symlink_to(home / ".ssh")
    (launcher.place / "second").symlink_to("first")
    return launcher.place / "second" / "id_rsa"


def _around(launcher: Launcher, home: Path) -> Path:
    assert home.parent == launcher.place
    return launcher.place


def _a_home(_: Launcher, home: Path) -> Path:
    return home


def _everything(_: Launcher, __: Path) -> Path:
    return Path("/")


def _the_kernels(_: Launcher, __: Path) -> Path:
    return Path("/proc/self/environ")


def _an_engine(_: Launcher, __: Path) -> Path:
    return Path("/var/run/docker.sock")


def _a_directory_of_an_engine(_: Launcher, __: Path) -> Path:
    return Path("/run")


def _a_device(_: Launcher, __: Path) -> Path:
    return Path("/dev/zero")


@pytest.mark.parametrize(
    "place",
    [
        *(_of_the_project, _elsewhere, _of_links, _around, _a_home, _everything, _the_kernels),
        *(_an_engine, _a_directory_of_an_engine, _a_device),
    ],
    ids=lambda one: one.__name__.strip("_"),
)
@pytest.mark.parametrize("option", ["--settings", "--add-dir"])
def test_a_place_leads_to_keys_or_out(
    launcher: Launcher,
    home: Path,
    api: MessagesApi,
    place: Callable[[Launcher, Path], Path],
    option: str,
) -> None:
    _refused(launcher, api, option, str(place(launcher, home)))


@pytest.fixture
def doors(launcher: Launcher) -> Iterator[list[Path]]:
    """A pipe that nobody writes to, and a socket that somebody listens at."""
    pipe, door = launcher.place / "pipe", launcher.place / "door"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(door))
        listening.listen()
        yield [pipe, door]


def test_pipes_and_sockets_are_named(
    launcher: Launcher, home: Path, api: MessagesApi, doors: list[Path]
) -> None:
    assert home.is_dir()
    for option in ("--mcp-config", "--settings", "--system-prompt-file"):
        for place in doors:
            _refused(launcher, api, option, str(place))


def _of_a_shell(launcher: Launcher, home: Path) -> Path:
    assert launcher.place == home.parent
    (home / ".bashrc").write_text("true\n")
    return home / ".bashrc"


def _new_for_ssh(_: Launcher, home: Path) -> Path:
    return home / ".ssh" / "authorized_keys"


def _a_link_to_one(launcher: Launcher, home: Path) -> Path:
    link = launcher.place / "debug.txt"
    link.symlink_to(_of_a_shell(launcher, home))
    return link


def _another_name_of_one(launcher: Launcher, home: Path) -> Path:
    name = launcher.place / "debug.txt"
    name.hardlink_to(_of_a_shell(launcher, home))
    return name


def _an_executable(launcher: Launcher, _: Path) -> Path:
    program = launcher.place / "program"
    program.write_text("2026-01-01T00:00:00.000Z [DEBUG] x\n")
    program.chmod(0o755)
    return program


def _of_pinnace(_: Launcher, home: Path) -> Path:
    return home / ".local" / "state" / "pinnace" / "debug.txt"


@pytest.mark.parametrize(
    "place",
    [_of_a_shell, _new_for_ssh, _a_link_to_one, _another_name_of_one, _an_executable, _of_pinnace],
    ids=lambda one: one.__name__.strip("_"),
)
def test_what_is_written_to_is_what_this_machine_runs(
    launcher: Launcher, home: Path, api: MessagesApi, place: Callable[[Launcher, Path], Path]
) -> None:
    path = place(launcher, home)
    before = path.read_bytes() if path.exists() else None

    _refused(launcher, api, "--debug-file", str(path))

    assert (path.read_bytes() if path.exists() else None) == before


def _replaced(place: Path, home: Path) -> None:
    place.unlink()
    place.symlink_to(home / ".ssh" / "id_rsa")


def _replaced_around(place: Path, home: Path) -> None:
    place.parent.rename(place.parent.with_name("away"))
    place.parent.symlink_to(home / ".ssh")
    (home / ".ssh" / place.name).write_text(_CANARY)


@pytest.mark.parametrize(
    "replace", [_replaced, _replaced_around], ids=lambda one: one.__name__.strip("_")
)
def test_a_file_is_replaced_once_it_was_looked_at(
    launcher: Launcher, home: Path, replace: Callable[[Path, Path], None]
) -> None:
    launcher.environment["PINNACE_ISOLATION"] = "open"
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        del launcher.environment[name]
    place = launcher.place / "given" / "settings.json"
    place.parent.mkdir()
    place.write_text("{}")
    line = launcher.printed(claude=("--", "--settings", str(place), "--version"))
    replace(place, home)
    # What the engine then does of what was decided.
    done = launcher.paste(line)
    assert done.returncode == 77, done.stderr
    assert "is not what was looked at" in done.stderr
    assert "Claude Code" not in done.stdout
