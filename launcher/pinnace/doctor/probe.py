"""What only a container tells: whose files are, and which directories are mounted."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.doctor.check import Check
from pinnace.image.verify import check_spec
from pinnace_core import host
from pinnace_core import image as image_content
from pinnace_core.container import SECCOMP, Mount
from pinnace_core.engine.facts import adapt
from pinnace_core.errors import EngineUnsuitableError
from pinnace_core.files import make_directory

if TYPE_CHECKING:
    from pinnace.context import Context
    from pinnace.plan.user import UserMapping
    from pinnace_core.container import Finished
    from pinnace_core.engine import Engine
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts
    from pinnace_core.image import Image

_TARGET: Final = "/probe"
_TIMEOUT_SECONDS: Final = 120


def check_probe(
    found: Engine, about: EngineFacts, mapping: UserMapping, facts: HostFacts, *, image: Image
) -> Check:
    """Write a file through a mount, and look whose it is outside."""
    owner = write(found, about, mapping, facts, image=image.id)
    wanted = (facts.uid, facts.gid) if mapping.mapped else (mapping.uid, mapping.gid)
    if facts.os == "linux" and owner != wanted:
        raise EngineUnsuitableError(
            f"a file made inside belongs to {owner[0]}:{owner[1]} outside, "
            f"not to {wanted[0]}:{wanted[1]}",
            hint="see 'Who a file belongs to': pinnace help hosts",
        )
    return Check("probe", "ok", f"a file made inside belongs to {owner[0]}:{owner[1]} outside")


def check_mount(here: Context, about: EngineFacts, mapping: UserMapping, *, image: Image) -> Check:
    """See that the workspace inside is this machine's: a forwarded engine may have another's.

    Raises:
        EngineUnsuitableError: it is not.
    """
    listing = "find . -mindepth 1 -maxdepth 1 -printf '%f\\0'"
    script = f"cd {_TARGET} && {listing} | LC_ALL=C sort -z | sha256sum"
    place = Mount(here.project.source, _TARGET, read_only=True)
    done = _run(here.engine, about, mapping, image=image.id, mount=place, script=script)
    names = sorted(os.fsencode(path.name) for path in Path(here.project.source).iterdir())
    expected = hashlib.sha256(b"".join(name + b"\0" for name in names)).hexdigest()
    if done is None or done.output.split()[:1] != [expected]:
        said = done.reason if done else "the container did not end"
        raise EngineUnsuitableError(
            f"'{here.project.source}' is another directory where the engine runs"
            f"{f': {said}' if said else ''}",
            hint="use an engine of this machine, or run pinnace over there: pinnace help hosts",
        )
    return Check("mount", "ok", "the workspace inside is this one")


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
        mount, script = Mount(str(directory), _TARGET), f"echo probe > {_TARGET}/made"
        done = _run(found, about, mapping, image=image, mount=mount, script=script)
        said = done.reason if done else "the container did not end"
        made = directory / "made"
        if not made.exists():
            raise EngineUnsuitableError(
                f"a file that was made inside does not appear here: {said or 'nothing was said'}",
                hint="let the engine share the directory (Docker Desktop: Settings, Resources, "
                "File sharing): pinnace help hosts",
            )
        status = made.stat()
        return status.st_uid, status.st_gid
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run(  # noqa: PLR0913 (who, where, what)
    found: Engine,
    about: EngineFacts,
    mapping: UserMapping,
    *,
    image: str,
    mount: Mount,
    script: str,
) -> Finished | None:
    """Run a script as Claude's user; None: it does not end."""
    spec = check_spec(image, script)._replace(
        user=(mapping.uid, mapping.gid),
        userns=mapping.userns,
        groups=mapping.groups,
        mounts=(mount,),
        seccomp=SECCOMP,
    )
    try:
        return image_content.run(found, adapt(spec, about).spec, seconds=_TIMEOUT_SECONDS)
    except TimeoutError:
        return None
