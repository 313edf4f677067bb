"""The user's git configuration, as the real git reads it outside and inside."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnace.config import project as workspace
from pinnace.plan.contributors import git, git_config
from pinnace_core import host
from tests.support import contributions, hosts
from tests.support.soak import rounds

if TYPE_CHECKING:
    from pinnace.plan import Contribution
    from pinnace_core.host import HostFacts

_CANARY = "canary0123456789"


class User:
    """A user with a home and a project."""

    def __init__(self, home: Path, project: Path) -> None:
        self.home, self.project = home, project
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(home)}

    @property
    def facts(self) -> HostFacts:
        return hosts.linux(
            home=str(self.home),
            cwd=str(self.project),
            uid=os.getuid(),
            environment=self.environment,
        )

    def write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=self.project,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def launch(self, **chosen: Any) -> Contribution:
        facts = self.facts
        inputs = hosts.inputs(facts, workspace.locate(facts), **chosen)
        return contributions.acquired(git_config.contribute(inputs))


@pytest.fixture
def user(tmp_path: Path) -> User:
    (tmp_path / "home").mkdir()
    (tmp_path / "project").mkdir()
    made = User(tmp_path / "home", tmp_path / "project")
    made.git("init", "-q", ".")
    return made


def directory(given: Contribution) -> Path:
    (mount,) = given.mounts
    assert (mount.target, mount.read_only) == ("/etc/pinnace/git", True)
    assert contributions.plain(given) == {"GIT_CONFIG_GLOBAL": "/etc/pinnace/git/config"}
    return Path(mount.source)


def value(given: Contribution, key: str) -> str | None:
    file = str(directory(given) / "config")
    done = subprocess.run(
        ["git", "config", "--file", file, "--get", key],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def test_without_a_configuration_git_still_gets_what_it_needs(user: User) -> None:
    given = user.launch()

    config = (directory(given) / "config").read_text()
    assert [path.name for path in directory(given).iterdir()] == ["config"]
    assert f'directory = "{user.project}"' in config
    assert value(given, "gc.worktreePruneExpire") == "never"
    assert value(given, "user.name") is None


def test_both_of_the_users_files_and_their_includes_are_read(user: User) -> None:
    user.write(".config/git/config", "[user]\n\tname = Xdg\n\temail = xdg@example.com\n")
    user.write(".gitconfig", "[include]\n\tpath = more/identity\n[pull]\n\trebase = true\n")
    user.write("more/identity", '[user]\n\tname = "Ada; \\"L\\" # ü"\n')

    given = user.launch()

    assert value(given, "user.name") == 'Ada; "L" # ü'
    assert value(given, "user.email") == "xdg@example.com"
    assert value(given, "pull.rebase") == "true"


def test_conditions_are_those_of_the_project(user: User) -> None:
    user.write(
        ".gitconfig",
        "[user]\n\temail = private@example.com\n"
        f'[includeIf "gitdir:{user.project}/"]\n\tpath = work\n'
        '[includeIf "gitdir:/elsewhere/"]\n\tpath = other\n'
        '[includeIf "onbranch:special"]\n\tpath = special\n',
    )
    user.write("work", "[user]\n\temail = work@example.com\n")
    user.write("other", "[user]\n\temail = other@example.com\n")
    user.write("special", "[user]\n\temail = special@example.com\n")
    assert value(user.launch(), "user.email") == "work@example.com"

    user.git("checkout", "-q", "-b", "special")
    assert value(user.launch(), "user.email") == "special@example.com"

    user.project = user.home
    assert value(user.launch(), "user.email") == "private@example.com"


def test_nothing_of_the_projects_own_configuration_goes_in(user: User) -> None:
    user.write(".gitconfig", "[user]\n\tname = Ada\n")
    user.git("config", "user.name", "Mallory")
    user.git("config", "include.path", str(user.write(".ssh/id", "[user]\n\temail = secret\n")))

    given = user.launch()

    assert value(given, "user.name") == "Ada"
    assert "secret" not in (directory(given) / "config").read_text()


def test_no_secret_of_any_kind_goes_in(user: User) -> None:
    user.write(
        ".gitconfig",
        f"""
[user]
    name = Ada
[credential]
    helper = "!f() {{ echo password={_CANARY}; }}; f"
[credential "https://example.com"]
    username = {_CANARY}
[http]
    extraHeader = Authorization: {_CANARY}
    proxy = http://me:{_CANARY}@proxy
[http "https://example.com"]
    extraHeader = {_CANARY}
[url "https://{_CANARY}@example.com/"]
    insteadOf = https://example.com/
[alias]
    x = "!curl -H 'Authorization: {_CANARY}'"
[core]
    sshCommand = ssh -i ~/{_CANARY}
    excludesFile = ~/.ssh/id_ed25519
[include]
    path = tokens
""",
    )
    user.write("tokens", f"[github]\n\ttoken = {_CANARY}\n")
    user.write(".ssh/id_ed25519", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{_CANARY}\n")

    given = user.launch()

    assert value(given, "user.name") == "Ada"
    written = [path for path in host.directory("state").rglob("*") if path.is_file()]
    assert written
    assert all(_CANARY.encode() not in path.read_bytes() for path in written)


@pytest.mark.parametrize("configured", [True, False])
def test_the_users_lists_are_copied(user: User, *, configured: bool) -> None:
    if configured:
        user.write(".gitconfig", "[core]\n\texcludesFile = ~/mine\n\tattributesFile = ~/attr\n")
        user.write("mine", "*.secret\n")
        user.write("attr", "*.x binary\n")
    else:
        user.write(".gitconfig", "[user]\n\tname = Ada\n")
        user.write(".config/git/ignore", "*.secret\n")
        user.write(".config/git/attributes", "*.x binary\n")

    given = user.launch()

    assert (directory(given) / "ignore").read_text() == "*.secret\n"
    assert (directory(given) / "attributes").read_text() == "*.x binary\n"
    assert value(given, "core.excludesFile") == "/etc/pinnace/git/ignore"
    assert value(given, "core.attributesFile") == "/etc/pinnace/git/attributes"


def test_signing_is_left_out_and_said(user: User) -> None:
    user.write(".gitconfig", "[commit]\n\tgpgSign\n[user]\n\tname = Ada\n\tsigningKey = X\n")

    for _ in range(2):
        given = user.launch()
        assert given.notes == ("git inside does not sign: no keys go in",)
        assert value(given, "commit.gpgsign") is None


def test_it_can_be_turned_off(user: User) -> None:
    user.write(".gitconfig", "[user]\n\tname = Ada\n")

    given = user.launch(git_identity=False)

    assert value(given, "user.name") is None
    assert value(given, "safe.directory") == f"{user.project}/*"


def test_git_is_asked_again_only_if_a_file_differs(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    ask = git.entries

    def counted(place: str, facts: HostFacts) -> list[git.Entry] | None:
        asked.append(place)
        return ask(place, facts)

    monkeypatch.setattr(git, "entries", counted)
    user.write(".gitconfig", "[include]\n\tpath = more\n[core]\n\texcludesFile = ~/ignored\n")

    first = user.launch()
    assert directory(user.launch()) == directory(first)
    assert len(asked) == 1

    user.write("more", "[user]\n\tname = Ada\n")
    second = user.launch()
    assert value(second, "user.name") == "Ada"
    assert directory(second) != directory(first), "a running container has the first one mounted"

    user.write("ignored", "*.x\n")
    assert (directory(user.launch()) / "ignore").read_text() == "*.x\n"
    assert len(asked) == 3


def test_a_copy_that_was_deleted_is_made_again(user: User) -> None:
    user.write(".gitconfig", "[user]\n\tname = Ada\n")
    (directory(user.launch()) / "config").unlink()

    assert value(user.launch(), "user.name") == "Ada"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": 1}', '{"files": [[]], "name": "x"}'])
def test_a_broken_memory_is_forgotten(user: User, content: str) -> None:
    user.write(".gitconfig", "[user]\n\tname = Ada\n")
    (memory,) = (directory(user.launch()).parent / "known").iterdir()
    memory.write_text(content)

    assert value(user.launch(), "user.name") == "Ada"


def test_without_git_there_is_no_identity_and_no_error(user: User) -> None:
    user.write(".gitconfig", "[user]\n\tname = Ada\n")
    path = user.environment.pop("PATH")
    user.environment["PATH"] = "/nowhere"
    assert value(user.launch(), "user.name") is None

    user.environment["PATH"] = path
    assert value(user.launch(), "user.name") == "Ada"


def test_a_project_that_git_cannot_read_does_not_stop_a_launch(user: User) -> None:
    user.write(".gitconfig", "[user]\n\tname = Ada\n")
    (user.project / ".git" / "config").write_text("[broken\n")

    assert value(user.launch(), "user.name") is None


def test_what_is_written_can_be_read_by_anybody(user: User) -> None:
    before = os.umask(0o077)
    try:
        place = directory(user.launch())
    finally:
        os.umask(before)

    assert (place.stat().st_mode & 0o777, (place / "config").stat().st_mode & 0o777) == (
        0o755,
        0o644,
    )


_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_middle = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]))


@settings(max_examples=rounds(800), deadline=None, database=None)
@given(pairs=st.lists(st.tuples(_middle, st.none() | _text), max_size=8))
def test_git_reads_back_what_is_written(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str | None]]
) -> None:
    file = tmp_path_factory.mktemp("written") / "config"
    wanted = [(f"a.{middle}.key" if middle else "a.key", text) for middle, text in pairs]
    file.write_text(git.write(wanted), encoding="utf-8", newline="")

    output = subprocess.run(
        ["git", "config", "--file", str(file), "--list", "--null"], check=True, capture_output=True
    ).stdout.decode()

    read = [entry.partition("\n") for entry in output.split("\0")[:-1]]
    assert [(key, text if mark else None) for key, mark, text in read] == wanted


@pytest.mark.parametrize("linked", ["the file", "its directory"])
def test_a_configuration_that_a_link_leads_to_in_the_project_names_no_file_of_the_host(
    user: User, linked: str
) -> None:
    # Somebody's dotfiles, with Claude at work in them.
    user.write(".netrc", f"machine example.com password {_CANARY}")
    config = "[core]\n\texcludesFile = ~/.netrc\n\tattributesFile = ~/.netrc\n"
    (user.project / "gitconfig").write_text(config + "[alias]\n\tst = status\n", encoding="utf-8")
    if linked == "the file":
        (user.home / ".gitconfig").symlink_to(user.project / "gitconfig")
    else:
        (user.home / "dotfiles").symlink_to(user.project)
        user.write(".gitconfig", "[include]\n\tpath = ~/dotfiles/gitconfig\n")

    given = user.launch()

    inside = b"".join(file.read_bytes() for file in directory(given).iterdir())
    assert _CANARY.encode() not in inside
    assert value(given, "alias.st") is None
