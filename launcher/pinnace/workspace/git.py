"""The host's git, started so that it runs nothing that a repository names.

A repository's configuration names programs, and hooks lie in it: whoever writes in a workspace
writes those. Options given here win over all of it (git-config(1), `-c`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace_core.environment import keep_back

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace_core.host import HostFacts

_SECONDS: Final = 10.0
_OVERRIDDEN: Final = {
    # Run by whatever reads the index, by name or because hooks are looked up.
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.pager": "cat",
    "core.editor": "false",
    "core.askPass": "false",
    "core.sshCommand": "false",
    "core.attributesFile": "/dev/null",
    "core.alternateRefsCommand": "true",
    "credential.helper": "",
    "log.showSignature": "false",
    "gpg.program": "false",
    "gpg.ssh.program": "false",
    "gpg.x509.program": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "protocol.ext.allow": "never",
    "maintenance.auto": "false",
    "gc.auto": "0",
}
COMMAND: Final = (
    "git",
    "--no-pager",
    "--no-optional-locks",
    *(word for name, value in _OVERRIDDEN.items() for word in ("-c", f"{name}={value}")),
)
"""What each use of git begins with.

Filters, drivers and remotes have names of their own, which nothing here knows: a diff wants
`--no-ext-diff --no-textconv`; a checkout or a fetch of such a repository is not to be asked for.
"""
# Of git's own variables, those that say where the user's configuration is.
_KEPT: Final = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")


def environment(host: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that git is started with: none that turns a question into another."""
    kept = {n: v for n, v in host.items() if not n.startswith("GIT_") or n in _KEPT}
    keep_back(kept)
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def answer(arguments: Sequence[str], facts: HostFacts, directory: str) -> str | None:
    """Ask the host's git something that only reads; return its answer.

    None: there is no git, it failed, or took too long.
    """
    import subprocess

    try:
        done = subprocess.run(
            [*COMMAND, *arguments],
            check=False,
            capture_output=True,
            cwd=directory,
            encoding="utf-8",
            env=environment(facts.environment),
            errors="surrogateescape",
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
