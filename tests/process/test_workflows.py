"""The scripts in workflows, run as the service runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Final

import pytest

from pinnace_images.refs import HUB, RepositoryName
from tests.docs.markdown import ROOT

_SCRIPT: Final = r"^ +- name: {}\n(?:.*\n)*? +run: \|\n((?: {{10}}.*\n)+)"
_SHELL: Final = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
_DOCKER: Final = '#!/bin/sh\nprintf "%s\\n" "$@" > "$SAID/argv"\ncat > "$SAID/stdin"\n'


def scripts(workflow: str, step: str) -> list[str]:
    """Return the scripts of the steps of this name."""
    text = (ROOT / ".github" / "workflows" / workflow).read_text(encoding="utf-8")
    found = re.findall(_SCRIPT.format(step), text, re.MULTILINE)
    return [textwrap.dedent(script) for script in found]


def test_every_job_that_publishes_logs_in_the_same_way() -> None:
    found = scripts("publish.yml", "log in")

    assert len(found) == 2
    assert len(set(found)) == 1


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

    script = scripts("publish.yml", "log in")[0]
    subprocess.run([*_SHELL, script], check=True, env=environment, cwd=tmp_path)

    argv = (tmp_path / "argv").read_text(encoding="utf-8").splitlines()
    where = [host] if host else []
    assert argv == ["login", *where, "--username", "some body", "--password-stdin"]
    assert (tmp_path / "stdin").read_text(encoding="utf-8") == "two words\n"
    # The builder reads the name in the same way.
    assert RepositoryName.parse(repository).host == (host or HUB)


def test_what_other_systems_are_tried_with_works_on_this_one(tmp_path: Path) -> None:
    (script,) = scripts("platforms.yml", "use it in a project")
    (tmp_path / "bin").symlink_to(Path(sys.executable).parent)
    environment = {"BIN": "bin", "TMPDIR": str(tmp_path), "DOCKER_HOST": "unix:///nowhere"}

    done = subprocess.run(
        [*_SHELL, script],
        check=False,
        capture_output=True,
        env={**os.environ, **environment},
        cwd=tmp_path,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert "pinnace: hint: " in done.stderr
