"""Headers of the user's for hosts that they name."""

from __future__ import annotations

import pytest

from pinnace.config import schema
from pinnace.config.types import Place
from pinnace.gateway import Endpoint, Gateway, Header, Upstream, haproxy, headers, upstream
from pinnace_core.errors import UsageError

BEARER = "api.example.com Authorization: Bearer ${TOKEN}"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        (BEARER, "Bearer s3cret"),
        ("api.example.com Private-Token: ${TOKEN}", "s3cret"),
        ("api.example.com Authorization: Basic me:${TOKEN}", "Basic bWU6czNjcmV0"),
        ("api.example.com Authorization: Basic ${CODED}", "Basic bWU6czNjcmV0"),
        ("api.example.com X-Both: ${TOKEN}/${TOKEN}", "s3cret/s3cret"),
    ],
)
def test_variables_stand_for_values(setting: str, value: str) -> None:
    (found,) = headers.read([setting], {"TOKEN": "s3cret", "CODED": "bWU6czNjcmV0"})
    assert found.value == value
    assert value not in repr(found)


@pytest.mark.parametrize("value", ["", " ", "it's", "a\nb"])
def test_a_value_that_is_no_header_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(UsageError, match="TOKEN") as caught:
        headers.read([BEARER], {"TOKEN": value})
    assert value.strip() == "" or value not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        [BEARER, "api.example.com authorization: ${TOKEN}"],
        ["api.example.com Host: ${TOKEN}"],
        ["api.example.com Transfer-Encoding: ${TOKEN}"],
    ],
)
def test_one_header_once_and_none_of_the_connections_own(settings: list[str]) -> None:
    with pytest.raises(UsageError, match=r"network\.headers"):
        headers.read(settings, {"TOKEN": "x"})


@pytest.mark.parametrize(
    "text",
    [
        "api.example.com Authorization: Bearer literal",
        "*.example.com Authorization: ${TOKEN}",
        "api.example.com:8443 Authorization: ${TOKEN}",
        "10.0.0.1 Authorization: ${TOKEN}",
        "API.example.com Authorization: ${TOKEN}",
        "api.example.com Bad Name: ${TOKEN}",
        "api.example.com Name: '${TOKEN}'",
        "Authorization: ${TOKEN}",
    ],
)
def test_what_a_setting_may_be(text: str) -> None:
    kind = schema.BY_NAME["network.headers"].kind
    with pytest.raises(ValueError, match="host's name and a header"):
        kind.read([text], Place("/", "/"))


def test_headers_make_another_gateway_and_do_not_show() -> None:
    plain = Gateway("/w", Endpoint("https", "api.example.net", 443))
    with_one = plain._replace(headers=(Header("api.example.com", "Authorization", "canary"),))

    assert plain.key != with_one.key
    assert "canary" not in repr(with_one)
    assert "headers" not in haproxy.configuration(plain)


def test_a_proxy_carries_to_each_host_that_is_not_near() -> None:
    found = tuple(Header(name, "X", "y") for name in ("a.example", "b.near.example", "c.example"))
    gateway = Gateway(
        "/w",
        Endpoint("https", "api.example.net", 443),
        headers=found,
        upstream=Upstream("proxy.example", 3128, direct=("near.example",)),
    )
    written = haproxy.configuration(gateway)
    forwards = upstream.files(gateway)["forwards"].decode()

    assert upstream.carried_hosts(gateway) == {"a.example": 3132, "c.example": 3133}
    assert "3132 PROXY:proxy.example:a.example:443,proxyport=3128\n" in forwards
    assert "server host 127.0.0.1:3132 ssl verify required" in written
    assert "server host b.near.example:443 resolvers" in written
