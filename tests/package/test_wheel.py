"""What is in the distribution, and that it works from there."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.xdist_group("package")  # what they share takes long to make
_ROOT: Final = Path(__file__).parents[2]
_FOLDERS: Final = (
    _ROOT / "builder/pinnace_builder",
    _ROOT / "core/pinnace_core",
    _ROOT / "dockerfiles/pinnace_images",
    _ROOT / "launcher/pinnace",
)
_DATA: Final = (
    "pinnace/gateway/files/apt.conf",
    "pinnace/gateway/files/common.conf",
    "pinnace/gateway/files/connect",
    "pinnace/gateway/files/egress.conf",
    "pinnace/gateway/files/policy",
    "pinnace/gateway/files/relay",
    "pinnace/gateway/files/same-name",
    "pinnace/gateway/files/ssh-proxy",
    "pinnace/gateway/files/ssh_config",
    "pinnace/gateway/files/start",
    "pinnace/gateway/files/tunnel.conf",
    "pinnace/py.typed",
    "pinnace_builder/py.typed",
    "pinnace_core/engine/seccomp.json",
    "pinnace_core/py.typed",
    "pinnace_images/claude.lock.json",
    "pinnace_images/images.toml",
    "pinnace_images/py.typed",
    "pinnace_images/templates/Dockerfile.j2",
    "pinnace_images/templates/apt.j2",
    "pinnace_images/templates/base.j2",
    "pinnace_images/templates/gateway.j2",
    "pinnace_images/templates/packages.j2",
)
_RENDER: Final = """
from pinnace_builder import images_config
from pinnace_builder.render import ImageRequest, render
from pinnace_images import lock
from pinnace_images.platforms import SUPPORTED

entry = next(iter(lock.load(lock.SHIPPED_LOCK).entries.values()))
images = images_config.load()
request = ImageRequest(entry, images.variant("slim"), SUPPORTED, images.base)
print(render(request).dockerfile)
"""


@dataclass(frozen=True)
class Distribution:
    """What is uploaded."""

    wheel: Path
    sdist: Path


@dataclass(frozen=True)
class Installation:
    """A virtual environment that holds the wheel."""

    root: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, away from the checkout."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        program = str(self.root / "bin" / command[0])
        return subprocess.run(
            [program, *command[1:]],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.root,
            env=environment,
        )


def _must(*command: str | Path) -> None:
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """Build the sdist, and the wheel from it, as a release does."""
    into = tmp_path_factory.mktemp("dist")
    _must(sys.executable, "-m", "build", "--outdir", into, _ROOT)
    (wheel,), (sdist,) = into.glob("*.whl"), into.glob("*.tar.gz")
    return Distribution(wheel, sdist)


@pytest.fixture(scope="module")
def installation(
    distribution: Distribution, tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """Install the wheel where no checkout is in sight."""
    root = tmp_path_factory.mktemp("installed")
    venv.create(root, symlinks=True, with_pip=False)
    options = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")
    python = root / "bin" / "python"
    _must(sys.executable, "-m", "pip", "--python", python, "install", *options, distribution.wheel)
    # The dependencies are this environment's; its own .pth files, the checkout's, do not count.
    (site,) = root.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installation(root)


def _modules() -> set[str]:
    return {
        str(path.relative_to(folder.parent)) for folder in _FOLDERS for path in folder.rglob("*.py")
    }


def test_the_wheel_holds_the_packages_the_pages_and_no_more(
    distribution: Distribution,
) -> None:
    with zipfile.ZipFile(distribution.wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]

    pages = {f"pinnace/docs/{path.name}" for path in (_ROOT / "docs").glob("*.md")}
    assert sorted(names) == sorted({*_modules(), *_DATA, *pages})


def test_the_wheel_runs_on_any_platform_and_carries_the_licence(distribution: Distribution) -> None:
    assert distribution.wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(distribution.wheel) as archive:
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in archive.namelist())


def test_the_sdist_holds_the_sources_and_the_tests_and_no_waste(distribution: Distribution) -> None:
    with tarfile.open(distribution.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    sources = {path.relative_to(_ROOT) for folder in _FOLDERS for path in folder.rglob("*.py")}
    assert {str(path) for path in sources} <= names
    assert {"pyproject.toml", "LICENSE", "README.md", "Makefile", "tests/conftest.py"} <= names
    waste = {name for name in names if "__pycache__" in name or name.startswith(".")}
    assert waste <= {".gitignore"}  # hatchling's doing


@pytest.mark.parametrize(
    "command",
    [("python", "-m", "pinnace"), ("pinnace",), ("pinnace-build",)],
    ids=" ".join,
)
def test_the_installed_programs_run(command: tuple[str, ...], installation: Installation) -> None:
    done = installation.run(*command, "--version")

    assert (done.returncode, done.stderr) == (0, "")
    assert "0.1.0" in done.stdout


def test_it_runs_from_the_installation_not_from_the_checkout(installation: Installation) -> None:
    code = (
        "import pinnace, pinnace_builder, pinnace_images as i; print(pinnace, pinnace_builder, i)"
    )
    done = installation.run("python", "-c", code)

    assert done.stdout.count(str(installation.root)) == 3
    assert str(_ROOT) not in done.stdout


def test_the_installed_pages_are_shown(installation: Installation) -> None:
    shown = installation.run("pinnace", "help", "hosts")

    assert shown.stdout == (_ROOT / "docs/hosts.md").read_text(encoding="utf-8")


def test_the_installed_template_renders(installation: Installation) -> None:
    done = installation.run("python", "-c", _RENDER)

    assert (done.returncode, done.stderr) == (0, "")
    assert "COPY --link claude-" in done.stdout
