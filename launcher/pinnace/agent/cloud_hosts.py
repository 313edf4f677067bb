"""Which hosts Claude asks where a cloud provider serves the model; its credentials are inside.

Where they are, in the providers' own words:
https://docs.aws.amazon.com/general/latest/gr/bedrock.html,
https://docs.aws.amazon.com/general/latest/gr/sso.html,
https://cloud.google.com/vertex-ai/docs/reference/rest,
https://learn.microsoft.com/azure/ai-foundry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pinnace.agent import PROVIDERS, is_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_HTTPS: Final = 443
# What Claude Code 2.1.330 takes where no variable names one.
_AWS_REGION: Final = "us-east-1"
_GOOGLE_REGION: Final = "us-east5"
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_URL: Final = re.compile(
    r"https://((?:[a-z0-9_-]+\.)+[a-z][a-z0-9_-]*)(?::([0-9]{1,5}))?(?:/.*)?", re.IGNORECASE
)


def hosts(environment: Mapping[str, str]) -> list[tuple[str, int]]:
    """Return names and ports of the providers that are switched on, by the variables that go in."""
    found = (
        host
        for name, of in _PROVIDERS.items()
        if is_on(environment, PROVIDERS[name].switch)
        for host in of(environment)
    )
    return list(dict.fromkeys(found))


def _aws(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    region = _named(environment, "AWS_REGION", "AWS_DEFAULT_REGION") or _AWS_REGION
    for url in ("ANTHROPIC_BEDROCK_BASE_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"):
        yield from _of_url(environment.get(url, ""))
    # Of the Chinese regions alone, another domain.
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    for service in ("bedrock-runtime", "bedrock", "sts", "oidc", "portal.sso"):
        yield f"{service}.{region}.{domain}", _HTTPS
    yield f"sts.{domain}", _HTTPS


def _gcloud(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    yield from _of_url(environment.get("ANTHROPIC_VERTEX_BASE_URL", ""))
    regions = {_named(environment, "CLOUD_ML_REGION") or _GOOGLE_REGION}
    own = (name for name in environment if name.startswith("VERTEX_REGION_"))
    regions |= {_named(environment, name) for name in own}
    for region in sorted(regions - {""}):
        yield (f"{region}-" if region != "global" else "") + "aiplatform.googleapis.com", _HTTPS
        yield f"aiplatform.{region}.rep.googleapis.com", _HTTPS
    for service in ("oauth2", "sts", "iamcredentials"):
        yield f"{service}.googleapis.com", _HTTPS


def _azure(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    yield from _of_url(environment.get("ANTHROPIC_FOUNDRY_BASE_URL", ""))
    resource = _named(environment, "ANTHROPIC_FOUNDRY_RESOURCE")
    if resource:
        yield f"{resource}.services.ai.azure.com", _HTTPS
    yield from _of_url(environment.get("AZURE_AUTHORITY_HOST", ""))
    yield "login.microsoftonline.com", _HTTPS


_PROVIDERS: Final[Mapping[str, Callable[[Mapping[str, str]], Iterator[tuple[str, int]]]]] = {
    "aws": _aws,
    "azure": _azure,
    "gcloud": _gcloud,
}


def _named(environment: Mapping[str, str], *names: str) -> str:
    """Return the first of the values that can be a part of a host's name."""
    values = (environment.get(name, "").strip().lower() for name in names)
    return next((value for value in values if _NAME.fullmatch(value)), "")


def _of_url(text: str) -> Iterator[tuple[str, int]]:
    found = _URL.fullmatch(text.strip())
    if found:
        yield found[1].lower(), int(found[2] or _HTTPS)
