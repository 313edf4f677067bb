"""All settings and options, in one table: files, variables, flags, help and pages follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace.config import DEFAULTS, NEVER, SESSION, approval, kinds, types
from pinnace.config.keys import (
    ACCOUNTS,
    IMAGE,
    LAUNCH,
    NETWORK,
    SECTIONS,
    Key,
    key,
    own_alone,
    reaching,
)
from pinnace_core.engine import NAMES
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator


class Option(NamedTuple):
    """An option of `pinnace run`.

    Attributes:
        names: the long one is last.
        help: one line.
        section: one of `SECTIONS`.
        key: the setting that it gives; None: it is of this launch alone.
        value: what it means, where it takes no value.
        argument: what its value is called, where no setting says it.
    """

    names: tuple[str, ...]
    help: str
    section: str = LAUNCH
    key: Key | None = None
    value: bool | str | None = None
    argument: str = ""

    @property
    def metavar(self) -> str:
        """What its value is called; empty: it takes none."""
        return self.key.metavar if self.key and not isinstance(self.value, str) else self.argument


_WORKSPACES: Final = ("bind", "review", "clone")
_REUSE: Final = (NEVER, "project", SESSION)

KEYS: Final = (
    key(
        *("claude.version", types.STRING, "PINNACE_CLAUDE_VERSION"),
        *("the CLI's version; wins over every pin", "SPEC"),
        field="",
        flag="--claude-version",
        approval=approval.GOING_BACK,
    ),
    key(
        *("claude.locked", types.BOOLEAN, "PINNACE_LOCKED"),
        "go on only with a pinnace.lock of the pinned version, as in CI",
        approval=approval.TURNED_OFF,
    ),
    key(
        *("claude.variant", kinds.VARIANT, "PINNACE_VARIANT", "the image's variant", "VARIANT"),
        approval=approval.CHANGED,
    ),
    key(
        *("image.packages", kinds.PACKAGES, "PINNACE_PACKAGES"),
        *("a Debian package for the project's own image; can be repeated", "NAME"),
        flag="--package",
        approval=approval.ADDED,
    ),
    key(
        *("image.tools", kinds.TOOLS, "PINNACE_TOOLS"),
        *("a toolchain for the project's own image: node, none, or auto", "NAME"),
        flag="--tool",
        approval=approval.TOOLS,
    ),
    reaching(
        *("image.dockerfile", types.PATH, "PINNACE_DOCKERFILE"),
        *("of the project's own image, built on the pinned one", "FILE"),
    ),
    reaching(
        *(
            "image.image",
            kinds.REFERENCE,
            "PINNACE_IMAGE",
            "an image of your own, instead",
            "IMAGE",
        ),
    ),
    reaching(
        *("image.devcontainer", types.BOOLEAN, "PINNACE_DEVCONTAINER"),
        "take the image that devcontainer.json names, if it fits",
    ),
    reaching(
        *("image.repository", kinds.REFERENCE, "PINNACE_REPOSITORY"),
        *("pull missing images from there instead of building them", "REPOSITORY"),
    ),
    reaching(
        *("run.engine", types.one_of(*NAMES), "PINNACE_ENGINE"),
        *("the client: docker or podman", "CLIENT"),
    ),
    key(
        *("run.memory", types.SIZE, "PINNACE_MEMORY", "memory limit, as docker writes it", "SIZE"),
        approval=approval.LARGER,
    ),
    key(
        *("run.pids", types.COUNT, "PINNACE_PIDS", "limit on processes", "N"),
        flag="--pids-limit",
        approval=approval.MORE,
    ),
    key(
        *("run.cpus", types.CPUS, "PINNACE_CPUS", "limit on processors, as 2 or 1.5", "N"),
        approval=approval.MORE_CPUS,
    ),
    key(
        *("run.shm-size", types.SIZE, "PINNACE_SHM_SIZE", "size of /dev/shm", "SIZE"),
        approval=approval.LARGER,
    ),
    reaching(
        *("run.gpus", kinds.GPUS, "PINNACE_GPUS"),
        *("graphics processors: all, a number, or device=ID,...", "GPUS"),
    ),
    reaching(
        *("run.devices", kinds.DEVICES, "PINNACE_DEVICES"),
        *("a device of this machine, PATH[:TARGET[:rwm]]; can be repeated", "DEVICE"),
        flag="--device",
    ),
    reaching(
        *("run.runtime", kinds.RUNTIME, "PINNACE_RUNTIME"),
        *("the engine's OCI runtime, as runsc", "NAME"),
    ),
    key(
        *("run.runtime-sockets", types.BOOLEAN, "PINNACE_RUNTIME_SOCKETS"),
        "sockets cross into the runtime's sandbox: runsc with host-uds=open",
        approval=approval.TURNED_ON,
    ),
    key(
        *("run.user", types.one_of(contract.AGENT_NAME), "PINNACE_USER"),
        *("'agent': run as the image's own user (uid 1000)", "USER"),
        field="user_agent",
    ),
    reaching(
        *("run.mounts", types.MOUNTS, "PINNACE_MOUNTS"),
        *("one more mount, SOURCE[:TARGET][:ro|rw]; can be repeated", "MOUNT"),
        flag="--mount",
    ),
    reaching(
        *("run.environment", kinds.VARIABLES, "PINNACE_ENVIRONMENT"),
        *("pass one more variable; can be repeated", "NAME[=VALUE]"),
        field="environment_names",
        flag="--env",
    ),
    key(
        *("run.workspace", types.one_of(*_WORKSPACES), "PINNACE_WORKSPACE"),
        *("what Claude writes to: bind (the project itself), review or clone", "MODE"),
        approval=approval.WORKSPACE,
    ),
    reaching(
        *("run.layer", kinds.LAYER, "PINNACE_LAYER"),
        *("go on in what an earlier --review or --clone has left", "NAME"),
    ),
    reaching(
        *("run.branch", kinds.BRANCH, "PINNACE_BRANCH"),
        *("work on a branch, in a worktree of its own: pinnace worktree", "NAME"),
    ),
    key(
        *("run.session", kinds.SESSION, "PINNACE_SESSION"),
        *("begin a session of this name, or go on with it: pinnace session", "NAME"),
    ),
    own_alone(
        *("run.session-store", kinds.STORE, "PINNACE_SESSION_STORE"),
        *("keep sessions there, too: a directory, or MODULE:NAME", "STORE"),
    ),
    key(
        *("run.private", kinds.PRIVATE, "PINNACE_PRIVATE"),
        *("a directory of the project that Claude gets its own of; can be repeated", "PATH"),
    ),
    reaching(
        *("run.writable", kinds.PRIVATE, "PINNACE_WRITABLE"),
        *("leave a path writable that this machine runs, as .vscode; can be repeated", "PATH"),
    ),
    reaching(
        *("run.caches", kinds.CACHES, "PINNACE_CACHES"),
        *("share a package manager's cache (npm, pip, ...); can be repeated", "NAME"),
        flag="--cache",
    ),
    key(
        *("run.note", types.BOOLEAN, "PINNACE_NOTE"),
        "tell Claude where it is, and what to ask for",
        field="memory_note",
    ),
    key(
        *("run.git", types.BOOLEAN, "PINNACE_GIT"),
        "take your git configuration along, read-only",
        field="git_identity",
        approval=approval.TURNED_ON,
    ),
    reaching(
        *("run.ssh-agent", types.BOOLEAN, "PINNACE_SSH_AGENT"),
        "forward the SSH agent's socket: Claude can use its keys",
        section=ACCOUNTS,
    ),
    key(
        *("run.isolation", kinds.LEVEL, "PINNACE_ISOLATION"),
        *("locked, standard, open, or a level of your own: what is reached", "LEVEL"),
        section=NETWORK,
        approval=approval.ISOLATION,
    ),
    reaching(
        *("network.allow", kinds.DESTINATIONS, "PINNACE_ALLOW"),
        *("let a host through, HOST[:PORT]; can be repeated", "HOST"),
    ),
    reaching(
        *("network.headers", types.HEADERS, "PINNACE_HEADERS"),
        *("put a header on requests to a host, outside; can be repeated", "HEADER"),
        flag="--header",
        own=True,
    ),
    reaching(
        *("run.services", kinds.PORTS, "PINNACE_SERVICES"),
        *("let Claude use a service at this port of this machine; can be repeated", "PORT"),
        flag="--service",
        section=NETWORK,
    ),
    reaching(
        *("run.ports", kinds.PORTS, "PINNACE_PORTS"),
        *("open a port of Claude's container on this machine; can be repeated", "PORT"),
        flag="--port",
        section=NETWORK,
    ),
    reaching(
        *("network.gateway", kinds.NETWORK_NAME, "PINNACE_GATEWAY_NETWORK"),
        *("the engine's network that the gateway joins", "NETWORK"),
        field="gateway_network",
        flag="--gateway-network",
    ),
    reaching(
        *("run.certificates", types.PATH, "PINNACE_CERTIFICATES"),
        *("a bundle of extra CA certificates (PEM)", "FILE"),
        section=NETWORK,
    ),
    reaching(
        *("run.proxy", types.BOOLEAN, "PINNACE_PROXY", "take the host's proxy variables along"),
        section=NETWORK,
    ),
    key(
        *("run.provision", types.BOOLEAN, "PINNACE_PROVISION"),
        "pull or build an image that is missing",
        section=IMAGE,
        approval=approval.TURNED_ON,
    ),
    key(
        *("run.standby", kinds.STANDBY, "PINNACE_STANDBY"),
        *("keep N containers ready for the next launches: auto, 0, or a number", "N"),
        approval=approval.MORE_STANDBY,
    ),
    key(
        *("run.reuse", types.one_of(*_REUSE), "PINNACE_REUSE"),
        *("keep packages and caches in Claude's home: never, project or session", "FOR"),
        approval=approval.REUSE,
    ),
    reaching("auth.profile", kinds.PROFILE, "PINNACE_PROFILE", "which of your accounts", "NAME"),
    reaching(
        *("auth.cloud", kinds.CLOUDS, "PINNACE_CLOUD"),
        *("a provider whose credentials go in, read-only; can be repeated", "PROVIDER"),
    ),
    reaching(
        *("auth.secrets", types.PATH, "PINNACE_SECRETS"),
        *("a file of NAME=VALUE lines, handed in as files", "FILE"),
    ),
    reaching(
        *("auth.key-helper", types.STRING, "PINNACE_KEY_HELPER"),
        *("a command on this machine that prints the key for the API", "COMMAND"),
        own=True,
    ),
    reaching(
        *("auth.config-directory", types.PATH, "PINNACE_CONFIG_DIR"),
        *("Claude's config directory, instead of the profile's", "DIR"),
        flag="--config-dir",
    ),
    own_alone(
        *("audit.enabled", types.BOOLEAN, "PINNACE_AUDIT"),
        "keep a record of launches, see: pinnace audit",
        field="audit",
        flag="--audit",
    ),
    own_alone(
        *("audit.size", types.SIZE, "PINNACE_AUDIT_SIZE"),
        *("of a file of the record, until there is another one", "SIZE"),
        field="audit_size",
        flag="--audit-size",
    ),
    own_alone(
        *("audit.days", types.COUNT, "PINNACE_AUDIT_DAYS"),
        *("for how many days full files of the record are kept", "N"),
        field="audit_days",
        flag="--audit-days",
    ),
    own_alone(
        *("run.claude-home", kinds.OWN_PARTS, "PINNACE_CLAUDE_HOME"),
        *("a part of your own ~/.claude, read-only, as CLAUDE.md; can be repeated", "PART"),
        section=ACCOUNTS,
    ),
)
VERSION: Final = KEYS[0]
BY_NAME: Final = {key.name: key for key in KEYS}
DRY_RUN: Final = Option(("--dry-run",), "print the command, ready to be pasted")
TIMING: Final = Option(("--timing",), "tell where the time went")
DETACH: Final = Option(("--detach",), "print its name, and let it go on by itself: pinnace attach")
PROMPT: Final = Option(
    ("--prompt",), "send what a prompt file says: pinnace help prompts", argument="FILE"
)
DATA: Final = Option(
    ("--data",), "a value that the prompt uses; can be repeated", argument="NAME=VALUE"
)
DATA_FILE: Final = Option(
    ("--data-file",), "values from JSON, YAML or TOML; can be repeated", argument="FILE"
)
DATA_STDIN: Final = Option(("--data-stdin",), "values from standard input, as JSON")
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
    own = (DETACH, PROMPT, DATA, DATA_FILE, DATA_STDIN, DRY_RUN, TIMING, HELP)
    found = [*(option for key in KEYS for option in _of_key(key)), *own]
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
