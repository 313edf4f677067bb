"""An engine's own socket on this host: a question, and its whole answer."""

from __future__ import annotations

from typing import Final

_TIMEOUT_SECONDS: Final = 60.0
_ASCII: Final = 128


def exchange(socket: str, method: str, target: str) -> tuple[int, bytes]:
    """Ask, and return status and content of the answer.

    HTTP 1.0: the engine sends one whole answer and closes.

    Args:
        socket: its path.
        method: as `GET`.
        target: path and query, encoded.

    Raises:
        OSError: nobody answers, or not to the end.
    """
    # What `socket` wraps: importing the wrapper costs every launch 4 ms.
    import _socket

    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(socket)
        request = f"{method} {target} HTTP/1.0\r\nHost: engine\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    finally:
        connection.close()
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        raise ConnectionError("it broke off")
    return int(head.split(None, 2)[1]), body


def quoted(text: str) -> str:
    """Percent-encode for a request line; what an image's name is made of stays readable."""
    return "".join(chr(byte) if _is_plain(byte) else f"%{byte:02X}" for byte in text.encode())


def _is_plain(byte: int) -> bool:
    return byte < _ASCII and (chr(byte).isalnum() or chr(byte) in "/:-._")
