"""Files of NAME=VALUE lines: what they mean, and that no message tells a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace.plan.contributors import secrets
from pinnace_core.errors import BadSecretsError, CannotReadError

if TYPE_CHECKING:
    from pathlib import Path

_CANARY = "canary-77aa"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("\n \n# A=1\n\t# x\n", {}),
        ("# only a comment", {}),
        ("A=1", {"A": "1"}),
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export A=1\n  export\tB=2", {"A": "1", "B": "2"}),
        ("A=\nB=", {"A": "", "B": ""}),
        ("A = 1 ", {"A": "1"}),
        ("A=a b  # comment", {"A": "a b"}),
        ("A=a#b", {"A": "a#b"}),
        ("A=x=y==", {"A": "x=y=="}),
        ("A='a \"b\" $C \\n # d'", {"A": 'a "b" $C \\n # d'}),
        (r'A="a \"b\" \\ \n\t $C"', {"A": 'a "b" \\ \n\t $C'}),
        ("A='one\ntwo\n'\nB=2", {"A": "one\ntwo\n", "B": "2"}),
        ('A="one\ntwo"  # said\nB=2', {"A": "one\ntwo", "B": "2"}),
        ("A=''\nB=\"\"", {"A": "", "B": ""}),
        ("A=it's", {"A": "it's"}),
        ("A=ü$(id)`id`", {"A": "ü$(id)`id`"}),
    ],
)
def test_values(text: str, values: dict[str, str]) -> None:
    assert secrets.parse(text, source="f") == values


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{_CANARY}", 1),
        (f"\n\n{_CANARY}\nA=1", 3),
        (f"A=1\n1B={_CANARY}", 2),
        (f"A-B={_CANARY}", 1),
        (f"={_CANARY}", 1),
        (f"A='{_CANARY}", 1),
        (f'A=1\n\nB="{_CANARY}\n', 3),
        (f"A='{_CANARY}' {_CANARY}", 1),
        (f"A='x\ny'\nA={_CANARY}", 3),
        (f"UID={_CANARY}", 1),
        (f"__pinnace_file={_CANARY}", 1),
        (f"A={_CANARY}\0", 1),
        (f"A={_CANARY * 20000}", 1),
        (f"export {_CANARY} {_CANARY}=1", 1),
    ],
)
def test_an_error_names_the_line_and_no_value(text: str, line: int) -> None:
    with pytest.raises(BadSecretsError, match=f"line {line}:") as caught:
        secrets.parse(text, source="f")

    assert _CANARY not in caught.value.message + caught.value.hint
    assert caught.value.hint


def test_a_file_is_read_as_utf_8(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes("\ufeffA=ü\n".encode())

    assert secrets.load(tmp_path / "s") == {"A": "ü"}


@pytest.mark.parametrize("data", [b"A=canary\xff", b"A=" + b"x" * (1 << 20)])
def test_a_file_that_is_none_of_these_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "s").write_bytes(data)

    with pytest.raises(BadSecretsError) as caught:
        secrets.load(tmp_path / "s")

    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CannotReadError, match="secrets"):
        secrets.load(tmp_path / "none")
