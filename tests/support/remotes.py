"""What developers' clients load from and push to: package registries, and a host of git's.

All are one server, which has the names that the clients in an image say: nothing is set inside.
Each registry has one package of that client's own kind, all with the same word in it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pinnace.gateway import registries
from tests.support.outside import StandIn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PACKAGE: Final = "stand-in"
VERSION: Final = "1.0.0"
MODULE: Final = "stand-in.example/module"
WORD: Final = "from the stand-in"
APT: Final = "apt.example"
GITHUB: Final = "github.com"
TOKEN: Final = "canary-token-of-git"  # noqa: S105 (nobody's)
REPOSITORY: Final = "me/project.git"
SOURCES: Final = f"deb [trusted=yes] http://{APT}/debian ./"
"""Of an image whose packages come from there; Debian's own signatures nobody else can make."""
_ROOT: Final = "/srv/remotes"
# Serves files, whoever is asked, and git's own program for repositories, to who has the token.
_SERVER: Final = """
import base64, http.server, json, os, ssl, subprocess, sys, threading
place, token = sys.argv[1:]
expected = "Basic " + base64.b64encode(b"x-access-token:" + token.encode()).decode()
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, directory=place + "/files", **options)
    def do_GET(self):
        asked = {"method": self.command, "host": self.headers.get("host"), "path": self.path}
        print(json.dumps(asked), flush=True)
        if ".git/" in self.path:
            return self.git()
        return super().do_GET()
    def do_POST(self):
        if ".git/" in self.path:
            return self.do_GET()
        self.close_connection = True
        self.send_error(404)
    def git(self):
        if self.headers.get("authorization") != expected:
            return self.answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        variables = {
            "GIT_PROJECT_ROOT": "/srv/git", "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "me",
            "REQUEST_METHOD": self.command, "PATH_INFO": path, "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("content-type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""), "HOME": "/srv/git",
        }
        said = subprocess.run(["git", "http-backend"], input=body, stdout=subprocess.PIPE,
                              env=os.environ | variables, user="git", group="git").stdout
        head, _, content = said.partition(b"\\r\\n\\r\\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\\r\\n"))
        self.answer(int(headers.pop("Status", "200").split()[0]), headers, content)
    def answer(self, status, headers, content):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
    def log_message(self, *_):
        pass
Server = http.server.ThreadingHTTPServer
plain, encrypted = (Server(("", port), Handler) for port in (80, 443))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/certificate/own.pem", "/certificate/own.key")
encrypted.socket = context.wrap_socket(encrypted.socket, server_side=True)
threading.Thread(target=plain.serve_forever, daemon=True).start()
print("ready", flush=True)
encrypted.serve_forever()
"""
_START: Final = f"""
set -e
useradd --home-dir /srv/git --shell /bin/bash --password '*' git
install --directory --owner=git /srv/git /srv/git/{REPOSITORY}
install --directory /run/sshd
setpriv --reuid git --clear-groups git init -q --bare --initial-branch=main /srv/git/{REPOSITORY}
install --mode=600 {_ROOT}/host_key /run/host_key
/usr/sbin/sshd -h /run/host_key -o StrictModes=no -o UsePAM=no -o AuthorizedKeysFile={_ROOT}/key.pub
exec python3 -c "$0" {_ROOT} {TOKEN}
"""


@dataclass(frozen=True)
class Names:
    """What clients call their registries.

    Attributes:
        npm, pip, files, go, index, crates: each a name; `files` is where pip's packages lie,
            `crates` where cargo's do.
    """

    npm: str
    pip: str
    files: str
    go: str
    index: str
    crates: str


def names(image: str) -> Names:
    """Ask the clients in an image, as a launch does."""
    command = ["docker", "run", "--rm", "--network=none", image, "sh", "-c", registries.SCRIPT]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (npm, *_), (pip, files), (go, *_) = (_of(said, client) for client in ("npm", "pip", "go"))
    (index,) = _of(said, "built-in")
    return Names(npm, pip, files, go, index, f"static.{index.partition('.')[2]}")


def _of(said: str, client: str) -> list[str]:
    lines = [line for line in said.splitlines() if line.startswith(f"{client} ")]
    return re.findall(r"https://([^/,\s]+)", "\n".join(lines))


def remotes(place: Path, image: str) -> StandIn:
    """Make what is served.

    Args:
        place: a directory: `host_key` and `key` in it are ssh's, of the server and of the user.
        image: whose clients are to find it; it has apt's and ssh's programs, too.
    """
    known = names(image)
    files = {
        **_npm(known),
        **_pip(known),
        **_cargo(known),
        **_go(),
        **_deb(image, place),
    }
    for path, content in files.items():
        target = place / "files" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    for name in ("host_key", "key"):
        key = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(place / name))
        subprocess.run(key, check=True)
    every = (known.npm, known.pip, known.files, known.go, known.index, known.crates, APT, GITHUB)
    command = ("bash", "-c", _START, _SERVER)
    return StandIn(tuple(dict.fromkeys(every)), command, {place: _ROOT})


def _npm(known: Names) -> dict[str, bytes]:
    about = {"name": PACKAGE, "version": VERSION, "main": "index.js"}
    source = f"module.exports = {json.dumps(WORD)}\n".encode()
    tarball = _tarball(
        {"package/package.json": json.dumps(about).encode(), "package/index.js": source}
    )
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(tarball).digest()).decode()}"
    path = f"tarballs/{PACKAGE}-{VERSION}.tgz"
    dist = {"tarball": f"https://{known.npm}/{path}", "integrity": integrity}
    document = {
        "name": PACKAGE,
        "dist-tags": {"latest": VERSION},
        "versions": {VERSION: {**about, "dist": dist}},
    }
    return {PACKAGE: json.dumps(document).encode(), path: tarball}


def _pip(known: Names) -> dict[str, bytes]:
    module = PACKAGE.replace("-", "_")
    info = f"{module}-{VERSION}.dist-info"
    wheel = _zip(
        {
            f"{module}.py": f"word = {WORD!r}\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": "",
        }
    )
    path = f"packages/{module}-{VERSION}-py3-none-any.whl"
    digest = hashlib.sha256(wheel).hexdigest()
    page = f'<a href="https://{known.files}/{path}#sha256={digest}">{path.rpartition("/")[2]}</a>'
    return {path: wheel, f"simple/{PACKAGE}/index.html": page.encode()}


def _cargo(known: Names) -> dict[str, bytes]:
    root = f"{PACKAGE}-{VERSION}"
    manifest = f'[package]\nname = "{PACKAGE}"\nversion = "{VERSION}"\nedition = "2021"\n'
    source = f"pub const WORD: &str = {json.dumps(WORD)};\n"
    crate = _tarball(
        {f"{root}/Cargo.toml": manifest.encode(), f"{root}/src/lib.rs": source.encode()}
    )
    line = {
        "name": PACKAGE,
        "vers": VERSION,
        "deps": [],
        "features": {},
        "yanked": False,
        "cksum": hashlib.sha256(crate).hexdigest(),
    }
    return {
        "config.json": json.dumps({"dl": f"https://{known.crates}/crates"}).encode(),
        f"{PACKAGE[:2]}/{PACKAGE[2:4]}/{PACKAGE}": json.dumps(line).encode(),
        f"crates/{PACKAGE}/{VERSION}/download": crate,
    }


_GO_MOD: Final = f"module {MODULE}\n"
_GO_FILES: Final[Mapping[str, str]] = {
    f"{MODULE}@v{VERSION}/go.mod": _GO_MOD,
    f"{MODULE}@v{VERSION}/module.go": f'package module\n\nconst Word = "{WORD}"\n',
}


def _go() -> dict[str, bytes]:
    base = f"{MODULE}/@v/v{VERSION}"
    info = {"Version": f"v{VERSION}", "Time": "2026-01-01T00:00:00Z"}
    return {
        f"{base}.info": json.dumps(info).encode(),
        f"{base}.mod": _GO_MOD.encode(),
        f"{base}.zip": _zip(_GO_FILES),
    }


def go_sum() -> str:
    """Return what a project's `go.sum` holds of it: what is in there, go asks nobody else about.

    https://pkg.go.dev/golang.org/x/mod/sumdb/dirhash#Hash1
    """
    of_mod = _hash_1({"go.mod": _GO_MOD})
    return f"{MODULE} v{VERSION} {_hash_1(_GO_FILES)}\n{MODULE} v{VERSION}/go.mod {of_mod}\n"


def _hash_1(files: Mapping[str, str]) -> str:
    lines = (
        f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n"
        for name, text in sorted(files.items())
    )
    whole = hashlib.sha256("".join(lines).encode()).digest()
    return f"h1:{base64.b64encode(whole).decode()}"


def _deb(image: str, place: Path) -> dict[str, bytes]:
    """Make a package by Debian's own program, which is in the image."""
    tree = place / "deb"
    control = {
        "Package": PACKAGE,
        "Version": VERSION,
        "Architecture": "all",
        "Maintainer": "nobody <nobody@example>",
        "Description": "a stand-in",
    }
    text = "".join(f"{name}: {value}\n" for name, value in control.items())
    for path, content in {"DEBIAN/control": text, f"usr/share/{PACKAGE}": f"{WORD}\n"}.items():
        (tree / path).parent.mkdir(parents=True)
        (tree / path).write_text(content)
    build = ("dpkg-deb", "--build", "--root-owner-group", "/tree", "/tmp/deb")  # noqa: S108 (inside)
    inside = ("docker", "run", "--rm", "--user=0", "--network=none", f"--volume={tree}:/tree:ro")
    script = '"$@" >/dev/null && cat /tmp/deb'
    command = [*inside, image, "sh", "-c", script, "sh", *build]
    deb = subprocess.run(command, check=True, capture_output=True).stdout
    name = f"{PACKAGE}_{VERSION}_all.deb"
    digest = hashlib.sha256(deb).hexdigest()
    index = f"{text}Filename: ./{name}\nSize: {len(deb)}\nSHA256: {digest}\n\n"
    return {f"debian/{name}": deb, "debian/Packages": index.encode()}


def _tarball(files: Mapping[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with gzip.open(whole, "wb") as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def _zip(files: Mapping[str, str]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return whole.getvalue()
