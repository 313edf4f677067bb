"""The one place that spells `docker buildx build`, its cache included, and the one that runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pinnace_core import console, retry, signals
from pinnace_core.engine import whales
from pinnace_core.engine.argv import record
from pinnace_core.errors import BuildFailedError, ImageRegistryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from python_on_whales import DockerClient

_PROCESS: Final = re.compile(
    r'(?:failed to solve: )?process ".*" did not complete successfully: exit code: (\d+)', re.DOTALL
)
# A step begins: `#7 [slim 2/5] RUN ...`; not those that only look something up.
_STEP: Final = re.compile(r"#\d+ \[(?!internal|auth|context \S+ load)(.*)$")
_MISSING: Final = re.compile(
    r"E: (?:Unable to locate package (\S+)|Package '(\S+)' has no installation candidate"
    r"|Version '.*' for '(\S+)' was not found)"
)
_MOUNT: Final = re.compile(r"--mount=\S+\s*")
_TAIL: Final = 60
_SHOWN: Final = 100
# BuildKit hands these to every step without keeping them in the image, its history or the cache.
PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")

# Layers stay uncompressed: they go no further than this engine, and compressing them takes longer
# than all the rest.
_LOCAL_OUTPUT: Final = "type=docker,compression=uncompressed,oci-mediatypes=true,name={}"

REGISTRY: Final = "registry"
NO_CACHE: Final = "none"
# What tells one cache from another, by backend: https://docs.docker.com/build/cache/backends/
_CACHE_NAMES: Final = {"registry": "ref", "local": "", "gha": "scope", "s3": "name"}
_CACHE_NEEDED: Final[dict[str, set[str]]] = {
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
class Build:
    """One build of one platform.

    Attributes:
        context: directory with the Dockerfile.
        platform: what is built, as `OS/ARCHITECTURE`.
        epoch: of the image's configuration and history, seconds since 1970.
        name: of the outcome, which the engine keeps.
        output: where it goes instead, as `--output` wants it.
        target: stage to stop at; empty: the last one.
        contexts: what replaces a stage, by the stage's name.
        labels: added to those in the Dockerfile.
        secrets: files, by id.
        arguments: names of build arguments whose values the environment holds, or NAME=VALUE.
        cache: `--cache-from` and `--cache-to`, complete.
        builder: which; empty: the current one.
        provenance: whether an attestation comes along.
        fresh: do not use the cache.
        file: the Dockerfile, if it is not in the context.
    """

    context: Path
    platform: str
    epoch: int
    name: str = ""
    output: str = ""
    target: str = ""
    contexts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Path] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    cache: Sequence[str] = ()
    builder: str = ""
    provenance: bool = False
    fresh: bool = False
    file: Path | None = None


def arguments(build: Build, *, progress: str) -> list[str]:
    """Spell the build, from `buildx` on."""
    return [
        "buildx",
        "build",
        f"--platform={build.platform}",
        f"--output={build.output or _LOCAL_OUTPUT.format(build.name)}",
        # What `max` adds is the values of build arguments, and a proxy's may hold a password.
        f"--provenance={'mode=min' if build.provenance else 'false'}",
        f"--build-arg=SOURCE_DATE_EPOCH={build.epoch}",
        f"--progress={progress}",
        *([f"--target={build.target}"] if build.target else []),
        *([f"--builder={build.builder}"] if build.builder else []),
        *(["--no-cache"] if build.fresh else []),
        *([f"--file={build.file}"] if build.file else []),
        *(f"--build-context={name}={where}" for name, where in build.contexts.items()),
        *(f"--label={key}={value}" for key, value in build.labels.items()),
        *(
            f"--secret={record(f'id={name}', f'src={path}')}"
            for name, path in build.secrets.items()
        ),
        *(f"--build-arg={name}" for name in build.arguments),
        *build.cache,
        str(build.context),
    ]


def proxies(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Name the proxy variables that are set, as they are spelt there."""
    return tuple(name for name in sorted(environment) if name.upper() in PROXIES)


def sees_images(client: DockerClient, builder: str) -> bool:
    """Return whether a builder is the engine's own: only that one sees the engine's images.

    Args:
        client: of the engine.
        builder: which; empty: the current one.

    Raises:
        BuildFailedError: there is no such builder.
    """
    with whales.translated("looking at the builder"):
        return client.buildx.inspect(builder or None).driver == "docker"


def show(client: DockerClient, build: Build) -> None:
    """Build, with buildx's own display where somebody watches.

    Raises:
        BuildFailedError: it failed.
    """
    if console.is_collected() or not sys.stderr.isatty():
        try:
            run(client, build, quiet=True)
        except retry.TransientError as error:
            raise error.error from error
        return
    command = [*client.client_config.docker_cmd, *arguments(build, progress="auto")]
    code = console.show(command)
    if code != 0:
        raise _failed(f"exit code {code}")


def run(client: DockerClient, build: Build, *, quiet: bool = False) -> None:
    """Build; what buildx tells is for people, on stderr, and for finding out why it failed.

    Args:
        client: of the engine.
        build: what.
        quiet: only the steps are told, and the end of it all if it fails.

    Raises:
        BuildFailedError: it failed.
        TransientError: it failed, for a reason that may be gone in a moment.
    """
    command = [*client.client_config.docker_cmd, *arguments(build, progress="plain")]
    tail: deque[str] = deque(maxlen=_TAIL)
    with signals.child(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as child:
        for line in child.stderr or ():
            tail.append(line)
            step = _STEP.match(line)
            if not quiet:
                console.write(line)
            elif step:
                console.say(f"[{_MOUNT.sub('', step[1])}"[:_SHOWN])
    if child.returncode != 0:
        console.write("".join(tail) if quiet else "")
        raise _failure(tail, child.returncode)


def _failure(tail: Sequence[str], code: int) -> Exception:
    absent = next((found for line in tail if (found := _MISSING.search(line))), None)
    if absent:
        name = next(group for group in absent.groups() if group)
        return BuildFailedError(
            f"there is no Debian package '{name}', or not in this version",
            hint="check its name, as apt-cache search tells it on Debian",
        )
    said = [line for line in tail if line.startswith("ERROR: ")]
    reason = _short(said[-1].removeprefix("ERROR: ").strip()) if said else f"exit code {code}"
    if retry.is_transient(reason):
        return retry.TransientError(
            ImageRegistryError(f"the build failed: {reason}", hint="try again later")
        )
    return _failed(reason)


def _short(reason: str) -> str:
    """Leave the script out, which BuildKit repeats."""
    return _PROCESS.sub(r"a command ended with exit code \1", reason)


def _failed(reason: str) -> BuildFailedError:
    return BuildFailedError(
        f"the build failed: {reason}",
        hint="the engine's own messages are above; 'docker system df' shows its disk",
    )


@dataclass(frozen=True)
class Cache:
    """Where BuildKit keeps and finds its cache: a backend, and attributes of all caches in it.

    Two platforms that export to the same name overwrite each other (docker/buildx#1044): each
    build names its own.
    """

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
        own = _CACHE_NAMES.get(backend, "")
        if names & _SECRET:
            raise UsageError(
                "credentials are not given on a command line, where everybody can read them",
                hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a role",
            )
        if (
            backend not in _CACHE_NEEDED
            or not _CACHE_NEEDED[backend] <= names
            or len(names) != len(given)
            or own in names
            or (backend != "local" and "dir" in names)
            or (backend in _TAKING_NOTHING_MORE and names != _CACHE_NEEDED[backend])
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
        if self.backend == NO_CACHE:
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
        return f"type={self.backend},{_CACHE_NAMES[self.backend]}={place}{more}"
