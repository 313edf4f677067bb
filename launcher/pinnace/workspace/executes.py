"""What this machine would run of a workspace without being asked by name, as data.

Who works in a project on a host starts git, an editor, a shell, package managers and Claude there;
each reads files of the project, and runs what these say. Not here is what somebody has to name to
have it run: a Makefile, a test, a build script. Those are the project itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

GIT: Final = ".git"
NO_CONFIGURATION: Final = frozenset({"objects", "refs", "logs", "lfs", "rr-cache", "annex", "svn"})
"""Of a git directory: what lies there may have any name."""


class Rule(NamedTuple):
    """Why a file is one of these.

    Attributes:
        by: who runs it, or what it names.
        why: when.
        judge: name of a function in `contents`, that says which part of it counts; empty: all.
    """

    by: str
    why: str
    judge: str = ""


def _rules(by: str, why: str, names: str, judge: str = "") -> dict[str, Rule]:
    return dict.fromkeys(names.split(), Rule(by, why, judge))


HOOK: Final = Rule("git", "runs it at commits, checkouts, pushes ...")
GIT_CONFIG: Final = Rule("git", "runs the programs that it names", "git_config")
FORWARD: Final = Rule("git", "takes configuration and hooks from where it leads")
_ATTRIBUTES: Final = Rule("git", "has files changed by the filters that it names", "attributes")
REPOSITORY: Final = Rule("git", "goes by the repository that it leads to")
_PACKAGE: Final = Rule("npm", "runs its scripts at each install", "package_json")

FILES: Final[dict[str, Rule]] = {
    # git, and what its hooks start
    **_rules(
        "git", "has files changed by the filters that it names", ".gitattributes", "attributes"
    ),
    **_rules("git", "fetches submodules from where it says", ".gitmodules"),
    **_rules("pre-commit", "runs what it names at each commit", ".pre-commit-config.yaml"),
    **_rules(
        "lefthook",
        "runs what it names at each commit",
        "lefthook.yml lefthook.yaml lefthook.toml lefthook.json lefthook-local.yml "
        "lefthook-local.yaml .lefthook.yml .lefthook.yaml .lefthook.toml .lefthook.json "
        ".lefthook-local.yml .lefthook-local.yaml",
    ),
    **_rules("husky", "runs what it names at each commit", ".huskyrc .huskyrc.json .huskyrc.js"),
    **_rules(
        "lint-staged",
        "runs what it names at each commit",
        ".lintstagedrc .lintstagedrc.json .lintstagedrc.js .lintstagedrc.mjs .lintstagedrc.cjs "
        "lint-staged.config.js lint-staged.config.mjs lint-staged.config.cjs .overcommit.yml",
    ),
    # editors
    **_rules("dev containers", "run its initializeCommand here", ".devcontainer.json"),
    **_rules("Vim", "reads it in its directory (exrc)", ".exrc .vimrc .nvimrc .nvim.lua .lvimrc"),
    **_rules("Emacs", "evaluates it with each file", ".dir-locals.el .dir-locals-2.el"),
    # shells
    **_rules("direnv", "runs it when a shell enters", ".envrc"),
    **_rules("shells", "run it when they enter", ".autoenv .autoenv.zsh .autoenv_leave.zsh .rvmrc"),
    **_rules("shells", "read it when they enter, if they have a plugin", ".env", "dotenv"),
    **_rules(
        "mise",
        "runs its hooks when a shell enters",
        "mise.toml .mise.toml mise.local.toml .mise.local.toml .rtx.toml",
    ),
    **_rules("devbox", "runs its hooks when a shell enters", "devbox.json"),
    # Claude, and its like
    **_rules("Claude", "starts the servers that it names", ".mcp.json"),
    **_rules("OpenCode", "starts what it names", "opencode.json opencode.jsonc"),
    **_rules("Aider", "runs what it names", ".aider.conf.yml"),
    # package managers and languages
    "package.json": _PACKAGE,
    **_rules("npm", "runs and loads what it names", ".npmrc"),
    **_rules("yarn", "runs the program that it names", ".yarnrc .yarnrc.yml"),
    **_rules("pnpm", "runs it at each install", ".pnpmfile.cjs .pnpmfile.mjs"),
    **_rules("pnpm", "lets packages run scripts", "pnpm-workspace.yaml"),
    **_rules("bun", "loads what it names", "bunfig.toml"),
    **_rules("pip and uv", "run the build system that it names", "pyproject.toml", "pyproject"),
    **_rules("rustup", "runs the toolchain that it names", "rust-toolchain.toml rust-toolchain"),
    **_rules("rust-analyzer", "runs it when the project is opened", "build.rs"),
    **_rules(
        "MSBuild",
        "runs it when the project is opened",
        "Directory.Build.props Directory.Build.targets Directory.Build.rsp nuget.config "
        "NuGet.config NuGet.Config",
    ),
    **_rules(
        "ESLint",
        "is run by editors, and runs it",
        ".eslintrc.js .eslintrc.cjs eslint.config.js eslint.config.mjs eslint.config.cjs "
        "eslint.config.ts",
    ),
    **_rules(
        "Prettier",
        "is run by editors, and runs it",
        ".prettierrc.js .prettierrc.cjs .prettierrc.mjs prettier.config.js prettier.config.cjs "
        "prettier.config.mjs",
    ),
    **_rules("R", "runs it when it starts in its directory", ".Rprofile .Renviron"),
    **_rules("irb", "runs it when it starts in its directory", ".irbrc .pryrc"),
    **_rules("gdb and lldb", "run it when they start in its directory", ".gdbinit .lldbinit"),
    **_rules("pdb", "runs it when it starts in its directory", ".pdbrc"),
    # Pinnace
    **_rules("Pinnace", "goes by it at each launch", "pinnace.toml pinnace.lock .claude-version"),
    **_rules("Pinnace, mise and asdf", "run the version that it names", ".tool-versions"),
}
"""Files by their names, wherever they lie."""
LOSSES: Final = frozenset(
    {
        *(".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", "bunfig.toml"),
        *("settings.json", "settings.local.json"),
        *("pinnace.toml", "pinnace.lock", ".claude-version", ".tool-versions"),
    }
)
"""Of these, to be without one may allow more than to have it."""
GUARDED: Final = frozenset(
    {
        *(".vscode", ".idea", ".devcontainer", ".husky", ".githooks", ".zed", ".helix", ".fleet"),
        *(".run", ".theia", ".cursor", ".gemini", ".codex", ".continue", ".mise", ".mvn"),
        *(".devcontainer.json", ".exrc", ".vimrc", ".nvimrc", ".nvim.lua", ".lvimrc"),
        *(".dir-locals.el", ".dir-locals-2.el", ".envrc", ".autoenv", ".autoenv.zsh", ".rvmrc"),
        *("mise.toml", ".mise.toml", "mise.local.toml", ".mise.local.toml", ".rtx.toml"),
        *("devbox.json", ".mcp.json", "opencode.json", "opencode.jsonc", ".aider.conf.yml"),
        *(".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", "bunfig.toml"),
        *(".pre-commit-config.yaml", "lefthook.yml", "lefthook-local.yml", ".lefthook.yml"),
        *(".gdbinit", ".lldbinit", ".Rprofile", ".irbrc", ".pryrc", ".pdbrc"),
        *("pinnace.toml", "pinnace.lock", ".claude-version", ".tool-versions"),
    }
)
"""At the top of a project, what no work there changes: read-only inside where it is not tracked."""
GUARDED_OF_CLAUDE: Final = ("settings.json", "settings.local.json", "hooks")
"""Likewise, in `.claude`."""

_ENDINGS: Final[dict[str, Rule]] = {
    ".code-workspace": Rule("VS Code", "takes tasks and paths of programs from it"),
    ".pth": Rule("Python", "runs it at every start"),
}
_IN_SITE_PACKAGES: Final = frozenset({"sitecustomize.py", "usercustomize.py"})

DIRECTORIES: Final[dict[str, Rule]] = {
    **_rules("VS Code", "runs its tasks, and programs that its settings name", ".vscode .theia"),
    **_rules("JetBrains", "run what it names when the project is opened", ".idea .fleet .run"),
    **_rules("dev containers", "run its initializeCommand here", ".devcontainer"),
    **_rules("Zed", "runs its tasks, and programs that its settings name", ".zed"),
    **_rules("Helix", "starts the language servers that it names", ".helix"),
    **_rules("Cursor", "starts the servers and hooks that it names", ".cursor"),
    **_rules("Gemini", "starts the servers and hooks that it names", ".gemini"),
    **_rules("Codex", "starts the servers and hooks that it names", ".codex"),
    **_rules("Continue", "starts the servers that it names", ".continue"),
    **_rules(
        "git hooks", "run it at commits, checkouts, pushes ...", ".husky .githooks .git-hooks"
    ),
    **_rules("mise", "runs its hooks when a shell enters", ".mise"),
    **_rules("yarn", "runs it", "releases plugins"),
    **_rules("cargo", "runs the programs that it names", ".cargo"),
    **_rules("Maven", "loads what it names when the project is opened", ".mvn"),
    **_rules("bundler", "goes by it", ".bundle"),
}
"""Directories by their names, wherever they lie: all that is in them."""
# Of these names, only in such a directory.
_PARENTS: Final = {"releases": ".yarn", "plugins": ".yarn"}
# What is in a directory and runs nothing: caches, and what editors keep of themselves.
_HARMLESS: Final = frozenset(
    {
        *("shelf", "httpRequests", "dataSources", "scopes", "dictionaries", "inspectionProfiles"),
        *("registry", "git", "target"),
    }
)
_OF_CLAUDE: Final = _rules(
    "Claude",
    "runs hooks and helpers that it names, and goes by its permissions",
    "settings.json settings.local.json",
)
_CLAUDES: Final = Rule("Claude", "runs the hooks that it names", "front_matter")
_CLAUDE_HOOKS: Final = Rule("Claude", "runs it if settings name it")
_OF_VENV: Final = Rule("editors and shells", "run it when the project is opened")
_VENV_PROGRAMS: Final = frozenset(
    {
        *("python", "python3", "pip", "activate", "activate.fish", "activate.csh", "Activate.ps1"),
        *("python.exe", "pip.exe", "activate.bat"),
    }
)
VENVS: Final = frozenset({".venv", "venv"})
_WRAPPER: Final = Rule("editors", "run it when the project is opened")


def rule(parts: Sequence[str]) -> Rule | None:
    """Return why a file is run, by its path below the workspace; None: it is not, by its name.

    Args:
        parts: of the path.
    """
    if GIT in parts:
        return _of_git(parts[len(parts) - tuple(reversed(parts)).index(GIT) :])
    name = parts[-1]
    if name in FILES:
        return FILES[name]
    for ending, found in _ENDINGS.items():
        if name.endswith(ending) and (ending != ".pth" or "site-packages" in parts):
            return found
    return _by_directory(parts, name)


def _by_directory(parts: Sequence[str], name: str) -> Rule | None:
    for place, directory in enumerate(parts[:-1]):
        found = DIRECTORIES.get(directory)
        parent = _PARENTS.get(directory)
        if found and (parent is None or parent in parts[max(0, place - 1) : place]):
            return None if _HARMLESS.intersection(parts[place + 1 :]) else found
    if ".claude" in parts[:-1]:
        return _of_claude(parts[parts.index(".claude") + 1 :])
    if name in _IN_SITE_PACKAGES and "site-packages" in parts:
        return _ENDINGS[".pth"]
    return _by_place(tuple(parts[-3:]))


def _by_place(last: tuple[str, ...]) -> Rule | None:
    """Return why a file is run, by the last three parts of its path."""
    *around, name = last
    if around[:1] and around[0] in VENVS and around[-1] in {"bin", "Scripts"}:
        return _OF_VENV if name in _VENV_PROGRAMS else None
    if around and around[-1] in VENVS and name == "pyvenv.cfg":
        return _OF_VENV
    if around == ["gradle", "wrapper"]:
        return _WRAPPER
    return FILES["mise.toml"] if last == (".config", "mise", "config.toml") else None


def _of_claude(below: Sequence[str]) -> Rule | None:
    if len(below) == 1:
        return _OF_CLAUDE.get(below[0])
    if below[0] == "hooks":
        return _CLAUDE_HOOKS
    known = below[0] in {"agents", "commands", "skills"} and below[-1].endswith(".md")
    return _CLAUDES if known else None


def _of_git(below: Sequence[str]) -> Rule | None:
    """Return why a file of a git directory is run; `below` is its path there."""
    return None if below and below[0] in NO_CONFIGURATION else of_git_directory(below)


def of_git_directory(below: Sequence[str]) -> Rule | None:
    """Return why a file of a git directory is run, of its own or of one that lies in it."""
    if not below:
        return REPOSITORY
    name = below[-1]
    if name in {"config", "config.worktree"}:
        return GIT_CONFIG
    if name == "commondir":
        return FORWARD
    if "hooks" in below[:-1]:
        return None if name.endswith(".sample") else HOOK
    return _ATTRIBUTES if tuple(below[-2:]) == ("info", "attributes") else None


def rule_of(path: str) -> Rule | None:
    """Return why a file is run, by its path below the workspace, with `/` between the parts."""
    return rule(path.split("/"))
