"""What this machine would run of a project, by names: data, which `executes` and `names` go by.

Who works in a project on a host starts git, an editor, a shell, package managers and Claude there;
each reads files of the project, and runs what these say. Not here is what somebody has to name to
have it run: a Makefile, a test, a build script. Those are the project itself.
"""

from __future__ import annotations

from typing import Final

from pinnace_core.tuples import NamedTuple

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
    return dict.fromkeys(names.casefold().split(), Rule(by, why, judge))


def _of(names: str, endings: str) -> str:
    """Return names as they are, and with each ending."""
    return "".join(f"{n} {' '.join(f'{n}.{e}' for e in endings.split())} " for n in names.split())


HOOK: Final = Rule("git", "runs it at commits, checkouts, pushes ...")
GIT_CONFIG: Final = Rule("git", "runs the programs that it names", "git_config")
FORWARD: Final = Rule("git", "takes configuration and hooks from where it leads")
ATTRIBUTES: Final = Rule("git", "has files changed by the filters that it names", "attributes")
REPOSITORY: Final = Rule("git", "goes by the repository that it leads to")
_PACKAGE: Final = Rule("npm", "runs its scripts at each install", "package_json")

FILES: Final[dict[str, Rule]] = {
    # git, and what its hooks start
    **_rules(
        "git", "has files changed by the filters that it names", ".gitattributes", "attributes"
    ),
    **_rules("git", "fetches submodules from where it says", ".gitmodules"),
    **_rules("git-lfs", "fetches and pushes large files where it says", ".lfsconfig"),
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
    **_rules(
        "commitlint",
        "is run at each commit, and runs it",
        ".commitlintrc .commitlintrc.js .commitlintrc.cjs .commitlintrc.mjs .commitlintrc.ts "
        "commitlint.config.js commitlint.config.cjs commitlint.config.mjs commitlint.config.ts",
    ),
    # editors
    **_rules("dev containers", "run its initializeCommand here", ".devcontainer.json"),
    **_rules(
        "Vim",
        "reads it in its directory (exrc)",
        ".exrc .vimrc .gvimrc _vimrc _exrc .nvimrc .nvim.lua .lvimrc",
    ),
    **_rules("Vim", "starts what it names", ".neoconf.json .ycm_extra_conf.py"),
    **_rules("Lite XL", "runs it when the project is opened", ".lite_project.lua"),
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
    **_rules(
        "direnv",
        "has nix run its hooks when a shell enters, if .envrc says so",
        "flake.nix shell.nix default.nix devenv.nix devenv.yaml devenv.local.nix devshell.toml",
    ),
    # Claude, and its like
    **_rules("Claude", "starts the servers that it names", ".mcp.json"),
    **_rules("OpenCode", "starts what it names", "opencode.json opencode.jsonc"),
    **_rules("Crush", "starts what it names", "crush.json .crush.json"),
    **_rules("Aider", "runs what it names", ".aider.conf.yml"),
    # package managers and languages
    "package.json": _PACKAGE,
    **_rules("npm", "runs and loads what it names", ".npmrc"),
    **_rules("npm", "has it built at each install", "binding.gyp"),
    **_rules("yarn", "runs the program that it names", ".yarnrc .yarnrc.yml"),
    **_rules("yarn", "loads it whenever it starts", ".pnp.cjs .pnp.js .pnp.loader.mjs"),
    **_rules("pnpm", "runs it at each install", ".pnpmfile.cjs .pnpmfile.mjs"),
    **_rules("pnpm", "lets packages run scripts", "pnpm-workspace.yaml"),
    **_rules("bun", "loads what it names", "bunfig.toml"),
    **_rules("composer", "runs its scripts at each install", "composer.json", "composer_json"),
    **_rules("uv", "installs from where it says", "uv.toml"),
    **_rules("bazel", "goes by it at each start", ".bazelrc .bazelversion .bazeliskrc"),
    **_rules("Gradle", "takes the arguments of its programs from it", "gradle.properties"),
    **_rules("sbt", "takes the arguments of its programs from it", ".jvmopts .sbtopts"),
    **_rules("pip and uv", "run the build system that it names", "pyproject.toml", "pyproject"),
    **_rules("rustup", "runs the toolchain that it names", "rust-toolchain.toml rust-toolchain"),
    **_rules("rust-analyzer", "runs it when the project is opened", "build.rs"),
    **_rules("rust-analyzer", "runs the program that it names", "Cargo.toml", "cargo"),
    **_rules("Haskell's language server", "runs what it names", "hie.yaml"),
    **_rules(
        "CMake",
        "is run by editors, and runs what it names",
        "CMakePresets.json",
    ),
    **_rules("CMake", "is run by editors, and runs what it names", "CMakeUserPresets.json"),
    **_rules(
        "MSBuild",
        "runs it when the project is opened",
        "Directory.Build.props Directory.Build.targets Directory.Build.rsp nuget.config",
    ),
    **_rules(
        "linters and formatters",
        "are run by editors, and load what it is or names",
        _of(".eslintrc", "js cjs json yml yaml")
        + _of("eslint.config", "js mjs cjs ts mts cts")
        + _of(".prettierrc", "json json5 yml yaml toml js cjs mjs ts mts cts")
        + _of("prettier.config", "js cjs mjs ts mts cts")
        + _of(".stylelintrc", "json yml yaml js cjs mjs")
        + _of("stylelint.config", "js cjs mjs")
        + _of(".markdownlint", "js cjs mjs json jsonc yaml")
        + _of(".markdownlint-cli2", "cjs mjs jsonc yaml")
        + _of("tailwind.config svelte.config graphql.config .graphqlrc", "js cjs mjs ts")
        + ".rubocop.yml .solargraph.yml .standard.yml .pylintrc pylintrc .pylintrc.toml "
        "pylintrc.toml mypy.ini .mypy.ini .flake8 .php-cs-fixer.php .php-cs-fixer.dist.php "
        ".formatter.exs .credo.exs phpstan.neon phpstan.neon.dist psalm.xml ansible.cfg "
        ".ansible-lint .perlcriticrc",
    ),
    **_rules(
        "linters", "are run by editors, and load what it names", "setup.cfg tox.ini", "linters"
    ),
    **_rules(
        "test explorers",
        "are run by editors, and run it",
        _of("jest.config vitest.config vitest.workspace", "js cjs mjs ts mts cts"),
    ),
    **_rules(
        "consoles and debuggers",
        "run it when they start in its directory",
        ".Rprofile .Renviron .RData .irbrc .pryrc .gdbinit .lldbinit .pdbrc .byebugrc .rdbgrc "
        ".perldb .ghci .ocamlinit .iex.exs .erlang .psysh.php .octaverc",
    ),
    # Pinnace
    **_rules("Pinnace", "goes by it at each launch", "pinnace.toml pinnace.lock .claude-version"),
    **_rules("Pinnace, mise and asdf", "run the version that it names", ".tool-versions"),
}
"""Files by their names, wherever they lie; names are folded, as file systems may do."""
PLACED: Final[dict[str, Rule]] = {
    **_rules(
        "Mercurial and its kin",
        "run the hooks and programs that it names",
        ".hg/hgrc .hg/hgrc-not-shared .hg/sharedpath .sl/config .sl/sharedpath .jj/repo "
        ".jj/repo/config.toml _darcs/prefs/defaults",
    ),
    **_rules("mise", "runs its hooks when a shell enters", "mise/config.toml"),
    **_rules("bazel", "is started by it", "tools/bazel"),
    **_rules("R", "runs it when it starts, if .Rprofile says so", "renv/activate.R"),
}
"""Files by the last two or three parts of their paths."""
BEGINNINGS: Final[dict[str, Rule]] = {
    ".envrc.": Rule("direnv", "runs it when a shell enters, if .envrc says so"),
    "mise.": FILES["mise.toml"],
    ".mise.": FILES["mise.toml"],
}
"""Of files' names."""
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
        *(".neoconf.json", ".lite_project.lua", ".envrc.local", ".envrc.private"),
        *("pinnace.toml", "pinnace.lock", ".claude-version", ".tool-versions"),
    }
)
"""At the top of a project, what no work there changes: read-only inside where it is not tracked."""
GUARDED_OF_CLAUDE: Final = ("settings.json", "settings.local.json", "hooks")
"""Likewise, in `.claude`."""

ENDINGS: Final[dict[str, Rule]] = {
    ".code-workspace": Rule("VS Code", "takes tasks and paths of programs from it"),
    ".sublime-project": Rule("Sublime Text", "starts the language servers that it names"),
    ".pth": Rule("Python", "runs it at every start"),
}
"""Of files' names."""
IN_SITE_PACKAGES: Final = frozenset({"sitecustomize.py", "usercustomize.py"})

DIRECTORIES: Final[dict[str, Rule]] = {
    **_rules(
        "VS Code", "runs its tasks, and programs that its settings name", ".vscode .theia .vs"
    ),
    **_rules("JetBrains", "run what it names when the project is opened", ".idea .fleet .run"),
    **_rules("dev containers", "run its initializeCommand here", ".devcontainer"),
    **_rules("Zed", "runs its tasks, and programs that its settings name", ".zed"),
    **_rules("Helix", "starts the language servers that it names", ".helix"),
    **_rules("Cursor", "starts the servers and hooks that it names", ".cursor"),
    **_rules("Gemini", "starts the servers and hooks that it names", ".gemini"),
    **_rules("Codex", "starts the servers and hooks that it names", ".codex"),
    **_rules(
        "agents",
        "start servers, hooks and plugins that are in it or that it names",
        ".continue .roo .kilocode .windsurf .amazonq .kiro .trae .opencode .qwen .junie .factory "
        ".github/hooks",
    ),
    **_rules("Vim", "starts the language servers that it names", ".vim"),
    **_rules("Nova", "runs its tasks", ".nova"),
    **_rules(
        "git hooks", "run it at commits, checkouts, pushes ...", ".husky .githooks .git-hooks"
    ),
    **_rules("mise", "runs its hooks when a shell enters", ".mise .config/mise"),
    **_rules("direnv and devenv", "run it when a shell enters", ".devenv .devbox/gen .direnv/bin"),
    **_rules("yarn", "runs it", ".yarn/releases .yarn/plugins .yarn/sdks"),
    **_rules("editors", "run it when the project is opened", "gradle/wrapper"),
    **_rules("cargo", "runs the programs that it names", ".cargo"),
    **_rules("Maven", "loads what it names when the project is opened", ".mvn"),
    **_rules("bundler", "goes by it", ".bundle"),
}
"""Directories by their names, or by two, wherever they lie: all that is in them."""
# What is in a directory and runs nothing: caches, and what editors keep of themselves.
HARMLESS: Final = frozenset(
    {
        *("shelf", "httpRequests", "dataSources", "scopes", "dictionaries", "inspectionProfiles"),
        *("registry", "git", "target"),
    }
)
OF_CLAUDE: Final = _rules(
    "Claude",
    "runs hooks and helpers that it names, and goes by its permissions",
    "settings.json settings.local.json",
)
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
