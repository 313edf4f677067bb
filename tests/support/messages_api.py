"""A stand-in for the Anthropic Messages API, so that tests run the real CLI offline.

The CLI reaches it through `ANTHROPIC_BASE_URL`, with any `ANTHROPIC_API_KEY`. By hand:
`python -m tests.support.messages_api --port 8080`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence
    from typing import Self

_GATE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05  # the default would add half a second to every test
_Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Text:
    """An answer in words; `gate` holds it up after its first piece, to prove that it streams."""

    text: str
    chunks: int = 3
    gate: threading.Event | None = None


@dataclass(frozen=True)
class ToolUse:
    """A tool call, which the CLI carries out for real."""

    name: str
    input: dict[str, object]


@dataclass(frozen=True)
class ApiError:
    """A refusal, for every request that meets it.

    The CLI repeats most requests, for three minutes at 401, 429 and 500 unless
    `CLAUDE_CODE_MAX_RETRIES=0`. So a script of one error and an answer ends well.
    """

    status: int
    kind: str
    message: str


Reply: TypeAlias = Text | ToolUse | ApiError


class MessagesApi:
    """Answers the main conversation from a script, everything else with a trifle."""

    def __init__(self, replies: Sequence[Reply], host: str = "127.0.0.1", port: int = 0) -> None:
        self.requests: list[_Json] = []
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        self.reply_with(*replies)
        self._server = _Server((host, port), self)

    def __enter__(self) -> Self:
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(_POLL_SECONDS,), daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    def url_for(self, host: str) -> str:
        """Name the server as its client sees it: a container knows this machine otherwise."""
        return f"http://{host}:{self.port}"

    def reply_with(self, *replies: Reply) -> None:
        """Start another script; its last reply repeats."""
        if not replies:
            raise ValueError("a script needs at least one reply")
        with self._lock:
            self._script, self._taken = replies, 0

    def reply_to(self, body: _Json) -> Reply:
        """Choose the answer to one request, and record it if it is the main conversation's."""
        if not _is_main(body):
            return Text("{}" if "format" in (body.get("output_config") or {}) else "ok")
        with self._lock:
            self.requests.append(body)
            turn, self._taken = self._taken, self._taken + 1
            script = self._script
        if turn < len(script):
            return script[turn]
        # A tool call that repeats for ever would keep the CLI busy for ever.
        ends = isinstance(script[-1], ToolUse) and _reports_tool(body)
        return Text("done") if ends else script[-1]


def _is_main(body: _Json) -> bool:
    """Tell the conversation from side requests: titles, topics, quota and cache probes.

    Those offer no tools, or ask for one token. With `--tools ""` the conversation offers none
    either, but has its context managed. Streaming tells nothing: after a failed stream the CLI
    repeats the conversation's request without.
    """
    offers = bool(body.get("tools")) or "context_management" in body
    return offers and body.get("max_tokens") != 1


def _reports_tool(body: _Json) -> bool:
    """Look at the last user message: the CLI may put system messages behind it."""
    said = [message["content"] for message in body["messages"] if message["role"] == "user"]
    blocks = said[-1] if said and isinstance(said[-1], list) else []
    return any(block.get("type") == "tool_result" for block in blocks)


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # an exit does not wait for a gate that nobody opens

    def __init__(self, address: tuple[str, int], api: MessagesApi) -> None:
        self.api = api
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that left: tests interrupt the CLI on purpose."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *args: object) -> None:
        """Leave the test's own output readable."""

    def do_HEAD(self) -> None:
        self._start("application/json")

    def do_GET(self) -> None:
        self._send({})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        self.server.api.headers.append({k.lower(): v for k, v in self.headers.items()})
        match self.path.partition("?")[0]:
            case "/v1/messages":
                self._answer(body, self.server.api.reply_to(body))
            case "/v1/messages/count_tokens":
                self._send({"input_tokens": 10})
            case _:
                self._send({})

    def _answer(self, body: _Json, reply: Reply) -> None:
        if isinstance(reply, ApiError):
            error = {"type": reply.kind, "message": reply.message}
            self._send({"type": "error", "error": error}, reply.status)
        elif body.get("stream"):
            self._start("text/event-stream")
            for event in _events(reply, body["model"]):
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        else:
            block, _, stop = _content(reply)
            self._send(_message(body["model"]) | {"content": [block], "stop_reason": stop})

    def _send(self, value: _Json, status: int = 200) -> None:
        self._start("application/json", status)
        self.wfile.write(json.dumps(value).encode())

    def _start(self, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()


def _events(reply: Text | ToolUse, model: str) -> Iterator[_Json]:
    block, deltas, stop = _content(reply)
    empty: _Json = {"text": ""} if isinstance(reply, Text) else {"input": {}}
    yield {"type": "message_start", "message": _message(model)}
    yield {"type": "content_block_start", "index": 0, "content_block": block | empty}
    for position, delta in enumerate(deltas):
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
        if position == 0 and isinstance(reply, Text) and reply.gate:
            reply.gate.wait(_GATE_SECONDS)
    yield {"type": "content_block_stop", "index": 0}
    end = {"stop_reason": stop, "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def _content(reply: Text | ToolUse) -> tuple[_Json, list[_Json], str]:
    """Return the whole block, the deltas that add up to it, and why the message stops."""
    if isinstance(reply, Text):
        parts = _split(reply.text, reply.chunks)
        deltas = [{"type": "text_delta", "text": part} for part in parts]
        return {"type": "text", "text": reply.text}, deltas, "end_turn"
    parts = _split(json.dumps(reply.input), 2)
    deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
    identity = {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex}"}
    return identity | {"name": reply.name, "input": reply.input}, deltas, "tool_use"


def _split(text: str, wanted: int) -> list[str]:
    count = max(1, min(wanted, len(text)))
    cuts = [len(text) * index // count for index in range(count + 1)]
    return [text[start:end] for start, end in pairwise(cuts)]


def _message(model: str) -> _Json:
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a stand-in Messages API.")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets containers in")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--text", default="Hello from the stand-in.")
    args = parser.parse_args()
    with MessagesApi([Text(args.text)], args.host, args.port) as api:
        sys.stdout.write(f"listening on {api.port}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
