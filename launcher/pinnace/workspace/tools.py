"""What package managers, build tools, language servers and linters run of a project: data.

As in `alone`: without being asked for; or it says from where the next install is to come.
"""

from __future__ import annotations

from typing import Final

from pinnace.workspace.rules import Row, with_endings

_SCRIPTS: Final = "js cjs mjs ts mts cts"
_EACH_INSTALL: Final = "runs its scripts at each install"
_OPENED: Final = "runs it when the project is opened"
_ARGUMENTS: Final = "takes the arguments of its programs from it"
_FROM_WHERE: Final = "installs from where it says"

PACKAGES: Final = (
    Row(
        "npm",
        _EACH_INSTALL,
        files="package.json",
        judge="package_json",
        source="https://docs.npmjs.com/cli/using-npm/scripts",
    ),
    Row(
        "npm",
        "runs and loads what it names",
        files=".npmrc",
        source="https://docs.npmjs.com/cli/configuring-npm/npmrc",
    ),
    Row("npm", "has it built at each install", files="binding.gyp"),
    Row(
        "yarn",
        "runs the program that it names",
        files=".yarnrc .yarnrc.yml",
        source="https://yarnpkg.com/configuration/yarnrc",
    ),
    Row(
        "yarn",
        "loads it whenever it starts",
        files=".pnp.cjs .pnp.js .pnp.loader.mjs .pnp.data.json",
        source="https://yarnpkg.com/features/pnp",
    ),
    Row("yarn", "runs it", directories=".yarn/releases .yarn/plugins .yarn/sdks"),
    Row(
        "pnpm",
        "runs it at each install",
        files=".pnpmfile.cjs .pnpmfile.mjs",
        source="https://pnpm.io/pnpmfile",
    ),
    Row("pnpm", "lets packages run scripts", files="pnpm-workspace.yaml"),
    Row("bun", "loads what it names", files="bunfig.toml", source="https://bun.sh/docs"),
    Row(
        "package managers",
        "install from the hosts that it names",
        files="package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock cargo.lock "
        "uv.lock poetry.lock pdm.lock gemfile.lock gems.locked",
        judge="hosts",
        source="https://docs.npmjs.com/cli/configuring-npm/package-lock-json",
    ),
    Row(
        "composer",
        _EACH_INSTALL,
        files="composer.json",
        judge="composer_json",
        source="https://getcomposer.org/doc/articles/scripts.md",
    ),
    Row(
        "uv",
        _FROM_WHERE,
        files="uv.toml",
        source="https://docs.astral.sh/uv/concepts/configuration-files",
    ),
    Row(
        "Poetry and PDM",
        "go by it at each start",
        files="poetry.toml pdm.toml .pdm.toml .pdm-python",
    ),
    Row(
        "pip and uv",
        "run the build system that it names",
        files="pyproject.toml",
        judge="pyproject",
        source="https://packaging.python.org/en/latest/specifications/pyproject-toml",
    ),
    Row(
        "Python",
        "runs it at every start",
        endings=".pth",
        source="https://docs.python.org/3/library/site.html",
    ),
    Row("bundler", "goes by it", directories=".bundle"),
    Row(
        "Terraform",
        "starts it, also for an editor",
        beginnings="terraform-provider-",
        source="https://developer.hashicorp.com/terraform/cli/config/config-file",
    ),
)
BUILD_TOOLS: Final = (
    Row(
        "bazel",
        "goes by it at each start",
        files=".bazelrc .bazelversion .bazeliskrc",
        endings=".bazelrc",
        placed="tools/bazel",
        source="https://bazel.build/run/bazelrc",
    ),
    Row(
        "Gradle",
        _ARGUMENTS,
        files="gradle.properties gradle-daemon-jvm.properties local.properties",
        source="https://docs.gradle.org/current/userguide/build_environment.html",
    ),
    Row(
        "Gradle and Maven",
        "are started by it, by editors too",
        files="gradlew gradlew.bat mvnw mvnw.cmd",
        directories="gradle/wrapper",
        source="https://docs.gradle.org/current/userguide/gradle_wrapper.html",
    ),
    Row(
        "Maven",
        "loads what it names when the project is opened",
        directories=".mvn",
        source="https://maven.apache.org/configure.html",
    ),
    Row("sbt and Mill", _ARGUMENTS, files=".jvmopts .sbtopts .sbtrc .mill-jvm-opts .mill-opts"),
    Row("Mill", "runs the version that it names", files=".mill-version", judge="version"),
    Row(
        "Metals and JetBrains",
        "start the build server that it names",
        directories=".bsp .bloop",
        files="buildserver.json",
        source="https://build-server-protocol.github.io/docs/overview/server-discovery",
    ),
    Row(
        "CMake",
        "is run by editors, and runs what it names",
        files="cmakepresets.json cmakeuserpresets.json",
        source="https://cmake.org/cmake/help/latest/manual/cmake-presets.7.html",
    ),
    Row(
        "MSBuild",
        "runs it when the project is opened",
        files="directory.build.props directory.build.targets directory.build.rsp msbuild.rsp "
        "directory.solution.props directory.solution.targets nuget.config",
        source="https://learn.microsoft.com/visualstudio/msbuild/customize-by-directory",
    ),
    Row(
        "dotnet",
        "runs the SDK that it names",
        files="global.json",
        source="https://learn.microsoft.com/dotnet/core/tools/global-json",
    ),
    Row("cargo", "runs the programs that it names", directories=".cargo"),
    Row(
        "rustup and elan",
        "run the toolchain that it names",
        files="rust-toolchain.toml rust-toolchain lean-toolchain",
        source="https://rust-lang.github.io/rustup/overrides.html",
    ),
    Row(
        "go",
        "runs the toolchain that it names",
        files="go.mod go.work",
        judge="go",
        source="https://go.dev/doc/toolchain",
    ),
)
LANGUAGE_SERVERS: Final = (
    Row(
        "rust-analyzer",
        _OPENED,
        files="build.rs",
        source="https://rust-analyzer.github.io/book/security.html",
    ),
    Row("rust-analyzer", "runs the program that it names", files="cargo.toml", judge="cargo"),
    Row(
        "rust-analyzer",
        "runs and loads what it names",
        files="rust-analyzer.toml .rust-analyzer.toml rust-project.json .rust-project.json",
        source="https://rust-analyzer.github.io/book/non_cargo_based_projects.html",
    ),
    Row(
        "Haskell's language server",
        "runs what it names",
        files="hie.yaml",
        source="https://haskell-language-server.readthedocs.io/en/latest/configuration.html",
    ),
    Row("Merlin", "runs the programs that it names", files=".merlin"),
    Row("SourceKit-LSP", "goes by it", directories=".sourcekit-lsp .swiftpm/configuration"),
    Row(
        "Ruby LSP",
        "loads it when the project is opened",
        directories=".ruby-lsp ruby_lsp",
        source="https://shopify.github.io/ruby-lsp/add-ons.html",
    ),
    Row("OmniSharp", "loads what it names", files="omnisharp.json"),
    Row("Vetur", _OPENED, files="vetur.config.js vetur.config.cjs"),
    Row(
        "Lua's language server",
        "loads the plugin that it names",
        files=".luarc.json .luarc.jsonc",
        source="https://luals.github.io/wiki/plugins",
    ),
    Row(
        "TypeScript's server",
        "loads the plugins that it names",
        files="tsconfig.json jsconfig.json",
        beginnings="tsconfig.*.json",
        judge="tsconfig",
        source="https://www.typescriptlang.org/tsconfig/#plugins",
    ),
    Row(
        "Dart's analyzer",
        "runs the plugins that it names",
        files="analysis_options.yaml",
        judge="analysis",
        source="https://dart.dev/tools/analysis",
    ),
    Row(
        "C and C++ in editors",
        "asks the compilers that it names",
        files="compile_commands.json",
        judge="compilers",
        source="https://code.visualstudio.com/docs/cpp/configure-intellisense",
    ),
    Row("Zig's language server", "runs what it names", files="zls.json zls.build.json"),
    Row("Pyre and Pyrefly", "run what it names", files=".pyre_configuration pyrefly.toml"),
    Row(
        "ELP and Erlang's language server", "run what it names", files=".elp.toml erlang_ls.config"
    ),
)
LINTERS: Final = (
    Row(
        "linters and formatters",
        "are run by editors, and load what it is or names",
        files=with_endings(".eslintrc", "js cjs json yml yaml")
        + with_endings("eslint.config babel.config", _SCRIPTS)
        + with_endings(".prettierrc", f"json json5 yml yaml toml {_SCRIPTS}")
        + with_endings("prettier.config", _SCRIPTS)
        + with_endings(".stylelintrc", "json yml yaml js cjs mjs ts")
        + with_endings("stylelint.config", _SCRIPTS)
        + with_endings(".markdownlint", "js cjs mjs json jsonc yaml")
        + with_endings(".markdownlint-cli2", "cjs mjs jsonc yaml")
        + with_endings("tailwind.config svelte.config graphql.config .graphqlrc", "js cjs mjs ts")
        + with_endings(".babelrc .remarkrc .textlintrc", "js cjs mjs json yml yaml")
        + with_endings(".spectral redocly .redocly dprint .dprint", "js json jsonc yaml yml")
        + ".oxlintrc.json oxlint.config.ts .template-lintrc.js .solargraph.yml .standard.yml "
        ".erb_lint.yml .erb-lint.yml .haml-lint.yml pylintrc.toml .pylintrc.toml "
        ".php-cs-fixer.php .php-cs-fixer.dist.php phpcs.xml .phpcs.xml phpcs.xml.dist "
        ".phpcs.xml.dist phpstan.neon phpstan.neon.dist psalm.xml psalm.xml.dist "
        ".formatter.exs .credo.exs ansible.cfg .ansible-lint .perlcriticrc .perltidyrc .lintr "
        ".luacheckrc .scalafix.conf .sqlfluff .tflint.hcl .svls.toml .svlint.toml "
        "treefmt.toml .treefmt.toml",
        directories=".erb_linters",
        placed=".phan/config.php sorbet/config",
    ),
    Row(
        "RuboCop",
        "is run by editors, and loads what it names",
        files=".rubocop.yml .rubocop_todo.yml",
        judge="rubocop",
        source="https://docs.rubocop.org/rubocop/extensions.html",
    ),
    Row(
        "golangci-lint",
        "is run by editors, and loads the plugins that it names",
        files=".golangci.yml .golangci.yaml .golangci.toml .golangci.json",
        judge="golangci",
        source="https://golangci-lint.run/docs/plugins",
    ),
    Row(
        "Pylint, mypy and Flake8",
        "are run by editors, and load what it names",
        files="setup.cfg tox.ini .flake8 mypy.ini .mypy.ini .pylintrc pylintrc",
        judge="linters",
        source="https://pylint.readthedocs.io/en/latest/user_guide/configuration/all-options.html",
    ),
    Row(
        "test explorers",
        "are run by editors, and run it",
        files=with_endings("jest.config vitest.config vitest.workspace", _SCRIPTS)
        + with_endings(".mocharc ava.config .vscode-test", "js cjs mjs json jsonc yml yaml"),
        endings=".runsettings",
    ),
)
ROWS: Final = PACKAGES + BUILD_TOOLS + LANGUAGE_SERVERS + LINTERS
