"""All settings, in one table: files, variables, flags and documentation follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pinnace.config import types
from pinnace_images import contract

if TYPE_CHECKING:
    from pinnace.config.types import Kind


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
        reaches_out: it opens something outside the project, or chooses what is run: in a project's
            file it counts only once that file was approved.
    """

    name: str
    field: str
    kind: Kind
    variable: str
    flag: str
    help: str
    metavar: str = ""
    reaches_out: bool = False


_VARIANT: Final = types.matching(r"[A-Za-z0-9-]*[A-Za-z0-9][A-Za-z0-9-]*", "letters, digits and -")
_PROFILE: Final = types.matching(
    r"(?!.*-[0-9]+$)[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
    "letters, digits, - and _, up to 64, not ending in - and a number",
)
_REFERENCE: Final = types.matching(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]*", "an image's name or id")
_PACKAGES: Final = types.list_of(
    types.matching(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?", "a Debian package's name"),
    "Debian packages",
)
_VARIABLES: Final = types.list_of(
    types.matching(r"[A-Za-z_][A-Za-z0-9_]*", "a variable's name (its value is taken over)"),
    "names of variables",
)
_CACHES: Final = types.list_of(
    types.matching(r"[a-z][a-z0-9-]*", "a package manager's name"), "package managers"
)
_CLOUDS: Final = types.list_of(types.one_of("aws", "gcloud", "azure"), "`aws`, `gcloud`, `azure`")

KEYS: Final = (
    Key(
        *("claude.version", "", types.STRING, "PINNACE_CLAUDE_VERSION", "--claude-version"),
        "the CLI's version; wins over every pin",
        "SPEC",
    ),
    Key(
        *("claude.variant", "variant", _VARIANT, "PINNACE_VARIANT", "--variant"),
        "the image's variant",
        "VARIANT",
    ),
    Key(
        *("image.packages", "packages", _PACKAGES, "PINNACE_PACKAGES", "--package"),
        "a Debian package for the project's own image; can be repeated",
        "NAME",
    ),
    Key(
        *("image.dockerfile", "dockerfile", types.PATH, "PINNACE_DOCKERFILE", "--dockerfile"),
        "of the project's own image, built on the pinned one",
        "FILE",
        reaches_out=True,
    ),
    Key(
        *("image.image", "image", _REFERENCE, "PINNACE_IMAGE", "--image"),
        "an image of your own, instead",
        "IMAGE",
        reaches_out=True,
    ),
    Key(
        *("image.devcontainer", "devcontainer", types.BOOLEAN, "PINNACE_DEVCONTAINER"),
        *("--devcontainer", "take the image that devcontainer.json names, if it fits"),
        reaches_out=True,
    ),
    Key(
        *("image.repository", "repository", _REFERENCE, "PINNACE_REPOSITORY", "--repository"),
        "pull missing images from there instead of building them",
        "REPOSITORY",
        reaches_out=True,
    ),
    Key(
        *("run.engine", "engine", types.one_of("docker", "podman"), "PINNACE_ENGINE", "--engine"),
        "the client: docker or podman",
        "CLIENT",
        reaches_out=True,
    ),
    Key(
        *("run.memory", "memory", types.SIZE, "PINNACE_MEMORY", "--memory"),
        "memory limit, as docker writes it",
        "SIZE",
    ),
    Key(
        *("run.pids", "pids", types.COUNT, "PINNACE_PIDS", "--pids-limit"),
        "limit on processes",
        "N",
    ),
    Key(
        *("run.user", "user_agent", types.one_of(contract.AGENT_NAME), "PINNACE_USER", "--user"),
        "'agent': run as the image's own user (uid 1000)",
        "USER",
    ),
    Key(
        *("run.mounts", "mounts", types.MOUNTS, "PINNACE_MOUNTS", "--mount"),
        "one more mount, SOURCE[:TARGET][:ro|rw]; can be repeated",
        "MOUNT",
        reaches_out=True,
    ),
    Key(
        *("run.environment", "environment_names", _VARIABLES, "PINNACE_ENVIRONMENT", "--env"),
        "pass one more variable; can be repeated",
        "NAME",
        reaches_out=True,
    ),
    Key(
        *("run.caches", "caches", _CACHES, "PINNACE_CACHES", "--cache"),
        "share a package manager's cache (npm, pip, ...); can be repeated",
        "NAME",
        reaches_out=True,
    ),
    Key(
        *("run.git", "git_identity", types.BOOLEAN, "PINNACE_GIT", "--git"),
        "take your git configuration along, read-only",
    ),
    Key(
        *("run.ssh-agent", "ssh_agent", types.BOOLEAN, "PINNACE_SSH_AGENT", "--ssh-agent"),
        "forward the SSH agent's socket: Claude can use its keys",
        reaches_out=True,
    ),
    Key(
        *("run.certificates", "certificates", types.PATH, "PINNACE_CERTIFICATES"),
        *("--certificates", "a bundle of extra CA certificates (PEM)", "FILE"),
        reaches_out=True,
    ),
    Key(
        *("run.proxy", "proxy", types.BOOLEAN, "PINNACE_PROXY", "--proxy"),
        "take the host's proxy variables along",
        reaches_out=True,
    ),
    Key(
        *("run.provision", "provision", types.BOOLEAN, "PINNACE_PROVISION", "--provision"),
        "pull or build an image that is missing",
    ),
    Key(
        *("auth.profile", "profile", _PROFILE, "PINNACE_PROFILE", "--profile"),
        "which of your accounts",
        "NAME",
        reaches_out=True,
    ),
    Key(
        *("auth.cloud", "cloud", _CLOUDS, "PINNACE_CLOUD", "--cloud"),
        "a provider whose credentials go in, read-only; can be repeated",
        "PROVIDER",
        reaches_out=True,
    ),
    Key(
        *("auth.secrets", "secrets", types.PATH, "PINNACE_SECRETS", "--secrets"),
        "a file of NAME=VALUE lines, handed in as files",
        "FILE",
        reaches_out=True,
    ),
    Key(
        *("auth.config-directory", "config_directory", types.PATH, "PINNACE_CONFIG_DIR"),
        *("--config-dir", "Claude's config directory, instead of the profile's", "DIR"),
        reaches_out=True,
    ),
)
VERSION: Final = KEYS[0]
BY_NAME: Final = {key.name: key for key in KEYS}
