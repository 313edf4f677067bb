"""What is said of a build that fails: in one line, without the script that BuildKit repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from python_on_whales import DockerClient

from pinnace_core.engine import buildx
from pinnace_core.errors import BuildFailedError

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = (
    'process "/bin/sh -c set -eu; echo \\"a\\"; apt-get install nosuchpkg" '
    "did not complete successfully: exit code: 100"
)


def _fails(tmp_path: Path, said: str) -> BuildFailedError:
    program = tmp_path / "client"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit 1\n")
    program.chmod(0o755)
    build = buildx.Build(context=tmp_path, platform="linux/amd64", output="type=docker", epoch=1)
    with pytest.raises(BuildFailedError) as caught:
        buildx.run(DockerClient(client_call=[str(program)]), build)
    return caught.value


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            f"#9 E: no such package\nERROR: failed to solve: {_SCRIPT}",
            "the build failed: a command ended with exit code 100",
        ),
        (
            "ERROR: failed to solve: no such stage",
            "the build failed: failed to solve: no such stage",
        ),
        ("all is lost", "the build failed: exit code 1"),
    ],
)
def test_the_script_is_not_repeated(
    tmp_path: Path, said: str, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert _fails(tmp_path, said).message == told
    assert said in capfd.readouterr().err
