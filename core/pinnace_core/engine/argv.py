"""The one place that spells `docker run` and `docker exec`, and podman's."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pinnace.launch.containers import Execution
    from pinnace_core.container import ContainerSpec, Mount, Tmpfs


# The usual ones, Ctrl-P Ctrl-Q, are a user's; left unattended, Claude would go on for ever.
_NO_KEYS: Final = ",".join(["ctrl-^"] * 8)


def docker_argv(plan: ContainerSpec, *, program: str = "docker") -> list[str]:
    """Spell `plan`; secrets are not in it, variables go in by name."""
    podman = program == "podman"
    return [
        program,
        "run",
        "--rm",
        *(["--init"] if plan.init else []),
        "--pull=never",
        "--entrypoint=",
        *_terminal(plan, podman=podman),
        *_hardening(plan, podman=podman),
        *([f"--name={plan.name}"] if plan.name else []),
        *(f"--label={key}={value}" for key, value in plan.labels),
        *([f"--user={plan.user[0]}:{plan.user[1]}"] if plan.user else []),
        *([f"--userns={plan.userns}"] if plan.userns else []),
        *(f"--group-add={group}" for group in plan.groups),
        f"--workdir={plan.workdir}",
        *(_mount(mount) for mount in plan.mounts),
        *((_podman_tmpfs if podman else _tmpfs)(tmpfs) for tmpfs in plan.tmpfs),
        *([f"--network={plan.network}"] if plan.network else []),
        *(f"--add-host={host}" for host in plan.hosts),
        *(f"--env={name}" for name in plan.environment_names),
        *(f"--env={name}={value}" for name, value in plan.environment),
        plan.image,
        *plan.command,
    ]


def exec_argv(plan: Execution, *, program: str = "docker") -> list[str]:
    """Spell `plan`; user, environment and working directory are the container's own."""
    return [
        program,
        "exec",
        *_terminal(plan, podman=program == "podman"),
        *(f"--env={name}" for name in plan.environment_names),
        plan.container,
        *plan.command,
    ]


def _terminal(plan: ContainerSpec | Execution, *, podman: bool) -> list[str]:
    keys = "" if podman else _NO_KEYS
    return [
        *(["--interactive"] if plan.interactive else []),
        *(["--tty", f"--detach-keys={keys}"] if plan.tty else []),
    ]


def _hardening(plan: ContainerSpec, *, podman: bool) -> list[str]:
    return [
        "--read-only",
        # Of its own accord, podman adds /run and /var/tmp.
        *(["--read-only-tmpfs=false"] if podman else []),
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        *(["--security-opt=label=disable"] if plan.unlabelled else []),
        *([f"--memory={plan.memory}"] if plan.memory else []),
        *([f"--pids-limit={plan.pids}"] if plan.pids else []),
    ]


def _mount(mount: Mount) -> str:
    """Not `-v`: it breaks on colons, and makes a missing source a directory of root's."""
    fields = ["type=bind", f"source={mount.source}", f"target={mount.target}"]
    return f"--mount={_csv([*fields, *(['readonly'] if mount.read_only else [])])}"


def _tmpfs(tmpfs: Tmpfs) -> str:
    return f"--tmpfs={tmpfs.target}:{tmpfs.options}"


def _podman_tmpfs(tmpfs: Tmpfs) -> str:
    """Podman knows no owner of a tmpfs but the user inside, and gives it that one with `U`."""
    options = dict(option.partition("=")[::2] for option in tmpfs.options.split(","))
    fields = ["type=tmpfs", f"destination={tmpfs.target}", f"tmpfs-mode={options['mode']}"]
    own = ["U=true"] if "uid" in options else []
    return f"--mount={_csv([*fields, *own, 'exec', 'notmpcopyup'])}"


def _csv(fields: list[str]) -> str:
    """Docker reads the option as one CSV record, so commas and quotes in paths are quoted."""
    stream = io.StringIO()
    # Without a line's end to protect, Python's writer would leave newlines in paths unquoted.
    csv.writer(stream, lineterminator="\r\n").writerow(fields)
    return stream.getvalue().removesuffix("\r\n")
