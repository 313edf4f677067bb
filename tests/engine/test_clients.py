"""Developers' own clients, in a container without a network: each finds its way by itself.

What they load from and push to are stand-ins, which have the names that the clients in the image
say; nothing is set inside.
"""

from __future__ import annotations

import json
import select
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.engine.conftest import Launcher, docker, launching, remove_images_by_id
from tests.support import browser, remotes
from tests.support.mcp_server import PATH, TOOL, mcp_server
from tests.support.messages_api import Text, ToolUse
from tests.support.outside import outside
from tests.support.remotes import GITHUB, MODULE, PACKAGE, REPOSITORY, TOKEN, VERSION, WORD
from tests.support.ssh_agent import ssh_agent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.messages_api import MessagesApi
    from tests.support.outside import Outside

# One worker makes the image, once, and the servers.
pytestmark = pytest.mark.xdist_group("clients")
_PATIENCE_SECONDS: Final = 120
_KNOWN: Final = ("verified", "registries")
_DOCKERFILE: Final = f"""\
FROM pinnace
RUN rm -rf /etc/apt/sources.list.d/* && echo '{remotes.SOURCES}' > /etc/apt/sources.list
"""
_COMMIT: Final = "git add . && git -c user.name=n -c user.email=e@example commit -qm"
_MODULES: Final = 12
_OPENINGS: Final = 5
_PAGE_SECONDS: Final = 30
# What a framework's dev server does: a page of many modules, and a socket that tells of changes.
_DEV_SERVER: Final = """
const http = require('http'), crypto = require('crypto')
const [host, modules] = [process.argv[2], Number(process.argv[3])]
const names = [...Array(modules).keys()]
const page = `<script>
const tell = (...words) => fetch('/seen', {method: 'POST', body: words.join(' ')})
</script>
<script type="module" onerror="location.reload()">
${names.map(n => `import m${n} from '/m/${n}.js'`).join('\\n')}
const sum = [${names.map(n => `m${n}`)}].length
const changes = new WebSocket('ws://' + location.host + '/changes')
changes.onmessage = change => tell(sum, change.data, location.host)
changes.onerror = () => location.reload()
</script>`
const server = http.createServer((request, response) => {
  const module = request.url.startsWith('/m/')
  response.setHeader('content-type', module ? 'text/javascript' : 'text/html')
  if (request.url !== '/seen') return response.end(module ? 'export default 1' : page)
  request.on('data', data => { console.log(`seen ${data}`); process.exit() })
})
server.on('upgrade', ({headers}, socket) => {
  const key = headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
  const accept = crypto.createHash('sha1').update(key).digest('base64')
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n' +
    `Connection: Upgrade\\r\\nSec-WebSocket-Accept: ${accept}\\r\\n\\r\\n`)
  const frame = Buffer.concat([Buffer.from([0x81, 6]), Buffer.from('reload')])
  setTimeout(() => socket.write(frame), 100)
})
server.listen(3000, host, () => console.log('listening'))
"""


class Prepared:
    """The image of a project with several languages, and what clients in it find outside.

    Attributes:
        variables: that make a launch take that image, and reach what is outside.
        place: with what is served, and the user's ssh key.
        world: it.
        state: what launches found out about the image.
    """

    def __init__(self, variables: dict[str, str], place: Path, world: Outside, state: Path) -> None:
        self.variables, self.place, self.world, self.state = variables, place, world, state

    def requests(self, client: str) -> list[str]:
        """Return what a host was asked for until now."""
        return [one["path"] for one in self.world.asked() if one["host"] == client]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, image: str) -> Iterator[Prepared]:
    """Build the image as a launch does, and start the servers."""
    assert image
    place = tmp_path_factory.mktemp("clients")
    # As another user, Claude reads what lies in there.
    for part in (place, place.parent):
        part.chmod(0o755)
    dockerfile = place / "docker" / "Dockerfile"
    dockerfile.parent.mkdir()
    dockerfile.write_text(_DOCKERFILE)
    variables = {
        "PINNACE_ISOLATION": "standard",
        "PINNACE_TOOLS": "node",
        "PINNACE_PACKAGES": "cargo,golang-go,openssh-server",
        "PINNACE_DOCKERFILE": str(dockerfile),
    }
    (place / "first").mkdir()
    with launching(place / "first", "http://127.0.0.1:9") as first:
        first.environment |= variables
        done = first.run("shell", text="true")
        assert done.returncode == 0, done.stderr
        made = json.loads(first.run("status", "--json").stdout)["result"]["image"]["id"]
        try:
            served = place / "served"
            served.mkdir()
            stand_in = remotes.remotes(served, made)
            for world in outside(place / "certificate", made, stand_in=stand_in):
                variables |= {
                    "PINNACE_GATEWAY_NETWORK": world.network,
                    "PINNACE_CERTIFICATES": str(world.authority),
                }
                state = Path(first.environment["HOME"], ".local", "state", "pinnace")
                yield Prepared(variables, served, world, state)
        finally:
            remove_images_by_id({made})


@pytest.fixture
def client(launcher: Launcher, api: MessagesApi, prepared: Prepared) -> Launcher:
    """`pinnace` in a project of that image."""
    launcher.environment |= {
        **prepared.variables,
        "ANTHROPIC_BASE_URL": api.url_for("127.0.0.1"),
    }
    state = Path(launcher.environment["HOME"], ".local", "state", "pinnace")
    for kind in _KNOWN:
        shutil.copytree(prepared.state / kind, state / kind)
    return launcher


def _inside(launcher: Launcher, script: str) -> str:
    done = launcher.run("shell", text=f"set -e\n{script}")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "refused" not in done.stderr
    return done.stdout


def test_npm_installs(client: Launcher) -> None:
    said = _inside(client, f"npm install {PACKAGE}; node -p 'require(\"{PACKAGE}\")'")

    assert said.endswith(f"{WORD}\n")
    locked = json.loads((client.project / "package-lock.json").read_text())
    assert locked["packages"][f"node_modules/{PACKAGE}"]["version"] == VERSION


def test_pip_installs(client: Launcher) -> None:
    script = f"""
    python3 -m venv .venv
    .venv/bin/pip install {PACKAGE}
    .venv/bin/python -c 'import stand_in; print(stand_in.word)'
    """
    assert _inside(client, script).endswith(f"{WORD}\n")


def test_apt_updates_and_downloads_what_can_be_unpacked(client: Launcher) -> None:
    script = f"""
    apt-get update && apt-get download {PACKAGE}
    dpkg -x {PACKAGE}_{VERSION}_all.deb ~/unpacked && cat ~/unpacked/usr/share/{PACKAGE}
    """
    assert _inside(client, script).endswith(f"{WORD}\n")


def test_cargo_fetches_and_builds(client: Launcher) -> None:
    (client.project / "src").mkdir()
    (client.project / "Cargo.toml").write_text(
        f'[package]\nname = "own"\nedition = "2021"\n[dependencies]\n{PACKAGE} = "1"\n'
    )
    source = 'fn main() { println!("{}", stand_in::WORD); }\n'
    (client.project / "src" / "main.rs").write_text(source)

    assert _inside(client, "cargo fetch; cargo run --quiet").endswith(f"{WORD}\n")


def test_go_downloads_and_verifies(client: Launcher) -> None:
    required = f"module own\n\ngo 1.24\n\nrequire {MODULE} v{VERSION}\n"
    (client.project / "go.mod").write_text(required)
    (client.project / "go.sum").write_text(remotes.go_sum())
    said = _inside(client, "go mod download && go mod verify && cat $(go env GOMODCACHE)/*/*/*.go")

    assert "all modules verified" in said
    assert WORD in said


def test_git_clones_and_pushes_over_https_and_ssh(client: Launcher, prepared: Prepared) -> None:
    home = Path(client.environment["HOME"])
    (home / ".ssh").mkdir()
    public = (prepared.place / "host_key.pub").read_text()
    (home / ".ssh" / "known_hosts").write_text(f"{GITHUB} {public}")
    client.environment |= {"GH_TOKEN": TOKEN, "PINNACE_ENVIRONMENT": "GH_TOKEN"}
    over_https = f"""
    git clone https://{GITHUB}/{REPOSITORY} over-https && cd over-https
    echo 1 > one && {_COMMIT} 'over https' && git push origin HEAD:main
    """
    over_ssh = f"""
    git clone git@{GITHUB}:{REPOSITORY} over-ssh && cd over-ssh && cat one
    echo 2 > two && {_COMMIT} 'over ssh' && git push origin HEAD:main
    """
    _inside(client, over_https)
    with ssh_agent(client.place / "agent.sock", prepared.place / "key"):
        client.environment |= {
            "SSH_AUTH_SOCK": str(client.place / "agent.sock"),
            "PINNACE_SSH_AGENT": "true",
        }
        assert _inside(client, over_ssh) == "1\n"
    log = ("git", "-c", "safe.directory=*", "-C", f"/srv/git/{REPOSITORY}", "log", "--format=%s")
    pushed = docker("exec", prepared.world.container, *log, "main")

    assert pushed.splitlines() == ["over ssh", "over https"]
    assert any("git-receive-pack" in path for path in prepared.requests(GITHUB))


def test_a_server_of_claudes_on_this_machine_is_used(client: Launcher, api: MessagesApi) -> None:
    name = f"mcp__louder__{TOOL}"
    with mcp_server() as port:
        client.environment["PINNACE_SERVICES"] = f"9123:{port}"
        added = client.run(
            *("--", "mcp", "add", "--transport", "http", "louder"),
            f"http://127.0.0.1:9123{PATH}",
        )
        assert added.returncode == 0, added.stderr
        api.reply_with(ToolUse(name, {"text": "hello"}), Text("done"))
        done = client.run("--allowedTools", name, "-p", "say it louder")

    assert done.stdout == "done\n", done.stderr
    assert "HELLO!" in json.dumps(api.requests[-1]["messages"])


@pytest.fixture(scope="session")
def browser_program() -> str:
    """A browser on this machine."""
    return browser.install()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_browser_opens_a_dev_server_that_runs_inside(
    client: Launcher, browser_program: str, host: str
) -> None:
    port = _free_port()
    client.environment["PINNACE_PORTS"] = f"{port}:3000"

    assert _seen(client, browser_program, host, port) == f"seen {_MODULES} reload 127.0.0.1:{port}"


def test_a_browser_opens_one_of_a_launch_that_runs_already(
    client: Launcher, browser_program: str
) -> None:
    port = _free_port()
    seen = _seen(client, browser_program, "127.0.0.1", port, opens=True)

    assert seen == f"seen {_MODULES} reload 127.0.0.1:{port}"


def test_what_a_server_inside_closes_is_closed_here(client: Launcher) -> None:
    port = _free_port()
    client.environment["PINNACE_PORTS"] = f"{port}:3000"
    serve = "require('net').createServer(one => one.end('bye')).listen(3000, '127.0.0.1', "
    shell = client.start("shell", stdin=subprocess.PIPE)
    assert shell.stdin
    assert shell.stdout
    print(f"node -e \"{serve} () => console.log('listening'))\"", file=shell.stdin, flush=True)
    assert shell.stdout.readline() == "listening\n"
    # The client keeps its own half open, as browsers do: else it would ask into nothing.
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        received = iter(lambda: connection.recv(100), b"")
        assert b"".join(received) == b"bye"


def _seen(client: Launcher, program: str, host: str, port: int, *, opens: bool = False) -> str:
    """Return what the dev server is told by the page, once a browser has opened that."""
    (client.project / "server.js").write_text(_DEV_SERVER)
    shell = client.start("shell", stdin=subprocess.PIPE)
    assert shell.stdin
    assert shell.stdout
    print(f"exec node server.js {host} {_MODULES}", file=shell.stdin, flush=True)
    assert shell.stdout.readline() == "listening\n"
    forwarding = client.start("port", f"{port}:3000") if opens else None
    if forwarding:
        assert forwarding.stdout
        assert forwarding.stdout.readline() == f"http://127.0.0.1:{port}\n"
    url = f"http://127.0.0.1:{port}/"
    told = (_told(shell, program, url, client.place) for _ in range(_OPENINGS))
    seen = next(filter(None, told), "")
    shell.stdin.close()
    assert shell.wait(_PATIENCE_SECONDS) == 0
    if forwarding:
        forwarding.send_signal(signal.SIGINT)
        assert forwarding.wait(_PATIENCE_SECONDS) in {0, 130}
    return seen


def _told(shell: subprocess.Popen[str], program: str, url: str, place: Path) -> str:
    """Open a page; return the next line of the shell's, or nothing if none comes.

    Chromium gives up what it loads when the machine's networks change, as they do with each
    container of other tests (ERR_NETWORK_CHANGED).
    """
    assert shell.stdout
    with browser.opened(program, url, profile=place / "profile"):
        ready, _, _ = select.select([shell.stdout], [], [], _PAGE_SECONDS)
        return shell.stdout.readline().strip() if ready else ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
