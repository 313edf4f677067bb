"""Run `pinnace` as another user: `python as_user.py UID GID GROUP[,GROUP] ARGUMENTS...`, as root.

All modules are imported before the privileges are given up: the interpreter may lie where the
other user cannot read.
"""

from __future__ import annotations

import csv
import encodings.idna
import encodings.utf_8_sig
import json
import os
import pkgutil
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from importlib import import_module

import filelock

import pinnace
import pinnace.__main__

_PRELOADED = (csv, encodings, filelock, json, shlex, shutil, signal, socket, subprocess)
_NOT_NEEDED = {"provision"}


def main() -> None:
    """Become the user, then be `pinnace`."""
    for module in pkgutil.iter_modules(pinnace.__path__):
        if module.name not in _NOT_NEEDED:
            import_module(f"pinnace.{module.name}")
    uid, gid = map(int, sys.argv[1:3])
    os.setgroups([int(group) for group in sys.argv[3].split(",")])
    os.setgid(gid)
    os.setuid(uid)
    sys.argv[:4] = ["pinnace"]
    pinnace.__main__.main()


if __name__ == "__main__":
    main()
