"""Which part of a file's content counts: what this machine would run, or go by.

Each judge returns what counts, as bytes that differ if it does; empty: nothing there does. What
cannot be understood counts as a whole.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from pinnace.workspace import judges

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pinnace.workspace.rules import Rule

_MOST_BYTES: Final = 1 << 20
_MOST_LINES: Final = 10_000
# What git itself writes at `init`, `clone`, `push -u` and the like, in its plainest form alone:
# quotes, comments, continuations and sections with a dot in them count.
_TRUTH: Final = rb"(?:true|false)"
_NAME: Final = rb"(?!-)(?:(?!::)[^\"\\#;\x00\r])*"
# Patterns here are compiled while the container starts: nothing waits for them before.
_PLAIN: Final = tuple(
    (section, rb"(?i)\s*+(?:%s)\s*+=\s*+%s\s*" % (keys, value))
    for section, keys, value in (
        (rb'\[(?:branch|remote) "[^"\\\]\x00]*"\]\s*', rb"merge|rebase|remote|fetch|prune", _NAME),
        (rb'\[branch "[^"\\\]\x00]*"\]\s*', rb"description|vscode-merge-base", _NAME),
        (rb'\[remote "[^"\\\]\x00]*"\]\s*', rb"url|pushurl|tagopt", _NAME),
        (rb'\[submodule "[^"\\\]\x00]*"\]\s*', rb"url", _NAME),
        (rb'\[submodule(?: "[^"\\\]\x00]*")?\]\s*', rb"active", _NAME),
        (rb"\[core\]\s*", rb"repositoryformatversion", rb"[01]"),
        (rb"\[lfs\]\s*", rb"repositoryformatversion", rb"0"),
        (
            rb"\[core\]\s*",
            rb"filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks",
            _TRUTH,
        ),
        (rb"\[user\]\s*", rb"name|email", _NAME),
        (rb"\[extensions\]\s*", rb"worktreeconfig|relativeworktrees", _TRUTH),
        (rb"\[extensions\]\s*", rb"objectformat|refstorage", rb"[a-z0-9]+"),
    )
)
_ANY_SECTION: Final = rb"\s*\["
_ONLY_SECTION: Final = rb"\[[A-Za-z0-9-]+(?: \"[^\"\\\]\x00]*\")?\]\s*"
_DRIVER: Final = rb"(?<![\w-])(filter|diff|merge)=(\S+)"
# git's own, which run nothing (gitattributes(5)); LFS is of who has installed it.
_BUILT_IN: Final = frozenset(
    b"ada bash bibtex cpp csharp css dts elixir fortran fountain golang html java kotlin markdown "
    b"matlab objc pascal perl php python ruby rust scheme tex text binary union lfs".split()
)
_LOADERS: Final = (
    rb"(?mi)^[ \t]*(?:export[ \t]+)?(?:PATH|BASH_ENV|ENV|ZDOTDIR|LD_\w+|DYLD_\w+|NODE_OPTIONS|"
    rb"NODE_PATH|PYTHON\w+|RUBYOPT|PERL5\w+|JAVA_TOOL_OPTIONS|GIT_\w+|EDITOR|VISUAL|PAGER|"
    rb"PROMPT_COMMAND|npm_config_\w+)[ \t]*=.*|^.*(?:\$\(|`|[;&|<>]).*"
)
_PLAIN_ASSIGNMENT: Final = rb"^\s*(?:#|(?:export\s+)?[A-Za-z_]\w*\s*=|$)"
# https://docs.npmjs.com/cli/using-npm/scripts: of `npm install` and `npm ci`, without more words.
_UNASKED: Final = frozenset(
    {
        *("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare"),
        *("postprepare", "dependencies", "prepack", "postpack"),
    }
)
_OF_PACKAGE: Final = (
    *("packageManager", "devEngines", "gypfile", "husky", "gitHooks", "simple-git-hooks"),
    *("lint-staged", "pre-commit", "pre-push", "config", "workspaces", "volta"),
    *("eslintConfig", "prettier", "stylelint", "commitlint", "pnpm", "trustedDependencies"),
)
# https://getcomposer.org/doc/articles/scripts.md: the scripts of events have such names.
_EVENT: Final = r"(?:pre|post)-[a-z]+-.*|(?:pre|post)-autoload-dump|init|command"
_OF_COMPOSER: Final = ("repositories", "minimum-stability")
_IN_A_HEAD: Final = (
    b"hooks",
    b"allowed-tools",
    b"mcpservers",
    b"mcp-servers",
    b"permissionmode",
    b"\\",
)
_STRATEGIES: Final = rb"\s*(?:ort|recursive|resolve|octopus|ours|subtree)?\s*"
_CLI: Final = "@anthropic-ai/claude-code"


def counting(rule: Rule, data: bytes) -> bytes:
    """Return what counts of a file's content."""
    judge = JUDGES.get(rule.judge)
    if judge is None:
        return data
    return data if len(data) > _MOST_BYTES and rule.judge not in _OF_ANY_SIZE else judge(data)


def git_config(data: bytes) -> bytes:
    """Keep all but the plain lines of what runs nothing, each with its section."""
    section, kept = b"", []
    lines = data.split(b"\n")
    if len(lines) > _MOST_LINES:
        return data
    for line in lines:
        if re.match(_ANY_SECTION, line):
            section = line
        if line.strip() and not _is_plain(section, line):
            kept.append(section.strip() + b"\n" + line.strip())
    return b"\n".join(kept)


def _is_plain(section: bytes, line: bytes) -> bool:
    if line is section:
        return bool(re.fullmatch(_ONLY_SECTION, line))
    return any(re.fullmatch(s, section) and re.fullmatch(key, line) for s, key in _PLAIN)


def attributes(data: bytes) -> bytes:
    """Keep the drivers that are none of git's own."""
    found = {match.groups() for match in re.finditer(_DRIVER, data)}
    return b"\n".join(sorted(kind + b"=" + name for kind, name in found if name not in _BUILT_IN))


def dotenv(data: bytes) -> bytes:
    """Keep what a shell would run, and variables that have programs load something."""
    lines = [m.group() for m in re.finditer(_LOADERS, data)]
    lines += [line for line in data.split(b"\n") if not re.match(_PLAIN_ASSIGNMENT, line)]
    return b"\n".join(lines)


def package_json(data: bytes) -> bytes:
    """Keep the scripts that nobody names, and whose programs run them."""
    return _kept(data, _of_package)


def _of_package(document: Mapping[str, Any]) -> dict[str, Any]:
    scripts = document.get("scripts")
    named = scripts if isinstance(scripts, dict) else {}
    found: dict[str, Any] = {name: named[name] for name in sorted(_started(named))}
    found |= {name: document[name] for name in _OF_PACKAGE if document.get(name)}
    for kind in ("dependencies", "devDependencies", "optionalDependencies"):
        some = document.get(kind)
        if isinstance(some, dict) and _CLI in some:
            found[f"{kind}.{_CLI}"] = some[_CLI]
    return found


def _started(scripts: dict[str, Any]) -> set[str]:
    """Return the scripts that nobody names, and those that these start."""
    found: set[str] = set()
    more = {name for name in scripts if name in _UNASKED}
    while more:
        found |= more
        said = " ".join(str(scripts[name]) for name in found)
        if "*" in said:
            return set(scripts)
        more = {name for name in scripts.keys() - found if _is_named(name, said)}
    return found


def _is_named(script: str, said: str) -> bool:
    names = (script, script.removeprefix("pre"), script.removeprefix("post"))
    return any(re.search(rf"(?<![\w:-]){re.escape(n)}(?![\w:-])", said) for n in names if n)


def composer_json(data: bytes) -> bytes:
    """Keep the scripts, if some are of events, and from where and what is installed."""
    return _kept(data, _of_composer)


def _of_composer(document: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {name: document[name] for name in _OF_COMPOSER if document.get(name)}
    scripts, config = document.get("scripts"), document.get("config")
    if isinstance(scripts, dict) and any(re.fullmatch(_EVENT, name) for name in scripts):
        found["scripts"] = scripts
    if isinstance(config, dict) and config.get("allow-plugins"):
        found["allow-plugins"] = config["allow-plugins"]
    return found


def _kept(data: bytes, choose: Callable[[Mapping[str, Any]], dict[str, Any]]) -> bytes:
    """Keep what is chosen of a JSON object; what cannot be read as JSON is kept as a whole."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    found = choose(document) if isinstance(document, dict) else {}
    return json.dumps(found, sort_keys=True).encode() if found else b""


def cargo(data: bytes) -> bytes:
    """Keep which programs are run when it is built."""
    if not any(word in data for word in (b"build", b"proc", b"\\")):
        return b""
    document = _toml(data)
    if document is None:
        return data
    package, library = (_table(document, name) for name in ("package", "lib"))
    macro = library if library.get("proc-macro") or library.get("proc_macro") else None
    found = {"build": package.get("build"), "lib": macro}
    kept = {name: value for name, value in found.items() if value}
    return repr(kept).encode() if kept else b""


def _toml(data: bytes) -> dict[str, Any] | None:
    import tomllib

    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return None


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def rebase_todo(data: bytes) -> bytes:
    """Keep the lines that run something."""
    return b"\n".join(re.findall(rb"(?m)^[ \t]*(?:x|exec)[ \t].*", data))


def strategy(data: bytes) -> bytes:
    """Keep a merge strategy that is none of git's own: git starts `git-merge-` with that name."""
    return b"" if re.fullmatch(_STRATEGIES, data) else data


def picking(data: bytes) -> bytes:
    """Keep the options of a cherry-pick or revert that name such a strategy."""
    named = re.findall(rb"(?i)strategy[ \t]*=?(.*)", data)
    return b"".join(name for name in named if not re.fullmatch(_STRATEGIES, name))


def pyproject(data: bytes) -> bytes:
    """Keep what Pinnace goes by, the build system, and what has linters load something."""
    words = (
        b"build",
        b"pinnace",
        b"pylint",
        b"plugins",
        b"python_executable",
        b"index",
        b"poetry",
        b"pixi",
        b"\\",
    )
    if not any(word in data for word in words):
        return b""
    document = _toml(data)
    if document is None:
        return data
    tool = _table(document, "tool")
    mypy, uv, poetry = (_table(tool, name) for name in ("mypy", "uv", "poetry"))
    found = {
        "build-system": document.get("build-system"),
        "tool.pinnace": tool.get("pinnace"),
        "tool.pylint": tool.get("pylint"),
        "tool.mypy": {n: mypy[n] for n in ("plugins", "python_executable") if mypy.get(n)},
        "tool.uv": {n: uv[n] for n in sorted(uv) if "index" in n or n == "find-links"},
        "tool.poetry": {n: poetry[n] for n in ("requires-plugins", "source") if poetry.get(n)},
        "tool.pixi": _table(tool, "pixi").get("activation"),
    }
    kept = {name: value for name, value in found.items() if value}
    return repr(kept).encode() if kept else b""


def front_matter(data: bytes) -> bytes:
    """Keep what the head of an agent, a skill or a command says, if it runs or allows something."""
    if not data.startswith(b"---"):
        return b""
    head = data[3:].partition(b"\n---")[0]
    return head if any(word in head.lower() for word in _IN_A_HEAD) else b""


JUDGES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "git_config": git_config,
    "attributes": attributes,
    "dotenv": dotenv,
    "package_json": package_json,
    "pyproject": pyproject,
    "front_matter": front_matter,
    "composer_json": composer_json,
    "cargo": cargo,
    "linters": judges.linters,
    "rebase_todo": rebase_todo,
    "strategy": strategy,
    "picking": picking,
    "hosts": judges.hosts,
    "version": judges.version,
    "go": judges.go,
    "tsconfig": judges.tsconfig,
    "compilers": judges.compilers,
    "rubocop": judges.rubocop,
    "analysis": judges.analysis,
    "golangci": judges.golangci,
    "pixi": judges.pixi,
    "msbuild": judges.msbuild,
}
# They only search; locks and lists of all compilers are large.
_OF_ANY_SIZE: Final = frozenset({"hosts", "compilers"})
