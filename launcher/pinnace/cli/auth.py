"""`pinnace auth`: accounts, without any of their secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace.agent import auth_status, logins, places
from pinnace.cli import group
from pinnace.context import load_context
from pinnace.plan import user
from pinnace.request import RunRequest
from pinnace_core import output
from pinnace_core.errors import UsageError
from pinnace_core.files import cannot_write
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinnace.context import Context

_profile: Final[Callable[[Any], Any]] = click.option(
    "--profile", metavar="NAME", help="Which account, instead of the settings'."
)


@group.cli.group("auth", cls=output.Group)
def auth_group() -> None:
    """Log in and out, and show which account counts; profiles keep accounts apart."""


@auth_group.command("status")
@_profile
@click.option("--secrets", type=click.Path(), metavar="FILE", help="As a launch gets it.")
@output.json_option
def status_command(*, profile: str | None, secrets: str | None, as_json: bool) -> int:
    """Show what Claude would authenticate with, and why.

    No value of any secret is shown.
    """
    found = _collect(profile, secrets)
    if as_json:
        return output.print_result(found.as_json())
    for name, value in found.as_lines():
        output.say(f"{name:<10} {value}")
    return 0


@auth_group.command("list")
@output.json_option
def list_command(*, as_json: bool) -> int:
    """List the profiles that exist, and whether each holds a login."""
    found = {name: logins.is_there(logins.of(places.root() / name)) for name in logins.names()}
    if as_json:
        rows = [{"profile": name, "login": login} for name, login in found.items()]
        return output.print_result({"profiles": rows})
    for name, login in found.items():
        output.say(f"{name:<20} {'login' if login else 'no login'}")
    return 0


@auth_group.command("login")
@_profile
def login_command(*, profile: str | None) -> int:
    """Log in: Claude shows an address to open, and takes the code that it gives.

    The login is kept outside of what Claude sees.
    """
    from pinnace.launch import login

    here = _here(profile)
    if not (here.facts.stdin_tty and here.facts.stdout_tty):
        raise UsageError(
            "a login needs a terminal",
            hint="elsewhere, set CLAUDE_CODE_OAUTH_TOKEN; 'pinnace run -- setup-token' makes one",
        )
    return login.log_in(here, logins.of(_directory(here)))


@auth_group.command("logout")
@_profile
@click.option("--yes", is_flag=True, help="Do not ask.")
def logout_command(*, profile: str | None, yes: bool) -> int:
    """Remove the login of a profile, wherever it is; all else stays."""
    here = _here(profile)
    name, about = here.config.settings.profile, logins.of(_directory(here))
    if not logins.is_there(about) and not os.path.lexists(about.config / logins.FILE):
        output.say(f"profile {name} holds no login")
        return 0
    if not yes:
        click.confirm(f"Remove the login of profile {name} ({about.file})?", abort=True, err=True)
    try:
        logins.remove(about)
    except OSError as error:
        raise cannot_write(about.file, error) from error
    output.say(f"removed the login of profile {name}")
    return 0


def _collect(profile: str | None, secrets: str | None) -> auth_status.Accounts:
    here = _here(profile, secrets)
    settings = here.config.settings
    handed: dict[str, str] = {}
    if settings.secrets:
        from pinnace.plan.contributors import secrets as files

        handed = files.load(Path(settings.secrets))
    place = here.project.target
    return auth_status.collect(
        settings, here.facts.environment, _directory(here), place, handed=handed
    )


def _here(profile: str | None, secrets: str | None = None) -> Context:
    return load_context(RunRequest(flags=_flags(profile, secrets)), HostFacts.detect())


def _flags(profile: str | None, secrets: str | None = None) -> dict[str, object]:
    """Return what was said in the command, as a launch takes it."""
    name = {} if profile is None else {"auth.profile": places.require_name(profile)}
    return {**name, **({"auth.secrets": secrets} if secrets else {})}


def _directory(here: Context) -> Path:
    """Return the directory by which the account of launches here is called."""
    return user.place_of(here).account
