"""The lock: read, written, merged, asked."""

from __future__ import annotations

import json
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace_core.errors import BadLockError, CannotWriteError
from pinnace_images import lock
from pinnace_images.lock import Lock, LockEntry, Package
from pinnace_images.platforms import SUPPORTED, Platform
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from pathlib import Path

_AMD64, _ARM64 = SUPPORTED
_NAME: Final = "@anthropic-ai/claude-code"
_INTEGRITY: Final = f"sha512-{'A' * 86}=="
_SCRIPT: Final = Package("any", "any", _NAME, _INTEGRITY, "ab" * 32, 7, "cli.js", "cd" * 32)


def _entry(version: str, *platforms: str) -> LockEntry:
    packages = (_SCRIPT._replace(platform=platform) for platform in platforms or ("any",))
    return LockEntry(CliVersion.parse(version), tuple(packages))


def _lock(*entries: LockEntry) -> Lock:
    return Lock({entry.version: entry for entry in entries})


def _document(**package: Any) -> str:
    fields = {**_SCRIPT._asdict(), **package}
    entry = {"published": "2026-01-01", "packages": [fields]}
    return json.dumps({"schema": 1, "versions": {"2.1.3": entry}})


def test_a_lock_survives_writing_and_reading() -> None:
    written = _lock(_entry("2.1.330", "linux/amd64", "linux/arm64"), _entry("1.0.128"))

    assert lock.loads(written.dumps(), source="x") == written


@pytest.mark.parametrize(
    "field",
    [
        {"platform": "linux/../x"},
        {"platform": "windows/amd64"},
        {"libc": "uclibc"},
        {"name": "left-pad"},
        {"name": "@anthropic-ai/claude-code/../x"},
        {"name": "@anthropic-ai/claude-code@2.1.330"},
        {"integrity": "sha1-AAAA"},
        {"integrity": "sha512-x"},
        {"sha256": "../../../../x"},
        {"sha256": "AB" * 32},
        {"sha256": ""},
        {"size": 0},
        {"size": -1},
    ],
    ids=str,
)
def test_every_field_is_what_it_is_for(field: dict[str, object]) -> None:
    with pytest.raises(BadLockError, match=f"'{next(iter(field))}' is"):
        lock.loads(_document(**field), source="mine")


def test_the_moment_of_publication_is_one() -> None:
    text = _document().replace("2026-01-01", "yesterday")

    with pytest.raises(BadLockError, match="'published' is 'yesterday'"):
        lock.loads(text, source="mine")


def test_the_newest_version_stands_first_and_packages_are_sorted() -> None:
    text = _lock(_entry("2.1.9"), _entry("2.1.10", "linux/b", "linux/a"), _entry("1.2.0")).dumps()

    versions = json.loads(text)["versions"]
    assert list(versions) == ["2.1.10", "2.1.9", "1.2.0"]
    assert [package["platform"] for package in versions["2.1.10"]["packages"]] == [
        "linux/a",
        "linux/b",
    ]
    assert text.endswith("}\n")


def test_the_text_does_not_depend_on_the_order_of_locking() -> None:
    entries = [_entry("2.1.9"), _entry("2.1.10"), _entry("1.2.0")]

    assert len({_lock(*order).dumps() for order in permutations(entries)}) == 1


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_another_schema_is_refused_with_the_advice_to_update(schema: object) -> None:
    with pytest.raises(BadLockError, match="'mine' has schema") as caught:
        lock.loads(json.dumps({"schema": schema, "versions": {}}), source="mine")

    assert caught.value.hint == "update Pinnace"
    assert caught.value.exit_code == 65


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        '{"schema": 1',
        "[]",
        "1",
        "null",
        "{}",
        '{"schema": 1}',
        '{"schema": 1, "versions": []}',
        '{"schema": 1, "versions": {"2.1.3": null}}',
        '{"schema": 1, "versions": {"2.1.3": ["x"]}}',
        '{"schema": 1, "versions": {"2.1.3": [{}]}}',
        '{"schema": 1, "versions": {"2.1.3": {"packages": []}}}',
        '{"schema": 1, "versions": {"2.1.3": {"published": 7, "packages": []}}}',
        '{"schema": 1, "versions": {"2.1.3": {"published": "", "packages": [{}]}}}',
        _document(extra="field"),
        json.dumps({"schema": 1, "versions": {"latest": []}}),
    ],
)
def test_what_is_not_a_lock_is_refused_and_named(text: str) -> None:
    with pytest.raises(BadLockError, match="'mine' is not a lock") as caught:
        lock.loads(text, source="mine")

    assert "version control" in caught.value.hint


@pytest.mark.parametrize(
    "package",
    [{"size": "7"}, {"size": None}, {"sha256": 7}, {"executable": None}, {"name": ["claude"]}],
    ids=str,
)
def test_a_field_of_another_type_is_refused(package: dict[str, object]) -> None:
    with pytest.raises(BadLockError):
        lock.loads(_document(**package), source="mine")


_SOME: Final = "cd" * 32


@pytest.mark.parametrize(
    "digest", ["", "cd", _SOME[1:], f"{_SOME}0", _SOME.upper(), f"{_SOME[:-1]}g", f"{_SOME}\n"]
)
def test_what_is_no_digest_of_an_executable_is_refused(digest: str) -> None:
    with pytest.raises(BadLockError, match="'executable_sha256' is"):
        lock.loads(_document(executable_sha256=digest), source="mine")


@pytest.mark.parametrize(
    "path",
    [
        *("", "/bin/claude", "../claude", "bin/../../claude", "bin/..", "./claude", "bin//claude"),
        *("bin/", "a b", "cli.js; rm -rf .", "$(id)", "`id`", "a\\b", "a\nb", "cli.js\n", "a\0"),
    ],
)
def test_an_executable_that_is_not_below_its_package_is_refused(path: str) -> None:
    with pytest.raises(BadLockError, match="'executable' is"):
        lock.loads(_document(executable=path), source="mine")


@pytest.mark.parametrize("path", ["cli.js", "bin/claude", "vendor/@x/y-1.0+2/..z", ".bin/claude_2"])
def test_an_executable_may_be_anywhere_below_its_package(path: str) -> None:
    (entry,) = lock.loads(_document(executable=path), source="mine").entries.values()

    assert entry.packages[0].executable == path


def test_of_two_locks_the_other_wins_and_the_rest_is_kept() -> None:
    mine = _lock(_entry("2.1.1", "mine"), _entry("2.1.2", "mine"))
    other = _lock(_entry("2.1.2", "other"), _entry("2.1.3", "other"))

    merged = mine.merged(other).entries

    assert [entry.packages[0].platform for entry in merged.values()] == ["mine", "other", "other"]
    assert len(mine.entries) == 2


def test_the_newest_version_is_by_number() -> None:
    assert _lock(_entry("2.1.9"), _entry("2.1.10")).newest == CliVersion(2, 1, 10)
    assert Lock().newest is None


def test_a_platform_gets_its_own_package() -> None:
    entry = _entry("2.1.3", "linux/amd64", "linux/arm64")

    assert [entry.package_for(p).platform for p in SUPPORTED] == ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize("platform", SUPPORTED, ids=str)
def test_a_script_is_for_every_platform(platform: Platform) -> None:
    assert _entry("1.0.128").package_for(platform) == _SCRIPT


def test_a_platform_without_a_package_is_an_error_that_says_how_to_lock_it() -> None:
    with pytest.raises(BadLockError, match=r"2\.1\.3 is not locked for linux/arm64") as caught:
        _entry("2.1.3", str(_AMD64)).package_for(_ARM64)

    assert caught.value.hint == "run: pinnace-build lock 2.1.3"


def test_a_version_is_for_the_platforms_that_an_image_can_be_made_of() -> None:
    both, one = _entry("2.1.3", "linux/amd64", "linux/arm64"), _entry("2.1.3", "linux/amd64")
    musl = one._replace(packages=tuple(p._replace(libc="musl") for p in one.packages))

    found = [[e.is_for(p) for p in SUPPORTED] for e in (both, one, musl, _entry("1.0.128"))]

    assert found == [[True, True], [True, False], [False, False], [True, True]]


@pytest.mark.parametrize(
    ("executable", "needed"), [("cli.js", True), ("cli.mjs", True), ("claude", False)]
)
def test_only_a_script_needs_node(*, executable: str, needed: bool) -> None:
    assert _SCRIPT._replace(executable=executable).needs_node is needed


def test_a_missing_file_is_an_empty_lock(tmp_path: Path) -> None:
    assert lock.load(tmp_path / "none" / "claude.lock.json") == Lock()


def test_a_lock_is_saved_to_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "claude.lock.json"
    lock.save(path, _lock(_entry("2.1.3")))

    assert lock.load(path) == _lock(_entry("2.1.3"))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_lock_that_cannot_be_saved_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(CannotWriteError):
        lock.save(tmp_path / "file" / "claude.lock.json", Lock())


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["a directory", "not text"])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "claude.lock.json"
    path.mkdir() if content is None else path.write_bytes(content)

    with pytest.raises(BadLockError, match="cannot read") as caught:
        lock.load(path)

    assert str(path) in caught.value.message


def test_the_shipped_lock_is_written_as_pinnace_writes_it() -> None:
    text = lock.SHIPPED_LOCK.read_bytes().decode()

    assert lock.loads(text, source="shipped").dumps() == text


def test_the_shipped_lock_holds_native_packages_for_every_platform() -> None:
    shipped = lock.load(lock.SHIPPED_LOCK)

    newest = shipped.newest
    assert newest is not None
    assert [shipped.entries[newest].package_for(p).needs_node for p in SUPPORTED] == [False, False]


def test_the_shipped_lock_counts_more_than_the_users() -> None:
    shipped = lock.load(lock.SHIPPED_LOCK)
    assert shipped.newest is not None
    lock.save(lock.user_lock(), _lock(_entry(str(shipped.newest)), _entry("0.2.14")))

    known = lock.load_known()

    assert known.entries[shipped.newest] == shipped.entries[shipped.newest]
    assert known.entries[CliVersion(0, 2, 14)] == _entry("0.2.14")
