"""HAProxy's configuration: the sockets, and the credentials on what goes to the API.

https://docs.haproxy.org/3.0/configuration.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace.gateway import SOCKETS, Endpoint, headers, upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.gateway import Credentials, Gateway

LAUNCH_HEADER: Final = "x-pinnace-launch"
API_SOCKET: Final = "api"
"""Of the host's own service that the API is asked at, if it is one."""
# Whatever a client sends of these does not get out; what is real is put on instead. First all that
# may hold a key, however it is spelled: a gateway behind this one may know more names than the API.
# Then what lets a server take another host, path or method than what is looked at here; and what
# turns a connection into one that nobody reads, or lets a proxy behind take the key off.
_REMOVED: Final = (
    "(api[-_]?key|auth|token|cookie|secret|credential|subscription[-_]key)"
    f"|^{LAUNCH_HEADER}$"
    "|^(x[-_])?(forwarded|original|rewrite|http[-_](method|host)|method[-_]override)"
    "|^x[-_](host|url|uri|path)([-_]|$)"
    "|^(connection|upgrade|http2[-_]settings|te|trailer)$"
)
# What changes while it runs, by the headers' names: see `changing`.
_CHANGING: Final = "/etc/pinnace/credentials"
# Not TRACE, whose answer would show the key, nor CONNECT.
_METHODS: Final = "GET HEAD POST PUT PATCH DELETE OPTIONS"
_HEAD: Final = f"""\
global
    log stdout format raw local0
    # As many connections as the engine's limit on open files allows, up to 4000: a number of them
    # would be demanded, and many engines allow less.
    fd-hard-limit 8100
    # For `start`, which is alone there.
    stats socket /tmp/admin.sock mode 600 level admin
    # Twice the usual: a large transfer costs half. Only what is on its way has one.
    tune.bufsize 32768

resolvers system
    parse-resolv-conf
    hold valid 10s

defaults
    log global
    maxconn 4000
    retries 3
    timeout connect 20s
    timeout client 1h
    timeout server 1h
    timeout tunnel 24h

frontend egress
    mode tcp
    no log
    bind unix@{SOCKETS}/egress.sock mode 666
    default_backend egress

backend egress
    mode tcp
    server squid 127.0.0.1:3128

frontend api
    mode http
    bind unix@{SOCKETS}/api.sock mode 666
    log-format "%Ts.%ms api %[var(txn.launch),json] %HM %[var(txn.path),json] %ST %B %ts"
    default_backend api
"""
# Started without a network, it finds the address later.
_LATER: Final = " resolvers system init-addr libc,none"
# What servers read differently: parts of a path that mean others, parameters of parts, line ends.
_ODD: Final = r"(\\|/\.\.?(/|$)|%|//|;|[[:cntrl:]])"
# Of tokens and keys: none is to be made with the credentials that are put on here.
_MINTING: Final = r"(?i)(create_api_key|api_keys|/oauth/(token|authorize)|/v1/organizations|/key/)"
# Names of parameters that servers take a key or a token by, instead of a header.
_IN_QUERY: Final = (
    "(?i)(^|[&;?])[^=&;]*(api[-_+ ]?key|auth|cookie|secret|credential|password"
    "|(access|bearer|id|session|security)[-_+ ]?token|subscription[-_+ ]?key)[^=&;]*="
    "|(?i)(^|[&;?])(key|token|sig|signature)="
)
# Of features by which the API itself connects to servers that a request names, whatever is allowed
# here; Claude Code asks for none: https://docs.claude.com/en/docs/agents-and-tools/mcp-connector
_CONNECTING: Final = "mcp-client web-fetch"


def configuration(gateway: Gateway) -> str:
    """Return the configuration; it holds the credentials."""
    lines = (f"    {line}\n" for line in _api(gateway))
    services = "".join(_service(gateway, port) for port in gateway.services)
    ended = "\n".join(_with_headers(gateway)) if gateway.headers else ""
    return f"{_HEAD}{services}{ended}\nbackend api\n{''.join(lines)}"


def service_socket(port: int) -> str:
    """Name the socket of a service of the host, there and inside."""
    return f"service-{port}"


def _service(gateway: Gateway, port: int) -> str:
    name = service_socket(port)
    address = gateway.service(name, port)
    return f"""
listen {name}
    mode tcp
    no log
    bind unix@{SOCKETS}/{name}.sock mode 666
    server host {address}{_LATER if gateway.volume else ""}
"""


def _with_headers(gateway: Gateway) -> Iterator[str]:
    """End TLS for the hosts that get headers, and begin it anew to them."""
    hosts, carried = headers.hosts(gateway), upstream.carried_hosts(gateway)
    yield f"""
frontend headers
    mode http
    bind 127.0.0.1:{headers.PORT} ssl crt /tmp/headers.pem strict-sni alpn http/1.1
    http-request set-var(txn.path) path
    log-format "%Ts.%ms headers %[ssl_fc_sni,json] %HM %[var(txn.path),json] %ST %B %ts"
    http-request deny deny_status 405 unless {{ method {_METHODS} }}"""
    # By the name in the certificate that the client took, whatever it writes in its request.
    yield from (f"    use_backend headers-{host} if {{ ssl_fc_sni -i {host} }}" for host in hosts)
    for host in hosts:
        there = f"127.0.0.1:{carried[host]}" if host in carried else f"{host}:{headers.PORT}"
        yield f"\nbackend headers-{host}\n    mode http"
        yield f"    http-request del-header {quoted(f'(?i)^.*({_REMOVED})')} -m reg"
        for header in gateway.headers:
            if header.host == host:
                yield f"    http-request set-header {header.name} {quoted(header.value)}"
        yield f"    http-request set-header host {host}"
        # A session of the account's is a credential, too.
        yield "    http-response del-header set-cookie"
        later = "" if host in carried else _LATER
        yield f"    server host {there}{later}{_tls(Endpoint('https', host, headers.PORT))}\n"


def _api(gateway: Gateway) -> Iterator[str]:
    endpoint, credentials = gateway.endpoint, gateway.credentials
    yield "mode http"
    yield f"http-request deny deny_status 405 unless {{ method {_METHODS} }}"
    yield f"http-request set-var(txn.launch) req.hdr({LAUNCH_HEADER})"
    # As whoever is behind us may read it.
    yield "http-request set-var(txn.path) path,url_dec"
    # What cannot be decoded is in no variable: no rule below would ever meet it.
    yield "http-request deny deny_status 403 unless { var(txn.path) -m found }"
    yield f"http-request deny deny_status 403 if {{ var(txn.path) -m reg '{_ODD}' }}"
    yield f"http-request deny deny_status 403 if {{ var(txn.path) -m reg '{_MINTING}' }}"
    # Where none is, nothing is found.
    yield "http-request set-var(txn.query) query,url_dec"
    undecoded = "{ query -m found } !{ var(txn.query) -m found }"
    yield f"http-request deny deny_status 403 if {undecoded}"
    yield f"http-request deny deny_status 403 if {{ var(txn.query) -m reg '{_IN_QUERY}' }}"
    connecting = f"req.fhdr(anthropic-beta) -m sub -i {_CONNECTING}"
    yield f"http-request deny deny_status 403 if {{ {connecting} }}"
    yield "http-request set-var(txn.key) int(1) if { req.hdr(x-api-key) -m found }"
    yield "http-request set-var(txn.token) int(1) if { req.hdr(authorization) -m found }"
    yield f"http-request del-header {quoted(f'(?i)^.*({_REMOVED})')} -m reg"
    for name, value in credentials.headers:
        yield f"http-request set-header {name} {quoted(value)}"
    if credentials.key:
        key = quoted(credentials.key)
        yield f"http-request set-header x-api-key {key} if {{ var(txn.key) -m found }}"
    if credentials.token:
        bearer = quoted(f"Bearer {credentials.token}")
        yield f"http-request set-header authorization {bearer} if {{ var(txn.token) -m found }}"
    if credentials.login or credentials.helper:
        yield from _changing(credentials)
    yield f"http-request set-header host {quoted(_authority(endpoint))}"
    if endpoint.path:
        yield f"http-request set-path {quoted(endpoint.path)}%[path]"
    carried = upstream.carries(gateway)
    address = f"127.0.0.1:{upstream.API_PORT}" if carried else _address(gateway)
    yield f"server endpoint {address}{_tls(endpoint)}"


def _changing(credentials: Credentials) -> Iterator[str]:
    """Put on what the file holds just now: a token where one was sent, a key where either was."""
    sent = "txn.token" if credentials.login else "txn.sent"
    if credentials.helper:
        for name in ("txn.key", "txn.token"):
            yield f"http-request set-var(txn.sent) int(1) if {{ var({name}) -m found }}"
        yield f"http-request set-var(txn.real_key) str(x-api-key),map({_CHANGING})"
        yield (
            "http-request set-header x-api-key %[var(txn.real_key)] "
            "if { var(txn.sent) -m found } { var(txn.real_key) -m found }"
        )
    yield f"http-request set-var(txn.real_token) str(authorization),map({_CHANGING})"
    yield (
        "http-request set-header authorization %[var(txn.real_token)] "
        f"if {{ var({sent}) -m found }} {{ var(txn.real_token) -m found }}"
    )


def _authority(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    usual = {"https": 443, "http": 80}[endpoint.scheme]
    return host if endpoint.port == usual else f"{host}:{endpoint.port}"


def _address(gateway: Gateway) -> str:
    endpoint = gateway.endpoint
    if endpoint.local:
        later = _LATER if gateway.volume else ""
        return f"{gateway.service(API_SOCKET, endpoint.port)}{later}"
    where = f"ipv6@[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{where}:{endpoint.port}{_LATER}"


def _tls(endpoint: Endpoint) -> str:
    if endpoint.scheme != "https":
        return ""
    name = endpoint.host
    return f" ssl verify required ca-file /tmp/trusted.pem sni str({name}) verifyhost {name}"


def quoted(text: str) -> str:
    """Quote what is no more than text; `%` begins an expression, and there is no way to quote `'`.

    Raises:
        ValueError: it holds one, or a control character.
    """
    if "'" in text or not text.isprintable():
        raise ValueError("not to be quoted")
    return f"'{text.replace('%', '%%')}'"
