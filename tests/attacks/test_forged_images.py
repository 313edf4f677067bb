"""Attacks by an image with the names and the labels of one that was built here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pinnace_images import contract
from tests.engine.conftest import docker, remove_images_by_id
from tests.engine.test_images import make

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher

pytestmark = pytest.mark.xdist_group("attacks by images")
# What is added to the genuine image, under its names and with its labels.
_FORGERIES: Final = {
    "another program in place of the CLI": (
        "RUN printf '#!/bin/sh\\necho OWNED; echo \"{version} (Claude Code)\"\\n' "
        "> /opt/claude/bin/claude"
    ),
    "a digest program that lies": (
        "RUN sum=$(sha256sum /opt/claude/bin/claude) "
        "&& printf '#!/bin/sh\\necho OWNED; echo \"{version} (Claude Code)\"\\n' "
        "> /opt/claude/bin/claude "
        '&& printf \'#!/bin/sh\\necho "%s"\\n\' "$sum" > /usr/bin/sha256sum'
    ),
    "a link in place of the CLI": (
        "RUN mv /opt/claude/bin/claude /opt/claude/genuine "
        "&& printf '#!/bin/sh\\necho OWNED\\n' > /usr/bin/owned && chmod 755 /usr/bin/owned "
        "&& ln -s /usr/bin/owned /opt/claude/bin/claude"
    ),
    "a variable for the loader": "ENV LD_PRELOAD=/usr/lib/owned.so",
    "a file for the loader": "RUN echo /usr/lib/owned.so > /etc/ld.so.preload",
    "a file for shells": "ENV BASH_ENV=/usr/share/owned",
    "a policy of its own": (
        "RUN mkdir -p /etc/claude-code && echo '{{}}' > /etc/claude-code/managed-settings.json"
    ),
    "programs from where everybody writes": "ENV PATH=/tmp:/usr/bin:/bin",
    "another API": "ENV ANTHROPIC_BASE_URL=http://192.0.2.1",
}


@pytest.fixture
def named(launcher: Launcher, other: str) -> Iterator[str]:
    """The name of a genuine image; whatever it names in the end is removed."""
    launcher.build(other)
    yield contract.local_name(other, "slim")
    left = docker("image", "ls", "-q", "--no-trunc", "--filter=label=pinnace.test.forged").split()
    remove_images_by_id(set(left))


def test_a_forged_image_is_refused_whatever_its_name(
    launcher: Launcher, other: str, named: str
) -> None:
    genuine = docker("image", "inspect", "--format={{.Id}} {{json .RepoTags}}", named)
    tags = [tag for tag in genuine.partition(" ")[2].strip('["]').split('","') if tag]
    assert len(tags) > 1
    docker("tag", genuine.split()[0], "localhost/pinnace-test:genuine")
    seen = {}
    for attack, addition in _FORGERIES.items():
        forged = make(
            "FROM localhost/pinnace-test:genuine\nUSER 0:0\n"
            f"{addition.format(version=other)}\nLABEL pinnace.test.forged=1\nUSER 1000:1000\n",
            "localhost/pinnace-test:forged",
        )
        for tag in tags:
            docker("tag", forged, tag)
        done = launcher.run("run", "--claude-version", other, "--no-provision", "--", "--version")
        seen[attack] = (done.returncode, "OWNED" in done.stdout + done.stderr, done.stderr)
    docker("image", "rm", "localhost/pinnace-test:forged", "localhost/pinnace-test:genuine")

    assert {attack: one for attack, one in seen.items() if one[0] == 0 or one[1]} == {}
    assert all("remove it: docker image rm" in said for _, _, said in seen.values()), seen
