"""What a launch in a layer or a clone tries against its user, who looks at it and takes it over.

All is tried in one launch of each kind. Afterwards the host's own commands are run: `pinnace
review`, its verbs, and git. What gets a program run there leaves a mark.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.engine.conftest import launching
from tests.support.made_layers import age_all
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine.conftest import Launcher

pytestmark = pytest.mark.xdist_group("attacks on layers")
_ME: Final = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
_SECRET: Final = "TOP-SECRET"  # noqa: S105 (to be looked for)
_VERBS: Final = {
    "overview": ("review",),
    "list": ("review", "list"),
    "diff": ("review", "diff"),
    "apply": ("review", "apply"),
    "directories": ("review", "apply", ".vscode", "bare"),
}
_GITS: Final = (
    *(("status",), ("log", "--all", "--oneline"), ("fsck",), ("for-each-ref",), ("gc", "-q")),
    *(("-C", "nested", "status"), ("-C", "bare", "status"), ("submodule", "status")),
    *(("diff",), ("add", "-An"), ("stash", "list"), ("ls-files", "-o")),
)
# Inside. MARK is a directory of the host's, OUT another one, REPO a repository of the user's.
_WORK: Final = r"""
evil() {
  mkdir -p "$(dirname "$2")"; printf '#!/bin/sh\ntouch MARK/%s\n' "$1" > "$2"; chmod +x "$2"
}
alias g='git -c user.name=x -c user.email=x@y'
shopt -s expand_aliases

# Links
ln -s OUT/target link-absolute
ln -s ../../../../../../../..OUT/target link-up
mkdir -p d/e; ln -s . d/here; ln -s d/here/../../../outside/target link-through-link
ln -s .git/hooks link-to-hooks
mv src moved; ln -s OUT src
rm a; ln -s OUT/target a
mkdir -p climb; ln -s ../../outside climb/out

mkdir own; echo '{"scripts": {"postinstall": "x"}}' > own/plain
for name in .vscode .claude package.json; do ln -s plain own/$name; done

# What the kernel keeps for itself
export LC_ALL=C.UTF-8
python3 - <<'EOF'
import os, socket, stat
def tried(what):
    try: what()
    except OSError as error: print("refused:", error)
tried(lambda: os.mknod("whiteout", stat.S_IFCHR | 0o600, os.makedev(0, 0)))
tried(lambda: os.mknod("device", stat.S_IFBLK | 0o600, os.makedev(8, 0)))
os.makedirs("kept", exist_ok=True)
tried(lambda: os.setxattr("kept", "user.overlay.opaque", b"y"))
tried(lambda: os.setxattr("kept", "user.overlay.redirect", b"/../../outside"))
tried(lambda: os.setxattr("kept/file", "user.overlay.metacopy", b""))
tried(lambda: os.chmod("moved/b", 0o4755))
tried(lambda: os.mkfifo("pipe"))
tried(lambda: socket.socket(socket.AF_UNIX).bind("socket"))
tried(lambda: os.truncate(os.open("huge", os.O_CREAT | os.O_WRONLY), 60 << 30))
tried(lambda: open("new\nline \x1b[2J\x1b]0;owned\x07", "w").write("x"))
tried(lambda: open("colours", "w").write("\x1b[31mred\x1b[0m \x1b]52;c;ZXZpbA==\x07\n"))
tried(lambda: open("\u202etxt.exe", "w").write("x"))
tried(lambda: open(b"\xff\xfe", "w").write("x"))
for _ in range(400):
    tried(lambda: os.mkdir("deep") or os.chdir("deep"))
tried(lambda: open("bottom", "w").write("x"))
EOF

# What the host would run
evil task .vscode/tasks.json; evil envrc .envrc; evil husky .husky/pre-commit
evil settings .claude/settings.json; evil mcp .mcp.json; evil upper-case .VSCODE/settings.json
printf '*.txt filter=evil diff=evil\n' > .gitattributes
printf '{"scripts": {"postinstall": "touch MARK/npm"}}' > package.json
printf 'use_flake() { touch MARK/flake; }' > .envrc.local
printf '[run]\nisolation = "open"\nmounts = ["/:/host:rw"]\n' > pinnace.toml

# git, of the project
for hook in pre-commit post-checkout reference-transaction post-index-change pre-auto-gc post-merge
do evil "hook-$hook" ".git/hooks/$hook"; done
cat >> .git/config <<'EOF'
[core]
	fsmonitor = touch MARK/fsmonitor
	sshCommand = touch MARK/ssh
	alternateRefsCommand = touch MARK/alternates
	hooksPath = .husky
	pager = touch MARK/pager
[uploadpack]
	packObjectsHook = touch MARK/pack-objects
[diff]
	external = touch MARK/diff
[filter "evil"]
	clean = touch MARK/clean
	smudge = touch MARK/smudge
	process = touch MARK/process
[remote "origin"]
	url = ext::sh -c "touch% MARK/remote"
	uploadpack = touch MARK/upload-pack
	promisor = true
[protocol]
	allow = always
[extensions]
	partialClone = origin
[include]
	path = evil.inc
[gc]
	auto = 1
EOF
rm -f .git/config.worktree; evil worktree .git/config.worktree
export GIT_CONFIG_COUNT=0
own() { git --git-dir=.git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c core.pager=cat \
  -c extensions.partialClone= -c user.name=x -c user.email=x@y "$@"; }
cp .git/config saved; printf '[core]\n\trepositoryformatversion = 0\n\tbare = false\n' > .git/config
own checkout -q -b good; printf good > good.txt; own add good.txt; own commit -qm good --no-verify
own checkout -q main
good=$(own rev-parse good); main=$(own rev-parse main)
cp saved .git/config; rm saved
mkdir -p .git/refs/heads/x .git/refs/heads/y
echo "$good" > '.git/refs/heads/--upload-pack=evil'
echo "$good" > '.git/refs/heads/a.lock'
printf "$good refs/heads/%s\n" ../../../../outside/target packed > .git/packed-refs
ln -s OUT/target .git/refs/heads/link
ln -s OUT .git/refs/heads/directory
mkfifo .git/refs/heads/pipe
printf 'ref: refs/heads/../../../outside/target\n' > .git/refs/heads/symbolic
mkdir -p .git/refs/replace; echo "$good" > ".git/refs/replace/$main"
mkdir -p .git/objects/info; echo REPO/.git/objects > .git/objects/info/alternates
ln -s REPO/.git/objects/pack .git/objects/packs
mkdir -p .git/objects/aa; ln -sf OUT/target .git/objects/aa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
printf junk > .git/objects/info/commit-graph; mkdir -p .git/objects/pack
printf junk > .git/objects/pack/multi-pack-index
mkfifo .git/objects/pack/pack-0123456789012345678901234567890123456789.pack
large=.git/lfs/objects/ab/cd; mkdir -p $large
printf wrong > "$large/abcd$(printf '0%.0s' {1..60})"
ln -s OUT/target "$large/abcd$(printf '1%.0s' {1..60})"

# Repositories in the project
git init -q nested; printf '[core]\n\tfsmonitor = touch MARK/nested\n' >> nested/.git/config
printf text > nested/plain
git init -q --bare bare
printf '[core]\n\tfsmonitor = touch MARK/bare\n\tworktree = ..\n\tbare = false\n' >> bare/config
touch bare/objects/x bare/refs/x
mkdir -p linked; printf 'gitdir: ../bare\n' > linked/.git; printf 'gitdir: ../bare\n' > linked/.GIT
cat > .gitmodules <<'EOF'
[submodule "evil"]
	path = evil
	url = ext::sh -c "touch% MARK/submodule"
	update = !touch MARK/submodule-update
EOF

# What is changed on the host, too
echo theirs > conflict; echo theirs > raced; echo theirs > gone; rm -f removed
"""

# In a launch of its own: the whole git directory is another repository's.
_SWAPPED: Final = "rm -rf .git; ln -s REPO/.git .git; echo x > swapped"
# What is looked at is never what is there a moment later.
_RACE: Final = """
(while :; do
  ln -s OUT/target race; rm race; echo x > race; rm race; mkdir race; echo y > race/target
  rm -r race; ln -s OUT race; rm race; mkfifo race; rm race
done) 2>/dev/null &
echo begun > begun; read -r _; kill $!; wait
"""


@dataclass
class Attacked:
    """What there is after a launch that tried all, and after its user's commands.

    Attributes:
        place: holds all of it.
        project: the user's.
        said: what each command printed, by its name.
        before: what the project was like.
    """

    place: Path
    project: Path
    launcher: Launcher
    mode: str
    said: dict[str, str] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)

    @property
    def marks(self) -> set[str]:
        """Names of the programs that were run on the host."""
        return {path.name for path in (self.place / "marks").iterdir()}

    def there(self, path: str) -> bool:
        """Whether the project has something at a path."""
        return os.path.lexists(self.project / path)


def _git(place: Path, *arguments: str, check: bool = True) -> str:
    """The host's git with no more care than users take."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *_ME, *arguments],
        cwd=place,
        env=kept | quiet,
        check=check,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )
    return f"{done.stdout}{done.stderr}"


def _prepare(place: Path, project: Path) -> None:
    for name in ("marks", "outside", "repository"):
        (place / name).mkdir()
    (place / "outside" / "target").write_text("untouched\n")
    _git(place / "repository", "init", "-qb", "main", ".")
    (place / "repository" / "key").write_text(f"{_SECRET}\n")
    _git(place / "repository", "add", "-A")
    _git(place / "repository", "commit", "-qm", _SECRET)
    for path in ("a", "src/b", "kept/file", "conflict", "gone", "removed", "x/inner"):
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).write_text("host\n")
    _git(project, "init", "-qb", "main", ".")
    _git(project, "add", "-A")
    _git(project, "commit", "-qm", "first")
    age_all(project)


@pytest.fixture(scope="module", params=["review", "clone"])
def attacked(request: pytest.FixtureRequest, image: str, way_to_begin: str) -> Iterator[Attacked]:
    """Let a launch try all, then do what its user does."""
    assert image
    place = Path(tempfile.mkdtemp(prefix="pinnace-test-"))
    place.chmod(0o755)
    try:
        with launching(place, "http://127.0.0.1:9", way_to_begin) as launcher:
            for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
                del launcher.environment[name]
            launcher.environment |= {
                "PINNACE_WORKSPACE": request.param,
                "PINNACE_ISOLATION": "open",
            }
            _prepare(place, launcher.project)
            scene = Attacked(place, launcher.project, launcher, request.param)
            _attack(scene)
            _look(scene)
            _swap(scene)
            yield scene
    finally:
        shutil.rmtree(place)


def _spelled(script: str, scene: Attacked) -> str:
    for word, name in (("MARK", "marks"), ("OUT", "outside"), ("REPO", "repository")):
        script = script.replace(word, str(scene.place / name))
    return script


def _attack(scene: Attacked) -> None:
    secret = _git(scene.place / "repository", "rev-parse", "HEAD").strip()
    work = _spelled(f"{_WORK}\necho {secret} > .git/refs/heads/secret\n", scene)
    done = scene.launcher.run("shell", text=work)
    scene.said["work"] = f"{done.stdout}{done.stderr}"
    (scene.project / "conflict").write_text("ours\n")
    (scene.project / "raced").write_text("ours\n")
    (scene.project / "removed").write_text("ours\n")
    (scene.project / "gone").unlink()


def _look(scene: Attacked) -> None:
    for name, verb in _VERBS.items():
        done = scene.launcher.run(*verb)
        scene.said[name] = f"{done.stdout}{done.stderr}"
        scene.codes[name] = done.returncode
    scene.said["git"] = "".join(_git(scene.project, *words, check=False) for words in _GITS)
    scene.launcher.run("review", "drop")


def _swap(scene: Attacked) -> None:
    done = scene.launcher.run("shell", text=_spelled(_SWAPPED, scene))
    assert "1 file changed; see" in done.stderr, done.stderr
    done = scene.launcher.run("review", "apply")
    scene.said["swap"] = f"{done.stdout}{done.stderr}"


def _no_program_ran(scene: Attacked) -> None:
    assert scene.marks == set()


def _absent(*paths: str) -> Callable[[Attacked], None]:
    def check(scene: Attacked) -> None:
        assert [path for path in paths if scene.there(path)] == []

    return check


def _said(verb: str, *texts: str) -> Callable[[Attacked], None]:
    def check(scene: Attacked) -> None:
        assert [text for text in texts if text not in scene.said[verb]] == [], scene.said[verb]

    return check


def _is(path: str, content: str) -> Callable[[Attacked], None]:
    def check(scene: Attacked) -> None:
        assert not (scene.project / path).is_symlink()
        assert (scene.project / path).read_text() == content

    return check


def _outside_is_untouched(scene: Attacked) -> None:
    outside = scene.place / "outside"
    assert [path.name for path in outside.iterdir()] == ["target"]
    assert (outside / "target").read_text() == "untouched\n"


def _git_is_as_it_was(scene: Attacked) -> None:
    git = scene.project / ".git"
    assert "fsmonitor" not in (git / "config").read_text()
    assert {path.suffix for path in (git / "hooks").iterdir()} <= {".sample"}
    assert not (git / "config.worktree").exists()
    assert not (git / "objects/info/alternates").exists()
    assert _git(scene.project, "log", "--format=%s", "main").strip() == "first"


def _only_honest_references(scene: Attacked) -> None:
    shown = _git(scene.project, "for-each-ref", "--format=%(refname)").split()
    mine = [name for name in shown if name.startswith("refs/pinnace/")]
    assert all(name.count("/") == 3 for name in mine), mine
    assert {name.rpartition("/")[2] for name in mine} <= {"good", "packed", "--upload-pack=evil"}
    assert [name for name in shown if not name.startswith("refs/pinnace/")] == ["refs/heads/main"]


def _no_other_repositorys_objects(scene: Attacked) -> None:
    kept = _git(scene.project, "cat-file", "--batch-all-objects", "--batch", check=False)
    assert _SECRET not in kept


def _nothing_special(scene: Attacked) -> None:
    found = [p for p in scene.project.rglob("*") if not (p.is_file() or p.is_dir())]
    assert [path for path in found if not path.is_symlink()] == []
    set_id = [p for p in scene.project.rglob("*") if p.is_file() and p.stat().st_mode & 0o6000]
    assert set_id == []


def _no_link_leads_out(scene: Attacked) -> None:
    links = [path for path in scene.project.rglob("*") if path.is_symlink()]
    assert [p for p in links if not p.resolve().is_relative_to(scene.project)] == []


def _plain_output(scene: Attacked) -> None:
    for name in _VERBS:
        said = scene.said[name]
        assert all(c.isprintable() or c in "\n\t" for c in said), name


def _kept_is_kept(scene: Attacked) -> None:
    assert (scene.project / "kept" / "file").read_text() == "host\n"


def _small(scene: Attacked) -> None:
    assert not scene.there("huge")
    assert "name it to take it" in scene.said["apply"]


_ATTACKS: Final[dict[str, Callable[[Attacked], None]]] = {
    "a link to an absolute path": _absent("link-absolute"),
    "a link that climbs": _absent("link-up", "climb/out"),
    "a link through a link": _absent("link-through-link"),
    "a link to the project's hooks": _absent("link-to-hooks"),
    "a link in a directory's place": _absent("src"),
    "a link in a file's place": _is("a", "host\n"),
    "any link": _no_link_leads_out,
    "something written through a link": _outside_is_untouched,
    "marks of an overlay made by hand": _kept_is_kept,
    "a whiteout, a device, a pipe, a socket": _absent("whiteout", "device", "pipe", "socket"),
    "anything special, or with a set-id bit": _nothing_special,
    "another repository in the git directory's place": _said("swap", "took swapped"),
    "a file of 60 GiB": _small,
    "names and contents for the terminal": _plain_output,
    "an editor's task": _absent(".vscode/tasks.json"),
    "an editor's task in capitals": _absent(".VSCODE/settings.json"),
    "a shell's file": _absent(".envrc"),
    "a hook of husky's": _absent(".husky/pre-commit"),
    "Claude's settings": _absent(".claude/settings.json", ".mcp.json"),
    "filters": _absent(".gitattributes"),
    "links in the place of directories that run": _absent("own/.vscode", "own/.claude"),
    "a link in the place of a package's file": _absent("own/package.json"),
    "a package's script": _absent("package.json"),
    "Pinnace's own settings": _absent("pinnace.toml"),
    "a submodule's URL": _absent(".gitmodules"),
    "what runs is said": _said("apply", "left .vscode/tasks.json: VS Code", "left .envrc: direnv"),
    "a directory's name is not its files'": _said("directories", "left .vscode/tasks.json"),
    "hooks and configuration of the project": _git_is_as_it_was,
    "a repository in the project": _absent("nested/.git"),
    "a repository without a name": _absent("bare/HEAD"),
    "a file that names a repository": _absent("linked/.git", "linked/.GIT"),
    "any program on the host": _no_program_ran,
    "a branch of another repository's commit": _said("apply", "left branch secret"),
    "references with other names": _only_honest_references,
    "objects of the user's other repositories": _no_other_repositorys_objects,
    "contents that are not their digest's": _absent(".git/lfs/objects/ab/cd/abcd" + "0" * 60),
    "a link in the place of contents": _absent(".git/lfs/objects/ab/cd/abcd" + "1" * 60),
    "a file that was changed here, too": _is("conflict", "ours\n"),
    "a file that was made here, too": _is("raced", "ours\n"),
    "a file that was deleted there and changed here": _is("removed", "ours\n"),
    "a file that was deleted here": _absent("gone"),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("attack", _ATTACKS)
def test_the_attack_is_blocked(attacked: Attacked, attack: str) -> None:
    _ATTACKS[attack](attacked)


def test_what_is_harmless_came_over(attacked: Attacked) -> None:
    """Else nothing was attacked."""
    assert "Error" not in attacked.said["work"], attacked.said["work"]
    assert attacked.codes["apply"] == 65, attacked.said["apply"]
    assert "took branch good" in attacked.said["apply"]
    assert (attacked.project / "moved" / "b").read_text() == "host\n", attacked.said["apply"]
    assert (attacked.project / "nested" / "plain").read_text() == "text"


@pytest.mark.timeout(600)
def test_no_race_is_won(attacked: Attacked) -> None:
    child = attacked.launcher.start("shell", stdin=subprocess.PIPE)
    assert child.stdin
    child.stdin.write(_spelled(_RACE, attacked))
    child.stdin.flush()
    wait_until(lambda: "begun" in attacked.launcher.run("review").stdout, "it has begun")
    codes = {attacked.launcher.run("review", "apply").returncode for _ in range(6)}
    assert codes <= {0, 65}
    child.stdin.write("\n")
    child.stdin.close()
    child.wait(timeout=120)
    attacked.launcher.run("review", "drop")

    assert (attacked.project / "begun").exists()
    for check in (_outside_is_untouched, _nothing_special, _no_link_leads_out, _no_program_ran):
        check(attacked)
