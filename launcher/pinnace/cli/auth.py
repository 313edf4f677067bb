"""`pinnace auth`: accounts, without any of their secrets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace import accounts, profiles, user, workspace
from pinnace.cli import group
from pinnace.facts import HostFacts
from pinnace.settings import DEFAULT_PROFILE, Settings
from pinnace_images.errors import PinnaceError, UsageError
from pinnace_images.files import cannot_write

if TYPE_CHECKING:
    from collections.abc import Callable

_profile: Final[Callable[[Any], Any]] = click.option(
    "--profile", default=DEFAULT_PROFILE, metavar="NAME", help="Which account."
)


@click.group("auth")
def auth_group() -> None:
    """Tell, add and remove accounts; profiles hold them apart."""


@auth_group.command("status")
@_profile
@click.option("--secrets", type=click.Path(), metavar="FILE", help="As a launch gets it.")
@group.json_option
def status_command(*, profile: str, secrets: str | None, as_json: bool) -> int:
    """Tell what Claude would authenticate with, and why.

    No value of any secret is shown.
    """
    try:
        found = _collect(profile, secrets)
    except PinnaceError as error:
        if as_json:
            return group.print_error(error)
        raise
    if as_json:
        return group.print_result(found.as_json())
    for name, value in found.as_lines():
        click.echo(f"{name:<10} {value}")
    return 0


@auth_group.command("list")
@group.json_option
def list_command(*, as_json: bool) -> int:
    """List the profiles that exist, and whether each holds a login."""
    found = {
        n: (profiles.root() / n / accounts.CREDENTIALS_FILE).is_file() for n in profiles.names()
    }
    if as_json:
        rows = [{"profile": name, "login": login} for name, login in found.items()]
        return group.print_result({"profiles": rows})
    for name, login in found.items():
        click.echo(f"{name:<20} {'login' if login else 'no login'}")
    return 0


@auth_group.command("login")
@_profile
def login_command(*, profile: str) -> int:
    """Log in: Claude shows an address to open, and takes the code that it gives."""
    from pinnace import launch
    from pinnace.plan import RunRequest

    facts = HostFacts.detect()
    if not (facts.stdin_tty and facts.stdout_tty):
        raise UsageError(
            "a login needs a terminal",
            hint="elsewhere, set CLAUDE_CODE_OAUTH_TOKEN; 'pinnace run -- setup-token' makes one",
        )
    settings = Settings(profile=profiles.require_name(profile))
    return launch.run(RunRequest(claude_arguments=("auth", "login"), settings=settings), facts)


@auth_group.command("logout")
@_profile
@click.option("--yes", is_flag=True, help="Do not ask.")
def logout_command(*, profile: str, yes: bool) -> int:
    """Remove the login that a profile holds; all else in it stays."""
    path = Path(
        _directory(Settings(profile=profile), HostFacts.detect()), accounts.CREDENTIALS_FILE
    )
    if not path.is_file() and not path.is_symlink():
        click.echo(f"profile {profile} holds no login")
        return 0
    if not yes:
        click.confirm(f"Remove the login of profile {profile} ({path})?", abort=True, err=True)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    click.echo(f"removed the login of profile {profile}")
    return 0


def _collect(profile: str, secrets: str | None) -> accounts.Accounts:
    facts = HostFacts.detect()
    settings = Settings(profile=profile)
    handed: dict[str, str] = {}
    if secrets:
        from pinnace import dotenv

        handed = dotenv.load(Path(facts.cwd, secrets))
    directory = _directory(settings, facts)
    place = workspace.locate(facts).target
    return accounts.collect(settings, facts.environment, directory, place, handed=handed)


def _directory(settings: Settings, facts: HostFacts) -> Path:
    project = workspace.locate(facts)
    who = user.map_user(facts, project)
    return profiles.choose(settings, facts, project, who).directory


COMMANDS: Final = (auth_group,)
