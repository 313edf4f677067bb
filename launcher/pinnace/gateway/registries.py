"""Which hosts package managers load from: those that their configuration names, here and inside.

What is built into a client is not written here either: the client in the image is asked, once for
each image.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace_core import host
from pinnace_core.files import read_own, write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pinnace_core.host import HostFacts

MANAGERS: Final = ("apt", "cargo", "go", "npm", "pip")
"""Groups of destinations, by the client's name."""
# Run inside, alone. Each line: a manager's name, and what its client says.
SCRIPT: Final = r"""
say() { sed "s#^#$1 #"; }
cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | say apt
npm config get registry 2>/dev/null | say npm
# The old yarn's word, and the new one's.
{ yarn config get registry; yarn config get npmRegistryServer; } 2>/dev/null | say npm
python3 -c 'from pip._internal.models.index import PyPI
print(PyPI.simple_url, "https://" + PyPI.file_storage_domain)' 2>/dev/null | say pip
go env GOPROXY GOSUMDB 2>/dev/null | say go
cat "${CARGO_HOME:-$HOME/.cargo}/config.toml" 2>/dev/null | say cargo
# It has no command that says its own index. With rustup, `cargo` is another program's name.
cargo=$(rustup which cargo 2>/dev/null || command -v cargo) &&
    grep -aoE 'sparse\+https://[a-z0-9.-]+/' "$cargo" 2>/dev/null | say built-in
"""
_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "npm": (".npmrc",),
    "pip": (".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml"),
    "cargo": (".cargo/config.toml", ".cargo/config"),
    "go": (".config/go/env",),
}
_VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "npm": ("NPM_CONFIG_REGISTRY", "npm_config_registry"),
    "pip": ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"),
    "go": ("GOPROXY", "GOSUMDB"),
}
_URL: Final = (
    r"(?i)(?P<scheme>https?)://(?:[^/@\s\"']*@)?(?P<host>(?:[a-z0-9_-]+\.)+[a-z][a-z0-9_-]*)"
    r"(?::(?P<port>[0-9]{1,5}))?(?=[/\s\"',]|$)"
)
# Cargo's own index. Where its files lie is said there alone: at another name of the same domain.
_INDEX: Final = r"(?m)^built-in sparse\+https://(?:[a-z0-9-]+\.)((?:[a-z0-9-]+\.)+[a-z]+)/$"
# Of GOSUMDB: a name without a scheme.
_NAME: Final = r"(?m)^go ((?:[a-z0-9-]+\.)+[a-z]+)$"
_PORTS: Final = {"https": 443, "http": 80}
_MOST_BYTES: Final = 1 << 16


def found_in(text: str) -> set[tuple[str, int]]:
    """Return the hosts, and ports, of all URLs in a text; addresses are none."""
    if "://" not in text:
        return set()
    return {
        (m["host"].lower(), int(m["port"] or _PORTS[m["scheme"].lower()]))
        for m in re.finditer(_URL, text)
    }


def of_image(said: str) -> dict[str, list[tuple[str, int]]]:
    """Return what the clients in an image load from, by manager.

    Args:
        said: by `SCRIPT`.
    """
    lines = [line.partition(" ") for line in said.splitlines()]
    texts = {name: "\n".join(rest for n, _, rest in lines if n == name) for name in MANAGERS}
    found = {name: found_in(text) for name, text in texts.items()}
    found["go"] |= {(name, 443) for name in re.findall(_NAME, said)}
    found["cargo"] |= {(f"*.{domain}", 443) for domain in re.findall(_INDEX, said)}
    return {name: sorted(hosts) for name, hosts in found.items()}


def of_user(facts: HostFacts) -> dict[str, set[tuple[str, int]]]:
    """Return what the user's own configuration names, by manager."""
    found: dict[str, set[tuple[str, int]]] = {name: set() for name in MANAGERS}
    for name, files in _FILES.items():
        for file in files:
            found[name] |= found_in(_read(Path(facts.home, file)))
    for name, variables in _VARIABLES.items():
        for variable in variables:
            found[name] |= found_in(facts.environment.get(variable, "").replace(",", " "))
    return found


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""


def known(facts: HostFacts, images: Iterable[str]) -> dict[str, list[tuple[str, int]]]:
    """Return what is known of all managers.

    Args:
        facts: the host.
        images: ids of those whose clients count, if they were asked.
    """
    found = of_user(facts)
    for image in images:
        for name, hosts in (_recorded(image) or {}).items():
            found[name] |= set(hosts)
    return {name: sorted(hosts) for name, hosts in found.items()}


def asked() -> list[str]:
    """Return the ids of all images whose clients were asked."""
    return [path.stem for path in _place().glob("*.json")]


def ask(image: str, run: Callable[[str], str]) -> None:
    """Ask the clients in an image, unless that was done.

    Args:
        image: the id.
        run: runs a script in it, alone, and returns what it says.
    """
    if _recorded(image) is None:
        document = json.dumps(of_image(run(SCRIPT))).encode()
        write_atomic(_place() / f"{_digits(image)}.json", document)


def _recorded(image: str) -> dict[str, list[tuple[str, int]]] | None:
    try:
        document = json.loads(read_own(_place() / f"{_digits(image)}.json", most=_MOST_BYTES))
        return {name: [(str(h), int(p)) for h, p in document.get(name, [])] for name in MANAGERS}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _place() -> Path:
    return host.directory("state") / "registries"


def _digits(image: str) -> str:
    return image.rpartition(":")[2]
