"""Commands that can be pasted; each shell's reading is undone by an independent reader of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnace_core import quoting
from pinnace_core.errors import UsageError
from tests.support import hosts

if TYPE_CHECKING:
    from pinnace_core.host import HostFacts

_HOME = r"C:\Users\somebody"
_MACHINE = (
    r"C:\Program Files\WindowsPowerShell\Modules;C:\Windows\system32\WindowsPowerShell\v1.0\Modules"
)
_OLD = rf"{_HOME}\Documents\WindowsPowerShell\Modules;{_MACHINE}"
_NEW = (
    rf"{_HOME}\OneDrive\Dokumente\PowerShell\Modules;C:\Program Files\PowerShell\Modules;{_MACHINE}"
)
_SHELLS = {
    "sh": {"MSYSTEM": "MINGW64", "PSModulePath": _OLD},
    "cmd": {"PSModulePath": _MACHINE},
    "powershell": {"PSModulePath": _OLD},
    "pwsh": {"PSMODULEPATH": _NEW},
}
_typed = st.text(
    st.sampled_from("ab \"'\\$%!^&|<>()`;,@{}#*?~=-/.:\t\u2018\u2019\u201cü")
    | st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"])
)


@pytest.mark.parametrize("shell", _SHELLS)
def test_the_shell_is_told_by_the_environment(shell: str) -> None:
    assert quoting.shell_of(hosts.windows(environment=_SHELLS[shell])) == shell


def test_a_windows_without_any_hint_is_cmds() -> None:
    assert quoting.shell_of(hosts.windows()) == "cmd"


@pytest.mark.parametrize("host", [hosts.linux(), hosts.macos(), hosts.linux_root()])
def test_elsewhere_it_is_sh(host: HostFacts) -> None:
    assert quoting.shell_of(host._replace(environment={"PSModulePath": _NEW})) == "sh"


def line(shell: str, words: list[str]) -> str:
    return quoting.line(["docker", *words], hosts.windows(environment=_SHELLS[shell]))


def microsoft(command: str) -> list[str]:
    """Split as programs of Microsoft's C runtime do (its documentation: "Parsing arguments")."""
    words: list[str] = []
    word, quoted, begun, place = "", False, False, 0
    while place < len(command):
        found = re.match(r'(\\*)("?)', command[place:])
        assert found
        slashes, quote = len(found[1]), bool(found[2])
        if slashes or quote:
            place += found.end()
            begun = True
            word += "\\" * (slashes // 2 if quote else slashes)
            if quote and slashes % 2:
                word += '"'
            elif quote:
                quoted = not quoted
            continue
        character = command[place]
        place += 1
        if character in " \t" and not quoted:
            words += [word] * begun
            word, begun = "", False
        else:
            word, begun = word + character, True
    return [*words, *[word] * begun]


def cmd(text: str) -> str:
    """What cmd leaves of a typed line; nothing in it may be special."""
    assert not re.search(r'(?<!\^)(?:\^\^)*[%!"&|<>()]', text), "cmd would act on something"
    return re.sub(r"\^(.)", r"\1", text)


def powershell(text: str) -> list[str]:
    """Return the arguments that PowerShell reads; nothing but plain words and quoted ones."""
    quote = "['\u2018\u2019\u201a\u201b]"
    word = rf"(?:{quote}((?:[^'\u2018\u2019\u201a\u201b]|({quote})\2)*){quote}|([A-Za-z0-9_/=-]+))"
    words, place = [], 0
    while place < len(text):
        found = re.compile(rf"{word}(?: |\Z)", re.DOTALL).match(text, place)
        assert found, text[place:]
        plain = found[3]
        words.append(re.sub(rf"({quote})\1", r"\1", found[1]) if plain is None else plain)
        place = found.end()
    return words


def old(words: list[str]) -> str:
    """What PowerShell before 7.3 makes of arguments: quotes around spaces, nothing else."""
    kept = (word for word in words if word)
    return " ".join(f'"{w}"' if any(c.isspace() for c in w) else w for w in kept)


@settings(deadline=None, database=None)
@given(words=st.lists(_typed))
def test_cmd_reads_what_was_meant(words: list[str]) -> None:
    assert microsoft(cmd(line("cmd", words))) == ["docker", *words]


@settings(deadline=None, database=None)
@given(words=st.lists(st.text(st.sampled_from("ab \"'\\$\u2019`,;@(){}|&-.:\n")) | _typed))
def test_powershell_reads_what_was_meant(words: list[str]) -> None:
    assert powershell(line("pwsh", words)) == ["docker", *words]


@settings(deadline=None, database=None)
@given(words=st.lists(st.text(st.sampled_from("ab \"'\\$\u2019`,;@(){}|&-.:"))))
def test_a_program_behind_an_old_powershell_reads_what_was_meant(words: list[str]) -> None:
    assert microsoft(old(powershell(line("powershell", words)))) == ["docker", *words]


def test_a_program_with_a_path_is_called() -> None:
    host = hosts.windows(environment=_SHELLS["pwsh"])

    assert quoting.line([r"C:\a b\docker", "ps"], host) == r"& 'C:\a b\docker' ps"


def test_cmd_says_what_it_cannot_take() -> None:
    with pytest.raises(UsageError) as caught:
        line("cmd", ["a\nb"])

    assert "PowerShell" in caught.value.hint
