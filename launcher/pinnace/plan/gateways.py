"""Which gateway a launch needs: endpoint, credentials and rules, decided from all that is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pinnace import gateway
from pinnace.agent import logins, places
from pinnace.gateway import Rule, endpoint, rules, upstream
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace.gateway import Credentials, Gateway, Header
    from pinnace.plan import Contribution, Inputs


def environment(inputs: Inputs, others: Sequence[Contribution]) -> dict[str, str]:
    """Return what Claude would have of variables, were there no gateway.

    Args:
        inputs: of the launch.
        others: what contributors add.
    """
    added = {v.name: v.value for c in others for v in c.variables if v.value is not None}
    return {**inputs.facts.environment, **inputs.given, **added}


def wanted(inputs: Inputs, variables: Mapping[str, str]) -> Gateway | None:
    """Return the gateway of a launch; None where there is a network, and nothing else to do.

    Args:
        inputs: of the launch.
        variables: as `environment` returns them.

    Raises:
        UsageError: the endpoint, a credential or a service makes no sense.
    """
    settings, level = inputs.settings, inputs.level
    found = endpoint.credentials(variables)
    if not (found.key or found.token):
        found = _changing(inputs, found)
    bundle = Path(settings.certificates).read_bytes() if settings.certificates else b""
    made = gateway.Gateway(
        project=inputs.project.source,
        endpoint=endpoint.endpoint(variables),
        credentials=found,
        headers=put_on(inputs, variables),
        rules=let_through(inputs, variables),
        locked=level.sealed or level.network,
        trusted=bundle,
        services=tuple(sorted(set(services(inputs).values()))),
        upstream=upstream.read(inputs.facts.environment),
        network=settings.gateway_network,
        volume=inputs.facts.os != "linux" or bool(inputs.engine.desktop),
        user=inputs.facts.uid,
    )
    return None if level.network and _is_idle(made) else made


def _is_idle(made: Gateway) -> bool:
    """Return whether there is nothing to keep outside, and no service to lead to."""
    kept = made.credentials
    login = kept.login and logins.is_there(logins.of(Path(kept.login)))
    said = kept.key or kept.token or kept.headers or kept.helper or login
    return not (said or made.services or made.endpoint.local)


def _changing(inputs: Inputs, found: Credentials) -> Credentials:
    """Add what changes while it runs: the user's program, else the login of the profile.

    That is so also where there is none yet: whoever logs in then has it at once.
    """
    if inputs.settings.key_helper:
        return found._replace(helper=inputs.settings.key_helper)
    return found._replace(login=str(account_directory(inputs)))


def account_directory(inputs: Inputs) -> Path:
    """Return the directory by which the account of a launch is called."""
    owner = inputs.user.owner_outside(inputs.facts)
    return places.choose(inputs.settings, inputs.facts, inputs.project, owner=owner).account


def let_through(inputs: Inputs, variables: Mapping[str, str]) -> tuple[Rule, ...]:
    """Return the rules of settings: none of a container that has the network itself.

    Args:
        inputs: of the launch.
        variables: as `environment` returns them.
    """
    if inputs.level.network:
        return ()
    clouds = tuple(Rule(*one) for one in _clouds(variables))
    if inputs.level.sealed:
        return clouds
    named = (*inputs.level.allow, *inputs.settings.allow)
    hosts = (Rule(header.host) for header in put_on(inputs, variables))
    return (*clouds, *hosts, *rules.of_settings(named, _registries(inputs, named)))


def _clouds(variables: Mapping[str, str]) -> Sequence[tuple[str, int]]:
    """Return the hosts of the cloud providers that serve the model, where any does."""
    if not any(name.startswith("CLAUDE_CODE_USE_") for name in variables):
        return ()
    from pinnace.agent import cloud_hosts

    return cloud_hosts.hosts(variables)


def _registries(inputs: Inputs, named: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """Return what package managers load from, if that matters; a dry run asks nobody."""
    from pinnace.gateway import registries

    if not set(registries.MANAGERS).intersection(named):
        return {}
    if inputs.ask is not None and not inputs.dry_run:
        registries.ask(inputs.image, inputs.ask)
    return registries.known(inputs.facts, [inputs.image])


def put_on(inputs: Inputs, variables: Mapping[str, str]) -> tuple[Header, ...]:
    """Return the headers of the user's hosts: only where all that leaves comes by.

    Args:
        inputs: of the launch.
        variables: as `environment` returns them.

    Raises:
        UsageError: a variable that one of them names is not there.
    """
    if not inputs.settings.headers or inputs.level.network or inputs.level.sealed:
        return ()
    from pinnace.gateway import headers

    return headers.read(inputs.settings.headers, variables)


def services(inputs: Inputs) -> dict[int, int]:
    """Return the ports of the host's services, by those that lead to them inside.

    Raises:
        UsageError: a port inside is another's.
    """
    found: dict[int, int] = {}
    for text in () if inputs.level.sealed else inputs.settings.services:
        inside, _, port = text.partition(":")
        if int(inside) in {*found, gateway.EGRESS_PORT, gateway.API_PORT}:
            raise UsageError(
                f"port {inside} is another's inside",
                hint=f"let it have another one there: {int(inside) + 1}:{port or inside}",
            )
        found[int(inside)] = int(port or inside)
    if inputs.level.network:
        from pinnace.plan.contributors import loopback

        urls = loopback.found(inputs.settings, inputs.facts.environment).values()
        found = {url.port: url.port for url in urls} | found
    return found
