"""What a Dockerfile says, and what decides an image's identity."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder import base
from pinnace_builder.render import base_id, build_id, identity_labels, render, tags
from pinnace_images import contract
from pinnace_images.lock import MUSL
from tests.unit.builder import recipes
from tests.unit.builder.recipes import AMD64, ARM64, DEV, DISTRIBUTION, SLIM, request

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_builder.images_config import VariantSpec
    from pinnace_builder.render import ImageRequest

_REQUEST: Final = request()
_SCRIPT: Final = request(recipes.script())
_ERAS: Final = pytest.mark.parametrize("asked", [_REQUEST, _SCRIPT], ids=["native", "node"])
_OTHER: Final = "4" * 64
_OCI: Final = "org.opencontainers.image"


def _build_id(asked: ImageRequest) -> str:
    return build_id(asked, AMD64, DISTRIBUTION)


def _base_id(asked: ImageRequest) -> str:
    return base_id(asked, AMD64, DISTRIBUTION)


def _instructions(asked: ImageRequest) -> list[str]:
    """Return the instructions in order, one line each, without comments."""
    lines = render(asked).dockerfile.splitlines()
    code = [line for line in lines if line and not line.startswith("#")]
    return re.sub(r"\\\n\s*", "", "\n".join(code)).splitlines()


def _stages(asked: ImageRequest) -> dict[str, list[str]]:
    """Return the instructions by stage; the last one has no name."""
    stages: dict[str, list[str]] = {}
    for line in _instructions(asked):
        if line.startswith("FROM "):
            stages[line.partition(" AS ")[2]] = []
        list(stages.values())[-1].append(line)
    return stages


def test_the_same_input_gives_the_same_bytes() -> None:
    again = request(recipes.native())

    assert render(_REQUEST) == render(again)
    assert _build_id(_REQUEST) == _build_id(again)
    assert _base_id(_REQUEST) == _base_id(again)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(recipes.repacked(AMD64, executable_sha256=_OTHER), id="executable"),
        pytest.param(recipes.repacked(AMD64, sha256=_OTHER), id="tarball"),
        pytest.param(recipes.repacked(AMD64, integrity="sha512-y"), id="integrity"),
        pytest.param(recipes.varied(packages=("git", "bash", "jq")), id="packages"),
        pytest.param(recipes.varied(name="dev"), id="variant"),
        pytest.param(recipes.varied(title="Another"), id="title"),
        pytest.param(recipes.based(refreshed=date(2026, 1, 2)), id="refresh"),
        pytest.param(recipes.based(digest=f"sha256:{_OTHER}"), id="pinned base"),
        pytest.param(request(recipes.native("2.1.331")), id="version"),
        pytest.param(request(recipes.native(published="2026-03-01T00:00:00Z")), id="published"),
        pytest.param(_SCRIPT, id="node"),
    ],
)
def test_what_decides_the_content_decides_the_build_id(other: ImageRequest) -> None:
    assert _build_id(other) != _build_id(_REQUEST)


@pytest.mark.parametrize("published", ["", "2025-06-07T08:09:10+00:00"], ids=["none", "another"])
def test_the_time_of_the_clis_files_decides_too_when_the_refresh_is_later(published: str) -> None:
    before = request(recipes.native(published=recipes.EARLIER))
    other = request(recipes.native(published=published))
    assert other.cli_epoch != before.cli_epoch

    assert _build_id(other) != _build_id(before)


def test_platform_and_distribution_decide_every_identity() -> None:
    for identify in (build_id, base_id):
        ids = {
            identify(_REQUEST, AMD64, DISTRIBUTION),
            identify(_REQUEST, ARM64, DISTRIBUTION),
            identify(_REQUEST, AMD64, f"sha256:{_OTHER}"),
        }
        assert len(ids) == 3
        assert all(re.fullmatch(r"[0-9a-f]{64}", one) for one in ids)
    assert _build_id(_REQUEST) != _base_id(_REQUEST)


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(recipes.repacked(ARM64, executable_sha256=_OTHER), id="other's executable"),
        pytest.param(recipes.repacked(ARM64, sha256=_OTHER, size=8), id="other's tarball"),
        pytest.param(
            request(recipes.native(platforms=[AMD64]), platforms=(AMD64,)), id="other not locked"
        ),
        pytest.param(request(platforms=(AMD64,)), id="other not asked for"),
        pytest.param(request(platforms=(ARM64, AMD64)), id="order of platforms"),
        pytest.param(
            request(
                recipes.native()._replace(
                    packages=tuple(p for p in recipes.native().packages if p.libc != MUSL)
                )
            ),
            id="no musl",
        ),
        pytest.param(recipes.varied(packages=("bash", "git")), id="order of packages"),
        pytest.param(recipes.varied(packages=("bash", "git", "git")), id="a package twice"),
        pytest.param(recipes.varied(node_packages=("nodejs", "npm")), id="node not needed"),
        pytest.param(recipes.varied(budget=1), id="budget"),
        pytest.param(
            request(recipes.native(published="2026-02-03T05:05:06+01:00")), id="time zone"
        ),
    ],
)
def test_what_decides_nothing_leaves_the_build_id_alone(same: ImageRequest) -> None:
    assert _build_id(same) == _build_id(_REQUEST)
    assert _base_id(same) == _base_id(_REQUEST)


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(request(recipes.native("2.1.331")), id="version"),
        pytest.param(request(recipes.native(published="")), id="published"),
        pytest.param(recipes.repacked(AMD64, executable_sha256=_OTHER), id="executable"),
        pytest.param(recipes.varied(title="Another"), id="title"),
    ],
)
def test_a_base_knows_nothing_of_the_cli(same: ImageRequest) -> None:
    assert _base_id(same) == _base_id(_REQUEST)
    for stage in ("distribution", "base"):
        assert _stages(same)[stage] == _stages(_REQUEST)[stage]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(recipes.varied(packages=("git",)), id="packages"),
        pytest.param(recipes.varied(name="dev"), id="variant"),
        pytest.param(recipes.based(refreshed=date(2026, 1, 2)), id="refresh"),
        pytest.param(_SCRIPT, id="node"),
    ],
)
def test_what_is_in_a_base_decides_its_identity(other: ImageRequest) -> None:
    assert _base_id(other) != _base_id(_REQUEST)


def test_all_scripts_of_a_variant_stand_on_one_base() -> None:
    assert _base_id(_SCRIPT) == _base_id(request(recipes.script("0.2.9")))
    assert _base_id(_SCRIPT) != _base_id(_REQUEST)


@pytest.mark.parametrize(
    ("asked", "flavour", "packages"),
    [
        (_REQUEST, "slim", ("bash", "git")),
        (_SCRIPT, "slim-node", ("bash", "git", "nodejs")),
        (request(variant=DEV), "dev", ("bash", "git", "nodejs")),
        (request(recipes.script(), variant=DEV), "dev", ("bash", "git", "nodejs")),
    ],
    ids=["slim", "slim with node", "dev", "dev with node"],
)
def test_node_is_added_only_for_a_cli_that_runs_on_it_and_only_where_it_is_not(
    asked: ImageRequest, flavour: str, packages: tuple[str, ...]
) -> None:
    assert asked.flavour == flavour
    assert asked.packages == packages
    install = next(line for line in _instructions(asked) if line.startswith("RUN "))
    (named,) = re.findall(r"--no-install-recommends ([^;]+);", install)
    assert tuple(named.split()) == packages


def test_dev_has_the_same_base_for_every_cli() -> None:
    ids = {_base_id(request(entry, variant=DEV)) for entry in (recipes.native(), recipes.script())}

    assert len(ids) == 1


@_ERAS
def test_the_stages_from_the_bottom_up(asked: ImageRequest) -> None:
    names = {
        name: [line.split()[0] for line in lines[1:]] for name, lines in _stages(asked).items()
    }

    assert names == {
        "distribution": [],
        "base": ["RUN", "ENV", "WORKDIR", "LABEL"],
        "claude-amd64": ["LABEL", "COPY"],
        "claude-arm64": ["LABEL", "COPY"],
        "": ["LABEL", "USER", "CMD"],
    }
    assert list(names) == ["distribution", "base", "claude-amd64", "claude-arm64", ""]


@_ERAS
def test_each_stage_stands_on_the_one_below(asked: ImageRequest) -> None:
    froms = [lines[0] for lines in _stages(asked).values()]

    assert froms == [
        f"FROM debian:trixie-20260101-slim@{recipes.LIST} AS distribution",
        "FROM distribution AS base",
        "FROM base AS claude-amd64",
        "FROM base AS claude-arm64",
        # BuildKit's own name for what is built: no ARG declares it.
        "FROM claude-${TARGETARCH}",
    ]


def test_a_single_platform_leaves_the_other_out() -> None:
    asked = request(recipes.native(platforms=[ARM64]), platforms=(ARM64,))

    assert list(_stages(asked)) == ["distribution", "base", "claude-arm64", ""]
    assert "amd64" not in render(asked).dockerfile


@_ERAS
def test_the_cli_is_the_last_layer_of_each_platform(asked: ImageRequest) -> None:
    stages, context = _stages(asked), render(asked)

    for platform in (AMD64, ARM64):
        copy = stages[f"claude-{platform.architecture}"][-1]
        digest = asked.entry.package_for(platform).executable_sha256
        assert context.directories[platform].name == f"claude-{digest[:12]}"
        assert copy == f"COPY --link claude-{digest[:12]}/ /"
    # Metadata only: no layer comes after the CLI's.
    assert {line.split()[0] for line in stages[""][1:]} == {"LABEL", "USER", "CMD"}


def test_a_context_has_what_is_locked_for_each_platform() -> None:
    native, node = render(_REQUEST), render(_SCRIPT)

    assert {d.package.platform for d in native.directories.values()} == {str(AMD64), str(ARM64)}
    assert {d.package.libc for d in native.directories.values()} == {"glibc"}
    assert len({directory.name for directory in native.directories.values()}) == 2
    assert node.directories[AMD64] == node.directories[ARM64]


def test_another_executable_is_another_directory() -> None:
    other = render(recipes.repacked(AMD64, executable_sha256=_OTHER)).directories

    assert other[AMD64].name != render(_REQUEST).directories[AMD64].name
    assert other[ARM64] == render(_REQUEST).directories[ARM64]


@_ERAS
def test_the_dockerfile_names_nothing_that_moves(asked: ImageRequest) -> None:
    dockerfile = render(asked).dockerfile

    assert not re.search(r"^#\s*(syntax|escape|check)\s*=", dockerfile, re.MULTILINE)
    assert "latest" not in dockerfile
    assert not any(line.startswith(("ARG", "ADD")) for line in _instructions(asked))
    assert dockerfile.endswith("\n")
    assert not dockerfile.endswith("\n\n")
    assert not any(line != line.rstrip() for line in dockerfile.splitlines())


def test_secrets_are_mounted_where_no_layer_is_and_are_those_that_a_build_gives(
    tmp_path: Path,
) -> None:
    run = next(line for line in _instructions(_REQUEST) if line.startswith("RUN "))
    mirror = base.Mirror(packages="https://mirror.example/debian")
    (tmp_path / "ca.pem").touch()

    given = base.write_secrets(
        recipes.BASE, mirror, {base.CA_VARIABLE: str(tmp_path / "ca.pem")}, tmp_path
    )

    mounts = dict(re.findall(r"--mount=type=secret,id=([\w-]+),target=(\S+?),", run))
    assert set(mounts) == set(given)
    assert all(target.startswith("/dev/shm/") for target in mounts.values())  # noqa: S108 (theirs)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", "plain"),
        ("$HOME ${HOME}", r"\$HOME \${HOME}"),
        ('say "hi"', r"say \"hi\""),
        ("back\\slash", r"back\\slash"),
        ('\\"$', r"\\\"\$"),
        ("it's # no comment; ü", "it's # no comment; ü"),
        ("{{ version }} {% raw %}", "{{ version }} {% raw %}"),
    ],
)
def test_a_labels_value_is_taken_literally(text: str, quoted: str) -> None:
    dockerfile = render(recipes.varied(title=text)).dockerfile

    assert f'{_OCI}.title="{quoted}"' in dockerfile


def test_the_labels_say_what_the_launcher_matches_on() -> None:
    stages = _stages(_REQUEST)
    labels = {
        name: " ".join(line for line in lines if line.startswith("LABEL "))
        for name, lines in stages.items()
    }

    assert f'{contract.LABEL_CONTRACT}="2"' in labels["base"]
    assert f'{contract.LABEL_VARIANT}="slim"' in labels["base"]
    assert f'{contract.LABEL_USER}="1000:1000"' in labels["base"]
    assert f'{_OCI}.base.digest="{recipes.LIST}"' in labels["base"]
    for platform in (AMD64, ARM64):
        own = labels[f"claude-{platform.architecture}"]
        digest = _REQUEST.entry.package_for(platform).executable_sha256
        assert f'{contract.LABEL_SHA256}="{digest}"' in own
        assert f'{contract.LABEL_PLATFORM}="{platform}"' in own
    assert f'{contract.LABEL_VERSION}="2.1.330"' in labels[""]
    assert f'{_OCI}.version="2.1.330"' in labels[""]


def test_the_image_opens_as_a_dev_container() -> None:
    found = re.search(r'devcontainer\.metadata="((?:\\.|[^"])*)"', render(_REQUEST).dockerfile)

    assert found is not None
    assert json.loads(found[1].replace('\\"', '"'))[0]["remoteUser"] == "agent"


@_ERAS
def test_the_image_runs_as_the_agent_and_finds_the_cli(asked: ImageRequest) -> None:
    stages = _stages(asked)
    (environment,) = (line for line in stages["base"] if line.startswith("ENV "))

    assert stages[""][-2:] == ["USER 1000:1000", 'CMD ["claude"]']
    assert f"PATH={contract.CLAUDE_BINARY.rpartition('/')[0]}:" in environment
    assert f"CLAUDE_CONFIG_DIR={contract.CONFIG_DIR}" in environment
    assert "DISABLE_AUTOUPDATER=1" in environment
    assert f"WORKDIR {contract.HOME}" in stages["base"]


def test_identities_are_labels_of_the_build_and_not_in_the_dockerfile() -> None:
    labels = identity_labels(_REQUEST, ARM64, name="debian:trixie", digest=DISTRIBUTION)

    assert labels == {
        f"{_OCI}.base.name": "debian:trixie",
        f"{_OCI}.base.digest": DISTRIBUTION,
        contract.LABEL_BASE_ID: base_id(_REQUEST, ARM64, DISTRIBUTION),
        contract.LABEL_BUILD_ID: build_id(_REQUEST, ARM64, DISTRIBUTION),
    }
    assert contract.LABEL_BASE_ID not in render(_REQUEST).dockerfile
    assert contract.LABEL_BUILD_ID not in render(_REQUEST).dockerfile


@pytest.mark.parametrize(
    ("published", "epoch", "cli_epoch"),
    [
        (recipes.LATER, recipes.LATER_EPOCH, recipes.LATER_EPOCH),
        ("2026-02-03T04:05:06.789Z", recipes.LATER_EPOCH, recipes.LATER_EPOCH),
        (recipes.EARLIER, recipes.REFRESHED, recipes.EARLIER_EPOCH),
        ("", recipes.REFRESHED, 499_162_500),
    ],
    ids=["after the refresh", "as npm writes it", "before the refresh", "unknown"],
)
def test_an_image_is_as_old_as_the_newest_thing_in_it_and_the_cli_as_old_as_its_release(
    published: str, epoch: int, cli_epoch: int
) -> None:
    asked = request(recipes.native(published=published))

    assert (asked.epoch, asked.cli_epoch) == (epoch, cli_epoch)
    created = datetime.fromtimestamp(epoch, UTC).isoformat()
    assert f'{_OCI}.created="{created}"' in render(asked).dockerfile
    assert f"--date=@{recipes.REFRESHED} " in render(asked).dockerfile


def test_a_refresh_leaves_the_time_of_the_clis_files_alone() -> None:
    later = recipes.BASE.model_copy(update={"refreshed": date(2027, 1, 1)})

    assert request(base=later).cli_epoch == _REQUEST.cli_epoch
    assert request(base=later).epoch > _REQUEST.epoch


@pytest.mark.parametrize("variant", [SLIM, DEV], ids=["slim", "dev"])
def test_the_immutable_tag_comes_first_and_holds_the_build_id(variant: VariantSpec) -> None:
    asked = request(variant=variant)
    identity = _build_id(asked)

    assert tags(asked, identity) == [
        f"pinnace/claude:2.1.330-{variant.name}-{identity[:12]}",
        f"pinnace/claude:2.1.330-{variant.name}",
    ]
