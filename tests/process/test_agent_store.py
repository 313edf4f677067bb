"""Sessions of a program's own store, laid out for the container."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest
from claude_agent_sdk import ClaudeAgentOptions, InMemorySessionStore, project_key_for_directory
from claude_agent_sdk._internal import session_resume

from pinnace.sdk import agent_store
from pinnace_core.errors import AgentSdkError

if TYPE_CHECKING:
    from claude_agent_sdk import SessionKey, SessionStoreEntry

_SESSION: Final = "b0e8a5a5-6d1a-4a3c-9a53-0d6f6a0f1d11"
_ENTRY: Final = {"type": "user", "uuid": "1", "timestamp": "2026-01-01T00:00:00Z"}
pytestmark = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who is logged in, and has temporary files of his own."""
    config = tmp_path / "home" / ".claude"
    config.mkdir(parents=True)
    (config / ".credentials.json").write_text('{"claudeAiOauth": {"accessToken": "secret"}}')
    (config / "settings.json").write_text('{"apiKeyHelper": "secret"}')
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return config


async def _stored(cwd: Path) -> InMemorySessionStore:
    store = InMemorySessionStore()
    key: SessionKey = {"project_key": project_key_for_directory(cwd), "session_id": _SESSION}
    entry: Any = _ENTRY
    entries: list[SessionStoreEntry] = [entry]
    await store.append(key, entries)
    return store


def _files(place: str) -> set[str]:
    return {path.name for path in Path(place).rglob("*") if path.is_file()}


def test_transcripts_are_laid_out_and_nothing_else(
    home: Path, tmp_path: Path, backend: str
) -> None:
    async def main() -> None:
        options = ClaudeAgentOptions(
            session_store=await _stored(tmp_path), continue_conversation=True
        )
        store = await agent_store.laid_out(options, str(tmp_path))
        assert (store.options.resume, store.options.continue_conversation) == (_SESSION, False)
        place = store.options.env["CLAUDE_CONFIG_DIR"]
        assert _files(place) == {f"{_SESSION}.jsonl"}

        path = f"/projects/key/{_SESSION}.jsonl"
        frame = {"type": "transcript_mirror", "filePath": f"{place}{path}", "entries": []}
        assert store.renamed(frame) == {**frame, "filePath": f"{home}{path}"}
        for other in ({**frame, "type": "user"}, {**frame, "filePath": f"{place}x{path}"}):
            assert store.renamed(other) == other

        await store.remove()
        await store.remove()

    anyio.run(main, backend=backend)
    assert os.listdir(tmp_path / "temporary") == []  # noqa: PTH208


@pytest.mark.parametrize("more", [{}, {"resume": "a title"}, {"continue_conversation": True}])
def test_where_nothing_is_to_be_loaded_options_stay(
    home: Path, tmp_path: Path, backend: str, more: dict[str, Any]
) -> None:
    assert home.is_dir()

    async def main() -> None:
        options = ClaudeAgentOptions(session_store=InMemorySessionStore(), **more)
        store = await agent_store.laid_out(options, str(tmp_path))
        assert store.options is options
        frame = {"type": "transcript_mirror", "filePath": "/a/projects/b/c.jsonl"}
        assert store.renamed(frame) is frame

    anyio.run(main, backend=backend)


def test_a_store_that_fails_leaves_nothing(home: Path, tmp_path: Path, backend: str) -> None:
    assert home.is_dir()

    class Broken(InMemorySessionStore):
        async def list_subkeys(self, _: Any) -> list[str]:
            raise OSError("broken on purpose")

    async def main() -> None:
        filled = await _stored(tmp_path)
        store = Broken()
        store.load = filled.load  # type: ignore[method-assign]
        options = ClaudeAgentOptions(session_store=store, resume=_SESSION)
        with pytest.raises(RuntimeError, match="broken on purpose"):
            await agent_store.laid_out(options, str(tmp_path))

    anyio.run(main, backend=backend)
    assert os.listdir(tmp_path / "temporary") == []  # noqa: PTH208


def test_an_sdk_that_does_it_otherwise_is_an_error(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session_resume.__name__ in sys.modules
    monkeypatch.delattr(session_resume, "materialize_resume_session")

    async def main() -> None:
        options = ClaudeAgentOptions(session_store=InMemorySessionStore(), resume=_SESSION)
        with pytest.raises(AgentSdkError, match="not one that Pinnace knows"):
            await agent_store.laid_out(options, str(tmp_path))

    anyio.run(main, backend=backend)
