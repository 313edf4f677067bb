"""How Claude is asked again for an answer that does not fit: by the command, and by programs."""

from __future__ import annotations

from typing import Final

RETRIES: Final = 2
"""How often at most."""
AGAIN: Final = """\
Your answer does not fit the JSON Schema that was asked for:

{reason}

Answer again with the whole corrected document."""
