"""Directories of the project that Claude has its own of: `.venv`, `node_modules`.

What the host has made there is of the host's system. Over it lies a directory of Pinnace's, for
this project and user alone, so that neither spoils the other's.
"""

from __future__ import annotations

import os
import re
from binascii import crc32
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.plan import Contribution
from pinnace.plan.contributors.mounts import made_ready
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_core.errors import UnsafeRequestError
from pinnace_core.files import read_untrusted, resolved

if TYPE_CHECKING:
    from pinnace.config.project import Workspace
    from pinnace.plan import Inputs

_VENV: Final = ".venv"
_MARK: Final = f"{_VENV}/pyvenv.cfg"
_MOST_BYTES: Final = 1 << 14
_FOREIGN: Final = (
    "'.venv' is of this machine's Python and does not work inside; "
    'for one of Claude\'s own: run.private = [".venv"], or --private .venv'
)
# Of the image: Debian's Python. https://docs.python.org/3/library/venv.html
_HOME: Final = re.compile(r"^home\s*=\s*/usr/bin\s*$", re.MULTILINE)
_VERSION: Final = re.compile(r"^version\s*=\s*3\.13\.", re.MULTILINE)


def contribute(inputs: Inputs) -> Contribution:
    """Mount a directory of Pinnace's over each that is asked for.

    Raises:
        UnsafeRequestError: one is reached through a link.
    """
    project = inputs.project
    own = host.directory("cache") / "private" / str(inputs.user.uid)
    own /= f"{crc32(os.fsencode(project.source)):08x}"
    mounts, made = [], []
    for name in sorted(set(inputs.settings.private)):
        place = Path(project.source, name)
        if resolved(place) != place or place.is_symlink():
            raise UnsafeRequestError(
                f"'{place}' is not made private: it leads through a link",
                hint="name the directory itself in run.private",
            )
        mounts.append(Mount(str(own / name), f"{project.target}/{name}"))
        # The engine would make what is missing, as root; in a layer, that is all the same.
        missing = not inputs.apart and not place.is_dir()
        made += [own / name, *((place,) if missing else ())]
    notes = () if _VENV in inputs.settings.private else _notes(project)
    resources = (made_ready(made, inputs),) if made else ()
    return Contribution(tuple(mounts), notes=notes, resources=resources)


def _notes(project: Workspace) -> tuple[str, ...]:
    try:
        data = read_untrusted(Path(project.source, _MARK), most=_MOST_BYTES)
    except OSError:
        return ()
    text = data.decode(errors="replace")
    fits = _HOME.search(text) and _VERSION.search(text)
    return () if fits else (_FOREIGN,)
