"""How doctor judges what it is told."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NoReturn

import pytest

from pinnace import doctor
from pinnace.doctor import check as check_of
from pinnace.doctor import host as host_checks
from pinnace.plan.user import map_user
from pinnace_core.engine.docker import Docker
from pinnace_core.engine.facts import EngineFacts
from pinnace_core.errors import ClientMissingError, PinnaceError, UsageError
from tests.support import hosts
from tests.support.engines import ENGINES

if TYPE_CHECKING:
    from pathlib import Path

_ENGINE = Docker("unix:///run/docker.sock")


def _here(about: EngineFacts) -> EngineFacts:
    return about._replace(host=os.uname().nodename)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_is_known_is_described(name: str) -> None:
    check = doctor.check_engine(_ENGINE, _here(ENGINES[name]))

    assert (check.status, check.fix) == ("ok", "")
    assert ENGINES[name].kind in check.found
    assert ENGINES[name].desktop in check.found


@pytest.mark.parametrize(
    "old", [EngineFacts(version="19.03.15"), EngineFacts(kind="podman", version="4.2.0")]
)
def test_an_old_engine_fails(old: EngineFacts) -> None:
    check = doctor.check_engine(_ENGINE, old)

    assert check.status == "fail"
    assert check.problem is not None
    assert check.problem.exit_code == 69
    assert "or newer" in check.fix


def test_an_engine_of_another_name_may_be_elsewhere() -> None:
    check = doctor.check_engine(_ENGINE, EngineFacts(version="26.1", host="elsewhere"))

    assert check.status == "warn"
    assert "'elsewhere'" in check.found


def test_limits_that_are_not_there_are_warned_of() -> None:
    assert doctor.check_limits(ENGINES["docker"]).status == "ok"
    assert doctor.check_limits(ENGINES["docker-rootless"]).status == "warn"


@pytest.mark.parametrize(
    ("engine", "text", "status"),
    [
        ("docker", "54321:65000 inside is the same outside", "ok"),
        ("podman-rootless", "1000:1000 inside is 54321:65000 outside", "ok"),
        ("docker-rootless", "0:0 inside is 54321:65000 outside", "warn"),
        ("docker-desktop", "Docker Desktop gives its files to you", "ok"),
    ],
)
def test_the_user_is_explained(engine: str, text: str, status: str) -> None:
    facts, about = hosts.linux_other(), ENGINES[engine]

    check = doctor.check_user(map_user(facts, hosts.workspace(), about), about, facts)

    assert text in check.found
    assert check.status == status


def test_little_space_is_warned_of() -> None:
    assert host_checks.check_disk(1 << 30).status == "warn"
    assert host_checks.check_disk(100 << 30).status == "ok"


def test_credentials_are_named_and_never_shown(tmp_path: Path) -> None:
    facts = hosts.linux(environment={"ANTHROPIC_API_KEY": "sk-secret", "ANTHROPIC_MODEL": "x"})

    check = host_checks.check_credentials(facts, tmp_path)

    assert (check.status, check.found) == ("ok", "ANTHROPIC_API_KEY")
    assert host_checks.check_credentials(hosts.linux(), tmp_path).status == "warn"
    login = {"claudeAiOauth": {"accessToken": "x", "refreshToken": "y"}}
    (tmp_path / ".credentials.json").write_text(json.dumps(login))
    assert "a login" in host_checks.check_credentials(hosts.linux(), tmp_path).found


def test_a_missing_client_is_a_failure_with_its_own_code() -> None:
    def look() -> check_of.Check:
        return host_checks.check_client(_ENGINE, hosts.linux(environment={"PATH": "/nowhere"}))

    check = check_of.guarded("client", look)

    assert isinstance(check.problem, ClientMissingError)
    assert check.status == "fail"


def test_the_first_failure_decides() -> None:
    def fail(error: PinnaceError) -> NoReturn:
        raise error

    checks = [
        check_of.Check("a", "ok", ""),
        check_of.guarded("b", lambda: fail(UsageError("first"))),
        check_of.guarded("c", lambda: fail(ClientMissingError("second"))),
    ]

    problem = check_of.first_problem(checks)

    assert isinstance(problem, UsageError)
    assert check_of.first_problem(checks[:1]) is None
