"""What a prompt file, from somebody whom nobody knows, tries on this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest

from pinnace.prompts import Prompt
from pinnace_core.errors import PinnaceError

if TYPE_CHECKING:
    from pathlib import Path

_CANARY = "canary-of-the-user"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A project's directory, beside a secret."""
    (tmp_path / "secret.md").write_text(_CANARY)
    made = tmp_path / "project"
    made.mkdir()
    (made / ".env").write_text(_CANARY)
    (made / "link.md").symlink_to(tmp_path / "secret.md")
    (made / "elsewhere").symlink_to(tmp_path)
    (made / "inner.md").write_text("fine")
    os.mkfifo(made / "pipe.md")
    return made


def _refused(file: Path) -> str:
    with pytest.raises(PinnaceError) as caught:
        Prompt.file(file, {"x": "y"})
    assert caught.value.exit_code in (65, 77)
    said = caught.value.message + caught.value.hint
    assert _CANARY not in said
    return said


_INCLUDED: Final = "{{% include '{}' %}}"
# What is no file's name is a text, there.
_NAMED: Final = "---\nsystem: '{}'\n---\nx{{{{ 1 / 0 }}}}"
_ELSEWHERE: Final = (
    *("../secret.md", "link.md", "elsewhere/secret.md", ".env", "pipe.md", "x/../../secret.md"),
    *("/etc/passwd", "./../secret.md", "..", "inner.md/x", "~/x.md", "file:///etc/passwd"),
)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        *((_INCLUDED, name) for name in _ELSEWHERE),
        *((_NAMED, name) for name in _ELSEWHERE if name.endswith(".md")),
    ],
)
def test_files_elsewhere(place: Path, form: str, name: str) -> None:
    (place / "p.md").write_text(form.format(name))
    assert "ZeroDivisionError" not in _refused(place / "p.md")


@pytest.mark.parametrize("name", ["link.md", "pipe.md"])
def test_a_prompt_that_is_a_link_or_a_pipe(place: Path, name: str) -> None:
    _refused(place / name)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ x.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ x | attr('__class__') }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(x) }}",
        "{{ [x] | map(attribute='__class__') | list }}",
        "{{ joiner.__init__['__globals__'] }}",
        "{{ (x | string)['__class__'].mro() }}",
        "{{ namespace.__init__.__globals__ }}",
    ],
)
def test_the_sandbox_of_templates(place: Path, template: str) -> None:
    (place / "p.md").write_text(f"<{template}>")
    try:
        text = Prompt.file(place / "p.md", {"x": "y"}).text
    except PinnaceError:
        return
    assert "class" not in text
    assert "uid=" not in text


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 10**12 }}",
        "{% set n=namespace(x='a') %}{% for i in range(60) %}{% set n.x=n.x~n.x %}{% endfor %}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% include 'p.md' %}{% include 'p.md' %}",
        "---\na: &a [x]\nb: &b [*a, *a]\n---\nx",
        f"---\nmodel: {'[' * 50_000}\n---\nx",
        f"---\nmodel: {'x' * 300_000}\n---\nx",
        "---\ninput: {properties: {x: {pattern: '^(y+)+z$'}}}\n---\n{{ x }}",
    ],
    ids=["loops", "product", "doubled", "macros", "includes", "aliases", "nested", "long", "regex"],
)
def test_time_and_memory(place: Path, text: str) -> None:
    (place / "p.md").write_text(text)
    with pytest.raises(PinnaceError) as caught:
        Prompt.file(place / "p.md", {"x": "y" * 60})
    assert caught.value.exit_code == 65


def test_a_huge_file(place: Path) -> None:
    with (place / "huge.md").open("wb") as stream:
        stream.truncate(1 << 34)
    assert "larger than" in _refused(place / "huge.md")


def test_the_environment_is_out_of_reach(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", _CANARY)
    (place / "p.md").write_text("{{ environ }}")
    _refused(place / "p.md")
