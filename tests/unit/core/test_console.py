"""What a user sees of an error: a sentence, a hint and an exit code."""

from __future__ import annotations

import errno
import json
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

import click
import pytest

from pinnace_core import errors, output
from pinnace_core.console import DEBUG_VARIABLE, run_main
from pinnace_core.errors import BadPinError, PinnaceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CLASSES: Final = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, PinnaceError)
]


def _raises(error: BaseException) -> Callable[[], NoReturn]:
    def run() -> NoReturn:
        raise error

    return run


@pytest.mark.parametrize("kind", _CLASSES)
def test_an_error_is_a_sentence_a_hint_and_an_exit_code(
    kind: type[PinnaceError], capsys: pytest.CaptureFixture[str]
) -> None:
    code = run_main("prog", _raises(kind("what is wrong", hint="mend it")))

    out, err = capsys.readouterr()
    assert code == kind.exit_code
    assert err == "prog: error: what is wrong\nprog: hint: mend it\n"
    assert out == ""


def test_without_a_hint_there_is_no_line_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    run_main("prog", _raises(BadPinError("what is wrong")))

    assert capsys.readouterr().err == "prog: error: what is wrong\n"


@pytest.mark.parametrize("error", [BadPinError("x"), ValueError("x"), OSError(errno.EIO, "x")])
def test_with_the_debug_variable_the_error_is_raised(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DEBUG_VARIABLE, "1")

    with pytest.raises(PinnaceError) as caught:
        run_main("prog", _raises(error))

    assert error in (caught.value, caught.value.__context__)


def test_an_unforeseen_error_is_internal_and_has_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run_main("prog", _raises(ZeroDivisionError("by zero")))

    err = capsys.readouterr().err
    assert code == 70
    assert "ZeroDivisionError: by zero" in err
    assert f"{DEBUG_VARIABLE}=1" in err
    assert "Traceback" not in err


def test_the_operating_systems_refusal_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    code = run_main(
        "prog", _raises(PermissionError(errno.EACCES, "Permission denied", "/some/file"))
    )

    err = capsys.readouterr().err
    assert code == 73
    assert "'/some/file': Permission denied" in err


def test_an_os_error_without_a_number_still_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_main("prog", _raises(OSError("the tape is torn")))

    err = capsys.readouterr().err
    assert "the tape is torn" in err
    assert "None" not in err


@pytest.mark.parametrize("arguments", [["--unknown"], ["surplus"], ["--number", "x"]], ids=str)
def test_a_command_line_that_click_refuses_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    @click.option("--number", type=int)
    def command(number: int) -> None: ...

    code = run_main("prog", lambda: command.main(arguments, standalone_mode=False))

    err = capsys.readouterr().err
    assert code == 64
    assert re.match("prog: error: [a-z][^\n]*[^.]\n", err)
    assert "prog: hint: " in err
    assert "Traceback" not in err


def test_columns_of_a_table_begin_below_each_other_in_any_script() -> None:
    assert output.aligned([("a\n", "x"), ("\u65e5\u672c", "y"), ("e\u0301", "z")]) == [
        "a?    x",
        "\u65e5\u672c  y",
        "e\u0301     z",
    ]


def test_click_itself_decides_the_exit_code_of_help() -> None:
    command = click.Command("x")

    assert run_main("prog", lambda: command.main(["--help"], standalone_mode=False)) == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()], ids=["ctrl-c", "abort"])
def test_an_interruption_is_130_and_says_nothing(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("prog", _raises(error)) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("signal", "code"), [(SystemExit(143), 143), (KeyboardInterrupt(), 130)], ids=str
)
@pytest.mark.parametrize(
    "error",
    [PinnaceError("cannot be removed"), OSError("busy"), ValueError("no answer")],
    ids=str,
)
def test_what_fails_while_a_signal_is_tidied_up_after_does_not_change_the_exit_code(
    signal: BaseException, code: int, error: Exception
) -> None:
    def run() -> NoReturn:
        try:
            raise signal
        finally:
            raise error

    assert run_main("prog", run) == code


def test_nor_does_an_error_that_is_told_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        try:
            raise SystemExit(143)
        finally:
            raise PinnaceError("cannot be removed")
    except PinnaceError as error:
        code = output.print_error(error)

    assert (code, capsys.readouterr().out) == (143, "")


def test_an_error_is_told_in_json_where_that_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    @click.argument("name")
    @output.json_option
    def command(*, name: str, as_json: bool) -> int:
        del as_json
        raise UsageError(f"there is no '{name}'")

    def run(*words: str) -> int:
        return run_main("prog", lambda: command.main(list(words), "prog", standalone_mode=False))

    assert run("x", "--json") == UsageError.exit_code
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["error"]["message"]) == (False, "there is no 'x'")
    assert run("x") == UsageError.exit_code
    assert capsys.readouterr() == ("", "prog: error: there is no 'x'\n")


def test_an_exit_of_clicks_own_keeps_its_code() -> None:
    assert run_main("prog", _raises(click.exceptions.Exit(3))) == 3


@pytest.mark.parametrize(
    ("result", "code"), [(None, 0), ("text", 0), (0, 0), (5, 5), (137, 137)], ids=str
)
def test_an_integer_that_a_command_returns_is_the_exit_code(result: object, code: int) -> None:
    assert run_main("prog", lambda: result) == code


@contextmanager
def _reader_has_gone() -> Iterator[None]:
    """Make stdout a pipe that nobody reads."""
    kept = os.dup(1)
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)
    os.close(writer)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@pytest.mark.skipif(os.name == "nt", reason="the system does not tell a broken pipe there")
def test_a_reader_that_has_gone_is_no_success_and_later_writes_are_lost(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with _reader_has_gone():
        code = run_main("prog", lambda: os.write(1, b"x"))
        later = os.write(1, b"lost")

    assert (code, later) == (141, 4)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;x\x07\x1b[2Jb", "\\x1b]0;x\\x07\\x1b[2Jb"),
        ("a\rb\x9bc", "a\\rb\\x9bc"),
        ("a\u202eb", "a\\u202eb"),
        ("two\nlines, ü", "two\nlines, ü"),
    ],
)
def test_a_name_of_a_file_gives_the_terminal_no_commands(
    text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_main("prog", _raises(BadPinError(text, hint=text)))

    assert capsys.readouterr().err == f"prog: error: {shown}\nprog: hint: {shown}\n"
