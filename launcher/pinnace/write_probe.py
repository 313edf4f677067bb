"""Write a file through a mount, as a launch would, and see whose it is outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.argv import docker_argv
from pinnace.engines.docker_client import client_missing
from pinnace.engines.fit import fit
from pinnace.plan import Mount, plan_check
from pinnace_images import contract, places
from pinnace_images.errors import EngineUnsuitableError
from pinnace_images.files import make_directory

if TYPE_CHECKING:
    from pinnace.engines.engine import Engine
    from pinnace.engines.engine_facts import EngineFacts
    from pinnace.facts import HostFacts
    from pinnace.user import UserMapping

_TARGET: Final = "/probe"
_TIMEOUT_SECONDS: Final = 120


def write(
    found: Engine, about: EngineFacts, mapping: UserMapping, facts: HostFacts, *, image: str
) -> tuple[int, int]:
    """Give the uid and gid, on this host, of a file that was made inside.

    Raises:
        EngineUnsuitableError: none appeared here.
        ClientMissingError: there is no client.
    """
    parent = make_directory(places.directory("state"))
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
