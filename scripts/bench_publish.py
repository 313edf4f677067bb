"""Time publishing the next version for two platforms, against what else one could do.

(a) a plain tool: `npm pack` of both packages, and a push of the same bytes with curl;
(b) a plain Dockerfile: `npm install -g` on a warm base with Node, the foreign platform emulated.

Each is done in turn, on a registry of its own; packages are fetched anew every time.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace_builder.registry import Registry
from pinnace_images.lock import load_known
from pinnace_images.platforms import SUPPORTED
from tests.support.registry import RealRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RUNS: Final = int(os.environ.get("BENCH_PUBLISH_RUNS", "1"))
_BUILD: Final = str(Path(sys.executable).with_name("pinnace-build"))
_LOCKED: Final = sorted(load_known().entries)
_BEFORE, _NEXT = _LOCKED[-2:]
_BASES: Final = ("--without-claude", "--variant", "dev")
_PLATFORMS: Final = ",".join(map(str, SUPPORTED))
_NAMES: Final = ("pinnace-build publish", "npm pack and curl", "npm install -g in a Dockerfile")
_DOCKERFILE: Final = """\
ARG BASE
FROM $BASE
ARG VERSION
ARG NPM_CONFIG_REGISTRY
RUN --mount=type=secret,id=ca,target=/dev/shm/ca \\
    if [ -s /dev/shm/ca ]; then export NODE_EXTRA_CA_CERTS=/dev/shm/ca; fi; \\
    npm install -g @anthropic-ai/claude-code@$VERSION && claude --version
"""


def run(*command: str, **environment: str) -> None:
    """Run a command; only what it says in failing is of interest."""
    done = subprocess.run(
        command,
        check=False,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)}\n{done.stdout[-2000:]}")


def publish(repository: str, *arguments: str, cache: Path | None = None) -> None:
    """Publish with Pinnace; `cache` is where packages are fetched to."""
    moved = {"XDG_CACHE_HOME": str(cache)} if cache else {}
    command = (_BUILD, "publish", *arguments, "--repository", repository, "--cache", "none")
    run(*command, "--platform", _PLATFORMS, **moved)


def layers(repository: str, version: str) -> list[tuple[str, Path]]:
    """Download what was published of a version: its CLI layers."""
    registry = Registry(repository)
    index = registry.manifest(version)
    if index is None:
        sys.exit(f"{repository}:{version} was just published, and is gone")
    found = []
    for entry in index.document["manifests"]:
        image = registry.manifest(entry["digest"])
        if image and entry["platform"]["architecture"] != "unknown":
            digest = image.document["layers"][-1]["digest"]
            path = Path(tempfile.mkdtemp(prefix="pinnace-bench-")) / "layer"
            registry.download(digest, path)
            found.append((digest, path))
    return found


def plain_push(address: str, directory: Path, blobs: list[tuple[str, Path]]) -> None:
    """Fetch both packages with npm, push the same bytes with curl."""
    for package in load_known().entries[_NEXT].packages:
        if package.libc != "musl":
            spec = f"{package.name}@{_NEXT}"
            where = (f"--pack-destination={directory}", f"--cache={directory}/npm")
            run("npm", "pack", spec, *where)
    for digest, path in blobs:
        begun = subprocess.run(
            ["curl", "-sSfi", "-X", "POST", f"http://{address}/v2/plain/blobs/uploads/"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        place = next(x.split()[1] for x in begun.splitlines() if x.lower().startswith("location"))
        upload = f"{place}&digest={digest}"
        run("curl", "-sSf", "-T", str(path), "-H", "Content-Type: application/octet-stream", upload)


def npm_install(address: str, directory: Path, version: str) -> None:
    """Build and push the plain Dockerfile for both platforms."""
    (directory / "Dockerfile").write_text(_DOCKERFILE)
    ca = os.environ.get("NODE_EXTRA_CA_CERTS") or _npm("cafile")
    run(
        *("docker", "buildx", "build", f"--platform={_PLATFORMS}", "--provenance=false"),
        *(f"--build-arg=BASE={address}/claude:base-dev", f"--build-arg=VERSION={version}"),
        f"--build-arg=NPM_CONFIG_REGISTRY={_npm('registry')}",
        *([f"--secret=id=ca,src={ca}"] if Path(ca).is_file() else []),
        f"--output=type=registry,name={address}/plain-npm:{version}",
        str(directory),
    )


def _npm(setting: str) -> str:
    command = ["npm", "config", "get", setting]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def seconds(name: str, act: Callable[[Path], None]) -> float:
    """Time something that gets a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="pinnace-bench-") as place:
        begin = time.perf_counter()
        act(Path(place))
        taken = time.perf_counter() - begin
    print(f"{taken:7.1f} s  {name}", file=sys.stderr)
    return taken


@contextlib.contextmanager
def warm_registry() -> Iterator[str]:
    """Return a registry that holds the version before, and bases."""
    with (
        tempfile.TemporaryDirectory(prefix="pinnace-bench-") as name,
        RealRegistry(Path(name)) as registry,
    ):
        repository = f"{registry.address}/claude"
        seconds("the version before", lambda _: publish(repository, str(_BEFORE)))
        seconds("a base with Node", lambda _: publish(repository, *_BASES))
        yield registry.address


def one_round() -> tuple[float, float, float]:
    """Time all three once."""
    with warm_registry() as address:
        repository = f"{address}/claude"
        ours = seconds(_NAMES[0], lambda place: publish(repository, str(_NEXT), cache=place))
        blobs = layers(repository, str(_NEXT))
        plain = seconds(_NAMES[1], lambda place: plain_push(address, place, blobs))
        # Its cache is warm too: everything but the new version has been built before.
        seconds("npm: the version before", lambda place: npm_install(address, place, str(_BEFORE)))
        npm = seconds(_NAMES[2], lambda place: npm_install(address, place, str(_NEXT)))
    return ours, plain, npm


def main() -> None:
    """Print the table."""
    rounds = [one_round() for _ in range(_RUNS)]
    print(f"{_NEXT} after {_BEFORE}, {_PLATFORMS}: medians of {_RUNS} rounds, whole processes")
    for index, name in enumerate(_NAMES):
        median = statistics.median(r[index] for r in rounds)
        ratio = statistics.median(r[0] / r[index] for r in rounds)
        print(f"{name:<32}{median:>7.1f} s{ratio:>8.2f}")
    if "--json" in sys.argv:
        print(json.dumps(rounds))


if __name__ == "__main__":
    main()
