"""The proxy that a gateway goes through, and what its programs are told of it."""

from __future__ import annotations

import pytest

from pinnace import gateway
from pinnace.gateway import endpoint, haproxy, upstream
from pinnace_core.errors import UsageError

_API = endpoint.endpoint({})


def _files(proxy: gateway.Upstream | None, api: gateway.Endpoint = _API) -> dict[str, str]:
    made = upstream.files(gateway.Gateway("/srv/x", api, upstream=proxy))
    return {name: data.decode() for name, data in made.items()}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": " "}, None),
        ({"HTTPS_PROXY": "http://p.example:3128"}, ("p.example", 3128, "", (), False)),
        ({"https_proxy": "p.example"}, ("p.example", 80, "", (), False)),
        ({"HTTP_PROXY": "http://localhost:3128/"}, ("localhost", 3128, "", (), True)),
        (
            {
                "ALL_PROXY": "http://u%40x:w%27@p.example:1",
                "NO_PROXY": ".a.example, B:80",
            },
            ("p.example", 1, "u%40x:w%27", ("a.example", "b"), False),
        ),
        ({"HTTPS_PROXY": "http://p.example", "no_proxy": "*"}, None),
        (
            {"HTTPS_PROXY": "http://p.example", "NO_PROXY": "10.0.0.0/8,192.0.2.1,x y.example"},
            ("p.example", 80, "", ("x", "y.example"), False),
        ),
    ],
)
def test_the_environment_names_it(
    environment: dict[str, str], expected: tuple[object, ...] | None
) -> None:
    assert upstream.read(environment) == expected


@pytest.mark.parametrize(
    "url", ["socks5://p.example:1080", "https://p.example", "http://a b", "http://p.example/'x"]
)
def test_what_the_gateway_cannot_go_through_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        upstream.read({"HTTPS_PROXY": url})


def test_without_one_nothing_is_said() -> None:
    assert set(_files(None).values()) == {""}
    assert "p.example" not in haproxy.configuration(gateway.Gateway("/srv/x", _API))


def test_tunnels_are_looked_into_before_they_go_there() -> None:
    files = _files(gateway.Upstream("p.example", 3128, "u:w%27", ("near.example",)))
    egress, tunnel = files["egress-upstream.conf"], files["tunnel-upstream.conf"]

    assert "cache_peer p.example parent 3128 0 name=upstream" in egress
    assert "login=u:w%27" in egress
    assert egress.index("deny looked_into") < egress.index("upstream allow all")
    assert "looked_into" not in tunnel
    assert "acl near dstdomain .near.example" in tunnel
    assert "never_direct allow all" in tunnel
    assert files["account"] == "u:w'"
    assert files["forwards"].startswith("3131 PROXY:p.example:api.anthropic.com:443,proxyport=3128")
    assert "w%27" not in files["forwards"]


def test_one_on_the_loopback_is_reached_through_its_socket() -> None:
    proxy = gateway.Upstream("localhost", 3128, local=True)
    files = _files(proxy)

    assert "cache_peer 127.0.0.1 parent 3130 0" in files["egress-upstream.conf"]
    assert files["forwards"].splitlines() == [
        "3130 UNIX-CONNECT:/run/pinnace/host/proxy.sock",
        "3131 PROXY:127.0.0.1:api.anthropic.com:443,proxyport=3130",
    ]


@pytest.mark.parametrize(
    ("url", "direct", "carried"),
    [
        ("https://api.example", (), True),
        ("https://api.example", ("example",), False),
        ("https://api.example", ("api.example",), False),
        ("https://api.example", ("pi.example",), True),
        ("http://localhost:4000", (), False),
    ],
)
def test_the_api_goes_there_unless_it_is_near(
    url: str, direct: tuple[str, ...], *, carried: bool
) -> None:
    api = endpoint.endpoint({"ANTHROPIC_BASE_URL": url})
    proxy = gateway.Upstream("p.example", 3128, direct=direct)
    text = haproxy.configuration(gateway.Gateway("/srv/x", api, upstream=proxy))

    assert ("server endpoint 127.0.0.1:3131" in text) == carried
