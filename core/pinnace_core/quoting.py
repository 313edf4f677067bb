"""Write a command so that it can be pasted: for sh, PowerShell or cmd. Pure."""

from __future__ import annotations

import ntpath
import re
import shlex
from typing import TYPE_CHECKING, Final, Literal

from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace_core.host import HostFacts

Shell = Literal["sh", "powershell", "pwsh", "cmd"]
_PLAIN: Final = re.compile(r"[A-Za-z0-9_/=-]+")
# The shells of Git for Windows and MSYS2 would take paths inside for their own, and rewrite them.
_AS_THEY_ARE: Final = "MSYS_NO_PATHCONV=1 MSYS2_ARG_CONV_EXCL='*' "
# PowerShell takes typographic ones for plain ones.
_QUOTES: Final = "'\u2018\u2019\u201a\u201b"


def line(argv: Sequence[str], facts: HostFacts) -> str:
    """Write a command for the shell that the user is in.

    Raises:
        UsageError: cmd cannot take an argument.
    """
    shell = shell_of(facts)
    if shell == "sh":
        return (_AS_THEY_ARE if facts.os == "windows" else "") + " ".join(map(_sh, argv))
    if shell == "cmd":
        return " ".join(map(_cmd, argv))
    words = [_powershell(word, old=shell == "powershell") for word in argv]
    # A quoted word in front would be a text, not a command.
    return " ".join(["&", *words] if words[0].startswith("'") else words)


def shell_of(facts: HostFacts) -> Shell:
    """Return which shell's quoting is wanted.

    On Windows nothing names the shell. Git Bash sets MSYSTEM. PSModulePath is set everywhere, but
    only PowerShell puts a directory of the user's into it: `PowerShell` from version 6 on,
    `WindowsPowerShell` before (about_PSModulePath).
    """
    if facts.os != "windows" or "MSYSTEM" in facts.environment:
        return "sh"
    folded = {name.upper(): value for name, value in facts.environment.items()}
    home = ntpath.normcase(facts.home).rstrip("\\") + "\\"
    places = [ntpath.normcase(p).rstrip("\\") for p in folded.get("PSMODULEPATH", "").split(";")]
    own = [place for place in places if place.startswith(home)]
    if any(place.endswith(r"\powershell\modules") for place in own):
        return "pwsh"
    return "powershell" if any(p.endswith(r"\windowspowershell\modules") for p in own) else "cmd"


def _sh(word: str) -> str:
    r"""Quote for bash, zsh and their kin, without what a terminal takes for commands: `$'\x1b'`."""
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_ansi_c, word))}'"


def _ansi_c(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    # Octal has three digits at most: what follows is not taken for another one.
    return "".join(f"\\{byte:03o}" for byte in character.encode(errors="surrogateescape"))


def _powershell(word: str, *, old: bool) -> str:
    """Quote for PowerShell; typographic quotation marks end a text there as well.

    Up to 7.2, it passes double quotes on without the backslash that programs want, a last backslash
    before a quote of its own, and no empty argument at all (about_Parsing, "Passing arguments that
    contain quote characters").
    """
    if _PLAIN.fullmatch(word):
        return word
    if old:
        word = re.sub(r'(\\*)"', r'\1\1\\"', word)
        spaced = any(c.isspace() for c in word)
        word = re.sub(r"(\\+)\Z", r"\1\1", word) if spaced else word or '""'
    return "'" + re.sub(f"([{_QUOTES}])", r"\1\1", word) + "'"


def _cmd(word: str) -> str:
    """Quote for the program, then hide every special character from cmd.

    `^%` works where a line is typed or pasted; in a batch file `%%` would be wanted.
    """
    if "\n" in word or "\r" in word:
        raise UsageError(
            "cmd cannot take an argument of several lines", hint="use PowerShell for --dry-run"
        )
    if _PLAIN.fullmatch(word):
        return word
    quoted = re.sub(r'(\\*)"', r'\1\1\\"', word)
    quoted = re.sub(r"(\\+)\Z", r"\1\1", quoted)
    return re.sub(r'([()%!^"<>&|])', r"^\1", f'"{quoted}"')
