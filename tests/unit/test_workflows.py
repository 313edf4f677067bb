"""The workflows use what exists; `make lint` checks their syntax and what they may do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.docs import help as commands_help
from tests.docs.markdown import ROOT

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
_PINNED: Final = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
_CALL: Final = re.compile(r"pinnace-build (?P<verb>[a-z]+)(?P<rest>[^&|;\n]*)")
_OPTION: Final = re.compile(r"(?<=\s)--[a-z-]+")
_SETTING: Final = re.compile(r"\b(?:vars|secrets)\.([A-Z_]+)")


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def text_of(workflow: Path) -> str:
    """Return a workflow with its continued lines in one."""
    return workflow.read_text(encoding="utf-8").replace("\\\n", " ")


def test_there_is_one_for_each_task() -> None:
    assert [path.name for path in WORKFLOWS] == [
        "ci.yml",
        "fresh.yml",
        "platforms.yml",
        "publish.yml",
        "update.yml",
    ]


def test_every_action_is_pinned_by_its_commit(workflow: Path) -> None:
    used = re.findall(r"^ +(?:- )?uses: (.*)$", text_of(workflow), re.MULTILINE)
    assert used
    assert [action for action in used if not _PINNED.fullmatch(action)] == []


def test_every_verb_and_option_exists(workflow: Path) -> None:
    calls = [(call["verb"], call["rest"]) for call in _CALL.finditer(text_of(workflow))]
    assert calls or "pinnace-build" not in text_of(workflow)
    for verb, rest in calls:
        assert verb in commands_help.VERBS["pinnace-build"]
        assert set(_OPTION.findall(rest)) <= commands_help.options("pinnace-build", verb)


def test_every_target_and_script_exists(workflow: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    text = text_of(workflow)
    assert set(re.findall(r"\brun: make ([\w-]+)", text)) <= set(targets)
    scripts = re.findall(r"\brun: (?:bash )?(\.?\w+/\w+)", text)
    assert [script for script in scripts if not (ROOT / script).is_file()] == []


def test_the_paths_in_it_exist(workflow: Path) -> None:
    text = text_of(workflow)
    paths = re.findall(r"^ +- (dockerfiles/.*)$|\b(tests/[\w/.]+)", text, re.MULTILINE)
    assert ["".join(path) for path in paths if not any(ROOT.glob("".join(path)))] == []


def test_nothing_is_allowed_that_a_job_does_not_ask_for(workflow: Path) -> None:
    text = text_of(workflow)
    jobs = re.findall(r"^    runs-on: ", text, re.MULTILINE)
    assert "\npermissions: {}\n" in text
    assert len(re.findall(r"^    permissions:$", text, re.MULTILINE)) == len(jobs) > 0
    assert len(re.findall(r"^    timeout-minutes: \d+$", text, re.MULTILINE)) == len(jobs)


def test_it_is_documented_with_its_settings(workflow: Path) -> None:
    page = (ROOT / "docs" / "maintainers.md").read_text(encoding="utf-8")
    settings = set(_SETTING.findall(text_of(workflow)))
    assert [n for n in [workflow.name, *sorted(settings)] if f"`{n}`" not in page] == []


def test_each_platform_is_staged_on_a_machine_of_its_own() -> None:
    text = text_of(ROOT / ".github" / "workflows" / "publish.yml")
    images = (ROOT / "dockerfiles" / "pinnace_images" / "images.toml").read_text(encoding="utf-8")
    staged = re.findall(r"platform: (linux/\w+)$", text, re.MULTILINE)
    declared = re.search(r"^platforms = \[(.*)\]$", images, re.MULTILINE)
    assert declared is not None
    assert staged == re.findall(r'"(.*?)"', declared[1])
