"""Deciding a launch."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.image.verify import check_spec
from pinnace.launch.ready import acquired
from pinnace.plan import Contribution, LaunchPlan
from pinnace.plan import plan as plan_launch
from pinnace.plan import user as users
from pinnace.plan.resources import Resource
from pinnace.plan.variables import Variable, by_name, plain
from pinnace_core.container import ContainerSpec, Mount, Tmpfs
from pinnace_core.engine.docker import Docker
from tests.support import hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.config.project import Workspace
    from pinnace_core.host import HostFacts

_CONFIG = Contribution(mounts=(Mount("/data/claude", "/home/agent/.claude"),))


def _plan(
    facts: HostFacts | None = None,
    workspace: Workspace | None = None,
    claude_arguments: tuple[str, ...] = (),
    **settings: Any,
) -> ContainerSpec:
    inputs = hosts.inputs(facts, workspace, claude_arguments=claude_arguments, **settings)
    given = (_CONFIG, users.contribute(inputs.user))
    return plan_launch(inputs, given, image=hosts.IMAGE_ID).spec


def test_no_secret_is_in_the_arguments_or_the_plan() -> None:
    names = [
        *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "MY_TOKEN"),
        *("ANTHROPIC_BASE_URL", "TERM", "NO_COLOR", "TZ", "AWS_SECRET_ACCESS_KEY", "PATH"),
    ]
    environment = {name: f"canary-{name.lower()}-0123456789" for name in names}
    facts = hosts.linux_root(environment=environment)

    plan = _plan(facts, hosts.workspace(owner=(0, 0)), environment_names=("MY_TOKEN",))

    for text in (repr(plan), "\0".join(Docker().argv(plan))):
        assert "canary" not in text
        assert "0123456789" not in text
    assert {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "MY_TOKEN"} <= set(
        plan.environment_names
    )
    assert "AWS_SECRET_ACCESS_KEY" not in plan.environment_names


def test_a_value_that_was_given_wins_over_the_hosts_and_over_ours() -> None:
    facts = hosts.linux(environment={"MCP_TIMEOUT": "1", "TZ": "UTC"})
    own = Contribution(variables=(plain("TERM", "xterm"),))
    given = ("MCP_TIMEOUT=2", "TERM=dumb", "NEW=a b")
    inputs = hosts.inputs(facts, environment_names=given)

    spec, *_ = plan_launch(inputs, (own,), image=hosts.IMAGE_ID)

    assert spec.environment_names == ("TZ",)
    assert dict(spec.environment) == {"MCP_TIMEOUT": "2", "TERM": "dumb", "NEW": "a b"}


def test_what_looks_like_claudes_and_is_not_known_is_told() -> None:
    facts = hosts.linux(environment={"CLAUDE_CODE_MADE_UP": "canary"})

    launch = plan_launch(hosts.inputs(facts), (), image=hosts.IMAGE_ID)

    assert launch.notes == ("stays outside: CLAUDE_CODE_MADE_UP; --env NAME takes it along",)


def test_it_runs_by_id_and_never_pulls() -> None:
    plan = _plan()

    assert plan.image == hosts.IMAGE_ID
    assert "--pull=never" in Docker().argv(plan)


@pytest.mark.parametrize(
    ("stdin_tty", "stdout_tty", "tty"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_a_terminal_needs_both_ends(*, stdin_tty: bool, stdout_tty: bool, tty: bool) -> None:
    plan = _plan(hosts.linux(stdin_tty=stdin_tty, stdout_tty=stdout_tty))

    assert plan.tty is tty
    waits_for_nobody = stdin_tty and not stdout_tty
    assert plan.interactive is not waits_for_nobody


def test_claudes_arguments_come_last_and_untouched() -> None:
    arguments = ("-p", "--env=X", "", "a b", "--", "$HOME")

    argv = Docker().argv(_plan(claude_arguments=arguments))

    assert argv[-len(arguments) - 2 :] == [hosts.IMAGE_ID, "/opt/claude/bin/claude", *arguments]


def test_limits_are_the_ones_asked_for() -> None:
    plan = _plan(memory="512m", pids=99)

    assert (plan.memory, plan.pids) == ("512m", 99)


def test_only_root_is_told_that_it_is_in_a_sandbox() -> None:
    assert _plan(hosts.linux_root(), hosts.workspace(owner=(0, 0))).environment == (
        ("IS_SANDBOX", "1"),
    )
    assert _plan(hosts.linux_root()).environment == ()
    assert _plan().environment == ()


def test_a_foreign_user_brings_its_names_read_only() -> None:
    plan = _plan(hosts.linux_other())

    assert plan.user == (54321, 65000)
    assert {m.target: m.read_only for m in plan.mounts} == {
        "/srv/demo": False,
        "/home/agent/.claude": False,
        "/etc/passwd": True,
        "/etc/group": True,
    }
    assert Tmpfs("/home/agent", "exec,mode=0700,uid=54321,gid=65000,size=4294967296") in plan.tmpfs


def test_the_images_own_user_needs_no_mapping_and_is_said_all_the_same() -> None:
    plan = _plan()

    # An image's label may lie about its user: root's files in a mount would be open to it.
    assert plan.user == (1000, 1000)
    assert [m.target for m in plan.mounts] == ["/srv/demo", "/home/agent/.claude"]


@pytest.mark.parametrize(
    ("target", "slug"),
    [
        ("/srv/demo", "demo"),
        ("/srv/My Project_2", "my-project-2"),
        ("/srv/ü", "project"),
        ("/srv/-x-", "x"),
        ("/srv/" + "a" * 100, "a" * 40),
        ("/c", "c"),
    ],
)
def test_the_container_is_named_after_the_project(target: str, slug: str) -> None:
    plan = _plan(workspace=hosts.workspace(target))

    assert plan.name == f"pinnace-{slug}-c0ffee"


def test_the_container_carries_the_hosts_path_of_the_workspace() -> None:
    workspace = hosts.workspace(r"C:\src\demo", target="/c/src/demo")

    assert _plan(workspace=workspace).labels == (("pinnace.run.workspace", r"C:\src\demo"),)


def test_a_plan_is_frozen() -> None:
    plan = _plan()

    with pytest.raises(AttributeError):
        plan.image = "other"  # type: ignore[misc]


def test_an_image_is_asked_about_itself_in_isolation() -> None:
    plan = check_spec(hosts.IMAGE_ID, "true")
    argv = Docker().argv(plan)

    assert plan.mounts == ()
    assert plan.environment_names == ()
    assert "--network=none" in argv
    assert "--interactive" not in argv
    assert argv[-4:] == [hosts.IMAGE_ID, "sh", "-c", "true"]


def test_a_shell_instead_of_claude_stands_for_itself() -> None:
    facts = hosts.linux(stdin_tty=True, stdout_tty=True)
    inputs = hosts.inputs(facts)._replace(program="/bin/bash")

    plan, *_ = plan_launch(inputs, (), image=hosts.IMAGE_ID, labels=(("a", "b"),))

    assert plan.command == ("/bin/bash",)
    assert plan.labels == (("pinnace.run.workspace", "/srv/demo"), ("a", "b"))


def test_a_secret_goes_in_neither_by_name_nor_in_any_listing() -> None:
    facts = hosts.linux(environment={"ANTHROPIC_API_KEY": "canary-1"})
    given = Contribution(
        variables=(
            Variable("ANTHROPIC_API_KEY", "secret", "canary-2"),
            by_name("ANTHROPIC_BASE_URL", "canary-3"),
            plain("TZ", "UTC"),
        )
    )

    launch = plan_launch(hosts.inputs(facts), (given,), image=hosts.IMAGE_ID)

    assert launch.spec.environment == (("TZ", "UTC"),)
    assert launch.spec.environment_names == ("ANTHROPIC_BASE_URL",)
    assert [v.value for v in launch.variables] == ["canary-3"]
    assert "canary" not in repr(launch)


def test_resources_are_acquired_in_order_and_released_in_reverse_whatever_happens() -> None:
    seen: list[str] = []

    @contextmanager
    def held(name: str) -> Iterator[None]:
        seen.append(f"+{name}")
        yield
        seen.append(f"-{name}")

    def fails(_: object) -> None:
        raise ValueError

    kept = (
        Resource(lambda _: held("a")),
        Resource(lambda _: seen.append("written")),
        Resource(lambda _: held("b")),
    )
    launch = LaunchPlan(_plan(), resources=kept)

    with acquired(launch):
        seen.append("run")
    assert seen == ["+a", "written", "+b", "run", "-b", "-a"]

    seen.clear()
    failing = launch._replace(resources=(*launch.resources, Resource(fails)))
    with pytest.raises(ValueError), acquired(failing):  # noqa: PT011 (which one does not matter)
        seen.append("run")
    assert seen == ["+a", "written", "+b", "-b", "-a"]
