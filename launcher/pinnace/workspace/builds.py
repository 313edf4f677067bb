"""What the next build, test or task runs, by its name: data.

These are the project's own work, and an agent's all day. Yet some editors evaluate them as soon as
a project is opened, or as they change. So `pinnace review` shows them, and no launch says so.
"""

from __future__ import annotations

from typing import Final

from pinnace.workspace.rules import BUILD, Row, with_endings

_SCRIPTS: Final = "js cjs mjs ts mts cts"
_EVALUATE: Final = "evaluate it when the project is opened"

_ROWS: Final = (
    Row(
        "Gradle",
        "is run by JetBrains, VS Code and Eclipse, which evaluate it when it changes",
        files="build.gradle.kts settings.gradle.kts init.gradle.kts libs.versions.toml",
        endings=".gradle .kts",
        source="https://www.jetbrains.com/help/idea/settings-build-tools.html",
    ),
    Row(
        "Maven",
        "is run by editors when the project is opened",
        files="pom.xml",
        source="https://www.jetbrains.com/help/idea/settings-build-tools.html",
    ),
    Row(
        "sbt and Mill",
        f"run it; Metals and JetBrains {_EVALUATE}",
        files="build.sc build.mill package.mill",
        endings=".sbt .mill",
        source="https://scalameta.org/metals/docs/build-tools/overview",
    ),
    Row(
        "bazel",
        "runs its actions; editors ask it when the project is opened",
        files="workspace workspace.bazel workspace.bzlmod module.bazel build build.bazel",
        endings=".bzl .bazelproject",
        source="https://bazel.build/install/ide",
    ),
    Row(
        "CMake",
        "is run by editors when the project is opened, and runs what it says",
        files="cmakelists.txt",
        endings=".cmake",
        source="https://github.com/microsoft/vscode-cmake-tools/blob/main/docs/cmake-settings.md",
    ),
    Row(
        "Meson, xmake, Premake, SCons and Waf",
        f"run it; some editors {_EVALUATE}",
        files="meson.build xmake.lua premake5.lua sconstruct sconscript wscript",
        endings=".wrap",
    ),
    Row(
        "make",
        "runs it; VS Code's Makefile Tools make a dry run when the project is opened",
        files="makefile gnumakefile bsdmakefile",
        endings=".mk .mak",
        source="https://github.com/microsoft/vscode-makefile-tools",
    ),
    Row("qmake and Qbs", f"run it; Qt Creator and its kin {_EVALUATE}", endings=".pro .pri .qbs"),
    Row(
        "MSBuild",
        f"runs it; Visual Studio, VS Code and JetBrains {_EVALUATE}",
        files="directory.packages.props",
        endings=".csproj .fsproj .vbproj .vcxproj .sqlproj .shproj .proj .props .targets .sln "
        ".slnx",
        source="https://learn.microsoft.com/visualstudio/msbuild/msbuild",
    ),
    Row("dotnet", "runs what it names", files="dotnet-tools.json launchsettings.json"),
    Row(
        "Swift",
        f"runs it; SourceKit-LSP and Xcode {_EVALUATE}",
        files="package.swift project.pbxproj podfile fastfile",
        endings=".xcscheme .podspec",
        beginnings="package@swift-",
        source="https://github.com/swiftlang/sourcekit-lsp",
    ),
    Row(
        "bundler and rake",
        f"run it; Ruby LSP and Solargraph {_EVALUATE}",
        files="gemfile gems.rb rakefile guardfile capfile .simplecov .irb.rb",
        endings=".gemspec .rake",
        source="https://shopify.github.io/ruby-lsp",
    ),
    Row(
        "mix and rebar",
        f"run it; ElixirLS and Erlang's language servers {_EVALUATE}",
        files="mix.exs mix.lock rebar.config rebar.config.script",
        source="https://github.com/elixir-lsp/elixir-ls",
    ),
    Row(
        "cabal and stack",
        f"run it; Haskell's language server has them {_EVALUATE}",
        files="setup.hs cabal.project cabal.project.local stack.yaml .ghcid",
        endings=".cabal",
    ),
    Row(
        "dune",
        f"runs its actions; OCaml's language server has it {_EVALUATE}",
        files="dune dune-project dune-workspace dune.inc",
        endings=".opam",
    ),
    Row(
        "lake, zig, nimble, dub, shards and Leiningen",
        f"run it; their language servers {_EVALUATE}",
        files="lakefile.lean lakefile.toml build.zig build.zig.zon nim.cfg dub.json dub.sdl "
        "shard.yml project.clj shadow-cljs.edn bb.edn build.boot",
        endings=".nimble .nims",
    ),
    Row("dart", "runs what it names", files="build.yaml melos.yaml"),
    Row(
        "pytest",
        "runs it; VS Code and JetBrains do so to find the tests",
        files="conftest.py pytest.ini .pytest.ini",
        source="https://code.visualstudio.com/docs/python/testing",
    ),
    Row(
        "Python's tools",
        "run it",
        files="setup.py noxfile.py tasks.py fabfile.py dodo.py pipfile hatch.toml hatch_build.py "
        "environment.yml environment.yaml",
    ),
    Row(
        "npm's scripts, and bundlers",
        "run it; extensions of VS Code evaluate some when the project is opened",
        files=with_endings(
            "vite.config webpack.config rollup.config next.config nuxt.config astro.config "
            "playwright.config cypress.config karma.conf wdio.conf metro.config postcss.config "
            "gatsby-config gatsby-node hardhat.config tsup.config esbuild.config rspack.config "
            "relay.config vue.config craco.config gulpfile wallaby yarn.config codegen "
            "truffle-config",
            _SCRIPTS,
        )
        + "gruntfile.js angular.json nx.json project.json turbo.json lerna.json .swcrc .nycrc "
        ".nycrc.json package.yaml package.json5 foundry.toml",
        source="https://nx.dev/getting-started/editor-setup",
    ),
    Row("deno", "runs its tasks and plugins", files="deno.json deno.jsonc"),
    Row(
        "PHPUnit, RSpec and Busted",
        "take it up; test explorers run them when the project is opened",
        files="phpunit.xml phpunit.xml.dist .rspec .busted",
    ),
    Row("PHP's tools", "run it", files="rector.php ecs.php castor.php robofile.php"),
    Row(
        "task runners",
        "run it",
        files="justfile .justfile taskfile.yml taskfile.yaml taskfile.dist.yml taskfile.dist.yaml "
        "magefile.go earthfile tiltfile procfile vagrantfile jenkinsfile .air.toml bacon.toml "
        "nextest.toml cross.toml process-compose.yml process-compose.yaml .tmuxinator.yml "
        ".tmuxp.yaml terragrunt.hcl pulumi.yaml dvc.yaml .actrc skaffold.yaml",
        endings=".just",
    ),
    Row(
        "docker and podman",
        "build or run it",
        files="dockerfile containerfile compose.yml compose.yaml docker-compose.yml "
        "docker-compose.yaml compose.override.yml compose.override.yaml "
        "docker-compose.override.yml docker-compose.override.yaml docker-bake.hcl",
        beginnings="dockerfile. containerfile.",
        source="https://docs.docker.com/compose",
    ),
    Row(
        "Claude's plugins",
        "are what it describes",
        directories=".claude-plugin",
        source="https://code.claude.com/docs/en/plugins",
    ),
)
ROWS: Final = tuple(row._replace(level=BUILD) for row in _ROWS)
