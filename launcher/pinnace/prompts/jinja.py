"""Jinja, in its sandbox: no attribute that leads out of the data, no name that is not known.

How long it takes, and how much it makes, is bounded by the process in which this runs: `child`.
https://jinja.palletsprojects.com/en/stable/sandbox/
"""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING, Any, Final

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pinnace.prompts import within
from pinnace.prompts.shown import as_json, shown
from pinnace_core.errors import BadPromptError, perhaps

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNKNOWN: Final = "give it by --data, or declare it below 'input'; or: {{ name | default('') }}"
_SYNTAX: Final = "as it is: {% raw %}...{% endraw %}; of ChannelCoder's kind: 'syntax: braces'"
_SANDBOX: Final = "use the values as data: nothing of Python's is reached from a prompt"
_NAME: Final = re.compile(r"'(\w+)' is undefined")
_MEMBER: Final = re.compile(r"has no attribute '(\w+)'")


class Template:
    """A template, and what it includes.

    Args:
        text: of it.
        name: for errors.
        directory: what it includes lies below it; empty: it includes nothing.
        offset: how many lines stand above it in its file.
    """

    def __init__(self, text: str, name: str, *, directory: str = "", offset: int = 0) -> None:
        self._text, self._name, self._directory, self._offset = text, name, directory, offset
        self._loaded = {name}

    def fill(self, data: Mapping[str, Any]) -> str:
        """Return the text with its values.

        Args:
            data: the values, by name.

        Raises:
            BadPromptError: it cannot be understood, does what it must not, or knows a name that
                the data does not.
        """
        try:
            return _environment(self._load).get_template(self._name).render(data)
        except jinja2.TemplateSyntaxError as error:
            place = (error.name or self._name, error.lineno)
            raise self._problem(place, error.message or "", _SYNTAX) from None
        except jinja2.UndefinedError as error:
            raise self._of_run(error, _unknown(str(error), data), _UNKNOWN) from None
        except SecurityError as error:
            raise self._of_run(error, f"refused: {error}", _SANDBOX) from None
        except BadPromptError as error:
            raise self._of_run(error, error.message, error.hint) from None
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (filters raise whatever they like)
            raise self._of_run(error, f"{type(error).__name__}: {error}", _SYNTAX) from None

    def _load(self, name: str) -> tuple[str, str, None]:
        self._loaded.add(name)
        text = self._text if name == self._name else within.read(self._directory, name)
        return text, name, None

    def _of_run(self, error: Exception, message: str, hint: str) -> BadPromptError:
        """Name the line of the template that was filled in when it happened."""
        frames = traceback.extract_tb(error.__traceback__)
        places = [(f.filename, f.lineno or 0) for f in frames if f.filename in self._loaded]
        return self._problem(places[-1] if places else (self._name, 0), message, hint)

    def _problem(self, place: tuple[str, int], message: str, hint: str) -> BadPromptError:
        name, line = place
        number = line + self._offset if name == self._name else line
        where = f"{name}:{number}" if line else name
        return BadPromptError(f"{where}: {message}", hint=hint)


def _environment(load: Any) -> jinja2.Environment:  # noqa: ANN401 (jinja's own type is untold)
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(load),
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["tojson"] = as_json
    # What it prints is left to chance.
    del environment.globals["lipsum"], environment.filters["random"]
    return environment


def _finalized(value: object) -> object:
    return value if isinstance(value, (str, jinja2.Undefined)) else shown(value)


def _unknown(message: str, data: Mapping[str, Any]) -> str:
    name = _NAME.search(message)
    if name:
        return f"there is no '{name[1]}'{perhaps(name[1], data)}"
    member = _MEMBER.search(message)
    return f"there is no '{member[1]}' in it" if member else message
