"""Settings: who wins, what is refused, and where errors point to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.config import Config, MountRequest, Settings, files, load
from pinnace.config.schema import KEYS
from pinnace.config.types import BOOLEAN
from pinnace_core.errors import BadSettingsError, UnsafeRequestError, UsageError
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a directory in it."""
    (tmp_path / "project" / ".git").mkdir(parents=True)
    (tmp_path / "project" / "sub").mkdir()
    return tmp_path / "project"


def _load(cwd: Path, flags: dict[str, object] | None = None, **environment: str) -> Config:
    return load.load(hosts.linux(cwd=str(cwd), environment=environment), flags or {})


def _user(text: str) -> Path:
    path = files.user_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _approve(path: Path) -> None:
    files.approve(str(path), path.read_bytes())


def test_without_files_all_are_defaults(project: Path) -> None:
    loaded = _load(project)

    assert loaded.settings == Settings()
    assert {value.source for value in loaded.values.values()} == {"default"}
    assert loaded.pending == ()


def test_every_setting_is_one_key() -> None:
    fields = [key.field for key in KEYS if key.field]
    assert sorted(fields) == sorted(Settings._fields)
    for attribute in ("name", "variable", "flag"):
        assert len({getattr(key, attribute) for key in KEYS}) == len(KEYS)
    assert all(key.metavar for key in KEYS if key.kind is not BOOLEAN)


def test_each_source_wins_over_the_one_before(project: Path) -> None:
    user = _user('[run]\nmemory = "9g"\npids = 9\n[claude]\nvariant = "u"\n')
    (project / "pyproject.toml").write_text('[tool.pinnace.run]\nmemory = "4g"\npids = 4\n')
    (project / "pinnace.toml").write_text('[run]\nmemory = "3g"\npids = 3\n')
    (project / "sub" / "pinnace.toml").write_text('[run]\nmemory = "2g"\n')

    def memory(cwd: Path, flags: dict[str, object] | None = None, **e: str) -> tuple[Any, str]:
        value = _load(cwd, flags, **e).values["run.memory"]
        return value.value, value.source

    assert memory(project.parent) == ("9g", str(user))
    assert memory(project) == ("3g", str(project / "pinnace.toml"))
    assert memory(project / "sub") == ("2g", str(project / "sub" / "pinnace.toml"))
    assert memory(project, PINNACE_MEMORY="5g") == ("5g", "PINNACE_MEMORY")
    flags: dict[str, object] = {"run.memory": "6g"}
    assert memory(project, flags, PINNACE_MEMORY="5g") == ("6g", "--memory")
    # Key by key: what the nearest does not say, the next one does.
    assert _load(project / "sub").settings.pids == 3
    (project / "pinnace.toml").unlink()
    assert _load(project / "sub").settings == Settings(variant="u", memory="2g", pids=4)


def test_files_above_the_project_do_not_count(project: Path) -> None:
    (project.parent / "pinnace.toml").write_text("nonsense")

    assert _load(project / "sub").settings == Settings()


def test_flags_add_to_lists_and_the_source_says_so(project: Path) -> None:
    user = _user('[run]\nenvironment = ["A", "B"]\nmounts = ["/x"]\n')

    loaded = _load(project, {"run.environment": ["C", "A"]}, A="1", B="2", C="3")

    assert loaded.settings.environment_names == ("A", "B", "C")
    assert loaded.values["run.environment"].source == f"{user}, --env"
    assert loaded.settings.mounts == (MountRequest("/x", "/x"),)


def test_a_name_in_a_file_may_be_unset_one_in_a_flag_may_not(project: Path) -> None:
    _user('[run]\nenvironment = ["UNSET", "A"]\n')

    loaded = _load(project, {"run.environment": ["NEITHER"]}, A="1")

    assert loaded.settings.environment_names == ("A", "NEITHER")


def test_a_variable_is_read_as_its_type(project: Path) -> None:
    settings = _load(
        project,
        PINNACE_PIDS="7",
        PINNACE_GIT="no",
        PINNACE_PROXY="TRUE",
        PINNACE_PACKAGES="jq, make tree",
        PINNACE_MOUNTS="/a:/b\n~/c:ro\n",
        PINNACE_CONFIG_DIR="here",
        PINNACE_MEMORY="",
    ).settings

    assert settings == Settings(
        pids=7,
        git_identity=False,
        proxy=True,
        packages=("jq", "make", "tree"),
        mounts=(
            MountRequest("/a", "/b"),
            MountRequest("/home/somebody/c", "/home/somebody/c"),
        ),
        config_directory=str(project / "here"),
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PINNACE_PIDS", "many"), ("PINNACE_GIT", "perhaps"), ("PINNACE_MEMORY", "8gb")],
)
def test_a_variable_that_is_wrong_is_named(project: Path, variable: str, value: str) -> None:
    with pytest.raises(BadSettingsError, match=f"^{variable}: expected") as caught:
        _load(project, None, **{variable: value})

    assert caught.value.exit_code == 78
    assert caught.value.hint


def test_paths_start_at_the_file_that_names_them(project: Path) -> None:
    path = project / "sub" / "pinnace.toml"
    path.write_text('[run]\nmounts = [{source = "../d/./x", target = "~/x", mode = "rw"}]\n')
    _approve(path)
    _user('[auth]\nsecrets = "mine"\n[run]\ncertificates = "~/ca.pem"\n')

    settings = _load(project / "sub").settings

    assert settings.mounts == (
        MountRequest(str(project / "d" / "x"), "/home/agent/x", read_only=False),
    )
    assert settings.secrets == str(files.user_path().parent / "mine")
    assert settings.certificates == "/home/somebody/ca.pem"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[run]\nmemory = '4g'\npids =\n", 3, "not TOML"),
        ("[run\n", 1, "not TOML"),
        ("a = 1\na = 2\n", 2, "not TOML"),
        ("\n\n[rnu]\nmemory = '4g'\n", 3, "perhaps you meant 'run'"),
        ("[run]\npids = 5\nmemroy = '4g'\n", 3, "perhaps you meant 'memory'"),
        ("[run]\npids = 5\n# memory\nmemory = 4\n", 4, "run.memory: expected a string"),
        ("[run]\nmemory = '8'\n", 2, "8 is less than 6m, the least that docker takes; perhaps you"),
        ("[run]\nmemory = '8'\n", 2, "meant 8g"),
        ("[run]\nmemory = '6143K'\n", 2, "6143k is less than 6m"),
        ("[run]\nmemory = '0g'\n", 2, "like 8g"),
        ("[run]\nmemory = '8gb'\n", 2, "like 8g"),
        ("run.pids = 'x'\n", 1, "run.pids: expected a number"),
        ("\nrun = { git = true, pids = 0 }\n", 2, "run.pids: expected a number"),
        ("[run]\ngit = 'yes'\n", 2, "expected true or false"),
        ("[run]\nengine = 'dokcer'\n", 2, "perhaps you meant 'docker'"),
        ("[run]\nmounts = '/a'\n", 2, "expected a list"),
        ("\n[[run.mounts]]\nsorce = '/a'\n", 2, "a mount has no 'sorce'"),
        ("\n[[run.mounts]]\ntarget = '/a'\n", 2, "needs a source"),
        ("\n[[run.mounts]]\nsource = '/a'\nmode = 'rx'\n", 2, "mode is ro or rw"),
        ("\n[[run.mounts]]\nsource = '/a'\ntarget = 'b'\n", 2, "absolute"),
        ('[run]\nmounts = ["/a:/b\\u0000"]\n', 2, "printed"),
        ("[run]\nmounts = ['/a', 'b:c']\n", 2, "number 2: expected SOURCE"),
        ('[run]\nmounts = ["/a\\u202e"]\n', 2, "printed"),
        ("run = 1\n", 1, "'run' is a table"),
        ("[auth]\nsecrets = '~other/x'\n", 2, "no other user's home"),
        ("[image]\nimage = '--privileged'\n", 2, "an image's name"),
        ("[image]\npackages = ['jq', '-y']\n", 2, "Debian package"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(
    project: Path, text: str, line: int, said: str
) -> None:
    for path in (project / "pinnace.toml", _user("")):
        path.write_text(text)
        with pytest.raises(BadSettingsError) as caught:
            _load(project)
        path.unlink()

        assert caught.value.message.startswith(f"{path}:{line}: ")
        assert said in caught.value.message
        assert caught.value.message.isprintable()


@pytest.mark.parametrize("size", ["6m", "6144k", "6291456", "6291456b", "8G", "512M"])
def test_a_size_is_taken_as_it_is(project: Path, size: str) -> None:
    assert _load(project, {"run.memory": size}).settings.memory == size


@pytest.mark.parametrize("size", ["8", "8b", "5m", "-8g", "8.5g", "8g ", "", "\u0668g"])
def test_a_size_that_docker_would_refuse_is_refused(project: Path, size: str) -> None:
    with pytest.raises(UsageError, match=r"^--memory: ") as caught:
        _load(project, {"run.memory": size})
    assert caught.value.exit_code == 64


def test_pyproject_counts_from_our_table_on(project: Path) -> None:
    path = project / "pyproject.toml"
    path.write_text('[project]\nname = "x"\nmemory = 1\n[tool.pinnace.run]\nmemroy = "4g"\n')

    with pytest.raises(BadSettingsError, match=rf"^{path}:5: .*'memory'"):
        _load(project)


@pytest.mark.parametrize(
    "content",
    [b"not [ toml", b"\xff\xfe", b"x" * (files.MOST_BYTES + 9)],
)
def test_a_pyproject_that_does_not_name_us_is_none_of_our_business(
    project: Path, content: bytes
) -> None:
    (project / "pyproject.toml").write_bytes(content)
    (project / "sub" / "pyproject.toml").symlink_to("nowhere")

    assert _load(project / "sub").settings == Settings()


@pytest.mark.parametrize("name", ["pinnace.toml", "pyproject.toml"])
def test_a_link_is_refused(project: Path, name: str) -> None:
    (project / "real").write_text("[tool.pinnace.run]\npids = 1\n")
    (project / name).symlink_to("real")

    with pytest.raises(BadSettingsError, match="is a link"):
        _load(project)


def test_a_dangling_link_is_refused(project: Path) -> None:
    (project / "pinnace.toml").symlink_to("nowhere")

    with pytest.raises(BadSettingsError, match="is a link"):
        _load(project)


def test_the_users_own_file_may_be_a_link(project: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles"
    real.write_text("[run]\npids = 9\n")
    _user("").unlink()
    files.user_path().symlink_to(real)

    assert _load(project).settings.pids == 9


def test_pipes_directories_and_huge_or_binary_files_are_refused(project: Path) -> None:
    path = project / "pinnace.toml"
    os.mkfifo(path)
    with pytest.raises(BadSettingsError, match="is not a file"):
        _load(project)
    path.unlink()
    path.mkdir()
    with pytest.raises(BadSettingsError, match="cannot be read"):
        _load(project)
    path.rmdir()
    for content, said in (
        (b"#" * (files.MOST_BYTES + 1), "is larger than"),
        (b"[run]\n\xff\n", ":2: not text"),
        (b"a = " + b"[" * 100_000, "TOML"),
        (b"[run]\npids = " + b"9" * 10_000, "TOML"),
        (b"\x7fELF\0\0", "not TOML"),
    ):
        path.write_bytes(content)
        with pytest.raises(BadSettingsError, match=said):
            _load(project)


def test_a_strangers_file_above_does_not_count(project: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give files away")
    path = project / "pinnace.toml"
    path.write_text("[run]\npids = 1\n")
    os.chown(path, 54321, 54321)

    assert _load(project / "sub").settings.pids == Settings().pids
    assert _load(project).settings.pids == 1, "in the working directory itself, it counts"
    path.unlink()
    path.symlink_to("/etc/shadow")
    os.chown(path, 54321, 54321, follow_symlinks=False)
    assert _load(project / "sub").settings == Settings()


def test_a_link_out_of_the_project_is_refused_even_if_approved(project: Path) -> None:
    path = project / "pinnace.toml"
    path.write_text('[run]\nmounts = ["data/deep"]\n')
    (project / "data" / "deep").mkdir(parents=True)
    _approve(path)
    assert _load(project).settings.mounts[0].source == str(project / "data" / "deep")

    (project / "data" / "deep").rmdir()
    (project / "data" / "deep").symlink_to(project.parent)

    with pytest.raises(UnsafeRequestError, match="leads out of the project"):
        _load(project)


def test_windows_paths_and_drives(project: Path) -> None:
    facts = hosts.windows(cwd=str(project))
    mounts = [r"C:\data", r"D:\a b:/b:rw", "sub:/s", "C:/x:ro"]

    found = load.load(facts, {"run.mounts": mounts}).settings.mounts

    assert found[0] == MountRequest(r"C:\data", "/c/data")
    assert found[1] == MountRequest(r"D:\a b", "/b", read_only=False)
    assert found[2].target == "/s"
    assert found[3] == MountRequest(r"C:\x", "/c/x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a", MountRequest("/a", "/a")),
        ("/a:ro", MountRequest("/a", "/a")),
        ("/a:rw", MountRequest("/a", "/a", read_only=False)),
        ("/a:/b", MountRequest("/a", "/b")),
        ("/a b:/ü//../c", MountRequest("/a b", "/c")),
        ("/a:~", MountRequest("/a", "/home/agent")),
        ("~:/h:rw", MountRequest("/home/somebody", "/h", read_only=False)),
        ("a:/b", MountRequest("/srv/a", "/b")),
        ("../../etc/passwd://x", MountRequest("/etc/passwd", "/x")),
    ],
)
def test_a_mount_as_text(text: str, expected: MountRequest) -> None:
    from pinnace.config.types import MOUNTS, Place  # noqa: PLC0415 (what is tested)

    assert MOUNTS.read([text], Place("/srv", "/home/somebody")) == (expected,)
