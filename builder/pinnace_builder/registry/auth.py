"""Logins at an image registry: basic, or a token, with what `docker login` has left behind.

See https://distribution.github.io/distribution/spec/auth/.
"""

from __future__ import annotations

import base64
import json
import os
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from docker import auth
from docker.errors import DockerException
from requests.utils import parse_dict_header

from pinnace_core.errors import ImageRegistryError, RegistryDeniedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace_images.refs import RepositoryName

_CLIENT: Final = "pinnace-build"
# A registry may offer several ways to log in, in one header or in many.
_SCHEME: Final = re.compile(r"(?:^|,)\s*(basic|bearer)(?=\s|,|$)", re.IGNORECASE)
_ACTIONS: Final = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}


@dataclass(frozen=True)
class Credentials:
    """What the docker client knows about a user of a registry."""

    user: str
    password: str = field(repr=False)
    identity_token: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The header's value that they make."""
        pair = f"{self.user}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


class Asks(Protocol):
    """Sends a request to a token server; returns its answer's document."""

    def __call__(
        self,
        realm: str,
        *,
        authorization: str = "",
        params: Sequence[tuple[str, str]] = (),
        form: Mapping[str, str] | None = None,
    ) -> dict[str, Any]: ...


class Login:
    """Knows what to send as `Authorization`, once the registry has said what it wants."""

    def __init__(self, repository: RepositoryName, ask: Asks) -> None:
        self._repository = repository
        self._ask = ask
        self._basic = ""
        self._tokens: dict[str, str] = {}

    def header(self, method: str) -> dict[str, str]:
        """Return the header, if one is known to be wanted."""
        value = self._tokens.get(_actions(method)) or self._basic
        return {"Authorization": value} if value else {}

    def renew(self, challenge: str, method: str) -> None:
        """Do what the registry's 401 asks for.

        Raises:
            RegistryDeniedError: there are no credentials, or they are wrong.
            ImageRegistryError: it asks for something else.
        """
        offers = _offers(challenge)
        if "bearer" in offers:
            self._tokens[_actions(method)] = f"Bearer {self._token(offers['bearer'], method)}"
        elif "basic" in offers:
            known = credentials(self._repository)
            if known is None or not known.password:
                raise denied(self._repository, "it wants a login")
            self._basic = known.basic
        else:
            raise ImageRegistryError(
                f"{self._repository.host} does not say how to log in",
                hint="check the repository's host; logins are basic, or by token",
            )

    def _token(self, offer: Mapping[str, str], method: str) -> str:
        # Some registries ask for less than the request needs, some know the repository by
        # another name: ask for both.
        wanted = [*offer.get("scope", "").split(), self._scope(method)]
        scopes = list(dict.fromkeys(wanted))
        realm, service = offer.get("realm", ""), offer.get("service", "")
        known = credentials(self._repository)
        if known and known.identity_token:
            form = {"grant_type": "refresh_token", "refresh_token": known.identity_token}
            form |= {"client_id": _CLIENT, "service": service, "scope": " ".join(scopes)}
            answer = self._ask(realm, form=form)
        else:
            params = [("service", service), *(("scope", scope) for scope in scopes)]
            if known:
                params.append(("account", known.user))
            answer = self._ask(realm, params=params, authorization=known.basic if known else "")
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str):
            raise ImageRegistryError(
                f"the token server of {self._repository.host} gives no token",
                hint="try again later",
            )
        return token

    def _scope(self, method: str) -> str:
        return f"repository:{self._repository.name}:{_actions(method)}"


def _actions(method: str) -> str:
    return _ACTIONS.get(method, "pull,push")


def _offers(challenge: str) -> dict[str, dict[str, str]]:
    """Take a `WWW-Authenticate` header apart: its schemes in lower case, with their parameters."""
    _, *parts = _SCHEME.split(challenge)
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {scheme.lower(): _parameters(text) for scheme, text in pairs}


def _parameters(text: str) -> dict[str, str]:
    found = parse_dict_header(text.strip())  # type: ignore[no-untyped-call]
    return {name.lower(): value for name, value in found.items() if value}


def credentials(repository: RepositoryName) -> Credentials | None:
    """Ask the docker client's configuration, and the helpers that it names.

    Raises:
        RegistryDeniedError: it cannot be read.
    """
    directory = os.environ.get("DOCKER_CONFIG")
    # Unlike the docker client, the library would look into the home directory then.
    if directory and not Path(directory, "config.json").exists():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a helper that is missing: it fails below
            found = auth.load_config().resolve_authconfig(repository.host)
    except (DockerException, AttributeError, KeyError, TypeError, ValueError) as error:
        # What a helper prints may hold anything.
        raise RegistryDeniedError(
            f"the docker client's credentials for {repository.host} cannot be read",
            hint=f"run '{repository.login}', and check the helpers in docker's config.json",
        ) from error
    values = {str(name).lower(): str(value or "") for name, value in (found or {}).items()}
    values = values if any(values.values()) else _plain(repository)
    names = ("username", "password", "identitytoken")
    # Some that write the file pad what they encode; the docker client cuts that off, too.
    known = Credentials(*(values.get(name, "").strip("\0") for name in names))
    return known if known.password or known.identity_token else None


def _plain(repository: RepositoryName) -> dict[str, str]:
    """Read a user's name and password that stand there plainly: the client takes them as well.

    https://github.com/docker/cli, cli/config/types/authconfig.go
    """
    directory = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    try:
        document = json.loads(Path(directory, "config.json").read_bytes())
        entry = document["auths"][repository.host]
        return {str(name).lower(): value for name, value in entry.items() if type(value) is str}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def denied(repository: RepositoryName, why: str) -> RegistryDeniedError:
    """Return the error of somebody else being allowed to."""
    return RegistryDeniedError(
        f"{repository.host} does not let you into {repository.name}: {why}",
        hint=f"run '{repository.login}' as somebody who may",
    )
