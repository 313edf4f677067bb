"""Variables that were given with a value: whoever lists programs does not see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pinnace.plan import Contribution
from pinnace.plan import plan as plan_launch
from pinnace.plan.contributors import given, secrets
from pinnace.plan.variables import fixed, is_a_line
from pinnace_core.engine.docker import Docker
from pinnace_core.engine.podman import Podman
from pinnace_core.errors import UsageError
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.plan import LaunchPlan

_CANARY: Final = "canary-5e1f"


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def _plan(own: Contribution | None = None, *, dry_run: bool = False, **values: str) -> LaunchPlan:
    inputs = hosts.inputs()._replace(dry_run=dry_run, variables=values)
    found = (given.contribute(inputs), secrets.contribute(inputs), own or Contribution())
    return plan_launch(inputs, found, image=hosts.IMAGE_ID)


@pytest.mark.parametrize("engine", [Docker(), Podman()])
@pytest.mark.parametrize("value", [_CANARY, f" {_CANARY}\t'", f"{_CANARY}\n", _CANARY * 5000])
def test_no_value_is_in_an_argument_list(engine: Docker | Podman, value: str) -> None:
    spec = _plan(A=value).spec

    assert _CANARY not in "\0".join(engine.argv(spec))


def test_the_client_reads_lines_and_a_shell_inside_the_rest() -> None:
    plan = _plan(A="1", B="x\ny", C="z" * 40_000, D="")

    argv = Docker().argv(plan.spec)
    assert [word for word in argv if word.startswith("--env")] == [
        f"--env-file={plan.spec.environment_file}"
    ]
    assert plan.spec.in_file == ("A", "D")
    assert dict(plan.spec.environment) == {"A": "1", "D": ""}
    assert "/run/pinnace/secrets" in [mount.target for mount in plan.spec.mounts]


def test_what_nobody_can_change_is_not_read_from_there() -> None:
    own = Contribution(variables=(fixed("HTTP_PROXY", "http://gateway"),))

    spec = _plan(own, A="1", HTTP_PROXY=_CANARY).spec

    assert spec.in_file == ("A",)
    assert "--env=HTTP_PROXY=http://gateway" in Docker().argv(spec)


def test_a_dry_run_can_be_pasted_and_makes_no_file() -> None:
    plan = _plan(A="1", B="x\ny", dry_run=True)

    assert {"--env=A=1", "--env=B=x\ny"} <= set(Docker().argv(plan.spec))
    assert plan.spec.mounts == _plan().spec.mounts


def test_what_a_program_gives_wins_over_a_setting() -> None:
    inputs = hosts.inputs(environment_names=("A=1", "B=2"))._replace(variables={"A": "3"})

    assert inputs.given == {"A": "3", "B": "2"}


def test_what_is_too_long_for_the_kernel_is_told() -> None:
    with pytest.raises(UsageError, match="A is too long"):
        _plan(A="x" * (1 << 17))


@pytest.mark.parametrize("text", ["", "a=b", "# x", "ü", "'\"\\`$"])
def test_a_line_has_any_text(text: str) -> None:
    assert is_a_line(text)


@pytest.mark.parametrize("text", ["a\nb", "a\r", "\udcff", "x" * 33_000])
def test_a_line_has_one_end(text: str) -> None:
    assert not is_a_line(text)
