"""Options of `pinnace run`."""

from __future__ import annotations

from typing import Any


def flags(**settings: Any) -> list[str]:
    """Spell settings as options of `pinnace run`."""
    names = {"environment_names": "env"}
    spelled = []
    for name, value in settings.items():
        option = f"--{names.get(name, name)}"
        values = value if isinstance(value, list) else [value]
        spelled += [option if v is True else f"{option}={v}" for v in values]
    return spelled
