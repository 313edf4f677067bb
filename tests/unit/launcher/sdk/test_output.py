"""Answers in a form that the caller set: asked for, read, asked for again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypedDict

import jsonschema
import msgspec
import pydantic
import pytest

from pinnace.sdk.errors import BadOutputTypeError
from pinnace.sdk.output import Accepted, Again, Asked, Rejected
from pinnace.sdk.schema import MisfitError, output_type


class Model(pydantic.BaseModel):
    name: str
    when: date | None = None
    children: list[Model] = []

    @pydantic.field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if name == "nobody":
            raise ValueError("somebody is needed")
        return name


class Strict(pydantic.BaseModel, strict=True):
    name: str
    when: date


class Struct(msgspec.Struct):
    name: str
    child: Struct | None = None


@dataclass
class Plain:
    name: str


class Typed(TypedDict):
    name: str


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}


@pytest.mark.parametrize("wanted", [Model, Struct, Plain, Typed, SCHEMA])
def test_types_of_all_kinds_are_asked_for_and_read(wanted: Any) -> None:
    output = output_type(wanted)
    assert output.schema["type"] == "object"
    jsonschema.Draft202012Validator.check_schema(output.schema)
    data = output.data({"name": "Ann"})
    assert (data["name"] if isinstance(data, dict) else data.name) == "Ann"
    if isinstance(wanted, type) and wanted is not Typed:
        assert isinstance(data, wanted)
    wrongs: tuple[object, ...] = ({"name": 5}, {}, [], None, "x")
    for wrong in wrongs:
        with pytest.raises(MisfitError):
            output.data(wrong)


@pytest.mark.parametrize(
    ("wanted", "answer", "meant"),
    [
        (list[int], [1], [1]),
        (Literal["a", "b"], "b", "b"),
        (list[Struct], [{"name": "x"}], [Struct("x")]),
        (list[Model], [{"name": "x"}], [Model(name="x")]),
        ({"type": "array", "items": {"type": "integer"}}, [1], [1]),
        ({"$ref": "#/definitions/n", "definitions": {"n": {"type": "integer"}}}, 4, 4),
    ],
)
def test_an_answer_that_is_no_object_comes_in_one(wanted: Any, answer: Any, meant: Any) -> None:
    output = output_type(wanted)
    assert output.schema["type"] == "object"
    jsonschema.Draft202012Validator(output.schema).validate({"value": answer})
    assert output.data({"value": answer}) == meant
    wrongs: tuple[object, ...] = ({"value": {}}, answer, {"value": answer, "x": 1})
    for wrong in wrongs:
        with pytest.raises(MisfitError):
            output.data(wrong)


def test_references_still_lead_somewhere() -> None:
    tree = output_type(Struct)
    nested = {"name": "a", "child": {"name": "b", "child": None}}
    jsonschema.Draft202012Validator(tree.schema).validate(nested)
    assert tree.data(nested) == Struct("a", Struct("b"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(output_type(list[Model]).schema).validate(
            {"value": [{"name": "a", "children": [{"name": 5}]}]}
        )


def test_strict_models_take_dates_from_json() -> None:
    assert output_type(Strict).data({"name": "x", "when": "2026-01-02"}).when == date(2026, 1, 2)


def test_what_a_reference_outside_names_is_never_fetched() -> None:
    output = output_type(SCHEMA | {"properties": {"name": {"$ref": "http://localhost:1/x"}}})
    with pytest.raises(BadOutputTypeError, match="refers to"):
        output.data({"name": "x"})


@pytest.mark.parametrize("wanted", [object, complex, 5, {"type": "nope"}, {"enum": {1}}, None])
def test_what_is_no_form_is_an_error_before_anything_runs(wanted: Any) -> None:
    if wanted is None:
        assert output_type(None).data({"value": None}) is None
        return
    with pytest.raises(BadOutputTypeError) as caught:
        output_type(wanted)
    assert caught.value.exit_code == 64
    assert caught.value.hint


@pytest.mark.parametrize(
    ("version", "by_option"),
    [("2.1.330", True), ("2.0.45", True), ("2.0.44", False), ("1.0.128", False), ("", False)],
)
def test_each_version_is_asked_as_it_can_be(version: str, *, by_option: bool) -> None:
    asked = Asked.of(output_type(SCHEMA), version)
    assert bool(asked.arguments) is by_option
    assert bool(asked.instructions) is not by_option
    where = asked.arguments[1] if by_option else asked.instructions
    assert json.dumps(SCHEMA, separators=(",", ":")) in where


def test_a_schema_too_long_for_an_argument_is_asked_for_by_the_prompt() -> None:
    long = SCHEMA | {"description": "x" * 200_000}
    asked = Asked.of(output_type(long), "2.1.330")
    assert asked.arguments == ()
    assert "x" * 200_000 in asked.instructions


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ann"}',
        '  {"name": "Ann"}\n',
        'Here it is:\n```json\n{"name": "Ann"}\n```\nDone.',
        '```\n{"name": "Ann"}\n```',
        'The answer is {"name": "Ann"}, I think.',
    ],
)
def test_an_answer_in_words_is_found(text: str) -> None:
    asked = Asked.of(output_type(Model), "1.0.128")
    assert asked.judge(None, text, 1) == Accepted(Model(name="Ann"))


def test_what_the_cli_gives_counts_before_words() -> None:
    asked = Asked.of(output_type(SCHEMA), "2.1.330")
    assert asked.judge({"name": "Ann"}, '{"name": "Bob"}', 1) == Accepted({"name": "Ann"})


def test_a_misfit_is_asked_for_again_so_often_and_no_more() -> None:
    asked = Asked.of(output_type(Model), "2.1.330", retries=2)
    for tried in (1, 2):
        verdict = asked.judge({"name": "nobody"}, "", tried)
        assert isinstance(verdict, Again)
        assert "somebody is needed" in verdict.prompt
        assert "name" in verdict.reason
    assert isinstance(asked.judge({"name": "nobody"}, "", 3), Rejected)
    assert isinstance(asked.judge(None, "no idea", 3), Rejected)
    never = Asked.of(output_type(Model), "2.1.330", retries=0)
    assert isinstance(never.judge({}, "", 1), Rejected)


def test_an_old_version_is_told_the_schema_again() -> None:
    asked = Asked.of(output_type(SCHEMA), "1.0.128")
    verdict = asked.judge(None, "no idea", 1)
    assert isinstance(verdict, Again)
    assert '"required":["name"]' in verdict.prompt


def test_a_text_full_of_braces_ends_soon() -> None:
    asked = Asked.of(output_type(SCHEMA), "1.0.128")
    assert isinstance(asked.judge(None, "{" * 200_000 + "[" * 200_000, 3), Rejected)
