"""A project that changes its pin, with two real CLIs: the newest, and one that runs on Node."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.engine.conftest import VERSION, images_of, remove_images_by_id
from tests.support.messages_api import MessagesApi, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher

# The last one without `--json-schema`; it runs on Node.
_OLD: Final = "2.0.44"
_VERDICT: Final = "---\noutput: {verdict: string}\n---\nIs it good?\n"
_GOOD: Final = json.dumps({"verdict": "good"})


@pytest.fixture(scope="module", autouse=True)
def _images() -> Iterator[None]:
    """Remove the images that are made here, but none that was there."""
    before = images_of(_OLD)
    yield
    remove_images_by_id(images_of(_OLD) - before)


@pytest.fixture
def old(isolated: Launcher) -> Launcher:
    """A project that pins the old one; its image is made by the first launch."""
    _pin(isolated, _OLD)
    return isolated


def _pin(launcher: Launcher, version: str) -> None:
    done = launcher.run("pin", version)
    assert done.returncode == 0, done.stderr


def _says(launcher: Launcher, api: MessagesApi, text: str, *options: str) -> None:
    done = launcher.run("run", *options, "--", "-p", text)
    assert done.returncode == 0, done.stderr
    system = json.dumps(api.requests[-1])
    assert text in system


def test_a_session_goes_on_with_a_newer_cli_and_with_the_older_one_again(
    old: Launcher, api: MessagesApi
) -> None:
    api.reply_with(*(Text(f"answer {number}") for number in (1, 2, 3, 4)))
    _says(old, api, "asked of the old", "--session", "fix")
    _pin(old, VERSION)
    _says(old, api, "asked of the new", "--session", "fix")
    assert "asked of the old" in json.dumps(api.requests[-1]["messages"])
    assert "answer 1" in json.dumps(api.requests[-1]["messages"])
    _pin(old, _OLD)
    _says(old, api, "asked of the old again", "--session", "fix")
    said = json.dumps(api.requests[-1]["messages"])
    rows = json.loads(old.run("session", "list", "--json").stdout)["result"]
    (row,) = rows
    shown = old.run("session", "show", "fix").stdout

    for text in ("asked of the old", "answer 1", "asked of the new", "answer 2"):
        assert text in said
    assert (row["name"], row["version"]) == ("fix", _OLD)
    assert "answer 3" in shown


def test_an_old_cli_is_asked_for_a_form_in_the_prompt_and_again_in_the_session(
    old: Launcher, api: MessagesApi
) -> None:
    (old.project / "p.md").write_text(_VERDICT)
    api.reply_with(Text("It is good."), Text(f"```json\n{_GOOD}\n```"))

    done = old.run("run", "--prompt", "p.md", "-p")

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"```json\n{_GOOD}\n```\n"
    assert "the answer is no JSON: Claude is asked again" in done.stderr
    first, again = (json.dumps(request["messages"]) for request in _of_prompts(api))
    assert "JSON Schema" in first
    assert "It is good." in again
    assert "does not fit" in again


def test_an_old_cli_that_never_answers_in_the_form_is_no_success(
    old: Launcher, api: MessagesApi
) -> None:
    (old.project / "p.md").write_text(_VERDICT)
    api.reply_with(Text("It is good."))

    done = old.run("run", "--prompt", "p.md", "-p")

    assert (done.returncode, done.stdout) == (65, "It is good.\n")
    assert len(_of_prompts(api)) == 3


def _of_prompts(api: MessagesApi) -> list[dict[str, object]]:
    """Return the requests that have the prompt in them; others are the CLI's own questions."""
    return [one for one in api.requests if "Is it good?" in json.dumps(one["messages"])]
