"""Where BuildKit keeps and finds its cache: one place for each platform, or the last one wins.

https://docs.docker.com/build/cache/backends/ says what each backend takes; two platforms that
export to the same place overwrite each other (docker/buildx#1044).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

REGISTRY: Final = "registry"
NONE: Final = "none"
# What tells one cache from another, by backend.
_NAMES: Final = {"registry": "ref", "local": "", "gha": "scope", "s3": "name"}
_NEEDED: Final[dict[str, set[str]]] = {
    "none": set(),
    "registry": set(),
    "local": {"dir"},
    "gha": set(),
    "s3": {"region", "bucket"},
}
_SECRET: Final = {"access_key_id", "secret_access_key", "session_token", "token"}
_TAKING_NOTHING_MORE: Final = ("none", "registry", "local")

# The others have no such attributes.
_STORING_LAYERS: Final = ("registry", "local")


@dataclass(frozen=True)
class Cache:
    """A backend, with the attributes that are the same for all caches in it."""

    backend: str = REGISTRY
    attributes: str = ""

    @classmethod
    def parse(cls, text: str) -> Cache:
        """Read `registry`, `none`, `gha`, `local,dir=PATH` or `s3,region=...,bucket=...`.

        Raises:
            UsageError: another backend.
        """
        backend, _, attributes = text.removeprefix("type=").partition(",")
        given = [part.partition("=") for part in attributes.split(",") if part]
        names = {name for name, _, value in given if value}
        own = _NAMES.get(backend, "")
        if names & _SECRET:
            raise UsageError(
                "credentials are not given on a command line, where everybody can read them",
                hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a role",
            )
        if (
            backend not in _NEEDED
            or not _NEEDED[backend] <= names
            or len(names) != len(given)
            or own in names
            or (backend != "local" and "dir" in names)
            or (backend in _TAKING_NOTHING_MORE and names != _NEEDED[backend])
        ):
            raise UsageError(
                f"'{backend}' is no cache, or not with these attributes",
                hint="use registry, none, gha, local,dir=DIRECTORY or s3,region=R,bucket=B",
            )
        return cls(backend, attributes)

    def flags(
        self, repository: str, name: str, others: Sequence[str], compression: str
    ) -> tuple[str, ...]:
        """Spell what a build imports and exports.

        Args:
            repository: of the images.
            name: of this build's own cache, which it imports as well.
            others: names of caches that it imports too.
            compression: attributes of exported layers, the images' own: so they are kept once.
        """
        if self.backend == NONE:
            return ()
        imports = [f"--cache-from={self._at(repository, one, 'src')}" for one in (name, *others)]
        # A cache that cannot be written must not fail what is built.
        export = f"--cache-to={self._at(repository, name, 'dest')},mode=max,ignore-error=true"
        if self.backend in _STORING_LAYERS:
            export += f",oci-mediatypes=true,image-manifest=true,{compression}"
        return (*imports, export)

    def _at(self, repository: str, name: str, direction: str) -> str:
        if self.backend == "local":
            directory = self.attributes.removeprefix("dir=")
            return f"type=local,{direction}={directory}/{name}"
        place = f"{repository}:{name}" if self.backend == REGISTRY else name
        more = f",{self.attributes}" if self.attributes else ""
        return f"type={self.backend},{_NAMES[self.backend]}={place}{more}"
