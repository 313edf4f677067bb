"""Where images come from, and what is refused, on the real engine and a real registry."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.image import claims, verify
from pinnace_core.engine import detect
from pinnace_core.errors import VerificationFailedError
from pinnace_core.host import HostFacts
from pinnace_images import contract
from pinnace_images.platforms import Platform
from tests.engine.conftest import (
    OTHER_VERSION,
    VERSION,
    Launcher,
    containers_of,
    docker,
    images_of,
    new_version,
    remove_images,
)
from tests.support.builder_command import write_images
from tests.support.flags import flags

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.registry import RealRegistry

# A CLI that says what it should, and a sha256sum that does so, too.
_FORGED = """\
FROM {base}
USER 0:0
RUN sum=$(sha256sum /opt/claude/bin/claude) \\
 && printf '#!/bin/sh\\necho "{version} (Claude Code)"\\n' > /opt/claude/bin/claude \\
 && printf '#!/bin/sh\\necho "%s"\\n' "$sum" > /usr/bin/sha256sum
USER 1000:1000
"""
# The file that the label names is there, and another one is run.
_BESIDE = """\
FROM {base}
USER 0:0
RUN mkdir /opt/claude/package \\
 && echo genuine > /opt/claude/package/cli.js \\
 && rm /opt/claude/bin/claude \\
 && printf '%s\\n' {wrapper} > /opt/claude/bin/claude \\
 && printf '#!/bin/sh\\necho "9.9.9 (Claude Code)"\\n' > /usr/bin/node \\
 && chmod 755 /opt/claude/bin/claude /usr/bin/node
LABEL pinnace.claude.version=9.9.9 pinnace.claude.sha256={digest}
USER 1000:1000
"""


def launch(launcher: Launcher, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Launch with settings; Claude is asked for its version."""
    return launcher.run("run", *flags(**settings), "--", "--version")


def make(dockerfile: str, tag: str) -> str:
    """Build an image; return its id."""
    # Layers may be compressed with zstd by now, which only OCI's media types have a name for.
    output = f"--output=type=docker,oci-mediatypes=true,name={tag}"
    command = ["docker", "buildx", "build", output, "--provenance=false", "-"]
    subprocess.run(command, input=dockerfile, check=True, text=True, capture_output=True)
    return docker("image", "inspect", "--format", "{{.Id}}", tag)


def tags_of(image: str) -> list[str]:
    """Name an image."""
    found: list[str] = json.loads(docker("image", "inspect", image))[0]["RepoTags"]
    return sorted(found)


@pytest.fixture
def forged(launcher: Launcher, other: str) -> str:
    """An image that lies about its CLI; give its name."""
    name = f"localhost/pinnace-test:forged-{other}"
    launcher.build(other)
    make(_FORGED.format(base=contract.local_name(other, "slim"), version=other), name)
    return name


def test_of_twenty_first_launches_at_once_one_builds(launcher: Launcher, other: str) -> None:
    arguments = ("run", "--claude-version", other, "--", "--version")
    children = [launcher.start(*arguments) for _ in range(20)]
    ended = [child.communicate(timeout=300) for child in children]

    assert [child.returncode for child in children] == [0] * 20, ended
    assert {out for out, _ in ended} == {f"{other} (Claude Code)\n"}
    everything = "".join(err for _, err in ended)
    assert everything.count(f"pinnace-build: building {other}") == 1
    (image,) = images_of(other)
    assert containers_of(launcher.project) == []
    assert docker("ps", "-aq", f"--filter=label={contract.LABEL_CHECK}={image}") == ""


def test_a_missing_image_is_pulled_verified_and_named(
    launcher: Launcher, registry: RealRegistry, other: str
) -> None:
    repository, local = f"{registry.address}/claude", contract.local_name(other, "slim")
    docker("tag", launcher.build(other), f"{repository}:{other}-slim")
    docker("push", "--quiet", f"{repository}:{other}-slim")
    remove_images(other)

    done = launch(launcher, claude_version=other, repository=repository)

    assert (done.returncode, done.stdout) == (0, f"{other} (Claude Code)\n"), done.stderr
    assert f"building {other}" not in done.stderr
    assert tags_of(local) == sorted([f"{repository}:{other}-slim", local])


def test_a_forged_image_is_pulled_and_removed_and_nothing_is_built_instead(
    launcher: Launcher, registry: RealRegistry, other: str, forged: str
) -> None:
    name = f"{registry.address}/claude:{other}-slim"
    docker("tag", forged, name)
    docker("push", "--quiet", name)
    remove_images(other)

    done = launch(launcher, claude_version=other, repository=f"{registry.address}/claude")

    assert (done.returncode, done.stdout) == (79, ""), done.stderr
    assert "is not the file that its label names" in done.stderr
    assert f"building {other}" not in done.stderr
    assert images_of(other) == set()


def test_where_only_bases_are_published_one_is_completed(
    launcher: Launcher, registry: RealRegistry, other: str, tmp_path: Path
) -> None:
    repository = f"{registry.address}/bases"
    platform = str(Platform.of_machine(os.uname().machine))
    launcher.environment["PINNACE_IMAGES"] = str(write_images(tmp_path / "images.toml"))
    command = ["publish", "--without-claude", f"--platform={platform}", "--no-attest"]
    subprocess.run(
        [sys.executable, "-m", "pinnace_builder", *command, f"--repository={repository}"],
        check=True,
        stdout=subprocess.DEVNULL,
        env=launcher.environment,
    )

    done = launch(launcher, claude_version=other, repository=repository)

    try:
        assert (done.returncode, done.stdout) == (0, f"{other} (Claude Code)\n"), done.stderr
        assert f"'{repository}:{other}-slim' cannot be pulled" in done.stderr
        assert f"base] {repository}" in done.stderr
        assert "apt-get" not in done.stderr
    finally:
        docker("image", "rm", "--force", f"{repository}:base-slim")


def test_where_nothing_answers_both_reasons_are_told(launcher: Launcher, tmp_path: Path) -> None:
    launcher.environment |= {
        "npm_config_registry": "http://127.0.0.1:9/",
        "npm_config_fetch_retries": "0",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }

    version = new_version()
    done = launch(launcher, claude_version=version, repository="127.0.0.1:9/claude")

    assert (done.returncode, done.stdout) == (75, ""), done.stderr
    error = next(line for line in done.stderr.splitlines() if "error: " in line)
    assert f"127.0.0.1:9/claude:{version}-slim' cannot be pulled" in error
    assert "ECONNREFUSED" in error


@pytest.mark.usefixtures("image")
def test_a_named_image_of_another_version_is_refused(launcher: Launcher) -> None:
    name = f"pinnace/claude:{VERSION}-slim"

    good = launch(launcher, image=name)
    bad = launch(launcher, image=name, claude_version=OTHER_VERSION)

    assert (good.returncode, good.stdout) == (0, f"{VERSION} (Claude Code)\n"), good.stderr
    assert bad.returncode == 79
    assert f"its version is {VERSION}, wanted {OTHER_VERSION}" in bad.stderr


def test_a_named_image_that_lies_is_refused(launcher: Launcher, other: str, forged: str) -> None:
    done = launch(launcher, image=forged, claude_version=other)

    assert (done.returncode, done.stdout) == (79, "")
    assert "is not the file that its label names" in done.stderr


@pytest.mark.usefixtures("image")
def test_a_verification_that_hangs_leaves_no_container() -> None:
    name = f"localhost/pinnace-test:hangs-{new_version()}"
    script = "RUN printf '#!/bin/sh\\nsleep 600\\n' > /opt/claude/bin/claude"
    made = make(f"FROM pinnace/claude:{VERSION}-slim\nUSER 0:0\n{script}\nUSER 1000:1000\n", name)
    engine = detect(HostFacts.detect())
    found = claims.local(engine, made)
    assert found is not None
    try:
        with pytest.raises(VerificationFailedError, match="does not answer"):
            verify.ask(found, engine, seconds=2)
        assert docker("ps", "-aq", f"--filter=label={contract.LABEL_CHECK}={made}") == ""
    finally:
        docker("image", "rm", "--force", made)


@pytest.mark.usefixtures("image")
def test_verify_and_images_agree(launcher: Launcher) -> None:
    done = launcher.run("verify", "--json")

    found = json.loads(done.stdout)["result"]
    assert (done.returncode, found["version"], found["locked"]) == (0, VERSION, True)
    listed = json.loads(launcher.run("images", "--json").stdout)["result"]["images"]
    assert [i["id"] for i in listed if i["chosen"]] == [found["id"]]
    assert listed[0]["verified"]
    assert all(item["reason"] for item in listed)


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize(
    ("wrapper", "accepted"),
    [
        ("'#!/bin/sh' 'exec node /opt/claude/package/cli.js \"$@\"'", True),
        ("'#!/bin/sh' 'exec node /opt/claude/package/evil.js \"$@\"'", False),
        ("'#!/bin/sh' 'echo 9.9.9'", False),
    ],
)
def test_a_genuine_file_beside_another_one_that_is_run_proves_nothing(
    tmp_path: Path, wrapper: str, *, accepted: bool
) -> None:
    name = f"localhost/pinnace-test:beside-{new_version()}"
    digest = hashlib.sha256(b"genuine\n").hexdigest()
    base = f"pinnace/claude:{VERSION}-slim"
    made = make(_BESIDE.format(base=base, wrapper=wrapper, digest=digest), name)
    engine = detect(HostFacts.detect())
    image = claims.local(engine, made)
    assert image is not None
    try:
        if accepted:
            verify.verify(image, tmp_path, engine)
        else:
            with pytest.raises(VerificationFailedError, match="is not the file"):
                verify.verify(image, tmp_path, engine)
    finally:
        docker("image", "rm", "--force", name)
