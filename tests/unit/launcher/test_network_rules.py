"""Which rules there are, in which order they count, and what the log says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace.gateway import DENIED, Decision, Rule, log, rules
from pinnace_core import host
from pinnace_core.errors import BadSettingsError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_NOW = 1_800_000_000
_HERE = "/srv/here"
_LINE = "1800000000.250 Basic%20cGlubmFjZS14OngK CONNECT a.example 443 403 TCP_DENIED 3000"


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(host, "directory", lambda _: tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com", ("example.com", 443)),
        ("Example.COM:8443", ("example.com", 8443)),
        ("*.example.com", ("*.example.com", 443)),
        ("1.example", ("1.example", 443)),
    ],
)
def test_a_destination_is_read(text: str, expected: tuple[str, int]) -> None:
    assert rules.destinations(text, {}) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "example",
            "*",
            "*.",
            "*.com.*",
            "a.*.b",
            "192.0.2.1",
            "192.0.2.1:80",
            "::1",
            "0x7f.1",
        ),
        *("example.com:0", "example.com:65536", "example.com:x", "https://example.com", "a b.c"),
        *("ex\nample.com", "exämple.com", "example.com/x", "example..com", "example.com."),
    ],
)
def test_what_is_no_destination_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        rules.destinations(text, {})


def test_a_group_is_many_destinations() -> None:
    found = rules.destinations("github", {})

    assert ("github.com", 443) in found
    assert ("github.com", 22) in found


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400)]
)
def test_a_duration_is_read(text: str, expected: int) -> None:
    assert rules.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "0m", "1.5h", "10 m", "1w"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        rules.seconds(text)


def test_the_nearest_decision_counts_first() -> None:
    decisions = [
        Decision(Rule("*.a.example")),
        Decision(Rule("b.a.example", until=DENIED)),
        Decision(Rule("c.example", until=DENIED)),
        Decision(Rule("c.example"), _HERE),
        Decision(Rule("d.example"), "/srv/elsewhere"),
        Decision(Rule("e.example", until=_NOW)),
        Decision(Rule("f.example", until=_NOW + 1)),
    ]
    found = rules.in_force([Rule("g.example")], decisions, _HERE, _NOW)

    assert found[0] == Rule("c.example")
    assert found.index(Rule("b.a.example", until=DENIED)) < found.index(Rule("*.a.example"))
    assert found[-1] == Rule("g.example")
    assert {str(rule) for rule in found}.isdisjoint({"d.example", "e.example"})
    assert Rule("f.example", until=_NOW + 1) in found


def test_a_decision_takes_the_place_of_one_about_the_same_and_expired_ones_go() -> None:
    before = [Decision(Rule("a.example"), _HERE), Decision(Rule("b.example", until=_NOW - 1))]
    after = [Decision(Rule("a.example", until=DENIED), _HERE), Decision(Rule("a.example"))]

    assert rules.decided(before, after, now=_NOW) == after


def test_decisions_are_kept(tmp_path: Path) -> None:
    new = rules.new(["a.example", "*.b.example:80"], {}, allowed=True, lasts="10m", project=_HERE)

    assert rules.load() == []
    rules.change(lambda known: [*known, *new])
    assert rules.load() == new
    assert (tmp_path / "network.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"decisions": [1]}'),
        '{"decisions": [{"host": "a b", "port": 1, "until": 0, "project": ""}]}',
        '{"decisions": [{"host": "a.b\\n* 443 0", "port": 1, "until": 0, "project": ""}]}',
        '{"decisions": [{"host": "a.b", "port": "x", "until": 0, "project": ""}]}',
    ],
)
def test_a_file_that_nobody_wrote_so_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "network.json").write_text(text)
    with pytest.raises(BadSettingsError):
        rules.load()


def test_a_file_that_others_can_write_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text('{"decisions": []}')
    (tmp_path / "network.json").chmod(0o666)
    with pytest.raises(BadSettingsError):
        rules.load()


def test_a_line_of_the_log_is_read() -> None:
    found = log.parse(_LINE)

    assert found == (_NOW + 0.25, "pinnace-x", "a.example", 443, 403)
    assert found.is_refused


@pytest.mark.parametrize(
    "line", ["", "x", "1 - CONNECT", "x - CONNECT a 1 200 X 1", "1 - CONNECT a b 200 X 1"]
)
def test_what_is_no_line_of_the_log_is_passed_over(line: str) -> None:
    assert log.parse(line) is None


def test_what_a_program_sends_is_no_terminals_command() -> None:
    found = log.parse("1 Basic%20G1syShs6 CONNECT a\x1b[2J 443 200 TCP_TUNNEL 1")

    assert found is not None
    assert "\x1b" not in found.launch + found.host


def test_refusals_are_told_once_with_what_would_allow_them(tmp_path: Path) -> None:
    quiet = _LINE.replace("a.example", "api.anthropic.com")
    other = _LINE.replace("cGlubmFjZS14OngK", "cGlubmFjZS15OngK")
    allowed = _LINE.replace("403", "200")
    many = [_LINE.replace("a.example 443", f"{n}.example 80") for n in range(7)]
    text = "\n".join([_LINE, _LINE, quiet, other, allowed, *many])
    (tmp_path / log.NAME).write_text(f"earlier\n{text}\n")
    said = log.told(tmp_path, after=8, launch="pinnace-x")

    assert said.startswith("the gateway refused 9 requests, to a.example, 0.example:80,")
    assert "and 3 more" in said
    assert "pinnace network allow a.example" in said
    assert log.told(tmp_path, after=8, launch="pinnace-z") == ""


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("api.anthropic.com", False),
        ("http-intake.logs.us5.datadoghq.com", False),
        ("docs.anthropic.com", True),
        ("code.claude.com", True),
        ("evil-api.anthropic.com.example", True),
        ("notsentry.io", True),
    ],
)
def test_what_an_agent_asks_of_the_vendor_is_told(tmp_path: Path, host: str, *, told: bool) -> None:
    (tmp_path / log.NAME).write_text(f"{_LINE.replace('a.example', host)}\n")

    assert bool(log.told(tmp_path, after=0, launch="pinnace-x")) is told


@pytest.mark.parametrize("host", ["a;make", "$(make)", "192.0.2.1", "--everywhere", "a.example;b"])
def test_no_command_is_made_of_what_no_rule_allows(tmp_path: Path, host: str) -> None:
    line = _LINE.replace("a.example", host)
    (tmp_path / log.NAME).write_text(f"{line}\n{line}\n")
    alone = log.told(tmp_path, after=0, launch="pinnace-x")
    (tmp_path / log.NAME).write_text(f"{line}\n{line}\n{_LINE}\n")
    said = log.told(tmp_path, after=0, launch="pinnace-x")

    assert "network allow" not in alone
    assert "pinnace network allow a.example; all" in said


def test_a_log_that_was_cut_off_is_read_from_its_start(tmp_path: Path) -> None:
    (tmp_path / log.NAME).write_text(f"{_LINE}\n")

    (tmp_path / f"{log.NAME}.1").write_text(f"{_LINE}\n{_LINE}\n")

    assert len(list(log.entries(tmp_path, after=10_000))) == 1
    assert len(list(log.entries(tmp_path, earlier=True))) == 3
    assert list(log.entries(tmp_path / "nowhere")) == []


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("https://host.example/", "host.example"),
        ("https://me@host.example:8443/x", "host.example:8443"),
        ("GitHub", "github"),
        ("carg", "cargo"),
        ("piip", "pip"),
    ],
)
def test_what_was_perhaps_meant_is_said(text: str, meant: str) -> None:
    with pytest.raises(UsageError) as raised:
        rules.destinations(text, {})

    assert f"perhaps you meant {meant}; " in str(raised.value.hint)
