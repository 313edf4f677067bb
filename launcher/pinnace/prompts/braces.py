r"""ChannelCoder's way to fill in values: `{name}`, `{a.b}`, `{a ? "yes" : "no"}`, `\{`.

What is in braces and is no expression stays as it is: code survives. What is a name and not known
is an error, instead of nothing. `${name}` is the same as `{name}`.

An expression is a name, or `condition ? operand : operand`, where another choice may stand in the
place of an operand; a condition is an operand, `!condition`, or two operands with `==`, `!=`,
`===` or `!==` between them; an operand is a name, a text in quotes, a number, `true`, `false`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pinnace.prompts.shown import shown
from pinnace_core.errors import BadPromptError, perhaps
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BRACES: Final = re.compile(r"\\(\$?\{)|\$?\{([^{}]*)\}")
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
_TOKEN: Final = re.compile(
    rf"""\s*(?:(?P<name>{_NAME})|(?P<number>-?\d+(?:\.\d+)?)|(?P<sign>===?|!==?|[?:!])"""
    r"""|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))"""
)
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None, "undefined": None}
_EQUAL: Final = ("==", "===")
_COMPARING: Final = (*_EQUAL, "!=", "!==")
_HINT: Final = (
    r"give it by --data, or declare it below 'input'; a brace that is to stay as it is: \{"
)


_MOST_TOKENS: Final = 100
_Value: TypeAlias = "Callable[[], Any]"


class _Token(NamedTuple):
    kind: str
    text: str


class _NoExpressionError(Exception):
    """What stands in braces is something else: code."""


def fill(template: str, data: Mapping[str, Any], name: str, *, offset: int = 0) -> str:
    """Return a template with its values.

    Args:
        template: the text.
        data: the values, by name.
        name: of the template, for errors.
        offset: how many lines stand above it in its file.

    Raises:
        BadPromptError: a name is not known.
    """

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return found[1]
        # `{ name }` may be code, as in `import { name } from "x"`: it has to be known.
        lenient = found[2] != found[2].strip() and re.fullmatch(rf"\s*({_NAME})\s*", found[2])
        if lenient and lenient[1].partition(".")[0] not in data:
            return found[0]
        try:
            return shown(_Expression(found[2], data).value())
        except _NoExpressionError:
            return found[0]
        except _UnknownError as error:
            line = template.count("\n", 0, found.start()) + 1 + offset
            column = found.start() - template.rfind("\n", 0, found.start())
            raise BadPromptError(f"{name}:{line}:{column}: {error}", hint=_HINT) from None

    return _BRACES.sub(value, template)


class _UnknownError(Exception):
    """A name is not known."""


class _Expression:
    """Reads what stands in braces; nothing is looked up before it is known to be no code."""

    def __init__(self, text: str, data: Mapping[str, Any]) -> None:
        self._tokens, self._data = _tokens(text), data

    def value(self) -> Any:  # noqa: ANN401 (JSON)
        """Return its value.

        Raises:
            _NoExpressionError: it is neither a name nor a choice.
            _UnknownError: a name is not known.
        """
        alone = [token.kind for token in self._tokens] == ["name"]
        found = self._operand() if alone else self._choice()
        if self._tokens:
            raise _NoExpressionError
        return found()

    def _choice(self) -> _Value:
        condition = self._condition()
        self._require("?")
        yes = self._branch()
        self._require(":")
        no = self._branch()
        return lambda: yes() if _counts(condition()) else no()

    def _branch(self) -> _Value:
        # `a ? "x" : b ? "y" : "z"`
        ahead = [token.text for token in self._tokens[1:2]]
        return self._choice() if ahead and ahead[0] in {"?", *_COMPARING} else self._operand()

    def _condition(self) -> _Value:
        if self._take("!"):
            inner = self._condition()
            return lambda: not _counts(inner())
        left = self._operand()
        sign = next((sign for sign in _COMPARING if self._take(sign)), "")
        if not sign:
            return left
        right = self._operand()
        return lambda: _same(left(), right()) == (sign in _EQUAL)

    def _operand(self) -> _Value:
        if not self._tokens or self._tokens[0].kind == "sign":
            raise _NoExpressionError
        kind, text = self._tokens.pop(0)
        if kind == "text":
            return lambda: re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
        if kind == "number":
            return lambda: float(text)
        return lambda: _WORDS[text] if text in _WORDS else _looked_up(text, self._data)

    def _take(self, sign: str) -> bool:
        taken = self._tokens[:1] == [_Token("sign", sign)]
        del self._tokens[:taken]
        return taken

    def _require(self, sign: str) -> None:
        if not self._take(sign):
            raise _NoExpressionError


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        token = _TOKEN.match(text, position, end)
        if token is None or len(found) > _MOST_TOKENS:
            raise _NoExpressionError
        kind = str(token.lastgroup)
        found.append(_Token(kind, token[kind]))
        position = token.end()
    return found


def _looked_up(path: str, data: Mapping[str, Any]) -> Any:  # noqa: ANN401 (JSON)
    value: Any = data
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            known = value if isinstance(value, dict) else ()
            raise _UnknownError(f"there is no '{path}'{perhaps(name, known)}")
        value = value[name]
    return value


def _counts(value: Any) -> bool:  # noqa: ANN401 (JSON)
    """As in JavaScript: an empty list or object is something."""
    return isinstance(value, (list, dict)) or bool(value)


def _same(left: Any, right: Any) -> bool:  # noqa: ANN401 (JSON)
    """As `===` in JavaScript: of one type, too."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)
