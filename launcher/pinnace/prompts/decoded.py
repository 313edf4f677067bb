"""Text of files."""

from __future__ import annotations

from pinnace_core.errors import BadPromptError


def decoded(data: bytes, name: str) -> str:
    """Return data as text, with newlines as Unix has them.

    Args:
        data: UTF-8.
        name: of the file, for errors.

    Raises:
        BadPromptError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadPromptError(f"{name}:{line}: not text in UTF-8", hint="save it as UTF-8") from None
