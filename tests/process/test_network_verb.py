"""`pinnace network`: what it tells, without any gateway."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.process.conftest import Machine


def _rows(machine: Machine) -> list[dict[str, Any]]:
    done = machine.pinnace("network", "show", "--json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["result"]["rules"]
    return rows


def test_a_rule_is_told_once_and_with_whose_it_is(machine: Machine) -> None:
    machine.environment["PINNACE_ISOLATION"] = "standard"
    machine.environment["PINNACE_ALLOW"] = "a.example,b.example"
    assert machine.pinnace("network", "allow", "a.example", "--everywhere").returncode == 0
    assert machine.pinnace("network", "allow", "github", "--everywhere").returncode == 0
    elsewhere = machine.project.parent / "another"
    elsewhere.mkdir()
    machine.project, here = elsewhere, machine.project
    assert machine.pinnace("network", "allow", "b.example").returncode == 0
    machine.project = here
    rows = _rows(machine)

    assert len({row["destination"] for row in rows}) == len(rows)
    sources = {row["destination"]: row["source"] for row in rows}
    assert sources["a.example"] == "all projects"
    assert sources["b.example"] == "PINNACE_ALLOW"


def test_what_counts_after_a_while_is_told_too(machine: Machine) -> None:
    machine.environment["PINNACE_ISOLATION"] = "standard"
    assert machine.pinnace("network", "allow", "a.example", "--for", "1h").returncode == 0
    assert machine.pinnace("network", "deny", "a.example", "--everywhere").returncode == 0
    rows = [row for row in _rows(machine) if row["destination"] == "a.example"]

    assert [row["verdict"] for row in rows] == ["allowed", "refused"]


def test_ports_that_stay_open_are_told(machine: Machine) -> None:
    machine.environment["PINNACE_ISOLATION"] = "standard"
    done = machine.pinnace("network", "deny", "github.com")

    assert b"github.com:22 is still allowed; pinnace network deny github.com:22" in done.stderr
    assert machine.pinnace("network", "deny", "github.com:22").stderr == b""


def test_what_waits_for_approval_is_said_beside_what_counts(machine: Machine) -> None:
    (machine.project / "pinnace.toml").write_text('[network]\nallow = ["wished.example"]\n')
    done = machine.pinnace("network", "show")
    said = done.stderr.decode()

    assert b"wished.example" not in done.stdout
    assert "not counted: network.allow of" in said
    assert "pinnace trust" in said


def test_what_claude_code_asks_for_by_itself_is_set_apart(machine: Machine) -> None:
    logs = machine.project.parent / "home/.local/state/pinnace/network/key"
    logs.mkdir(parents=True)
    (logs / "project").write_text(str(machine.project))
    hosts = ("a.example 443 403", "http-intake.logs.us5.datadoghq.com 443 403", "claude.ai 443 200")
    (logs / "egress.log").write_text("".join(f"1 - CONNECT {one} TCP 1\n" for one in hosts))

    done = machine.pinnace("network", "log")
    every = machine.pinnace("network", "log", "--own", "--refused", "--json").stdout.splitlines()

    assert b"a.example" in done.stdout
    assert b"claude.ai" in done.stdout
    assert b"datadoghq" not in done.stdout
    assert b"1 more of Claude Code's own were refused (telemetry, updates): --own" in done.stderr
    assert [json.loads(line)["own"] for line in every] == [False, True]
