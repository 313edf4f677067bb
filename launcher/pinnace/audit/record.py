"""What is noted: of a launch that is decided, of a command in one, and of how either ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.agent.arguments import wants_bypass
from pinnace.audit import files, redact
from pinnace.audit.commit import commit_of
from pinnace.gateway import log, rules
from pinnace_core import host
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pinnace.config import Config
    from pinnace.context import Context
    from pinnace.plan import LaunchPlan
    from pinnace.workspace.gone import Gone
    from pinnace_core.container import Container, ContainerSpec, Mount
    from pinnace_core.host import HostFacts
    from pinnace_core.image import Image

STARTED: Final = "started"
ENDED: Final = "ended"
_LAUNCHER: Final = (contract.LABEL_RUN_PID, contract.LABEL_RUN_STARTED, contract.LABEL_RUN_HOST)
_VERBS: Final = {contract.SHELL: "shell"}
_VOLUME: Final = "pinnace-gateway-"
_MOST_NAMED: Final = 64


def of_launch(here: Context, launch: LaunchPlan, image: Image) -> dict[str, Any]:
    """Return what is noted of a launch before its container starts: all that was decided.

    Args:
        here: what was read.
        launch: its plan.
        image: verified.
    """
    request, spec, project = here.request, launch.spec, here.project
    return {
        "verb": _VERBS.get(request.program, "run"),
        "launch": spec.name,
        "who": who(here.facts),
        "launcher": _launcher(dict(spec.labels)),
        "project": project.source,
        "workdir": spec.workdir,
        **_known(commit=commit_of(project.source)),
        "image": {
            "id": image.id,
            **_known(digests=list(dict.fromkeys(image.digests)), names=image.tags),
        },
        "claude": {
            "version": image.labels.get(contract.LABEL_VERSION, ""),
            "sha256": image.labels.get(contract.LABEL_SHA256, ""),
            "verified": True,
        },
        "arguments": redact.claude_arguments(request.claude_arguments, here.facts.environment),
        "isolation": _isolation(here, spec),
        "network": _network(here, spec),
        "mounts": [_mount(mount) for mount in spec.mounts],
        # Their values are nobody's business.
        "environment": sorted({*spec.environment_names, *(name for name, _ in spec.environment)}),
        "consent": _consent(here),
        "limits": _known(memory=spec.memory, pids=spec.pids, cpus=spec.cpus, shm=spec.shm_size),
    }


def of_command(
    verb: str, container: Container, command: Sequence[str], facts: HostFacts, launcher: object
) -> dict[str, Any]:
    """Return what is noted of a command in a launch that runs.

    Args:
        verb: `exec`, `shell` or `port`.
        container: the launch's.
        command: what runs.
        facts: the host.
        launcher: labels of this process.
    """
    labels = container.labels
    return {
        "verb": verb,
        "launch": container.name,
        "who": who(facts),
        "launcher": launcher,
        "project": labels.get(contract.LABEL_RUN_WORKSPACE, ""),
        "container": container.id,
        "image": {"id": container.image},
        "claude": _known(version=labels.get(contract.LABEL_RUN_VERSION, "")),
        "command": redact.command(command, facts.environment),
    }


class Seen(NamedTuple):
    """What was seen by whoever ran something; None: that is not known.

    Attributes:
        code: of the exit.
        seconds: that it ran.
        resources: that it used, by name.
        deleted: files that are gone since it began.
    """

    code: int | None = None
    seconds: float | None = None
    resources: Mapping[str, float] = {}
    deleted: Gone | None = None


_NOTHING_SEEN: Final = Seen()


def of_end(
    started: Mapping[str, Any], *, since: float, seen: Seen = _NOTHING_SEEN
) -> dict[str, Any]:
    """Return what is noted at the end: what is not known is not there.

    Args:
        started: what was noted before, with the number of that entry.
        since: when that was, in seconds since 1970.
        seen: by whoever ran it.
    """
    found: dict[str, Any] = {
        "of": started["number"],
        **_known(verb=started.get("verb"), launch=started.get("launch")),
        "project": started.get("project", ""),
    }
    if seen.code is not None:
        found["exit"] = seen.code
    if seen.seconds is not None:
        found["seconds"] = round(seen.seconds, 3)
    if "mounts" not in started:
        return found
    return {
        **found,
        **_known(commit=commit_of(str(started.get("project", "")))),
        **_known(files=_files(started, since, seen.deleted)),
        **_known(resources=dict(seen.resources)),
        **_known(network=_asked(started)),
        **_sessions(started, since),
    }


def _files(started: Mapping[str, Any], since: float, gone: Gone | None) -> dict[str, Any]:
    """Return which files of the project changed meanwhile, and which went, unless none could."""
    project = started.get("project")
    for mount in started["mounts"]:
        if mount.get("source") == project and mount.get("writable"):
            deleted = {} if gone is None else {"deleted": files.deleted(str(project), gone)}
            return files.changed(str(project), since) | deleted
    return {}


def _sessions(started: Mapping[str, Any], since: float) -> dict[str, Any]:
    from pinnace.audit import sessions

    config = sessions.config_of(started)
    if config is None:
        return {}
    found = list(sessions.changed(config, str(started.get("workdir", "")), since))
    if not found:
        return {}
    return {
        "transcripts": [one.as_json() for one in found],
        # The agent wrote them: what they say is what it says.
        "claimed": {"tool_calls": sessions.total(found), **_known(files=sessions.written(found))},
    }


def who(facts: HostFacts) -> dict[str, Any]:
    """Return who is at work: numbers, which the system vouches for; names are for who reads."""
    node = os.uname().nodename if os.name == "posix" else facts.environment.get("COMPUTERNAME", "")
    sudo = facts.environment.get("SUDO_UID", "") if not facts.uid else ""
    return {"uid": facts.uid, "gid": facts.gid, "host": node, **_known(sudo_uid=sudo)}


def _launcher(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: labels[name] for name in _LAUNCHER if name in labels}


def _known(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _mount(mount: Mount) -> dict[str, Any]:
    kind = {"volume": True} if mount.volume else {}
    return {"source": mount.source, "target": mount.target, "writable": not mount.read_only, **kind}


def _isolation(here: Context, spec: ContainerSpec) -> dict[str, Any]:
    level, settings = here.config.level, here.config.settings
    return {
        "level": level.name,
        **_known(like=level.like, sealed=level.sealed, read_only=level.read_only),
        "workspace": settings.workspace,
        **_known(layer=settings.layer, branch=settings.branch),
        "network": "engine" if level.network else "none",
        "engine": here.engine.name,
        "user": list(spec.user or ()),
        **_known(userns=spec.userns, runtime=spec.runtime, unlabelled=spec.unlabelled),
        **_known(devices=spec.devices, gpus=spec.gpus),
        "seccomp": bool(spec.seccomp),
    }


def _network(here: Context, spec: ContainerSpec) -> dict[str, Any]:
    """Return what may be reached, by settings and by the user's decisions, and where it is logged.

    The gateway's log goes on for other launches: where this one begins is noted.
    """
    level, settings = here.config.level, here.config.settings
    gateway = _gateway(spec.mounts)
    found = _known(gateway=gateway, log=log.size(_logs(gateway)) if gateway else 0)
    found |= _known(ports=settings.ports)
    if level.network:
        return {**found, "all": True}
    if level.sealed:
        return found
    named = dict.fromkeys((*level.allow, *settings.allow))
    decided = list(_decisions(here.project.source))
    return {**found, "allow": list(named), **_known(decided=decided, services=settings.services)}


def _decisions(project: str) -> Iterator[str]:
    for decision in rules.load()[:_MOST_NAMED]:
        if decision.project in {"", project}:
            verdict = "deny" if decision.rule.until < 0 else "allow"
            until = f" until {decision.rule.until}" if decision.rule.until > 0 else ""
            yield f"{verdict} {decision.rule}{until}"


def _gateway(mounts: Iterable[Mount]) -> str:
    """Return the key of a launch's gateway; empty if it has none."""
    for mount in mounts:
        if mount.target == contract.GATEWAY_SOCKETS:
            name = mount.source if mount.volume else Path(mount.source).parent.name
            return name.removeprefix(_VOLUME)
    return ""


def _logs(gateway: str) -> Path:
    return host.directory("state") / "network" / gateway


def _asked(started: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the gateway was asked for meanwhile, and what it refused.

    The name of a launch there is what the program that asked gave as its own: what another name
    asked for is counted, too.
    """
    network = started.get("network") or {}
    key = str(network.get("gateway", ""))
    if not key:
        return {}
    counts: dict[str, int] = {}
    refused: dict[str, int] = {}
    by_itself: dict[str, int] = {}
    for entry in log.entries(_logs(key), after=int(network.get("log", 0))):
        own = entry.launch in {"", started.get("launch")}
        group = "requests" if own else "of_other_names"
        counts[group] = counts.get(group, 0) + 1
        if entry.is_refused and own:
            found = by_itself if entry.is_quiet else refused
            name = f"{entry.host}:{entry.port}"
            found[name] = found.get(name, 0) + 1
    return {
        **counts,
        **_known(refused=_most(refused), refused_total=sum(refused.values())),
        **_known(refused_own=_most(by_itself)),
    }


def _most(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: -item[1])[:_MOST_NAMED])


def _consent(here: Context) -> dict[str, Any]:
    """Return what the user agreed to: by approval of a file, by command, or not yet."""
    config = here.config
    return {
        **_known(approved=_approved(config)),
        **_known(waiting={p.path: list(p.values) for p in config.pending}),
        **_known(bypass_permissions=wants_bypass(here.request.claude_arguments)),
        "settings": _chosen(config),
    }


def _approved(config: Config) -> dict[str, list[str]]:
    """Return what a project's files say that counts only because they were approved."""
    found = {
        path: [name for name in names if path in config.values[name].source.split(", ")]
        for path, names in config.approved.items()
    }
    return {path: names for path, names in found.items() if names}


def _chosen(config: Config) -> dict[str, str]:
    """Return which settings are not the default, and where they stand; not what they say."""
    return {n: v.source for n, v in config.values.items() if v.source != "default"}
