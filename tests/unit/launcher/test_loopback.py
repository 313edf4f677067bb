"""URLs that lead to the host itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pinnace.plan.contributors import loopback, network
from pinnace.plan.variables import by_name, plain
from tests.support import contributions, hosts

if TYPE_CHECKING:
    from pinnace.plan import Contribution, Inputs

_CANARY = "canary-88bb"
_MODEL = "ANTHROPIC_VERTEX_BASE_URL"


@pytest.mark.parametrize(
    ("url", "port", "inside"),
    [
        ("http://127.0.0.1:8080", 8080, "http://127.0.0.1:8080"),
        ("http://localhost", 80, "http://127.0.0.1:80"),
        ("https://LOCALHOST/v1?x=1", 443, "https://127.0.0.1:443/v1?x=1"),
        ("http://localhost.:1/a", 1, "http://127.0.0.1:1/a"),
        ("http://[::1]:8080/a", 8080, "http://127.0.0.1:8080/a"),
        ("http://127.8.9.1:8080", 8080, "http://127.0.0.1:8080"),
        ("http://0.0.0.0:8080", 8080, "http://127.0.0.1:8080"),
        ("http://host.docker.internal:8080", 8080, "http://127.0.0.1:8080"),
        ("socks5://localhost", 1080, "socks5://127.0.0.1:1080"),
        ("localhost:3128", 3128, "127.0.0.1:3128"),
        ("http://u:p@localhost:3", 3, "http://u:p@127.0.0.1:3"),
    ],
)
def test_a_url_of_the_host(url: str, port: int, inside: str) -> None:
    found = loopback.parsed(url)

    assert found is not None
    assert (found.port, found.inside()) == (port, inside)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com", "http://localhost.example.com", "http://127.0.0.1.example.com"),
        *("http://example.com/http://localhost", "http://localhost@example.com", "", "http://"),
        *("http://1127.0.0.1", "http://localhost:0", "http://localhost:99999", "http://10.0.0.1"),
        *("http://nothost.docker.internal:1", "http://notlocalhost", "unix:///run/x"),
        "localhosted",
    ],
)
def test_any_other_url_stays(url: str) -> None:
    assert loopback.parsed(url) is None


def _inputs(environment: dict[str, str], **settings: Any) -> Inputs:
    return hosts.inputs(hosts.linux(environment=environment), isolation="open", **settings)


def _additions(environment: dict[str, str], **settings: Any) -> Contribution:
    return loopback.contribute(_inputs(environment, **settings))


def test_a_service_is_at_its_own_port_inside_and_the_gateway_leads_there() -> None:
    urls = {_MODEL: "http://localhost:8080", "HTTP_PROXY": "http://[::1]:3128/"}
    inputs = _inputs(urls, proxy=True, services=("9000:8000",))

    moved = contributions.plain(loopback.contribute(inputs))
    assert moved == {_MODEL: "http://127.0.0.1:8080", "HTTP_PROXY": "http://127.0.0.1:3128/"}
    wrapper = network.contribute(inputs, []).relays
    ports = {"3128=service-3128", "8080=service-8080", "9000=service-8000"}
    assert ports <= set(wrapper)


def test_without_a_network_the_user_names_the_ports() -> None:
    inputs = hosts.inputs(hosts.linux(environment={_MODEL: "http://localhost:8080"}))

    assert not [word for word in network.contribute(inputs, []).relays if "service" in word]


@pytest.mark.parametrize("rest", ["", "?token=x", "/sk-x/v1", "#x"])
def test_what_may_be_secret_is_in_no_argument_and_no_listing(rest: str) -> None:
    user = "" if rest else f"me:{_CANARY}@"
    url = f"http://{user}localhost:8080{rest.replace('x', _CANARY)}"
    found = _additions({_MODEL: url})

    assert contributions.plain(found) == {}
    value = contributions.named(found)[_MODEL]
    assert value is not None
    assert _CANARY in value
    assert "127.0.0.1" in value
    assert _CANARY not in repr(found)


def test_proxies_go_in_on_request_only() -> None:
    urls = {"HTTPS_PROXY": "http://proxy:1", "https_proxy": "http://proxy:1", "NO_PROXY": "x"}

    assert _additions(urls).variables == ()
    assert set(_additions(urls, proxy=True).variables) == set(map(by_name, urls))


def test_a_proxy_that_was_named_is_moved_too() -> None:
    found = _additions({"HTTP_PROXY": "http://localhost:1"}, environment_names=("HTTP_PROXY",))

    assert found.variables == (plain("HTTP_PROXY", "http://127.0.0.1:1"),)


@pytest.mark.parametrize(
    ("environment", "proxy", "expected"),
    [
        ({"no_proxy": "a.b"}, True, {"no_proxy": "a.b,localhost,127.0.0.1,::1"}),
        ({"no_proxy": "a.b"}, False, dict.fromkeys(("no_proxy", "NO_PROXY"), None)),
        ({}, True, dict.fromkeys(("no_proxy", "NO_PROXY"), None)),
    ],
)
def test_no_proxy_is_asked_for_the_gateway(
    environment: dict[str, str], *, proxy: bool, expected: dict[str, str | None]
) -> None:
    environment |= {"ANTHROPIC_API_KEY": "sk-ant-x"}
    found = contributions.plain(network.contribute(_inputs(environment, proxy=proxy), []))

    told = {name: value for name, value in found.items() if name.upper() == "NO_PROXY"}
    assert told == {name: value or "localhost,127.0.0.1,::1" for name, value in expected.items()}
