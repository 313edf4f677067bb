"""Values are filled in, what is not known is an error, and what is code stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.prompts import braces
from pinnace.prompts.compose import Order, compose
from pinnace.prompts.data import Source, value_of
from pinnace_core.errors import BadPromptError

if TYPE_CHECKING:
    from pathlib import Path

_DATA: dict[str, Any] = {
    "name": "Ada",
    "a": {"b": 1, "c": [1, "é"]},
    "yes": True,
    "no": False,
    "none": None,
    "empty": [],
    "whole": 2.0,
}


def _filled(text: str, data: dict[str, Any] | None = None, syntax: str = "jinja") -> str:
    order = Order(text, "p.md", is_file=False, syntax=syntax)
    return compose(order._replace(data=_DATA if data is None else data)).text


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{name}", "Ada"),
        ("${name}", "Ada"),
        ("{ name }", "Ada"),
        ("{a.b}", "1"),
        ("{a.c}", '[\n  1,\n  "é"\n]'),
        ("{whole} {yes}{none}", "2 true"),
        (r"\{name} \${name}", "{name} ${name}"),
        ('{yes ? "x" : "y"} {no ? "x" : "y"}', "x y"),
        ("{name == 'Ada' ? name : 'nobody'}", "Ada"),
        ("{name != 'Ada' ? name : 'nobody'}", "nobody"),
        ("{a.b === 1 ? 'one' : 'more'} {a.b == '1' ? 'one' : 'more'}", "one more"),
        ("{!no ? 'x' : 'y'}{empty ? 'x' : 'y'}{none ? 'x' : 'y'}", "xxy"),
        ("{no ? 'x' : yes == true ? 'y: z?' : 'w'}", "y: z?"),
        (r"""{yes ? "it's \"so\"" : ''}""", 'it\'s "so"'),
        ("{no ? unknown : 'y'}", "y"),
    ],
)
def test_channelcoders_braces(text: str, made: str) -> None:
    assert _filled(text, syntax="braces") == made


@pytest.mark.parametrize(
    "code",
    [
        '{"a": 1}',
        "{}",
        "{ }",
        "a{3} b{1,2}",
        "function f() { return x; }",
        "import { useState } from 'react'",
        "{x => x + 1}",
        '{ "a": { "b": [] } }',
        "{a: b}",
        "{'text'}",
        "{1}",
        "${a + b}",
        "{a == b}",
        "{% if x %}{{ y | z }}{% endif %}".replace("{{ y | z }}", "{{ y | z }}"),
        "for (;;) {\n  go()\n}",
        "{a ?? b}",
        "{a?.b}",
    ],
)
def test_code_survives(code: str) -> None:
    assert _filled(code, {}, syntax="braces") == code


@given(st.text(st.sampled_from("{}$\\ab.? :'\"=!\n 1,;()"), max_size=40))
def test_braces_give_back_what_is_no_expression(text: str) -> None:
    try:
        made = braces.fill(text, {"a": "A"}, "p.md")
    except BadPromptError:
        return
    kept = [c for c in text if c in "}\n;,()"]
    if "a" not in text and "b" not in text and "\\" not in text:
        if "?" not in text:
            assert made == text
    elif "?" not in text:
        # Nothing but names is taken away: `{a}` goes with its braces.
        assert len([c for c in made if c in "}\n;,()"]) + made.count("A") >= len(kept)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x\n  {nmae}", "p.md:2:3: there is no 'nmae', perhaps you meant 'name'"),
        ("{a.x}", "p.md:1:1: there is no 'a.x'"),
        ("{name.x}", "there is no 'name.x'"),
        ("{unknown ? 'a' : 'b'}", "there is no 'unknown'"),
    ],
)
def test_an_unknown_name_in_braces_is_an_error(text: str, said: str) -> None:
    with pytest.raises(BadPromptError) as caught:
        _filled(text, syntax="braces")
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x\n{{ nmae }}", "p.md:2: there is no 'nmae', perhaps you meant 'name'"),
        ("{{ a.x }}", "p.md:1: there is no 'x' in it"),
        ("x\n\n{% if %}", "p.md:3: "),
        ("{{ name | upcase }}", "p.md:1: No filter named 'upcase'"),
        ("{{ name + 1 }}", "p.md:1: TypeError"),
        ("{{ 1 / 0 }}", "p.md:1: ZeroDivisionError"),
        ("{% include 'x.md' %}", "the prompt is no file"),
        ("{{ ''.__class__ }}", "refused: "),
        ("{{ a.update({}) }}", "refused: "),
        ("{{ range(10**9) }}", "OverflowError"),
    ],
)
def test_what_is_wrong_in_a_template_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(BadPromptError) as caught:
        _filled(text)
    assert said in caught.value.message


def test_lines_are_those_of_the_file() -> None:
    with pytest.raises(BadPromptError, match=r"p\.md:5: there is no 'x'"):
        compose(Order("---\nmodel: opus\n---\n\n{{ x }}", "p.md"))


def test_jinja_shows_values_as_json_has_them() -> None:
    text = "{{ yes }} {{ none }}|{{ whole }}|{{ a.c | tojson }}|{{ x | default('d') }}"
    assert _filled(text) == 'true |2|[1, "é"]|d'


def test_what_is_included_lies_below_the_file(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "rules.md").write_text("Rules for {{ name }}{{ x }}")
    order = Order("{% include 'below/rules.md' %}", "p.md", str(tmp_path), data={"name": "Ada"})

    with pytest.raises(BadPromptError, match=r"below/rules\.md:1: there is no 'x'"):
        compose(order)
    assert compose(order._replace(data={"name": "Ada", "x": "!"})).text == "Rules for Ada!"


_SCHEMA = """\
---
input:
  branch: string
  count?: integer
  files: string[]
  mode: {type: string, enum: [fast, slow], default: fast}
---
{{ branch }} {{ count }} {{ files | join('+') }} {{ mode }}
"""


def test_data_comes_from_everywhere_and_the_last_counts() -> None:
    order = Order(
        _SCHEMA,
        "p.md",
        data={"branch": "a", "files": []},
        sources=(
            Source("x.yaml", "branch: b\nfiles: [x, y]"),
            Source("x.toml", "branch = 'c'"),
            Source("standard input", '{"count": 4}'),
        ),
        assignments=(("branch", "007"), ("count", "5")),
    )

    assert compose(order).text == "007 5 x+y fast"


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        ({"branch": "x"}, "'files' is a required property"),
        ({"branch": "x", "files": "[]", "mode": "no"}, "mode: 'no' is not one of"),
        ({"branch": "x", "files": "[]", "conut": "1"}, "perhaps you meant 'count'"),
        ({"branch": "x", "files": "[1]"}, "files.0: 1 is not of type 'string'"),
    ],
)
def test_data_has_to_fit(assignments: dict[str, str], said: str) -> None:
    with pytest.raises(BadPromptError) as caught:
        compose(Order(_SCHEMA, "p.md", assignments=tuple(assignments.items())))
    assert said in caught.value.message


def test_what_may_be_missing_may_be_so_in_what_is_nested_too() -> None:
    mode = "{type: string, default: fast}"
    schema = f"\n  config:\n    port: number\n    host?: string\n    mode: {mode}"
    text = f"---\ninput: {schema}\n---\n{{{{ config.host }}}}|{{{{ config.mode }}}}|"
    order = Order(text, "p.md", data={"config": {"port": 1}})
    assert compose(order).text == "|fast|"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.json", "{", "x.json:1:2: not JSON"),
        ("x.json", "[]", "x.json: no names and values"),
        ("x.json", '{"a": NaN}', "'NaN' is no JSON"),
        ("x.yaml", "a: 1\na: 2", "x.yaml:2:1: 'a' is there twice"),
        ("x.toml", "a = ", "x.toml: cannot be read"),
        ("x.json", "[" * 100_000, "x.json: cannot be read"),
        ("x.yaml", "[" * 10_000, "x.yaml: nested too deeply"),
        ("x.json", '{"a": ' + "9" * 5_000 + "}", "x.json: cannot be read"),
    ],
)
def test_data_that_cannot_be_read(name: str, text: str, said: str) -> None:
    with pytest.raises(BadPromptError) as caught:
        compose(Order("x", "p.md", sources=(Source(name, text),)))
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("5", 5), ("true", True), ("null", None), ('["a"]', ["a"]), ("1.5", 1.5)),
        *(("1.10", "1.10"), ("007", "007"), ("x", "x"), ('"x"', '"x"'), ("", ""), ("NaN", "NaN")),
    ],
)
def test_a_text_means_json_where_that_loses_nothing(text: str, value: object) -> None:
    assert value_of(text, None) == value
    assert value_of(text, {"type": "string"}) == text


def test_no_reference_out_of_a_schema_is_followed(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    place = (tmp_path / "x.json").as_uri()
    text = f"---\ninput: {{$ref: '{place}'}}\n---\nx"

    with pytest.raises(BadPromptError, match="which is not in it"):
        compose(Order(text, "p.md"))


def test_a_brace_that_may_be_meant_is_noted() -> None:
    made = compose(Order("{name}", "p.md", data={"name": "x"}))
    assert made.notes == ("'{name}' stays as it is: 'syntax: braces' would fill it in",)


@pytest.mark.parametrize("value", ["\0", "\ud800"])
def test_what_is_no_text_is_refused(value: str) -> None:
    with pytest.raises(BadPromptError, match="no text"):
        _filled("{{ x }}", {"x": value})
