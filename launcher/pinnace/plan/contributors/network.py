"""The way out of a container without a network: a gateway's sockets, and keys that stay outside.

Inside, placeholders stand for the credentials; the gateway puts the real ones on what goes to the
API, and nothing else gets them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace import agent, gateway
from pinnace.config import LOCKED
from pinnace.gateway import endpoint, haproxy, rules, upstream
from pinnace.gateway.directory import Directory
from pinnace.plan import Contribution, Resource
from pinnace.plan.contributors import gateway_places
from pinnace.plan.variables import fixed, plain
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_core.errors import EngineUnsuitableError, UsageError
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pinnace.gateway import Gateway
    from pinnace.gateway.start import Starter
    from pinnace.plan import Inputs
    from pinnace.plan.variables import Variable
    from pinnace_core.container import ContainerSpec

_INSIDE: Final = gateway.SOCKETS
_SSH_CONFIG: Final = "/etc/ssh/ssh_config.d/pinnace.conf"
# As long as real ones, which programs may check; nobody can take one for a key of his.
_PLACEHOLDER: Final = "pinnace-placeholder-the-key-is-outside"
_PROXIED: Final = ("http_proxy", "https_proxy", "all_proxy")
_DIRECT: Final = "localhost,127.0.0.1,::1"


def contribute(inputs: Inputs, others: Sequence[Contribution]) -> Contribution:
    """Return what leads to the gateway.

    Args:
        inputs: of the launch.
        others: what other contributors add; credentials among it go to the gateway.

    Raises:
        EngineUnsuitableError: sockets of this machine do not reach the engine's containers.
        UsageError: the endpoint or a credential makes no sense.
    """
    _require_sockets(inputs)
    given = agent.given_values(inputs.settings.environment_names)
    environment = {**inputs.facts.environment, **given, **_values(others)}
    wanted = _gateway(inputs, environment)
    services = _services(inputs)
    directory = Directory(gateway_places(inputs.facts)[0] / wanted.key)
    return Contribution(
        mounts=(
            Mount(str(directory.sockets), _INSIDE, read_only=True),
            Mount(str(directory.sockets / "ssh_config"), _SSH_CONFIG, read_only=True),
        ),
        variables=tuple(_variables(inputs.name, environment)),
        wrapper=(
            *(contract.SHELL, f"{_INSIDE}/connect"),
            *(f"{gateway.EGRESS_PORT}=egress", f"{gateway.API_PORT}=api"),
            *(f"{inside}={haproxy.service_socket(port)}" for inside, port in services.items()),
            "--",
        ),
        resources=(_held(inputs, wanted, directory),),
    )


def _require_sockets(inputs: Inputs) -> None:
    """See that sockets reach from the host into the engine's containers."""
    engine = inputs.engine
    if inputs.facts.os != "linux" or engine.desktop:
        raise EngineUnsuitableError(
            f"isolation {inputs.settings.isolation} needs an engine of this machine's own kernel",
            hint="run it on Linux without a virtual machine, or set run.isolation to open",
        )


def _values(others: Sequence[Contribution]) -> dict[str, str]:
    return {v.name: v.value for c in others for v in c.variables if v.value is not None}


def _gateway(inputs: Inputs, environment: Mapping[str, str]) -> Gateway:
    settings, locked = inputs.settings, inputs.settings.isolation == LOCKED
    found = endpoint.credentials(environment)
    if not (found.key or found.token):
        found = found._replace(login=True)
    bundle = Path(settings.certificates).read_bytes() if settings.certificates else b""
    return gateway.Gateway(
        project=inputs.project.source,
        endpoint=endpoint.endpoint(environment),
        credentials=found,
        rules=() if locked else rules.of_settings(settings.allow, _registries(inputs)),
        locked=locked,
        trusted=bundle,
        services=tuple(sorted(set(_services(inputs).values()))),
        upstream=upstream.read(inputs.facts.environment),
        network=settings.gateway_network,
    )


def _registries(inputs: Inputs) -> dict[str, list[tuple[str, int]]]:
    """Return what package managers load from, if that matters; a dry run asks nobody."""
    from pinnace.gateway import registries

    if not set(registries.MANAGERS).intersection(inputs.settings.allow):
        return {}
    if inputs.ask is not None and not inputs.dry_run:
        registries.ask(inputs.image, inputs.ask)
    return registries.known(inputs.facts, [inputs.image])


def _services(inputs: Inputs) -> dict[int, int]:
    """Return the ports of the host's services, by those that lead to them inside.

    Raises:
        UsageError: a port inside is another's.
    """
    found = {gateway.EGRESS_PORT: 0, gateway.API_PORT: 0}
    for text in () if inputs.settings.isolation == LOCKED else inputs.settings.services:
        inside, _, port = text.partition(":")
        if int(inside) in found:
            raise UsageError(
                f"port {inside} is another's inside",
                hint=f"let it have another one there: {int(inside) + 1}:{port or inside}",
            )
        found[int(inside)] = int(port or inside)
    return {inside: port for inside, port in found.items() if port}


def _variables(launch: str, environment: Mapping[str, str]) -> Iterator[Variable]:
    """Return what lets programs find the gateway; a launch has a name in the gateway's log."""
    proxy = f"http://{launch}:x@127.0.0.1:{gateway.EGRESS_PORT}"
    for name in _PROXIED:
        yield fixed(name, proxy)
        yield fixed(name.upper(), proxy)
    for name in ("no_proxy", "NO_PROXY"):
        yield fixed(name, _DIRECT)
    yield plain("NODE_USE_ENV_PROXY", "1")
    yield fixed(endpoint.BASE_URL, f"http://127.0.0.1:{gateway.API_PORT}")
    yield fixed(endpoint.HEADERS, f"{haproxy.LAUNCH_HEADER}: {launch}")
    for name in endpoint.CREDENTIALS:
        if environment.get(name):
            yield fixed(name, _PLACEHOLDER)


def _held(inputs: Inputs, wanted: Gateway, directory: Directory) -> Resource:
    """Return the gateway as what must be there while the container runs."""

    def acquire(_: ContainerSpec) -> AbstractContextManager[object]:
        from pinnace.gateway import start

        return start.held(_starter(inputs, wanted, directory))

    def pending() -> str:
        return "" if directory.is_kept() else "start a gateway, which stays for a while"

    return Resource(acquire, pending)


def _starter(inputs: Inputs, wanted: Gateway, directory: Directory) -> Starter:
    from pinnace.gateway import container
    from pinnace.gateway.start import Starter

    logs = host.directory("state") / "network" / wanted.key
    kept = {n: v for n, v in inputs.facts.environment.items() if n not in endpoint.OUTSIDE}

    def commands() -> Mapping[str, list[str]]:
        assert inputs.gateway is not None  # noqa: S101 (only a launch acquires anything)
        nonce = os.urandom(3).hex()
        return inputs.gateway(container.spec(wanted, directory, logs=logs, nonce=nonce))

    return Starter(
        gateway=wanted,
        directory=directory,
        launch=inputs.name,
        logs=logs,
        commands=commands,
        services=_reached(wanted),
        environment=kept,
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
