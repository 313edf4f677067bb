"""The npm client and the package cache, against an npm that answers awkwardly."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace_builder import npm, packages
from pinnace_builder.lock import require_published
from pinnace_core.errors import (
    CannotWriteError,
    ClientMissingError,
    PinnaceError,
    RegistryUnreachableError,
    UnknownVersionError,
    VerificationFailedError,
)
from pinnace_images.lock import Package
from pinnace_images.versions import CliVersion
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.conftest import FakeNpm

_VERSION: Final = CliVersion(2, 1, 330)
_TARBALL: Final = b"the tarball" * 1000


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def _package(content: bytes = _TARBALL, **fields: Any) -> Package:
    path = Path(tempfile.mkstemp()[1])
    path.write_bytes(content)
    digests = {"integrity": packages.integrity(path), "sha256": hashlib.sha256(content).hexdigest()}
    path.unlink()
    rest = {"platform": "any", "libc": "any", "name": "claude", "size": len(content)}
    return Package(**{**rest, **digests, "executable": "x", "executable_sha256": "", **fields})


def _left(cache: Path) -> list[str]:
    """List what is in the cache, locks aside."""
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


_CAUSES: Final = {
    "E404": UnknownVersionError,
    "ETARGET": UnknownVersionError,
    "ECONNREFUSED": RegistryUnreachableError,
    "ETIMEDOUT": RegistryUnreachableError,
    "E401": RegistryUnreachableError,
    "ENOSPC": CannotWriteError,
    "EACCES": CannotWriteError,
    "EINTEGRITY": VerificationFailedError,
}


def test_the_registrys_answer_is_given_by_field(fake_npm: FakeNpm) -> None:
    answer = {"name": "claude", "dist.integrity": "sha512-x"}
    fake_npm.will(answer, stderr="npm warn Unknown user config\n")

    assert npm.view("claude", "2.1.330", "dist.integrity") == answer
    argv = fake_npm.calls[0]["argv"]
    assert argv[:4] == ["view", "claude@2.1.330", "name", "dist.integrity"]
    assert "--json" in argv


def test_a_published_version_is_recognised_though_npm_answers_with_a_bare_name(
    fake_npm: FakeNpm,
) -> None:
    fake_npm.will('"claude"\n')  # as npm does when one field is asked for

    require_published(_VERSION)


@pytest.mark.parametrize(("code", "cause"), _CAUSES.items())
def test_each_cause_has_its_error(code: str, cause: type[PinnaceError], fake_npm: FakeNpm) -> None:
    fake_npm.fails(code, "what npm says")

    with pytest.raises(cause, match=r"claude@2\.1\.330") as caught:
        npm.view("claude", "2.1.330")
    assert caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("prefix", ["npm error", "npm ERR!"], ids=["npm 10", "npm 9"])
@pytest.mark.parametrize(("code", "cause"), _CAUSES.items())
def test_a_cause_that_is_only_told_in_words_is_understood(
    code: str, cause: type[PinnaceError], prefix: str, fake_npm: FakeNpm
) -> None:
    fake_npm.will(stderr=f"npm warn old\n{prefix} code {code}\n{prefix} the reason\n", code=1)

    with pytest.raises(cause):
        npm.view("claude", "2.1.330")


@pytest.mark.parametrize(
    ("code", "summary", "said"),
    [
        (
            "ECONNREFUSED",
            "FetchError: request to http://[::1]:9/x failed, reason: connect ECONNREFUSED ::1:9",
            "connect ECONNREFUSED ::1:9",
        ),
        (
            "ENOTFOUND",
            "request to http://no.invalid/x failed, reason: getaddrinfo ENOTFOUND no.invalid",
            "getaddrinfo ENOTFOUND no.invalid",
        ),
        ("E500", "500 Internal Server Error - GET http://r.invalid/x", "E500 500 Internal Server"),
        ("EINVAL", "TypeError: bad", "EINVAL bad"),
        ("E1", "", "E1"),
        ("", "all is lost", "all is lost"),
        ("", "", "it does not say why"),
    ],
)
def test_a_network_error_is_said_once(
    code: str, summary: str, said: str, fake_npm: FakeNpm
) -> None:
    fake_npm.fails(code, summary)

    with pytest.raises(RegistryUnreachableError) as caught:
        npm.view("claude", "2.1.330")
    assert caught.value.message.startswith(f"npm could not fetch claude@2.1.330: {said}")
    assert caught.value.message.count(code) == (1 if code else len(caught.value.message) + 1)


@pytest.mark.parametrize(
    "answer", ["", "null", "[]", '{"error": null}', '{"error": "x"}', "\udcff", "<html>"]
)
def test_a_failure_that_says_nothing_useful_is_still_an_error(
    answer: str, fake_npm: FakeNpm
) -> None:
    fake_npm.will(answer, code=7)

    with pytest.raises(RegistryUnreachableError):
        npm.view("claude", "2.1.330")


@pytest.mark.parametrize("answer", ["not json", "<html>", "{", "\udcff\udcfe", "\0"])
def test_an_answer_that_is_not_json_is_an_error(answer: str, fake_npm: FakeNpm) -> None:
    fake_npm.will(answer)

    with pytest.raises(RegistryUnreachableError, match="something else than JSON") as caught:
        npm.view("claude", "2.1.330")
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("answer", ["", "null", "[]"])
def test_an_empty_answer_means_that_there_is_no_such_version(
    answer: str, fake_npm: FakeNpm
) -> None:
    fake_npm.will(answer)

    with pytest.raises(UnknownVersionError):
        npm.view("claude", "2.1.330", "dist.integrity")


@pytest.mark.parametrize("answer", ["", "null", "7"])
def test_an_awkward_list_of_versions_is_an_error(answer: str, fake_npm: FakeNpm) -> None:
    fake_npm.will(answer)

    with pytest.raises(PinnaceError):
        npm.versions("claude")


@pytest.mark.parametrize("answer", ["2.1.330", ["2.1.330"]], ids=["one", "list"])
def test_one_version_is_a_list_of_one(answer: object, fake_npm: FakeNpm) -> None:
    fake_npm.will(json.dumps(answer))

    assert npm.versions("claude") == ["2.1.330"]


@pytest.mark.parametrize("broken", [False, True], ids=["missing", "not executable"])
def test_without_npm_the_error_says_what_to_install(*, broken: bool, fake_npm: FakeNpm) -> None:
    (fake_npm.bin / "npm").chmod(0o644) if broken else (fake_npm.bin / "npm").unlink()

    with pytest.raises(ClientMissingError) as caught:
        npm.view("claude", "2.1.330")
    assert "Node.js" in caught.value.hint


@pytest.mark.parametrize("where", ["working directory", "temporary directory"])
def test_nobodys_npmrc_nearby_is_used(
    where: str, fake_npm: FakeNpm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "package.json").write_text("{}")
    (project / ".npmrc").write_text("registry=http://elsewhere.invalid/")
    if where == "working directory":
        monkeypatch.chdir(project)
    else:  # anybody can put a package.json into /tmp
        monkeypatch.setattr(tempfile, "tempdir", str(project))
    fake_npm.will({"name": "claude"})
    npm.view("claude", "2.1.330", "bin")

    assert fake_npm.calls[0]["project"] != str(project)


def test_a_package_is_downloaded_once_and_then_cached(fake_npm: FakeNpm, cache: Path) -> None:
    fake_npm.will([], tarball=_TARBALL)
    package = _package()

    paths = [packages.fetch(package, _VERSION, cache=cache) for _ in range(2)]

    assert paths[0] == paths[1]
    assert paths[0].read_bytes() == _TARBALL
    assert _left(cache) == [f"{package.sha256}.tgz"]
    assert [call["argv"][:2] for call in fake_npm.calls] == [["pack", "claude@2.1.330"]]


def test_a_damaged_package_in_the_cache_is_fetched_again(fake_npm: FakeNpm, cache: Path) -> None:
    fake_npm.will([], tarball=_TARBALL)
    cache.mkdir()
    (cache / f"{_package().sha256}.tgz").write_bytes(_TARBALL[:-1])

    assert packages.fetch(_package(), _VERSION, cache=cache).read_bytes() == _TARBALL
    assert len(fake_npm.calls) == 1


@pytest.mark.parametrize("tarball", [b"", _TARBALL[: len(_TARBALL) // 2]], ids=["none", "half"])
def test_an_interrupted_download_leaves_nothing(
    tarball: bytes, fake_npm: FakeNpm, cache: Path
) -> None:
    fake_npm.will(stderr="npm error code ECONNRESET\n", code=1, tarball=tarball)

    with pytest.raises(RegistryUnreachableError):
        packages.fetch(_package(), _VERSION, cache=cache)
    assert _left(cache) == []


def test_an_npm_that_delivers_nothing_is_an_error(fake_npm: FakeNpm, cache: Path) -> None:
    fake_npm.will([])

    with pytest.raises(RegistryUnreachableError, match="npm delivered no claude"):
        packages.fetch(_package(), _VERSION, cache=cache)
    assert _left(cache) == []


@pytest.mark.parametrize("field", ["integrity", "sha256"])
def test_another_content_than_the_locks_is_refused_and_not_kept(
    field: str, fake_npm: FakeNpm, cache: Path
) -> None:
    fake_npm.will([], tarball=_TARBALL)
    wrong = _package(**{field: getattr(_package(b"another"), field)})

    with pytest.raises(VerificationFailedError, match="is not what the lock says"):
        packages.fetch(wrong, _VERSION, cache=cache)
    assert _left(cache) == []


_FETCH: Final = """
import json, signal, sys
from pathlib import Path
from pinnace_builder.packages import fetch
from pinnace_images.lock import Package
from pinnace_images.versions import CliVersion

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
fetch(Package(*json.loads(sys.argv[1])), CliVersion(2, 1, 330), cache=Path(sys.argv[2]))
"""


def _start(cache: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _FETCH, json.dumps(_package()), str(cache)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def test_threads_that_want_the_same_package_download_it_once(
    fake_npm: FakeNpm, cache: Path
) -> None:
    fake_npm.will([], tarball=_TARBALL, seconds=0.3)
    with ThreadPoolExecutor(4) as pool:
        paths = list(
            pool.map(lambda _: packages.fetch(_package(), _VERSION, cache=cache), range(4))
        )

    assert len(set(paths)) == len(fake_npm.calls) == 1


def test_processes_that_want_the_same_package_download_it_once(
    fake_npm: FakeNpm, cache: Path
) -> None:
    fake_npm.will([], tarball=_TARBALL, seconds=0.3)
    children = [_start(cache) for _ in range(3)]

    assert [child.communicate()[1].count(b"Traceback") for child in children] == [0, 0, 0]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert len(fake_npm.calls) == 1


def test_ctrl_c_ends_npm_and_leaves_nothing(fake_npm: FakeNpm, cache: Path) -> None:
    fake_npm.will(hangs=True, tarball=_TARBALL)
    child = _start(cache)
    wait_until(lambda: fake_npm.calls, "npm is called")
    child.send_signal(signal.SIGINT)
    child.communicate()

    assert child.returncode == -signal.SIGINT
    assert _left(cache) == []
    with pytest.raises(ProcessLookupError):
        os.kill(fake_npm.calls[0]["pid"], 0)


def test_a_failure_while_npm_runs_ends_npm(fake_npm: FakeNpm, tmp_path: Path) -> None:
    fake_npm.will(hangs=True)

    def fail(_received: int) -> None:
        if fake_npm.calls:
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        npm.pack("claude", "2.1.330", tmp_path, progress=fail, locked=True)
    with pytest.raises(ProcessLookupError):
        os.kill(fake_npm.calls[0]["pid"], 0)
