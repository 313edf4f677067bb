"""What a project adds to its image, on the real engine."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pinnace_images import contract
from tests.engine.conftest import Launcher, docker, new_version, remove_images
from tests.engine.test_images import launch, tags_of
from tests.support.flags import flags
from tests.support.made_up_cli import MadeUp

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

_COMMAND = "a command ended with exit code"
_BUILT = "pinnace-build: building the project's own image"


@dataclass
class Made:
    """The projects' images that a test made: all of a version that is the tests' own."""

    version: str

    @property
    def said(self) -> str:
        """What its CLI says."""
        return f"{self.version} (Claude Code)\n"

    @property
    def ids(self) -> list[str]:
        """All of them."""
        listing = ("image", "ls", "-aq", "--no-trunc", f"--filter=label={contract.LABEL_PROJECT}")
        return sorted(set(docker(*listing, self._of_version).split()))

    @property
    def unfinished(self) -> str:
        """What builds have left behind."""
        return docker("image", "ls", "-q", self._of_version, "localhost/pinnace/project")

    @property
    def _of_version(self) -> str:
        return f"--filter=label={contract.LABEL_VERSION}={self.version}"

    def run(self, *command: str) -> str:
        """Run something in the only one."""
        (made,) = self.ids
        return docker("run", "--rm", "--network=none", made, *command)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MadeUp, str]]:
    """Make up a version, whose image the first launch builds."""
    place, version = tmp_path_factory.mktemp("made-up"), new_version()
    found = MadeUp(place / "cache", place / "data")
    found.add(version)
    try:
        yield found, version
    finally:
        remove_images(version)


@pytest.fixture(autouse=True)
def made(launcher: Launcher, packages: tuple[MadeUp, str]) -> Iterator[Made]:
    """Pin that version; remove the projects' images afterwards."""
    place, version = packages
    (launcher.project / ".claude-version").write_text(version)
    launcher.environment |= {"XDG_CACHE_HOME": str(place.cache), "XDG_DATA_HOME": str(place.data)}
    found = Made(version)
    try:
        yield found
    finally:
        launcher.end()
        if found.ids:
            docker("image", "rm", "--force", *found.ids)


@pytest.fixture
def dockerfile(launcher: Launcher) -> Path:
    """A Dockerfile that copies a file, in a directory of the project."""
    place = launcher.project / "docker"
    place.mkdir()
    (place / "tool").write_text("#!/bin/sh\necho one\n")
    (place / "notes").write_text("not copied\n")
    (place / ".dockerignore").write_text("notes\n")
    file = place / "Dockerfile"
    file.write_text("FROM pinnace\nCOPY --chmod=0755 tool /usr/local/bin/\nRUN id -u > /built-by\n")
    return file


def test_a_dockerfile_is_built_once_by_root_and_run_by_the_images_user(
    launcher: Launcher, dockerfile: Path, made: Made
) -> None:
    first = launch(launcher, dockerfile=str(dockerfile))
    second = launch(launcher, dockerfile=str(dockerfile))

    assert (first.returncode, first.stdout) == (0, made.said), first.stderr
    assert (second.returncode, second.stdout) == (0, made.said)
    assert (first.stderr.count(_BUILT), second.stderr.count(_BUILT)) == (1, 0)
    assert made.run("cat", "/built-by").strip() == "0"
    assert made.run("id", "-u").strip() == "1000"
    (image,) = made.ids
    (name,) = tags_of(image)
    assert name.startswith(f"pinnace/claude:{made.version}-slim-project-")
    assert made.unfinished == ""
    # It is this project's alone.
    plain = launcher.run("run", "--dry-run")
    assert image not in plain.stdout


def test_only_a_changed_input_builds_anew(launcher: Launcher, dockerfile: Path, made: Made) -> None:
    tool = dockerfile.with_name("tool")
    before = tool.stat()
    launch(launcher, dockerfile=str(dockerfile))

    tool.touch()
    dockerfile.touch()
    dockerfile.with_name("notes").write_text("ignored, so it does not matter\n")
    touched = launch(launcher, dockerfile=str(dockerfile))
    # As long as before, and as old: the content alone tells.
    tool.write_text("#!/bin/sh\necho two\n")
    os.utime(tool, ns=(before.st_atime_ns, before.st_mtime_ns))
    edited = launch(launcher, dockerfile=str(dockerfile))

    assert _BUILT not in touched.stderr
    assert edited.stderr.count(_BUILT) == 1, edited.stderr
    said = [docker("run", "--rm", "--network=none", image, "tool") for image in made.ids]
    assert sorted(said) == ["one", "two"]


def test_refreshed_it_is_built_anew_without_the_cache(
    launcher: Launcher, dockerfile: Path, made: Made
) -> None:
    dockerfile.write_text("FROM pinnace\nRUN cat /proc/sys/kernel/random/uuid > /made\n")
    launcher.environment["PINNACE_DOCKERFILE"] = str(dockerfile)
    assert launch(launcher).returncode == 0
    (before,) = made.ids
    (name,) = tags_of(before)

    done = launcher.run("pull", "--refresh", "--json")

    assert done.returncode == 0, done.stderr
    refreshed = json.loads(done.stdout)["result"]
    assert refreshed["id"] != before
    assert (refreshed["tags"], tags_of(refreshed["id"])) == ([name], [name])
    again = launch(launcher)
    assert (again.returncode, again.stdout) == (0, made.said)
    assert _BUILT not in again.stderr
    status = json.loads(launcher.run("status", "--json").stdout)["result"]
    assert (status["image"]["id"], status["verified"]) == (refreshed["id"], True)


def test_launches_at_once_share_one_build(launcher: Launcher, dockerfile: Path) -> None:
    command = ["run", *flags(dockerfile=str(dockerfile)), "--", "--version"]
    children = [launcher.start(*command) for _ in range(4)]
    ended = [child.communicate(timeout=300) for child in children]

    assert [child.returncode for child in children] == [0] * 4, ended
    assert "".join(err for _, err in ended).count(_BUILT) == 1


def test_packages_are_there_without_set_id_bits(launcher: Launcher, made: Made) -> None:
    done = launch(launcher, packages=["sudo", "tree"])

    assert (done.returncode, done.stdout) == (0, made.said), done.stderr
    assert made.run("tree", "--version")
    assert made.run("stat", "-c", "%a", "/usr/bin/sudo") == "755"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("RUN cp /bin/true /usr/bin/x && chmod u+s /usr/bin/x", "setuid '/usr/bin/x"),
        ("LABEL pinnace.claude.version=9.9.9", "pinnace.claude.version"),
        ("ENV CLAUDE_CONFIG_DIR=/tmp", "CLAUDE_CONFIG_DIR"),
        ("RUN chmod 0777 /opt/claude", "writable"),
        ("RUN printf '#!/bin/sh\\necho 1' > /opt/claude/bin/claude", "the CLI in the built image"),
        ("RUN printf x >> /opt/claude/bin/claude", "is not the file that its label names"),
    ],
    ids=["setuid", "label", "environment", "writable", "another program", "another file"],
)
def test_a_dockerfile_that_breaks_the_contract_is_refused(
    launcher: Launcher, dockerfile: Path, lines: str, words: str
) -> None:
    dockerfile.write_text(f"FROM pinnace\n{lines}\n")

    done = launch(launcher, dockerfile=str(dockerfile))

    assert (done.returncode, done.stdout) == (79, ""), done.stderr
    assert words in done.stderr


def test_a_dockerfile_that_fails_is_an_error_with_its_output(
    launcher: Launcher, dockerfile: Path, made: Made
) -> None:
    dockerfile.write_text("FROM pinnace\nRUN echo what-it-says && false\n")

    done = launch(launcher, dockerfile=str(dockerfile))

    assert (done.returncode, done.stdout) == (70, ""), done.stderr
    assert "what-it-says" in done.stderr
    assert _error(done) == f"building the project's Dockerfile failed: {_COMMAND} 1"
    assert "Traceback" not in done.stderr
    assert made.unfinished == ""


def test_a_package_that_does_not_exist_is_named(launcher: Launcher) -> None:
    done = launch(launcher, packages=["nosuchpkg"])

    assert (done.returncode, done.stdout) == (70, ""), done.stderr
    assert "pinnace: error: there is no Debian package 'nosuchpkg'" in done.stderr


def _error(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.splitlines()
    (number,) = (n for n, line in enumerate(lines) if line.startswith("pinnace: error: "))
    assert lines[number + 1 :] == ["pinnace: hint: why is in the build's own output, above"]
    return lines[number].removeprefix("pinnace: error: ")


def test_a_devcontainer_of_the_pinned_version_is_taken(launcher: Launcher, made: Made) -> None:
    launcher.build(made.version)
    (launcher.project / ".devcontainer.json").write_text(
        f'{{ // ours\n "image": "pinnace/claude:{made.version}-slim", }}'
    )
    fitting = launch(launcher, devcontainer=True)
    (launcher.project / ".devcontainer.json").write_text('{"image": "debian:none"}')
    other = launch(launcher, devcontainer=True)

    assert (fitting.returncode, fitting.stdout) == (0, made.said), fitting.stderr
    assert "devcontainer" not in fitting.stderr
    assert (other.returncode, other.stdout) == (0, made.said), other.stderr
    assert "names the image 'debian:none', which is not taken: it is not here" in other.stderr
