"""The host's git: what its configuration says, what of that goes in, and how it is written.

Nobody else reads that format as git does, so it is asked. What goes in is a list of what is
allowed, not of what is not: programs of the host (pagers, editors, hooks, signing, credential
helpers, filters) do not exist inside, and keys of tools may hold anything.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.workspace import git as workspace_git
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pinnace_core.host import HostFacts

_SECTIONS: Final = frozenset(
    {
        *("advice", "apply", "author", "blame", "branch", "checkout", "clean", "color", "column"),
        *("committer", "fetch", "format", "grep", "help", "index", "init", "log", "merge"),
        *("notes", "pretty", "pull", "push", "rebase", "rerere", "stash", "status", "submodule"),
        *("tag", "versionsort", "worktree"),
    }
)
_KEYS: Final = frozenset(
    {
        *("user.name", "user.email", "user.useconfigonly"),
        *("core.abbrev", "core.autocrlf", "core.commentchar", "core.eol", "core.ignorecase"),
        *("core.precomposeunicode", "core.quotepath", "core.safecrlf", "core.whitespace"),
        *("commit.cleanup", "commit.status", "commit.verbose"),
        *("diff.algorithm", "diff.colormoved", "diff.colormovedws", "diff.context"),
        *("diff.indentheuristic", "diff.interhunkcontext", "diff.mnemonicprefix", "diff.noprefix"),
        *("diff.relative", "diff.renamelimit", "diff.renames", "diff.statgraphwidth"),
        *("diff.submodule", "diff.suppressblankempty", "diff.wordregex", "diff.wserrorhighlight"),
    }
)
# Within an allowed section: programs, files and keys of the host.
_NOT: Final = frozenset(
    {
        *("blame.ignorerevsfile", "format.headers", "format.outputdirectory"),
        *("format.cc", "format.signature", "format.signaturefile", "format.to"),
        *("help.browser", "help.htmlpath", "init.templatedir", "merge.tool", "merge.guitool"),
        *("push.gpgsign", "tag.gpgsign", "tag.forcesignannotated"),
    }
)
_REWRITES: Final = re.compile(r"url\..*\.(insteadof|pushinsteadof)", re.DOTALL)
# Without its program, such a filter has to fail: what it is for would be committed as it is.
_REQUIRED: Final = re.compile(r"filter\..+\.required", re.DOTALL)
_COLORS: Final = re.compile(r"color\.[a-z]+\.[a-z]+")
_ALIAS: Final = re.compile(r"alias\.[^.]+")
# Of Windows: without it, all files would seem to be changed.
_OF_THE_SYSTEM: Final = frozenset({"core.autocrlf", "core.eol", "core.safecrlf"})
_SIGNING: Final = frozenset({"commit.gpgsign", "tag.gpgsign", "push.gpgsign"})
_TRUE: Final = frozenset({"true", "yes", "on", "1", "if-asked"})
_FROM_THE_PROJECT: Final = frozenset({"user.name", "user.email"})
_SECRET: Final = re.compile(
    r"(?:https?|ftps?)://[^/\s]*@"  # any: a token may stand where the user does
    r"|://[^/\s@]*:[^/\s@]*@"
    r"|\b(?:gh[oprsu]_|github_pat_|gl[a-z]{2,5}-|xox[a-z]-|sk-|AKIA|npm_|pypi-)\w"
    r"|(?:authorization|passw(?:or)?d|secret|token|api[-_]?key)\s*[:=]|bearer\s|PRIVATE KEY",
    re.IGNORECASE,
)


class Entry(NamedTuple):
    """A line of a configuration.

    Attributes:
        scope: `global` is the user's.
        origin: the file it stands in.
        key: section and name in lower case, the part between as it is written.
        value: None where only the name stands there, which means true.
    """

    scope: str
    origin: str
    key: str
    value: str | None


def value(file: Path, key: str, facts: HostFacts) -> str:
    """Read one value of one file, includes not followed; empty: not there, or no git here."""
    arguments = ("config", "--file", str(file), "--no-includes", "--null", "--get", key)
    output = workspace_git.answer(
        arguments, facts, directory="/" if facts.os != "windows" else facts.home
    )
    return (output or "").removesuffix("\0")


def entries(directory: str, facts: HostFacts) -> list[Entry] | None:
    """List all that counts in a directory, in order, includes followed; None: git cannot say.

    Only reads: `git config` starts no program that a repository names, and without a terminal no
    pager.
    """
    output = workspace_git.answer(
        ("config", "--list", "--show-scope", "--show-origin", "--null"), facts, directory
    )
    if output is None:
        return None
    # Three fields for each: scope, origin, and key and value with a newline between.
    fields = output.split("\0")
    return [_entry(fields[i : i + 3]) for i in range(0, len(fields) - 2, 3)]


def _entry(fields: Sequence[str]) -> Entry:
    scope, origin, pair = fields
    key, equals, text = pair.partition("\n")
    return Entry(scope, origin.removeprefix("file:"), key, text if equals else None)


class Allowed(NamedTuple):
    """What goes in.

    Attributes:
        pairs: keys and values, in order; None: the key stands alone.
        excludes: `core.excludesFile`, with the file that says so; or empty.
        attributes: likewise, `core.attributesFile`.
        signing: the user signs commits, tags or pushes: inside, they are not.
    """

    pairs: tuple[tuple[str, str | None], ...]
    excludes: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    signing: bool = False


def allowed(entries: Iterable[Entry], *, project: str) -> Allowed:
    """Choose from all that git read.

    Args:
        entries: of all scopes; only the user's count.
        project: its root; a file of the user's that lies in it may be anybody's work.
    """
    own = list(entries)
    of_user = [entry for entry in own if entry.scope == "global"]
    trusted = [entry for entry in of_user if not Path(entry.origin).is_relative_to(project)]
    files = {entry.key: (entry.value, entry.origin) for entry in trusted if entry.value}
    signs = {entry.key: entry.value for entry in of_user if entry.key in _SIGNING}
    return Allowed(
        pairs=tuple((e.key, e.value) for e in own if _goes_in(e, outside=e in trusted)),
        excludes=_pair(files.get("core.excludesfile")),
        attributes=_pair(files.get("core.attributesfile")),
        signing=any(value is None or value.lower() in _TRUE for value in signs.values()),
    )


def _pair(found: tuple[str | None, str] | None) -> tuple[str, ...]:
    return (found[0] or "", found[1]) if found else ()


def _goes_in(entry: Entry, *, outside: bool) -> bool:
    if _SECRET.search(entry.key) or _SECRET.search(entry.value or ""):
        return False
    if entry.scope == "system":
        return entry.key in _OF_THE_SYSTEM
    if entry.scope != "global":
        return False
    return _is_allowed(entry.key, entry.value or "") if outside else entry.key in _FROM_THE_PROJECT


def _is_allowed(key: str, value: str) -> bool:
    if _ALIAS.fullmatch(key):
        return not value.lstrip().startswith("!")
    if (
        _REWRITES.fullmatch(key)
        or _REQUIRED.fullmatch(key)
        or _COLORS.fullmatch(key)
        or key in _KEYS
    ):
        return True
    section, dot, name = key.partition(".")
    return bool(dot) and section in _SECTIONS and "." not in name and key not in _NOT


def write(pairs: Iterable[tuple[str, str | None]]) -> str:
    r"""Write a configuration as git reads it; each key with its section, so that order stays.

    Values are quoted (git-config(1), "Syntax"): `\`, `"`, newline and tab have escapes.
    """
    return "".join(_written(key, value) for key, value in pairs)


def _written(key: str, value: str | None) -> str:
    section, _, rest = key.partition(".")
    middle, _, name = rest.rpartition(".")
    title = f'{section} "{_escaped(middle)}"' if middle else section
    if value is None:
        return f"[{title}]\n\t{name}\n"
    text = _escaped(value).replace("\n", "\\n").replace("\t", "\\t")
    return f'[{title}]\n\t{name} = "{text}"\n'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
