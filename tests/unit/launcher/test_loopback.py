"""URLs that lead to the host itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pinnace.config import Settings
from pinnace.plan import Resource
from pinnace.plan.contributors import loopback
from pinnace.plan.contributors.loopback import Local, Relay
from pinnace.plan.user import UserMapping
from pinnace.plan.variables import by_name, plain
from pinnace_core.engine.facts import EngineFacts
from tests.support import contributions, hosts

if TYPE_CHECKING:
    from pinnace.plan import Contribution
    from pinnace_core.host import HostFacts

_CANARY = "canary-88bb"


@pytest.mark.parametrize(
    ("url", "host", "port", "moved"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1", 8080, "http://host.docker.internal:9"),
        ("http://localhost", "localhost", 80, "http://host.docker.internal:9"),
        ("https://LOCALHOST/v1?x=1", "localhost", 443, "https://host.docker.internal:9/v1?x=1"),
        ("http://localhost.:1/a", "localhost", 1, "http://host.docker.internal:9/a"),
        ("http://[::1]:8080/a", "::1", 8080, "http://host.docker.internal:9/a"),
        ("http://127.8.9.1:8080", "127.8.9.1", 8080, "http://host.docker.internal:9"),
        ("http://0.0.0.0:8080", "127.0.0.1", 8080, "http://host.docker.internal:9"),
        ("socks5://localhost", "localhost", 1080, "socks5://host.docker.internal:9"),
        ("localhost:3128", "localhost", 3128, "host.docker.internal:9"),
        ("http://u:p@localhost:3", "localhost", 3, "http://u:p@host.docker.internal:9"),
    ],
)
def test_a_url_of_the_host(url: str, host: str, port: int, moved: str) -> None:
    found = loopback.parsed(url)

    assert found is not None
    assert (found.host, found.port, found.moved(9)) == (host, port, moved)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com", "http://localhost.example.com", "http://127.0.0.1.example.com"),
        *("http://example.com/http://localhost", "http://localhost@example.com", "", "http://"),
        *("http://1127.0.0.1", "http://localhost:0", "http://localhost:99999", "http://10.0.0.1"),
        *("http://host.docker.internal:1", "http://notlocalhost", "unix:///run/x", "localhosted"),
    ],
)
def test_any_other_url_stays(url: str) -> None:
    assert loopback.parsed(url) is None


def _additions(environment: dict[str, str], *, relay: int = 0, **settings: Any) -> Contribution:
    asked: list[Local] = []

    def listen(url: Local) -> Relay | None:
        asked.append(url)
        return Relay(relay, Resource(lambda _: None)) if relay else None

    found = loopback.moved(Settings(**settings), environment, listen=listen)
    assert len(asked) == len({(u.host, u.port) for u in asked}), "a relay for each service"
    return found


def test_a_base_url_is_moved_in_plain_sight() -> None:
    found = _additions({"ANTHROPIC_BASE_URL": "http://localhost:8080"})

    assert found.variables == (plain("ANTHROPIC_BASE_URL", "http://host.docker.internal:8080"),)
    assert found.resources == ()


def test_a_relay_has_a_port_of_its_own_and_is_one_for_each_service() -> None:
    urls = {"ANTHROPIC_BASE_URL": "http://localhost:1", "HTTP_PROXY": "http://localhost:1/"}
    found = _additions(urls, relay=777, proxy=True)

    assert contributions.plain(found)["ANTHROPIC_BASE_URL"] == "http://host.docker.internal:777"
    assert len(found.resources) == 1


@pytest.mark.parametrize("rest", ["", "?token=x", "/sk-x/v1", "#x"])
def test_what_may_be_secret_is_in_no_argument_and_no_listing(rest: str) -> None:
    user = "" if rest else f"me:{_CANARY}@"
    url = f"http://{user}localhost:8080{rest.replace('x', _CANARY)}"
    found = _additions({"ANTHROPIC_BASE_URL": url})

    assert contributions.plain(found) == {}
    value = contributions.named(found)["ANTHROPIC_BASE_URL"]
    assert value is not None
    assert _CANARY in value
    assert "host.docker.internal" in value
    assert _CANARY not in repr(found)


def test_proxies_go_in_on_request_only() -> None:
    urls = {"HTTPS_PROXY": "http://proxy:1", "https_proxy": "http://proxy:1", "NO_PROXY": "x"}

    assert _additions(urls).variables == ()
    assert set(_additions(urls, proxy=True).variables) == set(map(by_name, urls))


def test_a_proxy_that_was_named_is_moved_too() -> None:
    found = _additions({"HTTP_PROXY": "http://localhost:1"}, environment_names=("HTTP_PROXY",))

    assert found.variables == (plain("HTTP_PROXY", "http://host.docker.internal:1"),)


def test_exceptions_from_the_proxy_know_the_hosts_name_inside() -> None:
    urls = {"ANTHROPIC_BASE_URL": "http://localhost:1", "no_proxy": "a.b, localhost"}
    found = _additions(urls, proxy=True)

    assert plain("no_proxy", "a.b, localhost,host.docker.internal") in found.variables
    assert contributions.plain(_additions({"NO_PROXY": "localhost"}, proxy=True)) == {}


@pytest.mark.parametrize(
    ("facts", "engine", "notes"),
    [
        (hosts.macos(), EngineFacts(), 0),
        (hosts.windows(), EngineFacts(), 0),
        (hosts.linux(), EngineFacts(desktop="Docker Desktop"), 0),
        (hosts.linux(), EngineFacts(rootless=True), 1),
        (hosts.linux(), EngineFacts(kind="podman"), 1),
    ],
)
def test_where_no_relay_is_needed_or_possible(
    facts: HostFacts, engine: EngineFacts, notes: int
) -> None:
    facts = facts._replace(environment={"ANTHROPIC_BASE_URL": "http://localhost:1"})
    who = UserMapping(1000, 1000, as_in_image=True)
    found = loopback.contribute(hosts.inputs(facts, user=who, about=engine))

    assert found.variables == (plain("ANTHROPIC_BASE_URL", "http://host.docker.internal:1"),)
    assert (found.resources, len(found.notes)) == ((), notes)
