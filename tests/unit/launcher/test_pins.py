"""Finding, reading and writing pins."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

import pytest

from pinnace.config import files, pin, pin_edit
from pinnace.config import project as names
from pinnace.config import project as workspace
from pinnace_core.errors import BadPinError
from pinnace_images.versions import CliVersion
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path


def _pin(directory: Path, content: str | bytes = "2.1.330\n") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / pin.PIN_FILE
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_nearest_file_wins(tmp_path: Path) -> None:
    _pin(tmp_path, "2.1.1\n")
    near = _pin(tmp_path / "a", "2.1.2\n")
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)

    found = pin.find(hosts.linux(cwd=str(tmp_path / "a" / "b" / "c")))

    assert found is not None
    assert (str(found.specifier), found.source) == ("2.1.2", str(near))


def test_a_broken_near_file_is_an_error_not_a_reason_to_look_further(tmp_path: Path) -> None:
    _pin(tmp_path)
    _pin(tmp_path / "a", "")

    with pytest.raises(BadPinError):
        pin.find(hosts.linux(cwd=str(tmp_path / "a")))


def test_without_any_pin_there_is_none(tmp_path: Path) -> None:
    assert pin.find(hosts.linux(cwd=str(tmp_path))) is None


def test_the_environment_wins_over_a_file(tmp_path: Path) -> None:
    _pin(tmp_path)
    facts = hosts.linux(cwd=str(tmp_path), environment={pin.VARIABLE: " 2.1.2 "})

    found = pin.find(facts)

    assert found is not None
    assert (str(found.specifier), found.source) == ("2.1.2", pin.VARIABLE)


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_is_no_pin(tmp_path: Path, value: str) -> None:
    path = _pin(tmp_path)

    found = pin.find(hosts.linux(cwd=str(tmp_path), environment={pin.VARIABLE: value}))

    assert found is not None
    assert found.source == str(path)


def test_the_flag_wins_over_the_environment(tmp_path: Path) -> None:
    _pin(tmp_path)
    facts = hosts.linux(cwd=str(tmp_path), environment={pin.VARIABLE: "2.1.2"})

    found = pin.find(facts, flag="2.1.3")

    assert found is not None
    assert (str(found.specifier), found.source) == ("2.1.3", "--claude-version")


@pytest.mark.parametrize("flag", [" ", ",", "nonsense", "2.1.330; rm -rf /"])
def test_a_flag_that_is_no_version_is_refused(flag: str) -> None:
    with pytest.raises(BadPinError):
        pin.find(hosts.linux(), flag=flag)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"2.1.330\n", id="plain"),
        pytest.param(b"2.1.330", id="no newline at the end"),
        pytest.param(b"2.1.330\r\n", id="crlf"),
        pytest.param(b"\xef\xbb\xbf2.1.330\r\n", id="byte order mark"),
        pytest.param(b"# why\n\n  2.1.330\t # because\n\n", id="comments and blanks"),
        pytest.param(b"v2.1.330\n", id="leading v"),
    ],
)
def test_harmless_spellings_are_read(tmp_path: Path, content: bytes) -> None:
    assert pin.read(_pin(tmp_path, content)).exact == CliVersion(2, 1, 330)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n \r\n", id="blank"),
        pytest.param(b"# only a comment\n", id="comment"),
        pytest.param(b"2.1.330\n2.1.329\n", id="two lines"),
        pytest.param(b"\x7fELF\x02\x01\x01\x00\xff\xfe", id="binary"),
        pytest.param(b"2.1.330\x00", id="nul"),
        pytest.param(b"2.1.330\x1b[31m", id="escape sequence"),
        pytest.param(b"2" * 10_000_000, id="10 MB"),
        pytest.param(b"#" * 10_000_000 + b"\n2.1.330\n", id="10 MB of comment"),
        pytest.param("2.1.330\n".encode("utf-16"), id="utf-16"),
        pytest.param("2.1.330\n".encode("utf-16-le"), id="utf-16 without a mark"),
        pytest.param(b"\xff\xfe\xfa", id="not utf-8"),
        pytest.param(b"the newest one\n", id="prose"),
        pytest.param(b",\n", id="a range of nothing"),
    ],
)
def test_what_is_no_version_is_refused_and_the_file_named(tmp_path: Path, content: bytes) -> None:
    path = _pin(tmp_path, content)

    with pytest.raises(BadPinError) as caught:
        pin.read(path)

    assert str(path) in caught.value.message
    assert len(caught.value.message) < len(str(path)) + 100
    assert (caught.value.message + caught.value.hint).isprintable()
    assert caught.value.hint


def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / pin.PIN_FILE).mkdir()

    with pytest.raises(BadPinError, match="is not a file"):
        pin.find(hosts.linux(cwd=str(tmp_path)))


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / pin.PIN_FILE)

    with pytest.raises(BadPinError, match="is not a file"):
        pin.find(hosts.linux(cwd=str(tmp_path)))


def test_a_dangling_symlink_is_refused_not_passed_over(tmp_path: Path) -> None:
    _pin(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / pin.PIN_FILE).symlink_to(tmp_path / "nowhere")

    with pytest.raises(BadPinError, match="cannot read"):
        pin.find(hosts.linux(cwd=str(tmp_path / "a")))


def test_a_symlink_to_a_pin_is_followed(tmp_path: Path) -> None:
    target = tmp_path / "shared"
    target.write_text("2.1.330\n")
    (tmp_path / pin.PIN_FILE).symlink_to(target)

    found = pin.find(hosts.linux(cwd=str(tmp_path)))

    assert found is not None
    assert found.specifier.exact == CliVersion(2, 1, 330)


def test_writing_replaces_the_file_in_one_step(tmp_path: Path) -> None:
    path = _pin(tmp_path, "2.1.1\n")
    other_name = tmp_path / "kept"
    os.link(path, other_name)

    pin.write(path, CliVersion(2, 1, 330))

    assert path.read_bytes() == b"2.1.330\n"
    assert other_name.read_bytes() == b"2.1.1\n", "written into the old file, not beside it"
    assert sorted(p.name for p in tmp_path.iterdir()) == [pin.PIN_FILE, "kept"]


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / pin.PIN_FILE
    pin.write(path, CliVersion(2, 1, 330))

    assert pin.read(path).exact == CliVersion(2, 1, 330)


def test_a_strangers_pin_above_the_directory_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / pin.PIN_FILE).write_text("1.0.0\n")
    owner = tmp_path.stat().st_uid

    assert pin.find_file(tmp_path / "mine", uid=owner) == tmp_path / pin.PIN_FILE
    if owner == 0:
        os.chown(tmp_path / pin.PIN_FILE, 54321, 54321)
        assert pin.find_file(tmp_path / "mine", uid=1000) is None


def _repository(tmp_path: Path) -> Path:
    (tmp_path / "p" / ".git").mkdir(parents=True)
    (tmp_path / "p" / "sub").mkdir()
    return tmp_path / "p"


_EACH = (
    (names.SETTINGS_FILE, '[claude]\nversion = "2.1.1"\n', "2.1.1"),
    (names.PIN_FILE, "2.1.2\n", "2.1.2"),
    (names.PYPROJECT, '[tool.pinnace]\nclaude.version = "2.1.3"\n', "2.1.3"),
    (names.TOOL_VERSIONS, "# tools\npython 3.12\nclaude-code 2.1.4 2.1.0 # x\n", "2.1.4"),
    (
        names.PACKAGE_JSON,
        '{"dependencies": {"x": "1"}, "devDependencies": {"@anthropic-ai/claude-code": "^2.1.5"}}',
        "^2.1.5",
    ),
)


def test_within_a_directory_the_order_is_fixed(tmp_path: Path) -> None:
    project = _repository(tmp_path)
    for name, content, _ in _EACH:
        (project / name).write_text(content)

    for name, _, expected in _EACH:
        found = pin.find(hosts.linux(cwd=str(project / "sub")))
        assert found is not None
        assert (str(found.specifier), found.source) == (expected, str(project / name))
        (project / name).unlink()
    assert pin.find(hosts.linux(cwd=str(project / "sub"))) is None


@pytest.mark.parametrize(("name", "content", "expected"), _EACH)
def test_the_nearest_directory_is_first_whatever_the_kind(
    tmp_path: Path, name: str, content: str, expected: str
) -> None:
    project = _repository(tmp_path)
    (project / names.SETTINGS_FILE).write_text('[claude]\nversion = "2.1.9"\n')
    (project / "sub" / name).write_text(content)

    found = pin.find(hosts.linux(cwd=str(project / "sub")))

    assert found is not None
    assert str(found.specifier) == expected


@pytest.mark.parametrize(("name", "content", "expected"), _EACH)
def test_above_the_project_only_files_count_that_are_for_any_directory(
    tmp_path: Path, name: str, content: str, expected: str
) -> None:
    project = _repository(tmp_path)
    (tmp_path / name).write_text(content)

    found = pin.find(hosts.linux(cwd=str(project)))

    counts = name in {names.PIN_FILE, names.TOOL_VERSIONS}
    assert (found and str(found.specifier)) == (expected if counts else None)


def test_the_users_own_settings_are_last(tmp_path: Path) -> None:
    project = _repository(tmp_path)
    path = files.user_path()
    path.parent.mkdir(parents=True)
    path.write_text('[claude]\nversion = "stable"\n')

    found = pin.find(hosts.linux(cwd=str(project)))
    _pin(project)
    nearer = pin.find(hosts.linux(cwd=str(project)))

    assert found is not None
    assert (str(found.specifier), found.source) == ("stable", str(path))
    assert nearer is not None
    assert str(nearer.specifier) == "2.1.330"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (names.SETTINGS_FILE, "[claude]\nversion = 2\n"),
        (names.SETTINGS_FILE, '[claude]\nversion = ""\n'),
        (names.TOOL_VERSIONS, "claude\n"),
        (names.TOOL_VERSIONS, "claude path:/x\n"),
        (names.PACKAGE_JSON, '{"dependencies": {"@anthropic-ai/claude-code": "file:../x"}}'),
        (names.PACKAGE_JSON, '{"dependencies": {"@anthropic-ai/claude-code": 5, }}'),
        (names.PACKAGE_JSON, '"@anthropic-ai/claude-code"' + "[" * 100_000),
    ],
)
def test_a_broken_pin_in_another_kind_of_file_is_refused(
    tmp_path: Path, name: str, content: str
) -> None:
    project = _repository(tmp_path)
    (project / name).write_text(content)

    with pytest.raises(BadPinError) as caught:
        pin.find(hosts.linux(cwd=str(project)))

    assert str(project / name) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "content",
    [
        '["@anthropic-ai/claude-code"]',
        '{"dependencies": ["@anthropic-ai/claude-code"]}',
        '{"name": "@anthropic-ai/claude-code"}',
        '{"dependencies": {"@anthropic-ai/claude-code-extra": "1"}}',
    ],
)
def test_a_package_json_that_does_not_depend_on_it_says_nothing(
    tmp_path: Path, content: str
) -> None:
    project = _repository(tmp_path)
    (project / names.PACKAGE_JSON).write_text(content)

    assert pin.find(hosts.linux(cwd=str(project))) is None


def test_a_version_that_looks_like_a_locked_one_is_suggested(tmp_path: Path) -> None:
    for text in ("2.1.33o", "v2.1-330", "2.1.3_30"):
        _pin(tmp_path, text)
        with pytest.raises(BadPinError) as caught:
            pin.find(hosts.linux(cwd=str(tmp_path)))
        assert caught.value.hint.startswith("perhaps you meant 2.1.330; ")
    _pin(tmp_path, "the newest one")
    with pytest.raises(BadPinError) as caught:
        pin.find(hosts.linux(cwd=str(tmp_path)))
    assert "perhaps" not in caught.value.hint


def test_a_strangers_settings_file_does_not_make_a_project(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give files away")
    (tmp_path / "mine").mkdir()
    for name in (names.SETTINGS_FILE, names.PIN_FILE):
        (tmp_path / name).touch()
        os.chown(tmp_path / name, 54321, 54321)

    assert workspace.find_root(tmp_path / "mine", home=tmp_path / "home") == tmp_path / "mine"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[claude]\nversion = "2.1.1"\n', '[claude]\nversion = "2.1.330"\n'),
        (
            "# '2.1.1'\r\n[run]\r\npids=9#'2.1.1'\r\n[claude]\r\n\tversion\t= '2.1.1'# x\r\n",
            "# '2.1.1'\r\n[run]\r\npids=9#'2.1.1'\r\n[claude]\r\n\tversion\t= \"2.1.330\"# x\r\n",
        ),
        (
            'claude = { variant = "2.1", version = "2.1" }\n',
            'claude = { variant = "2.1", version = "2.1.330" }\n',
        ),
        ('\ufeffclaude.version = "ü ✓"\n', '\ufeffclaude.version = "2.1.330"\n'),
        ('claude."version" = "x"\n', 'claude."version" = "2.1.330"\n'),
    ],
)
def test_only_the_version_is_changed(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / names.SETTINGS_FILE
    assert pin_edit.edited(path, before.encode(), "2.1.330") == after.encode()


def test_a_version_that_cannot_be_changed_alone_is_left(tmp_path: Path) -> None:
    data = b'[claude]\nversion = """2.1.1\n"""\n'
    with pytest.raises(BadPinError, match="cannot be changed"):
        pin_edit.edited(tmp_path / names.SETTINGS_FILE, data, "2.1.330")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[claude]\nversion = "2"\n', ""),
        ('[run]\npids = 1\n\n[claude]\nversion = "2"\n', "[run]\npids = 1\n\n"),
        ('[claude] # x\nversion = "2"\nvariant = "dev"\n', '[claude] # x\nvariant = "dev"\n'),
        ('claude.version = "2"\n# end\n', "# end\n"),
    ],
)
def test_a_version_is_taken_out(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / names.SETTINGS_FILE
    assert pin_edit.without(path, before.encode()) == after.encode()


def test_a_pin_that_is_a_link_to_a_key_shows_nothing_of_it(tmp_path: Path) -> None:
    key = tmp_path / "token"
    key.write_text("canary0123456789\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / pin.PIN_FILE).symlink_to(key)

    with pytest.raises(BadPinError, match="holds no version") as caught:
        pin.find(hosts.linux(cwd=str(project)))

    # Also with PINNACE_DEBUG.
    assert "canary" not in "".join(traceback.format_exception(caught.value)) + caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "version"),
    [
        (".tool-versions", "claude-code 2.1.329\n", "2.1.329"),
        (".tool-versions", "nodejs 22\nnpm:@anthropic-ai/claude-code 2.1.329 # why\n", "2.1.329"),
        (".tool-versions", "claude latest:2.1\n", "2.1"),
        (".tool-versions", "claude prefix:2.1\n", "2.1"),
        ("mise.toml", '[tools]\n"npm:@anthropic-ai/claude-code" = "2.1.329"\n', "2.1.329"),
        (".mise.toml", '[tools]\nclaude = ["2.1.329", "2.1.1"]\n', "2.1.329"),
        (".config/mise.toml", '[tools]\nclaude-code = { version = "prefix:2.1" }\n', "2.1"),
        (
            "package.json",
            '{"devDependencies": {"@anthropic-ai/claude-code": "2.1.329"}}',
            "2.1.329",
        ),
        (
            "package.json",
            '{"dependencies": {"cc": "npm:@anthropic-ai/claude-code@2.1.329"}}',
            "2.1.329",
        ),
        ("package.json", '{"dependencies": {"@anthropic-ai/claude-code": ""}}', "*"),
    ],
)
def test_other_tools_forms_are_read(tmp_path: Path, name: str, content: str, version: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)

    found = pin.find(hosts.linux(cwd=str(tmp_path)))

    assert found is not None
    assert (str(found.specifier), found.path) == (version, tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".tool-versions", "claude-code system\n"),
        (".tool-versions", "claude-code ref:main\n"),
        (".tool-versions", "claude-code\n"),
        ("mise.toml", '[tools]\nclaude = "path:/opt/claude"\n'),
        ("mise.toml", "[tools]\nclaude = \n"),
        ("package.json", '{"dependencies": {"@anthropic-ai/claude-code": "catalog:"}}'),
        ("package.json", '{"dependencies": {"@anthropic-ai/claude-code": "workspace:*"}}'),
        ("package.json", '{"dependencies": {"@anthropic-ai/claude-code": "file:../x"}}'),
    ],
)
def test_a_form_that_is_not_read_is_refused_with_the_way_out(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)

    with pytest.raises(BadPinError) as caught:
        pin.find(hosts.linux(cwd=str(tmp_path)))

    assert str(tmp_path / name) in caught.value.message
    assert "pinnace pin VERSION" in caught.value.hint
    _pin(tmp_path, "2.1.330\n")
    found = pin.find(hosts.linux(cwd=str(tmp_path)))
    assert found is not None
    assert str(found.specifier) == "2.1.330"
