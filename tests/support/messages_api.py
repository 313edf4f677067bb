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
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

_GATE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
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
    """A refusal; the CLI retries 408, 409, 429 and 5xx for minutes, other 4xx never."""

    status: int
    kind: str
    message: str


Reply: TypeAlias = Text | ToolUse | ApiError


class MessagesApi:
    """Answers the main conversation from a script, everything else with a trifle."""

    def __init__(self, replies: Sequence[Reply], host: str = "127.0.0.1", port: int = 0) -> None:
        self.requests: list[_Json] = []
        self._lock = threading.Lock()
        self.reply_with(*replies)
        self._server = _Server((host, port), self)

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True
        ).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_port

    def url_for(self, host: str) -> str:
        """Name the server as `host` sees it: a container knows this machine by another name."""
        return f"http://{host}:{self.port}"

    def reply_with(self, *replies: Reply) -> None:
        """Start another script; its last reply repeats."""
        if not replies:
            raise ValueError("a script needs at least one reply")
        with self._lock:
            self._script, self._taken = replies, 0

    def reply_to(self, body: _Json) -> Reply:
        """Choose the answer to one request, recording it if it is the main conversation's."""
        if not _is_main(body):
            return Text("{}" if _wants_json(body) else "ok", chunks=1)
        with self._lock:
            self.requests.append(body)
            turn, self._taken = self._taken, self._taken + 1
            last = self._script[-1]
            if turn < len(self._script):
                return self._script[turn]
        # A tool call repeated for ever would keep the CLI busy for ever.
        return Text("done") if isinstance(last, ToolUse) and _reports_tool(body) else last


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
        self._send({})

    do_GET = do_HEAD

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        path = self.path.partition("?")[0]
        if path.endswith("/count_tokens"):
            self._send({"input_tokens": 10})
        elif path != "/v1/messages":
            self._send({})
        else:
            self._answer(body)

    def _answer(self, body: _Json) -> None:
        reply = self.server.api.reply_to(body)
        if isinstance(reply, ApiError):
            error = {"type": reply.kind, "message": reply.message}
            self._send({"type": "error", "error": error}, status=reply.status)
        elif body.get("stream"):
            self._stream(_events(reply, str(body.get("model"))))
        else:
            self._send(_message(str(body.get("model")), reply))

    def _send(self, value: _Json, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self._start(status, "application/json", {"Content-Length": str(len(data))})
        if self.command != "HEAD":
            self.wfile.write(data)

    def _stream(self, events: Iterator[_Json]) -> None:
        self._start(200, "text/event-stream", {"Cache-Control": "no-cache"})
        for event in events:
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

    def _start(self, status: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        self.end_headers()


def _is_main(body: _Json) -> bool:
    """Tell the conversation from the CLI's side requests (titles, topics, probes, classifiers).

    Those offer no tools, or ask for one token. With `--tools ""` the conversation offers none
    either, but it alone has its context managed.
    """
    if not body.get("stream") or body.get("max_tokens") == 1:
        return False
    return bool(body.get("tools")) or "context_management" in body


def _wants_json(body: _Json) -> bool:
    return "format" in (body.get("output_config") or {}) or "output_format" in body


def _reports_tool(body: _Json) -> bool:
    """Look behind the last answer: the CLI may append system messages to a tool's result."""
    for message in reversed(body["messages"]):
        if message["role"] == "assistant":
            return False
        blocks = message["content"] if isinstance(message["content"], list) else []
        if any(block.get("type") == "tool_result" for block in blocks):
            return True
    return False


def _message(model: str, reply: Text | ToolUse | None = None) -> _Json:
    """Build a whole message, or the empty one that a stream starts with."""
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [_block(reply, filled=True)] if reply else [],
        "stop_reason": _stop_reason(reply) if reply else None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }


def _stop_reason(reply: Text | ToolUse) -> str:
    return "tool_use" if isinstance(reply, ToolUse) else "end_turn"


def _block(reply: Text | ToolUse, *, filled: bool) -> _Json:
    if isinstance(reply, Text):
        return {"type": "text", "text": reply.text if filled else ""}
    identity = {"id": f"toolu_{uuid.uuid4().hex}", "name": reply.name}
    return {"type": "tool_use", **identity, "input": reply.input if filled else {}}


def _events(reply: Text | ToolUse, model: str) -> Iterator[_Json]:
    yield {"type": "message_start", "message": _message(model)}
    yield {"type": "content_block_start", "index": 0, "content_block": _block(reply, filled=False)}
    for position, delta in enumerate(_deltas(reply)):
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
        if position == 0 and isinstance(reply, Text) and reply.gate:
            reply.gate.wait(_GATE_SECONDS)
    yield {"type": "content_block_stop", "index": 0}
    stop = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def _deltas(reply: Text | ToolUse) -> list[_Json]:
    if isinstance(reply, Text):
        return [{"type": "text_delta", "text": part} for part in _split(reply.text, reply.chunks)]
    parts = _split(json.dumps(reply.input), 2)
    return [{"type": "input_json_delta", "partial_json": part} for part in parts]


def _split(text: str, wanted: int) -> list[str]:
    count = max(1, min(wanted, len(text)))
    cuts = [len(text) * index // count for index in range(count + 1)]
    return [text[start:end] for start, end in zip(cuts, cuts[1:], strict=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a stand-in Messages API.")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets containers in")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--text", default="Hello from the stand-in.")
    args = parser.parse_args()
    with MessagesApi([Text(args.text)], args.host, args.port) as api:
        sys.stdout.write(f"listening on {api.port}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
