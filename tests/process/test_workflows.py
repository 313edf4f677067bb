"""The scripts in workflows, run as the service runs them."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_images.refs import HUB, RepositoryName
from tests.docs.markdown import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_LOGIN: Final = re.compile(
    r"^ +- name: log in\n(?:.*\n)*? +run: \|\n((?: {10}.*\n)+)", re.MULTILINE
)
_SHELL: Final = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
_DOCKER: Final = '#!/bin/sh\nprintf "%s\\n" "$@" > "$SAID/argv"\ncat > "$SAID/stdin"\n'


def scripts() -> list[str]:
    """Return the scripts that log in."""
    text = (ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8")
    return [textwrap.dedent(found) for found in _LOGIN.findall(text)]


def test_every_job_that_publishes_logs_in_the_same_way() -> None:
    assert len(scripts()) == 2
    assert len(set(scripts())) == 1


@pytest.mark.parametrize(
    ("repository", "host"),
    [
        ("registry.example/claude", "registry.example"),
        ("registry.example:5000/team/claude", "registry.example:5000"),
        ("registry:5000/claude", "registry:5000"),
        ("localhost/claude", "localhost"),
        ("[::1]:5000/claude", "[::1]:5000"),
        ("docker.io/team/claude", HUB),
        ("team/claude", ""),
        ("claude", ""),
        ("team/cla.ude", ""),
        ("team/registry.example/claude", ""),
    ],
)
def test_the_login_is_at_the_registry_that_is_published_to(
    tmp_path: Path, repository: str, host: str
) -> None:
    (tmp_path / "docker").write_text(_DOCKER, encoding="utf-8")
    (tmp_path / "docker").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "SAID": str(tmp_path),
        "PINNACE_REPOSITORY": repository,
        "USERNAME": "some body",
        "PASSWORD": "two words",
    }

    subprocess.run([*_SHELL, scripts()[0]], check=True, env=environment, cwd=tmp_path)

    argv = (tmp_path / "argv").read_text(encoding="utf-8").splitlines()
    where = [host] if host else []
    assert argv == ["login", *where, "--username", "some body", "--password-stdin"]
    assert (tmp_path / "stdin").read_text(encoding="utf-8") == "two words\n"
    # The builder reads the name in the same way.
    assert RepositoryName.parse(repository).host == (host or HUB)
