"""`pinnace prompt`: prompt files, looked at before they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from pinnace import request
from pinnace.cli import group
from pinnace_core import console, output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.prompts import Prompt

_FILE: Final = click.Path(dir_okay=False)


@group.cli.group("prompt", cls=output.Group)
def prompt_group() -> None:
    """Look at prompt files; one is sent by: pinnace run --prompt FILE."""


@prompt_group.command("check")
@click.argument("file", type=_FILE)
@click.option("--data", "assignments", multiple=True, metavar="NAME=VALUE", help="A value.")
@click.option("--data-file", "files", multiple=True, type=_FILE, help="Values: JSON, YAML, TOML.")
@click.option("--data-stdin", "stdin", is_flag=True, help="Values from standard input, as JSON.")
@output.json_option
def check_command(
    *, file: str, assignments: tuple[str, ...], files: tuple[str, ...], stdin: bool, as_json: bool
) -> int:
    """Render a prompt file, compare the data with its schema, and print what would be sent."""
    given = tuple(request.assignment(text) for text in assignments)
    prompt = _rendered(request.PromptRequest(file, given, files, stdin))
    if as_json:
        return output.print_result(
            {
                "text": prompt.text,
                "options": dict(prompt.options),
                "output": prompt.output,
                "session_required": prompt.session_required,
                "notes": list(prompt.notes),
            }
        )
    for line in _about(prompt):
        output.say(f"# {line}")
    click.echo(console.printable(prompt.text))
    return 0


def _rendered(asked: request.PromptRequest) -> Prompt:
    from pinnace.launch import prompted

    return prompted.rendered(asked)


def _about(prompt: Prompt) -> Iterator[str]:
    from pinnace.prompts import arguments

    yield from prompt.notes
    yield from arguments.of_options(prompt, (), lambda name: name)
    for name, text in arguments.files(prompt).items():
        yield f"{name}: {len(text)} characters"
    if prompt.output:
        yield arguments.of_schema(prompt.output)
    if prompt.session_required:
        yield "goes on in a session: --session NAME, --resume ID, or --continue"
