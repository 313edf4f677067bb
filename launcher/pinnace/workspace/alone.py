"""What git, editors, shells, agents and consoles run of a project without being asked: data.

A row for each program; what no work there changes every day. `tools` goes on with package managers
and languages, `builds` has what is run by the next build.
"""

from __future__ import annotations

from typing import Final

from pinnace.workspace.rules import Row, with_endings

_GIT_HOOKS: Final = "runs it at commits, checkouts, pushes ..."
_AT_COMMITS: Final = "runs what it names at each commit"
_ENTERED: Final = "run it when a shell enters"
_OPENED: Final = "runs it when the project is opened"
_NAMES_SERVERS: Final = "starts the servers and hooks that it names"

GIT: Final = (
    Row(
        "git",
        "has files changed by the filters that it names",
        files=".gitattributes",
        judge="attributes",
        source="https://git-scm.com/docs/gitattributes",
    ),
    Row(
        "git",
        "fetches submodules from where it says",
        files=".gitmodules",
        source="https://git-scm.com/docs/gitmodules",
    ),
    Row("git-lfs", "fetches and pushes large files where it says", files=".lfsconfig"),
    Row(
        "git",
        _GIT_HOOKS,
        directories=".husky .githooks .git-hooks .cargo-husky",
        source="https://git-scm.com/docs/githooks",
    ),
    Row(
        "pre-commit",
        _AT_COMMITS,
        files=".pre-commit-config.yaml .pre-commit-config.yml prek.toml",
        source="https://pre-commit.com",
    ),
    Row(
        "lefthook",
        _AT_COMMITS,
        files="lefthook.yml lefthook.yaml lefthook.toml lefthook.json lefthook-local.yml "
        "lefthook-local.yaml lefthook-local.toml lefthook-local.json .lefthook.yml .lefthook.yaml "
        ".lefthook.toml .lefthook.json .lefthook-local.yml .lefthook-local.yaml "
        ".lefthook-local.toml .lefthook-local.json",
        source="https://lefthook.dev/configuration",
    ),
    Row(
        "husky, simple-git-hooks, Overcommit and their kin",
        "run what it names at each commit",
        files=with_endings(".huskyrc .simple-git-hooks simple-git-hooks", "json js cjs mjs yml")
        + ".overcommit.yml .rusty-hook.toml captainhook.json grumphp.yml grumphp.yml.dist "
        "hk.pkl .hk.pkl",
    ),
    Row(
        "lint-staged",
        _AT_COMMITS,
        files=with_endings(
            ".lintstagedrc lint-staged.config", "json js mjs cjs ts mts cts yml yaml"
        ),
        source="https://github.com/lint-staged/lint-staged",
    ),
    Row(
        "commitlint, Commitizen and gitlint",
        "are run at each commit, and run it",
        files=with_endings(".commitlintrc commitlint.config", "js cjs mjs ts mts cts")
        + ".czrc .cz-config.js .cz.toml cz.toml .cz.json cz.json .cz.yaml cz.yaml .gitlint",
    ),
    Row(
        "Mercurial and its kin",
        "run the hooks and programs that it names",
        placed=".hg/hgrc .hg/hgrc-not-shared .hg/sharedpath .sl/config .sl/sharedpath .jj/repo "
        ".jj/repo/config.toml _darcs/prefs/defaults",
    ),
    Row("DVC", "fetches and pushes data where it says", placed=".dvc/config .dvc/config.local"),
)
EDITORS: Final = (
    Row(
        "VS Code",
        "runs its tasks, and programs that its settings name",
        directories=".vscode .theia",
        endings=".code-workspace",
        source="https://code.visualstudio.com/docs/debugtest/tasks",
    ),
    Row(
        "Visual Studio",
        "runs tasks and programs that it names",
        files="tasks.vs.json launch.vs.json cppproperties.json",
        directories=".vs",
        source="https://learn.microsoft.com/visualstudio/ide/"
        "customize-build-and-debug-tasks-in-visual-studio",
    ),
    Row(
        "JetBrains",
        "run what it names when the project is opened",
        directories=".idea .fleet .run",
        endings=".ipr .iws",
        source="https://www.jetbrains.com/help/idea/settings-tools-startup-tasks.html",
    ),
    Row(
        "dev containers",
        "run its initializeCommand here",
        files=".devcontainer.json",
        directories=".devcontainer",
        source="https://containers.dev/implementors/json_reference",
    ),
    Row(
        "Zed",
        "runs its tasks, and programs that its settings name",
        directories=".zed",
        source="https://zed.dev/docs/configuring-zed",
    ),
    Row(
        "Helix",
        "starts the language servers that it names",
        directories=".helix",
        source="https://docs.helix-editor.com/languages.html",
    ),
    Row(
        "Sublime Text",
        "starts the language servers that it names",
        endings=".sublime-project",
        source="https://www.sublimetext.com/docs/projects.html",
    ),
    Row(
        "Vim",
        "reads it in its directory (exrc)",
        files=".exrc .vimrc .gvimrc _vimrc _exrc .nvimrc .nvim.lua .lvimrc .lazy.lua "
        ".vimrc.local .local.vimrc .vimrc_local .localvimrc",
        source="https://neovim.io/doc/user/options.html#'exrc'",
    ),
    Row(
        "Vim",
        "starts what it names",
        files=".neoconf.json .ycm_extra_conf.py .vimspector.json",
        directories=".vim .nvim .nlsp-settings",
    ),
    Row("Lite XL", _OPENED, files=".lite_project.lua"),
    Row(
        "Emacs",
        "evaluates it with each file",
        files=".dir-locals.el .dir-locals-2.el",
        source="https://www.gnu.org/software/emacs/manual/html_node/emacs/Directory-Variables.html",
    ),
    Row("Nova", "runs its tasks", directories=".nova"),
    Row(
        "Eclipse",
        "runs the builders and processors that it names",
        files=".project .factorypath",
        directories=".externalToolBuilders .settings",
        source="https://help.eclipse.org/latest/topic/org.eclipse.platform.doc.isv/reference/misc/"
        "project_description_file.html",
    ),
    Row(
        "NetBeans, KDevelop and Qt Creator",
        "run what it names",
        directories="nbproject .kdev4 .qtcreator",
        endings=".kdev4 .user",
    ),
    Row("Joyride and Calva", "run it when the project is opened", directories=".joyride .calva"),
    Row(
        "clojure-lsp",
        "runs the programs that it names",
        directories=".lsp",
        source="https://clojure-lsp.io/settings",
    ),
    Row("Trunk and qlty", "run the linters that it names", directories=".trunk .qlty"),
)
SHELLS: Final = (
    Row(
        "direnv",
        "runs it when a shell enters",
        files=".envrc",
        source="https://direnv.net",
    ),
    Row(
        "direnv",
        "runs it when a shell enters, if .envrc says so",
        beginnings=".envrc.",
    ),
    Row("shells", _ENTERED, files=".autoenv .autoenv.zsh .autoenv_leave.zsh .rvmrc"),
    Row(
        "shells",
        "read it when they enter, if they have a plugin",
        files=".env",
        judge="dotenv",
    ),
    Row("Shadowenv and Flox", _ENTERED, directories=".shadowenv.d .flox"),
    Row(
        "mise",
        "runs its hooks when a shell enters",
        files="mise.toml .mise.toml mise.local.toml .mise.local.toml .rtx.toml .miserc.toml",
        directories=".mise .config/mise",
        placed="mise/config.toml",
        beginnings="mise.*.toml .mise.*.toml",
        source="https://mise.jdx.dev/hooks.html",
    ),
    Row("devbox", "runs its hooks when a shell enters", files="devbox.json"),
    Row(
        "direnv",
        "has nix run its hooks when a shell enters, if .envrc says so",
        files="flake.nix shell.nix default.nix devenv.nix devenv.yaml devenv.local.nix "
        "devenv.local.yaml devshell.toml",
    ),
    Row("direnv and devenv", _ENTERED, directories=".devenv .devbox/gen .direnv/bin"),
    Row(
        "pixi",
        "runs what it names when a shell or an editor enters",
        files="pixi.toml",
        judge="pixi",
        source="https://pixi.sh/latest/reference/pixi_manifest",
    ),
    Row(
        "version managers",
        "run the version that it names",
        files=".nvmrc .node-version .python-version .ruby-version .java-version .go-version "
        ".terraform-version .opentofu-version .swift-version .jabbarc .sdkmanrc .crystal-version",
        judge="version",
    ),
    Row(
        "aqua, proto, pkgx and Hermit",
        "run the programs that it names, by their shims",
        files="aqua.yaml .aqua.yaml aqua.yml .aqua.yml .prototools pkgx.yaml .pkgx.yaml hermit.hcl",
    ),
)
AGENTS: Final = (
    Row(
        "Claude",
        "starts the servers that it names",
        files=".mcp.json",
        source="https://code.claude.com/docs/en/mcp",
    ),
    Row("OpenCode", "starts what it names", files="opencode.json opencode.jsonc"),
    Row("Crush", "starts what it names", files="crush.json .crush.json"),
    Row("Aider", "runs what it names", files=".aider.conf.yml"),
    Row("Cursor", _NAMES_SERVERS, directories=".cursor", source="https://cursor.com/docs"),
    Row(
        "Gemini",
        _NAMES_SERVERS,
        directories=".gemini",
        source="https://github.com/google-gemini/gemini-cli",
    ),
    Row(
        "Codex", _NAMES_SERVERS, directories=".codex", source="https://developers.openai.com/codex"
    ),
    Row(
        "agents",
        "start servers, hooks and plugins that are in it or that it names",
        directories=".continue .roo .kilocode .windsurf .amazonq .kiro .trae .opencode .qwen "
        ".junie .factory .github/hooks .clinerules/hooks .augment .pi .openhands .vibe .codebuddy "
        ".iflow .goose",
    ),
)
PINNACE: Final = (
    Row("Pinnace", "goes by it at each launch", files="pinnace.toml pinnace.lock .claude-version"),
    Row("Pinnace, mise and asdf", "run the version that it names", files=".tool-versions"),
)
CONSOLES: Final = (
    Row(
        "consoles and debuggers",
        "run it when they start in its directory",
        files=".Rprofile .Renviron .RData .irbrc .pryrc .gdbinit .lldbinit .pdbrc .pdbrc.py "
        ".byebugrc .rdbgrc .rdbgrc.rb .perldb .ghci .ocamlinit .utoprc .iex.exs .erlang "
        ".psysh.php .octaverc startup.m finish.m ipython_config.py jupyter_config.py "
        "jupyter_config.json jupyter_notebook_config.py jupyter_notebook_config.json "
        "jupyter_server_config.py jupyter_server_config.json jupyter_lab_config.py "
        "jupyter_lab_config.json",
    ),
    Row(
        "R and RStudio",
        "run it when they start, or what it names",
        placed="renv/activate.R",
        endings=".Rproj",
    ),
    Row("PHP in a web server", "goes by it", files=".user.ini"),
)
ROWS: Final = GIT + EDITORS + SHELLS + AGENTS + PINNACE + CONSOLES
