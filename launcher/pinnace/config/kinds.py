"""What settings may be, one by one: names, lists and patterns, for the schema's table."""

from __future__ import annotations

import re
from typing import Final

from pinnace.config import AUTO, GROUPS, levels, types

VARIANT: Final = types.matching(r"[A-Za-z0-9-]*[A-Za-z0-9][A-Za-z0-9-]*", "letters, digits and -")
PROFILE: Final = types.matching(
    r"(?!.*-[0-9]+$)[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
    "letters, digits, - and _, up to 64, not ending in - and a number",
)
REFERENCE: Final = types.matching(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]*", "an image's name or id")
PACKAGES: Final = types.list_of(
    types.matching(
        r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](=[A-Za-z0-9.+:~-]+)?", "a Debian package's name"
    ),
    "Debian packages",
)
VARIABLES: Final = types.list_of(types.variable(), "names of variables, or NAME=VALUE")
GPUS: Final = types.matching(
    r"all|[1-9][0-9]{0,2}|device=[A-Za-z0-9:._-]+(,[A-Za-z0-9:._-]+)*",
    "all, a number, or device=ID,...",
)
DEVICES: Final = types.list_of(
    types.matching(
        r"/dev/[^:,\s]+(:/[^:,\s]+)?(:[rwm]{1,3})?|[a-z0-9.-]+/[A-Za-z0-9_-]+=[A-Za-z0-9._:-]+",
        "a device's path below /dev, or a name of CDI's",
    ),
    "devices",
)
RUNTIME: Final = types.matching(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a runtime's name")
PRIVATE: Final = types.list_of(
    types.matching(r"(?!(.*/)?\.{0,2}(/|$))[A-Za-z0-9._@+/-]{1,200}", "a path in the project"),
    "paths in the project",
)
STANDBY: Final = types.standby()
CACHES: Final = types.list_of(
    types.matching(r"[a-z][a-z0-9-]*", "a package manager's name"), "package managers"
)
TOOLS: Final = types.list_of(types.one_of("node", AUTO, "none"), "`node`, `auto`, `none`")
CLOUDS: Final = types.list_of(types.one_of("aws", "gcloud", "azure"), "`aws`, `gcloud`, `azure`")

OWN_PARTS: Final = types.list_of(
    types.one_of(
        *("CLAUDE.md", "agents", "commands", "hooks", "output-styles", "rules"),
        *("settings.json", "skills", "workflows"),
    ),
    "parts of `~/.claude`",
)

DESTINATIONS: Final = types.list_of(
    types.matching(
        rf"{'|'.join(GROUPS)}|{types.DESTINATION}",
        "a host's name in lower case, as example.com, *.example.com or example.com:8443, or a "
        f"group: {', '.join(GROUPS)}",
    ),
    "`HOST[:PORT]`",
)
PORTS: Final = types.list_of(types.port_pair(), "ports, `PORT` or `PORT:PORT`")
LEVEL: Final = types.matching(levels.NAME, "a level's name: locked, standard, open, or your own")
# This machine's own network is none that a gateway may be on.
NETWORK_NAME: Final = types.matching(
    r"(?!(?:host|none|default|ns)$)[A-Za-z0-9][A-Za-z0-9_.-]*",
    "the name of a network of the engine's",
)
# Narrower than git-check-ref-format(1): what any file system and shell takes.
_BRANCH: Final = (
    r"(?!.*(\.\.|//|\.lock(/|$)|/\.|\./|[./]$))(?!HEAD$)[A-Za-z0-9_][A-Za-z0-9_./+=#-]{0,199}"
)
BRANCH: Final = types.matching(_BRANCH, "a branch's name, as fix/42")
LAYER: Final = types.matching(r"[a-z0-9][a-z0-9-]{0,63}", "a layer's name: pinnace review list")
STORE: Final = types.matching(
    r"(~/|/)\S.*|[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*",
    "an absolute path, or MODULE:NAME",
)
SESSION: Final = types.matching(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "a session's name, or its id: pinnace session list"
)


def is_branch(name: str) -> bool:
    """Return whether a branch can be called so."""
    return re.fullmatch(_BRANCH, name, re.ASCII) is not None
