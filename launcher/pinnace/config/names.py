"""Names of the files in a project that say something to Pinnace."""

from __future__ import annotations

from typing import Final

SETTINGS_FILE: Final = "pinnace.toml"
PIN_FILE: Final = ".claude-version"
PYPROJECT: Final = "pyproject.toml"
TOOL_VERSIONS: Final = ".tool-versions"
PACKAGE_JSON: Final = "package.json"
LOCK_FILE: Final = "pinnace.lock"
DEVCONTAINER_FILES: Final = (".devcontainer/devcontainer.json", ".devcontainer.json")
CLI_PACKAGE: Final = "@anthropic-ai/claude-code"
"""The CLI's npm package, that a package.json may depend on."""
