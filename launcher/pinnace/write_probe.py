"""Write a file through a mount, as a launch would, and see whose it is outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.plan.plan import plan_check
from pinnace_core import paths
from pinnace_core.container import Mount
from pinnace_core.engine.adapt import fit
from pinnace_core.engine.argv import docker_argv
from pinnace_core.engine.cli import client_missing
from pinnace_core.errors import EngineUnsuitableError
from pinnace_core.files import make_directory
from pinnace_images import contract

if TYPE_CHECKING:
    from pinnace.plan.user import UserMapping
    from pinnace_core.engine.engine import Engine
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts

_TARGET: Final = "/probe"
_TIMEOUT_SECONDS: Final = 120


def write(
    found: Engine, about: EngineFacts, mapping: UserMapping, facts: HostFacts, *, image: str
) -> tuple[int, int]:
    """Return the uid and gid, on this host, of a file that was made inside.

    Raises:
        EngineUnsuitableError: none appeared here.
        ClientMissingError: there is no client.
    """
    parent = make_directory(paths.directory("state"))
    directory = Path(tempfile.mkdtemp(prefix="probe-", dir=parent))
    try:
        if facts.uid == 0 and facts.os == "linux" and not mapping.mapped:
            os.chown(directory, mapping.uid, mapping.gid)
        said = _run(found, about, mapping, image=image, directory=directory)
        made = directory / "made"
        if not made.exists():
            raise EngineUnsuitableError(
                f"a file that was made inside does not appear here: {said}",
                hint="let the engine share the directory (Docker Desktop: Settings, Resources, "
                "File sharing); see docs/hosts.md",
            )
        status = made.stat()
        return status.st_uid, status.st_gid
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run(
    found: Engine, about: EngineFacts, mapping: UserMapping, *, image: str, directory: Path
) -> str:
    plan = plan_check(image, f"echo probe > {_TARGET}/made")._replace(
        user=(mapping.uid, mapping.gid),
        userns=mapping.userns,
        groups=mapping.groups,
        mounts=(Mount(str(directory), _TARGET),),
        workdir=contract.HOME,
        # If it never ends, `pinnace gc` finds it by this.
        labels=((contract.LABEL_CHECK, image),),
    )
    argv = docker_argv(fit(plan, about).plan, program=found.program)
    try:
        done = subprocess.run(
            argv,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
        )
    except FileNotFoundError:
        raise client_missing(found.program) from None
    except subprocess.TimeoutExpired:
        return "the container did not end"
    return (done.stderr.strip().splitlines() or ["nothing was said"])[-1][:300]
