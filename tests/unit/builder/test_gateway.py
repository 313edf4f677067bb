"""The gateway's image: what its Dockerfile says, what identifies it, and when it gets its names."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace_builder import base, gateway, images_config, smoke
from pinnace_builder.gateway import identity_labels, rendered
from pinnace_core.engine import buildx, whales
from pinnace_core.errors import BuildFailedError, VerificationFailedError
from pinnace_images import contract
from tests.unit.builder import recipes
from tests.unit.builder.machines import ID, Machine, MachineDocker
from tests.unit.builder.recipes import AMD64, ARM64, DISTRIBUTIONS

if TYPE_CHECKING:
    from pinnace_builder.base import Base
    from pinnace_builder.images_config import Images
    from pinnace_builder.local import BuiltImage

_IMAGES: Final = images_config.Images(
    Path("images.toml"),
    recipes.BASE,
    (AMD64, ARM64),
    {recipes.SLIM.name: recipes.SLIM},
    recipes.GATEWAY,
    images_config.Retention(),
)
_GOOD: Final = {
    "haproxy": "HAProxy version",
    "openssl": "OpenSSL",
    "socat": "socat version",
    "squid": "--with-openssl",
    "modes": "755 1777 1777",
    "user": "1000:1000",
    "found": "/etc/passwd",
    "setuid": "",
    "writable": "",
}


def _declared(**fields: Any) -> Images:
    return replace(_IMAGES, gateway=recipes.GATEWAY.model_copy(update=fields))


def _based(**fields: Any) -> Images:
    return replace(_IMAGES, base=recipes.BASE.model_copy(update=fields))


def _identity(images: Images = _IMAGES, found: Base = DISTRIBUTIONS[AMD64]) -> str:
    return identity_labels(images, AMD64, found)[contract.LABEL_BUILD_ID]


def _code(text: str) -> list[str]:
    """Return the instructions, one line each, without comments."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()


def test_the_stages_and_instructions() -> None:
    code = _code(rendered(_IMAGES))

    assert code[:2] == [
        f"FROM debian:trixie-20260101-slim@{recipes.LIST} AS distribution",
        "FROM distribution",
    ]
    assert [line.split()[0] for line in code[2:]] == ["RUN", "ENV", "LABEL", "USER", "CMD"]
    assert code[-2:] == ["USER 1000:1000", 'CMD ["bash"]']


def test_it_names_no_platform_and_nothing_that_moves() -> None:
    text = rendered(_IMAGES)

    assert not re.search(r"amd64|arm64|latest|^ARG|^COPY|^ADD", text, re.MULTILINE)
    assert text.endswith("\n")
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_packages_are_installed_each_once_and_in_order() -> None:
    run = next(
        line for line in _code(rendered(_declared(packages=["b", "a", "b"]))) if "RUN" in line
    )

    (named,) = re.findall(r"--no-install-recommends ([^;]+);", run)
    assert named.split() == ["a", "b"]


def test_no_service_is_started_while_they_are_installed() -> None:
    run = next(line for line in _code(rendered(_IMAGES)) if line.startswith("RUN "))

    made, installed, gone = (
        run.index(text)
        for text in ("> /usr/sbin/policy-rc.d", "apt-get", "rm /usr/sbin/policy-rc.d")
    )
    assert made < installed < gone


def test_it_is_never_taken_for_an_image_of_the_cli() -> None:
    labels = next(line for line in _code(rendered(_IMAGES)) if line.startswith("LABEL "))
    labels += " ".join(identity_labels(_IMAGES, AMD64, DISTRIBUTIONS[AMD64]))

    assert f'{contract.LABEL_GATEWAY}="{contract.GATEWAY_VERSION}"' in labels
    others = (contract.LABEL_CONTRACT, contract.LABEL_VERSION, contract.LABEL_VARIANT)
    assert not any(label in labels for label in others)


def test_the_title_is_taken_literally() -> None:
    assert r'title="say \"\$HOME\""' in rendered(_declared(title='say "$HOME"'))


def test_what_depends_on_the_platform_or_the_distribution_is_a_label_of_the_build() -> None:
    found = DISTRIBUTIONS[ARM64]

    assert identity_labels(_IMAGES, ARM64, found) == {
        "org.opencontainers.image.base.name": found.name,
        "org.opencontainers.image.base.digest": found.digest,
        contract.LABEL_PLATFORM: "linux/arm64",
        contract.LABEL_BUILD_ID: identity_labels(_IMAGES, ARM64, found)[contract.LABEL_BUILD_ID],
    }


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(_declared(packages=["bash"]), id="packages"),
        pytest.param(_declared(title="Another"), id="title"),
        pytest.param(_based(refreshed=date(2026, 1, 2)), id="refresh"),
        pytest.param(_based(digest=f"sha256:{'4' * 64}"), id="pinned base"),
    ],
)
def test_what_decides_the_content_decides_the_identity(other: Images) -> None:
    assert _identity(other) != _identity()


def test_platform_and_distribution_decide_it_too() -> None:
    found = DISTRIBUTIONS[AMD64]
    on_arm = identity_labels(_IMAGES, ARM64, found)[contract.LABEL_BUILD_ID]

    assert len({_identity(), _identity(found=DISTRIBUTIONS[ARM64]), on_arm}) == 3


def test_variants_and_the_order_of_packages_decide_nothing() -> None:
    assert _identity(replace(_IMAGES, variants={})) == _identity()
    assert _identity(_declared(packages=["bash", "socat"])) == _identity()


class _Gateways(Machine):
    """A machine that makes gateways.

    Attributes:
        answers: of the image, when it is asked.
        ensured: how often the distribution's image was fetched.
        identified: what it is thought to be before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers = dict(_GOOD)
        self.ensured = 0
        self.identified = DISTRIBUTIONS[AMD64]

    def ask(self, *_: object, **__: object) -> dict[str, str]:
        return self.answers

    def ensure(self, *_: object, **__: object) -> Base:
        self.ensured += 1
        return DISTRIBUTIONS[AMD64]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> _Gateways:
    made = _Gateways()
    expected = {contract.LABEL_GATEWAY: "1", contract.LABEL_PLATFORM: "linux/amd64"}
    monkeypatch.setattr(whales, "image_id", made.image_id)
    monkeypatch.setattr(whales, "labels", lambda *_: expected | made.labels)
    monkeypatch.setattr(buildx, "run", made.run)
    monkeypatch.setattr(smoke, "ask", made.ask)
    monkeypatch.setattr(base, "ensure", made.ensure)
    monkeypatch.setattr(base, "identify", lambda *_: made.identified)
    return made


def _ensure(machine: _Gateways, images: Images = _IMAGES) -> BuiltImage:
    return gateway.ensure(MachineDocker(machine), images)


def test_what_passes_gets_its_names_and_loses_the_temporary_one(machine: _Gateways) -> None:
    built = _ensure(machine)

    assert (built.id, built.build_id, built.built) == (ID, _identity(), True)
    assert machine.names == list(built.tags)
    assert built.tags == (f"pinnace/gateway:{_identity()[:12]}", "pinnace/gateway:local")


def test_it_is_built_like_any_image_for_this_engine(machine: _Gateways) -> None:
    _ensure(machine)

    (build,) = machine.builds
    found = DISTRIBUTIONS[AMD64]
    assert build.contexts == {"distribution": f"docker-image://{found.reference}"}
    assert build.labels == identity_labels(_IMAGES, AMD64, found)
    assert (build.epoch, build.platform) == (recipes.REFRESHED, "linux/amd64")
    assert re.fullmatch(r"pinnace/gateway:building-[0-9a-f]{12}", build.name)


def test_what_is_there_is_neither_built_again_nor_is_its_base_fetched(machine: _Gateways) -> None:
    first = _ensure(machine)

    again = _ensure(machine)

    assert again == replace(first, built=False)
    assert (len(machine.builds), machine.ensured) == (1, 1)


def test_another_declaration_is_another_image_and_takes_the_moving_name(machine: _Gateways) -> None:
    first = _ensure(machine)
    other = _ensure(machine, _declared(packages=["bash"]))

    assert len(machine.builds) == 2
    assert first.tags[0] != other.tags[0]
    assert first.tags[1] == other.tags[1]


def test_what_it_stands_on_counts_not_what_that_was_thought_to_be(machine: _Gateways) -> None:
    machine.identified = DISTRIBUTIONS[ARM64]

    assert _ensure(machine).build_id == _identity()
    assert not _ensure(machine).built
    assert len(machine.builds) == 1


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        *((name, "") for name in ("haproxy", "openssl", "socat", "squid", "found")),
        ("user", "0:0"),
        ("modes", "755 755 1777"),
        ("setuid", "/usr/lib/squid/pinger "),
        ("writable", "/run/lock "),
    ],
)
def test_what_does_not_pass_leaves_no_name(machine: _Gateways, name: str, answer: str) -> None:
    machine.answers[name] = answer

    with pytest.raises(VerificationFailedError, match=f"has {name} '{answer}'"):
        _ensure(machine)

    assert machine.names == []


@pytest.mark.parametrize("label", [contract.LABEL_GATEWAY, contract.LABEL_PLATFORM])
def test_what_has_a_wrong_label_leaves_no_name(machine: _Gateways, label: str) -> None:
    machine.labels = {label: "wrong"}

    with pytest.raises(VerificationFailedError, match=label):
        _ensure(machine)

    assert machine.names == []


def test_a_build_that_fails_leaves_no_name(machine: _Gateways) -> None:
    machine.error = BuildFailedError("the build failed")

    with pytest.raises(BuildFailedError, match="the build failed"):
        _ensure(machine)

    assert machine.names == []


def test_the_declaration_that_the_environment_names_is_taken(
    machine: _Gateways, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = images_config.IMAGES.read_text(encoding="utf-8").replace('"socat",', "", 1)
    own = tmp_path / "images.toml"
    own.write_text(text.replace("The way out of", "Our own way out of"), encoding="utf-8")
    monkeypatch.setenv(images_config.VARIABLE, str(own))

    built = gateway.ensure(MachineDocker(machine))

    assert built.build_id == _identity(images_config.load(own))
