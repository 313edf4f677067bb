"""Exact versions and specifiers, from trusted and from untrusted text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace_core.errors import BadPinError
from pinnace_images.versions import CliVersion, Specifier

if TYPE_CHECKING:
    from collections.abc import Callable

_PUBLISHED = [CliVersion.parse(text) for text in ("1.0.128", "2.0.9", "2.1.9", "2.1.330", "2.2.0")]
_NOT_EXACT = {
    "empty": "",
    "space": " ",
    "partial": "2.1",
    "tag": "latest",
    "range": ">=2.1.3",
    "half a caret": "^",
    "channel of nobody": "nightly",
    "four parts": "2.1.3.4",
    "prerelease": "2.1.3-beta.1",
    "build": "2.1.3+5",
    "leading zero": "2.01.3",
    "negative": "2.1.-3",
    "spaces around": " 2.1.3 ",
    "newline": "2.1.3\n",
    "two v": "vv2.1.3",
    "capital v": "V2.1.3",
    "arabic digits": "2.1.3\u0660",
    "fullwidth digits": "\uff12.\uff11.\uff13",
    "option": "--help",
    "path": "../../2.1.3",
    "nul": "2.1.3\0",
    "huge part": "2.1." + "9" * 7,
    "huge": "9" * 100_000,
}
_NOT_A_SPECIFIER = {
    "empty": "",
    "space": " ",
    "comma": ",",
    "garbage": "not a version",
    "half a range": ">=",
    "half of two ranges": ">=2.1,<",
    "half a caret": "^",
    "channel of nobody": "nightly",
    "arabic digits": "\u0662.\u0661",
    "newline": "2.1\n",
    "option": "--help",
    "url": "https://mirror.example/claude.tgz",
    "huge line": "9" * 100_000,
    "huge range": ">=" + "9" * 10_000,
}


@pytest.mark.parametrize("text", ["2.1.330", "v2.1.330"])
def test_an_exact_version_is_read_with_or_without_v(text: str) -> None:
    version = CliVersion.parse(text)

    assert version == CliVersion(2, 1, 330)
    assert str(version) == "2.1.330"


@pytest.mark.parametrize("text", ["0.0.0", "0.2.14", "999999.999999.999999"])
def test_the_smallest_and_the_largest_version_are_read(text: str) -> None:
    assert str(CliVersion.parse(text)) == text


@pytest.mark.parametrize("text", _NOT_EXACT.values(), ids=_NOT_EXACT)
def test_what_is_not_exact_is_refused(text: str) -> None:
    with pytest.raises(BadPinError, match="is not an exact version") as caught:
        CliVersion.parse(text)

    assert caught.value.exit_code == 65
    assert "2.1.330" in caught.value.hint


@pytest.mark.parametrize("parse", [CliVersion.parse, Specifier.parse], ids=["exact", "specifier"])
@pytest.mark.parametrize("text", ["\x1b[2Jx", "a\nb", "\r", "\u202egnp", "\x9b31m", "\udcff", "…"])
def test_untrusted_text_is_printed_without_control_characters(
    parse: Callable[[str], object], text: str
) -> None:
    with pytest.raises(BadPinError) as caught:
        parse(text)

    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()


def test_untrusted_text_is_printed_shortened() -> None:
    with pytest.raises(BadPinError) as caught:
        CliVersion.parse("a" * 10_000)

    assert len(caught.value.message) < 100
    assert "…" in caught.value.message


def test_versions_are_ordered_by_number_not_by_text() -> None:
    assert max(_PUBLISHED) == CliVersion(2, 2, 0)
    assert CliVersion(2, 1, 9) < CliVersion(2, 1, 330)


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("2.1.9", "2.1.9"),
        ("v2.1.9", "2.1.9"),
        ("2.1", "2.1.330"),
        ("v2.1", "2.1.330"),
        ("2.1.x", "2.1.330"),
        ("2.1.*", "2.1.330"),
        ("2", "2.2.0"),
        ("2.x", "2.2.0"),
        ("1", "1.0.128"),
        ("latest", "2.2.0"),
        (">=2.1.3,<2.2", "2.1.330"),
        (">=2.0, <2.1.330", "2.1.9"),
        ("~=2.1.0", "2.1.330"),
        ("==2.1.*", "2.1.330"),
        ("!=2.2.0", "2.1.330"),
        ("<2", "1.0.128"),
        ("^2.1.3", "2.2.0"),
        ("~2.1.3", "2.1.330"),
        (">=2.1.3 <2.2", "2.1.330"),
        ("1.x || ~2.1.0", "2.1.330"),
        ("2.0.0 - 2.1.9", "2.1.9"),
    ],
)
def test_a_specifier_chooses_the_newest_that_fits(text: str, best: str) -> None:
    assert Specifier.parse(text).best(_PUBLISHED) == CliVersion.parse(best)


@pytest.mark.parametrize("text", ["2.1.10", "2.3", "3", ">=3", "<1", "^3", "stable"])
def test_a_specifier_that_nothing_fits_chooses_nothing(text: str) -> None:
    assert Specifier.parse(text).best(_PUBLISHED) is None


@pytest.mark.parametrize("text", ["2.1.330", "2.1", "latest", ">=2"])
def test_of_no_versions_none_is_chosen(text: str) -> None:
    assert Specifier.parse(text).best([]) is None


@pytest.mark.parametrize("text", ["v2.1.330", "2.1", "latest", ">=2.1.3,<2.2"])
def test_a_specifier_prints_as_it_was_written(text: str) -> None:
    assert str(Specifier.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "exact"),
    [("2.1.330", CliVersion(2, 1, 330)), ("v2.1.330", CliVersion(2, 1, 330)), ("2.1", None)],
)
def test_only_an_exact_specifier_knows_its_version(text: str, exact: CliVersion | None) -> None:
    assert Specifier.parse(text).exact == exact


@pytest.mark.parametrize("text", _NOT_A_SPECIFIER.values(), ids=_NOT_A_SPECIFIER)
def test_what_is_no_specifier_is_refused(text: str) -> None:
    with pytest.raises(BadPinError) as caught:
        Specifier.parse(text).best(_PUBLISHED)

    assert "latest" in caught.value.hint
    assert len(caught.value.message) < 100


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("2.1.330 (Claude Code)", True),
        ("2.1.330 (Claude Code)\n", True),
        ("2.1.330", True),
        ("2.1.33 (Claude Code)", False),
        ("2.1.3300 (Claude Code)", False),
        ("v2.1.330 (Claude Code)", False),
        ("2.1.330 (Another)", False),
        ("2.1.330 (Claude Code) and more", False),
        ("", False),
        ("sh: claude: not found", False),
    ],
)
def test_what_the_cli_says_of_its_own_version(*, said: str, right: bool) -> None:
    assert CliVersion(2, 1, 330).is_reported_by(said) is right
