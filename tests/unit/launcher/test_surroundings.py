"""What stands around the CLI in an image that was not built here."""

from __future__ import annotations

import pytest

from pinnace.image.surroundings import FILES, problems
from pinnace_builder import render
from pinnace_images import contract

_PATH = (
    f"{contract.CLAUDE_ROOT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:"
    f"{contract.HOME}/.local/bin"
)
_OURS = (
    f"HOME={contract.HOME}",
    f"PATH={_PATH}",
    "LANG=C.UTF-8",
    f"CLAUDE_CONFIG_DIR={contract.CONFIG_DIR}",
    "DISABLE_AUTOUPDATER=1",
    "DISABLE_INSTALLATION_CHECKS=1",
)


def test_what_our_images_set_is_as_it_should_be() -> None:
    template = (render.environment().loader.get_source(render.environment(), "base.j2"))[0]  # type: ignore[union-attr]
    assert list(problems(_OURS, dict.fromkeys(FILES, False))) == []
    assert all(f"{item.partition('=')[0]}=" in template for item in _OURS)


@pytest.mark.parametrize(
    "item",
    [
        *("LD_PRELOAD=/x.so", "LD_LIBRARY_PATH=/x", "LD_AUDIT=/x.so", "GLIBC_TUNABLES=x"),
        *("BASH_ENV=/x", "ENV=/x", "SHELLOPTS=xtrace", "BASH_FUNC_cat%%=() { x; }"),
        *("NODE_OPTIONS=--require /x.js", "NODE_EXTRA_CA_CERTS=/x", "BUN_OPTIONS=--preload=/x"),
        *("ANTHROPIC_BASE_URL=http://x", "CLAUDE_CONFIG_DIR=/x", "DISABLE_AUTOUPDATER=0"),
        *("GIT_SSH_COMMAND=x", "GIT_CONFIG_COUNT=1", "SSL_CERT_FILE=/x", "OPENSSL_CONF=/x"),
        *("PATH=/tmp:/usr/bin", "PATH=bin:/usr/bin", "PATH=:/usr/bin", "PATH=/usr/bin:/work"),
        *(f"PATH={contract.HOME}/.local/bin:/usr/bin", "PATH=/usr/../tmp:/usr/bin"),
    ],
)
def test_a_variable_that_changes_what_runs_is_named(item: str) -> None:
    (said,) = problems([*_OURS[:1], item], {})
    assert item.partition("=")[0] in said


@pytest.mark.parametrize("item", ["JAVA_HOME=/usr/lib/jvm", "GOPATH=/go", "TERM=xterm", "X"])
def test_others_are_the_images_own(item: str) -> None:
    assert list(problems([item], {})) == []


@pytest.mark.parametrize("path", FILES)
def test_a_file_that_changes_what_runs_is_named(path: str) -> None:
    (said,) = problems(_OURS, dict.fromkeys(FILES, False) | {path: True})
    assert path in said
