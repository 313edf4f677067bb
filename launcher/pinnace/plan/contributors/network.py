"""A gateway's sockets: the way out of a container without a network, and to keys outside.

Inside, placeholders stand for the credentials; the gateway puts the real ones on what goes to the
API, and nothing else gets them. So it is at every level, also where there is a network.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from pinnace import agent, gateway
from pinnace.agent import logins
from pinnace.gateway import endpoint, haproxy, upstream
from pinnace.gateway.directory import LOGIN, Directory
from pinnace.plan import Contribution, gateways
from pinnace.plan.contributors import gateway_places
from pinnace.plan.resources import Resource
from pinnace.plan.variables import fixed, plain
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pinnace.gateway import Gateway
    from pinnace.gateway.start import Starter
    from pinnace.plan import Inputs
    from pinnace.plan.variables import Variable
    from pinnace_core.container import ContainerSpec

_INSIDE: Final = gateway.SOCKETS
_SSH_CONFIG: Final = "/etc/ssh/ssh_config.d/pinnace.conf"
_PROXIED: Final = ("http_proxy", "https_proxy", "all_proxy")
_DIRECT: Final = "localhost,127.0.0.1,::1"
# Java's own words for it, which know no account.
_JAVA: Final = " ".join(
    (
        *(f"-D{kind}.proxyHost=127.0.0.1" for kind in ("http", "https")),
        *(f"-D{kind}.proxyPort={gateway.EGRESS_PORT}" for kind in ("http", "https")),
        "-Dhttp.nonProxyHosts=localhost|127.*|[::1]",
    )
)
_OPEN_NOTE: Final = (
    "isolation is open: what runs inside reaches the internet, your network and this machine"
)
_OPEN_HEADERS_NOTE: Final = "isolation is open: network.headers are not put on"

_OWN_NETWORK_NOTE: Final = (
    "runtime {}: no socket crosses into its sandbox, so a network of this launch's own leads to "
    "the gateway, and to nothing else"
)


def contribute(inputs: Inputs, others: Sequence[Contribution]) -> Contribution:
    """Return what leads to the gateway.

    Args:
        inputs: of the launch.
        others: what other contributors add; credentials among it go to the gateway.

    Raises:
        UsageError: the endpoint or a credential makes no sense.
    """
    variables = gateways.environment(inputs, others)
    wanted = gateways.wanted(inputs, variables)
    own = tuple(_of_headers(inputs.settings.headers, wanted))
    notes = _notes(inputs)
    if wanted is None:
        return Contribution(variables=own, notes=notes)
    directory = Directory(gateway_places(inputs.facts)[0] / wanted.key)
    proxied, services = not inputs.level.network, gateways.services(inputs)
    ports = (
        *([f"{gateway.EGRESS_PORT}=egress"] if proxied else []),
        f"{gateway.API_PORT}=api",
        *(f"{inside}={haproxy.service_socket(port)}" for inside, port in services.items()),
    )
    way = _by_sockets(wanted, directory)
    if not _sockets_cross(inputs):
        way = _by_network(inputs, wanted, directory, ports)
    return Contribution(
        mounts=(
            *way.mounts,
            *([_ssh_config(directory)] if proxied else []),
            *([_shown_login(directory)] if _lies_there(gateways.account_directory(inputs)) else []),
        ),
        variables=(
            *(_to_proxy(inputs.name) if proxied else _past_proxies(inputs)),
            *_to_api(inputs.name, variables, helper=bool(wanted.credentials.helper)),
            *own,
        ),
        relays=(contract.SHELL, f"{_INSIDE}/connect", *ports, "--"),
        private=way.private,
        notes=(*notes, *way.notes),
        resources=(_held(inputs, wanted, directory), *way.resources),
    )


def _notes(inputs: Inputs) -> tuple[str, ...]:
    if not inputs.level.network:
        return ()
    if inputs.project.source.startswith(f"{os.path.realpath(logins.directory())}/"):
        # A login: nothing is to be contained, the CLI is alone in a project that is empty.
        return ()
    return (_OPEN_NOTE, *([_OPEN_HEADERS_NOTE] if inputs.settings.headers else []))


def _sockets_cross(inputs: Inputs) -> bool:
    settings = inputs.settings
    return settings.runtime_sockets or inputs.engine.sockets_cross(settings.runtime)


def _by_sockets(wanted: Gateway, directory: Directory) -> Contribution:
    return Contribution(mounts=(_sockets(wanted, directory),))


def _by_network(
    inputs: Inputs, wanted: Gateway, directory: Directory, ports: Sequence[str]
) -> Contribution:
    """Return a relay, alone with the launch on a network: into some sandboxes no socket crosses."""
    from pinnace.gateway import relay

    runtime = inputs.settings.runtime or inputs.engine.default_runtime
    assert inputs.relay is not None  # noqa: S101 (all launches give it)
    place = directory.relay(inputs.name)
    spec = relay.spec(_sockets(wanted, directory), place, launch=inputs.name, ports=ports)
    return Contribution(
        mounts=(Mount(str(place), _INSIDE, read_only=True),),
        private=inputs.name,
        notes=(_OWN_NETWORK_NOTE.format(runtime),),
        resources=(inputs.relay(spec, place),),
    )


def _ssh_config(directory: Directory) -> Mount:
    return Mount(str(directory.config / "ssh_config"), _SSH_CONFIG, read_only=True)


def _lies_there(config: Path) -> bool:
    """Return whether a real login lies in what is mounted, whether it counts or not."""
    found = logins.of(config)
    return not found.moved and logins.is_there(found)


def _shown_login(directory: Directory) -> Mount:
    """A directory of the user's own keeps its login; inside, placeholders lie over it."""
    target = f"{contract.CONFIG_DIR}/{logins.FILE}"
    return Mount(str(directory.config / LOGIN), target, read_only=True)


def _sockets(wanted: Gateway, directory: Directory) -> Mount:
    if wanted.volume:
        return Mount(wanted.volume_name, _INSIDE, read_only=True, volume=True)
    return Mount(str(directory.sockets), _INSIDE, read_only=True)


def _to_proxy(launch: str) -> Iterator[Variable]:
    """Return what lets programs find the way out; a launch has a name in the gateway's log."""
    proxy = f"http://{launch}:x@127.0.0.1:{gateway.EGRESS_PORT}"
    for name in _PROXIED:
        yield fixed(name, proxy)
        yield fixed(name.upper(), proxy)
    for name in ("no_proxy", "NO_PROXY"):
        yield fixed(name, _DIRECT)
    # What goes by a word of its own: Node's own clients, yarn from 2 on, Java, apt.
    yield plain("NODE_USE_ENV_PROXY", "1")
    yield plain("YARN_HTTP_PROXY", proxy)
    yield plain("YARN_HTTPS_PROXY", proxy)
    yield plain("JAVA_TOOL_OPTIONS", _JAVA)
    yield plain("APT_CONFIG", f"{_INSIDE}/apt.conf")


def _past_proxies(inputs: Inputs) -> Iterator[Variable]:
    """Return what keeps a proxy of the host's from being asked for the gateway."""
    names = [name for name in inputs.facts.environment if name.upper() == "NO_PROXY"]
    passed = names if inputs.settings.proxy else ()
    for name in passed or ("no_proxy", "NO_PROXY"):
        kept = inputs.facts.environment.get(name, "") if passed else ""
        yield plain(name, ",".join(filter(None, (kept, _DIRECT))))


def _to_api(launch: str, environment: Mapping[str, str], *, helper: bool) -> Iterator[Variable]:
    """Return what lets Claude find the API, with placeholders for keys."""
    yield fixed(endpoint.BASE_URL, gateway.API_URL)
    yield fixed(endpoint.HEADERS, f"{haproxy.LAUNCH_HEADER}: {launch}")
    for name in endpoint.CREDENTIALS:
        if environment.get(name) or (helper and name == endpoint.KEY):
            yield fixed(name, agent.PLACEHOLDER)


def _of_headers(settings: tuple[str, ...], wanted: Gateway | None) -> Iterator[Variable]:
    """Return placeholders for what headers hold, and what lets programs trust the gateway."""
    if not settings:
        return
    from pinnace.gateway import headers
    from pinnace.plan.contributors.certificates import trusting

    for name in headers.variables(settings):
        yield fixed(name, agent.PLACEHOLDER)
    if wanted is not None and wanted.headers:
        yield from trusting(f"{_INSIDE}/{headers.EXTRA}", f"{_INSIDE}/{headers.ALL}")


def _held(inputs: Inputs, wanted: Gateway, directory: Directory) -> Resource:
    """Return the gateway as what must be there while the container runs."""

    def acquire(_: ContainerSpec) -> AbstractContextManager[object]:
        from pinnace.gateway import start

        return start.held(_starter(inputs, wanted, directory))

    def pending() -> str:
        starts = f"start a gateway, with sockets in '{directory.sockets}'"
        return "" if directory.is_kept() else starts

    return Resource(acquire, pending)


def _starter(inputs: Inputs, wanted: Gateway, directory: Directory) -> Starter:
    from pinnace.gateway import changing, container
    from pinnace.gateway.start import Starter

    logs = host.directory("state") / "network" / wanted.key
    kept = {n: v for n, v in inputs.facts.environment.items() if n not in endpoint.OUTSIDE}

    def commands() -> Mapping[str, Any]:
        assert inputs.gateway is not None  # noqa: S101 (only a launch acquires anything)
        nonce = os.urandom(3).hex()
        return inputs.gateway(container.spec(wanted, directory, logs=logs, nonce=nonce))

    return Starter(
        gateway=wanted,
        directory=directory,
        launch=inputs.name,
        logs=logs,
        commands=commands,
        services={} if wanted.volume else _reached(wanted),
        environment=kept,
        ttl=changing.ttl(inputs.facts.environment),
    )


def _reached(wanted: Gateway) -> dict[str, tuple[str, int]]:
    """Return the host's services that a gateway reaches, by the names of their sockets."""
    api, proxy = wanted.endpoint, wanted.upstream
    found = {haproxy.service_socket(port): ("localhost", port) for port in wanted.services}
    if api.local:
        found[haproxy.API_SOCKET] = (_here(api.host), api.port)
    if proxy is not None and proxy.local:
        found[upstream.SOCKET] = (_here(proxy.host), proxy.port)
    return found


def _here(name: str) -> str:
    return "127.0.0.1" if name == "host.docker.internal" else name
