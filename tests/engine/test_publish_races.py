"""Publishing beside others, to a registry that loses or changes what it has.

As in test_publish_faults.py: no moving tag is ever wrong, and the same line again completes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.engine.test_publish_faults import (
    BY_DIGEST,
    NEW,
    NEWEST,
    OLD,
    SLOW_CONTAINER,
    Site,
    blob_file,
    ended_by,
    fill,
    held,
    is_named,
    is_question_about_what_was_pushed,
    other_machine,
    serve,
)
from tests.engine.test_unhappy import refused
from tests.support.registry import RealRegistry
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.conftest import Once


@pytest.fixture(scope="session")
def published(once: Once) -> Path:
    """Fill a registry's directory: an old version is published there."""
    return once("seed", fill) / "registry" / "storage"


@pytest.fixture
def site(published: Path, tmp_path: Path) -> Iterator[Site]:
    """A registry that holds an old version already."""
    shutil.copytree(published, tmp_path / "registry" / "storage")
    with serve(tmp_path, RealRegistry(tmp_path / "registry")) as made:
        yield made


def test_two_machines_publish_two_versions(site: Site) -> None:
    with other_machine(site) as (proxy, slow):
        with held(proxy, is_named(f"{NEW}-slim"), lambda: slow.start(NEW)) as run:
            site.publisher.complete(NEWEST)
            site.assert_published(NEWEST)
        done = run.wait()

    assert done.returncode == 0, done.stderr
    site.assert_published(NEW, ladder=False)
    # What the slow one saw before it began to move tags is no longer true.
    site.assert_published(NEWEST)


@pytest.mark.parametrize(
    "pattern", [r"image\ tag", r"create\ *", r"run\ --rm"], ids=["tag", "create", "run"]
)
def test_two_users_of_one_engine_publish_the_same(site: Site, pattern: str) -> None:
    slow = site.machine("other")
    here, gate = slow.place / "here", slow.place / "gate"
    slow.wrap_docker(f"{pattern}) : > '{here}'; while [ ! -e '{gate}' ]; do sleep 0.1; done;;")
    run = slow.start(NEW)
    wait_until(lambda: run.ended or here.exists(), "the engine")
    site.publisher.complete(NEW)
    before = site.tags
    gate.touch()

    done = run.wait()

    assert done.returncode == 0, done.stderr
    assert site.tags == before


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_an_interruption_while_it_tidies_up(site: Site, second: int) -> None:
    # As the impatient do it, and CI services: Ctrl-C, and SIGTERM a little later.
    tidies = site.place / "tidies"
    slow = f'image\\ rm) : > "{tidies}"; sleep 2; exec "$DOCKER" "$@";;'
    site.publisher.wrap_docker(SLOW_CONTAINER, slow)

    run = site.publisher.start(NEW)
    wait_until(lambda: run.ended or site.containers(), "a container")
    run.interrupt(signal.SIGINT)
    wait_until(lambda: run.ended or tidies.exists(), "that it tidies up")
    run.interrupt(second)
    ended_by(signal.SIGINT, run)

    assert site.remove_containers() == []
    assert site.remove_images() == []


@pytest.mark.parametrize("what", ["config", "layer", "half a layer", "no layer"])
def test_what_has_changed_in_the_registry_is_not_published(site: Site, what: str) -> None:
    before = site.moving
    with held(
        site.proxy, is_question_about_what_was_pushed(), lambda: site.publisher.start(NEW)
    ) as run:
        (put, *_) = [p for m, p, _ in site.proxy.log if m == "PUT" and BY_DIGEST in p]
        document = json.loads(site.registry.blob_bytes(put.rpartition("/")[2]))
        chosen = document["config"] if what == "config" else document["layers"][-1]
        file = blob_file(site.registry, chosen["digest"])
        data = file.read_bytes()
        changed = data[:-2] + bytes((data[-2] ^ 1, data[-1]))
        file.write_bytes(data[: len(data) // 2] if "half" in what else changed)
        if what == "no layer":
            file.unlink()

    done = run.wait()

    # So that the usual check at the end tells about the tags alone.
    file.write_bytes(data)
    refused(done, 79)
    assert site.moving == before


@pytest.mark.parametrize("what", ["manifests", "a layer"])
def test_what_the_registry_has_lost_is_published_again(site: Site, what: str) -> None:
    if what == "manifests":
        # This registry's own collector takes those that have no tag themselves.
        site.registry.collect_garbage(untagged=True)
    else:
        layer_of(site, OLD).unlink()

    site.publisher.complete(OLD)

    site.check()
    site.assert_published(OLD)


def test_what_the_registry_has_damaged_is_told_and_once_it_is_mended_published_again(
    site: Site,
) -> None:
    layer, before = layer_of(site, OLD), site.tags
    os.truncate(layer, layer.stat().st_size // 2)

    # This registry takes no blob that it has already, damaged or not.
    refused(site.publisher.run(OLD), 79, "lacks its layer", "storage is mended")
    assert site.tags == before

    layer.unlink()
    site.publisher.complete(OLD)
    site.assert_published(OLD)


def layer_of(site: Site, version: str) -> Path:
    """Return the file that the registry keeps a version's last layer in: the CLI's."""
    index = json.loads(site.registry.blob_bytes(site.tags[version]))
    image = json.loads(site.registry.blob_bytes(index["manifests"][0]["digest"]))
    return blob_file(site.registry, image["layers"][-1]["digest"])
