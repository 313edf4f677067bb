"""A fake engine and a fake docker client, both told by the test what to answer.

The engine speaks on a unix socket. The client is this very file, run as a program that stands
first on PATH: it logs what it was called with and what reached it, one JSON object a line. A
gateway's container it stands for itself: it answers for leases, and ends soon after the last one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import signal
import socket
import socketserver
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Answer: TypeAlias = tuple[bytes, ...]
"""What goes over the socket, piece by piece."""
Document: TypeAlias = dict[str, Any]

INFO: Final[dict[str, Any]] = {
    "ServerVersion": "99.1.2",
    "Name": "somewhere",
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    "KernelVersion": "6.1.0-18-amd64",
    "CgroupVersion": "2",
    "MemoryLimit": True,
    "PidsLimit": True,
    "InitBinary": "docker-init",
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
}
"""What a plain engine says about itself."""
GATEWAY: Final[dict[str, Any]] = {
    "Id": f"sha256:{'9a' * 32}",
    "RepoTags": ["pinnace/gateway:local"],
    "Created": "2026-01-01T00:00:00Z",
    "Config": {"Labels": {"pinnace.gateway": "1"}},
}
"""The gateway's image, which it has, and does not list."""

CLI: Final = b"the CLI"
"""What an image's CLI is, for who takes it out."""
_SIGNALS: Final = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
_PLACE: Final = "FAKE_DOCKER"
_OF_LAUNCHES: Final = "--label=pinnace.run.workspace="
_OF_GATEWAYS: Final = "--label=pinnace.run.gateway="
_LAUNCHES: Final = ",target=/run/pinnace/launches"
_LOGS: Final = ",target=/var/log/pinnace"
_GATEWAY_CONFIG: Final = ",target=/etc/pinnace"
_CONFIG: Final = ",target=/home/agent/.claude"
_IDLE_SECONDS: Final = 3.0
_POLL_SECONDS: Final = 0.01
_PATIENCE_SECONDS: Final = 120.0


def text(body: str | bytes, status: int = 200, *, length: int | None = None) -> Answer:
    """An answer as the engine gives it; `length` lies about the body's."""
    data = body.encode() if isinstance(body, str) else body
    size = len(data) if length is None else length
    return (f"HTTP/1.0 {status} X\r\nContent-Length: {size}\r\n\r\n".encode(), data)


def as_json(document: object, status: int = 200) -> Answer:
    """An answer in JSON."""
    return text(json.dumps(document), status)


def in_pieces(answer: Answer, size: int) -> Answer:
    """The same answer, cut where nobody would expect it."""
    whole = b"".join(answer)
    return tuple(whole[i : i + size] for i in range(0, len(whole), size))


class FakeEngine:
    """Knows some images; `answers` overrides what it says, by path without the query."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.endpoint = f"unix://{path}"
        self.images: list[Document] = []
        self.answers: dict[str, Answer] = {}
        self.requests: list[bytes] = []

    def answer(self, request: bytes) -> Answer:
        """Return what goes back for the head of a request."""
        self.requests.append(request)
        path = request.split(b" ")[1].decode().partition("?")[0]
        if path in self.answers:
            return self.answers[path]
        of_engine = {
            "/info": INFO,
            "/version": {"Version": "99.1.2", "ApiVersion": "1.50"},
            "/images/json": [_listed(image) for image in self.images],
        }
        if path in of_engine:
            return as_json(of_engine[path])
        for image in (*self.images, GATEWAY):
            if path in {f"/images/{name}/json" for name in (image["Id"], *image["RepoTags"])}:
                return as_json(image)
        return as_json({"message": "No such image"}, 404)


def _listed(image: Document) -> Document:
    """The list is flat, and counts seconds."""
    return {
        "Id": image["Id"],
        "Labels": image["Config"]["Labels"],
        "RepoTags": image["RepoTags"],
        "Created": int(image["Created"][:4]),
    }


@contextlib.contextmanager
def serve() -> Iterator[FakeEngine]:
    """Run a fake engine; its socket lies in a directory with a short name, as sockets must."""
    place = Path(tempfile.mkdtemp(prefix="pn-"))
    engine = FakeEngine(str(place / "s"))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            # A client that is killed may have said nothing, or half of it.
            while (line := self.rfile.readline()) not in {b"\r\n", b""}:
                head += line
            if not line:
                return
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for piece in engine.answer(head):
                    self.wfile.write(piece)
                    time.sleep(0)

    class Server(socketserver.ThreadingUnixStreamServer):
        request_queue_size = 128  # many launches may ask at once

    server = Server(engine.path, Handler)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,))
    thread.start()
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        shutil.rmtree(place)


class FakeDocker:
    """The client as the test sees it.

    Commands are `image ls`, `image inspect`, `version`, `check` (a verification: a run without
    network), `run`, `exec`, and `container ls|inspect|stop|rm|logs`; a container that is stopped or
    removed is gone.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.bin = place / "bin"
        self.program = self.bin / "docker"
        self._script: Document = {"images": [], "containers": []}
        self.bin.mkdir(parents=True)
        self.program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{__file__}" "$@"\n')
        self.program.chmod(0o755)
        self.will("run")

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find it."""
        return {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            _PLACE: str(self.place),
        }

    def knows(self, images: Sequence[Document]) -> None:
        """Return which images it lists and describes."""
        self._script["images"] = list(images)
        self.will("run")

    def holds(self, *containers: Document) -> None:
        """Return which containers there are, as an engine inspects them."""
        self._script["containers"] = list(containers)
        self.will("run")

    @property
    def containers(self) -> list[str]:
        """Name the containers that are left."""
        script = json.loads((self.place / "script.json").read_text())
        return [one["Name"].lstrip("/") for one in script["containers"]]

    def will(self, command: str, **behaviour: Any) -> None:
        """Return what it does for a command: stdout, stderr, echo, wait, kill, code; in this order.

        Args:
            command: which.
            behaviour: `writes` puts files, by their names, into Claude's config directory, `echo`
                copies standard input, `lives` does so as a container that is there until its input
                ends, or it is stopped or removed, `wait` logs signals until `finish`, `kill` is
                the number of the signal that it ends itself with.
        """
        self._script[command] = behaviour
        _save(self.place, self._script)

    def finish(self) -> None:
        """End the waiting."""
        (self.place / "finish").touch()

    def log(self, event: str) -> list[Document]:
        """Return the records of a kind: call, ready, signal."""
        try:
            # The last line may still be on its way.
            whole, _, _ = (self.place / "log.jsonl").read_text().rpartition("\n")
        except FileNotFoundError:
            return []
        records = map(json.loads, whole.splitlines())
        return [record for record in records if record["event"] == event]

    def calls(self, command: str) -> list[list[str]]:
        """Return the arguments of each call of a command."""
        return [record["argv"] for record in self.log("call") if record["command"] == command]

    def signals(self) -> list[str]:
        """Return the names of the signals that reached it."""
        return [record["name"] for record in self.log("signal")]


def _main(arguments: list[str]) -> int:
    place = Path(os.environ[_PLACE])
    command = _command(arguments)
    _log(place, event="call", command=command, argv=arguments, environment=dict(os.environ))
    if command == "gateway":
        return _gateway(arguments)
    script = json.loads((place / "script.json").read_text())
    if command == "cp" and command not in script:
        return _copied(arguments[1])
    todo = _todo(place, command, arguments, script)
    for stream, name in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
        if stream is not None:
            stream.buffer.write(todo.get(name, "").encode(errors="surrogateescape"))
            stream.flush()
    for name, content in todo.get("writes", {}).items():
        _mounted(arguments, _CONFIG).joinpath(name).write_text(content)
    if todo.get("echo"):
        shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    if todo.get("lives"):
        return _live(place, arguments)
    if todo.get("wait"):
        _wait(place)
    if "kill" in todo:
        with contextlib.suppress(OSError):  # SIGKILL has no other action
            signal.signal(todo["kill"], signal.SIG_DFL)
        os.kill(os.getpid(), todo["kill"])
    return int(todo.get("code", 0))


def _todo(place: Path, command: str, arguments: list[str], script: Document) -> Document:
    """What it was told to do, or else does of its own accord."""
    if command in script:
        told: Document = script[command]
        return told
    if command == "create":
        return _created(place, arguments, script)
    if arguments[0] == "container":
        return _container(place, arguments, script)
    return _own(arguments, script["images"])


def _command(arguments: list[str]) -> str:
    if arguments[0] == "run":
        if any(argument.startswith(_OF_GATEWAYS) for argument in arguments):
            return "gateway"
        launches = any(argument.startswith(_OF_LAUNCHES) for argument in arguments)
        return "check" if "--network=none" in arguments and not launches else "run"
    return " ".join(arguments[:2]) if arguments[0] in {"image", "container"} else arguments[0]


def _gateway(arguments: list[str]) -> int:
    """Answer for leases as long as there are any, and say which credentials are in force."""
    logs, config = _mounted(arguments, _LOGS), _mounted(arguments, _GATEWAY_CONFIG)
    os.chdir(_mounted(arguments, _LAUNCHES))
    shown = None
    leases: list[socket.socket] = []
    last = time.monotonic()
    with socket.socket(socket.AF_UNIX) as server:
        Path("lease.sock").unlink(missing_ok=True)
        server.bind("lease.sock")
        server.listen()
        server.settimeout(0)
        while time.monotonic() < last + _IDLE_SECONDS and Path("lease.sock").exists():
            with contextlib.suppress(BlockingIOError):
                leases.append(server.accept()[0])
            leases = [lease for lease in leases if _answered(lease)]
            before, shown = shown, _read(config / "credentials")
            if shown != before:
                (logs / "credentials").write_text(hashlib.sha256(shown or b"").hexdigest())
            last = time.monotonic() if leases else last
            time.sleep(_POLL_SECONDS)
    return 0


def _created(place: Path, arguments: list[str], script: Document) -> Document:
    """Make a container, which is there until it is removed."""
    (name,) = (a.partition("=")[2] for a in arguments if a.startswith("--name="))
    made = {"Id": name, "Name": f"/{name}", "Created": "2026-01-01T00:00:00Z"}
    script["containers"].append({**made, "Config": {"Labels": {}}, "State": {}, "Mounts": []})
    _save(place, script)
    return {}


def _copied(source: str) -> int:
    """Give a file of a container, which has the CLI alone."""
    name = source.rpartition("/")[2]
    if name != "claude":
        sys.stderr.write(
            f"Error response from daemon: Could not find the file {name} in container\n"
        )
        return 1
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(CLI)
        archive.addfile(member, io.BytesIO(CLI))
    return 0


def _mounted(arguments: list[str], target: str) -> Path:
    (mount,) = (word for word in arguments if f"{word},".find(f"{target},") > 0)
    return Path(mount.partition(target)[0].partition("source=")[2])


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _answered(lease: socket.socket) -> bool:
    """Answer what was asked; tell whether anybody is there."""
    lease.settimeout(0)
    try:
        asked = lease.recv(1)
    except BlockingIOError:
        return True
    except OSError:
        return False
    if asked:
        lease.sendall(asked)
    return bool(asked)


def alive(place: Path) -> list[Document]:
    """Return the containers that run in a client's place, as an engine inspects them."""
    found = []
    for path in (place / "alive").glob("pinnace-*"):
        with contextlib.suppress(FileNotFoundError):
            found.append(json.loads(path.read_text()))
    return found


def _live(place: Path, arguments: list[str]) -> int:
    """Be a container, from a moment on that nobody knows."""
    (name,) = (a.partition("=")[2] for a in arguments if a.startswith("--name="))
    labels = [a.partition("=")[2].partition("=") for a in arguments if a.startswith("--label=")]
    time.sleep(random.random() / 20)  # noqa: S311 (any)
    path = place / "alive" / name
    path.parent.mkdir(exist_ok=True)
    made: Document = {"Id": name, "Name": f"/{name}", "Created": "2026-01-01T00:00:00Z"}
    made |= {"State": {"Status": "running"}, "Mounts": [], "Pid": os.getpid()}
    made["Config"] = {"Labels": {key: value for key, _, value in labels}}
    temporary = path.with_name(f".{name}")
    temporary.write_text(json.dumps(made))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    temporary.rename(path)
    try:
        while data := os.read(0, 1 << 16):
            os.write(1, data)
    finally:
        path.unlink(missing_ok=True)
    return 0


def _struck(place: Path, arguments: list[str]) -> Document:
    """Send a signal to containers that live; a removed one is gone at once."""
    number = {"kill": signal.SIGTERM, "stop": signal.SIGTERM, "rm": signal.SIGKILL}[arguments[1]]
    names, struck = [a for a in arguments[2:] if a.startswith("pinnace-")], False
    for one in alive(place):
        if one["Id"] in names:
            struck = True
            if number == signal.SIGKILL:
                (place / "alive" / one["Id"]).unlink(missing_ok=True)
            with contextlib.suppress(ProcessLookupError):
                os.kill(one["Pid"], number)
    missing = "Error response from daemon: No such container: x\n"
    return {} if struck or arguments[1] == "rm" else {"stderr": missing, "code": 1}


def _container(place: Path, arguments: list[str], script: Document) -> Document:
    """What a client does with containers of its own accord."""
    if (place / "alive").exists() and arguments[1] in {"kill", "stop", "rm"}:
        return _struck(place, arguments)
    containers = script["containers"] + alive(place)
    if arguments[1] == "ls":
        wanted = {a.split("=")[2] for a in arguments if a.startswith("--filter=label=")}
        fitting = [one for one in containers if wanted <= one["Config"]["Labels"].keys()]
        return {"stdout": "".join(f"{one['Id']}\n" for one in fitting)}
    if arguments[1] == "logs":
        return {}
    names = [a for a in arguments[2:] if not a.startswith("-") and not a.isdigit()]
    named = [one for one in containers if {one["Id"], one["Name"].lstrip("/")} & set(names)]
    missing = "Error response from daemon: No such container: x\n" * (len(names) - len(named))
    if arguments[1] == "inspect":
        return {"stdout": json.dumps(named), "stderr": missing, "code": int(bool(missing))}
    script["containers"] = [one for one in containers if one not in named]
    _save(place, script)
    return {"stderr": missing, "code": int(bool(missing))}


def _own(arguments: list[str], images: list[Document]) -> Document:
    """What a client does of its own accord."""
    if arguments[0] == "version":
        return {"stdout": "99.1.2\n"}
    if arguments[0] == "network":
        return {}
    if arguments[0] == "info":
        return {"stdout": json.dumps(INFO)}
    if arguments[1] == "ls":
        return {"stdout": "".join(f"{image['Id']}\n" for image in images)}
    named = {name: image for image in images for name in (image["Id"], *image["RepoTags"])}
    missing = [name for name in arguments[2:] if name not in named]
    found = [named[name] for name in arguments[2:] if name in named]
    errors = "".join(f"Error response from daemon: No such image: {name}\n" for name in missing)
    return {"stdout": json.dumps(found), "stderr": errors, "code": int(bool(missing))}


def _wait(place: Path) -> None:
    for name in _SIGNALS:
        signal.signal(
            getattr(signal, name),
            lambda number, _: _log(place, event="signal", name=signal.Signals(number).name),
        )
    blocked = sorted(signal.Signals(n).name for n in signal.pthread_sigmask(signal.SIG_BLOCK, []))
    _log(place, event="ready", pid=os.getpid(), blocked=blocked)
    # This file alone is the program: nothing of the project can be imported.
    until = time.monotonic() + _PATIENCE_SECONDS
    while not (place / "finish").exists():
        if time.monotonic() > until:
            raise TimeoutError("nobody ended the waiting")
        time.sleep(_POLL_SECONDS)


def _save(place: Path, script: Document) -> None:
    """Replace the script as a whole: others read it at any time."""
    new = place / f"script.json.{os.getpid()}"
    new.write_text(json.dumps(script))
    new.replace(place / "script.json")


def _log(place: Path, **record: object) -> None:
    with (place / "log.jsonl").open("a") as stream:
        stream.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
