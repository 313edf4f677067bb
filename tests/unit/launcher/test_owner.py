"""Who launched a container, and whether they are still there."""

from __future__ import annotations

import os

import pytest

from pinnace.launch import owner
from pinnace.launch.owner import Launcher
from pinnace_images import contract
from pinnace_images.versions import CliVersion
from tests.support.containers import GONE

_VERSION = CliVersion.parse("9.9.9")


def _labels(**changes: str) -> dict[str, str]:
    plain = dict(owner.labels(_VERSION, owner.current()))
    return plain | {getattr(contract, f"LABEL_RUN_{k.upper()}"): v for k, v in changes.items()}


def test_what_is_written_is_read() -> None:
    assert Launcher.from_labels(_labels()) == owner.current()


def test_a_line_to_be_pasted_names_no_launcher() -> None:
    assert owner.labels(_VERSION, None) == ((contract.LABEL_RUN_VERSION, "9.9.9"),)


@pytest.mark.parametrize("pid", ["", "0", "-1", "x", "²", "1 ", "9" * 11, "9" * 5000, "4294967296"])
def test_a_number_that_is_no_process_is_no_launcher(pid: str) -> None:
    assert Launcher.from_labels(_labels(pid=pid)) is None


@pytest.mark.parametrize("host", ["", "/", "/boot/pid"])
def test_a_launcher_without_a_host_is_none(host: str) -> None:
    assert Launcher.from_labels(_labels(host=host)) is None


def test_this_process_is_alive() -> None:
    assert owner.state_of(owner.current()) == "alive"


def test_a_process_that_is_not_there_is_gone() -> None:
    assert owner.state_of(owner.current()._replace(pid=GONE)) == "gone"


@pytest.mark.skipif(not owner.current().started, reason="the kernel does not say it cheaply")
def test_a_number_that_was_given_again_is_not_the_launcher() -> None:
    assert owner.state_of(owner.current()._replace(started="1")) == "gone"


def test_where_nothing_tells_the_start_a_process_of_that_number_counts() -> None:
    assert owner.state_of(owner.current()._replace(started="")) == "alive"


def test_of_a_foreign_process_nothing_is_lost() -> None:
    # Process 1 may not be signalled by everybody; it is there all the same.
    assert owner.state_of(owner.current()._replace(pid=1, started="")) == "alive"


@pytest.mark.parametrize(
    ("changed", "state"),
    [(0, "unknown"), (1, "gone"), (2, "unknown")],
    ids=["another host", "another boot", "another pid namespace"],
)
def test_only_launchers_of_this_host_and_namespace_can_be_judged(changed: int, state: str) -> None:
    host = list(owner.current().host)
    host[changed] = "other"

    found = owner.current()._replace(pid=GONE, host=(host[0], host[1], host[2]))

    assert owner.state_of(found) == state


def test_nobody_is_unknown() -> None:
    assert owner.state_of(None) == "unknown"


def test_a_zombie_launches_nothing_any_more() -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        ended = owner.current()._replace(pid=pid)
        assert owner.state_of(ended) == ("gone" if ended.started else "alive")
    finally:
        os.waitpid(pid, 0)
