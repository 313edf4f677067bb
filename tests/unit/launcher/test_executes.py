"""What of a project this machine would run, by name and by content."""

from __future__ import annotations

import json

import pytest

from pinnace.workspace import contents, executes, listed, rules

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
    *(".bsp/mill.json", "a/.bloop/a.json", "gradlew", "mvnw.cmd", ".lazy.lua", ".lsp/config.edn"),
    *("tsconfig.json", "tsconfig.app.json", "compile_commands.json", "build/compile_commands.json"),
    *("go.mod", "go.work", ".golangci.yml", "analysis_options.yaml", "package-lock.json"),
    *(".nvmrc", "x.csproj.user", "obj/x.csproj.evil.targets", "x.runsettings", "ci.bazelrc"),
    *(".terraform/providers/a/b/terraform-provider-x_v1", "lib/ruby_lsp/x/addon.rb", ".merlin"),
    *(".clinerules/hooks/PreToolUse", ".claude/scheduled_tasks.json", ".claude/launch.json"),
    *(".vscode/Makefile", ".husky/conftest.py", ".envrc.", ".VSCode./tasks.json", "startup.m"),
    *("lean-toolchain", "rust-project.json", "treefmt.toml", "hk.pkl", ".swiftpm/configuration/x"),
]
_BUILT = [
    *("build.gradle", "app/build.gradle.kts", "settings.gradle", "pom.xml", "CMakeLists.txt"),
    *("cmake/x.cmake", "Makefile", "GNUmakefile", "x.mk", "meson.build", "a/b.csproj", "x.sln"),
    *(
        "Package.swift",
        "Gemfile",
        "x.gemspec",
        "Rakefile",
        "mix.exs",
        "x.cabal",
        "dune",
        "setup.py",
    ),
    *("conftest.py", "noxfile.py", "vite.config.ts", "webpack.config.js", "Dockerfile", "justfile"),
    *(
        "Dockerfile.dev",
        "compose.yaml",
        "BUILD.bazel",
        "x.bzl",
        "MODULE.bazel",
        "deno.json",
        "x.pro",
    ),
    *("project.clj", "build.zig", "phpunit.xml", "Directory.Packages.props", "buildSrc/x.gradle"),
]
_NOT_RUN = [
    *("README.md", "src/main.py", "x/main.tf", "tests/test_x.py"),
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
    assert found.level == ""


@pytest.mark.parametrize("path", _BUILT)
def test_it_is_run_by_the_next_build(path: str) -> None:
    found = executes.rule_of(path)

    assert found is not None
    assert found.level == rules.BUILD


def test_no_row_of_the_tables_goes_by_the_wrong_name() -> None:
    names = ("files", "directories", "endings", "placed", "beginnings")
    for row in listed.ROWS:
        words = {kind: getattr(row, kind).split() for kind in names}
        assert any(words.values()), row
        assert not any("/" in word for word in words["files"]), row
        assert all(word.startswith(".") and word.count(".") == 1 for word in words["endings"]), row
        assert all("/" in word for word in words["placed"]), row
        assert row.judge in {"", *contents.JUDGES}, row
        assert row.level in {"", rules.BUILD}, row
        assert row.source.startswith("https://") or not row.source, row


def test_what_is_run_unasked_has_no_second_row() -> None:
    for kind in ("files", "directories", "endings", "placed"):
        words = [w.casefold() for row in listed.ROWS for w in getattr(row, kind).split()]
        assert sorted(words) == sorted(set(words))


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


_PARTS = [
    *(b" ", b"\n", b"\t\n", b'"', b"\\", b'\\"', b"[", b"<Exec ", b"$([", b"{,", b"- ", b"a"),
    *(b'"plugins":[', b'"command":"', b'"arguments":["', b"resolution:{", b"resolved url="),
    *(b'<Import Project="$(NuGetPackageRoot)x', b"<NuGetPackageRoot ", b"custom: ", b"strategy="),
    *(b"toolchain ", b"plugins:\n ", b"filter=x ", b"---\n", b"x: ", b"[x]\n", b"export "),
]


@pytest.mark.parametrize("judge", sorted(contents.JUDGES))
def test_nothing_that_an_agent_writes_makes_a_judge_slow(judge: str) -> None:
    # What goes over the same text again and again would take hours.
    for part in _PARTS:
        contents.JUDGES[judge](part * (200_000 // len(part)))


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
        ("pyproject", "[tool.poetry.requires-plugins]\nevil = '*'", True),
        ("hosts", '{"resolved": "https://a.example/x.tgz", "url": "https://b.example/fund"}', True),
        ("hosts", '{"funding": {"url": "https://b.example/fund"}}', False),
        ("hosts", "version = 1\n[[package]]\nname = 'url'\n", False),
        ("hosts", 'source = { registry = "https://a.example/simple" }', True),
        ("hosts", "x@1:\n  resolution: {integrity: x, tarball: https://evil.example/x}", True),
        ("version", "v20.1.0\n", False),
        ("version", "lts/*\n# x\n\n3.12\n", False),
        ("version", "java=21.0.2-tem\n", False),
        ("version", "path:/x", True),
        ("version", "../../x\n", True),
        ("version", "/x", True),
        ("go", "module x\ngo 1.22.1 // x\ntoolchain go1.23rc1\n", False),
        ("go", "module x\ntoolchain go1.22.1-evil\n", True),
        ("tsconfig", '{"compilerOptions": {"strict": true}}', False),
        ("tsconfig", '{"compilerOptions": {"plugins": [{"name": "evil"}]}}', True),
        ("tsconfig", '{"pl\\u0075gins": [{"name": "evil"}]}', True),
        ("analysis", "linter:\n  rules:\n    - x\n", False),
        ("analysis", "analyzer:\n  plugins:\n    - evil\n", True),
        ("compilers", '[{"command": "/usr/bin/c++ -c x.cc", "file": "x.cc"}]', False),
        ("compilers", '[{"command": "cc -c x.c"}, {"arguments": ["gcc", "./x"]}]', False),
        ("compilers", '[{"command": "./evil -c x.cc"}]', True),
        ("compilers", '[{"arguments": [ "/w/evil", "-c"]}]', True),
        ("compilers", '[{"command": "\\"/w/evil\\" -c"}]', True),
        ("rubocop", "AllCops:\n  NewCops: enable\nStyle/X:\n  Enabled: false\n", False),
        ("rubocop", "require:\n  - ./evil\n", True),
        ("rubocop", "'require': ./evil\n", True),
        ("rubocop", "AllCops: <%= `evil` %>\n", True),
        ("rubocop", "x: {require: ./evil}\n", True),
        ("golangci", "linters:\n  enable:\n    - x\nissues:\n  path: x\n", False),
        ("golangci", "linters-settings:\n  custom:\n    x:\n      path: ./evil.so\n", True),
        ("pixi", "[dependencies]\npython = '*'\n", False),
        ("pixi", "[feature.x.activation]\nscripts = ['evil.sh']\n", True),
        ("msbuild", "<Project><ItemGroup><PackageReference /></ItemGroup></Project>", False),
        ("msbuild", '<Import Project="$(NuGetPackageRoot)x/1.0/build/x.targets" />', False),
        ("msbuild", '<Import Project="$(NuGetPackageRoot)../../evil.targets" />', True),
        ("msbuild", "<NuGetPackageRoot Condition=''>/w/</NuGetPackageRoot>", True),
        ("msbuild", '<Target Name="x"><Exec Command="evil" /></Target>', True),
        ("msbuild", "<P>$([System.IO.File]::ReadAllText('x'))</P>", True),
        ("front_matter", "---\nname: x\nallowed-tools: Bash\n---\n", True),
        ("front_matter", "---\n'mcpServers': {}\n---\n", True),
        ("front_matter", '---\n"\\x68ooks": {}\n---\n', True),
    ],
)
def test_what_counts_of_a_file(judge: str, text: str, *, counts: bool) -> None:
    assert bool(contents.JUDGES[judge](text.encode())) is counts
