"""What of a project this machine would run, by name and by content."""

from __future__ import annotations

import json

import pytest

from pinnace.workspace import contents, executes

_RUN = [
    *(".git", "a/.git", ".git/config", ".git/hooks/pre-commit", ".git/info/attributes"),
    *(".git/config.worktree", ".git/commondir", ".git/modules/a/b/config"),
    *(".git/modules/x/hooks/post-checkout", ".git/worktrees/w/config.worktree", "v/x/.git/config"),
    *(".gitattributes", "a/.gitattributes", ".gitmodules", ".pre-commit-config.yaml"),
    *("lefthook.yml", ".husky/pre-commit", ".husky/_/husky.sh", ".githooks/pre-push"),
    *(".vscode/tasks.json", "pkg/.vscode/settings.json", "x.code-workspace", ".idea/workspace.xml"),
    *(".run/x.run.xml", ".devcontainer/devcontainer.json", ".devcontainer.json", ".zed/tasks.json"),
    *(".helix/languages.toml", ".exrc", ".nvim.lua", ".dir-locals.el", ".envrc", "a/b/.envrc"),
    *("mise.toml", ".config/mise/config.toml", ".rvmrc", ".env", "devbox.json"),
    *(".claude/settings.json", ".claude/settings.local.json", ".claude/hooks/x.sh", ".mcp.json"),
    *(
        ".claude/agents/a.md",
        ".claude/skills/s/SKILL.md",
        ".cursor/mcp.json",
        ".gemini/settings.json",
    ),
    *(
        "package.json",
        "packages/a/package.json",
        ".npmrc",
        ".yarnrc.yml",
        ".yarn/releases/yarn.cjs",
    ),
    *(".yarn/plugins/x.cjs", ".pnpmfile.cjs", "pyproject.toml", "build.rs", ".cargo/config.toml"),
    *("rust-toolchain.toml", "Directory.Build.props", "gradle/wrapper/gradle-wrapper.jar"),
    *(".mvn/extensions.xml", "eslint.config.js", ".prettierrc.js", ".gdbinit", ".Rprofile"),
    *(".venv/bin/python", ".venv/bin/activate", ".venv/pyvenv.cfg"),
    *(".venv/lib/python3.13/site-packages/x.pth", "v/site-packages/sitecustomize.py"),
    *("pinnace.toml", ".claude-version", ".tool-versions", "pinnace.lock"),
    *(".git/rebase-merge/git-rebase-todo", ".git/worktrees/w/rebase-merge/git-rebase-todo"),
    *(".git/rebase-merge/strategy", ".git/sequencer/opts", ".git/remotes/origin"),
    *(".GIT/Config", ".VSCode/tasks.json", ".g\u200cit/hooks/pre-commit", ".v\u017fcode/x"),
    *(".hg/hgrc", ".jj/repo/config.toml", "a/_darcs/prefs/defaults", ".lfsconfig"),
    *(".direnv/flake-profile-1.rc", ".direnv/python-3.13/bin/git", ".direnv/bin/x", ".envrc.local"),
    *("flake.nix", "devenv.nix", ".devbox/gen/x", "mise.dev.toml", "mise/config.toml"),
    *(".config/mise/conf.d/x.toml", ".venv/bin/git", "venv/bin/ls", ".venv/elsewhere/python3.13"),
    *(".venv/pip.conf", "binding.gyp", "composer.json", ".pnp.cjs", ".yarn/sdks/x/y.js"),
    *("Cargo.toml", "gradle.properties", "tools/bazel", ".bazelrc", "renv/activate.R", ".RData"),
    *(".prettierrc", ".eslintrc.json", "mypy.ini", ".pylintrc", "setup.cfg", ".rubocop.yml"),
    *("tailwind.config.js", "vitest.config.ts", "CMakePresets.json", "hie.yaml", ".ghci"),
    *(".claude/statusline.sh", ".opencode/plugin/x.ts", ".kiro/hooks/x", ".github/hooks/x.json"),
    *(".nova/x", ".vim/coc-settings.json", "x.sublime-project", ".lite_project.lua"),
    *(".idea/shelf/x/.vscode/tasks.json", "CONFIG/.Claude/Settings.json"),
]
_NOT_RUN = [
    *("README.md", "src/main.py", "Makefile", "setup.py", "conftest.py", "tests/test_x.py"),
    *(".git/HEAD", ".git/index", ".git/refs/heads/config", ".git/logs/refs/heads/hooks/x"),
    *(".git/hooks/pre-commit.sample", ".git/info/exclude", "hooks/pre-commit", "config"),
    *("releases/x", "plugins/x", ".yarn/cache/x.zip", ".idea/shelf/x.xml", "x.pth"),
    *(".claude/CLAUDE.md", ".venv/lib/python3.13/site-packages/x.py", "sitecustomize.py"),
    *("bin/python", ".cargo/registry/x", "bin/git", ".venv/bin/pytest", ".venv/lib/x/git"),
    *(".git/rebase-merge/done", ".git/refs/remotes/origin", ".github/workflows/x.yml"),
    *("mise.md", "releases/x.js", "sdks/x", "tools/x", "renv/x", "a/gen/x", ".direnv/x/lib/git"),
]


@pytest.mark.parametrize("path", _RUN)
def test_it_is_run(path: str) -> None:
    found = executes.rule_of(path)

    assert found is not None
    assert found.by
    assert found.why


@pytest.mark.parametrize("path", _NOT_RUN)
def test_it_is_not_run(path: str) -> None:
    assert executes.rule_of(path) is None


_PLAIN_CONFIG = b"""\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
[remote "origin"]
\turl = https://example.com/a.git
\tfetch = +refs/heads/*:refs/remotes/origin/*
[branch "main"]
\tremote = origin
\tmerge = refs/heads/main
[submodule "a"]
\tactive = true
\turl = git@example.com:a.git
[user]
\tname = Ada L.
\temail = ada@example.com
"""


def test_what_git_itself_writes_does_not_count() -> None:
    assert contents.git_config(_PLAIN_CONFIG) == b""


@pytest.mark.parametrize(
    "line",
    [
        b"[core]\n\tfsmonitor = ./x",
        b"[core] fsmonitor = ./x",
        b"[core]\n\thooksPath = .h",
        b"[core]\n\tsshCommand = x",
        b"[core]\n\tbare = false # \\\n",
        b"[core]\n\tbare",
        b'[branch "x"]\n\tremote = a\\\n\tb',
        b'[branch "x"] remote = a',
        b'[remote "x"]\n\turl = ext::sh -c evil',
        b'[remote "x"]\n\turl = "ext"::sh -c evil',
        b'[remote "x"]\n\turl = e\\\n\txt::sh -c evil',
        b'[remote "x"]\n\turl =   -uevil',
        b'[remote "x"]\n\tuploadpack = evil',
        b'[remote "x"]\n\tvcs = evil',
        b'[submodule "x"]\n\tupdate = !evil',
        b"[include]\n\tpath = ../x",
        b'[includeIf "gitdir:/"]\n\tpath = ../x',
        b"[alias]\n\tst = !evil",
        b'[filter "x"]\n\tclean = evil',
        b'[remote "x"]\n\turl = a ; b\\\n[core]\n\tfsmonitor = x',
        b"[CORE]\n\tFSMonitor = x",
        b"[core.x]\n\tfilemode = true",
        b'[remote "x\\"]\n\turl = a',
    ],
)
def test_what_names_a_program_counts(line: bytes) -> None:
    assert contents.git_config(_PLAIN_CONFIG + line) != b""


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (b"*.png binary\n*.sh text eol=lf", False),
        (b"*.py diff=python", False),
        (b"*.bin filter=lfs diff=lfs merge=lfs -text", False),
        (b"* filter=x", True),
        (b"[attr]foo merge=x", True),
        (b"*.doc diff=word", True),
    ],
)
def test_attributes_count_if_they_name_a_driver(line: bytes, *, counts: bool) -> None:
    assert bool(contents.attributes(line)) is counts


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("A=1\n# x\nexport B='two words'\n\n", False),
        ("A=$(evil)", True),
        ("A=`evil`", True),
        ("evil", True),
        ("A=1; evil", True),
        ("NODE_OPTIONS=--require=./x.js", True),
        ("export PATH=bin:$PATH", True),
        ("PYTHONPATH=x", True),
    ],
)
def test_an_env_file_counts_if_it_is_more_than_assignments(text: str, *, counts: bool) -> None:
    assert bool(contents.dotenv(text.encode())) is counts


@pytest.mark.parametrize(
    ("document", "counts"),
    [
        ({"name": "x", "dependencies": {"a": "1"}, "scripts": {"test": "x", "build": "y"}}, False),
        ({"scripts": {"postinstall": "evil"}}, True),
        ({"scripts": {"prepare": "husky"}}, True),
        ({"packageManager": "yarn@4"}, True),
        ({"devDependencies": {"@anthropic-ai/claude-code": "1"}}, True),
        ({"scripts": {"prepare": "npm run x", "x": "evil"}}, True),
        ([], False),
    ],
)
def test_a_package_counts_if_it_runs_by_itself(document: object, *, counts: bool) -> None:
    assert bool(contents.package_json(json.dumps(document).encode())) is counts


def test_what_cannot_be_understood_counts_as_a_whole() -> None:
    for judge in (contents.package_json, contents.pyproject):
        assert judge(b"{ build") == b"{ build"


def test_of_pyproject_the_build_system_and_pinnaces_table_count() -> None:
    assert contents.pyproject(b"[project]\nname = 'x'\n[tool.ruff]\n") == b""
    assert contents.pyproject(b"[build-system]\nrequires = ['x']\n") != b""
    assert contents.pyproject(b"[tool.pinnace.run]\nmemory = '1g'\n") != b""


def test_an_agent_counts_if_it_names_hooks() -> None:
    assert contents.front_matter(b"---\nname: x\n---\nsay hooks\n") == b""
    assert contents.front_matter(b"---\nname: x\nhooks:\n  Stop: evil\n---\n") != b""


@pytest.mark.parametrize("name", ["x", "prex", "y:z"])
def test_what_a_script_starts_counts_too(name: str) -> None:
    document = {"scripts": {"postinstall": "npm run x && run-s y:*", "test": "x"}}
    before = contents.package_json(json.dumps(document).encode())
    document["scripts"][name] = "evil"

    assert contents.package_json(json.dumps(document).encode()) != before


@pytest.mark.parametrize(
    ("judge", "text", "counts"),
    [
        ("composer_json", '{"require": {"a": "1"}, "scripts": {"test": "x"}}', False),
        ("composer_json", '{"scripts": {"post-install-cmd": "@x", "x": "evil"}}', True),
        ("composer_json", '{"config": {"allow-plugins": true}}', True),
        ("composer_json", '{"repositories": [{"type": "path", "url": "x"}]}', True),
        ("composer_json", "{", True),
        ("composer_json", "[]", False),
        ("cargo", "[package]\nname = 'x'\n[build-dependencies]\ncc = '1'\n", False),
        ("cargo", "package.build = 'src/x.rs'", True),
        ("cargo", '"pack\\u0061ge"."buil\\u0064" = "x.rs"', True),
        ("cargo", "[lib]\nproc-macro = true", True),
        ("cargo", "[package]\nbuild", True),
        ("cargo", "package = 1 # build", False),
        ("linters", "[metadata]\nname = x\n[mypy]\nstrict = True\n", False),
        ("linters", "[mypy]\nplugins = ./evil.py\n", True),
        ("linters", "[MAIN]\ninit-hook = evil\n", True),
        ("linters", "[flake8:local-plugins]\npaths =\n  ./x\n", True),
        ("linters", "no section", True),
        ("pyproject", "[tool.pylint.main]\ninit-hook = 'evil'", True),
        ("pyproject", "[tool.mypy]\nplugins = ['./evil.py']", True),
        ("pyproject", "[tool.mypy]\nstrict = true\n[project]\ndescription = 'index'", False),
        ("pyproject", "[[tool.uv.index]]\nurl = 'https://evil.example'", True),
        ("rebase_todo", "pick 1 x\nbreak\n# exec x\n", False),
        ("rebase_todo", "pick 1 x\n  x\tevil\n", True),
        ("strategy", "ort\n", False),
        ("strategy", "../x\n", True),
        ("strategy", "[options]/../x\n", True),
        ("picking", "[options]\n\tedit = true\n\tstrategy = ort\n", False),
        ("picking", "[options]\n\tStrategy=../x\n", True),
        ("front_matter", "---\nname: x\nallowed-tools: Bash\n---\n", True),
        ("front_matter", "---\n'mcpServers': {}\n---\n", True),
        ("front_matter", '---\n"\\x68ooks": {}\n---\n', True),
    ],
)
def test_what_counts_of_a_file(judge: str, text: str, *, counts: bool) -> None:
    assert bool(getattr(contents, judge)(text.encode())) is counts
