"""How what is run in containers is spelled for a client that takes docker's commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from pinnace_core.container import ContainerSpec, Execution, Mount, Network, Tmpfs

# What a CSV field is quoted for.
_QUOTED: Final = frozenset(',"\r\n')


class Spelling:
    """The argument lists of an engine's client; a kind of engine says what it spells otherwise."""

    __slots__ = ()
    name: ClassVar[str]
    # Keys that leave a container unattended.
    _detach_keys: ClassVar[str]
    _own_hardening: ClassVar[tuple[str, ...]] = ()
    # What a container writes is kept until it is gone: a terminal's redrawing fills a disk.
    _log: ClassVar[tuple[str, ...]]
    _takes_ulimits: ClassVar[bool] = True

    def argv(self, spec: ContainerSpec) -> list[str]:
        return [
            *(self.name, "run", "--rm"),
            *(["--init"] if spec.init else []),
            "--pull=never",
            *([f"--platform={spec.platform}"] if spec.platform else []),
            "--entrypoint=",
            *self._terminal(spec),
            *self._hardening(spec),
            *self._resources(spec),
            *([f"--name={spec.name}"] if spec.name else []),
            *(f"--label={key}={value}" for key, value in spec.labels),
            *([f"--user={spec.user[0]}:{spec.user[1]}"] if spec.user else []),
            *([f"--userns={spec.userns}"] if spec.userns else []),
            *(f"--group-add={group}" for group in spec.groups),
            f"--workdir={spec.workdir}",
            *map(self._mount, spec.mounts),
            *map(self._tmpfs, spec.tmpfs),
            *self._network(spec),
            *(f"--add-host={host}" for host in spec.hosts),
            *self._variables(spec),
            spec.image,
            *spec.command,
        ]

    def exec_argv(self, execution: Execution) -> list[str]:
        return [
            *(self.name, "exec"),
            *self._terminal(execution),
            *self._variables(execution),
            execution.container,
            *execution.command,
        ]

    def remove_argv(self, container: str) -> list[str]:
        return [self.name, "container", "rm", "--force", "--volumes", container]

    def signal_argv(self, container: str, signal: str) -> list[str]:
        return [self.name, "container", "kill", f"--signal={signal}", container]

    def remove_volume_argv(self, volume: str) -> list[str]:
        return [self.name, "volume", "rm", "--force", volume]

    def create_network_argv(self, network: Network) -> list[str]:
        raise NotImplementedError

    def remove_network_argv(self, name: str) -> list[str]:
        return [self.name, "network", "rm", name]

    def logs_argv(self, container: str, *, follow: bool) -> list[str]:
        return [self.name, "container", "logs", *(["--follow"] if follow else []), container]

    def _terminal(self, plan: ContainerSpec | Execution) -> list[str]:
        return [
            *(["--interactive"] if plan.interactive else []),
            *(["--tty", f"--detach-keys={self._detach_keys}"] if plan.tty else []),
        ]

    def _variables(self, of: ContainerSpec | Execution) -> list[str]:
        kept = of.in_file if of.environment_file else ()
        return [
            *([f"--env-file={of.environment_file}"] if kept else []),
            *(f"--env={name}" for name in of.environment_names),
            *(f"--env={name}={value}" for name, value in of.environment if name not in kept),
        ]

    def _network(self, spec: ContainerSpec) -> list[str]:
        return [f"--network={spec.network}"] if spec.network else []

    def _hardening(self, spec: ContainerSpec) -> list[str]:
        return [
            "--read-only",
            *self._own_hardening,
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            *([f"--security-opt=seccomp={spec.seccomp}"] if spec.seccomp else []),
            *(["--security-opt=label=disable"] if spec.unlabelled else []),
        ]

    def _resources(self, spec: ContainerSpec) -> list[str]:
        return [
            *([f"--memory={spec.memory}"] if spec.memory else []),
            *([f"--pids-limit={spec.pids}"] if spec.pids else []),
            *([f"--cpus={spec.cpus}"] if spec.cpus else []),
            *(f"--sysctl={name}={value}" for name, value in spec.sysctls),
            *([f"--shm-size={spec.shm_size}"] if spec.shm_size else []),
            *(f"--ulimit={n}={limit}" for n, limit in spec.ulimits if self._takes_ulimits),
            *self._log,
            *([f"--runtime={spec.runtime}"] if spec.runtime else []),
            *(self._gpus(spec.gpus) if spec.gpus else []),
            *(f"--device={device}" for device in spec.devices),
        ]

    def _gpus(self, wanted: str) -> list[str]:
        raise NotImplementedError

    def _tmpfs(self, tmpfs: Tmpfs) -> str:
        return f"--tmpfs={tmpfs.target}:{tmpfs.options}"

    def _mount(self, mount: Mount) -> str:
        """Not `-v`: it breaks on colons, and makes a missing source a directory of root's."""
        if mount.upper:
            return self._layer(mount)
        kind = "volume" if mount.volume else "bind"
        fields = [f"type={kind}", f"source={mount.source}", f"target={mount.target}"]
        return f"--mount={record(*fields, *(['readonly'] if mount.read_only else []))}"

    def _layer(self, mount: Mount) -> str:
        """An overlay as a volume without a name, which goes with its container.

        https://docs.kernel.org/filesystems/overlayfs.html: with `userxattr`, whoever owns the
        files can read the marks on them; and directories that were moved are copied.
        """
        places = f"lowerdir={mount.source},upperdir={mount.upper},workdir={mount.work}"
        fields = (
            *("type=volume", f"target={mount.target}", "volume-driver=local"),
            *("volume-opt=type=overlay", "volume-opt=device=overlay"),
            f"volume-opt=o={places},userxattr,index=off",
        )
        return f"--mount={record(*fields)}"


def record(*fields: str) -> str:
    """Spell attributes as clients read them: as one CSV record, so that paths may hold commas."""
    if not any(_QUOTED.intersection(field) for field in fields):
        return ",".join(fields)
    import csv
    import io

    stream = io.StringIO()
    # Without a line's end to protect, Python's writer would leave newlines in paths unquoted.
    csv.writer(stream, lineterminator="\r\n").writerow(fields)
    return stream.getvalue().removesuffix("\r\n")
