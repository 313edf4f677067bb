"""Managed settings: the organisation's, as they are on this machine, and Pinnace's own on top.

What is managed, no setting of a user or a project overrides. The CLI then refuses to be another
version than the pinned one: a second lock, beside the image's.
https://code.claude.com/docs/en/settings (managed settings)
"""

from __future__ import annotations

import json
import os
from binascii import crc32
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace import agent, gateway
from pinnace.agent import project_settings
from pinnace.agent.arguments import may_bypass
from pinnace.gateway import endpoint
from pinnace.plan import Contribution
from pinnace.plan.resources import written
from pinnace.plan.variables import Variable
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_core.errors import BadPinError, BadSettingsError, UnsafeRequestError
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace.plan import Inputs

INSIDE: Final = "/etc/claude-code"
_SETTINGS: Final = "managed-settings.json"
_PARTS: Final = "managed-settings.d"
_SERVERS: Final = "managed-mcp.json"
# Skills, agents and commands.
_MORE: Final = ".claude"
MEMORY: Final = "CLAUDE.md"
"""The organisation's, and the note of where Claude is."""
_OUTSIDE: Final[Mapping[str, str]] = {
    "linux": INSIDE,
    "macos": "/Library/Application Support/ClaudeCode",
    "windows": r"C:\Program Files\ClaudeCode",
}
_LEAST: Final = "requiredMinimumVersion"
_MOST: Final = "requiredMaximumVersion"
# https://github.com/anthropics/claude-code/blob/main/CHANGELOG.md, 2.1.163
_KNOWS_A_RANGE: Final = CliVersion(2, 1, 163)
# Unless somebody says otherwise: what acts for the account elsewhere; and work in the background
# (/background, `claude --bg`), which would end with the container when its session does.
_USUAL: Final = {"ENABLE_CLAUDEAI_MCP_SERVERS": "false", "CLAUDE_CODE_DISABLE_AGENT_VIEW": "1"}
_SANDBOX_NOTE: Final = (
    "your organisation asks for Claude's own sandbox, which cannot run in a container: "
    "the container takes its place"
)


def contribute(inputs: Inputs, *, outside: Path | None = None) -> Contribution:
    """Mount the managed settings.

    Args:
        inputs: of the launch.
        outside: the directory of the organisation's; None: where this system has it.

    Raises:
        BadSettingsError: a file of the organisation's cannot be read, or is not what it should be.
        UnsafeRequestError: the organisation does not allow the pinned version.
    """
    place = outside or organisations_place(inputs)
    policy = organisations(place)
    _require_allowed(policy, inputs.version)
    # Copies: of the system's directories, engines in a virtual machine mount nothing.
    names = (_SERVERS, *(() if inputs.settings.memory_note else (MEMORY,)))
    files = {name: data for name in names if (data := read(place / name)) is not None}
    theirs = _outside_values(policy)
    settings = _merged(policy, _own(inputs, policy))
    settings["env"] = _inside(settings["env"], theirs, network=inputs.level.network)
    files[_SETTINGS] = json.dumps(settings, indent=2, allow_nan=False).encode()
    own = host.directory("state") / "policy" / f"{crc32(repr(sorted(files.items())).encode()):08x}"
    more, note = _more(inputs, place)
    notes = (_SANDBOX_NOTE if _wants_sandbox(policy) else "", note)
    return Contribution(
        mounts=(*(Mount(str(own / n), f"{INSIDE}/{n}", read_only=True) for n in files), *more),
        variables=tuple(Variable(name, "outside", value) for name, value in theirs.items()),
        notes=tuple(filter(None, notes)),
        resources=(written({own / name: data for name, data in files.items()}),),
    )


def _more(inputs: Inputs, place: Path) -> tuple[tuple[Mount, ...], str]:
    """Mount the organisation's directory of more, or say why not."""
    directory = place / _MORE
    if not os.path.isdir(directory):  # noqa: PTH112 (every launch)
        return (), ""
    if inputs.facts.os != "linux" or inputs.engine.desktop:
        return (), f"'{directory}' is not inside: the engine's virtual machine does not see it"
    return (Mount(str(directory), f"{INSIDE}/{_MORE}", read_only=True),), ""


def organisations_place(inputs: Inputs) -> Path:
    """Return the directory in which this system has what is managed."""
    return Path(_OUTSIDE[inputs.facts.os])


def organisations(place: Path) -> dict[str, Any]:
    """Return the organisation's settings, its parts merged as the CLI merges them.

    Raises:
        BadSettingsError: one cannot be read, or is no JSON object: the CLI must not go without.
    """
    policy: dict[str, Any] = {}
    for path in (place / _SETTINGS, *_parts(place / _PARTS)):
        policy = _merged(policy, _document(path))
    return policy


def _parts(directory: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 (every launch)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _bad(directory, error.strerror or "no reason given") from error
    return [directory / n for n in names if n.endswith(".json") and not n.startswith(".")]


def read(path: Path) -> bytes | None:
    """Return a file of the organisation's; None if there is none.

    Raises:
        BadSettingsError: it cannot be read.
    """
    try:
        # Root's: links and all.
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _bad(path, error.strerror or "no reason given") from error


def _document(path: Path) -> dict[str, Any]:
    try:
        # What is no number in JSON, the CLI would stumble over.
        document = json.loads(read(path) or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _bad(path, "it is not JSON") from error
    if not isinstance(document, dict):
        raise _bad(path, "it is not a JSON object")
    return document


def _no_constant(word: str) -> None:
    raise ValueError(word)


def _bad(path: Path, reason: str) -> BadSettingsError:
    return BadSettingsError(
        f"your organisation's settings in '{path}' cannot be read: {reason}",
        hint="ask who looks after this machine to mend the file",
    )


def _own(inputs: Inputs, policy: Mapping[str, Any]) -> dict[str, Any]:
    """Return Pinnace's own: the version, no updates, nothing that acts afar or would be lost."""
    own: dict[str, Any] = {"env": {"DISABLE_AUTOUPDATER": "1", "DISABLE_UPDATES": "1"}}
    theirs = policy.get("env")
    said = {*inputs.facts.environment, *(theirs if isinstance(theirs, dict) else ())}
    own["env"] |= {name: value for name, value in _USUAL.items() if name not in said}
    if inputs.version is not None and inputs.version >= _KNOWS_A_RANGE:
        own[_LEAST] = own[_MOST] = str(inputs.version)
    if _must_ask(inputs):
        own["permissions"] = {"disableBypassPermissionsMode": "disable"}
    if _wants_sandbox(policy):
        own["sandbox"] = {"enabled": False, "failIfUnavailable": False}
    return own


def _must_ask(inputs: Inputs) -> bool:
    """Return whether Claude must ask: nothing contains it, or only a project says otherwise.

    What the user chooses in the command is consent, where the container contains it.
    """
    if inputs.level.network:
        return True
    if may_bypass(inputs.claude_arguments):
        return False
    return project_settings.bypasses(inputs.project, inputs.facts)


def _outside_values(policy: Mapping[str, Any]) -> dict[str, str]:
    """Return what the organisation sets of the API's address and keys: the gateway has that."""
    theirs = policy.get("env")
    known = theirs if isinstance(theirs, dict) else {}
    return {name: str(known[name]) for name in endpoint.OUTSIDE if known.get(name)}


def _inside(
    variables: Mapping[str, Any], outside: Mapping[str, str], *, network: bool
) -> dict[str, Any]:
    """Return variables that no file of a project's overrides: the API is at the gateway."""
    kept = {name: value for name, value in variables.items() if name not in endpoint.OUTSIDE}
    keys = {name: agent.PLACEHOLDER for name in endpoint.CREDENTIALS if name in outside}
    url = {} if network and not outside else {endpoint.BASE_URL: gateway.API_URL}
    return {**kept, **keys, **url}


def _wants_sandbox(policy: Mapping[str, Any]) -> bool:
    sandbox = policy.get("sandbox")
    return isinstance(sandbox, dict) and sandbox.get("enabled") is True


def _require_allowed(policy: Mapping[str, Any], version: CliVersion | None) -> None:
    """Refuse a version that the CLI would refuse to be, before anything is started."""
    if version is None:
        return
    least, most = _version(policy.get(_LEAST)), _version(policy.get(_MOST))
    if (least is None or least <= version) and (most is None or version <= most):
        return
    allowed = " and ".join(
        text for text in (least and f"{least} or newer", most and f"{most} or older") if text
    )
    raise UnsafeRequestError(
        f"your organisation does not allow Claude Code {version}: only {allowed}",
        hint="pin one that it allows: pinnace pin VERSION",
    )


def _version(value: object) -> CliVersion | None:
    """Read a version; the CLI passes over what is none."""
    try:
        return CliVersion.parse(value) if isinstance(value, str) else None
    except BadPinError:
        return None


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge as the CLI does: objects by their keys, lists one after the other, else the last."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merged(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            merged[key] = [*old, *(item for item in value if item not in old)]
        else:
            merged[key] = value
    return merged
