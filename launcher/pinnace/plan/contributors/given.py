"""Variables that were given with a value: in a file of the launch, never in an argument list.

All users of a machine may read the arguments of its programs (/proc/PID/cmdline). By its name,
from the client's environment, would not do either: PATH, LD_PRELOAD and more would count for that
client, outside. So the client reads a file that is the user's alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pinnace.plan import Contribution
from pinnace.plan.contributors import private_places
from pinnace.plan.contributors.secrets import kept_private
from pinnace.plan.resources import Resource
from pinnace.plan.variables import is_a_line

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pinnace.plan import Inputs
    from pinnace_core.container import ContainerSpec

_FILE: Final = "variables"


def contribute(inputs: Inputs) -> Contribution:
    """Have the client read them from a file; what is no line of one, `secrets` hands in."""
    names = tuple(name for name, value in inputs.given.items() if is_a_line(value))
    if inputs.dry_run or not names:
        # What is shown has them in it: it can be pasted.
        return Contribution()
    directory = private_places(inputs.facts)[0] / os.urandom(8).hex()

    def written(spec: ContainerSpec) -> AbstractContextManager[None]:
        lines = (f"{name}={value}\n" for name, value in spec.environment if name in spec.in_file)
        return kept_private(directory, {_FILE: "".join(lines)}, None)

    return Contribution(
        in_file=names,
        environment_file=str(directory / _FILE),
        resources=(Resource(written, lambda: ""),),
    )
