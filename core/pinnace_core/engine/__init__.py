"""The container engine: which one is used, and all that is asked and told of it.

Nothing outside this package spells a command of docker's or podman's, or goes by which one it is:
what differs is a method of `Engine`, or a capability among its facts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from pinnace_core.engine.program import which
from pinnace_core.errors import EngineUnsuitableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import IO

    from python_on_whales import DockerClient

    from pinnace_core.container import Container, ContainerSpec, Execution, Finished, Network
    from pinnace_core.engine.buildx import Build
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.errors import ClientMissingError
    from pinnace_core.host import HostFacts
    from pinnace_core.image import Image

NAMES: Final = ("docker", "podman")
"""Of the engines, as users and records write them."""
VARIABLE: Final = "PINNACE_ENGINE"


class Engine(Protocol):
    """An engine; its questions and commands raise these, and what else is said.

    Raises:
        ClientMissingError: its client is not installed.
        EngineUnavailableError: it does not answer, it refuses, or what it says makes no sense.
    """

    @property
    def name(self) -> str:
        """Of its kind, which is also its client's."""

    @property
    def endpoint(self) -> str:
        """Where it listens, as its client writes it; its name where it runs by itself."""

    @property
    def is_local(self) -> bool:
        """Whether its endpoint is one of this host's: only these mount this host's directories."""

    @property
    def buildkit(self) -> bool:
        """Whether BuildKit builds for it: only that takes published bases, and has a cache."""

    @property
    def can_be_entered(self) -> bool:
        """Whether what enters a container that waits there meets what it would if it were run."""

    @property
    def missing_client(self) -> ClientMissingError:
        """The error where its client is not installed."""

    def facts(self, *, anew: bool = False, keep: bool = True) -> EngineFacts:
        """Return what it is and can do: from the record of what answered here last, else asked.

        Args:
            anew: ask in any case.
            keep: record the answer.
        """

    def version(self) -> str:
        """Return its version; it is asked."""

    @property
    def whales(self) -> DockerClient:
        """Python-on-whales' client of it, for who can afford the import."""

    def connect(self) -> DockerClient:
        """Return `whales` of an engine that answers and can build.

        Raises:
            BuildFailedError: podman does not work.
        """

    def machine(self) -> str:
        """Return the architecture that it runs without emulation, as the system calls it.

        Raises:
            BuildFailedError: it does not say.
        """

    def build(self, build: Build) -> None:
        """Build an image that the engine keeps; the client's own display goes to stderr.

        Raises:
            BuildFailedError: it failed.
        """

    def local_name(self, name: str) -> str:
        """Spell a name that has no registry's, so that only what was made here can have it."""

    def import_options(self, platform: str) -> list[str]:
        """Spell the platform for the command `import`."""

    def lacks_to_build(self) -> str:
        """Return what is not installed that a build needs; empty if nothing is missing."""

    def images(self, label: str) -> list[Image]:
        """Return the local images that carry a label, by its key."""

    def image(self, reference: str, *, made_here: bool = False) -> Image | None:
        """Return one local image, if it is there.

        Args:
            reference: a name or id.
            made_here: the name is one that no registry gives.
        """

    def image_ids(self) -> set[str]:
        """Return the ids of all local images."""

    def ask(self, *arguments: str) -> str | None:
        """Return what its client answers to arguments; None if what they name is not there."""

    def described(self, kind: str, listing: Sequence[str]) -> list[dict[str, Any]]:
        """Describe all that a listing names, each once; what goes meanwhile is left out.

        Args:
            kind: `image` or `container`.
            listing: arguments of the client that print ids.
        """

    def pull(self, reference: str, platform: str) -> None:
        """Pull an image; progress goes to stderr.

        Raises:
            ImageMissingError: the registry has no such image.
            RegistryDeniedError: it does not let us see it.
            ImageRegistryError: it does not answer, or breaks off.
        """

    def tag(self, image: str, name: str) -> None:
        """Give an image a name."""

    def untag(self, name: str) -> None:
        """Take a name away; an image without any other goes with it, unless it is in use."""

    def argv(self, spec: ContainerSpec) -> list[str]:
        """Spell the command that runs a container; secrets are not in it."""

    def exec_argv(self, execution: Execution) -> list[str]:
        """Spell the command that runs another command in a running container."""

    def logs_argv(self, container: str, *, follow: bool) -> list[str]:
        """Spell the command that prints what a container printed."""

    def remove_argv(self, container: str) -> list[str]:
        """Spell the command that removes a container, running or not."""

    def signal_argv(self, container: str, signal: str) -> list[str]:
        """Spell the command that sends a signal, by its name, to what runs in a container."""

    def remove_volume_argv(self, volume: str) -> list[str]:
        """Spell the command that removes a volume, if it is there."""

    def run(self, spec: ContainerSpec, *, seconds: float | None) -> Finished:
        """Run a container to its end, without input.

        Raises:
            TimeoutError: it goes on for longer than `seconds`, and may go on still.
            ImageMissingError: its image is not there.
        """

    def start(self, spec: ContainerSpec) -> None:
        """Start a container that goes on by itself.

        Raises:
            ImageMissingError: its image is not there.
        """

    def create(self, spec: ContainerSpec) -> None:
        """Make a container that is not started.

        Raises:
            ImageMissingError: its image is not there.
        """

    def file(self, container: str, path: str) -> AbstractContextManager[IO[bytes]]:
        """Read one file of a container without keeping it.

        Raises:
            FileNotFoundError: there is no plain file.
        """

    def remove(self, container: str) -> None:
        """Remove a container, running or not, with its anonymous volumes; gone is as good."""

    def containers(self, label: str = "") -> list[Container]:
        """Return all containers with a label, running or not, the oldest first.

        Args:
            label: its key; empty: those without it, too.
        """

    def container(self, name: str) -> Container | None:
        """Return one container by its whole name or id; None if it is not there."""

    def create_network_argv(self, network: Network) -> list[str]:
        """Spell the command that makes a network; only of one that can: see `adapt`."""

    def create_network(self, network: Network) -> None:
        """Make a network."""

    def remove_network(self, name: str) -> None:
        """Remove a network that nothing is on; gone is as good."""

    def networks(self, label: str) -> list[Network]:
        """Return the networks of ours that carry a label, by its key."""

    def glance(self, container: str) -> Container | None:
        """Return one container by its whole id, in the quickest way; None if it is not there."""

    def memory(self, container: str) -> int:
        """Return how many bytes a container holds just now; 0 if that is not known."""

    def rename(self, container: str, name: str) -> None:
        """Give a container another name, that none has."""

    def signal(self, container: str, signal: str) -> None:
        """Send a signal, by its name, to what runs in a container; gone is as good."""

    def stop(self, ids: Sequence[str], *, grace: int) -> None:
        """End containers: SIGTERM, and after `grace` seconds SIGKILL; gone is as good."""


def named(name: str) -> Engine:
    """Return the engine that the client with one of `NAMES` reaches."""
    if name == "podman":
        from pinnace_core.engine.podman import Podman

        return Podman()
    from pinnace_core.engine.docker import Docker

    return Docker()


def of_builds() -> Engine:
    """Return the engine that BuildKit builds for and publishes from: docker's client's."""
    return named("docker")


def detect(facts: HostFacts, wanted: str = "") -> Engine:
    """Return the engine in use: the one that is wanted, else docker if it is there, else podman.

    Args:
        facts: the host.
        wanted: one of `NAMES`, or empty if it does not matter.

    Raises:
        EngineUnavailableError: docker's context does not exist.
    """
    from pinnace_core.engine.docker import Docker

    if wanted != "podman":
        told = Docker.configured(facts)
        if told is not None:
            return told
        usual = Docker.default(facts)
        if wanted or usual.is_installed(facts) or which("podman", facts.environment) is None:
            return usual
    from pinnace_core.engine.podman import Podman

    return Podman.of_host(facts)


def require_client(engine: Engine, environment: Mapping[str, str]) -> None:
    """See that there is a client to hand over to; without PATH, the system knows where to look.

    Raises:
        ClientMissingError: there is none.
    """
    if environment.get("PATH") and which(engine.name, environment) is None:
        raise engine.missing_client


def suitable_facts(engine: Engine, *, keep: bool = True) -> EngineFacts:
    """Return what an engine is and can do, if it can mount directories of this machine.

    Args:
        engine: which.
        keep: record the answer.

    Raises:
        EngineUnsuitableError: it cannot; another machine's is not asked.
    """
    require_local(engine)
    facts = engine.facts(keep=keep)
    require_suitable(engine, facts)
    return facts


def require_local(engine: Engine) -> None:
    """See that an engine is this machine's, by its endpoint; it is not asked.

    Raises:
        EngineUnsuitableError: it is another machine's.
    """
    if not engine.is_local:
        raise EngineUnsuitableError(
            f"the engine at {_without_password(engine.endpoint)} is another machine's, "
            "which cannot mount this one's directories",
            hint="use an engine of this machine ('docker context use default', unset DOCKER_HOST), "
            "or run pinnace over there",
        )


def _without_password(endpoint: str) -> str:
    scheme, _, rest = endpoint.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def require_suitable(engine: Engine, facts: EngineFacts) -> None:
    """See that directories of this machine can be mounted.

    Raises:
        EngineUnsuitableError: the engine runs elsewhere, or speaks another language than it seems.
    """
    require_local(engine)
    if facts.remote:
        raise EngineUnsuitableError(
            "podman's service runs on another machine, which cannot mount this one's directories",
            hint="unset CONTAINER_HOST and CONTAINER_CONNECTION, or run pinnace over there",
        )
    if facts.behind_docker:
        raise EngineUnsuitableError(
            f"what answers at {engine.endpoint} is podman, behind docker's interface",
            hint=f"use its own client: set {VARIABLE}=podman",
        )
