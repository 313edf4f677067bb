"""A session with a registry: what it trusts, what it sends along, and what it leaves alone."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

from pinnace_core.errors import ImageRegistryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace_images.refs import RepositoryName

# Where the engine looks for authorities that it trusts for one registry only.
CERTIFICATES: Final = Path("/etc/docker/certs.d")
_HEADERS: Final = {
    "User-Agent": "pinnace-build",
    # Some servers call a compressed layer encoded: undone, it would not be what its digest says.
    "Accept-Encoding": "identity",
}


class _Trusting(HTTPAdapter):
    """Trusts what the engine trusts for a registry, besides the usual authorities."""

    def __init__(self, authorities: Sequence[Path]) -> None:
        self._context = create_urllib3_context()
        for path in authorities:
            try:
                self._context.load_verify_locations(path)
            except OSError as error:
                raise ImageRegistryError(
                    f"'{path}' is not a certificate that can be read",
                    hint="mend it: the engine cannot use it, either",
                ) from error
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().init_poolmanager(*arguments, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401
        return super().proxy_manager_for(proxy, **options, ssl_context=self._context)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Leave redirects alone: looking at one already reads all of its body."""


def session_of(repository: RepositoryName) -> _Session:
    session = _Session()
    session.headers.update(_HEADERS)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    if authorities := sorted((CERTIFICATES / repository.host).glob("*.crt")):
        session.mount("https://", _Trusting(authorities))
    return session


def unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
