"""What a launch needs, one check for each, with what to do about those that fail."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pinnace import agent
from pinnace import image as images
from pinnace.config import DEFAULT_MEMORY, DEFAULT_PIDS, load
from pinnace.config import pin as pins
from pinnace.context import RunRequest, load_context
from pinnace.image import decide, verify
from pinnace.image.verify import check_spec
from pinnace.plan import user
from pinnace.plan.contributors import terminal
from pinnace_core import host
from pinnace_core import image as image_content
from pinnace_core.container import Mount
from pinnace_core.engine import require_local, require_suitable
from pinnace_core.engine.cli import which
from pinnace_core.engine.facts import adapt
from pinnace_core.errors import EngineUnsuitableError, PinnaceError
from pinnace_core.files import make_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinnace.config.project import Workspace
    from pinnace.context import Context
    from pinnace.image.decide import ImageDecision
    from pinnace.plan.user import UserMapping
    from pinnace_core.engine import Engine
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts
    from pinnace_core.image import Image

Status = Literal["ok", "warn", "fail"]

_SPACE_NEEDED: Final = 4 << 30
_TARGET: Final = "/probe"
_TIMEOUT_SECONDS: Final = 120


class Check(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: of the check; stable, for programs.
        status: `warn`: a launch works, but not as well as it could.
        found: what was seen.
        fix: what to do about it, or empty.
        problem: the error that a launch would end with, where it fails.
    """

    name: str
    status: Status
    found: str
    fix: str = ""
    problem: PinnaceError | None = None

    def as_json(self) -> dict[str, str]:
        """Return it as plain data."""
        return {"name": self.name, "status": self.status, "found": self.found, "fix": self.fix}


def failed(name: str, error: PinnaceError) -> Check:
    """Make a failed check of an error."""
    return Check(name, "fail", error.message, error.hint, error)


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """Look; an error is what was found."""
    try:
        return look()
    except PinnaceError as error:
        return failed(name, error)


def examine(facts: HostFacts) -> list[Check]:
    """Do all checks; those that need an engine are left out where none answers."""
    first = guarded("directories", check_directories)
    try:
        here = load_context(RunRequest(dry_run=True), facts)
    except PinnaceError as error:
        return [first, failed("settings", error), *_of_host(facts)]
    checks = [first, check_settings(here), guarded("pin", lambda: check_pin(here))]
    checks += [guarded("client", lambda: check_client(here.engine, facts))]
    try:
        require_local(here.engine)
        about = here.engine.facts(anew=True)
        require_suitable(here.engine, about)
    except PinnaceError as error:
        checks.append(failed("engine", error))
    else:
        checks += [check_engine(here.engine, about), check_limits(about)]
        checks += _of_launch(here, about)
    return [*checks, guarded("build", lambda: check_build(here.engine, facts)), *_of_host(facts)]


def _of_host(facts: HostFacts) -> list[Check]:
    return [
        check_disk(shutil.disk_usage(_existing(host.directory("cache"))).free),
        check_credentials(facts, host.directory("data") / "claude" / "default"),
        check_proxy(facts),
    ]


def _of_launch(here: Context, about: EngineFacts) -> list[Check]:
    checks: list[Check] = []
    image: Image | None = None
    try:
        version = pins.resolved(images.pin_of(here), project=here.locked)
        decision = decide.decide_image(here, decide.wanted_of(here, version))
        image = decision.image
        checks.append(check_image(decision))
    except PinnaceError as error:
        checks.append(failed("image", error))
    agent = here.config.settings.user_agent
    try:
        mapping = user.map_user(here.facts, here.project, about, agent=agent)
    except PinnaceError as error:
        return [*checks, failed("user", error)]
    checks += [check_user(mapping, about, here.facts), check_place(here.project)]
    if image is not None:
        probed = image
        checks.append(
            guarded(
                "probe",
                lambda: check_probe(here.engine, about, mapping, here.facts, image=probed),
            )
        )
    return checks


def check_settings(here: Context) -> Check:
    """Return what does not count: not approved yet, or misspelt."""
    misspelt = list(load.unknown_variables(here.facts.environment).values())
    notes = "; ".join([*(one.note for one in here.config.pending), *misspelt])
    if notes:
        verb = "trust" if here.config.pending else "config"
        return Check("settings", "warn", notes, f"see them: pinnace {verb}")
    return Check("settings", "ok", "all count; see them: pinnace config")


def check_client(found: Engine, facts: HostFacts) -> Check:
    """See that the client is installed."""
    path = which(found.name, facts.environment)
    if path is None:
        raise found.missing_client
    return Check("client", "ok", path)


def check_engine(found: Engine, about: EngineFacts) -> Check:
    """Judge the engine's kind and version."""
    text = f"{describe(about)} at {found.endpoint}"
    if about.numbers != (0, 0) and about.numbers < about.oldest:
        oldest = ".".join(map(str, about.oldest))
        old = EngineUnsuitableError(
            f"{text} is too old", hint=f"install {about.kind} {oldest} or newer"
        )
        return failed("engine", old)
    elsewhere = about.host and not about.desktop and about.host != os.uname().nodename
    if os.name == "posix" and found.is_local and elsewhere:
        return Check(
            "engine",
            "warn",
            f"{text}, on a machine that calls itself '{about.host}'",
            "if that is not this machine, its directories are mounted, not these",
        )
    return Check("engine", "ok", text)


def describe(about: EngineFacts) -> str:
    """Return what kind of engine it is."""
    kind = f"{'rootless ' if about.rootless else ''}{about.kind} {about.version}"
    return f"{kind} ({about.desktop})" if about.desktop else kind


def check_limits(about: EngineFacts) -> Check:
    """See whether memory and processes can be limited."""
    from pinnace_core.container import ContainerSpec

    notes = adapt(
        ContainerSpec(image="", command=(), memory=DEFAULT_MEMORY, pids=DEFAULT_PIDS), about
    ).notes
    if notes:
        fix = "rootless engines need cgroup v2, with memory and pids delegated to the user"
        return Check("limits", "warn", "; ".join(notes), fix)
    return Check("limits", "ok", f"memory and processes (cgroup v{about.cgroup})")


def check_directories() -> Check:
    """See that Pinnace's own directories can be written to."""
    kinds: tuple[host.DirectoryKind, ...] = ("cache", "data", "state")
    made = [str(make_directory(host.directory(kind))) for kind in kinds]
    return Check("directories", "ok", ", ".join(made))


def check_pin(here: Context) -> Check:
    """See that there is a pin, and what it means without asking the registry."""
    pin = images.pin_of(here)
    version = pins.resolved(pin, project=here.locked)
    if pin is None:
        return Check("pin", "warn", f"none: {version} is taken", f"run: pinnace pin {version}")
    return Check("pin", "ok", f"{version} ({pin.source})")


def check_image(decision: ImageDecision) -> Check:
    """See that the image is there, and was verified."""
    if decision.problem:
        raise decision.problem
    name = decide.summary(decision)
    if decision.image is None:
        return Check("image", "warn", name, "see why: pinnace images")
    if not verify.is_verified(decision.image, verify.directory()):
        return Check("image", "warn", f"{name}, not verified", "the next launch verifies it")
    return Check("image", "ok", f"{name}, verified")


def check_user(mapping: UserMapping, about: EngineFacts, facts: HostFacts) -> Check:
    """Return who Claude runs as, and why."""
    inside = f"{mapping.uid}:{mapping.gid} inside"
    outside = f"{facts.uid}:{facts.gid}"
    if mapping.userns or (about.rootless and mapping.mapped):
        text = f"{inside} is {outside} outside, because the engine is rootless"
    elif mapping.mapped:
        text = f"{inside}; {about.desktop or 'the engine'} gives its files to you"
    else:
        text = f"{inside} is the same outside"
    groups = "".join(f", with the group {group}" for group in mapping.groups)
    status: Status = "warn" if mapping.note else "ok"
    return Check("user", status, text + groups, mapping.note)


def check_place(project: Workspace) -> Check:
    """Return what is mounted."""
    note = next(iter(terminal.drive_notes(project)), project.note)
    return Check("workspace", "warn" if note else "ok", project.source, note)


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
            hint="see docs/hosts.md, 'Who a file belongs to'",
        )
    return Check("probe", "ok", f"a file made inside belongs to {owner[0]}:{owner[1]} outside")


def check_build(found: Engine, facts: HostFacts) -> Check:
    """See that a missing image could be built."""
    missing = [] if which("npm", facts.environment) else ["npm"]
    if lacking := found.lacks_to_build():
        missing.append(lacking)
    if missing:
        return Check("build", "warn", f"no {' and no '.join(missing)}", "install what is missing")
    return Check("build", "ok", "npm and a builder are there")


def check_disk(free: int) -> Check:
    """Judge the free space, in bytes, where packages are kept."""
    text = f"{free / (1 << 30):.1f} GiB free"
    if free < _SPACE_NEEDED:
        return Check("disk", "warn", text, "a build needs 4 GiB; see 'pinnace-build gc'")
    return Check("disk", "ok", text)


def check_credentials(facts: HostFacts, config: Path) -> Check:
    """Return which credentials there are, by name."""
    names = [
        name
        for name in agent.passed_names(facts.environment)
        if any(word in name for word in ("KEY", "TOKEN"))
    ]
    if (config / ".credentials.json").exists():
        names.append("a login in Claude's config directory")
    if not names:
        return Check("credentials", "warn", "none", "log in at the first launch, or set a key")
    return Check("credentials", "ok", ", ".join(names))


def check_proxy(facts: HostFacts) -> Check:
    """Return which proxy variables are set."""
    names = sorted(n for n in facts.environment if n.upper() in {"HTTP_PROXY", "HTTPS_PROXY"})
    return Check("proxy", "ok", ", ".join(names) or "none")


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def first_problem(checks: list[Check]) -> PinnaceError | None:
    """Return what decides the exit code."""
    return next((check.problem for check in checks if check.problem), None)


def as_json(checks: list[Check]) -> dict[str, Any]:
    """Return all as plain data."""
    return {"checks": [check.as_json() for check in checks]}


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
