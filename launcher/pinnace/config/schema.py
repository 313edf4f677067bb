"""All settings and options, in one table: files, variables, flags, help and pages follow it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from pinnace.config import AUTO, DEFAULTS, GROUPS, approval, levels, types
from pinnace_core.engine import NAMES
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.config.approval import Rule
    from pinnace.config.types import Kind

_IMAGE: Final = "version and image"
_CONTAINER: Final = "container"
_ACCOUNTS: Final = "accounts and secrets"
_NETWORK: Final = "network"
_AUDIT: Final = "audit record"
_LAUNCH: Final = "this launch"
SECTIONS: Final = (_IMAGE, _CONTAINER, _ACCOUNTS, _NETWORK, _AUDIT, _LAUNCH)
"""Of the options, as they are listed."""
_OF_TABLE: Final = {
    "claude": _IMAGE,
    "image": _IMAGE,
    "run": _CONTAINER,
    "auth": _ACCOUNTS,
    "network": _NETWORK,
    "audit": _AUDIT,
}


class Key(NamedTuple):
    """A setting.

    Attributes:
        name: in TOML, `TABLE.KEY`.
        field: of `Settings`; empty for the pin, which has sources of its own.
        kind: what it may be.
        variable: of the environment.
        flag: of `pinnace run`; a boolean has a `--no-` beside it.
        help: one line.
        metavar: of the flag.
        section: of the flag.
        approval: when it waits, in a project's file, until that file was approved.
        own: in a project's file it is an error, also in one that was approved.
    """

    name: str
    field: str
    kind: Kind
    variable: str
    flag: str
    help: str
    metavar: str
    section: str
    approval: Rule
    own: bool = False


class Option(NamedTuple):
    """An option of `pinnace run`.

    Attributes:
        names: the long one is last.
        help: one line.
        section: one of `SECTIONS`.
        key: the setting that it gives; None: it is of this launch alone.
        value: what it means, where it takes no value.
    """

    names: tuple[str, ...]
    help: str
    section: str = _LAUNCH
    key: Key | None = None
    value: bool | str | None = None

    @property
    def metavar(self) -> str:
        """What its value is called; empty: it takes none."""
        return self.key.metavar if self.key and not isinstance(self.value, str) else ""


def _key(  # noqa: PLR0913 (a row of the table)
    name: str,
    kind: Kind,
    variable: str,
    text: str,
    metavar: str = "",
    *,
    field: str | None = None,
    flag: str = "",
    section: str = "",
    approval: Rule = approval.NEVER,
    own: bool = False,
) -> Key:
    """Make a row; where nothing else is said, field and flag are called as the key is."""
    table, _, key = name.partition(".")
    return Key(
        name,
        key.replace("-", "_") if field is None else field,
        kind,
        variable,
        flag or f"--{key}",
        text,
        metavar,
        section or _OF_TABLE[table],
        approval,
        own,
    )


_reaching: Final = partial(_key, approval=approval.ALWAYS)
_own: Final = partial(_reaching, own=True)
_VARIANT: Final = types.matching(r"[A-Za-z0-9-]*[A-Za-z0-9][A-Za-z0-9-]*", "letters, digits and -")
_PROFILE: Final = types.matching(
    r"(?!.*-[0-9]+$)[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
    "letters, digits, - and _, up to 64, not ending in - and a number",
)
_REFERENCE: Final = types.matching(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]*", "an image's name or id")
_PACKAGES: Final = types.list_of(
    types.matching(
        r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](=[A-Za-z0-9.+:~-]+)?", "a Debian package's name"
    ),
    "Debian packages",
)
_VARIABLES: Final = types.list_of(types.variable(), "names of variables, or NAME=VALUE")
_GPUS: Final = types.matching(
    r"all|[1-9][0-9]{0,2}|device=[A-Za-z0-9:._-]+(,[A-Za-z0-9:._-]+)*",
    "all, a number, or device=ID,...",
)
_DEVICES: Final = types.list_of(
    types.matching(
        r"/dev/[^:,\s]+(:/[^:,\s]+)?(:[rwm]{1,3})?|[a-z0-9.-]+/[A-Za-z0-9_-]+=[A-Za-z0-9._:-]+",
        "a device's path below /dev, or a name of CDI's",
    ),
    "devices",
)
_RUNTIME: Final = types.matching(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a runtime's name")
_PRIVATE: Final = types.list_of(
    types.matching(r"(?!(.*/)?\.{0,2}(/|$))[A-Za-z0-9._@+/-]{1,200}", "a path in the project"),
    "paths in the project",
)
_CACHES: Final = types.list_of(
    types.matching(r"[a-z][a-z0-9-]*", "a package manager's name"), "package managers"
)
_TOOLS: Final = types.list_of(types.one_of("node", AUTO, "none"), "`node`, `auto`, `none`")
_CLOUDS: Final = types.list_of(types.one_of("aws", "gcloud", "azure"), "`aws`, `gcloud`, `azure`")

_OWN_PARTS: Final = types.list_of(
    types.one_of(
        *("CLAUDE.md", "agents", "commands", "hooks", "output-styles", "rules"),
        *("settings.json", "skills", "workflows"),
    ),
    "parts of `~/.claude`",
)

_DESTINATIONS: Final = types.list_of(
    types.matching(
        rf"{'|'.join(GROUPS)}|{types.DESTINATION}",
        "a host's name in lower case, as example.com, *.example.com or example.com:8443, or a "
        f"group: {', '.join(GROUPS)}",
    ),
    "`HOST[:PORT]`",
)
_PORTS: Final = types.list_of(types.port_pair(), "ports, `PORT` or `PORT:PORT`")
_LEVEL: Final = types.matching(levels.NAME, "a level's name: locked, standard, open, or your own")
# This machine's own network is none that a gateway may be on.
_NETWORK_NAME: Final = types.matching(
    r"(?!(?:host|none|default|ns)$)[A-Za-z0-9][A-Za-z0-9_.-]*",
    "the name of a network of the engine's",
)

_WORKSPACES: Final = ("bind", "review", "clone")
_LAYER: Final = types.matching(r"[a-z0-9][a-z0-9-]{0,63}", "a layer's name: pinnace review list")

KEYS: Final = (
    _key(
        *("claude.version", types.STRING, "PINNACE_CLAUDE_VERSION"),
        *("the CLI's version; wins over every pin", "SPEC"),
        field="",
        flag="--claude-version",
        approval=approval.GOING_BACK,
    ),
    _key(
        *("claude.locked", types.BOOLEAN, "PINNACE_LOCKED"),
        "go on only with a pinnace.lock of the pinned version, as in CI",
        approval=approval.TURNED_OFF,
    ),
    _key(
        *("claude.variant", _VARIANT, "PINNACE_VARIANT", "the image's variant", "VARIANT"),
        approval=approval.CHANGED,
    ),
    _key(
        *("image.packages", _PACKAGES, "PINNACE_PACKAGES"),
        *("a Debian package for the project's own image; can be repeated", "NAME"),
        flag="--package",
        approval=approval.ADDED,
    ),
    _key(
        *("image.tools", _TOOLS, "PINNACE_TOOLS"),
        *("a toolchain for the project's own image: node, none, or auto", "NAME"),
        flag="--tool",
        approval=approval.TOOLS,
    ),
    _reaching(
        *("image.dockerfile", types.PATH, "PINNACE_DOCKERFILE"),
        *("of the project's own image, built on the pinned one", "FILE"),
    ),
    _reaching(
        *("image.image", _REFERENCE, "PINNACE_IMAGE", "an image of your own, instead", "IMAGE"),
    ),
    _reaching(
        *("image.devcontainer", types.BOOLEAN, "PINNACE_DEVCONTAINER"),
        "take the image that devcontainer.json names, if it fits",
    ),
    _reaching(
        *("image.repository", _REFERENCE, "PINNACE_REPOSITORY"),
        *("pull missing images from there instead of building them", "REPOSITORY"),
    ),
    _reaching(
        *("run.engine", types.one_of(*NAMES), "PINNACE_ENGINE"),
        *("the client: docker or podman", "CLIENT"),
    ),
    _key(
        *("run.memory", types.SIZE, "PINNACE_MEMORY", "memory limit, as docker writes it", "SIZE"),
        approval=approval.LARGER,
    ),
    _key(
        *("run.pids", types.COUNT, "PINNACE_PIDS", "limit on processes", "N"),
        flag="--pids-limit",
        approval=approval.MORE,
    ),
    _key(
        *("run.cpus", types.CPUS, "PINNACE_CPUS", "limit on processors, as 2 or 1.5", "N"),
        approval=approval.MORE_CPUS,
    ),
    _key(
        *("run.shm-size", types.SIZE, "PINNACE_SHM_SIZE", "size of /dev/shm", "SIZE"),
        approval=approval.LARGER,
    ),
    _reaching(
        *("run.gpus", _GPUS, "PINNACE_GPUS"),
        *("graphics processors: all, a number, or device=ID,...", "GPUS"),
    ),
    _reaching(
        *("run.devices", _DEVICES, "PINNACE_DEVICES"),
        *("a device of this machine, PATH[:TARGET[:rwm]]; can be repeated", "DEVICE"),
        flag="--device",
    ),
    _reaching(
        *("run.runtime", _RUNTIME, "PINNACE_RUNTIME"),
        *("the engine's OCI runtime, as runsc", "NAME"),
    ),
    _key(
        *("run.runtime-sockets", types.BOOLEAN, "PINNACE_RUNTIME_SOCKETS"),
        "sockets cross into the runtime's sandbox: runsc with host-uds=open",
        approval=approval.TURNED_ON,
    ),
    _key(
        *("run.user", types.one_of(contract.AGENT_NAME), "PINNACE_USER"),
        *("'agent': run as the image's own user (uid 1000)", "USER"),
        field="user_agent",
    ),
    _reaching(
        *("run.mounts", types.MOUNTS, "PINNACE_MOUNTS"),
        *("one more mount, SOURCE[:TARGET][:ro|rw]; can be repeated", "MOUNT"),
        flag="--mount",
    ),
    _reaching(
        *("run.environment", _VARIABLES, "PINNACE_ENVIRONMENT"),
        *("pass one more variable; can be repeated", "NAME[=VALUE]"),
        field="environment_names",
        flag="--env",
    ),
    _reaching(
        *("run.workspace", types.one_of(*_WORKSPACES), "PINNACE_WORKSPACE"),
        *("what Claude writes to: bind (the project itself), review or clone", "MODE"),
    ),
    _reaching(
        *("run.layer", _LAYER, "PINNACE_LAYER"),
        *("go on in what an earlier --review or --clone has left", "NAME"),
    ),
    _key(
        *("run.private", _PRIVATE, "PINNACE_PRIVATE"),
        *("a directory of the project that Claude gets its own of; can be repeated", "PATH"),
    ),
    _reaching(
        *("run.writable", _PRIVATE, "PINNACE_WRITABLE"),
        *("leave a path writable that this machine runs, as .vscode; can be repeated", "PATH"),
    ),
    _reaching(
        *("run.caches", _CACHES, "PINNACE_CACHES"),
        *("share a package manager's cache (npm, pip, ...); can be repeated", "NAME"),
        flag="--cache",
    ),
    _key(
        *("run.note", types.BOOLEAN, "PINNACE_NOTE"),
        "tell Claude where it is, and what to ask for",
        field="memory_note",
    ),
    _key(
        *("run.git", types.BOOLEAN, "PINNACE_GIT"),
        "take your git configuration along, read-only",
        field="git_identity",
        approval=approval.TURNED_ON,
    ),
    _reaching(
        *("run.ssh-agent", types.BOOLEAN, "PINNACE_SSH_AGENT"),
        "forward the SSH agent's socket: Claude can use its keys",
        section=_ACCOUNTS,
    ),
    _reaching(
        *("run.isolation", _LEVEL, "PINNACE_ISOLATION"),
        *("locked, standard, open, or a level of your own: what is reached", "LEVEL"),
        section=_NETWORK,
    ),
    _reaching(
        *("network.allow", _DESTINATIONS, "PINNACE_ALLOW"),
        *("let a host through, HOST[:PORT]; can be repeated", "HOST"),
    ),
    _reaching(
        *("network.headers", types.HEADERS, "PINNACE_HEADERS"),
        *("put a header on requests to a host, outside; can be repeated", "HEADER"),
        flag="--header",
        own=True,
    ),
    _reaching(
        *("run.services", _PORTS, "PINNACE_SERVICES"),
        *("let Claude use a service at this port of this machine; can be repeated", "PORT"),
        flag="--service",
        section=_NETWORK,
    ),
    _reaching(
        *("run.ports", _PORTS, "PINNACE_PORTS"),
        *("open a port of Claude's container on this machine; can be repeated", "PORT"),
        flag="--port",
        section=_NETWORK,
    ),
    _reaching(
        *("network.gateway", _NETWORK_NAME, "PINNACE_GATEWAY_NETWORK"),
        *("the engine's network that the gateway joins", "NETWORK"),
        field="gateway_network",
        flag="--gateway-network",
    ),
    _reaching(
        *("run.certificates", types.PATH, "PINNACE_CERTIFICATES"),
        *("a bundle of extra CA certificates (PEM)", "FILE"),
        section=_NETWORK,
    ),
    _reaching(
        *("run.proxy", types.BOOLEAN, "PINNACE_PROXY", "take the host's proxy variables along"),
        section=_NETWORK,
    ),
    _key(
        *("run.provision", types.BOOLEAN, "PINNACE_PROVISION"),
        "pull or build an image that is missing",
        section=_IMAGE,
        approval=approval.TURNED_ON,
    ),
    _reaching("auth.profile", _PROFILE, "PINNACE_PROFILE", "which of your accounts", "NAME"),
    _reaching(
        *("auth.cloud", _CLOUDS, "PINNACE_CLOUD"),
        *("a provider whose credentials go in, read-only; can be repeated", "PROVIDER"),
    ),
    _reaching(
        *("auth.secrets", types.PATH, "PINNACE_SECRETS"),
        *("a file of NAME=VALUE lines, handed in as files", "FILE"),
    ),
    _reaching(
        *("auth.key-helper", types.STRING, "PINNACE_KEY_HELPER"),
        *("a command on this machine that prints the key for the API", "COMMAND"),
        own=True,
    ),
    _reaching(
        *("auth.config-directory", types.PATH, "PINNACE_CONFIG_DIR"),
        *("Claude's config directory, instead of the profile's", "DIR"),
        flag="--config-dir",
    ),
    _own(
        *("audit.enabled", types.BOOLEAN, "PINNACE_AUDIT"),
        "keep a record of launches, see: pinnace audit",
        field="audit",
        flag="--audit",
    ),
    _own(
        *("audit.size", types.SIZE, "PINNACE_AUDIT_SIZE"),
        *("of a file of the record, until there is another one", "SIZE"),
        field="audit_size",
        flag="--audit-size",
    ),
    _own(
        *("audit.days", types.COUNT, "PINNACE_AUDIT_DAYS"),
        *("for how many days full files of the record are kept", "N"),
        field="audit_days",
        flag="--audit-days",
    ),
    _own(
        *("run.claude-home", _OWN_PARTS, "PINNACE_CLAUDE_HOME"),
        *("a part of your own ~/.claude, read-only, as CLAUDE.md; can be repeated", "PART"),
        section=_ACCOUNTS,
    ),
)
VERSION: Final = KEYS[0]
BY_NAME: Final = {key.name: key for key in KEYS}
DRY_RUN: Final = Option(("--dry-run",), "print the command, ready to be pasted")
TIMING: Final = Option(("--timing",), "tell where the time went")
_SHORT: Final = {
    "review": "work on a private layer over the project: pinnace review",
    "clone": "work on a clone of the project: pinnace review",
}
HELP: Final = Option(("-h", "--help"), "show this help and exit")
# Read besides the settings, by the builder and by all commands.
_OTHER_VARIABLES: Final = (
    *("PINNACE_BASE_MIRROR", "PINNACE_BASE_REPOSITORY", "PINNACE_CA_BUNDLE"),
    *("PINNACE_DEBUG", "PINNACE_IMAGES"),
)
VARIABLES: Final = (*(key.variable for key in KEYS), *_OTHER_VARIABLES)


def options() -> list[Option]:
    """Return the options of `pinnace run`, section by section."""
    found = [*(option for key in KEYS for option in _of_key(key)), DRY_RUN, TIMING, HELP]
    return sorted(found, key=lambda option: SECTIONS.index(option.section))


def _of_key(key: Key) -> Iterator[Option]:
    default = getattr(DEFAULTS, key.field) if key.field else ""
    if key.kind is types.BOOLEAN:
        said = "this is the default" if default else "the default: no"
        yield Option((key.flag,), f"{key.help} ({said})", key.section, key, value=True)
        no = f"--no-{key.flag[2:]}"
        yield Option((no,), f"turns {key.flag} off", key.section, key, value=False)
    else:
        said = f" ({default})" if default and not isinstance(default, tuple) else ""
        yield Option((key.flag,), f"{key.help}{said}", key.section, key)
    if key.field == "workspace":
        for mode, text in _SHORT.items():
            yield Option((f"--{mode}",), text, key.section, key, value=mode)
