"""Retention on real files and locks, with a docker client that does as it is told."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from click.testing import CliRunner
from filelock import FileLock

from pinnace_builder import packages
from pinnace_builder.cli import cli
from pinnace_builder.retention import BuildCache
from pinnace_builder.retention.downloads import Downloads
from pinnace_builder.retention.images import unique_sizes
from pinnace_builder.retention.policy import Policy
from pinnace_core import host as places
from pinnace_core.engine import Engine, of_builds
from pinnace_core.errors import (
    BadImagesError,
    BadPinError,
    CannotWriteError,
    EngineUnavailableError,
    UsageError,
)
from pinnace_images import lock
from pinnace_images.versions import CliVersion
from tests.support.repositories import NOW

if TYPE_CHECKING:
    from pinnace_builder.retention.policy import Plan

_OLD, _NEW, _UNKNOWN, _LONE = ("1" * 64, "2" * 64, "3" * 64, "4" * 64)
_LOCKED: Final = {_OLD: CliVersion(2, 1, 1), _NEW: CliVersion(2, 1, 2)}
_SIZE: Final = 1000
_DAY: Final = 86400


@dataclass
class Cache:
    """The directory of packages, and that of the builds' locks above it."""

    directory: Path

    def file(self, name: str, *, age: float = 200) -> Path:
        """Put a file there that was last written so many days ago."""
        path = self.directory / name
        path.write_bytes(b"x" * _SIZE)
        then = NOW.timestamp() - age * _DAY
        os.utime(path, (then, then))
        return path

    @property
    def names(self) -> set[str]:
        """What is there now."""
        return {path.name for path in self.directory.iterdir()}

    def collect(self, *, newest: int = 1) -> Plan:
        """Remove what may go."""
        return Downloads(self.directory, _LOCKED).apply(Policy(newest, 90, (), NOW))


@pytest.fixture
def cache() -> Cache:
    directory = packages.cache_directory()
    directory.mkdir(parents=True)
    return Cache(directory)


def test_packages_go_with_their_locks(cache: Cache) -> None:
    for digest in (_OLD, _NEW, _UNKNOWN):
        cache.file(f"{digest}.tgz")
        cache.file(f"{digest}.lock")
    cache.file(f"{_LONE}.lock")
    cache.file("README")

    done = cache.collect()

    assert cache.names == {f"{_NEW}.tgz", f"{_NEW}.lock", "README"}
    assert done.size == 3 * _SIZE
    assert [item.what for item in done.gone] == [
        "2.1.1 111111111111.tgz",
        "333333333333.tgz",
        "444444444444.lock",
    ]


def test_a_preview_changes_nothing(cache: Cache) -> None:
    cache.file(f"{_OLD}.tgz")
    cache.file(f"{_LONE}.lock")

    planned = Downloads(cache.directory, {}).plan(Policy(0, 0, (), NOW))

    assert len(planned.gone) == 2
    assert cache.names == {f"{_OLD}.tgz", f"{_LONE}.lock"}


def test_what_a_killed_download_left_goes_with_all_that_is_in_it(cache: Cache) -> None:
    for name, age in ((".fetch-old", 2), (".fetch-new", 0.5)):
        (cache.directory / name / "deep").mkdir(parents=True)
        (cache.directory / name / "deep" / "x.tgz").write_bytes(b"x" * _SIZE)
        then = NOW.timestamp() - age * _DAY
        os.utime(cache.directory / name, (then, then))

    done = cache.collect()

    assert cache.names == {".fetch-new"}
    assert done.size >= _SIZE


def test_what_links_lead_to_is_left_alone(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (cache.directory / ".fetch-old").mkdir()
    (cache.directory / ".fetch-old" / "link").symlink_to(tmp_path / "mine")
    os.utime(cache.directory / ".fetch-old", (0, 0))

    cache.collect()

    assert cache.names == set()
    assert (tmp_path / "mine" / "file").exists()


def test_a_lock_that_is_held_stays_with_its_package(cache: Cache) -> None:
    cache.file(f"{_UNKNOWN}.tgz")
    with (
        FileLock(cache.directory / f"{_UNKNOWN}.lock"),
        FileLock(cache.directory / f"{_LONE}.lock"),
    ):
        done = cache.collect()

        assert done.gone == ()
        assert {item.why for item in done.kept} == {"another process is fetching it"}
        assert cache.names == {f"{_UNKNOWN}.tgz", f"{_UNKNOWN}.lock", f"{_LONE}.lock"}

    assert len(cache.collect().gone) == 2
    assert cache.names == set()


@pytest.mark.parametrize(
    ("name", "stays"),
    [("build-2.1.1-slim", True), ("publish-0123456789ab", True), ("build-2.1.10-slim", False)],
)
def test_a_package_that_a_build_may_need_stays(cache: Cache, name: str, *, stays: bool) -> None:
    cache.file(f"{_OLD}.tgz")
    cache.file(f"{_NEW}.tgz")
    path = cache.directory.parent / f"{name}.lock"
    with FileLock(path):
        cache.collect()
        assert (f"{_OLD}.tgz" in cache.names) == stays

    cache.collect()
    assert cache.names == {f"{_NEW}.tgz"}
    assert path.exists()


def test_a_package_that_came_back_meanwhile_keeps_its_lock(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.file(f"{_LONE}.lock")
    planned = Downloads(cache.directory, {}).plan(Policy(0, 0, (), NOW))
    cache.file(f"{_LONE}.tgz")
    monkeypatch.setattr(Downloads, "plan", lambda *_: planned)

    assert cache.collect().gone == ()
    assert cache.names == {f"{_LONE}.tgz", f"{_LONE}.lock"}


def test_without_a_cache_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert Cache(tmp_path / "none").collect().gone == ()


def test_what_goes_away_meanwhile_is_not_missed(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [cache.file(f"{_UNKNOWN}.tgz"), cache.directory / ".fetch-gone"]
    monkeypatch.setattr(Path, "iterdir", lambda _self: iter(paths))

    assert [item.id for item in cache.collect().gone] == [f"{_UNKNOWN}.tgz"]


def test_what_cannot_be_removed_is_an_error(cache: Cache) -> None:
    path = cache.directory / f"{_OLD}.tgz"
    path.mkdir()
    os.utime(path, (0, 0))
    cache.file(f"{_NEW}.tgz")

    with pytest.raises(CannotWriteError, match=_OLD):
        cache.collect()


_DOCKER: Final = """
import json, sys
from pathlib import Path

here = Path(__file__).parent
with (here / "calls").open("a") as calls:
    print(json.dumps(sys.argv[1:]), file=calls)
will = json.loads((here / "will.json").read_text())
answer = next(one for one in will if sys.argv[1:][: len(one["to"])] == one["to"])
sys.stdout.write(answer.get("stdout", ""))
sys.stderr.write(answer.get("stderr", ""))
if answer.get("once"):
    will.remove(answer)
    (here / "will.json").write_text(json.dumps(will))
sys.exit(answer.get("code", 0))
"""


@dataclass
class Client:
    """A docker client that does what it is told."""

    place: Path

    def will(self, *answers: dict[str, Any]) -> Engine:
        """Say what it answers, by the first arguments; return its engine."""
        (self.place / "will.json").write_text(json.dumps(answers))
        return of_builds()

    @property
    def calls(self) -> list[list[str]]:
        """What it was called with."""
        return [json.loads(line) for line in (self.place / "calls").read_text().splitlines()]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    program = tmp_path / "docker"
    program.write_text(f"#!{sys.executable}\n{_DOCKER}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return Client(tmp_path)


_POLICY: Final = Policy(1, 90, (), NOW)


def test_the_build_cache_is_pruned_by_age(docker: Client) -> None:
    engine = docker.will({"to": ["buildx", "prune"], "stdout": "ID\tSIZE\nx\t1GB\nTotal:\t1.5GB\n"})

    done = BuildCache(engine, "far").apply(_POLICY)

    assert docker.calls == [
        ["buildx", "prune", "--builder=far", "--force", "--filter", "until=2160h"]
    ]
    assert done.size == 1_500_000_000
    assert done.gone[0].what == "BuildKit's cache (builder far)"


def test_the_preview_of_the_build_cache_only_asks(docker: Client) -> None:
    engine = docker.will({"to": ["buildx", "du"], "stdout": "Total:\t0B\n"})

    assert BuildCache(engine).plan(_POLICY).gone == ()
    assert docker.calls == [["buildx", "du", "--verbose"]]


def test_a_prune_that_frees_nothing_is_no_news(docker: Client) -> None:
    engine = docker.will({"to": ["buildx", "prune"], "stdout": "Total:\t0B\n"})

    assert BuildCache(engine).apply(_POLICY).gone == ()


def test_a_builder_that_is_not_there_is_an_error(docker: Client) -> None:
    said = 'ERROR: no builder "far" found'
    engine = docker.will({"to": ["buildx", "du"], "stderr": said, "code": 1})

    with pytest.raises(EngineUnavailableError, match='no builder "far" found'):
        BuildCache(engine, "far").plan(_POLICY)


def test_a_container_that_goes_away_meanwhile_is_left_out(docker: Client) -> None:
    engine = docker.will(
        {"to": ["container", "ls"], "stdout": "a\nb\n"},
        {
            "to": ["container", "inspect", "a", "b"],
            "stdout": '[{"Id": "b", "Image": "i", "Name": "/n"}]',
            "stderr": "Error: No such container: a",
            "code": 1,
        },
    )

    assert [(one.image, one.name) for one in engine.containers()] == [("i", "n")]


def test_a_list_in_which_something_goes_is_asked_for_again(docker: Client) -> None:
    said = "Error response from daemon: rw layer snapshot not found for container a"
    engine = docker.will(
        {"to": ["container", "ls"], "stderr": said, "code": 1, "once": True},
        {"to": ["container", "ls"], "stdout": ""},
    )

    assert engine.containers() == []


def test_an_engine_that_does_not_tell_about_containers_stops_it_all(docker: Client) -> None:
    engine = docker.will(
        {"to": ["container", "ls"], "stdout": "a\n"},
        {"to": ["container", "inspect"], "stderr": "Cannot connect", "code": 1},
    )

    with pytest.raises(EngineUnavailableError, match="Cannot connect"):
        engine.containers()


@pytest.mark.parametrize(
    "said", ["[]", "null", "{", '[{"ID": "a"}]', '[{"ID": 1, "UniqueSize": "x"}]']
)
def test_sizes_that_are_not_told_are_not_known(docker: Client, said: str) -> None:
    assert unique_sizes(docker.will({"to": ["system", "df"], "stdout": said})) == {}


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["gc", *arguments], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.stdout if "--json" in arguments else done.output


_DOWNLOADS: Final = ("--scope", "downloads")


def test_the_command_prints_and_removes_only_when_it_is_told_to(cache: Cache) -> None:
    cache.file(f"{_UNKNOWN}.tgz")

    output = _run(*_DOWNLOADS)
    assert "no lock knows it" in output
    assert "total: 1.0 kB in 1 thing\n" in output
    assert "--apply does it" in output
    assert len(cache.names) == 1

    assert "went" in _run(*_DOWNLOADS, "--apply")
    assert cache.names == set()
    assert "total: 0 B in 0 things" in _run(*_DOWNLOADS)


def test_the_command_explains_what_stays(cache: Cache) -> None:
    entry = next(iter(lock.load(lock.SHIPPED_LOCK).entries.values()))
    cache.file(f"{entry.packages[0].sha256}.tgz", age=0)

    assert "among the newest 10" in _run(*_DOWNLOADS, "--explain")
    assert "among" not in _run(*_DOWNLOADS)


def test_programs_get_json(cache: Cache) -> None:
    cache.file(f"{_UNKNOWN}.tgz")

    document = json.loads(_run(*_DOWNLOADS, "--json"))
    explained = json.loads(_run(*_DOWNLOADS, "--json", "--explain", "--apply"))

    assert (document["schema"], document["ok"], document["result"]["applied"]) == (1, True, False)
    assert document["result"]["gone"] == [
        {
            "scope": "downloads",
            "what": "333333333333.tgz",
            "why": "no lock knows it",
            "size": _SIZE,
            "id": f"{_UNKNOWN}.tgz",
        }
    ]
    assert "kept" not in document["result"]
    assert (explained["result"]["applied"], explained["result"]["kept"]) == (True, [])


def test_options_override_what_is_declared(cache: Cache) -> None:
    entries = lock.load(lock.SHIPPED_LOCK).entries
    (version, entry) = min(entries.items())
    for one in entries.values():
        cache.file(f"{one.packages[0].sha256}.tgz", age=-time.time())
    name = f"{entry.packages[0].sha256}.tgz"
    keep = ("--newest", "1", "--days", "90")

    def goes(*arguments: str) -> bool:
        result = json.loads(_run(*_DOWNLOADS, "--json", *arguments))["result"]
        return name in {item["id"] for item in result["gone"]}

    then = time.time() - 91 * _DAY
    os.utime(cache.directory / name, (then, then))
    assert goes(*keep)
    assert not goes(*keep, "--days", "92")
    assert not goes(*keep, "--newest", str(len(entries)))
    assert not goes(*keep, "--pinned", "1.0.0", "--pinned", str(version))


@pytest.mark.parametrize(
    "retention",
    ["newest = -1", "newest = true", 'days = "90"', "pinned = [2.0]"],
)
def test_a_declaration_that_makes_no_sense_removes_nothing(
    cache: Cache, tmp_path: Path, retention: str
) -> None:
    declared = tmp_path / "images.toml"
    declared.write_text(_declaration(retention), encoding="utf-8")
    cache.file(f"{_UNKNOWN}.tgz")

    with pytest.raises(BadImagesError):
        _run(*_DOWNLOADS, "--apply", "--images", str(declared))

    assert len(cache.names) == 1


def test_a_pin_that_is_no_version_removes_nothing(cache: Cache) -> None:
    cache.file(f"{_UNKNOWN}.tgz")

    with pytest.raises(BadPinError):
        _run(*_DOWNLOADS, "--apply", "--pinned", "two")

    assert len(cache.names) == 1


def test_many_days_are_as_good_as_ever(cache: Cache, tmp_path: Path) -> None:
    cache.file(f"{next(iter(_shipped_packages()))}.tgz", age=9999)
    declared = tmp_path / "images.toml"
    declared.write_text(_declaration(f"newest = 1\ndays = {10**12}\n"), encoding="utf-8")

    assert "total: 0 B" in _run(*_DOWNLOADS, "--newest=0", "--images", str(declared))


def _shipped_packages() -> list[str]:
    entries = lock.load(lock.SHIPPED_LOCK).entries.values()
    return [entry.packages[0].sha256 for entry in entries]


def _declaration(retention: str) -> str:
    shipped = Path(lock.SHIPPED_LOCK).with_name("images.toml").read_text(encoding="utf-8")
    return f"{shipped.partition('[retention]')[0]}[retention]\n{retention}\n"


@pytest.mark.parametrize("channel", ["latest", "stable"])
def test_a_channel_is_no_pin(channel: str) -> None:
    with pytest.raises(UsageError, match="is a channel"):
        _run(*_DOWNLOADS, "--pinned", channel)


@pytest.mark.parametrize(
    "arguments", [("--scope", "registry"), ("--repository", "registry.example/x", *_DOWNLOADS)]
)
def test_a_registry_is_only_touched_where_it_is_named(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="belong together"):
        _run(*arguments)


def test_a_variable_does_not_name_a_registry(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINNACE_REPOSITORY", "127.0.0.1:1/nowhere")

    assert "total: 0 B" in _run(*_DOWNLOADS)
    assert places.directory("cache") == cache.directory.parent
