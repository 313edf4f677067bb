"""Prepare a launch: the image, found, made or pulled, and verified; then the plan. All but the run.

The command line and programs prepare the same; what is said on the way, `console.stderr` passes on.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from pinnace import image as images
from pinnace.agent import background
from pinnace.agent.arguments import require_asking, require_possible
from pinnace.agent.project_settings import require_approved
from pinnace.config import NEVER, pin_edit
from pinnace.context import load_context
from pinnace.image import decide, last_version
from pinnace.launch import owner
from pinnace.plan import Inputs, contributors, held, plan
from pinnace.plan.reach import require_foreign, require_out_of_reach
from pinnace.plan.user import map_user
from pinnace_core import console
from pinnace_core.container import Mount
from pinnace_core.engine import require_client, suitable_facts
from pinnace_core.engine.facts import adapt
from pinnace_core.image import alone
from pinnace_core.image import run as run_alone
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pinnace.context import Context
    from pinnace.image.claims import Wanted
    from pinnace.plan import LaunchPlan
    from pinnace.plan.resources import Resource
    from pinnace.request import RunRequest
    from pinnace_core.container import ContainerSpec
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts
    from pinnace_core.image import Image
    from pinnace_images.versions import CliVersion


class Prepared(NamedTuple):
    """A launch of which nothing is missing but what lives as long as it: data, nothing is started.

    Attributes:
        here: what it met.
        image: verified.
        version: of the CLI in it.
        plan: what is run, and what that needs.
    """

    here: Context
    image: Image
    version: CliVersion
    plan: LaunchPlan


def read(request: RunRequest, facts: HostFacts) -> Context:
    """Read what a launch goes by; where it works on a branch, its worktree is made first.

    Raises:
        PinnaceError: a file is not what it should be; or what is mounted is not the user's to give.
    """
    here = load_context(request, facts)
    if here.config.settings.branch:
        from pinnace.launch import branches

        here = branches.entered(here)
    asked = (Mount(*one) for one in here.config.settings.mounts)
    require_foreign([Mount(here.project.source, here.project.target), *asked], facts)
    return here


def prepared(here: Context, mark: Callable[[str], object] = lambda _: None) -> Prepared:
    """Get the image, and plan; of a dry run, the image is there already, or this fails.

    Args:
        here: what was read.
        mark: is called with the name of each step that has ended.

    Raises:
        PinnaceError: any of its kinds; nothing was started.
    """
    _require_sound(here)
    if here.config.pending:
        notes = "; ".join(one.note for one in here.config.pending)
        console.stderr(f"pinnace: {notes}; see them: pinnace trust")
    wanted = images.wanted(here)
    last_version.require(here, wanted.version)
    mark("settings, pin")
    about = suitable_facts(here.engine, keep=not here.request.dry_run)
    image = _image(here, wanted)
    pin_edit.require_locked(image, wanted.version, here.locked)
    mark("image")
    launch = _planned(here, about, image.id, wanted.version)
    mark("plan")
    done = Prepared(here, image, wanted.version, launch)
    if here.config.settings.reuse == NEVER:
        return done
    from pinnace.launch import reuse

    return reuse.planned(done)


def _require_sound(here: Context) -> None:
    """Refuse a launch before anything is said, made or prepared that would be in vain.

    Raises:
        ClientMissingError: nobody can be handed over to.
        UnsafeRequestError: what is Pinnace's own, or the user's home, would be open; or the project
            has something run beside a network, and nobody approved that.
        UsageError: Claude's arguments are a slip, or cannot do what they say.
    """
    request, facts, project = here.request, here.facts, here.project
    if not request.dry_run:
        require_client(here.engine, facts.environment)
    own = Mount(project.source, project.target, read_only=here.config.level.read_only)
    covers = (f"{project.target}/{name}" for name in here.config.settings.private)
    private = (Mount(os.devnull, target, read_only=True) for target in covers)
    require_out_of_reach([own, *private], facts)
    if request.program == contract.CLAUDE_BINARY:
        require_possible(request.claude_arguments)
        background.require_none(request.claude_arguments)
        if here.config.level.network:
            require_asking(request.claude_arguments)
            require_approved(project, facts)


def _image(here: Context, wanted: Wanted) -> Image:
    decision = decide.decide_image(here, wanted)
    if not here.request.dry_run:
        return images.obtain(here, decision)
    if decision.note:
        console.stderr(f"pinnace: {decision.note}")
    announce(images.pending(decision))
    return images.require_present(here, decision)


def announce(pending: Iterable[str]) -> None:
    """Say what a launch would do first."""
    for text in pending:
        console.stderr(f"pinnace: a launch would first {text}")


def _planned(here: Context, about: EngineFacts, image: str, version: CliVersion) -> LaunchPlan:
    request, facts, project = here.request, here.facts, here.project
    settings = here.config.settings
    user = map_user(facts, project, about, agent=settings.user_agent)
    inputs = Inputs(
        settings=settings,
        level=here.config.level,
        facts=facts,
        project=project,
        user=user,
        engine=about,
        claude_arguments=request.claude_arguments,
        program=request.program,
        tools=decide.tools_of(here),
        version=version,
        dry_run=request.dry_run,
        nonce=os.urandom(3).hex(),
        image=image,
        ask=partial(_said_inside, here, image),
        gateway=partial(_gateway_commands, here, about),
        relay=partial(_relay, here, about),
        mount_table=held.read(facts, about, settings.runtime),
        files=request.files,
        variables=request.variables,
    )
    return plan(
        inputs,
        contributors.contribute(inputs),
        image=image,
        # A line that is pasted has another launcher.
        labels=owner.labels(version, None if request.dry_run else owner.current()),
    )


def _gateway_commands(here: Context, about: EngineFacts, spec: ContainerSpec) -> dict[str, Any]:
    """Return the commands of a gateway's container; its image is built if there is none."""
    found = _beside(here, about, spec)
    volumes = (mount.source for mount in found.mounts if mount.volume)
    return {
        "run": here.engine.argv(found),
        "remove": here.engine.remove_argv(found.name),
        "clean": [here.engine.remove_volume_argv(volume) for volume in volumes],
    }


def _beside(here: Context, about: EngineFacts, spec: ContainerSpec) -> ContainerSpec:
    """Return a container of the gateway's image as the engine runs it; built if there is none."""
    made = spec._replace(image=images.gateway(here), runtime=about.shared_runtime)
    return adapt(made, about).spec


def _relay(here: Context, about: EngineFacts, spec: ContainerSpec, place: Path) -> Resource:
    from pinnace.launch import private_network

    return private_network.resource(
        here.engine,
        spec,
        place,
        outward=here.config.level.network,
        ready=partial(_beside, here, about),
    )


def _said_inside(here: Context, image: str, script: str) -> str:
    """Run a script in an image, alone; return what it says."""
    ids = (contract.AGENT_UID, contract.AGENT_GID)
    spec = alone(image, script, home=contract.HOME, owner=ids)._replace(user=ids)
    return run_alone(here.engine, spec).output
