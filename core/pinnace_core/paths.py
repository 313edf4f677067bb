"""Where Pinnace keeps things on the host; the same on both sides.

As platformdirs says. On Linux its rule is one line, and importing it would cost every launch 5 ms.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final, Literal

_NAME: Final = "pinnace"
Kind = Literal["cache", "config", "data", "state"]
_XDG: Final = {
    "cache": ".cache",
    "config": ".config",
    "data": ".local/share",
    "state": ".local/state",
}


def directory(kind: Kind) -> Path:
    """Return the user's directory of a kind.

    Args:
        kind: `cache` may be deleted any time, `config` is what the user writes, `data` is
            the user's, `state` is bookkeeping.
    """
    if sys.platform == "linux":
        # The specification wants relative ones ignored.
        configured = os.environ.get(f"XDG_{kind.upper()}_HOME", "").strip()
        usable = configured and Path(configured).is_absolute()
        return Path(configured if usable else Path.home() / _XDG[kind]) / _NAME
    import platformdirs

    dirs = platformdirs.PlatformDirs(_NAME, appauthor=False)
    return {
        "cache": dirs.user_cache_path,
        "config": dirs.user_config_path,
        "data": dirs.user_data_path,
        "state": dirs.user_state_path,
    }[kind]
