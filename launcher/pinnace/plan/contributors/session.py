"""The session that a launch begins or goes on with, where the user says which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace.agent.arguments import converses
from pinnace.plan import Contribution
from pinnace.plan.contributors import place_of
from pinnace.plan.resources import Resource
from pinnace.sessions.choose import choose
from pinnace_images import contract

if TYPE_CHECKING:
    from pinnace.plan import Inputs


def contribute(inputs: Inputs) -> Contribution:
    """Tell Claude which session it is, and let no other launch go on with it meanwhile.

    Raises:
        UsageError: Claude's arguments say which, too, or its version cannot be told.
        SessionMissingError: there is none of this id, or the name's transcript has gone.
    """
    if inputs.program != contract.CLAUDE_BINARY or not converses(inputs.claude_arguments):
        return Contribution()
    wanted, config = inputs.settings.session, place_of(inputs).config
    chosen = choose(
        config,
        wanted,
        inputs.version,
        inputs.claude_arguments,
        workdir=inputs.project.workdir,
    )
    return Contribution(
        arguments=chosen.arguments,
        labels=((contract.LABEL_RUN_SESSION, chosen.id),),
        resources=(Resource(lambda _: chosen.held()),),
    )
