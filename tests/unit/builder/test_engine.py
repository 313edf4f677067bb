"""An engine that refuses: one sentence, whatever it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import pytest
from python_on_whales.exceptions import DockerException, NoSuchImage

from pinnace_core.engine import whales
from pinnace_core.errors import BuildFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from python_on_whales import DockerClient

_ARGV: Final = ["docker", "image", "inspect", "a-secret"]


class Refusing:
    """Stands in for the client: does nothing that it is asked for.

    Attributes:
        error: what it says instead.
    """

    def __init__(self, error: type[DockerException] = DockerException) -> None:
        self._error = error
        self.image = self
        self.container = self

    def refuse(self, *_: object, **__: object) -> NoReturn:
        raise self._error(_ARGV, 1, b"", b"warning: x\nno space left on device\n")

    inspect = tag = remove = save = info = create = refuse


def refusing(error: type[DockerException] = DockerException) -> DockerClient:
    """Return a client whose engine refuses."""
    return cast("DockerClient", Refusing(error))


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: whales.labels(client, "x"),
        lambda client: whales.image_id(client, "x"),
        lambda client: whales.tag(client, "x", "y"),
    ],
    ids=["labels", "id", "tag"],
)
def test_a_refusal_is_one_sentence(ask: Callable[[Any], object]) -> None:
    with pytest.raises(BuildFailedError, match="failed: no space left on device") as caught:
        ask(refusing())

    assert caught.value.exit_code == 70
    assert "a-secret" not in caught.value.message


def test_an_image_that_is_not_there_has_no_id() -> None:
    assert whales.image_id(refusing(NoSuchImage), "x") is None


def test_labels_of_an_image_that_went_away_are_an_error_of_ours() -> None:
    with pytest.raises(BuildFailedError, match="looking at x"):
        whales.labels(refusing(NoSuchImage), "x")


def test_what_the_engine_does_not_let_go_is_said_and_nobodys_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with whales.tidying("the image"):
        refusing().image.remove("x")

    assert capsys.readouterr().err == (
        "pinnace-build: the image stays in the engine: no space left on device\n"
    )
