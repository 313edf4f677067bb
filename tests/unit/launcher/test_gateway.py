"""What a gateway is, is told, and how it is identified."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest

from pinnace import gateway
from pinnace.gateway import container, endpoint, haproxy, relay, start
from pinnace.gateway.directory import Directory
from pinnace.plan import Contribution, Inputs, gateways, plan
from pinnace.plan.contributors import network
from pinnace.plan.resources import Resource
from pinnace.plan.variables import Variable
from pinnace_core.container import Mount
from pinnace_core.errors import CannotWriteError, UsageError
from tests.support import hosts
from tests.support.engines import ENGINES
from tests.support.full_disk import files_end_at

_KEY = "sk-ant-canary-0123456789"
_API = endpoint.endpoint({})
_GATEWAY = gateway.Gateway("/srv/demo", _API)
_LOGIN = gateway.Credentials(login="/home/somebody/claude")
_HELPER = gateway.Credentials(helper="print-key")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", ("https", "api.anthropic.com", 443, "", False)),
        ("https://proxy.example/anthropic/", ("https", "proxy.example", 443, "/anthropic", False)),
        ("HTTP://Proxy.Example:8080", ("http", "proxy.example", 8080, "", False)),
        ("http://192.0.2.7", ("http", "192.0.2.7", 80, "", False)),
        ("http://localhost:4000", ("http", "localhost", 4000, "", True)),
        ("http://127.0.0.1:4000/x", ("http", "127.0.0.1", 4000, "/x", True)),
        ("http://[::1]:4000", ("http", "::1", 4000, "", True)),
        ("http://host.docker.internal:1", ("http", "host.docker.internal", 1, "", True)),
        ("https://[2001:db8::1]", ("https", "2001:db8::1", 443, "", False)),
    ],
)
def test_an_endpoint_is_read(url: str, expected: tuple[str, str, int, str, bool]) -> None:
    assert endpoint.endpoint({"ANTHROPIC_BASE_URL": url}) == expected


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.example",
        "https://",
        "https://user:word@x.example",
        "https://x.example:0",
        "https://x.example:65536",
        "https://x.example/?query",
        "https://x.example/#part",
        "https://x.example/'quoted",
        "https://x.example/a b",
        "https://x.example\nbind *:1",
        "x.example",
    ],
)
def test_what_is_no_endpoint_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        endpoint.endpoint({"ANTHROPIC_BASE_URL": url})

    assert "word" not in caught.value.message + caught.value.hint.replace("passwords", "")


def test_credentials_are_read() -> None:
    found = endpoint.credentials(
        {
            "ANTHROPIC_API_KEY": f" {_KEY}\n",
            "CLAUDE_CODE_OAUTH_TOKEN": "setup",
            "ANTHROPIC_CUSTOM_HEADERS": "X-Team: 7 % a\n\nX-Other:\ty",
        }
    )

    assert (found.key, found.token) == (_KEY, "setup")
    assert found.headers == (("X-Team", "7 % a"), ("X-Other", "y"))
    assert _KEY not in repr(found)
    both = {"ANTHROPIC_AUTH_TOKEN": _KEY, "CLAUDE_CODE_OAUTH_TOKEN": "setup"}
    assert endpoint.credentials(both).token == _KEY


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANTHROPIC_API_KEY", "it's"),
        ("ANTHROPIC_AUTH_TOKEN", "two\nlines"),
        ("ANTHROPIC_CUSTOM_HEADERS", "none, colonless"),
        ("ANTHROPIC_CUSTOM_HEADERS", "X-A: it's"),
        ("ANTHROPIC_CUSTOM_HEADERS", "X A: b"),
    ],
)
def test_what_no_header_can_hold_is_refused_without_showing_it(name: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        endpoint.credentials({name: value})

    assert value not in caught.value.message + caught.value.hint


def test_values_are_text_to_haproxy_whatever_is_in_them() -> None:
    assert haproxy.quoted('a "b" \\ # $X %[env(X)]') == "'a \"b\" \\ # $X %%[env(X)]'"
    for bad in ("'", "a\nb", "\x7f"):
        with pytest.raises(ValueError, match="quoted"):
            haproxy.quoted(bad)


def test_only_what_the_client_sent_is_replaced() -> None:
    credentials = gateway.Credentials(key=_KEY, token=_KEY, headers=(("X-A", "b"),))
    lines = haproxy.configuration(_GATEWAY._replace(credentials=credentials)).splitlines()
    text = [line.strip() for line in lines]

    removed = next(n for n, line in enumerate(text) if "del-header" in line)
    put_on = f"http-request set-header x-api-key '{_KEY}' if {{ var(txn.key) -m found }}"
    assert removed < text.index(put_on)
    assert (
        f"http-request set-header authorization 'Bearer {_KEY}' if {{ var(txn.token) -m found }}"
        in text
    )
    assert text[-1].startswith("server endpoint api.anthropic.com:443 ")
    assert "ssl verify required" in text[-1]


@pytest.mark.parametrize(
    ("name", "removed"),
    [
        *((name, True) for name in ("x-api-key", "X_Api_Key", "cookie", "proxy-authorization")),
        *((name, True) for name in ("x-pinnace-launch", "x-forwarded-host", "Upgrade", "te")),
        *((name, False) for name in ("anthropic-version", "x-app", "content-type", "accept")),
        *((name, False) for name in ("x-stainless-os", "user-agent", "transfer-encoding")),
    ],
)
def test_what_a_client_says_of_keys_is_removed(name: str, *, removed: bool) -> None:
    for kept in (gateway.Credentials(), _LOGIN, _HELPER):
        assert _is_removed(name, kept) is removed


@pytest.mark.parametrize("name", ["Authorization", "authorization", "x-authorization"])
def test_no_token_of_a_clients_passes_whatever_is_put_on(name: str) -> None:
    assert all(_is_removed(name, kept) for kept in (gateway.Credentials(), _LOGIN, _HELPER))


def _is_removed(name: str, kept: gateway.Credentials) -> bool:
    text = haproxy.configuration(_GATEWAY._replace(credentials=kept))
    found = re.search("del-header '(.*)' -m reg", text)
    assert found
    return re.search(found[1], name) is not None


def test_what_changes_is_looked_up_and_not_in_the_configuration() -> None:
    of_login = haproxy.configuration(_GATEWAY._replace(credentials=_LOGIN))
    of_helper = haproxy.configuration(_GATEWAY._replace(credentials=_HELPER))

    assert "set-header authorization %[var(txn.real_token)] if { var(txn.token) -m" in of_login
    assert "x-api-key %[" not in of_login
    assert "set-header x-api-key %[var(txn.real_key)] if { var(txn.sent) -m found }" in of_helper
    assert "print-key" not in of_helper
    assert "/home/somebody" not in of_login


def test_all_that_differs_makes_another_gateway() -> None:
    others = [
        _GATEWAY._replace(project="/srv/other"),
        _GATEWAY._replace(endpoint=_API._replace(port=444)),
        _GATEWAY._replace(credentials=gateway.Credentials(key=_KEY)),
        *(_GATEWAY._replace(credentials=kept) for kept in (_LOGIN, _HELPER)),
        _GATEWAY._replace(rules=(gateway.Rule("x.example"),)),
        _GATEWAY._replace(trusted=b"x"),
        _GATEWAY._replace(network="x"),
        _GATEWAY._replace(services=(5432,)),
    ]

    assert len({one.key for one in (_GATEWAY, *others)}) == len(others) + 1
    assert _GATEWAY.key == gateway.Gateway("/srv/demo", _API).key
    assert _KEY not in repr(others)


def test_a_gateway_has_no_rights_and_no_secret_in_its_arguments(tmp_path: Path) -> None:
    wanted = _GATEWAY._replace(credentials=gateway.Credentials(key=_KEY))
    spec = container.spec(wanted, Directory(tmp_path), logs=tmp_path, nonce="c0ffee")

    assert _KEY not in repr(spec)
    assert spec.user == (1000, 1000)
    assert [m.target for m in spec.mounts if m.read_only] == ["/etc/pinnace", "/run/pinnace/host"]
    assert spec.seccomp
    assert _KEY in container.configuration(wanted)["haproxy.cfg"].decode()


def test_the_list_is_what_the_gateway_reads() -> None:
    rules = (gateway.Rule("a.example"), gateway.Rule("*.b.example", 80, 17))

    assert container.allowed(rules) == b"a.example 443 0\n*.b.example 80 17\n"


def _contribution(
    *others: Contribution, variables: dict[str, str] | None = None, **settings: Any
) -> Contribution:
    facts = hosts.linux()._replace(environment=variables or {})
    inputs = hosts.inputs(facts, isolation="standard", **settings)
    return network.contribute(inputs, others)


def _values(found: Contribution) -> dict[str, str | None]:
    return {v.name: v.value for v in found.variables}


def test_inside_there_are_placeholders_for_what_is_set() -> None:
    found = _values(_contribution(variables={"ANTHROPIC_API_KEY": _KEY}))

    assert found["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:28080"
    assert _KEY not in found.values()
    assert found["ANTHROPIC_API_KEY"]
    assert "ANTHROPIC_AUTH_TOKEN" not in found


def test_no_value_of_the_users_goes_around_the_gateway() -> None:
    given = ("ANTHROPIC_BASE_URL=https://x.example", "https_proxy=http://y.example", "A=b")
    secret = Contribution(variables=(Variable("ANTHROPIC_API_KEY", "outside", _KEY),))
    facts = hosts.linux()
    inputs = hosts.inputs(facts, isolation="standard", environment_names=given)
    spec = plan(inputs, [secret, network.contribute(inputs, [secret])], image="i").spec
    environment = dict(spec.environment)

    assert environment["A"] == "b"
    assert environment["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:28080"
    assert environment["https_proxy"].endswith("@127.0.0.1:23128")
    assert _KEY not in repr(spec)
    assert "ANTHROPIC_API_KEY" not in spec.environment_names
    assert (spec.network, spec.hosts) == ("none", ())


@pytest.mark.parametrize("engine", ["docker-desktop", "podman-machine", "colima", "orbstack"])
def test_in_a_virtual_machine_sockets_lie_in_a_volume(engine: str) -> None:
    inputs = hosts.inputs(hosts.macos(), about=ENGINES[engine], services=("5432",))
    found = network.contribute(inputs, [])
    wanted = gateways.wanted(inputs, {"ANTHROPIC_BASE_URL": "http://localhost:4000"})
    assert wanted
    spec = container.spec(wanted, Directory(Path("/g")), logs=Path("/l"), nonce="x")
    text = haproxy.configuration(wanted)

    (sockets,) = (m for m in found.mounts if m.target == "/run/pinnace/sockets")
    assert (sockets.volume, sockets.read_only) == (True, True)
    own = {m.target: m for m in spec.mounts}
    assert own["/run/pinnace/sockets"].volume
    assert not own["/run/pinnace/sockets"].read_only
    assert "/run/pinnace/host" not in own
    assert spec.hosts == ("host.docker.internal:host-gateway",)
    assert "server host host.docker.internal:5432 " in text
    assert "server endpoint host.docker.internal:4000 " in text


def _closed(**settings: Any) -> Inputs:
    inputs = hosts.inputs(hosts.linux(), **({"runtime": "runsc"} | settings))
    return inputs._replace(relay=lambda spec, _: Resource(lambda _: None, lambda: repr(spec)))


def test_where_no_socket_crosses_a_network_leads_to_a_relay() -> None:
    inputs = _closed(services=("9000:5432",))
    found = network.contribute(inputs, [])
    spec = plan(inputs, [found], image="i").spec
    plain = network.contribute(hosts.inputs(services=("9000:5432",)), [])

    assert spec.private == spec.name == "pinnace-demo-c0ffee"
    assert dict(spec.labels)["pinnace.run.network"] == spec.name
    (inside,) = (m for m in found.mounts if m.target == "/run/pinnace/sockets")
    assert inside.source.endswith("/relays/pinnace-demo-c0ffee")
    assert inside.read_only
    assert not [m for m in found.mounts if m.source.endswith("/sockets")]
    # Inside, all is as ever: the same ports, the same variables.
    assert found.relays == plain.relays
    assert found.variables == plain.variables
    assert [note for note in found.notes if "runtime runsc" in note]
    assert "pinnace-demo-c0ffee-relay" in found.resources[-1].pending()


def test_a_relay_has_the_sockets_and_nothing_else() -> None:
    sockets = Mount("/g/sockets", "/run/pinnace/sockets", read_only=True)
    ports = ("23128=egress", "28080=api")
    spec = relay.spec(sockets, Path("/g/relays/l"), launch="l", ports=ports)

    assert [m.source for m in spec.mounts] == ["/g/relays/l", "/g/sockets"]
    assert (spec.private, spec.network, spec.name) == ("l", "none", "l-relay")
    assert spec.user == (1000, 1000)
    assert spec.command[-2:] == ports
    assert set(relay.files()) == {"apt.conf", "connect", "relay", "ssh-proxy"}


def test_the_user_may_say_that_sockets_cross() -> None:
    found = network.contribute(_closed(runtime_sockets=True), [])

    assert found.private == ""
    assert [m for m in found.mounts if m.source.endswith("/sockets")]


def test_with_isolation_open_another_network_leads_out() -> None:
    inputs = _closed(isolation="open", key_helper="print-key")
    spec = plan(inputs, [network.contribute(inputs, [])], image="i").spec

    assert (spec.private, spec.network) == (spec.name, f"{spec.name}-out")
    # With nothing to keep outside, there is no gateway to be led to.
    assert network.contribute(_closed(isolation="open"), []).private == ""


@pytest.mark.parametrize(
    ("unused", "there"), [("0", True), ("100", True), ("101", False), ("x", False), (None, False)]
)
def test_a_gateway_that_may_end_in_a_moment_is_waited_for(
    tmp_path: Path, unused: str | None, *, there: bool
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    if unused is not None:
        (logs / start.UNUSED).write_text(unused)
    starter = start.Starter(
        _GATEWAY._replace(volume=True, idle=120), Directory(tmp_path), "l", logs, dict, {}, {}
    )

    lease = start.lease(starter)

    assert (lease is not None) is there
    assert len((tmp_path / "config" / "used").read_bytes()) == 16


def test_locked_lets_nothing_out_and_nothing_be_written() -> None:
    inputs = hosts.inputs(isolation="locked", allow=("a.example",), services=("5432",))
    own = Contribution(mounts=(Mount("/c", "/home/agent/.claude"), Mount("/d", "/srv/demo/x")))
    found = network.contribute(inputs, [])
    spec = plan(inputs, [own, found], image="i").spec

    assert found.relays[-3:] == ("23128=egress", "28080=api", "--")
    assert [m.target for m in spec.mounts if not m.read_only] == ["/home/agent/.claude"]
    rules = (gateway.Rule("a.example"),)
    assert start.in_force(_GATEWAY._replace(locked=True, rules=rules)) == list(rules)


@pytest.mark.parametrize(
    ("room", "kept"), [(16, b"b 443 0\n"), (4, b"")], ids=["enough", "too little"]
)
def test_without_room_for_a_list_there_is_the_new_one_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, kept: bytes
) -> None:
    directory = Directory(tmp_path)
    directory.config.mkdir()
    (directory.config / "allow").write_bytes(b"a.example 443 0\n")

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise CannotWriteError(f"cannot write '{path}'")

    monkeypatch.setattr("pinnace.gateway.directory.write_atomic", refuse)
    refused = pytest.raises(CannotWriteError)
    raised: contextlib.AbstractContextManager[Any] = contextlib.nullcontext() if kept else refused
    with files_end_at(room), raised:
        directory.allow(b"b 443 0\n")

    assert (directory.config / "allow").read_bytes() == kept
