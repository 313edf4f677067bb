"""Run a built image once and see that it is what its labels say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace_builder.engine import translated
from pinnace_images import contract
from pinnace_images.errors import VerificationFailedError

if TYPE_CHECKING:
    from python_on_whales import DockerClient

    from pinnace_images.versions import CliVersion

_SCRIPT: Final = """
echo "version=$({binary} --version 2>/dev/null </dev/null)"
echo "user=$(id -u):$(id -g)"
echo "setuid=$(find / -xdev -perm /6000 -type f 2>/dev/null | head -n 5 | tr '\\n' ' ')"
echo "writable=$(find {root} -writable 2>/dev/null | head -n 5 | tr '\\n' ' ')"
"""


def smoke(client: DockerClient, image: str, version: CliVersion) -> None:
    """Check the CLI's version, the user, and that nothing is setuid or the agent's to change.

    Raises:
        VerificationFailedError: something is off.
        BuildFailedError: the image does not run.
    """
    script = _SCRIPT.format(binary=contract.CLAUDE_BINARY, root=contract.CLAUDE_ROOT)
    with translated("running the built image"):
        output = client.run(
            image,
            ["sh", "-c", script],
            remove=True,
            pull="never",
            read_only=True,
            networks=["none"],
            cap_drop=["ALL"],
            tmpfs=[f"{place}:exec,mode=1777" for place in ("/tmp", contract.HOME)],  # noqa: S108 (inside)
        )
    found = dict(line.split("=", 1) for line in str(output).splitlines() if "=" in line)
    expected = {
        "version": f"{version} (Claude Code)",
        "user": f"{contract.AGENT_UID}:{contract.AGENT_GID}",
        "setuid": "",
        "writable": "",
    }
    for name, value in expected.items():
        if found.get(name, "").strip() != value:
            raise VerificationFailedError(
                f"the built image has {name} '{found.get(name)}', expected '{value}'",
                hint="do not use it; report this with the output of 'pinnace-build render'",
            )
