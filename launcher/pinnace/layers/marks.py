"""Files that something on this machine runs, or does what they say, without being asked."""

from __future__ import annotations

import re
from typing import Final

_RUNS: Final = (
    (r"\.(claude/(settings[^/]*\.json|hooks/.*)|mcp\.json)|\.mcp\.json", "Claude Code"),
    (r"\.(vscode|idea|zed|fleet|cursor|devcontainer)/.*|.*\.code-workspace", "the editor"),
    (r"\.devcontainer\.json|\.vimrc|\.exrc|\.nvimrc|\.nvim\.lua|\.dir-locals\.el", "the editor"),
    (r"\.envrc|\.env\.fish|\.autoenv[^/]*|\.mise\.toml|mise\.toml|\.tool-versions", "the shell"),
    (r"\.(husky|githooks)/.*|\.?lefthook[^/]*\.ya?ml|\.pre-commit-config\.yaml", "git"),
    (r"\.gitmodules|\.gitattributes|\.gitconfig", "git"),
    (r"\.npmrc|\.yarnrc(\.yml)?|\.pnpmfile\.cjs|\.yarn/(plugins|releases)/.*", "a package manager"),
    (r"pinnace\.toml|\.claude-version|pinnace\.lock", "Pinnace"),
)
_PATTERNS: Final = tuple(
    (re.compile(rf"(.*/)?({pattern})", re.DOTALL | re.IGNORECASE), who) for pattern, who in _RUNS
)


def runs(path: str) -> str:
    """Return who would run a file of this path; empty: nobody unasked."""
    return next((who for pattern, who in _PATTERNS if pattern.fullmatch(path)), "")
