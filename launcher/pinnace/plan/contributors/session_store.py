"""The user's own store of sessions: has what was said when the launch is over."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pinnace.agent.arguments import converses
from pinnace.plan import Contribution
from pinnace.plan.contributors import place_of
from pinnace.plan.resources import Resource
from pinnace.sessions.transcripts import directories
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.plan import Inputs


def contribute(inputs: Inputs) -> Contribution:
    """Have the store keep what is said, and give what it has of the session before."""
    if inputs.program != contract.CLAUDE_BINARY or not converses(inputs.claude_arguments):
        return Contribution()
    return Contribution(resources=(Resource(lambda _: _kept(inputs)),))


@contextmanager
def _kept(inputs: Inputs) -> Iterator[None]:
    from pinnace.sessions import copies, store

    where = directories(inputs.project.target, inputs.project.workdir)
    named = store.named(inputs.settings.session_store)
    found = copies.Copies(named, place_of(inputs).config, where)
    with copies.kept(found, inputs.settings.session):
        yield
