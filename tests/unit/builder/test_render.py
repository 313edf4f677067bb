"""What a Dockerfile says, and what decides its build-id."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest

from pinnace_builder.render import Base, ImageRequest, render, tags
from pinnace_builder.spec import VariantSpec
from pinnace_images import contract
from pinnace_images.lock import Package
from pinnace_images.platforms import SUPPORTED
from pinnace_images.versions import CliVersion

_AMD64, _ARM64 = SUPPORTED
_SLIM: Final = VariantSpec("slim", "Claude", ("git", "bash"), ("nodejs",))
_REQUEST: Final = ImageRequest(
    version=CliVersion(2, 1, 330),
    variant=_SLIM,
    platform=_AMD64,
    package=Package(
        platform="linux/amd64",
        libc="glibc",
        name="claude-linux-x64",
        integrity="sha512-x",
        sha256="1" * 64,
        size=7,
        executable="claude",
        executable_sha256="2" * 64,
    ),
    base=Base("debian:trixie-slim", f"debian@sha256:{'3' * 64}", f"sha256:{'3' * 64}"),
)


def _changed(**fields: object) -> ImageRequest:
    return ImageRequest(**{**vars(_REQUEST), **fields})


def _package(**fields: object) -> ImageRequest:
    return _changed(package=_REQUEST.package._replace(**fields))  # type: ignore[arg-type]


def _variant(**fields: object) -> ImageRequest:
    return _changed(variant=VariantSpec(**{**vars(_SLIM), **fields}))


def _base(**fields: str) -> ImageRequest:
    return _changed(base=Base(**{**vars(_REQUEST.base), **fields}))


def _instructions(dockerfile: str) -> list[str]:
    """Give the instructions in order, one line each, without comments."""
    lines = [line for line in dockerfile.splitlines() if line and not line.startswith("#")]
    return re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()


def _names(request: ImageRequest) -> list[str]:
    return [line.split()[0] for line in _instructions(render(request).dockerfile)]


_SCRIPT: Final = _package(platform="any", libc="any", executable="cli.js")
_ERAS: Final = pytest.mark.parametrize("request_", [_REQUEST, _SCRIPT], ids=["native", "node"])


def test_the_same_input_gives_the_same_bytes() -> None:
    assert render(_REQUEST) == render(_changed())


@pytest.mark.parametrize(
    "other",
    [
        _base(digest=f"sha256:{'4' * 64}"),
        _package(executable_sha256="4" * 64),
        _package(sha256="4" * 64),
        _package(integrity="sha512-y"),
        _variant(name="dev"),
        _variant(packages=("git", "bash", "jq")),
        _changed(version=CliVersion(2, 1, 331)),
        _changed(platform=_ARM64),
        _SCRIPT,
    ],
    ids=[
        "base digest",
        "executable",
        "tarball",
        "integrity",
        "variant",
        "packages",
        "version",
        "platform",
        "node",
    ],
)
def test_what_decides_the_content_decides_the_build_id(other: ImageRequest) -> None:
    assert render(other).build_id != render(_REQUEST).build_id


def test_a_base_from_a_mirror_is_the_same_base() -> None:
    mirrored = render(_base(reference="mirror.example/elsewhere"))

    assert mirrored.build_id == render(_REQUEST).build_id
    assert "FROM mirror.example/elsewhere" in mirrored.dockerfile


@pytest.mark.parametrize(
    "same",
    [
        _variant(packages=("bash", "git")),
        _variant(packages=("bash", "git", "git")),
        _variant(node_packages=("nodejs", "npm")),
    ],
    ids=["order of packages", "a package twice", "node that is not needed"],
)
def test_what_decides_nothing_leaves_the_build_id_alone(same: ImageRequest) -> None:
    assert render(same) == render(_REQUEST)


def test_the_image_carries_its_build_id_as_a_label() -> None:
    context = render(_REQUEST)

    assert re.fullmatch(r"[0-9a-f]{64}", context.build_id)
    assert f'{contract.LABEL_BUILD_ID}="{context.build_id}"' in context.dockerfile


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", "plain"),
        ("$HOME ${HOME}", r"\$HOME \${HOME}"),
        ('say "hi"', r"say \"hi\""),
        ("back\\slash", r"back\\slash"),
        ('\\"$', r"\\\"\$"),
        ("it's # no comment; ü", "it's # no comment; ü"),
    ],
)
def test_a_labels_value_is_taken_literally(text: str, quoted: str) -> None:
    dockerfile = render(_variant(title=text)).dockerfile

    assert f'org.opencontainers.image.title="{quoted}"' in dockerfile


def test_the_labels_say_what_the_launcher_matches_on() -> None:
    (labels,) = (i for i in _instructions(render(_REQUEST).dockerfile) if i.startswith("LABEL "))

    for key, value in {
        contract.LABEL_CONTRACT: "1",
        contract.LABEL_VERSION: "2.1.330",
        contract.LABEL_VARIANT: "slim",
        contract.LABEL_PLATFORM: "linux/amd64",
        contract.LABEL_SHA256: "2" * 64,
        contract.LABEL_USER: "1000:1000",
        "org.opencontainers.image.base.digest": f"sha256:{'3' * 64}",
    }.items():
        assert f'{key}="{value}"' in labels


def test_the_image_opens_as_a_dev_container() -> None:
    found = re.search(r'devcontainer\.metadata="((?:\\.|[^"])*)"', render(_REQUEST).dockerfile)

    assert found is not None
    assert json.loads(found[1].replace('\\"', '"'))[0]["remoteUser"] == "agent"


def test_the_contexts_directory_is_named_by_the_executables_digest() -> None:
    context, other = render(_REQUEST), render(_package(executable_sha256="4" * 64))

    assert context.claude_directory.endswith("2" * 12)
    assert f"COPY --link {context.claude_directory}/ /opt/claude/" in context.dockerfile
    assert other.claude_directory != context.claude_directory


@_ERAS
def test_the_cli_is_the_last_layer(request_: ImageRequest) -> None:
    # BuildKit makes a layer of WORKDIR too: what comes after COPY may be metadata only.
    names = _names(request_)

    assert names.count("COPY") == 1
    assert set(names[names.index("COPY") + 1 :]) <= {"CMD", "ENTRYPOINT", "ENV", "LABEL", "USER"}


@_ERAS
def test_nothing_below_the_cli_depends_on_it(request_: ImageRequest) -> None:
    newer = _changed(version=CliVersion(2, 1, 331), package=request_.package)
    layers = [
        [i for i in _instructions(render(r).dockerfile) if i.startswith(("FROM", "RUN", "ENV"))]
        for r in (request_, newer)
    ]

    assert layers[0] == layers[1]


@_ERAS
def test_the_dockerfile_needs_no_frontend_and_no_arguments(request_: ImageRequest) -> None:
    dockerfile = render(request_).dockerfile

    assert not re.search(r"^#\s*(syntax|escape|check)\s*=", dockerfile, re.MULTILINE)
    assert "ARG" not in _names(request_)
    assert dockerfile.endswith("\n")


@_ERAS
def test_the_image_starts_from_the_base_and_runs_as_the_agent(request_: ImageRequest) -> None:
    instructions = _instructions(render(request_).dockerfile)

    assert instructions[0] == f"FROM {_REQUEST.base.reference}"
    assert "USER 1000:1000" in instructions


def test_node_is_installed_only_for_a_cli_that_runs_on_it() -> None:
    assert "nodejs" not in render(_REQUEST).dockerfile
    assert "nodejs" in render(_SCRIPT).dockerfile


def test_the_immutable_tag_comes_first_and_holds_the_build_id() -> None:
    context = render(_REQUEST)

    assert tags(_REQUEST, context) == [
        f"pinnace/claude:2.1.330-slim-{context.build_id[:12]}",
        "pinnace/claude:2.1.330-slim",
    ]
