"""What Claude is told about where it is: a short note in its managed memory.

Without, it tries what cannot work here (sudo, apt-get, updates), and cannot know what to ask for.
Claude Code reads the file before the user's and the project's own CLAUDE.md:
https://code.claude.com/docs/en/memory.
"""

from __future__ import annotations

from binascii import crc32
from typing import TYPE_CHECKING, Final

from pinnace.plan import Contribution
from pinnace.plan.contributors import policy
from pinnace.plan.resources import written
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_images import contract

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.plan import Inputs

INSIDE: Final = f"{policy.INSIDE}/{policy.MEMORY}"
_HOLDS: Final = {
    "slim": "git with LFS, ripgrep, jq, curl, ssh, socat, Python 3 with venv and pip",
    "dev": "git with LFS, ripgrep, jq, curl, ssh, gh, gcc, make, Python 3, Node.js with npm",
}
_TEXT: Final = """\
# Where you are

You run in a container that Pinnace started for this project, as an ordinary user without sudo.

{files}
  the last two are in memory and gone afterwards. Everything else is read-only.
{guarded}- The image holds {holds}.
- `apt-get install`, `npm install -g`, and `pip install` outside of a virtual environment, cannot
  work. Use `python3 -m venv` and `npm install` in the project.
- For more, ask the user to add it to `pinnace.toml` in the project, to approve it (`pinnace trust`)
  and to start you again:

  ```toml
  [image]
  packages = ["postgresql-client"]   # of Debian
  tools = ["node"]                   # Node.js and npm
  [run]
  mounts = ["~/data:/data:ro"]       # a directory of the host's
  environment = ["GH_TOKEN"]         # a variable of the host's
  ```

{network}
- The version of Claude Code is pinned: do not update it. The user does: `pinnace pin latest`.
"""

_WRITABLE: Final = (
    "- You can write to the project (`{project}`), your config directory, `/tmp` and `~`;"
)
_GUARDED: Final = """\
- In the project, some files are read-only, because the user's own machine would run what they
  say: `.git/config` and `.git/hooks`, and, if they are there and not committed, `.vscode`, `.idea`,
  `.devcontainer`, `.husky`, `.envrc`, `.mcp.json`, `.claude/settings.json`, `pinnace.toml` and the
  like. Git works; `git config`, `git remote add` and a push's `-u` say "Device or resource busy".
  Do not look for ways around it: give the user the command to run, or have the user start you
  again with `pinnace run --writable PATH`. New files of that kind are shown to the user afterwards.
"""
_APART: Final = """\
- The project here (`{project}`) is a layer over the user's own, or a clone of it: write what you
  like, the user takes it over afterwards (`pinnace review apply`), your commits as references. In a
  clone, files that git ignores are missing.
- You can write to it, your config directory, `/tmp` and `~`;"""
_READ_ONLY: Final = (
    "- You can read the project (`{project}`), and write to your config directory, `/tmp` and `~`;"
)
_OPEN: Final = """\
- The network is the host's usual one. The host's own services are at the ports of `127.0.0.1` that
  the user names (`--service PORT`)."""
_STANDARD: Final = """\
- There is no network here, only a proxy, which `HTTPS_PROXY` and `HTTP_PROXY` name. It lets through
  what the user has allowed, and answers 403 to all else. Do not look for ways around it: ask the
  user for `pinnace network allow HOST`, which counts at once.
- Package managers find it by themselves, apt as well: `apt-get update && apt-get download NAME`,
  then `dpkg -x NAME_*.deb ~/NAME`."""
_KEYS: Final = """\
- Keys are outside: `ANTHROPIC_API_KEY` and the like hold placeholders, and that works."""


def contribute(inputs: Inputs, *, outside: Path | None = None) -> Contribution:
    """Mount the note, below what the organisation has Claude told.

    Args:
        inputs: of the launch.
        outside: the directory of the organisation's; None: where this system has it.

    Raises:
        BadSettingsError: as `policy.read`.
    """
    place = outside or policy.organisations_place(inputs)
    parts = (policy.read(place / policy.MEMORY), note(inputs).encode())
    text = b"\n".join(filter(None, parts))
    path = host.directory("state") / "memory" / f"{crc32(text):08x}" / policy.MEMORY
    return Contribution(
        mounts=(Mount(str(path), INSIDE, read_only=True),),
        resources=(written({path: text}),),
    )


def note(inputs: Inputs) -> str:
    """Return its text."""
    variant = inputs.settings.variant
    known = "" if inputs.settings.image else _HOLDS.get(variant, "")
    tools = ("Node.js 24 with npm",) if "node" in inputs.tools else ()
    packages = inputs.settings.packages
    holds = ", ".join(part for part in (known, *tools, *packages) if part)
    told = holds or f"what its maker put there: see /usr/bin and {contract.CLAUDE_ROOT}"
    network = f"{_OPEN if inputs.level.network else _STANDARD}\n{_KEYS}"
    open_one = _APART if inputs.apart else _WRITABLE
    files = _READ_ONLY if inputs.level.read_only else open_one
    guarded = "" if inputs.level.read_only or inputs.apart else _GUARDED
    return _TEXT.format(
        files=files.format(project=inputs.project.target),
        guarded=guarded,
        holds=told,
        network=network,
    )
