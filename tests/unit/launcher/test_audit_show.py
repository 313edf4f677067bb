"""What `pinnace audit show` says, also of entries that another version of Pinnace wrote."""

from __future__ import annotations

from typing import Any

from pinnace.audit.launches import Launch
from pinnace.cli import audit_show


def _said(ended: dict[str, Any] | None = None, **started: Any) -> str:
    launch = Launch({"number": 7, "time": "2026-01-02T03:04:05+00:00", **started}, ended)
    return "\n".join(audit_show.lines(launch, "killed", ()))


def test_what_is_not_known_has_no_line() -> None:
    assert [line.split()[0] for line in _said().splitlines()] == ["time", "all"]
    assert ", killed" in _said()
    assert "unknown time" in _said(time="unknown time")


def test_fields_that_are_not_there_are_passed_over() -> None:
    ended = {"files": {"count": 2, "deleted": {"count": 1}}, "resources": {}, "network": {}}
    said = _said(ended, mounts=[{"writable": True}], command={"program": "ls"}, isolation={})

    assert "2 changed" in said
    assert "1 deleted" in said


def test_long_lists_are_cut_and_counted() -> None:
    network = {"refused": {f"{n}.example:443": n for n in range(1, 9)}, "refused_own": {"x:443": 3}}
    said = _said({"network": network, "exit": 0, "seconds": 1.5})

    assert "refused 1.example:443 (1)" in said
    assert "and 3 more" in said
    assert "3 of Claude Code's own refused" in said
    assert "for 1.5 s, exit 0" in said
