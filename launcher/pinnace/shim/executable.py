"""The program itself: a script that names this interpreter, which may be a virtual environment's.

On Windows a real `.exe`: what is no executable there, clients cannot start or, as with `.cmd`, do
not want to. It is the launcher that pip gives to every command, by the package distlib.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace_core.errors import CannotWriteError
from pinnace_core.files import cannot_write, write_atomic

if TYPE_CHECKING:
    from pinnace_core.host import HostOs

_MARK: Final = "pinnace-shim: 1"
_PROVISIONS: Final = f"{_MARK}, provisions"
_RUN: Final = "from pinnace.shim.drop_in import main; main()"
_SCRIPT: Final = """\
#!/bin/sh
# {mark}{mode}
# Claude Code, run by Pinnace in a container. `pinnace shim uninstall` removes this.
python={python}
[ -x "$python" ] || {{
  printf '%s\\n' "pinnace: error: '$python', which runs Pinnace, is not there any more" \\
    "pinnace: hint: install it again, then: pinnace shim install --force" >&2
  exit 69
}}
exec "$python" {flags} -c '{run}' {word} "$@"
"""
_MAIN: Final = """\
# {mark}{mode}
import sys
sys.argv.insert(1, {word!r})
{run}
"""
_MOST_BYTES: Final = 1 << 20


def name(system: HostOs) -> str:
    """Return the file's name, as clients look for it."""
    return "claude.exe" if system == "windows" else "claude"


def content(system: HostOs, python: str, *, flags: str, provision: bool) -> bytes:
    """Return what is in the file.

    Args:
        system: of this machine.
        python: the interpreter, as it was called: that is how it finds its virtual environment.
        flags: for it, that keep modules of a project's from being imported.
        provision: missing images are pulled or built.
    """
    about = {
        "mark": _MARK,
        "mode": _PROVISIONS.removeprefix(_MARK) if provision else "",
        "run": _RUN,
        "word": "provision" if provision else "no-provision",
    }
    if system != "windows":
        return _SCRIPT.format(**about, python=shlex.quote(python), flags=flags).encode()
    archive = io.BytesIO()
    # Not compressed: so that the mark can be seen.
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("__main__.py", _MAIN.format(**about))
    return _launcher() + f'#!"{python}" {flags}\r\n'.encode() + archive.getvalue()


def _launcher() -> bytes:
    """Return the program that runs what is behind it with the interpreter that is named there."""
    from distlib import resources

    found: bytes = resources.finder("distlib").find(_launcher_name()).bytes
    return found


def _launcher_name() -> str:
    machine = os.environ.get("PROCESSOR_ARCHITECTURE", "").upper()
    return "t64-arm.exe" if machine == "ARM64" else "t64.exe"


def flags() -> str:
    """Return the interpreter's flags: nothing of the environment, nor of the working directory.

    `-I` leaves out what the user has installed for himself, too; where Pinnace is that, it stays.
    """
    import site

    users = site.getusersitepackages() if site.ENABLE_USER_SITE else ""
    own = Path(__file__).resolve()
    return "-EP" if users and own.is_relative_to(Path(users).resolve()) else "-I"


def write(path: Path, data: bytes) -> None:
    """Write it.

    Raises:
        CannotWriteError: the directory cannot be written to.
    """
    write_atomic(path, data, mode=0o755)
    # Whatever the umask is, who may read it may run it.
    if sys.platform != "win32":
        try:
            path.chmod(path.stat().st_mode | 0o111)
        except OSError as error:
            raise cannot_write(path, error) from error


def is_ours(path: Path) -> bool:
    """Return whether a file is such a program; a link to one is none."""
    return _MARK.encode() in _read(path)


def provisions(path: Path) -> bool:
    """Return whether it pulls or builds an image that is missing."""
    return _PROVISIONS.encode() in _read(path)


def _read(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            return b""
        with path.open("rb") as stream:
            return stream.read(_MOST_BYTES)
    except OSError:
        return b""


def remove(path: Path) -> None:
    """Remove it, if it is one.

    Raises:
        CannotWriteError: it cannot be removed.
    """
    if not is_ours(path):
        raise CannotWriteError(f"'{path}' is not Pinnace's", hint="remove it yourself: rm")
    try:
        path.unlink()
    except OSError as error:
        raise cannot_write(path, error) from error
