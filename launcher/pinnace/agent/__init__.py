"""What is Claude's: its variables and those of its providers, accounts, and config directory.

Variables go in by name, so that no value of the environment is ever in an argument list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace.agent.variables import PASSED
from pinnace_core.errors import UsageError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# As long as real ones, which programs may check; nobody can take one for a key of his.
PLACEHOLDER: Final = "pinnace-placeholder-the-key-is-outside"
"""Inside, of keys and tokens."""
_PREFIXES: Final = ("ANTHROPIC_", "CLAUDE_CODE_")
# A Claude around us sets this, and many more that are of no use inside.
_WITHIN_CLAUDE: Final = "CLAUDECODE"
# Facts about the host: that they stay outside, nobody has to be told.
_OF_THE_HOST: Final = (
    *("CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SSE_PORT", "CLAUDE_CODE_EXECPATH"),
    *("CLAUDE_CODE_BRIDGE_", "CLAUDE_CODE_CHILD_", "CLAUDE_CODE_HOST_", "CLAUDE_CODE_IDE_"),
    *("CLAUDE_CODE_LAUNCHED_BY_", "CLAUDE_CODE_MESSAGING_", "CLAUDE_CODE_REMOTE"),
    *("CLAUDE_CODE_RUNNER_", "CLAUDE_CODE_SESSION_", "CLAUDE_CODE_SESSIONS_", "CLAUDE_CODE_SHELL"),
    *("CLAUDE_CODE_TMPDIR", "CLAUDE_CODE_TMUX_", "CLAUDE_CODE_WORKSPACE_HOST_"),
)
_OF_THE_HOST_BY_END: Final = (
    *("_DIR", "_DIRS", "_PATH", "_FILE", "_SOCKET", "_FD", "_DESCRIPTOR"),
    "_WRAPPER",
)
ACCOUNT_VARIABLES: Final = (
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
    *("ANTHROPIC_FOUNDRY_API_KEY", "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR"),
)
"""What Claude can authenticate with, of the environment."""
_KEY_SUFFIX: Final = 20
_OFF: Final = frozenset({"", "0", "false", "no", "off"})


class Provider(NamedTuple):
    """A cloud.

    Attributes:
        switch: the variable that makes the CLI use it.
        place: of its tools' configuration, in the home directory.
        moved_by: the variable that names another place; also set inside, to the place there.
        names: variables that go in.
        prefixes: likewise, of families of variables.
        files: variables that name a file, which goes in too.
        scratch: directories in the place that its tools write to, and that hold no credentials.
    """

    switch: str
    place: str
    moved_by: str
    names: tuple[str, ...]
    prefixes: tuple[str, ...]
    files: tuple[str, ...]
    scratch: tuple[str, ...]


PROVIDERS: Final[Mapping[str, Provider]] = {
    "aws": Provider(
        "CLAUDE_CODE_USE_BEDROCK",
        ".aws",
        "",
        (
            *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"),
            *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN"),
            *("AWS_ROLE_SESSION_NAME", "AWS_BEARER_TOKEN_BEDROCK", "AWS_EC2_METADATA_DISABLED"),
            *("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_STS_REGIONAL_ENDPOINTS"),
        ),
        (),
        ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ("cli/cache",),
    ),
    "azure": Provider(
        "CLAUDE_CODE_USE_FOUNDRY",
        ".azure",
        "AZURE_CONFIG_DIR",
        (
            *("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_USERNAME"),
            *("AZURE_SUBSCRIPTION_ID", "AZURE_AUTHORITY_HOST", "AZURE_CLOUD"),
        ),
        (),
        ("AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"),
        ("commands", "logs", "telemetry"),
    ),
    "gcloud": Provider(
        "CLAUDE_CODE_USE_VERTEX",
        ".config/gcloud",
        "CLOUDSDK_CONFIG",
        (
            *("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT", "GOOGLE_CLOUD_LOCATION"),
            *("GCLOUD_PROJECT", "CLOUD_ML_REGION", "CLOUDSDK_CORE_PROJECT"),
            "CLOUDSDK_ACTIVE_CONFIG_NAME",
        ),
        ("VERTEX_REGION_",),
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        ("logs",),
    ),
}


def is_on(environment: Mapping[str, str], switch: str) -> bool:
    """Return whether the CLI takes a switch for set (measured with 2.1.330: `0` is off)."""
    return environment.get(switch, "").strip().lower() not in _OFF


def variables(provider: Provider, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Name a provider's variables that are set, sorted."""
    found = {n for n in environment if n in provider.names or n.startswith(provider.prefixes)}
    return tuple(sorted(n for n in found if n.isidentifier()))


def passed_names(environment: Mapping[str, str], *, extra: Iterable[str] = ()) -> tuple[str, ...]:
    """Name the variables that go in with the host's own values, sorted.

    Args:
        environment: the host's variables.
        extra: more names; what has a value (`NAME=VALUE`) is not among them.

    Raises:
        UsageError: one of `extra` is not a variable's name, or is not set.
    """
    names = PASSED.intersection(environment)
    for name in extra:
        if "=" in name:
            continue
        if not name.isidentifier() or name not in environment:
            raise UsageError(
                f"--env {name}: give the name of a variable that is set, or NAME=VALUE",
                hint="set it first; secrets of a file go in by --secrets FILE",
            )
        names |= {name}
    return tuple(sorted(names))


def given_values(extra: Iterable[str]) -> dict[str, str]:
    """Return the variables that were given as `NAME=VALUE`."""
    return dict(text.split("=", 1) for text in extra if "=" in text)


def unknown_names(environment: Mapping[str, str], *, extra: Iterable[str] = ()) -> list[str]:
    """Name the variables that look like Claude's and do not go in, sorted.

    Those that describe the host are not among them, nor what a Claude around us has set.
    """
    if environment.get(_WITHIN_CLAUDE):
        return []
    named = {text.partition("=")[0] for text in extra}
    known = {variable for one in PROVIDERS.values() for variable in (one.switch, *one.names)}
    found = {n for n in environment if n.startswith(_PREFIXES)} - PASSED - named - known
    return sorted(name for name in found if not _is_of_the_host(name))


def _is_of_the_host(name: str) -> bool:
    return name.startswith(_OF_THE_HOST) or name.endswith(_OF_THE_HOST_BY_END)


def key_suffix(environment: Mapping[str, str]) -> str:
    """Return what Claude remembers of an approved API key: its last 20 characters."""
    return environment.get("ANTHROPIC_API_KEY", "")[-_KEY_SUFFIX:]
