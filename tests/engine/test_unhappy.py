"""What goes wrong: one clear error, a hint, the documented exit code, and nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace_images import contract, lock
from pinnace_images.platforms import SUPPORTED
from pinnace_images.versions import CliVersion
from tests.engine.conftest import (
    VERSION,
    Launcher,
    docker,
    images_of,
    new_version,
    remove_images,
)
from tests.support.made_up_cli import tarball
from tests.support.npm_registry import NpmRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Check that an error is one sentence and one hint, with `code`, and nothing on stdout."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1
    assert done.stderr.count("hint: ") == 1
    for word in words:
        assert word in done.stderr


def path_without(*programs: str, directory: Path) -> str:
    """Return a PATH with everything but `programs`."""
    directory.mkdir()
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(place).glob("*") if Path(place).is_dir() else ():
            link = directory / program.name
            link.unlink(missing_ok=True)
            link.symlink_to(program)
    for left_out in programs:
        (directory / left_out).unlink(missing_ok=True)
    return str(directory)


@contextmanager
def small_disk(directory: Path, *, size: str) -> Iterator[Path]:
    """Mount a file system that is soon full."""
    directory.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    subprocess.run(["mount", *options], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fake_image(labels: dict[str, str], *, tag: str, base: str) -> str:
    """Make an image that claims something else than it holds; return its id."""
    lines = [f"FROM {base}", *(f'LABEL {key}="{value}"' for key, value in labels.items())]
    command = ["docker", "build", "--quiet", "--tag", tag, "--provenance=false", "-"]
    subprocess.run(command, input="\n".join(lines), check=True, text=True, capture_output=True)
    return docker("image", "inspect", "--format", "{{.Id}}", tag)


def test_no_docker_client(launcher: Launcher, tmp_path: Path) -> None:
    launcher.environment["PATH"] = path_without("docker", "podman", directory=tmp_path / "bin")
    refused(launcher.run("run"), 69, "no docker client", "install")


def test_engine_down(launcher: Launcher, tmp_path: Path) -> None:
    launcher.environment["DOCKER_HOST"] = f"unix://{tmp_path}/none.sock"
    refused(launcher.run("run"), 69, "does not answer", "start it")


@pytest.mark.usefixtures("image")
def test_status_tells_the_pin_although_the_engine_is_down(
    launcher: Launcher, tmp_path: Path
) -> None:
    launcher.environment["DOCKER_HOST"] = f"unix://{tmp_path}/none.sock"
    done = launcher.run("status", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 69
    assert answer["result"]["pin"]["version"] == VERSION
    assert answer["error"]["kind"] == "EngineUnavailableError"


@pytest.mark.parametrize("pin", ["99.0.0", "99.1", ">=99"])
def test_a_pin_that_no_version_satisfies(launcher: Launcher, pin: str) -> None:
    (launcher.project / ".claude-version").write_text(pin, encoding="utf-8")
    refused(launcher.run("run"), 65)


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\x01\x02\xff\xfe",
        b"x" * 10_000_000,
        "2.1.330".encode("utf-16"),
        b"",
        b"2.1.330\n1.0.0",
    ],
    ids=["binary", "10 MB", "utf-16", "empty", "two lines"],
)
def test_a_pin_file_with_garbage(launcher: Launcher, content: bytes) -> None:
    (launcher.project / ".claude-version").write_bytes(content)
    refused(launcher.run("run"), 65, ".claude-version")
    assert (launcher.project / ".claude-version").read_bytes() == content


@pytest.mark.usefixtures("image")
def test_a_pin_file_of_another_system_is_fine(launcher: Launcher) -> None:
    (launcher.project / ".claude-version").write_bytes(b"\xef\xbb\xbf2.1.330\r\n")
    done = launcher.run("run", "--", "--version")
    assert (done.returncode, done.stdout) == (0, f"{VERSION} (Claude Code)\n")


def test_npm_missing(launcher: Launcher, tmp_path: Path) -> None:
    launcher.environment["PATH"] = path_without("npm", directory=tmp_path / "bin")
    launcher.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    done = launcher.run("run", "--claude-version", new_version())
    refused(done, 69, "npm is not installed", "Node.js")


def test_npm_registry_unreachable(launcher: Launcher, tmp_path: Path) -> None:
    launcher.environment["npm_config_registry"] = "http://127.0.0.1:9/"
    launcher.environment["npm_config_fetch_retries"] = "0"
    launcher.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    done = launcher.run("run", "--claude-version", new_version())
    refused(done, 75, "ECONNREFUSED", "npm config")
    assert not list(tmp_path.glob("cache/**/*.tgz"))


@pytest.fixture
def npm_registry(launcher: Launcher, other: str) -> Iterator[NpmRegistry]:
    """Serve the other version's packages to the launcher's npm."""
    version, word = CliVersion.parse(other), "a-token"
    packages = {
        (f"@anthropic-ai/claude-code-{platform.npm}", other): tarball(platform, version)
        for platform in SUPPORTED
    }
    with NpmRegistry(word, packages) as served:
        npmrc = Path(launcher.environment["HOME"], ".npmrc")
        address = f"registry=http://{served.address}/\n//{served.address}/:_authToken={word}\n"
        npmrc.write_text(address, encoding="utf-8")
        launcher.environment["NPM_CONFIG_USERCONFIG"] = str(npmrc)
        yield served


@root_only
def test_disk_full_while_fetching(launcher: Launcher, tmp_path: Path, other: str) -> None:
    # A page less than the package has.
    with small_disk(tmp_path / "cache", size="8k") as cache:
        launcher.environment["XDG_CACHE_HOME"] = str(cache)
        done = launcher.run("run", "--claude-version", other)
        refused(done, 73, "free some space")
        left = [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size]
        assert left == []


def test_the_locks_integrity_is_wrong(
    launcher: Launcher, tmp_path: Path, other: str, npm_registry: NpmRegistry
) -> None:
    place = Path(launcher.environment["XDG_DATA_HOME"], "pinnace", "claude.lock.json")
    version = CliVersion.parse(other)
    (entry,) = lock.load(place).entries.values()
    bad = [p._replace(integrity="sha512-" + "A" * 86 + "==") for p in entry.packages]
    lock.save(place, lock.Lock({version: lock.LockEntry(version, tuple(bad))}))
    launcher.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    done = launcher.run("run", "--claude-version", other)
    refused(done, 79, "digest differs")
    assert not list(tmp_path.glob("cache/**/*.tgz"))
    assert any(path.endswith(".tgz") for path in npm_registry.served)


@pytest.mark.parametrize("name", ["HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"])
@pytest.mark.usefixtures("image")
def test_a_directory_that_cannot_be_written(launcher: Launcher, tmp_path: Path, name: str) -> None:
    # Below a file: not writable for root either.
    (tmp_path / "file").write_bytes(b"")
    launcher.environment[name] = str(tmp_path / "file" / "below")
    refused(launcher.run("run", "--", "--version"), 73, "cannot write")


def test_the_cache_cannot_be_written(launcher: Launcher, tmp_path: Path, other: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    launcher.environment["XDG_CACHE_HOME"] = str(tmp_path / "file" / "below")
    refused(launcher.run("run", "--claude-version", other), 73, "cannot write")


def test_the_image_goes_away_between_selection_and_run(
    launcher: Launcher, tmp_path: Path, other: str
) -> None:
    launcher.build(other)
    name = contract.local_name(other, "gone")
    fake_image({contract.LABEL_VARIANT: "gone"}, tag=name, base=contract.local_name(other, "slim"))
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()
    real = shutil.which("docker")
    script = f'#!/bin/sh\n"{real}" image rm --force {name} >/dev/null 2>&1\nexec "{real}" "$@"\n'
    (bin_directory / "docker").write_text(script, encoding="utf-8")
    (bin_directory / "docker").chmod(0o755)
    before = launcher.environment["PATH"]
    command = ("run", "--variant=gone", "--claude-version", other, "--", "--version")
    assert launcher.run(*command).returncode == 0
    launcher.environment["PATH"] = f"{bin_directory}{os.pathsep}{before}"
    done = launcher.run(*command)
    assert done.returncode == 66
    assert "went away" in done.stderr
    assert "hint: " in done.stderr


def test_an_image_that_holds_another_version_is_refused(launcher: Launcher, other: str) -> None:
    launcher.build(other)
    claimed, base = new_version(), contract.local_name(other, "slim")
    fake_image(
        {contract.LABEL_VERSION: claimed}, tag=contract.local_name(claimed, "slim"), base=base
    )
    try:
        done = launcher.run("run", "--claude-version", claimed, "--", "--version")
        refused(done, 79, claimed, other, "docker image rm")
        # And again: a failure is not remembered as a success.
        assert launcher.run("run", "--claude-version", claimed).returncode == 79
    finally:
        remove_images(claimed)


def test_an_image_whose_executable_was_replaced_is_refused(launcher: Launcher, other: str) -> None:
    launcher.build(other)
    variant = "tampered"
    fake = f'#!/bin/sh\\necho "{other} (Claude Code)"\\n'
    lines = [
        f"FROM {contract.local_name(other, 'slim')}",
        "USER 0",
        f"RUN printf '{fake}' > {contract.CLAUDE_BINARY}",
        "USER 1000:1000",
        f"LABEL {contract.LABEL_VARIANT}={variant}",
    ]
    tag = contract.local_name(other, variant)
    command = ["docker", "build", "--quiet", "--tag", tag, "--provenance=false", "-"]
    subprocess.run(command, input="\n".join(lines), check=True, text=True, capture_output=True)
    done = launcher.run("run", f"--variant={variant}", "--claude-version", other, "--", "--version")
    refused(done, 79, "not the file")


def test_a_missing_image_is_not_built_when_that_is_turned_off(
    launcher: Launcher, other: str
) -> None:
    done = launcher.run("run", "--no-provision", "--claude-version", other)
    refused(done, 66, f"pinnace-build build {other}")
    assert images_of(other) == set()


def test_two_first_launches_at_once_build_once(launcher: Launcher, other: str) -> None:
    arguments = ("run", "--claude-version", other, "--", "--version")
    children = [launcher.start(*arguments) for _ in range(2)]
    outcomes = [child.communicate(timeout=300) for child in children]
    for child, (stdout, stderr) in zip(children, outcomes, strict=True):
        assert child.returncode == 0, stderr
        assert stdout == f"{other} (Claude Code)\n"
    errors = "".join(stderr for _, stderr in outcomes)
    assert errors.count(f"pinnace-build: building {other}") == 1
    assert errors.count("waiting for it") == 1


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)], ids=["ctrl-c", "term"])
def test_an_interrupted_build_leaves_nothing_and_the_next_one_works(
    launcher: Launcher, tmp_path: Path, other: str, number: int, code: int
) -> None:
    (tmp_path / "tmp").mkdir()
    launcher.environment["TMPDIR"] = str(tmp_path / "tmp")
    child = launcher.start("run", "--claude-version", other, "--", "--version")
    assert child.stderr is not None
    for line in child.stderr:
        if f"building {other}" in line:
            break
    child.send_signal(number)
    child.communicate(timeout=60)
    assert child.returncode == code
    assert list((tmp_path / "tmp").iterdir()) == []
    assert launcher.run("run", "--claude-version", other, "--", "--version").returncode == 0


def test_a_damaged_package_in_the_cache_is_mended(
    launcher: Launcher, other: str, npm_registry: NpmRegistry
) -> None:
    cached = list(Path(launcher.environment["XDG_CACHE_HOME"], "pinnace/packages").glob("*.tgz"))
    assert len(cached) == len(SUPPORTED)
    for tarball_there in cached:
        with tarball_there.open("r+b") as stream:
            stream.truncate(1000)
    done = launcher.run("run", "--claude-version", other, "--", "--version")
    assert (done.returncode, done.stdout) == (0, f"{other} (Claude Code)\n"), done.stderr
    assert any(path.endswith(".tgz") for path in npm_registry.served)
