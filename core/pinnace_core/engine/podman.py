"""Podman, which is asked through its client."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.engine import facts as engine_facts
from pinnace_core.engine.cli import Client, record, which

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from pinnace_core.container import Tmpfs
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts
    from pinnace_core.image import Image

_LOCALHOST: Final = "localhost/"
"""What podman puts before names that have no host."""


class Podman(Client):
    """A podman."""

    __slots__ = ()
    name = "podman"
    buildkit = False
    _install = "install podman"
    _start = "see: podman info"
    _detach_keys = ""
    # Of its own accord, podman adds /run and /var/tmp.
    _own_hardening = ("--read-only-tmpfs=false",)

    @classmethod
    def of_host(cls, facts: HostFacts) -> Self:
        """Return the podman that the client is told to use."""
        host = facts.environment.get("CONTAINER_HOST", "")
        # The machine that podman itself runs is reached through ssh, but mounts what is here.
        own = facts.os != "linux" and ("@127.0.0.1" in host or "@localhost" in host)
        return cls("" if own else host)

    def _marks(self) -> tuple[str, ...]:
        """Return the program, and what it reads: there is no process of an engine."""
        own = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return (
            which(self.name, os.environ) or "",
            os.environ.get("XDG_RUNTIME_DIR") or "",
            os.environ.get("CONTAINERS_CONF") or "",
            *(f"{place}/containers/containers.conf" for place in ("/etc", own)),
            f"{own}/containers/storage.conf",
        )

    def _ask_facts(self) -> EngineFacts:
        info = json.loads(self.ask("info", "--format=json") or "null")
        init = engine_facts.podman_has_init()
        return engine_facts.of_podman(info, own_machine=sys.platform != "linux", init=init)

    def _image(self, item: Mapping[str, Any]) -> Image:
        """Spell names and ids as docker does; before ids, podman puts `sha256:` in lists only."""
        names = [str(name) for name in item.get("RepoTags") or () if name.startswith(_LOCALHOST)]
        return super()._image(
            {
                **item,
                "Id": f"sha256:{str(item['Id']).removeprefix('sha256:')}",
                "RepoTags": [name.removeprefix(_LOCALHOST) for name in names],
            }
        )

    def _local_name(self, name: str) -> str:
        """Asked for a bare name, podman might find one that a registry gave."""
        return f"{_LOCALHOST}{name}"

    def _tmpfs(self, tmpfs: Tmpfs) -> str:
        """Podman knows no owner of a tmpfs but the user inside, and gives it that one with `U`."""
        options = dict(option.partition("=")[::2] for option in tmpfs.options.split(","))
        fields = ["type=tmpfs", f"destination={tmpfs.target}", f"tmpfs-mode={options['mode']}"]
        own = ["U=true"] if "uid" in options else []
        return f"--mount={record(*fields, *own, 'exec', 'notmpcopyup')}"
