"""What of the host a launch needs: directories, programs, disk, accounts, certificates."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from pinnace import agent
from pinnace.agent import logins, places
from pinnace.doctor.check import Check
from pinnace_core import host
from pinnace_core.engine.program import which
from pinnace_core.files import make_directory

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.context import Context
    from pinnace_core.engine import Engine
    from pinnace_core.host import HostFacts

_SPACE_NEEDED: Final = 4 << 30
_NPM_SECONDS: Final = 10
# Where tools look for a bundle that has more than the usual authorities.
_AUTHORITIES: Final = (
    *("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("GIT_SSL_CAINFO", "PIP_CERT", "PINNACE_CA_BUNDLE"),
)


def check_directories() -> Check:
    """See that Pinnace's own directories can be written to."""
    kinds: tuple[host.DirectoryKind, ...] = ("cache", "data", "state")
    made = [str(make_directory(host.directory(kind))) for kind in kinds]
    return Check("directories", "ok", ", ".join(made))


def check_client(found: Engine, facts: HostFacts) -> Check:
    """See that the client is installed."""
    path = which(found.name, facts.environment)
    if path is None:
        raise found.missing_client
    return Check("client", "ok", path)


def check_build(found: Engine, facts: HostFacts) -> Check:
    """See that a missing image could be built."""
    missing = [] if which("npm", facts.environment) else ["npm"]
    if lacking := found.lacks_to_build():
        missing.append(lacking)
    if missing:
        return Check("build", "warn", f"no {' and no '.join(missing)}", "install what is missing")
    return Check("build", "ok", "npm and a builder are there")


def check_certificates(here: Context) -> Check:
    """See whether this machine trusts authorities that nobody would inside."""
    named = {name: here.facts.environment.get(name, "") for name in _AUTHORITIES}
    named["npm's cafile"] = _npm_cafile(here.facts)
    found = {name: path for name, path in named.items() if path}
    if not found or here.config.settings.certificates:
        return Check("certificates", "ok", here.config.settings.certificates or "the usual ones")
    name, path = next(iter(found.items()))
    fix = f"if a proxy here decrypts, trust it inside and in builds: --certificates {path}"
    return Check("certificates", "warn", f"{name} is {path}, and does not go in", fix)


def _npm_cafile(facts: HostFacts) -> str:
    """Ask npm outside of the project, whose `.npmrc` may be anybody's work."""
    import subprocess

    command = which("npm", facts.environment)
    try:
        said = subprocess.run(
            [command or "npm", "config", "get", "cafile"],
            check=True,
            capture_output=True,
            cwd=os.sep,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_NPM_SECONDS,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return "" if said in {"null", "undefined"} else said


def check_disk(free: int) -> Check:
    """Judge the free space, in bytes, where packages are kept."""
    text = f"{free / (1 << 30):.1f} GiB free"
    if free < _SPACE_NEEDED:
        return Check("disk", "warn", text, "a build needs 4 GiB; see 'pinnace-build gc'")
    return Check("disk", "ok", text)


def check_credentials(facts: HostFacts, config: Path) -> Check:
    """Return which credentials there are, by name."""
    names = [
        name
        for name in agent.passed_names(facts.environment)
        if any(word in name for word in ("KEY", "TOKEN"))
    ]
    login = logins.of(config)
    found = logins.load(login) or logins.found_inside(login)
    if found and logins.is_refused(login, found):
        fix = f"log in again: pinnace auth login --profile {login.name}"
        return Check("credentials", "warn", "a login that is over", fix)
    if found:
        names.append("a login")
    if not names:
        return Check(
            "credentials", "warn", "none", "log in: pinnace auth login; or set ANTHROPIC_API_KEY"
        )
    return Check("credentials", "ok", ", ".join(names))


def check_proxy(facts: HostFacts) -> Check:
    """Return which proxy variables are set."""
    names = sorted(n for n in facts.environment if n.upper() in {"HTTP_PROXY", "HTTPS_PROXY"})
    return Check("proxy", "ok", ", ".join(names) or "none")


def of_host(facts: HostFacts) -> list[Check]:
    """Do the checks that need nothing but the host."""
    return [
        check_disk(shutil.disk_usage(_existing(host.directory("cache"))).free),
        check_credentials(facts, places.root() / "default"),
        check_proxy(facts),
    ]


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())
