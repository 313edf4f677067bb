"""A real MCP server over http, with one tool, on this machine's loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH: Final = "/mcp"
TOOL: Final = "shout"
_MODULE: Final = "tests.support.mcp_server"


@contextmanager
def mcp_server() -> Iterator[int]:
    """Run it; give its port, which takes connections already."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        child = subprocess.Popen(
            [sys.executable, "-m", _MODULE, str(number)],
            pass_fds=(number,),
            stdin=subprocess.DEVNULL,
        )
        try:
            yield listening.getsockname()[1]
        finally:
            child.kill()
            child.wait()


def main(number: int) -> None:
    """Serve what connects to an open socket."""
    # In a process of its own: nothing else here needs them.
    import uvicorn  # noqa: PLC0415
    from mcp.server.mcpserver import MCPServer  # noqa: PLC0415

    server = MCPServer("stand-in")

    @server.tool(name=TOOL, description="Says it louder.")
    def _shout(text: str) -> str:
        return f"{text.upper()}!"

    config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=number)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
