"""Which image is taken and why, and verifications that cannot be skipped."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.image.recipe import recipe as recipe_on
from pinnace_core.image import Image
from pinnace_images import lock
from pinnace_images.versions import CliVersion
from tests.process.conftest import image, says
from tests.support import hosts
from tests.support.fake_docker import as_json
from tests.support.flags import flags
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.conftest import Machine
    from tests.support.fake_docker import Answer

_LISTING = "/images/json"
_USUAL = "pinnace/claude:9.9.9-slim"


def _id(number: int) -> str:
    return f"sha256:{number:064d}"


def _launch(
    machine: Machine, *interpreter: str, **settings: Any
) -> subprocess.CompletedProcess[bytes]:
    return machine.pinnace("run", *flags(**settings), options=interpreter)


def _named(document: dict[str, Any]) -> dict[str, Any]:
    return document | {"RepoTags": [_USUAL, *document["RepoTags"]]}


def _record(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "home" / ".local" / "state" / "pinnace" / "verified").iterdir()
    return found


class _Once(dict[str, "Answer"]):
    """Answers that are given once."""

    def __getitem__(self, path: str) -> Answer:
        return self.pop(path)


def test_among_200_images_the_usual_name_takes_one_question(machine: Machine) -> None:
    others = [image(_id(number), version="9.9.8") for number in range(200)]
    machine.engine.images = [*others, _named(image())]
    machine.pinnace("run")
    asked = len(machine.engine.requests)

    assert machine.pinnace("run").returncode == 0

    (request,) = [one for one in machine.engine.requests[asked:] if b"/containers/" not in one]
    assert request.startswith(f"GET /images/{_USUAL}/json ".encode())


def test_among_200_images_the_one_that_fits_is_found(machine: Machine) -> None:
    others = [image(_id(number), version="9.9.8") for number in range(199)]
    machine.engine.images = [*others[:100], image(), *others[100:]]

    assert machine.pinnace("run").returncode == 0
    assert hosts.IMAGE_ID in machine.docker.calls("run")[0]


@pytest.mark.parametrize("status", [404, 500])
def test_a_list_that_an_image_went_away_from_is_asked_for_again(
    machine: Machine, status: int
) -> None:
    gone = as_json({"message": f"No such image: {_id(1)}"}, status)
    machine.engine.answers = _Once({_LISTING: gone})

    assert machine.pinnace("run").returncode == 0


def test_a_list_that_keeps_failing_is_an_error(machine: Machine) -> None:
    machine.engine.answers[_LISTING] = as_json({"message": "No such image: x"}, 500)

    assert machine.pinnace("run").returncode == 69


def test_every_image_is_listed_with_a_reason(machine: Machine) -> None:
    machine.engine.images = [
        image(_id(1), created="2026-01-01T00:00:00Z"),
        image(_id(2), created="2027-01-01T00:00:00Z"),
        image(_id(3), created="2026-01-01T00:00:00Z", version="9.9.8"),
        image(_id(4), created="2026-01-01T00:00:00Z", project="0" * 64),
        image(_id(5), created="2026-01-01T00:00:00Z", contract="1"),
        image(_id(6), created="2026-01-01T00:00:00Z") | {"RepoTags": ["stranger/claude:9.9.9"]},
        image(_id(7), created="2027-01-01T00:00:00Z"),
        image(_id(8), created="2026-01-01T00:00:00Z", user="0:0"),
    ]
    machine.pinnace("run")

    done = machine.pinnace("images", "--json")

    result = json.loads(done.stdout)["result"]
    assert result["wanted"]["version"] == "9.9.9"
    assert set(result["images"][0]) == {
        *("id", "tags", "version", "variant", "platform", "size", "created"),
        *("verified", "chosen", "reason"),
    }
    assert [i["id"] for i in result["images"] if i["chosen"] or i["verified"]] == [_id(7)]
    assert {int(i["id"][-1]): i["reason"] for i in result["images"]} == {
        7: "the newest that fits",
        2: f"fits, and is as new as {_id(7)[:19]}, whose id is greater",
        1: f"fits, but {_id(7)[:19]} is newer",
        3: "its version is 9.9.8, wanted 9.9.9",
        4: "made for a project that adds something of its own",
        5: "its contract version is 1, wanted 2",
        6: "no name in pinnace/claude: neither built nor verified here",
        8: "its user is 0:0, wanted 1000:1000",
    }


def test_the_usual_name_counts_more_than_age(machine: Machine) -> None:
    newer = image(_id(1), created="2027-01-01T00:00:00Z")
    machine.engine.images = [newer, _named(image())]

    said = machine.pinnace("images").stdout.decode()

    assert said.splitlines()[1] == f"* {_USUAL}"
    assert f"not chosen: fits, but another one is named {_USUAL}" in said


@pytest.mark.parametrize("trouble", ["truncated", "link", "directory", "pipe", "others can write"])
def test_a_record_that_cannot_be_trusted_is_mended(
    machine: Machine, tmp_path: Path, trouble: str
) -> None:
    machine.pinnace("run")
    record = _record(tmp_path)
    good = record.read_bytes()
    if trouble == "truncated":
        record.write_bytes(good[:-2])
    elif trouble == "others can write":
        record.chmod(0o666)
    else:
        record.unlink()
    if trouble == "link":
        (tmp_path / "good").write_bytes(good)
        record.symlink_to(tmp_path / "good")
    elif trouble == "directory":
        record.mkdir()
    elif trouble == "pipe":
        subprocess.run(["mkfifo", str(record)], check=True)

    codes = [machine.pinnace("run").returncode for _ in range(2)]

    assert codes == [0, 0]
    assert len(machine.docker.calls("check")) == 2, "verified again, and then remembered"
    assert record.read_bytes() == good
    assert not record.is_symlink()
    assert record.stat().st_mode & 0o022 == 0


def test_launches_at_once_verify_once(machine: Machine) -> None:
    command = [sys.executable, "-m", "pinnace", "run"]
    children = [
        subprocess.Popen(command, cwd=machine.project, env=machine.environment) for _ in range(5)
    ]

    assert [child.wait(60) for child in children] == [0] * 5
    assert len(machine.docker.calls("check")) == 1
    assert len(machine.docker.calls("run")) == 5


def _lock(tmp_path: Path, sha256: str) -> None:
    version = CliVersion.parse(hosts.VERSION)
    package = lock.Package(
        "any",
        "any",
        "@anthropic-ai/claude-code",
        f"sha512-{'A' * 86}==",
        "0" * 64,
        1,
        "cli.js",
        sha256,
    )
    path = tmp_path / "home" / ".local" / "share" / "pinnace" / "claude.lock.json"
    lock.save(path, lock.Lock({version: lock.LockEntry(version, (package,))}))


def test_a_lock_that_came_later_counts_without_another_run(
    machine: Machine, tmp_path: Path
) -> None:
    machine.pinnace("run")
    _lock(tmp_path, hosts.SHA256)
    assert machine.pinnace("run").returncode == 0
    _lock(tmp_path, "6" * 64)

    done = machine.pinnace("run")

    assert (done.returncode, b"that is locked" in done.stderr) == (79, True)
    assert len(machine.docker.calls("check")) == 1


def test_the_container_that_verifies_is_found_by_its_label(machine: Machine) -> None:
    machine.pinnace("run")

    (argv,) = machine.docker.calls("check")
    assert f"--label=pinnace.check={hosts.IMAGE_ID}" in argv
    assert any(a.startswith("--name=pinnace-check-") for a in argv)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("verb", ["run", "verify"])
def test_a_verification_that_is_ended_by_a_signal_leaves_no_container(
    machine: Machine, verb: str, number: signal.Signals
) -> None:
    machine.docker.will("check", wait=True)
    machine.docker.will("container rm")
    command = [sys.executable, "-m", "pinnace", verb]
    with subprocess.Popen(
        command, cwd=machine.project, env=machine.environment, stderr=subprocess.PIPE
    ) as process:
        wait_until(lambda: bool(machine.docker.log("ready")), "the check")
        process.send_signal(number)
        _, said = process.communicate(timeout=60)

    assert (process.returncode, said) == (128 + number, b"")
    (made,) = machine.docker.calls("check")
    # Of the two containers, the other one was looked into.
    removed = machine.docker.calls("container rm")[-1]
    assert f"--name={removed[-1]}" in made
    assert "--force" in removed


def test_verify_runs_the_cli_anew(machine: Machine) -> None:
    machine.pinnace("run")

    done = machine.pinnace("verify", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["id"] == hosts.IMAGE_ID
    assert len(machine.docker.calls("check")) == 2


def test_verify_forgets_what_does_not_hold_any_more(machine: Machine) -> None:
    machine.pinnace("run")
    machine.docker.will("check", stdout=says(version="9.9.8"))

    done = machine.pinnace("verify", "--json")

    assert done.returncode == 79
    assert json.loads(done.stdout)["error"]["kind"] == "VerificationFailedError"
    assert machine.pinnace("run").returncode == 79


@pytest.mark.parametrize(
    ("which", "code"), [(hosts.IMAGE_ID, 0), ("9.9.9", 0), ("9.9.8", 66), ("none:none", 66)]
)
def test_verify_takes_an_id_a_name_or_a_version(machine: Machine, which: str, code: int) -> None:
    done = machine.pinnace("verify", "--image", which)

    assert done.returncode == code, done.stderr


def test_a_named_image_of_another_version_is_not_even_looked_into(machine: Machine) -> None:
    machine.engine.images.append(_named(image(_id(1), version="9.9.8")))

    done = _launch(machine, image=_id(1))

    assert (done.returncode, done.stdout) == (79, b"")
    assert b"its version is 9.9.8, wanted 9.9.9" in done.stderr
    assert machine.docker.log("call") == []


@pytest.mark.parametrize("name", ["--privileged", "a b", "$(id)"])
def test_what_is_no_image_is_never_an_argument(machine: Machine, name: str) -> None:
    assert _launch(machine, image=name).returncode == 64
    assert machine.docker.log("call") == []


def test_an_image_that_is_not_built_here_is_looked_into_from_outside(machine: Machine) -> None:
    machine.engine.images = [image() | {"RepoTags": [_USUAL]}]
    machine.docker.will("create", stdout="container\n")
    machine.docker.will("cp", stdout="no archive")
    machine.docker.will("container rm")

    done = machine.pinnace("run", "--no-provision")

    assert done.returncode == 79
    assert machine.docker.calls("check") == [], "its own word is not asked for"
    (made,) = machine.docker.calls("create")
    name = next(a.removeprefix("--name=") for a in made if a.startswith("--name="))
    assert machine.docker.calls("container rm")[0][-1] == name


@pytest.mark.parametrize(
    ("said", "code"),
    [("manifest unknown", 66), ("denied: log in", 77), ("connection refused", 75)],
)
def test_pull_says_what_is_wrong(machine: Machine, said: str, code: int) -> None:
    machine.docker.will("pull", stderr=f"Error response from daemon: {said}\n", code=1)

    done = machine.pinnace("pull", "--repository", "registry.example/claude")

    assert (done.returncode, done.stdout) == (code, b""), done.stderr
    assert b"registry.example/claude:9.9.9-slim" in done.stderr


def test_pull_needs_a_repository(machine: Machine) -> None:
    done = machine.pinnace("pull", "--json")

    assert done.returncode == 64
    assert "repository" in json.loads(done.stdout)["error"]["message"]


def test_without_provisioning_nothing_is_pulled(machine: Machine) -> None:
    machine.engine.images = []

    done = _launch(machine, repository="registry.example/claude", provision=False)

    assert done.returncode == 66
    assert b"pinnace pull 9.9.9" in done.stderr
    assert machine.docker.log("call") == []


def test_a_project_image_is_not_built_where_nothing_may_be(machine: Machine) -> None:
    done = _launch(machine, packages=["jq"], provision=False)

    assert (done.returncode, done.stdout) == (66, b"")
    assert b"-project-" in done.stderr


@pytest.mark.parametrize("package", ["-y", "jq;id", "JQ"])
def test_what_is_no_package_never_gets_into_a_build(machine: Machine, package: str) -> None:
    assert _launch(machine, packages=[package]).returncode == 64


def test_a_second_launch_of_a_project_image_asks_little_and_imports_nothing_slow(
    machine: Machine,
) -> None:
    base = _named(image())
    recipe = recipe_on(Image.from_engine(base), packages=("jq",))
    own = image(_id(1), project=recipe.identity) | {"RepoTags": [recipe.name]}
    machine.engine.images = [base, own]
    assert _launch(machine, packages=["jq"]).returncode == 0
    asked, calls = len(machine.engine.requests), len(machine.docker.log("call"))

    done = _launch(machine, "-X", "importtime", packages=["jq"])

    assert done.returncode == 0
    assert _id(1) in machine.docker.calls("run")[-1]
    # The launch's container is asked about while it runs: nobody waits for it.
    waited = [one for one in machine.engine.requests[asked:] if b"/containers/" not in one]
    assert len(waited) == 2
    assert len(machine.docker.log("call")) - calls == 1
    for slow in ("pinnace_builder", "click", "jinja2", "filelock", "tarfile"):
        assert f"| {slow}\n" not in re.sub(r"\| +", "| ", done.stderr.decode())


@pytest.mark.parametrize("verb", ["run", "pull"])
def test_the_local_names_are_no_repository(machine: Machine, verb: str) -> None:
    machine.engine.images = []

    done = machine.pinnace(verb, "--repository", "pinnace/claude")

    assert done.returncode == 78
    assert b"is never pulled" in done.stderr
    assert machine.docker.log("call") == []


@pytest.mark.parametrize("label", ["variant", "platform", "contract"])
def test_a_label_of_a_strangers_image_gives_the_terminal_no_commands(
    machine: Machine, label: str
) -> None:
    machine.engine.images = [image(**{label: "\x1b]0;x\x07\n* chosen"}), image(_id(2))]

    done = machine.pinnace("images")

    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    assert b"\n* chosen" not in done.stdout
