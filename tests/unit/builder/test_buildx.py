"""How `docker buildx build` is spelt."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Final

import pytest

from pinnace_core.engine.buildx import Build, arguments, proxies
from tests.unit.builder.recipes import AMD64, ARM64

_CONTEXT: Final = Path("/tmp/x/context")  # noqa: S108 (not used)


def _spelt(**fields: Any) -> list[str]:
    usual = {"context": _CONTEXT, "platform": AMD64, "output": "type=docker,name=x", "epoch": 7}
    return arguments(Build(**{**usual, **fields}), progress="plain")


def _values(argv: list[str], option: str) -> list[str]:
    return [a.removeprefix(f"--{option}=") for a in argv if a.startswith(f"--{option}=")]


def test_the_least_that_is_said() -> None:
    assert _spelt() == [
        "buildx",
        "build",
        "--platform=linux/amd64",
        "--output=type=docker,name=x",
        "--provenance=false",
        "--build-arg=SOURCE_DATE_EPOCH=7",
        "--progress=plain",
        str(_CONTEXT),
    ]


def test_all_that_may_be_said() -> None:
    argv = _spelt(
        platform=ARM64,
        target="base",
        builder="far",
        fresh=True,
        provenance=True,
        contexts={"distribution": "docker-image://debian@sha256:0a", "base": "docker-image://b"},
        labels={"a": "b"},
        secrets={"ca": Path("/etc/ca.pem")},
        arguments=("https_proxy",),
        cache=("--cache-from=type=gha", "--cache-to=type=gha"),
    )

    assert argv == [
        "buildx",
        "build",
        "--platform=linux/arm64",
        "--output=type=docker,name=x",
        "--provenance=mode=min",
        "--build-arg=SOURCE_DATE_EPOCH=7",
        "--progress=plain",
        "--target=base",
        "--builder=far",
        "--no-cache",
        "--build-context=distribution=docker-image://debian@sha256:0a",
        "--build-context=base=docker-image://b",
        "--label=a=b",
        "--secret=id=ca,src=/etc/ca.pem",
        "--build-arg=https_proxy",
        "--cache-from=type=gha",
        "--cache-to=type=gha",
        str(_CONTEXT),
    ]


@pytest.mark.parametrize(
    "value", ["a,b", "a b", "a=b=c", '{"a": ["b"]}', "$HOME", "--help", "ü\n"], ids=repr
)
def test_a_labels_value_is_one_argument_as_it_is(value: str) -> None:
    # buildx takes a label up to the first = as its name, and splits nothing else.
    assert _values(_spelt(labels={"a.b-c": value}), "label") == [f"a.b-c={value}"]


def test_a_secrets_path_is_read_as_it_is() -> None:
    (value,) = _values(_spelt(secrets={"ca": Path("/etc/a,b.pem")}), "secret")

    assert next(csv.reader([value], strict=True)) == ["id=ca", "src=/etc/a,b.pem"]


def test_a_proxys_address_which_may_hold_a_password_is_not_in_the_arguments() -> None:
    environment = {
        "HTTPS_PROXY": "http://user:secret@proxy.example:3128",
        "http_proxy": "http://proxy.example:3128",
        "No_Proxy": "localhost",
        "ALL_PROXY": "",
        "ftp_proxy": "x",
        "HOME": "/root",
        "PROXY": "x",
        "MY_HTTP_PROXY": "x",
    }

    names = proxies(environment)

    assert set(names) == {"HTTPS_PROXY", "http_proxy", "No_Proxy", "ALL_PROXY", "ftp_proxy"}
    assert names == proxies(dict(reversed(environment.items())))
    argv = _spelt(arguments=names)
    assert _values(argv, "build-arg") == ["SOURCE_DATE_EPOCH=7", *names]
    assert "secret" not in "".join(argv)


def test_without_proxies_none_is_named() -> None:
    assert proxies({"PATH": "/bin"}) == ()
