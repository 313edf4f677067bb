"""Options of `pinnace run`."""

from __future__ import annotations

from typing import Any, Final

_NAMES: Final = {
    "caches": "cache",
    "environment_names": "env",
    "mounts": "mount",
    "packages": "package",
    "services": "service",
}


def flags(**settings: Any) -> list[str]:
    """Spell settings as options of `pinnace run`."""
    spelled = []
    for name, value in settings.items():
        option = _NAMES.get(name, name).replace("_", "-")
        values = value if isinstance(value, list) else [value]
        spelled += [_spelled(option, one) for one in values]
    return spelled


def _spelled(option: str, value: object) -> str:
    if isinstance(value, bool):
        return f"--{option}" if value else f"--no-{option}"
    return f"--{option}={value}"
