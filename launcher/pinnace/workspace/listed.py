"""What this machine would run of a project, by names: tables that `executes` and `names` go by.

Who works in a project on a host starts git, an editor, a shell, package managers and Claude there;
each reads files of the project, and runs what these say. Two levels: what is run without being
asked for (`alone`, `tools`), which a launch says at its end; and what the next build runs
(`builds`), which is the project itself, and shown on request. Not here is what somebody has to name
to have it run, and that has no name of its own: a script, a test, code.
"""

from __future__ import annotations

from typing import Final

from pinnace.workspace import alone, builds, rules, tools
from pinnace.workspace.rules import Rule

GIT: Final = ".git"
NO_CONFIGURATION: Final = frozenset({"objects", "refs", "logs", "lfs", "rr-cache", "annex", "svn"})
"""Of a git directory: what lies there may have any name."""
ROWS: Final = (*builds.ROWS, *alone.ROWS, *tools.ROWS)
"""All of them; of two that have the same name, the later one counts."""

HOOK: Final = Rule("git", "runs it at commits, checkouts, pushes ...")
GIT_CONFIG: Final = Rule("git", "runs the programs that it names", "git_config")
FORWARD: Final = Rule("git", "takes configuration and hooks from where it leads")
ATTRIBUTES: Final = Rule("git", "has files changed by the filters that it names", "attributes")
REPOSITORY: Final = Rule("git", "goes by the repository that it leads to")

FILES: Final = rules.by_name(ROWS, "files")
"""Files by their names, wherever they lie; names are folded, as file systems may do."""
PLACED: Final = rules.by_name(ROWS, "placed")
"""Files by the last two or three parts of their paths."""
BEGINNINGS: Final = rules.beginnings(ROWS)
"""How files' names begin, with how they end."""
ENDINGS: Final = rules.by_name(ROWS, "endings")
"""Of files' names, from the last dot on."""
DIRECTORIES: Final = rules.by_name(ROWS, "directories")
"""Directories by their names, or by two, wherever they lie: all that is in them."""
OF_OBJ: Final = Rule("MSBuild", "runs it when the project is opened", "msbuild")
"""Of `obj`, what MSBuild takes from there by itself; NuGet writes some of it, too."""
LOSSES: Final = frozenset(
    {
        *(".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", "bunfig.toml"),
        *("settings.json", "settings.local.json", "uv.toml", ".bazelversion"),
        *("pinnace.toml", "pinnace.lock", ".claude-version", ".tool-versions"),
    }
)
"""Of these, to be without one may allow more than to have it."""
GUARDED: Final = frozenset(
    {
        *(".vscode", ".idea", ".devcontainer", ".husky", ".githooks", ".zed", ".helix", ".fleet"),
        *(".run", ".theia", ".cursor", ".gemini", ".codex", ".continue", ".mise", ".mvn"),
        *(".nova", ".vim", ".vs", ".roo", ".kilocode", ".windsurf", ".amazonq", ".kiro", ".trae"),
        *(".opencode", ".qwen", ".junie", ".factory", ".crush.json", "crush.json"),
        *(".devcontainer.json", ".exrc", ".vimrc", ".nvimrc", ".nvim.lua", ".lvimrc"),
        *(".dir-locals.el", ".dir-locals-2.el", ".envrc", ".autoenv", ".autoenv.zsh", ".rvmrc"),
        *("mise.toml", ".mise.toml", "mise.local.toml", ".mise.local.toml", ".rtx.toml"),
        *("devbox.json", ".mcp.json", "opencode.json", "opencode.jsonc", ".aider.conf.yml"),
        *(".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", "bunfig.toml"),
        *(".pre-commit-config.yaml", "lefthook.yml", "lefthook-local.yml", ".lefthook.yml"),
        *(".gdbinit", ".lldbinit", ".Rprofile", ".irbrc", ".pryrc", ".pdbrc", ".ghci"),
        *(".lazy.lua", ".nvim", ".lsp", ".joyride", ".calva", ".flox", ".shadowenv.d", ".trunk"),
        *(".sourcekit-lsp", ".qtcreator", ".pi", ".augment", ".openhands", ".vibe", ".iflow"),
        *(
            ".codebuddy",
            ".goose",
            ".neoconf.json",
            ".lite_project.lua",
            ".envrc.local",
            ".envrc.private",
        ),
        *("pinnace.toml", "pinnace.lock", ".claude-version", ".tool-versions"),
    }
)
"""At the top of a project, what no work there changes: read-only inside where it is not tracked."""
GUARDED_OF_CLAUDE: Final = ("settings.json", "settings.local.json", "hooks")
"""Likewise, in `.claude`."""

MADE: Final = frozenset(
    {
        *("vendor", "deps", "pods", "carthage", "bower_components", "cmakefiles", "target", "obj"),
        *("build", "_build", ".build", "dist-newstyle", ".stack-work", ".tox", ".nox", ".eggs"),
        *("_deps", "elm-stuff", ".dart_tool", ".gradle", "_opam", "out", "dist"),
    }
)
"""Directories of what was built or installed: build files in them are nobody's work."""
IN_SITE_PACKAGES: Final = frozenset({"sitecustomize.py", "usercustomize.py"})

# What is in a directory and runs nothing: caches, and what editors keep of themselves.
HARMLESS: Final = frozenset(
    {
        *("shelf", "httpRequests", "dataSources", "scopes", "dictionaries", "inspectionProfiles"),
        *("registry", "git", "target"),
    }
)
_SETTINGS: Final = Rule(
    "Claude", "runs hooks and helpers that it names, and goes by its permissions"
)
OF_CLAUDE: Final = {
    "settings.json": _SETTINGS,
    "settings.local.json": _SETTINGS,
    "scheduled_tasks.json": Rule("Claude", "does what it says, at the times that it says"),
    "launch.json": Rule("Claude's desktop application", "starts the servers that it names"),
}
CLAUDES: Final = Rule("Claude", "runs the hooks that it names", "front_matter")
CLAUDE_HOOKS: Final = Rule("Claude", "runs it if settings name it")
OF_VENV: Final = Rule("editors and shells", "run it when the project is opened")
# What a shell that has such a directory in front of its path, or an editor, starts by these names.
_SHADOWED: Final = (
    "[ awk bash brew bzip2 cat cargo chmod claude clear cmake code cp curl cut date df diff "
    "dirname docker du echo emacs env expr false find gcc gh git go grep gunzip gzip head "
    "hostname id java kill kubectl less ln ls make man mkdir mktemp more mv nano node npm npx "
    "nvim open patch pinnace pnpm podman printf ps pwd readlink rm rmdir rsync ruby rustc scp "
    "sed seq sh sleep sort ssh stat su sudo tail tar tee terraform test time top touch tr "
    "true tty uname uniq unzip vi vim watch wc wget which whoami xargs xdg-open yarn zip zsh"
)
VENV_PROGRAMS: Final = frozenset(
    {
        *("pip", "activate", "activate.fish", "activate.csh", "activate.ps1", "activate.bat"),
        *("pip.exe", "pip3", "deactivate"),
        *_SHADOWED.split(),
    }
)
VENVS: Final = frozenset({".venv", "venv"})
TODO: Final = Rule("git", "runs its lines at the next `git rebase --continue`", "rebase_todo")
STRATEGY: Final = Rule("git", "runs the program that it names when it goes on", "strategy")
PICKING: Final = Rule("git", "runs the program that it names when it goes on", "picking")
REMOTES: Final = Rule("git", "fetches and pushes where it says")
TELLING: Final = frozenset(
    {
        *(name.partition("/")[0] for name in (*DIRECTORIES, *PLACED)),
        *(".claude", *VENVS, ".direnv", "site-packages"),
    }
)
"""Below a directory of one of these names, a file's name alone does not tell."""
