"""Attestations, as BuildKit lays them out."""

from __future__ import annotations

import json
from typing import Any, Final

from pinnace_builder.publish import provenance
from tests.unit.builder.publish.layouts import MANIFEST, PROVENANCE, digest_of

_IMAGE: Final = f"sha256:{'1a' * 32}"
_NAME: Final = "pkg:docker/registry.example/claude@1"
_BILL: Final = provenance.statement(provenance.SPDX, {"spdxVersion": "SPDX-2.3", "name": "ü"})
_STATEMENTS: Final = (PROVENANCE, _BILL)


def _made() -> provenance.Attestation:
    return provenance.attestation(_IMAGE, _NAME, _STATEMENTS)


def _described(made: provenance.Attestation, descriptor: dict[str, Any]) -> bytes:
    """Return the blob of a descriptor, if the descriptor is right."""
    data = made.blobs[descriptor["digest"]]
    assert (digest_of(data), len(data)) == (descriptor["digest"], descriptor["size"])
    return data


def test_a_statement_is_an_in_toto_one() -> None:
    assert _BILL == {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://spdx.dev/Document",
        "predicate": {"spdxVersion": "SPDX-2.3", "name": "ü"},
    }


def test_every_statement_is_a_layer_whose_type_is_told_outside() -> None:
    made = _made()
    layers = json.loads(made.manifest)["layers"]

    assert [layer["mediaType"] for layer in layers] == ["application/vnd.in-toto+json"] * 2
    told = [layer["annotations"]["in-toto.io/predicate-type"] for layer in layers]
    assert told == [statement["predicateType"] for statement in _STATEMENTS]
    for layer, statement in zip(layers, _STATEMENTS, strict=True):
        found = json.loads(_described(made, layer))
        assert found == {**statement, "subject": found["subject"]}


def test_the_subject_of_every_statement_is_the_image_whatever_it_was() -> None:
    made = _made()

    for layer in json.loads(made.manifest)["layers"]:
        subject = json.loads(_described(made, layer))["subject"]
        assert subject == [{"name": _NAME, "digest": {"sha256": "1a" * 32}}]


def test_the_configuration_is_of_no_platform_and_lists_the_layers() -> None:
    made = _made()
    document = json.loads(made.manifest)
    config = json.loads(_described(made, document["config"]))

    assert document["schemaVersion"] == 2
    assert document["mediaType"] == MANIFEST
    assert document["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert (config["architecture"], config["os"]) == ("unknown", "unknown")
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in document["layers"]]


def test_nothing_is_pushed_that_nothing_refers_to() -> None:
    made = _made()
    document = json.loads(made.manifest)

    referred = {document["config"]["digest"], *(layer["digest"] for layer in document["layers"])}
    assert set(made.blobs) == referred


def test_the_entry_in_a_manifest_list_says_what_it_is_about() -> None:
    made = _made()

    assert provenance.reference(_IMAGE, made) == {
        "mediaType": MANIFEST,
        "digest": digest_of(made.manifest),
        "size": len(made.manifest),
        "platform": {"architecture": "unknown", "os": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": _IMAGE,
        },
    }


def test_the_same_statements_give_the_same_bytes_in_whatever_order_their_keys_are() -> None:
    turned = [dict(reversed(list(statement.items()))) for statement in _STATEMENTS]

    assert provenance.attestation(_IMAGE, _NAME, turned) == _made()


def test_another_image_has_other_attestations() -> None:
    other = provenance.attestation(f"sha256:{'2b' * 32}", _NAME, _STATEMENTS)

    assert other.manifest != _made().manifest
