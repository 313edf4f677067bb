"""What counts of files that are changed every day, and seldom have something run: judged by lines.

As in `contents`. Nothing here understands a whole format: where a word could hide from a search
(escapes, aliases, quoted keys), all of the file counts.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# https://docs.npmjs.com/cli/configuring-npm/package-lock-json: `resolved`; the others' keys beside.
# An agent writes what is searched: no pattern here goes over the same text again and again.
_FETCHED: Final = (
    rb'"?\b(?:resolved|tarball|resolution)"?:?[ \t]*(?:\{[^}\n]{0,200}tarball:[ \t]*)?"?'
    rb"([A-Za-z][\w+.-]{0,20}:/*[^/\s\"'#?,}]{1,300})"
    rb'|\b(?:url|registry|source|git|remote)[ \t]*[=:][ \t]*"?'
    rb'([A-Za-z][\w+.-]{0,20}:/*[^/\s"\'#?,}]{1,300})'
)
_OF_FUNDING: Final = rb'"(?:url|type)"[ \t]*:[ \t]*"[^"]*"'
_VERSION: Final = rb"(?:java=)?v?[A-Za-z0-9][\w.+*/@-]*"
_TOOLCHAIN: Final = rb"(?m)^[ \t]*(?:go|toolchain)[ \t]+(.*)$"
_PLAIN_GO: Final = rb"(?:go)?\d+(?:\.\d+)*(?:(?:rc|beta)\d+)?|default"
_PLUGINS: Final = rb'"plugins"\s*:\s*(?=\[)'
_STRING_OR_BRACKET: Final = rb'"[^"]*"|[\[\]]'
# Where the system keeps its own: nobody but root writes there.
_OF_THE_SYSTEM: Final = (b"/usr/", b"/bin/", b"/opt/", b"/nix/store/", b"/Library/", b"c:/program")
_COMPILER: Final = (
    rb'"command"\s*:\s*"\s*(?:\\")?((?:[^"\\ ]|\\[^"])+)'
    rb'|"arguments"\s*:\s*\[\s*"((?:[^"\\]|\\.)*)"'
)
_HIDING: Final = rb"""(?m)\\|<%|^[ \t]*(?:-[ \t]*)?(?:[{?&*!%"']|<<)"""
_RUNS_IN_MSBUILD: Final = (
    rb"(?i)<(?:Exec|UsingTask|Target|Import|NuGetPackageRoot)\b|\$\(\[|<!(?:DOCTYPE|ENTITY)"
)
# What NuGet writes there itself.
_OF_NUGET: Final = (
    rb'(?i)<Import\s+Project="\$\(NuGetPackageRoot\)[^".]+(?:\.[^".]+)*"(?:(?!\$\(\[)[^<>])*>'
    rb"|<NuGetPackageRoot\b[^<>]*>(?:[A-Za-z]:)?[\\/][^<$]*\.nuget[\\/]packages[\\/]?<"
)

_LINTERS_OPTIONS: Final = frozenset(
    {
        "init-hook",
        "load-plugins",
        "plugins",
        "python-executable",
        "require-plugins",
        "enable-extensions",
        *("extension-pkg-allow-list", "extension-pkg-whitelist", "unsafe-load-any-extension"),
        *("output-format", "mypy-path", "custom-typeshed-dir"),
    }
)


def hosts(data: bytes) -> bytes:
    """Keep the hosts that packages are fetched from."""
    found = {b"".join(groups) for groups in re.findall(_FETCHED, re.sub(_OF_FUNDING, b"", data))}
    return b"\n".join(sorted(found))


def version(data: bytes) -> bytes:
    """Keep what is no plain version: a path, say."""
    lines = (line.partition(b"#")[0].strip() for line in data.splitlines())
    plain = (b".." not in line and re.fullmatch(_VERSION, line) for line in lines if line)
    return b"" if all(plain) else data


def go(data: bytes) -> bytes:
    """Keep the toolchains that are none of Go's own releases."""
    named = [one.partition(b"//")[0].strip() for one in re.findall(_TOOLCHAIN, data)]
    return b"\n".join(one for one in named if not re.fullmatch(_PLAIN_GO, one))


def tsconfig(data: bytes) -> bytes:
    """Keep the plugins that TypeScript's server loads."""
    if b"\\" in data:
        return data if b"plug" in data or b"\\u" in data else b""
    found, place = [], 0
    while match := re.compile(_PLUGINS).search(data, place):
        place = _end_of_list(data, match.end())
        found.append(data[match.end() : place])
    return b"\n".join(found)


def _end_of_list(data: bytes, place: int) -> int:
    depth = 0
    for match in re.compile(_STRING_OR_BRACKET).finditer(data, place):
        depth += {b"[": 1, b"]": -1}.get(match.group(), 0)
        if depth == 0:
            return match.end()
    return len(data)


def compilers(data: bytes) -> bytes:
    """Keep the compilers that are none of the system's: a name alone is looked up in its path."""
    found = {(one or other).replace(b"\\\\", b"/") for one, other in re.findall(_COMPILER, data)}
    return b"\n".join(sorted(one for one in found if _is_elsewhere(one)))


def _is_elsewhere(program: bytes) -> bool:
    plain = program.lower().startswith(tuple(one.lower() for one in _OF_THE_SYSTEM))
    return (b"/" in program and not plain) or b".." in program or b"\\" in program


def rubocop(data: bytes) -> bytes:
    """Keep what RuboCop loads."""
    return _below(data, rb"require|plugins|inherit_from|inherit_gem|inherit_mode|load_gemfile")


def analysis(data: bytes) -> bytes:
    """Keep the plugins of Dart's analyzer, and where it takes others from."""
    return _below(data, rb"plugins|include")


def golangci(data: bytes) -> bytes:
    """Keep the linters of one's own, which are loaded."""
    return _below(data, rb"custom|module|path|plugins?") if b"custom" in data else _hiding(data)


def _hiding(data: bytes) -> bytes:
    return data if b"\\" in data else b""


def _below(data: bytes, keys: bytes) -> bytes:
    """Keep what YAML has below some keys, wherever they stand."""
    return data if re.search(_HIDING, data) else b"\n".join(_blocks(data, keys))


def _blocks(data: bytes, keys: bytes) -> Iterator[bytes]:
    depth = -1
    for line in data.splitlines():
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        indent = len(line) - len(line.lstrip())
        if re.match(rb"(?:-\s+)?(?:%s)\s*:" % keys, text) or re.search(
            rb"[{,]\s*(?:%s)\s*:" % keys, text
        ):
            depth = indent if depth < 0 else min(depth, indent)
            yield text
        elif depth >= 0:
            if indent > depth or (indent == depth and text.startswith(b"-")):
                yield text
            else:
                depth = -1


def pixi(data: bytes) -> bytes:
    """Keep what is run when an environment is entered, and from where it is."""
    import tomllib

    try:
        document = tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return data
    found = list(_activations(document))
    return json.dumps(found, sort_keys=True, default=str).encode() if found else b""


def _activations(document: object) -> Iterator[object]:
    if not isinstance(document, dict):
        return
    for name, value in document.items():
        if name in {"activation", "channels", "pypi-options"}:
            yield name, value
        else:
            yield from _activations(value)


def msbuild(data: bytes) -> bytes:
    """Keep what has MSBuild run or load something, less what NuGet writes."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data
    rest = re.sub(_OF_NUGET, b"", data)
    return rest if re.search(_RUNS_IN_MSBUILD, rest) else b""


def linters(data: bytes) -> bytes:
    """Keep what has linters load something."""
    import configparser

    found = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        found.read_string(data.decode())
    except (ValueError, configparser.Error):
        return data
    kept = [
        f"{section}:{option}={value}"
        for section in found.sections()
        for option, value in found.items(section)
        if option.replace("_", "-") in _LINTERS_OPTIONS or section.endswith("local-plugins")
    ]
    return "\n".join(kept).encode()
