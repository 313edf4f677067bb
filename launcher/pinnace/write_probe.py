"""Write a file through a mount, as a launch would, and see whose it is outside."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.image.verify import check_spec
from pinnace_core import host
from pinnace_core import image as image_content
from pinnace_core.container import Mount
from pinnace_core.engine.facts import adapt
from pinnace_core.errors import EngineUnsuitableError
from pinnace_core.files import make_directory

if TYPE_CHECKING:
    from pinnace.plan.user import UserMapping
    from pinnace_core.engine import Engine
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
    parent = make_directory(host.directory("state"))
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
    spec = check_spec(image, f"echo probe > {_TARGET}/made")._replace(
        user=(mapping.uid, mapping.gid),
        userns=mapping.userns,
        groups=mapping.groups,
        mounts=(Mount(str(directory), _TARGET),),
    )
    try:
        done = image_content.run(found, adapt(spec, about).spec, seconds=_TIMEOUT_SECONDS)
    except TimeoutError:
        return "the container did not end"
    return (done.reason or "nothing was said")[:300]
