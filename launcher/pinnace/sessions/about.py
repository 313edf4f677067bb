"""What a session is about, as its transcript's beginning and end say it: lists read no more."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, Final

from pinnace.sessions import entries, transcripts
from pinnace.sessions.names import LIST, Named, Names, as_id
from pinnace_core.errors import AmbiguousNameError, PinnaceError, SessionMissingError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pinnace.sessions.transcripts import Transcript

_PIECE: Final = 64 << 10
_LONGEST: Final = 200
_LEAST_PREFIX: Final = 4
# In Claude's own messages, which are no prompts.
_MARKUP: Final = "<"


class About(NamedTuple):
    """A session; all but the name is what its transcript claims.

    Attributes:
        transcript: of it.
        name: that the user gave it; or empty.
        title: that it has in Claude's own list; or its first prompt.
        cwd: where it was begun.
        branch: of git, likewise.
        version: of the CLI that wrote in it last.
    """

    transcript: Transcript
    name: str = ""
    title: str = ""
    cwd: str = ""
    branch: str = ""
    version: str = ""

    @property
    def called(self) -> str:
        """What a command calls it by."""
        return self.name or self.transcript.id


def all_of(config: Path) -> list[About]:
    """Return the sessions in a config directory, the newest last; none that nothing was said in."""
    names = {one.id: name for name, one in Names(config).all().items()}
    # Of a session that is gone on with, CLIs of 2.0 leave an empty file under a new id.
    written = (one for one in transcripts.all_of(config) if one.size)
    found = sorted(written, key=lambda one: (one.modified, one.id))
    return [about(one, names.get(one.id, "")) for one in found]


def without_transcript(config: Path) -> dict[str, Named]:
    """Return the names whose session has no transcript."""
    there = {one.id for one in transcripts.all_of(config)}
    return {n: one for n, one in Names(config).all().items() if one.id not in there}


def about(transcript: Transcript, name: str = "") -> About:
    """Return what a session is about."""
    try:
        with transcripts.opened(transcript) as stream:
            return of_entries(transcript, _ends(stream), name)
    except (PinnaceError, OSError):  # it went away meanwhile
        return About(transcript, name)


def of_entries(
    transcript: Transcript, documents: Iterable[dict[str, Any]], name: str = ""
) -> About:
    """Return what a session is about, as its entries say, or those at both ends of it."""
    values = {"title": "", "prompt": "", "cwd": "", "branch": "", "version": ""}
    for document in documents:
        _take(document, values)
    title = values["title"] or values["prompt"]
    return About(transcript, name, title, values["cwd"], values["branch"], values["version"])


def _ends(stream: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 (a binary stream)
    """Yield the entries at the beginning and at the end."""
    counts = entries.Counts()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    yield from entries.documents(io.BytesIO(stream.read(_PIECE)), counts)
    if size > _PIECE:
        stream.seek(max(_PIECE, size - _PIECE))
        yield from entries.documents(io.BytesIO(stream.read(_PIECE)), counts)


def _take(document: dict[str, Any], values: dict[str, str]) -> None:
    for key, name in (("cwd", "cwd"), ("gitBranch", "branch")):
        values[name] = values[name] or entries.text_of(document.get(key))
    values["version"] = entries.text_of(document.get("version")) or values["version"]
    for key in ("customTitle", "aiTitle"):
        values["title"] = entries.text_of(document.get(key))[:_LONGEST] or values["title"]
    if not values["prompt"]:
        said = entries.message(document)
        text = said.text.strip() if said and said.role == "user" else ""
        if text and not text.startswith(_MARKUP):
            values["prompt"] = text[:_LONGEST]


def chosen(config: Path, word: str) -> About:
    """Return the session that a name, an id, the beginning of one, or a title means.

    Raises:
        SessionMissingError: none.
        AmbiguousNameError: several.
    """
    named = Names(config).all().get(word)
    whole = named.id if named else as_id(word)
    if whole:
        found = transcripts.find(config, whole)
        if found is None:
            gone = f"the transcript of session '{word}' has gone, or was not begun yet"
            raise SessionMissingError(gone, hint=LIST)
        return about(found, word if named else Names(config).of(whole))
    return only(fitting(all_of(config), word), word)


def fitting(known: list[About], word: str) -> list[About]:
    """Return the sessions that the beginning of an id, or a title, means."""
    begun = [one for one in known if one.transcript.id.startswith(word.lower())]
    if begun and len(word) >= _LEAST_PREFIX:
        return begun
    titled = [one for one in known if one.title.casefold() == word.casefold()]
    return titled or [one for one in known if word and word.casefold() in one.title.casefold()]


def only(found: list[About], word: str) -> About:
    """Return the one that a word means.

    Raises:
        SessionMissingError: it means none.
        AmbiguousNameError: it means several.
    """
    if not found:
        raise SessionMissingError(
            f"no session of this project is called '{word}', and none has such a title", hint=LIST
        )
    if len(found) > 1:
        ids = ", ".join(one.called for one in found[-5:])
        raise AmbiguousNameError(f"'{word}' fits {len(found)} sessions", hint=f"one of: {ids}")
    return found[0]
