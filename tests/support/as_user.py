"""Run `pinnace` as another user: `python as_user.py UID GID GROUP[,GROUP] ARGUMENTS...`, as root.

All modules are imported before the privileges are given up: the interpreter may lie where the
other user cannot read. What this starts with an interpreter of its own gets the system's then, and
the modules that `readable` has copied.
"""

from __future__ import annotations

import encodings
import os
import pkgutil
import shutil
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Final

import filelock

import pinnace.__main__
import pinnace_core
import pinnace_images

if TYPE_CHECKING:
    from pathlib import Path

_SYSTEMS: Final = "/usr/bin/python3"
# They do something as soon as they are imported, or need a display.
_NOT_IMPORTED: Final = {"antigravity", "idlelib", "test", "this", "tkinter", "turtle", "turtledemo"}


def readable(place: Path) -> dict[str, str]:
    """Copy what a gateway's keeper imports to a place; return the variable that leads there."""
    for package in (pinnace, pinnace_core, pinnace_images, filelock):
        (source,) = package.__path__
        shutil.copytree(source, place / package.__name__)
    return {"PYTHONPATH": str(place)}


def main() -> None:
    """Become the user, then be `pinnace`."""
    _import_all()
    uid, gid = map(int, sys.argv[1:3])
    os.setgroups([int(group) for group in sys.argv[3].split(",")])
    os.setgid(gid)
    os.setuid(uid)
    if not os.access(sys.executable, os.X_OK):
        sys.executable = _SYSTEMS
    sys.argv[:4] = ["pinnace"]
    pinnace.__main__.main()


def _import_all() -> None:
    warnings.simplefilter("ignore")
    packages = ((pinnace.__path__, "pinnace."), (encodings.__path__, "encodings."))
    found = [m.name for p in packages for m in pkgutil.walk_packages(*p)]
    for name in sorted(sys.stdlib_module_names - _NOT_IMPORTED) + found:
        # Some belong to other systems.
        with suppress(ImportError):
            import_module(name)


if __name__ == "__main__":
    main()
